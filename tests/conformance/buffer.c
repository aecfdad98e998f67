/*
 * conformance/buffer.c: the pool runs out: receives wait for a buffer, nothing is lost or changes
 * its order, and no peer sees an error.
 */
#include "bed.h"

#include <errno.h>
#include <string.h>

enum { PAIRS = 8, BUFFERS = 4 };

struct stream {
    struct call call;
    int fds[2];
    char text[256];
    size_t len;
};

static void streams_open(struct stream *streams, unsigned count, struct bed *bed, unsigned flags)
{
    for (unsigned i = 0; i < count; i++) {
        pair(SOCK_STREAM, streams[i].fds);
        call_init(&streams[i].call, bed, RN_OP_RECV, streams[i].fds[0]);
        streams[i].call.op.flags = (uint8_t)flags;
        streams[i].len = 0;
    }
}

static void streams_close(struct stream *streams, unsigned count, struct bed *bed)
{
    for (unsigned i = 0; i < count; i++) {
        op_close(bed, streams[i].fds[0]);
        op_close(bed, streams[i].fds[1]);
    }
}

/* Holds what it got until the test gives it back; nothing beyond the pool is ever out. */
static unsigned held(const struct stream *streams, unsigned count)
{
    unsigned total = 0;
    for (unsigned i = 0; i < count; i++)
        for (const struct rn_buf *buf = streams[i].call.first; buf; buf = buf->next) total++;
    return total;
}

static void receives_wait_for_a_buffer(void **state)
{
    struct bed *bed = bed_of(state);
    struct stream streams[PAIRS];
    bed_set_pool(bed, BUFFERS);
    streams_open(streams, PAIRS, bed, 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        call_start(&streams[i].call);
        put(streams[i].fds[1], "x");
    }
    bed_settle(bed);
    assert_int_equal(held(streams, PAIRS), BUFFERS);
    bed_quiet(bed);
    /* One comes back, one goes on. */
    for (unsigned given = 0; given < PAIRS; given++) {
        unsigned i = 0;
        while (!streams[i].call.first) i++;
        call_give(&streams[i].call, 1);
        bed_settle(bed);
        unsigned left = PAIRS - given - 1;
        assert_int_equal(held(streams, PAIRS), left < BUFFERS ? left : BUFFERS);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(streams[i].call.op.result, 1);
        assert_int_equal(streams[i].call.completions, 1);
    }
    streams_close(streams, PAIRS, bed);
}

/* Multishot receives: 30 messages on each connection, in order, through four buffers. */
static void multishot_goes_on_in_order(void **state)
{
    enum { MESSAGES = 30 };
    struct bed *bed = bed_of(state);
    struct stream streams[PAIRS];
    unsigned idle = 0;
    bed_set_pool(bed, BUFFERS);
    streams_open(streams, PAIRS, bed, RN_OP_MULTISHOT);
    for (unsigned i = 0; i < PAIRS; i++) call_start(&streams[i].call);
    for (unsigned message = 0; message < MESSAGES; message++) {
        for (unsigned i = 0; i < PAIRS; i++) {
            char text[2] = {(char)('!' + message), 0};
            put(streams[i].fds[1], text);
        }
        bed_turn(bed, 0);
        assert_true(held(streams, PAIRS) <= BUFFERS);
    }
    while (idle++ < 2 * MESSAGES * PAIRS) {
        bed_settle(bed);
        for (unsigned i = 0; i < PAIRS; i++) {
            struct stream *stream = &streams[i];
            if (stream->call.first)
                stream->len += call_drain(&stream->call, stream->text + stream->len,
                                          sizeof stream->text - stream->len);
            if (stream->len < MESSAGES) idle = 0;
        }
        if (idle) break;
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(streams[i].len, MESSAGES);
        for (unsigned k = 0; k < MESSAGES; k++) assert_int_equal(streams[i].text[k], '!' + k);
        assert_false(streams[i].call.done);
        call_expect_cancelled(&streams[i].call);
    }
    streams_close(streams, PAIRS, bed);
}

/* A buffer given back from within a completion is good for the next. */
static void give_at_once(struct call *call)
{
    while (call->first) call_give(call, 1);
}

