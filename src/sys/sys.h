/*
 * sys/sys.h: the operating system as the other layers see it, the same in both builds.
 *
 * First the system calls, thin and without a global errno: each returns what the kernel returns, a
 * count, a descriptor or 0, or -errno. Then what takes more than one system call: clocks, threads,
 * signals, memory, and the program's start.
 */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include <runnel/base.h>
#include "sys/abi.h"
#include "sys/call.h"

/* Descriptors and files. */

static inline long rn_sys_read(int fd, void *to, size_t len)
{
    return rn_syscall3(RN_NR_READ, fd, (long)to, (long)len);
}

static inline long rn_sys_write(int fd, const void *from, size_t len)
{
    return rn_syscall3(RN_NR_WRITE, fd, (long)from, (long)len);
}

static inline int64_t rn_sys_lseek(int fd, int64_t offset, int from)
{
    return rn_syscall3(RN_NR_LSEEK, fd, offset, from);
}

static inline long rn_sys_pread(int fd, void *to, size_t len, uint64_t offset)
{
    return rn_syscall4(RN_NR_PREAD64, fd, (long)to, (long)len, (long)offset);
}

/* The descriptor is gone whatever this returns, -EINTR too. */
static inline int rn_sys_close(int fd)
{
    return (int)rn_syscall1(RN_NR_CLOSE, fd);
}

static inline int rn_sys_openat(int dir, const char *path, int flags, uint32_t mode)
{
    return (int)rn_syscall4(RN_NR_OPENAT, dir, (long)path, flags, (long)mode);
}

static inline int rn_sys_openat2(int dir, const char *path, const struct rn_k_open_how *how)
{
    return (int)rn_syscall4(RN_NR_OPENAT2, dir, (long)path, (long)how, sizeof *how);
}

/* With an empty path and RN_K_AT_EMPTY_PATH: of dir itself. */
static inline int rn_sys_statx(int dir, const char *path, int flags, uint32_t mask,
                               struct rn_k_statx *info)
{
    return (int)rn_syscall5(RN_NR_STATX, dir, (long)path, flags, (long)mask, (long)info);
}

static inline long rn_sys_getdents64(int fd, void *to, size_t len)
{
    return rn_syscall3(RN_NR_GETDENTS64, fd, (long)to, (long)len);
}

/* Advances *offset, or the descriptor's own offset when NULL. */
static inline long rn_sys_sendfile(int to, int from, uint64_t *offset, size_t len)
{
    return rn_syscall4(RN_NR_SENDFILE, to, from, (long)offset, (long)len);
}

static inline int rn_sys_pipe2(int fds[2], int flags)
{
    return (int)rn_syscall2(RN_NR_PIPE2, (long)fds, flags);
}

/* Without a 0 at the end. */
static inline long rn_sys_readlinkat(int dir, const char *path, char *to, size_t len)
{
    return rn_syscall4(RN_NR_READLINKAT, dir, (long)path, (long)to, (long)len);
}

static inline int rn_sys_unlinkat(int dir, const char *path, int flags)
{
    return (int)rn_syscall3(RN_NR_UNLINKAT, dir, (long)path, flags);
}

static inline int rn_sys_renameat2(int from_dir, const char *from, int to_dir, const char *to,
                                   uint32_t flags)
{
    return (int)rn_syscall5(RN_NR_RENAMEAT2, from_dir, (long)from, to_dir, (long)to, (long)flags);
}

static inline int rn_sys_ftruncate(int fd, uint64_t len)
{
    return (int)rn_syscall2(RN_NR_FTRUNCATE, fd, (long)len);
}

static inline int rn_sys_flock(int fd, int what)
{
    return (int)rn_syscall2(RN_NR_FLOCK, fd, what);
}

/* Of the open file: when it was last read and last modified. */
static inline int rn_sys_futimens(int fd, const struct rn_k_timespec times[2])
{
    return (int)rn_syscall4(RN_NR_UTIMENSAT, fd, 0, (long)times, 0);
}

/* An extended attribute, xattr(7). */
static inline int rn_sys_fsetxattr(int fd, const char *name, const void *value, size_t len)
{
    return (int)rn_syscall5(RN_NR_FSETXATTR, fd, (long)name, (long)value, (long)len, 0);
}

static inline long rn_sys_fgetxattr(int fd, const char *name, void *to, size_t len)
{
    return rn_syscall4(RN_NR_FGETXATTR, fd, (long)name, (long)to, (long)len);
}

static inline int rn_sys_fremovexattr(int fd, const char *name)
{
    return (int)rn_syscall2(RN_NR_FREMOVEXATTR, fd, (long)name);
}

