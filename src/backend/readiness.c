/*
 * backend/readiness.c: ops on top of "this descriptor is ready".
 *
 * An op is tried with one system call. What can't go on yet waits in the descriptor table, on the
 * side (reading, writing) it is for; an event of the poller moves it to the queue, and the next
 * turn tries it again. What is done goes through the same queue, so that a completion is never
 * handed out from inside submit.
 *
 * Events are edges: a descriptor that became readable stays so in the table until a receive found
 * it empty. Nothing is believed that the kernel didn't confirm: an event only makes an op be tried,
 * so a late one, for a descriptor that was closed and opened again, costs a call and does no harm.
 */
#include "backend/readiness.h"
#include "sys/sys.h"

/* What the table knows of a descriptor. */
enum {
    REGISTERED = 1,
    READABLE = 2, /* something came in since a receive last found nothing */
    HUNG_UP = 4,  /* the end or an error is behind the data: no further edge announces it */
};

/* What attempt() says besides a result: far below any error. */
enum {
    WAIT = -20001,  /* until the descriptor is ready */
    AGAIN = -20002, /* in the next turn, so that others have theirs */
    STARVE = -20003 /* until a buffer comes back */
};

enum {
    BATCH_MAX = 16,           /* connections or datagrams of one descriptor in a turn */
    SENDFILE_MAX = 1 << 20,   /* bytes of one op in a turn */
    VECTORS_MAX = 1024,       /* UIO_MAXIOV */
    TURNS_WITHOUT_EVENTS = 4, /* while there is other work */
};

enum { FOR_READ = 1 << RN_READ_SIDE, FOR_WRITE = 1 << RN_WRITE_SIDE, ON_EVENT = 4, BATCH = 8 };

/* ON_EVENT: not tried before something came in, since it would mostly be in vain. */
static const uint8_t traits[RN_OP_CODES] = {
    [RN_OP_ACCEPT] = FOR_READ | ON_EVENT | BATCH,
    [RN_OP_CONNECT] = FOR_WRITE,
    [RN_OP_RECV] = FOR_READ | ON_EVENT,
    [RN_OP_RECV_INTO] = FOR_READ | ON_EVENT,
    [RN_OP_SEND] = FOR_WRITE,
    [RN_OP_SENDV] = FOR_WRITE,
    [RN_OP_RECVFROM] = FOR_READ | ON_EVENT | BATCH,
    [RN_OP_SENDTO] = FOR_WRITE,
    [RN_OP_READ] = FOR_READ,
    [RN_OP_WRITE] = FOR_WRITE,
    [RN_OP_SENDFILE] = FOR_WRITE,
    [RN_OP_POLL] = FOR_READ, /* but see sides() */
};

static void push(struct rn_op_list *list, struct rn_op *op)
{
    op->next = NULL;
    if (list->head)
        list->tail->next = op;
    else
        list->head = op;
    list->tail = op;
}

static unsigned sides(const struct rn_op *op)
{
    unsigned both = FOR_READ | FOR_WRITE;
    if (op->code != RN_OP_POLL) return traits[op->code] & both;
    if (!(op->arg.events & RN_K_POLLOUT)) return FOR_READ;
    return op->arg.events & ~(unsigned)RN_K_POLLOUT ? both : FOR_WRITE;
}

/* The op is under way on its descriptor, or is so no more. */
static void occupy(struct rn_readiness *engine, struct rn_op *op, unsigned state)
{
    struct rn_readiness_entry *entry = &engine->table[op->fd];
    struct rn_op *value = state == RN_AT_REST ? NULL : op;
    unsigned on = sides(op);
    if (on & FOR_READ) entry->op[RN_READ_SIDE] = value;
    if (on & FOR_WRITE) entry->op[RN_WRITE_SIDE] = value;
    op->state = (uint8_t)state;
}

static void finish(struct rn_readiness *engine, struct rn_op *op, int64_t result)
{
    if (op->state != RN_AT_REST) occupy(engine, op, RN_AT_REST);
    op->result = result;
    push(&engine->queue, op);
}

