/*
 * Semaphores, mutexes, reader-writer locks, notify, events, wait groups, barriers: by hand on two
 * workers, and with the threads of a real runtime.
 */
#include "await_bed.h"

/* ---- Semaphore --------------------------------------------------------------------------- */

static void permits_go_to_who_came_first(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_semaphore semaphore;
    struct rn_wait waits[4];
    struct awaiting tasks[4];
    static const uint32_t wanted[4] = {2, 3, 1, 1};
    rn_semaphore_init(&semaphore, 2);
    for (unsigned i = 0; i < 4; i++) {
        rn_semaphore_acquire(&waits[i], &semaphore, wanted[i]);
        await_on(i & 1, &tasks[i], &waits[i].future);
        assert_int_equal(tasks[i].over, i == 0);
    }
    assert_false(rn_semaphore_try_acquire(&semaphore, 1)); /* nor may others overtake them */
    rn_semaphore_release(&semaphore, 2);
    hand_settle();
    assert_false(tasks[1].over || tasks[2].over);
    rn_semaphore_release(&semaphore, 2);
    hand_settle();
    assert_true(tasks[1].over && tasks[2].over && !tasks[3].over);
    rn_semaphore_release(&semaphore, 3);
    hand_settle();
    assert_true(tasks[3].over);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(waits[i].result, 0);
    rn_semaphore_release(&semaphore, 2); /* of the third and the fourth */
    assert_true(rn_semaphore_try_acquire(&semaphore, 4));
    assert_false(rn_semaphore_try_acquire(&semaphore, 1));
    hand_close();
}

static void a_wait_that_is_cancelled_lets_those_behind_it_through(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_semaphore semaphore;
    struct rn_wait waits[3];
    struct awaiting tasks[3];
    rn_semaphore_init(&semaphore, 1);
    for (unsigned i = 0; i < 3; i++) {
        rn_semaphore_acquire(&waits[i], &semaphore, i == 0 ? 2 : 1);
        await_on(0, &tasks[i], &waits[i].future);
        assert_false(tasks[i].over);
    }
    cancel(&tasks[0]);
    assert_true(tasks[0].over && tasks[1].over && !tasks[2].over);
    assert_int_equal(waits[0].result, -RN_K_ECANCELED);
    assert_int_equal(waits[1].result, 0);
    cancel(&tasks[2]);
    assert_int_equal(waits[2].result, -RN_K_ECANCELED);
    rn_semaphore_release(&semaphore, 1);
    assert_true(rn_semaphore_try_acquire(&semaphore, 1));
    hand_close();
}

/* Served and cancelled before it ran: the permit is the next one's, not lost. */
static void a_permit_that_was_served_to_who_is_cancelled_is_not_lost(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_semaphore semaphore;
    struct rn_wait waits[2];
    struct awaiting tasks[2];
    rn_semaphore_init(&semaphore, 0);
    for (unsigned i = 0; i < 2; i++) {
        rn_semaphore_acquire(&waits[i], &semaphore, 1);
        await_on(0, &tasks[i], &waits[i].future);
    }
    rn_semaphore_release(&semaphore, 1);
    rn_task_cancel(tasks[0].waker);
    hand_settle();
    assert_true(tasks[0].over && tasks[1].over);
    assert_int_equal(waits[0].result, -RN_K_ECANCELED);
    assert_int_equal(waits[1].result, 0);
    hand_close();
}

static void a_task_that_is_cancelled_takes_nothing(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_semaphore semaphore;
    struct rn_wait wait;
    struct rn_cx cx = {.worker = hand_worker(0), .cancelled = true};
    rn_semaphore_init(&semaphore, 1);
    rn_semaphore_acquire(&wait, &semaphore, 1);
    assert_int_equal(rn_future_poll(&wait.future, &cx), RN_READY);
    assert_int_equal(wait.result, -RN_K_ECANCELED);
    assert_true(rn_semaphore_try_acquire(&semaphore, 1));
    hand_close();
}

/* A task may be polled for other reasons than what it waits for, and with another waker. */
static void a_poll_too_many_changes_nothing(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_mutex mutex;
    struct rn_wait wait;
    struct awaiting task;
    rn_mutex_init(&mutex);
    assert_true(rn_mutex_try_lock(&mutex));
    assert_false(rn_mutex_try_lock(&mutex));
    rn_mutex_lock(&wait, &mutex);
    await_on(0, &task, &wait.future);
    for (unsigned i = 0; i < 3; i++) {
        rn_wake(task.waker);
        hand_settle();
    }
    assert_int_equal(task.polls, 4);
    rn_mutex_unlock(&mutex);
    hand_settle();
    assert_true(task.over);
    assert_int_equal(task.polls, 5);
    rn_mutex_unlock(&mutex);
    assert_true(rn_mutex_try_lock(&mutex));
    hand_close();
}

