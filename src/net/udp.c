/*
 * net/udp.c: datagram sockets, and the groups they are members of.
 */
#include <runnel/net.h>

#include "base/bytes.h"
#include "sys/sys.h"

int rn_udp_open(rn_udp *udp, struct rn_worker *worker, enum rn_family family)
{
    int fd = rn_sys_socket(family, RN_K_SOCK_DGRAM | RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    *udp = (rn_udp){worker, fd};
    return 0;
}

int rn_udp_bind(rn_udp *udp, struct rn_worker *worker, const struct rn_address *address,
                bool reuse_port)
{
    rn_udp opened;
    int result = rn_udp_open(&opened, worker, rn_address_family(address));
    if (result < 0) return result;
    if (reuse_port) result = rn_socket_set(opened.fd, RN_SOCKET_REUSEPORT, 1);
    if (result == 0) result = rn_socket_bind(opened.fd, address);
    if (result == 0) *udp = opened;
    else rn_sys_close(opened.fd);
    return result;
}

int rn_udp_connect(rn_udp udp, const struct rn_address *peer)
{
    static const struct rn_k_sockaddr nobody = {0}; /* AF_UNSPEC, connect(2) */
    return peer ? rn_sys_connect(udp.fd, peer->bytes, peer->len)
                : rn_sys_connect(udp.fd, &nobody, sizeof nobody);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static int set_group(rn_udp udp, const struct rn_address *group, uint32_t interface, bool join)
{
    rn_bytes ip = rn_address_ip(group);
    struct rn_k_ip_mreqn request = {.imr_ifindex = (int32_t)interface};
    struct rn_k_ipv6_mreq request6 = {.ipv6mr_interface = (int32_t)interface};
    if (ip.len == sizeof request.imr_multiaddr) {
        memcpy(&request.imr_multiaddr, ip.ptr, ip.len);
        return rn_sys_setsockopt(udp.fd, RN_K_IPPROTO_IP,
                                 join ? RN_K_IP_ADD_MEMBERSHIP : RN_K_IP_DROP_MEMBERSHIP, &request,
                                 sizeof request);
    }
    if (ip.len != sizeof request6.ipv6mr_multiaddr) return -RN_K_EINVAL;
    memcpy(&request6.ipv6mr_multiaddr, ip.ptr, ip.len);
    return rn_sys_setsockopt(udp.fd, RN_K_IPPROTO_IPV6,
                             join ? RN_K_IPV6_ADD_MEMBERSHIP : RN_K_IPV6_DROP_MEMBERSHIP,
                             &request6, sizeof request6);
}

int rn_udp_join(rn_udp udp, const struct rn_address *group, uint32_t interface)
{
    return set_group(udp, group, interface, true);
}

int rn_udp_leave(rn_udp udp, const struct rn_address *group, uint32_t interface)
{
    return set_group(udp, group, interface, false);
}

int rn_udp_multicast_interface(rn_udp udp, enum rn_family family, uint32_t interface)
{
    struct rn_k_ip_mreqn request = {.imr_ifindex = (int32_t)interface};
    if (family == RN_IP4)
        return rn_sys_setsockopt(udp.fd, RN_K_IPPROTO_IP, RN_K_IP_MULTICAST_IF, &request,
                                 sizeof request);
    if (family != RN_IP6) return -RN_K_EINVAL;
    return rn_sys_setsockopt(udp.fd, RN_K_IPPROTO_IPV6, RN_K_IPV6_MULTICAST_IF, &interface,
                             sizeof interface);
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

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

void rn_udp_sender(const struct rn_buf *buf, struct rn_address *address)
{
    const struct rn_datagram *datagram = (const void *)buf->data;
    address->len = datagram->address_len;
    if (address->len > sizeof address->bytes) address->len = sizeof address->bytes;
    memset(address->bytes, 0, sizeof address->bytes);
    memcpy(address->bytes, datagram->address, address->len);
}
