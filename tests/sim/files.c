/*
 * sim/files.c: operations on files by tasks of several workers: natively, and by helper threads,
 * which are threads of the simulated machine too. What a file holds is known byte by byte; an
 * operation that says it failed has changed nothing.
 */
#include "world.h"

#include <runnel/file.h>

#include "core/worker.h"

enum { JOBS_MAX = 6, FILE_MAX = 6000, STEPS_MAX = 40 };

enum action { WRITE, READ, TRUNCATE, STAT, RENAME, SYNC, DIRECTORY, LIST, ACTIONS };

struct job {
    struct rn_task task;
    rn_co co;
    struct rn_file_op file;
    struct rn_sleep sleep;
    struct rn_open_how how;
    struct rn_file_status status;
    rn_waker waker;
    uint32_t told;  /* atomic: the waker is there */
    uint32_t steps, step, number, size;
    uint32_t at, len; /* of the transfer under way */
    enum action action;
    int fd;
    char name[2][16]; /* its own, and the one for a rename */
    uint8_t content[FILE_MAX];
    uint8_t bytes[FILE_MAX] __attribute__((aligned(8)));
    bool short_time;  /* a deadline that may pass */
    bool cancelled;   /* by us */
    char directory[16];
    bool made; /* the directory */
};

static struct job jobs[JOBS_MAX];
static uint32_t count, ended;
static int root; /* the directory, open */

/* ---- What may come --------------------------------------------------------------------------- */

/* Whether an error has a cause in this world. */
static bool is_excused(const struct job *job, int64_t error)
{
    if (error == RN_E_LIMIT) return true; /* the helpers' queue */
    if (error == -RN_K_ETIMEDOUT) return job->short_time;
    if (error == -RN_K_ECANCELED) return job->cancelled;
    return run.weather >= ROUGH &&
           (error == -RN_K_EIO || error == -RN_K_EAGAIN || error == -RN_K_ENOMEM ||
            error == -RN_K_EMFILE || error == -RN_K_ENFILE || error == -RN_K_ENOBUFS);
}

static void written(struct job *job, int64_t result)
{
    check(result == job->len);
    if (job->at > job->size) memset(job->content + job->size, 0, job->at - job->size);
    memcpy(job->content + job->at, job->bytes, job->len);
    if (job->at + job->len > job->size) job->size = job->at + job->len;
}

static void was_read(struct job *job, int64_t result)
{
    uint32_t most = job->at < job->size ? job->size - job->at : 0;
    if (most > job->len) most = job->len;
    check(result <= most && (result > 0) == (most > 0));
    check(memcmp(job->bytes, job->content + job->at, (size_t)result) == 0);
}

static void truncated(struct job *job)
{
    if (job->len > job->size) memset(job->content + job->size, 0, job->len - job->size);
    job->size = job->len;
}

static void renamed(struct job *job)
{
    char name[sizeof job->name[0]];
    memcpy(name, job->name[0], sizeof name);
    memcpy(job->name[0], job->name[1], sizeof name);
    memcpy(job->name[1], name, sizeof name);
}

static void listed(const struct job *job, int64_t result)
{
    struct rn_file_entry entry;
    size_t at = 0;
    while (rn_file_next(job->bytes, (size_t)result, &at, &entry)) check(entry.inode && *entry.name);
    check(at == (size_t)result);
}

static void take_result(struct job *job)
{
    int64_t result = job->file.op.result;
    if (result < 0) {
        if (!is_excused(job, result))
            fail("a file's operation %d: %lld", job->action, (long long)result);
        return;
    }
    switch (job->action) {
    case WRITE: written(job, result); break;
    case READ: was_read(job, result); break;
    case TRUNCATE: truncated(job); break;
    case STAT: check(job->status.size == job->size); break;
    case DIRECTORY: job->made = !job->made; break;
    case RENAME: renamed(job); break;
    case LIST: listed(job, result); break;
    default: check(result == 0);
    }
}

/* ---- A task ---------------------------------------------------------------------------------- */

static rn_ns deadline_of(struct job *job, struct rn_cx *cx)
{
    job->short_time = chance(4);
    return job->short_time ? rn_after(cx, RN_MICROSECOND << pick(12)) : RN_NEVER;
}

