/*
 * Response heads: what they say, what is refused with which error, and that neither depends on how
 * the bytes come.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include <runnel/http1_client.h>

#include "guarded.h"

/* In `step` bytes at a time, each time at the end of readable memory; 0: all at once. */
static rn_ssize parse(struct rn_http1_response *response, rn_bytes head, size_t step)
{
    rn_ssize result = 0;
    rn_http1_response_init(response);
    for (size_t have = step ? 0 : head.len;; have += step) {
        if (have > head.len) have = head.len;
        rn_bytes copy = guarded_copy(0, head.ptr, have);
        result = rn_http1_parse_response(response, copy.ptr, copy.len);
        if (result || have == head.len) return result;
    }
}

static rn_bytes span(const char *head, struct rn_http1_span at)
{
    return rn_http1_slice((const uint8_t *)head, at);
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *head;
    const char *reason;
    unsigned status, minor, framing, keep_alive;
    uint64_t length;
} good[] = {
    {OK "\r\n", "OK", 200, 1, RN_HTTP1_UNTIL_CLOSE, true, 0},
    {"HTTP/1.0 200 OK\r\n\r\n", "OK", 200, 0, RN_HTTP1_UNTIL_CLOSE, false, 0},
    {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 7\r\n\r\n", "OK", 200, 0,
     RN_HTTP1_LENGTH, true, 7},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n\r\n", "OK", 200, 0,
     RN_HTTP1_UNTIL_CLOSE, false, 0},
    {OK "connection: x, CLOSE\r\n\r\n", "OK", 200, 1, RN_HTTP1_UNTIL_CLOSE, false, 0},
    {OK "Content-Length: 0\r\n\r\n", "OK", 200, 1, RN_HTTP1_LENGTH, true, 0},
    {OK "content-length:  9223372036854775807 \r\n\r\n", "OK", 200, 1, RN_HTTP1_LENGTH, true,
     INT64_MAX},
    {OK "Transfer-Encoding: Chunked\r\n\r\n", "OK", 200, 1, RN_HTTP1_CHUNKED, true, 0},
    {OK "Transfer-Encoding: ,\r\nTransfer-Encoding: chunked\r\n\r\n", "OK", 200, 1,
     RN_HTTP1_CHUNKED, true, 0},
    {"HTTP/1.1 404 Not Found\r\n\r\n", "Not Found", 404, 1, RN_HTTP1_UNTIL_CLOSE, true, 0},
    {"HTTP/1.1 999 \r\n\r\n", "", 999, 1, RN_HTTP1_UNTIL_CLOSE, true, 0},
    {"HTTP/1.1 204\r\n\r\n", "", 204, 1, RN_HTTP1_UNTIL_CLOSE, true, 0},
    {"HTTP/1.7 100  \xff\t\r\nA: \r\n\r\n", " \xff\t", 100, 1, RN_HTTP1_UNTIL_CLOSE, true, 0},
};

static void heads(void **state)
{
    for (size_t i = 0; i < RN_COUNT(good); i++)
        for (size_t step = 0; step < 4; step++) {
            struct rn_http1_response response;
            const struct rn_http1_request *message = &response.message;
            size_t len = strlen(good[i].head);
            assert_int_equal(parse(&response, rn_bytes_of(good[i].head, len), step), len);
            rn_bytes reason = span(good[i].head, response.reason);
            assert_int_equal(reason.len, strlen(good[i].reason));
            assert_memory_equal(reason.ptr, good[i].reason, reason.len);
            assert_int_equal(response.status, good[i].status);
            assert_int_equal(message->minor, good[i].minor);
            assert_int_equal(message->framing, good[i].framing);
            assert_int_equal(message->keep_alive, good[i].keep_alive);
            assert_int_equal(message->content_length, good[i].length);
        }
}

static void fields(void **state)
{
    static const char head[] = OK "Server: x \r\nSet-Cookie: a\r\nset-cookie:b\r\n\r\nrest";
    const uint8_t *bytes = (const uint8_t *)head;
    struct rn_http1_response response;
    rn_http1_response_init(&response);
    assert_int_equal(rn_http1_parse_response(&response, bytes, sizeof head - 1),
                     sizeof head - 1 - 4);
    rn_bytes value = rn_http1_find_field(&response.message, bytes, "server");
    assert_int_equal(value.len, 1);
    assert_int_equal(*value.ptr, 'x');
    unsigned index = 0, count = 0;
    while (rn_http1_next_field(&response.message, bytes, "Set-Cookie", &index, &value)) count++;
    assert_int_equal(count, 2);
    assert_null(rn_http1_find_field(&response.message, bytes, "Date").ptr);
}

