/*
 * http/client_pool.c: which connection a call gets. At most so many in all and for each host; who
 * finds none free waits in line. One that a call has left serves the next, or is closed when it has
 * been idle for long.
 */
#include "http/client.h"

/* What a call's connection must match. */
struct key {
    rn_bytes host;
    uint16_t port;
    uint8_t route;
};

static struct key key_of(const struct rn_http_call *call)
{
    const struct rn_http_client_options *options = &call->client->options;
    struct key key = {.host = RN_BYTES("")};
    struct rn_url url;
    int result = rn_url_parse(&url, rn_bytes_of(call->url, call->url_len));
    rn_assert(result == 0);
    if (options->proxy && !call->no_proxy)
        key.route = options->proxy_tunnel ? RN_HTTP_BY_TUNNEL : RN_HTTP_BY_PROXY;
    if (key.route == RN_HTTP_BY_PROXY) return key;
    key.host = url.host;
    key.port = url.port;
    return key;
}

static bool matches(const struct rn_http_connection *connection, const struct key *key)
{
    return connection->route == key->route && connection->port == key->port &&
           rn_bytes_equal(rn_bytes_text(connection->host), key->host);
}

static void stop_idling(struct rn_http_connection *connection)
{
    rn_timer_stop(connection->client->worker, &connection->recv.timer);
    connection->state = RN_HTTP_OPEN;
    connection->client->figures.idle--;
}

void rn_http_pool_lose(struct rn_http_connection *connection)
{
    stop_idling(connection);
    rn_http_connection_close(connection);
}

/* A connection for the call: an idle one, or the place for a new one, or NULL when it has to
 * wait. */
static struct rn_http_connection *find(struct rn_http_call *call, const struct key *key)
{
    struct rn_http_client *client = call->client;
    struct rn_http_connection *match = NULL, *oldest = NULL, *connection;
    unsigned count = 0;
    for (connection = client->connections; connection; connection = connection->next) {
        bool idle = connection->state == RN_HTTP_IDLE, same = matches(connection, key);
        count += same;
        if (idle && same && !match) match = connection; /* the last one that was used */
        if (idle) oldest = connection;
    }
    if (match && !(call->flags & RN_HTTP_RETRIED)) return match;
    bool full = client->figures.connections == client->options.connections_max;
    if (count >= client->options.connections_per_host_max) oldest = match;
    else if (!full) {
        connection = client->free;
        if (connection) client->free = connection->next;
        else connection = client->untouched++;
        *connection = (struct rn_http_connection){.client = client, .port = key->port,
                                                  .route = key->route, .fd = -1};
        memcpy(connection->host, key->host.ptr, key->host.len);
        connection->next = client->connections;
        client->connections = connection;
        client->figures.connections++;
        return connection;
    }
    if (oldest) rn_http_pool_lose(oldest); /* makes room, in a moment */
    return NULL;
}

/* False when the call has to wait. */
static bool serve(struct rn_http_call *call)
{
    struct key key = key_of(call);
    struct rn_http_connection *connection = find(call, &key);
    if (!connection) return false;
    rn_http_pool_leave(call);
    connection->call = call;
    call->connection = connection;
    call->phase = RN_HTTP_CONNECTING;
    if (connection->state == RN_HTTP_IDLE) {
        stop_idling(connection);
        call->client->figures.reused++;
        rn_http_call_connected(call);
    } else {
        rn_http_call_allow(call, call->client->options.connect_timeout);
        int error = rn_http_connection_open(connection);
        if (error) rn_http_call_fail(call, error);
    }
    return true;
}

static void serve_waiting(struct rn_http_client *client)
{
    struct rn_http_call *call;
    /* Each one that fails at once frees its connection: the loop goes on with the next, or the
     * stack would have to hold them all. */
    if (client->serving) return;
    client->serving = true;
again:
    for (call = client->waiting; call; call = call->next)
        if (serve(call)) goto again; /* the line isn't what it was */
    client->serving = false;
}

void rn_http_pool_enter(struct rn_http_call *call)
{
    struct rn_http_call **link = &call->client->waiting;
    call->phase = RN_HTTP_WAITING;
    while (*link) link = &(*link)->next;
    *link = call;
    call->next = NULL;
    call->client->figures.waiting++;
    (void)serve(call);
}

