/*
 * sys/free_start.c: where a program without a libc begins: the kernel's stack, its own addresses,
 * auxiliary vector, thread-local storage, clock, and then rn_main.
 *
 * On entry the stack holds argc, argv[] and NULL, envp[] and NULL, and pairs of numbers up to
 * AT_NULL: getauxval(3), and "Initial Stack and Register State" in the processor's ABI supplement.
 */
#include "base/bytes.h"
#include "sys/start.h"
#include "sys/sys.h"

__attribute__((used, noreturn, no_stack_protector)) void rn_start(uintptr_t *stack);
__attribute__((noreturn)) void __stack_chk_fail(void);

#if defined(__x86_64__)
#define PAGE_MAX 4096 /* of any kernel, and what the linker takes */
#else
#define PAGE_MAX 65536
#endif

/* The program's first byte and the end of its code; what is constant once it is relocated. */
extern const uint8_t __ehdr_start[] RN_FROM_LINKER, rn_code_end[] RN_FROM_LINKER;
extern const uint8_t rn_constants[] RN_FROM_LINKER, rn_constants_end[] RN_FROM_LINKER;

RN_SET_AT_START uintptr_t __stack_chk_guard = 0;

#if defined(__x86_64__)
__asm__(".pushsection .text._start, \"ax\", @progbits\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "    syscall\n" /* by which the unpacker goes: pack/unpack.c */
        "_start:\n"
        "    endbr64\n"
        "    xor %ebp, %ebp\n" /* the end of the chain of frames */
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call rn_start\n"
        ".size _start, . - _start\n"
        ".popsection\n");

extern const uintptr_t rn_packed_relocations[] RN_FROM_LINKER;
extern const uintptr_t rn_packed_relocations_end[] RN_FROM_LINKER;

/* Words that hold an address, as the linker knew it. An even entry is the place of one; an odd one
 * tells with its other bits which of the 63 words behind are such: "Relative relocations, RELR" in
 * the System V ABI. */
static inline void relocate(uintptr_t base)
{
    const uintptr_t *entry = rn_packed_relocations;
    uintptr_t *place = NULL;
    while (entry < rn_packed_relocations_end) {
        uintptr_t bits = *entry++;
        if (bits & 1) {
            for (uintptr_t *word = place; bits >>= 1; word++)
                if (bits & 1) *word += base;
            place += 63;
        } else {
            place = (uintptr_t *)(base + bits);
            *place++ += base;
        }
    }
}

static inline void set_thread_pointer(uintptr_t pointer)
{
    rn_assert(rn_raw_syscall2(RN_NR_ARCH_PRCTL, RN_K_ARCH_SET_FS, (long)pointer) == 0);
}
#else
__asm__(".pushsection .text._start, \"ax\", @progbits\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "    svc #0\n" /* by which the unpacker goes: pack/unpack.c */
        "_start:\n"
        "    hint #34\n"     /* bti c */
        "    mov x29, #0\n" /* the end of the chain of frames */
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    and sp, x0, #-16\n"
        "    b rn_start\n"
        ".size _start, . - _start\n"
        ".popsection\n");

/* Elf64_Rela, elf(5); all are relative ones: a static program has no other. */
struct relocation {
    uintptr_t place, type, value;
};

extern const struct relocation rn_relocations[] RN_FROM_LINKER, rn_relocations_end[] RN_FROM_LINKER;

static inline void relocate(uintptr_t base)
{
    for (const struct relocation *entry = rn_relocations; entry < rn_relocations_end; entry++)
        *(uintptr_t *)(base + entry->place) = base + entry->value;
}

static inline void set_thread_pointer(uintptr_t pointer)
{
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(pointer) : "memory");
}
#endif

/* From here on constants are constant. Raw calls: a hook may use what isn't there yet. */
static inline void protect(uintptr_t capabilities)
{
    uintptr_t constants = (uintptr_t)rn_constants & -(uintptr_t)PAGE_MAX;
    long failed = rn_raw_syscall3(RN_NR_MPROTECT, (long)constants,
                                  (long)((uintptr_t)rn_constants_end - constants), RN_K_PROT_READ);
#if defined(__aarch64__)
    /* Indirect calls and jumps must land on BTI instructions. */
    if (capabilities & RN_K_HWCAP2_BTI)
        failed |= rn_raw_syscall3(RN_NR_MPROTECT, (long)__ehdr_start, rn_code_end - __ehdr_start,
                                  RN_K_PROT_READ | RN_K_PROT_EXEC | RN_K_PROT_BTI);
#endif
    rn_assert(!failed);
}

/* A function found its return address overrun, and doesn't use it. */
void __stack_chk_fail(void)
{
    static const char message[] = "stack overrun: stopped\n";
    (void)rn_sys_write(2, message, sizeof message - 1);
    __builtin_trap();
}

void rn_start(uintptr_t *stack)
{
    static uint8_t storage[1024]; /* this thread's: asked for, it could be refused */
    relocate((uintptr_t)__ehdr_start);
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    char **envp = argv + argc + 1;
    uintptr_t told[RN_K_AT_SYSINFO_EHDR + 1] = {0};
    uintptr_t *pair = (uintptr_t *)envp;
    while (*pair++) {}
    for (; pair[0] != RN_K_AT_NULL; pair += 2)
        if (pair[0] < RN_COUNT(told)) told[pair[0]] = pair[1];
    memcpy(&__stack_chk_guard, (const void *)told[RN_K_AT_RANDOM], sizeof __stack_chk_guard);
    __stack_chk_guard <<= 8; /* its first byte ends a text that runs into it */
    rn_assert(rn_tls_size() <= sizeof storage);
    set_thread_pointer(rn_tls_make(storage));
    rn_clock_setup(told[RN_K_AT_SYSINFO_EHDR]);
    protect(told[RN_K_AT_HWCAP2]);
    rn_sys_exit_group(rn_main(argc, argv, envp));
}
