/*
 * net/driver.c: the stream driver. Every event ends in pump(): give the machine what there is,
 * drain it, send.
 *
 * One send is in flight at a time, with all that the machine had to say; input that comes meanwhile
 * waits, and when too much of it waits, reading stops: a peer that doesn't take answers can't make
 * us store its questions.
 */
#include <runnel/driver.h>
#include <runnel/runtime.h>

#include "base/bytes.h"
#include "sys/sys.h"

enum {
    EOF_SEEN = 1,   /* the peer's end */
    EOF_TOLD = 2,   /* and the machine knows */
    PAUSING = 4,    /* the receive was cancelled in order to stop reading */
    KICKED = 8,     /* the node is in the run queue */
    SHUTDOWN = 16,  /* the machine is to be told */
    LINGERING = 32, /* all is sent and shut; waiting for the peer to read it and close */
    CLOSING = 64,   /* waiting for the ops to end */
    SENDING = 128,  /* the op of `sending` is in flight */
    PENDING = 256,  /* the machine may have output */
    DUE = 512,      /* its deadline may have passed */
    SENT = 1024,    /* a send is done, and what it sent still there */
};

enum { HELD_MAX = 4 }; /* buffers that may wait for the machine */

/* How long a closed connection may go on discarding input, so that the peer can read the last
 * answer before the kernel answers further input with a reset (RFC 9112, section 9.6). */
static const rn_ns linger_time = 2 * RN_SECOND;

/* What a send needs, at the start of the buffer that it sends: an idle connection has none of
 * it. */
struct rn_driver_sending {
    struct rn_op op;
    struct rn_out out;
    rn_ns deadline;
    uint64_t seen; /* progress when the deadline was set */
    struct rn_vector vectors[2];
};

static void pump(struct rn_stream_driver *driver);

static void ready(struct rn_stream_driver *driver, struct rn_op *op, unsigned code,
                  void (*complete)(struct rn_op *op))
{
    op->code = (uint8_t)code;
    op->fd = driver->stream.fd;
    op->complete = complete;
    op->owner = driver;
}

static void start(struct rn_stream_driver *driver, struct rn_op *op, unsigned code,
                  void (*complete)(struct rn_op *op))
{
    ready(driver, op, code, complete);
    rn_op_start(driver->stream.worker, op, RN_NEVER);
}

