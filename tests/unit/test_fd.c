/*
 * The calls of runnel/socket.h: what each does and says, on threads and in fibers. What happens
 * when a descriptor is closed in use is in test_fd_close.c.
 */
#include "fd_bed.h"

#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

/* ---- Numbers --------------------------------------------------------------------------------- */

static void numbers_are_the_lowest_free(void **state)
{
    (void)state;
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = rn_fd_socket(AF_INET, SOCK_DGRAM, 0);
        assert_int_equal(fds[i], RN_FD_FIRST + i);
    }
    assert_int_equal(rn_fd_close(fds[1]), 0);
    assert_int_equal(rn_fd_close(fds[1]), -EBADF);
    assert_int_equal(rn_fd_close(fds[2]), 0);
    assert_int_equal(rn_fd_socket(AF_INET, SOCK_STREAM, 0), fds[1]);
    assert_int_equal(rn_fd_socket(AF_INET, SOCK_STREAM, 0), fds[2]);
    assert_int_equal(rn_fd_socket(AF_INET, SOCK_STREAM, 0), RN_FD_FIRST + 4);
    rn_fd_end();
    assert_int_equal(rn_fd_state(RN_FD_FIRST), -EBADF);
    assert_int_equal(rn_fd_socket(AF_INET, SOCK_STREAM, 0), RN_FD_FIRST);
    rn_fd_end();
    rn_fd_end();
}

