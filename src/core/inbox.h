/*
 * core/inbox.h: what other threads give a worker. A Treiber stack: push by compare-and-swap, all
 * taken by one exchange and reversed, so that the order is first in, first out. No single node is
 * ever popped, so there is no ABA.
 */
#ifndef CORE_INBOX_H
#define CORE_INBOX_H

#include <runnel/task.h>

struct rn_inbox {
    struct rn_node *head;
};

static inline void rn_inbox_push(struct rn_inbox *inbox, struct rn_node *node)
{
    struct rn_node *head = __atomic_load_n(&inbox->head, __ATOMIC_RELAXED);
    do {
        node->next = head;
    } while (!__atomic_compare_exchange_n(&inbox->head, &head, node, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

static inline bool rn_inbox_empty(const struct rn_inbox *inbox)
{
    return __atomic_load_n(&inbox->head, __ATOMIC_RELAXED) == NULL;
}

/* Everything, oldest first. */
static inline struct rn_node *rn_inbox_take(struct rn_inbox *inbox)
{
    struct rn_node *stack = __atomic_exchange_n(&inbox->head, NULL, __ATOMIC_ACQUIRE);
    struct rn_node *list = NULL;
    while (stack) {
        struct rn_node *next = stack->next;
        stack->next = list;
        list = stack;
        stack = next;
    }
    return list;
}

#endif
