/*
 * sys/arch/context_aarch64.h: switching stacks. AAPCS64, 6.1: x19 to x30, the low halves of v8 to
 * v15 and the modes in FPCR belong to the caller of a function. FPCR is slow to write, so it is
 * only where it differs. x18 is the platform's, and stays.
 */
__asm__(".pushsection .text.rn_context_switch, \"ax\", @progbits\n"
        ".globl rn_context_switch\n"
        ".hidden rn_context_switch\n"
        ".type rn_context_switch, @function\n"
        ".balign 32\n"
        "rn_context_switch:\n\t"
        "hint #34\n\t" /* bti c */
        "sub sp, sp, #176\n\t"
        "stp x19, x20, [sp, #0]\n\t"
        "stp x21, x22, [sp, #16]\n\t"
        "stp x23, x24, [sp, #32]\n\t"
        "stp x25, x26, [sp, #48]\n\t"
        "stp x27, x28, [sp, #64]\n\t"
        "stp x29, x30, [sp, #80]\n\t"
        "stp d8, d9, [sp, #96]\n\t"
        "stp d10, d11, [sp, #112]\n\t"
        "stp d12, d13, [sp, #128]\n\t"
        "stp d14, d15, [sp, #144]\n\t"
        "mrs x9, fpcr\n\t"
        "str x9, [sp, #160]\n\t"
        "mov x10, sp\n\t"
        "str x10, [x0]\n\t"
        "mov sp, x1\n\t"
        "ldr x10, [sp, #160]\n\t"
        "cmp x9, x10\n\t"
        "b.eq 1f\n\t"
        "msr fpcr, x10\n"
        "1:\n\t"
        "ldp x19, x20, [sp, #0]\n\t"
        "ldp x21, x22, [sp, #16]\n\t"
        "ldp x23, x24, [sp, #32]\n\t"
        "ldp x25, x26, [sp, #48]\n\t"
        "ldp x27, x28, [sp, #64]\n\t"
        "ldp x29, x30, [sp, #80]\n\t"
        "ldp d8, d9, [sp, #96]\n\t"
        "ldp d10, d11, [sp, #112]\n\t"
        "ldp d12, d13, [sp, #128]\n\t"
        "ldp d14, d15, [sp, #144]\n\t"
        "add sp, sp, #176\n\t"
        "ret\n"
        ".size rn_context_switch, . - rn_context_switch\n"
        ".popsection\n"
        /* Where a new context begins; the frame chain ends here. */
        ".pushsection .text.rn_context_start, \"ax\", @progbits\n"
        ".globl rn_context_start\n"
        ".hidden rn_context_start\n"
        ".type rn_context_start, @function\n"
        "rn_context_start:\n\t"
        "mov x0, x20\n\t"
        "blr x19\n\t"
        "brk #0\n"
        ".size rn_context_start, . - rn_context_start\n"
        ".popsection\n");

void rn_context_start(void);

/* What rn_context_switch leaves on the stack, from the stack pointer up. */
struct saved {
    void *run, *argument; /* x19, x20 */
    void *registers[8];
    void *frame; /* x29 */
    void (*resume)(void);
    double vectors[8];
    uint64_t fpcr;
    uint64_t unused;
};

static inline void saved_set(struct saved *saved, void (*run)(void *), void *argument)
{
    saved->argument = argument;
    saved->run = (void *)(uintptr_t)run;
    saved->resume = rn_context_start;
}

bool rn_shadow_stack_active(void)
{
    register uint64_t feature __asm__("x16") = 1; /* the guarded control stack */
    __asm__ volatile("hint #40" : "+r"(feature)); /* chkfeat: clears what is enabled */
    return feature == 0;
}

uintptr_t rn_valgrind_request(uintptr_t request, uintptr_t a, uintptr_t b)
{
    uintptr_t arguments[6] = {request, a, b, 0, 0, 0};
    register uintptr_t result __asm__("x3") = 0;
    register uintptr_t *at __asm__("x4") = arguments;
    __asm__ volatile("ror x12, x12, #3\n\t"
                     "ror x12, x12, #13\n\t"
                     "ror x12, x12, #51\n\t"
                     "ror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(result)
                     : "r"(at)
                     : "memory");
    return result;
}
