/*
 * An HTTP server on a loopback port and each backend, whose handlers are the test's own, and a
 * blocking client. Handlers run on the server's thread: what they tell, they tell in atomics.
 */
#ifndef TESTS_HTTP_BED_H
#define TESTS_HTTP_BED_H

#include "http_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <runnel/http.h>

#include "backends.h"

enum { BED_PATIENCE_S = 100 }; /* of a test; and a part of it for each step */

static const struct rn_backend_vt *bed_backend;
static struct rn_http_server *bed_server;
static uint16_t bed_port;

static inline int bed_setup(void **state)
{
    const char *missing;
    bed_backend = *state;
    if (bed_backend->probe(&missing) < 0) bed_backend = NULL;
    signal(SIGPIPE, SIG_IGN);
    alarm(BED_PATIENCE_S); /* nothing waits without end */
    return 0;
}

#define bed_test(function, name, backend)                                                          \
    {#function " on " name, function, bed_setup, NULL, (void *)(uintptr_t)&(backend)}
#define on_each(function)                                                                          \
    bed_test(function, "epoll", rn_backend_epoll), bed_test(function, "poll", rn_backend_poll),    \
        bed_test(function, THIRD_NAME, THIRD_BACKEND)

/* ---- The server ------------------------------------------------------------------------------ */

static inline struct rn_http_options bed_options(const struct rn_http_route *routes, size_t count)
{
    if (!bed_backend) skip(); /* not with this kernel */
    return (struct rn_http_options){.routes = routes, .route_count = count, .workers = 1,
                                    .backend = bed_backend, .connections_max = 64};
}

static inline void bed_start_with(const struct rn_http_options *options)
{
    struct rn_address address;
    assert_int_equal(rn_address_parse(&address, "127.0.0.1", 0), 0);
    assert_int_equal(rn_http_server_new(&bed_server, options), 0);
    assert_int_equal(rn_http_server_listen(bed_server, &address), 0);
    bed_port = rn_address_port(&address);
    assert_int_not_equal(bed_port, 0);
    assert_int_equal(rn_http_server_start(bed_server), 0);
}

#define bed_start(routes)                                                                          \
    do {                                                                                           \
        struct rn_http_options bed_options_ = bed_options(routes, RN_COUNT(routes));               \
        bed_start_with(&bed_options_);                                                             \
    } while (0)

static inline struct rn_http_figures bed_figures(void)
{
    struct rn_http_figures figures;
    rn_http_server_figures(bed_server, 0, &figures);
    return figures;
}

static inline void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Waits until the server's thread has made it so. */
#define eventually(condition)                                                                      \
    do {                                                                                           \
        for (int naps_ = 0; naps_ < 30000 && !(condition); naps_++) nap();                         \
        assert_true(condition);                                                                    \
    } while (0)

static inline unsigned seen(const unsigned *count)
{
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

static inline void note(unsigned *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_ACQ_REL);
}

/* Nothing may be left of a connection whose client is gone; the worker traps when a buffer is
 * missing. */
static inline void bed_stop(void)
{
    eventually(bed_figures().connections == 0);
    assert_int_equal(bed_figures().websockets, 0);
    rn_http_server_stop(bed_server);
    bed_server = NULL;
}

/* ---- The client ------------------------------------------------------------------------------ */

/* Or -1, when nobody listens. */
static int try_to_dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(bed_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static int dial(void)
{
    int fd = try_to_dial();
    assert_int_not_equal(fd, -1);
    return fd;
}

static inline int dial_and_send(const char *text)
{
    int fd = dial();
    send_all(fd, text);
    return fd;
}

static inline void send_bytes(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Sends while the test reads, so that neither side has to keep it all. */
struct sender {
    pthread_t thread;
    int fd;
    const uint8_t *bytes;
    size_t len;
};

static inline void *sender_run(void *context)
{
    struct sender *sender = context;
    for (size_t sent = 0; sent < sender->len;) {
        ssize_t count = send(sender->fd, sender->bytes + sent, sender->len - sent, MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += (size_t)count;
    }
    return NULL;
}

static inline void sender_start(struct sender *sender, int fd, const uint8_t *bytes, size_t len)
{
    *sender = (struct sender){.fd = fd, .bytes = bytes, .len = len};
    assert_int_equal(pthread_create(&sender->thread, NULL, sender_run, sender), 0);
}

static inline void sender_join(struct sender *sender)
{
    assert_int_equal(pthread_join(sender->thread, NULL), 0);
}

/* Closes with a reset. */
static inline void hang_up(int fd)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static inline void assert_reset(int fd)
{
    char byte;
    ssize_t count;
    while ((count = receive(fd, &byte, 1)) > 0) {}
    assert_int_equal(count, -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

static inline void assert_closed(int fd)
{
    char byte;
    assert_int_equal(receive(fd, &byte, 1), 0);
    close(fd);
}

/* The byte at each place of content that is made up. */
static inline uint8_t made_byte(uint64_t at) { return (uint8_t)(at * 7 % 251); }

static inline void fill_made(uint8_t *to, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++) to[i] = made_byte(at + i);
}

static inline void assert_made(size_t len)
{
    assert_int_equal(answer.len, len);
    for (size_t i = 0; i < len; i++)
        if (answer.body[i] != made_byte(i)) fail_msg("other content at %zu", i);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

#endif
