/*
 * The load generator's reader of responses: the same outcome however the bytes are cut, nothing
 * taken that belongs to the next response, and what makes no sense is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "response.h"

/* Feeds the text in pieces of at most `piece` bytes, each in memory of its own so that ASan sees a
 * read behind its end. Returns how much was taken. */
static size_t feed(struct response *response, const char *text, size_t len, size_t piece)
{
    size_t at = 0;
    while (at < len && response->state != RESPONSE_DONE && response->state != RESPONSE_BAD) {
        size_t part = len - at < piece ? len - at : piece;
        char *copy = malloc(part);
        assert_non_null(copy);
        memcpy(copy, text + at, part);
        size_t taken = response_read(response, copy, part);
        free(copy);
        assert_true(taken <= part);
        if (response->state != RESPONSE_DONE && response->state != RESPONSE_BAD)
            assert_int_equal(taken, part);
        at += taken;
    }
    return at;
}

struct expected {
    const char *text;
    int state, status;
    bool close;
};

static const struct expected complete[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", RESPONSE_DONE, 200, false},
    {"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", RESPONSE_DONE, 200, false},
    {"HTTP/1.1 404 Not Found\r\nConnection: Close\r\nContent-Length: 3 \r\n\r\nabc", RESPONSE_DONE,
     404, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", RESPONSE_DONE, 204, false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", RESPONSE_DONE, 304, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE, 200, true},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE, 200,
     false},
    {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", RESPONSE_DONE,
     200, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00a;name=bad0\r\n0123456789\r\n"
     "1\r\n\n\r\n0\r\nTrailer: text\r\n\r\n",
     RESPONSE_DONE, 200, false},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     RESPONSE_DONE, 200, false},
    {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", RESPONSE_DONE, 101, false},
    {"HTTP/1.1 200 OK\r\nDate: now\r\n\r\nuntil the end", RESPONSE_UNTIL_END, 200, true},
    {"HTTP/1.1 200 OK\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE,
     200, true},
};

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof complete / sizeof *complete; i++) {
        size_t len = strlen(complete[i].text);
        for (size_t piece = 1; piece <= len; piece++) {
            struct response response = {0};
            assert_int_equal(feed(&response, complete[i].text, len, piece), len);
            assert_int_equal(response.state, complete[i].state);
            assert_int_equal(response.status, complete[i].status);
            assert_int_equal(response.close, complete[i].close);
            response_begin(&response);
        }
    }
}

static void what_follows_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof complete / sizeof *complete; i++) {
        if (complete[i].state != RESPONSE_DONE) continue;
        size_t len = strlen(complete[i].text);
        char *twice = malloc(2 * len);
        assert_non_null(twice);
        memcpy(twice, complete[i].text, len);
        memcpy(twice + len, complete[i].text, len);
        for (size_t piece = 1; piece <= 2 * len; piece++) {
            struct response response = {0};
            assert_int_equal(feed(&response, twice, 2 * len, piece), len);
            response_begin(&response);
            assert_int_equal(feed(&response, twice + len, len, piece), len);
            assert_int_equal(response.status, complete[i].status);
            response_begin(&response);
        }
        free(twice);
    }
}

static void nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "hello, this is not HTTP\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t piece = 1; piece <= strlen(texts[i]); piece++) {
            struct response response = {0};
            feed(&response, texts[i], strlen(texts[i]), piece);
            assert_int_equal(response.state, RESPONSE_BAD);
            response_begin(&response);
        }
    }
}

static void a_head_has_a_limit(void **state)
{
    (void)state;
    char *text = malloc(RESPONSE_HEAD_MAX + 1);
    assert_non_null(text);
    memset(text, 'a', RESPONSE_HEAD_MAX + 1);
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    struct response response = {0};
    feed(&response, text, RESPONSE_HEAD_MAX + 1, 1000);
    assert_int_equal(response.state, RESPONSE_BAD);
    response_begin(&response);
    free(text);
}

static void a_body_can_be_skipped(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nabc";
    (void)state;
    struct response response = {0};
    assert_int_equal(response_read(&response, head, sizeof head - 1), sizeof head - 1);
    assert_int_equal(response.state, RESPONSE_BODY);
    assert_int_equal(response.left, 9999999997);
    response_skip(&response, 9999999996);
    assert_int_equal(response.state, RESPONSE_BODY);
    response_skip(&response, 1);
    assert_int_equal(response.state, RESPONSE_DONE);
}

static void the_end_completes_only_what_it_may(void **state)
{
    static const char *const cut[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct response response = {0};
        feed(&response, cut[i], strlen(cut[i]), strlen(cut[i]));
        assert_false(response_end(&response));
        response_begin(&response);
    }
    static const char until[] = "HTTP/1.1 200 OK\r\n\r\nsome";
    struct response response = {0};
    feed(&response, until, sizeof until - 1, sizeof until);
    assert_true(response_end(&response));
    assert_int_equal(response.state, RESPONSE_DONE);
}

static void the_handshake_must_be_answered_right(void **state)
{
    static const char right[] = "HTTP/1.1 101 x\r\nSec-WebSocket-ACCEPT:  abc=\r\n\r\n";
    static const char wrong[] = "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: abd=\r\n\r\n";
    static const char without[] = "HTTP/1.1 101 x\r\n\r\n";
    (void)state;
    response_accept = "abc=";
    struct response response = {0};
    feed(&response, right, sizeof right - 1, sizeof right);
    assert_true(response.accepted);
    response_begin(&response);
    feed(&response, wrong, sizeof wrong - 1, sizeof wrong);
    assert_false(response.accepted);
    response_begin(&response);
    feed(&response, without, sizeof without - 1, sizeof without);
    assert_false(response.accepted);
    response_accept = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(what_follows_stays),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_head_has_a_limit),
        cmocka_unit_test(a_body_can_be_skipped),
        cmocka_unit_test(the_end_completes_only_what_it_may),
        cmocka_unit_test(the_handshake_must_be_answered_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
