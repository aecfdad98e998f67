/*
 * sim/sim.c: runs seeds: one of them, or one after the other until one fails. What a seed does
 * depends on nothing else.
 */
#include "world.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/sim.h"

enum {
    PROCESSES_MAX = 64,
    AGAIN_EVERY = 32,      /* seeds until one is run twice and must be the same twice */
    CALLS_MAX = 3000000,   /* simulated system calls of a run */
    SECONDS_MAX = 10,      /* of processor time, for a loop that makes none */
    TEXT_MAX = 1000,
};

static const struct workload *const workloads[] = {
    &workload_http, &workload_websocket, &workload_udp, &workload_tasks, &workload_storm,
    &workload_upgrade, &workload_names, &workload_files, &workload_polls, &workload_calls,
    &workload_fibers, &workload_descriptors, &workload_sync,
    &workload_ws_client, &workload_fiber_calls, &workload_buffered, &workload_groups,
};
static const char *const weathers[] = {"quiet", "slow", "rough", "stormy"};

/* What the processes share. */
static struct shared {
    uint64_t first_failed; /* atomic */
    struct report {
        uint64_t runs;
        uint64_t calls;
        uint64_t virtual_seconds;
        uint64_t seed; /* the one that failed, or 0 */
        char text[TEXT_MAX];
    } reports[PROCESSES_MAX];
} *shared;

static struct report *report;
static const struct workload *forced, *present;
static bool traced;

/* ---- Failing --------------------------------------------------------------------------------- */

void fail(const char *format, ...)
{
    va_list arguments;
    char what[TEXT_MAX / 2];
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    report->seed = run.seed;
    snprintf(report->text, sizeof report->text,
             "sim: seed %llu failed (%s, %s, thread %u, after %.6f s and %llu calls):\n  %s\n"
             "repeat it with: make sim SEED=%llu%s%s\n",
             (unsigned long long)run.seed, present->name, weathers[run.weather],
             rn_sim_thread(run.sim), (double)(rn_sim_now(run.sim) - 1000 * RN_SECOND) / 1e9,
             (unsigned long long)rn_sim_calls(run.sim), what, (unsigned long long)run.seed,
             forced ? " WORKLOAD=" : "", forced ? forced->name : "");
    uint64_t seen = __atomic_load_n(&shared->first_failed, __ATOMIC_SEQ_CST);
    while (run.seed < seen && !__atomic_compare_exchange_n(&shared->first_failed, &seen, run.seed,
                                                           false, __ATOMIC_SEQ_CST,
                                                           __ATOMIC_SEQ_CST)) {}
    _exit(1);
}

static void on_stuck(void *context, const char *why) { fail("%s", why); }

static void on_signal(int number)
{
    fail(number == SIGPROF ? "no end in %d s of processor time"
                           : "signal %d: an assertion (4, 5), or a bad address (11)",
         number == SIGPROF ? (int)SECONDS_MAX : number);
}

static void catch_signals(void)
{
    static uint8_t stack[65536];
    static const int caught[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGPROF};
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternate, NULL);
    for (unsigned i = 0; i < RN_COUNT(caught); i++) sigaction(caught[i], &action, NULL);
}

/* ---- One seed -------------------------------------------------------------------------------- */

