/*
 * The HTTP client: two calls, with what servers and proxies say to each request. The first six
 * bytes choose how the client is set up, what it asks and how the wire cuts it; behind them are the
 * answers, one for each request, with a byte 1 between them.
 *
 * In one piece and in many, both calls must come to the same end; each request must be one that a
 * server takes, and tell nobody else what is for the first origin or the proxy alone; redirects and
 * requests have their bounds; and nothing is left behind, also when a connection is reset or the
 * task is cancelled.
 */
#include "peer_bed.h"

#include "base/bytes.h"

enum { SETTINGS = 6, INPUT_MAX = 8000, CALLS = 2, REDIRECTS = 3, ONE_SEND = 8000 };

/* settings.ptr[1] */
enum { EXPECT = 4, UPGRADE = 8, NO_REUSE = 16, NO_REDIRECTS = 32, CONTENT = 3 };

static const char *const methods[] = {NULL, "HEAD", "POST", "PUT", "OPTIONS", "CONNECT"};

struct result {
    int result, read_result;
    unsigned status;
    uint32_t redirects;
    uint64_t content_length;
    char url[RN_HTTP_URL_MAX];
    bool taken; /* the connection was */
    size_t len;
    uint8_t content[PEER_INPUT];
};

struct trace {
    struct result calls[CALLS];
    struct rn_http_client_figures figures;
    bool behind; /* a proxy's answer about a tunnel there was something */
};

static struct {
    struct rn_task task;
    rn_co co;
    struct rn_http_client http;
    struct rn_http_call call;
    struct rn_op op;
    rn_stream stream;
    struct trace *trace;
    unsigned index, shape, requests;
    uint64_t body_len;
    const char *method;
    bool over;
} talk;

static rn_bytes script; /* the answers that weren't given yet */
static uint8_t answers[BED_LINES][PEER_INPUT];
static uint8_t body[256 * 80];

/* ---- What the peers say ---------------------------------------------------------------------- */

/* Behind what wasn't heard yet. */
static void answer_next(struct bed_line *line, rn_bytes head)
{
    static uint8_t both[PEER_INPUT];
    uint8_t *to = answers[line - bed.lines];
    size_t before = line->input.len, len = rn_bytes_find(script, 1);
    uint8_t said[PEER_INPUT];
    rn_bytes more = peer_expand(said, take_bytes(&script, len), head);
    const uint8_t *end = more.len ? memmem(more.ptr, more.len, "\r\n\r\n", 4) : NULL;
    if (!memcmp(head.ptr, "CONNECT ", 8) && end && end + 4 < more.ptr + more.len)
        talk.trace->behind = true;
    (void)take_byte(&script);
    require(before + more.len <= PEER_INPUT);
    if (before) memcpy(both, line->input.ptr, before);
    memcpy(both + before, more.ptr, more.len);
    memcpy(to, both, before + more.len);
    line->input = rn_bytes_of(to, before + more.len);
}

static void check_request(rn_bytes head)
{
    struct rn_http1_request request;
    rn_http1_request_init(&request);
    require(rn_http1_parse_head(&request, head.ptr, head.len) > 0);
    rn_bytes host = rn_http1_find_field(&request, head.ptr, "Host");
    bool first = host.len >= 10 && !memcmp(host.ptr, "first.test", 10);
    bool tunnel = talk.http.options.proxy_tunnel, proxy = talk.http.options.proxy && !tunnel;
    bool connect = !memcmp(head.ptr, "CONNECT ", 8);
    require(host.ptr && talk.requests < CALLS * (1 + REDIRECTS) * 4);
    talk.requests++;
    if (!first || (connect && tunnel && !talk.method)) {
        require(!rn_http1_find_field(&request, head.ptr, "Authorization").ptr);
        require(!rn_http1_find_field(&request, head.ptr, "Cookie").ptr);
    }
    if (!proxy && !(connect && tunnel))
        require(!rn_http1_find_field(&request, head.ptr, "Proxy-Authorization").ptr);
}

