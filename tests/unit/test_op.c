/*
 * Ops: deadlines, cancellation, and what a caller may do from within a completion.
 */
#include "by_hand.h"

struct call {
    struct rn_op op;
    unsigned completions;
    int64_t last;
    struct rn_buf *buf;
    bool more;
    bool inflight; /* as seen from inside the completion */
    unsigned starts_again;
    bool frees_itself;
};

static struct rn_worker_figures figures(void)
{
    struct rn_worker_figures result;
    rn_worker_figures(hand_worker(0), &result);
    return result;
}

static void on_complete(struct rn_op *op)
{
    struct call *call = rn_container_of(op, struct call, op);
    call->completions++;
    call->last = op->result;
    call->buf = op->buf;
    call->more = op->flags & RN_OP_MORE;
    call->inflight = rn_op_inflight(op);
    if (call->starts_again) {
        call->starts_again--;
        rn_op_start(rn_worker_current(), op, RN_NEVER);
    }
    if (call->frees_itself) {
        memset(call, 0xee, sizeof *call);
        free(call);
    }
}

static void start(struct call *call, uint8_t flags, rn_ns deadline)
{
    call->op.code = RN_OP_RECV;
    call->op.flags = flags;
    call->op.complete = on_complete;
    rn_op_start(hand_worker(0), &call->op, deadline);
}

static rn_ns after(rn_ns delay)
{
    return rn_worker_now(hand_worker(0)) + delay;
}

static void an_op_completes_once(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {.completions = 0};
    /* What an earlier use left behind is gone. */
    memset(&call.op, 0xff, sizeof call.op);
    start(&call, 0xff, RN_NEVER);
    assert_true(rn_op_inflight(&call.op));
    assert_int_equal(call.op.progress, 0);
    assert_null(call.op.buf);
    assert_int_equal(call.op.flags, RN_OP_MULTISHOT | RN_OP_ALL | RN_OP_CORK | RN_OP_INFLIGHT);
    assert_int_equal(figures().ops, 1);
    hand_settle();
    assert_int_equal(call.completions, 0);
    struct rn_buf *buf = rn_pool_take(&hand_worker(0)->pool);
    hand_put_done(hand_backend(0), (struct rn_completion){&call.op, buf, 5, false});
    assert_int_equal(call.completions, 0); /* only from the loop */
    hand_settle();
    assert_int_equal(call.completions, 1);
    assert_int_equal(call.last, 5);
    assert_ptr_equal(call.buf, buf);
    assert_false(call.inflight);
    assert_false(call.more);
    assert_int_equal(figures().ops, 0);
    rn_op_cancel(hand_worker(0), &call.op); /* nothing to cancel */
    rn_op_deadline(hand_worker(0), &call.op, after(1));
    hand_pass(RN_SECOND);
    assert_int_equal(hand_backend(0)->cancels, 0);
    assert_int_equal(call.completions, 1);
    rn_pool_put(&hand_worker(0)->pool, buf);
    hand_close();
}

static void a_completion_may_start_the_op_again(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {.starts_again = 3};
    start(&call, 0, after(RN_SECOND));
    for (unsigned i = 1; i <= 4; i++) {
        hand_complete(&call.op, i);
        assert_int_equal(call.completions, i);
        assert_int_equal(call.last, i);
        assert_int_equal(figures().ops, i < 4);
        assert_int_equal(figures().timers, 0); /* the deadline was the first one's */
    }
    hand_close();
}

static void a_completion_may_free_the_op(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    for (unsigned i = 0; i < 3; i++) {
        struct call *call = calloc(1, sizeof *call);
        call->frees_itself = true;
        start(call, 0, i ? after(RN_SECOND) : RN_NEVER);
        if (i < 2) hand_complete(&call->op, 0);
    }
    hand_pass(2 * RN_SECOND); /* the last one by its deadline */
    hand_close();
}

static void a_multishot_stays_in_flight_until_its_last(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {0};
    start(&call, RN_OP_MULTISHOT, after(RN_SECOND));
    for (unsigned i = 1; i <= 5; i++) {
        hand_put_done(hand_backend(0), (struct rn_completion){&call.op, NULL, i, true});
        hand_settle();
        assert_int_equal(call.completions, i);
        assert_int_equal(call.last, i);
        assert_true(call.more && call.inflight);
        assert_int_equal(figures().ops, 1);
        assert_int_equal(figures().timers, 1);
    }
    hand_complete(&call.op, 0);
    assert_int_equal(call.completions, 6);
    assert_false(call.more || call.inflight);
    assert_int_equal(figures().timers, 0);
    start(&call, RN_OP_MULTISHOT, after(RN_SECOND));
    hand_put_done(hand_backend(0), (struct rn_completion){&call.op, NULL, 7, true});
    hand_pass(2 * RN_SECOND);
    assert_int_equal(call.completions, 8);
    assert_int_equal(call.last, -RN_K_ETIMEDOUT);
    assert_false(call.more);
    hand_close();
}

