/*
 * backend/sim_call.c: the simulated kernel's system calls: from arguments to what the other files
 * do, and waiting where the descriptor is a blocking one.
 */
#include "backend/sim.h"

enum { READ = RN_K_POLLIN | RN_K_POLLRDHUP, WRITE = RN_K_POLLOUT };

/* Arguments as they were given. */
struct args {
    struct rn_sim_file *file; /* of the first */
    long a, b, c, d, e, f;
};

static rn_ns deadline_of(const struct rn_sim *sim, const struct rn_k_timespec *limit)
{
    if (!limit) return RN_NEVER;
    rn_ns time = (rn_ns)limit->tv_sec * RN_SECOND + (rn_ns)limit->tv_nsec;
    if (!time) return 0;
    return time > RN_NEVER / 2 ? RN_NEVER : sim->now + time;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static bool blocks(const struct rn_sim_file *file, long flags)
{
    return !file->nonblock && !(flags & RN_K_MSG_DONTWAIT);
}

/* How long a call on it may wait: SO_RCVTIMEO and SO_SNDTIMEO, socket(7). */
static rn_ns patience(const struct rn_sim *sim, struct rn_sim_file *file, bool send)
{
    const struct rn_sim_socket *socket = rn_sim_socket_of(file);
    rn_ns time = socket ? rn_sim_patience(socket, send) : 0;
    return time ? sim->now + time : RN_NEVER;
}

/* Whole, but for a signal that isn't there, an error or the limit. */
static long do_write(struct rn_sim *sim, struct rn_sim_file *file, const void *from, size_t len,
                     int64_t offset, long flags)
{
    rn_ns deadline = patience(sim, file, true);
    size_t done = 0;
    for (;;) {
        long result = file->vt->write(sim, file, (const uint8_t *)from + done, len - done, offset);
        bool wait = blocks(file, flags);
        if (result > 0) done += (size_t)result;
        if (result >= 0 && (done == len || !wait)) return (long)done;
        if (result < 0 && (result != -RN_K_EAGAIN || !wait)) return done ? (long)done : result;
        if (!rn_sim_wait_for(sim, file, WRITE, deadline) && sim->now >= deadline)
            return done ? (long)done : -RN_K_EAGAIN;
    }
}

static long do_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                    int64_t offset, long flags)
{
    rn_ns deadline = patience(sim, file, false);
    size_t done = 0;
    for (;;) {
        sim->peeking = flags & RN_K_MSG_PEEK;
        long result = file->vt->read(sim, file, (uint8_t *)to + done, len - done, offset);
        sim->peeking = false;
        bool wait = blocks(file, flags);
        bool more = (flags & (RN_K_MSG_WAITALL | RN_K_MSG_PEEK)) == RN_K_MSG_WAITALL;
        if (result > 0) done += (size_t)result;
        if (result == 0 || (result > 0 && (done == len || !wait || !more))) return (long)done;
        if (result < 0 && (result != -RN_K_EAGAIN || !wait)) return done ? (long)done : result;
        if (!rn_sim_wait_for(sim, file, READ, deadline) && sim->now >= deadline)
            return done ? (long)done : -RN_K_EAGAIN;
    }
}

static long do_send(struct rn_sim *sim, struct rn_sim_file *file, const void *from, size_t len,
                    long flags, const void *address, uint32_t address_len)
{
    rn_ns deadline = patience(sim, file, true);
    if (!rn_sim_socket_of(file)) return -RN_K_ENOTSOCK;
    if (file->vt == &rn_sim_stream_vt) return do_write(sim, file, from, len, -1, flags);
    for (;;) {
        long result = rn_sim_datagram_send(sim, file, from, len, address, address_len);
        if (result != -RN_K_EAGAIN || !blocks(file, flags)) return result;
        if (!rn_sim_wait_for(sim, file, WRITE, deadline) && sim->now >= deadline) return result;
    }
}

