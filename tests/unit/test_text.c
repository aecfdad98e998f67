/*
 * test_text.c: formats, and what doesn't fit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/text.h"

static char buffer[64];

static struct rn_text text_of(size_t cap)
{
    memset(buffer, '#', sizeof buffer);
    return (struct rn_text){.ptr = buffer, .cap = cap};
}

static void check(const struct rn_text *text, const char *expected)
{
    assert_int_equal(text->len, strlen(expected));
    assert_memory_equal(text->ptr, expected, text->len);
    assert_int_equal(buffer[text->cap], '#');
}

static void every_conversion(void **state)
{
    struct rn_text text = text_of(63);
    rn_text_format(&text, "%s|%u|%d|%d|%b|%%|", "ab", (uint64_t)0, -7, 42, "xyz", (size_t)2);
    check(&text, "ab|0|-7|42|xy|%|");
    rn_text_format(&text, "%u", UINT64_MAX);
    check(&text, "ab|0|-7|42|xy|%|18446744073709551615");
    rn_text_format(&text, "%d", INT32_MIN);
    check(&text, "ab|0|-7|42|xy|%|18446744073709551615-2147483648");
}

static void what_does_not_fit_is_cut(void **state)
{
    static const char whole[] = "abc 123 xyz";
    for (size_t cap = 0; cap < sizeof whole + 2; cap++) {
        struct rn_text text = text_of(cap);
        rn_text_format(&text, "%s %u %b", "abc", (uint64_t)123, "xyz!", (size_t)3);
        size_t expected = cap < sizeof whole - 1 ? cap : sizeof whole - 1;
        assert_int_equal(text.len, expected);
        assert_memory_equal(buffer, whole, expected);
        assert_int_equal(buffer[cap], '#');
    }
}

static void nothing_to_convert(void **state)
{
    struct rn_text text = text_of(10);
    rn_text_format(&text, "");
    assert_int_equal(text.len, 0);
    rn_text_format(&text, "plain");
    check(&text, "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_conversion),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(nothing_to_convert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
