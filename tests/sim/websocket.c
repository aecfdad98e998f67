/*
 * sim/websocket.c: WebSocket clients against the echo of the real server: every message comes back
 * once, whole, in order, or the connection fails visibly.
 */
#include "site.h"

#include <stdio.h>

#include "sys/sys.h"

enum { CLIENTS_MAX = 6, MESSAGES_MAX = 12, MESSAGE_MAX = 9000, FRAME_MAX = 4000 };
static const rn_ns patience = 5000 * RN_SECOND;

struct client {
    struct rn_task reader, writer;
    rn_co reader_co, writer_co;
    struct rn_op reader_op, writer_op;
    struct rn_sleep reader_sleep, writer_sleep;
    struct rn_join join;
    rn_waker writer_waker;
    rn_stream stream;
    struct rn_ws ws;
    uint32_t lens[MESSAGES_MAX];
    unsigned count, echoed;   /* messages */
    unsigned sent;            /* messages whose last frame went out */
    uint32_t sent_of, echoed_of; /* bytes of the present one */
    char head[512];
    size_t head_len;
    bool upgraded, closed, failed;
    char key[24];
    uint8_t frame[RN_WS_HEADER_MAX + FRAME_MAX];
    uint8_t held[RN_WS_INPUT_MIN]; /* input that the machine left */
    size_t held_len;
};

static struct client clients[CLIENTS_MAX];
static uint32_t ended;

static void failed(struct client *client, const char *what, int64_t result)
{
    bool refused = site.crowded && !client->upgraded;
    if (!client->failed && !refused) client_failed(what, result);
    client->failed = true;
}

static uint32_t key_of(const struct client *client, unsigned message)
{
    return (uint32_t)(client - clients) << 8 | message;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* The next frame of the next message; returns its length. */
static size_t make_frame(struct client *client)
{
    uint32_t left = client->lens[client->sent] - client->sent_of;
    uint32_t len = left < FRAME_MAX ? left : FRAME_MAX;
    if (len > 1 && chance(3)) len = 1 + pick(len - 1);
    uint8_t mask[4] = {(uint8_t)pick(256), (uint8_t)pick(256), (uint8_t)pick(256), 7};
    bool last = len == left;
    size_t at = rn_ws_header(client->frame, last,
                             client->sent_of ? RN_WS_CONTINUATION : RN_WS_BINARY, len, mask);
    pattern_fill(client->frame + at, len, key_of(client, client->sent), client->sent_of);
    rn_ws_mask(client->frame + at, len, mask, 0);
    if (last) {
        client->sent++;
        client->sent_of = 0;
    } else {
        client->sent_of += len;
    }
    return at + len;
}

static size_t make_close(struct client *client)
{
    uint8_t mask[4] = {1, 2, 3, 4}, payload[RN_WS_CONTROL_MAX];
    size_t len = rn_ws_close_payload(payload, RN_WS_NORMAL, RN_BYTES("bye"));
    size_t at = rn_ws_header(client->frame, true, RN_WS_CLOSE, len, mask);
    memcpy(client->frame + at, payload, len);
    rn_ws_mask(client->frame + at, len, mask, 0);
    return at + len;
}

static enum rn_poll write_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, writer);
    RN_BEGIN(&client->writer_co);
    while (client->sent < client->count && client->writer_op.result >= 0) {
        if (chance(4)) {
            rn_sleep(&client->writer_sleep, cx, RN_MICROSECOND << pick(16));
            RN_AWAIT(&client->writer_co, &client->writer_sleep, cx);
        }
        rn_stream_write_all(client->stream, &client->writer_op, cx, client->frame,
                            make_frame(client), rn_after(cx, patience));
        RN_AWAIT(&client->writer_co, &client->writer_op, cx);
    }
    if (client->writer_op.result < 0 && client->writer_op.result != -RN_K_ECANCELED)
        failed(client, "writing", client->writer_op.result);
    RN_END(&client->writer_co);
}

