/*
 * backend/sim_stream.c: simulated TCP and Unix streams, their listeners, and pipes.
 *
 * A direction is a ring with three positions: written by the sender, arrived at the receiver, read.
 * What is between the first two is on its way, in segments that events deliver; what arrives at an
 * end that is gone is answered with a reset, as TCP does.
 */
#include "backend/sim.h"

/* One direction. */
struct half {
    struct rn_sim_stream *from, *to;
    uint8_t *ring;
    uint32_t size;  /* of the ring, a power of two */
    uint32_t limit; /* bytes it takes */
    uint64_t written, arrived, read;
    rn_ns last;     /* nothing arrives before what was sent earlier */
    bool fin_sent;
    bool fin;       /* has arrived */
    bool silent;    /* nothing arrives any more */
    bool no_room;   /* the sender was told so, and is to be told when there is some */
    bool room_due;  /* that is on its way */
};

enum { NEW, LISTENING, CONNECTING, CONNECTED };

struct rn_sim_stream {
    struct rn_sim_socket base;
    uint8_t state;
    bool close_resets;  /* it was never accepted */
    bool told;          /* that a connect has succeeded */
    bool reset;
    bool shut_read, shut_write;
    bool accepted;
    struct half *in, *out;
    struct rn_sim_stream *peer;
    struct rn_sim_stream *next; /* of a backlog */
    struct rn_sim_stream *next_connected;
    struct rn_sim_stream *backlog;
    uint32_t waiting, backlog_max;
    uint32_t attempts; /* a SYN was sent so often */
};

enum {
    EVERYTHING = RN_K_POLLIN | RN_K_POLLOUT | RN_K_POLLERR | RN_K_POLLHUP | RN_K_POLLRDHUP,
    SYN_ATTEMPTS = 6, /* and then ETIMEDOUT: tcp_syn_retries of tcp(7), after about two minutes */
};

static bool local(const struct rn_sim_stream *stream)
{
    return stream->base.family <= RN_K_AF_UNIX;
}

static struct rn_sim_stream *stream_of(struct rn_sim_file *file)
{
    return file->vt == &rn_sim_stream_vt ? (struct rn_sim_stream *)file : NULL;
}

/* ---- What is on its way ---------------------------------------------------------------------- */

static rn_ns arrival(struct rn_sim *sim, struct half *half)
{
    rn_ns at = sim->now + rn_sim_delay(sim);
    if (at < half->last) at = half->last;
    half->last = at;
    return at;
}

static void on_reset(struct rn_sim *sim, void *object, uint64_t error)
{
    struct rn_sim_stream *stream = object;
    if (stream->base.file.closed || stream->reset) return;
    stream->reset = true;
    stream->base.connected = local(stream);
    stream->base.error = stream->in->fin ? RN_K_EPIPE : (int)error;
    rn_sim_notify(sim, &stream->base.file, EVERYTHING);
}

static void send_reset(struct rn_sim *sim, struct half *half)
{
    if (half->silent) return;
    if (local(half->to)) on_reset(sim, half->to, RN_K_ECONNRESET);
    else rn_sim_at(sim, arrival(sim, half), on_reset, half->to, RN_K_ECONNRESET);
}

static void on_segment(struct rn_sim *sim, void *object, uint64_t position)
{
    struct half *half = object;
    if (half->silent) return;
    half->arrived = position;
    if (half->to->base.file.closed) {
        half->read = position;
        if (half->to->out) send_reset(sim, half->to->out);
    } else if (!half->to->reset) {
        rn_sim_notify(sim, &half->to->base.file, RN_K_POLLIN);
    }
}

static void on_fin(struct rn_sim *sim, void *object, uint64_t value)
{
    struct half *half = object;
    if (half->silent || half->to->reset) return;
    half->fin = true;
    uint32_t hang_up = local(half->to) || half->to->shut_write ? RN_K_POLLHUP : 0;
    rn_sim_notify(sim, &half->to->base.file, RN_K_POLLIN | RN_K_POLLRDHUP | hang_up);
}

