/*
 * Answering with a file: redirects, content codings, conditions, ranges.
 */
#include "site.h"

static const char page[] = "<!doctype html><title>index</title>";
static const char text[] = "the quick brown fox jumps over the lazy dog";

static void start_site(void)
{
    put_text("index.html", page);
    put_text("text.txt", text);
    put_text("empty.txt", "");
    put_text("sub/index.html", "sub");
    put_text("sub/deep er/note.txt", "deep");
    put_made("data.bin", 100000);
    site_start((struct rn_static_options){0});
}

/* ---- The plain answer ------------------------------------------------------------------------ */

static void test_file(void **state)
{
    start_site();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get("/text.txt", NULL), 200);
        assert_body(text, sizeof text - 1);
        assert_field("Content-Type", "text/plain; charset=utf-8");
        assert_field("Content-Length", "43");
        assert_field("Last-Modified", OLD_DATE);
        assert_field("Accept-Ranges", "bytes");
        assert_field("Vary", NULL);
        assert_field("Content-Encoding", NULL);
        assert_field("Connection", NULL);
        assert_true(field("ETag")[0] == '"');
        assert_int_equal(get("/data.bin", NULL), 200);
        assert_made(0, 100000);
        assert_field("Content-Type", "application/octet-stream");
        assert_int_equal(get("/empty.txt", NULL), 200);
        assert_body("", 0);
        assert_field("Content-Length", "0");
        assert_int_equal(get("/files/sub/deep%20er/../deep%20er/note.txt", NULL), 200);
        assert_body("deep", 4);
    }
    site_stop();
}

static void test_head(void **state)
{
    static const char *const targets[] = {"/text.txt", "/data.bin", "/empty.txt", "/"};
    static const char *const names[] = {"Content-Type", "Content-Length", "Last-Modified", "ETag",
                                        "Accept-Ranges"};
    start_site();
    for (unsigned i = 0; i < RN_COUNT(targets); i++) {
        char values[RN_COUNT(names)][128];
        assert_int_equal(get(targets[i], NULL), 200);
        for (unsigned k = 0; k < RN_COUNT(names); k++) strcpy(values[k], field(names[k]));
        assert_int_equal(ask("HEAD", targets[i], "Range: bytes=1-2,4-5\r\n"), 200);
        for (unsigned k = 0; k < RN_COUNT(names); k++) assert_field(names[k], values[k]);
    }
    int fd = dial(); /* no content comes after a HEAD */
    send_all(fd, "HEAD /data.bin HTTP/1.1\r\nHost: x\r\n\r\n"
                 "HEAD /text.txt HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(fd, true);
    read_answer(fd, true);
    read_answer(fd, false);
    assert_body(text, sizeof text - 1);
    close(fd);
    site_stop();
}

/* Sizes around what is kept in memory and what fits beside other answers, pipelined. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {1,    2047, 4095,  4096,  4097,  8191,  8192,
                                   8193, 9000, 15000, 16384, 16385, 65536, 262145};
    char name[32], request[512];
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        snprintf(name, sizeof name, "%zu.bin", sizes[i]);
        put_made(name, sizes[i]);
    }
    site_start((struct rn_static_options){0});
    int fd = dial();
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        for (int k = 0; k < 5; k++) {
            snprintf(request, sizeof request, "GET /%zu.bin HTTP/1.1\r\nHost: x\r\n\r\n", sizes[i]);
            send_all(fd, request);
        }
        for (int k = 0; k < 5; k++) {
            read_answer(fd, false);
            assert_int_equal(answer.status, 200);
            assert_made(0, sizes[i]);
        }
    }
    close(fd);
    site_stop();
}

static void test_index(void **state)
{
    start_site();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get("/", NULL), 200);
        assert_body(page, sizeof page - 1);
        assert_field("Content-Type", "text/html; charset=utf-8");
        assert_int_equal(get("/?query", NULL), 200);
        assert_int_equal(get("/files/", NULL), 200);
        assert_body(page, sizeof page - 1);
        assert_int_equal(get("/sub/?a", NULL), 200);
        assert_body("sub", 3);
        assert_int_equal(get("/sub/deep%20er/..", NULL), 200);
        assert_body("sub", 3);
        assert_int_equal(get("/sub/deep%20er/", NULL), 404);
        assert_int_equal(get("/none/", NULL), 404);
        assert_int_equal(get("/text.txt/", NULL), 404);
    }
    site_stop();
}

static void test_redirect(void **state)
{
    static const char *const cases[][2] = {
        {"/sub", "/sub/"},
        {"/sub?", "/sub/"},
        {"/sub?a=b&c=%20", "/sub/?a=b&c=%20"},
        {"/sub/deep%20er", "/sub/deep%20er/"},
        {"/sub/./deep%20er", "/sub/deep%20er/"},
        {"/%73ub", "/sub/"},
        {"//sub", "/sub/"},
        {"/sub//deep%20er?x", "/sub/deep%20er/?x"},
        {"/files/sub?y", "/files/sub/?y"},
        {"/files//sub", "/files/sub/"},
        {"/o%22%3Cd%3e%3A", "/o%22%3Cd%3E%3A/"},
        {"//evil.example/..%2f", NULL},
        {"//evil.example", "/evil.example/"},
        {"/files//evil.example/", NULL},
    };
    char target[8000], query[3001];
    put_text("sub/deep er/note.txt", "deep");
    put_text("o\"<d>:/x", "odd");
    put_text("evil.example/x", "evil");
    site_start((struct rn_static_options){0});
    for (unsigned i = 0; i < RN_COUNT(cases); i++) {
        int status = get(cases[i][0], NULL);
        assert_field("Location", cases[i][1]);
        if (cases[i][1]) assert_int_equal(status, 301);
        else assert_in_range(status, 400, 404);
        if (cases[i][1]) assert_int_equal(ask("HEAD", cases[i][0], NULL), 301);
    }
    memset(query, 'q', 3000); /* more than an answer has room for */
    query[3000] = 0;
    snprintf(target, sizeof target, "/sub?%s", query);
    assert_int_equal(get(target, NULL), 404);
    site_stop();
}

