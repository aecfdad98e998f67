/*
 * Runtimes on real threads and a real backend: every post, wake and spawn arrives, exactly once. A
 * wakeup that is lost shows as a hang, which alarm() ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <runnel/backend.h>
#include <runnel/runtime.h>

enum { PATIENCE_S = 50 };

static const struct rn_backend_vt *const backends[] = {&rn_backend_epoll, &rn_backend_poll,
                                                       &rn_backend_uring};
static const unsigned worker_counts[] = {1, 2, 3, 8, 16};

static bool works(const struct rn_backend_vt *backend)
{
    const char *missing;
    return backend->probe(&missing) == 0;
}

static struct rn_runtime *start(const struct rn_backend_vt *backend, unsigned workers)
{
    struct rn_runtime *runtime = NULL;
    const struct rn_runtime_options options = {
        .workers = workers, .backend = backend, .tasks = 512, .buffers = 16, .buffer_size = 512,
        .shared_tasks = 256};
    alarm(PATIENCE_S);
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    assert_int_equal(rn_runtime_workers(runtime), workers);
    return runtime;
}

static void stop(struct rn_runtime *runtime)
{
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    alarm(0);
}

static unsigned load(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void add(unsigned *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_ACQ_REL);
}

static void wait_for(const unsigned *counter, unsigned value)
{
    while (load(counter) < value) sched_yield();
    assert_int_equal(load(counter), value);
}

/* Each test, on each backend, with several numbers of workers. */
static void each(void (*test)(const struct rn_backend_vt *, unsigned))
{
    for (size_t b = 0; b < RN_COUNT(backends); b++)
        for (size_t w = 0; works(backends[b]) && w < RN_COUNT(worker_counts); w++)
            test(backends[b], worker_counts[w]);
}

/* ---- Starting and stopping --------------------------------------------------------------- */

static void starts_and_stops(const struct rn_backend_vt *backend, unsigned workers)
{
    struct rn_runtime *runtime = start(backend, workers);
    for (unsigned i = 0; i < workers; i++) {
        struct rn_worker *worker = rn_runtime_worker(runtime, i);
        assert_int_equal(rn_worker_index(worker), i);
        assert_ptr_equal(rn_worker_runtime(worker), runtime);
        assert_string_equal(rn_worker_backend_name(worker), backend->name);
    }
    assert_null(rn_worker_current());
    rn_runtime_stop(runtime); /* again is fine */
    stop(runtime);
}

static void runtimes_start_and_stop(void **state)
{
    (void)state;
    each(starts_and_stops);
}

struct hooks {
    unsigned starts, stops, idles;
    unsigned fail_at; /* the worker that doesn't start, from 1 on */
    int error;
};

static int on_start(struct rn_worker *worker, void *context)
{
    struct hooks *hooks = context;
    if (rn_worker_current() != worker || rn_worker_local(worker)) abort();
    if (rn_worker_index(worker) + 1 == hooks->fail_at) return hooks->error;
    rn_worker_set_local(worker, hooks);
    add(&hooks->starts);
    return 0;
}

static void on_stop(struct rn_worker *worker, void *context)
{
    struct hooks *hooks = context;
    if (rn_worker_current() != worker) abort();
    if (rn_worker_local(worker)) add(&hooks->stops);
}

static void on_idle(struct rn_worker *worker, void *context)
{
    struct hooks *hooks = context;
    if (rn_worker_local(worker) != hooks) abort();
    add(&hooks->idles);
}

static void hooks_run_on_each_workers_thread(void **state)
{
    (void)state;
    struct hooks hooks = {0};
    struct rn_runtime *runtime;
    const struct rn_runtime_options options = {
        .workers = 4, .backend = &rn_backend_epoll, .on_start = on_start, .on_stop = on_stop,
        .on_idle = on_idle, .context = &hooks};
    alarm(PATIENCE_S);
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    assert_int_equal(hooks.starts, 4);
    while (load(&hooks.idles) < 4) sched_yield();
    assert_int_equal(load(&hooks.stops), 0);
    stop(runtime);
    assert_int_equal(hooks.stops, 4);
}

static void a_worker_that_fails_to_start_ends_them_all(void **state)
{
    (void)state;
    for (unsigned fail_at = 1; fail_at <= 4; fail_at++) {
        struct hooks hooks = {.fail_at = fail_at, .error = -4242};
        struct rn_runtime *runtime = NULL;
        const struct rn_runtime_options options = {
            .workers = 4, .backend = &rn_backend_epoll, .on_start = on_start, .on_stop = on_stop,
            .context = &hooks};
        alarm(PATIENCE_S);
        assert_int_equal(rn_runtime_start(&runtime, &options), -4242);
        assert_null(runtime);
        assert_int_equal(hooks.starts, 3);
        assert_int_equal(hooks.stops, 3);
    }
    alarm(0);
}

