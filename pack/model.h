/*
 * pack/model.h: the packed form of a program: LZ77 over an adaptive binary range coder, as LZMA
 * does it, cut down to what pays for fifty kilobytes of machine code. Here is all that both sides
 * must agree on, and the decoder.
 *
 * Each step is a literal, or a match: a length and a distance back, or the last distance again.
 */
#ifndef PACK_MODEL_H
#define PACK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What segments are aligned to: the largest page a kernel for this machine has. */
#ifdef PACK_AARCH64
enum { PAGE = 65536 };
#else
enum { PAGE = 4096 };
#endif

enum {
    PROBABILITY_BITS = 12,
    ADAPT_SHIFT = 5,
    ADAPT_FAST_SHIFT = 3, /* of what has a context of 256 and is rarely met */
    LENGTH_MIN = 2,
    LENGTH_SHORT = 15, /* longer ones take a second tree */
    LENGTH_MAX = LENGTH_MIN + LENGTH_SHORT + 255,
    STATES = 3, /* literals since the last match, at most 2 */
    STATE_FIRST = 1, /* there was no match */
    DISTANCE_CLASSES = 4,
    DISTANCE_BITS = 5, /* of the tree that gives the number of bits */

    /* where each group of probabilities begins */
    AT_MATCH = 0,
    AT_AGAIN = AT_MATCH + STATES,
    AT_LENGTH = AT_AGAIN + STATES, /* two sets: fresh, again */
    AT_LONG = AT_LENGTH + 2 * 16,
    AT_DISTANCE = AT_LONG + 256,
    AT_LOW = AT_DISTANCE + DISTANCE_CLASSES *
                               (1 << DISTANCE_BITS), /* by number of bits, then a tree of up to 3 */
    AT_REST = AT_LOW + 32 * 8,                       /* by position */
    AT_LITERAL = AT_REST + 32,
    AT_MATCHED =
        AT_LITERAL + 256, /* a literal behind a match: the byte the match would go on with helps */
    /* the same again by the byte before */
    AT_MATCH_BEHIND = AT_MATCHED + 512,
    AT_LITERAL_BEHIND = AT_MATCH_BEHIND + STATES * 256,
    PROBABILITIES = AT_LITERAL_BEHIND + 256 * 256,
};

/* The decoder's state: the unpacker keeps it in registers. */
#ifndef PACK_REGISTER
#define PACK_REGISTER(type, name, number) static type name
#endif
PACK_REGISTER(const uint8_t *, decoder_in, 12);
PACK_REGISTER(uint32_t, decoder_range, 13);
PACK_REGISTER(uint32_t, decoder_code, 14);
#ifndef PACK_PROBABILITIES
static uint16_t decoder_probabilities[PROBABILITIES];
#define PACK_PROBABILITIES decoder_probabilities
#endif

/* Without branches: which way a bit goes is what no processor can guess. */
static void adapt(uint16_t *p, unsigned bit, unsigned shift)
{
    int32_t toward = bit ? (1 << shift) - 1 : 1 << PROBABILITY_BITS;
    *p = (uint16_t)(*p + ((toward - *p) >> shift));
}

/* Zeroed memory: nothing is known of a context yet, or no more than without the byte before. */
static void begin_context(uint16_t *p, uint16_t *behind)
{
    if (!*p) *p = 1 << (PROBABILITY_BITS - 1);
    if (!*behind) *behind = *p;
}

/* A bit that two contexts know something of: the one with the byte before counts threefold. */
static unsigned decode_mixed(unsigned at, unsigned behind)
{
    uint16_t *p = &PACK_PROBABILITIES[at], *q = &PACK_PROBABILITIES[behind];
    begin_context(p, q);
    uint32_t bound = (decoder_range >> (PROBABILITY_BITS + 2)) * (*p + 3u * *q);
    unsigned bit = decoder_code >= bound;
    decoder_code -= bound & -bit;
    decoder_range = bit ? decoder_range - bound : bound;
    adapt(p, bit, ADAPT_SHIFT);
    adapt(q, bit, at == behind ? PROBABILITY_BITS : ADAPT_FAST_SHIFT);
    while (decoder_range < 1u << 24) {
        decoder_range <<= 8;
        decoder_code = decoder_code << 8 | *decoder_in++;
    }
    return bit;
}

