/*
 * backend/attempt.c: ops as plain system calls.
 */
#include "backend/attempt.h"

#include "sys/sys.h"

enum {
    SENDFILE_MAX = 256 << 10, /* bytes of one op until others have their turn */
    VECTORS_MAX = 1024,       /* UIO_MAXIOV */
    QUIETLY = RN_K_MSG_DONTWAIT | RN_K_MSG_NOSIGNAL,
};

const struct rn_attempt_method rn_attempts[RN_OP_CODES] = {
    [RN_OP_ACCEPT] = {RN_NR_ACCEPT4, RN_FOR_READ | RN_ON_EVENT,
                      RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC},
    [RN_OP_CONNECT] = {RN_NR_CONNECT, RN_FOR_WRITE, 0},
    [RN_OP_RECV] = {RN_NR_RECVFROM, RN_FOR_READ | RN_ON_EVENT | RN_BUFFER, RN_K_MSG_DONTWAIT},
    [RN_OP_RECV_INTO] = {RN_NR_RECVFROM, RN_FOR_READ | RN_ON_EVENT | RN_PROGRESS,
                         RN_K_MSG_DONTWAIT},
    [RN_OP_SEND] = {RN_NR_SENDTO, RN_FOR_WRITE | RN_PROGRESS, QUIETLY},
    [RN_OP_SENDV] = {RN_NR_SENDMSG, RN_FOR_WRITE | RN_PROGRESS, QUIETLY},
    [RN_OP_RECVFROM] = {RN_NR_RECVMSG, RN_FOR_READ | RN_ON_EVENT | RN_BUFFER, RN_K_MSG_DONTWAIT},
    [RN_OP_SENDTO] = {RN_NR_SENDTO, RN_FOR_WRITE, QUIETLY},
    [RN_OP_READ] = {RN_NR_READ, RN_FOR_READ, 0},
    [RN_OP_WRITE] = {RN_NR_WRITE, RN_FOR_WRITE, 0},
    [RN_OP_SENDFILE] = {RN_NR_SENDFILE, RN_FOR_WRITE | RN_PROGRESS, 0},
    [RN_OP_OPEN] = {RN_NR_OPENAT2, 0, sizeof(struct rn_k_open_how)},
    [RN_OP_CLOSE] = {RN_NR_CLOSE, 0, 0},
    [RN_OP_SHUTDOWN] = {RN_NR_SHUTDOWN, 0, 0},
    [RN_OP_POLL] = {RN_NR_PPOLL, RN_FOR_READ | RN_FOR_WRITE, 0}, /* or one of them */
};

