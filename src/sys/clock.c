/*
 * sys/clock.c: the clocks, over whatever reads them in this build (the vDSO, the kernel, a libc).
 */
#include "sys/start.h"
#include "sys/sys.h"

static struct rn_k_timespec read_clock(int clock)
{
    struct rn_k_timespec time;
    /* The arguments are constants that every kernel knows: a failure is no state to go on from. */
    rn_assert(rn_clock_source(clock, &time) == 0);
    return time;
}

static rn_ns nanoseconds(struct rn_k_timespec time)
{
    return (rn_ns)time.tv_sec * RN_SECOND + (rn_ns)time.tv_nsec;
}

rn_ns rn_clock_monotonic(void)
{
    return nanoseconds(read_clock(RN_K_CLOCK_MONOTONIC));
}

rn_ns rn_clock_monotonic_coarse(void)
{
    return nanoseconds(read_clock(RN_K_CLOCK_MONOTONIC_COARSE));
}

uint64_t rn_clock_realtime_seconds(void)
{
    return (uint64_t)read_clock(RN_K_CLOCK_REALTIME_COARSE).tv_sec;
}
