/*
 * runnel/net.h: sockets as values and awaitable calls: addresses, TCP and Unix streams, listeners,
 * datagrams over UDP and Unix sockets.
 *
 * There are two styles. A call that waits fills in an op and starts it; the task awaits the op and
 * reads op->result (runnel/io.h lists what each op gives). Or a poll function is asked again and
 * again, as in "The poll style" below: it leaves the task's waker behind and says RN_PENDING. All
 * are for the worker's own thread. Deadlines are absolute: rn_after(cx, 30 * RN_SECOND).
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

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", "::ffff:192.0.2.1",
 * "fe80::1%eth0" or with the interface's number, "unix:PATH"; a leading '@' of the path is Linux's
 * abstract name space. No names: those are DNS. RN_E_MISUSE for anything else, -ENODEV when the
 * zone (RFC 4007, 11) is no interface here. */
RN_MUST_USE int rn_address_parse(struct rn_address *address, const char *text, uint16_t port);
/* Writes it the same way, with the port and a terminator; returns the length without it.
 * to: RN_ADDRESS_TEXT_MAX. */
enum { RN_ADDRESS_TEXT_MAX = 128 };
size_t rn_address_format(const struct rn_address *address, char *to);
/* The same two without zones, which make system calls. */
RN_MUST_USE int rn_address_parse_global(struct rn_address *address, const char *text,
                                        uint16_t port);
size_t rn_address_format_global(const struct rn_address *address, char *to);

/* From 4 or 16 bytes in network order, the port, and an interface's number or 0. */
void rn_address_ip4(struct rn_address *address, const uint8_t ip[4], uint16_t port);
void rn_address_ip6(struct rn_address *address, const uint8_t ip[16], uint16_t port,
                    uint32_t scope);
/* Its 4 or 16 bytes, in network order; none for a Unix address. Borrowed from the address. */
rn_bytes rn_address_ip(const struct rn_address *address);
enum rn_family rn_address_family(const struct rn_address *address);
uint16_t rn_address_port(const struct rn_address *address);
void rn_address_set_port(struct rn_address *address, uint16_t port);
/* The interface of a link-local IPv6 address, as a number; 0: none. */
uint32_t rn_address_scope(const struct rn_address *address);
/* Whether they are one: family, address, port, scope; or the Unix name. */
bool rn_address_equal(const struct rn_address *a, const struct rn_address *b);
/* 224.0.0.0/4, ff00::/8. */
bool rn_address_is_multicast(const struct rn_address *address);
/* An IPv4 address that came in as IPv6, ::ffff:192.0.2.1, becomes IPv4; others stay. */
void rn_address_unmap(struct rn_address *address);

/* The number of an interface, netdevice(7): or -ENODEV. Its name, with a terminator; or -ENODEV.
 * to: RN_INTERFACE_NAME_MAX. */
enum { RN_INTERFACE_NAME_MAX = 16 };
RN_MUST_USE int rn_interface_index(const char *name);
RN_MUST_USE int rn_interface_name(uint32_t index, char *to);

/* The address a descriptor is bound to, or connected to. 0 or -errno. */
RN_MUST_USE int rn_local_address(int fd, struct rn_address *address);
RN_MUST_USE int rn_peer_address(int fd, struct rn_address *address);

/* ---- Socket options -------------------------------------------------------------------------- */

/* setsockopt(2); socket(7), tcp(7), ip(7), ipv6(7). 0 or -errno. Sizes in bytes, times in whole
 * seconds where nothing else is said. Each is its level in the kernel, times 256, and its name
 * there: other options of one int can be written that way too. */
