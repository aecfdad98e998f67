/*
 * core/scope.c: children that don't outlive their scope.
 *
 * The list of children is the scope's worker's alone. A child on another worker reports its end by
 * a message, and only when that has come is it taken off the list: so a child can be cancelled for
 * as long as it is there. It can't be before it has its slot: a scope that cancels too early leaves
 * a word (child->state), and whoever comes second, the cancelling or the spawning, does it.
 */
#include <runnel/concurrency.h>
#include <runnel/runtime.h>

#include "sys/abi.h"

enum { SPAWNED = 1, CANCELLED = 2 };

static void unlink_child(struct rn_child *child)
{
    struct rn_scope *scope = child->scope;
    *(child->previous ? &child->previous->next : &scope->children) = child->next;
    if (child->next) child->next->previous = child->previous;
    int64_t result = child->task.result;
    if (result < 0 && scope->result == 0) scope->result = result;
    if (result < 0 && scope->ends_on_error) rn_scope_cancel(scope);
    if (child->ended) child->ended(child);
    if (--scope->count == 0) rn_wake(scope->waker);
}

static void on_report(struct rn_worker *worker, struct rn_node *node)
{
    unlink_child(rn_container_of(node, struct rn_child, node));
}

/* On the child's worker. */
static void child_done(struct rn_task *task)
{
    struct rn_child *child = rn_container_of(task, struct rn_child, task);
    struct rn_worker *home = child->scope->worker;
    if (child->done) child->done(task);
    child->node.run = on_report;
    if (rn_worker_current() == home) unlink_child(child);
    else rn_worker_post(home, &child->node);
}

static void cancel_child(struct rn_child *child)
{
    uint32_t before = __atomic_fetch_or(&child->state, CANCELLED, __ATOMIC_ACQ_REL);
    if (before == SPAWNED) rn_task_cancel(child->waker);
}

static int spawn_child(struct rn_worker *worker, struct rn_child *child)
{
    int result = rn_spawn(worker, &child->task);
    if (result < 0) return result;
    child->waker = rn_task_waker(worker, &child->task);
    if (__atomic_fetch_or(&child->state, SPAWNED, __ATOMIC_ACQ_REL)) rn_task_cancel(child->waker);
    return 0;
}

static void on_spawn(struct rn_worker *worker, struct rn_node *node)
{
    struct rn_child *child = rn_container_of(node, struct rn_child, node);
    int result = spawn_child(worker, child);
    if (result == 0) return;
    child->task.result = result;
    child_done(&child->task);
}

int rn_scope_spawn(struct rn_scope *scope, struct rn_worker *worker, struct rn_child *child)
{
    if (scope->cancelled) return -RN_K_ECANCELED;
    child->scope = scope;
    child->state = 0;
    child->done = child->task.done;
    child->task.done = child_done;
    child->task.join = NULL;
    if (worker == scope->worker) {
        int result = spawn_child(worker, child);
        if (result < 0) {
            child->task.done = child->done;
            return result;
        }
    }
    child->previous = NULL;
    child->next = scope->children;
    if (child->next) child->next->previous = child;
    scope->children = child;
    scope->count++;
    if (worker == scope->worker) return 0;
    child->node.run = on_spawn;
    rn_worker_post(worker, &child->node);
    return 0;
}

void rn_scope_cancel(struct rn_scope *scope)
{
    if (scope->cancelled) return;
    scope->cancelled = true;
    for (struct rn_child *child = scope->children; child; child = child->next) cancel_child(child);
}

static enum rn_poll poll_scope(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_scope *scope = rn_container_of(future, struct rn_scope, future);
    scope->waker = cx->waker;
    if (cx->cancelled) rn_scope_cancel(scope);
    return scope->count ? RN_PENDING : RN_READY;
}

void rn_scope_open(struct rn_scope *scope, struct rn_worker *worker)
{
    *scope = (struct rn_scope){.future.poll = poll_scope, .worker = worker};
}
