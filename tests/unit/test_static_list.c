/*
 * Listings: every name, as text and as a link, however many there are.
 */
#include "site.h"

static void start_site(void) { site_start((struct rn_static_options){.list = true}); }

static void expect_line(const char *line)
{
    if (!strstr((char *)answer.body, line)) fail_msg("no %s in %s", line, answer.body);
}

static void test_names(void **state)
{
    put_text("odd/plain.txt", "x");
    put_text("odd/sub/file", "x");
    put_text("odd/<b>&\"'.txt", "x");
    put_text("odd/a b:c?d#e%41.txt", "x");
    put_text("odd/.hidden", "x");
    put_text("odd/\xc3\xa4\x01", "x");
    start_site();
    assert_int_equal(get("/odd/", NULL), 200);
    assert_field("Content-Type", "text/html; charset=utf-8");
    expect_line("<title>/odd/</title>\n");
    expect_line("<li><a href=\"plain.txt\">plain.txt</a>\n");
    expect_line("<li><a href=\"sub/\">sub/</a>\n");
    expect_line("\"%3Cb%3E%26%22%27.txt\">&#x3C;b&#x3E;&#x26;&#x22;&#x27;.txt</a>\n");
    expect_line("<a href=\"a%20b%3Ac%3Fd%23e%2541.txt\">a b:c?d#e%41.txt</a>\n");
    expect_line("<a href=\"%C3%A4%01\">\xc3\xa4\x01</a>\n");
    assert_null(strstr((char *)answer.body, "hidden"));
    assert_null(strstr((char *)answer.body, "\"."));
    assert_int_equal(get("/files/odd/", NULL), 200);
    expect_line("<a href=\"plain.txt\">");
    assert_int_equal(get("/", NULL), 200);
    expect_line("<title>/</title>\n");
    expect_line("<a href=\"odd/\">odd/</a>\n");
    site_stop();
}

static void test_when_there_is_one(void **state)
{
    put_text("sub/index.html", "index");
    put_text("bare/file.txt", "x");
    put_text("odd/index.html/file", "x");
    put_text("odd/<other>/file", "x");
    start_site();
    assert_int_equal(get("/sub/", NULL), 200);
    assert_body("index", 5);
    assert_int_equal(get("/bare", NULL), 301);
    assert_int_equal(get("/bare/", NULL), 200);
    expect_line("file.txt");
    assert_int_equal(get("/odd/", NULL), 200);
    expect_line("<a href=\"index.html/\">");
    assert_int_equal(get("/odd/%3Cother%3E/", NULL), 200);
    expect_line("<title>/odd/&#x3C;other&#x3E;/</title>");
    assert_int_equal(get("/none/", NULL), 404);
    assert_int_equal(get("/bare/file.txt/", NULL), 404);
    site_stop();
    site_start((struct rn_static_options){0});
    assert_int_equal(get("/bare/", NULL), 404);
    site_stop();
}

/* Names that grow the most, next to each other in all ways. */
static void test_longest_names(void **state)
{
    char name[270] = "long/";
    for (int i = 0; i < 40; i++) {
        int len = 200 + (i * 7) % 55;
        memset(name + 5, '"', (size_t)len);
        snprintf(name + 5 + len, 8, "-%d", i % 10);
        if (i >= 10) name[6] = (char)('A' + i / 10);
        if (i >= 10) name[5] = '\'';
        put_text(name, "x");
    }
    start_site();
    assert_int_equal(get("/long/", NULL), 200);
    unsigned count = 0;
    for (char *at = (char *)answer.body; (at = strstr(at, "<li>")); at += 4) {
        char *encoded = strstr(at, "href=\""), *shown = strstr(at, "\">");
        char *end = strstr(at, "</a>");
        assert_true(encoded && shown && end);
        assert_true(end - shown > 200 * 6);
        count++;
    }
    assert_int_equal(count, 40);
    site_stop();
}

static void make_many(unsigned count)
{
    char name[64];
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "many/file-%05u.txt", i);
        put_text(name, "");
    }
}

static void test_many(void **state)
{
    char name[64];
    make_many(3000);
    start_site();
    unsigned before = open_descriptors();
    for (int round = 0; round < 2; round++) {
        int fd = dial();
        send_all(fd, round ? "GET /many/ HTTP/1.0\r\n\r\n"
                           : "GET /many/ HTTP/1.1\r\nHost: x\r\n\r\nGET /many/ HTTP/1.1\r\n"
                             "Host: x\r\nConnection: close\r\n\r\n");
        for (int k = round; k < 2; k++) {
            read_answer(fd, false);
            assert_int_equal(answer.status, 200);
            for (unsigned i = 0; i < 3000; i++) {
                snprintf(name, sizeof name, "<a href=\"file-%05u.txt\">", i);
                expect_line(name);
            }
        }
        close(fd);
    }
    expect_descriptors(before);
    site_stop();
}

static void test_head(void **state)
{
    make_many(300);
    start_site();
    unsigned before = open_descriptors();
    assert_int_equal(ask("HEAD", "/many/", NULL), 200);
    assert_field("Content-Type", "text/html; charset=utf-8");
    int fd = dial();
    send_all(fd, "HEAD /many/ HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /many/file-00001.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(fd, true);
    read_answer(fd, false);
    assert_int_equal(answer.status, 200);
    assert_body("", 0);
    close(fd);
    expect_descriptors(before);
    site_stop();
}

/* The peer goes away in the middle. */
static void test_aborted(void **state)
{
    make_many(8000); /* more than the sockets hold */
    start_site();
    unsigned before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        int fd = dial();
        send_all(fd, "GET /many/ HTTP/1.1\r\nHost: x\r\n\r\n");
        read_answer_head(fd);
        close(fd);
    }
    expect_descriptors(before);
    site_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_names), site_test(test_when_there_is_one), site_test(test_longest_names),
        site_test(test_many),  site_test(test_head),              site_test(test_aborted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
