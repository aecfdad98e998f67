/*
 * Models of what is shared without locks: core/inbox.h, core/shared_stack.c, core/task_state.h.
 * What is handed over carries plain data, so that an order that is too weak shows as a race.
 */
#include <string.h>

#include "core/inbox.h"
#include "core/shared_stack.h"
#include "core/task_state.h"

#include "models.h"

/* ---- The inbox ------------------------------------------------------------------------------- */

enum { NODES = 4 };

struct letter {
    struct rn_node node;
    unsigned from;
    unsigned number;
};

static struct rn_inbox inbox;
static struct letter letters[MODEL_THREADS][NODES];
static unsigned taken[MODEL_THREADS];

static void inbox_setup(void)
{
    memset(&inbox, 0, sizeof inbox);
    memset(letters, 0, sizeof letters);
    memset(taken, 0, sizeof taken);
}

static void post(unsigned count)
{
    unsigned self = model_self();
    for (unsigned i = 0; i < count; i++) {
        struct letter *letter = &letters[self][i];
        letter->from = self;
        letter->number = i;
        rn_inbox_push(&inbox, &letter->node);
    }
}

/* Each once, and those of one sender in their order. */
static void take_all(void)
{
    for (struct rn_node *node = rn_inbox_take(&inbox), *next; node; node = next) {
        struct letter *letter = rn_container_of(node, struct letter, node);
        next = node->next;
        model_assert(letter->from < MODEL_THREADS);
        model_assert(letter->number == taken[letter->from]);
        taken[letter->from]++;
        letter->number = 99; /* it is the taker's now */
    }
}

static void post_one(void) { post(1); }
static void post_two(void) { post(2); }
static void take_once(void) { take_all(); }

static void take_twice(void)
{
    if (!rn_inbox_empty(&inbox)) take_all();
    take_all();
}

static void all_of_two(void)
{
    take_all();
    model_assert(taken[0] == 2 && taken[1] == 2);
}

static void all_of_three(void)
{
    take_all();
    model_assert(taken[0] == 1 && taken[1] == 1 && taken[2] == 1);
}

const struct model inbox_two = {"inbox, two senders", inbox_setup,
                                {post_two, post_two, take_twice}, all_of_two};
const struct model inbox_three = {"inbox, three senders", inbox_setup,
                                  {post_one, post_one, post_one, take_once}, all_of_three};

/* ---- The shared stack ------------------------------------------------------------------------ */

static struct rn_shared_stack stack;
static unsigned values[4], popped[4];

static void stack_setup(void)
{
    memset(popped, 0, sizeof popped);
    memset(values, 0, sizeof values);
    if (rn_shared_stack_init(&stack, 3) < 0) model_assert(!"no memory");
}

static void stack_teardown(void) { rn_shared_stack_fini(&stack); }

static void push_value(unsigned index)
{
    values[index] = index + 1;
    model_assert(rn_shared_stack_push(&stack, &values[index]));
}

/* What was popped is the popper's own: its content is there, and nobody else has it. */
static bool pop_value(void)
{
    unsigned *value = rn_shared_stack_pop(&stack);
    if (!value) return false;
    unsigned index = (unsigned)(value - values);
    model_assert(*value == index + 1);
    *value = 77;
    popped[index]++;
    return true;
}

static void push_0(void) { push_value(0); }
static void pop_any(void) { pop_value(); }

static void push_pop(void)
{
    push_value(1);
    pop_value();
}

static void pushed_before(void)
{
    stack_setup();
    push_value(0);
    push_value(1);
}

/* While another one is about to pop: the same node on top again, over another one. */
static void pop_pop_push(void)
{
    unsigned *first = rn_shared_stack_pop(&stack);
    pop_value();
    if (first) model_assert(rn_shared_stack_push(&stack, first));
}

static void each_once(void)
{
    unsigned left = 0;
    while (pop_value()) left++;
    for (unsigned i = 0; i < 4; i++) model_assert(popped[i] == (values[i] != 0));
    model_assert(left <= 3);
    /* and every node is vacant again */
    for (unsigned i = 0; i < 3; i++) push_value(i);
    model_assert(!rn_shared_stack_push(&stack, values));
}

const struct model shared_pop_push = {"shared stack, push and pop", stack_setup,
                                      {push_pop, push_0}, each_once, stack_teardown};
const struct model shared_three = {"shared stack, three threads", stack_setup,
                                   {push_0, pop_any, pop_any}, each_once, stack_teardown};
