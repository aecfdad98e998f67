/*
 * backend/sim_datagram.c: simulated datagram sockets: UDP, which may lose, double and delay, and
 * Unix, which does none of it and makes the sender wait instead.
 */
#include "backend/sim.h"

enum {
    LEN_MAX = 65507,
    BYTES_MAX = 212992, /* waiting at a UDP socket: net.core.rmem_default */
    UNIX_MAX = 10,      /* waiting at a Unix socket: net.unix.max_dgram_qlen */
};

struct datagram {
    struct datagram *next;
    struct rn_sim_datagrams *to;
    struct rn_sim_address from;
    size_t len;
    uint8_t bytes[];
};

struct rn_sim_datagrams {
    struct rn_sim_file file;
    struct rn_sim_datagrams *next; /* of all */
    struct rn_sim_address local, remote;
    struct rn_sim_datagrams *peer; /* of a pair */
    struct datagram *queue, **tail;
    size_t bytes;
    unsigned count;
    rn_ns last; /* what was sent later arrives later */
    int error;
    uint8_t family;
    bool connected;
    bool shut; /* nothing is waited for any more */
};

static struct rn_sim_datagrams *make(struct rn_sim *sim, int family, bool nonblock)
{
    struct rn_sim_datagrams *socket = rn_sim_alloc(sim, sizeof *socket);
    socket->file.vt = &rn_sim_datagram_vt;
    socket->file.nonblock = nonblock;
    socket->family = (uint8_t)family;
    socket->tail = &socket->queue;
    socket->next = sim->datagrams;
    sim->datagrams = socket;
    return socket;
}

int rn_sim_datagram_new(struct rn_sim *sim, int family, bool nonblock)
{
    int error = rn_sim_open_error(sim);
    if (error) return error;
    return rn_sim_descriptor(sim, &make(sim, family, nonblock)->file, 0);
}

int rn_sim_datagram_pair(struct rn_sim *sim, int flags, int fds[2])
{
    struct rn_sim_datagrams *a = make(sim, RN_K_AF_UNIX, flags & RN_K_SOCK_NONBLOCK);
    struct rn_sim_datagrams *b = make(sim, RN_K_AF_UNIX, flags & RN_K_SOCK_NONBLOCK);
    a->peer = b;
    b->peer = a;
    a->connected = b->connected = true;
    fds[0] = rn_sim_descriptor(sim, &a->file, 0);
    if (fds[0] < 0) return fds[0];
    fds[1] = rn_sim_descriptor(sim, &b->file, 0);
    if (fds[1] >= 0) return 0;
    rn_sim_close(sim, fds[0]);
    return fds[1];
}

/* ---- Names ----------------------------------------------------------------------------------- */

static uint16_t *port_of(struct rn_sim_address *address)
{
    return &((struct rn_k_sockaddr_in *)(void *)address->bytes)->sin_port;
}

static int family_of(const struct rn_sim_address *address)
{
    return ((const struct rn_k_sockaddr *)(const void *)address->bytes)->sa_family;
}

/* All hosts are one, so ports are enough. */
bool rn_sim_same_address(const struct rn_sim_address *a, const struct rn_sim_address *b)
{
    if (family_of(a) != family_of(b)) return false;
    if (family_of(a) == RN_K_AF_UNIX)
        return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
    return *port_of((struct rn_sim_address *)a) == *port_of((struct rn_sim_address *)b);
}

void rn_sim_autobind(struct rn_sim *sim, struct rn_sim_address *address, int family)
{
    struct rn_k_sockaddr_un *name = (void *)address->bytes;
    struct rn_k_sockaddr_in *in = (void *)address->bytes;
    struct rn_k_sockaddr_in6 *in6 = (void *)address->bytes;
    name->sun_family = (uint16_t)(family ? family : RN_K_AF_UNIX);
    if (!family) {
        address->len = sizeof name->sun_family; /* a pair's ends have no names */
    } else if (family == RN_K_AF_UNIX) {
        if (address->len > sizeof name->sun_family) return;
        address->len = sizeof name->sun_family + 6;
        name->sun_path[0] = 0;
        uint32_t number = sim->name++;
        for (unsigned i = 1; i < 6; i++, number >>= 4)
            name->sun_path[i] = "0123456789abcdef"[number & 15];
    } else {
        bool ip6 = family == RN_K_AF_INET6;
        if (!address->len && ip6) in6->sin6_addr.octets[15] = 1;
        if (!address->len && !ip6) in->sin_addr.s_addr = __builtin_bswap32(0x7f000001);
        address->len = ip6 ? sizeof *in6 : sizeof *in;
        if (!*port_of(address)) *port_of(address) = __builtin_bswap16(sim->port++);
    }
}