static void test_errors(void **state)
{
    static const struct {
        const char *target;
        int status;
    } cases[] = {
        {"/none", 404},      {"/none/none", 404},     {"/text.txt/none", 404},
        {"/%", 400},         {"/%zz", 400},           {"/a%2fb", 400},
        {"/text.txt%00", 400}, {"/../text.txt", 400}, {"/sub/%2e%2e/%2e%2e/x", 400},
        {"/.hidden", 404},   {"/%2ehidden", 404},     {"/sub/.hidden", 404},
        {"/.git/config", 404}, {"/.well-known/note", 200}, {"/sub/.well-known/note", 404},
    };
    char target[6000];
    put_text(".hidden", "secret");
    put_text(".git/config", "secret");
    put_text(".well-known/note", "known");
    put_text("sub/.well-known/note", "unknown");
    start_site();
    for (unsigned i = 0; i < RN_COUNT(cases); i++) {
        if (get(cases[i].target, NULL) != cases[i].status)
            fail_msg("%s: %d", cases[i].target, answer.status);
        assert_int_equal(ask("HEAD", cases[i].target, NULL), cases[i].status);
    }
    target[0] = '/';
    for (size_t len = 250; len <= 5000; len += 50) { /* ENAMETOOLONG, then more than we take */
        memset(target + 1, 'n', len);
        target[1 + len] = 0;
        assert_int_equal(get(target, NULL), 404);
        for (size_t i = 3; i < len; i += 10) target[i] = '/';
        assert_int_equal(get(target, NULL), 404);
    }
    assert_int_equal(ask("POST", "/text.txt", "Content-Length: 0\r\n"), 405);
    assert_field("Allow", "GET, HEAD");
    site_stop();
}

/* ---- Conditions ------------------------------------------------------------------------------ */

static char etag[64];