static void the_table_has_an_end(void **state)
{
    (void)state;
    struct place place = loopback();
    assert_int_equal(rn_fd_setup(0), RN_E_MISUSE);
    assert_int_equal(rn_fd_setup(RN_FD_MAX + 1), RN_E_MISUSE);
    assert_int_equal(rn_fd_setup(3), 0);
    assert_int_equal(rn_fd_setup(3), RN_E_MISUSE);
    int listener = fd_listener(&place), client = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    int third = rn_fd_open("/dev/null", O_RDONLY, 0);
    assert_int_equal(third, 5);
    assert_int_equal(rn_fd_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
    assert_int_equal(rn_fd_open("/dev/null", O_RDONLY, 0), -EMFILE);
    assert_int_equal(rn_fd_connect(client, &place.any, place.len), 0);
    /* No connection is taken and lost for want of a number. */
    assert_int_equal(rn_fd_accept(listener, NULL, NULL, 0), -EMFILE);
    assert_int_equal(rn_fd_close(third), 0);
    assert_int_equal(rn_fd_accept(listener, NULL, NULL, 0), third);
    /* What failed has no number. */
    assert_int_equal(rn_fd_close(third), 0);
    assert_int_equal(rn_fd_open("/nonexistent", O_RDONLY, 0), -ENOENT);
    assert_int_equal(rn_fd_socket(99, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(rn_fd_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    assert_int_equal(rn_fd_state(third), -EBADF);
    rn_fd_end();
}

static int64_t wrong_numbers(void *unused)
{
    (void)unused;
    static const int wrong[] = {-1, INT32_MIN, 77, 1 << 20, INT32_MAX};
    struct place place = loopback();
    char byte;
    struct stat status;
    for (size_t i = 0; i < RN_COUNT(wrong); i++) {
        int fd = wrong[i];
        must(rn_fd_bind(fd, &place.any, place.len) == -EBADF);
        must(rn_fd_listen(fd, 1) == -EBADF);
        must(rn_fd_accept(fd, NULL, NULL, 0) == -EBADF);
        must(rn_fd_connect(fd, &place.any, place.len) == -EBADF);
        must(rn_fd_send(fd, "x", 1, 0) == -EBADF);
        must(rn_fd_recv(fd, &byte, 1, 0) == -EBADF);
        must(rn_fd_shutdown(fd, SHUT_RDWR) == -EBADF);
        must(rn_fd_getsockname(fd, &place.any, &place.len) == -EBADF);
        must(rn_fd_getpeername(fd, &place.any, &place.len) == -EBADF);
        must(rn_fd_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 4) == -EBADF);
        must(rn_fd_getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, &(uint32_t){4}) == -EBADF);
        must(rn_fd_state(fd) == -EBADF);
        must(rn_fd_close(fd) == -EBADF);
        must(rn_fd_fcntl(fd, F_GETFL, 0) == -EBADF);
        must(rn_fd_read(fd, &byte, 1) == -EBADF);
        must(rn_fd_write(fd, "x", 1) == -EBADF);
        must(rn_fd_lseek(fd, 0, SEEK_SET) == -EBADF);
        must(rn_fd_fstat(fd, &status) == -EBADF);
        /* poll(2) leaves out what is negative. */
        struct rn_pollfd poll = {.fd = fd, .events = POLLIN, .revents = 7};
        must(rn_fd_poll(&poll, 1, fd < 0 ? 1 : -1) == (fd >= 0));
        must(poll.revents == (fd >= 0 ? POLLNVAL : 0));
    }
    return 0;
}

static void what_is_no_descriptor_is_told(void **state)
{
    (void)state;
    fd_each(wrong_numbers);
}

/* ---- States and errors ----------------------------------------------------------------------- */

static int64_t states(void *unused)
{
    (void)unused;
    struct place place = loopback(), other = loopback();
    char byte;
    int fd = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    must(rn_fd_state(fd) == RN_FD_FRESH);
    must(rn_fd_send(fd, "x", 1, 0) == -ENOTCONN);
    must(rn_fd_recv(fd, &byte, 1, 0) == -ENOTCONN);
    must(rn_fd_accept(fd, NULL, NULL, 0) == -EINVAL);
    must(rn_fd_getpeername(fd, &other.any, &other.len) == -ENOTCONN);
    must(rn_fd_shutdown(fd, SHUT_WR) == -ENOTCONN);
    must(rn_fd_bind(fd, &place.any, place.len) == 0);
    must(rn_fd_state(fd) == RN_FD_BOUND);
    must(rn_fd_bind(fd, &place.any, place.len) == -EINVAL);
    must(rn_fd_getsockname(fd, &place.any, &place.len) == 0);
    must(place.in.sin_port != 0);
    must(rn_fd_listen(fd, 4) == 0);
    must(rn_fd_state(fd) == RN_FD_LISTENING);
    must(rn_fd_listen(fd, 8) == 0);
    must(rn_fd_connect(fd, &place.any, place.len) == -EISCONN);
    must(rn_fd_recv(fd, &byte, 1, 0) == -ENOTCONN);
    must(rn_fd_accept(fd, NULL, NULL, 1 << 20) == -EINVAL);
    int again = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    must(rn_fd_bind(again, &place.any, place.len) == -EADDRINUSE);
    must(rn_fd_connect(again, &place.any, place.len) == 0);
    must(rn_fd_state(again) == RN_FD_CONNECTED);
    must(rn_fd_connect(again, &place.any, place.len) == -EISCONN);
    must(rn_fd_listen(again, 1) == -EINVAL);
    must(rn_fd_accept(again, NULL, NULL, 0) == -EINVAL);
    other.len = sizeof other.in;
    int taken = rn_fd_accept(fd, &other.any, &other.len, SOCK_CLOEXEC);
    must(rn_fd_state(taken) == RN_FD_CONNECTED);
    struct place name = {.len = sizeof name.in};
    must(rn_fd_getsockname(again, &name.any, &name.len) == 0);
    must(name.in.sin_port == other.in.sin_port && name.len == other.len);
    must(rn_fd_getpeername(taken, &name.any, &name.len) == 0);
    must(name.in.sin_port == other.in.sin_port);
    must(rn_fd_close(fd) == 0 && rn_fd_close(taken) == 0 && rn_fd_close(again) == 0);
    /* Nobody listens there any more; the socket can try again. */
    fd = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    must(rn_fd_connect(fd, &place.any, place.len) == -ECONNREFUSED);
    must(rn_fd_state(fd) == RN_FD_FRESH);
    must(rn_fd_close(fd) == 0);
    return 0;
}

static void states_are_the_kernels(void **state)
{
    (void)state;
    fd_each(states);
}

static int64_t kinds(void *unused)
{
    (void)unused;
    char byte;
    struct place place = loopback();
    int file = rn_fd_open("/dev/null", O_RDWR, 0);
    must(rn_fd_state(file) == RN_FD_FILE);
    must(rn_fd_send(file, "x", 1, 0) == -ENOTSOCK);
    must(rn_fd_recv(file, &byte, 1, 0) == -ENOTSOCK);
    must(rn_fd_bind(file, &place.any, place.len) == -ENOTSOCK);
    must(rn_fd_listen(file, 1) == -ENOTSOCK);
    must(rn_fd_accept(file, NULL, NULL, 0) == -ENOTSOCK);
    must(rn_fd_connect(file, &place.any, place.len) == -ENOTSOCK);
    must(rn_fd_shutdown(file, SHUT_RD) == -ENOTSOCK);
    must(rn_fd_getsockname(file, &place.any, &place.len) == -ENOTSOCK);
    must(rn_fd_setsockopt(file, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 4) == -ENOTSOCK);
    must(rn_fd_close(file) == 0);
    int udp = rn_fd_socket(AF_INET, SOCK_DGRAM, 0);
    must(rn_fd_listen(udp, 1) == -EOPNOTSUPP);
    must(rn_fd_accept(udp, NULL, NULL, 0) == -EOPNOTSUPP);
    must(rn_fd_send(udp, "x", 1, 0) == -EDESTADDRREQ);
    must(rn_fd_lseek(udp, 0, SEEK_SET) == -ESPIPE);
    must(rn_fd_fcntl(udp, 12345, 0) == -EINVAL);
    must(rn_fd_setsockopt(udp, SOL_SOCKET, 12345, &(int){1}, 4) == -ENOPROTOOPT);
    must(rn_fd_close(udp) == 0);
    return 0;
}

static void sockets_and_files_are_told_apart(void **state)
{
    (void)state;
    fd_each(kinds);
}

/* ---- Streams --------------------------------------------------------------------------------- */

enum { BYTES = 3 << 20 };

static uint8_t pattern(size_t at) { return (uint8_t)(at * 131 ^ at >> 8 ^ at >> 16); }
static uint8_t sent[BYTES], received[BYTES];

static int64_t receive_all(void *argument)
{
    int fd = *(int *)argument;
    /* All of it, in one call, however it comes. */
    must(rn_fd_recv(fd, received, BYTES, MSG_WAITALL) == BYTES);
    must(memcmp(sent, received, BYTES) == 0);
    must(rn_fd_recv(fd, received, 1, 0) == 0);
    must(rn_fd_recv(fd, received, 5, MSG_WAITALL) == 0);
    must(rn_fd_write(fd, "thanks", 6) == 6);
    return 7;
}

static int64_t streams(void *unused)
{
    (void)unused;
    int fds[2];
    char in[16];
    struct side side;
    for (size_t i = 0; i < BYTES; i++) sent[i] = pattern(i);
    fd_pair(fds);
    /* It can't take all at once. */
    must(rn_fd_setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int)) == 0);
    side_start(&side, receive_all, &fds[1]);
    /* A blocking send takes all; here in twenty vectors, more than go out at once. */
    struct iovec parts[20];
    size_t each = BYTES / 20;
    for (unsigned i = 0; i < 20; i++)
        parts[i] = (struct iovec){sent + i * each, i == 19 ? BYTES - 19 * each : each};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 20};
    must(rn_fd_sendmsg(fds[0], &message, 0) == BYTES);
    must(rn_fd_shutdown(fds[0], SHUT_WR) == 0);
    must(rn_fd_send(fds[0], "x", 1, 0) == -EPIPE);
    must(rn_fd_recv(fds[0], in, 3, MSG_PEEK | MSG_WAITALL) > 0);
    struct iovec two[2] = {{in, 3}, {in + 8, 3}};
    message = (struct msghdr){.msg_iov = two, .msg_iovlen = 2};
    must(rn_fd_recvmsg(fds[0], &message, MSG_WAITALL) == 6);
    must(memcmp(in, "tha", 3) == 0 && memcmp(in + 8, "nks", 3) == 0);
    must(side_join(&side) == 7);
    must(rn_fd_close(fds[1]) == 0);
    must(rn_fd_read(fds[0], in, 1) == 0);
    must(rn_fd_close(fds[0]) == 0);
    return 0;
}

