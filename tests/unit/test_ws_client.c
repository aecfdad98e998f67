/*
 * The WebSocket client: against the server, and against one that breaks the rules.
 */
#include "both_bed.h"

#include <runnel/concurrency.h>
#include <runnel/ws_client.h>

/* What a task does once it is connected: sends, receives until so many messages came or the end,
 * closes. */
struct talk {
    struct rn_task task;
    rn_co co;
    struct rn_ws_client ws;
    const char *url;
    const char *say;
    size_t say_len;
    unsigned messages; /* to be awaited */
    unsigned came;
    uint8_t *text;
    size_t len, cap;
    int connect_result, send_result, receive_result;
    unsigned code;
    bool over;
};

static enum rn_poll talk_run(struct rn_task *task, struct rn_cx *cx)
{
    struct talk *talk = rn_container_of(task, struct talk, task);
    struct rn_ws_client *ws = &talk->ws;
    RN_BEGIN(&talk->co);
    rn_ws_client_connect(ws, cx, rn_bytes_of(talk->url, strlen(talk->url)));
    RN_AWAIT(&talk->co, &ws->connected, cx);
    talk->connect_result = ws->connect_result;
    if (ws->connect_result == 0 && talk->say) {
        rn_ws_client_send(ws, RN_WS_TEXT, talk->say, talk->say_len);
        RN_AWAIT(&talk->co, &ws->sent, cx);
        talk->send_result = ws->send_result;
    }
    while (ws->connect_result == 0 && talk->came < talk->messages) {
        RN_AWAIT(&talk->co, &ws->received, cx);
        talk->receive_result = ws->receive_result;
        talk->code = ws->event.code;
        if (ws->receive_result || ws->event.kind != RN_WS_EVENT_DATA) break;
        if (talk->len + ws->event.data.len >= talk->cap) {
            talk->cap = 2 * (talk->len + ws->event.data.len) + 1;
            talk->text = realloc(talk->text, talk->cap);
        }
        memcpy(talk->text + talk->len, ws->event.data.ptr, ws->event.data.len);
        talk->len += ws->event.data.len;
        talk->text[talk->len] = 0;
        talk->came += ws->event.last;
    }
    rn_ws_client_close(ws, cx, RN_WS_NORMAL, RN_BYTES("done"));
    RN_AWAIT(&talk->co, &ws->closed, cx);
    talk->over = true;
    RN_END(&talk->co);
}

static struct talk *talk_new(const char *url, const char *say, unsigned messages)
{
    struct talk *talk = calloc(1, sizeof *talk);
    talk->task.poll = talk_run;
    talk->ws.http = &bed_client;
    talk->url = url;
    talk->say = say;
    talk->say_len = say ? strlen(say) : 0;
    talk->messages = messages;
    return talk;
}

static struct talk *talk_through(struct talk *talk)
{
    assert_int_equal(rn_spawn(net_worker, &talk->task), 0);
    net_until(&talk->over);
    return talk;
}

static void talk_free(struct talk *talk)
{
    free(talk->text);
    free(talk);
}

/* ---- With the server ------------------------------------------------------------------------- */

static unsigned closed_normally;

static void echo(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    int ignored = rn_websocket_send(socket, event->opcode, event->first, event->last,
                                    event->data.ptr, event->data.len);
    assert_int_equal(ignored, 0);
}

static void closed(struct rn_websocket *socket, uint16_t code)
{
    if (code == RN_WS_NORMAL) note(&closed_normally);
}

static const char *const protocols[] = {"chat", NULL};
static const struct rn_ws_policy policy = {.judge = rn_ws_policy_lists, .subprotocols = protocols};
static const struct rn_websocket_handler handler = {.policy = &policy, .data = echo,
                                                    .closed = closed, .message_max = 4 << 20};

static void on_plain(struct rn_request *request)
{
    int ignored = rn_respond(request, 404, "text/plain", "no", 2);
    (void)ignored;
}

static const struct rn_http_route routes[] = {
    {.path = "/echo", .websocket = &handler},
    {"GET", "/*", on_plain, NULL, NULL, 0},
};

