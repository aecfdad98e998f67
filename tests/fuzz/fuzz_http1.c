/*
 * A request, head and body: however it is cut, it must come out as in one piece. The input ends
 * where nobody may read. After a complete head what follows is decoded as its body, and as a
 * chunked one.
 */
#include "fuzz.h"

#include <runnel/http1.h>

enum { ROOM = GUARDED_MAX, CUTS_ALL = 64, CUTS_SOME = 24 };

static rn_ssize parse(struct rn_http1_request *request, const uint8_t *data, size_t len)
{
    return rn_http1_parse_head(request, guarded_copy(0, data, len).ptr, len);
}

static void check_span(struct rn_http1_span span, rn_ssize head_len)
{
    require(span.at + span.len <= head_len);
}

static void check_request(const struct rn_http1_request *request, const uint8_t *head, rn_ssize len)
{
    if (len < 0) {
        unsigned status = request->status;
        require(len == RN_E_PROTOCOL    ? status == 400
                : len == RN_E_LIMIT     ? status == 414 || status == 431
                : len == RN_E_UNSUPPORTED ? status == 417 || status == 501 || status == 505
                                          : false);
        return;
    }
    require(request->status == 0 && request->minor <= 1 && request->method <= RN_HTTP1_TRACE);
    require(request->field_count <= RN_HTTP1_FIELDS_MAX && request->method_name.len > 0);
    require(memcmp(head + len - 4, "\r\n\r\n", 4) == 0);
    require(request->framing == RN_HTTP1_LENGTH || request->content_length == 0);
    check_span(request->method_name, len);
    check_span(request->target, len);
    check_span(request->path, len);
    check_span(request->query, len);
    check_span(request->host, len);
    require(request->path.len > 0 && request->target.len > 0);
    for (unsigned i = 0; i < request->field_count; i++) {
        check_span(request->fields[i].name, len);
        check_span(request->fields[i].value, len);
        rn_bytes value = rn_http1_slice(head, request->fields[i].value);
        require(memchr(value.ptr, '\r', value.len) == NULL);
        require(memchr(value.ptr, '\n', value.len) == NULL);
        require(head[request->fields[i].name.at + request->fields[i].name.len] == ':');
    }
}

static void compare_heads(const uint8_t *data, size_t size, size_t cut, rn_ssize expected,
                          const struct rn_http1_request *whole)
{
    struct rn_http1_request request;
    rn_http1_request_init(&request);
    rn_ssize result = parse(&request, data, cut);
    if (result == 0) result = parse(&request, data, size);
    require(result == expected && request.status == whole->status);
    if (result <= 0) return;
    require(memcmp(&request, whole, offsetof(struct rn_http1_request, fields)) == 0);
    require(memcmp(request.fields, whole->fields,
                   request.field_count * sizeof(struct rn_http1_field)) == 0);
}

static size_t put(uint8_t *to, const uint8_t *head, struct rn_http1_span span, const char *end)
{
    memcpy(to, head + span.at, span.len);
    memcpy(to + span.len, end, strlen(end));
    return span.len + strlen(end);
}

static void require_same(const uint8_t *a, struct rn_http1_span in_a, const uint8_t *b,
                         struct rn_http1_span in_b)
{
    require(in_a.len == in_b.len && !memcmp(a + in_a.at, b + in_b.at, in_a.len));
}

/* Written anew from what was understood, a head is understood the same. */
static void check_emitted(const struct rn_http1_request *request, const uint8_t *head)
{
    static uint8_t text[ROOM];
    struct rn_http1_request again;
    size_t len = put(text, head, request->method_name, " ");
    len += put(text + len, head, request->target, request->minor ? " HTTP/1.1" : " HTTP/1.0");
    for (unsigned i = 0; i < request->field_count; i++) {
        memcpy(text + len, "\r\n", 2);
        len += 2 + put(text + len + 2, head, request->fields[i].name, ":");
        len += put(text + len, head, request->fields[i].value, "");
    }
    memcpy(text + len, "\r\n\r\n", 4);
    len += 4;
    rn_http1_request_init(&again);
    require(parse(&again, text, len) == (rn_ssize)len);
    require(again.method == request->method && again.minor == request->minor);
    require(again.framing == request->framing && again.keep_alive == request->keep_alive);
    require(again.content_length == request->content_length);
    require(again.expect_continue == request->expect_continue);
    require(again.upgrade_websocket == request->upgrade_websocket);
    require_same(text, again.path, head, request->path);
    require_same(text, again.query, head, request->query);
    require_same(text, again.host, head, request->host);
    require(again.field_count == request->field_count);
    for (unsigned i = 0; i < again.field_count; i++) {
        require_same(text, again.fields[i].name, head, request->fields[i].name);
        require_same(text, again.fields[i].value, head, request->fields[i].value);
    }
}

