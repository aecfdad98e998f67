/* proto/dns.c: names and messages, read from memory that ends at a guard page. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <runnel/dns.h>

#include "guarded.h"

static rn_bytes text_of(const char *text)
{
    return guarded_copy(0, text, strlen(text));
}

static struct rn_dns_name name_of(const char *text)
{
    struct rn_dns_name name;
    assert_int_equal(rn_dns_name_parse(&name, text_of(text)), 0);
    return name;
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void names_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wire, *back;
    } rows[] = {
        {".", "", "."},
        {"a", "\1a", "a"},
        {"a.", "\1a", "a"},
        {"www.Example.com", "\3www\7Example\3com", "www.Example.com"},
        {"_sip._tcp.x", "\4_sip\4_tcp\1x", "_sip._tcp.x"},
        {"a\\.b.c", "\3a.b\1c", "a\\.b.c"},
        {"a\\\\b", "\3a\\b", "a\\\\b"},
        {"\\097\\032\\255", "\3a \377", "a\\032\\255"},
        {"\\x", "\1x", "x"},
    };
    for (size_t i = 0; i < RN_COUNT(rows); i++) {
        char back[RN_DNS_TEXT_MAX];
        struct rn_dns_name name = name_of(rows[i].text);
        assert_int_equal(name.len, strlen(rows[i].wire) + 1);
        assert_memory_equal(name.bytes, rows[i].wire, name.len);
        assert_int_equal(rn_dns_name_format(&name, back), strlen(rows[i].back));
        assert_string_equal(back, rows[i].back);
    }
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "..",    ".a",    "a..b",  "a..",  "a b",
                                      "a\tb",  "\303\244", "a\x7f", "\\",  "a\\1", "\\12",
                                      "\\256", "\\1x2", "a.\\"};
    struct rn_dns_name name;
    for (size_t i = 0; i < RN_COUNT(bad); i++)
        assert_int_equal(rn_dns_name_parse(&name, text_of(bad[i])), RN_E_MISUSE);
}

static void names_have_their_limits(void **state)
{
    (void)state;
    char text[300], back[RN_DNS_TEXT_MAX];
    struct rn_dns_name name;
    memset(text, 'a', sizeof text);
    assert_int_equal(rn_dns_name_parse(&name, rn_bytes_of(text, 63)), 0);
    assert_int_equal(rn_dns_name_parse(&name, rn_bytes_of(text, 64)), RN_E_MISUSE);
    for (unsigned i = 49; i < sizeof text; i += 50) text[i] = '.';
    /* 253 characters, and a dot, are 255 octets with the first length and the root. */
    assert_int_equal(rn_dns_name_parse(&name, rn_bytes_of(text, 253)), 0);
    assert_int_equal(name.len, 255);
    assert_int_equal(rn_dns_name_format(&name, back), 253);
    assert_memory_equal(back, text, 253);
    assert_int_equal(rn_dns_name_parse(&name, rn_bytes_of(text, 254)), RN_E_MISUSE);
    text[253] = '.';
    assert_int_equal(rn_dns_name_parse(&name, rn_bytes_of(text, 254)), 0);
    assert_int_equal(rn_dns_name_parse(&name, rn_bytes_of(text, 255)), RN_E_MISUSE);
    /* The longest as text: every octet is escaped. */
    for (unsigned i = 0; i < 254; i++) name.bytes[i] = i % 64 ? 0xFF : i == 192 ? 61 : 63;
    name.bytes[254] = 0;
    name.len = 255;
    char *to = guarded_space(1, RN_DNS_TEXT_MAX);
    size_t len = rn_dns_name_format(&name, to);
    assert_true(len < RN_DNS_TEXT_MAX);
    struct rn_dns_name again;
    assert_int_equal(rn_dns_name_parse(&again, rn_bytes_of(to, len)), 0);
    assert_true(rn_dns_name_equal(&name, &again));
}

static void names_compare_without_case(void **state)
{
    (void)state;
    struct rn_dns_name a = name_of("wWw.example.COM"), b = name_of("WwW.EXAMPLE.com"),
                       c = name_of("www.example.con"), d = name_of("www.example");
    assert_true(rn_dns_name_equal(&a, &b));
    assert_false(rn_dns_name_equal(&a, &c));
    assert_false(rn_dns_name_equal(&a, &d));
}

