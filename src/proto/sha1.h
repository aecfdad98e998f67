/*
 * proto/sha1.h: SHA-1 (FIPS 180-4, RFC 3174), for protocols that prescribe it. Not for anything
 * that must resist an attacker: collisions can be made.
 */
#ifndef PROTO_SHA1_H
#define PROTO_SHA1_H

#include <runnel/base.h>

enum { RN_SHA1_SIZE = 20 };

struct rn_sha1 {
    uint32_t hash[5];
    uint64_t length; /* bytes taken */
    union {
        uint8_t bytes[64];
        uint32_t words[16];
    } block;
};

void rn_sha1_init(struct rn_sha1 *sha);
void rn_sha1_update(struct rn_sha1 *sha, rn_bytes data);

/* Ends it: afterwards only rn_sha1_init may be called. */
void rn_sha1_final(struct rn_sha1 *sha, uint8_t digest[RN_SHA1_SIZE]);

#endif
