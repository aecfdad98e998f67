/*
 * backend/sim_backend.c: ops in virtual time, straight on the simulated kernel. As with io_uring,
 * an op may be done at any moment, and its completion come later and behind others'.
 */
#include "backend/file_call.h"
#include "backend/sim.h"

enum {
    OPS_MAX = 8192,
    VECTORS_BYTES = 65536,
    WAIT = -20001,   /* the descriptor isn't ready */
    AGAIN = -20002,  /* there is more to do at once */
    STARVED = -20003 /* the pool is empty */
};

enum {
    READ_SIDE = RN_K_POLLIN | RN_K_POLLRDHUP | RN_K_POLLPRI,
    WRITE_SIDE = RN_K_POLLOUT,
    ALWAYS = RN_K_POLLERR | RN_K_POLLHUP | RN_K_POLLNVAL
};

/* An op in flight. */
struct slot {
    struct rn_op *op;
    rn_ns not_before;
    int64_t result;
    struct rn_buf *buf;
    bool waits;   /* was tried in vain: the next time is when the descriptor is ready */
    bool starved;
    bool done;    /* has a result to be handed out */
    bool more;    /* and goes on after it */
    bool cancelled;
};

struct backend {
    struct rn_backend base;
    struct rn_sim *sim;
    bool woken;
    unsigned count;
    struct slot slots[OPS_MAX];
};

/* ---- One try --------------------------------------------------------------------------------- */

static int64_t waits(int64_t result) { return result == -RN_K_EAGAIN ? WAIT : result; }

static int64_t receive(struct backend *backend, struct slot *slot, struct rn_sim_file *file)
{
    struct rn_sim *sim = backend->sim;
    struct rn_op *op = slot->op;
    bool stream = op->code == RN_OP_RECV;
    struct rn_buf *buf = rn_pool_take(backend->base.pool);
    if (!buf) return STARVED;
    int64_t result;
    if (stream) {
        size_t len = buf->cap;
        if (rn_sim_chance(sim, sim->options.faults.partial)) len = 1 + rn_sim_random(sim, len);
        result = file->vt->read(sim, file, buf->data, len, -1);
    } else {
        struct rn_datagram *datagram = (void *)buf->data;
        buf->at = sizeof *datagram;
        datagram->address_len = sizeof datagram->address;
        size_t whole = 0;
        result = file->vt == &rn_sim_datagram_vt
                     ? rn_sim_datagram_receive(sim, file, datagram + 1, buf->cap - sizeof *datagram,
                                               datagram->address, &datagram->address_len,
                                               &whole)
                     : file->vt->read(sim, file, datagram + 1, buf->cap - sizeof *datagram, -1);
        datagram->truncated = whole > buf->cap - sizeof *datagram;
    }
    if (result >= stream) {
        slot->buf = buf;
        buf->len = (uint32_t)result;
        return result;
    }
    rn_pool_put(backend->base.pool, buf);
    return waits(result);
}

static int64_t receive_into(struct rn_sim *sim, struct rn_op *op, struct rn_sim_file *file)
{
    size_t left = op->arg.memory.len - op->progress;
    int64_t result =
        file->vt->read(sim, file, (uint8_t *)op->arg.memory.ptr + op->progress, left, -1);
    if (result < 0) return waits(result);
    op->progress += (uint64_t)result;
    bool all = op->flags & RN_OP_ALL;
    return all && result && op->progress < op->arg.memory.len ? AGAIN : (int64_t)op->progress;
}

static int64_t progress(struct rn_op *op, int64_t result, uint64_t whole)
{
    if (result < 0) return waits(result);
    op->progress += (uint64_t)result;
    return result && op->progress < whole ? AGAIN : (int64_t)op->progress;
}

