/*
 * Tasks: the state word, spawning, waking, cancelling, joining, and async functions. By hand, so
 * that what happens between two threads happens in the order that a test wants.
 */
#include "by_hand.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The state word ---------------------------------------------------------------------- */

static void a_wake_changes_the_state_as_the_table_says(void **state)
{
    (void)state;
    static const struct {
        uint32_t from;
        enum rn_wake_result result;
        uint32_t to;
    } table[] = {
        {RN_TASK_FREE, RN_WAKE_STALE, RN_TASK_FREE},
        {RN_TASK_IDLE, RN_WAKE_PUSH, RN_TASK_QUEUED},
        {RN_TASK_QUEUED, RN_WAKE_DONE, RN_TASK_QUEUED},
    };
    for (size_t i = 0; i < RN_COUNT(table); i++) {
        for (uint32_t before = 0; before <= RN_TASK_CANCELLED; before += RN_TASK_CANCELLED) {
            for (uint32_t flags = 0; flags <= RN_TASK_CANCELLED; flags += RN_TASK_CANCELLED) {
                rn_task_word word = rn_task_word_make(0xfffffffd, table[i].from | before);
                bool stale = table[i].result == RN_WAKE_STALE;
                assert_int_equal(rn_task_state_wake(&word, 0xfffffffb, flags), RN_WAKE_STALE);
                assert_int_equal(word, rn_task_word_make(0xfffffffd, table[i].from | before));
                assert_int_equal(rn_task_state_wake(&word, 0xfffffffd, flags), table[i].result);
                assert_int_equal(word, rn_task_word_make(0xfffffffd, table[i].to | before |
                                                                         (stale ? 0 : flags)));
            }
        }
    }
}

static void a_poll_begins_and_ends_as_the_table_says(void **state)
{
    (void)state;
    rn_task_word word = rn_task_word_make(7, RN_TASK_QUEUED);
    assert_false(rn_task_state_run(&word));
    assert_int_equal(word, rn_task_word_make(7, RN_TASK_IDLE));
    assert_int_equal(rn_task_state_wake(&word, 7, RN_TASK_CANCELLED), RN_WAKE_PUSH);
    assert_int_equal(word, rn_task_word_make(7, RN_TASK_QUEUED | RN_TASK_CANCELLED));
    assert_true(rn_task_state_run(&word));
    assert_false(rn_task_state_free(&word, 8));
    assert_int_equal(rn_task_state_wake(&word, 7, 0), RN_WAKE_STALE);
    assert_int_equal(rn_task_state_wake(&word, 8, 0), RN_WAKE_STALE);
    word = rn_task_word_make(9, RN_TASK_QUEUED);
    assert_true(rn_task_state_free(&word, 10)); /* it is still in a queue */
    assert_int_equal(word, rn_task_word_make(10, RN_TASK_FREE));
}

/* ---- Spawning and waking ----------------------------------------------------------------- */

struct simple {
    struct rn_task task;
    unsigned polls;
    unsigned polls_to_go; /* ready after so many */
    unsigned wakes_itself;
    bool saw_cancelled;
    bool is_done;
    rn_waker waker;
};

static enum rn_poll simple_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct simple *simple = rn_container_of(task, struct simple, task);
    assert_ptr_equal(cx->worker, rn_worker_current());
    assert_int_equal(cx->now, rn_worker_now(cx->worker));
    rn_waker waker = rn_task_waker(cx->worker, task);
    assert_memory_equal(&waker, &cx->waker, sizeof waker);
    simple->waker = waker;
    simple->polls++;
    simple->saw_cancelled = cx->cancelled;
    task->result = (int64_t)simple->polls * 10;
    for (unsigned i = 0; i < simple->wakes_itself; i++) rn_wake(cx->waker);
    return --simple->polls_to_go ? RN_PENDING : RN_READY;
}

static void simple_done(struct rn_task *task)
{
    struct simple *simple = rn_container_of(task, struct simple, task);
    assert_false(simple->is_done);
    simple->is_done = true;
    /* Whoever joins may take the task's memory: it must not know before. */
    if (task->join) assert_in_range(__atomic_load_n(&task->join->state, __ATOMIC_RELAXED), 0, 1);
}

#define SIMPLE(polls)                                                                              \
    {                                                                                              \
        .task = {.poll = simple_poll, .done = simple_done}, .polls_to_go = polls                   \
    }

static struct rn_worker_figures figures(unsigned index)
{
    struct rn_worker_figures result;
    rn_worker_figures(hand_worker(index), &result);
    return result;
}

