/*
 * app/httpd/main.c: the program: settings into a server, signals, logs, and messages that say what
 * to do.
 */
#include "app/httpd/httpd.h"
#include "base/text.h"
#include "sys/sys.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, STDOUT = 1, STDERR = 2 };

static int log_fd = STDERR;
static int access_fd = STDOUT;
static enum rn_log_level log_level = RN_LOG_INFO;
static struct rn_log main_log;

void complain(const char *format, ...)
{
    char line[512];
    struct rn_text text = {.ptr = line, .cap = sizeof line - 1};
    va_list arguments;
    rn_text_add(&text, "httpd: ", 7);
    va_start(arguments, format);
    rn_text_vformat(&text, format, arguments);
    va_end(arguments);
    line[text.len++] = '\n';
    rn_sys_write(STDERR, line, text.len);
}

/* What to do about an error, where there is more to say than its name. */
static const struct {
    int error;
    const char *text;
} hints[] = {
    {-RN_K_EADDRINUSE, "in use by another program; choose another port with --port"},
    {-RN_K_EACCES, "no permission; ports below 1024 need root"},
    {-RN_K_EADDRNOTAVAIL, "no interface of this machine has this address"},
    {-RN_K_ENOENT, "there is no such file or directory"},
    {-RN_K_ENOTDIR, "not a directory"},
    {-RN_K_ENOMEM, "not enough memory; try fewer --workers or --max-connections"},
    {-RN_K_EMFILE, "too many open files; raise the limit with ulimit -n"},
};

static void complain_of(const char *what, const char *name, int error)
{
    unsigned i = 0;
    while (i < RN_COUNT(hints) && hints[i].error != error) i++;
    complain("cannot %s %s: %s%s%s", what, name, rn_error_name(error),
             i < RN_COUNT(hints) ? ", " : "", i < RN_COUNT(hints) ? hints[i].text : "");
}

#define note(...)                                                                                  \
    do {                                                                                           \
        if (log_level >= RN_LOG_INFO) rn_log_line(&main_log, __VA_ARGS__);                         \
    } while (0)

/* ---- Logs ------------------------------------------------------------------------------------ */

static int open_log(const char *path)
{
    return rn_sys_openat(
        RN_K_AT_FDCWD, path,
        RN_K_O_WRONLY | RN_K_O_CREAT | RN_K_O_APPEND | RN_K_O_CLOEXEC | RN_K_O_NONBLOCK, 0644);
}

static bool is_file(const char *log)
{
    return log && choice_of(log, (const char *[]){"-", "none", NULL}) < 0;
}

/* A new file under the descriptor that the workers write to: after the log was moved away, or at
 * the start. */
static int reopen(const char *path, int *fd)
{
    int opened = open_log(path);
    if (opened < 0) {
        complain_of("write the log", path, opened);
        return opened;
    }
    if (*fd > STDERR) {
        rn_sys_dup3(opened, *fd, RN_K_O_CLOEXEC);
        rn_sys_close(opened);
    } else {
        *fd = opened;
    }
    return 0;
}

static int reopen_logs(const struct settings *settings)
{
    int result = is_file(settings->log) ? reopen(settings->log, &log_fd) : 0;
    if (result == 0 && is_file(settings->access_log))
        result = reopen(settings->access_log, &access_fd);
    return result;
}

static int open_logs(const struct settings *settings)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    if (settings->log_level) {
        int level = choice_of(settings->log_level, levels);
        if (level < 0) {
            complain("'%s': --log-level takes error, warn, info or debug", settings->log_level);
            return -1;
        }
        log_level = (enum rn_log_level)level;
    }
    if (settings->log && choice_of(settings->log, (const char *[]){"none", NULL}) == 0) log_fd = -1;
    return reopen_logs(settings);
}

/* ---- The server ------------------------------------------------------------------------------ */

static void on_rejected(void *context, const struct rn_backend_vt *backend, int error,
                        const char *missing)
{
    const char *named = context;
    if (named)
        complain("backend %s does not work here: %s (%s); try --backend auto", backend->name,
                 missing, rn_error_name(error));
    else
        note("backend %s not taken: %s (%s)", backend->name, missing, rn_error_name(error));
}

static const struct rn_backend_vt *choose_backend(const struct settings *settings)
{
    const char *name = settings->backend ? settings->backend : "auto";
    int index = choice_of(name, (const char *[]){"auto", "uring", "epoll", "poll", NULL});
    struct rn_backend_choice choice = {on_rejected, index ? (void *)(uintptr_t)name : NULL};
    if (index < 0) complain("'%s': --backend takes auto, uring, epoll or poll", name);
    return index < 0 ? NULL : rn_backend_select(name, &choice);
}

