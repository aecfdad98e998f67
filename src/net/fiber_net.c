/*
 * net/fiber_net.c: sockets for fibers: each call starts an op that lies on the fiber's stack, and
 * parks until it is done.
 */
#include <runnel/fiber_net.h>
#include <runnel/resolver.h>
#include <runnel/runtime.h>

#include "base/bytes.h"
#include "sys/abi.h"

static rn_ns deadline_of(rn_ns timeout)
{
    return timeout ? rn_after(rn_fiber_cx(), timeout) : RN_NEVER;
}

static int64_t finish(struct rn_op *op)
{
    rn_fiber_await(op);
    return op->result;
}

static rn_stream stream_of(const struct rn_fiber_stream *stream)
{
    return (rn_stream){rn_fiber_cx()->worker, stream->fd};
}

static rn_udp udp_of(const struct rn_fiber_udp *udp)
{
    return (rn_udp){rn_fiber_cx()->worker, udp->fd};
}

/* ---- Streams --------------------------------------------------------------------------------- */

void rn_fiber_stream_of(struct rn_fiber_stream *stream, int fd)
{
    *stream = (struct rn_fiber_stream){.fd = fd};
}

int rn_fiber_listen(const struct rn_address *address, const struct rn_listen_options *options)
{
    static const struct rn_listen_options defaults;
    return rn_listen(address, options ? options : &defaults);
}

int rn_fiber_accept(int listener, struct rn_fiber_stream *stream, struct rn_address *peer)
{
    struct rn_op op = {.fd = listener, .code = RN_OP_ACCEPT};
    rn_op_begin(rn_fiber_cx(), &op, RN_NEVER);
    int fd = (int)finish(&op);
    if (fd < 0) return fd;
    rn_fiber_stream_of(stream, fd);
    int result = peer ? rn_peer_address(fd, peer) : 0;
    if (result < 0) rn_fiber_close(stream);
    return result;
}

int rn_fiber_connect(struct rn_fiber_stream *stream, const struct rn_address *address,
                     rn_ns timeout)
{
    rn_stream opened;
    struct rn_op op;
    struct rn_cx *cx = rn_fiber_cx();
    int result = rn_stream_open(&opened, cx->worker, rn_address_family(address));
    if (result < 0) return result;
    rn_fiber_stream_of(stream, opened.fd);
    rn_stream_connect(opened, &op, cx, address, deadline_of(timeout));
    result = (int)finish(&op);
    if (result < 0) rn_fiber_close(stream);
    return result;
}

int rn_fiber_connect_name(struct rn_fiber_stream *stream, const char *name, uint16_t port,
                          rn_ns timeout)
{
    struct rn_connect connect;
    rn_connect(&connect, rn_fiber_cx(), name, port, deadline_of(timeout));
    rn_fiber_await(&connect.future);
    if (connect.result < 0) return connect.result;
    rn_fiber_stream_of(stream, connect.stream.fd);
    return 0;
}

int rn_fiber_resolve(const char *name, uint16_t port, struct rn_address *addresses, uint32_t max,
                     rn_ns timeout)
{
    struct rn_resolve resolve;
    rn_resolve(&resolve, rn_fiber_cx(), name, port, deadline_of(timeout));
    rn_fiber_await(&resolve.future);
    if (resolve.result < 0) return resolve.result;
    uint32_t count = resolve.count < max ? resolve.count : max;
    for (uint32_t i = 0; i < count; i++) addresses[i] = resolve.addresses[i];
    return (int)count;
}

rn_ssize rn_fiber_read(struct rn_fiber_stream *stream, void *to, size_t len)
{
    struct rn_op op;
    rn_stream_read(stream_of(stream), &op, rn_fiber_cx(), to, len,
                   deadline_of(stream->read_timeout));
    return (rn_ssize)finish(&op);
}

rn_ssize rn_fiber_read_exact(struct rn_fiber_stream *stream, void *to, size_t len)
{
    struct rn_op op;
    rn_stream_read_exact(stream_of(stream), &op, rn_fiber_cx(), to, len,
                         deadline_of(stream->read_timeout));
    return (rn_ssize)finish(&op);
}

int rn_fiber_write_all(struct rn_fiber_stream *stream, const void *from, size_t len)
{
    struct rn_op op;
    rn_stream_write_all(stream_of(stream), &op, rn_fiber_cx(), from, len,
                        deadline_of(stream->write_timeout));
    int64_t result = finish(&op);
    return result < 0 ? (int)result : 0;
}

int rn_fiber_shutdown(struct rn_fiber_stream *stream, int how)
{
    struct rn_op op;
    rn_stream_shutdown(stream_of(stream), &op, rn_fiber_cx(), how);
    return (int)finish(&op);
}

void rn_fiber_close_fd(int fd)
{
    struct rn_op op = {.fd = fd, .code = RN_OP_CLOSE};
    rn_fiber_shield();
    rn_op_begin(rn_fiber_cx(), &op, RN_NEVER);
    (void)finish(&op);
    rn_fiber_unshield();
}

void rn_fiber_close(struct rn_fiber_stream *stream)
{
    rn_fiber_close_fd(stream->fd);
    stream->fd = -1;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

int rn_fiber_udp_bind(struct rn_fiber_udp *udp, const struct rn_address *address)
{
    rn_udp bound;
    int result = rn_udp_bind(&bound, NULL, address, false);
    if (result < 0) return result;
    *udp = (struct rn_fiber_udp){.fd = bound.fd};
    return 0;
}

rn_ssize rn_fiber_udp_send(struct rn_fiber_udp *udp, const void *from, size_t len,
                           const struct rn_address *to)
{
    struct rn_op op;
    rn_udp_send(udp_of(udp), &op, rn_fiber_cx(), from, len, to, deadline_of(udp->write_timeout));
    return (rn_ssize)finish(&op);
}

rn_ssize rn_fiber_udp_recv(struct rn_fiber_udp *udp, void *to, size_t len,
                           struct rn_address *sender)
{
    struct rn_op op;
    rn_udp_recv(udp_of(udp), &op, rn_fiber_cx(), deadline_of(udp->read_timeout));
    int64_t result = finish(&op);
    struct rn_buf *buf = op.buf;
    if (!buf) return (rn_ssize)result;
    if (result >= 0) {
        const struct rn_datagram *datagram = (const void *)buf->data;
        bool cut = datagram->truncated || buf->len > len;
        result = cut ? -RN_K_EMSGSIZE : (int64_t)buf->len;
        memcpy(to, buf->data + buf->at, buf->len < len ? buf->len : len);
        if (sender) {
            sender->len = datagram->address_len;
            memcpy(sender->bytes, datagram->address, datagram->address_len);
        }
    }
    rn_pool_put(rn_worker_pool(rn_fiber_cx()->worker), buf);
    return (rn_ssize)result;
}

void rn_fiber_udp_close(struct rn_fiber_udp *udp)
{
    rn_fiber_close_fd(udp->fd);
    udp->fd = -1;
}
