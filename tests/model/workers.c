/*
 * Models of whole workers: the real loop of core/worker.c and core/task.c, over a backend that
 * only sleeps and wakes. A wakeup that is lost leaves all waiting.
 */
#include <stdlib.h>
#include <string.h>

#include <runnel/channel.h>
#include <runnel/concurrency.h>

#include "core/worker.h"

#include "models.h"

enum { WORKERS = 2, TURNS_MAX = 12 };

struct quiet_backend {
    struct rn_backend base;
    uint32_t rung;
};

static struct rn_runtime *runtime;
static unsigned worker_count;
static bool finished[WORKERS]; /* set by the worker's own thread: it may end its loop */

static struct rn_worker *worker_at(unsigned index) { return &runtime->workers[index]; }

static unsigned worker_index(const struct rn_backend *backend)
{
    return backend == worker_at(0)->backend ? 0 : 1;
}

/* ---- The backend ----------------------------------------------------------------------------- */

static int quiet_init(struct rn_backend *backend, const struct rn_backend_options *options)
{
    return 0;
}

static rn_ns quiet_now(struct rn_backend *backend) { return RN_SECOND; }
static void quiet_fini(struct rn_backend *backend) {}

static void quiet_wake(struct rn_backend *base)
{
    model_signal(&((struct quiet_backend *)base)->rung);
}

/* As a poll of an eventfd: one that doesn't wait takes the signal too. A worker that has done all
 * that the model wants doesn't sleep any more. */
static int quiet_poll(struct rn_backend *base, rn_ns until, struct rn_completion *done,
                      unsigned max)
{
    struct quiet_backend *backend = (struct quiet_backend *)base;
    if (until && !finished[worker_index(base)]) model_wait(&backend->rung);
    else __atomic_exchange_n(&backend->rung, 0, __ATOMIC_ACQUIRE);
    return 0;
}

static const struct rn_backend_vt quiet_vt = {
    .name = "quiet", .size = sizeof(struct quiet_backend), .init = quiet_init, .now = quiet_now,
    .poll = quiet_poll, .wake = quiet_wake, .fini = quiet_fini,
};

/* ---- Setting up ------------------------------------------------------------------------------ */

/* The first threads are the workers' own; the others are none's. */
static void enter(unsigned thread)
{
    rn_worker_enter(thread < worker_count ? worker_at(thread) : NULL);
}

static struct {
    void *at, *was;
    size_t size;
} kept[2 + 2 * WORKERS];
static unsigned kept_count;

static void keep(void *at, size_t size)
{
    kept[kept_count].at = at;
    kept[kept_count].size = size;
    kept[kept_count].was = malloc(size);
    memcpy(kept[kept_count++].was, at, size);
}

static void touch_current(void) { rn_worker_enter(NULL); }

static void make_runtime(unsigned count, unsigned tasks)
{
    size_t size = sizeof(struct rn_runtime) + WORKERS * sizeof(struct rn_worker);
    runtime = aligned_alloc(64, (size + 63) & ~(size_t)63);
    memset(runtime, 0, size);
    worker_count = count;
    runtime->options = (struct rn_runtime_options){.workers = count, .backend = &quiet_vt,
                                                   .tasks = tasks, .buffers = 4,
                                                   .buffer_size = 512, .shared_tasks = 4};
    model_assert(rn_shared_stack_init(&runtime->shared, 4) == 0);
    for (unsigned i = 0; i < count; i++) {
        worker_at(i)->runtime = runtime;
        worker_at(i)->index = i;
        model_assert(rn_worker_start(worker_at(i)) == 0);
    }
    keep(runtime, size);
    keep(runtime->shared.nodes, 4 * sizeof *runtime->shared.nodes);
    for (unsigned i = 0; i < count; i++) {
        keep(worker_at(i)->backend, sizeof(struct quiet_backend));
        keep(worker_at(i)->slots.base, (size_t)tasks * worker_at(i)->slots.stride);
    }
}

/* Workers that have just started: made once for a model, and then as they were, which is much
 * faster than making them for each execution. */
