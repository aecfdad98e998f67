/*
 * sys/free_start.c: where a program without a libc begins: the kernel's stack, auxiliary vector,
 * thread-local storage, clock, and then rn_main.
 *
 * On entry the stack holds argc, argv[] and NULL, envp[] and NULL, and pairs of numbers up to
 * AT_NULL: getauxval(3), and "Initial Stack and Register State" in the processor's ABI supplement.
 */
#include "base/bytes.h"
#include "sys/start.h"
#include "sys/sys.h"

__attribute__((used, noreturn)) void rn_start(uintptr_t *stack);

#if defined(__x86_64__)
__asm__(".pushsection .text._start, \"ax\", @progbits\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xor %ebp, %ebp\n" /* the end of the chain of frames */
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call rn_start\n"
        ".size _start, . - _start\n"
        ".popsection\n");

static void set_thread_pointer(uintptr_t pointer)
{
    rn_assert(rn_syscall2(RN_NR_ARCH_PRCTL, RN_K_ARCH_SET_FS, (long)pointer) == 0);
}
#else
__asm__(".pushsection .text._start, \"ax\", @progbits\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    mov x29, #0\n" /* the end of the chain of frames */
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    and sp, x0, #-16\n"
        "    b rn_start\n"
        ".size _start, . - _start\n"
        ".popsection\n");

static void set_thread_pointer(uintptr_t pointer)
{
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(pointer) : "memory");
}
#endif

void rn_start(uintptr_t *stack)
{
    static uint8_t storage[1024]; /* this thread's: asked for, it could be refused */
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    char **envp = argv + argc + 1;
    uintptr_t vdso = 0;
    uintptr_t *pair = (uintptr_t *)envp;
    while (*pair++) {}
    for (; pair[0] != RN_K_AT_NULL; pair += 2) {
        if (pair[0] == RN_K_AT_SYSINFO_EHDR) vdso = pair[1];
    }
    rn_tls_setup();
    rn_assert(rn_tls_size() <= sizeof storage);
    set_thread_pointer(rn_tls_make(storage));
    rn_clock_setup(vdso);
    rn_sys_exit_group(rn_main(argc, argv, envp));
}
