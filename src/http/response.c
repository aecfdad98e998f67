/*
 * http/response.c: writing responses, straight into the buffer that is sent.
 */
#include "http/server.h"

#include "proto/http_date.h"
#include "sys/sys.h"

enum { CHUNK_HEAD = 6, CHUNK_OVERHEAD = CHUNK_HEAD + 2, CHUNK_LAST = 5 };

static void put(struct rn_request *request, const void *from, size_t len)
{
    struct rn_out *out = request->out;
    if (!out || rn_out_room(out) < len) {
        request->broken = true;
        return;
    }
    memcpy(out->data + out->len, from, len);
    out->len += (uint32_t)len;
}

static void put_text(struct rn_request *request, const char *text)
{
    put(request, text, strlen(text));
}

static void put_number(struct rn_request *request, uint64_t value)
{
    char digits[20];
    put(request, digits, rn_format_u64(digits, value));
}

/* The status line of a 200 and the Date field, made once a second. */
static void refresh_date(struct rn_http_worker *worker)
{
    static const char line[] = "HTTP/1.1 200 OK\r\nDate: ";
    enum { LINE = sizeof line - 1 };
    memcpy(worker->prefix, line, LINE);
    rn_http_date_format(worker->prefix + LINE, (int64_t)rn_clock_realtime_seconds());
    memcpy(worker->prefix + LINE + RN_HTTP_DATE_LEN, "\r\n", 2);
    worker->date_until = rn_worker_now(worker->worker) + 100 * RN_MILLISECOND;
}

void rn_response_start(struct rn_request *request, unsigned status)
{
    enum { STATUS_LINE = 17, PREFIX = STATUS_LINE + 6 + RN_HTTP_DATE_LEN + 2 };
    struct rn_http_worker *worker = request->conn->worker;
    if (rn_worker_now(worker->worker) >= worker->date_until) refresh_date(worker);
    rn_assert(request->response == RN_RESPONSE_NONE);
    request->response = RN_RESPONSE_FIELDS;
    request->unsent = request->out && request->out != &request->stash;
    if (request->unsent) request->response_at = request->out->len;
    request->status = (uint16_t)status;
    if (rn_likely(status == 200)) {
        put(request, worker->prefix, PREFIX);
        return;
    }
    put_text(request, "HTTP/1.1 ");
    put_number(request, status);
    put_text(request, " ");
    put_text(request, rn_http1_reason(status));
    put(request, worker->prefix + STATUS_LINE - 2, PREFIX - STATUS_LINE + 2);
}

void rn_response_header(struct rn_request *request, const char *name, rn_bytes value)
{
    rn_assert(request->response == RN_RESPONSE_FIELDS);
    put_text(request, name);
    put(request, ": ", 2);
    put(request, value.ptr, value.len);
    put(request, "\r\n", 2);
}

void rn_response_headers(struct rn_request *request, rn_bytes block)
{
    rn_assert(request->response == RN_RESPONSE_FIELDS);
    put(request, block.ptr, block.len);
}

/* Whether the connection ends with this response: asked for, or because the body that is still
 * to come won't be read. */
static bool must_close(const struct rn_request *request)
{
    const struct rn_http1_request *http1 = &request->http1;
    return !http1->keep_alive || request->close || request->conn->worker->draining ||
           request->conn->eof || (request->continue_due && !rn_http1_body_done(&request->body));
}

void rn_response_head(struct rn_request *request, const char *type, uint64_t length)
{
    unsigned status = request->status;
    bool bodiless = status == 204 || status < 200;
    rn_assert(request->response == RN_RESPONSE_FIELDS);
    request->response = RN_RESPONSE_CONTENT;
    request->no_content = bodiless || status == 304 || rn_request_is_head(request);
    if (type) {
        put_text(request, "Content-Type: ");
        put_text(request, type);
        put(request, "\r\n", 2);
    }
    request->remaining = length;
    request->close = must_close(request);
    if (bodiless || (status == 304 && length == RN_LENGTH_UNKNOWN)) {
        request->remaining = 0;
    } else if (length != RN_LENGTH_UNKNOWN) {
        put_text(request, "Content-Length: ");
        put_number(request, length);
        put(request, "\r\n", 2);
    } else if (request->http1.minor) {
        request->chunked = true;
        put_text(request, "Transfer-Encoding: chunked\r\n");
    } else {
        request->close = true;
    }
    if (status == 101) put_text(request, "Connection: Upgrade\r\n");
    else if (request->close) put_text(request, "Connection: close\r\n");
    else if (!request->http1.minor) put_text(request, "Connection: keep-alive\r\n");
    put(request, "\r\n", 2);
}

size_t rn_response_room(const struct rn_request *request)
{
    size_t room = request->out ? rn_out_room(request->out) : 0;
    if (!request->chunked) return room;
    /* The last chunk must always fit behind. */
    return room > CHUNK_OVERHEAD + CHUNK_LAST ? room - CHUNK_OVERHEAD - CHUNK_LAST : 0;
}

static void count_content(struct rn_request *request, uint64_t len)
{
    request->content += len;
    if (request->remaining == RN_LENGTH_UNKNOWN) return;
    rn_assert(len <= request->remaining);
    request->remaining -= len;
}

