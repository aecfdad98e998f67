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
    AGAIN = -20002, /* when the others had their turn */
    STARVE = -20003 /* until a buffer comes back */
};

enum {
    SENDFILE_MAX = 256 << 10, /* bytes of one op until others have their turn */
    VECTORS_MAX = 1024,       /* UIO_MAXIOV */
    TURNS_WITHOUT_EVENTS = 4, /* while there is other work */
};

enum {
    FOR_READ = 1 << RN_READ_SIDE,
    FOR_WRITE = 1 << RN_WRITE_SIDE,
    ON_EVENT = 4,  /* not tried before something came in, since it would mostly be in vain */
    BUFFER = 8,    /* takes one of the pool */
    PROGRESS = 16, /* goes on until all is done */
};
enum { QUIETLY = RN_K_MSG_DONTWAIT | RN_K_MSG_NOSIGNAL };

/* The system call behind an op, and its flags, if it takes any. */
static const struct {
    uint16_t nr;
    uint16_t traits;
    uint32_t flags;
} codes[RN_OP_CODES] = {
    [RN_OP_ACCEPT] = {RN_NR_ACCEPT4, FOR_READ | ON_EVENT, RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC},
    [RN_OP_CONNECT] = {RN_NR_CONNECT, FOR_WRITE, 0},
    [RN_OP_RECV] = {RN_NR_RECVFROM, FOR_READ | ON_EVENT | BUFFER, RN_K_MSG_DONTWAIT},
    [RN_OP_RECV_INTO] = {RN_NR_RECVFROM, FOR_READ | ON_EVENT | PROGRESS, RN_K_MSG_DONTWAIT},
    [RN_OP_SEND] = {RN_NR_SENDTO, FOR_WRITE | PROGRESS, QUIETLY},
    [RN_OP_SENDV] = {RN_NR_SENDMSG, FOR_WRITE | PROGRESS, QUIETLY},
    [RN_OP_RECVFROM] = {RN_NR_RECVMSG, FOR_READ | ON_EVENT | BUFFER, RN_K_MSG_DONTWAIT},
    [RN_OP_SENDTO] = {RN_NR_SENDTO, FOR_WRITE, QUIETLY},
    [RN_OP_READ] = {RN_NR_READ, FOR_READ, 0},
    [RN_OP_WRITE] = {RN_NR_WRITE, FOR_WRITE, 0},
    [RN_OP_SENDFILE] = {RN_NR_SENDFILE, FOR_WRITE | PROGRESS, 0},
    [RN_OP_OPEN] = {RN_NR_OPENAT2, 0, sizeof(struct rn_k_open_how)},
    [RN_OP_CLOSE] = {RN_NR_CLOSE, 0, 0},
    [RN_OP_SHUTDOWN] = {RN_NR_SHUTDOWN, 0, 0},
    [RN_OP_POLL] = {RN_NR_PPOLL, FOR_READ | FOR_WRITE, 0}, /* or one of them: see sides() */
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
    unsigned on = codes[op->code].traits & (FOR_READ | FOR_WRITE);
    if (on != (FOR_READ | FOR_WRITE)) return on;
    if (!(op->arg.events & RN_K_POLLOUT)) return FOR_READ;
    return op->arg.events & ~(unsigned)RN_K_POLLOUT ? on : FOR_WRITE;
}

/* The op is no more under way on its descriptor. */
static void leave(struct rn_readiness *engine, struct rn_op *op)
{
    struct rn_readiness_entry *entry = &engine->table[op->fd];
    for (unsigned side = 0; side < 2; side++)
        if (entry->op[side] == op) entry->op[side] = NULL;
    op->state = RN_AT_REST;
}

/* Lets the op wait for its descriptor. The first time, the poller learns of the descriptor, and
 * then reports what is there already. */
static int park(struct rn_readiness *engine, struct rn_op *op)
{
    struct rn_readiness_entry *entry = &engine->table[op->fd];
    op->state = RN_WAITING;
    if (codes[op->code].traits & ON_EVENT) entry->flags &= (uint8_t)~READABLE;
    if (entry->flags & REGISTERED) return 0;
    entry->flags |= REGISTERED;
    return engine->poller->add(engine, op->fd);
}

