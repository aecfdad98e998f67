/*
 * http/response.c: writing responses, straight into the buffer that is sent.
 */
#include "http/server.h"

#include "proto/http_date.h"
#include "sys/sys.h"

enum { CHUNK_HEAD = 6, CHUNK_OVERHEAD = CHUNK_HEAD + 2, CHUNK_LAST = 5 };

/* Makes the output longer, and returns where: NULL when there is no room, and then the response is
 * broken. */
RN_INLINE uint8_t *extend(struct rn_request *request, size_t len)
{
    struct rn_out *out = request->out;
    if (rn_unlikely(!out || rn_out_room(out) < len)) {
        request->broken = true;
        return NULL;
    }
    uint8_t *end = out->data + out->len;
    out->len += (uint32_t)len;
    return end;
}

static void put(struct rn_request *request, const void *from, size_t len)
{
    uint8_t *to = extend(request, len);
    if (to) memcpy(to, from, len);
}

static void put_text(struct rn_request *request, const char *text)
{
    put(request, text, strlen(text));
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
    char code[] = " 000 ";
    rn_format_u64(code + 1, status);
    put(request, worker->prefix, 8);
    put(request, code, 5);
    put_text(request, rn_http1_reason(status));
    put(request, worker->prefix + STATUS_LINE - 2, PREFIX - STATUS_LINE + 2);
}

static void put_field(struct rn_request *request, const char *name, rn_bytes value)
{
    put_text(request, name);
    put(request, value.ptr, value.len);
    put(request, "\r\n", 2);
}

void rn_response_header(struct rn_request *request, const char *name, rn_bytes value)
{
    rn_assert(request->response == RN_RESPONSE_FIELDS);
    put_text(request, name);
    put_field(request, ": ", value);
}

void rn_response_headers(struct rn_request *request, rn_bytes block)
{
    put(request, block.ptr, block.len);
}

/* Whether the connection ends with this response: asked for, or because the body that is still
 * to come won't be read. */
static bool must_close(const struct rn_request *request)
{
    const struct rn_http1_request *http1 = &request->http1;
    return !http1->keep_alive || request->close || request->conn->worker->draining ||
           rn_http_conn_is(request->conn, RN_HTTP_EOF) ||
           (request->continue_due && !rn_http1_body_done(&request->body));
}

/* The fields below need no more than this, without the type. */
enum { FIELDS_ROOM = 128 };

static uint8_t *add(uint8_t *to, const void *from, size_t len)
{
    memcpy(to, from, len);
    return to + len;
}

#define ADD(to, literal) add(to, literal, sizeof literal - 1)

RN_INLINE uint8_t *end_line(uint8_t *to)
{
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

void rn_response_head(struct rn_request *request, const char *type, uint64_t length)
{
    unsigned status = request->status;
    bool bodiless = status == 204 || status < 200;
    const char *connection = NULL;
    size_t type_len = type && !bodiless ? strlen(type) : 0;
    uint8_t *start = extend(request, FIELDS_ROOM + type_len), *to = start;
    request->response = RN_RESPONSE_CONTENT;
    request->no_content = bodiless || status == 304 || rn_request_is_head(request);
    request->remaining = length;
    request->close = must_close(request);
    if (!to) return;
    if (type_len) to = end_line(add(ADD(to, "Content-Type: "), type, type_len));
    if (bodiless || (status == 304 && length == RN_LENGTH_UNKNOWN)) {
        request->remaining = 0;
    } else if (length != RN_LENGTH_UNKNOWN) {
        to = ADD(to, "Content-Length: ");
        to = end_line(to + rn_format_u64((char *)to, length));
    } else if (request->http1.minor) {
        request->chunked = true;
        to = ADD(to, "Transfer-Encoding: chunked\r\n");
    } else {
        request->close = true;
    }
    if (!request->http1.minor) connection = "Connection: keep-alive\r\n";
    if (request->close) connection = "Connection: close\r\n";
    if (status == 101) connection = "Connection: Upgrade\r\n";
    if (connection) to = add(to, connection, strlen(connection));
    to = end_line(to);
    request->out->len -= (uint32_t)(start + FIELDS_ROOM + type_len - to);
}

size_t rn_response_room(const struct rn_request *request)
{
    size_t room = request->out ? rn_out_room(request->out) : 0;
    if (!request->chunked) return room;
    /* The last chunk must always fit behind. */
    return room > CHUNK_OVERHEAD + CHUNK_LAST ? room - CHUNK_OVERHEAD - CHUNK_LAST : 0;
}

RN_INLINE void count_content(struct rn_request *request, uint64_t len)
{
    request->content += len;
    if (rn_unlikely(request->out == &request->stash))
        rn_stream_driver_kick(&request->conn->driver);
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
        struct rn_out *out = request->out;
        out->file_fd = fd;
        out->file_offset = offset;
        out->file_length = length;
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

static void finish(struct rn_request *request, const char *type, const void *body, size_t len)
{
    rn_response_head(request, type, len);
    rn_response_write(request, body, len);
    rn_response_end(request);
}

int rn_respond(struct rn_request *request, unsigned status, const char *type, const void *body,
               size_t len)
{
    if (!rn_request_is_head(request) && len + RN_HTTP_ANSWER_HEAD > rn_response_room(request))
        return RN_E_LIMIT;
    rn_response_start(request, status);
    finish(request, type, body, len);
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
    finish(request, "text/plain; charset=utf-8", page, text.len);
}

/* A field of the access log: cut, "-" when there is none. What would end the line or the quotes
 * becomes '?'. */
enum { LOGGED_MAX = 200 };

static size_t logged(char *to, rn_bytes field)
{
    if (!field.len) field = RN_BYTES("-");
    if (field.len > LOGGED_MAX) field.len = LOGGED_MAX;
    for (size_t i = 0; i < field.len; i++) {
        uint8_t c = field.ptr[i];
        to[i] = c < ' ' || c == '"' || c == '\\' ? '?' : (char)c;
    }
    return field.len;
}

/* Combined Log Format. A request that came to nothing has no head. */
void rn_http_log_access(struct rn_request *request)
{
    char peer[RN_ADDRESS_TEXT_MAX] = "-", date[RN_HTTP_DATE_LEN], fields[3][LOGGED_MAX];
    size_t lens[3];
    struct rn_address address;
    const struct rn_http1_request *http1 = &request->http1;
    static const char *const names[] = {"referer", "user-agent"};
    rn_bytes line = {NULL, 0};
    if (rn_peer_address(rn_http_conn_fd(request->conn), &address) == 0)
        rn_address_format_global(&address, peer);
    rn_http_date_format(date, (int64_t)rn_clock_realtime_seconds());
    if (request->head && http1->target.len)
        line = rn_bytes_of(
            request->head + http1->method_name.at,
            (size_t)(http1->target.at + http1->target.len - http1->method_name.at));
    lens[0] = logged(fields[0], line);
    for (unsigned i = 0; i < 2; i++)
        lens[i + 1] = logged(fields[i + 1],
                             request->head ? rn_request_header(request, names[i]) : RN_BYTES(""));
    rn_log_line(&request->conn->worker->access, "%s - - [%b] \"%b\" %d %u \"%b\" \"%b\"", peer,
                date, (size_t)RN_HTTP_DATE_LEN, fields[0], lens[0], (int)request->status,
                request->content, fields[1], lens[1], fields[2], lens[2]);
}
