/*
 * sys/start.h: what the files of this layer share and no other layer needs.
 */
#ifndef SYS_START_H
#define SYS_START_H

#include <stddef.h>
#include <stdint.h>
#include "sys/abi.h"

/* Reads a clock as clock_gettime(2) does. */
extern int (*rn_clock_source)(int clock, struct rn_k_timespec *time);

/* Freestanding only: what the kernel told the program at its start, getauxval(3). */
void rn_clock_setup(uintptr_t vdso);

/* The bytes that a thread's storage takes; makes it in zeroed memory and returns its pointer. */
size_t rn_tls_size(void);
uintptr_t rn_tls_make(void *memory);

/* The canary of the stack protector, by the name that gcc and clang know. */
extern uintptr_t __stack_chk_guard;

/* Written while the program starts, and constant from then on. */
#ifdef RN_FREESTANDING
#define RN_SET_AT_START __attribute__((section(".data.rel.ro")))
#else
#define RN_SET_AT_START /* in tests */
#endif

/* Where free.ld has put what this layer must know of. */
#define RN_FROM_LINKER __attribute__((visibility("hidden")))

/* The head of an ELF file and its program headers, elf(5). */
struct rn_elf_header {
    uint8_t identity[32];
    uint64_t segments_offset;
    uint64_t sections_offset;
    uint32_t flags;
    uint16_t header_size;
    uint16_t segment_size;
    uint16_t segment_count;
};

struct rn_elf_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t physical_address;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t align;
};

#endif
