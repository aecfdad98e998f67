/*
 * sim/world.c: what the workloads use.
 */
#include "world.h"

#include "backend/sim.h"
#include "core/worker.h"

struct run run;

/* For a worker this is the last moment at which all of it is there: what it leaves behind was
 * lost. */
static void look_at_worker(struct rn_thread *thread)
{
    const struct rn_worker *worker = rn_container_of(thread, struct rn_worker, thread);
    if (thread->run != rn_worker_main || worker->start_result < 0) return;
    if (worker->ops) fail("%llu ops are in flight at the end", (unsigned long long)worker->ops);
    if (worker->slots.used) fail("%u tasks are alive at the end", worker->slots.used);
    if (worker->wheel.running)
        fail("%llu timers run at the end", (unsigned long long)worker->wheel.running);
}

int world_run(void (*program)(void *context))
{
    rn_sim_joined = look_at_worker;
    return rn_sim_run(run.sim, program, NULL);
}

uint32_t pick(uint32_t bound) { return (uint32_t)rn_sim_random(run.sim, bound); }

uint32_t between(uint32_t least, uint32_t most) { return least + pick(most - least + 1); }

bool chance(uint32_t one_in) { return pick(one_in) == 0; }

const struct rn_backend_vt *pick_backend(void)
{
    static const struct rn_backend_vt *const all[] = {&rn_backend_sim, &rn_backend_epoll,
                                                      &rn_backend_poll};
    return all[pick(RN_COUNT(all))];
}

void faults_on(void)
{
    run.faults_on = true;
    rn_sim_set_faults(run.sim, &run.faults);
}

void faults_off(void)
{
    run.faults_on = false;
    struct rn_sim_faults none = {.preempt = run.faults.preempt, .delay_max = run.faults.delay_max};
    rn_sim_set_faults(run.sim, &none);
}

rn_ns world_now(void) { return rn_sim_now(run.sim); }

void rest(rn_ns time)
{
    uint32_t word = 0;
    rn_ns end = world_now() + time;
    while (world_now() < end) {
        struct rn_k_timespec left = rn_timespec_of(end - world_now());
        rn_sys_futex_wait(&word, 0, &left);
    }
}

void await_count(const uint32_t *counter, uint32_t least)
{
    uint32_t seen;
    while ((seen = __atomic_load_n(counter, __ATOMIC_ACQUIRE)) < least)
        rn_sys_futex_wait(counter, seen, NULL);
}

void count_up(uint32_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(counter, 1);
}

static struct rn_runtime *start(unsigned workers, const struct rn_backend_vt *backend,
                                unsigned tasks)
{
    struct rn_runtime *runtime;
    const struct rn_runtime_options options = {
        .workers = workers,
        .backend = backend,
        .tasks = tasks,
        .buffers = between(8, 128),
        .buffer_size = 1024u << pick(4),
        .shared_tasks = between(4, 32),
    };
    while (rn_runtime_start(&runtime, &options) < 0) check(run.weather >= ROUGH);
    return runtime;
}

struct rn_runtime *start_runtime(unsigned workers, const struct rn_backend_vt *backend)
{
    return start(workers, backend, 256);
}

struct rn_runtime *start_runtime_with(unsigned workers, unsigned tasks)
{
    return start(workers, pick_backend(), tasks);
}

void stop_runtime(struct rn_runtime *runtime)
{
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
}

void pattern_fill(void *to, size_t len, uint32_t key, uint64_t at)
{
    for (size_t i = 0; i < len; i++) ((uint8_t *)to)[i] = pattern(key, at + i);
}

void pattern_check(const void *from, size_t len, uint32_t key, uint64_t at, const char *what)
{
    for (size_t i = 0; i < len; i++)
        if (((const uint8_t *)from)[i] != pattern(key, at + i))
            fail("%s: byte %llu is wrong", what, (unsigned long long)(at + i));
}