/* ---- Compressed names ------------------------------------------------------------------------ */

static int read_at(const char *bytes, size_t len, size_t at, const char *expected, size_t end)
{
    char text[RN_DNS_TEXT_MAX];
    struct rn_dns_name name;
    struct rn_dns_reader reader = {guarded_copy(0, bytes, len), at};
    int result = rn_dns_read_name(&reader, &name);
    if (result == 0) {
        rn_dns_name_format(&name, text);
        assert_string_equal(text, expected);
        assert_int_equal(reader.at, end);
    }
    return result;
}

#define NAME(bytes, at, expected, end) read_at(bytes, sizeof(bytes) - 1, at, expected, end)

static void compressed_names_are_followed(void **state)
{
    (void)state;
    assert_int_equal(NAME("\1a\0", 0, "a", 3), 0);
    assert_int_equal(NAME("\1a\0\1b\xC0\0", 3, "b.a", 7), 0);
    assert_int_equal(NAME("\1a\0\1b\xC0\0\1c\xC0\3z", 7, "c.b.a", 11), 0);
    assert_int_equal(NAME("\0\xC0\0", 1, ".", 3), 0);
}

static void names_that_lead_nowhere_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, at;
    } rows[] = {
        {"", 0, 0},
        {"\1a", 2, 0},                         /* no root */
        {"\2a", 2, 0},                         /* cut */
        {"\1a\0\xC0", 4, 3},                   /* half a pointer */
        {"\xC0\0", 2, 0},                      /* to itself */
        {"\1a\xC0\0", 4, 0},                   /* to its own beginning: a.a.a. */
        {"\xC0\2\xC0\0", 4, 2},                /* to each other */
        {"\1a\0\xC0\5\0", 6, 3},               /* forward */
        {"\1a\0\xC0\x3F", 5, 3},               /* behind the end */
        {"\x40" "a\0", 3, 0},                  /* kinds of labels that there are none of */
        {"\x80" "a\0", 3, 0},
    };
    for (size_t i = 0; i < RN_COUNT(rows); i++)
        assert_int_equal(read_at(rows[i].bytes, rows[i].len, rows[i].at, "", 0), RN_E_PROTOCOL);
}

static void a_compressed_name_has_the_same_limit(void **state)
{
    (void)state;
    /* Labels of one octet, each behind a pointer to the one before: 127 of them are 255 octets. */
    char bytes[4 * 130];
    struct rn_dns_name name;
    memcpy(bytes, "\1a\0", 4);
    for (unsigned i = 1; i < 130; i++) {
        unsigned before = 4 * (i - 1);
        bytes[4 * i] = 1;
        bytes[4 * i + 1] = 'b';
        bytes[4 * i + 2] = (char)(0xC0 | before >> 8);
        bytes[4 * i + 3] = (char)before;
    }
    struct rn_dns_reader reader = {guarded_copy(0, bytes, sizeof bytes), 4 * 126};
    assert_int_equal(rn_dns_read_name(&reader, &name), 0);
    assert_int_equal(name.len, 255);
    reader.at = 4 * 127;
    assert_int_equal(rn_dns_read_name(&reader, &name), RN_E_PROTOCOL);
}

/* No name needs more pointers than it can have labels; a message has room for thousands, and its
 * records for as many names that walk along them. */
static void so_many_pointers_and_no_more(void **state)
{
    (void)state;
    uint8_t bytes[1 + 2 * (RN_DNS_POINTERS_MAX + 1)] = {0};
    struct rn_dns_name name;
    for (unsigned i = 0; i <= RN_DNS_POINTERS_MAX; i++) {
        unsigned before = i ? 2 * i - 1 : 0;
        bytes[2 * i + 1] = (uint8_t)(0xC0 | before >> 8);
        bytes[2 * i + 2] = (uint8_t)before;
    }
    struct rn_dns_reader reader = {guarded_copy(0, bytes, sizeof bytes), sizeof bytes - 4};
    assert_int_equal(rn_dns_read_name(&reader, &name), 0);
    assert_int_equal(name.len, 1);
    assert_int_equal(reader.at, sizeof bytes - 2);
    assert_int_equal(rn_dns_read_name(&reader, &name), RN_E_PROTOCOL);
}

