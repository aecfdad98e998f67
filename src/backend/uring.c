/*
 * backend/uring.c: ops on io_uring(7), Linux 6.1 or newer.
 *
 * An op that is started goes onto a queue. poll() turns the queue into submissions, submits and
 * waits in one system call, and takes out what came from the completion ring. The user_data of a
 * submission is its op; that of a cancellation is 0. What a plain system call does as well or
 * better goes that way: a send costs no less through the ring, and its result comes a turn later;
 * sendfile(2) has no opcode; a shutdown through the ring takes a kernel thread. What is in the ring
 * then is a poll, when the call would have to wait. Nothing is lost when a ring is full: ops stay
 * on the queue while there is no room to submit, and the kernel keeps the completions that find no
 * room (IORING_FEAT_NODROP).
 *
 * Receives take their buffer when data is there, from a ring of pool buffers lent to the kernel.
 * The lent ones count as used until fini. When the kernel finds that ring empty, the receive ends
 * with -ENOBUFS: it waits on a list of ours and starts anew when poll() could lend more.
 *
 * init, poll and fini run on the worker's thread: the kernel holds the ring to one submitter.
 */
#include <runnel/backend.h>

#include "backend/attempt.h"
#include "backend/file_call.h"
#include "base/bytes.h"
#include "sys/sys.h"

enum {
    ENTRIES = 128,           /* when the caller doesn't say */
    CQ_FACTOR = 4,           /* completions for one submission: multishots make many */
    LENT_MAX = 64,           /* buffers lent to the kernel: no faster with more. A power of two */
    LENGTH_MAX = 0x7ffff000, /* of one read or write, as the kernel has it: MAX_RW_COUNT */
    ADDRESS_MAX = sizeof((struct rn_datagram *)0)->address,
    /* Where the payload of a datagram begins: behind what the kernel writes in front of it. */
    PAYLOAD_AT = sizeof(struct rn_k_io_uring_recvmsg_out) + ADDRESS_MAX,
};

/* op->state */
enum {
    QUEUED = 1,    /* on the queue: to be started, cancelled or handed out */
    IN_KERNEL = 2, /* submitted; its last completion hasn't been seen */
    ASKED = 4,     /* the caller asked for its end: isn't started again */
    FINISHED = 8,  /* completed while its cancellation was queued: op->result and buf hold */
    STARVED = 16,  /* on the list of receives that wait for a buffer */
    POLLING = 32,  /* it waits for readiness: what is in the kernel is a poll of ours */
    OVER = 64,     /* its last completion was handed out, if not looked at yet */
    RATIONED = 128, /* gets one buffer before it goes on as a multishot */
};

/* op->armed */
enum {
    ARMED = 1, /* a multishot that has brought nothing yet */
    FRESH = 2, /* not tried yet */
};

/* What a submission takes from op->arg, seen as words: the members of that union begin alike. */
enum {
    FIRST = 1,    /* addr: the first word, behind what is done already */
    LENGTH = 2,   /* len: the second, without what is done already */
    SECOND = 4,   /* off: the second */
    THIRD = 8,    /* off: the third */
    LENDING = 16, /* a lent buffer */
    PARTS = 32,   /* what succeeds may be a part, or needs work otherwise: goes_on() looks at it */
};

/* Those that go through the ring. */
static const struct {
    uint8_t opcode;
    uint8_t takes;
} methods[RN_OP_CODES] = {
    [RN_OP_ACCEPT] = {RN_K_IORING_OP_ACCEPT, 0},
    [RN_OP_RECV] = {RN_K_IORING_OP_RECV, LENDING},
    [RN_OP_RECV_INTO] = {RN_K_IORING_OP_RECV, FIRST | LENGTH | PARTS},
    [RN_OP_RECVFROM] = {RN_K_IORING_OP_RECVMSG, LENDING | PARTS},
    [RN_OP_READ] = {RN_K_IORING_OP_READ, FIRST | LENGTH | THIRD},
    [RN_OP_WRITE] = {RN_K_IORING_OP_WRITE, FIRST | LENGTH | THIRD},
    [RN_OP_OPEN] = {RN_K_IORING_OP_OPENAT2, FIRST | SECOND},
    [RN_OP_POLL] = {RN_K_IORING_OP_POLL_ADD, 0},
};

