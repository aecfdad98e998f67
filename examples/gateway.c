/* Lets a program that serves a Unix socket be reached over TCP, or the other way round:
 * gateway ADDRESS BACKEND TO, such as gateway 127.0.0.1:8080 auto unix:/run/app.sock. It is in the
 * poll style, where one task may ask several things: a connection is a task that asks both sides,
 * both ways, and passes on the end of each. */
#include "example.h"

enum { TURN = 64 }; /* reads and writes before the others have their turn */

struct side {
    struct rn_io io;
    size_t at, len; /* data[at .. len) came from here, and is for the other side */
    bool ended;     /* nothing more comes from here */
    bool told;      /* and the other side knows */
    char data[16384];
};

struct connection {
    struct rn_task task;
    struct side client, server;
    bool connected, over;
};

static struct rn_address to;

/* One step for what goes from one side to the other. */
static enum rn_poll step(struct side *from, struct side *into, struct rn_cx *cx, int64_t *result)
{
    if (from->at < from->len) {
        if (rn_io_poll_write(&into->io, cx, from->data + from->at, from->len - from->at, result) ==
            RN_PENDING) return RN_PENDING;
        if (*result > 0) from->at += (size_t)*result;
    } else if (!from->ended) {
        if (rn_io_poll_read(&from->io, cx, from->data, sizeof from->data, result) == RN_PENDING)
            return RN_PENDING;
        from->at = 0;
        from->len = *result > 0 ? (size_t)*result : 0;
        from->ended = *result == 0;
    } else {
        if (rn_io_poll_flush(&into->io, cx, result) == RN_PENDING) return RN_PENDING;
        if (*result == 0) {
            if (rn_io_poll_shutdown(&into->io, cx, result) == RN_PENDING) return RN_PENDING;
        }
        from->told = true;
    }
    return RN_READY;
}

/* All the steps that can be made now: READY when that was all there will be, or one failed. */
static enum rn_poll pump(struct side *from, struct side *into, struct rn_cx *cx, int64_t *result)
{
    for (int i = 0; i < TURN; i++) {
        if (from->told) return RN_READY;
        if (step(from, into, cx, result) == RN_PENDING) return RN_PENDING;
        if (*result < 0) return RN_READY;
    }
    rn_wake(cx->waker);
    return RN_PENDING;
}

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct connection *c = rn_container_of(task, struct connection, task);
    int64_t up = 0, down = 0;
    if (!c->connected) {
        if (rn_io_poll_connect(&c->server.io, cx, &to, &up) == RN_PENDING) return RN_PENDING;
        c->connected = true;
        c->over = up < 0;
        if (c->over) fprintf(stderr, "no connection: %s\n", rn_error_text((int)up));
    }
    if (!c->over) {
        enum rn_poll sent = pump(&c->client, &c->server, cx, &up);
        enum rn_poll received = pump(&c->server, &c->client, cx, &down);
        c->over = (sent == RN_READY && received == RN_READY) || up < 0 || down < 0;
        if (!c->over) return RN_PENDING;
    }
    if (rn_io_poll_close(&c->server.io, cx, &down) == RN_PENDING) return RN_PENDING;
    return rn_io_poll_close(&c->client.io, cx, &up);
}

static void done(struct rn_task *task)
{
    struct connection *c = rn_container_of(task, struct connection, task);
    if (c->server.io.fd >= 0) close(c->server.io.fd); /* it never ran */
    free(c);
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct connection *c = example_new(1, sizeof *c);
    rn_stream server;
    if (rn_stream_open(&server, listener->worker, rn_address_family(&to)) < 0) {
        close(fd);
        return free(c);
    }
    c->client.io = (struct rn_io){.worker = listener->worker, .fd = fd};
    c->server.io = (struct rn_io){.worker = listener->worker, .fd = server.fd};
    example_spawn(listener, &c->task, fd, run, done);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:8080");
    if (argc < 4 || rn_address_parse(&to, argv[3], 0) < 0) {
        fprintf(stderr, "usage: %s ADDRESS BACKEND TO\n", argv[0]);
        return 2;
    }
    return example_serve(accepted, NULL);
}
