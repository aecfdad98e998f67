/*
 * Bodies of HTTP/1 requests. Each case is decoded in one piece, cut in two at every byte, and byte
 * by byte, and must come out the same each time; and each piece ends where nobody may read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <runnel/http1.h>

#include "guarded.h"

struct sample {
    const char *wire;
    size_t len;
    /* The content in brackets, how it ended, and how much of the wire is left. */
    const char *expected;
};
#define SAMPLE(text, expected) {"" text, sizeof text - 1, expected}
#define LAST "0\r\n\r\n"

struct outcome {
    char content[2000];
    size_t len;
    size_t used;
    rn_ssize error;
    bool done;
};

/* Feeds a piece, and again what it left, until there is nothing to go on with. */
static void feed(struct outcome *outcome, struct rn_http1_body *body, const char *from, size_t len)
{
    const uint8_t *piece = guarded_input(from, len);
    size_t used = 0;
    while (used < len && !rn_http1_body_done(body)) {
        rn_bytes data;
        rn_ssize count = rn_http1_body_next(body, piece + used, len - used, &data);
        if (count < 0) {
            outcome->error = count;
            return;
        }
        assert_true(count > 0 && (size_t)count <= len - used);
        used += (size_t)count;
        if (data.len) assert_ptr_equal(data.ptr + data.len, piece + used);
        assert_true(outcome->len + data.len <= sizeof outcome->content);
        if (data.len) memcpy(outcome->content + outcome->len, data.ptr, data.len);
        outcome->len += data.len;
    }
    outcome->used += used;
    outcome->done = rn_http1_body_done(body);
}

static void describe(char *to, const struct sample *sample, const struct outcome *outcome)
{
    to += sprintf(to, "[%.*s]", (int)outcome->len, outcome->content);
    if (outcome->error == RN_E_PROTOCOL) strcpy(to, " bad");
    else if (outcome->error == RN_E_LIMIT) strcpy(to, " limit");
    else if (!outcome->done) strcpy(to, " more");
    else sprintf(to, " done %zu", sample->len - outcome->used);
}

/* The cuts come at `first` and then every `step` bytes. */
static void check_cut(const struct rn_http1_request *request, const struct sample *sample,
                      size_t first, size_t step)
{
    struct outcome outcome = {.len = 0};
    struct rn_http1_body body;
    char text[2100];
    rn_http1_body_init(&body, request);
    outcome.done = rn_http1_body_done(&body);
    for (size_t at = 0, next = first; at < sample->len && !outcome.done && !outcome.error;
         at = next, next += step) {
        if (next > sample->len) next = sample->len;
        feed(&outcome, &body, sample->wire + at, next - at);
    }
    describe(text, sample, &outcome);
    if (strcmp(text, sample->expected) != 0)
        fail_msg("%.300s\ncut at %zu and each %zu is %s\nnot %s", sample->wire, first, step, text,
                 sample->expected);
}

static void check(const struct rn_http1_request *request, const struct sample *sample)
{
    size_t stride = sample->len > 2000 ? 61 : 1;
    check_cut(request, sample, sample->len, 1);
    check_cut(request, sample, 1, 1);
    for (size_t cut = 1; cut < sample->len; cut += stride)
        check_cut(request, sample, cut, sample->len);
}

static const struct rn_http1_request chunked = {.framing = RN_HTTP1_CHUNKED};

static void check_chunked(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) check(&chunked, &samples[i]);
}

static void test_length(void **state)
{
    struct rn_http1_request request = {.framing = RN_HTTP1_LENGTH, .content_length = 5};
    check(&request, &(struct sample)SAMPLE("hello", "[hello] done 0"));
    check(&request, &(struct sample)SAMPLE("helloGET", "[hello] done 3"));
    check(&request, &(struct sample)SAMPLE("hell", "[hell] more"));
    check(&request, &(struct sample)SAMPLE("", "[] more"));
    request.content_length = 0;
    check(&request, &(struct sample)SAMPLE("GET", "[] done 3"));
    request.content_length = INT64_MAX;
    check(&request, &(struct sample)SAMPLE("hello", "[hello] more"));
    request.framing = RN_HTTP1_NO_BODY;
    request.content_length = 0;
    check(&request, &(struct sample)SAMPLE("GET", "[] done 3"));
}

static void test_nothing_to_read(void **state)
{
    struct rn_http1_body body;
    rn_bytes data = {NULL, 7};
    rn_http1_body_init(&body, &chunked);
    assert_int_equal(rn_http1_body_next(&body, NULL, 0, &data), 0);
    assert_int_equal(data.len, 0);
    assert_false(rn_http1_body_done(&body));
}

