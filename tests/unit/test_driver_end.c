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
    wire_give(&bed->wire, "echo last\nclose\necho never\n");
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "last\n");
    struct rn_op *op = wire_op(&bed->wire, RN_OP_SHUTDOWN);
    assert_non_null(op);
    assert_int_equal(op->arg.how, SHUT_WR);
    hand_complete(op, 0);
    assert_int_equal(used(), 0);
    for (int i = 0; i < 20; i++) { /* what still comes is read and dropped */
        wire_give(&bed->wire, "echo garbage\n");
        assert_int_equal(used(), 0);
    }
    assert_int_equal(bed->line.lines, 2);
    assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void the_peer_has_two_seconds(void **state)
{
    (void)state;
    for (int garbage = 0; garbage < 2; garbage++) {
        struct bed *bed = bed_new();
        wire_give(&bed->wire, "tick 500\nclose\n"); /* its own deadline counts no more */
        hand_complete(wire_op(&bed->wire, RN_OP_SHUTDOWN), 0);
        for (int i = 0; i < 19; i++) {
            hand_pass(RN_SECOND / 10);
            if (garbage) wire_give(&bed->wire, "x");
        }
        assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
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
            wire_give(&bed->wire, "close\n");
            struct rn_op *shut = wire_op(&bed->wire, RN_OP_SHUTDOWN);
            struct rn_op *recv = wire_op(&bed->wire, RN_OP_RECV);
            hand_complete(before ? recv : shut, before ? ends[i] : 0);
            assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
            hand_complete(before ? shut : recv, before ? -RN_K_ENOTCONN : ends[i]);
            bed_delete(bed, false);
        }
    }
}

static void a_receive_that_ends_while_lingering_is_started_again(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "close\n");
    hand_complete(wire_op(&bed->wire, RN_OP_SHUTDOWN), 0);
    wire_receive(&bed->wire, "abc", 3, false);
    hand_settle();
    assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
    wire_give(&bed->wire, "def");
    wire_end(&bed->wire);
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
        wire_give(&bed->wire, "echo x\npause\n");
        struct rn_op *recv = wire_op(&bed->wire, RN_OP_RECV);
        rn_stream_driver_shutdown(&bed->driver);
        hand_settle();
        wire_take_all(&bed->wire);
        wire_expect(&bed->wire, "x\nbye\n");
        assert_int_equal(bed->line.machine.flags, RN_MACHINE_PAUSE | RN_MACHINE_CLOSE);
        hand_complete(wire_op(&bed->wire, RN_OP_SHUTDOWN), 0);
        if (keep) hand_complete(recv, -RN_K_ECANCELED);
        assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
        wire_give(&bed->wire, "dropped\n");
        wire_end(&bed->wire);
        bed_delete(bed, false);
    }
}

static void done_closes_at_once(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo last\ndone\n");
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "last\n");
    assert_null(wire_op(&bed->wire, RN_OP_SHUTDOWN));
    bed_delete(bed, false);
}

/* The peer did have more to send: closed at once, its kernel would see a reset. */
static void done_with_more_input_lingers(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "done\nmore\n");
    hand_complete(wire_op(&bed->wire, RN_OP_SHUTDOWN), 0);
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void close_after_the_peers_end_does_not_wait(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed->line.ignore_eof = true;
    wire_give(&bed->wire, "slow\n");
    wire_end(&bed->wire);
    assert_int_equal(bed->line.eofs, 1);
    hand_pass(100 * RN_SECOND);
    assert_int_equal(hand_worker(0)->ops, 0);
    bed->line.answered = true;
    bed->line.machine.flags |= RN_MACHINE_CLOSE;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "slow\n");
    bed_delete(bed, false);
}

static void abort_drops_everything(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo dropped\nslice 10\n");
    wire_give(&bed->wire, "echo dropped\nabort\n");
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "dropped\n0123456789");
    bed_delete(bed, true);
}