static int listen_on(struct rn_http_server *server, const char *text, uint16_t port)
{
    struct rn_address address;
    char name[RN_ADDRESS_TEXT_MAX];
    if (rn_address_parse(&address, text, port) < 0) {
        complain("'%s' is no address: IPv4, IPv6, ADDR:PORT or unix:PATH", text);
        return -1;
    }
    int result = rn_http_server_listen(server, &address);
    rn_address_format(&address, name);
    if (result < 0) complain_of("listen on", name, result);
    else note("listening on %s%s", rn_address_family(&address) == RN_UNIX ? "" : "http://", name);
    return result;
}

static int listen_on_all(struct rn_http_server *server, struct settings *settings)
{
    if (!settings->bind_count) settings->binds[settings->bind_count++] = "0.0.0.0";
    for (unsigned i = 0; i < settings->bind_count; i++) {
        int result = listen_on(server, settings->binds[i], (uint16_t)settings->port);
        if (result < 0) return result;
    }
    return 0;
}

static struct rn_http_server *start_server(struct settings *settings, struct rn_static *files)
{
    struct rn_http_server *server;
    struct rn_http_options options = {
        .workers = (unsigned)settings->workers,
        .backend = choose_backend(settings),
        .connections_max = (uint32_t)settings->connections_max,
        .header_timeout = settings->header_seconds * RN_SECOND,
        .idle_timeout = settings->idle_seconds * RN_SECOND,
        .log_fd = &log_fd,
        .access_fd = settings->access_log ? &access_fd : NULL,
        .log_level = log_level,
    };
    if (!options.backend) return NULL;
    if (settings->accept) {
        int mode = choice_of(settings->accept, (const char *[]){"reuseport", "shared", NULL});
        if (mode < 0) {
            complain("'%s': --accept takes reuseport or shared", settings->accept);
            return NULL;
        }
        options.accept = (enum rn_accept_mode)mode;
    }
    options.route_count = make_routes(settings, files, &options.routes);
    int result = rn_http_server_new(&server, &options);
    if (result == 0) {
        if (listen_on_all(server, settings) < 0) return NULL;
        note("httpd " RN_VERSION ": backend %s", options.backend->name);
        result = rn_http_server_start(server);
    }
    if (result == 0) return server;
    complain_of("start", "", result);
    return NULL;
}

static int open_root(const struct settings *settings, struct rn_static **files)
{
    struct rn_static_options options = {.root = settings->root, .list = settings->list};
    unsigned workers = settings->workers ? (unsigned)settings->workers : rn_cpu_count();
    int result = rn_static_open(files, &options, workers);
    if (result < 0) complain_of("serve", settings->root, result);
    return result;
}

static int check(const struct settings *settings)
{
    if (settings->ws_echo && settings->ws_echo[0] != '/') {
        complain("'%s': --ws-echo takes a path that begins with /", settings->ws_echo);
        return -1;
    }
    if (settings->list && !settings->root) {
        complain("--list needs --root");
        return -1;
    }
    return 0;
}

/* A Unix socket's file outlives its socket. */
static void remove_sockets(const struct settings *settings)
{
    for (unsigned i = 0; i < settings->bind_count; i++) {
        rn_bytes bind = rn_bytes_text(settings->binds[i]);
        if (bind.len > 5 && memcmp(bind.ptr, "unix:", 5) == 0 && bind.ptr[5] != '@')
            rn_sys_unlinkat(RN_K_AT_FDCWD, settings->binds[i] + 5, 0);
    }
}

static int run(struct settings *settings)
{
    const uint64_t stop = RN_SIGNAL_BIT(RN_K_SIGTERM) | RN_SIGNAL_BIT(RN_K_SIGINT);
    const uint64_t mask = stop | RN_SIGNAL_BIT(RN_K_SIGHUP);
    struct rn_static *files = NULL;
    if (open_logs(settings) < 0) return EXIT_FAILED;
    if (settings->root && open_root(settings, &files) < 0) return EXIT_FAILED;
    rn_signal_ignore(RN_K_SIGPIPE);
    rn_signals_block(mask);
    struct rn_http_server *server = start_server(settings, files);
    if (!server) return EXIT_FAILED;
    int signal;
    while ((signal = rn_signals_wait(mask, RN_NEVER)) < 0 || signal == RN_K_SIGHUP)
        if (signal == RN_K_SIGHUP) reopen_logs(settings);
    note("stopping");
    rn_http_server_stop(server);
    remove_sockets(settings);
    if (files) rn_static_close(files);
    note("stopped");
    return 0;
}

int rn_main(int argc, char **argv, char **envp)
{
    struct settings settings = {0};
    started_at = rn_clock_monotonic();
    main_log.fd = &log_fd;
    main_log.per_line = true;
    if (settings_read(&settings, argc, argv) < 0) return EXIT_USAGE;
    if (settings.help || settings.version) {
        const char *text = settings.help ? help_text : "httpd " RN_VERSION "\n";
        rn_sys_write(STDOUT, text, strlen(text));
        return 0;
    }
    if (check(&settings) < 0) return EXIT_USAGE;
    return run(&settings);
}

RN_PROGRAM_MAIN
