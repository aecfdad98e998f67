/*
 * Redirects: which are followed, with which method, with what left out, and when it is enough.
 */
#include "client_bed.h"

#define GO(status, to)                                                                             \
    "HTTP/1.1 " #status " Go\r\nLocation: " to "\r\nContent-Length: 2\r\n\r\nno"

static const struct {
    unsigned status;
    const char *method, *then; /* what becomes of it */
    bool body;                 /* it is sent again */
} methods[] = {
    {301, "GET", "GET", false},   {301, "POST", "GET", false},  {301, "HEAD", "HEAD", false},
    {301, "PUT", "PUT", true},    {302, "POST", "GET", false},  {302, "DELETE", "DELETE", true},
    {303, "GET", "GET", false},   {303, "POST", "GET", false},  {303, "PUT", "GET", false},
    {303, "HEAD", "HEAD", false}, {307, "POST", "POST", true},  {308, "POST", "POST", true},
    {308, "GET", "GET", false},
};

static void rules(void)
{
    const struct rn_http1_header type = {RN_BYTES("Content-Type"), RN_BYTES("text/plain")};
    for (size_t i = 0; i < RN_COUNT(methods); i++) {
        char go[128], expected[64];
        bool head = !strcmp(methods[i].method, "HEAD");
        snprintf(go, sizeof go, "HTTP/1.1 %u Go\r\nLocation: /b\r\nContent-Length: 2\r\n\r\n%s",
                 methods[i].status, head ? "" : "no");
        const struct script_step steps[] = {
            {go, 0}, {head ? OK "Content-Length: 5\r\n\r\n" : HELLO, SCRIPT_CLOSE}, {NULL, 0}};
        begin(steps);
        struct fetch *fetch = fetch_new(methods[i].method, "http://h/a");
        if (strcmp(methods[i].method, "GET") != 0 && !head) {
            fetch->call.body = "content";
            fetch->call.body_length = 7;
        }
        fetch->call.fields = &type;
        fetch->call.field_count = 1;
        fetch_start(fetch);
        fetch_wait(fetch);
        assert_string_equal(fetch->call.url, "http://h/b");
        assert_int_equal(fetch->call.redirects, 1);
        assert_fetched(fetch, 200, head ? "" : "hello");
        snprintf(expected, sizeof expected, "%s /b HTTP/1.1\r\n", methods[i].then);
        assert_memory_equal(script.requests[1], expected, strlen(expected));
        assert_int_equal(!!strstr(script.requests[1], "\r\n\r\ncontent"), methods[i].body);
        if (methods[i].body) assert_non_null(strstr(script.requests[1], "Content-Length: 7\r\n"));
        bool got = !strcmp(methods[i].method, methods[i].then);
        /* 303 makes a new request even of a GET. */
        if (methods[i].status != 303 || head)
            assert_int_equal(!!strstr(script.requests[1], "Content-Type"), got);
        assert_int_equal(bed_client.figures.reused, 1);
        finish(2);
    }
}

static void not_followed(void)
{
    static const struct script_step steps[] = {
        {GO(300, "/b"), 0},
        {GO(305, "/b"), 0},
        {GO(201, "/b"), 0},
        {"HTTP/1.1 302 Go\r\nContent-Length: 2\r\n\r\nno", 0},
        {GO(302, "/b"), SCRIPT_CLOSE},
        {NULL, 0}};
    static const unsigned statuses[] = {300, 305, 201, 302, 302};
    static const struct script_step none[] = {{"HTTP/1.1 304 Go\r\n\r\n", SCRIPT_CLOSE}, {NULL, 0}};
    begin(none);
    assert_fetched(fetch_get("http://h/"), 304, "");
    finish(1);
    begin(steps);
    for (unsigned i = 0; i < RN_COUNT(statuses); i++) {
        struct fetch *fetch = fetch_new("GET", "http://h/");
        fetch->call.no_redirects = i == RN_COUNT(statuses) - 1;
        fetch_start(fetch);
        assert_fetched(fetch_wait(fetch), statuses[i], "no");
    }
    finish(5);
}

static char told[256];

static bool judge(struct rn_http_call *call, const char *to)
{
    snprintf(told + strlen(told), sizeof told - strlen(told), "%u %s %zu ",
             call->exchange.response.status, to, rn_http_call_field(call, "Location").len);
    return strstr(to, "/c") == NULL;
}