static void the_end_of_input_is_told_once(void **state)
{
    (void)state;
    for (int phase = 0; phase < 3; phase++) {
        struct bed *bed = bed_new();
        bed->line.ignore_eof = true;
        if (phase == 1) wire_give(&bed->wire, "echo a\n");           /* while sending */
        if (phase == 2) wire_give(&bed->wire, "echo incomplete");    /* in the middle */
        wire_end(&bed->wire);
        wire_take_all(&bed->wire);
        for (int i = 0; i < 3; i++) {
            rn_stream_driver_kick(&bed->driver);
            hand_settle();
        }
        assert_int_equal(bed->line.eofs, 1);
        assert_null(wire_op(&bed->wire, RN_OP_RECV));
        rn_stream_driver_shutdown(&bed->driver);
        hand_settle();
        wire_take_all(&bed->wire);
        wire_expect(&bed->wire, phase == 1 ? "a\nbye\n" : "bye\n");
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
        if (inputs[i]) wire_give(&bed->wire, inputs[i]);
        struct rn_op *send = wire_send_op(&bed->wire);
        hand_complete(wire_op(&bed->wire, RN_OP_RECV), -RN_K_ECONNRESET);
        if (send) {
            assert_null(wire_op(&bed->wire, RN_OP_CLOSE)); /* not under an op */
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
        wire_give(&bed->wire, inputs[i]);
        wire_give(&bed->wire, "echo more\n");
        hand_complete(wire_send_op(&bed->wire), -RN_K_EPIPE);
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
    case PARTIAL: wire_give(&bed->wire, "echo par"); break;
    case SENDING: wire_give(&bed->wire, "echo text\n"); break;
    case TAIL: wire_give(&bed->wire, "echo text\nslice 100\n"); break;
    case BACKLOG:
    case STOPPING:
        wire_give(&bed->wire, "slice 10\n");
        for (int i = 0; i < 4; i++) wire_give(&bed->wire, "echo x\n");
        assert_int_equal(wire_op(&bed->wire, RN_OP_RECV) != NULL, phase == STOPPING);
        break;
    case PAUSED: wire_give(&bed->wire, "pause\necho x\n"); break;
    case KICKED: /* and with nothing in flight */
        wire_give(&bed->wire, "pause\n");
        rn_stream_driver_kick(&bed->driver);
        break;
    case STARVED:
        wire_receive(&bed->wire, "echo x\n", 7, true);
        hoard_buffers(hoard);
        hand_settle();
        assert_true(bed->driver.recv.arg.wait.waiting);
        break;
    case SHUTTING: wire_give(&bed->wire, "close\n"); break;
    case LINGERING:
        wire_give(&bed->wire, "close\n");
        hand_complete(wire_op(&bed->wire, RN_OP_SHUTDOWN), 0);
        break;
    case AT_EOF: wire_end(&bed->wire); break;
    case PHASES: break;
    }
    return bed;
}

/* Completes what was cancelled and kept, one after the other, each with a result of its kind. */
static void let_go(struct bed *bed, bool late_results)
{
    struct rn_op *op;
    assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
    while (hand_backend(0)->started_count && !wire_op(&bed->wire, RN_OP_CLOSE)) {
        op = hand_backend(0)->started[0];
        assert_int_equal(bed->closed, 0);
        if (!late_results) {
            hand_complete(op, -RN_K_ECANCELED);
        } else if (op->code == RN_OP_RECV) {
            wire_receive(&bed->wire, "late", 4, true);
            hand_complete(op, 0);
        } else if (op->code == RN_OP_SHUTDOWN) {
            hand_complete(op, 0);
        } else {
            hand_complete(op, (int64_t)wire_collect(&bed->wire, op));
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
            /* it is in a queue yet */
            if (phase == KICKED) assert_null(wire_op(&bed->wire, RN_OP_CLOSE));
            if (hoard.count) give_back(&hoard);
            hand_settle();
            if (!wire_op(&bed->wire, RN_OP_CLOSE)) let_go(bed, hard == 2);
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
        struct rn_op *kept = phase == STOPPING ? wire_op(&bed->wire, RN_OP_RECV) : NULL;
        bool over = phase == SHUTTING || phase == LINGERING;
        rn_stream_driver_shutdown(&bed->driver);
        rn_stream_driver_shutdown(&bed->driver);
        assert_int_equal(bed->line.shutdowns, 0); /* at the next turn */
        hand_settle();
        if (hoard.count) give_back(&hoard);
        wire_take_all(&bed->wire);
        assert_int_equal(bed->line.shutdowns, !over);
        bed->wire.sent[bed->wire.sent_len] = 0;
        if (!over) assert_string_equal(bed->wire.sent + bed->wire.sent_len - 4, "bye\n");
        if (phase != AT_EOF) {
            if (phase != LINGERING) hand_complete(wire_op(&bed->wire, RN_OP_SHUTDOWN), 0);
            if (kept) hand_complete(kept, -RN_K_ECANCELED);
            wire_give(&bed->wire, "too late\n");
            wire_end(&bed->wire);
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
        struct rn_op *recv = wire_op(&bed->wire, RN_OP_RECV), *send = wire_send_op(&bed->wire);
        struct rn_op *shut = wire_op(&bed->wire, RN_OP_SHUTDOWN);
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
            hand_complete(wire_send_op(&bed->wire), -RN_K_EPIPE);
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
    for (unsigned i = 0; i < COUNT; i++)
        wire_give(&beds[i].wire, i & 1 ? "echo a\n" : "tick 100\n");
    for (unsigned i = 0; i < COUNT; i++) rn_stream_driver_abort(&beds[i].driver);
    hand_settle();
    for (unsigned i = 0; i < COUNT; i++) bed_close(&beds[i], true);
    wire_end(&first->wire);
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
