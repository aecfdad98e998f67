/*
 * The stream driver by hand: what it asks of the kernel and of its machine, and when.
 */
#include "driver_bed.h"
#include "line_script.h"

static uint32_t used(void)
{
    return hand_worker(0)->pool.used;
}

/* ---- Input and output -------------------------------------------------------------------- */

static void an_idle_connection_owns_no_buffer(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    assert_non_null(wire_op(&bed->wire, RN_OP_RECV));
    assert_int_equal(hand_worker(0)->ops, 1);
    assert_int_equal(used(), 0);
    wire_give(&bed->wire, "echo hello\n");
    assert_int_equal(used(), 1); /* what is being sent */
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "hello\n");
    assert_int_equal(used(), 0);
    assert_int_equal(hand_worker(0)->ops, 1);
    assert_int_equal(bed->traffic.bytes_in, 11);
    assert_int_equal(bed->traffic.bytes_out, 6);
    rn_stream_driver_abort(&bed->driver);
    hand_settle();
    bed_delete(bed, true);
}

static void the_answers_to_one_read_leave_in_one_send(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo a\necho bc\necho \necho def\n");
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "a\nbc\n\ndef\n");
    assert_null(wire_send_op(&bed->wire));
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void input_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = "echo abc\necho \necho defghi\n";
    enum { LEN = sizeof text - 1 };
    for (size_t a = 1; a < LEN; a++) {
        for (size_t b = a; b < LEN; b++) {
            struct bed *bed = bed_new();
            wire_give_bytes(&bed->wire, text, a);
            if (b > a) wire_give_bytes(&bed->wire, text + a, b - a);
            wire_give_bytes(&bed->wire, text + b, LEN - b);
            wire_take_all(&bed->wire);
            wire_expect(&bed->wire, "abc\n\ndefghi\n");
            assert_int_equal(used(), 0);
            assert_int_equal(bed->traffic.bytes_in, LEN);
            wire_end(&bed->wire);
            bed_delete(bed, false);
        }
    }
}