/* Lets the op wait for its descriptor. The first time, the poller learns of the descriptor, and
 * then reports what is there already. */
static void park(struct rn_readiness *engine, struct rn_op *op)
{
    struct rn_readiness_entry *entry = &engine->table[op->fd];
    occupy(engine, op, RN_WAITING);
    if (traits[op->code] & ON_EVENT) entry->flags &= (uint8_t)~READABLE;
    if (entry->flags & REGISTERED) return;
    int result = engine->poller->add(engine, op->fd);
    engine->base.syscalls++;
    if (result < 0)
        finish(engine, op, result);
    else
        entry->flags |= REGISTERED;
}

static void retry(struct rn_readiness *engine, struct rn_op *op)
{
    occupy(engine, op, RN_QUEUED);
    push(&engine->queue, op);
}

static void settle(struct rn_readiness *engine, struct rn_op *op, int64_t result)
{
    if (result > WAIT) {
        finish(engine, op, result);
    } else if (result == WAIT) {
        park(engine, op);
    } else if (result == AGAIN) {
        retry(engine, op);
    } else {
        occupy(engine, op, RN_STARVED);
        push(&engine->starved, op);
    }
}

/* A stream gave less than was asked for: it is empty, epoll(7), unless its end is to be read. */
static bool drained(struct rn_readiness_entry *entry, int64_t got, size_t asked)
{
    if ((size_t)got < asked && !(entry->flags & HUNG_UP)) entry->flags &= (uint8_t)~READABLE;
    return !(entry->flags & READABLE);
}

