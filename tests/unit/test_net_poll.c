/*
 * The poll style of sockets, on each backend: connections, datagrams, interest that is dropped or
 * taken over by another task, and what ends a wait.
 */
#include "net_bed.h"

#include <poll.h>

/* A task that asks one thing until it is ready. */
struct ask {
    struct rn_task task;
    enum rn_poll (*what)(struct ask *ask, struct rn_cx *cx);
    struct rn_io *io;
    void *memory;
    size_t len;
    struct rn_address *address;
    uint32_t events;
    bool truncated;
    unsigned polls;
    int64_t result;
    rn_waker waker;
    bool over;
};

static enum rn_poll run_ask(struct rn_task *task, struct rn_cx *cx)
{
    struct ask *ask = rn_container_of(task, struct ask, task);
    ask->waker = cx->waker;
    ask->polls++;
    if (ask->what(ask, cx) == RN_PENDING) return RN_PENDING;
    ask->over = true;
    return RN_READY;
}

static enum rn_poll ask_connect(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_connect(ask->io, cx, ask->address, &ask->result);
}

static enum rn_poll ask_accept(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_accept(ask->io, cx, ask->address, &ask->result);
}

static enum rn_poll ask_read(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_read(ask->io, cx, ask->memory, ask->len, &ask->result);
}

static enum rn_poll ask_write(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_write(ask->io, cx, ask->memory, ask->len, &ask->result);
}

static enum rn_poll ask_ready(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_ready(ask->io, cx, ask->events, &ask->result);
}

static enum rn_poll ask_receive(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_recv_from(ask->io, cx, ask->memory, ask->len, ask->address, &ask->truncated,
                                &ask->result);
}

static enum rn_poll ask_send(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_send_to(ask->io, cx, ask->memory, ask->len, ask->address, &ask->result);
}

static enum rn_poll ask_shutdown(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_shutdown(ask->io, cx, &ask->result);
}

static enum rn_poll ask_flush(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_flush(ask->io, cx, &ask->result);
}

static enum rn_poll ask_close(struct ask *ask, struct rn_cx *cx)
{
    return rn_io_poll_close(ask->io, cx, &ask->result);
}

static void spawn_ask(struct ask *ask)
{
    ask->task.poll = run_ask;
    ask->over = false;
    ask->polls = 0;
    assert_int_equal(rn_spawn(net_worker, &ask->task), 0);
    net_turn_quickly();
}

static int64_t finish_ask(struct ask *ask)
{
    net_until(&ask->over);
    return ask->result;
}

static int64_t run_one(struct ask *ask)
{
    spawn_ask(ask);
    return finish_ask(ask);
}

static void close_io(struct rn_io *io)
{
    struct ask ask = {.what = ask_close, .io = io};
    int fd = io->fd;
    assert_int_equal(run_one(&ask), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(io->fd, -1);
    assert_int_equal(run_one(&ask), 0); /* there is nothing left to do */
}

static void make_pair(struct rn_io *a, struct rn_io *b, int type)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
    *a = (struct rn_io){.worker = net_worker, .fd = fds[0]};
    *b = (struct rn_io){.worker = net_worker, .fd = fds[1]};
}

/* ---- A connection ---------------------------------------------------------------------------- */

enum { LARGE = 3 << 20, PIECE = 50001 };

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 131 ^ at >> 8 ^ at >> 16);
}

/* Writes and reads LARGE bytes at once: each task asks for its side of the one socket. */
struct talk {
    struct rn_task writer, reader;
    struct rn_io *io;
    uint8_t *out;
    size_t sent, received;
    bool wrote, over;
};

static enum rn_poll run_writer(struct rn_task *task, struct rn_cx *cx)
{
    struct talk *talk = rn_container_of(task, struct talk, writer);
    int64_t result;
    while (talk->sent < LARGE) {
        size_t len = LARGE - talk->sent < PIECE ? LARGE - talk->sent : PIECE;
        if (rn_io_poll_write(talk->io, cx, talk->out + talk->sent, len, &result) == RN_PENDING)
            return RN_PENDING;
        assert_in_range(result, 1, len);
        talk->sent += (size_t)result;
    }
    if (rn_io_poll_flush(talk->io, cx, &result) == RN_PENDING) return RN_PENDING;
    assert_int_equal(result, 0);
    if (rn_io_poll_shutdown(talk->io, cx, &result) == RN_PENDING) return RN_PENDING;
    assert_int_equal(result, 0);
    talk->wrote = true;
    return RN_READY;
}

