/*
 * proto/http1_head.h: what the heads of requests and of responses have in common: their fields.
 */
#ifndef PROTO_HTTP1_HEAD_H
#define PROTO_HTTP1_HEAD_H

#include <runnel/http1.h>

/* request->state: the first line is behind, fields come; and all of the head is behind. */
enum { RN_HTTP1_AT_FIELDS = 6, RN_HTTP1_AT_END = 11 };

/* What the fields have said about the body and the connection: bits of request->seen. */
enum {
    RN_HTTP1_SEEN_LENGTH = 4,
    RN_HTTP1_SEEN_CODING = 8,
    RN_HTTP1_SEEN_CHUNKED = 16,
    RN_HTTP1_SEEN_OTHER_CODING = 32,
    RN_HTTP1_SEEN_CLOSE = 64,
    RN_HTTP1_SEEN_KEEP_ALIVE = 128,
};

/* Reads field lines from `at` on, as far as `end`, up to the empty one: request->state says whether
 * that was there. Returns how far it came, or minus the status that a server would refuse with. */
rn_ssize rn_http1_parse_fields(struct rn_http1_request *request, const uint8_t *head, size_t at,
                               size_t end);

#endif
