/*
 * Heads of HTTP/1 requests. Each case is parsed in one piece, cut in two at every byte, and byte by
 * byte, and must say the same each time; and each input ends where nobody may read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <runnel/http1.h>

#include "guarded.h"

struct sample {
    const char *head;
    size_t len;
    const char *expected;
};
#define SAMPLE(text, expected) {"" text, sizeof text - 1, expected}

/* A request that is complete but for the line under test. */
#define LINES "GET / HTTP/1.1\r\nHost: a\r\n"
#define OLD "GET / HTTP/1.0\r\n"
#define END "\r\n\r\n"
#define PLAIN "GET 1.1 path=/ host=a keep-alive"

static const char *const method_names[] = {"OTHER",   "GET",   "HEAD",    "POST", "PUT", "DELETE",
                                           "OPTIONS", "PATCH", "CONNECT", "TRACE"};

static size_t add_span(char *to, const char *label, const uint8_t *head, struct rn_http1_span span)
{
    return (size_t)sprintf(to, " %s=%.*s", label, span.len, (const char *)head + span.at);
}

/* A request in one line, without its fields. */
static void describe(char *to, rn_ssize result, const struct rn_http1_request *request,
                     const uint8_t *head)
{
    if (result <= 0) {
        rn_ssize code = RN_E_UNSUPPORTED;
        if (request->status == 400) code = RN_E_PROTOCOL;
        if (request->status == 414 || request->status == 431) code = RN_E_LIMIT;
        assert_int_equal(result, result ? code : 0);
        sprintf(to, result ? "%u" : "more", request->status);
        return;
    }
    to += sprintf(to, "%s 1.%u", method_names[request->method], request->minor);
    if (request->path.at != request->target.at || request->query.len + request->path.len +
                                                      !!request->query.at != request->target.len)
        to += add_span(to, "target", head, request->target);
    to += add_span(to, "path", head, request->path);
    if (request->query.at) to += add_span(to, "query", head, request->query);
    if (request->host.len) to += add_span(to, "host", head, request->host);
    if (request->framing == RN_HTTP1_LENGTH)
        to += sprintf(to, " length=%llu", (unsigned long long)request->content_length);
    if (request->framing == RN_HTTP1_CHUNKED) to += sprintf(to, " chunked");
    if (request->keep_alive) to += sprintf(to, " keep-alive");
    if (request->expect_continue) to += sprintf(to, " continue");
    if (request->upgrade_websocket) to += sprintf(to, " websocket");
}

static void assert_same(const struct sample *sample, size_t cut, rn_ssize result,
                        const struct rn_http1_request *request, rn_ssize whole_result,
                        const struct rn_http1_request *whole)
{
    bool same = result == whole_result && request->status == whole->status;
    if (result > 0)
        same = same &&
               memcmp(request, whole, offsetof(struct rn_http1_request, fields)) == 0 &&
               memcmp(request->fields, whole->fields,
                      request->field_count * sizeof(struct rn_http1_field)) == 0;
    if (!same) fail_msg("%.200s: cut at %zu it becomes another", sample->head, cut);
}

static void check_cuts(const struct sample *sample, rn_ssize whole_result,
                       const struct rn_http1_request *whole, size_t step)
{
    for (size_t cut = 0; cut < sample->len; cut += step) {
        struct rn_http1_request request;
        rn_http1_request_init(&request);
        rn_ssize result = rn_http1_parse_head(&request, guarded_input(sample->head, cut), cut);
        if (whole_result > 0) assert_int_equal(result > 0, cut >= (size_t)whole_result);
        if (result == 0) {
            assert_int_equal(request.scanned, cut);
            const uint8_t *head = guarded_input(sample->head, sample->len);
            result = rn_http1_parse_head(&request, head, sample->len);
        }
        assert_same(sample, cut, result, &request, whole_result, whole);
    }
}

static void check(const struct sample *sample)
{
    char text[20000];
    struct rn_http1_request whole, request;
    rn_http1_request_init(&whole);
    const uint8_t *head = guarded_input(sample->head, sample->len);
    rn_ssize whole_result = rn_http1_parse_head(&whole, head, sample->len);
    describe(text, whole_result, &whole, head);
    if (strcmp(text, sample->expected) != 0)
        fail_msg("%.300s\nis %.300s\nnot %.300s", sample->head, text, sample->expected);
    check_cuts(sample, whole_result, &whole, sample->len > 1000 ? 61 : 1);

    rn_ssize result = 0;
    rn_http1_request_init(&request);
    for (size_t len = 1; len <= sample->len && result == 0; len++)
        result = rn_http1_parse_head(&request, guarded_input(sample->head, len), len);
    assert_same(sample, 1, result, &request, whole_result, &whole);
}