static void a_task_is_polled_until_it_is_ready(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct simple simple = SIMPLE(3);
    assert_int_equal(rn_spawn(hand_worker(0), &simple.task), 0);
    assert_int_equal(simple.polls, 0); /* never from inside rn_spawn */
    assert_int_equal(figures(0).tasks, 1);
    hand_settle();
    assert_int_equal(simple.polls, 1);
    hand_settle();
    assert_int_equal(simple.polls, 1); /* not without a wake */
    rn_wake(simple.waker);
    rn_wake(simple.waker);
    rn_wake(simple.waker);
    assert_int_equal(simple.polls, 1);
    hand_settle();
    assert_int_equal(simple.polls, 2); /* three wakes, one poll */
    assert_false(simple.is_done);
    rn_wake(simple.waker);
    hand_settle();
    assert_true(simple.is_done);
    assert_int_equal(simple.task.result, 30);
    assert_int_equal(figures(0).tasks, 0);
    assert_int_equal(figures(0).polls, 3);
    assert_int_equal(figures(0).stale_wakes, 0);
    hand_close();
}

static void a_wake_while_it_runs_is_not_lost(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct simple simple = SIMPLE(5);
    simple.wakes_itself = 3;
    assert_int_equal(rn_spawn(hand_worker(0), &simple.task), 0);
    hand_settle();
    assert_int_equal(simple.polls, 5); /* again each time, and not three times as often */
    assert_true(simple.is_done);
    hand_close();
}

static void a_stale_waker_reaches_nobody_and_is_counted(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct simple first = SIMPLE(1), second = SIMPLE(2);
    assert_int_equal(rn_spawn(hand_worker(0), &first.task), 0);
    hand_settle();
    rn_wake(first.waker);
    rn_task_cancel(first.waker);
    assert_int_equal(figures(0).stale_wakes, 2);
    assert_int_equal(rn_spawn(hand_worker(0), &second.task), 0);
    hand_settle();
    assert_int_equal(second.waker.slot, first.waker.slot); /* its successor in the slot */
    rn_wake(first.waker);
    rn_task_cancel(first.waker);
    hand_settle();
    assert_int_equal(second.polls, 1);
    assert_int_equal(figures(0).stale_wakes, 4);
    rn_wake(second.waker);
    hand_settle();
    assert_true(second.is_done);
    assert_false(second.saw_cancelled);
    rn_wake((rn_waker){0}); /* nobody's */
    hand_close();
}

static void a_full_worker_takes_no_more(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.tasks = 3});
    struct simple tasks[4] = {SIMPLE(2), SIMPLE(2), SIMPLE(2), SIMPLE(1)};
    for (unsigned i = 0; i < 3; i++) assert_int_equal(rn_spawn(hand_worker(0), &tasks[i].task), 0);
    assert_int_equal(rn_spawn(hand_worker(0), &tasks[3].task), -RN_K_ENOBUFS);
    hand_settle();
    /* From another thread it is told by way of the task. */
    struct rn_join join = {0};
    tasks[3].task.join = &join;
    rn_worker_enter(NULL);
    rn_spawn_remote(hand_worker(0), &tasks[3].task);
    hand_settle();
    assert_true(tasks[3].is_done);
    assert_int_equal(tasks[3].polls, 0);
    assert_int_equal(tasks[3].task.result, -RN_K_ENOBUFS);
    assert_int_equal(join.result, -RN_K_ENOBUFS);
    for (unsigned i = 0; i < 3; i++) rn_wake(tasks[i].waker);
    hand_settle();
    hand_close();
}

static void a_remote_spawn_and_wake_ring_a_sleeping_worker(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    hand_settle();
    struct simple simple = SIMPLE(2);
    assert_int_equal(hand_backend(1)->until, RN_NEVER);
    hand_sleep(1);
    rn_spawn_remote(hand_worker(1), &simple.task);
    assert_int_equal(hand_backend(1)->wakes, 1);
    assert_int_equal(simple.polls, 0);
    hand_settle();
    assert_int_equal(simple.polls, 1);
    assert_ptr_equal(simple.waker.worker, hand_worker(1));
    hand_sleep(1);
    rn_wake(simple.waker);
    rn_wake(simple.waker);
    assert_int_equal(hand_backend(1)->wakes, 2); /* once: it is awake from then on */
    hand_settle();
    assert_true(simple.is_done);
    assert_int_equal(hand_backend(0)->wakes, 0);
    hand_close();
}