static void test_chunks(void **state)
{
    static const struct sample samples[] = {
        SAMPLE("", "[] more"),
        SAMPLE(LAST, "[] done 0"),
        SAMPLE(LAST "GET", "[] done 3"),
        SAMPLE("5\r\nhello\r\n" LAST, "[hello] done 0"),
        SAMPLE("5\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n" LAST "x", "[hello world!] done 1"),
        SAMPLE("b\r\n0123456789a\r\nA\r\nbcdefghijk\r\n"
               "1F\r\n0123456789012345678901234567890\r\n" LAST,
               "[0123456789abcdefghijk0123456789012345678901234567890] done 0"),
        SAMPLE("5\r\n\r\n0\r\n\r\n" LAST, "[\r\n0\r\n] done 0"),
        SAMPLE("5\r\nhel", "[hel] more"),
        SAMPLE("5\r\nhello", "[hello] more"),
        SAMPLE("5\r\nhello\r\n", "[hello] more"),
        SAMPLE("5\r\nhello\r\n0\r\n", "[hello] more"),
        SAMPLE("5\r\nhello\r\n0\r\n\r", "[hello] more"),
        SAMPLE("0000000000000005\r\nhello\r\n" LAST, "[hello] done 0"),
        SAMPLE("00000000000000005\r\nhello\r\n" LAST, "[] bad"),
        SAMPLE("0000000000000000\r\n\r\n", "[] done 0"),
        SAMPLE("ffffffffffffffff\r\nhello", "[hello] more"),
        SAMPLE("10000000000000005\r\nhello\r\n" LAST, "[] bad"),
        SAMPLE("100000000\r\nhello", "[hello] more"),
        SAMPLE("\r\n", "[] bad"),
        SAMPLE(" 5\r\nhello", "[] bad"),
        SAMPLE("5 \r\nhello", "[] bad"),
        SAMPLE("-5\r\nhello", "[] bad"),
        SAMPLE("+5\r\nhello", "[] bad"),
        SAMPLE("0x5\r\nhello", "[] bad"),
        SAMPLE("5g\r\nhello", "[] bad"),
        SAMPLE("@\r\nhello", "[] bad"),
        SAMPLE("5_0\r\nhello", "[] bad"),
        SAMPLE("5 5\r\nhello", "[] bad"),
        SAMPLE("5\nhello", "[] bad"),
        SAMPLE("5\rhello", "[] bad"),
        SAMPLE("5\r\rhello", "[] bad"),
        SAMPLE("5\r\nhello\n", "[hello] bad"),
        SAMPLE("5\r\nhello\r\r", "[hello] bad"),
        SAMPLE("5\r\nhello0\r\n\r\n", "[hello] bad"),
        SAMPLE("5\r\nhello5\r\n", "[hello] bad"),
        SAMPLE("5\r\nhello\r\n\r\n", "[hello] bad"),
        SAMPLE("0\r\n\n", "[] bad"),
        SAMPLE("0\r\n\rx", "[] bad"),
    };
    check_chunked(samples, RN_COUNT(samples));
}

static void test_extensions(void **state)
{
#define EXTENSION(text, expected) SAMPLE("5" text "\r\nhello\r\n" LAST, expected)
#define GOOD(text)                EXTENSION(text, "[hello] done 0")
#define BAD(text)                 EXTENSION(text, "[] bad")
    static const struct sample samples[] = {
        GOOD(";a"),
        GOOD(";a=b"),
        GOOD(";a=\"b\""),
        GOOD(";a=\"\""),
        GOOD(";a=\"b;\\\"\\\\\t \xff=\";c;d=e"),
        GOOD(" \t; a \t=\t b ; c = \"d\" ;e"),
        GOOD(";!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~"),
        SAMPLE("0;a=b\r\n\r\n", "[] done 0"),
        BAD(";"),
        BAD("; "),
        BAD(";="),
        BAD(";;a"),
        BAD(";a;"),
        BAD(";a="),
        BAD(";a=;b"),
        BAD(";a "),
        BAD(";a=b "),
        BAD(";a=\"b\" "),
        BAD(";a b"),
        BAD(";a=b c"),
        BAD(";a=b=c"),
        BAD(";a=\"b\"c"),
        BAD(";a=\"b"),
        BAD(";a=\"\\\x01\""),
        BAD(";a=\"\x7f\""),
        BAD(";a=\"\r\n\""),
        BAD(";a\"b\""),
        BAD(";a=b\"c\""),
        BAD(";\xff"),
        BAD(";a\n"),
        BAD(";a=\"b\\\r\n"),
        BAD("=a"),
        BAD(",a"),
    };
    check_chunked(samples, RN_COUNT(samples));
}

