/*
 * runnel/helper.h: helper threads, for calls that block: a worker hands one over, goes on with its
 * other tasks, and is told when it is done. A call that is awaited is an op like any other, with a
 * deadline and cancellation.
 *
 * A runtime's helpers start when they are first needed and end with it: rn_runtime_join waits for
 * the calls that run. What waits in their queue then is dropped, as are the tasks.
 */
#ifndef RUNNEL_HELPER_H
#define RUNNEL_HELPER_H

#include <runnel/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RN_HELPERS_MAX = 64 };

struct rn_helper_options {
    uint32_t threads; /* of each runtime, at most; 0: 4 */
    uint32_t queue;   /* calls that wait for one; 0: 1,024 */
};

/* Once, before the first rn_runtime_start: this process will use helpers. NULL: the defaults.
 * RN_E_MISUSE: more threads than RN_HELPERS_MAX. */
RN_MUST_USE int rn_helpers_setup(const struct rn_helper_options *options);

/* A call: zero it and set run, which is called on a helper's thread and may block. It stays in
 * place until it is over. */
struct rn_helped {
    struct rn_op op; /* to be awaited; op.result: what run gave */
    int64_t (*run)(struct rn_helped *helped);
    bool certain; /* where it would be refused, it runs at once, on the worker's own thread */
    struct rn_worker *worker; /* private from here */
    struct rn_helped *next;
    struct rn_helped **link;
    struct rn_node node;
    int64_t result;
};

/* Starts it for the task that runs; or with op.complete and op.owner set, for nobody in particular.
 * It always completes: with what run gave; RN_E_LIMIT when the queue is full; -EAGAIN or -ENOMEM
 * when there is no thread and can't be one; RN_E_MISUSE without rn_helpers_setup; -ECANCELED or
 * -ETIMEDOUT when it was cancelled, or its deadline passed, while it waited for a thread. One that
 * runs is not interrupted: it completes with its own result. */
void rn_helper_begin(struct rn_cx *cx, struct rn_helped *helped, rn_ns deadline);
void rn_helper_start(struct rn_worker *worker, struct rn_helped *helped, rn_ns deadline);

#ifdef __cplusplus
}
#endif
#endif
