/*
 * runnel/http_client.h: an HTTP/1.1 client: calls with redirects, proxies, basic authentication and
 * bodies that stream both ways, over connections that are kept and shared (RFC 9110, RFC 9112).
 *
 * A client belongs to one worker and makes any number of calls at once. A task awaits the response,
 * then reads its content piece by piece; while it doesn't read, the peer's sending comes to a halt:
 *
 *     me->call = (struct rn_http_call){.client = me->client, .method = "GET"};
 *     rn_http_call_start(&me->call, cx, RN_BYTES("http://example.com/"));
 *     RN_AWAIT(&me->co, &me->call.future, cx);
 *     while (me->call.result == 0) {
 *         rn_http_call_read(&me->call, cx);
 *         RN_AWAIT(&me->co, &me->call.future, cx);
 *         if (me->call.result < 0 || me->call.data.len == 0) break;
 *         use(me->call.data);
 *     }
 *     rn_http_call_end(&me->call);
 *
 * All functions are for the worker's own thread. There is no TLS: https is refused with
 * RN_E_UNSUPPORTED.
 */
#ifndef RUNNEL_HTTP_CLIENT_H
#define RUNNEL_HTTP_CLIENT_H

#include <runnel/http1_client.h>
#include <runnel/net.h>
#include <runnel/url.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_http_connection;
struct rn_http_call;

enum {
    RN_HTTP_URL_MAX = 4096,   /* bytes in a URL, also one that a redirect leads to */
    RN_HTTP_HOST_MAX = 255,   /* bytes in a host's name */
    RN_HTTP_REDIRECTS = 20,   /* that are followed when call.redirects_max is 0 */
    RN_HTTP_DRAIN_MAX = 65536, /* bytes of a redirect's content that are read for its connection's
                                * sake; with more it is closed */
    RN_HTTP_USERINFO_MAX = 255, /* bytes in user and password, with the colon */
    RN_HTTP_BASIC_MAX = 6 + 4 * (RN_HTTP_USERINFO_MAX / 3 + 1), /* in Authorization */
};

/* ---- Clients --------------------------------------------------------------------------------- */

struct rn_http_client_options {
    /* In all, idle ones too; 0: 64. The worker's pool is to have two buffers for each: with fewer,
     * content that goes both ways can wait for itself. */
    uint32_t connections_max;
    uint32_t connections_per_host_max; /* 0: 6. Further calls wait, first come, first served */
    rn_ns idle_timeout;                /* of a connection that is kept; 0: 30 s */
    rn_ns connect_timeout;             /* resolving, connecting, a proxy's tunnel; 0: 30 s */
    rn_ns head_timeout;  /* from the request's last byte to the end of the head; 0: 60 s */
    rn_ns stall_timeout; /* a body of which nothing moves for so long, either way; 0: 60 s */
    const char *user_agent; /* NULL: "runnel" */
    /* "http://[user:password@]host[:port]", or NULL for none. Calls go through it with the whole
     * URL as their target (RFC 9112, section 3.2.2), or by CONNECT (RFC 9110, section 9.3.6). The
     * text must stay. */
    const char *proxy;
    bool proxy_tunnel; /* by CONNECT */
    /* Whom all connections go to, whatever URL or proxy say, as rn_address_parse takes it with its
     * port ("127.0.0.1:8080", "unix:PATH"); NULL: whom they name. The text must stay. */
    const char *connect_to;
};

/* To be read at any time. */
struct rn_http_client_figures {
    uint32_t connections; /* open, or being opened or closed */
    uint32_t idle;        /* kept for the next call */
    uint32_t waiting;     /* calls that wait for a connection */
    uint64_t opened;      /* connections, so far */
    uint64_t requests;    /* sent, redirects and retries too, so far */
    uint64_t reused;      /* of these, on a connection that was kept */
    uint64_t retried;     /* of these, again, because the connection was dead */
    uint64_t expired;     /* connections that were idle too long, so far */
};

struct rn_http_client {
    struct rn_http_client_options options;
    struct rn_http_client_figures figures;
    struct rn_worker *worker; /* private from here */
    struct rn_http_call *waiting;
    struct rn_http_connection *connections;
    struct rn_http_connection *free;
    struct rn_http_connection *untouched;
    struct rn_http_connection *map;
    size_t mapped;
    struct rn_url proxy;
    struct rn_future closed;
    rn_waker closer;
    bool closing;
    bool serving; /* those that wait */
};

