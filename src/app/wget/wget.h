/*
 * app/wget/wget.h: what the parts of the program know of each other.
 */
#ifndef WGET_H
#define WGET_H

#include <runnel/backend.h>
#include <runnel/log.h>

#include "app/options.h"

enum { LIST_MAX = 256, JOBS_MAX = 64 };

/* Exit codes, as GNU wget has them; of several, the lowest but 0 counts. */
enum {
    EXIT_OK,
    EXIT_OTHER,    /* interrupted, out of memory */
    EXIT_USAGE,
    EXIT_FILE,     /* reading or writing a file */
    EXIT_NETWORK,  /* no name, no connection, or one that ended or stalled */
    EXIT_TLS,
    EXIT_AUTH,     /* 401 with a user and a password, 407 */
    EXIT_PROTOCOL, /* what the server said is not HTTP, or contradicts itself */
    EXIT_SERVER,   /* the server said no */
};

struct settings {
    const char *output;
    const char *limit_rate;
    const char *method;
    const char *body_data;
    const char *body_file;
    const char *user;
    const char *password;
    const char *proxy;
    const char *agent;
    const char *backend;
    rn_ns timeout;
    rn_ns wait_retry;
    uint32_t jobs;
    uint32_t tries;
    uint32_t redirects_max;
    bool resume;
    bool newer_only;
    bool show_head;
    bool quiet;
    bool no_proxy;
    bool version;
    bool help;
    const char *headers[LIST_MAX + 1];
    const char *urls[LIST_MAX + 1];
};

/* main.c: one line on standard error, "wget: …". */
#define complain(format, ...) rn_log_line(&complaints, "wget: " format, __VA_ARGS__)
extern struct rn_log complaints;

#endif
