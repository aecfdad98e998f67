/*
 * The client's side of an exchange, by script: what a server sends gives which events, the same for
 * every way to cut it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include <runnel/http1_client.h>

#include "guarded.h"

#define OK "HTTP/1.1 200 OK\r\n"

static struct rn_http1_exchange exchange;
static char log_text[4096];
static size_t log_len, left;

static void log_add(const char *text, size_t len)
{
    assert_true(log_len + len < sizeof log_text);
    memcpy(log_text + log_len, text, len);
    log_len += len;
    log_text[log_len] = 0;
}

static void log_event(const struct rn_http1_event *event, bool *in_data)
{
    char text[32];
    bool data = event->kind == RN_HTTP1_EVENT_DATA;
    if (data && !*in_data) log_add("[", 1);
    if (!data && *in_data) log_add("]", 1);
    *in_data = data;
    if (data) log_add((const char *)event->data.ptr, event->data.len);
    else if (event->kind == RN_HTTP1_EVENT_END) log_add(".", 1);
    else if (event->kind == RN_HTTP1_EVENT_TUNNEL) log_add(">", 1);
    else if (event->kind != RN_HTTP1_EVENT_NONE)
        log_add(text, (size_t)sprintf(text, "%s%d",
                                      event->kind == RN_HTTP1_EVENT_INTERIM ? "i" : "h",
                                      exchange.response.status));
}

/* Runs input through the exchange, `step` bytes more at a time, and the end behind it where asked.
 * Content stands in brackets, pieces joined; "!CODE" is an error, "$" a good end of input, "?N" a
 * bad one with N bytes missing. */
static const char *run(const char *method, bool upgrade, const char *input, size_t step, bool eof)
{
    size_t len = strlen(input), at = 0, have = 0;
    bool in_data = false;
    char text[32];
    log_len = 0;
    rn_http1_exchange_init(&exchange, rn_bytes_of(method, strlen(method)), upgrade);
    while (have < len) {
        have = step && have + step < len ? have + step : len;
        struct rn_http1_event event;
        do {
            uint8_t *in = guarded_input(input + at, have - at);
            rn_ssize used = rn_http1_exchange_next(&exchange, in, have - at, &event);
            if (used < 0) {
                if (in_data) log_add("]", 1);
                log_add(text, (size_t)sprintf(text, "!%td", used));
                return log_text;
            }
            if (event.kind != RN_HTTP1_EVENT_NONE) log_event(&event, &in_data);
            at += (size_t)used;
        } while (event.kind != RN_HTTP1_EVENT_NONE);
    }
    left = len - at;
    if (in_data) log_add("]", 1);
    if (!eof) return log_text;
    int result = rn_http1_exchange_eof(&exchange);
    assert_true(result == 0 || result == RN_E_CLOSED);
    if (result == 0) log_add("$", 1);
    else log_add(text, (size_t)sprintf(text, "?%llu",
                                       (unsigned long long)rn_http1_exchange_missing(&exchange)));
    return log_text;
}

