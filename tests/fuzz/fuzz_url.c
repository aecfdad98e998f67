/*
 * Request paths and queries: whatever comes, a decoded path stays below the root and survives being
 * written into a link.
 */
#include "fuzz.h"

#include <runnel/url.h>

static void check_path(const char *path, size_t len)
{
    require(strlen(path) == len && path[0] != '/');
    require(rn_url_is_directory(path, len) == (len == 0 || path[len - 1] == '/'));
    for (size_t start = 0; start < len;) {
        const char *segment = path + start;
        size_t end = strcspn(segment, "/");
        require(end > 0);
        if (*segment == '.')
            require(start == 0 && end == 11 && !memcmp(segment, ".well-known", 11));
        start += end + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    size_t cap = data[0] & 1 ? size + 1 : data[0];
    rn_bytes in = rn_bytes_of(data + 1, size - 1);
    char *path = malloc(cap + 1), *link = malloc(3 * size + 1), *back = malloc(3 * size + 1);
    require(path && link && back);

    rn_ssize len = rn_url_decode_path(path, cap, in);
    if (len >= 0) {
        require((size_t)len < cap);
        check_path(path, (size_t)len);
        link[0] = '/';
        rn_ssize encoded = rn_url_encode_path(link + 1, 3 * size, rn_bytes_of(path, (size_t)len));
        require(encoded >= len && encoded <= 3 * len);
        rn_bytes whole = rn_bytes_of(link, (size_t)encoded + 1);
        require(rn_url_decode_path(back, 3 * size + 1, whole) == len);
        require(!strcmp(path, back));
    } else {
        require(len == RN_E_PROTOCOL || len == RN_E_UNSUPPORTED || len == RN_E_LIMIT);
    }

    rn_bytes query = in, key, value;
    size_t seen = 0;
    while (rn_url_next_parameter(&query, &key, &value)) {
        seen += key.len + value.len;
        rn_ssize decoded = rn_url_decode_parameter(back, value.len + 1, value);
        require(decoded == RN_E_PROTOCOL || (decoded >= 0 && (size_t)decoded <= value.len));
    }
    require(seen <= in.len);

    char *html = malloc(6 * size + 1);
    require(html);
    rn_ssize escaped = rn_url_escape_html(html, 6 * in.len, in);
    require(escaped >= (rn_ssize)in.len);
    for (rn_ssize i = 0; i < escaped; i++) require(!memchr("<>\"'", html[i], 4));
    free(path);
    free(link);
    free(back);
    free(html);
    return 0;
}
