/*
 * backend/sim_option.c: the options of simulated sockets: socket(7), tcp(7), ip(7), ipv6(7). Most
 * are kept and told again; what the others do is where it is done.
 */
#include "backend/sim.h"

enum {
    STREAM = 1, DATAGRAM = 2, EVERY = STREAM | DATAGRAM, /* which types have it */
    FLAG = 4,     /* 0 or 1 */
    DOUBLED = 8,  /* a buffer: twice what was asked for */
    READ_ONLY = 16,
    BYTE = 32,    /* at most 255, and -1 for the default */
    CONGESTION = 13, DEVICE = 25, PRIORITY = 12, MULTICAST_ALL = 49, MULTICAST_ALL6 = 29,
    FASTOPEN_CONNECT = 30, RCVTIMEO = 20, SNDTIMEO = 21, MARK = 36,
    TTL = 64, BUFFER = 212992, LOOPBACK = 1, /* the interface */
};

struct timeval {
    int64_t tv_sec, tv_usec;
};

/* A number; `len` is of something else. */
struct known {
    uint8_t level, option, rules, len;
    int32_t at_first;
};

#define SOCKET(option, ...) {RN_K_SOL_SOCKET, option, __VA_ARGS__}
#define TCP(option, ...)    {RN_K_IPPROTO_TCP, option, __VA_ARGS__}
#define IP(option, ...)     {RN_K_IPPROTO_IP, option, __VA_ARGS__}
#define IP6(option, ...)    {RN_K_IPPROTO_IPV6, option, __VA_ARGS__}

static const struct known known[] = {
    SOCKET(RN_K_SO_REUSEADDR, EVERY | FLAG, 4, 0),
    SOCKET(RN_K_SO_REUSEPORT, EVERY | FLAG, 4, 0),
    SOCKET(RN_K_SO_KEEPALIVE, EVERY | FLAG, 4, 0),
    SOCKET(RN_K_SO_BROADCAST, EVERY | FLAG, 4, 0),
    SOCKET(RN_K_SO_PASSCRED, EVERY | FLAG, 4, 0),
    SOCKET(RN_K_SO_SNDBUF, EVERY | DOUBLED, 4, BUFFER),
    SOCKET(RN_K_SO_RCVBUF, EVERY | DOUBLED, 4, BUFFER),
    SOCKET(RN_K_SO_RCVLOWAT, EVERY, 4, 1),
    SOCKET(RN_K_SO_SNDLOWAT, EVERY | READ_ONLY, 4, 1),
    SOCKET(RN_K_SO_INCOMING_CPU, EVERY, 4, 0),
    SOCKET(RN_K_SO_BUSY_POLL, EVERY, 4, 0),
    SOCKET(PRIORITY, EVERY, 4, 0),
    SOCKET(MARK, EVERY, 4, 0),
    SOCKET(RN_K_SO_LINGER, EVERY, sizeof(struct rn_k_linger), 0),
    SOCKET(RCVTIMEO, EVERY, 16, 0),
    SOCKET(SNDTIMEO, EVERY, 16, 0),
    SOCKET(DEVICE, EVERY, 0, 0),
    SOCKET(RN_K_SO_TYPE, EVERY | READ_ONLY, 4, 0),
    SOCKET(RN_K_SO_ERROR, EVERY | READ_ONLY, 4, 0),
    SOCKET(RN_K_SO_PROTOCOL, EVERY | READ_ONLY, 4, 0),
    SOCKET(RN_K_SO_DOMAIN, EVERY | READ_ONLY, 4, 0),
    SOCKET(RN_K_SO_ACCEPTCONN, EVERY | READ_ONLY, 4, 0),
    TCP(RN_K_TCP_NODELAY, STREAM | FLAG, 4, 0),
    TCP(RN_K_TCP_CORK, STREAM | FLAG, 4, 0),
    TCP(RN_K_TCP_QUICKACK, STREAM | FLAG, 4, 1),
    TCP(FASTOPEN_CONNECT, STREAM | FLAG, 4, 0),
    TCP(RN_K_TCP_KEEPIDLE, STREAM, 4, 7200),
    TCP(RN_K_TCP_KEEPINTVL, STREAM, 4, 75),
    TCP(RN_K_TCP_KEEPCNT, STREAM, 4, 9),
    TCP(RN_K_TCP_SYNCNT, STREAM, 4, 6),
    TCP(RN_K_TCP_USER_TIMEOUT, STREAM, 4, 0),
    TCP(RN_K_TCP_DEFER_ACCEPT, STREAM, 4, 0),
    TCP(RN_K_TCP_FASTOPEN, STREAM, 4, 0),
    TCP(RN_K_TCP_NOTSENT_LOWAT, STREAM, 4, 0),
    TCP(RN_K_TCP_MAXSEG, STREAM, 4, 536),
    TCP(CONGESTION, STREAM, 0, 0),
    IP(RN_K_IP_TTL, EVERY | BYTE, 4, TTL),
    IP(RN_K_IP_TOS, EVERY, 4, 0),
    IP(RN_K_IP_FREEBIND, EVERY | FLAG, 4, 0),
    IP(RN_K_IP_MTU_DISCOVER, EVERY, 4, 1),
    IP(RN_K_IP_RECVERR, EVERY | FLAG, 4, 0),
    IP(MULTICAST_ALL, EVERY | FLAG, 4, 1),
    IP(RN_K_IP_MULTICAST_TTL, DATAGRAM | BYTE, 4, 1),
    IP(RN_K_IP_MULTICAST_LOOP, EVERY | FLAG, 4, 1),
    IP6(RN_K_IPV6_V6ONLY, EVERY | FLAG, 4, 0),
    IP6(RN_K_IPV6_UNICAST_HOPS, EVERY | BYTE, 4, TTL),
    IP6(RN_K_IPV6_TCLASS, EVERY | BYTE, 4, 0),
    IP6(RN_K_IPV6_MTU_DISCOVER, EVERY, 4, 1),
    IP6(RN_K_IPV6_RECVERR, EVERY | FLAG, 4, 0),
    IP6(MULTICAST_ALL6, EVERY | FLAG, 4, 1),
    IP6(RN_K_IPV6_MULTICAST_HOPS, DATAGRAM | BYTE, 4, 1),
    IP6(RN_K_IPV6_MULTICAST_LOOP, EVERY | FLAG, 4, 1),
};

