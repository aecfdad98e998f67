/*
 * proto/http_conditional.h: entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).
 */
#ifndef PROTO_HTTP_CONDITIONAL_H
#define PROTO_HTTP_CONDITIONAL_H

#include <runnel/base.h>

enum { RN_HTTP_ETAG_MAX = 43 };

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
    rn_bytes etag;      /* strong, with its quotes */
    int64_t modified_s; /* its Last-Modified, in seconds since 1970 */
    int64_t now_s;      /* places two-digit years */
};

struct rn_http1_request;

/*
 * Evaluates the preconditions of a GET or HEAD in the order of section 13.2.2. Call it only when
 * the answer without them would be a 2xx. Returns 0 to go on, 304 (Not Modified) or 412
 * (Precondition Failed). A date that isn't one is ignored, as section 13.1.3 has it; a malformed
 * tag list matches nothing; one that is spread over several fields is one list. 200, 206 or 416
 * come after 0.
 */
RN_MUST_USE unsigned rn_http_precondition(const struct rn_http1_request *request,
                                          const uint8_t *head,
                                          const struct rn_http_validators *current);

/*
 * Whether a GET's Range field is to be honoured, given its If-Range (section 13.1.5): yes when that
 * is absent (ptr NULL), is the current tag, or is exactly the current modification time.
 */
RN_MUST_USE bool rn_http_if_range(rn_bytes if_range, const struct rn_http_validators *current);

#endif
