/*
 * sim/storm.c: ops that are started, given deadlines, moved and cancelled at random, on connected
 * streams. Each has one last completion, with the result that its story allows; every byte that was
 * sent arrives once and in order.
 */
#include "world.h"

#include "sys/sys.h"

enum { LINKS_MAX = 5, STEPS_MAX = 120, PIECE_MAX = 6000, FILE_LEN = 32768 };

/* An op, and what was done to it. */
struct act {
    struct rn_op op;
    rn_ns deadline;
    bool cancelled;
    unsigned starts, ends;
};

/* Two ends of a connection; bytes go one way. */
struct link {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    struct act send, receive;
    struct rn_op accept, connect, close;
    struct rn_address address;
    int listener, from, to;
    int file; /* the stream's first bytes */
    struct rn_future quiet; /* none of the two ops is in flight */
    rn_waker waker;
    rn_ns patience;
    unsigned steps;
    uint64_t sent, received;
    bool failed; /* the connection: nothing more can be asked of it */
    bool ended;  /* all has been received */
    uint8_t out[PIECE_MAX], in[PIECE_MAX];
};

static struct link links[LINKS_MAX];
static uint32_t ended;

static void broke(struct link *link, int64_t result)
{
    if (run.weather < ROUGH) fail("an op fails: %lld", (long long)result);
    link->failed = true;
}

/* ---- Ops ------------------------------------------------------------------------------------- */

static void judge(struct link *link, struct act *act)
{
    rn_ns now = rn_worker_now(rn_worker_current());
    int64_t result = act->op.result;
    if (rn_op_inflight(&act->op)) {
        check(result >= 0);
        return;
    }
    act->ends++;
    check(act->ends == act->starts);
    if (result == -RN_K_ECANCELED) check(act->cancelled);
    else if (result == -RN_K_ETIMEDOUT && act->deadline != RN_NEVER) check(now >= act->deadline);
    else if (result < 0) broke(link, result);
    rn_wake(link->waker);
}

static void on_received(struct rn_op *op)
{
    struct link *link = rn_container_of(op, struct link, receive.op);
    const uint8_t *bytes = link->in;
    uint64_t len = op->progress;
    uint32_t key = (uint32_t)(link - links);
    if (op->code == RN_OP_RECV) {
        bytes = op->buf ? op->buf->data + op->buf->at : NULL;
        len = op->buf ? op->buf->len : 0;
        if (op->buf) check(op->result == (int64_t)len);
    }
    pattern_check(bytes, len, key, link->received, "a stream");
    link->received += len;
    if (op->buf) rn_pool_put(rn_worker_pool(rn_worker_current()), op->buf);
    link->ended |= op->result == 0;
    judge(link, &link->receive);
}

static void on_sent(struct rn_op *op)
{
    struct link *link = rn_container_of(op, struct link, send.op);
    if (op->result >= 0) check((uint64_t)op->result == op->progress);
    link->sent += op->progress;
    judge(link, &link->send);
}

/* Without a deadline an op on a connection that has gone silent waits for good. */
static void begin(struct link *link, struct act *act, int fd)
{
    rn_ns now = rn_worker_now(rn_worker_current());
    act->cancelled = false;
    act->deadline = chance(3)                 ? now + (RN_MICROSECOND << pick(20))
                    : run.weather == STORMY ? now + 100 * RN_SECOND
                                              : RN_NEVER;
    act->op.fd = fd;
    act->starts++;
    rn_op_start(rn_worker_current(), &act->op, act->deadline);
}

static void start_receive(struct link *link)
{
    struct rn_op *op = &link->receive.op;
    unsigned kind = pick(4);
    op->code = kind < 2 ? RN_OP_RECV : RN_OP_RECV_INTO;
    op->flags = kind == 1 ? RN_OP_MULTISHOT : kind == 2 ? RN_OP_ALL : 0;
    op->complete = on_received;
    op->arg.memory.ptr = link->in;
    op->arg.memory.len = 1 + pick(PIECE_MAX);
    begin(link, &link->receive, link->to);
}

