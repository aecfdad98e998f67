/*
 * http/ws_client.c: a WebSocket client as futures, which do their work when they are polled.
 *
 * Messages and control frames are sent by ops of their own, that wait for each other: a pong must
 * not come in the middle of a frame. Receiving waits for neither: a server whose output is full may
 * read nothing until somebody takes it.
 */
#include <runnel/runtime.h>
#include <runnel/ws_client.h>

#include "base/bytes.h"
#include "sys/sys.h"

/* client->state */
enum {
    OPEN = 1,          /* there is a stream */
    RECEIVING = 2,     /* the receive op was started */
    ENDED = 4,         /* nothing more will be received: end_result and event say why */
    SENDING = 8,       /* a message is under way */
    PIECE = 16,        /* the send op was started */
    BROKEN = 32,       /* half a frame was sent */
    CONTROL = 64,      /* the control op was started */
    CLOSE_SENT = 128,  /* the close frame is the next, or was */
    CLOSING = 256,
    CLOSE_OP = 512,    /* the descriptor is being closed */
    CONNECTED = 1024,  /* the handshake was judged */
};

static const rn_ns close_timeout = 2 * RN_SECOND;

/* ---- The handshake (section 4.1) ------------------------------------------------------------- */

static enum rn_poll poll_received(struct rn_future *future, struct rn_cx *cx);
static enum rn_poll poll_sent(struct rn_future *future, struct rn_cx *cx);

/* Whether the server chose a subprotocol that was offered, or none. */
static bool subprotocol_fits(const struct rn_ws_client *client)
{
    rn_bytes chosen = rn_http_call_field(&client->call, "Sec-WebSocket-Protocol");
    char name[128];
    if (!chosen.ptr) return true;
    if (chosen.len >= sizeof name) return false;
    memcpy(name, chosen.ptr, chosen.len);
    name[chosen.len] = 0;
    for (unsigned i = 0; i < client->field_count; i++)
        if (rn_bytes_equal_nocase(client->fields[i].name, RN_BYTES("Sec-WebSocket-Protocol")) &&
            rn_http1_list_has(client->fields[i].value, name))
            return true;
    return false;
}

static int judge(const struct rn_ws_client *client)
{
    const struct rn_http_call *call = &client->call;
    if (call->result < 0) return call->result;
    if (call->exchange.response.status != 101) return -RN_K_EACCES;
    if (!rn_http1_list_has(rn_http_call_field(call, "Upgrade"), "websocket") ||
        !rn_http1_list_has(rn_http_call_field(call, "Connection"), "upgrade") ||
        rn_http_call_field(call, "Sec-WebSocket-Extensions").ptr || !subprotocol_fits(client) ||
        !rn_ws_accept_valid(rn_bytes_of(client->key, sizeof client->key),
                            rn_http_call_field(call, "Sec-WebSocket-Accept")))
        return RN_E_PROTOCOL;
    return 0;
}

static enum rn_poll poll_connected(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_ws_client *client = rn_container_of(future, struct rn_ws_client, connected);
    if (client->state & CONNECTED) return RN_READY;
    if (rn_future_poll(&client->call.future, cx) == RN_PENDING) return RN_PENDING;
    client->connect_result = judge(client);
    if (client->connect_result == 0) {
        client->in = rn_http_call_take(&client->call, &client->stream);
        client->state |= OPEN;
    }
    client->state |= CONNECTED;
    rn_http_call_end(&client->call);
    return RN_READY;
}

