/*
 * proto/http_list.c: comma-separated field values (RFC 9110, section 5.6.1).
 */
#include "proto/http_list.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

bool rn_http_list_next(rn_bytes *list, rn_bytes *element)
{
    const uint8_t *text = list->ptr;
    size_t start = 0, end, len = list->len;
    bool quoted = false;
    while (start < len && (is_blank(text[start]) || text[start] == ',')) start++;
    if (start == len) return false;
    for (end = start; end < len && (quoted || text[end] != ','); end++) quoted ^= text[end] == '"';
    *list = rn_bytes_of(text + end, len - end);
    while (is_blank(text[end - 1])) end--;
    *element = rn_bytes_of(text + start, end - start);
    return true;
}
