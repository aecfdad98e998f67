/* A client, a server and the connection between them, tested in the simulator: transfers over TCP,
 * each asked for until the bank answers. Each must be done once, however often the network fails.
 *
 *     sim_bank                   a thousand networks, on every backend that the simulator has
 *     sim_bank careless          the bank doesn't look whether it has done a transfer before
 */
#include "simulate.h"

enum { TRANSFERS = 20, ACCOUNTS = 4, STACK = 65536 };

struct transfer {
    uint32_t number, from, to, amount;
};

static struct rn_fiber_pool stacks;
static struct rn_address bank_address;
static int64_t accounts[ACCOUNTS], expected[ACCOUNTS];

static void move(int64_t *of, const struct transfer *transfer)
{
    of[transfer->from] -= transfer->amount;
    of[transfer->to] += transfer->amount;
}

/* ---- The bank, on the first worker ----------------------------------------------------------- */

static void serve_visit(struct rn_fiber_stream *stream, uint32_t *next)
{
    struct transfer asked;
    while (rn_fiber_read_exact(stream, &asked, sizeof asked) == sizeof asked) {
        if (asked.number == *next || simulate.careless) move(accounts, &asked);
        *next = asked.number + 1;
        if (rn_fiber_write_all(stream, &asked.number, sizeof asked.number) < 0) break;
    }
}

static int64_t serve(void *argument)
{
    int listener = *(int *)argument;
    uint32_t next = 0;
    while (!rn_fiber_cancelled()) {
        struct rn_fiber_stream stream;
        if (rn_fiber_accept(listener, &stream, NULL) == 0) {
            stream.read_timeout = stream.write_timeout = 20 * RN_SECOND;
            serve_visit(&stream, &next);
            rn_fiber_close(&stream);
        } else if (rn_fiber_sleep(RN_MILLISECOND) < 0) { /* no descriptor, no memory: later */
            break;
        }
    }
    rn_fiber_close_fd(listener);
    return 0;
}

/* ---- The client, on the second --------------------------------------------------------------- */

static bool try(struct rn_fiber_stream *stream, const struct transfer *transfer)
{
    uint32_t answer;
    if (stream->fd < 0) {
        if (rn_fiber_connect(stream, &bank_address, 5 * RN_SECOND) < 0) return false;
        stream->read_timeout = stream->write_timeout = 5 * RN_SECOND;
    }
    bool sent = rn_fiber_write_all(stream, transfer, sizeof *transfer) == 0;
    if (sent && simulate_pick(20) == 0) rn_sim_cut_all(rn_sim_current());
    if (sent && rn_fiber_read_exact(stream, &answer, sizeof answer) == sizeof answer)
        return answer == transfer->number;
    rn_fiber_close(stream);
    stream->fd = -1;
    return false;
}

static int64_t ask(void *argument)
{
    struct rn_fiber_stream stream = {.fd = -1};
    struct rn_fiber bank = {0};
    struct rn_scope scope;
    struct rn_runtime *runtime = rn_worker_runtime(rn_worker_current());
    rn_scope_open(&scope, rn_worker_current());
    example_check(rn_fiber_init(&bank, &stacks, serve, argument), "fiber");
    example_check(rn_scope_spawn(&scope, rn_runtime_worker(runtime, 0), &bank.child), "fiber");
    for (uint32_t number = 0; number < TRANSFERS; number++) {
        struct transfer transfer = {number, simulate_pick(ACCOUNTS), simulate_pick(ACCOUNTS),
                                    1 + simulate_pick(100)};
        move(expected, &transfer);
        while (!try(&stream, &transfer)) example_check(rn_fiber_sleep(RN_SECOND / 10), "sleep");
    }
    if (stream.fd >= 0) rn_fiber_close(&stream);
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    return 0;
}

static void run(void *context)
{
    static const struct rn_backend_vt *const backends[] = {&rn_backend_sim, &rn_backend_epoll,
                                                           &rn_backend_poll};
    struct rn_fiber fiber = {0};
    for (unsigned i = 0; i < ACCOUNTS; i++) accounts[i] = expected[i] = 0;
    example_check(rn_address_parse(&bank_address, "127.0.0.1:7000", 0), "address");
    int listener = rn_fiber_listen(&bank_address, NULL);
    example_check(listener, "listen");
    example_check(rn_fiber_pool_init(&stacks, 2, STACK), "stacks");
    example_check(rn_fiber_init(&fiber, &stacks, ask, &listener), "fiber");
    struct rn_runtime *runtime = simulate_start(2, backends[simulate_pick(3)]);
    example_check((int)rn_block_on_task(rn_runtime_worker(runtime, 1), &fiber.child.task), "ask");
    simulate_stop(runtime);
    rn_fiber_pool_fini(&stacks);
    for (unsigned i = 0; i < ACCOUNTS; i++)
        if (accounts[i] != expected[i])
            simulate_fail("account %u has %lld, and is due %lld", i, (long long)accounts[i],
                          (long long)expected[i]);
}

int main(int argc, char **argv)
{
    return simulate_all(argc, argv, run);
}