/* ---- Deadlines --------------------------------------------------------------------------- */

static void a_deadline_ends_an_op(void **state)
{
    (void)state;
    static const rn_ns delays[] = {0, 1, RN_MILLISECOND, RN_SECOND, 3600 * RN_SECOND};
    for (size_t i = 0; i < RN_COUNT(delays); i++) {
        hand_open((struct rn_runtime_options){0});
        struct call call = {0};
        start(&call, 0, after(delays[i]));
        if (delays[i]) hand_pass(delays[i] - 1);
        assert_int_equal(call.completions, 0);
        hand_pass(2 * RN_MILLISECOND);
        assert_int_equal(call.completions, 1);
        assert_int_equal(call.last, -RN_K_ETIMEDOUT);
        assert_int_equal(hand_backend(0)->cancels, 1);
        hand_close();
    }
}

static void what_happened_before_counts(void **state)
{
    (void)state;
    static const int64_t results[] = {5, 0, -RN_K_ECONNRESET};
    for (size_t i = 0; i < RN_COUNT(results); i++) {
        hand_open((struct rn_runtime_options){0});
        hand_backend(0)->keep_cancelled = true;
        struct call call = {0};
        start(&call, 0, after(RN_SECOND));
        hand_pass(5 * RN_SECOND);
        assert_int_equal(hand_backend(0)->cancels, 1); /* asked, and once */
        assert_int_equal(call.completions, 0);
        hand_complete(&call.op, results[i]);
        assert_int_equal(call.last, results[i]);
        hand_close();
    }
}

static void a_deadline_may_be_moved(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {0};
    start(&call, 0, after(RN_SECOND));
    hand_pass(RN_SECOND / 2);
    rn_op_deadline(hand_worker(0), &call.op, after(10 * RN_SECOND)); /* later */
    hand_pass(9 * RN_SECOND);
    assert_int_equal(call.completions, 0);
    rn_op_deadline(hand_worker(0), &call.op, RN_NEVER); /* away */
    hand_pass(9 * RN_SECOND);
    assert_int_equal(call.completions, 0);
    assert_int_equal(figures().timers, 0);
    rn_op_deadline(hand_worker(0), &call.op, after(100 * RN_SECOND)); /* there again */
    rn_op_deadline(hand_worker(0), &call.op, after(RN_SECOND));       /* earlier */
    hand_pass(RN_SECOND / 2);
    call.op.timer.deadline += RN_SECOND; /* later, by assignment */
    hand_pass(RN_SECOND);
    assert_int_equal(call.completions, 0);
    hand_pass(RN_SECOND);
    assert_int_equal(call.completions, 1);
    assert_int_equal(call.last, -RN_K_ETIMEDOUT);
    hand_close();
}

static void an_op_that_is_done_in_time_has_no_deadline(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {0};
    start(&call, 0, after(RN_SECOND));
    assert_int_equal(figures().timers, 1);
    hand_complete(&call.op, 3);
    assert_int_equal(figures().timers, 0);
    start(&call, 0, RN_NEVER); /* in the same memory */
    hand_pass(10 * RN_SECOND);
    assert_int_equal(call.completions, 1);
    assert_int_equal(hand_backend(0)->cancels, 0);
    hand_complete(&call.op, 4);
    hand_close();
}

/* It completes in the same turn in which its time is over: with its result, and nothing follows. */
static void a_completion_in_the_turn_of_the_deadline_wins(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {0};
    start(&call, 0, after(RN_SECOND));
    hand_put_done(hand_backend(0), (struct rn_completion){.op = &call.op, .result = 9});
    hand_backend(0)->now += 5 * RN_SECOND;
    hand_settle();
    assert_int_equal(call.completions, 1);
    assert_int_equal(call.last, 9);
    assert_int_equal(hand_backend(0)->cancels, 0);
    hand_close();
}

/* ---- Cancelling -------------------------------------------------------------------------- */

static void a_cancelled_op_completes_once(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct call call = {0};
    start(&call, 0, after(RN_SECOND));
    rn_op_cancel(hand_worker(0), &call.op);
    rn_op_cancel(hand_worker(0), &call.op);
    assert_int_equal(call.completions, 0); /* not from inside the call */
    assert_true(rn_op_inflight(&call.op));
    assert_int_equal(hand_backend(0)->cancels, 1);
    hand_pass(2 * RN_SECOND);
    assert_int_equal(call.completions, 1);
    assert_int_equal(call.last, -RN_K_ECANCELED);
    hand_close();
}

