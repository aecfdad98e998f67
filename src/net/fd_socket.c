/*
 * net/fd_socket.c: the calls on sockets. Each is tried; what can't go on waits for its descriptor
 * and is tried again, unless it may not wait.
 */
#include "net/fd.h"

enum {
    WINDOW = 16, /* vectors of a transfer that goes on */
    UNSPECIFIED = 0, /* AF_UNSPEC */
    /* struct timeval of two longs, socket(7) */
    RECEIVE_TIMEOUT = 20,
    SEND_TIMEOUT = 21,
};

static const rn_ns retry_time = RN_MILLISECOND;

/* ---- States ---------------------------------------------------------------------------------- */

enum call { LISTEN, ACCEPT, CONNECT, TRANSFER };

/* What a socket for connections says to a call in each state: 0, it is tried. The kernel says the
 * same, but for a send, which is -EPIPE there. */
static const int8_t refusals[][RN_FD_CONNECTED + 1] = {
    [LISTEN] = {[RN_FD_CONNECTING] = -RN_K_EINVAL, [RN_FD_CONNECTED] = -RN_K_EINVAL},
    [ACCEPT] = {[RN_FD_FRESH] = -RN_K_EINVAL, [RN_FD_BOUND] = -RN_K_EINVAL,
                [RN_FD_CONNECTING] = -RN_K_EINVAL, [RN_FD_CONNECTED] = -RN_K_EINVAL},
    [CONNECT] = {[RN_FD_LISTENING] = -RN_K_EISCONN, [RN_FD_CONNECTED] = -RN_K_EISCONN},
    [TRANSFER] = {[RN_FD_FRESH] = -RN_K_ENOTCONN, [RN_FD_BOUND] = -RN_K_ENOTCONN,
                  [RN_FD_LISTENING] = -RN_K_ENOTCONN},
};

static uint32_t state_of(const struct rn_fd_file *file)
{
    return __atomic_load_n(&file->state, __ATOMIC_RELAXED);
}

static void set_state(struct rn_fd_file *file, enum rn_fd_state state)
{
    __atomic_store_n(&file->state, state, __ATOMIC_RELAXED);
}

static bool has_connections(const struct rn_fd_file *file)
{
    return file->type == RN_K_SOCK_STREAM || file->type == RN_K_SOCK_SEQPACKET;
}

static int refusal(const struct rn_fd_file *file, enum call call)
{
    return has_connections(file) ? refusals[call][state_of(file)] : 0;
}

/* The socket, held: 0, -EBADF, -ENOTSOCK. */
static int hold_socket(int fd, struct rn_fd_file **file)
{
    *file = rn_fd_hold(fd);
    if (!*file) return -RN_K_EBADF;
    if ((*file)->ops) return 0;
    rn_fd_release(*file);
    return -RN_K_ENOTSOCK;
}

