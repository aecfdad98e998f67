/*
 * proto/http1_response.c: a response's head: status line (RFC 9112, section 4) and fields.
 */
#include <runnel/http1_client.h>

#include "base/bytes.h"
#include "proto/http1_head.h"
#include "proto/http1_text.h"

enum { STATUS_AT = 9, REASON_AT = 13 };

void rn_http1_response_init(struct rn_http1_response *response)
{
    rn_http1_request_init(&response->message);
    response->status = 0;
    response->reason = (struct rn_http1_span){0, 0};
}

/* Returns how far it came, or minus the status that stands for the error, as for requests. */
static rn_ssize status_line(struct rn_http1_response *response, const uint8_t *head, size_t at,
                            size_t end)
{
    static const char form[REASON_AT + 1] = "HTTP/0.0 000 ";
    for (; at < REASON_AT; at++) {
        if (at == end) return (rn_ssize)at;
        uint8_t wanted = (uint8_t)form[at];
        /* The space before a reason that is empty is often left out. */
        if (at == REASON_AT - 1 && head[at] == '\r') break;
        if ((uint8_t)(head[at] - wanted) > (wanted == '0' ? 9 : 0)) return -400;
        if (at == 5 && head[at] != '1') return -505;
    }
    if (response->reason.at == 0) response->reason.at = (uint16_t)at;
    at = (size_t)(rn_http1_skip(head + at, head + end, RN_HTTP1_VALUE) - head);
    if (at == end) return (rn_ssize)at;
    if (head[at] != '\r' || head[STATUS_AT] == '0') return -400;
    if (at + 1 == end) return (rn_ssize)at;
    if (head[at + 1] != '\n') return -400;
    response->reason.len = (uint16_t)(at - response->reason.at);
    response->message.minor = head[7] != '0'; /* a higher one is taken for 1 */
    for (size_t i = STATUS_AT; i < STATUS_AT + 3; i++)
        response->status = (uint16_t)(response->status * 10 + (head[i] - '0'));
    response->message.state = RN_HTTP1_AT_FIELDS;
    return (rn_ssize)(at + 2);
}

/* As status_line, once all is there: what the fields mean together. */
static rn_ssize conclude(struct rn_http1_request *message, rn_ssize head_len)
{
    unsigned seen = message->seen;
    unsigned codings = seen & (RN_HTTP1_SEEN_CODING | RN_HTTP1_SEEN_CHUNKED |
                               RN_HTTP1_SEEN_OTHER_CODING);
    if (codings == RN_HTTP1_SEEN_CODING) return -400;
    if (codings & RN_HTTP1_SEEN_OTHER_CODING) return -501;
    message->framing = codings                        ? RN_HTTP1_CHUNKED
                       : seen & RN_HTTP1_SEEN_LENGTH ? RN_HTTP1_LENGTH
                                                      : RN_HTTP1_UNTIL_CLOSE;
    message->keep_alive = !(seen & RN_HTTP1_SEEN_CLOSE) &&
                          (message->minor || seen & RN_HTTP1_SEEN_KEEP_ALIVE);
    return head_len;
}

rn_ssize rn_http1_parse_response(struct rn_http1_response *response, const uint8_t *head,
                                 size_t len)
{
    struct rn_http1_request *message = &response->message;
    size_t end = len < RN_HTTP1_HEAD_MAX ? len : RN_HTTP1_HEAD_MAX;
    rn_ssize at = message->scanned;
    rn_assert(message->state < RN_HTTP1_AT_END && (size_t)at <= end);
    if (message->state < RN_HTTP1_AT_FIELDS) at = status_line(response, head, (size_t)at, end);
    if (at >= 0 && message->state >= RN_HTTP1_AT_FIELDS)
        at = rn_http1_parse_fields(message, head, (size_t)at, end);
    if (at >= 0 && message->state == RN_HTTP1_AT_END) at = conclude(message, at);
    else if (at == RN_HTTP1_HEAD_MAX) at = -431;
    if (at >= 0) {
        message->scanned = (uint16_t)at;
        return message->state == RN_HTTP1_AT_END ? at : 0;
    }
    message->state = RN_HTTP1_AT_END;
    if (at == -400) return RN_E_PROTOCOL;
    return at == -431 ? RN_E_LIMIT : RN_E_UNSUPPORTED;
}
