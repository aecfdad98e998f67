/*
 * An HTTP server on the test's own thread, in virtual time, one connection at a time: a worker
 * turned by hand over a backend whose only socket is the input of the test. It takes the place of
 * core/runtime.c, so there are no threads.
 */
#ifndef TESTS_CONN_BED_H
#define TESTS_CONN_BED_H

#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "core/worker.h"
#include "http/server.h"

enum { BED_DONE = 64, BED_OUTPUT = 1 << 20, BED_TURNS = 200000, BED_BUFFERS = 32 };

/* How the wire treats one connection. */
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
    struct rn_op *receiving;
    struct rn_op *sending;
    unsigned send_delay;
    struct rn_completion done[BED_DONE];
    unsigned done_count;
    bool closed;
};

/* What a connection said. */
struct bed_output {
    uint8_t bytes[BED_OUTPUT];
    size_t len;
    bool aborted; /* it ended with a reset */
};

static struct {
    struct rn_runtime *runtime;
    struct rn_http_server *server;
    struct bed_output *output;
    struct bed_plan plan;
    int fd; /* a real socket, for its options only */
} bed;

static struct rn_worker *bed_worker(void) { return &bed.runtime->workers[0]; }
static struct bed_backend *bed_backend(void) { return (void *)bed_worker()->backend; }

/* ---- The backend ----------------------------------------------------------------------------- */

static void bed_complete(struct bed_backend *backend, struct rn_completion completion)
{
    require(backend->done_count < BED_DONE);
    backend->done[backend->done_count++] = completion;
}

static void bed_say(const void *bytes, size_t len)
{
    struct bed_output *output = bed.output;
    require(output->len + len <= BED_OUTPUT);
    if (len) memcpy(output->bytes + output->len, bytes, len);
    output->len += len;
}

static uint64_t bed_send(struct rn_op *op)
{
    uint64_t sum = 0;
    ssize_t count;
    static uint8_t piece[65536];
    if (op->code == RN_OP_SEND) {
        bed_say(op->arg.memory.ptr, op->arg.memory.len);
        return op->arg.memory.len;
    }
    if (op->code == RN_OP_SENDV) {
        for (uint32_t i = 0; i < op->arg.vector.count; i++) {
            bed_say(op->arg.vector.vectors[i].ptr, op->arg.vector.vectors[i].len);
            sum += op->arg.vector.vectors[i].len;
        }
        return sum;
    }
    while (sum < op->arg.file.length) {
        size_t left = op->arg.file.length - sum, len = left < sizeof piece ? left : sizeof piece;
        count = pread(op->arg.file.fd, piece, len, (off_t)(op->arg.file.offset + sum));
        require(count >= 0);
        if (count == 0) break;
        bed_say(piece, (size_t)count);
        sum += (uint64_t)count;
    }
    return sum;
}

static void bed_submit(struct rn_backend *base, struct rn_op *op)
{
    struct bed_backend *backend = (void *)base;
    require(op->fd == bed.fd && !backend->closed);
    switch (op->code) {
    case RN_OP_RECV:
        require(!backend->receiving && (op->flags & RN_OP_MULTISHOT));
        backend->receiving = op;
        break;
    case RN_OP_SEND:
    case RN_OP_SENDV:
    case RN_OP_SENDFILE:
        require(!backend->sending);
        backend->sending = op;
        backend->send_delay =
            (unsigned)next_piece(&bed.plan.seed, SIZE_MAX, bed.plan.delay_max + 1);
        break;
    case RN_OP_SHUTDOWN: bed_complete(backend, (struct rn_completion){.op = op}); break;
    case RN_OP_CLOSE:
        require(!backend->receiving && !backend->sending);
        backend->closed = true;
        bed_complete(backend, (struct rn_completion){.op = op});
        break;
    default: require(!"an op that a connection doesn't start");
    }
}

