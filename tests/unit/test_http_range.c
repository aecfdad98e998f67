/*
 * Byte ranges: the RFC's examples, every limit, random fields against marking each byte, and
 * multipart lengths against what is written.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "guarded.h"
#include "proto/http_range.h"

enum { IGNORED = RN_HTTP_RANGE_IGNORED, UNSATISFIABLE = RN_HTTP_RANGE_UNSATISFIABLE };

static struct rn_http_range *parse(const char *value, uint64_t size, int *count)
{
    struct rn_http_range *ranges =
        guarded_space(1, RN_HTTP_RANGES_MAX * sizeof(struct rn_http_range));
    *count = rn_http_range_parse(ranges, guarded_text(0, value), size);
    return ranges;
}

/* "offset+length " for each. */
static void check(const char *value, uint64_t size, const char *expected)
{
    char got[1024] = "";
    int count;
    struct rn_http_range *ranges = parse(value, size, &count);
    if (count <= 0) fail_msg("%s: %d", value, count);
    for (int i = 0; i < count; i++)
        sprintf(got + strlen(got), "%llu+%llu ", (unsigned long long)ranges[i].offset,
                (unsigned long long)ranges[i].length);
    assert_string_equal(got, expected);
}

static void check_none(const char *value, uint64_t size, int expected)
{
    int count;
    parse(value, size, &count);
    if (count != expected) fail_msg("%s: %d", value, count);
}

/* Section 14.1.2, for a representation of 10,000 bytes. */
static void test_rfc_examples(void **state)
{
    check("bytes=0-499", 10000, "0+500 ");
    check("bytes=500-999", 10000, "500+500 ");
    check("bytes=-500", 10000, "9500+500 ");
    check("bytes=9500-", 10000, "9500+500 ");
    check("bytes=0-0,-1", 10000, "0+1 9999+1 ");
    check("bytes= 0-0, -2", 10000, "0+1 9998+2 ");
    check("bytes= 0-999, 4500-5499, -1000", 10000, "0+1000 4500+1000 9000+1000 ");
    check("bytes=500-600,601-999", 10000, "500+101 601+399 ");
    check("bytes=500-700,601-999", 10000, "500+500 ");
}

static void test_single(void **state)
{
    check("bytes=0-", 1, "0+1 ");
    check("bytes=0-0", 1, "0+1 ");
    check("bytes=-1", 1, "0+1 ");
    check("bytes=-2", 1, "0+1 ");
    check("bytes=0-5", 1, "0+1 ");
    check("bytes=3-3", 10, "3+1 ");
    check("bytes=9-", 10, "9+1 ");
    check("bytes=9-9", 10, "9+1 ");
    check("bytes=9-10", 10, "9+1 ");
    check("bytes=0-9", 10, "0+10 ");
    check("bytes=0-8", 10, "0+9 ");
    check("bytes=-10", 10, "0+10 ");
    check("bytes=007-008", 10, "7+2 ");
    check("BYTES=1-2", 10, "1+2 ");
    check("bytes=,1-2", 10, "1+2 ");
    check("bytes=1-2,,", 10, "1+2 ");
    check("bytes=1-2 ,\t3-3", 10, "1+2 3+1 ");
}

static void test_large_numbers(void **state)
{
    check("bytes=0-18446744073709551615", 10, "0+10 ");
    check("bytes=0-18446744073709551616", 10, "0+10 ");
    check("bytes=0-99999999999999999999999999999999", 10, "0+10 ");
    check("bytes=-99999999999999999999999999999999", 10, "0+10 ");
    check("bytes=4294967296-4294967297", 5000000000, "4294967296+2 ");
    check("bytes=-1", INT64_MAX, "9223372036854775806+1 ");
    check("bytes=9223372036854775806-", INT64_MAX, "9223372036854775806+1 ");
    check("bytes=9223372036854775800-9223372036854775806", INT64_MAX, "9223372036854775800+7 ");
    check("bytes=1844674407370955160-1844674407370955161", INT64_MAX, "1844674407370955160+2 ");
    check_none("bytes=9223372036854775807-", INT64_MAX, UNSATISFIABLE);
    check_none("bytes=18446744073709551610-", INT64_MAX, UNSATISFIABLE);
    check_none("bytes=18446744073709551615-", INT64_MAX, UNSATISFIABLE);
    check_none("bytes=18446744073709551616-", INT64_MAX, UNSATISFIABLE);
    check_none("bytes=99999999999999999999999-", INT64_MAX, UNSATISFIABLE);
    check_none("bytes=99999999999999999999999-99999999999999999999998", 10, UNSATISFIABLE);
    check_none("bytes=18446744073709551617-1", 10, IGNORED); /* doesn't wrap to 1-1 */
}

static void test_unsatisfiable(void **state)
{
    check_none("bytes=10-", 10, UNSATISFIABLE);
    check_none("bytes=10-20", 10, UNSATISFIABLE);
    check_none("bytes=-0", 10, UNSATISFIABLE);
    check_none("bytes=-00", 10, UNSATISFIABLE);
    check_none("bytes=10-,20-,-0", 10, UNSATISFIABLE);
    check("bytes=10-,0-0,20-", 10, "0+1 "); /* one of them will do */
}

