/*
 * A worker on the test's own thread, in virtual time, turned by hand over a backend whose sockets
 * are the lines below: what a peer says on one comes from the test, cut up as a plan says. It takes
 * the place of core/runtime.c, so there are no threads. Descriptors are real for their options
 * only.
 */
#ifndef TESTS_WORKER_BED_H
#define TESTS_WORKER_BED_H

#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "core/worker.h"

enum { BED_DONE = 64, BED_TURNS = 200000, BED_BUFFERS = 32, BED_LINES = 8 };

/* How the wire treats connections. */
struct bed_plan {
    uint32_t seed;
    unsigned piece_max; /* bytes in one receive; 0: as many as there are */
    unsigned delay_max; /* turns until a send is done */
    bool silent;        /* after the input comes nothing, instead of its end */
    bool reset;         /* after the input comes a reset */
};

struct bed_backend {
    struct rn_backend base;
    rn_ns now;
    rn_ns until; /* what the last poll would have waited for */
    struct rn_completion done[BED_DONE];
    unsigned done_count;
};

/* A connection. */
struct bed_line {
    int fd;
    bool open;
    bool ending; /* behind the input comes its end */
    struct rn_op *receiving;
    struct rn_op *sending;
    unsigned send_delay;
    rn_bytes input; /* that the peer has yet to say */
};

static struct {
    struct rn_runtime *runtime;
    struct bed_plan plan;
    struct bed_line lines[BED_LINES];
} bed;

/* What was said to the peer: defined by who includes this. */
static void bed_say(struct bed_line *line, const void *bytes, size_t len);

static struct rn_worker *bed_worker(void) { return &bed.runtime->workers[0]; }
static struct bed_backend *bed_backend(void) { return (void *)bed_worker()->backend; }

static struct bed_line *bed_line_of(int fd)
{
    unsigned i = 0;
    while (i < BED_LINES && !(bed.lines[i].open && bed.lines[i].fd == fd)) i++;
    return i < BED_LINES ? &bed.lines[i] : NULL;
}

static struct bed_line *bed_line_open(int fd)
{
    unsigned i = 0;
    require(!bed_line_of(fd));
    while (i < BED_LINES && bed.lines[i].open) i++;
    require(i < BED_LINES);
    bed.lines[i] = (struct bed_line){.fd = fd, .open = true};
    return &bed.lines[i];
}

/* ---- The backend ----------------------------------------------------------------------------- */

static void bed_complete(struct bed_backend *backend, struct rn_completion completion)
{
    require(backend->done_count < BED_DONE);
    backend->done[backend->done_count++] = completion;
}

static uint64_t bed_send(struct bed_line *line, struct rn_op *op)
{
    uint64_t sum = 0;
    ssize_t count;
    static uint8_t piece[65536];
    if (op->code == RN_OP_SEND) {
        bed_say(line, op->arg.memory.ptr, op->arg.memory.len);
        return op->arg.memory.len;
    }
    if (op->code == RN_OP_SENDV) {
        for (uint32_t i = 0; i < op->arg.vector.count; i++) {
            bed_say(line, op->arg.vector.vectors[i].ptr, op->arg.vector.vectors[i].len);
            sum += op->arg.vector.vectors[i].len;
        }
        return sum;
    }
    while (sum < op->arg.file.length) {
        size_t left = op->arg.file.length - sum, len = left < sizeof piece ? left : sizeof piece;
        count = pread(op->arg.file.fd, piece, len, (off_t)(op->arg.file.offset + sum));
        require(count >= 0);
        if (count == 0) break;
        bed_say(line, piece, (size_t)count);
        sum += (uint64_t)count;
    }
    return sum;
}

static void bed_submit(struct rn_backend *base, struct rn_op *op)
{
    struct bed_backend *backend = (void *)base;
    struct bed_line *line = op->code == RN_OP_CONNECT ? bed_line_open(op->fd) : bed_line_of(op->fd);
    require(line != NULL);
    switch (op->code) {
    case RN_OP_RECV:
    case RN_OP_RECV_INTO:
        require(!line->receiving);
        line->receiving = op;
        break;
    case RN_OP_SEND:
    case RN_OP_SENDV:
    case RN_OP_SENDFILE:
        require(!line->sending);
        line->sending = op;
        line->send_delay = (unsigned)next_piece(&bed.plan.seed, SIZE_MAX, bed.plan.delay_max + 1);
        break;
    case RN_OP_CONNECT:
    case RN_OP_SHUTDOWN: bed_complete(backend, (struct rn_completion){.op = op}); break;
    case RN_OP_CLOSE:
        require(!line->receiving && !line->sending);
        line->open = false;
        close(op->fd);
        bed_complete(backend, (struct rn_completion){.op = op});
        break;
    default: require(!"an op that a connection doesn't start");
    }
}

static void bed_cancel(struct rn_backend *base, struct rn_op *op)
{
    struct bed_backend *backend = (void *)base;
    struct bed_line *line = bed_line_of(op->fd);
    if (!line || (line->receiving != op && line->sending != op)) return; /* is done already */
    if (line->receiving == op) line->receiving = NULL;
    else line->sending = NULL;
    bed_complete(backend, (struct rn_completion){.op = op, .result = -RN_K_ECANCELED});
}

