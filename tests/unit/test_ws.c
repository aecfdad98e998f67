/*
 * WebSocket frames and messages (RFC 6455): the rules as a table of input and events, each in every
 * cut and for both roles; then what a table can't hold: sizes, limits, a whole conversation.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <runnel/ws.h>

#include "ws_log.h"

static uint64_t random_state;

/* xorshift64*: the same numbers in every run. */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717u;
}

static size_t random_below(size_t bound)
{
    return (size_t)(random_next() % bound);
}

/* Feeds in[0..len), cut after `first` bytes and then after every `step`. */
static void run(struct ws_log *log, enum rn_ws_role role, uint64_t max, const uint8_t *in,
                size_t len, size_t first, size_t step)
{
    ws_log_init(log, role, max);
    for (size_t at = 0, size = first; at < len; at += size, size = step) {
        if (size > len - at) size = len - at;
        ws_log_feed(log, in + at, size);
    }
}

static void expect_run(enum rn_ws_role role, uint64_t max, const uint8_t *in, size_t len,
                       const char *expected, size_t expected_len, size_t first, size_t step)
{
    struct ws_log log;
    run(&log, role, max, in, len, first, step);
    ws_log_put(&log, "", 1); /* so that there is a text */
    if (log.len != expected_len + 1 || memcmp(log.text, expected, expected_len) != 0)
        fail_msg("role %d, cut at %zu, then every %zu: got %.*s, expected %.*s", role, first, step,
                 (int)log.len, log.text, (int)expected_len, expected);
    ws_log_free(&log);
}

/* In one piece, in every two, and byte by byte. */
static void expect_in_any_cut(enum rn_ws_role role, uint64_t max, const uint8_t *in, size_t len,
                              const char *expected, size_t expected_len)
{
    for (size_t first = 1; first <= len; first++)
        expect_run(role, max, in, len, expected, expected_len, first, len);
    expect_run(role, max, in, len, expected, expected_len, 1, 1);
}

static void expect_both_roles(uint64_t max, const void *in, size_t len, const char *expected,
                              size_t expected_len)
{
    uint8_t client_frames[512];
    expect_in_any_cut(RN_WS_CLIENT, max, in, len, expected, expected_len);
    size_t client_len = ws_masked(client_frames, in, len, (uint32_t)random_next());
    expect_in_any_cut(RN_WS_SERVER, max, client_frames, client_len, expected, expected_len);
}

struct rule {
    const char *in;
    const char *expected;
    uint16_t len;
    uint16_t expected_len;
    uint32_t max;
};

#define RULE_MAX(max, in, expected)                                                                \
    {                                                                                              \
        in, expected, sizeof(in) - 1, sizeof(expected) - 1, max                                    \
    }
#define RULE(in, expected) RULE_MAX(1000, in, expected)

static void expect_rules(const struct rule *rules, size_t count)
{
    random_state = 1;
    for (size_t i = 0; i < count; i++)
        expect_both_roles(rules[i].max, rules[i].in, rules[i].len, rules[i].expected,
                          rules[i].expected_len);
}