static void a_line_that_trickles_takes_two_buffers_at_most(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    char text[300], *at = text;
    at += sprintf(at, "echo ");
    for (int i = 0; i < 200; i++) *at++ = (char)('a' + i % 26);
    *at++ = '\n';
    for (char *byte = text; byte < at; byte++) {
        wire_give_bytes(&bed->wire, byte, 1);
        assert_true(used() <= 2);
    }
    assert_int_equal(bed->line.longest, at - text);
    wire_take(&bed->wire, RN_OP_SEND);
    *at = 0;
    wire_expect(&bed->wire, text + 5);
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

/* Lines across the ends of full buffers: the rest of one is moved, and the next joined to it. */
static void lines_go_on_in_the_next_buffer(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    static char input[16000], expected[16000];
    size_t in = 0, out = 0;
    for (int i = 0; in < sizeof input - 100; i++) {
        int width = 1 + i * 7 % 60;
        in += (size_t)sprintf(input + in, "echo %0*d\n", width, i);
        out += (size_t)sprintf(expected + out, "%0*d\n", width, i);
    }
    for (size_t at = 0; at < in;) {
        size_t len = hand_worker(0)->pool.cap;
        if (len > in - at) len = in - at;
        wire_give_bytes(&bed->wire, input + at, len);
        wire_take_all(&bed->wire);
        at += len;
    }
    wire_expect(&bed->wire, expected);
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void what_does_not_fit_follows(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 2048, 5000, 100000};
    for (size_t i = 0; i < RN_COUNT(sizes); i++) {
        struct bed *bed = bed_new();
        char text[64];
        sprintf(text, "copy %zu\necho end\n", sizes[i]);
        wire_give(&bed->wire, text);
        wire_take_all(&bed->wire);
        assert_memory_equal(bed->wire.sent + sizes[i], "end\n", 4);
        bed->wire.sent_len -= 4;
        bed_expect_pattern(bed, 0, sizes[i]);
        assert_int_equal(used(), 0);
        wire_end(&bed->wire);
        bed_delete(bed, false);
    }
}

static void input_waits_while_output_is_on_its_way(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo 1\n");
    unsigned given = 1, calls = bed->line.calls;
    /* A peer that asks and never reads: at some point it is not read either. */
    while (wire_op(&bed->wire, RN_OP_RECV)) {
        assert_true(++given < 10);
        wire_give(&bed->wire, "echo 2\n");
    }
    assert_int_equal(bed->line.calls, calls); /* the machine is drained before it gets input */
    assert_true(used() < 10);
    hand_settle();
    assert_null(wire_op(&bed->wire, RN_OP_RECV));
    wire_take(&bed->wire, RN_OP_SEND);
    assert_non_null(wire_op(&bed->wire, RN_OP_RECV));
    wire_take(&bed->wire, RN_OP_SEND);
    assert_null(wire_send_op(&bed->wire));
    assert_int_equal(bed->wire.sent_len, 2 * given);
    assert_int_equal(bed->line.lines, given);
    assert_int_equal(used(), 0);
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

/* Results that were there already when the receive was cancelled, to stop reading. */
static void nothing_is_lost_when_reading_stops(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    hand_backend(0)->keep_cancelled = true;
    wire_give(&bed->wire, "echo 1\n");
    char text[] = "echo 2\n";
    for (; text[5] <= '7'; text[5]++) wire_give(&bed->wire, text);
    assert_int_equal(hand_backend(0)->cancels, 1);
    wire_give(&bed->wire, "echo 8\n"); /* after the cancellation was asked for */
    struct rn_op *recv = wire_op(&bed->wire, RN_OP_RECV);
    wire_take_all(&bed->wire); /* it wants to read again before the cancellation is through */
    wire_give(&bed->wire, "echo 9\n");
    hand_complete(recv, -RN_K_ECANCELED);
    assert_non_null(wire_op(&bed->wire, RN_OP_RECV));
    wire_give(&bed->wire, "echo 0\n");
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n");
    hand_backend(0)->keep_cancelled = false;
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void a_receive_that_ends_is_started_again(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    for (int i = 0; i < 3; i++) {
        wire_receive(&bed->wire, "echo x\n", 7, false);
        hand_settle();
        assert_non_null(wire_op(&bed->wire, RN_OP_RECV));
    }
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "x\nx\nx\n");
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

/* ---- Tails ------------------------------------------------------------------------------- */

static void a_slice_goes_out_without_a_copy(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo head\nslice 1000\necho behind\n");
    struct rn_op *op = wire_op(&bed->wire, RN_OP_SENDV);
    assert_non_null(op);
    assert_int_equal(op->arg.vector.count, 2);
    assert_ptr_equal(op->arg.vector.vectors[1].ptr, pattern_bytes());
    assert_int_equal(bed->line.releases, 0);
    wire_take(&bed->wire, RN_OP_SENDV);
    assert_int_equal(bed->line.releases, 1); /* then, and not before */
    assert_memory_equal(bed->wire.sent, "head\n", 5);
    memmove(bed->wire.sent, bed->wire.sent + 5, bed->wire.sent_len -= 5);
    bed_expect_pattern(bed, 0, 1000);
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "behind\n");
    wire_give(&bed->wire, "slice 77\n"); /* alone */
    wire_take_all(&bed->wire);
    bed_expect_pattern(bed, 0, 77);
    assert_int_equal(bed->line.releases, 2);
    assert_int_equal(used(), 0);
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void a_file_goes_out_behind_its_head(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed->line.file_fd = pattern_file(10000);
    wire_give(&bed->wire, "echo head\nfile 100 5000\necho behind\n");
    assert_true(wire_take(&bed->wire, RN_OP_SEND) & RN_OP_CORK); /* more follows at once */
    wire_expect(&bed->wire, "head\n");
    assert_int_equal(bed->line.releases, 0);
    assert_false(wire_take(&bed->wire, RN_OP_SENDFILE) & RN_OP_CORK);
    assert_int_equal(bed->line.releases, 1);
    bed_expect_pattern(bed, 100, 5000);
    assert_false(wire_take(&bed->wire, RN_OP_SEND) & RN_OP_CORK);
    wire_expect(&bed->wire, "behind\n");
    wire_give(&bed->wire, "file 0 10000\n");
    wire_take(&bed->wire, RN_OP_SENDFILE);
    bed_expect_pattern(bed, 0, 10000);
    wire_end(&bed->wire);
    close(bed->line.file_fd);
    bed_delete(bed, false);
}

/* The length that was promised can't be kept: the peer must not take what came for all of it. */
static void a_file_that_shrank_resets_the_connection(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed->line.file_fd = pattern_file(100);
    wire_give(&bed->wire, "echo head\nfile 0 101\n");
    wire_take(&bed->wire, RN_OP_SEND);
    wire_take(&bed->wire, RN_OP_SENDFILE);
    close(bed->line.file_fd);
    bed_delete(bed, true);
}

static void an_empty_tail_is_released_and_blocks_nothing(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "nothing\n");
    assert_int_equal(bed->line.releases, 1);
    assert_int_equal(used(), 0);
    wire_give(&bed->wire, "nothing\nnothing\nslice 0\necho a\n");
    wire_give(&bed->wire, "nothing\necho b\nfile 0 0\nnothing\ncopy 3\n");
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "a\nb\n012");
    assert_int_equal(bed->line.tails, 7);
    assert_int_equal(bed->line.releases, 7);
    assert_int_equal(used(), 0);
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

/* ---- Time -------------------------------------------------------------------------------- */

static void the_machine_hears_of_its_deadline(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "tick 500\n");
    assert_int_equal(used(), 0);
    hand_pass(499 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 0);
    hand_pass(3 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 1);
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "tick\n");
    wire_give(&bed->wire, "tick 1000\n");
    wire_give(&bed->wire, "tick 100\n"); /* earlier */
    hand_pass(103 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 2);
    wire_take_all(&bed->wire);
    wire_give(&bed->wire, "tick 100\n");
    wire_give(&bed->wire, "tick 1000\n"); /* later */
    hand_pass(997 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 2);
    hand_pass(5 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 3);
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "tick\ntick\n");
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void a_deadline_during_a_send_waits_for_it(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "tick 100\necho a\n");
    hand_pass(RN_SECOND);
    assert_int_equal(bed->line.ticks, 0);
    wire_take(&bed->wire, RN_OP_SEND);
    assert_int_equal(bed->line.ticks, 1);
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "a\ntick\n");
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void a_peer_that_takes_nothing_is_reset(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo a\nslice 10\n");
    hand_pass(WRITE_TIMEOUT_S * RN_SECOND - 1);
    assert_false(wire_will_reset(&bed->wire));
    hand_pass(2 * RN_MILLISECOND);
    assert_int_equal(bed->line.releases, 1);
    bed_delete(bed, true);
}

