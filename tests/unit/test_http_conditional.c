/*
 * Entity tags, and the table of conditional requests: RFC 9110, sections 8.8.3 and 13.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "proto/http_conditional.h"

#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static const int64_t modified = 784111777, now = 1717243200;

static void check_tag(uint64_t size, uint64_t modified_ns, uint64_t inode, const char *expected)
{
    char *to = guarded_space(0, RN_HTTP_ETAG_MAX);
    size_t len = rn_http_etag_format(to, size, modified_ns, inode);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(to, expected, len);
}

static void test_tag(void **state)
{
    check_tag(0, 0, 0, "\"0-0\"");
    check_tag(15, 16, 0, "\"15-16\"");
    check_tag(0x1A2B, 0xABCDEF0123456789, 0, "\"6699-12379813738877118345\"");
    check_tag(UINT64_MAX, UINT64_MAX, 0, "\"18446744073709551615-18446744073709551615\"");
    check_tag(1, 0, 1, "\"1-11400714819323198485\"");
    check_tag(1, 1, 1, "\"1-11400714819323198486\"");
    check_tag(1, 0, 2, "\"1-4354685564936845354\"");
}

static rn_bytes field(unsigned slot, const char *value)
{
    return value ? guarded_text(slot, value) : rn_bytes_of(NULL, 0);
}

/* What a request with these fields gets. */
static unsigned ask(const char *if_match, const char *unmodified, const char *if_none_match,
                    const char *modified_since, const struct rn_http_validators *current, bool get)
{
    struct rn_http_conditions conditions = {
        .if_match = field(0, if_match),
        .if_unmodified_since = field(1, unmodified),
        .if_none_match = field(2, if_none_match),
        .if_modified_since = field(3, modified_since),
    };
    return rn_http_precondition(&conditions, current, get, now);
}

static struct rn_http_validators with_tag(const char *tag)
{
    struct rn_http_validators current = {rn_bytes_of(tag, strlen(tag)), modified, true};
    return current;
}

/* Section 8.8.3.2, table 3, and lists. */
static void test_tag_lists(void **state)
{
    static const struct {
        const char *list;
        const char *tag;
        bool strong;
        bool weak;
    } cases[] = {
        {"W/\"1\"", "W/\"1\"", false, true},
        {"W/\"1\"", "W/\"2\"", false, false},
        {"W/\"1\"", "\"1\"", false, true},
        {"\"1\"", "W/\"1\"", false, true},
        {"\"1\"", "\"1\"", true, true},
        {"\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", "\"xyzzy\"", true, true},
        {"\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", "\"r2d2xxxx\"", true, true},
        {"\"xyzzy\",\"r2d2xxxx\",\"c3piozzzz\"", "\"c3piozzzz\"", true, true},
        {"W/\"a\", \"b\"", "\"b\"", true, true},
        {"W/\"a\", \"b\"", "\"a\"", false, true},
        {"\"a\",W/\"a\"", "\"a\"", true, true},
        {",, \"a\" ,", "\"a\"", true, true},
        {"\"a,b\"", "\"a,b\"", true, true},
        {"\"a,b\"", "\"b\"", false, false},
        {"\"x\",\"a,b\",\"y\"", "\"y\"", true, true},
        {"\"\"", "\"\"", true, true},
        {"*", "\"a\"", true, true},
        {"*", "W/\"a\"", true, true},
        {"*, \"b\"", "\"a\"", false, false},
        {"\"*\"", "\"a\"", false, false},
        {"", "\"a\"", false, false},
        {"a", "\"a\"", false, false},
        {"\"a", "\"a\"", false, false},
        {"w/\"a\"", "\"a\"", false, false},
        {"W/ \"a\"", "\"a\"", false, false},
        {"W/W/\"a\"", "\"a\"", false, false},
        {"\"A\"", "\"a\"", false, false},
        {"\"a\" \"b\"", "\"a\"", false, false},
        {"W/", "", false, false},
        {"W/", "W/", false, false},
        {"\"\"", "", false, false},
        {"W", "\"a\"", false, false},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_http_validators current = with_tag(cases[i].tag);
        unsigned status = ask(cases[i].list, NULL, NULL, NULL, &current, false);
        if (status != (cases[i].strong ? 0 : 412)) fail_msg("If-Match: %s", cases[i].list);
        status = ask(NULL, NULL, cases[i].list, NULL, &current, true);
        if (status != (cases[i].weak ? 304 : 0)) fail_msg("If-None-Match: %s", cases[i].list);
        status = ask(NULL, NULL, cases[i].list, NULL, &current, false);
        assert_int_equal(status, cases[i].weak ? 412 : 0);
    }
}

