/*
 * The load generator's histogram: exact where it says so, close enough everywhere, and right about
 * shares, maximum and mean.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "histogram.h"

static struct histogram histogram;

static int clear(void **state)
{
    (void)state;
    histogram_clear(&histogram);
    return 0;
}

static void nothing_is_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_at(&histogram, 0.5), 0);
    assert_int_equal(histogram_at(&histogram, 1), 0);
    assert_true(histogram_mean(&histogram) == 0);
}

static void one_value_is_every_share(void **state)
{
    (void)state;
    histogram_add(&histogram, 123456789);
    assert_int_equal(histogram_at(&histogram, 0.001), 123456789);
    assert_int_equal(histogram_at(&histogram, 0.5), 123456789);
    assert_int_equal(histogram_at(&histogram, 1), 123456789);
    assert_int_equal(histogram.max, 123456789);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 256; value++) histogram_add(&histogram, value);
    for (uint64_t value = 0; value < 256; value++)
        assert_int_equal(histogram_at(&histogram, (double)(value + 1) / 256), value);
    assert_true(histogram_mean(&histogram) == 127.5);
}

/* The upper end of each value's bucket is at most 1/128 above it, and never below it. */
static void every_size_is_close(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < HISTOGRAM_TOP; bits++) {
        for (uint64_t part = 0; part < 64; part++) {
            uint64_t value = (1ull << bits) + ((1ull << bits) * part) / 64;
            histogram_clear(&histogram);
            histogram_add(&histogram, value);
            histogram_add(&histogram, UINT64_MAX >> 1); /* so that the maximum doesn't cut it */
            uint64_t said = histogram_at(&histogram, 0.5);
            assert_true(said >= value);
            assert_true(said - value <= value / 128);
        }
    }
}

static void shares_count_from_below(void **state)
{
    (void)state;
    for (int i = 0; i < 990; i++) histogram_add(&histogram, 100);
    for (int i = 0; i < 9; i++) histogram_add(&histogram, 200);
    histogram_add(&histogram, 5000000);
    assert_int_equal(histogram_at(&histogram, 0.5), 100);
    assert_int_equal(histogram_at(&histogram, 0.99), 100);
    assert_int_equal(histogram_at(&histogram, 0.991), 200);
    assert_int_equal(histogram_at(&histogram, 0.999), 200);
    assert_int_equal(histogram_at(&histogram, 0.9991), 5000000);
    assert_true(histogram_mean(&histogram) == (99000 + 1800 + 5000000) / 1000.0);
}

static void what_is_too_long_is_the_longest(void **state)
{
    (void)state;
    histogram_add(&histogram, 1ull << HISTOGRAM_TOP);
    histogram_add(&histogram, UINT64_MAX / 4);
    assert_int_equal(histogram.buckets[HISTOGRAM_BUCKETS - 1], 2);
    assert_int_equal(histogram.max, UINT64_MAX / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_zero, clear),
        cmocka_unit_test_setup(one_value_is_every_share, clear),
        cmocka_unit_test_setup(small_values_are_exact, clear),
        cmocka_unit_test_setup(every_size_is_close, clear),
        cmocka_unit_test_setup(shares_count_from_below, clear),
        cmocka_unit_test_setup(what_is_too_long_is_the_longest, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
