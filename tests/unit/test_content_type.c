/*
 * Media types: every extension there is, and where an extension begins and ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>

#include "guarded.h"
#include "proto/content_type.h"

#define UTF8   "; charset=utf-8"
#define OFFICE "application/vnd.openxmlformats-officedocument."
#define OASIS  "application/vnd.oasis.opendocument."

static const char *const types[][2] = {
    {"html", "text/html" UTF8},
    {"htm", "text/html" UTF8},
    {"css", "text/css" UTF8},
    {"js", "text/javascript" UTF8},
    {"mjs", "text/javascript" UTF8},
    {"cjs", "text/javascript" UTF8},
    {"json", "application/json"},
    {"map", "application/json"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"webp", "image/webp"},
    {"gif", "image/gif"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"jxl", "image/jxl"},
    {"apng", "image/apng"},
    {"heic", "image/heic"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"ico", "image/x-icon"},
    {"tiff", "image/tiff"},
    {"woff2", "font/woff2"},
    {"woff", "font/woff"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"txt", "text/plain" UTF8},
    {"text", "text/plain" UTF8},
    {"log", "text/plain" UTF8},
    {"conf", "text/plain" UTF8},
    {"ini", "text/plain" UTF8},
    {"c", "text/plain" UTF8},
    {"h", "text/plain" UTF8},
    {"md", "text/markdown" UTF8},
    {"csv", "text/csv" UTF8},
    {"vtt", "text/vtt" UTF8},
    {"ics", "text/calendar" UTF8},
    {"xml", "application/xml"},
    {"xsl", "application/xml"},
    {"xhtml", "application/xhtml+xml"},
    {"rss", "application/rss+xml"},
    {"atom", "application/atom+xml"},
    {"webmanifest", "application/manifest+json"},
    {"jsonld", "application/ld+json"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"toml", "application/toml"},
    {"rtf", "application/rtf"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"gz", "application/gzip"},
    {"tgz", "application/gzip"},
    {"zst", "application/zstd"},
    {"7z", "application/x-7z-compressed"},
    {"tar", "application/x-tar"},
    {"xz", "application/x-xz"},
    {"sh", "application/x-sh"},
    {"epub", "application/epub+zip"},
    {"mp3", "audio/mpeg"},
    {"m4a", "audio/mp4"},
    {"ogg", "audio/ogg"},
    {"oga", "audio/ogg"},
    {"opus", "audio/ogg"},
    {"flac", "audio/flac"},
    {"wav", "audio/wav"},
    {"aac", "audio/aac"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"mpeg", "video/mpeg"},
    {"m4v", "video/mp4"},
    {"ogv", "video/ogg"},
    {"mov", "video/quicktime"},
    {"ts", "video/mp2t"},
    {"mpg", "video/mpeg"},
    {"mkv", "video/x-matroska"},
    {"rar", "application/vnd.rar"},
    {"doc", "application/msword"},
    {"xls", "application/vnd.ms-excel"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"docx", OFFICE "wordprocessingml.document"},
    {"xlsx", OFFICE "spreadsheetml.sheet"},
    {"pptx", OFFICE "presentationml.presentation"},
    {"odt", OASIS "text"},
    {"ods", OASIS "spreadsheet"},
    {"odp", OASIS "presentation"},
};

static void check(const char *path, const char *expected)
{
    char *to = guarded_space(1, RN_CONTENT_TYPE_MAX);
    size_t len = rn_content_type(to, guarded_text(0, path));
    if (len != strlen(expected) || memcmp(to, expected, len))
        fail_msg("%s: %.*s, not %s", path, (int)len, to, expected);
}

static void test_types(void **state)
{
    assert_true(RN_COUNT(types) >= 85);
    for (size_t i = 0; i < RN_COUNT(types); i++) {
        char path[64], upper[64];
        snprintf(path, sizeof(path), "dir.d/name.%s", types[i][0]);
        check(path, types[i][1]);
        for (size_t at = 0; at <= strlen(path); at++)
            upper[at] = (char)(at & 1 ? toupper(path[at]) : path[at]);
        check(upper, types[i][1]);
        /* no more and no less of it */
        strcat(path, "~");
        check(path, "application/octet-stream");
    }
}

static void test_where_it_is(void **state)
{
    check("a.tar.gz", "application/gzip");
    check("html", "application/octet-stream");
    check("", "application/octet-stream");
    check(".", "application/octet-stream");
    check("a.", "application/octet-stream");
    check("a.html.", "application/octet-stream");
    check("a.html/", "application/octet-stream");
    check("a.html/b", "application/octet-stream");
    check("html/css", "application/octet-stream");
    check(".html", "text/html" UTF8);
    check("/.css", "text/css" UTF8);
    check("a..css", "text/css" UTF8);
    check("a.unknown", "application/octet-stream");
    check("a.htmlx", "application/octet-stream");
    check("a.ht", "application/octet-stream");
    check("a.bin", "application/octet-stream");
}

/* What separates things in the table is in no extension. */
static void test_no_separators(void **state)
{
    check("a.html htm", "application/octet-stream");
    check("a.html ", "application/octet-stream");
    check("a. html", "application/octet-stream");
    check("a.javascript", "application/octet-stream");
    check("a.htm\1", "application/octet-stream");
    check("a.\1", "application/octet-stream");
    check("a.octet-stream", "application/octet-stream");
    char *to = guarded_space(1, RN_CONTENT_TYPE_MAX);
    assert_int_equal(rn_content_type(to, rn_bytes_of(NULL, 0)), 24);
    for (int byte = 0; byte < 256; byte++) {
        char path[] = "a.odp?";
        path[5] = (char)byte;
        size_t len = rn_content_type(to, guarded_copy(0, path, 6));
        assert_int_equal(len, 24);
        assert_memory_equal(to, "application/octet-stream", 24);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_where_it_is),
        cmocka_unit_test(test_no_separators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
