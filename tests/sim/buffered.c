/*
 * sim/buffered.c: records over streams: a server behind a listener that pauses reads and answers
 * them through buffers, clients do so too, or by single reads and writes. Waits are given up in the
 * middle and begun again. Nothing is lost, doubled or out of order, or it fails visibly.
 */
#include "sync.h"

#include <stdio.h>

#include <runnel/buffered.h>

enum { CLIENTS_MAX = 5, RECORDS_MAX = 8, BODY_MAX = 3000, HEAD_MAX = 24, BUFFER_MAX = 600,
       BUFFER_MIN = 32, ALL_MAX = RECORDS_MAX * (BODY_MAX + HEAD_MAX) };
static const rn_ns patience = 3000 * RN_SECOND;

/* A reader and a writer, and what both ends do with them. */
struct end {
    rn_stream stream;
    struct rn_op op;
    struct rn_reader reader;
    struct rn_writer writer;
    struct attempt attempt;
    uint8_t buffers[2][BUFFER_MAX];
    uint8_t body[BODY_MAX];
    char head[HEAD_MAX];
    uint32_t len, key, have;
};

struct server {
    struct rn_task task;
    rn_co co;
    struct end end;
};

struct client {
    struct rn_task reader, writer;
    rn_co reader_co, writer_co;
    struct rn_join join;
    struct end end;
    struct rn_sleep sleep;
    rn_waker writer_waker;
    struct rn_op write_op;
    uint32_t records, lens[RECORDS_MAX];
    uint32_t written, read; /* records; bytes where there is no buffer */
    bool raw_reads, raw_writes, leaves, failed;
    uint8_t out[ALL_MAX], in[ALL_MAX]; /* all that it says, and is to hear */
    uint32_t out_len, in_len;
    uint8_t piece[BUFFER_MAX];
};

static struct client clients[CLIENTS_MAX];
static struct server servers[CLIENTS_MAX];
static struct rn_listener listener;
static struct rn_address address;
static uint32_t accepted, ended, served, stopped;
static bool some_leave;

static void excuse(int64_t result, const char *what)
{
    if (run.weather < ROUGH && !some_leave) fail("%s: %lld", what, (long long)result);
    if (result == -RN_K_ETIMEDOUT) check(run.weather >= STORMY);
}

static void open_end(struct end *end, rn_stream stream)
{
    memset(end, 0, sizeof *end);
    end->stream = stream;
    rn_reader_init(&end->reader, stream, end->buffers[0], between(BUFFER_MIN, BUFFER_MAX));
    rn_writer_init(&end->writer, stream, end->buffers[1], 1 + pick(BUFFER_MAX));
    end->reader.timeout = end->writer.timeout = patience;
}

static void begin_head(struct end *end, struct rn_cx *cx)
{
    if (chance(2)) rn_reader_line(&end->reader);
    else rn_reader_until(&end->reader, '\n');
    attempt_begin(&end->attempt, cx, &end->reader.future);
}

/* What came of a body before its wait was given up isn't asked for again. */
static void begin_body(struct end *end, struct rn_cx *cx)
{
    rn_reader_exact(&end->reader, end->body + end->have, end->len - end->have);
    attempt_begin(&end->attempt, cx, &end->reader.future);
}

static bool gave_up(struct end *end, const struct rn_cx *cx)
{
    attempt_check(&end->attempt, cx, (int)end->reader.result, true);
    return end->reader.result == -RN_K_ECANCELED && !cx->cancelled;
}

static void parse_head(struct end *end)
{
    char text[HEAD_MAX] = {0};
    check(end->reader.data.len < sizeof text);
    memcpy(text, end->reader.data.ptr, end->reader.data.len);
    if (sscanf(text, "%u %u", &end->len, &end->key) != 2) fail("no record: %s", text);
    check(end->len <= BODY_MAX);
    end->have = 0;
}

/* Whether the whole of it is there. */
static bool took_body(struct end *end)
{
    if (end->reader.result != (int64_t)(end->len - end->have)) {
        excuse(end->reader.result, "a body");
        return false;
    }
    pattern_check(end->body, end->len, end->key, 0, "a body");
    return true;
}

/* ---- The server ------------------------------------------------------------------------------ */

