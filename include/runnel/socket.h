/*
 * runnel/socket.h: the calls of sockets and files as every C programmer knows them, on descriptors
 * of this program's own: with the kernel's signatures, and -errno as the result instead of a global
 * errno.
 *
 * Called in a fiber (runnel/fiber.h) they park the fiber where the kernel's would block, and its
 * worker goes on; on an ordinary thread they block that thread. From a task that is no fiber, what
 * would have to wait is RN_E_MISUSE. All may be called from any thread.
 *
 * The numbers mean nothing to the kernel: 0, 1 and 2 are its own standard descriptors, for
 * rn_fd_read and its like; new ones begin at 3, the lowest that is free. A call holds on to what it
 * began with: when another thread closes the descriptor meanwhile, it ends with -EBADF, and whoever
 * gets that number next isn't touched by it.
 *
 * What they don't have: dup, signals (a write to a peer that is gone is -EPIPE and no more),
 * descriptors passed by a Unix socket as anything but the kernel's.
 */
#ifndef RUNNEL_SOCKET_H
#define RUNNEL_SOCKET_H

#include <runnel/net.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RN_FD_FIRST = 3,
    RN_FD_DEFAULT = 1024,     /* descriptors, unless rn_fd_setup says otherwise */
    RN_FD_MAX = 1 << 20,
    RN_FD_POLL_MAX = 256,     /* of one rn_fd_poll */
    RN_FD_ADDRESSES_MAX = 16, /* of one rn_fd_resolve_host */
};

/* Before any other call here: so many descriptors, 3 and more, at most RN_FD_MAX. -ENOMEM;
 * RN_E_MISUSE: another number, or the table is in use. */
RN_MUST_USE int rn_fd_setup(uint32_t descriptors);
/* Closes all that is open and gives the memory back, when no call is under way. */
void rn_fd_end(void);

/* ---- Sockets --------------------------------------------------------------------------------- */

/* socket(2): AF_INET, AF_INET6, AF_UNIX; SOCK_STREAM, SOCK_DGRAM and the kernel's others, with
 * SOCK_NONBLOCK. -EMFILE: no descriptor is left. -EAFNOSUPPORT, -EPROTONOSUPPORT, ... */
RN_MUST_USE int rn_fd_socket(int family, int type, int protocol);
/* Addresses are struct sockaddr of any kind. */
RN_MUST_USE int rn_fd_bind(int fd, const void *address, uint32_t len);
RN_MUST_USE int rn_fd_listen(int fd, int backlog);
/* address, len: may be NULL. flags: SOCK_NONBLOCK, as accept4(2). */
RN_MUST_USE int rn_fd_accept(int fd, void *address, uint32_t *len, int flags);
/* -EINPROGRESS where it may not wait: then POLLOUT, and SO_ERROR. */
RN_MUST_USE int rn_fd_connect(int fd, const void *address, uint32_t len);
RN_MUST_USE rn_ssize rn_fd_send(int fd, const void *from, size_t len, int flags);
RN_MUST_USE rn_ssize rn_fd_recv(int fd, void *to, size_t len, int flags);
RN_MUST_USE rn_ssize rn_fd_sendto(int fd, const void *from, size_t len, int flags,
                                  const void *address, uint32_t address_len);
RN_MUST_USE rn_ssize rn_fd_recvfrom(int fd, void *to, size_t len, int flags, void *address,
                                    uint32_t *address_len);
/* message: struct msghdr. */
RN_MUST_USE rn_ssize rn_fd_sendmsg(int fd, const void *message, int flags);
RN_MUST_USE rn_ssize rn_fd_recvmsg(int fd, void *message, int flags);
RN_MUST_USE int rn_fd_shutdown(int fd, int how);
RN_MUST_USE int rn_fd_getsockname(int fd, void *address, uint32_t *len);
RN_MUST_USE int rn_fd_getpeername(int fd, void *address, uint32_t *len);
/* SO_RCVTIMEO and SO_SNDTIMEO (struct timeval of two longs) too. */
RN_MUST_USE int rn_fd_setsockopt(int fd, int level, int option, const void *value, uint32_t len);
RN_MUST_USE int rn_fd_getsockopt(int fd, int level, int option, void *value, uint32_t *len);

/* What a descriptor is at the moment; or -EBADF. */
enum rn_fd_state {
    RN_FD_FILE,       /* no socket */
    RN_FD_FRESH,
    RN_FD_BOUND,
    RN_FD_LISTENING,
    RN_FD_CONNECTING,
    RN_FD_CONNECTED,
};
RN_MUST_USE int rn_fd_state(int fd);

/* ---- All descriptors ------------------------------------------------------------------------- */

/* 0: the number is free from here on. Those who wait for the descriptor are told. */
RN_MUST_USE int rn_fd_close(int fd);
/* F_GETFL and F_SETFL, of which only O_NONBLOCK can be changed; -EINVAL for others. */
RN_MUST_USE int rn_fd_fcntl(int fd, int command, long argument);

/* As struct pollfd. */
struct rn_pollfd {
    int fd;
    int16_t events;
    int16_t revents;
};
/* poll(2): how many have events. -EINVAL: more than RN_FD_POLL_MAX. */
RN_MUST_USE int rn_fd_poll(struct rn_pollfd *fds, size_t count, int timeout_ms);

/* ---- Files ----------------------------------------------------------------------------------- */

/* open(2). In a fiber this and the next two need rn_files_setup (runnel/file.h), and say
 * RN_E_MISUSE without. */
RN_MUST_USE int rn_fd_open(const char *path, int flags, uint32_t mode);
/* Sockets too. */
RN_MUST_USE rn_ssize rn_fd_read(int fd, void *to, size_t len);
RN_MUST_USE rn_ssize rn_fd_write(int fd, const void *from, size_t len);
RN_MUST_USE int64_t rn_fd_lseek(int fd, int64_t offset, int whence);
/* status: struct stat of the kernel, which is the libc's on 64-bit machines. */
RN_MUST_USE int rn_fd_fstat(int fd, void *status);

/* ---- Names ----------------------------------------------------------------------------------- */

/* The addresses of a host, the best first, with that port: how many, at most `max` and
 * RN_FD_ADDRESSES_MAX; or an error of rn_resolve (runnel/resolver.h). On an ordinary thread it
 * starts a resolver for this call alone. */
RN_MUST_USE int rn_fd_resolve_host(const char *name, uint16_t port, struct rn_address *to,
                                   unsigned max);

#ifdef __cplusplus
}
#endif
#endif
