/*
 * Paths, queries and links: the cases one by one, every escape, every limit, and random paths
 * against another way to do the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include <runnel/url.h>

#include "guarded.h"

enum { INPUT, OUTPUT, BACK };

static const struct {
    const char *in;
    const char *out; /* NULL: an error is due */
    int error;
} paths[] = {
    {"/", "", 0},
    {"//", "", 0},
    {"/.", "", 0},
    {"/./", "", 0},
    {"/a", "a", 0},
    {"/a/", "a/", 0},
    {"/a//b", "a/b", 0},
    {"///a///b///", "a/b/", 0},
    {"/a/.", "a/", 0},
    {"/a/./b", "a/b", 0},
    {"/a/..", "", 0},
    {"/a/../b", "b", 0},
    {"/a/b/..", "a/", 0},
    {"/a/b/../", "a/", 0},
    {"/a/b/../../c", "c", 0},
    {"/a/b/c/../../d/", "a/d/", 0},
    {"/a//../b", "b", 0},
    {"/a/%2e/b", "a/b", 0},
    {"/a/%2E%2e/b", "b", 0},
    {"/a/.%2E", "", 0},
    {"/hello%20world.txt", "hello world.txt", 0},
    {"/%e4%B8%AD", "\xe4\xb8\xad", 0},
    {"/a%25b", "a%b", 0},
    {"/%252e%252e/x", "%2e%2e/x", 0},
    {"/a\\..\\b", "a\\..\\b", 0},
    {"/a%5C..", "a\\..", 0},
    {"/a..b", "a..b", 0},
    {"/a..", "a..", 0},
    {"/a+b", "a+b", 0},
    {"/a%3Fb%23c", "a?b#c", 0},
    {"/%0A%7f", "\n\x7f", 0},
    {"/.well-known/acme", ".well-known/acme", 0},
    {"/%2ewell-known", ".well-known", 0},
    {"/x/../.well-known/", ".well-known/", 0},

    {"", NULL, RN_E_PROTOCOL},
    {"a", NULL, RN_E_PROTOCOL},
    {"*", NULL, RN_E_PROTOCOL},
    {"/..", NULL, RN_E_PROTOCOL},
    {"/../", NULL, RN_E_PROTOCOL},
    {"/../a", NULL, RN_E_PROTOCOL},
    {"//../a", NULL, RN_E_PROTOCOL},
    {"/./../a", NULL, RN_E_PROTOCOL},
    {"/%2e%2e/a", NULL, RN_E_PROTOCOL},
    {"/a/../..", NULL, RN_E_PROTOCOL},
    {"/a/../../b", NULL, RN_E_PROTOCOL},
    {"/a/b/../../../c", NULL, RN_E_PROTOCOL},
    {"/%", NULL, RN_E_PROTOCOL},
    {"/%4", NULL, RN_E_PROTOCOL},
    {"/%4/", NULL, RN_E_PROTOCOL},
    {"/a%zz", NULL, RN_E_PROTOCOL},
    {"/%4g", NULL, RN_E_PROTOCOL},
    {"/%g4", NULL, RN_E_PROTOCOL},
    {"/%-1", NULL, RN_E_PROTOCOL},
    {"/% 1", NULL, RN_E_PROTOCOL},
    {"/%%41", NULL, RN_E_PROTOCOL},
    {"/a%00", NULL, RN_E_PROTOCOL},
    {"/a%00.html", NULL, RN_E_PROTOCOL},
    {"/a%2Fb", NULL, RN_E_PROTOCOL},
    {"/..%2f..%2fetc", NULL, RN_E_PROTOCOL},

    {"/.git/config", NULL, RN_E_UNSUPPORTED},
    {"/.htaccess", NULL, RN_E_UNSUPPORTED},
    {"/a/.b", NULL, RN_E_UNSUPPORTED},
    {"/a/.b/", NULL, RN_E_UNSUPPORTED},
    {"/%2egit/config", NULL, RN_E_UNSUPPORTED},
    {"/...", NULL, RN_E_UNSUPPORTED},
    {"/.../a", NULL, RN_E_UNSUPPORTED},
    {"/..a", NULL, RN_E_UNSUPPORTED},
    {"/.a/../b", NULL, RN_E_UNSUPPORTED},
    {"/a/.well-known", NULL, RN_E_UNSUPPORTED},
    {"/.well-known/.a", NULL, RN_E_UNSUPPORTED},
    {"/.well-knowN", NULL, RN_E_UNSUPPORTED},
    {"/.well-know", NULL, RN_E_UNSUPPORTED},
    {"/.well-known2", NULL, RN_E_UNSUPPORTED},
    {"/.git/%00", NULL, RN_E_UNSUPPORTED}, /* the first fault counts */
    {"/%00/.git", NULL, RN_E_PROTOCOL},
};

