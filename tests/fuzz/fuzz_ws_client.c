/*
 * The WebSocket client: what a server says, from the handshake's answer on. The first six bytes
 * choose what the client says and waits for, and how the wire cuts it.
 *
 * In one piece and in many it must receive what the machine of runnel/ws.h sees in the same frames,
 * answer pings with what they said, send its messages whole, and end with the one right close
 * frame; and leave nothing behind, also when the connection is reset or the task is cancelled.
 */
#include "peer_bed.h"

#include <runnel/ws_client.h>

enum { SETTINGS = 6, INPUT_MAX = 8000, OUTPUT_MAX = 1 << 20, MESSAGES_MAX = 512, SAID_MAX = 16384 };

/* What was received, or is to be. */
struct trace {
    int connect_result, receive_result;
    unsigned code; /* that it closes with */
    unsigned count;
    struct {
        uint8_t opcode;
        bool whole;
        size_t end; /* in content */
    } messages[MESSAGES_MAX];
    size_t len;
    uint8_t content[PEER_INPUT];
};

struct talk {
    struct rn_task task;
    rn_co co;
    struct rn_http_client http;
    struct rn_ws_client ws;
    struct rn_task sender;
    rn_co sender_co;
    struct rn_join join;
    struct trace *trace;
    unsigned wanted, say_count, said;
    size_t say_len;
    bool over;
};

static struct talk talk;
static uint8_t answer[PEER_INPUT], output[OUTPUT_MAX], said[SAID_MAX];
static rn_bytes script, frames, head; /* of the last request */
static size_t output_len;

/* The peer answers the first request; a redirect's finds what comes behind that, if anything. */
static void bed_say(struct bed_line *line, const void *bytes, size_t len)
{
    bool first = !output_len;
    require(output_len + len <= OUTPUT_MAX);
    memcpy(output + output_len, bytes, len);
    output_len += len;
    if (memcmp(bytes, "GET ", 4) != 0) return;
    require(!memcmp(output + output_len - 4, "\r\n\r\n", 4)); /* in one piece */
    head = rn_bytes_of(output + output_len - len, len);
    if (first) line->input = peer_expand(answer, script, head);
}

/* ---- The client ------------------------------------------------------------------------------ */

static void note(struct trace *trace, const struct rn_ws_event *event)
{
    if (event->first) {
        require(trace->count < MESSAGES_MAX);
        require(!trace->count || trace->messages[trace->count - 1].whole);
        trace->messages[trace->count].opcode = event->opcode;
        trace->messages[trace->count++].whole = false;
    }
    require(trace->count && trace->messages[trace->count - 1].opcode == event->opcode);
    require(trace->len + event->data.len <= sizeof trace->content);
    if (event->data.len) memcpy(trace->content + trace->len, event->data.ptr, event->data.len);
    trace->len += event->data.len;
    trace->messages[trace->count - 1].whole = event->last;
    trace->messages[trace->count - 1].end = trace->len;
}

static unsigned whole_messages(const struct trace *trace)
{
    return trace->count && trace->messages[trace->count - 1].whole ? trace->count
           : trace->count                                         ? trace->count - 1
                                                                  : 0;
}

/* Every other one is a ping. */
static enum rn_poll sender_run(struct rn_task *task, struct rn_cx *cx)
{
    struct rn_ws_client *ws = &talk.ws;
    RN_BEGIN(&talk.sender_co);
    for (; talk.said < talk.say_count; talk.said++) {
        if (talk.said & 1) rn_ws_client_send(ws, RN_WS_PING, "how are you", 11);
        else rn_ws_client_send(ws, RN_WS_BINARY, said, talk.say_len);
        RN_AWAIT(&talk.sender_co, &ws->sent, cx);
        require(ws->send_result <= 0);
        if (ws->send_result < 0) break;
    }
    RN_END(&talk.sender_co);
}

/* The frames begin behind what the handshake has consumed. */
static void note_frames(const struct rn_ws_client *ws)
{
    const struct bed_line *line = bed_line_of(ws->stream.fd);
    size_t left = line->input.len + (ws->in ? ws->in->len : 0);
    size_t len = (size_t)(line->input.ptr - answer) + line->input.len;
    frames = rn_bytes_of(answer + len - left, left);
}

