/*
 * Operations on files, on each backend: what each does, its errors, and that a worker doesn't wait
 * for them.
 */
#include "net_bed.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <runnel/file.h>


enum what { OPEN, CLOSE, READ, WRITE, SYNC, SYNC_DATA, TRUNCATE, STAT, RENAME, UNLINK, RMDIR,
            MKDIR, LIST };

/* One operation, by a task of its own. */
struct job {
    struct rn_task task;
    rn_co co;
    struct rn_file_op file;
    enum what what;
    int fd;            /* or the directory */
    const char *path;
    struct rn_open_how how;
    void *memory;
    size_t len;
    int64_t offset;
    const char *new_path;
    bool flag;
    struct rn_file_status *status;
    rn_ns deadline;
    rn_waker waker;
    bool over;
};

static void begin(struct job *job, struct rn_cx *cx)
{
    struct rn_file_op *file = &job->file;
    rn_ns end = job->deadline ? job->deadline : RN_NEVER;
    memset(file, 0xee, sizeof *file); /* it needs no initialisation */
    switch (job->what) {
    case OPEN: rn_file_open(file, cx, job->fd, job->path, &job->how, end); break;
    case CLOSE: rn_file_close(file, cx, job->fd); break;
    case READ: rn_file_read(file, cx, job->fd, job->memory, job->len, job->offset, end); break;
    case WRITE: rn_file_write(file, cx, job->fd, job->memory, job->len, job->offset, end); break;
    case SYNC: rn_file_sync(file, cx, job->fd, false, end); break;
    case SYNC_DATA: rn_file_sync(file, cx, job->fd, true, end); break;
    case TRUNCATE: rn_file_truncate(file, cx, job->fd, job->len, end); break;
    case STAT: rn_file_stat(file, cx, job->fd, job->path, job->flag, job->status, end); break;
    case RENAME:
        rn_file_rename(file, cx, job->fd, job->path, job->fd, job->new_path, job->flag, end);
        break;
    case UNLINK: rn_file_unlink(file, cx, job->fd, job->path, false, end); break;
    case RMDIR: rn_file_unlink(file, cx, job->fd, job->path, true, end); break;
    case MKDIR: rn_file_mkdir(file, cx, job->fd, job->path, 0755, end); break;
    case LIST: rn_file_list(file, cx, job->fd, job->memory, job->len, end); break;
    }
}

static enum rn_poll run_job(struct rn_task *task, struct rn_cx *cx)
{
    struct job *job = rn_container_of(task, struct job, task);
    RN_BEGIN(&job->co);
    job->waker = cx->waker;
    begin(job, cx);
    RN_AWAIT(&job->co, &job->file.op, cx);
    job->over = true;
    RN_END(&job->co);
}

static void spawn_job(struct job *job)
{
    job->task.poll = run_job;
    job->over = false;
    job->co.line = 0;
    assert_int_equal(rn_spawn(net_worker, &job->task), 0);
}

static int64_t finish_job(struct job *job)
{
    net_until(&job->over);
    return job->file.op.result;
}

static int64_t run(struct job job)
{
    spawn_job(&job);
    return finish_job(&job);
}

#define RUN(what_, fd_, ...) run((struct job){.what = what_, .fd = fd_, __VA_ARGS__})

/* ---- Where ----------------------------------------------------------------------------------- */

static char base[32];
static int dir; /* it, open */

static int open_at(int at, const char *path, uint64_t flags)
{
    return (int)RUN(OPEN, at, .path = path, .how = {.flags = flags | O_CLOEXEC,
                                                    .mode = flags & O_CREAT ? 0644 : 0});
}

static void enter_base(void)
{
    strcpy(base, "/tmp/runnel-file-XXXXXX");
    assert_non_null(mkdtemp(base));
    dir = open_at(RN_FILE_HERE, base, O_DIRECTORY);
    assert_true(dir >= 0);
}

static void leave_base(void)
{
    assert_int_equal(RUN(CLOSE, dir), 0);
    assert_int_equal(RUN(RMDIR, RN_FILE_HERE, .path = base), 0);
}

static void (*chosen)(void);
static void run_chosen(void)
{
    enter_base();
    chosen();
    leave_base();
}

