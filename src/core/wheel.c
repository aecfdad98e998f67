/*
 * core/wheel.c: the timer wheel. A timer's level is where its tick first differs from the wheel's,
 * six bits a level. That keeps one invariant that everything else rests on: no occupied slot above
 * level 0 starts at or before the wheel's tick, so the lowest occupied level always holds what
 * comes next.
 */
#include "core/wheel.h"

enum { SLOT_BITS = 6 };

void rn_wheel_init(struct rn_wheel *wheel, rn_ns now)
{
    *wheel = (struct rn_wheel){.tick = now >> RN_WHEEL_TICK_SHIFT};
}

/* Rounded up: a timer never fires early. */
static uint64_t tick_of(rn_ns deadline)
{
    return deadline ? ((deadline - 1) >> RN_WHEEL_TICK_SHIFT) + 1 : 0;
}

static void insert(struct rn_wheel *wheel, struct rn_timer *timer)
{
    uint64_t tick = tick_of(timer->deadline);
    /* The present tick is being fired or was: a timer that starts itself anew must not keep it
     * from ending. */
    if (tick <= wheel->tick) tick = wheel->tick + 1;
    unsigned level = (63 - (unsigned)__builtin_clzll(tick ^ wheel->tick)) / SLOT_BITS;
    unsigned slot = (unsigned)(tick >> (level * SLOT_BITS)) & (RN_WHEEL_SLOTS - 1);
    struct rn_timer **head = &wheel->slots[level][slot];
    timer->next = *head;
    timer->link = head;
    if (*head) (*head)->link = &timer->next;
    *head = timer;
    wheel->occupied[level] |= (uint64_t)1 << slot;
}

static void unlink_timer(struct rn_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next) timer->next->link = timer->link;
    timer->link = NULL;
}

void rn_wheel_add(struct rn_wheel *wheel, struct rn_timer *timer, rn_ns deadline)
{
    rn_wheel_remove(wheel, timer);
    timer->deadline = deadline;
    if (deadline == RN_NEVER) return;
    insert(wheel, timer);
    wheel->running++;
}

void rn_wheel_remove(struct rn_wheel *wheel, struct rn_timer *timer)
{
    if (!timer->link) return;
    unlink_timer(timer);
    wheel->running--;
}

/* The first occupied slot and the tick at which it begins; false when there is none. */
static bool first_slot(struct rn_wheel *wheel, unsigned *level, unsigned *slot, uint64_t *tick)
{
    for (unsigned l = 0; l < RN_WHEEL_LEVELS; l++) {
        while (wheel->occupied[l]) {
            unsigned s = (unsigned)__builtin_ctzll(wheel->occupied[l]);
            if (!wheel->slots[l][s]) { /* its timers were removed since */
                wheel->occupied[l] &= wheel->occupied[l] - 1;
                continue;
            }
            unsigned above = (l + 1) * SLOT_BITS;
            *level = l;
            *slot = s;
            *tick = (wheel->tick >> above << above) | ((uint64_t)s << (l * SLOT_BITS));
            return true;
        }
    }
    return false;
}

rn_ns rn_wheel_next(struct rn_wheel *wheel)
{
    unsigned level, slot;
    uint64_t tick;
    if (!wheel->running || !first_slot(wheel, &level, &slot, &tick)) return RN_NEVER;
    /* The last tick, where RN_NEVER is when a deadline was moved there, has no time. */
    return tick >> (64 - RN_WHEEL_TICK_SHIFT) ? RN_NEVER : tick << RN_WHEEL_TICK_SHIFT;
}

void rn_wheel_expire(struct rn_wheel *wheel, rn_ns now)
{
    uint64_t target = now >> RN_WHEEL_TICK_SHIFT;
    unsigned level, slot;
    uint64_t tick;
    if (target < wheel->tick) return;
    while (wheel->running && first_slot(wheel, &level, &slot, &tick) && tick <= target) {
        /* Off the wheel first, onto a list of our own: callbacks may then do what they like, also
         * with the timers that are still on it. */
        struct rn_timer *due = wheel->slots[level][slot];
        wheel->slots[level][slot] = NULL;
        wheel->occupied[level] &= ~((uint64_t)1 << slot);
        due->link = &due;
        if (tick > wheel->tick) wheel->tick = tick;
        while (due) {
            struct rn_timer *timer = due;
            unlink_timer(timer);
            if (timer->deadline > now) {
                insert(wheel, timer);
            } else {
                wheel->running--;
                timer->expire(timer, now);
            }
        }
    }
    wheel->tick = target;
}
