/*
 * WebSocket messages written as frames and read again, both ways: what comes out is what went in,
 * however the wire cuts it. Control frames stand between the fragments.
 */
#include "ws_log.h"

#include "fuzz.h"

#include "proto/utf8.h"

enum { WIRE_MAX = 1 << 18, FRAME_MAX = 70000 };

struct wire {
    uint8_t bytes[WIRE_MAX];
    size_t len;
    char text[WIRE_MAX]; /* what the reader must say: see ws_log.h */
    size_t text_len;
    uint8_t mask[4];
    bool masked;
};

static void say(struct wire *wire, const void *bytes, size_t len)
{
    require(wire->text_len + len <= WIRE_MAX);
    if (len) memcpy(wire->text + wire->text_len, bytes, len);
    wire->text_len += len;
}

static void frame(struct wire *wire, bool fin, unsigned opcode, rn_bytes payload)
{
    uint8_t *to = wire->bytes + wire->len;
    require(wire->len + RN_WS_HEADER_MAX + payload.len <= WIRE_MAX);
    size_t header = rn_ws_header(to, fin, (enum rn_ws_opcode)opcode, payload.len,
                                 wire->masked ? wire->mask : NULL);
    require(header <= RN_WS_HEADER_MAX);
    if (payload.len) memcpy(to + header, payload.ptr, payload.len);
    if (wire->masked) { /* in two steps, as a sender does whose buffer is full in between */
        size_t half = payload.len / 3;
        rn_ws_mask(to + header, half, wire->mask, 0);
        rn_ws_mask(to + header + half, payload.len - half, wire->mask, half);
    }
    wire->len += header + payload.len;
    for (unsigned i = 0; i < 4; i++) wire->mask[i] = (uint8_t)(wire->mask[i] * 31 + 7);
}

static void control(struct wire *wire, unsigned kind, rn_bytes payload)
{
    static const char *const names[] = {"ping(", "pong("};
    if (payload.len > RN_WS_CONTROL_MAX) payload.len = RN_WS_CONTROL_MAX;
    frame(wire, true, kind & 1 ? RN_WS_PONG : RN_WS_PING, payload);
    say(wire, names[kind & 1], 5);
    say(wire, payload.ptr, payload.len);
    say(wire, ")", 1);
}

/* A message of some fragments. A byte says how many, and whether the payload is repeated until its
 * length needs 64 bits. */
static void message(struct wire *wire, rn_bytes *input, unsigned form)
{
    static uint8_t large[FRAME_MAX];
    rn_bytes payload = take_bytes(input, take_byte(input));
    unsigned fragments = 1 + (form >> 2 & 3);
    bool repeat = payload.len && (form & 0x70) == 0x70;
    if (repeat) {
        for (size_t i = 0; i < FRAME_MAX; i++) large[i] = payload.ptr[i % payload.len];
        payload = rn_bytes_of(large, FRAME_MAX);
    }
    bool text = (form & 2) && rn_utf8_valid(payload);
    /* in place of it all in the text, since control frames come between */
    if (repeat) fragments = 1;
    say(wire, text ? "text(" : "binary(", text ? 5 : 7);
    for (unsigned i = 0; i < fragments; i++) {
        size_t left = payload.len, len = i + 1 < fragments ? left * (form & 7) / 16 : left;
        rn_bytes piece = take_bytes(&payload, len);
        frame(wire, i + 1 == fragments, i ? RN_WS_CONTINUATION : text ? RN_WS_TEXT : RN_WS_BINARY,
              piece);
        say(wire, piece.ptr, piece.len);
        if ((form & 0x80) && i + 1 < fragments) control(wire, i, take_bytes(input, form & 15));
    }
    say(wire, ")", 1);
}

static void end(struct wire *wire, unsigned form, rn_bytes reason)
{
    static const uint16_t codes[] = {1000, 1001, 1005, 1007, 1014, 3000, 4999, 1006};
    uint8_t payload[RN_WS_CONTROL_MAX];
    char number[16];
    uint16_t code = codes[form & 7];
    if (!rn_utf8_valid(reason)) reason.len = 0;
    size_t len = rn_ws_close_payload(payload, code, reason);
    require(len == 0 || (len >= 2 && len <= 2 + reason.len));
    require(!len == !rn_ws_close_code_valid(code));
    frame(wire, true, RN_WS_CLOSE, rn_bytes_of(payload, len));
    say(wire, number, (size_t)snprintf(number, sizeof number, "close %u(", len ? code : 1005u));
    if (len) say(wire, payload + 2, len - 2);
    say(wire, ")", 1);
}

static void check(const struct wire *wire, uint32_t seed, unsigned max)
{
    struct ws_log log;
    ws_log_init(&log, wire->masked ? RN_WS_SERVER : RN_WS_CLIENT, UINT64_MAX);
    for (size_t at = 0, piece; at < wire->len; at += piece) {
        piece = next_piece(&seed, wire->len - at, max);
        ws_log_feed(&log, wire->bytes + at, piece);
    }
    require(log.consumed == wire->len && log.len == wire->text_len);
    require(!log.len || !memcmp(log.text, wire->text, log.len));
    ws_log_free(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire wire;
    rn_bytes input = rn_bytes_of(data, size);
    unsigned settings = take_byte(&input), max = take_byte(&input), large = 0;
    wire.len = wire.text_len = 0;
    wire.masked = settings & 1;
    memset(wire.mask, (int)settings, sizeof wire.mask);
    if (size > 4096) return -1;
    while (input.len > 3) {
        unsigned form = take_byte(&input);
        if ((form & 0x70) == 0x70 && large++) form &= 0x8f;
        if (form & 1) control(&wire, form >> 1, take_bytes(&input, form >> 2));
        else message(&wire, &input, form);
    }
    if (settings & 2) end(&wire, settings >> 2, take_bytes(&input, input.len));
    check(&wire, max, 0);
    check(&wire, max, 1 + max * 8);
    return 0;
}