static void put(struct rn_stream_driver *driver, struct rn_buf *buf)
{
    rn_pool_put(rn_worker_pool(driver->stream.worker), buf);
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_closed(struct rn_op *op)
{
    struct rn_stream_driver *driver = op->owner;
    driver->kind->closed(driver);
}

RN_INLINE void drop_tail(struct rn_out *out)
{
    if (out->owner) out->owner->release(out->owner);
}

RN_INLINE void free_sending(struct rn_stream_driver *driver)
{
    struct rn_driver_sending *sending = driver->sending;
    if (!sending) return;
    drop_tail(&sending->out);
    driver->sending = NULL;
    put(driver, rn_container_of(sending, struct rn_buf, data));
}

/* Consumes from a held buffer, which goes back when it is empty. */
RN_INLINE void consume(struct rn_stream_driver *driver, struct rn_buf **link, size_t used)
{
    struct rn_buf *buf = *link;
    rn_assert(used <= buf->len);
    buf->at += (uint32_t)used;
    buf->len -= (uint32_t)used;
    if (buf->len) return;
    *link = buf->next;
    put(driver, buf);
}

static void drop_held(struct rn_stream_driver *driver)
{
    while (driver->held) consume(driver, &driver->held, driver->held->len);
}

/* Called again with each completion until it comes to the close: a descriptor is never closed under
 * an op. */
static void teardown(struct rn_stream_driver *driver)
{
    struct rn_worker *worker = driver->stream.worker;
    struct rn_op *op = &driver->recv;
    if (!(driver->state & CLOSING)) {
        driver->state |= CLOSING;
        rn_timer_stop(worker, &driver->recv.timer);
        rn_pool_wait_cancel(rn_worker_pool(worker), &driver->recv.arg.wait);
        drop_held(driver);
        rn_op_cancel(worker, op);
        if (driver->state & SENDING) rn_op_cancel(worker, &driver->sending->op);
    }
    if (rn_op_inflight(op) || (driver->state & (KICKED | SENDING))) return;
    free_sending(driver);
    op->flags = 0;
    start(driver, op, RN_OP_CLOSE, on_closed);
}

void rn_stream_driver_abort(struct rn_stream_driver *driver)
{
    if (driver->state & CLOSING) return;
    /* A Unix socket has no reset: it is closed all the same. */
    int ignored = rn_socket_set(driver->stream.fd, RN_SOCKET_LINGER, 0);
    (void)ignored;
    teardown(driver);
}

static void on_shut(struct rn_op *op)
{
    struct rn_stream_driver *driver = op->owner;
    driver->state &= ~SENDING;
    if (!rn_op_inflight(&driver->recv) || (driver->state & CLOSING)) teardown(driver);
    else free_sending(driver);
}

static void start_linger(struct rn_stream_driver *driver)
{
    struct rn_op *op = &driver->sending->op;
    driver->state |= LINGERING | SENDING;
    drop_held(driver);
    op->flags = 0;
    op->arg.how = RN_K_SHUT_WR;
    start(driver, op, RN_OP_SHUTDOWN, on_shut);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void reset_output(struct rn_out *out)
{
    out->len = 0;
    out->slice.len = 0;
    out->file_length = 0;
    out->owner = NULL;
    out->sealed = false;
}

RN_INLINE bool has_output(const struct rn_out *out)
{
    return out->len || out->slice.len || out->file_length;
}

static bool take_sending(struct rn_stream_driver *driver)
{
    struct rn_pool *pool = rn_worker_pool(driver->stream.worker);
    struct rn_buf *buf = rn_pool_take_reserved(pool);
    if (!buf) {
        rn_pool_wait(pool, &driver->recv.arg.wait);
        return false;
    }
    rn_pool_wait_cancel(pool, &driver->recv.arg.wait);
    struct rn_driver_sending *sending = (struct rn_driver_sending *)(void *)buf->data;
    sending->out.data = buf->data + sizeof *sending;
    sending->out.cap = buf->cap - (uint32_t)sizeof *sending;
    reset_output(&sending->out);
    driver->sending = sending;
    return true;
}

static void on_sent(struct rn_op *op);

static void send_output(struct rn_stream_driver *driver)
{
    struct rn_driver_sending *sending = driver->sending;
    struct rn_out *out = &sending->out;
    struct rn_op *op = &sending->op;
    unsigned code = RN_OP_SENDFILE;
    if (out->slice.len) {
        sending->vectors[0] = (struct rn_vector){out->data, out->len};
        sending->vectors[1] = (struct rn_vector){out->slice.ptr, out->slice.len};
        op->arg.vector.vectors = sending->vectors;
        op->arg.vector.count = 2;
        code = RN_OP_SENDV;
    } else if (out->len) {
        op->arg.memory.ptr = out->data;
        op->arg.memory.len = out->len;
        code = RN_OP_SEND;
    } else {
        op->arg.file.fd = out->file_fd;
        op->arg.file.offset = out->file_offset;
        op->arg.file.length = out->file_length;
    }
    op->flags = out->file_length && code != RN_OP_SENDFILE ? RN_OP_CORK : 0;
    sending->seen = 0;
    sending->deadline = rn_worker_now(driver->stream.worker) + driver->kind->write_timeout;
    ready(driver, op, code, on_sent);
    driver->state |= rn_op_try(driver->stream.worker, op) ? SENT : SENDING;
}

/* Takes note of a send that is done; false when the connection goes down. */
static bool sent(struct rn_stream_driver *driver)
{
    struct rn_op *op = &driver->sending->op;
    struct rn_out *out = &driver->sending->out;
    uint64_t file_length = op->code == RN_OP_SENDFILE ? out->file_length : 0;
    driver->state = (driver->state & ~SENT) | PENDING; /* there was no room for it */
    if (op->result < 0) {
        teardown(driver);
        return false;
    }
    driver->kind->traffic->bytes_out += (uint64_t)op->result;
    if (file_length != out->file_length) {
        out->len = 0; /* the head of a file, which follows */
        return true;
    }
    if ((uint64_t)op->result < file_length) {
        /* The file shrank: the length that was promised can't be kept, and only a reset says so. */
        rn_stream_driver_abort(driver);
        return false;
    }
    drop_tail(out);
    reset_output(out);
    return true;
}

static void on_sent(struct rn_op *op)
{
    struct rn_stream_driver *driver = op->owner;
    driver->state = (driver->state & ~SENDING) | SENT | DUE;
    pump(driver);
}

/* ---- Input ----------------------------------------------------------------------------------- */

/* Makes the first held buffer longer with what stands in the second; false when there is nothing
 * to add or no room. */
static bool merge_held(struct rn_stream_driver *driver)
{
    struct rn_buf *first = driver->held, *second = first->next;
    if (!second) return false;
    memmove(first->data, first->data + first->at, first->len);
    first->at = 0;
    uint32_t room = first->cap - first->len;
    uint32_t len = second->len < room ? second->len : room;
    memcpy(first->data + first->len, second->data + second->at, len);
    first->len += len;
    consume(driver, &first->next, len);
    return len;
}

/* Until the machine has nothing more to say, or no room to say it. */
RN_INLINE void drain(struct rn_stream_driver *driver, rn_ns now, struct rn_out *out)
{
    struct rn_machine *machine = driver->machine;
    driver->state &= ~PENDING;
    while (rn_out_room(out) && machine->vt->pop_output(machine, now, out)) {}
}

static bool takes_input(const struct rn_machine *machine)
{
    return !(machine->flags & (RN_MACHINE_CLOSE | RN_MACHINE_DONE | RN_MACHINE_ABORT |
                               RN_MACHINE_PAUSE));
}

/* One round with the machine: true when it did something, so that another may do more. */
static bool step(struct rn_stream_driver *driver, rn_ns now)
{
    struct rn_machine *machine = driver->machine;
    struct rn_out *out = &driver->sending->out;
    bool moved = false, busy = false, due = driver->state & DUE;
    if (driver->state & PENDING) {
        bool shutdown = driver->state & SHUTDOWN;
        driver->state &= ~(SHUTDOWN | DUE);
        if (shutdown) machine->vt->on_shutdown(machine, now, out);
        drain(driver, now, out);
    }
    while (driver->held && rn_out_room(out) && takes_input(machine)) {
        struct rn_buf *buf = driver->held;
        size_t used = machine->vt->on_input(machine, now, buf->data + buf->at, buf->len, out);
        busy = !used && !takes_input(machine); /* draining may change its mind for the next time */
        drain(driver, now, out);
        if (used) {
            consume(driver, &driver->held, used);
            moved = true;
        } else if (has_output(out) || !merge_held(driver)) {
            break;
        }
    }
    /* Only now: what is here already, and waited while a send took long, is not late. */
    if (due && !has_output(out) && machine->vt->deadline(machine) <= now) {
        machine->vt->on_tick(machine, now, out);
        drain(driver, now, out);
    }
    if ((driver->state & (EOF_SEEN | EOF_TOLD)) == EOF_SEEN && !busy && takes_input(machine) &&
        !moved && !has_output(out)) {
        driver->state |= EOF_TOLD;
        machine->vt->on_input(machine, now, NULL, 0, out);
        drain(driver, now, out);
    }
    return moved;
}

static void set_reading(struct rn_stream_driver *driver);

static void on_received(struct rn_op *op)
{
    struct rn_stream_driver *driver = op->owner;
    struct rn_buf *buf = op->buf;
    bool paused = op->result == -RN_K_ECANCELED && (driver->state & PAUSING);
    if (op->result > 0) driver->kind->traffic->bytes_in += (uint64_t)op->result;
    if (!rn_op_inflight(op)) driver->state &= ~PAUSING;
    if (driver->state & (CLOSING | LINGERING)) {
        if (buf) put(driver, buf);
        if (rn_op_inflight(op)) return;
        if (!(driver->state & CLOSING) && (op->result > 0 || paused)) set_reading(driver);
        else if ((driver->state & (CLOSING | SENDING)) != SENDING) teardown(driver);
        return;
    }
    if (buf) {
        struct rn_buf **tail = &driver->held;
        while (*tail) tail = &(*tail)->next;
        buf->next = NULL;
        *tail = buf;
    } else if (op->result == 0) {
        driver->state |= EOF_SEEN;
    } else if (op->result < 0 && !paused) {
        teardown(driver);
        return;
    }
    pump(driver);
}

static void set_reading(struct rn_stream_driver *driver)
{
    struct rn_op *op = &driver->recv;
    unsigned held = 0;
    for (struct rn_buf *buf = driver->held; buf; buf = buf->next) held++;
    bool wanted = held < HELD_MAX && (!(driver->machine->flags & RN_MACHINE_PAUSE) ||
                                      (driver->state & LINGERING));
    if (rn_op_inflight(op)) {
        if (wanted || (driver->state & PAUSING)) return;
        driver->state |= PAUSING;
        rn_op_cancel(driver->stream.worker, op);
    } else if (wanted && !(driver->state & EOF_SEEN)) {
        op->flags = RN_OP_MULTISHOT;
        start(driver, op, RN_OP_RECV, on_received);
    }
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void set_timer(struct rn_stream_driver *driver)
{
    struct rn_timer *timer = &driver->recv.timer;
    rn_ns deadline;
    if (driver->state & SENDING) deadline = driver->sending->deadline;
    else if (driver->recv.arg.wait.waiting) deadline = RN_NEVER; /* nothing goes without a buffer */
    else deadline = driver->machine->vt->deadline(driver->machine);
    /* Moved later it is only noted: the wheel looks again when the old time has come. */
    if (timer->link && deadline >= timer->deadline)
        timer->deadline = deadline;
    else
        rn_timer_start(driver->stream.worker, timer, deadline);
}

static void on_timer(struct rn_timer *timer, rn_ns now)
{
    struct rn_stream_driver *driver = rn_container_of(timer, struct rn_stream_driver, recv.timer);
    struct rn_driver_sending *sending = driver->sending;
    if (driver->state & LINGERING) {
        teardown(driver);
    } else if ((driver->state & SENDING) && sending->deadline <= now) {
        if (sending->op.progress - sending->seen <= driver->kind->write_stall) {
            rn_stream_driver_abort(driver);
            return;
        }
        sending->seen = sending->op.progress;
        sending->deadline = now + driver->kind->write_timeout;
        set_timer(driver);
    } else {
        driver->state |= PENDING | DUE;
        pump(driver);
    }
}

/* ---- The centre ------------------------------------------------------------------------------ */

static void finish(struct rn_stream_driver *driver, rn_ns now)
{
    bool clean = (driver->machine->flags & RN_MACHINE_DONE) && !driver->held;
    if (clean || (driver->state & EOF_SEEN)) {
        teardown(driver);
        return;
    }
    start_linger(driver);
    set_reading(driver);
    rn_timer_start(driver->stream.worker, &driver->recv.timer, now + linger_time);
}

static void pump(struct rn_stream_driver *driver)
{
    rn_ns now = rn_worker_now(driver->stream.worker);
    struct rn_machine *machine = driver->machine;
    bool enough = false;
    if (driver->state & CLOSING) teardown(driver);
    if (driver->state & (CLOSING | LINGERING)) return;
    while (!(driver->state & SENDING)) {
        if (!driver->sending && !take_sending(driver)) break;
        struct rn_out *out = &driver->sending->out;
        if (driver->state & SENT && !sent(driver)) return;
        bool moved = out->sealed || step(driver, now);
        if (machine->flags & RN_MACHINE_ABORT) {
            rn_stream_driver_abort(driver);
            return;
        }
        if (has_output(out)) {
            if (enough) { /* who reads fast must not have us for himself */
                rn_stream_driver_kick(driver);
                break;
            }
            enough = !out->file_length; /* a file goes with its head */
            send_output(driver);
        } else if (out->sealed) {
            drop_tail(out);
            reset_output(out); /* an empty tail; there may be more behind it */
        } else if (machine->flags & (RN_MACHINE_CLOSE | RN_MACHINE_DONE)) {
            finish(driver, now);
            return;
        } else if (!moved) {
            free_sending(driver);
            break;
        }
    }
    set_reading(driver);
    set_timer(driver);
}

static void on_kick(struct rn_worker *worker, struct rn_node *node)
{
    struct rn_stream_driver *driver = rn_container_of(node, struct rn_stream_driver, node);
    driver->state = (driver->state & ~KICKED) | PENDING | DUE;
    pump(driver);
}

void rn_stream_driver_kick(struct rn_stream_driver *driver)
{
    if (driver->state & (KICKED | CLOSING)) return;
    driver->state |= KICKED;
    driver->node.run = on_kick;
    rn_worker_post(driver->stream.worker, &driver->node);
}

static void on_buffer(struct rn_pool_wait *wait)
{
    rn_stream_driver_kick(rn_container_of(wait, struct rn_stream_driver, recv.arg.wait));
}

void rn_stream_driver_shutdown(struct rn_stream_driver *driver)
{
    driver->state |= SHUTDOWN;
    rn_stream_driver_kick(driver);
}

void rn_stream_driver_start(struct rn_stream_driver *driver)
{
    driver->recv.timer.expire = on_timer;
    driver->recv.arg.wait.ready = on_buffer;
    set_reading(driver);
    set_timer(driver);
}
