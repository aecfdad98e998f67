/*
 * proto/ws.c: WebSocket frames and messages (RFC 6455, sections 5, 7 and 8), taken off the wire and
 * written.
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * |F|R|R|R| opcode|M| Payload len |  16 bits more when it is 126, |
 * |I|S|S|S|  (4)  |A|     (7)     |  64 bits when it is 127       |
 * |N|V|V|V|       |S|             |                               |
 * | |1|2|3|       |K|             |  then the mask's four bytes   |
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 */
#include <runnel/ws.h>
#include "base/bytes.h"
#include "proto/utf8.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the mask's first byte is its lowest");

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0F, CONTROL = 0x08, MASKED = 0x80, LENGTH = 0x7F };

/* What rn_ws_next does first when it is called again. */
enum { AT_HEADER, IN_PAYLOAD, BAD_TEXT, ENDED };

void rn_ws_init(struct rn_ws *ws, enum rn_ws_role role, uint64_t message_max)
{
    *ws = (struct rn_ws){
        .role = (uint8_t)role,
        .message_max = message_max < INT64_MAX ? message_max : INT64_MAX,
    };
}

static size_t fail(struct rn_ws *ws, struct rn_ws_event *event, uint16_t code)
{
    ws->state = ENDED;
    event->kind = RN_WS_EVENT_ERROR;
    event->code = code;
    return 0;
}

static uint32_t rotate_right(uint32_t word, unsigned by)
{
    return word >> by | word << (-by & 31);
}

/* Returns the mask as the byte that follows needs it. */
static uint32_t unmask(uint8_t *payload, size_t len, uint32_t mask)
{
    /* A server's frames, when a client reads them; clients may not choose this key, but some do. */
    if (mask == 0) return 0;
    typedef uint32_t block __attribute__((vector_size(16), aligned(1), may_alias));
    const block wide = {mask, mask, mask, mask};
    for (; len >= sizeof wide; len -= sizeof wide) {
        *(block *)(void *)payload ^= wide;
        payload += sizeof wide;
    }
    uint8_t *end = payload + len;
    for (; payload != end; payload++) {
        *payload ^= (uint8_t)mask;
        mask = rotate_right(mask, 8);
    }
    return mask;
}

/* Takes a frame's header in and returns its length; 0 when it isn't all there or broke a rule. */
static size_t frame_header(struct rn_ws *ws, const uint8_t *in, size_t len,
                           struct rn_ws_event *event)
{
    enum { OPCODES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 9 | 1 << 10 };
    if (len < 2) return 0;
    uint8_t opcode = in[0] & OPCODE;
    uint64_t length = in[1] & LENGTH;
    bool fin = in[0] & FIN, masked = in[1] & MASKED, control = opcode & CONTROL;
    if ((in[0] & RESERVED) != 0 || (OPCODES >> opcode & 1) == 0 ||
        masked != (ws->role == RN_WS_SERVER) ||
        (control ? !fin || length > RN_WS_CONTROL_MAX
                 : (opcode == RN_WS_CONTINUATION) != (ws->message_opcode != 0)))
        return fail(ws, event, RN_WS_PROTOCOL_ERROR);
    size_t size = 2;
    if (length > 125) {
        uint64_t least = length == 126 ? 126 : 65536;
        size = length == 126 ? 4 : 10;
        if (len < size) return 0;
        length = 0;
        for (size_t i = 2; i < size; i++) length = length << 8 | in[i];
        if (length < least) return fail(ws, event, RN_WS_PROTOCOL_ERROR);
    }
    if (!control && length > ws->message_max - ws->message_length)
        return fail(ws, event, RN_WS_TOO_BIG);
    if (masked) {
        size += 4;
        if (len < size) return 0;
        ws->mask = rn_load32(in + size - 4);
    }
    ws->opcode = opcode;
    ws->fin = fin;
    ws->frame_remaining = length;
    return size;
}

/* The frame's header is in[0..at): takes the whole frame, or nothing. */
static size_t control_frame(struct rn_ws *ws, uint8_t *in, size_t at, size_t len,
                            struct rn_ws_event *event)
{
    size_t size = ws->frame_remaining;
    if (len - at < size) return 0;
    in += at;
    unmask(in, size, ws->mask);
    event->data = rn_bytes_of(in, size);
    event->kind = (uint8_t)(ws->opcode - RN_WS_PING + RN_WS_EVENT_PING);
    if (ws->opcode == RN_WS_CLOSE) {
        event->kind = RN_WS_EVENT_CLOSE;
        event->code = RN_WS_NO_STATUS;
        ws->state = ENDED;
        if (size > 0) {
            event->code = size == 1 ? 0 : (uint16_t)(in[0] << 8 | in[1]);
            if (!rn_ws_close_code_valid(event->code)) return fail(ws, event, RN_WS_PROTOCOL_ERROR);
            event->data = rn_bytes_of(in + 2, size - 2);
            if (!rn_utf8_valid(event->data)) return fail(ws, event, RN_WS_BAD_DATA);
        }
    }
    return at + size;
}

