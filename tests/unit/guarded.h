/*
 * guarded.h: several pieces of memory that each end where a page without access begins, so that a
 * byte too many, read or written, is a crash at once; and random numbers that are the same each
 * time.
 */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <runnel/base.h>

enum { GUARDED_MAX = 1 << 20, GUARDED_SLOTS = 4 };

/* The last `len` bytes before the guard page of one of a few slots, filled with 0xA5. */
static inline void *guarded_space(unsigned slot, size_t len)
{
    static uint8_t *slots[GUARDED_SLOTS];
    if (slot >= GUARDED_SLOTS || len > GUARDED_MAX) abort();
    if (!slots[slot]) {
        void *map = mmap(NULL, GUARDED_MAX + 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED || mprotect((uint8_t *)map + GUARDED_MAX, 4096, PROT_NONE)) abort();
        slots[slot] = map;
    }
    return memset(slots[slot] + GUARDED_MAX - len, 0xA5, len);
}

static inline rn_bytes guarded_copy(unsigned slot, const void *from, size_t len)
{
    void *to = guarded_space(slot, len);
    if (len) memcpy(to, from, len);
    return rn_bytes_of(to, len);
}

/* In the first slot, to be changed there. */
static inline uint8_t *guarded_input(const void *from, size_t len)
{
    return (uint8_t *)guarded_copy(0, from, len).ptr;
}

static inline rn_bytes guarded_text(unsigned slot, const char *text)
{
    return guarded_copy(slot, text, strlen(text));
}

/* The same numbers each time (xorshift64*). */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

#endif