static struct rn_sim_datagrams *find(struct rn_sim *sim, const struct rn_sim_address *address)
{
    for (struct rn_sim_datagrams *at = sim->datagrams; at; at = at->next)
        if (!at->file.closed && at->local.len && rn_sim_same_address(&at->local, address))
            return at;
    return NULL;
}

static int set(struct rn_sim_address *to, const void *address, uint32_t len)
{
    if (len > sizeof to->bytes) return -RN_K_EINVAL;
    to->len = len;
    memcpy(to->bytes, address, len);
    return 0;
}

int rn_sim_datagram_bind(struct rn_sim *sim, struct rn_sim_file *file, const void *address,
                         uint32_t len)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    struct rn_sim_address wanted = {0};
    if (file->vt != &rn_sim_datagram_vt) return -RN_K_ENOTSOCK;
    if (socket->local.len || set(&wanted, address, len)) return -RN_K_EINVAL;
    rn_sim_autobind(sim, &wanted, socket->family);
    if (find(sim, &wanted)) return -RN_K_EADDRINUSE;
    socket->local = wanted;
    return 0;
}

int rn_sim_datagram_connect(struct rn_sim *sim, struct rn_sim_file *file, const void *address,
                            uint32_t len)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    if (file->vt != &rn_sim_datagram_vt) return -RN_K_ENOTSOCK;
    if (set(&socket->remote, address, len)) return -RN_K_EINVAL;
    if (!socket->local.len) rn_sim_autobind(sim, &socket->local, socket->family);
    socket->connected = true;
    return 0;
}

struct rn_sim_address *rn_sim_datagram_name(struct rn_sim_file *file, bool peer)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    return peer ? &socket->remote : &socket->local;
}

int rn_sim_datagram_error(struct rn_sim_file *file)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void on_datagram(struct rn_sim *sim, void *object, uint64_t value)
{
    struct datagram *datagram = object;
    struct rn_sim_datagrams *to = datagram->to;
    if (to->file.closed || to->bytes + datagram->len > BYTES_MAX) return;
    datagram->next = NULL;
    *to->tail = datagram;
    to->tail = &datagram->next;
    to->bytes += datagram->len;
    to->count++;
    rn_sim_notify(sim, &to->file, RN_K_POLLIN);
}

static void on_unreachable(struct rn_sim *sim, void *object, uint64_t value)
{
    struct rn_sim_datagrams *socket = object;
    if (socket->file.closed) return;
    socket->error = RN_K_ECONNREFUSED;
    rn_sim_notify(sim, &socket->file, RN_K_POLLERR | RN_K_POLLIN | RN_K_POLLOUT);
}

static void deliver(struct rn_sim *sim, struct rn_sim_datagrams *from, struct rn_sim_datagrams *to,
                    const void *bytes, size_t len)
{
    struct datagram *datagram = rn_sim_alloc(sim, sizeof *datagram + len);
    datagram->to = to;
    datagram->from = from->local;
    datagram->len = len;
    memcpy(datagram->bytes, bytes, len);
    if (to->family == RN_K_AF_UNIX) {
        on_datagram(sim, datagram, 0);
        return;
    }
    rn_ns at = sim->now + rn_sim_delay(sim);
    if (rn_sim_chance(sim, sim->options.faults.datagram_late)) {
        at += 10 * sim->options.faults.delay_max;
    } else {
        if (at < to->last) at = to->last;
        to->last = at;
    }
    rn_sim_at(sim, at, on_datagram, datagram, 0);
}

static int target(struct rn_sim *sim, struct rn_sim_datagrams *socket, const void *address,
                  uint32_t address_len, struct rn_sim_datagrams **to)
{
    struct rn_sim_address wanted = {0};
    if (address && set(&wanted, address, address_len)) return -RN_K_EINVAL;
    if (socket->peer) *to = socket->peer;
    else if (address) *to = find(sim, &wanted);
    else if (socket->connected) *to = find(sim, &socket->remote);
    else return -RN_K_EDESTADDRREQ;
    return 0;
}

