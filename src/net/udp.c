/*
 * net/udp.c: datagram sockets.
 */
#include <runnel/net.h>

#include "sys/sys.h"

int rn_udp_bind(rn_udp *udp, struct rn_worker *worker, const struct rn_address *address,
                bool reuse_port)
{
    int fd = rn_sys_socket(rn_address_family(address),
                           RN_K_SOCK_DGRAM | RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    int result = reuse_port ? rn_socket_set(fd, RN_SOCKET_REUSEPORT, 1) : 0;
    if (result == 0) result = rn_sys_bind(fd, address->bytes, address->len);
    if (result < 0) {
        rn_sys_close(fd);
        return result;
    }
    *udp = (rn_udp){worker, fd};
    return 0;
}

int rn_udp_connect(rn_udp udp, const struct rn_address *peer)
{
    return rn_sys_connect(udp.fd, peer->bytes, peer->len);
}

void rn_udp_recv(rn_udp udp, struct rn_op *op, struct rn_cx *cx, rn_ns deadline)
{
    op->fd = udp.fd;
    op->code = RN_OP_RECVFROM;
    op->flags = 0;
    rn_op_begin(cx, op, deadline);
}

void rn_udp_send(rn_udp udp, struct rn_op *op, struct rn_cx *cx, const void *from, size_t len,
                 const struct rn_address *to, rn_ns deadline)
{
    op->fd = udp.fd;
    op->code = RN_OP_SENDTO;
    op->flags = 0;
    op->arg.datagram.ptr = from;
    op->arg.datagram.len = len;
    op->arg.datagram.address = to ? to->bytes : NULL;
    op->arg.datagram.address_len = to ? to->len : 0;
    rn_op_begin(cx, op, deadline);
}

void rn_udp_close(rn_udp udp, struct rn_op *op, struct rn_cx *cx)
{
    op->fd = udp.fd;
    op->code = RN_OP_CLOSE;
    op->flags = 0;
    rn_op_begin(cx, op, RN_NEVER);
}