static void start(unsigned count, unsigned tasks)
{
    model_thread_local(touch_current);
    memset(finished, 0, sizeof finished);
    if (!runtime) make_runtime(count, tasks);
    for (unsigned i = 0; i < kept_count; i++) memcpy(kept[i].at, kept[i].was, kept[i].size);
    model_on_switch = enter;
}

static void stop(void)
{
    model_on_switch = NULL;
}

static void end(void)
{
    for (unsigned i = 0; i < worker_count; i++) {
        rn_worker_stop(worker_at(i));
        rn_worker_free(worker_at(i));
    }
    rn_shared_stack_fini(&runtime->shared);
    free(runtime);
    runtime = NULL;
    while (kept_count) free(kept[--kept_count].was);
}

static void work(void)
{
    unsigned self = model_self();
    for (unsigned turn = 0; !finished[self]; turn++) {
        model_assert(turn < TURNS_MAX);
        model_assert(rn_worker_turn(worker_at(self)) == 0);
    }
}

/* ---- A task that waits for others' words ----------------------------------------------------- */

struct waiting {
    struct rn_task task;
    unsigned wanted;
    unsigned home;
};

static struct waiting waiting;
static uint32_t words; /* how many were said */
static rn_waker waker;
static unsigned ran;

static enum rn_poll waiting_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct waiting *self = rn_container_of(task, struct waiting, task);
    ran++;
    return __atomic_load_n(&words, __ATOMIC_RELAXED) == self->wanted ? RN_READY : RN_PENDING;
}

static void waiting_done(struct rn_task *task) { finished[model_self()] = true; }

static void say_word(void)
{
    __atomic_fetch_add(&words, 1, __ATOMIC_RELAXED);
    rn_wake(waker);
}

static void wake_setup(unsigned wanted)
{
    start(1, 2);
    words = ran = 0;
    waiting = (struct waiting){.task = {.poll = waiting_poll, .done = waiting_done},
                               .wanted = wanted};
    rn_worker_enter(worker_at(0));
    model_assert(rn_spawn(worker_at(0), &waiting.task) == 0);
    waker = rn_task_waker(worker_at(0), &waiting.task);
    /* It has run once, and is idle. */
    model_assert(rn_worker_turn(worker_at(0)) == 0);
}

static void one_word(void) { wake_setup(1); }
static void two_words(void) { wake_setup(2); }

static void ran_to_its_end(void)
{
    /* Where it was woken again when it was done, it comes out of the queue once more. */
    rn_worker_enter(worker_at(0));
    model_assert(rn_worker_turn(worker_at(0)) == 0);
    model_assert(worker_at(0)->slots.used == 0 && words == waiting.wanted);
    model_assert(ran <= 1 + words && worker_at(0)->stale_wakes < words);
}

const struct model worker_wake = {"worker, a wake", one_word, {work, say_word}, ran_to_its_end,
                                  stop, end};
const struct model worker_two_wakers = {"worker, two wakers", two_words,
                                        {work, say_word, say_word}, ran_to_its_end, stop, end,
                                        .bound = 2};

/* ---- Posting --------------------------------------------------------------------------------- */

static struct rn_node posted[MODEL_THREADS];
static unsigned posts;

static void on_posted(struct rn_worker *worker, struct rn_node *node)
{
    if (++posts == 2) finished[model_self()] = true;
}

static void post_setup(void)
{
    start(1, 2);
    posts = 0;
    for (unsigned i = 0; i < MODEL_THREADS; i++) posted[i] = (struct rn_node){.run = on_posted};
}

static void post_node(void) { rn_worker_post(worker_at(0), &posted[model_self()]); }
static void two_came(void) { model_assert(posts == 2); }

const struct model worker_post = {"worker, two posts", post_setup, {work, post_node, post_node},
                                  two_came, stop, end, .bound = 2};

/* ---- Stopping -------------------------------------------------------------------------------- */

static void work_until_stopped(void)
{
    for (unsigned turn = 0; !__atomic_load_n(&runtime->stopping, __ATOMIC_RELAXED); turn++) {
        model_assert(turn < TURNS_MAX);
        model_assert(rn_worker_turn(worker_at(model_self())) == 0);
    }
}

static void stop_setup(void) { start(2, 2); }
static void stop_runtime(void) { rn_runtime_stop(runtime); }

