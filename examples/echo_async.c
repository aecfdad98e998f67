/* TCP echo with async functions: a task for each connection, and what it needs across an await
 * lives in its struct. */
#include "example.h"

struct echo {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    struct rn_buf *received;
    rn_stream peer;
};

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct echo *echo = rn_container_of(task, struct echo, task);
    RN_BEGIN(&echo->co);
    for (;;) {
        rn_stream_recv(echo->peer, &echo->op, cx, rn_after(cx, 30 * RN_SECOND));
        RN_AWAIT(&echo->co, &echo->op, cx);
        if (echo->op.result <= 0) break;
        echo->received = echo->op.buf;
        rn_stream_write_all(echo->peer, &echo->op, cx, echo->received->data + echo->received->at,
                            echo->received->len, rn_after(cx, 30 * RN_SECOND));
        RN_AWAIT(&echo->co, &echo->op, cx);
        rn_pool_put(rn_worker_pool(cx->worker), echo->received);
        if (echo->op.result < 0) break;
    }
    rn_stream_close(echo->peer, &echo->op, cx);
    RN_AWAIT(&echo->co, &echo->op, cx);
    RN_END(&echo->co);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct echo, task));
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct echo *echo = example_new(1, sizeof *echo);
    echo->peer = (rn_stream){listener->worker, fd};
    example_spawn(listener, &echo->task, fd, run, done);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve(accepted, NULL);
}
