/*
 * WebSocket routes: their callbacks, sending from outside, closing.
 */
#include "http_bed.h"

/* ---- Handlers -------------------------------------------------------------------------------- */

enum { SOCKETS = 16 };

static struct {
    unsigned opened, closed, code, writable, broken;
} told;

/* The worker's: those that are open. */
static struct rn_websocket *sockets[SOCKETS];
static char news[64];

static void opened(struct rn_websocket *socket)
{
    unsigned i = 0;
    while (sockets[i]) i++;
    assert_true(i < SOCKETS);
    sockets[i] = socket;
    assert_ptr_equal(*rn_websocket_user(socket), NULL);
    *rn_websocket_user(socket) = &sockets[i];
    note(&told.opened);
}

static void closed(struct rn_websocket *socket, uint16_t code)
{
    struct rn_websocket **place = *rn_websocket_user(socket);
    assert_ptr_equal(*place, socket); /* once */
    *place = NULL;
    __atomic_store_n(&told.code, code, __ATOMIC_RELEASE);
    note(&told.closed);
    assert_true(rn_websocket_send(socket, RN_WS_TEXT, true, true, "x", 1) < 0);
}

static void kick_all(void)
{
    for (unsigned i = 0; i < SOCKETS; i++)
        if (sockets[i]) rn_websocket_kick(sockets[i]);
}

static void echo(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    assert_int_equal(rn_websocket_send(socket, event->opcode, event->first, event->last,
                                       event->data.ptr, event->data.len), 0);
}

static void greet(struct rn_websocket *socket)
{
    opened(socket);
    assert_int_equal(rn_websocket_send(socket, RN_WS_TEXT, true, true, "hello", 5), 0);
}

/* What one says, all hear. */
static void tell_all(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    if (event->first) news[0] = 0;
    strncat(news, (const char *)event->data.ptr, event->data.len);
    if (event->last) kick_all();
}

static void send_news(struct rn_websocket *socket)
{
    note(&told.writable);
    assert_int_equal(rn_websocket_send(socket, RN_WS_TEXT, true, true, news, strlen(news)), 0);
}

/* Sends a million bytes in frames of 1,000, as far as there is room for them each time. */
static uint64_t flooded;

static void flood_more(struct rn_websocket *socket)
{
    uint8_t frame[1000];
    note(&told.writable);
    while (flooded < 1000000) {
        fill_made(frame, flooded, sizeof frame);
        int result = rn_websocket_send(socket, RN_WS_BINARY, flooded == 0, flooded == 999000,
                                       frame, sizeof frame);
        if (result == -ENOBUFS) return;
        assert_int_equal(result, 0);
        flooded += sizeof frame;
    }
}

static void flood(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    flooded = 0;
    flood_more(socket);
}

static void close_as_told(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    char code[5] = "";
    assert_int_equal(event->data.len, 4);
    memcpy(code, event->data.ptr, 4);
    rn_websocket_close(socket, (uint16_t)atoi(code), RN_BYTES("as you wish"));
    assert_true(rn_websocket_send(socket, RN_WS_TEXT, true, true, "x", 1) < 0);
}

static const char *const origins[] = {"https://example.com", NULL};
static const char *const subprotocols[] = {"two", "one", NULL};

static const struct rn_websocket_handler echo_handler = {.opened = greet, .data = echo,
                                                         .closed = closed};
static const struct rn_websocket_handler short_handler = {.message_max = 1000, .opened = opened,
                                                          .data = echo, .closed = closed};
static const struct rn_websocket_handler news_handler = {.opened = opened, .data = tell_all,
                                                         .writable = send_news, .closed = closed};
static const struct rn_websocket_handler flood_handler = {.opened = opened, .data = flood,
                                                          .writable = flood_more, .closed = closed};
static const struct rn_websocket_handler close_handler = {.opened = opened, .data = close_as_told,
                                                          .closed = closed};
static const struct rn_ws_policy picky = {rn_ws_policy_lists, origins, subprotocols};
static const struct rn_websocket_handler picky_handler = {.policy = &picky, .data = echo};

static void done(struct rn_request *request)
{
    assert_int_equal(rn_respond(request, 200, NULL, "done", 4), 0);
}

