/*
 * bench/floor/echo.c: the handshake (RFC 6455, section 4.2.2) and the frames (section 5.2).
 */
#include "echo.h"
#include "floor.h"
#include "proto/base64.h"
#include "proto/sha1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t word;
typedef word words __attribute__((vector_size(32)));

static size_t handshake(char *data, size_t len)
{
    static const char field[] = "\r\nsec-websocket-key:";
    char key[24 + 36 + 1], accept[28];
    uint8_t digest[RN_SHA1_SIZE];
    data[len - 1] = 0;
    char *found = strcasestr(data, field);
    if (!found) return 0;
    found += sizeof field - 1;
    int key_len = snprintf(key, sizeof key, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                           found + strspn(found, " "));
    rn_sha1(rn_bytes_of(key, (size_t)key_len), digest);
    rn_base64_encode(accept, rn_bytes_of(digest, sizeof digest));
    return (size_t)snprintf(data, HANDSHAKE_MAX,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n\r\n",
                            accept);
}

/* Unmasks `len` bytes from `from` to `to`, which is before it or the same. */
static void unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[4])
{
    uint32_t key;
    memcpy(&key, mask, sizeof key);
    const word twice = (word)key << 32 | key;
    const words wide = {twice, twice, twice, twice};
    size_t i = 0;
    for (; i + sizeof wide <= len; i += sizeof wide) {
        words piece;
        memcpy(&piece, from + i, sizeof piece);
        piece ^= wide;
        memcpy(to + i, &piece, sizeof piece);
    }
    for (; i < len; i++) to[i] = from[i] ^ mask[i & 3];
}

/* Echoes the frame at `in` to `out` and returns its length on the wire; 0 when it isn't all there.
 * A server's header is four bytes shorter than a client's, so `out` never passes `in`. */
static size_t echo_frame(uint8_t **out, const uint8_t *in, size_t len)
{
    static const uint8_t header_lens[] = {[126] = 4, [127] = 10};
    if (len < 6) return 0;
    size_t payload = in[1] & 0x7f;
    size_t header = payload < 126 ? 2 : header_lens[payload];
    if (len < header + 4) return 0;
    if (header > 2) {
        payload = 0;
        for (size_t i = 2; i < header; i++) payload = payload << 8 | in[i];
    }
    size_t whole = header + 4 + payload;
    if (len < whole) return 0;
    memmove(*out, in, header);
    (*out)[1] &= 0x7f;
    /* The header's own bytes are written before the mask is read: it lies behind them. */
    uint8_t mask[4];
    memcpy(mask, in + header, sizeof mask);
    unmask(*out + header, in + header + 4, payload, mask);
    *out += header + payload;
    return whole;
}

static void keep(struct peer *peer, const uint8_t *data, size_t len)
{
    if (len > KEPT_MAX) len = 0; /* it can only be lost: nothing is checked here */
    peer->kept = len ? malloc(len) : NULL;
    peer->kept_len = peer->kept ? len : 0;
    if (peer->kept) memcpy(peer->kept, data, len);
}

size_t echo(struct peer *peer, uint8_t *data, size_t len)
{
    if (!peer->open) {
        peer->open = len > 4 && !memcmp(data + len - 4, "\r\n\r\n", 4);
        if (peer->open) return handshake((char *)data, len);
        keep(peer, data, len);
        return 0;
    }
    uint8_t *out = data;
    size_t at = 0, taken;
    while ((taken = echo_frame(&out, data + at, len - at)) > 0) at += taken;
    if (at < len) keep(peer, data + at, len - at);
    return (size_t)(out - data);
}

size_t echo_take(struct peer *peer, uint8_t *to)
{
    size_t len = peer->kept_len;
    memcpy(to, peer->kept, len);
    free(peer->kept);
    peer->kept = NULL;
    peer->kept_len = 0;
    return len;
}
