/*
 * proto/utf8.h: UTF-8 checked as it arrives (RFC 3629): no surrogates, nothing overlong, nothing
 * over U+10FFFF.
 */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <runnel/base.h>

/* Goes on from *state, which is 0 at the start and whenever a character has just ended. Returns how
 * many bytes were good: less than len when in[result] can't continue any valid text; *state is then
 * of no use. */
RN_MUST_USE size_t rn_utf8_check(uint32_t *state, const uint8_t *in, size_t len);

/* Whether the whole slice is valid, and ends at a character's edge. */
RN_MUST_USE bool rn_utf8_valid(rn_bytes text);

#endif
