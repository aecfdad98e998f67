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
    assert_non_null(bed_op(bed, RN_OP_RECV));
    assert_int_equal(hand_worker(0)->ops, 1);
    assert_int_equal(used(), 0);
    bed_give(bed, "echo hello\n");
    assert_int_equal(used(), 1); /* what is being sent */
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "hello\n");
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
    bed_give(bed, "echo a\necho bc\necho \necho def\n");
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "a\nbc\n\ndef\n");
    assert_null(bed_send_op(bed));
    bed_end(bed);
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
            bed_give_bytes(bed, text, a);
            if (b > a) bed_give_bytes(bed, text + a, b - a);
            bed_give_bytes(bed, text + b, LEN - b);
            bed_take_all(bed);
            bed_expect(bed, "abc\n\ndefghi\n");
            assert_int_equal(used(), 0);
            assert_int_equal(bed->traffic.bytes_in, LEN);
            bed_end(bed);
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
        bed_give_bytes(bed, byte, 1);
        assert_true(used() <= 2);
    }
    assert_int_equal(bed->line.longest, at - text);
    bed_take(bed, RN_OP_SEND);
    *at = 0;
    bed_expect(bed, text + 5);
    bed_end(bed);
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
        bed_give_bytes(bed, input + at, len);
        bed_take_all(bed);
        at += len;
    }
    bed_expect(bed, expected);
    bed_end(bed);
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
        bed_give(bed, text);
        bed_take_all(bed);
        assert_memory_equal(bed->sent + sizes[i], "end\n", 4);
        bed->sent_len -= 4;
        bed_expect_pattern(bed, 0, sizes[i]);
        assert_int_equal(used(), 0);
        bed_end(bed);
        bed_delete(bed, false);
    }
}

static void input_waits_while_output_is_on_its_way(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo 1\n");
    unsigned given = 1, calls = bed->line.calls;
    /* A peer that asks and never reads: at some point it is not read either. */
    while (bed_op(bed, RN_OP_RECV)) {
        assert_true(++given < 10);
        bed_give(bed, "echo 2\n");
    }
    assert_int_equal(bed->line.calls, calls); /* the machine is drained before it gets input */
    assert_true(used() < 10);
    hand_settle();
    assert_null(bed_op(bed, RN_OP_RECV));
    bed_take(bed, RN_OP_SEND);
    assert_non_null(bed_op(bed, RN_OP_RECV));
    bed_take(bed, RN_OP_SEND);
    assert_null(bed_send_op(bed));
    assert_int_equal(bed->sent_len, 2 * given);
    assert_int_equal(bed->line.lines, given);
    assert_int_equal(used(), 0);
    bed_end(bed);
    bed_delete(bed, false);
}

/* Results that were there already when the receive was cancelled, to stop reading. */
static void nothing_is_lost_when_reading_stops(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    hand_backend(0)->keep_cancelled = true;
    bed_give(bed, "echo 1\n");
    char text[] = "echo 2\n";
    for (; text[5] <= '7'; text[5]++) bed_give(bed, text);
    assert_int_equal(hand_backend(0)->cancels, 1);
    bed_give(bed, "echo 8\n"); /* after the cancellation was asked for */
    struct rn_op *recv = bed_op(bed, RN_OP_RECV);
    bed_take_all(bed); /* it wants to read again before the cancellation is through */
    bed_give(bed, "echo 9\n");
    hand_complete(recv, -RN_K_ECANCELED);
    assert_non_null(bed_op(bed, RN_OP_RECV));
    bed_give(bed, "echo 0\n");
    bed_take_all(bed);
    bed_expect(bed, "1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n");
    hand_backend(0)->keep_cancelled = false;
    bed_end(bed);
    bed_delete(bed, false);
}

static void a_receive_that_ends_is_started_again(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    for (int i = 0; i < 3; i++) {
        bed_receive(bed, "echo x\n", 7, false);
        hand_settle();
        assert_non_null(bed_op(bed, RN_OP_RECV));
    }
    bed_take_all(bed);
    bed_expect(bed, "x\nx\nx\n");
    bed_end(bed);
    bed_delete(bed, false);
}

