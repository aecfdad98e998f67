/*
 * simulated/worlds.c: each test in a world of its own, at the end of which nothing may be left: no
 * descriptor, no memory mapped, no thread. The linker sends cmocka's run of a group here.
 */
#include "worlds.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/sim.h"

/* What can't run there, and why. */
static const struct {
    const char *program, *test, *reason;
} excluded[] = {
    {"test_fd_close", "a_signal_is_no_connection", "a world has no signals"},
    {"test_log", "a_full_disk", "a world has no devices"},
    {"test_static_cache", "test_without_openat2", "a world has no seccomp filter"},
    {"test_static_cache", "test_permissions", "a world has no users"},
};

/* What goes over the loopback is there at once; a thread that asks and asks lets others on. */
static const struct rn_sim_faults quiet = {.preempt = 1 << 12}, *faults = &quiet;
static struct rn_sim *sim;

void worlds_set(const struct rn_sim_faults *wanted)
{
    faults = wanted;
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
        assert_int_equal(mkdir(directories[i], 0755), 0);
    for (unsigned i = 0; i < RN_COUNT(files); i++) {
        long len = (long)strlen(files[i].content);
        int fd = open(files[i].path, O_CREAT | O_RDWR, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, files[i].content, (size_t)len), len);
        close(fd);
    }
}

/* ---- A test ---------------------------------------------------------------------------------- */

static void run_inside(void *context)
{
    const struct CMUnitTest *test = context;
    void *state = test->initial_state;
    furnish();
    if (test->setup_func) assert_int_equal(test->setup_func(&state), 0);
    test->test_func(&state);
    if (test->teardown_func) assert_int_equal(test->teardown_func(&state), 0);
}

/* A test that fails leaves its world by a jump. */
static void leave(void)
{
    rn_stand_in = NULL;
    rn_sim_free(sim);
    sim = NULL;
}

static void run_in_world(void **state)
{
    const char *seed = getenv("SEED"); /* another order of the threads */
    const struct rn_sim_options options = {.seed = seed ? strtoull(seed, NULL, 0) : 1,
                                           .descriptors = 4096, .faults = *faults,
                                           .calls_max = 10000000, .stuck = stuck};
    if (sim) leave();
    assert_int_equal(rn_sim_new(&sim, &options), 0);
    assert_int_equal(rn_sim_run(sim, run_inside, *state), 0); /* threads that were left behind */
    unsigned descriptors = rn_sim_descriptors(sim);
    uint64_t mapped = rn_sim_mapped(sim);
    if (descriptors) fail_msg("%u descriptors are open at the end", descriptors);
    if (mapped) fail_msg("%llu bytes are mapped at the end", (unsigned long long)mapped);
    leave();
}

/* ---- A group --------------------------------------------------------------------------------- */

static const char *reason_of(const struct CMUnitTest *test)
{
    for (size_t i = 0; i < RN_COUNT(excluded); i++)
        if (!strcmp(excluded[i].program, program_invocation_short_name) &&
            !strcmp(excluded[i].test, test->name))
            return excluded[i].reason;
    return NULL;
}

static void skip_it(void **state)
{
    print_message("%s\n", (const char *)*state);
    skip();
}

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up_group,
                                   CMFixtureFunction tear_down_group);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up_group,
                                   CMFixtureFunction tear_down_group);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up_group,
                                   CMFixtureFunction tear_down_group)
{
    struct CMUnitTest *list = malloc(count * sizeof *list);
    if (!list) return 1;
    for (size_t i = 0; i < count; i++) {
        const char *reason = reason_of(&tests[i]);
        list[i] = tests[i];
        if (!faults) continue;
        const void *state = reason ? (const void *)reason : &tests[i];
        list[i] = (struct CMUnitTest){tests[i].name, reason ? skip_it : run_in_world, NULL, NULL,
                                      (void *)(uintptr_t)state};
    }
    int result = __real__cmocka_run_group_tests(name, list, count, set_up_group, tear_down_group);
    if (sim) leave();
    free(list);
    return result;
}
