/*
 * core/worker.c: the loop. One turn: what other threads sent, what is ready to run, then wait for
 * the backend, hand out its completions and fire timers.
 */
#include "core/worker.h"

enum { COMPLETIONS_MAX = 32, TASKS_A_TURN = 256 };

static RN_THREAD_LOCAL struct rn_worker *current;

struct rn_worker *rn_worker_current(void) { return current; }
void rn_worker_enter(struct rn_worker *worker) { current = worker; }
unsigned rn_worker_index(const struct rn_worker *worker) { return worker->index; }
struct rn_runtime *rn_worker_runtime(const struct rn_worker *worker) { return worker->runtime; }
struct rn_pool *rn_worker_pool(struct rn_worker *worker) { return &worker->pool; }
rn_ns rn_worker_now(const struct rn_worker *worker) { return worker->now; }
void rn_worker_set_local(struct rn_worker *worker, void *local) { worker->local = local; }
void *rn_worker_local(const struct rn_worker *worker) { return worker->local; }

const char *rn_worker_backend_name(const struct rn_worker *worker)
{
    return worker->backend->vt->name;
}

void rn_timer_start(struct rn_worker *worker, struct rn_timer *timer, rn_ns deadline)
{
    rn_wheel_add(&worker->wheel, timer, deadline);
}

void rn_timer_stop(struct rn_worker *worker, struct rn_timer *timer)
{
    rn_wheel_remove(&worker->wheel, timer);
}

/*
 * The sleep handshake. The worker: raise `sleeping`, full fence, look at the inbox. A waker: push,
 * full fence, look at `sleeping`. Whichever comes second sees the other: without both fences a
 * store could wait in its processor's buffer while the load behind it is done, both would see
 * nothing, and the wakeup would be lost.
 */
bool rn_worker_ring(struct rn_worker *worker)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&worker->sleeping, __ATOMIC_RELAXED)) return false;
    uint32_t slept = __atomic_exchange_n(&worker->sleeping, RN_AWAKE, __ATOMIC_RELAXED);
    if (slept) worker->backend->vt->wake(worker->backend);
    return slept == RN_SLEEPING;
}

/* A worker without a free slot leaves the shared tasks to others, until one of its own is done. */
static bool worker_full(const struct rn_worker *worker)
{
    return worker->slots.used == worker->slots.count;
}