static void start_send(struct link *link)
{
    struct rn_op *op = &link->send.op;
    static struct rn_vector vectors[LINKS_MAX][2];
    struct rn_vector *vector = vectors[link - links];
    uint32_t len = 1 + pick(PIECE_MAX), first = pick(len);
    pattern_fill(link->out, len, (uint32_t)(link - links), link->sent);
    op->flags = 0;
    op->complete = on_sent;
    if (link->sent + len <= FILE_LEN && chance(3)) {
        op->code = RN_OP_SENDFILE;
        op->arg.file.fd = link->file;
        op->arg.file.offset = link->sent;
        op->arg.file.length = len;
    } else if (chance(2)) {
        op->code = RN_OP_SEND;
        op->arg.memory.ptr = link->out;
        op->arg.memory.len = len;
    } else {
        op->code = RN_OP_SENDV;
        vector[0] = (struct rn_vector){link->out, first};
        vector[1] = (struct rn_vector){link->out + first, len - first};
        op->arg.vector.vectors = vector;
        op->arg.vector.count = 2;
    }
    begin(link, &link->send, link->from);
}

static void cancel(struct act *act)
{
    if (!rn_op_inflight(&act->op)) return;
    act->cancelled = true;
    rn_op_cancel(rn_worker_current(), &act->op);
}

/* Too late for one that is being ended already. */
static void move(struct act *act)
{
    if (!rn_op_inflight(&act->op) || (act->op.flags & (RN_OP_EXPIRED | RN_OP_CANCELLED))) return;
    act->deadline = rn_worker_now(rn_worker_current()) + (RN_MICROSECOND << pick(20));
    rn_op_deadline(rn_worker_current(), &act->op, act->deadline);
}

static void step(struct link *link)
{
    struct act *act = chance(2) ? &link->send : &link->receive;
    switch (pick(6)) {
    case 0: cancel(act); break;
    case 1: move(act); break;
    default:
        if (rn_op_inflight(&act->op)) break;
        if (act == &link->send) start_send(link);
        else if (!link->ended) start_receive(link);
    }
}

/* ---- A link's life --------------------------------------------------------------------------- */

static enum rn_poll quiet_poll(struct rn_future *future, struct rn_cx *cx)
{
    const struct link *link = rn_container_of(future, struct link, quiet);
    return rn_op_inflight(&link->send.op) || rn_op_inflight(&link->receive.op) ? RN_PENDING
                                                                               : RN_READY;
}

/* Both sockets; false when there are none to be had just now. */
static bool open_link(struct link *link, struct rn_cx *cx)
{
    rn_stream stream;
    link->listener = link->from = link->to = -1;
    check(rn_address_parse(&link->address, "127.0.0.1:0", 0) == 0);
    int fd = rn_listen(&link->address, &(struct rn_listen_options){.backlog = 4});
    if (fd < 0) return false;
    check(rn_local_address(fd, &link->address) == 0);
    link->listener = fd;
    if (rn_stream_open(&stream, cx->worker, RN_IP4) == 0) {
        link->from = stream.fd;
        return true;
    }
    rn_sys_close(fd);
    return false;
}

static void begin_accept(struct link *link, struct rn_cx *cx)
{
    link->accept.fd = link->listener;
    link->accept.code = RN_OP_ACCEPT;
    link->accept.flags = 0;
    rn_op_begin(cx, &link->accept, rn_after(cx, 500 * RN_SECOND));
}

static void begin_close(struct link *link, struct rn_cx *cx, int fd)
{
    link->close.fd = fd;
    link->close.code = RN_OP_CLOSE;
    rn_op_begin(cx, &link->close, RN_NEVER);
}

