/* A server that isn't overrun, and ends well: graceful [ADDRESS] [BACKEND] [LIMIT]. It echoes; with
 * so many connections it accepts no more until one has ended. Ctrl-C ends the listening, and those
 * that are there may finish; another one ends all. The signals come as what they are read from,
 * signalfd(2), to a task that polls it as it would a socket. */
#include "example.h"
#include <poll.h>
#include <sys/signalfd.h>

struct connection {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_stream stream;
    struct rn_buf *received;
};

static struct server {
    struct rn_task task;
    rn_waker waker;
    struct rn_listener listener;
    struct rn_io signals;
    int count, limit;
    bool stopping, stopped, over;
} server;

static enum rn_poll echo(struct rn_task *task, struct rn_cx *cx)
{
    struct connection *c = rn_container_of(task, struct connection, task);
    RN_BEGIN(&c->co);
    do {
        rn_stream_recv(c->stream, &c->op, cx, RN_NEVER);
        RN_AWAIT(&c->co, &c->op, cx);
        if (c->op.result <= 0) break;
        c->received = c->op.buf;
        rn_stream_write_all(c->stream, &c->op, cx, c->received->data + c->received->at,
                            c->received->len, rn_after(cx, 30 * RN_SECOND));
        RN_AWAIT(&c->co, &c->op, cx);
        rn_pool_put(rn_worker_pool(cx->worker), c->received);
    } while (c->op.result >= 0);
    rn_stream_close(c->stream, &c->op, cx);
    RN_AWAIT(&c->co, &c->op, cx);
    RN_END(&c->co);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct connection, task));
    if (--server.count < server.limit) rn_listener_resume(&server.listener);
    rn_wake(server.waker);
}

static void accepted(struct rn_listener *listener, int fd)
{
    struct connection *c = example_new(1, sizeof *c);
    c->stream = rn_stream_of(listener->worker, fd);
    if (++server.count >= server.limit) rn_listener_pause(listener);
    example_spawn(listener, &c->task, fd, echo, done);
}

static void stopped(struct rn_listener *listener)
{
    server.stopped = true;
    rn_wake(server.waker);
}

static void take_signal(struct rn_listener *listener)
{
    struct signalfd_siginfo what;
    if (read(server.signals.fd, &what, sizeof what) != sizeof what) return;
    server.over = server.stopping;
    server.stopping = true;
    printf("%d to finish\n", server.count);
    fflush(stdout);
    rn_listener_stop(listener);
}

/* Woken by a signal, and by whatever may have been the last. */
static enum rn_poll serve(struct rn_task *task, struct rn_cx *cx)
{
    int64_t result;
    if (!server.listener.worker) {
        server.waker = cx->waker;
        server.listener.worker = server.signals.worker = cx->worker;
        rn_listener_start(&server.listener);
    }
    if (!server.over) {
        while (rn_io_poll_ready(&server.signals, cx, POLLIN, &result) == RN_READY && result > 0)
            take_signal(&server.listener);
        server.over |= server.stopped && server.count == 0;
        if (!server.over) return RN_PENDING;
    }
    return rn_io_poll_close(&server.signals, cx, &result);
}

int main(int argc, char **argv)
{
    sigset_t set;
    example_arguments(argc, argv, "127.0.0.1:7000");
    server.limit = argc > 3 ? atoi(argv[3]) : 100;
    if (server.limit < 1) {
        fprintf(stderr, "usage: %s [ADDRESS] [BACKEND] [LIMIT]\n", argv[0]);
        return 2;
    }
    server.task.poll = serve;
    server.listener.accepted = accepted;
    server.listener.stopped = stopped;
    server.listener.fd = rn_listen(&example_address, &(struct rn_listen_options){0});
    example_check(server.listener.fd, "listen");
    example_say_where(server.listener.fd);
    example_signals(false);
    sigprocmask(SIG_SETMASK, NULL, &set);
    server.signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (server.signals.fd < 0) example_check(-errno, "signalfd");
    return (int)example_complete(1, &server.task);
}
