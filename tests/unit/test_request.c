/*
 * Requests with bodies, and handlers that answer later: in a task, or as the body comes.
 */
#include "http_bed.h"

static struct {
    unsigned started, cancelled, ended, aborted, refused;
} told;

/* ---- Handlers -------------------------------------------------------------------------------- */

struct slow {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    uint64_t at, length;
    rn_ns time;
};
_Static_assert(sizeof(struct slow) <= RN_REQUEST_STATE, "fits");

static void answer_text(struct rn_request *request, unsigned status, const char *text)
{
    assert_int_equal(rn_respond(request, status, "text/plain", text, strlen(text)), 0);
}

static void answer_path(struct rn_request *request)
{
    rn_bytes path = rn_request_path(request);
    assert_int_equal(rn_respond(request, 200, "text/plain", path.ptr, path.len), 0);
}

static void on_place(struct rn_request *request)
{
    rn_bytes place = rn_request_parameter(request, "place");
    assert_int_equal(rn_respond(request, 200, "text/plain", place.ptr, place.len), 0);
}

static enum rn_poll slow_run(struct rn_task *task, struct rn_cx *cx)
{
    struct slow *slow = rn_container_of(task, struct slow, task);
    struct rn_request *request = rn_request_of(task);
    RN_BEGIN(&slow->co);
    note(&told.started);
    rn_sleep(&slow->sleep, cx, slow->time);
    RN_AWAIT(&slow->co, &slow->sleep, cx);
    if (slow->sleep.result < 0) note(&told.cancelled);
    else answer_path(request);
    note(&told.ended);
    RN_END(&slow->co);
}

static void spawn_slow(struct rn_request *request, rn_ns time)
{
    struct slow *slow = rn_request_state(request);
    slow->time = time;
    if (rn_request_spawn(request, slow_run) == 0) return;
    note(&told.refused);
    answer_text(request, 503, "busy");
}

static void on_slow(struct rn_request *request) { spawn_slow(request, 30 * RN_MILLISECOND); }
static void on_endless(struct rn_request *request) { spawn_slow(request, 1000 * RN_SECOND); }

static enum rn_poll silent_run(struct rn_task *task, struct rn_cx *cx)
{
    struct slow *slow = rn_container_of(task, struct slow, task);
    RN_BEGIN(&slow->co);
    rn_sleep(&slow->sleep, cx, RN_MILLISECOND);
    RN_AWAIT(&slow->co, &slow->sleep, cx);
    if (slow->at == 1) {
        rn_response_start(rn_request_of(task), 200);
        rn_response_head(rn_request_of(task), NULL, 10);
        rn_response_write(rn_request_of(task), "half", 4);
    }
    RN_END(&slow->co);
}

static void on_silent(struct rn_request *request)
{
    struct slow *slow = rn_request_state(request);
    slow->at = rn_request_query(request).len;
    assert_int_equal(rn_request_spawn(request, silent_run), 0);
}

static void on_forgotten(struct rn_request *request) {}

/* "?length" of made content, from a task; a query that ends in "c" isn't told beforehand. */
static enum rn_poll stream_run(struct rn_task *task, struct rn_cx *cx)
{
    struct slow *slow = rn_container_of(task, struct slow, task);
    struct rn_request *request = rn_request_of(task);
    rn_bytes query = rn_request_query(request);
    uint8_t piece[3000];
    size_t len, taken;
    RN_BEGIN(&slow->co);
    slow->length = strtoull((const char *)query.ptr, NULL, 10);
    rn_response_start(request, 200);
    rn_response_head(request, NULL,
                     query.ptr[query.len - 1] == 'c' ? RN_LENGTH_UNKNOWN : slow->length);
    while (slow->at < slow->length && !cx->cancelled) {
        len = slow->length - slow->at;
        if (len > sizeof piece) len = sizeof piece;
        fill_made(piece, slow->at, len);
        taken = rn_response_write(request, piece, len);
        slow->at += taken;
        if (taken < len) RN_AWAIT(&slow->co, rn_request_writable(request), cx);
    }
    if (cx->cancelled) note(&told.cancelled);
    else rn_response_end(request);
    note(&told.ended);
    RN_END(&slow->co);
}