static const char *call_name(long number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {RN_SIM_SWITCH, "switch"},          {RN_SIM_COMPLETION, "completion"},
        {SYS_read, "read"},                 {SYS_write, "write"},
        {SYS_close, "close"},               {SYS_socket, "socket"},
        {SYS_bind, "bind"},                 {SYS_listen, "listen"},
        {SYS_accept4, "accept4"},           {SYS_connect, "connect"},
        {SYS_sendto, "sendto"},             {SYS_recvfrom, "recvfrom"},
        {SYS_sendmsg, "sendmsg"},           {SYS_recvmsg, "recvmsg"},
        {SYS_sendfile, "sendfile"},         {SYS_shutdown, "shutdown"},
        {SYS_setsockopt, "setsockopt"},     {SYS_getsockname, "getsockname"},
        {SYS_epoll_ctl, "epoll_ctl"},       {SYS_epoll_pwait2, "epoll_pwait2"},
        {SYS_ppoll, "ppoll"},               {SYS_futex, "futex"},
        {SYS_openat, "openat"},             {SYS_openat2, "openat2"},
        {SYS_statx, "statx"},               {SYS_pread64, "pread64"},
        {SYS_prlimit64, "prlimit64"},       {SYS_getrandom, "getrandom"},
        {SYS_epoll_create1, "epoll_create1"}, {SYS_eventfd2, "eventfd2"},
    };
    for (unsigned i = 0; i < RN_COUNT(names); i++)
        if (names[i].number == number) return names[i].name;
    return "other";
}

static void on_call(void *context, const struct rn_sim_call *call)
{
    printf("%12.6f thread %u %s(%ld, %ld) = %ld\n", (double)(call->now - 1000 * RN_SECOND) / 1e9,
           call->thread, call_name(call->number), call->a, call->b, call->result);
}

static void choose_faults(void)
{
    struct rn_sim_faults *faults = &run.faults;
    *faults = (struct rn_sim_faults){0};
    run.weather = pick(4);
    if (run.weather < SLOW) return;
    faults->delay_max = RN_MICROSECOND << pick(14);
    faults->partial = (uint16_t)pick(20000);
    faults->preempt = (uint16_t)pick(30000);
    faults->stall = (uint16_t)pick(300);
    faults->stall_max = RN_MICROSECOND << pick(15);
    if (run.weather < ROUGH) return;
    faults->accept = (uint16_t)pick(10000);
    faults->open = (uint16_t)pick(3000);
    faults->io = (uint16_t)pick(3000);
    faults->interrupt = (uint16_t)pick(10000);
    faults->datagram_lost = (uint16_t)pick(10000);
    faults->datagram_twice = (uint16_t)pick(10000);
    faults->datagram_late = (uint16_t)pick(10000);
    if (run.weather < STORMY) return;
    faults->cut = (uint16_t)pick(chance(2) ? 400 : 4000);
    faults->silence = (uint16_t)pick(chance(2) ? 200 : 1000);
    faults->refuse = (uint16_t)pick(5000);
    faults->jump = (uint16_t)pick(200);
    faults->stall_max = RN_MILLISECOND << pick(15);
}

static void run_workload(void *context)
{
    choose_faults();
    unsigned which = pick(RN_COUNT(workloads));
    present = forced ? forced : workloads[which];
    faults_off();
    present->run();
}

static uint64_t run_once(uint64_t seed)
{
    struct rn_sim_options options = {
        .seed = seed,
        .calls_max = CALLS_MAX,
        .stuck = on_stuck,
        .trace = traced ? on_call : NULL,
        .descriptors = 512,
    };
    struct itimerval limit = {.it_value.tv_sec = SECONDS_MAX};
    setitimer(ITIMER_PROF, &limit, NULL);
    options.buffer = 1024u << (seed * 0x9E3779B97F4A7C15u >> 32) % 7;
    run = (struct run){.seed = seed};
    if (rn_sim_new(&run.sim, &options) < 0) {
        fprintf(stderr, "sim: no memory\n");
        _exit(2);
    }
    int left = world_run(run_workload);
    if (left) fail("%d threads are there at the end", left);
    if (rn_sim_descriptors(run.sim))
        fail("%u descriptors are open at the end", rn_sim_descriptors(run.sim));
    if (rn_sim_mapped(run.sim))
        fail("%llu bytes are mapped at the end", (unsigned long long)rn_sim_mapped(run.sim));
    uint64_t hash = rn_sim_hash(run.sim);
    report->runs++;
    report->calls += rn_sim_calls(run.sim);
    report->virtual_seconds += (rn_sim_now(run.sim) / RN_SECOND) - 1000;
    rn_sim_free(run.sim);
    return hash;
}