static const struct {
    const char *method, *input, *events;
    bool eof, reusable;
    size_t left;
} cases[] = {
    {"GET", OK "Content-Length: 3\r\n\r\nabc", "h200[abc].", false, true, 0},
    {"GET", OK "Content-Length: 3\r\n\r\nabcd", "h200[abc].", false, true, 1},
    {"GET", OK "Content-Length: 3\r\n\r\nab", "h200[ab]?1", true, false, 0},
    {"GET", OK "Content-Length: 3\r\n\r\n", "h200?3", true, false, 0},
    {"GET", OK "Content-Length: 0\r\n\r\n", "h200.", false, true, 0},
    {"GET", OK "Content-Length: 0\r\n\r\n", "h200.$", true, true, 0},
    {"GET", OK "\r\nall of it", "h200[all of it]$", true, false, 0},
    {"GET", OK "\r\n", "h200$", true, false, 0},
    {"GET", OK, "?0", true, false, 17},
    {"GET", "HTTP/1.0 200 OK\r\n\r\nabc", "h200[abc]$", true, false, 0},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "h200[a].", false, false, 0},
    {"GET", OK "Connection: close\r\nContent-Length: 1\r\n\r\na", "h200[a].", false, false, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\n\r\n",
     "h200[abcde].", false, true, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\nX",
     "h200[a].", false, true, 1},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "h200.", false, true, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "h200[abc]?2", true, false, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "h200[abc]?0", true, false, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "h200[abc]?0", true, false,
     0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd", "h200[abc]!-10001", false, false, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\nx", "h200!-10001", false, false, 0},
    {"GET", OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA b\r\n", "h200!-10001", false, false, 0},
    {"GET", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "!-10001", false, false,
     0},
    /* Without a body, whatever the fields say. */
    {"HEAD", OK "Content-Length: 9\r\n\r\n", "h200.", false, true, 0},
    {"HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", "h200.", false, true, 0},
    {"HEAD", OK "\r\n", "h200.", false, true, 0},
    {"head", OK "Content-Length: 1\r\n\r\n", "h200?1", true, false, 0},
    {"GET", "HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", "h204.", false, true, 0},
    {"GET", "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", "h304.", false, true, 0},
    {"GET", "HTTP/1.1 304 No\r\n\r\n", "h304.", false, true, 0},
    {"GET", "HTTP/1.1 304 No\r\nConnection: close\r\n\r\n", "h304.", false, false, 0},
    {"GET", "HTTP/1.1 205 R\r\nContent-Length: 1\r\n\r\na", "h205[a].", false, true, 0},
    /* 1xx */
    {"PUT", "HTTP/1.1 100 C\r\n\r\n" OK "Content-Length: 1\r\n\r\na", "i100h200[a].", false, true,
     0},
    {"GET", "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 199 \r\nContent-Length: 5\r\n\r\n" OK
            "Content-Length: 1\r\n\r\na", "i103i199h200[a].", false, true, 0},
    {"GET", "HTTP/1.1 100 C\r\nConnection: close\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
     "i100h200.", false, true, 0},
    {"GET", "HTTP/1.1 100 C\r\n\r\n", "i100?0", true, false, 0},
    {"GET", "HTTP/1.1 100 C\r\n\r\nx", "i100!-10001", false, false, 0},
    {"GET", "HTTP/1.1 101 S\r\n\r\n", "!-10001", false, false, 0},
    /* other protocols */
    {"CONNECT", OK "Content-Length: 5\r\n\r\nabc", "h200>", false, false, 3},
    {"CONNECT", OK "Transfer-Encoding: chunked\r\n\r\n", "h200>", false, false, 0},
    {"CONNECT", "HTTP/1.1 407 P\r\nContent-Length: 1\r\n\r\na", "h407[a].", false, false, 0},
};

static void events(void **state)
{
    for (size_t i = 0; i < RN_COUNT(cases); i++)
        for (size_t step = 0; step < 30; step++) {
            const char *seen = run(cases[i].method, false, cases[i].input, step, cases[i].eof);
            if (strcmp(seen, cases[i].events) != 0)
                fail_msg("%s, steps of %zu: %s", cases[i].input, step, seen);
            if (strchr(seen, '!')) continue;
            assert_int_equal(rn_http1_exchange_reusable(&exchange), cases[i].reusable);
            assert_int_equal(left, cases[i].left);
        }
}

static void upgrades(void **state)
{
    const char *input = "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 101 S\r\nContent-Length: 5\r\n\r\nabc";
    for (size_t step = 0; step < 30; step++) {
        assert_string_equal(run("GET", true, input, step, false), "i100h101>");
        assert_int_equal(left, 3);
        assert_false(rn_http1_exchange_reusable(&exchange));
    }
    assert_string_equal(run("GET", true, OK "Content-Length: 1\r\n\r\na", 0, false), "h200[a].");
    assert_true(rn_http1_exchange_reusable(&exchange));
}

static void interims_end(void **state)
{
    char input[4096];
    for (unsigned count = RN_HTTP1_INTERIMS_MAX; count <= RN_HTTP1_INTERIMS_MAX + 1; count++) {
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += (size_t)sprintf(input + len, "HTTP/1.1 102 P\r\n\r\n");
        sprintf(input + len, OK "Content-Length: 0\r\n\r\n");
        for (size_t step = 0; step < 40; step += 13) {
            const char *seen = run("GET", false, input, step, false);
            const char *end = seen + 4 * (size_t)RN_HTTP1_INTERIMS_MAX;
            assert_string_equal(end, count > RN_HTTP1_INTERIMS_MAX ? "!-10003" : "h200.");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events),
        cmocka_unit_test(upgrades),
        cmocka_unit_test(interims_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
