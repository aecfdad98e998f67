/*
 * net/listener.c: accepting connections for as long as there are descriptors, and waiting quietly
 * when there are none.
 */
#include <runnel/net.h>
#include <runnel/runtime.h>

#include "sys/sys.h"

static const rn_ns retry_time = 100 * RN_MILLISECOND;

static void start(struct rn_listener *listener);

static void begin(struct rn_listener *listener, unsigned code, unsigned flags,
                  void (*complete)(struct rn_op *op))
{
    struct rn_op *op = &listener->op;
    rn_timer_stop(listener->worker, &listener->retry);
    op->fd = listener->fd;
    op->code = (uint8_t)code;
    op->flags = (uint8_t)flags;
    op->complete = complete;
    rn_op_start(listener->worker, op, RN_NEVER);
}

static void on_closed(struct rn_op *op)
{
    struct rn_listener *listener = rn_container_of(op, struct rn_listener, op);
    if (listener->stopped) listener->stopped(listener);
}

static void close_listener(struct rn_listener *listener)
{
    begin(listener, RN_OP_CLOSE, 0, on_closed);
}

static void on_accepted(struct rn_op *op)
{
    struct rn_listener *listener = rn_container_of(op, struct rn_listener, op);
    if (op->result >= 0) listener->accepted(listener, (int)op->result);
    if (rn_op_inflight(op)) return;
    if (listener->stopping) {
        close_listener(listener);
    } else if (op->result < 0 && op->result != -RN_K_ECANCELED) {
        listener->failures++;
        rn_timer_start(listener->worker, &listener->retry,
                       rn_worker_now(listener->worker) + retry_time);
    } else if (!listener->paused) {
        start(listener);
    }
}

static void start(struct rn_listener *listener)
{
    begin(listener, RN_OP_ACCEPT, listener->single ? 0 : RN_OP_MULTISHOT, on_accepted);
}

static void on_retry(struct rn_timer *timer, rn_ns now)
{
    struct rn_listener *listener = rn_container_of(timer, struct rn_listener, retry);
    if (!listener->paused) start(listener);
}

void rn_listener_start(struct rn_listener *listener)
{
    listener->retry.expire = on_retry;
    start(listener);
}

void rn_listener_pause(struct rn_listener *listener)
{
    listener->paused = listener->single = true;
    rn_op_cancel(listener->worker, &listener->op);
}

void rn_listener_resume(struct rn_listener *listener)
{
    listener->paused = false;
    if (!rn_op_inflight(&listener->op) && !listener->stopping) start(listener);
}

void rn_listener_stop(struct rn_listener *listener)
{
    if (listener->stopping) return;
    listener->stopping = true;
    if (rn_op_inflight(&listener->op)) rn_op_cancel(listener->worker, &listener->op);
    else close_listener(listener);
}
