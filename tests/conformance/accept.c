/*
 * conformance/accept.c: connections begin: accept, connect, and what happens at the limit of
 * descriptors.
 */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

static int connected(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address->any, address->len), 0);
    return fd;
}

static void connect_init(struct call *call, struct bed *bed, const struct address *to)
{
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    call_init(call, bed, RN_OP_CONNECT, fd);
    call->op.arg.address.ptr = &to->any;
    call->op.arg.address.len = to->len;
}

/* Accepted descriptors, in an array. */
struct accepted {
    struct call call;
    int fds[64];
    unsigned count;
};

static void keep_accepted(struct call *call)
{
    struct accepted *all = rn_container_of(call, struct accepted, call);
    if (call->op.result >= 0) all->fds[all->count++] = (int)call->op.result;
}

static void accepted_init(struct accepted *all, struct bed *bed, int fd)
{
    call_init(&all->call, bed, RN_OP_ACCEPT, fd);
    all->call.op.flags = RN_OP_MULTISHOT;
    all->call.then = keep_accepted;
    all->count = 0;
}

static void accept_waits_for_a_connection(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct call call;
    int fd = listener(AF_INET, &address, 16);
    call_init(&call, bed, RN_OP_ACCEPT, fd);
    call_start(&call);
    bed_quiet(bed);
    int peer = connected(&address);
    int accepted = (int)call_wait(&call);
    assert_true(accepted >= 0);
    assert_int_equal(fcntl(accepted, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(accepted, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    op_close(bed, accepted);
    op_close(bed, fd);
    close(peer);
}

/* One op, one connection: the second stays in the backlog until it is asked for. */
static void accept_single_takes_one(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct call call;
    int fd = listener(AF_INET, &address, 16), peers[3];
    for (unsigned i = 0; i < 3; i++) peers[i] = connected(&address);
    for (unsigned i = 0; i < 3; i++) {
        call_init(&call, bed, RN_OP_ACCEPT, fd);
        int64_t accepted = call_run(&call);
        assert_true(accepted >= 0);
        assert_int_equal(call.completions, 1);
        bed_quiet(bed);
        op_close(bed, (int)accepted);
        close(peers[i]);
    }
    op_close(bed, fd);
}

static void accept_multishot_takes_all(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct accepted all;
    int fd = listener(AF_INET, &address, 64), peers[40];
    accepted_init(&all, bed, fd);
    call_start(&all.call);
    for (unsigned i = 0; i < 20; i++) {
        peers[i] = connected(&address);
        bed_count(bed, &all.count, i + 1);
    }
    for (unsigned i = 20; i < 40; i++) peers[i] = connected(&address);
    bed_count(bed, &all.count, 40);
    call_expect_cancelled(&all.call);
    for (unsigned i = 0; i < 40; i++) {
        put(peers[i], "x");
        char byte;
        assert_int_equal(op_receive(bed, all.fds[i], &byte, 1), 1);
        op_close(bed, all.fds[i]);
        close(peers[i]);
    }
    op_close(bed, fd);
}

/* A connection that was reset while it waited in the backlog is no reason to stop accepting. */
static void accept_survives_a_reset_in_the_backlog(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct accepted all;
    int fd = listener(AF_INET, &address, 16);
    reset(connected(&address));
    int peer = connected(&address);
    accepted_init(&all, bed, fd);
    call_start(&all.call);
    bed_settle(bed);
    assert_in_range(all.count, 1, 2);
    assert_false(all.call.done);
    call_expect_cancelled(&all.call);
    for (unsigned i = 0; i < all.count; i++) op_close(bed, all.fds[i]);
    op_close(bed, fd);
    close(peer);
}

static void accept_on_a_bad_descriptor(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    call_init(&call, bed, RN_OP_ACCEPT, -1);
    assert_int_equal(call_run(&call), -EBADF);
    call_init(&call, bed, RN_OP_ACCEPT, DESCRIPTORS - 1);
    assert_int_equal(call_run(&call), -EBADF);
    pipe_pair(fds);
    put(fds[1], "x");
    call_init(&call, bed, RN_OP_ACCEPT, fds[0]);
    assert_int_equal(call_run(&call), -ENOTSOCK);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void at_the_limit(struct bed *bed, int fd, const int *peers)
{
    struct rlimit limit, low;
    struct accepted all;
    accepted_init(&all, bed, fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    int next = dup(fd);
    assert_true(next >= 0);
    close(next);
    low.rlim_cur = (rlim_t)next + 2; /* room for two more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    call_start(&all.call);
    assert_int_equal(call_wait(&all.call), -EMFILE);
    assert_int_equal(all.count, 2);
    bed_quiet(bed);
    /* Started again it says the same, once. */
    assert_int_equal(call_run(&all.call), -EMFILE);
    assert_int_equal(all.count, 2);
    bed_quiet(bed);
    /* A descriptor was closed: one more comes in. */
    op_close(bed, all.fds[1]);
    all.count = 1;
    assert_int_equal(call_run(&all.call), -EMFILE);
    assert_int_equal(all.count, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    call_start(&all.call);
    bed_count(bed, &all.count, 5);
    call_expect_cancelled(&all.call);
    for (unsigned i = 0; i < all.count; i++) op_close(bed, all.fds[i]);
    for (unsigned i = 0; i < 6; i++) close(peers[i]);
}

/* Too many open files ends the op with the error: whoever started it waits and starts it again. The
 * connections stay in the backlog, and the loop doesn't spin. */
static void accept_without_descriptors(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    int fd = listener(AF_INET, &address, 16), peers[6];
    for (unsigned i = 0; i < 6; i++) peers[i] = connected(&address);
    at_the_limit(bed, fd, peers);
    op_close(bed, fd);
}

static void connect_and_exchange(struct bed *bed, int family)
{
    struct address address;
    struct call accept, connect;
    char text[8];
    int fd = listener(family, &address, 16);
    if (fd < 0) {
        print_message("no IPv6 here\n");
        skip();
    }
    call_init(&accept, bed, RN_OP_ACCEPT, fd);
    call_start(&accept);
    connect_init(&connect, bed, &address);
    assert_int_equal(call_run(&connect), 0);
    int accepted = (int)call_wait(&accept);
    assert_int_equal(op_send(bed, connect.op.fd, "ping", 4), 4);
    assert_int_equal(op_receive(bed, accepted, text, 4), 4);
    assert_memory_equal(text, "ping", 4);
    assert_int_equal(op_send(bed, accepted, "pong", 4), 4);
    assert_int_equal(op_receive(bed, connect.op.fd, text, 4), 4);
    assert_memory_equal(text, "pong", 4);
    op_close(bed, connect.op.fd);
    op_close(bed, accepted);
    op_close(bed, fd);
}

static void connect_ipv4(void **state)
{
    connect_and_exchange(bed_of(state), AF_INET);
}

static void connect_ipv6(void **state)
{
    connect_and_exchange(bed_of(state), AF_INET6);
}

static void connect_unix(void **state)
{
    connect_and_exchange(bed_of(state), AF_UNIX);
}

static void connect_refused(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct call call;
    int fd = bound(AF_INET, SOCK_STREAM, &address); /* bound but not listening */
    connect_init(&call, bed, &address);
    assert_int_equal(call_run(&call), -ECONNREFUSED);
    op_close(bed, call.op.fd);
    op_close(bed, fd);
}

static void connect_to_no_unix_socket(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    struct address address = {.un = {AF_UNIX, "/nonexistent/socket"}, .len = sizeof address.un};
    connect_init(&call, bed, &address);
    assert_int_equal(call_run(&call), -ENOENT);
    op_close(bed, call.op.fd);
}

/* Nothing announces that a Unix backlog has room again, so this is an answer, not a reason to wait.
 * */
static void connect_to_a_full_unix_backlog(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct call calls[2];
    int fd = listener(AF_UNIX, &address, 0);
    for (unsigned i = 0; i < 2; i++) connect_init(&calls[i], bed, &address);
    assert_int_equal(call_run(&calls[0]), 0);
    assert_int_equal(call_run(&calls[1]), -EAGAIN);
    for (unsigned i = 0; i < 2; i++) op_close(bed, calls[i].op.fd);
    op_close(bed, fd);
}

/* Connections that wait for their answer: the second fills the backlog of one, and TCP drops the
 * SYNs of the others, which send them again and again. */
static void connect_cancelled_while_it_waits(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address;
    struct call calls[6];
    unsigned waiting = 0;
    int fd = listener(AF_INET, &address, 0);
    for (unsigned i = 0; i < 6; i++) {
        connect_init(&calls[i], bed, &address);
        call_start(&calls[i]);
    }
    bed_settle(bed);
    for (unsigned i = 0; i < 6; i++) {
        waiting += !calls[i].done;
        if (!calls[i].done) call_expect_cancelled(&calls[i]);
        op_close(bed, calls[i].op.fd);
    }
    assert_true(waiting > 0);
    op_close(bed, fd);
}

const struct CMUnitTest accept_tests[] = {
    TEST(accept_waits_for_a_connection),
    TEST(accept_single_takes_one),
    TEST(accept_multishot_takes_all),
    TEST(accept_survives_a_reset_in_the_backlog),
    TEST(accept_on_a_bad_descriptor),
    TEST(accept_without_descriptors),
    TEST(connect_ipv4),
    TEST(connect_ipv6),
    TEST(connect_unix),
    TEST(connect_refused),
    TEST(connect_to_no_unix_socket),
    TEST(connect_to_a_full_unix_backlog),
    TEST(connect_cancelled_while_it_waits),
};
const size_t accept_tests_count = RN_COUNT(accept_tests);
