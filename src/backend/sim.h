/*
 * backend/sim.h: the simulated kernel from the inside: what its parts know of each other.
 */
#ifndef BACKEND_SIM_H
#define BACKEND_SIM_H

#include <runnel/sim.h>

#include "base/bytes.h"
#include "sys/sys.h"

enum {
    RN_SIM_DESCRIPTORS_MAX = 8192,
    RN_SIM_THREADS_MAX = 32,
    RN_SIM_EVENTS_MAX = 1 << 17,
    RN_SIM_EPOCH = 1700000000, /* seconds of the real time when the monotonic one was 0 */
};

struct rn_sim_file;
struct rn_sim_epoll;

struct rn_sim_address {
    uint32_t len;
    uint8_t bytes[112] __attribute__((aligned(8)));
};

/* What setsockopt(2) has set. */
enum { RN_SIM_OPTION_MAX = 32 };
struct rn_sim_option {
    struct rn_sim_option *next;
    int level, option;
    uint32_t len;
    uint8_t value[RN_SIM_OPTION_MAX];
};

/* An entry of an epoll instance. */
struct rn_sim_watch {
    struct rn_sim_watch *next_of_file;
    struct rn_sim_watch *next_of_epoll;
    struct rn_sim_epoll *epoll;
    struct rn_sim_file *file;
    int fd;
    uint32_t events;
    uint64_t data;
    bool ready;
};

/* What kinds of files do differently. `offset` is -1 for the file's own. None of them waits: they
 * say -EAGAIN. */
struct rn_sim_file_vt {
    uint32_t (*poll)(struct rn_sim *sim, struct rn_sim_file *file);
    long (*read)(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                 int64_t offset);
    long (*write)(struct rn_sim *sim, struct rn_sim_file *file, const void *from, size_t len,
                  int64_t offset);
    void (*close)(struct rn_sim *sim, struct rn_sim_file *file); /* its last descriptor */
};

/* An open file description, the head of each kind. It stays until the world ends, so that events on
 * their way may point to it. */
struct rn_sim_file {
    const struct rn_sim_file_vt *vt;
    struct rn_sim_watch *watches;
    uint32_t descriptors;
    bool nonblock;
    bool closed;
};

/* The head of a socket. */
struct rn_sim_socket {
    struct rn_sim_file file;
    uint8_t family; /* 0: a pipe */
    uint8_t type;
    bool bound;
    bool listening;
    bool connected; /* there is a remote address */
    int error;      /* SO_ERROR, positive */
    struct rn_sim_address local, remote;
    struct rn_sim_node *node;   /* that is its name */
    struct rn_sim_socket *next; /* that is bound */
    struct rn_sim_option *options;
};

struct rn_sim_event {
    rn_ns at;
    uint64_t order;
    void (*run)(struct rn_sim *sim, void *object, uint64_t value);
    void *object;
    uint64_t value;
};

struct rn_sim_thread {
    bool (*ready)(struct rn_sim *sim, void *argument); /* NULL: not waiting */
    void *argument;
    rn_ns deadline;
    rn_ns not_before; /* it stands still until then */
    bool alive;
    bool taken; /* until it is joined, no other one has its number */
};

struct rn_sim_node;
struct rn_sim_stream;
struct rn_sim_datagrams;

struct rn_sim {
    struct rn_sim_options options;
    /* Goes on with that thread; returns when this one is to go on. NULL: there is only one. */
    void (*resume)(void *context, unsigned thread);
    uint64_t random;
    rn_ns now;
    uint64_t hash;
    uint64_t calls;
    uint64_t mapped;
    uint8_t *free_at; /* the arena: nothing in it is ever given back, but rings */
    uint8_t *free_end;
    void *rings[32]; /* by the power of two */
    unsigned thread;
    struct rn_sim_thread threads[RN_SIM_THREADS_MAX];
    uint32_t descriptor_limit;
    uint32_t descriptors;
    struct rn_sim_file *files[RN_SIM_DESCRIPTORS_MAX];
    struct rn_sim_node *root;
    uint64_t inodes;
    uint32_t mask; /* of the modes of new files */
    uint16_t port; /* the next that is free */
    uint32_t name; /* of the next Unix socket without one */
    struct rn_sim_socket *sockets; /* bound */
    struct rn_sim_stream *streams; /* connected */
    struct rn_sim_datagrams *datagrams;
    bool peeking; /* what is read now stays: MSG_PEEK */
    uint64_t orders;
    uint32_t event_count;
    struct rn_sim_event events[RN_SIM_EVENTS_MAX]; /* a heap */
};

/* backend/sim.c: chance, time, memory, threads. */

/* The world that rn_backend_sim is about. */
void rn_sim_enter(struct rn_sim *sim);

