/*
 * pack/pack.c: packs a static program: `pack PROGRAM OUTPUT`. OUTPUT is the coded image and
 * OUTPUT.h where it goes, for the unpacker (pack/unpack.c). `pack PROGRAM` cuts off what none is
 * run from.
 *
 * The choice of steps is a shortest path: the price of each way to code the next bytes, from how
 * often each bit went which way in the round before. A few rounds settle it.
 */
#include <elf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { ROUNDS = 20, CHAIN_MAX = 3000, OUTPUT_MAX = 1 << 20 };

struct step {
    uint32_t length;   /* 1 with distance 0: a literal */
    uint32_t distance; /* of a match */
};

struct node {
    double price;
    struct step step; /* that led here */
    uint32_t distance; /* the last one */
    uint8_t state;
};

static uint8_t *image;
static size_t image_length;

/* ---- The coder ------------------------------------------------------------------------------- */

static uint8_t output[OUTPUT_MAX];
static size_t output_length;
static uint64_t low;
static uint32_t range;
static uint16_t probabilities[PROBABILITIES];
static double counts[PROBABILITIES][2];
static double prices[PROBABILITIES][2];
static int measuring; /* only add up the price */
static double measured;

static void carry(void)
{
    for (size_t i = output_length; i-- && ++output[i] == 0;) {}
}

static void put_mixed(unsigned at, unsigned behind, unsigned bit)
{
    if (measuring) {
        measured += at == behind
                        ? prices[at][bit]
                        : 2 - log2(exp2(-prices[at][bit]) + 3 * exp2(-prices[behind][bit]));
        return;
    }
    uint16_t *p = &probabilities[at], *q = &probabilities[behind];
    begin_context(p, q);
    uint32_t bound = (range >> (PROBABILITY_BITS + 2)) * (*p + 3u * *q);
    counts[at][bit]++;
    if (at != behind) counts[behind][bit]++;
    low += bit ? bound : 0;
    range = bit ? range - bound : bound;
    adapt(p, bit, ADAPT_SHIFT);
    adapt(q, bit, at == behind ? PROBABILITY_BITS : ADAPT_FAST_SHIFT);
    if (low >> 32) carry();
    low &= UINT32_MAX;
    while (range < 1u << 24) {
        output[output_length++] = (uint8_t)(low >> 24);
        low = low << 8 & UINT32_MAX;
        range <<= 8;
    }
}

static void put_bit(unsigned at, unsigned bit)
{
    put_mixed(at, at, bit);
}

static void put_tree(unsigned at, unsigned bits, unsigned value)
{
    unsigned node = 1;
    for (unsigned i = bits; i--;) {
        unsigned bit = value >> i & 1;
        put_bit(at + node, bit);
        node = node << 1 | bit;
    }
}

static unsigned byte_before(size_t at)
{
    return at ? image[at - 1] : 0;
}

static void put_literal(size_t at, unsigned state, uint32_t distance)
{
    unsigned node = 1, matched = state == 0;
    unsigned expected = matched ? image[at - distance] : 0;
    unsigned before = byte_before(at);
    put_mixed(AT_MATCH + state, AT_MATCH_BEHIND + state * 256 + before, 0);
    for (unsigned i = 8; i--;) {
        unsigned hint = expected >> 7 & 1, bit = image[at] >> i & 1;
        expected <<= 1;
        put_mixed((matched ? AT_MATCHED + (hint << 8) : AT_LITERAL) + node,
                  AT_LITERAL_BEHIND + before * 256 + node, bit);
        if (hint != bit) matched = 0;
        node = node << 1 | bit;
    }
}

static void put_distance(uint32_t distance, unsigned length)
{
    unsigned class = length - LENGTH_MIN < DISTANCE_CLASSES - 1 ? length - LENGTH_MIN
                                                                : DISTANCE_CLASSES - 1;
    unsigned bits = 31 - (unsigned)__builtin_clz(distance), node = 1;
    put_tree(AT_DISTANCE + (class << DISTANCE_BITS), DISTANCE_BITS, bits);
    for (unsigned i = bits; i--;) {
        unsigned bit = distance >> i & 1;
        put_bit(node < 8 ? AT_LOW + bits * 8 + node : AT_REST + i, bit);
        node = node << 1 | bit;
    }
}