/* With the sender, if it is asked for: of a stream there is none. */
static long do_receive(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                       long flags, void *address, uint32_t *address_len, size_t *whole)
{
    rn_ns deadline = patience(sim, file, false);
    *whole = 0;
    if (!rn_sim_socket_of(file)) return -RN_K_ENOTSOCK;
    if (file->vt == &rn_sim_stream_vt) {
        if (address && address_len) *address_len = 0;
        return do_read(sim, file, to, len, -1, flags);
    }
    for (;;) {
        sim->peeking = flags & RN_K_MSG_PEEK;
        long result =
            rn_sim_datagram_receive(sim, file, to, len, address, address_len, whole);
        sim->peeking = false;
        if (result >= 0 && flags & RN_K_MSG_TRUNC) return (long)*whole;
        if (result != -RN_K_EAGAIN || !blocks(file, flags)) return result;
        if (!rn_sim_wait_for(sim, file, READ, deadline) && sim->now >= deadline) return result;
    }
}

enum { MESSAGE_MAX = 1 << 20 };

/* The parts of a message are gathered first, so that a datagram goes out whole. */
static long do_sendmsg(struct rn_sim *sim, struct rn_sim_file *file,
                       const struct rn_k_msghdr *message, long flags)
{
    static uint8_t bytes[MESSAGE_MAX];
    size_t len = 0;
    if (message->msg_iovlen > 1024) return -RN_K_EMSGSIZE;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        size_t part = message->msg_iov[i].iov_len;
        if (part > sizeof bytes - len) part = sizeof bytes - len;
        if (part) memcpy(bytes + len, message->msg_iov[i].iov_base, part);
        len += part;
    }
    return do_send(sim, file, bytes, len, flags, message->msg_name,
                   (uint32_t)message->msg_namelen);
}

static long do_recvmsg(struct rn_sim *sim, struct rn_sim_file *file, struct rn_k_msghdr *message,
                       long flags)
{
    static uint8_t bytes[MESSAGE_MAX];
    size_t len = 0, done = 0, whole;
    for (size_t i = 0; i < message->msg_iovlen; i++) len += message->msg_iov[i].iov_len;
    if (len > sizeof bytes) len = sizeof bytes;
    uint32_t name_len = (uint32_t)message->msg_namelen;
    long got = do_receive(sim, file, bytes, len, flags, message->msg_name, &name_len, &whole);
    if (got < 0) return got;
    size_t there = (size_t)got < len ? (size_t)got : len;
    for (size_t i = 0; i < message->msg_iovlen && done < there; i++) {
        size_t part = message->msg_iov[i].iov_len;
        if (part > there - done) part = there - done;
        memcpy(message->msg_iov[i].iov_base, bytes + done, part);
        done += part;
    }
    message->msg_namelen = (int32_t)name_len;
    message->msg_controllen = 0;
    message->msg_flags = whole > len ? RN_K_MSG_TRUNC : 0;
    return got;
}

static long do_sendmmsg(struct rn_sim *sim, struct rn_sim_file *file, struct rn_k_mmsghdr *messages,
                        long count, long flags)
{
    long done = 0;
    for (; done < count; done++) {
        long result = do_sendmsg(sim, file, &messages[done].msg_hdr, flags);
        if (result < 0) return done ? done : result;
        messages[done].msg_len = (uint32_t)result;
    }
    return done;
}

static long do_recvmmsg(struct rn_sim *sim, struct rn_sim_file *file, struct rn_k_mmsghdr *messages,
                        long count, long flags)
{
    long done = 0;
    for (; done < count; done++) {
        long result = do_recvmsg(sim, file, &messages[done].msg_hdr, flags);
        if (result < 0) return done ? done : result;
        messages[done].msg_len = (uint32_t)result;
        if (flags & RN_K_MSG_WAITFORONE) flags |= RN_K_MSG_DONTWAIT;
    }
    return done;
}