static void streams_carry_all(void **state)
{
    (void)state;
    fd_each(streams);
}

static int64_t dial(void *argument)
{
    struct place *place = argument;
    int fd = rn_fd_socket(place->any.sa_family, SOCK_STREAM, 0);
    must(rn_fd_connect(fd, &place->any, place->len) == 0);
    must(rn_fd_send(fd, "hello", 5, 0) == 5);
    must(rn_fd_close(fd) == 0);
    return 0;
}

static int64_t unix_streams(void *unused)
{
    (void)unused;
    char in[8], path[] = "/tmp/runnel-fd-XXXXXX", name[40];
    must(mkdtemp(path));
    snprintf(name, sizeof name, "%s/s", path);
    for (int round = 0; round < 2; round++) {
        struct place place = round ? abstract_place('a') : unix_place(name);
        int listener = fd_listener(&place);
        struct side side;
        side_start(&side, dial, &place);
        int fd = rn_fd_accept(listener, NULL, NULL, 0); /* waits for it */
        must(rn_fd_recv(fd, in, sizeof in, MSG_WAITALL) == 5);
        must(side_join(&side) == 0);
        must(rn_fd_close(fd) == 0 && rn_fd_close(listener) == 0);
    }
    must(unlink(name) == 0 && rmdir(path) == 0);
    return 0;
}

