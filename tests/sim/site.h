/*
 * sim/site.h: the server of the HTTP and WebSocket workloads, and clients that talk to it.
 */
#ifndef SIM_SITE_H
#define SIM_SITE_H

#include "world.h"

#include <runnel/http.h>
#include <runnel/http_client.h>

/* ---- The server: sim/site.c ------------------------------------------------------------------ */

/* Content is pattern(key, …) with the key and the length that the path names. */
enum request_kind {
    SMALL,   /* GET /small/KEY/LEN: at once */
    STREAM,  /* GET /stream/KEY/LEN/MODE: piece by piece; mode 1: chunked */
    TASK,    /* GET /task/KEY/LEN: a task that sleeps, then writes */
    SLICE,   /* GET /slice/KEY/LEN: memory that isn't copied */
    ECHO,    /* POST /echo: back as it comes */
    COLLECT, /* POST /collect: back when all is there */
    FILE_,   /* GET /files/KEY: from the simulated file system */
    MISSING, /* GET /none: 404 */
    LARGE,   /* POST /collect, more than it takes: 413, and the connection ends */
    REQUEST_KINDS
};
enum { SITE_FILES = 4, COLLECT_MAX = 3000, LARGE_MIN = 70000, LARGE_MAX = 80000 };

struct site {
    struct rn_http_server *server;
    struct rn_address address;
    bool is_unix;
    bool patient; /* its timeouts are so long that only a lost wakeup reaches them */
    bool shrinking; /* its largest file becomes shorter at times */
    bool crowded; /* its limit of connections is reached: it may refuse some, or end who is idle */
    uint32_t slices; /* that it was lent and has not given back */
};
extern struct site site;

uint32_t site_file_len(uint32_t key);
void site_open(unsigned clients);
/* Something goes wrong on its machine: its largest file is cut short, or nearly all of a worker's
 * buffers are taken; in calm weather only of those for input. And then it is over. */
void site_trouble(void);
void site_recover(void);
/* A new server on the sockets of the old one, which finishes what it has and ends. */
void site_upgrade(void);
/* When nobody talks to it any more: its timeouts end what is left. */
void site_settle(void);
void site_close(void);
/* Closes it in so much time, in the middle of all, or when so many clients have ended. */
void site_end(const uint32_t *ended, unsigned clients, rn_ns early);
extern bool site_stopped; /* from here on connections may end */

/* ---- Clients --------------------------------------------------------------------------------- */

/* sim/http.c */
/* How a client that did nothing wrong may take it when its connection fails. */
void client_failed(const char *what, int64_t result);

/* sim/websocket.c */
/* A piece of the echo of message `key`, from byte *at on: whether it is the last. */
bool echo_ends(const struct rn_ws_event *event, uint32_t key, uint32_t len, uint32_t *at);

/* sim/calls.c: one of the library's own, to the site whatever a URL names; its timeouts are long.
 * To be closed when no call is left. */
extern struct rn_http_client http_client;
void http_client_open(struct rn_worker *worker, struct rn_http_client_options options);
void http_client_close(struct rn_worker *worker);

#endif