static void each(void (*test)(void))
{
    chosen = test;
    net_each(run_chosen);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void content(void)
{
    char in[32] = "";
    struct rn_file_status status;
    int fd = open_at(dir, "notes", O_RDWR | O_CREAT | O_EXCL);
    assert_true(fd >= 0);
    assert_int_equal(open_at(dir, "notes", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(RUN(WRITE, fd, .memory = "0123456789", .len = 10, .offset = -1), 10);
    assert_int_equal(RUN(WRITE, fd, .memory = "abc", .len = 3, .offset = -1), 3);
    assert_int_equal(RUN(WRITE, fd, .memory = "XY", .len = 2, .offset = 4), 2);
    assert_int_equal(RUN(SYNC, fd), 0);
    assert_int_equal(RUN(SYNC_DATA, fd), 0);
    assert_int_equal(RUN(READ, fd, .memory = in, .len = 32, .offset = 0), 13);
    assert_string_equal(in, "0123XY6789abc");
    assert_int_equal(RUN(READ, fd, .memory = in, .len = 3, .offset = 11), 2);
    assert_memory_equal(in, "bc", 2);
    assert_int_equal(RUN(READ, fd, .memory = in, .len = 3, .offset = 13), 0);
    /* The descriptor's own place is where the second write has left it. */
    assert_int_equal(RUN(READ, fd, .memory = in, .len = 3, .offset = -1), 0);
    assert_int_equal(RUN(STAT, fd, .path = "", .status = &status), 0);
    assert_int_equal(status.size, 13);
    assert_int_equal(status.mode & S_IFMT, S_IFREG);
    assert_int_equal(status.mode & 0777, 0644);
    assert_true(status.modified.seconds > 1600000000);
    assert_int_equal(RUN(TRUNCATE, fd, .len = 5), 0);
    assert_int_equal(RUN(STAT, dir, .path = "notes", .status = &status, .flag = true), 0);
    assert_int_equal(status.size, 5);
    assert_int_equal(RUN(TRUNCATE, fd, .len = 6), 0);
    assert_int_equal(RUN(READ, fd, .memory = in, .len = 32, .offset = 0), 6);
    assert_memory_equal(in, "0123X\0", 6);
    assert_int_equal(RUN(CLOSE, fd), 0);
    assert_int_equal(RUN(CLOSE, fd), -EBADF);
    assert_int_equal(RUN(UNLINK, dir, .path = "notes"), 0);
    assert_int_equal(RUN(STAT, dir, .path = "notes", .status = &status), -ENOENT);
}

static void content_is_written_and_read(void **state)
{
    (void)state;
    each(content);
}

static void names(void)
{
    struct rn_file_status status;
    for (int i = 0; i < 2; i++) {
        int fd = open_at(dir, i ? "b" : "a", O_WRONLY | O_CREAT);
        assert_int_equal(RUN(TRUNCATE, fd, .len = 10 + (size_t)i), 0);
        assert_int_equal(RUN(CLOSE, fd), 0);
    }
    assert_int_equal(RUN(RENAME, dir, .path = "a", .new_path = "b"), -EEXIST);
    assert_int_equal(RUN(RENAME, dir, .path = "a", .new_path = "b", .flag = true), 0);
    assert_int_equal(RUN(STAT, dir, .path = "b", .status = &status), 0);
    assert_int_equal(status.size, 10);
    assert_int_equal(RUN(STAT, dir, .path = "a", .status = &status), -ENOENT);
    assert_int_equal(RUN(RENAME, dir, .path = "b", .new_path = "c"), 0);
    assert_int_equal(RUN(RENAME, dir, .path = "b", .new_path = "d"), -ENOENT);
    assert_int_equal(RUN(MKDIR, dir, .path = "sub"), 0);
    assert_int_equal(RUN(MKDIR, dir, .path = "sub"), -EEXIST);
    assert_int_equal(RUN(RENAME, dir, .path = "c", .new_path = "sub/c"), 0);
    assert_int_equal(RUN(RMDIR, dir, .path = "sub"), -ENOTEMPTY);
    assert_int_equal(RUN(RMDIR, dir, .path = "sub/c"), -ENOTDIR);
    assert_int_equal(RUN(UNLINK, dir, .path = "sub"), -EISDIR);
    assert_int_equal(RUN(RENAME, dir, .path = "sub", .new_path = "sub/inside"), -EINVAL);
    assert_int_equal(RUN(STAT, dir, .path = "sub", .status = &status), 0);
    assert_int_equal(status.mode & S_IFMT, S_IFDIR);
    assert_int_equal(RUN(STAT, dir, .path = "sub/c/d", .status = &status), -ENOTDIR);
    assert_int_equal(RUN(UNLINK, dir, .path = "sub/c"), 0);
    assert_int_equal(RUN(UNLINK, dir, .path = "sub/c"), -ENOENT);
    assert_int_equal(RUN(RMDIR, dir, .path = "sub"), 0);
}

static void names_are_made_moved_and_removed(void **state)
{
    (void)state;
    each(names);
}

static void errors(void)
{
    char in[8];
    struct rn_file_status status;
    assert_int_equal(open_at(dir, "nothing", O_RDONLY), -ENOENT);
    assert_int_equal(open_at(999, "nothing", O_RDONLY), -EBADF);
    assert_int_equal(RUN(READ, 999, .memory = in, .len = 8), -EBADF);
    assert_int_equal(RUN(READ, 999, .memory = in, .len = 8, .offset = -1), -EBADF);
    assert_int_equal(RUN(WRITE, 999, .memory = in, .len = 8), -EBADF);
    assert_int_equal(RUN(READ, dir, .memory = in, .len = 8), -EISDIR);
    assert_int_equal(RUN(SYNC, 999), -EBADF);
    assert_int_equal(RUN(SYNC_DATA, 999), -EBADF);
    assert_int_equal(RUN(TRUNCATE, 999), -EBADF);
    assert_int_equal(RUN(STAT, 999, .path = "", .status = &status), -EBADF);
    assert_int_equal(RUN(STAT, dir, .path = "nothing/a", .status = &status), -ENOENT);
    assert_int_equal(RUN(LIST, 999, .memory = in, .len = 8), -EBADF);
    assert_int_equal(RUN(MKDIR, dir, .path = "nothing/a"), -ENOENT);
    assert_int_equal(RUN(UNLINK, 999, .path = "a"), -EBADF);
    assert_int_equal(RUN(RENAME, 999, .path = "a", .new_path = "b"), -EBADF);
    int fd = open_at(dir, "file", O_WRONLY | O_CREAT);
    assert_int_equal(RUN(LIST, fd, .memory = in, .len = 8), -ENOTDIR);
    assert_int_equal(open_at(dir, "file", O_DIRECTORY), -ENOTDIR);
    assert_int_equal(open_at(dir, "file/x", O_RDONLY), -ENOTDIR);
    assert_int_equal(RUN(OPEN, dir, .path = "../x", .how = {.resolve = 8}), -EXDEV);
    assert_int_equal(RUN(CLOSE, fd), 0);
    assert_int_equal(RUN(UNLINK, dir, .path = "file"), 0);
}

static void errors_are_the_kernels(void **state)
{
    (void)state;
    each(errors);
}

enum { FILES = 300 };

static void lists(void)
{
    static uint64_t room[128]; /* not for all at once */
    bool seen[FILES] = {false};
    char name[24];
    unsigned files = 0, directories = 0, calls = 0;
    int64_t got;
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "entry-%u", i);
        int fd = open_at(dir, name, O_WRONLY | O_CREAT);
        assert_int_equal(RUN(CLOSE, fd), 0);
    }
    assert_int_equal(RUN(MKDIR, dir, .path = "sub"), 0);
    int fd = open_at(dir, ".", O_DIRECTORY);
    while ((got = RUN(LIST, fd, .memory = room, .len = sizeof room)) > 0) {
        struct rn_file_entry entry;
        calls++;
        for (size_t at = 0; rn_file_next(room, (size_t)got, &at, &entry);) {
            unsigned number;
            assert_true(entry.inode);
            if (sscanf(entry.name, "entry-%u", &number) == 1) {
                assert_true(number < FILES && !seen[number]);
                seen[number] = true;
                assert_int_equal(entry.type, DT_REG);
                files++;
            } else {
                assert_int_equal(entry.type, DT_DIR);
                directories += strcmp(entry.name, "sub") == 0;
            }
        }
    }
    assert_int_equal(got, 0);
    assert_true(calls > 2);
    assert_int_equal(files, FILES);
    assert_int_equal(directories, 1);
    assert_int_equal(RUN(LIST, fd, .memory = room, .len = sizeof room), 0);
    assert_int_equal(RUN(CLOSE, fd), 0);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "entry-%u", i);
        assert_int_equal(RUN(UNLINK, dir, .path = name), 0);
    }
    assert_int_equal(RUN(RMDIR, dir, .path = "sub"), 0);
}

