/*
 * proto/http_date.h: dates in HTTP fields (RFC 9110, section 5.6.7), as seconds since 1970-01-01
 * 00:00 UTC.
 */
#ifndef PROTO_HTTP_DATE_H
#define PROTO_HTTP_DATE_H

#include <runnel/base.h>

enum { RN_HTTP_DATE_LEN = 29 };

/* Writes an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT": always RN_HTTP_DATE_LEN bytes, not
 * terminated. A time outside the years 1 to 9999 is written as the nearest end of that span.
 * Calendar arithmetic: write the Date field's value once a second, not once a response. A
 * Last-Modified must not be later than the Date of its response (RFC 9110, section 8.8.2.1): the
 * caller takes the earlier of the two. */
void rn_http_date_format(char to[RN_HTTP_DATE_LEN], int64_t seconds);

/* Parses the whole of `text` as an IMF-fixdate, an RFC 850 date or a C asctime() date. Strict:
 * exact spelling, a day that exists, its right day of the week, years 1 to 9999. The leap second
 * 23:59:60 is taken for 23:59:59. The two digits of an RFC 850 year mean the latest such year that
 * puts the date at most 50 years after `now`. Returns false for anything else, and then leaves
 * *seconds alone. */
RN_MUST_USE bool rn_http_date_parse(rn_bytes text, int64_t now, int64_t *seconds);

#endif