static void check_all(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) check(&samples[i]);
}

static void check_text(const char *head, const char *expected)
{
    struct sample sample = {head, strlen(head), expected};
    check(&sample);
}

static void test_request_line(void **state)
{
    static const struct sample samples[] = {
        SAMPLE("", "more"),
        SAMPLE(LINES "\r\n", PLAIN),
        SAMPLE("\r\n" LINES "\r\n", PLAIN),
        SAMPLE("\r\n\r\n" LINES "\r\n", "400"),
        SAMPLE("\n" LINES "\r\n", "400"),
        SAMPLE("\r" LINES "\r\n", "400"),
        SAMPLE(" " LINES "\r\n", "400"),
        SAMPLE("GET / HTTP/1.0" END, "GET 1.0 path=/"),
        SAMPLE("HEAD / HTTP/1.0" END, "HEAD 1.0 path=/"),
        SAMPLE("POST / HTTP/1.0" END, "POST 1.0 path=/"),
        SAMPLE("PUT / HTTP/1.0" END, "PUT 1.0 path=/"),
        SAMPLE("DELETE / HTTP/1.0" END, "DELETE 1.0 path=/"),
        SAMPLE("OPTIONS / HTTP/1.0" END, "OPTIONS 1.0 path=/"),
        SAMPLE("PATCH / HTTP/1.0" END, "PATCH 1.0 path=/"),
        SAMPLE("CONNECT a:1 HTTP/1.0" END, "CONNECT 1.0 path=a:1"),
        SAMPLE("TRACE / HTTP/1.0" END, "TRACE 1.0 path=/"),
        SAMPLE("get / HTTP/1.0" END, "OTHER 1.0 path=/"),
        SAMPLE("GE / HTTP/1.0" END, "OTHER 1.0 path=/"),
        SAMPLE("GETT / HTTP/1.0" END, "OTHER 1.0 path=/"),
        SAMPLE("PROPFIND / HTTP/1.0" END, "OTHER 1.0 path=/"),
        SAMPLE("M-SEARCH!#$%&'*+.^_`|~9 / HTTP/1.0" END, "OTHER 1.0 path=/"),
        SAMPLE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.0" END, "OTHER 1.0 path=/"),
        SAMPLE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.0" END, "501"),
        SAMPLE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "501"),
        SAMPLE("G(T / HTTP/1.0" END, "400"),
        SAMPLE("G\0T / HTTP/1.0" END, "400"),
        SAMPLE("\x16\x03\x01\x02", "400"),
        SAMPLE("GET\t/ HTTP/1.0" END, "400"),
        SAMPLE("GET  / HTTP/1.0" END, "400"),
        SAMPLE("GET /  HTTP/1.0" END, "400"),
        SAMPLE("GET /\tHTTP/1.0" END, "400"),
        SAMPLE("GET / HTTP/1.0 " END, "400"),
        SAMPLE("GET  HTTP/1.0" END, "400"),
        SAMPLE("GET HTTP/1.0" END, "400"),
        SAMPLE("GET /\r\n", "400"),
        SAMPLE("GET\r\n", "400"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_version(void **state)
{
    static const struct sample samples[] = {
        SAMPLE("GET / HTTP/1.2\r\nHost: a" END, PLAIN),
        SAMPLE("GET / HTTP/1.9\r\nHost: a" END, PLAIN),
        SAMPLE("GET / HTTP/1.2" END, "400"),      SAMPLE("GET / HTTP/2.0" END, "505"),
        SAMPLE("GET / HTTP/0.9" END, "505"),      SAMPLE("GET / HTTP/9.1" END, "505"),
        SAMPLE("PRI * HTTP/2.0" END "SM", "505"), SAMPLE("GET / HTTP/2" END, "400"),
        SAMPLE("GET / HTTP/1.10" END, "400"),     SAMPLE("GET / HTTP/11.1" END, "400"),
        SAMPLE("GET / HTTP/1,1" END, "400"),      SAMPLE("GET / HTTP/x.1" END, "400"),
        SAMPLE("GET / HTTP/1.x" END, "400"),      SAMPLE("GET / http/1.1" END, "400"),
        SAMPLE("GET / HTTPS/1.1" END, "400"),     SAMPLE("GET / HTHTTP/1.1" END, "400"),
        SAMPLE("GET / ICY" END, "400"),           SAMPLE("GET / HTTP/1.1\n", "400"),
        SAMPLE("GET / HTTP/1.1\r", "more"),       SAMPLE("GET / HTTP/1.1\r\r", "400"),
        SAMPLE("GET / HTTP/1.1x\r\n", "400"),     SAMPLE("GET / HTTP/1./\r\n", "400"),
        SAMPLE("GET / HTTP/1.:\r\n", "400"),      SAMPLE("GET / HTTP/1.1x\n", "400"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_target(void **state)
{
    static const struct sample samples[] = {
        SAMPLE("GET /a/b.c?d=e&f HTTP/1.0" END, "GET 1.0 path=/a/b.c query=d=e&f"),
        SAMPLE("GET /? HTTP/1.0" END, "GET 1.0 path=/ query="),
        SAMPLE("GET /?a?/? HTTP/1.0" END, "GET 1.0 path=/ query=a?/?"),
        SAMPLE("GET //a HTTP/1.0" END, "GET 1.0 path=//a"),
        SAMPLE("GET /%zz%00 HTTP/1.0" END, "GET 1.0 path=/%zz%00"),
        SAMPLE("GET /[id]|x HTTP/1.0" END, "GET 1.0 path=/[id]|x"),
        SAMPLE("GET /?[]|^`{}\\ HTTP/1.0" END, "GET 1.0 path=/ query=[]|^`{}\\"),
        SAMPLE("GET /static/a-long_path.with~much/in+it?and=a&longer=query,1=2 HTTP/1.0" END,
               "GET 1.0 path=/static/a-long_path.with~much/in+it "
               "query=and=a&longer=query,1=2"),
        SAMPLE("GET ? HTTP/1.0" END, "400"),
        SAMPLE("GET a HTTP/1.0" END, "400"),
        SAMPLE("GET a/b HTTP/1.0" END, "400"),
        SAMPLE("GET .. HTTP/1.0" END, "400"),
        SAMPLE("GET a:80 HTTP/1.0" END, "400"),
        /* The absolute form. Its host goes before the field's, which must be valid nonetheless. */
        SAMPLE("GET http://b/c?d HTTP/1.1\r\nHost: a" END,
               "GET 1.1 target=http://b/c?d path=/c query=d host=b keep-alive"),
        SAMPLE("GET http://b/c HTTP/1.0" END, "GET 1.0 target=http://b/c path=/c host=b"),
        SAMPLE("GET HtTp://b:80 HTTP/1.1\r\nHost:" END,
               "GET 1.1 target=HtTp://b:80 path=/ host=b:80 keep-alive"),
        SAMPLE("GET http://b? HTTP/1.0" END, "GET 1.0 target=http://b? path=/ query= host=b"),
        SAMPLE("GET http://[::1]:8/x HTTP/1.0" END,
               "GET 1.0 target=http://[::1]:8/x path=/x host=[::1]:8"),
        SAMPLE("GET http://b/c HTTP/1.1" END, "400"),
        SAMPLE("GET http://b/c HTTP/1.1\r\nHost: a b" END, "400"),
        SAMPLE("GET http:///c HTTP/1.0" END, "400"),
        SAMPLE("GET http:// HTTP/1.0" END, "400"),
        SAMPLE("GET http:/ HTTP/1.0" END, "400"),
        SAMPLE("GET http://?a HTTP/1.0" END, "400"),
        SAMPLE("GET http://:80/c HTTP/1.0" END, "400"),
        SAMPLE("GET http://a@b/c HTTP/1.0" END, "400"),
        SAMPLE("GET http://a:b/c HTTP/1.0" END, "400"),
        SAMPLE("GET http://a|b/c HTTP/1.0" END, "400"),
        SAMPLE("GET https://b/c HTTP/1.0" END, "400"),
        SAMPLE("GET ftp://b/cde HTTP/1.0" END, "400"),
        SAMPLE("GET http:a/bcd HTTP/1.0" END, "400"),
        /* The authority form, for CONNECT and nothing else. */
        SAMPLE("CONNECT b:443 HTTP/1.1\r\nHost: a" END,
               "CONNECT 1.1 path=b:443 host=a keep-alive"),
        SAMPLE("CONNECT [::1]:443 HTTP/1.0" END, "CONNECT 1.0 path=[::1]:443"),
        SAMPLE("CONNECT 12:34 HTTP/1.0" END, "CONNECT 1.0 path=12:34"),
        SAMPLE("CONNECT b HTTP/1.0" END, "400"),
        SAMPLE("CONNECT 1234 HTTP/1.0" END, "400"),
        SAMPLE("CONNECT b: HTTP/1.0" END, "400"),
        SAMPLE("CONNECT [::1] HTTP/1.0" END, "400"),
        SAMPLE("CONNECT :443 HTTP/1.0" END, "400"),
        SAMPLE("CONNECT b:443/ HTTP/1.0" END, "400"),
        SAMPLE("CONNECT b:443? HTTP/1.0" END, "400"),
        SAMPLE("CONNECT / HTTP/1.0" END, "400"),
        SAMPLE("CONNECT http://b:1/ HTTP/1.0" END, "400"),
        SAMPLE("CONNECT  HTTP/1.0" END, "400"),
        /* The asterisk form, for OPTIONS and nothing else. */
        SAMPLE("OPTIONS * HTTP/1.0" END, "OPTIONS 1.0 path=*"),
        SAMPLE("OPTIONS ** HTTP/1.0" END, "400"),
        SAMPLE("OPTIONS *? HTTP/1.0" END, "400"),
        SAMPLE("GET * HTTP/1.0" END, "400"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_field_lines(void **state)
{
    static const struct sample samples[] = {
        SAMPLE(LINES "A:b" END, PLAIN),
        SAMPLE(LINES "A: \t b\tc \t " END, PLAIN),
        SAMPLE(LINES "A:" END, PLAIN),
        SAMPLE(LINES "A: \t" END, PLAIN),
        SAMPLE(LINES "!#$%&'*+-.^_`|~0aZ: \x80\xff!~" END, PLAIN),
        SAMPLE(LINES "A: b\r\n\r\nmore than the head", PLAIN),
        SAMPLE(LINES, "more"),
        SAMPLE(LINES "\r", "more"),
        SAMPLE(LINES "A: b\r\n\r", "more"),
        SAMPLE(LINES "A: b\n\r\n", "400"),
        SAMPLE(LINES "A: b\r\r\n\r\n", "400"),
        SAMPLE(LINES "A: b\rc" END, "400"),
        SAMPLE(LINES "A: b\r\n c" END, "400"),
        SAMPLE(LINES "A: b\r\n\tc" END, "400"),
        SAMPLE(LINES " A: b" END, "400"),
        SAMPLE("GET / HTTP/1.1\r\n Host: a" END, "400"),
        SAMPLE(LINES "A : b" END, "400"),
        SAMPLE(LINES "A\t: b" END, "400"),
        SAMPLE(LINES "A b: c" END, "400"),
        SAMPLE(LINES ": b" END, "400"),
        SAMPLE(LINES "A" END, "400"),
        SAMPLE(LINES "A\n", "400"),
        SAMPLE(LINES "\n", "400"),
        SAMPLE(LINES "\rA", "400"),
        SAMPLE(LINES "A\xc3\xa4: b" END, "400"),
        SAMPLE(LINES "A: b\0c" END, "400"),
        SAMPLE(LINES "A: b\x01" END, "400"),
        SAMPLE(LINES "A: b\x7f" END, "400"),
        SAMPLE(LINES "A\0: b" END, "400"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_host(void **state)
{
#define HOST(value, expected) SAMPLE("GET / HTTP/1.1\r\nHost:" value END, expected)
#define GOOD(value)           HOST(" " value, "GET 1.1 path=/ host=" value " keep-alive")
    static const struct sample samples[] = {
        GOOD("localhost:8000"),
        GOOD("127.0.0.1:8000"),
        GOOD("a-much-longer.name.example.com"),
        GOOD("[::1]"),
        GOOD("[2001:DB8::ffff:1.2.3.4]:65535"),
        GOOD("a:"),
        GOOD("a_b~%41!$&'()*+;="),
        HOST("a\t ", "GET 1.1 path=/ host=a keep-alive"),
        HOST("", "GET 1.1 path=/ keep-alive"),
        HOST("  ", "GET 1.1 path=/ keep-alive"),
        HOST(" a b", "400"),
        HOST(" a\tb", "400"),
        HOST(" a,b", "400"),
        HOST(" a/", "400"),
        HOST(" a?", "400"),
        HOST(" a#", "400"),
        HOST(" u@a", "400"),
        HOST(" a:b", "400"),
        HOST(" a:1:2", "400"),
        HOST(" a:-1", "400"),
        HOST(" :80", "400"),
        HOST(" ::1", "400"),
        HOST(" [::1", "400"),
        HOST(" []", "400"),
        HOST(" [:]", "400"),
        HOST(" [::g]", "400"),
        HOST(" [::1]x", "400"),
        HOST(" [::1%25eth0]", "400"),
        HOST(" \xc3\xa4", "400"),
        SAMPLE("GET / HTTP/1.1" END, "400"),
        SAMPLE("GET / HTTP/1.1\r\nHos: a\r\nHosts: a\r\nXost: a" END, "400"),
        SAMPLE("GET / HTTP/1.1\r\nhOsT:a" END, PLAIN),
        SAMPLE(LINES "Host: a" END, "400"),
        SAMPLE("GET / HTTP/1.1\r\nHost:\r\nhost:" END, "400"),
        SAMPLE(OLD "Host: a\r\nHost: a" END, "400"),
        SAMPLE(OLD "Host: a@b" END, "400"),
        SAMPLE(OLD "Host: a" END, "GET 1.0 path=/ host=a"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_content_length(void **state)
{
#define LENGTH(value, expected) SAMPLE(LINES "Content-Length: " value END, expected)
    static const struct sample samples[] = {
        LENGTH("0", "GET 1.1 path=/ host=a length=0 keep-alive"),
        LENGTH("5", "GET 1.1 path=/ host=a length=5 keep-alive"),
        LENGTH("0005 \t", "GET 1.1 path=/ host=a length=5 keep-alive"),
        LENGTH("9223372036854775807",
               "GET 1.1 path=/ host=a length=9223372036854775807 keep-alive"),
        LENGTH("9223372036854775808", "400"),
        LENGTH("18446744073709551616", "400"),
        LENGTH("99999999999999999999999", "400"),
        LENGTH("", "400"),
        LENGTH("+5", "400"),
        LENGTH("-5", "400"),
        LENGTH("5, 5", "400"),
        LENGTH("5 5", "400"),
        LENGTH("0x5", "400"),
        LENGTH("5.0", "400"),
        LENGTH("\"5\"", "400"),
        SAMPLE(LINES "content-LENGTH:5" END, "GET 1.1 path=/ host=a length=5 keep-alive"),
        SAMPLE(LINES "Content-Length: 5\r\nContent-Length: 5" END, "400"),
        SAMPLE(LINES "Content-Lengtx: x\r\nContent-Lengths: x\r\nXontent-Length: x" END, PLAIN),
        SAMPLE(OLD "Content-Length: 5" END, "GET 1.0 path=/ length=5"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_transfer_encoding(void **state)
{
#define CODING(value, expected) SAMPLE(LINES "Transfer-Encoding:" value END, expected)
#define CHUNKED                 "GET 1.1 path=/ host=a chunked keep-alive"
    static const struct sample samples[] = {
        CODING(" chunked", CHUNKED),
        CODING("cHunKED\t", CHUNKED),
        CODING(" , chunked,,", CHUNKED),
        CODING(" gzip", "501"),
        CODING(" identity", "501"),
        CODING(" gzip, chunked", "501"),
        CODING(" chunke", "501"),
        CODING(" chunkedd", "501"),
        CODING(" chun ked", "501"),
        CODING(" chunked;a=b", "501"),
        CODING(" \"chunked\"", "501"),
        CODING(" a;b=\", chunked\"", "501"),
        CODING("", "400"),
        CODING(" ,", "400"),
        CODING(" chunked, gzip", "400"),
        CODING(" chunked, chunked", "400"),
        CODING(" gzip, chunked, identity", "400"),
        CODING(" chunked\r\nTransfer-Encoding: chunked", "400"),
        CODING(" chunked\r\nTransfer-Encoding: gzip", "400"),
        CODING(" gzip\r\nTransfer-Encoding: chunked", "501"),
        CODING("\r\nTransfer-Encoding: chunked", CHUNKED),
        CODING(" chunked\r\nContent-Length: 5", "400"),
        CODING(" gzip\r\nContent-Length: 5", "400"),
        CODING("\vchunked", "400"),
        SAMPLE(LINES "Content-Length: 5\r\nTransfer-Encoding: chunked" END, "400"),
        SAMPLE(LINES "tRANSFER-eNCODING: chunked" END, CHUNKED),
        SAMPLE(LINES "Transfer_Encoding: x\r\nTransferXEncoding: x" END, PLAIN),
        SAMPLE(OLD "Transfer-Encoding: chunked" END, "400"),
        SAMPLE(OLD "Connection: keep-alive\r\nTransfer-Encoding: gzip" END, "400"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_connection(void **state)
{
#define CONNECTION(value, expected) SAMPLE(LINES "Connection: " value END, expected)
#define CLOSED                      "GET 1.1 path=/ host=a"
#define WEBSOCKET                   "GET 1.1 path=/ host=a keep-alive websocket"
    static const struct sample samples[] = {
        CONNECTION("close", CLOSED),
        CONNECTION("CLOSE", CLOSED),
        CONNECTION("keep-alive", PLAIN),
        CONNECTION("keep-alive, close", CLOSED),
        CONNECTION("close, keep-alive", CLOSED),
        CONNECTION("x , ,close ,y", CLOSED),
        CONNECTION("x\r\nConnection: close", CLOSED),
        CONNECTION("closed, xclose, close-x, clo se, close;a", PLAIN),
        CONNECTION("", PLAIN),
        SAMPLE(OLD "\r\n", "GET 1.0 path=/"),
        SAMPLE(OLD "Connection: Keep-Alive" END, "GET 1.0 path=/ keep-alive"),
        SAMPLE(OLD "Connection: keep-alive, close" END, "GET 1.0 path=/"),
        SAMPLE(OLD "Keep-Alive: timeout=5" END, "GET 1.0 path=/"),
        CONNECTION("Upgrade\r\nUpgrade: websocket", WEBSOCKET),
        CONNECTION("keep-alive, uPGRADE\r\nuPGRADE: h2c, WebSocket", WEBSOCKET),
        SAMPLE(LINES "Upgrade: x\r\nUpgrade: websocket\r\nConnection: upgrade" END, WEBSOCKET),
        CONNECTION("close, upgrade\r\nUpgrade: websocket", CLOSED " websocket"),
        CONNECTION("Upgrade", PLAIN),
        CONNECTION("Upgrade\r\nUpgrade: websocket/13", PLAIN),
        CONNECTION("Upgrade\r\nUpgrade: websockets", PLAIN),
        CONNECTION("Upgrade\r\nUpgrade: h2c", PLAIN),
        CONNECTION("websocket\r\nUpgrade: upgrade", PLAIN),
        SAMPLE(LINES "Upgrade: websocket" END, PLAIN),
        SAMPLE(OLD "Connection: upgrade\r\nUpgrade: websocket" END, "GET 1.0 path=/"),
    };
    check_all(samples, RN_COUNT(samples));
}

static void test_expect(void **state)
{
#define EXPECT(value, expected) SAMPLE(LINES "Content-Length: 5\r\nExpect: " value END, expected)
#define CONTINUE                "GET 1.1 path=/ host=a length=5 keep-alive continue"
    static const struct sample samples[] = {
        EXPECT("100-continue", CONTINUE),
        EXPECT("100-CONTINUE", CONTINUE),
        EXPECT("100-continue\r\nExpect: 100-continue", CONTINUE),
        EXPECT("", "GET 1.1 path=/ host=a length=5 keep-alive"),
        EXPECT("200-ok", "417"),
        EXPECT("100-continue, x", "417"),
        EXPECT("100-continue;a=b", "417"),
        EXPECT("100-continued", "417"),
        EXPECT("x=\"100-continue\"", "417"),
        SAMPLE(LINES "Expect: 100-continue\r\nTransfer-Encoding: chunked" END,
               CHUNKED " continue"),
        SAMPLE(LINES "Expect: 100-continue" END, PLAIN),
        SAMPLE(LINES "Expect: 100-continue\r\nContent-Length: 0" END,
               "GET 1.1 path=/ host=a length=0 keep-alive"),
        SAMPLE(OLD "Expect: 100-continue\r\nContent-Length: 5" END, "GET 1.0 path=/ length=5"),
        SAMPLE(OLD "Expect: x" END, "GET 1.0 path=/"),
        /* What can't be framed comes before what can't be met. */
        SAMPLE(LINES "Expect: x\r\nTransfer-Encoding: gzip" END, "501"),
        SAMPLE("GET / HTTP/1.1\r\nExpect: x" END, "400"),
    };
    check_all(samples, RN_COUNT(samples));
}

/* A longer element must not pass for a known one, whatever its length is modulo a power of two. */
static void test_long_elements(void **state)
{
    static const struct {
        const char *before, *expected;
    } cases[] = {
        {LINES "Transfer-Encoding: chunked", "501"},
        {LINES "Expect: 100-continue", "417"},
        {LINES "Connection: close", PLAIN},
        {OLD "Connection: keep-alive", "GET 1.0 path=/"},
        {LINES "Connection: upgrade\r\nUpgrade: websocket", PLAIN},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        for (size_t more = 1; more <= 8192; more *= 2) {
            char head[9000];
            size_t len = (size_t)sprintf(head, "%s", cases[i].before);
            memset(head + len, 'x', more);
            strcpy(head + len + more, END);
            check_text(head, cases[i].expected);
        }
    }
}

static void test_fields_as_sent(void **state)
{
    static const char text[] = "\r\nPOST /x?y HTTP/1.1\r\nHost:a\r\nEmpty:\r\nBlank: \t \r\n"
                               "X-Two: \t two  words\t\r\nx-two:again" END "body";
    static const char *const expected[][2] = {
        {"Host", "a"}, {"Empty", ""}, {"Blank", ""}, {"X-Two", "two  words"}, {"x-two", "again"}};
    struct rn_http1_request request;
    const uint8_t *head = guarded_input(text, sizeof text - 1);
    rn_http1_request_init(&request);
    assert_int_equal(rn_http1_parse_head(&request, head, sizeof text - 1), sizeof text - 5);
    assert_int_equal(request.field_count, RN_COUNT(expected));
    for (size_t i = 0; i < RN_COUNT(expected); i++) {
        rn_bytes name = rn_http1_slice(head, request.fields[i].name);
        rn_bytes value = rn_http1_slice(head, request.fields[i].value);
        assert_int_equal(name.len, strlen(expected[i][0]));
        assert_memory_equal(name.ptr, expected[i][0], name.len);
        assert_int_equal(value.len, strlen(expected[i][1]));
        assert_memory_equal(value.ptr, expected[i][1], value.len);
    }
    assert_int_equal(request.method_name.at, 2);
    assert_int_equal(request.method_name.len, 4);
    assert_int_equal(request.target.len, 4);
}

/* A request whose target, field count or size is at a limit. */
static char *long_target(char *to, const char *before, size_t target_len, const char *after)
{
    size_t len = (size_t)sprintf(to, "GET %s", before);
    memset(to + len, 'x', target_len - strlen(before));
    strcpy(to + 4 + target_len, after);
    return to;
}

static void test_target_limit(void **state)
{
    static char head[RN_HTTP1_HEAD_MAX + 100], expected[RN_HTTP1_HEAD_MAX];
    const char *after = " HTTP/1.0" END;
    size_t max = RN_HTTP1_TARGET_MAX;
    sprintf(expected, "GET 1.0 path=/%0*d", (int)max - 1, 0);
    for (char *at = expected; *at; at++)
        if (*at == '0' && at > expected + 7) *at = 'x';
    check_text(long_target(head, "/", max, after), expected);
    check_text(long_target(head, "/", max, ""), "more");
    check_text(long_target(head, "/", max + 1, after), "414");
    check_text(long_target(head, "/", max + 1, ""), "414");
    check_text(long_target(head, "/", max, "?"), "414");
    check_text(long_target(head, "/?", max + 1, ""), "414");
    check_text(long_target(head, "/", max, "<"), "400");
    check_text(long_target(head, "/", max + 500, "\n"), "414");
    sprintf(expected, "GET 1.0 path=/ query=%0*d", (int)max - 2, 0);
    for (char *at = expected + 21; *at; at++) *at = 'x';
    check_text(long_target(head, "/?", max, after), expected);
}

static void test_field_limit(void **state)
{
    static char head[RN_HTTP1_HEAD_MAX];
    char *at = head + sprintf(head, LINES);
    for (unsigned i = 1; i < RN_HTTP1_FIELDS_MAX; i++) at += sprintf(at, "F%u: v\r\n", i);
    strcpy(at, "\r\n");
    check_text(head, PLAIN);
    strcpy(at, "x");
    check_text(head, "431");
    strcpy(at, "X: y" END);
    check_text(head, "431");
}

static void test_head_limit(void **state)
{
    static char head[RN_HTTP1_HEAD_MAX + 100];
    size_t max = RN_HTTP1_HEAD_MAX, len = (size_t)sprintf(head, LINES "Long: ");
    memset(head + len, 'v', sizeof head - len);
    for (size_t size = max - 2; size <= max + 2; size++) {
        memcpy(head + size - 4, END, 5);
        check_text(head, size <= max ? PLAIN : "431");
        memset(head + size - 4, 'v', 5);
    }
    head[max - 1] = 0;
    check_text(head, "more");
    head[max - 1] = 'v';
    head[max] = 0;
    check_text(head, "431");
    head[max] = '\n';
    head[max + 1] = 0;
    check_text(head, "431");
    memcpy(head + max - 2, "\r\n", 3);
    check_text(head, "431");
}

/* An error is reported with the byte that makes it certain, and not before. */
static void test_prompt_errors(void **state)
{
    static const char *const heads[] = {
        "\r\r", "G\x7f", "GET /\n", "GET /a<", "GET /?<", "GET / h", "GET / HTTP/1.1\n",
        "GET /a\x80", "GET / HTTP/3.0\r\n", "GET * HTTP/1.1\r\n", "GET / HTTP/1.1\r\n ",
        LINES "A ", LINES "A:\n", LINES "A: b\rc", LINES "A: \x02", LINES "Host: b\r\n",
        LINES "Content-Length: x\r\n", OLD "Transfer-Encoding: chunked\r\n", LINES "\rx",
    };
    for (size_t i = 0; i < RN_COUNT(heads); i++) {
        struct rn_http1_request request;
        size_t len = strlen(heads[i]);
        rn_http1_request_init(&request);
        const uint8_t *head = guarded_input(heads[i], len - 1);
        if (rn_http1_parse_head(&request, head, len - 1) != 0) fail_msg("early: %s", heads[i]);
        head = guarded_input(heads[i], len);
        if (rn_http1_parse_head(&request, head, len) >= 0) fail_msg("late: %s", heads[i]);
    }
}

static bool in_set(uint8_t byte, const char *others)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || (byte && strchr(others, byte));
}

static bool in_name(uint8_t byte)
{
    return in_set(byte, "!#$%&'*+-.^_`|~");
}

static bool in_value(uint8_t byte)
{
    return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

static bool in_path(uint8_t byte)
{
    return in_set(byte, "-._~!$&'()*+,;=:@/%[]|?");
}

static bool in_query(uint8_t byte)
{
    return in_set(byte, "-._~!$&'()*+,;=:@/%[]|?^`{}\\");
}

static bool in_host(uint8_t byte)
{
    return in_set(byte, "-._~!$&'()*+;=%");
}

/* Each byte at each place of a part, near the end of the input and far from it. */
static void check_bytes(const char *before, const char *after, bool (*allowed)(uint8_t),
                        const char *special)
{
    enum { PART = 35 };
    char head[300];
    size_t start = strlen(before);
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte && strchr(special, (int)byte)) continue;
        for (size_t place = 0; place < PART; place++) {
            struct rn_http1_request request;
            memcpy(head, before, start);
            memset(head + start, 'm', PART);
            head[start + place] = (char)byte;
            strcpy(head + start + PART, after);
            size_t len = start + PART + strlen(after);
            rn_http1_request_init(&request);
            rn_ssize result = rn_http1_parse_head(&request, guarded_input(head, len), len);
            if (result != (allowed((uint8_t)byte) ? (rn_ssize)len : RN_E_PROTOCOL))
                fail_msg("%s: byte %02x at %zu", before, byte, place);
        }
    }
}

static void test_bytes(void **state)
{
    const char *tail = "\r\nAnother: and some room for words of sixteen" END;
    char after[100];
    for (int room = 0; room < 2; room++) {
        sprintf(after, ": v%s", room ? tail : END);
        check_bytes(LINES, after, in_name, ":");
        check_bytes(LINES "A: ", room ? tail : END, in_value, "");
        sprintf(after, " HTTP/1.0%s", room ? tail : END);
        check_bytes("GET /", after, in_path, "");
        check_bytes("GET /?", after, in_query, "");
        check_bytes("GET http://h", after, in_host, ":/?");
        check_bytes(OLD "Host: m", room ? tail : END, in_host, ": \t");
    }
}

/* Input trickles in, and no page that was scanned is there any more: only when a line is complete
 * may it be looked at again. */
static void test_no_second_scan(void **state)
{
    static char text[RN_HTTP1_HEAD_MAX + 1];
    char *to = text + sprintf(text, "GET http://host/");
    memset(to, 'p', 6000);
    to += 6000 + sprintf(to + 6000, "?query HTTP/1.1\r\nHost: a\r\nLong: ");
    memset(to, 'v', 5000);
    to += 5000 + sprintf(to + 5000, "\r\nConnection: keep-alive\r\n");
    memset(to, 'N', 4500);
    strcpy(to + 4500, ": v" END);

    size_t len = strlen(text), page = (size_t)sysconf(_SC_PAGESIZE), line = 0, hidden = 0;
    uint8_t *head =
        mmap(NULL, 5 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(head != MAP_FAILED);
    assert_true(len > 3 * page && len < RN_HTTP1_HEAD_MAX);
    memcpy(head, text, len);
    struct rn_http1_request request;
    rn_http1_request_init(&request);
    for (size_t at = 0; at < len; at++) {
        size_t from = text[at] == '\n' ? line : at;
        assert_int_equal(mprotect(head, 5 * page, PROT_READ), 0);
        hidden = from / page * page;
        if (hidden) assert_int_equal(mprotect(head, hidden, PROT_NONE), 0);
        rn_ssize result = rn_http1_parse_head(&request, head, at + 1);
        assert_int_equal(result, at + 1 == len ? (rn_ssize)len : 0);
        if (text[at] == '\n') line = at + 1;
    }
    assert_int_equal(hidden, 3 * page);
    assert_int_equal(mprotect(head, 5 * page, PROT_READ), 0);
    char described[20000];
    describe(described, 1, &request, head);
    assert_memory_equal(described, "GET 1.1 target=http://host/ppp", 30);
    munmap(head, 5 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_line),    cmocka_unit_test(test_version),
        cmocka_unit_test(test_target),          cmocka_unit_test(test_field_lines),
        cmocka_unit_test(test_host),            cmocka_unit_test(test_content_length),
        cmocka_unit_test(test_transfer_encoding), cmocka_unit_test(test_connection),
        cmocka_unit_test(test_expect),          cmocka_unit_test(test_long_elements),
        cmocka_unit_test(test_fields_as_sent),  cmocka_unit_test(test_target_limit),
        cmocka_unit_test(test_field_limit),     cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_prompt_errors),   cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_no_second_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
