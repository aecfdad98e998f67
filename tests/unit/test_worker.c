/*
 * One worker's loop by hand: what a turn does, when it would wait and for how long.
 */
#include "by_hand.h"

struct note {
    struct rn_node node;
    struct rn_timer timer;
    struct rn_op op;
    char name;
    struct note *posts; /* when it runs */
};

static char notes[2048];
static size_t notes_len;

static void write_note(const struct note *note)
{
    assert_true(notes_len + 1 < sizeof notes);
    notes[notes_len++] = note->name;
    notes[notes_len] = 0;
}

static void expect_notes(const char *text)
{
    assert_string_equal(notes, text);
    notes[notes_len = 0] = 0;
}

static void run_note(struct rn_worker *worker, struct rn_node *node)
{
    struct note *note = rn_container_of(node, struct note, node);
    assert_ptr_equal(worker, rn_worker_current());
    write_note(note);
    if (note->posts) rn_worker_post(worker, &note->posts->node);
}

static void expire_note(struct rn_timer *timer, rn_ns now)
{
    assert_int_equal(now, rn_worker_now(rn_worker_current()));
    write_note(rn_container_of(timer, struct note, timer));
}

static void complete_note(struct rn_op *op)
{
    write_note(rn_container_of(op, struct note, op));
}

#define NOTE(letter)                                                                               \
    {                                                                                              \
        .node.run = run_note, .timer.expire = expire_note, .op.complete = complete_note,           \
        .name = letter                                                                             \
    }

static void what_is_posted_runs_in_order(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct note a = NOTE('a'), b = NOTE('b'), c = NOTE('c'), d = NOTE('d');
    a.posts = &d; /* from inside the loop: behind what is there */
    rn_worker_enter(NULL);
    rn_worker_post(hand_worker(0), &a.node);
    rn_worker_post(hand_worker(0), &b.node);
    rn_worker_enter(hand_worker(1));
    rn_worker_post(hand_worker(0), &c.node);
    expect_notes("");
    hand_turn(1);
    expect_notes("");
    hand_turn(0);
    expect_notes("abcd");
    hand_close();
}

static void completions_come_before_timers(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct note a = NOTE('a'), b = NOTE('b'), c = NOTE('c');
    rn_timer_start(hand_worker(0), &a.timer, rn_worker_now(hand_worker(0)) + RN_SECOND);
    assert_true(rn_timer_running(&a.timer));
    rn_op_start(hand_worker(0), &b.op, RN_NEVER);
    hand_put_done(hand_backend(0), (struct rn_completion){.op = &b.op});
    rn_worker_post(hand_worker(0), &c.node);
    hand_backend(0)->now += 2 * RN_SECOND;
    hand_turn(0);
    expect_notes("cba");
    assert_false(rn_timer_running(&a.timer));
    hand_close();
}

static void it_waits_for_the_next_timer(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct note a = NOTE('a'), b = NOTE('b');
    rn_ns now = rn_worker_now(hand_worker(0));
    hand_settle();
    assert_int_equal(hand_backend(0)->until, RN_NEVER);
    assert_int_equal(hand_backend(0)->sleeping, RN_SLEEPING);
    assert_int_equal(hand_worker(0)->sleeping, RN_AWAKE); /* again */
    rn_timer_start(hand_worker(0), &a.timer, now + 10 * RN_SECOND);
    rn_timer_start(hand_worker(0), &b.timer, now + RN_SECOND);
    hand_settle();
    assert_in_range(hand_backend(0)->until, now + 1, now + RN_SECOND + 2 * RN_MILLISECOND);
    hand_pass(RN_SECOND + 2 * RN_MILLISECOND);
    expect_notes("b");
    assert_true(hand_backend(0)->until > rn_worker_now(hand_worker(0)));
    rn_timer_stop(hand_worker(0), &a.timer);
    rn_timer_stop(hand_worker(0), &a.timer);
    hand_settle();
    assert_int_equal(hand_backend(0)->until, RN_NEVER);
    hand_pass(20 * RN_SECOND);
    expect_notes("");
    hand_close();
}