long rn_sim_datagram_send(struct rn_sim *sim, struct rn_sim_file *file, const void *from,
                          size_t len, const void *address, uint32_t address_len)
{
    const struct rn_sim_faults *faults = &sim->options.faults;
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file, *to;
    if (socket->error) return -rn_sim_datagram_error(file);
    int error = target(sim, socket, address, address_len, &to);
    if (error) return error;
    if (len > LEN_MAX) return -RN_K_EMSGSIZE;
    if (socket->family == RN_K_AF_UNIX) {
        if (!to || to->file.closed) return -RN_K_ECONNREFUSED;
        if (to->count >= UNIX_MAX) return -RN_K_EAGAIN;
        deliver(sim, socket, to, from, len);
        return (long)len;
    }
    if (rn_sim_chance(sim, faults->io)) return -RN_K_ENOBUFS;
    if (!socket->local.len) rn_sim_autobind(sim, &socket->local, socket->family);
    if (!to) {
        if (socket->connected)
            rn_sim_at(sim, sim->now + rn_sim_delay(sim), on_unreachable, socket, 0);
        return (long)len;
    }
    if (rn_sim_chance(sim, faults->datagram_lost)) return (long)len;
    deliver(sim, socket, to, from, len);
    if (rn_sim_chance(sim, faults->datagram_twice)) deliver(sim, socket, to, from, len);
    return (long)len;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void tell_senders(struct rn_sim *sim)
{
    for (struct rn_sim_datagrams *at = sim->datagrams; at; at = at->next)
        if (at->family == RN_K_AF_UNIX) rn_sim_notify(sim, &at->file, RN_K_POLLOUT);
}

long rn_sim_datagram_receive(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                             void *address, uint32_t *address_len, bool *truncated)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    struct datagram *datagram = socket->queue;
    if (socket->error) return -rn_sim_datagram_error(file);
    if (!datagram) return socket->shut ? 0 : -RN_K_EAGAIN;
    socket->queue = datagram->next;
    if (!socket->queue) socket->tail = &socket->queue;
    socket->bytes -= datagram->len;
    socket->count--;
    *truncated = datagram->len > len;
    if (datagram->len < len) len = datagram->len;
    memcpy(to, datagram->bytes, len);
    if (address) {
        uint32_t part = datagram->from.len < *address_len ? datagram->from.len : *address_len;
        memcpy(address, datagram->from.bytes, part);
        *address_len = datagram->from.len;
    }
    if (socket->family == RN_K_AF_UNIX) tell_senders(sim);
    return (long)len;
}

static long datagram_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                          int64_t offset)
{
    bool truncated;
    return offset >= 0 ? -RN_K_ESPIPE
                       : rn_sim_datagram_receive(sim, file, to, len, NULL, NULL, &truncated);
}

static long datagram_write(struct rn_sim *sim, struct rn_sim_file *file, const void *from,
                           size_t len, int64_t offset)
{
    return offset >= 0 ? -RN_K_ESPIPE : rn_sim_datagram_send(sim, file, from, len, NULL, 0);
}

static uint32_t datagram_poll(struct rn_sim *sim, struct rn_sim_file *file)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    bool full = socket->peer && socket->peer->count >= UNIX_MAX;
    return (socket->error ? (uint32_t)RN_K_POLLERR : 0) |
           (socket->shut ? (uint32_t)(RN_K_POLLIN | RN_K_POLLRDHUP | RN_K_POLLHUP) : 0) |
           (socket->queue ? (uint32_t)RN_K_POLLIN : 0) | (full ? 0 : (uint32_t)RN_K_POLLOUT);
}

/* Who waits is woken whether it is connected or not. */
int rn_sim_datagram_shutdown(struct rn_sim *sim, struct rn_sim_file *file, int how)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    if (how == RN_K_SHUT_RDWR) {
        socket->shut = true;
        rn_sim_notify(sim, file, RN_K_POLLIN | RN_K_POLLRDHUP | RN_K_POLLHUP);
    }
    return socket->connected ? 0 : -RN_K_ENOTCONN;
}

static void datagram_close(struct rn_sim *sim, struct rn_sim_file *file)
{
    struct rn_sim_datagrams **link = &sim->datagrams;
    while (*link != (struct rn_sim_datagrams *)file) link = &(*link)->next;
    *link = (*link)->next;
    tell_senders(sim);
}

const struct rn_sim_file_vt rn_sim_datagram_vt = {
    .poll = datagram_poll,
    .read = datagram_read,
    .write = datagram_write,
    .close = datagram_close,
};
