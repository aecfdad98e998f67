/*
 * sim/ws_client.c: the WebSocket client against the echo of the real server: every message comes
 * back once, whole, in order, or the connection fails visibly; what is given up in the middle, by a
 * timeout or because its task is cancelled, leaves nothing behind.
 */
#include "site.h"
#include "sync.h"

#include <runnel/ws_client.h>

enum { CLIENTS_MAX = 4, SESSIONS_MAX = 3, MESSAGES_MAX = 10, MESSAGE_MAX = 9000, CROWD = 25 };
static const char url[] = "ws://sim/ws";

struct client {
    struct rn_task receiver, sender;
    rn_co receiver_co, sender_co;
    struct rn_ws_client ws;
    struct attempt receiving, sending;
    struct rn_join join;
    struct rn_sleep sleep, pause;
    rn_waker waker, sender_waker;
    uint32_t told;
    bool cancelled; /* from outside */
    unsigned sessions;
    uint32_t lens[MESSAGES_MAX];
    unsigned count, sent, echoed; /* messages */
    uint32_t echoed_of;           /* bytes of the present one */
    bool failed, over; /* the connection, visibly; the server said goodbye */
    bool leaves;       /* before all have come back */
    uint16_t code;     /* it closes with */
    bool patient;      /* it gives up when nothing comes for very long */
    bool hasty;        /* it doesn't wait for the server's goodbye */
    uint8_t message[MESSAGE_MAX];
};

static struct client clients[CLIENTS_MAX];
static uint32_t ended;

static uint32_t key_of(const struct client *client, unsigned message)
{
    return (uint32_t)(client - clients) << 8 | client->sessions << 4 | message;
}

static void failed(struct client *client, const char *what, int64_t result)
{
    if (!client->failed && !client->leaves && result != -RN_K_ECANCELED)
        client_failed(what, result);
    client->failed = true;
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* A wait for it to be sent that is given up breaks the connection: only who leaves does that. */
static void begin_sent(struct client *client, struct rn_cx *cx)
{
    attempt_alone(&client->sending, &client->ws.sent);
    if (client->leaves && chance(3))
        attempt_begin(&client->sending, cx, &client->ws.sent);
}

static enum rn_poll send_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, sender);
    RN_BEGIN(&client->sender_co);
    while (client->sent < client->count && !client->failed && !cx->cancelled) {
        if (chance(4)) {
            rn_sleep(&client->pause, cx, RN_MICROSECOND << pick(16));
            RN_AWAIT(&client->sender_co, &client->pause, cx);
        }
        if (chance(4)) {
            rn_ws_client_send(&client->ws, RN_WS_PING, url, pick(sizeof url));
        } else {
            pattern_fill(client->message, client->lens[client->sent],
                         key_of(client, client->sent), 0);
            rn_ws_client_send(&client->ws, RN_WS_BINARY, client->message,
                              client->lens[client->sent]);
            client->sent++;
        }
        begin_sent(client, cx);
        RN_AWAIT(&client->sender_co, client->sending.future, cx);
        attempt_check(&client->sending, cx, client->ws.send_result, true);
        if (client->ws.send_result < 0) failed(client, "sending", client->ws.send_result);
        memset(client->message, 0, sizeof client->message);
    }
    RN_END(&client->sender_co);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void on_data(struct client *client, const struct rn_ws_event *event)
{
    if (client->echoed >= client->sent) fail("an echo of nothing");
    if (echo_ends(event, key_of(client, client->echoed), client->lens[client->echoed],
                  &client->echoed_of))
        client->echoed++;
}

/* Only who awaits it notices that a connection has gone silent. */
static void begin_received(struct client *client, struct rn_cx *cx)
{
    struct attempt *attempt = &client->receiving;
    attempt_begin(attempt, cx, &client->ws.received);
    client->patient = run.weather == STORMY && attempt->manner == ALONE;
    if (!client->patient) return;
    rn_timeout(&attempt->timeout, cx, rn_awaitable_of(attempt->future), 3000 * RN_SECOND);
    attempt->manner = IN_TIMEOUT;
    attempt->future = &attempt->timeout.future;
}

