/*
 * base/bytes.h: bytes in memory: the compiler's own mem* (no libc header), slices, unaligned loads.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <runnel/base.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);

rn_bytes rn_bytes_text(const char *text);
bool rn_bytes_equal(rn_bytes a, rn_bytes b);

static inline uint8_t rn_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static inline bool rn_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* ASCII letters compare without case, as HTTP field names and many of their values do. */
bool rn_bytes_equal_nocase(rn_bytes a, rn_bytes b);

/* The index of the first such byte, or len. */
size_t rn_bytes_find(rn_bytes in, uint8_t byte);

/* Decimal digits only, the whole slice, no sign: false when empty, anything else, or over
 * UINT64_MAX. */
RN_MUST_USE bool rn_parse_u64(rn_bytes text, uint64_t *value);

/* Writes decimal digits without a terminator (at most 20) and returns how many. */
size_t rn_format_u64(char *to, uint64_t value);

static inline uint64_t rn_load64(const void *from)
{
    uint64_t value;
    __builtin_memcpy(&value, from, 8);
    return value;
}

static inline uint32_t rn_load32(const void *from)
{
    uint32_t value;
    __builtin_memcpy(&value, from, 4);
    return value;
}

#endif
