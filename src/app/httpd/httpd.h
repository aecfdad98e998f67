/*
 * app/httpd/httpd.h: what the parts of the program know of each other.
 */
#ifndef HTTPD_H
#define HTTPD_H

#include <runnel/backend.h>
#include <runnel/http.h>

enum { BINDS_MAX = 16, PORT_DEFAULT = 8000 };

struct settings {
    const char *root;
    const char *backend;
    const char *accept;
    const char *ws_echo;
    const char *log;
    const char *log_level;
    const char *access_log;
    const char *binds[BINDS_MAX];
    unsigned bind_count;
    uint64_t workers;
    uint64_t port;
    uint64_t ws_message_max;
    uint64_t connections_max;
    uint64_t idle_seconds;
    uint64_t header_seconds;
    bool echo;
    bool list;
    bool version;
    bool help;
};

/* options.c: 0, or -1 after one line on standard error that says what is wrong. */
int settings_read(struct settings *settings, int argc, char **argv);
int choice_of(const char *text, const char *const *names); /* the index, or -1 */
extern const char help_text[];

/* main.c: one line on standard error, "httpd: …". */
void complain(const char *format, ...);

/* demo.c: the routes for these settings; `files` is what --root opened. */
struct rn_static;
size_t make_routes(const struct settings *settings, struct rn_static *files,
                   const struct rn_http_route **routes);
extern rn_ns started_at;

/* page.c */
extern const char demo_page[];
extern const uint32_t demo_page_size;

#endif
