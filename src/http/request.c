/*
 * http/request.c: a request from its complete head to its end: the handler, the body, and handlers
 * that answer later.
 */
#include "http/server.h"

#include "sys/sys.h"

rn_bytes rn_request_method(const struct rn_request *request)
{
    return rn_http1_slice(request->head, request->http1.method_name);
}

rn_bytes rn_request_path(const struct rn_request *request)
{
    return rn_http1_slice(request->head, request->http1.path);
}

rn_bytes rn_request_query(const struct rn_request *request)
{
    return rn_http1_slice(request->head, request->http1.query);
}

rn_bytes rn_request_header(const struct rn_request *request, const char *name)
{
    return rn_http1_find_field(&request->http1, request->head, name);
}

rn_bytes rn_request_body(const struct rn_request *request)
{
    if (!request->buf) return rn_bytes_of(NULL, 0);
    return rn_bytes_of(request->buf->data + request->head_len, request->body_len);
}

const struct rn_http1_request *rn_request_head(const struct rn_request *request,
                                               const uint8_t **head)
{
    *head = request->head;
    return &request->http1;
}

uint64_t rn_request_content_length(const struct rn_request *request)
{
    if (request->http1.framing == RN_HTTP1_CHUNKED) return RN_LENGTH_UNKNOWN;
    return request->http1.framing == RN_HTTP1_LENGTH ? request->http1.content_length : 0;
}

bool rn_request_is_head(const struct rn_request *request)
{
    return request->http1.method == RN_HTTP1_HEAD;
}

void *rn_request_context(const struct rn_request *request) { return request->route->context; }
int rn_request_fd(const struct rn_request *request) { return rn_http_conn_fd(request->conn); }

struct rn_worker *rn_request_worker(const struct rn_request *request)
{
    return request->conn->worker->worker;
}

struct rn_http_server *rn_request_server(const struct rn_request *request)
{
    return request->conn->worker->server;
}

void *rn_request_state(struct rn_request *request)
{
    if (!request->state_clean) memset(request->state, 0, sizeof request->state);
    request->state_clean = true;
    return request->state;
}

static void send_continue(struct rn_request *request)
{
    if (!request->continue_due || request->response != RN_RESPONSE_NONE) return;
    request->continue_due = false;
    rn_response_headers(request, RN_BYTES("HTTP/1.1 100 Continue\r\n\r\n"));
}

