/* A SOCKS proxy, version 4 and 4a: socks_server [ADDRESS] [BACKEND]. Try it with
 * `curl --socks4a 127.0.0.1:7000 http://example.org/`. Its log is written when the worker has
 * nothing else to do. */
#include "example.h"
#include <sys/socket.h>

enum { FIBERS = 2000, STACK = 65536, PATIENCE_SECONDS = 30, GRANTED = 90, REFUSED = 91 };

struct client {
    struct rn_fiber fiber, downward;
    struct rn_fiber_stream near, far;
    struct rn_reader reader;
    uint64_t up, down;
    uint8_t head[8]; /* version, command, port, address; a name follows one of 0.0.0.x */
    char name[256], memory[16384], from_far[16384];
};

static struct rn_fiber_pool stacks;
static const int standard_output = STDOUT_FILENO;
static struct rn_log log_lines = {.fd = &standard_output};

static int64_t reader_result(struct client *client)
{
    rn_fiber_await(&client->reader.future);
    return client->reader.result;
}

/* Reads the request and does as it says. */
static int connect_far(struct client *client)
{
    uint8_t *head = client->head;
    uint16_t port;
    struct rn_address address;
    rn_reader_exact(&client->reader, head, sizeof client->head);
    if (reader_result(client) < 8 || head[0] != 4 || head[1] != 1) return RN_E_PROTOCOL;
    port = (uint16_t)(head[2] << 8 | head[3]);
    rn_reader_until(&client->reader, 0); /* who the user claims to be */
    if (reader_result(client) <= 0) return RN_E_PROTOCOL;
    if (head[4] || head[5] || head[6] || !head[7]) {
        rn_address_ip4(&address, head + 4, port);
        rn_address_format(&address, client->name);
        return rn_fiber_connect(&client->far, &address, PATIENCE_SECONDS * RN_SECOND);
    }
    rn_reader_until(&client->reader, 0);
    int64_t len = reader_result(client);
    if (len <= 0 || len > (int64_t)sizeof client->name) return RN_E_PROTOCOL;
    memcpy(client->name, client->reader.data.ptr, (size_t)len);
    return rn_fiber_connect_name(&client->far, client->name, port, PATIENCE_SECONDS * RN_SECOND);
}

/* The end of one direction is passed on; an error ends the other one too. */
static int64_t copy_down(void *argument)
{
    struct client *client = argument;
    rn_ssize len;
    while ((len = rn_fiber_read(&client->far, client->from_far, sizeof client->from_far)) > 0) {
        if (rn_fiber_write_all(&client->near, client->from_far, (size_t)len) < 0) break;
        client->down += (uint64_t)len;
    }
    return rn_fiber_shutdown(&client->near, len == 0 ? SHUT_WR : SHUT_RDWR);
}

/* What came behind the request is in the reader's buffer already. */
static int copy_up(struct client *client)
{
    int64_t len = 0;
    for (;; client->up += (uint64_t)len) {
        rn_reader_some(&client->reader);
        if ((len = reader_result(client)) <= 0) break;
        if (rn_fiber_write_all(&client->far, client->reader.data.ptr, (size_t)len) < 0) break;
    }
    return rn_fiber_shutdown(&client->far, len == 0 ? SHUT_WR : SHUT_RDWR);
}

static int64_t serve(void *argument)
{
    struct client *client = argument;
    struct rn_worker *worker = rn_worker_current();
    rn_reader_init(&client->reader, rn_stream_of(worker, client->near.fd), client->memory,
                   sizeof client->memory);
    client->reader.timeout = PATIENCE_SECONDS * RN_SECOND;
    int result = connect_far(client);
    uint8_t answer[8] = {0, result < 0 ? REFUSED : GRANTED};
    client->reader.timeout = 0;
    int told = rn_fiber_write_all(&client->near, answer, sizeof answer);
    if (result == 0 && told == 0 &&
        rn_fiber_spawn(&client->downward, &stacks, worker, copy_down, client) == 0) {
        copy_up(client);
        (void)!rn_fiber_join(&client->downward);
    }
    if (result == 0) rn_fiber_close(&client->far);
    rn_fiber_close(&client->near);
    rn_log_line(&log_lines, "%s: %s, %u bytes up, %u down", client->name,
                result < 0 ? rn_error_text(result) : "served", client->up, client->down);
    return 0;
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct client *client = example_new(1, sizeof *client);
    strcpy(client->name, "a request");
    rn_fiber_stream_of(&client->near, fd);
    example_spawn_fiber(listener, &client->fiber, &stacks, fd, serve);
}

static void idle(struct rn_worker *worker, void *context) { rn_log_flush(&log_lines); }

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_check(rn_fiber_pool_init(&stacks, FIBERS, STACK), "stacks");
    example_idle = idle;
    return example_serve(accepted, NULL);
}
