/*
 * core/interval.c: a tick each period. Its timer runs only while somebody waits, so an interval
 * that isn't awaited any more needs no stopping.
 */
#include <runnel/concurrency.h>

#include "sys/abi.h"

static void expire(struct rn_timer *timer, rn_ns now)
{
    rn_wake(rn_container_of(timer, struct rn_interval, timer)->waker);
}

static enum rn_poll poll_interval(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_interval *interval = rn_container_of(future, struct rn_interval, future);
    if (cx->cancelled) {
        rn_timer_stop(cx->worker, &interval->timer);
        interval->result = -RN_K_ECANCELED;
        return RN_READY;
    }
    if (cx->now < interval->next) {
        interval->waker = cx->waker;
        if (!rn_timer_running(&interval->timer))
            rn_timer_start(cx->worker, &interval->timer, interval->next);
        return RN_PENDING;
    }
    rn_timer_stop(cx->worker, &interval->timer);
    uint64_t missed = (cx->now - interval->next) / interval->period;
    interval->result = 0;
    if (interval->missed == RN_MISSED_BURST) {
        interval->next += interval->period;
    } else {
        interval->result = (int64_t)missed;
        interval->next = interval->missed == RN_MISSED_SKIP
                             ? interval->next + (missed + 1) * interval->period
                             : rn_after(cx, interval->period);
    }
    return RN_READY;
}

void rn_interval(struct rn_interval *interval, struct rn_cx *cx, rn_ns period,
                 enum rn_missed missed)
{
    rn_assert(period > 0);
    *interval = (struct rn_interval){.future.poll = poll_interval, .timer.expire = expire,
                                     .next = rn_after(cx, period), .period = period,
                                     .missed = missed};
}