/* Fields with every "@" replaced by the file's tag. */
static const char *with_etag(const char *fields)
{
    static char out[1024];
    size_t len = 0;
    for (; *fields; fields++)
        len += (size_t)snprintf(out + len, sizeof out - len, *fields == '@' ? "%s" : "%.1s",
                                *fields == '@' ? etag : fields);
    return out;
}

static const struct condition {
    const char *fields;
    int status;
} conditions[] = {
    {"If-None-Match: @\r\n", 304},
    {"If-None-Match: W/@\r\n", 304},
    {"if-none-match: \"x\", @\r\n", 304},
    {"If-None-Match: *\r\n", 304},
    {"If-None-Match: \"x\"\r\n", 200},
    {"If-None-Match: \"x\"\r\nIf-Modified-Since: " OLD_DATE "\r\n", 200},
    {"If-None-Match: @\r\nIf-Modified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n", 304},
    {"If-Modified-Since: " OLD_DATE "\r\n", 304},
    {"If-Modified-Since: Sun, 13 Sep 2020 12:26:41 GMT\r\n", 304},
    {"If-Modified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n", 200},
    {"If-Modified-Since: yesterday\r\n", 200},
    {"If-Match: @\r\n", 200},
    {"If-Match: *\r\n", 200},
    {"If-Match: W/@\r\n", 412},
    {"If-Match: \"x\"\r\n", 412},
    {"If-Match: \"x\"\r\nIf-None-Match: @\r\n", 412},
    {"If-Match: @\r\nIf-None-Match: @\r\n", 304},
    {"If-Match: @\r\nIf-Unmodified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n", 200},
    {"If-Unmodified-Since: " OLD_DATE "\r\n", 200},
    {"If-Unmodified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n", 412},
    {"If-Unmodified-Since: tomorrow\r\n", 200},
    {"Range: bytes=0-1\r\nIf-None-Match: @\r\n", 304},
    {"Range: bytes=0-1\r\nIf-Match: \"x\"\r\n", 412},
    {"Range: bytes=0-1\r\nIf-Match: @\r\n", 206},
    {"Range: bytes=0-1\r\nIf-Range: @\r\n", 206},
    {"Range: bytes=0-1\r\nIf-Range: W/@\r\n", 200},
    {"Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", 200},
    {"Range: bytes=0-1\r\nIf-Range: " OLD_DATE "\r\n", 206},
    {"Range: bytes=0-1\r\nIf-Range: Sun, 13 Sep 2020 12:26:41 GMT\r\n", 200},
    {"Range: bytes=900000-\r\nIf-Range: \"x\"\r\n", 200},
    {"If-Range: @\r\n", 200},
    {"Igloo: 1\r\nReply: x\r\nRanges: bytes=0-1\r\n", 200},
};

