/*
 * Calls of the HTTP client, against a server that plays a script: what is sent, what comes of the
 * answers, and what of servers that break the rules.
 */
#include "client_bed.h"

static void simple(void)
{
    static const struct script_step steps[] = {
        {OK "X-Test: y\r\nContent-Length: 5\r\n\r\nhello", 0},
        {OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n",
         SCRIPT_CUT},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0},
        {OK "\r\nuntil the end", SCRIPT_CLOSE},
        {NULL, 0}};
    begin(steps);
    struct fetch *fetch = fetch_get("http://example.com/a b?c#d");
    assert_string_equal(fetch->field, "y");
    assert_int_equal(fetch->call.content_length, 5);
    assert_int_equal(fetch->call.phase, RN_HTTP_OVER);
    assert_fetched(fetch, 200, "hello");
    assert_string_equal(script.requests[0], "GET /a%20b?c HTTP/1.1\r\nHost: example.com\r\n"
                                            "User-Agent: runnel\r\nAccept: */*\r\n\r\n");
    assert_fetched(fetch_get("http://example.com:80"), 200, "abcde");
    assert_fetched(fetch_get("http://example.com/"), 404, "");
    fetch = fetch_get("http://EXAMPLE.com/?x");
    assert_int_equal(fetch->call.content_length, RN_HTTP_LENGTH_UNKNOWN);
    assert_string_equal(fetch->call.url, "http://example.com/?x");
    assert_fetched(fetch, 200, "until the end");
    assert_int_equal(bed_client.figures.opened, 1);
    assert_int_equal(bed_client.figures.reused, 3);
    assert_int_equal(bed_client.figures.requests, 4);
    finish(4);
}


static bool asked(unsigned step, const char *text)
{
    return strstr(script.requests[step], text);
}

/* ---- What is sent ---------------------------------------------------------------------------- */

static void fields(void)
{
    static const struct script_step steps[] = {{HELLO, 0}, {HELLO, 0}, {HELLO, 0}, {NULL, 0}};
    const struct rn_http1_header own[] = {
        {RN_BYTES("X-A"), RN_BYTES("b c")},     {RN_BYTES("user-agent"), RN_BYTES("me")},
        {RN_BYTES("Accept"), RN_BYTES("")},     {RN_BYTES("Host"), RN_BYTES("other")},
    };
    begin(steps);
    struct fetch *fetch = fetch_new("OPTIONS", "http://h:81/");
    fetch->call.fields = own;
    fetch->call.field_count = RN_COUNT(own);
    fetch->call.no_reuse = true;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_string_equal(script.requests[0], "OPTIONS / HTTP/1.1\r\nConnection: close\r\n"
                                            "X-A: b c\r\nuser-agent: me\r\nHost: other\r\n\r\n");
    fetch = fetch_get("http://user:p%40ss@h:81/x");
    assert_string_equal(fetch->call.url, "http://h:81/x");
    assert_fetched(fetch, 200, "hello");
    assert_true(asked(1, "Host: h:81\r\n"));
    assert_true(asked(1, "\r\nAuthorization: Basic dXNlcjpwQHNz\r\n"));
    assert_fetched(fetch_get("http://user@h:81/"), 200, "hello");
    assert_true(asked(2, "\r\nAuthorization: Basic dXNlcjo=\r\n"));
    finish(3);
}

static void refused_fields(void)
{
    static const struct script_step steps[] = {{NULL, 0}};
    const struct rn_http1_header bad[] = {
        {RN_BYTES("A"), RN_BYTES("b\r\nc: d")},        {RN_BYTES("A\n"), RN_BYTES("b")},
        {RN_BYTES("content-length"), RN_BYTES("1")},   {RN_BYTES("Connection"), RN_BYTES("close")},
        {RN_BYTES("Transfer-Encoding"), RN_BYTES("x")}, {RN_BYTES("Expect"), RN_BYTES("x")},
        {RN_BYTES(""), RN_BYTES("x")},
    };
    static const char *const urls[] = {"http://h/\n", "h", "", "http://", "http://h:0/",
                                       "http://u\r\n@h/"};
    begin(steps);
    for (size_t i = 0; i < RN_COUNT(bad); i++) {
        struct fetch *fetch = fetch_new("GET", "http://h/");
        fetch->call.fields = &bad[i];
        fetch->call.field_count = 1;
        fetch_start(fetch);
        assert_failed(fetch_wait(fetch), RN_E_MISUSE);
    }
    for (size_t i = 0; i < RN_COUNT(urls); i++) assert_failed(fetch_get(urls[i]), RN_E_MISUSE);
    assert_failed(fetch_get("https://h/"), RN_E_UNSUPPORTED);
    assert_failed(fetch_get("mailto:a@b"), RN_E_UNSUPPORTED);
    struct fetch *fetch = fetch_new("G T", "http://h/");
    fetch_start(fetch);
    assert_failed(fetch_wait(fetch), RN_E_MISUSE);
    char longer[RN_HTTP_URL_MAX + 1];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "http://h/", 9);
    longer[RN_HTTP_URL_MAX] = 0;
    assert_failed(fetch_get(longer), RN_E_LIMIT);
    longer[RN_HTTP_HOST_MAX + 8] = '/';
    memset(longer + 7, 'h', RN_HTTP_HOST_MAX + 1);
    longer[RN_HTTP_HOST_MAX + 20] = 0;
    assert_failed(fetch_get(longer), RN_E_LIMIT);
    client_close();
    script_stop(0);
}