static enum rn_poll run_reader(struct rn_task *task, struct rn_cx *cx)
{
    static uint8_t in[PIECE];
    struct talk *talk = rn_container_of(task, struct talk, reader);
    int64_t result;
    for (;;) {
        if (rn_io_poll_read(talk->io, cx, in, sizeof in, &result) == RN_PENDING)
            return RN_PENDING;
        if (result == 0) break;
        assert_in_range(result, 1, sizeof in);
        for (int64_t i = 0; i < result; i++)
            if (in[i] != pattern(talk->received + (size_t)i)) fail_msg("a byte is wrong");
        talk->received += (size_t)result;
    }
    assert_int_equal(talk->received, LARGE);
    talk->over = true;
    return RN_READY;
}

static void talk_over(const char *name)
{
    const struct rn_listen_options options = {.backlog = 4};
    struct rn_address address, from = {.len = 7}, local;
    assert_int_equal(rn_address_parse(&address, name, 0), 0);
    int fd = rn_listen(&address, &options);
    if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT) return; /* no IPv6 here */
    assert_int_equal(rn_local_address(fd, &address), 0);
    struct rn_io listener = {.worker = net_worker, .fd = fd};
    struct ask accepts = {.what = ask_accept, .io = &listener, .address = &from};
    spawn_ask(&accepts);
    assert_false(accepts.over);
    assert_int_equal(from.len, 7); /* nothing is written before there is something */
    rn_stream stream;
    assert_int_equal(rn_stream_open(&stream, net_worker, rn_address_family(&address)), 0);
    struct rn_io a = {.worker = net_worker, .fd = stream.fd}, b = {.worker = net_worker};
    struct ask connects = {.what = ask_connect, .io = &a, .address = &address};
    assert_int_equal(run_one(&connects), 0);
    b.fd = (int)finish_ask(&accepts);
    assert_true(fcntl(b.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(b.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(rn_local_address(a.fd, &local), 0);
    if (rn_address_family(&address) != RN_UNIX) assert_true(rn_address_equal(&local, &from));
    assert_int_equal(run_one(&connects), -EISCONN);

    uint8_t *out = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) out[i] = pattern(i);
    struct talk talks[2] = {{.io = &a}, {.io = &b}};
    for (unsigned i = 0; i < 2; i++) {
        talks[i].writer.poll = run_writer;
        talks[i].reader.poll = run_reader;
        talks[i].out = out;
        assert_int_equal(rn_spawn(net_worker, &talks[i].writer), 0);
        assert_int_equal(rn_spawn(net_worker, &talks[i].reader), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        net_until(&talks[i].over);
        net_until(&talks[i].wrote);
    }
    free(out);
    close_io(&a);
    close_io(&b);
    close_io(&listener);
}

static void talk(void)
{
    talk_over("127.0.0.1:0");
    talk_over("[::1]:0");
    talk_over(net_unix_name('a'));
}

static void both_directions_at_once(void **state)
{
    (void)state;
    net_each(talk);
}

static void refusals(void)
{
    struct rn_address address;
    rn_stream stream;
    /* A port that is bound, and nobody listens on. */
    const struct rn_listen_options bound = {.backlog = -1};
    assert_int_equal(rn_address_parse(&address, "127.0.0.1:0", 0), 0);
    int fd = rn_listen(&address, &bound);
    assert_int_equal(rn_local_address(fd, &address), 0);
    assert_int_equal(rn_stream_open(&stream, net_worker, RN_IP4), 0);
    struct rn_io io = {.worker = net_worker, .fd = stream.fd};
    struct ask ask = {.what = ask_connect, .io = &io, .address = &address};
    assert_int_equal(run_one(&ask), -ECONNREFUSED);
    close(fd);
    ask.what = ask_read;
    assert_int_equal(run_one(&ask), -ENOTCONN);
    ask.what = ask_accept;
    assert_int_equal(run_one(&ask), -EINVAL);
    ask.what = ask_shutdown;
    assert_int_equal(run_one(&ask), -ENOTCONN);
    ask.what = ask_flush;
    assert_int_equal(run_one(&ask), 0);
    close_io(&io);
    io.fd = 1 << 19;
    ask = (struct ask){.what = ask_ready, .io = &io, .events = POLLIN};
    assert_int_equal(run_one(&ask), -EBADF);
    ask.what = ask_read;
    assert_int_equal(run_one(&ask), -EBADF);
    ask.what = ask_close;
    assert_int_equal(run_one(&ask), -EBADF);
}

static void errors_are_results(void **state)
{
    (void)state;
    net_each(refusals);
}

/* ---- Interest -------------------------------------------------------------------------------- */

static void drop(void)
{
    struct rn_io a, b;
    char first[4] = "", second[4] = "";
    make_pair(&a, &b, SOCK_STREAM);
    struct ask one = {.what = ask_read, .io = &a, .memory = first, .len = 3};
    struct ask two = {.what = ask_read, .io = &a, .memory = second, .len = 3};
    spawn_ask(&one);
    assert_false(one.over);
    /* The first loses interest: from here on it is the second that is told. */
    spawn_ask(&two);
    assert_false(two.over);
    assert_int_equal(write(b.fd, "abc", 3), 3);
    assert_int_equal(finish_ask(&two), 3);
    assert_memory_equal(second, "abc", 3);
    assert_int_equal(one.polls, 1);
    /* And takes it up again. */
    rn_wake(one.waker);
    net_turn_quickly();
    assert_int_equal(one.polls, 2);
    assert_int_equal(write(b.fd, "def", 3), 3);
    assert_int_equal(finish_ask(&one), 3);
    assert_memory_equal(first, "def", 3);
    close_io(&a);
    close_io(&b);
}

static void interest_goes_to_who_asked_last(void **state)
{
    (void)state;
    net_each(drop);
}

/* What was asked for first isn't there, what is asked for now is. */
static void change(void)
{
    struct rn_io a, b;
    make_pair(&a, &b, SOCK_STREAM);
    struct ask ask = {.what = ask_ready, .io = &a, .events = POLLPRI};
    spawn_ask(&ask);
    assert_false(ask.over);
    ask.events = POLLIN | POLLRDHUP;
    rn_wake(ask.waker);
    net_turn_quickly();
    assert_int_equal(write(b.fd, "x", 1), 1);
    assert_int_equal(finish_ask(&ask), POLLIN);
    ask.events = POLLIN | POLLOUT;
    assert_int_equal(run_one(&ask), POLLIN | POLLOUT);
    /* Both sides of a socket that is full and empty: whichever comes first. */
    char bytes[4096] = {0};
    assert_int_equal(read(a.fd, bytes, sizeof bytes), 1);
    while (write(a.fd, bytes, sizeof bytes) > 0) continue;
    for (unsigned round = 0; round < 2; round++) {
        spawn_ask(&ask);
        assert_false(ask.over);
        if (round == 0) assert_int_equal(write(b.fd, "y", 1), 1);
        else while (read(b.fd, bytes, sizeof bytes) > 0) continue;
        assert_int_equal(finish_ask(&ask), round == 0 ? POLLIN : POLLOUT);
        if (round == 0) assert_int_equal(read(a.fd, bytes, sizeof bytes), 1);
    }
    close_io(&b);
    ask.events = POLLIN;
    assert_true(run_one(&ask) & POLLHUP);
    close_io(&a);
}

static void what_is_waited_for_may_change(void **state)
{
    (void)state;
    net_each(change);
}

static void cancels(void)
{
    struct rn_io a, b;
    char bytes[4096] = {0};
    make_pair(&a, &b, SOCK_STREAM);
    struct ask reads = {.what = ask_read, .io = &a, .memory = bytes, .len = sizeof bytes};
    struct ask writes = {.what = ask_write, .io = &a, .memory = bytes, .len = sizeof bytes};
    while (write(a.fd, bytes, sizeof bytes) > 0) continue;
    spawn_ask(&reads);
    spawn_ask(&writes);
    rn_task_cancel(reads.waker);
    rn_task_cancel(writes.waker);
    assert_int_equal(finish_ask(&reads), -ECANCELED);
    assert_int_equal(finish_ask(&writes), -ECANCELED);
    /* The socket isn't hurt, and what was in flight for them serves the next. */
    spawn_ask(&reads);
    assert_false(reads.over);
    assert_int_equal(write(b.fd, "still", 5), 5);
    assert_int_equal(finish_ask(&reads), 5);
    /* A task that was cancelled can close it, with both polls in flight. */
    spawn_ask(&reads);
    spawn_ask(&writes);
    rn_task_cancel(reads.waker);
    rn_task_cancel(writes.waker);
    finish_ask(&reads);
    finish_ask(&writes);
    struct ask closes = {.what = ask_close, .io = &a};
    closes.task.poll = run_ask;
    assert_int_equal(rn_spawn(net_worker, &closes.task), 0);
    rn_task_cancel(rn_task_waker(net_worker, &closes.task));
    assert_int_equal(finish_ask(&closes), 0);
    close_io(&b);
}

static void a_cancelled_task_waits_no_more(void **state)
{
    (void)state;
    net_each(cancels);
}

static void peers_go(void)
{
    struct rn_io a, b;
    char bytes[4096] = {0};
    make_pair(&a, &b, SOCK_STREAM);
    while (write(a.fd, bytes, sizeof bytes) > 0) continue;
    struct ask reads = {.what = ask_read, .io = &a, .memory = bytes, .len = sizeof bytes};
    struct ask writes = {.what = ask_write, .io = &a, .memory = bytes, .len = sizeof bytes};
    spawn_ask(&reads);
    spawn_ask(&writes);
    close(b.fd);
    int64_t result = finish_ask(&reads);
    assert_true(result == 0 || result == -ECONNRESET);
    assert_int_equal(finish_ask(&writes), -EPIPE);
    close_io(&a);
}

static void a_lost_peer_ends_both_waits(void **state)
{
    (void)state;
    net_each(peers_go);
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

static bool bind_io(struct rn_io *io, const char *name, struct rn_address *address)
{
    rn_udp udp;
    assert_int_equal(rn_address_parse(address, name, 0), 0);
    int result = rn_udp_bind(&udp, net_worker, address, false);
    if (result == -EADDRNOTAVAIL || result == -EAFNOSUPPORT) return false;
    assert_int_equal(result, 0);
    assert_int_equal(rn_local_address(udp.fd, address), 0);
    *io = (struct rn_io){.worker = net_worker, .fd = udp.fd};
    return true;
}

static void datagrams_over(const char *name_a, const char *name_b)
{
    struct rn_io a, b;
    struct rn_address at_a, at_b, from = {.len = 7};
    char in[8];
    if (!bind_io(&a, name_a, &at_a)) return;
    assert_true(bind_io(&b, name_b, &at_b));
    struct ask receives = {.what = ask_receive, .io = &b, .memory = in, .len = sizeof in,
                           .address = &from};
    struct ask sends = {.what = ask_send, .io = &a, .memory = "0123456789", .len = 5,
                        .address = &at_b};
    spawn_ask(&receives);
    assert_false(receives.over);
    assert_int_equal(from.len, 7);
    assert_int_equal(run_one(&sends), 5);
    assert_int_equal(finish_ask(&receives), 5);
    assert_memory_equal(in, "01234", 5);
    assert_false(receives.truncated);
    assert_true(rn_address_equal(&from, &at_a));
    /* Empty, and too long: cut, and said so; the rest isn't there any more. */
    sends.len = 0;
    assert_int_equal(run_one(&sends), 0);
    assert_int_equal(run_one(&receives), 0);
    sends.len = 10;
    assert_int_equal(run_one(&sends), 10);
    assert_int_equal(run_one(&receives), 8);
    assert_true(receives.truncated);
    sends.len = 3;
    assert_int_equal(run_one(&sends), 3);
    receives.address = NULL;
    assert_int_equal(run_one(&receives), 3);
    assert_false(receives.truncated);
    assert_memory_equal(in, "012", 3);
    close_io(&a);
    close_io(&b);
}

static void datagrams(void)
{
    datagrams_over("127.0.0.1:0", "127.0.0.1:0");
    datagrams_over("[::1]:0", "[::1]:0");
    datagrams_over(net_unix_name('a'), net_unix_name('b'));
}

static void datagrams_have_a_sender(void **state)
{
    (void)state;
    net_each(datagrams);
}

static void full(void)
{
    struct rn_io a, b;
    struct rn_address at_a, at_b;
    char in[8];
    assert_true(bind_io(&a, net_unix_name('a'), &at_a));
    assert_true(bind_io(&b, net_unix_name('b'), &at_b));
    struct ask sends = {.what = ask_send, .io = &a, .memory = "x", .len = 1, .address = &at_b};
    unsigned count = 0;
    while (run_one(&sends) == 1) assert_true(++count < 100000);
    assert_int_equal(sends.result, -EAGAIN);
    /* Connected, it can wait. */
    rn_udp udp = {net_worker, a.fd};
    assert_int_equal(rn_udp_connect(udp, &at_b), 0);
    sends.address = NULL;
    spawn_ask(&sends);
    assert_false(sends.over);
    struct ask receives = {.what = ask_receive, .io = &b, .memory = in, .len = sizeof in};
    for (unsigned i = 0; i < count; i++) assert_int_equal(run_one(&receives), 1);
    assert_int_equal(finish_ask(&sends), 1);
    assert_int_equal(run_one(&receives), 1);
    close_io(&a);
    close_io(&b);
}

static void a_full_unix_queue_is_told_or_waited_for(void **state)
{
    (void)state;
    net_each(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_at_once),
        cmocka_unit_test(errors_are_results),
        cmocka_unit_test(interest_goes_to_who_asked_last),
        cmocka_unit_test(what_is_waited_for_may_change),
        cmocka_unit_test(a_cancelled_task_waits_no_more),
        cmocka_unit_test(a_lost_peer_ends_both_waits),
        cmocka_unit_test(datagrams_have_a_sender),
        cmocka_unit_test(a_full_unix_queue_is_told_or_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