static int failing_init(struct rn_backend *backend, const struct rn_backend_options *options)
{
    (void)options;
    /* What the backend is given is zero, and its own. */
    for (size_t i = sizeof *backend; i < backend->vt->size; i++)
        if (((const char *)backend)[i]) abort();
    return -77;
}

static void fini_of_what_never_began(struct rn_backend *backend)
{
    (void)backend;
    abort();
}

static void a_backend_that_fails_ends_the_start(void **state)
{
    (void)state;
    struct rn_backend_vt failing = rn_backend_epoll;
    failing.init = failing_init;
    failing.fini = fini_of_what_never_began;
    struct rn_runtime *runtime = NULL;
    struct rn_runtime_options options = {.workers = 3, .backend = &failing};
    alarm(PATIENCE_S);
    assert_int_equal(rn_runtime_start(&runtime, &options), -77);
    failing.size = (size_t)1 << 62;
    assert_int_equal(rn_runtime_start(&runtime, &options), -12);
    alarm(0);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    struct rn_runtime *runtime = NULL;
    struct rn_runtime_options options = {.workers = RN_WORKERS_MAX + 1,
                                         .backend = &rn_backend_epoll};
    alarm(PATIENCE_S);
    assert_int_equal(rn_runtime_start(&runtime, &options), RN_E_MISUSE);
    options.workers = 1;
    options.backend = NULL;
    assert_int_equal(rn_runtime_start(&runtime, &options), RN_E_MISUSE);
    options.backend = &rn_backend_epoll;
    options.buffer_size = 1000; /* no power of two */
    assert_int_equal(rn_runtime_start(&runtime, &options), RN_E_MISUSE);
    options.buffer_size = 1 << 20;
    options.buffers = UINT32_MAX; /* 4 PiB */
    assert_int_equal(rn_runtime_start(&runtime, &options), -12);
    options.buffers = 0;
    options.buffer_size = 0;
    options.workers = 0; /* as many as there are processors */
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    assert_in_range(rn_runtime_workers(runtime), 1, RN_WORKERS_MAX);
    stop(runtime);
}

/* A start that can't go through for want of descriptors leaves nothing behind. */
static void out_of_descriptors_it_does_not_start(void **state)
{
    (void)state;
    for (size_t b = 0; b < RN_COUNT(backends); b++) {
        if (!works(backends[b])) continue;
        struct rn_runtime *runtime = NULL;
        struct rn_runtime_options options = {.workers = 4, .backend = backends[b]};
        struct rlimit limit, low;
        int first = dup(0);
        close(first);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        low = limit;
        low.rlim_cur = (rlim_t)first + 1; /* room for one */
        alarm(PATIENCE_S);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        int result = rn_runtime_start(&runtime, &options);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(result, -24);
        int after = dup(0);
        assert_int_equal(after, first);
        close(after);
        stop(start(backends[b], 4));
    }
}

/* ---- Posts ------------------------------------------------------------------------------- */

struct post {
    struct rn_node node;
    struct rn_worker *target;
    unsigned *count;
    unsigned hops; /* to the other workers, still to go */
};

static void arrive(struct rn_worker *worker, struct rn_node *node)
{
    struct post *post = rn_container_of(node, struct post, node);
    struct rn_runtime *runtime = rn_worker_runtime(worker);
    if (post->target != worker || rn_worker_current() != worker) abort();
    if (post->hops-- == 0) {
        add(post->count);
        return;
    }
    unsigned next = (rn_worker_index(worker) + 1) % rn_runtime_workers(runtime);
    post->target = rn_runtime_worker(runtime, next);
    rn_worker_post(post->target, node);
}

enum { POSTS = 200, HOPS = 40 };

static void posts_go_round(const struct rn_backend_vt *backend, unsigned workers)
{
    static struct post posts[POSTS];
    struct rn_runtime *runtime = start(backend, workers);
    unsigned count = 0;
    for (unsigned i = 0; i < POSTS; i++) {
        posts[i] = (struct post){.target = rn_runtime_worker(runtime, i % workers),
                                 .count = &count, .hops = i % HOPS, .node.run = arrive};
        rn_worker_post(posts[i].target, &posts[i].node);
        if (i % 8 == 0) sched_yield(); /* some find the workers asleep, some awake */
    }
    wait_for(&count, POSTS);
    stop(runtime);
}