/* ---- Tails ------------------------------------------------------------------------------- */

static void a_slice_goes_out_without_a_copy(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo head\nslice 1000\necho behind\n");
    struct rn_op *op = bed_op(bed, RN_OP_SENDV);
    assert_non_null(op);
    assert_int_equal(op->arg.vector.count, 2);
    assert_ptr_equal(op->arg.vector.vectors[1].ptr, pattern_bytes());
    assert_int_equal(bed->line.releases, 0);
    bed_take(bed, RN_OP_SENDV);
    assert_int_equal(bed->line.releases, 1); /* then, and not before */
    assert_memory_equal(bed->sent, "head\n", 5);
    memmove(bed->sent, bed->sent + 5, bed->sent_len -= 5);
    bed_expect_pattern(bed, 0, 1000);
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "behind\n");
    bed_give(bed, "slice 77\n"); /* alone */
    bed_take_all(bed);
    bed_expect_pattern(bed, 0, 77);
    assert_int_equal(bed->line.releases, 2);
    assert_int_equal(used(), 0);
    bed_end(bed);
    bed_delete(bed, false);
}

static void a_file_goes_out_behind_its_head(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed->line.file_fd = pattern_file(10000);
    bed_give(bed, "echo head\nfile 100 5000\necho behind\n");
    assert_true(bed_take(bed, RN_OP_SEND) & RN_OP_CORK); /* more follows at once */
    bed_expect(bed, "head\n");
    assert_int_equal(bed->line.releases, 0);
    assert_false(bed_take(bed, RN_OP_SENDFILE) & RN_OP_CORK);
    assert_int_equal(bed->line.releases, 1);
    bed_expect_pattern(bed, 100, 5000);
    assert_false(bed_take(bed, RN_OP_SEND) & RN_OP_CORK);
    bed_expect(bed, "behind\n");
    bed_give(bed, "file 0 10000\n");
    bed_take(bed, RN_OP_SENDFILE);
    bed_expect_pattern(bed, 0, 10000);
    bed_end(bed);
    close(bed->line.file_fd);
    bed_delete(bed, false);
}

/* The length that was promised can't be kept: the peer must not take what came for all of it. */
static void a_file_that_shrank_resets_the_connection(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed->line.file_fd = pattern_file(100);
    bed_give(bed, "echo head\nfile 0 101\n");
    bed_take(bed, RN_OP_SEND);
    bed_take(bed, RN_OP_SENDFILE);
    close(bed->line.file_fd);
    bed_delete(bed, true);
}

static void an_empty_tail_is_released_and_blocks_nothing(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "nothing\n");
    assert_int_equal(bed->line.releases, 1);
    assert_int_equal(used(), 0);
    bed_give(bed, "nothing\nnothing\nslice 0\necho a\n");
    bed_give(bed, "nothing\necho b\nfile 0 0\nnothing\ncopy 3\n");
    bed_take_all(bed);
    bed_expect(bed, "a\nb\n012");
    assert_int_equal(bed->line.tails, 7);
    assert_int_equal(bed->line.releases, 7);
    assert_int_equal(used(), 0);
    bed_end(bed);
    bed_delete(bed, false);
}

/* ---- Time -------------------------------------------------------------------------------- */

static void the_machine_hears_of_its_deadline(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "tick 500\n");
    assert_int_equal(used(), 0);
    hand_pass(499 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 0);
    hand_pass(3 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 1);
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "tick\n");
    bed_give(bed, "tick 1000\n");
    bed_give(bed, "tick 100\n"); /* earlier */
    hand_pass(103 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 2);
    bed_take_all(bed);
    bed_give(bed, "tick 100\n");
    bed_give(bed, "tick 1000\n"); /* later */
    hand_pass(997 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 2);
    hand_pass(5 * RN_MILLISECOND);
    assert_int_equal(bed->line.ticks, 3);
    bed_take_all(bed);
    bed_expect(bed, "tick\ntick\n");
    bed_end(bed);
    bed_delete(bed, false);
}

