/*
 * The command line of httpd: words, cut at NULs. What is accepted lies in its bounds, and is read
 * the same again when every option is written out with its long name.
 */
#include "fuzz.h"

#include "app/httpd/httpd.h"

enum { WORDS_MAX = 64, TEXT_MAX = 8192 };

struct rn_log complaints;
static const int nowhere = -1;

static void check_bounds(const struct settings *settings)
{
    const struct rn_http_options *server = &settings->server;
    require(server->workers <= RN_WORKERS_MAX && settings->port <= 65535);
    require(!settings->binds[BINDS_MAX] && server->connections_max <= 1000000);
    require(server->address_connections_max <= 1000000 && server->rate_min <= 1000000);
    require(server->connection_requests_max <= 1000000);
    require(server->idle_timeout <= 1000000 * RN_SECOND && server->log_level <= RN_LOG_DEBUG);
    require(server->idle_timeout % RN_SECOND == 0 && server->header_timeout % RN_SECOND == 0);
    require(!settings->ws_echo || *settings->ws_echo == '/');
    for (unsigned i = 1; i < BINDS_MAX; i++) require(settings->binds[i - 1] || !settings->binds[i]);
}

struct line {
    char text[TEXT_MAX];
    char *words[WORDS_MAX + 1];
    size_t len;
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static void word(struct line *line, const char *format, ...)
{
    va_list arguments;
    char *to = line->text + line->len;
    va_start(arguments, format);
    line->len += (size_t)vsnprintf(to, TEXT_MAX - line->len, format, arguments) + 1;
    va_end(arguments);
    require(line->len < TEXT_MAX && line->count < WORDS_MAX);
    line->words[line->count++] = to;
    line->words[line->count] = NULL;
}

static void write_out(struct line *line, const struct settings *settings)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const struct rn_http_options *server = &settings->server;
    word(line, "httpd");
    if (settings->root) word(line, "--root=%s", settings->root);
    if (settings->list) word(line, "--list");
    if (server->workers) word(line, "--workers=%u", server->workers);
    for (unsigned i = 0; settings->binds[i]; i++) word(line, "--bind=%s", settings->binds[i]);
    word(line, "--port=%u", settings->port);
    if (settings->backend) word(line, "--backend=%s", settings->backend);
    word(line, "--accept=%s", server->accept == RN_ACCEPT_SHARED ? "shared" : "reuseport");
    if (settings->ws_echo) word(line, "--ws-echo=%s", settings->ws_echo);
    if (settings->ws_message_max)
        word(line, "--ws-max-message=%llu", (unsigned long long)settings->ws_message_max);
    if (settings->echo) word(line, "--echo");
    if (server->connections_max) word(line, "--max-connections=%u", server->connections_max);
    if (server->address_connections_max)
        word(line, "--max-per-address=%u", server->address_connections_max);
    if (server->connection_requests_max)
        word(line, "--max-requests=%u", server->connection_requests_max);
    if (server->rate_min) word(line, "--min-rate=%u", server->rate_min);
    if (server->idle_timeout)
        word(line, "--idle-timeout=%llu", (unsigned long long)(server->idle_timeout / RN_SECOND));
    if (server->header_timeout)
        word(line, "--header-timeout=%llu",
             (unsigned long long)(server->header_timeout / RN_SECOND));
    if (settings->log) word(line, "--log=%s", settings->log);
    word(line, "--log-level=%s", levels[server->log_level]);
    if (settings->access_log) word(line, "--access-log=%s", settings->access_log);
    if (settings->version) word(line, "--version");
    if (settings->help) word(line, "--help");
}

static void same_words(const char *a, const char *b)
{
    require(!a == !b && (!a || !strcmp(a, b)));
}

static void check_again(const struct settings *settings)
{
    static struct line line;
    struct settings again = {0};
    line.len = line.count = 0;
    write_out(&line, settings);
    require(options_read(&again, line.words) == 0);
    same_words(again.root, settings->root);
    same_words(again.backend, settings->backend);
    same_words(again.ws_echo, settings->ws_echo);
    same_words(again.log, settings->log);
    same_words(again.access_log, settings->access_log);
    for (unsigned i = 0; i < BINDS_MAX; i++) same_words(again.binds[i], settings->binds[i]);
    require(again.server.workers == settings->server.workers && again.port == settings->port);
    require(again.server.accept == settings->server.accept);
    require(again.ws_message_max == settings->ws_message_max);
    require(again.server.connections_max == settings->server.connections_max);
    require(again.server.address_connections_max == settings->server.address_connections_max);
    require(again.server.connection_requests_max == settings->server.connection_requests_max);
    require(again.server.rate_min == settings->server.rate_min);
    require(again.server.idle_timeout == settings->server.idle_timeout);
    require(again.server.header_timeout == settings->server.header_timeout);
    require(again.server.log_level == settings->server.log_level);
    require(again.list == settings->list && again.echo == settings->echo);
    require(again.version == settings->version && again.help == settings->help);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char program[] = "httpd";
    char *words[WORDS_MAX + 2] = {program};
    unsigned count = 1;
    struct settings settings = {0};
    if (size > 400) return -1;
    complaints.fd = &nowhere;
    char *text = guarded_space(0, size + 1);
    if (size) memcpy(text, data, size);
    text[size] = 0;
    for (size_t at = 0; at < size && count <= WORDS_MAX / 2; at += strlen(text + at) + 1)
        words[count++] = text + at;
    int result = options_read(&settings, words);
    require(result == 0 || result == -1);
    if (result < 0) return 0;
    check_bounds(&settings);
    check_again(&settings);
    return 0;
}