struct op_queue {
    struct rn_op *head;
    struct rn_op **tail;
};

struct uring {
    struct rn_backend backend;
    /* What every turn touches comes first: nearer is shorter code. */
    struct op_queue queue;
    struct op_queue starved;
    uint32_t queued;
    uint32_t lent_count;
    uint32_t lent_most;
    uint16_t lent_tail;
    bool starved_asked; /* one of the starved is to be cancelled */
    uint32_t sq_mask;
    uint32_t cq_mask;
    /* The rings, shared with the kernel. */
    uint32_t *sq_head;
    uint32_t *sq_tail;
    uint32_t *cq_head;
    uint32_t *cq_tail;
    struct rn_k_io_uring_cqe *cqes;
    struct rn_k_io_uring_sqe *sqes;
    struct rn_k_io_uring_buf_ring *lent_ring;
    uint32_t *sq_flags;
    uint32_t enter_flags;
    int fd;
    int event;
    uint32_t file_calls; /* bits of enum rn_file_call_kind */
    uint64_t in_flight;
    void *rings;
    size_t rings_size;
    struct rn_op wake; /* a poll of `event`, again and again */
    struct rn_buf *lent[LENT_MAX]; /* in each place of their ring, NULL when it came back */
    struct rn_k_msghdr datagram; /* for receives: nothing but room for an address */
};

const struct rn_uring_files *rn_uring_files;

uint32_t rn_uring_file_calls(const struct rn_backend *backend)
{
    return ((const struct uring *)(const void *)backend)->file_calls;
}

static void push(struct op_queue *queue, struct rn_op *op)
{
    op->next = NULL;
    *queue->tail = op;
    queue->tail = &op->next;
}

static void enqueue(struct uring *u, struct rn_op *op)
{
    if (op->state & QUEUED) return;
    op->state |= QUEUED;
    u->queued++;
    push(&u->queue, op);
}

/* What goes on does so in the next turn, or when there is a buffer for it. */
static void resume(struct uring *u, struct rn_op *op)
{
    if ((op->state & (STARVED | ASKED)) == STARVED) {
        push(&u->starved, op);
        return;
    }
    op->state &= (uint8_t)~STARVED;
    enqueue(u, op);
}

/* The op's last completion is handed out. */
static unsigned finish(struct uring *u, struct rn_op *op)
{
    op->state = OVER;
#ifdef RN_DEBUG
    u->in_flight--;
#endif
    return 1;
}

static struct rn_op *dequeue(struct uring *u)
{
    struct rn_op *op = u->queue.head;
    u->queue.head = op->next;
    if (!op->next) u->queue.tail = &u->queue.head;
    u->queued--;
    op->state &= (uint8_t)~QUEUED;
    return op;
}

/* Submits what is there. When it is to wait: until there is a completion, or the time. What another
 * call can put right is no error here: a signal, the time, no memory, a full completion queue. */
static int enter(struct uring *u, bool wait, rn_ns until)
{
    static const uint64_t passing = (uint64_t)1 << RN_K_EINTR | (uint64_t)1 << RN_K_EAGAIN |
                                    (uint64_t)1 << RN_K_EBUSY | (uint64_t)1 << RN_K_ETIME;
    struct rn_k_io_uring_getevents_arg argument = {0};
    struct rn_k_timespec time;
    if (wait && until != RN_NEVER) {
        if (!(u->enter_flags & RN_K_IORING_ENTER_ABS_TIMER)) {
            rn_ns now = rn_clock_monotonic();
            until = until > now ? until - now : 0;
        }
        time = rn_timespec_of(until);
        argument.ts = (uintptr_t)&time;
    }
    u->backend.syscalls++;
    int result = rn_sys_io_uring_enter(u->fd, *u->sq_tail - *u->sq_head, wait, u->enter_flags,
                                       &argument, sizeof argument);
    return result < 0 && (result <= -64 || !(passing >> -result & 1)) ? result : 0;
}