static void a_deadline_during_a_send_waits_for_it(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "tick 100\necho a\n");
    hand_pass(RN_SECOND);
    assert_int_equal(bed->line.ticks, 0);
    bed_take(bed, RN_OP_SEND);
    assert_int_equal(bed->line.ticks, 1);
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "a\ntick\n");
    bed_end(bed);
    bed_delete(bed, false);
}

static void a_peer_that_takes_nothing_is_reset(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo a\nslice 10\n");
    hand_pass(WRITE_TIMEOUT_S * RN_SECOND - 1);
    assert_false(bed_will_reset(bed));
    hand_pass(2 * RN_MILLISECOND);
    assert_int_equal(bed->line.releases, 1);
    bed_delete(bed, true);
}

static void a_peer_that_takes_little_is_not(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "slice 100\n");
    for (unsigned i = 1; i < 50; i++) {
        hand_pass(WRITE_TIMEOUT_S * RN_SECOND * 9 / 10);
        struct rn_op *op = bed_send_op(bed);
        assert_non_null(op);
        op->progress = i;
    }
    bed_take(bed, RN_OP_SENDV);
    bed_expect_pattern(bed, 0, 100);
    bed_give(bed, "slice 100\n"); /* and then it stops */
    bed_send_op(bed)->progress = 1;
    hand_pass(2 * WRITE_TIMEOUT_S * RN_SECOND + 5 * RN_MILLISECOND);
    bed_delete(bed, true);
}

static void an_idle_connection_has_no_write_timeout(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo a\n");
    bed_take_all(bed);
    hand_pass(100 * WRITE_TIMEOUT_S * RN_SECOND);
    bed_expect(bed, "a\n");
    bed_give(bed, "echo b\n");
    bed_take_all(bed);
    bed_expect(bed, "b\n");
    bed_end(bed);
    bed_delete(bed, false);
}

/* ---- From outside ------------------------------------------------------------------------ */

static void kicks_let_the_machine_speak(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "slow\necho next\n");
    assert_null(bed_send_op(bed));
    assert_int_equal(bed->line.lines, 1);
    bed->line.answered = true;
    for (int i = 0; i < 5; i++) rn_stream_driver_kick(&bed->driver);
    assert_null(bed_send_op(bed)); /* at the next turn */
    hand_settle();
    bed_take(bed, RN_OP_SEND);
    bed_expect(bed, "slow\nnext\n");
    rn_stream_driver_kick(&bed->driver); /* with nothing to say */
    hand_settle();
    assert_null(bed_send_op(bed));
    assert_int_equal(used(), 0);
    bed_give(bed, "slow\necho x\n");
    bed->line.answered = true;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    rn_stream_driver_kick(&bed->driver); /* while that is being sent */
    hand_settle();
    bed_take_all(bed);
    bed_expect(bed, "slow\nx\n");
    bed_end(bed);
    bed_delete(bed, false);
}

static void a_paused_machine_gets_nothing(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    bed_give(bed, "echo a\npause\necho b\n");
    bed_take_all(bed);
    bed_expect(bed, "a\n");
    assert_null(bed_op(bed, RN_OP_RECV)); /* the kernel's buffer fills, and then the peer waits */
    hand_pass(RN_SECOND);
    assert_int_equal(bed->line.lines, 2);
    bed->line.machine.flags = 0;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    bed_take_all(bed);
    bed_expect(bed, "b\n");
    assert_non_null(bed_op(bed, RN_OP_RECV));
    bed_end(bed);
    bed_delete(bed, false);
}

