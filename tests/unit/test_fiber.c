/*
 * Fibers: switching, awaiting, cancelling, stacks. By hand, and with the threads of a real runtime.
 */
#include "await_bed.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <runnel/fiber.h>

#include "sys/context.h"

enum { STACK = 128 * 1024 };

static struct rn_fiber_pool pool;

/* In a fiber: cmocka's assertions would jump to another stack. */
#define must(condition) ((condition) ? (void)0 : not_so(#condition, __LINE__))

static void not_so(const char *condition, int line)
{
    fprintf(stderr, "test_fiber.c:%d: not so: %s\n", line, condition);
    abort();
}

static void open_with_pool(struct rn_runtime_options options, unsigned stacks)
{
    hand_open(options);
    assert_int_equal(rn_fiber_pool_init(&pool, stacks, STACK), 0);
}

static void close_with_pool(void)
{
    hand_close();
    assert_int_equal(pool.used, 0);
    rn_fiber_pool_fini(&pool);
}

static void spawn(struct rn_fiber *fiber, int64_t (*run)(void *argument), void *argument)
{
    assert_int_equal(rn_fiber_spawn(fiber, &pool, hand_worker(0), run, argument), 0);
}

static rn_waker waker_of(const struct rn_fiber *fiber)
{
    return rn_task_waker(hand_worker(0), &fiber->child.task);
}

/* ---- Contexts ---------------------------------------------------------------------------- */

static void *contexts[2];
static char context_stack[65536] __attribute__((aligned(16)));
static unsigned context_trace;

/* The rounding mode, without the libc's mathematics: 0 is to the nearest. */
static void set_rounding(uint32_t mode)
{
#if defined(__x86_64__)
    uint32_t control = 0x1f80 | mode << 13;
    uint16_t x87 = (uint16_t)(0x037f | mode << 10);
    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(control), "m"(x87));
#else
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode << 22));
#endif
}

static uint32_t get_rounding(void)
{
#if defined(__x86_64__)
    uint32_t control;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(control), "=m"(x87));
    return (control >> 13 & 3) == (x87 >> 10 & 3) ? control >> 13 & 3 : 99;
#else
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control >> 22 & 3;
#endif
}

/* No sanitizer is told of these switches, so nothing here is instrumented. */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static void ping(void *argument)
{
    for (;;) {
        context_trace = context_trace * 10 + 2;
        set_rounding(2); /* the context's own */
        rn_context_switch(&contexts[1], contexts[0]);
        if (get_rounding() != 2) context_trace = 0;
    }
}

__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static void
a_context_goes_on_where_it_was_left(void **state)
{
    (void)state;
    contexts[1] = rn_context_make(context_stack + sizeof context_stack, ping, NULL);
    context_trace = 0;
    set_rounding(3);
    for (unsigned i = 0; i < 3; i++) {
        context_trace = context_trace * 10 + 1;
        rn_context_switch(&contexts[0], contexts[1]);
        assert_int_equal(get_rounding(), 3);
    }
    set_rounding(0);
    assert_int_equal(context_trace, 121212);
    assert_false(rn_shadow_stack_active()); /* tests are built without one */
}

/* ---- Running and parking ----------------------------------------------------------------- */

static char trace[64];

static void note(char c)
{
    size_t len = strlen(trace);
    if (len + 1 < sizeof trace) trace[len] = c;
}

static int64_t two_steps(void *argument)
{
    const char *letters = argument;
    must(rn_fiber_current() != NULL);
    must(rn_fiber_cx()->worker == rn_worker_current());
    note(letters[0]);
    rn_fiber_yield();
    note(letters[1]);
    rn_fiber_yield();
    note(letters[2]);
    return letters[2];
}

static void fibers_take_turns(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 4);
    struct rn_fiber fibers[2] = {{.done = NULL}, {.done = NULL}};
    memset(trace, 0, sizeof trace);
    spawn(&fibers[0], two_steps, "abc");
    spawn(&fibers[1], two_steps, "ABC");
    assert_null(rn_fiber_current());
    hand_settle();
    assert_string_equal(trace, "aAbBcC");
    assert_int_equal(fibers[0].child.task.result, 'c');
    assert_int_equal(fibers[1].join.result, 'C');
    close_with_pool();
}