static void echoes(void **state)
{
    enum { LARGE = 150000 }; /* what the sockets hold, as nobody receives while he sends */
    static const size_t lengths[] = {0, 1, 125, 126, 4082, 4083, 65535, 65536, LARGE};
    const struct rn_http1_header offer = {RN_BYTES("Sec-WebSocket-Protocol"), RN_BYTES("x, chat")};
    char *say = calloc(1, LARGE + 1);
    for (size_t i = 0; i < LARGE; i++) say[i] = (char)('a' + i * 7 % 25);
    open_both(routes);
    closed_normally = 0;
    for (size_t i = 0; i < RN_COUNT(lengths); i++) {
        struct talk *talk = talk_new("ws://h/echo", say, 1);
        talk->say_len = lengths[i];
        talk->ws.message_max = LARGE;
        talk->ws.fields = &offer;
        talk->ws.field_count = i % 2;
        talk_through(talk);
        assert_int_equal(talk->connect_result, 0);
        assert_int_equal(talk->send_result, 0);
        assert_int_equal(talk->receive_result, 0);
        assert_int_equal(talk->len, lengths[i]);
        if (talk->len) assert_memory_equal(talk->text, say, talk->len);
        talk_free(talk);
    }
    eventually(seen(&closed_normally) == RN_COUNT(lengths));
    free(say);
    close_both();
}

static void not_a_websocket(void **state)
{
    open_both(routes);
    struct talk *talk = talk_through(talk_new("ws://h/other", "x", 1));
    assert_int_equal(talk->connect_result, -EACCES);
    assert_int_equal(talk->ws.call.exchange.response.status, 404);
    talk_free(talk);
    static const char *const urls[] = {"http://h/", "", "w", "ws", "ws:/h", "ws://", "ws://h:0/"};
    for (size_t i = 0; i < RN_COUNT(urls); i++) {
        talk = talk_through(talk_new(urls[i], NULL, 0));
        assert_true(talk->connect_result == RN_E_MISUSE ||
                    talk->connect_result == RN_E_UNSUPPORTED);
        talk_free(talk);
    }
    talk = talk_through(talk_new("wss://h/", NULL, 0));
    assert_int_equal(talk->connect_result, RN_E_UNSUPPORTED);
    talk_free(talk);
    close_both();
}

/* ---- With a script --------------------------------------------------------------------------- */

#define SWITCH "HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: @KEY@\r\n"

