/*
 * http/client.c: a call: its phases, its time, and what a server's events lead to.
 *
 * One timer stands for all of a call's deadlines, that of its phase and that of the whole.
 */
#include "http/client.h"

static const rn_ns continue_timeout = RN_SECOND; /* RFC 9110, section 10.1.1: not indefinitely */

/* ---- Time ------------------------------------------------------------------------------------ */

void rn_http_call_allow(struct rn_http_call *call, rn_ns delay)
{
    rn_ns deadline = RN_NEVER;
    if (call->deadline) deadline = call->deadline;
    if (delay != RN_NEVER && rn_worker_now(call->client->worker) + delay < deadline)
        deadline = rn_worker_now(call->client->worker) + delay;
    rn_timer_start(call->client->worker, &call->timer, deadline);
}

static void on_timer(struct rn_timer *timer, rn_ns now)
{
    struct rn_http_call *call = rn_container_of(timer, struct rn_http_call, timer);
    struct rn_http_connection *connection = call->connection;
    bool over = call->deadline && call->deadline <= now;
    if (!over && call->flags & RN_HTTP_HOLDING && !rn_op_inflight(&connection->send)) {
        call->flags &= (uint16_t)~RN_HTTP_HOLDING;
        rn_http_call_output(call);
    } else if (!over && (call->phase == RN_HTTP_SENDING || call->flags & RN_HTTP_LATE) &&
               connection->send.progress != connection->seen) {
        connection->seen = connection->send.progress;
        rn_http_call_allow(call, call->client->options.stall_timeout);
    } else {
        rn_http_call_fail(call, -RN_K_ETIMEDOUT);
    }
}

/* ---- What is awaited ------------------------------------------------------------------------- */

static void ready(struct rn_http_call *call)
{
    call->flags |= RN_HTTP_READY;
    rn_timer_stop(call->client->worker, &call->timer);
    rn_wake(call->waker);
}

static enum rn_poll poll_call(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_http_call *call = rn_container_of(future, struct rn_http_call, future);
    call->waker = cx->waker;
    if (!(call->flags & RN_HTTP_READY) && cx->cancelled) rn_http_call_fail(call, -RN_K_ECANCELED);
    return call->flags & RN_HTTP_READY ? RN_READY : RN_PENDING;
}

static struct rn_http_connection *detach(struct rn_http_call *call)
{
    struct rn_http_connection *connection = call->connection;
    call->connection = NULL;
    if (connection) connection->call = NULL;
    return connection;
}

static void drop_connection(struct rn_http_call *call)
{
    struct rn_http_connection *connection = detach(call);
    if (connection) rn_http_connection_close(connection);
}

void rn_http_call_fail(struct rn_http_call *call, int error)
{
    rn_http_pool_leave(call);
    drop_connection(call);
    call->result = error;
    ready(call);
}

/* On another connection. */
static void begin_anew(struct rn_http_call *call)
{
    drop_connection(call);
    rn_http_call_begin(call);
}

/* The exchange is over: the connection is kept if nothing speaks against it. What follows a
 * response does: nobody asked for it. */
