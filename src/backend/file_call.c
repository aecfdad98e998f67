/*
 * backend/file_call.c: the system calls behind the operations on files.
 */
#include "backend/file_call.h"

const uint16_t rn_file_call_numbers[RN_FILE_CALLS] = {
    [RN_FILE_OPEN] = RN_NR_OPENAT2,         [RN_FILE_CLOSE] = RN_NR_CLOSE,
    [RN_FILE_READ] = RN_NR_PREAD64,         [RN_FILE_READ_ON] = RN_NR_READ,
    [RN_FILE_WRITE] = RN_NR_PWRITE64,       [RN_FILE_WRITE_ON] = RN_NR_WRITE,
    [RN_FILE_SYNC] = RN_NR_FSYNC,           [RN_FILE_SYNC_DATA] = RN_NR_FDATASYNC,
    [RN_FILE_TRUNCATE] = RN_NR_FTRUNCATE,   [RN_FILE_STAT] = RN_NR_STATX,
    [RN_FILE_RENAME] = RN_NR_RENAMEAT2,     [RN_FILE_UNLINK] = RN_NR_UNLINKAT,
    [RN_FILE_MKDIR] = RN_NR_MKDIRAT,        [RN_FILE_LIST] = RN_NR_GETDENTS64,
};
