/*
 * net/stream.c: the awaitable calls on streams: each fills in an op and starts it.
 */
#include <runnel/net.h>
#include <runnel/runtime.h>

#include "sys/sys.h"

int rn_stream_open(rn_stream *stream, struct rn_worker *worker, enum rn_family family)
{
    int fd = rn_sys_socket(family, RN_K_SOCK_STREAM | RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    if (family != RN_UNIX) {
        int result = rn_socket_set(fd, RN_SOCKET_NODELAY, 1);
        if (result < 0) {
            rn_sys_close(fd);
            return result;
        }
    }
    *stream = (rn_stream){worker, fd};
    return 0;
}

static void begin(rn_stream stream, struct rn_op *op, struct rn_cx *cx, enum rn_op_code code,
                  uint8_t flags, rn_ns deadline)
{
    op->fd = stream.fd;
    op->code = (uint8_t)code;
    op->flags = flags;
    rn_op_begin(cx, op, deadline);
}

static void begin_memory(rn_stream stream, struct rn_op *op, struct rn_cx *cx,
                         enum rn_op_code code, uint8_t flags, const void *ptr, size_t len,
                         rn_ns deadline)
{
    op->arg.memory.ptr = (void *)(uintptr_t)ptr;
    op->arg.memory.len = len;
    begin(stream, op, cx, code, flags, deadline);
}

void rn_stream_connect(rn_stream stream, struct rn_op *op, struct rn_cx *cx,
                       const struct rn_address *address, rn_ns deadline)
{
    op->arg.address.ptr = address->bytes;
    op->arg.address.len = address->len;
    begin(stream, op, cx, RN_OP_CONNECT, 0, deadline);
}

void rn_stream_recv(rn_stream stream, struct rn_op *op, struct rn_cx *cx, rn_ns deadline)
{
    begin(stream, op, cx, RN_OP_RECV, 0, deadline);
}

void rn_stream_read(rn_stream stream, struct rn_op *op, struct rn_cx *cx, void *to, size_t len,
                    rn_ns deadline)
{
    begin_memory(stream, op, cx, RN_OP_RECV_INTO, 0, to, len, deadline);
}

void rn_stream_read_exact(rn_stream stream, struct rn_op *op, struct rn_cx *cx, void *to,
                          size_t len, rn_ns deadline)
{
    if (len == 0) { /* recv(2) would wait for a byte all the same */
        op->flags = 0;
        op->result = 0;
        op->buf = NULL;
        return;
    }
    begin_memory(stream, op, cx, RN_OP_RECV_INTO, RN_OP_ALL, to, len, deadline);
}

void rn_stream_write(rn_stream stream, struct rn_op *op, struct rn_cx *cx, const void *from,
                     size_t len, rn_ns deadline)
{
    op->arg.memory.offset = -1;
    begin_memory(stream, op, cx, RN_OP_WRITE, 0, from, len, deadline);
}

void rn_stream_write_all(rn_stream stream, struct rn_op *op, struct rn_cx *cx, const void *from,
                         size_t len, rn_ns deadline)
{
    begin_memory(stream, op, cx, RN_OP_SEND, 0, from, len, deadline);
}

void rn_stream_shutdown(rn_stream stream, struct rn_op *op, struct rn_cx *cx, int how)
{
    op->arg.how = how;
    begin(stream, op, cx, RN_OP_SHUTDOWN, 0, RN_NEVER);
}

void rn_stream_close(rn_stream stream, struct rn_op *op, struct rn_cx *cx)
{
    begin(stream, op, cx, RN_OP_CLOSE, 0, RN_NEVER);
}

void rn_accept(int fd, struct rn_op *op, struct rn_cx *cx, rn_ns deadline)
{
    begin(rn_stream_of(cx->worker, fd), op, cx, RN_OP_ACCEPT, 0, deadline);
}