static void every_post_arrives(void **state)
{
    (void)state;
    each(posts_go_round);
}

/* One node at a time between two workers that sleep in between: nothing else would wake them. */
static void a_sleeping_worker_is_always_woken(void **state)
{
    (void)state;
    for (size_t b = 0; b < RN_COUNT(backends); b++) {
        if (!works(backends[b])) continue;
        struct rn_runtime *runtime = start(backends[b], 2);
        unsigned count = 0;
        struct post post = {.target = rn_runtime_worker(runtime, 0), .count = &count,
                            .hops = 5000, .node.run = arrive};
        rn_worker_post(post.target, &post.node);
        wait_for(&count, 1);
        stop(runtime);
    }
}

/* ---- Wakes ------------------------------------------------------------------------------- */

enum { WAKERS = 3, TASKS = 32, ROUNDS = 3000 };

/* Counts its polls, and how many of the wakers' rounds it has seen: each round must be seen by a
 * poll that begins after the wake. */
struct woken {
    struct rn_task task;
    unsigned *rounds; /* of all wakers: written before the wake */
    unsigned goal;
    uint64_t waker_slot; /* atomic: the waker, once the task has run */
    unsigned polls;
    unsigned *finished;
};

static enum rn_poll watch(struct rn_task *task, struct rn_cx *cx)
{
    struct woken *woken = rn_container_of(task, struct woken, task);
    woken->polls++;
    uint64_t packed = (uint64_t)cx->waker.slot << 32 | cx->waker.generation;
    __atomic_store_n(&woken->waker_slot, packed, __ATOMIC_RELEASE);
    if (load(woken->rounds) < woken->goal) return RN_PENDING;
    return RN_READY;
}

static void watch_done(struct rn_task *task)
{
    add(rn_container_of(task, struct woken, task)->finished);
}

struct waking_thread {
    pthread_t thread;
    struct rn_runtime *runtime;
    struct woken *tasks;
    unsigned *rounds;
};

static void *wake_them_all(void *argument)
{
    struct waking_thread *thread = argument;
    unsigned workers = rn_runtime_workers(thread->runtime);
    for (unsigned round = 0; round < ROUNDS; round++) {
        add(thread->rounds);
        for (unsigned i = 0; i < TASKS; i++) {
            uint64_t packed = __atomic_load_n(&thread->tasks[i].waker_slot, __ATOMIC_ACQUIRE);
            rn_wake((rn_waker){rn_runtime_worker(thread->runtime, i % workers),
                               (uint32_t)(packed >> 32), (uint32_t)packed});
        }
        if (round % 64 == 0) sched_yield();
    }
    return NULL;
}

static void wake_storm(const struct rn_backend_vt *backend, unsigned workers)
{
    static struct woken tasks[TASKS];
    struct waking_thread threads[WAKERS];
    unsigned rounds = 0, finished = 0;
    struct rn_runtime *runtime = start(backend, workers);
    for (unsigned i = 0; i < TASKS; i++) {
        tasks[i] = (struct woken){.task = {.poll = watch, .done = watch_done}, .rounds = &rounds,
                                  .goal = WAKERS * ROUNDS, .finished = &finished};
        rn_spawn_remote(rn_runtime_worker(runtime, i % workers), &tasks[i].task);
    }
    for (unsigned i = 0; i < TASKS; i++)
        while (!__atomic_load_n(&tasks[i].waker_slot, __ATOMIC_ACQUIRE)) sched_yield();
    for (unsigned t = 0; t < WAKERS; t++) {
        threads[t] = (struct waking_thread){.runtime = runtime, .tasks = tasks, .rounds = &rounds};
        assert_int_equal(pthread_create(&threads[t].thread, NULL, wake_them_all, &threads[t]), 0);
    }
    for (unsigned t = 0; t < WAKERS; t++) pthread_join(threads[t].thread, NULL);
    wait_for(&finished, TASKS); /* a lost wakeup leaves one waiting */
    for (unsigned i = 0; i < TASKS; i++)
        assert_in_range(tasks[i].polls, 1, 1 + WAKERS * ROUNDS);
    stop(runtime);
}

static void no_wake_is_lost(void **state)
{
    (void)state;
    for (size_t b = 0; b < RN_COUNT(backends); b++) {
        if (!works(backends[b])) continue;
        wake_storm(backends[b], 1);
        wake_storm(backends[b], 4);
    }
}

/* ---- Tasks for any worker ---------------------------------------------------------------- */

enum { SHARED = 3000 };

struct shared {
    struct rn_task task;
    rn_co co;
    struct rn_yield yield;
    unsigned *finished;
    unsigned ran_on;
};