static void verdict(const struct link *link)
{
    check(link->received <= link->sent);
    if (run.weather >= ROUGH) return;
    check(link->ended && !link->failed);
    check(link->received == link->sent);
}

static enum rn_poll link_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct link *link = rn_container_of(task, struct link, task);
    RN_BEGIN(&link->co);
    link->waker = cx->waker;
    link->quiet.poll = quiet_poll;
    while (!open_link(link, cx)) {
        check(run.weather >= ROUGH);
        rn_sleep(&link->sleep, cx, RN_SECOND);
        RN_AWAIT(&link->co, &link->sleep, cx);
    }
    rn_stream_connect((rn_stream){cx->worker, link->from}, &link->connect, cx, &link->address,
                      rn_after(cx, 500 * RN_SECOND));
    do {
        begin_accept(link, cx);
        RN_AWAIT(&link->co, &link->accept, cx);
    } while (link->accept.result < 0 && link->accept.result != -RN_K_ETIMEDOUT);
    RN_AWAIT(&link->co, &link->connect, cx);
    link->to = (int)link->accept.result;
    if (link->connect.result < 0) broke(link, link->connect.result);
    if (link->to < 0) broke(link, link->to);
    for (; link->steps && !link->failed; link->steps--) {
        step(link);
        rn_sleep(&link->sleep, cx, RN_MICROSECOND << pick(14));
        RN_AWAIT(&link->co, &link->sleep, cx);
    }
    cancel(&link->send);
    cancel(&link->receive);
    link->patience = rn_after(cx, 1000 * RN_SECOND);
    RN_AWAIT(&link->co, &link->quiet, cx);
    check(!link->ended || run.weather >= ROUGH);
    if (!link->failed) {
        rn_stream_shutdown((rn_stream){cx->worker, link->from}, &link->close, cx, RN_K_SHUT_WR);
        RN_AWAIT(&link->co, &link->close, cx);
    }
    while (!link->failed && !link->ended && link->close.result == 0) {
        start_receive(link);
        RN_AWAIT(&link->co, &link->quiet, cx);
        /* Gone silent, it would never come to its end. */
        if (cx->now > link->patience && run.weather == STORMY) break;
    }
    verdict(link);
    begin_close(link, cx, link->from);
    RN_AWAIT(&link->co, &link->close, cx);
    begin_close(link, cx, link->listener);
    RN_AWAIT(&link->co, &link->close, cx);
    if (link->to >= 0) {
        begin_close(link, cx, link->to);
        RN_AWAIT(&link->co, &link->close, cx);
    }
    RN_END(&link->co);
}

static void on_done(struct rn_task *task)
{
    rn_sys_close(rn_container_of(task, struct link, task)->file);
    count_up(&ended);
}

static int make_file(uint32_t key)
{
    static uint8_t content[FILE_LEN];
    const struct rn_k_open_how how = {.flags = RN_K_O_CREAT | RN_K_O_RDWR, .mode = 0600};
    const char path[] = {'/', (char)('a' + key), 0};
    int fd = rn_sys_openat2(RN_K_AT_FDCWD, path, &how);
    pattern_fill(content, sizeof content, key, 0);
    check(fd >= 0 && rn_sys_write(fd, content, sizeof content) == sizeof content);
    return fd;
}

static void run_storm(void)
{
    unsigned count = 1 + pick(LINKS_MAX);
    ended = 0;
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    for (unsigned i = 0; i < count; i++) {
        memset(&links[i], 0, sizeof links[i]);
        links[i].file = make_file(i);
    }
    faults_on();
    for (unsigned i = 0; i < count; i++) {
        struct link *link = &links[i];
        link->steps = pick(STEPS_MAX);
        link->task.poll = link_poll;
        link->task.done = on_done;
        rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))),
                        &link->task);
    }
    await_count(&ended, count);
    stop_runtime(runtime);
}

const struct workload workload_storm = {"storm", run_storm};
