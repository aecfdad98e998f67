/*
 * What the fuzz programs share: a check that ends the program, input that ends at a page nobody
 * may read (guarded.h), and settings taken off the front of an input.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(condition) require_that(condition, #condition, __FILE__, __LINE__)

static inline void require_that(bool condition, const char *text, const char *file, int line)
{
    if (condition) return;
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
    abort();
}

/* One byte off the front of an input; 0 when none is left. */
static inline uint8_t take_byte(rn_bytes *input)
{
    if (!input->len) return 0;
    input->len--;
    return *input->ptr++;
}

static inline rn_bytes take_bytes(rn_bytes *input, size_t len)
{
    rn_bytes piece = {input->ptr, len < input->len ? len : input->len};
    input->ptr += piece.len;
    input->len -= piece.len;
    return piece;
}

/* The length of the next piece when `left` bytes are cut up; the same cuts for the same seed.
 * max 0: all in one. */
static inline size_t next_piece(uint32_t *seed, size_t left, unsigned max)
{
    *seed = *seed * 1664525 + 1013904223;
    size_t piece = max ? 1 + (*seed >> 16) % max : left;
    return piece < left ? piece : left;
}

#endif
