/*
 * runnel/http.h: an HTTP/1.1 and WebSocket server: routes, handlers, static files.
 *
 * A handler is a function that is called with a request. It may
 *   - answer at once: rn_respond();
 *   - stream: rn_response_start() … rn_response_write() … rn_response_end(), going on in the
 * writable callback;
 *   - take the request's body piece by piece in a body callback;
 *   - start a task that awaits what it needs and answers then: rn_request_spawn().
 * All of it runs on the connection's worker, so a handler needs no lock, and must not block.
 */
#ifndef RUNNEL_HTTP_H
#define RUNNEL_HTTP_H

#include <runnel/log.h>
#include <runnel/net.h>
#include <runnel/runtime.h>
#include <runnel/ws.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_request;
struct rn_websocket;
struct rn_out_owner; /* runnel/machine.h */

/* ---- Routes ---------------------------------------------------------------------------------- */

typedef void (*rn_http_handler)(struct rn_request *request);

enum {
    /* the handler is called before the body has come; see rn_request_on_body */
    RN_ROUTE_STREAM = 1,
};

/* path: "/exact", "/users/:id/posts" (a parameter is one non-empty segment), or with a star at the
 * end, which stands for the rest, also an empty one. Routes are tried in order: put the special
 * ones first. methods: "GET", "GET POST" …; HEAD goes where GET does; NULL: any. A path that
 * matches with another method is answered 405 with Allow. */
struct rn_http_route {
    const char *methods;
    const char *path;
    rn_http_handler handler;
    /* instead of handler: GET with the upgrade; see below */
    const struct rn_websocket_handler *websocket;
    void *context;
    unsigned flags;
};

/* ---- The request ----------------------------------------------------------------------------- */

/* Slices are valid until the response has ended. */
rn_bytes rn_request_method(const struct rn_request *request);
/* as sent: percent-encoded, without the query */
rn_bytes rn_request_path(const struct rn_request *request);
rn_bytes rn_request_query(const struct rn_request *request); /* without '?' */
/* the first; {NULL, 0} when none */
rn_bytes rn_request_header(const struct rn_request *request, const char *name);
/* of the route, as sent; "*" the rest */
rn_bytes rn_request_parameter(const struct rn_request *request, const char *name);
rn_bytes rn_request_body(const struct rn_request *request); /* not with RN_ROUTE_STREAM */
const struct rn_http1_request *rn_request_head(const struct rn_request *request,
                                               const uint8_t **head);
/* RN_LENGTH_UNKNOWN when chunked */
uint64_t rn_request_content_length(const struct rn_request *request);
bool rn_request_is_head(const struct rn_request *request);
void *rn_request_context(const struct rn_request *request); /* the route's */
struct rn_worker *rn_request_worker(const struct rn_request *request);
int rn_request_fd(const struct rn_request *request); /* of the connection */

/* Zeroed memory for the handler's own use, until the response has ended. */
enum { RN_REQUEST_STATE = 256 };
void *rn_request_state(struct rn_request *request);

/* ---- The response ---------------------------------------------------------------------------- */

#define RN_LENGTH_UNKNOWN UINT64_MAX

/* A whole response. The body is copied when it fits beside what else is being sent (4 KiB always
 * do); a longer one is refused with RN_E_LIMIT: use rn_respond_slice for constant data, or stream.
 * type may be NULL when there is no body. */
int rn_respond(struct rn_request *request, unsigned status, const char *type, const void *body,
               size_t len);
/* The body isn't copied: it stays until `owner` is released (NULL: for ever). */
void rn_respond_slice(struct rn_request *request, unsigned status, const char *type, rn_bytes body,
                      struct rn_out_owner *owner);

/* The parts of a response, in this order. Header names and values are the caller's duty to keep
 * free of CR and LF. Date, Content-Length or Transfer-Encoding, and Connection are written by
 * rn_response_head. */
void rn_response_start(struct rn_request *request, unsigned status);
void rn_response_header(struct rn_request *request, const char *name, rn_bytes value);
/* length: of the content; RN_LENGTH_UNKNOWN sends it chunked, or to the end of the connection
 * for HTTP/1.0. */
