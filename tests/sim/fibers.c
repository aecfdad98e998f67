/*
 * sim/fibers.c: a server and its clients, all of them fibers on several workers, in scopes, with a
 * semaphore and a channel between them; sometimes cancelled as a whole at any moment. What is read
 * is what was written; where nothing fails all get their answers; everything ends.
 */
#include "world.h"

#include <runnel/channel.h>
#include <runnel/concurrency.h>
#include <runnel/fiber_net.h>

#include "core/worker.h"

enum { CLIENTS_MAX = 12, CONNECTIONS_MAX = 48, ROUNDS_MAX = 6, PIECE_MAX = 900, STACK = 65536 };

static struct rn_fiber_pool pool;
static struct rn_fiber root, server, clients[CLIENTS_MAX], connections[CONNECTIONS_MAX];
static struct rn_semaphore turns;   /* so many clients are connected at once */
static struct rn_channel reports;   /* of clients that are done */
static uint32_t report_memory[4], report_count;
static uint32_t client_count, started, answered;
static bool cancelled; /* from outside: nobody need succeed */
static int listener;
static struct rn_address address;

/* In this weather, or for who is cancelled, a call may fail. */
static void may_fail(int64_t result)
{
    check(run.weather >= ROUGH || result == -RN_K_ECANCELED || cancelled);
}

/* ---- The server ------------------------------------------------------------------------------ */

static int64_t echo(void *argument)
{
    struct rn_fiber_stream stream;
    uint8_t piece[PIECE_MAX];
    rn_ssize got;
    rn_fiber_stream_of(&stream, (int)(intptr_t)argument);
    stream.read_timeout = stream.write_timeout = 20 * RN_SECOND;
    while ((got = rn_fiber_read(&stream, piece, sizeof piece)) > 0) {
        got = rn_fiber_write_all(&stream, piece, (size_t)got);
        if (got < 0) break;
    }
    if (got < 0) may_fail(got);
    rn_fiber_close(&stream);
    return 0;
}

static int64_t serve(void *argument)
{
    struct rn_scope scope;
    unsigned accepted = 0;
    rn_scope_open(&scope, rn_worker_current());
    while (accepted < CONNECTIONS_MAX) {
        struct rn_fiber_stream stream;
        struct rn_fiber *fiber = &connections[accepted];
        int result = rn_fiber_accept(listener, &stream, NULL);
        if (result == -RN_K_ECANCELED) break;
        if (result < 0) {
            may_fail(result);
            if (rn_fiber_sleep(10 * RN_MILLISECOND) < 0) break;
            continue;
        }
        check(rn_fiber_init(fiber, &pool, echo, (void *)(intptr_t)stream.fd) == 0);
        check(rn_scope_spawn(&scope, rn_worker_current(), &fiber->child) == 0);
        accepted++;
    }
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    check(scope.count == 0);
    return 0;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static bool exchange(struct rn_fiber_stream *stream, uint32_t key)
{
    uint8_t piece[PIECE_MAX];
    unsigned rounds = 1 + pick(ROUNDS_MAX);
    uint64_t at = 0;
    for (unsigned round = 0; round < rounds; round++) {
        size_t len = 1 + pick(PIECE_MAX);
        pattern_fill(piece, len, key, at);
        int written = rn_fiber_write_all(stream, piece, len);
        if (written < 0) return may_fail(written), false;
        memset(piece, 0, sizeof piece);
        rn_ssize got = rn_fiber_read_exact(stream, piece, len);
        if (got != (rn_ssize)len) return may_fail(got), false;
        pattern_check(piece, len, key, at, "fibers");
        at += len;
        if (chance(4)) rn_fiber_yield();
        if (chance(4) && rn_fiber_sleep(RN_MICROSECOND << pick(16)) < 0) return false;
    }
    return true;
}

static int64_t call(void *argument)
{
    uint32_t number = (uint32_t)(uintptr_t)argument;
    struct rn_fiber_stream stream;
    struct rn_wait turn;
    struct rn_channel_wait report;
    rn_semaphore_acquire(&turn, &turns, 1);
    rn_fiber_await(&turn.future);
    if (turn.result == 0) {
        int result = rn_fiber_connect(&stream, &address, 20 * RN_SECOND);
        if (result < 0) {
            may_fail(result);
        } else {
            stream.read_timeout = stream.write_timeout = 20 * RN_SECOND;
            if (exchange(&stream, number + 1)) __atomic_fetch_add(&answered, 1, __ATOMIC_RELAXED);
            rn_fiber_close(&stream);
        }
        rn_semaphore_release(&turns, 1);
    } else {
        may_fail(turn.result);
    }
    rn_channel_send(&report, &reports, &number);
    rn_fiber_await(&report.future);
    if (report.result < 0) may_fail(report.result);
    return report.result;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* One report of each client, in whatever order. */
static void collect(void)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < client_count; i++) {
        struct rn_channel_wait wait;
        uint32_t number;
        rn_channel_recv(&wait, &reports, &number);
        rn_fiber_await(&wait.future);
        if (wait.result < 0) {
            may_fail(wait.result);
            return;
        }
        check(number < client_count && !(seen >> number & 1));
        seen |= (uint64_t)1 << number;
    }
}

