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
    struct rn_sim_socket base;
    struct rn_sim_datagrams *next; /* of all */
    struct rn_sim_datagrams *peer; /* of a pair, or that a Unix socket is connected to */
    struct datagram *queue, **tail;
    size_t bytes;
    unsigned count;
    rn_ns last; /* what was sent later arrives later */
    bool shut; /* nothing is waited for any more */
};

static struct rn_sim_datagrams *make(struct rn_sim *sim, int family, bool nonblock)
{
    struct rn_sim_datagrams *socket = rn_sim_alloc(sim, sizeof *socket);
    rn_sim_socket_init(&socket->base, &rn_sim_datagram_vt, family, RN_K_SOCK_DGRAM, nonblock);
    socket->tail = &socket->queue;
    socket->next = sim->datagrams;
    sim->datagrams = socket;
    return socket;
}

int rn_sim_datagram_new(struct rn_sim *sim, int family, bool nonblock)
{
    int error = rn_sim_open_error(sim);
    if (error) return error;
    return rn_sim_descriptor(sim, &make(sim, family, nonblock)->base.file, 0);
}

int rn_sim_datagram_pair(struct rn_sim *sim, int flags, int fds[2])
{
    struct rn_sim_datagrams *a = make(sim, RN_K_AF_UNIX, flags & RN_K_SOCK_NONBLOCK);
    struct rn_sim_datagrams *b = make(sim, RN_K_AF_UNIX, flags & RN_K_SOCK_NONBLOCK);
    a->peer = b;
    b->peer = a;
    a->base.connected = b->base.connected = true;
    fds[0] = rn_sim_descriptor(sim, &a->base.file, 0);
    if (fds[0] < 0) return fds[0];
    fds[1] = rn_sim_descriptor(sim, &b->base.file, 0);
    if (fds[1] >= 0) return 0;
    rn_sim_close(sim, fds[0]);
    return fds[1];
}

/* ---- Names ----------------------------------------------------------------------------------- */

int rn_sim_datagram_connect(struct rn_sim *sim, struct rn_sim_file *file, const void *address,
                            uint32_t len)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    const struct rn_k_sockaddr *any = address;
    struct rn_sim_address remote;
    int error = 0;
    if (!rn_sim_socket_of(file)) return -RN_K_ENOTSOCK;
    if (file->vt != &rn_sim_datagram_vt) return -RN_K_EOPNOTSUPP;
    if (len >= sizeof any->sa_family && any->sa_family == RN_K_AF_UNSPEC) {
        socket->peer = NULL;
        socket->base.connected = false;
        return 0;
    }
    int result = rn_sim_read_address(&socket->base, address, len, &remote);
    if (result == 0) result = rn_sim_route(&socket->base, &remote);
    if (result < 0) return result;
    if (socket->base.family == RN_K_AF_UNIX) {
        socket->peer = (void *)rn_sim_find(sim, &socket->base, &remote, &error);
        if (!socket->peer) return error;
    } else {
        rn_sim_autobind(sim, &socket->base);
        socket->base.local = rn_sim_source(&socket->base, &remote);
    }
    socket->base.remote = remote;
    socket->base.connected = true;
    return 0;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void on_datagram(struct rn_sim *sim, void *object, uint64_t value)
{
    struct datagram *datagram = object;
    struct rn_sim_datagrams *to = datagram->to;
    if (to->base.file.closed || to->bytes + datagram->len > BYTES_MAX) return;
    datagram->next = NULL;
    *to->tail = datagram;
    to->tail = &datagram->next;
    to->bytes += datagram->len;
    to->count++;
    rn_sim_notify(sim, &to->base.file, RN_K_POLLIN);
}

static void on_unreachable(struct rn_sim *sim, void *object, uint64_t value)
{
    struct rn_sim_datagrams *socket = object;
    if (socket->base.file.closed) return;
    socket->base.error = RN_K_ECONNREFUSED;
    rn_sim_notify(sim, &socket->base.file, RN_K_POLLERR | RN_K_POLLIN | RN_K_POLLOUT);
}

/* The sender's present error, which it takes. */
static int take_error(struct rn_sim_datagrams *socket)
{
    int error = socket->base.error;
    socket->base.error = 0;
    return -error;
}