/* It waits only when nothing is left to do, whatever came last. */
static void a_worker_with_work_does_not_wait(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct simple tasks[3] = {SIMPLE(2), SIMPLE(1), SIMPLE(1)};
    assert_int_equal(rn_spawn(hand_worker(0), &tasks[0].task), 0);
    hand_turn(0);
    assert_int_equal(hand_backend(0)->until, RN_NEVER);
    assert_int_equal(hand_worker(0)->sleeping, RN_AWAKE);
    rn_worker_enter(NULL);
    rn_wake(tasks[0].waker);
    hand_turn(0);
    assert_true(tasks[0].is_done);
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &tasks[1].task), 0);
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &tasks[2].task), 0);
    hand_turn(0); /* takes one and leaves one, and must not wait while it is there */
    assert_int_equal(hand_backend(0)->until, 0);
    hand_settle();
    assert_true(tasks[1].is_done && tasks[2].is_done);
    hand_close();
}

static void a_task_that_wakes_itself_leaves_room_for_others(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct simple simple = SIMPLE(1000000), other = SIMPLE(1);
    simple.wakes_itself = 1;
    assert_int_equal(rn_spawn(hand_worker(0), &simple.task), 0);
    hand_turn(0);
    assert_true(simple.polls > 0 && simple.polls < 1000);
    assert_int_equal(hand_backend(0)->until, 0);
    rn_worker_enter(NULL);
    rn_spawn_remote(hand_worker(0), &other.task);
    hand_turn(0);
    assert_true(other.is_done);
    simple.polls_to_go = 1;
    hand_settle();
    hand_close();
}

/* ---- Tasks for whichever worker takes them ----------------------------------------------- */

static void shared_tasks_are_bounded(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.shared_tasks = 2});
    struct simple tasks[3] = {SIMPLE(1), SIMPLE(1), SIMPLE(1)};
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &tasks[0].task), 0);
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &tasks[1].task), 0);
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &tasks[2].task), -RN_K_ENOBUFS);
    hand_settle();
    assert_int_equal(tasks[0].polls + tasks[1].polls, 2);
    assert_int_equal(tasks[2].polls, 0);
    hand_close();
}

/* Workers with one slot each; the first `full` of them have it taken. All sleep. */
static struct simple blockers[HAND_WORKERS];

static void open_with_full_workers(unsigned workers, unsigned full)
{
    hand_open((struct rn_runtime_options){.workers = workers, .tasks = 1});
    for (unsigned i = 0; i < full; i++) {
        blockers[i] = (struct simple)SIMPLE(2);
        rn_worker_enter(hand_worker(i));
        assert_int_equal(rn_spawn(hand_worker(i), &blockers[i].task), 0);
    }
    hand_settle();
    for (unsigned i = 0; i < workers; i++) hand_sleep(i);
    rn_worker_enter(NULL);
}

static void a_full_worker_is_not_the_one_that_is_woken(void **state)
{
    (void)state;
    open_with_full_workers(3, 2);
    struct simple task = SIMPLE(1);
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &task.task), 0);
    assert_int_equal(hand_backend(0)->wakes + hand_backend(1)->wakes, 0);
    assert_int_equal(hand_backend(2)->wakes, 1);
    hand_turn(2);
    assert_true(task.is_done);
    for (unsigned i = 0; i < 2; i++) rn_wake(blockers[i].waker);
    hand_settle();
    hand_close();
}

static void each_shared_task_wakes_a_worker_of_its_own(void **state)
{
    (void)state;
    open_with_full_workers(3, 0);
    struct simple tasks[3] = {SIMPLE(2), SIMPLE(2), SIMPLE(2)};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rn_spawn_anywhere(hand.runtime, &tasks[i].task), 0);
        for (unsigned k = 0; k < 3; k++) assert_int_equal(hand_backend(k)->wakes, k <= i);
    }
    for (unsigned i = 0; i < 3; i++) hand_turn(i);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(tasks[i].polls, 1);
    for (unsigned i = 0; i < 3; i++) rn_wake(tasks[i].waker);
    hand_settle();
    hand_close();
}