static int64_t sleep_twice(void *argument)
{
    rn_ns *slept = argument, before = rn_fiber_cx()->now;
    must(rn_fiber_sleep(RN_SECOND) == 0);
    *slept = rn_fiber_cx()->now - before;
    return rn_fiber_sleep(3600 * RN_SECOND);
}

static void cancelling_ends_the_await_and_those_to_come(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 4);
    struct rn_fiber fiber = {.done = NULL};
    rn_ns slept = 0;
    spawn(&fiber, sleep_twice, &slept);
    hand_pass(2 * RN_SECOND);
    assert_in_range(slept, RN_SECOND, RN_SECOND + 5 * RN_MILLISECOND);
    assert_false(fiber.finished);
    rn_task_cancel(waker_of(&fiber));
    hand_settle();
    assert_true(fiber.finished);
    assert_int_equal(fiber.child.task.result, -RN_K_ECANCELED);
    close_with_pool();
}

static int64_t clean_up(void *argument)
{
    bool *cleaned = argument;
    must(rn_fiber_sleep(RN_SECOND) == -RN_K_ECANCELED);
    must(rn_fiber_cancelled());
    must(rn_fiber_sleep(RN_SECOND) == -RN_K_ECANCELED);
    rn_fiber_shield();
    rn_fiber_shield();
    must(rn_fiber_sleep(RN_SECOND) == 0);
    rn_fiber_unshield();
    must(rn_fiber_sleep(RN_SECOND) == 0);
    *cleaned = true;
    rn_fiber_unshield();
    must(rn_fiber_cancelled());
    return rn_fiber_sleep(RN_SECOND);
}

static void a_fiber_may_clean_up_after_it_was_cancelled(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 4);
    struct rn_fiber fiber = {.done = NULL};
    bool cleaned = false;
    spawn(&fiber, clean_up, &cleaned);
    hand_settle();
    rn_task_cancel(waker_of(&fiber));
    hand_settle();
    assert_false(cleaned);
    hand_pass(3 * RN_SECOND);
    assert_true(cleaned && fiber.finished);
    assert_int_equal(fiber.child.task.result, -RN_K_ECANCELED);
    close_with_pool();
}

/* ---- Awaiting each kind of future -------------------------------------------------------- */

static struct rn_channel letters;

static int64_t receive_three(void *argument)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        char letter;
        struct rn_channel_wait wait;
        rn_channel_recv(&wait, &letters, &letter);
        rn_fiber_await(&wait.future);
        if (wait.result < 0) return wait.result;
        sum = sum * 100 + letter - 'a';
    }
    return sum;
}

static int64_t do_an_op(void *argument)
{
    struct rn_op op = {.code = RN_OP_RECV};
    struct rn_timeout timeout;
    rn_op_begin(rn_fiber_cx(), &op, RN_NEVER);
    rn_timeout(&timeout, rn_fiber_cx(), rn_awaitable_of(&op), RN_SECOND);
    rn_fiber_await(&timeout.future);
    return timeout.result ? timeout.result : op.result;
}

static void a_fiber_awaits_what_a_task_awaits(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 4);
    struct rn_fiber fibers[3] = {{.done = NULL}, {.done = NULL}, {.done = NULL}};
    char memory[1];
    rn_channel_init(&letters, memory, 1, 1);
    spawn(&fibers[0], receive_three, NULL);
    spawn(&fibers[1], do_an_op, NULL);
    hand_settle();
    for (char c = 'b'; c <= 'd'; c++) {
        assert_int_equal(rn_channel_try_send(&letters, &c), 0);
        hand_settle();
    }
    assert_int_equal(fibers[0].child.task.result, 10203);
    assert_false(fibers[1].finished);
    hand_complete(hand_op(RN_OP_RECV), 77);
    assert_int_equal(fibers[1].child.task.result, 77);
    spawn(&fibers[2], do_an_op, NULL);
    hand_pass(2 * RN_SECOND);
    assert_int_equal(fibers[2].child.task.result, -RN_K_ETIMEDOUT);
    close_with_pool();
}