static int64_t send_vectors(struct rn_sim *sim, struct rn_op *op, struct rn_sim_file *file)
{
    static uint8_t bytes[VECTORS_BYTES];
    struct rn_vector *vector = op->arg.vector.vectors;
    size_t len = 0;
    for (uint32_t i = 0; i < op->arg.vector.count && len < sizeof bytes; i++) {
        size_t part = vector[i].len < sizeof bytes - len ? vector[i].len : sizeof bytes - len;
        if (part) memcpy(bytes + len, vector[i].ptr, part);
        len += part;
    }
    int64_t result = file->vt->write(sim, file, bytes, len, -1);
    if (result < 0) return waits(result);
    op->progress += (uint64_t)result;
    for (size_t sent = (size_t)result; op->arg.vector.count; vector++) {
        if (vector->len > sent) {
            vector->ptr = (const uint8_t *)vector->ptr + sent;
            vector->len -= sent;
            break;
        }
        sent -= vector->len;
        op->arg.vector.count--;
    }
    op->arg.vector.vectors = vector;
    return op->arg.vector.count ? AGAIN : (int64_t)op->progress;
}

static int64_t send_file(struct rn_sim *sim, struct rn_op *op, struct rn_sim_file *file)
{
    uint64_t offset = op->arg.file.offset + op->progress;
    return progress(op,
                    rn_sim_sendfile(sim, file, op->arg.file.fd, &offset,
                                    op->arg.file.length - op->progress),
                    op->arg.file.length);
}

static int64_t accept(struct rn_sim *sim, struct rn_sim_file *file)
{
    int64_t result = rn_sim_accept(sim, file, true);
    return result == -RN_K_ECONNABORTED ? AGAIN : waits(result);
}

/* A full backlog of a Unix socket, -EAGAIN, is an answer here. */
static int64_t connect(struct rn_sim *sim, struct rn_op *op, struct rn_sim_file *file)
{
    int64_t result = rn_sim_connect(sim, file, op->arg.address.ptr,
                                     (uint32_t)op->arg.address.len);
    return result == -RN_K_EINPROGRESS || result == -RN_K_EALREADY ? WAIT : result;
}

/* What would wait in the call, waits here. */
static int64_t call_file(struct rn_sim *sim, const struct rn_file_call *call)
{
    struct rn_sim_file *file = rn_sim_file_at(sim, (int)call->args[0]);
    bool waits = file && !file->nonblock;
    if (waits) file->nonblock = true;
    long result = rn_sim_file_call(sim, rn_file_call_numbers[call->kind], call->args);
    if (waits) file->nonblock = false;
    return waits && result == -RN_K_EAGAIN ? WAIT : result;
}

static int64_t attempt(struct backend *backend, struct slot *slot)
{
    struct rn_sim *sim = backend->sim;
    struct rn_op *op = slot->op;
    struct rn_sim_file *file = rn_sim_file_at(sim, op->fd);
    if (op->code == RN_OP_NOP) return 0;
    if (rn_is_file_call(op)) return call_file(sim, (const void *)op->arg.open.path);
    if (op->code == RN_OP_OPEN)
        return rn_sim_open(sim, op->fd, op->arg.open.path, (const void *)op->arg.open.how);
    if (op->code == RN_OP_CLOSE) return rn_sim_close(sim, op->fd);
    if (!file) return -RN_K_EBADF;
    switch (op->code) {
    case RN_OP_ACCEPT: return accept(sim, file);
    case RN_OP_CONNECT: return connect(sim, op, file);
    case RN_OP_RECV:
    case RN_OP_RECVFROM: return receive(backend, slot, file);
    case RN_OP_RECV_INTO: return receive_into(sim, op, file);
    case RN_OP_SEND:
        return progress(op,
                        file->vt->write(sim, file, (uint8_t *)op->arg.memory.ptr + op->progress,
                                        op->arg.memory.len - op->progress, -1),
                        op->arg.memory.len);
    case RN_OP_SENDV: return send_vectors(sim, op, file);
    case RN_OP_SENDTO:
        return file->vt != &rn_sim_datagram_vt
                   ? -RN_K_ENOTSOCK
                   : waits(rn_sim_datagram_send(sim, file, op->arg.datagram.ptr,
                                                op->arg.datagram.len, op->arg.datagram.address,
                                                op->arg.datagram.address_len));
    case RN_OP_READ:
        return waits(file->vt->read(sim, file, op->arg.memory.ptr, op->arg.memory.len,
                                    op->arg.memory.offset));
    case RN_OP_WRITE:
        return waits(file->vt->write(sim, file, op->arg.memory.ptr, op->arg.memory.len,
                                     op->arg.memory.offset));
    case RN_OP_SENDFILE: return send_file(sim, op, file);
    case RN_OP_SHUTDOWN: return rn_sim_shutdown(sim, file, op->arg.how);
    case RN_OP_POLL: {
        uint32_t events = file->vt->poll(sim, file) & (op->arg.events | ALWAYS);
        return events ? (int64_t)events : WAIT;
    }
    default: return RN_E_MISUSE;
    }
}