const struct model worker_stop = {"workers, stopped", stop_setup,
                                  {work_until_stopped, work_until_stopped, stop_runtime},
                                  .teardown = stop, .end = end};

/* ---- Shared tasks ---------------------------------------------------------------------------- */

static struct rn_task shared_tasks[2];
static uint32_t shared_ran;

static enum rn_poll shared_poll(struct rn_task *task, struct rn_cx *cx) { return RN_READY; }

static void shared_done(struct rn_task *task)
{
    task->result++;
    __atomic_fetch_add(&shared_ran, 1, __ATOMIC_RELAXED);
    if (worker_count == 1) finished[0] = shared_ran == 2;
}

static void shared_setup(unsigned workers)
{
    start(workers, 1);
    shared_ran = 0;
    for (unsigned i = 0; i < 2; i++)
        shared_tasks[i] = (struct rn_task){.poll = shared_poll, .done = shared_done};
}

static void shared_one_worker(void) { shared_setup(1); }
static void spawn_first(void) { model_assert(rn_spawn_anywhere(runtime, &shared_tasks[0]) == 0); }
static void spawn_second(void) { model_assert(rn_spawn_anywhere(runtime, &shared_tasks[1]) == 0); }

static void both_ran_once(void)
{
    model_assert(shared_ran == 2);
    model_assert(shared_tasks[0].result == 1 && shared_tasks[1].result == 1);
}

const struct model worker_shared = {"worker, shared tasks", shared_one_worker,
                                    {work, spawn_first, spawn_second}, both_ran_once, stop, end,
                                    .bound = 2};

/* Two workers sleep or are about to, and one task comes: one of them takes it. */
static void shared_two_workers(void)
{
    shared_setup(2);
    shared_tasks[0].done = NULL;
}

static enum rn_poll last_poll(struct rn_task *task, struct rn_cx *cx)
{
    __atomic_fetch_add(&shared_ran, 1, __ATOMIC_RELAXED);
    rn_runtime_stop(runtime);
    return RN_READY;
}

static void shared_two_setup(void)
{
    shared_two_workers();
    shared_tasks[0].poll = last_poll;
}

static void ran_once(void) { model_assert(shared_ran == 1); }

const struct model worker_shared_two = {"workers, a shared task", shared_two_setup,
                                        {work_until_stopped, work_until_stopped, spawn_first},
                                        ran_once, stop, end, .bound = 2};

/* ---- Joining --------------------------------------------------------------------------------- */

static struct rn_join join_of;
static struct rn_task joined, joiner;

static enum rn_poll joined_poll(struct rn_task *task, struct rn_cx *cx)
{
    task->result = 42;
    return RN_READY;
}

static void joined_done(struct rn_task *task) { finished[model_self()] = true; }

static enum rn_poll joiner_poll(struct rn_task *task, struct rn_cx *cx)
{
    if (rn_join_poll(&join_of, cx) == RN_PENDING) return RN_PENDING;
    model_assert(join_of.result == 42);
    return RN_READY;
}

/* The joiner on the first worker, the one it waits for on the second. */
static void join_setup(void)
{
    start(2, 2);
    join_of = (struct rn_join){0};
    joined = (struct rn_task){.poll = joined_poll, .done = joined_done, .join = &join_of};
    joiner = (struct rn_task){.poll = joiner_poll, .done = joined_done};
    rn_worker_enter(worker_at(0));
    model_assert(rn_spawn(worker_at(0), &joiner) == 0);
    rn_worker_enter(worker_at(1));
    model_assert(rn_spawn(worker_at(1), &joined) == 0);
}

const struct model worker_join = {"workers, a join", join_setup, {work, work},
                                  .teardown = stop, .end = end};

/* ---- Spawning across ------------------------------------------------------------------------- */

static struct rn_task remote;

static void remote_setup(void)
{
    start(1, 2);
    remote = (struct rn_task){.poll = joined_poll, .done = joined_done};
}

static void spawn_remote(void) { rn_spawn_remote(worker_at(0), &remote); }
static void has_result(void) { model_assert(remote.result == 42); }

