/*
 * The slab: a handle to an object that is gone is noticed; the last object put is the next taken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/slab.h"

struct thing {
    struct rn_slab_item item;
    uint64_t value[3];
};

static void objects_are_distinct_and_bounded(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct thing *things[COUNT];
    struct rn_slab slab;
    assert_int_equal(rn_slab_init(&slab, COUNT, sizeof(struct thing)), 0);
    assert_int_equal(slab.stride % 16, 0);
    assert_true(slab.stride >= sizeof(struct thing));
    for (uint32_t i = 0; i < COUNT; i++) {
        things[i] = rn_slab_take(&slab);
        assert_non_null(things[i]);
        assert_int_equal((uintptr_t)things[i] % 16, 0);
        memset(things[i]->value, (int)i, sizeof things[i]->value);
    }
    assert_null(rn_slab_take(&slab));
    assert_int_equal(slab.used, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(things[i]->item.index, i);
        assert_ptr_equal(rn_slab_at(&slab, i), things[i]);
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(things[i]->value[k], (i & 255) * 0x0101010101010101u);
    }
    rn_slab_put(&slab, things[7]);
    rn_slab_put(&slab, things[900]);
    assert_ptr_equal(rn_slab_take(&slab), things[900]);
    assert_ptr_equal(rn_slab_take(&slab), things[7]);
    assert_null(rn_slab_take(&slab));
    rn_slab_fini(&slab);
    assert_null(slab.base);
    rn_slab_fini(&slab); /* of one that was never made, too */
}

static void a_handle_outlives_its_object_and_finds_nothing(void **state)
{
    (void)state;
    struct rn_slab slab;
    assert_int_equal(rn_slab_init(&slab, 2, sizeof(struct thing)), 0);
    assert_null(rn_slab_get(&slab, 0, 0));
    assert_null(rn_slab_get(&slab, 0, 1));
    struct thing *thing = rn_slab_take(&slab);
    uint32_t first = thing->item.generation;
    assert_int_equal(first & 1, 1);
    assert_ptr_equal(rn_slab_get(&slab, 0, first), thing);
    assert_null(rn_slab_get(&slab, 0, first + 1));
    assert_null(rn_slab_get(&slab, 1, first));
    assert_null(rn_slab_get(&slab, 2, first));
    assert_null(rn_slab_get(&slab, UINT32_MAX, first));
    rn_slab_put(&slab, thing);
    assert_null(rn_slab_get(&slab, 0, first));
    assert_null(rn_slab_get(&slab, 0, first + 1)); /* what a free object has is no handle */
    struct thing *next = rn_slab_take(&slab);
    assert_ptr_equal(next, thing);
    assert_null(rn_slab_get(&slab, 0, first));
    assert_ptr_equal(rn_slab_get(&slab, 0, first + 2), thing);
    rn_slab_fini(&slab);
}

static void generations_go_round(void **state)
{
    (void)state;
    struct rn_slab slab;
    assert_int_equal(rn_slab_init(&slab, 1, sizeof(struct thing)), 0);
    struct thing *thing = rn_slab_take(&slab);
    thing->item.generation = UINT32_MAX;
    rn_slab_put(&slab, thing);
    assert_int_equal(thing->item.generation, 0);
    assert_ptr_equal(rn_slab_take(&slab), thing);
    assert_int_equal(thing->item.generation, 1);
    assert_null(rn_slab_get(&slab, 0, UINT32_MAX));
    rn_slab_fini(&slab);
}

static void a_walk_sees_exactly_what_lives(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    struct rn_slab slab;
    struct thing *things[COUNT];
    uint32_t index = 0;
    assert_int_equal(rn_slab_init(&slab, COUNT, sizeof(struct thing)), 0);
    assert_null(rn_slab_next(&slab, &index));
    for (unsigned i = 0; i < COUNT - 3; i++) things[i] = rn_slab_take(&slab);
    for (unsigned i = 0; i < COUNT - 3; i += 3) rn_slab_put(&slab, things[i]);
    for (unsigned i = 0; i < COUNT - 3; i++) {
        if (i % 3 == 0) continue;
        assert_ptr_equal(rn_slab_next(&slab, &index), things[i]);
    }
    assert_null(rn_slab_next(&slab, &index));
    assert_null(rn_slab_next(&slab, &index));
    rn_slab_fini(&slab);
}

static void putting_twice_stops_the_program(void **state)
{
    (void)state;
    struct rn_slab slab;
    assert_int_equal(rn_slab_init(&slab, 2, sizeof(struct thing)), 0);
    struct thing *thing = rn_slab_take(&slab);
    struct thing *other = rn_slab_take(&slab);
    assert_non_null(other);
    rn_slab_put(&slab, thing);
    int status, child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        rn_slab_put(&slab, thing);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
    rn_slab_fini(&slab);
}

static void what_does_not_fit_in_memory_is_refused(void **state)
{
    (void)state;
    struct rn_slab slab;
    assert_int_equal(rn_slab_init(&slab, UINT32_MAX, (size_t)1 << 31), -12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_distinct_and_bounded),
        cmocka_unit_test(a_handle_outlives_its_object_and_finds_nothing),
        cmocka_unit_test(generations_go_round),
        cmocka_unit_test(a_walk_sees_exactly_what_lives),
        cmocka_unit_test(putting_twice_stops_the_program),
        cmocka_unit_test(what_does_not_fit_in_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
