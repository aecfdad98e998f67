/*
 * runnel/url.h: request targets for a server: paths made safe to open, queries taken apart, and
 * names written back into links (RFC 3986). Pure: no allocation, no state, nothing is read but the
 * arguments.
 */
#ifndef RUNNEL_URL_H
#define RUNNEL_URL_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Decodes a request path ("/a/b%20c", without its query) once and normalises it into a path
 * relative to the root: no leading slash, empty and "." segments removed, ".." resolved (RFC 3986,
 * sections 5.2.4 and 6.2.2). `to` gets it NUL-terminated and must not overlap `path`. A path that
 * names a directory ("/", "/a/", "/a/.", "/a/b/..") comes out empty or ending in '/', so that a
 * file's name can be appended to it; see rn_url_is_directory.
 *
 * Returns the length without the NUL, or for the first fault met from the left:
 *
 *   RN_E_PROTOCOL      No leading slash; a bad percent escape; "%2F" or "%00", which can't be in a
 *                      file's name and would let two readers of one path disagree; ".." that climbs
 *                      above the root. Answer 400.
 *   RN_E_UNSUPPORTED   A segment that starts with '.', a dot-file. Answer 404. The one exception is
 *                      ".well-known" as the first segment (RFC 8615).
 *   RN_E_LIMIT         It does not fit into `cap` bytes with its NUL. Answer 404 or 414.
 *
 * On failure `to` holds nothing of use. A backslash, other controls and bytes above 0x7F are
 * ordinary bytes.
 */
RN_MUST_USE rn_ssize rn_url_decode_path(char *to, size_t cap, rn_bytes path);

/* Whether what rn_url_decode_path made, `len` long, names a directory. */
static inline bool rn_url_is_directory(const char *path, size_t len)
{
    return len == 0 || path[len - 1] == '/';
}

/*
 * Writes `path` for a link or a Location field: all bytes but letters, digits, "-._~" and '/'
 * become "%XX". Not terminated. Returns the length, at most three times path.len, or RN_E_LIMIT
 * when it is over `cap`. What rn_url_decode_path gave comes back to itself: '/' and this decode to
 * the same path; and as that has no empty segments, a Location can't become "//host".
 */
RN_MUST_USE rn_ssize rn_url_encode_path(char *to, size_t cap, rn_bytes path);

/*
 * Writes text so that it is only text in HTML, as content and in a quoted attribute: & < > " '
 * become numeric character references. Not terminated. Returns the length, at most six times
 * text.len, or RN_E_LIMIT.
 */
RN_MUST_USE rn_ssize rn_url_escape_html(char *to, size_t cap, rn_bytes text);

/*
 * Takes the next "key=value" off a query ("a=1&b=2", without the '?'): true, with slices of the
 * query, still encoded; false when none is left. Empty pairs ("&&") are skipped, a pair without '='
 * has an empty value, and further '=' belong to the value.
 */
RN_MUST_USE bool rn_url_next_parameter(rn_bytes *query, rn_bytes *key, rn_bytes *value);

/*
 * Decodes a key or a value: percent escapes, and '+' as a space
 * (application/x-www-form-urlencoded). `to` gets it NUL-terminated. Returns the length without the
 * NUL; RN_E_PROTOCOL for a bad escape or a NUL byte; RN_E_LIMIT when it does not fit into `cap`
 * bytes with its NUL.
 */
RN_MUST_USE rn_ssize rn_url_decode_parameter(char *to, size_t cap, rn_bytes text);

#ifdef __cplusplus
}
#endif
#endif
