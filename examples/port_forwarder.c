/* Forwards TCP connections to another host, which is asked for by name:
 * port_forwarder [ADDRESS] [BACKEND] [HOST] [PORT]. Both directions of a connection are children of
 * one scope: when either fails, the other is cancelled. */
#include "example.h"

struct copy {
    struct rn_child child;
    rn_co co;
    struct rn_op op;
    struct rn_buf *received;
    rn_stream from, to;
};

struct forward {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_stream client, server;
    struct rn_connect connect;
    struct rn_scope scope;
    struct copy up, down;
};

static const char *host;
static uint16_t port;

/* From one stream to the other until its end, which is passed on. */
static enum rn_poll copy(struct rn_task *task, struct rn_cx *cx)
{
    struct copy *copy = rn_container_of(task, struct copy, child.task);
    RN_BEGIN(&copy->co);
    for (;;) {
        rn_stream_recv(copy->from, &copy->op, cx, RN_NEVER);
        RN_AWAIT(&copy->co, &copy->op, cx);
        if (copy->op.result <= 0) break;
        copy->received = copy->op.buf;
        rn_stream_write_all(copy->to, &copy->op, cx, copy->received->data + copy->received->at,
                            copy->received->len, rn_after(cx, 60 * RN_SECOND));
        RN_AWAIT(&copy->co, &copy->op, cx);
        rn_pool_put(rn_worker_pool(cx->worker), copy->received);
        if (copy->op.result < 0) break;
    }
    task->result = copy->op.result; /* below 0, it ends the scope */
    if (task->result == 0) {
        rn_stream_shutdown(copy->to, &copy->op, cx, 1);
        RN_AWAIT(&copy->co, &copy->op, cx);
    }
    RN_END(&copy->co);
}

static void spawn(struct forward *forward, struct copy *half, rn_stream from, rn_stream to)
{
    half->child.task.poll = copy;
    half->from = from;
    half->to = to;
    if (rn_scope_spawn(&forward->scope, from.worker, &half->child) < 0) {
        rn_scope_cancel(&forward->scope); /* no slot left */
    }
}

static enum rn_poll forward_run(struct rn_task *task, struct rn_cx *cx)
{
    struct forward *forward = rn_container_of(task, struct forward, task);
    RN_BEGIN(&forward->co);
    rn_connect(&forward->connect, cx, host, port, rn_after(cx, 30 * RN_SECOND));
    RN_AWAIT(&forward->co, &forward->connect.future, cx);
    if (forward->connect.result >= 0) {
        forward->server = forward->connect.stream;
        rn_scope_open(&forward->scope, cx->worker);
        forward->scope.ends_on_error = true;
        spawn(forward, &forward->up, forward->client, forward->server);
        spawn(forward, &forward->down, forward->server, forward->client);
        RN_AWAIT(&forward->co, &forward->scope.future, cx);
        rn_stream_close(forward->server, &forward->op, cx);
        RN_AWAIT(&forward->co, &forward->op, cx);
    }
    rn_stream_close(forward->client, &forward->op, cx);
    RN_AWAIT(&forward->co, &forward->op, cx);
    RN_END(&forward->co);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct forward, task));
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct forward *forward = example_new(1, sizeof *forward);
    forward->client = (rn_stream){listener->worker, fd};
    example_spawn(listener, &forward->task, fd, forward_run, done);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    host = argc > 3 ? argv[3] : "localhost";
    port = argc > 4 ? (uint16_t)atoi(argv[4]) : 8000;
    return example_serve(accepted, NULL);
}
