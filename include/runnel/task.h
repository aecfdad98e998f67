/*
 * runnel/task.h: tasks, wakers, futures and async functions.
 *
 * A task is a poll function over the caller's own struct. It runs on one worker, is polled when
 * something woke it, and returns RN_PENDING after it left its waker with a future, or RN_READY when
 * it is done. RN_BEGIN, RN_AWAIT and RN_END write such a function as a straight line (a stackless
 * coroutine: what must survive an await lives in the struct):
 *
 *     static enum rn_poll nap(struct rn_task *task, struct rn_cx *cx)
 *     {
 *         struct nap *nap = rn_container_of(task, struct nap, task);
 *         RN_BEGIN(&nap->co);
 *         rn_sleep(&nap->sleep, cx, RN_SECOND);
 *         RN_AWAIT(&nap->co, &nap->sleep, cx);
 *         RN_END(&nap->co);
 *     }
 */
#ifndef RUNNEL_TASK_H
#define RUNNEL_TASK_H

#include <runnel/io.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rn_poll { RN_PENDING, RN_READY };

/* Names a task for as long as it lives: a plain value, to be copied freely. */
typedef struct rn_waker {
    struct rn_worker *worker;
    uint32_t slot;
    uint32_t generation;
} rn_waker;

/* Makes the task's poll function run again, soon and at least once after this call. From any
 * thread. A waker whose task is done is a counted no-op. */
void rn_wake(rn_waker waker);

/* Asks a task to end: every await it is in, or comes to, completes with -ECANCELED (an op is really
 * cancelled first). From any thread; a stale waker is a counted no-op. */
void rn_task_cancel(rn_waker waker);

/* What a poll function is called with. */
struct rn_cx {
    struct rn_worker *worker;
    rn_ns now; /* when this turn of the loop began */
    rn_waker waker;
    bool cancelled;
};

/* A deadline so many nanoseconds from now; RN_NEVER for RN_NEVER, and all that ends behind it. */
static inline rn_ns rn_after(const struct rn_cx *cx, rn_ns delay)
{
    return delay < RN_NEVER - cx->now ? cx->now + delay : RN_NEVER;
}

/* A link in a worker's inbox or run queue. */
struct rn_node {
    struct rn_node *next;
    void (*run)(struct rn_worker *worker, struct rn_node *node);
};

struct rn_join;

/* A task: embedded in the caller's struct, which must stay until the task is done. Zero it, set
 * poll, spawn it. */
struct rn_task {
    enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx);
    struct rn_join *join;                /* told when the task is done; NULL for nobody */
    /* the last thing done with the task: may free it; may be NULL */
    void (*done)(struct rn_task *task);
    int64_t result;                      /* the task's to set */
    struct rn_node node;                 /* private, on its way to a worker */
    uint32_t slot;                       /* private */
};

/* Starts a task on the worker whose thread this is, or from another thread on that worker, or on
 * whichever worker of the runtime takes it first. -ENOBUFS when the worker (or the shared stack)
 * has no slot left; a spawn from another thread reports that as task->result with task->done or the
 * join. */
struct rn_runtime;
RN_MUST_USE int rn_spawn(struct rn_worker *worker, struct rn_task *task);
void rn_spawn_remote(struct rn_worker *worker, struct rn_task *task);
RN_MUST_USE int rn_spawn_anywhere(struct rn_runtime *runtime, struct rn_task *task);

/* A running task's waker. Worker's own thread, or inside its poll function. */
rn_waker rn_task_waker(struct rn_worker *worker, const struct rn_task *task);

/* ---- Futures --------------------------------------------------------------------------------- */

/* Anything that can be awaited. poll keeps cx->waker when it returns RN_PENDING. */
struct rn_future {
    enum rn_poll (*poll)(struct rn_future *future, struct rn_cx *cx);
};

/* Asks a future, as RN_AWAIT does. */
static inline enum rn_poll rn_future_poll(struct rn_future *future, struct rn_cx *cx)
{
    return future->poll(future, cx);
}

/* An op as a future. rn_op_begin starts it for the task that runs; then await &op; then op->result.
 * A task that is cancelled cancels the op and gets -ECANCELED. */
void rn_op_begin(struct rn_cx *cx, struct rn_op *op, rn_ns deadline);
enum rn_poll rn_op_poll(struct rn_op *op, struct rn_cx *cx);

/* A pause. Result: 0, or -ECANCELED when the task was cancelled. */
struct rn_sleep {
    struct rn_timer timer;
    rn_waker waker;
    int result;
    bool over;
};
void rn_sleep(struct rn_sleep *sleep, struct rn_cx *cx, rn_ns duration);
enum rn_poll rn_sleep_poll(struct rn_sleep *sleep, struct rn_cx *cx);

/* Waits for a task on any worker: zero it, point task.join at it before the spawn, await it. It is
 * told after task.done was called. A task that is cancelled while it waits goes on waiting, since
 * the other one holds on to the join; but first it cancels `task`, where that is set: to
 * rn_task_waker after the spawn. For children on other workers see rn_scope (concurrency.h). */
struct rn_join {
    rn_waker waker;
    uint32_t state; /* private, atomic */
    int64_t result; /* task.result */
    rn_waker task;  /* may be set; private once it was used */
};
enum rn_poll rn_join_poll(struct rn_join *join, struct rn_cx *cx);

/* Lets the other tasks run once. */
struct rn_yield {
    bool yielded;
};
enum rn_poll rn_yield_poll(struct rn_yield *yield, struct rn_cx *cx);

/* ---- Async functions ------------------------------------------------------------------------- */

/* Where an async function goes on: 0 at the start, a line number, or RN_CO_DONE. */
typedef struct rn_co {
    uint32_t line;
} rn_co;
#define RN_CO_DONE UINT32_MAX

#ifndef __cplusplus
#define rn_await_poll(future, cx)                                                                  \
    _Generic((future),                                                                             \
        struct rn_op *: rn_op_poll,                                                                \
        struct rn_sleep *: rn_sleep_poll,                                                          \
        struct rn_join *: rn_join_poll,                                                            \
        struct rn_yield *: rn_yield_poll,                                                          \
        struct rn_future *: rn_future_poll)(future, cx)
#endif

/* An await inside a nested switch would be a case of the wrong switch: it is never reached again,
 * and the default here traps. */
#define RN_BEGIN(co)                                                                               \
    rn_co *const rn_co_ = (co);                                                                    \
    switch (rn_co_->line) {                                                                        \
    default: __builtin_trap();                                                                     \
    case 0:

#define RN_AWAIT(co, future, cx)                                                                   \
    do {                                                                                           \
        (co)->line = __LINE__;                                                                     \
        __attribute__((fallthrough));                                                              \
    case __LINE__:                                                                                 \
        if (rn_await_poll(future, cx) == RN_PENDING) return RN_PENDING;                            \
    } while (0)

#define RN_END(co)                                                                                 \
    (co)->line = RN_CO_DONE;                                                                       \
    }                                                                                              \
    return RN_READY

#ifdef __cplusplus
}
#endif
#endif