static void unix_sockets_too(void **state)
{
    (void)state;
    fd_each(unix_streams);
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

static int64_t receive_one(void *argument)
{
    char in[8];
    return rn_fd_recv(*(int *)argument, in, sizeof in, 0);
}

static int64_t datagrams(void *unused)
{
    (void)unused;
    struct place a_at = loopback(), b_at = loopback(), from = {.len = sizeof from.in};
    char in[4];
    int a = fd_bound(SOCK_DGRAM, &a_at), b = fd_bound(SOCK_DGRAM, &b_at);
    must(rn_fd_sendto(a, "12345", 5, 0, &b_at.any, b_at.len) == 5);
    must(rn_fd_recvfrom(b, in, sizeof in, MSG_TRUNC, &from.any, &from.len) == 5);
    must(memcmp(in, "1234", 4) == 0 && from.in.sin_port == a_at.in.sin_port);
    must(rn_fd_sendto(a, "67", 2, 0, &b_at.any, b_at.len) == 2);
    struct iovec part = {in, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = &from.any,
                             .msg_namelen = sizeof from.in};
    must(rn_fd_recvmsg(b, &message, 0) == 1);
    must(message.msg_flags & MSG_TRUNC && message.msg_namelen == sizeof from.in);
    must(rn_fd_connect(a, &b_at.any, b_at.len) == 0);
    must(rn_fd_state(a) == RN_FD_CONNECTED);
    must(rn_fd_send(a, "", 0, 0) == 0);
    must(rn_fd_recv(b, in, sizeof in, 0) == 0);
    struct side side;
    side_start(&side, receive_one, &b);
    fd_await_users(b, 1);
    must(rn_fd_write(a, "xyz", 3) == 3);
    must(side_join(&side) == 3);
    /* To anyone again. */
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    must(rn_fd_connect(a, &nobody, sizeof nobody) == 0);
    must(rn_fd_state(a) == RN_FD_FRESH);
    must(rn_fd_send(a, "x", 1, 0) == -EDESTADDRREQ);
    must(rn_fd_close(a) == 0 && rn_fd_close(b) == 0);
    return 0;
}

static void datagrams_have_names(void **state)
{
    (void)state;
    fd_each(datagrams);
}

static int64_t drain_slowly(void *argument)
{
    char in[8];
    int64_t count = 0;
    while (rn_fd_recv(*(int *)argument, in, sizeof in, 0) == 1) count++;
    return count; /* until an empty one */
}

/* Nothing announces that a Unix socket has room to which one isn't connected. */
static int64_t full_datagrams(void *unused)
{
    (void)unused;
    struct place a_at = abstract_place('a'), b_at = abstract_place('b');
    int a = fd_bound(SOCK_DGRAM, &a_at), b = fd_bound(SOCK_DGRAM, &b_at);
    int64_t count = 0;
    while (rn_fd_sendto(a, "x", 1, MSG_DONTWAIT, &b_at.any, b_at.len) == 1)
        must(++count < 100000);
    must(rn_fd_sendto(a, "x", 1, MSG_DONTWAIT, &b_at.any, b_at.len) == -EAGAIN);
    const struct timeval soon = {0, 3000};
    must(rn_fd_setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon) == 0);
    must(rn_fd_sendto(a, "x", 1, 0, &b_at.any, b_at.len) == -EAGAIN);
    must(rn_fd_setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0}, sizeof soon) == 0);
    struct side side;
    side_start(&side, drain_slowly, &b);
    for (int i = 0; i < 100; i++)
        must(rn_fd_sendto(a, "x", 1, 0, &b_at.any, b_at.len) == 1);
    must(rn_fd_sendto(a, "", 0, 0, &b_at.any, b_at.len) == 0);
    must(side_join(&side) == count + 100);
    must(rn_fd_close(a) == 0 && rn_fd_close(b) == 0);
    return 0;
}