static void readers_share_and_a_writer_does_not(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_rwlock lock;
    struct rn_wait waits[5];
    struct awaiting tasks[5];
    rn_rwlock_init(&lock);
    for (unsigned i = 0; i < 5; i++) {
        (i == 2 ? rn_rwlock_write : rn_rwlock_read)(&waits[i], &lock);
        await_on(0, &tasks[i], &waits[i].future);
        assert_int_equal(tasks[i].over, i < 2);
    }
    rn_rwlock_read_end(&lock);
    hand_settle();
    assert_false(tasks[2].over || tasks[3].over);
    rn_rwlock_read_end(&lock);
    hand_settle();
    assert_true(tasks[2].over && !tasks[3].over && !tasks[4].over);
    rn_rwlock_write_end(&lock);
    hand_settle();
    assert_true(tasks[3].over && tasks[4].over);
    rn_rwlock_read_end(&lock);
    rn_rwlock_read_end(&lock);
    hand_close();
}

/* ---- Notify and event -------------------------------------------------------------------- */

static void a_notice_is_for_one_and_is_kept(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_notify notify = {0};
    struct rn_wait waits[4];
    struct awaiting tasks[4];
    rn_notify_one(&notify);
    rn_notify_one(&notify); /* one of the two is kept */
    for (unsigned i = 0; i < 4; i++) {
        rn_notify_wait(&waits[i], &notify);
        await_on(i & 1, &tasks[i], &waits[i].future);
        assert_int_equal(tasks[i].over, i == 0);
    }
    rn_notify_one(&notify);
    rn_task_cancel(tasks[1].waker); /* it had the notice: the next one gets it */
    hand_settle();
    assert_true(tasks[1].over && tasks[2].over && !tasks[3].over);
    assert_int_equal(waits[1].result, -RN_K_ECANCELED);
    assert_int_equal(waits[2].result, 0);
    rn_notify_all(&notify);
    rn_task_cancel(tasks[3].waker);
    hand_settle();
    assert_int_equal(waits[3].result, -RN_K_ECANCELED);
    /* what was for all isn't passed on */
    rn_notify_wait(&waits[0], &notify);
    await_on(0, &tasks[0], &waits[0].future);
    assert_false(tasks[0].over);
    rn_notify_all(&notify);
    hand_settle();
    assert_true(tasks[0].over);
    hand_close();
}

static void an_event_ends_all_waits_while_it_is_set(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_event event = {0};
    struct rn_wait waits[4];
    struct awaiting tasks[4];
    for (unsigned i = 0; i < 3; i++) {
        rn_event_wait(&waits[i], &event);
        await_on(i & 1, &tasks[i], &waits[i].future);
        assert_false(tasks[i].over);
    }
    cancel(&tasks[1]);
    assert_int_equal(waits[1].result, -RN_K_ECANCELED);
    rn_event_set(&event);
    assert_true(rn_event_is_set(&event));
    hand_settle();
    assert_true(tasks[0].over && tasks[2].over);
    rn_event_wait(&waits[3], &event);
    await_on(0, &tasks[3], &waits[3].future);
    assert_true(tasks[3].over);
    rn_event_reset(&event);
    assert_false(rn_event_is_set(&event));
    rn_event_wait(&waits[3], &event);
    await_on(0, &tasks[3], &waits[3].future);
    assert_false(tasks[3].over);
    rn_event_set(&event);
    hand_close();
    assert_true(tasks[3].over);
}

/* ---- Wait group and barrier -------------------------------------------------------------- */

static void a_wait_group_waits_for_all(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_wait_group group = {0};
    struct rn_wait waits[3];
    struct awaiting tasks[3];
    rn_wait_group_wait(&waits[0], &group);
    await_on(0, &tasks[0], &waits[0].future);
    assert_true(tasks[0].over);
    rn_wait_group_add(&group, 2);
    for (unsigned i = 0; i < 3; i++) {
        rn_wait_group_wait(&waits[i], &group);
        await_on(i & 1, &tasks[i], &waits[i].future);
    }
    rn_wait_group_done(&group);
    cancel(&tasks[2]);
    assert_int_equal(waits[2].result, -RN_K_ECANCELED);
    assert_false(tasks[0].over || tasks[1].over);
    rn_wait_group_done(&group);
    hand_settle();
    assert_true(tasks[0].over && tasks[1].over);
    assert_int_equal(waits[0].result, 0);
    hand_close();
}

static void a_barrier_opens_for_all_at_once(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_barrier barrier;
    struct rn_wait waits[3];
    struct awaiting tasks[3];
    rn_barrier_init(&barrier, 3);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            rn_barrier_wait(&waits[i], &barrier);
            await_on(i & 1, &tasks[i], &waits[i].future);
        }
        if (round == 1) { /* one goes, and comes again */
            cancel(&tasks[0]);
            assert_int_equal(waits[0].result, -RN_K_ECANCELED);
            rn_barrier_wait(&waits[0], &barrier);
            await_on(0, &tasks[0], &waits[0].future);
        }
        assert_false(tasks[0].over || tasks[1].over);
        rn_barrier_wait(&waits[2], &barrier);
        await_on(0, &tasks[2], &waits[2].future);
        for (unsigned i = 0; i < 3; i++) assert_true(tasks[i].over);
        for (unsigned i = 0; i < 3; i++) assert_int_equal(waits[i].result, i == 2);
    }
    hand_close();
}

