/*
 * core/lock.h: the lock of what tasks of several workers share, held for a few instructions: a
 * futex with three states ("Futexes Are Tricky", Drepper, mutex 2), so that it costs no system call
 * unless two threads want it at once.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <runnel/sync.h>

enum { RN_LOCK_FREE, RN_LOCK_HELD, RN_LOCK_WANTED };

/* core/lock.c: waits, for a while, until the word isn't RN_LOCK_WANTED any more; and ends that
 * wait. */
void rn_lock_pause(uint32_t *word);
void rn_lock_resume(uint32_t *word);

static inline void rn_lock_take(struct rn_lock *lock)
{
    uint32_t word = RN_LOCK_FREE;
    if (rn_likely(__atomic_compare_exchange_n(&lock->word, &word, RN_LOCK_HELD, false,
                                              __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        return;
    while (__atomic_exchange_n(&lock->word, RN_LOCK_WANTED, __ATOMIC_ACQUIRE) != RN_LOCK_FREE)
        rn_lock_pause(&lock->word);
}

static inline void rn_lock_leave(struct rn_lock *lock)
{
    if (__atomic_exchange_n(&lock->word, RN_LOCK_FREE, __ATOMIC_RELEASE) == RN_LOCK_WANTED)
        rn_lock_resume(&lock->word);
}

#endif
