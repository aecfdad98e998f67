/*
 * sys/free_mem.c: the functions that the compiler itself calls: memcpy and its family, strlen.
 *
 * Small code that is fast at the sizes of a network program. Up to 32 bytes, a few moves that
 * overlap in the middle; then 16 bytes at a time with the last 16 overlapping; from LARGE on, the
 * string instructions of x86-64, which are fastest there and slow to start.
 * This file is built without link-time optimisation and without knowledge of these functions, or
 * the compiler would turn their loops into calls of themselves.
 */
#include "base/bytes.h"

typedef uint64_t word_vector __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((aligned(1), may_alias));
typedef uint16_t word16 __attribute__((aligned(1), may_alias));

#define AT(type, pointer, offset) (*(type *)((char *)(pointer) + (offset)))
#define FROM(type, pointer, offset) (*(const type *)((const char *)(pointer) + (offset)))

#define LARGE 512

/* Moves len bytes, from size to twice that: both ends are read before anything is written. */
#define MOVE_ENDS(type, to, from, len)                                                             \
    do {                                                                                           \
        type first = FROM(type, from, 0);                                                          \
        type last = FROM(type, from, (len) - sizeof(type));                                        \
        AT(type, to, 0) = first;                                                                   \
        AT(type, to, (len) - sizeof(type)) = last;                                                 \
    } while (0)

static inline void move_small(void *to, const void *from, size_t len)
{
    if (len >= 8)
        MOVE_ENDS(word64, to, from, len);
    else if (len >= 4)
        MOVE_ENDS(word32, to, from, len);
    else if (len >= 2)
        MOVE_ENDS(word16, to, from, len);
    else if (len)
        AT(char, to, 0) = FROM(char, from, 0);
}

void *memmove(void *to, const void *from, size_t len)
{
    if (len < 16) {
        move_small(to, from, len);
        return to;
    }
    if ((uintptr_t)to - (uintptr_t)from >= len) { /* the end of `from` is not below `to` */
#if defined(__x86_64__)
        if (len >= LARGE) {
            void *next = to;
            __asm__ volatile("rep movsb" : "+D"(next), "+S"(from), "+c"(len)::"memory");
            return to;
        }
#endif
        word_vector last = FROM(word_vector, from, len - 16);
        for (size_t i = 0; i < len - 16; i += 16)
            AT(word_vector, to, i) = FROM(word_vector, from, i);
        AT(word_vector, to, len - 16) = last;
    } else {
        word_vector first = FROM(word_vector, from, 0);
        for (size_t i = len - 16; i < len; i -= 16)
            AT(word_vector, to, i) = FROM(word_vector, from, i);
        AT(word_vector, to, 0) = first;
    }
    return to;
}

#define STRING(text) #text
#define ALIAS(name) __attribute__((alias(STRING(name)))) /* the test renames these functions */
void *memcpy(void *restrict to, const void *restrict from, size_t len) ALIAS(memmove);

/* Little is set where time counts, so x86-64 has its string instruction at every size. */
void *memset(void *to, int byte, size_t len)
{
#if defined(__x86_64__)
    void *next = to;
    __asm__ volatile("rep stosb" : "+D"(next), "+c"(len) : "a"(byte) : "memory");
#else
    uint64_t word = (uint8_t)byte * (UINT64_MAX / 255);
    word_vector words = {word, word};
    size_t i = 0;
    for (; i + 16 <= len; i += 16) AT(word_vector, to, i) = words;
    for (; i < len; i++) AT(char, to, i) = (char)byte;
#endif
    return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
    if (len < 8) {
        for (size_t i = 0; i < len; i++) {
            int difference = FROM(uint8_t, a, i) - FROM(uint8_t, b, i);
            if (difference) return difference;
        }
        return 0;
    }
    for (size_t i = 0;; i += 8) {
        if (i > len - 8) i = len - 8; /* what it has in common with the last one is equal */
        uint64_t x = __builtin_bswap64(FROM(word64, a, i));
        uint64_t y = __builtin_bswap64(FROM(word64, b, i));
        if (x != y) return x < y ? -1 : 1;
        if (i == len - 8) return 0;
    }
}

size_t strlen(const char *text)
{
    size_t len = 0;
    while (text[len]) len++;
    return len;
}
