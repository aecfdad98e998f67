/*
 * runnel/backend.h: the backends on kernel sockets, and the choice between them.
 */
#ifndef RUNNEL_BACKEND_H
#define RUNNEL_BACKEND_H

#include <runnel/io.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const struct rn_backend_vt rn_backend_uring; /* io_uring(7), Linux 6.1 or newer */
extern const struct rn_backend_vt rn_backend_epoll; /* epoll(7), edge-triggered */
extern const struct rn_backend_vt rn_backend_poll;  /* ppoll(2): works everywhere */

/* Calls `rejected` (may be NULL) for each backend that was tried and can't work here. */
struct rn_backend_choice {
    void (*rejected)(void *context, const struct rn_backend_vt *backend, int error,
                     const char *missing);
    void *context;
};

/* name: "uring", "epoll", "poll", or "auto", which takes the first of these that works. NULL when
 * the named one doesn't work here (`rejected` was told) or there is no such name. */
const struct rn_backend_vt *rn_backend_select(const char *name,
                                              const struct rn_backend_choice *choice);

#ifdef __cplusplus
}
#endif
#endif
