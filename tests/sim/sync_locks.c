/*
 * sim/sync_locks.c: mutex, semaphore, reader-writer lock and barrier: nobody is where he may not
 * be, nothing is held at the end, and all get there.
 */
#include "sync.h"

enum { HOLDERS_MAX = 6, ROUNDS_MAX = 12, PERMITS_MAX = 5, PARTIES_MAX = 5, LAPS_MAX = 8 };

static void start_actors(unsigned most, enum rn_poll (*poll)(struct rn_task *, struct rn_cx *))
{
    unsigned count = between(2, most);
    for (unsigned i = 0; i < count; i++) actor_new(i, 1 + pick(ROUNDS_MAX), poll);
}

/* ---- Mutex ----------------------------------------------------------------------------------- */

static struct {
    struct rn_mutex mutex;
    unsigned holder; /* + 1; 0: nobody */
    uint64_t tickets, served; /* in the order of the waits */
} alone;

static void enter(unsigned number)
{
    check(alone.holder == 0);
    alone.holder = number + 1;
}

static void leave(unsigned number)
{
    check(alone.holder == number + 1);
    alone.holder = 0;
    rn_mutex_unlock(&alone.mutex);
}

static enum rn_poll mutex_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        if (chance(4)) {
            if (!rn_mutex_try_lock(&alone.mutex)) continue;
        } else {
            actor->ticket = ++alone.tickets;
            rn_mutex_lock(&actor->wait, &alone.mutex);
            attempt_begin(&actor->attempt, cx, &actor->wait.future);
            RN_AWAIT(&actor->co, actor->attempt.future, cx);
            attempt_check(&actor->attempt, cx, actor->wait.result, false);
            if (actor->wait.result < 0) continue;
            check(actor->ticket > alone.served);
            alone.served = actor->ticket;
        }
        enter(actor->number);
        actor_pauses(actor, cx);
        RN_AWAIT(&actor->co, &actor->pause.future, cx);
        leave(actor->number);
    }
    RN_END(&actor->co);
}

static void start_mutex(void)
{
    memset(&alone, 0, sizeof alone);
    rn_mutex_init(&alone.mutex);
    start_actors(HOLDERS_MAX, mutex_poll);
}

/* From a thread: it waits by rn_block_on. */
static void hold_mutex(void)
{
    for (unsigned left = pick(ROUNDS_MAX); left; left--) {
        struct rn_wait wait;
        rn_mutex_lock(&wait, &alone.mutex);
        block_on(&wait.future);
        check(wait.result == 0);
        enter(HOLDERS_MAX);
        rest(RN_MICROSECOND << pick(12));
        leave(HOLDERS_MAX);
        if (chance(2)) rest(RN_MICROSECOND << pick(12));
    }
}

static void check_mutex(void)
{
    check(alone.holder == 0 && rn_mutex_try_lock(&alone.mutex));
    check(!rn_mutex_try_lock(&alone.mutex));
}

const struct part part_mutex = {start_mutex, hold_mutex, check_mutex};

/* ---- Semaphore ------------------------------------------------------------------------------- */

static struct {
    struct rn_semaphore semaphore;
    uint32_t permits, used;
} some;

static void take(uint32_t permits)
{
    some.used += permits;
    check(some.used <= some.permits);
}

static void give(uint32_t permits)
{
    some.used -= permits;
    rn_semaphore_release(&some.semaphore, permits);
}

static enum rn_poll semaphore_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        actor->count = 1 + pick(chance(2) ? 1 : some.permits);
        if (chance(4)) {
            if (!rn_semaphore_try_acquire(&some.semaphore, actor->count)) continue;
        } else {
            rn_semaphore_acquire(&actor->wait, &some.semaphore, actor->count);
            attempt_begin(&actor->attempt, cx, &actor->wait.future);
            RN_AWAIT(&actor->co, actor->attempt.future, cx);
            attempt_check(&actor->attempt, cx, actor->wait.result, false);
            if (actor->wait.result < 0) continue;
        }
        take(actor->count);
        actor_pauses(actor, cx);
        RN_AWAIT(&actor->co, &actor->pause.future, cx);
        give(actor->count);
    }
    RN_END(&actor->co);
}

static void start_semaphore(void)
{
    memset(&some, 0, sizeof some);
    some.permits = 1 + pick(PERMITS_MAX);
    rn_semaphore_init(&some.semaphore, some.permits);
    start_actors(HOLDERS_MAX + 2, semaphore_poll);
}

