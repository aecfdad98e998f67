/*
 * sys/free_clock.c: finds the function that reads the clocks without entering the kernel, vdso(7).
 *
 * The kernel maps a small ELF library into every process. It needs no relocation; its symbols are
 * searched one by one. They end where the names begin: the kernel's linker scripts put .dynstr
 * right behind .dynsym.
 */
#include "base/bytes.h"
#include "sys/start.h"
#include "sys/sys.h"

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

RN_SET_AT_START int (*rn_clock_source)(int clock, struct rn_k_timespec *time) = kernel_clock;

void rn_clock_setup(uintptr_t vdso)
{
    if (!vdso) return;
    const struct rn_elf_header *header = (const void *)vdso;
    const struct rn_elf_segment *segment = (const void *)(vdso + header->segments_offset);
    const struct elf_dynamic *dynamic = NULL;
    uintptr_t base = 0;
    for (unsigned i = header->segment_count; i; i--, segment++) {
        if (segment->type == RN_K_PT_LOAD && !base)
            base = vdso + segment->offset - segment->address;
        if (segment->type == RN_K_PT_DYNAMIC) dynamic = (const void *)(vdso + segment->offset);
    }
    if (!base || !dynamic) return;

    uintptr_t places[RN_K_DT_SYMTAB + 1] = {0};
    for (; dynamic->tag != RN_K_DT_NULL; dynamic++)
        if (dynamic->tag <= RN_K_DT_SYMTAB) places[dynamic->tag] = base + dynamic->value;
    const struct elf_symbol *symbol = (const void *)places[RN_K_DT_SYMTAB];
    const char *names = (const void *)places[RN_K_DT_STRTAB];
    if (!symbol) return;
    for (; (uintptr_t)symbol < (uintptr_t)names; symbol++)
        if (symbol->section && memcmp(names + symbol->name, RN_VDSO_CLOCK_GETTIME,
                                      sizeof RN_VDSO_CLOCK_GETTIME) == 0)
            rn_clock_source = (int (*)(int, struct rn_k_timespec *))(base + symbol->value);
}
