/*
 * base/bytes.c: the few loops over bytes that more than one layer needs.
 */
#include "base/bytes.h"

rn_bytes rn_bytes_text(const char *text)
{
    return rn_bytes_of(text, strlen(text));
}

bool rn_bytes_equal(rn_bytes a, rn_bytes b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool rn_bytes_equal_nocase(rn_bytes a, rn_bytes b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (rn_lower(a.ptr[i]) != rn_lower(b.ptr[i])) return false;
    return true;
}

size_t rn_bytes_find(rn_bytes in, uint8_t byte)
{
    size_t i = 0;
    while (i < in.len && in.ptr[i] != byte) i++;
    return i;
}

bool rn_parse_u64(rn_bytes text, uint64_t *value)
{
    uint64_t sum = 0;
    if (text.len == 0) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!rn_is_digit(text.ptr[i])) return false;
        if (__builtin_mul_overflow(sum, 10u, &sum)) return false;
        if (__builtin_add_overflow(sum, (uint64_t)(text.ptr[i] - '0'), &sum)) return false;
    }
    *value = sum;
    return true;
}

size_t rn_format_u64(char *to, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < count; i++) to[i] = digits[count - 1 - i];
    return count;
}
