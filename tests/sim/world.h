/*
 * sim/world.h: what a workload finds: a simulated machine whose threads are contexts of one real
 * thread, the faults that the seed chose, and a way to fail.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <runnel/backend.h>
#include <runnel/net.h>
#include <runnel/runtime.h>
#include <runnel/sim.h>
#include <runnel/task.h>

/* How bad the seed is. Each includes what is before it. */
enum weather {
    QUIET,   /* nothing fails and nothing takes time */
    SLOW,    /* delays, pieces, threads that stand still; nothing fails, so nothing may be lost */
    ROUGH,   /* errors that a program must be able to wait out or to report */
    STORMY,  /* connections cut and gone silent, clock jumps */
};

struct run {
    struct rn_sim *sim;
    uint64_t seed;
    enum weather weather;
    struct rn_sim_faults faults;
    bool faults_on;
};
extern struct run run;

struct workload {
    const char *name;
    void (*run)(void);
};
extern const struct workload workload_http, workload_websocket, workload_udp, workload_tasks,
    workload_storm, workload_upgrade, workload_names, workload_files, workload_polls,
    workload_fibers, workload_calls, workload_descriptors, workload_sync,
    workload_ws_client, workload_fiber_calls, workload_buffered, workload_groups;

/* The run is wrong: says why and how to repeat it, and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
#define check(condition)                                                                           \
    ((condition) ? (void)0 : fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition))

/* Runs it in run.sim; how many threads it left behind. */
int world_run(void (*program)(void *context));

/* From the seed. */
uint32_t pick(uint32_t bound);                 /* below bound */
uint32_t between(uint32_t least, uint32_t most); /* both included */
bool chance(uint32_t one_in);
const struct rn_backend_vt *pick_backend(void);

/* From here on the seed's faults happen, or none do. */
void faults_on(void);
void faults_off(void);

/* Of the thread that calls it, which is no worker. */
void rest(rn_ns time);
rn_ns world_now(void);

/* Waits, without a deadline, until *counter is at least `least`; whoever changes it says so. */
void await_count(const uint32_t *counter, uint32_t least);
void count_up(uint32_t *counter);

/* A runtime of the workload's own, with a small pool; `on_start` for each worker. */
struct rn_runtime *start_runtime(unsigned workers, const struct rn_backend_vt *backend);
struct rn_runtime *start_runtime_with(unsigned workers, unsigned tasks); /* so many each */
void stop_runtime(struct rn_runtime *runtime);

/* Byte `at` of what belongs to the key. */
static inline uint8_t pattern(uint32_t key, uint64_t at)
{
    uint64_t value = (at + 1) * (key * 2654435761u | 1);
    return (uint8_t)(value >> 24 ^ value >> 8 ^ at);
}
void pattern_fill(void *to, size_t len, uint32_t key, uint64_t at);
void pattern_check(const void *from, size_t len, uint32_t key, uint64_t at, const char *what);

#endif