/* Follows symbolic links. */
static inline int rn_sys_fchmodat(int dir, const char *path, uint32_t mode)
{
    return (int)rn_syscall3(RN_NR_FCHMODAT, dir, (long)path, (long)mode);
}

static inline int rn_sys_fcntl(int fd, int command, long argument)
{
    return (int)rn_syscall3(RN_NR_FCNTL, fd, command, argument);
}

static inline int rn_sys_ioctl(int fd, unsigned long what, long argument)
{
    return (int)rn_syscall3(RN_NR_IOCTL, fd, (long)what, argument);
}

static inline int rn_sys_dup3(int fd, int as, int flags)
{
    return (int)rn_syscall3(RN_NR_DUP3, fd, as, flags);
}

/* Sockets. An address is any struct rn_k_sockaddr_*, with its length in bytes. */

static inline int rn_sys_socket(int family, int type, int protocol)
{
    return (int)rn_syscall3(RN_NR_SOCKET, family, type, protocol);
}

static inline int rn_sys_bind(int fd, const void *address, uint32_t len)
{
    return (int)rn_syscall3(RN_NR_BIND, fd, (long)address, (long)len);
}

static inline int rn_sys_listen(int fd, int backlog)
{
    return (int)rn_syscall2(RN_NR_LISTEN, fd, backlog);
}

static inline int rn_sys_accept4(int fd, void *address, uint32_t *len, int flags)
{
    return (int)rn_syscall4(RN_NR_ACCEPT4, fd, (long)address, (long)len, flags);
}

static inline int rn_sys_connect(int fd, const void *address, uint32_t len)
{
    return (int)rn_syscall3(RN_NR_CONNECT, fd, (long)address, (long)len);
}

static inline int rn_sys_shutdown(int fd, int how)
{
    return (int)rn_syscall2(RN_NR_SHUTDOWN, fd, how);
}

static inline int rn_sys_getsockname(int fd, void *address, uint32_t *len)
{
    return (int)rn_syscall3(RN_NR_GETSOCKNAME, fd, (long)address, (long)len);
}

static inline int rn_sys_getpeername(int fd, void *address, uint32_t *len)
{
    return (int)rn_syscall3(RN_NR_GETPEERNAME, fd, (long)address, (long)len);
}

static inline int rn_sys_setsockopt(int fd, int level, int option, const void *value, uint32_t len)
{
    return (int)rn_syscall5(RN_NR_SETSOCKOPT, fd, level, option, (long)value, (long)len);
}

static inline int rn_sys_getsockopt(int fd, int level, int option, void *value, uint32_t *len)
{
    return (int)rn_syscall5(RN_NR_GETSOCKOPT, fd, level, option, (long)value, (long)len);
}

static inline long rn_sys_sendto(int fd, const void *from, size_t len, int flags,
                                 const void *address, uint32_t address_len)
{
    return rn_syscall6(RN_NR_SENDTO, fd, (long)from, (long)len, flags, (long)address,
                       (long)address_len);
}

static inline long rn_sys_send(int fd, const void *from, size_t len, int flags)
{
    return rn_sys_sendto(fd, from, len, flags, NULL, 0);
}

static inline long rn_sys_recvfrom(int fd, void *to, size_t len, int flags, void *address,
                                   uint32_t *address_len)
{
    return rn_syscall6(RN_NR_RECVFROM, fd, (long)to, (long)len, flags, (long)address,
                       (long)address_len);
}

static inline long rn_sys_recv(int fd, void *to, size_t len, int flags)
{
    return rn_sys_recvfrom(fd, to, len, flags, NULL, NULL);
}

static inline long rn_sys_sendmsg(int fd, const struct rn_k_msghdr *message, int flags)
{
    return rn_syscall3(RN_NR_SENDMSG, fd, (long)message, flags);
}

static inline long rn_sys_recvmsg(int fd, struct rn_k_msghdr *message, int flags)
{
    return rn_syscall3(RN_NR_RECVMSG, fd, (long)message, flags);
}

/* Readiness. A NULL timeout waits without end; a NULL signal mask leaves the thread's own. */

static inline int rn_sys_epoll_create1(int flags)
{
    return (int)rn_syscall1(RN_NR_EPOLL_CREATE1, flags);
}

static inline int rn_sys_epoll_ctl(int epoll, int what, int fd, struct rn_k_epoll_event *event)
{
    return (int)rn_syscall4(RN_NR_EPOLL_CTL, epoll, what, fd, (long)event);
}

