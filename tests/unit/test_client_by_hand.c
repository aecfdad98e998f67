/*
 * The HTTP and the WebSocket client on a worker that is driven by hand, in virtual time: what
 * happens in an order that a network rarely brings about.
 */
#include "by_hand.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <runnel/http_client.h>
#include <runnel/resolver.h>
#include <runnel/ws_client.h>

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CONNECT_TIMEOUT (5 * RN_SECOND)
#define STALL_TIMEOUT (7 * RN_SECOND)

static struct rn_http_client client;

/* ---- The peer -------------------------------------------------------------------------------- */

/* Some bytes are there for that receive. */
static void put_received(struct rn_op *op, const char *text)
{
    struct rn_completion done = {.op = op, .result = (int64_t)strlen(text)};
    void *to = op->arg.memory.ptr;
    if (op->code == RN_OP_RECV) {
        done.buf = rn_pool_take_reserved(rn_worker_pool(hand_worker(0)));
        assert_non_null(done.buf);
        done.buf->len = (uint32_t)strlen(text);
        to = done.buf->data;
    }
    memcpy(to, text, strlen(text));
    hand_put_done(hand_backend(0), done);
}

static void answer(const char *text)
{
    put_received(hand_op(RN_OP_RECV), text);
    hand_settle();
}

/* All that is to be sent now is. */
static void take_sent(void)
{
    struct rn_op *op = hand_op(RN_OP_SEND);
    hand_complete(op, (int64_t)op->arg.memory.len);
}

static bool sends(const char *text)
{
    const struct rn_op *op = hand_op(RN_OP_SEND);
    return memmem(op->arg.memory.ptr, op->arg.memory.len, text, strlen(text));
}

/* What the client closes is closed. */
static void let_close(void)
{
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++) {
        struct rn_op *op = hand_backend(0)->started[i];
        if (op->code != RN_OP_CLOSE) continue;
        close(op->fd);
        hand_complete(op, 0);
        i = (unsigned)-1;
    }
}

/* ---- Calls ----------------------------------------------------------------------------------- */

struct ask {
    struct rn_task task;
    rn_co co;
    struct rn_http_call call;
    bool takes; /* the connection, once it is a tunnel */
    bool lingers; /* over the head, for a second */
    struct rn_sleep linger;
    bool over;
    int result;
    unsigned status;
};

static enum rn_poll ask_run(struct rn_task *task, struct rn_cx *cx)
{
    struct ask *ask = rn_container_of(task, struct ask, task);
    struct rn_http_call *call = &ask->call;
    struct rn_buf *rest;
    rn_stream stream;
    RN_BEGIN(&ask->co);
    rn_http_call_start(call, cx, RN_BYTES("http://h/"));
    RN_AWAIT(&ask->co, &call->future, cx);
    ask->status = call->exchange.response.status;
    if (ask->lingers) {
        rn_sleep(&ask->linger, cx, RN_SECOND);
        RN_AWAIT(&ask->co, &ask->linger, cx);
    }
    if (ask->takes && call->result == 0) {
        rest = rn_http_call_take(call, &stream);
        rn_pool_put(rn_worker_pool(cx->worker), rest);
        close(stream.fd);
    }
    while (!ask->takes && call->result == 0) {
        rn_http_call_read(call, cx);
        RN_AWAIT(&ask->co, &call->future, cx);
        if (call->result < 0 || call->data.len == 0) break;
    }
    ask->result = call->result;
    rn_http_call_end(call);
    ask->over = true;
    RN_END(&ask->co);
}

static void ask_start(struct ask *ask, const char *method)
{
    ask->task.poll = ask_run;
    ask->call.client = &client;
    ask->call.method = method;
    assert_int_equal(rn_spawn(hand_worker(0), &ask->task), 0);
    hand_settle();
}

