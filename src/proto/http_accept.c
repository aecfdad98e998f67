/*
 * proto/http_accept.c: which content coding the client prefers (RFC 9110, section 12.5.3).
 */
#include "proto/http_accept.h"

#include "base/bytes.h"
#include "proto/http_list.h"

const char rn_http_coding_names[RN_HTTP_CODINGS][5] = {"", "gzip", "zstd", "br"};

/* A name as one number, its last letter lowest. "identity" just fits. */
#define NAME(a, b, c, d) ((uint64_t)(a) << 24 | (uint64_t)(b) << 16 | (uint64_t)(c) << 8 | (d))

/* The codings, then what else may stand for one: "x-gzip" is gzip (RFC 9110, section 8.4.1.3). */
enum { ANY = RN_HTTP_CODINGS, X_GZIP, NAMES };
static const uint64_t names[NAMES] = {
    [RN_HTTP_IDENTITY] = NAME('i', 'd', 'e', 'n') << 32 | NAME('t', 'i', 't', 'y'),
    [RN_HTTP_GZIP] = NAME('g', 'z', 'i', 'p'),
    [RN_HTTP_ZSTD] = NAME('z', 's', 't', 'd'),
    [RN_HTTP_BR] = NAME(0, 0, 'b', 'r'),
    [ANY] = '*',
    [X_GZIP] = NAME(0, 0, 'x', '-') << 32 | NAME('g', 'z', 'i', 'p'),
};

/* Out of line, for size. */
static __attribute__((noinline)) const uint8_t *skip_blanks(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

/* What follows a coding's name, nothing or a weight, in thousandths; -1 when malformed
 * (section 12.4.2). */
static int parse_weight(const uint8_t *at, const uint8_t *end)
{
    if (at == end) return 1000;
    at = skip_blanks(at, end);
    if (at == end || *at++ != ';') return -1;
    at = skip_blanks(at, end);
    if (end - at < 3 || (at[0] | 0x20) != 'q' || at[1] != '=') return -1;
    unsigned weight = at[2] - '0';
    at += 3;
    if (at < end && *at++ != '.') return -1;
    for (int i = 0; i < 3; i++) {
        unsigned digit = at < end ? *at++ - '0' : 0;
        if (digit > 9) return -1;
        weight = weight * 10 + digit;
    }
    return at == end && weight <= 1000 ? (int)weight : -1;
}

/* Sets the weight that one element gives: false when it is malformed. */
static bool parse_element(rn_bytes element, int16_t *weights)
{
    const uint8_t *at = element.ptr, *end = at + element.len;
    uint64_t name = 0;
    while (at != end && *at > ' ' && *at != ';') {
        if (name >> 56) name = UINT64_MAX >> 8; /* too long: stays one that nobody has */
        name = name << 8 | rn_lower(*at++);
    }
    int weight = parse_weight(at, end);
    if (weight < 0 || name == 0) return false;
    for (int i = 0; i < NAMES; i++)
        if (names[i] == name) weights[i == X_GZIP ? RN_HTTP_GZIP : i] = (int16_t)weight;
    return true;
}

struct rn_http_accept rn_http_accept_encoding(rn_bytes value)
{
    struct rn_http_accept accept = {{[RN_HTTP_IDENTITY] = 1}};
    int16_t weights[NAMES];
    rn_bytes element;
    memset(weights, 0xFF, sizeof(weights)); /* -1: not named */
    while (rn_http_list_next(&value, &element))
        if (!parse_element(element, weights)) return accept;
    for (int i = 0; i < RN_HTTP_CODINGS; i++) {
        int weight = weights[i] < 0 ? weights[ANY] : weights[i];
        if (weight >= 0) accept.weight[i] = (uint16_t)weight;
    }
    return accept;
}

enum rn_http_coding rn_http_accept_best(struct rn_http_accept accept, unsigned available)
{
    enum rn_http_coding best = RN_HTTP_IDENTITY;
    for (unsigned i = best + 1; i < RN_HTTP_CODINGS; i++)
        if (available >> i & 1 && accept.weight[i] && accept.weight[i] >= accept.weight[best])
            best = i;
    return best;
}
