/*
 * Waiting on ordinary threads for tasks and futures on the workers of a real runtime; and the lock
 * among threads.
 */
#include "await_bed.h"

#include <pthread.h>

#include "core/lock.h"

static const struct rn_backend_vt *const backends[] = {&rn_backend_epoll, &rn_backend_poll,
                                                       &rn_backend_uring};

static struct rn_runtime *start(const struct rn_backend_vt *backend, unsigned tasks)
{
    struct rn_runtime *runtime;
    struct rn_runtime_options options = {.workers = 2, .backend = backend, .tasks = tasks,
                                         .buffers = 8, .buffer_size = 4096};
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    return runtime;
}

static void stop(struct rn_runtime *runtime)
{
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
}

struct napping {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    unsigned done;
};

static enum rn_poll nap(struct rn_task *task, struct rn_cx *cx)
{
    struct napping *napping = rn_container_of(task, struct napping, task);
    RN_BEGIN(&napping->co);
    rn_sleep(&napping->sleep, cx, RN_MILLISECOND);
    RN_AWAIT(&napping->co, &napping->sleep, cx);
    task->result = 1234;
    RN_END(&napping->co);
}

static void nap_done(struct rn_task *task)
{
    rn_container_of(task, struct napping, task)->done++;
}

static void a_thread_waits_for_a_task(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RN_COUNT(backends); i++) {
        const char *missing;
        if (backends[i]->probe(&missing) < 0) continue;
        struct rn_runtime *runtime = start(backends[i], 8);
        for (unsigned round = 0; round < 20; round++) {
            struct napping napping = {.task = {.poll = nap, .done = nap_done}};
            assert_int_equal(rn_block_on_task(rn_runtime_worker(runtime, round & 1),
                                              &napping.task), 1234);
            assert_int_equal(napping.done, 1);
        }
        stop(runtime);
    }
}

static enum rn_poll ready(struct rn_future *future, struct rn_cx *cx) { return RN_READY; }

static void a_thread_without_a_slot_is_told(void **state)
{
    (void)state;
    struct rn_runtime *runtime = start(&rn_backend_epoll, 1);
    struct rn_worker *worker = rn_runtime_worker(runtime, 0);
    struct rn_future future = {.poll = ready};
    struct napping napping = {.task = {.poll = nap, .done = nap_done}};
    /* The one slot is for who waits; none is left for the task. */
    assert_int_equal(rn_block_on_task(worker, &napping.task), -RN_K_ENOBUFS);
    assert_int_equal(napping.done, 0);
    assert_int_equal(rn_block_on(worker, rn_awaitable_of(&future)), 0);
    stop(runtime);
}

/* A channel, between threads that are no workers and each other. */
static struct rn_channel channel;
static struct rn_worker *meeting_place;

static void *send_all(void *argument)
{
    for (int i = 1; i <= 200; i++) {
        struct rn_channel_wait wait;
        rn_channel_send(&wait, &channel, &i);
        if (rn_block_on(meeting_place, rn_awaitable_of(&wait.future)) || wait.result) abort();
    }
    return NULL;
}

static void threads_send_and_receive(void **state)
{
    (void)state;
    struct rn_runtime *runtime = start(&rn_backend_epoll, 8);
    pthread_t senders[2];
    int memory[3], got, sum = 0;
    meeting_place = rn_runtime_worker(runtime, 0);
    rn_channel_init(&channel, memory, sizeof(int), 3);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_all, NULL), 0);
    for (unsigned i = 0; i < 400; i++) {
        struct rn_channel_wait wait;
        rn_channel_recv(&wait, &channel, &got);
        assert_int_equal(rn_block_on(rn_runtime_worker(runtime, 1),
                                     rn_awaitable_of(&wait.future)), 0);
        assert_int_equal(wait.result, 0);
        sum += got;
    }
    assert_int_equal(sum, 2 * 200 * 201 / 2);
    for (unsigned i = 0; i < 2; i++) assert_int_equal(pthread_join(senders[i], NULL), 0);
    stop(runtime);
}

static void a_worker_s_own_thread_may_not_wait(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_future future = {.poll = ready};
    struct napping napping = {.task.poll = nap};
    assert_int_equal(rn_block_on(hand_worker(0), rn_awaitable_of(&future)), RN_E_MISUSE);
    assert_int_equal(rn_block_on_task(hand_worker(0), &napping.task), RN_E_MISUSE);
    hand_close();
}

/* ---- The lock ---------------------------------------------------------------------------- */

enum { LOCKERS = 4, LOCKINGS = 20000 };

static struct rn_lock lock;
static unsigned long locked_count;

static void *lock_often(void *argument)
{
    for (unsigned i = 0; i < LOCKINGS; i++) {
        rn_lock_take(&lock);
        locked_count++;
        rn_lock_leave(&lock);
    }
    return NULL;
}

static void a_lock_is_one_thread_s_at_a_time(void **state)
{
    (void)state;
    pthread_t threads[LOCKERS];
    for (unsigned i = 0; i < LOCKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, lock_often, NULL), 0);
    for (unsigned i = 0; i < LOCKERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(locked_count, LOCKERS * LOCKINGS);
    assert_int_equal(lock.word, RN_LOCK_FREE);
}

/* Its holder is away for long: the other sleeps in the kernel, and is woken. */
static void *hold(void *argument)
{
    uint32_t *held = argument;
    rn_lock_take(&lock);
    __atomic_store_n(held, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&lock.word, __ATOMIC_RELAXED) != RN_LOCK_WANTED) sched_yield();
    rn_lock_leave(&lock);
    return NULL;
}

static void who_waits_for_a_lock_is_woken(void **state)
{
    (void)state;
    pthread_t thread;
    uint32_t held = 0;
    assert_int_equal(pthread_create(&thread, NULL, hold, &held), 0);
    while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE)) sched_yield();
    rn_lock_take(&lock);
    rn_lock_leave(&lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(lock.word, RN_LOCK_FREE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_waits_for_a_task),
        cmocka_unit_test(a_thread_without_a_slot_is_told),
        cmocka_unit_test(threads_send_and_receive),
        cmocka_unit_test(a_worker_s_own_thread_may_not_wait),
        cmocka_unit_test(a_lock_is_one_thread_s_at_a_time),
        cmocka_unit_test(who_waits_for_a_lock_is_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