static long receive_datagram(int fd, struct rn_buf *buf)
{
    struct rn_datagram *datagram = (void *)buf->data;
    buf->at = sizeof *datagram;
    struct rn_k_iovec part = {buf->data + sizeof *datagram, buf->cap - sizeof *datagram};
    struct rn_k_msghdr message = {
        .msg_name = datagram->address,
        .msg_namelen = sizeof datagram->address,
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    long result = rn_sys_recvmsg(fd, &message, RN_K_MSG_DONTWAIT);
    datagram->address_len = (uint32_t)message.msg_namelen;
    datagram->truncated = message.msg_flags & RN_K_MSG_TRUNC;
    return result;
}

static int64_t receive(struct rn_readiness *engine, struct rn_op *op)
{
    bool stream = op->code == RN_OP_RECV;
    struct rn_buf *buf = rn_pool_take(engine->base.pool);
    if (!buf) {
        engine->base.syscalls--;
        return STARVE;
    }
    long result = stream ? rn_sys_recv(op->fd, buf->data, buf->cap, RN_K_MSG_DONTWAIT)
                         : receive_datagram(op->fd, buf);
    if (result < stream) {
        rn_pool_put(engine->base.pool, buf);
        return result;
    }
    if (stream) drained(&engine->table[op->fd], result, buf->cap);
    buf->len = (uint32_t)result;
    op->buf = buf;
    return result;
}

static int64_t receive_into(struct rn_readiness *engine, struct rn_op *op)
{
    size_t left = op->arg.memory.len - op->progress;
    long result =
        rn_sys_recv(op->fd, (char *)op->arg.memory.ptr + op->progress, left, RN_K_MSG_DONTWAIT);
    if (result < 0) return result;
    op->progress += (size_t)result;
    bool empty = drained(&engine->table[op->fd], result, left);
    if (result == 0 || (size_t)result == left || !(op->flags & RN_OP_ALL))
        return (int64_t)op->progress;
    return empty ? WAIT : AGAIN;
}

/* Connections that were gone before they were taken, accept(2): the next one may be fine. */
static int64_t accept(struct rn_readiness *engine, struct rn_op *op)
{
    static const uint8_t passing[] = {RN_K_EINTR,       RN_K_EPROTO,       RN_K_ENETDOWN,
                                      RN_K_ENETUNREACH, RN_K_ECONNABORTED, RN_K_EHOSTUNREACH};
    int result = rn_sys_accept4(op->fd, NULL, NULL, RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC);
    if (result >= 0) {
        /* Its last owner may have closed it without telling this backend. */
        if ((uint32_t)result < engine->descriptors) engine->table[result].flags = 0;
        return result;
    }
    for (unsigned i = 0; i < sizeof passing; i++)
        if (result == -passing[i]) return AGAIN;
    return result;
}

static int send_flags(const struct rn_op *op)
{
    return RN_K_MSG_DONTWAIT | RN_K_MSG_NOSIGNAL | (op->flags & RN_OP_CORK ? RN_K_MSG_MORE : 0);
}

/* A send that took a part left the socket full, and the kernel's mark for it set: the edge comes.
 * */
static int64_t send_memory(struct rn_op *op)
{
    size_t left = op->arg.memory.len - op->progress;
    long result =
        rn_sys_send(op->fd, (char *)op->arg.memory.ptr + op->progress, left, send_flags(op));
    if (result < 0) return result;
    op->progress += (size_t)result;
    return (size_t)result == left ? (int64_t)op->progress : WAIT;
}

static int64_t send_vectors(struct rn_op *op)
{
    struct rn_vector *vector = op->arg.vector.vectors;
    uint32_t count = op->arg.vector.count;
    struct rn_k_msghdr message = {
        .msg_iov = (void *)vector,
        .msg_iovlen = count < VECTORS_MAX ? count : VECTORS_MAX,
    };
    long result = rn_sys_sendmsg(op->fd, &message, send_flags(op));
    if (result < 0) return result;
    op->progress += (size_t)result;
    size_t sent = (size_t)result;
    while (count && vector->len <= sent) {
        sent -= vector->len;
        vector++;
        count--;
    }
    if (!count) return (int64_t)op->progress;
    vector->ptr = (const char *)vector->ptr + sent;
    vector->len -= sent;
    op->arg.vector.vectors = vector;
    op->arg.vector.count = count;
    return AGAIN;
}

static int64_t send_file(struct rn_op *op)
{
    uint64_t offset = op->arg.file.offset + op->progress;
    uint64_t left = op->arg.file.length - op->progress;
    long result = rn_sys_sendfile(op->fd, op->arg.file.fd, &offset,
                                  left < SENDFILE_MAX ? left : SENDFILE_MAX);
    if (result < 0) return result;
    op->progress += (size_t)result;
    return result == 0 || (size_t)result == left ? (int64_t)op->progress : AGAIN;
}

/* Again and again the same call: Linux answers with the outcome once there is one. -EAGAIN is a
 * Unix socket with a full backlog, which nothing announces the end of: that is the caller's to
 * handle. */
static int64_t connect(struct rn_op *op)
{
    int result = rn_sys_connect(op->fd, op->arg.address.ptr, op->arg.address.len);
    return result == -RN_K_EINPROGRESS || result == -RN_K_EALREADY ? WAIT : result;
}

static int64_t check_events(struct rn_op *op)
{
    struct rn_k_pollfd poll = {.fd = op->fd, .events = (int16_t)op->arg.events};
    struct rn_k_timespec now = {0};
    int result = rn_sys_ppoll(&poll, 1, &now, NULL);
    if (result <= 0) return result < 0 ? result : WAIT;
    return poll.revents & RN_K_POLLNVAL ? -RN_K_EBADF : (uint16_t)poll.revents;
}

static int64_t close_descriptor(struct rn_readiness *engine, int fd)
{
    if ((uint32_t)fd < engine->descriptors) {
#ifdef RN_DEBUG
        rn_assert(!engine->table[fd].op[RN_READ_SIDE] && !engine->table[fd].op[RN_WRITE_SIDE]);
#endif
        engine->table[fd].flags = 0;
    }
    int result = rn_sys_close(fd);
    return result == -RN_K_EINTR ? 0 : result;
}

static int64_t try(struct rn_readiness *engine, struct rn_op *op)
{
    const int fd = op->fd;
    char *ptr = op->arg.memory.ptr;
    size_t len = op->arg.memory.len;
    int64_t offset = op->arg.memory.offset;
    switch (op->code) {
    case RN_OP_ACCEPT: return accept(engine, op);
    case RN_OP_CONNECT: return connect(op);
    case RN_OP_RECV:
    case RN_OP_RECVFROM: return receive(engine, op);
    case RN_OP_RECV_INTO: return receive_into(engine, op);
    case RN_OP_SEND: return send_memory(op);
    case RN_OP_SENDV: return send_vectors(op);
    case RN_OP_SENDTO:
        return rn_sys_sendto(fd, ptr, len, RN_K_MSG_DONTWAIT | RN_K_MSG_NOSIGNAL,
                             op->arg.datagram.address, op->arg.datagram.address_len);
    case RN_OP_READ:
        return offset < 0 ? rn_sys_read(fd, ptr, len)
                          : rn_sys_pread(fd, ptr, len, (uint64_t)offset);
    case RN_OP_WRITE:
        return offset < 0 ? rn_sys_write(fd, ptr, len)
                          : rn_sys_pwrite(fd, ptr, len, (uint64_t)offset);
    case RN_OP_SENDFILE: return send_file(op);
    case RN_OP_OPEN: return rn_sys_openat2(fd, op->arg.open.path, (const void *)op->arg.open.how);
    case RN_OP_CLOSE: return close_descriptor(engine, fd);
    case RN_OP_SHUTDOWN: return rn_sys_shutdown(fd, op->arg.how);
    case RN_OP_POLL: return check_events(op);
    default: engine->base.syscalls--; return 0;
    }
}

static int64_t attempt(struct rn_readiness *engine, struct rn_op *op)
{
    engine->base.syscalls++;
    int64_t result = try(engine, op);
    return result == -RN_K_EAGAIN && op->code != RN_OP_CONNECT ? WAIT : result;
}

void rn_readiness_submit(struct rn_backend *backend, struct rn_op *op)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
#ifdef RN_DEBUG
    engine->inflight++;
#endif
    op->state = RN_AT_REST;
    op->progress = 0;
    unsigned on = sides(op);
    int64_t result;
    if (on && (uint32_t)op->fd >= engine->descriptors) {
        result = -RN_K_EBADF;
    } else if (on) {
        struct rn_readiness_entry *entry = &engine->table[op->fd];
        if ((on & FOR_READ && entry->op[RN_READ_SIDE]) ||
            (on & FOR_WRITE && entry->op[RN_WRITE_SIDE]))
            result = RN_E_MISUSE;
        else if (traits[op->code] & ON_EVENT)
            result = entry->flags & READABLE ? AGAIN : WAIT;
        else
            result = attempt(engine, op);
    } else {
        result = attempt(engine, op);
    }
    settle(engine, op, result);
}