static int bed_poll(struct rn_backend *base, rn_ns until, struct rn_completion *done, unsigned max)
{
    struct bed_backend *backend = (void *)base;
    unsigned count = backend->done_count < max ? backend->done_count : max;
    memcpy(done, backend->done, count * sizeof *done);
    backend->done_count -= count;
    memmove(backend->done, backend->done + count, backend->done_count * sizeof *done);
    backend->until = until;
    return (int)count;
}

static int bed_init(struct rn_backend *base, const struct rn_backend_options *options)
{
    ((struct bed_backend *)(void *)base)->now = 1000 * RN_SECOND;
    return 0;
}

static rn_ns bed_now(struct rn_backend *base) { return ((struct bed_backend *)(void *)base)->now; }
static void bed_nothing(struct rn_backend *base) { (void)base; }

static const struct rn_backend_vt bed_vt = {
    .name = "bed", .size = sizeof(struct bed_backend), .init = bed_init, .now = bed_now,
    .submit = bed_submit, .cancel = bed_cancel, .poll = bed_poll, .wake = bed_nothing,
    .fini = bed_nothing,
};

/* ---- The runtime: one worker, this thread's -------------------------------------------------- */

int rn_runtime_start(struct rn_runtime **started, const struct rn_runtime_options *options)
{
    size_t size = sizeof(struct rn_runtime) + sizeof(struct rn_worker);
    bed.runtime = aligned_alloc(64, (size + 63) & ~(size_t)63);
    memset(bed.runtime, 0, size);
    bed.runtime->options = *options;
    bed.runtime->options.buffers = BED_BUFFERS;
    bed.runtime->options.buffer_size = 16384;
    require(rn_shared_stack_init(&bed.runtime->shared, 8) == 0);
    bed_worker()->runtime = bed.runtime;
    require(rn_worker_start(bed_worker()) == 0);
    *started = bed.runtime;
    return 0;
}

void rn_runtime_stop(struct rn_runtime *runtime) { require(!"it is never stopped"); }
void rn_runtime_join(struct rn_runtime *runtime) { require(!"it is never stopped"); }
unsigned rn_runtime_workers(const struct rn_runtime *runtime) { return 1; }

struct rn_worker *rn_runtime_worker(struct rn_runtime *runtime, unsigned index)
{
    return &runtime->workers[index];
}

/* For a test that has no server to start it. */
static inline void bed_start_once(void)
{
    struct rn_runtime_options options = {.workers = 1, .tasks = 8, .backend = &bed_vt};
    if (bed.runtime) return;
    require(rn_runtime_start(&bed.runtime, &options) == 0);
    rn_worker_enter(bed_worker());
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* The next bytes, the end, or nothing: whether anything came of it. */
static bool bed_receive(struct bed_line *line)
{
    struct rn_op *op = line->receiving;
    struct rn_completion done = {.op = op};
    if (!op || (!line->input.len && !line->ending)) return false;
    if (line->input.len) {
        bool into = op->code == RN_OP_RECV_INTO;
        if (!into) done.buf = rn_pool_take(&bed_worker()->pool);
        if (!into && !done.buf) return false;
        uint8_t *to = into ? op->arg.memory.ptr : done.buf->data;
        size_t room = into ? op->arg.memory.len : done.buf->cap;
        size_t len = next_piece(&bed.plan.seed, line->input.len, bed.plan.piece_max);
        rn_bytes piece = take_bytes(&line->input, len < room ? len : room);
        memcpy(to, piece.ptr, piece.len);
        if (done.buf) done.buf->len = (uint32_t)piece.len;
        done.result = (int64_t)piece.len;
        done.more = op->flags & RN_OP_MULTISHOT;
    } else if (bed.plan.reset) {
        done.result = -RN_K_ECONNRESET;
    }
    if (!done.more) line->receiving = NULL;
    bed_complete(bed_backend(), done);
    return true;
}

static bool bed_sent(struct bed_line *line)
{
    struct rn_op *op = line->sending;
    if (!op || --line->send_delay) return op;
    line->sending = NULL;
    uint64_t sent = bed_send(line, op);
    bed_complete(bed_backend(), (struct rn_completion){.op = op, .result = (int64_t)sent});
    return true;
}

/* One turn; false when nothing moves any more but time. */
static bool bed_turn(void)
{
    struct bed_backend *backend = bed_backend();
    bool moved = false;
    require(rn_worker_turn(bed_worker()) == 0);
    for (unsigned i = 0; i < BED_LINES; i++) {
        if (bed.lines[i].open) moved |= bed_sent(&bed.lines[i]);
        if (bed.lines[i].open) moved |= bed_receive(&bed.lines[i]);
    }
    return moved || backend->until == 0 || backend->done_count || bed_worker()->queue.head;
}

/* Until the next timer, of which there must be one. */
static inline void bed_pass(void)
{
    struct bed_backend *backend = bed_backend();
    require(backend->until != RN_NEVER); /* it would wait for ever */
    if (backend->until > backend->now) backend->now = backend->until;
}

/* Nothing is left of what was under way. */
static void bed_check_idle(void)
{
    const struct rn_worker *worker = bed_worker();
    require(!bed_backend()->done_count && !worker->ops && !worker->pool.used);
    require(!worker->pool.waiting && !worker->slots.used && !worker->wheel.running);
    require(!worker->queue.head);
    for (unsigned i = 0; i < BED_LINES; i++) require(!bed.lines[i].open);
}

#endif