static void put_match(size_t at, unsigned state, uint32_t last, struct step step)
{
    unsigned again = step.distance == last, run = step.length - LENGTH_MIN;
    put_mixed(AT_MATCH + state, AT_MATCH_BEHIND + state * 256 + byte_before(at), 1);
    put_bit(AT_AGAIN + state, again);
    put_tree(AT_LENGTH + 16 * again, 4, run < LENGTH_SHORT ? run : LENGTH_SHORT);
    if (run >= LENGTH_SHORT) put_tree(AT_LONG, 8, run - LENGTH_SHORT);
    if (!again) put_distance(step.distance, step.length);
}

/* ---- The choice of steps --------------------------------------------------------------------- */

static struct node *nodes;
static int32_t *chain; /* the place before with the same two bytes */

static void make_chains(void)
{
    static int32_t heads[65536];
    memset(heads, -1, sizeof heads);
    for (size_t i = 0; i + 1 < image_length; i++) {
        unsigned key = image[i] | (unsigned)image[i + 1] << 8;
        chain[i] = heads[key];
        heads[key] = (int32_t)i;
    }
}

static void offer(size_t from, struct step step, double price)
{
    struct node *node = &nodes[from + step.length];
    price += nodes[from].price;
    if (price >= node->price) return;
    node->price = price;
    node->step = step;
    if (step.distance) {
        node->state = 0;
        node->distance = step.distance;
    } else {
        node->state = nodes[from].state < STATES - 1 ? nodes[from].state + 1 : STATES - 1;
        node->distance = nodes[from].distance;
    }
}

static size_t common(size_t a, size_t b)
{
    size_t length = 0;
    while (b + length < image_length && length < LENGTH_MAX &&
           image[a + length] == image[b + length])
        length++;
    return length;
}

static void offer_matches(size_t at, uint32_t distance, size_t from, size_t to)
{
    for (size_t length = from; length <= to; length++) {
        struct step step = {(uint32_t)length, distance};
        measured = 0;
        put_match(at, nodes[at].state, nodes[at].distance, step);
        offer(at, step, measured);
    }
}

static void offer_all(size_t at)
{
    measured = 0;
    put_literal(at, nodes[at].state, nodes[at].distance);
    offer(at, (struct step){1, 0}, measured);
    if (nodes[at].distance)
        offer_matches(at, nodes[at].distance, LENGTH_MIN, common(at - nodes[at].distance, at));
    size_t best = LENGTH_MIN - 1;
    int32_t other = at + 1 < image_length ? chain[at] : -1;
    for (unsigned i = 0; other >= 0 && i < CHAIN_MAX; i++, other = chain[other]) {
        size_t length = common((size_t)other, at);
        if (length <= best) continue;
        offer_matches(at, (uint32_t)(at - (size_t)other), best + 1,
                      length); /* nearer for shorter */
        best = length;
        if (best == LENGTH_MAX) break;
    }
}

static void set_prices(void)
{
    for (unsigned i = 0; i < PROBABILITIES; i++) {
        double all = counts[i][0] + counts[i][1] + 1;
        for (unsigned bit = 0; bit < 2; bit++) prices[i][bit] = log2(all / (counts[i][bit] + 0.5));
    }
}

static void choose(void)
{
    measuring = 1;
    for (size_t i = 0; i <= image_length; i++) nodes[i].price = 1e30;
    nodes[0] = (struct node){.state = STATE_FIRST};
    for (size_t i = 0; i < image_length; i++) offer_all(i);
    measuring = 0;
}

static void encode(void)
{
    static struct step steps[OUTPUT_MAX];
    size_t count = 0, at = 0;
    uint32_t distance = 0;
    unsigned state = STATE_FIRST;
    for (size_t i = image_length; i; i -= nodes[i].step.length) steps[count++] = nodes[i].step;
    memset(counts, 0, sizeof counts);
    memset(probabilities, 0, sizeof probabilities);
    low = 0;
    range = UINT32_MAX;
    output_length = 0;
    while (count--) {
        struct step step = steps[count];
        if (step.distance) put_match(at, state, distance, step);
        else put_literal(at, state, distance);
        at += step.length;
        if (step.distance) distance = step.distance;
        state = step.distance ? 0 : state < STATES - 1 ? state + 1 : state;
    }
    for (unsigned i = 0; i < 4; i++) {
        output[output_length++] = (uint8_t)(low >> 24);
        low = low << 8 & UINT32_MAX;
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "pack: %s %s\n", what, name);
    exit(1);
}

static uint8_t *read_file(const char *name, size_t *length)
{
    uint8_t *bytes = malloc(OUTPUT_MAX);
    FILE *file = fopen(name, "rb");
    if (!file || !bytes) fail("cannot read", name);
    *length = fread(bytes, 1, OUTPUT_MAX, file);
    fclose(file);
    return bytes;
}