void rn_response_head(struct rn_request *request, const char *type, uint64_t length);
/* How many content bytes rn_response_write would take now. */
size_t rn_response_room(const struct rn_request *request);
/* Content: returns how much of it was taken, also 0: go on when `writable` is called. Not called
 * for HEAD. */
size_t rn_response_write(struct rn_request *request, const void *data, size_t len);
/* Content from a file, or from memory that isn't copied; false when there is output before it: go
 * on when `writable` is called. The first one in a handler is always taken. The owner is released
 * when it is sent or the connection is gone. Only with a known length. */
bool rn_response_file(struct rn_request *request, int fd, uint64_t offset, uint64_t length,
                      struct rn_out_owner *owner);
bool rn_response_slice(struct rn_request *request, rn_bytes content, struct rn_out_owner *owner);
void rn_response_end(struct rn_request *request);

/* Called while the response isn't ended: `body` with each piece of the request's content as it
 * comes and with {NULL, 0} at its end, returning how much it took (less than all: it is called
 * again with the rest when `writable` was called or more was sent); `writable` when there is room
 * for output; `aborted` when the connection was lost, in place of everything else. */
struct rn_request_callbacks {
    size_t (*body)(struct rn_request *request, rn_bytes piece);
    void (*writable)(struct rn_request *request);
    void (*aborted)(struct rn_request *request);
};
void rn_request_on(struct rn_request *request, const struct rn_request_callbacks *callbacks);

/* Runs a task for this request: rn_request_state begins with a struct rn_task. The task may await
 * anything, and responds with the calls above (rn_response_write then fills a buffer of the
 * request's own; await rn_request_writable when it returns less than was given). If the connection
 * is lost the task is cancelled; if it ends without a whole response the connection is reset. */
int rn_request_spawn(struct rn_request *request,
                     enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx));
struct rn_request *rn_request_of(struct rn_task *task);
/* For the request's own task to await: there is room for content, or the task is cancelled. */
struct rn_future *rn_request_writable(struct rn_request *request);

/* ---- WebSocket ------------------------------------------------------------------------------- */

struct rn_websocket_handler {
    const struct rn_ws_policy *policy; /* origins, subprotocols; NULL: any and none */
    uint64_t message_max;       /* bytes; 0: 1 MiB. A longer message is refused with 1009 */
    void (*opened)(struct rn_websocket *socket);
    /* A piece of a message as it arrives: opcode, first and last say where it belongs. */
    void (*data)(struct rn_websocket *socket, const struct rn_ws_event *event);
    /* There is room for output again, after rn_websocket_send returned -ENOBUFS or
     * rn_websocket_kick was called. */
    void (*writable)(struct rn_websocket *socket);
    void (*closed)(struct rn_websocket *socket, uint16_t code);
};

/* Sends a frame: a whole message when first and last. Returns 0, or -ENOBUFS when there is no room
 * now, or it is called from outside the callbacks: then rn_websocket_kick() and send in `writable`.
 * A frame of up to the size of the data that a `data` callback brought always fits. */
RN_MUST_USE int rn_websocket_send(struct rn_websocket *socket, enum rn_ws_opcode opcode, bool first,
                                  bool last, const void *data, size_t len);
void rn_websocket_kick(struct rn_websocket *socket);
/* Starts the closing handshake. The reason goes out when a callback of this socket calls it; from
 * elsewhere the code goes alone. */
void rn_websocket_close(struct rn_websocket *socket, uint16_t code, rn_bytes reason);
void *rn_websocket_context(const struct rn_websocket *socket); /* the route's */
void **rn_websocket_user(struct rn_websocket *socket);         /* a pointer of the user's own */
struct rn_worker *rn_websocket_worker(const struct rn_websocket *socket);

/* ---- Static files ---------------------------------------------------------------------------- */

struct rn_static;
struct rn_static_options {
    const char *root;      /* a directory */
    bool list;             /* directories without an index are listed */
    uint32_t cache_files;  /* for each worker: small files kept in memory, and open ones; 0: 64 */
};
/* -errno for the root. One serves all workers of a server. */
RN_MUST_USE int rn_static_open(struct rn_static **files, const struct rn_static_options *options,
                               unsigned workers);
