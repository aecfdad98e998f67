/*
 * http/conn.c: the HTTP connection as a machine on the stream driver: one request after the other,
 * until it is upgraded to WebSocket or ends.
 */
#include "http/server.h"

#include "sys/sys.h"

static struct rn_http_conn *conn_of(const struct rn_machine *machine)
{
    return rn_container_of(machine, struct rn_http_conn, machine);
}

static const struct rn_http_options *options_of(const struct rn_http_conn *conn)
{
    return &conn->worker->server->options;
}

void rn_http_debug(struct rn_http_conn *conn, const char *format, uint64_t number)
{
    struct rn_http_worker *worker = conn->worker;
    if (rn_unlikely(worker->log_level >= RN_LOG_DEBUG))
        rn_log_line(&worker->log, format, rn_http_conn_fd(conn), number);
}

/* ---- The end of a request -------------------------------------------------------------------- */

/* After every call into a request: is it over, and what becomes of the connection? */
static void settle(struct rn_http_conn *conn, rn_ns now)
{
    struct rn_request *request = conn->request;
    if (!request) return;
    if (request->broken) {
        conn->machine.flags |= RN_MACHINE_ABORT;
        return;
    }
    if (request->response != RN_RESPONSE_ENDED || rn_request_stashed(request) ||
        request->task_alive)
        return;
    bool body_done = request->phase == RN_REQUEST_HEAD || rn_http1_body_done(&request->body);
    if (!body_done && !request->close) return; /* its rest is read past */
    if (request->close) {
        bool peer_is_done = body_done && request->phase == RN_REQUEST_HANDLED &&
                            !request->http1.keep_alive;
        conn->machine.flags |= peer_is_done ? RN_MACHINE_DONE : RN_MACHINE_CLOSE;
        rn_http_debug(conn, "[HTTP] fd=%d done, closing", 0);
    }
    rn_request_free(request);
    conn->deadline = rn_http_conn_is(conn, RN_HTTP_UPGRADED) ? now + options_of(conn)->ping_interval
                                                             : RN_NEVER;
}

/* ---- Input ----------------------------------------------------------------------------------- */

/* Clients send the same head again and again. What it means was worked out when it came for the
 * first time, by whoever had this request's place before, and is still there. */
static bool is_known(const struct rn_request *request, const uint8_t *in, size_t len)
{
    enum { STEP = 16 }; /* the last one begins where there is just one left */
    const uint8_t *known = request->known;
    if (request->known_len < STEP || len < request->known_len) return false;
    for (size_t at = 0, last = request->known_len - STEP;; at += STEP) {
        if (at > last) at = last;
        if ((rn_load64(in + at) ^ rn_load64(known + at)) |
            (rn_load64(in + at + 8) ^ rn_load64(known + at + 8)))
            return false;
        if (at == last) return true;
    }
}

static size_t head_input(struct rn_http_conn *conn, rn_ns now, const uint8_t *in, size_t len)
{
    struct rn_request *request = conn->request;
    rn_ssize count;
    if (!request->head_begun && is_known(request, in, len)) {
        count = request->known_len;
    } else {
        if (!request->head_begun) {
            request->head_begun = true;
            request->known_len = 0;
            rn_http1_request_init(&request->http1);
            conn->deadline = now + options_of(conn)->header_timeout;
        }
        count = rn_http1_parse_head(&request->http1, in, len);
        if (count == 0) return 0;
    }
    if (rn_likely(count > 0)) {
        request->head = in;
        request->head_len = (uint32_t)count;
        conn->deadline = now + options_of(conn)->idle_timeout;
        rn_request_dispatch(request);
        return (size_t)count;
    }
    conn->worker->figures.errors++;
    rn_request_fail(request, request->http1.status);
    return len;
}

/* Each byte of a body is worth some time, and at most idle_timeout can be saved up: who is slower
 * than rate_min uses it up, but not by a stall. */
static void prolong(struct rn_http_conn *conn, rn_ns now, size_t len)
{
    const struct rn_http_options *options = options_of(conn);
    rn_ns most = now + options->idle_timeout;
    rn_ns earned = conn->deadline + len * (RN_SECOND / options->rate_min);
    /* When it is long past, it was we who didn't look. */
    conn->deadline = earned < most && conn->deadline + RN_SECOND > now ? earned : most;
}

static void end_of_input(struct rn_http_conn *conn)
{
    struct rn_request *request = conn->request;
    conn->machine.own |= RN_HTTP_EOF;
    if (rn_http_conn_is(conn, RN_HTTP_UPGRADED)) {
        conn->machine.flags |= RN_MACHINE_DONE;
    } else if (!request || request->phase == RN_REQUEST_HEAD) {
        conn->machine.flags |= RN_MACHINE_DONE;
    } else if (!rn_http1_body_done(&request->body)) {
        request->broken = true; /* the peer gave up in the middle of the body */
    } else {
        request->close = true; /* it only shut its side: the answer still goes out */
    }
}

/* Gives a request the driver's output for the time of a call. A length that isn't what it was says
 * that it was sent in between. */
static void lend_output(struct rn_request *request, struct rn_out *out)
{
    if (out->len != request->out_len) request->unsent = false;
    request->out = out;
}

static void take_output_back(struct rn_request *request)
{
    request->out_len = request->out->len;
    request->out = request->buf ? &request->stash : NULL;
}

