/*
 * How a stream driver comes to its end, in each of its phases: everything is given back, everything
 * in flight is waited for, the descriptor is closed once, and the last answer isn't cut off.
 */
#include "driver_bed.h"

static uint32_t used(void)
{
    return hand_worker(0)->pool.used;
}

/* ---- The machine's word ------------------------------------------------------------------ */

static void close_sends_shuts_and_waits_for_the_peer(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo last\nclose\necho never\n");
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "last\n");
    struct rn_op *op = bed_op(bed, RN_OP_SHUTDOWN);
    assert_non_null(op);
    assert_int_equal(op->arg.how, SHUT_WR);
    hand_complete(op, 0);
    assert_int_equal(used(), 0);
    for (int i = 0; i < 20; i++) { /* what still comes is read and dropped */
        bed_give(bed, "echo garbage\n");
        assert_int_equal(used(), 0);
    }
    assert_int_equal(bed->line.lines, 2);
    assert_null(bed_op(bed, RN_OP_CLOSE));
    bed_end(bed);
    bed_delete(bed, false);
}

static void the_peer_has_two_seconds(void **state)
{
    (void)state;
    for (int garbage = 0; garbage < 2; garbage++) {
        struct bed *bed = bed_new();
        bed_give(bed, "tick 500\nclose\n"); /* its own deadline counts no more */
        hand_complete(bed_op(bed, RN_OP_SHUTDOWN), 0);
        for (int i = 0; i < 19; i++) {
            hand_pass(RN_SECOND / 10);
            if (garbage) bed_give(bed, "x");
        }
        assert_null(bed_op(bed, RN_OP_CLOSE));
        hand_pass(RN_SECOND / 10 + 3 * RN_MILLISECOND);
        assert_int_equal(bed->line.ticks, 0);
        bed_delete(bed, false);
    }
}

/* All that can come in what order after the sending side is shut. */
static void the_end_of_the_peer_comes_at_any_time(void **state)
{
    (void)state;
    static const int64_t ends[] = {0, -RN_K_ECONNRESET};
    for (size_t i = 0; i < RN_COUNT(ends); i++) {
        for (int before = 0; before < 2; before++) {
            struct bed *bed = bed_new();
            bed_give(bed, "close\n");
            struct rn_op *shut = bed_op(bed, RN_OP_SHUTDOWN), *recv = bed_op(bed, RN_OP_RECV);
            hand_complete(before ? recv : shut, before ? ends[i] : 0);
            assert_null(bed_op(bed, RN_OP_CLOSE));
            hand_complete(before ? shut : recv, before ? -RN_K_ENOTCONN : ends[i]);
            bed_delete(bed, false);
        }
    }
}

static void a_receive_that_ends_while_lingering_is_started_again(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "close\n");
    hand_complete(bed_op(bed, RN_OP_SHUTDOWN), 0);
    bed_receive(bed, "abc", 3, false);
    hand_settle();
    assert_null(bed_op(bed, RN_OP_CLOSE));
    bed_give(bed, "def");
    bed_end(bed);
    bed_delete(bed, false);
}

/* Reading had stopped, or is about to: it must go on, or unread input turns into a reset that takes
 * the last answer along. */
static void lingering_reads_though_it_was_paused(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        struct bed *bed = bed_new();
        hand_backend(0)->keep_cancelled = keep;
        bed_give(bed, "echo x\npause\n");
        struct rn_op *recv = bed_op(bed, RN_OP_RECV);
        rn_stream_driver_shutdown(&bed->driver);
        hand_settle();
        bed_take_all(bed);
        bed_expect(bed, "x\nbye\n");
        assert_int_equal(bed->line.machine.flags, RN_MACHINE_PAUSE | RN_MACHINE_CLOSE);
        hand_complete(bed_op(bed, RN_OP_SHUTDOWN), 0);
        if (keep) hand_complete(recv, -RN_K_ECANCELED);
        assert_null(bed_op(bed, RN_OP_CLOSE));
        bed_give(bed, "dropped\n");
        bed_end(bed);
        bed_delete(bed, false);
    }
}

