/*
 * bench/floor/uring.h: io_uring by its raw system calls (io_uring_setup(2), io_uring_enter(2)): a
 * ring that only this thread uses (SINGLE_ISSUER), whose completions come only when it asks for
 * them (DEFER_TASKRUN), and one group of provided buffers for receives.
 */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ring {
    int fd;
    unsigned registered; /* its number among the registered rings */
    unsigned *sq_head, *sq_tail, sq_mask, sq_entries;
    unsigned prepared; /* entries ever prepared: the tail that isn't shown yet */
    struct io_uring_sqe *sqes;
    unsigned *cq_head, *cq_tail, cq_mask;
    struct io_uring_cqe *cqes;
    struct io_uring_buf_ring *lent;
    char *buffers;
    unsigned buffer_size, buffer_count;
    uint16_t lent_tail;
};

void ring_start(struct ring *ring, unsigned entries);

/* Lends `count` buffers (a power of two) of `size` bytes as group 0. */
void ring_lend(struct ring *ring, unsigned count, unsigned size);

/* A table of `count` direct descriptors, all free. */
void ring_files(struct ring *ring, size_t count);

/* Submits what was prepared, and waits for `wait` completions. */
void ring_enter(struct ring *ring, unsigned wait);

static inline struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    unsigned head = __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
    if (ring->prepared - head == ring->sq_entries) ring_enter(ring, 0);
    struct io_uring_sqe *sqe = &ring->sqes[ring->prepared++ & ring->sq_mask];
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

static inline char *ring_buffer(struct ring *ring, unsigned id)
{
    return ring->buffers + (size_t)id * ring->buffer_size;
}

static inline unsigned ring_buffer_id(const struct io_uring_cqe *cqe)
{
    return cqe->flags >> IORING_CQE_BUFFER_SHIFT;
}

/* Gives a buffer back. */
static inline void ring_give(struct ring *ring, unsigned id)
{
    struct io_uring_buf *buffer = &ring->lent->bufs[ring->lent_tail++ & (ring->buffer_count - 1)];
    buffer->addr = (uintptr_t)ring_buffer(ring, id);
    buffer->len = ring->buffer_size;
    buffer->bid = (uint16_t)id;
    __atomic_store_n(&ring->lent->tail, ring->lent_tail, __ATOMIC_RELEASE);
}

/* What a completion is about: the kind of operation, a connection, and a number of its own. */
static inline uint64_t about(unsigned kind, unsigned connection, unsigned extra)
{
    return (uint64_t)extra << 40 | (uint64_t)connection << 8 | kind;
}

static inline unsigned about_kind(uint64_t user_data) { return user_data & 0xff; }
static inline unsigned about_connection(uint64_t user_data) { return (uint32_t)(user_data >> 8); }
static inline unsigned about_extra(uint64_t user_data) { return (unsigned)(user_data >> 40); }

/* Goes over all the completions that are there. */
#define RING_FOR_EACH(ring, cqe)                                                                   \
    for (struct io_uring_cqe *cqe;                                                                 \
         *(ring)->cq_head != __atomic_load_n((ring)->cq_tail, __ATOMIC_ACQUIRE) &&                 \
         (cqe = &(ring)->cqes[*(ring)->cq_head & (ring)->cq_mask], true);                          \
         __atomic_store_n((ring)->cq_head, *(ring)->cq_head + 1, __ATOMIC_RELEASE))

#endif
