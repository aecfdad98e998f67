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

#include "backend/attempt.h"
#include "sys/sys.h"

/* What the table knows of a descriptor. */
enum {
    REGISTERED = 1,
    READABLE = 2, /* something came in since a receive last found nothing */
    HUNG_UP = 4,  /* the end or an error is behind the data: no further edge announces it */
};

enum { TURNS_WITHOUT_EVENTS = 8 }; /* while there is other work */

static void push(struct rn_op_list *list, struct rn_op *op)
{
    op->next = NULL;
    if (list->head)
        list->tail->next = op;
    else
        list->head = op;
    list->tail = op;
}

/* A descriptor that the poller wasn't told of may have something, and is simply tried: what comes
 * with a new connection is there mostly, and many end before they had to be waited for. */
static bool may_have_input(const struct rn_readiness_entry *entry)
{
    return (entry->flags & (REGISTERED | READABLE)) != REGISTERED;
}

static unsigned sides(const struct rn_op *op)
{
    unsigned on = rn_attempts[op->code].traits & (RN_FOR_READ | RN_FOR_WRITE);
    if (on != (RN_FOR_READ | RN_FOR_WRITE)) return on;
    if (!(op->arg.events & RN_K_POLLOUT)) return RN_FOR_READ;
    return op->arg.events & ~(unsigned)RN_K_POLLOUT ? on : RN_FOR_WRITE;
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
    if (rn_attempts[op->code].traits & RN_ON_EVENT) entry->flags &= (uint8_t)~READABLE;
    if (entry->flags & REGISTERED) return 0;
    entry->flags |= REGISTERED;
    return engine->poller->add(engine, op->fd);
}

/* Does with the op what attempt() said of it. */
static void settle(struct rn_readiness *engine, struct rn_op *op, int64_t result)
{
    if (result <= RN_WAIT) {
        if (op->state == RN_AT_REST) {
            struct rn_readiness_entry *entry = &engine->table[op->fd];
            unsigned on = sides(op);
            if (on & RN_FOR_READ) entry->op[RN_READ_SIDE] = op;
            if (on & RN_FOR_WRITE) entry->op[RN_WRITE_SIDE] = op;
        }
        if (result != RN_WAIT) {
            op->state = result == RN_AGAIN ? RN_QUEUED : RN_STARVED;
            push(result == RN_AGAIN ? &engine->queue : &engine->starved, op);
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

static int64_t attempt(struct rn_readiness *engine, struct rn_op *op)
{
    int64_t result = rn_attempt(&engine->base, op);
    if (op->code == RN_OP_RECV || op->code == RN_OP_RECV_INTO) {
        /* A stream that gave less than was asked for is empty, epoll(7), unless its end is to
         * come. */
        struct rn_readiness_entry *entry = &engine->table[op->fd];
        bool full = op->code == RN_OP_RECV ? op->buf && op->buf->len == op->buf->cap
                                           : op->progress == op->arg.memory.len;
        if (!full && result != RN_STARVE && !(entry->flags & HUNG_UP))
            entry->flags &= (uint8_t)~READABLE;
    } else if (op->code == RN_OP_ACCEPT && result >= 0 && (uint64_t)result < engine->descriptors) {
        /* Its last owner may have closed it without telling this backend. */
        engine->table[result].flags = 0;
    }
    return result;
}

static int64_t begin(struct rn_readiness *engine, struct rn_op *op)
{
    unsigned on = sides(op);
    if ((uint32_t)op->fd < engine->descriptors) {
        struct rn_readiness_entry *entry = &engine->table[op->fd];
        if ((on & RN_FOR_READ && entry->op[RN_READ_SIDE]) ||
            (on & RN_FOR_WRITE && entry->op[RN_WRITE_SIDE]))
            return RN_E_MISUSE;
        if (rn_attempts[op->code].traits & RN_ON_EVENT)
            return may_have_input(entry) ? RN_AGAIN : RN_WAIT;
        if (op->code == RN_OP_CLOSE) {
#ifdef RN_DEBUG
            rn_assert(!entry->op[RN_READ_SIDE] && !entry->op[RN_WRITE_SIDE]);
#endif
            entry->flags = 0;
        }
    } else if (on) {
        return -RN_K_EBADF;
    }
    return rn_attempt(&engine->base, op);
}

bool rn_readiness_attempt(struct rn_backend *backend, struct rn_op *op)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
    op->state = RN_AT_REST;
    op->progress = 0;
    op->result = begin(engine, op);
    if (op->result > RN_WAIT) return true;
#ifdef RN_DEBUG
    engine->inflight++;
#endif
    settle(engine, op, op->result);
    return false;
}

void rn_readiness_submit(struct rn_backend *backend, struct rn_op *op)
{
    struct rn_readiness *engine = (struct rn_readiness *)backend;
    if (!rn_readiness_attempt(backend, op)) return;
#ifdef RN_DEBUG
    engine->inflight++;
#endif
    push(&engine->queue, op);
}

/* Takes an op from the queue, and writes its completion to done, if there is one. */
static unsigned advance(struct rn_readiness *engine, struct rn_op *op, struct rn_completion *done)
{
    bool resting = op->state == RN_AT_REST;
    op->buf = NULL;
    int64_t result = resting ? op->result : attempt(engine, op);
    if (result <= RN_WAIT) {
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
    else if (may_have_input(&engine->table[op->fd]))
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
        /* ppoll(2) copies its list, for which there may be no memory just now. */
        if (result < 0 && result != -RN_K_EINTR && result != -RN_K_ENOMEM) return result;
    }
    /* A round: an op that goes on comes again in the next, when what it gave was dealt with, which
     * may have been its end. */
    unsigned count = 0;
    struct rn_op *op, *last = engine->queue.tail;
    for (unsigned tries = 0; tries < max && (op = engine->queue.head); tries++) {
        engine->queue.head = op->next;
        count += advance(engine, op, done + count);
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
    leave(engine, op);
    op->result = -RN_K_ECANCELED;
    if (state == RN_WAITING) push(&engine->queue, op);
    if (state == RN_STARVED) feed(engine, INT64_MAX);
}

bool rn_readiness_forget(struct rn_backend *backend, int fd)
{
    struct rn_readiness_entry *entry = &((struct rn_readiness *)backend)->table[fd];
    if (!(entry->flags & REGISTERED) || entry->op[RN_READ_SIDE] || entry->op[RN_WRITE_SIDE])
        return false;
    entry->flags = 0;
    return true;
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