static const struct known *find_known(int level, int option)
{
    for (unsigned i = 0; i < RN_COUNT(known); i++)
        if (known[i].level == level && known[i].option == option) return &known[i];
    return NULL;
}

/* What has been set, or is for want of that. */
static struct rn_sim_option *find_set(const struct rn_sim_socket *socket, int level, int option)
{
    struct rn_sim_option *at = socket->options;
    while (at && !(at->level == level && at->option == option)) at = at->next;
    return at;
}

int32_t rn_sim_option(const struct rn_sim_socket *socket, int level, int option)
{
    const struct rn_sim_option *at = find_set(socket, level, option);
    const struct known *of = find_known(level, option);
    int32_t value = of ? of->at_first : 0;
    if (at) memcpy(&value, at->value, sizeof value);
    return value;
}

static struct rn_sim_option *add(struct rn_sim *sim, struct rn_sim_socket *socket, int level,
                                 int option, const void *value, size_t len)
{
    struct rn_sim_option *at = rn_sim_alloc(sim, sizeof *at);
    *at = (struct rn_sim_option){.next = socket->options, .level = level, .option = option,
                                 .len = (uint32_t)len};
    memcpy(at->value, value, len);
    return socket->options = at;
}

static void keep(struct rn_sim *sim, struct rn_sim_socket *socket, int level, int option,
                 const void *value, size_t len)
{
    struct rn_sim_option *at = find_set(socket, level, option);
    if (!at) at = add(sim, socket, level, option, value, 0);
    at->len = (uint32_t)len;
    memset(at->value, 0, sizeof at->value);
    memcpy(at->value, value, len);
}

/* An accepted connection begins with those of its listener. */
void rn_sim_inherit(struct rn_sim *sim, struct rn_sim_socket *to, const struct rn_sim_socket *from)
{
    for (const struct rn_sim_option *at = from->options; at; at = at->next)
        keep(sim, to, at->level, at->option, at->value, at->len);
}

bool rn_sim_lingers_not(const struct rn_sim_socket *socket)
{
    const struct rn_sim_option *at = find_set(socket, RN_K_SOL_SOCKET, RN_K_SO_LINGER);
    struct rn_k_linger linger = {0, 0};
    if (at) memcpy(&linger, at->value, sizeof linger);
    return linger.l_onoff && !linger.l_linger;
}

