/*
 * proto/http_range.h: byte ranges of a representation (RFC 9110, section 14).
 */
#ifndef PROTO_HTTP_RANGE_H
#define PROTO_HTTP_RANGE_H

#include <runnel/base.h>

enum {
    RN_HTTP_RANGES_MAX = 16,        /* ranges in one field; with more the field is ignored */
    RN_HTTP_CONTENT_RANGE_MAX = 68, /* "bytes 0-1/2" with three numbers of 20 digits */
    RN_HTTP_PART_TYPE_MAX = 96,     /* bytes in a part's media type */
    RN_HTTP_PART_DELIMITER_MAX = 240,
    RN_HTTP_MULTIPART_TYPE_MAX = 52,
};

/* What rn_http_range_parse returns besides a count. */
enum { RN_HTTP_RANGE_IGNORED = 0, RN_HTTP_RANGE_UNSATISFIABLE = -1 };

struct rn_http_range {
    uint64_t offset;
    uint64_t length; /* above 0; offset + length is at most the size */
};

/*
 * Reads a Range field's value against a representation of `size` bytes. Returns how many ranges
 * there are to send in a 206, in the order asked for and with nothing twice;
 * RN_HTTP_RANGE_UNSATISFIABLE when all of them lie behind the end, which is 416;
 * RN_HTTP_RANGE_IGNORED when the whole representation is due, as without the field: another unit,
 * bad syntax, a last position before the first, more than RN_HTTP_RANGES_MAX ranges, or a size of 0
 * (there is nothing to select, and clients that always send a Range want the empty file). Ignoring
 * is always allowed (section 14.2).
 *
 * Ranges that overlap are joined into one (section 15.3.7.2); only then may the order change. So
 * the ranges never add up to more than the size, whatever the request: many overlapping ranges
 * (CVE-2011-3192) cost 16 part heads at most. Numbers of any length are taken. The size
 * is at most INT64_MAX, as a file's is.
 */
RN_MUST_USE int rn_http_range_parse(struct rn_http_range ranges[RN_HTTP_RANGES_MAX], rn_bytes value,
                                    uint64_t size);

/* All writers below return how many bytes they wrote, at most the MAX of their buffer, and
 * terminate nothing. */

/* A Content-Range value, "bytes 0-49/500"; or for 416, with `range` NULL, "bytes *" and "/500"
 * (section 14.4). */
size_t rn_http_content_range(char to[RN_HTTP_CONTENT_RANGE_MAX], const struct rn_http_range *range,
                             uint64_t size);

/* A multipart/byteranges answer (section 14.6): for each range a delimiter and its bytes, then the
 * last one. */
struct rn_http_multipart {
    uint64_t boundary; /* random, anew for each answer, so that no file can hold it */
    uint64_t size;     /* of the representation */
    rn_bytes type;     /* its media type, at most RN_HTTP_PART_TYPE_MAX */
};

/* The Content-Type value of the whole answer, with the boundary. */
size_t rn_http_multipart_type(char to[RN_HTTP_MULTIPART_TYPE_MAX],
                              const struct rn_http_multipart *multipart);

/* The Content-Length of the whole answer. */
uint64_t rn_http_multipart_length(const struct rn_http_multipart *multipart,
                                  const struct rn_http_range *ranges, unsigned count);

/* What goes before the bytes of a range: delimiter and part head; with `range` NULL, what goes
 * after the last. */
size_t rn_http_part_delimiter(char to[RN_HTTP_PART_DELIMITER_MAX],
                              const struct rn_http_multipart *multipart,
                              const struct rn_http_range *range);

#endif