/* From outside of the sockets' callbacks. */
static void on_push(struct rn_request *request)
{
    rn_bytes text = rn_request_query(request);
    snprintf(news, sizeof news, "%.*s", (int)text.len, (const char *)text.ptr);
    for (unsigned i = 0; i < SOCKETS; i++)
        if (sockets[i] && rn_websocket_send(sockets[i], RN_WS_TEXT, true, true, news,
                                            strlen(news)) != -ENOBUFS)
            note(&told.broken);
    kick_all();
    kick_all(); /* as one */
    done(request);
}

static void on_dismiss(struct rn_request *request)
{
    for (unsigned i = 0; i < SOCKETS; i++)
        if (sockets[i]) rn_websocket_close(sockets[i], 4001, RN_BYTES("dismissed"));
    done(request);
}

static const struct rn_http_route routes[] = {
    {.path = "/echo", .websocket = &echo_handler},
    {.path = "/short", .websocket = &short_handler},
    {.path = "/news", .websocket = &news_handler},
    {.path = "/flood", .websocket = &flood_handler},
    {.path = "/close", .websocket = &close_handler},
    {.path = "/picky", .websocket = &picky_handler},
    {.path = "/push", .handler = on_push},
    {.path = "/dismiss", .handler = on_dismiss},
};

static void start(void)
{
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    memset(&told, 0, sizeof told);
    memset(sockets, 0, sizeof sockets);
    bed_start_with(&options);
}

/* ---- The client ------------------------------------------------------------------------------ */

#define UPGRADE                                                                                    \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int upgrade(const char *path, const char *fields)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n" UPGRADE "%s\r\n", path,
             fields);
    int fd = dial_and_send(request);
    read_answer_head(fd);
    return fd;
}

static int join(const char *path)
{
    int fd = upgrade(path, "");
    assert_int_equal(answer.status, 101);
    assert_field("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    return fd;
}

static void send_frame(int fd, unsigned first_byte, const void *data, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *frame = malloc(len + RN_WS_HEADER_MAX);
    size_t head = rn_ws_header(frame, first_byte & 0x80, first_byte & 15, len, mask);
    memcpy(frame + head, data, len);
    rn_ws_mask(frame + head, len, mask, 0);
    send_bytes(fd, frame, head + len);
    free(frame);
}

enum { TEXT = 0x81, BINARY = 0x82, CLOSE = 0x88, PING = 0x89, PONG = 0x8a };

/* A frame, added to the last answer; returns its first byte. */
static unsigned add_frame(int fd)
{
    uint8_t head[2], extended[8];
    read_exactly(fd, head, 2);
    uint64_t len = head[1];
    if (len >= 126) {
        size_t count = len == 126 ? 2 : 8;
        read_exactly(fd, extended, count);
        len = 0;
        for (size_t i = 0; i < count; i++) len = len << 8 | extended[i];
    }
    read_body(fd, len);
    return head[0];
}

static unsigned read_frame(int fd)
{
    answer.len = 0;
    return add_frame(fd);
}

/* All frames of the next message, in one. */
static unsigned read_message(int fd)
{
    unsigned kind, opcode = 0;
    answer.len = 0;
    do {
        kind = add_frame(fd);
        opcode |= kind & 15;
    } while (!(kind & 0x80));
    return opcode;
}

static void expect_frame(int fd, unsigned first_byte, const char *text)
{
    assert_int_equal(read_frame(fd), first_byte);
    assert_body(text, strlen(text));
}

/* The server's close frame, and the end. */
static void expect_close(int fd, unsigned code, const char *reason, bool reply)
{
    assert_int_equal(read_frame(fd), CLOSE);
    assert_true(answer.len >= 2);
    assert_int_equal(answer.body[0] << 8 | answer.body[1], code);
    assert_string_equal((char *)answer.body + 2, reason);
    if (reply) send_frame(fd, CLOSE, answer.body, answer.len);
    assert_closed(fd);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static uint8_t big[1048577 + RN_WS_HEADER_MAX];

static void test_echo(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 16384, 1048576};
    start();
    int fd = join("/echo");
    expect_frame(fd, TEXT, "hello");
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        uint8_t mask[4] = {1, 2, 3, 4};
        struct sender sender;
        size_t head = rn_ws_header(big, true, RN_WS_BINARY, sizes[i], mask);
        fill_made(big + head, 0, sizes[i]);
        rn_ws_mask(big + head, sizes[i], mask, 0);
        sender_start(&sender, fd, big, head + sizes[i]);
        assert_int_equal(read_message(fd), RN_WS_BINARY);
        assert_made(sizes[i]);
        sender_join(&sender);
    }
    send_frame(fd, PING, "beat", 4);
    expect_frame(fd, PONG, "beat");
    send_frame(fd, 0x01, "fra", 3);
    send_frame(fd, PING, "", 0);
    send_frame(fd, 0x80, "gments", 6);
    expect_frame(fd, 0x01, "fra");
    expect_frame(fd, PONG, "");
    expect_frame(fd, 0x80, "gments");
    struct rn_http_figures figures = bed_figures();
    assert_int_equal(figures.websockets, 1);
    assert_int_equal(figures.messages, RN_COUNT(sizes) + 1);
    assert_int_equal(figures.requests, 1);
    send_frame(fd, CLOSE, "\x0f\xa0" "bye", 5);
    expect_close(fd, 4000, "", false);
    eventually(seen(&told.closed) == 1);
    assert_int_equal(told.code, 4000);
    bed_stop();
    assert_int_equal(told.closed, 1);
}

