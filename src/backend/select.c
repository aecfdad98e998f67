/*
 * backend/select.c: which backend it is going to be.
 */
#include <runnel/backend.h>

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

const struct rn_backend_vt *rn_backend_select(const char *name,
                                              const struct rn_backend_choice *choice)
{
    static const struct rn_backend_vt *const known[] = {&rn_backend_uring, &rn_backend_epoll,
                                                        &rn_backend_poll};
    bool any = same(name, "auto");
    for (unsigned i = 0; i < RN_COUNT(known); i++) {
        if (!any && !same(name, known[i]->name)) continue;
        const char *missing = NULL;
        int error = known[i]->probe(&missing);
        if (error >= 0) return known[i];
        if (choice && choice->rejected) choice->rejected(choice->context, known[i], error, missing);
    }
    return NULL;
}