static void test_ignored(void **state)
{
    static const char *const values[] = {
        "",           "bytes",       "bytes=",     "bytes=,",       "bytes= ,",    "bytes=-",
        "bytes=a",    "bytes=0",     "bytes=0-a",  "bytes=a-0",     "bytes=0--1",  "bytes=--1",
        "bytes=0-1-", "bytes=0-1-2", "bytes=1-0",  "bytes=0-0,2-1", "bytes=0-0,x", "bytes=0-0 1-1",
        "bytes=0 -1", "bytes=0- 1",  "bytes=- 1",  "bytes=+0-1",    "bytes=0x0-1", "bytes=\"0-1\"",
        "byte=0-1",   "bits=0-1",    "items=0-1",  "bytes:0-1",     "bytes 0-1",   "bytes =0-1",
        " bytes=0-1", "0-1",         "bytesx=0-1", "bytes=0-1;x",   "bytes=*",     "bytes=-1-",
    };
    for (size_t i = 0; i < RN_COUNT(values); i++) check_none(values[i], 10, IGNORED);
    check_none("bytes=0-0", 0, IGNORED);
    struct rn_http_range ranges[RN_HTTP_RANGES_MAX];
    assert_int_equal(rn_http_range_parse(ranges, rn_bytes_of(NULL, 0), 10), IGNORED);
    check_none("bytes=-1", 0, IGNORED);
    check_none("bytes=5-", 0, IGNORED);
}

static void test_count_limit(void **state)
{
    char value[256] = "bytes=0-0", expected[256] = "0+1 ";
    for (int i = 1; i < RN_HTTP_RANGES_MAX; i++) {
        sprintf(value + strlen(value), ",%d-%d", 2 * i, 2 * i);
        sprintf(expected + strlen(expected), "%d+1 ", 2 * i);
    }
    check(value, 100, expected);
    strcat(value, ",,");
    check(value, 100, expected);
    char more[300];
    sprintf(more, "%s,90-90", value);
    check_none(more, 100, IGNORED);
    sprintf(more, "%s,200-", value); /* those behind the end count as well */
    check_none(more, 100, IGNORED);
    sprintf(more, "%s,0-0", value);
    check_none(more, 100, IGNORED);
}

static void test_overlaps(void **state)
{
    check("bytes=0-4,2-6", 10, "0+7 ");
    check("bytes=2-6,0-4", 10, "0+7 ");
    check("bytes=0-,0-,0-,0-", 10, "0+10 ");
    check("bytes=0-9,3-4", 10, "0+10 ");
    check("bytes=3-4,0-9", 10, "0+10 ");
    check("bytes=0-1,4-5,1-4", 10, "0+6 ");
    check("bytes=0-1,4-5,8-9,1-8", 10, "0+10 ");
    check("bytes=8-9,0-1", 10, "8+2 0+2 "); /* in the order asked for */
    check("bytes=0-4,5-9", 10, "0+5 5+5 "); /* side by side is no overlap */
    check("bytes=5-9,0-4", 10, "5+5 0+5 ");
    check("bytes=0-5,5-9", 10, "0+10 ");
    check("bytes=-5,-3", 10, "5+5 ");
    /* CVE-2011-3192 */
    check("bytes=0-,5-0005,5-6,5-7,5-8,5-9", 1000, "0+1000 ");
}

/* Each byte asked for is in exactly one range, and no other is. */
static void test_random(void **state)
{
    uint64_t random = 3;
    unsigned many = 0, joined = 0;
    for (int round = 0; round < 50000; round++) {
        char value[512] = "bytes=";
        bool due[200] = {false}, covered[200] = {false}, any = false;
        unsigned size = (unsigned)(next_random(&random) % 200) + 1;
        int specs = (int)(next_random(&random) % RN_HTTP_RANGES_MAX) + 1;
        for (int i = 0; i < specs; i++) {
            unsigned first = (unsigned)(next_random(&random) % 220), kind = 2;
            unsigned last = first + (unsigned)(next_random(&random) % 9);
            if (next_random(&random) % 8 == 0) kind = (unsigned)(next_random(&random) % 3);
            char *end = value + strlen(value);
            if (i) *end++ = ',';
            if (kind == 0) {
                sprintf(end, "%u-", first);
                last = size;
            } else if (kind == 1) {
                sprintf(end, "-%u", last);
                first = last < size ? size - last : 0;
                last = size;
            } else {
                sprintf(end, "%u-%u", first, last);
            }
            for (unsigned at = first; at <= last && at < size; at++) any = due[at] = true;
        }
        int count;
        struct rn_http_range *ranges = parse(value, size, &count);
        assert_int_equal(count, any ? count : UNSATISFIABLE);
        assert_true(!any || (count > 0 && count <= specs));
        for (int i = 0; i < count; i++) {
            assert_true(ranges[i].length > 0 && ranges[i].offset + ranges[i].length <= size);
            for (uint64_t at = 0; at < ranges[i].length; at++) {
                assert_false(covered[ranges[i].offset + at]);
                covered[ranges[i].offset + at] = true;
            }
        }
        assert_memory_equal(due, covered, sizeof(due));
        many += count > 4;
        joined += count < specs;
    }
    assert_true(many > 1000 && joined > 1000);
}

