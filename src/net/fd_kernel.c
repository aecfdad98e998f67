/*
 * net/fd_kernel.c: the kernel's sockets under the descriptors of runnel/socket.h, and waiting for
 * them. The kernel's descriptors are all non-blocking: what waits, waits here.
 */
#include <runnel/backend.h>
#include <runnel/fiber.h>
#include <runnel/fiber_net.h>
#include <runnel/runtime.h>

#include "backend/readiness.h"
#include "core/worker.h"
#include "net/fd.h"

enum { QUIETLY = RN_K_MSG_DONTWAIT | RN_K_MSG_NOSIGNAL };

static int kernel_open(int family, int type, int protocol)
{
    return rn_sys_socket(family, type | RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC, protocol);
}

static void kernel_close(int handle) { rn_sys_close(handle); }

/* Also of what isn't connected: whoever polls it sees POLLHUP, whatever this returns. */
static void kernel_interrupt(int handle) { rn_sys_shutdown(handle, RN_K_SHUT_RDWR); }

static int kernel_accept(int handle, void *address, uint32_t *len)
{
    return rn_sys_accept4(handle, address, len, RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC);
}

static long kernel_send(int handle, const struct rn_k_msghdr *message, int flags)
{
    return rn_sys_sendmsg(handle, message, flags | QUIETLY);
}

static long kernel_receive(int handle, struct rn_k_msghdr *message, int flags)
{
    return rn_sys_recvmsg(handle, message, flags | RN_K_MSG_DONTWAIT);
}

static int kernel_name(int handle, bool peer, void *address, uint32_t *len)
{
    return peer ? rn_sys_getpeername(handle, address, len)
                : rn_sys_getsockname(handle, address, len);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static int poll_once(struct rn_fd_wait *waits, size_t count, struct rn_k_timespec *limit)
{
    struct rn_k_pollfd list[RN_FD_POLL_MAX];
    for (size_t i = 0; i < count; i++)
        list[i] = (struct rn_k_pollfd){waits[i].file->handle, (int16_t)waits[i].events, 0};
    int result = rn_sys_ppoll(list, count, limit, NULL);
    for (size_t i = 0; i < count && result >= 0; i++) waits[i].revents = (uint16_t)list[i].revents;
    return result;
}

/* Puts all of them into an epoll instance. Files that are always ready can't be: whoever comes here
 * has looked, and waits for something else of them, which never comes. */
static int gather(int epoll, const struct rn_fd_wait *waits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rn_k_epoll_event event = {.events = waits[i].events};
        int handle = waits[i].file->handle;
        /* Twice in the list: whatever either of them is for. */
        for (size_t k = 0; k < count; k++)
            if (waits[k].file->handle == handle) event.events |= waits[k].events;
        int result = rn_sys_epoll_ctl(epoll, RN_K_EPOLL_CTL_ADD, handle, &event);
        if (result < 0 && result != -RN_K_EEXIST && result != -RN_K_EPERM) return result;
    }
    return 0;
}

/* Whether this worker's backend can do with descriptors of whose end it isn't told. */
static bool backend_forgets(const struct rn_backend *backend)
{
    return backend->vt == &rn_backend_uring || backend->vt == &rn_backend_epoll ||
           backend->vt == &rn_backend_poll;
}

/* These are closed from anywhere, but not before the wait is over: the call holds the file. */
static void forget(struct rn_backend *backend, int handle)
{
    if (backend->vt == &rn_backend_epoll) rn_epoll_forget(backend, handle);
    else if (backend->vt == &rn_backend_poll) (void)rn_readiness_forget(backend, handle);
}

/* For one of them, by the worker's backend. RN_E_MISUSE: another fiber of the worker is waiting for
 * the same already, which not every backend can take. -EPERM from epoll and -EINVAL from io_uring:
 * this is a file. */
static int64_t park_for_one(const struct rn_fd_wait *wait, rn_ns deadline)
{
    struct rn_cx *cx = rn_fiber_cx();
    int handle = wait->file->handle;
    struct rn_op op = {.fd = handle, .code = RN_OP_POLL, .arg.events = wait->events};
    if (!backend_forgets(cx->worker->backend)) return RN_E_MISUSE;
    rn_op_begin(cx, &op, deadline);
    rn_fiber_await_any(rn_awaitable_op(&op));
    if (op.result != RN_E_MISUSE) forget(rn_fiber_cx()->worker->backend, handle);
    return op.result;
}

/* Through an epoll instance of its own, closed when it is over: any number of fibers may wait for
 * any number of sockets. */
static int64_t park_for_many(const struct rn_fd_wait *waits, size_t count, rn_ns deadline)
{
    int epoll = rn_sys_epoll_create1(RN_K_EPOLL_CLOEXEC);
    if (epoll < 0) return epoll;
    int64_t result = gather(epoll, waits, count);
    if (result == 0) {
        struct rn_op op = {.fd = epoll, .code = RN_OP_POLL, .arg.events = RN_K_POLLIN};
        rn_op_begin(rn_fiber_cx(), &op, deadline);
        rn_fiber_await_any(rn_awaitable_op(&op));
        result = op.result;
    }
    rn_fiber_close_fd(epoll);
    return result;
}

static int park(const struct rn_fd_wait *waits, size_t count, rn_ns deadline)
{
    int64_t result = count == 1 ? park_for_one(waits, deadline) : RN_E_MISUSE;
    if (result == RN_E_MISUSE || result == -RN_K_EPERM || result == -RN_K_EINVAL)
        result = park_for_many(waits, count, deadline);
    if (result == -RN_K_ETIMEDOUT) return 0;
    return result < 0 ? (int)result : 1;
}

static int kernel_wait(struct rn_fd_wait *waits, size_t count, rn_ns deadline)
{
    struct rn_k_timespec at_once = {0};
    if (deadline == 0) return poll_once(waits, count, &at_once);
    if (rn_fiber_current()) return park(waits, count, deadline);
    if (rn_worker_current()) return RN_E_MISUSE;
    if (deadline == RN_NEVER) return poll_once(waits, count, NULL);
    rn_ns now = rn_clock_monotonic();
    struct rn_k_timespec limit = rn_timespec_of(deadline > now ? deadline - now : 0);
    return poll_once(waits, count, &limit);
}

int rn_fd_pause(rn_ns duration)
{
    struct rn_k_timespec time = rn_timespec_of(duration);
    if (rn_fiber_current()) return rn_fiber_sleep(duration);
    if (rn_worker_current()) return RN_E_MISUSE;
    int result = rn_sys_nanosleep(&time, NULL);
    return result == -RN_K_EINTR ? 0 : result;
}

const struct rn_fd_ops rn_fd_kernel = {
    .open = kernel_open,
    .close = kernel_close,
    .interrupt = kernel_interrupt,
    .bind = rn_sys_bind,
    .listen = rn_sys_listen,
    .accept = kernel_accept,
    .connect = rn_sys_connect,
    .send = kernel_send,
    .receive = kernel_receive,
    .shutdown = rn_sys_shutdown,
    .name = kernel_name,
    .set_option = rn_sys_setsockopt,
    .get_option = rn_sys_getsockopt,
    .wait = kernel_wait,
};