static void on_stream(struct rn_request *request)
{
    assert_int_equal(rn_request_spawn(request, stream_run), 0);
}

static enum rn_poll page_run(struct rn_task *task, struct rn_cx *cx)
{
    static uint8_t content[4096];
    struct rn_request *request = rn_request_of(task);
    fill_made(content, 0, sizeof content);
    assert_int_equal(rn_respond(request, 200, NULL, content, sizeof content), 0);
    return RN_READY;
}

static void on_collect(struct rn_request *request)
{
    char text[32];
    rn_bytes body = rn_request_body(request);
    for (size_t i = 0; i < body.len; i++) assert_int_equal(body.ptr[i], made_byte(i));
    if (rn_request_query(request).len) {
        assert_int_equal(rn_request_spawn(request, page_run), 0);
        return;
    }
    snprintf(text, sizeof text, "%zu", body.len);
    answer_text(request, 200, text);
}

/* Sends back what comes, as far as there is room for it: never more than 1,000 bytes at once. */
static size_t echo_body(struct rn_request *request, rn_bytes piece)
{
    if (!piece.ptr) {
        rn_response_end(request);
        return 0;
    }
    return rn_response_write(request, piece.ptr, piece.len < 1000 ? piece.len : 1000);
}

static void echo_aborted(struct rn_request *request) { note(&told.aborted); }

static void on_echo(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = echo_body,
                                                          .aborted = echo_aborted};
    rn_request_on(request, &callbacks);
    rn_response_start(request, 200);
    rn_response_head(request, NULL, rn_request_content_length(request));
}

/* Counts the body, and answers at its end. */
static size_t count_body(struct rn_request *request, rn_bytes piece)
{
    char text[32];
    uint64_t *count = rn_request_state(request);
    if (piece.ptr) {
        size_t taken = (piece.len + 1) / 2;
        for (size_t i = 0; i < taken; i++)
            assert_int_equal(piece.ptr[i], made_byte(*count + i));
        *count += taken;
        return taken;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)*count);
    answer_text(request, 200, text);
    return 0;
}

static void on_count(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = count_body,
                                                          .aborted = echo_aborted};
    rn_request_on(request, &callbacks);
}

static void on_ignore(struct rn_request *request) { answer_text(request, 200, "ignored"); }

/* Other tasks take all the places there are, until they are cancelled. */
static struct slow others[256];
static rn_waker wakers[256];
static unsigned other_count;

static enum rn_poll other_run(struct rn_task *task, struct rn_cx *cx)
{
    struct slow *slow = rn_container_of(task, struct slow, task);
    RN_BEGIN(&slow->co);
    rn_sleep(&slow->sleep, cx, 1000 * RN_SECOND);
    RN_AWAIT(&slow->co, &slow->sleep, cx);
    RN_END(&slow->co);
}

static void on_crowd(struct rn_request *request)
{
    struct rn_worker *worker = rn_request_worker(request);
    for (other_count = 0;; other_count++) {
        struct slow *slow = &others[other_count];
        assert_true(other_count < RN_COUNT(others));
        memset(slow, 0, sizeof *slow);
        slow->task.poll = other_run;
        int result = rn_spawn(worker, &slow->task);
        if (result == -ENOBUFS) break;
        assert_int_equal(result, 0);
        wakers[other_count] = rn_task_waker(worker, &slow->task);
    }
    answer_text(request, 200, "crowded");
}

static void on_leave(struct rn_request *request)
{
    for (unsigned i = 0; i < other_count; i++) rn_task_cancel(wakers[i]);
    answer_text(request, 200, "left");
}