/* Whether there is more to come. */
static bool on_received(struct client *client, const struct rn_cx *cx)
{
    struct rn_ws_client *ws = &client->ws;
    attempt_check(&client->receiving, cx, ws->receive_result, true);
    if (ws->receive_result == -RN_K_ECANCELED) { /* nothing is lost */
        if (client->patient && !cx->cancelled) failed(client, "silence", -RN_K_ETIMEDOUT);
        return !cx->cancelled && !client->failed;
    }
    if (ws->receive_result == RN_E_PROTOCOL) fail("the server breaks the protocol");
    if (ws->receive_result < 0) {
        failed(client, "receiving", ws->receive_result);
    } else if (ws->event.kind == RN_WS_EVENT_CLOSE) {
        client->over = true;
        if (!client->leaves) failed(client, "closed by the server", ws->event.code);
    } else {
        check(ws->event.kind == RN_WS_EVENT_DATA);
        on_data(client, &ws->event);
    }
    return !client->failed && !client->over && client->echoed < client->count &&
           !(client->leaves && chance(4));
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static void begin_session(struct client *client, struct rn_cx *cx)
{
    client->ws = (struct rn_ws_client){.http = &http_client};
    client->sent = client->echoed = client->echoed_of = 0;
    client->failed = client->over = false;
    client->leaves = chance(5);
    client->hasty = client->leaves && chance(2);
    client->code = chance(2) ? RN_WS_NORMAL : (uint16_t)between(3000, 4999);
    client->count = pick(MESSAGES_MAX);
    client->receiving.tries = client->sending.tries = 0;
    for (unsigned i = 0; i < client->count; i++)
        client->lens[i] = pick(chance(2) ? 150 : MESSAGE_MAX);
    rn_ws_client_connect(&client->ws, cx, rn_bytes_of(url, sizeof url - 1));
    attempt_alone(&client->receiving, &client->ws.connected);
    if (client->leaves) attempt_begin(&client->receiving, cx, &client->ws.connected);
}

static bool is_connected(struct client *client, const struct rn_cx *cx)
{
    int result = client->ws.connect_result;
    unsigned status = client->ws.call.exchange.response.status;
    attempt_check(&client->receiving, cx, result, true);
    if (result == -RN_K_EACCES) {
        bool busy = status == 503 && (site.crowded || site_stopped);
        if (!busy && (status < 400 || run.weather < ROUGH)) fail("status %u", status);
    } else if (result < 0 && !site.crowded) {
        failed(client, "connecting", result);
    }
    return result == 0;
}

/* So calm that the server's goodbye comes in the two seconds that the client waits for it. */
static bool is_calm(void)
{
    return run.weather < ROUGH && !site_stopped && run.faults.delay_max <= RN_MILLISECOND;
}

static void check_closed(struct client *client)
{
    struct rn_ws_client *ws = &client->ws;
    check(ws->in == NULL && !rn_op_inflight(&ws->recv) && !rn_op_inflight(&ws->control));
    if (client->cancelled || client->hasty || client->failed || client->over || !is_calm()) return;
    if (client->leaves && client->sent > client->echoed) return; /* perhaps with half a message */
    if (ws->receive_result < 0) fail("no goodbye: %d", ws->receive_result);
    check(ws->event.kind == RN_WS_EVENT_CLOSE && ws->event.code == client->code);
}

static enum rn_poll receive_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, receiver);
    struct rn_ws_client *ws = &client->ws;
    RN_BEGIN(&client->receiver_co);
    client->waker = cx->waker;
    count_up(&client->told);
    for (; client->sessions && !cx->cancelled; client->sessions--) {
        begin_session(client, cx);
        RN_AWAIT(&client->receiver_co, client->receiving.future, cx);
        if (is_connected(client, cx)) {
            client->sender = (struct rn_task){.poll = send_poll, .join = &client->join};
            client->sender_co.line = 0;
            client->join = (struct rn_join){0};
            check(rn_spawn(cx->worker, &client->sender) == 0);
            client->sender_waker = rn_task_waker(cx->worker, &client->sender);
            if (client->count) {
                do {
                    begin_received(client, cx);
                    RN_AWAIT(&client->receiver_co, client->receiving.future, cx);
                } while (on_received(client, cx));
            }
            if (client->leaves || client->failed || cx->cancelled)
                rn_task_cancel(client->sender_waker);
            RN_AWAIT(&client->receiver_co, &client->join, cx);
        } else if (chance(2)) {
            rn_sleep(&client->sleep, cx, RN_MICROSECOND << pick(20));
            RN_AWAIT(&client->receiver_co, &client->sleep, cx);
        }
        /* Where there is no connection this does nothing. */
        rn_ws_client_close(ws, cx, client->code, RN_BYTES("bye"));
        attempt_alone(&client->receiving, &ws->closed);
        if (client->hasty) attempt_begin(&client->receiving, cx, &ws->closed);
        RN_AWAIT(&client->receiver_co, client->receiving.future, cx);
        if (ws->connect_result == 0) check_closed(client);
        if (ws->connect_result == 0 && !client->failed && !client->leaves && !cx->cancelled)
            check(client->echoed == client->count);
    }
    RN_END(&client->receiver_co);
}

static void on_done(struct rn_task *task) { count_up(&ended); }

/* ---- The run --------------------------------------------------------------------------------- */

static void start_client(struct client *client, struct rn_worker *worker)
{
    memset(client, 0, sizeof *client);
    client->sessions = 1 + pick(SESSIONS_MAX);
    client->receiver.poll = receive_poll;
    client->receiver.done = on_done;
    rn_spawn_remote(worker, &client->receiver);
}

static void cancel_some(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!chance(4)) continue;
        await_count(&clients[i].told, 1);
        rest(RN_MICROSECOND << pick(18));
        clients[i].cancelled = true;
        rn_task_cancel(clients[i].waker);
    }
}

static void run_ws_client(void)
{
    unsigned count = 1 + pick(CLIENTS_MAX);
    ended = 0;
    site_stopped = false;
    site_open(chance(3) ? CROWD : 0);
    struct rn_runtime *runtime = start_runtime(1, pick_backend());
    struct rn_worker *worker = rn_runtime_worker(runtime, 0);
    http_client_open(worker, (struct rn_http_client_options){.connections_max = between(1, 2)});
    for (unsigned i = 0; i < count; i++) {
        start_client(&clients[i], worker);
        if (chance(3)) rest(RN_MICROSECOND << pick(18));
    }
    if (chance(3)) cancel_some(count);
    site_end(&ended, count, chance(4) ? RN_MICROSECOND << pick(22) : RN_NEVER);
    http_client_close(worker);
    stop_runtime(runtime);
}

const struct workload workload_ws_client = {"ws_client", run_ws_client};
