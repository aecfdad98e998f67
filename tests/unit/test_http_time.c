/*
 * The server's limits of time, of rates and of requests, in virtual time: each is kept, and no
 * sooner than it is due.
 */
#include "http_by_hand.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { LONG = 100000 };
static const rn_ns margin = 3 * RN_MILLISECOND; /* a timer's, either way */

static unsigned closed_code, messages;

/* ---- Handlers -------------------------------------------------------------------------------- */

static void on_any(struct rn_request *request)
{
    assert_int_equal(rn_respond(request, 200, "text/plain", "any\n", 4), 0);
}

static size_t swallow(struct rn_request *request, rn_bytes piece)
{
    if (!piece.len) on_any(request);
    return piece.len;
}

static void on_swallow(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = swallow};
    rn_request_on(request, &callbacks);
}

static void on_long(struct rn_request *request)
{
    static const uint8_t content[LONG];
    rn_respond_slice(request, 200, NULL, rn_bytes_of(content, LONG), NULL);
}

static void on_stuck(struct rn_request *request) /* never answers */
{
    static const struct rn_request_callbacks callbacks = {0};
    rn_request_on(request, &callbacks);
}

static void on_message(struct rn_websocket *socket, const struct rn_ws_event *event) { messages++; }
static void on_closed(struct rn_websocket *socket, uint16_t code) { closed_code = code; }

static const struct rn_websocket_handler news = {.data = on_message, .closed = on_closed};

static const struct rn_http_route routes[] = {
    {.path = "/any", .handler = on_any},     {.path = "/long", .handler = on_long},
    {.path = "/stuck", .handler = on_stuck}, {.path = "/news", .websocket = &news},
    {.path = "/swallow", .handler = on_swallow, .flags = RN_ROUTE_STREAM},
};

/* ---- Steps ----------------------------------------------------------------------------------- */

static void start(struct rn_http_options options)
{
    options.routes = routes;
    options.route_count = RN_COUNT(routes);
    closed_code = messages = 0;
    server_start(options);
}

/* What went out begins with this. */
static void expect_answer(struct wire *wire, const char *head)
{
    wire_take_all(wire);
    wire->sent[wire->sent_len] = 0;
    if (strncmp(wire->sent, head, strlen(head)) != 0) fail_msg("not '%s': %s", head, wire->sent);
    wire->sent_len = 0;
}

/* So long nothing happens, and then something may. */
static void pass_quietly(struct wire *wire, rn_ns time)
{
    hand_pass(time - margin);
    assert_null(wire_send_op(wire));
    assert_null(wire_op(wire, RN_OP_SHUTDOWN));
    assert_null(wire_op(wire, RN_OP_CLOSE));
    hand_pass(2 * margin);
}

/* It says that it has nothing more to say, waits for the peer, and closes. */
static void hang_up(struct wire *wire)
{
    struct rn_op *op = wire_op(wire, RN_OP_SHUTDOWN);
    assert_non_null(op);
    hand_complete(op, 0);
    wire_end(wire);
    wire_close(wire, false);
}

