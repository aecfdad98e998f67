/*
 * proto/utf8.c: UTF-8 checked as it arrives (RFC 3629).
 *
 * Only the byte after E0, ED, F0 or F4 has a narrower range than 80-BF (section 4), and that alone
 * keeps out overlong forms, surrogates and what is over U+10FFFF. These ranges are whole
 * sixteenths, so four bits say which of 8x, 9x, Ax and Bx may follow. Within a character the state
 * is those bits for the next byte, and above them how many bytes are missing.
 */
#include "proto/utf8.h"
#include "base/bytes.h"

#define NON_ASCII 0x8080808080808080u

enum { ANY = 0xF, MISSING_ONE = 0x10 };

/* The state after a character's first byte, which isn't ASCII; 0 when it can't be one. */
static uint32_t lead(uint8_t byte)
{
    /* Four bits for each byte C0-CF, D0-DF, E0-EF, F0-FF: none for those that start nothing. */
    static const uint64_t second[4] = {0xFFFFFFFFFFFFFF00, 0xFFFFFFFFFFFFFFFF, 0xFF3FFFFFFFFFFFFC,
                                       0x000000000001FFFE};
    unsigned row = byte >> 4 & 3;
    unsigned allowed = second[row] >> byte % 16 * 4 & ANY;
    if (byte < 0xC0 || allowed == 0) return 0;
    return allowed + MISSING_ONE * (row + (row == 0));
}

size_t rn_utf8_check(uint32_t *state, const uint8_t *in, size_t len)
{
    uint32_t expect = *state;
    size_t at = 0;
    while (at < len) {
        uint8_t byte = in[at];
        if (expect != 0) {
            if (byte >> 6 != 2 || !(expect >> (byte >> 4 & 3) & 1)) break;
            expect -= MISSING_ONE;
            expect = expect < MISSING_ONE ? 0 : expect | ANY;
        } else if (byte >= 0x80) {
            expect = lead(byte);
            if (expect == 0) break;
        } else {
            /* Nearly all text has long runs of ASCII. */
            while (len - at > 16 && !((rn_load64(in + at) | rn_load64(in + at + 8)) & NON_ASCII))
                at += 16;
            if (in[at] >= 0x80) continue;
        }
        at++;
    }
    *state = expect;
    return at;
}

bool rn_utf8_valid(rn_bytes text)
{
    uint32_t state = 0;
    return rn_utf8_check(&state, text.ptr, text.len) == text.len && state == 0;
}