static void deliver(struct rn_sim *sim, struct rn_sim_datagrams *from, struct rn_sim_datagrams *to,
                    const void *bytes, size_t len)
{
    struct datagram *datagram = rn_sim_alloc(sim, sizeof *datagram + len);
    datagram->to = to;
    datagram->from = rn_sim_source(&from->base, &to->base.local);
    rn_sim_translate(&datagram->from, to->base.family);
    datagram->len = len;
    memcpy(datagram->bytes, bytes, len);
    if (to->base.family == RN_K_AF_UNIX) {
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

/* To all that listen to the group or the broadcast. */
static void deliver_to_all(struct rn_sim *sim, struct rn_sim_datagrams *from,
                           const struct rn_sim_address *name, const void *bytes, size_t len)
{
    for (struct rn_sim_datagrams *at = sim->datagrams; at; at = at->next)
        if (at->base.bound && at->base.family == from->base.family &&
            rn_sim_answers_to(&at->base, name) && rn_sim_is_member(&at->base, name))
            deliver(sim, from, at, bytes, len);
}

/* Where it is to go: the name, and who is there, if anybody is. */
static int target(struct rn_sim *sim, struct rn_sim_datagrams *socket, const void *address,
                  uint32_t address_len, struct rn_sim_address *name, struct rn_sim_datagrams **to)
{
    int error = 0;
    *to = NULL;
    if (!address) {
        if (!socket->base.connected)
            return socket->base.family == RN_K_AF_UNIX ? -RN_K_ENOTCONN : -RN_K_EDESTADDRREQ;
        *to = socket->peer;
        *name = socket->base.remote;
    } else {
        error = rn_sim_read_address(&socket->base, address, address_len, name);
        if (error == 0) error = rn_sim_route(&socket->base, name);
    }
    if (error < 0 || *to || rn_sim_is_for_many(name)) return error;
    *to = (void *)rn_sim_find(sim, &socket->base, name, &error);
    return *to || socket->base.family != RN_K_AF_UNIX ? 0 : error;
}

static long send_unix(struct rn_sim *sim, struct rn_sim_datagrams *socket,
                      struct rn_sim_datagrams *to, const void *from, size_t len)
{
    if (to->base.file.closed) return -RN_K_ECONNREFUSED;
    if (to->peer && to->peer != socket) return -RN_K_EPERM; /* it hears another one only */
    if (to->count >= UNIX_MAX) return -RN_K_EAGAIN;
    deliver(sim, socket, to, from, len);
    return (long)len;
}

long rn_sim_datagram_send(struct rn_sim *sim, struct rn_sim_file *file, const void *from,
                          size_t len, const void *address, uint32_t address_len)
{
    const struct rn_sim_faults *faults = &sim->options.faults;
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file, *to;
    struct rn_sim_address name;
    if (socket->base.error) return take_error(socket);
    if (len > LEN_MAX && socket->base.family != RN_K_AF_UNIX) return -RN_K_EMSGSIZE;
    int error = target(sim, socket, address, address_len, &name, &to);
    if (error) return error;
    if (len > LEN_MAX) return -RN_K_EMSGSIZE;
    if (socket->base.family == RN_K_AF_UNIX) return send_unix(sim, socket, to, from, len);
    if (rn_sim_chance(sim, faults->io)) return -RN_K_ENOBUFS;
    rn_sim_autobind(sim, &socket->base);
    if (rn_sim_is_for_many(&name)) {
        deliver_to_all(sim, socket, &name, from, len);
        return (long)len;
    }
    if (!to) {
        if (socket->base.connected)
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
        if (at->base.family == RN_K_AF_UNIX) rn_sim_notify(sim, &at->base.file, RN_K_POLLOUT);
}

long rn_sim_datagram_receive(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                             void *address, uint32_t *address_len, size_t *whole)
{
    struct rn_sim_datagrams *socket = (struct rn_sim_datagrams *)file;
    struct datagram *datagram = socket->queue;
    if (socket->base.error) return take_error(socket);
    if (!datagram) return socket->shut ? 0 : -RN_K_EAGAIN;
    *whole = datagram->len;
    if (datagram->len < len) len = datagram->len;
    memcpy(to, datagram->bytes, len);
    if (address) {
        uint32_t part = datagram->from.len < *address_len ? datagram->from.len : *address_len;
        memcpy(address, datagram->from.bytes, part);
        bool named = datagram->from.len > sizeof(uint16_t);
        *address_len = named ? datagram->from.len : 0;
    }
    if (sim->peeking) return (long)len;
    socket->queue = datagram->next;
    if (!socket->queue) socket->tail = &socket->queue;
    socket->bytes -= datagram->len;
    socket->count--;
    if (socket->base.family == RN_K_AF_UNIX) tell_senders(sim);
    return (long)len;
}

static long datagram_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                          int64_t offset)
{
    size_t whole;
    return offset >= 0 ? -RN_K_ESPIPE
                       : rn_sim_datagram_receive(sim, file, to, len, NULL, NULL, &whole);
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
    return (socket->base.error ? (uint32_t)RN_K_POLLERR : 0) |
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
    return socket->base.connected ? 0 : -RN_K_ENOTCONN;
}

static void datagram_close(struct rn_sim *sim, struct rn_sim_file *file)
{
    struct rn_sim_datagrams **link = &sim->datagrams;
    while (*link != (struct rn_sim_datagrams *)file) link = &(*link)->next;
    *link = (*link)->next;
    rn_sim_unbind(sim, (struct rn_sim_socket *)file);
    tell_senders(sim);
}

const struct rn_sim_file_vt rn_sim_datagram_vt = {
    .poll = datagram_poll,
    .read = datagram_read,
    .write = datagram_write,
    .close = datagram_close,
};
