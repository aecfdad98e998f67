/*
 * sys/context.c: new contexts; the switch itself is the architecture's.
 */
#include "sys/context.h"

#if defined(__x86_64__)
#include "sys/arch/context_x86_64.h"
#elif defined(__aarch64__)
#include "sys/arch/context_aarch64.h"
#endif

void *rn_context_make(void *top, void (*run)(void *argument), void *argument)
{
    /* Two empty words, for who looks for a return address; and a frame is 16 bytes aligned. */
    uintptr_t end = ((uintptr_t)top & ~(uintptr_t)15) - 16;
    struct saved *saved = (struct saved *)(end - sizeof *saved);
    __builtin_memset(saved, 0, sizeof *saved + 16);
    saved_set(saved, run, argument);
    return saved;
}
