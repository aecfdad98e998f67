/*
 * net/net_poll.c: the poll style: a system call that doesn't wait, and when it would have to, a
 * poll of the descriptor that wakes the task. Only that poll is ever in flight, never a read or a
 * write, so nothing of the task's is borrowed while it does something else.
 *
 * A poll that is in flight is left there: it says no more than "ask again", so that one of long ago
 * does for who asks now. Its waker is whoever asked last.
 */
#include <runnel/net.h>

#include "sys/sys.h"

enum { QUIETLY = RN_K_MSG_DONTWAIT | RN_K_MSG_NOSIGNAL };

static void on_readable(struct rn_op *op)
{
    rn_wake(rn_container_of(op, struct rn_io, read)->reader);
}

static void on_writable(struct rn_op *op)
{
    rn_wake(rn_container_of(op, struct rn_io, write)->writer);
}

/* The task is woken when it is time to ask again; or there is a result that ends this. */
static enum rn_poll wait_for(struct rn_io *io, struct rn_cx *cx, uint32_t events, int64_t *result)
{
    bool reads = events != RN_K_POLLOUT;
    struct rn_op *op = reads ? &io->read : &io->write;
    *(reads ? &io->reader : &io->writer) = cx->waker;
    if (cx->cancelled) {
        *result = -RN_K_ECANCELED;
        return RN_READY;
    }
    /* One for less than what is asked for now makes room for one that is for it. */
    if (rn_op_inflight(op)) {
        if (op->arg.events != events) rn_op_cancel(io->worker, op);
        return RN_PENDING;
    }
    if (op->result < 0 && op->result != -RN_K_ECANCELED) {
        *result = op->result;
        op->result = 0;
        return RN_READY;
    }
    op->fd = io->fd;
    op->code = RN_OP_POLL;
    op->flags = 0;
    op->complete = reads ? on_readable : on_writable;
    op->arg.events = events;
    op->result = 0;
    rn_op_start(io->worker, op, RN_NEVER);
    return RN_PENDING;
}

/* What a system call said, or the wait for another try. */
static enum rn_poll settle(struct rn_io *io, struct rn_cx *cx, uint32_t events, long said,
                           int64_t *result)
{
    if (said == -RN_K_EAGAIN) return wait_for(io, cx, events, result);
    *result = said;
    return RN_READY;
}

enum rn_poll rn_io_poll_ready(struct rn_io *io, struct rn_cx *cx, uint32_t events, int64_t *result)
{
    struct rn_k_pollfd poll = {io->fd, (int16_t)events, 0};
    struct rn_k_timespec at_once = {0};
    int said = rn_sys_ppoll(&poll, 1, &at_once, NULL);
    if (said > 0) {
        *result = poll.revents & RN_K_POLLNVAL ? -RN_K_EBADF : (uint16_t)poll.revents;
        return RN_READY;
    }
    /* Each side has a poll of its own, for a task of its own. */
    uint32_t reading = events & ~(uint32_t)RN_K_POLLOUT;
    enum rn_poll reads = RN_PENDING, writes = RN_PENDING;
    if (reading || !events) reads = wait_for(io, cx, reading, result);
    if (events & RN_K_POLLOUT) writes = wait_for(io, cx, RN_K_POLLOUT, result);
    return reads == RN_READY ? reads : writes;
}

/* The same call again is answered with the outcome once there is one, connect(2). -EAGAIN is a Unix
 * socket with a full backlog, of which nothing tells the end. */
enum rn_poll rn_io_poll_connect(struct rn_io *io, struct rn_cx *cx,
                                const struct rn_address *address, int64_t *result)
{
    int said = rn_sys_connect(io->fd, address->bytes, address->len);
    if (said == -RN_K_EISCONN && io->connecting) said = 0;
    io->connecting = said == -RN_K_EINPROGRESS || said == -RN_K_EALREADY;
    if (io->connecting) return wait_for(io, cx, RN_K_POLLOUT, result);
    *result = said;
    return RN_READY;
}

