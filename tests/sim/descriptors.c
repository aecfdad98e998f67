/*
 * sim/descriptors.c: the calls of runnel/socket.h by ordinary threads: servers that share a
 * listener and echo, clients that send and compare, and descriptors that are closed under those who
 * wait. What comes back is what was sent; and every thread ends, because the close reaches it.
 */
#include "world.h"

#include <runnel/socket.h>

#include "core/worker.h"

enum { SERVERS_MAX = 3, CLIENTS_MAX = 5, BYTES_MAX = 20000, WAITERS_MAX = 3, ROUNDS_MAX = 3 };

static const struct {
    long seconds, microseconds;
} limit = {3000, 0};

struct party {
    struct rn_thread thread;
    uint32_t number;
    int fd;
    uint8_t out[BYTES_MAX], in[2 * BYTES_MAX];
};

static struct party servers[SERVERS_MAX], clients[CLIENTS_MAX], waiters[WAITERS_MAX];
static struct rn_address address;
static int listener;
static uint32_t ended;

static void excuse(int64_t result, const char *what)
{
    if (run.weather < ROUGH) fail("%s: %lld", what, (long long)result);
}

/* So that a connection that has gone silent comes to an end. */
static void set_limits(int fd)
{
    check(rn_fd_setsockopt(fd, RN_K_SOL_SOCKET, 20, &limit, sizeof limit) == 0);
    check(rn_fd_setsockopt(fd, RN_K_SOL_SOCKET, 21, &limit, sizeof limit) == 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* All of it, and then back: a client reads only when it has said everything. */
static void echo(int fd, uint8_t *bytes)
{
    rn_ssize got, sent;
    size_t len = 0;
    set_limits(fd);
    while ((got = rn_fd_recv(fd, bytes + len, 1 + pick(BYTES_MAX), 0)) > 0) len += (size_t)got;
    if (got < 0) excuse(got, "reading to echo");
    sent = rn_fd_write(fd, bytes, len);
    if (sent != (rn_ssize)len) excuse(sent, "echoing");
    check(rn_fd_close(fd) == 0);
}

static void serve(void *argument)
{
    struct party *server = argument;
    for (;;) {
        int fd = rn_fd_accept(listener, NULL, NULL, 0);
        if (fd >= 0) {
            echo(fd, server->in);
        } else if (fd == -RN_K_EBADF) {
            break; /* it was closed under this thread */
        } else {
            excuse(fd, "accepting");
            rest(RN_MILLISECOND);
        }
    }
}

static void ask(struct party *client, uint32_t len)
{
    int fd = client->fd;
    pattern_fill(client->out, len, client->number, 0);
    int result = rn_fd_connect(fd, address.bytes, address.len);
    if (result < 0) {
        excuse(result, "connecting");
        return;
    }
    check(rn_fd_state(fd) == RN_FD_CONNECTED);
    rn_ssize sent = rn_fd_send(fd, client->out, len, 0);
    if (sent == (rn_ssize)len) {
        result = rn_fd_shutdown(fd, RN_K_SHUT_WR);
        if (result < 0) excuse(result, "shutting down");
    } else {
        excuse(sent, "sending");
    }
    rn_ssize got = rn_fd_recv(fd, client->in, len, RN_K_MSG_WAITALL);
    if (got != (rn_ssize)len) excuse(got, "receiving");
    if (got > 0) pattern_check(client->in, (size_t)got, client->number, 0, "an echo");
}

static void be_client(void *argument)
{
    struct party *client = argument;
    for (uint32_t round = pick(ROUNDS_MAX) + 1; round; round--) {
        client->fd = rn_fd_socket(rn_address_family(&address), RN_K_SOCK_STREAM, 0);
        if (client->fd < 0) {
            excuse(client->fd, "a socket");
            continue;
        }
        check(client->fd >= RN_FD_FIRST);
        set_limits(client->fd);
        ask(client, 1 + pick(BYTES_MAX));
        check(rn_fd_close(client->fd) == 0);
    }
    count_up(&ended);
}

/* For a datagram that never comes, without a limit. */
static void be_waiter(void *argument)
{
    struct party *waiter = argument;
    struct rn_pollfd poll = {.fd = waiter->fd, .events = RN_K_POLLIN};
    if (waiter->number % 2) {
        check(rn_fd_recv(waiter->fd, waiter->in, 1, 0) == -RN_K_EBADF);
        return;
    }
    int result;
    while ((result = rn_fd_poll(&poll, 1, -1)) == -RN_K_EINTR) continue;
    check(result == 1 && poll.revents == RN_K_POLLNVAL);
}

/* ---- The run --------------------------------------------------------------------------------- */

static void start_all(struct party *parties, uint32_t count, void (*what)(void *argument))
{
    for (uint32_t i = 0; i < count; i++) {
        parties[i].number = i;
        check(rn_thread_start(&parties[i].thread, what, &parties[i], 65536) == 0);
    }
}

static void join_all(struct party *parties, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) rn_thread_join(&parties[i].thread);
}

static void run_descriptors(void)
{
    uint32_t server_count = 1 + pick(SERVERS_MAX), client_count = 1 + pick(CLIENTS_MAX),
             waiter_count = pick(WAITERS_MAX + 1);
    ended = 0;
    check(rn_address_parse(&address, chance(3) ? "unix:@calls" : "127.0.0.1:0", 0) == 0);
    listener = rn_fd_socket(rn_address_family(&address), RN_K_SOCK_STREAM, 0);
    check(listener == RN_FD_FIRST);
    check(rn_fd_bind(listener, address.bytes, address.len) == 0);
    check(rn_fd_listen(listener, 64) == 0);
    address.len = sizeof address.bytes;
    check(rn_fd_getsockname(listener, address.bytes, &address.len) == 0);
    for (uint32_t i = 0; i < waiter_count; i++) {
        waiters[i].fd = rn_fd_socket(RN_IP4, RN_K_SOCK_DGRAM, 0);
        check(waiters[i].fd == RN_FD_FIRST + 1 + (int)i);
    }
    start_all(waiters, waiter_count, be_waiter);
    start_all(servers, server_count, serve);
    start_all(clients, client_count, be_client);
    faults_on();
    await_count(&ended, client_count);
    rest(4000 * RN_SECOND); /* by then each of them waits */
    for (uint32_t i = 0; i < waiter_count; i++) check(rn_fd_close(waiters[i].fd) == 0);
    check(rn_fd_close(listener) == 0);
    check(rn_fd_close(listener) == -RN_K_EBADF);
    join_all(clients, client_count);
    join_all(servers, server_count);
    join_all(waiters, waiter_count);
    rn_fd_end();
}

const struct workload workload_descriptors = {"descriptors", run_descriptors};
