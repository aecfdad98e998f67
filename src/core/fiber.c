/*
 * core/fiber.c: fibers. A fiber is a task whose poll switches to its stack, and comes back when the
 * fiber parks or has ended.
 *
 * Stacks lie side by side in one mapping, a guard below each. Their tops are shifted against each
 * other, a cache line and more for each: the same frames of many fibers would otherwise all fall
 * into the same few sets of the cache.
 */
#include <runnel/fiber.h>

#include "core/lock.h"
#include "core/worker.h"
#include "sys/context.h"

enum { GUARD = 65536, SHIFT = 128, SHIFTS = 16 };

/* ---- What sanitizers must be told ------------------------------------------------------------ */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN
#endif

enum { FAKE_OF_FIBER, FAKE_OF_WORKER, WORKER_STACK, WORKER_STACK_SIZE, TSAN_FIBER };

#ifdef FIBER_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *at, size_t size);

/* Frames that were never left, because the fiber had ended, are still marked on its stack. */
static void stack_is_new(const void *stack, size_t size)
{
    __asan_unpoison_memory_region(stack, size);
}

static void before_enter(struct rn_fiber *fiber)
{
    __sanitizer_start_switch_fiber(&fiber->sanitizer[FAKE_OF_WORKER], fiber->stack,
                                   fiber->pool->stack_size);
}

static void after_enter(struct rn_fiber *fiber)
{
    __sanitizer_finish_switch_fiber(fiber->sanitizer[FAKE_OF_FIBER],
                                    (const void **)&fiber->sanitizer[WORKER_STACK],
                                    (size_t *)&fiber->sanitizer[WORKER_STACK_SIZE]);
}

static void before_leave(struct rn_fiber *fiber)
{
    __sanitizer_start_switch_fiber(fiber->finished ? NULL : &fiber->sanitizer[FAKE_OF_FIBER],
                                   fiber->sanitizer[WORKER_STACK],
                                   (size_t)fiber->sanitizer[WORKER_STACK_SIZE]);
}

static void after_leave(struct rn_fiber *fiber)
{
    __sanitizer_finish_switch_fiber(fiber->sanitizer[FAKE_OF_WORKER], NULL, NULL);
}

static void fiber_is_gone(struct rn_fiber *fiber) {}

#elif defined(FIBER_TSAN)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

static void stack_is_new(const void *stack, size_t size) {}

static void before_enter(struct rn_fiber *fiber)
{
    void **of_fiber = &fiber->sanitizer[TSAN_FIBER];
    if (!*of_fiber) *of_fiber = __tsan_create_fiber(0);
    fiber->sanitizer[FAKE_OF_WORKER] = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(*of_fiber, 0);
}

static void after_enter(struct rn_fiber *fiber) {}

static void before_leave(struct rn_fiber *fiber)
{
    __tsan_switch_to_fiber(fiber->sanitizer[FAKE_OF_WORKER], 0);
}

static void after_leave(struct rn_fiber *fiber) {}

static void fiber_is_gone(struct rn_fiber *fiber)
{
    if (fiber->sanitizer[TSAN_FIBER]) __tsan_destroy_fiber(fiber->sanitizer[TSAN_FIBER]);
}

#else
static void stack_is_new(const void *stack, size_t size) {}
static void before_enter(struct rn_fiber *fiber) {}
static void after_enter(struct rn_fiber *fiber) {}
static void before_leave(struct rn_fiber *fiber) {}
static void after_leave(struct rn_fiber *fiber) {}
static void fiber_is_gone(struct rn_fiber *fiber) {}
#endif

/* ---- Stacks ---------------------------------------------------------------------------------- */

static size_t stride_of(const struct rn_fiber_pool *pool) { return GUARD + pool->stack_size; }

