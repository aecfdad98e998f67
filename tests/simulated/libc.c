/*
 * simulated/libc.c: the calls of a test to its libc, which the linker sends here: to the machine
 * that is under the program, as the library's own go. simulated.mk has their names.
 */
#include "worlds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "sys/sys.h"

/* As a libc has it: -1, and errno. */
static long result_of(long result)
{
    if (result >= 0 || result < -4095) return result;
    errno = (int)-result;
    return -1;
}

#define call6(number, a, b, c, d, e, f)                                                            \
    result_of(rn_system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e),        \
                             (long)(f)))
#define call5(number, a, b, c, d, e) call6(number, a, b, c, d, e, 0)
#define call4(number, a, b, c, d)    call5(number, a, b, c, d, 0)
#define call3(number, a, b, c)       call4(number, a, b, c, 0)
#define call2(number, a, b)          call3(number, a, b, 0)
#define call1(number, a)             call2(number, a, 0)

/* Each is declared right before it is defined. */
#define WRAP(type, name, ...)                                                                      \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

/* ---- Sockets --------------------------------------------------------------------------------- */

WRAP(int, socket, int family, int type, int protocol)
{
    return (int)call3(RN_NR_SOCKET, family, type, protocol);
}

WRAP(int, socketpair, int family, int type, int protocol, int *fds)
{
    return (int)call4(RN_NR_SOCKETPAIR, family, type, protocol, fds);
}

WRAP(int, bind, int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)call3(RN_NR_BIND, fd, address, len);
}

WRAP(int, listen, int fd, int backlog)
{
    return (int)call2(RN_NR_LISTEN, fd, backlog);
}

WRAP(int, accept, int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)call4(RN_NR_ACCEPT4, fd, address, len, 0);
}

WRAP(int, accept4, int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return (int)call4(RN_NR_ACCEPT4, fd, address, len, flags);
}

WRAP(int, connect, int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)call3(RN_NR_CONNECT, fd, address, len);
}

WRAP(int, shutdown, int fd, int how)
{
    return (int)call2(RN_NR_SHUTDOWN, fd, how);
}

WRAP(int, getsockname, int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)call3(RN_NR_GETSOCKNAME, fd, address, len);
}

WRAP(int, getpeername, int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)call3(RN_NR_GETPEERNAME, fd, address, len);
}

WRAP(int, setsockopt, int fd, int level, int option, const void *value, socklen_t len)
{
    return (int)call5(RN_NR_SETSOCKOPT, fd, level, option, value, len);
}

WRAP(int, getsockopt, int fd, int level, int option, void *value, socklen_t *len)
{
    return (int)call5(RN_NR_GETSOCKOPT, fd, level, option, value, len);
}

WRAP(ssize_t, sendto, int fd, const void *from, size_t len, int flags,
     const struct sockaddr *address, socklen_t address_len)
{
    return call6(RN_NR_SENDTO, fd, from, len, flags, address, address_len);
}

WRAP(ssize_t, send, int fd, const void *from, size_t len, int flags)
{
    return call6(RN_NR_SENDTO, fd, from, len, flags, NULL, 0);
}

WRAP(ssize_t, recvfrom, int fd, void *to, size_t len, int flags, struct sockaddr *address,
     socklen_t *address_len)
{
    return call6(RN_NR_RECVFROM, fd, to, len, flags, address, address_len);
}

WRAP(ssize_t, recv, int fd, void *to, size_t len, int flags)
{
    return call6(RN_NR_RECVFROM, fd, to, len, flags, NULL, NULL);
}

/* ---- Any descriptor -------------------------------------------------------------------------- */

WRAP(ssize_t, read, int fd, void *to, size_t len)
{
    return call3(RN_NR_READ, fd, to, len);
}

WRAP(ssize_t, write, int fd, const void *from, size_t len)
{
    return call3(RN_NR_WRITE, fd, from, len);
}

WRAP(ssize_t, pread, int fd, void *to, size_t len, off_t offset)
{
    return call4(RN_NR_PREAD64, fd, to, len, offset);
}

WRAP(ssize_t, pwrite, int fd, const void *from, size_t len, off_t offset)
{
    return call4(RN_NR_PWRITE64, fd, from, len, offset);
}

WRAP(off_t, lseek, int fd, off_t offset, int whence)
{
    return call3(RN_NR_LSEEK, fd, offset, whence);
}

WRAP(int, close, int fd)
{
    return (int)call1(RN_NR_CLOSE, fd);
}

WRAP(int, dup, int fd)
{
    return (int)call3(RN_NR_FCNTL, fd, F_DUPFD, 0);
}

WRAP(int, fcntl, int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return (int)call3(RN_NR_FCNTL, fd, command, argument);
}

WRAP(int, pipe2, int *fds, int flags)
{
    return (int)call2(RN_NR_PIPE2, fds, flags);
}

WRAP(int, pipe, int *fds)
{
    return __wrap_pipe2(fds, 0);
}

WRAP(int, poll, struct pollfd *fds, nfds_t count, int limit_ms)
{
    struct rn_k_timespec limit = {limit_ms / 1000, limit_ms % 1000 * 1000000};
    return (int)call3(RN_NR_PPOLL, fds, count, limit_ms < 0 ? NULL : &limit);
}

/* ---- Limits and time ------------------------------------------------------------------------- */

WRAP(int, getrlimit, int resource, struct rlimit *limit)
{
    return (int)call4(RN_NR_PRLIMIT64, 0, resource, NULL, limit);
}

WRAP(int, setrlimit, int resource, const struct rlimit *limit)
{
    return (int)call4(RN_NR_PRLIMIT64, 0, resource, limit, NULL);
}