static void the_end_of_input_comes_after_the_input(void **state)
{
    (void)state;
    struct bed *bed = bed_new();
    hand_backend(0)->keep_cancelled = true;
    bed_give(bed, "pause\necho b\n");
    hand_backend(0)->keep_cancelled = false;
    bed_give(bed, "echo c\n"); /* both were under way when it stopped reading */
    bed_end(bed);
    assert_int_equal(bed->line.eofs, 0);
    bed->line.machine.flags = 0;
    rn_stream_driver_kick(&bed->driver);
    hand_settle();
    bed_take_all(bed);
    bed_expect(bed, "b\nc\n");
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
    bed_give(bed, "tick 10\n");
    bed_receive(bed, "echo a\n", 7, true);
    hoard_buffers();
    hand_settle();
    assert_null(bed_send_op(bed));
    hand_pass(5 * RN_SECOND); /* its deadline passes */
    uint64_t turns = hand_worker(0)->turns;
    hand_pass(5 * RN_SECOND);
    assert_true(hand_worker(0)->turns - turns < 10); /* it isn't looking again and again */
    assert_int_equal(bed->line.ticks, 0);
    give_back_one();
    bed_take_all(bed);
    bed_expect(bed, "a\ntick\n"); /* the input was here before the deadline */
    while (hoarded) give_back_one();
    bed_end(bed);
    bed_delete(bed, false);
}

static void buffers_go_to_those_who_wait_in_turn(void **state)
{
    (void)state;
    struct bed *first = bed_new(), second, third;
    bed_start(&second);
    bed_start(&third);
    bed_receive(first, "echo 1\n", 7, true);
    hoard_buffers();
    hand_settle();
    rn_stream_driver_kick(&second.driver); /* these two have nothing to say */
    hand_settle();
    rn_stream_driver_kick(&third.driver);
    hand_settle();
    assert_true(first->driver.recv.arg.wait.waiting);
    assert_true(second.driver.recv.arg.wait.waiting && third.driver.recv.arg.wait.waiting);
    give_back_one();
    assert_non_null(bed_send_op(first));
    bed_take(first, RN_OP_SEND); /* its buffer comes back, and the others get to look */
    assert_false(second.driver.recv.arg.wait.waiting || third.driver.recv.arg.wait.waiting);
    while (hoarded) give_back_one();
    bed_end(&second);
    bed_close(&second, false);
    bed_end(&third);
    bed_close(&third, false);
    bed_expect(first, "1\n");
    bed_end(first);
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
    assert_non_null(bed_send_op(&second));
    bed_take_all(&second);
    bed_expect(&second, "slow\n");
    while (hoarded) give_back_one();
    bed_end(&second);
    bed_close(&second, false);
    bed_delete(first, true);
}

/* ---- At random --------------------------------------------------------------------------- */

static void give_some(struct bed *bed, struct script *script)
{
    struct rn_op *op = bed_op(bed, RN_OP_RECV);
    size_t len = 1 + random_below(random_below(3) ? 20 : 500);
    if (len > script->input_len - script->given) len = script->input_len - script->given;
    if (!op || !len || hand_worker(0)->pool.used == hand_worker(0)->pool.count) return;
    bed_receive(bed, script->input + script->given, len,
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
        if ((op = bed_send_op(bed))) bed_take(bed, op->code);
        break;
    case 6:
        if ((op = bed_send_op(bed))) op->progress++;
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
        op = bed_op(bed, RN_OP_RECV);
        if (op && (op->flags & RN_OP_CANCELLED)) hand_complete(op, -RN_K_ECANCELED);
    }
    if (random_below(2)) hand_settle();
}

static void finish_script(struct bed *bed, struct script *script)
{
    for (unsigned i = 0; i < 100000; i++) {
        struct rn_op *op = bed_op(bed, RN_OP_RECV);
        while (hoarded) give_back_one();
        if (op && (op->flags & RN_OP_CANCELLED)) hand_complete(op, -RN_K_ECANCELED);
        bed->line.answered |= bed->line.slow;
        rn_stream_driver_kick(&bed->driver);
        hand_settle();
        bed_take_all(bed);
        if (script->given < script->input_len) give_some(bed, script);
        else if (bed->line.eofs) break;
        else if (!bed->line.slow && bed_op(bed, RN_OP_RECV)) bed_end(bed);
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
            while (!bed_op(bed, RN_OP_CLOSE))
                hand_complete(hand_backend(0)->started[0], -RN_K_ECANCELED);
        } else {
            finish_script(bed, &script);
            assert_int_equal(bed->sent_len, script.expected_len);
        }
        assert_true(bed->sent_len <= script.expected_len);
        assert_memory_equal(bed->sent, script.expected, bed->sent_len);
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
