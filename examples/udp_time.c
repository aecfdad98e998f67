/* A UDP time server: the time in ISO 8601 for each datagram, whatever it says. */
#include "example.h"
#include <time.h>

struct server {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_udp udp;
    struct rn_address asker;
    char answer[32];
};

static size_t write_time(char *to, size_t cap)
{
    time_t now = time(NULL);
    struct tm date;
    return strftime(to, cap, "%Y-%m-%dT%H:%M:%SZ\n", gmtime_r(&now, &date));
}

static enum rn_poll serve(struct rn_task *task, struct rn_cx *cx)
{
    struct server *server = rn_container_of(task, struct server, task);
    RN_BEGIN(&server->co);
    for (;;) {
        rn_udp_recv(server->udp, &server->op, cx, RN_NEVER);
        RN_AWAIT(&server->co, &server->op, cx);
        if (server->op.result == -ECANCELED) break;
        if (server->op.result < 0) continue; /* of an earlier answer, as ECONNREFUSED */
        rn_udp_sender(server->op.buf, &server->asker);
        rn_pool_put(rn_worker_pool(cx->worker), server->op.buf);
        rn_udp_send(server->udp, &server->op, cx, server->answer,
                    write_time(server->answer, sizeof server->answer), &server->asker, RN_NEVER);
        RN_AWAIT(&server->co, &server->op, cx);
    }
    rn_udp_close(server->udp, &server->op, cx);
    RN_AWAIT(&server->co, &server->op, cx);
    RN_END(&server->co);
}

static int start(struct rn_worker *worker, void *context)
{
    struct server *server = context;
    server->task.poll = serve;
    example_check(rn_udp_bind(&server->udp, worker, &example_address, false), "bind");
    example_say_where(server->udp.fd);
    return rn_spawn(worker, &server->task);
}

int main(int argc, char **argv)
{
    static struct server server;
    example_arguments(argc, argv, "127.0.0.1:7037");
    return example_run(start, &server);
}
