/*
 * app/httpd/options.c: the command line, from one table.
 */
#include "app/httpd/httpd.h"
#include "base/bytes.h"

const char help_text[] =
    "Usage: httpd [OPTION]... [WORKERS] [IP] [PORT]\n"
    "Serves static files or a demo over HTTP/1.1 and WebSocket.\n"
    "\n"
    "  -r, --root DIR            serve the files in DIR (default: the demo)\n"
    "      --list                list directories without an index.html\n"
    "  -w, --workers N           threads, 1 to 64 (default: one a processor)\n"
    "  -b, --bind ADDR           IPv4, IPv6, ADDR:PORT or unix:PATH; repeatable\n"
    "                            (default: 0.0.0.0)\n"
    "  -p, --port PORT           (default: 8000; 0: any free one)\n"
    "      --backend NAME        auto, uring, epoll or poll (default: auto)\n"
    "      --accept MODE         reuseport: each worker listens (default)\n"
    "                            shared: one accepts, the least loaded serves\n"
    "      --ws-echo PATH        echo WebSocket messages at PATH\n"
    "      --ws-max-message N    bytes in one message (default: 1048576)\n"
    "      --echo                answer every request with its own body\n"
    "      --max-connections N   at once (default: what the limit of open files\n"
    "                            leaves); more wait in the backlog\n"
    "      --idle-timeout S      seconds between requests (default: 60)\n"
    "      --header-timeout S    seconds for a request's head (default: 10)\n"
    "      --log FILE|-|none     (default: -, standard error)\n"
    "      --log-level LEVEL     error, warn, info or debug (default: info)\n"
    "      --access-log FILE|-   one line a request; - is standard output\n"
    "  -V, --version\n"
    "  -h, --help\n"
    "\n"
    "SIGTERM and SIGINT finish what is under way and end; SIGHUP reopens the logs.\n";

enum kind { FLAG, TEXT, NUMBER, BIND };

struct option {
    char name[17];
    char letter;
    uint8_t kind;
    uint8_t at; /* of the field in struct settings, in 8 bytes; a flag's in bytes from `echo` */
    uint64_t min;
    uint64_t max;
};

#define PLACE(field) (offsetof(struct settings, field) / 8)
#define FLAG_PLACE(field) (offsetof(struct settings, field) - offsetof(struct settings, echo))

static const struct option options[] = {
    {"root", 'r', TEXT, PLACE(root), 0, 0},
    {"workers", 'w', NUMBER, PLACE(workers), 1, RN_WORKERS_MAX},
    {"bind", 'b', BIND, 0, 0, 0},
    {"port", 'p', NUMBER, PLACE(port), 0, 65535},
    {"backend", 0, TEXT, PLACE(backend), 0, 0},
    {"accept", 0, TEXT, PLACE(accept), 0, 0},
    {"ws-echo", 0, TEXT, PLACE(ws_echo), 0, 0},
    {"ws-max-message", 0, NUMBER, PLACE(ws_message_max), 1, INT64_MAX},
    {"max-connections", 0, NUMBER, PLACE(connections_max), 1, 1000000},
    {"idle-timeout", 0, NUMBER, PLACE(idle_seconds), 1, 1000000},
    {"header-timeout", 0, NUMBER, PLACE(header_seconds), 1, 1000000},
    {"log", 0, TEXT, PLACE(log), 0, 0},
    {"log-level", 0, TEXT, PLACE(log_level), 0, 0},
    {"access-log", 0, TEXT, PLACE(access_log), 0, 0},
    {"echo", 0, FLAG, FLAG_PLACE(echo), 0, 0},
    {"list", 0, FLAG, FLAG_PLACE(list), 0, 0},
    {"version", 'V', FLAG, FLAG_PLACE(version), 0, 0},
    {"help", 'h', FLAG, FLAG_PLACE(help), 0, 0},
};

enum { WORKERS = 1, PORT = 3 }; /* in the table: what a bare word may stand for */

int choice_of(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (rn_bytes_equal(rn_bytes_text(text), rn_bytes_text(names[i]))) return i;
    return -1;
}

static int set(struct settings *settings, const struct option *option, const char *value)
{
    void *field = (uint64_t *)(void *)settings + option->at;
    switch (option->kind) {
    case FLAG: (&settings->echo)[option->at] = true; return 0;
    case TEXT: *(const char **)field = value; return 0;
    case BIND:
        if (settings->bind_count == BINDS_MAX) {
            complain("at most %d addresses", (int)BINDS_MAX);
            return -1;
        }
        settings->binds[settings->bind_count++] = value;
        return 0;
    }
    if (rn_parse_u64(rn_bytes_text(value), field) && *(uint64_t *)field >= option->min &&
        *(uint64_t *)field <= option->max)
        return 0;
    complain("'%s': --%s takes a number from %u to %u", value, option->name, option->min,
             option->max);
    return -1;
}

static const struct option *find(const char *word)
{
    size_t len = 0;
    while (word[len] && word[len] != '=') len++;
    for (size_t i = 0; i < RN_COUNT(options); i++) {
        const struct option *option = &options[i];
        if (word[1] == '-'
                ? rn_bytes_equal(rn_bytes_of(word + 2, len - 2), rn_bytes_text(option->name))
                : option->letter && word[1] == option->letter)
            return option;
    }
    return NULL;
}

/* The value: behind '=' of a long option, right behind a letter, or the next word. */
static const char *value_of(const char *word, char ***next)
{
    if (word[1] != '-' && word[2]) return word + 2;
    for (; *word; word++)
        if (*word == '=') return word + 1;
    return **next ? *(*next)++ : NULL;
}

static int read_option(struct settings *settings, const char *word, char ***next)
{
    const struct option *option = find(word);
    const char *value = NULL;
    if (!option) {
        complain("unknown option '%s'; --help lists them", word);
        return -1;
    }
    if (option->kind != FLAG && !(value = value_of(word, next))) {
        complain("%s needs a value; see --help", word);
        return -1;
    }
    return set(settings, option, value);
}

int settings_read(struct settings *settings, int argc, char **argv)
{
    char **next = argv + (argc > 0);
    unsigned words = 0;
    settings->port = PORT_DEFAULT;
    while (*next) {
        const char *word = *next++;
        int result;
        if (word[0] == '-' && word[1]) {
            result = read_option(settings, word, &next);
        } else if (words < 3) {
            static const struct option address = {.kind = BIND};
            const struct option *const places[] = {&options[WORKERS], &address, &options[PORT]};
            result = set(settings, places[words++], word);
        } else {
            complain("'%s' is one word too many; see --help", word);
            result = -1;
        }
        if (result < 0) return result;
    }
    return 0;
}
