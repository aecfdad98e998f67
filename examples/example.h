/*
 * What the examples share: a runtime that runs until ctrl-C, or until a task has ended.
 *
 *     program [ADDRESS] [BACKEND]      such as: program 127.0.0.1:7000 epoll
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <errno.h>
#include <fcntl.h>
#include <runnel/runnel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The address to serve at and the backend, from the arguments. */
static struct rn_address example_address;
static const struct rn_backend_vt *example_backend;

static inline void example_choose_backend(const char *name)
{
    example_backend = rn_backend_select(name, NULL);
    if (example_backend) return;
    fprintf(stderr, "no backend %s here\n", name);
    exit(2);
}

static inline void example_arguments(int argc, char **argv, const char *address)
{
    if (rn_address_parse(&example_address, argc > 1 ? argv[1] : address, 0) < 0) {
        fprintf(stderr, "%s: not an address: %s\n", argv[0], argv[1]);
        exit(2);
    }
    example_choose_backend(argc > 2 ? argv[2] : "auto");
}

static inline void example_check(int result, const char *what)
{
    if (result >= 0) return;
    fprintf(stderr, "%s: %s\n", what, rn_error_text(result));
    exit(1);
}

static inline void example_expect(bool right, const char *usage)
{
    if (right) return;
    fprintf(stderr, "usage: %s\n", usage);
    exit(2);
}

/* The argument with that index, a number from 1 to a million; or what it is when there is none. */
static inline unsigned example_number(int argc, char **argv, int index, unsigned otherwise)
{
    if (index >= argc) return otherwise;
    char *end;
    long number = strtol(argv[index], &end, 10);
    if (*end == 0 && number >= 1 && number <= 1000000) return (unsigned)number;
    fprintf(stderr, "%s: not a number from 1 to 1000000: %s\n", argv[0], argv[index]);
    exit(2);
}

/* Zeroed. A program of which more depends would refuse what it has no memory for. */
static inline void *example_new(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    example_check(memory ? 0 : -ENOMEM, "memory");
    return memory;
}

static inline void example_say_where(int fd)
{
    char text[RN_ADDRESS_TEXT_MAX];
    if (fd >= 0) example_check(rn_local_address(fd, &example_address), "getsockname");
    rn_address_format(&example_address, text);
    printf("listening on %s\n", text);
    fflush(stdout);
}

/* Waits for ctrl-C or SIGTERM. Called before any thread is started, it only blocks them. */
static inline void example_signals(bool wait)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (wait) sigwait(&set, &number);
}

/* Runs workers, on whose threads `start` begins whatever there is to do, until ctrl-C. */
static unsigned example_workers = 1;
static void (*example_idle)(struct rn_worker *worker, void *context); /* as on_idle; may be set */
static inline int example_run(int (*start)(struct rn_worker *worker, void *context), void *context)
{
    struct rn_runtime *runtime;
    struct rn_runtime_options options = {
        .workers = example_workers, .backend = example_backend, .on_start = start,
        .on_idle = example_idle, .context = context};
    example_signals(false);
    example_check(rn_runtime_start(&runtime, &options), "start");
    example_signals(true);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    return 0;
}

/* May be set: what is to begin on the worker before it listens. */
static int (*example_begin)(struct rn_worker *worker);

static inline int example_start_listener(struct rn_worker *worker, void *context)
{
    int result = example_begin ? example_begin(worker) : 0;
    if (result < 0) return result;
    struct rn_listener *listener = context;
    listener->worker = worker;
    rn_listener_start(listener);
    return 0;
}

/* The same, with a TCP listener: `accepted` gets each connection. */
static inline int example_serve(void (*accepted)(struct rn_listener *listener, int fd),
                                void *owner)
{
    struct rn_listener listener = {.accepted = accepted, .owner = owner};
    listener.fd = rn_listen(&example_address, &(struct rn_listen_options){0});
    example_check(listener.fd, "listen");
    example_say_where(listener.fd);
    return example_run(example_start_listener, &listener);
}

/* Starts a connection's task, which `done` frees with what it is in; or turns the connection away,
 * when there are as many tasks as there are slots for. */
static inline void example_spawn(struct rn_listener *listener, struct rn_task *task, int fd,
                                 enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx),
                                 void (*done)(struct rn_task *task))
{
    task->poll = poll;
    task->done = done;
    if (rn_spawn(listener->worker, task) == 0) return;
    close(fd);
    done(task);
}

static inline void example_free_fiber(struct rn_fiber *fiber) { free(fiber); }

/* The same in a fiber, which stands first in what it is in, and is what `run` gets. */
static inline void example_spawn_fiber(struct rn_listener *listener, struct rn_fiber *fiber,
                                       struct rn_fiber_pool *stacks, int fd,
                                       int64_t (*run)(void *fiber))
{
    fiber->done = example_free_fiber;
    if (rn_fiber_spawn(fiber, stacks, listener->worker, run, fiber) == 0) return;
    close(fd);
    free(fiber);
}

/* Runs an HTTP server until ctrl-C; *place: where it is while it runs. */
static inline void example_serve_http(struct rn_http_options *options,
                                      struct rn_http_server **place)
{
    example_signals(false);
    options->backend = example_backend;
    example_check(rn_http_server_new(place, options), "server");
    example_check(rn_http_server_listen(*place, &example_address), "listen");
    example_check(rn_http_server_start(*place), "start");
    example_say_where(-1);
    example_signals(true);
    rn_http_server_stop(*place);
}

/* The same for routes alone; workers: 0 for one for each processor. */
static inline int example_serve_routes(const struct rn_http_route *routes, size_t count,
                                       unsigned workers)
{
    struct rn_http_options options = {.routes = routes, .route_count = count, .workers = workers};
    struct rn_http_server *server;
    example_serve_http(&options, &server);
    return 0;
}

/* In a fiber: the result of an operation on a file; a file's descriptor. */
static inline int64_t example_file_result(struct rn_file_op *file)
{
    rn_fiber_await(&file->op);
    return file->op.result;
}

static inline int example_open(int dir, const char *path, uint64_t flags)
{
    struct rn_file_op file;
    struct rn_open_how how = {.flags = flags | O_CLOEXEC, .mode = flags & O_CREAT ? 0644 : 0};
    rn_file_open(&file, rn_fiber_cx(), dir, path, &how, RN_NEVER);
    return (int)example_file_result(&file);
}

/* Runs a task on the first of so many workers, to its end: its result. */
static inline int64_t example_complete(unsigned workers, struct rn_task *task)
{
    struct rn_runtime *runtime;
    struct rn_runtime_options options = {.workers = workers, .backend = example_backend};
    signal(SIGPIPE, SIG_IGN);
    example_check(rn_runtime_start(&runtime, &options), "start");
    int64_t result = rn_block_on_task(rn_runtime_worker(runtime, 0), task);
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    return result;
}

#endif
