/*
 * What the simulated examples share: a walk over seeds, each of which makes a world of its own.
 *
 *     program                    seeds 1 to 1,000, and which is the first that fails
 *     program SEED [trace]       that one again, the same call by call; and each of its calls
 *     program ... careless       with a mistake in it, for the simulator to find
 */
#ifndef SIMULATE_H
#define SIMULATE_H

#include "example.h"
#include <inttypes.h>
#include <stdarg.h>

enum { SIMULATE_SEEDS = 1000, SIMULATE_AGAIN = 50, SIMULATE_CALLS_MAX = 1000000 };

static struct {
    const char *name;
    uint64_t seed, calls;
    rn_ns time; /* of all worlds so far */
    struct rn_sim *sim;
    bool trace, careless;
} simulate;

/* The seed fails. Its world is left as it is, in the middle of something. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void simulate_fail(const char *format,
                                                                                 ...)
{
    va_list arguments;
    printf("seed %" PRIu64 " fails after %.3f s and %" PRIu64 " calls: ", simulate.seed,
           (double)(rn_sim_now(simulate.sim) / RN_MICROSECOND) / 1e6 - 1000,
           rn_sim_calls(simulate.sim));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\nagain: %s %" PRIu64 "%s\n", simulate.name, simulate.seed,
           simulate.careless ? " careless" : "");
    fflush(stdout);
    _exit(1);
}

static inline void simulate_stuck(void *context, const char *why) { simulate_fail("%s", why); }

static inline void simulate_print_call(void *context, const struct rn_sim_call *call)
{
    printf("%12.6f thread %u call %ld(%ld, %ld) = %ld\n",
           (double)(call->now - 1000 * RN_SECOND) / 1e9, call->thread, call->number, call->a,
           call->b, call->result);
}

/* From the seed, as all that the program itself leaves to chance has to be. */
static inline uint32_t simulate_pick(uint32_t bound)
{
    return (uint32_t)rn_sim_random(simulate.sim, bound);
}

/* Starts so many workers, and from then on things go wrong: in one seed nothing does, in another
 * only the time that everything takes, in a third all that can. */
static inline struct rn_runtime *simulate_start(unsigned workers,
                                                const struct rn_backend_vt *backend)
{
    struct rn_runtime *runtime;
    struct rn_runtime_options options = {.workers = workers, .backend = backend};
    struct rn_sim_faults faults = {0};
    uint32_t weather = simulate_pick(3);
    example_check(rn_runtime_start(&runtime, &options), "start");
    if (weather > 0) {
        faults.delay_max = RN_MILLISECOND << simulate_pick(6);
        faults.partial = faults.preempt = 10000;
    }
    if (weather > 1) {
        faults.datagram_lost = faults.datagram_twice = faults.datagram_late = 6000;
        faults.accept = faults.refuse = 2000;
        faults.cut = faults.silence = 200;
        faults.interrupt = 1000;
    }
    rn_sim_set_faults(simulate.sim, &faults);
    return runtime;
}

/* Ends well what is there to end. */
static inline void simulate_stop(struct rn_runtime *runtime)
{
    rn_sim_set_faults(simulate.sim, &(struct rn_sim_faults){0});
    rn_runtime_stop(runtime);
    rn_runtime_join(runtime);
}

static inline uint64_t simulate_once(uint64_t seed, void (*program)(void *context))
{
    struct rn_sim_options options = {.seed = seed,
                                     .calls_max = SIMULATE_CALLS_MAX,
                                     .stuck = simulate_stuck,
                                     .trace = simulate.trace ? simulate_print_call : NULL};
    simulate.seed = seed;
    example_check(rn_sim_new(&simulate.sim, &options), "world");
    struct rn_sim *sim = simulate.sim;
    int left = rn_sim_run(sim, program, NULL);
    example_check(left, "world");
    if (left) simulate_fail("%d threads are left", left);
    if (rn_sim_descriptors(sim)) simulate_fail("%u descriptors are open", rn_sim_descriptors(sim));
    if (rn_sim_mapped(sim)) simulate_fail("%" PRIu64 " bytes are mapped", rn_sim_mapped(sim));
    simulate.calls += rn_sim_calls(sim);
    simulate.time += rn_sim_now(sim) - 1000 * RN_SECOND;
    uint64_t hash = rn_sim_hash(sim);
    rn_sim_free(sim);
    return hash;
}

static inline int simulate_all(int argc, char **argv, void (*program)(void *context))
{
    uint64_t seed = 0;
    simulate.name = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "careless") == 0) simulate.careless = true;
        else if (strcmp(argv[i], "trace") == 0) simulate.trace = true;
        else seed = strtoull(argv[i], NULL, 10);
    }
    if (seed) {
        uint64_t hash = simulate_once(seed, program);
        printf("seed %" PRIu64 " is well: %" PRIu64 " calls, %016" PRIx64 "\n", seed,
               simulate.calls, hash);
        return 0;
    }
    for (seed = 1; seed <= SIMULATE_SEEDS; seed++) {
        uint64_t hash = simulate_once(seed, program);
        if (seed % SIMULATE_AGAIN == 0 && simulate_once(seed, program) != hash) {
            printf("seed %" PRIu64 " isn't the same twice: is something real in it?\n", seed);
            return 1;
        }
    }
    printf("%d seeds are well: %" PRIu64 " calls, %.0f virtual seconds\n", SIMULATE_SEEDS,
           simulate.calls, (double)(simulate.time / RN_SECOND));
    return 0;
}

#endif
