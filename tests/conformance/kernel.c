/*
 * conformance/kernel.c: the real kernel or a simulated one.
 */
#include "kernel.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <runnel/sim.h>

#include "sys/start.h"
#include "sys/sys.h"

static struct rn_sim *sim;
static int (*real_clock)(int clock, struct rn_k_timespec *time);

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
    return sim ? rn_sim_syscall(sim, nr, a, b, c, d, e, f)
               : rn_raw_syscall6(nr, a, b, c, d, e, f);
}

#ifdef RN_SYSCALL_HOOK
long rn_syscall_hook(long nr, long a, long b, long c, long d, long e, long f)
{
    return call(nr, a, b, c, d, e, f);
}
#endif

static int simulated_clock(int clock, struct rn_k_timespec *time)
{
    return (int)rn_sim_syscall(sim, RN_NR_CLOCK_GETTIME, clock, (long)time, 0, 0, 0, 0);
}

static void stuck(void *context, const char *why)
{
    fail_msg("%s", why);
}

/* What the tests expect of any machine. */
static void furnish(void)
{
    static const char *const directories[] = {"/proc", "/proc/self", "/dev", "/tmp"};
    static const char *const files[] = {"/proc/self/comm", "/dev/null"};
    for (unsigned i = 0; i < RN_COUNT(directories); i++)
        assert_int_equal(call(RN_NR_MKDIRAT, AT_FDCWD, (long)directories[i], 0755, 0, 0, 0), 0);
    for (unsigned i = 0; i < RN_COUNT(files); i++) {
        long fd = call(RN_NR_OPENAT, AT_FDCWD, (long)files[i], O_CREAT | O_RDWR, 0644, 0, 0);
        assert_true(fd >= 0);
        if (i == 0) assert_int_equal(kernel_write((int)fd, "conformance\n", 12), 12);
        kernel_close((int)fd);
    }
}

void kernel_begin(bool simulated)
{
    const struct rn_sim_options options = {
        .seed = 1,
        .descriptors = 4096,
        .faults = {.delay_max = 2 * RN_MICROSECOND},
        .calls_max = 10000000,
        .stuck = stuck,
    };
    if (!simulated) return;
    assert_int_equal(rn_sim_new(&sim, &options), 0);
    rn_sim_enter(sim);
    real_clock = rn_clock_source;
    rn_clock_source = simulated_clock;
    furnish();
}

void kernel_end(void)
{
    if (!sim) return;
    rn_clock_source = real_clock;
    rn_sim_free(sim);
    sim = NULL;
}

bool kernel_is_simulated(void)
{
    return sim;
}

unsigned kernel_descriptors(void)
{
    unsigned count = 0;
    if (sim) return rn_sim_descriptors(sim);
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

void kernel_mkdtemp(char *path)
{
    if (!sim) assert_non_null(mkdtemp(path));
    else assert_int_equal(call(RN_NR_MKDIRAT, AT_FDCWD, (long)path, 0700, 0, 0, 0), 0);
}

void kernel_rmdir(const char *path)
{
    assert_int_equal(kernel_unlinkat(AT_FDCWD, path, AT_REMOVEDIR), 0);
}

int kernel_socket(int family, int type, int protocol)
{
    return (int)call(RN_NR_SOCKET, family, type, protocol, 0, 0, 0);
}

int kernel_socketpair(int family, int type, int protocol, int fds[2])
{
    return (int)call(RN_NR_SOCKETPAIR, family, type, protocol, (long)fds, 0, 0);
}

int kernel_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)call(RN_NR_BIND, fd, (long)address, len, 0, 0, 0);
}

int kernel_listen(int fd, int backlog)
{
    return (int)call(RN_NR_LISTEN, fd, backlog, 0, 0, 0, 0);
}

int kernel_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)call(RN_NR_CONNECT, fd, (long)address, len, 0, 0, 0);
}

int kernel_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)call(RN_NR_GETSOCKNAME, fd, (long)address, (long)len, 0, 0, 0);
}

int kernel_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    return (int)call(RN_NR_SETSOCKOPT, fd, level, option, (long)value, len, 0);
}

ssize_t kernel_send(int fd, const void *from, size_t len, int flags)
{
    return kernel_sendto(fd, from, len, flags, NULL, 0);
}

ssize_t kernel_sendto(int fd, const void *from, size_t len, int flags,
                      const struct sockaddr *address, socklen_t address_len)
{
    return call(RN_NR_SENDTO, fd, (long)from, (long)len, flags, (long)address, address_len);
}

ssize_t kernel_recv(int fd, void *to, size_t len, int flags)
{
    return call(RN_NR_RECVFROM, fd, (long)to, (long)len, flags, 0, 0);
}

ssize_t kernel_read(int fd, void *to, size_t len)
{
    return call(RN_NR_READ, fd, (long)to, (long)len, 0, 0, 0);
}

ssize_t kernel_write(int fd, const void *from, size_t len)
{
    return call(RN_NR_WRITE, fd, (long)from, (long)len, 0, 0, 0);
}

ssize_t kernel_pwrite(int fd, const void *from, size_t len, off_t offset)
{
    return call(RN_NR_PWRITE64, fd, (long)from, (long)len, offset, 0, 0);
}

off_t kernel_lseek(int fd, off_t offset, int whence)
{
    return call(RN_NR_LSEEK, fd, offset, whence, 0, 0, 0);
}

int kernel_close(int fd)
{
    return (int)call(RN_NR_CLOSE, fd, 0, 0, 0, 0, 0);
}

int kernel_dup(int fd)
{
    return (int)call(RN_NR_FCNTL, fd, F_DUPFD, 0, 0, 0, 0);
}

int kernel_fcntl(int fd, int command)
{
    return (int)call(RN_NR_FCNTL, fd, command, 0, 0, 0, 0);
}

int kernel_pipe2(int fds[2], int flags)
{
    return (int)call(RN_NR_PIPE2, (long)fds, flags, 0, 0, 0, 0);
}

int kernel_memfd_create(const char *name, unsigned flags)
{
    return (int)call(RN_NR_MEMFD_CREATE, (long)name, flags, 0, 0, 0, 0);
}

int kernel_ftruncate(int fd, off_t size)
{
    return (int)call(RN_NR_FTRUNCATE, fd, size, 0, 0, 0, 0);
}

int kernel_unlinkat(int dir, const char *path, int flags)
{
    return (int)call(RN_NR_UNLINKAT, dir, (long)path, flags, 0, 0, 0);
}

int kernel_getrlimit(int resource, struct rlimit *limit)
{
    return (int)call(RN_NR_PRLIMIT64, 0, resource, 0, (long)limit, 0, 0);
}

int kernel_setrlimit(int resource, const struct rlimit *limit)
{
    return (int)call(RN_NR_PRLIMIT64, 0, resource, (long)limit, 0, 0, 0);
}
