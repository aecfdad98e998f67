/*
 * sim/sync.h: what the parts of the sync workload share: tasks on any worker that are cancelled at
 * any time, and waits that are given up in the middle in every way there is.
 */
#ifndef SIM_SYNC_H
#define SIM_SYNC_H

#include "world.h"

#include <runnel/channel.h>
#include <runnel/concurrency.h>
#include <runnel/sync.h>

#include "core/worker.h"

/* ---- Waits ----------------------------------------------------------------------------------- */

/* One wait, which the task awaits itself, or in a timeout, or in a select with a sleep before or
 * behind it. */
struct attempt {
    struct rn_future *future; /* to be awaited */
    struct rn_timeout timeout;
    struct rn_select select;
    struct rn_awaitable branches[2];
    struct rn_sleep sleep;
    int place; /* of the wait in the select */
    enum { ALONE, IN_TIMEOUT, IN_SELECT, MANNERS } manner;
    unsigned tries; /* after so many that may be given up come others */
};
void attempt_begin(struct attempt *attempt, struct rn_cx *cx, struct rn_future *wait);
void attempt_alone(struct attempt *attempt, struct rn_future *wait);
/* The result fits how it ended. keeps: one that was served by then says so though it was given
 * up. */
void attempt_check(const struct attempt *attempt, const struct rn_cx *cx, int result, bool keeps);

/* ---- Tasks ----------------------------------------------------------------------------------- */

enum { ACTORS_MAX = 64, ELEMENT_BYTES = 24 };

struct element {
    uint32_t sender, number;
    uint8_t bytes[ELEMENT_BYTES];
};

struct actor {
    struct rn_task task;
    rn_co co;
    rn_waker waker;
    uint32_t told;     /* atomic: the waker is there */
    bool indispensable; /* is not cancelled: somebody counts on it */
    unsigned rounds, number;
    struct attempt attempt;
    struct rn_wait wait;
    struct rn_channel_wait channel_wait;
    struct rn_watch_wait watch_wait;
    struct rn_interval interval;
    struct rn_select pause;
    struct rn_awaitable pause_of;
    struct rn_sleep sleep;
    struct rn_yield yield;
    struct element element;
    uint32_t last[ACTORS_MAX]; /* number of each sender, + 1 */
    uint64_t ticket;
    uint32_t count;
    rn_ns due;
    bool enlisted;  /* it waits without a way out */
    uint32_t woken; /* atomic: waits that ended */
};

/* A new one, to be set up and spawned on some worker. */
struct actor *actor_new(unsigned number, unsigned rounds,
                        enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx));
void actor_spawn(struct actor *actor);
/* The first thing that each does. */
void actor_begins(struct actor *actor, const struct rn_cx *cx);
/* A moment in which others go on: await &actor->pause.future. */
void actor_pauses(struct actor *actor, struct rn_cx *cx);

/* Awaits it on some worker, from a thread of its own. */
void block_on(struct rn_future *future);
void set_count(uint32_t *counter, uint32_t value);

/* ---- The parts ------------------------------------------------------------------------------- */

struct part {
    void (*start)(void);
    void (*control)(void); /* a thread of its own runs it; NULL: none */
    void (*judge)(void);   /* when all have ended; NULL */
};
extern const struct part part_mutex, part_semaphore, part_rwlock, part_barrier, part_notify,
    part_event, part_wait_group, part_watch, part_channel, part_interval, part_scope;

extern struct rn_runtime *sync_runtime;

#endif
