/*
 * floor-http-epoll PORT [--body N] [--file PATH [--send sendfile|copy]] [--close]
 *
 * The least that an HTTP server can do on epoll: for each event one recv and one send.
 * Edge-triggered, because a level-triggered event is looked at again by the next epoll_wait.
 * With --close a connection is accepted when its request is there (TCP_DEFER_ACCEPT), so that it
 * costs accept, recv, send and close, and epoll sees the listening socket only.
 */
#include "canned.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512 };

static struct canned canned;
static struct connection *connections; /* by descriptor */
static char buffer[64 << 10];
static int epoll;

static void on_connection(int fd)
{
    struct connection *connection = &connections[fd];
    ssize_t got;
    do { /* what filled the buffer may not be all */
        got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0)
            connection->owed += requests_in(connection, buffer, (size_t)got) * canned.reply_len;
    } while (got == sizeof buffer);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close(fd);
        return;
    }
    if (owed_send(&canned, connection, fd) < 0) close(fd);
}

static void on_listener(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        connections[fd] = (struct connection){0};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    }
}

/* --close: a reply that doesn't fit the socket at once makes the send wait, and all the others. */
static void on_listener_close(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got > 0) {
            struct connection connection = {.owed = canned.reply_len};
            while (connection.owed > 0 && owed_send(&canned, &connection, fd) == 0)
                ;
        }
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv, KNOWS_HTTP);
    canned_make(&canned, &options);
    connections = map_zeroed(descriptors_max() * sizeof *connections);
    int listener = listen_tcp(options.port, false, options.close);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0])) die("epoll");
    say_listening("floor-http-epoll", &options);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                on_connection(fd);
            } else if (options.close) {
                on_listener_close(fd);
            } else {
                on_listener(fd);
            }
        }
    }
}