static void done_closes_at_once(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo last\ndone\n");
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "last\n");
    assert_null(bed_op(bed, RN_OP_SHUTDOWN));
    bed_delete(bed, false);
}

/* The peer did have more to send: closed at once, its kernel would see a reset. */
static void done_with_more_input_lingers(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "done\nmore\n");
    hand_complete(bed_op(bed, RN_OP_SHUTDOWN), 0);
    bed_end(bed);
    bed_delete(bed, false);
}

static void close_after_the_peers_end_does_not_wait(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed->line.ignore_eof = true;
    bed_give(bed, "slow\n");
    bed_end(bed);
    assert_int_equal(bed->line.eofs, 1);
    hand_pass(100 * RN_SECOND);
    assert_int_equal(hand_worker(0)->ops, 0);
    bed->line.answered = true;
    bed->line.machine.flags |= RN_MACHINE_CLOSE;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    bed_take_all(bed);
    bed_expect(bed, "slow\n");
    bed_delete(bed, false);
}

static void abort_drops_everything(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo dropped\nslice 10\n");
    bed_give(bed, "echo dropped\nabort\n");
    bed_take_all(bed);
    bed_expect(bed, "dropped\n0123456789");
    bed_delete(bed, true);
}

static void the_end_of_input_is_told_once(void **state)
{
    (void)state;
    for (int phase = 0; phase < 3; phase++) {
        struct bed *bed = bed_new();
        bed->line.ignore_eof = true;
        if (phase == 1) bed_give(bed, "echo a\n");           /* while sending */
        if (phase == 2) bed_give(bed, "echo incomplete");    /* in the middle */
        bed_end(bed);
        bed_take_all(bed);
        for (int i = 0; i < 3; i++) {
            rn_stream_driver_kick(&bed->driver);
            hand_settle();
        }
        assert_int_equal(bed->line.eofs, 1);
        assert_null(bed_op(bed, RN_OP_RECV));
        rn_stream_driver_shutdown(&bed->driver);
        hand_settle();
        bed_take_all(bed);
        bed_expect(bed, phase == 1 ? "a\nbye\n" : "bye\n");
        bed_delete(bed, false);
    }
}

/* ---- Errors ------------------------------------------------------------------------------ */

static void a_lost_connection_is_closed(void **state)
{
    (void)state;
    static const char *const inputs[] = {NULL, "echo a\n", "slice 10\n", "echo part", "pause\n"};
    for (size_t i = 0; i < RN_COUNT(inputs); i++) {
        struct bed *bed = bed_new();
        hand_backend(0)->keep_cancelled = true;
        if (inputs[i]) bed_give(bed, inputs[i]);
        struct rn_op *send = bed_send_op(bed);
        hand_complete(bed_op(bed, RN_OP_RECV), -RN_K_ECONNRESET);
        if (send) {
            assert_null(bed_op(bed, RN_OP_CLOSE)); /* not under an op */
            hand_complete(send, -RN_K_EPIPE);
        }
        bed_delete(bed, false);
    }
}

static void a_send_that_fails_closes(void **state)
{
    (void)state;
    static const char *const inputs[] = {"echo a\n", "slice 10\n", "echo h\nslice 10\n"};
    for (size_t i = 0; i < RN_COUNT(inputs); i++) {
        struct bed *bed = bed_new();
        bed_give(bed, inputs[i]);
        bed_give(bed, "echo more\n");
        hand_complete(bed_send_op(bed), -RN_K_EPIPE);
        bed_delete(bed, false);
    }
}

/* ---- From outside, in each phase --------------------------------------------------------- */

struct hoard {
    struct rn_buf *bufs[64];
    unsigned count;
};

static void hoard_buffers(struct hoard *hoard)
{
    hoard->count = 0;
    while ((hoard->bufs[hoard->count] = rn_pool_take_reserved(&hand_worker(0)->pool)))
        hoard->count++;
}

static void give_back(struct hoard *hoard)
{
    while (hoard->count) rn_pool_put(&hand_worker(0)->pool, hoard->bufs[--hoard->count]);
    hand_settle();
}

