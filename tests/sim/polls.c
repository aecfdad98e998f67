/*
 * sim/polls.c: connections in the poll style: each end has a task that writes and one that reads,
 * which ask again whenever they are woken, drop their interest now and then, and take it up again.
 * What is read is what was written; in weather in which nothing fails all of it arrives.
 */
#include "world.h"

#include "core/worker.h"

enum { PAIRS_MAX = 4, BYTES_MAX = 60000, PIECE_MAX = 5000 };

struct end;

/* One direction's task. */
struct side {
    struct rn_task task;
    struct rn_sleep sleep;
    struct end *end;
    uint32_t done; /* bytes */
    bool begun;
};

/* One end of a connection. */
struct end {
    struct rn_io io;
    struct side writer, reader;
    struct rn_task task; /* opens it, and closes it when both are over */
    enum { STARTING, OPENING, TALKING, CLOSING } stage;
    struct rn_sleep sleep;
    struct rn_join written, read;
    uint32_t out, in; /* bytes to be sent, to be received */
    uint32_t key_out, key_in;
    struct rn_io *listener; /* accepts; NULL: connects */
    struct rn_address *address;
    int64_t result;
    bool failed;
    uint8_t bytes[2][PIECE_MAX];
};

static struct end ends[PAIRS_MAX][2];
static struct rn_io listeners[PAIRS_MAX];
static struct rn_address addresses[PAIRS_MAX];
static uint32_t ended;

static void excuse(struct end *end, int64_t result, const char *what)
{
    if (run.weather < ROUGH) fail("%s: %lld", what, (long long)result);
    end->failed = true;
}

/* ---- The two directions ---------------------------------------------------------------------- */

static void begin(struct side *side, struct rn_cx *cx)
{
    if (!side->begun) rn_sleep(&side->sleep, cx, 3000 * RN_SECOND);
    side->begun = true;
}

/* Each leaves when the other has failed, or nothing has happened for very long. */
static bool gives_up(struct side *side, struct rn_cx *cx)
{
    if (rn_sleep_poll(&side->sleep, cx) == RN_PENDING && !side->end->failed) return false;
    if (!side->end->failed) excuse(side->end, 0, "a connection stands still");
    rn_timer_stop(cx->worker, &side->sleep.timer);
    return true;
}

static enum rn_poll write_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct side *side = rn_container_of(task, struct side, task);
    struct end *end = side->end;
    int64_t result = 0;
    begin(side, cx);
    while (!gives_up(side, cx)) {
        if (side->done == end->out) {
            if (rn_io_poll_shutdown(&end->io, cx, &result) == RN_PENDING) return RN_PENDING;
            if (result < 0) excuse(end, result, "shutting down");
            rn_timer_stop(cx->worker, &side->sleep.timer);
            return RN_READY;
        }
        uint32_t len = 1 + pick(PIECE_MAX);
        if (len > end->out - side->done) len = end->out - side->done;
        pattern_fill(end->bytes[0], len, end->key_out, side->done);
        if (rn_io_poll_write(&end->io, cx, end->bytes[0], len, &result) == RN_PENDING)
            return RN_PENDING; /* and then with another piece */
        if (result < 0) excuse(end, result, "writing");
        else side->done += (uint32_t)result;
    }
    return RN_READY;
}

static enum rn_poll read_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct side *side = rn_container_of(task, struct side, task);
    struct end *end = side->end;
    int64_t result = 0;
    begin(side, cx);
    while (!gives_up(side, cx)) {
        /* Either is enough to be woken when there is something. */
        enum rn_poll asked =
            chance(3) ? rn_io_poll_ready(&end->io, cx, RN_K_POLLIN | RN_K_POLLRDHUP, &result)
                      : RN_READY;
        if (asked == RN_PENDING) return RN_PENDING;
        if (rn_io_poll_read(&end->io, cx, end->bytes[1], 1 + pick(PIECE_MAX), &result) ==
            RN_PENDING)
            return RN_PENDING;
        if (result <= 0) {
            if (result < 0) excuse(end, result, "reading");
            else if (side->done != end->in) excuse(end, side->done, "an early end");
            rn_timer_stop(cx->worker, &side->sleep.timer);
            return RN_READY;
        }
        pattern_check(end->bytes[1], (size_t)result, end->key_in, side->done, "a stream");
        side->done += (uint32_t)result;
        check(side->done <= end->in);
    }
    return RN_READY;
}