void rn_ws_client_connect(struct rn_ws_client *client, struct rn_cx *cx, rn_bytes url)
{
    const uint64_t random[2] = {rn_random64(), rn_random64()};
    client->connected.poll = poll_connected;
    client->received.poll = poll_received;
    client->sent.poll = poll_sent;
    client->receive_deadline = RN_NEVER;
    rn_ws_init(&client->ws, RN_WS_CLIENT, client->message_max ? client->message_max : 1 << 20);
    rn_ws_client_key((const uint8_t *)random, client->key);
    struct rn_http1_header *fields = client->handshake;
    *fields++ = (struct rn_http1_header){RN_BYTES("Upgrade"), RN_BYTES("websocket")};
    *fields++ = (struct rn_http1_header){RN_BYTES("Sec-WebSocket-Version"), RN_BYTES("13")};
    *fields++ = (struct rn_http1_header){RN_BYTES("Sec-WebSocket-Key"),
                                         rn_bytes_of(client->key, sizeof client->key)};
    client->connect_result = RN_E_MISUSE;
    client->state = CONNECTED;
    if (client->field_count > RN_WS_CLIENT_FIELDS_MAX || url.len + 2 > sizeof client->url ||
        url.len < 2 || (url.ptr[0] | 0x20) != 'w' || (url.ptr[1] | 0x20) != 's')
        return;
    for (unsigned i = 0; i < client->field_count; i++) *fields++ = client->fields[i];
    /* ws is to http what wss is to https (section 3). */
    memcpy(client->url, "http", 4);
    memcpy(client->url + 4, url.ptr + 2, url.len - 2);
    client->state = 0;
    client->call = (struct rn_http_call){.client = client->http, .fields = client->handshake,
                                         .field_count = client->field_count + 3,
                                         .upgrade = true};
    rn_http_call_start(&client->call, cx, rn_bytes_of(client->url, url.len + 2));
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* Has a control frame sent; one that waits is replaced: a pong by a newer one (section 5.5.3),
 * and any by a close. */
static void queue_control(struct rn_ws_client *client, enum rn_ws_opcode opcode, rn_bytes payload)
{
    uint32_t mask = (uint32_t)rn_random64();
    if (client->state & (CLOSE_SENT | BROKEN)) return;
    if (opcode == RN_WS_CLOSE) client->state |= CLOSE_SENT;
    size_t header = rn_ws_header(client->next, true, opcode, payload.len, (uint8_t *)&mask);
    memcpy(client->next + header, payload.ptr, payload.len);
    rn_ws_mask(client->next + header, payload.len, (uint8_t *)&mask, 0);
    client->next_len = (uint8_t)(header + payload.len);
}

static void queue_close(struct rn_ws_client *client, uint16_t code, rn_bytes reason)
{
    uint8_t payload[RN_WS_CONTROL_MAX];
    size_t len = rn_ws_close_payload(payload, code, reason);
    queue_control(client, RN_WS_CLOSE, rn_bytes_of(payload, len));
}

/* It may be that neither waits for it: who received has gone on. */
static void control_sent(struct rn_op *op)
{
    struct rn_ws_client *client = rn_container_of(op, struct rn_ws_client, control);
    rn_wake(client->receiver);
    rn_wake(client->sender);
}

/* Whether no control frame is under way. */
static bool control_over(struct rn_ws_client *client)
{
    if (rn_op_inflight(&client->control)) return false;
    if (client->state & CONTROL && client->control.result < 0) client->state |= BROKEN;
    client->state &= (uint16_t)~CONTROL;
    return true;
}

/* Begins to send the control frame that waits, if it may: whether none is left. */
static bool flush_control(struct rn_ws_client *client, struct rn_cx *cx)
{
    client->receiver = cx->waker;
    if (!control_over(client)) return false;
    if (client->next_len == 0 || client->state & BROKEN) return true;
    /* Who is cancelled leaves a pong to the next receive, but still says goodbye. */
    if (client->state & SENDING || (cx->cancelled && !(client->state & CLOSING))) return false;
    client->state |= CONTROL;
    memcpy(client->frame, client->next, client->next_len);
    rn_stream_write_all(client->stream, &client->control, cx, client->frame, client->next_len,
                        client->receive_deadline);
    client->control.complete = control_sent;
    client->next_len = 0;
    return false;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void end_receiving(struct rn_ws_client *client, int result)
{
    client->state |= ENDED;
    client->receive_result = client->end_result = result;
}

/* Behind what is there in the same buffer, since a frame's header and a control frame must be in
 * one piece. */
static void start_receive(struct rn_ws_client *client, struct rn_cx *cx)
{
    struct rn_buf *in = client->in;
    client->state |= RECEIVING;
    if (in && in->len) {
        memmove(in->data, in->data + in->at, in->len);
        in->at = 0;
        rn_stream_read(client->stream, &client->recv, cx, in->data + in->len, in->cap - in->len,
                       client->receive_deadline);
        return;
    }
    if (in) rn_pool_put(rn_worker_pool(client->stream.worker), in);
    client->in = NULL;
    rn_stream_recv(client->stream, &client->recv, cx, client->receive_deadline);
}

static void received(struct rn_ws_client *client)
{
    struct rn_op *op = &client->recv;
    client->state &= (uint16_t)~RECEIVING;
    if (op->result == -RN_K_ECANCELED) {
        client->receive_result = -RN_K_ECANCELED; /* which is no end */
    } else if (op->result <= 0) {
        end_receiving(client, op->result ? (int)op->result : RN_E_CLOSED);
    } else if (client->in) {
        client->in->len += (uint32_t)op->result;
    } else {
        client->in = op->buf;
    }
}

/* Takes one event; true when it is one for the caller. */
static bool take_event(struct rn_ws_client *client, struct rn_cx *cx)
{
    struct rn_ws_event *event = &client->event;
    struct rn_buf *in = client->in;
    event->kind = RN_WS_EVENT_NONE;
    if (in) {
        size_t used = rn_ws_next(&client->ws, in->data + in->at, in->len, event);
        in->at += (uint32_t)used;
        in->len -= (uint32_t)used;
    }
    switch (event->kind) {
    case RN_WS_EVENT_NONE: start_receive(client, cx); break;
    case RN_WS_EVENT_DATA: return true;
    case RN_WS_EVENT_PING: queue_control(client, RN_WS_PONG, event->data); break;
    case RN_WS_EVENT_CLOSE:
        queue_close(client, event->code, RN_BYTES(""));
        end_receiving(client, 0);
        break;
    case RN_WS_EVENT_ERROR:
        queue_close(client, event->code, RN_BYTES(""));
        end_receiving(client, RN_E_PROTOCOL);
        break;
    }
    return false;
}

static enum rn_poll poll_received(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_ws_client *client = rn_container_of(future, struct rn_ws_client, received);
    if (!(client->state & OPEN)) {
        client->receive_result = RN_E_MISUSE;
        return RN_READY;
    }
    for (;;) {
        bool flushed = flush_control(client, cx);
        if (rn_op_poll(&client->recv, cx) == RN_PENDING) return RN_PENDING;
        client->receive_result = client->state & ENDED ? client->end_result : 0;
        if (client->state & RECEIVING) received(client);
        if (client->receive_result == -RN_K_ECANCELED) return RN_READY;
        if (client->state & ENDED) {
            bool leaving = client->state & CLOSING && rn_op_inflight(&client->control);
            if (flushed || (client->event.kind == RN_WS_EVENT_NONE && !leaving)) return RN_READY;
            if (!cx->cancelled) return RN_PENDING; /* its goodbye is to be answered first */
            client->receive_result = -RN_K_ECANCELED;
            return RN_READY;
        }
        if (take_event(client, cx)) return RN_READY;
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

void rn_ws_client_send(struct rn_ws_client *client, enum rn_ws_opcode opcode, const void *data,
                       uint64_t len)
{
    bool control = opcode >= RN_WS_CLOSE;
    client->send_result = 0;
    if (!(client->state & OPEN) || opcode == RN_WS_CLOSE || (control && len > RN_WS_CONTROL_MAX))
        client->send_result = RN_E_MISUSE;
    else if (client->state & (BROKEN | CLOSE_SENT))
        client->send_result = RN_E_CLOSED;
    if (client->send_result) return;
    client->payload = data;
    client->payload_len = len;
    client->payload_sent = 0;
    client->mask = (uint32_t)rn_random64();
    client->header_len = (uint8_t)rn_ws_header(client->out, true, opcode, len,
                                               (uint8_t *)&client->mask);
    client->state |= SENDING;
}

/* The next piece, masked, with the header before the first. */
static void send_piece(struct rn_ws_client *client, struct rn_cx *cx)
{
    uint64_t left = client->payload_len - client->payload_sent;
    size_t header = client->header_len, len = sizeof client->out - header;
    uint8_t *to = client->out + header;
    if (len > left) len = (size_t)left;
    if (len) memcpy(to, client->payload + client->payload_sent, len);
    rn_ws_mask(to, len, (uint8_t *)&client->mask, client->payload_sent);
    client->payload_sent += len;
    client->header_len = 0;
    client->state |= PIECE;
    rn_stream_write_all(client->stream, &client->send, cx, client->out, header + len, RN_NEVER);
}

static enum rn_poll poll_sent(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_ws_client *client = rn_container_of(future, struct rn_ws_client, sent);
    for (;;) {
        if (rn_op_poll(&client->send, cx) == RN_PENDING) return RN_PENDING;
        if (client->state & PIECE && client->send.result < 0) {
            client->send_result = (int)client->send.result;
            client->state |= BROKEN;
        }
        bool over = client->payload_sent == client->payload_len && client->header_len == 0;
        client->state &= (uint16_t)~PIECE;
        if (!(client->state & SENDING)) return RN_READY;
        /* Before its first byte a message can still be given up. */
        if (client->header_len && cx->cancelled) client->send_result = -RN_K_ECANCELED;
        if (client->send_result < 0 || over) {
            client->state &= (uint16_t)~SENDING;
            rn_wake(client->receiver);
            return RN_READY;
        }
        client->sender = cx->waker;
        if (!control_over(client)) return RN_PENDING;
        if (client->state & BROKEN) client->send_result = RN_E_CLOSED;
        else send_piece(client, cx);
    }
}

/* ---- Closing --------------------------------------------------------------------------------- */

static enum rn_poll poll_closed(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_ws_client *client = rn_container_of(future, struct rn_ws_client, closed);
    if (!(client->state & OPEN)) return RN_READY;
    while (!(client->state & CLOSE_OP)) {
        if (poll_received(&client->received, cx) == RN_PENDING) return RN_PENDING;
        if (!(client->state & ENDED) && client->receive_result == 0) continue; /* old messages */
        if (rn_op_inflight(&client->control)) {
            rn_op_cancel(cx->worker, &client->control);
            return RN_PENDING;
        }
        if (client->in) rn_pool_put(rn_worker_pool(client->stream.worker), client->in);
        client->in = NULL;
        client->state |= CLOSE_OP;
        rn_stream_close(client->stream, &client->recv, cx);
    }
    if (rn_op_inflight(&client->recv)) return RN_PENDING;
    client->state &= (uint16_t)~OPEN;
    return RN_READY;
}

void rn_ws_client_close(struct rn_ws_client *client, struct rn_cx *cx, uint16_t code,
                        rn_bytes reason)
{
    client->closed.poll = poll_closed;
    client->receive_deadline = rn_after(cx, close_timeout);
    client->state |= CLOSING;
    rn_op_deadline(cx->worker, &client->control, client->receive_deadline);
    queue_close(client, code, reason);
}