/* ---- Reading --------------------------------------------------------------------------------- */

bool echo_ends(const struct rn_ws_event *event, uint32_t key, uint32_t len, uint32_t *at)
{
    check(event->opcode == RN_WS_BINARY);
    check(event->first == (*at == 0) || event->data.len == 0);
    pattern_check(event->data.ptr, event->data.len, key, *at, "an echo");
    *at += (uint32_t)event->data.len;
    if (!event->last) return false;
    if (*at != len) fail("an echo of another length");
    *at = 0;
    return true;
}

static void on_event(struct client *client, const struct rn_ws_event *event)
{
    if (event->kind == RN_WS_EVENT_ERROR) fail("the server breaks the protocol: %u", event->code);
    if (event->kind == RN_WS_EVENT_CLOSE) {
        client->closed = true;
        if (client->echoed < client->count) failed(client, "closed by the server", event->code);
    }
    if (event->kind != RN_WS_EVENT_DATA) return;
    if (client->echoed >= client->sent + (client->sent_of != 0)) fail("an echo of nothing");
    if (echo_ends(event, key_of(client, client->echoed), client->lens[client->echoed],
                  &client->echoed_of))
        client->echoed++;
}

static void on_frames(struct client *client, const uint8_t *bytes, size_t len)
{
    uint8_t input[sizeof client->held + 16384 + 1];
    struct rn_ws_event event;
    check(client->held_len + len <= sizeof input);
    memcpy(input, client->held, client->held_len);
    memcpy(input + client->held_len, bytes, len);
    len += client->held_len;
    size_t at = 0;
    do {
        at += rn_ws_next(&client->ws, input + at, len - at, &event);
        on_event(client, &event);
    } while (event.kind != RN_WS_EVENT_NONE && event.kind != RN_WS_EVENT_CLOSE);
    client->held_len = len - at;
    if (client->closed) client->held_len = 0;
    check(client->held_len < sizeof client->held);
    memcpy(client->held, input + at, client->held_len);
}

/* Takes the head of the answer to the upgrade, and leaves what is behind it. */
static size_t on_head(struct client *client, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    while (used < len && !client->upgraded) {
        check(client->head_len < sizeof client->head - 1);
        client->head[client->head_len++] = (char)bytes[used++];
        client->upgraded = client->head_len >= 4 &&
                           memcmp(client->head + client->head_len - 4, "\r\n\r\n", 4) == 0;
    }
    if (!client->upgraded) return used;
    if (strncmp(client->head, "HTTP/1.1 101 ", 13) != 0) {
        client->upgraded = false;
        failed(client, "no upgrade", 0);
        return used;
    }
    const char *accept = strstr(client->head, "Sec-WebSocket-Accept: ");
    if (!accept || !rn_ws_accept_valid(rn_bytes_of(client->key, sizeof client->key),
                                       rn_bytes_of(accept + 22, 28)))
        fail("a wrong answer to the upgrade");
    return used;
}

static void on_bytes(struct client *client, const uint8_t *bytes, size_t len)
{
    size_t used = client->upgraded ? 0 : on_head(client, bytes, len);
    if (client->upgraded && !client->failed && !client->closed)
        on_frames(client, bytes + used, len - used);
}

/* ---- The connection -------------------------------------------------------------------------- */

static size_t make_upgrade(struct client *client)
{
    uint8_t random[16];
    for (unsigned i = 0; i < sizeof random; i++) random[i] = (uint8_t)pick(256);
    rn_ws_client_key(random, client->key);
    return (size_t)snprintf((char *)client->frame, sizeof client->frame,
                            "GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: %.24s\r\n\r\n",
                            client->key);
}

/* Whether to go on reading, as far as this op is concerned. */
static bool took(struct client *client, struct rn_cx *cx)
{
    struct rn_op *op = &client->reader_op;
    if (op->result <= 0) {
        if (op->result < 0) failed(client, "reading", op->result);
        else if (!client->closed) failed(client, "an early end", client->echoed);
        client->closed = true;
        return false;
    }
    on_bytes(client, op->buf->data + op->buf->at, op->buf->len);
    rn_pool_put(rn_worker_pool(cx->worker), op->buf);
    return !client->failed;
}