enum phase {
    IDLE,
    PARTIAL,  /* holds the first part of a line */
    SENDING,
    TAIL,     /* sends a slice */
    BACKLOG,  /* has stopped reading for too much input */
    STOPPING, /* is about to: the receive is being cancelled */
    PAUSED,
    KICKED,
    STARVED,  /* waits for a buffer */
    SHUTTING, /* its sending side */
    LINGERING,
    AT_EOF,
    PHASES
};

static struct bed *bed_in_phase(enum phase phase, struct hoard *hoard)
{
    struct bed *bed = bed_new();
    hoard->count = 0;
    bed->line.ignore_eof = true;
    hand_backend(0)->keep_cancelled = phase == STOPPING;
    switch (phase) {
    case IDLE: break;
    case PARTIAL: bed_give(bed, "echo par"); break;
    case SENDING: bed_give(bed, "echo text\n"); break;
    case TAIL: bed_give(bed, "echo text\nslice 100\n"); break;
    case BACKLOG:
    case STOPPING:
        bed_give(bed, "slice 10\n");
        for (int i = 0; i < 4; i++) bed_give(bed, "echo x\n");
        assert_int_equal(bed_op(bed, RN_OP_RECV) != NULL, phase == STOPPING);
        break;
    case PAUSED: bed_give(bed, "pause\necho x\n"); break;
    case KICKED: /* and with nothing in flight */
        bed_give(bed, "pause\n");
        rn_stream_driver_kick(&bed->driver);
        break;
    case STARVED:
        bed_receive(bed, "echo x\n", 7, true);
        hoard_buffers(hoard);
        hand_settle();
        assert_true(bed->driver.recv.arg.wait.waiting);
        break;
    case SHUTTING: bed_give(bed, "close\n"); break;
    case LINGERING:
        bed_give(bed, "close\n");
        hand_complete(bed_op(bed, RN_OP_SHUTDOWN), 0);
        break;
    case AT_EOF: bed_end(bed); break;
    case PHASES: break;
    }
    return bed;
}

/* Completes what was cancelled and kept, one after the other, each with a result of its kind. */
static void let_go(struct bed *bed, bool late_results)
{
    struct rn_op *op;
    assert_null(bed_op(bed, RN_OP_CLOSE));
    while (hand_backend(0)->started_count && !bed_op(bed, RN_OP_CLOSE)) {
        op = hand_backend(0)->started[0];
        assert_int_equal(bed->closed, 0);
        if (!late_results) {
            hand_complete(op, -RN_K_ECANCELED);
        } else if (op->code == RN_OP_RECV) {
            bed_receive(bed, "late", 4, true);
            hand_complete(op, 0);
        } else if (op->code == RN_OP_SHUTDOWN) {
            hand_complete(op, 0);
        } else {
            hand_complete(op, (int64_t)bed_collect(bed, op));
        }
    }
}

static void abort_in_every_phase(void **state)
{
    (void)state;
    for (enum phase phase = 0; phase < PHASES; phase++) {
        for (int hard = 0; hard < 3; hard++) {
            struct hoard hoard;
            struct bed *bed = bed_in_phase(phase, &hoard);
            hand_backend(0)->keep_cancelled |= hard > 0; /* the kernel takes its time */
            rn_stream_driver_abort(&bed->driver);
            rn_stream_driver_abort(&bed->driver);
            rn_stream_driver_kick(&bed->driver);
            rn_stream_driver_shutdown(&bed->driver);
            assert_int_equal(bed->closed, 0); /* not from inside the call */
            if (phase == KICKED) assert_null(bed_op(bed, RN_OP_CLOSE)); /* it is in a queue yet */
            if (hoard.count) give_back(&hoard);
            hand_settle();
            if (!bed_op(bed, RN_OP_CLOSE)) let_go(bed, hard == 2);
            assert_int_equal(used(), 0);
            assert_int_equal(bed->line.shutdowns, 0);
            bed_delete(bed, true);
        }
    }
}

