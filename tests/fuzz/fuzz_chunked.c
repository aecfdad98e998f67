/*
 * Content that is sent chunked: whatever the sizes of the chunks, their extensions and the trailer,
 * and however the wire cuts it, the decoder gives the content back, and stops where it ends.
 */
#include "fuzz.h"

#include <runnel/http1.h>

enum { WIRE_MAX = GUARDED_MAX, BEHIND = 5 };

static const char *const extensions[] = {
    "", "", ";a", ";name=value", ";a=\"quoted \\\" \t,;\"", " ;\ta = b", ";x;y=1;z=\"\"", "; a",
};
static const char *const trailers[] = {
    "", "", "X: y\r\n", "Expires: never\r\nA:\r\n", "a:\t \r\n",
};

struct wire {
    uint8_t bytes[WIRE_MAX];
    size_t len;
};

static void put(struct wire *wire, const void *bytes, size_t len)
{
    require(wire->len + len <= WIRE_MAX);
    if (len) memcpy(wire->bytes + wire->len, bytes, len);
    wire->len += len;
}

static void put_chunk(struct wire *wire, rn_bytes content, unsigned form)
{
    static const char *const formats[] = {"%zx", "%zX", "0%zx", "%016zx"};
    char line[128];
    int len = snprintf(line, sizeof line, formats[form & 3], content.len);
    put(wire, line, (size_t)len);
    const char *extension = extensions[form >> 2 & 7];
    put(wire, extension, strlen(extension));
    put(wire, "\r\n", 2);
    put(wire, content.ptr, content.len);
    if (content.len) put(wire, "\r\n", 2);
}

/* Each chunk is a byte for its size, a byte for its form, and the content. */
static void emit(struct wire *wire, struct wire *content, rn_bytes input)
{
    wire->len = content->len = 0;
    unsigned last = take_byte(&input);
    while (input.len > 2) {
        size_t size = take_byte(&input);
        unsigned form = take_byte(&input);
        rn_bytes piece = take_bytes(&input, size);
        if (!piece.len) continue;
        put_chunk(wire, piece, form);
        put(content, piece.ptr, piece.len);
    }
    put_chunk(wire, rn_bytes_of(NULL, 0), last);
    const char *trailer = trailers[(last >> 5) % RN_COUNT(trailers)];
    put(wire, trailer, strlen(trailer));
    put(wire, "\r\n", 2);
}

static void check(const struct wire *wire, const struct wire *content, uint32_t seed, unsigned max)
{
    struct rn_http1_request request = {.framing = RN_HTTP1_CHUNKED};
    struct rn_http1_body body;
    size_t at = 0, got = 0;
    rn_http1_body_init(&body, &request);
    while (at < wire->len + BEHIND && !rn_http1_body_done(&body)) {
        size_t len = next_piece(&seed, wire->len + BEHIND - at, max), used = 0;
        uint8_t *in = guarded_space(0, len);
        for (size_t i = 0; i < len; i++) in[i] = at + i < wire->len ? wire->bytes[at + i] : 'G';
        while (used < len && !rn_http1_body_done(&body)) {
            rn_bytes piece;
            rn_ssize count = rn_http1_body_next(&body, in + used, len - used, &piece);
            require(count > 0);
            require(got + piece.len <= content->len);
            require(!piece.len || !memcmp(content->bytes + got, piece.ptr, piece.len));
            got += piece.len;
            used += (size_t)count;
        }
        at += used;
    }
    require(rn_http1_body_done(&body));
    require(got == content->len && at == wire->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire wire, content;
    rn_bytes input = rn_bytes_of(data, size);
    unsigned max = take_byte(&input);
    uint32_t seed = take_byte(&input);
    if (size > 4096) return -1;
    emit(&wire, &content, input);
    check(&wire, &content, seed, 0);
    check(&wire, &content, seed, max + 1);
    check(&wire, &content, seed, 1);
    return 0;
}