__attribute__((noinline)) static long receive_datagram(int fd, struct rn_buf *buf)
{
    struct rn_datagram *datagram = (void *)buf->data;
    buf->at = sizeof *datagram;
    struct rn_k_iovec part = {datagram + 1, buf->cap - sizeof *datagram};
    struct rn_k_msghdr message = {
        .msg_name = datagram->address,
        .msg_namelen = sizeof datagram->address,
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    long result = rn_sys_recvmsg(fd, &message, RN_K_MSG_DONTWAIT);
    datagram->address_len = (uint32_t)message.msg_namelen;
    datagram->truncated = message.msg_flags & RN_K_MSG_TRUNC;
    return result;
}

static int64_t receive(struct rn_backend *backend, struct rn_op *op)
{
    bool stream = op->code == RN_OP_RECV;
    struct rn_buf *buf = rn_pool_take(backend->pool);
    if (!buf) return RN_STARVE;
    backend->syscalls++;
    long result = stream ? rn_sys_recv(op->fd, buf->data, buf->cap, RN_K_MSG_DONTWAIT)
                         : receive_datagram(op->fd, buf);
    if (result >= stream) {
        op->buf = buf;
        buf->len = (uint32_t)result;
        return result;
    }
    rn_pool_put(backend->pool, buf);
    return result == -RN_K_EAGAIN ? RN_WAIT : result;
}

enum { WITH_OFFSET = RN_NR_PREAD64 - RN_NR_READ };
_Static_assert(WITH_OFFSET == RN_NR_PWRITE64 - RN_NR_WRITE, "the same for both");

struct call {
    long nr, fd, a, b, c, d, e;
};

/* What its arguments may point to. */
union scratch {
    struct rn_k_msghdr message;
    uint64_t offset;
    struct {
        struct rn_k_pollfd poll;
        struct rn_k_timespec now;
    };
};

/* What is done is behind the first argument, what is left is the second. That holds for a file as
 * for memory: the fields of op->arg are laid out for it. */
static void prepare(const struct rn_op *op, struct call *call, union scratch *scratch)
{
    call->nr = rn_attempts[op->code].nr;
    call->fd = op->fd;
    call->a = (long)op->arg.memory.ptr + (long)op->progress;
    call->b = (long)(op->arg.memory.len - op->progress);
    call->c = rn_attempts[op->code].flags;
    if (op->flags & RN_OP_CORK) call->c |= RN_K_MSG_MORE;
    call->d = call->e = 0;
    switch (op->code) {
    case RN_OP_ACCEPT: call->a = call->b = 0; break;
    case RN_OP_SENDTO:
        call->d = (long)op->arg.datagram.address;
        call->e = op->arg.datagram.address_len;
        break;
    case RN_OP_SENDV: {
        uint32_t count = op->arg.vector.count;
        scratch->message = (struct rn_k_msghdr){
            .msg_iov = (void *)op->arg.vector.vectors,
            .msg_iovlen = count < VECTORS_MAX ? count : VECTORS_MAX,
        };
        call->a = (long)&scratch->message;
        call->b = call->c;
        break;
    }
    case RN_OP_SENDFILE:
        scratch->offset = (uint64_t)call->a;
        call->c = (uint64_t)call->b < SENDFILE_MAX ? call->b : SENDFILE_MAX;
        call->a = op->arg.file.fd;
        call->b = (long)&scratch->offset;
        break;
    case RN_OP_POLL:
        scratch->poll = (struct rn_k_pollfd){op->fd, (int16_t)op->arg.events, 0};
        scratch->now = (struct rn_k_timespec){0};
        call->fd = (long)&scratch->poll; /* the one call that doesn't begin with the descriptor */
        call->a = 1;
        call->b = (long)&scratch->now;
        call->c = 0;
        break;
    case RN_OP_READ:
    case RN_OP_WRITE:
        call->c = op->arg.memory.offset;
        if (call->c >= 0) call->nr += WITH_OFFSET;
    }
}

static int64_t failure(const struct rn_op *op, int64_t error)
{
    /* Under way. The same call again and again is answered with the outcome once there is one.
     * -EAGAIN is a Unix socket with a full backlog, which nothing announces the end of: that is the
     * caller's to handle. */
    if (op->code == RN_OP_CONNECT)
        return error == -RN_K_EINPROGRESS || error == -RN_K_EALREADY ? RN_WAIT : error;
    /* A connection that was gone before it was taken, accept(2): the next one may be fine. */
    if (op->code == RN_OP_ACCEPT && (error == -RN_K_ECONNABORTED || error == -RN_K_EPROTO))
        return RN_AGAIN;
    return error == -RN_K_EAGAIN ? RN_WAIT : error;
}

/* Drops what went out from the front of the vectors. */
static int64_t consume(struct rn_op *op, size_t sent)
{
    struct rn_vector *vector = op->arg.vector.vectors;
    uint32_t count = op->arg.vector.count;
    for (; count && vector->len <= sent; count--) sent -= vector++->len;
    if (!count) return (int64_t)op->progress;
    vector->ptr = (const char *)vector->ptr + sent;
    vector->len -= sent;
    op->arg.vector.vectors = vector;
    op->arg.vector.count = count;
    return RN_AGAIN;
}

/* Any op but those above. */
__attribute__((noinline)) static int64_t perform(struct rn_backend *backend, struct rn_op *op)
{
    struct call call;
    union scratch scratch;
    prepare(op, &call, &scratch);
    backend->syscalls++;
    long result = rn_syscall6(call.nr, call.fd, call.a, call.b, call.c, call.d, call.e);
    if (result < 0) return failure(op, result);
    if (rn_attempts[op->code].traits & RN_PROGRESS) {
        op->progress += (size_t)result;
        if (op->code == RN_OP_SENDV) return consume(op, (size_t)result);
        bool all = op->code != RN_OP_RECV_INTO || op->flags & RN_OP_ALL;
        if (all && result && op->progress < op->arg.memory.len) return RN_AGAIN;
        return (int64_t)op->progress;
    }
    if (op->code == RN_OP_POLL) {
        int events = (uint16_t)scratch.poll.revents;
        return !events ? RN_WAIT : events & RN_K_POLLNVAL ? -RN_K_EBADF : events;
    }
    return result;
}

/* A send that took a part left the socket full, with the mark that an edge shall come. */
static int64_t send_memory(struct rn_backend *backend, struct rn_op *op)
{
    size_t left = op->arg.memory.len - op->progress;
    long result = rn_sys_send(op->fd, (char *)op->arg.memory.ptr + op->progress, left,
                              op->flags & RN_OP_CORK ? QUIETLY | RN_K_MSG_MORE : QUIETLY);
    backend->syscalls++;
    if (result < 0) return result == -RN_K_EAGAIN ? RN_WAIT : result;
    op->progress += (size_t)result;
    return (size_t)result == left ? (int64_t)op->progress : RN_WAIT;
}

int64_t rn_attempt(struct rn_backend *backend, struct rn_op *op)
{
    if (op->code == RN_OP_SEND) return send_memory(backend, op);
    if (rn_attempts[op->code].traits & RN_BUFFER) return receive(backend, op);
    return op->code == RN_OP_NOP ? 0 : perform(backend, op);
}