/* Does with the op what attempt() said of it. */
static void settle(struct rn_readiness *engine, struct rn_op *op, int64_t result)
{
    if (result <= WAIT) {
        if (op->state == RN_AT_REST) {
            struct rn_readiness_entry *entry = &engine->table[op->fd];
            unsigned on = sides(op);
            if (on & FOR_READ) entry->op[RN_READ_SIDE] = op;
            if (on & FOR_WRITE) entry->op[RN_WRITE_SIDE] = op;
        }
        if (result != WAIT) {
            op->state = result == AGAIN ? RN_QUEUED : RN_STARVED;
            push(result == AGAIN ? &engine->queue : &engine->starved, op);
            return;
        }
        result = park(engine, op);
        if (result == 0) return;
        engine->table[op->fd].flags = 0;
        leave(engine, op);
    }
    op->result = result;
    push(&engine->queue, op);
}

__attribute__((noinline)) static long receive_datagram(int fd, struct rn_buf *buf)
{
    struct rn_datagram *datagram = (void *)buf->data;
    buf->at = sizeof *datagram;
    struct rn_k_iovec part = {datagram + 1, buf->cap - sizeof *datagram};
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

/* A stream that gave less than was asked for is empty, epoll(7), unless its end is to come. */
static void drained(struct rn_readiness *engine, struct rn_op *op, long got, size_t asked)
{
    struct rn_readiness_entry *entry = &engine->table[op->fd];
    if (got < (long)asked && !(entry->flags & HUNG_UP)) entry->flags &= (uint8_t)~READABLE;
}

static int64_t receive(struct rn_readiness *engine, struct rn_op *op)
{
    bool stream = op->code == RN_OP_RECV;
    long result;
    struct rn_buf *buf = rn_pool_take(engine->base.pool);
    if (!buf) return STARVE;
    engine->base.syscalls++;
    if (stream) {
        result = rn_sys_recv(op->fd, buf->data, buf->cap, RN_K_MSG_DONTWAIT);
        drained(engine, op, result, buf->cap);
    } else {
        result = receive_datagram(op->fd, buf);
    }
    if (result >= stream) {
        op->buf = buf;
        buf->len = (uint32_t)result;
        return result;
    }
    rn_pool_put(engine->base.pool, buf);
    return result == -RN_K_EAGAIN ? WAIT : result;
}

enum { WITH_OFFSET = RN_NR_PREAD64 - RN_NR_READ };
_Static_assert(WITH_OFFSET == RN_NR_PWRITE64 - RN_NR_WRITE, "the same for both");

struct call {
    long nr, fd, a, b, c, d, e;
};

/* What its arguments may point to. */
union scratch {
    struct rn_k_msghdr message;
    uint64_t offset;
    struct {
        struct rn_k_pollfd poll;
        struct rn_k_timespec now;
    };
};

/* What is done is behind the first argument, what is left is the second. That holds for a file as
 * for memory: the fields of op->arg are laid out for it. */
static void prepare(const struct rn_op *op, struct call *call, union scratch *scratch)
{
    call->nr = codes[op->code].nr;
    call->fd = op->fd;
    call->a = (long)op->arg.memory.ptr + (long)op->progress;
    call->b = (long)(op->arg.memory.len - op->progress);
    call->c = codes[op->code].flags;
    if (op->flags & RN_OP_CORK) call->c |= RN_K_MSG_MORE;
    call->d = call->e = 0;
    switch (op->code) {
    case RN_OP_ACCEPT: call->a = call->b = 0; break;
    case RN_OP_SENDTO:
        call->d = (long)op->arg.datagram.address;
        call->e = op->arg.datagram.address_len;
        break;
    case RN_OP_SENDV: {
        uint32_t count = op->arg.vector.count;
        scratch->message = (struct rn_k_msghdr){
            .msg_iov = (void *)op->arg.vector.vectors,
            .msg_iovlen = count < VECTORS_MAX ? count : VECTORS_MAX,
        };
        call->a = (long)&scratch->message;
        call->b = call->c;
        break;
    }
    case RN_OP_SENDFILE:
        scratch->offset = (uint64_t)call->a;
        call->c = (uint64_t)call->b < SENDFILE_MAX ? call->b : SENDFILE_MAX;
        call->a = op->arg.file.fd;
        call->b = (long)&scratch->offset;
        break;
    case RN_OP_POLL:
        scratch->poll = (struct rn_k_pollfd){op->fd, (int16_t)op->arg.events, 0};
        scratch->now = (struct rn_k_timespec){0};
        call->fd = (long)&scratch->poll; /* the one call that doesn't begin with the descriptor */
        call->a = 1;
        call->b = (long)&scratch->now;
        call->c = 0;
        break;
    case RN_OP_READ:
    case RN_OP_WRITE:
        call->c = op->arg.memory.offset;
        if (call->c >= 0) call->nr += WITH_OFFSET;
    }
}

static int64_t failure(const struct rn_op *op, int64_t error)
{
    /* Under way. The same call again and again is answered with the outcome once there is one.
     * -EAGAIN is a Unix socket with a full backlog, which nothing announces the end of: that is the
     * caller's to handle. */
    if (op->code == RN_OP_CONNECT)
        return error == -RN_K_EINPROGRESS || error == -RN_K_EALREADY ? WAIT : error;
    /* A connection that was gone before it was taken, accept(2): the next one may be fine. */
    if (op->code == RN_OP_ACCEPT && (error == -RN_K_ECONNABORTED || error == -RN_K_EPROTO))
        return AGAIN;
    return error == -RN_K_EAGAIN ? WAIT : error;
}

/* Drops what went out from the front of the vectors. */
static int64_t consume(struct rn_op *op, size_t sent)
{
    struct rn_vector *vector = op->arg.vector.vectors;
    uint32_t count = op->arg.vector.count;
    for (; count && vector->len <= sent; count--) sent -= vector++->len;
    if (!count) return (int64_t)op->progress;
    vector->ptr = (const char *)vector->ptr + sent;
    vector->len -= sent;
    op->arg.vector.vectors = vector;
    op->arg.vector.count = count;
    return AGAIN;
}

/* Any op but those above. */
__attribute__((noinline)) static int64_t perform(struct rn_readiness *engine, struct rn_op *op)
{
    struct call call;
    union scratch scratch;
    prepare(op, &call, &scratch);
    engine->base.syscalls++;
    long result = rn_syscall6(call.nr, call.fd, call.a, call.b, call.c, call.d, call.e);
    if (result < 0) return failure(op, result);
    if (codes[op->code].traits & PROGRESS) {
        op->progress += (size_t)result;
        if (op->code == RN_OP_SENDV) return consume(op, (size_t)result);
        if (op->code == RN_OP_RECV_INTO) drained(engine, op, result, (size_t)call.b);
        bool all = op->code != RN_OP_RECV_INTO || op->flags & RN_OP_ALL;
        return all && result && op->progress < op->arg.memory.len ? AGAIN : (int64_t)op->progress;
    }
    if (op->code == RN_OP_POLL) {
        int events = (uint16_t)scratch.poll.revents;
        return !events ? WAIT : events & RN_K_POLLNVAL ? -RN_K_EBADF : events;
    }
    /* Its last owner may have closed it without telling this backend. */
    if (op->code == RN_OP_ACCEPT && (unsigned long)result < engine->descriptors)
        engine->table[result].flags = 0;
    return result;
}

/* A send that took a part left the socket full, with the mark that an edge shall come. */
static int64_t send(struct rn_readiness *engine, struct rn_op *op)
{
    size_t left = op->arg.memory.len - op->progress;
    long result = rn_sys_send(op->fd, (char *)op->arg.memory.ptr + op->progress, left,
                              op->flags & RN_OP_CORK ? QUIETLY | RN_K_MSG_MORE : QUIETLY);
    engine->base.syscalls++;
    if (result < 0) return result == -RN_K_EAGAIN ? WAIT : result;
    op->progress += (size_t)result;
    return (size_t)result == left ? (int64_t)op->progress : WAIT;
}

static int64_t attempt(struct rn_readiness *engine, struct rn_op *op)
{
    if (op->code == RN_OP_SEND) return send(engine, op);
    if (codes[op->code].traits & BUFFER) return receive(engine, op);
    return perform(engine, op);
}

static int64_t begin(struct rn_readiness *engine, struct rn_op *op)
{
    unsigned on = sides(op);
    if ((uint32_t)op->fd < engine->descriptors) {
        struct rn_readiness_entry *entry = &engine->table[op->fd];
        if ((on & FOR_READ && entry->op[RN_READ_SIDE]) ||
            (on & FOR_WRITE && entry->op[RN_WRITE_SIDE]))
            return RN_E_MISUSE;
        if (codes[op->code].traits & ON_EVENT) return entry->flags & READABLE ? AGAIN : WAIT;
        if (op->code == RN_OP_CLOSE) {
#ifdef RN_DEBUG
            rn_assert(!entry->op[RN_READ_SIDE] && !entry->op[RN_WRITE_SIDE]);
#endif
            entry->flags = 0;
        }
    } else if (on) {
        return -RN_K_EBADF;
    }
    return op->code == RN_OP_NOP ? 0 : attempt(engine, op);
}

void rn_readiness_submit(struct rn_backend *backend, struct rn_op *op)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
#ifdef RN_DEBUG
    engine->inflight++;
#endif
    op->state = RN_AT_REST;
    op->progress = 0;
    settle(engine, op, begin(engine, op));
}

