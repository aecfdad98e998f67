/*
 * core/shared_stack.c: two Treiber stacks over one array, of the nodes that carry a value and of
 * those that don't.
 */
#include "core/shared_stack.h"

#include "sys/sys.h"

int rn_shared_stack_init(struct rn_shared_stack *stack, uint32_t count)
{
    struct rn_shared_node *nodes = rn_map(count * sizeof *nodes);
    if (!nodes) return -RN_K_ENOMEM;
    for (uint32_t i = 0; i < count; i++) nodes[i].next = i + 1 < count ? i + 2 : 0;
    *stack = (struct rn_shared_stack){.nodes = nodes, .count = count, .vacant = 1};
    return 0;
}

void rn_shared_stack_fini(struct rn_shared_stack *stack)
{
    rn_unmap(stack->nodes, stack->count * sizeof *stack->nodes);
    *stack = (struct rn_shared_stack){0};
}

static uint64_t head_make(uint64_t before, uint32_t index)
{
    return ((before >> 32) + 1) << 32 | index;
}

/* The popped node's index + 1, or 0. */
static uint32_t node_pop(struct rn_shared_stack *stack, uint64_t *head)
{
    uint64_t seen = __atomic_load_n(head, __ATOMIC_ACQUIRE);
    while ((uint32_t)seen) {
        /* Another thread may have popped the node by now; then `next` is stale, and the exchange
         * fails. */
        uint32_t next = __atomic_load_n(&stack->nodes[(uint32_t)seen - 1].next, __ATOMIC_RELAXED);
        if (__atomic_compare_exchange_n(head, &seen, head_make(seen, next), true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_ACQUIRE))
            return (uint32_t)seen;
    }
    return 0;
}

static void node_push(struct rn_shared_stack *stack, uint64_t *head, uint32_t node)
{
    uint64_t seen = __atomic_load_n(head, __ATOMIC_RELAXED);
    do {
        __atomic_store_n(&stack->nodes[node - 1].next, (uint32_t)seen, __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(head, &seen, head_make(seen, node), true,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

bool rn_shared_stack_push(struct rn_shared_stack *stack, void *value)
{
    uint32_t node = node_pop(stack, &stack->vacant);
    if (!node) return false;
    stack->nodes[node - 1].value = value;
    node_push(stack, &stack->full, node);
    return true;
}

void *rn_shared_stack_pop(struct rn_shared_stack *stack)
{
    uint32_t node = node_pop(stack, &stack->full);
    if (!node) return NULL;
    void *value = stack->nodes[node - 1].value;
    node_push(stack, &stack->vacant, node);
    return value;
}
