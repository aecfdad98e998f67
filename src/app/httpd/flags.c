/*
 * app/httpd/flags.c: the options of httpd; see app/options.h.
 */
#include "app/httpd/httpd.h"

const char help_text[] =
    "Usage: httpd [OPTION]... [WORKERS] [IP] [PORT]\n"
    "Serves files or a demo over HTTP/1.1 and WebSocket.\n"
    "\n"
    "  -r, --root DIR            serve these files (default: the demo)\n"
    "      --list                list directories without an index.html\n"
    "  -w, --workers N           threads, 1 to 64 (default: one a processor)\n"
    "  -b, --bind ADDR           IPv4, IPv6, ADDR:PORT or unix:PATH; repeatable\n"
    "                            (default: 0.0.0.0)\n"
    "  -p, --port PORT           0 (any) to 65535 (default: 8000)\n"
    "      --backend NAME        auto, uring, epoll or poll (default: auto)\n"
    "      --accept MODE         reuseport: each worker, shared: one for all\n"
    "                            (default: reuseport)\n"
    "      --ws-echo /PATH       echo WebSocket messages at /PATH\n"
    "      --ws-max-message N    bytes in a message (default: 1048576)\n"
    "      --echo                answer requests with their body\n"
    "      --max-connections N   at once (default: by ulimit -n)\n"
    "      --max-per-address N   of them for one address (default: any)\n"
    "      --max-requests N      on a connection (default: any)\n"
    "      --min-rate N          bytes a second of who sends or reads (default: 240)\n"
    "      --busy-poll N         microseconds to look for more before waiting\n"
    "      --idle-timeout S      seconds between requests (default: 60)\n"
    "      --header-timeout S    seconds for a request's head (default: 10)\n"
    "      --log FILE|-|none     (default: -, standard error)\n"
    "      --log-level LEVEL     error, warn, info or debug (default: info)\n"
    "      --access-log FILE|-   a line a request; -: standard output\n"
    "      --user NAME           whom to run as, once it listens\n"
    "      --no-sandbox          keep rights that serving doesn't take\n"
    "  -V, --version\n"
    "  -h, --help\n"
    "\n"
    "SIGTERM, SIGINT: finish requests and end. SIGHUP: reopen the logs.\n"
    "SIGUSR2: start the program anew on the same sockets, then end.\n";

const struct option option_table[] = {
    {TEXT, FIELD(root), 0, NULL},
    {FLAG, FIELD(list), 0, NULL},
    {NUMBER, FIELD(server.workers), RN_WORKERS_MAX, NULL},
    {LIST, FIELD(binds[0]), 0, NULL},
    {COUNT, FIELD(port), 65535, NULL},
    {NAME, FIELD(backend), 0, "auto\0uring\0epoll\0poll\0"},
    {CHOICE, FIELD(server.accept), 0, "reuseport\0shared\0"},
    {PATH, FIELD(ws_echo), 0, NULL},
    {NUMBER, FIELD(ws_message_max), 0, NULL},
    {FLAG, FIELD(echo), 0, NULL},
    {NUMBER, FIELD(server.connections_max), 1000000, NULL},
    {NUMBER, FIELD(server.address_connections_max), 1000000, NULL},
    {NUMBER, FIELD(server.connection_requests_max), 1000000, NULL},
    {NUMBER, FIELD(server.rate_min), 1000000, NULL},
    {NUMBER, FIELD(server.busy_poll_us), 1000000, NULL},
    {SECONDS, FIELD(server.idle_timeout), 1000000, NULL},
    {SECONDS, FIELD(server.header_timeout), 1000000, NULL},
    {TEXT, FIELD(log), 0, NULL},
    {CHOICE, FIELD(server.log_level), 0, "error\0warn\0info\0debug\0"},
    {TEXT, FIELD(access_log), 0, NULL},
    {TEXT, FIELD(user), 0, NULL},
    {FLAG, FIELD(no_sandbox), 0, NULL},
    {FLAG, FIELD(version), 0, NULL},
    {FLAG, FIELD(help), 0, NULL},
};

const bool flags_together = false;
const uint32_t list_max = BINDS_MAX;

const char *option_place(unsigned n)
{
    static const char places[][3] = {"-w", "-b", "-p", "-"};
    return places[n];
}

void complain_of_word(const char *word)
{
    complain("'%s' is not understood; see --help", word);
}

void complain_of_value(const char *value, const char *line, size_t len)
{
    complain("'%s': expected %b", value, line, len);
}
