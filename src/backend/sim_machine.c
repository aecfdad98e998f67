/*
 * backend/sim_machine.c: a program on the simulated machine: what src/sys/hosted.c is on a real
 * one. Its threads are contexts of one real thread, which the world switches between.
 */
#include "backend/sim.h"
#include "core/worker.h"
#include "sys/context.h"

enum { STACK = 512 << 10, GUARD = 65536 };

/* gcc and clang say it each in its own way. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MACHINE_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MACHINE_ASAN
#endif

struct thread {
    void *context;
    uint8_t *stack; /* of all but the first; kept from world to world */
    struct rn_thread *thread;
    bool ended;
    void *fake_stack; /* the address sanitizer's */
};

static struct thread threads[RN_SIM_THREADS_MAX];
static unsigned running, left, alive;

void (*rn_sim_joined)(struct rn_thread *thread);

/* ---- Switching ------------------------------------------------------------------------------- */

#ifdef MACHINE_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *at, size_t size);

static const void *first_stack;
static size_t first_stack_size;

static void before_switch(struct thread *from, const struct thread *to)
{
    __sanitizer_start_switch_fiber(from->ended ? NULL : &from->fake_stack,
                                   to->stack ? to->stack : first_stack,
                                   to->stack ? STACK : first_stack_size);
}

static void after_switch(struct thread *here)
{
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(here->fake_stack, &bottom, &size);
    if (left) return;
    first_stack = bottom;
    first_stack_size = size;
}

/* The frames of an ended thread's last call were never left. */
static void stack_is_new(const uint8_t *stack) { __asan_unpoison_memory_region(stack, STACK); }
#else
static void before_switch(struct thread *from, const struct thread *to) {}
static void after_switch(struct thread *here) {}
static void stack_is_new(const uint8_t *stack) {}
#endif

/* Which worker a thread is, is a variable of the real one: it goes with the context. */
static void resume(void *context, unsigned next)
{
    struct rn_worker *worker = rn_worker_current();
    struct thread *self = &threads[running];
    left = running;
    running = next;
    before_switch(self, &threads[next]);
    rn_context_switch(&self->context, threads[next].context);
    after_switch(self);
    rn_worker_enter(worker);
}

static void thread_main(void *argument)
{
    struct thread *self = argument;
    after_switch(self);
    rn_worker_enter(NULL);
    self->thread->run(self->thread->argument);
    self->ended = true;
    alive--;
    rn_sim_thread_end(rn_sim_current());
}

/* ---- What stands in -------------------------------------------------------------------------- */

static uint8_t *new_stack(void)
{
    long at = rn_raw_syscall6(RN_NR_MMAP, 0, GUARD + STACK, RN_K_PROT_READ | RN_K_PROT_WRITE,
                              RN_K_MAP_PRIVATE | RN_K_MAP_ANONYMOUS | RN_K_MAP_NORESERVE, -1, 0);
    if (at < 0 && at > -4096) return NULL;
    rn_assert(rn_raw_syscall3(RN_NR_MPROTECT, at, GUARD, 0) == 0);
    at += GUARD;
    rn_valgrind_request(RN_VALGRIND_STACK_IS, (uintptr_t)at, (uintptr_t)at + STACK);
    return (uint8_t *)at;
}

static int thread_start(struct rn_thread *thread)
{
    struct rn_sim *sim = rn_sim_current();
    if (rn_sim_chance(sim, sim->options.faults.open)) return -RN_K_EAGAIN;
    int number = rn_sim_thread_new(sim);
    if (number < 0) return number;
    struct thread *made = &threads[number];
    if (!made->stack) made->stack = new_stack();
    rn_assert(made->stack);
    stack_is_new(made->stack);
    made->fake_stack = NULL;
    made->ended = false;
    made->thread = thread;
    made->context = rn_context_make(made->stack + STACK, thread_main, made);
    thread->memory = (uintptr_t)number;
    alive++;
    return 0;
}

static void thread_join(struct rn_thread *thread)
{
    rn_sim_thread_join(rn_sim_current(), (unsigned)thread->memory);
    if (rn_sim_joined) rn_sim_joined(thread);
}

static int read_clock(int clock, struct rn_k_timespec *time)
{
    *time = rn_timespec_of(rn_sim_now(rn_sim_current()));
    if (clock == RN_K_CLOCK_REALTIME || clock == RN_K_CLOCK_REALTIME_COARSE)
        time->tv_sec += RN_SIM_EPOCH;
    return 0;
}

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
    return rn_sim_syscall(rn_sim_current(), nr, a, b, c, d, e, f);
}

int rn_sim_run(struct rn_sim *sim, void (*program)(void *context), void *context)
{
    static const struct rn_stand_in machine = {
        .call = call,
        .clock = read_clock,
        .thread_start = thread_start,
        .thread_join = thread_join,
    };
    if (rn_stand_in) return RN_E_MISUSE;
    if (rn_shadow_stack_active()) return -RN_K_EOPNOTSUPP;
    running = alive = 0;
    sim->resume = resume;
    rn_sim_enter(sim);
    rn_stand_in = &machine;
    program(context);
    rn_stand_in = NULL;
    rn_sim_enter(NULL);
    return (int)alive;
}
