/*
 * The opening handshake of WebSocket (RFC 6455, section 4): heads as they come off the HTTP parser,
 * and the answer to each.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <runnel/http1.h>
#include <runnel/ws.h>

#include "guarded.h"

#define START          "GET /ws HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION        "Sec-WebSocket-Version: 13\r\n"
#define GOOD           START UPGRADE KEY VERSION
#define PROTOCOL(list) "Sec-WebSocket-Protocol: " list "\r\n"

static const char *const only_example[] = {"https://example.com", "http://localhost:8000", NULL};
static const char *const also_without[] = {"https://example.com", "", NULL};
static const char *const no_origin_at_all[] = {NULL};
static const char *const chat_first[] = {"chat", "superchat", NULL};

/* The head lies at the end of a page; what is chosen from it is compared before the next one. */
static void expect(const char *fields, const struct rn_ws_policy *policy, unsigned status,
                   const char *subprotocol)
{
    char text[4000];
    struct rn_http1_request request;
    struct rn_ws_accept accept;
    size_t len = strlen(fields) + 2;
    memcpy(text, fields, len - 2);
    memcpy(text + len - 2, "\r\n", 2);
    const uint8_t *head = guarded_input(text, len);
    rn_http1_request_init(&request);
    if (rn_http1_parse_head(&request, head, len) != (rn_ssize)len)
        fail_msg("the HTTP parser refused with %u: %s", request.status, fields);
    memset(&accept, 0xA5, sizeof(accept));
    int result = rn_ws_handshake(&request, head, policy, &accept);
    if (accept.status != status) fail_msg("%u, expected %u: %s", accept.status, status, fields);
    if (status != 101) {
        assert_int_equal(result, status == 400 ? RN_E_PROTOCOL : RN_E_UNSUPPORTED);
        return;
    }
    assert_int_equal(result, 0);
    assert_memory_equal(accept.key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28);
    assert_int_equal(accept.subprotocol.len, strlen(subprotocol));
    if (accept.subprotocol.len == 0) return;
    assert_memory_equal(accept.subprotocol.ptr, subprotocol, accept.subprotocol.len);
    assert_true(accept.subprotocol.ptr > head && accept.subprotocol.ptr < head + len);
}

struct request_case {
    const char *head;
    unsigned status;
};

static void expect_each(const struct request_case *cases, size_t count,
                        const struct rn_ws_policy *policy)
{
    for (size_t i = 0; i < count; i++) expect(cases[i].head, policy, cases[i].status, "");
}

/* Section 1.3, with the extras that section 4.1 allows. */
static void good_handshakes(void **state)
{
    static const struct request_case cases[] = {
        {GOOD, 101},
        {START "UPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n" KEY VERSION, 101},
        {START "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n" KEY VERSION, 101},
        {GOOD "Content-Length: 0\r\n", 101},
        {GOOD "Origin: null\r\n", 101},
        {GOOD "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", 101},
        {GOOD PROTOCOL("chat, superchat"), 101},
        {START UPGRADE "sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "sec-websocket-version:\t13 \r\n",
         101},
    };
    (void)state;
    expect_each(cases, RN_COUNT(cases), NULL);
}

