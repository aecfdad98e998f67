/*
 * runnel/fiber.h: fibers: tasks with a stack of their own, for code that is to read like blocking
 * code. An await parks only the fiber; the worker goes on with other tasks.
 *
 * A fiber is a task (fiber.child.task): what can be done with one can be done with the other: spawn
 * it anywhere, join it, cancel it, put it in a scope. It stays on the worker where it started. One
 * that is cancelled gets -ECANCELED from the await it is in and from each that it comes to, and
 * unwinds by itself. Sockets in this style: runnel/fiber_net.h.
 *
 *     static int64_t nap(void *argument)
 *     {
 *         return rn_fiber_sleep(RN_SECOND);
 *     }
 *     ...
 *     rn_fiber_pool_init(&pool, 1000, 65536);
 *     rn_fiber_spawn(&fiber, &pool, worker, nap, NULL);
 *
 * Functions that are for fibers trap when they are called anywhere else.
 */
#ifndef RUNNEL_FIBER_H
#define RUNNEL_FIBER_H

#include <runnel/concurrency.h>
#include <runnel/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Stacks ---------------------------------------------------------------------------------- */

/* Equal stacks in one lazily mapped block, for fibers on any workers. Below each lie 64 KiB that
 * trap an overflow (SIGSEGV). The last one given back is the next one taken. */
struct rn_fiber_pool {
    struct rn_lock lock; /* private */
    uint32_t count;
    uint32_t stack_size;
    uint32_t touched;
    uint32_t used;
    uint8_t *base;
    void *free;
};

/* count from 1, stack_size from 1 byte to 1 GiB, rounded up to whole 64 KiB, of which only what is
 * used costs memory. -ENOMEM; RN_E_MISUSE; -EOPNOTSUPP where the thread that calls runs with a
 * shadow stack (CET SHSTK, or ARM's GCS): switching stacks would end the program. */
RN_MUST_USE int rn_fiber_pool_init(struct rn_fiber_pool *pool, uint32_t count, size_t stack_size);
/* When no fiber of it is left. */
void rn_fiber_pool_fini(struct rn_fiber_pool *pool);
/* How many bytes the deepest fiber so far has used of its stack, to the nearest 8: for choosing
 * stack_size. While others run fibers of the pool it may miss what they do just now. */
size_t rn_fiber_pool_peak(struct rn_fiber_pool *pool);

/* ---- Fibers ---------------------------------------------------------------------------------- */

/* Zero it; child.ended and done may be set, then rn_fiber_init. */
struct rn_fiber {
    struct rn_child child; /* child.task: the task. child.ended: for a scope */
    /* the last thing done with the fiber: may free it. Who sets it can't join it */
    void (*done)(struct rn_fiber *fiber);
    struct rn_join join; /* private from here */
    int64_t (*run)(void *argument);
    void *argument;
    struct rn_fiber_pool *pool;
    uint8_t *stack; /* its low end; NULL once it was given back */
    void *resume;   /* the stack pointer of whichever side doesn't run */
    struct rn_cx *cx;
    uint32_t shields;
    bool cancelled;
    bool finished;
    void *sanitizer[5];
};

/* Takes a stack, and makes of the fiber a task that is ready to be spawned: by rn_spawn and its
 * like, rn_scope_spawn, rn_block_on_task. What run() returns is the task's result. -ENOBUFS: all
 * stacks are taken. -ENOMEM: the kernel allows no more mappings (sysctl vm.max_map_count: each
 * stack that was ever used is two). From any thread. */
RN_MUST_USE int rn_fiber_init(struct rn_fiber *fiber, struct rn_fiber_pool *pool,
                              int64_t (*run)(void *argument), void *argument);
/* Gives the stack of a fiber back that was not spawned after all. */
void rn_fiber_drop(struct rn_fiber *fiber);
/* rn_fiber_init and rn_spawn: on the worker whose thread this is. -ENOBUFS, -ENOMEM. */
RN_MUST_USE int rn_fiber_spawn(struct rn_fiber *fiber, struct rn_fiber_pool *pool,
                               struct rn_worker *worker, int64_t (*run)(void *argument),
                               void *argument);

/* ---- In a fiber ------------------------------------------------------------------------------ */

/* The fiber that runs, or NULL. */
struct rn_fiber *rn_fiber_current(void);
/* What its task was polled with: for calls that begin something to await. Until the next await. */
struct rn_cx *rn_fiber_cx(void);
bool rn_fiber_cancelled(void);

/* Parks the fiber until the future is over: an op, sleep, join, yield or struct rn_future that was
 * begun. Its result says how it went. */
void rn_fiber_await_any(struct rn_awaitable of);
#ifndef __cplusplus
#define rn_fiber_await(future) rn_fiber_await_any(rn_awaitable_of(future))
#endif

/* Between the two, awaits don't see that the fiber was cancelled: for cleaning up. They nest. */
void rn_fiber_shield(void);
void rn_fiber_unshield(void);

/* 0, or -ECANCELED. */
RN_MUST_USE int rn_fiber_sleep(rn_ns duration);
/* Lets the other tasks run once. */
void rn_fiber_yield(void);
/* Waits for the end of a fiber outside of a scope: its result. A fiber that is cancelled here
 * cancels the other first, if rn_fiber_spawn started it, and still waits for its end. */
RN_MUST_USE int64_t rn_fiber_join(struct rn_fiber *fiber);

#ifdef __cplusplus
}
#endif
#endif
