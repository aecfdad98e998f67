/*
 * conformance/reset.c: the peer is gone: what each op says then, and how far it came.
 */
#include "bed.h"

#include <errno.h>
#include <stdlib.h>

enum { LARGE = 8 << 20 };

static void assert_gone(int64_t result)
{
    assert_true(result == -ECONNRESET || result == -EPIPE);
}

static void reset_while_a_receive_waits(void **state)
{
    struct bed *bed = bed_of(state);
    for (unsigned multishot = 0; multishot < 2; multishot++) {
        struct call call;
        int fds[2];
        tcp_pair(bed, fds);
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        call.op.flags = multishot ? RN_OP_MULTISHOT : 0;
        call_start(&call);
        bed_quiet(bed);
        reset(fds[1]);
        assert_int_equal(call_wait(&call), -ECONNRESET);
        assert_int_equal(call.completions, 1);
        bed_quiet(bed);
        op_close(bed, fds[0]);
    }
}

static void reset_before_a_receive(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    tcp_pair(bed, fds);
    reset(fds[1]);
    bed_settle(bed);
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    assert_int_equal(call_run(&call), -ECONNRESET);
    op_close(bed, fds[0]);
}

/* Data first, then the reset: also where both were there before the receive began. */
static void reset_behind_data(void **state)
{
    struct bed *bed = bed_of(state);
    for (unsigned multishot = 0; multishot < 2; multishot++) {
        struct call call;
        char text[3];
        int fds[2];
        tcp_pair(bed, fds);
        put(fds[1], "abc");
        reset(fds[1]);
        bed_settle(bed);
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        call.op.flags = multishot ? RN_OP_MULTISHOT : 0;
        call_start(&call);
        if (multishot) {
            assert_int_equal(call_wait(&call), -ECONNRESET);
            assert_int_equal(call.completions, 2);
        } else {
            assert_int_equal(call_wait(&call), sizeof text);
        }
        assert_int_equal(call_drain(&call, text, sizeof text), sizeof text);
        op_close(bed, fds[0]);
    }
}

/* The same where some came before: wherever between two turns, the reset is told of. */
static void reset_behind_later_data(void **state)
{
    struct bed *bed = bed_of(state);
    for (unsigned before = 1; before < 4; before++) {
        struct call call;
        char text[3 * 4];
        int fds[2];
        tcp_pair(bed, fds);
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        call.op.flags = RN_OP_MULTISHOT;
        call_start(&call);
        for (unsigned i = 1; i <= before; i++) {
            put(fds[1], "abc");
            bed_count(bed, &call.completions, i);
        }
        put(fds[1], "abc");
        reset(fds[1]);
        assert_int_equal(call_wait(&call), -ECONNRESET);
        assert_int_equal(call_drain(&call, text, sizeof text), 3 * (before + 1));
        op_close(bed, fds[0]);
    }
}

static void reset_while_an_exact_receive_waits(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[10];
    int fds[2];
    tcp_pair(bed, fds);
    memory_init(&call, bed, RN_OP_RECV_INTO, fds[0], text, sizeof text);
    call.op.flags = RN_OP_ALL;
    call_start(&call);
    put(fds[1], "abc");
    bed_settle(bed);
    assert_false(call.done);
    reset(fds[1]);
    assert_int_equal(call_wait(&call), -ECONNRESET);
    assert_int_equal(call.op.progress, 3);
    op_close(bed, fds[0]);
}

/* What went out is counted: at least what the peer read, at most what was asked. */
static void reset_while_a_send_waits(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    uint8_t *out = calloc(1, LARGE);
    int fds[2];
    assert_non_null(out);
    tcp_pair(bed, fds);
    memory_init(&call, bed, RN_OP_SEND, fds[0], out, LARGE);
    call_start(&call);
    bed_settle(bed);
    size_t got = drain(fds[1]);
    assert_true(got > 0);
    assert_false(call.done);
    reset(fds[1]);
    assert_gone(call_wait(&call));
    assert_in_range(call.op.progress, got, LARGE - 1);
    op_close(bed, fds[0]);
    free(out);
}

static void reset_while_vectors_wait(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    uint8_t *out = calloc(1, LARGE);
    int fds[2];
    assert_non_null(out);
    struct rn_vector vectors[] = {{out, LARGE / 2}, {out + LARGE / 2, LARGE / 2}};
    tcp_pair(bed, fds);
    call_init(&call, bed, RN_OP_SENDV, fds[0]);
    call.op.arg.vector.vectors = vectors;
    call.op.arg.vector.count = 2;
    call_start(&call);
    bed_settle(bed);
    size_t got = drain(fds[1]);
    assert_true(got > 0);
    assert_false(call.done);
    reset(fds[1]);
    assert_gone(call_wait(&call));
    assert_in_range(call.op.progress, got, LARGE - 1);
    op_close(bed, fds[0]);
    free(out);
}

