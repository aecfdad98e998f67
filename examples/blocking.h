/*
 * What the examples share that use the protocol machines without the runtime: blocking sockets, as
 * programs have always had them. The machines read no clock and no socket: all that is here.
 */
#ifndef EXAMPLE_BLOCKING_H
#define EXAMPLE_BLOCKING_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <runnel/net.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* An error of the library's ends the program, with its name besides its text. */
static inline void check(rn_ssize result, const char *what)
{
    if (result >= 0) return;
    fprintf(stderr, "%s: %s (%s)\n", what, rn_error_text((int)result), rn_error_name((int)result));
    exit(1);
}

/* The same for the C library's -1. */
static inline int must(int result, const char *what)
{
    if (result < 0) fail(what, strerror(errno));
    return result;
}

static inline rn_bytes bytes_of(const char *text) { return rn_bytes_of(text, strlen(text)); }

static inline bool bytes_are(rn_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.ptr, text, bytes.len) == 0;
}

static inline void put(rn_bytes bytes)
{
    if (bytes.len && fwrite(bytes.ptr, 1, bytes.len, stdout) != bytes.len)
        fail("standard output", strerror(errno));
}

static inline struct rn_address address_of(const char *text, uint16_t port)
{
    struct rn_address address;
    check(rn_address_parse(&address, text, port), text);
    return address;
}

/* Connected, or -1; each step of it, and each read later on, fails after so many seconds. */
static inline int socket_to(const struct rn_address *address, int type, time_t patience)
{
    const struct sockaddr *to = (const struct sockaddr *)address->bytes;
    struct timeval limit = {patience, 0};
    int fd = socket(to->sa_family, type | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, to, address->len) == 0) {
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

/* Bound, and for TCP listening; says where. */
static inline int socket_at(struct rn_address address, int type)
{
    char text[RN_ADDRESS_TEXT_MAX];
    struct sockaddr *at = (struct sockaddr *)address.bytes;
    int fd = must(socket(at->sa_family, type | SOCK_CLOEXEC, 0), "socket");
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), "SO_REUSEADDR");
    must(bind(fd, at, address.len), "bind");
    if (type == SOCK_STREAM) must(listen(fd, 128), "listen");
    address.len = sizeof address.bytes;
    must(getsockname(fd, at, &address.len), "getsockname");
    rn_address_format(&address, text);
    printf("listening on %s\n", text);
    fflush(stdout);
    return fd;
}

/* Connected by TCP to the first of the host's addresses that takes it. */
static inline int dial(rn_bytes host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char name[256], service[8];
    int fd = -1;
    snprintf(name, sizeof name, "%.*s", (int)host.len, (const char *)host.ptr);
    snprintf(service, sizeof service, "%u", port);
    int error = getaddrinfo(name, service, &hints, &found);
    if (error) fail(name, gai_strerror(error));
    for (struct addrinfo *one = found; one && fd < 0; one = one->ai_next) {
        fd = must(socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, 0), "socket");
        if (connect(fd, one->ai_addr, one->ai_addrlen) == 0) break;
        close(fd);
        fd = -1;
    }
    if (fd < 0) fail(name, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

/* False when the other side is gone. SIGPIPE is to be ignored. */
static inline bool write_all(int fd, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t count = write(fd, (const char *)data + at, len - at);
        if (count < 0) return false;
        at += (size_t)count;
    }
    return true;
}

/* Waits until `sink` takes something, or `other` has something to be read before: then false. Two
 * that both wait to be read from would wait forever. */
static inline bool takes_first(int sink, int other)
{
    struct pollfd both[2] = {{sink, POLLOUT, 0}, {other, POLLIN, 0}};
    must(poll(both, 2, -1), "poll");
    return both[0].revents;
}

/* Of the monotonic clock. */
static inline rn_ns now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (rn_ns)now.tv_sec * RN_SECOND + (rn_ns)now.tv_nsec;
}

static inline void fill_random(void *to, size_t len)
{
    if (getrandom(to, len, 0) != (ssize_t)len) fail("getrandom", strerror(errno));
}

#endif