/* ---- Spawning and joining ---------------------------------------------------------------- */

static int64_t sleep_long(void *argument) { return rn_fiber_sleep(3600 * RN_SECOND); }

static int64_t join_a_child(void *argument)
{
    struct rn_fiber child = {.done = NULL};
    must(rn_fiber_spawn(&child, &pool, rn_worker_current(), sleep_long, NULL) == 0);
    return rn_fiber_join(&child) - 1;
}

static void a_join_gives_the_result_and_hands_the_cancelling_on(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 4);
    struct rn_fiber fibers[2] = {{.done = NULL}, {.done = NULL}};
    spawn(&fibers[0], join_a_child, NULL);
    spawn(&fibers[1], join_a_child, NULL);
    hand_settle();
    rn_task_cancel(waker_of(&fibers[1]));
    hand_settle();
    assert_true(fibers[1].finished && !fibers[0].finished);
    assert_int_equal(fibers[1].child.task.result, -RN_K_ECANCELED - 1);
    hand_pass(3602 * RN_SECOND);
    assert_int_equal(fibers[0].child.task.result, -1);
    close_with_pool();
}

struct nursery {
    struct rn_fiber fibers[3];
    unsigned ended;
};

static void nursery_ended(struct rn_child *child)
{
    struct rn_fiber *fiber = rn_container_of(child, struct rn_fiber, child);
    ++*(unsigned *)fiber->argument;
}

static int64_t wait_for_ever(void *argument)
{
    must(rn_fiber_sleep(3600 * RN_SECOND) == -RN_K_ECANCELED);
    return 0;
}

/* Fibers in a scope, which a fiber awaits. */
static int64_t run_nursery(void *argument)
{
    struct nursery *nursery = argument;
    struct rn_scope scope;
    rn_scope_open(&scope, rn_worker_current());
    for (unsigned i = 0; i < 3; i++) {
        struct rn_fiber *fiber = &nursery->fibers[i];
        fiber->child.ended = nursery_ended;
        must(rn_fiber_init(fiber, &pool, wait_for_ever, &nursery->ended) == 0);
        must(rn_scope_spawn(&scope, hand_worker(i % 2), &fiber->child) == 0);
    }
    must(rn_fiber_sleep(RN_SECOND) == 0);
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    return nursery->ended;
}

static void fibers_live_in_scopes(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){.workers = 2}, 4);
    struct rn_fiber fiber = {.done = NULL};
    struct nursery nursery = {.ended = 0};
    spawn(&fiber, run_nursery, &nursery);
    hand_pass(2 * RN_SECOND);
    assert_int_equal(fiber.child.task.result, 3);
    close_with_pool();
}

static void free_fiber(struct rn_fiber *fiber) { free(fiber); }

static void a_fiber_may_be_freed_when_it_is_done(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 1);
    for (unsigned i = 0; i < 5; i++) {
        struct rn_fiber *fiber = calloc(1, sizeof *fiber);
        fiber->done = free_fiber;
        spawn(fiber, two_steps, "xyz");
        hand_settle();
    }
    close_with_pool();
}

/* ---- Stacks ------------------------------------------------------------------------------ */

