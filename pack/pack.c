/*
 * pack/pack.c: packs a static program: `pack PROGRAM OUTPUT`. OUTPUT is the coded image and
 * OUTPUT.h where it goes, for the unpacker (pack/unpack.c). `pack PROGRAM` finishes the program
 * that the two make: see trim.
 */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct coder;
static unsigned code_bit(struct coder *coder, uint64_t p, unsigned bit);
#define CODER struct coder
#include "model.h"

enum { OUTPUT_MAX = 1 << 20 };

/* ---- The coder ------------------------------------------------------------------------------- */

struct coder {
    struct decoder decoder; /* when it has what to decode */
    uint64_t low, range;
    size_t length;
    uint8_t output[OUTPUT_MAX];
};

static void put_word(struct coder *coder)
{
    uint32_t word = (uint32_t)(coder->low >> 32);
    memcpy(coder->output + coder->length, &word, sizeof word);
    coder->length += sizeof word;
    coder->low <<= 32;
}

static void carry(struct coder *coder)
{
    uint32_t word;
    size_t at = coder->length;
    do {
        at -= sizeof word;
        memcpy(&word, coder->output + at, sizeof word);
        word++;
        memcpy(coder->output + at, &word, sizeof word);
    } while (!word);
}

static unsigned code_bit(struct coder *coder, uint64_t p, unsigned bit)
{
    if (coder->decoder.in) return decode_bit(&coder->decoder, p);
    uint64_t bound = (coder->range >> 16) * p, low = coder->low;
    if (bit) {
        coder->range = bound;
    } else {
        coder->range -= bound;
        coder->low += bound;
        if (coder->low < low) carry(coder);
    }
    if (coder->range >> 32 == 0) {
        put_word(coder);
        coder->range <<= 32;
    }
    return bit;
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
    uint64_t entry;
    struct image image;
    char segments[512]; /* SEGMENT(address, size, protection) … */
};

static struct layout make_image(uint8_t *image, const uint8_t *program, const char *name)
{
    const Elf64_Ehdr *elf = (const void *)program;
    const Elf64_Phdr *headers = (const void *)(program + elf->e_phoff);
    const Elf64_Shdr *sections = (const void *)(program + elf->e_shoff);
    struct layout layout = {.entry = elf->e_entry};
    unsigned count = 0;
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_type != ET_EXEC)
        fail("no static program:", name);
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *load = &headers[i];
        if (load->p_type != PT_LOAD) continue;
        uint64_t from = load->p_vaddr & ~(uint64_t)(PAGE - 1);
        uint64_t end = load->p_vaddr + load->p_memsz;
        if (count == 2) fail("too many segments in", name);
        if (!count++) {
            layout.address = from;
        } else {
            layout.image.hole = layout.image.end;
            layout.image.hole_end = load->p_vaddr - layout.address;
        }
        sprintf(layout.segments + strlen(layout.segments), " SEGMENT(0x%lx, 0x%lx, %u)", from,
                end - from,
                (load->p_flags & PF_R ? 1u : 0) | (load->p_flags & PF_W ? 2u : 0) |
                    (load->p_flags & PF_X ? 4u : 0));
        layout.end = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        layout.image.end = load->p_vaddr + load->p_filesz - layout.address;
        memcpy(image + (load->p_vaddr - layout.address), program + load->p_offset, load->p_filesz);
    }
    for (unsigned i = 0; i < elf->e_shnum; i++)
        if (sections[i].sh_flags & SHF_EXECINSTR)
            layout.image.text = sections[i].sh_addr + sections[i].sh_size - layout.address;
    return layout;
}

static void write_layout(const char *to, const struct layout *layout)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.h", to);
    FILE *file = fopen(name, "w");
    if (!file ||
        fprintf(file,
                "#define IMAGE 0x%lx\n#define IMAGE_END 0x%lx\n#define ENTRY 0x%lx\n"
                "#define TEXT_LENGTH 0x%lx\n#define LAYOUT_OF_IMAGE {0x%lx, 0x%lx, 0x%lx, 0x%lx}\n"
                "#define SEGMENTS%s\n",
                layout->address, layout->end, layout->entry, layout->image.text,
                layout->image.text, layout->image.hole, layout->image.hole_end, layout->image.end,
                layout->segments) < 0 ||
        fclose(file))
        fail("cannot write", name);
}

static void write_file(const char *name, const void *from, size_t length)
{
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(from, 1, length, file) != length || fclose(file))
        fail("cannot write", name);
}

/* What runs is in the segment; the table of sections behind it is for tools. That the stack isn't
 * to be executed is said by a program header of which the kernel reads the first 8 bytes: they fit
 * between the other one and the code, and the rest of it is code. */
static void trim(const char *name)
{
    size_t length;
    uint8_t *program = read_file(name, &length);
    Elf64_Ehdr *elf = (void *)program;
    Elf64_Phdr *load = (void *)(program + elf->e_phoff), *stack = load + 1;
    const uint8_t *room = (const void *)stack;
    if (elf->e_phnum != 1 || load->p_type != PT_LOAD || room[0] || memcmp(room, room + 1, 7))
        fail("no room for a header in", name);
    stack->p_type = PT_GNU_STACK;
    stack->p_flags = PF_R | PF_W;
    elf->e_phnum = 2;
    elf->e_shoff = 0;
    elf->e_shnum = elf->e_shstrndx = 0;
    write_file(name, program, load->p_offset + load->p_filesz);
}

static void encode(struct coder *coder, uint8_t *image, struct image layout)
{
    coder->range = UINT64_MAX;
    code_image(coder, image, layout);
    put_word(coder);
    put_word(coder);
}

static void pack(const char *from, const char *to)
{
    static struct coder encoder, decoder;
    static uint8_t image[OUTPUT_MAX], back[OUTPUT_MAX], plain[OUTPUT_MAX];
    size_t length;
    uint8_t *program = read_file(from, &length);
    struct layout layout = make_image(image, program, from);
    memcpy(plain, image, sizeof plain);
    filter_branches(image, layout.image.text, 0);
    encode(&encoder, image, layout.image);
    memset(&MODEL, 0, sizeof MODEL);
    begin_decoder(&decoder.decoder, encoder.output);
    code_image(&decoder, back, layout.image);
    filter_branches(back, layout.image.text, 1);
    if (memcmp(back, plain, sizeof plain)) fail("unpacked it isn't the same:", from);
    write_file(to, encoder.output, encoder.length);
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
