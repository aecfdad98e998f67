/*
 * sys/free_mem.c: the functions that the compiler itself calls: memcpy and its family, strlen.
 *
 * Small code that is fast at the sizes of a network program: below 16 bytes, two moves that overlap
 * in the middle; then 16 bytes at a time with the last 16 overlapping.
 * This file is built without link-time optimisation and without knowledge of these functions, or
 * the compiler would turn their loops into calls of themselves.
 */
#include "base/bytes.h"

typedef uint64_t word_vector __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((aligned(1), may_alias));

#define AT(type, pointer, offset) (*(type *)((char *)(pointer) + (offset)))
#define FROM(type, pointer, offset) (*(const type *)((const char *)(pointer) + (offset)))

/* Moves len bytes, from size to twice that: both ends are read before anything is written. */
#define MOVE_ENDS(type, to, from, len)                                                             \
    do {                                                                                           \
        type first = FROM(type, from, 0);                                                          \
        type last = FROM(type, from, (len) - sizeof(type));                                        \
        AT(type, to, 0) = first;                                                                   \
        AT(type, to, (len) - sizeof(type)) = last;                                                 \
    } while (0)

/* From here on x86-64's string instruction is faster than a loop: it begins slowly, and then moves
 * whole cache lines. */
enum { STRING_MIN = 1024 };

/* Also where the areas overlap, when `to` is the lower one. */
void *memcpy(void *to, const void *from, size_t len)
{
#if defined(__x86_64__)
    if (len >= STRING_MIN) {
        void *next = to;
        __asm__ volatile("rep movsb" : "+D"(next), "+S"(from), "+c"(len) : : "memory");
        return to;
    }
#endif
    if (len >= 16) {
        word_vector last = FROM(word_vector, from, len - 16);
        for (size_t i = 0; i < len - 16; i += 16)
            AT(word_vector, to, i) = FROM(word_vector, from, i);
        AT(word_vector, to, len - 16) = last;
    } else if (len >= 8) {
        MOVE_ENDS(word64, to, from, len);
    } else if (len >= 4) {
        MOVE_ENDS(word32, to, from, len);
    } else {
        for (size_t i = 0; i < len; i++) AT(char, to, i) = FROM(char, from, i);
    }
    return to;
}

/* Little is moved upwards, so that goes a byte at a time. */
void *memmove(void *to, const void *from, size_t len)
{
    if ((uintptr_t)to - (uintptr_t)from >= len) return memcpy(to, from, len);
    while (len--) AT(char, to, len) = FROM(char, from, len);
    return to;
}

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
    for (; len >= 8 && FROM(word64, a, 0) == FROM(word64, b, 0); len -= 8) {
        a = &FROM(char, a, 8);
        b = &FROM(char, b, 8);
    }
    for (size_t i = 0; i < len; i++) {
        int difference = FROM(uint8_t, a, i) - FROM(uint8_t, b, i);
        if (difference) return difference;
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t len = 0;
    while (text[len]) len++;
    return len;
}
