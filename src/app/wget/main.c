/*
 * app/wget/main.c: the program: settings, signals, one worker with its tasks, the exit code.
 */
#include <runnel/resolver.h>

#include "app/wget/wget.h"
#include "base/text.h"
#include "sys/sys.h"

/* A write is a helper's, and takes two switches of threads: with large pieces that doesn't show. */
enum { STDOUT = 1, STDERR = 2, BUFFER_SIZE = 1 << 20, BUFFERS = 64, BUFFERS_A_JOB = 8 };

struct fetcher fetcher;

/* ---- Settings -------------------------------------------------------------------------------- */

static int usage(const char *why)
{
    complain("%s; see --help", why);
    return EXIT_USAGE;
}

static bool has_scheme(const char *word)
{
    for (; *word; word++)
        if (word[0] == ':' && word[1] == '/' && word[2] == '/') return true;
    return false;
}

/* The words: one URL and a file's name, or URLs. */
static int sort_words(struct settings *settings)
{
    const char **urls = settings->urls;
    if (!urls[0]) return usage("which URL?");
    if (urls[1] && !urls[2] && !settings->output && !has_scheme(urls[1])) {
        settings->output = urls[1];
        urls[1] = NULL;
    }
    while (urls[fetcher.url_count]) fetcher.url_count++;
    if (settings->output && fetcher.url_count > 1) {
        if (!same_text(settings->output, "-")) return usage("-O takes one URL");
        settings->jobs = 1; /* one behind the other */
    }
    if (settings->jobs > fetcher.url_count) settings->jobs = fetcher.url_count;
    return 0;
}

/* $http_proxy, where no other was named. */
static const char *find_proxy(void)
{
    static const char name[] = "http_proxy=";
    const struct settings *settings = &fetcher.settings;
    if (settings->no_proxy) return NULL;
    if (settings->proxy) return settings->proxy;
    for (const char **entry = fetcher.environment; *entry; entry++) {
        size_t at = 0;
        while (name[at] && (*entry)[at] == name[at]) at++;
        if (!name[at] && (*entry)[at]) return *entry + at;
    }
    return NULL;
}

/* ---- The worker ------------------------------------------------------------------------------ */

static void on_rejected(void *context, const struct rn_backend_vt *backend, int error,
                        const char *missing)
{
    if (!same_text(fetcher.settings.backend, "auto"))
        complain("backend %s: %s: %s", backend->name, missing, rn_error_text(error));
}

static int on_start(struct rn_worker *worker, void *context)
{
    static char proxy[RN_HTTP_URL_MAX];
    const struct settings *settings = &fetcher.settings;
    const char *given = find_proxy();
    rn_ns patience = settings->timeout ? settings->timeout * RN_SECOND : RN_NEVER / 2;
    struct rn_http_client_options options = {
        .connections_max = settings->jobs + 1,
        .connections_per_host_max = settings->jobs,
        .connect_timeout = patience,
        .head_timeout = patience,
        .stall_timeout = patience,
        .user_agent = settings->agent ? settings->agent : "wget/" RN_VERSION " (Runnel)",
    };
    if (given) {
        struct rn_text text = {.ptr = proxy, .cap = sizeof proxy - 1};
        rn_text_format(&text, "%s%s", has_scheme(given) ? "" : "http://", given);
        options.proxy = proxy;
    }
    int result = rn_http_client_init(&fetcher.client, worker, &options);
    if (result < 0) {
        complain("%s%s: %s", given ? "proxy " : "", given ? given : "client",
                 rn_error_text(result));
        return result;
    }
    fetcher.running = settings->jobs;
    for (unsigned i = 0; i < settings->jobs && result == 0; i++) {
        fetcher.jobs[i].task.poll = fetch_run;
        result = rn_spawn(worker, &fetcher.jobs[i].task);
    }
    rn_assert(result == 0); /* there are more slots than jobs */
    progress_start();
    return 0;
}

static void on_stop(struct rn_worker *worker, void *context)
{
    rn_resolver_stop(worker);
}

/* On the worker's thread: everything that is under way ends. */
static void interrupt(struct rn_worker *worker, struct rn_node *node)
{
    if (fetcher.interrupted || !fetcher.running) return;
    fetcher.interrupted = true;
    complain("%s", "interrupted");
    for (unsigned i = 0; i < fetcher.settings.jobs; i++)
        if (fetcher.jobs[i].co.line != RN_CO_DONE)
            rn_task_cancel(rn_task_waker(worker, &fetcher.jobs[i].task));
}

/* ---- The program ----------------------------------------------------------------------------- */

