/*
 * sys/free_thread.c: threads without a libc, clone(2), and the thread-local storage of each.
 *
 * One mapping for each thread: a page that traps an overflow, the stack, the storage at its top.
 * The storage follows "ELF Handling For Thread-Local Storage": on x86-64 variant II, the variables
 * end where the thread pointer points, at its own address; on 64-bit ARM variant I, they begin
 * 16 bytes (rounded up to their alignment) above it. On x86-64 the stack protector's canary is the
 * second word at the pointer: -mstack-protector-guard-offset in the Makefile.
 */
#include "base/bytes.h"
#include "sys/start.h"
#include "sys/sys.h"

#define THREAD_CONTROL_BLOCK 16
#define STORAGE_ALIGN 128  /* as in free.ld */
#define PAGE_MAX 65536 /* of any kernel: what is a multiple of it is one of its pages' size */

/* The storage's first contents, and behind them what begins as zero. */
extern const uint8_t rn_thread_data[] RN_FROM_LINKER, rn_thread_data_end[] RN_FROM_LINKER,
    rn_thread_end[] RN_FROM_LINKER;

static uintptr_t round_up(uintptr_t value, uintptr_t align)
{
    return (value + align - 1) & ~(align - 1);
}

size_t rn_tls_size(void)
{
    return round_up((size_t)(rn_thread_end - rn_thread_data), STORAGE_ALIGN) + 2 * STORAGE_ALIGN;
}

uintptr_t rn_tls_make(void *memory)
{
    uintptr_t block = round_up((uintptr_t)memory, STORAGE_ALIGN);
    uintptr_t *pointer = (uintptr_t *)block;
#if defined(__x86_64__)
    pointer += (rn_tls_size() - 2 * STORAGE_ALIGN) / sizeof *pointer;
    pointer[0] = (uintptr_t)pointer;
    pointer[1] = __stack_chk_guard;
#else
    block += STORAGE_ALIGN;
#endif
    memcpy((void *)block, rn_thread_data, (size_t)(rn_thread_data_end - rn_thread_data));
    return (uintptr_t)pointer;
}

__attribute__((noreturn)) static void thread_main(struct rn_thread *thread)
{
    thread->run(thread->argument);
    for (;;) (void)rn_syscall1(RN_NR_EXIT, 0);
}

/*
 * clone(2) with a new stack can't be a function: the child would return on a stack that holds no
 * return address. It calls thread_main instead, straight from the instruction after the call.
 */
static long clone_thread(struct rn_thread *thread, uintptr_t stack, uintptr_t storage)
{
    long flags = RN_K_CLONE_VM | RN_K_CLONE_FS | RN_K_CLONE_FILES | RN_K_CLONE_SIGHAND |
                 RN_K_CLONE_THREAD | RN_K_CLONE_SYSVSEM | RN_K_CLONE_SETTLS |
                 RN_K_CLONE_PARENT_SETTID | RN_K_CLONE_CHILD_CLEARTID;
#if defined(__x86_64__)
    long result;
    register uint32_t *clear __asm__("r10") = &thread->running;
    register uintptr_t pointer __asm__("r8") = storage;
    register struct rn_thread *argument __asm__("r9") = thread;
    register void (*entry)(struct rn_thread *) __asm__("r12") = thread_main;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r12\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)RN_NR_CLONE), "D"(flags), "S"(stack), "d"(&thread->running),
                       "r"(clear), "r"(pointer), "r"(argument), "r"(entry)
                     : "rcx", "r11", "memory", "cc");
    return result;
#else
    register long x0 __asm__("x0") = flags;
    register uintptr_t x1 __asm__("x1") = stack;
    register uint32_t *x2 __asm__("x2") = &thread->running;
    register uintptr_t x3 __asm__("x3") = storage;
    register uint32_t *x4 __asm__("x4") = &thread->running;
    register struct rn_thread *x5 __asm__("x5") = thread;
    register void (*x6)(struct rn_thread *) __asm__("x6") = thread_main;
    register long x8 __asm__("x8") = RN_NR_CLONE;
    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x0, x5\n\t"
                     "blr x6\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x6), "r"(x8)
                     : "x30", "memory", "cc");
    return x0;
#endif
}

int rn_thread_start(struct rn_thread *thread, void (*run)(void *), void *argument,
                    size_t stack_size)
{
    if (stack_size > SIZE_MAX / 2) return -RN_K_ENOMEM;
    size_t storage_at = PAGE_MAX + round_up(stack_size, THREAD_CONTROL_BLOCK);
    size_t size = storage_at + rn_tls_size();
    char *memory = rn_map(size);
    if (!memory) return -RN_K_ENOMEM;
    *thread = (struct rn_thread){run, argument, (uintptr_t)memory, size, 0};
    long result = rn_sys_mprotect(memory, PAGE_MAX, RN_K_PROT_NONE);
    if (result == 0) {
        char *top = memory + storage_at;
        result = clone_thread(thread, (uintptr_t)top, rn_tls_make(top));
    }
    if (result > 0) return 0;
    rn_unmap(memory, size);
    return (int)result;
}

void rn_thread_join(struct rn_thread *thread)
{
    uint32_t running;
    /* The kernel wakes this word as one that other processes may share, so no private futex. */
    while ((running = __atomic_load_n(&thread->running, __ATOMIC_ACQUIRE)) != 0)
        (void)rn_syscall4(RN_NR_FUTEX, (long)&thread->running, RN_K_FUTEX_WAIT, (long)running, 0);
    rn_unmap((void *)thread->memory, thread->memory_size);
}
