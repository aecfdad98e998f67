/*
 * HTTP dates against the C library's calendar, and every single-byte change to each of the three
 * formats.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "guarded.h"
#include "proto/http_date.h"

enum { TEXT, BUFFER };

static const int64_t now_2024 = 1717243200;       /* 2024-06-01 12:00:00 */
static const int64_t last_second = 253402300799;  /* 9999-12-31 23:59:59 */
static const int64_t first_second = -62135596800; /* 0001-01-01 00:00:00 */

static const char imf[] = "%a, %d %b %Y %H:%M:%S GMT";
static const char rfc850[] = "%A, %d-%b-%y %H:%M:%S GMT";
static const char asctime_format[] = "%a %b %e %H:%M:%S %Y";
static const char asctime_zero[] = "%a %b %d %H:%M:%S %Y";

static void libc_format(char *to, size_t cap, const char *format, int64_t seconds)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    assert_non_null(gmtime_r(&t, &tm));
    assert_true(strftime(to, cap, format, &tm) > 0);
}

static void check_format(int64_t seconds, const char *expected)
{
    char *to = guarded_space(BUFFER, RN_HTTP_DATE_LEN);
    rn_http_date_format(to, seconds);
    if (memcmp(to, expected, RN_HTTP_DATE_LEN)) fail_msg("%.29s, not %s", to, expected);
}

static bool parse(const char *text, int64_t now, int64_t *seconds)
{
    return rn_http_date_parse(guarded_text(TEXT, text), now, seconds);
}

static void check_parse(const char *text, int64_t now, int64_t expected)
{
    int64_t seconds = 0x5A5A;
    if (!parse(text, now, &seconds)) fail_msg("refused: %s", text);
    if (seconds != expected) fail_msg("%s: %lld", text, (long long)seconds);
}

static void check_refused(const char *text)
{
    int64_t seconds = 0x5A5A;
    if (parse(text, now_2024, &seconds)) fail_msg("accepted: %s", text);
    assert_int_equal(seconds, 0x5A5A);
}

