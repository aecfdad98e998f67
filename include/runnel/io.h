/*
 * runnel/io.h: operations ("ops"), the buffers they receive into, and the backend that carries them
 * out.
 *
 * An op is one I/O request. The caller owns its memory and keeps it, and all that it points to, in
 * place until its last completion: the one without RN_OP_MORE. Completions are handed out by the
 * worker's loop, one at a time and never from inside rn_op_start or rn_op_cancel, so callbacks
 * don't nest.
 *
 * All functions here are for the worker's own thread, except a backend's wake().
 *
 * The program ignores SIGPIPE, signal(7): a send says -EPIPE without it, but sendfile(2) and
 * write(2) can't be told not to raise it.
 */
#ifndef RUNNEL_IO_H
#define RUNNEL_IO_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_worker;

/* ---- Buffers --------------------------------------------------------------------------------- */

/* A buffer of the worker's pool. The content is data[at .. at + len); cap is the size of data. A
 * buffer has one owner, who gives it back with rn_pool_put. `next` is the owner's to use. */
struct rn_buf {
    struct rn_buf *next;
    uint32_t id; /* its place in the pool */
    uint32_t at;
    uint32_t len;
    uint32_t cap;
    uint8_t data[] __attribute__((aligned(32)));
};

/* Fixed number of equal buffers in one lazily mapped block; the last one given back is the next one
 * taken, so that only as much memory is touched as was ever in use at once. */
struct rn_pool {
    uint8_t *base;
    struct rn_buf *free;
    uint32_t stride;  /* bytes from one buffer to the next, header included */
    uint32_t cap;     /* of each buffer */
    uint32_t count;   /* buffers in the pool */
    uint32_t touched; /* buffers that were ever taken; the rest was never written */
    uint32_t used;    /* buffers out at the moment */
    /* the last buffers, which rn_pool_take leaves for rn_pool_take_reserved; 0 at first */
    uint32_t reserve;
    struct rn_pool_wait *waiting; /* first come, first served */
    struct rn_pool_wait **waiting_tail;
};

/* Whoever waits for a buffer. `ready` is called when this is the first in line and there is one,
 * if only of the reserve, each time one comes back, until the wait is cancelled: its owner took a
 * buffer, or wants none. */
struct rn_pool_wait {
    struct rn_pool_wait *next;
    void (*ready)(struct rn_pool_wait *wait);
    bool waiting;
};

/* Maps the pool. stride, a power of two from 512 to 1 MiB, is a buffer with its header, count at
 * least 1. -ENOMEM, RN_E_MISUSE. */
RN_MUST_USE int rn_pool_init(struct rn_pool *pool, uint32_t count, uint32_t stride);
void rn_pool_fini(struct rn_pool *pool);

/* An empty buffer, or NULL when all but the reserve are out. Receives take theirs this way; what
 * frees buffers in the end, such as an answer, uses the reserve too, so that a flood of input can't
 * stop the output it waits for. */
struct rn_buf *rn_pool_take(struct rn_pool *pool);
struct rn_buf *rn_pool_take_reserved(struct rn_pool *pool);
void rn_pool_put(struct rn_pool *pool, struct rn_buf *buf);

/* Gets in line for a buffer; a wait that is in line already keeps its place. */
void rn_pool_wait(struct rn_pool *pool, struct rn_pool_wait *wait);
void rn_pool_wait_cancel(struct rn_pool *pool, struct rn_pool_wait *wait);