static unsigned decode_bit(unsigned at) { return decode_mixed(at, at); }

static unsigned decode_tree(unsigned at, unsigned bits)
{
    unsigned node = 1, end = 1u << bits;
    while (node < end) node = node << 1 | decode_bit(at + node);
    return node - end;
}

static unsigned decode_distance(unsigned length)
{
    unsigned class = length - LENGTH_MIN < DISTANCE_CLASSES - 1 ? length - LENGTH_MIN
                                                                : DISTANCE_CLASSES - 1;
    unsigned bits = decode_tree(AT_DISTANCE + (class << DISTANCE_BITS), DISTANCE_BITS);
    unsigned value = 1;
    for (unsigned i = bits; i--;)
        value = value << 1 | decode_bit(value < 8 ? AT_LOW + bits * 8 + value : AT_REST + i);
    return value;
}

/* Decodes the bytes from `to` to `end`. PACK_PROBABILITIES is zeroed. */
static void decode(uint8_t *to, uint8_t *end, const uint8_t *in)
{
    unsigned state = STATE_FIRST, before = 0;
    size_t distance = 0;
    decoder_in = in;
    decoder_code = 0;
    for (unsigned i = 0; i < 4; i++) decoder_code = decoder_code << 8 | *decoder_in++;
    decoder_range = UINT32_MAX;
    while (to < end) {
        if (decode_mixed(AT_MATCH + state, AT_MATCH_BEHIND + state * 256 + before)) {
            unsigned again = decode_bit(AT_AGAIN + state);
            unsigned run = decode_tree(AT_LENGTH + 16 * again, 4);
            if (run == LENGTH_SHORT) run += decode_tree(AT_LONG, 8);
            run += LENGTH_MIN;
            if (!again) distance = decode_distance(run);
            do *to = (uint8_t)(before = *(to - distance)), to++;
            while (--run);
            state = 0;
            continue;
        }
        unsigned node = 1, matched = state == 0, expected = matched ? *(to - distance) : 0;
        while (node < 256) {
            unsigned hint = expected >> 7 & 1;
            expected <<= 1;
            unsigned bit = decode_mixed((matched ? AT_MATCHED + (hint << 8) : AT_LITERAL) + node,
                                        AT_LITERAL_BEHIND + before * 256 + node);
            matched &= hint == bit;
            node = node << 1 | bit;
        }
        *to++ = (uint8_t)node;
        before = (uint8_t)node;
        if (state < STATES - 1) state++;
    }
}

/* Calls name their target relative to themselves; made absolute, calls of one function look
 * alike. `back` undoes it. */
#ifdef PACK_AARCH64
static void filter_branches(uint8_t *code, size_t length, int back)
{
    for (size_t at = 0; at + 4 <= length; at += 4) {
        uint32_t word;
        __builtin_memcpy(&word, code + at, 4);
        if (word >> 26 != 0x25) continue; /* BL */
        uint32_t target = back ? word - (uint32_t)(at / 4) : word + (uint32_t)(at / 4);
        word = 0x25u << 26 | (target & 0x3ffffff);
        __builtin_memcpy(code + at, &word, 4);
    }
}
#else
static void filter_branches(uint8_t *code, size_t length, int back)
{
    int32_t size = (int32_t)length, free = 0;
    for (int32_t at = 1; at + 4 <= size; at++) {
        bool plain = (code[at - 1] & 0xfe) == 0xe8; /* CALL, JMP */
        bool on_condition = at - 2 >= free && code[at - 2] == 0x0f && (code[at - 1] & 0xf0) == 0x80;
        if (!plain && !on_condition) continue;
        int32_t value;
        __builtin_memcpy(&value, code + at, 4);
        if (back) value = (int32_t)__builtin_bswap32((uint32_t)value);
        int32_t changed = value;
        if (value >= -at && value < size) {
            if (back) changed = value >= 0 ? value - at : value + size;
            else changed = value < size - at ? value + at : value - size;
        }
        if (!back) changed = (int32_t)__builtin_bswap32((uint32_t)changed);
        __builtin_memcpy(code + at, &changed, 4);
        at += 4;
        free = at;
    }
}
#endif

#endif
