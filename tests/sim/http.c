/*
 * sim/http.c: HTTP clients of every manner against the real server. Each answer is compared byte
 * for byte with what that request must get, each request has one answer, in order, or its
 * connection fails visibly; and in weather in which nothing fails, none does.
 */
#include "site.h"

#include <stdio.h>
#include <strings.h>

#include "sys/sys.h"

enum { CLIENTS_MAX = 12, REQUESTS_MAX = 16, HEAD_MAX = 1024, BODY_MAX = 30000 };
static const rn_ns patience = 5000 * RN_SECOND, long_patience = 1000000 * RN_SECOND;

enum manner {
    POLITE,   /* sends all, reads all */
    RUDE,     /* goes away in the middle, with or without a reset */
    STALLING, /* stops in the middle of a request, and waits for what comes of it */
    DEAF,     /* doesn't read for a long time */
};

struct request {
    uint8_t kind;
    uint32_t key, len;
    bool head_only;
    bool chunked;
    bool expects; /* 100 (Continue); it doesn't wait for it, nor must it come */
};

enum reading { IN_HEAD, IN_BODY, IN_CHUNK_LINE, IN_CHUNK, BEHIND_CHUNK, IN_TRAILER };

struct client {
    struct rn_task reader, writer;
    rn_co reader_co, writer_co;
    struct rn_op reader_op, writer_op;
    struct rn_sleep reader_sleep, writer_sleep;
    struct rn_join join;
    rn_waker writer_waker;
    rn_stream stream;
    uint8_t manner;
    bool half_closes, asks_to_close;
    rn_ns delay;   /* before it comes */
    bool one_shot; /* one request on a connection, and all of it at once */
    rn_ns nap;     /* between reads: it takes its answers slowly */
    bool refused;  /* a body of its is too large: it may be cut off behind the answer */
    struct request requests[REQUESTS_MAX];
    unsigned count, answered;
    uint8_t *bytes; /* all requests, one behind the other */
    size_t len, sent, stop_at; /* a client that stops in the middle does so here */
    uint64_t read_limit; /* a rude one goes when it has read so much */
    uint64_t received;
    /* the answer that is being read */
    enum reading reading;
    char line[HEAD_MAX];
    size_t line_len;
    unsigned status;
    bool chunked, last;
    uint64_t left, at;
    bool failed;
};

static struct client clients[CLIENTS_MAX];
static uint32_t ended;
static uint32_t span; /* nanoseconds in which the clients come */
static uint32_t only; /* in this run all ask for this kind, or for any: REQUEST_KINDS */

void client_failed(const char *what, int64_t result)
{
    /* Nothing may hang as long as the network tells of what it loses. */
    bool hung = result == -RN_K_ETIMEDOUT && run.weather < STORMY;
    if ((run.weather < ROUGH && !site_stopped) || hung)
        fail("%s: %lld, and nothing should fail", what, (long long)result);
}

static void failed(struct client *client, const char *what, int64_t result)
{
    bool refused = site.crowded; /* by a 503, or by its end when it was idle and others waited */
    bool polite = client->manner == POLITE || (client->manner == DEAF && run.weather < ROUGH);
    if (polite && !client->failed && !refused) client_failed(what, result);
    client->failed = true;
}

/* ---- What it asks ---------------------------------------------------------------------------- */

static void append(struct client *client, const void *bytes, size_t len)
{
    memcpy(client->bytes + client->len, bytes, len);
    client->len += len;
}

static void append_body(struct client *client, const struct request *request)
{
    uint8_t *body = malloc(request->len + 1);
    char line[32];
    check(body);
    pattern_fill(body, request->len, request->key, 0);
    if (!request->chunked) {
        append(client, body, request->len);
    } else {
        for (uint32_t at = 0; at < request->len;) {
            uint32_t len = 1 + pick(chance(2) ? 20 : 3000);
            if (len > request->len - at) len = request->len - at;
            append(client, line, (size_t)snprintf(line, sizeof line, "%x\r\n", len));
            append(client, body + at, len);
            append(client, "\r\n", 2);
            at += len;
        }
        append(client, "0\r\n\r\n", 5);
    }
    free(body);
}

static bool has_body(const struct request *request)
{
    return request->kind == ECHO || request->kind == COLLECT || request->kind == LARGE;
}

