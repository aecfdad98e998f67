/*
 * bench/load/load.h: what the parts of runnel-bench share: the flags, the clients, and the counts.
 *
 * A client is one connection. It has at most one batch under way: `pipeline` requests (or messages)
 * that leave together; when all are answered, it may start the next. Which batch starts when is the
 * schedule's business (schedule.c), what goes over the wire the protocol's (http.c, ws.c, udp.c).
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "histogram.h"
#include "options.h"
#include "response.h"

enum phase {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,
    CLIENT_HANDSHAKE, /* connected; the protocol has to agree first */
    CLIENT_FREE,      /* may start a batch; with --close: has no connection */
    CLIENT_BUSY,
    CLIENT_LEAVING, /* --close: answered, waits for the server to close */
    CLIENT_RESTING, /* --idle: open, and nothing more to do */
};

struct frame_reader {
    uint8_t header[14], header_len, control_len, opcode;
    char control[125]; /* a ping's payload */
    bool in_payload, fin, compare;
    uint64_t left;   /* of the frame's payload */
    uint64_t at;     /* bytes of the message so far */
    uint64_t number; /* of the message: some are compared whole, all in length */
};

struct client {
    int fd;
    uint8_t phase; /* enum phase */
    bool idle;     /* one of those that --idle opens */
    bool wrong;    /* the message that is coming in differs from what was sent */
    uint32_t expected;
    const char *out; /* what is being sent */
    size_t out_len, out_sent;
    uint64_t due;     /* when the batch was meant to start: latency counts from here */
    uint64_t started; /* when it did */
    struct client *next;
    union {
        struct response response;
        struct frame_reader frames;
        uint64_t sequence; /* UDP: number of the batch's first message */
    };
};

/* What is counted while measuring. */
struct counts {
    uint64_t requests, errors, connect_errors, bytes;
    uint64_t shed;    /* answered 503: not among the requests, nor in their latency */
    uint64_t expired; /* given up; the same */
    struct histogram latency;
};

struct load;

struct protocol {
    /* Prepares what every client sends. */
    void (*init)(struct load *load);
    /* Connected: sends a handshake or calls client_ready. */
    void (*opened)(struct load *load, struct client *client);
    /* Starts the client's batch of `expected` requests. */
    void (*send)(struct load *load, struct client *client);
    /* Reads what is there; `ended`: the peer's end is there, too. */
    void (*receive)(struct load *load, struct client *client, bool ended);
};

struct load {
    const struct options *options;
    const struct protocol *protocol;
    struct sockaddr_storage address;
    socklen_t address_len;

    struct client *clients; /* the busy ones, then the idle ones */
    size_t client_count;
    struct client *free_first, **free_last;
    size_t opening, opened; /* at the start: clients on their way, and there */
    size_t resting;
    uint64_t opens; /* spreads the source addresses */
    uint64_t idle_lost;

    int epoll;
    uint64_t now;           /* of the event under way */
    uint64_t began, issued; /* the schedule: when the first batch was due; requests started */
    uint64_t answered;      /* requests that came to an end, measured or not */
    bool running;           /* clients may start batches */
    bool measuring;
    bool finished; /* --requests: all have ended; --hold: none is left */
    char failure[256]; /* why there can't be a measurement; empty: there can */

    char *batch; /* `pipeline` requests, one behind the other */
    size_t batch_unit; /* bytes in one */
    char *input; /* LOAD_INPUT bytes for what is received */

    uint64_t measured_from, measured_to;
    double cpu_seconds, server_cpu_seconds;
    struct counts counts;
};

enum {
    LOAD_INPUT = 256 << 10,
    SOURCE_ADDRESSES = 253, /* 127.0.0.2 to 127.0.0.254 */
    OPENING_MAX = 128,      /* connects under way at the start: less than any backlog */
};

uint64_t clock_now(void);

/* client.c */
void client_open(struct load *load, struct client *client);
/* Puts it among those that may start a batch, with a connection or without. */
void client_free(struct load *load, struct client *client);
/* The connection is lost, or the peer said what can't be right: what is unanswered is an error. */
void client_fail(struct load *load, struct client *client);
/* It may start a batch; an idle one has done its duty. */
void client_ready(struct load *load, struct client *client);
/* Sends from `out` as far as the socket takes it. */
void client_send(struct load *load, struct client *client, const char *out, size_t len);
/* So many requests came to an end. */
void requests_ended(struct load *load, uint64_t count);
/* One request of the batch is answered, well or not. */
void client_answered(struct load *load, struct client *client, bool good);
/* The same, where the server says that it has no time for it. */
void client_shed(struct load *load, struct client *client);
/* Gives up what the client is at, if it was due before then. */
void client_expire(struct load *load, struct client *client, uint64_t before);
/* Receives up to LOAD_INPUT bytes into load->input, or drops up to `drop` bytes. Returns 0 when
 * nothing is there now, and -1 at the connection's end. */
ssize_t client_receive(struct load *load, struct client *client, size_t drop);
void client_event(struct load *load, struct client *client, uint32_t events);

/* schedule.c */
void schedule_start(struct load *load);
void schedule_pump(struct load *load);
/* Requests that were due before this and are unanswered are given up; 0: none. */
uint64_t schedule_expiry(const struct load *load);
/* When schedule_pump should be called again, UINT64_MAX when only a client's end makes it. */
uint64_t schedule_next(const struct load *load);
/* Requests that were due at `now` and haven't been started (open loop). */
uint64_t schedule_backlog(const struct load *load, uint64_t now);

extern const struct protocol protocol_http, protocol_ws, protocol_udp;
/* UDP: messages that got no answer for a second are lost. */
void udp_sweep(struct load *load);

/* Measuring; the sum for all of --server-pid is 0 when there is none. */
double server_cpu_now(const struct options *options);
uint64_t unanswered(const struct load *load);

/* report.c */
void report_text(const struct load *load);
void report_json(const struct load *load);

#endif
