/*
 * core/slab.h: a fixed number of equal objects in one lazily mapped block, each with a generation,
 * so that a handle (index, generation) to an object that is gone is noticed and never reaches its
 * successor.
 */
#ifndef CORE_SLAB_H
#define CORE_SLAB_H

#include <runnel/base.h>

/* The first member of every object in a slab. The generation is even while the object is free, odd
 * while it lives, and survives the object. */
struct rn_slab_item {
    uint32_t index;
    uint32_t generation;
    struct rn_slab_item *next;
};

struct rn_slab {
    uint8_t *base;
    struct rn_slab_item *free;
    uint32_t stride;
    uint32_t count;
    uint32_t touched;
    uint32_t used;
};

/* -ENOMEM. The stride is rounded up to 16 bytes. */
RN_MUST_USE int rn_slab_init(struct rn_slab *slab, uint32_t count, size_t object_size);
void rn_slab_fini(struct rn_slab *slab);

/* An object with nothing set but its item, or NULL when all are taken. The last one put is the
 * next one taken. */
void *rn_slab_take(struct rn_slab *slab);
void rn_slab_put(struct rn_slab *slab, void *object);

static inline void *rn_slab_at(const struct rn_slab *slab, uint32_t index)
{
    return slab->base + (size_t)index * slab->stride;
}

/* The object, or NULL when it is gone. */
void *rn_slab_get(const struct rn_slab *slab, uint32_t index, uint32_t generation);

/* Walks the objects that live: start with *index 0; NULL at the end. */
void *rn_slab_next(const struct rn_slab *slab, uint32_t *index);

#endif
