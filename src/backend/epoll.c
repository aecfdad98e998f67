/*
 * backend/epoll.c: the poller on epoll(7). Each descriptor is added once, for everything and
 * edge-triggered, so that a connection costs no further epoll_ctl(2).
 */
#include <runnel/backend.h>

#include "backend/readiness.h"
#include "sys/sys.h"

enum { EVENTS_MAX = 128 };

struct epoll {
    struct rn_readiness engine;
    int fd;
    bool milliseconds; /* the kernel has no epoll_pwait2(2) */
};

static int add(struct rn_readiness *engine, int fd)
{
    struct rn_k_epoll_event event = {
        .events = RN_K_EPOLLIN | RN_K_EPOLLPRI | RN_K_EPOLLOUT | RN_K_EPOLLRDHUP | RN_K_EPOLLET,
        .data = (uint32_t)fd,
    };
    engine->base.syscalls++;
    return rn_sys_epoll_ctl(((struct epoll *)engine)->fd, RN_K_EPOLL_CTL_ADD, fd, &event);
}

static int wait(struct rn_readiness *engine, struct rn_k_timespec *limit)
{
    struct epoll *epoll = (struct epoll *)engine;
    struct rn_k_epoll_event events[EVENTS_MAX];
    int count = -RN_K_ENOSYS;
    if (!epoll->milliseconds) {
        count = rn_sys_epoll_pwait2(epoll->fd, events, EVENTS_MAX, limit, NULL);
        /* Sandboxes that are older than the call refuse it with EPERM. */
        epoll->milliseconds = count == -RN_K_ENOSYS || count == -RN_K_EPERM;
    }
    if (epoll->milliseconds) {
        /* Rounded up; and never more than a day, which nobody notices. */
        int time = -1;
        if (limit)
            time = limit->tv_sec > 86400
                       ? 86400000
                       : (int)limit->tv_sec * 1000 + ((int)limit->tv_nsec + 999999) / 1000000;
        count = rn_sys_epoll_pwait(epoll->fd, events, EVENTS_MAX, time, NULL);
    }
    for (int i = 0; i < count; i++)
        rn_readiness_event(engine, (uint32_t)events[i].data, events[i].events);
    return count;
}

void rn_epoll_forget(struct rn_backend *backend, int fd)
{
    if (rn_readiness_forget(backend, fd))
        rn_sys_epoll_ctl(((struct epoll *)backend)->fd, RN_K_EPOLL_CTL_DEL, fd, NULL);
}

static int probe(const char **missing)
{
    int fd = rn_sys_epoll_create1(RN_K_EPOLL_CLOEXEC);
    *missing = "epoll_create1";
    return fd < 0 ? fd : rn_sys_close(fd);
}

static void fini(struct rn_backend *backend)
{
    rn_sys_close(((struct epoll *)backend)->fd);
    rn_readiness_fini(backend);
}

static int init(struct rn_backend *backend, const struct rn_backend_options *options)
{
    static const struct rn_poller poller = {add, wait};
    struct epoll *epoll = (struct epoll *)backend;
    int result = rn_readiness_init(&epoll->engine, options, &poller);
    if (result < 0) return result;
    result = epoll->fd = rn_sys_epoll_create1(RN_K_EPOLL_CLOEXEC);
    /* Edges need no read(2) of the eventfd: each write is one. */
    if (result >= 0) result = add(&epoll->engine, epoll->engine.wake);
    if (result < 0) fini(backend);
    return result;
}

const struct rn_backend_vt rn_backend_epoll = {
    .name = "epoll",
    .size = sizeof(struct epoll),
    .probe = probe,
    .init = init,
    .now = rn_readiness_now,
    .submit = rn_readiness_submit,
    .attempt = rn_readiness_attempt,
    .cancel = rn_readiness_cancel,
    .poll = rn_readiness_poll,
    .wake = rn_readiness_wake,
    .fini = fini,
};