static void test_star(void **state)
{
    struct rn_http_validators current = {{NULL, 0}, RN_HTTP_NO_TIME, false};
    assert_int_equal(ask("*", NULL, NULL, NULL, &current, false), 412);
    assert_int_equal(ask(NULL, NULL, "*", NULL, &current, false), 0);
    assert_int_equal(ask("\"a\"", NULL, NULL, NULL, &current, false), 412);
    current.exists = true; /* but has no validators */
    assert_int_equal(ask("*", NULL, NULL, NULL, &current, false), 0);
    assert_int_equal(ask(NULL, NULL, "*", NULL, &current, false), 412);
    assert_int_equal(ask(NULL, NULL, "*", NULL, &current, true), 304);
    assert_int_equal(ask(NULL, AFTER, NULL, AFTER, &current, true), 0);
    assert_int_equal(ask(NULL, BEFORE, NULL, NULL, &current, true), 0);
}

/* The order of section 13.2.2. */
static void test_precedence(void **state)
{
    static const struct {
        const char *if_match, *unmodified, *if_none_match, *modified_since;
        unsigned get, other;
    } cases[] = {
        {NULL, NULL, NULL, NULL, 0, 0},
        /* dates alone */
        {NULL, BEFORE, NULL, NULL, 412, 412},
        {NULL, SAME, NULL, NULL, 0, 0},
        {NULL, AFTER, NULL, NULL, 0, 0},
        {NULL, NULL, NULL, BEFORE, 0, 0},
        {NULL, NULL, NULL, SAME, 304, 0},
        {NULL, NULL, NULL, AFTER, 304, 0},
        {NULL, NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT", 304, 0},
        {NULL, NULL, NULL, "Sun Nov  6 08:49:37 1994", 304, 0},
        /* no dates: ignored */
        {NULL, "yesterday", NULL, NULL, 0, 0},
        {NULL, BEFORE ", " BEFORE, NULL, NULL, 0, 0},
        {NULL, NULL, NULL, "tomorrow", 0, 0},
        {NULL, NULL, NULL, "", 0, 0},
        /* If-Match hides If-Unmodified-Since */
        {"\"e\"", BEFORE, NULL, NULL, 0, 0},
        {"\"x\"", AFTER, NULL, NULL, 412, 412},
        {"", AFTER, NULL, NULL, 412, 412},
        /* If-None-Match hides If-Modified-Since */
        {NULL, NULL, "\"e\"", BEFORE, 304, 412},
        {NULL, NULL, "\"x\"", AFTER, 0, 0},
        {NULL, NULL, "", AFTER, 0, 0},
        /* both steps */
        {"\"e\"", NULL, "\"e\"", NULL, 304, 412},
        {"\"e\"", NULL, "\"x\"", NULL, 0, 0},
        {"\"x\"", NULL, "\"e\"", NULL, 412, 412},
        {"\"e\"", NULL, NULL, SAME, 304, 0},
        {NULL, SAME, "\"e\"", NULL, 304, 412},
        {NULL, BEFORE, "\"e\"", NULL, 412, 412},
        {NULL, AFTER, NULL, SAME, 304, 0},
        {NULL, BEFORE, NULL, SAME, 412, 412},
    };
    struct rn_http_validators current = with_tag("\"e\"");
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        for (int get = 0; get < 2; get++) {
            unsigned status = ask(cases[i].if_match, cases[i].unmodified, cases[i].if_none_match,
                                  cases[i].modified_since, &current, get);
            if (status != (get ? cases[i].get : cases[i].other))
                fail_msg("case %zu, get %d: %u", i, get, status);
        }
    }
}

static void test_if_range(void **state)
{
    static const struct {
        const char *if_range;
        const char *tag;
        bool honoured;
    } cases[] = {
        {NULL, "\"e\"", true},
        {NULL, "", true},
        {"\"e\"", "\"e\"", true},
        {"\"x\"", "\"e\"", false},
        {"W/\"e\"", "\"e\"", false},
        {"\"e\"", "W/\"e\"", false},
        {"W/\"e\"", "W/\"e\"", false},
        {"*", "\"e\"", false},
        {"\"e\", \"x\"", "\"e\"", false},
        {"\"e\" ", "\"e\"", false},
        {"\"e", "\"e\"", false},
        {"", "\"e\"", false},
        {"", "", false},
        {"\"e\"", "", false},
        {SAME, "\"e\"", true},
        {SAME, "", true},
        {"Sunday, 06-Nov-94 08:49:37 GMT", "\"e\"", true},
        {BEFORE, "\"e\"", false},
        {AFTER, "\"e\"", false},
        {"Sun, 06 Nov 1994", "\"e\"", false},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_http_validators current = with_tag(cases[i].tag);
        if (rn_http_if_range(field(0, cases[i].if_range), &current, now) != cases[i].honoured)
            fail_msg("case %zu: %s", i, cases[i].if_range);
        current.modified_s = RN_HTTP_NO_TIME;
        bool date = cases[i].if_range && strstr(cases[i].if_range, "GMT");
        bool honoured = rn_http_if_range(field(0, cases[i].if_range), &current, now);
        assert_int_equal(honoured, cases[i].honoured && !date);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag),      cmocka_unit_test(test_tag_lists),
        cmocka_unit_test(test_star),     cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_if_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