/* The place of the next submission, NULL when the kernel takes none at the moment. */
static struct rn_k_io_uring_sqe *next_sqe(struct uring *u)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (*u->sq_tail - __atomic_load_n(u->sq_head, __ATOMIC_ACQUIRE) <= u->sq_mask)
            return &u->sqes[*u->sq_tail & u->sq_mask];
        (void)enter(u, false, 0); /* an error that lasts shows in poll() */
    }
    return NULL;
}

/* In four stores: left to itself the compiler takes the slow way, rep stos, for its size. */
static void clear(struct rn_k_io_uring_sqe *sqe)
{
    typedef long long part __attribute__((vector_size(16)));
    part *parts = (void *)sqe;
    parts[0] = parts[1] = parts[2] = parts[3] = (part){0};
}

static void fill(struct uring *u, struct rn_op *op, struct rn_k_io_uring_sqe *sqe)
{
    if (rn_uring_files && rn_is_file_call(op)) {
        rn_uring_files->fill(op, sqe);
        return;
    }
    const uint64_t *words = (const void *)&op->arg;
    unsigned takes = methods[op->code].takes;
    bool multishot = op->flags & RN_OP_MULTISHOT;

    sqe->opcode = methods[op->code].opcode;
    if (takes & FIRST) sqe->addr = words[0] + op->progress;
    if (takes & LENGTH) {
        uint64_t left = words[1] - op->progress;
        sqe->len = left < LENGTH_MAX ? (uint32_t)left : LENGTH_MAX;
    }
    if (takes & SECOND) sqe->off = words[1];
    if (takes & THIRD) sqe->off = words[2];
    /* No WAITALL for RECV_INTO: it loses an error behind a part. */
    if (takes & LENDING) {
        /* POLL_FIRST: otherwise it fails with -ENOBUFS for want of a buffer, data or not. */
        sqe->flags = RN_K_IOSQE_BUFFER_SELECT;
        sqe->ioprio = RN_K_IORING_RECVSEND_POLL_FIRST;
        op->armed = multishot && !(op->state & RATIONED) ? ARMED : 0;
        if (op->armed) sqe->ioprio |= RN_K_IORING_RECV_MULTISHOT;
    }
    if (op->code == RN_OP_ACCEPT) {
        sqe->ioprio = multishot ? RN_K_IORING_ACCEPT_MULTISHOT : 0;
        sqe->accept_flags = RN_K_SOCK_CLOEXEC | RN_K_SOCK_NONBLOCK;
    } else if (op->code == RN_OP_RECVFROM) {
        sqe->addr = (uintptr_t)&u->datagram;
        sqe->ioprio |= RN_K_IORING_RECV_MULTISHOT; /* another is direct() */
    } else if (op->code == RN_OP_OPEN) {
        sqe->len = sizeof *op->arg.open.how;
    } else if (op->code == RN_OP_POLL) {
        sqe->poll32_events = op->arg.events;
        sqe->len = multishot ? RN_K_IORING_POLL_ADD_MULTI : 0;
    }
}

/* Whether an op goes on that failed for what is no concern of the caller's. */
static bool recovers(struct rn_op *op, int error)
{
    switch (-error) {
    case RN_K_EAGAIN:
        /* The kernel gives up on a descriptor that was ready in vain too often. */
        if (!(rn_attempts[op->code].traits & (RN_FOR_READ | RN_FOR_WRITE))) return false;
        op->state |= POLLING;
        return true;
    case RN_K_ENOBUFS:
        if (!(methods[op->code].takes & LENDING)) return false;
        op->state |= STARVED;
        return true;
    case RN_K_EPROTO:
    case RN_K_ENETDOWN:
    case RN_K_ENETUNREACH:
    case RN_K_ECONNABORTED:
    case RN_K_EHOSTUNREACH:
        /* A connection that was gone before it was taken, accept(2). */
        return op->code == RN_OP_ACCEPT;
    default:
        return false;
    }
}

/* For a single datagram the kernel would need memory for the address while it waits. */
static bool is_direct(const struct rn_op *op)
{
    return !methods[op->code].opcode ||
           (op->code == RN_OP_RECVFROM && !(op->flags & RN_OP_MULTISHOT));
}

