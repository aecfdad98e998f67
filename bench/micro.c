/*
 * bench/micro.c: what the small things cost: a task, a wake, a fiber's switch, a message, a timer.
 *
 * Each figure is the best of several rounds, in nanoseconds for one, with nothing else on the
 * worker: the cost of the thing itself, not of what a busy program's caches make of it. The backend
 * is epoll, or what RUNNEL_BACKEND names.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <runnel/backend.h>
#include <runnel/channel.h>
#include <runnel/concurrency.h>
#include <runnel/fiber.h>
#include <runnel/runtime.h>
#include <runnel/socket.h>

#include "core/worker.h"
#include "sys/context.h"

enum { ROUNDS = 60, REPEATS = 20000, TIMERS = 1000000, CALLS = 5000 };

static struct rn_runtime *runtime;
static struct rn_fiber_pool pool;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* A row: what, how much, and what it is to be at most, where that was set. */
static void row(const char *what, double best, const char *unit, double target)
{
    printf("  %-52s %8.1f %s", what, best, unit);
    if (target > 0) printf("   (target %.0f)", target);
    printf("\n");
    fflush(stdout);
}

static double best_of;

static void keep_best(double total, double count)
{
    if (total / count < best_of) best_of = total / count;
}

/* ---- Spawn and join -------------------------------------------------------------------------- */

struct empty {
    struct rn_task task;
    struct rn_join join;
};

static enum rn_poll empty_poll(struct rn_task *task, struct rn_cx *cx) { return RN_READY; }

struct spawner {
    struct rn_task task;
    rn_co co;
    struct empty child;
    struct rn_fiber fiber;
    unsigned count;
    double began;
};

static enum rn_poll spawn_and_join(struct rn_task *task, struct rn_cx *cx)
{
    struct spawner *self = rn_container_of(task, struct spawner, task);
    RN_BEGIN(&self->co);
    self->began = now_ns();
    for (self->count = 0; self->count < REPEATS; self->count++) {
        self->child = (struct empty){.task = {.poll = empty_poll, .join = &self->child.join}};
        if (rn_spawn(cx->worker, &self->child.task) < 0) abort();
        RN_AWAIT(&self->co, &self->child.join, cx);
    }
    keep_best(now_ns() - self->began, REPEATS);
    RN_END(&self->co);
}

static int64_t empty_fiber(void *argument) { return 0; }

static enum rn_poll spawn_fibers(struct rn_task *task, struct rn_cx *cx)
{
    struct spawner *self = rn_container_of(task, struct spawner, task);
    RN_BEGIN(&self->co);
    self->began = now_ns();
    for (self->count = 0; self->count < REPEATS; self->count++) {
        if (rn_fiber_spawn(&self->fiber, &pool, cx->worker, empty_fiber, NULL) < 0) abort();
        RN_AWAIT(&self->co, &self->fiber.join, cx);
    }
    keep_best(now_ns() - self->began, REPEATS);
    RN_END(&self->co);
}

/* ---- Wakes ----------------------------------------------------------------------------------- */

/* Two tasks that wake each other; over when one has had enough, which ends the other. */
struct player {
    struct rn_task task;
    struct player *other;
    rn_waker waker;
    unsigned count;
    unsigned wanted;
    double began;
};

static enum rn_poll play(struct rn_task *task, struct rn_cx *cx)
{
    struct player *self = rn_container_of(task, struct player, task);
    self->waker = cx->waker;
    if (!self->count++) self->began = now_ns();
    if (self->other->waker.worker) rn_wake(self->other->waker);
    if (self->count < self->wanted) return RN_PENDING;
    return RN_READY;
}

struct match {
    struct rn_task task;
    rn_co co;
    struct player players[2];
    struct rn_join joins[2];
};

static enum rn_poll play_match(struct rn_task *task, struct rn_cx *cx)
{
    struct match *match = rn_container_of(task, struct match, task);
    RN_BEGIN(&match->co);
    for (unsigned i = 0; i < 2; i++) {
        struct player *player = &match->players[i];
        *player = (struct player){.task = {.poll = play, .join = &match->joins[i]},
                                  .other = &match->players[1 - i], .wanted = REPEATS};
        if (rn_spawn(cx->worker, &player->task) < 0) abort();
    }
    RN_AWAIT(&match->co, &match->joins[0], cx);
    keep_best(now_ns() - match->players[0].began, 2.0 * REPEATS);
    RN_AWAIT(&match->co, &match->joins[1], cx);
    RN_END(&match->co);
}

