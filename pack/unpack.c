/*
 * pack/unpack.c: the start of a packed program: puts the real one where the kernel likes, protects
 * its code, and goes on there; the rest it does itself (src/sys/free_start.c). No page is ever
 * writable and executable at once.
 */
#include <stdint.h>

#include LAYOUT

#include "model.h"

enum {
    PROT_READ = 1,
    PROT_WRITE = 2,
    PROT_EXEC = 4,
    MAP_PRIVATE = 2,
    MAP_POPULATE = 0x8000, /* all of it is used: one call is less than a fault for each page */
    MAP_ANONYMOUS = 0x20,
};

#ifdef PACK_AARCH64
enum { NR_MMAP = 222, NR_MUNMAP = 215, NR_MPROTECT = 226 };

ONCE static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = -1;
    register long x5 __asm__("x5") = 0;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

/* What was written as data is to be fetched as code: ARM ARM, B2.4.4. 16 bytes is the least a line
 * can have. */
static void make_visible(uint64_t from, uint64_t size)
{
    for (uint64_t at = from; at < from + size; at += 16)
        __asm__ volatile("dc cvau, %0" ::"r"(at) : "memory");
    __asm__ volatile("dsb ish" ::: "memory");
    for (uint64_t at = from; at < from + size; at += 16)
        __asm__ volatile("ic ivau, %0" ::"r"(at) : "memory");
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

__asm__(".globl _start\n_start:\n mov x29, xzr\n bl unpack\n mov x2, x0\n"
        "adr x0, __ehdr_start\n adr x1, end\n sub x1, x1, x0\n mov x8, #215\n br x2\n");
#else
enum { NR_MMAP = 9, NR_MUNMAP = 11, NR_MPROTECT = 10 };

ONCE static long call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = -1;
    register long r9 __asm__("r9") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static void make_visible(uint64_t from, uint64_t size) {}

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n call unpack\n mov %rax, %rdx\n"
        "lea __ehdr_start(%rip), %rdi\n lea end(%rip), %rsi\n sub %edi, %esi\n"
        "push $11\n pop %rax\n jmp *%rdx\n");
#endif

/* In front of the program's first instruction is a system call, which then is munmap(2) of all that
 * is here: a process has no code but what it needs. */

/* The program, as pack wrote it. */
__asm__(".section .rodata.packed,\"a\"\npacked:\n.incbin \"" PACKED "\"\n.text\n");
extern const uint8_t packed[] __attribute__((visibility("hidden")));

uint64_t unpack(void);

uint64_t unpack(void)
{
    enum { SCRATCH = (sizeof(struct model) + PAGE - 1) & ~(PAGE - 1) };
    struct decoder decoder;
    uint8_t *image = (uint8_t *)call(NR_MMAP, 0, MEMORY_END + SCRATCH, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE);
    struct model *model = (struct model *)(void *)(image + MEMORY_END); /* gone when that is done */
    struct image layout = LAYOUT_OF_IMAGE;
    begin_decoder(&decoder, packed);
    code_image(&decoder, model, image, layout);
    filter(model, image, layout, 1);
    make_visible((uint64_t)image, CODE_END);
    if (call(NR_MUNMAP, (long)model, SCRATCH, 0, 0) |
        call(NR_MPROTECT, (long)image, CODE_END, PROT_READ | PROT_EXEC, 0))
        __builtin_trap();
    return (uint64_t)image + ENTRY;
}