/* It was counted: the others went on because it had come. */
static void who_is_cancelled_when_the_barrier_has_opened_has_come(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_barrier barrier;
    struct rn_wait waits[2];
    struct awaiting task;
    struct rn_cx cx = {.worker = hand_worker(0)};
    rn_barrier_init(&barrier, 2);
    rn_barrier_wait(&waits[0], &barrier);
    await_on(0, &task, &waits[0].future);
    rn_barrier_wait(&waits[1], &barrier);
    assert_int_equal(rn_future_poll(&waits[1].future, &cx), RN_READY);
    assert_int_equal(waits[1].result, 1);
    cancel(&task);
    assert_true(task.over);
    assert_int_equal(waits[0].result, 0);
    hand_close();
}

/* ---- Threads ----------------------------------------------------------------------------- */

enum { WORKERS = 3, TASKS = 12, ROUNDS = 300 };

static struct rn_mutex shared_mutex;
static struct rn_barrier shared_barrier;
static unsigned long shared_count; /* under the mutex, and not atomic */

struct counting {
    struct rn_child child;
    rn_co co;
    struct rn_wait wait;
    struct rn_yield yield;
    unsigned rounds;
};

/* Holds the mutex over a yield, so that the others do wait. */
static enum rn_poll counting_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct counting *counting = rn_container_of(task, struct counting, child.task);
    RN_BEGIN(&counting->co);
    rn_barrier_wait(&counting->wait, &shared_barrier);
    RN_AWAIT(&counting->co, &counting->wait.future, cx);
    for (counting->rounds = 0; counting->rounds < ROUNDS; counting->rounds++) {
        rn_mutex_lock(&counting->wait, &shared_mutex);
        RN_AWAIT(&counting->co, &counting->wait.future, cx);
        shared_count++;
        if (counting->rounds % 8 == 0) RN_AWAIT(&counting->co, &counting->yield, cx);
        rn_mutex_unlock(&shared_mutex);
    }
    RN_END(&counting->co);
}

struct parent {
    struct rn_task task;
    rn_co co;
    struct rn_scope scope;
    struct counting children[TASKS];
};

static enum rn_poll parent_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct parent *parent = rn_container_of(task, struct parent, task);
    struct rn_runtime *runtime = rn_worker_runtime(cx->worker);
    RN_BEGIN(&parent->co);
    rn_scope_open(&parent->scope, cx->worker);
    for (unsigned i = 0; i < TASKS; i++) {
        struct rn_child *child = &parent->children[i].child;
        child->task.poll = counting_poll;
        if (rn_scope_spawn(&parent->scope, rn_runtime_worker(runtime, i % WORKERS), child) < 0)
            abort();
    }
    RN_AWAIT(&parent->co, &parent->scope.future, cx);
    task->result = (int64_t)shared_count;
    RN_END(&parent->co);
}

static void a_mutex_is_one_s_at_a_time_among_threads(void **state)
{
    (void)state;
    struct rn_runtime *runtime;
    struct rn_runtime_options options = {.workers = WORKERS, .backend = &rn_backend_epoll,
                                         .tasks = 64, .buffers = 8, .buffer_size = 4096};
    static struct parent parent;
    parent = (struct parent){.task.poll = parent_poll};
    shared_count = 0;
    rn_mutex_init(&shared_mutex);
    rn_barrier_init(&shared_barrier, TASKS);
    assert_int_equal(rn_runtime_start(&runtime, &options), 0);
    int64_t count = rn_block_on_task(rn_runtime_worker(runtime, 0), &parent.task);
    assert_int_equal(count, TASKS * ROUNDS);
    assert_int_equal(parent.scope.result, 0);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permits_go_to_who_came_first),
        cmocka_unit_test(a_wait_that_is_cancelled_lets_those_behind_it_through),
        cmocka_unit_test(a_permit_that_was_served_to_who_is_cancelled_is_not_lost),
        cmocka_unit_test(a_task_that_is_cancelled_takes_nothing),
        cmocka_unit_test(a_poll_too_many_changes_nothing),
        cmocka_unit_test(readers_share_and_a_writer_does_not),
        cmocka_unit_test(a_notice_is_for_one_and_is_kept),
        cmocka_unit_test(an_event_ends_all_waits_while_it_is_set),
        cmocka_unit_test(a_wait_group_waits_for_all),
        cmocka_unit_test(a_barrier_opens_for_all_at_once),
        cmocka_unit_test(who_is_cancelled_when_the_barrier_has_opened_has_come),
        cmocka_unit_test(a_mutex_is_one_s_at_a_time_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
