/*
 * bench/load/response.h: reads an HTTP/1.1 response as it comes in, in any pieces (RFC 9112): how
 * long it is, its status, and whether the connection stays open. Bodies are counted, not kept.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RESPONSE_HEAD_MAX = 32 << 10 };

enum response_state {
    RESPONSE_HEAD,
    RESPONSE_BODY,       /* `left` bytes */
    RESPONSE_CHUNK_SIZE, /* the line before a chunk */
    RESPONSE_CHUNK,      /* `left` bytes */
    RESPONSE_CHUNK_END,  /* the line end behind it */
    RESPONSE_TRAILER,
    RESPONSE_UNTIL_END, /* a body that ends with the connection */
    RESPONSE_DONE,
    RESPONSE_BAD,
};

struct response {
    uint8_t state; /* enum response_state */
    bool close;    /* the connection ends behind this response */
    bool chunked, accepted, has_digit;
    uint16_t status;
    uint16_t line_len; /* bytes in the trailer's line so far */
    uint64_t left;
    char *head; /* the beginning of a head that came in pieces */
    size_t head_len;
};

/* Ready for the next response; the first time the struct is zeroed. */
void response_begin(struct response *response);

/* Takes what belongs to the response and returns how much that was; stops at DONE and BAD. */
size_t response_read(struct response *response, const char *data, size_t len);

/* `len` bytes of the body (at most `left`) were dropped without being read. */
void response_skip(struct response *response, uint64_t len);

/* The peer closed: returns whether the response is complete now. */
bool response_end(struct response *response);

/* The value that a WebSocket handshake must be answered with; `accepted` says whether it was. */
extern const char *response_accept;

#endif
