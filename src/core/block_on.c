/*
 * core/block_on.c: waiting for a task or a future on an ordinary thread: a task of ours on the
 * worker awaits it, and at its end wakes the thread, which sleeps in the kernel.
 */
#include <runnel/concurrency.h>
#include <runnel/runtime.h>

#include "sys/sys.h"

struct blocked {
    struct rn_task task;
    struct rn_task *inner; /* to be started, and joined */
    struct rn_join join;
    struct rn_awaitable of;
    uint32_t over; /* atomic, a futex */
};

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct blocked *blocked = rn_container_of(task, struct blocked, task);
    struct rn_task *inner = blocked->inner;
    if (inner) {
        blocked->inner = NULL;
        inner->join = &blocked->join;
        task->result = rn_spawn(cx->worker, inner);
        if (task->result < 0) return RN_READY;
    }
    if (blocked->of.poll(blocked->of.future, cx) == RN_PENDING) return RN_PENDING;
    task->result = blocked->join.result;
    return RN_READY;
}

/* After the store the thread may be gone with its stack; waking a word that nobody waits for does
 * nothing. */
static void wake_thread(struct rn_task *task)
{
    struct blocked *blocked = rn_container_of(task, struct blocked, task);
    __atomic_store_n(&blocked->over, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(&blocked->over, 1);
}

static int64_t wait_for(struct rn_worker *worker, struct blocked *blocked)
{
    if (rn_worker_current()) return RN_E_MISUSE;
    blocked->task.poll = run;
    blocked->task.done = wake_thread;
    rn_spawn_remote(worker, &blocked->task);
    while (!__atomic_load_n(&blocked->over, __ATOMIC_ACQUIRE))
        rn_sys_futex_wait(&blocked->over, 0, NULL);
    return blocked->task.result;
}

int64_t rn_block_on_task(struct rn_worker *worker, struct rn_task *task)
{
    struct blocked blocked = {.inner = task};
    blocked.of = rn_awaitable_of(&blocked.join);
    return wait_for(worker, &blocked);
}

int rn_block_on(struct rn_worker *worker, struct rn_awaitable of)
{
    struct blocked blocked = {.of = of};
    return (int)wait_for(worker, &blocked);
}