/* By a plain system call. A result, or the op goes on. */
static int64_t attempt(struct uring *u, struct rn_op *op)
{
    int64_t result = rn_attempt(&u->backend, op);
    if (result > RN_WAIT) return result;
    if (result == RN_WAIT) op->state |= POLLING;
    if (result == RN_STARVE) op->state |= STARVED;
    resume(u, op);
    return result;
}

/* What is there when a receive begins, as on a new connection, is had for less than the kernel
 * takes to wait for it. */
static bool receive_at_once(struct uring *u, struct rn_op *op, struct rn_completion *done)
{
    op->armed = 0;
    done->result = rn_attempt(&u->backend, op);
    if (done->result <= RN_WAIT) return false;
    op->state &= (uint8_t)~RATIONED;
    done->buf = op->buf;
    done->more = done->result > 0 && op->flags & RN_OP_MULTISHOT;
    return true;
}

/* Takes the next op off the queue. Returns how many completions that makes. */
static unsigned start(struct uring *u, struct rn_k_io_uring_sqe *sqe, struct rn_completion *done)
{
    struct rn_op *op = dequeue(u);
    done->op = op;
    done->buf = NULL;
    done->more = false;
    if (op->state & FINISHED) {
        done->buf = op->buf;
        done->result = op->result;
        return finish(u, op);
    }
    if (!(op->state & IN_KERNEL)) {
        if (op->state & ASKED) {
            done->result = -RN_K_ECANCELED;
            return finish(u, op);
        }
        if (is_direct(op) && !(op->state & POLLING)) {
            done->result = attempt(u, op);
            done->buf = op->buf;
            return done->result > RN_WAIT ? finish(u, op) : 0;
        }
        if (op->armed == FRESH && op->code == RN_OP_RECV && receive_at_once(u, op, done)) {
            if (!done->more) return finish(u, op);
            enqueue(u, op);
            return 1;
        }
    }

    clear(sqe);
    sqe->fd = op->fd;
    sqe->user_data = (uintptr_t)op;
    if (op->state & IN_KERNEL) {
        sqe->opcode = RN_K_IORING_OP_ASYNC_CANCEL;
        sqe->addr = sqe->user_data;
        sqe->user_data = 0;
        sqe->flags = RN_K_IOSQE_CQE_SKIP_SUCCESS;
    } else if (op->state & POLLING) {
        sqe->opcode = RN_K_IORING_OP_POLL_ADD;
        sqe->poll32_events = rn_attempts[op->code].traits & RN_FOR_READ ? RN_K_POLLIN
                                                                        : RN_K_POLLOUT;
    } else {
        fill(u, op, sqe);
    }
    op->state |= IN_KERNEL;
    __atomic_store_n(u->sq_tail, *u->sq_tail + 1, __ATOMIC_RELEASE);
    return 0;
}

/* Lends buffers to the kernel as far as there are places and the pool has some, then starts as many
 * of the starved receives as buffers are lent, for one buffer each: more would only starve again,
 * and a multishot would take them all. */
static void lend(struct uring *u)
{
    uint16_t tail = u->lent_tail;
    while (u->lent_count < u->lent_most && !u->lent[tail % LENT_MAX]) {
        struct rn_buf *buf = rn_pool_take(u->backend.pool);
        if (!buf) break;
        uint16_t at = tail++ % LENT_MAX;
        struct rn_k_io_uring_buf *place = &u->lent_ring->bufs[at];
        u->lent[at] = buf;
        u->lent_count++;
        place->addr = (uintptr_t)buf->data;
        place->len = buf->cap;
        place->bid = at;
    }
    u->lent_tail = tail;
    __atomic_store_n(&u->lent_ring->tail, tail, __ATOMIC_RELEASE);

    /* Ahead of the queue, or new receives would take the buffers again and again. */
    struct rn_op **link = &u->starved.head, **at = &u->queue.head, *op;
    uint32_t credit = u->lent_count;
    while ((op = *link) && (credit || u->starved_asked)) {
        if (!credit && !(op->state & ASKED)) {
            link = &op->next;
            continue;
        }
        if (credit) credit--;
        *link = op->next;
        op->state = (uint8_t)((op->state & ~STARVED) | QUEUED | RATIONED);
        op->next = *at;
        if (!*at) u->queue.tail = &op->next;
        *at = op;
        at = &op->next;
        u->queued++;
    }
    if (!op) {
        u->starved.tail = link;
        u->starved_asked = false;
    }
}

