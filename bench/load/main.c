/*
 * bench/load/main.c: runnel-bench. Opens the idle connections, then the busy ones, then lets the
 * schedule run through the warmup and the time that is measured, and reports.
 */
#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

enum { EVENTS = 512, SWEEP_NS = 100000000 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "runnel-bench: %s: %s\n", what, why);
    exit(1);
}

uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double cpu_now(clockid_t clock)
{
    struct timespec used;
    if (clock_gettime(clock, &used)) return 0; /* the process is gone */
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

double server_cpu_now(const struct options *options)
{
    double sum = 0;
    for (size_t i = 0; i < options->server_pid_count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(options->server_pids[i], &clock))
            die("--server-pid", "no such process");
        sum += cpu_now(clock);
    }
    return sum;
}

uint64_t unanswered(const struct load *load)
{
    uint64_t sum = schedule_backlog(load, load->measured_to);
    for (size_t i = 0; i < load->client_count; i++) sum += load->clients[i].expected;
    return sum;
}

/* Only root may go over the hard limit, and nobody over fs.nr_open. */
static void raise_descriptors(const struct options *options)
{
    rlim_t wanted = options->connections + options->idle + 64;
    struct rlimit limit, raised;
    if (getrlimit(RLIMIT_NOFILE, &limit)) die("getrlimit", strerror(errno));
    if (limit.rlim_cur >= wanted) return;
    raised = (struct rlimit){wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
    fprintf(stderr, "runnel-bench: needs %llu descriptors, but no more than %llu are allowed\n",
            (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    exit(1);
}

static void resolve(struct load *load)
{
    const struct options *options = load->options;
    struct addrinfo hints = {
        .ai_socktype = options->mode == MODE_UDP ? SOCK_DGRAM : SOCK_STREAM}, *found;
    int error = getaddrinfo(options->host, options->port, &hints, &found);
    if (error) die(options->host, gai_strerror(error));
    memcpy(&load->address, found->ai_addr, found->ai_addrlen);
    load->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

static void sweep(struct load *load)
{
    if (load->options->mode == MODE_UDP) udp_sweep(load);
    for (size_t i = 0; i < load->options->connections; i++) {
        struct client *client = &load->clients[i];
        if (client->phase == CLIENT_CLOSED && load->running) client_free(load, client);
        client_expire(load, client, schedule_expiry(load));
    }
}

/* Waits for events until then at most, and handles them. */
static void turn(struct load *load, uint64_t until)
{
    struct epoll_event events[EVENTS];
    struct timespec wait = {0};
    if (!load->options->spin && until > load->now)
        wait = (struct timespec){(time_t)((until - load->now) / 1000000000),
                                 (long)((until - load->now) % 1000000000)};
    int count = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);
    load->now = clock_now();
    for (int i = 0; i < count; i++) client_event(load, events[i].data.ptr, events[i].events);
    load->now = clock_now();
    schedule_pump(load);
}

static bool over(const struct load *load)
{
    return interrupted || load->finished || *load->failure;
}

static void run_until(struct load *load, uint64_t end)
{
    uint64_t pause = load->options->timeout > 0 ? SWEEP_NS / 5 : SWEEP_NS;
    uint64_t next_sweep = load->now + pause;
    while (load->now < end && !over(load)) {
        uint64_t until = end < next_sweep ? end : next_sweep, next = schedule_next(load);
        turn(load, next < until ? next : until);
        if (load->now < next_sweep) continue;
        sweep(load);
        next_sweep = load->now + pause;
    }
}

static void open_one(struct load *load, struct client *client)
{
    load->opening++;
    client_open(load, client);
    if (load->options->mode == MODE_UDP && client->fd >= 0)
        client_event(load, client, EPOLLOUT); /* connected at once */
}

/* Opens clients[from..to), never more than OPENING_MAX at a time. */
static void open_clients(struct load *load, size_t from, size_t to)
{
    uint64_t end = clock_now() + 10000000000 + (to - from) * 400000;
    size_t next = from, target = load->opened + (to - from);
    load->now = clock_now();
    while (load->opened < target && !over(load)) {
        while (next < to && load->opening < OPENING_MAX && !over(load))
            open_one(load, &load->clients[next++]);
        turn(load, end);
        if (load->now < end || load->opened >= target || over(load)) continue;
        snprintf(load->failure, sizeof load->failure, "%zu of %zu connections opened in time",
                 to - from - (target - load->opened), to - from);
    }
}

static void open_all(struct load *load)
{
    size_t busy = load->options->connections;
    for (size_t i = 0; i < load->client_count; i++) {
        load->clients[i].fd = -1;
        load->clients[i].idle = i >= busy;
    }
    open_clients(load, busy, load->client_count);
    if (!over(load) && load->idle_lost)
        snprintf(load->failure, sizeof load->failure,
                 "the server closed %llu of %zu idle connections while they were opened",
                 (unsigned long long)load->idle_lost, load->options->idle);
    if (load->options->close) {
        for (size_t i = 0; i < busy; i++) client_free(load, &load->clients[i]);
    } else if (!over(load)) {
        open_clients(load, 0, busy);
    }
}

static void measure(struct load *load, uint64_t end)
{
    const struct options *options = load->options;
    load->counts = (struct counts){0};
    load->measuring = true;
    double server = server_cpu_now(options), own = cpu_now(CLOCK_PROCESS_CPUTIME_ID);
    load->measured_from = load->now;
    if (!load->running && options->connections) schedule_start(load);
    run_until(load, end);
    load->measured_to = load->now = clock_now();
    load->cpu_seconds = cpu_now(CLOCK_PROCESS_CPUTIME_ID) - own;
    if (options->server_pid_count) load->server_cpu_seconds = server_cpu_now(options) - server;
    load->measuring = false;
}

static void run(struct load *load)
{
    const struct options *options = load->options;
    open_all(load);
    if (over(load)) return;
    load->now = clock_now();
    if (options->hold > 0) {
        printf("holding %zu\n", load->resting);
        fflush(stdout);
        measure(load, load->now + (uint64_t)(options->hold * 1e9));
        return;
    }
    if (options->warmup > 0) {
        schedule_start(load);
        run_until(load, load->began + (uint64_t)(options->warmup * 1e9));
    }
    if (!over(load)) measure(load, clock_now() + (uint64_t)(options->duration * 1e9));
}

int main(int argc, char **argv)
{
    static const struct protocol *const protocols[] = {&protocol_http, &protocol_ws,
                                                       &protocol_udp};
    static struct options options;
    static struct load load = {.options = &options, .free_last = &load.free_first};
    options_read(&options, argc, argv);
    raise_descriptors(&options);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1L); /* sleep until the time, not up to 50 us longer */
    load.protocol = protocols[options.mode];
    load.client_count = options.connections + options.idle;
    load.clients = calloc(load.client_count, sizeof *load.clients);
    load.input = malloc(LOAD_INPUT);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.clients || !load.input || load.epoll < 0) die("start", strerror(errno));
    resolve(&load);
    load.protocol->init(&load);
    run(&load);
    if (*load.failure) die(options.url, load.failure);
    if (options.connections && !load.counts.requests) {
        if (interrupted) die(options.url, "ended before anything was measured");
        fprintf(stderr, "runnel-bench: %s: no request was answered\n", options.url);
    }
    if (options.json) {
        report_json(&load);
    } else {
        report_text(&load);
    }
    return options.connections && !load.counts.requests ? 1 : 0;
}
