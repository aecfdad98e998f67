/*
 * pack/model.h: the packed form of a program: a prediction of each bit, and an arithmetic coder
 * that spends the less on it the better the prediction was. Both sides run the same model; here it
 * is, with the decoder.
 *
 * A byte begins with a question: is it the one that followed the last time the three bytes before
 * it were met? If it isn't, or there was no such time, its eight bits follow. What four contexts
 * know of a bit is added up in the logistic domain, and all learn from the error of the sum
 * (logistic regression; Mahoney's PAQ programs mix predictions in this domain). The contexts are
 * made of the bytes before and, what tells most, of where in its instruction a byte stands.
 */
#ifndef PACK_MODEL_H
#define PACK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What doesn't run for each byte is to be small rather than fast. */
#define ONCE __attribute__((noinline, cold))

/* What segments are aligned to: the largest page a kernel for this machine has. */
#ifdef PACK_AARCH64
enum { PAGE = 65536 };
#else
enum { PAGE = 4096 };
#endif

enum {
    /* A slot: the logarithm of the odds, in 16 bits of which 12 are behind the point. */
    SUM_SHIFT = 7,
    SUMS = 4 * 65536 >> SUM_SHIFT, /* of four slots */
    SUM_LIMIT = 8 << 12 >> SUM_SHIFT, /* beyond it a probability stays what it is */
    LEARN_SHIFT = 6, /* from an error: a quarter of it */
    SLOT_BITS = 18,  /* contexts overlap as chance has it */
    NOVICE = 3072,   /* up to here it learns twice as fast */
    RECENT_BITS = 14,
    RELATIVE_MAX = 1 << 14,
};

/* Where a byte stands: in an instruction, or in data. */
enum { AT_OPCODE, AFTER_PREFIX, AFTER_ESCAPE, AT_MODRM, AT_SIB, AT_OPERAND, AT_DATA = 15 };

/* All zero at first. */
struct model {
    uint8_t classes[256];              /* of opcodes */
    uint16_t squashed[SUMS];           /* the probability of 16 bits that a sum stands for */
    uint32_t recent[1 << RECENT_BITS]; /* what followed the same three bytes the last time */
    int16_t slots[(1 << SLOT_BITS) + 256];
    uint32_t relative_count;
    uint32_t relative[RELATIVE_MAX]; /* where operands are that are relative to where they stand */
};

/* What the shape of an instruction says of the byte to come. */
struct place {
    unsigned phase, opcode;
    unsigned immediate; /* bytes of it behind the ModRM byte */
    unsigned narrow;    /* operands have 16 bits */
};

#ifdef PACK_AARCH64
static void make_classes(struct model *model) {}

/* Words stand with their highest byte first. */
static inline bool follow(struct model *model, struct place *place, unsigned byte)
{
    if (place->phase == 0) place->opcode = byte;
    place->phase = (place->phase + 1) & 3;
    return false;
}
#else
/* The class of an opcode: how many bytes of an immediate it has, and these. */
enum { MODRM = 8, PREFIX = 16 };

/* Intel SDM, volume 2, table A-2. It needn't be exact: what is wrong only costs some bytes. */
static inline void make_classes(struct model *model)
{
#define RUN(class, times) (class) | ((times)-1) << 5
    static const uint8_t runs[] __attribute__((aligned(1))) = {
        RUN(MODRM, 4), RUN(1, 1), RUN(4, 1), RUN(0, 2), /* 00, the same eight times */
        RUN(PREFIX, 8), RUN(PREFIX, 8), RUN(0, 8), RUN(0, 8), /* 40 */
        RUN(0, 3), RUN(MODRM, 1), RUN(PREFIX, 4), RUN(4, 1), RUN(MODRM + 4, 1), /* 60 */
        RUN(1, 1), RUN(MODRM + 1, 1), RUN(0, 4), /* 6a */
        RUN(1, 8), RUN(1, 8), /* 70 */
        RUN(MODRM + 1, 1), RUN(MODRM + 4, 1), RUN(MODRM + 1, 2), RUN(MODRM, 8), /* 80 */
        RUN(MODRM, 4), RUN(0, 8), RUN(0, 8), /* 8c */
        RUN(0, 8), RUN(1, 1), RUN(4, 1), RUN(0, 6), RUN(1, 8), RUN(4, 8), /* a0 */
        RUN(MODRM + 1, 2), RUN(0, 4), RUN(MODRM + 1, 1), RUN(MODRM + 4, 1), RUN(0, 8), /* c0 */
        RUN(MODRM, 4), RUN(0, 8), RUN(0, 8), RUN(0, 4), /* d0 */
        RUN(4, 2), RUN(0, 1), RUN(1, 1), RUN(0, 4), /* e8 */
        RUN(PREFIX, 4), RUN(0, 2), RUN(MODRM, 2), RUN(0, 6), RUN(MODRM, 2), /* f0 */
    };
#undef RUN
    const uint8_t *run = runs;
    for (unsigned i = 0; i < 256; run++) {
        if (i < 0x40 && i % 8 == 0) run = runs;
        for (unsigned times = *run >> 5; times-- != UINT32_MAX;) model->classes[i++] = *run & 31;
    }
}

