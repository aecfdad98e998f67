/*
 * bench/load/options.c: one table of flags; each names its type, its place and its bounds.
 */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: runnel-bench [OPTION]... URL\n"
    "Loads an HTTP, WebSocket or UDP echo server from one thread and measures its answers.\n"
    "\n"
    "  URL                       http://HOST:PORT/PATH, ws://HOST:PORT/PATH or udp://HOST:PORT\n"
    "      --connections N       at once (default: 64)\n"
    "      --duration S          seconds to measure (default: 10)\n"
    "      --warmup S            seconds before that, not counted (default: 0)\n"
    "      --requests N          end after N requests, if that is earlier; warmup must be 0\n"
    "      --pipeline N          requests or messages in a batch, at most 1024 (default: 1)\n"
    "      --rate R              open loop: R requests a second over all connections, started on\n"
    "                            time whether earlier ones are answered or not, as far as there\n"
    "                            are connections; latency counts from when each was due\n"
    "      --timeout MS          HTTP: give up what isn't answered so long after it was due\n"
    "      --close               a new connection for each request\n"
    "      --header 'NAME: TEXT' a further field in each request; repeatable\n"
    "      --ws                  WebSocket echo\n"
    "      --udp                 UDP echo\n"
    "      --message BYTES       in a WebSocket message or datagram (default: 20)\n"
    "      --text                WebSocket messages are text (default: binary)\n"
    "      --gso                 UDP: a batch leaves as one (UDP_SEGMENT)\n"
    "      --idle N              open N further connections that stay idle after one request\n"
    "                            (WebSocket: after the handshake)\n"
    "      --hold S              with --connections 0: print 'holding N' when the idle ones are\n"
    "                            open, and keep them for S seconds\n"
    "      --spin                never sleep: poll\n"
    "      --server-pid PID      report the CPU time of this process, too; repeatable: their sum\n"
    "      --json                one JSON object instead of text\n"
    "  -h, --help\n"
    "\n"
    "Ends early on SIGINT, with what was measured. Exit code 0: measured; 1: could not; 2: wrong\n"
    "flag. To servers on 127.0.0.0/8, --close and --idle come from 127.0.0.2 to 127.0.0.254, for\n"
    "the sake of ports. Large HTTP bodies are dropped in the kernel (MSG_TRUNC), not copied.\n";

static _Noreturn void refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("runnel-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs(" (see --help)\n", stderr);
    va_end(arguments);
    exit(2);
}

static double number(const char *flag, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end || !(value >= least && value <= most))
        refuse("%s: %s is not a number from %.10g to %.10g", flag, text, least, most);
    return value;
}

static size_t whole(const char *flag, const char *text, double least, double most)
{
    double value = number(flag, text, least, most);
    if (strspn(text, "0123456789") != strlen(text)) refuse("%s: %s is not whole", flag, text);
    return (size_t)value;
}

static void add_header(struct options *options, const char *text)
{
    size_t len = strlen(options->headers), room = sizeof options->headers - len;
    if (!strchr(text, ':') || *text == ':' || strpbrk(text, "\r\n"))
        refuse("--header: '%s' is not 'NAME: TEXT'", text);
    if ((size_t)snprintf(options->headers + len, room, "%s\r\n", text) >= room)
        refuse("--header: more than %zu bytes", sizeof options->headers - 1);
}

static void add_server(struct options *options, const char *text)
{
    if (options->server_pid_count == SERVER_PIDS_MAX)
        refuse("--server-pid: more than %d", SERVER_PIDS_MAX);
    options->server_pids[options->server_pid_count++] =
        (pid_t)whole("--server-pid", text, 1, 1 << 22);
}

/* A flag without a value; returns false when it is none. */
static bool read_switch(struct options *options, const char *flag)
{
    const struct {
        const char *name;
        bool *place;
    } switches[] = {{"--close", &options->close}, {"--spin", &options->spin},
                    {"--text", &options->text},   {"--gso", &options->gso},
                    {"--json", &options->json}};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (strcmp(flag, switches[i].name)) continue;
        *switches[i].place = true;
        return true;
    }
    if (!strcmp(flag, "--ws") || !strcmp(flag, "--udp")) {
        options->mode = flag[2] == 'w' ? MODE_WS : MODE_UDP;
        return true;
    }
    return false;
}