static void a_full_queue_is_waited_for(void **state)
{
    (void)state;
    fd_each(full_datagrams);
}

/* ---- Not waiting ----------------------------------------------------------------------------- */

static int64_t nonblocking(void *unused)
{
    (void)unused;
    struct place place = loopback();
    char in[4];
    int listener = fd_listener(&place), error = -1;
    uint32_t len = sizeof error;
    must((rn_fd_fcntl(listener, F_GETFL, 0) & O_NONBLOCK) == 0);
    must(rn_fd_fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
    must(rn_fd_fcntl(listener, F_GETFL, 0) == (O_RDWR | O_NONBLOCK));
    must(rn_fd_accept(listener, NULL, NULL, 0) == -EAGAIN);
    int fd = rn_fd_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = rn_fd_connect(fd, &place.any, place.len);
    must(result == -EINPROGRESS || result == 0);
    must(rn_fd_state(fd) == (result ? RN_FD_CONNECTING : RN_FD_CONNECTED));
    struct rn_pollfd polls[2] = {{.fd = fd, .events = POLLOUT},
                                  {.fd = listener, .events = POLLIN}};
    while (rn_fd_poll(polls, 2, 40000) < 2) continue;
    must(polls[0].revents == POLLOUT && polls[1].revents == POLLIN);
    must(rn_fd_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
    must(rn_fd_recv(fd, in, 4, 0) == -EAGAIN);
    must(rn_fd_read(fd, in, 4) == -EAGAIN);
    int taken = rn_fd_accept(listener, NULL, NULL, SOCK_NONBLOCK);
    must(rn_fd_fcntl(taken, F_GETFL, 0) & O_NONBLOCK);
    must(rn_fd_fcntl(taken, F_SETFL, 0) == 0);
    must(rn_fd_recv(taken, in, 4, MSG_DONTWAIT) == -EAGAIN);
    must(rn_fd_read(taken, in, 0) == 0); /* as read(2) has it, before anything has come */
    must(rn_fd_send(fd, "a", 1, 0) == 1);
    must(rn_fd_state(fd) == RN_FD_CONNECTED);
    must(rn_fd_recv(taken, in, 4, 0) == 1);
    /* What fits, when it may not wait. */
    rn_ssize part = rn_fd_send(fd, sent, BYTES, 0);
    must(part > 0 && part <= BYTES);
    while (part > 0) part = rn_fd_send(fd, sent, BYTES, 0);
    must(part == -EAGAIN);
    must(rn_fd_poll(polls, 1, 0) == 0);
    must(rn_fd_close(fd) == 0 && rn_fd_close(taken) == 0 && rn_fd_close(listener) == 0);
    return 0;
}

static void what_would_wait_can_say_so(void **state)
{
    (void)state;
    fd_each(nonblocking);
}

static int64_t timeouts(void *unused)
{
    (void)unused;
    int fds[2];
    char in[4];
    struct timeval time = {0, 2000}, back = {9, 9};
    uint32_t len = sizeof back;
    fd_pair(fds);
    must(rn_fd_setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    must(rn_fd_getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &back, &len) == 0);
    must(back.tv_sec == 0 && back.tv_usec == 2000 && len == sizeof back);
    must(rn_fd_recv(fds[0], in, 4, 0) == -EAGAIN);
    must(rn_fd_send(fds[1], "ab", 2, 0) == 2);
    must(rn_fd_recv(fds[0], in, 4, MSG_WAITALL) == 2); /* what came in time */
    must(rn_fd_setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0);
    rn_ssize part = 1;
    while (part > 0) part = rn_fd_send(fds[0], sent, BYTES, 0);
    must(part == -EAGAIN);
    must(rn_fd_setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, 4) == -EINVAL);
    time.tv_usec = 1000000;
    must(rn_fd_setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == -EDOM);
    struct rn_pollfd poll = {.fd = fds[0], .events = POLLIN};
    must(rn_fd_poll(&poll, 1, 3) == 0);
    must(rn_fd_poll(NULL, 0, 1) == 0);
    must(rn_fd_poll(&poll, RN_FD_POLL_MAX + 1, 0) == -EINVAL);
    must(rn_fd_close(fds[0]) == 0 && rn_fd_close(fds[1]) == 0);
    return 0;
}

static void waits_have_an_end(void **state)
{
    (void)state;
    fd_each(timeouts);
}

static int64_t send_later(void *argument)
{
    return rn_fd_send(*(int *)argument, "x", 1, 0);
}

static int64_t polls(void *unused)
{
    (void)unused;
    int one[2], two[2];
    fd_pair(one);
    fd_pair(two);
    int file = rn_fd_open("/dev/null", O_RDONLY, 0);
    struct rn_pollfd list[] = {{.fd = one[0], .events = POLLIN}, {.fd = -1, .events = POLLIN},
                                {.fd = two[0], .events = POLLIN | POLLPRI},
                                {.fd = one[0], .events = POLLIN}};
    struct side side;
    must(rn_fd_poll(list, 4, 0) == 0);
    side_start(&side, send_later, &one[1]);
    must(rn_fd_poll(list, 4, -1) == 2); /* the same one twice */
    must(list[0].revents == POLLIN && list[3].revents == POLLIN);
    must(list[1].revents == 0 && list[2].revents == 0);
    must(side_join(&side) == 1);
    must(rn_fd_close(two[1]) == 0);
    must(rn_fd_poll(list + 2, 1, -1) == 1 && list[2].revents & POLLIN);
    list[2].fd = file;
    list[0].fd = 1234567;
    must(rn_fd_poll(list, 3, -1) == 2);
    must(list[0].revents == POLLNVAL && list[2].revents & POLLIN);
    /* A file is always ready, but not for all that can be asked of it. */
    list[2].events = POLLPRI;
    must(rn_fd_poll(list + 2, 1, 20) == 0);
    must(rn_fd_close(one[0]) == 0 && rn_fd_close(one[1]) == 0 && rn_fd_close(two[0]) == 0);
    must(rn_fd_close(file) == 0);
    return 0;
}

static void poll_waits_for_any_of_them(void **state)
{
    (void)state;
    fd_each(polls);
}

/* ---- Files and names ------------------------------------------------------------------------- */

static int64_t files(void *unused)
{
    (void)unused;
    char path[] = "/tmp/runnel-fd-XXXXXX", in[16];
    struct stat status;
    close(mkstemp(path));
    must(rn_fd_open(path, O_RDWR | O_CREAT | O_EXCL, 0600) == -EEXIST);
    int fd = rn_fd_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= RN_FD_FIRST);
    must(rn_fd_write(fd, "0123456789", 10) == 10);
    must(rn_fd_lseek(fd, 2, SEEK_SET) == 2);
    must(rn_fd_read(fd, in, 3) == 3 && memcmp(in, "234", 3) == 0);
    must(rn_fd_lseek(fd, 0, SEEK_CUR) == 5);
    must(rn_fd_lseek(fd, -1, SEEK_END) == 9);
    must(rn_fd_lseek(fd, -100, SEEK_SET) == -EINVAL);
    must(rn_fd_read(fd, in, 16) == 1 && rn_fd_read(fd, in, 16) == 0);
    must(rn_fd_fstat(fd, &status) == 0);
    must(status.st_size == 10 && S_ISREG(status.st_mode));
    must((rn_fd_fcntl(fd, F_GETFL, 0) & O_ACCMODE) == O_RDWR);
    must(rn_fd_close(fd) == 0);
    fd = rn_fd_open(path, O_RDONLY, 0);
    must(rn_fd_write(fd, "x", 1) == -EBADF);
    must(rn_fd_close(fd) == 0);
    must(rn_fd_open("/nonexistent/x", O_RDONLY, 0) == -ENOENT);
    must(unlink(path) == 0);
    /* The standard ones are there, and aren't ours to close in earnest. */
    must(rn_fd_fstat(1, &status) == 0 && rn_fd_state(2) == RN_FD_FILE);
    must(rn_fd_close(2) == 0 && rn_fd_state(2) == -EBADF && fcntl(2, F_GETFD) >= 0);
    fd = rn_fd_socket(AF_INET, SOCK_STREAM, 0); /* never one of those */
    must(fd >= RN_FD_FIRST && rn_fd_close(fd) == 0);
    rn_fd_end();
    return 0;
}

