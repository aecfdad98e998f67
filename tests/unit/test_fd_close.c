/*
 * Descriptors of runnel/socket.h that are closed in use: who waits is told, and the next owner of
 * the number isn't touched. Then many threads at once on a few numbers.
 */
#include "fd_bed.h"

#include <signal.h>

enum { THREADS = 6, ROUNDS = 400, NUMBERS = 12 };

/* ---- Who waits ------------------------------------------------------------------------------- */

static int64_t wait_to_receive(void *argument)
{
    char in[4];
    return rn_fd_recv(*(int *)argument, in, sizeof in, 0);
}

static int64_t wait_to_accept(void *argument)
{
    return rn_fd_accept(*(int *)argument, NULL, NULL, 0);
}

static int64_t wait_to_send(void *argument)
{
    static char out[64 << 20]; /* more than any two buffers hold */
    /* What went out before counts; the next call is told. */
    rn_ssize part = rn_fd_send(*(int *)argument, out, sizeof out, 0);
    return part > 0 && part < (rn_ssize)sizeof out ? -EBADF : part;
}

static int64_t wait_in_poll(void *argument)
{
    struct rn_pollfd poll = {.fd = *(int *)argument, .events = POLLPRI};
    must(rn_fd_poll(&poll, 1, -1) == 1);
    return poll.revents;
}

/* Closes it under a side that waits, and gives the number to another socket at once. */
static void close_under(int fd, int64_t (*wait)(void *argument), int64_t expected)
{
    struct side side;
    struct place place = loopback();
    side_start(&side, wait, &fd);
    fd_await_users(fd, 1);
    must(rn_fd_close(fd) == 0);
    must(rn_fd_close(fd) == -EBADF);
    int below[4], count = 0, next;
    while ((next = fd_bound(SOCK_DGRAM, &place)) != fd) {
        must(count < 4);
        below[count++] = next;
        place = loopback();
    }
    int64_t result = side_join(&side);
    must(result == expected);
    must(rn_fd_state(next) == RN_FD_BOUND);
    must(rn_fd_sendto(next, "x", 1, 0, &place.any, place.len) == 1);
    must(wait_to_receive(&next) == 1);
    must(rn_fd_close(next) == 0);
    while (count) must(rn_fd_close(below[--count]) == 0);
}

static int64_t closes(void *unused)
{
    (void)unused;
    int fds[2];
    struct place tcp = loopback(), udp = loopback(), name = abstract_place('a');
    close_under(fd_listener(&tcp), wait_to_accept, -EBADF);
    close_under(fd_listener(&name), wait_to_accept, -EBADF);
    close_under(fd_bound(SOCK_DGRAM, &udp), wait_to_receive, -EBADF);
    close_under(fd_bound(SOCK_DGRAM, &name), wait_to_receive, -EBADF);
    close_under(fd_bound(SOCK_DGRAM, &udp), wait_in_poll, POLLNVAL);
    fd_pair(fds);
    close_under(fds[0], wait_to_receive, -EBADF);
    must(rn_fd_close(fds[1]) == 0);
    fd_pair(fds);
    close_under(fds[1], wait_to_send, -EBADF);
    must(rn_fd_close(fds[0]) == 0);
    fd_pair(fds);
    close_under(fds[0], wait_in_poll, POLLNVAL);
    must(rn_fd_close(fds[1]) == 0);
    return 0;
}

static void who_waits_is_told(void **state)
{
    (void)state;
    fd_each(closes);
}

/* Two wait for one socket; in fibers of one worker too. */
static int64_t shared(void *unused)
{
    (void)unused;
    struct place place = loopback();
    struct side one, two;
    int fd = fd_bound(SOCK_DGRAM, &place);
    side_start(&one, wait_to_receive, &fd);
    side_start(&two, wait_to_receive, &fd);
    fd_await_users(fd, 2);
    must(rn_fd_sendto(fd, "ab", 2, 0, &place.any, place.len) == 2);
    must(rn_fd_sendto(fd, "ab", 2, 0, &place.any, place.len) == 2);
    must(side_join(&one) == 2 && side_join(&two) == 2);
    side_start(&one, wait_to_receive, &fd);
    side_start(&two, wait_in_poll, &fd);
    fd_await_users(fd, 2);
    must(rn_fd_close(fd) == 0);
    must(side_join(&one) == -EBADF && side_join(&two) == POLLNVAL);
    return 0;
}

static void several_wait_for_one(void **state)
{
    (void)state;
    fd_each(shared);
}

/* A fiber that is cancelled is no error of the socket's. */
static void cancel_fiber(void)
{
    struct place place = loopback();
    int fd = fd_bound(SOCK_DGRAM, &place);
    struct rn_fiber fiber = {.finished = false};
    must(rn_fiber_spawn(&fiber, &fd_stacks, net_worker, wait_to_receive, &fd) == 0);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    rn_task_cancel(rn_task_waker(net_worker, &fiber.child.task));
    net_until(&fiber.finished);
    net_turn_quickly();
    assert_int_equal(fiber.child.task.result, -ECANCELED);
    must(rn_fd_sendto(fd, "x", 1, 0, &place.any, place.len) == 1);
    char in[4];
    must(rn_fd_recv(fd, in, 4, 0) == 1);
    must(rn_fd_close(fd) == 0);
}

static void a_cancelled_fiber_waits_no_more(void **state)
{
    (void)state;
    must(rn_fiber_pool_init(&fd_stacks, 4, 256 * 1024) == 0);
    net_each(cancel_fiber);
    rn_fiber_pool_fini(&fd_stacks);
    rn_fd_end();
}

