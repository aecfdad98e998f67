/*
 * sys/hosted.c: threads, the clock and the page size on a libc, for programs that link with one.
 *
 * Threads are the libc's, so that code which they run may call it; a simulated machine has its own,
 * and its own clock. There is no main() here: see RN_PROGRAM_MAIN in sys/sys.h.
 */
#include <limits.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "sys/start.h"
#include "sys/sys.h"

/* A libc keeps its thread-local storage on the stack, and its functions expect to find room. */
#define LIBC_STACK_SIZE ((size_t)256 * 1024)

static int libc_clock(int clock, struct rn_k_timespec *time)
{
    struct timespec value;
    if (rn_stand_in) return rn_stand_in->clock(clock, time);
    int result = clock_gettime(clock, &value);
    time->tv_sec = value.tv_sec;
    time->tv_nsec = value.tv_nsec;
    return result;
}

int (*rn_clock_source)(int clock, struct rn_k_timespec *time) = libc_clock;

static void *thread_main(void *argument)
{
    struct rn_thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

int rn_thread_start(struct rn_thread *thread, void (*run)(void *), void *argument,
                    size_t stack_size)
{
    pthread_attr_t attributes;
    pthread_t handle;
    *thread = (struct rn_thread){.run = run, .argument = argument};
    if (rn_stand_in) return rn_stand_in->thread_start(thread);
    if (stack_size > SIZE_MAX - LIBC_STACK_SIZE) return -RN_K_ENOMEM;
    int error = pthread_attr_init(&attributes);
    if (error) return -error;
    error = pthread_attr_setstacksize(&attributes, stack_size + LIBC_STACK_SIZE);
    if (!error) error = pthread_create(&handle, &attributes, thread_main, thread);
    (void)pthread_attr_destroy(&attributes);
    if (error) return -error;
    thread->memory = (uintptr_t)handle;
    return 0;
}

void rn_thread_join(struct rn_thread *thread)
{
    if (rn_stand_in) rn_stand_in->thread_join(thread);
    else rn_assert(pthread_join((pthread_t)thread->memory, NULL) == 0);
}
