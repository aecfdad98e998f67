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
    struct rn_vector vectors[2];
    rn_ns deadline;
    uint64_t seen; /* progress when the deadline was set */
    struct rn_buf *buf;
    bool inflight;
};

static void pump(struct rn_stream_driver *driver);

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_closed(struct rn_op *op)
{
    struct rn_stream_driver *driver = rn_container_of(op, struct rn_stream_driver, recv);
    driver->closed(driver);
}

static void drop_tail(struct rn_out *out)
{
    if (out->owner) out->owner->release(out->owner);
    out->owner = NULL;
}

static void free_sending(struct rn_stream_driver *driver)
{
    if (!driver->sending) return;
    drop_tail(&driver->sending->out);
    rn_pool_put(rn_worker_pool(driver->stream.worker), driver->sending->buf);
    driver->sending = NULL;
}

static void drop_held(struct rn_stream_driver *driver)
{
    while (driver->held) {
        struct rn_buf *buf = driver->held;
        driver->held = buf->next;
        rn_pool_put(rn_worker_pool(driver->stream.worker), buf);
    }
}

/* A descriptor is never closed under an op: first all of them have completed. */
static void try_close(struct rn_stream_driver *driver)
{
    struct rn_op *op = &driver->recv;
    if (rn_op_inflight(op) || (driver->state & KICKED) ||
        (driver->sending && driver->sending->inflight))
        return;
    free_sending(driver);
    op->code = RN_OP_CLOSE;
    op->flags = 0;
    op->complete = on_closed;
    rn_op_start(driver->stream.worker, op, RN_NEVER);
}

static void teardown(struct rn_stream_driver *driver)
{
    struct rn_worker *worker = driver->stream.worker;
    if (driver->state & CLOSING) return;
    driver->state |= CLOSING;
    rn_timer_stop(worker, &driver->timer);
    rn_pool_wait_cancel(rn_worker_pool(worker), &driver->wait);
    drop_held(driver);
    rn_op_cancel(worker, &driver->recv);
    if (driver->sending && driver->sending->inflight) rn_op_cancel(worker, &driver->sending->op);
    try_close(driver);
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
    driver->sending->inflight = false;
    if (driver->state & (CLOSING | EOF_SEEN)) {
        if (!(driver->state & CLOSING)) teardown(driver);
        else try_close(driver);
        return;
    }
    free_sending(driver);
}

