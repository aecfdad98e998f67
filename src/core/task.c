/*
 * core/task.c: spawning, waking and polling tasks, and the futures that need nothing but the core.
 */
#include "core/worker.h"

static void run_task(struct rn_worker *worker, struct rn_node *node);

/* ---- Waking ---------------------------------------------------------------------------------- */

static void wake(rn_waker waker, uint32_t flags)
{
    struct rn_worker *worker = waker.worker;
    if (!worker) return;
    struct rn_task_slot *slot = rn_slab_at(&worker->slots, waker.slot);
    switch (rn_task_state_wake(&slot->word, waker.generation, flags)) {
    case RN_WAKE_PUSH: rn_worker_push(worker, &slot->node); break;
    case RN_WAKE_STALE: __atomic_fetch_add(&worker->stale_wakes, 1, __ATOMIC_RELAXED); break;
    case RN_WAKE_DONE: break;
    }
}

void rn_wake(rn_waker waker) { wake(waker, 0); }

void rn_task_cancel(rn_waker waker) { wake(waker, RN_TASK_CANCELLED); }

rn_waker rn_task_waker(struct rn_worker *worker, const struct rn_task *task)
{
    struct rn_task_slot *slot = rn_slab_at(&worker->slots, task->slot);
    return (rn_waker){worker, task->slot, slot->item.generation};
}

/* ---- Spawning -------------------------------------------------------------------------------- */

int rn_spawn(struct rn_worker *worker, struct rn_task *task)
{
    struct rn_task_slot *slot = rn_slab_take(&worker->slots);
    if (!slot) return -RN_K_ENOBUFS;
    slot->task = task;
    slot->node.run = run_task;
    task->slot = slot->item.index;
    __atomic_store_n(&slot->word, rn_task_word_make(slot->item.generation, RN_TASK_QUEUED),
                     __ATOMIC_RELEASE);
    rn_run_queue_push(&worker->queue, &slot->node);
    return 0;
}

enum { JOIN_NONE, JOIN_WAITING, JOIN_DONE };

static void finish(struct rn_task *task)
{
    struct rn_join *join = task->join;
    int64_t result = task->result;
    if (task->done) task->done(task);
    /* Last, and without the task: it may be gone, and the joiner may take its memory once it
     * knows. */
    if (!join) return;
    join->result = result;
    /* It usually waits: a look is cheaper than a change that fails. */
    uint32_t state = __atomic_load_n(&join->state, __ATOMIC_ACQUIRE);
    if (state == JOIN_NONE &&
        __atomic_compare_exchange_n(&join->state, &state, JOIN_DONE, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return;
    /* The joiner waits: copy its waker first, for after the store the join may be gone. */
    rn_waker waker = join->waker;
    __atomic_store_n(&join->state, JOIN_DONE, __ATOMIC_RELEASE);
    rn_wake(waker);
}

static void spawn_posted(struct rn_worker *worker, struct rn_node *node)
{
    struct rn_task *task = rn_container_of(node, struct rn_task, node);
    int result = rn_spawn(worker, task);
    if (result < 0) {
        task->result = result;
        finish(task);
    }
}

void rn_spawn_remote(struct rn_worker *worker, struct rn_task *task)
{
    task->node.run = spawn_posted;
    rn_worker_push(worker, &task->node);
}

void rn_runtime_ring_any(struct rn_runtime *runtime)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < runtime->options.workers; i++) {
        struct rn_worker *worker = &runtime->workers[i];
        if (__atomic_load_n(&worker->sleeping, __ATOMIC_RELAXED) == RN_SLEEPING &&
            rn_worker_ring(worker))
            return;
    }
}

int rn_spawn_anywhere(struct rn_runtime *runtime, struct rn_task *task)
{
    task->node.run = spawn_posted;
    if (!rn_shared_stack_push(&runtime->shared, &task->node)) return -RN_K_ENOBUFS;
    rn_runtime_ring_any(runtime);
    return 0;
}

/* ---- Polling --------------------------------------------------------------------------------- */

static void run_task(struct rn_worker *worker, struct rn_node *node)
{
    struct rn_task_slot *slot = rn_container_of(node, struct rn_task_slot, node);
    struct rn_task *task = slot->task;
    if (!task) { /* it was done when somebody woke it */
        rn_slab_put(&worker->slots, slot);
        return;
    }
    struct rn_cx cx = {
        .worker = worker,
        .now = worker->now,
        .waker = {worker, slot->item.index, slot->item.generation},
        .cancelled = rn_task_state_run(&slot->word),
    };
    worker->polls++;
    if (task->poll(task, &cx) == RN_PENDING) return;
    slot->task = NULL;
    if (!rn_task_state_free(&slot->word, slot->item.generation + 1))
        rn_slab_put(&worker->slots, slot);
    finish(task);
}

/* ---- Futures --------------------------------------------------------------------------------- */

static void sleep_over(struct rn_timer *timer, rn_ns now)
{
    struct rn_sleep *sleep = rn_container_of(timer, struct rn_sleep, timer);
    sleep->over = true;
    rn_wake(sleep->waker);
}

void rn_sleep(struct rn_sleep *sleep, struct rn_cx *cx, rn_ns duration)
{
    *sleep = (struct rn_sleep){.timer.expire = sleep_over, .waker = cx->waker};
    rn_timer_start(cx->worker, &sleep->timer, rn_after(cx, duration));
}

enum rn_poll rn_sleep_poll(struct rn_sleep *sleep, struct rn_cx *cx)
{
    if (sleep->over) return RN_READY;
    sleep->waker = cx->waker;
    if (!cx->cancelled) return RN_PENDING;
    rn_timer_stop(cx->worker, &sleep->timer);
    sleep->over = true;
    sleep->result = -RN_K_ECANCELED;
    return RN_READY;
}

enum rn_poll rn_join_poll(struct rn_join *join, struct rn_cx *cx)
{
    uint32_t state = __atomic_load_n(&join->state, __ATOMIC_ACQUIRE);
    if (cx->cancelled && state != JOIN_DONE) {
        rn_task_cancel(join->task);
        join->task.worker = NULL; /* once is enough */
    }
    if (state == JOIN_NONE) {
        join->waker = cx->waker;
        if (__atomic_compare_exchange_n(&join->state, &state, JOIN_WAITING, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return RN_PENDING;
    }
    return state == JOIN_DONE ? RN_READY : RN_PENDING;
}

enum rn_poll rn_yield_poll(struct rn_yield *yield, struct rn_cx *cx)
{
    if (yield->yielded) {
        yield->yielded = false;
        return RN_READY;
    }
    yield->yielded = true;
    rn_wake(cx->waker);
    return RN_PENDING;
}
