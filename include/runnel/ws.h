/*
 * runnel/ws.h: the WebSocket protocol as a sans-I/O machine, both roles (RFC 6455).
 */
#ifndef RUNNEL_WS_H
#define RUNNEL_WS_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_http1_request;

enum rn_ws_role { RN_WS_SERVER, RN_WS_CLIENT };

enum rn_ws_opcode {
    RN_WS_CONTINUATION = 0,
    RN_WS_TEXT = 1,
    RN_WS_BINARY = 2,
    RN_WS_CLOSE = 8,
    RN_WS_PING = 9,
    RN_WS_PONG = 10,
};

/* Close codes (RFC 6455, section 7.4.1). */
enum {
    RN_WS_NORMAL = 1000,
    RN_WS_GOING_AWAY = 1001,
    RN_WS_PROTOCOL_ERROR = 1002,
    RN_WS_UNACCEPTABLE = 1003,
    RN_WS_NO_STATUS = 1005, /* never on the wire */
    RN_WS_BAD_DATA = 1007,
    RN_WS_POLICY = 1008,
    RN_WS_TOO_BIG = 1009,
    RN_WS_INTERNAL = 1011,
};

enum {
    RN_WS_HEADER_MAX = 14,   /* bytes in a frame header */
    RN_WS_CONTROL_MAX = 125, /* bytes in a control frame's payload (section 5.5) */
    /* What rn_ws_next may leave unconsumed, at most one byte less: a masked control frame. A buffer
     * of this size always makes progress. */
    RN_WS_INPUT_MIN = 2 + 4 + RN_WS_CONTROL_MAX,
};

enum rn_ws_event_kind {
    RN_WS_EVENT_NONE, /* needs more input */
    RN_WS_EVENT_DATA, /* a piece of a message */
    RN_WS_EVENT_PING, /* answer with a pong of the same payload */
    RN_WS_EVENT_PONG,
    RN_WS_EVENT_CLOSE, /* the peer's close frame: answer with one if none was sent, then close */
    RN_WS_EVENT_ERROR, /* the peer broke the protocol: send a close frame with `code`, then close */
};

/* What isn't listed for a kind has no meaning for it. */
struct rn_ws_event {
    uint8_t kind;   /* enum rn_ws_event_kind */
    uint8_t opcode; /* DATA: RN_WS_TEXT or RN_WS_BINARY, for every piece of the message */
    bool first;     /* DATA: the message's first piece */
    bool last;      /* DATA: its last */
    uint16_t code; /* CLOSE, ERROR: the close code; RN_WS_NO_STATUS for a close frame without one */
    rn_bytes data; /* DATA, PING, PONG: the payload, unmasked; CLOSE: the reason. A slice of `in` */
};

struct rn_ws {
    uint64_t frame_remaining;
    uint64_t message_length; /* of the message so far, all the frames announced */
    uint64_t message_max;
    uint32_t mask; /* rotated as the payload is consumed */
    uint32_t utf8; /* decoder state */
    uint8_t role;  /* enum rn_ws_role: of this side */
    uint8_t state;
    uint8_t opcode;         /* of the current frame */
    uint8_t message_opcode; /* 0 when no message is under way */
    bool fin;
    bool first; /* no piece of the message has been handed out yet */
};

/* message_max: bytes in one message; a longer one is RN_WS_TOO_BIG as soon as a frame header
 * announces it, and before any of that frame is taken. A length with the top bit set, which
 * section 5.2 forbids, is over every limit. */
void rn_ws_init(struct rn_ws *ws, enum rn_ws_role role, uint64_t message_max);

/*
 * Takes frames off `in`, unmasking in place; sets one event and returns how many bytes were
 * consumed. Data comes as it arrives, in pieces; a frame without payload is a piece of length 0.
 * Control frames come whole (they are at most 125 bytes, and stay unconsumed until all is there),
 * also between the fragments of a message. So does a frame's header. What was not consumed must be
 * there again on the next call, at any address, followed by what came since. UTF-8 is checked as it
 * arrives: what precedes the first byte that can't be valid is handed out, then comes the error.
 * The events do not depend on how the input was cut, but for where a message is cut into pieces.
 * After ERROR or CLOSE nothing more is consumed and every event is NONE. Call again while the event
 * isn't NONE.
 */
RN_MUST_USE size_t rn_ws_next(struct rn_ws *ws, uint8_t *in, size_t len, struct rn_ws_event *event);

