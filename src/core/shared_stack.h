/*
 * core/shared_stack.h: a bounded stack that any thread may push to and pop from. Nodes are indices
 * into an array that stays mapped, and the head carries a generation that every change moves on: a
 * head that looks the same but isn't (ABA) fails the compare-and-swap.
 */
#ifndef CORE_SHARED_STACK_H
#define CORE_SHARED_STACK_H

#include <runnel/base.h>

struct rn_shared_node {
    void *value;
    uint32_t next; /* index + 1; 0: none */
};

struct rn_shared_stack {
    uint64_t full;   /* generation << 32 | index + 1 of the first node with a value */
    uint64_t vacant; /* the same, of the first node without */
    struct rn_shared_node *nodes;
    uint32_t count;
};

/* -ENOMEM */
RN_MUST_USE int rn_shared_stack_init(struct rn_shared_stack *stack, uint32_t count);
void rn_shared_stack_fini(struct rn_shared_stack *stack);

/* False when the stack is full. */
RN_MUST_USE bool rn_shared_stack_push(struct rn_shared_stack *stack, void *value);

/* NULL when the stack is empty. */
void *rn_shared_stack_pop(struct rn_shared_stack *stack);

static inline bool rn_shared_stack_empty(const struct rn_shared_stack *stack)
{
    return (uint32_t)__atomic_load_n(&stack->full, __ATOMIC_RELAXED) == 0;
}

#endif