const struct model shared_reuse = {"shared stack, reuse", pushed_before, {pop_any, pop_pop_push},
                                   each_once, stack_teardown};

/* ---- A task's word --------------------------------------------------------------------------- */

static rn_task_word word;
static unsigned message[MODEL_THREADS]; /* what a waker tells */
static unsigned told[MODEL_THREADS];
static unsigned polls, stale;
static struct rn_inbox run_queue;
static struct rn_node task_node;
static uint32_t pushed, in_queue;

static void word_setup(void)
{
    word = rn_task_word_make(7, RN_TASK_IDLE);
    memset(message, 0, sizeof message);
    memset(told, 0, sizeof told);
    memset(&run_queue, 0, sizeof run_queue);
    polls = stale = 0;
    pushed = in_queue = 0;
}

/* Only whoever was told to pushes: the node is in the queue once. */
static void push_task(void)
{
    model_assert(__atomic_exchange_n(&in_queue, 1, __ATOMIC_RELAXED) == 0);
    rn_inbox_push(&run_queue, &task_node);
    model_signal(&pushed);
}

static void wake_with_message(void)
{
    unsigned self = model_self();
    __atomic_store_n(&message[self], 1, __ATOMIC_RELAXED);
    switch (rn_task_state_wake(&word, 7, 0)) {
    case RN_WAKE_PUSH: push_task(); break;
    case RN_WAKE_STALE: break; /* it saw the message before it was told */
    case RN_WAKE_DONE: break;
    }
}

static bool poll_task(void)
{
    bool all = true;
    polls++;
    for (unsigned i = 0; i < 2; i++) {
        told[i] = __atomic_load_n(&message[i], __ATOMIC_RELAXED);
        all &= told[i];
    }
    return all;
}

static void take_task(void)
{
    model_wait(&pushed);
    model_assert(rn_inbox_take(&run_queue) == &task_node);
    __atomic_store_n(&in_queue, 0, __ATOMIC_RELAXED);
}

/* Until both messages have come; if a wake is lost, it waits for ever. A task that is done while it
 * is queued comes out of the queue once more. */
static void run_until_told(void)
{
    do {
        take_task();
        bool cancelled = rn_task_state_run(&word);
        model_assert(!cancelled);
    } while (!poll_task());
    if (rn_task_state_free(&word, 8)) take_task();
    model_assert(__atomic_load_n(&in_queue, __ATOMIC_RELAXED) == 0);
}

static void all_told(void) { model_assert(told[0] && told[1] && polls <= 3); }

const struct model word_two_wakes = {"task word, two wakers", word_setup,
                                     {wake_with_message, wake_with_message, run_until_told},
                                     all_told};

/* A task runs once and is freed, and its slot is taken by another: a waker of the old one that
 * comes late must not wake the new one. */
static void slot_setup(void)
{
    word_setup();
    word = rn_task_word_make(7, RN_TASK_QUEUED);
}

static void count_wake(void)
{
    enum rn_wake_result result = rn_task_state_wake(&word, 7, 0);
    if (result == RN_WAKE_PUSH) push_task();
    stale += result == RN_WAKE_STALE;
}

static void is_idle(void)
{
    model_assert(word == rn_task_word_make(8, RN_TASK_IDLE));
    model_assert(stale <= 1);
}

static void run_and_reuse(void)
{
    bool cancelled = rn_task_state_run(&word);
    (void)cancelled;
    if (rn_task_state_free(&word, 8)) take_task();
    model_assert(__atomic_load_n(&in_queue, __ATOMIC_RELAXED) == 0);
    __atomic_store_n(&word, rn_task_word_make(8, RN_TASK_IDLE), __ATOMIC_RELEASE);
}

const struct model word_stale = {"task word, a stale waker", slot_setup,
                                 {run_and_reuse, count_wake}, is_idle};

/* A cancel that comes with a wake is seen by a poll. */
static void cancel_task(void)
{
    if (rn_task_state_wake(&word, 7, RN_TASK_CANCELLED) == RN_WAKE_PUSH) push_task();
}

static void wake_task(void)
{
    if (rn_task_state_wake(&word, 7, 0) == RN_WAKE_PUSH) push_task();
}

static void run_until_cancelled(void)
{
    do {
        take_task();
    } while (!rn_task_state_run(&word));
}

const struct model word_cancel = {"task word, cancelled", word_setup,
                                  {cancel_task, wake_task, run_until_cancelled}};