static unsigned given;

/* A little at a time, and now and then nothing. */
static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    static const char text[] = "some content to be sent";
    size_t left = sizeof text - 1 - (size_t)at;
    if (++given % 2) return -EAGAIN;
    if (left > 7) left = 7;
    if (left > cap) left = cap;
    memcpy(to, text + at, left);
    return (rn_ssize)left;
}

static rn_ssize give_nothing(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    return 0;
}

static rn_ssize give_error(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    return at ? -EIO : 1;
}

/* With the caller coming back again and again. */
static struct fetch *push(struct fetch *fetch)
{
    fetch_start(fetch);
    while (!fetch->over) {
        rn_http_call_more(&fetch->call);
        net_turn_quickly();
    }
    return fetch;
}

static struct fetch *with_body(const char *method, const char *body)
{
    struct fetch *fetch = fetch_new(method, "http://h/");
    fetch->call.body = body;
    fetch->call.body_length = strlen(body);
    return fetch;
}

static void bodies(void)
{
    static const struct script_step steps[] = {
        {HELLO, 0}, {HELLO, 0}, {HELLO, 0}, {HELLO, 0}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    struct fetch *fetch = with_body("PUT", "content");
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_true(asked(0, "\r\nContent-Length: 7\r\n\r\ncontent"));
    fetch = fetch_new("POST", "http://h/");
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_true(asked(1, "\r\nContent-Length: 0\r\n\r\n"));
    fetch = fetch_new("POST", "http://h/");
    fetch->call.body_read = give;
    fetch->call.body_length = 23;
    assert_fetched(push(fetch), 200, "hello");
    assert_true(asked(2, "\r\nContent-Length: 23\r\n\r\nsome content to be sent"));
    fetch = fetch_new("POST", "http://h/");
    fetch->call.body_read = give;
    fetch->call.body_length = RN_HTTP_LENGTH_UNKNOWN;
    assert_fetched(push(fetch), 200, "hello");
    assert_true(asked(3, "\r\nTransfer-Encoding: chunked\r\n"));
    assert_true(asked(3, "\r\n\r\n7\r\nsome co\r\n7\r\nntent t\r\n7\r\no be se\r\n2\r\nnt\r\n"
                         "0\r\n\r\n"));
    fetch = fetch_new("POST", "http://h/");
    fetch->call.body_read = give_nothing;
    fetch->call.body_length = RN_HTTP_LENGTH_UNKNOWN;
    assert_fetched(push(fetch), 200, "hello");
    assert_true(asked(4, "\r\n\r\n0\r\n\r\n"));
    finish(5);
}

static void bad_bodies(void)
{
    static const struct script_step steps[] = {{"", SCRIPT_CLOSE}, {"", SCRIPT_CLOSE}, {NULL, 0}};
    script_start(steps);
    client_open((struct rn_http_client_options){.idle_timeout = 0});
    struct fetch *fetch = fetch_new("PUT", "http://h/");
    fetch->call.body_read = give_nothing;
    fetch->call.body_length = 5;
    fetch_start(fetch);
    assert_failed(fetch_wait(fetch), RN_E_MISUSE);
    fetch = fetch_new("PUT", "http://h/");
    fetch->call.body_read = give_error;
    fetch->call.body_length = 5;
    fetch_start(fetch);
    assert_failed(fetch_wait(fetch), -EIO);
    client_close();
    shutdown(script.listener, SHUT_RDWR);
    pthread_join(script.thread, NULL);
    close(script.listener);
}

static unsigned interims;

static void count_interim(struct rn_http_call *call)
{
    interims = interims * 1000 + call->exchange.response.status;
    assert_int_equal(rn_http_call_field(call, "Link").len, interims == 103 ? 1 : 0);
}

static void expectations(void)
{
    static const struct script_step steps[] = {
        {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 C\r\n\r\n", SCRIPT_HEAD},
        {HELLO, SCRIPT_MUTE | SCRIPT_CLOSE},
        {"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno", SCRIPT_HEAD | SCRIPT_STAY},
        {NULL, 0}};
    begin(steps);
    interims = 0;
    struct fetch *fetch = with_body("PUT", "content");
    fetch->call.expect_continue = true;
    fetch->call.interim = count_interim;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_int_equal(interims, 103100);
    assert_true(asked(0, "\r\nExpect: 100-continue\r\n"));
    fetch = with_body("PUT", "content");
    fetch->call.expect_continue = true;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 417, "no");
    finish(3);
}

/* Who waits in vain for 100 (Continue) sends all the same; who waits in vain for the rest fails. */
static void patience(void)
{
    static const struct script_step steps[] = {
        {HELLO, SCRIPT_CLOSE}, {"", SCRIPT_STAY}, {OK "Content-", SCRIPT_STAY},
        {OK "Content-Length: 5\r\n\r\nhel", SCRIPT_STAY}, {"", SCRIPT_STAY}, {NULL, 0}};
    script_start(steps);
    client_open((struct rn_http_client_options){.head_timeout = 30 * RN_MILLISECOND,
                                                .stall_timeout = 20 * RN_MILLISECOND});
    struct fetch *fetch = with_body("PUT", "content");
    fetch->call.expect_continue = true;
    fetch->call.client->options.head_timeout = 20 * RN_SECOND;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    bed_client.options.head_timeout = 30 * RN_MILLISECOND;
    for (unsigned i = 0; i < 2; i++) {
        fetch = fetch_get("http://h/");
        assert_int_equal(fetch->call.phase, RN_HTTP_HEAD);
        assert_failed(fetch, -ETIMEDOUT);
    }
    bed_client.options.head_timeout = 20 * RN_SECOND;
    fetch = fetch_get("http://h/");
    assert_int_equal(fetch->call.phase, RN_HTTP_BODY);
    assert_memory_equal(fetch->content, "hel", 3);
    assert_failed(fetch, -ETIMEDOUT);
    fetch = fetch_new("GET", "http://h/");
    fetch->call.deadline = rn_worker_now(net_worker) + 30 * RN_MILLISECOND;
    fetch_start(fetch);
    assert_failed(fetch_wait(fetch), -ETIMEDOUT);
    finish(5);
}

/* ---- Servers that break the rules ------------------------------------------------------------ */

static const struct {
    struct script_step step;
    int error;
    uint64_t missing;
} broken[] = {
    {{"", SCRIPT_CLOSE}, RN_E_CLOSED, 0},
    {{"", SCRIPT_RESET}, -ECONNRESET, 0},
    {{"HTTP/1.1 200", SCRIPT_CLOSE}, RN_E_CLOSED, 0},
    {{OK "A: b\r\n", SCRIPT_CLOSE}, RN_E_CLOSED, 0},
    {{"SSH-2.0-x\r\n", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{"<html>", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{"HTTP/2.0 200 OK\r\n\r\n", SCRIPT_STAY}, RN_E_UNSUPPORTED, 0},
    {{"HTTP/1.1 20 OK\r\n\r\n", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "A: b\r\n folded\r\n\r\n", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Content-Length: 5\r\n\r\nhel", SCRIPT_CLOSE}, RN_E_CLOSED, 2},
    {{OK "Content-Length: 5\r\n\r\n", SCRIPT_CLOSE}, RN_E_CLOSED, 5},
    {{OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Content-Length: x\r\n\r\nhello", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Content-Length: 99999999999999999999\r\n\r\nhello", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", SCRIPT_STAY},
     RN_E_PROTOCOL, 0},
    {{OK "Transfer-Encoding: gzip, chunked\r\n\r\n", SCRIPT_STAY}, RN_E_UNSUPPORTED, 0},
    {{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", SCRIPT_CLOSE}, RN_E_CLOSED, 2},
    {{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", SCRIPT_CLOSE}, RN_E_CLOSED, 0},
    {{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhellox", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", SCRIPT_STAY}, RN_E_PROTOCOL,
     0},
    {{OK "Content-Length: 5\r\n\r\nhel", SCRIPT_RESET}, -ECONNRESET, 2},
    {{"HTTP/1.1 101 Switching\r\n\r\n", SCRIPT_STAY}, RN_E_PROTOCOL, 0},
    {{"HTTP/1.1 100 Continue\r\n\r\n", SCRIPT_CLOSE}, RN_E_CLOSED, 0},
    {{"HTTP/1.1 100 Continue\r\n\r\n", SCRIPT_ENDLESS | SCRIPT_CLOSE}, RN_E_LIMIT, 0},
    {{OK "A: b\r\nA: b\r\nA: b\r\nA: b\r\n", SCRIPT_ENDLESS | SCRIPT_CLOSE}, RN_E_PROTOCOL, 0},
    {{"HTTP/1.1 200 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      SCRIPT_ENDLESS | SCRIPT_CLOSE}, RN_E_LIMIT, 0},
    {{"HTTP/1.1 301 Go\r\nLocation: http://a b/\r\nContent-Length: 0\r\n\r\n", SCRIPT_STAY},
     RN_E_PROTOCOL, 0},
};

static void broken_servers(void)
{
    for (size_t i = 0; i < RN_COUNT(broken); i++) {
        const struct script_step steps[] = {broken[i].step, {NULL, 0}};
        begin(steps);
        struct fetch *fetch = fetch_get("http://h/");
        if (fetch->result != broken[i].error)
            fail_msg("%s: %s", broken[i].step.answer, rn_error_name(fetch->result));
        if (broken[i].error != -ECONNRESET)
            assert_int_equal(fetch->call.missing, broken[i].missing);
        fetch_free(fetch);
        finish(1);
    }
}

/* Fields without end: the head is too large, or has too many of them. */
static void endless_heads(void)
{
    static const char field[] = "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b\r\n";
    static const struct script_step steps[] = {{OK, 0}, {field, SCRIPT_MUTE | SCRIPT_ENDLESS |
                                                                    SCRIPT_CLOSE}, {NULL, 0}};
    static const struct script_step few[] = {{OK, 0}, {"A: b\r\n", SCRIPT_MUTE | SCRIPT_ENDLESS |
                                                                       SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    assert_failed(fetch_get("http://h/"), RN_E_LIMIT);
    finish(2);
    begin(few);
    assert_failed(fetch_get("http://h/"), RN_E_LIMIT);
    finish(2);
}

/* What follows a response spoils the connection, not the response. */
static void too_much(void)
{
    static const struct script_step steps[] = {
        {HELLO "more", SCRIPT_STAY}, {HELLO HELLO, SCRIPT_STAY}, {HELLO, 0},
        {"HTTP/1.1 408 Late\r\n\r\n", SCRIPT_MUTE | SCRIPT_STAY}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    for (unsigned i = 0; i < 3; i++) assert_fetched(fetch_get("http://h/"), 200, "hello");
    assert_int_equal(bed_client.figures.reused, 0);
    /* On an idle connection, too. */
    while (bed_client.figures.idle) net_turn();
    assert_fetched(fetch_get("http://h/"), 200, "hello");
    assert_int_equal(bed_client.figures.opened, 4);
    finish(5);
}

static rn_ssize give_much(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    memset(to, 'x', cap);
    return (rn_ssize)cap;
}

/* A refusal comes while the content, which nobody reads, is still being sent. */
static void early_answer(void)
{
    static const struct script_step steps[] = {
        {"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno", SCRIPT_HEAD}, {"", SCRIPT_MUTE |
        SCRIPT_NEXT}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    struct fetch *fetch = fetch_new("PUT", "http://h/");
    fetch->call.body_read = give_much;
    fetch->call.body_length = (uint64_t)1 << 40;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 413, "no");
    assert_int_equal(bed_client.figures.idle, 0);
    assert_fetched(fetch_get("http://h/"), 200, "hello");
    finish(3);
}

/* Not before the answer's head has come. */
static rn_ssize give_late(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    if (call->phase != RN_HTTP_BODY) return -EAGAIN;
    memcpy(to, "x\r\n\r\n" + at, 1);
    return 1;
}

/* A server that takes it answers early, too: it gets the rest, even if it closes behind it. */
static void early_success(void)
{
    static const struct script_step steps[] = {
        {OK "Connection: close\r\n\r\n", SCRIPT_HEAD}, {"got it", SCRIPT_CLOSE}, {NULL, 0}};
    begin(steps);
    struct fetch *fetch = fetch_new("PUT", "http://h/");
    fetch->call.body_read = give_late;
    fetch->call.body_length = 5;
    assert_fetched(push(fetch), 200, "got it");
    assert_string_equal(script.requests[1], "x\r\n\r\n");
    finish(2);
    begin(steps);
    fetch = with_body("PUT", "x\r\n\r\n");
    fetch->call.expect_continue = true;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "got it");
    finish(2);
}

/* ---- Ending early ---------------------------------------------------------------------------- */

static void ended_early(void)
{
    static const struct script_step steps[] = {
        {HELLO, SCRIPT_STAY},
        {"HTTP/1.1 204 No\r\n\r\n", 0},
        {OK "Content-Length: 0\r\n\r\n", 0},
        {OK "Content-Length: 7\r\n\r\n", 0},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", SCRIPT_CLOSE}, {NULL, 0}};
    static const char *const methods[] = {"GET", "GET", "GET", "HEAD", "GET"};
    begin(steps);
    for (unsigned i = 0; i < 5; i++) {
        struct fetch *fetch = fetch_new(methods[i], "http://h/");
        fetch->only_head = true;
        fetch_start(fetch);
        fetch_wait(fetch);
        assert_int_equal(fetch->call.content_length,
                         i == 0 ? 5 : i == 4 ? RN_HTTP_LENGTH_UNKNOWN : 0);
        if (i == 3) assert_int_equal(fetch->call.exchange.response.message.content_length, 7);
        assert_int_equal(fetch->result, 0);
        fetch_free(fetch);
    }
    /* The first had content left, the others were over with their heads. */
    assert_int_equal(bed_client.figures.opened, 2);
    finish(5);
}

static void cancelled(void)
{
    static const struct script_step steps[] = {
        {"", SCRIPT_STAY}, {OK "Content-Length: 5\r\n\r\nhel", SCRIPT_STAY}, {NULL, 0}};
    begin(steps);
    for (unsigned i = 0; i < 2; i++) {
        struct fetch *fetch = fetch_new("GET", "http://h/");
        fetch_start(fetch);
        while (i ? fetch->len < 3 : __atomic_load_n(&script.count, __ATOMIC_ACQUIRE) == 0)
            net_turn_quickly();
        rn_task_cancel(rn_task_waker(net_worker, &fetch->task));
        assert_failed(fetch_wait(fetch), -ECANCELED);
    }
    /* While it connects. */
    struct fetch *fetch = fetch_new("GET", "http://h/");
    fetch_start(fetch);
    net_turn_quickly();
    rn_task_cancel(rn_task_waker(net_worker, &fetch->task));
    assert_failed(fetch_wait(fetch), -ECANCELED);
    finish(2);
}

static void nobody_there(void)
{
    static const struct script_step steps[] = {{NULL, 0}};
    script_start(steps);
    shutdown(script.listener, SHUT_RDWR);
    pthread_join(script.thread, NULL);
    close(script.listener);
    client_open((struct rn_http_client_options){.idle_timeout = 0});
    struct fetch *fetch = fetch_get("http://h/");
    assert_int_equal(fetch->call.phase, RN_HTTP_CONNECTING);
    assert_failed(fetch, -ECONNREFUSED);
    client_close();
}

/* No buffer is left for a while: the request waits for one. */
static void without_buffers(void)
{
    static const struct script_step steps[] = {{HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    struct rn_pool *pool = rn_worker_pool(net_worker);
    struct rn_buf *all = NULL, *buf;
    begin(steps);
    while ((buf = rn_pool_take_reserved(pool))) {
        buf->next = all;
        all = buf;
    }
    struct fetch *fetch = fetch_new("GET", "http://h/");
    fetch_start(fetch);
    for (unsigned i = 0; i < 200; i++) net_turn_quickly();
    assert_false(fetch->over);
    assert_int_equal(__atomic_load_n(&script.count, __ATOMIC_ACQUIRE), 0);
    while ((buf = all)) {
        all = buf->next;
        rn_pool_put(pool, buf);
    }
    assert_fetched(fetch_wait(fetch), 200, "hello");
    finish(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(simple), client_test(fields), client_test(refused_fields), client_test(bodies),
        client_test(bad_bodies), client_test(expectations), client_test(patience),
        client_test(broken_servers), client_test(endless_heads), client_test(too_much),
        client_test(early_answer), client_test(early_success), client_test(ended_early),
        client_test(cancelled), client_test(nobody_there), client_test(without_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
