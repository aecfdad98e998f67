/*
 * The awaitable calls on streams, over TCP, IPv6 and Unix sockets, on each backend.
 */
#include "net_bed.h"

#include <signal.h>

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 131 ^ at >> 8 ^ at >> 16);
}

static rn_ns soon(struct rn_cx *cx)
{
    return rn_after(cx, 40 * RN_SECOND); /* longer than a test may take */
}

/* ---- An echo between two tasks ----------------------------------------------------------- */

enum { ECHO_BYTES = 1 << 20 };

struct echo {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_stream stream;
    int listener;
    struct rn_buf *buf;
    size_t bytes;
    bool over;
};

static enum rn_poll serve_echo(struct rn_task *task, struct rn_cx *cx)
{
    struct echo *echo = rn_container_of(task, struct echo, task);
    struct rn_op *op = &echo->op;
    RN_BEGIN(&echo->co);
    rn_accept(echo->listener, op, cx, soon(cx));
    RN_AWAIT(&echo->co, op, cx);
    assert_true(op->result >= 0);
    echo->stream = rn_stream_of(cx->worker, (int)op->result);
    for (;;) {
        rn_stream_recv(echo->stream, op, cx, soon(cx));
        RN_AWAIT(&echo->co, op, cx);
        assert_true(op->result >= 0);
        if (op->result == 0) break;
        assert_int_equal(op->result, op->buf->len);
        echo->bytes += op->buf->len;
        echo->buf = op->buf;
        rn_stream_write_all(echo->stream, op, cx, echo->buf->data + echo->buf->at, echo->buf->len,
                            soon(cx));
        RN_AWAIT(&echo->co, op, cx);
        assert_int_equal(op->result, echo->buf->len);
        rn_pool_put(rn_worker_pool(cx->worker), echo->buf);
    }
    assert_null(op->buf);
    rn_stream_close(echo->stream, op, cx);
    RN_AWAIT(&echo->co, op, cx);
    assert_int_equal(op->result, 0);
    echo->over = true;
    RN_END(&echo->co);
}

/* One task reads while the other writes: a stream has two directions. */
struct client {
    struct rn_task writer, reader;
    rn_co writer_co, reader_co;
    struct rn_op write, read;
    rn_stream stream;
    struct rn_address address;
    uint8_t *out, *in;
    struct rn_join connected;
    bool over;
};

static enum rn_poll write_client(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, writer);
    struct rn_op *op = &client->write;
    RN_BEGIN(&client->writer_co);
    rn_stream_connect(client->stream, op, cx, &client->address, soon(cx));
    RN_AWAIT(&client->writer_co, op, cx);
    assert_int_equal(op->result, 0);
    assert_int_equal(rn_spawn(cx->worker, &client->reader), 0);
    rn_stream_write_all(client->stream, op, cx, client->out, ECHO_BYTES, soon(cx));
    RN_AWAIT(&client->writer_co, op, cx);
    assert_int_equal(op->result, ECHO_BYTES);
    rn_stream_shutdown(client->stream, op, cx, SHUT_WR);
    RN_AWAIT(&client->writer_co, op, cx);
    assert_int_equal(op->result, 0);
    RN_END(&client->writer_co);
}

static enum rn_poll read_client(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, reader);
    struct rn_op *op = &client->read;
    RN_BEGIN(&client->reader_co);
    rn_stream_read_exact(client->stream, op, cx, client->in, ECHO_BYTES, soon(cx));
    RN_AWAIT(&client->reader_co, op, cx);
    assert_int_equal(op->result, ECHO_BYTES);
    rn_stream_read(client->stream, op, cx, client->in, 1, soon(cx));
    RN_AWAIT(&client->reader_co, op, cx);
    assert_int_equal(op->result, 0); /* the server has closed */
    rn_stream_close(client->stream, op, cx);
    RN_AWAIT(&client->reader_co, op, cx);
    assert_int_equal(op->result, 0);
    client->over = true;
    RN_END(&client->reader_co);
}

