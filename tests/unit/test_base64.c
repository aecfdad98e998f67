/*
 * Base64: the vectors of RFC 4648, every byte in every place, and what must be refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "guarded.h"
#include "proto/base64.h"

static rn_ssize decoded_len(const char *text, size_t len)
{
    return rn_base64_decoded_len(guarded_copy(0, text, len));
}

static void the_published_vectors(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\x14\xfb\x9c\x03\xd9\x7e", "FPucA9l+"},
        {"\xff\xff\xbe\xff", "//++/w=="},
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(vectors); i++) {
        const char *plain = vectors[i][0], *coded = vectors[i][1];
        size_t len = strlen(plain), coded_len = strlen(coded);
        char *to = guarded_space(0, coded_len);
        assert_int_equal(rn_base64_encode(to, rn_bytes_of(plain, len)), coded_len);
        assert_memory_equal(to, coded, coded_len);
        assert_int_equal(decoded_len(coded, coded_len), len);
    }
}

static void decode(uint8_t *to, const char *text, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t bit = 0; bit < len * 8; bit++) {
        const char *digit = strchr(alphabet, text[bit / 6]);
        assert_true(digit && *digit);
        unsigned set = (unsigned)(digit - alphabet) >> (5 - bit % 6) & 1;
        to[bit / 8] = (uint8_t)(to[bit / 8] << 1 | set);
    }
}

/* Each value of each byte, in each of the three places of a group, and each length up to 48. */
static void encoded_and_decoded_is_the_same(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 48; len++) {
        for (unsigned seed = 0; seed < 256; seed++) {
            uint8_t plain[48], back[48] = {0};
            char coded[64];
            for (size_t i = 0; i < len; i++) plain[i] = (uint8_t)(seed + 37 * i);
            size_t coded_len = rn_base64_encode(coded, guarded_copy(0, plain, len));
            assert_int_equal(coded_len, (len + 2) / 3 * 4);
            assert_int_equal(decoded_len(coded, coded_len), len);
            decode(back, coded, len);
            assert_memory_equal(back, plain, len);
        }
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z",        "Zg",     "Zg=",      "Zm9vYg", "Zm9vYg=", "=",    "==",      "===",
        "====",     "Z===",   "Zg==Zg==", "Zg=g",   "Z=g=",    "=Zg=", "Zm9v=",   "Zm9v==",
        "Zm9v====", "Zm9v\n", " Zm9",     "Zm9 ",   "Zm-v",    "Zm_v", "Zm9\x80", "Zm9v====Zm9v",
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(bad); i++) {
        if (decoded_len(bad[i], strlen(bad[i])) != RN_E_PROTOCOL) fail_msg("took \"%s\"", bad[i]);
    }
}

/* Of all bytes just the 64 of the alphabet, in each place of a group. */
static void the_alphabet_is_exact(void **state)
{
    (void)state;
    for (size_t place = 0; place < 4; place++) {
        unsigned taken = 0;
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[8] = "AAAAAAAA";
            text[place] = (char)byte;
            rn_ssize result = decoded_len(text, sizeof(text));
            assert_true(result == 6 || result == RN_E_PROTOCOL);
            taken += result == 6;
        }
        assert_int_equal(taken, 64);
    }
}

/* Section 3.5: they should be zero, a decoder may take others. */
static void spare_bits_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(decoded_len("Zh==", 4), 1);
    assert_int_equal(decoded_len("Zm9=", 4), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors),
        cmocka_unit_test(encoded_and_decoded_is_the_same),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(the_alphabet_is_exact),
        cmocka_unit_test(spare_bits_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
