/*
 * net/file.c: operations on files. Each is one system call, written down with its arguments: the
 * backend carries it out if it can, a helper thread otherwise.
 */
#include <runnel/backend.h>
#include <runnel/file.h>

#include "backend/file_call.h"
#include "base/bytes.h"
#include "core/worker.h"

_Static_assert(sizeof(struct rn_file_call) == sizeof((struct rn_file_op *)0)->call,
               "what is private there is this");
_Static_assert(sizeof(struct rn_file_status) == sizeof(struct rn_k_statx) &&
                   offsetof(struct rn_file_status, mode) == offsetof(struct rn_k_statx, stx_mode) &&
                   offsetof(struct rn_file_status, modified) ==
                       offsetof(struct rn_k_statx, stx_mtime) &&
                   offsetof(struct rn_file_status, on_minor) ==
                       offsetof(struct rn_k_statx, stx_dev_minor),
               "as the kernel has it");

int rn_files_setup(const struct rn_helper_options *options)
{
    int result = rn_helpers_setup(options);
    if (result == 0) rn_uring_files_setup();
    return result;
}

/* The simulator does them all; it is in few programs, and none that lacks it is to link it. */
extern const struct rn_backend_vt rn_backend_sim __attribute__((weak));

static uint32_t native(const struct rn_backend *backend)
{
    if (backend->vt == &rn_backend_uring) return rn_uring_file_calls(backend);
    return &rn_backend_sim && backend->vt == &rn_backend_sim ? UINT32_MAX : 0;
}

static int64_t perform(struct rn_helped *helped)
{
    struct rn_file_op *file = rn_container_of(helped, struct rn_file_op, helped);
    const struct rn_file_call *call = (const void *)file->call;
    const long *of = call->args;
    return rn_syscall5(rn_file_call_numbers[call->kind], of[0], of[1], of[2], of[3], of[4]);
}

static void begin(struct rn_file_op *file, struct rn_cx *cx, struct rn_file_call call,
                  rn_ns deadline)
{
    struct rn_op *op = &file->op;
    memcpy(file->call, &call, sizeof call);
    if (native(cx->worker->backend) >> call.kind & 1) {
        op->fd = (int32_t)call.args[0];
        op->code = RN_OP_OPEN;
        op->flags = 0;
        op->arg.open.path = (const void *)file->call;
        op->arg.open.how = NULL;
        rn_op_begin(cx, op, deadline);
        return;
    }
    file->helped.run = perform;
    file->helped.certain = call.kind == RN_FILE_CLOSE;
    rn_helper_begin(cx, &file->helped, deadline);
}

void rn_file_open(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path,
                  const struct rn_open_how *how, rn_ns deadline)
{
    struct rn_file_call call = {RN_FILE_OPEN, {dir, (long)path, (long)how, sizeof *how}};
    begin(file, cx, call, deadline);
}

void rn_file_close(struct rn_file_op *file, struct rn_cx *cx, int fd)
{
    begin(file, cx, (struct rn_file_call){RN_FILE_CLOSE, {fd}}, RN_NEVER);
    /* A cancellation that came before it began would leave the descriptor open. */
    file->op.flags |= RN_OP_CANCELLED;
}

void rn_file_read(struct rn_file_op *file, struct rn_cx *cx, int fd, void *to, size_t len,
                  int64_t offset, rn_ns deadline)
{
    long kind = offset < 0 ? RN_FILE_READ_ON : RN_FILE_READ;
    begin(file, cx, (struct rn_file_call){kind, {fd, (long)to, (long)len, offset}}, deadline);
}

void rn_file_write(struct rn_file_op *file, struct rn_cx *cx, int fd, const void *from, size_t len,
                   int64_t offset, rn_ns deadline)
{
    long kind = offset < 0 ? RN_FILE_WRITE_ON : RN_FILE_WRITE;
    begin(file, cx, (struct rn_file_call){kind, {fd, (long)from, (long)len, offset}}, deadline);
}

void rn_file_sync(struct rn_file_op *file, struct rn_cx *cx, int fd, bool data_only, rn_ns deadline)
{
    struct rn_file_call call = {RN_FILE_SYNC, {fd, 0}};
    if (data_only) {
        call.kind = RN_FILE_SYNC_DATA;
        call.args[1] = RN_K_IORING_FSYNC_DATASYNC;
    }
    begin(file, cx, call, deadline);
}

void rn_file_truncate(struct rn_file_op *file, struct rn_cx *cx, int fd, uint64_t len,
                      rn_ns deadline)
{
    begin(file, cx, (struct rn_file_call){RN_FILE_TRUNCATE, {fd, (long)len}}, deadline);
}

void rn_file_stat(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path, bool follow,
                  struct rn_file_status *to, rn_ns deadline)
{
    long flags = follow ? 0 : RN_K_AT_SYMLINK_NOFOLLOW;
    if (!*path) flags |= RN_K_AT_EMPTY_PATH;
    const long mask = RN_K_STATX_BASIC_STATS | RN_K_STATX_BTIME;
    struct rn_file_call call = {RN_FILE_STAT, {dir, (long)path, flags, mask, (long)to}};
    begin(file, cx, call, deadline);
}

void rn_file_rename(struct rn_file_op *file, struct rn_cx *cx, int from_dir, const char *from,
                    int to_dir, const char *to, bool replace, rn_ns deadline)
{
    struct rn_file_call call = {
        RN_FILE_RENAME,
        {from_dir, (long)from, to_dir, (long)to, replace ? 0 : RN_K_RENAME_NOREPLACE}};
    begin(file, cx, call, deadline);
}

void rn_file_unlink(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path,
                    bool directory, rn_ns deadline)
{
    struct rn_file_call call = {RN_FILE_UNLINK,
                                {dir, (long)path, directory ? RN_K_AT_REMOVEDIR : 0}};
    begin(file, cx, call, deadline);
}

void rn_file_mkdir(struct rn_file_op *file, struct rn_cx *cx, int dir, const char *path,
                   uint32_t mode, rn_ns deadline)
{
    begin(file, cx, (struct rn_file_call){RN_FILE_MKDIR, {dir, (long)path, mode}}, deadline);
}

/* ---- Directories ----------------------------------------------------------------------------- */

void rn_file_list(struct rn_file_op *file, struct rn_cx *cx, int fd, void *to, size_t size,
                  rn_ns deadline)
{
    begin(file, cx, (struct rn_file_call){RN_FILE_LIST, {fd, (long)to, (long)size}}, deadline);
}

bool rn_file_next(const void *from, size_t len, size_t *at, struct rn_file_entry *entry)
{
    const struct rn_k_dirent64 *next = (const void *)((const char *)from + *at);
    if (*at >= len) return false;
    *entry = (struct rn_file_entry){next->d_name, next->d_ino, next->d_type};
    *at += next->d_reclen;
    return true;
}
