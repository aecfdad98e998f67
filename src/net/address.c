/*
 * net/address.c: addresses as text and back: IPv4 as a strict dotted quad, IPv6 (RFC 4291, 2.2)
 * written in the one form of RFC 5952, Unix paths and abstract names.
 */
#include <runnel/net.h>

#include "base/bytes.h"
#include "sys/sys.h"

enum {
    UNIX_HEAD = offsetof(struct rn_k_sockaddr_un, sun_path),
    UNIX_PREFIX = 5, /* the length of unix_prefix */
    GROUPS = 8,
};

static const char unix_prefix[] = "unix:";

/* ---- Text to address -------------------------------------------------------------------- */

static unsigned digit_of(char c)
{
    if (rn_is_digit((uint8_t)c)) return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

/* A number up to max. A decimal one has no leading zeros: inet_aton(3) would take those for octal;
 * a hexadecimal one is a group of up to four digits. Each of these parsers returns where its part
 * of the text ends, or NULL. */
static const char *parse_number(const char *text, unsigned base, uint32_t max, uint32_t *value)
{
    const char *start = text;
    uint32_t sum = 0;
    for (unsigned digit; sum <= max && (digit = digit_of(*text)) < base; text++)
        sum = sum * base + digit;
    *value = sum;
    if (text == start || sum > max) return NULL;
    return text <= start + (base == 16 ? 4 : *start == '0' ? 1 : 5) ? text : NULL;
}

static const char *parse_ip4(const char *text, uint8_t *to)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t value;
        if (i && *text++ != '.') return NULL;
        if (!(text = parse_number(text, 10, 255, &value))) return NULL;
        to[i] = (uint8_t)value;
    }
    return text;
}

/* `to` is zeroed. */
static const char *parse_ip6(const char *text, uint8_t *to)
{
    uint8_t *at = to, *const end = to + 16, *gap = NULL;
    if (*text == ':' && *++text != ':') return NULL;
    for (;;) {
        uint32_t value;
        if (*text == ':') { /* the second one of "::", which stands for at least one group */
            if (gap || at == end) return NULL;
            gap = at;
            text++;
            if (digit_of(*text) > 15) break;
        }
        if (at == end || !(text = parse_number(text, 16, UINT16_MAX, &value))) return NULL;
        *at++ = (uint8_t)(value >> 8);
        *at++ = (uint8_t)value;
        if (*text != ':') break;
        text++;
    }
    if (!gap) return at == end ? text : NULL;
    if (at == end) return NULL;
    for (uint8_t *last = end; at > gap; *at = 0) *--last = *--at; /* what follows goes to the end */
    return text;
}

static int parse_unix(struct rn_address *address, const char *path)
{
    size_t len = strlen(path);
    bool abstract = *path == '@';
    if (len <= abstract || len >= sizeof((struct rn_k_sockaddr_un *)0)->sun_path)
        return RN_E_MISUSE;
    memcpy(address->bytes + UNIX_HEAD, path, len);
    address->bytes[0] = RN_UNIX;
    /* A path counts with its terminator, an abstract name begins with one: unix(7). */
    address->len = UNIX_HEAD + (uint32_t)len + !abstract;
    if (abstract) address->bytes[UNIX_HEAD] = 0;
    return 0;
}

RN_COLD int rn_address_parse_global(struct rn_address *address, const char *text, uint16_t port)
{
    struct rn_k_sockaddr_in *in = (void *)address->bytes;
    struct rn_k_sockaddr_in6 *in6 = (void *)address->bytes;
    uint32_t number = port;
    bool bracket = *text == '[', may_have_port = true;
    memset(address, 0, sizeof *address);
    if (strlen(text) >= UNIX_PREFIX && memcmp(text, unix_prefix, UNIX_PREFIX) == 0)
        return parse_unix(address, text + UNIX_PREFIX);
    in->sin_family = RN_IP4;
    address->len = sizeof *in;
    const char *end = parse_ip4(text, (uint8_t *)&in->sin_addr);
    if (!end) {
        in6->sin6_family = RN_IP6;
        in6->sin6_flowinfo = 0; /* where the attempt as IPv4 wrote */
        address->len = sizeof *in6;
        may_have_port = bracket;
        end = parse_ip6(text + bracket, in6->sin6_addr.s6_addr);
        if (!end || (bracket && *end++ != ']')) return RN_E_MISUSE;
    }
    if (may_have_port && *end == ':') end = parse_number(end + 1, 10, UINT16_MAX, &number);
    in->sin_port = __builtin_bswap16((uint16_t)number);
    return end && !*end ? 0 : RN_E_MISUSE;
}

/* ---- Address to text -------------------------------------------------------------------- */

static char *put_hex(char *to, unsigned value)
{
    for (int shift = 12; shift >= 0; shift -= 4)
        if (value >> shift || !shift) *to++ = "0123456789abcdef"[value >> shift & 15];
    return to;
}

static char *format_ip4(char *to, const uint8_t *from)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i) *to++ = '.';
        to += rn_format_u64(to, from[i]);
    }
    return to;
}

/* RFC 5952: the first of the longest runs of two or more zero groups is left out (4.2), lower case
 * without leading zeros (4.1, 4.3). An IPv4-mapped address has no dotted part (5 recommends it): it
 * is read back as it is written. */
static char *format_ip6(char *to, const uint16_t *from)
{
    unsigned best = GROUPS, best_len = 1, run = 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        run = from[i] ? 0 : run + 1;
        if (run > best_len) {
            best_len = run;
            best = i + 1 - run;
        }
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        if (i || !best) *to++ = ':';
        if (i == best) {
            i += best_len - 1;
            if (i == GROUPS - 1) *to++ = ':';
            continue;
        }
        to = put_hex(to, __builtin_bswap16(from[i]));
    }
    return to;
}

static char *format_unix(char *to, const struct rn_address *address)
{
    const uint8_t *path = address->bytes + UNIX_HEAD;
    size_t len = address->len - UNIX_HEAD;
    bool abstract = len && !*path;
    memcpy(to, unix_prefix, UNIX_PREFIX);
    to += UNIX_PREFIX;
    /* A name may hold any byte, and is written as other tools do: '@' for each NUL. */
    for (size_t i = 0; i < len && (abstract || path[i]); i++)
        *to++ = path[i] ? (char)path[i] : '@';
    return to;
}

size_t rn_address_format_global(const struct rn_address *address, char *to)
{
    const struct rn_k_sockaddr_in *in = (const void *)address->bytes;
    const struct rn_k_sockaddr_in6 *in6 = (const void *)address->bytes;
    enum rn_family family = rn_address_family(address);
    char *at = to;
    if (family == RN_UNIX) {
        at = format_unix(at, address);
    } else {
        if (family == RN_IP4) {
            at = format_ip4(at, (const uint8_t *)&in->sin_addr);
        } else {
            *at++ = '[';
            at = format_ip6(at, (const uint16_t *)&in6->sin6_addr);
            *at++ = ']';
        }
        *at++ = ':';
        at += rn_format_u64(at, rn_address_port(address));
    }
    *at = 0;
    return (size_t)(at - to);
}

enum rn_family rn_address_family(const struct rn_address *address)
{
    return (enum rn_family)((const struct rn_k_sockaddr *)(const void *)address->bytes)->sa_family;
}

uint16_t rn_address_port(const struct rn_address *address)
{
    const struct rn_k_sockaddr_in *in = (const void *)address->bytes; /* IPv6 has it there too */
    return rn_address_family(address) == RN_UNIX ? 0 : __builtin_bswap16(in->sin_port);
}
