/*
 * core/runtime.c: the controller: starts the workers, tells them to stop, waits for them.
 */
#include "core/helper.h"
#include "core/worker.h"

enum { WORKER_STACK = 256 * 1024 };

static int check_options(struct rn_runtime_options *options)
{
    if (options->workers == 0) options->workers = rn_cpu_count();
    if (options->workers > RN_WORKERS_MAX || !options->backend) return RN_E_MISUSE;
    if (options->tasks == 0) options->tasks = 4096;
    if (options->buffers == 0) options->buffers = 4096;
    if (options->buffer_size == 0) options->buffer_size = 32768;
    if (options->shared_tasks == 0) options->shared_tasks = 1024;
    return 0;
}

static int start_workers(struct rn_runtime *runtime, unsigned count)
{
    uint32_t running = 0;
    int result = 0;
    while (running < count && result == 0) {
        struct rn_worker *worker = &runtime->workers[running];
        worker->runtime = runtime;
        worker->index = running;
        result = rn_thread_start(&worker->thread, rn_worker_main, worker, WORKER_STACK);
        if (result == 0) running++;
    }
    uint32_t started;
    while ((started = __atomic_load_n(&runtime->started, __ATOMIC_ACQUIRE)) < running)
        rn_sys_futex_wait(&runtime->started, started, NULL);
    for (unsigned i = 0; i < running && result == 0; i++)
        result = runtime->workers[i].start_result;
    runtime->options.workers = running;
    /* Stopped before they go, those that did start end without a turn. */
    if (result < 0) rn_runtime_stop(runtime);
    __atomic_store_n(&runtime->go, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(&runtime->go, RN_WORKERS_MAX);
    return result;
}

int rn_runtime_start(struct rn_runtime **started, const struct rn_runtime_options *options)
{
    struct rn_runtime_options checked = *options;
    int result = check_options(&checked);
    if (result < 0) return result;
    size_t size = sizeof(struct rn_runtime) + checked.workers * sizeof(struct rn_worker);
    struct rn_runtime *runtime = rn_map(size);
    if (!runtime) return -RN_K_ENOMEM;
    runtime->options = checked;
    runtime->mapped = size;
    runtime->options.workers = 0; /* so many are there to join */
    result = rn_shared_stack_init(&runtime->shared, checked.shared_tasks);
    if (result == 0) result = start_workers(runtime, checked.workers);
    if (result < 0) {
        rn_runtime_join(runtime);
        return result;
    }
    *started = runtime;
    return 0;
}

void rn_runtime_stop(struct rn_runtime *runtime)
{
    __atomic_store_n(&runtime->stopping, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < runtime->options.workers; i++) rn_worker_ring(&runtime->workers[i]);
}

void rn_runtime_join(struct rn_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->options.workers; i++)
        rn_thread_join(&runtime->workers[i].thread);
    if (rn_helpers) rn_helpers->stop(runtime);
    /* Only now: until the last one ended, it could look at any other, to wake a task or for its
     * figures. */
    for (unsigned i = 0; i < runtime->options.workers; i++) rn_worker_free(&runtime->workers[i]);
    rn_shared_stack_fini(&runtime->shared);
    rn_unmap(runtime, runtime->mapped);
}

unsigned rn_runtime_workers(const struct rn_runtime *runtime) { return runtime->options.workers; }

struct rn_worker *rn_runtime_worker(struct rn_runtime *runtime, unsigned index)
{
    rn_assert(index < runtime->options.workers);
    return &runtime->workers[index];
}