static void files_too(void **state)
{
    (void)state;
    fd_each(files);
}

static int64_t names(void *unused)
{
    (void)unused;
    struct rn_address to[RN_FD_ADDRESSES_MAX];
    char text[RN_ADDRESS_TEXT_MAX];
    must(rn_fd_resolve_host("192.0.2.1", 80, to, 4) == 1);
    rn_address_format(&to[0], text);
    must(strcmp(text, "192.0.2.1:80") == 0);
    must(rn_fd_resolve_host("::1", 81, to, 4) == 1 && rn_address_port(&to[0]) == 81);
    must(rn_fd_resolve_host("localhost", 82, to, 1) == 1 && rn_address_port(&to[0]) == 82);
    must(rn_fd_resolve_host("no good name..", 80, to, 4) == RN_E_MISUSE);
    return 0;
}

static void hosts_have_addresses(void **state)
{
    (void)state;
    fd_each(names);
}

/* A task that is no fiber has nothing to wait with. */
static int misused[3];
static int idle[2];

static enum rn_poll misuse(struct rn_task *task, struct rn_cx *cx)
{
    (void)task;
    (void)cx;
    char in[4];
    struct rn_pollfd poll = {.fd = idle[0], .events = POLLIN};
    struct rn_address to;
    misused[0] = (int)rn_fd_recv(idle[0], in, 4, 0);
    misused[1] = rn_fd_poll(&poll, 1, -1);
    misused[2] = rn_fd_resolve_host("127.0.0.1", 1, &to, 1);
    /* What needs no waiting is fine. */
    must(rn_fd_poll(&poll, 1, 0) == 0);
    must(rn_fd_send(idle[1], "x", 1, 0) == 1);
    must(rn_fd_recv(idle[0], in, 4, 0) == 1);
    return RN_READY;
}

