/*
 * backend/uring_file.c: the operations of runnel/file.h as io_uring has them. Reading a directory
 * isn't among them, and ftruncate(2) only since Linux 6.9; the rest is older than what uring needs
 * anyway, but a kernel is asked, not guessed at.
 */
#include "backend/file_call.h"

enum { PROBE_MAX = 256 };

/* Where a system call's arguments go in a submission; the first is always the descriptor. */
enum where { NOWHERE, ADDR, LEN, OFF, FLAGS };

static const struct {
    uint8_t opcode; /* 0, which is a NOP: not by io_uring */
    uint8_t places[4]; /* of the second argument and those behind it */
} ways[RN_FILE_CALLS] = {
    [RN_FILE_OPEN] = {RN_K_IORING_OP_OPENAT2, {ADDR, OFF, LEN}},
    [RN_FILE_CLOSE] = {RN_K_IORING_OP_CLOSE, {0}},
    [RN_FILE_READ] = {RN_K_IORING_OP_READ, {ADDR, LEN, OFF}},
    [RN_FILE_READ_ON] = {RN_K_IORING_OP_READ, {ADDR, LEN, OFF}},
    [RN_FILE_WRITE] = {RN_K_IORING_OP_WRITE, {ADDR, LEN, OFF}},
    [RN_FILE_WRITE_ON] = {RN_K_IORING_OP_WRITE, {ADDR, LEN, OFF}},
    [RN_FILE_SYNC] = {RN_K_IORING_OP_FSYNC, {0}},
    [RN_FILE_SYNC_DATA] = {RN_K_IORING_OP_FSYNC, {FLAGS}},
    [RN_FILE_TRUNCATE] = {RN_K_IORING_OP_FTRUNCATE, {OFF}},
    [RN_FILE_STAT] = {RN_K_IORING_OP_STATX, {ADDR, FLAGS, LEN, OFF}},
    [RN_FILE_RENAME] = {RN_K_IORING_OP_RENAMEAT, {ADDR, LEN, OFF, FLAGS}},
    [RN_FILE_UNLINK] = {RN_K_IORING_OP_UNLINKAT, {ADDR, FLAGS}},
    [RN_FILE_MKDIR] = {RN_K_IORING_OP_MKDIRAT, {ADDR, LEN}},
};

static uint32_t find(int ring)
{
    union {
        struct rn_k_io_uring_probe probe;
        uint8_t room[sizeof(struct rn_k_io_uring_probe) +
                     PROBE_MAX * sizeof(struct rn_k_io_uring_probe_op)];
    } answer = {.room = {0}};
    uint32_t kinds = 0;
    int result =
        rn_sys_io_uring_register(ring, RN_K_IORING_REGISTER_PROBE, &answer.probe, PROBE_MAX);
    if (result < 0) return 0;
    for (unsigned kind = 0; kind < RN_FILE_CALLS; kind++) {
        unsigned opcode = ways[kind].opcode;
        if (opcode && opcode < answer.probe.ops_len &&
            answer.probe.ops[opcode].flags & RN_K_IO_URING_OP_SUPPORTED)
            kinds |= 1u << kind;
    }
    return kinds;
}

static bool has(const struct rn_k_io_uring_restriction *list, unsigned count, uint8_t opcode)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].sqe_op == opcode) return true;
    return false;
}

static unsigned allow(uint32_t kinds, struct rn_k_io_uring_restriction *list, unsigned count)
{
    for (unsigned kind = 0; kind < RN_FILE_CALLS; kind++) {
        if (!(kinds >> kind & 1) || has(list, count, ways[kind].opcode)) continue;
        list[count++] = (struct rn_k_io_uring_restriction){
            .opcode = RN_K_IORING_RESTRICTION_SQE_OP,
            .sqe_op = ways[kind].opcode,
        };
    }
    return count;
}

static void fill(const struct rn_op *op, struct rn_k_io_uring_sqe *sqe)
{
    const struct rn_file_call *call = (const void *)op->arg.open.path;
    sqe->opcode = ways[call->kind].opcode;
    sqe->fd = (int32_t)call->args[0];
    for (unsigned i = 0; i < 4; i++) {
        long value = call->args[i + 1];
        switch ((enum where)ways[call->kind].places[i]) {
        case NOWHERE: break;
        case ADDR: sqe->addr = (uint64_t)value; break;
        /* A read or write takes part of what is longer than this. */
        case LEN: sqe->len = value > INT32_MAX - 4095 ? INT32_MAX - 4095 : (uint32_t)value; break;
        case OFF: sqe->off = (uint64_t)value; break;
        case FLAGS: sqe->rw_flags = (uint32_t)value; break;
        }
    }
}

void rn_uring_files_setup(void)
{
    static const struct rn_uring_files files = {find, allow, fill};
    rn_uring_files = &files;
}
