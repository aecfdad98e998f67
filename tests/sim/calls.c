/*
 * sim/calls.c: calls of the HTTP client to the server, over few connections that are kept, with
 * content both ways. Every byte is compared; where nothing fails every call succeeds; in any
 * weather each ends by its deadlines, and at the end nothing is left of the client.
 */
#include "site.h"

#include <stdio.h>

#include <runnel/resolver.h>

enum { CALLERS_MAX = 8, CALLS_MAX = 12, CONTENT_MAX = 20000, PATIENCE_S = 300,
       CROWD = 25 /* more than any limit of the server's connections */ };

struct caller {
    struct rn_task task;
    rn_co co;
    struct rn_http_call call;
    struct rn_sleep sleep;
    char url[64];
    unsigned left; /* calls */
    uint32_t key, len, got;
    uint8_t kind; /* enum request_kind */
    bool sends, leaves_early;
};

static struct caller callers[CALLERS_MAX];
static uint32_t ended;

static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    const struct caller *caller = rn_container_of(call, struct caller, call);
    uint32_t left = caller->len - (uint32_t)at;
    if (chance(2)) cap = 1 + pick((uint32_t)cap);
    if (cap > left) cap = left;
    pattern_fill(to, cap, caller->key, at);
    return (rn_ssize)cap;
}

static void choose_call(struct caller *caller)
{
    static const uint8_t kinds[] = {SMALL, STREAM, TASK, SLICE, ECHO, COLLECT, FILE_, MISSING};
    static const char *const paths[REQUEST_KINDS] = {
        [SMALL] = "small/%u/%u", [STREAM] = "stream/%u/%u/%u", [TASK] = "task/%u/%u",
        [SLICE] = "slice/%u/%u", [ECHO] = "echo",              [COLLECT] = "collect",
        [FILE_] = "files/%u",    [MISSING] = "none",
    };
    struct rn_http_call *call = &caller->call;
    char path[48];
    *call = (struct rn_http_call){.client = &http_client};
    caller->kind = kinds[pick(RN_COUNT(kinds))];
    caller->key = caller->kind == FILE_ ? pick(SITE_FILES) : pick(1000);
    caller->len = pick(chance(2) ? 200 : caller->kind == SMALL || caller->kind == COLLECT
                                             ? COLLECT_MAX : CONTENT_MAX);
    if (caller->kind == FILE_) caller->len = site_file_len(caller->key);
    caller->sends = caller->kind == ECHO || caller->kind == COLLECT;
    caller->leaves_early = chance(10);
    caller->got = 0;
    snprintf(path, sizeof path, paths[caller->kind], caller->key, caller->len, pick(2));
    snprintf(caller->url, sizeof caller->url, "http://%s/%s", chance(3) ? "one" : "two", path);
    if (caller->sends) {
        call->method = "POST";
        call->body_read = give;
        call->body_length = caller->len && chance(2) ? caller->len : RN_HTTP_LENGTH_UNKNOWN;
        call->expect_continue = chance(4);
    } else if (chance(10)) {
        call->method = "HEAD";
    }
    call->no_reuse = chance(10);
}

/* It is full, ends, or something failed on its side. */
static bool is_refusal(const struct caller *caller)
{
    unsigned status = caller->call.exchange.response.status;
    if (status < 400 || (status == 404 && caller->kind == MISSING)) return false;
    return run.weather >= ROUGH || (status == 503 && (site.crowded || site_stopped));
}

static void check_head(struct caller *caller)
{
    struct rn_http_call *call = &caller->call;
    unsigned status = call->exchange.response.status;
    if (call->result < 0) {
        /* It may not have come through that there are too many. */
        if (!site.crowded) client_failed("a call", call->result);
    } else if (!is_refusal(caller)) {
        if (status != (caller->kind == MISSING ? 404 : 200)) fail("status %u", status);
        if (status == 200 && call->content_length != RN_HTTP_LENGTH_UNKNOWN && !call->method)
            check(call->content_length == caller->len);
    }
}