enum rn_poll rn_io_poll_accept(struct rn_io *io, struct rn_cx *cx, struct rn_address *from,
                               int64_t *result)
{
    uint32_t len;
    int said;
    do {
        len = sizeof from->bytes;
        said = rn_sys_accept4(io->fd, from ? from->bytes : NULL, from ? &len : NULL,
                              RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC);
        /* A connection that was gone before it was taken, accept(2): the next one may be fine. */
    } while (said == -RN_K_ECONNABORTED || said == -RN_K_EPROTO || said == -RN_K_EINTR);
    if (from && said >= 0) from->len = len;
    return settle(io, cx, RN_K_POLLIN, said, result);
}

enum rn_poll rn_io_poll_read(struct rn_io *io, struct rn_cx *cx, void *to, size_t len,
                             int64_t *result)
{
    return settle(io, cx, RN_K_POLLIN, rn_sys_recv(io->fd, to, len, RN_K_MSG_DONTWAIT), result);
}

enum rn_poll rn_io_poll_write(struct rn_io *io, struct rn_cx *cx, const void *from, size_t len,
                              int64_t *result)
{
    return settle(io, cx, RN_K_POLLOUT, rn_sys_send(io->fd, from, len, QUIETLY), result);
}

enum rn_poll rn_io_poll_flush(struct rn_io *io, struct rn_cx *cx, int64_t *result)
{
    *result = 0;
    return RN_READY;
}

enum rn_poll rn_io_poll_shutdown(struct rn_io *io, struct rn_cx *cx, int64_t *result)
{
    *result = rn_sys_shutdown(io->fd, RN_K_SHUT_WR);
    return RN_READY;
}

enum rn_poll rn_io_poll_recv_from(struct rn_io *io, struct rn_cx *cx, void *to, size_t len,
                                  struct rn_address *from, bool *truncated, int64_t *result)
{
    struct rn_k_iovec part = {to, len};
    struct rn_k_msghdr message = {
        .msg_name = from ? from->bytes : NULL,
        .msg_namelen = from ? sizeof from->bytes : 0,
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    long said = rn_sys_recvmsg(io->fd, &message, RN_K_MSG_DONTWAIT);
    if (from && said >= 0) from->len = (uint32_t)message.msg_namelen;
    if (truncated && said >= 0) *truncated = message.msg_flags & RN_K_MSG_TRUNC;
    return settle(io, cx, RN_K_POLLIN, said, result);
}

enum rn_poll rn_io_poll_send_to(struct rn_io *io, struct rn_cx *cx, const void *from, size_t len,
                                const struct rn_address *to, int64_t *result)
{
    long said = rn_sys_sendto(io->fd, from, len, QUIETLY, to ? to->bytes : NULL, to ? to->len : 0);
    if (said == -RN_K_EAGAIN && to && rn_address_family(to) == RN_UNIX) {
        *result = said;
        return RN_READY;
    }
    return settle(io, cx, RN_K_POLLOUT, said, result);
}

enum rn_poll rn_io_poll_close(struct rn_io *io, struct rn_cx *cx, int64_t *result)
{
    io->reader = io->writer = cx->waker;
    rn_op_cancel(io->worker, &io->read);
    rn_op_cancel(io->worker, &io->write);
    if (rn_op_inflight(&io->read) || rn_op_inflight(&io->write)) return RN_PENDING;
    /* The backend forgets the descriptor with this op. */
    if (io->fd >= 0) {
        io->read.fd = io->fd;
        io->read.code = RN_OP_CLOSE;
        io->read.flags = 0;
        io->read.complete = on_readable;
        io->fd = -1;
        rn_op_start(io->worker, &io->read, RN_NEVER);
        return RN_PENDING;
    }
    *result = io->read.result;
    return RN_READY;
}