static void test_decode_path(void **state)
{
    for (size_t i = 0; i < RN_COUNT(paths); i++) {
        rn_bytes in = guarded_text(INPUT, paths[i].in);
        char *out = guarded_space(OUTPUT, in.len + 1);
        rn_ssize len = rn_url_decode_path(out, in.len + 1, in);
        if (!paths[i].out) {
            if (len != paths[i].error) fail_msg("%s: %td", paths[i].in, len);
            continue;
        }
        if (len < 0) fail_msg("%s: %td", paths[i].in, len);
        assert_string_equal(out, paths[i].out);
        assert_int_equal(len, strlen(out));
    }
}

static void test_decode_path_limits(void **state)
{
    for (size_t i = 0; i < RN_COUNT(paths); i++) {
        rn_bytes in = guarded_text(INPUT, paths[i].in);
        if (!paths[i].out) continue;
        size_t need = strlen(paths[i].out) + 1;
        for (size_t cap = 0; cap <= in.len + 1; cap++) {
            char *out = guarded_space(OUTPUT, cap);
            rn_ssize len = rn_url_decode_path(out, cap, in);
            /* what ".." takes away again needs room too */
            if (cap < need)
                assert_int_equal(len, RN_E_LIMIT);
            else if (len != RN_E_LIMIT)
                assert_string_equal(out, paths[i].out);
            else
                assert_non_null(strpbrk(paths[i].in, ".%"));
        }
    }
}

static void test_every_byte(void **state)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8], out[8];
        snprintf(text, sizeof(text), byte & 1 ? "/x%%%02x" : "/x%%%02X", byte);
        rn_ssize len = rn_url_decode_path(out, sizeof(out), guarded_text(INPUT, text));
        if (byte == 0 || byte == '/') {
            assert_int_equal(len, RN_E_PROTOCOL);
        } else {
            assert_int_equal(len, 2);
            assert_int_equal((uint8_t)out[1], byte);
        }
        char raw[3] = {'/', 'x', (char)byte};
        len = rn_url_decode_path(out, sizeof(out), guarded_copy(INPUT, raw, 3));
        if (byte == 0 || byte == '%')
            assert_int_equal(len, RN_E_PROTOCOL);
        else
            assert_int_equal(len, 2);
    }
}

/* The same by lists of segments: the result, or an error. */
static int model_decode(char *to, const char *path)
{
    char segments[64][64];
    int count = 0;
    bool directory = true;
    if (*path != '/') return RN_E_PROTOCOL;
    while (*path) {
        char segment[64];
        int len = 0;
        for (path++; *path && *path != '/'; path++) {
            unsigned byte = (uint8_t)*path;
            if (byte == '%') {
                int used = 0;
                char digits[3] = {path[1], path[1] ? path[2] : 0};
                if (strspn(digits, "0123456789abcdefABCDEF") != 2) return RN_E_PROTOCOL;
                if (sscanf(digits, "%2x%n", &byte, &used) != 1 || used != 2) return RN_E_PROTOCOL;
                path += 2;
                if (byte == 0 || byte == '/') return RN_E_PROTOCOL;
            }
            segment[len++] = (char)byte;
        }
        segment[len] = 0;
        directory = true;
        if (!len || !strcmp(segment, ".")) continue;
        if (!strcmp(segment, "..")) {
            if (count-- == 0) return RN_E_PROTOCOL;
            continue;
        }
        if (*segment == '.' && (count || strcmp(segment, ".well-known"))) return RN_E_UNSUPPORTED;
        strcpy(segments[count++], segment);
        directory = *path == '/';
    }
    *to = 0;
    for (int i = 0; i < count; i++) {
        strcat(to, segments[i]);
        if (i + 1 < count || directory) strcat(to, "/");
    }
    return (int)strlen(to);
}

static void test_random_paths(void **state)
{
    static const char *pieces[] = {"/",   "/",   "/",   ".",   "..",          "a",  "bc", "%2e",
                                   "%2E", "%41", "%2f", "%00", ".well-known", "/a", "%",  "/b/"};
    uint64_t random = 1;
    unsigned good = 0;
    for (int round = 0; round < 200000; round++) {
        char path[160] = "", expected[160];
        for (unsigned i = next_random(&random) % 10 + 1; i > 0; i--) {
            uint64_t pick = next_random(&random) >> 32;
            /* the faulty ones seldom, so that long paths are good often enough */
            strcat(path, pieces[pick % 16 >= 10 && pick >> 4 & 3 ? 0 : pick % 16]);
        }
        int due = model_decode(expected, path);
        rn_bytes in = guarded_text(INPUT, path);
        char *out = guarded_space(OUTPUT, in.len + 1);
        rn_ssize len = rn_url_decode_path(out, in.len + 1, in);
        if (len != due) fail_msg("%s: %td, not %d", path, len, due);
        if (len < 0) continue;
        assert_string_equal(out, expected);
        assert_int_equal(rn_url_is_directory(out, (size_t)len), len == 0 || out[len - 1] == '/');
        good++;

        char link[512] = "/";
        rn_ssize encoded =
            rn_url_encode_path(link + 1, sizeof(link) - 1, rn_bytes_of(out, (size_t)len));
        assert_true(encoded >= len);
        char *back = guarded_space(BACK, (size_t)len + 1);
        rn_bytes whole = rn_bytes_of(link, (size_t)encoded + 1);
        assert_int_equal(rn_url_decode_path(back, (size_t)len + 1, whole), len);
        assert_string_equal(back, out);
    }
    assert_true(good > 20000);
}