static void who_is_full_passes_the_ring_on(void **state)
{
    (void)state;
    open_with_full_workers(3, 1);
    struct simple first = SIMPLE(2), second = SIMPLE(2);
    /* Two pushes at the same moment that both found worker 1 asleep: it is rung once. */
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &first.task), 0);
    second.task.node.run = first.task.node.run;
    assert_true(rn_shared_stack_push(&hand.runtime->shared, &second.task.node));
    assert_int_equal(hand_backend(1)->wakes, 1);
    assert_int_equal(hand_backend(2)->wakes, 0);
    hand_turn(1);
    assert_int_equal(first.polls + second.polls, 1);
    assert_int_equal(hand_backend(2)->wakes, 1);
    assert_int_equal(hand_backend(1)->until, RN_NEVER); /* and waits itself */
    hand_turn(2);
    assert_int_equal(first.polls + second.polls, 2);
    assert_int_equal(hand_backend(0)->wakes, 0);
    rn_wake(first.waker);
    rn_wake(second.waker);
    rn_wake(blockers[0].waker);
    hand_settle();
    hand_close();
}

static void a_slot_that_becomes_free_is_for_a_shared_task(void **state)
{
    (void)state;
    open_with_full_workers(1, 1);
    struct simple task = SIMPLE(1);
    assert_int_equal(rn_spawn_anywhere(hand.runtime, &task.task), 0);
    hand_turn(0);
    assert_int_equal(task.polls, 0);
    assert_int_equal(hand_backend(0)->until, RN_NEVER); /* it doesn't spin for the slot */
    rn_wake(blockers[0].waker);
    hand_settle();
    assert_true(task.is_done);
    hand_close();
}

/* ---- Async functions --------------------------------------------------------------------- */

struct napper {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    rn_ns duration;
    rn_ns woke[3];
    int result[3];
    rn_waker waker;
};

static enum rn_poll nap(struct rn_task *task, struct rn_cx *cx)
{
    struct napper *napper = rn_container_of(task, struct napper, task);
    napper->waker = cx->waker;
    RN_BEGIN(&napper->co);
    rn_sleep(&napper->sleep, cx, napper->duration);
    RN_AWAIT(&napper->co, &napper->sleep, cx);
    napper->woke[0] = cx->now;
    napper->result[0] = napper->sleep.result;
    rn_sleep(&napper->sleep, cx, napper->duration);
    RN_AWAIT(&napper->co, &napper->sleep, cx);
    napper->woke[1] = cx->now;
    napper->result[1] = napper->sleep.result;
    RN_END(&napper->co);
}

static void a_sleep_is_never_short(void **state)
{
    (void)state;
    static const rn_ns durations[] = {0, 1, RN_MICROSECOND, RN_MILLISECOND, RN_SECOND,
                                      3600 * RN_SECOND, 86400 * 365 * RN_SECOND};
    for (size_t i = 0; i < RN_COUNT(durations); i++) {
        hand_open((struct rn_runtime_options){0});
        struct napper napper = {.task.poll = nap, .duration = durations[i]};
        rn_ns start = rn_worker_now(hand_worker(0));
        assert_int_equal(rn_spawn(hand_worker(0), &napper.task), 0);
        hand_pass(2 * durations[i] + 10 * RN_MILLISECOND);
        assert_int_equal(napper.co.line, RN_CO_DONE);
        assert_in_range(napper.woke[0] - start, durations[i], durations[i] + 2 * RN_MILLISECOND);
        assert_in_range(napper.woke[1] - napper.woke[0], durations[i],
                        durations[i] + 2 * RN_MILLISECOND);
        assert_int_equal(napper.result[0], 0);
        assert_int_equal(napper.result[1], 0);
        hand_close();
    }
}

/* Also where it would end behind the end of time. */
static void a_sleep_without_end(void **state)
{
    (void)state;
    static const rn_ns durations[] = {RN_NEVER, RN_NEVER - 1, RN_NEVER - 1000 * RN_SECOND};
    for (size_t i = 0; i < RN_COUNT(durations); i++) {
        hand_open((struct rn_runtime_options){0});
        struct napper napper = {.task.poll = nap, .duration = durations[i]};
        assert_int_equal(rn_spawn(hand_worker(0), &napper.task), 0);
        hand_pass(86400 * RN_SECOND);
        assert_int_equal(napper.woke[0], 0);
        rn_task_cancel(napper.waker);
        hand_settle();
        assert_int_equal(napper.result[0], -RN_K_ECANCELED);
        hand_close();
    }
}

