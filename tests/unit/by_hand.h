/*
 * Workers that are driven by hand, turn by turn, on the test's own thread, in virtual time: their
 * backend carries nothing out, but keeps each op until the test says what came of it.
 */
#ifndef TESTS_BY_HAND_H
#define TESTS_BY_HAND_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/worker.h"

enum { HAND_OPS = 64, HAND_WORKERS = 4, HAND_ERROR = -71 };

struct hand_backend {
    struct rn_backend base;
    rn_ns now;
    rn_ns until;       /* what the last poll would have waited for; 0: it had work to do */
    uint32_t sleeping; /* what the worker said of itself during the last poll */
    struct rn_op *started[HAND_OPS];
    unsigned started_count;
    struct rn_completion done[HAND_OPS];
    unsigned done_count;
    unsigned cancels;
    unsigned wakes;
    bool keep_cancelled; /* a cancelled op waits for the test, as one that is hard to stop */
    int poll_error;
};

struct hand {
    struct rn_runtime *runtime;
    unsigned count;
};

static struct hand hand; /* of the test that runs */

static struct hand_backend *hand_backend(unsigned index)
{
    return (struct hand_backend *)hand.runtime->workers[index].backend;
}

static struct rn_worker *hand_worker(unsigned index)
{
    return &hand.runtime->workers[index];
}

/* ---- The backend ------------------------------------------------------------------------- */

static int hand_init(struct rn_backend *base, const struct rn_backend_options *options)
{
    struct hand_backend *backend = (struct hand_backend *)base;
    assert_non_null(options->pool);
    assert_true(options->descriptors > 2);
    backend->now = 1000 * RN_SECOND;
    return 0;
}

static rn_ns hand_now(struct rn_backend *base)
{
    return ((struct hand_backend *)base)->now;
}

static void hand_submit(struct rn_backend *base, struct rn_op *op)
{
    struct hand_backend *backend = (struct hand_backend *)base;
    assert_true(backend->started_count < HAND_OPS);
    for (unsigned i = 0; i < backend->started_count; i++)
        assert_ptr_not_equal(backend->started[i], op);
    backend->started[backend->started_count++] = op;
}

static inline void hand_put_done(struct hand_backend *backend, struct rn_completion done)
{
    unsigned i = 0;
    while (i < backend->started_count && backend->started[i] != done.op) i++;
    assert_true(i < backend->started_count); /* nothing completes that isn't in flight */
    if (!done.more) {
        backend->started_count--;
        memmove(&backend->started[i], &backend->started[i + 1],
                (backend->started_count - i) * sizeof(void *));
    }
    assert_true(backend->done_count < HAND_OPS);
    backend->done[backend->done_count++] = done;
}

static void hand_cancel(struct rn_backend *base, struct rn_op *op)
{
    struct hand_backend *backend = (struct hand_backend *)base;
    backend->cancels++;
    for (unsigned i = 0; i < backend->started_count; i++) {
        if (backend->started[i] != op || backend->keep_cancelled) continue;
        hand_put_done(backend, (struct rn_completion){.op = op, .result = -RN_K_ECANCELED});
        return;
    }
}

static int hand_poll(struct rn_backend *base, rn_ns until, struct rn_completion *done, unsigned max)
{
    struct hand_backend *backend = (struct hand_backend *)base;
    unsigned count = backend->done_count < max ? backend->done_count : max;
    backend->until = until;
    backend->sleeping = rn_worker_current()->sleeping;
    if (backend->poll_error) return backend->poll_error;
    memcpy(done, backend->done, count * sizeof *done);
    backend->done_count -= count;
    memmove(backend->done, backend->done + count, backend->done_count * sizeof *done);
    return (int)count;
}

static void hand_wake(struct rn_backend *base)
{
    ((struct hand_backend *)base)->wakes++;
}

static void hand_fini(struct rn_backend *base)
{
    struct hand_backend *backend = (struct hand_backend *)base;
    assert_int_equal(backend->started_count, 0);
    assert_int_equal(backend->done_count, 0);
}

static const struct rn_backend_vt hand_vt = {
    .name = "hand",
    .size = sizeof(struct hand_backend),
    .init = hand_init,
    .now = hand_now,
    .submit = hand_submit,
    .cancel = hand_cancel,
    .poll = hand_poll,
    .wake = hand_wake,
    .fini = hand_fini,
};

