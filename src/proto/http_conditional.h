/*
 * proto/http_conditional.h: entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).
 */
#ifndef PROTO_HTTP_CONDITIONAL_H
#define PROTO_HTTP_CONDITIONAL_H

#include <runnel/base.h>

enum { RN_HTTP_ETAG_MAX = 43 };

/* The modification time of something that has none. */
#define RN_HTTP_NO_TIME INT64_MIN

/*
 * Writes the strong entity tag of a file, "number-number" with its quotes, and returns its length,
 * at most RN_HTTP_ETAG_MAX; not terminated. It changes with the size, and with the modification
 * time in nanoseconds or the inode: files of one size and with one set time (a reproducible build,
 * a file and its compressed siblings) are still told apart. Pass 0 for the inode where several
 * machines must agree on the tag.
 */
size_t rn_http_etag_format(char to[RN_HTTP_ETAG_MAX], uint64_t size, uint64_t modified_ns,
                           uint64_t inode);

/* What the request is about, as it is now. */
struct rn_http_validators {
    rn_bytes etag;      /* quoted, perhaps weak; empty when it has none */
    int64_t modified_s; /* its Last-Modified in seconds since 1970, or RN_HTTP_NO_TIME */
    bool exists;        /* false when there is no current representation: what "*" asks for */
};

/* Field values of the request; ptr is NULL where the field is absent. */
struct rn_http_conditions {
    rn_bytes if_match;
    rn_bytes if_unmodified_since;
    rn_bytes if_none_match;
    rn_bytes if_modified_since;
};

/*
 * Evaluates the preconditions in the order of section 13.2.2. Call it only when the answer without
 * them would be a 2xx. `get` is true for GET and HEAD; `now_s` places two-digit years. Returns 0 to
 * go on, 304 (Not Modified) or 412 (Precondition Failed). A date that isn't one is ignored, as
 * section 13.1.3 has it; a malformed tag list matches nothing. 200, 206
 * or 416 come after 0.
 */
RN_MUST_USE unsigned rn_http_precondition(const struct rn_http_conditions *conditions,
                                          const struct rn_http_validators *current, bool get,
                                          int64_t now_s);

/*
 * Whether a GET's Range field is to be honoured, given its If-Range (section 13.1.5): yes when that
 * is absent (ptr NULL), is the current strong tag, or is exactly the current modification time.
 * Never for a weak tag.
 */
RN_MUST_USE bool rn_http_if_range(rn_bytes if_range, const struct rn_http_validators *current,
                                  int64_t now_s);

#endif