void rn_request_on(struct rn_request *request, const struct rn_request_callbacks *callbacks)
{
    request->callbacks = callbacks;
    if (callbacks->body) send_continue(request);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

void rn_request_begin(struct rn_http_conn *conn, struct rn_request *request)
{
    typedef uint64_t block __attribute__((vector_size(16), may_alias));
    enum { FROM = offsetof(struct rn_request, buf), TO = offsetof(struct rn_request, conn) };
    _Static_assert(FROM % sizeof(block) == 0 && TO % sizeof(block) == 0, "whole blocks");
    for (unsigned at = FROM; at < TO; at += sizeof(block))
        *(block *)(void *)((char *)request + at) = (block){0};
    request->conn = conn;
    request->discarded = 0;
}

void rn_request_free(struct rn_request *request)
{
    struct rn_http_conn *conn = request->conn;
    struct rn_pool *pool = rn_worker_pool(conn->worker->worker);
    if (rn_unlikely(request->buf)) {
        if (request->stash.owner) request->stash.owner->release(request->stash.owner);
        if (request->stash_buf) rn_pool_put(pool, request->stash_buf);
        rn_pool_put(pool, request->buf);
    }
    rn_slab_put(&conn->worker->requests, request);
    conn->request = NULL;
}

/* Moves the head to a buffer of the request's own, for it outlives this call; what is behind it in
 * the buffer serves for a collected body, and then for output from outside the driver's calls. */
static bool keep(struct rn_request *request)
{
    if (request->buf) return true;
    struct rn_buf *buf = rn_pool_take_reserved(rn_worker_pool(rn_request_worker(request)));
    if (!buf) return false;
    memcpy(buf->data, request->head, request->head_len);
    request->head = buf->data;
    request->buf = buf;
    request->stash = (struct rn_out){0};
    return true;
}

/* Head and body may leave too little: then output has a buffer for itself. */
static bool prepare_stash(struct rn_request *request)
{
    struct rn_buf *buf = request->buf;
    uint32_t used = request->head_len + request->body_len;
    if (buf->cap - used < RN_HTTP_ANSWER_ROOM) {
        buf = rn_pool_take_reserved(rn_worker_pool(rn_request_worker(request)));
        if (!buf) return false;
        request->stash_buf = buf;
        used = 0;
    }
    request->stash.data = buf->data + used;
    request->stash.cap = buf->cap - used;
    return true;
}

/* ---- The handler ----------------------------------------------------------------------------- */

/* Takes back a response of which nothing was sent yet. */
static void rewind_response(struct rn_request *request)
{
    if (!request->unsent) return;
    request->out->len = request->response_at;
    request->response = RN_RESPONSE_NONE;
    request->chunked = false;
}

/* The server ends the request in the handler's place: with an answer if it still can, otherwise
 * with a reset. A response that has ended stands. */
void rn_request_fail(struct rn_request *request, unsigned status)
{
    const struct rn_request_callbacks *callbacks = request->callbacks;
    request->close = true;
    if (request->response == RN_RESPONSE_ENDED) return;
    if (callbacks && callbacks->aborted) callbacks->aborted(request);
    request->callbacks = NULL;
    rewind_response(request);
    if (request->response == RN_RESPONSE_NONE && !request->task_alive)
        rn_response_error(request, status);
    else
        request->broken = true;
}

static void call_handler(struct rn_request *request)
{
    request->phase = RN_REQUEST_HANDLED;
    if (request->route->websocket) rn_websocket_upgrade(request);
    else request->route->handler(request);
    if (request->response == RN_RESPONSE_ENDED || request->broken) return;
    if (!request->callbacks && !request->task_alive) { /* the handler forgot to answer */
        request->broken = true;
    } else if (!keep(request) || !prepare_stash(request)) {
        rn_request_fail(request, 503);
    }
}

/* The room behind the head in a buffer: larger bodies are for RN_ROUTE_STREAM. */
static uint32_t collect_max(const struct rn_request *request)
{
    return rn_worker_pool(rn_request_worker(request))->cap - request->head_len;
}

static void start_collecting(struct rn_request *request)
{
    if (request->http1.framing == RN_HTTP1_LENGTH &&
        request->http1.content_length > collect_max(request)) {
        rn_request_fail(request, 413);
    } else if (!keep(request)) {
        rn_request_fail(request, 503);
    } else {
        request->phase = RN_REQUEST_COLLECT;
        send_continue(request);
    }
}

RN_INLINE void tell_body_end(struct rn_request *request)
{
    if (request->body_ended || !rn_http1_body_done(&request->body)) return;
    request->body_ended = true;
    if (request->phase == RN_REQUEST_COLLECT) {
        call_handler(request);
    } else if (request->callbacks && request->callbacks->body &&
               request->response != RN_RESPONSE_ENDED) {
        request->callbacks->body(request, rn_bytes_of(NULL, 0));
    }
}

RN_COLD static void log_route(struct rn_request *request)
{
    struct rn_log *log = &request->conn->worker->log;
    rn_bytes path = rn_request_path(request);
    const char *found = request->route ? path.len == 1 ? " (index)" : "" : " (none)";
    rn_log_line(log, "[HTTP] fd=%d recv request", rn_request_fd(request));
    rn_log_line(log, "[HTTP] fd=%d route=%b%s", rn_request_fd(request), path.ptr, path.len, found);
}

void rn_request_dispatch(struct rn_request *request)
{
    struct rn_http_worker *worker = request->conn->worker;
    worker->figures.requests++;
    if (rn_unlikely(!--request->conn->requests_left)) request->close = true;
    request->phase = RN_REQUEST_HANDLED;
    rn_http1_body_init(&request->body, &request->http1);
    request->continue_due = request->http1.expect_continue;
    if (!request->known_len) {
        request->route = rn_route_find(request);
        if (request->route && request->head_len <= RN_HTTP_KNOWN_MAX) {
            request->known_len = request->head_len;
            memcpy(request->known, request->head, request->head_len);
        }
    }
    if (rn_unlikely(worker->log_level >= RN_LOG_DEBUG)) log_route(request);
    if (!request->route) {
        /* it was answered */
    } else if (rn_http1_body_done(&request->body) || request->route->websocket ||
               (request->route->flags & RN_ROUTE_STREAM)) {
        call_handler(request);
    } else {
        start_collecting(request);
    }
    if (!request->broken) tell_body_end(request);
}

/* ---- The body -------------------------------------------------------------------------------- */

static bool collect(struct rn_request *request, rn_bytes data)
{
    if (data.len > collect_max(request) - request->body_len) return false;
    memcpy(request->buf->data + request->head_len + request->body_len, data.ptr, data.len);
    request->body_len += (uint32_t)data.len;
    return true;
}

/* What becomes of a piece of content; returns how much of it was taken. */
static size_t take_content(struct rn_request *request, rn_bytes data)
{
    if (request->phase == RN_REQUEST_COLLECT) {
        if (collect(request, data)) return data.len;
        rn_request_fail(request, 413);
        return data.len;
    }
    if (request->response != RN_RESPONSE_ENDED && request->callbacks && request->callbacks->body)
        return request->callbacks->body(request, data);
    request->discarded += data.len;
    if (request->discarded > RN_HTTP_DISCARD_MAX) request->close = true;
    return data.len;
}

size_t rn_request_feed(struct rn_request *request, const uint8_t *in, size_t len)
{
    size_t used = 0;
    while (used < len && !rn_http1_body_done(&request->body) && !request->broken) {
        struct rn_http1_body before = request->body;
        rn_bytes data;
        rn_ssize count = rn_http1_body_next(&request->body, in + used, len - used, &data);
        if (count < 0) {
            request->conn->worker->figures.errors++;
            rn_request_fail(request, count == RN_E_LIMIT ? 413 : 400);
            return len;
        }
        size_t taken = data.len ? take_content(request, data) : 0;
        if (taken < data.len) {
            /* The handler took a part: decode up to there again, and leave the rest where it is. */
            size_t prefix = (size_t)(data.ptr - (in + used));
            request->body = before;
            if (prefix + taken)
                count = rn_http1_body_next(&request->body, in + used, prefix + taken, &data);
            return used + prefix + taken;
        }
        if (!count) break;
        used += (size_t)count;
        if (request->close && request->response == RN_RESPONSE_ENDED) return len;
    }
    tell_body_end(request);
    return used;
}

/* ---- Output from outside the driver's calls -------------------------------------------------- */

static void pop_stash(struct rn_request *request, struct rn_out *out)
{
    struct rn_out *stash = &request->stash;
    size_t len = stash->len < rn_out_room(out) ? stash->len : rn_out_room(out);
    memcpy(out->data + out->len, stash->data, len);
    out->len += (uint32_t)len;
    stash->len -= (uint32_t)len;
    if (request->task_waits) rn_wake(request->waker);
    request->task_waits = false;
    memmove(stash->data, stash->data + len, stash->len);
    if (stash->len || !stash->sealed) return;
    enum { TAIL = offsetof(struct rn_out, slice) };
    memcpy((char *)out + TAIL, (char *)stash + TAIL, sizeof *out - TAIL);
    memset((char *)stash + TAIL, 0, sizeof *stash - TAIL);
}

void rn_request_pop(struct rn_request *request, struct rn_out *out)
{
    if (rn_request_stashed(request)) pop_stash(request, out);
    if (request->phase != RN_REQUEST_HANDLED || request->response == RN_RESPONSE_ENDED) return;
    if (request->callbacks && request->callbacks->writable && rn_out_room(out) &&
        !rn_request_stashed(request))
        request->callbacks->writable(request);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

struct rn_request *rn_request_of(struct rn_task *task)
{
    return rn_container_of((uint8_t *)task, struct rn_request, state);
}

static enum rn_poll poll_writable(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_request *request = rn_container_of(future, struct rn_request, writable);
    if (rn_response_room(request) || cx->cancelled) return RN_READY;
    request->task_waits = true;
    return RN_PENDING;
}

struct rn_future *rn_request_writable(struct rn_request *request)
{
    request->writable.poll = poll_writable;
    return &request->writable;
}

static void task_done(struct rn_task *task)
{
    struct rn_request *request = rn_request_of(task);
    struct rn_stream_driver *driver = &request->conn->driver;
    request->task_alive = false;
    if (request->lost) {
        rn_http_conn_ended(request->conn);
        return;
    }
    if (request->response != RN_RESPONSE_ENDED) request->broken = true;
    rn_stream_driver_kick(driver);
}

int rn_request_spawn(struct rn_request *request,
                     enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx))
{
    struct rn_task *task = rn_request_state(request);
    struct rn_worker *worker = rn_request_worker(request);
    task->poll = poll;
    task->done = task_done;
    int result = rn_spawn(worker, task);
    if (result < 0) return result;
    request->task_alive = true;
    request->waker = rn_task_waker(worker, task);
    return 0;
}

/* The connection is gone: whoever works on the request is told, and a task may still need the
 * memory. */
void rn_request_lost(struct rn_request *request)
{
    request->lost = true;
    if (request->task_alive) {
        rn_task_cancel(request->waker);
        return;
    }
    if (request->callbacks && request->callbacks->aborted && request->response != RN_RESPONSE_ENDED)
        request->callbacks->aborted(request);
}
