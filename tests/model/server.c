/*
 * A model of the connection limit of http/server.c: a worker that comes to the limit pauses its
 * listeners while another one's connection ends. Whatever the order, it must not stay paused when
 * there is room. The file is included for its static functions.
 */
#include "http/server.c"

#include <stdlib.h>

#include "core/worker.h"

#include "models.h"

enum { SERVERS = 2 };

static struct rn_runtime *runtime;
static struct rn_http_server *server;
static struct rn_listener *listener; /* the first worker's, which pauses */
static struct rn_http_conn *conn;    /* the second's, which ends */

static void touch_current(void) { rn_worker_enter(NULL); }
static void enter(unsigned thread) { rn_worker_enter(&runtime->workers[thread]); }

static void nothing(struct rn_backend *backend) { (void)backend; }

static void make_once(void)
{
    static const struct rn_backend_vt vt = {.name = "none", .wake = nothing};
    static struct rn_backend backend = {.vt = &vt};
    if (server) return;
    runtime = aligned_alloc(64, sizeof *runtime + SERVERS * sizeof(struct rn_worker) + 64);
    server = aligned_alloc(64, sizeof *server + SERVERS * sizeof(struct rn_http_worker));
    memset(runtime, 0, sizeof *runtime + SERVERS * sizeof(struct rn_worker));
    memset(server, 0, sizeof *server + SERVERS * sizeof(struct rn_http_worker));
    for (unsigned i = 0; i < SERVERS; i++) {
        runtime->workers[i].runtime = runtime;
        runtime->workers[i].backend = &backend;
        server->workers[i].server = server;
        server->workers[i].worker = &runtime->workers[i];
        server->workers[i].resume.run = on_resume;
    }
    server->options.workers = SERVERS;
    server->options.connections_max = 1;
    server->workers[0].listener_count = 1;
    server->workers[0].next = &server->workers[1];
    listener = &server->workers[0].listeners[0];
    listener->accepted = on_accepted;
    listener->owner = &server->workers[0];
    listener->worker = &runtime->workers[0];
    model_assert(rn_slab_init(&server->workers[1].conns, 2, sizeof(struct rn_http_conn)) == 0);
}

static void setup(void)
{
    make_once();
    model_thread_local(touch_current);
    model_on_switch = enter;
    server->connections = 1;
    server->paused = 0;
    server->workers[0].paused = 0;
    server->workers[1].figures.connections = 1;
    runtime->workers[0].inbox.head = NULL;
    listener->paused = false;
    /* As if cancelled before: neither pausing nor resuming does more than to say so. */
    listener->op.flags = RN_OP_INFLIGHT | RN_OP_CANCELLED;
    conn = rn_slab_take(&server->workers[1].conns);
    conn->worker = &server->workers[1];
}

static void take_posts(void)
{
    struct rn_node *node = rn_inbox_take(&runtime->workers[0].inbox);
    while (node) {
        struct rn_node *next = node->next;
        node->run(&runtime->workers[0], node);
        node = next;
    }
}

static void comes_to_the_limit(void)
{
    pause_at_limit(&server->workers[0]);
    take_posts();
}

static void ends(void) { rn_http_conn_ended(conn); }

static void accepts_again(void)
{
    take_posts();
    model_assert(server->connections == 0);
    model_assert(!server->workers[0].paused && !server->paused && !listener->paused);
}

static void teardown(void) { model_on_switch = NULL; }

const struct model server_limit = {"server, the connection limit", setup,
                                   {comes_to_the_limit, ends}, accepts_again, teardown};