/* Readies a client and maps the memory for its connections, which is touched when used. -ENOMEM;
 * RN_E_MISUSE for a proxy that is no such URL. */
RN_MUST_USE int rn_http_client_init(struct rn_http_client *client, struct rn_worker *worker,
                                    const struct rn_http_client_options *options);
/* Closes what is idle now, and each other connection when its call ends; no call may be started any
 * more. Await the future: it is ready when the last connection is closed. Not to be cancelled. */
struct rn_future *rn_http_client_close(struct rn_http_client *client);
/* After that: gives the memory back. */
void rn_http_client_fini(struct rn_http_client *client);

/* ---- Calls ----------------------------------------------------------------------------------- */

/* The length of a body that isn't known before it has been read: it is sent chunked. */
#define RN_HTTP_LENGTH_UNKNOWN UINT64_MAX

struct rn_http_call {
    /* Set by the caller, to stay in place and as they are until the call ends; the rest is zeroed.
     */
    struct rn_http_client *client;
    const char *method; /* NULL: "GET" */
    /* Further fields. One takes the place of the client's own of that name (Host, User-Agent,
     * Accept, Authorization); without a value neither is sent. Content-Length, Transfer-Encoding,
     * Connection and Expect are the client's alone: RN_E_MISUSE. To another origin that a redirect
     * leads to, no Authorization, Cookie, Proxy-Authorization or Host is sent, and with a GET that
     * a redirect made of another method no Content-*. */
    const struct rn_http1_header *fields;
    uint32_t field_count;
    uint32_t redirects_max; /* 0: RN_HTTP_REDIRECTS */
    /* The request's content: length 0 for none (and then a POST, PUT or PATCH says so), else
     * `body`, or where that is NULL what body_read gives. */
    uint64_t body_length;
    const void *body;
    /* The three functions below must not end the call.
     *
     * Copies the bytes from offset `at` on, at most cap (never 0), and returns how many: fewer are
     * fine, and 0 is the end where the length is unknown. -EAGAIN: none as yet, and
     * rn_http_call_more when there are. Any other error ends the call with it, as does
     * RN_E_MISUSE an end before body_length. A redirect or a retry begins again at 0. */
    rn_ssize (*body_read)(struct rn_http_call *call, uint64_t at, void *to, size_t cap);
    /* Told of each redirect before it is followed, with the response as after the future; `to` is
     * where it leads, NUL-terminated. False: it isn't followed, and is the response. NULL: true. */
    bool (*redirect)(struct rn_http_call *call, const char *to);
    /* Told of 1xx responses but 101; exchange.response is it, with `head`. May be NULL. */
    void (*interim)(struct rn_http_call *call);
    void *owner;
    rn_ns deadline; /* of all of it, absolute; 0: none */
    bool expect_continue; /* waits a second for 100 (Continue) before it sends the body */
    bool upgrade; /* asks for another protocol, with fields of the caller's: see _call_take */
    bool no_redirects; /* a redirect is the response */
    bool no_proxy;
    bool no_reuse; /* asks for the connection to be closed behind it */

    /* What to await, after each function that says so, and how it went: 0 or an error.
     *
     *   RN_E_PROTOCOL, RN_E_LIMIT   the server's response was malformed or too large; too many 1xx
     *                               (RN_HTTP1_INTERIMS_MAX); a redirect without a good Location, or
     *                               to one that holds a user; too many redirects (RN_E_LIMIT)
     *   RN_E_CLOSED                 it ended too early; `missing` says how much is missing
     *   RN_E_UNSUPPORTED            a scheme other than http, also where a redirect leads (then it
     *                               stands in `url`, and response.status is that redirect's); a
     *                               transfer coding; another version of HTTP
     *   RN_E_MISUSE                 a bad URL, method or field of the caller's
     *   -ETIMEDOUT                  a deadline: `phase` says which
     *   -EACCES                     the proxy refused the tunnel; response.status says how
     *   -ECANCELED                  the task was cancelled; the call is to be ended all the same
     *   others                      what connecting, sending or receiving gave */
    struct rn_future future;
    int result;
    uint8_t phase; /* enum rn_http_phase: how far it came */
    /* The response, when the result is 0: until the first read the spans refer to `head`. */
    struct rn_http1_exchange exchange;
    const uint8_t *head;
    uint64_t content_length; /* announced; RN_HTTP_LENGTH_UNKNOWN when not. 0 also where there is
                              * none, as after HEAD, whose Content-Length stands in
                              * exchange.response.message.content_length */
    rn_bytes data;    /* read: the next piece, empty at the end */
    uint64_t missing; /* after RN_E_CLOSED in the body, what is known to be missing */
    uint32_t redirects; /* followed so far */
    uint32_t url_len;
    char url[RN_HTTP_URL_MAX]; /* the present one, normal and NUL-terminated */