/* Takes what is there of a data frame's payload. */
static size_t data_piece(struct rn_ws *ws, uint8_t *in, size_t len, struct rn_ws_event *event)
{
    if (len > ws->frame_remaining) len = ws->frame_remaining;
    ws->frame_remaining -= len;
    bool frame_end = ws->frame_remaining == 0;
    if (len == 0 && !frame_end) return 0;
    ws->mask = unmask(in, len, ws->mask);
    event->last = frame_end && ws->fin;
    ws->state = frame_end ? AT_HEADER : IN_PAYLOAD;
    if (ws->message_opcode == RN_WS_TEXT) {
        size_t good = rn_utf8_check(&ws->utf8, in, len);
        bool cut = good == len && event->last && ws->utf8 != 0;
        if (good < len || cut) {
            /* Where a text ends within a character its last byte counts as the bad one, so that a
             * peer that sends byte by byte sees the same as one that sends all at once. */
            len = good - (cut && good > 0);
            if (len == 0) return fail(ws, event, RN_WS_BAD_DATA);
            event->last = false;
            ws->state = BAD_TEXT;
        }
    }
    event->kind = RN_WS_EVENT_DATA;
    event->opcode = ws->message_opcode;
    event->first = ws->first;
    event->data = rn_bytes_of(in, len);
    ws->first = false;
    if (event->last) ws->message_opcode = 0, ws->message_length = 0;
    return len;
}

size_t rn_ws_next(struct rn_ws *ws, uint8_t *in, size_t len, struct rn_ws_event *event)
{
    event->kind = RN_WS_EVENT_NONE;
    if (ws->state == ENDED) return 0;
    if (ws->state == BAD_TEXT) return fail(ws, event, RN_WS_BAD_DATA);
    if (ws->state == IN_PAYLOAD) return data_piece(ws, in, len, event);
    size_t at = frame_header(ws, in, len, event);
    if (at == 0) return 0;
    if (ws->opcode & CONTROL) return control_frame(ws, in, at, len, event);
    if (ws->opcode != RN_WS_CONTINUATION) {
        ws->message_opcode = ws->opcode;
        ws->first = true;
    }
    ws->message_length += ws->frame_remaining;
    ws->state = IN_PAYLOAD;
    return at + data_piece(ws, in + at, len - at, event);
}

size_t rn_ws_header(uint8_t *to, bool fin, enum rn_ws_opcode opcode, uint64_t len,
                    const uint8_t *mask)
{
    uint8_t *end = to;
    unsigned extended = len < 126 ? 0 : len < 65536 ? 2 : 8;
    *end++ = (uint8_t)(opcode | (fin ? FIN : 0));
    *end++ = (uint8_t)((mask ? MASKED : 0) | (extended == 0 ? len : extended == 2 ? 126 : 127));
    while (extended-- > 0) *end++ = (uint8_t)(len >> 8 * extended);
    if (mask) {
        __builtin_memcpy(end, mask, 4);
        end += 4;
    }
    return (size_t)(end - to);
}

void rn_ws_mask(uint8_t *payload, size_t len, const uint8_t mask[4], uint64_t at)
{
    unmask(payload, len, rotate_right(rn_load32(mask), at % 4 * 8));
}

size_t rn_ws_close_payload(uint8_t *to, uint16_t code, rn_bytes reason)
{
    if (!rn_ws_close_code_valid(code)) return 0;
    size_t len = reason.len;
    if (len > RN_WS_CONTROL_MAX - 2) {
        len = RN_WS_CONTROL_MAX - 2;
        while (len > 0 && (reason.ptr[len] & 0xC0) == 0x80) len--;
    }
    to[0] = (uint8_t)(code >> 8);
    to[1] = (uint8_t)code;
    if (len > 0) memcpy(to + 2, reason.ptr, len); /* an empty slice may have no address */
    return 2 + len;
}

bool rn_ws_close_code_valid(uint16_t code)
{
    /* Section 7.4.2, and the IANA registry of close codes: 1004 has no meaning, 1005, 1006 and 1015
     * never travel. */
    enum { REGISTERED = 0x7F8F }; /* 1000 to 1003, 1007 to 1014 */
    if (code < 1016) return code >= 1000 && (REGISTERED >> (code - 1000) & 1);
    return code >= 3000 && code <= 4999;
}