static void test_conditions(void **state)
{
    static const char *const targets[] = {"/text.txt", "/data.bin"};
    start_site();
    for (unsigned t = 0; t < RN_COUNT(targets); t++) {
        assert_int_equal(get(targets[t], NULL), 200);
        strcpy(etag, field("ETag"));
        for (unsigned i = 0; i < RN_COUNT(conditions); i++) {
            const struct condition *condition = &conditions[i];
            int status = get(targets[t], with_etag(condition->fields));
            if (status != condition->status) fail_msg("%s: %d", condition->fields, status);
            if (status == 304) {
                assert_field("ETag", etag);
                assert_field("Last-Modified", OLD_DATE);
                assert_field("Content-Type", NULL);
                assert_field("Content-Length", NULL);
            }
            status = ask("HEAD", targets[t], with_etag(condition->fields));
            assert_int_equal(status, condition->status == 206 ? 200 : condition->status);
        }
    }
    int fd = dial(); /* a 304 has no content */
    char request[512];
    snprintf(request, sizeof request,
             "GET /data.bin HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n"
             "GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    send_all(fd, request);
    read_answer(fd, false);
    assert_int_equal(answer.status, 304);
    read_answer(fd, false);
    assert_body(text, sizeof text - 1);
    close(fd);
    site_stop();
}

static void test_etags_differ(void **state)
{
    char first[64];
    put_text("one", "same");
    put_text("two", "same"); /* one size, one time: another inode */
    put_text("three", "same");
    age(in_root("three"), OLD, 1);
    site_start((struct rn_static_options){0});
    assert_int_equal(get("/one", NULL), 200);
    strcpy(first, field("ETag"));
    assert_int_equal(get("/two", NULL), 200);
    assert_string_not_equal(field("ETag"), first);
    assert_int_equal(get("/three", NULL), 200);
    assert_string_not_equal(field("ETag"), first);
    assert_int_equal(get("/one", NULL), 200);
    assert_field("ETag", first);
    site_stop();
}

/* Last-Modified is never later than Date. */
static void test_file_from_the_future(void **state)
{
    put_text("future", "x");
    age(in_root("future"), 4000000000, 0);
    site_start((struct rn_static_options){0});
    assert_int_equal(get("/future", NULL), 200);
    assert_null(strstr(field("Last-Modified"), "2096"));
    site_stop();
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

static void expect_range(const char *target, const char *range, uint64_t first, uint64_t last,
                         uint64_t size)
{
    char fields[128], value[128];
    snprintf(fields, sizeof fields, "Range: bytes=%s\r\n", range);
    assert_int_equal(get(target, fields), 206);
    snprintf(value, sizeof value, "bytes %llu-%llu/%llu", (unsigned long long)first,
             (unsigned long long)last, (unsigned long long)size);
    assert_field("Content-Range", value);
    assert_non_null(field("ETag"));
    assert_field("Last-Modified", OLD_DATE);
    assert_field("Content-Type", "application/octet-stream");
}

static void test_one_range(void **state)
{
    put_made("small.bin", 1000);
    start_site();
    for (int i = 0; i < 2; i++) {
        expect_range("/small.bin", "0-0", 0, 0, 1000);
        assert_made(0, 1);
        expect_range("/small.bin", "990-2000", 990, 999, 1000);
        assert_made(990, 10);
        expect_range("/small.bin", "-999", 1, 999, 1000);
        assert_made(1, 999);
        expect_range("/data.bin", "5-99998", 5, 99998, 100000);
        assert_made(5, 99994);
        expect_range("/data.bin", "99999-", 99999, 99999, 100000);
        assert_made(99999, 1);
    }
    assert_int_equal(get("/data.bin", "Range: bytes=100000-\r\n"), 416);
    assert_field("Content-Range", "bytes */100000");
    assert_int_equal(get("/small.bin", "Range: bytes=-0\r\n"), 416);
    assert_field("Content-Range", "bytes */1000");
    assert_int_equal(get("/small.bin", "Range: lines=1-2\r\n"), 200);
    assert_made(0, 1000);
    assert_int_equal(get("/empty.txt", "Range: bytes=0-\r\n"), 200);
    assert_int_equal(get("/none", "Range: bytes=0-\r\n"), 404);
    site_stop();
}

/* Checks a multipart answer against these ranges of a made file. */
static void check_parts(const uint64_t (*ranges)[2], unsigned count, uint64_t size)
{
    char boundary[64], line[128];
    const char *at = (const char *)answer.body, *end = at + answer.len;
    assert_int_equal(answer.status, 206);
    assert_field("Content-Range", NULL);
    assert_int_equal(sscanf(field("Content-Type"), "multipart/byteranges; boundary=%40s", boundary),
                     1);
    for (unsigned i = 0; i < count; i++) {
        int head = snprintf(line, sizeof line, "\r\n--%s\r\n", boundary);
        assert_true(end - at > head);
        assert_memory_equal(at, line, (size_t)head);
        at += head;
        snprintf(line, sizeof line, "Content-Range: bytes %llu-%llu/%llu\r\n",
                 (unsigned long long)ranges[i][0], (unsigned long long)ranges[i][1],
                 (unsigned long long)size);
        const char *content = strstr(at, "\r\n\r\n");
        const char *fields = strstr(at, "Content-Type: application/octet-stream\r\n");
        assert_true(content && fields && fields < content);
        fields = strstr(at, line);
        assert_true(fields && fields < content);
        at = content + 4;
        for (uint64_t k = ranges[i][0]; k <= ranges[i][1]; k++)
            assert_int_equal((uint8_t)*at++, made_byte(k));
    }
    int tail = snprintf(line, sizeof line, "\r\n--%s--\r\n", boundary);
    assert_int_equal(end - at, tail);
    assert_memory_equal(at, line, (size_t)tail);
}

static void test_several_ranges(void **state)
{
    static const uint64_t two[][2] = {{0, 9}, {500, 999}};
    static const uint64_t big[][2] = {{90000, 99999}, {0, 40000}, {50000, 50000}};
    char fields[256] = "Range: bytes=0-0";
    uint64_t many[16][2];
    put_made("small.bin", 1000);
    start_site();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get("/small.bin", "Range: bytes=0-9,-500\r\n"), 206);
        check_parts(two, 2, 1000);
        assert_int_equal(get("/data.bin", "Range: bytes=90000-,0-40000,50000-50000\r\n"), 206);
        check_parts(big, 3, 100000);
    }
    many[0][0] = many[0][1] = 0;
    for (unsigned i = 1; i < 16; i++) {
        many[i][0] = many[i][1] = i * 10;
        snprintf(fields + strlen(fields), 16, ",%u-%u", i * 10, i * 10);
    }
    strcat(fields, "\r\n");
    int fd = dial(); /* pipelined, so that parts meet a buffer that others have filled */
    for (int i = 0; i < 8; i++) {
        char request[512];
        snprintf(request, sizeof request, "GET /%s.bin HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 i & 1 ? "data" : "small", fields);
        send_all(fd, request);
    }
    for (int i = 0; i < 8; i++) {
        read_answer(fd, false);
        check_parts(many, 16, i & 1 ? 100000 : 1000);
    }
    close(fd);
    assert_int_equal(get("/small.bin", "Range: bytes=0-9,5-14\r\n"), 206); /* joined */
    assert_field("Content-Range", "bytes 0-14/1000");
    site_stop();
}

/* The peer goes away between the parts: nothing stays open. */
static void test_parts_aborted(void **state)
{
    put_made("large.bin", 4 << 20);
    start_site();
    unsigned before = open_descriptors() + 1; /* with the file itself */
    assert_int_equal(get("/large.bin", "Range: bytes=0-0\r\n"), 206);
    for (int i = 0; i < 5; i++) {
        int fd = dial();
        send_all(fd, "GET /large.bin HTTP/1.1\r\nHost: x\r\n"
                     "Range: bytes=0-1999999,2000001-3999999\r\n\r\n");
        read_answer_head(fd);
        close(fd);
    }
    expect_descriptors(before);
    unlink(in_root("large.bin"));
    pass_time(2 * RN_SECOND);
    assert_int_equal(get("/large.bin", NULL), 404);
    expect_descriptors(before - 1); /* no reference was left */
    site_stop();
}

static void test_over_4_gib(void **state)
{
    const uint64_t size = ((uint64_t)5 << 30) + 12345;
    char value[64];
    put_text("huge.bin", "");
    int fd = open(in_root("huge.bin"), O_RDWR);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, "ABCDEFGH", 8, ((off_t)4 << 30) - 4), 8);
    close(fd);
    site_start((struct rn_static_options){0});
    assert_int_equal(ask("HEAD", "/huge.bin", NULL), 200);
    snprintf(value, sizeof value, "%llu", (unsigned long long)size);
    assert_field("Content-Length", value);
    assert_int_equal(get("/huge.bin", "Range: bytes=4294967292-4294967299\r\n"), 206);
    assert_body("ABCDEFGH", 8);
    assert_int_equal(get("/huge.bin", "Range: bytes=0-0,4294967296-4294967299\r\n"), 206);
    assert_non_null(memmem(answer.body, answer.len, "\r\n\r\nEFGH\r\n", 10));
    site_stop();
}

