/*
 * A request written out is the request that was meant, as the server's parser reads it; and nothing
 * can be smuggled in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include <runnel/http1_client.h>

#include "guarded.h"

static rn_bytes text(const char *from) { return rn_bytes_of(from, strlen(from)); }

static void request_lines(void **state)
{
    static const char *const good[][3] = {
        {"GET", "/", "GET / HTTP/1.1\r\n"},
        {"OPTIONS", "*", "OPTIONS * HTTP/1.1\r\n"},
        {"CONNECT", "[::1]:443", "CONNECT [::1]:443 HTTP/1.1\r\n"},
        {"x-1!", "http://a/b?c=%20", "x-1! http://a/b?c=%20 HTTP/1.1\r\n"},
    };
    for (size_t i = 0; i < RN_COUNT(good); i++) {
        size_t len = strlen(good[i][2]);
        for (size_t cap = 0; cap <= len; cap++) {
            uint8_t *to = guarded_space(0, cap);
            rn_ssize written = rn_http1_emit_request(to, cap, text(good[i][0]), text(good[i][1]));
            assert_int_equal(written, cap < len ? RN_E_LIMIT : (rn_ssize)len);
            if (cap == len) assert_memory_equal(to, good[i][2], len);
        }
    }
    static const char *const bad[][2] = {
        {"", "/"},       {"G T", "/"},     {"GET\r\n", "/"}, {"GET", ""},
        {"GET", "/a b"}, {"GET", "/\r\n"}, {"GET", "/#a"},   {"GET", "/\x80"},
    };
    uint8_t to[64];
    for (size_t i = 0; i < RN_COUNT(bad); i++)
        assert_int_equal(rn_http1_emit_request(to, sizeof to, text(bad[i][0]), text(bad[i][1])),
                         RN_E_MISUSE);
}

static void fields(void **state)
{
    static const char *const good[][3] = {
        {"Host", "a", "Host: a\r\n"},
        {"X", "", "X: \r\n"},
        {"a-b", "c, \t\"d\" \xff", "a-b: c, \t\"d\" \xff\r\n"},
    };
    for (size_t i = 0; i < RN_COUNT(good); i++) {
        size_t len = strlen(good[i][2]);
        for (size_t cap = 0; cap <= len; cap++) {
            uint8_t *to = guarded_space(0, cap);
            rn_ssize written = rn_http1_emit_field(to, cap, text(good[i][0]), text(good[i][1]));
            assert_int_equal(written, cap < len ? RN_E_LIMIT : (rn_ssize)len);
            if (cap == len) assert_memory_equal(to, good[i][2], len);
        }
    }
    static const char *const bad[][2] = {
        {"", "a"}, {"a b", ""}, {"a:", ""}, {"a\n", ""}, {"a", "b\r\nc: d"}, {"a", "\n"},
        {"a", "\x7f"},
    };
    uint8_t to[64];
    for (size_t i = 0; i < RN_COUNT(bad); i++)
        assert_int_equal(rn_http1_emit_field(to, sizeof to, text(bad[i][0]), text(bad[i][1])),
                         RN_E_MISUSE);
    assert_int_equal(rn_http1_emit_field(to, sizeof to, text("a"), rn_bytes_of("\0", 1)),
                     RN_E_MISUSE);
}

/* Read back by the decoder. */
static void chunks(void **state)
{
    static const uint32_t lengths[] = {1, 9, 10, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536};
    for (size_t i = 0; i < RN_COUNT(lengths); i++) {
        uint32_t len = lengths[i];
        uint8_t *to = guarded_space(0, RN_HTTP1_CHUNK_LINE + len + 2);
        memset(to + RN_HTTP1_CHUNK_LINE, 'x', len);
        size_t at = rn_http1_emit_chunk(to, len), end = RN_HTTP1_CHUNK_LINE + len + 2u;
        struct rn_http1_request request = {.framing = RN_HTTP1_CHUNKED};
        struct rn_http1_body body;
        rn_bytes data;
        rn_http1_body_init(&body, &request);
        rn_ssize used = rn_http1_body_next(&body, to + at, end - at, &data);
        assert_int_equal(used, end - at - 2);
        assert_int_equal(data.len, len);
        assert_ptr_equal(data.ptr, to + RN_HTTP1_CHUNK_LINE);
        used = rn_http1_body_next(&body, to + end - 2, 2, &data);
        assert_int_equal(used, 2);
        assert_true(to[at] != '0');
    }
}

static void idempotent_methods(void **state)
{
    (void)state;
    static const char *const yes[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    static const char *const no[] = {"POST", "PATCH", "CONNECT", "", "get", "GETS", "X"};
    for (size_t i = 0; i < RN_COUNT(yes); i++)
        assert_true(rn_http1_is_idempotent(rn_bytes_of(yes[i], strlen(yes[i]))));
    for (size_t i = 0; i < RN_COUNT(no); i++)
        assert_false(rn_http1_is_idempotent(rn_bytes_of(no[i], strlen(no[i]))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_lines),
        cmocka_unit_test(fields),
        cmocka_unit_test(chunks),
        cmocka_unit_test(idempotent_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
