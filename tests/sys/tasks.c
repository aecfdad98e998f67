/*
 * tests/sys/tasks.c: tasks, scopes, channels and fibers on two workers, over real sockets, in a
 * program that says the same with a libc, without one, and on every architecture.
 */
#include <runnel/backend.h>
#include <runnel/channel.h>
#include <runnel/concurrency.h>
#include <runnel/fiber_net.h>
#include <runnel/runtime.h>

#include "base/bytes.h"
#include "sys/sys.h"

enum { MESSAGES = 1000, ROUNDS = 50, STACK = 65536 };

static struct rn_fiber_pool pool;
static unsigned failures;

static void say(const char *text, uint64_t value)
{
    char line[128];
    size_t len = strlen(text);
    memcpy(line, text, len);
    line[len++] = ' ';
    len += rn_format_u64(line + len, value);
    line[len++] = '\n';
    if (rn_sys_write(1, line, len) != (long)len) failures++;
}

static void check(bool right, const char *text)
{
    if (right) return;
    failures++;
    say(text, 0);
}

/* ---- A channel from one worker to the other -------------------------------------------------- */

static struct rn_channel channel;

struct producer {
    struct rn_child child;
    rn_co co;
    struct rn_channel_wait send;
    uint64_t number;
};

static enum rn_poll produce(struct rn_task *task, struct rn_cx *cx)
{
    struct producer *self = rn_container_of(task, struct producer, child.task);
    RN_BEGIN(&self->co);
    for (self->number = 1; self->number <= MESSAGES; self->number++) {
        rn_channel_send(&self->send, &channel, &self->number);
        RN_AWAIT(&self->co, &self->send.future, cx);
        check(self->send.result == 0, "WRONG: a send failed");
    }
    rn_channel_close(&channel);
    RN_END(&self->co);
}

static int64_t consume(void *argument)
{
    struct rn_channel_wait wait;
    uint64_t number, sum = 0;
    for (;;) {
        rn_channel_recv(&wait, &channel, &number);
        rn_fiber_await(&wait.future);
        if (wait.result < 0) break;
        sum = sum * 31 + number;
    }
    check(wait.result == RN_E_CLOSED, "WRONG: the channel's end");
    say("channel", sum);
    return 0;
}

/* ---- An echo --------------------------------------------------------------------------------- */

static int listener;
static struct rn_address address;

static int64_t serve(void *argument)
{
    struct rn_fiber_stream stream;
    char buffer[64];
    rn_ssize got;
    check(rn_fiber_accept(listener, &stream, NULL) == 0, "WRONG: accept");
    while ((got = rn_fiber_read(&stream, buffer, sizeof buffer)) > 0)
        check(rn_fiber_write_all(&stream, buffer, (size_t)got) == 0, "WRONG: write");
    rn_fiber_close(&stream);
    return got;
}

static int64_t call(void *argument)
{
    struct rn_fiber_stream stream;
    uint64_t sent, got = 0, sum = 0;
    check(rn_fiber_connect(&stream, &address, 60 * RN_SECOND) == 0, "WRONG: connect");
    for (sent = 0; sent < ROUNDS; sent++) {
        check(rn_fiber_write_all(&stream, &sent, sizeof sent) == 0, "WRONG: write");
        check(rn_fiber_read_exact(&stream, &got, sizeof got) == sizeof got, "WRONG: read");
        sum = sum * 31 + got;
    }
    say("echo", sum); /* before the other side sees the end */
    rn_fiber_close(&stream);
    return 0;
}

/* Arithmetic across switches, in registers that a function must preserve. */
static int64_t compute(void *argument)
{
    double value = 1, step = (double)(intptr_t)argument;
    uint64_t whole = (uint64_t)(intptr_t)argument;
    for (unsigned i = 0; i < 30; i++) {
        rn_fiber_yield();
        value = value * 1.5 + step;
        whole = whole * 6364136223846793005u + 1442695040888963407u;
    }
    return (int64_t)(whole ^ (uint64_t)value);
}

static int64_t sleep_long(void *argument) { return rn_fiber_sleep(3600 * RN_SECOND); }

/* ---- The whole ------------------------------------------------------------------------------- */

static int64_t run_all(void *argument)
{
    static struct producer producer = {.child.task.poll = produce};
    static struct rn_fiber fibers[8];
    struct rn_runtime *runtime = argument;
    struct rn_worker *here = rn_worker_current(), *there = rn_runtime_worker(runtime, 1);
    struct rn_scope scope;
    rn_scope_open(&scope, here);
    check(rn_fiber_spawn(&fibers[0], &pool, here, consume, NULL) == 0, "WRONG: spawn");
    check(rn_scope_spawn(&scope, there, &producer.child) == 0, "WRONG: spawn");
    check(rn_fiber_join(&fibers[0]) == 0, "WRONG: join");
    check(rn_fiber_spawn(&fibers[1], &pool, here, serve, NULL) == 0, "WRONG: spawn");
    check(rn_fiber_init(&fibers[2], &pool, call, NULL) == 0, "WRONG: init");
    check(rn_scope_spawn(&scope, there, &fibers[2].child) == 0, "WRONG: spawn");
    check(rn_fiber_join(&fibers[1]) == 0, "WRONG: join");
    for (intptr_t i = 3; i < 6; i++)
        check(rn_fiber_spawn(&fibers[i], &pool, here, compute, (void *)i) == 0, "WRONG: spawn");
    for (unsigned i = 3; i < 6; i++) say("compute", (uint64_t)rn_fiber_join(&fibers[i]));
    check(rn_fiber_init(&fibers[6], &pool, sleep_long, NULL) == 0, "WRONG: init");
    check(rn_scope_spawn(&scope, there, &fibers[6].child) == 0, "WRONG: spawn");
    check(rn_fiber_sleep(RN_MILLISECOND) == 0, "WRONG: sleep");
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    say("cancelled", (uint64_t)-fibers[6].child.task.result);
    return 0;
}

static int64_t overflow(void *argument)
{
    volatile char frame[4096];
    frame[0] = 1;
    return argument ? overflow(argument) + frame[0] : 0;
}

RN_PROGRAM_MAIN
int rn_main(int argc, char **argv, char **envp)
{
    struct rn_runtime *runtime = NULL;
    struct rn_runtime_options options = {.workers = 2, .backend = &rn_backend_poll, .tasks = 64,
                                         .buffers = 16, .buffer_size = 4096};
    static struct rn_fiber first;
    uint64_t messages[4];
    rn_channel_init(&channel, messages, sizeof *messages, RN_COUNT(messages));
    if (rn_fiber_pool_init(&pool, 8, STACK) < 0) return 2;
    if (rn_address_parse(&address, "127.0.0.1", 0) < 0) return 2;
    listener = rn_fiber_listen(&address, NULL);
    if (listener < 0 || rn_local_address(listener, &address) < 0) return 2;
    if (rn_runtime_start(&runtime, &options) < 0) return 2;
    bool overflows = argc == 2 && memcmp(argv[1], "overflow", 9) == 0;
    if (rn_fiber_init(&first, &pool, overflows ? overflow : run_all, runtime) < 0) return 2;
    check(rn_block_on_task(rn_runtime_worker(runtime, 0), &first.child.task) == 0, "WRONG: end");
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    rn_fiber_pool_fini(&pool);
    rn_sys_close(listener);
    say("failures", failures);
    return failures ? 1 : 0;
}
