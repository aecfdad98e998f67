/*
 * core/waiters.h: the tasks that wait for one thing, in the order in which they came. All of it
 * under the thing's lock.
 */
#ifndef CORE_WAITERS_H
#define CORE_WAITERS_H

#include <runnel/sync.h>

enum {
    RN_WAITER_NEW,     /* hasn't asked */
    RN_WAITER_WAITING, /* in line */
    RN_WAITER_SERVED,  /* has what it waited for */
    RN_WAITER_TOLD,    /* served, with something that nobody else has to have */
    RN_WAITER_CLOSED,  /* won't get it */
};

static inline void rn_waiters_add(struct rn_waiters *waiters, struct rn_waiter *waiter,
                                  rn_waker waker)
{
    waiter->state = RN_WAITER_WAITING;
    waiter->waker = waker;
    waiter->next = NULL;
    waiter->previous = waiters->last;
    *(waiters->last ? &waiters->last->next : &waiters->first) = waiter;
    waiters->last = waiter;
}

static inline void rn_waiters_remove(struct rn_waiters *waiters, struct rn_waiter *waiter)
{
    *(waiter->previous ? &waiter->previous->next : &waiters->first) = waiter->next;
    *(waiter->next ? &waiter->next->previous : &waiters->last) = waiter->previous;
}

/*
 * Ends the first one's wait. `last` is whom to wake when the lock was left, so that it needn't wait
 * for it; where there are several, all but that one are woken at once. The waker is copied before
 * the state changes hands with the lock: from then on the waiter may be gone.
 */
static inline void rn_waiters_serve(struct rn_waiters *waiters, uint32_t state, rn_waker *last)
{
    struct rn_waiter *waiter = waiters->first;
    rn_waiters_remove(waiters, waiter);
    rn_wake(*last);
    *last = waiter->waker;
    waiter->state = state;
}

static inline void rn_waiters_serve_all(struct rn_waiters *waiters, uint32_t state, rn_waker *last)
{
    while (waiters->first) rn_waiters_serve(waiters, state, last);
}

#endif
