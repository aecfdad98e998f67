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

rn_ssize rn_base64_decode(uint8_t *to, rn_bytes text)
{
    uint8_t *end = to;
    uint32_t group = 0;
    size_t at = 0;
    for (; at < text.len; at++) {
        size_t value = rn_bytes_find(rn_bytes_of(alphabet, 64), text.ptr[at]);
        if (value == 64) break;
        group = group << 6 | (uint32_t)value;
        /* Four characters make three bytes: each but a group's first completes one. */
        if (at % 4 != 0) *end++ = (uint8_t)(group >> (6 - at % 4 * 2));
    }
    if (text.len % 4 != 0 || text.len - at > 2) return RN_E_PROTOCOL;
    while (at < text.len)
        if (text.ptr[at++] != '=') return RN_E_PROTOCOL;
    return end - to;
}
