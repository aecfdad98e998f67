/*
 * runnel/concurrency.h: structured concurrency: select, timeout, interval, scopes, block_on.
 *
 * Cancelling is one thing everywhere: a future that is polled with cx->cancelled ends its wait as
 * soon as it can, says so in its result, and is then over. So whatever wraps a future can cancel
 * it: it goes on polling it that way until it is over. An op is really cancelled, and its
 * completion taken, before anything goes on.
 */
#ifndef RUNNEL_CONCURRENCY_H
#define RUNNEL_CONCURRENCY_H

#include <runnel/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Any future ------------------------------------------------------------------------------ */

/* A future of whatever kind, where one of several kinds is wanted: rn_awaitable_of(&op). */
struct rn_awaitable {
    enum rn_poll (*poll)(void *future, struct rn_cx *cx);
    void *future;
    bool over; /* it was ready: it isn't polled any more */
};

/* Of each kind; in C rn_awaitable_of picks the right one. */
struct rn_awaitable rn_awaitable_op(struct rn_op *op);
struct rn_awaitable rn_awaitable_sleep(struct rn_sleep *sleep);
struct rn_awaitable rn_awaitable_join(struct rn_join *join);
struct rn_awaitable rn_awaitable_yield(struct rn_yield *yield);
struct rn_awaitable rn_awaitable_future(struct rn_future *future);

#ifndef __cplusplus
#define rn_awaitable_of(future)                                                                    \
    _Generic((future),                                                                             \
        struct rn_op *: rn_awaitable_op,                                                           \
        struct rn_sleep *: rn_awaitable_sleep,                                                     \
        struct rn_join *: rn_awaitable_join,                                                       \
        struct rn_yield *: rn_awaitable_yield,                                                     \
        struct rn_future *: rn_awaitable_future)(future)
#endif

/* ---- Select ---------------------------------------------------------------------------------- */

/*
 * Waits for the first of several futures, and cancels the others: when it is over, so are all of
 * them. Where several are ready the one that stands first wins. One that lost may still have ended
 * by itself just before: its own result says so (a receive that had its bytes has them).
 *
 *     me->branches[0] = rn_awaitable_of(&me->op);
 *     me->branches[1] = rn_awaitable_of(&me->stop.future);
 *     rn_select(&me->select, me->branches, 2);
 *     RN_AWAIT(&me->co, &me->select.future, cx);
 */
struct rn_select {
    struct rn_future future;
    struct rn_awaitable *branches; /* the caller's, in place until it is over */
    uint32_t count;
    bool cancelling; /* private */
    int result;      /* which one; -ECANCELED when the task was cancelled before any was ready */
};
void rn_select(struct rn_select *select, struct rn_awaitable *branches, uint32_t count);

/* ---- Timeout --------------------------------------------------------------------------------- */

/* Waits for a future, but not longer than so many nanoseconds from now: then it is cancelled, and
 * over as well. */
struct rn_timeout {
    struct rn_future future;
    struct rn_awaitable of; /* private */
    struct rn_timer timer;
    rn_waker waker;
    bool expired;
    int result; /* 0: it was over in time; -ETIMEDOUT: it was cancelled. Its own result says more */
};
void rn_timeout(struct rn_timeout *timeout, struct rn_cx *cx, struct rn_awaitable of,
                rn_ns duration);

/* ---- Interval -------------------------------------------------------------------------------- */

/* What becomes of ticks for which nobody waited in time. */
enum rn_missed {
    RN_MISSED_BURST, /* they come at once, one after the other, until it has caught up */
    RN_MISSED_SKIP,  /* they don't come; the next one is in step with the first */
    RN_MISSED_DELAY, /* they don't come; the next one is a whole period after this one */
};

/* A tick each period, for as long as it is awaited, the first one period from now. May be left
 * lying between two awaits. */
struct rn_interval {
    struct rn_future future;
    struct rn_timer timer; /* private, runs only during an await */
    rn_waker waker;
    rn_ns next; /* when the next tick is due */
    rn_ns period;
    enum rn_missed missed;
    int64_t result; /* how many ticks were left out before this one; -ECANCELED */
};
/* The period is at least one nanosecond. */
void rn_interval(struct rn_interval *interval, struct rn_cx *cx, rn_ns period,
                 enum rn_missed missed);

/* ---- Scopes ---------------------------------------------------------------------------------- */

struct rn_scope;

/* A task in a scope: zero it, set task.poll (and task.done, result, as with any task; not join). */
struct rn_child {
    struct rn_task task;
    /* On the scope's worker, when the task has ended and the scope has done with it: may free the
     * memory, and start others. May be NULL. */
    void (*ended)(struct rn_child *child);
    struct rn_scope *scope; /* private from here */
    struct rn_child *next;
    struct rn_child *previous;
    struct rn_node node;
    rn_waker waker;
    uint32_t state; /* atomic */
    void (*done)(struct rn_task *task);
};

/*
 * Children of one task, on any workers, none of which outlives the scope. Await it to wait for them
 * all; a task that is cancelled in that await cancels them, and waits for their end. To end it
 * early, rn_scope_cancel, then await it. It must be awaited before its memory goes. All functions
 * are for the worker that opened it, there for any task.
 */
struct rn_scope {
    struct rn_future future;
    struct rn_worker *worker; /* private */
    struct rn_child *children;
    rn_waker waker;
    uint32_t count; /* children that have not ended: to be read */
    bool cancelled;
    /* may be set, once it is open: a child that ends with a negative result cancels the others */
    bool ends_on_error;
    int64_t result; /* the first negative result of a child, otherwise 0 */
};
void rn_scope_open(struct rn_scope *scope, struct rn_worker *worker);
/* Starts a child, on that worker. -ENOBUFS: no slot there (from another worker it comes as the
 * child's result instead, and its function never runs); -ECANCELED: the scope was cancelled. */
RN_MUST_USE int rn_scope_spawn(struct rn_scope *scope, struct rn_worker *worker,
                               struct rn_child *child);
/* Cancels all children; no more can be started. */
void rn_scope_cancel(struct rn_scope *scope);

/* ---- From an ordinary thread ----------------------------------------------------------------- */

/* Runs a task on a worker and waits for its end: task.result, or -ENOBUFS when the worker had no
 * slot. Not on a worker's thread: RN_E_MISUSE. The runtime must go on until then. */
RN_MUST_USE int64_t rn_block_on_task(struct rn_worker *worker, struct rn_task *task);

/* Awaits a future on a worker: 0 when it is over, its own result says more; -ENOBUFS,
 * RN_E_MISUSE. */
RN_MUST_USE int rn_block_on(struct rn_worker *worker, struct rn_awaitable of);

#ifdef __cplusplus
}
#endif
#endif
