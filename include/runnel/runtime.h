/*
 * runnel/runtime.h: the runtime: workers, each one thread with its own backend, timers, tasks and
 * buffers, and the controller that starts, commands and stops them.
 */
#ifndef RUNNEL_RUNTIME_H
#define RUNNEL_RUNTIME_H

#include <runnel/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RN_WORKERS_MAX = 64 };

struct rn_runtime_options {
    unsigned workers;                    /* 1 to RN_WORKERS_MAX; 0: one for each processor */
    const struct rn_backend_vt *backend; /* rn_backend_select(), or another implementation */
    uint32_t tasks;                      /* for each worker; 0: 4,096 */
    uint32_t buffers;                    /* for each worker; 0: 4,096. Mapped when used */
    uint32_t buffer_size;                /* bytes, a power of two; 0: 32,768 */
    uint32_t shared_tasks;               /* waiting for whichever worker takes them; 0: 1,024 */
    /* Microseconds that a worker goes on looking after something came, before it waits: quicker
     * answers for a processor that is never idle. 0: none */
    uint32_t busy_poll_us;
    /* On each worker's own thread: before its loop begins (a negative result ends the start with
     * it), and after the loop has ended. May be NULL. */
    int (*on_start)(struct rn_worker *worker, void *context);
    void (*on_stop)(struct rn_worker *worker, void *context);
    /* Before a worker waits, at most once a turn of its loop: for buffered logs and the like.
     * May be NULL. */
    void (*on_idle)(struct rn_worker *worker, void *context);
    void *context;
};

/* Starts the workers' threads and returns when all are running, or none is: -ENOMEM, -EAGAIN (no
 * thread), RN_E_MISUSE, whatever on_start or the backend's init gave. */
struct rn_runtime;
RN_MUST_USE int rn_runtime_start(struct rn_runtime **runtime,
                                 const struct rn_runtime_options *options);

/* Tells every worker's loop to end when its present turn is over. Tasks that are still there are
 * not polled again: drain first. From any thread. */
void rn_runtime_stop(struct rn_runtime *runtime);

/* Waits for the workers to end and frees everything. */
void rn_runtime_join(struct rn_runtime *runtime);

/* How many workers there are, and each of them. */
unsigned rn_runtime_workers(const struct rn_runtime *runtime);
struct rn_worker *rn_runtime_worker(struct rn_runtime *runtime, unsigned index);

/* Runs node->run(worker, node) on the worker's thread. From any thread. The node is the caller's
 * and must stay until then. */
void rn_worker_post(struct rn_worker *worker, struct rn_node *node);

/* The worker whose thread this is, or NULL. */
struct rn_worker *rn_worker_current(void);
unsigned rn_worker_index(const struct rn_worker *worker);
struct rn_runtime *rn_worker_runtime(const struct rn_worker *worker);
struct rn_pool *rn_worker_pool(struct rn_worker *worker);
const char *rn_worker_backend_name(const struct rn_worker *worker);
/* When the present turn of the loop began, on the monotonic clock. */
rn_ns rn_worker_now(const struct rn_worker *worker);

/* A slot for the layer above: what on_start made for this worker. */
void rn_worker_set_local(struct rn_worker *worker, void *local);
void *rn_worker_local(const struct rn_worker *worker);

/* Figures, to be read from any thread; each is exact, together they are of about the same
 * moment. */
struct rn_worker_figures {
    uint64_t tasks;         /* alive */
    uint64_t polls;         /* of tasks, so far */
    uint64_t turns;         /* of the loop, so far */
    uint64_t stale_wakes;   /* so far */
    uint64_t timers;        /* running */
    uint64_t ops;           /* in flight */
    uint64_t syscalls;      /* made by the backend, so far */
    uint64_t buffers;       /* of the pool, in use */
    uint64_t buffers_total; /* in the pool */
};
void rn_worker_figures(const struct rn_worker *worker, struct rn_worker_figures *figures);

#ifdef __cplusplus
}
#endif
#endif