/* ---- An end ---------------------------------------------------------------------------------- */

static enum rn_poll open_io(struct end *end, struct rn_cx *cx)
{
    if (!end->listener)
        return rn_io_poll_connect(&end->io, cx, end->address, &end->result);
    enum rn_poll asked = rn_io_poll_accept(end->listener, cx, NULL, &end->result);
    if (asked == RN_READY && end->result >= 0) end->io.fd = (int)end->result;
    return asked;
}

static int spawn_side(struct end *end, struct side *side, struct rn_join *join,
                      enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx))
{
    side->end = end;
    side->task.poll = poll;
    side->task.join = join;
    return rn_spawn(end->io.worker, &side->task);
}

/* It is open, or won't be. */
static void opened(struct end *end, struct rn_cx *cx, enum rn_poll asked)
{
    rn_timer_stop(cx->worker, &end->sleep.timer);
    if (asked == RN_PENDING) end->result = -RN_K_ETIMEDOUT;
    if (end->result < 0) excuse(end, end->result, end->listener ? "accepting" : "connecting");
    end->stage = CLOSING;
    if (end->failed) return;
    end->stage = TALKING;
    check(spawn_side(end, &end->writer, &end->written, write_poll) == 0);
    check(spawn_side(end, &end->reader, &end->read, read_poll) == 0);
}

static enum rn_poll end_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct end *end = rn_container_of(task, struct end, task);
    int64_t result;
    if (end->stage == STARTING) {
        rn_sleep(&end->sleep, cx, 3000 * RN_SECOND);
        end->stage = OPENING;
    }
    if (end->stage == OPENING) {
        enum rn_poll asked = open_io(end, cx);
        if (asked == RN_PENDING && rn_sleep_poll(&end->sleep, cx) == RN_PENDING) return RN_PENDING;
        opened(end, cx, asked);
    }
    if (end->stage == TALKING) {
        enum rn_poll written = rn_join_poll(&end->written, cx), read = rn_join_poll(&end->read, cx);
        if (written == RN_PENDING || read == RN_PENDING) return RN_PENDING;
        if (run.weather < ROUGH) check(end->reader.done == end->in);
        end->stage = CLOSING;
    }
    if (rn_io_poll_close(&end->io, cx, &result) == RN_PENDING) return RN_PENDING;
    if (end->listener) return rn_io_poll_close(end->listener, cx, &result);
    return RN_READY;
}

static void on_done(struct rn_task *task) { count_up(&ended); }

/* ---- The run --------------------------------------------------------------------------------- */

static void make_pair(uint32_t index, struct rn_runtime *runtime)
{
    static const struct rn_listen_options options = {.backlog = 4};
    struct end *pair = ends[index];
    memset(pair, 0, sizeof ends[index]);
    check(rn_address_parse(&addresses[index], chance(3) ? "[::1]:0" : "127.0.0.1:0", 0) == 0);
    int fd = rn_listen(&addresses[index], &options);
    check(fd >= 0);
    check(rn_local_address(fd, &addresses[index]) == 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct end *end = &pair[i];
        end->io.worker = rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime)));
        end->io.fd = -1;
        end->task.poll = end_poll;
        end->task.done = on_done;
        end->out = pick(BYTES_MAX);
        end->key_out = index << 4 | i;
    }
    for (uint32_t i = 0; i < 2; i++) {
        pair[i].in = pair[!i].out;
        pair[i].key_in = pair[!i].key_out;
    }
    rn_stream stream;
    check(rn_stream_open(&stream, pair[0].io.worker, rn_address_family(&addresses[index])) == 0);
    pair[0].io.fd = stream.fd;
    pair[0].address = &addresses[index];
    listeners[index] = (struct rn_io){.worker = pair[1].io.worker, .fd = fd};
    pair[1].listener = &listeners[index];
}

static void run_polls(void)
{
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    uint32_t pairs = 1 + pick(PAIRS_MAX);
    ended = 0;
    for (uint32_t i = 0; i < pairs; i++) make_pair(i, runtime);
    faults_on();
    for (uint32_t i = 0; i < 2 * pairs; i++)
        rn_spawn_remote(ends[i / 2][i % 2].io.worker, &ends[i / 2][i % 2].task);
    await_count(&ended, 2 * pairs);
    stop_runtime(runtime);
}

const struct workload workload_polls = {"polls", run_polls};