static enum rn_poll serve_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct server *server = rn_container_of(task, struct server, task);
    struct end *end = &server->end;
    RN_BEGIN(&server->co);
    for (;;) {
        do {
            begin_head(end, cx);
            RN_AWAIT(&server->co, end->attempt.future, cx);
        } while (gave_up(end, cx));
        if (end->reader.result <= 0) {
            if (end->reader.result < 0) excuse(end->reader.result, "a head");
            break;
        }
        parse_head(end);
        for (;;) {
            begin_body(end, cx);
            RN_AWAIT(&server->co, end->attempt.future, cx);
            if (!gave_up(end, cx)) break;
            end->have += (uint32_t)end->reader.data.len;
        }
        if (!took_body(end)) break;
        rn_writer_write(&end->writer, end->head,
                        (uint64_t)sprintf(end->head, "%u %u\r\n", end->len, end->key));
        RN_AWAIT(&server->co, &end->writer.future, cx);
        rn_writer_write(&end->writer, end->body, end->len);
        RN_AWAIT(&server->co, &end->writer.future, cx);
        if (chance(2)) {
            rn_writer_flush(&end->writer);
            RN_AWAIT(&server->co, &end->writer.future, cx);
        }
        if (end->writer.result < 0) break;
    }
    rn_writer_flush(&end->writer);
    RN_AWAIT(&server->co, &end->writer.future, cx);
    if (end->writer.result < 0) excuse(end->writer.result, "answering");
    rn_stream_close(end->stream, &end->op, cx);
    RN_AWAIT(&server->co, &end->op, cx);
    RN_END(&server->co);
}

static void on_served(struct rn_task *task) { count_up(&served); }

static void on_accepted(struct rn_listener *self, int fd)
{
    struct server *server = &servers[accepted++];
    check(accepted <= CLIENTS_MAX);
    *server = (struct server){.task.poll = serve_poll, .task.done = on_served};
    open_end(&server->end, rn_stream_of(self->worker, fd));
    check(rn_spawn(self->worker, &server->task) == 0);
}

static void on_stopped(struct rn_listener *self) { count_up(&stopped); }

/* ---- Clients --------------------------------------------------------------------------------- */

static void failed(struct client *client, int64_t result, const char *what)
{
    if (!client->failed && !client->leaves) excuse(result, what);
    client->failed = true;
}

static enum rn_poll write_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, writer);
    struct rn_writer *writer = &client->end.writer;
    struct rn_op *op = &client->write_op;
    uint32_t len;
    RN_BEGIN(&client->writer_co);
    while (client->written < client->out_len && !client->failed) {
        if (chance(6)) {
            rn_sleep(&client->sleep, cx, RN_MICROSECOND << pick(14));
            RN_AWAIT(&client->writer_co, &client->sleep, cx);
        }
        len = 1 + pick(chance(2) ? 20 : client->out_len);
        if (len > client->out_len - client->written) len = client->out_len - client->written;
        if (client->raw_writes) {
            rn_stream_write(client->end.stream, op, cx, client->out + client->written, len,
                            rn_after(cx, patience));
            RN_AWAIT(&client->writer_co, op, cx);
            if (op->result > 0) client->written += (uint32_t)op->result;
            else failed(client, op->result, "writing");
        } else {
            client->written += len;
            rn_writer_write(writer, client->out + client->written - len, len);
            RN_AWAIT(&client->writer_co, &writer->future, cx);
            if (writer->result < 0) failed(client, writer->result, "writing");
        }
    }
    rn_writer_flush(writer);
    RN_AWAIT(&client->writer_co, &writer->future, cx);
    if (writer->result < 0) failed(client, writer->result, "flushing");
    rn_stream_shutdown(client->end.stream, op, cx, RN_K_SHUT_WR);
    RN_AWAIT(&client->writer_co, op, cx);
    RN_END(&client->writer_co);
}

static void begin_read(struct client *client, struct rn_cx *cx)
{
    size_t len = 1 + pick(sizeof client->piece);
    void (*how)(rn_stream, struct rn_op *, struct rn_cx *, void *, size_t, rn_ns) =
        chance(2) ? rn_stream_read : rn_stream_read_exact;
    how(client->end.stream, &client->end.op, cx, client->piece, len, rn_after(cx, patience));
}

/* Of the bytes that are to come in all. Whether there are more. */
static bool took(struct client *client, const void *bytes, int64_t len)
{
    if (len <= 0) {
        if (len < 0 || client->read < client->in_len) failed(client, len, "reading");
        return false;
    }
    check(client->read + len <= client->in_len);
    if (memcmp(bytes, client->in + client->read, (size_t)len)) fail("an answer is wrong");
    client->read += (uint32_t)len;
    return !client->failed && !(client->leaves && chance(3));
}