static inline int rn_sys_epoll_pwait(int epoll, struct rn_k_epoll_event *events, int max,
                                     int timeout_ms, const uint64_t *mask)
{
    return (int)rn_syscall6(RN_NR_EPOLL_PWAIT, epoll, (long)events, max, timeout_ms, (long)mask,
                            RN_K_SIGSET_SIZE);
}

/* Nanosecond timeouts, since Linux 5.11: -ENOSYS before, and the caller falls back to the above. */
static inline int rn_sys_epoll_pwait2(int epoll, struct rn_k_epoll_event *events, int max,
                                      const struct rn_k_timespec *timeout, const uint64_t *mask)
{
    return (int)rn_syscall6(RN_NR_EPOLL_PWAIT2, epoll, (long)events, max, (long)timeout, (long)mask,
                            RN_K_SIGSET_SIZE);
}

/* The kernel writes the time that was left into *timeout. */
static inline int rn_sys_ppoll(struct rn_k_pollfd *fds, size_t count, struct rn_k_timespec *timeout,
                               const uint64_t *mask)
{
    return (int)rn_syscall5(RN_NR_PPOLL, (long)fds, (long)count, (long)timeout, (long)mask,
                            RN_K_SIGSET_SIZE);
}

static inline int rn_sys_eventfd2(uint32_t value, int flags)
{
    return (int)rn_syscall2(RN_NR_EVENTFD2, (long)value, flags);
}

/* io_uring. */

static inline int rn_sys_io_uring_setup(uint32_t entries, struct rn_k_io_uring_params *params)
{
    return (int)rn_syscall2(RN_NR_IO_URING_SETUP, (long)entries, (long)params);
}

/* argument: a signal set of size 8, or with RN_K_IORING_ENTER_EXT_ARG a getevents_arg. */
static inline int rn_sys_io_uring_enter(int fd, uint32_t to_submit, uint32_t min_complete,
                                        uint32_t flags, const void *argument, size_t size)
{
    return (int)rn_syscall6(RN_NR_IO_URING_ENTER, fd, (long)to_submit, (long)min_complete,
                            (long)flags, (long)argument, (long)size);
}

static inline int rn_sys_io_uring_register(int fd, uint32_t opcode, void *argument, uint32_t count)
{
    return (int)rn_syscall4(RN_NR_IO_URING_REGISTER, fd, (long)opcode, (long)argument, (long)count);
}

/* Memory. An address that is really -errno: rn_sys_mmap(...) > -4096UL. */

static inline long rn_sys_mmap(void *at, size_t len, int protection, int flags, int fd,
                               uint64_t offset)
{
    return rn_syscall6(RN_NR_MMAP, (long)at, (long)len, protection, flags, fd, (long)offset);
}

static inline int rn_sys_munmap(void *at, size_t len)
{
    return (int)rn_syscall2(RN_NR_MUNMAP, (long)at, (long)len);
}

static inline int rn_sys_mprotect(void *at, size_t len, int protection)
{
    return (int)rn_syscall3(RN_NR_MPROTECT, (long)at, (long)len, protection);
}

/* Signals, processes, threads. */

static inline int rn_sys_rt_sigaction(int signal, const struct rn_k_sigaction *action,
                                      struct rn_k_sigaction *old)
{
    return (int)rn_syscall4(RN_NR_RT_SIGACTION, signal, (long)action, (long)old, RN_K_SIGSET_SIZE);
}

static inline int rn_sys_rt_sigprocmask(int how, const uint64_t *mask, uint64_t *old)
{
    return (int)rn_syscall4(RN_NR_RT_SIGPROCMASK, how, (long)mask, (long)old, RN_K_SIGSET_SIZE);
}

static inline int rn_sys_rt_sigtimedwait(const uint64_t *mask, void *info,
                                         const struct rn_k_timespec *timeout)
{
    return (int)rn_syscall4(RN_NR_RT_SIGTIMEDWAIT, (long)mask, (long)info, (long)timeout,
                            RN_K_SIGSET_SIZE);
}

static inline int rn_sys_kill(int process, int signal)
{
    return (int)rn_syscall2(RN_NR_KILL, process, signal);
}

/* As fork(2), for a process of one thread. */
static inline int rn_sys_fork(void)
{
    return (int)rn_syscall5(RN_NR_CLONE, RN_K_SIGCHLD, 0, 0, 0, 0);
}

static inline int rn_sys_execve(const char *path, char *const *argv, const char *const *environment)
{
    return (int)rn_syscall3(RN_NR_EXECVE, (long)path, (long)argv, (long)environment);
}