/* The end of a call, and its result. */
static rn_ssize let_go(struct rn_fd_file *file, rn_ssize result)
{
    rn_fd_release(file);
    return result;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static bool may_wait(const struct rn_fd_file *file, int flags)
{
    return !(flags & RN_K_MSG_DONTWAIT) && !__atomic_load_n(&file->nonblock, __ATOMIC_RELAXED);
}

static rn_ns deadline_of(const rn_ns *timeout)
{
    rn_ns time = __atomic_load_n(timeout, __ATOMIC_RELAXED);
    return time ? rn_clock_monotonic() + time : RN_NEVER;
}

static int wait_for(struct rn_fd_file *file, uint32_t events, rn_ns deadline)
{
    struct rn_fd_wait wait = {file, events, 0};
    int result;
    do {
        if (rn_fd_is_closed(file)) return -RN_K_EBADF;
        result = file->ops->wait(&wait, 1, deadline);
    } while (result == -RN_K_EINTR);
    if (rn_fd_is_closed(file)) return -RN_K_EBADF;
    return result == 0 ? -RN_K_EAGAIN : result < 0 ? result : 0;
}

/* For what no event announces. */
static int wait_a_little(struct rn_fd_file *file, rn_ns deadline)
{
    int result = rn_fd_pause(retry_time);
    if (rn_fd_is_closed(file)) return -RN_K_EBADF;
    if (result < 0) return result;
    return rn_clock_monotonic() >= deadline ? -RN_K_EAGAIN : 0;
}

/* ---- Making them ----------------------------------------------------------------------------- */

int rn_fd_socket(int family, int type, int protocol)
{
    struct rn_fd_file *file;
    int fd = rn_fd_reserve(&file);
    if (fd < 0) return fd;
    int handle = rn_fd_kernel.open(family, type, protocol);
    if (handle < 0) {
        rn_fd_unreserve(fd, file);
        return handle;
    }
    file->ops = &rn_fd_kernel;
    file->handle = handle;
    file->family = (uint16_t)family;
    file->type = (uint16_t)(type & 15); /* SOCK_TYPE_MASK */
    file->nonblock = (type & RN_K_SOCK_NONBLOCK) != 0;
    file->state = RN_FD_FRESH;
    rn_fd_publish(file);
    return fd;
}

int rn_fd_bind(int fd, const void *address, uint32_t len)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    result = file->ops->bind(file->handle, address, len);
    if (result == 0 && state_of(file) == RN_FD_FRESH) set_state(file, RN_FD_BOUND);
    return (int)let_go(file, result);
}

int rn_fd_listen(int fd, int backlog)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    result = refusal(file, LISTEN);
    if (result == 0) result = file->ops->listen(file->handle, backlog);
    if (result == 0) set_state(file, RN_FD_LISTENING);
    return (int)let_go(file, result);
}

/* A number first, as the kernel has it: no connection is taken that there is none for. */
static int accept_once(struct rn_fd_file *listener, void *address, uint32_t *len, int flags)
{
    struct rn_fd_file *file;
    int fd = rn_fd_reserve(&file);
    if (fd < 0) return fd;
    int handle = listener->ops->accept(listener->handle, address, len);
    if (handle < 0) {
        rn_fd_unreserve(fd, file);
        return handle;
    }
    file->ops = listener->ops;
    file->handle = handle;
    file->family = listener->family;
    file->type = listener->type;
    file->nonblock = (flags & RN_K_SOCK_NONBLOCK) != 0;
    file->state = RN_FD_CONNECTED;
    rn_fd_publish(file);
    return fd;
}

