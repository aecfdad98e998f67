/*
 * Listeners: by hand for what they do when, and on each backend for what comes of it.
 */
#include "by_hand.h"
#include "net_bed.h"

#include <sys/resource.h>

enum { FDS_MAX = 256 };

struct bed {
    struct rn_listener listener;
    int fds[FDS_MAX];
    unsigned count;
    unsigned stopped;
    void (*then)(struct rn_listener *listener); /* from within accepted */
    bool enough;
    unsigned goal;
    bool over;
};

static void on_accepted(struct rn_listener *listener, int fd)
{
    struct bed *bed = rn_container_of(listener, struct bed, listener);
    assert_int_equal(bed->stopped, 0);
    assert_true(bed->count < FDS_MAX);
    bed->fds[bed->count++] = fd;
    bed->enough = bed->count >= bed->goal;
    if (bed->then) bed->then(listener);
}

static void on_stopped(struct rn_listener *listener)
{
    struct bed *bed = rn_container_of(listener, struct bed, listener);
    bed->stopped++;
    bed->over = true;
    memset(listener, 0xee, sizeof *listener); /* it is ours again */
}

/* ---- By hand ----------------------------------------------------------------------------- */

static void start_by_hand(struct bed *bed)
{
    hand_open((struct rn_runtime_options){0});
    *bed = (struct bed){.listener = {.worker = hand_worker(0), .fd = 900,
                                     .accepted = on_accepted, .stopped = on_stopped}};
    rn_listener_start(&bed->listener);
    hand_settle();
    assert_int_equal(hand_op(RN_OP_ACCEPT)->fd, 900);
    assert_true(hand_op(RN_OP_ACCEPT)->flags & RN_OP_MULTISHOT);
}

static void arrive(int64_t result, bool more)
{
    struct rn_op *op = hand_op(RN_OP_ACCEPT);
    hand_put_done(hand_backend(0), (struct rn_completion){op, NULL, result, more});
    hand_settle();
}

static void end_by_hand(struct bed *bed)
{
    assert_int_equal(bed->stopped, 0);
    assert_int_equal(hand_op(RN_OP_CLOSE)->fd, 900);
    assert_false(hand_has(RN_OP_ACCEPT));
    hand_complete(hand_op(RN_OP_CLOSE), 0);
    assert_int_equal(bed->stopped, 1);
    hand_pass(10 * RN_SECOND);
    hand_close();
}

static void stop_by_hand(struct bed *bed)
{
    rn_listener_stop(&bed->listener);
    rn_listener_stop(&bed->listener);
    hand_settle();
    end_by_hand(bed);
}

static void it_accepts_one_after_the_other(void **state)
{
    (void)state;
    struct bed bed;
    start_by_hand(&bed);
    for (int i = 0; i < 10; i++) arrive(1000 + i, i % 3 != 2); /* the op may end each time */
    assert_int_equal(bed.count, 10);
    for (int i = 0; i < 10; i++) assert_int_equal(bed.fds[i], 1000 + i);
    assert_true(hand_has(RN_OP_ACCEPT));
    assert_int_equal(bed.listener.failures, 0);
    stop_by_hand(&bed);
}

static void out_of_descriptors_it_tries_ten_times_a_second(void **state)
{
    (void)state;
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    struct bed bed;
    start_by_hand(&bed);
    for (unsigned i = 0; i < RN_COUNT(errors); i++) {
        arrive(-errors[i], false);
        assert_int_equal(bed.listener.failures, i + 1);
        assert_false(hand_has(RN_OP_ACCEPT));
        hand_pass(99 * RN_MILLISECOND);
        assert_false(hand_has(RN_OP_ACCEPT));
        hand_pass(3 * RN_MILLISECOND);
        assert_true(hand_has(RN_OP_ACCEPT));
    }
    arrive(1000, true);
    assert_int_equal(bed.count, 1);
    hand_pass(10 * RN_SECOND); /* it is over and forgotten */
    assert_int_equal(hand_backend(0)->cancels, 0);
    stop_by_hand(&bed);
}

static void resume_ends_the_wait(void **state)
{
    (void)state;
    struct bed bed;
    start_by_hand(&bed);
    arrive(-EMFILE, false);
    rn_listener_resume(&bed.listener);
    hand_settle();
    assert_true(hand_has(RN_OP_ACCEPT));
    assert_int_equal(hand_worker(0)->wheel.running, 0);
    rn_listener_resume(&bed.listener); /* with nothing to resume */
    hand_settle();
    stop_by_hand(&bed);
}

