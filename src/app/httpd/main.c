/*
 * app/httpd/main.c: the program: settings into a server, signals, logs, and messages that say what
 * to do.
 */
#include "app/httpd/httpd.h"
#include "base/text.h"
#include "sys/sys.h"

/* For size: called once it would go into its caller, which has no registers left for so much. */
#define OUT_OF_LINE __attribute__((noinline))

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, STDOUT = 1, STDERR = 2 };

static const int nowhere = -1, complaints_fd = STDERR;
static int log_fd = STDERR;
static int access_fd = STDOUT;
static struct rn_log main_log;
struct rn_log complaints;

#define note(...) rn_log_line(&main_log, __VA_ARGS__)

/* What an error means here and what to do about it, behind the error's number. */
static const char *hint_for(int error)
{
    static const char hints[] =
        "\001not permitted\0"                                                /* EPERM */
        "\002no such file or directory\0"                                    /* ENOENT */
        "\014not enough memory; try fewer --workers or --max-connections\0"  /* ENOMEM */
        "\015no permission; ports below 1024 need root\0"                    /* EACCES */
        "\024not a directory\0"                                              /* ENOTDIR */
        "\026not supported by this kernel\0"                                 /* EINVAL */
        "\030too many open files; raise ulimit -n\0"                         /* EMFILE */
        "\046not in this kernel\0"                                           /* ENOSYS */
        "\142in use by another program; choose another --port\0"             /* EADDRINUSE */
        "\143no address of this machine\0";                                  /* EADDRNOTAVAIL */
    const char *hint = hints;
    while (*hint && *hint != -error) hint += strlen(hint) + 1;
    return *hint ? hint + 1 : "see errno(3)";
}

static int complain_of(const char *what, const char *name, int error)
{
    complain("cannot %s%s: error %d, %s", what, name, -error, hint_for(error));
    return error;
}

/* ---- Logs ------------------------------------------------------------------------------------ */

/* A new file under the descriptor that the workers write to: after the log was moved away, or at
 * the start. */
static int reopen(const char *path, int *fd)
{
    if (!path || same_text(path, "-")) return 0;
    if (same_text(path, "none")) {
        *fd = -1;
        return 0;
    }
    int opened = rn_sys_openat(
        RN_K_AT_FDCWD, path,
        RN_K_O_WRONLY | RN_K_O_CREAT | RN_K_O_APPEND | RN_K_O_CLOEXEC | RN_K_O_NONBLOCK, 0644);
    if (opened < 0) return complain_of("write the log ", path, opened);
    if (*fd <= STDERR) {
        *fd = opened;
        return 0;
    }
    rn_sys_dup3(opened, *fd, RN_K_O_CLOEXEC);
    rn_sys_close(opened);
    return 0;
}

static int reopen_logs(const struct settings *settings)
{
    int result = reopen(settings->log, &log_fd);
    return result < 0 ? result : reopen(settings->access_log, &access_fd);
}

/* ---- The server ------------------------------------------------------------------------------ */

/* context: the log to tell, a complaint when the backend was asked for by name. */
static void on_rejected(void *context, const struct rn_backend_vt *backend, int error,
                        const char *missing)
{
    rn_log_line(context, "httpd: backend %s not taken: %s, error %d, %s", backend->name, missing,
                -error, hint_for(error));
}

RN_COLD static int listen_on(struct rn_http_server *server, const char *text, uint32_t port)
{
    struct rn_address address;
    char name[RN_ADDRESS_TEXT_MAX];
    if (rn_address_parse_global(&address, text, (uint16_t)port) < 0) {
        complain("'%s' is no address: IPv4, IPv6, ADDR:PORT or unix:PATH", text);
        return -1;
    }
    int result = rn_http_server_listen(server, &address);
    rn_address_format_global(&address, name);
    if (result < 0) return complain_of("listen on ", name, result);
    note("listening on %s%s", rn_address_family(&address) == RN_UNIX ? "" : "http://", name);
    return 0;
}

/* Goes on without what the kernel doesn't have, and says so. */
static void give_up(const char *what, int result)
{
    if (result < 0)
        note("httpd: sandbox without %s: error %d, %s", what, -result, hint_for(result));
}

