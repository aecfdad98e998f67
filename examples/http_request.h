/* A request's head, for the clients that write it by hand. */
#ifndef EXAMPLE_HTTP_REQUEST_H
#define EXAMPLE_HTTP_REQUEST_H

#include "blocking.h"
#include <runnel/http1_client.h>
#include <runnel/url.h>

enum { REQUEST_HEAD_MAX = 8192 };

/* Returns its length. What may not stand in one, such as a line feed, ends the program. */
static inline size_t write_request(uint8_t to[REQUEST_HEAD_MAX], const char *method,
                                   const struct rn_url *url, const struct rn_http1_header *fields,
                                   size_t count)
{
    enum { CAP = REQUEST_HEAD_MAX - 2 };
    rn_ssize len = rn_http1_emit_request(to, CAP, bytes_of(method),
                                         url->path.len ? url->target : RN_BYTES("/"));
    check(len, "request");
    rn_ssize more = rn_http1_emit_field(to + len, CAP - (size_t)len, RN_BYTES("Host"),
                                        url->authority);
    check(more, "Host");
    for (size_t i = 0; i < count; i++) {
        len += more;
        more = rn_http1_emit_field(to + len, CAP - (size_t)len, fields[i].name, fields[i].value);
        check(more, "field");
    }
    memcpy(to + len + more, "\r\n", 2);
    return (size_t)(len + more) + 2;
}

#endif