int rn_fiber_pool_init(struct rn_fiber_pool *pool, uint32_t count, size_t stack_size)
{
    if (!count || !stack_size || stack_size > (size_t)1 << 30) return RN_E_MISUSE;
    if (rn_shadow_stack_active()) return -RN_K_EOPNOTSUPP;
    *pool = (struct rn_fiber_pool){.count = count};
    pool->stack_size = (uint32_t)((stack_size + GUARD - 1) & ~(size_t)(GUARD - 1));
    pool->base = rn_map(count * stride_of(pool));
    return pool->base ? 0 : -RN_K_ENOMEM;
}

/* What the pool keeps of a stack, at its high end. */
struct record {
    uint8_t *next;      /* while it is free */
    uintptr_t valgrind; /* its number there */
};

static struct record *record_of(const struct rn_fiber_pool *pool, uint8_t *stack)
{
    return (struct record *)(void *)(stack + pool->stack_size) - 1;
}

void rn_fiber_pool_fini(struct rn_fiber_pool *pool)
{
    rn_assert(pool->used == 0);
    for (uint32_t i = 0; i < pool->touched; i++) {
        uint8_t *stack = pool->base + i * stride_of(pool) + GUARD;
        rn_valgrind_request(RN_VALGRIND_STACK_WAS, record_of(pool, stack)->valgrind, 0);
    }
    rn_unmap(pool->base, pool->count * stride_of(pool));
}

static int take_stack(struct rn_fiber_pool *pool, uint8_t **stack)
{
    int result = 0;
    rn_lock_take(&pool->lock);
    if (pool->free) {
        *stack = pool->free;
        pool->free = record_of(pool, *stack)->next;
    } else if (pool->touched == pool->count) {
        result = -RN_K_ENOBUFS;
    } else {
        uint8_t *guard = pool->base + pool->touched * stride_of(pool);
        *stack = guard + GUARD;
        result = rn_sys_mprotect(guard, GUARD, RN_K_PROT_NONE);
        if (result == 0) {
            pool->touched++;
            record_of(pool, *stack)->valgrind =
                rn_valgrind_request(RN_VALGRIND_STACK_IS, (uintptr_t)*stack,
                                    (uintptr_t)record_of(pool, *stack));
        }
    }
    if (result == 0) pool->used++;
    rn_lock_leave(&pool->lock);
    return result;
}

static void give_stack(struct rn_fiber_pool *pool, uint8_t *stack)
{
    stack_is_new(stack, pool->stack_size);
    rn_lock_take(&pool->lock);
    record_of(pool, stack)->next = pool->free;
    pool->free = stack;
    pool->used--;
    rn_lock_leave(&pool->lock);
}

/* Memory that was never used is zero. Others may be using theirs: the figure is a look, no more. */
__attribute__((no_sanitize("address"), no_sanitize("thread"))) size_t
rn_fiber_pool_peak(struct rn_fiber_pool *pool)
{
    size_t words = (pool->stack_size - sizeof(struct record)) / sizeof(uint64_t), deepest = words;
    rn_valgrind_request(RN_VALGRIND_QUIET, 1, 0);
    for (uint32_t i = 0; i < pool->touched; i++) {
        const uint64_t *stack = (const void *)(pool->base + i * stride_of(pool) + GUARD);
        size_t unused = 0;
        while (unused < deepest && !*(const volatile uint64_t *)&stack[unused]) unused++;
        deepest = unused;
    }
    rn_valgrind_request(RN_VALGRIND_QUIET, (uintptr_t)-1, 0);
    return (words - deepest) * sizeof(uint64_t);
}

/* ---- Switching ------------------------------------------------------------------------------- */

static void leave(struct rn_fiber *fiber)
{
    before_leave(fiber);
    rn_context_switch(&fiber->resume, fiber->resume);
    after_enter(fiber);
}

static void enter(struct rn_fiber *fiber)
{
    before_enter(fiber);
    rn_context_switch(&fiber->resume, fiber->resume);
    after_leave(fiber);
}

/* Where a fiber begins, on its stack. */
static void fiber_main(void *argument)
{
    struct rn_fiber *fiber = argument;
    after_enter(fiber);
    fiber->child.task.result = fiber->run(fiber->argument);
    fiber->finished = true;
    leave(fiber);
    __builtin_trap();
}

