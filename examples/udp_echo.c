/* A UDP echo service without any task: ops, and what is called when they complete. One op receives
 * again and again; each datagram goes back from the buffer it came in. An op that can be carried
 * out at once is over then and there; where it can't, what came meanwhile waits its turn, and when
 * all of the worker's buffers do, the rest stays in the socket. To be tried with udp_ping. */
#include "example.h"

static struct echo {
    struct rn_worker *worker;
    struct rn_op receive, send;
    struct rn_buf *first, *last; /* to go back; the first is what is being sent */
    struct rn_address to;
} echo;

static void drop_first(void)
{
    struct rn_buf *buf = echo.first;
    echo.first = buf->next;
    rn_pool_put(rn_worker_pool(echo.worker), buf);
}

static void send_more(void)
{
    while (echo.first) {
        rn_bytes payload = rn_udp_payload(echo.first);
        rn_udp_sender(echo.first, &echo.to);
        echo.send.arg.datagram.ptr = payload.ptr;
        echo.send.arg.datagram.len = payload.len;
        echo.send.arg.datagram.address_len = echo.to.len;
        if (!rn_op_try(echo.worker, &echo.send)) return; /* on_sent goes on */
        drop_first();
    }
}

/* Whether it went or not: an answer may be lost. */
static void on_sent(struct rn_op *op)
{
    drop_first();
    send_more();
}

static void on_received(struct rn_op *op)
{
    if (op->buf) {
        bool sending = echo.first;
        op->buf->next = NULL;
        echo.last = *(sending ? &echo.last->next : &echo.first) = op->buf;
        if (!sending) send_more();
    }
    if (!rn_op_inflight(op)) rn_op_start(echo.worker, op, RN_NEVER); /* after an error */
}

static int start(struct rn_worker *worker, void *context)
{
    rn_udp udp;
    example_check(rn_udp_bind(&udp, worker, &example_address, false), "bind");
    example_say_where(udp.fd);
    echo.worker = worker;
    echo.send = (struct rn_op){.fd = udp.fd, .code = RN_OP_SENDTO, .complete = on_sent};
    echo.send.arg.datagram.address = echo.to.bytes;
    echo.receive = (struct rn_op){.fd = udp.fd, .code = RN_OP_RECVFROM, .complete = on_received};
    echo.receive.flags = RN_OP_MULTISHOT;
    rn_op_start(worker, &echo.receive, RN_NEVER);
    return 0;
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7");
    return example_run(start, NULL);
}