/* ---- The test's hands -------------------------------------------------------------------- */

/* What isn't set has a small default. */
static inline void hand_open(struct rn_runtime_options options)
{
    if (!options.workers) options.workers = 1;
    if (!options.tasks) options.tasks = 8;
    if (!options.buffers) options.buffers = 16;
    if (!options.buffer_size) options.buffer_size = 2048;
    if (!options.shared_tasks) options.shared_tasks = 8;
    options.backend = &hand_vt;
    assert_true(options.workers <= HAND_WORKERS);
    hand = (struct hand){.count = options.workers};
    size_t size = sizeof *hand.runtime + options.workers * sizeof(struct rn_worker);
    hand.runtime = aligned_alloc(64, (size + 63) & ~(size_t)63);
    memset(hand.runtime, 0, size);
    hand.runtime->options = options;
    assert_int_equal(rn_shared_stack_init(&hand.runtime->shared, options.shared_tasks), 0);
    for (unsigned i = 0; i < options.workers; i++) {
        hand_worker(i)->runtime = hand.runtime;
        hand_worker(i)->index = i;
        assert_int_equal(rn_worker_start(hand_worker(i)), 0);
    }
    rn_worker_enter(hand_worker(0));
}

static inline void hand_turn(unsigned index)
{
    rn_worker_enter(hand_worker(index));
    assert_int_equal(rn_worker_turn(hand_worker(index)), 0);
}

static inline bool hand_busy(unsigned index)
{
    struct hand_backend *backend = hand_backend(index);
    struct rn_worker *worker = hand_worker(index);
    return backend->done_count || !backend->until || worker->queue.head ||
           !rn_inbox_empty(&worker->inbox);
}

/* Turns of all workers until each of them would wait. Leaves the thread to the first. */
static inline void hand_settle(void)
{
    bool busy = true;
    for (unsigned turn = 0; busy; turn++) {
        assert_true(turn < 10000);
        busy = false;
        for (unsigned i = 0; i < hand.count; i++) hand_turn(i);
        for (unsigned i = 0; i < hand.count; i++) busy |= hand_busy(i);
    }
    rn_worker_enter(hand_worker(0));
}

/* So much time passes, as the workers would see it: they wake for each timer. */
static inline void hand_pass(rn_ns time)
{
    struct hand_backend *backend = hand_backend(0);
    rn_ns end = backend->now + time;
    hand_settle();
    for (unsigned wakes = 0; backend->until <= end; wakes++) {
        assert_true(wakes < 10000);
        if (backend->until > backend->now) backend->now = backend->until;
        hand_settle();
    }
    backend->now = end;
    hand_settle();
}

/* From here on it counts as waiting in its last poll. */
static inline void hand_sleep(unsigned index)
{
    assert_true(hand_backend(index)->until != 0);
    hand_worker(index)->sleeping = hand_backend(index)->sleeping;
}

/* The one op of that kind that is in flight on the first worker. */
static inline struct rn_op *hand_op(unsigned code)
{
    struct rn_op *found = NULL;
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++) {
        if (hand_backend(0)->started[i]->code != code) continue;
        assert_null(found);
        found = hand_backend(0)->started[i];
    }
    assert_non_null(found);
    return found;
}

static inline bool hand_has(unsigned code)
{
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++)
        if (hand_backend(0)->started[i]->code == code) return true;
    return false;
}

/* Completes it, and lets everything happen that follows. */
static inline void hand_complete(struct rn_op *op, int64_t result)
{
    hand_put_done(hand_backend(0), (struct rn_completion){.op = op, .result = result});
    hand_settle();
}

static inline void hand_close(void)
{
    hand_settle();
    for (unsigned i = 0; i < hand.count; i++) {
        struct rn_worker *worker = hand_worker(i);
        assert_int_equal(worker->ops, 0);
        assert_int_equal(worker->pool.used, 0);
        assert_int_equal(worker->wheel.running, 0);
        assert_int_equal(worker->slots.used, 0);
        rn_worker_enter(worker);
        rn_worker_stop(worker);
        rn_worker_free(worker);
    }
    rn_shared_stack_fini(&hand.runtime->shared);
    free(hand.runtime);
}

#endif