static void a_paused_one_accepts_nothing(void **state)
{
    (void)state;
    struct bed bed;
    start_by_hand(&bed);
    rn_listener_pause(&bed.listener);
    rn_listener_pause(&bed.listener);
    hand_settle();
    assert_false(hand_has(RN_OP_ACCEPT));
    hand_pass(10 * RN_SECOND);
    assert_false(hand_has(RN_OP_ACCEPT));
    rn_listener_resume(&bed.listener);
    hand_settle();
    for (int i = 0; i < 3; i++) { /* one at a time from now on: the last is really the last */
        assert_false(hand_op(RN_OP_ACCEPT)->flags & RN_OP_MULTISHOT);
        arrive(1000 + i, false);
    }
    assert_int_equal(bed.count, 3);
    assert_int_equal(bed.listener.failures, 0);
    stop_by_hand(&bed);
}

/* What was accepted before the cancellation was through is handed out: nothing may be lost. */
static void a_few_may_still_come_after_a_pause(void **state)
{
    (void)state;
    for (int resume = 0; resume < 2; resume++) {
        struct bed bed;
        start_by_hand(&bed);
        hand_backend(0)->keep_cancelled = true;
        rn_listener_pause(&bed.listener);
        arrive(1000, true);
        assert_int_equal(bed.count, 1);
        if (resume) rn_listener_resume(&bed.listener); /* before it has even paused */
        arrive(-ECANCELED, false);
        assert_int_equal(hand_has(RN_OP_ACCEPT), resume);
        hand_backend(0)->keep_cancelled = false;
        stop_by_hand(&bed);
    }
}

static void a_pause_outlasts_a_failure(void **state)
{
    (void)state;
    for (int paused_first = 0; paused_first < 2; paused_first++) {
        struct bed bed;
        start_by_hand(&bed);
        hand_backend(0)->keep_cancelled = true;
        if (paused_first) rn_listener_pause(&bed.listener);
        arrive(-EMFILE, false);
        if (!paused_first) rn_listener_pause(&bed.listener);
        hand_pass(10 * RN_SECOND);
        assert_false(hand_has(RN_OP_ACCEPT));
        rn_listener_resume(&bed.listener);
        hand_settle();
        assert_true(hand_has(RN_OP_ACCEPT));
        hand_backend(0)->keep_cancelled = false;
        stop_by_hand(&bed);
    }
}

static void stop_by_itself(struct rn_listener *listener)
{
    rn_listener_stop(listener);
}

static void pause_by_itself(struct rn_listener *listener)
{
    rn_listener_pause(listener);
}

static void resume_by_itself(struct rn_listener *listener)
{
    rn_listener_resume(listener);
}

static void it_may_be_told_from_within_accepted(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct bed bed;
        start_by_hand(&bed);
        bed.then = resume_by_itself;
        arrive(1000, more);
        assert_true(hand_has(RN_OP_ACCEPT));
        bed.then = pause_by_itself;
        arrive(1001, more);
        assert_false(hand_has(RN_OP_ACCEPT));
        rn_listener_resume(&bed.listener);
        hand_settle();
        bed.then = stop_by_itself;
        arrive(1002, more);
        assert_int_equal(bed.count, 3);
        end_by_hand(&bed);
    }
}

static void it_stops_in_every_phase(void **state)
{
    (void)state;
    for (int phase = 0; phase < 5; phase++) {
        struct bed bed;
        start_by_hand(&bed);
        if (phase == 1) rn_listener_pause(&bed.listener); /* in the middle of it */
        if (phase == 2) {
            rn_listener_pause(&bed.listener);
            hand_settle();
        }
        if (phase == 3) arrive(-EMFILE, false);
        if (phase == 4) {
            /* One that was accepted at the last moment is handed on like any other. */
            hand_backend(0)->keep_cancelled = true;
            rn_listener_stop(&bed.listener);
            rn_listener_pause(&bed.listener);
            rn_listener_resume(&bed.listener);
            arrive(1000, true);
            assert_int_equal(bed.fds[0], 1000);
            arrive(-ECANCELED, false);
        }
        stop_by_hand(&bed);
        assert_int_equal(bed.count, phase == 4);
    }
}

/* ---- For real ---------------------------------------------------------------------------- */

static struct rn_address address;

static void open_for_real(struct bed *bed)
{
    const struct rn_listen_options options = {.backlog = 512};
    assert_int_equal(rn_address_parse(&address, "127.0.0.1:0", 0), 0);
    int fd = rn_listen(&address, &options);
    assert_true(fd >= 0);
    assert_int_equal(rn_local_address(fd, &address), 0);
    *bed = (struct bed){.listener = {.worker = net_worker, .fd = fd, .accepted = on_accepted,
                                     .stopped = on_stopped}};
}

