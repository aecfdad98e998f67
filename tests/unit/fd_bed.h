/*
 * A bed for the calls of runnel/socket.h: each test runs on ordinary threads, and in fibers on each
 * backend. What fails there may be on any stack, so it ends the program.
 */
#ifndef TESTS_FD_BED_H
#define TESTS_FD_BED_H

#include "net_bed.h"

#include <poll.h>
#include <pthread.h>
#include <sys/un.h>

#include <runnel/fiber.h>
#include <runnel/file.h>
#include <runnel/resolver.h>
#include <runnel/socket.h>

#include "net/fd.h"

#define must(condition) ((condition) ? (void)0 : not_so(#condition, __FILE__, __LINE__))

__attribute__((noreturn)) static inline void not_so(const char *condition, const char *file,
                                                    int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* A second party, beside the test itself: a thread, or a fiber on the same worker. */
struct side {
    int64_t (*run)(void *argument);
    void *argument;
    int64_t result;
    pthread_t thread;
    struct rn_fiber fiber;
};

static struct rn_fiber_pool fd_stacks;
static bool fd_in_fibers;

static void *fd_run_side(void *argument)
{
    struct side *side = argument;
    side->result = side->run(side->argument);
    return NULL;
}

static inline void side_start(struct side *side, int64_t (*run)(void *argument), void *argument)
{
    *side = (struct side){.run = run, .argument = argument};
    if (fd_in_fibers)
        must(rn_fiber_spawn(&side->fiber, &fd_stacks, net_worker, run, argument) == 0);
    else
        must(pthread_create(&side->thread, NULL, fd_run_side, side) == 0);
}

static inline int64_t side_join(struct side *side)
{
    if (fd_in_fibers) return rn_fiber_join(&side->fiber);
    must(pthread_join(side->thread, NULL) == 0);
    return side->result;
}

/* Until so many calls are under way with it. */
static inline void fd_await_users(int fd, unsigned users)
{
    struct rn_fd_file *file = rn_fd_hold(fd);
    must(file);
    /* The table and this one too. */
    while (__atomic_load_n(&file->users, __ATOMIC_RELAXED) < users + 2) {
        if (fd_in_fibers) rn_fiber_yield();
        else usleep(200);
    }
    rn_fd_release(file);
}

static int64_t (*fd_test)(void *unused);

static void fd_run_fiber(void)
{
    struct rn_fiber fiber = {.finished = false};
    must(rn_fiber_spawn(&fiber, &fd_stacks, net_worker, fd_test, NULL) == 0);
    net_until(&fiber.finished);
    net_turn_quickly();
    rn_resolver_stop(net_worker);
}

static inline void fd_each(int64_t (*test)(void *unused))
{
    fd_test = test;
    fd_in_fibers = false;
    alarm(NET_PATIENCE_S);
    test(NULL);
    alarm(0);
    fd_in_fibers = true;
    must(rn_fiber_pool_init(&fd_stacks, 8, 256 * 1024) == 0);
    net_each(fd_run_fiber);
    rn_fiber_pool_fini(&fd_stacks);
    for (int fd = RN_FD_FIRST; fd < 64; fd++) must(rn_fd_state(fd) == -EBADF); /* nothing is left */
    rn_fd_end();
}

/* ---- Sockets --------------------------------------------------------------------------------- */

struct place {
    uint32_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    };
};

static inline struct place loopback(void)
{
    struct place place = {.len = sizeof place.in};
    place.in = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return place;
}

static inline struct place unix_place(const char *path)
{
    struct place place = {.len = (uint32_t)(offsetof(struct sockaddr_un, sun_path) +
                                            strlen(path) + (*path != '@'))};
    place.un.sun_family = AF_UNIX;
    strcpy(place.un.sun_path, path);
    if (*path == '@') place.un.sun_path[0] = 0;
    return place;
}

static inline struct place abstract_place(char letter)
{
    return unix_place(net_unix_name(letter) + strlen("unix:"));
}

/* Bound there, and where that is. */
static inline int fd_bound(int type, struct place *place)
{
    int fd = rn_fd_socket(place->any.sa_family, type, 0);
    must(fd >= RN_FD_FIRST);
    must(rn_fd_bind(fd, &place->any, place->len) == 0);
    if (place->any.sa_family == AF_INET) must(rn_fd_getsockname(fd, &place->any, &place->len) == 0);
    return fd;
}

static inline int fd_listener(struct place *place)
{
    int fd = fd_bound(SOCK_STREAM, place);
    must(rn_fd_listen(fd, 8) == 0);
    return fd;
}

/* A connection with both its ends. */
static inline void fd_pair(int fds[2])
{
    struct place place = loopback();
    int listener = fd_listener(&place);
    fds[0] = rn_fd_socket(AF_INET, SOCK_STREAM, 0);
    must(rn_fd_connect(fds[0], &place.any, place.len) == 0);
    fds[1] = rn_fd_accept(listener, NULL, NULL, 0);
    must(fds[1] >= 0);
    must(rn_fd_close(listener) == 0);
}

#endif
