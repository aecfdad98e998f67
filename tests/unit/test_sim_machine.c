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
static bool ended;

static struct rn_sim *new_world(uint64_t seed)
{
    const struct rn_sim_options options = {
        .seed = seed, .faults = {.preempt = 20000, .partial = 20000, .delay_max = RN_MILLISECOND}};
    struct rn_sim *sim;
    assert_int_equal(rn_sim_new(&sim, &options), 0);
    return sim;
}

static uint64_t hash_of(uint64_t seed, void (*program)(void *context), int argument)
{
    struct rn_sim *sim = new_world(seed);
    ended = false;
    assert_int_equal(rn_sim_run(sim, program, &argument), 0);
    assert_true(ended);
    assert_null(rn_sim_current());
    assert_int_equal(rn_sim_descriptors(sim), 0);
    assert_int_equal(rn_sim_mapped(sim), 0);
    uint64_t hash = rn_sim_hash(sim);
    rn_sim_free(sim);
    return hash;
}

static void each_backend(void (*test)(void))
{
    static const struct rn_backend_vt *const all[] = {&rn_backend_sim, &rn_backend_epoll,
                                                      &rn_backend_poll};
    for (unsigned i = 0; i < RN_COUNT(all); i++) {
        backend = all[i];
        test();
    }
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
    ended = true;
}

static void is_the_same_twice(void)
{
    uint64_t hash = hash_of(1, sleep_for_hours, 0);
    assert_int_equal(hash_of(1, sleep_for_hours, 0), hash);
    assert_int_not_equal(hash_of(2, sleep_for_hours, 0), hash);
}

static void test_runtime_is_the_same_twice(void **state) { each_backend(is_the_same_twice); }

static void choose_backend(void *context)
{
    assert_ptr_equal(rn_backend_select("auto", NULL), &rn_backend_epoll);
    assert_null(rn_backend_select("uring", NULL));
}

static void test_kernel_without_io_uring(void **state)
{
    struct rn_sim *sim = new_world(1);
    assert_int_equal(rn_sim_run(sim, choose_backend, NULL), 0);
    assert_int_equal(rn_sim_descriptors(sim), 0);
    rn_sim_free(sim);
}

/* ---- What lies in an op before it is begun --------------------------------------------------- */

struct dial {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_stream stream;
    struct rn_address address;
    int garbage;
};

static enum rn_poll dial_run(struct rn_task *task, struct rn_cx *cx)
{
    struct dial *dial = rn_container_of(task, struct dial, task);
    RN_BEGIN(&dial->co);
    assert_int_equal(rn_stream_open(&dial->stream, cx->worker, RN_IP4), 0);
    memset(&dial->op, dial->garbage, sizeof dial->op);
    rn_stream_connect(dial->stream, &dial->op, cx, &dial->address, rn_after(cx, RN_SECOND));
    RN_AWAIT(&dial->co, &dial->op, cx);
    assert_int_equal(dial->op.result, -RN_K_ECONNREFUSED);
    memset(&dial->op, dial->garbage, sizeof dial->op);
    rn_stream_close(dial->stream, &dial->op, cx);
    RN_AWAIT(&dial->co, &dial->op, cx);
    RN_END(&dial->co);
}

static void dial_nobody(void *context)
{
    const struct rn_runtime_options options = {.workers = 1, .backend = backend};
    struct rn_runtime *runtime;
    struct dial dial = {.task.poll = dial_run, .garbage = *(int *)context};
    assert_int_equal(rn_address_parse(&dial.address, "127.0.0.1:9", 0), 0);
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    assert_int_equal(rn_block_on_task(rn_runtime_worker(runtime, 0), &dial.task), 0);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    ended = true;
}

static void is_the_same_with_garbage(void)
{
    assert_int_equal(hash_of(4, dial_nobody, 0xFF), hash_of(4, dial_nobody, 0));
}

static void test_garbage_makes_no_difference(void **state)
{
    each_backend(is_the_same_with_garbage);
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
        cmocka_unit_test(test_kernel_without_io_uring),
        cmocka_unit_test(test_garbage_makes_no_difference),
        cmocka_unit_test(test_as_many_threads_as_fit),
        cmocka_unit_test(test_threads_that_are_refused),
        cmocka_unit_test(test_thread_left_behind),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
