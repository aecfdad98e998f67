/* Which ports of a host accept connections? port_check BACKEND HOST FROM TO. The program's own
 * thread has things to do, here to show how far it is, and never waits for the workers: it hands
 * them ports as long as the channel has room, and takes the results that are there. */
#include "example.h"

enum { CHECKERS = 64, ROOM = 256, WORKERS = 2, PATIENCE_SECONDS = 3 };

struct result {
    uint16_t port;
    int result;
};

struct checker {
    struct rn_task task;
    rn_co co;
    rn_stream stream;
    struct rn_op op;
    struct rn_address address;
    struct rn_channel_wait wait;
    struct result result;
};

/* What a worker counts for itself: no other thread looks at it before the worker has ended. */
struct tally {
    unsigned checked, open;
};

static struct rn_channel ports, results;
static struct rn_wait_group checking;
static struct rn_address host;

static enum rn_poll check(struct rn_task *task, struct rn_cx *cx)
{
    struct checker *checker = rn_container_of(task, struct checker, task);
    struct result *result = &checker->result;
    struct tally *tally = rn_worker_local(cx->worker);
    RN_BEGIN(&checker->co);
    for (;;) {
        rn_channel_recv(&checker->wait, &ports, &result->port);
        RN_AWAIT(&checker->co, &checker->wait.future, cx);
        if (checker->wait.result < 0) break; /* closed: there are no more */
        checker->address = host;
        rn_address_set_port(&checker->address, result->port);
        result->result = rn_stream_open(&checker->stream, cx->worker, rn_address_family(&host));
        if (result->result == 0) {
            rn_stream_connect(checker->stream, &checker->op, cx, &checker->address,
                              rn_after(cx, PATIENCE_SECONDS * RN_SECOND));
            RN_AWAIT(&checker->co, &checker->op, cx);
            result->result = (int)checker->op.result;
            rn_stream_close(checker->stream, &checker->op, cx);
            RN_AWAIT(&checker->co, &checker->op, cx);
        }
        tally->checked++;
        tally->open += result->result == 0;
        rn_channel_send(&checker->wait, &results, result);
        RN_AWAIT(&checker->co, &checker->wait.future, cx);
    }
    rn_wait_group_done(&checking);
    RN_END(&checker->co);
}

static int start(struct rn_worker *worker, void *context)
{
    struct tally *tallies = context;
    rn_worker_set_local(worker, &tallies[rn_worker_index(worker)]);
    return 0;
}

/* Until all results are there. */
static void hand_out_and_collect(unsigned from, unsigned to)
{
    struct result result;
    uint16_t port = (uint16_t)from;
    for (unsigned left = to - from + 1, given = 0, all = left; left;) {
        while (given < all && rn_channel_try_send(&ports, &port) == 0) given++, port++;
        for (; rn_channel_try_recv(&results, &result) == 0; left--) {
            if (result.result == 0) printf("%u is open\n", result.port);
            else if (result.result != -ECONNREFUSED) {
                printf("%u: %s\n", result.port, rn_error_text(result.result));
            }
        }
        fprintf(stderr, "\r%u to do, %u in line ", left, rn_channel_count(&ports));
        usleep(10000); /* the other things */
    }
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    static struct checker checkers[WORKERS * CHECKERS];
    static struct result results_memory[ROOM];
    static uint16_t ports_memory[ROOM];
    struct tally tallies[WORKERS] = {0};
    struct rn_runtime *runtime;
    struct rn_wait wait;
    example_expect(argc == 5, "port_check BACKEND HOST FROM TO");
    example_choose_backend(argv[1]);
    example_check(rn_address_parse(&host, argv[2], 0), argv[2]);
    unsigned from = example_number(argc, argv, 3, 1), to = example_number(argc, argv, 4, 1);
    if (from > to || to > 65535) example_check(RN_E_MISUSE, "FROM TO");
    rn_channel_init(&ports, ports_memory, sizeof ports_memory[0], ROOM);
    rn_channel_init(&results, results_memory, sizeof results_memory[0], ROOM);
    struct rn_runtime_options options = {
        .workers = WORKERS, .backend = example_backend, .on_start = start, .context = tallies};
    example_check(rn_runtime_start(&runtime, &options), "start");
    rn_wait_group_add(&checking, RN_COUNT(checkers));
    for (unsigned i = 0; i < RN_COUNT(checkers); i++) {
        checkers[i].task.poll = check;
        rn_spawn_remote(rn_runtime_worker(runtime, i % WORKERS), &checkers[i].task);
    }
    hand_out_and_collect(from, to);
    rn_channel_close(&ports);
    rn_wait_group_wait(&wait, &checking);
    example_check(rn_block_on(rn_runtime_worker(runtime, 0), rn_awaitable_of(&wait.future)), "end");
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    for (unsigned i = 0; i < WORKERS; i++)
        printf("worker %u: %u ports, %u open\n", i, tallies[i].checked, tallies[i].open);
}
