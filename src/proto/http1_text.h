/*
 * proto/http1_text.h: the classes of bytes that HTTP/1 tells apart.
 */
#ifndef PROTO_HTTP1_TEXT_H
#define PROTO_HTTP1_TEXT_H

#include <runnel/base.h>

/* What a byte may be part of. */
enum {
    RN_HTTP1_TOKEN = 1,  /* a token (RFC 9110, section 5.6.2) */
    RN_HTTP1_PATH = 2,   /* a request target before '?' */
    RN_HTTP1_QUERY = 4,  /* a request target after '?' */
    RN_HTTP1_VALUE = 8,  /* a field's value with the white space in it (RFC 9110, section 5.5) */
    RN_HTTP1_SPACE = 16, /* SP and HTAB (RFC 9110, section 5.6.3) */
    RN_HTTP1_HEX = 32,
    RN_HTTP1_HOST = 64, /* a registered name or an IPv4 address (RFC 3986, section 3.2.2) */
    RN_HTTP1_IPV6 = 128,
};

extern const uint8_t rn_http1_class[256];

/* The first byte from `at` on that is not of the class, or `end`. */
static inline const uint8_t *rn_http1_skip(const uint8_t *at, const uint8_t *end, unsigned class)
{
    while (at < end && rn_http1_class[*at] & class) at++;
    return at;
}

#endif
