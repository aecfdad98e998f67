/*
 * sys/arch/context_x86_64.h: switching stacks. System V ABI for AMD64, 3.2.1: rbx, rbp, r12 to r15,
 * the control bits of mxcsr and the x87 control word belong to the caller of a function. The two
 * control registers are slow to load, so they are only where they differ.
 */
__asm__(".pushsection .text.rn_context_switch, \"ax\", @progbits\n"
        ".globl rn_context_switch\n"
        ".hidden rn_context_switch\n"
        ".type rn_context_switch, @function\n"
        ".balign 32\n"
        "rn_context_switch:\n\t"
        "endbr64\n\t"
        "pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "subq $8, %rsp\n\t"
        "stmxcsr (%rsp)\n\t"
        "fnstcw 4(%rsp)\n\t"
        "movl (%rsp), %eax\n\t"
        "movzwl 4(%rsp), %ecx\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rsp\n\t"
        "cmpl %eax, (%rsp)\n\t"
        "jne 2f\n"
        "1:\n\t"
        "cmpw %cx, 4(%rsp)\n\t"
        "jne 3f\n"
        "4:\n\t"
        "addq $8, %rsp\n\t"
        "popq %r15\n\t"
        "popq %r14\n\t"
        "popq %r13\n\t"
        "popq %r12\n\t"
        "popq %rbx\n\t"
        "popq %rbp\n\t"
        "popq %rdx\n\t"
        "notrack jmp *%rdx\n" /* a ret would be predicted to go back to who called this */
        "2:\n\t"
        "ldmxcsr (%rsp)\n\t"
        "jmp 1b\n"
        "3:\n\t"
        "fldcw 4(%rsp)\n\t"
        "jmp 4b\n"
        ".size rn_context_switch, . - rn_context_switch\n"
        ".popsection\n"
        /* Where a new context begins; the frame chain ends here. */
        ".pushsection .text.rn_context_start, \"ax\", @progbits\n"
        ".globl rn_context_start\n"
        ".hidden rn_context_start\n"
        ".type rn_context_start, @function\n"
        "rn_context_start:\n\t"
        "endbr64\n\t"
        "movq %r13, %rdi\n\t"
        "call *%r12\n\t"
        "ud2\n"
        ".size rn_context_start, . - rn_context_start\n"
        ".popsection\n");

void rn_context_start(void);

/* What rn_context_switch leaves on the stack, from the stack pointer up. */
struct saved {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t unused;
    void *r15, *r14, *argument, *run, *rbx, *rbp;
    void (*resume)(void);
};

static inline void saved_set(struct saved *saved, void (*run)(void *), void *argument)
{
    /* The modes that a program starts with, 3.4.1. */
    saved->mxcsr = 0x1f80;
    saved->x87_control = 0x037f;
    saved->argument = argument;
    saved->run = (void *)(uintptr_t)run;
    saved->resume = rn_context_start;
}

bool rn_shadow_stack_active(void)
{
    uintptr_t pointer = 0; /* rdsspq does nothing where there is none */
    __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" : "+a"(pointer));
    return pointer;
}

uintptr_t rn_valgrind_request(uintptr_t request, uintptr_t a, uintptr_t b)
{
    uintptr_t arguments[6] = {request, a, b, 0, 0, 0}, result = 0;
    __asm__ volatile("rolq $3, %%rdi\n\t"
                     "rolq $13, %%rdi\n\t"
                     "rolq $61, %%rdi\n\t"
                     "rolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(result)
                     : "a"(arguments)
                     : "memory", "cc");
    return result;
}
