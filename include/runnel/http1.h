/*
 * runnel/http1.h: HTTP/1.0 and 1.1 requests as a sans-I/O parser (RFC 9110, RFC 9112), strict.
 *
 * Two steps. rn_http1_parse_head reads the request line and the fields and says how the body is
 * framed; rn_http1_body_next takes the body off the wire, piece by piece. Neither copies: they
 * speak in offsets into, and slices of, the caller's buffer. Neither scans a byte twice when input
 * trickles in; a line is looked at once more when it is complete, for what it means.
 */
#ifndef RUNNEL_HTTP1_H
#define RUNNEL_HTTP1_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RN_HTTP1_FIELDS_MAX = 64,      /* fields in one head; one more is answered 431 */
    RN_HTTP1_HEAD_MAX = 16000,     /* bytes in one head; more is answered 431 */
    RN_HTTP1_TARGET_MAX = 8000,    /* bytes in a request target; more is answered 414 */
    RN_HTTP1_TRAILER_MAX = 8192,   /* bytes in a trailer section with its last CR LF */
    RN_HTTP1_CHUNK_LINE_MAX = 256, /* bytes in one chunk-size line, extensions and CR LF too */
};

enum rn_http1_method {
    RN_HTTP1_OTHER, /* a valid token that is none of these */
    RN_HTTP1_GET,
    RN_HTTP1_HEAD,
    RN_HTTP1_POST,
    RN_HTTP1_PUT,
    RN_HTTP1_DELETE,
    RN_HTTP1_OPTIONS,
    RN_HTTP1_PATCH,
    RN_HTTP1_CONNECT,
    RN_HTTP1_TRACE,
};

/* A part of the head: offset and length, relative to the head's first byte. */
struct rn_http1_span {
    uint16_t at;
    uint16_t len;
};

struct rn_http1_field {
    struct rn_http1_span name;
    struct rn_http1_span value; /* without the white space around it */
};

/* How a body is framed (RFC 9112, section 6.3). */
enum rn_http1_framing {
    RN_HTTP1_NO_BODY,
    RN_HTTP1_LENGTH,
    RN_HTTP1_CHUNKED,
    RN_HTTP1_UNTIL_CLOSE, /* a response only */
};

/* One request's head. The caller owns it, zeroes it before the head's first byte (all but `fields`,
 * as rn_http1_request_init does), and keeps it from one call to the next while the head is
 * incomplete. It is meant to be read once the head is complete. */
struct rn_http1_request {
    /* where the parser is; private */
    uint16_t scanned;
    uint16_t mark;
    uint16_t seen;
    uint8_t state;

    uint8_t method;  /* enum rn_http1_method */
    uint8_t minor;   /* the HTTP version is 1.minor, 0 or 1 */
    uint8_t framing; /* enum rn_http1_framing */
    uint8_t field_count;
    bool keep_alive;        /* the connection may be used again (RFC 9112, section 9.3) */
    bool expect_continue;   /* the client waits for 100 (Continue) before it sends the body */
    bool upgrade_websocket; /* "Connection: upgrade" and "Upgrade: websocket" are both there */
    uint16_t status;        /* after an error: the status to answer with */
    struct rn_http1_span method_name;
    struct rn_http1_span target; /* as sent */
    struct rn_http1_span path;   /* "/..." still percent-encoded, or "*"; CONNECT: the authority.
                                  * Never empty: for "http://host" it is one of those slashes */
    struct rn_http1_span query;  /* after '?', len 0 when none */
    struct rn_http1_span host;   /* host[:port] of the absolute target, else of the Host field; its
                                  * len is 0 where that is empty, or missing in HTTP/1.0 */
    uint64_t content_length;     /* for RN_HTTP1_LENGTH, at most 2^63 - 1 */
    struct rn_http1_field fields[RN_HTTP1_FIELDS_MAX];
};

/* The bytes of a span. */
static inline rn_bytes rn_http1_slice(const uint8_t *head, struct rn_http1_span span)
{
    return rn_bytes_of(head + span.at, span.len);
}

/* Readies a request for its head's first byte. */
void rn_http1_request_init(struct rn_http1_request *request);

/*
 * Parses a head. `head` holds all of it that has come so far: on each call the same bytes as before
 * (at any address), and more. Returns the head's length in bytes once it is complete, 0 when it is
 * not; a lone empty line before the request line is skipped and counted. On a bad head returns
 * RN_E_PROTOCOL, RN_E_LIMIT or RN_E_UNSUPPORTED and request->status says which answer is due. The
 * connection must be closed after it, and the request not be parsed further.
 *
 *   400  anything malformed; a bad, repeated, or in HTTP/1.1 missing Host; a bad or repeated
 *        Content-Length, a list of them, one over 2^63 - 1, or one besides a Transfer-Encoding;
 *        "chunked" that isn't the last coding; Transfer-Encoding in HTTP/1.0; a target of another
 *        scheme than http
 *   414, 431  a limit above, as soon as it is certain
 *   417  an expectation other than 100-continue (HTTP/1.0: ignored)
 *   501  a method of more than 32 bytes; a transfer coding other than chunked
 *   505  a major version other than 1; a minor one over 1 is taken for 1 (RFC 9110, section 2.5)
 */
RN_MUST_USE rn_ssize rn_http1_parse_head(struct rn_http1_request *request, const uint8_t *head,
                                         size_t len);

/* The value of the first field with that name (any case), or {NULL, 0}. `rn_http1_next_field` goes
 * on from *index (start at 0) so that repeated fields can be walked; it returns false when there is
 * none left. */
rn_bytes rn_http1_find_field(const struct rn_http1_request *request, const uint8_t *head,
                             const char *name);
bool rn_http1_next_field(const struct rn_http1_request *request, const uint8_t *head,
                         const char *name, unsigned *index, rn_bytes *value);

/* Whether a comma-separated list (RFC 9110, section 5.6.1) holds that token, in any case. */
bool rn_http1_list_has(rn_bytes list, const char *token);

/* The body's decoder: takes the framing off. All private. */
struct rn_http1_body {
    uint64_t remaining; /* of the body, or of the current chunk */
    uint16_t line;      /* bytes of the current chunk line or trailer section */
    uint8_t state;
};

/* Readies the decoder for the body of a request whose head is complete; and whether all of the body
 * was decoded, which is so at once when there is none. */
void rn_http1_body_init(struct rn_http1_body *body, const struct rn_http1_request *request);
bool rn_http1_body_done(const struct rn_http1_body *body);

/* Consumes from `in` and sets *data to the next piece of content, a slice of `in`, possibly empty;
 * content is the last thing that a call consumes. Returns how many bytes it consumed; call again
 * while the result is above 0 and the body isn't done. A bad chunk (a size of more than 16 digits
 * too) is RN_E_PROTOCOL (400), a chunk line or a trailer section over its limit RN_E_LIMIT; neither
 * can be gone on from. Chunk extensions and trailer fields are checked and dropped. */
RN_MUST_USE rn_ssize rn_http1_body_next(struct rn_http1_body *body, const uint8_t *in, size_t len,
                                        rn_bytes *data);

/* The reason phrase for a status code, "Unknown" when it has none. Constant. */
const char *rn_http1_reason(unsigned status);

#ifdef __cplusplus
}
#endif
#endif