/* The first frames come in the same packet as the handshake. */
static void test_eager_client(void **state)
{
    uint8_t packet[512];
    start();
    size_t len = (size_t)sprintf((char *)packet,
                                 "GET /echo HTTP/1.1\r\nHost: x\r\n" UPGRADE "\r\n");
    for (int i = 0; i < 3; i++) {
        memcpy(packet + len, "\x81\x82\0\0\0\0ab", 8);
        len += 8;
    }
    int fd = dial();
    send_bytes(fd, packet, len);
    read_answer_head(fd);
    assert_int_equal(answer.status, 101);
    expect_frame(fd, TEXT, "hello");
    for (int i = 0; i < 3; i++) expect_frame(fd, TEXT, "ab");
    close(fd);
    bed_stop();
    assert_int_equal(told.closed, 1);
    assert_int_equal(told.code, 1006);
}

static void test_broadcast(void **state)
{
    int fds[10];
    char text[32];
    start();
    for (unsigned i = 0; i < RN_COUNT(fds); i++) fds[i] = join("/news");
    for (unsigned round = 0; round < RN_COUNT(fds); round++) {
        sprintf(text, "news %u", round);
        if (round & 1) {
            send_frame(fds[round], TEXT, text, strlen(text));
        } else {
            sprintf(text, "/push?from-%u", round);
            assert_int_equal(ask("GET", text, NULL), 200);
            memmove(text, text + 6, sizeof text - 6);
        }
        for (unsigned i = 0; i < RN_COUNT(fds); i++) expect_frame(fds[i], TEXT, text);
    }
    assert_int_equal(told.broken, 0);
    assert_int_equal(told.writable, RN_COUNT(fds) * RN_COUNT(fds)); /* two kicks are one */
    hang_up(fds[0]); /* one that is gone is no harm to the others */
    close(fds[1]);
    assert_int_equal(ask("GET", "/push?rest", NULL), 200);
    for (unsigned i = 2; i < RN_COUNT(fds); i++) expect_frame(fds[i], TEXT, "rest");
    for (unsigned i = 2; i < RN_COUNT(fds); i++) close(fds[i]);
    bed_stop();
    assert_int_equal(told.closed, RN_COUNT(fds));
}

static void test_flood(void **state)
{
    start();
    int fd = join("/flood"), other = join("/news");
    for (int i = 0; i < 2; i++) {
        send_frame(fd, TEXT, "go", 2);
        eventually(seen(&told.writable) > 0);
        assert_int_equal(ask("GET", "/push?meanwhile", NULL), 200);
        expect_frame(other, TEXT, "meanwhile");
        assert_int_equal(read_message(fd), RN_WS_BINARY);
        assert_made(1000000);
    }
    send_frame(fd, TEXT, "go", 2);
    assert_int_equal(read_frame(fd), 0x02);
    hang_up(fd); /* in the middle */
    eventually(seen(&told.closed) == 1);
    close(other);
    bed_stop();
}