    struct rn_http_connection *connection; /* private from here */
    struct rn_http_call *next;
    rn_waker waker;
    struct rn_timer timer;
    uint64_t sent;
    uint64_t budget;
    uint16_t flags;
    uint16_t authorization_len;
    char authorization[RN_HTTP_BASIC_MAX];
};

enum rn_http_phase {
    RN_HTTP_WAITING,    /* for a connection: the limits */
    RN_HTTP_CONNECTING, /* resolving, connecting, the proxy's tunnel */
    RN_HTTP_SENDING,    /* the request */
    RN_HTTP_HEAD,       /* waiting for the response */
    RN_HTTP_BODY,       /* its content */
    RN_HTTP_OVER,
};

/* Starts the call; await the future: the response's head is there, after redirects. The URL is
 * absolute ("http://host/path"; spaces and bytes above 0x7E are encoded) and may hold user and
 * password for basic authentication (RFC 7617). An answer of whatever status is no error. */
void rn_http_call_start(struct rn_http_call *call, struct rn_cx *cx, rn_bytes url);

/* Gets the next piece of the content; await the future: `data`, a slice that is good until the next
 * read or the end of the call, and empty once all has come. */
void rn_http_call_read(struct rn_http_call *call, struct rn_cx *cx);

/* body_read has something to give again. Not to be called by body_read itself. */
void rn_http_call_more(struct rn_http_call *call);

/* Ends the call, at any time, once: nothing of its memory is referred to afterwards. Its connection
 * is kept when the response was read to its end and both sides agree; otherwise it is closed. */
void rn_http_call_end(struct rn_http_call *call);

/* After a response with status 101, or 2xx to CONNECT: the connection is the caller's, to close
 * too, and with it the buffer that holds the head and, as its content, what came behind it: to be
 * given back with rn_pool_put. The call is to be ended as ever. (The future waits until the request
 * was sent whole, also where the server switched before.) */
struct rn_buf *rn_http_call_take(struct rn_http_call *call, rn_stream *stream);

/* The response's first field of that name (any case), or {NULL, 0}; until the first read. */
rn_bytes rn_http_call_field(const struct rn_http_call *call, const char *name);

/* ---- Ranges and conditions ------------------------------------------------------------------- */

enum { RN_HTTP_RANGE_TEXT_MAX = 48, RN_HTTP_DATE_TEXT = 29 };

/* A Range field's value for the bytes from `first` to `last`, both included; last UINT64_MAX: to
 * the end. Returns its length. */
size_t rn_http_range_text(char to[RN_HTTP_RANGE_TEXT_MAX], uint64_t first, uint64_t last);

/* What a Content-Range field says (RFC 9110, section 14.4). */
struct rn_http_part {
    uint64_t first;    /* of a 206; both UINT64_MAX in a 416 */
    uint64_t last;     /* included */
    uint64_t complete; /* the length of the whole; UINT64_MAX when it isn't known */
};
/* 0 or RN_E_PROTOCOL: another unit, bad numbers, a part that is not inside the whole. */
RN_MUST_USE int rn_http_part_parse(struct rn_http_part *part, rn_bytes value);

/* Writes a date for If-Modified-Since and the like ("Sun, 06 Nov 1994 08:49:37 GMT"), and reads
 * Last-Modified; in seconds since 1970. `now` places two-digit years. False: it is no date. */
void rn_http_date_text(char to[RN_HTTP_DATE_TEXT], int64_t seconds);
RN_MUST_USE bool rn_http_date_read(rn_bytes text, int64_t now, int64_t *seconds);

#ifdef __cplusplus
}
#endif
#endif