static void append_request(struct client *client, const struct request *request, bool last)
{
    static const char *const formats[REQUEST_KINDS] = {
        [SMALL] = "/small/%u/%u",   [STREAM] = "/stream/%u/%u/%u", [TASK] = "/task/%u/%u",
        [SLICE] = "/slice/%u/%u",   [ECHO] = "/echo",              [COLLECT] = "/collect",
        [FILE_] = "/files/%u",      [MISSING] = "/none",           [LARGE] = "/collect",
    };
    char path[64], head[256];
    bool body = has_body(request);
    snprintf(path, sizeof path, formats[request->kind], request->key, request->len,
             request->chunked);
    int len = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: sim\r\n%s",
                       body ? "POST" : request->head_only ? "HEAD" : "GET", path,
                       last ? "Connection: close\r\n" : "");
    append(client, head, (size_t)len);
    if (body && !request->chunked)
        append(client, head,
               (size_t)snprintf(head, sizeof head, "Content-Length: %u\r\n", request->len));
    else if (body)
        append(client, "Transfer-Encoding: chunked\r\n", 28);
    if (request->expects) append(client, "Expect: 100-continue\r\n", 22);
    append(client, "\r\n", 2);
    if (body) append_body(client, request);
}

static void choose_request(struct request *request, uint32_t key)
{
    static const uint32_t most[REQUEST_KINDS] = {
        [SMALL] = 3000,         [STREAM] = BODY_MAX, [TASK] = BODY_MAX, [SLICE] = BODY_MAX,
        [ECHO] = BODY_MAX,      [COLLECT] = COLLECT_MAX,
    };
    request->kind = (uint8_t)(only == REQUEST_KINDS ? pick(REQUEST_KINDS) : only);
    request->key = key;
    request->chunked = chance(2);
    request->len = most[request->kind] ? pick(chance(2) ? 200 : most[request->kind]) : 0;
    if (request->kind == FILE_) {
        request->key = pick(SITE_FILES);
        request->len = site_file_len(request->key);
    }
    if (request->kind == LARGE) request->len = between(LARGE_MIN, LARGE_MAX);
    request->expects = has_body(request) && chance(4);
    request->head_only = !has_body(request) && chance(10);
}

/* ---- What it is answered --------------------------------------------------------------------- */

static const char *field(struct client *client, const char *name)
{
    size_t len = strlen(name);
    for (char *line = strstr(client->line, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            line += 3 + len;
            while (*line == ' ') line++;
            return line;
        }
    return NULL;
}

static void next_answer(struct client *client)
{
    client->answered++;
    client->reading = IN_HEAD;
    client->line_len = 0;
    client->at = 0;
}

static void on_head(struct client *client)
{
    const struct request *request = &client->requests[client->answered];
    if (client->answered == client->count) fail("an answer that nobody asked for");
    if (sscanf(client->line, "HTTP/1.1 %3u ", &client->status) != 1) fail("no status line");
    if (client->status == 100) {
        if (!request->expects) fail("100 (Continue) that nobody asked for");
        client->line_len = 0;
        return;
    }
    const char *length = field(client, "content-length"), *close = field(client, "connection");
    client->chunked = field(client, "transfer-encoding") != NULL;
    client->last = close && strncasecmp(close, "close", 5) == 0;
    client->left = length ? strtoull(length, NULL, 10) : 0;
    if (!length && !client->chunked && !request->head_only) fail("an answer without an end");
    if (length && client->chunked) fail("an answer with two ends");
    static const uint16_t refusals[REQUEST_KINDS] = {[MISSING] = 404, [LARGE] = 413};
    if (client->status == 200 && !refusals[request->kind]) {
        bool may_be_short = site.shrinking && request->kind == FILE_;
        if (length && client->left != request->len && !may_be_short)
            fail("an answer of %llu bytes instead of %u", (unsigned long long)client->left,
                 request->len);
    } else if (client->status != refusals[request->kind]) {
        if (client->status < 400) fail("status %u", client->status);
        failed(client, "status", client->status);
    }
    if (request->head_only && client->status != 408) { /* its method may not have come */
        next_answer(client);
    } else {
        client->reading = client->chunked ? IN_CHUNK_LINE : IN_BODY;
        client->line_len = 0;
        if (!client->chunked && !client->left) next_answer(client);
    }
}

/* Content, as much as there is. */
static size_t on_content(struct client *client, const uint8_t *bytes, size_t len)
{
    const struct request *request = &client->requests[client->answered];
    if (len > client->left) len = (size_t)client->left;
    if (client->status == 200) {
        if (client->at + len > request->len) fail("an answer that is too long");
        pattern_check(bytes, len, request->key, client->at, "an answer");
    }
    client->at += len;
    client->left -= len;
    if (client->left) return len;
    if (client->reading == IN_CHUNK) client->reading = BEHIND_CHUNK;
    else next_answer(client);
    return len;
}

static void on_line(struct client *client)
{
    const struct request *request = &client->requests[client->answered];
    switch (client->reading) {
    case IN_CHUNK_LINE:
        client->left = strtoull(client->line, NULL, 16);
        client->reading = client->left ? IN_CHUNK : IN_TRAILER;
        break;
    case BEHIND_CHUNK:
        if (client->line_len != 2) fail("a chunk without an end");
        client->reading = IN_CHUNK_LINE;
        break;
    case IN_TRAILER:
        if (client->line_len != 2) break;
        if (client->status == 200 && client->at != request->len)
            fail("an answer that is too short");
        next_answer(client);
        break;
    default: break;
    }
    client->line_len = 0;
}

static void on_bytes(struct client *client, const uint8_t *bytes, size_t len)
{
    client->received += len;
    while (len) {
        size_t used = 1;
        if (client->reading == IN_BODY || client->reading == IN_CHUNK) {
            used = on_content(client, bytes, len);
        } else {
            if (client->reading == IN_HEAD && client->answered == client->count)
                fail("bytes that nobody asked for");
            if (client->line_len == sizeof client->line - 1) fail("a head without an end");
            client->line[client->line_len++] = (char)*bytes;
            client->line[client->line_len] = 0;
            bool line = *bytes == '\n', head = client->reading == IN_HEAD;
            if (line && head && client->line_len >= 4 &&
                memcmp(client->line + client->line_len - 4, "\r\n\r\n", 4) == 0)
                on_head(client);
            else if (line && !head)
                on_line(client);
        }
        bytes += used;
        len -= used;
    }
}

/* ---- The connection -------------------------------------------------------------------------- */

static enum rn_poll write_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, writer);
    size_t len;
    RN_BEGIN(&client->writer_co);
    while (client->sent < client->stop_at) {
        if (!client->one_shot && chance(4)) {
            rn_sleep(&client->writer_sleep, cx, RN_MICROSECOND << pick(18));
            RN_AWAIT(&client->writer_co, &client->writer_sleep, cx);
        }
        len = client->stop_at - client->sent;
        if (!client->one_shot && chance(2)) len = 1 + pick((uint32_t)len);
        if (!client->one_shot && chance(8)) len = 1;
        rn_stream_write_all(client->stream, &client->writer_op, cx, client->bytes + client->sent,
                            len, rn_after(cx, long_patience));
        RN_AWAIT(&client->writer_co, &client->writer_op, cx);
        client->sent += client->writer_op.progress;
        if (client->writer_op.result < 0) break;
    }
    if (client->writer_op.result < 0 && client->writer_op.result != -RN_K_ECANCELED) {
        if (!client->refused) failed(client, "writing", client->writer_op.result);
    } else if (client->half_closes && client->writer_op.result >= 0) {
        rn_stream_shutdown(client->stream, &client->writer_op, cx, RN_K_SHUT_WR);
        RN_AWAIT(&client->writer_co, &client->writer_op, cx);
    }
    RN_END(&client->writer_co);
}

