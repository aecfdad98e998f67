/*
 * sim/world.c: the machine: what src/sys/hosted.c is in an ordinary build. Threads are contexts
 * that the simulator switches between, the clock is its own, and system calls end in it.
 */
#include "world.h"

#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core/worker.h"
#include "sys/start.h"

enum { THREADS_MAX = 32, STACK_SIZE = 512 << 10 };

struct run run;

/* ---- Threads --------------------------------------------------------------------------------- */

struct fiber {
    ucontext_t context;
    void *stack; /* kept from run to run */
    struct rn_thread *thread;
};

static struct fiber fibers[THREADS_MAX];
static unsigned running;

/* Which worker a thread is, is a variable of the thread: it goes with the context. */
void world_resume(void *context, unsigned next);
void world_resume(void *context, unsigned next)
{
    struct rn_worker *worker = rn_worker_current();
    unsigned self = running;
    running = next;
    swapcontext(&fibers[self].context, &fibers[next].context);
    rn_worker_enter(worker);
}

void world_begin(void);
void world_begin(void) { running = 0; }

static void fiber_main(void)
{
    struct rn_thread *thread = fibers[running].thread;
    rn_worker_enter(NULL);
    thread->run(thread->argument);
    rn_sim_thread_end(run.sim);
}

int rn_thread_start(struct rn_thread *thread, void (*start)(void *), void *argument,
                    size_t stack_size)
{
    if (run.faults_on && run.weather >= ROUGH && chance(20)) return -RN_K_EAGAIN;
    int index = rn_sim_thread_new(run.sim);
    if (index < 0) return index;
    struct fiber *fiber = &fibers[index];
    if (!fiber->stack)
        fiber->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(fiber->stack != MAP_FAILED);
    *thread = (struct rn_thread){.run = start, .argument = argument, .memory = (uintptr_t)index};
    fiber->thread = thread;
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&fiber->context, fiber_main, 0);
    return 0;
}

/* For a worker this is the last moment at which all of it is there: what it leaves behind was
 * lost. */
void rn_thread_join(struct rn_thread *thread)
{
    const struct rn_worker *worker = rn_container_of(thread, struct rn_worker, thread);
    rn_sim_thread_join(run.sim, (unsigned)thread->memory);
    if (thread->run != rn_worker_main || worker->start_result < 0) return;
    if (worker->ops) fail("%llu ops are in flight at the end", (unsigned long long)worker->ops);
    if (worker->slots.used) fail("%u tasks are alive at the end", worker->slots.used);
    if (worker->wheel.running)
        fail("%llu timers run at the end", (unsigned long long)worker->wheel.running);
}

/* ---- The rest of src/sys/hosted.c ------------------------------------------------------------ */

static int simulated_clock(int clock, struct rn_k_timespec *time)
{
    rn_ns now = rn_sim_now(run.sim);
    *time = rn_timespec_of(now);
    if (clock == RN_K_CLOCK_REALTIME || clock == RN_K_CLOCK_REALTIME_COARSE)
        time->tv_sec += 1700000000;
    return 0;
}

int (*rn_clock_source)(int clock, struct rn_k_timespec *time) = simulated_clock;

long rn_syscall_hook(long nr, long a, long b, long c, long d, long e, long f)
{
    return rn_sim_syscall(run.sim, nr, a, b, c, d, e, f);
}

/* ---- What workloads use ---------------------------------------------------------------------- */

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