/* ---- Records --------------------------------------------------------------------------------- */

static int read_record(const char *bytes, size_t len, struct rn_dns_record *record)
{
    struct rn_dns_reader reader = {guarded_copy(0, bytes, len), 0};
    int result = rn_dns_read_record(&reader, record);
    if (result == 0) assert_int_equal(reader.at, len);
    return result;
}

#define RECORD(bytes, record) read_record(bytes, sizeof(bytes) - 1, record)
#define HEAD(type, length) "\1a\0\0" type "\0\1\0\1\2\3\0" length

static void assert_name(const struct rn_dns_name *name, const char *expected)
{
    char text[RN_DNS_TEXT_MAX];
    rn_dns_name_format(name, text);
    assert_string_equal(text, expected);
}

static void records_are_taken_apart(void **state)
{
    (void)state;
    struct rn_dns_record record;
    assert_int_equal(RECORD(HEAD("\1", "\4") "\177\0\0\1", &record), 0);
    assert_int_equal(record.type, RN_DNS_A);
    assert_int_equal(record.rclass, RN_DNS_INTERNET);
    assert_int_equal(record.ttl, 0x10203);
    assert_int_equal(record.data.len, 4);
    assert_memory_equal(record.data.ptr, "\177\0\0\1", 4);
    assert_int_equal(RECORD(HEAD("\5", "\4") "\1b\xC0\0", &record), 0);
    assert_name(&record.target, "b.a");
    assert_int_equal(RECORD(HEAD("\17", "\5") "\1\2\1b\0", &record), 0);
    assert_int_equal(record.numbers[0], 0x102);
    assert_name(&record.target, "b");
    assert_int_equal(RECORD(HEAD("\41", "\11") "\0\1\0\2\0\3\1b\0", &record), 0);
    assert_int_equal(record.numbers[0] << 8 | record.numbers[1] << 4 | record.numbers[2], 0x123);
    assert_name(&record.target, "b");
    assert_int_equal(RECORD(HEAD("\6", "\32") "\1b\0\1c\0"
                            "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", &record), 0);
    assert_name(&record.target, "b");
    assert_name(&record.mailbox, "c");
    for (unsigned i = 0; i < 5; i++) assert_int_equal(record.times[i], i + 1);
}

static void broken_records_are_refused(void **state)
{
    (void)state;
    struct rn_dns_record record;
    assert_int_equal(RECORD(HEAD("\1", "\3") "\177\0\0", &record), RN_E_PROTOCOL);
    assert_int_equal(RECORD(HEAD("\34", "\4") "\177\0\0\1", &record), RN_E_PROTOCOL);
    assert_int_equal(RECORD(HEAD("\1", "\4") "\177\0\0", &record), RN_E_PROTOCOL);
    assert_int_equal(RECORD(HEAD("\5", "\4") "\1b\0\0", &record), RN_E_PROTOCOL); /* too long */
    assert_int_equal(RECORD(HEAD("\5", "\2") "\1b\0", &record), RN_E_PROTOCOL);   /* too short */
    assert_int_equal(RECORD(HEAD("\17", "\2") "\1\2", &record), RN_E_PROTOCOL);
    assert_int_equal(RECORD(HEAD("\6", "\12") "\1b\0\1c\0\0\0\0\1", &record), RN_E_PROTOCOL);
    assert_int_equal(RECORD("\1a\0\0\1\0\1\0\0\0\1\0", &record), RN_E_PROTOCOL);
    assert_int_equal(RECORD("\1a\0\0\1\0\1", &record), RN_E_PROTOCOL);
}

static void a_ttl_with_the_top_bit_is_none(void **state)
{
    (void)state;
    struct rn_dns_record record;
    assert_int_equal(RECORD("\0\0\1\0\1\x7F\xFF\xFF\xFF\0\4\1\2\3\4", &record), 0);
    assert_int_equal(record.ttl, 0x7FFFFFFF);
    assert_int_equal(RECORD("\0\0\1\0\1\x80\0\0\0\0\4\1\2\3\4", &record), 0);
    assert_int_equal(record.ttl, 0);
    assert_int_equal(RECORD("\0\0\51\4\xD0\x80\0\0\0\0\0", &record), 0); /* but of OPT */
    assert_int_equal(record.ttl, 0x80000000);
}

