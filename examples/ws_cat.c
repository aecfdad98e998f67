/* Netcat for WebSocket, on a blocking socket: each line of standard input is sent as a message,
 * each message that comes is printed as a line.
 *
 *     ws_cat ws://127.0.0.1:7000/chat [CLOSE_CODE REASON]
 *
 * At the end of its input it says goodbye, with that code, and waits for the server's.
 */
#include "http_request.h"
#include "ws_lines.h"

static struct ws_peer server;

/* The response's head, until the stream is WebSocket's; what came behind it stays in the input. */
static void read_response(rn_bytes key)
{
    static struct rn_http1_exchange exchange;
    struct rn_http1_event event;
    char expected[28];
    rn_http1_exchange_init(&exchange, RN_BYTES("GET"), true);
    do {
        rn_ssize used = rn_http1_exchange_next(&exchange, server.input, server.input_len, &event);
        check(used, "response");
        if (event.kind == RN_HTTP1_EVENT_HEAD) {
            rn_bytes accept = rn_http1_find_field(&exchange.response.message, server.input,
                                                  "Sec-WebSocket-Accept");
            if (exchange.response.status != 101)
                fail("refused", rn_http1_reason(exchange.response.status));
            if (!rn_ws_accept_valid(key, accept)) {
                rn_ws_accept_key(key, expected);
                fprintf(stderr, "not the answer to this key, which is %.28s\n", expected);
                exit(1);
            }
        }
        server.input_len -= (size_t)used;
        memmove(server.input, server.input + used, server.input_len);
        if (event.kind != RN_HTTP1_EVENT_NONE) continue;
        ssize_t len = read(server.fd, server.input + server.input_len,
                           sizeof server.input - server.input_len);
        if (len <= 0) check(rn_http1_exchange_eof(&exchange), "response");
        server.input_len += (size_t)len;
    } while (event.kind != RN_HTTP1_EVENT_TUNNEL);
}

static void connect_to(const char *text)
{
    uint8_t random[16], head[REQUEST_HEAD_MAX];
    char key[24];
    struct rn_url url;
    check(rn_url_parse(&url, bytes_of(text)), text);
    if (!bytes_are(url.scheme, "ws")) fail(text, "is not ws");
    fill_random(random, sizeof random);
    rn_ws_client_key(random, key);
    const struct rn_http1_header fields[] = {
        {RN_BYTES("Connection"), RN_BYTES("Upgrade")},
        {RN_BYTES("Upgrade"), RN_BYTES("websocket")},
        {RN_BYTES("Sec-WebSocket-Version"), RN_BYTES("13")},
        {RN_BYTES("Sec-WebSocket-Key"), rn_bytes_of(key, sizeof key)}};
    size_t len = write_request(head, "GET", &url, fields, RN_COUNT(fields));
    server.fd = dial(url.host, url.port);
    if (!write_all(server.fd, head, len)) fail(text, strerror(errno));
    read_response(rn_bytes_of(key, sizeof key));
    rn_ws_init(&server.ws, RN_WS_CLIENT, 1 << 20);
}

int main(int argc, char **argv)
{
    char lines[WS_PIECE];
    unsigned long code = argc > 2 ? strtoul(argv[2], NULL, 10) : RN_WS_NORMAL;
    if (argc < 2) fail("usage", "ws_cat URL [CLOSE_CODE REASON]");
    if (code > UINT16_MAX || !rn_ws_close_code_valid((uint16_t)code))
        fail(argv[2], "may not stand in a close frame");
    signal(SIGPIPE, SIG_IGN);
    connect_to(argv[1]);
    struct pollfd both[2] = {{server.fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (bool going = ws_take(&server, STDOUT_FILENO); going;) {
        int ready = must(poll(both, 2, server.said_goodbye ? 5000 : -1), "poll");
        if (ready == 0) fail("goodbye", "the server doesn't answer it");
        if (both[0].revents) going = ws_receive(&server, STDOUT_FILENO);
        if (!going || !both[1].revents || !takes_first(server.fd, server.fd)) continue;
        int len = must((int)read(STDIN_FILENO, lines, sizeof lines), "standard input");
        if (len == 0) {
            ws_say_goodbye(&server, (uint16_t)code, bytes_of(argc > 3 ? argv[3] : ""));
            both[1].fd = -1;
        } else if (!ws_send_lines(&server, lines, (size_t)len)) {
            fail("send", strerror(errno));
        }
    }
    if (server.code == 0) fail(argv[1], "is gone without a goodbye");
    ws_say_goodbye(&server, server.code, RN_BYTES(""));
    return server.code != code;
}