/* A further thread, ready to run: its number, or -EAGAIN; number 0 is there and runs. The present
 * thread's end: another one goes on, and this call doesn't come back. Waiting for an end. */
RN_MUST_USE int rn_sim_thread_new(struct rn_sim *sim);
void rn_sim_thread_end(struct rn_sim *sim);
void rn_sim_thread_join(struct rn_sim *sim, unsigned thread);
unsigned rn_sim_thread(const struct rn_sim *sim);

bool rn_sim_chance(struct rn_sim *sim, uint16_t of_65536);
void rn_sim_note(struct rn_sim *sim, long number, long a, long b, long result);
void *rn_sim_alloc(struct rn_sim *sim, size_t size); /* zeroed */
uint8_t *rn_sim_ring_take(struct rn_sim *sim, uint32_t size);
void rn_sim_ring_put(struct rn_sim *sim, uint8_t *ring, uint32_t size);
rn_ns rn_sim_delay(struct rn_sim *sim);
void rn_sim_at(struct rn_sim *sim, rn_ns at,
               void (*run)(struct rn_sim *sim, void *object, uint64_t value), void *object,
               uint64_t value);
void rn_sim_enter_kernel(struct rn_sim *sim);
/* Waits until ready says so, or the deadline: false. */
bool rn_sim_wait(struct rn_sim *sim, bool (*ready)(struct rn_sim *sim, void *argument),
                 void *argument, rn_ns deadline);

/* backend/sim_machine.c: told of each thread that was joined, for tests. */
extern void (*rn_sim_joined)(struct rn_thread *thread);

/* backend/sim_call.c: answers as the kernel would. Memory, signals and the like are the real
 * kernel's. */
long rn_sim_syscall(struct rn_sim *sim, long nr, long a, long b, long c, long d, long e, long f);
/* On a file or a name, with five arguments. */
long rn_sim_file_call(struct rn_sim *sim, long nr, const long *args);

/* backend/sim_file.c: descriptors, pipes aside; eventfd, files, directories. */
struct rn_sim_file *rn_sim_file_at(struct rn_sim *sim, int fd);
int rn_sim_descriptor(struct rn_sim *sim, struct rn_sim_file *file, int from);
int rn_sim_close(struct rn_sim *sim, int fd);
int rn_sim_open_error(struct rn_sim *sim);
int rn_sim_open(struct rn_sim *sim, int dir, const char *path, const struct rn_k_open_how *how);
int rn_sim_statx(struct rn_sim *sim, int dir, const char *path, int flags, struct rn_k_statx *info);
long rn_sim_getdents(struct rn_sim *sim, int fd, void *to, size_t len);
int rn_sim_fstat(struct rn_sim *sim, struct rn_sim_file *file, void *to);
uint32_t rn_sim_opened_for(struct rn_sim_file *file); /* O_RDWR and so on, O_APPEND */
int rn_sim_chmod(struct rn_sim *sim, int dir, const char *path, uint32_t mode);
int rn_sim_utimens(struct rn_sim *sim, int dir, const char *path,
                   const struct rn_k_timespec times[2], int flags);
int rn_sim_mknod(struct rn_sim *sim, int dir, const char *path, uint32_t mode);
int rn_sim_symlink(struct rn_sim *sim, const char *target, int dir, const char *path);
int rn_sim_unlink(struct rn_sim *sim, int dir, const char *path, bool directory);
int rn_sim_rename(struct rn_sim *sim, int from_dir, const char *from, int to_dir, const char *to,
                  bool replace);
/* The name of a socket: made, and looked up. */
int rn_sim_make_socket(struct rn_sim *sim, const char *path, struct rn_sim_node **node);
int rn_sim_find_socket(struct rn_sim *sim, const char *path, struct rn_sim_node **node);
int rn_sim_truncate(struct rn_sim *sim, int fd, uint64_t size);
long rn_sim_seek(struct rn_sim *sim, int fd, int64_t offset, int whence);
int rn_sim_memfd(struct rn_sim *sim);
int rn_sim_eventfd(struct rn_sim *sim, uint32_t value, int flags);
/* At most len bytes of a file to a stream; neither waits. */
long rn_sim_sendfile(struct rn_sim *sim, struct rn_sim_file *to, int from, uint64_t *offset,
                     size_t len);
void rn_sim_files_init(struct rn_sim *sim);

/* backend/sim_stream.c */
extern const struct rn_sim_file_vt rn_sim_stream_vt;
void rn_sim_send_buffer(struct rn_sim_socket *socket); /* has another size */
int rn_sim_stream_new(struct rn_sim *sim, int family, bool nonblock);
struct rn_sim_file *rn_sim_fifo(struct rn_sim *sim); /* open for both */
int rn_sim_stream_pair(struct rn_sim *sim, bool pipe, int flags, int fds[2]);
int rn_sim_listen(struct rn_sim *sim, struct rn_sim_file *file, int backlog);
int rn_sim_accept(struct rn_sim *sim, struct rn_sim_file *file, bool nonblock);
int rn_sim_connect(struct rn_sim *sim, struct rn_sim_file *file, const void *address,
                   uint32_t len);