/* ---- Who is disturbed ------------------------------------------------------------------------ */

static unsigned disturbed;

static void on_signal(int signal)
{
    (void)signal;
    __atomic_fetch_add(&disturbed, 1, __ATOMIC_RELEASE);
}

struct dial {
    int fd;
    struct place place;
};

static int64_t wait_to_connect(void *argument)
{
    struct dial *dial = argument;
    return rn_fd_connect(dial->fd, &dial->place.any, dial->place.len);
}

/* Connecting to a listener whose queue is full takes as long as it may, and a signal in the middle
 * doesn't make a connection of it. */
static void a_signal_is_no_connection(void **state)
{
    (void)state;
    const struct sigaction action = {.sa_handler = on_signal};
    const struct timeval limit = {0, 400000};
    struct dial dial = {.place = loopback()};
    struct side side;
    int listener = fd_bound(SOCK_STREAM, &dial.place), first;
    fd_in_fibers = false;
    disturbed = 0;
    alarm(NET_PATIENCE_S);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    must(rn_fd_listen(listener, 0) == 0);
    first = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    must(rn_fd_connect(first, &dial.place.any, dial.place.len) == 0);
    dial.fd = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    must(rn_fd_setsockopt(dial.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    side_start(&side, wait_to_connect, &dial);
    fd_await_users(dial.fd, 1);
    for (int i = 0; i < 50; i++) {
        pthread_kill(side.thread, SIGUSR1);
        usleep(1000);
    }
    must(side_join(&side) == -EINPROGRESS);
    must(__atomic_load_n(&disturbed, __ATOMIC_ACQUIRE) > 0);
    must(rn_fd_close(dial.fd) == 0);
    must(rn_fd_close(first) == 0);
    must(rn_fd_close(listener) == 0);
    signal(SIGUSR1, SIG_DFL);
    alarm(0);
    rn_fd_end();
}

/* ---- Everything at once ---------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* A result that a socket of any kind may give; never a wrong one, and no call without end: a
 * receive is only begun with a time limit, or where another thread closes. */
static bool is_plausible(int64_t result)
{
    return result >= 0 || result == -EBADF || result == -EAGAIN || result == -ENOTCONN ||
           result == -EDESTADDRREQ || result == -EINVAL || result == -EISCONN ||
           result == -EADDRINUSE || result == -EMFILE || result == -ENFILE ||
           result == -ECONNREFUSED || result == -EPIPE || result == -ENOTSOCK ||
           result == -EOPNOTSUPP || result == -ECONNRESET || result == -EINPROGRESS ||
           result == -EALREADY || result == -ECONNABORTED;
}

static int64_t act(uint64_t *seed)
{
    const struct timeval soon = {0, 500};
    struct place place = loopback();
    char bytes[64] = {0};
    int fd = RN_FD_FIRST + (int)(random_next(seed) % NUMBERS);
    struct rn_pollfd list[2] = {{.fd = fd, .events = POLLIN},
                                 {.fd = RN_FD_FIRST, .events = POLLOUT}};
    switch (random_next(seed) % 12) {
    case 0:
    case 1: return rn_fd_close(fd);
    case 2:
    case 3:
        fd = rn_fd_socket(AF_INET, random_next(seed) % 2 ? SOCK_STREAM : SOCK_DGRAM, 0);
        if (fd < 0) return fd;
        (void)!rn_fd_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
        return rn_fd_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
    case 4: return rn_fd_bind(fd, &place.any, place.len);
    case 5: return rn_fd_listen(fd, 4);
    case 6: return rn_fd_recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    case 7: return rn_fd_read(fd, bytes, sizeof bytes);
    case 8: return rn_fd_send(fd, bytes, sizeof bytes, 0);
    case 9: return rn_fd_poll(list, 2, 1);
    case 10: return rn_fd_accept(fd, NULL, NULL, 0);
    default: {
        int result = rn_fd_getsockname(fd, &place.any, &place.len);
        if (result < 0 || !place.in.sin_port) return result;
        return rn_fd_connect(RN_FD_FIRST + (int)(random_next(seed) % NUMBERS), &place.any,
                             place.len);
    }
    }
}

static void *run_thread(void *argument)
{
    uint64_t seed = 88172645463325252u + (uintptr_t)argument * 7919;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t result = act(&seed);
        if (!is_plausible(result)) {
            fprintf(stderr, "result %lld\n", (long long)result);
            abort();
        }
    }
    return NULL;
}

/* Sockets that are made beside them with the time limits not yet set can wait without end: those
 * are closed from here until all threads are done. */
static void many_threads_on_few_numbers(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    assert_int_equal(rn_fd_setup(NUMBERS), 0);
    alarm(NET_PATIENCE_S);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_thread, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        while (pthread_tryjoin_np(threads[i], NULL)) {
            usleep(1000);
            (void)!rn_fd_close(RN_FD_FIRST + (int)(i * 5 % NUMBERS));
            for (int fd = RN_FD_FIRST; fd < RN_FD_FIRST + NUMBERS; fd++) (void)!rn_fd_close(fd);
        }
    }
    alarm(0);
    rn_fd_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_told),
        cmocka_unit_test(several_wait_for_one),
        cmocka_unit_test(a_cancelled_fiber_waits_no_more),
        cmocka_unit_test(a_signal_is_no_connection),
        cmocka_unit_test(many_threads_on_few_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
