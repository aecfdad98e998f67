/*
 * test_bytes.c: comparing, finding, and numbers as text, at the edges of their ranges.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/bytes.h"

static void equality(void **state)
{
    assert_true(rn_bytes_equal(RN_BYTES("ab"), RN_BYTES("ab")));
    assert_false(rn_bytes_equal(RN_BYTES("ab"), RN_BYTES("aB")));
    assert_false(rn_bytes_equal(RN_BYTES("ab"), RN_BYTES("abc")));
    assert_true(rn_bytes_equal_nocase(RN_BYTES("Keep-ALIVE"), RN_BYTES("keep-alive")));
    assert_false(rn_bytes_equal_nocase(RN_BYTES("ab"), RN_BYTES("abc")));
    /* Only letters have a case: '@' and '`', '[' and '{' differ by the same bit. */
    assert_false(rn_bytes_equal_nocase(RN_BYTES("@["), RN_BYTES("`{")));
    assert_true(rn_bytes_equal_nocase(RN_BYTES("AZ"), RN_BYTES("az")));
}

static void finding(void **state)
{
    assert_int_equal(rn_bytes_find(RN_BYTES("abcb"), 'b'), 1);
    assert_int_equal(rn_bytes_find(RN_BYTES("abc"), 'x'), 3);
    assert_int_equal(rn_bytes_find(rn_bytes_of(NULL, 0), 'x'), 0);
}

static void numbers_that_parse(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0},
        {"007", 7},
        {"9", 9},
        {"18446744073709551615", UINT64_MAX},
        {"00000000000000000000000000000001", 1},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        uint64_t value = 99;
        assert_true(rn_parse_u64(rn_bytes_text(cases[i].text), &value));
        assert_int_equal(value, cases[i].value);
    }
}

static void numbers_that_do_not(void **state)
{
    static const char *const cases[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1a", "18446744073709551616", "99999999999999999999",
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        uint64_t value = 99;
        assert_false(rn_parse_u64(rn_bytes_text(cases[i]), &value));
    }
}

static void numbers_there_and_back(void **state)
{
    uint64_t seed = 1;
    for (unsigned i = 0; i < 100000; i++) {
        char text[20];
        uint64_t value, number = i < 2000 ? i : seed >> (i % 64);
        size_t len = rn_format_u64(text, number);
        assert_in_range(len, 1, sizeof text);
        assert_true(len == 1 || text[0] != '0');
        assert_true(rn_parse_u64(rn_bytes_of(text, len), &value));
        assert_int_equal(value, number);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),
        cmocka_unit_test(finding),
        cmocka_unit_test(numbers_that_parse),
        cmocka_unit_test(numbers_that_do_not),
        cmocka_unit_test(numbers_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
