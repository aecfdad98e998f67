/*
 * An HTTP server on a worker of worker_bed.h, one connection at a time.
 */
#ifndef TESTS_CONN_BED_H
#define TESTS_CONN_BED_H

#include "worker_bed.h"

#include "http/server.h"

enum { BED_OUTPUT = 1 << 20 };

/* What a connection said. */
struct bed_output {
    uint8_t bytes[BED_OUTPUT];
    size_t len;
    bool aborted; /* it ended with a reset */
};

static struct rn_http_server *bed_server;
static struct bed_output *bed_output;
static int bed_socket; /* of all connections, for its options */

static void bed_say(struct bed_line *line, const void *bytes, size_t len)
{
    struct bed_output *output = bed_output;
    require(output->len + len <= BED_OUTPUT);
    if (len) memcpy(output->bytes + output->len, bytes, len);
    output->len += len;
}

static inline void bed_start(const struct rn_http_route *routes, size_t count)
{
    struct rn_http_options options = {.routes = routes, .route_count = count, .workers = 1,
                                      .backend = &bed_vt, .connections_max = 2};
    bed_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bed_socket >= 0);
    require(rn_http_server_new(&bed_server, &options) == 0);
    require(rn_http_server_start(bed_server) == 0);
}

/* Whether the driver asked the kernel for a reset; not any more the next time. */
static bool bed_aborted(void)
{
    struct linger linger = {0}, off = {0};
    socklen_t len = sizeof linger;
    require(getsockopt(bed_socket, SOL_SOCKET, SO_LINGER, &linger, &len) == 0);
    require(setsockopt(bed_socket, SOL_SOCKET, SO_LINGER, &off, sizeof off) == 0);
    return linger.l_onoff;
}

/* Gives it the input, and goes on until it is closed, which must come. Nothing may be left. */
static inline void bed_run(rn_bytes input, const struct bed_plan *plan, struct bed_output *output)
{
    struct rn_http_worker *http = &bed_server->workers[0];
    struct bed_line *line = bed_line_open(dup(bed_socket));
    bed.plan = *plan;
    bed_output = output;
    output->len = 0;
    line->input = input;
    line->ending = plan->reset || !plan->silent;
    http->load++;
    bed_server->connections++;
    rn_http_conn_start(http, line->fd);
    for (unsigned turn = 0; http->conns.used; turn++) {
        require(turn < BED_TURNS);
        if (!bed_turn() && http->conns.used) bed_pass();
    }
    output->aborted = bed_aborted();
    bed_check_idle();
    require(!http->requests.used && !bed_server->connections && !http->figures.websockets);
}

#endif
