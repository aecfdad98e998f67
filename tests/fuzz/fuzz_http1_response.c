/*
 * What a server sends to a client: however it is cut, the events are the same; and a head that was
 * taken says the same again when its fields are written out anew.
 */
#include "fuzz.h"

#include <runnel/http1_client.h>

enum { INPUT, EMITTED, TRACE_MAX = 1 << 16 };

static const char *const methods[] = {"GET", "HEAD", "CONNECT", "POST"};

/* What a run gave: an event's kind, and for heads the status, one after the other; content joined;
 * the result at the end. */
struct trace {
    size_t len, content_len;
    rn_ssize result;
    uint64_t missing;
    bool reusable;
    uint8_t events[TRACE_MAX];
    uint8_t content[TRACE_MAX];
};
static struct trace whole, cut;

static void check_head(const struct rn_http1_response *response, rn_bytes head)
{
    const struct rn_http1_request *message = &response->message;
    require(response->status >= 100 && response->status <= 999 && message->minor <= 1);
    require(message->field_count <= RN_HTTP1_FIELDS_MAX && head.len <= RN_HTTP1_HEAD_MAX);
    uint8_t *to = guarded_space(EMITTED, 2 * RN_HTTP1_HEAD_MAX);
    size_t cap = 2 * RN_HTTP1_HEAD_MAX, len = 17;
    memcpy(to, "HTTP/1.1 299 OK\r\n", 17);
    to[7] = (uint8_t)('0' + message->minor);
    for (unsigned i = 0; i < message->field_count; i++) {
        rn_bytes name = rn_http1_slice(head.ptr, message->fields[i].name);
        rn_bytes value = rn_http1_slice(head.ptr, message->fields[i].value);
        rn_ssize written = rn_http1_emit_field(to + len, cap - len, name, value);
        require(written > 0);
        len += (size_t)written;
    }
    memcpy(to + len, "\r\n", 2);
    len += 2;
    struct rn_http1_response again;
    rn_http1_response_init(&again);
    /* A space is written behind each colon, which may be one too many. */
    rn_ssize result = rn_http1_parse_response(&again, to, len);
    if (result == RN_E_LIMIT && len > RN_HTTP1_HEAD_MAX) return;
    require(result == (rn_ssize)len && again.message.field_count == message->field_count);
    require(again.message.content_length == message->content_length);
    for (unsigned i = 0; i < message->field_count; i++) {
        rn_bytes a = rn_http1_slice(head.ptr, message->fields[i].value);
        rn_bytes b = rn_http1_slice(to, again.message.fields[i].value);
        require(a.len == b.len && !memcmp(a.ptr, b.ptr, a.len));
    }
}

static void note(struct trace *trace, const struct rn_http1_exchange *exchange,
                 const struct rn_http1_event *event)
{
    const struct rn_http1_response *response = &exchange->response;
    require(trace->len + 4 < TRACE_MAX);
    if (event->kind == RN_HTTP1_EVENT_DATA) {
        require(event->data.len > 0 && trace->content_len + event->data.len <= TRACE_MAX);
        memcpy(trace->content + trace->content_len, event->data.ptr, event->data.len);
        trace->content_len += event->data.len;
        return;
    }
    trace->events[trace->len++] = event->kind;
    if (event->kind == RN_HTTP1_EVENT_HEAD || event->kind == RN_HTTP1_EVENT_INTERIM) {
        check_head(response, event->data);
        trace->events[trace->len++] = (uint8_t)(response->status / 10);
        trace->events[trace->len++] = response->message.framing;
    }
}

static void run(struct trace *trace, const char *method, bool upgrade, rn_bytes input,
                unsigned piece_max)
{
    struct rn_http1_exchange exchange;
    struct rn_http1_event event;
    uint32_t seed = piece_max;
    size_t at = 0, have = 0;
    trace->len = trace->content_len = 0;
    rn_http1_exchange_init(&exchange, rn_bytes_of(method, strlen(method)), upgrade);
    do {
        have += next_piece(&seed, input.len - have, piece_max);
        do {
            uint8_t *in = guarded_input(input.ptr + at, have - at);
            trace->result = rn_http1_exchange_next(&exchange, in, have - at, &event);
            if (trace->result < 0) {
                require(trace->result == RN_E_PROTOCOL || trace->result == RN_E_LIMIT ||
                        trace->result == RN_E_UNSUPPORTED);
                return;
            }
            at += (size_t)trace->result;
            require(at <= have);
            if (event.kind != RN_HTTP1_EVENT_NONE) note(trace, &exchange, &event);
        } while (event.kind != RN_HTTP1_EVENT_NONE);
    } while (have < input.len);
    trace->missing = rn_http1_exchange_missing(&exchange);
    trace->reusable = rn_http1_exchange_reusable(&exchange);
    trace->result = rn_http1_exchange_eof(&exchange);
    require(trace->result == 0 || trace->result == RN_E_CLOSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rn_bytes input = rn_bytes_of(data, size);
    unsigned choice = take_byte(&input), pieces = 1 + take_byte(&input) % 64u;
    const char *method = methods[choice % RN_COUNT(methods)];
    run(&whole, method, choice & 4, input, 0);
    run(&cut, method, choice & 4, input, pieces);
    require(whole.result == cut.result && whole.len == cut.len);
    require(!memcmp(whole.events, cut.events, whole.len));
    require(whole.content_len == cut.content_len);
    require(!memcmp(whole.content, cut.content, whole.content_len));
    if (whole.result == 0 || whole.result == RN_E_CLOSED)
        require(whole.missing == cut.missing && whole.reusable == cut.reusable);
    return 0;
}
