/*
 * runnel/fiber_net.h: sockets for fibers, in the style of blocking calls: each parks the fiber
 * until it is done. All but rn_fiber_listen and rn_fiber_udp_bind are for fibers only.
 *
 * Results are counts or 0, or -errno: -ETIMEDOUT after the timeout that was set on the socket,
 * -ECANCELED in a fiber that is cancelled. Closing is never cancelled. Timeouts are nanoseconds for
 * one call; 0: none. Several fibers of one worker may use a socket at once, one to read and one to
 * write; before it is closed they must be done.
 */
#ifndef RUNNEL_FIBER_NET_H
#define RUNNEL_FIBER_NET_H

#include <runnel/fiber.h>
#include <runnel/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Streams --------------------------------------------------------------------------------- */

struct rn_fiber_stream {
    int fd;
    rn_ns read_timeout; /* the caller's to set */
    rn_ns write_timeout;
};

/* Takes over a connected, non-blocking descriptor. */
void rn_fiber_stream_of(struct rn_fiber_stream *stream, int fd);

/* Listens: a descriptor for rn_fiber_accept, or -errno. As rn_listen; options: NULL for none. */
RN_MUST_USE int rn_fiber_listen(const struct rn_address *address,
                                const struct rn_listen_options *options);
/* Waits for the next connection. peer: whose it is; may be NULL. */
RN_MUST_USE int rn_fiber_accept(int listener, struct rn_fiber_stream *stream,
                                struct rn_address *peer);
/* Connects within the timeout. On an error nothing is left to close. */
RN_MUST_USE int rn_fiber_connect(struct rn_fiber_stream *stream, const struct rn_address *address,
                                 rn_ns timeout);

/* The same by name: rn_connect, which see for the errors. Takes some 4 KiB of the stack. */
RN_MUST_USE int rn_fiber_connect_name(struct rn_fiber_stream *stream, const char *name,
                                      uint16_t port, rn_ns timeout);
/* The addresses of a name, the best first: how many of at most `max`; otherwise the errors of
 * rn_resolve. Takes some 3 KiB of the stack. */
RN_MUST_USE int rn_fiber_resolve(const char *name, uint16_t port, struct rn_address *addresses,
                                 uint32_t max, rn_ns timeout);

/* Some bytes: how many; 0 at the end. */
RN_MUST_USE rn_ssize rn_fiber_read(struct rn_fiber_stream *stream, void *to, size_t len);
/* As many as asked; fewer only when the end came first. */
RN_MUST_USE rn_ssize rn_fiber_read_exact(struct rn_fiber_stream *stream, void *to, size_t len);
/* All of it: 0. After an error some may have gone out. */
RN_MUST_USE int rn_fiber_write_all(struct rn_fiber_stream *stream, const void *from, size_t len);
/* how: SHUT_RD (0), SHUT_WR (1) or SHUT_RDWR (2). */
RN_MUST_USE int rn_fiber_shutdown(struct rn_fiber_stream *stream, int how);
/* Of a stream, or of anything else that has a descriptor. */
void rn_fiber_close(struct rn_fiber_stream *stream);
void rn_fiber_close_fd(int fd);

/* ---- UDP ------------------------------------------------------------------------------------- */

struct rn_fiber_udp {
    int fd;
    rn_ns read_timeout; /* the caller's to set */
    rn_ns write_timeout;
};

/* A socket bound to that address. */
RN_MUST_USE int rn_fiber_udp_bind(struct rn_fiber_udp *udp, const struct rn_address *address);
/* One datagram, whole: its length. to: NULL when connected. */
RN_MUST_USE rn_ssize rn_fiber_udp_send(struct rn_fiber_udp *udp, const void *from, size_t len,
                                       const struct rn_address *to);
/* The next datagram: its length; -EMSGSIZE when it was cut, to `len` or to what a buffer of the
 * worker's pool has room for: its first bytes are there. sender: may be NULL. */
RN_MUST_USE rn_ssize rn_fiber_udp_recv(struct rn_fiber_udp *udp, void *to, size_t len,
                                       struct rn_address *sender);
void rn_fiber_udp_close(struct rn_fiber_udp *udp);

#ifdef __cplusplus
}
#endif
#endif