static void one_buffer_for_all(void **state)
{
    enum { EACH = 100000 };
    static char zeros[1000];
    struct bed *bed = bed_of(state);
    struct stream streams[PAIRS];
    size_t sent[PAIRS] = {0};
    bool all = false;
    bed_set_pool(bed, 1);
    streams_open(streams, PAIRS, bed, RN_OP_MULTISHOT);
    for (unsigned i = 0; i < PAIRS; i++) {
        streams[i].call.then = give_at_once;
        call_start(&streams[i].call);
    }
    rn_ns limit = bed_now(bed) + PATIENCE;
    while (!all) {
        all = true;
        for (unsigned i = 0; i < PAIRS; i++) {
            size_t left = EACH - sent[i];
            ssize_t result = write(streams[i].fds[1], zeros,
                                   left < sizeof zeros ? left : sizeof zeros);
            if (result > 0) sent[i] += (size_t)result;
            if (streams[i].call.bytes < EACH) all = false;
        }
        bed_turn(bed, 0);
        assert_true(bed_now(bed) < limit);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(streams[i].call.bytes, EACH);
        call_expect_cancelled(&streams[i].call);
    }
    streams_close(streams, PAIRS, bed);
}

static void starved_receives_are_cancelled(void **state)
{
    struct bed *bed = bed_of(state);
    struct stream streams[PAIRS];
    char text[2];
    bed_set_pool(bed, 1);
    streams_open(streams, PAIRS, bed, 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        call_start(&streams[i].call);
        put(streams[i].fds[1], "x");
    }
    bed_settle(bed);
    assert_int_equal(held(streams, PAIRS), 1);
    for (unsigned i = 0; i < PAIRS; i++)
        if (!streams[i].call.done && i % 2) call_cancel(&streams[i].call);
    bed_settle(bed);
    for (unsigned i = 0; i < PAIRS; i++) {
        if (streams[i].call.first) continue;
        assert_int_equal(streams[i].call.done, i % 2);
        if (i % 2) assert_int_equal(streams[i].call.op.result, -ECANCELED);
        if (i % 2) assert_int_equal(op_receive(bed, streams[i].fds[0], text, 1), 1);
    }
    /* The others are still served. */
    for (unsigned round = 0; round < PAIRS; round++) {
        for (unsigned i = 0; i < PAIRS; i++) call_drain(&streams[i].call, text, sizeof text);
        bed_settle(bed);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_true(streams[i].call.done);
        assert_true(streams[i].call.op.result == 1 || i % 2);
    }
    streams_close(streams, PAIRS, bed);
}

/* The reserve is not for receives. */
static void the_reserve_is_left_alone(void **state)
{
    struct bed *bed = bed_of(state);
    struct stream streams[PAIRS];
    bed_set_pool(bed, BUFFERS);
    bed->pool.reserve = 1;
    streams_open(streams, PAIRS, bed, 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        call_start(&streams[i].call);
        put(streams[i].fds[1], "x");
    }
    bed_settle(bed);
    assert_in_range(held(streams, PAIRS), 1, BUFFERS - 1);
    bed_quiet(bed);
    struct rn_buf *buf = rn_pool_take_reserved(&bed->pool);
    assert_non_null(buf);
    rn_pool_put(&bed->pool, buf);
    for (unsigned round = 0; round < PAIRS; round++) {
        for (unsigned i = 0; i < PAIRS; i++) give_at_once(&streams[i].call);
        bed_settle(bed);
    }
    for (unsigned i = 0; i < PAIRS; i++) assert_int_equal(streams[i].call.op.result, 1);
    streams_close(streams, PAIRS, bed);
}

/* The end of a stream needs no buffer to be kept, and none is lost over it. */
static void ends_cost_no_buffer(void **state)
{
    struct bed *bed = bed_of(state);
    struct stream streams[PAIRS];
    bed_set_pool(bed, 1);
    streams_open(streams, PAIRS, bed, 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        call_start(&streams[i].call);
        op_close(bed, streams[i].fds[1]);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(call_wait(&streams[i].call), 0);
        assert_null(streams[i].call.first);
        op_close(bed, streams[i].fds[0]);
    }
}

const struct CMUnitTest buffer_tests[] = {
    TEST(receives_wait_for_a_buffer), TEST(multishot_goes_on_in_order),
    TEST(one_buffer_for_all),         TEST(starved_receives_are_cancelled),
    TEST(the_reserve_is_left_alone),  TEST(ends_cost_no_buffer),
};
const size_t buffer_tests_count = RN_COUNT(buffer_tests);