static void release(struct rn_http_call *call)
{
    struct rn_http_connection *connection = call->connection;
    bool keep = rn_http1_exchange_reusable(&call->exchange) && !call->no_reuse &&
                (call->flags & (RN_HTTP_ALL_SENT | RN_HTTP_STOPPED)) == RN_HTTP_ALL_SENT &&
                !rn_op_inflight(&connection->recv) && !call->client->closing &&
                !(connection->in && connection->in->len);
    if (!keep) drop_connection(call);
    else rn_http_pool_keep(detach(call));
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* There is something wrong with the request. Who has part of the response keeps that until he
 * reads on, so the connection's buffer stays as well. */
static void stop_sending(struct rn_http_call *call, int error)
{
    if (call->flags & RN_HTTP_READY) {
        call->flags |= RN_HTTP_STOPPED;
        call->result = error;
    } else {
        rn_http_call_fail(call, error);
    }
}

void rn_http_call_output(struct rn_http_call *call)
{
    struct rn_http_connection *connection = call->connection;
    const struct rn_http_client_options *options = &call->client->options;
    int error = 0;
    if (call->flags & RN_HTTP_STOPPED) /* whoever waits behind it for a buffer is next */
        rn_pool_wait_cancel(rn_worker_pool(call->client->worker), &connection->wait);
    if (rn_op_inflight(&connection->send) || call->flags & RN_HTTP_STOPPED) return;
    if (!rn_http_connection_take_out(connection)) {
        if (call->phase == RN_HTTP_SENDING) rn_http_call_allow(call, options->stall_timeout);
        return;
    }
    if (!(call->flags & RN_HTTP_STARTED)) error = rn_http_call_write_head(call, connection->out);
    if (!error && !(call->flags & (RN_HTTP_HOLDING | RN_HTTP_ALL_SENT)))
        error = rn_http_call_write_body(call, connection->out);
    if (error) {
        stop_sending(call, error);
        return;
    }
    rn_ns delay = RN_NEVER; /* the caller has nothing to send as yet */
    bool sending = connection->out->len;
    if (sending) rn_http_connection_send(connection);
    else rn_http_connection_drop(connection, &connection->out);
    if (call->phase > RN_HTTP_SENDING && !(call->flags & RN_HTTP_LATE)) return;
    if (sending) {
        delay = options->stall_timeout;
    } else if (call->flags & RN_HTTP_ALL_SENT) {
        if (call->phase == RN_HTTP_SENDING) call->phase = RN_HTTP_HEAD;
        delay = options->head_timeout;
    } else if (call->flags & RN_HTTP_HOLDING) {
        delay = continue_timeout;
    }
    if (!(call->flags & RN_HTTP_TUNNELLING)) rn_http_call_allow(call, delay);
}

void rn_http_call_sent(struct rn_http_call *call, int64_t result)
{
    struct rn_http_connection *connection = call->connection;
    connection->out->at = connection->out->len = 0;
    /* A server that doesn't take it may have said why before it closed: receiving goes on. */
    if (result < 0) call->flags |= RN_HTTP_STOPPED;
    bool over = call->flags & (RN_HTTP_ALL_SENT | RN_HTTP_STOPPED);
    if (over && call->flags & RN_HTTP_LATE) ready(call);
    else rn_http_call_output(call);
}

void rn_http_call_more(struct rn_http_call *call)
{
    unsigned flags = call->flags & (RN_HTTP_STARTED | RN_HTTP_ALL_SENT);
    if (call->connection && flags == RN_HTTP_STARTED) rn_http_call_output(call);
}

/* What becomes of its connection is settled by the time it has one again. */
static void forget_exchange(struct rn_http_call *call)
{
    call->flags &= RN_HTTP_FOREIGN | RN_HTTP_RETRIED | RN_HTTP_BODILESS;
}

void rn_http_call_connected(struct rn_http_call *call)
{
    struct rn_http_connection *connection = call->connection;
    bool tunnel = connection->route == RN_HTTP_BY_TUNNEL && !connection->tunnelled;
    rn_bytes method = tunnel ? RN_BYTES("CONNECT") : rn_http_call_method(call);
    forget_exchange(call);
    if (tunnel) {
        call->flags |= RN_HTTP_TUNNELLING;
    } else {
        call->phase = RN_HTTP_SENDING;
        /* The end of the last request may still be under way, and nobody read it. */
        rn_http_call_allow(call, call->client->options.stall_timeout);
    }
    call->sent = connection->sent = 0;
    call->client->figures.requests++;
    rn_http1_exchange_init(&call->exchange, method, call->upgrade && !tunnel);
    rn_http_connection_receive(connection);
    rn_http_call_output(call);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* All of the response has come. */
static void finish(struct rn_http_call *call)
{
    bool redirected = call->flags & RN_HTTP_DRAINING;
    release(call);
    if (redirected) {
        rn_http_call_begin(call);
        return;
    }
    call->phase = RN_HTTP_OVER;
    ready(call);
}

/* Whether the connection is the caller's from here on: once the request is sent, not before. */
static bool switches(const struct rn_http_call *call)
{
    unsigned status = call->exchange.response.status;
    return status == 101 ||
           (status / 100 == 2 && rn_bytes_equal(rn_http_call_method(call), RN_BYTES("CONNECT")));
}

/* A final head has come; false when there is nothing more to do with the input. */
static bool on_head(struct rn_http_call *call)
{
    const struct rn_http1_response *response = &call->exchange.response;
    bool all_sent = call->flags & RN_HTTP_ALL_SENT;
    unsigned framing = response->message.framing;
    if (call->flags & RN_HTTP_TUNNELLING) {
        if (response->status / 100 == 2) return true;
        rn_http_call_fail(call, -RN_K_EACCES);
        return false;
    }
    /* Who refuses or sends elsewhere doesn't want the rest; any other may wait for it, also one
     * that closes the connection behind it. */
    if (!all_sent && response->status >= 300) call->flags |= RN_HTTP_STOPPED;
    call->content_length = framing == RN_HTTP1_NO_BODY  ? 0
                           : framing == RN_HTTP1_LENGTH ? response->message.content_length
                                                        : RN_HTTP_LENGTH_UNKNOWN;
    call->phase = RN_HTTP_BODY;
    int redirect = rn_http_call_redirect(call);
    if (redirect < 0) {
        rn_http_call_fail(call, redirect);
        return false;
    }
    if (redirect) {
        call->flags |= RN_HTTP_DRAINING;
        call->budget = RN_HTTP_DRAIN_MAX;
        if (all_sent && (framing == RN_HTTP1_CHUNKED || call->content_length <= call->budget)) {
            rn_http_call_allow(call, call->client->options.stall_timeout);
            return true;
        }
        begin_anew(call);
        return false;
    }
    if (call->flags & RN_HTTP_HOLDING) {
        call->flags &= (uint16_t)~RN_HTTP_HOLDING;
        rn_http_call_output(call);
        if (!call->connection) return false;
    }
    bool waits = all_sent ? framing == RN_HTTP1_NO_BODY : switches(call);
    if (waits && (!all_sent || rn_op_inflight(&call->connection->send)))
        call->flags |= RN_HTTP_LATE;
    else
        ready(call);
    return false;
}

/* A piece of content; false as on_head. */
static bool on_data(struct rn_http_call *call, rn_bytes data)
{
    if (!(call->flags & RN_HTTP_DRAINING)) {
        call->data = data;
        ready(call);
        return false;
    }
    if (data.len <= call->budget) {
        call->budget -= data.len;
        return true;
    }
    begin_anew(call);
    return false;
}

static bool on_event(struct rn_http_call *call, const struct rn_http1_event *event)
{
    if (event->kind == RN_HTTP1_EVENT_HEAD || event->kind == RN_HTTP1_EVENT_INTERIM)
        call->head = event->data.ptr;
    switch (event->kind) {
    case RN_HTTP1_EVENT_HEAD: return on_head(call);
    case RN_HTTP1_EVENT_DATA: return on_data(call, event->data);
    case RN_HTTP1_EVENT_INTERIM:
        if (call->exchange.response.status == 100 && call->flags & RN_HTTP_HOLDING) {
            call->flags &= (uint16_t)~RN_HTTP_HOLDING;
            rn_http_call_output(call);
        }
        if (call->connection && call->interim && !(call->flags & RN_HTTP_TUNNELLING))
            call->interim(call);
        return call->connection;
    case RN_HTTP1_EVENT_TUNNEL:
        if (call->flags & RN_HTTP_TUNNELLING) {
            call->connection->tunnelled = true;
            /* Nobody was asked anything as yet. */
            if (call->connection->in->len) rn_http_call_fail(call, RN_E_PROTOCOL);
            else rn_http_call_connected(call);
        } else {
            call->phase = RN_HTTP_OVER;
            ready(call);
        }
        return false;
    case RN_HTTP1_EVENT_END: finish(call); return false;
    }
    rn_http_connection_receive(call->connection);
    return false;
}

/* Takes the next event off what is there. 0 or an error. */
static int take_event(struct rn_http_call *call, struct rn_http1_event *event)
{
    struct rn_buf none = {.len = 0}, *in = call->connection->in;
    if (!in) in = &none;
    rn_ssize used = rn_http1_exchange_next(&call->exchange, in->data + in->at, in->len, event);
    if (used < 0) return (int)used;
    in->at += (uint32_t)used;
    in->len -= (uint32_t)used;
    return 0;
}

/* As far as the caller wants it. */
static void input(struct rn_http_call *call)
{
    struct rn_http1_event event;
    int error;
    do error = take_event(call, &event);
    while (!error && on_event(call, &event));
    if (error) rn_http_call_fail(call, error);
}

/* Whether a request that got no answer may be sent again: the connection was dead before the
 * server saw it, most likely, and if not, twice does the same as once (RFC 9110, section 9.2.2). */
static bool may_retry(const struct rn_http_call *call)
{
    const struct rn_http_connection *connection = call->connection;
    if (!connection->kept || call->exchange.interims || call->phase > RN_HTTP_HEAD ||
        call->exchange.response.message.scanned)
        return false;
    if (connection->sent == 0 && (!rn_op_inflight(&connection->send))) return true;
    return rn_http1_is_idempotent(rn_http_call_method(call));
}

void rn_http_call_received(struct rn_http_call *call, int64_t result)
{
    int error = (int)result;
    if (result > 0) {
        if (call->phase == RN_HTTP_BODY)
            rn_http_call_allow(call, call->client->options.stall_timeout);
        input(call);
        return;
    }
    if (result == 0) error = rn_http1_exchange_eof(&call->exchange);
    if (error == 0) {
        finish(call);
    } else if (may_retry(call)) {
        call->flags |= RN_HTTP_RETRIED;
        call->client->figures.retried++;
        begin_anew(call);
    } else if (call->flags & RN_HTTP_DRAINING) {
        begin_anew(call);
    } else {
        call->missing = rn_http1_exchange_missing(&call->exchange);
        rn_http_call_fail(call, error);
    }
}

/* ---- The caller ------------------------------------------------------------------------------ */

void rn_http_call_begin(struct rn_http_call *call)
{
    struct rn_url url;
    int error = rn_url_parse(&url, rn_bytes_of(call->url, call->url_len));
    bool http = rn_bytes_equal(url.scheme, RN_BYTES("http"));
    if (!error && !http) error = RN_E_UNSUPPORTED;
    if (!error && url.host.len > RN_HTTP_HOST_MAX) error = RN_E_LIMIT;
    if (error) {
        rn_http_call_fail(call, error);
        return;
    }
    forget_exchange(call);
    rn_http_call_allow(call, RN_NEVER);
    rn_http_pool_enter(call);
}

/* Takes user and password out of the URL, so that it can be shown. 0 or an error. */
static int take_userinfo(struct rn_http_call *call)
{
    struct rn_url url;
    int error = rn_url_parse(&url, rn_bytes_of(call->url, call->url_len));
    if (error || !url.userinfo.ptr) return error;
    rn_ssize len = rn_http_basic(call->authorization, url.userinfo);
    if (len < 0) return (int)len;
    call->authorization_len = (uint16_t)len;
    char *user = call->url + (url.userinfo.ptr - (const uint8_t *)call->url);
    size_t taken = url.userinfo.len + 1;
    call->url_len -= (uint32_t)taken;
    memmove(user, user + taken, call->url_len + 1 - (size_t)(user - call->url));
    return 0;
}

void rn_http_call_start(struct rn_http_call *call, struct rn_cx *cx, rn_bytes url)
{
    rn_ssize len = rn_url_resolve(call->url, sizeof call->url, NULL, url);
    call->future.poll = poll_call;
    call->timer.expire = on_timer;
    call->waker = cx->waker;
    call->url_len = len < 0 ? 0 : (uint32_t)len;
    if (len >= 0) len = take_userinfo(call);
    if (len == RN_E_PROTOCOL || call->client->closing) len = RN_E_MISUSE;
    if (len < 0) rn_http_call_fail(call, (int)len);
    else rn_http_call_begin(call);
}

void rn_http_call_read(struct rn_http_call *call, struct rn_cx *cx)
{
    call->waker = cx->waker;
    call->data = rn_bytes_of(NULL, 0);
    if (call->result < 0 || call->phase == RN_HTTP_OVER) return; /* it is ready as it is */
    call->flags &= (uint16_t)~RN_HTTP_READY;
    rn_http_call_allow(call, call->client->options.stall_timeout);
    input(call);
}

void rn_http_call_end(struct rn_http_call *call)
{
    struct rn_http1_event event;
    rn_timer_stop(call->client->worker, &call->timer);
    rn_http_pool_leave(call);
    if (!call->connection) return;
    /* A response without content, or one that was read to its last byte, is over. */
    if (call->phase == RN_HTTP_BODY && take_event(call, &event) == 0) release(call);
    else drop_connection(call);
}

struct rn_buf *rn_http_call_take(struct rn_http_call *call, rn_stream *stream)
{
    struct rn_http_connection *connection = detach(call);
    struct rn_buf *rest = connection->in;
    rn_assert(!rn_op_inflight(&connection->send) && !rn_op_inflight(&connection->recv));
    rn_http_connection_drop(connection, &connection->out);
    *stream = (rn_stream){call->client->worker, connection->fd};
    rn_http_pool_forget(connection);
    return rest;
}

rn_bytes rn_http_call_field(const struct rn_http_call *call, const char *name)
{
    return rn_http1_find_field(&call->exchange.response.message, call->head, name);
}