/* What is given up before there are threads, which then never had it. */
OUT_OF_LINE static int give_up_rights(const struct settings *settings)
{
    int result = settings->user ? become_user(settings->user) : 0;
    if (result < 0) return complain_of("become ", settings->user, result);
    if (settings->no_sandbox) {
        note("no sandbox");
        return 0;
    }
    result = rn_sys_prctl(RN_K_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    give_up("landlock", result < 0 ? result : restrict_files(settings));
    return 0;
}

OUT_OF_LINE static struct rn_http_server *start_server(struct settings *settings)
{
    struct rn_http_server *server = NULL;
    int result = rn_http_server_new(&server, &settings->server);
    unsigned inherited = inherited_sockets(settings->environment);
    if (result == 0 && inherited) {
        note("listening on %u inherited sockets", (uint64_t)inherited);
        result = adopt_sockets(server, inherited, settings->server.workers);
    }
    for (const char **bind = settings->binds; *bind && result == 0 && !inherited; bind++)
        if (listen_on(server, *bind, settings->port) < 0) return NULL;
    if (result >= 0) {
        note("httpd " RN_VERSION ": backend %s%s", settings->server.backend->name,
             same_text(settings->backend, "auto") ? ", the fastest of those that work here" : "");
        result = start_keeper(settings->argv, settings->environment);
    }
    if (result >= 0) {
        if (give_up_rights(settings) < 0) return NULL;
        result = rn_http_server_start(server);
    }
    if (result == 0) {
        if (!settings->no_sandbox) give_up("seccomp", restrict_calls(settings));
        end_predecessor(settings->environment);
        return server;
    }
    complain_of("start", "", result);
    return NULL;
}

/* A Unix socket's file outlives its socket. */
static void remove_sockets(const struct settings *settings)
{
    for (const char *const *bind = settings->binds; *bind; bind++)
        if (is_socket_file(*bind)) rn_sys_unlinkat(RN_K_AT_FDCWD, *bind + 5, 0);
}

static int run(struct settings *settings)
{
    const uint64_t mask = RN_SIGNAL_BIT(RN_K_SIGTERM) | RN_SIGNAL_BIT(RN_K_SIGINT) |
                          RN_SIGNAL_BIT(RN_K_SIGQUIT) | RN_SIGNAL_BIT(RN_K_SIGHUP) |
                          RN_SIGNAL_BIT(RN_K_SIGUSR2);
    struct rn_static *files = NULL;
    struct rn_backend_choice choice = {
        on_rejected, same_text(settings->backend, "auto") ? &main_log : &complaints};
    if (reopen_logs(settings) < 0) return EXIT_FAILED;
    if (settings->root) {
        struct rn_static_options options = {.root = settings->root, .list = settings->list};
        int result = rn_static_open(&files, &options, settings->server.workers);
        if (result < 0) {
            complain_of("serve ", settings->root, result);
            return EXIT_FAILED;
        }
    }
    rn_signal_ignore(RN_K_SIGPIPE);
    rn_signals_block(mask);
    settings->server.backend = rn_backend_select(settings->backend, &choice);
    if (!settings->server.backend) return EXIT_FAILED;
    make_routes(settings, files);
    struct rn_http_server *server = start_server(settings);
    if (!server) return EXIT_FAILED;
    int signal;
    while ((signal = rn_signals_wait(mask, RN_NEVER)) < 0 || signal == RN_K_SIGHUP ||
           signal == RN_K_SIGUSR2) {
        if (signal == RN_K_SIGHUP) reopen_logs(settings);
        if (signal == RN_K_SIGUSR2) order_upgrade();
    }
    note("stopping");
    dismiss_keeper();
    rn_http_server_stop(server);
    if (signal != RN_K_SIGQUIT) remove_sockets(settings); /* otherwise somebody else's now */
    if (files) rn_static_close(files);
    note("stopped");
    return 0;
}

int rn_main(int argc, char **argv, char **envp)
{
    static struct settings settings = {
        .server = {.log_fd = &log_fd, .log_level = RN_LOG_INFO},
        .backend = "auto",
        .ws_echo = "",
        .port = PORT_DEFAULT,
    };
    settings.argv = argv;
    settings.environment = envp;
    started_at = rn_clock_monotonic();
    complaints.fd = &complaints_fd;
    complaints.per_line = main_log.per_line = true;
    if (options_read(&settings, argv) < 0) return EXIT_USAGE;
    if (settings.help || settings.version) {
        const char *text = settings.help ? help_text : "httpd " RN_VERSION "\n";
        rn_sys_write(STDOUT, text, strlen(text));
        return 0;
    }
    if (settings.list && !settings.root) {
        complain("%s", "--list needs --root");
        return EXIT_USAGE;
    }
    main_log.fd = settings.server.log_level < RN_LOG_INFO ? &nowhere : &log_fd;
    if (settings.access_log) settings.server.access_fd = &access_fd;
    if (!settings.server.workers) settings.server.workers = rn_cpu_count();
    if (!*settings.binds) *settings.binds = "0.0.0.0";
    return run(&settings);
}

RN_PROGRAM_MAIN