/* Tries an op whose turn it is, and writes what came of it to done[]. */
static unsigned proceed(struct rn_readiness *engine, struct rn_op *op, struct rn_completion *done,
                        unsigned max)
{
    struct rn_readiness_entry *entry = &engine->table[op->fd];
    unsigned count = 0;
    if (max > BATCH_MAX) max = BATCH_MAX;
    if (!(traits[op->code] & BATCH)) max = 1;
    do {
        op->buf = NULL;
        int64_t result = attempt(engine, op);
        if (result <= WAIT) {
            settle(engine, op, result);
            return count;
        }
        /* Bytes, but for the end of a stream. */
        bool more = op->flags & RN_OP_MULTISHOT && result >= (op->code == RN_OP_RECV);
        if (!more) occupy(engine, op, RN_AT_REST);
        done[count++] = (struct rn_completion){op, op->buf, result, more};
        if (!more) return count;
    } while (count < max && entry->flags & READABLE);
    settle(engine, op, entry->flags & READABLE ? AGAIN : WAIT);
    return count;
}

void rn_readiness_event(struct rn_readiness *engine, uint32_t fd, uint32_t events)
{
    enum {
        BOTH = RN_K_POLLERR | RN_K_POLLHUP | RN_K_POLLNVAL,
        READ = RN_K_POLLIN | RN_K_POLLPRI | RN_K_POLLRDHUP | BOTH,
        WRITE = RN_K_POLLOUT | BOTH,
    };
    static const uint16_t masks[] = {[RN_READ_SIDE] = READ, [RN_WRITE_SIDE] = WRITE};
    struct rn_readiness_entry *entry = &engine->table[fd];
    if (events & READ) entry->flags |= READABLE;
    if (events & (RN_K_POLLRDHUP | BOTH)) entry->flags |= HUNG_UP;
    for (unsigned side = 0; side < 2; side++) {
        struct rn_op *op = entry->op[side];
        if (events & masks[side] && op && op->state == RN_WAITING) retry(engine, op);
    }
}

