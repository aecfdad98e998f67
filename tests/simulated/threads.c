/*
 * simulated/threads.c: in a world a test's threads, and the library's, are contexts of one real
 * thread, which the simulator switches between.
 */
#include "kernel.h"
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "backend/sim.h"
#include "core/worker.h"

enum { THREADS_MAX = 32, STACK_SIZE = 512 << 10 };

struct thread {
    ucontext_t context;
    void *stack; /* kept from world to world */
    void *(*run)(void *argument);
    void *argument, *result;
    uint32_t ended, joined;
};

static struct thread threads[THREADS_MAX];
static unsigned running, alive;

/* What a real thread has for itself goes with the context: errno, and which worker it is. */
void threads_resume(void *context, unsigned next)
{
    struct rn_worker *worker = rn_worker_current();
    int error = errno;
    unsigned self = running;
    running = next;
    swapcontext(&threads[self].context, &threads[next].context);
    rn_worker_enter(worker);
    errno = error;
}

void threads_begin(void)
{
    running = alive = 0;
}

unsigned threads_left(void)
{
    return alive;
}

static void tell(uint32_t *word)
{
    *word = 1;
    kernel_call(RN_NR_FUTEX, (long)word, RN_K_FUTEX_WAKE, 1, 0, 0, 0);
}

static void await(const uint32_t *word)
{
    while (!*word) kernel_call(RN_NR_FUTEX, (long)word, RN_K_FUTEX_WAIT, 0, 0, 0, 0);
}

/* It stays until it is joined: no other one has its number meanwhile. */
static void thread_main(void)
{
    struct thread *thread = &threads[running];
    rn_worker_enter(NULL);
    thread->result = thread->run(thread->argument);
    tell(&thread->ended);
    await(&thread->joined);
    rn_sim_thread_end(rn_sim_current());
}

static int start(void *(*run)(void *argument), void *argument, unsigned *index)
{
    int number = rn_sim_thread_new(rn_sim_current());
    if (number < 0) return number;
    struct thread *thread = &threads[number];
    if (!thread->stack) thread->stack = malloc(STACK_SIZE);
    if (!thread->stack) abort();
    thread->run = run;
    thread->argument = argument;
    thread->ended = thread->joined = 0;
    alive++;
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = thread->stack;
    thread->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&thread->context, thread_main, 0);
    *index = (unsigned)number;
    return 0;
}

static void join(unsigned index)
{
    await(&threads[index].ended);
    tell(&threads[index].joined);
    rn_sim_thread_join(rn_sim_current(), index);
    alive--;
}

/* ---- POSIX threads --------------------------------------------------------------------------- */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument)
{
    unsigned index;
    if (!rn_sim_current()) return __real_pthread_create(thread, attributes, run, argument);
    if (start(run, argument, &index) < 0) return EAGAIN;
    *thread = index;
    return 0;
}

int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
    if (!rn_sim_current()) return __real_pthread_join(thread, result);
    join((unsigned)thread);
    if (result) *result = threads[thread].result;
    return 0;
}

int __real_pthread_tryjoin_np(pthread_t thread, void **result);
int __wrap_pthread_tryjoin_np(pthread_t thread, void **result);
int __wrap_pthread_tryjoin_np(pthread_t thread, void **result)
{
    if (!rn_sim_current()) return __real_pthread_tryjoin_np(thread, result);
    return threads[thread].ended ? __wrap_pthread_join(thread, result) : EBUSY;
}

/* ---- The library's --------------------------------------------------------------------------- */

static void *run_library_thread(void *argument)
{
    struct rn_thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

int __real_rn_thread_start(struct rn_thread *thread, void (*run)(void *), void *argument,
                           size_t stack_size);
int __wrap_rn_thread_start(struct rn_thread *thread, void (*run)(void *), void *argument,
                           size_t stack_size);
int __wrap_rn_thread_start(struct rn_thread *thread, void (*run)(void *), void *argument,
                           size_t stack_size)
{
    unsigned index;
    if (!rn_sim_current()) return __real_rn_thread_start(thread, run, argument, stack_size);
    *thread = (struct rn_thread){.run = run, .argument = argument};
    int result = start(run_library_thread, thread, &index);
    thread->memory = index;
    return result;
}

void __real_rn_thread_join(struct rn_thread *thread);
void __wrap_rn_thread_join(struct rn_thread *thread);
void __wrap_rn_thread_join(struct rn_thread *thread)
{
    if (!rn_sim_current()) __real_rn_thread_join(thread);
    else join((unsigned)thread->memory);
}
