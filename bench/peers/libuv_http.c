/*
 * bench/peers/libuv_http.c: a canned HTTP reply on a libuv loop: libuv_http PORT
 *
 * It looks only for the ends of the heads (an empty line) and answers each with the same bytes, so
 * it is what a libuv server costs before it parses, routes or keeps a deadline. Replies to all the
 * requests of one read leave in one write, tried at once (uv_try_write) as fast libuv servers do.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_ROOM = 65536, BATCH = 64, BACKLOG = 4096 };

static const char reply[] = "HTTP/1.1 200 OK\r\n"
                            "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: 13\r\n"
                            "\r\n"
                            "Hello, World!";

struct client {
    uv_tcp_t tcp;
    unsigned matched; /* bytes of the empty line seen at the end of the last read */
};

struct pending {
    uv_write_t request;
    char bytes[];
};

/* One buffer serves all connections: a read is used up before the next. */
static char room[READ_ROOM];
static char replies[BATCH * (sizeof reply - 1)];

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop(struct client *client)
{
    uv_handle_t *handle = (uv_handle_t *)&client->tcp;
    if (!uv_is_closing(handle)) uv_close(handle, closed);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(room, sizeof room);
}

/* How many heads end in these bytes; an end may have begun in those before. */
static unsigned count_heads(struct client *client, const char *bytes, size_t count)
{
    static const char end[] = "\r\n\r\n";
    unsigned heads = 0;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == end[client->matched])
            client->matched++;
        else
            client->matched = bytes[i] == '\r';
        if (client->matched == 4) {
            client->matched = 0;
            heads++;
        }
    }
    return heads;
}

static void written(uv_write_t *request, int status)
{
    if (status < 0) drop(request->handle->data);
    free(request);
}

/* The socket took only a part: the rest is copied and waits. */
static void write_later(struct client *client, const char *bytes, size_t count)
{
    struct pending *pending = malloc(sizeof *pending + count);
    if (!pending) abort();
    memcpy(pending->bytes, bytes, count);
    uv_buf_t buf = uv_buf_init(pending->bytes, (unsigned)count);
    if (uv_write(&pending->request, (uv_stream_t *)&client->tcp, &buf, 1, written) < 0) {
        free(pending);
        drop(client);
    }
}

static void answer(struct client *client, unsigned heads)
{
    while (heads) {
        unsigned batch = heads < BATCH ? heads : BATCH;
        size_t count = batch * (sizeof reply - 1);
        uv_buf_t buf = uv_buf_init(replies, (unsigned)count);
        int sent = uv_try_write((uv_stream_t *)&client->tcp, &buf, 1);
        if (sent < 0) sent = 0;
        if ((size_t)sent < count) write_later(client, replies + sent, count - (size_t)sent);
        heads -= batch;
    }
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    if (count < 0)
        drop(client);
    else
        answer(client, count_heads(client, buf->base, (size_t)count));
}

static void connected(uv_stream_t *listener, int status)
{
    struct client *client = status < 0 ? NULL : calloc(1, sizeof *client);
    if (!client) return;
    uv_tcp_init(listener->loop, &client->tcp);
    client->tcp.data = client;
    if (uv_accept(listener, (uv_stream_t *)&client->tcp) < 0 ||
        uv_read_start((uv_stream_t *)&client->tcp, give_room, received) < 0) {
        drop(client);
        return;
    }
    uv_tcp_nodelay(&client->tcp, 1);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in address;
    uv_tcp_t listener;
    if (argc != 2) {
        fprintf(stderr, "usage: libuv_http PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < BATCH; i++)
        memcpy(replies + i * (sizeof reply - 1), reply, sizeof reply - 1);
    uv_tcp_init(loop, &listener);
    int error = uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
    if (!error) error = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (!error) error = uv_listen((uv_stream_t *)&listener, BACKLOG, connected);
    if (error) {
        fprintf(stderr, "libuv_http: %s\n", uv_strerror(error));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