static void echo_over(const char *name)
{
    const struct rn_listen_options options = {.backlog = 8};
    struct rn_address address;
    assert_int_equal(rn_address_parse(&address, name, 0), 0);
    int listener = rn_listen(&address, &options);
    if (listener == -EADDRNOTAVAIL || listener == -EAFNOSUPPORT) return; /* no IPv6 here */
    assert_true(listener >= 0);
    assert_int_equal(rn_local_address(listener, &address), 0);
    struct echo echo = {.task.poll = serve_echo, .listener = listener};
    struct client client = {.writer.poll = write_client, .reader.poll = read_client,
                            .address = address};
    client.out = malloc(ECHO_BYTES);
    client.in = malloc(ECHO_BYTES);
    for (size_t i = 0; i < ECHO_BYTES; i++) client.out[i] = pattern(i);
    assert_int_equal(rn_stream_open(&client.stream, net_worker, rn_address_family(&address)), 0);
    assert_int_equal(rn_spawn(net_worker, &echo.task), 0);
    assert_int_equal(rn_spawn(net_worker, &client.writer), 0);
    net_until(&echo.over);
    net_until(&client.over);
    assert_int_equal(echo.bytes, ECHO_BYTES);
    assert_memory_equal(client.in, client.out, ECHO_BYTES);
    assert_int_equal(fcntl(client.stream.fd, F_GETFD), -1);
    assert_int_equal(fcntl(echo.stream.fd, F_GETFD), -1);
    close(listener);
    free(client.in);
    free(client.out);
}

static void echo_everywhere(void)
{
    char path[64], name[80];
    echo_over("127.0.0.1:0");
    echo_over("[::1]:0");
    snprintf(path, sizeof path, "/tmp/runnel-stream-%d", (int)getpid());
    snprintf(name, sizeof name, "unix:%s", path);
    echo_over(name);
    unlink(path);
    snprintf(name, sizeof name, "unix:@runnel-stream-%d", (int)getpid());
    echo_over(name);
}

static void an_echo_brings_back_what_was_sent(void **state)
{
    (void)state;
    net_each(echo_everywhere);
}

/* ---- One call at a time ------------------------------------------------------------------ */

/* A task that makes one call, which `begin` starts, and takes its result. */
struct one {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_stream stream;
    void (*begin)(struct one *one, struct rn_cx *cx);
    void *memory;
    size_t len;
    struct rn_address address;
    rn_ns wait;
    rn_waker waker;
    bool over;
};

static enum rn_poll make_one(struct rn_task *task, struct rn_cx *cx)
{
    struct one *one = rn_container_of(task, struct one, task);
    RN_BEGIN(&one->co);
    one->waker = cx->waker;
    one->begin(one, cx);
    RN_AWAIT(&one->co, &one->op, cx);
    task->result = one->op.result;
    one->over = true;
    RN_END(&one->co);
}

static void spawn_one(struct one *one)
{
    one->task.poll = make_one;
    one->co.line = 0;
    one->over = false;
    one->stream.worker = net_worker;
    if (!one->wait) one->wait = 40 * RN_SECOND;
    assert_int_equal(rn_spawn(net_worker, &one->task), 0);
    net_turn_quickly();
}

static int64_t run_one(struct one *one)
{
    spawn_one(one);
    net_until(&one->over);
    return one->task.result;
}

static void begin_recv(struct one *one, struct rn_cx *cx)
{
    rn_stream_recv(one->stream, &one->op, cx, rn_after(cx, one->wait));
}

static void begin_read(struct one *one, struct rn_cx *cx)
{
    rn_stream_read(one->stream, &one->op, cx, one->memory, one->len, rn_after(cx, one->wait));
}

static void begin_read_exact(struct one *one, struct rn_cx *cx)
{
    rn_stream_read_exact(one->stream, &one->op, cx, one->memory, one->len,
                         rn_after(cx, one->wait));
}

static void begin_write(struct one *one, struct rn_cx *cx)
{
    rn_stream_write_all(one->stream, &one->op, cx, one->memory, one->len,
                        rn_after(cx, one->wait));
}

static void begin_write_some(struct one *one, struct rn_cx *cx)
{
    rn_stream_write(one->stream, &one->op, cx, one->memory, one->len, rn_after(cx, one->wait));
}

static void begin_connect(struct one *one, struct rn_cx *cx)
{
    rn_stream_connect(one->stream, &one->op, cx, &one->address, rn_after(cx, one->wait));
}

static void begin_close(struct one *one, struct rn_cx *cx)
{
    rn_stream_close(one->stream, &one->op, cx);
}

static void close_stream(int fd)
{
    struct one one = {.stream.fd = fd, .begin = begin_close};
    assert_int_equal(run_one(&one), 0);
}

