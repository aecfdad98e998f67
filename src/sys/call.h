/*
 * sys/call.h: rn_syscall0 to rn_syscall6: straight into the kernel in freestanding builds; hosted,
 * through one function, since a simulated machine may be in the kernel's place.
 *
 * Built with -DRN_SYSCALL_HOOK they go through another one, so that a test can make any call fail
 * or be slow. It is weak: the test defines its own, which ends in rn_raw_syscall6.
 */
#ifndef SYS_CALL_H
#define SYS_CALL_H

#include "sys/abi.h"

#if defined(RN_FREESTANDING) && !defined(RN_SYSCALL_HOOK)

#define rn_syscall0 rn_raw_syscall0
#define rn_syscall1 rn_raw_syscall1
#define rn_syscall2 rn_raw_syscall2
#define rn_syscall3 rn_raw_syscall3
#define rn_syscall4 rn_raw_syscall4
#define rn_syscall5 rn_raw_syscall5
#define rn_syscall6 rn_raw_syscall6

#else

#ifdef RN_SYSCALL_HOOK
#define rn_system_call rn_syscall_hook
#endif
long rn_system_call(long nr, long a, long b, long c, long d, long e, long f);

#define rn_syscall0(nr)                   rn_system_call(nr, 0, 0, 0, 0, 0, 0)
#define rn_syscall1(nr, a)                rn_system_call(nr, a, 0, 0, 0, 0, 0)
#define rn_syscall2(nr, a, b)             rn_system_call(nr, a, b, 0, 0, 0, 0)
#define rn_syscall3(nr, a, b, c)          rn_system_call(nr, a, b, c, 0, 0, 0)
#define rn_syscall4(nr, a, b, c, d)       rn_system_call(nr, a, b, c, d, 0, 0)
#define rn_syscall5(nr, a, b, c, d, e)    rn_system_call(nr, a, b, c, d, e, 0)
#define rn_syscall6(nr, a, b, c, d, e, f) rn_system_call(nr, a, b, c, d, e, f)

#endif

#endif