int rn_sim_shutdown(struct rn_sim *sim, struct rn_sim_file *file, int how);

/* backend/sim_datagram.c */
extern const struct rn_sim_file_vt rn_sim_datagram_vt;
int rn_sim_datagram_new(struct rn_sim *sim, int family, bool nonblock);
int rn_sim_datagram_pair(struct rn_sim *sim, int flags, int fds[2]);
int rn_sim_datagram_connect(struct rn_sim *sim, struct rn_sim_file *file, const void *address,
                            uint32_t len);
int rn_sim_datagram_shutdown(struct rn_sim *sim, struct rn_sim_file *file, int how);
long rn_sim_datagram_send(struct rn_sim *sim, struct rn_sim_file *file, const void *from,
                          size_t len, const void *address, uint32_t address_len);
long rn_sim_datagram_receive(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                             void *address, uint32_t *address_len, size_t *whole);

/* backend/sim_name.c */
void rn_sim_socket_init(struct rn_sim_socket *socket, const struct rn_sim_file_vt *vt, int family,
                        int type, bool nonblock);
struct rn_sim_socket *rn_sim_socket_of(struct rn_sim_file *file); /* or NULL */
int rn_sim_getname(struct rn_sim *sim, struct rn_sim_file *file, bool peer, void *address,
                   uint32_t *len);
int rn_sim_read_address(const struct rn_sim_socket *socket, const void *from, uint32_t len,
                        struct rn_sim_address *to);
int rn_sim_bind(struct rn_sim *sim, struct rn_sim_file *file, const void *address, uint32_t len);
void rn_sim_autobind(struct rn_sim *sim, struct rn_sim_socket *socket);
void rn_sim_unbind(struct rn_sim *sim, struct rn_sim_socket *socket);
bool rn_sim_name_in_use(struct rn_sim *sim, const struct rn_sim_socket *socket);
void rn_sim_translate(struct rn_sim_address *address, int family);
struct rn_sim_address rn_sim_source(const struct rn_sim_socket *socket,
                                    const struct rn_sim_address *to);
int rn_sim_route(const struct rn_sim_socket *socket, struct rn_sim_address *to);
bool rn_sim_is_for_many(const struct rn_sim_address *to);
bool rn_sim_same_name(const struct rn_sim_address *a, const struct rn_sim_address *b);
unsigned rn_sim_answers_to(const struct rn_sim_socket *socket, const struct rn_sim_address *name);
struct rn_sim_socket *rn_sim_find(struct rn_sim *sim, const struct rn_sim_socket *from,
                                  const struct rn_sim_address *name, int *error);

/* backend/sim_option.c */
int32_t rn_sim_option(const struct rn_sim_socket *socket, int level, int option);
void rn_sim_inherit(struct rn_sim *sim, struct rn_sim_socket *to, const struct rn_sim_socket *from);
bool rn_sim_lingers_not(const struct rn_sim_socket *socket); /* its close is a reset */
rn_ns rn_sim_patience(const struct rn_sim_socket *socket, bool send); /* 0: without end */
bool rn_sim_is_member(struct rn_sim_socket *socket, const struct rn_sim_address *to);
int rn_sim_setsockopt(struct rn_sim *sim, struct rn_sim_file *file, int level, int option,
                      const void *value, uint32_t len);
int rn_sim_getsockopt(struct rn_sim *sim, struct rn_sim_file *file, int level, int option,
                      void *value, uint32_t *len);

/* backend/sim_wait.c */
void rn_sim_notify(struct rn_sim *sim, struct rn_sim_file *file, uint32_t events);
void rn_sim_unwatch(struct rn_sim *sim, struct rn_sim_file *file, int fd); /* -1: all */
bool rn_sim_wait_for(struct rn_sim *sim, struct rn_sim_file *file, uint32_t events, rn_ns deadline);
int rn_sim_epoll_new(struct rn_sim *sim);
int rn_sim_epoll_ctl(struct rn_sim *sim, int epoll, int what, int fd,
                     const struct rn_k_epoll_event *event);
int rn_sim_epoll_wait(struct rn_sim *sim, int epoll, struct rn_k_epoll_event *events, int max,
                      rn_ns deadline);
int rn_sim_ppoll(struct rn_sim *sim, struct rn_k_pollfd *fds, size_t count, rn_ns deadline);
int rn_sim_futex(struct rn_sim *sim, uint32_t *word, int what, uint32_t value, rn_ns deadline);

#endif
