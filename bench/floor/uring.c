/*
 * bench/floor/uring.c: sets a ring up, its buffers and its direct descriptors, and enters it.
 */
#include "uring.h"
#include "floor.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1u << 16)
#endif

static void *map_ring(const struct ring *ring, size_t size, off_t offset)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, offset);
    if (memory == MAP_FAILED) die("mmap of the ring");
    return memory;
}

static void ring_register(const struct ring *ring, unsigned what, void *argument, unsigned count)
{
    if (syscall(SYS_io_uring_register, ring->fd, what, argument, count) < 0)
        die("io_uring_register");
}

/* A ring is taken down some time after its program's end, and what is under way on it holds its
 * sockets until then. Cancelled before, it lets them go, and the port can be bound again. */
static int open_ring;

static void cancel_all(void)
{
    struct io_uring_sync_cancel_reg all = {
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY,
        .timeout = {-1, -1},
    };
    long count = syscall(SYS_io_uring_register, open_ring, IORING_REGISTER_SYNC_CANCEL, &all, 1);
    /* What was cancelled ends by task work, of which one enter may do no more than 20. */
    for (long left = count > 0 ? count : 0; left > -100; left -= 20)
        syscall(SYS_io_uring_enter, open_ring, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    syscall(SYS_io_uring_register, open_ring, IORING_UNREGISTER_FILES, NULL, 0);
}

void ring_start(struct ring *ring, unsigned entries)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_NO_SQARRAY,
        .cq_entries = entries * 8,
    };
    ring->fd = (int)syscall(SYS_io_uring_setup, entries, &params);
    if (ring->fd < 0 && errno == EINVAL) { /* before Linux 6.6 there is always an array */
        params.flags &= ~IORING_SETUP_NO_SQARRAY;
        ring->fd = (int)syscall(SYS_io_uring_setup, entries, &params);
    }
    if (ring->fd < 0) die("io_uring_setup");
    open_ring = ring->fd;
    before_end = cancel_all;
    size_t size = params.cq_off.cqes + params.cq_entries * sizeof *ring->cqes;
    size_t array = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    char *rings = map_ring(ring, size > array ? size : array, IORING_OFF_SQ_RING);
    ring->sqes = map_ring(ring, params.sq_entries * sizeof *ring->sqes, IORING_OFF_SQES);
    ring->sq_head = (unsigned *)(rings + params.sq_off.head);
    ring->sq_tail = (unsigned *)(rings + params.sq_off.tail);
    ring->sq_mask = params.sq_entries - 1;
    ring->sq_entries = params.sq_entries;
    ring->cq_head = (unsigned *)(rings + params.cq_off.head);
    ring->cq_tail = (unsigned *)(rings + params.cq_off.tail);
    ring->cq_mask = params.cq_entries - 1;
    ring->cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
    if (!(params.flags & IORING_SETUP_NO_SQARRAY)) {
        unsigned *indices = (unsigned *)(rings + params.sq_off.array);
        for (unsigned i = 0; i < params.sq_entries; i++) indices[i] = i;
    }
    /* A registered ring isn't looked up in the table of descriptors at each enter. */
    struct io_uring_rsrc_update update = {.offset = -1u, .data = (uint64_t)ring->fd};
    ring_register(ring, IORING_REGISTER_RING_FDS, &update, 1);
    ring->registered = update.offset;
}

void ring_lend(struct ring *ring, unsigned count, unsigned size)
{
    ring->lent = map_zeroed(count * sizeof(struct io_uring_buf));
    ring->buffers = map_zeroed((size_t)count * size);
    ring->buffer_size = size;
    ring->buffer_count = count;
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)ring->lent, .ring_entries = count};
    ring_register(ring, IORING_REGISTER_PBUF_RING, &reg, 1);
    for (unsigned id = 0; id < count; id++) ring_give(ring, id);
}

void ring_files(struct ring *ring, size_t count)
{
    struct io_uring_rsrc_register reg = {.nr = (uint32_t)count,
                                         .flags = IORING_RSRC_REGISTER_SPARSE};
    ring_register(ring, IORING_REGISTER_FILES2, &reg, sizeof reg);
}

void ring_enter(struct ring *ring, unsigned wait)
{
    unsigned submit = ring->prepared - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
    __atomic_store_n(ring->sq_tail, ring->prepared, __ATOMIC_RELEASE);
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    long result = syscall(SYS_io_uring_enter, ring->registered, submit, wait, flags, NULL, 0);
    if (result < 0 && errno != EINTR && errno != EBUSY && errno != EAGAIN) die("io_uring_enter");
}