static long do_sendfile(struct rn_sim *sim, struct rn_sim_file *file, int from, uint64_t *offset,
                        size_t len)
{
    uint64_t own = 0;
    size_t done = 0;
    while (done < len) {
        long result = rn_sim_sendfile(sim, file, from, offset ? offset : &own, len - done);
        if (result == -RN_K_EAGAIN && blocks(file, 0)) {
            rn_sim_wait_for(sim, file, WRITE, RN_NEVER);
            continue;
        }
        if (result <= 0) return done ? (long)done : result;
        done += (size_t)result;
    }
    return (long)done;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static long do_accept(struct rn_sim *sim, struct rn_sim_file *file, const struct args *args)
{
    for (;;) {
        int fd = rn_sim_accept(sim, file, args->d & RN_K_SOCK_NONBLOCK);
        if (fd == -RN_K_EAGAIN && !file->nonblock) {
            rn_sim_wait_for(sim, file, READ, RN_NEVER);
            continue;
        }
        if (fd >= 0 && args->b)
            rn_sim_getname(sim, rn_sim_file_at(sim, fd), true, (void *)args->b,
                           (uint32_t *)args->c);
        return fd;
    }
}

static long do_connect(struct rn_sim *sim, struct rn_sim_file *file, const struct args *args)
{
    for (;;) {
        int result = rn_sim_connect(sim, file, (void *)args->b, (uint32_t)args->c);
        if ((result != -RN_K_EINPROGRESS && result != -RN_K_EALREADY) || file->nonblock)
            return result;
        rn_sim_wait_for(sim, file, WRITE, RN_NEVER);
    }
}

static long do_socket(struct rn_sim *sim, long family, long type, long protocol)
{
    bool nonblock = type & RN_K_SOCK_NONBLOCK;
    long usual = (type & 0xf) == RN_K_SOCK_DGRAM ? RN_K_IPPROTO_UDP : RN_K_IPPROTO_TCP;
    if (family != RN_K_AF_INET && family != RN_K_AF_INET6 && family != RN_K_AF_UNIX)
        return -RN_K_EAFNOSUPPORT;
    if (protocol && (family == RN_K_AF_UNIX || protocol != usual)) return -RN_K_EPROTONOSUPPORT;
    switch (type & 0xf) {
    case RN_K_SOCK_STREAM: return rn_sim_stream_new(sim, (int)family, nonblock);
    case RN_K_SOCK_DGRAM: return rn_sim_datagram_new(sim, (int)family, nonblock);
    default: return -RN_K_EPROTONOSUPPORT;
    }
}

static long do_pair(struct rn_sim *sim, const struct args *args)
{
    int *fds = (int *)args->d;
    if (args->a != RN_K_AF_UNIX) return -RN_K_EOPNOTSUPP;
    if ((args->b & 0xf) == RN_K_SOCK_DGRAM) return rn_sim_datagram_pair(sim, (int)args->b, fds);
    return rn_sim_stream_pair(sim, false, (int)args->b, fds);
}

/* ---- Descriptors, processes ------------------------------------------------------------------ */

static long do_fcntl(struct rn_sim *sim, struct rn_sim_file *file, long command, long argument)
{
    switch (command) {
    case RN_K_F_DUPFD:
    case RN_K_F_DUPFD_CLOEXEC: return rn_sim_descriptor(sim, file, (int)argument);
    case RN_K_F_GETFD: return RN_K_FD_CLOEXEC; /* nothing is ever executed */
    case RN_K_F_GETFL:
        return rn_sim_opened_for(file) | (file->nonblock ? RN_K_O_NONBLOCK : 0);
    case RN_K_F_SETFL: file->nonblock = argument & RN_K_O_NONBLOCK; return 0;
    case RN_K_F_SETFD: return 0;
    default: return -RN_K_EINVAL;
    }
}

static long do_limit(struct rn_sim *sim, const struct args *args)
{
    const struct rn_k_rlimit *set = (void *)args->c;
    struct rn_k_rlimit *get = (void *)args->d;
    if (args->b != RN_K_RLIMIT_NOFILE) return -RN_K_EINVAL;
    if (get) *get = (struct rn_k_rlimit){sim->descriptor_limit, sim->options.descriptors};
    if (!set) return 0;
    if (set->rlim_cur > sim->options.descriptors) return -RN_K_EPERM;
    sim->descriptor_limit = (uint32_t)set->rlim_cur;
    return 0;
}

static long do_mask(struct rn_sim *sim, uint32_t mask)
{
    uint32_t before = sim->mask;
    sim->mask = mask & 0777;
    return before;
}

static bool never(struct rn_sim *sim, void *argument) { return false; }

static long do_sleep(struct rn_sim *sim, const struct rn_k_timespec *time)
{
    rn_ns deadline = deadline_of(sim, time);
    rn_sim_wait(sim, never, NULL, deadline);
    return 0;
}

static long do_clock(struct rn_sim *sim, long clock, struct rn_k_timespec *time)
{
    *time = rn_timespec_of(sim->now);
    if (clock == RN_K_CLOCK_REALTIME || clock == RN_K_CLOCK_REALTIME_COARSE)
        time->tv_sec += RN_SIM_EPOCH;
    return 0;
}

static long do_random(struct rn_sim *sim, uint8_t *to, size_t len)
{
    if (rn_sim_chance(sim, sim->options.faults.interrupt)) return -RN_K_EINTR;
    for (size_t i = 0; i < len; i++) to[i] = (uint8_t)rn_sim_random(sim, 256);
    return (long)len;
}

/* Calls on what the first argument names. */
static long on_file(struct rn_sim *sim, long nr, const struct args *args)
{
    struct rn_sim_file *file = args->file;
    size_t whole;
    if (!file) return -RN_K_EBADF;
    switch (nr) {
    case RN_NR_READ: return do_read(sim, file, (void *)args->b, (size_t)args->c, -1, 0);
    case RN_NR_WRITE: return do_write(sim, file, (void *)args->b, (size_t)args->c, -1, 0);
    case RN_NR_PREAD64: return do_read(sim, file, (void *)args->b, (size_t)args->c, args->d, 0);
    case RN_NR_PWRITE64: return do_write(sim, file, (void *)args->b, (size_t)args->c, args->d, 0);
    case RN_NR_SENDTO:
        return do_send(sim, file, (void *)args->b, (size_t)args->c, args->d, (void *)args->e,
                       (uint32_t)args->f);
    case RN_NR_RECVFROM:
        return do_receive(sim, file, (void *)args->b, (size_t)args->c, args->d, (void *)args->e,
                          (void *)args->f, &whole);
    case RN_NR_SENDMSG: return do_sendmsg(sim, file, (void *)args->b, args->c);
    case RN_NR_RECVMSG: return do_recvmsg(sim, file, (void *)args->b, args->c);
    case RN_NR_SENDMMSG: return do_sendmmsg(sim, file, (void *)args->b, args->c, args->d);
    case RN_NR_RECVMMSG: return do_recvmmsg(sim, file, (void *)args->b, args->c, args->d);
    case RN_NR_SENDFILE:
        return do_sendfile(sim, file, (int)args->b, (uint64_t *)args->c, (size_t)args->d);
    case RN_NR_BIND: return rn_sim_bind(sim, file, (void *)args->b, (uint32_t)args->c);
    case RN_NR_LISTEN: return rn_sim_listen(sim, file, (int)args->b);
    case RN_NR_ACCEPT4: return do_accept(sim, file, args);
    case RN_NR_CONNECT: return do_connect(sim, file, args);
    case RN_NR_SHUTDOWN: return rn_sim_shutdown(sim, file, (int)args->b);
    case RN_NR_GETSOCKNAME:
    case RN_NR_GETPEERNAME:
        return rn_sim_getname(sim, file, nr == RN_NR_GETPEERNAME, (void *)args->b,
                              (uint32_t *)args->c);
    case RN_NR_SETSOCKOPT:
        return rn_sim_setsockopt(sim, file, (int)args->b, (int)args->c, (void *)args->d,
                                 (uint32_t)args->e);
    case RN_NR_GETSOCKOPT:
        return rn_sim_getsockopt(sim, file, (int)args->b, (int)args->c, (void *)args->d,
                                 (uint32_t *)args->e);
    case RN_NR_FSTAT: return rn_sim_fstat(sim, file, (void *)args->b);
    case RN_NR_FCNTL: return do_fcntl(sim, file, args->b, args->c);
    default: return -RN_K_ENOSYS;
    }
}

static long on_names(struct rn_sim *sim, long nr, const struct args *args)
{
    struct rn_k_open_how how = {(uint64_t)args->c, (uint64_t)args->d, 0};
    const char *path = (const char *)args->b;
    int dir = (int)args->a;
    switch (nr) {
    case RN_NR_OPENAT: return rn_sim_open(sim, dir, path, &how);
    case RN_NR_OPENAT2:
        if (rn_sim_chance(sim, sim->options.faults.interrupt)) return -RN_K_EAGAIN;
        return rn_sim_open(sim, dir, path, (void *)args->c);
    case RN_NR_STATX: return rn_sim_statx(sim, dir, path, (int)args->c, (void *)args->e);
    case RN_NR_MKDIRAT:
        return rn_sim_mknod(sim, dir, path, RN_K_S_IFDIR | (uint32_t)(args->c & 07777));
    case RN_NR_MKNODAT: return rn_sim_mknod(sim, dir, path, (uint32_t)args->c);
    case RN_NR_FCHMODAT: return rn_sim_chmod(sim, dir, path, (uint32_t)args->c);
    case RN_NR_UTIMENSAT: return rn_sim_utimens(sim, dir, path, (void *)args->c, (int)args->d);
    case RN_NR_SYMLINKAT:
        return rn_sim_symlink(sim, (const char *)args->a, (int)args->b, (const char *)args->c);
    case RN_NR_UNLINKAT: return rn_sim_unlink(sim, dir, path, args->c & RN_K_AT_REMOVEDIR);
    case RN_NR_RENAMEAT2:
        return rn_sim_rename(sim, dir, path, (int)args->c, (void *)args->d,
                             !(args->e & RN_K_RENAME_NOREPLACE));
    case RN_NR_FSYNC:
    case RN_NR_FDATASYNC:
        if (!args->file) return -RN_K_EBADF;
        return rn_sim_chance(sim, sim->options.faults.io) ? -RN_K_EIO : 0;
    case RN_NR_GETDENTS64: return rn_sim_getdents(sim, dir, (void *)args->b, (size_t)args->c);
    case RN_NR_FTRUNCATE: return rn_sim_truncate(sim, dir, (uint64_t)args->b);
    case RN_NR_LSEEK: return rn_sim_seek(sim, dir, args->b, (int)args->c);
    case RN_NR_MEMFD_CREATE: return rn_sim_memfd(sim);
    case RN_NR_CLOSE: return rn_sim_close(sim, dir);
    default: return on_file(sim, nr, args);
    }
}

long rn_sim_file_call(struct rn_sim *sim, long nr, const long *of)
{
    struct args args = {rn_sim_file_at(sim, (int)of[0]), of[0], of[1], of[2], of[3], of[4], 0};
    return on_names(sim, nr, &args);
}

/* The program's memory comes from the real kernel, and is counted. */
static long on_memory(struct rn_sim *sim, long nr, const struct args *args)
{
    if (nr == RN_NR_MMAP && rn_sim_chance(sim, sim->options.faults.open)) return -RN_K_ENOMEM;
    long result = rn_raw_syscall6(nr, args->a, args->b, args->c, args->d, args->e, args->f);
    size_t pages = ((size_t)args->b + 4095) & ~(size_t)4095;
    if (nr == RN_NR_MMAP && !(result < 0 && result > -4096)) sim->mapped += pages;
    if (nr == RN_NR_MUNMAP && result == 0) sim->mapped -= pages;
    return result;
}

static long answer(struct rn_sim *sim, long nr, const struct args *args)
{
    const struct rn_k_timespec *limit;
    switch (nr) {
    case RN_NR_SOCKET: return do_socket(sim, args->a, args->b, args->c);
    case RN_NR_SOCKETPAIR: return do_pair(sim, args);
    case RN_NR_PIPE2: return rn_sim_stream_pair(sim, true, (int)args->b, (int *)args->a);
    case RN_NR_EVENTFD2: return rn_sim_eventfd(sim, (uint32_t)args->a, (int)args->b);
    case RN_NR_EPOLL_CREATE1: return rn_sim_epoll_new(sim);
    case RN_NR_EPOLL_CTL:
        return rn_sim_epoll_ctl(sim, (int)args->a, (int)args->b, (int)args->c, (void *)args->d);
    case RN_NR_EPOLL_PWAIT2:
        return rn_sim_epoll_wait(sim, (int)args->a, (void *)args->b, (int)args->c,
                                 deadline_of(sim, (void *)args->d));
    case RN_NR_EPOLL_PWAIT: {
        struct rn_k_timespec time = {args->d / 1000, args->d % 1000 * 1000000};
        return rn_sim_epoll_wait(sim, (int)args->a, (void *)args->b, (int)args->c,
                                 deadline_of(sim, args->d < 0 ? NULL : &time));
    }
    case RN_NR_PPOLL:
        return rn_sim_ppoll(sim, (void *)args->a, (size_t)args->b,
                            deadline_of(sim, (void *)args->c));
    case RN_NR_FUTEX:
        limit = (args->b & ~RN_K_FUTEX_PRIVATE_FLAG) == RN_K_FUTEX_WAIT ? (void *)args->d : NULL;
        return rn_sim_futex(sim, (uint32_t *)args->a, (int)args->b, (uint32_t)args->c,
                            deadline_of(sim, limit));
    case RN_NR_UMASK: return do_mask(sim, (uint32_t)args->a);
    case RN_NR_NANOSLEEP: return do_sleep(sim, (void *)args->a);
    case RN_NR_PRLIMIT64: return do_limit(sim, args);
    case RN_NR_CLOCK_GETTIME: return do_clock(sim, args->a, (void *)args->b);
    case RN_NR_GETRANDOM: return do_random(sim, (void *)args->a, (size_t)args->b);
    case RN_NR_MMAP:
    case RN_NR_MUNMAP: return on_memory(sim, nr, args);
    default: return on_names(sim, nr, args);
    }
}

/* What has no simulated twin, and does no harm. */
static bool is_real(long nr)
{
    static const int16_t real[] = {
        RN_NR_MPROTECT, RN_NR_MADVISE, RN_NR_RT_SIGACTION, RN_NR_RT_SIGPROCMASK, RN_NR_EXIT_GROUP,
        RN_NR_GETPID, RN_NR_GETTID, RN_NR_SCHED_GETAFFINITY,
    };
    for (unsigned i = 0; i < RN_COUNT(real); i++)
        if (real[i] == nr) return true;
    return false;
}

long rn_sim_syscall(struct rn_sim *sim, long nr, long a, long b, long c, long d, long e, long f)
{
    struct args args = {NULL, a, b, c, d, e, f};
    if (is_real(nr)) return rn_raw_syscall6(nr, a, b, c, d, e, f);
    if (nr == RN_NR_MMAP || nr == RN_NR_MUNMAP) return answer(sim, nr, &args);
    rn_sim_enter_kernel(sim);
    args.file = rn_sim_file_at(sim, (int)a);
    long result = answer(sim, nr, &args);
    if (nr == RN_NR_CLOSE || nr == RN_NR_SHUTDOWN) c = 0; /* no argument of theirs: anything */
    rn_sim_note(sim, nr, (unsigned long)a < RN_SIM_DESCRIPTORS_MAX ? a : -1,
                (unsigned long)c < 1 << 20 ? c : -1, result);
    return result;
}