static void tasks(void)
{
    struct rn_task task = {.poll = misuse};
    assert_int_equal(rn_spawn(net_worker, &task), 0);
    net_turn_quickly();
    for (unsigned i = 0; i < 3; i++) assert_int_equal(misused[i], RN_E_MISUSE);
}

static void a_worker_is_never_blocked(void **state)
{
    (void)state;
    fd_pair(idle);
    net_each(tasks);
    rn_fd_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_the_lowest_free),
        cmocka_unit_test(the_table_has_an_end),
        cmocka_unit_test(what_is_no_descriptor_is_told),
        cmocka_unit_test(states_are_the_kernels),
        cmocka_unit_test(sockets_and_files_are_told_apart),
        cmocka_unit_test(streams_carry_all),
        cmocka_unit_test(unix_sockets_too),
        cmocka_unit_test(datagrams_have_names),
        cmocka_unit_test(a_full_queue_is_waited_for),
        cmocka_unit_test(what_would_wait_can_say_so),
        cmocka_unit_test(waits_have_an_end),
        cmocka_unit_test(poll_waits_for_any_of_them),
        cmocka_unit_test(files_too),
        cmocka_unit_test(hosts_have_addresses),
        cmocka_unit_test(a_worker_is_never_blocked),
    };
    if (rn_files_setup(NULL) < 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