/* The connection breaks in the middle of a segment, and both ends learn of it. */
static void on_cut(struct rn_sim *sim, void *object, uint64_t position)
{
    struct half *half = object;
    if (half->silent) return;
    on_segment(sim, half, position);
    half->silent = true;
    if (half->to->out) half->to->out->silent = true;
    on_reset(sim, half->to, RN_K_ECONNRESET);
    on_reset(sim, half->from, RN_K_ECONNRESET);
}

static void on_silence(struct rn_sim *sim, void *object, uint64_t value)
{
    struct half *half = object;
    half->silent = true;
    if (half->to->out) half->to->out->silent = true;
}

/* What was written up to here goes out. */
static void transmit(struct rn_sim *sim, struct half *half, uint64_t begin)
{
    const struct rn_sim_faults *faults = &sim->options.faults;
    if (half->from->base.family <= RN_K_AF_UNIX) {
        on_segment(sim, half, half->written);
        return;
    }
    while (begin < half->written) {
        uint64_t end = half->written;
        if (rn_sim_chance(sim, faults->partial)) end = begin + 1 + rn_sim_random(sim, end - begin);
        rn_ns at = arrival(sim, half);
        if (rn_sim_chance(sim, faults->cut))
            rn_sim_at(sim, at, on_cut, half, begin + rn_sim_random(sim, end - begin));
        else if (rn_sim_chance(sim, faults->silence))
            rn_sim_at(sim, at, on_silence, half, 0);
        else
            rn_sim_at(sim, at, on_segment, half, end);
        begin = end;
    }
}

static void send_fin(struct rn_sim *sim, struct half *half)
{
    if (half->fin_sent) return;
    half->fin_sent = true;
    if (half->from->base.family <= RN_K_AF_UNIX) on_fin(sim, half, 0);
    else rn_sim_at(sim, arrival(sim, half), on_fin, half, 0);
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static uint32_t room(const struct half *half)
{
    uint64_t used = half->written - half->read;
    return used < half->limit ? half->limit - (uint32_t)used : 0;
}

/* A sender that was turned away is told when a third of the buffer is free, as the kernel does it
 * (sk_stream_write_space). */
static bool has_room(const struct half *half) { return room(half) * 3 >= half->limit; }

static void on_room(struct rn_sim *sim, void *object, uint64_t value)
{
    struct half *half = object;
    half->room_due = false;
    if (!half->no_room || !has_room(half)) return;
    half->no_room = false;
    rn_sim_notify(sim, &half->from->base.file, RN_K_POLLOUT);
}

static void make_room(struct rn_sim *sim, struct half *half)
{
    if (!half->no_room || half->room_due || !has_room(half)) return;
    if (half->from->base.family <= RN_K_AF_UNIX) {
        on_room(sim, half, 0);
        return;
    }
    half->room_due = true;
    rn_sim_at(sim, sim->now + rn_sim_delay(sim), on_room, half, 0);
}

static int take_error(struct rn_sim_stream *stream)
{
    int error = stream->base.error;
    stream->base.error = 0;
    return -error;
}

static void copy_out(const struct half *half, uint8_t *to, size_t len)
{
    size_t at = half->read & (half->size - 1), first = half->size - at;
    if (first > len) first = len;
    memcpy(to, half->ring + at, first);
    memcpy(to + first, half->ring, len - first);
}

static void copy_in(struct half *half, const uint8_t *from, size_t len)
{
    size_t at = half->written & (half->size - 1), first = half->size - at;
    if (first > len) first = len;
    memcpy(half->ring + at, from, first);
    memcpy(half->ring, from + first, len - first);
}

static long stream_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                        int64_t offset)
{
    struct rn_sim_stream *stream = (struct rn_sim_stream *)file;
    struct half *in = stream->in;
    if (offset >= 0) return -RN_K_ESPIPE;
    if (stream->base.error && (!in || in->arrived == in->read)) return take_error(stream);
    if (!in) return stream->base.family ? -RN_K_ENOTCONN : -RN_K_EBADF;
    uint64_t there = in->arrived - in->read;
    if (there > len) there = len;
    if (there) {
        copy_out(in, to, there);
        if (sim->peeking) return (long)there;
        in->read += there;
        make_room(sim, in);
        return (long)there;
    }
    if (!len || in->fin || stream->shut_read || stream->reset) return 0;
    return -RN_K_EAGAIN;
}

