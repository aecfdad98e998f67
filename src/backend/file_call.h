/*
 * backend/file_call.h: the operations of runnel/file.h on their way to a backend that carries them
 * out itself.
 */
#ifndef BACKEND_FILE_CALL_H
#define BACKEND_FILE_CALL_H

#include <runnel/io.h>

#include "sys/sys.h"

/* Such an op has the code RN_OP_OPEN, with which it has in common that it waits for no descriptor,
 * and a struct rn_file_call in the place of its path; `how` is NULL. A code of its own would be an
 * entry more in each backend's tables. */
static inline bool rn_is_file_call(const struct rn_op *op)
{
    return op->code == RN_OP_OPEN && !op->arg.open.how;
}

enum rn_file_call_kind {
    RN_FILE_OPEN,
    RN_FILE_CLOSE,
    RN_FILE_READ, /* at an offset; the other two at the descriptor's own */
    RN_FILE_READ_ON,
    RN_FILE_WRITE,
    RN_FILE_WRITE_ON,
    RN_FILE_SYNC,
    RN_FILE_SYNC_DATA,
    RN_FILE_TRUNCATE,
    RN_FILE_STAT,
    RN_FILE_RENAME,
    RN_FILE_UNLINK,
    RN_FILE_MKDIR,
    RN_FILE_LIST,
    RN_FILE_CALLS
};

/* A system call: its arguments as the kernel takes them. */
struct rn_file_call {
    long kind;
    long args[5];
};

/* The system call of each kind. */
extern const uint16_t rn_file_call_numbers[RN_FILE_CALLS];

/* backend/uring_file.c: sets rn_uring_files; before any backend is made. */
void rn_uring_files_setup(void);

/* How uring does such ops. NULL in a program without files, which links none of it. */
struct rn_uring_files {
    /* The bits of the kinds that this ring's kernel has. */
    uint32_t (*find)(int ring);
    /* What is to be allowed for that, behind `count` others. Returns how many there are then. */
    unsigned (*allow)(uint32_t kinds, struct rn_k_io_uring_restriction *list, unsigned count);
    void (*fill)(const struct rn_op *op, struct rn_k_io_uring_sqe *sqe);
};
extern const struct rn_uring_files *rn_uring_files; /* backend/uring.c */
/* Which kinds it does. */
uint32_t rn_uring_file_calls(const struct rn_backend *backend);

#endif
