/*
 * Reason phrases: every one in the table, spelled as in RFC 9110, section 15, and RFC 6585, and no
 * other.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <runnel/http1.h>

static const struct {
    unsigned status;
    const char *phrase;
} phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

/* In order, so that what lies between two entries must be unknown. */
static void test_phrases(void **state)
{
    size_t next = 0;
    for (unsigned status = 0; status < 2000; status++) {
        bool known = next < RN_COUNT(phrases) && phrases[next].status == status;
        assert_string_equal(rn_http1_reason(status), known ? phrases[next].phrase : "Unknown");
        next += known;
    }
    assert_int_equal(next, RN_COUNT(phrases));
    assert_string_equal(rn_http1_reason(UINT32_MAX), "Unknown");
    assert_string_equal(rn_http1_reason(200 + 65536), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_phrases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