static void measure_terminal(void)
{
    uint16_t size[4] = {0}; /* struct winsize: rows, columns, pixels */
    uint32_t width = rn_sys_ioctl(STDERR, RN_K_TIOCGWINSZ, (long)size) < 0 ? 0
                     : size[1]                                             ? size[1]
                                                                           : 80;
    __atomic_store_n(&fetcher.terminal, width, __ATOMIC_RELAXED);
}

/* Those that end the program, but for what it was told to ignore: nohup(1), a shell's "&". */
static uint64_t ending_signals(void)
{
    static const uint8_t signals[] = {RN_K_SIGINT, RN_K_SIGTERM, RN_K_SIGHUP, RN_K_SIGQUIT};
    uint64_t mask = 0;
    for (unsigned i = 0; i < sizeof signals; i++) {
        struct rn_k_sigaction old;
        rn_sys_rt_sigaction(signals[i], NULL, &old);
        if (old.handler != RN_K_SIG_IGN) mask |= RN_SIGNAL_BIT(signals[i]);
    }
    return mask;
}

/* Ends as the signal would have ended it: a shell's loop must not go on. */
static int die_by(int signal)
{
    const uint64_t mask = RN_SIGNAL_BIT(signal);
    rn_sys_kill(rn_sys_getpid(), signal);
    rn_sys_rt_sigprocmask(RN_K_SIG_UNBLOCK, &mask, NULL);
    return EXIT_OTHER;
}

static int run(const struct rn_runtime_options *options)
{
    struct rn_runtime *runtime = NULL;
    struct rn_node node = {.run = interrupt};
    uint64_t mask = ending_signals();
    int ended_by = 0;
    rn_signals_block(mask | RN_SIGNAL_BIT(RN_K_SIGUSR1) | RN_SIGNAL_BIT(RN_K_SIGWINCH));
    int result = rn_runtime_start(&runtime, options);
    if (result < 0) {
        complain("cannot start: %s", rn_error_text(result));
        return EXIT_OTHER;
    }
    while (!__atomic_load_n(&fetcher.over, __ATOMIC_ACQUIRE)) {
        int signal = rn_signals_wait(
            mask | RN_SIGNAL_BIT(RN_K_SIGUSR1) | RN_SIGNAL_BIT(RN_K_SIGWINCH), RN_NEVER);
        if (signal == RN_K_SIGWINCH) measure_terminal();
        if (signal < 0 || !(mask & RN_SIGNAL_BIT(signal))) continue;
        if (ended_by) return die_by(signal); /* it can't wait: for a reader who doesn't, say */
        ended_by = signal;
        rn_worker_post(rn_runtime_worker(runtime, 0), &node);
    }
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
    return fetcher.interrupted ? die_by(ended_by) : fetcher.exit_code;
}

int rn_main(int argc, char **argv, char **envp)
{
    struct settings *settings = &fetcher.settings;
    struct rn_backend_choice choice = {on_rejected, NULL};
    *settings = (struct settings){
        .backend = "auto",
        .jobs = 1,
        .tries = 20,
        .redirects_max = 20,
        .timeout = 900,
        .retry_wait = 10,
    };
    fetcher.environment = (const char **)envp;
    if (options_read(settings, argv) < 0) return EXIT_USAGE;
    if (settings->help || settings->version) {
        const char *text = settings->help ? help_text : "wget " RN_VERSION " (Runnel)\n";
        rn_sys_write(STDOUT, text, strlen(text));
        return EXIT_OK;
    }
    int result = sort_words(settings);
    if (result == 0) result = request_check();
    if (result != 0) return result;
    const struct rn_helper_options helpers = {.threads = settings->jobs};
    result = rn_helpers_setup(&helpers);
    rn_assert(result == 0);
    struct rn_runtime_options options = {
        .workers = 1,
        .backend = rn_backend_select(settings->backend, &choice),
        .buffers = BUFFERS + BUFFERS_A_JOB * settings->jobs,
        .buffer_size = BUFFER_SIZE,
        .on_start = on_start,
        .on_stop = on_stop,
    };
    if (!options.backend) return EXIT_OTHER;
    fetcher.jobs = rn_map(settings->jobs * sizeof *fetcher.jobs);
    if (!fetcher.jobs) {
        complain("%s", rn_error_text(-RN_K_ENOMEM));
        return EXIT_OTHER;
    }
    rn_signal_ignore(RN_K_SIGPIPE);
    rn_signal_ignore(RN_K_SIGXFSZ); /* a write says -EFBIG then */
    measure_terminal();
    return run(&options);
}

RN_PROGRAM_MAIN