/* A piece, the end, or an error: false when there is nothing more to be had. */
static bool took(struct caller *caller)
{
    struct rn_http_call *call = &caller->call;
    bool compared = caller->kind != MISSING && !is_refusal(caller);
    if (call->result < 0) {
        if (!is_refusal(caller)) client_failed("content", call->result);
        return false;
    }
    if (compared && call->data.len)
        pattern_check(call->data.ptr, call->data.len, caller->key, caller->got, "content");
    caller->got += (uint32_t)call->data.len;
    bool head = call->method && call->method[0] == 'H';
    if (compared && !call->data.len) check(caller->got == (head ? 0 : caller->len));
    return call->data.len;
}

static enum rn_poll call_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct caller *caller = rn_container_of(task, struct caller, task);
    struct rn_http_call *call = &caller->call;
    RN_BEGIN(&caller->co);
    for (; caller->left; caller->left--) {
        choose_call(caller);
        rn_http_call_start(call, cx, rn_bytes_of(caller->url, strlen(caller->url)));
        RN_AWAIT(&caller->co, &call->future, cx);
        check_head(caller);
        while (call->result == 0 && !(caller->leaves_early && chance(3))) {
            if (chance(8)) {
                rn_sleep(&caller->sleep, cx, RN_MICROSECOND << pick(16));
                RN_AWAIT(&caller->co, &caller->sleep, cx);
            }
            rn_http_call_read(call, cx);
            RN_AWAIT(&caller->co, &call->future, cx);
            if (!took(caller)) break;
        }
        rn_http_call_end(call);
        if (chance(4)) {
            rn_sleep(&caller->sleep, cx, RN_MICROSECOND << pick(chance(4) ? 26 : 16));
            RN_AWAIT(&caller->co, &caller->sleep, cx);
        }
    }
    RN_END(&caller->co);
}

static void on_done(struct rn_task *task) { count_up(&ended); }

/* ---- The client ------------------------------------------------------------------------------ */

struct rn_http_client http_client;

void http_client_open(struct rn_worker *worker, struct rn_http_client_options options)
{
    static char address[RN_ADDRESS_TEXT_MAX];
    rn_address_format(&site.address, address);
    options.connect_to = address;
    options.connect_timeout = options.head_timeout = options.stall_timeout =
        PATIENCE_S * RN_SECOND;
    while (rn_http_client_init(&http_client, worker, &options) < 0) check(run.weather >= ROUGH);
}

static struct rn_task closer;
static rn_co closer_co;
static struct rn_future *closing;
static uint32_t closed;

static enum rn_poll close_poll(struct rn_task *task, struct rn_cx *cx)
{
    RN_BEGIN(&closer_co);
    closing = rn_http_client_close(&http_client);
    RN_AWAIT(&closer_co, closing, cx);
    rn_resolver_stop(cx->worker);
    RN_END(&closer_co);
}

static void on_closed(struct rn_task *task) { count_up(&closed); }

void http_client_close(struct rn_worker *worker)
{
    closer = (struct rn_task){.poll = close_poll, .done = on_closed};
    closer_co.line = closed = 0;
    rn_spawn_remote(worker, &closer);
    await_count(&closed, 1);
    rn_http_client_fini(&http_client);
}

static void run_calls(void)
{
    unsigned count = 1 + pick(CALLERS_MAX);
    ended = 0;
    site_stopped = false;
    site_open(chance(3) ? CROWD : 0);
    struct rn_runtime *runtime = start_runtime(1, pick_backend());
    http_client_open(rn_runtime_worker(runtime, 0), (struct rn_http_client_options){
        .connections_max = between(1, 4), /* with two buffers each, of eight at least */
        .connections_per_host_max = between(1, 4),
        .idle_timeout = RN_MILLISECOND << pick(16),
    });
    for (unsigned i = 0; i < count; i++) {
        callers[i] = (struct caller){.task.poll = call_poll, .task.done = on_done,
                                     .left = 1 + pick(CALLS_MAX)};
        rn_spawn_remote(rn_runtime_worker(runtime, 0), &callers[i].task);
        if (chance(3)) rest(RN_MICROSECOND << pick(20));
    }
    site_end(&ended, count, chance(4) ? RN_MICROSECOND << pick(24) : RN_NEVER);
    http_client_close(rn_runtime_worker(runtime, 0));
    stop_runtime(runtime);
}

const struct workload workload_calls = {"calls", run_calls};