static void open_client(struct rn_http_client_options options)
{
    hand_open((struct rn_runtime_options){.buffer_size = 8192});
    options.connect_to = "127.0.0.1:9";
    options.connect_timeout = CONNECT_TIMEOUT;
    options.stall_timeout = STALL_TIMEOUT;
    assert_int_equal(rn_http_client_init(&client, hand_worker(0), &options), 0);
}

static void close_client(void)
{
    assert_non_null(rn_http_client_close(&client));
    hand_settle();
    let_close();
    rn_http_client_fini(&client);
    rn_resolver_stop(hand_worker(0));
    hand_close();
}

/* One call that goes well, whose connection is kept. */
static void open_kept(void)
{
    struct ask ask = {.over = false};
    open_client((struct rn_http_client_options){.idle_timeout = RN_NEVER});
    ask_start(&ask, "GET");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    take_sent();
    answer(HELLO);
    hand_pass(86400 * RN_SECOND);
    assert_true(ask.over && ask.result == 0);
    assert_int_equal(client.figures.idle, 1);
}

static const char *content; /* what there is to send; NULL: nothing as yet */
static unsigned given;      /* how often it was asked for */

static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    given++;
    if (!content) return -RN_K_EAGAIN;
    size_t left = strlen(content) - (size_t)at;
    assert_true(left <= cap);
    memcpy(to, content + at, left);
    return (rn_ssize)left;
}

/* A head that is sent, and content that isn't there yet. The pool, to take its buffers from. */
static struct rn_pool *put_without_content(struct ask *ask)
{
    open_client((struct rn_http_client_options){.connections_max = 1});
    content = NULL;
    ask_start(ask, "PUT");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    take_sent();
    return rn_worker_pool(hand_worker(0));
}

/* A server may switch before it has read the request, which is to be sent all the same (RFC 9110,
 * section 7.8). */