static void shutdown_in_every_phase(void **state)
{
    (void)state;
    for (enum phase phase = 0; phase < PHASES; phase++) {
        struct hoard hoard;
        struct bed *bed = bed_in_phase(phase, &hoard);
        struct rn_op *kept = phase == STOPPING ? bed_op(bed, RN_OP_RECV) : NULL;
        bool over = phase == SHUTTING || phase == LINGERING;
        rn_stream_driver_shutdown(&bed->driver);
        rn_stream_driver_shutdown(&bed->driver);
        assert_int_equal(bed->line.shutdowns, 0); /* at the next turn */
        hand_settle();
        if (hoard.count) give_back(&hoard);
        bed_take_all(bed);
        assert_int_equal(bed->line.shutdowns, !over);
        bed->sent[bed->sent_len] = 0;
        if (!over) assert_string_equal(bed->sent + bed->sent_len - 4, "bye\n");
        if (phase != AT_EOF) {
            if (phase != LINGERING) hand_complete(bed_op(bed, RN_OP_SHUTDOWN), 0);
            if (kept) hand_complete(kept, -RN_K_ECANCELED);
            bed_give(bed, "too late\n");
            bed_end(bed);
        }
        bed_delete(bed, false);
    }
}

static void the_peer_is_lost_in_every_phase(void **state)
{
    (void)state;
    for (enum phase phase = 0; phase < PHASES; phase++) {
        struct hoard hoard;
        struct bed *bed = bed_in_phase(phase, &hoard);
        struct rn_op *recv = bed_op(bed, RN_OP_RECV), *send = bed_send_op(bed);
        struct rn_op *shut = bed_op(bed, RN_OP_SHUTDOWN);
        bool reading = recv != NULL;
        hand_backend(0)->keep_cancelled = true;
        if (recv) hand_complete(recv, -RN_K_ECONNRESET);
        if (send) hand_complete(send, -RN_K_ECONNRESET);
        if (shut) hand_complete(shut, -RN_K_ENOTCONN);
        if (hoard.count) give_back(&hoard);
        if (!reading && !send) { /* nobody listens: it shows later */
            assert_true(phase == PAUSED || phase == KICKED || phase == AT_EOF);
            rn_stream_driver_shutdown(&bed->driver);
            hand_settle();
            hand_complete(bed_send_op(bed), -RN_K_EPIPE);
        }
        assert_int_equal(used(), 0);
        bed_delete(bed, false);
    }
}

static void the_worker_is_free_when_all_have_ended(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    static struct bed beds[COUNT];
    struct bed *first = bed_new();
    for (unsigned i = 0; i < COUNT; i++) bed_start(&beds[i]);
    for (unsigned i = 0; i < COUNT; i++) bed_give(&beds[i], i & 1 ? "echo a\n" : "tick 100\n");
    for (unsigned i = 0; i < COUNT; i++) rn_stream_driver_abort(&beds[i].driver);
    hand_settle();
    for (unsigned i = 0; i < COUNT; i++) bed_close(&beds[i], true);
    bed_end(first);
    bed_delete(first, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_sends_shuts_and_waits_for_the_peer),
        cmocka_unit_test(the_peer_has_two_seconds),
        cmocka_unit_test(the_end_of_the_peer_comes_at_any_time),
        cmocka_unit_test(a_receive_that_ends_while_lingering_is_started_again),
        cmocka_unit_test(lingering_reads_though_it_was_paused),
        cmocka_unit_test(done_closes_at_once),
        cmocka_unit_test(done_with_more_input_lingers),
        cmocka_unit_test(close_after_the_peers_end_does_not_wait),
        cmocka_unit_test(abort_drops_everything),
        cmocka_unit_test(the_end_of_input_is_told_once),
        cmocka_unit_test(a_lost_connection_is_closed),
        cmocka_unit_test(a_send_that_fails_closes),
        cmocka_unit_test(abort_in_every_phase),
        cmocka_unit_test(shutdown_in_every_phase),
        cmocka_unit_test(the_peer_is_lost_in_every_phase),
        cmocka_unit_test(the_worker_is_free_when_all_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
