/*
 * core/sync.c: semaphore, mutex, reader-writer lock, notify, event, wait group, barrier: each is a
 * number and a line of waiters under one lock. They differ in when a wait is served at once, and in
 * what is put right when one is given up.
 */
#include "core/lock.h"
#include "core/waiters.h"
#include "sys/abi.h"

struct kind {
    /* Whether it is served at once, which then has been done. */
    bool (*take)(struct rn_line *line, struct rn_wait *wait, rn_waker *last);
    /* It was cancelled: while it stood in line, which it has left, or after it was served. */
    void (*give_up)(struct rn_line *line, struct rn_wait *wait, rn_waker *last);
};

static enum rn_poll poll_wait(struct rn_future *future, struct rn_cx *cx, const struct kind *kind)
{
    struct rn_wait *wait = rn_container_of(future, struct rn_wait, future);
    struct rn_line *line = wait->line;
    rn_waker last = {0};
    bool over = true;
    rn_lock_take(&line->lock);
    if (cx->cancelled) {
        if (wait->waiter.state == RN_WAITER_WAITING)
            rn_waiters_remove(&line->waiting, &wait->waiter);
        wait->result = -RN_K_ECANCELED;
        if (wait->waiter.state != RN_WAITER_NEW && kind->give_up) kind->give_up(line, wait, &last);
    } else if (wait->waiter.state == RN_WAITER_WAITING) {
        wait->waiter.waker = cx->waker;
        over = false;
    } else if (wait->waiter.state == RN_WAITER_NEW) {
        over = kind->take(line, wait, &last);
        if (!over) rn_waiters_add(&line->waiting, &wait->waiter, cx->waker);
    }
    rn_lock_leave(&line->lock);
    rn_wake(last);
    return over ? RN_READY : RN_PENDING;
}

static void begin(struct rn_wait *wait, struct rn_line *line,
                  enum rn_poll (*poll)(struct rn_future *future, struct rn_cx *cx), uint32_t count)
{
    *wait = (struct rn_wait){.future.poll = poll, .line = line, .waiter.count = count};
}

/* ---- Semaphore ------------------------------------------------------------------------------- */

static bool take_permits(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    if (line->waiting.first || line->value < wait->waiter.count) return false;
    line->value -= wait->waiter.count;
    return true;
}

static void serve_permits(struct rn_line *line, rn_waker *last)
{
    while (line->waiting.first && line->value >= line->waiting.first->count) {
        line->value -= line->waiting.first->count;
        rn_waiters_serve(&line->waiting, RN_WAITER_SERVED, last);
    }
}

/* Who stood behind one that wanted many may find enough. */
static void give_up_permits(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    if (wait->waiter.state == RN_WAITER_SERVED) line->value += wait->waiter.count;
    serve_permits(line, last);
}

static enum rn_poll poll_semaphore(struct rn_future *future, struct rn_cx *cx)
{
    static const struct kind kind = {take_permits, give_up_permits};
    return poll_wait(future, cx, &kind);
}

void rn_semaphore_init(struct rn_semaphore *semaphore, uint32_t permits)
{
    *semaphore = (struct rn_semaphore){.line.value = permits};
}

void rn_semaphore_acquire(struct rn_wait *wait, struct rn_semaphore *semaphore, uint32_t permits)
{
    begin(wait, &semaphore->line, poll_semaphore, permits);
}

bool rn_semaphore_try_acquire(struct rn_semaphore *semaphore, uint32_t permits)
{
    struct rn_line *line = &semaphore->line;
    rn_lock_take(&line->lock);
    bool taken = !line->waiting.first && line->value >= permits;
    if (taken) line->value -= permits;
    rn_lock_leave(&line->lock);
    return taken;
}

void rn_semaphore_release(struct rn_semaphore *semaphore, uint32_t permits)
{
    struct rn_line *line = &semaphore->line;
    rn_waker last = {0};
    rn_lock_take(&line->lock);
    rn_assert(line->value <= UINT32_MAX - permits);
    line->value += permits;
    serve_permits(line, &last);
    rn_lock_leave(&line->lock);
    rn_wake(last);
}

/* ---- Mutex and reader-writer lock ------------------------------------------------------------ */

void rn_mutex_init(struct rn_mutex *mutex) { rn_semaphore_init(&mutex->semaphore, 1); }

void rn_mutex_lock(struct rn_wait *wait, struct rn_mutex *mutex)
{
    rn_semaphore_acquire(wait, &mutex->semaphore, 1);
}

bool rn_mutex_try_lock(struct rn_mutex *mutex)
{
    return rn_semaphore_try_acquire(&mutex->semaphore, 1);
}

void rn_mutex_unlock(struct rn_mutex *mutex) { rn_semaphore_release(&mutex->semaphore, 1); }

void rn_rwlock_init(struct rn_rwlock *lock) { rn_semaphore_init(&lock->semaphore, RN_READERS_MAX); }

void rn_rwlock_read(struct rn_wait *wait, struct rn_rwlock *lock)
{
    rn_semaphore_acquire(wait, &lock->semaphore, 1);
}

void rn_rwlock_write(struct rn_wait *wait, struct rn_rwlock *lock)
{
    rn_semaphore_acquire(wait, &lock->semaphore, RN_READERS_MAX);
}

