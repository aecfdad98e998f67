/*
 * Comma-separated lists: empty elements, white space, quotes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "proto/http_list.h"

static void test_elements(void **state)
{
    static const struct {
        const char *list;
        const char *elements; /* '|' after each */
    } cases[] = {
        {"", ""},
        {" ", ""},
        {",", ""},
        {" , ,\t,", ""},
        {"a", "a|"},
        {"a,b", "a|b|"},
        {" a , b\t", "a|b|"},
        {",a,,b,", "a|b|"},
        {"a b, c", "a b|c|"},
        {"\"a,b\",c", "\"a,b\"|c|"},
        {"W/\",\" , \"x\"", "W/\",\"|\"x\"|"},
        {"\"\",\"\"", "\"\"|\"\"|"},
        {"\"a\\\",b", "\"a\\\"|b|"},
        {"\"a,b", "\"a,b|"},
        {"\" a \"", "\" a \"|"},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        rn_bytes list = guarded_text(0, cases[i].list), element;
        char got[64] = "";
        while (rn_http_list_next(&list, &element)) {
            assert_true(element.len > 0);
            strncat(got, (const char *)element.ptr, element.len);
            strcat(got, "|");
        }
        assert_string_equal(got, cases[i].elements);
        assert_false(rn_http_list_next(&list, &element));
    }
    rn_bytes nothing = {NULL, 0}, element;
    assert_false(rn_http_list_next(&nothing, &element));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_elements)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