static void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void reads(void)
{
    int fds[2];
    char memory[64];
    make_pair(fds);
    struct one one = {.stream.fd = fds[0], .begin = begin_read, .memory = memory, .len = 64};
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(run_one(&one), 3); /* what is there */
    assert_memory_equal(memory, "abc", 3);
    one.begin = begin_read_exact;
    one.len = 0;
    assert_int_equal(run_one(&one), 0); /* nothing has to come for that */
    one.len = 10;
    assert_int_equal(write(fds[1], "0123", 4), 4);
    spawn_one(&one);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    assert_false(one.over);
    assert_int_equal(write(fds[1], "456", 3), 3);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    assert_false(one.over);
    assert_int_equal(write(fds[1], "789xyz", 6), 6);
    net_until(&one.over);
    assert_int_equal(one.task.result, 10);
    assert_memory_equal(memory, "0123456789", 10);
    spawn_one(&one); /* fewer only at the end */
    close(fds[1]);
    net_until(&one.over);
    assert_int_equal(one.task.result, 3);
    assert_memory_equal(memory, "xyz", 3);
    assert_int_equal(run_one(&one), 0);
    one.begin = begin_recv;
    assert_int_equal(run_one(&one), 0);
    assert_null(one.op.buf);
    close_stream(fds[0]);
}

static void reads_take_some_or_exactly(void **state)
{
    (void)state;
    net_each(reads);
}

enum { LARGE = 4 << 20 };