int rn_fd_accept(int fd, void *address, uint32_t *len, int flags)
{
    struct rn_fd_file *file;
    uint32_t room = len ? *len : 0;
    if (flags & ~(RN_K_SOCK_NONBLOCK | RN_K_SOCK_CLOEXEC)) return -RN_K_EINVAL;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    result = refusal(file, ACCEPT);
    rn_ns deadline = deadline_of(&file->receive_timeout);
    while (result == 0) {
        if (len) *len = room;
        result = accept_once(file, address, len, flags);
        if (result != -RN_K_EAGAIN || !may_wait(file, 0)) break;
        result = wait_for(file, RN_K_POLLIN, deadline);
    }
    if (result < 0 && rn_fd_is_closed(file)) result = -RN_K_EBADF;
    return (int)let_go(file, result);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* Waits for the outcome of an attempt that is under way. */
static int finish_connect(struct rn_fd_file *file, rn_ns deadline)
{
    int32_t error = 0;
    uint32_t len = sizeof error;
    int result = wait_for(file, RN_K_POLLOUT, deadline);
    if (result == -RN_K_EAGAIN) return -RN_K_EINPROGRESS;
    if (result < 0) return result;
    result = file->ops->get_option(file->handle, RN_K_SOL_SOCKET, RN_K_SO_ERROR, &error, &len);
    return result < 0 ? result : -error;
}

int rn_fd_connect(int fd, const void *address, uint32_t len)
{
    struct rn_fd_file *file;
    uint16_t family = 0;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    if (len >= sizeof family) __builtin_memcpy(&family, address, sizeof family);
    bool dissolve = len >= sizeof family && family == UNSPECIFIED;
    if (!dissolve) result = refusal(file, CONNECT);
    rn_ns deadline = deadline_of(&file->send_timeout);
    while (result == 0) {
        result = file->ops->connect(file->handle, address, len);
        if (result == -RN_K_EINPROGRESS) set_state(file, RN_FD_CONNECTING);
        if (result >= 0 || !may_wait(file, 0)) break;
        if (result == -RN_K_EINPROGRESS || result == -RN_K_EALREADY) {
            result = finish_connect(file, deadline);
            break;
        }
        if (result != -RN_K_EAGAIN) break; /* a Unix socket's backlog is full */
        result = wait_a_little(file, deadline);
    }
    if (result == 0) set_state(file, dissolve ? RN_FD_FRESH : RN_FD_CONNECTED);
    else if (state_of(file) == RN_FD_CONNECTING && result != -RN_K_EINPROGRESS &&
             result != -RN_K_EALREADY && result != -RN_K_EISCONN)
        set_state(file, RN_FD_FRESH);
    if (result < 0 && rn_fd_is_closed(file)) result = -RN_K_EBADF;
    return (int)let_go(file, result);
}

/* ---- Transfers ------------------------------------------------------------------------------- */

/* The vectors behind the first `skip` bytes, as many as there is room for. */
static size_t window(struct rn_k_iovec *to, const struct rn_k_msghdr *message, size_t skip)
{
    size_t count = 0;
    for (size_t i = 0; i < message->msg_iovlen && count < WINDOW; i++) {
        struct rn_k_iovec part = message->msg_iov[i];
        if (skip >= part.iov_len) {
            skip -= part.iov_len;
            continue;
        }
        to[count++] = (struct rn_k_iovec){(char *)part.iov_base + skip, part.iov_len - skip};
        skip = 0;
    }
    return count;
}

static size_t length_of(const struct rn_k_msghdr *message)
{
    size_t len = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) len += message->msg_iov[i].iov_len;
    return len;
}

/* One try: of the message itself, or of what is left when a part is done. */
static long try_transfer(struct rn_fd_file *file, struct rn_k_msghdr *message, int flags,
                         bool sends, size_t done)
{
    struct rn_k_iovec parts[WINDOW];
    struct rn_k_msghdr rest = {.msg_iov = parts};
    if (done) {
        rest.msg_iovlen = window(parts, message, done);
        message = &rest;
    }
    return sends ? file->ops->send(file->handle, message, flags)
                 : file->ops->receive(file->handle, message, flags);
}

/* A send of a stream takes all, as long as it may wait; a receive does with MSG_WAITALL. What was
 * done before an error counts: that comes with the next call. */
rn_ssize rn_fd_transfer(struct rn_fd_file *file, struct rn_k_msghdr *message, int flags,
                        bool sends)
{
    bool bytes = file->type == RN_K_SOCK_STREAM;
    bool all = bytes && (sends || (flags & (RN_K_MSG_WAITALL | RN_K_MSG_PEEK)) == RN_K_MSG_WAITALL);
    /* To a Unix socket that it isn't connected to: it is writable, however full that one is. */
    bool blind = sends && !bytes && file->family == RN_UNIX && message->msg_name;
    rn_ns deadline = deadline_of(sends ? &file->send_timeout : &file->receive_timeout);
    size_t done = 0, whole = all ? length_of(message) : 0;
    long result = flags & RN_K_MSG_FASTOPEN ? 0 : refusal(file, TRANSFER);
    while (result == 0) {
        result = try_transfer(file, message, flags, sends, done);
        if (result >= 0) {
            if (state_of(file) == RN_FD_CONNECTING) set_state(file, RN_FD_CONNECTED);
            done += (size_t)result;
            if (result == 0 || !all || done >= whole) return (rn_ssize)done;
            result = 0;
            continue;
        }
        if (result != -RN_K_EAGAIN || !may_wait(file, flags)) break;
        result = blind ? wait_a_little(file, deadline)
                       : wait_for(file, sends ? RN_K_POLLOUT : RN_K_POLLIN, deadline);
    }
    if (done) return (rn_ssize)done;
    return rn_fd_is_closed(file) ? -RN_K_EBADF : result;
}