/* From the kernel's layout of a received datagram (io_uring_recvmsg_out) to ours, in its place. */
static void translate_datagram(struct rn_buf *buf)
{
    struct rn_datagram *datagram = (struct rn_datagram *)(void *)buf->data;
    struct rn_k_io_uring_recvmsg_out out;
    __builtin_memcpy(&out, buf->data, sizeof out);
    memmove(datagram->address, buf->data + sizeof out, ADDRESS_MAX);
    datagram->address_len = out.namelen;
    datagram->truncated = out.flags & RN_K_MSG_TRUNC;
    buf->at = PAYLOAD_AT;
    buf->len -= PAYLOAD_AT;
}

/* noinline, here and below: a fifth of a kilobyte smaller when it doesn't share poll()'s registers.
 *
 * Takes in what succeeded, which may be a part. Whether the op goes on, without a completion. */
__attribute__((noinline)) static bool goes_on(struct rn_op *op, struct rn_completion *done)
{
    int64_t part = done->result;
    if (op->code == RN_OP_RECVFROM) {
        translate_datagram(done->buf);
        done->result = done->buf->len;
        return false;
    }
    op->progress += (uint64_t)part;
    done->result = (int64_t)op->progress;
    return part && op->flags & RN_OP_ALL && op->progress < op->arg.memory.len;
}

/* The buffer that a completion came with, if any. */
static struct rn_buf *take_back(struct uring *u, const struct rn_k_io_uring_cqe *cqe)
{
    if (!(cqe->flags & RN_K_IORING_CQE_F_BUFFER)) return NULL;
    struct rn_buf **place = &u->lent[cqe->flags >> RN_K_IORING_CQE_BUFFER_SHIFT];
    struct rn_buf *buf = *place;
    *place = NULL;
    u->lent_count--;
    if (cqe->res > 0) {
        buf->len = (uint32_t)cqe->res;
        return buf;
    }
    rn_pool_put(u->backend.pool, buf);
    return NULL;
}

/* Arming a multishot is one event, whatever is there: it is answered with the data, and a reset
 * that came with them before is never told of. So after the first data the socket is looked at
 * once, and shut if it is dead, which wakes the multishot. What comes later wakes it by itself. */
static void look_for_reset(struct uring *u, struct rn_op *op)
{
    struct rn_k_pollfd poll = {.fd = op->fd};
    struct rn_k_timespec at_once = {0};
    op->armed = 0;
    u->backend.syscalls++;
    if (rn_sys_ppoll(&poll, 1, &at_once, NULL) > 0) rn_sys_shutdown(op->fd, RN_K_SHUT_RD);
}

/* Looks at one completion. Returns how many that makes for the caller. */
__attribute__((noinline)) static unsigned complete(struct uring *u,
                                                   const struct rn_k_io_uring_cqe *cqe,
                                                   struct rn_completion *done)
{
    struct rn_op *op = (struct rn_op *)(uintptr_t)cqe->user_data;
    done->op = op;
    done->buf = take_back(u, cqe);
    done->result = cqe->res;
    done->more = cqe->flags & RN_K_IORING_CQE_F_MORE;
    if (!op) return 0; /* a cancellation that found nothing */
    if (!done->more) op->state &= (uint8_t) ~(IN_KERNEL | RATIONED);

