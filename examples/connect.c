/* Standard input to a peer, and what that says to standard output, as netcat does:
 * connect BACKEND ADDRESS [SOURCE], with addresses as 127.0.0.1:7000 or unix:PATH. The end of the
 * input is passed on as a half close; the peer's end is the program's. */
#include "example.h"
#include <poll.h>

struct half {
    struct rn_child child;
    rn_co co;
    struct rn_op op;
    rn_stream to;
    ssize_t len, at;
    char data[16384];
};

static struct connect {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_stream stream;
    struct rn_address peer, source; /* source.len 0: whichever the system takes */
    struct rn_scope scope;
    struct half up, down;
} all;

/* Waits for input without reading: to read from a terminal would hold up all that the worker does.
 * A slow standard output does; a program with more to do would leave it to rn_file_write. */
static enum rn_poll copy(struct rn_task *task, struct rn_cx *cx)
{
    struct half *half = rn_container_of(task, struct half, child.task);
    RN_BEGIN(&half->co);
    do {
        if (half == &all.down) {
            rn_stream_read(all.stream, &half->op, cx, half->data, sizeof half->data, RN_NEVER);
        } else {
            half->op = (struct rn_op){.code = RN_OP_POLL, .arg.events = POLLIN, .fd = STDIN_FILENO};
            rn_op_begin(cx, &half->op, RN_NEVER);
        }
        RN_AWAIT(&half->co, &half->op, cx);
        half->len = half->op.result;
        if (half == &all.up && half->len > 0)
            half->len = read(STDIN_FILENO, half->data, sizeof half->data);
        if (half->op.result >= 0 && half->len < 0) half->op.result = -errno;
        for (half->at = 0; half->at < half->len; half->at += half->op.result) {
            rn_stream_write(half->to, &half->op, cx, half->data + half->at,
                            (size_t)(half->len - half->at), RN_NEVER);
            RN_AWAIT(&half->co, &half->op, cx);
            if (half->op.result < 0) break;
        }
    } while (half->op.result >= 0 && half->len > 0);
    if (half->op.result < 0 && half->op.result != -ECANCELED) task->result = half->op.result;
    if (half == &all.down) rn_scope_cancel(&all.scope);
    else rn_stream_shutdown(half->to, &half->op, cx, 1);
    if (half == &all.up) RN_AWAIT(&half->co, &half->op, cx);
    RN_END(&half->co);
}

static void spawn(struct half *half, rn_stream to)
{
    *half = (struct half){.child.task.poll = copy, .to = to};
    example_check(rn_scope_spawn(&all.scope, to.worker, &half->child), "task");
}

static enum rn_poll connect_run(struct rn_task *task, struct rn_cx *cx)
{
    char text[RN_ADDRESS_TEXT_MAX];
    RN_BEGIN(&all.co);
    example_check(rn_stream_open(&all.stream, cx->worker, rn_address_family(&all.peer)), "socket");
    if (all.source.len) example_check(rn_socket_bind(all.stream.fd, &all.source), "source");
    rn_stream_connect(all.stream, &all.op, cx, &all.peer, rn_after(cx, 30 * RN_SECOND));
    RN_AWAIT(&all.co, &all.op, cx);
    example_check((int)all.op.result, "connect");
    example_check(rn_peer_address(all.stream.fd, &all.peer), "peer");
    rn_address_format(&all.peer, text);
    fprintf(stderr, "connected to %s\n", text);
    rn_scope_open(&all.scope, cx->worker);
    all.scope.ends_on_error = true;
    spawn(&all.up, all.stream);
    spawn(&all.down, rn_stream_of(cx->worker, STDOUT_FILENO));
    RN_AWAIT(&all.co, &all.scope.future, cx);
    task->result = all.scope.result;
    rn_stream_close(all.stream, &all.op, cx);
    RN_AWAIT(&all.co, &all.op, cx);
    RN_END(&all.co);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4 || rn_address_parse(&all.peer, argv[2], 0) < 0 ||
        (argc > 3 && rn_address_parse(&all.source, argv[3], 0) < 0)) {
        fprintf(stderr, "usage: %s BACKEND ADDRESS [SOURCE]\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    all.task.poll = connect_run;
    example_check((int)example_complete(1, &all.task), "connection");
    return 0;
}
