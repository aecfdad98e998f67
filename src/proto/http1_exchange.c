/*
 * proto/http1_exchange.c: the client's side of one exchange: from the first byte that a server
 * sends to the end of its response (RFC 9112, section 6.3).
 */
#include <runnel/http1_client.h>

#include "base/bytes.h"

/* What comes next. */
enum state { HEAD, INTERIM_OVER, CONTENT, COMPLETE, TUNNEL };

void rn_http1_exchange_init(struct rn_http1_exchange *exchange, rn_bytes method, bool upgrade)
{
    rn_http1_response_init(&exchange->response);
    exchange->state = HEAD;
    exchange->interims = 0;
    exchange->method = RN_HTTP1_OTHER;
    if (rn_bytes_equal(method, RN_BYTES("HEAD"))) exchange->method = RN_HTTP1_HEAD;
    if (rn_bytes_equal(method, RN_BYTES("CONNECT"))) exchange->method = RN_HTTP1_CONNECT;
    exchange->upgrade = upgrade;
}

/* What a complete head leads to; returns its length or an error. */
static rn_ssize judge(struct rn_http1_exchange *exchange, struct rn_http1_event *event,
                      rn_ssize head_len)
{
    struct rn_http1_request *message = &exchange->response.message;
    unsigned status = exchange->response.status;
    bool tunnel = status == 101 || (status / 100 == 2 && exchange->method == RN_HTTP1_CONNECT);
    event->kind = RN_HTTP1_EVENT_HEAD;
    if (status < 200 && !tunnel) {
        event->kind = RN_HTTP1_EVENT_INTERIM;
        exchange->state = INTERIM_OVER;
        return ++exchange->interims > RN_HTTP1_INTERIMS_MAX ? RN_E_LIMIT : head_len;
    }
    if (status == 101 && !exchange->upgrade) return RN_E_PROTOCOL;
    if (tunnel || status == 204 || status == 304 || exchange->method == RN_HTTP1_HEAD)
        message->framing = RN_HTTP1_NO_BODY;
    uint64_t announced = message->content_length;
    if (message->framing == RN_HTTP1_NO_BODY) message->content_length = 0;
    if (message->framing == RN_HTTP1_UNTIL_CLOSE) message->content_length = UINT64_MAX;
    rn_http1_body_init(&exchange->body, message);
    message->content_length = announced;
    exchange->state = tunnel ? TUNNEL : CONTENT;
    return head_len;
}

rn_ssize rn_http1_exchange_next(struct rn_http1_exchange *exchange, const uint8_t *in, size_t len,
                                struct rn_http1_event *event)
{
    rn_ssize used = 0;
    *event = (struct rn_http1_event){RN_HTTP1_EVENT_NONE, rn_bytes_of(in, 0)};
    switch (exchange->state) {
    case INTERIM_OVER:
        rn_http1_response_init(&exchange->response);
        exchange->state = HEAD;
        /* fall through */
    case HEAD:
        used = rn_http1_parse_response(&exchange->response, in, len);
        if (used <= 0) break;
        event->data.len = (size_t)used;
        return judge(exchange, event, used);
    case CONTENT:
        used = rn_http1_body_next(&exchange->body, in, len, &event->data);
        if (used < 0) break;
        if (event->data.len) {
            event->kind = RN_HTTP1_EVENT_DATA;
        } else if (rn_http1_body_done(&exchange->body)) {
            event->kind = RN_HTTP1_EVENT_END;
            exchange->state = COMPLETE;
        }
        break;
    case TUNNEL:
        event->kind = RN_HTTP1_EVENT_TUNNEL;
        exchange->state = COMPLETE;
        break;
    }
    return used;
}

int rn_http1_exchange_eof(struct rn_http1_exchange *exchange)
{
    if (exchange->state == CONTENT &&
        exchange->response.message.framing == RN_HTTP1_UNTIL_CLOSE)
        exchange->state = COMPLETE;
    return exchange->state == COMPLETE ? 0 : RN_E_CLOSED;
}

uint64_t rn_http1_exchange_missing(const struct rn_http1_exchange *exchange)
{
    bool known = exchange->state == CONTENT &&
                 exchange->response.message.framing != RN_HTTP1_UNTIL_CLOSE;
    return known ? exchange->body.remaining : 0;
}

bool rn_http1_exchange_reusable(const struct rn_http1_exchange *exchange)
{
    const struct rn_http1_response *response = &exchange->response;
    return exchange->state == COMPLETE && response->message.keep_alive &&
           response->message.framing != RN_HTTP1_UNTIL_CLOSE && response->status != 101 &&
           exchange->method != RN_HTTP1_CONNECT;
}
