/*
 * core/await.c: futures that wrap others: select and timeout. To cancel a future is to poll it as a
 * task that was cancelled would, until it is over.
 */
#include <runnel/concurrency.h>

#include "sys/abi.h"

/* ---- Any future ------------------------------------------------------------------------------ */

static enum rn_poll poll_op(void *op, struct rn_cx *cx) { return rn_op_poll(op, cx); }
static enum rn_poll poll_sleep(void *sleep, struct rn_cx *cx) { return rn_sleep_poll(sleep, cx); }
static enum rn_poll poll_join(void *join, struct rn_cx *cx) { return rn_join_poll(join, cx); }
static enum rn_poll poll_yield(void *yield, struct rn_cx *cx) { return rn_yield_poll(yield, cx); }

static enum rn_poll poll_future(void *future, struct rn_cx *cx)
{
    return rn_future_poll(future, cx);
}

struct rn_awaitable rn_awaitable_op(struct rn_op *op)
{
    return (struct rn_awaitable){poll_op, op, false};
}

struct rn_awaitable rn_awaitable_sleep(struct rn_sleep *sleep)
{
    return (struct rn_awaitable){poll_sleep, sleep, false};
}

struct rn_awaitable rn_awaitable_join(struct rn_join *join)
{
    return (struct rn_awaitable){poll_join, join, false};
}

struct rn_awaitable rn_awaitable_yield(struct rn_yield *yield)
{
    return (struct rn_awaitable){poll_yield, yield, false};
}

struct rn_awaitable rn_awaitable_future(struct rn_future *future)
{
    return (struct rn_awaitable){poll_future, future, false};
}

static bool over(struct rn_awaitable *of, struct rn_cx *cx)
{
    if (!of->over) of->over = of->poll(of->future, cx) == RN_READY;
    return of->over;
}

static struct rn_cx cancelling(const struct rn_cx *cx)
{
    struct rn_cx cancelled = *cx;
    cancelled.cancelled = true;
    return cancelled;
}

/* ---- Select ---------------------------------------------------------------------------------- */

static enum rn_poll poll_select(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_select *select = rn_container_of(future, struct rn_select, future);
    if (cx->cancelled && !select->cancelling) {
        select->cancelling = true;
        select->result = -RN_K_ECANCELED;
    }
    for (uint32_t i = 0; i < select->count && !select->cancelling; i++) {
        if (!over(&select->branches[i], cx)) continue;
        select->cancelling = true;
        select->result = (int)i;
    }
    if (!select->cancelling) return RN_PENDING;
    struct rn_cx cancelled = cancelling(cx);
    bool all = true;
    for (uint32_t i = 0; i < select->count; i++) all &= over(&select->branches[i], &cancelled);
    return all ? RN_READY : RN_PENDING;
}

void rn_select(struct rn_select *select, struct rn_awaitable *branches, uint32_t count)
{
    rn_assert(count > 0 && count <= INT32_MAX);
    *select = (struct rn_select){.future.poll = poll_select, .branches = branches, .count = count};
}

/* ---- Timeout --------------------------------------------------------------------------------- */

static void expire(struct rn_timer *timer, rn_ns now)
{
    struct rn_timeout *timeout = rn_container_of(timer, struct rn_timeout, timer);
    timeout->expired = true;
    rn_wake(timeout->waker);
}

static enum rn_poll poll_timeout(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_timeout *timeout = rn_container_of(future, struct rn_timeout, future);
    timeout->waker = cx->waker;
    /* What is ready at the same time as the timer is in time. */
    if (!timeout->result && over(&timeout->of, cx)) {
        rn_timer_stop(cx->worker, &timeout->timer);
        return RN_READY;
    }
    if (!timeout->expired) return RN_PENDING;
    timeout->result = -RN_K_ETIMEDOUT;
    struct rn_cx cancelled = cancelling(cx);
    return over(&timeout->of, &cancelled) ? RN_READY : RN_PENDING;
}

void rn_timeout(struct rn_timeout *timeout, struct rn_cx *cx, struct rn_awaitable of,
                rn_ns duration)
{
    *timeout = (struct rn_timeout){.future.poll = poll_timeout, .of = of, .timer.expire = expire,
                                   .waker = cx->waker};
    rn_timer_start(cx->worker, &timeout->timer, rn_after(cx, duration));
}
