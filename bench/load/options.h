/*
 * bench/load/options.h: the flags of runnel-bench and the URL.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVER_PIDS_MAX = 64 };

enum mode { MODE_HTTP, MODE_WS, MODE_UDP };

struct options {
    enum mode mode;
    const char *url;
    char host[256], port[8];
    const char *path;
    size_t connections, pipeline, message, idle;
    double duration, warmup, hold;
    double timeout;    /* milliseconds after which a request is given up; 0: never */
    double rate;       /* requests a second over all connections; 0: closed loop */
    uint64_t requests; /* ends after so many; 0: by time only */
    bool close, spin, text, gso, json;
    char headers[4096]; /* further fields of each request, each with its line end */
    pid_t server_pids[SERVER_PIDS_MAX];
    size_t server_pid_count;
};

/* Ends the program: with 0 for --help, with 2 and a line for a flag that makes no sense. */
void options_read(struct options *options, int argc, char **argv);

#endif
