/*
 * proto/sha1.c: SHA-1, in the form whose message schedule is a window of 16 words (FIPS 180-4,
 * section 6.1.3).
 *
 * Kept small rather than fast: it runs once for each WebSocket handshake.
 */
#include "proto/sha1.h"
#include "base/bytes.h"

static uint32_t rotate_left(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

static void compress(struct rn_sha1 *sha)
{
    static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t *words = sha->block.words;
    uint32_t a = sha->hash[0], b = sha->hash[1], c = sha->hash[2], d = sha->hash[3],
             e = sha->hash[4];
    for (unsigned i = 0; i < 80; i++) {
        unsigned round = (i >= 20) + (i >= 40) + (i >= 60);
        uint32_t *word = &words[i % 16];
        if (i < 16)
            *word = __builtin_bswap32(*word);
        else
            *word = rotate_left(
                words[(i + 13) % 16] ^ words[(i + 8) % 16] ^ words[(i + 2) % 16] ^ *word, 1);
        uint32_t mix = b ^ c ^ d;
        if (round == 0) mix = d ^ (b & (c ^ d));
        if (round == 2) mix = (b & c) | (d & (b | c));
        uint32_t next = rotate_left(a, 5) + mix + e + constants[round] + *word;
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    sha->hash[0] += a;
    sha->hash[1] += b;
    sha->hash[2] += c;
    sha->hash[3] += d;
    sha->hash[4] += e;
}

static void put(struct rn_sha1 *sha, uint8_t byte)
{
    sha->block.bytes[sha->length++ % 64] = byte;
    if (sha->length % 64 == 0) compress(sha);
}

void rn_sha1_init(struct rn_sha1 *sha)
{
    static const uint32_t initial[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    __builtin_memcpy(sha->hash, initial, sizeof(initial));
    sha->length = 0;
}

void rn_sha1_update(struct rn_sha1 *sha, rn_bytes data)
{
    for (size_t i = 0; i < data.len; i++) put(sha, data.ptr[i]);
}

void rn_sha1_final(struct rn_sha1 *sha, uint8_t digest[RN_SHA1_SIZE])
{
    uint64_t bits = sha->length * 8;
    put(sha, 0x80);
    while (sha->length % 64 != 56) put(sha, 0);
    for (int shift = 56; shift >= 0; shift -= 8) put(sha, (uint8_t)(bits >> shift));
    for (unsigned i = 0; i < 5; i++) {
        uint32_t word = __builtin_bswap32(sha->hash[i]);
        __builtin_memcpy(digest + 4 * i, &word, 4);
    }
}