static void test_format(void **state)
{
    check_format(784111777, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110, section 5.6.7 */
    check_format(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_format(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    check_format(951782399, "Mon, 28 Feb 2000 23:59:59 GMT");
    check_format(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    check_format(4107542399, "Sun, 28 Feb 2100 23:59:59 GMT");
    check_format(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
    check_format(last_second, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_format(first_second, "Mon, 01 Jan 0001 00:00:00 GMT");
    check_format(first_second + 58 * 86400, "Wed, 28 Feb 0001 00:00:00 GMT");
}

static void test_format_limits(void **state)
{
    check_format(last_second + 1, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_format(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_format(first_second - 1, "Mon, 01 Jan 0001 00:00:00 GMT");
    check_format(INT64_MIN, "Mon, 01 Jan 0001 00:00:00 GMT");
}

static void test_rfc_examples(void **state)
{
    check_parse("Sun, 06 Nov 1994 08:49:37 GMT", now_2024, 784111777);
    check_parse("Sunday, 06-Nov-94 08:49:37 GMT", now_2024, 784111777);
    check_parse("Sun Nov  6 08:49:37 1994", now_2024, 784111777);
    check_parse("Sun Nov 06 08:49:37 1994", now_2024, 784111777);
}

static void test_edges(void **state)
{
    check_parse("Fri, 31 Dec 9999 23:59:59 GMT", now_2024, last_second);
    check_parse("Fri Dec 31 23:59:59 9999", now_2024, last_second);
    check_parse("Mon, 01 Jan 0001 00:00:00 GMT", now_2024, first_second);
    check_parse("Wed, 31 Dec 1969 23:59:59 GMT", now_2024, -1);
    check_parse("Thu Feb 29 00:00:00 2024", now_2024, 1709164800);
    /* a leap second: the last second of that day */
    check_parse("Sat, 31 Dec 2016 23:59:60 GMT", now_2024, 1483228799);
    check_parse("Saturday, 31-Dec-16 23:59:60 GMT", now_2024, 1483228799);
    check_parse("Sat Dec 31 23:59:60 2016", now_2024, 1483228799);
}

static void test_refused(void **state)
{
    static const char *const dates[] = {
        "",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun  06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 23:59:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Nov 1994 08:49:37 GMT",
        "Thu, 01 Foo 1994 08:49:37 GMT",
        "Thu, 29 Feb 2023 00:00:00 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Mon, 29 Feb 2100 00:00:00 GMT",
        "Sat, 01 Jan 0000 00:00:00 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994 -8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday,  6-Nov-94 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "SundayMon, 06-Nov-94 08:49:37 GMT",
        "Sundaa, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 EST",
        "Sunday, 06-Nov-94 08:49:37",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
        "Mon Nov  6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994\n",
        "Sun, Nov 6 08:49:37 1994",
        "1994-11-06T08:49:37Z",
        /* the day of now_2024 in 50 years: a date must not be made up from the present */
        "Friday; 06-Nov-94 08:49:37 GMT",
        "Friday,_01-Jun-74 12:00:00 GMT",
        "Fri.Jun 01 12:00:00 2074",
    };
    for (size_t i = 0; i < RN_COUNT(dates); i++) check_refused(dates[i]);
    int64_t seconds;
    assert_false(rn_http_date_parse(rn_bytes_of(NULL, 0), now_2024, &seconds));
}

static void test_two_digit_years(void **state)
{
    /* more than 50 years ahead is a hundred years ago */
    char text[64];
    int64_t limit = now_2024 + 1577847600; /* 50 mean years of 365.2425 days */
    libc_format(text, sizeof(text), rfc850, limit);
    check_parse(text, now_2024, limit);
    int64_t earlier = limit + 1 - (int64_t)36525 * 86400;
    libc_format(text, sizeof(text), rfc850, earlier);
    check_parse(text, now_2024, earlier);
    check_parse("Friday, 01-Jun-74 11:59:59 GMT", now_2024, 3295079999);
    check_parse("Saturday, 01-Jun-24 12:00:00 GMT", now_2024, now_2024);
    check_parse("Sunday, 01-Jun-75 12:00:00 GMT", now_2024, 170856000);
    check_parse("Friday, 31-Dec-99 23:59:59 GMT", now_2024, 946684799);
    check_parse("Saturday, 01-Jan-00 00:00:00 GMT", now_2024, 946684800);
    check_parse("Thursday, 01-Jan-70 00:00:00 GMT", 86400, 0);
    check_parse("Wednesday, 31-Dec-69 00:00:00 GMT", 86400, -86400);
    check_parse("Saturday, 01-Jan-00 00:00:00 GMT", 86400, 946684800);
    /* in 2080 the year 10 is one to come */
    check_parse("Wednesday, 01-Jan-10 00:00:00 GMT", 3471292800, 4417977600);
    /* the day of the week is that of the year that was found */
    check_refused("Tuesday, 01-Jun-75 12:00:00 GMT");
}

static void test_round_trips(void **state)
{
    uint64_t random = 7;
    for (int i = 0; i < 100000; i++) {
        int64_t seconds = (int64_t)(next_random(&random) % (uint64_t)(last_second + 1)), back;
        if (i & 1) seconds %= 4294967296;
        char expected[64], *text = guarded_space(BUFFER, RN_HTTP_DATE_LEN);
        libc_format(expected, sizeof(expected), imf, seconds);
        rn_http_date_format(text, seconds);
        assert_memory_equal(text, expected, RN_HTTP_DATE_LEN);
        assert_true(rn_http_date_parse(rn_bytes_of(text, RN_HTTP_DATE_LEN), seconds, &back));
        assert_int_equal(back, seconds);

        libc_format(expected, sizeof(expected), asctime_format, seconds);
        check_parse(expected, seconds, seconds);
        /* up to 50 years from it, either way; a day less for what a calendar makes of that */
        libc_format(expected, sizeof(expected), rfc850, seconds);
        int64_t span = 50 * (int64_t)31556952 - 86400;
        check_parse(expected, seconds + (int64_t)(next_random(&random) % (uint64_t)span), seconds);
        check_parse(expected, seconds - (int64_t)(next_random(&random) % (uint64_t)span), seconds);
    }
}

static void test_every_day(void **state)
{
    /* 1896 to 2104, with two years that are no leap years */
    for (int64_t day = -27028; day < 48943; day++) {
        char expected[64];
        libc_format(expected, sizeof(expected), imf, day * 86400 + 86399);
        check_format(day * 86400 + 86399, expected);
        check_parse(expected, now_2024, day * 86400 + 86399);
    }
}

/* Whatever is accepted after one byte was changed must be another date in that very format. */
static void mutate(const char *text, const char *format, const char *other)
{
    char changed[64], again[64];
    unsigned accepted = 0;
    for (size_t at = 0; at < strlen(text); at++) {
        for (int byte = 0; byte < 256; byte++) {
            int64_t seconds;
            strcpy(changed, text);
            changed[at] = (char)byte;
            rn_bytes in = guarded_copy(TEXT, changed, strlen(text));
            if (!rn_http_date_parse(in, now_2024, &seconds)) continue;
            libc_format(again, sizeof(again), format, seconds);
            if (memcmp(changed, again, strlen(text)))
                libc_format(again, sizeof(again), other, seconds);
            assert_memory_equal(changed, again, strlen(text));
            accepted++;
        }
        /* and cut short there */
        int64_t seconds;
        assert_false(rn_http_date_parse(guarded_copy(TEXT, text, at), now_2024, &seconds));
    }
    assert_true(accepted >= strlen(text) + 9 * 4); /* itself; other digits of the time */
}

static void test_every_change(void **state)
{
    mutate("Sun, 06 Nov 1994 08:49:37 GMT", imf, imf);
    mutate("Sunday, 06-Nov-94 08:49:37 GMT", rfc850, rfc850);
    mutate("Wednesday, 09-Nov-94 08:49:37 GMT", rfc850, rfc850);
    mutate("Sun Nov  6 08:49:37 1994", asctime_format, asctime_zero);
    mutate("Sun Nov 13 08:49:37 1994", asctime_format, asctime_zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),       cmocka_unit_test(test_format_limits),
        cmocka_unit_test(test_rfc_examples), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_two_digit_years),
        cmocka_unit_test(test_round_trips),  cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
