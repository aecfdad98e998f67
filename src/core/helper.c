/*
 * core/helper.c: a runtime's helper threads: one queue of calls, first come, first served. Results
 * go back through the worker's inbox.
 *
 * A call is in the queue, or with a helper, or on its way back; the lock decides between the
 * first two, so a cancellation finds it in the queue or leaves it alone.
 */
#include "core/helper.h"

#include "core/lock.h"
#include "core/worker.h"

enum { THREADS = 4, QUEUE = 1024, STACK = 256 * 1024 };

struct rn_helper_pool {
    struct rn_lock lock;
    uint32_t signal; /* atomic, a futex: changes with whatever an idle thread is to look at */
    uint32_t idle;
    uint32_t threads;
    uint32_t queued;
    bool stopping;
    struct rn_helped *head;
    struct rn_helped **tail;
    struct rn_thread thread[RN_HELPERS_MAX];
};

static struct rn_helper_options setup;

/* ---- The queue, under the lock --------------------------------------------------------------- */

static void push(struct rn_helper_pool *pool, struct rn_helped *helped)
{
    helped->next = NULL;
    helped->link = pool->tail;
    *pool->tail = helped;
    pool->tail = &helped->next;
    pool->queued++;
}

static void take_out(struct rn_helper_pool *pool, struct rn_helped *helped)
{
    *helped->link = helped->next;
    if (helped->next) helped->next->link = helped->link;
    else pool->tail = helped->link;
    helped->link = NULL;
    pool->queued--;
}

/* ---- Results --------------------------------------------------------------------------------- */

static void hand_over(struct rn_worker *worker, struct rn_node *node)
{
    struct rn_helped *helped = rn_container_of(node, struct rn_helped, node);
    const struct rn_completion done = {.op = &helped->op, .result = helped->result};
    rn_worker_complete(worker, &done);
}

static void finish(struct rn_helped *helped, int64_t result)
{
    helped->result = result;
    helped->node.run = hand_over;
    rn_worker_post(helped->worker, &helped->node);
}

/* ---- A helper's thread ----------------------------------------------------------------------- */

static void help(void *argument)
{
    struct rn_helper_pool *pool = argument;
    rn_lock_take(&pool->lock);
    while (!pool->stopping) {
        struct rn_helped *helped = pool->head;
        if (helped) {
            take_out(pool, helped);
            rn_lock_leave(&pool->lock);
            finish(helped, helped->run(helped));
        } else {
            uint32_t signal = __atomic_load_n(&pool->signal, __ATOMIC_RELAXED);
            pool->idle++;
            rn_lock_leave(&pool->lock);
            rn_sys_futex_wait(&pool->signal, signal, NULL);
        }
        rn_lock_take(&pool->lock);
        if (!helped) pool->idle--;
    }
    rn_lock_leave(&pool->lock);
}

static void ring(struct rn_helper_pool *pool, int count)
{
    __atomic_fetch_add(&pool->signal, 1, __ATOMIC_RELAXED);
    rn_sys_futex_wake(&pool->signal, count);
}

/* ---- Starting and cancelling ----------------------------------------------------------------- */

/* The runtime's, made by whichever worker is first. */
static struct rn_helper_pool *pool_of(struct rn_runtime *runtime)
{
    struct rn_helper_pool *pool = __atomic_load_n(&runtime->helpers, __ATOMIC_ACQUIRE);
    if (pool) return pool;
    struct rn_helper_pool *made = rn_map(sizeof *made);
    if (!made) return NULL;
    made->tail = &made->head;
    if (__atomic_compare_exchange_n(&runtime->helpers, &pool, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return made;
    rn_unmap(made, sizeof *made);
    return pool;
}

/* Under the lock. A thread more, if there is more to do than idle ones can take. It begins with
 * waiting for the lock. */
static int start_thread(struct rn_helper_pool *pool)
{
    if (pool->queued <= pool->idle || pool->threads == setup.threads) return 0;
    int result = rn_thread_start(&pool->thread[pool->threads], help, pool, STACK);
    if (result == 0) pool->threads++;
    /* Those that are there will come to it. */
    return pool->threads ? 0 : result;
}

/* 0: it is on its way. */
static int enqueue(struct rn_helped *helped)
{
    struct rn_helper_pool *pool;
    if (!rn_helpers) return RN_E_MISUSE;
    pool = pool_of(helped->worker->runtime);
    if (!pool) return -RN_K_ENOMEM;
    rn_lock_take(&pool->lock);
    int result = pool->queued == setup.queue ? RN_E_LIMIT : 0;
    if (result == 0) {
        push(pool, helped);
        result = start_thread(pool);
        if (result < 0) take_out(pool, helped);
    }
    bool idle = pool->idle;
    rn_lock_leave(&pool->lock);
    if (idle && result == 0) ring(pool, 1);
    return result;
}

void rn_helper_start(struct rn_worker *worker, struct rn_helped *helped, rn_ns deadline)
{
    helped->op.code = RN_OP_HELPED;
    helped->op.flags = 0;
    helped->worker = worker;
    helped->link = NULL;
    rn_op_ready(worker, &helped->op, deadline);
    int result = enqueue(helped);
    if (result < 0) finish(helped, helped->certain ? helped->run(helped) : result);
}

void rn_helper_begin(struct rn_cx *cx, struct rn_helped *helped, rn_ns deadline)
{
    rn_op_own(cx, &helped->op);
    rn_helper_start(cx->worker, helped, deadline);
}

static void cancel(struct rn_helped *helped)
{
    struct rn_helper_pool *pool = helped->worker->runtime->helpers;
    if (!pool) return; /* refused: its completion is on its way */
    rn_lock_take(&pool->lock);
    bool waits = helped->link;
    if (waits) take_out(pool, helped);
    rn_lock_leave(&pool->lock);
    if (waits) finish(helped, -RN_K_ECANCELED);
}

static void stop(struct rn_runtime *runtime)
{
    struct rn_helper_pool *pool = runtime->helpers;
    if (!pool) return;
    rn_lock_take(&pool->lock);
    pool->stopping = true;
    rn_lock_leave(&pool->lock);
    ring(pool, RN_HELPERS_MAX);
    for (uint32_t i = 0; i < pool->threads; i++) rn_thread_join(&pool->thread[i]);
    rn_unmap(pool, sizeof *pool);
    runtime->helpers = NULL;
}

int rn_helpers_setup(const struct rn_helper_options *options)
{
    static const struct rn_helper_vt vt = {cancel, stop};
    static const struct rn_helper_options defaults = {0};
    if (!options) options = &defaults;
    if (options->threads > RN_HELPERS_MAX) return RN_E_MISUSE;
    setup.threads = options->threads ? options->threads : THREADS;
    setup.queue = options->queue ? options->queue : QUEUE;
    rn_helpers = &vt;
    return 0;
}