WRAP(int, nanosleep, const struct timespec *time, struct timespec *left)
{
    return (int)call2(RN_NR_NANOSLEEP, time, left);
}

WRAP(int, usleep, unsigned us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    return __wrap_nanosleep(&time, NULL);
}

/* In a world a moment has to pass: threads go on when another one waits. */
WRAP(int, sched_yield, void)
{
    return __wrap_usleep(1);
}

/* ---- Files ----------------------------------------------------------------------------------- */

WRAP(int, open, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, unsigned) : 0;
    va_end(list);
    return (int)call4(RN_NR_OPENAT, AT_FDCWD, path, flags, mode);
}

WRAP(int, memfd_create, const char *name, unsigned flags)
{
    return (int)call2(RN_NR_MEMFD_CREATE, name, flags);
}

WRAP(int, ftruncate, int fd, off_t size)
{
    return (int)call2(RN_NR_FTRUNCATE, fd, size);
}

WRAP(int, unlinkat, int dir, const char *path, int flags)
{
    return (int)call3(RN_NR_UNLINKAT, dir, path, flags);
}

WRAP(int, unlink, const char *path)
{
    return __wrap_unlinkat(AT_FDCWD, path, 0);
}

WRAP(int, mkdir, const char *path, mode_t mode)
{
    return (int)call3(RN_NR_MKDIRAT, AT_FDCWD, path, mode);
}

WRAP(int, mknod, const char *path, mode_t mode, dev_t device)
{
    return (int)call4(RN_NR_MKNODAT, AT_FDCWD, path, mode, device);
}

WRAP(int, mkfifo, const char *path, mode_t mode)
{
    return __wrap_mknod(path, S_IFIFO | mode, 0);
}

WRAP(int, symlink, const char *target, const char *path)
{
    return (int)call3(RN_NR_SYMLINKAT, target, AT_FDCWD, path);
}

WRAP(int, rename, const char *from, const char *to)
{
    return (int)call5(RN_NR_RENAMEAT2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

WRAP(int, chmod, const char *path, mode_t mode)
{
    return (int)call3(RN_NR_FCHMODAT, AT_FDCWD, path, mode);
}

WRAP(mode_t, umask, mode_t mask)
{
    return (mode_t)call1(RN_NR_UMASK, mask);
}

WRAP(int, utimensat, int dir, const char *path, const struct timespec *times, int flags)
{
    return (int)call4(RN_NR_UTIMENSAT, dir, path, times, flags);
}

/* What tests ask of it. */
static int status_of(const char *path, int flags, struct stat *status)
{
    struct rn_k_statx info;
    if (call5(RN_NR_STATX, AT_FDCWD, path, flags, RN_K_STATX_BASIC_STATS, &info) < 0) return -1;
    *status = (struct stat){.st_ino = info.stx_ino, .st_mode = info.stx_mode,
                            .st_size = (off_t)info.stx_size,
                            .st_mtim = {info.stx_mtime.tv_sec, info.stx_mtime.tv_nsec}};
    return 0;
}

WRAP(int, stat, const char *path, struct stat *status)
{
    return status_of(path, 0, status);
}

WRAP(int, lstat, const char *path, struct stat *status)
{
    return status_of(path, AT_SYMLINK_NOFOLLOW, status);
}

/* Tests remove their files so; those in a world go with it. */
int __real_system(const char *command);
WRAP(int, system, const char *command)
{
    return rn_sim_current() ? 0 : __real_system(command);
}

WRAP(time_t, time, time_t *to)
{
    struct rn_k_timespec now;
    call2(RN_NR_CLOCK_GETTIME, CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}

WRAP(int, rmdir, const char *path)
{
    return __wrap_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* Puts another name in place of the last six letters, mkstemp(3). */
static void fill_in(char *path)
{
    static unsigned number;
    snprintf(path + strlen(path) - 6, 7, "%06u", number++ % 1000000);
}

char *__real_mkdtemp(char *path);
WRAP(char *, mkdtemp, char *path)
{
    if (!rn_sim_current()) return __real_mkdtemp(path);
    fill_in(path);
    return call3(RN_NR_MKDIRAT, AT_FDCWD, path, 0700) ? NULL : path;
}

int __real_mkstemp(char *path);
WRAP(int, mkstemp, char *path)
{
    if (!rn_sim_current()) return __real_mkstemp(path);
    fill_in(path);
    return __wrap_open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
}

/* In a world there is one directory that tests list so: their own descriptors. */
static struct {
    unsigned left;
    struct dirent entry;
} listing;

DIR *__real_opendir(const char *path);
WRAP(DIR *, opendir, const char *path)
{
    if (!rn_sim_current()) return __real_opendir(path);
    errno = ENOENT;
    if (strcmp(path, "/proc/self/fd") != 0) return NULL;
    __wrap_usleep(1); /* whoever is about to close one does */
    listing.left = worlds_descriptors();
    return (DIR *)&listing;
}

struct dirent *__real_readdir(DIR *directory);
WRAP(struct dirent *, readdir, DIR *directory)
{
    if (directory != (DIR *)&listing) return __real_readdir(directory);
    return listing.left-- ? &listing.entry : NULL;
}

int __real_closedir(DIR *directory);
WRAP(int, closedir, DIR *directory)
{
    return directory == (DIR *)&listing ? 0 : __real_closedir(directory);
}

unsigned worlds_descriptors(void)
{
    struct rn_sim *sim = rn_sim_current();
    unsigned count = 0;
    if (sim) return rn_sim_descriptors(sim);
    DIR *directory = __real_opendir("/proc/self/fd");
    if (!directory) abort();
    while (__real_readdir(directory)) count++;
    __real_closedir(directory);
    return count;
}