enum rn_socket_option {
    RN_SOCKET_REUSEADDR = 0x102,
    RN_SOCKET_REUSEPORT = 0x10f,
    RN_SOCKET_KEEPALIVE = 0x109,
    RN_SOCKET_KEEPALIVE_IDLE = 0x604,
    RN_SOCKET_KEEPALIVE_INTERVAL = 0x605,
    RN_SOCKET_KEEPALIVE_COUNT = 0x606,
    RN_SOCKET_NODELAY = 0x601,
    RN_SOCKET_CORK = 0x603,
    RN_SOCKET_QUICKACK = 0x60c,         /* until the kernel thinks otherwise */
    RN_SOCKET_USER_TIMEOUT = 0x612,     /* ms that sent data may stay unconfirmed */
    RN_SOCKET_SYN_COUNT = 0x607,        /* of a connection attempt */
    RN_SOCKET_MAXIMUM_SEGMENT = 0x602,
    RN_SOCKET_DEFER_ACCEPT = 0x609,
    RN_SOCKET_FASTOPEN = 0x617,         /* a listener's queue, RFC 7413 */
    RN_SOCKET_FASTOPEN_CONNECT = 0x61e, /* connects with the first data */
    RN_SOCKET_UNSENT_LOW_WATER = 0x619, /* TCP_NOTSENT_LOWAT: writable below that */
    RN_SOCKET_RECEIVE_BUFFER = 0x108,
    RN_SOCKET_SEND_BUFFER = 0x107,
    RN_SOCKET_RECEIVE_LOW_WATER = 0x112,
    RN_SOCKET_BROADCAST = 0x106,
    RN_SOCKET_PRIORITY = 0x10c,
    RN_SOCKET_MARK = 0x124,
    RN_SOCKET_INCOMING_CPU = 0x131,
    RN_SOCKET_BUSY_POLL = 0x12e, /* µs */
    RN_SOCKET_LINGER = 0x10d, /* the seconds; 0: close resets the connection; -1: off */
    RN_SOCKET_TTL = 0x002,    /* IPv4; -1: the default */
    RN_SOCKET_TOS = 0x001,
    RN_SOCKET_FREEBIND = 0x00f,
    RN_SOCKET_PATH_MTU = 0x00e, /* to be read when connected */
    RN_SOCKET_PATH_MTU_DISCOVER = 0x00a,
    RN_SOCKET_RECEIVE_ERRORS = 0x00b,
    RN_SOCKET_MULTICAST_TTL = 0x021,
    RN_SOCKET_MULTICAST_LOOP = 0x022,
    RN_SOCKET_MULTICAST_ALL = 0x031, /* 0: of groups that this socket joined only */
    RN_SOCKET_V6ONLY = 0x291a,
    RN_SOCKET_HOPS = 0x2910, /* IPv6; -1: the default */
    RN_SOCKET_TRAFFIC_CLASS = 0x2943,
    RN_SOCKET_PATH_MTU6 = 0x2918,
    RN_SOCKET_PATH_MTU6_DISCOVER = 0x2917,
    RN_SOCKET_RECEIVE_ERRORS6 = 0x2919,
    RN_SOCKET_MULTICAST_HOPS = 0x2912,
    RN_SOCKET_MULTICAST_LOOP6 = 0x2913,
    RN_SOCKET_MULTICAST_ALL6 = 0x291d,
    /* to be read only */
    RN_SOCKET_ERROR = 0x104, /* takes it: an errno, or 0 */
    RN_SOCKET_TYPE = 0x103,
    RN_SOCKET_PROTOCOL = 0x126,
    RN_SOCKET_FAMILY = 0x127,
    RN_SOCKET_LISTENING = 0x11e,
    /* of the calls for text */
    RN_SOCKET_DEVICE = 0x119,     /* SO_BINDTODEVICE: an interface; "": any */
    RN_SOCKET_CONGESTION = 0x60d, /* "cubic", "bbr" … */
};
RN_MUST_USE int rn_socket_set(int fd, enum rn_socket_option option, int value);
RN_MUST_USE int rn_socket_get(int fd, enum rn_socket_option option, int *value);
/* The last two. to: `size` bytes, 16 are enough; terminated. */
RN_MUST_USE int rn_socket_set_text(int fd, enum rn_socket_option option, const char *value);
RN_MUST_USE int rn_socket_get_text(int fd, enum rn_socket_option option, char *to, uint32_t size);

