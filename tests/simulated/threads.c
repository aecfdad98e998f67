/*
 * simulated/threads.c: in a world the threads that a test starts are the world's.
 */
#include <errno.h>
#include <pthread.h>

#include "backend/sim.h"

struct posix {
    struct rn_thread thread;
    void *(*run)(void *argument);
    void *argument, *result;
    bool taken, ended;
};

static struct posix threads[RN_SIM_THREADS_MAX];

static void run_posix(void *argument)
{
    struct posix *posix = argument;
    posix->result = posix->run(posix->argument);
    posix->ended = true;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument)
{
    unsigned i = 0;
    if (!rn_sim_current()) return __real_pthread_create(thread, attributes, run, argument);
    while (i < RN_COUNT(threads) && threads[i].taken) i++;
    if (i == RN_COUNT(threads)) return EAGAIN;
    threads[i] = (struct posix){.run = run, .argument = argument, .taken = true};
    int result = rn_thread_start(&threads[i].thread, run_posix, &threads[i], 0);
    if (result < 0) threads[i].taken = false;
    *thread = i;
    return -result;
}

int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
    struct posix *posix = &threads[thread % RN_COUNT(threads)];
    if (!rn_sim_current()) return __real_pthread_join(thread, result);
    rn_thread_join(&posix->thread);
    if (result) *result = posix->result;
    posix->taken = false;
    return 0;
}

int __real_pthread_tryjoin_np(pthread_t thread, void **result);
int __wrap_pthread_tryjoin_np(pthread_t thread, void **result);
int __wrap_pthread_tryjoin_np(pthread_t thread, void **result)
{
    if (!rn_sim_current()) return __real_pthread_tryjoin_np(thread, result);
    return threads[thread].ended ? __wrap_pthread_join(thread, result) : EBUSY;
}