/* A request begins with its send, and no content looks like one. */
static void bed_say(struct bed_line *line, const void *bytes, size_t len)
{
    const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end || !memmem(bytes, len, " HTTP/1.1\r\n", 11)) return;
    rn_bytes head = rn_bytes_of(bytes, (size_t)(end + 4 - (const uint8_t *)bytes));
    check_request(head);
    answer_next(line, head);
}

/* ---- The client ------------------------------------------------------------------------------ */

static rn_ssize read_body(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    uint64_t left = talk.body_len - at;
    if (cap > left) cap = (size_t)left;
    if (cap) memcpy(to, body + at, cap);
    return (rn_ssize)cap;
}

static void prepare(struct rn_http_call *call)
{
    static const struct rn_http1_header cookie = {RN_BYTES("Cookie"), RN_BYTES("a=b")};
    unsigned content = talk.index ? 0 : talk.shape & CONTENT;
    *call = (struct rn_http_call){.client = &talk.http, .fields = &cookie, .field_count = 1,
                                  .redirects_max = REDIRECTS};
    if (content) call->body_length = content == 1 ? RN_HTTP_LENGTH_UNKNOWN : talk.body_len;
    if (content == 3) call->body = body;
    if (content) call->body_read = read_body;
    call->expect_continue = content && talk.shape & EXPECT;
    call->no_reuse = talk.shape & NO_REUSE;
    if (talk.index) return;
    call->method = talk.method;
    call->upgrade = talk.shape & UPGRADE;
    call->no_redirects = talk.shape & NO_REDIRECTS;
}

static void note_head(struct result *result, const struct rn_http_call *call)
{
    require(call->redirects <= REDIRECTS && strlen(call->url) == call->url_len);
    result->result = call->result;
    result->redirects = call->redirects;
    memcpy(result->url, call->url, call->url_len + 1);
    if (call->result < 0) return;
    require(call->result == 0 && call->head);
    result->status = call->exchange.response.status;
    result->content_length = call->content_length;
    bool tunnel = talk.method && !strcmp(talk.method, "CONNECT") && talk.index == 0;
    result->taken = result->status == 101 || (tunnel && result->status / 100 == 2);
}

/* The connection is the caller's now. */
static void take(struct rn_cx *cx)
{
    struct rn_buf *rest = rn_http_call_take(&talk.call, &talk.stream);
    if (rest) rn_pool_put(rn_worker_pool(cx->worker), rest);
    talk.op = (struct rn_op){0};
    rn_stream_close(talk.stream, &talk.op, cx);
}

static enum rn_poll talk_run(struct rn_task *task, struct rn_cx *cx)
{
    struct rn_http_call *call = &talk.call;
    struct result *result = &talk.trace->calls[talk.index];
    RN_BEGIN(&talk.co);
    for (; talk.index < CALLS; talk.index++) {
        result = &talk.trace->calls[talk.index];
        prepare(call);
        rn_http_call_start(call, cx, RN_BYTES("http://me:secret@first.test/a b"));
        RN_AWAIT(&talk.co, &call->future, cx);
        note_head(result, call);
        if (result->taken) {
            take(cx);
            RN_AWAIT(&talk.co, &talk.op, cx);
        }
        while (call->result == 0 && !result->taken) {
            rn_http_call_read(call, cx);
            RN_AWAIT(&talk.co, &call->future, cx);
            if (call->result < 0 || call->data.len == 0) break;
            require(result->len + call->data.len <= sizeof result->content);
            memcpy(result->content + result->len, call->data.ptr, call->data.len);
            result->len += call->data.len;
        }
        result->read_result = call->result;
        rn_http_call_end(call);
    }
    talk.trace->figures = talk.http.figures;
    RN_AWAIT(&talk.co, rn_http_client_close(&talk.http), cx);
    rn_http_client_fini(&talk.http);
    RN_END(&talk.co);
}

