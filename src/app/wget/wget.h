/*
 * app/wget/wget.h: what the parts of the program know of each other.
 */
#ifndef WGET_H
#define WGET_H

#include <runnel/backend.h>
#include <runnel/helper.h>
#include <runnel/http_client.h>
#include <runnel/runtime.h>

#include "app/options.h"
#include "app/wget/output.h"

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
    uint32_t timeout;    /* seconds; 0: none */
    uint32_t retry_wait; /* seconds at most */
    uint32_t jobs;
    uint32_t tries; /* 0: without end */
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

enum { FIELDS_MAX = LIST_MAX + 4, PROBLEM_ROOM = 256 };

/* One fetch at a time. */
struct job {
    struct rn_task task;
    rn_co co;
    struct rn_future fetched; /* one URL */
    rn_co fetch_co;
    struct rn_future saved; /* the content of one answer */
    rn_co save_co;
    struct rn_sleep sleep;
    struct rn_http_call call;
    struct rn_helped helped; /* what is done with `output` on another thread */
    struct output output;
    const char *path;  /* where it goes */
    uint64_t first;    /* the byte of it that comes first */
    rn_bytes validator; /* of what comes */
    rn_bytes piece;    /* of the content, not yet written */
    rn_bytes step;     /* the part of it that is being written */
    size_t taken;      /* how long that was at first */
    uint64_t total;    /* bytes that the file will have; UINT64_MAX: not known */
    uint64_t asked;    /* the request was for the bytes from there on; 0: for all */
    uint64_t got;      /* bytes of content that came, in all attempts */
    rn_ns began;
    int64_t modified;  /* Last-Modified, or -1 */
    unsigned index;    /* of the URL */
    unsigned attempt;  /* from 1 on */
    uint8_t verdict;   /* enum verdict */
    uint8_t exit_code; /* of this fetch */
    bool whole;        /* doesn't ask for a part any more */
    bool nothing_new;  /* done, and nothing is to be saved */
    char url[RN_HTTP_URL_MAX];
    char name[NAME_ROOM]; /* made from the URL */
    struct rn_http1_header fields[FIELDS_MAX];
    char range[RN_HTTP_RANGE_TEXT_MAX];
    char date[RN_HTTP_DATE_TEXT];
};

/* What becomes of a fetch after an attempt; with BEGINNING, content comes for job->output. */
enum verdict { READING, BEGINNING, DONE, FAILED, AGAIN, AGAIN_AT_ONCE };

/* All of it; the worker's, but for what is said to be the main thread's too. */
struct fetcher {
    struct settings settings;
    struct rn_http_client client;
    struct job *jobs;
    const char **environment;
    rn_bytes credentials;   /* the value of Authorization; empty: none */
    int body_fd;            /* -1: none */
    uint64_t body_length;
    uint64_t rate;          /* bytes a second, of all; 0: any */
    rn_ns paid_until;       /* so far the bytes that came reach at that rate */
    uint64_t bytes;         /* that came, of all */
    unsigned url_count;
    unsigned next_url;
    unsigned running;       /* tasks */
    unsigned done;          /* fetches */
    uint8_t exit_code;      /* of the whole program */
    bool interrupted;       /* no further URL is begun */
    uint32_t terminal;      /* atomic: how wide it is, 0: it is none */
    struct rn_future *closed;
    uint32_t over;          /* atomic: all tasks have ended, and SIGUSR1 says so */
    bool bar;               /* stands in the terminal's present line */
    struct rn_timer tick;
    rn_ns bar_at;
    uint64_t bar_bytes;     /* `bytes` then */
    uint64_t speed;         /* bytes a second, of late */
};
extern struct fetcher fetcher;

/* progress.c: a line on standard error. Formats are rn_text_format's; controls come out as '?'. */
void say_line(const char *prefix, const char *format, ...);
#define complain(format, ...) say_line("wget: ", format, __VA_ARGS__)
/* Unless it is to be quiet. */
#define say(...)                                                                                   \
    do {                                                                                           \
        if (!fetcher.settings.quiet) say_line("", __VA_ARGS__);                                    \
    } while (0)

/* A bar while there is a terminal, a line now and then where there is none. */
void progress_start(void);
void progress_stop(void);
/* Before a line is written: takes the bar away. */
void progress_clear(void);
struct rn_text;
/* "1.5 MiB"; "2m 05s" */
void size_text(struct rn_text *text, uint64_t bytes);
void time_text(struct rn_text *text, uint64_t seconds);

/* request.c: what is asked for. */
/* The settings that need a look before anything is fetched: 0, or an exit code after a
 * complaint. */
int request_check(void);
/* Fills in the call for an attempt. */
void request_make(struct job *job);

/* response.c: what becomes of the answer. */
/* The head has come, or an error. */
enum verdict response_head(struct job *job);
/* The content has ended, or an error has. */
enum verdict response_end(struct job *job);
bool response_redirect(struct rn_http_call *call, const char *to);

/* fetch.c: a task that fetches one URL after the other. */
enum rn_poll fetch_run(struct rn_task *task, struct rn_cx *cx);
/* The URL without user and password; good until the next call. */
const char *fetch_shown_url(const struct job *job);
/* "wget: URL: …"; FAILED with that exit code. */
enum verdict fetch_fail(struct job *job, uint8_t exit_code, const char *problem);
/* The same where the error is that of a file. */
enum verdict fetch_fail_file(struct job *job, int error);

#endif