static void a_peer_that_takes_little_is_not(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "slice 100\n");
    for (unsigned i = 1; i < 50; i++) {
        hand_pass(WRITE_TIMEOUT_S * RN_SECOND * 9 / 10);
        struct rn_op *op = wire_send_op(&bed->wire);
        assert_non_null(op);
        op->progress = i;
    }
    wire_take(&bed->wire, RN_OP_SENDV);
    bed_expect_pattern(bed, 0, 100);
    wire_give(&bed->wire, "slice 100\n"); /* and then it stops */
    wire_send_op(&bed->wire)->progress = 1;
    hand_pass(2 * WRITE_TIMEOUT_S * RN_SECOND + 5 * RN_MILLISECOND);
    bed_delete(bed, true);
}

static void an_idle_connection_has_no_write_timeout(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo a\n");
    wire_take_all(&bed->wire);
    hand_pass(100 * WRITE_TIMEOUT_S * RN_SECOND);
    wire_expect(&bed->wire, "a\n");
    wire_give(&bed->wire, "echo b\n");
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "b\n");
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

/* ---- From outside ------------------------------------------------------------------------ */

static void kicks_let_the_machine_speak(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "slow\necho next\n");
    assert_null(wire_send_op(&bed->wire));
    assert_int_equal(bed->line.lines, 1);
    bed->line.answered = true;
    for (int i = 0; i < 5; i++) rn_stream_driver_kick(&bed->driver);
    assert_null(wire_send_op(&bed->wire)); /* at the next turn */
    hand_settle();
    wire_take(&bed->wire, RN_OP_SEND);
    wire_expect(&bed->wire, "slow\nnext\n");
    rn_stream_driver_kick(&bed->driver); /* with nothing to say */
    hand_settle();
    assert_null(wire_send_op(&bed->wire));
    assert_int_equal(used(), 0);
    wire_give(&bed->wire, "slow\necho x\n");
    bed->line.answered = true;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    rn_stream_driver_kick(&bed->driver); /* while that is being sent */
    hand_settle();
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "slow\nx\n");
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void a_paused_machine_gets_nothing(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "echo a\npause\necho b\n");
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "a\n");
    /* the kernel's buffer fills, and then the peer waits */
    assert_null(wire_op(&bed->wire, RN_OP_RECV));
    hand_pass(RN_SECOND);
    assert_int_equal(bed->line.lines, 2);
    bed->line.machine.flags = 0;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "b\n");
    assert_non_null(wire_op(&bed->wire, RN_OP_RECV));
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void the_end_of_input_comes_after_the_input(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    hand_backend(0)->keep_cancelled = true;
    wire_give(&bed->wire, "pause\necho b\n");
    hand_backend(0)->keep_cancelled = false;
    wire_give(&bed->wire, "echo c\n"); /* both were under way when it stopped reading */
    wire_end(&bed->wire);
    assert_int_equal(bed->line.eofs, 0);
    bed->line.machine.flags = 0;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "b\nc\n");
    assert_int_equal(bed->line.eofs, 1);
    bed_delete(bed, false);
}

