/*
 * runnel/buffered.h: reading lines and records, and writing in small steps, with few system calls:
 * a buffer of the caller's between him and a stream.
 *
 *     rn_reader_init(&me->reader, me->stream, me->memory, sizeof me->memory);
 *     rn_reader_line(&me->reader);
 *     RN_AWAIT(&me->co, &me->reader.future, cx);
 *     if (me->reader.result > 0) use(me->reader.data);
 *
 * Both are futures, and work in the task that awaits them. One wait at a time each; a reader and a
 * writer of the same stream don't know of each other. What a wait that was cancelled had read
 * already stays in the buffer, for the next; of rn_reader_exact it is where it belongs.
 */
#ifndef RUNNEL_BUFFERED_H
#define RUNNEL_BUFFERED_H

#include <runnel/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Reading --------------------------------------------------------------------------------- */

struct rn_reader {
    rn_ns timeout; /* how long each wait for the peer may take; 0: any time. To be set */
    struct rn_future future;
    /* Bytes that were consumed; 0 at the end of the stream, when nothing is left; or
     *
     *   RN_E_LIMIT    no delimiter in a buffer that is full; the bytes are still there
     *   RN_E_CLOSED   the stream ended in the middle: `data` is what there was, which is consumed
     *   -ETIMEDOUT, -ECANCELED, -ECONNRESET and what else receiving gives */
    int64_t result;
    rn_bytes data; /* what was read; good until the next call */
    rn_stream stream; /* private from here */
    uint8_t *buffer;
    size_t cap;
    size_t at;
    size_t len;
    size_t seen; /* bytes in which there is no delimiter */
    uint8_t *to;
    uint64_t want;
    uint64_t have;
    struct rn_op op;
    uint8_t mode;
    uint8_t delimiter;
    bool reading;
    bool ended;
};

/* The buffer is the caller's, at least 1 byte, and stays in place; it is also the longest line. */
void rn_reader_init(struct rn_reader *reader, rn_stream stream, void *buffer, size_t cap);
/* Each of these begins a read; await reader->future. Up to a byte, which is part of `data`: */
void rn_reader_until(struct rn_reader *reader, uint8_t delimiter);
/* Up to a line feed: `data` is the line without it, and without a CR before it. */
void rn_reader_line(struct rn_reader *reader);
/* Exactly so many bytes, into the caller's memory; after any error `data` is what came of them, to
 * go on behind. */
void rn_reader_exact(struct rn_reader *reader, void *to, uint64_t len);
/* Whatever there is, at least one byte. */
void rn_reader_some(struct rn_reader *reader);

/* ---- Writing --------------------------------------------------------------------------------- */

struct rn_writer {
    rn_ns timeout; /* how long a full buffer may take to go out; 0: any time. To be set */
    struct rn_future future;
    int64_t result;   /* 0 or an error, which every later write says again */
    rn_stream stream; /* private from here */
    uint8_t *buffer;
    size_t cap;
    size_t len;
    const uint8_t *from;
    uint64_t left;
    struct rn_op op;
    bool writing;
    bool flushing;
};

/* The buffer is the caller's, at least 1 byte, and stays in place. */
void rn_writer_init(struct rn_writer *writer, rn_stream stream, void *buffer, size_t cap);
/* Begins a write; await writer->future, until when the bytes stay in place. It is ready at once
 * while there is room; what is larger than the buffer isn't copied. */
void rn_writer_write(struct rn_writer *writer, const void *from, uint64_t len);
/* Begins to send all that was written; await writer->future. Nothing is sent by itself before the
 * buffer is full. */
void rn_writer_flush(struct rn_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