/* Of the bytes behind the ModRM byte: displacement and immediate. */
static inline unsigned operand_length(struct place *place, unsigned modrm)
{
    unsigned mode = modrm >> 6;
    if ((place->opcode | 1) == 0xf7 && !(modrm & 0x30)) /* TEST, alone in its group */
        place->immediate = place->opcode == 0xf6 ? 1 : 4;
    unsigned length = place->immediate;
    if (mode == 1) length++;
    if (mode == 2 || (modrm & 0xc7) == 5) length += 4;
    if ((mode == 1 || mode == 2) && (modrm & 7) == 4) length++; /* SIB */
    return length;
}

/* True when what follows is four bytes that are relative to where they stand. */
static inline bool follow(struct model *model, struct place *place, unsigned byte)
{
    unsigned left;
    bool relative = false;
    if (place->phase >= AT_OPERAND) {
        left = place->phase - AT_OPERAND;
    } else if (place->phase == AT_SIB) {
        left = place->immediate + ((byte & 7) == 5 ? 4 : 0);
    } else if (place->phase == AT_MODRM) {
        left = operand_length(place, byte);
        relative = (byte & 0xc7) == 5;
        if ((byte & 0xc7) == 4) { /* without a displacement, unless the SIB byte says so */
            place->phase = AT_SIB;
            return false;
        }
    } else {
        unsigned class = model->classes[byte], escaped = place->phase == AFTER_ESCAPE;
        if (place->phase == AT_OPCODE) place->narrow = 0;
        place->opcode = byte;
        if (escaped) {
            place->opcode = byte ^ 0x55;
            class = (byte & 0xf0) == 0x80 ? 4 : byte == 0x05 ? 0 : MODRM; /* 05: SYSCALL */
        } else if (byte == 0x0f) {
            place->phase = AFTER_ESCAPE;
            return false;
        }
        if (class == PREFIX) {
            place->narrow |= byte == 0x66;
            place->phase = AFTER_PREFIX;
            return false;
        }
        left = class & 7;
        if (place->narrow && left == 4) left = 2;
        place->immediate = left;
        if (class & MODRM) {
            place->phase = AT_MODRM;
            return false;
        }
        relative = left == 4 && (escaped || (byte & 0xfe) == 0xe8); /* jumps and calls */
    }
    place->phase = left ? AT_OPERAND - 1 + left : AT_OPCODE;
    return relative;
}
#endif

/* A probability for each sum: p' = p (1 - p), from the middle outwards. */
ONCE static void begin_model(struct model *model)
{
    uint32_t p = 1u << 31;
    for (int i = 0; i < SUMS / 2; i++) {
        model->squashed[SUMS / 2 + i] = (uint16_t)(p >> 16);
        model->squashed[SUMS / 2 - i] = (uint16_t)(-p >> 16);
        if (i < SUM_LIMIT) p += (uint32_t)((uint64_t)p * -p >> (32 + 12 - SUM_SHIFT));
    }
    make_classes(model);
}

/* ---- The decoder ----------------------------------------------------------------------------- */

struct decoder {
    const uint8_t *in;
    uint64_t range, code;
};

static inline uint64_t decode_word(struct decoder *decoder)
{
    uint32_t word;
    __builtin_memcpy(&word, decoder->in, sizeof word);
    decoder->in += sizeof word;
    return word;
}

static inline void begin_decoder(struct decoder *decoder, const uint8_t *in)
{
    decoder->in = in;
    decoder->range = UINT64_MAX;
    decoder->code = decode_word(decoder) << 32;
    decoder->code |= decode_word(decoder);
}

/* `p` of 65536 is the probability of a 1; the bit is added to those of `node`, and by how much p
 * was more than the bit is returned. What follows is to hang on a branch, which a processor can
 * foresee, and on no arithmetic, for which it had to wait: hence the barriers. */
static inline ptrdiff_t decode_bit(struct decoder *decoder, ptrdiff_t p, size_t *node)
{
    uint64_t bound = (decoder->range >> 16) * (uint64_t)p;
    *node *= 2;
    if (decoder->code < bound) {
        decoder->range = bound;
        p -= 65536;
        ++*node;
        __asm__ volatile("" : "+r"(*node));
    } else {
        decoder->range -= bound;
        decoder->code -= bound;
        __asm__ volatile("" : "+r"(*node));
    }
    if (decoder->range >> 32 == 0) {
        decoder->range <<= 32;
        decoder->code = decoder->code << 32 | decode_word(decoder);
    }
    return p;
}

/* ---- The model ------------------------------------------------------------------------------- */