/* ---- Two connections and one pool -------------------------------------------------------- */

static struct rn_buf *hoard[64];
static unsigned hoarded;

static void hoard_buffers(void)
{
    hoarded = 0;
    while ((hoard[hoarded] = rn_pool_take_reserved(&hand_worker(0)->pool))) hoarded++;
}

static void give_back_one(void)
{
    rn_pool_put(&hand_worker(0)->pool, hoard[--hoarded]);
    hand_settle();
}

static void without_a_buffer_it_waits_and_does_nothing(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    wire_give(&bed->wire, "tick 10\n");
    wire_receive(&bed->wire, "echo a\n", 7, true);
    hoard_buffers();
    hand_settle();
    assert_null(wire_send_op(&bed->wire));
    hand_pass(5 * RN_SECOND); /* its deadline passes */
    uint64_t turns = hand_worker(0)->turns;
    hand_pass(5 * RN_SECOND);
    assert_true(hand_worker(0)->turns - turns < 10); /* it isn't looking again and again */
    assert_int_equal(bed->line.ticks, 0);
    give_back_one();
    wire_take_all(&bed->wire);
    wire_expect(&bed->wire, "a\ntick\n"); /* the input was here before the deadline */
    while (hoarded) give_back_one();
    wire_end(&bed->wire);
    bed_delete(bed, false);
}

static void buffers_go_to_those_who_wait_in_turn(void **state)
{
    (void)state;
    struct bed *first = bed_new(), second, third;
    bed_start(&second);
    bed_start(&third);
    wire_receive(&first->wire, "echo 1\n", 7, true);
    hoard_buffers();
    hand_settle();
    rn_stream_driver_kick(&second.driver); /* these two have nothing to say */
    hand_settle();
    rn_stream_driver_kick(&third.driver);
    hand_settle();
    assert_true(first->driver.recv.arg.wait.waiting);
    assert_true(second.driver.recv.arg.wait.waiting && third.driver.recv.arg.wait.waiting);
    give_back_one();
    assert_non_null(wire_send_op(&first->wire));
    wire_take(&first->wire, RN_OP_SEND); /* its buffer comes back, and the others get to look */
    assert_false(second.driver.recv.arg.wait.waiting || third.driver.recv.arg.wait.waiting);
    while (hoarded) give_back_one();
    wire_end(&second.wire);
    bed_close(&second, false);
    wire_end(&third.wire);
    bed_close(&third, false);
    wire_expect(&first->wire, "1\n");
    wire_end(&first->wire);
    bed_delete(first, false);
}

/* The first in line is told of a buffer and then has no use for it. */
static void a_connection_that_ends_passes_the_buffer_on(void **state)
{
    (void)state;
    struct bed *first = bed_new(), second;
    bed_start(&second);
    hoard_buffers();
    rn_stream_driver_kick(&first->driver);
    hand_settle();
    second.line.slow = second.line.answered = true;
    rn_stream_driver_kick(&second.driver);
    hand_settle();
    assert_true(first->driver.recv.arg.wait.waiting && second.driver.recv.arg.wait.waiting);
    rn_pool_put(&hand_worker(0)->pool, hoard[--hoarded]);
    rn_stream_driver_abort(&first->driver);
    hand_settle();
    assert_non_null(wire_send_op(&second.wire));
    wire_take_all(&second.wire);
    wire_expect(&second.wire, "slow\n");
    while (hoarded) give_back_one();
    wire_end(&second.wire);
    bed_close(&second, false);
    bed_delete(first, true);
}

/* ---- At random --------------------------------------------------------------------------- */

static void give_some(struct bed *bed, struct script *script)
{
    struct rn_op *op = wire_op(&bed->wire, RN_OP_RECV);
    size_t len = 1 + random_below(random_below(3) ? 20 : 500);
    if (len > script->input_len - script->given) len = script->input_len - script->given;
    if (!op || !len || hand_worker(0)->pool.used == hand_worker(0)->pool.count) return;
    wire_receive(&bed->wire, script->input + script->given, len,
                (op->flags & RN_OP_CANCELLED) || random_below(4));
    script->given += len;
}

