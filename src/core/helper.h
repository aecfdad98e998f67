/*
 * core/helper.h: what the rest of the core knows of helpers. A program without them doesn't link
 * any of it: rn_helpers is never set there.
 */
#ifndef CORE_HELPER_H
#define CORE_HELPER_H

#include <runnel/helper.h>

/* op->code of what a helper does; the backend never sees it. */
enum { RN_OP_HELPED = RN_OP_CODES };

struct rn_helper_vt {
    void (*cancel)(struct rn_helped *helped);
    void (*stop)(struct rn_runtime *runtime); /* after the workers' end */
};
extern const struct rn_helper_vt *rn_helpers; /* core/op.c */

#endif
