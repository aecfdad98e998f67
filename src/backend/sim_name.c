/*
 * backend/sim_name.c: the names of simulated sockets: addresses of the loopback interface, which is
 * the only one there is, Unix sockets' names in the file system, and abstract ones.
 */
#include "backend/sim.h"

enum { FIRST_PORT = 32768 };

/* An address of either family: an IPv4 one is a mapped one, RFC 4291, section 2.5.5.2. */
struct host {
    uint8_t octets[16];
    uint16_t port; /* in network order */
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, zeros[16];

static int family_of(const struct rn_sim_address *address)
{
    return ((const struct rn_k_sockaddr *)(const void *)address->bytes)->sa_family;
}

static struct host host_of(const struct rn_sim_address *address)
{
    const struct rn_k_sockaddr_in *in = (const void *)address->bytes;
    const struct rn_k_sockaddr_in6 *in6 = (const void *)address->bytes;
    struct host host = {.port = in->sin_port};
    if (family_of(address) == RN_K_AF_INET6) {
        memcpy(host.octets, &in6->sin6_addr, sizeof host.octets);
        return host;
    }
    memcpy(host.octets, mapped, sizeof mapped);
    memcpy(host.octets + sizeof mapped, &in->sin_addr, 4);
    return host;
}

static bool is_ip4(const struct host *host) { return memcmp(host->octets, mapped, 12) == 0; }

static bool is_any(const struct host *host)
{
    return memcmp(host->octets + 12, zeros, 4) == 0 &&
           (is_ip4(host) || memcmp(host->octets, zeros, 12) == 0);
}

static bool same_host(const struct host *a, const struct host *b)
{
    return memcmp(a->octets, b->octets, sizeof a->octets) == 0;
}

static bool is_group(const struct host *host)
{
    return is_ip4(host) ? host->octets[12] >> 4 == 14 : host->octets[0] == 0xff;
}

static bool is_broadcast(const struct host *host)
{
    static const uint8_t all[] = {255, 255, 255, 255};
    return is_ip4(host) && (host->octets[12] == 127 || host->octets[12] == 255) &&
           memcmp(host->octets + 13, all, 3) == 0;
}

static bool is_here(const struct host *host)
{
    if (is_any(host) || is_broadcast(host)) return true;
    return is_ip4(host) ? host->octets[12] == 127
                        : memcmp(host->octets, zeros, 15) == 0 && host->octets[15] == 1;
}

static struct host loopback_of(bool ip4, uint16_t port)
{
    struct host host = {.octets[15] = 1, .port = port};
    if (ip4) memcpy(host.octets, mapped, sizeof mapped);
    if (ip4) host.octets[12] = 127;
    return host;
}

static void write_host(const struct host *host, int family, struct rn_sim_address *to)
{
    struct rn_k_sockaddr_in *in = (void *)to->bytes;
    struct rn_k_sockaddr_in6 *in6 = (void *)to->bytes;
    *to = (struct rn_sim_address){.len = family == RN_K_AF_INET6 ? sizeof *in6 : sizeof *in};
    in->sin_family = (uint16_t)family;
    in->sin_port = host->port;
    if (family == RN_K_AF_INET6) memcpy(&in6->sin6_addr, host->octets, sizeof host->octets);
    else memcpy(&in->sin_addr, host->octets + 12, 4);
}

/* Of the same host, as a socket of this family knows it. */
void rn_sim_translate(struct rn_sim_address *address, int family)
{
    if (family_of(address) == RN_K_AF_UNIX || family_of(address) == family) return;
    struct host host = host_of(address);
    write_host(&host, family, address);
}

/* ---- Sockets --------------------------------------------------------------------------------- */

void rn_sim_socket_init(struct rn_sim_socket *socket, const struct rn_sim_file_vt *vt, int family,
                        int type, bool nonblock)
{
    struct host host = {.port = 0};
    socket->file.vt = vt;
    socket->file.nonblock = nonblock;
    socket->family = (uint8_t)family;
    socket->type = (uint8_t)type;
    if (family == RN_K_AF_INET) memcpy(host.octets, mapped, sizeof mapped);
    if (family > RN_K_AF_UNIX) write_host(&host, family, &socket->local);
    else socket->local = (struct rn_sim_address){sizeof(uint16_t), {RN_K_AF_UNIX}};
}

struct rn_sim_socket *rn_sim_socket_of(struct rn_sim_file *file)
{
    struct rn_sim_socket *socket = (struct rn_sim_socket *)file;
    if (file->vt != &rn_sim_stream_vt && file->vt != &rn_sim_datagram_vt) return NULL;
    return socket->family ? socket : NULL;
}

int rn_sim_getname(struct rn_sim *sim, struct rn_sim_file *file, bool peer, void *address,
                   uint32_t *len)
{
    const struct rn_sim_socket *socket = rn_sim_socket_of(file);
    if (!socket) return -RN_K_ENOTSOCK;
    if (peer && !socket->connected) return -RN_K_ENOTCONN;
    const struct rn_sim_address *name = peer ? &socket->remote : &socket->local;
    memcpy(address, name->bytes, name->len < *len ? name->len : *len);
    *len = name->len;
    return 0;
}

/* ---- What a program says --------------------------------------------------------------------- */

static bool is_path(const struct rn_sim_address *address)
{
    return family_of(address) == RN_K_AF_UNIX && address->len > 2 && address->bytes[2];
}

int rn_sim_read_address(const struct rn_sim_socket *socket, const void *from, uint32_t len,
                        struct rn_sim_address *to)
{
    uint32_t least = socket->family == RN_K_AF_INET    ? sizeof(struct rn_k_sockaddr_in)
                     : socket->family == RN_K_AF_INET6 ? 24 /* RFC 2133 */
                                                       : sizeof(uint16_t);
    bool ip = socket->family != RN_K_AF_UNIX;
    if (len < least || (!ip && len > sizeof(struct rn_k_sockaddr_un))) return -RN_K_EINVAL;
    *to = (struct rn_sim_address){.len = 0};
    memcpy(to->bytes, from, len < sizeof to->bytes ? len : sizeof to->bytes);
    if (family_of(to) != socket->family) return ip ? -RN_K_EAFNOSUPPORT : -RN_K_EINVAL;
    to->len = len;
    if (ip) {
        struct host host = host_of(to);
        write_host(&host, socket->family, to);
    } else if (is_path(to)) {
        to->len = (uint32_t)(sizeof(uint16_t) + strlen((const char *)to->bytes + 2) + 1);
    }
    return 0;
}

/* ---- Bound sockets --------------------------------------------------------------------------- */

static bool agree(const struct rn_sim_socket *a, const struct rn_sim_socket *b)
{
    if (rn_sim_option(a, RN_K_SOL_SOCKET, RN_K_SO_REUSEPORT) &&
        rn_sim_option(b, RN_K_SOL_SOCKET, RN_K_SO_REUSEPORT))
        return true;
    return rn_sim_option(a, RN_K_SOL_SOCKET, RN_K_SO_REUSEADDR) &&
           rn_sim_option(b, RN_K_SOL_SOCKET, RN_K_SO_REUSEADDR) && !a->listening && !b->listening;
}

/* Whether a socket that is bound to an address without a host takes what is for that one. */
static bool covers(const struct rn_sim_socket *socket, const struct host *own,
                   const struct host *host)
{
    if (!is_any(own)) return false;
    if (is_ip4(own) == is_ip4(host)) return true;
    return !is_ip4(own) && !rn_sim_option(socket, RN_K_IPPROTO_IPV6, RN_K_IPV6_V6ONLY);
}

static bool in_use(struct rn_sim *sim, const struct rn_sim_socket *socket,
                   const struct rn_sim_address *wanted)
{
    bool named = socket->family == RN_K_AF_UNIX;
    struct host host = host_of(wanted);
    for (const struct rn_sim_socket *at = sim->sockets; at; at = at->next) {
        if (at == socket || at->type != socket->type) continue;
        if (named != (at->family == RN_K_AF_UNIX)) continue;
        if (named) {
            if (at->local.len == wanted->len &&
                memcmp(at->local.bytes, wanted->bytes, wanted->len) == 0)
                return true;
            continue;
        }
        struct host own = host_of(&at->local);
        if (own.port == host.port && !agree(at, socket) &&
            (same_host(&own, &host) || covers(at, &own, &host) || covers(socket, &host, &own)))
            return true;
    }
    return false;
}

bool rn_sim_name_in_use(struct rn_sim *sim, const struct rn_sim_socket *socket)
{
    return socket->family != RN_K_AF_UNIX && in_use(sim, socket, &socket->local);
}

static void keep(struct rn_sim *sim, struct rn_sim_socket *socket,
                 const struct rn_sim_address *address)
{
    socket->local = *address;
    socket->bound = true;
    socket->next = sim->sockets;
    sim->sockets = socket;
}

void rn_sim_unbind(struct rn_sim *sim, struct rn_sim_socket *socket)
{
    struct rn_sim_socket **link = &sim->sockets;
    while (*link && *link != socket) link = &(*link)->next;
    if (*link) *link = socket->next;
    socket->bound = false;
}

/* A port or an abstract name that is free. */
static void choose(struct rn_sim *sim, struct rn_sim_socket *socket,
                   struct rn_sim_address *address)
{
    struct rn_k_sockaddr_un *name = (void *)address->bytes;
    do {
        if (socket->family != RN_K_AF_UNIX) {
            if (sim->port < FIRST_PORT) sim->port = FIRST_PORT;
            ((struct rn_k_sockaddr_in *)(void *)name)->sin_port = __builtin_bswap16(sim->port++);
            continue;
        }
        uint32_t number = sim->name++;
        address->len = sizeof name->sun_family + 6;
        name->sun_path[0] = 0;
        for (unsigned i = 1; i < 6; i++, number >>= 4)
            name->sun_path[i] = "0123456789abcdef"[number & 15];
    } while (in_use(sim, socket, address));
}

/* An unbound socket gets the first name that is free when it needs one. */
void rn_sim_autobind(struct rn_sim *sim, struct rn_sim_socket *socket)
{
    struct rn_sim_address address = socket->local;
    if (socket->bound) return;
    choose(sim, socket, &address);
    keep(sim, socket, &address);
}

static int check_host(const struct rn_sim_socket *socket, const struct rn_sim_address *address)
{
    struct host host = host_of(address);
    if (is_here(&host) || rn_sim_option(socket, RN_K_IPPROTO_IP, RN_K_IP_FREEBIND)) return 0;
    return is_group(&host) && socket->type == RN_K_SOCK_DGRAM ? 0 : -RN_K_EADDRNOTAVAIL;
}

int rn_sim_bind(struct rn_sim *sim, struct rn_sim_file *file, const void *from, uint32_t len)
{
    struct rn_sim_socket *socket = rn_sim_socket_of(file);
    struct rn_sim_address address;
    if (!socket) return -RN_K_ENOTSOCK;
    int result = rn_sim_read_address(socket, from, len, &address);
    if (result < 0) return result;
    if (socket->family == RN_K_AF_UNIX && address.len == sizeof(uint16_t) && !socket->bound) {
        rn_sim_autobind(sim, socket);
        return 0;
    }
    if (is_path(&address)) {
        if (socket->bound) return -RN_K_EINVAL;
        result = rn_sim_make_socket(sim, (const char *)address.bytes + 2, &socket->node);
        if (result < 0) return result == -RN_K_EEXIST ? -RN_K_EADDRINUSE : result;
    } else if (socket->family != RN_K_AF_UNIX) {
        result = check_host(socket, &address);
        if (result < 0) return result;
        if (socket->bound) return -RN_K_EINVAL;
        if (!host_of(&address).port) choose(sim, socket, &address);
    }
    if (socket->bound) return -RN_K_EINVAL;
    if (!is_path(&address) && in_use(sim, socket, &address)) return -RN_K_EADDRINUSE;
    keep(sim, socket, &address);
    return 0;
}

/* ---- Who is there ---------------------------------------------------------------------------- */

/* The name from which what goes there comes: a socket on any address has that of the loopback. */
struct rn_sim_address rn_sim_source(const struct rn_sim_socket *socket,
                                    const struct rn_sim_address *to)
{
    struct rn_sim_address source = socket->local;
    if (socket->family == RN_K_AF_UNIX) return source;
    struct host own = host_of(&source), host = host_of(to);
    if (!is_any(&own)) return source;
    own = loopback_of(is_ip4(&host), own.port);
    write_host(&own, socket->family, &source);
    return source;
}

/* 0, or why nothing gets there. "Any" host is this one. */
int rn_sim_route(const struct rn_sim_socket *socket, struct rn_sim_address *to)
{
    if (socket->family == RN_K_AF_UNIX) return 0;
    struct host host = host_of(to);
    if (is_any(&host)) {
        host = loopback_of(is_ip4(&host), host.port);
        write_host(&host, socket->family, to);
    }
    if (is_broadcast(&host) && !rn_sim_option(socket, RN_K_SOL_SOCKET, RN_K_SO_BROADCAST))
        return -RN_K_EACCES;
    return is_here(&host) || is_group(&host) ? 0 : -RN_K_ENETUNREACH;
}

bool rn_sim_is_for_many(const struct rn_sim_address *to)
{
    if (family_of(to) == RN_K_AF_UNIX) return false;
    struct host host = host_of(to);
    return is_group(&host) || is_broadcast(&host);
}

bool rn_sim_same_name(const struct rn_sim_address *a, const struct rn_sim_address *b)
{
    if (family_of(a) == RN_K_AF_UNIX || family_of(b) == RN_K_AF_UNIX)
        return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
    struct host one = host_of(a), other = host_of(b);
    return one.port == other.port && same_host(&one, &other);
}

/* 0: it isn't its name; more for an exact one than for one that takes any. */
unsigned rn_sim_answers_to(const struct rn_sim_socket *socket, const struct rn_sim_address *name)
{
    if (socket->family == RN_K_AF_UNIX || family_of(name) == RN_K_AF_UNIX)
        return !socket->node && rn_sim_same_name(&socket->local, name);
    struct host own = host_of(&socket->local), host = host_of(name);
    if (own.port != host.port) return 0;
    if (same_host(&own, &host)) return 2;
    return covers(socket, &own, &host);
}

/* A datagram socket with a peer hears nobody else. */
static bool takes(const struct rn_sim_socket *at, const struct rn_sim_socket *from)
{
    if (at->type == RN_K_SOCK_STREAM) return at->listening;
    if (!at->connected || at->family == RN_K_AF_UNIX) return true;
    struct rn_sim_address source = rn_sim_source(from, &at->local);
    return rn_sim_same_name(&at->remote, &source);
}

/* One that has the name, at random among those that share it; or NULL, and why. */
struct rn_sim_socket *rn_sim_find(struct rn_sim *sim, const struct rn_sim_socket *from,
                                  const struct rn_sim_address *name, int *error)
{
    struct rn_sim_socket *found = NULL;
    struct rn_sim_node *node = NULL;
    unsigned count = 0, best = 1;
    *error = -RN_K_ECONNREFUSED;
    if (is_path(name)) {
        int result = rn_sim_find_socket(sim, (const char *)name->bytes + 2, &node);
        if (result < 0) *error = result;
        if (result < 0) return NULL;
    }
    for (struct rn_sim_socket *at = sim->sockets; at; at = at->next) {
        unsigned score = node ? at->node == node : rn_sim_answers_to(at, name);
        if (score < best) continue;
        if (node && at->type != from->type) *error = -RN_K_EPROTOTYPE;
        if (at->type != from->type || !takes(at, from)) continue;
        if (score > best) count = 0;
        best = score;
        if (!rn_sim_random(sim, ++count)) found = at;
    }
    return found;
}
