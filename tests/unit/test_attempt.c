/*
 * Ops as plain system calls: which call, with what arguments, and what is made of its result. The
 * calls are answered by a script; the conformance suite makes them for real.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define RN_SYSCALL_HOOK
#include "backend/attempt.c"

enum { FD = 7, STRIDE = 2048 };

static long answer;
static struct {
    long nr, a[6];
    unsigned calls;
    struct rn_k_iovec first; /* of a message */
    size_t vectors;
    uint64_t offset; /* of sendfile(2) */
} made;

static struct rn_pool pool;
static struct rn_backend backend = {.pool = &pool};

long rn_syscall_hook(long nr, long a, long b, long c, long d, long e, long f)
{
    if (nr == RN_NR_MMAP || nr == RN_NR_MUNMAP) return rn_raw_syscall6(nr, a, b, c, d, e, f);
    made.nr = nr;
    memcpy(made.a, (long[]){a, b, c, d, e, f}, sizeof made.a);
    made.calls++;
    if (nr == RN_NR_SENDMSG) {
        const struct rn_k_msghdr *message = (const void *)b;
        made.first = *message->msg_iov;
        made.vectors = message->msg_iovlen;
    }
    if (nr == RN_NR_SENDFILE) made.offset = *(const uint64_t *)c;
    return answer;
}

static int begin(void **state)
{
    (void)state;
    memset(&made, 0, sizeof made);
    backend.syscalls = 0;
    return rn_pool_init(&pool, 1, STRIDE);
}

static int end(void **state)
{
    (void)state;
    rn_pool_fini(&pool);
    return 0;
}

/* Tries the op with that answer of the kernel. */
static int64_t try(struct rn_op *op, unsigned code, long with)
{
    answer = with;
    op->code = (uint8_t)code;
    op->fd = FD;
    uint64_t before = backend.syscalls, calls = made.calls;
    int64_t result = rn_attempt(&backend, op);
    assert_int_equal(backend.syscalls - before, made.calls - calls);
    return result;
}

static void a_send_goes_on_behind_what_is_sent(void **state)
{
    (void)state;
    static char text[10];
    struct rn_op op = {.arg.memory = {text, sizeof text, 0}};
    assert_int_equal(try(&op, RN_OP_SEND, 3), RN_WAIT); /* a part: the socket is full */
    assert_int_equal(op.progress, 3);
    assert_int_equal(try(&op, RN_OP_SEND, -EAGAIN), RN_WAIT);
    assert_int_equal(op.progress, 3);
    op.flags = RN_OP_CORK;
    assert_int_equal(try(&op, RN_OP_SEND, 7), 10);
    assert_int_equal(made.nr, RN_NR_SENDTO);
    assert_int_equal(made.a[0], FD);
    assert_ptr_equal((char *)made.a[1], text + 3);
    assert_int_equal(made.a[2], 7);
    assert_int_equal(made.a[3], MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
    op.progress = 3;
    assert_int_equal(try(&op, RN_OP_SEND, -EPIPE), -EPIPE);
    assert_int_equal(op.progress, 3);
}

static void vectors_are_consumed(void **state)
{
    (void)state;
    struct rn_vector vectors[] = {{"01", 2}, {"", 0}, {"23456", 5}, {"", 0}, {"789", 3}, {"", 0}};
    struct rn_op op = {.arg.vector = {vectors, RN_COUNT(vectors)}};
    assert_int_equal(try(&op, RN_OP_SENDV, 2), RN_AGAIN);
    assert_int_equal(op.progress, 2);
    assert_int_equal(try(&op, RN_OP_SENDV, 1), RN_AGAIN);
    assert_int_equal(try(&op, RN_OP_SENDV, -EAGAIN), RN_WAIT);
    assert_int_equal(made.vectors, 4);
    assert_int_equal(made.first.iov_len, 4);
    assert_memory_equal(made.first.iov_base, "3456", 4);
    assert_int_equal(try(&op, RN_OP_SENDV, 7), 10);
    assert_int_equal(op.progress, 10);
    struct rn_vector many[VECTORS_MAX + 1] = {{0}};
    op = (struct rn_op){.arg.vector = {many, RN_COUNT(many)}};
    assert_int_equal(try(&op, RN_OP_SENDV, -EPIPE), -EPIPE);
    assert_int_equal(made.vectors, VECTORS_MAX);
}

static void a_file_is_sent_in_steps(void **state)
{
    (void)state;
    struct rn_op op = {.arg.file = {1000, SENDFILE_MAX + 5, 9}};
    assert_int_equal(try(&op, RN_OP_SENDFILE, SENDFILE_MAX), RN_AGAIN);
    assert_int_equal(made.a[0], FD);
    assert_int_equal(made.a[1], 9);
    assert_int_equal(made.offset, 1000);
    assert_int_equal(made.a[3], SENDFILE_MAX);
    assert_int_equal(try(&op, RN_OP_SENDFILE, 2), RN_AGAIN);
    assert_int_equal(made.offset, 1000 + SENDFILE_MAX);
    assert_int_equal(made.a[3], 5);
    assert_int_equal(try(&op, RN_OP_SENDFILE, 0), SENDFILE_MAX + 2); /* the file ended first */
}

static void what_waits_and_what_does_not(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        long error;
        int64_t result;
    } cases[] = {
        {RN_OP_CONNECT, -EINPROGRESS, RN_WAIT}, {RN_OP_CONNECT, -EALREADY, RN_WAIT},
        {RN_OP_CONNECT, -EAGAIN, -EAGAIN},      {RN_OP_CONNECT, -ECONNREFUSED, -ECONNREFUSED},
        {RN_OP_ACCEPT, -EAGAIN, RN_WAIT},       {RN_OP_ACCEPT, -ECONNABORTED, RN_AGAIN},
        {RN_OP_ACCEPT, -EPROTO, RN_AGAIN},      {RN_OP_ACCEPT, -EMFILE, -EMFILE},
        {RN_OP_RECV, -EAGAIN, RN_WAIT},         {RN_OP_RECV, -ECONNRESET, -ECONNRESET},
        {RN_OP_RECVFROM, -EAGAIN, RN_WAIT},     {RN_OP_SENDTO, -EAGAIN, RN_WAIT},
        {RN_OP_READ, -EAGAIN, RN_WAIT},         {RN_OP_WRITE, -EPIPE, -EPIPE},
        {RN_OP_OPEN, -ENOENT, -ENOENT},         {RN_OP_SHUTDOWN, -ENOTCONN, -ENOTCONN},
        {RN_OP_CLOSE, 0, 0},                    {RN_OP_POLL, 0, RN_WAIT},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_op op = {.arg.memory.offset = -1};
        assert_int_equal(try(&op, cases[i].code, cases[i].error), cases[i].result);
        assert_int_equal(made.nr, rn_attempts[cases[i].code].nr);
        assert_int_equal(pool.used, 0);
    }
    struct rn_op nothing = {0};
    unsigned before = made.calls;
    assert_int_equal(try(&nothing, RN_OP_NOP, -EIO), 0);
    assert_int_equal(made.calls, before);
}