static size_t request_input(struct rn_http_conn *conn, rn_ns now, uint8_t *in, size_t len,
                            struct rn_out *out)
{
    struct rn_request *request = conn->request;
    size_t used = 0;
    if (!request) {
        /* Answers of handlers that don't stream fit into this; what doesn't fit now is asked for
         * again. */
        if (rn_out_room(out) < RN_HTTP_ANSWER_ROOM) return 0;
        request = rn_slab_take(&conn->worker->requests);
        rn_assert(request); /* there are as many as connections */
        conn->request = request;
        rn_request_begin(conn, request);
    }
    lend_output(request, out);
    if (request->phase == RN_REQUEST_HEAD) {
        used = head_input(conn, now, in, len);
    } else if (!rn_http1_body_done(&request->body)) {
        used = rn_request_feed(request, in, len);
        prolong(conn, now, used);
    }
    take_output_back(request);
    return used;
}

static size_t on_input(struct rn_machine *machine, rn_ns now, uint8_t *in, size_t len,
                       struct rn_out *out)
{
    struct rn_http_conn *conn = conn_of(machine);
    size_t used = 0;
    if (!len) end_of_input(conn);
    else if (!rn_http_conn_is(conn, RN_HTTP_UPGRADED))
        used = request_input(conn, now, in, len, out);
    else used = rn_websocket_input(conn, now, in, len, out);
    settle(conn, now);
    /* Busy, not short of input: the end of it must not be told before this was taken. */
    if (!used && len && conn->request && conn->request->phase != RN_REQUEST_HEAD)
        machine->flags |= RN_MACHINE_PAUSE;
    return used;
}

/* ---- Output, time, the end ------------------------------------------------------------------- */

__attribute__((noinline)) static bool pop_more(struct rn_http_conn *conn, rn_ns now,
                                               struct rn_out *out)
{
    struct rn_request *request = conn->request;
    if (!request) return rn_websocket_pop(conn, out);
    if (request->phase == RN_REQUEST_HEAD) return false;
    uint32_t before = out->len;
    lend_output(request, out);
    rn_request_pop(request, out);
    take_output_back(request);
    settle(conn, now);
    return out->len != before || out->sealed;
}

static bool pop_output(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct rn_http_conn *conn = conn_of(machine);
    machine->flags &= (uint8_t)~RN_MACHINE_PAUSE; /* something may have changed */
    if (!conn->request && !rn_http_conn_is(conn, RN_HTTP_UPGRADED)) {
        /* The peer is idle from when it has the last answer, not from when that began its way. */
        if (conn->deadline == RN_NEVER && !out->len)
            conn->deadline = now + conn->worker->idle_time;
        return false;
    }
    return pop_more(conn, now, out);
}

static void on_tick(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct rn_http_conn *conn = conn_of(machine);
    struct rn_request *request = conn->request;
    conn->worker->figures.timeouts += !rn_http_conn_is(conn, RN_HTTP_UPGRADED);
    if (rn_http_conn_is(conn, RN_HTTP_UPGRADED)) {
        rn_websocket_tick(conn, now, out);
    } else if (!request) {
        machine->flags |= RN_MACHINE_DONE;
    } else {
        lend_output(request, out);
        rn_request_fail(request, 408);
    }
    settle(conn, now);
}

/* A handler that works on a complete request has all the time it wants; a peer that owes us
 * bytes hasn't. */
static rn_ns deadline(const struct rn_machine *machine)
{
    const struct rn_http_conn *conn = conn_of(machine);
    const struct rn_request *request = conn->request;
    if (request && request->phase != RN_REQUEST_HEAD && rn_http1_body_done(&request->body))
        return RN_NEVER;
    return conn->deadline;
}

static void on_shutdown(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct rn_http_conn *conn = conn_of(machine);
    if (rn_http_conn_is(conn, RN_HTTP_UPGRADED)) rn_websocket_shutdown(conn, now, out);
    else if (conn->request) conn->request->close = true;
    else conn->deadline = now + RN_HTTP_GRACE;
}

static const struct rn_machine_vt machine_vt = {
    .name = "http",
    .on_input = on_input,
    .on_tick = on_tick,
    .pop_output = pop_output,
    .deadline = deadline,
    .on_shutdown = on_shutdown,
};

void rn_http_conn_closed(struct rn_stream_driver *driver)
{
    struct rn_http_conn *conn = rn_container_of(driver, struct rn_http_conn, driver);
    if (rn_http_conn_is(conn, RN_HTTP_UPGRADED)) rn_websocket_lost(conn);
    if (conn->request) rn_request_lost(conn->request);
    if (!conn->request || !conn->request->task_alive) rn_http_conn_ended(conn);
}

void rn_http_conn_start(struct rn_http_worker *worker, int fd)
{
    struct rn_http_conn *conn = rn_slab_take(&worker->conns);
    enum { FROM = sizeof(struct rn_slab_item) };
    memset((char *)conn + FROM, 0, sizeof *conn - FROM);
    conn->worker = worker;
    conn->machine.vt = &machine_vt;
    conn->deadline = rn_worker_now(worker->worker) +
                     (worker->draining ? RN_HTTP_GRACE : worker->server->options.idle_timeout);
    conn->requests_left = worker->server->options.connection_requests_max; /* 0 is 2^32 */
    conn->driver.machine = &conn->machine;
    conn->driver.kind = &worker->kind;
    conn->driver.stream = (rn_stream){worker->worker, fd};
    worker->figures.connections++;
    if (!rn_http_conn_admit(conn)) return;
    worker->figures.accepted++;
    rn_http_debug(conn, "[ACCEPT] fd=%d", 0);
    rn_stream_driver_start(&conn->driver);
}
