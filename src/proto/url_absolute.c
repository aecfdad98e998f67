/*
 * proto/url_absolute.c: absolute URLs and references to them, for clients (RFC 3986).
 */
#include <runnel/url.h>

#include "base/bytes.h"
#include "proto/http1_text.h"

/* ---- Taking apart ---------------------------------------------------------------------------- */

/* The first of up to three characters, or the end. */
static const uint8_t *find(const uint8_t *at, const uint8_t *end, const char *stops)
{
    while (at < end && *at != stops[0] && *at != stops[1] && *at != stops[2]) at++;
    return at;
}

static rn_bytes between(const uint8_t *from, const uint8_t *to)
{
    return rn_bytes_of(from, (size_t)(to - from));
}

static bool is_all(rn_bytes text, unsigned class)
{
    if (text.len == 0) return true; /* the pointer may be NULL */
    const uint8_t *end = text.ptr + text.len;
    return rn_http1_skip(text.ptr, end, class) == end;
}

/* The length of "scheme:" without the colon, 0 where none stands (section 3.1). */
static size_t scheme_len(rn_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == ':') return i;
        bool letter = (uint8_t)((c | 0x20) - 'a') < 26;
        if (!letter && (i == 0 || !(rn_is_digit(c) || c == '+' || c == '-' || c == '.'))) break;
    }
    return 0;
}

static uint16_t default_port(rn_bytes scheme)
{
    static const struct {
        char name[6];
        uint16_t port;
    } known[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}};
    for (unsigned i = 0; i < RN_COUNT(known); i++)
        if (rn_bytes_equal_nocase(scheme, rn_bytes_text(known[i].name))) return known[i].port;
    return 0;
}

/* Whether host[:port] is good (section 3.2). */
static bool parse_host(struct rn_url *url)
{
    const uint8_t *at = url->authority.ptr, *end = at + url->authority.len, *host_end;
    unsigned class = RN_HTTP1_HOST;
    uint64_t port = 0;
    url->ip6 = at < end && *at == '[';
    if (url->ip6) {
        host_end = find(++at, end, "]]]");
        if (host_end == end) return false;
        class = RN_HTTP1_IPV6;
    } else {
        host_end = find(at, end, ":::");
    }
    url->host = between(at, host_end);
    at = host_end + url->ip6;
    url->port = default_port(url->scheme);
    if (url->host.len == 0 || !is_all(url->host, class)) return false;
    if (at == end) return true;
    if (*at++ != ':') return false;
    if (at == end) return true; /* an empty port is none (section 6.2.3) */
    if (!rn_parse_u64(between(at, end), &port) || port - 1 >= UINT16_MAX) return false;
    url->port = (uint16_t)port;
    return true;
}

/* Takes "scheme:" and "//authority" off the front, which is what an absolute URL begins with; a
 * reference may lack the first or both. Returns 1 with an authority, 0 without, or an error. */
static int take_authority(struct rn_url *url, rn_bytes *text)
{
    size_t scheme = scheme_len(*text);
    if (text->len == 0) return 0;
    const uint8_t *at = text->ptr, *end = at + text->len;
    if (scheme) {
        url->scheme = rn_bytes_of(at, scheme);
        at += scheme + 1;
    }
    if (end - at < 2 || at[0] != '/' || at[1] != '/') return scheme ? RN_E_UNSUPPORTED : 0;
    at += 2;
    const uint8_t *stop = find(at, end, "#?/"), *host = find(at, stop, "@@@");
    url->userinfo = rn_bytes_of(NULL, 0);
    if (host < stop) {
        url->userinfo = between(at, host++);
        at = host;
    }
    url->authority = between(at, stop);
    *text = between(stop, end);
    return parse_host(url) && is_all(url->userinfo, RN_HTTP1_PATH) ? 1 : RN_E_PROTOCOL;
}

/* What follows the character at `at`, or nothing at the end. */
static rn_bytes after(const uint8_t *at, const uint8_t *end)
{
    return at < end ? between(at + 1, end) : rn_bytes_of(NULL, 0);
}

static void split_target(struct rn_url *url, rn_bytes text)
{
    const uint8_t *at = text.ptr, *all = at + text.len, *end = find(at, all, "###");
    const uint8_t *path = find(at, end, "???");
    url->fragment = after(end, all);
    url->target = between(at, end);
    url->path = between(at, path);
    url->query = after(path, end);
}

