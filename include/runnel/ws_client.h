/*
 * runnel/ws_client.h: a WebSocket client (RFC 6455) as awaitable calls, over runnel/http_client.h.
 *
 *     me->ws = (struct rn_ws_client){.http = me->http};
 *     rn_ws_client_connect(&me->ws, cx, RN_BYTES("ws://example.com/chat"));
 *     RN_AWAIT(&me->co, &me->ws.connected, cx);
 *     ...
 *     rn_ws_client_send(&me->ws, RN_WS_TEXT, "hello", 5);
 *     RN_AWAIT(&me->co, &me->ws.sent, cx);
 *     RN_AWAIT(&me->co, &me->ws.received, cx);
 *     use(&me->ws.event);
 *     ...
 *     rn_ws_client_close(&me->ws, cx, RN_WS_NORMAL, RN_BYTES(""));
 *     RN_AWAIT(&me->co, &me->ws.closed, cx);
 *
 * One task may receive while another sends. Pings are answered while one receives, and only then.
 * There is no TLS: wss is refused with RN_E_UNSUPPORTED. All functions are for the worker's own
 * thread.
 */
#ifndef RUNNEL_WS_CLIENT_H
#define RUNNEL_WS_CLIENT_H

#include <runnel/http_client.h>
#include <runnel/ws.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RN_WS_CLIENT_FIELDS_MAX = 16, /* of the caller's in the handshake */
    RN_WS_CLIENT_PIECE = 4096,    /* bytes that are masked and sent at a time */
};

struct rn_ws_client {
    /* Set by the caller; the rest is zeroed. */
    struct rn_http_client *http;
    /* Of the handshake, such as Origin and Sec-WebSocket-Protocol; until it is connected. */
    const struct rn_http1_header *fields;
    uint32_t field_count;
    uint64_t message_max; /* bytes that may come in one message; 0: 1 MiB */

    /* To be awaited, and how each went: 0 or an error. */
    struct rn_future connected;
    struct rn_future received; /* the next event; as soon as it is connected, again and again */
    struct rn_future sent;
    struct rn_future closed;
    /* As a call's, and -EACCES when the server doesn't upgrade: call.exchange.response.status says
     * what it answers. RN_E_PROTOCOL for a handshake that isn't one. */
    int connect_result;
    /* RN_E_CLOSED when the server is gone without a word; RN_E_PROTOCOL when it broke the rules,
     * and event.code says which close code it was told. Every later receive says the same. */
    int receive_result;
    int send_result;
    /* What was received: RN_WS_EVENT_DATA, or RN_WS_EVENT_CLOSE, which was answered. The slice is
     * good until the next receive. */
    struct rn_ws_event event;
    struct rn_http_call call; /* the handshake */

    rn_stream stream; /* private from here */
    struct rn_ws ws;
    struct rn_op recv;
    struct rn_op send;
    struct rn_op control;
    struct rn_buf *in;
    rn_waker sender; /* waits until a control frame is out */
    rn_waker receiver; /* waits until a message or control frame is out */
    rn_ns receive_deadline;
    const uint8_t *payload;
    uint64_t payload_len;
    uint64_t payload_sent;
    uint32_t mask;
    uint8_t opcode;
    uint8_t header_len;
    uint8_t next_len;
    uint16_t state;
    int end_result;
    uint8_t frame[RN_WS_HEADER_MAX + RN_WS_CONTROL_MAX]; /* the control frame that is sent */
    uint8_t next[RN_WS_HEADER_MAX + RN_WS_CONTROL_MAX];  /* and one that waits */
    uint8_t out[RN_WS_CLIENT_PIECE];
    char key[24];
    char url[RN_HTTP_URL_MAX];
    struct rn_http1_header handshake[RN_WS_CLIENT_FIELDS_MAX + 3];
};

/* Connects to "ws://host[:port]/path"; await `connected`. What fails needs no rn_ws_client_close,
 * which then does nothing. RN_E_MISUSE also for too many fields. */
void rn_ws_client_connect(struct rn_ws_client *client, struct rn_cx *cx, rn_bytes url);

/* Sends a message, or a ping of up to RN_WS_CONTROL_MAX bytes; await `sent`, until when the data
 * stays in place. One at a time. An await that is cancelled in the middle breaks the connection:
 * every later send gives RN_E_CLOSED. */
void rn_ws_client_send(struct rn_ws_client *client, enum rn_ws_opcode opcode, const void *data,
                       uint64_t len);

/* Says goodbye, unless that was done, waits two seconds at most for the server's, and closes; await
 * `closed`. Nothing else may be awaited any more. The reason is cut to 123 bytes. */
void rn_ws_client_close(struct rn_ws_client *client, struct rn_cx *cx, uint16_t code,
                        rn_bytes reason);

#ifdef __cplusplus
}
#endif
#endif