static const struct rn_http_route routes[] = {
    {.path = "/slow/*", .handler = on_slow},
    {.path = "/endless", .handler = on_endless},
    {.path = "/silent", .handler = on_silent},
    {.path = "/forgotten", .handler = on_forgotten},
    {.path = "/stream", .handler = on_stream},
    {.methods = "POST", .path = "/collect", .handler = on_collect},
    {.methods = "POST", .path = "/echo", .handler = on_echo, .flags = RN_ROUTE_STREAM},
    {.methods = "POST", .path = "/count", .handler = on_count, .flags = RN_ROUTE_STREAM},
    {.methods = "POST", .path = "/ignore", .handler = on_ignore, .flags = RN_ROUTE_STREAM},
    {.path = "/crowd", .handler = on_crowd},
    {.path = "/leave", .handler = on_leave},
    {.path = "/at/:place/end", .handler = on_place},
    {.path = "/*", .handler = answer_path},
};

static void start(void)
{
    memset(&told, 0, sizeof told);
    bed_start(routes);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static void test_task(void **state)
{
    start();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("GET", "/slow/a", NULL), 200);
        assert_body("/slow/a", 7);
    }
    assert_int_equal(ask("HEAD", "/slow/a", NULL), 200);
    assert_field("Content-Length", "7");
    int fd = dial_and_send(GET("/slow/end"));
    shutdown(fd, SHUT_WR); /* has all it wants to say */
    read_answer(fd, false);
    assert_body("/slow/end", 9);
    assert_closed(fd);
    assert_int_equal(told.ended, 5);
    assert_int_equal(told.cancelled, 0);
    bed_stop();
}