/* A coder makes a bit known to the other side. The encoder's takes `bit`; the decoder's returns it,
 * and looks at no byte of the image that isn't there yet. */
#ifndef CODER
#define CODER struct decoder
#define code_bit(coder, p, node, bit) ((void)(bit), decode_bit(coder, p, node))
#endif

struct image {
    size_t start, text;    /* it begins with code */
    size_t data, end;      /* of the other segment */
};

/* The slots of a context: one for the question, then one for each node of the tree of bits. */
static inline int16_t *context(struct model *model, unsigned kind, unsigned value, unsigned phase)
{
    return model->slots + ((value << 6 | kind << 4 | phase) * 0x9e3779b1u >> (32 - SLOT_BITS));
}

/* `expected` has 256 added, or is 0: there is none. A node of the tree of bits is a 1 and the bits
 * so far; the one before the first is the question, whose 1 leads to the first. */
static inline unsigned code_byte(CODER *coder, struct model *model, const struct place *place,
                                 unsigned history, unsigned expected, unsigned byte,
                                 unsigned shift)
{
    unsigned phase = place->phase, rest = expected; /* from its highest byte on as the node was */
    size_t node = !expected;
    int16_t *a = context(model, 0, expected, phase), *b = context(model, 1, history & 255, phase);
    int16_t *c = context(model, 2, place->opcode, phase);
    int16_t *d = context(model, 3, history >> 8 & 255, phase);
    __asm__("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)); /* not to be put together again and again */
    do {
        ptrdiff_t sum = (ptrdiff_t)a[node] + b[node] + c[node] + d[node];
        ptrdiff_t p = model->squashed[SUMS / 2 + (sum >> SUM_SHIFT)];
        unsigned bit = node ? byte >> 7 & 1 : (byte | 256) != expected;
        if (node) byte <<= 1;
        size_t at = node;
        int16_t step = (int16_t)(code_bit(coder, p, &node, bit) >> shift);
        a[at] -= step;
        b[at] -= step;
        c[at] -= step;
        d[at] -= step;
        if (!node) return expected & 255;
        if (rest >> 8 != node) a = context(model, 0, 0, phase);
        rest <<= 1;
    } while (node < 256);
    return node & 255;
}

static inline void note(struct model *model, struct place *place, size_t at, unsigned byte)
{
    if (follow(model, place, byte)) model->relative[model->relative_count++] = (uint32_t)at + 1;
}

/* Codes an image of zeroes into what it was, or the other way round. */
static inline void code_image(CODER *coder, struct model *model, uint8_t *image,
                              struct image layout)
{
    struct place place = {0};
    uint32_t history = 0; /* the last four bytes */
    uint32_t next = 0;    /* where the byte stands that is expected, or 0 */
    begin_model(model);
    for (size_t at = layout.start; at < layout.end; at++) {
        if (at == layout.text) at = layout.data;
        if (at >= layout.data) {
            place.phase = AT_DATA;
            place.opcode = 0;
        }
        uint32_t *recent = &model->recent[(history << 8) * 0x9e3779b1u >> (32 - RECENT_BITS)];
        if (!next) next = *recent;
        if (next && image[next - 1] != (history & 255)) next = 0; /* other bytes, the same hash */
        *recent = (uint32_t)at;
        unsigned expected = next ? image[next++] | 256u : 0;
        unsigned byte = code_byte(coder, model, &place, history, expected, image[at],
                                  at < NOVICE ? LEARN_SHIFT - 1 : LEARN_SHIFT);
        if ((byte | 256) != expected) next = 0;
        image[at] = (uint8_t)byte;
        history = history << 8 | byte;
        note(model, &place, at, byte);
    }
}

/* ---- The filter ------------------------------------------------------------------------------ */

/* Calls, jumps and operands name their target relative to where they stand; made absolute, those of
 * one target look alike. Where they are, follow has told. `back` undoes it. */
static void filter(struct model *model, uint8_t *image, struct image layout, int back)
{
#ifdef PACK_AARCH64
    /* Words are turned as well: what a byte means hangs on those above it. */
    for (size_t at = layout.start; at < layout.text; at += 4) {
        uint32_t word;
        __builtin_memcpy(&word, image + at, 4);
        if (back) word = __builtin_bswap32(word);
        if (word >> 26 == 0x25) { /* BL */
            uint32_t target = back ? word - (uint32_t)(at / 4) : word + (uint32_t)(at / 4);
            word = 0x25u << 26 | (target & 0x3ffffff);
        }
        if (!back) word = __builtin_bswap32(word);
        __builtin_memcpy(image + at, &word, 4);
    }
#else
    for (unsigned i = 0; i < model->relative_count; i++) {
        uint32_t value, at = model->relative[i];
        __builtin_memcpy(&value, image + at, 4);
        value = back ? __builtin_bswap32(value) - at : __builtin_bswap32(value + at);
        __builtin_memcpy(image + at, &value, 4);
    }
#endif
}

#endif
