/*
 * proto/base64.c: base64 (RFC 4648, section 4), small rather than fast.
 */
#include "proto/base64.h"
#include "base/bytes.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t rn_base64_encode(char *to, rn_bytes from)
{
    char *end = to;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t at = 0; at < from.len; at++) {
        group = group << 8 | from.ptr[at];
        for (bits += 8; bits >= 6; bits -= 6) *end++ = alphabet[group >> (bits - 6) & 63];
    }
    if (bits > 0) *end++ = alphabet[group << (6 - bits) & 63];
    while ((end - to) % 4 != 0) *end++ = '=';
    return (size_t)(end - to);
}

rn_ssize rn_base64_decoded_len(rn_bytes text)
{
    size_t at = 0;
    while (at < text.len && rn_bytes_find(rn_bytes_of(alphabet, 64), text.ptr[at]) < 64) at++;
    size_t padding = text.len - at;
    if (text.len % 4 != 0 || padding > 2) return RN_E_PROTOCOL;
    while (at < text.len)
        if (text.ptr[at++] != '=') return RN_E_PROTOCOL;
    return (rn_ssize)(text.len / 4 * 3 - padding);
}