static long stream_write(struct rn_sim *sim, struct rn_sim_file *file, const void *from, size_t len,
                         int64_t offset)
{
    struct rn_sim_stream *stream = (struct rn_sim_stream *)file;
    struct half *out = stream->out;
    if (offset >= 0) return -RN_K_ESPIPE;
    if (out && local(stream) && out->to->base.file.closed) return -RN_K_EPIPE;
    if (stream->base.error) return take_error(stream);
    if (stream->state == CONNECTING) return -RN_K_EAGAIN;
    if (!out) return stream->base.family ? -RN_K_EPIPE : -RN_K_EBADF;
    if (stream->reset || stream->shut_write) return -RN_K_EPIPE;
    size_t take = room(out);
    if (take > len) take = len;
    if (take > 1 && rn_sim_chance(sim, sim->options.faults.partial)) {
        take = 1 + rn_sim_random(sim, take - 1);
        out->room_due = true; /* as if memory had been short for a moment */
        rn_sim_at(sim, sim->now + rn_sim_delay(sim), on_room, out, 0);
    }
    out->no_room |= take < len;
    if (!take) return len ? -RN_K_EAGAIN : 0;
    uint64_t begin = out->written;
    if (out->ring) copy_in(out, from, take);
    out->written += take;
    transmit(sim, out, begin);
    if (!out->ring) out->read = out->written;
    return (long)take;
}

static uint32_t pipe_poll(const struct rn_sim_stream *stream)
{
    const struct half *in = stream->in, *out = stream->out;
    uint32_t events = 0;
    if (in && in->arrived > in->read) events |= RN_K_POLLIN;
    if (in && in->fin) events |= RN_K_POLLHUP;
    if (out && has_room(out)) events |= RN_K_POLLOUT;
    if (out && out->to->base.file.closed) events |= RN_K_POLLERR;
    return events;
}