static void read_value(struct options *options, const char *flag, const char *value)
{
    const struct {
        const char *name;
        size_t *count;
        double *real;
        double least, most;
    } numbers[] = {
        {"--connections", &options->connections, NULL, 0, 1e6},
        {"--pipeline", &options->pipeline, NULL, 1, 1024},
        {"--message", &options->message, NULL, 0, 1 << 20},
        {"--idle", &options->idle, NULL, 0, 1e6},
        {"--duration", NULL, &options->duration, 0.01, 3600},
        {"--warmup", NULL, &options->warmup, 0, 3600},
        {"--hold", NULL, &options->hold, 0, 3600},
        {"--rate", NULL, &options->rate, 0.1, 1e8},
        {"--timeout", NULL, &options->timeout, 1, 3.6e6},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(flag, numbers[i].name)) continue;
        if (!value) refuse("%s needs a value", flag);
        double least = numbers[i].least, most = numbers[i].most;
        if (numbers[i].count) *numbers[i].count = whole(flag, value, least, most);
        if (numbers[i].real) *numbers[i].real = number(flag, value, least, most);
        return;
    }
    bool header = !strcmp(flag, "--header"), pid = !strcmp(flag, "--server-pid");
    if (!header && !pid && strcmp(flag, "--requests")) refuse("no flag %s", flag);
    if (!value) refuse("%s needs a value", flag);
    if (header) add_header(options, value);
    if (pid) add_server(options, value);
    if (!header && !pid) options->requests = whole(flag, value, 1, 1e15);
}

static void read_url(struct options *options, const char *url)
{
    static const char *const schemes[] = {"http://", "ws://", "udp://"};
    const char *rest = NULL;
    options->url = url;
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(url, schemes[i], len)) continue;
        rest = url + len;
        if (i > 0) options->mode = (enum mode)i;
    }
    if (!rest) refuse("%s: not a URL of http, ws or udp", url);
    const char *path = rest + strcspn(rest, "/?"), *colon = path;
    options->path = *path ? path : "/";
    while (colon > rest && *colon != ':' && *colon != ']') colon--;
    const char *host_end = *colon == ':' ? colon : path;
    size_t port_len = host_end < path ? (size_t)(path - host_end) - 1 : 0;
    bool brackets = *rest == '[' && host_end[-1] == ']';
    size_t host_len = (size_t)(host_end - rest) - (brackets ? 2 : 0);
    if (host_end <= rest || host_len == 0 || host_len >= sizeof options->host || port_len > 5)
        refuse("%s: no host or no port", url);
    memcpy(options->host, rest + brackets, host_len);
    memcpy(options->port, port_len ? host_end + 1 : "80", port_len ? port_len : 2);
    whole("port", options->port, 1, 65535);
    if (strpbrk(options->path, " \r\n")) refuse("%s: white space", url);
    if (*options->path == '?') refuse("%s: no path before the query", url);
}

/* What makes no sense together. */
static void check(const struct options *options)
{
    bool http = options->mode == MODE_HTTP, udp = options->mode == MODE_UDP;
    if (options->close && (!http || options->pipeline > 1))
        refuse("--close is for HTTP, one request on each connection");
    if (options->timeout > 0 && !http) refuse("--timeout is for HTTP");
    if (options->text && options->mode != MODE_WS) refuse("--text is for WebSocket");
    if (options->gso && !udp) refuse("--gso is for UDP");
    if (options->gso && (options->pipeline > 64 || options->pipeline * options->message > 65000))
        refuse("--gso: at most 64 messages and 65000 bytes in a batch");
    if (udp && (options->message < 8 || options->message > 65507))
        refuse("--message: a datagram has 8 to 65507 bytes here");
    if (udp && options->idle) refuse("--idle: there are no connections in UDP");
    if (*options->headers && udp) refuse("--header: there are none in UDP");
    if (options->pipeline * options->message > 256u << 20) refuse("a batch is over 256 MiB");
    if (options->requests && options->warmup > 0) refuse("--requests goes without --warmup");
    if (options->connections == 0 && options->hold <= 0) refuse("--connections 0 needs --hold");
    if (options->connections > 0 && options->hold > 0) refuse("--hold needs --connections 0");
    if (options->hold > 0 && options->idle == 0) refuse("--hold needs --idle");
}

void options_read(struct options *options, int argc, char **argv)
{
    *options =
        (struct options){.connections = 64, .pipeline = 1, .message = 20, .duration = 10};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(help, stdout);
            exit(0);
        }
        if (argv[i][0] != '-') {
            if (options->url) refuse("two URLs: %s and %s", options->url, argv[i]);
            read_url(options, argv[i]);
        } else if (!read_switch(options, argv[i])) {
            read_value(options, argv[i], argv[i + 1]);
            i++;
        }
    }
    if (!options->url) refuse("no URL");
    check(options);
}
