/*
 * core/slab.c: see slab.h. Memory beyond the most objects that ever lived at once is never touched.
 */
#include "core/slab.h"

#include "sys/sys.h"

int rn_slab_init(struct rn_slab *slab, uint32_t count, size_t object_size)
{
    uint32_t stride = (uint32_t)((object_size + 15) & ~(size_t)15);
    uint8_t *base = rn_map((size_t)count * stride);
    if (!base) return -RN_K_ENOMEM;
    *slab = (struct rn_slab){.base = base, .stride = stride, .count = count};
    return 0;
}

void rn_slab_fini(struct rn_slab *slab)
{
    rn_unmap(slab->base, (size_t)slab->count * slab->stride);
    *slab = (struct rn_slab){0};
}

void *rn_slab_take(struct rn_slab *slab)
{
    struct rn_slab_item *item = slab->free;
    if (item) {
        slab->free = item->next;
    } else {
        if (slab->touched == slab->count) return NULL;
        item = rn_slab_at(slab, slab->touched);
        item->index = slab->touched++;
    }
    item->generation++;
    slab->used++;
    return item;
}

void rn_slab_put(struct rn_slab *slab, void *object)
{
    struct rn_slab_item *item = object;
    rn_assert((item->generation & 1) && slab->used > 0);
    item->generation++;
    item->next = slab->free;
    slab->free = item;
    slab->used--;
}

void *rn_slab_get(const struct rn_slab *slab, uint32_t index, uint32_t generation)
{
    if (index >= slab->touched || !(generation & 1)) return NULL;
    struct rn_slab_item *item = rn_slab_at(slab, index);
    return item->generation == generation ? item : NULL;
}

void *rn_slab_next(const struct rn_slab *slab, uint32_t *index)
{
    while (*index < slab->touched) {
        struct rn_slab_item *item = rn_slab_at(slab, (*index)++);
        if (item->generation & 1) return item;
    }
    return NULL;
}