static void text_is_taken_off_piece_by_piece(void **state)
{
    (void)state;
    rn_bytes data = guarded_copy(0, "\3abc\0\2de", 8), text;
    assert_true(rn_dns_next_text(&data, &text));
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.ptr, "abc", 3);
    assert_true(rn_dns_next_text(&data, &text));
    assert_int_equal(text.len, 0);
    assert_true(rn_dns_next_text(&data, &text));
    assert_memory_equal(text.ptr, "de", 2);
    assert_false(rn_dns_next_text(&data, &text));
    data = guarded_copy(0, "\4abc", 4);
    assert_false(rn_dns_next_text(&data, &text));
}

/* ---- Whole messages -------------------------------------------------------------------------- */

static size_t write_all(struct rn_dns_writer *writer)
{
    struct rn_dns_header header = {0x1234, RN_DNS_RESPONSE | RN_DNS_NXDOMAIN, {1, 1, 1, 0}};
    struct rn_dns_question question = {name_of("a.b"), RN_DNS_SRV, RN_DNS_INTERNET};
    struct rn_dns_record srv = {.name = name_of("a.b"), .type = RN_DNS_SRV, .rclass = 1, .ttl = 60,
                                .numbers = {1, 2, 3}, .target = name_of("c.d")};
    struct rn_dns_record soa = {.name = name_of("."), .type = RN_DNS_SOA, .rclass = 1, .ttl = 7,
                                .target = name_of("x"), .mailbox = name_of("y.z"),
                                .times = {1, 2, 3, 4, 5}};
    rn_dns_write_header(writer, &header);
    rn_dns_write_question(writer, &question);
    rn_dns_write_record(writer, &srv);
    rn_dns_write_record(writer, &soa);
    return writer->len;
}

static void a_message_comes_back_as_it_was_written(void **state)
{
    (void)state;
    struct rn_dns_writer counting = {NULL, 0, 0};
    size_t len = write_all(&counting);
    struct rn_dns_writer writer = {guarded_space(1, len), len, 0};
    assert_int_equal(write_all(&writer), len);
    struct rn_dns_reader reader = {rn_bytes_of(writer.to, len), 0};
    struct rn_dns_header header;
    struct rn_dns_question question;
    struct rn_dns_record record;
    assert_int_equal(rn_dns_read_header(&reader, &header), 0);
    assert_int_equal(header.id, 0x1234);
    assert_int_equal(header.flags, RN_DNS_RESPONSE | RN_DNS_NXDOMAIN);
    assert_int_equal(header.counts[0] + header.counts[1] + header.counts[2], 3);
    assert_int_equal(rn_dns_read_question(&reader, &question), 0);
    assert_name(&question.name, "a.b");
    assert_int_equal(rn_dns_read_record(&reader, &record), 0);
    assert_int_equal(record.numbers[2], 3);
    assert_name(&record.target, "c.d");
    assert_int_equal(rn_dns_read_record(&reader, &record), 0);
    assert_int_equal(record.times[4], 5);
    assert_name(&record.mailbox, "y.z");
    assert_int_equal(reader.at, len);
    /* Cut anywhere, something is missing, and nothing behind the end is read. */
    for (size_t cut = 0; cut < len; cut++) {
        reader = (struct rn_dns_reader){guarded_copy(2, writer.to, cut), 0};
        assert_true(rn_dns_read_header(&reader, &header) < 0 ||
                    rn_dns_read_question(&reader, &question) < 0 ||
                    rn_dns_read_record(&reader, &record) < 0 ||
                    rn_dns_read_record(&reader, &record) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(names_have_their_limits),
        cmocka_unit_test(names_compare_without_case),
        cmocka_unit_test(compressed_names_are_followed),
        cmocka_unit_test(names_that_lead_nowhere_are_refused),
        cmocka_unit_test(a_compressed_name_has_the_same_limit),
        cmocka_unit_test(so_many_pointers_and_no_more),
        cmocka_unit_test(records_are_taken_apart),
        cmocka_unit_test(broken_records_are_refused),
        cmocka_unit_test(a_ttl_with_the_top_bit_is_none),
        cmocka_unit_test(text_is_taken_off_piece_by_piece),
        cmocka_unit_test(a_message_comes_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