int rn_url_parse(struct rn_url *url, rn_bytes text)
{
    *url = (struct rn_url){.port = 0};
    int result = take_authority(url, &text);
    if (result < 0) return result;
    if (result == 0 || url->scheme.len == 0) return RN_E_PROTOCOL;
    split_target(url, text);
    if (!is_all(url->path, RN_HTTP1_PATH) || !is_all(url->query, RN_HTTP1_QUERY) ||
        !is_all(url->fragment, RN_HTTP1_QUERY))
        return RN_E_PROTOCOL;
    return 0;
}

bool rn_url_same_origin(const struct rn_url *a, const struct rn_url *b)
{
    return rn_bytes_equal_nocase(a->scheme, b->scheme) && a->port == b->port &&
           rn_bytes_equal_nocase(a->host, b->host);
}

/* ---- References ------------------------------------------------------------------------------ */

struct writer {
    char *at;
    char *end;
    bool full;
};

static void put(struct writer *writer, uint8_t byte)
{
    if (writer->at == writer->end) writer->full = true;
    else *writer->at++ = (char)byte;
}

static void put_text(struct writer *writer, rn_bytes text, bool lower)
{
    for (size_t i = 0; i < text.len; i++)
        put(writer, lower ? rn_lower(text.ptr[i]) : text.ptr[i]);
}

/* What is not of the class is percent-encoded. */
static void put_encoded(struct writer *writer, rn_bytes text, unsigned class)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        bool plain = rn_http1_class[byte] & class;
        put(writer, plain ? byte : '%');
        if (plain) continue;
        put(writer, (uint8_t)digits[byte >> 4]);
        put(writer, (uint8_t)digits[byte & 15]);
    }
}

/* Up to the path's first slash, which is there even when the path is empty. */
static void put_origin(struct writer *writer, const struct rn_url *url)
{
    size_t len = url->authority.len; /* without a port that is the default one */
    if (url->port == default_port(url->scheme)) len = url->host.len + 2u * url->ip6;
    put_text(writer, url->scheme, true);
    put_text(writer, RN_BYTES("://"), false);
    put_text(writer, url->userinfo, false);
    if (url->userinfo.ptr) put(writer, '@');
    put_text(writer, rn_bytes_of(url->authority.ptr, len), true);
    put(writer, '/');
}

/* Appends a path's segments, but for dots (section 5.2.4); `root` stands behind the first slash. */
static void put_path(struct writer *writer, const char *root, rn_bytes path)
{
    if (path.len == 0) return;
    const uint8_t *at = path.ptr, *end = at + path.len, *stop;
    if (*at == '/') at++;
    for (;; at = stop + 1) {
        stop = find(at, end, "///");
        rn_bytes segment = between(at, stop);
        if (rn_bytes_equal(segment, RN_BYTES(".."))) {
            if (writer->at > root) writer->at--;
            while (writer->at > root && writer->at[-1] != '/') writer->at--;
        } else if (!rn_bytes_equal(segment, RN_BYTES("."))) {
            put_encoded(writer, segment, RN_HTTP1_PATH);
            if (stop < end) put(writer, '/');
        }
        if (stop == end) return;
    }
}

rn_ssize rn_url_resolve(char *to, size_t cap, const struct rn_url *base, rn_bytes reference)
{
    struct rn_url url = {.port = 0};
    struct writer writer = {to, to + cap, false};
    if (base) url = *base;
    for (size_t i = 0; i < reference.len; i++)
        if (reference.ptr[i] < ' ' || reference.ptr[i] == 0x7F) return RN_E_PROTOCOL;
    int absolute = take_authority(&url, &reference);
    if (absolute < 0) return absolute;
    if (url.scheme.len == 0 || (!absolute && !base)) return RN_E_PROTOCOL;
    if (absolute || reference.len) split_target(&url, reference);
    put_origin(&writer, &url);
    const char *root = writer.at;
    if (!absolute && (url.path.len == 0 || url.path.ptr[0] != '/')) {
        rn_bytes kept = base->path; /* all of it, or up to its last slash */
        while (url.path.len && kept.len && kept.ptr[kept.len - 1] != '/') kept.len--;
        put_path(&writer, root, kept);
        if (!url.path.len && !url.query.ptr) url.query = base->query;
    }
    put_path(&writer, root, url.path);
    if (url.query.ptr) put(&writer, '?');
    put_encoded(&writer, url.query, RN_HTTP1_QUERY);
    put(&writer, 0);
    return writer.full ? RN_E_LIMIT : writer.at - to - 1;
}