static void stacks_are_bounded_and_used_again(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){.tasks = 2}, 3);
    struct rn_fiber fibers[4] = {{.done = NULL}, {.done = NULL}, {.done = NULL}, {.done = NULL}};
    spawn(&fibers[0], two_steps, "abc");
    spawn(&fibers[1], two_steps, "abc");
    /* A stack, but no slot for the task: the stack is there again. */
    assert_int_equal(rn_fiber_spawn(&fibers[2], &pool, hand_worker(0), two_steps, "abc"),
                     -RN_K_ENOBUFS);
    assert_int_equal(pool.used, 2);
    assert_int_equal(rn_fiber_init(&fibers[2], &pool, two_steps, "abc"), 0);
    assert_int_equal(rn_fiber_init(&fibers[3], &pool, two_steps, "abc"), -RN_K_ENOBUFS);
    rn_fiber_drop(&fibers[2]);
    hand_settle();
    assert_int_equal(pool.used, 0);
    /* Without a slot on a worker elsewhere: as its result, and the stack comes back. */
    spawn(&fibers[0], two_steps, "abc");
    spawn(&fibers[1], two_steps, "abc");
    assert_int_equal(rn_fiber_init(&fibers[2], &pool, two_steps, "abc"), 0);
    rn_worker_enter(NULL);
    rn_spawn_remote(hand_worker(0), &fibers[2].child.task);
    hand_turn(0);
    assert_int_equal(fibers[2].child.task.result, -RN_K_ENOBUFS);
    close_with_pool();
}

static void a_pool_has_limits(void **state)
{
    (void)state;
    struct rn_fiber_pool bad;
    assert_int_equal(rn_fiber_pool_init(&bad, 0, STACK), RN_E_MISUSE);
    assert_int_equal(rn_fiber_pool_init(&bad, 1, 0), RN_E_MISUSE);
    assert_int_equal(rn_fiber_pool_init(&bad, 1, ((size_t)1 << 30) + 1), RN_E_MISUSE);
    assert_int_equal(rn_fiber_pool_init(&bad, UINT32_MAX, (size_t)1 << 30), -RN_K_ENOMEM);
    assert_int_equal(rn_fiber_pool_init(&bad, 1, 1), 0);
    assert_int_equal(bad.stack_size, 65536);
    rn_fiber_pool_fini(&bad);
}

/* So many frames of 1 KiB at least. */
__attribute__((noinline)) static unsigned dig(unsigned depth)
{
    volatile char frame[1024];
    for (unsigned i = 0; i < sizeof frame; i++) frame[i] = (char)(i + 1);
    return depth ? dig(depth - 1) + (unsigned)frame[depth % sizeof frame] : 0;
}

static int64_t dig_deep(void *argument) { return dig(*(unsigned *)argument); }

static void the_peak_is_known(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 2);
    struct rn_fiber fiber = {.done = NULL};
    unsigned depth = 20;
    assert_int_equal(rn_fiber_pool_peak(&pool), 0);
    spawn(&fiber, dig_deep, &(unsigned){0});
    hand_settle();
    size_t shallow = rn_fiber_pool_peak(&pool);
    assert_true(shallow > 1024);
    spawn(&fiber, dig_deep, &depth);
    hand_settle();
    size_t deep = rn_fiber_pool_peak(&pool);
    assert_in_range(deep, shallow + 20 * 1024, STACK);
    spawn(&fiber, dig_deep, &(unsigned){0});
    hand_settle();
    assert_int_equal(rn_fiber_pool_peak(&pool), deep);
    close_with_pool();
}

static struct rn_fiber *overflowing;

/* The address that it couldn't use lies in its stack's guard. */
static void on_overflow(int signal, siginfo_t *info, void *context)
{
    uint8_t *at = info->si_addr;
    _exit(at < overflowing->stack && at >= overflowing->stack - 65536 ? 42 : 43);
}

static int64_t overflow(void *argument) { return dig(UINT32_MAX); }

static void an_overflow_hits_the_guard(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 2);
    pid_t child = fork();
    if (child == 0) {
        static char signal_stack[65536];
        stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
        struct sigaction action = {.sa_sigaction = on_overflow,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK};
        struct rn_fiber fibers[2] = {{.done = NULL}, {.done = NULL}};
        sigaltstack(&stack, NULL);
        sigaction(SIGSEGV, &action, NULL);
        /* Not the lowest, so that what lies below is another's stack. */
        if (rn_fiber_init(&fibers[0], &pool, overflow, NULL) < 0) _exit(44);
        overflowing = &fibers[1];
        spawn(overflowing, overflow, NULL);
        hand_settle();
        _exit(45);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    close_with_pool();
}