/* Whether there is more to read. */
static bool took(struct client *client, struct rn_cx *cx)
{
    struct rn_op *op = &client->reader_op;
    if (op->result > 0) {
        on_bytes(client, op->buf->data + op->buf->at, op->buf->len);
        rn_pool_put(rn_worker_pool(cx->worker), op->buf);
        if (client->manner == RUDE && client->received >= client->read_limit) return false;
        return client->answered < client->count || client->asks_to_close || client->half_closes;
    }
    bool all = client->answered == client->count;
    if (op->result < 0 && !(all && client->refused)) failed(client, "reading", op->result);
    else if (!all) failed(client, "an early end", client->answered);
    return false;
}

static enum rn_poll read_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, reader);
    struct rn_op *op = &client->reader_op;
    int result;
    RN_BEGIN(&client->reader_co);
    if (client->delay) {
        rn_sleep(&client->reader_sleep, cx, client->delay);
        RN_AWAIT(&client->reader_co, &client->reader_sleep, cx);
    }
    while ((result = rn_stream_open(&client->stream, cx->worker,
                                    rn_address_family(&site.address))) < 0) {
        failed(client, "socket", result);
        rn_sleep(&client->reader_sleep, cx, RN_SECOND);
        RN_AWAIT(&client->reader_co, &client->reader_sleep, cx);
    }
    rn_stream_connect(client->stream, op, cx, &site.address, rn_after(cx, patience));
    RN_AWAIT(&client->reader_co, op, cx);
    if (op->result < 0) {
        failed(client, "connecting", op->result);
    } else {
        client->writer.join = &client->join;
        check(rn_spawn(cx->worker, &client->writer) == 0);
        client->writer_waker = rn_task_waker(cx->worker, &client->writer);
        if (client->manner == DEAF) {
            rn_sleep(&client->reader_sleep, cx, 100 * RN_SECOND);
            RN_AWAIT(&client->reader_co, &client->reader_sleep, cx);
        }
        do {
            if (client->nap || chance(8)) {
                rn_sleep(&client->reader_sleep, cx,
                         client->nap ? client->nap : RN_MICROSECOND << pick(16));
                RN_AWAIT(&client->reader_co, &client->reader_sleep, cx);
            }
            rn_stream_recv(client->stream, op, cx, rn_after(cx, patience));
            RN_AWAIT(&client->reader_co, op, cx);
        } while (took(client, cx));
        rn_task_cancel(client->writer_waker);
        RN_AWAIT(&client->reader_co, &client->join, cx);
        if (client->manner == RUDE && chance(2))
            (void)!rn_socket_set(client->stream.fd, RN_SOCKET_LINGER, 0);
    }
    rn_stream_close(client->stream, op, cx);
    RN_AWAIT(&client->reader_co, op, cx);
    RN_END(&client->reader_co);
}

