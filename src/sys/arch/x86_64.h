/*
 * sys/arch/x86_64.h: the part of the kernel's interface that is x86-64's own.
 * System calls: number in rax, arguments in rdi rsi rdx r10 r8 r9, -errno in rax; rcx and r11 go.
 */
#ifndef SYS_ARCH_H
#define SYS_ARCH_H

#define RN_NR_READ               0
#define RN_NR_WRITE              1
#define RN_NR_READV              19
#define RN_NR_WRITEV             20
#define RN_NR_LSEEK              8
#define RN_NR_PREAD64            17
#define RN_NR_PWRITE64           18
#define RN_NR_CLOSE              3
#define RN_NR_OPENAT             257
#define RN_NR_OPENAT2            437
#define RN_NR_STATX              332
#define RN_NR_GETDENTS64         217
#define RN_NR_SOCKET             41
#define RN_NR_BIND               49
#define RN_NR_LISTEN             50
#define RN_NR_ACCEPT4            288
#define RN_NR_CONNECT            42
#define RN_NR_SHUTDOWN           48
#define RN_NR_GETSOCKNAME        51
#define RN_NR_GETPEERNAME        52
#define RN_NR_SETSOCKOPT         54
#define RN_NR_GETSOCKOPT         55
#define RN_NR_SENDTO             44
#define RN_NR_RECVFROM           45
#define RN_NR_SENDMSG            46
#define RN_NR_RECVMSG            47
#define RN_NR_RECVMMSG           299
#define RN_NR_SENDMMSG           307
#define RN_NR_SENDFILE           40
#define RN_NR_SPLICE             275
#define RN_NR_PIPE2              293
#define RN_NR_EPOLL_CREATE1      291
#define RN_NR_EPOLL_CTL          233
#define RN_NR_EPOLL_PWAIT        281
#define RN_NR_EPOLL_PWAIT2       441
#define RN_NR_PPOLL              271
#define RN_NR_EVENTFD2           290
#define RN_NR_TIMERFD_CREATE     283
#define RN_NR_TIMERFD_SETTIME    286
#define RN_NR_SIGNALFD4          289
#define RN_NR_RT_SIGACTION       13
#define RN_NR_RT_SIGPROCMASK     14
#define RN_NR_RT_SIGTIMEDWAIT    128
#define RN_NR_KILL               62
#define RN_NR_TGKILL             234
#define RN_NR_GETPID             39
#define RN_NR_GETTID             186
#define RN_NR_IO_URING_SETUP     425
#define RN_NR_IO_URING_ENTER     426
#define RN_NR_IO_URING_REGISTER  427
#define RN_NR_MMAP               9
#define RN_NR_MUNMAP             11
#define RN_NR_MPROTECT           10
#define RN_NR_MADVISE            28
#define RN_NR_MREMAP             25
#define RN_NR_FUTEX              202
#define RN_NR_PRLIMIT64          302
#define RN_NR_GETRANDOM          318
#define RN_NR_CLOCK_GETTIME      228
#define RN_NR_CLOCK_NANOSLEEP    230
#define RN_NR_NANOSLEEP          35
#define RN_NR_SCHED_GETAFFINITY  204
#define RN_NR_SCHED_SETAFFINITY  203
#define RN_NR_SCHED_YIELD        24
#define RN_NR_EXIT               60
#define RN_NR_EXIT_GROUP         231
#define RN_NR_CLONE              56
#define RN_NR_UNLINKAT           263
#define RN_NR_FCHMODAT           268
#define RN_NR_FCNTL              72
#define RN_NR_FTRUNCATE          77
#define RN_NR_DUP3               292
#define RN_NR_UNAME              63
#define RN_NR_PRCTL              157
#define RN_NR_IOCTL              16
#define RN_NR_ARCH_PRCTL         158
#define RN_NR_FSTAT              5
#define RN_NR_LSEEK              8
#define RN_NR_SOCKETPAIR         53
#define RN_NR_MEMFD_CREATE       319
#define RN_NR_MKDIRAT            258
#define RN_NR_MKNODAT            259
#define RN_NR_SYMLINKAT          266
#define RN_NR_EXECVE             59
#define RN_NR_READLINKAT         267
#define RN_NR_FSYNC              74
#define RN_NR_FDATASYNC          75
#define RN_NR_RENAMEAT2         316
#define RN_NR_UTIMENSAT         280
#define RN_NR_UMASK              95
#define RN_NR_FSETXATTR         190
#define RN_NR_FGETXATTR         193
#define RN_NR_FREMOVEXATTR      199
#define RN_NR_FLOCK             73
#define RN_NR_SETGROUPS          116
#define RN_NR_SETRESUID          117
#define RN_NR_SETRESGID          119
#define RN_NR_SECCOMP            317
#define RN_NR_RESTART_SYSCALL    219
#define RN_NR_LANDLOCK_CREATE_RULESET  444
#define RN_NR_LANDLOCK_ADD_RULE        445
#define RN_NR_LANDLOCK_RESTRICT_SELF   446

#define RN_K_AUDIT_ARCH 0xc000003eu

#define RN_K_O_DIRECTORY 0x10000
#define RN_K_O_NOFOLLOW  0x20000
#define RN_K_O_DIRECT    0x4000
#define RN_K_O_TMPFILE   0x410000

#define RN_K_ARCH_SET_FS 0x1002

/* The kernel packs struct epoll_event on x86-64 so that 32-bit programs share its layout. */
#define RN_K_EPOLL_PACKED __attribute__((packed))

#define RN_VDSO_CLOCK_GETTIME "__vdso_clock_gettime"

static inline long rn_raw_syscall0(long nr)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rn_raw_syscall1(long nr, long a)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rn_raw_syscall2(long nr, long a, long b)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rn_raw_syscall3(long nr, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rn_raw_syscall4(long nr, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rn_raw_syscall5(long nr, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rn_raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* In a loop that waits for another core. */
static inline void rn_cpu_relax(void)
{
    __builtin_ia32_pause();
}

#endif
