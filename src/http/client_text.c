/*
 * http/client_text.c: values of fields for ranges and conditions (RFC 9110, sections 5.6.7 and 14).
 */
#include <runnel/http_client.h>

#include "base/text.h"
#include "proto/http_date.h"

_Static_assert((int)RN_HTTP_DATE_TEXT == (int)RN_HTTP_DATE_LEN, "one length");

size_t rn_http_range_text(char to[RN_HTTP_RANGE_TEXT_MAX], uint64_t first, uint64_t last)
{
    struct rn_text text = {to, 0, RN_HTTP_RANGE_TEXT_MAX};
    rn_text_format(&text, last == UINT64_MAX ? "bytes=%u-" : "bytes=%u-%u", first, last);
    return text.len;
}

/* Takes a number off the front, and the character behind it. */
static bool take_number(rn_bytes *text, uint8_t behind, uint64_t *value)
{
    size_t len = rn_bytes_find(*text, behind);
    if (len == text->len || !rn_parse_u64(rn_bytes_of(text->ptr, len), value)) return false;
    *text = rn_bytes_of(text->ptr + len + 1, text->len - len - 1);
    return true;
}

int rn_http_part_parse(struct rn_http_part *part, rn_bytes value)
{
    static const rn_bytes unit = {(const uint8_t *)"bytes ", 6};
    bool satisfied = true;
    *part = (struct rn_http_part){UINT64_MAX, UINT64_MAX, UINT64_MAX};
    if (value.len < unit.len || !rn_bytes_equal_nocase(rn_bytes_of(value.ptr, unit.len), unit))
        return RN_E_PROTOCOL;
    value = rn_bytes_of(value.ptr + unit.len, value.len - unit.len);
    if (value.len > 1 && value.ptr[0] == '*' && value.ptr[1] == '/') {
        satisfied = false;
        value = rn_bytes_of(value.ptr + 2, value.len - 2);
    } else if (!take_number(&value, '-', &part->first) || !take_number(&value, '/', &part->last) ||
               part->first > part->last) {
        return RN_E_PROTOCOL;
    }
    if (satisfied && rn_bytes_equal(value, RN_BYTES("*"))) return 0;
    if (!rn_parse_u64(value, &part->complete) || part->complete == UINT64_MAX) return RN_E_PROTOCOL;
    return satisfied && part->last >= part->complete ? RN_E_PROTOCOL : 0;
}

void rn_http_date_text(char to[RN_HTTP_DATE_TEXT], int64_t seconds)
{
    rn_http_date_format(to, seconds);
}

bool rn_http_date_read(rn_bytes text, int64_t now, int64_t *seconds)
{
    return rn_http_date_parse(text, now, seconds);
}