rn_ns rn_sim_patience(const struct rn_sim_socket *socket, bool send)
{
    const struct rn_sim_option *at =
        find_set(socket, RN_K_SOL_SOCKET, send ? SNDTIMEO : RCVTIMEO);
    struct timeval time = {0, 0};
    if (at) memcpy(&time, at->value, sizeof time);
    return (rn_ns)time.tv_sec * RN_SECOND + (rn_ns)time.tv_usec * RN_MICROSECOND;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

/* The first bytes of struct ip_mreqn and of struct ipv6_mreq, and where the interface stands. */
static size_t group_size(int level) { return level == RN_K_IPPROTO_IP ? 4 : 16; }

static bool is_interface(int32_t index) { return index == 0 || index == LOOPBACK; }

static struct rn_sim_option **find_group(struct rn_sim_socket *socket, int level,
                                         const void *group)
{
    int join = level == RN_K_IPPROTO_IP ? RN_K_IP_ADD_MEMBERSHIP : RN_K_IPV6_ADD_MEMBERSHIP;
    struct rn_sim_option **link = &socket->options;
    while (*link && !((*link)->level == level && (*link)->option == join &&
                      memcmp((*link)->value, group, group_size(level)) == 0))
        link = &(*link)->next;
    return link;
}

bool rn_sim_is_member(struct rn_sim_socket *socket, const struct rn_sim_address *to)
{
    bool ip6 = socket->family == RN_K_AF_INET6;
    const uint8_t *group = to->bytes + (ip6 ? 8 : 4);
    if (!ip6 && group[0] >> 4 != 14) return true; /* a broadcast */
    if (rn_sim_option(socket, ip6 ? RN_K_IPPROTO_IPV6 : RN_K_IPPROTO_IP,
                      ip6 ? MULTICAST_ALL6 : MULTICAST_ALL))
        return true;
    return *find_group(socket, ip6 ? RN_K_IPPROTO_IPV6 : RN_K_IPPROTO_IP, group);
}

static int change_group(struct rn_sim *sim, struct rn_sim_socket *socket, int level, bool join,
                        const uint8_t *value, uint32_t len)
{
    bool ip6 = level == RN_K_IPPROTO_IPV6;
    uint32_t size = ip6 ? 20 : 12;
    int32_t interface;
    if (len < size || socket->family == RN_K_AF_UNIX) return -RN_K_EINVAL;
    if (ip6 ? value[0] != 0xff : value[0] >> 4 != 14) return -RN_K_EINVAL;
    memcpy(&interface, value + size - 4, sizeof interface);
    if (!is_interface(interface)) return -RN_K_ENODEV;
    struct rn_sim_option **link = find_group(socket, level, value);
    if (join && *link) return -RN_K_EADDRINUSE;
    if (!join && !*link) return -RN_K_EADDRNOTAVAIL;
    if (!join) *link = (*link)->next;
    else
        add(sim, socket, level, ip6 ? RN_K_IPV6_ADD_MEMBERSHIP : RN_K_IP_ADD_MEMBERSHIP, value,
            size);
    return 0;
}

/* -1: another option. */
static int set_group(struct rn_sim *sim, struct rn_sim_socket *socket, int level, int option,
                     const void *value, uint32_t len)
{
    bool ip = level == RN_K_IPPROTO_IP, ip6 = level == RN_K_IPPROTO_IPV6;
    int32_t interface;
    if ((ip && option == RN_K_IP_ADD_MEMBERSHIP) || (ip6 && option == RN_K_IPV6_ADD_MEMBERSHIP))
        return change_group(sim, socket, level, true, value, len);
    if ((ip && option == RN_K_IP_DROP_MEMBERSHIP) || (ip6 && option == RN_K_IPV6_DROP_MEMBERSHIP))
        return change_group(sim, socket, level, false, value, len);
    if (!(ip && option == RN_K_IP_MULTICAST_IF) && !(ip6 && option == RN_K_IPV6_MULTICAST_IF))
        return -1;
    if (len < sizeof interface) return -RN_K_EINVAL;
    memcpy(&interface, (const uint8_t *)value + len - sizeof interface, sizeof interface);
    if (ip && len < 12) return 0; /* by address: there is one interface */
    return is_interface(interface) ? 0 : ip ? -RN_K_EADDRNOTAVAIL : -RN_K_ENODEV;
}

/* ---- The calls ------------------------------------------------------------------------------- */

static int check(const struct rn_sim_socket *socket, int level, const struct known *of)
{
    unsigned type = socket->type == RN_K_SOCK_STREAM ? STREAM : DATAGRAM;
    if (level != RN_K_SOL_SOCKET && socket->family == RN_K_AF_UNIX) return -RN_K_EOPNOTSUPP;
    if (level == RN_K_IPPROTO_IPV6 && socket->family != RN_K_AF_INET6) return -RN_K_ENOPROTOOPT;
    if (level == RN_K_IPPROTO_TCP && type != STREAM) return -RN_K_EOPNOTSUPP;
    return of && of->rules & type ? 0 : -RN_K_ENOPROTOOPT;
}

static int set_time(struct rn_sim *sim, struct rn_sim_socket *socket, int option,
                    const struct timeval *time, uint32_t len)
{
    if (len < sizeof *time) return -RN_K_EINVAL;
    if (time->tv_usec < 0 || time->tv_usec >= 1000000) return -RN_K_EDOM;
    keep(sim, socket, RN_K_SOL_SOCKET, option, time, sizeof *time);
    return 0;
}

static int set_text(struct rn_sim *sim, struct rn_sim_socket *socket, int level, int option,
                    const char *text, uint32_t len)
{
    static const char *const algorithms[] = {"cubic", "reno"};
    bool there = option == DEVICE && (!len || !*text || (len >= 2 && !memcmp(text, "lo", 2)));
    for (unsigned i = 0; option == CONGESTION && i < RN_COUNT(algorithms); i++)
        there |= len >= strlen(algorithms[i]) &&
                 memcmp(text, algorithms[i], strlen(algorithms[i])) == 0;
    if (!there) return option == DEVICE ? -RN_K_ENODEV : -RN_K_ENOENT;
    keep(sim, socket, level, option, text, len < 15 ? len : 15);
    return 0;
}

int rn_sim_setsockopt(struct rn_sim *sim, struct rn_sim_file *file, int level, int option,
                      const void *value, uint32_t len)
{
    struct rn_sim_socket *socket = rn_sim_socket_of(file);
    const struct known *of = find_known(level, option);
    int32_t number = 0;
    if (!socket) return -RN_K_ENOTSOCK;
    int result = set_group(sim, socket, level, option, value, len);
    if (result != -1) return result;
    result = check(socket, level, of);
    if (result < 0) return result;
    if (of->rules & READ_ONLY) return -RN_K_ENOPROTOOPT;
    if (!of->len) return set_text(sim, socket, level, option, value, len);
    if (of->len == 16) return set_time(sim, socket, option, value, len);
    if (len < of->len) return -RN_K_EINVAL;
    if (of->len > sizeof number) {
        keep(sim, socket, level, option, value, of->len);
        return 0;
    }
    memcpy(&number, value, sizeof number);
    if (of->rules & FLAG) number = number != 0;
    if (of->rules & BYTE && number == -1) number = of->at_first;
    if (of->rules & BYTE && (uint32_t)number > 255) return -RN_K_EINVAL;
    if (of->rules & DOUBLED) number = number < 0 || number > BUFFER ? 2 * BUFFER : 2 * number;
    keep(sim, socket, level, option, &number, sizeof number);
    if (level == RN_K_SOL_SOCKET && option == RN_K_SO_SNDBUF) rn_sim_send_buffer(socket);
    return 0;
}

static int32_t number_of(const struct rn_sim_socket *socket, int level, int option)
{
    bool stream = socket->type == RN_K_SOCK_STREAM;
    if (level != RN_K_SOL_SOCKET) return rn_sim_option(socket, level, option);
    switch (option) {
    case RN_K_SO_TYPE: return socket->type;
    case RN_K_SO_DOMAIN: return socket->family;
    case RN_K_SO_ACCEPTCONN: return socket->listening;
    case RN_K_SO_PROTOCOL:
        return socket->family == RN_K_AF_UNIX ? 0 : stream ? RN_K_IPPROTO_TCP : RN_K_IPPROTO_UDP;
    default: return rn_sim_option(socket, level, option);
    }
}

int rn_sim_getsockopt(struct rn_sim *sim, struct rn_sim_file *file, int level, int option,
                      void *value, uint32_t *len)
{
    struct rn_sim_socket *socket = rn_sim_socket_of(file);
    const struct known *of = find_known(level, option);
    uint8_t bytes[RN_SIM_OPTION_MAX] = {0};
    if (!socket) return -RN_K_ENOTSOCK;
    if (level == RN_K_IPPROTO_IP && option == 14 && socket->family != RN_K_AF_UNIX)
        return -RN_K_ENOTCONN; /* IP_MTU: of a route that is known */
    int result = check(socket, level, of);
    if (result < 0) return result;
    const struct rn_sim_option *set = find_set(socket, level, option);
    uint32_t size = of->len;
    int32_t number = number_of(socket, level, option);
    if (level == RN_K_SOL_SOCKET && option == RN_K_SO_ERROR) {
        number = socket->error;
        socket->error = 0;
    }
    if (size == sizeof number) memcpy(bytes, &number, sizeof number);
    else if (set) memcpy(bytes, set->value, sizeof set->value);
    else if (option == CONGESTION) memcpy(bytes, "cubic", 5);
    if (!size) size = option == CONGESTION ? 16 : set ? set->len + 1 : 0;
    if (*len > size) *len = size;
    memcpy(value, bytes, *len);
    return 0;
}
