/*
 * proto/sha1.h: SHA-1 (FIPS 180-4, RFC 3174), for protocols that prescribe it. Not for anything
 * that must resist an attacker: collisions can be made.
 */
#ifndef PROTO_SHA1_H
#define PROTO_SHA1_H

#include <runnel/base.h>

enum { RN_SHA1_SIZE = 20 };

void rn_sha1(rn_bytes data, uint8_t digest[RN_SHA1_SIZE]);

#endif
