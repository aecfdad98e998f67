/*
 * runnel/url.h: URLs (RFC 3986): absolute ones taken apart and references resolved, for a client;
 * and for a server paths made safe to open, queries taken apart, names written back into links.
 * Pure: no allocation, no state, nothing is read but the arguments.
 */
#ifndef RUNNEL_URL_H
#define RUNNEL_URL_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Absolute URLs, for a client ------------------------------------------------------------- */

/* An absolute URL taken apart: slices of the text that was parsed. */
struct rn_url {
    rn_bytes scheme;
    rn_bytes userinfo;  /* still encoded; its ptr is NULL where there is no '@' */
    rn_bytes authority; /* host[:port] as it stands: what a Host field says */
    rn_bytes host;      /* without the brackets of an IPv6 address; never empty */
    rn_bytes path;      /* empty, or from its '/' on; still encoded */
    rn_bytes query;     /* after '?', still encoded; its ptr is NULL where there is no '?' */
    rn_bytes target;    /* path and query, with the '?': what a request asks for, but for the '/'
                         * that stands for an empty path */
    rn_bytes fragment;  /* after '#'; its ptr is NULL where there is no '#' */
    uint16_t port;      /* where none stands: 80 for http and ws, 443 for https and wss, else 0 */
    bool ip6;           /* the host stood in brackets */
};

/*
 * Takes an absolute URL with an authority apart (RFC 3986, section 3): "scheme://[user@]host..."
 * Strict: every character must be one that may stand in its place on the wire, so that what was
 * parsed can be sent (spaces, controls and bytes above 0x7E can't; rn_url_resolve encodes them).
 * 0; RN_E_UNSUPPORTED for a scheme without "//" ("mailto:"); RN_E_PROTOCOL for all else that is
 * wrong: no scheme, an empty host, a port that isn't 1 to 65535, a second '@'.
 */
RN_MUST_USE int rn_url_parse(struct rn_url *url, rn_bytes text);

/*
 * Writes the absolute URL that a reference means (RFC 3986, section 5.2; "../a", "?x",
 * "//host/b", or an absolute URL): relative to the base, or with base NULL only absolute ones.
 * `to` gets it NUL-terminated, must not overlap its arguments, and can always be parsed. What comes
 * out is normalised: scheme and host in lower case, no default port, no dot segments, "/" for an
 * empty path, no fragment; spaces, bytes above 0x7E and what else a path or a query may not hold
 * are percent-encoded. A base's userinfo stays unless the reference names a host.
 *
 * Returns the length without the NUL; RN_E_LIMIT when it does not fit into `cap` bytes together
 * with what ".." takes back; the errors of rn_url_parse, and RN_E_PROTOCOL for controls (a line
 * feed could start another header field).
 */
RN_MUST_USE rn_ssize rn_url_resolve(char *to, size_t cap, const struct rn_url *base,
                                    rn_bytes reference);

/* Whether both have the same scheme, host and port (RFC 6454, section 4). */
bool rn_url_same_origin(const struct rn_url *a, const struct rn_url *b);

/* Decodes a part, such as userinfo or a path's last segment: percent escapes only. As
 * rn_url_decode_parameter otherwise. */
RN_MUST_USE rn_ssize rn_url_decode(char *to, size_t cap, rn_bytes text);

/* ---- Request targets, for a server ----------------------------------------------------------- */

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