/* The buffer with that id. */
static inline struct rn_buf *rn_pool_at(const struct rn_pool *pool, uint32_t id)
{
    return (struct rn_buf *)(void *)(pool->base + (size_t)id * pool->stride);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

/* A timer of a worker's wheel: O(1) to start, to stop and to move. Zero-initialised means not
 * running. It fires once, never early, at most about a millisecond late plus what the loop is busy
 * with. */
struct rn_timer {
    struct rn_timer *next;
    struct rn_timer **link; /* what points here; NULL when not running */
    /* may be moved later by assignment; moving it earlier takes rn_timer_start */
    rn_ns deadline;
    void (*expire)(struct rn_timer *timer, rn_ns now);
};

/* Starts a timer, or moves it; RN_NEVER stops it. `expire` is set by the caller. */
void rn_timer_start(struct rn_worker *worker, struct rn_timer *timer, rn_ns deadline);
void rn_timer_stop(struct rn_worker *worker, struct rn_timer *timer);

/* Whether it has yet to fire. */
static inline bool rn_timer_running(const struct rn_timer *timer) { return timer->link != NULL; }

/* ---- Ops ------------------------------------------------------------------------------------- */

/*
 * What to do, the arguments it takes from `arg`, and its result when it isn't a negative error.
 * "All" means: completes when all bytes went out, or with an error, and then op->progress says how
 * many did.
 */
enum rn_op_code {
    RN_OP_NOP,      /* 0, at the next turn of the loop */
    RN_OP_ACCEPT,   /* a connected descriptor, close-on-exec and non-blocking. May be MULTISHOT */
    RN_OP_CONNECT,  /* arg.address; 0 */
    /* bytes, 0 at the end; op->buf is a pool buffer with them (NULL at 0). May be MULTISHOT */
    RN_OP_RECV,
    /* arg.memory; bytes, 0 at the end. With ALL: as many as asked, fewer only at the end */
    RN_OP_RECV_INTO,
    RN_OP_SEND,     /* arg.memory; all */
    RN_OP_SENDV,    /* arg.vector, which is consumed; all */
    /* a datagram in op->buf: see struct rn_datagram; its length. May be MULTISHOT */
    RN_OP_RECVFROM,
    RN_OP_SENDTO,   /* arg.datagram; bytes: one datagram, whole */
    RN_OP_READ,     /* arg.memory, arg.memory.offset or -1 for the descriptor's own; one read(2) */
    RN_OP_WRITE,    /* the same; one write(2) */
    RN_OP_SENDFILE, /* arg.file; all; fewer when the file ends first */
    RN_OP_OPEN,     /* arg.open, op->fd is the directory; a descriptor: openat2(2) */
    RN_OP_CLOSE,    /* 0. Nothing else may be in flight on the descriptor */
    RN_OP_SHUTDOWN, /* arg.how; 0 */
    RN_OP_POLL,     /* arg.events (POLLIN …); the events that are there, once */
    RN_OP_CODES
};

enum {
    /* set by the caller */
    RN_OP_MULTISHOT = 1, /* completes again and again until cancelled, failed or at the end */
    RN_OP_ALL = 2,       /* RECV_INTO: read exactly */
    RN_OP_CORK = 4,      /* SEND, SENDV: more follows at once (MSG_MORE) */
    /* set on a completion */
    RN_OP_MORE = 16,     /* further completions follow */
    /* private to the worker */
    RN_OP_TIMED = 8, /* it has had a deadline */
    RN_OP_EXPIRED = 32,
    RN_OP_CANCELLED = 64,
    RN_OP_INFLIGHT = 128,
};

/* As struct iovec. */
struct rn_vector {
    const void *ptr;
    size_t len;
};

struct rn_open_how { /* as struct open_how, openat2(2) */
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/* At the start of a received datagram's buffer. The payload is buf->data[buf->at .. buf->at +
 * buf->len). A datagram that didn't fit in the buffer is never passed off as whole: `truncated` is
 * set. */
struct rn_datagram {
    uint32_t address_len;
    bool truncated;
    uint8_t address[112]; /* struct sockaddr_storage's used part, for any of IPv4, IPv6, Unix */
};

struct rn_op {
    struct rn_op *next;                 /* the backend's */
    void (*complete)(struct rn_op *op); /* called for each completion */
    void *owner;                        /* the caller's */
    struct rn_timer timer;              /* the deadline; when it has none, the caller's */
    int64_t result;
    struct rn_buf *buf;
    uint64_t progress; /* bytes done of an ALL op */
    int32_t fd;
    uint8_t code;  /* enum rn_op_code */
    uint8_t flags;
    uint8_t state; /* the backend's, as is the next */
    uint8_t armed;
    union {
        struct {
            void *ptr;
            size_t len;
            int64_t offset;
        } memory;
        struct {
            struct rn_vector *vectors;
            uint32_t count;
        } vector;
        struct {
            const void *ptr;
            size_t len;
            const void *address; /* struct sockaddr */
            uint32_t address_len;
        } datagram;
        struct {
            const void *ptr; /* struct sockaddr */
            size_t len;
        } address;
        struct {
            uint64_t offset;
            uint64_t length;
            int32_t fd;
        } file;
        struct {
            const char *path;
            const struct rn_open_how *how;
        } open;
        uint32_t events;
        int32_t how;
        struct rn_pool_wait wait; /* the caller's: RECV has no arguments */
    } arg;
};

/* Starts an op. fd, code, flags, complete and arg are set by the caller. deadline: RN_NEVER for
 * none; when it passes, the op is cancelled and completes with -ETIMEDOUT. Never fails: errors come
 * as a completion. */
void rn_op_start(struct rn_worker *worker, struct rn_op *op, rn_ns deadline);

/* The same without a deadline, and carries the op out at once where the backend does such things
 * itself and it takes no waiting. True: it is done, has its result, and doesn't complete any more.
 * Whoever goes on from there must let the others have their turn before long: with rn_op_start. */
RN_MUST_USE bool rn_op_try(struct rn_worker *worker, struct rn_op *op);

/* Moves the deadline of an op in flight. */
void rn_op_deadline(struct rn_worker *worker, struct rn_op *op, rn_ns deadline);

/* Asks for the end of an op in flight: it still completes, once, with -ECANCELED or with what
 * happened before. A multishot op may complete with results that were already there, then comes the
 * last one. */
void rn_op_cancel(struct rn_worker *worker, struct rn_op *op);

/* Whether its last completion is still to come. */
static inline bool rn_op_inflight(const struct rn_op *op) { return op->flags & RN_OP_INFLIGHT; }

/* ---- Backends -------------------------------------------------------------------------------- */

struct rn_completion {
    struct rn_op *op;
    struct rn_buf *buf;
    int64_t result;
    bool more;
};

struct rn_backend_options {
    struct rn_pool *pool;   /* where received data goes; shared with the worker's tasks */
    uint32_t descriptors;   /* the highest descriptor + 1 that can occur (RLIMIT_NOFILE) */
    uint32_t entries;       /* hint: ops that are started in one turn of the loop */
    const struct rn_backend_vt *vt;
};

/* The common head of every backend. */
struct rn_backend {
    const struct rn_backend_vt *vt;
    struct rn_pool *pool;
    uint64_t syscalls; /* made so far, for figures */
};

struct rn_backend_vt {
    const char *name;
    size_t size; /* of the whole backend, struct rn_backend first; the worker maps it zeroed */
    /* Whether this kernel has what it takes: 0, or the negative error and in *missing the call
     * or feature. */
    int (*probe)(const char **missing);
    int (*init)(struct rn_backend *backend, const struct rn_backend_options *options);
    rn_ns (*now)(struct rn_backend *backend);
    void (*submit)(struct rn_backend *backend, struct rn_op *op);
    /* As submit; true when the op was carried out, and won't complete. NULL: never is. */
    bool (*attempt)(struct rn_backend *backend, struct rn_op *op);
    void (*cancel)(struct rn_backend *backend, struct rn_op *op);
    /* Waits until there is a completion, or wake(), or the time `until` (0: doesn't wait;
     * RN_NEVER), and hands out at most max. More may be there: the next call gives them first,
     * without a system call where it can. Receives that wait for a pool buffer go on when one was
     * given back. Returns how many, or a negative error that ends the worker. */
    int (*poll)(struct rn_backend *backend, rn_ns until, struct rn_completion *done, unsigned max);
    /* Makes a poll() that waits, or the next one, return. From any thread. */
    void (*wake)(struct rn_backend *backend);
    /* Nothing is in flight any more: traps otherwise in debug builds. */
    void (*fini)(struct rn_backend *backend);
};

#ifdef __cplusplus
}
#endif
#endif