/* Takes an op from the queue, and writes its completion to done, if there is one. */
static unsigned advance(struct rn_readiness *engine, struct rn_op *op, struct rn_completion *done)
{
    bool resting = op->state == RN_AT_REST;
    op->buf = NULL;
    int64_t result = resting ? op->result : attempt(engine, op);
    if (result <= WAIT) {
        settle(engine, op, result);
        return 0;
    }
    /* Cancelled while an earlier completion was handed out, which then put its result there. */
    if (resting && op->flags & RN_OP_MULTISHOT && result >= 0) result = -RN_K_ECANCELED;
    *done = (struct rn_completion){op, op->buf, result, false};
    if (resting) return 1;
    /* Bytes, but for the end of a stream. */
    done->more = op->flags & RN_OP_MULTISHOT && result >= (op->code == RN_OP_RECV);
    if (!done->more)
        leave(engine, op);
    else if (engine->table[op->fd].flags & READABLE)
        push(&engine->queue, op);
    else
        op->state = RN_WAITING;
    return 1;
}

void rn_readiness_event(struct rn_readiness *engine, uint32_t fd, uint32_t events)
{
    enum {
        HANG_UP = RN_K_POLLERR | RN_K_POLLHUP | RN_K_POLLNVAL,
        READ = RN_K_POLLIN | RN_K_POLLPRI | RN_K_POLLRDHUP | HANG_UP,
        WRITE = RN_K_POLLOUT | HANG_UP,
    };
    static const uint16_t masks[] = {[RN_READ_SIDE] = READ, [RN_WRITE_SIDE] = WRITE};
    struct rn_readiness_entry *entry = &engine->table[fd];
    if (events & READ) entry->flags |= READABLE;
    if (events & (RN_K_POLLRDHUP | HANG_UP)) entry->flags |= HUNG_UP;
    for (unsigned side = 0; side < 2; side++) {
        struct rn_op *op = entry->op[side];
        if (!op || op->state != RN_WAITING || !(events & masks[side])) continue;
        op->state = RN_QUEUED;
        push(&engine->queue, op);
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
    if (rn_unlikely(engine->starved.head))
        feed(engine, (int64_t)pool->count - pool->used - pool->reserve);
    if (!engine->queue.head || ++engine->turns >= TURNS_WITHOUT_EVENTS) {
        rn_ns time = engine->queue.head ? 0 : until;
        if (time != 0 && time != RN_NEVER) {
            rn_ns now = rn_clock_monotonic();
            time = time > now ? time - now : 0;
        }
        struct rn_k_timespec limit = rn_timespec_of(time);
        engine->turns = 0;
        backend->syscalls++;
        int result = engine->poller->wait(engine, time == RN_NEVER ? NULL : &limit);
        if (result < 0 && result != -RN_K_EINTR) return result;
    }
    /* The queue is a round: an op that goes on comes again behind all others. */
    unsigned count = 0;
    struct rn_op *op;
    for (unsigned tries = 0; tries < max && (op = engine->queue.head); tries++) {
        engine->queue.head = op->next;
        count += advance(engine, op, done + count);
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
    leave(engine, op);
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
    rn_assert((uint32_t)wake < options->descriptors);
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