static void what_is_no_handshake(void **state)
{
    static const struct request_case cases[] = {
        {"POST /ws HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION, 405},
        {"HEAD /ws HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION, 405},
        {"get /ws HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION, 405},
        {"POST /ws HTTP/1.0\r\nHost: a\r\n", 405},
        {"GET /ws HTTP/1.0\r\nHost: a\r\n" UPGRADE KEY VERSION, 400},
        {"GET /ws HTTP/1.0\r\nHost: a\r\n", 400},
        {START, 426},
        {START KEY VERSION, 426},
        {START "Upgrade: websocket\r\n" KEY VERSION, 426},
        {START "Connection: Upgrade\r\n" KEY VERSION, 426},
        {START "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION, 426},
        {START "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION, 426},
        {"GET /ws HTTP/1.1\r\nHost:\r\n" UPGRADE KEY VERSION, 400},
        {GOOD "Content-Length: 1\r\n", 400},
        {GOOD "Transfer-Encoding: chunked\r\n", 400},
    };
    (void)state;
    expect_each(cases, RN_COUNT(cases), NULL);
}

static void version_and_key(void **state)
{
#define WITH_VERSION(value) START UPGRADE KEY "Sec-WebSocket-Version: " value "\r\n"
#define WITH_KEY(value)     START UPGRADE VERSION "Sec-WebSocket-Key: " value "\r\n"
    static const struct request_case cases[] = {
        {START UPGRADE KEY, 400},
        {GOOD VERSION, 400},
        {GOOD "Sec-WebSocket-Version: 8\r\n", 400},
        {WITH_VERSION("8"), 426},
        {WITH_VERSION("14"), 426},
        {WITH_VERSION("1"), 426},
        {WITH_VERSION("130"), 426},
        {WITH_VERSION("013"), 426},
        {WITH_VERSION("13, 8"), 426},
        {WITH_VERSION(""), 426},
        {START UPGRADE "Sec-WebSocket-Version: 8\r\n", 426},
        {START UPGRADE VERSION, 400},
        {GOOD KEY, 400},
        {GOOD "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 400},
        {WITH_KEY(""), 400},
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZQ"), 400}, /* no padding */
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZQ="), 400},
        {WITH_KEY("dGhlIHNhbXBsZSBub25j"), 400},     /* 15 bytes */
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZWU="), 400}, /* 17 bytes */
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZWVl"), 400}, /* 18 bytes */
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZQ==AAAA"), 400},
        {WITH_KEY("dGhlIHNhbXBsZSBub25j=Q=="), 400},
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZSdGhlIHNhbXBsZSBub25jZSdGhlIHNhbXBsZSBub25jZWVl"), 400},
        {WITH_KEY("dGhlIHNhbXBsZSBub25-ZQ=="), 400},
        {WITH_KEY("dGhlIHNhbXBs ZSBub25jZQ=="), 400},
        {WITH_KEY("\"GhlIHNhbXBsZSBub25jZQ=\""), 400},
    };
    (void)state;
    expect_each(cases, RN_COUNT(cases), NULL);
}

static void origins(void **state)
{
    static const struct {
        const char *const *allowed;
        const char *head;
        unsigned status;
    } cases[] = {
        {NULL, GOOD, 101},
        {NULL, GOOD "Origin: https://evil.example\r\n", 101},
        {NULL, GOOD "Origin: a\r\nOrigin: a\r\n", 400},
        {only_example, GOOD "Origin: https://example.com\r\n", 101},
        {only_example, GOOD "origin: HTTPS://Example.COM\r\n", 101},
        {only_example, GOOD "Origin: http://localhost:8000\r\n", 101},
        {only_example, GOOD "Origin: http://example.com\r\n", 403},
        {only_example, GOOD "Origin: https://example.com:8443\r\n", 403},
        {only_example, GOOD "Origin: https://example.com.evil.example\r\n", 403},
        {only_example, GOOD "Origin: https://example.co\r\n", 403},
        {only_example, GOOD "Origin: null\r\n", 403},
        {only_example, GOOD "Origin:\r\n", 403},
        {only_example, GOOD, 403},
        {only_example, GOOD "Origin: https://example.com\r\nOrigin: https://evil.example\r\n", 400},
        {only_example, START UPGRADE KEY "Origin: https://evil.example\r\n", 400},
        {also_without, GOOD, 101},
        {also_without, GOOD "Origin: https://evil.example\r\n", 403},
        {no_origin_at_all, GOOD "Origin: https://example.com\r\n", 403},
        {no_origin_at_all, GOOD, 403},
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        const struct rn_ws_policy policy = {rn_ws_policy_lists, .origins = cases[i].allowed};
        expect(cases[i].head, &policy, cases[i].status, "");
    }
}

static void subprotocols(void **state)
{
    static const struct {
        const char *head;
        const char *chosen;
    } cases[] = {
        {GOOD, ""},
        {GOOD PROTOCOL("chat"), "chat"},
        {GOOD PROTOCOL("superchat"), "superchat"},
        {GOOD PROTOCOL("superchat, chat"), "chat"},
        {GOOD PROTOCOL("superchat,\t,chat "), "chat"},
        {GOOD PROTOCOL("superchat") PROTOCOL("mqtt, chat"), "chat"},
        {GOOD PROTOCOL("mqtt") PROTOCOL("superchat"), "superchat"},
        {GOOD PROTOCOL("Chat"), ""},
        {GOOD PROTOCOL("cha"), ""},
        {GOOD PROTOCOL("chats"), ""},
        {GOOD PROTOCOL("chat room"), ""},
        {GOOD PROTOCOL("chat/superchat"), ""},
        {GOOD PROTOCOL(""), ""},
        {GOOD PROTOCOL(","), ""},
    };
    static const char *const nothing[] = {NULL};
    const struct rn_ws_policy policy = {rn_ws_policy_lists, .subprotocols = chat_first};
    const struct rn_ws_policy no_lists = {.judge = rn_ws_policy_lists};
    const struct rn_ws_policy empty_list = {rn_ws_policy_lists, .subprotocols = nothing};
    (void)state;
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        expect(cases[i].head, &policy, 101, cases[i].chosen);
        expect(cases[i].head, &no_lists, 101, "");
        expect(cases[i].head, NULL, 101, "");
        expect(cases[i].head, &empty_list, 101, "");
    }
}

/* The pair of section 1.3, and pairs made with Python's hashlib and base64. */
static void keys_and_answers(void **state)
{
    static const struct {
        uint8_t random[17];
        const char *key;
        const char *accept;
    } pairs[] = {
        {"the sample nonce", "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
        {{0}, "AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0xff},
         "/////////////////////w==",
         "XXpj4jYzLM2yUE0C7TIgMwTQh2g="},
        {{0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe,
          0xff},
         "8PHy8/T19vf4+fr7/P3+/w==",
         "o1HBjBrgy9KLkiDEDur3dyqqLEs="},
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(pairs); i++) {
        char key[24], accept[28];
        rn_ws_client_key(pairs[i].random, key);
        assert_memory_equal(key, pairs[i].key, 24);
        rn_ws_accept_key(rn_bytes_of(key, 24), accept);
        assert_memory_equal(accept, pairs[i].accept, 28);
        assert_true(rn_ws_accept_valid(rn_bytes_of(key, 24), rn_bytes_of(accept, 28)));
        assert_false(rn_ws_accept_valid(rn_bytes_of(key, 24), rn_bytes_of(accept, 27)));
        accept[i] ^= 1;
        assert_false(rn_ws_accept_valid(rn_bytes_of(key, 24), rn_bytes_of(accept, 28)));
    }
    assert_false(rn_ws_accept_valid(rn_bytes_of(pairs[0].key, 24), rn_bytes_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_handshakes), cmocka_unit_test(what_is_no_handshake),
        cmocka_unit_test(version_and_key), cmocka_unit_test(origins),
        cmocka_unit_test(subprotocols),    cmocka_unit_test(keys_and_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
