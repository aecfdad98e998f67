/*
 * core/task_state.h: the one atomic word of a task, and every change it can go through.
 *
 *   free -> queued    spawned
 *   idle -> queued    woken: whoever made this change pushes the task, so it is in at most one
 *                     queue once
 *   queued -> idle    taken from the queue, to be polled: woken while it runs, it is queued again
 *   idle -> free      done; the generation goes on, and wakers of the old one are stale
 *   queued -> free    the same; its slot is taken again only when it has come out of the queue
 *
 * The upper half of the word is the slot's generation, so a check of the generation and the change
 * are one step.
 */
#ifndef CORE_TASK_STATE_H
#define CORE_TASK_STATE_H

#include <runnel/base.h>

enum {
    RN_TASK_FREE,
    RN_TASK_IDLE,
    RN_TASK_QUEUED,
    RN_TASK_STATE_MASK = 7,
    RN_TASK_CANCELLED = 8, /* a flag, beside the state */
};

enum rn_wake_result {
    RN_WAKE_STALE,  /* the task is gone */
    RN_WAKE_DONE,   /* nothing to do: it will run anyway */
    RN_WAKE_PUSH,   /* the caller must push the task into a queue */
};

typedef uint64_t rn_task_word; /* only through the functions below */

static inline rn_task_word rn_task_word_make(uint32_t generation, uint32_t state)
{
    return (rn_task_word)generation << 32 | state;
}

static inline uint32_t rn_task_word_generation(rn_task_word word) { return (uint32_t)(word >> 32); }

RN_MUST_USE static inline enum rn_wake_result rn_task_state_wake(rn_task_word *word,
                                                                 uint32_t generation,
                                                                 uint32_t flags)
{
    rn_task_word seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    for (;;) {
        uint32_t state = (uint32_t)seen & RN_TASK_STATE_MASK;
        if (rn_task_word_generation(seen) != generation || state == RN_TASK_FREE)
            return RN_WAKE_STALE;
        rn_task_word next = seen | flags;
        if (state == RN_TASK_IDLE) next += RN_TASK_QUEUED - RN_TASK_IDLE;
        /* Also when nothing changes: the release makes what the waker wrote visible to the
         * coming poll. */
        if (__atomic_compare_exchange_n(word, &seen, next, true, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return state == RN_TASK_IDLE ? RN_WAKE_PUSH : RN_WAKE_DONE;
    }
}

/* It comes out of the queue, to be polled; says whether the task was cancelled. */
RN_MUST_USE static inline bool rn_task_state_run(rn_task_word *word)
{
    rn_task_word before =
        __atomic_fetch_sub(word, RN_TASK_QUEUED - RN_TASK_IDLE, __ATOMIC_ACQ_REL);
    rn_assert(((uint32_t)before & RN_TASK_STATE_MASK) == RN_TASK_QUEUED);
    return (uint32_t)before & RN_TASK_CANCELLED;
}

/* The end: from now on wakers are stale. True when it is in a queue all the same. */
RN_MUST_USE static inline bool rn_task_state_free(rn_task_word *word, uint32_t next_generation)
{
    rn_task_word before = __atomic_exchange_n(
        word, rn_task_word_make(next_generation, RN_TASK_FREE), __ATOMIC_ACQ_REL);
    return ((uint32_t)before & RN_TASK_STATE_MASK) == RN_TASK_QUEUED;
}

#endif
