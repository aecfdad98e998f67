/*
 * proto/sha1.c: SHA-1 (FIPS 180-4, section 6.1).
 *
 * All at once, and kept small rather than fast: it runs once for each WebSocket
 * handshake.
 */
#include "proto/sha1.h"
#include "base/bytes.h"

enum { ROUNDS = 80 };

static uint32_t rotate_left(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

/* `words` has the 16 of a block, and room for those that are derived from them. */
static __attribute__((noinline)) void compress(uint32_t hash[5], uint32_t *words)
{
    static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t v[5];
    memcpy(v, hash, sizeof(v));
    for (unsigned i = 0; i < ROUNDS; i++, words++) {
        unsigned part = i / 20;
        uint32_t next = v[1] ^ v[2] ^ v[3];
        if (part == 0) next = v[3] ^ (v[1] & (v[2] ^ v[3]));
        if (part == 2) next = (v[1] & v[2]) | (v[3] & (v[1] | v[2]));
        next += rotate_left(v[0], 5) + v[4] + constants[part] + words[0];
        words[16] = rotate_left(words[13] ^ words[8] ^ words[2] ^ words[0], 1);
        for (unsigned k = 4; k; k--) v[k] = v[k - 1];
        v[2] = rotate_left(v[2], 30);
        v[0] = next;
    }
    for (unsigned i = 0; i < 5; i++) hash[i] += v[i];
}

void rn_sha1(rn_bytes data, uint8_t digest[RN_SHA1_SIZE])
{
    static const uint32_t initial[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint32_t hash[5], words[ROUNDS + 16];
    size_t at = 0, end = data.len + 9;
    memcpy(hash, initial, sizeof(hash));
    do {
        /* The data, 0x80, zeros, and the number of bits in the last 64 bits of a block. */
        for (unsigned i = 0; i < 64; i++, at++) {
            uint8_t byte = at < data.len ? data.ptr[at] : at == data.len ? 0x80 : 0;
            words[i / 4] = words[i / 4] << 8 | byte; /* what it held before moves out */
        }
        if (at >= end) {
            words[14] = (uint32_t)(data.len >> 29);
            words[15] = (uint32_t)data.len << 3;
        }
        compress(hash, words);
    } while (at < end);
    for (unsigned i = 0; i < 5; i++) hash[i] = __builtin_bswap32(hash[i]);
    memcpy(digest, hash, RN_SHA1_SIZE);
}