static struct wire join(void)
{
    struct wire wire = server_dial();
    wire_give(&wire, "GET /news HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    expect_answer(&wire, "HTTP/1.1 101 ");
    return wire;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void who_says_nothing_is_closed(void **state)
{
    start((struct rn_http_options){.idle_timeout = 50 * RN_SECOND});
    struct wire wire = server_dial();
    pass_quietly(&wire, 50 * RN_SECOND);
    wire_close(&wire, false);
    wire = server_dial();
    for (unsigned i = 0; i < 3; i++) {
        hand_pass(49 * RN_SECOND);
        wire_give(&wire, GET("/any"));
        expect_answer(&wire, "HTTP/1.1 200 ");
    }
    pass_quietly(&wire, 50 * RN_SECOND);
    wire_close(&wire, false);
    assert_int_equal(server_figures().timeouts, 2);
    server_stop();
}

/* The time for a head isn't begun anew by each piece of it. */
static void a_head_has_its_time(void **state)
{
    start((struct rn_http_options){.header_timeout = 5 * RN_SECOND});
    struct wire wire = server_dial();
    wire_give(&wire, "GET /any HTTP/1.1\r\n");
    for (unsigned i = 0; i < 4; i++) {
        hand_pass(RN_SECOND);
        wire_give(&wire, "A: b\r\n");
    }
    pass_quietly(&wire, RN_SECOND);
    expect_answer(&wire, "HTTP/1.1 408 ");
    hang_up(&wire);
    assert_int_equal(server_figures().timeouts, 1);
    server_stop();
}

/* ---- Bodies, at 100 bytes a second ----------------------------------------------------------- */

enum { RATE = 100, STALL_S = 60 };

static struct wire begin_body(const char *head)
{
    start((struct rn_http_options){.rate_min = RATE, .idle_timeout = STALL_S * RN_SECOND});
    struct wire wire = server_dial();
    wire_give(&wire, head);
    return wire;
}

static void drip(struct wire *wire, size_t len, rn_ns pause, unsigned times)
{
    static const char zeroes[8192];
    while (times--) {
        hand_pass(pause);
        wire_give_bytes(wire, zeroes, len);
    }
}

static void expect_too_slow(struct wire *wire)
{
    expect_answer(wire, "HTTP/1.1 408 ");
    hang_up(wire);
    assert_int_equal(server_figures().timeouts, 1);
    server_stop();
}

static void a_body_at_the_rate_comes_through(void **state)
{
    struct wire wire =
        begin_body("POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 84003\r\n\r\n");
    drip(&wire, RATE, RN_SECOND, 60);
    drip(&wire, 10 * RATE, 10 * RN_SECOND, 60);
    drip(&wire, RATE, RN_SECOND, 60);
    pass_quietly(&wire, (STALL_S - 1) * RN_SECOND); /* what was saved up serves for a stall */
    drip(&wire, 60 * RATE, 0, 1);                   /* and here that is made up for */
    drip(&wire, 30 * RATE, 30 * RN_SECOND, 2);
    wire_give(&wire, "end");
    expect_answer(&wire, "HTTP/1.1 200 ");
    assert_int_equal(server_figures().timeouts, 0);
    wire_end(&wire);
    wire_close(&wire, false);
    server_stop();
}

static void a_body_may_not_stop(void **state)
{
    struct wire wire =
        begin_body("POST /any HTTP/1.1\r\nHost: x\r\nContent-Length: 1002\r\n\r\n");
    wire_give(&wire, "b");
    pass_quietly(&wire, STALL_S * RN_SECOND);
    expect_too_slow(&wire);
}

/* No pause is long, and yet it is too slow: what was saved up is used up at the pace that is
 * missing, so half of the rate lasts twice the time. However fast its beginning was. */
static void a_body_below_the_rate_is_given_up(void **state)
{
    struct wire wire =
        begin_body("POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n");
    drip(&wire, 8000, RN_SECOND, 100);
    drip(&wire, RATE / 2, RN_SECOND, 2 * STALL_S - 1);
    pass_quietly(&wire, 500 * RN_MILLISECOND);
    expect_too_slow(&wire);
}

static void so_is_one_that_is_collected(void **state)
{
    struct wire wire = begin_body("POST /any HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n");
    drip(&wire, 1, RN_SECOND, STALL_S);
    pass_quietly(&wire, STALL_S * RN_SECOND / RATE);
    expect_too_slow(&wire);
}

/* The worker stood still; the byte was there in time. */
static void a_body_that_waited_for_us_is_not_late(void **state)
{
    struct wire wire = begin_body("POST /any HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    drip(&wire, 1, RN_SECOND, 1);
    hand_backend(0)->now += 10 * STALL_S * RN_SECOND;
    wire_give(&wire, "b");
    pass_quietly(&wire, (STALL_S - 1) * RN_SECOND);
    wire_give(&wire, "cd");
    expect_answer(&wire, "HTTP/1.1 200 ");
    wire_end(&wire);
    wire_close(&wire, false);
    server_stop();
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void a_handler_has_all_the_time_it_wants(void **state)
{
    start((struct rn_http_options){0});
    struct wire wire = server_dial();
    wire_give(&wire, GET("/stuck"));
    pass_quietly(&wire, 3600 * RN_SECOND);
    wire_end(&wire);
    pass_quietly(&wire, 3600 * RN_SECOND);
    server_drain();
    hand_pass(10 * RN_SECOND);
    wire_close(&wire, true);
    server_stop();
}

/* An answer that is taken slowly, lent and copied: what was asked behind it is answered all the
 * same, and the idle time begins when the last of it is out. */
static void idle_time_begins_behind_the_answer(void **state)
{
    static const char *const requests[] = {GET("/long") GET("/any"), GET("/long"), GET("/any")};
    start((struct rn_http_options){.idle_timeout = 5 * RN_SECOND, .write_timeout = 60 * RN_SECOND});
    struct wire wire = server_dial();
    for (unsigned i = 0; i < RN_COUNT(requests); i++) {
        wire_give(&wire, requests[i]);
        hand_pass(30 * RN_SECOND); /* the first answer waits for its reader meanwhile */
        struct rn_op *op = wire_send_op(&wire);
        assert_non_null(op);
        hand_complete(op, (int64_t)wire_collect(&wire, op));
        expect_answer(&wire, "HTTP/1.1 200 ");
        hand_pass(4 * RN_SECOND);
    }
    pass_quietly(&wire, RN_SECOND);
    wire_close(&wire, false);
    assert_int_equal(server_figures().requests, 4);
    server_stop();
}

/* A peer that takes nothing. */
static void an_answer_may_not_stop(void **state)
{
    start((struct rn_http_options){.write_timeout = 5 * RN_SECOND});
    struct wire wire = server_dial();
    wire_give(&wire, GET("/long"));
    hand_pass(5 * RN_SECOND - margin);
    assert_non_null(wire_send_op(&wire));
    hand_pass(5 * RN_SECOND + 2 * margin);
    wire_close(&wire, true);
    server_stop();
}

/* Nor may it be taken more slowly than at the rate. */
static void an_answer_is_taken_at_the_rate(void **state)
{
    start((struct rn_http_options){.write_timeout = 10 * RN_SECOND, .rate_min = RATE});
    struct wire wire = server_dial();
    wire_give(&wire, GET("/long"));
    struct rn_op *op = wire_send_op(&wire);
    op->progress = 50000;
    for (unsigned i = 0; i < 20; i++) { /* each time at the last moment */
        hand_pass(10 * RN_SECOND);
        assert_null(wire_op(&wire, RN_OP_CLOSE));
        op->progress += 10 * RATE + 1;
    }
    hand_pass(10 * RN_SECOND);
    op->progress += 10 * RATE;
    hand_pass(10 * RN_SECOND);
    wire_close(&wire, true);
    server_stop();
}

/* ---- How many requests ----------------------------------------------------------------------- */

/* The answer says that it is the last, and isn't lost to a reset, though more requests come. */
static void the_last_request_closes(void **state)
{
    start((struct rn_http_options){.connection_requests_max = 3});
    struct wire wire = server_dial();
    wire_give(&wire, GET("/any") GET("/any"));
    wire_collect(&wire, wire_send_op(&wire));
    assert_null(memmem(wire.sent, wire.sent_len, "Connection:", 11));
    wire.sent_len = 0;
    expect_answer(&wire, "HTTP/1.1 200 ");
    wire_give(&wire, GET("/any") GET("/any"));
    wire_collect(&wire, wire_send_op(&wire));
    assert_non_null(memmem(wire.sent, wire.sent_len, "\r\nConnection: close\r\n", 21));
    wire.sent_len = 0;
    expect_answer(&wire, "HTTP/1.1 200 ");
    assert_int_equal(server_figures().requests, 3);
    wire_give(&wire, GET("/any"));
    hang_up(&wire);
    assert_int_equal(server_figures().requests, 3);
    server_stop();
}

static void it_may_have_a_body(void **state)
{
    start((struct rn_http_options){.connection_requests_max = 1});
    struct wire wire = server_dial();
    wire_give(&wire, "POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    assert_null(wire_send_op(&wire));
    wire_give(&wire, "cde");
    expect_answer(&wire, "HTTP/1.1 200 ");
    hang_up(&wire);
    server_stop();
}

/* An upgrade is a request, and what comes of it may stay. */
static void an_upgrade_may_be_the_last(void **state)
{
    start((struct rn_http_options){.connection_requests_max = 1});
    struct wire wire = join();
    wire_give(&wire, "\x82\x81____x");
    assert_int_equal(messages, 1);
    wire_end(&wire);
    wire_close(&wire, false);
    server_stop();
}

/* ---- The server's end ------------------------------------------------------------------------ */

/* Neither a request without an answer nor half of one holds it up for longer than it may; who has
 * asked for nothing has a moment, since a request may be on its way. */
static void draining_has_its_time(void **state)
{
    start((struct rn_http_options){.drain_timeout = 5 * RN_SECOND});
    struct wire stuck = server_dial(), half = server_dial(), idle = server_dial();
    struct wire late = server_dial();
    wire_give(&stuck, GET("/stuck"));
    wire_give(&half, "GET / HTTP/1.1\r\nHo");
    wire_give(&idle, GET("/any"));
    expect_answer(&idle, "HTTP/1.1 200 ");
    server_drain();
    hand_pass(200 * RN_MILLISECOND);
    wire_give(&late, GET("/any"));
    expect_answer(&late, "HTTP/1.1 200 ");
    hang_up(&late);
    pass_quietly(&idle, 50 * RN_MILLISECOND);
    wire_close(&idle, false);
    pass_quietly(&stuck, 4750 * RN_MILLISECOND);
    wire_close(&stuck, true);
    wire_close(&half, true);
    server_stop();
}

static void a_websocket_is_told_to_go(void **state)
{
    start((struct rn_http_options){.drain_timeout = 10 * RN_SECOND});
    struct wire polite = join(), stuck = join();
    server_drain();
    expect_answer(&polite, "\x88\x14\x03\xe9server is stopping");
    wire_give(&polite, "\x88\x80____");
    assert_int_equal(closed_code, 1005);
    hang_up(&polite);
    expect_answer(&stuck, "\x88\x14\x03\xe9server is stopping");
    pass_quietly(&stuck, 2 * RN_SECOND); /* for its answer */
    wire_close(&stuck, false);
    assert_int_equal(closed_code, 1006);
    server_stop();
}

/* ---- Signs of life --------------------------------------------------------------------------- */

static const rn_ns interval = 30 * RN_SECOND;

/* A peer that answers stays; one that is silent is closed. */
static void pings_want_answers(void **state)
{
    start((struct rn_http_options){.ping_interval = interval});
    struct wire alive = join();
    for (unsigned i = 0; i < 3; i++) {
        pass_quietly(&alive, interval);
        expect_answer(&alive, "\x89");
        hand_pass(interval - margin);
        wire_give(&alive, "\x8a\x80____");
    }
    assert_int_equal(server_figures().timeouts, 0);
    pass_quietly(&alive, interval);
    expect_answer(&alive, "\x89");
    pass_quietly(&alive, interval);
    wire_close(&alive, false);
    assert_int_equal(closed_code, 1006);
    assert_int_equal(server_figures().timeouts, 1);
    server_stop();
}

/* Half of a frame's head, and then nothing: it isn't taken for new after each ping. */
static void half_a_head_is_no_sign_of_life(void **state)
{
    start((struct rn_http_options){.ping_interval = interval});
    struct wire wire = join();
    wire_give(&wire, "\x82\xfe");
    pass_quietly(&wire, interval);
    expect_answer(&wire, "\x89");
    pass_quietly(&wire, interval);
    hang_up(&wire);
    assert_int_equal(server_figures().timeouts, 1);
    assert_int_equal(messages, 0);
    server_stop();
}

/* A message is as good as an answer. */
static void messages_are_signs_of_life(void **state)
{
    start((struct rn_http_options){.ping_interval = interval});
    struct wire wire = join();
    for (unsigned i = 0; i < 5; i++) {
        pass_quietly(&wire, interval * 2 / 3);
        wire_give(&wire, "\x82\x81____x");
    }
    assert_int_equal(messages, 5);
    wire_end(&wire);
    wire_close(&wire, false);
    assert_int_equal(server_figures().timeouts, 0);
    server_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_nothing_is_closed),
        cmocka_unit_test(a_head_has_its_time),
        cmocka_unit_test(a_body_at_the_rate_comes_through),
        cmocka_unit_test(a_body_may_not_stop),
        cmocka_unit_test(a_body_below_the_rate_is_given_up),
        cmocka_unit_test(so_is_one_that_is_collected),
        cmocka_unit_test(a_body_that_waited_for_us_is_not_late),
        cmocka_unit_test(a_handler_has_all_the_time_it_wants),
        cmocka_unit_test(idle_time_begins_behind_the_answer),
        cmocka_unit_test(an_answer_may_not_stop),
        cmocka_unit_test(an_answer_is_taken_at_the_rate),
        cmocka_unit_test(the_last_request_closes),
        cmocka_unit_test(it_may_have_a_body),
        cmocka_unit_test(an_upgrade_may_be_the_last),
        cmocka_unit_test(draining_has_its_time),
        cmocka_unit_test(a_websocket_is_told_to_go),
        cmocka_unit_test(pings_want_answers),
        cmocka_unit_test(half_a_head_is_no_sign_of_life),
        cmocka_unit_test(messages_are_signs_of_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