struct outcome {
    uint8_t *content;
    size_t len;
    size_t used;
    rn_ssize error;
    bool done;
};

static void decode_part(struct outcome *outcome, struct rn_http1_body *body, const uint8_t *data,
                        size_t size)
{
    const uint8_t *in = guarded_copy(0, data, size).ptr;
    size_t used = 0;
    while (used < size && !outcome->error && !rn_http1_body_done(body)) {
        rn_bytes content;
        rn_ssize count = rn_http1_body_next(body, in + used, size - used, &content);
        require(count != 0 && count <= (rn_ssize)(size - used));
        outcome->error = count < 0 ? count : 0;
        if (count < 0) break;
        used += (size_t)count;
        if (!content.len) continue;
        require(content.ptr + content.len == in + used);
        memcpy(outcome->content + outcome->len, content.ptr, content.len);
        outcome->len += content.len;
    }
    outcome->used += used;
    outcome->done = rn_http1_body_done(body);
}

static void decode(struct outcome *outcome, const struct rn_http1_request *request,
                   const uint8_t *data, size_t size, size_t cut)
{
    struct rn_http1_body body;
    uint8_t *content = outcome->content;
    *outcome = (struct outcome){.content = content};
    rn_http1_body_init(&body, request);
    decode_part(outcome, &body, data, cut);
    if (!outcome->error) decode_part(outcome, &body, data + cut, size - cut);
    outcome->done = rn_http1_body_done(&body);
}

/* The cuts to try: all of a short input, some of a long one. */
static size_t next_cut(size_t cut, size_t size, uint32_t *seed)
{
    if (size <= CUTS_ALL) return cut + 1;
    *seed = *seed * 1664525 + 1013904223;
    return cut + 1 + *seed % (2 * size / CUTS_SOME);
}

static void check_body(const struct rn_http1_request *request, const uint8_t *data, size_t size)
{
    struct outcome whole = {.content = malloc(size + 1)}, other = {.content = malloc(size + 1)};
    uint32_t seed = (uint32_t)size;
    require(whole.content && other.content);
    decode(&whole, request, data, size, size);
    require(!whole.error || whole.error == RN_E_PROTOCOL || whole.error == RN_E_LIMIT);
    for (size_t cut = 0; cut < size; cut = next_cut(cut, size, &seed)) {
        decode(&other, request, data, size, cut);
        require(other.error == whole.error && other.done == whole.done && other.len == whole.len);
        require(memcmp(other.content, whole.content, whole.len) == 0);
        if (!whole.error) require(other.used == whole.used);
    }
    free(whole.content);
    free(other.content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_http1_request whole, request, chunked = {.framing = RN_HTTP1_CHUNKED};
    uint32_t seed = (uint32_t)size;
    if (size > ROOM) return 0;
    rn_http1_request_init(&whole);
    rn_ssize len = parse(&whole, data, size);
    if (len) check_request(&whole, data, len);
    for (size_t cut = 0; cut < size; cut = next_cut(cut, size, &seed))
        compare_heads(data, size, cut, len, &whole);

    rn_ssize result = 0;
    rn_http1_request_init(&request);
    for (size_t part = 1; part <= size && result == 0; part++)
        result = parse(&request, data, part);
    require(result == len && request.status == whole.status);

    if (len > 0) check_emitted(&whole, data);
    if (len > 0) check_body(&whole, data + len, size - (size_t)len);
    if (len > 0) check_body(&chunked, data + len, size - (size_t)len);
    return 0;
}