static bool may_sleep(struct rn_worker *worker)
{
    bool full = worker_full(worker);
    __atomic_store_n(&worker->sleeping, full ? RN_SLEEPING_FULL : RN_SLEEPING, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return rn_inbox_empty(&worker->inbox) &&
           (full || rn_shared_stack_empty(&worker->runtime->shared)) &&
           !__atomic_load_n(&worker->runtime->stopping, __ATOMIC_RELAXED);
}

void rn_worker_push(struct rn_worker *worker, struct rn_node *node)
{
    if (worker == current) {
        rn_run_queue_push(&worker->queue, node);
        return;
    }
    rn_inbox_push(&worker->inbox, node);
    rn_worker_ring(worker);
}

void rn_worker_post(struct rn_worker *worker, struct rn_node *node)
{
    rn_worker_push(worker, node);
}

static void run_ready(struct rn_worker *worker)
{
    if (!rn_inbox_empty(&worker->inbox)) {
        struct rn_node *node = rn_inbox_take(&worker->inbox);
        while (node) {
            struct rn_node *next = node->next;
            rn_run_queue_push(&worker->queue, node);
            node = next;
        }
    }
    if (!rn_shared_stack_empty(&worker->runtime->shared)) {
        /* One a turn, so that the others get theirs; while there are more, no worker sleeps. */
        struct rn_node *node =
            worker_full(worker) ? NULL : rn_shared_stack_pop(&worker->runtime->shared);
        if (node) node->run(worker, node);
        /* Rung for more than it can take: the others don't know. */
        if (worker_full(worker)) rn_runtime_ring_any(worker->runtime);
    }
    for (unsigned i = 0; worker->queue.head && i < TASKS_A_TURN; i++) {
        struct rn_node *node = worker->queue.head;
        worker->queue.head = node->next;
        if (!node->next) worker->queue.tail = &worker->queue.head;
        node->run(worker, node);
    }
}

void rn_worker_complete(struct rn_worker *worker, const struct rn_completion *done)
{
    struct rn_op *op = done->op;
    op->result = done->result;
    op->buf = done->buf;
    if (done->more) {
        op->flags |= RN_OP_MORE;
    } else {
        if (op->flags & RN_OP_TIMED) rn_wheel_remove(&worker->wheel, &op->timer);
        if ((op->flags & RN_OP_EXPIRED) && op->result == -RN_K_ECANCELED)
            op->result = -RN_K_ETIMEDOUT;
        op->flags &= (uint8_t) ~(RN_OP_MORE | RN_OP_INFLIGHT);
        worker->ops--;
    }
    op->complete(op);
}

int rn_worker_turn(struct rn_worker *worker)
{
    const struct rn_runtime_options *options = &worker->runtime->options;
    struct rn_completion done[COMPLETIONS_MAX];
    rn_ns until = 0;
    worker->turns++;
    run_ready(worker);
    if (!worker->queue.head) {
        if (options->on_idle) options->on_idle(worker, options->context);
        if (worker->now >= worker->busy_until && may_sleep(worker) && !worker->queue.head)
            until = rn_wheel_next(&worker->wheel);
    }
    int count = worker->backend->vt->poll(worker->backend, until, done, COMPLETIONS_MAX);
    __atomic_store_n(&worker->sleeping, RN_AWAKE, __ATOMIC_RELAXED);
    worker->now = worker->backend->vt->now(worker->backend);
    if (count) worker->busy_until = worker->now + options->busy_poll_us * (rn_ns)1000;
    for (int i = 0; i < count; i++) rn_worker_complete(worker, &done[i]);
    rn_wheel_expire(&worker->wheel, worker->now);
    return count < 0 ? count : 0;
}

int rn_worker_start(struct rn_worker *worker)
{
    const struct rn_runtime_options *options = &worker->runtime->options;
    struct rn_k_rlimit limit = {.rlim_cur = UINT64_MAX}; /* where it can't be asked */
    rn_sys_prlimit64(0, RN_K_RLIMIT_NOFILE, NULL, &limit);
    struct rn_backend_options backend = {
        .pool = &worker->pool,
        .descriptors = limit.rlim_cur > 1u << 20 ? 1u << 20 : (uint32_t)limit.rlim_cur,
        .entries = 256,
        .vt = options->backend,
    };
    worker->queue.tail = &worker->queue.head;
    rn_worker_enter(worker);
    int result = rn_pool_init(&worker->pool, options->buffers, options->buffer_size);
    if (result < 0) return result;
    worker->pool.reserve = worker->pool.count / 4;
    result = rn_slab_init(&worker->slots, options->tasks, sizeof(struct rn_task_slot));
    if (result < 0) return result;
    worker->backend = rn_map(options->backend->size);
    if (!worker->backend) return -RN_K_ENOMEM;
    worker->backend->vt = options->backend;
    worker->backend->pool = &worker->pool;
    result = options->backend->init(worker->backend, &backend);
    if (result < 0) return result;
    worker->started = true;
    worker->now = options->backend->now(worker->backend);
    rn_wheel_init(&worker->wheel, worker->now);
    return options->on_start ? options->on_start(worker, options->context) : 0;
}

void rn_worker_stop(struct rn_worker *worker)
{
    const struct rn_runtime_options *options = &worker->runtime->options;
    if (worker->started && options->on_stop) options->on_stop(worker, options->context);
    rn_worker_enter(NULL);
}

void rn_worker_free(struct rn_worker *worker)
{
    /* What another one wakes it through is closed only here: a wake that came too late would be
     * written to whatever has that descriptor by then. */
    if (worker->started) worker->backend->vt->fini(worker->backend);
    if (worker->pool.base) rn_pool_fini(&worker->pool);
    rn_slab_fini(&worker->slots);
    if (worker->backend) rn_unmap(worker->backend, worker->runtime->options.backend->size);
}

void rn_worker_main(void *argument)
{
    struct rn_worker *worker = argument;
    struct rn_runtime *runtime = worker->runtime;
    worker->start_result = rn_worker_start(worker);
    __atomic_fetch_add(&runtime->started, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(&runtime->started, 1);
    /* The first one must not give work to another that isn't there yet. */
    while (!__atomic_load_n(&runtime->go, __ATOMIC_ACQUIRE))
        rn_sys_futex_wait(&runtime->go, 0, NULL);
    while (!__atomic_load_n(&runtime->stopping, __ATOMIC_RELAXED)) {
        int result = rn_worker_turn(worker);
        if (result < 0) {
            worker->start_result = result;
            rn_runtime_stop(runtime);
        }
    }
    rn_worker_stop(worker);
}

void rn_worker_figures(const struct rn_worker *worker, struct rn_worker_figures *figures)
{
#define READ(field) __atomic_load_n(&worker->field, __ATOMIC_RELAXED)
    *figures = (struct rn_worker_figures){
        .tasks = READ(slots.used),
        .polls = READ(polls),
        .turns = READ(turns),
        .stale_wakes = READ(stale_wakes),
        .timers = READ(wheel.running),
        .ops = READ(ops),
        .syscalls = READ(backend->syscalls),
        .buffers = READ(pool.used),
        .buffers_total = READ(pool.count),
    };
#undef READ
}
