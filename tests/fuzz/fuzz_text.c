/*
 * The small readers, each against a plain one written here or in the libc: UTF-8 as it arrives,
 * lists, base64, media types, numbers.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "proto/base64.h"
#include "proto/content_type.h"
#include "proto/http_list.h"
#include "proto/utf8.h"

/* The length of the character at the start, 0 when none can be there, -1 when it is cut off: the
 * table of RFC 3629, section 4. */
static int character(const uint8_t *in, size_t len)
{
    static const uint8_t rows[][4] = {
        /* first byte from, to, second byte from, to */
        {0xc2, 0xdf, 0x80, 0xbf}, {0xe0, 0xe0, 0xa0, 0xbf}, {0xe1, 0xec, 0x80, 0xbf},
        {0xed, 0xed, 0x80, 0x9f}, {0xee, 0xef, 0x80, 0xbf}, {0xf0, 0xf0, 0x90, 0xbf},
        {0xf1, 0xf3, 0x80, 0xbf}, {0xf4, 0xf4, 0x80, 0x8f},
    };
    if (in[0] < 0x80) return 1;
    for (size_t i = 0; i < RN_COUNT(rows); i++) {
        if (in[0] < rows[i][0] || in[0] > rows[i][1]) continue;
        int count = in[0] < 0xe0 ? 2 : in[0] < 0xf0 ? 3 : 4;
        for (int at = 1; at < count; at++) {
            if ((size_t)at >= len) return -1;
            uint8_t from = at == 1 ? rows[i][2] : 0x80, to = at == 1 ? rows[i][3] : 0xbf;
            if (in[at] < from || in[at] > to) return 0;
        }
        return count;
    }
    return 0;
}

static void check_utf8(rn_bytes in, uint32_t seed, unsigned max)
{
    size_t at = 0, fed = 0, good = 0, piece;
    int step = 1;
    uint32_t state = 0;
    while (at < in.len && (step = character(in.ptr + at, in.len - at)) > 0) at += (size_t)step;
    require(rn_utf8_valid(in) == (at == in.len));
    for (; fed < in.len && good == fed; fed += piece) {
        piece = next_piece(&seed, in.len - fed, max);
        good += rn_utf8_check(&state, in.ptr + fed, piece);
    }
    if (at == in.len) require(good == in.len && state == 0);
    else if (step < 0) require(good == in.len && state != 0);
    else require(good < in.len && good >= at && good < at + 4);
}

/* Element by element: commas outside of quotes, and nothing but white space around. */
static void check_list(rn_bytes in)
{
    rn_bytes rest = in, element;
    size_t at = 0;
    while (rn_http_list_next(&rest, &element)) {
        require(element.len > 0 && element.ptr >= in.ptr + at);
        for (; in.ptr + at < element.ptr; at++)
            require(in.ptr[at] == ',' || in.ptr[at] == ' ' || in.ptr[at] == '\t');
        bool quoted = false;
        for (size_t i = 0; i < element.len; i++) {
            require(quoted || element.ptr[i] != ',');
            quoted ^= element.ptr[i] == '"';
        }
        at += element.len;
        uint8_t first = element.ptr[0], last = element.ptr[element.len - 1];
        require(first != ' ' && first != '\t' && last != ' ' && last != '\t');
        require(at == in.len || quoted || strchr(", \t", in.ptr[at]));
    }
    for (; at < in.len; at++) require(strchr(", \t", in.ptr[at]) && in.ptr[at]);
}

static void check_base64(rn_bytes in)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = (in.len + 2) / 3 * 4, characters = in.len;
    char *text = guarded_space(1, len);
    require(rn_base64_encode(text, in) == len);
    require(rn_base64_decoded_len(rn_bytes_of(text, len)) == (rn_ssize)in.len);
    for (size_t i = 0; i < in.len; i++) {
        unsigned bits = 0;
        for (unsigned j = 0; j < 4; j++) {
            const char *found = strchr(alphabet, text[i / 3 * 4 + j]);
            bits = bits << 6 | (found && *found ? (unsigned)(found - alphabet) : 0);
        }
        require((uint8_t)(bits >> (16 - i % 3 * 8)) == in.ptr[i]);
    }
    rn_ssize decoded = rn_base64_decoded_len(in);
    while (characters && in.len - characters < 2 && in.ptr[characters - 1] == '=') characters--;
    bool valid = in.len % 4 == 0;
    for (size_t i = 0; i < characters; i++) valid &= in.ptr[i] && strchr(alphabet, in.ptr[i]);
    require(decoded == (valid ? (rn_ssize)(characters * 3 / 4) : RN_E_PROTOCOL));
}

static void check_type(rn_bytes in)
{
    char type[RN_CONTENT_TYPE_MAX], other[RN_CONTENT_TYPE_MAX];
    size_t len = rn_content_type(type, in);
    require(len > 0 && len <= sizeof type && memchr(type, '/', len));
    uint8_t *copy = guarded_space(1, in.len);
    for (size_t i = 0; i < in.len; i++)
        copy[i] = in.ptr[i] >= 'a' && in.ptr[i] <= 'z' ? in.ptr[i] - 32 : in.ptr[i];
    require(rn_content_type(other, rn_bytes_of(copy, in.len)) == len);
    require(!memcmp(type, other, len));
}

static void check_number(rn_bytes in)
{
    uint64_t value = 42, plain = 0;
    bool fits = in.len > 0;
    for (size_t i = 0; i < in.len && fits; i++)
        fits = in.ptr[i] >= '0' && in.ptr[i] <= '9' &&
               !__builtin_mul_overflow(plain, 10, &plain) &&
               !__builtin_add_overflow(plain, in.ptr[i] - '0', &plain);
    require(rn_parse_u64(in, &value) == fits);
    if (fits) require(value == plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rn_bytes input = rn_bytes_of(data, size);
    unsigned max = take_byte(&input);
    uint32_t seed = take_byte(&input);
    rn_bytes in = guarded_copy(0, input.ptr, input.len);
    check_utf8(in, seed, 0);
    check_utf8(in, seed, max + 1);
    check_list(in);
    check_base64(in);
    check_type(in);
    check_number(in);
    return 0;
}