static void receives_take_a_buffer(void **state)
{
    (void)state;
    struct rn_op op = {0};
    assert_int_equal(try(&op, RN_OP_RECV, 0), 0); /* the end has none */
    assert_null(op.buf);
    assert_int_equal(try(&op, RN_OP_RECV, 5), 5);
    struct rn_buf *buf = op.buf;
    assert_int_equal(buf->len, 5);
    unsigned before = made.calls;
    assert_int_equal(try(&op, RN_OP_RECV, 5), RN_STARVE);
    assert_int_equal(made.calls, before);
    rn_pool_put(&pool, buf);
    assert_int_equal(try(&op, RN_OP_RECVFROM, 0), 0); /* an empty datagram is one */
    assert_int_equal(op.buf->len, 0);
    rn_pool_put(&pool, op.buf);
}

static void exactly_as_much_as_asked(void **state)
{
    (void)state;
    char room[8];
    struct rn_op op = {.arg.memory = {room, sizeof room, 0}};
    assert_int_equal(try(&op, RN_OP_RECV_INTO, 3), 3);
    op = (struct rn_op){.flags = RN_OP_ALL, .arg.memory = {room, sizeof room, 0}};
    assert_int_equal(try(&op, RN_OP_RECV_INTO, 3), RN_AGAIN);
    assert_int_equal(made.a[2], 8);
    assert_int_equal(try(&op, RN_OP_RECV_INTO, 4), RN_AGAIN);
    assert_int_equal(made.a[2], 5);
    assert_int_equal(try(&op, RN_OP_RECV_INTO, 0), 7);
}

static void reads_with_and_without_a_place(void **state)
{
    (void)state;
    char room[8];
    struct rn_op op = {.arg.memory = {room, sizeof room, 4096}};
    assert_int_equal(try(&op, RN_OP_READ, 8), 8);
    assert_int_equal(made.nr, RN_NR_PREAD64);
    assert_int_equal(made.a[3], 4096);
    op.arg.memory.offset = -1;
    assert_int_equal(try(&op, RN_OP_WRITE, 2), 2); /* one call, one result */
    assert_int_equal(made.nr, RN_NR_WRITE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_send_goes_on_behind_what_is_sent), TEST(vectors_are_consumed),
        TEST(a_file_is_sent_in_steps),            TEST(what_waits_and_what_does_not),
        TEST(receives_take_a_buffer),             TEST(exactly_as_much_as_asked),
        TEST(reads_with_and_without_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
