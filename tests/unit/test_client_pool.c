/*
 * Which connection a call gets: kept ones, limits and who waits for them, idle time, dead ones and
 * when a request may be sent again; proxies and tunnels.
 */
#include "client_bed.h"

static void limits(void)
{
    static const struct script_step steps[] = {
        {HELLO, 0}, {HELLO, 0}, {HELLO, 0}, {HELLO, 0}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    struct fetch *fetches[5];
    script_start(steps);
    client_open((struct rn_http_client_options){.connections_per_host_max = 1});
    for (unsigned i = 0; i < 5; i++) {
        static const char *const urls[] = {"http://h/0", "http://h/1", "http://h/2", "http://h/3",
                                           "http://h/4"};
        fetches[i] = fetch_new("GET", urls[i]);
        fetch_start(fetches[i]);
    }
    net_turn_quickly();
    assert_int_equal(bed_client.figures.waiting, 4);
    assert_int_equal(bed_client.figures.connections, 1);
    for (unsigned i = 0; i < 5; i++) assert_fetched(fetch_wait(fetches[i]), 200, "hello");
    /* First come, first served. */
    for (unsigned i = 0; i < 5; i++) assert_int_equal(script.requests[i][5], '0' + i);
    assert_int_equal(bed_client.figures.opened, 1);
    assert_int_equal(bed_client.figures.reused, 4);
    finish(5);
}

/* An idle connection makes room for another host's; a call for a host that is free doesn't wait
 * behind those of a busy one. */
static void limit_of_all(void)
{
    static const struct script_step steps[] = {
        {HELLO, SCRIPT_NEXT}, {HELLO, SCRIPT_NEXT}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    script_start(steps);
    client_open((struct rn_http_client_options){.connections_max = 2});
    assert_fetched(fetch_get("http://a/"), 200, "hello");
    assert_fetched(fetch_get("http://b/"), 200, "hello");
    assert_int_equal(bed_client.figures.idle, 2);
    assert_fetched(fetch_get("http://c/"), 200, "hello");
    assert_int_equal(bed_client.figures.opened, 3);
    assert_true(bed_client.figures.connections <= 2);
    finish(3);
}

static bool withheld;

static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    if (withheld) return -EAGAIN;
    *(char *)to = 'x';
    return 1;
}

static void ended_while_waiting(void)
{
    static const struct script_step steps[] = {{HELLO, 0}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    struct fetch *fetches[3];
    script_start(steps);
    client_open((struct rn_http_client_options){.connections_max = 1});
    withheld = true;
    for (unsigned i = 0; i < 3; i++) {
        fetches[i] = fetch_new("PUT", "http://h/");
        fetches[i]->call.body_read = give;
        fetches[i]->call.body_length = 1;
        if (i == 1) fetches[i]->call.deadline = rn_worker_now(net_worker) + 1;
        fetch_start(fetches[i]);
    }
    fetch_wait(fetches[1]);
    assert_int_equal(fetches[1]->call.phase, RN_HTTP_WAITING);
    assert_failed(fetches[1], -ETIMEDOUT);
    withheld = false;
    rn_http_call_more(&fetches[0]->call);
    assert_fetched(fetch_wait(fetches[0]), 200, "hello");
    assert_fetched(fetch_wait(fetches[2]), 200, "hello");
    finish(2);
}

static void idle_time(void)
{
    static const struct script_step steps[] = {{HELLO, SCRIPT_STAY}, {HELLO, SCRIPT_CLOSE},
                                               {NULL, 0}};
    script_start(steps);
    client_open((struct rn_http_client_options){.idle_timeout = 20 * RN_MILLISECOND});
    assert_fetched(fetch_get("http://h/"), 200, "hello");
    assert_int_equal(bed_client.figures.idle, 1);
    while (bed_client.figures.connections) net_turn();
    assert_int_equal(bed_client.figures.expired, 1);
    assert_fetched(fetch_get("http://h/"), 200, "hello");
    finish(2);
}

/* The server closes a connection just when it is used again: nobody notices, where the request may
 * be sent twice. */
static void dead_connections(void)
{
    static const char *const again[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < RN_COUNT(again); i++) {
        bool head = !strcmp(again[i], "HEAD");
        const char *answer = head ? OK "Content-Length: 5\r\n\r\n" : HELLO;
        const struct script_step steps[] = {
            {answer, 0}, {"", i % 2 ? SCRIPT_RESET : SCRIPT_CLOSE}, {answer, SCRIPT_CLOSE},
            {NULL, 0}};
        begin(steps);
        for (unsigned j = 0; j < 2; j++) {
            struct fetch *fetch = fetch_new(again[i], "http://h/");
            fetch_start(fetch);
            assert_fetched(fetch_wait(fetch), 200, head ? "" : "hello");
        }
        assert_int_equal(bed_client.figures.retried, 1);
        assert_int_equal(bed_client.figures.opened, 2);
        assert_int_equal(bed_client.figures.requests, 3);
        finish(3);
    }
}

/* But not a POST; not once anything of an answer has come; and not on a connection that is new. */
static void not_again(void)
{
    static const struct {
        const char *method, *answer;
        int error;
    } cases[] = {{"POST", "", RN_E_CLOSED},
                 {"PATCH", "", RN_E_CLOSED},
                 {"GET", "H", RN_E_CLOSED},
                 {"GET", "HTTP/1.1 100 C\r\n\r\n", RN_E_CLOSED},
                 {"GET", OK "Content-Length: 5\r\n\r\n", RN_E_CLOSED}};
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        const struct script_step steps[] = {{HELLO, 0}, {cases[i].answer, SCRIPT_CLOSE}, {NULL, 0}};
        begin(steps);
        assert_fetched(fetch_get("http://h/"), 200, "hello");
        struct fetch *fetch = fetch_new(cases[i].method, "http://h/");
        fetch_start(fetch);
        assert_failed(fetch_wait(fetch), cases[i].error);
        assert_int_equal(bed_client.figures.retried, 0);
        finish(2);
    }
    static const struct script_step fresh[] = {{HELLO, 0}, {"", SCRIPT_CLOSE}, {"", SCRIPT_CLOSE},
                                               {NULL, 0}};
    begin(fresh);
    assert_fetched(fetch_get("http://h/"), 200, "hello");
    assert_failed(fetch_get("http://h/"), RN_E_CLOSED);
    assert_int_equal(bed_client.figures.retried, 1);
    finish(3);
}

static void closed_while_idle(void)
{
    static const struct script_step steps[] = {{HELLO, SCRIPT_CLOSE}, {HELLO, SCRIPT_CLOSE},
                                               {NULL, 0}};
    begin(steps);
    for (unsigned i = 0; i < 2; i++) {
        assert_fetched(fetch_get("http://h/"), 200, "hello");
        while (bed_client.figures.connections) net_turn();
    }
    assert_int_equal(bed_client.figures.retried, 0);
    finish(2);
}

/* ---- Proxies --------------------------------------------------------------------------------- */

static void proxy(void)
{
    static const struct script_step steps[] = {
        {HELLO, 0}, {HELLO, 0}, {"HTTP/1.1 301 Go\r\nLocation: /c\r\nContent-Length: 0\r\n\r\n", 0},
        {HELLO, SCRIPT_NEXT}, {HELLO, SCRIPT_CLOSE}, {NULL, 0}};
    script_start(steps);
    client_open((struct rn_http_client_options){.proxy = "http://us:er@proxy:3128"});
    assert_fetched(fetch_get("http://a/x?y"), 200, "hello");
    assert_memory_equal(script.requests[0], "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n", 36);
    assert_non_null(strstr(script.requests[0], "\r\nProxy-Authorization: Basic dXM6ZXI=\r\n"));
    assert_fetched(fetch_get("http://u:p@b:81"), 200, "hello");
    assert_memory_equal(script.requests[1], "GET http://b:81/ HTTP/1.1\r\nHost: b:81\r\n", 39);
    assert_non_null(strstr(script.requests[1], "\r\nAuthorization: Basic dTpw\r\n"));
    assert_fetched(fetch_get("http://b/"), 200, "hello");
    assert_memory_equal(script.requests[3], "GET http://b/c HTTP/1.1\r\n", 25);
    assert_int_equal(bed_client.figures.opened, 1);
    struct fetch *fetch = fetch_new("GET", "http://a/");
    fetch->call.no_proxy = true;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_memory_equal(script.requests[4], "GET / HTTP/1.1\r\n", 16);
    assert_null(strstr(script.requests[4], "Proxy"));
    finish(5);
}

static void tunnel(void)
{
    static const struct script_step steps[] = {
        {OK "Content-Length: 7\r\n\r\n", 0}, /* which has no content (RFC 9110, section 9.3.6) */
        {HELLO, 0},
        {HELLO, SCRIPT_NEXT},
        {"HTTP/1.1 100 C\r\n\r\n" OK "\r\n", 0},
        {HELLO, SCRIPT_CLOSE},
        {NULL, 0}};
    const struct rn_http1_header own = {RN_BYTES("Cookie"), RN_BYTES("c")};
    script_start(steps);
    client_open((struct rn_http_client_options){.proxy = "http://u@proxy", .proxy_tunnel = true});
    struct fetch *fetch = fetch_new("GET", "http://a/");
    fetch->call.fields = &own;
    fetch->call.field_count = 1;
    fetch_start(fetch);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_string_equal(script.requests[0],
                        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nUser-Agent: runnel\r\n"
                        "Proxy-Authorization: Basic dTo=\r\n\r\n");
    assert_memory_equal(script.requests[1], "GET / HTTP/1.1\r\nHost: a\r\n", 25);
    assert_null(strstr(script.requests[1], "Proxy"));
    assert_fetched(fetch_get("http://a/"), 200, "hello");
    assert_fetched(fetch_get("http://[::1]:81/"), 200, "hello");
    assert_memory_equal(script.requests[3], "CONNECT [::1]:81 HTTP/1.1\r\nHost: [::1]:81\r\n", 43);
    assert_int_equal(bed_client.figures.opened, 2);
    finish(5);
}

static void bad_tunnels(void)
{
    static const struct {
        struct script_step step;
        int error;
    } cases[] = {
        {{"HTTP/1.1 407 Who\r\nContent-Length: 1\r\n\r\nx", SCRIPT_STAY}, -EACCES},
        {{"HTTP/1.1 302 Go\r\nLocation: http://evil/\r\n\r\n", SCRIPT_STAY}, -EACCES},
        {{OK "\r\nHTTP/1.1 200 OK\r\n\r\n", SCRIPT_STAY}, RN_E_PROTOCOL},
        {{"", SCRIPT_CLOSE}, RN_E_CLOSED},
        {{"x", SCRIPT_CLOSE}, RN_E_PROTOCOL},
        {{OK, SCRIPT_STAY}, -ETIMEDOUT},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        const struct script_step steps[] = {cases[i].step, {NULL, 0}};
        script_start(steps);
        client_open((struct rn_http_client_options){
            .proxy = "http://p", .proxy_tunnel = true,
            .connect_timeout = cases[i].error == -ETIMEDOUT ? 500 * RN_MILLISECOND : 0});
        struct fetch *fetch = fetch_get("http://h/");
        assert_int_equal(fetch->call.phase, RN_HTTP_CONNECTING);
        if (i < 1) assert_int_equal(fetch->call.exchange.response.status, 407);
        assert_failed(fetch, cases[i].error);
        finish(1);
    }
    static const char *const proxies[] = {"proxy", "https://p", "http://", ""};
    for (size_t i = 0; i < RN_COUNT(proxies); i++) {
        struct rn_http_client_options options = {.proxy = proxies[i]};
        assert_int_equal(rn_http_client_init(&bed_client, net_worker, &options), RN_E_MISUSE);
    }
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void closing(void)
{
    static const struct script_step steps[] = {{HELLO, SCRIPT_STAY}, {NULL, 0}};
    begin(steps);
    struct fetch *fetch = fetch_new("GET", "http://h/");
    fetch_start(fetch);
    net_turn_quickly();
    struct rn_future *closed = rn_http_client_close(&bed_client);
    assert_non_null(closed);
    assert_fetched(fetch_wait(fetch), 200, "hello");
    assert_int_equal(bed_client.figures.idle, 0);
    assert_failed(fetch_get("http://h/"), RN_E_MISUSE);
    finish(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(limits),    client_test(limit_of_all),      client_test(ended_while_waiting),
        client_test(idle_time), client_test(dead_connections),  client_test(not_again),
        client_test(proxy),     client_test(closed_while_idle), client_test(tunnel),
        client_test(closing),   client_test(bad_tunnels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
