/*
 * net/fd_kernel.c: the kernel's sockets under the descriptors of runnel/socket.h, and waiting for
 * them. The kernel's descriptors are all non-blocking: what waits, waits here.
 */
#include <runnel/fiber.h>
#include <runnel/fiber_net.h>
#include <runnel/runtime.h>

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

/* Puts all of them into an epoll instance. Files that are always ready can't be, and then there is
 * nothing to wait for: 1. */
static int gather(int epoll, const struct rn_fd_wait *waits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rn_k_epoll_event event = {.events = waits[i].events};
        int handle = waits[i].file->handle;
        /* Twice in the list: whatever either of them is for. */
        for (size_t k = 0; k < count; k++)
            if (waits[k].file->handle == handle) event.events |= waits[k].events;
        int result = rn_sys_epoll_ctl(epoll, RN_K_EPOLL_CTL_ADD, handle, &event);
        if (result == -RN_K_EPERM) return 1;
        if (result < 0 && result != -RN_K_EEXIST) return result;
    }
    return 0;
}

/* Through an epoll instance of its own, closed when it is over: the worker's backend keeps a
 * descriptor in mind until it is told of its end, and these are closed from anywhere. And any
 * number of fibers may wait for one socket. */
static int park(const struct rn_fd_wait *waits, size_t count, rn_ns deadline)
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