static enum rn_poll read_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, reader);
    struct end *end = &client->end;
    int result;
    RN_BEGIN(&client->reader_co);
    while ((result = rn_stream_open(&end->stream, cx->worker, RN_IP4)) < 0) {
        failed(client, result, "socket");
        rn_sleep(&client->sleep, cx, RN_MILLISECOND);
        RN_AWAIT(&client->reader_co, &client->sleep, cx);
    }
    client->failed = false;
    rn_stream_connect(end->stream, &end->op, cx, &address, rn_after(cx, patience));
    RN_AWAIT(&client->reader_co, &end->op, cx);
    open_end(end, end->stream);
    if (end->op.result < 0) {
        failed(client, end->op.result, "connecting");
    } else {
        client->writer.join = &client->join;
        check(rn_spawn(cx->worker, &client->writer) == 0);
        client->writer_waker = rn_task_waker(cx->worker, &client->writer);
        if (client->raw_reads) {
            do {
                begin_read(client, cx);
                RN_AWAIT(&client->reader_co, &end->op, cx);
            } while (took(client, client->piece, end->op.result));
        } else {
            do {
                rn_reader_some(&end->reader);
                attempt_begin(&end->attempt, cx, &end->reader.future);
                RN_AWAIT(&client->reader_co, end->attempt.future, cx);
            } while (gave_up(end, cx) ||
                     took(client, end->reader.data.ptr, end->reader.result));
        }
        if (client->failed || client->leaves) rn_task_cancel(client->writer_waker);
        RN_AWAIT(&client->reader_co, &client->join, cx);
    }
    rn_stream_close(end->stream, &end->op, cx);
    RN_AWAIT(&client->reader_co, &end->op, cx);
    RN_END(&client->reader_co);
}

static void on_done(struct rn_task *task)
{
    struct client *client = rn_container_of(task, struct client, reader);
    if (!client->failed && !client->leaves) check(client->read == client->in_len);
    count_up(&ended);
}

/* ---- The run --------------------------------------------------------------------------------- */

static void make_client(uint32_t index, struct rn_runtime *runtime)
{
    struct client *client = &clients[index];
    memset(client, 0, sizeof *client);
    for (uint32_t left = pick(RECORDS_MAX) + 1; left; left--) {
        uint32_t len = pick(chance(2) ? 100 : BODY_MAX), key = index << 4 | left;
        client->out_len += (uint32_t)sprintf((char *)client->out + client->out_len, "%u %u\n",
                                             len, key);
        client->in_len += (uint32_t)sprintf((char *)client->in + client->in_len, "%u %u\r\n",
                                            len, key);
        pattern_fill(client->out + client->out_len, len, key, 0);
        pattern_fill(client->in + client->in_len, len, key, 0);
        client->out_len += len;
        client->in_len += len;
    }
    client->raw_reads = chance(2);
    client->raw_writes = chance(2);
    client->leaves = chance(8);
    some_leave |= client->leaves;
    client->reader.poll = read_poll;
    client->reader.done = on_done;
    client->writer.poll = write_poll;
    rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))),
                    &client->reader);
}

/* Tells the listener, on its own thread. */
struct command {
    struct rn_node node;
    void (*call)(struct rn_listener *listener);
    uint32_t done;
};

static void obey(struct rn_worker *worker, struct rn_node *node)
{
    struct command *command = rn_container_of(node, struct command, node);
    command->call(&listener);
    count_up(&command->done);
}

static void tell(void (*call)(struct rn_listener *listener))
{
    struct command command = {.node.run = obey, .call = call};
    rn_worker_post(listener.worker, &command.node);
    await_count(&command.done, 1);
}

static void run_buffered(void)
{
    static const struct rn_listen_options options = {.backlog = 64};
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    uint32_t count = 1 + pick(CLIENTS_MAX);
    accepted = ended = served = stopped = 0;
    some_leave = false;
    check(rn_address_parse(&address, "127.0.0.1:0", 0) == 0);
    int fd = rn_listen(&address, &options);
    check(fd >= 0 && rn_local_address(fd, &address) == 0);
    listener = (struct rn_listener){.worker = rn_runtime_worker(runtime, 0), .fd = fd,
                                    .accepted = on_accepted, .stopped = on_stopped};
    faults_on();
    tell(rn_listener_start);
    for (uint32_t i = 0; i < count; i++) {
        make_client(i, runtime);
        if (chance(4)) tell(rn_listener_pause);
        if (chance(3)) rest(RN_MICROSECOND << pick(14));
        if (chance(3)) tell(rn_listener_resume);
    }
    tell(rn_listener_resume);
    await_count(&ended, count);
    tell(rn_listener_stop);
    await_count(&stopped, 1);
    await_count(&served, accepted);
    stop_runtime(runtime);
}

const struct workload workload_buffered = {"buffered", run_buffered};
