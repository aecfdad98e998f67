/*
 * The inbox: nothing is lost or doubled, and what one thread pushed stays in its order.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/inbox.h"

struct message {
    struct rn_node node;
    unsigned producer;
    unsigned number;
};

static void an_empty_inbox_gives_nothing(void **state)
{
    (void)state;
    struct rn_inbox inbox = {0};
    assert_true(rn_inbox_empty(&inbox));
    assert_null(rn_inbox_take(&inbox));
    assert_true(rn_inbox_empty(&inbox));
}

static void what_went_in_first_comes_out_first(void **state)
{
    (void)state;
    struct rn_inbox inbox = {0};
    struct message messages[10];
    for (unsigned count = 1; count <= 10; count++) {
        for (unsigned i = 0; i < count; i++) {
            messages[i].number = i;
            rn_inbox_push(&inbox, &messages[i].node);
            assert_false(rn_inbox_empty(&inbox));
        }
        struct rn_node *node = rn_inbox_take(&inbox);
        assert_true(rn_inbox_empty(&inbox));
        for (unsigned i = 0; i < count; i++) {
            assert_ptr_equal(node, &messages[i].node);
            node = node->next;
        }
        assert_null(node);
    }
}

enum { PRODUCERS = 4, MESSAGES = 20000 };

struct producer {
    pthread_t thread;
    struct rn_inbox *inbox;
    struct message *messages;
    unsigned index;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct message *message = &producer->messages[i];
        message->producer = producer->index;
        message->number = i;
        rn_inbox_push(producer->inbox, &message->node);
        if (i % 64 == producer->index) sched_yield();
    }
    return NULL;
}

static void many_threads_push_while_one_takes(void **state)
{
    (void)state;
    struct rn_inbox inbox = {0};
    struct producer producers[PRODUCERS];
    unsigned next[PRODUCERS] = {0}, total = 0, batches = 0;
    alarm(60); /* a lost message shows as a hang */
    for (unsigned p = 0; p < PRODUCERS; p++) {
        producers[p] = (struct producer){.inbox = &inbox, .index = p};
        producers[p].messages = calloc(MESSAGES, sizeof(struct message));
        assert_int_equal(pthread_create(&producers[p].thread, NULL, produce, &producers[p]), 0);
    }
    while (total < PRODUCERS * MESSAGES) {
        struct rn_node *node = rn_inbox_take(&inbox);
        if (!node) sched_yield();
        else batches++;
        while (node) {
            struct message *message = rn_container_of(node, struct message, node);
            struct rn_node *after = node->next;
            node->next = NULL;
            assert_true(message->producer < PRODUCERS);
            assert_int_equal(message->number, next[message->producer]);
            next[message->producer]++;
            total++;
            node = after;
        }
    }
    alarm(0);
    for (unsigned p = 0; p < PRODUCERS; p++) {
        assert_int_equal(pthread_join(producers[p].thread, NULL), 0);
        free(producers[p].messages);
    }
    assert_true(rn_inbox_empty(&inbox));
    assert_true(batches > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_inbox_gives_nothing),
        cmocka_unit_test(what_went_in_first_comes_out_first),
        cmocka_unit_test(many_threads_push_while_one_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
