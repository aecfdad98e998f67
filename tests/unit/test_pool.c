/*
 * The buffer pool: bounds, the reserve, and the line of those who wait.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <runnel/io.h>

enum { COUNT = 8, STRIDE = 4096 };

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{0, 4096}, {1, 0}, {1, 256}, {1, 513}, {1, 4095}, {1, 4097},
                                        {1, (1 << 20) + 1}, {1, 1 << 21}, {1, UINT32_MAX}};
    struct rn_pool pool;
    for (size_t i = 0; i < RN_COUNT(sizes); i++)
        assert_int_equal(rn_pool_init(&pool, sizes[i][0], sizes[i][1]), RN_E_MISUSE);
    for (uint32_t stride = 512; stride <= 1 << 20; stride *= 2) {
        assert_int_equal(rn_pool_init(&pool, 2, stride), 0);
        rn_pool_fini(&pool);
    }
    assert_int_equal(rn_pool_init(&pool, UINT32_MAX, 1 << 20), -12);
}

static void buffers_are_distinct_and_empty(void **state)
{
    (void)state;
    struct rn_pool pool;
    struct rn_buf *bufs[COUNT];
    assert_int_equal(rn_pool_init(&pool, COUNT, STRIDE), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            bufs[i] = rn_pool_take(&pool);
            assert_non_null(bufs[i]);
            assert_null(bufs[i]->next);
            assert_int_equal(bufs[i]->at, 0);
            assert_int_equal(bufs[i]->len, 0);
            assert_true(bufs[i]->cap > STRIDE - 128 && bufs[i]->cap < STRIDE);
            assert_ptr_equal(rn_pool_at(&pool, bufs[i]->id), bufs[i]);
            assert_int_equal((uintptr_t)bufs[i]->data % 32, 0);
            /* Not all in the same sets of a cache. */
            if (i && !round)
                assert_int_not_equal((uintptr_t)bufs[i] % 4096, (uintptr_t)bufs[i - 1] % 4096);
            bufs[i]->at = bufs[i]->len = 9;
            memset(bufs[i]->data, (int)i, bufs[i]->cap);
        }
        assert_null(rn_pool_take(&pool));
        assert_int_equal(pool.used, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            assert_int_equal(bufs[i]->data[0], i);
            assert_int_equal(bufs[i]->data[bufs[i]->cap - 1], i);
            rn_pool_put(&pool, bufs[i]);
        }
        assert_int_equal(pool.used, 0);
    }
    rn_pool_fini(&pool);
}

/* Memory that was never needed at once is never touched. */
static void the_last_one_put_is_the_next_one_taken(void **state)
{
    (void)state;
    struct rn_pool pool;
    assert_int_equal(rn_pool_init(&pool, 1024, STRIDE), 0);
    madvise(pool.base, 1024 * STRIDE, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < 5000; i++) {
        struct rn_buf *a = rn_pool_take(&pool), *b = rn_pool_take(&pool);
        rn_pool_put(&pool, a);
        struct rn_buf *c = rn_pool_take(&pool);
        assert_ptr_equal(c, a);
        rn_pool_put(&pool, b);
        rn_pool_put(&pool, c);
    }
    assert_int_equal(pool.touched, 2);
    unsigned char resident[1024];
    unsigned pages = 0;
    assert_int_equal(mincore(pool.base, 1024 * STRIDE, resident), 0);
    for (unsigned i = 0; i < 1024; i++) pages += resident[i] & 1;
    assert_int_equal(pages, 2);
    rn_pool_fini(&pool);
}