static uint32_t stream_poll(struct rn_sim *sim, struct rn_sim_file *file)
{
    struct rn_sim_stream *stream = (struct rn_sim_stream *)file;
    uint32_t events = stream->base.error ? RN_K_POLLERR : 0;
    if (!stream->base.family) return pipe_poll(stream);
    if (stream->state == LISTENING) return stream->backlog ? RN_K_POLLIN : 0;
    if (stream->state == CONNECTING) return 0;
    if (stream->state == NEW) return events | RN_K_POLLOUT | RN_K_POLLHUP;
    bool no_more = stream->in->fin || stream->shut_read || stream->reset;
    bool all_said = stream->shut_write || stream->reset;
    if (no_more) events |= RN_K_POLLIN | RN_K_POLLRDHUP;
    if ((no_more && all_said) || (local(stream) && stream->peer->base.file.closed))
        events |= RN_K_POLLHUP;
    if (stream->in->arrived > stream->in->read) events |= RN_K_POLLIN;
    if (all_said || has_room(stream->out)) events |= RN_K_POLLOUT;
    else stream->out->no_room = true;
    return events;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static struct rn_sim_stream *make(struct rn_sim *sim, int family, bool nonblock)
{
    struct rn_sim_stream *stream = rn_sim_alloc(sim, sizeof *stream);
    rn_sim_socket_init(&stream->base, &rn_sim_stream_vt, family, RN_K_SOCK_STREAM, nonblock);
    return stream;
}

static void set_limit(struct half *half)
{
    int32_t size = rn_sim_option(&half->from->base, RN_K_SOL_SOCKET, RN_K_SO_SNDBUF);
    if (size > 0 && (uint32_t)size < half->limit) half->limit = (uint32_t)size;
}

void rn_sim_send_buffer(struct rn_sim_socket *socket)
{
    struct rn_sim_stream *stream = stream_of(&socket->file);
    if (stream && stream->out) set_limit(stream->out);
}

static struct half *join(struct rn_sim *sim, struct rn_sim_stream *from, struct rn_sim_stream *to)
{
    struct half *half = rn_sim_alloc(sim, sizeof *half);
    uint32_t size = 1;
    while (size < sim->options.buffer) size *= 2;
    *half = (struct half){.from = from, .to = to, .size = size, .limit = sim->options.buffer};
    half->ring = rn_sim_ring_take(sim, size);
    set_limit(half);
    from->out = half;
    to->in = half;
    return half;
}

static void tie(struct rn_sim *sim, struct rn_sim_stream *a, struct rn_sim_stream *b)
{
    a->peer = b;
    b->peer = a;
    a->state = b->state = CONNECTED;
    a->base.connected = b->base.connected = true;
    join(sim, a, b);
    join(sim, b, a);
    a->next_connected = b;
    b->next_connected = sim->streams;
    sim->streams = a;
}

int rn_sim_stream_new(struct rn_sim *sim, int family, bool nonblock)
{
    int error = rn_sim_open_error(sim);
    if (error) return error;
    return rn_sim_descriptor(sim, &make(sim, family, nonblock)->base.file, 0);
}

int rn_sim_stream_pair(struct rn_sim *sim, bool pipe, int flags, int fds[2])
{
    bool nonblock = flags & RN_K_O_NONBLOCK;
    struct rn_sim_stream *a = make(sim, pipe ? 0 : RN_K_AF_UNIX, nonblock);
    struct rn_sim_stream *b = make(sim, pipe ? 0 : RN_K_AF_UNIX, nonblock);
    if (pipe) {
        a->state = b->state = CONNECTED;
        join(sim, b, a);
    } else {
        tie(sim, a, b);
        a->base.remote = b->base.remote = a->base.local; /* they have no names */
    }
    fds[0] = rn_sim_descriptor(sim, &a->base.file, 0);
    if (fds[0] < 0) return fds[0];
    fds[1] = rn_sim_descriptor(sim, &b->base.file, 0);
    if (fds[1] >= 0) return 0;
    rn_sim_close(sim, fds[0]);
    return fds[1];
}

/* A connection arrives at a listener; false when its backlog is full. */
static bool arrive(struct rn_sim *sim, struct rn_sim_stream *listener, struct rn_sim_stream *client)
{
    if (listener->waiting > listener->backlog_max) return false;
    struct rn_sim_stream *server = make(sim, listener->base.family, false);
    bool named = client->base.family == RN_K_AF_UNIX;
    rn_sim_inherit(sim, &server->base, &listener->base);
    tie(sim, client, server);
    server->base.local = named ? listener->base.local : client->base.remote;
    server->base.remote = client->base.local;
    rn_sim_translate(&server->base.local, listener->base.family);
    rn_sim_translate(&server->base.remote, listener->base.family);
    struct rn_sim_stream **tail = &listener->backlog;
    while (*tail) tail = &(*tail)->next;
    *tail = server;
    listener->waiting++;
    rn_sim_notify(sim, &listener->base.file, RN_K_POLLIN);
    return true;
}

static void on_refused(struct rn_sim *sim, void *object, uint64_t error)
{
    struct rn_sim_stream *stream = object;
    if (stream->base.file.closed) return;
    stream->state = NEW;
    stream->base.error = (int)error;
    rn_sim_notify(sim, &stream->base.file, EVERYTHING);
}

static void on_established(struct rn_sim *sim, void *object, uint64_t value)
{
    struct rn_sim_stream *client = object;
    if (client->base.file.closed) return;
    client->state = CONNECTED;
    client->base.connected = true;
    rn_sim_notify(sim, &client->base.file, RN_K_POLLOUT);
}

static void on_syn(struct rn_sim *sim, void *object, uint64_t value)
{
    struct rn_sim_stream *client = object;
    bool fails = rn_sim_chance(sim, sim->options.faults.refuse);
    if (client->base.file.closed) return;
    int error;
    struct rn_sim_stream *listener =
        (void *)rn_sim_find(sim, &client->base, &client->base.remote, &error);
    if (!listener || (fails && rn_sim_random(sim, 2))) {
        rn_sim_at(sim, sim->now + rn_sim_delay(sim), on_refused, client, RN_K_ECONNREFUSED);
    } else if (fails || !arrive(sim, listener, client)) {
        rn_ns again = RN_SECOND << client->attempts++;
        if (client->attempts > SYN_ATTEMPTS)
            rn_sim_at(sim, sim->now + again, on_refused, client, RN_K_ETIMEDOUT);
        else
            rn_sim_at(sim, sim->now + again, on_syn, client, 0);
    } else {
        client->state = CONNECTING; /* until the answer is here */
        client->base.connected = false;
        rn_sim_at(sim, arrival(sim, client->in), on_established, client, 0);
    }
}

static int connect_unix(struct rn_sim *sim, struct rn_sim_stream *client)
{
    int error;
    struct rn_sim_stream *listener =
        (void *)rn_sim_find(sim, &client->base, &client->base.remote, &error);
    if (!listener) return error;
    if (!arrive(sim, listener, client)) return -RN_K_EAGAIN;
    client->told = true;
    return 0;
}

int rn_sim_connect(struct rn_sim *sim, struct rn_sim_file *file, const void *address, uint32_t len)
{
    struct rn_sim_stream *stream = stream_of(file);
    if (!stream) return rn_sim_datagram_connect(sim, file, address, len);
    /* Who waits in the call for a connection gets it, also one that has been reset meanwhile. */
    bool came = stream->state == CONNECTED && !stream->told && !file->nonblock;
    if (stream->base.error && !came) return take_error(stream);
    if (stream->state == CONNECTING) return -RN_K_EALREADY;
    if (stream->state == CONNECTED) {
        if (stream->told) return -RN_K_EISCONN;
        stream->told = true;
        return 0;
    }
    if (stream->state == LISTENING)
        return stream->base.family == RN_K_AF_UNIX ? -RN_K_EINVAL : -RN_K_EISCONN;
    int result = rn_sim_read_address(&stream->base, address, len, &stream->base.remote);
    if (result == 0) result = rn_sim_route(&stream->base, &stream->base.remote);
    if (result < 0) return result;
    if (stream->base.family == RN_K_AF_UNIX) return connect_unix(sim, stream);
    rn_sim_autobind(sim, &stream->base);
    stream->base.local = rn_sim_source(&stream->base, &stream->base.remote);
    stream->state = CONNECTING;
    stream->attempts = 0;
    rn_sim_at(sim, sim->now + rn_sim_delay(sim), on_syn, stream, 0);
    return -RN_K_EINPROGRESS;
}

int rn_sim_listen(struct rn_sim *sim, struct rn_sim_file *file, int backlog)
{
    struct rn_sim_stream *stream = stream_of(file);
    if (!stream) return -RN_K_EOPNOTSUPP;
    if (stream->state == CONNECTED || stream->state == CONNECTING) return -RN_K_EINVAL;
    if (!stream->base.bound && stream->base.family == RN_K_AF_UNIX) return -RN_K_EINVAL;
    rn_sim_autobind(sim, &stream->base);
    stream->base.listening = true;
    if (stream->state == NEW && rn_sim_name_in_use(sim, &stream->base)) {
        stream->base.listening = false;
        return -RN_K_EADDRINUSE;
    }
    stream->state = LISTENING;
    stream->backlog_max = (uint32_t)backlog;
    return 0;
}

/* Which of them it is, is decided when it happens; a connection stays but for the first. */
static int accept_error(struct rn_sim *sim)
{
    static const int16_t errors[] = {RN_K_ECONNABORTED, RN_K_EMFILE, RN_K_ENFILE, RN_K_ENOBUFS,
                                     RN_K_ENOMEM};
    if (!rn_sim_chance(sim, sim->options.faults.accept)) return 0;
    return -errors[rn_sim_random(sim, RN_COUNT(errors))];
}

int rn_sim_accept(struct rn_sim *sim, struct rn_sim_file *file, bool nonblock)
{
    struct rn_sim_stream *listener = stream_of(file);
    if (!listener) return file->vt == &rn_sim_datagram_vt ? -RN_K_EOPNOTSUPP : -RN_K_ENOTSOCK;
    if (!listener->base.family) return -RN_K_ENOTSOCK;
    if (listener->state != LISTENING) return -RN_K_EINVAL;
    struct rn_sim_stream *server = listener->backlog;
    if (!server) return -RN_K_EAGAIN;
    int error = accept_error(sim);
    if (error && error != -RN_K_ECONNABORTED) return error;
    int fd = rn_sim_descriptor(sim, &server->base.file, 0);
    if (fd < 0) return fd;
    listener->backlog = server->next;
    listener->waiting--;
    server->base.file.nonblock = nonblock;
    server->accepted = true;
    if (!error) return fd;
    server->close_resets = true;
    rn_sim_close(sim, fd);
    return error;
}

/* SO_LINGER with no time, socket(7). */
static bool resets(const struct rn_sim_stream *stream)
{
    return stream->close_resets || rn_sim_lingers_not(&stream->base);
}

static void disconnect(struct rn_sim *sim, struct rn_sim_stream *stream)
{
    struct rn_sim_stream **link = &sim->streams;
    while (*link && *link != stream) link = &(*link)->next_connected;
    if (*link) *link = stream->next_connected;
}

struct rn_sim_file *rn_sim_fifo(struct rn_sim *sim)
{
    struct rn_sim_stream *both = make(sim, 0, false);
    both->state = CONNECTED;
    join(sim, both, both);
    return &both->base.file;
}

static void hang_up(struct rn_sim *sim, struct rn_sim_stream *stream)
{
    struct half *in = stream->in, *out = stream->out;
    bool unread = in && in->arrived > in->read;
    if (out && !stream->reset) {
        /* A Unix socket has no reset of its own, but unread data is one all the same. */
        if (unread || (resets(stream) && !local(stream))) send_reset(sim, out);
        else send_fin(sim, out);
    }
    if (in) {
        in->read = in->written;
        rn_sim_ring_put(sim, in->ring, in->size);
        in->ring = NULL;
        if (local(stream) && !in->from->base.file.closed)
            rn_sim_notify(sim, &in->from->base.file, EVERYTHING);
    }
    disconnect(sim, stream);
}

static void stop_listening(struct rn_sim *sim, struct rn_sim_stream *stream)
{
    if (stream->state != LISTENING) return;
    stream->base.listening = false;
    for (struct rn_sim_stream *at = stream->backlog; at; at = at->next) {
        at->close_resets = at->base.file.closed = true;
        hang_up(sim, at);
    }
}

static void stream_close(struct rn_sim *sim, struct rn_sim_file *file)
{
    struct rn_sim_stream *stream = (struct rn_sim_stream *)file;
    stop_listening(sim, stream);
    rn_sim_unbind(sim, &stream->base);
    hang_up(sim, stream);
}

int rn_sim_shutdown(struct rn_sim *sim, struct rn_sim_file *file, int how)
{
    struct rn_sim_stream *stream = stream_of(file);
    if (file->vt == &rn_sim_datagram_vt) return rn_sim_datagram_shutdown(sim, file, how);
    if (!stream || !stream->base.family) return -RN_K_ENOTSOCK;
    if (stream->state == LISTENING && how != RN_K_SHUT_WR) {
        stop_listening(sim, stream);
        stream->state = NEW;
        stream->backlog = NULL;
        rn_sim_notify(sim, &stream->base.file, EVERYTHING);
        return 0;
    }
    if (stream->state != CONNECTED || stream->reset) return -RN_K_ENOTCONN;
    if (how != RN_K_SHUT_WR) stream->shut_read = true;
    if (how != RN_K_SHUT_RD && !stream->shut_write) {
        stream->shut_write = true;
        send_fin(sim, stream->out);
    }
    rn_sim_notify(sim, &stream->base.file, EVERYTHING);
    return 0;
}

void rn_sim_cut_all(struct rn_sim *sim)
{
    for (struct rn_sim_stream *at = sim->streams, *next; at; at = next) {
        next = at->next_connected;
        if (!at->base.family || !at->out) continue;
        at->out->silent = true;
        on_reset(sim, at, RN_K_ECONNRESET);
    }
}

const struct rn_sim_file_vt rn_sim_stream_vt = {
    .poll = stream_poll,
    .read = stream_read,
    .write = stream_write,
    .close = stream_close,
};
