/*
 * The client against the server, on each backend: content both ways at once, many calls at a time,
 * connections that are kept.
 */
#include "both_bed.h"

enum { LENGTH = 1 << 20 };

static size_t echo_piece(struct rn_request *request, rn_bytes piece)
{
    if (piece.ptr) return rn_response_write(request, piece.ptr, piece.len);
    rn_response_end(request);
    return 0;
}

static void on_echo(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = echo_piece};
    rn_request_on(request, &callbacks);
    rn_response_start(request, 200);
    rn_response_head(request, NULL, rn_request_content_length(request));
}

static void on_small(struct rn_request *request)
{
    int ignored = rn_respond(request, 200, "text/plain", "hello", 5);
    (void)ignored;
}

static void on_empty(struct rn_request *request)
{
    int ignored = rn_respond(request, 204, NULL, NULL, 0);
    (void)ignored;
}

static const struct rn_http_route routes[] = {
    {"PUT", "/echo", on_echo, NULL, NULL, RN_ROUTE_STREAM},
    {"GET", "/small", on_small, NULL, NULL, 0},
    {"GET", "/empty", on_empty, NULL, NULL, 0},
};

static rn_ssize give_made(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    if (cap > LENGTH - at) cap = (size_t)(LENGTH - at);
    fill_made(to, at, cap);
    return (rn_ssize)cap;
}

static void content_both_ways(void **state)
{
    struct fetch *fetches[6];
    open_both(routes);
    for (unsigned i = 0; i < RN_COUNT(fetches); i++) {
        fetches[i] = fetch_new("PUT", "http://h/echo");
        fetches[i]->call.body_read = give_made;
        fetches[i]->call.body_length = i % 2 ? RN_HTTP_LENGTH_UNKNOWN : LENGTH;
        fetches[i]->call.expect_continue = i % 3 == 0;
        fetch_start(fetches[i]);
    }
    for (unsigned i = 0; i < RN_COUNT(fetches); i++) {
        struct fetch *fetch = fetch_wait(fetches[i]);
        assert_int_equal(fetch->result, 0);
        assert_int_equal(fetch->status, 200);
        assert_int_equal(fetch->len, LENGTH);
        for (size_t at = 0; at < LENGTH; at++)
            if (fetch->content[at] != made_byte(at)) fail_msg("other content at %zu", at);
        fetch_free(fetch);
    }
    close_both();
}

static void kept_connections(void **state)
{
    open_both(routes);
    for (unsigned i = 0; i < 50; i++) {
        assert_fetched(fetch_get("http://h/small"), 200, "hello");
        assert_fetched(fetch_get("http://h/empty"), 204, "");
    }
    assert_int_equal(bed_client.figures.opened, 1);
    assert_int_equal(bed_client.figures.reused, 99);
    close_both();
}

/* More calls than connections: all are answered, over few. */
static void many_calls(void **state)
{
    enum { CALLS = 48 };
    static struct fetch *fetches[CALLS];
    open_both(routes);
    for (unsigned i = 0; i < CALLS; i++) {
        fetches[i] = fetch_new(i % 3 ? "GET" : "HEAD", "http://h/small");
        fetch_start(fetches[i]);
    }
    for (unsigned i = 0; i < CALLS; i++)
        assert_fetched(fetch_wait(fetches[i]), 200, i % 3 ? "hello" : "");
    assert_int_equal(bed_client.figures.opened, 6);
    assert_int_equal(bed_client.figures.reused, CALLS - 6);
    close_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_each(content_both_ways),
        on_each(kept_connections),
        on_each(many_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
