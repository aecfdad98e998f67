/*
 * bench/floor/echo.h: the WebSocket echo without checks: what comes in is unmasked and goes back
 * as a server's frame of the same kind and length, in place, in the order it came.
 */
#ifndef ECHO_H
#define ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEPT_MAX = (64 << 10) + 14, /* bytes of a frame that may be kept, and so of any message */
    HANDSHAKE_MAX = 256, /* bytes in the reply to a handshake */
};

/* What is known of a connection. */
struct peer {
    bool open;     /* the handshake is done */
    uint8_t *kept; /* the beginning of a frame whose rest hasn't come yet; NULL: none */
    size_t kept_len;
};

/* Answers what was received, in place, and returns the length of the answer, which begins at
 * `data`. A frame (or a handshake) that is not all there is kept for the peer's next bytes: the
 * caller puts them before those. `data` must have room for HANDSHAKE_MAX bytes. */
size_t echo(struct peer *peer, uint8_t *data, size_t len);

/* Moves what is kept to `to` and returns its length. */
size_t echo_take(struct peer *peer, uint8_t *to);

#endif