/* Until its next turn it has something left to do: it looks for completions, but doesn't wait. */
static void a_long_queue_is_cut(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct note many[COUNT];
    hand_open((struct rn_runtime_options){0});
    struct note op = NOTE('o');
    rn_op_start(hand_worker(0), &op.op, RN_NEVER);
    hand_put_done(hand_backend(0), (struct rn_completion){.op = &op.op});
    for (unsigned i = 0; i < COUNT; i++) {
        many[i] = (struct note)NOTE('.');
        rn_worker_post(hand_worker(0), &many[i].node);
    }
    hand_turn(0);
    assert_int_equal(hand_backend(0)->until, 0);
    char *at = strchr(notes, 'o');
    assert_non_null(at);
    assert_true(at - notes < COUNT / 2 && at - notes > 0);
    hand_settle();
    assert_int_equal(notes_len, COUNT + 1);
    notes[notes_len = 0] = 0;
    hand_close();
}

static void many_completions_are_all_handed_out(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    static struct note many[HAND_OPS];
    for (unsigned i = 0; i < HAND_OPS; i++) {
        many[i] = (struct note)NOTE('.');
        rn_op_start(hand_worker(0), &many[i].op, RN_NEVER);
        hand_put_done(hand_backend(0), (struct rn_completion){.op = &many[i].op});
    }
    assert_int_equal(hand_worker(0)->ops, HAND_OPS);
    hand_settle();
    assert_int_equal(hand_worker(0)->ops, 0);
    assert_int_equal(notes_len, HAND_OPS);
    notes[notes_len = 0] = 0;
    hand_close();
}

struct idle {
    unsigned calls;
    struct note *posts;
};

static void on_idle(struct rn_worker *worker, void *context)
{
    struct idle *idle = context;
    assert_null(worker->queue.head);
    idle->calls++;
    if (idle->posts) rn_worker_post(worker, &idle->posts->node);
    idle->posts = NULL;
}

static void the_idle_hook_runs_before_it_waits(void **state)
{
    (void)state;
    struct note a = NOTE('a');
    struct idle idle = {.calls = 0};
    hand_open((struct rn_runtime_options){.on_idle = on_idle, .context = &idle});
    hand_turn(0);
    assert_int_equal(idle.calls, 1);
    assert_int_equal(hand_backend(0)->until, RN_NEVER);
    idle.posts = &a;
    hand_turn(0);
    expect_notes("");
    assert_int_equal(hand_backend(0)->until, 0); /* it made work: no waiting now */
    hand_turn(0);
    expect_notes("a");
    assert_int_equal(hand_backend(0)->until, RN_NEVER);
    assert_int_equal(idle.calls, 3);
    hand_close();
}

static void ignore(struct rn_op *op) { (void)op; }

/* After a completion it goes on looking for that long, then waits. */
static void it_looks_for_more_before_it_waits(void **state)
{
    (void)state;
    struct rn_op op = {.complete = ignore};
    hand_open((struct rn_runtime_options){.busy_poll_us = 50});
    rn_op_start(hand_worker(0), &op, RN_NEVER);
    hand_turn(0);
    assert_int_equal(hand_backend(0)->until, RN_NEVER); /* nothing has come yet */
    hand_put_done(hand_backend(0), (struct rn_completion){&op, NULL, 0, false});
    hand_turn(0);
    for (unsigned us = 0; us < 50; us += 7) {
        hand_turn(0);
        assert_int_equal(hand_backend(0)->until, 0);
        hand_backend(0)->now += 7000;
    }
    hand_turn(0);
    hand_turn(0);
    assert_int_equal(hand_backend(0)->until, RN_NEVER);
    hand_close();
}

