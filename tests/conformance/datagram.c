/*
 * conformance/datagram.c: datagrams keep their bounds, their order on loopback, and their senders.
 */
#include "bed.h"

#include <errno.h>
#include <string.h>

enum { CAPACITY = POOL_STRIDE - sizeof(struct rn_buf) - sizeof(struct rn_datagram) };

static int64_t send_to(struct bed *bed, int fd, const void *bytes, size_t len,
                       const struct address *to)
{
    struct call call;
    call_init(&call, bed, RN_OP_SENDTO, fd);
    call.op.arg.datagram.ptr = bytes;
    call.op.arg.datagram.len = len;
    call.op.arg.datagram.address = to ? &to->any : NULL;
    call.op.arg.datagram.address_len = to ? to->len : 0;
    return call_run(&call);
}

static const struct rn_datagram *datagram_of(const struct call *call)
{
    assert_non_null(call->first);
    return (const void *)call->first->data;
}

static void exchange(struct bed *bed, int family)
{
    struct address here, there;
    struct call call;
    int fds[2] = {bound(family, SOCK_DGRAM, &here), bound(family, SOCK_DGRAM, &there)};
    if (fds[0] < 0) {
        print_message("no IPv6 here\n");
        skip();
    }
    for (unsigned i = 0; i < 3; i++) {
        call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
        call_start(&call);
        bed_quiet(bed);
        assert_int_equal(send_to(bed, fds[1], "datagram", 8, &here), 8);
        assert_int_equal(call_wait(&call), 8);
        const struct rn_datagram *datagram = datagram_of(&call);
        assert_int_equal(call.first->len, 8);
        assert_memory_equal(call.first->data + call.first->at, "datagram", 8);
        assert_false(datagram->truncated);
        assert_int_equal(datagram->address_len, there.len);
        assert_memory_equal(datagram->address, &there.any, there.len);
        call_give(&call, 1);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void datagram_ipv4(void **state)
{
    exchange(bed_of(state), AF_INET);
}

static void datagram_ipv6(void **state)
{
    exchange(bed_of(state), AF_INET6);
}

static void datagram_unix(void **state)
{
    exchange(bed_of(state), AF_UNIX);
}

/* One that just fits is whole, one byte more is flagged, and the next one is not touched by it. */
static void datagram_truncated(void **state)
{
    static const size_t sizes[] = {CAPACITY - 64, CAPACITY + 1, 10, 60000, 10};
    static uint8_t out[60000];
    struct bed *bed = bed_of(state);
    struct address here, there;
    int fds[2] = {bound(AF_INET, SOCK_DGRAM, &here), bound(AF_INET, SOCK_DGRAM, &there)};
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        struct call call;
        pattern_fill(out, sizes[i], 0);
        assert_int_equal(send_to(bed, fds[1], out, sizes[i], &here), sizes[i]);
        call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
        int64_t result = call_run(&call);
        assert_int_equal(result, call.first->len);
        assert_int_equal(datagram_of(&call)->truncated, sizes[i] > CAPACITY);
        if (sizes[i] <= CAPACITY)
            assert_int_equal(result, sizes[i]);
        else
            assert_in_range(result, CAPACITY - 64, CAPACITY);
        assert_int_equal(pattern_check(call.first->data + call.first->at, (size_t)result, 0),
                         result);
        assert_memory_equal(datagram_of(&call)->address, &there.any, there.len);
        call_give(&call, 1);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* Zero bytes are a datagram, with a sender and a buffer, and no end of anything. */
static void datagram_empty(void **state)
{
    struct bed *bed = bed_of(state);
    struct address here, there;
    int fds[2] = {bound(AF_INET, SOCK_DGRAM, &here), bound(AF_INET, SOCK_DGRAM, &there)};
    for (unsigned multishot = 0; multishot < 2; multishot++) {
        struct call call;
        call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
        call.op.flags = multishot ? RN_OP_MULTISHOT : 0;
        call_start(&call);
        assert_int_equal(send_to(bed, fds[1], "", 0, &here), 0);
        bed_count(bed, &call.completions, 1);
        assert_int_equal(call.op.result, 0);
        assert_int_equal(datagram_of(&call)->address_len, there.len);
        assert_int_equal(call.done, !multishot);
        if (multishot) {
            assert_int_equal(send_to(bed, fds[1], "x", 1, &here), 1);
            bed_count(bed, &call.completions, 2);
            assert_int_equal(call.op.result, 1);
            call_expect_cancelled(&call);
        }
        call_give(&call, 1 + multishot);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void datagram_multishot(void **state)
{
    enum { COUNT = 50 };
    struct bed *bed = bed_of(state);
    struct address here, there;
    struct call call;
    int fds[2] = {bound(AF_INET, SOCK_DGRAM, &here), bound(AF_INET, SOCK_DGRAM, &there)};
    call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
    call.op.flags = RN_OP_MULTISHOT;
    call_start(&call);
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t byte = (uint8_t)i;
        assert_int_equal(sendto(fds[1], &byte, 1, 0, &here.any, here.len), 1);
    }
    bed_count(bed, &call.completions, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(call.first->len, 1);
        assert_int_equal(call.first->data[call.first->at], i);
        call_give(&call, 1);
    }
    call_expect_cancelled(&call);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* A single op takes one datagram; the others wait. */
static void datagram_single_takes_one(void **state)
{
    struct bed *bed = bed_of(state);
    struct address here, there;
    int fds[2] = {bound(AF_INET, SOCK_DGRAM, &here), bound(AF_INET, SOCK_DGRAM, &there)};
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(sendto(fds[1], "abc", 1 + i % 3, 0, &here.any, here.len),
                         1 + i % 3);
    for (unsigned i = 0; i < 30; i++) {
        struct call call;
        call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
        assert_int_equal(call_run(&call), 1 + i % 3);
        call_give(&call, 1);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* Connected: no address needed to send, and a refusal by the other side is reported. */
static void datagram_connected(void **state)
{
    struct bed *bed = bed_of(state);
    struct address here, there;
    struct call call;
    int fds[2] = {bound(AF_INET, SOCK_DGRAM, &here), bound(AF_INET, SOCK_DGRAM, &there)};
    call_init(&call, bed, RN_OP_CONNECT, fds[0]);
    call.op.arg.address.ptr = &there.any;
    call.op.arg.address.len = there.len;
    assert_int_equal(call_run(&call), 0);
    assert_int_equal(send_to(bed, fds[0], "hello", 5, NULL), 5);
    call_init(&call, bed, RN_OP_RECVFROM, fds[1]);
    assert_int_equal(call_run(&call), 5);
    call_give(&call, 1);
    op_close(bed, fds[1]);
    call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
    call_start(&call);
    assert_int_equal(send_to(bed, fds[0], "hello", 5, NULL), 5);
    assert_int_equal(call_wait(&call), -ECONNREFUSED);
    op_close(bed, fds[0]);
}

static void datagram_too_long_to_send(void **state)
{
    static const uint8_t out[70000];
    struct bed *bed = bed_of(state);
    struct address here;
    int fd = bound(AF_INET, SOCK_DGRAM, &here);
    assert_int_equal(send_to(bed, fd, out, sizeof out, &here), -EMSGSIZE);
    op_close(bed, fd);
}

/* A receiver that is behind makes the sender wait where datagrams aren't dropped. */
static void datagram_sender_waits_for_room(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char byte[1];
    unsigned sent = 0;
    int fds[2];
    pair(SOCK_DGRAM, fds);
    while (send(fds[0], "x", 1, 0) == 1) sent++;
    call_init(&call, bed, RN_OP_SENDTO, fds[0]);
    call.op.arg.datagram.ptr = "y";
    call.op.arg.datagram.len = 1;
    call_start(&call);
    bed_quiet(bed);
    for (unsigned i = 0; i < sent; i++) assert_int_equal(recv(fds[1], byte, 1, 0), 1);
    assert_int_equal(call_wait(&call), 1);
    assert_int_equal(recv(fds[1], byte, 1, 0), 1);
    assert_int_equal(byte[0], 'y');
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

const struct CMUnitTest datagram_tests[] = {
    TEST(datagram_ipv4),
    TEST(datagram_ipv6),
    TEST(datagram_unix),
    TEST(datagram_truncated),
    TEST(datagram_empty),
    TEST(datagram_multishot),
    TEST(datagram_single_takes_one),
    TEST(datagram_connected),
    TEST(datagram_too_long_to_send),
    TEST(datagram_sender_waits_for_room),
};
const size_t datagram_tests_count = RN_COUNT(datagram_tests);