    bool silent, again;
    if (op == &u->wake) {
        silent = true;
        again = !done->more;
    } else if (op->state & POLLING) {
        op->state &= (uint8_t)~POLLING;
        silent = again = cqe->res >= 0;
    } else if (cqe->res < 0) {
        silent = again = recovers(op, cqe->res);
    } else {
        silent = again = methods[op->code].takes & PARTS && goes_on(op, done);
        /* Not its end: the kernel stops a multishot when the completion queue is full. */
        if (op->flags & RN_OP_MULTISHOT && !done->more && cqe->res >= (op->code == RN_OP_RECV))
            again = done->more = true;
    }
    if (again) resume(u, op);
    if (silent) return 0;
    if (done->more) {
        if (op->armed && !again && op->code == RN_OP_RECV) look_for_reset(u, op);
        return 1;
    }
    if (!(op->state & QUEUED)) return finish(u, op);
    /* Its cancellation is on the queue, and now stands for its last completion. A multishot's says
     * no more than that: result and buf are still to hold those of earlier completions. */
    if (op->flags & RN_OP_MULTISHOT) return 0;
    op->state |= FINISHED;
    op->result = done->result;
    op->buf = done->buf;
    return 0;
}

static unsigned harvest(struct uring *u, struct rn_completion *done, unsigned max)
{
    uint32_t head = *u->cq_head;
    uint32_t tail = __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE);
    unsigned count = 0;
    for (; head != tail && count < max; head++)
        count += complete(u, &u->cqes[head & u->cq_mask], &done[count]);
    __atomic_store_n(u->cq_head, head, __ATOMIC_RELEASE);
    return count;
}

static int uring_poll(struct rn_backend *backend, rn_ns until, struct rn_completion *done,
                      unsigned max)
{
    struct uring *u = (struct uring *)(void *)backend;
    unsigned count = 0;
    if (*u->cq_head == __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE)) {
        lend(u);
        /* Once around: what is queued meanwhile is for the next turn. */
        for (uint32_t left = u->queued; left && count < max; left--) {
            struct rn_k_io_uring_sqe *sqe = next_sqe(u);
            if (!sqe) break;
            count += start(u, sqe, &done[count]);
        }
        bool wait = until && !count && !u->queued;
        /* Completions that wait for this thread to enter, or for room in the queue. */
        uint32_t pending = __atomic_load_n(u->sq_flags, __ATOMIC_RELAXED) &
                           (RN_K_IORING_SQ_TASKRUN | RN_K_IORING_SQ_CQ_OVERFLOW);
        if (wait || pending || *u->sq_tail != *u->sq_head) {
            int result = enter(u, wait, until);
            if (result < 0) return result;
        }
    }
    return (int)(count + harvest(u, done + count, max - count));
}

static void prepare(struct rn_backend *backend, struct rn_op *op)
{
    /* The first data are often the last: then there is no multishot to cancel. */
    op->state = RATIONED;
    op->armed = FRESH;
    op->progress = 0;
#ifdef RN_DEBUG
    ((struct uring *)(void *)backend)->in_flight++;
#endif
}

static void uring_submit(struct rn_backend *backend, struct rn_op *op)
{
    prepare(backend, op);
    enqueue((struct uring *)(void *)backend, op);
}

/* Small answers wait for those of the other connections in this turn: one kind of work at a time
 * keeps to the processor's caches. What has more to send does better while its socket is there. */
static bool uring_attempt(struct rn_backend *backend, struct rn_op *op)
{
    struct uring *u = (struct uring *)(void *)backend;
    if (!is_direct(op) || (op->code == RN_OP_SEND && !(op->flags & RN_OP_CORK))) {
        uring_submit(backend, op);
        return false;
    }
    prepare(backend, op);
    op->result = attempt(u, op);
    return op->result > RN_WAIT && finish(u, op);
}

static void uring_cancel(struct rn_backend *backend, struct rn_op *op)
{
    struct uring *u = (struct uring *)(void *)backend;
    if (op->state & OVER) return;
    op->state |= ASKED;
    if (op->state & STARVED) u->starved_asked = true;
    else enqueue(u, op);
}

static void uring_wake(struct rn_backend *backend)
{
    uint64_t one = 1;
    (void)rn_sys_write(((struct uring *)(void *)backend)->event, &one, sizeof one);
}

static rn_ns uring_now(struct rn_backend *backend)
{
    return rn_clock_monotonic();
}

/* DEFER_TASKRUN: completions are made when the thread asks for them, and don't interrupt it. It
 * came with Linux 6.1. */
