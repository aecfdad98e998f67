/*
 * http/server.h: the HTTP server from the inside: what its parts know of each other.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <runnel/driver.h>
#include <runnel/http.h>
#include <runnel/http1.h>

#include "base/text.h"
#include "core/slab.h"

enum {
    RN_HTTP_PARAMETERS_MAX = 8, /* in one route */
    RN_HTTP_LISTENERS_MAX = 16, /* addresses of one server */
    RN_HTTP_HANDOFFS = 256,     /* connections on their way to one worker; a power of two */
    /* free output space before a request is begun: a head and 4 KiB */
    RN_HTTP_ANSWER_HEAD = 512,
    RN_HTTP_ANSWER_ROOM = 4096 + RN_HTTP_ANSWER_HEAD,
    /* bytes of an unread body that are read past to keep the connection */
    RN_HTTP_DISCARD_MAX = 256 * 1024,
    /* bytes of a head that is recognised when it comes again */
    RN_HTTP_KNOWN_MAX = 1024,
    RN_HTTP_ADDRESS_ROWS = 4, /* of counters for an address's connections, see http/server.c */
    RN_HTTP_ADDRESS_ROW = 1 << 16,
};

/* How long a connection without a request stays open once the server drains, or others wait for its
 * place: a client that sent one just then gets its answer. */
#define RN_HTTP_GRACE (250 * RN_MILLISECOND)

struct rn_http_worker;

struct rn_websocket {
    struct rn_ws ws;
    const struct rn_http_route *route;
    void *user;
    struct rn_out *out; /* during a callback */
    uint16_t close_code;
    bool close_sent;
    bool closed_told;
    bool kicked;
    bool pinged;
};

/* Of a connection, in machine.own. */
enum {
    RN_HTTP_EOF = 1,
    RN_HTTP_UPGRADED = 2, /* `socket` is alive */
};

/* One connection: a driver and the machine it drives. */
struct rn_http_conn {
    struct rn_slab_item item;
    struct rn_machine machine;
    struct rn_http_worker *worker;
    struct rn_request *request; /* NULL between requests */
    rn_ns deadline;
    uint64_t address;      /* what its address is counted by; 0: it isn't counted */
    uint32_t requests_left;
    struct rn_websocket socket;
    struct rn_stream_driver driver;
};

enum rn_request_phase {
    RN_REQUEST_HEAD,    /* its head is coming */
    RN_REQUEST_COLLECT, /* its body is gathered before the handler is called */
    RN_REQUEST_HANDLED, /* the handler was called */
};

enum rn_response_phase {
    RN_RESPONSE_NONE,
    RN_RESPONSE_FIELDS,
    RN_RESPONSE_CONTENT,
    RN_RESPONSE_ENDED
};

struct rn_request {
    struct rn_slab_item item;
    /* zeroed at the beginning */
    struct rn_buf *buf;    /* keeps head and body of a request that isn't answered at once */
    struct rn_buf *stash_buf; /* for the stash when there is too little room behind them */
    const uint8_t *head;   /* in the driver's buffer, or in `buf` once it is kept */
    const struct rn_request_callbacks *callbacks;
    uint64_t content;      /* content of the response so far: for the log */
    uint32_t head_len;
    uint32_t body_len;     /* collected, in buf behind the head */
    bool unsent;           /* nothing of the response was sent yet: it can be taken back */
    bool close;            /* the connection ends with this response */
    bool chunked;
    bool no_content;       /* HEAD, 204, 304: no content goes out */
    bool broken;           /* the response can't be completed: reset */
    bool continue_due;     /* the client waits for 100 (Continue) */
    bool state_clean;
    bool body_ended;       /* and the handler knows */
    bool task_alive;
    bool task_waits;       /* for room in the stash */
    bool lost;             /* the connection is gone */
    bool head_begun;       /* a part of the head has come */
    uint8_t phase;         /* enum rn_request_phase */
    uint8_t response;      /* enum rn_response_phase */
    uint16_t status;
    /* set before they are looked at */
    struct rn_http_conn *conn;
    struct rn_out *out;    /* the driver's during its calls, otherwise `stash` */
    const struct rn_http_route *route;
    uint64_t remaining;    /* content of the response that is still due, or RN_LENGTH_UNKNOWN */
    struct rn_http1_body body;
    uint32_t response_at;  /* where it begins in the driver's output, while `unsent` */
    uint32_t out_len;      /* of the driver's output when it was last seen */
    uint64_t discarded;
    struct rn_out stash;   /* with `buf` */
    rn_waker waker;
    struct rn_future writable;
    /* and behind them what the '*' at the end of the route's path stands for */
    struct rn_http1_span parameters[RN_HTTP_PARAMETERS_MAX + 1];
    uint8_t state[RN_REQUEST_STATE] __attribute__((aligned(16)));
    /* the head that `http1`, `route` and `parameters` come from; known_len is 0 when it is too long
     * or had no route */
    uint32_t known_len;
    uint8_t known[RN_HTTP_KNOWN_MAX] __attribute__((aligned(16)));
    struct rn_http1_request http1;
};