static void talk_done(struct rn_task *task) { talk.over = true; }

static void run(struct trace *trace, const struct bed_plan *plan, rn_bytes input)
{
    struct rn_http_client_options options = {.connect_to = "127.0.0.1:9"};
    unsigned choice = take_byte(&input);
    memset(&talk, 0, sizeof talk);
    memset(trace, 0, sizeof *trace);
    talk.task.poll = talk_run;
    talk.task.done = talk_done;
    talk.trace = trace;
    talk.shape = take_byte(&input);
    talk.body_len = take_byte(&input) * 80u;
    talk.method = methods[(choice >> 3) % RN_COUNT(methods)];
    if (choice & 2) options.proxy = "http://you:hidden@proxy.test:8080";
    options.proxy_tunnel = choice & 4 && options.proxy;
    (void)take_bytes(&input, SETTINGS - 3);
    script = input;
    bed.plan = *plan;
    require(rn_http_client_init(&talk.http, bed_worker(), &options) == 0);
    peer_run(&talk.task, &talk.over);
}

/* ---- What is right --------------------------------------------------------------------------- */

static bool is_expected(int error)
{
    return error == RN_E_PROTOCOL || error == RN_E_CLOSED || error == RN_E_LIMIT ||
           error == RN_E_UNSUPPORTED || error == -RN_K_EACCES ||
           (bed.plan.silent && error == -RN_K_ETIMEDOUT) ||
           (bed.plan.reset && error == -RN_K_ECONNRESET);
}

static void check(const struct trace *trace)
{
    for (unsigned i = 0; i < CALLS; i++) {
        const struct result *result = &trace->calls[i];
        if (result->result < 0) {
            require(is_expected(result->result) && result->len == 0);
            continue;
        }
        require(result->status >= 100 && result->status <= 999);
        require(result->read_result == 0 || is_expected(result->read_result));
        if (result->taken || result->content_length == RN_HTTP_LENGTH_UNKNOWN) continue;
        require(result->len <= result->content_length);
        require(result->read_result < 0 || result->len == result->content_length);
    }
}

/* What comes unasked behind an answer closes a connection, or is the next answer, or what comes
 * through a tunnel; and an answer may come before or after the rest of the request: as chance has
 * it. */
static bool left_to_chance(const struct trace *trace)
{
    bool content = talk.shape & CONTENT;
    return trace->figures.reused || trace->figures.retried || trace->behind ||
           (content && (talk.shape & EXPECT || talk.body_len > ONE_SEND ||
                        (talk.shape & CONTENT) == 1));
}

static void compare(const struct trace *a, const struct trace *b)
{
    if (left_to_chance(a) || left_to_chance(b)) return;
    require(a->figures.requests == b->figures.requests);
    for (unsigned i = 0; i < CALLS; i++) {
        const struct result *x = &a->calls[i], *y = &b->calls[i];
        require(x->result == y->result && x->read_result == y->read_result);
        require(x->status == y->status && x->redirects == y->redirects && x->taken == y->taken);
        require(x->content_length == y->content_length && !strcmp(x->url, y->url));
        require(x->len == y->len && !memcmp(x->content, y->content, x->len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trace whole, cut;
    rn_bytes input = rn_bytes_of(data, size);
    if (size < SETTINGS || size > INPUT_MAX) return -1;
    bed_start_once();
    memset(body, 'b', sizeof body);
    bool silent = data[0] & 1;
    struct bed_plan plan = {.seed = data[5], .silent = silent};
    run(&whole, &plan, input);
    check(&whole);
    plan = (struct bed_plan){data[5], data[3] + 1u, data[4] % 5u, silent, false};
    run(&cut, &plan, input);
    check(&cut);
    compare(&whole, &cut);
    plan.silent = false;
    plan.reset = true;
    run(&cut, &plan, input);
    check(&cut);
    return 0;
}
