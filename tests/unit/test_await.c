/*
 * Select and timeout over futures of each kind: who loses is cancelled, and over when they are.
 */
#include "await_bed.h"

/* A task that begins an op and a sleep, and awaits what the test made of them. */
struct beginning {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    struct rn_sleep sleep;
    struct rn_awaitable branches[4];
    struct rn_select select;
    struct rn_timeout timeout;
    void (*begin)(struct beginning *beginning, struct rn_cx *cx);
    struct rn_future *future; /* set by begin */
    rn_waker waker;
    bool over;
};

static enum rn_poll beginning_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct beginning *beginning = rn_container_of(task, struct beginning, task);
    RN_BEGIN(&beginning->co);
    beginning->waker = cx->waker;
    beginning->begin(beginning, cx);
    RN_AWAIT(&beginning->co, beginning->future, cx);
    beginning->over = true;
    RN_END(&beginning->co);
}

static void begin(struct beginning *beginning, void (*how)(struct beginning *, struct rn_cx *))
{
    *beginning = (struct beginning){.task.poll = beginning_poll, .begin = how};
    assert_int_equal(rn_spawn(hand_worker(0), &beginning->task), 0);
    hand_settle();
}

static void begin_op(struct beginning *beginning, struct rn_cx *cx)
{
    beginning->op.code = RN_OP_RECV;
    rn_op_begin(cx, &beginning->op, RN_NEVER);
}

/* ---- Select ------------------------------------------------------------------------------ */

static struct rn_event event;
static struct rn_wait event_wait;
static struct rn_channel channel;
static struct rn_channel_wait channel_wait;
static int channel_memory[1], channel_got;

/* An op, a sleep, an event and a channel. */
static void select_four(struct beginning *beginning, struct rn_cx *cx)
{
    event = (struct rn_event){0};
    rn_channel_init(&channel, channel_memory, sizeof(int), 1);
    begin_op(beginning, cx);
    rn_sleep(&beginning->sleep, cx, RN_SECOND);
    rn_event_wait(&event_wait, &event);
    rn_channel_recv(&channel_wait, &channel, &channel_got);
    beginning->branches[0] = rn_awaitable_of(&beginning->op);
    beginning->branches[1] = rn_awaitable_of(&beginning->sleep);
    beginning->branches[2] = rn_awaitable_of(&event_wait.future);
    beginning->branches[3] = rn_awaitable_of(&channel_wait.future);
    rn_select(&beginning->select, beginning->branches, 4);
    beginning->future = &beginning->select.future;
}

static void the_first_wins_and_the_others_are_cancelled(void **state)
{
    (void)state;
    for (int winner = 0; winner < 4; winner++) {
        hand_open((struct rn_runtime_options){0});
        struct beginning beginning;
        begin(&beginning, select_four);
        assert_false(beginning.over);
        assert_int_equal(hand_worker(0)->wheel.running, 1);
        if (winner == 0) hand_complete(&beginning.op, 5);
        if (winner == 1) hand_pass(2 * RN_SECOND);
        if (winner == 2) rn_event_set(&event);
        if (winner == 3) assert_int_equal(rn_channel_try_send(&channel, &(int){9}), 0);
        hand_settle();
        assert_true(beginning.over);
        assert_int_equal(beginning.select.result, winner);
        assert_int_equal(beginning.op.result, winner == 0 ? 5 : -RN_K_ECANCELED);
        assert_int_equal(beginning.sleep.result, winner == 1 ? 0 : -RN_K_ECANCELED);
        assert_int_equal(event_wait.result, winner == 2 ? 0 : -RN_K_ECANCELED);
        assert_int_equal(channel_wait.result, winner == 3 ? 0 : -RN_K_ECANCELED);
        if (winner == 3) assert_int_equal(channel_got, 9);
        /* Nobody waits any more. */
        assert_null(event.line.waiting.first);
        assert_null(channel.receivers.first);
        hand_close(); /* no op in flight, no timer */
    }
}

/* An op that is hard to stop: the select isn't over before it is, and then it has its result. */
static void a_select_takes_the_completion_of_the_op_that_lost(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, select_four);
    hand_backend(0)->keep_cancelled = true;
    rn_event_set(&event);
    hand_settle();
    assert_false(beginning.over);
    assert_int_equal(hand_backend(0)->cancels, 1);
    assert_int_equal(event_wait.result, 0);
    hand_complete(&beginning.op, 17); /* it was quicker than the cancelling */
    assert_true(beginning.over);
    assert_int_equal(beginning.select.result, 2);
    assert_int_equal(beginning.op.result, 17);
    assert_int_equal(hand_backend(0)->cancels, 1);
    hand_close();
}

static void the_first_in_the_list_wins_where_several_are_ready(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, select_four);
    rn_event_set(&event);
    assert_int_equal(rn_channel_try_send(&channel, &(int){1}), 0);
    hand_settle();
    assert_int_equal(beginning.select.result, 2);
    assert_int_equal(channel_wait.result, 0); /* it has its element all the same */
    assert_int_equal(channel_got, 1);
    hand_close();
}