static void act(struct bed *bed, struct script *script)
{
    struct rn_op *op;
    switch (random_below(10)) {
    case 0:
    case 1:
    case 2:
    case 3: give_some(bed, script); break;
    case 4:
    case 5:
        if ((op = wire_send_op(&bed->wire))) wire_take(&bed->wire, op->code);
        break;
    case 6:
        if ((op = wire_send_op(&bed->wire))) op->progress++;
        if (op) hand_pass((WRITE_TIMEOUT_S - 1) * RN_SECOND);
        break;
    case 7:
        bed->line.answered |= bed->line.slow;
        rn_stream_driver_kick(&bed->driver);
        break;
    case 8:
        if (hoarded) give_back_one();
        else if (!random_below(4)) hoard_buffers();
        break;
    default:
        op = wire_op(&bed->wire, RN_OP_RECV);
        if (op && (op->flags & RN_OP_CANCELLED)) hand_complete(op, -RN_K_ECANCELED);
    }
    if (random_below(2)) hand_settle();
}

static void finish_script(struct bed *bed, struct script *script)
{
    for (unsigned i = 0; i < 100000; i++) {
        struct rn_op *op = wire_op(&bed->wire, RN_OP_RECV);
        while (hoarded) give_back_one();
        if (op && (op->flags & RN_OP_CANCELLED)) hand_complete(op, -RN_K_ECANCELED);
        bed->line.answered |= bed->line.slow;
        rn_stream_driver_kick(&bed->driver);
        hand_settle();
        wire_take_all(&bed->wire);
        if (script->given < script->input_len) give_some(bed, script);
        else if (bed->line.eofs) break;
        else if (!bed->line.slow && wire_op(&bed->wire, RN_OP_RECV)) wire_end(&bed->wire);
    }
}

/* Whatever happens in between, what comes out is what the script says; and when the connection is
 * lost on the way, the beginning of it. */
static void random_events_change_nothing(void **state)
{
    (void)state;
    static struct script script;
    int file_fd = pattern_file(20000);
    script_seed = 0x853c49e6748fea9b;
    for (int run = 0; run < 600; run++) {
        struct bed *bed = bed_new();
        bool lost = run % 3 == 0;
        hoarded = 0;
        make_script(&script, bed->line.file_fd = file_fd);
        hand_backend(0)->keep_cancelled = run & 1;
        for (unsigned i = random_below(400); i > 0; i--) act(bed, &script);
        hand_settle();
        if (lost) {
            rn_stream_driver_abort(&bed->driver);
            while (hoarded) give_back_one();
            hand_settle();
            while (!wire_op(&bed->wire, RN_OP_CLOSE))
                hand_complete(hand_backend(0)->started[0], -RN_K_ECANCELED);
        } else {
            finish_script(bed, &script);
            assert_int_equal(bed->wire.sent_len, script.expected_len);
        }
        assert_true(bed->wire.sent_len <= script.expected_len);
        assert_memory_equal(bed->wire.sent, script.expected, bed->wire.sent_len);
        assert_int_equal(used(), 0);
        bed_delete(bed, lost);
    }
    close(file_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_owns_no_buffer),
        cmocka_unit_test(the_answers_to_one_read_leave_in_one_send),
        cmocka_unit_test(input_may_be_cut_anywhere),
        cmocka_unit_test(a_line_that_trickles_takes_two_buffers_at_most),
        cmocka_unit_test(lines_go_on_in_the_next_buffer),
        cmocka_unit_test(what_does_not_fit_follows),
        cmocka_unit_test(input_waits_while_output_is_on_its_way),
        cmocka_unit_test(nothing_is_lost_when_reading_stops),
        cmocka_unit_test(a_receive_that_ends_is_started_again),
        cmocka_unit_test(a_slice_goes_out_without_a_copy),
        cmocka_unit_test(a_file_goes_out_behind_its_head),
        cmocka_unit_test(a_file_that_shrank_resets_the_connection),
        cmocka_unit_test(an_empty_tail_is_released_and_blocks_nothing),
        cmocka_unit_test(the_machine_hears_of_its_deadline),
        cmocka_unit_test(a_deadline_during_a_send_waits_for_it),
        cmocka_unit_test(a_peer_that_takes_nothing_is_reset),
        cmocka_unit_test(a_peer_that_takes_little_is_not),
        cmocka_unit_test(an_idle_connection_has_no_write_timeout),
        cmocka_unit_test(kicks_let_the_machine_speak),
        cmocka_unit_test(a_paused_machine_gets_nothing),
        cmocka_unit_test(the_end_of_input_comes_after_the_input),
        cmocka_unit_test(without_a_buffer_it_waits_and_does_nothing),
        cmocka_unit_test(buffers_go_to_those_who_wait_in_turn),
        cmocka_unit_test(a_connection_that_ends_passes_the_buffer_on),
        cmocka_unit_test(random_events_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