static void the_reserve_is_for_those_who_ask_for_it(void **state)
{
    (void)state;
    struct rn_pool pool;
    struct rn_buf *bufs[COUNT];
    assert_int_equal(rn_pool_init(&pool, COUNT, STRIDE), 0);
    pool.reserve = 2;
    for (unsigned i = 0; i < COUNT - 2; i++) assert_non_null(bufs[i] = rn_pool_take(&pool));
    assert_null(rn_pool_take(&pool));
    for (unsigned i = COUNT - 2; i < COUNT; i++)
        assert_non_null(bufs[i] = rn_pool_take_reserved(&pool));
    assert_null(rn_pool_take_reserved(&pool));
    rn_pool_put(&pool, bufs[0]);
    rn_pool_put(&pool, bufs[1]);
    assert_null(rn_pool_take(&pool)); /* the reserve is filled up first */
    rn_pool_put(&pool, bufs[2]);
    assert_non_null(bufs[0] = rn_pool_take(&pool));
    rn_pool_put(&pool, bufs[0]);
    for (unsigned i = 3; i < COUNT; i++) rn_pool_put(&pool, bufs[i]);
    rn_pool_fini(&pool);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

struct waiter {
    struct rn_pool_wait wait;
    unsigned told;
};

static void count_ready(struct rn_pool_wait *wait)
{
    rn_container_of(wait, struct waiter, wait)->told++;
}

static void full_pool(struct rn_pool *pool, struct rn_buf **bufs, struct waiter *waiters,
                      unsigned count)
{
    assert_int_equal(rn_pool_init(pool, COUNT, STRIDE), 0);
    for (unsigned i = 0; i < COUNT; i++) bufs[i] = rn_pool_take(pool);
    for (unsigned i = 0; i < count; i++) {
        waiters[i] = (struct waiter){.wait.ready = count_ready};
        rn_pool_wait(pool, &waiters[i].wait);
        rn_pool_wait(pool, &waiters[i].wait); /* in line already: keeps its place, and has one */
    }
}

static void waiters_are_told_in_their_order(void **state)
{
    (void)state;
    struct rn_pool pool;
    struct rn_buf *bufs[COUNT];
    struct waiter waiters[3];
    full_pool(&pool, bufs, waiters, 3);
    for (unsigned i = 0; i < 3; i++) {
        rn_pool_put(&pool, bufs[i]);
        for (unsigned k = 0; k < 3; k++) assert_int_equal(waiters[k].told, k <= i);
        assert_non_null(bufs[i] = rn_pool_take_reserved(&pool));
        rn_pool_wait_cancel(&pool, &waiters[i].wait); /* it has what it waited for */
        assert_false(waiters[i].wait.waiting);
        for (unsigned k = 0; k < 3; k++) assert_int_equal(waiters[k].told, k <= i);
    }
    assert_null(pool.waiting);
    for (unsigned i = 0; i < COUNT; i++) rn_pool_put(&pool, bufs[i]);
    rn_pool_fini(&pool);
}

/* Who was told and then leaves without a buffer doesn't take the news along. */
static void the_news_is_passed_on(void **state)
{
    (void)state;
    struct rn_pool pool;
    struct rn_buf *bufs[COUNT];
    struct waiter waiters[3];
    full_pool(&pool, bufs, waiters, 3);
    rn_pool_put(&pool, bufs[0]);
    assert_int_equal(waiters[0].told, 1);
    assert_int_equal(waiters[1].told, 0);
    rn_pool_wait_cancel(&pool, &waiters[0].wait);
    assert_int_equal(waiters[1].told, 1);
    rn_pool_wait_cancel(&pool, &waiters[1].wait);
    assert_int_equal(waiters[2].told, 1);
    assert_non_null(bufs[0] = rn_pool_take_reserved(&pool));
    rn_pool_wait_cancel(&pool, &waiters[2].wait);
    for (unsigned i = 0; i < COUNT; i++) rn_pool_put(&pool, bufs[i]);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(waiters[i].told, 1);
    rn_pool_fini(&pool);
}

/* Several come back before the first in line gets to take its own: the others learn then. */
static void no_buffer_lies_idle_while_someone_waits(void **state)
{
    (void)state;
    struct rn_pool pool;
    struct rn_buf *bufs[COUNT];
    struct waiter waiters[3];
    full_pool(&pool, bufs, waiters, 3);
    rn_pool_put(&pool, bufs[0]);
    rn_pool_put(&pool, bufs[1]);
    rn_pool_put(&pool, bufs[2]);
    assert_int_equal(waiters[1].told + waiters[2].told, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(waiters[i].told > 0);
        assert_non_null(bufs[i] = rn_pool_take_reserved(&pool));
        rn_pool_wait_cancel(&pool, &waiters[i].wait);
    }
    for (unsigned i = 0; i < COUNT; i++) rn_pool_put(&pool, bufs[i]);
    rn_pool_fini(&pool);
}

static void any_waiter_may_leave_the_line(void **state)
{
    (void)state;
    for (unsigned leaves = 0; leaves < 8; leaves++) {
        struct rn_pool pool;
        struct rn_buf *bufs[COUNT];
        struct waiter waiters[3], late = {.wait.ready = count_ready};
        full_pool(&pool, bufs, waiters, 3);
        for (unsigned i = 0; i < 3; i++) {
            if (leaves >> i & 1) rn_pool_wait_cancel(&pool, &waiters[i].wait);
            if (leaves >> i & 1) rn_pool_wait_cancel(&pool, &waiters[i].wait);
        }
        rn_pool_wait(&pool, &late.wait); /* the end of the line is where it should be */
        for (unsigned i = 0; i < 3; i++) {
            if (leaves >> i & 1) continue;
            assert_ptr_equal(pool.waiting, &waiters[i].wait);
            rn_pool_wait_cancel(&pool, &waiters[i].wait);
        }
        assert_ptr_equal(pool.waiting, &late.wait);
        rn_pool_wait_cancel(&pool, &late.wait);
        assert_null(pool.waiting);
        assert_int_equal(late.told, 0);
        for (unsigned i = 0; i < COUNT; i++) rn_pool_put(&pool, bufs[i]);
        rn_pool_fini(&pool);
    }
}

/* ---- Misuse ------------------------------------------------------------------------------ */

static void expect_trap(unsigned what)
{
    int status, child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rn_pool pool;
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        if (rn_pool_init(&pool, COUNT, STRIDE) < 0) _exit(1);
        struct rn_buf *buf = rn_pool_take(&pool), *other = rn_pool_take(&pool);
        if (what == 0) rn_pool_fini(&pool); /* buffers are out */
        if (what == 1) other->id = buf->id;
        rn_pool_put(&pool, other);
        rn_pool_put(&pool, buf);
        if (what == 2) rn_pool_put(&pool, buf); /* one more than were out */
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

static void misuse_stops_the_program(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 3; what++) expect_trap(what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(buffers_are_distinct_and_empty),
        cmocka_unit_test(the_last_one_put_is_the_next_one_taken),
        cmocka_unit_test(the_reserve_is_for_those_who_ask_for_it),
        cmocka_unit_test(waiters_are_told_in_their_order),
        cmocka_unit_test(the_news_is_passed_on),
        cmocka_unit_test(no_buffer_lies_idle_while_someone_waits),
        cmocka_unit_test(any_waiter_may_leave_the_line),
        cmocka_unit_test(misuse_stops_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
