/*
 * UTF-8: the checker against a plain decoder, over all the sequences that matter, in any cut.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "guarded.h"
#include "proto/utf8.h"

/* The length of the character at the start by the definition in RFC 3629, section 3: decode it,
 * then ask whether its value needed that length and is allowed. 0: there is none. */
static size_t character(const uint8_t *in, size_t len)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0) return 0;
    if (in[0] < 0x80) return 1;
    size_t size = in[0] >= 0xF8 ? 0 : in[0] >= 0xF0 ? 4 : in[0] >= 0xE0 ? 3 : in[0] >= 0xC0 ? 2 : 0;
    if (size == 0 || size > len) return 0;
    uint32_t value = in[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((in[i] & 0xC0) != 0x80) return 0;
        value = value << 6 | (in[i] & 0x3F);
    }
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value >= least[size] && value <= 0x10FFFF && !surrogate ? size : 0;
}

static bool reference_valid(const uint8_t *in, size_t len)
{
    while (len > 0) {
        size_t size = character(in, len);
        if (size == 0) return false;
        in += size;
        len -= size;
    }
    return true;
}

static void assert_as_reference(const uint8_t *in, size_t len)
{
    if (rn_utf8_valid(rn_bytes_of(in, len)) != reference_valid(in, len))
        fail_msg("%02x %02x %02x %02x, %zu bytes", in[0], in[1], in[2], in[3], len);
}

/* Every sequence of up to three bytes, and of four where the last two are at the edges. */
static void short_sequences_as_the_reference(void **state)
{
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                    0xBF, 0xC0, 0xC2, 0xE0, 0xF0, 0xF4, 0xFF};
    (void)state;
    assert_true(rn_utf8_valid(rn_bytes_of(NULL, 0)));
    for (unsigned first = 0; first < 0x10000; first++) {
        uint8_t in[4] = {(uint8_t)(first >> 8), (uint8_t)first};
        assert_as_reference(in, 1);
        assert_as_reference(in, 2);
        for (size_t i = 0; i < RN_COUNT(edges); i++) {
            in[2] = edges[i];
            assert_as_reference(in, 3);
            if (in[0] < 0xC0) continue;
            for (size_t j = 0; j < RN_COUNT(edges); j++) {
                in[3] = edges[j];
                assert_as_reference(in, 4);
            }
        }
    }
}

static void every_character_is_taken(void **state)
{
    (void)state;
    for (uint32_t value = 0; value <= 0x10FFFF; value++) {
        uint8_t in[4] = {(uint8_t)value};
        size_t len = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
        for (size_t i = len; len > 1 && i-- > 0;)
            in[i] = (uint8_t)((value >> 6 * (len - 1 - i) & 0x3F) | 0x80);
        if (len > 1) in[0] = (uint8_t)(0xF00u >> len | value >> 6 * (len - 1));
        bool surrogate = value >= 0xD800 && value <= 0xDFFF;
        if (rn_utf8_valid(rn_bytes_of(in, len)) == surrogate) fail_msg("U+%04x", value);
    }
}

/* How many bytes are good: up to the first byte which no continuation can make valid. */
static void the_first_bad_byte_is_found_at_once(void **state)
{
    static const struct {
        const char *in;
        size_t good;
        bool at_edge;
    } cases[] = {
        {"\x80", 0, false},
        {"a\xbf", 1, false},
        {"\xc0\x80", 0, false},
        {"\xc1\xbf", 0, false},
        {"\xc2\x80", 2, true},
        {"\xc2", 1, false},
        {"\xc2z", 1, false},
        {"\xdf\xbf", 2, true},
        {"\xe0\x9f\xbf", 1, false},
        {"\xe0\xa0\x80", 3, true},
        {"\xe1\x80", 2, false},
        {"\xe1\x80\xc0", 2, false},
        {"\xed\x9f\xbf", 3, true},
        {"\xed\xa0\x80", 1, false},
        {"\xee\x80\x80", 3, true},
        {"\xef\xbf\xbf", 3, true},
        {"\xf0\x8f\xbf\xbf", 1, false},
        {"\xf0\x90\x80\x80", 4, true},
        {"\xf0\x90\x80", 3, false},
        {"\xf0\x90\x80z", 3, false},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"\xf4\x90\x80\x80", 1, false},
        {"\xf5\x80\x80\x80", 0, false},
        {"\xff", 0, false},
        {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
         "edited",
         12, false},
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        size_t len = strlen(cases[i].in);
        for (size_t cut = 0; cut <= len; cut++) {
            uint32_t utf8 = 0;
            size_t good = rn_utf8_check(&utf8, guarded_input(cases[i].in, cut), cut);
            assert_int_equal(good, cut < cases[i].good ? cut : cases[i].good);
            if (good < cut) continue;
            size_t rest = len - cut;
            good += rn_utf8_check(&utf8, guarded_input(cases[i].in + cut, rest), rest);
            assert_int_equal(good, cases[i].good);
            if (good == len) assert_int_equal(utf8 == 0, cases[i].at_edge);
        }
    }
}

/* One other character at each place of a run of ASCII, whatever the alignment: the fast path must
 * neither skip it nor read past the end. */
static void ascii_in_bulk_hides_nothing(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 70; len++) {
        for (size_t at = 0; at < len; at++) {
            uint8_t in[70];
            uint32_t utf8 = 0;
            memset(in, 'a', sizeof(in));
            in[at] = 0xFF;
            assert_int_equal(rn_utf8_check(&utf8, guarded_input(in, len), len), at);
            assert_int_equal(utf8, 0);
            in[at] = 0xC3;
            if (at + 1 < len) in[at + 1] = 0xA9;
            assert_int_equal(rn_utf8_check(&utf8, guarded_input(in, len), len), len);
            assert_int_equal(utf8 != 0, at + 1 == len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_sequences_as_the_reference),
        cmocka_unit_test(every_character_is_taken),
        cmocka_unit_test(the_first_bad_byte_is_found_at_once),
        cmocka_unit_test(ascii_in_bulk_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