static void bad_handshakes(void)
{
    static const struct {
        const char *answer;
        int error;
    } cases[] = {
        {SWITCH "\r\n", RN_E_PROTOCOL},
        {SWITCH "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", RN_E_PROTOCOL},
        {"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: upgrade\r\n" ACCEPT "\r\n", RN_E_PROTOCOL},
        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n" ACCEPT "\r\n", RN_E_PROTOCOL},
        {SWITCH ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", RN_E_PROTOCOL},
        {SWITCH ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", RN_E_PROTOCOL},
        {OK "Content-Length: 0\r\n\r\n", -EACCES},
        {"HTTP/1.1 426 U\r\nContent-Length: 0\r\n\r\n", -EACCES},
        {"", RN_E_CLOSED},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        const struct script_step steps[] = {{cases[i].answer, SCRIPT_CLOSE}, {NULL, 0}};
        begin(steps);
        struct talk *talk = talk_through(talk_new("ws://h/", "x", 1));
        if (talk->connect_result != cases[i].error)
            fail_msg("%s: %s", cases[i].answer, rn_error_name(talk->connect_result));
        talk_free(talk);
        finish(1);
    }
}

static void conversations(void)
{
    static const struct {
        const char *answer, *text;
        int result;
        unsigned code, flags;
    } cases[] = {
        {"\x81\x05hello\x81\x02yo", "helloyo", 0, 0, SCRIPT_CUT}, /* and no goodbye */
        {"\x01\x02he\x89\x03pin\x80\x03llo\x8a@NUL@\x81\x02yo\x88@NUL@", "helloyo", 0, 0,
         SCRIPT_CUT},
        {"\x81\x02hi\x88\x02\x03\xe8", "hi", 0, 1000, 0},
        {"\x88@NUL@", "", 0, 1005, 0},
        {"\x81\x02hi", "hi", RN_E_CLOSED, 0, SCRIPT_CLOSE},
        {"\x81\x82" "abcdhi", "", RN_E_PROTOCOL, 1002, 0},
        {"\x83\x02hi", "", RN_E_PROTOCOL, 1002, 0},
        {"\x81\x02\xc3(", "\xc3", RN_E_PROTOCOL, 1007, 0},
        {"\x82\x7f@NUL@@NUL@@NUL@@NUL@\x01@NUL@@NUL@@NUL@", "", RN_E_PROTOCOL, 1009, 0},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        char said[512];
        snprintf(said, sizeof said, SWITCH ACCEPT "\r\n%s", cases[i].answer);
        const struct script_step steps[] = {
            {said, cases[i].flags | (cases[i].flags & SCRIPT_CLOSE ? 0 : SCRIPT_STAY)},
            {NULL, 0}};
        begin(steps);
        struct talk *talk = talk_through(talk_new("ws://h/", NULL, 2));
        assert_int_equal(talk->connect_result, 0);
        if (talk->receive_result != cases[i].result)
            fail_msg("case %zu: %s", i, rn_error_name(talk->receive_result));
        if (cases[i].code) assert_int_equal(talk->code, cases[i].code);
        assert_string_equal(talk->text ? (const char *)talk->text : "", cases[i].text);
        talk_free(talk);
        finish(1);
    }
}

/* A receive that is given up while the answer to the server's goodbye waits for a message of ours
 * to be sent: the goodbye isn't forgotten. */
struct late {
    struct rn_task task;
    rn_co co;
    struct rn_ws_client ws;
    struct rn_timeout timeout;
    bool over;
};

static enum rn_poll late_run(struct rn_task *task, struct rn_cx *cx)
{
    struct late *late = rn_container_of(task, struct late, task);
    struct rn_ws_client *ws = &late->ws;
    RN_BEGIN(&late->co);
    rn_ws_client_connect(ws, cx, RN_BYTES("ws://h/"));
    RN_AWAIT(&late->co, &ws->connected, cx);
    assert_int_equal(ws->connect_result, 0);
    rn_ws_client_send(ws, RN_WS_TEXT, "late", 4);
    do {
        rn_timeout(&late->timeout, cx, rn_awaitable_of(&ws->received), 20 * RN_MILLISECOND);
        RN_AWAIT(&late->co, &late->timeout.future, cx);
        assert_int_equal(late->timeout.result, -RN_K_ETIMEDOUT);
        assert_int_equal(ws->receive_result, -RN_K_ECANCELED);
    } while (ws->event.kind != RN_WS_EVENT_CLOSE);
    RN_AWAIT(&late->co, &ws->sent, cx);
    assert_int_equal(ws->send_result, 0);
    RN_AWAIT(&late->co, &ws->received, cx);
    assert_int_equal(ws->receive_result, 0);
    assert_int_equal(ws->event.kind, RN_WS_EVENT_CLOSE);
    assert_int_equal(ws->event.code, 1000);
    rn_ws_client_close(ws, cx, RN_WS_NORMAL, RN_BYTES(""));
    RN_AWAIT(&late->co, &ws->closed, cx);
    late->over = true;
    RN_END(&late->co);
}

static void a_goodbye_that_was_given_up(void)
{
    static struct late late;
    const struct script_step steps[] = {
        {SWITCH ACCEPT "\r\n\x88\x02\x03\xe8", SCRIPT_STAY}, {NULL, 0}};
    begin(steps);
    late = (struct late){.task.poll = late_run, .ws.http = &bed_client};
    assert_int_equal(rn_spawn(net_worker, &late.task), 0);
    net_until(&late.over);
    finish(1);
}

/* A task that is cancelled comes to a send: nothing of it goes out, and the connection stays. */
struct giving_up {
    struct rn_task task;
    rn_co co;
    struct rn_ws_client ws;
    bool over;
};

static enum rn_poll giving_up_run(struct rn_task *task, struct rn_cx *cx)
{
    struct giving_up *up = rn_container_of(task, struct giving_up, task);
    struct rn_cx cancelled = *cx;
    cancelled.cancelled = true;
    RN_BEGIN(&up->co);
    rn_ws_client_connect(&up->ws, cx, RN_BYTES("ws://h/"));
    RN_AWAIT(&up->co, &up->ws.connected, cx);
    rn_ws_client_send(&up->ws, RN_WS_TEXT, "no", 2);
    assert_int_equal(rn_future_poll(&up->ws.sent, &cancelled), RN_READY);
    assert_int_equal(up->ws.send_result, -RN_K_ECANCELED);
    rn_ws_client_send(&up->ws, RN_WS_TEXT, "yes", 3);
    RN_AWAIT(&up->co, &up->ws.sent, cx);
    assert_int_equal(up->ws.send_result, 0);
    rn_ws_client_close(&up->ws, cx, RN_WS_NORMAL, RN_BYTES(""));
    RN_AWAIT(&up->co, &up->ws.closed, cx);
    up->over = true;
    RN_END(&up->co);
}

static void a_send_that_is_given_up_at_once(void)
{
    static struct giving_up up;
    const struct script_step steps[] = {
        {SWITCH ACCEPT "\r\n\x88\x02\x03\xe8", SCRIPT_STAY}, {NULL, 0}};
    begin(steps);
    up = (struct giving_up){.task.poll = giving_up_run, .ws.http = &bed_client};
    assert_int_equal(rn_spawn(net_worker, &up.task), 0);
    net_until(&up.over);
    finish(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_each(echoes),
        on_each(not_a_websocket),
        client_test(bad_handshakes),
        client_test(conversations),
        client_test(a_goodbye_that_was_given_up),
        client_test(a_send_that_is_given_up_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
