/*
 * backend/select.c: which backend it is going to be.
 */
#include <runnel/backend.h>

#include "base/bytes.h"

const struct rn_backend_vt *rn_backend_select(const char *name,
                                              const struct rn_backend_choice *choice)
{
    static const struct rn_backend_vt *const known[] = {&rn_backend_uring, &rn_backend_epoll,
                                                        &rn_backend_poll};
    rn_bytes wanted = rn_bytes_text(name);
    bool any = rn_bytes_equal(wanted, RN_BYTES("auto"));
    for (unsigned i = 0; i < RN_COUNT(known); i++) {
        if (!any && !rn_bytes_equal(wanted, rn_bytes_text(known[i]->name))) continue;
        const char *missing = NULL;
        int error = known[i]->probe(&missing);
        if (error >= 0) return known[i];
        if (choice && choice->rejected) choice->rejected(choice->context, known[i], error, missing);
    }
    return NULL;
}
