/*
 * conformance/cancel.c: an op that is cancelled completes once and takes nothing with it; a
 * descriptor that was closed and opened again has no past.
 */
#include "bed.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Each on one end of a pair on which it must wait. */
static void cancel_on_stream(struct bed *bed, unsigned code, unsigned flags, bool full)
{
    static char memory[4096];
    struct rn_vector vector = {memory, sizeof memory};
    struct call call;
    int fds[2], file = scratch_file(4096);
    pair(SOCK_STREAM, fds);
    if (full) fill(fds[0]);
    memory_init(&call, bed, code, fds[0], memory, sizeof memory);
    call.op.flags = (uint8_t)flags;
    if (code == RN_OP_SENDV) {
        call.op.arg.vector.vectors = &vector;
        call.op.arg.vector.count = 1;
    } else if (code == RN_OP_SENDFILE) {
        call.op.arg.file.fd = file;
        call.op.arg.file.offset = 0;
        call.op.arg.file.length = 4096;
    } else if (code == RN_OP_POLL) {
        call.op.arg.events = full ? POLLOUT : POLLIN;
    }
    /* At once, before any turn; and when it has waited for a while. */
    for (unsigned turns = 0; turns < 3; turns++) {
        call_start(&call);
        for (unsigned i = 0; i < turns; i++) bed_quiet(bed);
        call_expect_cancelled(&call);
        assert_int_equal(call.op.progress, 0);
    }
    assert_null(call.first);
    /* The descriptor is as good as before. */
    if (full) drain(fds[1]);
    assert_int_equal(op_send(bed, fds[0], "out", 3), 3);
    assert_int_equal(op_receive(bed, fds[1], memory, 3), 3);
    assert_int_equal(op_send(bed, fds[1], "in", 2), 2);
    assert_int_equal(op_receive(bed, fds[0], memory, 2), 2);
    assert_memory_equal(memory, "in", 2);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
    op_close(bed, file);
}

static void cancel_recv(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_RECV, 0, false);
    cancel_on_stream(bed_of(state), RN_OP_RECV, RN_OP_MULTISHOT, false);
}

static void cancel_recv_into(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_RECV_INTO, 0, false);
    cancel_on_stream(bed_of(state), RN_OP_RECV_INTO, RN_OP_ALL, false);
}

static void cancel_recvfrom(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_RECVFROM, 0, false);
    cancel_on_stream(bed_of(state), RN_OP_RECVFROM, RN_OP_MULTISHOT, false);
}

static void cancel_read(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_READ, 0, false);
}

static void cancel_poll(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_POLL, 0, false);
    cancel_on_stream(bed_of(state), RN_OP_POLL, 0, true);
}

static void cancel_send(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_SEND, 0, true);
}

static void cancel_sendv(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_SENDV, 0, true);
}

static void cancel_write(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_WRITE, 0, true);
}

static void cancel_sendfile(void **state)
{
    cancel_on_stream(bed_of(state), RN_OP_SENDFILE, 0, true);
}