static void a_wake_does_not_end_a_sleep(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct napper napper = {.task.poll = nap, .duration = RN_SECOND};
    assert_int_equal(rn_spawn(hand_worker(0), &napper.task), 0);
    for (int i = 0; i < 5; i++) {
        hand_settle();
        rn_wake(napper.waker);
    }
    hand_pass(RN_SECOND / 2);
    assert_int_equal(napper.woke[0], 0);
    hand_pass(2 * RN_SECOND);
    assert_int_equal(napper.co.line, RN_CO_DONE);
    hand_close();
}

static void a_cancelled_task_wakes_from_every_sleep(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct napper napper = {.task.poll = nap, .duration = RN_SECOND};
    assert_int_equal(rn_spawn(hand_worker(0), &napper.task), 0);
    hand_settle();
    rn_worker_enter(hand_worker(1)); /* from another thread */
    rn_task_cancel(napper.waker);
    assert_int_equal(napper.co.line == RN_CO_DONE, 0);
    hand_settle();
    assert_int_equal(napper.co.line, RN_CO_DONE);
    assert_int_equal(napper.result[0], -RN_K_ECANCELED);
    assert_int_equal(napper.result[1], -RN_K_ECANCELED); /* the one it came to as well */
    assert_int_equal(figures(0).timers, 0);
    hand_close();
}

static void a_task_may_be_cancelled_before_its_first_poll(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct napper napper = {.task.poll = nap, .duration = RN_SECOND};
    assert_int_equal(rn_spawn(hand_worker(0), &napper.task), 0);
    rn_task_cancel(rn_task_waker(hand_worker(0), &napper.task));
    hand_settle();
    assert_int_equal(napper.co.line, RN_CO_DONE);
    assert_int_equal(napper.result[0], -RN_K_ECANCELED);
    hand_close();
}

struct yielder {
    struct rn_task task;
    rn_co co;
    struct rn_yield yield;
    unsigned index, round;
    char *log;
    size_t *log_len;
};

static enum rn_poll yield_three_times(struct rn_task *task, struct rn_cx *cx)
{
    struct yielder *yielder = rn_container_of(task, struct yielder, task);
    RN_BEGIN(&yielder->co);
    for (yielder->round = 0; yielder->round < 3; yielder->round++) {
        yielder->log[(*yielder->log_len)++] = (char)('a' + yielder->index);
        RN_AWAIT(&yielder->co, &yielder->yield, cx);
    }
    RN_END(&yielder->co);
}

static void a_yield_lets_every_other_task_run_once(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    char log[16] = "";
    size_t log_len = 0;
    struct yielder yielders[3];
    for (unsigned i = 0; i < 3; i++) {
        yielders[i] = (struct yielder){
            .task.poll = yield_three_times, .index = i, .log = log, .log_len = &log_len};
        assert_int_equal(rn_spawn(hand_worker(0), &yielders[i].task), 0);
    }
    hand_settle();
    assert_string_equal(log, "abcabcabc");
    hand_close();
}

/* ---- Joining ----------------------------------------------------------------------------- */

struct parent {
    struct rn_task task;
    rn_co co;
    struct rn_join join;
    struct simple *child;
    bool child_was_done;
    rn_waker waker;
};

static enum rn_poll wait_for_child(struct rn_task *task, struct rn_cx *cx)
{
    struct parent *parent = rn_container_of(task, struct parent, task);
    parent->waker = cx->waker;
    RN_BEGIN(&parent->co);
    RN_AWAIT(&parent->co, &parent->join, cx);
    parent->child_was_done = parent->child->is_done;
    task->result = parent->join.result;
    RN_END(&parent->co);
}

/* parent_first: the parent waits before the child is done. Otherwise it comes too late to wait. */
static void join_once(bool across, bool parent_first)
{
    hand_open((struct rn_runtime_options){.workers = 2});
    struct simple child = SIMPLE(parent_first ? 2 : 1);
    struct parent parent = {.task.poll = wait_for_child, .child = &child};
    struct rn_worker *other = hand_worker(across);
    child.task.join = &parent.join;
    rn_spawn_remote(other, &child.task);
    if (!parent_first) hand_settle();
    assert_int_equal(rn_spawn(hand_worker(0), &parent.task), 0);
    hand_settle();
    if (parent_first) {
        assert_int_equal(parent.co.line == RN_CO_DONE, 0);
        rn_wake(parent.waker); /* for no reason: it waits on */
        hand_settle();
        assert_int_equal(parent.co.line == RN_CO_DONE, 0);
        rn_wake(child.waker);
        hand_settle();
    }
    assert_int_equal(parent.co.line, RN_CO_DONE);
    assert_true(parent.child_was_done);
    assert_int_equal(parent.task.result, parent_first ? 20 : 10);
    assert_int_equal(figures(0).stale_wakes + figures(1).stale_wakes, 0);
    hand_close();
}

