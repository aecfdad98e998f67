/*
 * core/op.c: starting, cancelling and awaiting ops: what every backend has in common.
 */
#include "core/helper.h"
#include "core/worker.h"

const struct rn_helper_vt *rn_helpers;

static void expire(struct rn_timer *timer, rn_ns now)
{
    struct rn_op *op = rn_container_of(timer, struct rn_op, timer);
    if (!(op->flags & RN_OP_CANCELLED)) op->flags |= RN_OP_EXPIRED;
    rn_op_cancel(rn_worker_current(), op);
}

static void set_deadline(struct rn_worker *worker, struct rn_op *op, rn_ns deadline)
{
    if (!(op->flags & RN_OP_TIMED)) {
        op->flags |= RN_OP_TIMED;
        op->timer.link = NULL;
        op->timer.expire = expire;
    }
    rn_wheel_add(&worker->wheel, &op->timer, deadline);
}

static void ready(struct rn_worker *worker, struct rn_op *op)
{
    op->flags = (op->flags & (RN_OP_MULTISHOT | RN_OP_ALL | RN_OP_CORK)) | RN_OP_INFLIGHT;
    op->progress = 0;
    op->buf = NULL;
    worker->ops++;
}

void rn_op_ready(struct rn_worker *worker, struct rn_op *op, rn_ns deadline)
{
    ready(worker, op);
    if (deadline != RN_NEVER) set_deadline(worker, op, deadline);
}

void rn_op_start(struct rn_worker *worker, struct rn_op *op, rn_ns deadline)
{
    rn_op_ready(worker, op, deadline);
    worker->backend->vt->submit(worker->backend, op);
}

bool rn_op_try(struct rn_worker *worker, struct rn_op *op)
{
    struct rn_backend *backend = worker->backend;
    ready(worker, op);
    if (!backend->vt->attempt) {
        backend->vt->submit(backend, op);
        return false;
    }
    if (!backend->vt->attempt(backend, op)) return false;
    op->flags &= (uint8_t)~RN_OP_INFLIGHT;
    worker->ops--;
    return true;
}

void rn_op_deadline(struct rn_worker *worker, struct rn_op *op, rn_ns deadline)
{
    if (op->flags & RN_OP_INFLIGHT) set_deadline(worker, op, deadline);
}

void rn_op_cancel(struct rn_worker *worker, struct rn_op *op)
{
    if (!(op->flags & RN_OP_INFLIGHT) || (op->flags & RN_OP_CANCELLED)) return;
    op->flags |= RN_OP_CANCELLED;
    if (rn_helpers && op->code == RN_OP_HELPED)
        rn_helpers->cancel(rn_container_of(op, struct rn_helped, op));
    else
        worker->backend->vt->cancel(worker->backend, op);
}

static void wake_owner(struct rn_op *op)
{
    struct rn_task *task = op->owner;
    rn_wake(rn_task_waker(rn_worker_current(), task));
}

void rn_op_own(struct rn_cx *cx, struct rn_op *op)
{
    struct rn_task_slot *slot = rn_slab_at(&cx->worker->slots, cx->waker.slot);
    op->owner = slot->task;
    op->complete = wake_owner;
}

void rn_op_begin(struct rn_cx *cx, struct rn_op *op, rn_ns deadline)
{
    rn_op_own(cx, op);
    rn_op_start(cx->worker, op, deadline);
}

enum rn_poll rn_op_poll(struct rn_op *op, struct rn_cx *cx)
{
    if (!(op->flags & RN_OP_INFLIGHT)) return RN_READY;
    if (cx->cancelled) rn_op_cancel(cx->worker, op);
    return RN_PENDING;
}
