/* Tells all who are connected what a file says, now and whenever it changes:
 * live_config [ADDRESS] [BACKEND] [FILE]. Who is slow misses versions, but never the last. When the
 * file is gone everybody gets the last version, and the end. */
#include "example.h"
#include <libgen.h>
#include <poll.h>
#include <sys/inotify.h>

enum { FIBERS = 1000, STACK = 65536 };

struct config {
    uint32_t len;
    char text[1020];
};

struct client {
    struct rn_fiber fiber;
    struct rn_fiber_stream stream;
};

static struct rn_fiber_pool stacks;
static struct rn_watch watch;
static struct config first; /* the watch's memory */
static const char *path = "config";
static int changes; /* inotify(7) */

/* The file, as far as there is room for it. */
static int64_t read_file(struct config *config)
{
    struct rn_file_op file;
    int fd = example_open(RN_FILE_HERE, path, O_RDONLY);
    if (fd < 0) return fd;
    memset(config, 0, sizeof *config);
    rn_file_read(&file, rn_fiber_cx(), fd, config->text, sizeof config->text, 0, RN_NEVER);
    int64_t len = example_file_result(&file);
    config->len = len < 0 ? 0 : (uint32_t)len;
    rn_file_close(&file, rn_fiber_cx(), fd);
    return example_file_result(&file) < 0 ? file.op.result : len;
}

/* Follows the file until it can't be read any more. */
static int64_t follow(void *argument)
{
    struct config config, last = {0};
    struct rn_op op;
    char events[4096];
    int64_t result;
    while ((result = read_file(&config)) >= 0) {
        if (memcmp(&config, &last, sizeof last) != 0) rn_watch_set(&watch, &config);
        last = config;
        op = (struct rn_op){.code = RN_OP_POLL, .fd = changes, .arg.events = POLLIN};
        rn_op_begin(rn_fiber_cx(), &op, RN_NEVER);
        rn_fiber_await(&op);
        while (read(changes, events, sizeof events) > 0) continue; /* which they are is all one */
    }
    fprintf(stderr, "%s: %s\n", path, rn_error_text((int)result));
    rn_watch_close(&watch);
    rn_fiber_close_fd(changes);
    return 0;
}

/* One client: until it says something or leaves, or there are no more versions. */
static int64_t tell(void *argument)
{
    struct client *client = argument;
    struct rn_stream stream = rn_stream_of(rn_worker_current(), client->stream.fd);
    struct config config;
    struct rn_watch_wait change = {.result = 0};
    struct rn_select either;
    struct rn_op heard;
    char byte;
    change.version = rn_watch_get(&watch, &config);
    for (;;) {
        if (rn_fiber_write_all(&client->stream, config.text, config.len) < 0) break;
        rn_watch_changed(&change, &watch, change.version, &config);
        rn_stream_read(stream, &heard, rn_fiber_cx(), &byte, 1, RN_NEVER);
        struct rn_awaitable branches[] = {rn_awaitable_of(&change.future), rn_awaitable_of(&heard)};
        rn_select(&either, branches, RN_COUNT(branches));
        rn_fiber_await(&either.future);
        if (either.result != 0 || change.result < 0) break;
    }
    rn_fiber_close(&client->stream);
    return 0;
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct client *client = example_new(1, sizeof *client);
    rn_fiber_stream_of(&client->stream, fd);
    client->stream.write_timeout = 30 * RN_SECOND;
    example_spawn_fiber(listener, &client->fiber, &stacks, fd, tell);
}

static int begin(struct rn_worker *worker)
{
    static struct rn_fiber fiber;
    return rn_fiber_spawn(&fiber, &stacks, worker, follow, NULL);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    if (argc > 3) path = argv[3];
    changes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char *copy = strdup(path), *directory = dirname(copy);
    int result = inotify_add_watch(changes, directory,
                                   IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM);
    example_check(result < 0 ? -errno : 0, "inotify");
    free(copy);
    rn_watch_init(&watch, &first, sizeof first);
    example_check(rn_files_setup(NULL), "files");
    example_check(rn_fiber_pool_init(&stacks, FIBERS, STACK), "stacks");
    example_begin = begin;
    return example_serve(accepted, NULL);
}
