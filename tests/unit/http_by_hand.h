/*
 * An HTTP server whose worker is driven by hand, in virtual time: by_hand.h takes the place of
 * core/runtime.c, and connections come out of nowhere, each with a wire for a peer.
 */
#ifndef TESTS_HTTP_BY_HAND_H
#define TESTS_HTTP_BY_HAND_H

#include "wire.h"

#include "http/server.h"

static struct rn_http_server *server;

/* ---- The runtime ----------------------------------------------------------------------------- */

int rn_runtime_start(struct rn_runtime **started, const struct rn_runtime_options *options)
{
    struct rn_runtime_options sized = *options;
    sized.buffer_size = 16384; /* as core/runtime.c has it */
    hand_open(sized);
    *started = hand.runtime;
    return 0;
}

void rn_runtime_stop(struct rn_runtime *runtime) { assert_ptr_equal(runtime, hand.runtime); }

void rn_runtime_join(struct rn_runtime *runtime)
{
    assert_ptr_equal(runtime, hand.runtime);
    hand_close();
}

unsigned rn_runtime_workers(const struct rn_runtime *runtime) { return hand.count; }

struct rn_worker *rn_runtime_worker(struct rn_runtime *runtime, unsigned index)
{
    return hand_worker(index);
}

/* ---- The server ------------------------------------------------------------------------------ */

static inline void server_start(struct rn_http_options options)
{
    options.workers = 1;
    options.connections_max = 8;
    options.backend = &hand_vt;
    assert_int_equal(rn_http_server_new(&server, &options), 0);
    assert_int_equal(rn_http_server_start(server), 0);
    hand_settle();
}

static inline struct wire server_dial(void)
{
    struct wire wire;
    wire_open(&wire);
    server->connections++;
    server->workers[0].load++;
    rn_http_conn_start(&server->workers[0], wire.fd);
    hand_settle();
    return wire;
}

static inline struct rn_http_figures server_figures(void)
{
    struct rn_http_figures figures;
    rn_http_server_figures(server, 0, &figures);
    return figures;
}

/* As rn_http_server_stop does, but that this one doesn't wait for the end. */
static inline void server_drain(void)
{
    rn_worker_post(hand_worker(0), &server->workers[0].stop);
    hand_settle();
}

/* All connections are gone: nothing needs time any more. */
static inline void server_stop(void)
{
    assert_int_equal(server_figures().connections, 0);
    assert_int_equal(server_figures().websockets, 0);
    if (!server->ended) server_drain();
    assert_int_equal(server->ended, 1);
    rn_http_server_stop(server);
}

#endif
