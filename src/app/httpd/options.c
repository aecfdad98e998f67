/*
 * app/httpd/options.c: the command line. The help is the list of names; a table in the same order
 * says what becomes of each option's value.
 */
#include "app/httpd/httpd.h"
#include "base/bytes.h"

/* Each "--" begins an option, and in front of it is its letter, if it has one. */
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

enum kind { FLAG, TEXT, PATH, BIND, NAME, CHOICE, PORT, NUMBER, SECONDS };

struct option {
    uint8_t kind;
    uint8_t at;   /* of the field in struct settings */
    uint8_t size; /* of the field */
    uint32_t max; /* of a number; 0: any */
    const char *choices;
};

#define FIELD(field) offsetof(struct settings, field), sizeof((struct settings *)0)->field

static const struct option options[] = {
    {TEXT, FIELD(root), 0, NULL},
    {FLAG, FIELD(list), 0, NULL},
    {NUMBER, FIELD(server.workers), RN_WORKERS_MAX, NULL},
    {BIND, FIELD(binds[0]), 0, NULL},
    {PORT, FIELD(port), 65535, NULL},
    {NAME, FIELD(backend), 0, "auto\0uring\0epoll\0poll\0"},
    {CHOICE, FIELD(server.accept), 0, "reuseport\0shared\0"},
    {PATH, FIELD(ws_echo), 0, NULL},
    {NUMBER, FIELD(ws_message_max), 0, NULL},
    {FLAG, FIELD(echo), 0, NULL},
    {NUMBER, FIELD(server.connections_max), 1000000, NULL},
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

bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

/* Where the help describes the option that `word` names; NULL when there is none. */
static const char *find(const char *word, const struct option **found)
{
    *found = options;
    for (const char *at = help_text; *at; at++) {
        size_t len = 0;
        if (at[0] != '-' || at[1] != '-') continue;
        while (at[len] > ' ' && at[len] == word[len]) len++;
        if (at[len] <= ' ' && (!word[len] || word[len] == '=')) return at;
        if (at[-2] == ',' && at[-3] == word[1]) return at;
        at++;
        ++*found;
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

/* The value as it is stored; false when it isn't one for this option. */
static bool convert(const struct option *option, const char *value, uint64_t *field)
{
    const char *choice = option->choices;
    *field = 0;
    if (choice) {
        for (; *choice && !same_text(choice, value); choice += strlen(choice) + 1) ++*field;
        if (!*choice) return false;
    } else if (option->kind >= PORT) {
        if (!rn_parse_u64(rn_bytes_text(value), field) || (option->max && *field > option->max))
            return false;
        if (option->kind == SECONDS) *field *= RN_SECOND;
        return *field || option->kind == PORT;
    }
    if (option->kind <= NAME) *field = (uintptr_t)value;
    return option->kind != PATH || *value == '/';
}

int settings_read(struct settings *settings, char **words)
{
    static const char places[][3] = {"-w", "-b", "-p", "-"};
    unsigned place = 0;
    if (*words) words++; /* the program's name */
    while (*words) {
        const char *word = *words++, *value = word;
        const struct option *option;
        bool bare = word[0] != '-' || !word[1];
        uint64_t converted = true;
        const char *line = find(bare ? places[place++] : word, &option);
        if (!line) {
            complain("'%s' is not understood; see --help", word);
            return -1;
        }
        if (option->kind != FLAG) {
            if (!bare) value = value_of(word, &words);
            if (!value || !convert(option, value, &converted) ||
                (option->kind == BIND && settings->binds[BINDS_MAX - 1])) {
                complain("'%s': expected %b", value ? value : word, line,
                         rn_bytes_find(rn_bytes_text(line), '\n'));
                return -1;
            }
        }
        char *field = (char *)settings + option->at;
        while (option->kind == BIND && *(const char **)field) field += sizeof(char *);
        memcpy(field, &converted, option->size);
    }
    return 0;
}
