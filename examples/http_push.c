/* Sends standard input to a server while it comes: http_push URL, as in
 *
 *     tail -f access.log | http_push http://127.0.0.1:8080/collect
 *
 * The request is one PUT without an end that is known: what there is goes out as a chunk. A server
 * may answer before, to refuse it; then there is no point in sending more.
 */
#include "http_request.h"

enum { PIECE = 16384 };

static struct rn_http1_exchange exchange;
static bool answered; /* the head of the answer is there */

static int send_head(const char *text)
{
    uint8_t head[REQUEST_HEAD_MAX];
    struct rn_url url;
    check(rn_url_parse(&url, bytes_of(text)), text);
    if (!bytes_are(url.scheme, "http")) fail(text, "is not http");
    const struct rn_http1_header fields[] = {{RN_BYTES("Transfer-Encoding"), RN_BYTES("chunked")},
                                             {RN_BYTES("Connection"), RN_BYTES("close")}};
    size_t len = write_request(head, "PUT", &url, fields, RN_COUNT(fields));
    int server = dial(url.host, url.port);
    if (!write_all(server, head, len)) fail(text, strerror(errno));
    return server;
}

/* What standard input has, as a chunk; false when it has ended, or nobody takes it. */
static bool send_some(int server)
{
    static uint8_t chunk[RN_HTTP1_CHUNK_LINE + PIECE + 2];
    int len = must((int)read(STDIN_FILENO, chunk + RN_HTTP1_CHUNK_LINE, PIECE), "standard input");
    if (len == 0) return write_all(server, "0\r\n\r\n", 5) && false;
    size_t at = rn_http1_emit_chunk(chunk, (uint32_t)len);
    return write_all(server, chunk + at, RN_HTTP1_CHUNK_LINE + (size_t)len + 2 - at);
}

/* What the server says; false when that was all. */
static bool receive_some(int server)
{
    static uint8_t input[2 * RN_HTTP1_HEAD_MAX];
    static size_t input_len;
    struct rn_http1_event event;
    ssize_t len = read(server, input + input_len, sizeof input - input_len);
    if (len <= 0) check(rn_http1_exchange_eof(&exchange), "the answer");
    if (len <= 0) return false;
    input_len += (size_t)len;
    do {
        rn_ssize used = rn_http1_exchange_next(&exchange, input, input_len, &event);
        check(used, "the answer");
        if (event.kind == RN_HTTP1_EVENT_HEAD) {
            answered = true;
            fprintf(stderr, "%u %s\n", exchange.response.status,
                    rn_http1_reason(exchange.response.status));
        }
        if (event.kind == RN_HTTP1_EVENT_DATA) put(event.data);
        if (event.kind == RN_HTTP1_EVENT_END) return false;
        input_len -= (size_t)used;
        memmove(input, input + used, input_len);
    } while (event.kind != RN_HTTP1_EVENT_NONE);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 2) fail("usage", "http_push URL");
    signal(SIGPIPE, SIG_IGN);
    rn_http1_exchange_init(&exchange, RN_BYTES("PUT"), false);
    struct pollfd both[2] = {{send_head(argv[1]), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        must(poll(both, 2, -1), "poll");
        if (both[0].revents && !receive_some(both[0].fd)) break;
        if (!both[1].revents || !takes_first(both[0].fd, both[0].fd)) continue;
        if (answered || !send_some(both[0].fd)) both[1].fd = -1;
    }
    close(both[0].fd);
    return exchange.response.status / 100 != 2;
}
