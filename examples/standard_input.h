/*
 * Standard input in a fiber, whatever it is: a terminal, a pipe, a file.
 */
#ifndef EXAMPLE_STANDARD_INPUT_H
#define EXAMPLE_STANDARD_INPUT_H

#include "example.h"
#include <poll.h>

/* As read(2), but the other fibers go on while there is nothing. */
static inline rn_ssize read_input(void *to, size_t len)
{
    struct rn_op op = {.code = RN_OP_POLL, .fd = STDIN_FILENO, .arg.events = POLLIN};
    rn_op_begin(rn_fiber_cx(), &op, RN_NEVER);
    rn_fiber_await(&op);
    if (op.result == -ECANCELED) return op.result;
    rn_ssize got = read(STDIN_FILENO, to, len); /* also of a file, for which nobody can wait */
    return got < 0 ? -errno : got;
}

/* Runs it as a fiber on the one worker to its end: its result. */
static inline int64_t run_fiber(struct rn_fiber_pool *stacks, uint32_t count,
                                int64_t (*run)(void *argument), void *argument)
{
    static struct rn_fiber fiber;
    example_check(rn_fiber_pool_init(stacks, count, 65536), "stacks");
    example_check(rn_fiber_init(&fiber, stacks, run, argument), "fiber");
    int64_t result = example_complete(1, &fiber.child.task);
    rn_fiber_pool_fini(stacks);
    return result;
}

#endif
