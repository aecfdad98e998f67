/*
 * simulated/kernel.c: the real kernel or a simulated one.
 */
#include "kernel.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backend/sim.h"
#include "sys/start.h"

static struct rn_sim *sim;
static int (*real_clock)(int clock, struct rn_k_timespec *time);

long kernel_call(long nr, long a, long b, long c, long d, long e, long f)
{
    return sim ? rn_sim_syscall(sim, nr, a, b, c, d, e, f)
               : rn_raw_syscall6(nr, a, b, c, d, e, f);
}

#ifdef RN_SYSCALL_HOOK
long rn_syscall_hook(long nr, long a, long b, long c, long d, long e, long f)
{
    return kernel_call(nr, a, b, c, d, e, f);
}
#endif

static int simulated_clock(int clock, struct rn_k_timespec *time)
{
    return (int)rn_sim_syscall(sim, RN_NR_CLOCK_GETTIME, clock, (long)time, 0, 0, 0, 0);
}

static void stuck(void *context, const char *why)
{
    fail_msg("%s", why);
}

/* What the tests expect of any machine. */
static void furnish(void)
{
    static const char *const directories[] = {"/proc", "/proc/self", "/dev", "/tmp", "/etc"};
    static const struct {
        const char *path, *content;
    } files[] = {
        {"/proc/self/comm", "simulated\n"},
        {"/dev/null", ""},
        {"/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
    };
    for (unsigned i = 0; i < RN_COUNT(directories); i++)
        assert_int_equal(kernel_call(RN_NR_MKDIRAT, AT_FDCWD, (long)directories[i], 0755, 0, 0, 0),
                         0);
    for (unsigned i = 0; i < RN_COUNT(files); i++) {
        long len = (long)strlen(files[i].content);
        long fd = kernel_call(RN_NR_OPENAT, AT_FDCWD, (long)files[i].path, O_CREAT | O_RDWR, 0644,
                              0, 0);
        assert_true(fd >= 0);
        assert_int_equal(kernel_call(RN_NR_WRITE, fd, (long)files[i].content, len, 0, 0, 0), len);
        kernel_call(RN_NR_CLOSE, fd, 0, 0, 0, 0, 0);
    }
}

void kernel_begin(const struct rn_sim_faults *faults,
                  void (*resume)(void *context, unsigned thread))
{
    const struct rn_sim_options options = {
        .seed = 1,
        .descriptors = 4096,
        .faults = *faults,
        .calls_max = 10000000,
        .stuck = stuck,
    };
    kernel_end(); /* of a test that failed */
    assert_int_equal(rn_sim_new(&sim, &options), 0);
    sim->resume = resume;
    rn_sim_enter(sim);
    real_clock = rn_clock_source;
    rn_clock_source = simulated_clock;
    furnish();
}

void kernel_end(void)
{
    if (!sim) return;
    rn_clock_source = real_clock;
    rn_sim_free(sim);
    sim = NULL;
}

bool kernel_is_simulated(void)
{
    return sim;
}
