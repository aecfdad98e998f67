/*
 * net/fd_file.c: the calls that files have too. In a fiber they go the way of runnel/file.h, so
 * that a slow disk doesn't hold its worker up.
 */
#include <runnel/fiber.h>
#include <runnel/file.h>

#include "net/fd.h"

/* ---- Files ----------------------------------------------------------------------------------- */

static int64_t await_file(struct rn_file_op *file)
{
    rn_fiber_await_any(rn_awaitable_op(&file->op));
    return file->op.result;
}

static int64_t open_file(const char *path, int flags, uint32_t mode)
{
    bool makes = flags & RN_K_O_CREAT || (flags & RN_K_O_TMPFILE) == RN_K_O_TMPFILE;
    const struct rn_open_how how = {(uint64_t)(flags | RN_K_O_CLOEXEC), makes ? mode & 07777 : 0,
                                    0};
    struct rn_file_op file;
    if (!rn_fiber_current()) return rn_sys_openat2(RN_K_AT_FDCWD, path, (const void *)&how);
    rn_file_open(&file, rn_fiber_cx(), RN_FILE_HERE, path, &how, RN_NEVER);
    return await_file(&file);
}

int rn_fd_open(const char *path, int flags, uint32_t mode)
{
    struct rn_fd_file *file;
    int fd = rn_fd_reserve(&file);
    if (fd < 0) return fd;
    int64_t handle = open_file(path, flags, mode);
    if (handle < 0) {
        rn_fd_unreserve(fd, file);
        return (int)handle;
    }
    file->handle = (int)handle;
    file->state = RN_FD_FILE;
    rn_fd_publish(file);
    return fd;
}

static rn_ssize transfer_file(int handle, void *memory, size_t len, bool writes)
{
    struct rn_file_op file;
    if (!rn_fiber_current())
        return writes ? rn_sys_write(handle, memory, len) : rn_sys_read(handle, memory, len);
    if (writes) rn_file_write(&file, rn_fiber_cx(), handle, memory, len, -1, RN_NEVER);
    else rn_file_read(&file, rn_fiber_cx(), handle, memory, len, -1, RN_NEVER);
    return (rn_ssize)await_file(&file);
}

static rn_ssize transfer(int fd, void *memory, size_t len, bool writes)
{
    struct rn_fd_file *file = rn_fd_hold(fd);
    if (!file) return -RN_K_EBADF;
    struct rn_k_iovec part = {memory, len};
    struct rn_k_msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    rn_ssize result = 0;
    if (!file->ops) result = transfer_file(file->handle, memory, len, writes);
    else if (len || writes) result = rn_fd_transfer(file, &message, 0, writes);
    rn_fd_release(file);
    return result;
}

rn_ssize rn_fd_read(int fd, void *to, size_t len) { return transfer(fd, to, len, false); }

rn_ssize rn_fd_write(int fd, const void *from, size_t len)
{
    return transfer(fd, (void *)(uintptr_t)from, len, true);
}

int64_t rn_fd_lseek(int fd, int64_t offset, int whence)
{
    struct rn_fd_file *file = rn_fd_hold(fd);
    if (!file) return -RN_K_EBADF;
    int64_t result = file->ops ? -RN_K_ESPIPE : rn_sys_lseek(file->handle, offset, whence);
    rn_fd_release(file);
    return result;
}

int rn_fd_fstat(int fd, void *status)
{
    struct rn_fd_file *file = rn_fd_hold(fd);
    if (!file) return -RN_K_EBADF;
    int result = (int)rn_syscall2(RN_NR_FSTAT, file->handle, (long)status);
    rn_fd_release(file);
    return result;
}

/* ---- fcntl(2) -------------------------------------------------------------------------------- */

/* A socket's flag is ours: the kernel's descriptor is always non-blocking. */
static int control_socket(struct rn_fd_file *file, int command, long argument)
{
    if (command == RN_K_F_SETFL) {
        __atomic_store_n(&file->nonblock, (argument & RN_K_O_NONBLOCK) != 0, __ATOMIC_RELAXED);
        return 0;
    }
    uint32_t nonblock = __atomic_load_n(&file->nonblock, __ATOMIC_RELAXED);
    return RN_K_O_RDWR | (nonblock ? RN_K_O_NONBLOCK : 0);
}

int rn_fd_fcntl(int fd, int command, long argument)
{
    struct rn_fd_file *file = rn_fd_hold(fd);
    if (!file) return -RN_K_EBADF;
    int result = -RN_K_EINVAL;
    if (command == RN_K_F_GETFL || command == RN_K_F_SETFL)
        result = file->ops ? control_socket(file, command, argument)
                           : rn_sys_fcntl(file->handle, command, argument);
    rn_fd_release(file);
    return result;
}