/* Two tasks on two workers, each of which wakes the other when it was woken. */
struct caller {
    struct rn_child child;
    struct caller *other;
    rn_waker waker;
    uint32_t told; /* atomic: so many calls have come */
    unsigned answered;
};

static enum rn_poll call_back(struct rn_task *task, struct rn_cx *cx)
{
    struct caller *self = rn_container_of(task, struct caller, child.task);
    while (self->answered < __atomic_load_n(&self->told, __ATOMIC_ACQUIRE)) {
        self->answered++;
        __atomic_fetch_add(&self->other->told, 1, __ATOMIC_RELEASE);
        rn_wake(self->other->waker);
    }
    return self->answered < CALLS ? RN_PENDING : RN_READY;
}

struct conversation {
    struct rn_task task;
    rn_co co;
    struct rn_scope scope;
    struct rn_sleep sleep;
    struct caller callers[2];
    double began;
};

static enum rn_poll converse(struct rn_task *task, struct rn_cx *cx)
{
    struct conversation *self = rn_container_of(task, struct conversation, task);
    RN_BEGIN(&self->co);
    rn_scope_open(&self->scope, cx->worker);
    for (unsigned i = 0; i < 2; i++) {
        self->callers[i] = (struct caller){.child.task.poll = call_back,
                                           .other = &self->callers[1 - i]};
        struct rn_worker *worker = rn_runtime_worker(runtime, i);
        if (rn_scope_spawn(&self->scope, worker, &self->callers[i].child) < 0) abort();
    }
    /* Until the other is there, too. */
    do {
        rn_sleep(&self->sleep, cx, RN_MILLISECOND);
        RN_AWAIT(&self->co, &self->sleep, cx);
    } while (!(__atomic_load_n(&self->callers[1].child.state, __ATOMIC_ACQUIRE) & 1));
    for (unsigned i = 0; i < 2; i++) self->callers[i].waker = self->callers[i].child.waker;
    self->began = now_ns();
    __atomic_fetch_add(&self->callers[0].told, 1, __ATOMIC_RELEASE);
    rn_wake(self->callers[0].waker);
    RN_AWAIT(&self->co, &self->scope.future, cx);
    keep_best(now_ns() - self->began, CALLS);
    RN_END(&self->co);
}

/* ---- Fibers ---------------------------------------------------------------------------------- */

static int64_t yield_often(void *argument)
{
    for (unsigned i = 0; i < REPEATS; i++) rn_fiber_yield();
    return 0;
}

static int64_t yield_by_turns(void *argument)
{
    struct rn_fiber *fibers = argument;
    double began = now_ns();
    for (unsigned i = 0; i < 2; i++)
        if (rn_fiber_spawn(&fibers[i], &pool, rn_worker_current(), yield_often, NULL) < 0) abort();
    for (unsigned i = 0; i < 2; i++) (void)!rn_fiber_join(&fibers[i]);
    keep_best(now_ns() - began, 2.0 * REPEATS);
    return 0;
}

/* Two ends on the loopback interface, that wait for each other. */
static int ends[2];

static void open_ends(void)
{
    struct sockaddr_in at[2];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t len = sizeof at[i];
        at[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        ends[i] = rn_fd_socket(AF_INET, SOCK_DGRAM, 0);
        if (rn_fd_bind(ends[i], &at[i], sizeof at[i]) || rn_fd_getsockname(ends[i], &at[i], &len))
            abort();
    }
    for (unsigned i = 0; i < 2; i++)
        if (rn_fd_connect(ends[i], &at[!i], sizeof at[i])) abort();
}

static int64_t answer_often(void *argument)
{
    char byte;
    for (unsigned i = 0; i < CALLS; i++)
        if (rn_fd_recv(ends[1], &byte, 1, 0) != 1 || rn_fd_send(ends[1], &byte, 1, 0) != 1) abort();
    return 0;
}

static int64_t ask_often(void *argument)
{
    struct rn_fiber other = {.finished = false};
    char byte = 'x';
    open_ends();
    double began = now_ns();
    if (rn_fiber_spawn(&other, &pool, rn_worker_current(), answer_often, NULL) < 0) abort();
    for (unsigned i = 0; i < CALLS; i++)
        if (rn_fd_send(ends[0], &byte, 1, 0) != 1 || rn_fd_recv(ends[0], &byte, 1, 0) != 1) abort();
    keep_best(now_ns() - began, CALLS);
    (void)!rn_fiber_join(&other);
    for (unsigned i = 0; i < 2; i++) (void)!rn_fd_close(ends[i]);
    return 0;
}

