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
    ADAPT_FAST_SHIFT = 2, /* of what has a context of 256 and is rarely met */
    LENGTH_MIN = 2,
    LENGTH_SHORT = 15, /* longer ones take a second tree */
    LENGTH_MAX = LENGTH_MIN + LENGTH_SHORT + 255,
    STATES = 3, /* literals since the last match, at most 2 */
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

/* What stands before the coded bytes: where the program goes. */
struct packed_segment {
    uint32_t address;
    uint32_t size;       /* in memory */
    uint32_t protection; /* PROT_… */
};

struct packed_head {
    uint32_t address; /* of the image: all segments */
    uint32_t size;    /* in memory, page-rounded */
    uint32_t length;  /* of the bytes that are coded */
    uint32_t entry;
    uint32_t code_at; /* offset and length of what the branch filter went over */
    uint32_t code_length;
    struct packed_segment segments[3]; /* up to the first with size 0 */
};

struct decoder {
    const uint8_t *in;
    uint32_t range;
    uint32_t code;
    uint16_t *probabilities;
};

/* Without branches, here and below: which way a bit goes is what no processor can guess. */
static void adapt(uint16_t *p, unsigned bit, unsigned shift)
{
    int32_t toward = bit ? (1 << shift) - 1 : 1 << PROBABILITY_BITS;
    *p = (uint16_t)(*p + ((toward - *p) >> shift));
}

/* A bit that two contexts know something of: what is expected is the mean of both. */
static unsigned decode_mixed(struct decoder *decoder, unsigned at, unsigned behind)
{
    uint16_t *p = &decoder->probabilities[at], *q = &decoder->probabilities[behind];
    if (!*q) *q = *p; /* nothing is known behind this byte yet */
    uint32_t bound = (decoder->range >> (PROBABILITY_BITS + 1)) * (uint32_t)(*p + *q);
    unsigned bit = decoder->code >= bound;
    uint32_t code = decoder->code - (bound & -bit);
    uint32_t range = bound ^ ((bound ^ (decoder->range - bound)) & -bit);
    adapt(p, bit, ADAPT_SHIFT);
    adapt(q, bit, at == behind ? PROBABILITY_BITS : ADAPT_FAST_SHIFT);
    unsigned taken = (unsigned)__builtin_clz(range) & ~7u; /* so that 24 bits are in use again */
    uint32_t next;
    __builtin_memcpy(&next, decoder->in, sizeof next);
    decoder->in += taken / 8;
    decoder->code =
        (uint32_t)(((uint64_t)code << 32 | __builtin_bswap32(next)) >> (32 - taken));
    decoder->range = range << taken;
    return bit;
}

static unsigned decode_bit(struct decoder *decoder, unsigned at)
{
    return decode_mixed(decoder, at, at);
}

static unsigned decode_tree(struct decoder *decoder, unsigned at, unsigned bits)
{
    unsigned node = 1, end = 1u << bits;
    while (node < end) node = node << 1 | decode_bit(decoder, at + node);
    return node - end;
}

static unsigned decode_distance(struct decoder *decoder, unsigned length)
{
    unsigned class = length - LENGTH_MIN < DISTANCE_CLASSES - 1 ? length - LENGTH_MIN
                                                                : DISTANCE_CLASSES - 1;
    unsigned bits = decode_tree(decoder, AT_DISTANCE + (class << DISTANCE_BITS), DISTANCE_BITS);
    unsigned value = 1, node = 1;
    for (unsigned i = bits; i--;) {
        unsigned bit = node < 8 ? decode_bit(decoder, AT_LOW + bits * 8 + node)
                                : decode_bit(decoder, AT_REST + i);
        node = node << 1 | bit;
        value = value << 1 | bit;
    }
    return value;
}

/* Decodes `length` bytes to `to`, with zeroed memory for PROBABILITIES numbers. */
static void decode(uint8_t *to, size_t length, const uint8_t *in, uint16_t *probabilities)
{
    struct decoder decoder = {in + 4, UINT32_MAX, 0, probabilities};
    unsigned state = 0;
    size_t distance = 1;
    for (unsigned i = 0; i < AT_MATCH_BEHIND; i++) probabilities[i] = 1 << (PROBABILITY_BITS - 1);
    for (unsigned i = 0; i < 4; i++) decoder.code = decoder.code << 8 | in[i];
    for (size_t at = 0; at < length;) {
        unsigned before = at ? to[at - 1] : 0;
        if (decode_mixed(&decoder, AT_MATCH + state, AT_MATCH_BEHIND + state * 256 + before)) {
            unsigned again = decode_bit(&decoder, AT_AGAIN + state);
            unsigned run = decode_tree(&decoder, AT_LENGTH + 16 * again, 4);
            if (run == LENGTH_SHORT) run += decode_tree(&decoder, AT_LONG, 8);
            run += LENGTH_MIN;
            if (!again) distance = decode_distance(&decoder, run);
            for (; run; run--, at++) to[at] = to[at - distance];
            state = 0;
            continue;
        }
        unsigned node = 1, expected = 0, matched = state == 0 && at >= distance;
        if (matched) expected = to[at - distance];
        while (node < 256) {
            unsigned hint = expected >> 7 & 1;
            expected <<= 1;
            unsigned bit =
                decode_mixed(&decoder, (matched ? AT_MATCHED + (hint << 8) : AT_LITERAL) + node,
                             AT_LITERAL_BEHIND + before * 256 + node);
            if (hint != bit) matched = 0;
            node = node << 1 | bit;
        }
        to[at++] = (uint8_t)node;
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
