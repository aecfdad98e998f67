/*
 * sim/tasks.c: many workers and no socket: tasks that wake each other across workers, join, sleep,
 * are spawned anywhere and cancelled. Each ends once, every message arrives once and in order, and
 * no wakeup is lost: it would leave all asleep.
 */
#include "world.h"

#include "core/worker.h"

enum { PAIRS_MAX = 6, MESSAGES_MAX = 60, STRAYS_MAX = 40, SLEEPERS_MAX = 10 };

static uint32_t ended; /* tasks */
static uint32_t expected;

static void on_done(struct rn_task *task) { count_up(&ended); }

/* ---- Pairs: a producer and a consumer with one place between them ---------------------------- */

struct pair {
    struct rn_task producer, consumer;
    uint64_t place; /* atomic: 0 when empty */
    rn_waker producer_waker, consumer_waker; /* set before either can look */
    uint32_t ready; /* atomic: how many of the two have told their waker */
    uint32_t messages, sent, received;
    bool producer_told, consumer_told;
};

static struct pair pairs[PAIRS_MAX];

static bool both_there(struct pair *pair, struct rn_cx *cx, rn_waker *own, bool *told)
{
    if (!*told) {
        *told = true;
        *own = cx->waker;
        if (__atomic_fetch_add(&pair->ready, 1, __ATOMIC_ACQ_REL) == 1) {
            rn_wake(own == &pair->producer_waker ? pair->consumer_waker : pair->producer_waker);
            return true;
        }
    }
    return __atomic_load_n(&pair->ready, __ATOMIC_ACQUIRE) == 2;
}

static enum rn_poll produce(struct rn_task *task, struct rn_cx *cx)
{
    struct pair *pair = rn_container_of(task, struct pair, producer);
    if (!both_there(pair, cx, &pair->producer_waker, &pair->producer_told)) return RN_PENDING;
    while (pair->sent < pair->messages) {
        if (__atomic_load_n(&pair->place, __ATOMIC_ACQUIRE)) return RN_PENDING;
        __atomic_store_n(&pair->place, ++pair->sent, __ATOMIC_RELEASE);
        rn_wake(pair->consumer_waker);
    }
    return RN_READY;
}

static enum rn_poll consume(struct rn_task *task, struct rn_cx *cx)
{
    struct pair *pair = rn_container_of(task, struct pair, consumer);
    if (!both_there(pair, cx, &pair->consumer_waker, &pair->consumer_told)) return RN_PENDING;
    while (pair->received < pair->messages) {
        uint64_t value = __atomic_load_n(&pair->place, __ATOMIC_ACQUIRE);
        if (!value) return RN_PENDING;
        check(value == pair->received + 1);
        pair->received++;
        __atomic_store_n(&pair->place, 0, __ATOMIC_RELEASE);
        rn_wake(pair->producer_waker);
    }
    return RN_READY;
}

static void start_pair(struct pair *pair, struct rn_runtime *runtime)
{
    unsigned workers = rn_runtime_workers(runtime);
    *pair = (struct pair){.messages = 1 + pick(MESSAGES_MAX)};
    pair->producer.poll = produce;
    pair->consumer.poll = consume;
    pair->producer.done = pair->consumer.done = on_done;
    rn_spawn_remote(rn_runtime_worker(runtime, pick(workers)), &pair->producer);
    rn_spawn_remote(rn_runtime_worker(runtime, pick(workers)), &pair->consumer);
    expected += 2;
}

/* ---- Strays: tasks for whichever worker takes them, each of which joins the next ------------- */

struct stray {
    struct rn_task task;
    rn_co co;
    struct rn_join join;
    struct rn_yield yield;
    struct rn_sleep sleep;
    struct stray *child; /* spawned by this one */
    unsigned number;
    bool ran;
};

static struct stray strays[STRAYS_MAX];

static enum rn_poll stray_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct stray *stray = rn_container_of(task, struct stray, task);
    RN_BEGIN(&stray->co);
    check(!stray->ran);
    stray->ran = true;
    RN_AWAIT(&stray->co, &stray->yield, cx);
    if (stray->child) {
        stray->child->task.join = &stray->join;
        while (rn_spawn_anywhere(rn_worker_runtime(cx->worker), &stray->child->task) < 0) {
            rn_sleep(&stray->sleep, cx, RN_MILLISECOND); /* the stack is full */
            RN_AWAIT(&stray->co, &stray->sleep, cx);
        }
        RN_AWAIT(&stray->co, &stray->join, cx);
        check(stray->join.result == stray->number + 1);
    }
    task->result = stray->number;
    RN_END(&stray->co);
}