/* ---- The loop -------------------------------------------------------------------------------- */

/* Whether a try may do something. */
static bool promising(struct backend *backend, const struct slot *slot)
{
    static const uint16_t write_side =
        1 << RN_OP_CONNECT | 1 << RN_OP_SEND | 1 << RN_OP_SENDV | 1 << RN_OP_SENDTO |
        1 << RN_OP_WRITE | 1 << RN_OP_SENDFILE;
    struct rn_sim *sim = backend->sim;
    const struct rn_pool *pool = backend->base.pool;
    const struct rn_op *op = slot->op;
    if (slot->starved && pool->count - pool->used <= pool->reserve) return false;
    if (!slot->waits) return true;
    const struct rn_file_call *call = (const void *)op->arg.open.path;
    bool named = rn_is_file_call(op);
    struct rn_sim_file *file = rn_sim_file_at(sim, named ? (int)call->args[0] : op->fd);
    if (!file) return true;
    uint32_t events = named                        ? READ_SIDE
                      : op->code == RN_OP_POLL     ? op->arg.events
                      : write_side >> op->code & 1 ? (uint32_t)WRITE_SIDE
                                                      : (uint32_t)READ_SIDE;
    return file->vt->poll(sim, file) & (events | ALWAYS);
}

static bool has_work(struct rn_sim *sim, void *argument)
{
    struct backend *backend = argument;
    if (backend->woken) return true;
    for (unsigned i = 0; i < backend->count; i++) {
        const struct slot *slot = &backend->slots[i];
        if (slot->not_before <= sim->now && (slot->done || promising(backend, slot))) return true;
    }
    return false;
}

static void finish(struct backend *backend, struct slot *slot, int64_t result)
{
    struct rn_sim *sim = backend->sim;
    const struct rn_op *op = slot->op;
    slot->done = true;
    slot->result = result;
    slot->more = op->flags & RN_OP_MULTISHOT && result >= (op->code == RN_OP_RECV);
    if (rn_sim_chance(sim, sim->options.faults.partial))
        slot->not_before = sim->now + rn_sim_delay(sim);
}

static void try(struct backend *backend, struct slot *slot)
{
    slot->waits = slot->starved = false;
    int64_t result = attempt(backend, slot);
    if (result == WAIT) slot->waits = true;
    else if (result == STARVED) slot->starved = true;
    else if (result != AGAIN) finish(backend, slot, result);
}

static void try_all(struct backend *backend)
{
    struct rn_sim *sim = backend->sim;
    unsigned first = backend->count ? (unsigned)rn_sim_random(sim, backend->count) : 0;
    for (unsigned i = 0; i < backend->count; i++) {
        struct slot *slot = &backend->slots[(first + i) % backend->count];
        if (!slot->done && slot->not_before <= sim->now && promising(backend, slot))
            try(backend, slot);
    }
}