static RN_COLD int open_ring(uint32_t entries, struct rn_k_io_uring_params *params)
{
    *params = (struct rn_k_io_uring_params){
        .flags = RN_K_IORING_SETUP_R_DISABLED | RN_K_IORING_SETUP_SINGLE_ISSUER |
                 RN_K_IORING_SETUP_DEFER_TASKRUN | RN_K_IORING_SETUP_TASKRUN_FLAG |
                 RN_K_IORING_SETUP_SUBMIT_ALL | RN_K_IORING_SETUP_CLAMP | RN_K_IORING_SETUP_CQSIZE,
        .cq_entries = entries * CQ_FACTOR,
    };
    return rn_sys_io_uring_setup(entries, params);
}

static void release(struct uring *u)
{
    rn_sys_close(u->fd);
    rn_sys_close(u->event);
    rn_unmap(u->rings, u->rings_size);
    rn_unmap(u->sqes, ((size_t)u->sq_mask + 1) * sizeof *u->sqes);
    for (unsigned i = 0; i < LENT_MAX; i++)
        if (u->lent[i]) rn_pool_put(u->backend.pool, u->lent[i]);
    rn_unmap(u->lent_ring, LENT_MAX * sizeof *u->lent_ring->bufs);
}

static RN_COLD void *map_ring(struct uring *u, size_t size, uint64_t what)
{
    const int protection = RN_K_PROT_READ | RN_K_PROT_WRITE;
    long at = rn_sys_mmap(NULL, size, protection, RN_K_MAP_SHARED, u->fd, what);
    return at > -4096 && at < 0 ? NULL : (void *)at;
}

static bool map_rings(struct uring *u, const struct rn_k_io_uring_params *params)
{
    size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof *u->cqes;
    u->rings_size = sq_size > cq_size ? sq_size : cq_size;
    u->sq_mask = params->sq_entries - 1;
    u->cq_mask = params->cq_entries - 1;
    u->rings = map_ring(u, u->rings_size, RN_K_IORING_OFF_SQ_RING);
    u->sqes = map_ring(u, params->sq_entries * sizeof *u->sqes, RN_K_IORING_OFF_SQES);
    if (!u->rings || !u->sqes) return false;

#define AT(offset) ((void *)((char *)u->rings + (offset)))
    u->sq_head = AT(params->sq_off.head);
    u->sq_tail = AT(params->sq_off.tail);
    u->sq_flags = AT(params->sq_off.flags);
    u->cq_head = AT(params->cq_off.head);
    u->cq_tail = AT(params->cq_off.tail);
    u->cqes = AT(params->cq_off.cqes);
    uint32_t *array = AT(params->sq_off.array);
#undef AT
    for (uint32_t i = 0; i < params->sq_entries; i++) array[i] = i;
    return true;
}

/* From here on the ring does what is done with it here and nothing else: seccomp(2) doesn't see
 * operations, and whoever got hold of the ring could make sockets with it and connect them. */
