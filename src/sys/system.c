/*
 * sys/system.c: memory, signals, randomness, processors: what is the same with and without a libc.
 */
#include "sys/sys.h"

#ifndef RN_FREESTANDING
const struct rn_stand_in *rn_stand_in;
#endif

#if !defined(RN_FREESTANDING) || defined(RN_SYSCALL_HOOK)
#ifdef RN_SYSCALL_HOOK
__attribute__((weak))
#endif
long rn_system_call(long nr, long a, long b, long c, long d, long e, long f)
{
#ifndef RN_FREESTANDING
    if (rn_stand_in) return rn_stand_in->call(nr, a, b, c, d, e, f);
#endif
    return rn_raw_syscall6(nr, a, b, c, d, e, f);
}
#endif

void rn_sys_exit(int code)
{
    rn_sys_exit_group(code);
}

void *rn_map(size_t bytes)
{
    /* As for a stack, the kernel uses no huge pages: what was never touched costs nothing. */
    long at = rn_sys_mmap(NULL, bytes, RN_K_PROT_READ | RN_K_PROT_WRITE,
                          RN_K_MAP_PRIVATE | RN_K_MAP_ANONYMOUS | RN_K_MAP_NORESERVE |
                              RN_K_MAP_STACK,
                          -1, 0);
    return at < 0 ? NULL : (void *)at;
}

void rn_unmap(void *at, size_t bytes)
{
    if (at) rn_assert(rn_sys_munmap(at, bytes) == 0);
}

uint64_t rn_random64(void)
{
    uint64_t value;
    long got;
    do got = rn_sys_getrandom(&value, sizeof value, 0);
    while (got == -RN_K_EINTR);
    /* It gives 8 bytes or none, and going on with predictable ones would be worse than stopping. */
    rn_assert(got == sizeof value);
    return value;
}

unsigned rn_cpu_count(void)
{
    /* 8,192 is the most that the kernel can be built for on these architectures (NR_CPUS). */
    uint64_t mask[8192 / 64];
    unsigned count = 0;
    long size = rn_sys_sched_getaffinity(0, sizeof mask, mask);
    for (long i = 0; i < size / 8; i++)
        for (uint64_t word = mask[i]; word; word &= word - 1) count++;
    return count ? count : 1;
}

void rn_signals_block(uint64_t mask)
{
    rn_assert(rn_sys_rt_sigprocmask(RN_K_SIG_BLOCK, &mask, NULL) == 0);
}

int rn_signals_wait(uint64_t mask, rn_ns timeout)
{
    struct rn_k_timespec limit = rn_timespec_of(timeout);
    return rn_sys_rt_sigtimedwait(&mask, NULL, timeout == RN_NEVER ? NULL : &limit);
}

void rn_signal_ignore(int signal)
{
    struct rn_k_sigaction action = {.handler = RN_K_SIG_IGN};
    rn_assert(rn_sys_rt_sigaction(signal, &action, NULL) == 0);
}