void rn_http_pool_leave(struct rn_http_call *call)
{
    struct rn_http_call **link = &call->client->waiting;
    while (*link && *link != call) link = &(*link)->next;
    if (!*link) return;
    *link = call->next;
    call->client->figures.waiting--;
}

static void expire(struct rn_timer *timer, rn_ns now)
{
    struct rn_http_connection *connection =
        rn_container_of(timer, struct rn_http_connection, recv.timer);
    connection->client->figures.expired++;
    rn_http_pool_lose(connection);
}

static void unlink_connection(struct rn_http_connection *connection)
{
    struct rn_http_connection **link = &connection->client->connections;
    while (*link != connection) link = &(*link)->next;
    *link = connection->next;
}

void rn_http_pool_keep(struct rn_http_connection *connection)
{
    struct rn_http_client *client = connection->client;
    struct rn_timer *timer = &connection->recv.timer;
    unlink_connection(connection);
    connection->next = client->connections;
    client->connections = connection;
    connection->state = RN_HTTP_IDLE;
    connection->kept = true;
    client->figures.idle++;
    rn_http_connection_receive(connection);
    *timer = (struct rn_timer){.expire = expire};
    const struct rn_cx cx = {.now = rn_worker_now(client->worker)};
    rn_timer_start(client->worker, timer, rn_after(&cx, client->options.idle_timeout));
    serve_waiting(client);
}

void rn_http_pool_forget(struct rn_http_connection *connection)
{
    struct rn_http_client *client = connection->client;
    unlink_connection(connection);
    connection->next = client->free;
    client->free = connection;
    client->figures.connections--;
    serve_waiting(client);
    if (client->closing && client->figures.connections == 0) rn_wake(client->closer);
}

/* ---- The client ------------------------------------------------------------------------------ */

static bool set_proxy(struct rn_http_client *client)
{
    const char *text = client->options.proxy;
    if (!text) return true;
    return rn_url_parse(&client->proxy, rn_bytes_text(text)) == 0 &&
           rn_bytes_equal_nocase(client->proxy.scheme, RN_BYTES("http")) &&
           client->proxy.host.len <= RN_HTTP_HOST_MAX;
}

int rn_http_client_init(struct rn_http_client *client, struct rn_worker *worker,
                        const struct rn_http_client_options *options)
{
    *client = (struct rn_http_client){.options = *options, .worker = worker};
    struct rn_http_client_options *own = &client->options;
    if (!own->connections_max) own->connections_max = 64;
    if (!own->connections_per_host_max) own->connections_per_host_max = 6;
    if (!own->idle_timeout) own->idle_timeout = 30 * RN_SECOND;
    if (!own->connect_timeout) own->connect_timeout = 30 * RN_SECOND;
    if (!own->head_timeout) own->head_timeout = 60 * RN_SECOND;
    if (!own->stall_timeout) own->stall_timeout = 60 * RN_SECOND;
    if (!own->user_agent) own->user_agent = "runnel";
    if (!set_proxy(client)) return RN_E_MISUSE;
    client->mapped = own->connections_max * sizeof *client->map;
    client->map = client->untouched = rn_map(client->mapped);
    return client->map ? 0 : -RN_K_ENOMEM;
}

static enum rn_poll poll_closed(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_http_client *client = rn_container_of(future, struct rn_http_client, closed);
    client->closer = cx->waker;
    return client->figures.connections ? RN_PENDING : RN_READY;
}

struct rn_future *rn_http_client_close(struct rn_http_client *client)
{
    struct rn_http_connection *connection;
    client->closing = true;
    client->closed.poll = poll_closed;
    for (connection = client->connections; connection; connection = connection->next)
        if (connection->state == RN_HTTP_IDLE) rn_http_pool_lose(connection);
    return &client->closed;
}

void rn_http_client_fini(struct rn_http_client *client)
{
    rn_assert(client->figures.connections == 0 && client->figures.waiting == 0);
    rn_unmap(client->map, client->mapped);
}