void rn_rwlock_read_end(struct rn_rwlock *lock) { rn_semaphore_release(&lock->semaphore, 1); }

void rn_rwlock_write_end(struct rn_rwlock *lock)
{
    rn_semaphore_release(&lock->semaphore, RN_READERS_MAX);
}

/* ---- Notify ---------------------------------------------------------------------------------- */

static bool take_notice(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    bool kept = line->value;
    line->value = 0;
    return kept;
}

static void notify_next(struct rn_line *line, rn_waker *last)
{
    if (line->waiting.first) rn_waiters_serve(&line->waiting, RN_WAITER_SERVED, last);
    else line->value = 1;
}

static void pass_notice_on(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    if (wait->waiter.state == RN_WAITER_SERVED) notify_next(line, last);
}

static enum rn_poll poll_notify(struct rn_future *future, struct rn_cx *cx)
{
    static const struct kind kind = {take_notice, pass_notice_on};
    return poll_wait(future, cx, &kind);
}

void rn_notify_wait(struct rn_wait *wait, struct rn_notify *notify)
{
    begin(wait, &notify->line, poll_notify, 0);
}

void rn_notify_one(struct rn_notify *notify)
{
    rn_waker last = {0};
    rn_lock_take(&notify->line.lock);
    notify_next(&notify->line, &last);
    rn_lock_leave(&notify->line.lock);
    rn_wake(last);
}

void rn_notify_all(struct rn_notify *notify)
{
    rn_waker last = {0};
    rn_lock_take(&notify->line.lock);
    rn_waiters_serve_all(&notify->line.waiting, RN_WAITER_TOLD, &last);
    rn_lock_leave(&notify->line.lock);
    rn_wake(last);
}

/* ---- Event ----------------------------------------------------------------------------------- */

static bool take_event(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    return line->value;
}

static enum rn_poll poll_event(struct rn_future *future, struct rn_cx *cx)
{
    static const struct kind kind = {take_event, NULL};
    return poll_wait(future, cx, &kind);
}

void rn_event_wait(struct rn_wait *wait, struct rn_event *event)
{
    begin(wait, &event->line, poll_event, 0);
}

void rn_event_set(struct rn_event *event)
{
    rn_waker last = {0};
    rn_lock_take(&event->line.lock);
    event->line.value = 1;
    rn_waiters_serve_all(&event->line.waiting, RN_WAITER_TOLD, &last);
    rn_lock_leave(&event->line.lock);
    rn_wake(last);
}

void rn_event_reset(struct rn_event *event)
{
    rn_lock_take(&event->line.lock);
    event->line.value = 0;
    rn_lock_leave(&event->line.lock);
}

bool rn_event_is_set(struct rn_event *event)
{
    rn_lock_take(&event->line.lock);
    bool set = event->line.value;
    rn_lock_leave(&event->line.lock);
    return set;
}

/* ---- Wait group ------------------------------------------------------------------------------ */

static bool take_nothing_left(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    return line->value == 0;
}

static enum rn_poll poll_wait_group(struct rn_future *future, struct rn_cx *cx)
{
    static const struct kind kind = {take_nothing_left, NULL};
    return poll_wait(future, cx, &kind);
}

void rn_wait_group_wait(struct rn_wait *wait, struct rn_wait_group *group)
{
    begin(wait, &group->line, poll_wait_group, 0);
}

void rn_wait_group_add(struct rn_wait_group *group, uint32_t count)
{
    rn_lock_take(&group->line.lock);
    rn_assert(group->line.value <= UINT32_MAX - count);
    group->line.value += count;
    rn_lock_leave(&group->line.lock);
}

void rn_wait_group_done(struct rn_wait_group *group)
{
    rn_waker last = {0};
    rn_lock_take(&group->line.lock);
    rn_assert(group->line.value > 0);
    if (--group->line.value == 0)
        rn_waiters_serve_all(&group->line.waiting, RN_WAITER_TOLD, &last);
    rn_lock_leave(&group->line.lock);
    rn_wake(last);
}

/* ---- Barrier --------------------------------------------------------------------------------- */

static bool arrive(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    if (++line->value < wait->waiter.count) return false;
    line->value = 0;
    rn_waiters_serve_all(&line->waiting, RN_WAITER_TOLD, last);
    wait->result = 1;
    return true;
}

/* Once all have come there is no going back: the others went on, counting this one. */
static void go_away(struct rn_line *line, struct rn_wait *wait, rn_waker *last)
{
    if (wait->waiter.state == RN_WAITER_WAITING) line->value--;
    else wait->result = 0;
}

static enum rn_poll poll_barrier(struct rn_future *future, struct rn_cx *cx)
{
    static const struct kind kind = {arrive, go_away};
    return poll_wait(future, cx, &kind);
}

void rn_barrier_init(struct rn_barrier *barrier, uint32_t parties)
{
    *barrier = (struct rn_barrier){.parties = parties};
}

void rn_barrier_wait(struct rn_wait *wait, struct rn_barrier *barrier)
{
    begin(wait, &barrier->line, poll_barrier, barrier->parties);
}
