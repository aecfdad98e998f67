/*
 * Values of fields for ranges and conditions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <runnel/http_client.h>

static void ranges(void **state)
{
    static const struct {
        uint64_t first, last;
        const char *text;
    } cases[] = {
        {0, 0, "bytes=0-0"},
        {5, UINT64_MAX, "bytes=5-"},
        {UINT64_MAX - 1, UINT64_MAX - 1, "bytes=18446744073709551614-18446744073709551614"},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        char to[RN_HTTP_RANGE_TEXT_MAX];
        size_t len = rn_http_range_text(to, cases[i].first, cases[i].last);
        assert_int_equal(len, strlen(cases[i].text));
        assert_memory_equal(to, cases[i].text, len);
    }
}

#define NONE UINT64_MAX

static void parts(void **state)
{
    static const struct {
        const char *value;
        struct rn_http_part part;
    } good[] = {
        {"bytes 0-0/1", {0, 0, 1}},
        {"Bytes 5-9/*", {5, 9, NONE}},
        {"bytes */12", {NONE, NONE, 12}},
        {"bytes */0", {NONE, NONE, 0}},
        {"bytes 1-18446744073709551613/18446744073709551614",
         {1, 18446744073709551613u, 18446744073709551614u}},
    };
    static const char *const bad[] = {
        "",            "bytes",       "bytes ",     "bytes  0-0/1",   "items 0-0/1", "bytes=0-0/1",
        "bytes 0-0",   "bytes 0-0/",  "bytes -0/1", "bytes 0-/1",     "bytes 1-0/5", "bytes 0-5/5",
        "bytes 0-0/x", "bytes a-0/1", "bytes */*",  "bytes */",       "bytes *",     "bytes 0-1/2 ",
        "bytes 0-0/18446744073709551615", "bytes 0-0/18446744073709551616", "bytes 0-0/-1",
    };
    struct rn_http_part part;
    for (size_t i = 0; i < RN_COUNT(good); i++) {
        rn_bytes value = rn_bytes_of(good[i].value, strlen(good[i].value));
        assert_int_equal(rn_http_part_parse(&part, value), 0);
        assert_memory_equal(&part, &good[i].part, sizeof part);
    }
    for (size_t i = 0; i < RN_COUNT(bad); i++) {
        rn_bytes value = rn_bytes_of(bad[i], strlen(bad[i]));
        if (rn_http_part_parse(&part, value) != RN_E_PROTOCOL) fail_msg("%s", bad[i]);
    }
    assert_int_equal(rn_http_part_parse(&part, (rn_bytes){NULL, 0}), RN_E_PROTOCOL);
}

static void dates(void **state)
{
    char to[RN_HTTP_DATE_TEXT];
    int64_t seconds = 0;
    rn_http_date_text(to, 784111777);
    assert_memory_equal(to, "Sun, 06 Nov 1994 08:49:37 GMT", RN_HTTP_DATE_TEXT);
    assert_true(rn_http_date_read(rn_bytes_of(to, sizeof to), 0, &seconds));
    assert_int_equal(seconds, 784111777);
    assert_false(rn_http_date_read(RN_BYTES("yesterday"), 0, &seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(parts),
        cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
