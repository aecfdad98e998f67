/*
 * proto/content_type.h: the media type of a file, by its name's extension.
 */
#ifndef PROTO_CONTENT_TYPE_H
#define PROTO_CONTENT_TYPE_H

#include <runnel/base.h>

enum { RN_CONTENT_TYPE_MAX = 80 };

/*
 * Writes the media type for a path to `to` and returns its length, at most RN_CONTENT_TYPE_MAX; not
 * terminated. What counts is what follows the last '.' of the last segment, letters of either case;
 * an unknown extension or none is "application/octet-stream". Text types say "; charset=utf-8". The
 * table is packed and scanned from its start, a few thousand instructions for a rare extension:
 * keep the answer with the open file instead of asking at each request.
 */
size_t rn_content_type(char to[RN_CONTENT_TYPE_MAX], rn_bytes path);

#endif
