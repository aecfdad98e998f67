/* Collects log lines that come by UDP, in a file that is rotated: log_collector [ADDRESS] [BACKEND]
 * [DIRECTORY] [BYTES] [KEEP]. When `log` has so many bytes it becomes log.1, and gzip is started
 * for that, while lines go on coming; log.1.gz becomes log.2.gz and so on, of which so many are
 * kept. */
#include "example.h"

enum { ROOM = 1 << 18, LINE = 2048, STACK = 65536, NAME = 24 };

static struct rn_fiber_pool stacks;
static struct rn_fiber_udp udp;
static struct rn_notify more; /* there is something in pending */
static char pending[ROOM], writing[ROOM];
static size_t pending_len;
static unsigned size_max, keep;
static const char *directory = "logs";
static struct rn_helped gzip; /* without run: it isn't under way */

static int open_log(uint64_t *size)
{
    int file = example_open(RN_FILE_HERE, "log", O_WRONLY | O_CREAT | O_APPEND);
    example_check(file, "log");
    *size = (uint64_t)lseek(file, 0, SEEK_END);
    return file;
}

/* On a helper's thread; nobody waits for it. */
static int64_t run_gzip(struct rn_helped *helped) { return system("gzip -f log.1"); }

static void gzip_ended(struct rn_op *op)
{
    gzip.run = NULL;
    if (op->result != 0) fprintf(stderr, "gzip failed: %d\n", (int)op->result);
}

/* The log is closed; what there is moves on by one. */
static void rotate(void)
{
    struct rn_file_op op;
    char from[NAME], to[NAME];
    snprintf(to, NAME, "log.%u.gz", keep);
    rn_file_unlink(&op, rn_fiber_cx(), RN_FILE_HERE, to, false, RN_NEVER);
    example_file_result(&op); /* there may be none yet, here and below */
    for (unsigned i = keep - 1; i > 0; i--) {
        snprintf(from, NAME, "log.%u.gz", i);
        snprintf(to, NAME, "log.%u.gz", i + 1);
        rn_file_rename(&op, rn_fiber_cx(), RN_FILE_HERE, from, RN_FILE_HERE, to, false, RN_NEVER);
        example_file_result(&op);
    }
    rn_file_rename(&op, rn_fiber_cx(), RN_FILE_HERE, "log", RN_FILE_HERE, "log.1", true, RN_NEVER);
    example_check((int)example_file_result(&op), "log.1");
    gzip = (struct rn_helped){.run = run_gzip, .op.complete = gzip_ended};
    rn_helper_start(rn_worker_current(), &gzip, RN_NEVER);
}

static int64_t write_lines(void *argument)
{
    struct rn_file_op op;
    struct rn_wait wait;
    uint64_t size;
    rn_file_mkdir(&op, rn_fiber_cx(), RN_FILE_HERE, directory, 0755, RN_NEVER);
    example_file_result(&op); /* it may be there */
    if (chdir(directory) < 0) example_check(-errno, directory);
    for (int file = open_log(&size);;) {
        rn_notify_wait(&wait, &more);
        rn_fiber_await(&wait.future);
        if (wait.result < 0) return wait.result;
        size_t len = pending_len;
        memcpy(writing, pending, len);
        pending_len = 0;
        for (size_t at = 0; at < len; at += (size_t)op.op.result) {
            rn_file_write(&op, rn_fiber_cx(), file, writing + at, len - at, -1, RN_NEVER);
            example_check((int)example_file_result(&op), "log");
        }
        if ((size += len) < size_max || gzip.run) continue;
        rn_fiber_close_fd(file);
        rotate();
        file = open_log(&size);
    }
}

static int64_t receive(void *argument)
{
    char line[LINE];
    rn_ssize len;
    while ((len = rn_fiber_udp_recv(&udp, line, LINE, NULL)) >= 0 || len == -EMSGSIZE) {
        if (len < 0) len = LINE; /* it was cut */
        for (rn_ssize i = 0; i < len; i++) line[i] = line[i] == '\n' ? ' ' : line[i];
        if (pending_len + (size_t)len >= ROOM) continue; /* as UDP does when nobody is in time */
        memcpy(pending + pending_len, line, (size_t)len);
        pending_len += (size_t)len;
        pending[pending_len++] = '\n';
        rn_notify_one(&more);
    }
    return len;
}

static int start(struct rn_worker *worker, void *context)
{
    static struct rn_fiber receiver, writer;
    int result = rn_fiber_spawn(&receiver, &stacks, worker, receive, NULL);
    return result < 0 ? result : rn_fiber_spawn(&writer, &stacks, worker, write_lines, NULL);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    if (argc > 3) directory = argv[3];
    size_max = example_number(argc, argv, 4, 1000000);
    keep = example_number(argc, argv, 5, 5);
    example_check(rn_files_setup(NULL), "files");
    example_check(rn_fiber_pool_init(&stacks, 2, STACK), "stacks");
    example_check(rn_fiber_udp_bind(&udp, &example_address), "bind");
    example_say_where(udp.fd);
    return example_run(start, NULL);
}