static void a_directory_is_read_in_parts(void **state)
{
    (void)state;
    each(lists);
}

/* ---- Who does it ----------------------------------------------------------------------------- */

static void links(void)
{
    struct rn_file_status status;
    char target[64];
    snprintf(target, sizeof target, "%s/link", base);
    assert_int_equal(symlink("nowhere", target), 0);
    assert_int_equal(RUN(STAT, dir, .path = "link", .status = &status), 0);
    assert_int_equal(status.mode & S_IFMT, S_IFLNK);
    assert_int_equal(RUN(STAT, dir, .path = "link", .status = &status, .flag = true), -ENOENT);
    assert_int_equal(RUN(UNLINK, dir, .path = "link"), 0);
    /* What io_uring does needs no thread, and neither does the simulator's backend. */
    bool native = net_worker->backend->vt == &THIRD_BACKEND;
    assert_int_equal(!net_runtime->helpers, native);
}

static void io_uring_needs_no_helpers(void **state)
{
    (void)state;
    each(links);
}

/* Reading from a pipe that nobody writes to waits as a slow disk does. */
static void waits(void)
{
    int fds[2];
    char in[4], path[64];
    snprintf(path, sizeof path, "%s/fifo", base);
    assert_int_equal(mkfifo(path, 0600), 0);
    fds[0] = open(path, O_RDWR);
    fds[1] = open(path, O_WRONLY);
    struct job reads = {.what = READ, .fd = fds[0], .memory = in, .len = 4, .offset = -1};
    spawn_job(&reads);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    assert_false(reads.over);
    assert_int_equal(RUN(SYNC, dir), 0); /* others go on */
    assert_int_equal(write(fds[1], "ab", 2), 2);
    assert_int_equal(finish_job(&reads), 2);
    assert_memory_equal(in, "ab", 2);
    /* Cancelled: at once on io_uring; a helper's call ends by itself. */
    spawn_job(&reads);
    for (int i = 0; i < 5; i++) net_turn_quickly();
    rn_task_cancel(reads.waker);
    net_turn_quickly();
    assert_int_equal(write(fds[1], "cd", 2), 2);
    int64_t result = finish_job(&reads);
    assert_true(result == 2 || result == -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(RUN(UNLINK, dir, .path = "fifo"), 0);
}

static void a_slow_file_holds_nobody_up(void **state)
{
    (void)state;
    each(waits);
}

/* A close happens, whatever becomes of the task. */
static void closes(void)
{
    for (int i = 0; i < 3; i++) {
        struct job job = {.what = CLOSE, .fd = open_at(dir, ".", O_DIRECTORY)};
        struct rn_file_status status;
        assert_true(job.fd >= 0);
        spawn_job(&job);
        if (i == 1) net_turn_quickly();
        rn_task_cancel(rn_task_waker(net_worker, &job.task));
        assert_int_equal(finish_job(&job), 0);
        assert_int_equal(RUN(STAT, job.fd, .path = "", .status = &status), -EBADF);
    }
}

static void a_cancelled_close_closes(void **state)
{
    (void)state;
    each(closes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_written_and_read),
        cmocka_unit_test(names_are_made_moved_and_removed),
        cmocka_unit_test(errors_are_the_kernels),
        cmocka_unit_test(a_directory_is_read_in_parts),
        cmocka_unit_test(io_uring_needs_no_helpers),
        cmocka_unit_test(a_slow_file_holds_nobody_up),
        cmocka_unit_test(a_cancelled_close_closes),
    };
    if (rn_files_setup(NULL) < 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