static void on_done(struct rn_task *task)
{
    struct client *client = rn_container_of(task, struct client, reader);
    bool polite = client->manner == POLITE || client->manner == DEAF;
    if (polite && run.weather < ROUGH && !site_stopped &&
        client->answered != client->count && !client->failed)
        fail("%u of %u requests were answered", client->answered, client->count);
    free(client->bytes);
    count_up(&ended);
}

static void start_client(struct client *client, struct rn_runtime *runtime, bool one_shot)
{
    memset(client, 0, sizeof *client);
    client->one_shot = one_shot;
    client->bytes = malloc(REQUESTS_MAX * (HEAD_MAX + 8 * (size_t)LARGE_MAX));
    check(client->bytes);
    client->manner = (uint8_t)(!one_shot && chance(3) ? between(RUDE, DEAF) : POLITE);
    client->count = one_shot ? 1 : 1 + pick(REQUESTS_MAX);
    client->asks_to_close = one_shot || chance(3);
    client->delay = one_shot ? pick(span) : 0;
    for (unsigned i = 0; i < client->count; i++) {
        struct request *request = &client->requests[i];
        choose_request(request, (uint32_t)(client - clients) << 8 | i);
        client->refused = request->kind == LARGE;
        if (client->refused) client->count = i + 1; /* the last one */
        append_request(client, request, client->asks_to_close && i + 1 == client->count);
    }
    client->stop_at = client->len;
    client->read_limit = pick(2000);
    if (run.weather < ROUGH && !one_shot && chance(8)) client->nap = between(1, 12) * RN_SECOND;
    client->half_closes = client->manner == POLITE && !one_shot && chance(4);
    if (client->manner == STALLING) client->stop_at = pick((uint32_t)client->len);
    if (client->manner == RUDE && chance(2)) client->stop_at = pick((uint32_t)client->len + 1);
    client->reader.poll = read_poll;
    client->writer.poll = write_poll;
    client->reader.done = on_done;
    rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))), &client->reader);
}

static void run_http(void)
{
    unsigned count = 1 + pick(CLIENTS_MAX);
    ended = 0;
    only = chance(2) ? pick(REQUEST_KINDS) : REQUEST_KINDS;
    site_stopped = false;
    site_open(count);
    struct rn_runtime *runtime = start_runtime(between(1, 2), pick_backend());
    bool trouble = chance(3);
    if (trouble) site_trouble();
    for (unsigned i = 0; i < count; i++) {
        start_client(&clients[i], runtime, false);
        if (chance(3)) rest(RN_MICROSECOND << pick(20));
    }
    if (trouble) {
        rest(RN_MICROSECOND << pick(24));
        site_recover();
    }
    site_end(&ended, count, chance(3) ? RN_MICROSECOND << pick(24) : RN_NEVER);
    stop_runtime(runtime);
}

const struct workload workload_http = {"http", run_http};

/* New servers take over the old ones' sockets while clients come: none of them may notice. */
static void run_upgrade(void)
{
    ended = 0;
    only = REQUEST_KINDS;
    site_stopped = false;
    span = 1u << between(12, 31);
    /* A server that ends waits a quarter of a second for what is on its way. */
    if (run.faults.delay_max > 100 * RN_MICROSECOND) run.faults.delay_max = 100 * RN_MICROSECOND;
    site_open(0);
    struct rn_runtime *runtime = start_runtime(between(1, 2), pick_backend());
    for (unsigned i = 0; i < CLIENTS_MAX; i++) start_client(&clients[i], runtime, true);
    for (unsigned i = 1 + pick(3); i; i--) {
        rest(pick(span / 2));
        site_upgrade();
    }
    await_count(&ended, CLIENTS_MAX);
    site_settle();
    site_close();
    stop_runtime(runtime);
}

const struct workload workload_upgrade = {"upgrade", run_upgrade};