const struct model worker_across = {"worker, a task from elsewhere", remote_setup,
                                    {work, spawn_remote}, has_result, stop, end};

/* ---- Scopes ---------------------------------------------------------------------------------- */

static struct rn_scope scope;
static struct rn_child child;
static bool child_ends_by_itself;

static enum rn_poll child_poll(struct rn_task *task, struct rn_cx *cx)
{
    if (cx->cancelled) task->result = -1;
    return cx->cancelled || child_ends_by_itself ? RN_READY : RN_PENDING;
}

/* Spawns it elsewhere and cancels it, wherever it is by then. */
static enum rn_poll parent_poll(struct rn_task *task, struct rn_cx *cx)
{
    if (!scope.worker) {
        rn_scope_open(&scope, cx->worker);
        model_assert(rn_scope_spawn(&scope, worker_at(1), &child) == 0);
        rn_scope_cancel(&scope);
    }
    return rn_future_poll(&scope.future, cx);
}

static void scope_setup(bool ends_by_itself)
{
    start(2, 2);
    child_ends_by_itself = ends_by_itself;
    scope = (struct rn_scope){.count = 0};
    child = (struct rn_child){.task = {.poll = child_poll, .done = joined_done}};
    joiner = (struct rn_task){.poll = parent_poll, .done = joined_done};
    rn_worker_enter(worker_at(0));
    model_assert(rn_spawn(worker_at(0), &joiner) == 0);
}

static void scope_of_one_that_waits(void) { scope_setup(false); }
static void scope_of_one_that_ends(void) { scope_setup(true); }

static void scope_is_empty(void)
{
    model_assert(scope.count == 0 && !scope.children);
    model_assert(child_ends_by_itself || child.task.result == -1);
}

const struct model worker_scope = {"workers, a scope cancelled", scope_of_one_that_waits,
                                   {work, work}, scope_is_empty, stop, end, .bound = 2};
const struct model worker_scope_end = {"workers, a scope cancelled at its end",
                                       scope_of_one_that_ends, {work, work}, scope_is_empty, stop,
                                       end, .bound = 2};

/* ---- Channels -------------------------------------------------------------------------------- */

enum { LETTERS = 2 };

static struct rn_channel channel;
static struct rn_channel_wait sending, receiving;
static unsigned letter_sent, letter_got, letter_count;

static enum rn_poll sending_poll(struct rn_task *task, struct rn_cx *cx)
{
    while (letter_sent < LETTERS) {
        if (!sending.channel) rn_channel_send(&sending, &channel, &letter_sent);
        if (rn_future_poll(&sending.future, cx) == RN_PENDING) return RN_PENDING;
        model_assert(sending.result == 0);
        sending.channel = NULL;
        letter_sent++;
    }
    return RN_READY;
}

static enum rn_poll receiving_poll(struct rn_task *task, struct rn_cx *cx)
{
    while (letter_count < LETTERS) {
        if (!receiving.channel) rn_channel_recv(&receiving, &channel, &letter_got);
        if (rn_future_poll(&receiving.future, cx) == RN_PENDING) return RN_PENDING;
        model_assert(receiving.result == 0 && letter_got == letter_count);
        receiving.channel = NULL;
        letter_count++;
    }
    return RN_READY;
}

/* Without capacity, so that each letter goes from task to task and somebody always waits. */
static void channel_setup(void)
{
    start(2, 2);
    rn_channel_init(&channel, NULL, sizeof letter_sent, 0);
    memset(&sending, 0, sizeof sending);
    memset(&receiving, 0, sizeof receiving);
    letter_sent = letter_count = 0;
    joined = (struct rn_task){.poll = sending_poll, .done = joined_done};
    joiner = (struct rn_task){.poll = receiving_poll, .done = joined_done};
    rn_worker_enter(worker_at(0));
    model_assert(rn_spawn(worker_at(0), &joiner) == 0);
    rn_worker_enter(worker_at(1));
    model_assert(rn_spawn(worker_at(1), &joined) == 0);
}

static void all_came(void) { model_assert(letter_count == LETTERS); }

const struct model worker_channel = {"workers, a channel", channel_setup, {work, work}, all_came,
                                     stop, end, .bound = 2};