static void run_seed(uint64_t seed, bool twice)
{
    uint64_t hash = run_once(seed);
    if (!twice) return;
    run.sim = NULL;
    traced = false;
    if (run_once(seed) == hash) return;
    fprintf(stderr, "sim: seed %llu is not the same twice\n", (unsigned long long)seed);
    _exit(3);
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void walk(uint64_t first, uint64_t last, unsigned step)
{
    for (uint64_t seed = first; seed <= last; seed += step) {
        if (seed > __atomic_load_n(&shared->first_failed, __ATOMIC_SEQ_CST)) break;
        run_seed(seed, seed % AGAIN_EVERY == 0);
    }
}

static int walk_all(uint64_t from, uint64_t runs, unsigned processes)
{
    struct timespec begin, end;
    struct report sum = {0};
    int status, failed = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < processes; i++) {
        report = &shared->reports[i];
        pid_t child = fork();
        if (child < 0) return 2;
        if (child > 0) continue;
        walk(from + i, from + runs - 1, processes);
        _exit(0);
    }
    while (wait(&status) > 0) failed |= status;
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (unsigned i = 0; i < processes; i++) {
        const struct report *at = &shared->reports[i];
        sum.runs += at->runs;
        sum.calls += at->calls;
        sum.virtual_seconds += at->virtual_seconds;
        if (at->seed && at->seed == shared->first_failed) fputs(at->text, stdout);
    }
    printf("sim: %llu runs, %llu simulated calls, %llu virtual hours in %.1f s\n",
           (unsigned long long)sum.runs, (unsigned long long)sum.calls,
           (unsigned long long)sum.virtual_seconds / 3600,
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return failed ? 1 : 0;
}

static int one_seed(uint64_t seed)
{
    pid_t child = fork();
    if (child == 0) {
        run_seed(seed, true);
        printf("sim: seed %llu passed (%s, %s), %llu simulated calls\n", (unsigned long long)seed,
               present->name, weathers[run.weather], (unsigned long long)report->calls / 2);
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    wait(&status);
    fputs(report->text, stdout);
    return status ? 1 : 0;
}

static const struct workload *workload_named(const char *name)
{
    for (unsigned i = 0; i < RN_COUNT(workloads); i++)
        if (strcmp(workloads[i]->name, name) == 0) return workloads[i];
    fprintf(stderr, "sim: no workload %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},     {"runs", required_argument, NULL, 'n'},
        {"from", required_argument, NULL, 'f'},     {"workload", required_argument, NULL, 'w'},
        {"processes", required_argument, NULL, 'p'}, {"trace", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    uint64_t seed = 0, runs = 0, from = 1;
    unsigned processes = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'n': runs = strtoull(optarg, NULL, 0); break;
        case 'f': from = strtoull(optarg, NULL, 0); break;
        case 'w': forced = workload_named(optarg); break;
        case 'p': processes = (unsigned)atoi(optarg); break;
        case 't': traced = true; break;
        default: return 2;
        }
    }
    if (!seed == !runs || !processes || !from) {
        fprintf(stderr, "usage: sim --seed=N [--trace] | --runs=N [--from=N] [--processes=N]\n"
                        "       [--workload=http|websocket|udp|tasks|storm|upgrade|names|files|"
                        "polls|calls|fibers|descriptors|sync|ws_client|"
                        "fiber_calls|buffered|groups]\n");
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 2;
    shared->first_failed = UINT64_MAX;
    report = &shared->reports[0];
    catch_signals();
    setvbuf(stdout, NULL, _IOLBF, 0);
    return seed ? one_seed(seed)
                : walk_all(from, runs, processes < PROCESSES_MAX ? processes : PROCESSES_MAX);
}
