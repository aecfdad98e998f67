/*
 * Lines as WebSocket messages, over a blocking socket, in either role: a line is a message, and a
 * piece of one that is there already goes out as a fragment.
 */
#ifndef EXAMPLE_WS_LINES_H
#define EXAMPLE_WS_LINES_H

#include "blocking.h"
#include <runnel/ws.h>

enum { WS_PIECE = 4096 };

struct ws_peer {
    int fd;
    struct rn_ws ws;
    bool continuing;    /* a line is under way */
    bool said_goodbye;
    uint16_t code;      /* the close code of the peer, or of ours when it broke the rules */
    uint8_t input[16384];
    size_t input_len;
};

static inline bool ws_send(struct ws_peer *peer, bool fin, enum rn_ws_opcode opcode,
                           const void *data, size_t len)
{
    uint8_t frame[RN_WS_HEADER_MAX + WS_PIECE], mask[4];
    bool client = peer->ws.role == RN_WS_CLIENT; /* who alone has to mask: RFC 6455, 5.3 */
    if (client) fill_random(mask, sizeof mask);
    size_t header = rn_ws_header(frame, fin, opcode, len, client ? mask : NULL);
    if (len) memcpy(frame + header, data, len);
    if (client) rn_ws_mask(frame + header, len, mask, 0);
    return write_all(peer->fd, frame, header + len);
}

static inline bool ws_send_piece(struct ws_peer *peer, bool fin, const void *data, size_t len)
{
    enum rn_ws_opcode opcode = peer->continuing ? RN_WS_CONTINUATION : RN_WS_TEXT;
    peer->continuing = !fin;
    return ws_send(peer, fin, opcode, data, len);
}

/* What is there of lines, at most WS_PIECE bytes; false when the peer is gone. */
static inline bool ws_send_lines(struct ws_peer *peer, const char *data, size_t len)
{
    for (const char *end; (end = memchr(data, '\n', len));) {
        if (!ws_send_piece(peer, true, data, (size_t)(end - data))) return false;
        len -= (size_t)(end + 1 - data);
        data = end + 1;
    }
    return len == 0 || ws_send_piece(peer, false, data, len);
}

/* Ends a line that is under way, and says goodbye, once. */
static inline void ws_say_goodbye(struct ws_peer *peer, uint16_t code, rn_bytes reason)
{
    uint8_t payload[RN_WS_CONTROL_MAX];
    if (peer->said_goodbye) return;
    peer->said_goodbye = true;
    if (peer->continuing) ws_send_piece(peer, true, NULL, 0);
    ws_send(peer, true, RN_WS_CLOSE, payload, rn_ws_close_payload(payload, code, reason));
}

/* Takes the input: messages go to `out` as lines. False when no more will come; the peer's goodbye
 * is the caller's to answer. */
static inline bool ws_take(struct ws_peer *peer, int out)
{
    struct rn_ws_event event;
    uint8_t *at = peer->input;
    bool over = false;
    do {
        size_t used = rn_ws_next(&peer->ws, at, peer->input_len, &event);
        if (event.kind == RN_WS_EVENT_DATA) {
            over = !write_all(out, event.data.ptr, event.data.len) ||
                   (event.last && !write_all(out, "\n", 1));
        } else if (event.kind == RN_WS_EVENT_PING) {
            ws_send(peer, true, RN_WS_PONG, event.data.ptr, event.data.len);
        } else if (event.kind == RN_WS_EVENT_CLOSE || event.kind == RN_WS_EVENT_ERROR) {
            peer->code = event.code;
            if (event.kind == RN_WS_EVENT_ERROR) ws_say_goodbye(peer, event.code, RN_BYTES(""));
            fprintf(stderr, "%s %u %.*s\n", event.kind == RN_WS_EVENT_CLOSE ? "closed:" : "error:",
                    event.code, (int)event.data.len, event.data.len ? (char *)event.data.ptr : "");
            over = true;
        }
        at += used;
        peer->input_len -= used;
    } while (!over && event.kind != RN_WS_EVENT_NONE);
    memmove(peer->input, at, peer->input_len);
    return !over;
}

/* Reads once, and takes that: what goes to `out` is no more than a pipe that can be written takes
 * at once (pipe(7): PIPE_BUF). */
static inline bool ws_receive(struct ws_peer *peer, int out)
{
    ssize_t len = read(peer->fd, peer->input + peer->input_len, WS_PIECE - RN_WS_INPUT_MIN);
    if (len <= 0) return false;
    peer->input_len += (size_t)len;
    return ws_take(peer, out);
}

#endif
