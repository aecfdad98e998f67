/*
 * proto/http1_emit.c: a client's request, written out (RFC 9112, sections 3, 5 and 7.1).
 */
#include <runnel/http1_client.h>

#include "base/bytes.h"
#include "base/text.h"
#include "proto/http1_text.h"

/* Whether all bytes are of the class. */
static bool is_all(rn_bytes text, unsigned class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(rn_http1_class[text.ptr[i]] & class)) return false;
    return true;
}

static bool is_token(rn_bytes text)
{
    return text.len > 0 && is_all(text, RN_HTTP1_TOKEN);
}

/* Writes two parts, with what stands between and behind them. */
static rn_ssize emit(uint8_t *to, size_t cap, const char *format, rn_bytes first, rn_bytes second)
{
    size_t len = first.len + second.len + rn_bytes_text(format).len - 4; /* without "%b" twice */
    struct rn_text text = {(char *)to, 0, cap};
    if (len > cap) return RN_E_LIMIT;
    rn_text_format(&text, format, first.ptr, first.len, second.ptr, second.len);
    return (rn_ssize)len;
}

rn_ssize rn_http1_emit_request(uint8_t *to, size_t cap, rn_bytes method, rn_bytes target)
{
    if (!is_token(method) || target.len == 0 || !is_all(target, RN_HTTP1_PATH | RN_HTTP1_QUERY))
        return RN_E_MISUSE;
    return emit(to, cap, "%b %b HTTP/1.1\r\n", method, target);
}

rn_ssize rn_http1_emit_field(uint8_t *to, size_t cap, rn_bytes name, rn_bytes value)
{
    if (!is_token(name) || !is_all(value, RN_HTTP1_VALUE)) return RN_E_MISUSE;
    return emit(to, cap, "%b: %b\r\n", name, value);
}

bool rn_http1_is_idempotent(rn_bytes method)
{
    static const char *const idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    for (unsigned i = 0; i < RN_COUNT(idempotent); i++)
        if (rn_bytes_equal(method, rn_bytes_text(idempotent[i]))) return true;
    return false;
}

size_t rn_http1_emit_chunk(uint8_t *to, uint32_t len)
{
    size_t at = RN_HTTP1_CHUNK_LINE - 2;
    to[at] = to[at + 2 + len] = '\r';
    to[at + 1] = to[at + 3 + len] = '\n';
    for (; len; len >>= 4) to[--at] = (uint8_t)"0123456789abcdef"[len & 15];
    return at;
}