static void bed_cancel(struct rn_backend *base, struct rn_op *op)
{
    struct bed_backend *backend = (void *)base;
    if (backend->receiving != op && backend->sending != op) return; /* is done already */
    if (backend->receiving == op) backend->receiving = NULL;
    else backend->sending = NULL;
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

void rn_runtime_stop(struct rn_runtime *runtime) { require(!"the server is never stopped"); }
void rn_runtime_join(struct rn_runtime *runtime) { require(!"the server is never stopped"); }
unsigned rn_runtime_workers(const struct rn_runtime *runtime) { return 1; }

struct rn_worker *rn_runtime_worker(struct rn_runtime *runtime, unsigned index)
{
    return &runtime->workers[index];
}

static inline void bed_start(const struct rn_http_route *routes, size_t count)
{
    struct rn_http_options options = {.routes = routes, .route_count = count, .workers = 1,
                                      .backend = &bed_vt, .connections_max = 2};
    bed.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bed.fd >= 0);
    require(rn_http_server_new(&bed.server, &options) == 0);
    require(rn_http_server_start(bed.server) == 0);
}

/* ---- One connection -------------------------------------------------------------------------- */

/* The next bytes, the end, or nothing: whether anything came of it. */
static bool bed_receive(rn_bytes *input)
{
    struct bed_backend *backend = bed_backend();
    struct rn_op *op = backend->receiving;
    if (!op) return false;
    if (!input->len) {
        if (bed.plan.silent && !bed.plan.reset) return false;
        backend->receiving = NULL;
        bed_complete(backend, (struct rn_completion){
                                  .op = op, .result = bed.plan.reset ? -RN_K_ECONNRESET : 0});
        return true;
    }
    struct rn_buf *buf = rn_pool_take(&bed_worker()->pool);
    if (!buf) return false;
    size_t len = next_piece(&bed.plan.seed, input->len, bed.plan.piece_max);
    rn_bytes piece = take_bytes(input, len < buf->cap ? len : buf->cap);
    memcpy(buf->data, piece.ptr, piece.len);
    buf->len = (uint32_t)piece.len;
    bed_complete(backend, (struct rn_completion){
                              .op = op, .buf = buf, .result = (int64_t)piece.len, .more = true});
    return true;
}

static bool bed_sent(void)
{
    struct bed_backend *backend = bed_backend();
    struct rn_op *op = backend->sending;
    if (!op || --backend->send_delay) return op;
    backend->sending = NULL;
    bed_complete(backend, (struct rn_completion){.op = op, .result = (int64_t)bed_send(op)});
    return true;
}

/* Whether the driver asked the kernel for a reset; not any more the next time. */
static bool bed_aborted(void)
{
    struct linger linger = {0}, off = {0};
    socklen_t len = sizeof linger;
    require(getsockopt(bed.fd, SOL_SOCKET, SO_LINGER, &linger, &len) == 0);
    require(setsockopt(bed.fd, SOL_SOCKET, SO_LINGER, &off, sizeof off) == 0);
    return linger.l_onoff;
}

/* Gives it the input, and goes on until it is closed, which must come. Nothing may be left. */
static inline void bed_run(rn_bytes input, const struct bed_plan *plan, struct bed_output *output)
{
    struct rn_worker *worker = bed_worker();
    struct bed_backend *backend = bed_backend();
    struct rn_http_worker *http = &bed.server->workers[0];
    bed.plan = *plan;
    bed.output = output;
    output->len = 0;
    backend->closed = false;
    http->load++;
    bed.server->connections++;
    rn_http_conn_start(http, bed.fd);
    for (unsigned turn = 0; http->conns.used; turn++) {
        require(turn < BED_TURNS);
        bool moved = bed_sent();
        moved |= bed_receive(&input);
        require(rn_worker_turn(worker) == 0);
        if (moved || backend->until == 0 || backend->done_count || !http->conns.used) continue;
        require(backend->until != RN_NEVER); /* it would wait for ever */
        if (backend->until > backend->now) backend->now = backend->until;
    }
    output->aborted = bed_aborted();
    require(backend->closed && !backend->done_count);
    require(!worker->ops && !worker->pool.used && !worker->pool.waiting);
    require(!http->requests.used && !worker->slots.used && !worker->wheel.running);
    require(!bed.server->connections && !http->figures.websockets && !worker->queue.head);
}

#endif