void rn_static_close(struct rn_static *files);
/* A handler; the route's path ends in "*" and its context is a struct rn_static. */
void rn_static_handler(struct rn_request *request);

/* ---- The server ------------------------------------------------------------------------------ */

enum rn_accept_mode {
    RN_ACCEPT_REUSEPORT, /* each worker has its own listening socket */
    /* one worker accepts and gives each connection to the worker with the fewest */
    RN_ACCEPT_SHARED,
};

struct rn_http_options {
    const struct rn_http_route *routes;
    size_t route_count;
    unsigned workers;         /* 0: one for each processor */
    const struct rn_backend_vt *backend;
    enum rn_accept_mode accept;
    /* all workers together; 0: what RLIMIT_NOFILE leaves, at most 100,000 */
    uint32_t connections_max;
    /* open for one address, all workers together; more are answered 503. 0: any number. For IPv6 a
     * /64 is one address, and Unix sockets have none */
    uint32_t address_connections_max;
    uint32_t connection_requests_max; /* then the connection is closed. 0: any number */
    /* bytes a second that a peer has to send of a body, or to take of the output, over idle_timeout
     * and write_timeout. 0: 240 */
    uint32_t rate_min;
    uint32_t busy_poll_us;    /* as in struct rn_runtime_options */
    rn_ns header_timeout;     /* from a request's first byte to its head's end: 408. 0: 10 s */
    rn_ns idle_timeout;       /* between requests, and for stalls of a body. 0: 60 s */
    rn_ns write_timeout;      /* for stalls of a peer that takes output. 0: 60 s */
    rn_ns drain_timeout;      /* how long rn_http_server_stop lets connections finish. 0: 3 s */
    rn_ns ping_interval;      /* WebSocket: a silent peer gets a ping, then is closed. 0: 30 s */
    const int *log_fd;        /* where lines go, read at each flush; NULL: nowhere */
    const int *access_fd;     /* one line a request, Combined Log Format; NULL: none */
    enum rn_log_level log_level;
    void *context;
};

struct rn_http_server;

/* Checks the options and raises RLIMIT_NOFILE's soft limit. RN_E_MISUSE, -ENOMEM. */
RN_MUST_USE int rn_http_server_new(struct rn_http_server **server,
                                   const struct rn_http_options *options);
/* Binds and listens, before the start; several times for several addresses. -errno. An address that
 * anybody else listens on is -EADDRINUSE, whatever its options. With port 0 `address` gets the port
 * that was chosen. */
RN_MUST_USE int rn_http_server_listen(struct rn_http_server *server, struct rn_address *address);
/* The same with a socket that listens already, close-on-exec and non-blocking. It is the server's
 * from now on, for the worker with the fewest. RN_E_LIMIT. */
RN_MUST_USE int rn_http_server_adopt(struct rn_http_server *server, int fd);
RN_MUST_USE int rn_http_server_start(struct rn_http_server *server);
/* Accepts no more, lets requests finish, says goodbye to WebSockets (1001), closes; returns when
 * all workers have ended: at the latest two seconds after drain_timeout. Frees the server, also one
 * that wasn't started or couldn't. */
void rn_http_server_stop(struct rn_http_server *server);

/* The workers under a server that was started, and the server of a request. */
struct rn_runtime *rn_http_server_runtime(struct rn_http_server *server);
struct rn_http_server *rn_request_server(const struct rn_request *request);

struct rn_http_figures {
    uint64_t connections; /* open */
    uint64_t accepted;    /* so far, as all that follow */
    uint64_t requests;
    uint64_t websockets;  /* open */
    uint64_t messages;    /* WebSocket, received */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t errors;      /* requests refused as malformed */
    uint64_t timeouts;
    uint64_t refused;     /* connections over a limit, answered 503 */
    uint64_t refused_address; /* those of them that were too many of one address */
};
/* From any thread. */
void rn_http_server_figures(const struct rn_http_server *server, unsigned worker,
                            struct rn_http_figures *figures);

#ifdef __cplusplus
}
#endif
#endif
