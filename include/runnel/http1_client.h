/*
 * runnel/http1_client.h: the client's side of HTTP/1.1 as a sans-I/O machine (RFC 9110, RFC 9112):
 * one exchange, from the request's bytes to the end of its response. Strict.
 *
 * rn_http1_exchange_init, then rn_http1_emit_* for what is to be sent, and rn_http1_exchange_next
 * with what comes, in any order: a response may come before its request is sent whole. The client
 * with connections, redirects and deadlines that is built from it is runnel/http_client.h.
 */
#ifndef RUNNEL_HTTP1_CLIENT_H
#define RUNNEL_HTTP1_CLIENT_H

#include <runnel/http1.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RN_HTTP1_INTERIMS_MAX = 16, /* 1xx responses before the final one; one more is an error */
    RN_HTTP1_CHUNK_LINE = 10,   /* bytes to leave free before a chunk's content, and behind it 2 */
};

/* ---- Responses ------------------------------------------------------------------------------- */

/* One response's head. Keep it, as a request, from call to call while the head is incomplete. */
struct rn_http1_response {
    /* The fields, for rn_http1_find_field and rn_http1_next_field; minor, framing, keep_alive and
     * content_length are the response's too. The rest is not used. */
    struct rn_http1_request message;
    uint16_t status;             /* 100 to 999; who doesn't know one goes by its first digit */
    struct rn_http1_span reason; /* may be empty; bytes above 0x7F are possible */
};

/* Readies a response for its head's first byte. */
void rn_http1_response_init(struct rn_http1_response *response);

/*
 * Parses a head as rn_http1_parse_head does: all that has come so far on each call. Returns the
 * head's length once it is complete, 0 when it is not.
 *
 *   RN_E_PROTOCOL     anything malformed: no status line of HTTP/1, a line folded or without CR LF;
 *                     a bad or repeated Content-Length (also "5, 5"), or one besides a
 *                     Transfer-Encoding; "chunked" that isn't the last coding; Transfer-Encoding in
 *                     HTTP/1.0
 *   RN_E_LIMIT        over RN_HTTP1_HEAD_MAX bytes or RN_HTTP1_FIELDS_MAX fields
 *   RN_E_UNSUPPORTED  another major version; a transfer coding other than chunked
 *
 * message.framing is RN_HTTP1_UNTIL_CLOSE where neither length nor coding stands, and goes by the
 * fields alone: which responses have no body whatever their fields say is known to the exchange.
 */
RN_MUST_USE rn_ssize rn_http1_parse_response(struct rn_http1_response *response,
                                             const uint8_t *head, size_t len);

/* ---- The exchange ---------------------------------------------------------------------------- */

enum rn_http1_event_kind {
    RN_HTTP1_EVENT_NONE,    /* needs more input */
    RN_HTTP1_EVENT_INTERIM, /* a whole 1xx head, such as 100 (Continue): others follow */
    RN_HTTP1_EVENT_HEAD,    /* the final response's whole head */
    RN_HTTP1_EVENT_DATA,    /* a piece of its content */
    RN_HTTP1_EVENT_END,     /* all of it has come */
    /* From here on the bytes are another protocol's: after 101 (Switching Protocols), and after a
     * 2xx to CONNECT. Comes after HEAD, in place of END. */
    RN_HTTP1_EVENT_TUNNEL,
};

struct rn_http1_event {
    uint8_t kind; /* enum rn_http1_event_kind */
    /* INTERIM, HEAD: the head, which the response's spans refer to; DATA: the content, never empty.
     * A slice of `in` */
    rn_bytes data;
};

struct rn_http1_exchange {
    struct rn_http1_response response;
    struct rn_http1_body body;
    uint8_t state; /* private, as are the next three */
    uint8_t interims;
    uint8_t method;
    bool upgrade;
};

/* Readies an exchange. method: as it is sent; the case matters. upgrade: the request asks for
 * another protocol, so that 101 may come; without, it is an error. */
void rn_http1_exchange_init(struct rn_http1_exchange *exchange, rn_bytes method, bool upgrade);

/*
 * Takes from `in` what makes one event, and returns how many bytes it consumed: nothing before a
 * head is complete, so that a head is in `in` whole. What was not consumed must be there again on
 * the next call, at any address, followed by what came since. The events don't depend on how the
 * input was cut, but for where the content is cut into pieces. Call again while the event isn't
 * NONE. After END and TUNNEL nothing is consumed and every event is NONE.
 *
 * Errors as rn_http1_parse_response and rn_http1_body_next; RN_E_LIMIT too for a 1xx more than
 * RN_HTTP1_INTERIMS_MAX; RN_E_PROTOCOL for 101 that was not asked for. The connection must be
 * closed after one.
 */
RN_MUST_USE rn_ssize rn_http1_exchange_next(struct rn_http1_exchange *exchange, const uint8_t *in,
                                            size_t len, struct rn_http1_event *event);

/* The peer has ended its stream, and all of it was consumed: 0 when that ends the response as it
 * should, or it was complete before; RN_E_CLOSED when something is missing. */
RN_MUST_USE int rn_http1_exchange_eof(struct rn_http1_exchange *exchange);

/* Bytes of content that are missing as yet, where a length says so; of the present chunk where it
 * doesn't; 0 when the response is complete or none knows. */
uint64_t rn_http1_exchange_missing(const struct rn_http1_exchange *exchange);

/* Whether the response is complete, and the connection can be used again: the caller must have
 * sent all of the request too, and no byte may follow the response. */
bool rn_http1_exchange_reusable(const struct rn_http1_exchange *exchange);

/* ---- Requests -------------------------------------------------------------------------------- */

struct rn_http1_header {
    rn_bytes name;
    rn_bytes value;
};

/* Whether a request of that method does the same when it is sent twice (RFC 9110, section 9.2.2).
 * No other may be repeated by itself once a server may have seen it. */
RN_MUST_USE bool rn_http1_is_idempotent(rn_bytes method);

/*
 * Writes "METHOD target HTTP/1.1", or a field's line, with CR LF; the empty line behind the fields
 * is the caller's. Return how many bytes were written; RN_E_LIMIT when they don't fit into `cap`;
 * RN_E_MISUSE for what may not stand there, above all for CR, LF and NUL, which could smuggle in
 * other fields and requests.
 */
RN_MUST_USE rn_ssize rn_http1_emit_request(uint8_t *to, size_t cap, rn_bytes method,
                                           rn_bytes target);
RN_MUST_USE rn_ssize rn_http1_emit_field(uint8_t *to, size_t cap, rn_bytes name, rn_bytes value);

/* Puts the framing around a chunk's content, which the caller has written from
 * to + RN_HTTP1_CHUNK_LINE on, at least one byte: the size's line right before it, CR LF behind it.
 * Returns where in `to` the chunk begins; it ends at RN_HTTP1_CHUNK_LINE + len + 2. The last chunk
 * is "0", CR LF, CR LF. */
size_t rn_http1_emit_chunk(uint8_t *to, uint32_t len);

#ifdef __cplusplus
}
#endif
#endif
