/*
 * proto/base64.h: base64 with the standard alphabet and padding (RFC 4648, section 4).
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <runnel/base.h>

/* Writes (from.len + 2) / 3 * 4 characters, not terminated, and returns how many. */
size_t rn_base64_encode(char *to, rn_bytes from);

/* How many bytes the whole slice stands for, or RN_E_PROTOCOL: no other characters (white space is
 * one), padded to a multiple of four. Bits that the last character has to spare are ignored, as
 * section 3.5 allows. */
RN_MUST_USE rn_ssize rn_base64_decoded_len(rn_bytes text);

#endif