static const struct {
    const char *head;
    int error;
} bad[] = {
    {"\r\n", RN_E_PROTOCOL},
    {"SSH-2.0-x\r\n", RN_E_PROTOCOL},
    {"<html>", RN_E_PROTOCOL},
    {"http/1.1 200 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1  200 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 20 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 2000 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 099 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 -20 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 200OK\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 200 OK\n", RN_E_PROTOCOL},
    {"HTTP/1.1 200\n", RN_E_PROTOCOL},
    {"HTTP/1.1 200 O\001K\r\n", RN_E_PROTOCOL},
    {"HTTP/1.1 200 OK\rA", RN_E_PROTOCOL},
    {"HTTP/11 200 OK\r\n", RN_E_PROTOCOL},
    {"HTTP/2.0 200 OK\r\n", RN_E_UNSUPPORTED},
    {"HTTP/0.9 200 OK\r\n", RN_E_UNSUPPORTED},
    {OK "A: b\n\r\n", RN_E_PROTOCOL},
    {OK "A: b\r\n c\r\n", RN_E_PROTOCOL},
    {OK " A: b\r\n", RN_E_PROTOCOL},
    {OK "A : b\r\n", RN_E_PROTOCOL},
    {OK ": b\r\n", RN_E_PROTOCOL},
    {OK "A\r\n", RN_E_PROTOCOL},
    {OK "A: \001\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: 1\r\nContent-Length: 1\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: 1, 1\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: -1\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: +1\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: 0x1\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: \r\n", RN_E_PROTOCOL},
    {OK "Content-Length: 9223372036854775808\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: 99999999999999999999999\r\n", RN_E_PROTOCOL},
    {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", RN_E_PROTOCOL},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", RN_E_PROTOCOL},
    {OK "Transfer-Encoding: chunked, chunked\r\n", RN_E_PROTOCOL},
    {OK "Transfer-Encoding: chunked, gzip\r\n", RN_E_PROTOCOL},
    {OK "Transfer-Encoding: \r\n\r\n", RN_E_PROTOCOL},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", RN_E_UNSUPPORTED},
    {OK "Transfer-Encoding: gzip\r\n\r\n", RN_E_UNSUPPORTED},
    {OK "Transfer-Encoding: chunked;q\r\n\r\n", RN_E_UNSUPPORTED},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", RN_E_PROTOCOL},
};

static void refused(void **state)
{
    for (size_t i = 0; i < RN_COUNT(bad); i++)
        for (size_t step = 0; step < 3; step++) {
            struct rn_http1_response response;
            rn_ssize result = parse(&response, rn_bytes_of(bad[i].head, strlen(bad[i].head)), step);
            if (result != bad[i].error)
                fail_msg("%s in steps of %zu: %td", bad[i].head, step, result);
        }
}

static void incomplete(void **state)
{
    static const char head[] = OK "A: b\r\n\r\n";
    for (size_t len = 0; len < sizeof head - 1; len++) {
        struct rn_http1_response response;
        assert_int_equal(parse(&response, rn_bytes_of(head, len), 0), 0);
        assert_int_equal(parse(&response, rn_bytes_of(head, len), 1), 0);
    }
}

/* Head of exactly `len` bytes, with that many fields. */
static rn_bytes long_head(size_t len, unsigned count)
{
    static char head[RN_HTTP1_HEAD_MAX + 64];
    size_t at = (size_t)sprintf(head, "%s", OK);
    while (count-- > 1) at += (size_t)sprintf(head + at, "a:b\r\n");
    at += (size_t)sprintf(head + at, "c:");
    while (at < len - 4) head[at++] = 'd';
    sprintf(head + at, "\r\n\r\n");
    return rn_bytes_of(head, len);
}

static void limits(void **state)
{
    struct rn_http1_response response;
    for (size_t step = 0; step < 3000; step += 997) {
        assert_int_equal(parse(&response, long_head(RN_HTTP1_HEAD_MAX, 2), step),
                         RN_HTTP1_HEAD_MAX);
        assert_int_equal(parse(&response, long_head(RN_HTTP1_HEAD_MAX + 1, 2), step), RN_E_LIMIT);
        assert_int_equal(parse(&response, long_head(1000, RN_HTTP1_FIELDS_MAX), step), 1000);
        assert_int_equal(parse(&response, long_head(1000, RN_HTTP1_FIELDS_MAX + 1), step),
                         RN_E_LIMIT);
    }
    /* A reason without end, too. */
    static char reason[RN_HTTP1_HEAD_MAX + 1];
    memset(reason, 'x', sizeof reason);
    memcpy(reason, OK, 13);
    assert_int_equal(parse(&response, rn_bytes_of(reason, sizeof reason), 0), RN_E_LIMIT);
    assert_int_equal(parse(&response, rn_bytes_of(reason, RN_HTTP1_HEAD_MAX), 16), RN_E_LIMIT);
    assert_int_equal(parse(&response, rn_bytes_of(reason, RN_HTTP1_HEAD_MAX - 1), 16), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),      cmocka_unit_test(fields), cmocka_unit_test(refused),
        cmocka_unit_test(incomplete), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
