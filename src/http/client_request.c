/*
 * http/client_request.c: the bytes of a client's request.
 */
#include "http/client.h"

#include "base/text.h"
#include "proto/base64.h"

rn_bytes rn_http_call_method(const struct rn_http_call *call)
{
    bool get = !call->method || call->flags & RN_HTTP_BODILESS;
    return get ? RN_BYTES("GET") : rn_bytes_text(call->method);
}

rn_ssize rn_http_basic(char *to, rn_bytes userinfo)
{
    char plain[RN_HTTP_USERINFO_MAX + 1];
    rn_ssize len = rn_url_decode(plain, sizeof plain, userinfo);
    if (len < 0) return len;
    rn_bytes both = rn_bytes_of(plain, (size_t)len);
    /* The user's name ends at the first colon (RFC 7617, section 2): there must be one. The NUL
     * that stood there makes room for it. */
    if (rn_bytes_find(both, ':') == both.len) plain[both.len++] = ':';
    memcpy(to, "Basic ", 6);
    return 6 + (rn_ssize)rn_base64_encode(to + 6, both);
}

/* ---- The head -------------------------------------------------------------------------------- */

struct writer {
    const struct rn_http_call *call;
    struct rn_buf *out;
    int error;
};

static void wrote(struct writer *writer, rn_ssize len)
{
    if (len < 0) writer->error = (int)len;
    else writer->out->len += (uint32_t)len;
}

static void put_field(struct writer *writer, const char *name, rn_bytes value)
{
    struct rn_buf *out = writer->out;
    if (!writer->error)
        wrote(writer, rn_http1_emit_field(out->data + out->len, out->cap - out->len,
                                          rn_bytes_text(name), value));
}

static bool is_one_of(rn_bytes name, const char *list)
{
    for (; *list; list += strlen(list) + 1)
        if (rn_bytes_equal_nocase(name, rn_bytes_text(list))) return true;
    return false;
}

/* Whether a field of the caller's goes into this request: not into a proxy's tunnel; not to an
 * origin that he didn't mean, where it names his own or says who he is; and not without the content
 * that it describes (RFC 9110, section 15.4). */
static bool is_meant(const struct rn_http_call *call, rn_bytes name)
{
    static const char secret[] = "authorization\0cookie\0proxy-authorization\0host\0";
    if (call->flags & RN_HTTP_TUNNELLING) return false;
    if (call->flags & RN_HTTP_FOREIGN && is_one_of(name, secret)) return false;
    if (name.len > 8) name.len = 8;
    return !(call->flags & RN_HTTP_BODILESS && is_one_of(name, "content-\0"));
}

/* Unless the caller has one of that name. */
static void put_own(struct writer *writer, const char *name, rn_bytes value)
{
    const struct rn_http_call *call = writer->call;
    rn_bytes wanted = rn_bytes_text(name);
    for (unsigned i = 0; i < call->field_count; i++)
        if (rn_bytes_equal_nocase(call->fields[i].name, wanted) && is_meant(call, wanted)) return;
    put_field(writer, name, value);
}

static void put_callers(struct writer *writer)
{
    static const char own[] = "content-length\0transfer-encoding\0connection\0expect\0";
    const struct rn_http_call *call = writer->call;
    struct rn_buf *out = writer->out;
    for (unsigned i = 0; i < call->field_count && !writer->error; i++) {
        const struct rn_http1_header *field = &call->fields[i];
        if (is_one_of(field->name, own)) writer->error = RN_E_MISUSE;
        else if (field->value.len && is_meant(call, field->name))
            wrote(writer, rn_http1_emit_field(out->data + out->len, out->cap - out->len,
                                              field->name, field->value));
    }
}

/* How long the content is, and whether there is more to wait for before it. */
static void put_framing(struct writer *writer, struct rn_http_call *call)
{
    uint64_t length = call->flags & RN_HTTP_BODILESS ? 0 : call->body_length;
    rn_bytes method = rn_http_call_method(call);
    char digits[20];
    if (length == RN_HTTP_LENGTH_UNKNOWN)
        put_field(writer, "Transfer-Encoding", RN_BYTES("chunked"));
    else if (length || is_one_of(method, "POST\0PUT\0PATCH\0"))
        put_field(writer, "Content-Length",
                  rn_bytes_of(digits, rn_format_u64(digits, length)));
    if (length == 0) {
        call->flags |= RN_HTTP_ALL_SENT;
    } else if (call->expect_continue) {
        put_field(writer, "Expect", RN_BYTES("100-continue"));
        call->flags |= RN_HTTP_HOLDING;
    }
}