static int restrict_ring(struct uring *u)
{
    static const uint8_t allowed[] = {
        RN_K_IORING_OP_ACCEPT, RN_K_IORING_OP_RECV,    RN_K_IORING_OP_RECVMSG,
        RN_K_IORING_OP_READ,   RN_K_IORING_OP_WRITE,   RN_K_IORING_OP_POLL_ADD,
        RN_K_IORING_OP_OPENAT2, RN_K_IORING_OP_ASYNC_CANCEL,
    };
    unsigned count = RN_COUNT(allowed);
    struct rn_k_io_uring_restriction list[RN_COUNT(allowed) + RN_FILE_CALLS + 1] = {0};
    for (unsigned i = 0; i < count; i++) {
        list[i].opcode = RN_K_IORING_RESTRICTION_SQE_OP;
        list[i].sqe_op = allowed[i];
    }
    if (rn_uring_files) {
        u->file_calls = rn_uring_files->find(u->fd);
        count = rn_uring_files->allow(u->file_calls, list, count);
    }
    list[count].opcode = RN_K_IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    list[count].sqe_flags = RN_K_IOSQE_BUFFER_SELECT | RN_K_IOSQE_CQE_SKIP_SUCCESS;
    int result =
        rn_sys_io_uring_register(u->fd, RN_K_IORING_REGISTER_RESTRICTIONS, list, count + 1);
    if (result < 0) return result;
    return rn_sys_io_uring_register(u->fd, RN_K_IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int set_up(struct uring *u, const struct rn_k_io_uring_params *params)
{
    uint32_t most = u->backend.pool->count / 4;
    u->lent_most = most > LENT_MAX ? LENT_MAX : most ? most : 1;
    u->lent_ring = rn_map(LENT_MAX * sizeof *u->lent_ring->bufs);
    if (!map_rings(u, params) || !u->lent_ring) return -RN_K_ENOMEM;
    struct rn_k_io_uring_buf_reg buffers = {
        .ring_addr = (uintptr_t)u->lent_ring,
        .ring_entries = LENT_MAX,
    };
    int result = rn_sys_io_uring_register(u->fd, RN_K_IORING_REGISTER_PBUF_RING, &buffers, 1);
    if (result == 0) result = restrict_ring(u);
    if (result < 0) return result;
    u->enter_flags = RN_K_IORING_ENTER_GETEVENTS | RN_K_IORING_ENTER_EXT_ARG;
    /* Both came with Linux 6.12, and only this one shows. */
    if (params->features & RN_K_IORING_FEAT_MIN_TIMEOUT)
        u->enter_flags |= RN_K_IORING_ENTER_ABS_TIMER;
    u->datagram.msg_namelen = ADDRESS_MAX;
    u->wake.code = RN_OP_POLL;
    u->wake.flags = RN_OP_MULTISHOT;
    u->wake.fd = u->event;
    u->wake.arg.events = RN_K_POLLIN;
    enqueue(u, &u->wake);
    return 0;
}

static int uring_init(struct rn_backend *backend, const struct rn_backend_options *options)
{
    struct uring *u = (struct uring *)(void *)backend;
    struct rn_k_io_uring_params params;
    u->backend.pool = options->pool;
    u->queue.tail = &u->queue.head;
    u->starved.tail = &u->starved.head;
    u->fd = open_ring(options->entries ? options->entries : ENTRIES, &params);
    if (u->fd < 0) return u->fd;
    u->event = rn_sys_eventfd2(0, RN_K_EFD_CLOEXEC | RN_K_EFD_NONBLOCK);
    int result = u->event < 0 ? u->event : set_up(u, &params);
    if (result < 0) release(u);
    return result;
}

static void uring_fini(struct rn_backend *backend)
{
    struct uring *u = (struct uring *)(void *)backend;
#ifdef RN_DEBUG
    rn_assert(u->in_flight == 0);
#endif
    release(u);
}

/* By doing it: a filter may let the set-up pass and refuse the rest. */
static RN_COLD int uring_probe(const char **missing)
{
    struct uring u = {0};
    struct rn_pool pool = {0};
    struct rn_backend_options options = {.pool = &pool, .entries = 1};
    int result = rn_pool_init(&pool, 1, 512);
    if (result == 0) result = uring_init(&u.backend, &options);
    if (result == 0) uring_fini(&u.backend);
    if (pool.base) rn_pool_fini(&pool);
    if (result == 0) return 0;
    *missing = "io_uring_setup";
    if (result == -RN_K_EPERM || result == -RN_K_EACCES)
        *missing = "kernel.io_uring_disabled or seccomp";
    if (result == -RN_K_ENOMEM) *missing = "RLIMIT_MEMLOCK";
    if (result != -RN_K_EINVAL) return result;
    *missing = "io_uring of Linux 6.1";
    return -RN_K_EOPNOTSUPP;
}

const struct rn_backend_vt rn_backend_uring = {
    .name = "uring",
    .size = sizeof(struct uring),
    .probe = uring_probe,
    .init = uring_init,
    .now = uring_now,
    .submit = uring_submit,
    .attempt = uring_attempt,
    .cancel = uring_cancel,
    .poll = uring_poll,
    .wake = uring_wake,
    .fini = uring_fini,
};