static void *contexts[2];

static void switch_back(void *argument)
{
    for (;;) rn_context_switch(&contexts[1], contexts[0]);
}

static void measure_switch(void)
{
    static char stack[65536] __attribute__((aligned(64)));
    contexts[1] = rn_context_make(stack + sizeof stack, switch_back, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        double began = now_ns();
        for (unsigned i = 0; i < REPEATS; i++) rn_context_switch(&contexts[0], contexts[1]);
        keep_best(now_ns() - began, 2.0 * REPEATS);
    }
}

/* ---- Channels -------------------------------------------------------------------------------- */

struct channel_end {
    struct rn_child child;
    rn_co co;
    struct rn_channel_wait wait;
    struct rn_channel *channel;
    uint64_t element;
    unsigned count;
};

static enum rn_poll send_many(struct rn_task *task, struct rn_cx *cx)
{
    struct channel_end *self = rn_container_of(task, struct channel_end, child.task);
    RN_BEGIN(&self->co);
    for (self->count = 0; self->count < REPEATS; self->count++) {
        rn_channel_send(&self->wait, self->channel, &self->element);
        RN_AWAIT(&self->co, &self->wait.future, cx);
        self->element++;
    }
    RN_END(&self->co);
}

static enum rn_poll recv_many(struct rn_task *task, struct rn_cx *cx)
{
    struct channel_end *self = rn_container_of(task, struct channel_end, child.task);
    RN_BEGIN(&self->co);
    for (self->count = 0; self->count < REPEATS; self->count++) {
        rn_channel_recv(&self->wait, self->channel, &self->element);
        RN_AWAIT(&self->co, &self->wait.future, cx);
        if (self->element != self->count) abort();
    }
    RN_END(&self->co);
}

struct exchange {
    struct rn_task task;
    rn_co co;
    struct rn_scope scope;
    struct rn_channel channel;
    struct channel_end ends[2];
    uint64_t memory[64];
    uint32_t capacity;
    unsigned receiver; /* the worker */
    double began;
};

