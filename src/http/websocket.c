/*
 * http/websocket.c: a connection after its upgrade: frames in and out, the closing handshake,
 * keep-alive pings.
 */
#include "http/server.h"

#include "sys/sys.h"

static const rn_ns close_timeout = 2 * RN_SECOND; /* for the peer's side of the closing handshake */
enum { MESSAGE_MAX_DEFAULT = 1 << 20, CONTROL_ROOM = RN_WS_HEADER_MAX + 125 };

static struct rn_http_conn *conn_of(const struct rn_websocket *socket)
{
    return rn_container_of(socket, struct rn_http_conn, socket);
}

void *rn_websocket_context(const struct rn_websocket *socket) { return socket->route->context; }
void **rn_websocket_user(struct rn_websocket *socket) { return &socket->user; }

struct rn_worker *rn_websocket_worker(const struct rn_websocket *socket)
{
    return conn_of(socket)->worker->worker;
}

static void refuse(struct rn_request *request, unsigned status)
{
    request->close = true;
    rn_response_start(request, status);
    if (status == 426) {
        rn_response_header(request, "Upgrade", RN_BYTES("websocket"));
        rn_response_header(request, "Sec-WebSocket-Version", RN_BYTES("13"));
    }
    rn_response_error(request, status);
}

void rn_websocket_upgrade(struct rn_request *request)
{
    struct rn_http_conn *conn = request->conn;
    struct rn_websocket *socket = &conn->socket;
    const struct rn_websocket_handler *handler = request->route->websocket;
    struct rn_ws_accept accept;
    if (rn_ws_handshake(&request->http1, request->head, handler->policy, &accept) < 0) {
        refuse(request, accept.status);
        return;
    }
    rn_response_start(request, 101);
    rn_response_header(request, "Upgrade", RN_BYTES("websocket"));
    rn_response_header(request, "Sec-WebSocket-Accept", rn_bytes_of(accept.key, sizeof accept.key));
    if (accept.subprotocol.len)
        rn_response_header(request, "Sec-WebSocket-Protocol", accept.subprotocol);
    request->http1.keep_alive = true;
    rn_response_head(request, NULL, RN_LENGTH_UNKNOWN);
    rn_response_end(request);
    request->close = false;
    rn_ws_init(&socket->ws, RN_WS_SERVER,
               handler->message_max ? handler->message_max : MESSAGE_MAX_DEFAULT);
    socket->route = request->route;
    conn->machine.own |= RN_HTTP_UPGRADED;
    conn->worker->figures.websockets++;
    rn_http_debug(conn, "[WS] fd=%d handshake complete", 0);
    if (!handler->opened) return;
    socket->out = request->out;
    handler->opened(socket);
    socket->out = NULL;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static void put_frame(struct rn_out *out, bool last, enum rn_ws_opcode opcode, const void *data,
                      size_t len)
{
    out->len += (uint32_t)rn_ws_header(out->data + out->len, last, opcode, len, NULL);
    memcpy(out->data + out->len, data, len);
    out->len += (uint32_t)len;
}

int rn_websocket_send(struct rn_websocket *socket, enum rn_ws_opcode opcode, bool first, bool last,
                      const void *data, size_t len)
{
    if (socket->close_sent) return RN_E_CLOSED;
    if (!socket->out || rn_out_room(socket->out) < len + RN_WS_HEADER_MAX) {
        socket->kicked = true; /* `writable` is due when the output is sent */
        return -RN_K_ENOBUFS;
    }
    put_frame(socket->out, last, first ? opcode : RN_WS_CONTINUATION, data, len);
    return 0;
}

void rn_websocket_kick(struct rn_websocket *socket)
{
    socket->kicked = true;
    rn_stream_driver_kick(&conn_of(socket)->driver);
}

static void send_close(struct rn_http_conn *conn, struct rn_out *out, uint16_t code,
                       rn_bytes reason)
{
    uint8_t payload[125];
    if (conn->socket.close_sent) return;
    size_t len = code == RN_WS_NO_STATUS ? 0 : rn_ws_close_payload(payload, code, reason);
    put_frame(out, true, RN_WS_CLOSE, payload, len);
    conn->socket.close_sent = true;
    conn->socket.close_code = code;
    conn->deadline = rn_worker_now(conn->worker->worker) + close_timeout;
}

static void tell_closed(struct rn_http_conn *conn, uint16_t code)
{
    const struct rn_websocket_handler *handler = conn->socket.route->websocket;
    if (conn->socket.closed_told) return;
    conn->socket.closed_told = true;
    conn->worker->figures.websockets--;
    if (handler->closed) handler->closed(&conn->socket, code);
}

/* From a callback, where there is room; from elsewhere it waits for the next turn. */
void rn_websocket_close(struct rn_websocket *socket, uint16_t code, rn_bytes reason)
{
    struct rn_http_conn *conn = conn_of(socket);
    if (socket->out && rn_out_room(socket->out) >= CONTROL_ROOM) {
        send_close(conn, socket->out, code, reason);
    } else {
        socket->close_code = code;
        rn_websocket_kick(socket);
    }
}

bool rn_websocket_pop(struct rn_http_conn *conn, struct rn_out *out)
{
    struct rn_websocket *socket = &conn->socket;
    const struct rn_websocket_handler *handler = socket->route->websocket;
    uint32_t before = out->len;
    if (!socket->kicked || rn_out_room(out) < CONTROL_ROOM) return false;
    socket->kicked = false;
    if (socket->close_code && !socket->close_sent)
        send_close(conn, out, socket->close_code, RN_BYTES(""));
    socket->out = out;
    if (handler->writable && !socket->close_sent) handler->writable(socket);
    socket->out = NULL;
    return out->len != before;
}

/* ---- Input ----------------------------------------------------------------------------------- */

static void on_event(struct rn_http_conn *conn, const struct rn_ws_event *event, struct rn_out *out)
{
    struct rn_websocket *socket = &conn->socket;
    switch (event->kind) {
    case RN_WS_EVENT_DATA:
        conn->worker->figures.messages += event->last;
        rn_http_debug(conn, "[WS] fd=%d recv %u bytes", event->data.len);
        if (socket->close_sent) break;
        socket->route->websocket->data(socket, event);
        break;
    case RN_WS_EVENT_PING:
        if (!socket->close_sent)
            put_frame(out, true, RN_WS_PONG, event->data.ptr, event->data.len);
        break;
    case RN_WS_EVENT_CLOSE:
    case RN_WS_EVENT_ERROR:
        send_close(conn, out, event->code, RN_BYTES(""));
        conn->machine.flags |= RN_MACHINE_CLOSE;
        tell_closed(conn, event->code);
        break;
    default: break;
    }
}

size_t rn_websocket_input(struct rn_http_conn *conn, rn_ns now, uint8_t *in, size_t len,
                          struct rn_out *out)
{
    struct rn_ws_event event;
    size_t used = 0;
    conn->socket.out = out;
    do {
        /* No more input at once than an answer of the same length has room for. */
        size_t room = rn_out_room(out), part = len - used;
        if (room < 2 * CONTROL_ROOM) break;
        if (part > room - CONTROL_ROOM) part = room - CONTROL_ROOM;
        used += rn_ws_next(&conn->socket.ws, in + used, part, &event);
        on_event(conn, &event, out);
    } while (event.kind != RN_WS_EVENT_NONE && !(conn->machine.flags & RN_MACHINE_CLOSE));
    conn->socket.out = NULL;
    /* What waits to be whole is offered again after each ping, and is no sign of life. */
    if (used && !conn->socket.close_sent) {
        conn->socket.pinged = false;
        conn->deadline = now + conn->worker->server->options.ping_interval;
    }
    return used;
}

/* ---- Time and the end ------------------------------------------------------------------------ */

void rn_websocket_tick(struct rn_http_conn *conn, rn_ns now, struct rn_out *out)
{
    struct rn_websocket *socket = &conn->socket;
    if (socket->close_sent || socket->pinged) { /* no answer to the close, or to the ping */
        conn->worker->figures.timeouts++;
        conn->machine.flags |= RN_MACHINE_DONE;
        return;
    }
    put_frame(out, true, RN_WS_PING, "", 0);
    socket->pinged = true;
    conn->deadline = now + conn->worker->server->options.ping_interval;
}

void rn_websocket_shutdown(struct rn_http_conn *conn, rn_ns now, struct rn_out *out)
{
    send_close(conn, out, RN_WS_GOING_AWAY, RN_BYTES("server is stopping"));
}

void rn_websocket_lost(struct rn_http_conn *conn) { tell_closed(conn, 1006); }