static void check_writer(rn_ssize (*write)(char *, size_t, rn_bytes), const char *in,
                         const char *out)
{
    rn_bytes text = guarded_text(INPUT, in);
    for (size_t cap = 0; cap <= strlen(out) + 2; cap++) {
        char *to = guarded_space(OUTPUT, cap);
        rn_ssize len = write(to, cap, text);
        if (cap < strlen(out)) {
            assert_int_equal(len, RN_E_LIMIT);
        } else {
            assert_int_equal(len, strlen(out));
            assert_memory_equal(to, out, strlen(out));
        }
    }
}

static void test_encode_path(void **state)
{
    check_writer(rn_url_encode_path, "", "");
    check_writer(rn_url_encode_path, "azAZ09-._~/", "azAZ09-._~/");
    check_writer(rn_url_encode_path, "a b/c:d", "a%20b/c%3Ad");
    check_writer(rn_url_encode_path, "100%?#\"<>", "100%25%3F%23%22%3C%3E");
    check_writer(rn_url_encode_path, "@[`{", "%40%5B%60%7B");
    check_writer(rn_url_encode_path, ",:;", "%2C%3A%3B");
    check_writer(rn_url_encode_path, "\xc3\xa9\xe1\xff\r\n", "%C3%A9%E1%FF%0D%0A");
}

static void test_escape_html(void **state)
{
    check_writer(rn_url_escape_html, "", "");
    check_writer(rn_url_escape_html, "plain text/1%2.3;#x", "plain text/1%2.3;#x");
    check_writer(rn_url_escape_html, "&<>\"'", "&#x26;&#x3C;&#x3E;&#x22;&#x27;");
    check_writer(rn_url_escape_html, "a<b", "a&#x3C;b");
    check_writer(rn_url_escape_html, "\x01\x05\xc3\xa9", "\x01\x05\xc3\xa9");
}

static void test_parameters(void **state)
{
    static const struct {
        const char *query;
        const char *pairs; /* "key>value;" for each */
    } cases[] = {
        {"", ""},
        {"&", ""},
        {"&&&", ""},
        {"a", "a>;"},
        {"a=", "a>;"},
        {"=a", ">a;"},
        {"=", ">;"},
        {"a=1&b=2", "a>1;b>2;"},
        {"&a=1&&b&", "a>1;b>;"},
        {"a=b=c", "a>b=c;"},
        {"a==", "a>=;"},
        {"a%26b=%3D", "a%26b>%3D;"},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        rn_bytes query = guarded_text(INPUT, cases[i].query), key, value;
        char got[64] = "";
        while (rn_url_next_parameter(&query, &key, &value)) {
            strncat(got, (const char *)key.ptr, key.len);
            strcat(got, ">");
            strncat(got, (const char *)value.ptr, value.len);
            strcat(got, ";");
        }
        assert_string_equal(got, cases[i].pairs);
        assert_int_equal(query.len, 0);
    }
}

static void test_decode_parameter(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""},
        {"abc", "abc"},
        {"a+b", "a b"},
        {"a%2Bb%20c", "a+b c"},
        {"%2f%2F..", "//.."},
        {"%c3%A9", "\xc3\xa9"},
        {"%", NULL},
        {"a%4", NULL},
        {"%xy", NULL},
        {"%00", NULL},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        rn_bytes in = guarded_text(INPUT, cases[i].in);
        size_t need = cases[i].out ? strlen(cases[i].out) + 1 : in.len + 1;
        for (size_t cap = 0; cap <= need; cap++) {
            char *out = guarded_space(OUTPUT, cap);
            rn_ssize len = rn_url_decode_parameter(out, cap, in);
            if (cap == need && cases[i].out) {
                assert_int_equal(len, need - 1);
                assert_string_equal(out, cases[i].out);
            } else if (cap == need) {
                assert_int_equal(len, RN_E_PROTOCOL);
            } else if (cases[i].out) {
                assert_int_equal(len, RN_E_LIMIT);
            }
        }
    }
}

static void test_nothing(void **state)
{
    rn_bytes nothing = {NULL, 0}, key, value;
    char to[1] = {'x'};
    assert_int_equal(rn_url_decode_path(to, 1, nothing), RN_E_PROTOCOL);
    assert_int_equal(rn_url_decode_parameter(to, 1, nothing), 0);
    assert_int_equal(to[0], 0);
    assert_int_equal(rn_url_encode_path(to, 0, nothing), 0);
    assert_int_equal(rn_url_escape_html(to, 0, nothing), 0);
    assert_false(rn_url_next_parameter(&nothing, &key, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_path), cmocka_unit_test(test_decode_path_limits),
        cmocka_unit_test(test_every_byte),  cmocka_unit_test(test_random_paths),
        cmocka_unit_test(test_encode_path), cmocka_unit_test(test_escape_html),
        cmocka_unit_test(test_parameters),  cmocka_unit_test(test_decode_parameter),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