static void test_pipelined_behind_tasks(void **state)
{
    static const char *const paths[] = {"/slow/1", "/2", "/3", "/slow/4", "/slow/5", "/6"};
    char requests[1024] = "";
    start();
    for (unsigned i = 0; i < RN_COUNT(paths); i++)
        sprintf(requests + strlen(requests), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
    int fd = dial_and_send(requests);
    for (unsigned i = 0; i < RN_COUNT(paths); i++) {
        read_answer(fd, false);
        assert_body(paths[i], strlen(paths[i]));
    }
    send_all(fd, requests);
    shutdown(fd, SHUT_WR); /* the end is told behind them */
    for (unsigned i = 0; i < RN_COUNT(paths); i++) {
        read_answer(fd, false);
        assert_body(paths[i], strlen(paths[i]));
    }
    assert_closed(fd);
    bed_stop();
}

/* A request finds the head of an earlier one in its place: the same, one that begins or ends like
 * it, or one that can't be known again. */
static void test_heads_again(void **state)
{
    static const struct {
        const char *text;
        int status;
        bool closes;
    } heads[] = {
        {"GET /at/a1/end HTTP/1.1\r\nHost: x\r\n\r\n", 200, false},
        {"GET /at/b1/end HTTP/1.1\r\nHost: x\r\n\r\n", 200, false},
        {"GET /at/a1/end HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n", 200, false},
        {"GET /at/a1/end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, true},
        {"GET /at/a1/end HTTP/1.0\r\n\r\n", 200, true},
        {"BREW x HTTP/1.1\r\nHost: x\r\n\r\n", 400, true},
        {"GET /at/a1/end HTTP/1.1\r\n\r\n", 400, true},
    };
    enum { COUNT = RN_COUNT(heads) };
    start();
    for (unsigned i = 0; i < 3 * COUNT * COUNT; i++) {
        unsigned pair[] = {i % COUNT, i / COUNT % COUNT};
        int fd = dial();
        for (unsigned j = 0; j < 2; j++) {
            const char *text = heads[pair[j]].text;
            size_t len = strlen(text), cut = i / (COUNT * COUNT) * (len - 1) / 2;
            send_bytes(fd, text, cut); /* one in three in a piece, the others in two */
            if (cut) nap();
            send_bytes(fd, text + cut, len - cut);
            read_answer(fd, false);
            assert_int_equal(answer.status, heads[pair[j]].status);
            if (answer.status == 200) assert_body(text + strlen("GET /at/"), 2);
            if (heads[pair[j]].closes) break;
        }
        close(fd);
    }
    bed_stop();
}

static void test_client_gone(void **state)
{
    enum { CLIENTS = 20 };
    int fds[CLIENTS];
    start();
    for (unsigned i = 0; i < CLIENTS; i++) fds[i] = dial_and_send(GET("/endless"));
    eventually(seen(&told.started) == CLIENTS);
    assert_int_equal(bed_figures().connections, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) hang_up(fds[i]);
    eventually(seen(&told.cancelled) == CLIENTS);
    assert_int_equal(seen(&told.ended), CLIENTS);
    bed_stop();
}

static void test_stop_cancels_tasks(void **state)
{
    start();
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    bed_stop();
    options.drain_timeout = 50 * RN_MILLISECOND;
    bed_start_with(&options);
    int fd = dial_and_send(GET("/endless"));
    eventually(seen(&told.started) == 1);
    rn_http_server_stop(bed_server);
    assert_int_equal(told.cancelled, 1);
    assert_reset(fd);
}

static void test_no_answer(void **state)
{
    start();
    assert_reset(dial_and_send(GET("/silent")));
    assert_reset(dial_and_send(GET("/silent?a"))); /* half an answer */
    assert_reset(dial_and_send(GET("/forgotten")));
    assert_int_equal(ask("GET", "/alive", NULL), 200);
    bed_stop();
}

static void test_no_slots(void **state)
{
    start();
    assert_int_equal(ask("GET", "/crowd", NULL), 200);
    assert_int_equal(ask("GET", "/slow/a", NULL), 503);
    assert_body("busy", 4);
    assert_int_equal(told.refused, 1);
    assert_int_equal(ask("GET", "/leave", NULL), 200);
    assert_int_equal(ask("GET", "/slow/a", NULL), 200);
    bed_stop();
}

static void test_task_streams(void **state)
{
    static const struct {
        const char *query, *length, *coding;
        size_t count;
    } cases[] = {
        {"0", "0", NULL, 0},
        {"1", "1", NULL, 1},
        {"1000000", "1000000", NULL, 1000000},
        {"0c", NULL, "chunked", 0},
        {"1c", NULL, "chunked", 1},
        {"16000c", NULL, "chunked", 16000},
        {"1000000c", NULL, "chunked", 1000000},
    };
    start();
    for (unsigned i = 0; i < RN_COUNT(cases); i++) {
        char request[128];
        snprintf(request, sizeof request, "GET /stream?%s HTTP/1.1\r\nHost: x\r\n\r\n" GET("/next"),
                 cases[i].query);
        int fd = dial_and_send(request);
        read_answer(fd, false);
        assert_made(cases[i].count);
        assert_field("Content-Length", cases[i].length);
        assert_field("Transfer-Encoding", cases[i].coding);
        read_answer(fd, false);
        assert_body("/next", 5);
        close(fd);
        snprintf(request, sizeof request, "GET /stream?%s HTTP/1.0\r\n\r\n", cases[i].query);
        fd = dial_and_send(request); /* to the end of the connection */
        read_answer(fd, false);
        assert_made(cases[i].count);
        assert_field("Transfer-Encoding", NULL);
        assert_closed(fd);
    }
    assert_int_equal(ask("HEAD", "/stream?1000000", NULL), 200);
    assert_field("Content-Length", "1000000");
    assert_int_equal(told.cancelled, 0);
    bed_stop();
}

/* The client goes away while the task waits for room. */
static void test_stream_cut(void **state)
{
    start();
    for (unsigned i = 1; i <= 5; i++) {
        int fd = dial_and_send(GET("/stream?100000000c"));
        read_answer_head(fd);
        hang_up(fd);
        eventually(seen(&told.cancelled) == i);
    }
    assert_int_equal(told.ended, 5);
    bed_stop();
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

/* A request with `len` bytes of made content: whole, or in chunks of that size. */
static size_t make_request(uint8_t *to, const char *target, const char *fields, size_t len,
                           size_t chunk)
{
    size_t at = (size_t)sprintf((char *)to, "POST %s HTTP/1.1\r\nHost: x\r\n%s", target, fields);
    if (!chunk) {
        at += (size_t)sprintf((char *)to + at, "Content-Length: %zu\r\n\r\n", len);
        fill_made(to + at, 0, len);
        return at + len;
    }
    at += (size_t)sprintf((char *)to + at, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t done = 0; done < len; done += chunk) {
        if (chunk > len - done) chunk = len - done;
        at += (size_t)sprintf((char *)to + at, "%zx\r\n", chunk);
        fill_made(to + at, done, chunk);
        at += chunk;
        at += (size_t)sprintf((char *)to + at, "\r\n");
    }
    return at + (size_t)sprintf((char *)to + at, "0\r\n\r\n");
}

static uint8_t big[2000000];

static size_t head_length(void)
{
    return (size_t)(strstr((char *)big, "\r\n\r\n") + 4 - (char *)big);
}

/* Head and body share a buffer of 32 KiB. */
static void test_collect(void **state)
{
    static const size_t chunks[] = {0, 100000, 1000, 7};
    enum { TOGETHER = 32768 - sizeof(struct rn_buf) };
    char count[32];
    start();
    for (unsigned i = 0; i < RN_COUNT(chunks); i++) {
        make_request(big, "/collect", "", 10000, chunks[i]);
        size_t most = TOGETHER - head_length();
        const size_t sizes[] = {0, 1, 5000, most - 1, most};
        for (unsigned k = 0; k < RN_COUNT(sizes); k++) {
            size_t len = make_request(big, "/collect", "", sizes[k], chunks[i]);
            int fd = dial();
            send_bytes(fd, big, len);
            send_all(fd, GET("/next"));
            read_answer(fd, false);
            assert_int_equal(answer.status, 200);
            sprintf(count, "%zu", sizes[k]);
            assert_body(count, strlen(count));
            read_answer(fd, false);
            assert_body("/next", 5);
            close(fd);
        }
        size_t len = make_request(big, "/collect", "", most + 1, chunks[i]);
        int fd = dial();
        send_bytes(fd, big, len);
        read_answer(fd, false);
        assert_int_equal(answer.status, 413);
        assert_field("Connection", "close");
        assert_closed(fd);
    }
    bed_stop();
}

/* A task has room for its answer whatever head and body leave of the buffer. */
static void test_collect_then_task(void **state)
{
    static const size_t sizes[] = {0, 100, 11000, 11500, 12000, 16000, 16200};
    start();
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        size_t len = make_request(big, "/collect?task", "", sizes[i], 0);
        int fd = dial();
        for (int k = 0; k < 3; k++) send_bytes(fd, big, len);
        for (int k = 0; k < 3; k++) {
            read_answer(fd, false);
            assert_int_equal(answer.status, 200);
            assert_made(4096);
        }
        close(fd);
    }
    bed_stop();
}

static void test_expect_continue(void **state)
{
    static const char *const targets[] = {"/collect", "/count", "/ignore"};
    start();
    for (unsigned i = 0; i < RN_COUNT(targets); i++) {
        size_t len = make_request(big, targets[i], "Expect: 100-continue\r\n", 5000, 0);
        size_t head = head_length();
        int fd = dial();
        send_bytes(fd, big, head);
        read_answer_head(fd);
        if (i < 2) {
            assert_int_equal(answer.status, 100);
            send_bytes(fd, big + head, len - head);
            read_answer(fd, false);
            assert_body("5000", 4);
        } else { /* answered without it: then the body isn't to come, and nothing behind it */
            assert_int_equal(answer.status, 200);
            assert_field("Connection", "close");
            read_body(fd, 7);
            assert_closed(fd);
            continue;
        }
        close(fd);
        fd = dial(); /* it didn't wait */
        send_bytes(fd, big, len);
        read_answer_head(fd);
        if (answer.status == 100) read_answer_head(fd);
        assert_int_equal(answer.status, 200);
        close(fd);
    }
    make_request(big, "/collect", "Expect: 100-continue\r\n", 1000000, 0);
    int fd = dial();
    send_bytes(fd, big, head_length());
    read_answer(fd, false);
    assert_int_equal(answer.status, 413);
    close(fd);
    bed_stop();
}

static void post_big(int fd, const char *target, size_t len, size_t chunk)
{
    struct sender sender;
    sender_start(&sender, fd, big, make_request(big, target, "", len, chunk));
    read_answer(fd, false);
    sender_join(&sender);
}

static void test_stream_body(void **state)
{
    static const size_t sizes[] = {0, 1, 999, 1000, 1001, 16384, 100000, 1000000};
    static const size_t chunks[] = {0, 1000000, 30000, 500, 3};
    char count[32];
    start();
    int fd = dial();
    for (unsigned i = 0; i < RN_COUNT(chunks); i++) {
        for (unsigned k = 0; k < RN_COUNT(sizes); k++) {
            if (chunks[i] == 3 && sizes[k] > 20000) continue;
            post_big(fd, "/echo", sizes[k], chunks[i]);
            assert_int_equal(answer.status, 200);
            assert_made(sizes[k]);
            post_big(fd, "/count", sizes[k], chunks[i]);
            sprintf(count, "%zu", sizes[k]);
            assert_body(count, strlen(count));
        }
    }
    close(fd);
    assert_int_equal(told.aborted, 0);
    bed_stop();
}

/* A body that nobody reads is read past, or, when it is long, the connection ends. */
static void test_ignored_body(void **state)
{
    char byte;
    start();
    int fd = dial();
    post_big(fd, "/ignore", 200000, 0);
    assert_body("ignored", 7);
    post_big(fd, "/ignore", 200000, 1000);
    assert_body("ignored", 7);
    send_all(fd, GET("/next"));
    read_answer(fd, false);
    assert_body("/next", 5);
    post_big(fd, "/ignore", 1900000, 0);
    assert_body("ignored", 7);
    ssize_t end = receive(fd, &byte, 1);
    assert_true(end == 0 || (end < 0 && errno == ECONNRESET));
    assert_int_equal(ask("POST", "/ignore", "Content-Length: 0\r\n"), 200);
    close(fd);
    bed_stop();
}

static void test_body_cut(void **state)
{
    start();
    for (unsigned i = 1; i <= 4; i++) {
        size_t len = make_request(big, i & 1 ? "/count" : "/echo", "", 5000, i & 2 ? 1000 : 0);
        int fd = dial();
        send_bytes(fd, big, len - 1);
        if (i > 2) {
            shutdown(fd, SHUT_WR);
            assert_reset(fd);
        } else {
            eventually(bed_figures().bytes_in > 0);
            hang_up(fd);
        }
        eventually(seen(&told.aborted) == i);
    }
    int fd = dial_and_send("POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "5\r\n");
    send_bytes(fd, "\0\7\16\25\34x", 6); /* no CRLF behind the chunk */
    read_answer(fd, false);
    assert_int_equal(answer.status, 400);
    assert_closed(fd);
    assert_int_equal(seen(&told.aborted), 5);
    assert_int_equal(bed_figures().errors, 1);
    bed_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_each(test_task),
        on_each(test_pipelined_behind_tasks),
        on_each(test_heads_again),
        on_each(test_client_gone),
        on_each(test_stop_cancels_tasks),
        on_each(test_no_answer),
        on_each(test_no_slots),
        on_each(test_task_streams),
        on_each(test_stream_cut),
        on_each(test_collect),
        on_each(test_collect_then_task),
        on_each(test_expect_continue),
        on_each(test_stream_body),
        on_each(test_ignored_body),
        on_each(test_body_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