static void reset_while_a_file_is_sent(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2], file = scratch_file(64 << 20);
    tcp_pair(bed, fds);
    call_init(&call, bed, RN_OP_SENDFILE, fds[0]);
    call.op.arg.file.fd = file;
    call.op.arg.file.length = 64 << 20;
    call_start(&call);
    bed_settle(bed);
    size_t got = drain(fds[1]);
    assert_true(got > 0);
    assert_false(call.done);
    reset(fds[1]);
    assert_gone(call_wait(&call));
    assert_in_range(call.op.progress, got, (64 << 20) - 1);
    op_close(bed, fds[0]);
    op_close(bed, file);
}

/* An error, and no SIGPIPE. */
static void send_to_a_closed_peer(void **state)
{
    struct bed *bed = bed_of(state);
    int fds[2];
    pair(SOCK_STREAM, fds);
    close(fds[1]);
    assert_int_equal(op_send(bed, fds[0], "x", 1), -EPIPE);
    assert_int_equal(op_send(bed, fds[0], "x", 1), -EPIPE);
    op_close(bed, fds[0]);
    tcp_pair(bed, fds);
    reset(fds[1]);
    bed_settle(bed);
    assert_gone(op_send(bed, fds[0], "x", 1));
    op_close(bed, fds[0]);
}

static void sendfile_to_a_closed_peer(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2], file = scratch_file(1 << 20);
    pair(SOCK_STREAM, fds);
    close(fds[1]);
    call_init(&call, bed, RN_OP_SENDFILE, fds[0]);
    call.op.arg.file.fd = file;
    call.op.arg.file.length = 1 << 20;
    assert_gone(call_run(&call));
    op_close(bed, fds[0]);
    op_close(bed, file);
}

static void ops_on_a_socket_without_connection(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    call_init(&call, bed, RN_OP_RECV, fd);
    assert_int_equal(call_run(&call), -ENOTCONN);
    int64_t result = op_send(bed, fd, "x", 1);
    assert_true(result == -EPIPE || result == -ENOTCONN);
    assert_int_equal(op_shutdown(bed, fd, SHUT_RDWR), -ENOTCONN);
    op_close(bed, fd);
}

static void ops_on_a_bad_descriptor(void **state)
{
    static const int bad[] = {-1, DESCRIPTORS - 1};
    struct bed *bed = bed_of(state);
    struct call call;
    char byte = 0;
    for (unsigned i = 0; i < RN_COUNT(bad); i++) {
        call_init(&call, bed, RN_OP_RECV, bad[i]);
        assert_int_equal(call_run(&call), -EBADF);
        call_init(&call, bed, RN_OP_RECVFROM, bad[i]);
        assert_int_equal(call_run(&call), -EBADF);
        assert_int_equal(op_receive(bed, bad[i], &byte, 1), -EBADF);
        assert_int_equal(op_send(bed, bad[i], "x", 1), -EBADF);
        assert_int_equal(op_shutdown(bed, bad[i], SHUT_WR), -EBADF);
        memory_init(&call, bed, RN_OP_READ, bad[i], &byte, 1);
        assert_int_equal(call_run(&call), -EBADF);
        memory_init(&call, bed, RN_OP_WRITE, bad[i], &byte, 1);
        assert_int_equal(call_run(&call), -EBADF);
        call_init(&call, bed, RN_OP_CLOSE, bad[i]);
        assert_int_equal(call_run(&call), -EBADF);
    }
}

const struct CMUnitTest reset_tests[] = {
    TEST(reset_while_a_receive_waits),
    TEST(reset_before_a_receive),
    TEST(reset_behind_data),
    TEST(reset_behind_later_data),
    TEST(reset_while_an_exact_receive_waits),
    TEST(reset_while_a_send_waits),
    TEST(reset_while_vectors_wait),
    TEST(reset_while_a_file_is_sent),
    TEST(send_to_a_closed_peer),
    TEST(sendfile_to_a_closed_peer),
    TEST(ops_on_a_socket_without_connection),
    TEST(ops_on_a_bad_descriptor),
};
const size_t reset_tests_count = RN_COUNT(reset_tests);
