/*
 * Entity tags, and the table of conditional requests: RFC 9110, sections 8.8.3 and 13.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <runnel/http1.h>

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

/* What a request with these lines behind its host gets. */
static unsigned judge(const char *lines, const struct rn_http_validators *current)
{
    struct rn_http1_request request;
    char text[1024];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    rn_bytes head = guarded_text(0, text);
    rn_http1_request_init(&request);
    assert_int_equal(rn_http1_parse_head(&request, head.ptr, head.len), head.len);
    return rn_http_precondition(&request, head.ptr, current);
}

/* The same with these values, of which some are NULL. */
static unsigned ask(const char *if_match, const char *unmodified, const char *if_none_match,
                    const char *modified_since, const struct rn_http_validators *current)
{
    static const char *const names[] = {"If-Match", "If-Unmodified-Since", "If-None-Match",
                                        "If-Modified-Since"};
    const char *values[] = {if_match, unmodified, if_none_match, modified_since};
    char lines[512] = "";
    for (size_t i = 0; i < RN_COUNT(names); i++)
        if (values[i])
            sprintf(lines + strlen(lines), "%s: %s\r\n", names[i], values[i]);
    return judge(lines, current);
}

static struct rn_http_validators with_tag(const char *tag)
{
    struct rn_http_validators current = {rn_bytes_of(tag, strlen(tag)), modified, now};
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
        {"W/\"1\"", "\"1\"", false, true},
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
        {"W/\"1\"", "\"2\"", false, false},
        {"W/", "\"a\"", false, false},
        {"W", "\"a\"", false, false},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_http_validators current = with_tag(cases[i].tag);
        unsigned status = ask(cases[i].list, NULL, NULL, NULL, &current);
        if (status != (cases[i].strong ? 0 : 412)) fail_msg("If-Match: %s", cases[i].list);
        status = ask(NULL, NULL, cases[i].list, NULL, &current);
        if (status != (cases[i].weak ? 304 : 0)) fail_msg("If-None-Match: %s", cases[i].list);
    }
}

/* Section 5.3: the lines of a list field are one list, wherever they stand. */
static void test_spread_lists(void **state)
{
    static const struct {
        const char *lines;
        unsigned status;
    } cases[] = {
        {"If-Match: \"x\"\r\nIf-Match: \"e\"\r\n", 0},
        {"If-Match: \"e\"\r\nAccept: a\r\nIf-Match: \"x\", \"y\"\r\n", 0},
        {"If-Match: \"x\"\r\nIf-Match: \"y\"\r\n", 412},
        {"If-Match: \r\nIf-Match: W/\"e\"\r\n", 412},
        {"If-None-Match: \"x\"\r\nIf-None-Match: W/\"e\"\r\n", 304},
        {"If-None-Match: \"x\"\r\nIf-None-Match: *\r\n", 304},
        {"If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\nIf-Modified-Since: " SAME "\r\n", 0},
    };
    struct rn_http_validators current = with_tag("\"e\"");
    for (size_t i = 0; i < RN_COUNT(cases); i++)
        if (judge(cases[i].lines, &current) != cases[i].status) fail_msg("%s", cases[i].lines);
}

/* The order of section 13.2.2. */
static void test_precedence(void **state)
{
    static const struct {
        const char *if_match, *unmodified, *if_none_match, *modified_since;
        unsigned status;
    } cases[] = {
        {NULL, NULL, NULL, NULL, 0},
        /* dates alone */
        {NULL, BEFORE, NULL, NULL, 412},
        {NULL, SAME, NULL, NULL, 0},
        {NULL, AFTER, NULL, NULL, 0},
        {NULL, NULL, NULL, BEFORE, 0},
        {NULL, NULL, NULL, SAME, 304},
        {NULL, NULL, NULL, AFTER, 304},
        {NULL, NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT", 304},
        {NULL, NULL, NULL, "Sun Nov  6 08:49:37 1994", 304},
        /* no dates: ignored */
        {NULL, "yesterday", NULL, NULL, 0},
        {NULL, BEFORE ", " BEFORE, NULL, NULL, 0},
        {NULL, NULL, NULL, "tomorrow", 0},
        {NULL, NULL, NULL, "", 0},
        /* If-Match hides If-Unmodified-Since */
        {"\"e\"", BEFORE, NULL, NULL, 0},
        {"\"x\"", AFTER, NULL, NULL, 412},
        {"", AFTER, NULL, NULL, 412},
        /* If-None-Match hides If-Modified-Since */
        {NULL, NULL, "\"e\"", BEFORE, 304},
        {NULL, NULL, "\"x\"", AFTER, 0},
        {NULL, NULL, "", AFTER, 0},
        /* both steps */
        {"\"e\"", NULL, "\"e\"", NULL, 304},
        {"\"e\"", NULL, "\"x\"", NULL, 0},
        {"\"x\"", NULL, "\"e\"", NULL, 412},
        {"\"e\"", NULL, NULL, SAME, 304},
        {NULL, SAME, "\"e\"", NULL, 304},
        {NULL, BEFORE, "\"e\"", NULL, 412},
        {NULL, AFTER, NULL, SAME, 304},
        {NULL, BEFORE, NULL, SAME, 412},
    };
    struct rn_http_validators current = with_tag("\"e\"");
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        unsigned status = ask(cases[i].if_match, cases[i].unmodified, cases[i].if_none_match,
                              cases[i].modified_since, &current);
        if (status != cases[i].status) fail_msg("case %zu: %u", i, status);
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
        {"\"e\"", "\"e\"", true},
        {"\"x\"", "\"e\"", false},
        {"W/\"e\"", "\"e\"", false},
        {"*", "\"e\"", false},
        {"\"e\", \"x\"", "\"e\"", false},
        {"\"e\" ", "\"e\"", false},
        {"\"e", "\"e\"", false},
        {"", "\"e\"", false},
        {SAME, "\"e\"", true},
        {"Sunday, 06-Nov-94 08:49:37 GMT", "\"e\"", true},
        {BEFORE, "\"e\"", false},
        {AFTER, "\"e\"", false},
        {"Sun, 06 Nov 1994", "\"e\"", false},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_http_validators current = with_tag(cases[i].tag);
        const char *text = cases[i].if_range;
        rn_bytes field = text ? guarded_text(0, text) : rn_bytes_of(NULL, 0);
        if (rn_http_if_range(field, &current) != cases[i].honoured)
            fail_msg("case %zu: %s", i, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag),          cmocka_unit_test(test_tag_lists),
        cmocka_unit_test(test_spread_lists), cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_if_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
