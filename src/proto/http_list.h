/*
 * proto/http_list.h: comma-separated field values (RFC 9110, section 5.6.1).
 */
#ifndef PROTO_HTTP_LIST_H
#define PROTO_HTTP_LIST_H

#include <runnel/base.h>

/* Takes the next element off a list, without the white space around it: true, or false when none is
 * left. Empty elements are skipped, as a recipient must; a comma between double quotes separates
 * nothing (entity tags may have them; a backslash is not special there). The element is a slice of
 * the list, never empty. */
RN_MUST_USE bool rn_http_list_next(rn_bytes *list, rn_bytes *element);

#endif
