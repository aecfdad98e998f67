/*
 * app/httpd/httpd.h: what the parts of the program know of each other.
 */
#ifndef HTTPD_H
#define HTTPD_H

#include <runnel/backend.h>
#include <runnel/http.h>
#include "app/options.h"

enum { BINDS_MAX = 16, PORT_DEFAULT = 8000 };

struct settings {
    struct rn_http_options server;
    const char *root;
    const char *backend;
    const char *ws_echo;
    const char *log;
    const char *access_log;
    const char *user;
    char **argv;
    char **environment;
    uint64_t ws_message_max;
    uint32_t port;
    bool echo;
    bool list;
    bool no_sandbox;
    bool version;
    bool help;
    const char *binds[BINDS_MAX + 1]; /* behind the last one NULL */
};

/* main.c: one line on standard error, "httpd: …". */
#define complain(format, ...) rn_log_line(&complaints, "httpd: " format, __VA_ARGS__)
extern struct rn_log complaints;

/* Whether an address to bind is a Unix socket with a file: "unix:" begins no other address, '@' an
 * abstract name. */
static inline bool is_socket_file(const char *bind) { return *bind == 'u' && bind[5] != '@'; }

/* sandbox.c: 0 or -errno. The first two act on the calling thread and those that it starts later,
 * the last on all that there are. */
int become_user(const char *name); /* -ENOENT when there is none */
int restrict_files(const struct settings *settings);
int restrict_calls(const struct settings *settings);

/* upgrade.c */
/* Listening sockets that this program was started with, and their use in place of others. */
unsigned inherited_sockets(char **environment);
int adopt_sockets(struct rn_http_server *server, unsigned count, unsigned workers);
/* To whoever this program was started to follow: it serves. */
void end_predecessor(char **environment);
/* From when all sockets listen until the program stops: starts its successor when ordered to. */
int start_keeper(char **argv, char **environment);
void order_upgrade(void);
void dismiss_keeper(void);

/* demo.c: sets the routes for these settings; `files` is what --root opened. */
struct rn_static;
void make_routes(struct settings *settings, struct rn_static *files);
extern rn_ns started_at;

/* page.c */
extern const char demo_page[];
extern const uint32_t demo_page_size;

#endif
