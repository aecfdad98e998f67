/* TCP echo in the poll style: a task's function is called again whenever something may have
 * changed, and asks what is possible now. Nothing but what it keeps itself survives a call. */
#include "example.h"

struct echo {
    struct rn_task task;
    struct rn_io io;
    bool closing;
    size_t from, to; /* data[from .. to) is still to be sent */
    char data[4096];
};

enum { TURN = 64 }; /* reads and writes before the others have their turn */

/* Reads when there is nothing to send, sends otherwise. */
static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct echo *echo = rn_container_of(task, struct echo, task);
    for (int i = 0; !echo->closing; i++) {
        int64_t count;
        if (i == TURN) {
            rn_wake(cx->waker);
            return RN_PENDING;
        }
        if (echo->from == echo->to) {
            if (rn_io_poll_read(&echo->io, cx, echo->data, sizeof echo->data, &count) ==
                RN_PENDING) {
                return RN_PENDING;
            }
            echo->from = 0;
            echo->to = count > 0 ? (size_t)count : 0;
            echo->closing = count <= 0;
        } else {
            if (rn_io_poll_write(&echo->io, cx, echo->data + echo->from, echo->to - echo->from,
                                 &count) == RN_PENDING) {
                return RN_PENDING;
            }
            echo->from += count > 0 ? (size_t)count : 0;
            echo->closing = count < 0;
        }
    }
    return rn_io_poll_close(&echo->io, cx, &task->result);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct echo, task));
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct echo *echo = example_new(1, sizeof *echo);
    echo->io.worker = listener->worker;
    echo->io.fd = fd;
    example_spawn(listener, &echo->task, fd, run, done);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve(accepted, NULL);
}
