/*
 * proto/http_range.c: byte ranges of a representation (RFC 9110, section 14).
 */
#include "proto/http_range.h"

#include "base/text.h"
#include "proto/http_list.h"

enum { UNIT_LEN = sizeof("bytes=") - 1 };

/* One range-spec as [*first, *end): false when it isn't one; empty or behind `size` when
 * unsatisfiable. */
static bool parse_spec(rn_bytes spec, uint64_t size, uint64_t *first, uint64_t *end)
{
    const uint64_t most = (UINT64_MAX - 9) / 10; /* that another digit fits behind */
    uint64_t value = 0;
    bool dash = false, has_first = false, digits = false;
    *first = 0;
    for (size_t i = 0; i < spec.len; i++) {
        uint8_t c = spec.ptr[i];
        if (rn_is_digit(c)) {
            value = value > most ? UINT64_MAX : value * 10 + (c - '0');
            digits = true;
        } else if (c == '-' && !dash) {
            *first = value;
            has_first = digits;
            dash = true;
            digits = false;
            value = 0;
        } else {
            return false;
        }
    }
    *end = size;
    if (!dash || !(has_first || digits)) return false;
    if (!has_first) {
        *first = value < size ? size - value : 0;
    } else if (digits) {
        if (value < *first) return false;
        if (value < size) *end = value + 1;
    }
    return true;
}

/* Appends [first, end), and takes in what it overlaps. */
static int add(struct rn_http_range *ranges, int count, uint64_t first, uint64_t end)
{
    for (int i = 0; i < count;) {
        struct rn_http_range *other = &ranges[i++];
        uint64_t other_end = other->offset + other->length;
        if (other->offset >= end || first >= other_end) continue;
        if (first > other->offset) first = other->offset;
        if (end < other_end) end = other_end;
        *other = ranges[--count];
        i = 0; /* what has grown may reach an earlier one now */
    }
    ranges[count].offset = first;
    ranges[count].length = end - first;
    return count + 1;
}

int rn_http_range_parse(struct rn_http_range ranges[RN_HTTP_RANGES_MAX], rn_bytes value,
                        uint64_t size)
{
    int specs = 0, count = 0;
    rn_bytes spec;
    if (size == 0 || value.len < UNIT_LEN) return RN_HTTP_RANGE_IGNORED;
    if (!rn_bytes_equal_nocase(rn_bytes_of(value.ptr, UNIT_LEN), RN_BYTES("bytes=")))
        return RN_HTTP_RANGE_IGNORED;
    value = rn_bytes_of(value.ptr + UNIT_LEN, value.len - UNIT_LEN);
    while (rn_http_list_next(&value, &spec)) {
        uint64_t first, end;
        if (++specs > RN_HTTP_RANGES_MAX || !parse_spec(spec, size, &first, &end))
            return RN_HTTP_RANGE_IGNORED;
        if (first < end) count = add(ranges, count, first, end);
    }
    return count || !specs ? count : RN_HTTP_RANGE_UNSATISFIABLE;
}

size_t rn_http_content_range(char to[RN_HTTP_CONTENT_RANGE_MAX], const struct rn_http_range *range,
                             uint64_t size)
{
    struct rn_text text = {.ptr = to, .cap = RN_HTTP_CONTENT_RANGE_MAX};
    if (range)
        rn_text_format(&text, "bytes %u-%u/%u", range->offset, range->offset + range->length - 1,
                       size);
    else
        rn_text_format(&text, "bytes */%u", size);
    return text.len;
}

size_t rn_http_multipart_type(char to[RN_HTTP_MULTIPART_TYPE_MAX],
                              const struct rn_http_multipart *multipart)
{
    struct rn_text text = {.ptr = to, .cap = RN_HTTP_MULTIPART_TYPE_MAX};
    rn_text_format(&text, "multipart/byteranges; boundary=%u", multipart->boundary);
    return text.len;
}

size_t rn_http_part_delimiter(char to[RN_HTTP_PART_DELIMITER_MAX],
                              const struct rn_http_multipart *multipart,
                              const struct rn_http_range *range)
{
    struct rn_text text = {.ptr = to, .cap = RN_HTTP_PART_DELIMITER_MAX};
    if (!range) {
        rn_text_format(&text, "\r\n--%u--\r\n", multipart->boundary);
        return text.len;
    }
    rn_text_format(&text, "\r\n--%u\r\nContent-Type: %b\r\nContent-Range: ", multipart->boundary,
                   multipart->type.ptr, multipart->type.len);
    text.len += rn_http_content_range(to + text.len, range, multipart->size);
    rn_text_format(&text, "\r\n\r\n");
    return text.len;
}

uint64_t rn_http_multipart_length(const struct rn_http_multipart *multipart,
                                  const struct rn_http_range *ranges, unsigned count)
{
    char scratch[RN_HTTP_PART_DELIMITER_MAX]; /* writing is the one place that knows the layout */
    uint64_t length = rn_http_part_delimiter(scratch, multipart, NULL);
    for (; count > 0; count--, ranges++)
        length += rn_http_part_delimiter(scratch, multipart, ranges) + ranges->length;
    return length;
}
