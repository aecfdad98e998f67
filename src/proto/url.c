/*
 * proto/url.c: paths, queries and links of a server (RFC 3986).
 */
#include <runnel/url.h>

#include "base/bytes.h"

/* The byte at *at, decoded, 1 to 255, and *at left on its last character; or RN_E_PROTOCOL. A NUL
 * would end the name early for whoever opens it. */
static int decode_byte(const uint8_t **at, const uint8_t *end)
{
    unsigned byte = **at;
    if (byte == '%') {
        byte = 1; /* each digit moves it up: it ends at 0x100 */
        while (byte < 0x100) {
            if (++*at == end) return RN_E_PROTOCOL;
            unsigned digit = **at;
            if (!rn_is_digit((uint8_t)digit)) {
                digit = (digit | 0x20) - 'a' + 10;
                if (digit - 10 > 5) return RN_E_PROTOCOL;
            }
            byte = byte << 4 | (digit & 15);
        }
        byte &= 0xFF;
    }
    return byte ? (int)byte : RN_E_PROTOCOL;
}

/* What becomes of a complete segment: 1 when it is kept, 0 when it is dropped, -1 with its parent,
 * or an error. */
static int judge_segment(const char *segment, size_t len, bool first)
{
    if (len == 0) return 0;
    if (*segment != '.') return 1;
    if (len == 1) return 0;
    if (len == 2 && segment[1] == '.') return first ? RN_E_PROTOCOL : -1;
    if (first && rn_bytes_equal(rn_bytes_of(segment, len), RN_BYTES(".well-known"))) return 1;
    return RN_E_UNSUPPORTED;
}

rn_ssize rn_url_decode_path(char *to, size_t cap, rn_bytes path)
{
    if (path.len == 0 || *path.ptr != '/') return RN_E_PROTOCOL;
    if (cap == 0) return RN_E_LIMIT;
    const uint8_t *at = path.ptr, *end = at + path.len;
    char *out = to, *last = to + cap - 1; /* where the NUL must fit */
    do {
        char *segment = out;
        while (++at < end && *at != '/') {
            int byte = decode_byte(&at, end);
            if (byte == '/') return RN_E_PROTOCOL;
            if (byte < 0) return byte;
            if (out == last) return RN_E_LIMIT;
            *out++ = (char)byte;
        }
        int kept = judge_segment(segment, (size_t)(out - segment), segment == to);
        if (kept < -1) return kept;
        if (kept <= 0) out = segment;
        while (kept < 0 && --out > to && out[-1] != '/') continue;
        if (kept > 0 && at < end) {
            if (out == last) return RN_E_LIMIT;
            *out++ = '/';
        }
    } while (at < end);
    *out = 0;
    return out - to;
}

/* `space` becomes one. */
static inline rn_ssize decode(char *to, size_t cap, rn_bytes text, uint8_t space)
{
    size_t len = 0;
    if (cap-- == 0) return RN_E_LIMIT;
    const uint8_t *at = text.ptr, *end = text.len ? at + text.len : at; /* it may be NULL */
    for (; at < end; at++) {
        bool spaced = *at == space;
        int byte = decode_byte(&at, end);
        if (byte < 0) return byte;
        if (len >= cap) return RN_E_LIMIT;
        to[len++] = spaced ? ' ' : (char)byte;
    }
    to[len] = 0;
    return (rn_ssize)len;
}

rn_ssize rn_url_decode_parameter(char *to, size_t cap, rn_bytes text)
{
    return decode(to, cap, text, '+');
}

rn_ssize rn_url_decode(char *to, size_t cap, rn_bytes text)
{
    return decode(to, cap, text, ' ');
}

bool rn_url_next_parameter(rn_bytes *query, rn_bytes *key, rn_bytes *value)
{
    rn_bytes pair;
    do {
        if (query->len == 0) return false;
        pair = rn_bytes_of(query->ptr, rn_bytes_find(*query, '&'));
        size_t taken = pair.len + (pair.len < query->len);
        *query = rn_bytes_of(query->ptr + taken, query->len - taken);
    } while (pair.len == 0);
    *key = rn_bytes_of(pair.ptr, rn_bytes_find(pair, '='));
    size_t skip = key->len + (key->len < pair.len);
    *value = rn_bytes_of(pair.ptr + skip, pair.len - skip);
    return true;
}

/* '-', '.' and '/' stand right before the digits. */
static bool is_plain_in_path(uint8_t c)
{
    return (uint8_t)(c - '-') <= '9' - '-' || (uint8_t)((c | 0x20) - 'a') < 26 || c == '_' ||
           c == '~';
}

static bool is_special_in_html(uint8_t c)
{
    return c == '&' || c == '<' || c == '>' || c == '"' || c == '\'';
}

#define HIGH "\5" /* stand for the hex digits of the byte: & 4 is how far it is shifted */
#define LOW  "\1"

/* Writes `text` with each byte that isn't plain as `form`. */
static rn_ssize escape(char *to, size_t cap, rn_bytes text, const char *form)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool plain = *form == '&' ? !is_special_in_html(c) : is_plain_in_path(c);
        const char *part = plain ? "c" : form;
        do {
            char out = plain ? (char)c : *part;
            if (*part < ' ') out = "0123456789ABCDEF"[c >> (*part & 4) & 15];
            if (len == cap) return RN_E_LIMIT;
            to[len++] = out;
        } while (*++part);
    }
    return (rn_ssize)len;
}

rn_ssize rn_url_encode_path(char *to, size_t cap, rn_bytes path)
{
    return escape(to, cap, path, "%" HIGH LOW);
}

rn_ssize rn_url_escape_html(char *to, size_t cap, rn_bytes text)
{
    return escape(to, cap, text, "&#x" HIGH LOW ";");
}