size_t rn_response_write(struct rn_request *request, const void *data, size_t len)
{
    rn_assert(request->response == RN_RESPONSE_CONTENT);
    if (request->no_content) return len;
    size_t room = rn_response_room(request);
    if (len > room) len = room;
    if (!len) return 0;
    if (request->chunked) { /* four hexadecimal digits always: an output buffer is at most 64 KiB */
        if (len > 0xffff) len = 0xffff;
        char head[CHUNK_HEAD] = {0, 0, 0, 0, '\r', '\n'};
        for (unsigned i = 0; i < 4; i++) head[i] = "0123456789abcdef"[len >> (12 - 4 * i) & 15];
        put(request, head, CHUNK_HEAD);
    }
    put(request, data, len);
    if (request->chunked) put(request, "\r\n", 2);
    count_content(request, len);
    return len;
}

static bool seal(struct rn_request *request, uint64_t length, struct rn_out_owner *owner)
{
    struct rn_out *out = request->out;
    rn_assert(request->response == RN_RESPONSE_CONTENT && !request->chunked);
    if (!request->no_content && length) {
        if (!out || out->sealed) return false;
        count_content(request, length);
        out->owner = owner;
        out->sealed = true;
        request->unsent = false;
        return true;
    }
    if (owner) owner->release(owner);
    return true;
}

bool rn_response_file(struct rn_request *request, int fd, uint64_t offset, uint64_t length,
                      struct rn_out_owner *owner)
{
    if (!seal(request, length, owner)) return false;
    if (!request->no_content && length) {
        request->out->file_fd = fd;
        request->out->file_offset = offset;
        request->out->file_length = length;
    }
    return true;
}

bool rn_response_slice(struct rn_request *request, rn_bytes content, struct rn_out_owner *owner)
{
    if (!seal(request, content.len, owner)) return false;
    if (!request->no_content) request->out->slice = content;
    return true;
}

void rn_response_end(struct rn_request *request)
{
    rn_assert(request->response == RN_RESPONSE_CONTENT);
    if (request->chunked && !request->no_content) put(request, "0\r\n\r\n", CHUNK_LAST);
    else if (request->remaining && request->remaining != RN_LENGTH_UNKNOWN && !request->no_content)
        request->broken = true; /* less than was promised */
    request->response = RN_RESPONSE_ENDED;
    if (request->conn->worker->access.fd) rn_http_log_access(request);
    if (request->out == &request->stash) rn_stream_driver_kick(&request->conn->driver);
}

int rn_respond(struct rn_request *request, unsigned status, const char *type, const void *body,
               size_t len)
{
    enum { HEAD_ROOM = 512 };
    if (!rn_request_is_head(request) && len + HEAD_ROOM > rn_response_room(request))
        return RN_E_LIMIT;
    rn_response_start(request, status);
    rn_response_head(request, type, len);
    rn_response_write(request, body, len);
    rn_response_end(request);
    return 0;
}

void rn_response_content(struct rn_request *request, rn_bytes content, struct rn_out_owner *owner)
{
    if (content.len <= rn_response_room(request) / 2) { /* so copies leave room for what follows */
        rn_response_write(request, content.ptr, content.len);
        if (owner) owner->release(owner);
    } else if (!rn_response_slice(request, content, owner)) {
        request->broken = true;
    }
}

void rn_respond_slice(struct rn_request *request, unsigned status, const char *type, rn_bytes body,
                      struct rn_out_owner *owner)
{
    rn_response_start(request, status);
    rn_response_head(request, type, body.len);
    rn_response_content(request, body, owner);
    rn_response_end(request);
}

void rn_response_error(struct rn_request *request, unsigned status)
{
    char page[64];
    struct rn_text text = {.ptr = page, .cap = sizeof page};
    rn_text_format(&text, "%d %s\n", (int)status, rn_http1_reason(status));
    if (request->response == RN_RESPONSE_NONE) rn_response_start(request, status);
    rn_response_head(request, "text/plain; charset=utf-8", text.len);
    rn_response_write(request, page, text.len);
    rn_response_end(request);
}

/* Combined Log Format. Quotes and control bytes can't be in a target; in the other fields they
 * become '?'. */
static void add_quoted(struct rn_text *text, rn_bytes field)
{
    rn_text_add(text, " \"", 2);
    if (!field.len) rn_text_add(text, "-", 1);
    for (size_t i = 0; i < field.len && i < 200; i++) {
        uint8_t c = field.ptr[i];
        rn_text_add(text, c < ' ' || c == '"' || c == '\\' ? "?" : (const char *)&c, 1);
    }
    rn_text_add(text, "\"", 1);
}

void rn_http_log_access(struct rn_request *request)
{
    char peer[RN_ADDRESS_TEXT_MAX] = "-", date[RN_HTTP_DATE_LEN], line[700];
    struct rn_address address;
    struct rn_text text = {.ptr = line, .cap = sizeof line};
    const struct rn_http1_request *http1 = &request->http1;
    if (rn_peer_address(rn_http_conn_fd(request->conn), &address) == 0)
        rn_address_format(&address, peer);
    rn_http_date_format(date, (int64_t)rn_clock_realtime_seconds());
    rn_text_format(&text, "%s - - [%b]", peer, date, (size_t)RN_HTTP_DATE_LEN);
    rn_bytes line_bytes = {NULL, 0};
    if (request->head && http1->target.len)
        line_bytes =
            rn_bytes_of(request->head + http1->method_name.at,
                        (size_t)(http1->target.at + http1->target.len - http1->method_name.at));
    add_quoted(&text, line_bytes);
    rn_text_format(&text, " %d %u", (int)request->status, request->content);
    add_quoted(&text, request->head ? rn_request_header(request, "referer") : line_bytes);
    add_quoted(&text, request->head ? rn_request_header(request, "user-agent") : line_bytes);
    rn_log_line(&request->conn->worker->access, "%b", text.ptr, text.len);
}