static void it_does_not_wait_when_told_to_stop(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    hand_settle();
    hand_sleep(0);
    hand_sleep(1);
    rn_runtime_stop(hand.runtime);
    assert_int_equal(hand_backend(0)->wakes, 1);
    assert_int_equal(hand_backend(1)->wakes, 1);
    hand_turn(0);
    assert_int_equal(hand_backend(0)->until, 0);
    hand.runtime->stopping = 0;
    hand_close();
}

/* Between the worker's last look and its sleep: whoever comes then finds the flag up. */
static void a_post_rings_once(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct note a = NOTE('a'), b = NOTE('b');
    hand_settle();
    rn_worker_enter(NULL);
    rn_worker_post(hand_worker(0), &a.node); /* awake: it will look */
    assert_int_equal(hand_backend(0)->wakes, 0);
    hand_settle();
    hand_sleep(0);
    rn_worker_enter(NULL);
    rn_worker_post(hand_worker(0), &a.node);
    rn_worker_post(hand_worker(0), &b.node);
    assert_int_equal(hand_backend(0)->wakes, 1);
    hand_settle();
    expect_notes("aab");
    hand_close();
}

static void figures_are_exact(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.buffers = 32});
    struct rn_worker_figures figures;
    struct note op = NOTE('o'), timer = NOTE('t');
    struct rn_buf *buf = rn_pool_take(rn_worker_pool(hand_worker(0)));
    rn_op_start(hand_worker(0), &op.op, rn_worker_now(hand_worker(0)) + RN_SECOND);
    rn_timer_start(hand_worker(0), &timer.timer, rn_worker_now(hand_worker(0)) + RN_SECOND);
    hand_turn(0);
    hand_backend(0)->base.syscalls = 17;
    rn_worker_figures(hand_worker(0), &figures);
    assert_int_equal(figures.ops, 1);
    assert_int_equal(figures.timers, 2);
    assert_int_equal(figures.turns, 1);
    assert_int_equal(figures.syscalls, 17);
    assert_int_equal(figures.buffers, 1);
    assert_int_equal(figures.buffers_total, 32);
    assert_int_equal(figures.tasks, 0);
    assert_int_equal(figures.polls, 0);
    rn_timer_stop(hand_worker(0), &timer.timer);
    hand_complete(&op.op, 0);
    rn_pool_put(rn_worker_pool(hand_worker(0)), buf);
    rn_worker_figures(hand_worker(0), &figures);
    assert_int_equal(figures.ops + figures.timers + figures.buffers, 0);
    expect_notes("o");
    hand_close();
}

static void a_worker_knows_itself(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 3});
    int local;
    for (unsigned i = 0; i < 3; i++) {
        rn_worker_enter(hand_worker(i));
        assert_ptr_equal(rn_worker_current(), hand_worker(i));
        assert_int_equal(rn_worker_index(hand_worker(i)), i);
        assert_ptr_equal(rn_worker_runtime(hand_worker(i)), hand.runtime);
        assert_string_equal(rn_worker_backend_name(hand_worker(i)), "hand");
        assert_null(rn_worker_local(hand_worker(i)));
        rn_worker_set_local(hand_worker(i), &local);
        assert_ptr_equal(rn_worker_local(hand_worker(i)), &local);
    }
    /* A quarter of the buffers is for output alone. */
    assert_int_equal(rn_worker_pool(hand_worker(0))->reserve, 4);
    hand_close();
    assert_null(rn_worker_current());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_posted_runs_in_order),
        cmocka_unit_test(completions_come_before_timers),
        cmocka_unit_test(it_waits_for_the_next_timer),
        cmocka_unit_test(a_long_queue_is_cut),
        cmocka_unit_test(many_completions_are_all_handed_out),
        cmocka_unit_test(the_idle_hook_runs_before_it_waits),
        cmocka_unit_test(it_looks_for_more_before_it_waits),
        cmocka_unit_test(it_does_not_wait_when_told_to_stop),
        cmocka_unit_test(a_post_rings_once),
        cmocka_unit_test(figures_are_exact),
        cmocka_unit_test(a_worker_knows_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