/* Whether there is output that was written outside of the driver's calls. */
RN_INLINE bool rn_request_stashed(const struct rn_request *request)
{
    return request->buf && (request->stash.len || request->stash.sealed);
}

/* A connection on its way from the worker that accepts for all to the one that serves it. */
struct rn_http_handoff {
    struct rn_node node;
    int fd;
    bool busy; /* atomic: set by the one, cleared by the other */
};

struct rn_http_worker {
    struct rn_http_server *server;
    struct rn_worker *worker; /* NULL until it runs */
    struct rn_http_worker *next; /* of the same server */
    struct rn_stream_kind kind; /* of its connections' drivers */
    rn_ns date_until;           /* `prefix` is right until then */
    rn_ns idle_time;            /* idle_timeout, or less while places are scarce */
    uint8_t log_level;        /* enum rn_log_level */
    bool draining;
    bool late;  /* and no connection comes any more */
    bool ended; /* and drained, or given up */
    unsigned listening;
    union {
        struct rn_http_figures figures;
        struct { /* the drivers count bytes right where they are looked for */
            uint64_t before_traffic[offsetof(struct rn_http_figures, bytes_in) / sizeof(uint64_t)];
            struct rn_traffic traffic;
        };
    };
    struct rn_slab conns;
    struct rn_slab requests;
    char prefix[56];   /* "HTTP/1.1 200 OK\r\nDate: …\r\n" */
    struct rn_timer drain;
    uint32_t overdue;  /* times that `drain` has run out */
    struct rn_node stop;
    struct rn_node resume;
    uint32_t paused;   /* atomic: at the limit; new connections wait in the backlog */
    uint32_t load;     /* atomic: connections, and those on their way here */
    struct rn_log log;
    struct rn_log access;
    unsigned listener_count;
    struct rn_listener listeners[RN_HTTP_LISTENERS_MAX];
    uint32_t handed; /* connections by the accepting worker, each in the next place */
    struct rn_http_handoff handoffs[RN_HTTP_HANDOFFS];
} __attribute__((aligned(64)));

struct rn_http_server {
    struct rn_http_options options;
    struct rn_runtime *runtime;
    uint32_t connections; /* atomic: of all workers */
    uint32_t paused;      /* atomic: workers that are paused */
    uint32_t ended;       /* atomic, a futex: workers that have drained */
    size_t mapped;
    uint64_t address_key; /* what only we know, so that nobody can aim at a counter */
    uint32_t addresses[RN_HTTP_ADDRESS_ROWS][RN_HTTP_ADDRESS_ROW]; /* atomic */
    struct rn_http_worker workers[];
};

static inline bool rn_http_conn_is(const struct rn_http_conn *conn, unsigned what)
{
    return conn->machine.own & what;
}

static inline int rn_http_conn_fd(const struct rn_http_conn *conn)
{
    return conn->driver.stream.fd;
}

/* http/conn.c */
/* Logs a line about a connection at the debug level: its descriptor and one more number (%u). */
void rn_http_debug(struct rn_http_conn *conn, const char *format, uint64_t number);
void rn_http_conn_start(struct rn_http_worker *worker, int fd);
void rn_http_conn_closed(struct rn_stream_driver *driver);

/* http/server.c */
/* Counts it for its address; false when those are too many, and the connection has ended. */
bool rn_http_conn_admit(struct rn_http_conn *conn);
void rn_http_conn_ended(struct rn_http_conn *conn);

/* http/request.c */
void rn_request_begin(struct rn_http_conn *conn, struct rn_request *request);
void rn_request_dispatch(struct rn_request *request);
size_t rn_request_feed(struct rn_request *request, const uint8_t *in, size_t len);
void rn_request_pop(struct rn_request *request, struct rn_out *out);
void rn_request_fail(struct rn_request *request, unsigned status);
void rn_request_lost(struct rn_request *request);
void rn_request_free(struct rn_request *request);

/* http/route.c: the route for a request; NULL when there is none, and the request was answered. */
const struct rn_http_route *rn_route_find(struct rn_request *request);

/* http/response.c */
void rn_response_error(struct rn_request *request, unsigned status);
/* Fields as they are sent, each with its CRLF, after rn_response_start. */
void rn_response_headers(struct rn_request *request, rn_bytes block);
/* A piece of the content as rn_response_slice takes it, but copied when it is small beside the room
 * there is, so that what follows fits into the same send. */
void rn_response_content(struct rn_request *request, rn_bytes content, struct rn_out_owner *owner);
void rn_http_log_access(struct rn_request *request);

/* http/websocket.c */
void rn_websocket_upgrade(struct rn_request *request);
size_t rn_websocket_input(struct rn_http_conn *conn, rn_ns now, uint8_t *in, size_t len,
                          struct rn_out *out);
bool rn_websocket_pop(struct rn_http_conn *conn, struct rn_out *out);
void rn_websocket_tick(struct rn_http_conn *conn, rn_ns now, struct rn_out *out);
void rn_websocket_shutdown(struct rn_http_conn *conn, rn_ns now, struct rn_out *out);
void rn_websocket_lost(struct rn_http_conn *conn);

#endif
