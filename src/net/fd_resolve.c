/*
 * net/fd_resolve.c: names to addresses, in a fiber or on an ordinary thread.
 */
#include <runnel/backend.h>
#include <runnel/fiber.h>
#include <runnel/resolver.h>
#include <runnel/runtime.h>
#include <runnel/socket.h>

#include "sys/sys.h"

static int copy(const struct rn_resolve *resolve, struct rn_address *to, unsigned max)
{
    if (resolve->result < 0) return resolve->result;
    unsigned count = resolve->count < max ? resolve->count : max;
    for (unsigned i = 0; i < count; i++) to[i] = resolve->addresses[i];
    return (int)count;
}

/* ---- On an ordinary thread ------------------------------------------------------------------- */

struct lookup {
    struct rn_task task;
    rn_co co;
    struct rn_resolve resolve;
    const char *name;
    uint16_t port;
};

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct lookup *lookup = rn_container_of(task, struct lookup, task);
    RN_BEGIN(&lookup->co);
    rn_resolve(&lookup->resolve, cx, lookup->name, lookup->port, RN_NEVER);
    RN_AWAIT(&lookup->co, &lookup->resolve.future, cx);
    RN_END(&lookup->co);
}

static void on_stop(struct rn_worker *worker, void *context)
{
    rn_resolver_stop(worker);
}

/* A worker for as long as it takes. */
static int resolve_apart(struct lookup *lookup)
{
    const struct rn_runtime_options options = {
        .workers = 1, .backend = &rn_backend_poll, .tasks = 16, .buffers = 16, .shared_tasks = 1,
        .on_stop = on_stop,
    };
    struct rn_runtime *runtime;
    int result = rn_runtime_start(&runtime, &options);
    if (result < 0) return result;
    lookup->task.poll = run;
    result = (int)rn_block_on_task(rn_runtime_worker(runtime, 0), &lookup->task);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    return result;
}

int rn_fd_resolve_host(const char *name, uint16_t port, struct rn_address *to, unsigned max)
{
    struct lookup lookup = {.name = name, .port = port};
    if (rn_fiber_current()) {
        rn_resolve(&lookup.resolve, rn_fiber_cx(), name, port, RN_NEVER);
        rn_fiber_await_any(rn_awaitable_future(&lookup.resolve.future));
        return copy(&lookup.resolve, to, max);
    }
    if (rn_worker_current()) return RN_E_MISUSE;
    int result = resolve_apart(&lookup);
    return result < 0 ? result : copy(&lookup.resolve, to, max);
}
