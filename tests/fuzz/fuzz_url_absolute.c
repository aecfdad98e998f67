/*
 * Absolute URLs and references: what was parsed can be put together again from its parts; what was
 * resolved can be parsed, is normal, and holds nothing that could leave its line.
 */
#include "fuzz.h"

#include <runnel/url.h>

enum { TEXT, BASE, OUTPUT, AGAIN };

static void check_inside(rn_bytes part, rn_bytes text)
{
    if (!part.ptr) return;
    require(part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
}

static void check_parts(const struct rn_url *url, rn_bytes text)
{
    const rn_bytes parts[] = {url->scheme, url->userinfo, url->authority, url->host,
                              url->path,   url->query,    url->target,    url->fragment};
    for (size_t i = 0; i < RN_COUNT(parts); i++) check_inside(parts[i], text);
    size_t len = url->scheme.len + 3 + url->authority.len + url->target.len;
    if (url->userinfo.ptr) len += url->userinfo.len + 1;
    if (url->fragment.ptr) len += url->fragment.len + 1;
    require(len == text.len && url->host.len > 0);
    require(url->target.len == url->path.len + (url->query.ptr ? url->query.len + 1 : 0));
    require(url->path.len == 0 || url->path.ptr[0] == '/');
    for (size_t i = 0; i < text.len; i++) require(text.ptr[i] > ' ' && text.ptr[i] < 0x7F);
    require(rn_url_same_origin(url, url));
}

static void check_resolved(const char *text, size_t len)
{
    struct rn_url url;
    require(strlen(text) == len);
    rn_bytes copy = guarded_copy(TEXT, text, len);
    require(rn_url_parse(&url, copy) == 0);
    check_parts(&url, copy);
    require(!url.fragment.ptr && url.path.len > 0);
    rn_bytes path = url.path;
    for (size_t at = 0; at < path.len;) {
        size_t end = ++at;
        while (end < path.len && path.ptr[end] != '/') end++;
        const char *segment = (const char *)path.ptr + at;
        require(!(end - at == 1 && segment[0] == '.'));
        require(!(end - at == 2 && segment[0] == '.' && segment[1] == '.'));
        at = end;
    }
    /* What is normal stays as it is. */
    char *again = guarded_space(AGAIN, len + 1);
    require(rn_url_resolve(again, len + 1, NULL, copy) == (rn_ssize)len && !strcmp(again, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const bases[] = {"http://a/b/c/d;p?q", "https://u:p@h:81", "ws://[::1]/x/"};
    rn_bytes input = rn_bytes_of(data, size);
    unsigned choice = take_byte(&input);
    rn_bytes text = guarded_copy(TEXT, input.ptr, input.len);
    struct rn_url url, base;
    int result = rn_url_parse(&url, text);
    if (result == 0) check_parts(&url, text);
    else require(result == RN_E_PROTOCOL || result == RN_E_UNSUPPORTED);

    size_t cap = choice & 4 ? choice : 3 * text.len + 64;
    rn_bytes base_text = guarded_text(BASE, bases[choice % RN_COUNT(bases)]);
    require(rn_url_parse(&base, base_text) == 0);
    char *to = guarded_space(OUTPUT, cap);
    rn_ssize len = rn_url_resolve(to, cap, choice & 8 ? NULL : &base, text);
    if (len >= 0) check_resolved(to, (size_t)len);
    else require(len == RN_E_PROTOCOL || len == RN_E_UNSUPPORTED || len == RN_E_LIMIT);
    require(len != RN_E_LIMIT || choice & 4);

    rn_ssize decoded = rn_url_decode(to, cap, guarded_copy(TEXT, input.ptr, input.len));
    if (decoded >= 0) require((size_t)decoded < cap && strlen(to) == (size_t)decoded);
    return 0;
}
