/* Waits until servers are up, as a script does before it goes on: wait_for SECONDS ADDRESS...
 * tells of each that takes a connection, and in the end of those that don't. On an ordinary thread,
 * with sockets that don't block: how far each has come isn't kept here, but asked for. */
#include "example.h"
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

enum { SERVERS = 64, PAUSE_MS = 100 };

static struct server {
    struct rn_address address;
    int fd, error;
} servers[SERVERS];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Connecting again, after a refusal, is a new attempt; while one is under way, it is told how that
 * goes: connect(2). */
static bool is_up(struct server *server, const char *name)
{
    if (rn_fd_state(server->fd) == RN_FD_CONNECTED) return true;
    int result = rn_fd_connect(server->fd, server->address.bytes, server->address.len);
    if (rn_fd_state(server->fd) != RN_FD_CONNECTING) server->error = result;
    if (result < 0) return false;
    printf("%s is up\n", name);
    fflush(stdout);
    return true;
}

/* How many are not up when the time is over. */
static int wait_for(int count, char **names, double end)
{
    struct rn_pollfd polls[SERVERS];
    for (;;) {
        int left = 0;
        for (int i = 0; i < count; i++) {
            left += !is_up(&servers[i], names[i]);
            bool connecting = rn_fd_state(servers[i].fd) == RN_FD_CONNECTING;
            polls[i] = (struct rn_pollfd){.fd = connecting ? servers[i].fd : -1, .events = POLLOUT};
        }
        if (left == 0 || now() >= end) return left;
        example_check(rn_fd_poll(polls, (size_t)count, PAUSE_MS), "poll");
    }
}

int main(int argc, char **argv)
{
    int count = argc - 2;
    if (count < 1 || count > SERVERS) {
        fprintf(stderr, "usage: %s SECONDS ADDRESS...\n", argv[0]);
        return 2;
    }
    example_check(rn_fd_setup(RN_FD_FIRST + (uint32_t)count), "descriptors"); /* and no more */
    for (int i = 0; i < count; i++) {
        example_check(rn_address_parse(&servers[i].address, argv[2 + i], 0), argv[2 + i]);
        servers[i].fd = rn_fd_socket(rn_address_family(&servers[i].address),
                                     SOCK_STREAM | SOCK_NONBLOCK, 0);
        example_check(servers[i].fd, "socket");
        servers[i].error = -ETIMEDOUT; /* so far */
    }
    int left = wait_for(count, argv + 2, now() + atof(argv[1]));
    for (int i = 0; i < count; i++)
        if (rn_fd_state(servers[i].fd) != RN_FD_CONNECTED)
            fprintf(stderr, "%s: %s\n", argv[2 + i], rn_error_text(servers[i].error));
    rn_fd_end();
    return left > 0;
}