/* In the order of the slots; those that are over leave theirs to the last. */
static unsigned hand_out(struct backend *backend, struct rn_completion *done, unsigned max)
{
    struct rn_sim *sim = backend->sim;
    unsigned count = 0;
    for (unsigned i = 0; i < backend->count && count < max;) {
        struct slot *slot = &backend->slots[i];
        if (!slot->done || slot->not_before > sim->now) {
            i++;
            continue;
        }
        rn_sim_note(sim, RN_SIM_COMPLETION, slot->op->code, slot->op->fd, (long)slot->result);
        done[count++] = (struct rn_completion){slot->op, slot->buf, slot->result, slot->more};
        slot->buf = NULL;
        if (!slot->more) {
            *slot = backend->slots[--backend->count];
            continue;
        }
        slot->done = false;
        if (slot->cancelled) finish(backend, slot, -RN_K_ECANCELED);
        i++;
    }
    return count;
}

static rn_ns next_time(const struct backend *backend, rn_ns until)
{
    for (unsigned i = 0; i < backend->count; i++) {
        rn_ns at = backend->slots[i].not_before;
        if (at > backend->sim->now && at < until) until = at;
    }
    return until;
}

static int poll(struct rn_backend *base, rn_ns until, struct rn_completion *done, unsigned max)
{
    struct backend *backend = (struct backend *)base;
    struct rn_sim *sim = backend->sim;
    unsigned count;
    for (;;) {
        base->syscalls++;
        rn_sim_enter_kernel(sim);
        try_all(backend);
        count = hand_out(backend, done, max);
        if (count || backend->woken || until <= sim->now) break;
        rn_sim_wait(sim, has_work, backend, next_time(backend, until));
    }
    backend->woken = false;
    return (int)count;
}

static struct slot *add(struct backend *backend, struct rn_op *op)
{
    rn_assert(backend->count < OPS_MAX);
    struct slot *slot = &backend->slots[backend->count++];
    *slot = (struct slot){.op = op};
    op->progress = 0;
    return slot;
}

static bool attempt_at_once(struct rn_backend *base, struct rn_op *op)
{
    struct backend *backend = (struct backend *)base;
    struct rn_sim *sim = backend->sim;
    struct slot *slot = add(backend, op);
    if (rn_sim_chance(sim, sim->options.faults.partial)) return false;
    try(backend, slot);
    if (!slot->done || slot->more) return false;
    rn_sim_note(sim, RN_SIM_COMPLETION, op->code, op->fd, (long)slot->result);
    op->result = slot->result;
    op->buf = slot->buf;
    backend->count--;
    return true;
}

static void submit(struct rn_backend *base, struct rn_op *op)
{
    struct backend *backend = (struct backend *)base;
    struct slot *slot = add(backend, op);
    if (rn_sim_random(backend->sim, 2)) return;
    /* At once, and the completion waits for the next turn. */
    bool waits_first = op->code == RN_OP_ACCEPT || op->code == RN_OP_NOP;
    if (!waits_first) try(backend, slot);
}

static void cancel(struct rn_backend *base, struct rn_op *op)
{
    struct backend *backend = (struct backend *)base;
    for (unsigned i = 0; i < backend->count; i++) {
        struct slot *slot = &backend->slots[i];
        /* A descriptor is closed in any case. */
        if (slot->op != op || op->code == RN_OP_CLOSE) continue;
        slot->cancelled = true;
        if (!slot->done) finish(backend, slot, -RN_K_ECANCELED);
    }
}

static void wake(struct rn_backend *base)
{
    ((struct backend *)base)->woken = true;
}

static rn_ns now(struct rn_backend *base)
{
    return ((struct backend *)base)->sim->now;
}

static int probe(const char **missing)
{
    *missing = "a world";
    return rn_sim_current() ? 0 : -RN_K_ENODEV;
}

static int init(struct rn_backend *base, const struct rn_backend_options *options)
{
    ((struct backend *)base)->sim = rn_sim_current();
    return rn_sim_current() ? 0 : -RN_K_ENODEV;
}

static void fini(struct rn_backend *base)
{
    rn_assert(((struct backend *)base)->count == 0);
}

const struct rn_backend_vt rn_backend_sim = {
    .name = "sim",
    .size = sizeof(struct backend),
    .probe = probe,
    .init = init,
    .now = now,
    .submit = submit,
    .attempt = attempt_at_once,
    .cancel = cancel,
    .poll = poll,
    .wake = wake,
    .fini = fini,
};
