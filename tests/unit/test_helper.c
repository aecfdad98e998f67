/*
 * Calls on helper threads: their results, what a queue and a deadline do to them, and many of them
 * from several workers at once.
 */
#include "net_bed.h"

#include <sched.h>

#include <runnel/helper.h>

enum { THREADS = 2, QUEUE = 8 };

/* A call that stays with its helper until it is let go, as one on a slow disk would. */
struct call {
    struct rn_helped helped;
    uint32_t begun, go; /* atomic, futexes */
    int64_t result;
};

static int64_t run_call(struct rn_helped *helped)
{
    struct call *call = rn_container_of(helped, struct call, helped);
    if (!helped->certain) assert_null(rn_worker_current());
    __atomic_store_n(&call->begun, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(&call->begun, 1);
    while (!__atomic_load_n(&call->go, __ATOMIC_ACQUIRE))
        rn_sys_futex_wait(&call->go, 0, NULL);
    return call->result;
}

static void let_go(struct call *call)
{
    __atomic_store_n(&call->go, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(&call->go, 1);
}

static void await_begin(struct call *call)
{
    while (!__atomic_load_n(&call->begun, __ATOMIC_ACQUIRE))
        rn_sys_futex_wait(&call->begun, 0, NULL);
}

/* A task that awaits one. */
struct one {
    struct rn_task task;
    rn_co co;
    struct call call;
    rn_ns wait;
    rn_waker waker;
    bool over;
};

static enum rn_poll run_one(struct rn_task *task, struct rn_cx *cx)
{
    struct one *one = rn_container_of(task, struct one, task);
    RN_BEGIN(&one->co);
    one->waker = cx->waker;
    one->call.helped.run = run_call;
    rn_helper_begin(cx, &one->call.helped, one->wait ? rn_after(cx, one->wait) : RN_NEVER);
    RN_AWAIT(&one->co, &one->call.helped.op, cx);
    one->over = true;
    RN_END(&one->co);
}

static void spawn_one(struct one *one)
{
    one->task.poll = run_one;
    one->over = false;
    assert_int_equal(rn_spawn(net_worker, &one->task), 0);
    net_turn_quickly();
}

static int64_t finish_one(struct one *one)
{
    net_until(&one->over);
    return one->call.helped.op.result;
}

static void a_process_says_that_it_uses_helpers(void **state)
{
    (void)state;
    const struct rn_helper_options many = {.threads = RN_HELPERS_MAX + 1};
    struct one one = {.wait = 0};
    net_open(&rn_backend_poll);
    spawn_one(&one);
    assert_int_equal(finish_one(&one), RN_E_MISUSE);
    net_close();
    assert_int_equal(rn_helpers_setup(&many), RN_E_MISUSE);
    assert_null(rn_helpers);
    assert_int_equal(rn_helpers_setup(NULL), 0);
    assert_int_equal(
        rn_helpers_setup(&(struct rn_helper_options){.threads = THREADS, .queue = QUEUE}), 0);
}

static void results(void)
{
    struct one ones[THREADS] = {{.call.result = 7}, {.call.result = -EIO}};
    for (unsigned i = 0; i < THREADS; i++) spawn_one(&ones[i]);
    for (unsigned i = 0; i < THREADS; i++) await_begin(&ones[i].call); /* both at once */
    for (int i = 0; i < 5; i++) net_turn_quickly(); /* the worker goes on meanwhile */
    assert_false(ones[0].over || ones[1].over);
    let_go(&ones[1].call);
    assert_int_equal(finish_one(&ones[1]), -EIO);
    assert_false(ones[0].over);
    let_go(&ones[0].call);
    assert_int_equal(finish_one(&ones[0]), 7);
}

static void a_worker_goes_on_while_a_call_blocks(void **state)
{
    (void)state;
    net_each(results);
}

/* Started for nobody in particular, and once more from its own completion. */
struct repeated {
    struct call call;
    unsigned completions;
    bool over;
};

static void on_repeated(struct rn_op *op)
{
    struct repeated *repeated = op->owner;
    assert_ptr_equal(rn_worker_current(), net_worker);
    assert_int_equal(op->result, repeated->call.result);
    if (++repeated->completions == 2) {
        repeated->over = true;
        return;
    }
    repeated->call.result++;
    rn_helper_start(net_worker, &repeated->call.helped, RN_NEVER);
    assert_int_equal(repeated->completions, 1); /* completions don't nest */
}

static void not_awaited(void)
{
    struct repeated repeated = {.call = {.go = 1, .result = 5}};
    repeated.call.helped = (struct rn_helped){
        .run = run_call, .op = {.complete = on_repeated, .owner = &repeated}};
    rn_helper_start(net_worker, &repeated.call.helped, RN_NEVER);
    assert_int_equal(repeated.completions, 0);
    net_until(&repeated.over);
}

static void a_call_can_be_nobody_s(void **state)
{
    (void)state;
    net_each(not_awaited);
}

/* As many as there are threads run, and what comes then waits. */
static void fill_threads(struct one busy[THREADS])
{
    for (unsigned i = 0; i < THREADS; i++) {
        busy[i] = (struct one){.call.result = 1};
        spawn_one(&busy[i]);
        await_begin(&busy[i].call);
    }
}

static void empty_threads(struct one busy[THREADS])
{
    for (unsigned i = 0; i < THREADS; i++) {
        let_go(&busy[i].call);
        assert_int_equal(finish_one(&busy[i]), 1);
    }
}

static void full(void)
{
    struct one busy[THREADS], waiting[QUEUE], refused = {.call.go = 1};
    fill_threads(busy);
    for (unsigned i = 0; i < QUEUE; i++) {
        waiting[i] = (struct one){.call.go = 1, .call.result = i};
        spawn_one(&waiting[i]);
    }
    spawn_one(&refused);
    assert_int_equal(finish_one(&refused), RN_E_LIMIT);
    assert_int_equal(refused.call.begun, 0);
    /* One that must not be refused is carried out here. */
    struct one certain = {.call = {.go = 1, .result = 6, .helped.certain = true}};
    spawn_one(&certain);
    assert_int_equal(finish_one(&certain), 6);
    /* One that leaves makes room. */
    rn_task_cancel(waiting[3].waker);
    assert_int_equal(finish_one(&waiting[3]), -ECANCELED);
    refused = (struct one){.call.go = 1, .call.result = 99};
    spawn_one(&refused);
    for (unsigned i = 0; i < QUEUE; i++) assert_true(i == 3 || !waiting[i].over);
    empty_threads(busy);
    for (unsigned i = 0; i < QUEUE; i++)
        assert_int_equal(finish_one(&waiting[i]), i == 3 ? -ECANCELED : (int)i);
    assert_int_equal(finish_one(&refused), 99);
}

static void the_queue_is_bounded(void **state)
{
    (void)state;
    net_each(full);
}

static void ends(void)
{
    struct one busy[THREADS], late = {.wait = 2 * RN_MILLISECOND}, cancelled = {.wait = 0};
    fill_threads(busy);
    spawn_one(&late);
    spawn_one(&cancelled);
    rn_task_cancel(cancelled.waker);
    assert_int_equal(finish_one(&cancelled), -ECANCELED);
    assert_int_equal(finish_one(&late), -ETIMEDOUT);
    assert_int_equal(late.call.begun + cancelled.call.begun, 0);
    /* What runs already isn't stopped: it is waited for, and its result is its own. */
    rn_task_cancel(busy[0].waker);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    assert_false(busy[0].over);
    empty_threads(busy);
    struct one timed = {.wait = RN_MILLISECOND, .call.result = 5};
    spawn_one(&timed);
    await_begin(&timed.call);
    while (!(timed.call.helped.op.flags & RN_OP_EXPIRED)) net_turn();
    assert_false(timed.over);
    let_go(&timed.call);
    assert_int_equal(finish_one(&timed), 5);
}

static void what_waits_can_be_cancelled(void **state)
{
    (void)state;
    net_each(ends);
}

/* ---- A whole runtime ------------------------------------------------------------------------- */

enum { WORKERS = 3, TASKS = 8, CALLS = 200 };

struct stress {
    struct rn_task task;
    rn_co co;
    struct rn_helped helped;
    struct rn_yield yield;
    struct rn_sleep sleep;
    unsigned number, calls;
    uint32_t *over;
    rn_waker waker;
    uint32_t ready; /* atomic */
};

static int64_t quick(struct rn_helped *helped)
{
    return rn_container_of(helped, struct stress, helped)->number;
}

static enum rn_poll run_stress(struct rn_task *task, struct rn_cx *cx)
{
    struct stress *stress = rn_container_of(task, struct stress, task);
    RN_BEGIN(&stress->co);
    stress->waker = cx->waker;
    __atomic_store_n(&stress->ready, 1, __ATOMIC_RELEASE);
    for (stress->calls = 0; stress->calls < CALLS; stress->calls++) {
        stress->helped.run = quick;
        rn_helper_begin(cx, &stress->helped, rn_after(cx, stress->calls % 4 * RN_MICROSECOND));
        RN_AWAIT(&stress->co, &stress->helped.op, cx);
        int64_t result = stress->helped.op.result;
        if (result != stress->number && result != -RN_K_ETIMEDOUT && result != -RN_K_ECANCELED &&
            result != RN_E_LIMIT)
            abort();
    }
    RN_END(&stress->co);
}

static void done_stress(struct rn_task *task)
{
    struct stress *stress = rn_container_of(task, struct stress, task);
    __atomic_fetch_add(stress->over, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(stress->over, 1);
}

static struct rn_runtime *start_runtime(void)
{
    struct rn_runtime *runtime;
    const struct rn_runtime_options options = {.workers = WORKERS, .backend = &rn_backend_epoll,
                                               .tasks = 64, .buffers = 16, .buffer_size = 2048};
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    return runtime;
}

static void many_calls_of_many_workers(void **state)
{
    (void)state;
    static struct stress all[WORKERS * TASKS];
    struct rn_runtime *runtime = start_runtime();
    uint32_t over = 0, seen;
    alarm(NET_PATIENCE_S);
    for (unsigned i = 0; i < RN_COUNT(all); i++) {
        all[i] = (struct stress){.task.poll = run_stress, .task.done = done_stress,
                                 .number = i, .over = &over};
        rn_spawn_remote(rn_runtime_worker(runtime, i % WORKERS), &all[i].task);
    }
    for (unsigned i = 0; i < RN_COUNT(all); i += 3) {
        while (!__atomic_load_n(&all[i].ready, __ATOMIC_ACQUIRE)) sched_yield();
        rn_task_cancel(all[i].waker);
    }
    while ((seen = __atomic_load_n(&over, __ATOMIC_ACQUIRE)) < RN_COUNT(all))
        rn_sys_futex_wait(&over, seen, NULL);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    alarm(0);
}

/* The end of a runtime waits for the call that runs, and drops those that wait. */
static void an_end_in_the_middle(void **state)
{
    (void)state;
    static struct one ones[THREADS + 2];
    struct rn_runtime *runtime = start_runtime();
    alarm(NET_PATIENCE_S);
    for (unsigned i = 0; i < RN_COUNT(ones); i++) {
        ones[i] = (struct one){.task.poll = run_one};
        rn_spawn_remote(rn_runtime_worker(runtime, i % WORKERS), &ones[i].task);
    }
    unsigned begun;
    do {
        sched_yield();
        begun = 0;
        for (unsigned i = 0; i < RN_COUNT(ones); i++)
            begun += __atomic_load_n(&ones[i].call.begun, __ATOMIC_ACQUIRE);
    } while (begun < THREADS);
    rn_runtime_stop(runtime);
    for (unsigned i = 0; i < RN_COUNT(ones); i++) let_go(&ones[i].call);
    rn_runtime_join(runtime);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_says_that_it_uses_helpers),
        cmocka_unit_test(a_worker_goes_on_while_a_call_blocks),
        cmocka_unit_test(a_call_can_be_nobody_s),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(what_waits_can_be_cancelled),
        cmocka_unit_test(many_calls_of_many_workers),
        cmocka_unit_test(an_end_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