/* ---- Content codings ------------------------------------------------------------------------- */

static void test_codings(void **state)
{
    static const struct {
        const char *accept, *coding, *body;
    } cases[] = {
        {"", NULL, "plain"},
        {"Accept-Encoding: br, gzip, zstd\r\n", "br", "packed br"},
        {"Accept-Encoding: gzip, zstd\r\n", "zstd", "packed zst"},
        {"Accept-Encoding: gzip\r\n", "gzip", "packed gz"},
        {"Accept-Encoding: gzip, br;q=0.5\r\n", "gzip", "packed gz"},
        {"Accept-Encoding: *\r\n", "br", "packed br"},
        {"Accept-Encoding: deflate\r\n", NULL, "plain"},
        {"Accept-Encoding: *;q=0\r\n", NULL, "plain"},
        {"Accept-Encoding: identity, gzip;q=0.1\r\n", NULL, "plain"},
    };
    char tags[RN_COUNT(cases)][64];
    put_text("app.js", "plain");
    put_text("app.js.gz", "packed gz");
    put_text("app.js.br", "packed br");
    put_text("app.js.zst", "packed zst");
    site_start((struct rn_static_options){0});
    for (unsigned i = 0; i < 2 * RN_COUNT(cases); i++) {
        unsigned k = i % RN_COUNT(cases);
        assert_int_equal(get("/app.js", cases[k].accept), 200);
        assert_string_equal((char *)answer.body, cases[k].body);
        assert_field("Content-Encoding", cases[k].coding);
        assert_field("Vary", "Accept-Encoding");
        assert_field("Content-Type", "text/javascript; charset=utf-8");
        strcpy(tags[k], field("ETag"));
    }
    assert_string_not_equal(tags[0], tags[1]);
    assert_string_not_equal(tags[1], tags[2]);
    assert_string_equal(tags[3], tags[4]);
    strcpy(etag, tags[3]);
    const char *fields = with_etag("Accept-Encoding: gzip\r\nIf-None-Match: @\r\n");
    assert_int_equal(get("/app.js", fields), 304);
    assert_field("Vary", "Accept-Encoding");
    assert_int_equal(get("/app.js", with_etag("If-None-Match: @\r\n")), 200);
    assert_int_equal(get("/app.js", "Accept-Encoding: gzip\r\nRange: bytes=-2\r\n"), 206);
    assert_body("gz", 2);
    assert_field("Content-Range", "bytes 7-8/9");
    assert_field("Content-Encoding", "gzip");
    assert_int_equal(get("/app.js.gz", "Accept-Encoding: gzip\r\n"), 200);
    assert_field("Content-Encoding", NULL);
    assert_field("Content-Type", "application/gzip");
    site_stop();
}

