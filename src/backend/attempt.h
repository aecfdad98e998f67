/*
 * backend/attempt.h: an op carried out by one plain system call that doesn't wait, which is all
 * there is on a readiness loop, and the cheapest way for some ops on io_uring too.
 */
#ifndef BACKEND_ATTEMPT_H
#define BACKEND_ATTEMPT_H

#include <runnel/io.h>

/* What rn_attempt says besides a result: far below any error. */
enum {
    RN_WAIT = -20001,  /* until the descriptor is ready */
    RN_AGAIN = -20002, /* when the others had their turn */
    RN_STARVE = -20003 /* until a buffer comes back */
};

/* rn_attempts[].traits */
enum {
    RN_FOR_READ = 1, /* the readiness it waits for */
    RN_FOR_WRITE = 2,
    RN_ON_EVENT = 4, /* not tried before something came in, since it would mostly be in vain */
    RN_BUFFER = 8,   /* takes one of the pool */
    RN_PROGRESS = 16 /* goes on until all is done */
};

/* The system call behind an op, and its flags, if it takes any. */
struct rn_attempt_method {
    uint16_t nr;
    uint16_t traits;
    uint32_t flags;
};
extern const struct rn_attempt_method rn_attempts[RN_OP_CODES];

/* Tries once. What is done in parts counts in op->progress; what was received is in op->buf. */
int64_t rn_attempt(struct rn_backend *backend, struct rn_op *op);

#endif