static enum rn_poll fiber_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct rn_fiber *fiber = rn_container_of(task, struct rn_fiber, child.task);
    fiber->cx = cx;
    fiber->cancelled = cx->cancelled;
    if (fiber->shields) cx->cancelled = false;
    cx->worker->fiber = fiber;
    enter(fiber);
    cx->worker->fiber = NULL;
    return fiber->finished ? RN_READY : RN_PENDING;
}

void rn_fiber_drop(struct rn_fiber *fiber)
{
    fiber_is_gone(fiber);
    give_stack(fiber->pool, fiber->stack);
    fiber->stack = NULL;
}

static void fiber_done(struct rn_task *task)
{
    struct rn_fiber *fiber = rn_container_of(task, struct rn_fiber, child.task);
    rn_fiber_drop(fiber);
    if (fiber->done) fiber->done(fiber);
}

int rn_fiber_init(struct rn_fiber *fiber, struct rn_fiber_pool *pool, int64_t (*run)(void *),
                  void *argument)
{
    *fiber = (struct rn_fiber){
        .child = {.task = {.poll = fiber_poll, .done = fiber_done}, .ended = fiber->child.ended},
        .done = fiber->done,
        .run = run,
        .argument = argument,
        .pool = pool,
    };
    if (!fiber->done) fiber->child.task.join = &fiber->join;
    int result = take_stack(pool, &fiber->stack);
    if (result < 0) return result;
    size_t index = (size_t)(fiber->stack - pool->base) / stride_of(pool);
    uint8_t *top = (uint8_t *)record_of(pool, fiber->stack) - index % SHIFTS * SHIFT;
    fiber->resume = rn_context_make(top, fiber_main, fiber);
    return 0;
}

int rn_fiber_spawn(struct rn_fiber *fiber, struct rn_fiber_pool *pool, struct rn_worker *worker,
                   int64_t (*run)(void *argument), void *argument)
{
    int result = rn_fiber_init(fiber, pool, run, argument);
    if (result < 0) return result;
    result = rn_spawn(worker, &fiber->child.task);
    if (result < 0) rn_fiber_drop(fiber);
    else fiber->join.task = rn_task_waker(worker, &fiber->child.task);
    return result;
}

/* ---- In a fiber ------------------------------------------------------------------------------ */

struct rn_fiber *rn_fiber_current(void)
{
    struct rn_worker *worker = rn_worker_current();
    return worker ? worker->fiber : NULL;
}

static struct rn_fiber *this_fiber(void)
{
    struct rn_fiber *fiber = rn_fiber_current();
    rn_assert(fiber);
    return fiber;
}

struct rn_cx *rn_fiber_cx(void) { return this_fiber()->cx; }
bool rn_fiber_cancelled(void) { return this_fiber()->cancelled; }

void rn_fiber_await_any(struct rn_awaitable of)
{
    struct rn_fiber *fiber = this_fiber();
    while (of.poll(of.future, fiber->cx) == RN_PENDING) leave(fiber);
}

void rn_fiber_shield(void)
{
    struct rn_fiber *fiber = this_fiber();
    fiber->shields++;
    fiber->cx->cancelled = false;
}

void rn_fiber_unshield(void)
{
    struct rn_fiber *fiber = this_fiber();
    rn_assert(fiber->shields > 0);
    if (--fiber->shields == 0) fiber->cx->cancelled = fiber->cancelled;
}

int rn_fiber_sleep(rn_ns duration)
{
    struct rn_sleep sleep;
    rn_sleep(&sleep, rn_fiber_cx(), duration);
    rn_fiber_await(&sleep);
    return sleep.result;
}

void rn_fiber_yield(void)
{
    struct rn_yield yield = {false};
    rn_fiber_await(&yield);
}

int64_t rn_fiber_join(struct rn_fiber *fiber)
{
    rn_assert(!fiber->done);
    rn_fiber_await(&fiber->join);
    return fiber->join.result;
}
