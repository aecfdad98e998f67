/*
 * floor-ws-epoll PORT
 *
 * The least that a WebSocket echo can do on epoll (edge-triggered): for each event one recv, the
 * frames unmasked in place, and one send of all of them.
 */
#include "echo.h"
#include "floor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512 };

/* What the socket didn't take. While there is some, nothing more is received from that peer. */
struct rest {
    uint8_t *bytes;
    size_t len, sent;
};

static struct peer *peers; /* both by descriptor */
static struct rest *rests;
static uint8_t buffer[2 * KEPT_MAX];
static int epoll;

static void end(int fd)
{
    close(fd);
    free(peers[fd].kept);
    free(rests[fd].bytes);
    peers[fd] = (struct peer){0};
    rests[fd] = (struct rest){0};
}

/* Returns whether all is sent. */
static bool send_all(int fd, const uint8_t *bytes, size_t len)
{
    ssize_t sent = send(fd, bytes, len, MSG_DONTWAIT);
    if (sent == (ssize_t)len) return true;
    if (sent < 0 && errno != EAGAIN) {
        end(fd);
        return false;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    struct rest rest = {.bytes = malloc(len - done), .len = len - done};
    if (!rest.bytes) die("malloc");
    memcpy(rest.bytes, bytes + done, rest.len);
    rests[fd] = rest;
    return false;
}

/* Returns whether nothing is left to be sent. */
static bool send_rest(int fd)
{
    struct rest *rest = &rests[fd];
    if (!rest->bytes) return true;
    ssize_t sent = send(fd, rest->bytes + rest->sent, rest->len - rest->sent, MSG_DONTWAIT);
    if (sent > 0) rest->sent += (size_t)sent;
    if (rest->sent < rest->len) return false;
    free(rest->bytes);
    *rest = (struct rest){0};
    return true;
}

static void on_peer(int fd)
{
    struct peer *peer = &peers[fd];
    if (!send_rest(fd)) return;
    for (;;) { /* what filled the buffer may not be all */
        size_t kept = peer->kept ? echo_take(peer, buffer) : 0, room = sizeof buffer - kept;
        ssize_t got = recv(fd, buffer + kept, room, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            end(fd);
            return;
        }
        size_t answer = echo(peer, buffer, kept + (got > 0 ? (size_t)got : 0));
        if ((answer > 0 && !send_all(fd, buffer, answer)) || got < (ssize_t)room) return;
    }
}

static void on_listener(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv, KNOWS_NONE);
    size_t descriptors = descriptors_max();
    peers = map_zeroed(descriptors * sizeof *peers);
    rests = map_zeroed(descriptors * sizeof *rests);
    int listener = listen_tcp(options.port, false, false);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0])) die("epoll");
    say_listening("floor-ws-epoll", &options);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                on_listener(listener);
            } else {
                on_peer(events[i].data.fd);
            }
        }
    }
}
