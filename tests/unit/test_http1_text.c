/*
 * Looking up fields in a head, and the classes of bytes. What a class holds is told here by its
 * grammar, independently of the table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <runnel/http1.h>
#include "proto/http1_text.h"

#include "guarded.h"

static bool is_letter(unsigned byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static bool is_digit(unsigned byte)
{
    return byte >= '0' && byte <= '9';
}

static bool one_of(unsigned byte, const char *set)
{
    return byte && strchr(set, (int)byte);
}

static unsigned expected_class(unsigned byte)
{
    /* RFC 3986, section 2: unreserved, sub-delims and '%'; section 3.3: pchar. */
    bool unreserved = is_letter(byte) || is_digit(byte) || one_of(byte, "-._~");
    bool pchar = unreserved || one_of(byte, "!$&'()*+,;=%:@");
    unsigned class = 0;
    if (is_letter(byte) || is_digit(byte) || one_of(byte, "!#$%&'*+-.^_`|~"))
        class |= RN_HTTP1_TOKEN;
    if (pchar || one_of(byte, "/[]|")) class |= RN_HTTP1_PATH;
    if (pchar || one_of(byte, "/?[]|^`{}\\")) class |= RN_HTTP1_QUERY;
    if (unreserved || one_of(byte, "!$&'()*+;=%")) class |= RN_HTTP1_HOST;
    if (byte == '\t' || (byte >= 0x20 && byte <= 0x7e) || byte >= 0x80) class |= RN_HTTP1_VALUE;
    if (one_of(byte, " \t")) class |= RN_HTTP1_SPACE;
    if (is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')) class |= RN_HTTP1_HEX;
    if (class & RN_HTTP1_HEX || one_of(byte, ":.")) class |= RN_HTTP1_IPV6;
    return class;
}

static void test_classes(void **state)
{
    for (unsigned byte = 0; byte < 256; byte++)
        if (rn_http1_class[byte] != expected_class(byte))
            fail_msg("%02x is %02x, not %02x", byte, rn_http1_class[byte], expected_class(byte));
}

static bool has(const char *list, const char *token)
{
    return rn_http1_list_has(guarded_copy(0, list, strlen(list)), token);
}

static void test_list_has(void **state)
{
    assert_true(has("chunked", "chunked"));
    assert_true(has("ChunkeD", "cHUNKEd"));
    assert_true(has("a,b", "a"));
    assert_true(has("a,b", "b"));
    assert_true(has(" ,\t a ,, b\t", "b"));
    assert_true(has("a;q=1", "a;q=1"));
    assert_false(has("", "a"));
    assert_false(has(",, ", "a"));
    assert_false(has("ab", "a"));
    assert_false(has("a", "ab"));
    assert_false(has("a b", "a"));
    assert_false(has("a;q=1", "a"));
    assert_false(has("\"x, a ,y\"", "a"));
    assert_false(rn_http1_list_has(rn_bytes_of(NULL, 0), "a"));
}

static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n"
                           "X-A: 1\r\nx-a:\r\nX-B: 2\r\nX-a: 3\r\n\r\n";

static void parse(struct rn_http1_request *request)
{
    rn_http1_request_init(request);
    rn_ssize len = rn_http1_parse_head(request, (const uint8_t *)text, sizeof text - 1);
    assert_int_equal(len, sizeof text - 1);
}

static void test_find_field(void **state)
{
    const uint8_t *head = (const uint8_t *)text;
    struct rn_http1_request request;
    parse(&request);
    assert_ptr_equal(rn_http1_find_field(&request, head, "host").ptr, strstr(text, "h\r\n"));
    rn_bytes value = rn_http1_find_field(&request, head, "X-A");
    assert_int_equal(value.len, 1);
    assert_int_equal(value.ptr[0], '1');
    assert_int_equal(rn_http1_find_field(&request, head, "x-b").ptr[0], '2');
    assert_null(rn_http1_find_field(&request, head, "X").ptr);
    assert_null(rn_http1_find_field(&request, head, "X-AB").ptr);
    assert_null(rn_http1_find_field(&request, head, "").ptr);
    request.field_count = 0;
    assert_null(rn_http1_find_field(&request, head, "host").ptr);
}

static void test_next_field(void **state)
{
    const uint8_t *head = (const uint8_t *)text;
    struct rn_http1_request request;
    rn_bytes value;
    unsigned index = 0;
    parse(&request);
    assert_true(rn_http1_next_field(&request, head, "x-A", &index, &value));
    assert_int_equal(value.len, 1);
    assert_int_equal(value.ptr[0], '1');
    assert_true(rn_http1_next_field(&request, head, "x-A", &index, &value));
    assert_int_equal(value.len, 0);
    assert_non_null(value.ptr);
    assert_true(rn_http1_next_field(&request, head, "x-A", &index, &value));
    assert_int_equal(value.ptr[0], '3');
    assert_false(rn_http1_next_field(&request, head, "x-A", &index, &value));
    assert_false(rn_http1_next_field(&request, head, "x-A", &index, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_list_has),
        cmocka_unit_test(test_find_field),
        cmocka_unit_test(test_next_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