static enum rn_poll talk_run(struct rn_task *task, struct rn_cx *cx)
{
    struct rn_ws_client *ws = &talk.ws;
    struct trace *trace = talk.trace;
    RN_BEGIN(&talk.co);
    rn_ws_client_connect(ws, cx, RN_BYTES("ws://peer.test/chat"));
    RN_AWAIT(&talk.co, &ws->connected, cx);
    trace->connect_result = ws->connect_result;
    if (ws->connect_result == 0) {
        note_frames(ws);
        talk.sender.poll = sender_run;
        talk.sender.join = &talk.join;
        require(rn_spawn(cx->worker, &talk.sender) == 0);
        talk.join.task = rn_task_waker(cx->worker, &talk.sender);
        while (whole_messages(trace) < talk.wanted) {
            RN_AWAIT(&talk.co, &ws->received, cx);
            trace->receive_result = ws->receive_result;
            trace->code = ws->event.code;
            if (ws->receive_result || ws->event.kind == RN_WS_EVENT_CLOSE) break;
            require(ws->event.kind == RN_WS_EVENT_DATA);
            note(trace, &ws->event);
        }
        RN_AWAIT(&talk.co, &talk.join, cx);
    }
    rn_ws_client_close(ws, cx, RN_WS_NORMAL, RN_BYTES("done"));
    RN_AWAIT(&talk.co, &ws->closed, cx);
    RN_AWAIT(&talk.co, rn_http_client_close(&talk.http), cx);
    rn_http_client_fini(&talk.http);
    RN_END(&talk.co);
}

static void talk_done(struct rn_task *task) { talk.over = true; }

static void run(struct trace *trace, const struct bed_plan *plan, rn_bytes settings)
{
    static const struct rn_http1_header offer = {RN_BYTES("Sec-WebSocket-Protocol"),
                                                 RN_BYTES("chat, mail")};
    struct rn_http_client_options options = {.connect_to = "127.0.0.1:9"};
    uint8_t choice = take_byte(&settings);
    memset(&talk, 0, sizeof talk);
    trace->connect_result = trace->receive_result = 0;
    trace->code = trace->count = 0;
    trace->len = 0;
    talk.task.poll = talk_run;
    talk.task.done = talk_done;
    talk.trace = trace;
    talk.wanted = choice >> 2 & 3 ? choice >> 2 & 3 : MESSAGES_MAX;
    talk.say_count = choice >> 4 & 3;
    talk.say_len = take_byte(&settings) * 64u;
    talk.ws.http = &talk.http;
    talk.ws.message_max = 1000;
    talk.ws.fields = &offer;
    talk.ws.field_count = choice >> 6 & 1;
    output_len = 0;
    bed.plan = *plan;
    require(rn_http_client_init(&talk.http, bed_worker(), &options) == 0);
    peer_run(&talk.task, &talk.over);
}

/* ---- What is right --------------------------------------------------------------------------- */

/* By the machine. */
static void expect(struct trace *trace, const struct trace *got, bool silent)
{
    static uint8_t copy[PEER_INPUT];
    struct rn_ws ws;
    struct rn_ws_event event;
    size_t at = 0;
    memcpy(copy, frames.ptr, frames.len);
    trace->connect_result = 0;
    trace->count = trace->code = 0;
    trace->len = 0;
    trace->receive_result = silent ? -RN_K_ECANCELED : RN_E_CLOSED;
    rn_ws_init(&ws, RN_WS_CLIENT, talk.ws.message_max);
    while (whole_messages(trace) < talk.wanted) {
        at += rn_ws_next(&ws, copy + at, frames.len - at, &event);
        trace->code = event.code;
        if (event.kind == RN_WS_EVENT_NONE) return;
        if (event.kind == RN_WS_EVENT_DATA) note(trace, &event);
        if (event.kind == RN_WS_EVENT_ERROR) trace->receive_result = RN_E_PROTOCOL;
        if (event.kind == RN_WS_EVENT_CLOSE) trace->receive_result = 0;
        if (event.kind == RN_WS_EVENT_ERROR || event.kind == RN_WS_EVENT_CLOSE) return;
    }
    trace->receive_result = 0;
    trace->code = RN_WS_NORMAL;
}

static void compare(const struct trace *a, const struct trace *b)
{
    require(a->receive_result == b->receive_result && a->count == b->count && a->len == b->len);
    require(!memcmp(a->content, b->content, a->len));
    for (unsigned i = 0; i < a->count; i++) {
        require(a->messages[i].opcode == b->messages[i].opcode);
        require(a->messages[i].whole == b->messages[i].whole);
        require(a->messages[i].end == b->messages[i].end);
    }
}

