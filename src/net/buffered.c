/*
 * net/buffered.c: buffered readers and writers: a future each, that is polled until what was asked
 * for is in the buffer, or out of it.
 */
#include <runnel/buffered.h>

#include "base/bytes.h"
#include "sys/sys.h"

static rn_ns deadline_of(const struct rn_cx *cx, rn_ns timeout)
{
    return timeout ? rn_after(cx, timeout) : RN_NEVER;
}

/* ---- Reading --------------------------------------------------------------------------------- */

enum mode { UNTIL, LINE, EXACT, SOME };

static enum rn_poll finish(struct rn_reader *reader, const void *data, size_t len, int64_t result)
{
    reader->data = rn_bytes_of(data, len);
    reader->result = result;
    return RN_READY;
}

/* Hands out bytes of the buffer. */
static enum rn_poll take(struct rn_reader *reader, size_t len, size_t hidden, int64_t result)
{
    const uint8_t *data = reader->buffer + reader->at;
    reader->at += len;
    reader->len -= len;
    reader->seen = 0;
    return finish(reader, data, len - hidden, result);
}

/* Ready when what the buffer holds is enough, or can never be. */
static enum rn_poll serve(struct rn_reader *reader)
{
    const uint8_t *data = reader->buffer + reader->at;
    size_t len = reader->len;
    if (reader->mode == EXACT) {
        if (len > reader->want - reader->have) len = (size_t)(reader->want - reader->have);
        if (len) memcpy(reader->to + reader->have, data, len);
        reader->at += len;
        reader->len -= len;
        reader->have += len;
        if (reader->have == reader->want || reader->ended)
            return finish(reader, reader->to, (size_t)reader->have,
                          reader->have == reader->want || reader->have == 0 ? (int64_t)reader->have
                                                                            : RN_E_CLOSED);
        return RN_PENDING;
    }
    if (reader->mode == SOME && (len || reader->ended)) return take(reader, len, 0, (int64_t)len);
    reader->seen += rn_bytes_find(rn_bytes_of(data + reader->seen, len - reader->seen),
                                  reader->delimiter);
    if (reader->seen < len) {
        len = reader->seen + 1;
        bool line = reader->mode == LINE;
        size_t hidden = line + (line && len > 1 && data[len - 2] == '\r');
        return take(reader, len, hidden, (int64_t)len);
    }
    if (reader->ended) return take(reader, len, 0, len ? RN_E_CLOSED : 0);
    if (len == reader->cap) return finish(reader, data, 0, RN_E_LIMIT);
    return RN_PENDING;
}

/* Large pieces go right where they are wanted. */
static void receive(struct rn_reader *reader, struct rn_cx *cx)
{
    uint64_t left = reader->want - reader->have;
    bool direct = reader->mode == EXACT && left >= reader->cap;
    if (reader->len) memmove(reader->buffer, reader->buffer + reader->at, reader->len);
    reader->at = 0;
    reader->reading = true;
    rn_stream_read(reader->stream, &reader->op, cx,
                   direct ? reader->to + reader->have : reader->buffer + reader->len,
                   direct ? (size_t)left : reader->cap - reader->len,
                   deadline_of(cx, reader->timeout));
}

static enum rn_poll poll_reader(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_reader *reader = rn_container_of(future, struct rn_reader, future);
    for (;;) {
        if (rn_op_poll(&reader->op, cx) == RN_PENDING) return RN_PENDING;
        if (reader->reading) {
            const uint8_t *into = reader->op.arg.memory.ptr;
            bool direct = into < reader->buffer || into >= reader->buffer + reader->cap;
            int64_t came = reader->op.result;
            reader->reading = false;
            if (came < 0) return finish(reader, reader->to, (size_t)reader->have, came);
            if (came == 0) reader->ended = true;
            else if (direct) reader->have += (uint64_t)came;
            else reader->len += (size_t)came;
        }
        if (serve(reader) == RN_READY) return RN_READY;
        receive(reader, cx);
    }
}

void rn_reader_init(struct rn_reader *reader, rn_stream stream, void *buffer, size_t cap)
{
    *reader = (struct rn_reader){.stream = stream, .buffer = buffer, .cap = cap,
                                 .future.poll = poll_reader};
}

static void begin(struct rn_reader *reader, enum mode mode, uint8_t delimiter)
{
    if (reader->delimiter != delimiter) reader->seen = 0;
    reader->mode = (uint8_t)mode;
    reader->delimiter = delimiter;
    reader->want = reader->have = 0;
}

void rn_reader_until(struct rn_reader *reader, uint8_t delimiter)
{
    begin(reader, UNTIL, delimiter);
}

void rn_reader_line(struct rn_reader *reader)
{
    begin(reader, LINE, '\n');
}

void rn_reader_exact(struct rn_reader *reader, void *to, uint64_t len)
{
    begin(reader, EXACT, reader->delimiter);
    reader->seen = 0;
    reader->to = to;
    reader->want = len;
}

void rn_reader_some(struct rn_reader *reader)
{
    begin(reader, SOME, reader->delimiter);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static enum rn_poll poll_writer(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_writer *writer = rn_container_of(future, struct rn_writer, future);
    for (;;) {
        if (rn_op_poll(&writer->op, cx) == RN_PENDING) return RN_PENDING;
        if (writer->writing && writer->op.result < 0) writer->result = writer->op.result;
        writer->writing = false;
        if (writer->result < 0) return RN_READY;
        const void *out = writer->buffer;
        uint64_t len = writer->len;
        if (writer->left <= writer->cap - len) {
            if (writer->left) memcpy(writer->buffer + len, writer->from, (size_t)writer->left);
            writer->len += (size_t)writer->left;
            writer->left = 0;
            len = writer->flushing ? writer->len : 0;
        } else if (len == 0) {
            out = writer->from;
            len = writer->left;
            writer->left = 0;
        }
        if (len == 0) return RN_READY;
        writer->len = 0;
        writer->writing = true;
        rn_stream_write_all(writer->stream, &writer->op, cx, out, (size_t)len,
                            deadline_of(cx, writer->timeout));
    }
}

void rn_writer_init(struct rn_writer *writer, rn_stream stream, void *buffer, size_t cap)
{
    *writer = (struct rn_writer){.stream = stream, .buffer = buffer, .cap = cap,
                                 .future.poll = poll_writer};
}

void rn_writer_write(struct rn_writer *writer, const void *from, uint64_t len)
{
    writer->from = from;
    writer->left = len;
    writer->flushing = false;
}

void rn_writer_flush(struct rn_writer *writer)
{
    rn_writer_write(writer, NULL, 0);
    writer->flushing = true;
}