static void test_odd_siblings(void **state)
{
    put_text("a.css", "plain");
    put_text("a.css.gz/file", "a directory of that name");
    put_text("b.css", "plain");
    put_text("b.css.gz", "packed");
    put_text("lost.css.gz", "packed");
    put_text("sub/index.html", "plain");
    put_text("sub/index.html.br", "packed");
    assert_int_equal(symlink("/etc/passwd", in_root("b.css.br")), 0);
    site_start((struct rn_static_options){0});
    assert_int_equal(get("/a.css", "Accept-Encoding: gzip\r\n"), 200);
    assert_body("plain", 5);
    assert_field("Vary", NULL);
    assert_int_equal(get("/b.css", "Accept-Encoding: br, gzip\r\n"), 200);
    assert_body("packed", 6);
    assert_field("Content-Encoding", "gzip");
    assert_int_equal(get("/lost.css", "Accept-Encoding: gzip\r\n"), 404);
    assert_int_equal(get("/sub/", "Accept-Encoding: gzip, br\r\n"), 200);
    assert_field("Content-Encoding", "br");
    assert_field("Content-Type", "text/html; charset=utf-8");
    site_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_file),
        site_test(test_head),
        site_test(test_sizes),
        site_test(test_index),
        site_test(test_redirect),
        site_test(test_errors),
        site_test(test_conditions),
        site_test(test_etags_differ),
        site_test(test_file_from_the_future),
        site_test(test_one_range),
        site_test(test_several_ranges),
        site_test(test_parts_aborted),
        site_test(test_over_4_gib),
        site_test(test_codings),
        site_test(test_odd_siblings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
