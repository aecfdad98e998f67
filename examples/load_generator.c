/* A load for an echo server, such as echo_async, in pulses:
 *
 *     load_generator [ADDRESS] [BACKEND] [CONNECTIONS] [RATE] [PULSES] [TICKS]
 *
 * All connections are made first; then they begin at the same moment, ask for so many hundredths of
 * a second, rest as long, and begin again. Together they ask at most RATE times a second. */
#include "example.h"
#include <stdatomic.h>

enum { TEXT = 64, TICKS = 100 }; /* bytes of a question; ticks a second */

static struct client {
    struct rn_task task;
    rn_co co;
    rn_stream stream;
    struct rn_op op;
    struct rn_wait wait;
    rn_ns asked;
    int result;
    char answer[TEXT];
    _Atomic uint64_t answers, slowest; /* of this pulse */
} *clients;

static struct rn_wait_group connecting, running;
static struct rn_event go, stop;
static struct rn_semaphore permits;
static unsigned connections, rate;
static atomic_uint failures;
static const char question[TEXT] = "What everybody asks, and wants to hear again word by word.";

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, task);
    enum rn_family family = rn_address_family(&example_address);
    RN_BEGIN(&client->co);
    example_check(rn_stream_open(&client->stream, cx->worker, family), "socket");
    rn_stream_connect(client->stream, &client->op, cx, &example_address,
                      rn_after(cx, 10 * RN_SECOND));
    RN_AWAIT(&client->co, &client->op, cx);
    client->result = (int)client->op.result;
    rn_wait_group_done(&connecting);
    while (client->result == 0) {
        rn_event_wait(&client->wait, &go);
        RN_AWAIT(&client->co, &client->wait.future, cx);
        rn_semaphore_acquire(&client->wait, &permits, 1);
        RN_AWAIT(&client->co, &client->wait.future, cx);
        if (rn_event_is_set(&stop)) break;
        client->asked = cx->now;
        rn_stream_write_all(client->stream, &client->op, cx, question, TEXT,
                            rn_after(cx, 10 * RN_SECOND));
        RN_AWAIT(&client->co, &client->op, cx);
        rn_stream_read_exact(client->stream, &client->op, cx, client->answer, TEXT,
                             rn_after(cx, 10 * RN_SECOND));
        RN_AWAIT(&client->co, &client->op, cx);
        client->result = client->op.result < 0 ? (int)client->op.result
                         : memcmp(question, client->answer, TEXT) ? RN_E_PROTOCOL : 0;
        if (cx->now - client->asked > client->slowest) client->slowest = cx->now - client->asked;
        client->answers += client->result == 0;
    }
    if (client->result < 0 && ++failures == 1) puts(rn_error_text(client->result));
    rn_stream_close(client->stream, &client->op, cx);
    RN_AWAIT(&client->co, &client->op, cx);
    rn_wait_group_done(&running);
    RN_END(&client->co);
}

/* One pulse. At each tick there are permits for so many questions; those of the last that nobody
 * wanted are taken back, so that a server that was slow isn't asked the more afterwards. */
static void pulse(unsigned ticks)
{
    unsigned long answers = 0, slowest = 0;
    rn_event_set(&go);
    for (unsigned i = 0; i < 2 * ticks; i++) {
        if (i == ticks) rn_event_reset(&go);
        while (rn_semaphore_try_acquire(&permits, 1)) continue;
        rn_semaphore_release(&permits, (rate + TICKS - 1) / TICKS);
        usleep(1000000 / TICKS);
    }
    for (unsigned i = 0; i < connections; i++) {
        unsigned long its = atomic_exchange(&clients[i].slowest, 0);
        slowest = its > slowest ? its : slowest;
        answers += atomic_exchange(&clients[i].answers, 0);
    }
    printf("%lu answers, the slowest after %lu us\n", answers, slowest / 1000);
}

int main(int argc, char **argv)
{
    struct rn_wait wait;
    struct rn_runtime *runtime;
    example_arguments(argc, argv, "127.0.0.1:7000");
    connections = example_number(argc, argv, 3, 50);
    rate = example_number(argc, argv, 4, 10000);
    struct rn_runtime_options options = {.workers = 2, .backend = example_backend,
        .tasks = connections + 1, .shared_tasks = connections};
    signal(SIGPIPE, SIG_IGN);
    clients = example_new(connections, sizeof *clients);
    example_check(rn_runtime_start(&runtime, &options), "start");
    struct rn_worker *worker = rn_runtime_worker(runtime, 0);
    rn_wait_group_add(&connecting, connections);
    rn_wait_group_add(&running, connections);
    for (unsigned i = 0; i < connections; i++) {
        clients[i].task.poll = run;
        example_check(rn_spawn_anywhere(runtime, &clients[i].task), "connection");
    }
    rn_wait_group_wait(&wait, &connecting);
    example_check(rn_block_on(worker, rn_awaitable_of(&wait.future)), "wait");
    unsigned pulses = example_number(argc, argv, 5, 3);
    while (failures < connections && pulses--) pulse(example_number(argc, argv, 6, TICKS));
    rn_event_set(&stop); /* before they are let go on, to see it */
    rn_event_set(&go);
    rn_semaphore_release(&permits, connections);
    rn_wait_group_wait(&wait, &running);
    example_check(rn_block_on(worker, rn_awaitable_of(&wait.future)), "wait");
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    printf("%u connections, %u failed\n", connections, failures);
    return failures != 0;
}
