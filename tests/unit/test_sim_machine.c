/*
 * A program on the simulated machine: its threads, its clock, its end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <runnel/runnel.h>

#include "sys/sys.h"

enum { WORKERS = 3, THREADS = 40 };

static const struct rn_backend_vt *backend;

static struct rn_sim *new_world(uint64_t seed)
{
    const struct rn_sim_options options = {
        .seed = seed, .faults = {.preempt = 20000, .partial = 20000, .delay_max = RN_MILLISECOND}};
    struct rn_sim *sim;
    assert_int_equal(rn_sim_new(&sim, &options), 0);
    return sim;
}

/* ---- A runtime ------------------------------------------------------------------------------- */

struct nap {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    struct rn_worker *worker; /* that it was on */
};

static enum rn_poll nap_run(struct rn_task *task, struct rn_cx *cx)
{
    struct nap *nap = rn_container_of(task, struct nap, task);
    RN_BEGIN(&nap->co);
    rn_sleep(&nap->sleep, cx, 3600 * RN_SECOND);
    RN_AWAIT(&nap->co, &nap->sleep, cx);
    nap->worker = rn_worker_current();
    RN_END(&nap->co);
}

static void sleep_for_hours(void *context)
{
    const struct rn_runtime_options options = {.workers = WORKERS, .backend = backend};
    struct rn_runtime *runtime;
    rn_ns begin = rn_sim_now(rn_sim_current());
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    assert_null(rn_worker_current());
    for (unsigned i = 0; i < WORKERS; i++) {
        struct nap nap = {.task.poll = nap_run};
        assert_int_equal(rn_block_on_task(rn_runtime_worker(runtime, i), &nap.task), 0);
        assert_ptr_equal(nap.worker, rn_runtime_worker(runtime, i));
    }
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    rn_ns slept = (rn_sim_now(rn_sim_current()) - begin) / RN_SECOND;
    assert_in_range(slept, WORKERS * 3600, WORKERS * 3600 + 1);
    assert_int_equal(rn_clock_monotonic(), rn_sim_now(rn_sim_current()));
    *(int *)context = 1;
}

static uint64_t hash_of_run(uint64_t seed)
{
    struct rn_sim *sim = new_world(seed);
    int ended = 0;
    assert_int_equal(rn_sim_run(sim, sleep_for_hours, &ended), 0);
    assert_int_equal(ended, 1);
    assert_null(rn_sim_current());
    assert_int_equal(rn_sim_descriptors(sim), 0);
    assert_int_equal(rn_sim_mapped(sim), 0);
    uint64_t hash = rn_sim_hash(sim);
    rn_sim_free(sim);
    return hash;
}

static void test_runtime_is_the_same_twice(void **state)
{
    static const struct rn_backend_vt *const all[] = {&rn_backend_sim, &rn_backend_epoll,
                                                      &rn_backend_poll};
    for (unsigned i = 0; i < RN_COUNT(all); i++) {
        backend = all[i];
        uint64_t hash = hash_of_run(1);
        assert_int_equal(hash_of_run(1), hash);
        assert_int_not_equal(hash_of_run(2), hash);
    }
}

/* ---- Threads --------------------------------------------------------------------------------- */

static unsigned runs;
static void count_run(void *argument) { runs++; }

static void start_many(void *context)
{
    struct rn_thread made[THREADS];
    int started = 0, result = 0;
    while (result == 0 && started < THREADS) {
        result = rn_thread_start(&made[started], count_run, NULL, 1);
        started += result == 0;
    }
    assert_int_equal(result, -RN_K_EAGAIN);
    assert_in_range(started, 1, THREADS - 1);
    for (int i = 0; i < started; i++) rn_thread_join(&made[i]);
    assert_int_equal(runs, started);
}

static void refuse_a_thread(void *context)
{
    const struct rn_sim_faults always = {.open = UINT16_MAX};
    struct rn_thread thread;
    int refused = 0;
    rn_sim_set_faults(rn_sim_current(), &always);
    for (unsigned i = 0; i < 100; i++) {
        int result = rn_thread_start(&thread, count_run, NULL, 1);
        if (result == 0) rn_thread_join(&thread);
        else refused += result == -RN_K_EAGAIN;
    }
    assert_in_range(refused, 90, 100);
}

static void wait_for_ever(void *argument) { rn_sys_futex_wait(argument, 0, NULL); }

static uint32_t word;
static struct rn_thread forgotten;

static void leave_one(void *context)
{
    assert_int_equal(rn_thread_start(&forgotten, wait_for_ever, &word, 1), 0);
    assert_int_equal(rn_sim_run(rn_sim_current(), leave_one, NULL), RN_E_MISUSE);
}

static void run_program(void (*program)(void *context), int left)
{
    struct rn_sim *sim = new_world(3);
    runs = 0;
    assert_int_equal(rn_sim_run(sim, program, NULL), left);
    rn_sim_free(sim);
}

static void test_as_many_threads_as_fit(void **state) { run_program(start_many, 0); }
static void test_threads_that_are_refused(void **state) { run_program(refuse_a_thread, 0); }

static void test_thread_left_behind(void **state)
{
    run_program(leave_one, 1);
    run_program(start_many, 0);
}

/* ---- The end --------------------------------------------------------------------------------- */

static jmp_buf out;
static const char *told;

static void stuck(void *context, const char *why)
{
    told = why;
    longjmp(out, 1);
}

static void wait_alone(void *context) { wait_for_ever(&word); }

static void test_stuck(void **state)
{
    const struct rn_sim_options options = {.seed = 1, .stuck = stuck};
    struct rn_sim *sim;
    assert_int_equal(rn_sim_new(&sim, &options), 0);
    if (!setjmp(out)) assert_int_equal(rn_sim_run(sim, wait_alone, NULL), -1);
    assert_non_null(strstr(told, "wakeup was lost"));
    rn_stand_in = NULL;
    rn_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runtime_is_the_same_twice),
        cmocka_unit_test(test_as_many_threads_as_fit),
        cmocka_unit_test(test_threads_that_are_refused),
        cmocka_unit_test(test_thread_left_behind),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
