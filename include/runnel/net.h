/*
 * runnel/net.h: sockets as values and awaitable calls: addresses, TCP and Unix streams, listeners,
 * UDP.
 *
 * A call that waits fills in an op and starts it; the task awaits the op and reads op->result
 * (runnel/io.h lists what each op gives). All are for the worker's own thread. Deadlines are
 * absolute: rn_after(cx, 30 * RN_SECOND).
 */
#ifndef RUNNEL_NET_H
#define RUNNEL_NET_H

#include <runnel/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Addresses ------------------------------------------------------------------------------- */

enum rn_family { RN_IP4 = 2, RN_IP6 = 10, RN_UNIX = 1 }; /* AF_INET, AF_INET6, AF_UNIX */

/* A struct sockaddr of any family above, as the kernel wants it, and its length. */
struct rn_address {
    uint32_t len;
    uint8_t bytes[112] __attribute__((aligned(8)));
};

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", "unix:PATH"; a leading '@' of the
 * path is Linux's abstract name space. No names: those are DNS; in IPv6 no zone and no dotted part.
 * RN_E_MISUSE for anything else. */
RN_MUST_USE int rn_address_parse(struct rn_address *address, const char *text, uint16_t port);
/* Writes it the same way, with the port and a terminator; returns the length without it.
 * to: RN_ADDRESS_TEXT_MAX. */
enum { RN_ADDRESS_TEXT_MAX = 128 };
size_t rn_address_format(const struct rn_address *address, char *to);
enum rn_family rn_address_family(const struct rn_address *address);
uint16_t rn_address_port(const struct rn_address *address);
/* The address a descriptor is bound to, or connected to. 0 or -errno. */
RN_MUST_USE int rn_local_address(int fd, struct rn_address *address);
RN_MUST_USE int rn_peer_address(int fd, struct rn_address *address);

/* ---- Socket options -------------------------------------------------------------------------- */

/* setsockopt(2); socket(7), tcp(7), ipv6(7). 0 or -errno. Sizes in bytes, times in whole
 * seconds. */
enum rn_socket_option {
    RN_SOCKET_REUSEADDR,
    RN_SOCKET_REUSEPORT,
    RN_SOCKET_KEEPALIVE,
    RN_SOCKET_KEEPALIVE_IDLE,
    RN_SOCKET_KEEPALIVE_INTERVAL,
    RN_SOCKET_KEEPALIVE_COUNT,
    RN_SOCKET_NODELAY,
    RN_SOCKET_RECEIVE_BUFFER,
    RN_SOCKET_SEND_BUFFER,
    RN_SOCKET_V6ONLY,
    RN_SOCKET_BROADCAST,
    RN_SOCKET_LINGER, /* the seconds; 0: close resets the connection; -1: off */
    RN_SOCKET_OPTIONS
};
RN_MUST_USE int rn_socket_set(int fd, enum rn_socket_option option, int value);
RN_MUST_USE int rn_socket_get(int fd, enum rn_socket_option option, int *value);

/* ---- Streams: TCP and Unix ------------------------------------------------------------------- */

/* A connected, non-blocking, close-on-exec descriptor and the worker it lives on. */
typedef struct rn_stream {
    struct rn_worker *worker;
    int fd;
} rn_stream;

/* A socket that isn't connected yet, of the address's family, with NODELAY for TCP; or -errno. */
RN_MUST_USE int rn_stream_open(rn_stream *stream, struct rn_worker *worker, enum rn_family family);
void rn_stream_connect(rn_stream stream, struct rn_op *op, struct rn_cx *cx,
                       const struct rn_address *address, rn_ns deadline);
/* op->buf: what came; the task gives it back with rn_pool_put. */
void rn_stream_recv(rn_stream stream, struct rn_op *op, struct rn_cx *cx, rn_ns deadline);
/* Some bytes, into the task's own memory; or exactly len of them: fewer only at the end of the
 * stream. */
void rn_stream_read(rn_stream stream, struct rn_op *op, struct rn_cx *cx, void *to, size_t len,
                    rn_ns deadline);
void rn_stream_read_exact(rn_stream stream, struct rn_op *op, struct rn_cx *cx, void *to,
                          size_t len, rn_ns deadline);
/* All of it. */
void rn_stream_write_all(rn_stream stream, struct rn_op *op, struct rn_cx *cx, const void *from,
                         size_t len, rn_ns deadline);
/* Half close: how is SHUT_RD (0), SHUT_WR (1) or SHUT_RDWR (2). */
void rn_stream_shutdown(rn_stream stream, struct rn_op *op, struct rn_cx *cx, int how);
/* Nothing else may be in flight on the stream. */
void rn_stream_close(rn_stream stream, struct rn_op *op, struct rn_cx *cx);

/* ---- Listeners ------------------------------------------------------------------------------- */

struct rn_listen_options {
    int backlog;     /* 0: 4,096; negative: binds, and doesn't listen */
    /* several listeners on one address; the kernel spreads connections over them */
    bool reuse_port;
    bool v6only;     /* IPv6 alone; otherwise IPv4 comes in as ::ffff:AABB:CCDD */
    uint32_t unix_mode; /* permissions of a Unix socket's file; 0: as the umask has it */
};

/* Binds and listens: a descriptor or -errno. A Unix socket's file that nobody listens on any
 * more is replaced. */
RN_MUST_USE int rn_listen(const struct rn_address *address,
                          const struct rn_listen_options *options);

/* Accepts connections on a listening descriptor, one after the other, until stopped. Set fd,
 * accepted and worker, zero the rest. Out of descriptors or memory, it waits until a tenth of a
 * second has passed or rn_listener_resume is called, and goes on: it neither spins nor gives up. */
struct rn_listener {
    struct rn_worker *worker;
    int fd;
    void (*accepted)(struct rn_listener *listener, int fd);
    /* after rn_listener_stop; the descriptor is closed */
    void (*stopped)(struct rn_listener *listener);
    void *owner;
    struct rn_op op;       /* private from here */
    struct rn_timer retry;
    uint64_t failures;     /* EMFILE, ENFILE, ENOBUFS, ENOMEM so far */
    bool paused;
    bool stopping;
};
void rn_listener_start(struct rn_listener *listener);
/* New connections wait in the backlog from here on; a few that were accepted already may still
 * come. */
void rn_listener_pause(struct rn_listener *listener);
void rn_listener_resume(struct rn_listener *listener);
/* The same here until `stopped`. */
void rn_listener_stop(struct rn_listener *listener);

/* ---- UDP ------------------------------------------------------------------------------------- */

typedef struct rn_udp {
    struct rn_worker *worker;
    int fd;
} rn_udp;

/* A socket bound to that address; or -errno. */
RN_MUST_USE int rn_udp_bind(rn_udp *udp, struct rn_worker *worker, const struct rn_address *address,
                            bool reuse_port);
/* Only datagrams of that peer from now on, and it is where rn_udp_send sends to. */
RN_MUST_USE int rn_udp_connect(rn_udp udp, const struct rn_address *peer);
/* op->buf begins with a struct rn_datagram: who sent it and whether it was cut. */
void rn_udp_recv(rn_udp udp, struct rn_op *op, struct rn_cx *cx, rn_ns deadline);
/* to: NULL when connected. */
void rn_udp_send(rn_udp udp, struct rn_op *op, struct rn_cx *cx, const void *from, size_t len,
                 const struct rn_address *to, rn_ns deadline);
void rn_udp_close(rn_udp udp, struct rn_op *op, struct rn_cx *cx);

#ifdef __cplusplus
}
#endif
#endif