/* Where it is to be reached, or, before a connect, where it comes from. 0 or -errno. */
RN_MUST_USE int rn_socket_bind(int fd, const struct rn_address *address);

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
 * stream. Exactly 0 are there at once; some, of 0, waits as recv(2) does. */
void rn_stream_read(rn_stream stream, struct rn_op *op, struct rn_cx *cx, void *to, size_t len,
                    rn_ns deadline);
void rn_stream_read_exact(rn_stream stream, struct rn_op *op, struct rn_cx *cx, void *to,
                          size_t len, rn_ns deadline);
/* As much as the socket takes once it takes any; or all of it. Both hand the bytes to the kernel:
 * nothing is kept back that a flush would have to push. */
void rn_stream_write(rn_stream stream, struct rn_op *op, struct rn_cx *cx, const void *from,
                     size_t len, rn_ns deadline);
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

/* One connection: op->result is its descriptor, and rn_stream_of makes a stream of it. Out of
 * descriptors or memory, that is the result, and the connection stays in the backlog. */
void rn_accept(int fd, struct rn_op *op, struct rn_cx *cx, rn_ns deadline);
static inline rn_stream rn_stream_of(struct rn_worker *worker, int fd)
{
    rn_stream stream = {worker, fd};
    return stream;
}

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
    bool single; /* paused once, it accepts one at a time: none comes in behind the last */
    bool stopping;
};
void rn_listener_start(struct rn_listener *listener);
/* New connections wait in the backlog from here on; a few that were accepted already may still
 * come. */
void rn_listener_pause(struct rn_listener *listener);
void rn_listener_resume(struct rn_listener *listener);
/* For good: it ends what is under way, closes the descriptor and calls `stopped`; until then a few
 * that were accepted already may still come. */
void rn_listener_stop(struct rn_listener *listener);

/* ---- Datagrams: UDP and Unix ----------------------------------------------------------------- */

typedef struct rn_udp {
    struct rn_worker *worker;
    int fd;
} rn_udp;

/* A socket bound to that address; or -errno. A Unix socket's file must not be there yet, and is the
 * caller's to unlink. */
RN_MUST_USE int rn_udp_bind(rn_udp *udp, struct rn_worker *worker, const struct rn_address *address,
                            bool reuse_port);
/* One without an address: it gets one with its first datagram, but a Unix socket stays nameless. */
RN_MUST_USE int rn_udp_open(rn_udp *udp, struct rn_worker *worker, enum rn_family family);
/* Only datagrams of that peer from now on, and it is where rn_udp_send sends to. NULL: of anyone
 * again. */
RN_MUST_USE int rn_udp_connect(rn_udp udp, const struct rn_address *peer);
/* Datagrams to that group come too, on that interface (0: the system chooses). 0 or -errno:
 * -EADDRINUSE when it is a member, -EADDRNOTAVAIL when it isn't one, -EINVAL for no group. */
RN_MUST_USE int rn_udp_join(rn_udp udp, const struct rn_address *group, uint32_t interface);
RN_MUST_USE int rn_udp_leave(rn_udp udp, const struct rn_address *group, uint32_t interface);
/* Through which interface datagrams to groups of that family leave; 0: the system chooses. */
RN_MUST_USE int rn_udp_multicast_interface(rn_udp udp, enum rn_family family, uint32_t interface);

/* op->buf begins with a struct rn_datagram: who sent it and whether it was cut. */
void rn_udp_recv(rn_udp udp, struct rn_op *op, struct rn_cx *cx, rn_ns deadline);
/* to: NULL when connected. A Unix socket that isn't connected can't be told when a receiver whose
 * queue is full has room again: connect it, or give a deadline. */
