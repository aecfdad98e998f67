/*
 * The stack that any thread may push to and pop from: bounded, nothing lost, nothing taken twice.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "core/shared_stack.h"

static void it_is_a_stack_with_a_bound(void **state)
{
    (void)state;
    int values[5];
    struct rn_shared_stack stack;
    assert_int_equal(rn_shared_stack_init(&stack, 4), 0);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(rn_shared_stack_empty(&stack));
        assert_null(rn_shared_stack_pop(&stack));
        for (unsigned i = 0; i < 4; i++) assert_true(rn_shared_stack_push(&stack, &values[i]));
        assert_false(rn_shared_stack_push(&stack, &values[4]));
        assert_false(rn_shared_stack_empty(&stack));
        for (unsigned i = 4; i-- > 0;) assert_ptr_equal(rn_shared_stack_pop(&stack), &values[i]);
    }
    rn_shared_stack_fini(&stack);
    assert_null(stack.nodes);
}

static void one_place_is_enough(void **state)
{
    (void)state;
    int a, b;
    struct rn_shared_stack stack;
    assert_int_equal(rn_shared_stack_init(&stack, 1), 0);
    assert_true(rn_shared_stack_push(&stack, &a));
    assert_false(rn_shared_stack_push(&stack, &b));
    assert_ptr_equal(rn_shared_stack_pop(&stack), &a);
    assert_true(rn_shared_stack_push(&stack, &b));
    assert_ptr_equal(rn_shared_stack_pop(&stack), &b);
    rn_shared_stack_fini(&stack);
}

/* The head that looks the same but isn't (ABA): a popper read it and the node behind it, and then
 * everything changed and came back. Its compare-and-swap must fail, which needs another head. */
static void a_head_never_looks_as_it_did(void **state)
{
    (void)state;
    int value;
    struct rn_shared_stack stack;
    assert_int_equal(rn_shared_stack_init(&stack, 3), 0);
    assert_true(rn_shared_stack_push(&stack, &value));
    uint64_t full = stack.full, vacant = stack.vacant;
    for (int i = 0; i < 1000; i++) {
        assert_ptr_equal(rn_shared_stack_pop(&stack), &value);
        assert_true(rn_shared_stack_push(&stack, &value));
        assert_int_equal((uint32_t)stack.full, (uint32_t)full);
        assert_true(stack.full > full);
        assert_true(stack.vacant > vacant);
        full = stack.full;
        vacant = stack.vacant;
    }
    /* The generation goes round without touching the index. */
    stack.full |= (uint64_t)UINT32_MAX << 32;
    assert_ptr_equal(rn_shared_stack_pop(&stack), &value);
    assert_int_equal(stack.full, 0);
    rn_shared_stack_fini(&stack);
}

/* Threads push their own tokens and pop whatever is there; a token is in one place at a time. */
enum { THREADS = 4, TOKENS = 64, ROUNDS = 20000, PLACES = THREADS * TOKENS / 2 };

struct token {
    uint32_t held; /* atomic: a thread has it in its hands */
    unsigned pops;
};

struct worker {
    pthread_t thread;
    struct rn_shared_stack *stack;
    struct token *hand[THREADS * TOKENS];
    unsigned count;
    unsigned pushed, popped, refused, errors;
    uint64_t seed;
};

static void *push_and_pop(void *argument)
{
    struct worker *worker = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        worker->seed = worker->seed * 6364136223846793005u + 1442695040888963407u;
        if ((worker->seed >> 63) && worker->count) {
            struct token *token = worker->hand[worker->count - 1];
            if (!__atomic_exchange_n(&token->held, 0, __ATOMIC_RELAXED)) worker->errors++;
            if (rn_shared_stack_push(worker->stack, token)) {
                worker->count--;
                worker->pushed++;
            } else {
                __atomic_store_n(&token->held, 1, __ATOMIC_RELAXED);
                worker->refused++;
            }
        } else {
            struct token *token = rn_shared_stack_pop(worker->stack);
            if (!token) continue;
            /* Also shows that what the pusher wrote is visible here: tsan sees it if not. */
            token->pops++;
            if (__atomic_exchange_n(&token->held, 1, __ATOMIC_RELAXED)) worker->errors++;
            worker->hand[worker->count++] = token;
            worker->popped++;
        }
        if (i % 256 == 0) sched_yield();
    }
    return NULL;
}

static void many_threads_push_and_pop(void **state)
{
    (void)state;
    static struct token tokens[THREADS * TOKENS];
    static struct worker workers[THREADS];
    struct rn_shared_stack stack;
    unsigned pushed = 0, popped = 0, left = 0, pops = 0;
    alarm(60);
    assert_int_equal(rn_shared_stack_init(&stack, PLACES), 0);
    for (unsigned w = 0; w < THREADS; w++) {
        struct worker *worker = &workers[w];
        worker->stack = &stack;
        worker->seed = w + 1;
        for (unsigned i = 0; i < TOKENS; i++) {
            worker->hand[worker->count++] = &tokens[w * TOKENS + i];
            tokens[w * TOKENS + i].held = 1;
        }
    }
    for (unsigned w = 0; w < THREADS; w++)
        assert_int_equal(pthread_create(&workers[w].thread, NULL, push_and_pop, &workers[w]), 0);
    for (unsigned w = 0; w < THREADS; w++) {
        assert_int_equal(pthread_join(workers[w].thread, NULL), 0);
        assert_int_equal(workers[w].errors, 0);
        pushed += workers[w].pushed;
        popped += workers[w].popped;
        left += workers[w].count;
    }
    alarm(0);
    while (rn_shared_stack_pop(&stack)) left++;
    assert_int_equal(left, THREADS * TOKENS);
    assert_true(pushed >= popped && pushed - popped <= PLACES);
    for (unsigned i = 0; i < THREADS * TOKENS; i++) pops += tokens[i].pops;
    assert_int_equal(pops, popped);
    /* All places are vacant again. */
    for (unsigned i = 0; i < PLACES; i++) assert_true(rn_shared_stack_push(&stack, &tokens[i]));
    assert_false(rn_shared_stack_push(&stack, &tokens[0]));
    rn_shared_stack_fini(&stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_stack_with_a_bound),
        cmocka_unit_test(one_place_is_enough),
        cmocka_unit_test(a_head_never_looks_as_it_did),
        cmocka_unit_test(many_threads_push_and_pop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
