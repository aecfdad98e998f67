/*
 * net/fd.h: the descriptors of runnel/socket.h from the inside: the table, and the seam below which
 * the sockets are the kernel's, or another stack's.
 */
#ifndef NET_FD_H
#define NET_FD_H

#include <runnel/socket.h>

#include "core/slab.h"
#include "sys/sys.h"

/* A socket or file. It outlives its descriptor for as long as a call is under way with it. */
struct rn_fd_file {
    struct rn_slab_item item;
    const struct rn_fd_ops *ops; /* NULL: a file */
    int handle;                  /* the kernel's descriptor, or whatever ops call it by */
    uint32_t users; /* the table and each call; atomic, and changed under the table's lock */
    uint32_t state;              /* atomic: enum rn_fd_state */
    uint32_t closed;             /* atomic */
    uint32_t nonblock;           /* atomic */
    uint16_t family;
    uint16_t type; /* SOCK_STREAM and so on */
    bool ready;  /* under the lock: false while the number is only reserved */
    bool borrowed; /* the handle is not ours to close */
    rn_ns receive_timeout; /* atomic; 0: none */
    rn_ns send_timeout;
};

/* What one waits for; `events` and `revents` as those of poll(2). */
struct rn_fd_wait {
    struct rn_fd_file *file;
    uint32_t events;
    uint32_t revents;
};

/*
 * The seam: what a kind of sockets can do. None of these waits but `wait`; they say -EAGAIN, and
 * -EINPROGRESS.
 */
struct rn_fd_ops {
    int (*open)(int family, int type, int protocol); /* a handle */
    void (*close)(int handle);
    /* Ends all waits for it, now and to come. */
    void (*interrupt)(int handle);
    int (*bind)(int handle, const void *address, uint32_t len);
    int (*listen)(int handle, int backlog);
    int (*accept)(int handle, void *address, uint32_t *len); /* a handle */
    int (*connect)(int handle, const void *address, uint32_t len);
    long (*send)(int handle, const struct rn_k_msghdr *message, int flags);
    long (*receive)(int handle, struct rn_k_msghdr *message, int flags);
    int (*shutdown)(int handle, int how);
    int (*name)(int handle, bool peer, void *address, uint32_t *len);
    int (*set_option)(int handle, int level, int option, const void *value, uint32_t len);
    int (*get_option)(int handle, int level, int option, void *value, uint32_t *len);
    /* Blocks the thread, or parks the fiber, until one of them is ready, or the time; RN_NEVER; 0:
     * only looks. How many are ready, perhaps without saying which; 0 at the time; -EINTR,
     * -ECANCELED, RN_E_MISUSE. Who only looks is told which. */
    int (*wait)(struct rn_fd_wait *waits, size_t count, rn_ns deadline);
};
extern const struct rn_fd_ops rn_fd_kernel; /* net/fd_kernel.c */

/* net/fd_table.c. What fd names, held until rn_fd_release; NULL: -EBADF. */
struct rn_fd_file *rn_fd_hold(int fd);
void rn_fd_release(struct rn_fd_file *file);
/* The lowest free number, for something that isn't there yet: -EMFILE, -ENOMEM. Then it is, or the
 * number is free again. */
RN_MUST_USE int rn_fd_reserve(struct rn_fd_file **file);
void rn_fd_publish(struct rn_fd_file *file);
void rn_fd_unreserve(int fd, struct rn_fd_file *file);

/* net/fd_socket.c: sends or receives on a socket that is held. */
rn_ssize rn_fd_transfer(struct rn_fd_file *file, struct rn_k_msghdr *message, int flags,
                        bool sends);
/* net/fd_kernel.c: lets time pass. 0, -ECANCELED, RN_E_MISUSE. */
int rn_fd_pause(rn_ns duration);

static inline bool rn_fd_is_closed(const struct rn_fd_file *file)
{
    return __atomic_load_n(&file->closed, __ATOMIC_ACQUIRE);
}

#endif