/* All of them at once: who waits for many isn't overtaken for ever. */
static void hold_permits(void)
{
    for (unsigned left = pick(4); left; left--) {
        struct rn_wait wait;
        rn_semaphore_acquire(&wait, &some.semaphore, some.permits);
        block_on(&wait.future);
        check(wait.result == 0 && some.used == 0);
        take(some.permits);
        rest(RN_MICROSECOND << pick(14));
        give(some.permits);
    }
}

static void check_semaphore(void)
{
    check(some.used == 0 && rn_semaphore_try_acquire(&some.semaphore, some.permits));
    check(!rn_semaphore_try_acquire(&some.semaphore, 1));
}

const struct part part_semaphore = {start_semaphore, hold_permits, check_semaphore};

/* ---- Reader-writer lock ---------------------------------------------------------------------- */

static struct {
    struct rn_rwlock lock;
    uint32_t readers, writers;
    uint32_t one, other; /* are equal, but while somebody writes */
} shared;

static void begin_reading(void)
{
    shared.readers++;
    check(shared.writers == 0 && shared.one == shared.other);
}

static void end_reading(void)
{
    check(shared.writers == 0 && shared.one == shared.other);
    shared.readers--;
    rn_rwlock_read_end(&shared.lock);
}

static void begin_writing(void)
{
    shared.writers++;
    check(shared.writers == 1 && shared.readers == 0 && shared.one == shared.other);
    shared.one++;
}

static void end_writing(void)
{
    shared.other++;
    check(shared.writers == 1 && shared.readers == 0 && shared.one == shared.other);
    shared.writers--;
    rn_rwlock_write_end(&shared.lock);
}

static enum rn_poll rwlock_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        actor->count = chance(3); /* it writes */
        if (actor->count) rn_rwlock_write(&actor->wait, &shared.lock);
        else rn_rwlock_read(&actor->wait, &shared.lock);
        attempt_begin(&actor->attempt, cx, &actor->wait.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, actor->wait.result, false);
        if (actor->wait.result < 0) continue;
        if (actor->count) begin_writing();
        else begin_reading();
        actor_pauses(actor, cx);
        RN_AWAIT(&actor->co, &actor->pause.future, cx);
        if (actor->count) end_writing();
        else end_reading();
    }
    RN_END(&actor->co);
}

static void start_rwlock(void)
{
    memset(&shared, 0, sizeof shared);
    rn_rwlock_init(&shared.lock);
    start_actors(HOLDERS_MAX + 2, rwlock_poll);
}

static void write_from_thread(void)
{
    for (unsigned left = 1 + pick(4); left; left--) {
        struct rn_wait wait;
        rn_rwlock_write(&wait, &shared.lock);
        block_on(&wait.future);
        check(wait.result == 0);
        begin_writing();
        rest(RN_MICROSECOND << pick(14));
        end_writing();
    }
}

/* Nobody holds it: a writer comes in at once. */
static void check_rwlock(void)
{
    struct rn_wait wait;
    check(shared.readers == 0 && shared.writers == 0);
    rn_rwlock_write(&wait, &shared.lock);
    block_on(&wait.future);
    check(wait.result == 0);
}

const struct part part_rwlock = {start_rwlock, write_from_thread, check_rwlock};

/* ---- Barrier --------------------------------------------------------------------------------- */

static struct {
    struct rn_barrier barrier;
    uint32_t parties, laps;
    uint32_t came[LAPS_MAX], last[LAPS_MAX];
} race;

/* Each takes part in each lap. Who gives up before all are there comes again. */
static enum rn_poll barrier_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->count < race.laps;) {
        actor_pauses(actor, cx);
        RN_AWAIT(&actor->co, &actor->pause.future, cx);
        race.came[actor->count]++;
        rn_barrier_wait(&actor->wait, &race.barrier);
        attempt_begin(&actor->attempt, cx, &actor->wait.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, actor->wait.result, true);
        if (actor->wait.result < 0) {
            race.came[actor->count]--;
            continue;
        }
        check(race.came[actor->count] == race.parties);
        race.last[actor->count] += (uint32_t)actor->wait.result;
        actor->count++;
    }
    RN_END(&actor->co);
}

static void start_barrier(void)
{
    memset(&race, 0, sizeof race);
    race.parties = 1 + pick(PARTIES_MAX);
    race.laps = 1 + pick(LAPS_MAX);
    rn_barrier_init(&race.barrier, race.parties);
    for (uint32_t i = 0; i < race.parties; i++)
        actor_new(i, 0, barrier_poll)->indispensable = true;
}

static void check_barrier(void)
{
    for (uint32_t i = 0; i < race.laps; i++) check(race.last[i] == 1);
}

const struct part part_barrier = {start_barrier, NULL, check_barrier};
