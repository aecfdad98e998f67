/*
 * sys/arch/aarch64.h: the part of the kernel's interface that is 64-bit ARM's own.
 * System calls: number in x8, arguments in x0 to x5, -errno in x0; the other registers are kept.
 */
#ifndef SYS_ARCH_H
#define SYS_ARCH_H

#define RN_NR_READ               63
#define RN_NR_WRITE              64
#define RN_NR_READV              65
#define RN_NR_WRITEV             66
#define RN_NR_LSEEK              62
#define RN_NR_PREAD64            67
#define RN_NR_PWRITE64           68
#define RN_NR_CLOSE              57
#define RN_NR_OPENAT             56
#define RN_NR_OPENAT2            437
#define RN_NR_STATX              291
#define RN_NR_GETDENTS64         61
#define RN_NR_SOCKET             198
#define RN_NR_BIND               200
#define RN_NR_LISTEN             201
#define RN_NR_ACCEPT4            242
#define RN_NR_CONNECT            203
#define RN_NR_SHUTDOWN           210
#define RN_NR_GETSOCKNAME        204
#define RN_NR_GETPEERNAME        205
#define RN_NR_SETSOCKOPT         208
#define RN_NR_GETSOCKOPT         209
#define RN_NR_SENDTO             206
#define RN_NR_RECVFROM           207
#define RN_NR_SENDMSG            211
#define RN_NR_RECVMSG            212
#define RN_NR_RECVMMSG           243
#define RN_NR_SENDMMSG           269
#define RN_NR_SENDFILE           71
#define RN_NR_SPLICE             76
#define RN_NR_PIPE2              59
#define RN_NR_EPOLL_CREATE1      20
#define RN_NR_EPOLL_CTL          21
#define RN_NR_EPOLL_PWAIT        22
#define RN_NR_EPOLL_PWAIT2       441
#define RN_NR_PPOLL              73
#define RN_NR_EVENTFD2           19
#define RN_NR_TIMERFD_CREATE     85
#define RN_NR_TIMERFD_SETTIME    86
#define RN_NR_SIGNALFD4          74
#define RN_NR_RT_SIGACTION       134
#define RN_NR_RT_SIGPROCMASK     135
#define RN_NR_RT_SIGTIMEDWAIT    137
#define RN_NR_KILL               129
#define RN_NR_TGKILL             131
#define RN_NR_GETPID             172
#define RN_NR_GETTID             178
#define RN_NR_IO_URING_SETUP     425
#define RN_NR_IO_URING_ENTER     426
#define RN_NR_IO_URING_REGISTER  427
#define RN_NR_MMAP               222
#define RN_NR_MUNMAP             215
#define RN_NR_MPROTECT           226
#define RN_NR_MADVISE            233
#define RN_NR_MREMAP             216
#define RN_NR_FUTEX              98
#define RN_NR_PRLIMIT64          261
#define RN_NR_GETRANDOM          278
#define RN_NR_CLOCK_GETTIME      113
#define RN_NR_CLOCK_NANOSLEEP    115
#define RN_NR_NANOSLEEP          101
#define RN_NR_SCHED_GETAFFINITY  123
#define RN_NR_SCHED_SETAFFINITY  122
#define RN_NR_SCHED_YIELD        124
#define RN_NR_EXIT               93
#define RN_NR_EXIT_GROUP         94
#define RN_NR_CLONE              220
#define RN_NR_UNLINKAT           35
#define RN_NR_FCHMODAT           53
#define RN_NR_FCNTL              25
#define RN_NR_FTRUNCATE          46
#define RN_NR_DUP3               24
#define RN_NR_UNAME              160
#define RN_NR_PRCTL              167
#define RN_NR_IOCTL              29
#define RN_NR_FSTAT              80
#define RN_NR_LSEEK              62
#define RN_NR_SOCKETPAIR         199
#define RN_NR_MEMFD_CREATE       279
#define RN_NR_MKNODAT            33
#define RN_NR_MKDIRAT            34
#define RN_NR_SYMLINKAT          36
#define RN_NR_EXECVE             221
#define RN_NR_READLINKAT         78
#define RN_NR_FSYNC              82
#define RN_NR_FDATASYNC          83
#define RN_NR_RENAMEAT2         276
#define RN_NR_UTIMENSAT         88
#define RN_NR_UMASK              166
#define RN_NR_FSETXATTR         7
#define RN_NR_FGETXATTR         10
#define RN_NR_FREMOVEXATTR      16
#define RN_NR_FLOCK             32
#define RN_NR_SETGROUPS          159
#define RN_NR_SETRESUID          147
#define RN_NR_SETRESGID          149
#define RN_NR_SECCOMP            277
#define RN_NR_RESTART_SYSCALL    128
#define RN_NR_LANDLOCK_CREATE_RULESET  444
#define RN_NR_LANDLOCK_ADD_RULE        445
#define RN_NR_LANDLOCK_RESTRICT_SELF   446

#define RN_K_AUDIT_ARCH 0xc00000b7u

#define RN_K_O_DIRECTORY 0x4000
#define RN_K_O_NOFOLLOW  0x8000
#define RN_K_O_DIRECT    0x10000
#define RN_K_O_TMPFILE   0x404000

#define RN_K_PROT_BTI    0x10
#define RN_K_HWCAP2_BTI  (1 << 17)

#define RN_K_EPOLL_PACKED

#define RN_VDSO_CLOCK_GETTIME "__kernel_clock_gettime"

static inline long rn_raw_syscall0(long nr)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0");
    __asm__ volatile("svc 0"
                     : "=r"(x0)
                     : "r"(x8)
                     : "memory", "cc");
    return x0;
}

static inline long rn_raw_syscall1(long nr, long a)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8)
                     : "memory", "cc");
    return x0;
}

static inline long rn_raw_syscall2(long nr, long a, long b)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1)
                     : "memory", "cc");
    return x0;
}

static inline long rn_raw_syscall3(long nr, long a, long b, long c)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2)
                     : "memory", "cc");
    return x0;
}

static inline long rn_raw_syscall4(long nr, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
                     : "memory", "cc");
    return x0;
}

static inline long rn_raw_syscall5(long nr, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory", "cc");
    return x0;
}

static inline long rn_raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory", "cc");
    return x0;
}

/* In a loop that waits for another core. */
static inline void rn_cpu_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

#endif