/* Section 5.7, byte for byte; the masked ones as a server reads them. */
static void the_examples_of_the_standard(void **state)
{
    static const uint8_t single[] = "\x81\x05\x48\x65\x6c\x6c\x6f";
    static const uint8_t single_masked[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    static const uint8_t fragments[] = "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f";
    static const uint8_t ping[] = "\x89\x05\x48\x65\x6c\x6c\x6f";
    static const uint8_t pong_masked[] = "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    (void)state;
    expect_in_any_cut(RN_WS_CLIENT, 5, single, 7, "text(Hello)", 11);
    expect_in_any_cut(RN_WS_SERVER, 5, single_masked, 11, "text(Hello)", 11);
    expect_in_any_cut(RN_WS_CLIENT, 5, fragments, 9, "text(Hello)", 11);
    expect_in_any_cut(RN_WS_CLIENT, 5, ping, 7, "ping(Hello)", 11);
    expect_in_any_cut(RN_WS_SERVER, 5, pong_masked, 11, "pong(Hello)", 11);
}

static void messages_and_fragments(void **state)
{
    static const struct rule rules[] = {
        RULE("\x81\x00", "text()"),
        RULE("\x82\x00", "binary()"),
        RULE("\x82\x03\x00\xff\x80\x81\x01x", "binary(\x00\xff\x80)text(x)"),
        RULE("\x01\x00\x00\x00\x80\x00", "text()"),
        RULE("\x01\x00\x80\x01"
             "a",
             "text(a)"),
        RULE("\x02\x01"
             "a\x00\x01"
             "b\x80\x00",
             "binary(ab)"),
        RULE("\x02\x01"
             "a\x80\x00\x81\x01"
             "b",
             "binary(a)text(b)"),
        RULE("\x02\x01"
             "a\x00\x01"
             "b",
             "binary(ab"),
        RULE("\x81\x05"
             "ab",
             "text(ab"),
        /* Control frames stand between the fragments of a message, and change nothing there. */
        RULE("\x01\x02"
             "ab\x89\x01x\x00\x00\x8a\x00\x80\x01"
             "c",
             "text(abping(x)pong()c)"),
        RULE("\x01\x01\xc3\x89\x02\x80\xff\x80\x01\xa9", "text(\xc3ping(\x80\xff)\xa9)"),
        RULE("\x01\x00\x89\x00\x80\x00", "text(ping())"),
        RULE("\x89\x03"
             "ab",
             ""),
        RULE("\x88\x02\x03", ""),
        RULE("\x81", ""),
        RULE("\x81\x7e\x00", ""),
        RULE("\x82\x7f\x00\x00\x00\x00\x00\x01\x00", ""),
    };
    (void)state;
    expect_rules(rules, RN_COUNT(rules));
}

/* Sections 5.2, 5.4 and 5.5. */
static void what_breaks_the_framing(void **state)
{
    static const struct rule rules[] = {
        RULE("\xc1\x00", "error 1002"),
        RULE("\xa1\x00", "error 1002"),
        RULE("\x91\x00", "error 1002"),
        RULE("\xf1\x00", "error 1002"),
        RULE("\xc9\x00", "error 1002"),
        RULE("\x83\x00", "error 1002"),
        RULE("\x84\x00", "error 1002"),
        RULE("\x85\x00", "error 1002"),
        RULE("\x86\x00", "error 1002"),
        RULE("\x87\x00", "error 1002"),
        RULE("\x8b\x00", "error 1002"),
        RULE("\x8c\x00", "error 1002"),
        RULE("\x8d\x00", "error 1002"),
        RULE("\x8e\x00", "error 1002"),
        RULE("\x8f\x00", "error 1002"),
        RULE("\x01\x01"
             "a\x83\x00",
             "text(aerror 1002"),
        /* Control frames: final, and at most 125 bytes, seen before the length has come. */
        RULE("\x08\x00", "error 1002"),
        RULE("\x09\x00", "error 1002"),
        RULE("\x0a\x00", "error 1002"),
        RULE("\x88\x7e", "error 1002"),
        RULE("\x89\x7e", "error 1002"),
        RULE("\x8a\x7f", "error 1002"),
        /* Lengths take as few bytes as they can. */
        RULE("\x82\x7e\x00\x00", "error 1002"),
        RULE("\x82\x7e\x00\x7d", "error 1002"),
        RULE("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x05", "error 1002"),
        RULE("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "error 1002"),
        RULE("\x00\x00", "error 1002"),
        RULE("\x80\x01"
             "a",
             "error 1002"),
        RULE("\x81\x01"
             "a\x80\x01"
             "b",
             "text(a)error 1002"),
        RULE("\x01\x01"
             "a\x81\x01"
             "b",
             "text(aerror 1002"),
        RULE("\x01\x01"
             "a\x01\x01"
             "b",
             "text(aerror 1002"),
        RULE("\x02\x00\x82\x00", "binary(error 1002"),
        /* Nothing counts after the end. */
        RULE("\x83\x00\x81\x01"
             "a",
             "error 1002"),
    };
    (void)state;
    expect_rules(rules, RN_COUNT(rules));
}

/* Section 5.1: clients mask, servers don't. */
static void the_mask_bit_belongs_to_the_role(void **state)
{
    static const uint8_t plain[] = "\x81\x01"
                                   "a",
                         hidden[] = "\x81\x81\x00\x00\x00\x00"
                                    "a";
    static const uint8_t ping[] = "\x89\x00", hidden_ping[] = "\x89\x80\x01\x02\x03\x04";
    (void)state;
    expect_in_any_cut(RN_WS_SERVER, 9, plain, 3, "error 1002", 10);
    expect_in_any_cut(RN_WS_CLIENT, 9, hidden, 7, "error 1002", 10);
    expect_in_any_cut(RN_WS_SERVER, 9, ping, 2, "error 1002", 10);
    expect_in_any_cut(RN_WS_CLIENT, 9, hidden_ping, 6, "error 1002", 10);
    expect_in_any_cut(RN_WS_SERVER, 9, hidden, 7, "text(a)", 7);
    expect_in_any_cut(RN_WS_SERVER, 9, hidden_ping, 6, "ping()", 6);
}

static void the_limit_of_a_message(void **state)
{
    static const struct rule rules[] = {
        RULE_MAX(5,
                 "\x82\x05"
                 "abcde",
                 "binary(abcde)"),
        RULE_MAX(5, "\x82\x06", "error 1009"),
        RULE_MAX(5,
                 "\x82\x06"
                 "abcdef",
                 "error 1009"),
        RULE_MAX(5,
                 "\x02\x03"
                 "abc\x80\x02"
                 "de",
                 "binary(abcde)"),
        RULE_MAX(5,
                 "\x02\x03"
                 "abc\x80\x03",
                 "binary(abcerror 1009"),
        RULE_MAX(5,
                 "\x02\x05"
                 "abcde\x00\x00\x80\x00",
                 "binary(abcde)"),
        RULE_MAX(5,
                 "\x02\x05"
                 "abcde\x00\x01",
                 "binary(abcdeerror 1009"),
        RULE_MAX(5,
                 "\x82\x05"
                 "abcde\x81\x05"
                 "fghij",
                 "binary(abcde)text(fghij)"),
        RULE_MAX(5,
                 "\x02\x05"
                 "abcde\x89\x06"
                 "abcdef\x80\x00",
                 "binary(abcdeping(abcdef))"),
        RULE_MAX(0, "\x82\x00\x89\x01x", "binary()ping(x)"),
        RULE_MAX(0, "\x81\x01", "error 1009"),
        RULE_MAX(1000, "\x82\x7e\x03\xe9", "error 1009"),
        RULE_MAX(1000, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "error 1009"),
        RULE_MAX(1000, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "error 1009"),
        RULE_MAX(1000, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "error 1009"),
        RULE_MAX(1000,
                 "\x02\x01"
                 "a\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
                 "binary(aerror 1009"),
    };
    (void)state;
    expect_rules(rules, RN_COUNT(rules));
}

/* With no limit of the caller's, 2^63 - 1 is one: the sum can't wrap around. */
static void the_limit_without_a_limit(void **state)
{
    static const char most[] = "\x02\x01"
                               "a\x00\x7f\x7f\xff\xff\xff\xff\xff\xff\xfe"
                               "b";
    static const char over[] = "\x02\x01"
                               "a\x00\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    static const char top_bit[] = "\x02\x7f\x80\x00\x00\x00\x00\x00\x00\x00";
    static const char wraps[] = "\x02\x01"
                                "a\x00\x7f\xff\xff\xff\xff\xff\xff\xff\xff";
    (void)state;
    expect_both_roles(UINT64_MAX, most, sizeof(most) - 1, "binary(ab", 9);
    expect_both_roles(UINT64_MAX, over, sizeof(over) - 1, "binary(aerror 1009", 18);
    expect_both_roles(UINT64_MAX, top_bit, sizeof(top_bit) - 1, "error 1009", 10);
    expect_both_roles(UINT64_MAX, wraps, sizeof(wraps) - 1, "binary(aerror 1009", 18);
}

/* Section 8.1, as soon as the byte is there: several of these never send the rest. */
static void text_is_utf8(void **state)
{
    static const struct rule rules[] = {
        RULE("\x81\x0b\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
             "text(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)"),
        RULE("\x01\x01\xf4\x00\x01\x8f\x00\x00\x80\x02\xbf\xbf", "text(\xf4\x8f\xbf\xbf)"),
        RULE("\x81\x20"
             "ab\xff",
             "text(aberror 1007"),
        RULE("\x81\x20\xff", "error 1007"),
        RULE("\x81\x20\xf4\x90", "text(\xf4"
                                 "error 1007"),
        RULE("\x01\x01\xf4\x80\x01\x90", "text(\xf4"
                                         "error 1007"),
        RULE("\x01\x03"
             "abc\x80\x01\x80",
             "text(abcerror 1007"),
        RULE("\x81\x02\xc0\xaf", "error 1007"),
        RULE("\x81\x03\xed\xa0\x80", "text(\xed"
                                     "error 1007"),
        /* An end within a character. */
        RULE("\x81\x01\xc3", "error 1007"),
        RULE("\x81\x03"
             "a\xe2\x82",
             "text(a\xe2"
             "error 1007"),
        RULE("\x01\x01\xc3\x80\x00", "text(\xc3"
                                     "error 1007"),
        RULE("\x01\x01\xc3\x80\x01"
             "a",
             "text(\xc3"
             "error 1007"),
        /* It is nobody's business in binary, and a text starts anew after it. */
        RULE("\x82\x02\xff\xc3\x81\x01"
             "a",
             "binary(\xff\xc3)text(a)"),
        RULE("\x82\x01\xc3\x81\x01\xa9", "binary(\xc3)error 1007"),
        RULE("\x89\x02\xff\xc3", "ping(\xff\xc3)"),
    };
    (void)state;
    expect_rules(rules, RN_COUNT(rules));
}

/* Section 5.5.1 and 7.4. */
static void close_frames(void **state)
{
    static const struct rule rules[] = {
        RULE("\x88\x00", "close 1005()"),
        RULE("\x88\x02\x03\xe8", "close 1000()"),
        RULE("\x88\x06\x03\xe9"
             "bye!",
             "close 1001(bye!)"),
        RULE("\x88\x04\x0f\xa0\xc3\xa9", "close 4000(\xc3\xa9)"),
        RULE("\x88\x00\x81\x01"
             "a\x88\x00",
             "close 1005()"),
        RULE("\x01\x01"
             "a\x88\x02\x03\xe8\x80\x00",
             "text(aclose 1000()"),
        RULE("\x88\x01\x03", "error 1002"),
        RULE("\x88\x02\x03\xed", "error 1002"),
        RULE("\x88\x02\x00\x00", "error 1002"),
        RULE("\x88\x02\xff\xff", "error 1002"),
        RULE("\x88\x03\x03\xe8\xff", "error 1007"),
        RULE("\x88\x04\x03\xe8\xe2\x82", "error 1007"),
        RULE("\x88\x03\x03\xed\xff", "error 1002"),
    };
    (void)state;
    expect_rules(rules, RN_COUNT(rules));
}

static bool close_code_by_the_registry(unsigned code)
{
    static const uint16_t registered[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                          1009, 1010, 1011, 1012, 1013, 1014};
    for (size_t i = 0; i < RN_COUNT(registered); i++)
        if (code == registered[i]) return true;
    return code >= 3000 && code < 5000;
}

static void every_close_code(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        uint8_t frame[4] = {0x88, 2}, payload[2];
        struct rn_ws ws;
        struct rn_ws_event event;
        bool valid = close_code_by_the_registry(code);
        assert_int_equal(rn_ws_close_code_valid((uint16_t)code), valid);
        size_t len = rn_ws_close_payload(payload, (uint16_t)code, rn_bytes_of(NULL, 0));
        assert_int_equal(len, valid ? 2 : 0);
        frame[2] = (uint8_t)(code >> 8);
        frame[3] = (uint8_t)code;
        if (valid) assert_memory_equal(payload, frame + 2, 2);
        rn_ws_init(&ws, RN_WS_CLIENT, 0);
        size_t consumed = rn_ws_next(&ws, frame, sizeof(frame), &event);
        if (valid) assert_int_equal(consumed, sizeof(frame));
        assert_int_equal(event.kind, valid ? RN_WS_EVENT_CLOSE : RN_WS_EVENT_ERROR);
        assert_int_equal(event.code, valid ? code : RN_WS_PROTOCOL_ERROR);
    }
}

/* A reason that is too long ends before the character that doesn't fit. */
static void close_payloads_are_cut_between_characters(void **state)
{
    static const char *const fills[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    (void)state;
    for (size_t fill = 0; fill < RN_COUNT(fills); fill++) {
        size_t size = strlen(fills[fill]);
        for (size_t lead = 0; lead < 4; lead++) {
            for (size_t count = 0; count < 140; count++) {
                uint8_t reason[600], payload[RN_WS_CONTROL_MAX];
                memset(reason, 'x', lead);
                for (size_t i = 0; i < count; i++)
                    memcpy(reason + lead + i * size, fills[fill], size);
                size_t len = lead + count * size, fitting = (123 - lead) / size;
                size_t expected = lead + (count < fitting ? count : fitting) * size;
                const uint8_t *at_page = guarded_input(reason, len);
                size_t result = rn_ws_close_payload(payload, 1001, rn_bytes_of(at_page, len));
                assert_int_equal(result, 2 + expected);
                assert_memory_equal(payload, "\x03\xe9", 2);
                assert_memory_equal(payload + 2, reason, expected);
            }
        }
    }
}

/* Headers of all sizes: as section 5.2 has them, and taken back to the same length. */
static void headers_there_and_back(void **state)
{
    static const struct {
        uint64_t len;
        const char *header;
        size_t header_len;
    } sizes[] = {
        {0, "\x82\x00", 2},
        {1, "\x82\x01", 2},
        {125, "\x82\x7d", 2},
        {126, "\x82\x7e\x00\x7e", 4},
        {65535, "\x82\x7e\xff\xff", 4},
        {65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
        {1ull << 31, "\x82\x7f\x00\x00\x00\x00\x80\x00\x00\x00", 10},
        {INT64_MAX, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10},
    };
    (void)state;
    for (size_t i = 0; i < RN_COUNT(sizes); i++) {
        for (int with_mask = 0; with_mask < 2; with_mask++) {
            uint8_t header[RN_WS_HEADER_MAX];
            const uint8_t key[4] = {1, 2, 3, 4};
            size_t len =
                rn_ws_header(header, true, RN_WS_BINARY, sizes[i].len, with_mask ? key : NULL);
            assert_int_equal(len, sizes[i].header_len + (with_mask ? 4 : 0));
            if (with_mask) assert_memory_equal(header + len - 4, key, 4);
            for (size_t cut = 0; cut < len; cut++) {
                struct rn_ws ws;
                struct rn_ws_event event;
                rn_ws_init(&ws, with_mask ? RN_WS_SERVER : RN_WS_CLIENT, UINT64_MAX);
                assert_int_equal(rn_ws_next(&ws, guarded_input(header, cut), cut, &event), 0);
                assert_int_equal(event.kind, RN_WS_EVENT_NONE);
                assert_int_equal(rn_ws_next(&ws, guarded_input(header, len), len, &event), len);
                assert_int_equal(event.kind,
                                 sizes[i].len == 0 ? RN_WS_EVENT_DATA : RN_WS_EVENT_NONE);
                assert_int_equal(ws.frame_remaining, sizes[i].len);
            }
            if (with_mask) header[1] &= 0x7F;
            assert_memory_equal(header, sizes[i].header, sizes[i].header_len);
        }
    }
    uint8_t header[RN_WS_HEADER_MAX];
    assert_int_equal(rn_ws_header(header, false, RN_WS_CONTINUATION, 0, NULL), 2);
    assert_memory_equal(header, "\x00\x00", 2);
}

/* Section 5.3, against the definition, from every position and alignment. */
static void masking_by_the_definition(void **state)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    (void)state;
    for (size_t len = 0; len <= 80; len++) {
        for (uint64_t at = 0; at < 9; at++) {
            uint8_t plain[96], *payload = guarded_space(0, len);
            for (size_t i = 0; i < len; i++) payload[i] = plain[i] = (uint8_t)(i * 7);
            rn_ws_mask(payload, len, key, at);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(payload[i], plain[i] ^ key[(at + i) % 4]);
        }
    }
}

/* Appends one frame with a random key if there is to be one; returns its length. */
static size_t emit(uint8_t *to, enum rn_ws_role role, bool fin, enum rn_ws_opcode opcode,
                   const void *payload, size_t len)
{
    uint8_t key[4];
    uint64_t bits = random_next();
    memcpy(key, &bits, 4);
    size_t header = rn_ws_header(to, fin, opcode, len, role == RN_WS_CLIENT ? key : NULL);
    if (len > 0) memcpy(to + header, payload, len);
    if (role == RN_WS_CLIENT) rn_ws_mask(to + header, len, key, 0);
    return header + len;
}

static void payloads_of_all_sizes(void **state)
{
    static const size_t sizes[] = {1,   7,   8,   9,   15,  16,   17,    31,    63,
                                   124, 125, 126, 127, 128, 1000, 65535, 65536, 70000};
    static uint8_t payload[70000], frame[70014];
    static char expected[70010] = "binary(";
    (void)state;
    random_state = 2;
    for (size_t i = 0; i < sizeof(payload); i++) payload[i] = (uint8_t)random_next();
    for (size_t i = 0; i < RN_COUNT(sizes); i++) {
        size_t len = sizes[i], step = len < 1000 ? 1 : 997;
        memcpy(expected + 7, payload, len);
        expected[7 + len] = ')';
        for (int role = RN_WS_SERVER; role <= RN_WS_CLIENT; role++) {
            size_t frame_len = emit(frame, !role, true, RN_WS_BINARY, payload, len);
            expect_run(role, len, frame, frame_len, expected, len + 8, frame_len, 1);
            expect_run(role, len, frame, frame_len, expected, len + 8, 1, 1);
            for (size_t first = 1; first <= frame_len; first += step)
                expect_run(role, len, frame, frame_len, expected, len + 8, first, frame_len);
            if (len > RN_WS_CONTROL_MAX) continue;
            frame_len = emit(frame, !role, true, RN_WS_PONG, payload, len);
            memcpy(expected + 2, "pong(", 5);
            expect_run(role, 0, frame, frame_len, expected + 2, len + 6, frame_len, 1);
            expect_run(role, 0, frame, frame_len, expected + 2, len + 6, 1, 1);
            memcpy(expected, "binary(", 7);
        }
    }
}

/* One side of a conversation: what it sends, how far that got, and what the other must hear. */
struct side {
    struct ws_log heard;
    enum rn_ws_role role;
    uint8_t *sent;
    size_t sent_len;
    size_t delivered;
    struct ws_log meant;
};

static void say_control(struct side *side)
{
    uint8_t payload[RN_WS_CONTROL_MAX];
    size_t len = random_below(sizeof(payload) + 1);
    bool ping = random_below(2) == 0;
    for (size_t i = 0; i < len; i++) payload[i] = (uint8_t)random_next();
    side->sent_len += emit(side->sent + side->sent_len, side->role, true,
                           ping ? RN_WS_PING : RN_WS_PONG, payload, len);
    ws_log_put(&side->meant, ping ? "ping(" : "pong(", 5);
    ws_log_put(&side->meant, payload, len);
    ws_log_put(&side->meant, ")", 1);
}

/* A message in up to five fragments, cut anywhere, with control frames in between. */
static void say_message(struct side *side)
{
    static const char *const letters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    uint8_t payload[4 * 400];
    size_t len = 0, at = 0, count = random_below(400);
    bool text = random_below(2) == 0;
    for (size_t i = 0; i < count; i++) {
        const char *letter = letters[random_below(10) < 7 ? 0 : random_below(4)];
        memcpy(payload + len, letter, strlen(letter));
        len += strlen(letter);
    }
    enum rn_ws_opcode opcode = text ? RN_WS_TEXT : RN_WS_BINARY;
    ws_log_put(&side->meant, text ? "text(" : "binary(", text ? 5 : 7);
    for (size_t left = 1 + random_below(5); left > 0; left--) {
        size_t size = left == 1 ? len - at : random_below(len - at + 1);
        side->sent_len +=
            emit(side->sent + side->sent_len, side->role, left == 1, opcode, payload + at, size);
        ws_log_put(&side->meant, payload + at, size);
        at += size;
        opcode = RN_WS_CONTINUATION;
        if (left > 1 && random_below(3) == 0) say_control(side);
    }
    ws_log_put(&side->meant, ")", 1);
}

static void say_close(struct side *side, uint16_t code, rn_bytes reason)
{
    uint8_t payload[RN_WS_CONTROL_MAX];
    size_t len = rn_ws_close_payload(payload, code, reason);
    side->sent_len +=
        emit(side->sent + side->sent_len, side->role, true, RN_WS_CLOSE, payload, len);
}

static void deliver_some(struct side *from, struct side *to)
{
    size_t left = from->sent_len - from->delivered;
    size_t most = random_below(8) == 0 ? 5000 : 40;
    size_t size = random_below((left < most ? left : most) + 1);
    ws_log_feed(&to->heard, from->sent + from->delivered, size);
    from->delivered += size;
}

static void a_client_and_a_server_understand_each_other(void **state)
{
    struct side sides[2] = {{.role = RN_WS_SERVER}, {.role = RN_WS_CLIENT}};
    (void)state;
    random_state = 3;
    for (int i = 0; i < 2; i++) {
        struct side *side = &sides[i];
        ws_log_init(&side->heard, side->role, 1600);
        ws_log_init(&side->meant, side->role, 0);
        side->sent = test_malloc(1 << 20);
        for (int n = 0; n < 300; n++) random_below(4) == 0 ? say_control(side) : say_message(side);
    }
    say_close(&sides[1], 1001, RN_BYTES("bye"));
    ws_log_put(&sides[1].meant, "close 1001(bye)", 15);
    bool answered = false;
    for (unsigned round = 0; !sides[1].heard.ended; round++) {
        assert_true(round < 200000);
        deliver_some(&sides[round % 2], &sides[1 - round % 2]);
        if (sides[0].heard.ended && !answered) {
            say_close(&sides[0], 1001, RN_BYTES(""));
            ws_log_put(&sides[0].meant, "close 1001()", 12);
            answered = true;
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sides[i].heard.len, sides[1 - i].meant.len);
        assert_memory_equal(sides[i].heard.text, sides[1 - i].meant.text, sides[i].heard.len);
        assert_int_equal(sides[i].delivered, sides[i].sent_len);
        ws_log_free(&sides[i].heard);
    }
    for (int i = 0; i < 2; i++) {
        ws_log_free(&sides[i].meant);
        test_free(sides[i].sent);
    }
}

/* Pieces go out as they come, where they lie: nothing waits for the frame's end. */
static void data_is_handed_out_in_place_at_once(void **state)
{
    uint8_t in[] = {0x82, 0x85, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2, 'c' ^ 3, 'd' ^ 4, 'e' ^ 1};
    struct rn_ws ws;
    struct rn_ws_event event;
    (void)state;
    rn_ws_init(&ws, RN_WS_SERVER, 5);
    assert_int_equal(rn_ws_next(&ws, in, 5, &event), 0);
    assert_int_equal(event.kind, RN_WS_EVENT_NONE);
    assert_int_equal(rn_ws_next(&ws, in, 9, &event), 9);
    assert_int_equal(event.kind, RN_WS_EVENT_DATA);
    assert_ptr_equal(event.data.ptr, in + 6);
    assert_int_equal(event.data.len, 3);
    assert_memory_equal(in + 6, "abc", 3);
    assert_true(event.first && !event.last);
    assert_int_equal(rn_ws_next(&ws, in + 9, 0, &event), 0);
    assert_int_equal(event.kind, RN_WS_EVENT_NONE);
    assert_int_equal(rn_ws_next(&ws, NULL, 0, &event), 0);
    assert_int_equal(rn_ws_next(&ws, in + 9, 2, &event), 2);
    assert_memory_equal(in + 9, "de", 2);
    assert_true(!event.first && event.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard),
        cmocka_unit_test(messages_and_fragments),
        cmocka_unit_test(what_breaks_the_framing),
        cmocka_unit_test(the_mask_bit_belongs_to_the_role),
        cmocka_unit_test(the_limit_of_a_message),
        cmocka_unit_test(the_limit_without_a_limit),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(close_frames),
        cmocka_unit_test(every_close_code),
        cmocka_unit_test(close_payloads_are_cut_between_characters),
        cmocka_unit_test(headers_there_and_back),
        cmocka_unit_test(masking_by_the_definition),
        cmocka_unit_test(payloads_of_all_sizes),
        cmocka_unit_test(a_client_and_a_server_understand_each_other),
        cmocka_unit_test(data_is_handed_out_in_place_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