static enum rn_poll run_shared(struct rn_task *task, struct rn_cx *cx)
{
    struct shared *shared = rn_container_of(task, struct shared, task);
    RN_BEGIN(&shared->co);
    shared->ran_on = 1 + rn_worker_index(cx->worker);
    RN_AWAIT(&shared->co, &shared->yield, cx);
    if (shared->ran_on != 1 + rn_worker_index(cx->worker)) abort(); /* it never moves */
    RN_END(&shared->co);
}

static void shared_done(struct rn_task *task)
{
    add(rn_container_of(task, struct shared, task)->finished);
}

static void spawns_anywhere(const struct rn_backend_vt *backend, unsigned workers)
{
    static struct shared tasks[SHARED];
    struct rn_runtime *runtime = start(backend, workers);
    unsigned finished = 0;
    for (unsigned i = 0; i < SHARED; i++) {
        tasks[i] = (struct shared){.task = {.poll = run_shared, .done = shared_done},
                                   .finished = &finished};
        while (rn_spawn_anywhere(runtime, &tasks[i].task) < 0) sched_yield(); /* full */
        if (i % 100 == 0) wait_for(&finished, i + 1); /* all asleep again */
    }
    wait_for(&finished, SHARED);
    for (unsigned i = 0; i < SHARED; i++) assert_in_range(tasks[i].ran_on, 1, workers);
    stop(runtime);
}

static void every_shared_task_runs_once(void **state)
{
    (void)state;
    each(spawns_anywhere);
}

/* ---- Joins across workers ---------------------------------------------------------------- */

enum { CHILDREN = 400 };

/* The parent frees each child as soon as the join is through: nobody may touch it after that. */
struct child {
    struct rn_task task;
    rn_co co;
    struct rn_yield yield;
    int64_t value;
};

struct parent {
    struct rn_task task;
    rn_co co;
    struct rn_join join;
    struct child *child;
    unsigned i;
    int64_t sum;
    unsigned *finished;
};

static enum rn_poll run_child(struct rn_task *task, struct rn_cx *cx)
{
    struct child *child = rn_container_of(task, struct child, task);
    RN_BEGIN(&child->co);
    if (child->value & 1) RN_AWAIT(&child->co, &child->yield, cx);
    task->result = child->value;
    RN_END(&child->co);
}

static enum rn_poll run_parent(struct rn_task *task, struct rn_cx *cx)
{
    struct parent *parent = rn_container_of(task, struct parent, task);
    struct rn_runtime *runtime = rn_worker_runtime(cx->worker);
    RN_BEGIN(&parent->co);
    for (parent->i = 0; parent->i < CHILDREN; parent->i++) {
        parent->child = calloc(1, sizeof *parent->child);
        parent->join = (struct rn_join){.result = 0};
        parent->child->value = parent->i;
        parent->child->task.poll = run_child;
        parent->child->task.join = &parent->join;
        rn_spawn_remote(rn_runtime_worker(runtime, parent->i % rn_runtime_workers(runtime)),
                        &parent->child->task);
        RN_AWAIT(&parent->co, &parent->join, cx);
        parent->sum += parent->join.result;
        memset(parent->child, 0xee, sizeof *parent->child);
        free(parent->child);
    }
    RN_END(&parent->co);
}

static void parent_done(struct rn_task *task)
{
    add(rn_container_of(task, struct parent, task)->finished);
}

static void joins(const struct rn_backend_vt *backend, unsigned workers)
{
    struct parent parents[4];
    struct rn_runtime *runtime = start(backend, workers);
    unsigned finished = 0;
    for (unsigned i = 0; i < 4; i++) {
        parents[i] = (struct parent){.task = {.poll = run_parent, .done = parent_done},
                                     .finished = &finished};
        rn_spawn_remote(rn_runtime_worker(runtime, i % workers), &parents[i].task);
    }
    wait_for(&finished, 4);
    stop(runtime);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(parents[i].sum, (int64_t)CHILDREN * (CHILDREN - 1) / 2);
}

static void joined_tasks_belong_to_the_joiner(void **state)
{
    (void)state;
    each(joins);
}

/* ---- Cancelling across workers ----------------------------------------------------------- */

struct sleeper {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    uint64_t waker_slot; /* atomic */
    unsigned *finished;
};

