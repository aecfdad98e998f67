/*
 * Intervals: in step, late, and left lying.
 */
#include "await_bed.h"

struct ticking {
    struct rn_task task;
    rn_co co;
    struct rn_interval interval;
    enum rn_missed missed;
    rn_ns period, started, last;
    unsigned ticks;
    int64_t left_out; /* of the last tick */
    struct rn_event *pause; /* waited for before the third tick */
    struct rn_wait wait;
    rn_waker waker;
};

static enum rn_poll ticking_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct ticking *ticking = rn_container_of(task, struct ticking, task);
    RN_BEGIN(&ticking->co);
    ticking->waker = cx->waker;
    ticking->started = cx->now;
    rn_interval(&ticking->interval, cx, ticking->period, ticking->missed);
    for (;;) {
        if (ticking->ticks == 2) {
            rn_event_wait(&ticking->wait, ticking->pause);
            RN_AWAIT(&ticking->co, &ticking->wait.future, cx);
        }
        RN_AWAIT(&ticking->co, &ticking->interval.future, cx);
        if (ticking->interval.result < 0) break;
        ticking->left_out = ticking->interval.result;
        ticking->last = cx->now - ticking->started;
        ticking->ticks++;
    }
    RN_END(&ticking->co);
}

/* A tick is at most a few milliseconds late: the wheel's. */
static void assert_about(rn_ns time, rn_ns expected)
{
    assert_true(time >= expected && time < expected + 5 * RN_MILLISECOND);
}

/* Ticks at 100 and 200 ms; nobody waits from there until 550 ms, where three are due. */
static void tick_late(enum rn_missed missed, unsigned at_once, int64_t left_out, rn_ns next)
{
    hand_open((struct rn_runtime_options){0});
    struct rn_event pause = {0};
    struct ticking ticking = {.task.poll = ticking_poll, .missed = missed,
                              .period = 100 * RN_MILLISECOND, .pause = &pause};
    assert_int_equal(rn_spawn(hand_worker(0), &ticking.task), 0);
    hand_pass(105 * RN_MILLISECOND);
    assert_int_equal(ticking.ticks, 1);
    assert_about(ticking.last, 100 * RN_MILLISECOND);
    hand_pass(445 * RN_MILLISECOND);
    assert_int_equal(ticking.ticks, 2);
    assert_about(ticking.last, 200 * RN_MILLISECOND);
    assert_int_equal(hand_worker(0)->wheel.running, 0);
    rn_event_set(&pause);
    hand_settle();
    assert_int_equal(ticking.ticks, 2 + at_once);
    assert_about(ticking.last, 550 * RN_MILLISECOND);
    assert_int_equal(ticking.left_out, left_out);
    hand_pass(next - 550 * RN_MILLISECOND + 5 * RN_MILLISECOND);
    assert_int_equal(ticking.ticks, 3 + at_once);
    assert_about(ticking.last, next);
    assert_int_equal(ticking.left_out, 0);
    rn_task_cancel(ticking.waker);
    hand_settle();
    assert_int_equal(ticking.interval.result, -RN_K_ECANCELED);
    hand_close();
}

static void missed_ticks_come_in_a_burst(void **state)
{
    (void)state;
    tick_late(RN_MISSED_BURST, 3, 0, 600 * RN_MILLISECOND);
}

static void missed_ticks_are_skipped(void **state)
{
    (void)state;
    tick_late(RN_MISSED_SKIP, 1, 2, 600 * RN_MILLISECOND);
}

static void missed_ticks_delay_the_others(void **state)
{
    (void)state;
    tick_late(RN_MISSED_DELAY, 1, 2, 650 * RN_MILLISECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missed_ticks_come_in_a_burst),
        cmocka_unit_test(missed_ticks_are_skipped),
        cmocka_unit_test(missed_ticks_delay_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