/* The request line, and Host. */
static void put_request(struct writer *writer, const struct rn_url *url)
{
    const struct rn_http_call *call = writer->call;
    struct rn_buf *out = writer->out;
    char authority[RN_HTTP_HOST_MAX + sizeof "[]:65535"];
    bool tunnelling = call->flags & RN_HTTP_TUNNELLING;
    rn_bytes method = tunnelling ? RN_BYTES("CONNECT") : rn_http_call_method(call);
    rn_bytes target = url->target, host = url->authority;
    if (call->connection->route == RN_HTTP_BY_PROXY)
        target = rn_bytes_of(call->url, call->url_len);
    if (rn_bytes_equal(method, RN_BYTES("CONNECT"))) {
        /* The port must be there (RFC 9112, section 3.2.3). */
        struct rn_text text = {authority, 0, sizeof authority};
        rn_text_format(&text, url->ip6 ? "[%b]:%u" : "%b:%u", url->host.ptr, url->host.len,
                       (uint64_t)url->port);
        target = host = rn_bytes_of(authority, text.len);
    }
    wrote(writer, rn_http1_emit_request(out->data, out->cap, method, target));
    put_own(writer, "Host", host);
}

static void put_proxy_authorization(struct writer *writer, const struct rn_url *proxy)
{
    char basic[RN_HTTP_BASIC_MAX];
    rn_ssize len = rn_http_basic(basic, proxy->userinfo);
    if (len < 0) writer->error = (int)len;
    else put_own(writer, "Proxy-Authorization", rn_bytes_of(basic, (size_t)len));
}

int rn_http_call_write_head(struct rn_http_call *call, struct rn_buf *out)
{
    struct writer writer = {call, out, 0};
    const struct rn_http_client *client = call->client;
    bool by_proxy = call->connection->route == RN_HTTP_BY_PROXY;
    bool tunnelling = call->flags & RN_HTTP_TUNNELLING;
    struct rn_url url;
    int result = rn_url_parse(&url, rn_bytes_of(call->url, call->url_len));
    rn_assert(result == 0);
    out->at = out->len = 0;
    call->flags |= RN_HTTP_STARTED;
    put_request(&writer, &url);
    put_own(&writer, "User-Agent", rn_bytes_text(client->options.user_agent));
    if ((by_proxy || tunnelling) && client->proxy.userinfo.ptr)
        put_proxy_authorization(&writer, &client->proxy);
    if (tunnelling) {
        call->flags |= RN_HTTP_ALL_SENT;
    } else {
        put_own(&writer, "Accept", RN_BYTES("*/*"));
        if (call->authorization_len && !(call->flags & RN_HTTP_FOREIGN))
            put_own(&writer, "Authorization",
                    rn_bytes_of(call->authorization, call->authorization_len));
        if (call->upgrade) put_field(&writer, "Connection", RN_BYTES("Upgrade"));
        else if (call->no_reuse) put_field(&writer, "Connection", RN_BYTES("close"));
        put_framing(&writer, call);
        put_callers(&writer);
    }
    if (!writer.error && out->cap - out->len < 2) writer.error = RN_E_LIMIT;
    if (writer.error) return writer.error;
    memcpy(out->data + out->len, "\r\n", 2);
    out->len += 2;
    return 0;
}

/* ---- The body -------------------------------------------------------------------------------- */

enum { LAST_CHUNK = 5, CHUNK_OVERHEAD = RN_HTTP1_CHUNK_LINE + 2 + LAST_CHUNK };

/* Copies content from call->sent on. */
static rn_ssize content(struct rn_http_call *call, uint8_t *to, size_t cap)
{
    if (!call->body) return call->body_read(call, call->sent, to, cap);
    memcpy(to, (const uint8_t *)call->body + call->sent, cap);
    return (rn_ssize)cap;
}

int rn_http_call_write_body(struct rn_http_call *call, struct rn_buf *out)
{
    bool chunked = call->body_length == RN_HTTP_LENGTH_UNKNOWN;
    uint8_t *to = out->data + out->len;
    size_t room = out->cap - out->len, before = chunked ? RN_HTTP1_CHUNK_LINE : 0;
    if (room <= CHUNK_OVERHEAD) return 0; /* with the next send */
    room -= chunked ? CHUNK_OVERHEAD : 0;
    if (room > call->body_length - call->sent) room = (size_t)(call->body_length - call->sent);
    rn_ssize len = content(call, to + before, room);
    if (len == -RN_K_EAGAIN) return 0;
    if (len < 0) return (int)len;
    if (len == 0 && !chunked) return RN_E_MISUSE;
    call->sent += (uint64_t)len;
    if (call->sent == call->body_length) call->flags |= RN_HTTP_ALL_SENT;
    if (chunked && len) {
        size_t start = rn_http1_emit_chunk(to, (uint32_t)len);
        len += (rn_ssize)(RN_HTTP1_CHUNK_LINE + 2 - start);
        memmove(to, to + start, (size_t)len);
    } else if (chunked) {
        memcpy(to, "0\r\n\r\n", LAST_CHUNK);
        len = LAST_CHUNK;
        call->flags |= RN_HTTP_ALL_SENT;
    }
    out->len += (uint32_t)len;
    return 0;
}
