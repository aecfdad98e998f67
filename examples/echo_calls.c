/* TCP echo by the calls of sockets that every C programmer knows. The functions `talk` and `serve`
 * know nothing of fibers: in one, a call that waits parks it; on a thread it would block that. */
#include "example.h"
#include <sys/socket.h>

enum { FIBERS = 1000, STACK = 65536 };

struct peer {
    struct rn_fiber fiber;
    int fd;
};

static struct rn_fiber_pool stacks;
static struct rn_scope peers;

static int talk(int fd)
{
    char data[4096];
    rn_ssize len;
    while ((len = rn_fd_read(fd, data, sizeof data)) > 0)
        if (rn_fd_write(fd, data, (size_t)len) != len) break; /* all of it, or an error */
    return rn_fd_close(fd);
}

static int64_t run(void *argument) { return talk(((struct peer *)argument)->fd); }

static void ended(struct rn_child *child)
{
    free(rn_container_of(child, struct peer, fiber.child));
}

static int start_talk(int fd)
{
    struct peer *peer = example_new(1, sizeof *peer);
    peer->fd = fd;
    peer->fiber.child.ended = ended;
    int result = rn_fiber_init(&peer->fiber, &stacks, run, peer);
    if (result == 0) result = rn_scope_spawn(&peers, rn_worker_current(), &peer->fiber.child);
    if (result < 0) free(peer);
    return result;
}

static int serve(int listener)
{
    for (;;) {
        int fd = rn_fd_accept(listener, NULL, NULL, 0);
        if (fd < 0) return fd;
        if (start_talk(fd) < 0 && rn_fd_close(fd) < 0) return -1;
    }
}

static int64_t run_server(void *argument)
{
    rn_scope_open(&peers, rn_worker_current());
    return serve(*(int *)argument);
}

static int start(struct rn_worker *worker, void *context)
{
    static struct rn_fiber fiber;
    return rn_fiber_spawn(&fiber, &stacks, worker, run_server, context);
}

int main(int argc, char **argv)
{
    const int yes = 1;
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_check(rn_fiber_pool_init(&stacks, FIBERS, STACK), "stacks");
    int listener = rn_fd_socket(rn_address_family(&example_address), SOCK_STREAM, 0);
    example_check(listener, "socket");
    example_check(rn_fd_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes),
                  "setsockopt");
    example_check(rn_fd_bind(listener, example_address.bytes, example_address.len), "bind");
    example_check(rn_fd_listen(listener, 128), "listen");
    example_address.len = sizeof example_address.bytes;
    example_check(rn_fd_getsockname(listener, example_address.bytes, &example_address.len),
                  "getsockname");
    example_say_where(-1);
    return example_run(start, &listener);
}