static enum rn_poll sleep_long(struct rn_task *task, struct rn_cx *cx)
{
    struct sleeper *sleeper = rn_container_of(task, struct sleeper, task);
    RN_BEGIN(&sleeper->co);
    rn_sleep(&sleeper->sleep, cx, 3600 * RN_SECOND);
    __atomic_store_n(&sleeper->waker_slot,
                     (uint64_t)cx->waker.slot << 32 | cx->waker.generation, __ATOMIC_RELEASE);
    RN_AWAIT(&sleeper->co, &sleeper->sleep, cx);
    task->result = sleeper->sleep.result;
    RN_END(&sleeper->co);
}

static void sleeper_done(struct rn_task *task)
{
    add(rn_container_of(task, struct sleeper, task)->finished);
}

static void a_task_is_cancelled_from_any_thread(void **state)
{
    (void)state;
    static struct sleeper sleepers[64];
    struct rn_runtime *runtime = start(&rn_backend_epoll, 4);
    unsigned finished = 0;
    for (unsigned i = 0; i < 64; i++) {
        struct sleeper *sleeper = &sleepers[i];
        struct rn_worker *worker = rn_runtime_worker(runtime, i % 4);
        uint64_t packed;
        *sleeper = (struct sleeper){.task = {.poll = sleep_long, .done = sleeper_done},
                                    .finished = &finished};
        rn_spawn_remote(worker, &sleeper->task);
        while (!(packed = __atomic_load_n(&sleeper->waker_slot, __ATOMIC_ACQUIRE))) sched_yield();
        rn_waker waker = {worker, (uint32_t)(packed >> 32), (uint32_t)packed};
        rn_task_cancel(waker);
        wait_for(&finished, i + 1);
        assert_int_equal(sleeper->task.result, -125);
        rn_task_cancel(waker); /* stale by now */
    }
#ifndef __SANITIZE_THREAD__ /* figures are read while the worker writes them */
    struct rn_worker_figures figures;
    uint64_t stale = 0;
    for (unsigned i = 0; i < 4; i++) {
        rn_worker_figures(rn_runtime_worker(runtime, i), &figures);
        stale += figures.stale_wakes;
        assert_int_equal(figures.tasks, 0);
        assert_int_equal(figures.timers, 0);
        assert_int_equal(figures.ops, 0);
    }
    assert_int_equal(stale, 64);
#endif
    stop(runtime);
}

#ifndef __SANITIZE_THREAD__
/* A worker that goes on for a while may ask for the figures of one that has ended. */
static void figures_can_be_read_to_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct rn_runtime *runtime = start(&rn_backend_epoll, 4);
        struct rn_worker_figures figures;
        rn_runtime_stop(runtime);
        for (int k = 0; k < 2000; k++) {
            rn_worker_figures(rn_runtime_worker(runtime, k % 4), &figures);
            assert_int_equal(figures.buffers, 0);
        }
        rn_runtime_join(runtime);
    }
    alarm(0);
}
#endif

/* What a worker is woken through stays until all have stopped: it would be a descriptor that
 * somebody else has by then. */
static unsigned stopped, finished;

static void counted_fini(struct rn_backend *backend)
{
    add(&finished);
    rn_backend_poll.fini(backend);
}

static void stop_last(struct rn_worker *worker, void *context)
{
    add(&stopped);
    if (rn_worker_index(worker)) return;
    wait_for(&stopped, 3);
    usleep(20000);
    assert_int_equal(load(&finished), 0);
}

static void wakes_end_after_all_have_stopped(void **state)
{
    struct rn_runtime *runtime = NULL;
    struct rn_backend_vt counted = rn_backend_poll;
    const struct rn_runtime_options options = {.workers = 3, .backend = &counted, .buffers = 16,
                                               .on_stop = stop_last};
    counted.fini = counted_fini;
    stopped = finished = 0;
    alarm(PATIENCE_S);
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    stop(runtime);
    assert_int_equal(finished, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runtimes_start_and_stop),
        cmocka_unit_test(hooks_run_on_each_workers_thread),
        cmocka_unit_test(a_worker_that_fails_to_start_ends_them_all),
        cmocka_unit_test(a_backend_that_fails_ends_the_start),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(out_of_descriptors_it_does_not_start),
        cmocka_unit_test(every_post_arrives),
        cmocka_unit_test(a_sleeping_worker_is_always_woken),
        cmocka_unit_test(no_wake_is_lost),
        cmocka_unit_test(every_shared_task_runs_once),
        cmocka_unit_test(joined_tasks_belong_to_the_joiner),
        cmocka_unit_test(a_task_is_cancelled_from_any_thread),
#ifndef __SANITIZE_THREAD__
        cmocka_unit_test(wakes_end_after_all_have_stopped),
        cmocka_unit_test(figures_can_be_read_to_the_end),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