static rn_ssize transfer_on(int fd, struct rn_k_msghdr *message, int flags, bool sends)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    return let_go(file, rn_fd_transfer(file, message, flags, sends));
}

rn_ssize rn_fd_sendmsg(int fd, const void *message, int flags)
{
    struct rn_k_msghdr copy;
    __builtin_memcpy(&copy, message, sizeof copy);
    return transfer_on(fd, &copy, flags, true);
}

rn_ssize rn_fd_recvmsg(int fd, void *message, int flags)
{
    return transfer_on(fd, message, flags, false);
}

rn_ssize rn_fd_sendto(int fd, const void *from, size_t len, int flags, const void *address,
                      uint32_t address_len)
{
    struct rn_k_iovec part = {(void *)(uintptr_t)from, len};
    struct rn_k_msghdr message = {
        .msg_name = (void *)(uintptr_t)address,
        .msg_namelen = (int32_t)address_len,
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    if (!address) message.msg_namelen = 0;
    return transfer_on(fd, &message, flags, true);
}

rn_ssize rn_fd_recvfrom(int fd, void *to, size_t len, int flags, void *address,
                        uint32_t *address_len)
{
    struct rn_k_iovec part = {to, len};
    struct rn_k_msghdr message = {.msg_name = address, .msg_iov = &part, .msg_iovlen = 1};
    if (address && address_len) message.msg_namelen = (int32_t)*address_len;
    rn_ssize result = transfer_on(fd, &message, flags, false);
    if (result >= 0 && address && address_len) *address_len = (uint32_t)message.msg_namelen;
    return result;
}

rn_ssize rn_fd_send(int fd, const void *from, size_t len, int flags)
{
    return rn_fd_sendto(fd, from, len, flags, NULL, 0);
}

rn_ssize rn_fd_recv(int fd, void *to, size_t len, int flags)
{
    return rn_fd_recvfrom(fd, to, len, flags, NULL, NULL);
}

/* ---- Names and options ----------------------------------------------------------------------- */

int rn_fd_shutdown(int fd, int how)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    return (int)let_go(file, file->ops->shutdown(file->handle, how));
}

static int name_of(int fd, bool peer, void *address, uint32_t *len)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    return (int)let_go(file, file->ops->name(file->handle, peer, address, len));
}

int rn_fd_getsockname(int fd, void *address, uint32_t *len)
{
    return name_of(fd, false, address, len);
}

int rn_fd_getpeername(int fd, void *address, uint32_t *len)
{
    return name_of(fd, true, address, len);
}

/* The two timeouts are kept here, where the waiting is. NULL: another option. */
static rn_ns *timeout_of(struct rn_fd_file *file, int level, int option)
{
    if (level != RN_K_SOL_SOCKET) return NULL;
    return option == RECEIVE_TIMEOUT ? &file->receive_timeout
           : option == SEND_TIMEOUT  ? &file->send_timeout
                                     : NULL;
}

static int set_timeout(rn_ns *timeout, const void *value, uint32_t len)
{
    long time[2];
    if (len < sizeof time) return -RN_K_EINVAL;
    __builtin_memcpy(time, value, sizeof time);
    if (time[0] < 0 || time[1] < 0 || time[1] >= 1000000) return -RN_K_EDOM;
    /* Longer than a century is without end. */
    rn_ns total = time[0] > INT32_MAX
                      ? 0
                      : (rn_ns)time[0] * RN_SECOND + (rn_ns)time[1] * RN_MICROSECOND;
    __atomic_store_n(timeout, total, __ATOMIC_RELAXED);
    return 0;
}