static void start_strays(struct rn_runtime *runtime, unsigned count)
{
    memset(strays, 0, sizeof strays);
    for (unsigned i = 0; i < count; i++) {
        strays[i].number = i;
        strays[i].task.poll = stray_poll;
        strays[i].task.done = on_done;
    }
    for (unsigned i = 0; i < count; i++) {
        if (i + 1 < count && !chance(3)) {
            strays[i].child = &strays[i + 1];
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (i && strays[i - 1].child) continue;
        while (rn_spawn_anywhere(runtime, &strays[i].task) < 0) rest(RN_MILLISECOND);
    }
    expected += count;
}

/* ---- Sleepers: cancelled at any time, from outside ------------------------------------------- */

struct sleeper {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    rn_ns duration;
    rn_waker waker;
    uint32_t told; /* the waker is there */
    bool cancelled; /* by us, so that it may end early */
    rn_ns began;
};

static struct sleeper sleepers[SLEEPERS_MAX];

static enum rn_poll sleeper_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct sleeper *sleeper = rn_container_of(task, struct sleeper, task);
    RN_BEGIN(&sleeper->co);
    sleeper->waker = cx->waker;
    sleeper->began = cx->now;
    count_up(&sleeper->told);
    rn_sleep(&sleeper->sleep, cx, sleeper->duration);
    RN_AWAIT(&sleeper->co, &sleeper->sleep, cx);
    if (sleeper->sleep.result == 0) check(cx->now >= sleeper->began + sleeper->duration);
    else check(sleeper->sleep.result == -RN_K_ECANCELED && sleeper->cancelled);
    RN_END(&sleeper->co);
}

static void start_sleepers(struct rn_runtime *runtime, unsigned count)
{
    memset(sleepers, 0, sizeof sleepers);
    for (unsigned i = 0; i < count; i++) {
        struct sleeper *sleeper = &sleepers[i];
        sleeper->duration = RN_MICROSECOND << pick(30);
        sleeper->task.poll = sleeper_poll;
        sleeper->task.done = on_done;
        rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))),
                        &sleeper->task);
    }
    expected += count;
}

static void cancel_sleepers(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (chance(3)) continue;
        if (chance(2)) rest(RN_MICROSECOND << pick(20));
        await_count(&sleepers[i].told, 1);
        sleepers[i].cancelled = true;
        rn_task_cancel(sleepers[i].waker);
        if (chance(4)) rn_task_cancel(sleepers[i].waker); /* also when it is long gone */
        if (chance(4)) rn_wake(sleepers[i].waker);
    }
}

/* Workers that have no slot left leave the tasks to others: there are just enough for all. */
static void run_full(void)
{
    unsigned workers = between(2, 4), count = between(4, STRAYS_MAX);
    struct rn_runtime *runtime = start_runtime_with(workers, (count + workers - 1) / workers);
    ended = expected = 0;
    faults_on();
    start_strays(runtime, count);
    await_count(&ended, expected);
    stop_runtime(runtime);
}

static void run_tasks(void)
{
    if (chance(4)) {
        run_full();
        return;
    }
    unsigned pair_count = 1 + pick(PAIRS_MAX), stray_count = 1 + pick(STRAYS_MAX),
             sleeper_count = 1 + pick(SLEEPERS_MAX);
    ended = expected = 0;
    struct rn_runtime *runtime = start_runtime(between(1, 4), pick_backend());
    faults_on();
    for (unsigned i = 0; i < pair_count; i++) start_pair(&pairs[i], runtime);
    if (chance(2)) start_strays(runtime, stray_count);
    start_sleepers(runtime, sleeper_count);
    cancel_sleepers(sleeper_count);
    await_count(&ended, expected);
    rest(RN_SECOND); /* in case something ends twice */
    check(ended == expected);
    stop_runtime(runtime);
}

const struct workload workload_tasks = {"tasks", run_tasks};
