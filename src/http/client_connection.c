/*
 * http/client_connection.c: a client's connection: one receive and one send at a time, each without
 * the other's knowledge, since a response may come while its request is still being sent.
 *
 * That is why it isn't a machine on the stream driver, where input waits for the output before it:
 * a server that answers 413 and reads no further would never be heard. Receiving begins when the
 * call wants more, which is all of the backpressure; an idle connection has a receive too, so that
 * the server's closing is noticed, and no buffer.
 */
#include "http/client.h"

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_closed(struct rn_op *op)
{
    rn_http_pool_forget(op->owner);
}

static void start(struct rn_http_connection *connection, struct rn_op *op, enum rn_op_code code,
                  void (*complete)(struct rn_op *op))
{
    op->code = (uint8_t)code;
    op->fd = connection->fd;
    op->flags = 0;
    op->complete = complete;
    op->owner = connection;
    rn_op_start(connection->client->worker, op, RN_NEVER);
}

void rn_http_connection_drop(struct rn_http_connection *connection, struct rn_buf **buf)
{
    if (*buf) rn_pool_put(rn_worker_pool(connection->client->worker), *buf);
    *buf = NULL;
}

/* Called with each completion until there is none to come. */
static void teardown(struct rn_http_connection *connection)
{
    if (rn_op_inflight(&connection->recv) || rn_op_inflight(&connection->send)) return;
    rn_http_connection_drop(connection, &connection->in);
    rn_http_connection_drop(connection, &connection->out);
    if (connection->fd < 0) rn_http_pool_forget(connection);
    else start(connection, &connection->recv, RN_OP_CLOSE, on_closed);
}

void rn_http_connection_close(struct rn_http_connection *connection)
{
    struct rn_worker *worker = connection->client->worker;
    bool opening = connection->state == RN_HTTP_OPENING;
    connection->state = RN_HTTP_CLOSING;
    connection->call = NULL;
    if (opening) {
        rn_task_cancel(rn_task_waker(worker, &connection->task));
        return;
    }
    rn_pool_wait_cancel(rn_worker_pool(worker), &connection->wait);
    rn_op_cancel(worker, &connection->recv);
    rn_op_cancel(worker, &connection->send);
    teardown(connection);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

static enum rn_poll connect_task(struct rn_task *task, struct rn_cx *cx)
{
    struct rn_http_connection *connection =
        rn_container_of(task, struct rn_http_connection, task);
    struct rn_http_client *client = connection->client;
    char proxy[RN_HTTP_HOST_MAX + 1];
    const char *name = connection->host;
    uint16_t port = connection->port;
    RN_BEGIN(&connection->co);
    if (connection->route != RN_HTTP_DIRECT) {
        memcpy(proxy, client->proxy.host.ptr, client->proxy.host.len);
        proxy[client->proxy.host.len] = 0;
        name = proxy;
        port = client->proxy.port;
    }
    if (client->options.connect_to) name = client->options.connect_to;
    rn_connect(&connection->connect, cx, name, port, RN_NEVER); /* the call has a deadline */
    RN_AWAIT(&connection->co, &connection->connect.future, cx);
    RN_END(&connection->co);
}

static void connected(struct rn_task *task)
{
    struct rn_http_connection *connection =
        rn_container_of(task, struct rn_http_connection, task);
    int result = connection->connect.result;
    if (result >= 0) connection->fd = connection->connect.stream.fd;
    if (connection->state == RN_HTTP_CLOSING) {
        teardown(connection);
        return;
    }
    connection->state = RN_HTTP_OPEN;
    if (result < 0) {
        rn_http_call_fail(connection->call, result);
        return;
    }
    connection->client->figures.opened++;
    rn_http_call_connected(connection->call);
}

int rn_http_connection_open(struct rn_http_connection *connection)
{
    connection->task.poll = connect_task;
    connection->task.done = connected;
    connection->state = RN_HTTP_OPENING;
    int result = rn_spawn(connection->client->worker, &connection->task);
    if (result) connection->state = RN_HTTP_OPEN;
    return result;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void on_received(struct rn_op *op)
{
    struct rn_http_connection *connection = op->owner;
    if (connection->in) connection->in->len += op->result > 0 ? (uint32_t)op->result : 0;
    else connection->in = op->buf;
    if (connection->state == RN_HTTP_CLOSING) {
        teardown(connection);
    } else if (connection->state == RN_HTTP_IDLE) {
        rn_http_pool_lose(connection); /* it was closed, or something was said out of turn */
    } else {
        rn_http_call_received(connection->call, op->result);
    }
}

void rn_http_connection_receive(struct rn_http_connection *connection)
{
    struct rn_op *op = &connection->recv;
    struct rn_buf *in = connection->in;
    if (rn_op_inflight(op)) return;
    if (in && in->len) {
        /* Behind it in the same buffer, since a head must be in one piece. */
        memmove(in->data, in->data + in->at, in->len);
        in->at = 0;
        op->arg.memory.ptr = in->data + in->len;
        op->arg.memory.len = in->cap - in->len;
        if (in->len == in->cap) rn_http_call_fail(connection->call, RN_E_LIMIT);
        else start(connection, op, RN_OP_RECV_INTO, on_received);
        return;
    }
    rn_http_connection_drop(connection, &connection->in);
    start(connection, op, RN_OP_RECV, on_received);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void on_buffer(struct rn_pool_wait *wait)
{
    struct rn_http_connection *connection =
        rn_container_of(wait, struct rn_http_connection, wait);
    rn_http_call_output(connection->call);
}

bool rn_http_connection_take_out(struct rn_http_connection *connection)
{
    struct rn_pool *pool = rn_worker_pool(connection->client->worker);
    if (connection->out) return true;
    connection->out = rn_pool_take_reserved(pool);
    connection->wait.ready = on_buffer;
    if (connection->out) rn_pool_wait_cancel(pool, &connection->wait);
    else rn_pool_wait(pool, &connection->wait);
    return connection->out;
}

static void on_sent(struct rn_op *op)
{
    struct rn_http_connection *connection = op->owner;
    connection->sent += op->result < 0 ? op->progress : (uint64_t)op->result;
    if (connection->state == RN_HTTP_CLOSING) teardown(connection);
    else if (connection->call) rn_http_call_sent(connection->call, op->result);
    else rn_http_connection_drop(connection, &connection->out); /* the answer was told first */
}

void rn_http_connection_send(struct rn_http_connection *connection)
{
    struct rn_buf *out = connection->out;
    connection->send.arg.memory.ptr = out->data + out->at;
    connection->send.arg.memory.len = out->len;
    connection->seen = 0;
    start(connection, &connection->send, RN_OP_SEND, on_sent);
}
