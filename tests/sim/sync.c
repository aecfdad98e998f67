/*
 * sim/sync.c: tasks on several workers, and ordinary threads, that wait for each other with all
 * that runnel/sync.h, channel.h and concurrency.h have, and give up in the middle: by a timeout, a
 * select, or because they are cancelled. Who gives up holds nothing and takes no wakeup along.
 */
#include "sync.h"

#include "sys/sys.h"

enum { PARTS_MAX = 4, CANCELS_MAX = 20, TRIES_MAX = 12 };

static const struct part *const parts[] = {
    &part_mutex,      &part_semaphore, &part_rwlock,  &part_barrier,  &part_notify, &part_event,
    &part_wait_group, &part_watch,     &part_channel, &part_interval, &part_scope,
};

struct rn_runtime *sync_runtime;
static struct actor actors[ACTORS_MAX];
static uint32_t actor_count, ended, controllers_ended;

static struct rn_worker *pick_worker(void)
{
    return rn_runtime_worker(sync_runtime, pick(rn_runtime_workers(sync_runtime)));
}

/* ---- Waits ----------------------------------------------------------------------------------- */

void attempt_alone(struct attempt *attempt, struct rn_future *wait)
{
    attempt->manner = ALONE;
    attempt->future = wait;
}

void attempt_begin(struct attempt *attempt, struct rn_cx *cx, struct rn_future *wait)
{
    struct rn_awaitable of = rn_awaitable_of(wait);
    rn_ns patience = chance(8) ? 0 : RN_MICROSECOND << pick(16);
    attempt_alone(attempt, wait);
    if (attempt->tries++ < TRIES_MAX) attempt->manner = pick(MANNERS);
    if (attempt->manner == IN_TIMEOUT) {
        rn_timeout(&attempt->timeout, cx, of, patience);
        attempt->future = &attempt->timeout.future;
    } else if (attempt->manner == IN_SELECT) {
        rn_sleep(&attempt->sleep, cx, patience);
        attempt->place = (int)pick(2);
        attempt->branches[attempt->place] = of;
        attempt->branches[!attempt->place] = rn_awaitable_of(&attempt->sleep);
        rn_select(&attempt->select, attempt->branches, 2);
        attempt->future = &attempt->select.future;
    }
}

void attempt_check(const struct attempt *attempt, const struct rn_cx *cx, int result, bool keeps)
{
    bool gave_up = cx->cancelled; /* whether it may have */
    bool must = false;
    if (attempt->manner == IN_TIMEOUT) {
        must = attempt->timeout.result < 0;
        check(!must || attempt->timeout.result == -RN_K_ETIMEDOUT);
        gave_up |= must;
    } else if (attempt->manner == IN_SELECT) {
        must = attempt->select.result != attempt->place;
        check(attempt->select.result >= 0 || cx->cancelled);
        gave_up = must;
    }
    if (result == -RN_K_ECANCELED && !gave_up) fail("a wait was given up by itself");
    if (result != -RN_K_ECANCELED && must && !keeps) fail("a wait was given up: %d", result);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static void on_done(struct rn_task *task) { count_up(&ended); }

struct actor *actor_new(unsigned number, unsigned rounds,
                        enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx))
{
    struct actor *actor = &actors[actor_count++];
    check(actor_count <= ACTORS_MAX);
    *actor = (struct actor){.number = number, .rounds = rounds};
    actor->task.poll = poll;
    actor->task.done = on_done;
    return actor;
}

void actor_spawn(struct actor *actor) { rn_spawn_remote(pick_worker(), &actor->task); }

void actor_begins(struct actor *actor, const struct rn_cx *cx)
{
    actor->waker = cx->waker;
    count_up(&actor->told);
    struct rn_sleep never = {0};
    check(rn_block_on(cx->worker, rn_awaitable_of(&never)) == RN_E_MISUSE);
}

void actor_pauses(struct actor *actor, struct rn_cx *cx)
{
    actor->yield = (struct rn_yield){0};
    actor->pause_of = rn_awaitable_of(&actor->yield);
    if (chance(2)) {
        rn_sleep(&actor->sleep, cx, RN_MICROSECOND << pick(14));
        actor->pause_of = rn_awaitable_of(&actor->sleep);
    }
    rn_select(&actor->pause, &actor->pause_of, 1);
}

void block_on(struct rn_future *future)
{
    check(rn_block_on(pick_worker(), rn_awaitable_of(future)) == 0);
}

void set_count(uint32_t *counter, uint32_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
    rn_sys_futex_wake(counter, 1);
}

/* ---- The run --------------------------------------------------------------------------------- */

static void cancel_some(void)
{
    for (uint32_t left = pick(CANCELS_MAX + 1); left; left--) {
        struct actor *actor = &actors[pick(actor_count)];
        if (chance(2)) rest(RN_MICROSECOND << pick(16));
        if (actor->indispensable) continue;
        await_count(&actor->told, 1);
        rn_task_cancel(actor->waker);
        if (chance(4)) rn_wake(actor->waker);
    }
}

static void control(void *argument)
{
    const struct part *part = argument;
    part->control();
    count_up(&controllers_ended);
}

static void run_sync(void)
{
    static struct rn_thread threads[PARTS_MAX];
    const struct part *chosen[PARTS_MAX];
    uint32_t count = 1 + pick(PARTS_MAX), first = pick(RN_COUNT(parts)), controllers = 0;
    uint32_t step = 1 + pick(RN_COUNT(parts) - 1); /* there are a prime number of them */
    sync_runtime = start_runtime(between(1, 4), pick_backend());
    ended = actor_count = controllers_ended = 0;
    faults_on();
    for (uint32_t i = 0; i < count; i++) {
        chosen[i] = parts[(first + i * step) % RN_COUNT(parts)];
        chosen[i]->start();
    }
    for (uint32_t i = 0; i < actor_count; i++) actor_spawn(&actors[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (!chosen[i]->control) continue;
        while (rn_thread_start(&threads[controllers], control, (void *)(uintptr_t)chosen[i],
                               65536) < 0)
            check(run.weather >= ROUGH);
        controllers++;
    }
    cancel_some();
    await_count(&controllers_ended, controllers);
    await_count(&ended, actor_count);
    for (uint32_t i = 0; i < controllers; i++) rn_thread_join(&threads[i]);
    for (uint32_t i = 0; i < count; i++)
        if (chosen[i]->judge) chosen[i]->judge();
    stop_runtime(sync_runtime);
}

const struct workload workload_sync = {"sync", run_sync};