static void test_trailers(void **state)
{
    static const struct sample samples[] = {
        SAMPLE("0\r\nA: b\r\n\r\nGET", "[] done 3"),
        SAMPLE("0\r\nA:b\r\nC:\r\nD: \t e\xff \r\n\r\n", "[] done 0"),
        SAMPLE("5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n", "[hello] done 0"),
        SAMPLE("0\r\nA: b\r\n", "[] more"),
        SAMPLE("0\r\nA\r\n\r\n", "[] bad"),
        SAMPLE("0\r\n: b\r\n\r\n", "[] bad"),
        SAMPLE("0\r\nA : b\r\n\r\n", "[] bad"),
        SAMPLE("0\r\n A: b\r\n\r\n", "[] bad"),
        SAMPLE("0\r\nA: b\r\n c\r\n\r\n", "[] bad"),
        SAMPLE("0\r\nA: b\n\r\n", "[] bad"),
        SAMPLE("0\r\nA: b\rc\r\n\r\n", "[] bad"),
        SAMPLE("0\r\nA: b\x01\r\n\r\n", "[] bad"),
        SAMPLE("0\r\nA: b\0\r\n\r\n", "[] bad"),
        SAMPLE("0\r\nA\x80: b\r\n\r\n", "[] bad"),
    };
    check_chunked(samples, RN_COUNT(samples));
}

/* "5;aaa...", a chunk line of that many bytes. */
static void check_line(size_t line_len, const char *expected)
{
    char wire[1000];
    memset(wire, 'a', sizeof wire);
    memcpy(wire, "5;", 2);
    strcpy(wire + line_len - 2, "\r\nhello\r\n" LAST);
    check(&chunked, &(struct sample){wire, strlen(wire), expected});
    /* Each line begins anew. */
    char twice[2000];
    sprintf(twice, "%.*s%s", (int)line_len + 7, wire, wire);
    const char *both = strstr(expected, "done") ? "[hellohello] done 0" : expected;
    check(&chunked, &(struct sample){twice, strlen(twice), both});
}

static void test_limits(void **state)
{
    check_line(RN_HTTP1_CHUNK_LINE_MAX, "[hello] done 0");
    check_line(RN_HTTP1_CHUNK_LINE_MAX + 1, "[] limit");

    static char wire[RN_HTTP1_TRAILER_MAX + 100];
    for (size_t size = RN_HTTP1_TRAILER_MAX; size <= RN_HTTP1_TRAILER_MAX + 1; size++) {
        memset(wire, 'a', sizeof wire);
        memcpy(wire, "0\r\n", 3);
        for (size_t at = 3; at < size - 500; at += 100) memcpy(wire + at, "A: ", 3);
        for (size_t at = 3; at < size - 500; at += 100) memcpy(wire + at + 98, "\r\n", 2);
        size_t last = (size - 500 + 99 - 3) / 100 * 100 + 3;
        memcpy(wire + last, "B: ", 3);
        strcpy(wire + 3 + size - 4, "\r\n\r\n");
        const char *expected = size <= RN_HTTP1_TRAILER_MAX ? "[] done 0" : "[] limit";
        check(&chunked, &(struct sample){wire, strlen(wire), expected});
    }
    /* What is bad is not reported as a limit, nor the other way round. */
    wire[RN_HTTP1_TRAILER_MAX / 2] = 1;
    check(&chunked, &(struct sample){wire, strlen(wire), "[] bad"});
    wire[RN_HTTP1_TRAILER_MAX / 2] = 'a';
    wire[3 + RN_HTTP1_TRAILER_MAX] = 0;
    check(&chunked, &(struct sample){wire, strlen(wire), "[] more"});
}

static void test_errors_are_final(void **state)
{
    struct rn_http1_body body;
    rn_bytes data;
    rn_http1_body_init(&body, &chunked);
    assert_int_equal(rn_http1_body_next(&body, guarded_input("x", 1), 1, &data), RN_E_PROTOCOL);
    assert_int_equal(rn_http1_body_next(&body, guarded_input(LAST, 5), 5, &data), RN_E_PROTOCOL);
    assert_int_equal(data.len, 0);
    assert_false(rn_http1_body_done(&body));
}

/* A chunk of all that 64 bits count goes by without the size wrapping around. */
static void test_largest_chunk(void **state)
{
    struct rn_http1_body body;
    rn_bytes data;
    rn_http1_body_init(&body, &chunked);
    const uint8_t *in = guarded_input("fffffffffffffffe\r\nab", 20);
    assert_int_equal(rn_http1_body_next(&body, in, 20, &data), 20);
    assert_int_equal(data.len, 2);
    body.remaining = 1;
    in = guarded_input("c\r\n" LAST, 8);
    assert_int_equal(rn_http1_body_next(&body, in, 8, &data), 1);
    assert_int_equal(rn_http1_body_next(&body, in + 1, 7, &data), 7);
    assert_true(rn_http1_body_done(&body));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length),     cmocka_unit_test(test_nothing_to_read),
        cmocka_unit_test(test_chunks),     cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_trailers),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_errors_are_final), cmocka_unit_test(test_largest_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