/* What the unpacker must know of the program; it is compiled with it. */
struct layout {
    uint64_t address; /* of the image: all segments */
    uint64_t end;     /* in memory, page-rounded */
    uint64_t length;  /* of the bytes that are coded */
    uint64_t entry;
    uint64_t code_at; /* offset and length of what the branch filter goes over */
    uint64_t code_length;
    char segments[512]; /* SEGMENT(address, size, protection) … */
};

static struct layout make_image(const uint8_t *program, const char *name)
{
    const Elf64_Ehdr *elf = (const void *)program;
    const Elf64_Phdr *headers = (const void *)(program + elf->e_phoff);
    struct layout layout = {.entry = elf->e_entry};
    unsigned count = 0;
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_type != ET_EXEC)
        fail("no static program:", name);
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *load = &headers[i];
        if (load->p_type != PT_LOAD) continue;
        if (count == 4) fail("too many segments in", name);
        uint64_t from = load->p_vaddr & ~(uint64_t)(PAGE - 1);
        uint64_t end = load->p_vaddr + load->p_memsz;
        if (!count++) layout.address = from;
        if (load->p_flags & PF_X) {
            layout.code_at = load->p_vaddr - layout.address;
            layout.code_length = load->p_filesz;
        }
        sprintf(layout.segments + strlen(layout.segments), " SEGMENT(0x%lx, 0x%lx, %u)", from,
                end - from,
                (load->p_flags & PF_R ? 1u : 0) | (load->p_flags & PF_W ? 2u : 0) |
                    (load->p_flags & PF_X ? 4u : 0));
        layout.end = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        layout.length = load->p_vaddr + load->p_filesz - layout.address;
        memcpy(image + (load->p_vaddr - layout.address), program + load->p_offset, load->p_filesz);
    }
    return layout;
}

static void write_layout(const char *to, const struct layout *layout)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.h", to);
    FILE *file = fopen(name, "w");
    if (!file ||
        fprintf(file,
                "#define IMAGE 0x%lx\n#define IMAGE_END 0x%lx\n#define CODED_LENGTH 0x%lx\n"
                "#define ENTRY 0x%lx\n#define CODE_AT 0x%lx\n#define CODE_LENGTH 0x%lx\n"
                "#define SEGMENTS%s\n",
                layout->address, layout->end, layout->length, layout->entry, layout->code_at,
                layout->code_length, layout->segments) < 0 ||
        fclose(file))
        fail("cannot write", name);
}

static void write_file(const char *name, const void *from, size_t length)
{
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(from, 1, length, file) != length || fclose(file))
        fail("cannot write", name);
}

/* What runs is in the segments; the table of sections behind them is for tools. */
static void trim(const char *name)
{
    size_t length;
    uint8_t *program = read_file(name, &length);
    Elf64_Ehdr *elf = (void *)program;
    const Elf64_Phdr *headers = (const void *)(program + elf->e_phoff);
    size_t end = 0;
    for (unsigned i = 0; i < elf->e_phnum; i++)
        if (headers[i].p_offset + headers[i].p_filesz > end)
            end = headers[i].p_offset + headers[i].p_filesz;
    elf->e_shoff = 0;
    elf->e_shnum = elf->e_shstrndx = 0;
    write_file(name, program, end);
}

static void pack(const char *from, const char *to)
{
    size_t length;
    uint8_t *program = read_file(from, &length);
    image = calloc(1, OUTPUT_MAX);
    struct layout layout = make_image(program, from);
    image_length = layout.length;
    uint8_t *plain = malloc(image_length);
    memcpy(plain, image, image_length);
    filter_branches(image + layout.code_at, layout.code_length, 0);
    nodes = calloc(image_length + LENGTH_MAX + 1, sizeof *nodes);
    chain = calloc(image_length + 1, sizeof *chain);
    make_chains();
    for (unsigned i = 0; i < ROUNDS; i++) {
        set_prices();
        choose();
        encode();
    }
    uint8_t *back = calloc(1, OUTPUT_MAX);
    decode(back, back + image_length, output);
    filter_branches(back + layout.code_at, layout.code_length, 1);
    if (memcmp(back, plain, image_length)) fail("unpacked it isn't the same:", from);
    write_file(to, output, output_length);
    write_layout(to, &layout);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        trim(argv[1]);
    else if (argc == 3)
        pack(argv[1], argv[2]);
    else
        fail("usage:", "pack PROGRAM OUTPUT | pack PROGRAM, which is trimmed");
    return 0;
}
