/* TCP echo with fibers: it reads like blocking code, and an await parks only the fiber. */
#include "example.h"

enum { FIBERS = 1000, STACK = 65536 };

struct echo {
    struct rn_fiber fiber;
    struct rn_fiber_stream peer;
};

static struct rn_fiber_pool stacks;

static int64_t run(void *argument)
{
    struct echo *echo = argument;
    char data[4096];
    for (;;) {
        rn_ssize len = rn_fiber_read(&echo->peer, data, sizeof data);
        if (len <= 0 || rn_fiber_write_all(&echo->peer, data, (size_t)len) < 0) break;
    }
    rn_fiber_close(&echo->peer);
    return 0;
}

static void ended(struct rn_child *child)
{
    free(rn_container_of(child, struct echo, fiber.child));
}

/* Accepts, in a fiber too. All connections are children of one scope: none outlives it. */
static int64_t serve(void *argument)
{
    struct rn_worker *worker = rn_worker_current();
    struct rn_scope scope;
    int *listener = argument;
    rn_scope_open(&scope, worker);
    while (!rn_fiber_cancelled()) {
        struct echo *echo = example_new(1, sizeof *echo);
        echo->fiber.child.ended = ended;
        if (rn_fiber_accept(*listener, &echo->peer, NULL) < 0) {
            free(echo);
            break;
        }
        echo->peer.read_timeout = echo->peer.write_timeout = 30 * RN_SECOND;
        int result = rn_fiber_init(&echo->fiber, &stacks, run, echo);
        if (result == 0) {
            result = rn_scope_spawn(&scope, worker, &echo->fiber.child);
            if (result < 0) rn_fiber_drop(&echo->fiber); /* no slot: the stack goes back */
        }
        if (result == 0) continue;
        rn_fiber_close(&echo->peer);
        free(echo);
    }
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    return 0;
}

static int start(struct rn_worker *worker, void *context)
{
    static struct rn_fiber fiber;
    return rn_fiber_spawn(&fiber, &stacks, worker, serve, context);
}

int main(int argc, char **argv)
{
    int listener;
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_check(rn_fiber_pool_init(&stacks, FIBERS, STACK), "stacks");
    listener = rn_fiber_listen(&example_address, &(struct rn_listen_options){0});
    example_check(listener, "listen");
    example_say_where(listener);
    return example_run(start, &listener);
}
