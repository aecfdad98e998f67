/*
 * simulated/tests.c: each test of a cmocka program in a world of its own, at the end of which
 * nothing may be left: no descriptor, no memory mapped, no thread. The linker sends cmocka's run of
 * a group here.
 */
#include "kernel.h"
#include "threads.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <runnel/sim.h>

#include "base/bytes.h"

/* What can't run there, and why. */
static const struct {
    const char *program, *test, *reason;
} excluded[] = {
    {"test_log", "a_full_disk", "a world has no devices"},
    {"test_static_cache", "test_without_openat2", "a world has no seccomp filter"},
    {"test_static_cache", "test_permissions", "a world has no users"},
};

static const struct CMUnitTest *own; /* as the program has them */
static unsigned descriptors;

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

static int set_up(void **state)
{
    /* What goes over the loopback is there at once; a thread that asks and asks lets others on. */
    const struct rn_sim_faults faults = {.preempt = 1 << 12};
    own = *state;
    *state = own->initial_state;
    threads_begin();
    kernel_begin(&faults, threads_resume);
    descriptors = kernel_descriptors();
    return own->setup_func ? own->setup_func(state) : 0;
}

static void check(uint64_t left, const char *what)
{
    if (left) fail_msg("%llu %s left", (unsigned long long)left, what);
}

static int tear_down(void **state)
{
    int result = own->teardown_func ? own->teardown_func(state) : 0;
    check(kernel_descriptors() - descriptors, "descriptors");
    check(rn_sim_mapped(rn_sim_current()), "bytes mapped");
    check(threads_left(), "threads");
    kernel_end();
    return result;
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
    struct CMUnitTest *list = calloc(count, sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        const char *reason = reason_of(&tests[i]);
        if (reason)
            list[i] = (struct CMUnitTest){tests[i].name, skip_it, NULL, NULL,
                                          (void *)(uintptr_t)reason};
        else
            list[i] = (struct CMUnitTest){tests[i].name, tests[i].test_func, set_up, tear_down,
                                          (void *)(uintptr_t)&tests[i]};
    }
    int result = list ? __real__cmocka_run_group_tests(name, list, count, set_up_group,
                                                       tear_down_group) : 1;
    free(list);
    return result;
}