static enum rn_poll read_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, reader);
    struct rn_op *op = &client->reader_op;
    int result;
    RN_BEGIN(&client->reader_co);
    while ((result = rn_stream_open(&client->stream, cx->worker,
                                    rn_address_family(&site.address))) < 0) {
        failed(client, "socket", result);
        rn_sleep(&client->reader_sleep, cx, RN_SECOND);
        RN_AWAIT(&client->reader_co, &client->reader_sleep, cx);
    }
    client->failed = false;
    rn_stream_connect(client->stream, op, cx, &site.address, rn_after(cx, patience));
    RN_AWAIT(&client->reader_co, op, cx);
    if (op->result == 0) {
        rn_stream_write_all(client->stream, op, cx, client->frame, make_upgrade(client),
                            rn_after(cx, patience));
        RN_AWAIT(&client->reader_co, op, cx);
    }
    if (op->result < 0) failed(client, "connecting", op->result);
    while (!client->failed && !client->upgraded) {
        rn_stream_recv(client->stream, op, cx, rn_after(cx, patience));
        RN_AWAIT(&client->reader_co, op, cx);
        if (!took(client, cx)) break;
    }
    if (client->upgraded && !client->failed) {
        client->writer.join = &client->join;
        check(rn_spawn(cx->worker, &client->writer) == 0);
        client->writer_waker = rn_task_waker(cx->worker, &client->writer);
        while (!client->failed && !client->closed && client->echoed < client->count) {
            rn_stream_recv(client->stream, op, cx, rn_after(cx, patience));
            RN_AWAIT(&client->reader_co, op, cx);
            if (!took(client, cx)) break;
        }
        rn_task_cancel(client->writer_waker);
        RN_AWAIT(&client->reader_co, &client->join, cx);
    }
    if (client->upgraded && !client->failed && !client->closed) {
        rn_stream_write_all(client->stream, op, cx, client->frame, make_close(client),
                            rn_after(cx, patience));
        RN_AWAIT(&client->reader_co, op, cx);
        do {
            rn_stream_recv(client->stream, op, cx, rn_after(cx, patience));
            RN_AWAIT(&client->reader_co, op, cx);
        } while (took(client, cx));
        if (!client->failed) check(op->result == 0);
    }
    rn_stream_close(client->stream, op, cx);
    RN_AWAIT(&client->reader_co, op, cx);
    RN_END(&client->reader_co);
}

static void on_done(struct rn_task *task)
{
    struct client *client = rn_container_of(task, struct client, reader);
    if (run.weather < ROUGH && !site_stopped && !client->failed && client->echoed != client->count)
        fail("%u of %u messages came back", client->echoed, client->count);
    count_up(&ended);
}

static void run_websocket(void)
{
    unsigned count = 1 + pick(CLIENTS_MAX);
    ended = 0;
    site_stopped = false;
    site_open(count);
    struct rn_runtime *runtime = start_runtime(between(1, 2), pick_backend());
    for (unsigned i = 0; i < count; i++) {
        struct client *client = &clients[i];
        memset(client, 0, sizeof *client);
        rn_ws_init(&client->ws, RN_WS_CLIENT, MESSAGE_MAX);
        client->count = pick(MESSAGES_MAX);
        for (unsigned k = 0; k < client->count; k++)
            client->lens[k] = pick(chance(2) ? 150 : MESSAGE_MAX);
        client->reader.poll = read_poll;
        client->reader.done = on_done;
        client->writer.poll = write_poll;
        rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))),
                        &client->reader);
    }
    site_end(&ended, count, chance(4) ? RN_MICROSECOND << pick(22) : RN_NEVER);
    stop_runtime(runtime);
}

const struct workload workload_websocket = {"websocket", run_websocket};
