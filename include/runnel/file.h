/*
 * runnel/file.h: files as awaitable calls that never block a worker. io_uring carries them out
 * itself, as far as the kernel can; on the other backends, and what it can't (reading a directory),
 * helper threads do (runnel/helper.h).
 *
 * Each fills in a struct rn_file_op and starts it; the task awaits &file.op and reads op.result:
 * what the system call of that name returns, a negative errno for an error; or what a helper's op
 * may end with. Paths and memory stay the caller's, and in place until then. Deadlines are
 * absolute; an operation that was cancelled too late completes with what it did: a descriptor that
 * was opened is the caller's to close.
 *
 *     rn_file_open(&me->file, cx, RN_FILE_HERE, "notes", &me->how, RN_NEVER);
 *     RN_AWAIT(&me->co, &me->file.op, cx);
 *     me->fd = (int)me->file.op.result;
 */
#ifndef RUNNEL_FILE_H
#define RUNNEL_FILE_H

#include <runnel/helper.h>
#include <runnel/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Once, before the first rn_runtime_start: this process will use files. options: of its helpers,
 * NULL for the defaults. RN_E_MISUSE as rn_helpers_setup. */
RN_MUST_USE int rn_files_setup(const struct rn_helper_options *options);

/* One operation at a time; it needs no initialisation. */
struct rn_file_op {
    union {
        struct rn_op op; /* to be awaited */
        struct rn_helped helped; /* private from here */
    };
    long call[6];
};

/* In place of a directory's descriptor: paths are relative to the working directory. Absolute ones
 * are so anyway. */
enum { RN_FILE_HERE = -100 };

/* A descriptor, close-on-exec if flags say so: openat2(2). */
void rn_file_open(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path,
                  const struct rn_open_how *how, rn_ns deadline);
/* 0. The descriptor is gone whatever it says, and whether the task was cancelled or not; where
 * there is no helper for it, the worker's own thread does it. Nothing else may be in flight on
 * it. */
void rn_file_close(struct rn_file_op *file, struct rn_cx *cx, int fd);
/* At most len bytes at that offset, pread(2), pwrite(2): how many, 0 at the end of the file. Offset
 * -1 is the descriptor's own, which goes on by as many: read(2), write(2). */
void rn_file_read(struct rn_file_op *file, struct rn_cx *cx, int fd, void *to, size_t len,
                  int64_t offset, rn_ns deadline);
void rn_file_write(struct rn_file_op *file, struct rn_cx *cx, int fd, const void *from, size_t len,
                   int64_t offset, rn_ns deadline);
/* 0 when it is on the disk, fsync(2); data_only: without times and the like, fdatasync(2). */
void rn_file_sync(struct rn_file_op *file, struct rn_cx *cx, int fd, bool data_only,
                  rn_ns deadline);
/* 0; ftruncate(2). */
void rn_file_truncate(struct rn_file_op *file, struct rn_cx *cx, int fd, uint64_t len,
                      rn_ns deadline);

/* As struct statx, statx(2). */
struct rn_file_time {
    int64_t seconds; /* since 1970-01-01 UTC */
    uint32_t nanoseconds;
    int32_t reserved;
};
struct rn_file_status {
    uint32_t mask; /* of what is known */
    uint32_t block_size;
    uint64_t attributes;
    uint32_t links;
    uint32_t user;
    uint32_t group;
    uint16_t mode; /* its kind and permissions, inode(7) */
    uint16_t reserved0;
    uint64_t inode;
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    uint64_t attributes_mask;
    struct rn_file_time accessed, created, changed, modified;
    uint32_t device_major, device_minor; /* that it is, if it is one */
    uint32_t on_major, on_minor;         /* that it is on */
    uint64_t reserved1[14];
};

/* 0, and *to is filled in. An empty path: of the descriptor `dir` itself. follow: of what a
 * symbolic link points to. */
void rn_file_stat(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path, bool follow,
                  struct rn_file_status *to, rn_ns deadline);
/* 0; renameat2(2). replace: a file of the new name may be there, and is gone then; otherwise
 * -EEXIST. */
void rn_file_rename(struct rn_file_op *file, struct rn_cx *cx, int from_dir, const char *from,
                    int to_dir, const char *to, bool replace, rn_ns deadline);
/* 0; unlinkat(2). directory: an empty one, rmdir(2). */
void rn_file_unlink(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path,
                    bool directory, rn_ns deadline);
/* 0; mkdirat(2). mode: permissions, of which the umask takes some. */
void rn_file_mkdir(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path,
                   uint32_t mode, rn_ns deadline);

/* The next entries of the directory that is open as fd, in no order, getdents64(2): how many bytes
 * of `to` they take, 0 at the end. "." and ".." are among them. `to` is aligned to 8 bytes,
 * `size` at least 512. Its place is the descriptor's own. */
void rn_file_list(struct rn_file_op *file, struct rn_cx *cx, int fd, void *to, size_t size,
                  rn_ns deadline);

/* One entry. The name has a terminator and is borrowed from what was read. */
struct rn_file_entry {
    const char *name;
    uint64_t inode;
    uint8_t type; /* as d_type of readdir(3): 4 a directory, 8 a file, 10 a link; 0: ask stat */
};
/* The entry at *at of the `len` bytes that rn_file_list gave, and moves on; *at is 0 at first.
 * False: that was all. */
bool rn_file_next(const void *from, size_t len, size_t *at, struct rn_file_entry *entry);

#ifdef __cplusplus
}
#endif
#endif