/* Writes a frame header (at most RN_WS_HEADER_MAX bytes) and returns its length. mask: the client's
 * four key bytes, or NULL for a server's frame. */
size_t rn_ws_header(uint8_t *to, bool fin, enum rn_ws_opcode opcode, uint64_t len,
                    const uint8_t *mask);

/* XORs the payload with the key, from payload position `at` on. */
void rn_ws_mask(uint8_t *payload, size_t len, const uint8_t mask[4], uint64_t at);

/* Writes a whole close frame's payload (code and reason, cut to 123 bytes at a character's edge)
 * and returns its length, at most RN_WS_CONTROL_MAX. A code that may not stand on the wire, as
 * RN_WS_NO_STATUS, gives the empty payload, so that a CLOSE event's code can be sent back as it is.
 * The reason must be UTF-8. */
size_t rn_ws_close_payload(uint8_t *to, uint16_t code, rn_bytes reason);

/* Whether a close code may stand in a close frame on the wire: those registered with IANA (1000 to
 * 1003, 1007 to 1014) and those for libraries and applications (3000 to 4999). */
bool rn_ws_close_code_valid(uint16_t code);

/* The handshake, server side (section 4.2). Checks method, version, Host, Upgrade, Connection, key
 * and Sec-WebSocket-Version, and picks a subprotocol. */
struct rn_ws_accept {
    char key[28];         /* Sec-WebSocket-Accept, not terminated */
    rn_bytes subprotocol; /* the chosen one, a slice of `head`; len 0 when none */
    uint16_t status;      /* 101, or the refusal: 400, 403 (Origin), 405, 426 */
};

/* Which clients a server takes, and as what. */
struct rn_ws_policy {
    /* Called when nothing else is against the handshake: 101 and perhaps the subprotocol, or the
     * refusal's status. rn_ws_policy_lists goes by the lists below. */
    unsigned (*judge)(const struct rn_ws_policy *policy, const struct rn_http1_request *request,
                      const uint8_t *head, rn_bytes *subprotocol);
    const char *const *origins;      /* NULL-terminated allow list ("https://example.com"), in any
                                      * case; "" allows a request without Origin. NULL: any */
    const char *const *subprotocols; /* NULL-terminated, in the server's order of preference, the
                                      * case matters; NULL: none */
};
unsigned rn_ws_policy_lists(const struct rn_ws_policy *policy,
                            const struct rn_http1_request *request, const uint8_t *head,
                            rn_bytes *subprotocol);

/*
 * Judges a whole head that rn_http1_parse_head took. Returns 0 with accept->status 101, or the
 * refusal's status with RN_E_PROTOCOL (400) or RN_E_UNSUPPORTED (all others); key and subprotocol
 * are set for 101 only. Without a policy any origin will do, and no subprotocol. The first of these
 * that holds:
 *
 * - 405: the method isn't GET. The answer goes with "Allow: GET".
 * - 400: HTTP/1.0, which has no Upgrade.
 * - 426: it doesn't ask to upgrade to websocket; Upgrade without "Connection: upgrade" asks for
 *   nothing (RFC 9110, sections 7.8 and 15.5.22).
 * - 400: a body; an empty host; no Sec-WebSocket-Version; it, the key or Origin twice.
 * - 426: Sec-WebSocket-Version isn't 13 (section 4.2.2, step 4).
 * - 400: no Sec-WebSocket-Key, or one that isn't 16 bytes in base64.
 * - 403: the policy's judgement: the origin isn't on the list.
 *
 * Every 426 goes with "Upgrade: websocket", "Connection: upgrade" and "Sec-WebSocket-Version: 13".
 * No subprotocol in common is no refusal. Extensions are never agreed to.
 */
RN_MUST_USE int rn_ws_handshake(const struct rn_http1_request *request, const uint8_t *head,
                                const struct rn_ws_policy *policy, struct rn_ws_accept *accept);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (24 characters of base64). */
void rn_ws_accept_key(rn_bytes key, char accept[28]);

/* The client's side of it (section 4.1): a Sec-WebSocket-Key from 16 bytes that must be random for
 * each connection, and whether a server's Sec-WebSocket-Accept answers that key. */
void rn_ws_client_key(const uint8_t random[16], char key[24]);
RN_MUST_USE bool rn_ws_accept_valid(rn_bytes key, rn_bytes accept);

#ifdef __cplusplus
}
#endif
#endif
