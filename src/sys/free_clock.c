/*
 * sys/free_clock.c: finds the function that reads the clocks without entering the kernel, vdso(7).
 *
 * The kernel maps a small ELF library into every process. It needs no relocation; its symbols are
 * searched one by one. How many there are is in DT_HASH, or, where the kernel was linked without
 * that, follows from DT_GNU_HASH: its last chain ends with the last symbol.
 */
#include "sys/start.h"
#include "sys/sys.h"

struct elf_header {
    uint8_t identity[32];
    uint64_t segments_offset;
    uint64_t sections_offset;
    uint32_t flags;
    uint16_t header_size;
    uint16_t segment_size;
    uint16_t segment_count;
};

struct elf_dynamic {
    uint64_t tag;
    uint64_t value;
};

struct elf_symbol {
    uint32_t name;
    uint8_t info;
    uint8_t other;
    uint16_t section;
    uint64_t value;
    uint64_t size;
};

static int kernel_clock(int clock, struct rn_k_timespec *time)
{
    return rn_sys_clock_gettime(clock, time);
}

int (*rn_clock_source)(int clock, struct rn_k_timespec *time) = kernel_clock;

static uint32_t gnu_hash_symbols(const uint32_t *hash)
{
    uint32_t bucket_count = hash[0], first = hash[1], last = 0;
    const uint32_t *buckets = hash + 4 + hash[2] * 2; /* after 64-bit words of a Bloom filter */
    const uint32_t *chains = buckets + bucket_count;
    for (uint32_t i = 0; i < bucket_count; i++)
        if (buckets[i] > last) last = buckets[i];
    if (last < first) return first;
    while (!(chains[last - first] & 1)) last++;
    return last + 1;
}

static bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

void rn_clock_setup(uintptr_t vdso)
{
    if (!vdso) return;
    const struct elf_header *header = (const void *)vdso;
    const struct rn_elf_segment *segment = (const void *)(vdso + header->segments_offset);
    const struct elf_dynamic *dynamic = NULL;
    uintptr_t base = 0;
    for (unsigned i = header->segment_count; i; i--, segment++) {
        if (segment->type == RN_K_PT_LOAD && !base)
            base = vdso + segment->offset - segment->address;
        if (segment->type == RN_K_PT_DYNAMIC) dynamic = (const void *)(vdso + segment->offset);
    }
    if (!base || !dynamic) return;

    const struct elf_symbol *symbols = NULL;
    const char *names = NULL;
    const uint32_t *hash = NULL, *gnu_hash = NULL;
    for (; dynamic->tag != RN_K_DT_NULL; dynamic++) {
        const void *at = (const void *)(base + dynamic->value);
        if (dynamic->tag == RN_K_DT_SYMTAB) symbols = at;
        if (dynamic->tag == RN_K_DT_STRTAB) names = at;
        if (dynamic->tag == RN_K_DT_HASH) hash = at;
        if (dynamic->tag == RN_K_DT_GNU_HASH) gnu_hash = at;
    }
    if (!symbols || !names || !(hash || gnu_hash)) return;

    for (uint32_t left = hash ? hash[1] : gnu_hash_symbols(gnu_hash); left; left--, symbols++)
        if (symbols->section && same_text(names + symbols->name, RN_VDSO_CLOCK_GETTIME))
            rn_clock_source = (int (*)(int, struct rn_k_timespec *))(base + symbols->value);
}
