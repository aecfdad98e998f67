/*
 * Models of the lock of what tasks share (core/lock.h): waiting in the kernel is waiting in the
 * model here.
 */
#include "core/lock.h"

#include "models.h"

static uint32_t rung;

/* As futex(2): waits only while the word is as expected. */
void rn_lock_pause(uint32_t *word)
{
    if (__atomic_load_n(word, __ATOMIC_RELAXED) == RN_LOCK_WANTED) model_wait(&rung);
}

void rn_lock_resume(uint32_t *word) { model_signal(&rung); }

static struct rn_lock lock;
static unsigned inside, count; /* not atomic: a race is found */

static void lock_setup(void)
{
    lock = (struct rn_lock){0};
    inside = count = 0;
    rung = 0;
}

static void lock_once(void)
{
    rn_lock_take(&lock);
    model_assert(inside++ == 0);
    count++;
    inside--;
    rn_lock_leave(&lock);
}

static void lock_twice(void)
{
    lock_once();
    lock_once();
}

static void two_by_two(void) { model_assert(count == 4 && lock.word == RN_LOCK_FREE); }
static void three_times(void) { model_assert(count == 3 && lock.word == RN_LOCK_FREE); }

const struct model lock_two = {"lock, two threads", lock_setup, {lock_twice, lock_twice},
                               two_by_two};
const struct model lock_three = {"lock, three threads", lock_setup,
                                 {lock_once, lock_once, lock_once}, three_times, .bound = 3};