void rn_udp_send(rn_udp udp, struct rn_op *op, struct rn_cx *cx, const void *from, size_t len,
                 const struct rn_address *to, rn_ns deadline);
void rn_udp_close(rn_udp udp, struct rn_op *op, struct rn_cx *cx);

/* What rn_udp_recv brought: the payload, borrowed from the buffer; the sender, whose len is 0 for a
 * nameless Unix socket; whether the datagram was longer than the buffer. */
static inline rn_bytes rn_udp_payload(const struct rn_buf *buf)
{
    return rn_bytes_of(buf->data + buf->at, buf->len);
}
void rn_udp_sender(const struct rn_buf *buf, struct rn_address *address);
static inline bool rn_udp_truncated(const struct rn_buf *buf)
{
    return ((const struct rn_datagram *)(const void *)buf->data)->truncated;
}

/* ---- The poll style -------------------------------------------------------------------------- */

/* A socket that is asked: zero it, set worker and fd. A function that can't go on says RN_PENDING,
 * and wakes the task that asked last, of those that read or of those that write, when it is to ask
 * again: one task may read while another writes. Nothing is under way in between, so a task may
 * drop its interest, or ask for something else, at any time. RN_READY: *result is a count or
 * -errno; -ECANCELED to a task that was cancelled; only then is anything written. A task whose
 * socket always has something is to let the others have their turn: struct rn_yield.
 *
 * The struct stays in place until rn_io_poll_close was ready. */
struct rn_io {
    struct rn_worker *worker;
    int fd;
    struct rn_op read, write; /* private from here: polls of the descriptor */
    rn_waker reader, writer;
    bool connecting;
};

/* Whether any of the events of poll(2) is there: *result says which. */
enum rn_poll rn_io_poll_ready(struct rn_io *io, struct rn_cx *cx, uint32_t events,
                              int64_t *result);
/* 0 when connected. The address stays until then. -EAGAIN: a Unix socket whose backlog is full, of
 * which nothing tells the end. */
enum rn_poll rn_io_poll_connect(struct rn_io *io, struct rn_cx *cx,
                                const struct rn_address *address, int64_t *result);
/* A descriptor, as from rn_accept. from: who it is, may be NULL. */
enum rn_poll rn_io_poll_accept(struct rn_io *io, struct rn_cx *cx, struct rn_address *from,
                               int64_t *result);
/* Some bytes; 0 at the end. */
enum rn_poll rn_io_poll_read(struct rn_io *io, struct rn_cx *cx, void *to, size_t len,
                             int64_t *result);
enum rn_poll rn_io_poll_write(struct rn_io *io, struct rn_cx *cx, const void *from, size_t len,
                              int64_t *result);
/* 0 when all that was written has been handed to the kernel, which is at once. */
enum rn_poll rn_io_poll_flush(struct rn_io *io, struct rn_cx *cx, int64_t *result);
/* 0: the peer will read the end. */
enum rn_poll rn_io_poll_shutdown(struct rn_io *io, struct rn_cx *cx, int64_t *result);
/* One datagram; what is longer than len is cut, and then *truncated is set. from, truncated: may be
 * NULL. */
enum rn_poll rn_io_poll_recv_from(struct rn_io *io, struct rn_cx *cx, void *to, size_t len,
                                  struct rn_address *from, bool *truncated, int64_t *result);
/* One datagram, whole. to: NULL when connected. -EAGAIN: an unconnected Unix socket whose receiver
 * has no room, of which nothing tells the end. */
enum rn_poll rn_io_poll_send_to(struct rn_io *io, struct rn_cx *cx, const void *from, size_t len,
                                const struct rn_address *to, int64_t *result);
/* Ends what is left of the interest, then closes the descriptor: 0. A cancelled task's too. */
enum rn_poll rn_io_poll_close(struct rn_io *io, struct rn_cx *cx, int64_t *result);

#ifdef __cplusplus
}
#endif
#endif
