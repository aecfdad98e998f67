/*
 * Input that ends at a page nobody may read: one byte too far is a crash at once, with or without
 * a sanitizer.
 */
#ifndef TESTS_GUARD_PAGE_H
#define TESTS_GUARD_PAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARD_ROOM = 1 << 20 };

/* Room for `len` bytes right before the page; each call gives the same memory again. */
static inline uint8_t *guard_room(size_t len)
{
    static uint8_t *end;
    if (end == NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *start = mmap(NULL, GUARD_ROOM + page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED || mprotect(start + GUARD_ROOM, page, PROT_NONE) != 0) abort();
        end = start + GUARD_ROOM;
    }
    if (len > GUARD_ROOM) abort();
    return end - len;
}

static inline uint8_t *guard_copy(const void *from, size_t len)
{
    uint8_t *to = guard_room(len);
    if (len > 0) memmove(to, from, len);
    return to;
}

#endif