static void test_content_range(void **state)
{
    char *to = guarded_space(0, RN_HTTP_CONTENT_RANGE_MAX);
    struct rn_http_range range = {0, 50};
    size_t len = rn_http_content_range(to, &range, 500);
    assert_int_equal(len, 14);
    assert_memory_equal(to, "bytes 0-49/500", len);
    len = rn_http_content_range(to, NULL, 500);
    assert_int_equal(len, 11);
    assert_memory_equal(to, "bytes */500", len);
    range.offset = UINT64_MAX - 1;
    range.length = 1;
    len = rn_http_content_range(to, &range, UINT64_MAX);
    const char *longest = "bytes 18446744073709551614-18446744073709551614/18446744073709551615";
    assert_int_equal(len, RN_HTTP_CONTENT_RANGE_MAX);
    assert_memory_equal(to, longest, len);
}

static void check_delimiter(const struct rn_http_multipart *multipart,
                            const struct rn_http_range *range, const char *expected)
{
    char *to = guarded_space(0, RN_HTTP_PART_DELIMITER_MAX);
    size_t len = rn_http_part_delimiter(to, multipart, range);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(to, expected, len);
}

static void test_multipart(void **state)
{
    struct rn_http_multipart multipart = {42, 8000, RN_BYTES("text/plain")};
    struct rn_http_range ranges[] = {{500, 500}, {7000, 1000}};
    const char *first = "\r\n--42\r\nContent-Type: text/plain\r\n"
                        "Content-Range: bytes 500-999/8000\r\n\r\n";
    const char *second = "\r\n--42\r\nContent-Type: text/plain\r\n"
                         "Content-Range: bytes 7000-7999/8000\r\n\r\n";
    const char *last = "\r\n--42--\r\n";
    check_delimiter(&multipart, &ranges[0], first);
    check_delimiter(&multipart, &ranges[1], second);
    check_delimiter(&multipart, NULL, last);
    size_t around = strlen(first) + strlen(second) + strlen(last);
    assert_int_equal(rn_http_multipart_length(&multipart, ranges, 2), around + 1500);
    assert_int_equal(rn_http_multipart_length(&multipart, ranges, 0), strlen(last));

    char *to = guarded_space(0, RN_HTTP_MULTIPART_TYPE_MAX);
    size_t len = rn_http_multipart_type(to, &multipart);
    assert_int_equal(len, 33);
    assert_memory_equal(to, "multipart/byteranges; boundary=42", len);
}

static void test_multipart_limits(void **state)
{
    char type[RN_HTTP_PART_TYPE_MAX];
    memset(type, 'x', sizeof(type));
    struct rn_http_multipart multipart = {UINT64_MAX, UINT64_MAX, RN_BYTES("")};
    struct rn_http_range range = {UINT64_MAX - 2, 2};
    check_delimiter(&multipart, &range,
                    "\r\n--18446744073709551615\r\nContent-Type: \r\nContent-Range: bytes "
                    "18446744073709551613-18446744073709551614/18446744073709551615\r\n\r\n");
    size_t without = rn_http_part_delimiter(guarded_space(0, 240), &multipart, &range);
    multipart.type = rn_bytes_of(type, sizeof(type));
    char *to = guarded_space(0, RN_HTTP_PART_DELIMITER_MAX);
    size_t len = rn_http_part_delimiter(to, &multipart, &range);
    assert_int_equal(len, without + sizeof(type));
    assert_true(len <= RN_HTTP_PART_DELIMITER_MAX);

    to = guarded_space(0, RN_HTTP_MULTIPART_TYPE_MAX);
    assert_true(rn_http_multipart_type(to, &multipart) <= RN_HTTP_MULTIPART_TYPE_MAX);

    /* as large as a file can be */
    multipart.size = INT64_MAX;
    struct rn_http_range whole[] = {{0, INT64_MAX - 1}, {INT64_MAX - 1, 1}};
    uint64_t length = rn_http_multipart_length(&multipart, whole, 2);
    assert_true(length > (uint64_t)INT64_MAX && length < (uint64_t)INT64_MAX + 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_examples),     cmocka_unit_test(test_single),
        cmocka_unit_test(test_large_numbers),    cmocka_unit_test(test_unsatisfiable),
        cmocka_unit_test(test_ignored),          cmocka_unit_test(test_count_limit),
        cmocka_unit_test(test_overlaps),         cmocka_unit_test(test_random),
        cmocka_unit_test(test_content_range),    cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_multipart_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