static void begin_step(struct job *job, struct rn_cx *cx)
{
    struct rn_file_op *file = &job->file;
    rn_ns end = deadline_of(job, cx);
    job->action = (enum action)pick(ACTIONS);
    job->at = pick(FILE_MAX / 2);
    job->len = 1 + pick(FILE_MAX / 2);
    switch (job->action) {
    case WRITE:
        pattern_fill(job->bytes, job->len, job->number << 8 | job->step, 0);
        rn_file_write(file, cx, job->fd, job->bytes, job->len, job->at, end);
        break;
    case READ: rn_file_read(file, cx, job->fd, job->bytes, job->len, job->at, end); break;
    case TRUNCATE: rn_file_truncate(file, cx, job->fd, job->len, end); break;
    case STAT:
        if (chance(2)) rn_file_stat(file, cx, job->fd, "", true, &job->status, end);
        else rn_file_stat(file, cx, RN_FILE_HERE, job->name[0], true, &job->status, end);
        break;
    case RENAME:
        rn_file_rename(file, cx, RN_FILE_HERE, job->name[0], RN_FILE_HERE, job->name[1], chance(2),
                       end);
        break;
    case DIRECTORY:
        if (job->made) rn_file_unlink(file, cx, RN_FILE_HERE, job->directory, true, end);
        else rn_file_mkdir(file, cx, RN_FILE_HERE, job->directory, 0700, end);
        break;
    case SYNC: rn_file_sync(file, cx, job->fd, chance(2), end); break;
    case LIST: /* the directory that it is in */
        rn_file_list(file, cx, root, job->bytes, sizeof job->bytes, end);
        break;
    default: fail("no such action");
    }
}

static enum rn_poll run_job(struct rn_task *task, struct rn_cx *cx)
{
    struct job *job = rn_container_of(task, struct job, task);
    struct rn_op *op = &job->file.op;
    RN_BEGIN(&job->co);
    job->waker = cx->waker;
    count_up(&job->told);
    for (;;) {
        job->how = (struct rn_open_how){.flags = RN_K_O_RDWR | RN_K_O_CREAT, .mode = 0600};
        rn_file_open(&job->file, cx, RN_FILE_HERE, job->name[0], &job->how, deadline_of(job, cx));
        RN_AWAIT(&job->co, op, cx);
        if (op->result >= 0) break;
        if (!is_excused(job, op->result)) fail("opening: %lld", (long long)op->result);
        if (job->cancelled) return RN_READY;
        rn_sleep(&job->sleep, cx, RN_MILLISECOND);
        RN_AWAIT(&job->co, &job->sleep, cx);
    }
    job->fd = (int)op->result;
    for (job->step = 0; job->step < job->steps; job->step++) {
        begin_step(job, cx);
        RN_AWAIT(&job->co, op, cx);
        take_result(job);
    }
    rn_file_close(&job->file, cx, job->fd);
    RN_AWAIT(&job->co, op, cx);
    check(op->result == 0);
    while (!job->cancelled) {
        rn_file_unlink(&job->file, cx, RN_FILE_HERE, job->name[0], false, RN_NEVER);
        RN_AWAIT(&job->co, op, cx);
        if (op->result == 0) break;
        job->short_time = false;
        if (!is_excused(job, op->result)) fail("unlinking: %lld", (long long)op->result);
        rn_sleep(&job->sleep, cx, RN_MILLISECOND);
        RN_AWAIT(&job->co, &job->sleep, cx);
    }
    RN_END(&job->co);
}

static void on_done(struct rn_task *task) { count_up(&ended); }

/* ---- The run --------------------------------------------------------------------------------- */

static void name_file(char *to, char first, uint32_t number)
{
    to[0] = first;
    to[1] = (char)('0' + number);
    to[2] = 0;
}

static void run_files(void)
{
    const struct rn_helper_options helpers = {.threads = between(1, 4), .queue = between(1, 8)};
    check(rn_files_setup(&helpers) == 0);
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    count = 1 + pick(JOBS_MAX);
    ended = 0;
    root = rn_sys_openat(RN_K_AT_FDCWD, "/", RN_K_O_RDONLY, 0);
    check(root >= 0);
    faults_on();
    for (uint32_t i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        memset(job, 0, sizeof *job);
        job->task.poll = run_job;
        job->task.done = on_done;
        job->number = i;
        job->steps = pick(STEPS_MAX);
        name_file(job->name[0], 'f', i);
        name_file(job->name[1], 'g', i);
        name_file(job->directory, 'd', i);
        rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))), &job->task);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!chance(4)) continue;
        await_count(&jobs[i].told, 1);
        rest(RN_MICROSECOND << pick(14));
        jobs[i].cancelled = true;
        rn_task_cancel(jobs[i].waker);
    }
    await_count(&ended, count);
    rn_sys_close(root);
    stop_runtime(runtime);
}

const struct workload workload_files = {"files", run_files};