static enum rn_poll exchange_many(struct rn_task *task, struct rn_cx *cx)
{
    struct exchange *self = rn_container_of(task, struct exchange, task);
    RN_BEGIN(&self->co);
    rn_channel_init(&self->channel, self->memory, sizeof *self->memory, self->capacity);
    rn_scope_open(&self->scope, cx->worker);
    self->began = now_ns();
    for (unsigned i = 0; i < 2; i++) {
        self->ends[i] = (struct channel_end){
            .child.task.poll = i ? recv_many : send_many, .channel = &self->channel};
        struct rn_worker *worker = rn_runtime_worker(runtime, i ? self->receiver : 0);
        if (rn_scope_spawn(&self->scope, worker, &self->ends[i].child) < 0) abort();
    }
    RN_AWAIT(&self->co, &self->scope.future, cx);
    keep_best(now_ns() - self->began, REPEATS);
    RN_END(&self->co);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

struct timing {
    struct rn_task task;
    struct rn_timer *timers;
    double start_best, stop_best, among_best;
};

static void ring(struct rn_timer *timer, rn_ns now) { abort(); }

/* A million are there, from now to an hour ahead; one more is started, moved and stopped. */
static enum rn_poll time_timers(struct rn_task *task, struct rn_cx *cx)
{
    struct timing *self = rn_container_of(task, struct timing, task);
    uint64_t random = 88172645463325252u;
    double began = now_ns();
    for (unsigned i = 0; i < TIMERS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self->timers[i].expire = ring;
        rn_timer_start(cx->worker, &self->timers[i],
                       cx->now + 600 * RN_SECOND + random % (3000 * RN_SECOND));
    }
    self->start_best = (now_ns() - began) / TIMERS;
    struct rn_timer one = {.expire = ring};
    began = now_ns();
    for (unsigned i = 0; i < REPEATS; i++) {
        rn_timer_start(cx->worker, &one, cx->now + 700 * RN_SECOND + i * RN_MILLISECOND);
        rn_timer_stop(cx->worker, &one);
    }
    self->among_best = (now_ns() - began) / REPEATS;
    began = now_ns();
    for (unsigned i = 0; i < TIMERS; i++) rn_timer_stop(cx->worker, &self->timers[i]);
    self->stop_best = (now_ns() - began) / TIMERS;
    return RN_READY;
}

static void measure_timers(void)
{
    struct timing timing = {.timers = calloc(TIMERS, sizeof(struct rn_timer))};
    double start = 1e9, stop = 1e9, among = 1e9;
    for (unsigned round = 0; round < 3; round++) {
        timing.task = (struct rn_task){.poll = time_timers};
        if (rn_block_on_task(rn_runtime_worker(runtime, 0), &timing.task) < 0) abort();
        if (timing.start_best < start) start = timing.start_best;
        if (timing.stop_best < stop) stop = timing.stop_best;
        if (timing.among_best < among) among = timing.among_best;
    }
    free(timing.timers);
    row("timer start and stop, a million outstanding", among, "ns", 0);
    row("timer start, each of a million", start, "ns", 0);
    row("timer stop, each of a million", stop, "ns", 0);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static void rounds(struct rn_task *task, rn_co *co)
{
    struct rn_task fresh = *task;
    best_of = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        *task = fresh;
        *co = (rn_co){0};
        if (rn_block_on_task(rn_runtime_worker(runtime, 0), task) < 0) abort();
    }
}

static void measure_channel(const char *what, uint32_t capacity, unsigned receiver)
{
    static struct exchange exchange;
    exchange = (struct exchange){.task.poll = exchange_many, .capacity = capacity,
                                 .receiver = receiver};
    rounds(&exchange.task, &exchange.co);
    row(what, best_of, "ns", 0);
}

static void measure_tasks(void)
{
    static struct spawner spawner;
    static struct match match;
    static struct conversation conversation;
    static struct rn_fiber fibers[3];
    spawner = (struct spawner){.task.poll = spawn_and_join};
    rounds(&spawner.task, &spawner.co);
    row("task: spawn, run, join", best_of, "ns", 60);
    best_of = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        match = (struct match){.task.poll = play_match};
        if (rn_block_on_task(rn_runtime_worker(runtime, 0), &match.task) < 0) abort();
    }
    row("task: wake to run, same worker", best_of, "ns", 25);
    conversation = (struct conversation){.task.poll = converse};
    rounds(&conversation.task, &conversation.co);
    row("task: wake to run, two workers, there and back", best_of, "ns", 0);
    spawner = (struct spawner){.task.poll = spawn_fibers};
    rounds(&spawner.task, &spawner.co);
    row("fiber: spawn, run, join", best_of, "ns", 0);
    best_of = 1e18;
    measure_switch();
    row("fiber: one switch of stacks", best_of, "ns", 30);
    best_of = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (rn_fiber_init(&fibers[2], &pool, yield_by_turns, fibers) < 0) abort();
        if (rn_block_on_task(rn_runtime_worker(runtime, 0), &fibers[2].child.task) < 0) abort();
    }
    row("fiber: yield to the next, through the run queue", best_of, "ns", 0);
    best_of = 1e18;
    for (unsigned round = 0; round < ROUNDS / 6; round++) {
        if (rn_fiber_init(&fibers[2], &pool, ask_often, NULL) < 0) abort();
        if (rn_block_on_task(rn_runtime_worker(runtime, 0), &fibers[2].child.task) < 0) abort();
    }
    row("fiber: a datagram there and back, by descriptors", best_of, "ns", 0);
}

int main(void)
{
    const char *name = getenv("RUNNEL_BACKEND");
    struct rn_runtime_options options = {.workers = 2,
                                         .backend = rn_backend_select(name ? name : "epoll", NULL),
                                         .tasks = 64, .buffers = 8, .buffer_size = 4096};
    if (rn_runtime_start(&runtime, &options) < 0) return 1;
    if (rn_fiber_pool_init(&pool, 8, 65536) < 0) return 1;
    printf("runnel\n");
    row("task: struct rn_task and its slot", sizeof(struct rn_task) + sizeof(struct rn_task_slot),
        "bytes", 128);
    measure_tasks();
    measure_channel("channel: send and receive, same worker, 64 places", 64, 0);
    measure_channel("channel: send and receive, same worker, hand to hand", 0, 0);
    measure_channel("channel: send and receive, two workers, 64 places", 64, 1);
    measure_channel("channel: send and receive, two workers, hand to hand", 0, 1);
    measure_timers();
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    rn_fiber_pool_fini(&pool);
    return 0;
}