/* The caller spoke first: that the deadline passes before the kernel is done changes nothing. */
static void a_cancelled_op_does_not_time_out(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    hand_backend(0)->keep_cancelled = true;
    struct call call = {0};
    start(&call, 0, after(RN_SECOND));
    rn_op_cancel(hand_worker(0), &call.op);
    hand_pass(5 * RN_SECOND);
    assert_int_equal(hand_backend(0)->cancels, 1);
    hand_complete(&call.op, -RN_K_ECANCELED);
    assert_int_equal(call.last, -RN_K_ECANCELED);
    hand_close();
}

/* ---- Awaiting ---------------------------------------------------------------------------- */

struct reader {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    int64_t results[2];
    rn_waker waker;
    unsigned polls;
};

static enum rn_poll read_twice(struct rn_task *task, struct rn_cx *cx)
{
    struct reader *reader = rn_container_of(task, struct reader, task);
    reader->waker = cx->waker;
    reader->polls++;
    RN_BEGIN(&reader->co);
    reader->op.code = RN_OP_READ;
    rn_op_begin(cx, &reader->op, rn_after(cx, RN_SECOND));
    RN_AWAIT(&reader->co, &reader->op, cx);
    reader->results[0] = reader->op.result;
    reader->op.code = RN_OP_WRITE;
    rn_op_begin(cx, &reader->op, rn_after(cx, RN_SECOND));
    RN_AWAIT(&reader->co, &reader->op, cx);
    reader->results[1] = reader->op.result;
    RN_END(&reader->co);
}

static void a_task_awaits_ops(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct reader reader = {.task.poll = read_twice};
    assert_int_equal(rn_spawn(hand_worker(0), &reader.task), 0);
    hand_settle();
    rn_wake(reader.waker); /* a wake isn't a completion */
    hand_settle();
    assert_int_equal(reader.polls, 2);
    assert_int_equal(reader.co.line == RN_CO_DONE, 0);
    hand_complete(hand_op(RN_OP_READ), 17);
    assert_int_equal(reader.polls, 3);
    assert_int_equal(reader.results[0], 17);
    hand_pass(2 * RN_SECOND);
    assert_int_equal(reader.results[1], -RN_K_ETIMEDOUT);
    assert_int_equal(reader.co.line, RN_CO_DONE);
    assert_int_equal(figures().stale_wakes, 0);
    hand_close();
}

static void a_cancelled_task_waits_for_its_ops_to_end(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    hand_backend(0)->keep_cancelled = true;
    struct reader reader = {.task.poll = read_twice};
    assert_int_equal(rn_spawn(hand_worker(0), &reader.task), 0);
    hand_settle();
    rn_task_cancel(reader.waker);
    hand_settle();
    assert_int_equal(hand_backend(0)->cancels, 1);
    assert_int_equal(reader.co.line == RN_CO_DONE, 0); /* the kernel may still write */
    hand_complete(hand_op(RN_OP_READ), -RN_K_ECANCELED);
    assert_int_equal(reader.results[0], -RN_K_ECANCELED);
    assert_int_equal(hand_backend(0)->cancels, 2); /* and the one it came to */
    hand_complete(hand_op(RN_OP_WRITE), 3);
    assert_int_equal(reader.results[1], 3);
    assert_int_equal(reader.co.line, RN_CO_DONE);
    hand_close();
}

static void an_error_of_the_backend_ends_the_turn(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    hand_settle();
    hand_backend(0)->poll_error = HAND_ERROR;
    assert_int_equal(rn_worker_turn(hand_worker(0)), HAND_ERROR);
    hand_backend(0)->poll_error = 0;
    hand_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_op_completes_once),
        cmocka_unit_test(a_completion_may_start_the_op_again),
        cmocka_unit_test(a_completion_may_free_the_op),
        cmocka_unit_test(a_multishot_stays_in_flight_until_its_last),
        cmocka_unit_test(a_deadline_ends_an_op),
        cmocka_unit_test(what_happened_before_counts),
        cmocka_unit_test(a_deadline_may_be_moved),
        cmocka_unit_test(an_op_that_is_done_in_time_has_no_deadline),
        cmocka_unit_test(a_completion_in_the_turn_of_the_deadline_wins),
        cmocka_unit_test(a_cancelled_op_completes_once),
        cmocka_unit_test(a_cancelled_op_does_not_time_out),
        cmocka_unit_test(a_task_awaits_ops),
        cmocka_unit_test(a_cancelled_task_waits_for_its_ops_to_end),
        cmocka_unit_test(an_error_of_the_backend_ends_the_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
