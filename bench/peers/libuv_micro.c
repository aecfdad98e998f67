/*
 * bench/peers/libuv_micro.c: libuv at what of bench/micro.c it has: timers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

enum { TIMERS = 1000000, REPEATS = 200000 };

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void row(const char *what, double value)
{
    printf("  %-52s %8.1f ns\n", what, value);
}

static void ring(uv_timer_t *timer) { abort(); }

static void measure_timers(uv_loop_t *loop)
{
    uv_timer_t *timers = calloc(TIMERS, sizeof *timers);
    uv_timer_t one;
    uint64_t random = 88172645463325252u;
    for (unsigned i = 0; i < TIMERS; i++) uv_timer_init(loop, &timers[i]);
    uv_timer_init(loop, &one);
    double began = now_ns();
    for (unsigned i = 0; i < TIMERS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uv_timer_start(&timers[i], ring, 600000 + random % 3000000, 0);
    }
    double started = now_ns();
    for (unsigned i = 0; i < REPEATS; i++) {
        uv_timer_start(&one, ring, 700000 + i, 0);
        uv_timer_stop(&one);
    }
    double among = now_ns();
    for (unsigned i = 0; i < TIMERS; i++) uv_timer_stop(&timers[i]);
    double stopped = now_ns();
    row("timer start and stop, a million outstanding", (among - started) / REPEATS);
    row("timer start, each of a million", (started - began) / TIMERS);
    row("timer stop, each of a million", (stopped - among) / TIMERS);
}

int main(void)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    printf("libuv %s\n", uv_version_string());
    measure_timers(&loop);
    return 0;
}
