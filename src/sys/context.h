/*
 * sys/context.h: switching from one stack to another, for fibers.
 */
#ifndef SYS_CONTEXT_H
#define SYS_CONTEXT_H

#include <runnel/base.h>

/*
 * Goes on where the context `to` was left, and comes back when something switches to what was put
 * into *from: a stack pointer, with the registers below it that a function must preserve, and the
 * modes of floating-point arithmetic.
 */
void rn_context_switch(void **from, void *to);

/* A context that calls run(argument) on an empty stack when it is first switched to. run doesn't
 * return. top: the stack's high end, at least 512 bytes above its low one. */
void *rn_context_make(void *top, void (*run)(void *argument), void *argument);

/* Whether the processor keeps a copy of all return addresses in this thread, and would end the
 * program when the stack changes under it. */
bool rn_shadow_stack_active(void);

/*
 * A word to valgrind, where the program runs under it, and otherwise nothing: instructions that do
 * nothing, which it takes for a request (valgrind's manual, "The Client Request mechanism").
 */
enum {
    RN_VALGRIND_STACK_IS = 0x1501,  /* from a to b: its number */
    RN_VALGRIND_STACK_WAS = 0x1502, /* that number */
    RN_VALGRIND_QUIET = 0x1801,     /* 1: reports no errors of this thread; -1: does again */
};
uintptr_t rn_valgrind_request(uintptr_t request, uintptr_t a, uintptr_t b);

#endif