static void a_join_waits_for_a_task_of_any_worker(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) join_once(i & 1, i & 2);
}

struct freed {
    struct simple simple;
    unsigned *count;
};

static void free_task(struct rn_task *task)
{
    struct freed *freed = rn_container_of(task, struct freed, simple.task);
    ++*freed->count;
    memset(freed, 0xee, sizeof *freed);
    free(freed);
}

static void a_task_may_free_itself_when_done(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    unsigned count = 0;
    struct rn_join joins[2] = {{.state = 0}};
    for (unsigned i = 0; i < 4; i++) {
        struct freed *freed = calloc(1, sizeof *freed);
        *freed = (struct freed){.simple = SIMPLE(1), .count = &count};
        freed->simple.task.done = free_task;
        if (i < 2) freed->simple.task.join = &joins[i];
        assert_int_equal(rn_spawn(hand_worker(0), &freed->simple.task), 0);
    }
    hand_settle();
    assert_int_equal(count, 4);
    assert_int_equal(joins[0].result, 10);
    assert_int_equal(joins[1].result, 10);
    hand_close();
}

/* ---- Misuse ------------------------------------------------------------------------------ */

struct wrong {
    struct rn_task task;
    rn_co co;
    struct rn_yield yield;
    int what;
};

static enum rn_poll await_in_a_nested_switch(struct rn_task *task, struct rn_cx *cx)
{
    struct wrong *wrong = rn_container_of(task, struct wrong, task);
    RN_BEGIN(&wrong->co);
    switch (wrong->what) {
    case 1: RN_AWAIT(&wrong->co, &wrong->yield, cx); break;
    default: break;
    }
    RN_END(&wrong->co);
}

static enum rn_poll never_ready(struct rn_task *task, struct rn_cx *cx)
{
    struct wrong *wrong = rn_container_of(task, struct wrong, task);
    RN_BEGIN(&wrong->co);
    rn_wake(cx->waker);
    wrong->co.line = RN_CO_DONE; /* as a task has it that goes on after its end */
    return RN_PENDING;
    RN_END(&wrong->co);
}

static void expect_trap(enum rn_poll (*poll)(struct rn_task *, struct rn_cx *), int what)
{
    int status, child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        hand_open((struct rn_runtime_options){0});
        struct wrong wrong = {.task.poll = poll, .what = what};
        if (rn_spawn(hand_worker(0), &wrong.task) == 0) hand_settle();
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

static void misuse_of_the_macros_stops_the_program(void **state)
{
    (void)state;
    expect_trap(await_in_a_nested_switch, 1);
    expect_trap(never_ready, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_changes_the_state_as_the_table_says),
        cmocka_unit_test(a_poll_begins_and_ends_as_the_table_says),
        cmocka_unit_test(a_task_is_polled_until_it_is_ready),
        cmocka_unit_test(a_wake_while_it_runs_is_not_lost),
        cmocka_unit_test(a_stale_waker_reaches_nobody_and_is_counted),
        cmocka_unit_test(a_full_worker_takes_no_more),
        cmocka_unit_test(a_remote_spawn_and_wake_ring_a_sleeping_worker),
        cmocka_unit_test(a_worker_with_work_does_not_wait),
        cmocka_unit_test(a_task_that_wakes_itself_leaves_room_for_others),
        cmocka_unit_test(shared_tasks_are_bounded),
        cmocka_unit_test(a_full_worker_is_not_the_one_that_is_woken),
        cmocka_unit_test(each_shared_task_wakes_a_worker_of_its_own),
        cmocka_unit_test(who_is_full_passes_the_ring_on),
        cmocka_unit_test(a_slot_that_becomes_free_is_for_a_shared_task),
        cmocka_unit_test(a_sleep_is_never_short),
        cmocka_unit_test(a_sleep_without_end),
        cmocka_unit_test(a_wake_does_not_end_a_sleep),
        cmocka_unit_test(a_cancelled_task_wakes_from_every_sleep),
        cmocka_unit_test(a_task_may_be_cancelled_before_its_first_poll),
        cmocka_unit_test(a_yield_lets_every_other_task_run_once),
        cmocka_unit_test(a_join_waits_for_a_task_of_any_worker),
        cmocka_unit_test(a_task_may_free_itself_when_done),
        cmocka_unit_test(misuse_of_the_macros_stops_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
