/*
 * What a cached answer of the resolver costs, awaited by a task; beside it the C library's answer
 * about a name of /etc/hosts, which needs no server either.
 *
 *     build/bench-dns [ROUNDS]
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <runnel/backend.h>
#include <runnel/resolver.h>
#include <runnel/runtime.h>

enum { ROUNDS = 1000000, BATCH = 10000 };

static const struct {
    const char *name;
    unsigned addresses;
} rows[] = {{"one.example.com", 1}, {"four.example.com", 4}, {"sixteen.example.com", 16}};

struct run {
    struct rn_task task;
    struct rn_resolve resolve;
    unsigned rounds;
    struct rn_runtime *runtime;
    double ns[RN_COUNT(rows)];
};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The best of several batches: what it takes when nothing else happens. */
static double measure(struct run *run, struct rn_cx *cx, size_t row)
{
    double best = 1e9;
    for (unsigned done = 0; done < run->rounds; done += BATCH) {
        double start = now_ns();
        for (unsigned i = 0; i < BATCH; i++) {
            rn_resolve(&run->resolve, cx, rows[row].name, 80, RN_NEVER);
            if (rn_future_poll(&run->resolve.future, cx) != RN_READY ||
                run->resolve.result != (int)rows[row].addresses)
                exit(1);
        }
        double each = (now_ns() - start) / BATCH;
        if (each < best) best = each;
    }
    return best;
}

static enum rn_poll measure_all(struct rn_task *task, struct rn_cx *cx)
{
    struct run *run = rn_container_of(task, struct run, task);
    for (size_t row = 0; row < RN_COUNT(rows); row++) run->ns[row] = measure(run, cx, row);
    rn_runtime_stop(run->runtime);
    return RN_READY;
}

static char hosts[] = "/tmp/runnel-hosts-XXXXXX";

static int use_hosts(struct rn_worker *worker, void *context)
{
    struct rn_resolver_options options = {.hosts = hosts};
    (void)context;
    return rn_resolver_start(worker, &options);
}

static void stop_resolver(struct rn_worker *worker, void *context)
{
    (void)context;
    rn_resolver_stop(worker);
}

static void write_hosts(void)
{
    int fd = mkstemp(hosts);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) exit(1);
    for (size_t row = 0; row < RN_COUNT(rows); row++)
        for (unsigned i = 1; i <= rows[row].addresses; i++)
            fprintf(file, i & 1 ? "192.0.2.%u %s\n" : "2001:db8::%u %s\n", i, rows[row].name);
    fclose(file);
}

static double measure_libc(void)
{
    double best = 1e9;
    for (unsigned i = 0; i < 200; i++) {
        struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
        double start = now_ns();
        if (getaddrinfo("localhost", "80", &hints, &found) == 0) freeaddrinfo(found);
        double each = now_ns() - start;
        if (each < best) best = each;
    }
    return best;
}

int main(int argc, char **argv)
{
    static struct run run;
    struct rn_runtime_options options = {.workers = 1,
                                         .backend = &rn_backend_epoll,
                                         .on_start = use_hosts,
                                         .on_stop = stop_resolver};
    run.rounds = argc > 1 ? (unsigned)atoi(argv[1]) : ROUNDS;
    run.task.poll = measure_all;
    write_hosts();
    if (rn_runtime_start(&run.runtime, &options) < 0) return 1;
    rn_spawn_remote(rn_runtime_worker(run.runtime, 0), &run.task);
    rn_runtime_join(run.runtime);
    unlink(hosts);
    for (size_t row = 0; row < RN_COUNT(rows); row++)
        printf("cached answer, %2u addresses   %8.1f ns\n", rows[row].addresses, run.ns[row]);
    printf("getaddrinfo(\"localhost\")       %8.1f ns\n", measure_libc());
    return 0;
}