/* Takes a frame off what the client sent, unmasked. */
static uint8_t take_frame(rn_bytes *from, uint8_t *payload, size_t *len)
{
    require(from->len >= 6);
    uint8_t first = take_byte(from), second = take_byte(from), mask[4];
    unsigned more = (second & 127) == 127 ? 8 : (second & 127) == 126 ? 2 : 0;
    require((first & 0x80) && !(first & 0x70) && (second & 0x80));
    *len = more ? 0 : second & 127u;
    for (; more; more--) *len = *len << 8 | take_byte(from);
    require(from->len >= 4 + *len && *len <= SAID_MAX);
    memcpy(mask, take_bytes(from, 4).ptr, 4);
    memcpy(payload, take_bytes(from, *len).ptr, *len);
    for (size_t i = 0; i < *len; i++) payload[i] ^= mask[i & 3];
    return first & 15;
}

/* Its messages in order, pongs that were asked for, and the close frame behind everything. */
static void check_output(const struct trace *trace)
{
    static uint8_t payload[SAID_MAX];
    const uint8_t *begin = head.ptr + head.len;
    rn_bytes from = rn_bytes_of(begin, (size_t)(output + output_len - begin));
    unsigned messages = 0, code = RN_WS_NO_STATUS, expected = RN_WS_NORMAL;
    size_t len = 0;
    bool closed = false;
    while (from.len) {
        require(!closed);
        uint8_t opcode = take_frame(&from, payload, &len);
        closed = opcode == RN_WS_CLOSE;
        if (opcode == RN_WS_PONG) {
            require(len <= RN_WS_CONTROL_MAX && memmem(frames.ptr, frames.len, payload, len));
        } else if (!closed) {
            bool ping = messages++ & 1;
            require(opcode == (ping ? RN_WS_PING : RN_WS_BINARY));
            require(len == (ping ? 11 : talk.say_len));
            require(!memcmp(payload, ping ? (const uint8_t *)"how are you" : said, len));
        }
    }
    require(closed && messages == talk.said && len <= RN_WS_CONTROL_MAX && len != 1);
    if (len) code = (unsigned)payload[0] << 8 | payload[1];
    if (trace->receive_result == RN_E_PROTOCOL) expected = trace->code;
    else if (!trace->receive_result && whole_messages(trace) < talk.wanted) expected = trace->code;
    require(code == expected);
}

static void check(const struct trace *trace, bool silent)
{
    static struct trace expected;
    struct rn_http1_request request;
    struct rn_ws_accept accept;
    rn_http1_request_init(&request);
    require(rn_http1_parse_head(&request, head.ptr, head.len) == (rn_ssize)head.len);
    require(rn_ws_handshake(&request, head.ptr, NULL, &accept) == 0);
    if (trace->connect_result) {
        require(trace->connect_result == RN_E_PROTOCOL || trace->connect_result == RN_E_CLOSED ||
                trace->connect_result == RN_E_LIMIT || trace->connect_result == -RN_K_EACCES ||
                trace->connect_result == RN_E_UNSUPPORTED ||
                (silent && trace->connect_result == -RN_K_ETIMEDOUT));
        require(output + output_len == head.ptr + head.len);
        return;
    }
    expect(&expected, trace, silent);
    compare(trace, &expected);
    /* A task that is cancelled breaks off what it was sending. */
    if (trace->receive_result != -RN_K_ECANCELED) check_output(&expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trace whole, cut;
    rn_bytes input = rn_bytes_of(data, size);
    if (size < SETTINGS || size > INPUT_MAX) return -1;
    bed_start_once();
    for (size_t i = 0; i < SAID_MAX; i++) said[i] = (uint8_t)(i * 7 >> 2);
    rn_bytes settings = take_bytes(&input, SETTINGS);
    bool silent = settings.ptr[0] & 1;
    struct bed_plan plan = {.seed = settings.ptr[5], .silent = silent};
    script = input;
    run(&whole, &plan, settings);
    check(&whole, silent);
    plan = (struct bed_plan){settings.ptr[5], settings.ptr[2] + 1u, settings.ptr[3] % 5u, silent,
                             false};
    bool redirected = talk.ws.call.redirects;
    run(&cut, &plan, settings);
    check(&cut, silent);
    /* What comes unasked behind a redirect closes the connection, if it is there in time. */
    if (!redirected) require(whole.connect_result == cut.connect_result);
    plan.silent = false;
    plan.reset = true;
    run(&cut, &plan, settings);
    return 0;
}