static int get_timeout(const rn_ns *timeout, void *value, uint32_t *len)
{
    rn_ns total = __atomic_load_n(timeout, __ATOMIC_RELAXED);
    long time[2] = {(long)(total / RN_SECOND), (long)(total % RN_SECOND / RN_MICROSECOND)};
    if (*len > sizeof time) *len = sizeof time;
    __builtin_memcpy(value, time, *len);
    return 0;
}

int rn_fd_setsockopt(int fd, int level, int option, const void *value, uint32_t len)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    rn_ns *timeout = timeout_of(file, level, option);
    result = timeout ? set_timeout(timeout, value, len)
                     : file->ops->set_option(file->handle, level, option, value, len);
    return (int)let_go(file, result);
}

int rn_fd_getsockopt(int fd, int level, int option, void *value, uint32_t *len)
{
    struct rn_fd_file *file;
    int result = hold_socket(fd, &file);
    if (result < 0) return result;
    const rn_ns *timeout = timeout_of(file, level, option);
    result = timeout ? get_timeout(timeout, value, len)
                     : file->ops->get_option(file->handle, level, option, value, len);
    return (int)let_go(file, result);
}

/* ---- poll(2) --------------------------------------------------------------------------------- */

/* Holds what is asked for. Returns how many are no descriptors. */
static int hold_all(struct rn_pollfd *fds, size_t count, struct rn_fd_wait *waits, size_t *held)
{
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        struct rn_fd_file *file = rn_fd_hold(fds[i].fd);
        if (file) {
            waits[(*held)++] = (struct rn_fd_wait){file, (uint16_t)fds[i].events, 0};
        } else {
            fds[i].revents = RN_K_POLLNVAL;
            wrong++;
        }
    }
    return wrong;
}

/* Says what became of them. */
static int tell_all(struct rn_pollfd *fds, size_t count, const struct rn_fd_wait *wait)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0 && fds[i].revents != RN_K_POLLNVAL) {
            fds[i].revents = (int16_t)wait->revents;
            if (rn_fd_is_closed(wait->file)) fds[i].revents = RN_K_POLLNVAL;
            wait++;
        }
        ready += fds[i].revents != 0;
    }
    return ready;
}

/* Looks, waits, and looks again: a wait doesn't say for what, and somebody else may have been there
 * first. How many have events; 0 at the time. */
static int poll_all(struct rn_pollfd *fds, size_t count, struct rn_fd_wait *waits, size_t held,
                    rn_ns deadline)
{
    for (;;) {
        int result = rn_fd_kernel.wait(waits, held, 0);
        if (result < 0) return result;
        int ready = tell_all(fds, count, waits);
        if (ready || !deadline) return ready;
        result = rn_fd_kernel.wait(waits, held, deadline);
        if (result < 0) return result;
        if (result == 0) deadline = 0;
    }
}

int rn_fd_poll(struct rn_pollfd *fds, size_t count, int timeout_ms)
{
    struct rn_fd_wait waits[RN_FD_POLL_MAX];
    size_t held = 0;
    rn_ns deadline = RN_NEVER;
    if (count > RN_FD_POLL_MAX) return -RN_K_EINVAL;
    if (timeout_ms > 0) deadline = rn_clock_monotonic() + (rn_ns)timeout_ms * RN_MILLISECOND;
    if (hold_all(fds, count, waits, &held) || timeout_ms == 0) deadline = 0;
    int result = poll_all(fds, count, waits, held, deadline);
    for (size_t i = 0; i < held; i++) rn_fd_release(waits[i].file);
    return result;
}
