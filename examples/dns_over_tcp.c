/* DNS over TCP (RFC 7766) for a server that is asked over UDP: dns_over_tcp [ADDRESS] [BACKEND]
 * [SERVER]. A message on a stream has its length before it; each is read exactly, sent on as a
 * datagram, and again when no answer comes. Try: dig +tcp @127.0.0.1 -p 5353 example.com */
#include "example.h"

enum { HEADER = 12, TRIES = 3, SERVER_FAILURE = 2 }; /* RFC 1035, 4.1.1 */
static const rn_ns idle = 30 * RN_SECOND;

struct client {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    struct rn_sleep pause;
    rn_stream stream;
    rn_udp server;
    rn_ns until;
    size_t len;
    int tries;
    bool answered, last;
    uint8_t message[2 + 65535]; /* its length, in network order, and itself */
};

static struct rn_address server;
static int listener;
static int start(struct rn_worker *worker, void *context);

/* Puts the answer in the place of the question, if that is what came: not of an earlier one. */
static bool take_answer(struct client *c)
{
    rn_bytes came = rn_udp_payload(c->op.buf);
    bool right = came.len >= HEADER && memcmp(came.ptr, c->message + 2, 2) == 0 &&
                 came.ptr[2] & 0x80 && !rn_udp_truncated(c->op.buf);
    if (right) memcpy(c->message + 2, came.ptr, c->len = came.len);
    rn_pool_put(rn_worker_pool(c->stream.worker), c->op.buf);
    return right;
}

/* A client. When it has come, it starts the one who waits for the next. */
static enum rn_poll serve(struct rn_task *task, struct rn_cx *cx)
{
    struct client *c = rn_container_of(task, struct client, task);
    RN_BEGIN(&c->co);
    do {
        for (;;) {
            rn_accept(listener, &c->op, cx, RN_NEVER);
            RN_AWAIT(&c->co, &c->op, cx);
            if (c->op.result >= 0) break;
            rn_sleep(&c->pause, cx, RN_SECOND / 10); /* no descriptor is left: the backlog waits */
            RN_AWAIT(&c->co, &c->pause, cx);
        }
        c->stream = rn_stream_of(cx->worker, (int)c->op.result);
        c->last = start(cx->worker, NULL) < 0;
        for (;;) {
            rn_stream_read_exact(c->stream, &c->op, cx, c->message, 2, rn_after(cx, idle));
            RN_AWAIT(&c->co, &c->op, cx);
            c->len = (size_t)(c->message[0] << 8 | c->message[1]);
            if (c->op.result < 2 || c->len < HEADER) break;
            rn_stream_read_exact(c->stream, &c->op, cx, c->message + 2, c->len, rn_after(cx, idle));
            RN_AWAIT(&c->co, &c->op, cx);
            if (c->op.result < (int64_t)c->len) break;
            c->answered = false;
            for (c->tries = 0; c->tries < TRIES && !c->answered; c->tries++) {
                c->until = rn_after(cx, RN_SECOND);
                rn_udp_send(c->server, &c->op, cx, c->message + 2, c->len, NULL, c->until);
                RN_AWAIT(&c->co, &c->op, cx);
                while (c->op.result >= 0 && !c->answered) {
                    rn_udp_recv(c->server, &c->op, cx, c->until);
                    RN_AWAIT(&c->co, &c->op, cx);
                    if (c->op.result >= 0) c->answered = take_answer(c);
                }
            }
            if (!c->answered) { /* the question goes back */
                c->message[4] |= 0x80;
                c->message[5] = (c->message[5] & 0xf0) | SERVER_FAILURE;
            }
            c->message[0] = (uint8_t)(c->len >> 8);
            c->message[1] = (uint8_t)c->len;
            rn_stream_write_all(c->stream, &c->op, cx, c->message, 2 + c->len, rn_after(cx, idle));
            RN_AWAIT(&c->co, &c->op, cx);
            if (c->op.result < 0) break;
        }
        rn_stream_close(c->stream, &c->op, cx);
        RN_AWAIT(&c->co, &c->op, cx);
    } while (c->last);
    rn_udp_close(c->server, &c->op, cx);
    RN_AWAIT(&c->co, &c->op, cx);
    RN_END(&c->co);
}

static void done(struct rn_task *task)
{
    free(rn_container_of(task, struct client, task));
}

/* Each client has a socket of its own: what comes there is for it. */
static int start(struct rn_worker *worker, void *context)
{
    struct client *c = example_new(1, sizeof *c);
    c->task = (struct rn_task){.poll = serve, .done = done};
    int result = rn_udp_open(&c->server, worker, rn_address_family(&server));
    if (result == 0) result = rn_udp_connect(c->server, &server);
    if (result == 0) result = rn_spawn(worker, &c->task);
    if (result < 0 && c->server.fd > 0) close(c->server.fd);
    if (result < 0) free(c);
    return result;
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:5353");
    example_check(rn_address_parse(&server, argc > 3 ? argv[3] : "127.0.0.1", 53), "server");
    listener = rn_listen(&example_address, &(struct rn_listen_options){0});
    example_check(listener, "listen");
    example_say_where(listener);
    return example_run(start, NULL);
}