static int64_t run_all(void *argument)
{
    struct rn_runtime *runtime = argument;
    struct rn_scope scope;
    rn_scope_open(&scope, rn_worker_current());
    check(rn_fiber_init(&server, &pool, serve, NULL) == 0);
    check(rn_scope_spawn(&scope, rn_worker_current(), &server.child) == 0);
    for (uint32_t i = 0; i < client_count; i++) {
        struct rn_worker *worker = rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime)));
        check(rn_fiber_init(&clients[i], &pool, call, (void *)(uintptr_t)i) == 0);
        check(rn_scope_spawn(&scope, worker, &clients[i].child) == 0);
    }
    count_up(&started);
    collect();
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    check(scope.count == 0);
    rn_fiber_close_fd(listener);
    return 0;
}

static int open_listener(void)
{
    int fd;
    check(rn_address_parse(&address, "127.0.0.1:7000", 0) == 0);
    while ((fd = rn_fiber_listen(&address, NULL)) < 0) check(run.weather >= ROUGH);
    return fd;
}

/* A thread of no worker sees when the first fiber runs, and cancels it while it works. */
static void cancel_from_outside(struct rn_runtime *runtime, rn_waker waker)
{
    await_count(&started, 1);
    rest(RN_MICROSECOND << pick(20));
    cancelled = true;
    rn_task_cancel(waker);
}

struct starter {
    struct rn_node node;
    rn_waker waker;
    uint32_t done;
};

static struct starter starter;

static void start_root(struct rn_worker *worker, struct rn_node *node)
{
    check(rn_spawn(worker, &root.child.task) == 0);
    starter.waker = rn_task_waker(worker, &root.child.task);
    count_up(&starter.done);
}

static uint32_t root_ended;
static void on_root_done(struct rn_fiber *fiber) { count_up(&root_ended); }

static void run_fibers(void)
{
    struct rn_runtime *runtime = start_runtime(between(1, 4), pick_backend());
    client_count = between(1, CLIENTS_MAX);
    started = answered = root_ended = 0;
    cancelled = false;
    rn_semaphore_init(&turns, between(1, 4));
    report_count = pick(RN_COUNT(report_memory) + 1);
    rn_channel_init(&reports, report_memory, sizeof *report_memory, report_count);
    while (rn_fiber_pool_init(&pool, 2 + CLIENTS_MAX + CONNECTIONS_MAX, STACK) < 0)
        check(run.weather >= ROUGH);
    listener = open_listener();
    faults_on();
    bool cancels = chance(3);
    memset(&root, 0, sizeof root);
    if (cancels) {
        root.done = on_root_done;
        starter = (struct starter){.node.run = start_root};
        check(rn_fiber_init(&root, &pool, run_all, runtime) == 0);
        rn_worker_post(rn_runtime_worker(runtime, 0), &starter.node);
        await_count(&starter.done, 1);
        cancel_from_outside(runtime, starter.waker);
        await_count(&root_ended, 1);
    } else {
        check(rn_fiber_init(&root, &pool, run_all, runtime) == 0);
        check(rn_block_on_task(rn_runtime_worker(runtime, 0), &root.child.task) == 0);
        check(run.weather >= ROUGH || answered == client_count);
    }
    faults_off();
    check(pool.used == 0);
    check(rn_fiber_pool_peak(&pool) < STACK);
    rn_fiber_pool_fini(&pool);
    stop_runtime(runtime);
}

const struct workload workload_fibers = {"fibers", run_fibers};