static void a_cancelled_select_cancels_all(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, select_four);
    rn_task_cancel(beginning.waker);
    hand_settle();
    assert_true(beginning.over);
    assert_int_equal(beginning.select.result, -RN_K_ECANCELED);
    assert_int_equal(beginning.op.result, -RN_K_ECANCELED);
    assert_int_equal(event_wait.result, -RN_K_ECANCELED);
    hand_close();
}

/* ---- Joins and yields in a select -------------------------------------------------------- */

static struct rn_join join;
static struct rn_yield yield;
static struct awaiting joined;

static void select_join(struct beginning *beginning, struct rn_cx *cx)
{
    join = (struct rn_join){.task = joined.waker};
    joined.task.join = &join;
    yield = (struct rn_yield){false};
    beginning->branches[0] = rn_awaitable_of(&join);
    beginning->branches[1] = rn_awaitable_of(&yield);
    rn_select(&beginning->select, beginning->branches, 2);
    beginning->future = &beginning->select.future;
}

/* The join lost: the task that it waited for is cancelled and has ended. */
static void a_join_that_loses_cancels_its_task(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    event = (struct rn_event){0};
    rn_event_wait(&event_wait, &event);
    await_on(0, &joined, &event_wait.future);
    begin(&beginning, select_join);
    assert_true(beginning.over && joined.over);
    assert_int_equal(beginning.select.result, 1);
    assert_int_equal(event_wait.result, -RN_K_ECANCELED);
    hand_close();
}

/* ---- Timeout ----------------------------------------------------------------------------- */

static void op_within_a_second(struct beginning *beginning, struct rn_cx *cx)
{
    begin_op(beginning, cx);
    rn_timeout(&beginning->timeout, cx, rn_awaitable_of(&beginning->op), RN_SECOND);
    beginning->future = &beginning->timeout.future;
}

static void what_is_over_in_time_stops_the_timer(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, op_within_a_second);
    hand_pass(RN_SECOND / 2);
    assert_false(beginning.over);
    hand_complete(&beginning.op, 3);
    assert_true(beginning.over);
    assert_int_equal(beginning.timeout.result, 0);
    assert_int_equal(beginning.op.result, 3);
    hand_close();
}

static void what_is_not_is_cancelled(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, op_within_a_second);
    hand_backend(0)->keep_cancelled = true;
    hand_pass(2 * RN_SECOND);
    assert_false(beginning.over); /* the op is still in flight */
    hand_complete(&beginning.op, -RN_K_ECANCELED);
    assert_true(beginning.over);
    assert_int_equal(beginning.timeout.result, -RN_K_ETIMEDOUT);
    assert_int_equal(beginning.op.result, -RN_K_ECANCELED);
    hand_close();
}

static void a_cancelled_timeout_is_over_at_once(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, op_within_a_second);
    rn_task_cancel(beginning.waker);
    hand_settle();
    assert_true(beginning.over);
    assert_int_equal(beginning.timeout.result, 0);
    assert_int_equal(beginning.op.result, -RN_K_ECANCELED);
    hand_close();
}

/* A timeout around a select, which is a future like any other. */
static void select_within_half_a_second(struct beginning *beginning, struct rn_cx *cx)
{
    select_four(beginning, cx);
    rn_timeout(&beginning->timeout, cx, rn_awaitable_of(&beginning->select.future),
               RN_SECOND / 2);
    beginning->future = &beginning->timeout.future;
}

static void they_nest(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, select_within_half_a_second);
    hand_pass(RN_SECOND);
    assert_true(beginning.over);
    assert_int_equal(beginning.timeout.result, -RN_K_ETIMEDOUT);
    assert_int_equal(beginning.select.result, -RN_K_ECANCELED);
    assert_int_equal(beginning.op.result, -RN_K_ECANCELED);
    hand_close();
}

static void without_end(struct beginning *beginning, struct rn_cx *cx)
{
    begin_op(beginning, cx);
    rn_timeout(&beginning->timeout, cx, rn_awaitable_of(&beginning->op), RN_NEVER - 1);
    beginning->future = &beginning->timeout.future;
}

static void a_time_beyond_the_clock_never_comes(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct beginning beginning;
    begin(&beginning, without_end);
    assert_int_equal(hand_worker(0)->wheel.running, 0);
    hand_complete(&beginning.op, 1);
    assert_true(beginning.over);
    hand_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_wins_and_the_others_are_cancelled),
        cmocka_unit_test(a_select_takes_the_completion_of_the_op_that_lost),
        cmocka_unit_test(the_first_in_the_list_wins_where_several_are_ready),
        cmocka_unit_test(a_cancelled_select_cancels_all),
        cmocka_unit_test(a_join_that_loses_cancels_its_task),
        cmocka_unit_test(what_is_over_in_time_stops_the_timer),
        cmocka_unit_test(what_is_not_is_cancelled),
        cmocka_unit_test(a_cancelled_timeout_is_over_at_once),
        cmocka_unit_test(they_nest),
        cmocka_unit_test(a_time_beyond_the_clock_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
