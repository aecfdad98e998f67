/*
 * core/lock.c: how a thread waits for a lock: first in a loop, since it is held for nanoseconds,
 * and then in the kernel, since its holder may have lost its processor.
 */
#include "core/lock.h"

#include "sys/sys.h"

enum { LOOKS = 100 };

void rn_lock_pause(uint32_t *word)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        if (__atomic_load_n(word, __ATOMIC_RELAXED) == RN_LOCK_FREE) return;
        rn_cpu_relax();
    }
    rn_sys_futex_wait(word, RN_LOCK_WANTED, NULL);
}

void rn_lock_resume(uint32_t *word) { rn_sys_futex_wake(word, 1); }