static void caller_decides(void)
{
    static const struct script_step steps[] = {
        {GO(301, "/b"), 0}, {GO(302, "c?d"), SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    told[0] = 0;
    struct fetch *fetch = fetch_new("GET", "http://h/a");
    fetch->call.redirect = judge;
    fetch_start(fetch);
    fetch_wait(fetch);
    assert_string_equal(told, "301 http://h/b 2 302 http://h/c?d 3 ");
    assert_string_equal(fetch->call.url, "http://h/b");
    assert_fetched(fetch, 302, "no");
    finish(2);
}

/* What is meant for one origin isn't told another, and not again when it leads back. */
static void other_origins(void)
{
    static const struct script_step steps[] = {
        {GO(307, "http://h/b"), SCRIPT_NEXT},
        {GO(307, "http://i/c"), SCRIPT_NEXT},
        {GO(307, "http://h/d"), SCRIPT_NEXT},
        {HELLO, SCRIPT_CLOSE},
        {NULL, 0}};
    const struct rn_http1_header fields[] = {
        {RN_BYTES("Cookie"), RN_BYTES("c")},
        {RN_BYTES("X-Own"), RN_BYTES("x")},
        {RN_BYTES("proxy-authorization"), RN_BYTES("p")},
        {RN_BYTES("host"), RN_BYTES("virtual")},
    };
    begin(steps);
    struct fetch *fetch = fetch_new("GET", "http://u:p@h/a");
    fetch->call.fields = fields;
    fetch->call.field_count = RN_COUNT(fields);
    fetch->call.no_reuse = true;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    for (unsigned i = 0; i < 4; i++) {
        const char *request = script.requests[i];
        assert_int_equal(!!strstr(request, "\r\nAuthorization: Basic dTpw\r\n"), i < 2);
        assert_int_equal(!!strstr(request, "\r\nCookie: c\r\n"), i < 2);
        assert_int_equal(!!strstr(request, "proxy-auth"), i < 2);
        assert_int_equal(!!strstr(request, "virtual"), i < 2);
        assert_non_null(strstr(request, "\r\nX-Own: x\r\n"));
    }
    assert_non_null(strstr(script.requests[2], "\r\nHost: i\r\n"));
    assert_non_null(strstr(script.requests[3], "\r\nHost: h\r\n"));
    finish(4);
}

static const struct {
    const char *answer;
    int error;
    const char *url;
} refused[] = {
    {GO(301, "https://h/b"), RN_E_UNSUPPORTED, "https://h/b"},
    {GO(301, "ftp://h/b"), RN_E_UNSUPPORTED, "ftp://h/b"},
    {GO(301, "mailto:a@b"), RN_E_UNSUPPORTED, "http://h/a"},
    {GO(301, "http://user@h/b"), RN_E_PROTOCOL, "http://h/a"},
    {GO(301, "http:///"), RN_E_PROTOCOL, "http://h/a"},
    {GO(301, "http://h:99999/"), RN_E_PROTOCOL, "http://h/a"},
};

static void bad_targets(void)
{
    for (size_t i = 0; i < RN_COUNT(refused); i++) {
        const struct script_step steps[] = {{refused[i].answer, SCRIPT_CLOSE}, {NULL, 0}};
        begin(steps);
        struct fetch *fetch = fetch_get("http://h/a");
        assert_string_equal(fetch->call.url, refused[i].url);
        assert_int_equal(fetch->status, 301);
        assert_failed(fetch, refused[i].error);
        finish(1);
    }
}

static void without_end(void)
{
    struct script_step steps[SCRIPT_STEPS + 1] = {{NULL, 0}};
    for (unsigned i = 0; i <= RN_HTTP_REDIRECTS; i++)
        steps[i] = (struct script_step){GO(302, "/again"), 0};
    begin(steps);
    struct fetch *fetch = fetch_get("http://h/");
    assert_int_equal(fetch->call.redirects, RN_HTTP_REDIRECTS);
    assert_failed(fetch, RN_E_LIMIT);
    finish(RN_HTTP_REDIRECTS + 1);
    begin(steps);
    fetch = fetch_new("GET", "http://h/");
    fetch->call.redirects_max = 2;
    fetch_start(fetch);
    assert_failed(fetch_wait(fetch), RN_E_LIMIT);
    client_close();
    script_stop(3);
}

/* Its content is read so that the connection can be kept, but not at any price. */
static void content_dropped(void)
{
    static char large[RN_HTTP_DRAIN_MAX + 200];
    static char chunked[RN_HTTP_DRAIN_MAX + 200];
    int at = sprintf(large, "HTTP/1.1 302 Go\r\nLocation: /b\r\nContent-Length: %d\r\n\r\n",
                     RN_HTTP_DRAIN_MAX);
    memset(large + at, 'x', RN_HTTP_DRAIN_MAX);
    at = sprintf(chunked, "HTTP/1.1 302 Go\r\nLocation: /b\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "%x\r\n", RN_HTTP_DRAIN_MAX + 1);
    memset(chunked + at, 'x', RN_HTTP_DRAIN_MAX + 1);
    const struct script_step steps[] = {
        {large, 0},
        {HELLO, SCRIPT_CLOSE},
        {chunked, SCRIPT_STAY},
        {HELLO, SCRIPT_CLOSE},
        {"HTTP/1.1 302 Go\r\nLocation: /b\r\nContent-Length: 65537\r\n\r\n", SCRIPT_STAY},
        {HELLO, SCRIPT_CLOSE},
        {"HTTP/1.1 302 Go\r\nLocation: /b\r\n\r\nuntil the end", SCRIPT_STAY},
        {HELLO, SCRIPT_CLOSE},
        {"HTTP/1.1 302 Go\r\nLocation: /b\r\nContent-Length: 9\r\n\r\ntoo", SCRIPT_CLOSE},
        {HELLO, SCRIPT_CLOSE},
        {NULL, 0}};
    begin(steps);
    for (unsigned i = 0; i < 5; i++) {
        assert_fetched(fetch_get("http://h/"), 200, "hello");
        while (bed_client.figures.connections) net_turn();
    }
    assert_int_equal(bed_client.figures.opened, 9);
    finish(10);
}

/* The content is sent again from its first byte. */
static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    static const char text[] = "0123456789";
    if (at == 10) return 0;
    *(char *)to = text[at];
    return 1;
}

static void content_again(void)
{
    static const struct script_step steps[] = {
        {GO(307, "/b"), 0}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    struct fetch *fetch = fetch_new("POST", "http://h/");
    fetch->call.body_read = give;
    fetch->call.body_length = RN_HTTP_LENGTH_UNKNOWN;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    for (unsigned i = 0; i < 2; i++)
        assert_non_null(strstr(script.requests[i], "\r\n1\r\n9\r\n0\r\n\r\n"));
    finish(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(rules),         client_test(not_followed), client_test(caller_decides),
        client_test(other_origins), client_test(bad_targets),  client_test(without_end),
        client_test(content_dropped), client_test(content_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