/* Receives that waited for a buffer go on, as many as there are buffers for. */
static void feed(struct rn_readiness *engine, int64_t count)
{
    for (struct rn_op *op; count > 0 && (op = engine->starved.head); count--) {
        engine->starved.head = op->next;
        if (op->state == RN_STARVED) op->state = RN_QUEUED;
        push(&engine->queue, op);
    }
}

int rn_readiness_poll(struct rn_backend *backend, rn_ns until, struct rn_completion *done,
                      unsigned max)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
    const struct rn_pool *pool = backend->pool;
    feed(engine, (int64_t)pool->count - pool->used - pool->reserve);
    if (!engine->queue.head || ++engine->turns >= TURNS_WITHOUT_EVENTS) {
        rn_ns timeout = engine->queue.head ? 0 : until;
        if (timeout != 0 && timeout != RN_NEVER) {
            rn_ns now = rn_clock_monotonic();
            timeout = until > now ? until - now : 0;
        }
        engine->turns = 0;
        backend->syscalls++;
        int result = engine->poller->wait(engine, timeout);
        if (result < 0) return result;
    }
    /* What is queued from now on, by the ops that go on, is for the next turn. */
    unsigned count = 0;
    struct rn_op *op, *last = engine->queue.tail;
    while (count < max && (op = engine->queue.head)) {
        engine->queue.head = op->next;
        if (op->state == RN_AT_REST)
            done[count++] = (struct rn_completion){op, NULL, op->result, false};
        else
            count += proceed(engine, op, done + count, max - count);
        if (op == last) break;
    }
#ifdef RN_DEBUG
    for (unsigned i = 0; i < count; i++) engine->inflight -= !done[i].more;
#endif
    return (int)count;
}

/* Where the op is in a queue it stays there: it is at rest now and will be handed out. */
void rn_readiness_cancel(struct rn_backend *backend, struct rn_op *op)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
    unsigned state = op->state;
    if (state == RN_AT_REST) return;
    occupy(engine, op, RN_AT_REST);
    op->result = -RN_K_ECANCELED;
    if (state == RN_WAITING) push(&engine->queue, op);
    if (state == RN_STARVED) feed(engine, INT64_MAX);
}

void rn_readiness_wake(struct rn_backend *backend)
{
    static const uint64_t one = 1;
    rn_sys_write(((struct rn_readiness *)backend)->wake, &one, sizeof one);
}

rn_ns rn_readiness_now(struct rn_backend *backend)
{
    return rn_clock_monotonic();
}

int rn_readiness_init(struct rn_readiness *engine, const struct rn_backend_options *options,
                      const struct rn_poller *poller)
{
    int wake = rn_sys_eventfd2(0, RN_K_EFD_NONBLOCK | RN_K_EFD_CLOEXEC);
    if (wake < 0) return wake;
    engine->poller = poller;
    engine->base.pool = options->pool;
    engine->descriptors = options->descriptors;
    engine->wake = wake;
    engine->table = rn_map(options->descriptors * sizeof *engine->table);
    if (engine->table) return 0;
    rn_sys_close(wake);
    return -RN_K_ENOMEM;
}

void rn_readiness_fini(struct rn_backend *backend)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
#ifdef RN_DEBUG
    rn_assert(engine->inflight == 0);
#endif
    rn_sys_close(engine->wake);
    rn_unmap(engine->table, engine->descriptors * sizeof *engine->table);
}