static void switched_too_early(void **state)
{
    struct ask ask = {.takes = true, .call = {.upgrade = true, .body_read = give,
                                              .body_length = RN_HTTP_LENGTH_UNKNOWN}};
    open_client((struct rn_http_client_options){.connections_max = 1});
    content = NULL;
    ask_start(&ask, "POST");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    assert_true(sends("POST / HTTP/1.1\r\n"));
    answer("HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    assert_false(ask.over);
    take_sent();
    assert_false(ask.over);
    content = "abc";
    rn_http_call_more(&ask.call);
    assert_true(sends("3\r\nabc\r\n"));
    take_sent();
    assert_true(sends("0\r\n\r\n"));
    assert_false(ask.over);
    take_sent();
    assert_true(ask.over);
    assert_int_equal(ask.status, 101);
    close_client();
}

/* A part of it may take as long as any other. */
static void switched_and_stalled(void **state)
{
    struct ask ask = {.takes = true, .call = {.upgrade = true, .body = "abc", .body_length = 3}};
    open_client((struct rn_http_client_options){.connections_max = 1});
    ask_start(&ask, "POST");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    answer("HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    hand_pass(STALL_TIMEOUT - 1);
    hand_op(RN_OP_SEND)->progress = 1;
    hand_pass(STALL_TIMEOUT - 1);
    assert_false(ask.over);
    hand_pass(STALL_TIMEOUT);
    assert_true(ask.over);
    assert_int_equal(ask.result, -RN_K_ETIMEDOUT);
    let_close();
    close_client();
}

/* The answer came before the request was read to its end, and the rest of it is never read. */
static void stuck_behind_another(void **state)
{
    struct ask first = {.call = {.body = "abc", .body_length = 3}}, second = {.over = false};
    open_client((struct rn_http_client_options){.connections_max = 1});
    ask_start(&first, "POST");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    answer(HELLO);
    assert_true(first.over && first.result == 0);
    ask_start(&second, "GET");
    assert_false(sends("GET"));
    hand_pass(STALL_TIMEOUT + RN_SECOND);
    assert_true(second.over);
    assert_int_equal(second.result, -RN_K_ETIMEDOUT);
    assert_int_equal(second.call.phase, RN_HTTP_SENDING);
    let_close();
    close_client();
}

/* Who means to wait for 100 (Continue) has a head to send first. */
static void head_that_is_stuck(void **state)
{
    struct ask ask = {.call = {.body = "abc", .body_length = 3, .expect_continue = true}};
    open_client((struct rn_http_client_options){.connections_max = 1});
    ask_start(&ask, "PUT");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    hand_pass(3 * STALL_TIMEOUT);
    assert_true(ask.over);
    assert_int_equal(ask.result, -RN_K_ETIMEDOUT);
    let_close();
    close_client();
}

/* A buffer to send with doesn't come free. */
static void no_buffer_for_content(void **state)
{
    struct ask ask = {.call = {.body_read = give, .body_length = 3}};
    struct rn_buf *taken[64];
    unsigned count = 0;
    struct rn_pool *pool = put_without_content(&ask);
    hand_pass(3 * STALL_TIMEOUT);
    assert_false(ask.over); /* that was the caller's own time */
    while ((taken[count] = rn_pool_take_reserved(pool))) count++;
    rn_http_call_more(&ask.call);
    hand_pass(3 * STALL_TIMEOUT);
    assert_true(ask.over);
    assert_int_equal(ask.result, -RN_K_ETIMEDOUT);
    while (count) rn_pool_put(pool, taken[--count]);
    let_close();
    close_client();
}

/* Content is not asked for between two connections. */
static void more_while_connecting(void **state)
{
    struct ask ask = {.call = {.body_read = give, .body_length = 3}};
    open_kept();
    content = NULL;
    ask_start(&ask, "PUT");
    take_sent();
    hand_complete(hand_op(RN_OP_RECV), 0);
    assert_int_equal(client.figures.retried, 1);
    content = "abc";
    given = 0;
    rn_http_call_more(&ask.call);
    assert_int_equal(given, 0);
    assert_false(hand_has(RN_OP_SEND));
    let_close();
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    assert_true(sends("PUT /") && sends("\r\n\r\nabc"));
    take_sent();
    answer(HELLO);
    assert_true(ask.over && ask.result == 0);
    close_client();
}

/* Who waited for 100 (Continue) on the old connection doesn't on the way to the new one. */
static void continued_elsewhere(void **state)
{
    struct ask ask = {.call = {.body = "abc", .body_length = 3, .expect_continue = true}};
    open_kept();
    ask_start(&ask, "PUT");
    take_sent();
    hand_complete(hand_op(RN_OP_RECV), 0);
    let_close();
    hand_pass(CONNECT_TIMEOUT + RN_SECOND);
    assert_false(hand_has(RN_OP_SEND));
    let_close();
    assert_true(ask.over);
    assert_int_equal(ask.result, -RN_K_ETIMEDOUT);
    assert_int_equal(ask.call.phase, RN_HTTP_CONNECTING);
    close_client();
}

struct next_in_line {
    struct rn_pool_wait wait;
    unsigned told;
};

static void note_told(struct rn_pool_wait *wait)
{
    rn_container_of(wait, struct next_in_line, wait)->told++;
}

/* Who waited for a buffer, and then was told that nobody wants the rest, isn't in the way of
 * others. */
static void stopped_while_waiting(void **state)
{
    struct ask ask = {.lingers = true, .call = {.body_read = give, .body_length = 3}};
    struct next_in_line next = {.wait.ready = note_told};
    struct rn_buf *taken[64];
    unsigned count = 0;
    struct rn_pool *pool = put_without_content(&ask);
    put_received(hand_op(RN_OP_RECV), "HTTP/1.1 400 B\r\nContent-Length: 0\r\n\r\n");
    while ((taken[count] = rn_pool_take_reserved(pool))) count++;
    rn_http_call_more(&ask.call);
    rn_pool_wait(pool, &next.wait);
    hand_settle();
    assert_int_equal(ask.status, 400);
    rn_pool_put(pool, taken[--count]);
    assert_int_equal(next.told, 1);
    rn_pool_wait_cancel(pool, &next.wait);
    while (count) rn_pool_put(pool, taken[--count]);
    hand_pass(2 * RN_SECOND);
    let_close();
    assert_true(ask.over && ask.result == 0);
    close_client();
}

/* A word too many, when all was sent, and no buffer is left. */
static void more_than_all(void **state)
{
    struct ask ask = {.call = {.body_read = give, .body_length = 3}};
    struct rn_buf *taken[64];
    struct rn_pool *pool;
    unsigned count = 0;
    open_client((struct rn_http_client_options){.connections_max = 1});
    content = "abc";
    ask_start(&ask, "PUT");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    take_sent();
    assert_int_equal(ask.call.phase, RN_HTTP_HEAD);
    pool = rn_worker_pool(hand_worker(0));
    put_received(hand_op(RN_OP_RECV), HELLO);
    while ((taken[count] = rn_pool_take_reserved(pool))) count++;
    rn_http_call_more(&ask.call);
    hand_settle();
    assert_true(ask.over && ask.result == 0);
    assert_int_equal(client.figures.idle, 1);
    while (count) rn_pool_put(pool, taken[--count]);
    close_client();
}

static rn_ssize fail_later(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    *(char *)to = 'x';
    return at ? -RN_K_EIO : 1;
}

/* What came is the caller's until he wants more, whatever becomes of what he sends. */
static void content_fails_beside_the_answer(void **state)
{
    struct ask ask = {.lingers = true,
                      .call = {.body_read = fail_later, .body_length = RN_HTTP_LENGTH_UNKNOWN}};
    open_client((struct rn_http_client_options){.connections_max = 1});
    ask_start(&ask, "POST");
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    answer(HELLO);
    assert_int_equal(ask.status, 200);
    take_sent();
    assert_memory_equal(ask.call.head, HELLO, sizeof HELLO - 1);
    hand_pass(2 * RN_SECOND);
    let_close();
    assert_true(ask.over);
    assert_int_equal(ask.result, -RN_K_EIO);
    close_client();
}

/* ---- Many that wait, and no slot to connect with --------------------------------------------- */

enum { CROWD = 3000, WORKER_STACK = 256 * 1024 /* as core/runtime.c has it */ };

struct crowd {
    struct rn_task task;
    struct rn_http_call *calls;
};

static enum rn_poll crowd_run(struct rn_task *task, struct rn_cx *cx)
{
    struct crowd *crowd = rn_container_of(task, struct crowd, task);
    if (cx->cancelled) return RN_READY;
    for (unsigned i = 0; i < CROWD && !crowd->calls[i].client; i++) {
        crowd->calls[i].client = &client;
        rn_http_call_start(&crowd->calls[i], cx, RN_BYTES("http://h/"));
    }
    return RN_PENDING;
}

static enum rn_poll idle_run(struct rn_task *task, struct rn_cx *cx)
{
    return cx->cancelled ? RN_READY : RN_PENDING;
}

static void *on_worker_stack(void *unused)
{
    let_close();
    return NULL;
}

static void a_crowd_fails_one_by_one(void **state)
{
    struct crowd crowd = {.task.poll = crowd_run,
                          .calls = calloc(CROWD, sizeof(struct rn_http_call))};
    struct rn_task idle[64];
    pthread_attr_t attributes;
    pthread_t thread;
    unsigned count = 0;
    open_client((struct rn_http_client_options){.connections_max = 1});
    assert_int_equal(rn_spawn(hand_worker(0), &crowd.task), 0);
    hand_settle();
    hand_complete(hand_op(RN_OP_CONNECT), 0);
    take_sent();
    assert_int_equal(client.figures.waiting, CROWD - 1);
    do idle[count] = (struct rn_task){.poll = idle_run};
    while (rn_spawn(hand_worker(0), &idle[count]) == 0 && ++count < RN_COUNT(idle));
    hand_complete(hand_op(RN_OP_RECV), 0);
    assert_int_equal(crowd.calls[0].result, RN_E_CLOSED);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, WORKER_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, on_worker_stack, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    assert_int_equal(client.figures.waiting, 0);
    for (unsigned i = 1; i < CROWD; i++) assert_int_equal(crowd.calls[i].result, -RN_K_ENOBUFS);
    for (unsigned i = 0; i < CROWD; i++) rn_http_call_end(&crowd.calls[i]);
    while (count) rn_task_cancel(rn_task_waker(hand_worker(0), &idle[--count]));
    rn_task_cancel(rn_task_waker(hand_worker(0), &crowd.task));
    hand_settle();
    free(crowd.calls);
    close_client();
}

/* ---- A WebSocket's end ----------------------------------------------------------------------- */

struct talk {
    struct rn_task task;
    rn_co co;
    struct rn_ws_client ws;
    bool connected, over;
};

static enum rn_poll talk_run(struct rn_task *task, struct rn_cx *cx)
{
    struct talk *talk = rn_container_of(task, struct talk, task);
    RN_BEGIN(&talk->co);
    rn_ws_client_connect(&talk->ws, cx, RN_BYTES("ws://h/"));
    RN_AWAIT(&talk->co, &talk->ws.connected, cx);
    talk->connected = talk->ws.connect_result == 0;
    rn_ws_client_close(&talk->ws, cx, RN_WS_NORMAL, RN_BYTES(""));
    RN_AWAIT(&talk->co, &talk->ws.closed, cx);
    talk->over = true;
    RN_END(&talk->co);
}

static const char *flood;

/* A peer that always has said something already. */
static void flood_submit(struct rn_backend *base, struct rn_op *op)
{
    hand_submit(base, op);
    if (op->code == RN_OP_RECV || op->code == RN_OP_RECV_INTO) put_received(op, flood);
}

static void two_seconds_at_most(void **state)
{
    static const char *const floods[] = {"\x82\x01x", "\x89\x01x", "\x02\x01x"};
    struct rn_backend_vt flood_vt = hand_vt;
    flood_vt.submit = flood_submit;
    for (size_t i = 0; i < RN_COUNT(floods); i++) {
        struct talk talk = {.task.poll = talk_run, .ws.http = &client};
        char switched[256], key[29] = "";
        open_client((struct rn_http_client_options){.connections_max = 1});
        assert_int_equal(rn_spawn(hand_worker(0), &talk.task), 0);
        hand_settle();
        hand_complete(hand_op(RN_OP_CONNECT), 0);
        take_sent();
        rn_ws_accept_key(rn_bytes_of(talk.ws.key, sizeof talk.ws.key), key);
        snprintf(switched, sizeof switched,
                 "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n", key);
        answer(switched);
        assert_true(talk.connected);
        flood = floods[i];
        hand_worker(0)->backend->vt = &flood_vt;
        struct rn_op *goodbye = hand_op(RN_OP_SEND);
        hand_put_done(hand_backend(0), (struct rn_completion){
                                           .op = goodbye, .result = goodbye->arg.memory.len});
        for (unsigned turn = 0; turn < 1000 && !hand_has(RN_OP_CLOSE); turn++) {
            hand_turn(0);
            hand_backend(0)->now += RN_SECOND / 50;
        }
        hand_worker(0)->backend->vt = &hand_vt;
        assert_true(hand_has(RN_OP_CLOSE));
        let_close();
        assert_true(talk.over);
        close_client();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switched_too_early),       cmocka_unit_test(switched_and_stalled),
        cmocka_unit_test(stuck_behind_another),     cmocka_unit_test(more_while_connecting),
        cmocka_unit_test(continued_elsewhere),      cmocka_unit_test(more_than_all),
        cmocka_unit_test(content_fails_beside_the_answer),
        cmocka_unit_test(head_that_is_stuck),       cmocka_unit_test(no_buffer_for_content),
        cmocka_unit_test(stopped_while_waiting),
        cmocka_unit_test(a_crowd_fails_one_by_one), cmocka_unit_test(two_seconds_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
