/*
 * pack/pack.c: packs a static program: `pack PROGRAM OUTPUT`. OUTPUT is the coded image and
 * OUTPUT.h where it goes, for the unpacker (pack/unpack.c). `pack PROGRAM` finishes the program
 * that the two make: see trim.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct coder;
static ptrdiff_t code_bit(struct coder *coder, ptrdiff_t p, size_t *node, unsigned bit);
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

static ptrdiff_t code_bit(struct coder *coder, ptrdiff_t p, size_t *node, unsigned bit)
{
    if (coder->decoder.in) return decode_bit(&coder->decoder, p, node);
    uint64_t bound = (coder->range >> 16) * (uint64_t)p, low = coder->low;
    *node = *node * 2 + bit;
    if (bit) {
        coder->range = bound;
        p -= 65536;
    } else {
        coder->range -= bound;
        coder->low += bound;
        if (coder->low < low) carry(coder);
    }
    if (coder->range >> 32 == 0) {
        put_word(coder);
        coder->range <<= 32;
    }
    return p;
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

/* What the unpacker must know of the program; it is compiled with it. Addresses are relative to
 * where the program is put. */
struct layout {
    uint64_t memory_end; /* page-rounded, as the next */
    uint64_t code_end;
    uint64_t entry;
    struct image image;
};

/* The instruction in front of the first: SYSCALL, SVC. */
#ifdef PACK_AARCH64
static const uint8_t call[] = {0x01, 0x00, 0x00, 0xd4};
#else
static const uint8_t call[] = {0x0f, 0x05};
#endif

/* Two segments, as src/sys/free.ld makes them: code, and what is written to. The head of the file
 * isn't needed any more. */
static struct layout make_image(uint8_t *image, const uint8_t *program, const char *name)
{
    const Elf64_Ehdr *elf = (const void *)program;
    const Elf64_Phdr *code = (const void *)(program + elf->e_phoff), *data = code + 1;
    const Elf64_Shdr *text = (const Elf64_Shdr *)(const void *)(program + elf->e_shoff) + 1;
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_type != ET_DYN || code->p_vaddr ||
        code->p_type != PT_LOAD || code->p_flags != (PF_R | PF_X) || data->p_type != PT_LOAD ||
        data->p_flags != (PF_R | PF_W) || !(text->sh_flags & SHF_EXECINSTR) ||
        text->sh_addr + text->sh_size != code->p_filesz ||
        memcmp(program + elf->e_entry - sizeof call, call, sizeof call))
        fail("not as src/sys/free.ld makes it:", name);
    memcpy(image + text->sh_addr, program + text->sh_offset, text->sh_size);
    memcpy(image + data->p_vaddr, program + data->p_offset, data->p_filesz);
    return (struct layout){
        .memory_end = (data->p_vaddr + data->p_memsz + PAGE - 1) & ~(uint64_t)(PAGE - 1),
        .code_end = (code->p_memsz + PAGE - 1) & ~(uint64_t)(PAGE - 1),
        .entry = elf->e_entry - sizeof call,
        .image = {text->sh_addr, code->p_filesz, data->p_vaddr, data->p_vaddr + data->p_filesz},
    };
}

static void write_layout(const char *to, const struct layout *layout)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.h", to);
    FILE *file = fopen(name, "w");
    if (!file ||
        fprintf(file,
                "#define MEMORY_END 0x%lx\n#define CODE_END 0x%lx\n#define ENTRY 0x%lx\n"
                "#define LAYOUT_OF_IMAGE {0x%lx, 0x%lx, 0x%lx, 0x%lx}\n",
                layout->memory_end, layout->code_end, layout->entry, layout->image.start,
                layout->image.text, layout->image.data, layout->image.end) < 0 ||
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

static void encode(struct coder *coder, struct model *model, uint8_t *image, struct image layout)
{
    struct place place = {0};
    make_classes(model);
    for (size_t at = layout.start; at < layout.text; at++)
        if (model->relative_count < RELATIVE_MAX)
            note(model, &place, at, image[at]);
        else
            fail("too many operands to make absolute", "");
    filter(model, image, layout, 0);
    *model = (struct model){0};
    coder->range = UINT64_MAX;
    code_image(coder, model, image, layout);
    put_word(coder);
    put_word(coder);
}

static void pack(const char *from, const char *to)
{
    static struct coder encoder, decoder;
    static struct model encoders, decoders;
    static uint8_t image[OUTPUT_MAX], back[OUTPUT_MAX], plain[OUTPUT_MAX];
    size_t length;
    uint8_t *program = read_file(from, &length);
    struct layout layout = make_image(image, program, from);
    memcpy(plain, image, sizeof plain);
    encode(&encoder, &encoders, image, layout.image);
    begin_decoder(&decoder.decoder, encoder.output);
    code_image(&decoder, &decoders, back, layout.image);
    filter(&decoders, back, layout.image, 1);
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
