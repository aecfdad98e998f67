/*
 * backend/readiness.h: the engine under the epoll and poll backends. It turns "this descriptor is
 * ready" into ops that complete; a poller only says which descriptors are ready.
 */
#ifndef BACKEND_READINESS_H
#define BACKEND_READINESS_H

#include <runnel/io.h>

#include "sys/sys.h"

struct rn_readiness;

struct rn_poller {
    /* A descriptor is about to be waited for, the first time since it was opened. 0 or a negative
     * error. */
    int (*add)(struct rn_readiness *engine, int fd);
    /* Waits at most this long (NULL: without end) and calls rn_readiness_event for each descriptor
     * that is ready. Negative: an error. */
    int (*wait)(struct rn_readiness *engine, struct rn_k_timespec *limit);
};

/* rn_op.state. An op that was completed, or never started, is at RN_AT_REST. */
enum {
    RN_AT_REST,
    RN_WAITING, /* for its descriptor */
    RN_QUEUED,  /* tried in the next turn */
    RN_STARVED, /* for a buffer */
};

enum { RN_READ_SIDE, RN_WRITE_SIDE };

struct rn_readiness_entry {
    struct rn_op *op[2]; /* under way on the side that reads, on the side that writes */
    uint8_t flags;
};

struct rn_op_list {
    struct rn_op *head;
    struct rn_op *tail; /* has no meaning while head is NULL */
};

struct rn_readiness {
    struct rn_backend base;
    const struct rn_poller *poller;
    struct rn_readiness_entry *table; /* by descriptor */
    uint32_t descriptors;
    uint32_t turns;            /* since the poller was asked */
    struct rn_op_list queue;   /* at rest: to be handed out; RN_QUEUED: to be tried */
    struct rn_op_list starved; /* receives that found the pool empty, in order */
    int wake;                  /* an eventfd */
#ifdef RN_DEBUG
    uint64_t inflight;
#endif
};

RN_MUST_USE int rn_readiness_init(struct rn_readiness *engine,
                                  const struct rn_backend_options *options,
                                  const struct rn_poller *poller);
void rn_readiness_event(struct rn_readiness *engine, uint32_t fd, uint32_t events);

/* These are the backends' functions as they are; a backend's own fini calls the last one. */
rn_ns rn_readiness_now(struct rn_backend *backend);
void rn_readiness_submit(struct rn_backend *backend, struct rn_op *op);
bool rn_readiness_attempt(struct rn_backend *backend, struct rn_op *op);
void rn_readiness_cancel(struct rn_backend *backend, struct rn_op *op);
int rn_readiness_poll(struct rn_backend *backend, rn_ns until, struct rn_completion *done,
                      unsigned max);
void rn_readiness_wake(struct rn_backend *backend);
void rn_readiness_fini(struct rn_backend *backend);

/* For who polls a descriptor whose end the backend won't be told of: unless an op is under way on
 * it, it is as one that was never seen. False: the poller wasn't told of it. backend/epoll.c has
 * the same for its kernel's part. */
bool rn_readiness_forget(struct rn_backend *backend, int fd);
void rn_epoll_forget(struct rn_backend *backend, int fd);

#endif