static void start_for_real(struct bed *bed)
{
    open_for_real(bed);
    rn_listener_start(&bed->listener);
    net_turn_quickly();
}

static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const void *)address.bytes, address.len), 0);
    return fd;
}

static void accept_until(struct bed *bed, unsigned goal)
{
    bed->goal = goal;
    bed->enough = bed->count >= goal;
    net_until(&bed->enough);
    assert_int_equal(bed->count, goal);
}

static void close_accepted(struct bed *bed)
{
    while (bed->count) close(bed->fds[--bed->count]);
}

static void stop_for_real(struct bed *bed)
{
    int fd = bed->listener.fd;
    rn_listener_stop(&bed->listener);
    net_until(&bed->over);
    assert_int_equal(bed->stopped, 1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void accepts_many(void)
{
    struct bed bed;
    int clients[200];
    start_for_real(&bed);
    for (unsigned i = 0; i < 200; i++) {
        clients[i] = connect_one();
        if (i % 20 == 0) accept_until(&bed, i + 1);
    }
    accept_until(&bed, 200);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(fcntl(bed.fds[i], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(bed.fds[i], F_GETFD) & FD_CLOEXEC);
        close(clients[i]);
    }
    close_accepted(&bed);
    stop_for_real(&bed);
}

static void connections_are_accepted(void **state)
{
    (void)state;
    net_each(accepts_many);
}

static void pauses(void)
{
    struct bed bed;
    start_for_real(&bed);
    int first = connect_one();
    accept_until(&bed, 1);
    rn_listener_pause(&bed.listener);
    while (rn_op_inflight(&bed.listener.op)) net_turn_quickly();
    int second = connect_one(); /* into the backlog */
    for (int i = 0; i < 50; i++) net_turn_quickly();
    assert_int_equal(bed.count, 1);
    rn_listener_resume(&bed.listener);
    accept_until(&bed, 2);
    close_accepted(&bed);
    close(first);
    close(second);
    stop_for_real(&bed);
}

static void a_pause_leaves_connections_in_the_backlog(void **state)
{
    (void)state;
    net_each(pauses);
}

/* Until the listener has met the limit three times: with waits in between, it takes the worker few
 * turns and calls, where one that spins would need thousands. */
static void runs_out(void)
{
    struct bed bed;
    struct rlimit limit, low;
    int clients[3];
    open_for_real(&bed);
    for (unsigned i = 0; i < 3; i++) clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)next + 1; /* room for one more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(connect(clients[i], (const void *)address.bytes, address.len), 0);
    rn_listener_start(&bed.listener); /* now: an accept under way would go by the limit it met */
    uint64_t turns = net_worker->turns, calls = net_worker->backend->syscalls;
    while (bed.listener.failures < 3) assert_int_equal(rn_worker_turn(net_worker), 0);
    turns = net_worker->turns - turns;
    calls = net_worker->backend->syscalls - calls;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(bed.count, 1);
    assert_true(turns < 200 && calls < 400);
    accept_until(&bed, 3); /* nobody had to restart anything */
    for (unsigned i = 0; i < 3; i++) close(clients[i]);
    close_accepted(&bed);
    stop_for_real(&bed);
}

static void out_of_descriptors_it_does_not_spin(void **state)
{
    (void)state;
    net_each(runs_out);
}

static void stops(void)
{
    struct bed bed;
    start_for_real(&bed);
    stop_for_real(&bed);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const void *)address.bytes, address.len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

static void a_stopped_one_refuses(void **state)
{
    (void)state;
    net_each(stops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_accepts_one_after_the_other),
        cmocka_unit_test(out_of_descriptors_it_tries_ten_times_a_second),
        cmocka_unit_test(resume_ends_the_wait),
        cmocka_unit_test(a_paused_one_accepts_nothing),
        cmocka_unit_test(a_few_may_still_come_after_a_pause),
        cmocka_unit_test(a_pause_outlasts_a_failure),
        cmocka_unit_test(it_may_be_told_from_within_accepted),
        cmocka_unit_test(it_stops_in_every_phase),
        cmocka_unit_test(connections_are_accepted),
        cmocka_unit_test(a_pause_leaves_connections_in_the_backlog),
        cmocka_unit_test(out_of_descriptors_it_does_not_spin),
        cmocka_unit_test(a_stopped_one_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
