/*
 * core/pool.c: a worker's receive and send buffers. One mapping, a free list through the buffers
 * themselves, and a mark below which buffers were ever used: memory above it was never touched and
 * costs nothing.
 */
#include <runnel/io.h>

#include "base/bytes.h"
#include "sys/sys.h"

enum {
    STRIDE_MIN = 512,
    STRIDE_MAX = 1 << 20,
    /* Between two buffers. A power of two apart, their first bytes, which are those that every
     * request touches, would all share a few sets of the processor's caches. */
    SHIFT = 5 * 64,
};

int rn_pool_init(struct rn_pool *pool, uint32_t count, uint32_t stride)
{
    if (count == 0 || stride < STRIDE_MIN || stride > STRIDE_MAX || (stride & (stride - 1)))
        return RN_E_MISUSE;
    stride += SHIFT;
    uint8_t *base = rn_map((size_t)count * stride);
    if (!base) return -RN_K_ENOMEM;
    *pool = (struct rn_pool){.base = base, .stride = stride, .count = count};
    pool->cap = stride - SHIFT - (uint32_t)sizeof(struct rn_buf);
    pool->waiting_tail = &pool->waiting;
    return 0;
}

void rn_pool_fini(struct rn_pool *pool)
{
    rn_assert(pool->used == 0);
    rn_unmap(pool->base, (size_t)pool->count * pool->stride);
    *pool = (struct rn_pool){0};
}

struct rn_buf *rn_pool_take(struct rn_pool *pool)
{
    return pool->count - pool->used > pool->reserve ? rn_pool_take_reserved(pool) : NULL;
}

struct rn_buf *rn_pool_take_reserved(struct rn_pool *pool)
{
    struct rn_buf *buf = pool->free;
    if (rn_likely(buf)) {
        pool->free = buf->next;
    } else {
        if (pool->touched == pool->count) return NULL;
        buf = rn_pool_at(pool, pool->touched);
        buf->id = pool->touched++;
        buf->cap = pool->cap;
    }
    pool->used++;
    buf->next = NULL;
    buf->at = 0;
    buf->len = 0;
    return buf;
}

/* It stays in line: if it left, and then took no buffer after all, nobody would tell the next. */
static void tell_first(struct rn_pool *pool)
{
    struct rn_pool_wait *wait = pool->waiting;
    if (rn_unlikely(wait) && pool->used < pool->count) wait->ready(wait);
}

void rn_pool_put(struct rn_pool *pool, struct rn_buf *buf)
{
    rn_assert(pool->used > 0 && rn_pool_at(pool, buf->id) == buf);
#ifdef RN_DEBUG
    memset(buf->data, 0xdd, STRIDE_MIN - sizeof *buf); /* whoever still reads it is seen */
#endif
    buf->next = pool->free;
    pool->free = buf;
    pool->used--;
    tell_first(pool);
}

void rn_pool_wait(struct rn_pool *pool, struct rn_pool_wait *wait)
{
    if (wait->waiting) return;
    wait->waiting = true;
    wait->next = NULL;
    *pool->waiting_tail = wait;
    pool->waiting_tail = &wait->next;
}

void rn_pool_wait_cancel(struct rn_pool *pool, struct rn_pool_wait *wait)
{
    struct rn_pool_wait **link = &pool->waiting;
    if (!wait->waiting) return;
    while (*link != wait) link = &(*link)->next;
    *link = wait->next;
    if (!wait->next) pool->waiting_tail = link;
    wait->waiting = false;
    tell_first(pool);
}
