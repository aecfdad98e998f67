/*
 * A task that awaits one future and says when that is over.
 */
#ifndef TESTS_AWAIT_BED_H
#define TESTS_AWAIT_BED_H

#include "by_hand.h"

#include <runnel/backend.h>
#include <runnel/channel.h>
#include <runnel/concurrency.h>

struct awaiting {
    struct rn_task task;
    struct rn_future *future;
    rn_waker waker;
    unsigned polls;
    bool over;
};

static enum rn_poll awaiting_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct awaiting *awaiting = rn_container_of(task, struct awaiting, task);
    awaiting->waker = cx->waker;
    awaiting->polls++;
    if (rn_future_poll(awaiting->future, cx) == RN_PENDING) return RN_PENDING;
    assert_false(awaiting->over);
    awaiting->over = true;
    return RN_READY;
}

/* Spawned on that worker, and everything that follows from that has happened. */
static inline void await_on(unsigned worker, struct awaiting *awaiting, struct rn_future *future)
{
    *awaiting = (struct awaiting){.task.poll = awaiting_poll, .future = future};
    rn_worker_enter(hand_worker(worker));
    assert_int_equal(rn_spawn(hand_worker(worker), &awaiting->task), 0);
    hand_settle();
}

static inline void cancel(struct awaiting *awaiting)
{
    rn_task_cancel(awaiting->waker);
    hand_settle();
}

#endif
