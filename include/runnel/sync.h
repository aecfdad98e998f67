/*
 * runnel/sync.h: what tasks wait for each other with: semaphore, mutex, reader-writer lock, notify,
 * event, wait group, barrier. Between tasks of one worker or of several; none of them ever blocks a
 * worker's thread, and none allocates: the memory, of the thing and of each wait, is the caller's.
 *
 * Waiting is a future: fill it in by the function that is named like the wait, await &x.future,
 * read x.result: 0, or -ECANCELED when the task was cancelled or another branch of a select won.
 * A wait that was cancelled holds nothing: what it had been given by then has gone to the next in
 * line. Waits are served in the order in which they began. Everything that doesn't wait may be
 * called from any thread.
 *
 *     rn_mutex_lock(&me->lock, &shared->mutex);
 *     RN_AWAIT(&me->co, &me->lock.future, cx);
 *     if (me->lock.result < 0) ...
 *     rn_mutex_unlock(&shared->mutex);
 */
#ifndef RUNNEL_SYNC_H
#define RUNNEL_SYNC_H

#include <runnel/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What they are made of ------------------------------------------------------------------- */

/* Held for a few instructions, by whoever looks at one of the things below. Zero: free. */
struct rn_lock {
    uint32_t word; /* private, atomic, a futex */
};

/* A place in line. Private. */
struct rn_waiter {
    struct rn_waiter *next;
    struct rn_waiter *previous;
    rn_waker waker;
    uint32_t state;
    uint32_t count; /* what it waits for so many of */
};

struct rn_waiters {
    struct rn_waiter *first;
    struct rn_waiter *last;
};

/* What is waited for, and who does. Private. */
struct rn_line {
    struct rn_lock lock;
    uint32_t value; /* permits, or whatever else it counts */
    struct rn_waiters waiting;
};

/* A wait for any of the things below. It stays in place until it is over. */
struct rn_wait {
    struct rn_future future;
    struct rn_waiter waiter; /* private */
    struct rn_line *line;    /* private */
    int result;
};

/* ---- Semaphore ------------------------------------------------------------------------------- */

/* So many permits. Who asks for many isn't overtaken by those who ask for few. */
struct rn_semaphore {
    struct rn_line line; /* private: the permits that nobody has */
};

/* Before anyone uses it. */
void rn_semaphore_init(struct rn_semaphore *semaphore, uint32_t permits);
/* Waits for so many permits; with result 0 they are the task's, until it releases them. */
void rn_semaphore_acquire(struct rn_wait *wait, struct rn_semaphore *semaphore, uint32_t permits);
/* Takes them if they are there and nobody waits. */
RN_MUST_USE bool rn_semaphore_try_acquire(struct rn_semaphore *semaphore, uint32_t permits);
/* Gives so many back, or makes more of them. At most UINT32_MAX in all. */
void rn_semaphore_release(struct rn_semaphore *semaphore, uint32_t permits);

/* ---- Mutex and reader-writer lock ------------------------------------------------------------ */

/* Whoever holds it may hand that on: any task may unlock it. Not recursive. */
struct rn_mutex {
    struct rn_semaphore semaphore; /* private */
};

/* Before anyone uses it. */
void rn_mutex_init(struct rn_mutex *mutex);
void rn_mutex_lock(struct rn_wait *wait, struct rn_mutex *mutex);
RN_MUST_USE bool rn_mutex_try_lock(struct rn_mutex *mutex);
void rn_mutex_unlock(struct rn_mutex *mutex);

/* Many who read, or one who writes; a writer that waits lets no more readers in before it. */
enum { RN_READERS_MAX = 1 << 30 };
struct rn_rwlock {
    struct rn_semaphore semaphore; /* private */
};

/* Before anyone uses it. */
void rn_rwlock_init(struct rn_rwlock *lock);
void rn_rwlock_read(struct rn_wait *wait, struct rn_rwlock *lock);
void rn_rwlock_write(struct rn_wait *wait, struct rn_rwlock *lock);
void rn_rwlock_read_end(struct rn_rwlock *lock);
void rn_rwlock_write_end(struct rn_rwlock *lock);

/* ---- Notify and event ------------------------------------------------------------------------ */

/* "Something changed": one waiter for each rn_notify_one; when nobody waits, the next to wait goes
 * on at once (of several such calls one is kept). Zeroed, it is quiet. */
struct rn_notify {
    struct rn_line line; /* private: whether one is kept */
};
void rn_notify_wait(struct rn_wait *wait, struct rn_notify *notify);
void rn_notify_one(struct rn_notify *notify);
/* All who wait now. Nothing is kept. */
void rn_notify_all(struct rn_notify *notify);

/* Set once and for all, or until it is reset: waits end while it is set. Zeroed, it isn't. */
struct rn_event {
    struct rn_line line; /* private: whether it is set */
};
void rn_event_wait(struct rn_wait *wait, struct rn_event *event);
void rn_event_set(struct rn_event *event);
void rn_event_reset(struct rn_event *event);
bool rn_event_is_set(struct rn_event *event);

/* ---- Wait group and barrier ------------------------------------------------------------------ */

/* Waits for work that others do: add before it begins, done when it ends. Zeroed, there is none. */
struct rn_wait_group {
    struct rn_line line; /* private: what is left */
};
void rn_wait_group_add(struct rn_wait_group *group, uint32_t count);
/* Traps when nothing was left. */
void rn_wait_group_done(struct rn_wait_group *group);
/* Until nothing is left. */
void rn_wait_group_wait(struct rn_wait *wait, struct rn_wait_group *group);

/* So many tasks go on together, again and again. Who is cancelled while it waits hasn't come; but
 * once all have, it is a result 0, though the task was cancelled. */
struct rn_barrier {
    struct rn_line line; /* private: those who came */
    uint32_t parties;
};

/* Before anyone uses it. */
void rn_barrier_init(struct rn_barrier *barrier, uint32_t parties);
/* Result: 1 for the one that came last, 0 for the others. */
void rn_barrier_wait(struct rn_wait *wait, struct rn_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
