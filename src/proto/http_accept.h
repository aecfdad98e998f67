/*
 * proto/http_accept.h: which content coding the client prefers (RFC 9110, section 12.5.3).
 */
#ifndef PROTO_HTTP_ACCEPT_H
#define PROTO_HTTP_ACCEPT_H

#include <runnel/base.h>

/* In the order in which equally welcome ones are chosen, the best last. */
enum rn_http_coding {
    RN_HTTP_IDENTITY,
    RN_HTTP_GZIP,
    RN_HTTP_ZSTD,
    RN_HTTP_BR,
    RN_HTTP_CODINGS,
};

/* How welcome each coding is, in thousandths; 0 is "not acceptable". */
struct rn_http_accept {
    uint16_t weight[RN_HTTP_CODINGS];
};

/* Reads an Accept-Encoding value; absent (ptr NULL), empty and malformed ones all accept identity
 * alone. A coding that is named twice has its last weight; identity that is not named, nor refused
 * by "*;q=0", has the lowest. */
RN_MUST_USE struct rn_http_accept rn_http_accept_encoding(rn_bytes value);

/* The most welcome of the codings in `available`, bits 1 << enum rn_http_coding, and identity: that
 * also when it is refused, and none of them is acceptable, for it is better than a 406. Look for a
 * precompressed file with it, and clear the bit and ask again when there is no such file. */
RN_MUST_USE enum rn_http_coding rn_http_accept_best(struct rn_http_accept accept,
                                                    unsigned available);

/* As in Content-Encoding: "gzip", "zstd", "br"; empty for identity, which is not named there. */
extern const char rn_http_coding_names[RN_HTTP_CODINGS][5];

#endif
