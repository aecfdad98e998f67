/*
 * conformance/stream.c: bytes both ways over a connection, the end of a stream, and sends that are
 * larger than what the kernel takes at once.
 */
#include "bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { LARGE = 8 << 20 };

static void recv_gives_a_buffer_of_the_pool(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[16];
    int fds[2];
    pair(SOCK_STREAM, fds);
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    call_start(&call);
    bed_quiet(bed);
    put(fds[1], "hello");
    assert_int_equal(call_wait(&call), 5);
    assert_non_null(call.first);
    assert_ptr_equal(call.first, rn_pool_at(&bed->pool, call.first->id));
    assert_int_equal(call_drain(&call, text, sizeof text), 5);
    assert_memory_equal(text, "hello", 5);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* What was there before the op was started, and before the backend knew the descriptor, counts. */
static void recv_sees_what_came_before(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[16];
    int fds[2];
    pair(SOCK_STREAM, fds);
    for (unsigned i = 0; i < 5; i++) {
        put(fds[1], "early");
        bed_settle(bed); /* the event comes while nobody waits for it */
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        assert_int_equal(call_run(&call), 5);
        call_drain(&call, text, sizeof text);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void recv_over_tcp(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[16];
    int fds[2];
    tcp_pair(bed, fds);
    for (unsigned i = 0; i < 10; i++) {
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        call_start(&call);
        assert_int_equal(op_send(bed, fds[1], "0123456789", 10), 10);
        assert_int_equal(call_wait(&call), 10);
        assert_int_equal(call_drain(&call, text, sizeof text), 10);
        assert_memory_equal(text, "0123456789", 10);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* More than a buffer holds comes in several, in order. */
static void recv_larger_than_a_buffer(void **state)
{
    struct bed *bed = bed_of(state);
    uint8_t out[3 * POOL_STRIDE], in[3 * POOL_STRIDE];
    size_t total = 0;
    int fds[2];
    pair(SOCK_STREAM, fds);
    pattern_fill(out, sizeof out, 0);
    assert_int_equal(write(fds[1], out, sizeof out), sizeof out);
    while (total < sizeof in) {
        struct call call;
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        assert_true(call_run(&call) > 0);
        total += call_drain(&call, in + total, sizeof in - total);
    }
    assert_memory_equal(in, out, sizeof in);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void recv_multishot_over_many_messages(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    uint8_t out[100], in[100];
    int fds[2];
    pair(SOCK_STREAM, fds);
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    call.op.flags = RN_OP_MULTISHOT;
    call_start(&call);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t before = call.bytes;
        pattern_fill(out, sizeof out, i * sizeof out);
        assert_int_equal(write(fds[1], out, sizeof out), sizeof out);
        while (call.bytes < before + sizeof out) bed_turn(bed, bed_now(bed) + PATIENCE);
        assert_int_equal(call_drain(&call, in, sizeof in), sizeof in);
        assert_int_equal(pattern_check(in, sizeof in, i * sizeof out), sizeof in);
    }
    assert_false(call.done);
    close(fds[1]);
    assert_int_equal(call_wait(&call), 0);
    assert_null(call.op.buf);
    op_close(bed, fds[0]);
}

/* The end comes once, as the last completion, behind all data. */
static void recv_multishot_ends_once(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    uint8_t out[2 * POOL_STRIDE + 7], in[sizeof out];
    int fds[2];
    tcp_pair(bed, fds);
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    call.op.flags = RN_OP_MULTISHOT;
    pattern_fill(out, sizeof out, 0);
    assert_int_equal(op_send(bed, fds[1], out, sizeof out), sizeof out);
    op_close(bed, fds[1]);
    call_start(&call);
    assert_int_equal(call_wait(&call), 0);
    assert_int_equal(call_drain(&call, in, sizeof in), sizeof out);
    assert_int_equal(pattern_check(in, sizeof in, 0), sizeof in);
    bed_quiet(bed);
    op_close(bed, fds[0]);
}

/* Each single receive behind the end finds the end. */
static void recv_at_the_end_gives_zero(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[8];
    int fds[2];
    pair(SOCK_STREAM, fds);
    put(fds[1], "last");
    close(fds[1]);
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    assert_int_equal(call_run(&call), 4);
    call_drain(&call, text, sizeof text);
    for (unsigned i = 0; i < 3; i++) {
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        assert_int_equal(call_run(&call), 0);
        assert_null(call.op.buf);
        assert_int_equal(op_receive(bed, fds[0], text, 4), 0);
    }
    op_close(bed, fds[0]);
}

/* After a full buffer and after a short one, when the end is already there. */
static void recv_finds_the_end_behind_data(void **state)
{
    static const size_t sizes[] = {1, POOL_STRIDE - sizeof(struct rn_buf), POOL_STRIDE};
    struct bed *bed = bed_of(state);
    uint8_t out[POOL_STRIDE], in[POOL_STRIDE];
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        struct call call;
        int fds[2];
        tcp_pair(bed, fds);
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        call_start(&call);
        pattern_fill(out, sizes[i], 0);
        /* Both before the next turn: one event for data and end. */
        assert_int_equal(write(fds[1], out, sizes[i]), sizes[i]);
        close(fds[1]);
        uint64_t total = 0;
        for (;;) {
            int64_t result = call_wait(&call);
            assert_true(result >= 0);
            if (result == 0) break;
            total += (uint64_t)result;
            call_drain(&call, in, sizeof in);
            call_init(&call, bed, RN_OP_RECV, fds[0]);
            call_start(&call);
        }
        assert_int_equal(total, sizes[i]);
        op_close(bed, fds[0]);
    }
}

static void recv_into_takes_what_is_there(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[64];
    int fds[2];
    pair(SOCK_STREAM, fds);
    memory_init(&call, bed, RN_OP_RECV_INTO, fds[0], text, sizeof text);
    call_start(&call);
    bed_quiet(bed);
    put(fds[1], "some");
    assert_int_equal(call_wait(&call), 4);
    assert_memory_equal(text, "some", 4);
    assert_null(call.first);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void recv_into_all_takes_exactly(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[10];
    int fds[2];
    pair(SOCK_STREAM, fds);
    memory_init(&call, bed, RN_OP_RECV_INTO, fds[0], text, sizeof text);
    call.op.flags = RN_OP_ALL;
    call_start(&call);
    for (unsigned i = 0; i < 9; i++) {
        put(fds[1], "a");
        bed_settle(bed);
        assert_false(call.done);
    }
    put(fds[1], "bc"); /* one more than asked for */
    assert_int_equal(call_wait(&call), 10);
    assert_memory_equal(text, "aaaaaaaaab", 10);
    assert_int_equal(op_receive(bed, fds[0], text, 1), 1);
    assert_int_equal(text[0], 'c');
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void recv_into_all_stops_at_the_end(void **state)
{
    struct bed *bed = bed_of(state);
    char text[10];
    int fds[2];
    pair(SOCK_STREAM, fds);
    put(fds[1], "abc");
    close(fds[1]);
    assert_int_equal(op_receive(bed, fds[0], text, sizeof text), 3);
    op_close(bed, fds[0]);
}

/* The side that shut down still receives, and its peer sees the end and may still send. */
static void half_close(void **state)
{
    struct bed *bed = bed_of(state);
    char text[8];
    int fds[2];
    tcp_pair(bed, fds);
    assert_int_equal(op_send(bed, fds[0], "last", 4), 4);
    assert_int_equal(op_shutdown(bed, fds[0], SHUT_WR), 0);
    assert_int_equal(op_receive(bed, fds[1], text, sizeof text), 4);
    assert_int_equal(op_receive(bed, fds[1], text, sizeof text), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(op_send(bed, fds[1], "reply", 5), 5);
        assert_int_equal(op_receive(bed, fds[0], text, 5), 5);
        assert_memory_equal(text, "reply", 5);
    }
    assert_int_equal(op_send(bed, fds[0], "x", 1), -EPIPE);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void shutdown_ends_a_receive_that_waits(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    tcp_pair(bed, fds);
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    call_start(&call);
    bed_quiet(bed);
    assert_int_equal(op_shutdown(bed, fds[0], SHUT_RDWR), 0);
    assert_int_equal(call_wait(&call), 0);
    assert_int_equal(op_shutdown(bed, fds[1], SHUT_RDWR), 0);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* Reads the pattern until `len` bytes came, with multishot receives. */
struct reader {
    struct call call;
    uint64_t total;
    uint64_t wanted;
    bool done;
};

static void reader_then(struct call *call)
{
    struct reader *reader = rn_container_of(call, struct reader, call);
    uint8_t bytes[POOL_STRIDE];
    size_t len = call_drain(call, bytes, sizeof bytes);
    assert_int_equal(pattern_check(bytes, len, reader->total), len);
    reader->total += len;
    if (reader->total == reader->wanted) reader->done = true;
    if (call->done && call->op.result > 0) call_start(call);
}

static void reader_start(struct reader *reader, struct bed *bed, int fd, uint64_t wanted)
{
    *reader = (struct reader){.wanted = wanted};
    call_init(&reader->call, bed, RN_OP_RECV, fd);
    reader->call.op.flags = RN_OP_MULTISHOT;
    reader->call.then = reader_then;
    call_start(&reader->call);
}

static void send_large(struct bed *bed, const int fds[2])
{
    struct reader reader;
    struct call call;
    uint8_t *out = malloc(LARGE);
    assert_non_null(out);
    pattern_fill(out, LARGE, 0);
    small_buffer(fds[0]);
    small_buffer(fds[1]);
    memory_init(&call, bed, RN_OP_SEND, fds[0], out, LARGE);
    call_start(&call);
    bed_settle(bed);
    assert_false(call.done); /* nobody reads yet */
    reader_start(&reader, bed, fds[1], LARGE);
    assert_int_equal(call_wait(&call), LARGE);
    assert_int_equal(call.op.progress, LARGE);
    bed_until(bed, &reader.done);
    assert_int_equal(reader.total, LARGE);
    call_expect_cancelled(&reader.call);
    free(out);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void send_completes_whole_over_tcp(void **state)
{
    int fds[2];
    tcp_pair(bed_of(state), fds);
    send_large(bed_of(state), fds);
}

static void send_completes_whole_over_unix(void **state)
{
    int fds[2];
    pair(SOCK_STREAM, fds);
    send_large(bed_of(state), fds);
}

static void send_nothing(void **state)
{
    struct bed *bed = bed_of(state);
    int fds[2];
    pair(SOCK_STREAM, fds);
    assert_int_equal(op_send(bed, fds[0], "", 0), 0);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void vectors_init(struct call *call, struct bed *bed, int fd, struct rn_vector *vectors,
                         uint32_t count)
{
    call_init(call, bed, RN_OP_SENDV, fd);
    call->op.arg.vector.vectors = vectors;
    call->op.arg.vector.count = count;
}

/* What is done at once is done, and doesn't complete; what isn't goes on as if it was started. A
 * backend may have reasons to leave a small send for later. */
static void send_at_once(void **state)
{
    enum { LEN = 1 << 20 };
    struct bed *bed = bed_of(state);
    struct call call;
    struct reader reader;
    struct rn_vector vectors[1];
    uint8_t *out = malloc(LEN);
    char text[8];
    int fds[2];
    if (!can_try()) {
        free(out);
        skip();
    }
    assert_non_null(out);
    tcp_pair(bed, fds);
    for (unsigned i = 0; i < 6; i++) {
        vectors[0] = (struct rn_vector){"hello", 5};
        if (i % 2) vectors_init(&call, bed, fds[0], vectors, 1);
        else memory_init(&call, bed, RN_OP_SEND, fds[0], "hello", 5);
        bool done = call_try(&call);
        assert_true(done || !(i % 2));
        assert_int_equal(done ? call.op.result : call_wait(&call), 5);
        bed_quiet(bed);
        assert_int_equal(op_receive(bed, fds[1], text, 5), 5);
        assert_memory_equal(text, "hello", 5);
    }
    small_buffer(fds[0]);
    pattern_fill(out, LEN, 0);
    memory_init(&call, bed, RN_OP_SEND, fds[0], out, LEN);
    assert_false(call_try(&call));
    bed_quiet(bed);
    reader_start(&reader, bed, fds[1], LEN);
    assert_int_equal(call_wait(&call), LEN);
    bed_until(bed, &reader.done);
    call_expect_cancelled(&reader.call);
    op_close(bed, fds[1]);
    do {
        bed_settle(bed);
        vectors[0] = (struct rn_vector){"hello", 5};
        vectors_init(&call, bed, fds[0], vectors, 1);
    } while (call_try(&call) && call.op.result == 5);
    assert_true(call.op.result == -EPIPE || call.op.result == -ECONNRESET);
    op_close(bed, fds[0]);
    free(out);
}

/* Both directions of one descriptor at the same time. */
static void send_and_receive_at_once(void **state)
{
    struct bed *bed = bed_of(state);
    struct reader readers[2];
    struct call calls[2];
    uint8_t *out = malloc(LARGE / 8);
    int fds[2];
    assert_non_null(out);
    tcp_pair(bed, fds);
    pattern_fill(out, LARGE / 8, 0);
    for (unsigned i = 0; i < 2; i++) {
        small_buffer(fds[i]);
        memory_init(&calls[i], bed, RN_OP_SEND, fds[i], out, LARGE / 8);
        call_start(&calls[i]);
    }
    for (unsigned i = 0; i < 2; i++) reader_start(&readers[i], bed, fds[i], LARGE / 8);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(call_wait(&calls[i]), LARGE / 8);
        bed_until(bed, &readers[i].done);
    }
    for (unsigned i = 0; i < 2; i++) call_expect_cancelled(&readers[i].call);
    for (unsigned i = 0; i < 2; i++) op_close(bed, fds[i]);
    free(out);
}

static void send_corked_goes_out_with_the_next(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[16], head[] = "head", body[] = "body";
    int fds[2];
    tcp_pair(bed, fds);
    memory_init(&call, bed, RN_OP_SEND, fds[0], head, 4);
    call.op.flags = RN_OP_CORK;
    assert_int_equal(call_run(&call), 4);
    assert_int_equal(op_send(bed, fds[0], body, 4), 4);
    assert_int_equal(op_receive(bed, fds[1], text, 8), 8);
    assert_memory_equal(text, "headbody", 8);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void sendv_with_empty_vectors(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[16];
    int fds[2];
    pair(SOCK_STREAM, fds);
    struct rn_vector vectors[] = {{"", 0}, {"ab", 2}, {"", 0}, {NULL, 0}, {"cde", 3}, {"", 0}};
    vectors_init(&call, bed, fds[0], vectors, RN_COUNT(vectors));
    assert_int_equal(call_run(&call), 5);
    assert_int_equal(call.op.progress, 5);
    assert_int_equal(op_receive(bed, fds[1], text, 5), 5);
    assert_memory_equal(text, "abcde", 5);
    struct rn_vector none[] = {{"", 0}, {NULL, 0}};
    vectors_init(&call, bed, fds[0], none, 2);
    assert_int_equal(call_run(&call), 0);
    vectors_init(&call, bed, fds[0], none, 0);
    assert_int_equal(call_run(&call), 0);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* More vectors than the kernel takes at once (1024), and more bytes than the socket does. */
static void sendv_with_many_vectors(void **state)
{
    enum { COUNT = 5000, EACH = 301 };
    struct bed *bed = bed_of(state);
    struct rn_vector *vectors = calloc(COUNT, sizeof *vectors);
    uint8_t *out = malloc(COUNT * EACH);
    struct reader reader;
    struct call call;
    int fds[2];
    assert_true(vectors && out);
    tcp_pair(bed, fds);
    small_buffer(fds[0]);
    small_buffer(fds[1]);
    pattern_fill(out, COUNT * EACH, 0);
    size_t at = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        size_t len = i % 7 ? (i * 13) % EACH : 0;
        vectors[i] = (struct rn_vector){out + at, len};
        at += len;
    }
    vectors_init(&call, bed, fds[0], vectors, COUNT);
    call_start(&call);
    reader_start(&reader, bed, fds[1], at);
    assert_int_equal(call_wait(&call), at);
    assert_int_equal(call.op.progress, at);
    bed_until(bed, &reader.done);
    call_expect_cancelled(&reader.call);
    free(vectors);
    free(out);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

const struct CMUnitTest stream_tests[] = {
    TEST(recv_gives_a_buffer_of_the_pool),
    TEST(recv_sees_what_came_before),
    TEST(recv_over_tcp),
    TEST(recv_larger_than_a_buffer),
    TEST(recv_multishot_over_many_messages),
    TEST(recv_multishot_ends_once),
    TEST(recv_at_the_end_gives_zero),
    TEST(recv_finds_the_end_behind_data),
    TEST(recv_into_takes_what_is_there),
    TEST(recv_into_all_takes_exactly),
    TEST(recv_into_all_stops_at_the_end),
    TEST(half_close),
    TEST(shutdown_ends_a_receive_that_waits),
    TEST(send_completes_whole_over_tcp),
    TEST(send_completes_whole_over_unix),
    TEST(send_nothing),
    TEST(send_at_once),
    TEST(send_and_receive_at_once),
    TEST(send_corked_goes_out_with_the_next),
    TEST(sendv_with_empty_vectors),
    TEST(sendv_with_many_vectors),
};
const size_t stream_tests_count = RN_COUNT(stream_tests);