static inline int rn_sys_getpid(void)
{
    return (int)rn_syscall0(RN_NR_GETPID);
}

static inline int rn_sys_gettid(void)
{
    return (int)rn_syscall0(RN_NR_GETTID);
}

/* Between threads of this process only. -EAGAIN: *word was not expected any more. */
static inline int rn_sys_futex_wait(const uint32_t *word, uint32_t expected,
                                    const struct rn_k_timespec *timeout)
{
    return (int)rn_syscall4(RN_NR_FUTEX, (long)word, RN_K_FUTEX_WAIT | RN_K_FUTEX_PRIVATE_FLAG,
                            (long)expected, (long)timeout);
}

static inline int rn_sys_futex_wake(const uint32_t *word, int count)
{
    return (int)rn_syscall3(RN_NR_FUTEX, (long)word, RN_K_FUTEX_WAKE | RN_K_FUTEX_PRIVATE_FLAG,
                            count);
}

static inline int rn_sys_prlimit64(int process, int resource, const struct rn_k_rlimit *limit,
                                   struct rn_k_rlimit *old)
{
    return (int)rn_syscall4(RN_NR_PRLIMIT64, process, resource, (long)limit, (long)old);
}

static inline long rn_sys_getrandom(void *to, size_t len, uint32_t flags)
{
    return rn_syscall3(RN_NR_GETRANDOM, (long)to, (long)len, (long)flags);
}

static inline int rn_sys_clock_gettime(int clock, struct rn_k_timespec *time)
{
    return (int)rn_syscall2(RN_NR_CLOCK_GETTIME, clock, (long)time);
}

static inline int rn_sys_nanosleep(const struct rn_k_timespec *time, struct rn_k_timespec *left)
{
    return (int)rn_syscall2(RN_NR_NANOSLEEP, (long)time, (long)left);
}

/* Returns how many bytes of the mask the kernel wrote. */
static inline long rn_sys_sched_getaffinity(int thread, size_t size, void *mask)
{
    return rn_syscall3(RN_NR_SCHED_GETAFFINITY, thread, (long)size, (long)mask);
}

static inline int rn_sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
                               unsigned long d)
{
    return (int)rn_syscall5(RN_NR_PRCTL, option, (long)a, (long)b, (long)c, (long)d);
}

static inline int rn_sys_setgroups(size_t count, const uint32_t *groups)
{
    return (int)rn_syscall2(RN_NR_SETGROUPS, (long)count, (long)groups);
}

/* Real, effective and saved; of the calling thread alone, setresuid(2). */
static inline int rn_sys_setresgid(uint32_t group)
{
    return (int)rn_syscall3(RN_NR_SETRESGID, (long)group, (long)group, (long)group);
}

static inline int rn_sys_setresuid(uint32_t user)
{
    return (int)rn_syscall3(RN_NR_SETRESUID, (long)user, (long)user, (long)user);
}

static inline int rn_sys_landlock_create_ruleset(const struct rn_k_landlock_ruleset *ruleset,
                                                 size_t size, uint32_t flags)
{
    return (int)rn_syscall3(RN_NR_LANDLOCK_CREATE_RULESET, (long)ruleset, (long)size, (long)flags);
}

static inline int rn_sys_landlock_add_rule(int ruleset, int type,
                                           const struct rn_k_landlock_path_beneath *rule)
{
    return (int)rn_syscall4(RN_NR_LANDLOCK_ADD_RULE, ruleset, type, (long)rule, 0);
}

/* Of the calling thread, and those it starts from now on. */
static inline int rn_sys_landlock_restrict_self(int ruleset, uint32_t flags)
{
    return (int)rn_syscall2(RN_NR_LANDLOCK_RESTRICT_SELF, ruleset, (long)flags);
}

static inline int rn_sys_seccomp(uint32_t operation, uint32_t flags, const void *argument)
{
    return (int)rn_syscall3(RN_NR_SECCOMP, (long)operation, (long)flags, (long)argument);
}

/* Ends the process with all its threads. Nothing is flushed: there is nothing to flush. */
__attribute__((noreturn)) static inline void rn_sys_exit_group(int code)
{
    for (;;) (void)rn_syscall1(RN_NR_EXIT_GROUP, code);
}

/* The same, as a function. In hosted builds without the libc's atexit handlers, as _exit(2). */
__attribute__((noreturn)) RN_COLD void rn_sys_exit(int code);

/* ------------------------------------------------------------------------------------------------
 * Clocks. Read without entering the kernel where it maps a vDSO, vdso(7).
 */