static size_t drain(int fd, size_t at, size_t most)
{
    uint8_t bytes[8192];
    size_t start = at;
    ssize_t got;
    while (at - start < most && (got = read(fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < got; i++) assert_int_equal(bytes[i], pattern(at++));
    return at - start;
}

static uint8_t large[LARGE];

static void writes(void)
{
    int fds[2];
    size_t taken = 0;
    make_pair(fds);
    for (size_t i = 0; i < LARGE; i++) large[i] = pattern(i);
    struct one one = {.stream.fd = fds[0], .begin = begin_write, .memory = large, .len = LARGE};
    spawn_one(&one);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    assert_false(one.over);
    taken += drain(fds[1], taken, 100000);
    /* How far it has come shows while it goes on: a driver tells a slow peer from a dead one so. */
    while (!one.op.progress) net_turn_quickly();
    assert_false(one.over);
    assert_in_range(one.op.progress, 1, LARGE - 1);
    while (!one.over) {
        taken += drain(fds[1], taken, 50000);
        net_turn_quickly();
    }
    assert_int_equal(one.task.result, LARGE);
    taken += drain(fds[1], taken, LARGE);
    assert_int_equal(taken, LARGE);
    close_stream(fds[0]);
    close(fds[1]);
}

static void a_write_takes_as_long_as_its_reader(void **state)
{
    (void)state;
    net_each(writes);
}

static void writes_some(void)
{
    int fds[2];
    make_pair(fds);
    struct one one = {.stream.fd = fds[0], .begin = begin_write_some, .memory = large,
                      .len = LARGE};
    int64_t sent = run_one(&one);
    assert_in_range(sent, 1, LARGE - 1); /* what the socket holds, and that's that */
    one.memory = large + sent;
    spawn_one(&one);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    assert_false(one.over);
    size_t taken = drain(fds[1], 0, LARGE);
    assert_int_equal(taken, sent);
    net_until(&one.over);
    assert_in_range(one.task.result, 1, LARGE - sent);
    assert_int_equal(drain(fds[1], taken, LARGE), one.task.result);
    one.wait = 5 * RN_MILLISECOND;
    while (run_one(&one) > 0) continue;
    assert_int_equal(one.task.result, -ETIMEDOUT);
    close(fds[1]);
    assert_int_equal(run_one(&one), -EPIPE);
    close_stream(fds[0]);
}

static void a_write_of_some_ends_when_the_socket_is_full(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    net_each(writes_some);
}

static void losses(void)
{
    int fds[2];
    make_pair(fds);
    struct one one = {.stream.fd = fds[0], .begin = begin_write, .memory = large, .len = LARGE};
    spawn_one(&one);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    close(fds[1]);
    net_until(&one.over);
    assert_true(one.task.result == -EPIPE || one.task.result == -ECONNRESET);
    assert_in_range(one.op.progress, 1, LARGE - 1);
    assert_true(run_one(&one) < 0);
    close_stream(fds[0]);
}

static void a_lost_peer_ends_a_write(void **state)
{
    (void)state;
    net_each(losses);
}

/* Nothing comes, so the deadline does: that it takes longer on a slow machine changes nothing. */
static void deadlines(void)
{
    int fds[2];
    char memory[8];
    make_pair(fds);
    struct one one = {.stream.fd = fds[0], .begin = begin_recv, .memory = memory, .len = 8,
                      .wait = 5 * RN_MILLISECOND};
    assert_int_equal(run_one(&one), -ETIMEDOUT);
    assert_null(one.op.buf);
    one.begin = begin_read;
    assert_int_equal(run_one(&one), -ETIMEDOUT);
    one.begin = begin_read_exact;
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(run_one(&one), -ETIMEDOUT);
    assert_int_equal(one.op.progress, 3);
    assert_memory_equal(memory, "abc", 3);
    one.begin = begin_write;
    one.memory = large;
    one.len = LARGE;
    assert_int_equal(run_one(&one), -ETIMEDOUT);
    assert_in_range(one.op.progress, 1, LARGE - 1);
    close_stream(fds[0]);
    close(fds[1]);
}

static void a_deadline_ends_each_call(void **state)
{
    (void)state;
    net_each(deadlines);
}

static void cancellations(void)
{
    int fds[2];
    char memory[8];
    make_pair(fds);
    struct one one = {.stream.fd = fds[0], .begin = begin_recv, .memory = memory, .len = 8};
    for (int i = 0; i < 3; i++) {
        one.begin = i == 0 ? begin_recv : i == 1 ? begin_read : begin_read_exact;
        spawn_one(&one);
        net_turn_quickly();
        assert_false(one.over);
        rn_task_cancel(one.waker);
        net_until(&one.over);
        assert_int_equal(one.task.result, -ECANCELED);
    }
    /* The stream is as it was: what comes now is read. */
    assert_int_equal(write(fds[1], "abc", 3), 3);
    one.begin = begin_read;
    assert_int_equal(run_one(&one), 3);
    assert_memory_equal(memory, "abc", 3);
    close_stream(fds[0]);
    close(fds[1]);
}

static void a_cancelled_call_leaves_the_stream_as_it_was(void **state)
{
    (void)state;
    net_each(cancellations);
}

static void refusals(void)
{
    struct one one = {.begin = begin_connect};
    /* A port that was ours a moment ago. */
    struct rn_address address;
    const struct rn_listen_options options = {.backlog = 1};
    assert_int_equal(rn_address_parse(&address, "127.0.0.1:0", 0), 0);
    int fd = rn_listen(&address, &options);
    assert_int_equal(rn_local_address(fd, &one.address), 0);
    close(fd);
    assert_int_equal(rn_stream_open(&one.stream, net_worker, RN_IP4), 0);
    assert_int_equal(run_one(&one), -ECONNREFUSED);
    close_stream(one.stream.fd);
    assert_int_equal(rn_address_parse(&one.address, "unix:/nonexistent/s", 0), 0);
    assert_int_equal(rn_stream_open(&one.stream, net_worker, RN_UNIX), 0);
    assert_int_equal(run_one(&one), -ENOENT);
    close_stream(one.stream.fd);
}

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    net_each(refusals);
}

static void opens(void)
{
    rn_stream stream = {NULL, -7};
    int value = 0;
    assert_int_equal(rn_stream_open(&stream, net_worker, (enum rn_family)77), -EAFNOSUPPORT);
    assert_int_equal(stream.fd, -7);
    static const enum rn_family families[] = {RN_IP4, RN_UNIX};
    for (size_t i = 0; i < RN_COUNT(families); i++) {
        assert_int_equal(rn_stream_open(&stream, net_worker, families[i]), 0);
        assert_ptr_equal(stream.worker, net_worker);
        assert_true(fcntl(stream.fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(stream.fd, F_GETFD) & FD_CLOEXEC);
        int result = rn_socket_get(stream.fd, RN_SOCKET_NODELAY, &value);
        assert_int_equal(result, families[i] == RN_UNIX ? -EOPNOTSUPP : 0);
        close_stream(stream.fd);
    }
    assert_int_equal(value, 1);
}

static void a_stream_is_opened_ready_for_use(void **state)
{
    (void)state;
    net_each(opens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_brings_back_what_was_sent),
        cmocka_unit_test(reads_take_some_or_exactly),
        cmocka_unit_test(a_write_takes_as_long_as_its_reader),
        cmocka_unit_test(a_write_of_some_ends_when_the_socket_is_full),
        cmocka_unit_test(a_lost_peer_ends_a_write),
        cmocka_unit_test(a_deadline_ends_each_call),
        cmocka_unit_test(a_cancelled_call_leaves_the_stream_as_it_was),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(a_stream_is_opened_ready_for_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