static void test_message_max(void **state)
{
    start();
    fill_made(big, 0, 1001);
    int fd = join("/short");
    send_frame(fd, BINARY, big, 1000);
    assert_int_equal(read_message(fd), RN_WS_BINARY);
    assert_made(1000);
    send_frame(fd, 0x02, big, 1000);
    send_frame(fd, 0x80, big, 1);
    assert_int_equal(read_frame(fd), 0x02);
    expect_close(fd, RN_WS_TOO_BIG, "", true);
    fd = join("/short");
    send_frame(fd, BINARY, big, 1001);
    expect_close(fd, RN_WS_TOO_BIG, "", true);
    eventually(seen(&told.closed) == 2);
    assert_int_equal(told.code, RN_WS_TOO_BIG);
    bed_stop();
}

/* ---- The end --------------------------------------------------------------------------------- */

static void test_close(void **state)
{
    static const char *const codes[] = {"1000", "1001", "1008", "1011", "3000", "4999"};
    start();
    for (unsigned i = 0; i < RN_COUNT(codes); i++) {
        int fd = join("/close");
        send_frame(fd, TEXT, codes[i], 4);
        send_frame(fd, TEXT, "bye", 3); /* which is no code: it isn't heard any more */
        expect_close(fd, (unsigned)atoi(codes[i]), "as you wish", true);
        eventually(seen(&told.closed) == i + 1);
        assert_int_equal(told.code, atoi(codes[i]));
    }
    bed_stop();
}

static void test_close_from_outside(void **state)
{
    start();
    int one = join("/news"), two = join("/echo");
    expect_frame(two, TEXT, "hello");
    assert_int_equal(ask("GET", "/dismiss", NULL), 200);
    expect_close(one, 4001, "", true);
    expect_close(two, 4001, "", true);
    eventually(seen(&told.closed) == 2);
    assert_int_equal(told.code, 4001);
    one = join("/news");
    hang_up(one);
    eventually(seen(&told.closed) == 3);
    assert_int_equal(told.code, 1006);
    one = join("/news");
    send_bytes(one, "\x81\x02", 2);
    send_bytes(one, "xx", 2); /* not masked */
    expect_close(one, RN_WS_PROTOCOL_ERROR, "", false);
    eventually(seen(&told.closed) == 4);
    assert_int_equal(told.opened, 4);
    bed_stop();
}

/* ---- The handshake --------------------------------------------------------------------------- */

static void test_policy(void **state)
{
    static const struct {
        const char *fields;
        int status;
        const char *subprotocol;
    } cases[] = {
        {"Origin: https://example.com\r\n", 101, NULL},
        {"Origin: HTTPS://EXAMPLE.COM\r\n", 101, NULL},
        {"Origin: https://evil.example\r\n", 403, NULL},
        {"", 403, NULL},
        {"Origin: https://example.com\r\nSec-WebSocket-Protocol: one\r\n", 101, "one"},
        {"Origin: https://example.com\r\nSec-WebSocket-Protocol: one, two\r\n", 101, "two"},
        {"Origin: https://example.com\r\nSec-WebSocket-Protocol: One, three\r\n", 101, NULL},
    };
    start();
    for (unsigned i = 0; i < RN_COUNT(cases); i++) {
        int fd = upgrade("/picky", cases[i].fields);
        assert_int_equal(answer.status, cases[i].status);
        assert_field("Sec-WebSocket-Protocol", cases[i].subprotocol);
        if (answer.status == 101) {
            send_frame(fd, TEXT, "x", 1); /* a handler needs nothing but `data` */
            expect_frame(fd, TEXT, "x");
        }
        close(fd);
    }
    assert_int_equal(ask("GET", "/echo", NULL), 426);
    assert_field("Upgrade", "websocket");
    assert_field("Sec-WebSocket-Version", "13");
    assert_int_equal(ask("POST", "/echo", UPGRADE "Content-Length: 0\r\n"), 405);
    assert_int_equal(ask("GET", "/echo", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                         "Sec-WebSocket-Version: 13\r\n"), 400);
    eventually(bed_figures().connections == 0);
    assert_int_equal(seen(&told.opened), 0);
    bed_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_each(test_echo),
        on_each(test_eager_client),
        on_each(test_broadcast),
        on_each(test_flood),
        on_each(test_message_max),
        on_each(test_close),
        on_each(test_close_from_outside),
        on_each(test_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