/* Nanoseconds since some point in the past; never goes back. */
rn_ns rn_clock_monotonic(void);

/* The same clock as of the last tick (1 to 10 ms ago), for a fraction of the price. */
rn_ns rn_clock_monotonic_coarse(void);

/* Seconds since 1970-01-01 UTC, as of the last tick. */
uint64_t rn_clock_realtime_seconds(void);

static inline struct rn_k_timespec rn_timespec_of(rn_ns time)
{
    struct rn_k_timespec value = {(int64_t)(time / RN_SECOND), (int64_t)(time % RN_SECOND)};
    return value;
}

/* ------------------------------------------------------------------------------------------------
 * Threads and their storage.
 */

/* A variable of which each thread has its own, initialised from the same constant. */
#define RN_THREAD_LOCAL _Thread_local RN_THREAD_LOCAL_MODEL
#ifdef RN_FREESTANDING
#define RN_THREAD_LOCAL_MODEL __attribute__((tls_model("local-exec")))
#else
#define RN_THREAD_LOCAL_MODEL
#endif

/* The caller leaves it in place until it has joined the thread. The fields are private. */
struct rn_thread {
    void (*run)(void *argument);
    void *argument;
    uintptr_t memory; /* hosted: the pthread_t; simulated: the number */
    size_t memory_size;
    uint32_t running; /* the kernel clears it and wakes the joiner */
};

/*
 * Runs run(argument) in a new thread, which ends when that returns. Its stack has at least
 * stack_size bytes, committed as they are used, above a page that traps an overflow. It inherits
 * the signals that the caller blocks. Returns 0, -ENOMEM, or -EAGAIN at the limit of threads.
 */
RN_MUST_USE int rn_thread_start(struct rn_thread *thread, void (*run)(void *), void *argument,
                                size_t stack_size);

/* Waits for its end and takes its memory back. Exactly once for each that was started. */
void rn_thread_join(struct rn_thread *thread);

#ifndef RN_FREESTANDING
/* What is in the place of the kernel and the libc while a simulated machine runs; NULL: nothing. */
struct rn_stand_in {
    long (*call)(long nr, long a, long b, long c, long d, long e, long f);
    int (*clock)(int clock, struct rn_k_timespec *time);
    int (*thread_start)(struct rn_thread *thread);
    void (*thread_join)(struct rn_thread *thread);
};
extern const struct rn_stand_in *rn_stand_in;
#endif

/* CPUs that this process may run on; at least 1. */
unsigned rn_cpu_count(void);

/* ------------------------------------------------------------------------------------------------
 * Memory, randomness.
 */

/* Zeroed private memory in whole pages, committed as it is touched. NULL when there is none. */
RN_MUST_USE void *rn_map(size_t bytes);

/* The same bytes as given to rn_map. NULL is fine. */
void rn_unmap(void *at, size_t bytes);

/* From the kernel's generator, getrandom(2): fit for keys. */
uint64_t rn_random64(void);

/* ------------------------------------------------------------------------------------------------
 * Signals, taken where the program asks for them: no handlers.
 */

#define RN_SIGNAL_BIT(signal) ((uint64_t)1 << ((signal)-1))

/* Blocks these (and more with each call) in this thread and in those that it starts from now on. */
void rn_signals_block(uint64_t mask);

/*
 * Takes one of these (which are blocked) when it is or becomes pending, and returns its number:
 * -EAGAIN when there was none for timeout nanoseconds (RN_NEVER: waits without end), -EINTR when
 * the wait was interrupted by something else, as stopping and continuing the process does.
 */
RN_MUST_USE int rn_signals_wait(uint64_t mask, rn_ns timeout);

/* SIGPIPE, for one: a write to a peer that is gone then says -EPIPE and no more. */
void rn_signal_ignore(int signal);

/* ------------------------------------------------------------------------------------------------
 * The program.
 */

/* What a program on this layer defines; its result is the exit code, of which 8 bits count. */
int rn_main(int argc, char **argv, char **envp);

/*
 * Once in the file that defines rn_main, without a semicolon. In hosted builds the libc calls
 * main(), and a library must not hold one, since its user's program has its own.
 */
#ifdef RN_FREESTANDING
#define RN_PROGRAM_MAIN
#else
#define RN_PROGRAM_MAIN                                                                            \
    int main(int argc, char **argv, char **envp);                                                  \
    int main(int argc, char **argv, char **envp)                                                   \
    {                                                                                              \
        return rn_main(argc, argv, envp);                                                          \
    }
#endif

#endif