static void start_linger(struct rn_stream_driver *driver)
{
    struct rn_op *op = &driver->sending->op;
    driver->state |= LINGERING;
    drop_held(driver);
    op->code = RN_OP_SHUTDOWN;
    op->fd = driver->stream.fd;
    op->flags = 0;
    op->complete = on_shut;
    op->owner = driver;
    op->arg.how = RN_K_SHUT_WR;
    driver->sending->inflight = true;
    rn_op_start(driver->stream.worker, op, RN_NEVER);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void on_sent(struct rn_op *op);

static bool take_sending(struct rn_stream_driver *driver)
{
    struct rn_pool *pool = rn_worker_pool(driver->stream.worker);
    struct rn_buf *buf = rn_pool_take_reserved(pool);
    if (!buf) {
        rn_pool_wait(pool, &driver->wait);
        return false;
    }
    rn_pool_wait_cancel(pool, &driver->wait);
    struct rn_driver_sending *sending = (struct rn_driver_sending *)(void *)buf->data;
    sending->buf = buf;
    sending->inflight = false;
    sending->out = (struct rn_out){
        .data = buf->data + sizeof *sending,
        .cap = buf->cap - (uint32_t)sizeof *sending,
        .file_fd = -1,
    };
    driver->sending = sending;
    return true;
}

static void reset_output(struct rn_out *out)
{
    drop_tail(out);
    out->len = 0;
    out->slice.len = 0;
    out->file_length = 0;
    out->file_fd = -1;
    out->sealed = false;
}

static bool has_output(const struct rn_out *out)
{
    return out->len || out->slice.len || out->file_length;
}

static void start_send(struct rn_stream_driver *driver, struct rn_driver_sending *sending,
                       uint8_t code)
{
    struct rn_op *op = &sending->op;
    op->code = code;
    op->fd = driver->stream.fd;
    op->flags = 0;
    op->complete = on_sent;
    op->owner = driver;
    sending->inflight = true;
    sending->seen = 0;
    sending->deadline = rn_worker_now(driver->stream.worker) + driver->write_timeout;
    if (code != RN_OP_SENDFILE && sending->out.file_length) op->flags = RN_OP_CORK;
    rn_op_start(driver->stream.worker, op, RN_NEVER);
}

static void send_file(struct rn_stream_driver *driver, struct rn_driver_sending *sending)
{
    struct rn_out *out = &sending->out;
    sending->op.arg.file.fd = out->file_fd;
    sending->op.arg.file.offset = out->file_offset;
    sending->op.arg.file.length = out->file_length;
    start_send(driver, sending, RN_OP_SENDFILE);
}

static void send_output(struct rn_stream_driver *driver)
{
    struct rn_driver_sending *sending = driver->sending;
    struct rn_out *out = &sending->out;
    struct rn_op *op = &sending->op;
    if (out->slice.len) {
        sending->vectors[0] = (struct rn_vector){out->data, out->len};
        sending->vectors[1] = (struct rn_vector){out->slice.ptr, out->slice.len};
        op->arg.vector.vectors = sending->vectors;
        op->arg.vector.count = 2;
        start_send(driver, sending, RN_OP_SENDV);
    } else if (out->len) {
        op->arg.memory.ptr = out->data;
        op->arg.memory.len = out->len;
        start_send(driver, sending, RN_OP_SEND);
    } else {
        send_file(driver, sending);
    }
}

static void on_sent(struct rn_op *op)
{
    struct rn_stream_driver *driver = op->owner;
    struct rn_driver_sending *sending = driver->sending;
    struct rn_out *out = &sending->out;
    sending->inflight = false;
    if (op->result > 0) driver->traffic->bytes_out += (uint64_t)op->result;
    if (driver->state & CLOSING) {
        try_close(driver);
        return;
    }
    if (op->result < 0) {
        teardown(driver);
        return;
    }
    if (op->code != RN_OP_SENDFILE && out->file_length) {
        send_file(driver, sending);
        return;
    }
    if (op->code == RN_OP_SENDFILE && (uint64_t)op->result < out->file_length) {
        /* The file shrank: the length that was promised can't be kept, and only a reset says so. */
        rn_stream_driver_abort(driver);
        return;
    }
    reset_output(out);
    pump(driver);
}

/* ---- Input ----------------------------------------------------------------------------------- */

/* Makes the first held buffer longer with what stands in the second; false when there is nothing
 * to add or no room. */
static bool merge_held(struct rn_stream_driver *driver)
{
    struct rn_buf *first = driver->held, *second = first->next;
    if (!second) return false;
    if (first->at) {
        memmove(first->data, first->data + first->at, first->len);
        first->at = 0;
    }
    uint32_t room = first->cap - first->len;
    uint32_t len = second->len < room ? second->len : room;
    if (!len) return false;
    memcpy(first->data + first->len, second->data + second->at, len);
    first->len += len;
    second->at += len;
    second->len -= len;
    if (!second->len) {
        first->next = second->next;
        rn_pool_put(rn_worker_pool(driver->stream.worker), second);
    }
    return true;
}

static void consume_held(struct rn_stream_driver *driver, size_t used)
{
    struct rn_buf *buf = driver->held;
    rn_assert(used <= buf->len);
    buf->at += (uint32_t)used;
    buf->len -= (uint32_t)used;
    if (buf->len) return;
    driver->held = buf->next;
    rn_pool_put(rn_worker_pool(driver->stream.worker), buf);
}

static void drain(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
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
    bool moved = false, busy = false;
    if ((driver->state & SHUTDOWN)) {
        driver->state &= (uint8_t)~SHUTDOWN;
        machine->vt->on_shutdown(machine, now, out);
    }
    if (machine->vt->deadline(machine) <= now) machine->vt->on_tick(machine, now, out);
    drain(machine, now, out);
    while (driver->held && rn_out_room(out) && takes_input(machine)) {
        struct rn_buf *buf = driver->held;
        size_t used = machine->vt->on_input(machine, now, buf->data + buf->at, buf->len, out);
        busy = !used && !takes_input(machine); /* draining may change its mind for the next time */
        drain(machine, now, out);
        if (used) {
            consume_held(driver, used);
            moved = true;
        } else if (has_output(out) || !merge_held(driver)) {
            break;
        }
    }
    if ((driver->state & (EOF_SEEN | EOF_TOLD)) == EOF_SEEN && !busy && takes_input(machine) &&
        !moved && !has_output(out)) {
        driver->state |= EOF_TOLD;
        machine->vt->on_input(machine, now, NULL, 0, out);
        drain(machine, now, out);
    }
    return moved;
}

static void set_reading(struct rn_stream_driver *driver);

static void on_received(struct rn_op *op)
{
    struct rn_stream_driver *driver = rn_container_of(op, struct rn_stream_driver, recv);
    struct rn_pool *pool = rn_worker_pool(driver->stream.worker);
    struct rn_buf *buf = op->buf;
    bool paused = op->result == -RN_K_ECANCELED && (driver->state & PAUSING);
    if (op->result > 0) driver->traffic->bytes_in += (uint64_t)op->result;
    if (!rn_op_inflight(op)) driver->state &= (uint8_t)~PAUSING;
    if (driver->state & (CLOSING | LINGERING)) {
        if (buf) rn_pool_put(pool, buf);
        if (rn_op_inflight(op)) return;
        if (driver->state & CLOSING) {
            try_close(driver);
        } else if (op->result > 0 || paused) {
            set_reading(driver);
        } else {
            driver->state |= EOF_SEEN;
            if (!driver->sending) teardown(driver);
        }
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
        op->code = RN_OP_RECV;
        op->fd = driver->stream.fd;
        op->flags = RN_OP_MULTISHOT;
        op->complete = on_received;
        rn_op_start(driver->stream.worker, op, RN_NEVER);
    }
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void set_timer(struct rn_stream_driver *driver)
{
    struct rn_timer *timer = &driver->timer;
    rn_ns deadline;
    if (driver->sending && driver->sending->inflight) deadline = driver->sending->deadline;
    else if (driver->wait.waiting) deadline = RN_NEVER; /* nothing can be done without a buffer */
    else deadline = driver->machine->vt->deadline(driver->machine);
    /* Moved later it is only noted: the wheel looks again when the old time has come. */
    if (timer->link && deadline >= timer->deadline)
        timer->deadline = deadline;
    else
        rn_timer_start(driver->stream.worker, timer, deadline);
}

static void on_timer(struct rn_timer *timer, rn_ns now)
{
    struct rn_stream_driver *driver = rn_container_of(timer, struct rn_stream_driver, timer);
    struct rn_driver_sending *sending = driver->sending;
    if (driver->state & LINGERING) {
        teardown(driver);
    } else if (sending && sending->inflight && sending->deadline <= now) {
        if (sending->op.progress == sending->seen) {
            rn_stream_driver_abort(driver);
            return;
        }
        sending->seen = sending->op.progress;
        sending->deadline = now + driver->write_timeout;
        set_timer(driver);
    } else {
        pump(driver);
    }
}

/* ---- The centre ------------------------------------------------------------------------------ */

static void finish(struct rn_stream_driver *driver, rn_ns now)
{
    bool clean = (driver->machine->flags & RN_MACHINE_DONE) && !driver->held;
    bool linger = !clean && !(driver->state & EOF_SEEN);
    if (!linger) {
        teardown(driver);
        return;
    }
    start_linger(driver);
    set_reading(driver);
    rn_timer_start(driver->stream.worker, &driver->timer, now + linger_time);
}

static void pump(struct rn_stream_driver *driver)
{
    rn_ns now = rn_worker_now(driver->stream.worker);
    struct rn_machine *machine = driver->machine;
    if (driver->state & (CLOSING | LINGERING)) return;
    while (!(driver->sending && driver->sending->inflight)) {
        if (!driver->sending && !take_sending(driver)) break;
        bool moved = step(driver, now);
        if (machine->flags & RN_MACHINE_ABORT) {
            rn_stream_driver_abort(driver);
            return;
        }
        if (has_output(&driver->sending->out)) {
            send_output(driver);
        } else if (driver->sending->out.sealed) {
            reset_output(&driver->sending->out); /* an empty tail; there may be more behind it */
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
    driver->state &= (uint8_t)~KICKED;
    if (driver->state & CLOSING) try_close(driver);
    else pump(driver);
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
    rn_stream_driver_kick(rn_container_of(wait, struct rn_stream_driver, wait));
}

void rn_stream_driver_shutdown(struct rn_stream_driver *driver)
{
    driver->state |= SHUTDOWN;
    rn_stream_driver_kick(driver);
}

void rn_stream_driver_start(struct rn_stream_driver *driver)
{
    driver->recv.flags = 0;
    driver->timer = (struct rn_timer){.expire = on_timer};
    driver->wait.ready = on_buffer;
    set_reading(driver);
    set_timer(driver);
}
