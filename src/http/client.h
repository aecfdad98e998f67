/*
 * http/client.h: what the files of the HTTP client share: a connection, and who does what with it.
 *
 *   client.c             a call: its phases, its time, what the server's events lead to
 *   client_request.c     the request's bytes: head and body
 *   client_redirect.c    where a redirect leads
 *   client_connection.c  connecting, receiving, closing
 *   client_pool.c        which connection a call gets, and what becomes of it afterwards
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <runnel/http_client.h>
#include <runnel/resolver.h>
#include <runnel/runtime.h>

#include "base/bytes.h"
#include "sys/sys.h"

/* How a call reaches its origin: two calls may share a connection when this, host and port are the
 * same. Requests of all origins go over one connection to a proxy, but for tunnels. */
enum rn_http_route { RN_HTTP_DIRECT, RN_HTTP_BY_PROXY, RN_HTTP_BY_TUNNEL };

/* What a connection is doing. */
enum rn_http_connection_state {
    RN_HTTP_OPENING,
    RN_HTTP_OPEN,    /* with a call */
    RN_HTTP_IDLE,    /* kept; a receive tells when the server closes it */
    RN_HTTP_CLOSING, /* waiting for its ops to end */
};

/* call->flags */
enum {
    RN_HTTP_READY = 1,       /* the future is */
    RN_HTTP_STARTED = 2,     /* the head is in the buffer or sent */
    RN_HTTP_ALL_SENT = 4,    /* so is all of the body, or in the buffer */
    RN_HTTP_STOPPED = 8,     /* the rest of the request isn't sent any more */
    RN_HTTP_HOLDING = 16,    /* the body waits for 100 (Continue) */
    RN_HTTP_FOREIGN = 32,    /* a redirect led to another origin: no credentials */
    RN_HTTP_RETRIED = 64,    /* only a new connection will do */
    RN_HTTP_BODILESS = 128,  /* a redirect made a GET of it */
    RN_HTTP_DRAINING = 256,  /* the content of a redirect is read and dropped */
    RN_HTTP_TUNNELLING = 512, /* this exchange is the CONNECT before the call's own */
    RN_HTTP_LATE = 1024,     /* the response to an upgrade came before the last send was done */
};

struct rn_http_connection {
    struct rn_http_connection *next;
    struct rn_http_client *client;
    struct rn_http_call *call; /* NULL: idle or closing */
    struct rn_buf *in;         /* came, and isn't consumed */
    struct rn_buf *out;        /* to be sent, or being sent */
    struct rn_op recv;         /* also for closing; its timer is the idle time's */
    struct rn_op send;
    struct rn_pool_wait wait;  /* for `out` */
    uint64_t sent;             /* bytes of the present request */
    uint64_t seen;             /* of the present send, when its time was set */
    int fd;
    uint16_t port;
    uint8_t route; /* enum rn_http_route */
    uint8_t state; /* enum rn_http_connection_state */
    bool kept;     /* it has served a call before this one */
    bool tunnelled;
    struct rn_task task; /* connects */
    rn_co co;
    struct rn_connect connect;
    char host[RN_HTTP_HOST_MAX + 1]; /* the origin's, or empty for a proxy's */
};

/* ---- client.c -------------------------------------------------------------------------------- */

/* Goes on with the present URL: a new call, a redirect, a retry. */
void rn_http_call_begin(struct rn_http_call *call);
/* What it does now may take so long; RN_NEVER: as long as all of it may. */
void rn_http_call_allow(struct rn_http_call *call, rn_ns delay);
/* It has an open connection now. */
void rn_http_call_connected(struct rn_http_call *call);
/* Something came: result is what the receive gave. */
void rn_http_call_received(struct rn_http_call *call, int64_t result);
/* A send is done. */
void rn_http_call_sent(struct rn_http_call *call, int64_t result);
/* Ends it with an error, and its connection. */
void rn_http_call_fail(struct rn_http_call *call, int error);
/* Sends what there is to be sent. */
void rn_http_call_output(struct rn_http_call *call);

/* ---- client_request.c ------------------------------------------------------------------------ */

/* The present method, which a redirect may have changed. */
rn_bytes rn_http_call_method(const struct rn_http_call *call);
/* Writes the head, or that of a CONNECT while tunnelling, into the buffer. 0 or an error. */
RN_MUST_USE int rn_http_call_write_head(struct rn_http_call *call, struct rn_buf *out);
/* Appends content. 0 or an error. */
RN_MUST_USE int rn_http_call_write_body(struct rn_http_call *call, struct rn_buf *out);
/* Writes "Basic ..." for a URL's userinfo: its length or an error. to: RN_HTTP_BASIC_MAX. */
RN_MUST_USE rn_ssize rn_http_basic(char *to, rn_bytes userinfo);

/* ---- client_redirect.c ----------------------------------------------------------------------- */

/* After a final head: 1 when it is a redirect to be followed, and call->url is where to; 0 when
 * not; or an error. */
RN_MUST_USE int rn_http_call_redirect(struct rn_http_call *call);

/* ---- client_connection.c --------------------------------------------------------------------- */

/* Starts connecting to where host, port and route say. 0, or -ENOBUFS: no task left. */
RN_MUST_USE int rn_http_connection_open(struct rn_http_connection *connection);
/* Has more behind what is in `in`. Fails the call when there is no room. */
void rn_http_connection_receive(struct rn_http_connection *connection);
/* A buffer for output: false when there is none, and rn_http_call_output is called later. */
RN_MUST_USE bool rn_http_connection_take_out(struct rn_http_connection *connection);
void rn_http_connection_send(struct rn_http_connection *connection);
/* Gives a buffer back. */
void rn_http_connection_drop(struct rn_http_connection *connection, struct rn_buf **buf);
/* Ends what is under way, then closes. The call has been detached. */
void rn_http_connection_close(struct rn_http_connection *connection);

/* ---- client_pool.c --------------------------------------------------------------------------- */

/* Gets the call a connection, now or later: rn_http_call_connected. */
void rn_http_pool_enter(struct rn_http_call *call);
/* Out of the line, if it stands there. */
void rn_http_pool_leave(struct rn_http_call *call);
/* Keeps an open connection for the next call. */
void rn_http_pool_keep(struct rn_http_connection *connection);
/* Closes an idle one. */
void rn_http_pool_lose(struct rn_http_connection *connection);
/* The connection is gone: its place is free. */
void rn_http_pool_forget(struct rn_http_connection *connection);

#endif
