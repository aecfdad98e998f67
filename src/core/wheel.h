/*
 * core/wheel.h: hierarchical timer wheel (Varghese and Lauck, 1987): eight levels of 64 slots over
 * ticks of 2^20 ns, which reach beyond the last deadline there is.
 */
#ifndef CORE_WHEEL_H
#define CORE_WHEEL_H

#include <runnel/io.h>

enum { RN_WHEEL_LEVELS = 8, RN_WHEEL_SLOTS = 64, RN_WHEEL_TICK_SHIFT = 20 };

struct rn_wheel {
    uint64_t tick;                       /* everything up to here has been fired */
    uint64_t occupied[RN_WHEEL_LEVELS];  /* a bit for each slot that may hold timers */
    uint64_t running;
    struct rn_timer *slots[RN_WHEEL_LEVELS][RN_WHEEL_SLOTS];
};

void rn_wheel_init(struct rn_wheel *wheel, rn_ns now);
void rn_wheel_add(struct rn_wheel *wheel, struct rn_timer *timer, rn_ns deadline);
void rn_wheel_remove(struct rn_wheel *wheel, struct rn_timer *timer);

/* When rn_wheel_expire has something to do next, not after the first deadline; RN_NEVER when no
 * timer runs. */
rn_ns rn_wheel_next(struct rn_wheel *wheel);

/* Fires what is due at `now`. Callbacks may add and remove any timer; one with a deadline that has
 * passed fires at the next tick, so that an expiry ends. */
void rn_wheel_expire(struct rn_wheel *wheel, rn_ns now);

#endif