static void cancel_sendto(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    pair(SOCK_DGRAM, fds);
    while (send(fds[0], "x", 1, 0) == 1) continue;
    call_init(&call, bed, RN_OP_SENDTO, fds[0]);
    call.op.arg.datagram.ptr = "y";
    call.op.arg.datagram.len = 1;
    call_start(&call);
    bed_quiet(bed);
    call_expect_cancelled(&call);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void cancel_accept(void **state)
{
    struct bed *bed = bed_of(state);
    for (unsigned multishot = 0; multishot < 2; multishot++) {
        struct address address;
        struct call call;
        int fd = listener(AF_INET, &address, 4);
        call_init(&call, bed, RN_OP_ACCEPT, fd);
        call.op.flags = multishot ? RN_OP_MULTISHOT : 0;
        for (unsigned turns = 0; turns < 3; turns++) {
            call_start(&call);
            for (unsigned i = 0; i < turns; i++) bed_quiet(bed);
            call_expect_cancelled(&call);
        }
        op_close(bed, fd);
    }
}

/* progress says what went out before the end. */
static void cancel_keeps_the_progress(void **state)
{
    enum { LARGE = 4 << 20 };
    struct bed *bed = bed_of(state);
    struct call send, receive;
    static uint8_t out[LARGE], in[64];
    int fds[2];
    pair(SOCK_STREAM, fds);
    memory_init(&send, bed, RN_OP_SEND, fds[0], out, LARGE);
    call_start(&send);
    bed_settle(bed);
    call_expect_cancelled(&send);
    assert_in_range(send.op.progress, 1, LARGE - 1);
    assert_int_equal(drain(fds[1]), send.op.progress);
    memory_init(&receive, bed, RN_OP_RECV_INTO, fds[0], in, sizeof in);
    receive.op.flags = RN_OP_ALL;
    call_start(&receive);
    put(fds[1], "12345");
    bed_settle(bed);
    call_expect_cancelled(&receive);
    assert_int_equal(receive.op.progress, 5);
    assert_memory_equal(in, "12345", 5);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* The data that came together with the cancellation is received by this op or by the next. */
static void cancel_loses_no_data(void **state)
{
    struct bed *bed = bed_of(state);
    char text[16];
    int fds[2];
    pair(SOCK_STREAM, fds);
    for (unsigned i = 0; i < 20; i++) {
        struct call call;
        call_init(&call, bed, RN_OP_RECV, fds[0]);
        call.op.flags = i % 2 ? RN_OP_MULTISHOT : 0;
        call_start(&call);
        if (i % 4 < 2) bed_settle(bed);
        put(fds[1], "data");
        call_cancel(&call);
        int64_t result = call_wait(&call);
        assert_true(result == -ECANCELED || (result == 4 && !(i % 2)));
        size_t got = call_drain(&call, text, sizeof text);
        assert_true(got == 0 || got == 4);
        if (!got) assert_int_equal(op_receive(bed, fds[0], text, 4), 4);
        assert_memory_equal(text, "data", 4);
    }
    bed_quiet(bed);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* The second of two completions that were handed out together is cancelled from within the first:
 * too late, and the cancellation doesn't hit what is started next with the same op. */
static void cancel_other(struct call *call)
{
    call_cancel(call->owner);
}

static void cancel_after_completion_does_nothing(void **state)
{
    struct bed *bed = bed_of(state);
    struct call calls[2];
    int fds[2];
    pair(SOCK_STREAM, fds);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 2; i++) {
            call_init(&calls[i], bed, RN_OP_NOP, -1);
            calls[i].then = cancel_other;
            calls[i].owner = &calls[!i];
            call_start(&calls[i]);
        }
        for (unsigned i = 0; i < 2; i++) {
            int64_t result = call_wait(&calls[i]);
            assert_true(result == 0 || result == -ECANCELED);
            assert_int_equal(calls[i].completions, 1);
        }
        call_cancel(&calls[0]);
        call_init(&calls[1], bed, RN_OP_RECV, fds[0]);
        call_start(&calls[1]);
        bed_quiet(bed);
        call_expect_cancelled(&calls[1]);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* Close as the layers above do it: cancel what is in flight, take its completions, close. */
static void close_with_ops_in_flight(void **state)
{
    struct bed *bed = bed_of(state);
    static char memory[4096];
    for (unsigned i = 0; i < 20; i++) {
        struct call receive, send;
        int fds[2];
        tcp_pair(bed, fds);
        fill(fds[0]);
        call_init(&receive, bed, RN_OP_RECV, fds[0]);
        receive.op.flags = i % 2 ? RN_OP_MULTISHOT : 0;
        memory_init(&send, bed, RN_OP_SEND, fds[0], memory, sizeof memory);
        call_start(&receive);
        call_start(&send);
        if (i % 4 < 2) bed_settle(bed);
        call_cancel(&receive);
        call_cancel(&send);
        assert_int_equal(call_wait(&receive), -ECANCELED);
        int64_t result = call_wait(&send);
        assert_true(result == -ECANCELED || result == sizeof memory);
        op_close(bed, fds[0]);
        op_close(bed, fds[1]);
    }
    bed_quiet(bed);
}

/* Another socket with the same number: it has to be noticed by the backend, and what the old one
 * still does (a copy of it is open) is not its business. */
static void descriptor_used_again(void **state)
{
    struct bed *bed = bed_of(state);
    char text[8];
    for (unsigned i = 0; i < 20; i++) {
        struct call call;
        int old[2], fresh[2];
        pair(SOCK_STREAM, old);
        int copy = dup(old[0]), number = old[0];
        call_init(&call, bed, RN_OP_RECV, number);
        call.op.flags = i % 2 ? RN_OP_MULTISHOT : 0;
        call_start(&call);
        bed_settle(bed);
        call_cancel(&call);
        assert_int_equal(call_wait(&call), -ECANCELED);
        op_close(bed, number);
        pair(SOCK_STREAM, fresh);
        assert_int_equal(fresh[0], number);
        call_init(&call, bed, RN_OP_RECV, number);
        call.op.flags = i % 2 ? RN_OP_MULTISHOT : 0;
        call_start(&call);
        put(old[1], "stale");
        bed_quiet(bed);
        put(fresh[1], "new");
        bed_count(bed, &call.completions, 1);
        assert_int_equal(call_drain(&call, text, sizeof text), 3);
        assert_memory_equal(text, "new", 3);
        close(old[1]); /* a hang-up of the old one */
        bed_quiet(bed);
        if (!call.done) call_expect_cancelled(&call);
        op_close(bed, copy);
        op_close(bed, fresh[0]);
        op_close(bed, fresh[1]);
    }
}

/* The old one had something to read that nobody took: the new one has not. */
static void descriptor_used_again_after_data(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int old[2], fresh[2];
    char byte;
    pair(SOCK_STREAM, old);
    put(old[1], "12345");
    assert_int_equal(op_receive(bed, old[0], &byte, 1), 1);
    int number = old[0];
    op_close(bed, number);
    pair(SOCK_STREAM, fresh);
    assert_int_equal(fresh[0], number);
    memory_init(&call, bed, RN_OP_RECV_INTO, number, &byte, 1);
    call_start(&call);
    bed_quiet(bed);
    put(fresh[1], "n");
    assert_int_equal(call_wait(&call), 1);
    assert_int_equal(byte, 'n');
    op_close(bed, old[1]);
    op_close(bed, fresh[0]);
    op_close(bed, fresh[1]);
}

/* An accepted connection may be closed by another worker, whose own backend is told of it. */
static void descriptor_closed_elsewhere(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    char byte;
    int listening = listener(AF_INET, &address, 16);
    for (unsigned i = 0; i < 5; i++) {
        struct call call;
        int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(peer, &address.any, address.len), 0);
        call_init(&call, bed, RN_OP_ACCEPT, listening);
        int accepted = (int)call_run(&call);
        assert_true(accepted >= 0);
        memory_init(&call, bed, RN_OP_RECV_INTO, accepted, &byte, 1);
        call_start(&call);
        bed_quiet(bed);
        put(peer, "x");
        assert_int_equal(call_wait(&call), 1);
        close(accepted);
        close(peer);
    }
    op_close(bed, listening);
}

/* A storm: 32 connections whose receives are started, fed and cancelled at random. Each start has
 * one end, and each byte arrives once. */
enum { STORM_PAIRS = 32, STORM_STEPS = 20000 };

struct storm {
    struct call receive;
    struct call send;
    int fds[2];
    uint64_t sent;
    uint64_t received;
    unsigned starts;
    unsigned ends;
    char out[256];
};

static uint32_t random_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void storm_received(struct call *call)
{
    struct storm *storm = rn_container_of(call, struct storm, receive);
    uint8_t bytes[POOL_STRIDE];
    size_t len = call_drain(call, bytes, sizeof bytes);
    assert_int_equal(pattern_check(bytes, len, storm->received), len);
    storm->received += len;
    storm->ends += call->done;
}

static void storm_sent(struct call *call)
{
    struct storm *storm = rn_container_of(call, struct storm, send);
    assert_true(call->op.result == -ECANCELED || call->op.result > 0);
    storm->sent += call->op.progress;
}

static void storm_step(struct bed *bed, struct storm *storm, uint32_t random)
{
    switch (random % 5) {
    case 0:
    case 1:
        if (storm->receive.op.flags & RN_OP_INFLIGHT) break;
        call_init(&storm->receive, bed, RN_OP_RECV, storm->fds[0]);
        storm->receive.op.flags = random & 64 ? RN_OP_MULTISHOT : 0;
        storm->receive.then = storm_received;
        storm->starts++;
        call_start(&storm->receive);
        break;
    case 2:
        if (storm->send.op.flags & RN_OP_INFLIGHT) break;
        memory_init(&storm->send, bed, RN_OP_SEND, storm->fds[1], storm->out, 1 + random % 255);
        storm->send.then = storm_sent;
        pattern_fill((uint8_t *)storm->out, sizeof storm->out, storm->sent);
        call_start(&storm->send);
        break;
    case 3: call_cancel(&storm->receive); break;
    default: call_cancel(&storm->send); break;
    }
}

static void cancel_storm(void **state)
{
    struct bed *bed = bed_of(state);
    struct storm *storms = calloc(STORM_PAIRS, sizeof *storms);
    uint64_t seed = 42;
    assert_non_null(storms);
    for (unsigned i = 0; i < STORM_PAIRS; i++) {
        pair(SOCK_STREAM, storms[i].fds);
        small_buffer(storms[i].fds[0]);
        small_buffer(storms[i].fds[1]);
    }
    for (unsigned i = 0; i < STORM_STEPS; i++) {
        uint32_t random = random_next(&seed);
        storm_step(bed, &storms[random % STORM_PAIRS], random_next(&seed));
        if (random % 3 == 0) bed_turn(bed, 0);
    }
    for (unsigned i = 0; i < STORM_PAIRS; i++) {
        struct storm *storm = &storms[i];
        uint8_t rest[65536];
        call_cancel(&storm->receive);
        call_cancel(&storm->send);
        if (storm->receive.op.flags & RN_OP_INFLIGHT) call_wait(&storm->receive);
        if (storm->send.op.flags & RN_OP_INFLIGHT) call_wait(&storm->send);
        assert_int_equal(storm->starts, storm->ends);
        ssize_t left = read(storm->fds[0], rest, sizeof rest);
        if (left < 0) left = 0;
        assert_int_equal(pattern_check(rest, (size_t)left, storm->received), left);
        assert_int_equal(storm->received + (uint64_t)left, storm->sent);
        op_close(bed, storm->fds[0]);
        op_close(bed, storm->fds[1]);
    }
    free(storms);
}

const struct CMUnitTest cancel_tests[] = {
    TEST(cancel_recv),
    TEST(cancel_recv_into),
    TEST(cancel_recvfrom),
    TEST(cancel_read),
    TEST(cancel_poll),
    TEST(cancel_send),
    TEST(cancel_sendv),
    TEST(cancel_write),
    TEST(cancel_sendfile),
    TEST(cancel_sendto),
    TEST(cancel_accept),
    TEST(cancel_keeps_the_progress),
    TEST(cancel_loses_no_data),
    TEST(cancel_after_completion_does_nothing),
    TEST(close_with_ops_in_flight),
    TEST(descriptor_used_again),
    TEST(descriptor_used_again_after_data),
    TEST(descriptor_closed_elsewhere),
    TEST(cancel_storm),
};
const size_t cancel_tests_count = RN_COUNT(cancel_tests);
