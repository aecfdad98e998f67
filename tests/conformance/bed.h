/*
 * conformance/bed.h: a bed to test a backend in: it does what a worker does, one turn at a time,
 * and checks with each completion what holds for all of them.
 *
 * Nothing waits without end: a wait whose completion is lost fails after PATIENCE. Otherwise no
 * test looks at how long something took.
 */
#ifndef CONFORMANCE_BED_H
#define CONFORMANCE_BED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <runnel/backend.h>

#include "worlds.h"

enum {
    DESCRIPTORS = 4096,
    POOL_COUNT = 64,
    POOL_STRIDE = 4096,
    COMPLETIONS_MAX = 16,
};
#define PATIENCE (60 * RN_SECOND)

struct bed {
    struct rn_backend *backend;
    struct rn_pool pool;
    uint64_t started;   /* ops */
    uint64_t finished;  /* ops */
    uint64_t completed; /* completions */
    unsigned max;       /* completions in a turn */
    unsigned descriptors; /* open before the test */
};

/* An op and what came of it. Received buffers are kept, in order, until call_drain. */
struct call {
    struct rn_op op;
    struct bed *bed;
    void (*then)(struct call *call); /* after each completion; may be NULL */
    void *owner;
    unsigned completions;
    bool done; /* the last one has come */
    uint64_t bytes;
    struct rn_buf *first, *last;
};

/* The bed of the test that runs. */
struct bed *bed_of(void **state);
int bed_set_up(void **state);
int bed_tear_down(void **state);
/* Replaces its pool by a smaller one; only before the first op. */
void bed_set_pool(struct bed *bed, uint32_t count);

/* One turn; returns the completions. */
unsigned bed_turn(struct bed *bed, rn_ns until);
rn_ns bed_now(struct bed *bed);
/* Turns until *flag is set. */
void bed_until(struct bed *bed, const bool *flag);
/* Turns until *counter has reached the value. */
void bed_count(struct bed *bed, const unsigned *counter, unsigned value);
/* Some turns in which nothing must complete, and the backend must not spin. */
void bed_quiet(struct bed *bed);
/* Some turns in which anything may. */
void bed_settle(struct bed *bed);

void call_init(struct call *call, struct bed *bed, unsigned code, int fd);
void call_start(struct call *call);
bool can_try(void); /* whether the backend carries ops out at once */
bool call_try(struct call *call); /* true: it did */
void call_cancel(struct call *call);
int64_t call_wait(struct call *call); /* for its last completion */
int64_t call_run(struct call *call);  /* start and wait */
/* Cancels, and expects that nothing else happened to it. */
void call_expect_cancelled(struct call *call);
/* Moves what was received to memory and gives the buffers back. Returns how much there was. */
size_t call_drain(struct call *call, void *to, size_t size);
void call_give(struct call *call, unsigned count); /* gives that many buffers back unread */

/* Whole ops, for when the test is about something else. */
void op_close(struct bed *bed, int fd);
int64_t op_shutdown(struct bed *bed, int fd, int how);
int64_t op_send(struct bed *bed, int fd, const void *from, size_t len);
int64_t op_receive(struct bed *bed, int fd, void *to, size_t len); /* exactly, or to the end */
void memory_init(struct call *call, struct bed *bed, unsigned code, int fd, void *ptr, size_t len);

/* Sockets, all non-blocking. */
struct address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
};
void pair(int type, int fds[2]);            /* of Unix sockets */
void tcp_pair(struct bed *bed, int fds[2]); /* over loopback */
void pipe_pair(int fds[2]);
/* Bound to a free port or name. family: AF_INET, AF_INET6, AF_UNIX. -1 when there is no IPv6. */
int bound(int family, int type, struct address *address);
int listener(int family, struct address *address, int backlog);
void reset(int fd); /* closes so that the peer gets a reset */
void small_buffer(int fd);
/* Writes until nothing more goes in; how much did. */
size_t fill(int fd);
/* Reads what is there. */
size_t drain(int fd);
void put(int fd, const char *text);
int scratch_file(uint64_t size); /* sparse, without a name */

/* Byte `at` of a stream: any loss or swap is seen. */
static inline uint8_t pattern(uint64_t at)
{
    return (uint8_t)((at * 131) ^ (at >> 8) ^ (at >> 16));
}
void pattern_fill(uint8_t *to, size_t len, uint64_t at);
/* The index of the first wrong byte, or len. */
size_t pattern_check(const uint8_t *from, size_t len, uint64_t at);

#define GROUP(name)                                                                                \
    extern const struct CMUnitTest name##_tests[];                                                 \
    extern const size_t name##_tests_count;
GROUP(accept)
GROUP(stream)
GROUP(reset)
GROUP(file)
GROUP(datagram)
GROUP(cancel)
GROUP(buffer)
GROUP(loop)
#undef GROUP

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name, bed_set_up, bed_tear_down, NULL                                               \
    }

#endif