static void outside_of_a_fiber_its_calls_trap(void **state)
{
    (void)state;
    open_with_pool((struct rn_runtime_options){0}, 1);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGILL, SIG_DFL); /* a sanitizer would tell of it at length */
        rn_fiber_yield();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close_with_pool();
}

/* ---- Threads ----------------------------------------------------------------------------- */

enum { WORKERS = 3, FIBERS = 24, ROUNDS = 100 };

static struct rn_mutex mutex;
static unsigned long counted;

static int64_t count_up(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct rn_wait wait;
        rn_mutex_lock(&wait, &mutex);
        rn_fiber_await(&wait.future);
        if (wait.result < 0) return wait.result;
        counted++;
        if (i % 8 == 0) rn_fiber_yield();
        rn_mutex_unlock(&mutex);
        if (i % 32 == 0 && rn_fiber_sleep(RN_MICROSECOND) < 0) return -1;
    }
    return 0;
}

static int64_t run_many(void *argument)
{
    struct rn_fiber *fibers = argument;
    struct rn_scope scope;
    struct rn_runtime *runtime = rn_worker_runtime(rn_worker_current());
    rn_scope_open(&scope, rn_worker_current());
    for (unsigned i = 0; i < FIBERS; i++) {
        if (rn_fiber_init(&fibers[i], &pool, count_up, NULL) < 0) abort();
        if (rn_scope_spawn(&scope, rn_runtime_worker(runtime, i % WORKERS), &fibers[i].child) < 0)
            abort();
    }
    rn_fiber_await(&scope.future);
    return scope.result ? scope.result : (int64_t)counted;
}

static void fibers_run_on_all_workers(void **state)
{
    (void)state;
    static const struct rn_backend_vt *const backends[] = {&rn_backend_epoll, &rn_backend_poll,
                                                           &rn_backend_uring};
    for (unsigned i = 0; i < RN_COUNT(backends); i++) {
        const char *missing;
        if (backends[i]->probe(&missing) < 0) continue;
        struct rn_runtime *runtime;
        struct rn_runtime_options options = {.workers = WORKERS, .backend = backends[i],
                                             .tasks = 64, .buffers = 8, .buffer_size = 4096};
        static struct rn_fiber first, fibers[FIBERS];
        rn_mutex_init(&mutex);
        counted = 0;
        assert_int_equal(rn_fiber_pool_init(&pool, FIBERS + 1, STACK), 0);
        assert_int_equal(rn_runtime_start(&runtime, &options), 0);
        for (unsigned round = 0; round < 2; round++) {
            assert_int_equal(rn_fiber_init(&first, &pool, run_many, fibers), 0);
            assert_int_equal(rn_block_on_task(rn_runtime_worker(runtime, 1), &first.child.task),
                             (round + 1) * FIBERS * ROUNDS);
        }
        rn_runtime_stop(runtime);
        rn_runtime_join(runtime);
        rn_fiber_pool_fini(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_goes_on_where_it_was_left),
        cmocka_unit_test(fibers_take_turns),
        cmocka_unit_test(cancelling_ends_the_await_and_those_to_come),
        cmocka_unit_test(a_fiber_may_clean_up_after_it_was_cancelled),
        cmocka_unit_test(a_fiber_awaits_what_a_task_awaits),
        cmocka_unit_test(a_join_gives_the_result_and_hands_the_cancelling_on),
        cmocka_unit_test(fibers_live_in_scopes),
        cmocka_unit_test(a_fiber_may_be_freed_when_it_is_done),
        cmocka_unit_test(stacks_are_bounded_and_used_again),
        cmocka_unit_test(a_pool_has_limits),
        cmocka_unit_test(the_peak_is_known),
        cmocka_unit_test(an_overflow_hits_the_guard),
        cmocka_unit_test(outside_of_a_fiber_its_calls_trap),
        cmocka_unit_test(fibers_run_on_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
