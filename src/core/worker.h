/*
 * core/worker.h: a worker from the inside.
 */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

#include <runnel/runtime.h>

#include "core/inbox.h"
#include "core/shared_stack.h"
#include "core/slab.h"
#include "core/task_state.h"
#include "core/wheel.h"
#include "sys/sys.h"

/* Where a task is while it lives. It outlives the task, so that a stale waker can look at the
 * word. */
struct rn_task_slot {
    struct rn_slab_item item;
    rn_task_word word;
    struct rn_task *task;
    struct rn_node node; /* in the run queue or the inbox */
};

struct rn_run_queue {
    struct rn_node *head;
    struct rn_node **tail;
};

/* Asleep, or about to be: looking for anything new, or for anything but shared tasks, for want
 * of a slot. */
enum { RN_AWAKE, RN_SLEEPING, RN_SLEEPING_FULL };

struct rn_worker {
    struct rn_backend *backend;
    rn_ns now;
    rn_ns busy_until; /* doesn't wait before that */
    struct rn_run_queue queue;
    struct rn_pool pool;
    struct rn_slab slots; /* of struct rn_task_slot */
    struct rn_wheel wheel;
    uint64_t ops; /* in flight */
    uint64_t polls;
    uint64_t turns;
    uint32_t index;
    struct rn_runtime *runtime;
    void *local;
    int start_result;
    bool started; /* atomic */
    struct rn_thread thread;
    void *resolver; /* net/resolver.c's */
    struct rn_fiber *fiber; /* that runs */
    /* what other threads write, on lines of its own */
    struct rn_inbox inbox __attribute__((aligned(64)));
    uint32_t sleeping;    /* atomic: what the worker is about to do; RN_AWAKE and so on */
    uint64_t stale_wakes; /* atomic */
};

struct rn_helper_pool;

struct rn_runtime {
    struct rn_runtime_options options;
    struct rn_shared_stack shared; /* of struct rn_node: what any worker may run */
    uint32_t stopping; /* atomic */
    uint32_t started;  /* atomic, a futex: workers that have started or failed to */
    uint32_t go;       /* atomic, a futex: all have started */
    size_t mapped;
    struct rn_helper_pool *helpers; /* atomic; NULL until one is needed */
    struct rn_worker workers[];
};

/* core/worker.c. What rn_worker_main, the thread's function, is made of can be called by hand too:
 * start, turns, stop, on a thread that is the worker's by rn_worker_enter. */
void rn_worker_main(void *worker);
RN_MUST_USE int rn_worker_start(struct rn_worker *worker);
RN_MUST_USE int rn_worker_turn(struct rn_worker *worker);
void rn_worker_stop(struct rn_worker *worker);
/* What the others may look at until all have stopped. */
void rn_worker_free(struct rn_worker *worker);
void rn_worker_enter(struct rn_worker *worker);
void rn_worker_push(struct rn_worker *worker, struct rn_node *node); /* from any thread */
/* Wakes it if it sleeps: after a push. Whether it did, and the worker will look for shared tasks
 * too. */
bool rn_worker_ring(struct rn_worker *worker);

/* Hands out a completion. */
void rn_worker_complete(struct rn_worker *worker, const struct rn_completion *done);

/* core/op.c: the two halves of rn_op_begin and of rn_op_start that have nothing to do with a
 * backend: whom it wakes; that it is in flight, and until when. */
void rn_op_own(struct rn_cx *cx, struct rn_op *op);
void rn_op_ready(struct rn_worker *worker, struct rn_op *op, rn_ns deadline);

/* core/task.c */
/* one that sleeps and can take a shared task */
void rn_runtime_ring_any(struct rn_runtime *runtime);

static inline void rn_run_queue_push(struct rn_run_queue *queue, struct rn_node *node)
{
    node->next = NULL;
    *queue->tail = node;
    queue->tail = &node->next;
}

#endif
