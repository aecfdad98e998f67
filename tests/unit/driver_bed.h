/*
 * A stream driver with the line machine on it, on a worker that is driven by hand.
 */
#ifndef TESTS_DRIVER_BED_H
#define TESTS_DRIVER_BED_H

#include "by_hand.h"
#include "line_machine.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <runnel/driver.h>

enum { SENT_MAX = 4 << 20, WRITE_TIMEOUT_S = 10 };

struct bed {
    struct line_machine line;
    struct rn_stream_driver driver;
    struct rn_traffic traffic;
    struct rn_stream_kind kind;
    unsigned closed;
    char *sent; /* what went out, with a terminator */
    size_t sent_len;
};

static inline void bed_closed(struct rn_stream_driver *driver)
{
    struct bed *bed = rn_container_of(driver, struct bed, driver);
    bed->closed++;
    assert_int_equal(bed->line.tails, bed->line.releases);
    memset(driver, 0xee, sizeof *driver); /* it is ours again: nobody may use it */
}

static inline void bed_start(struct bed *bed)
{
    *bed = (struct bed){.closed = 0};
    line_machine_init(&bed->line);
    bed->sent = calloc(1, SENT_MAX);
    bed->driver.machine = &bed->line.machine;
    bed->kind = (struct rn_stream_kind){bed_closed, &bed->traffic, WRITE_TIMEOUT_S * RN_SECOND};
    bed->driver.kind = &bed->kind;
    bed->driver.stream = (rn_stream){hand_worker(0), socket(AF_INET, SOCK_STREAM, 0)};
    assert_true(bed->driver.stream.fd >= 0);
    rn_stream_driver_start(&bed->driver);
    hand_settle();
}

static inline struct bed *bed_new(void)
{
    struct bed *bed = calloc(1, sizeof *bed);
    hand_open((struct rn_runtime_options){0});
    bed_start(bed);
    return bed;
}

/* The op of that kind on the bed's descriptor, or NULL. */
static inline struct rn_op *bed_op(struct bed *bed, unsigned code)
{
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++) {
        struct rn_op *op = hand_backend(0)->started[i];
        if (op->fd == bed->driver.stream.fd && op->code == code) return op;
    }
    return NULL;
}

static inline struct rn_op *bed_send_op(struct bed *bed)
{
    struct rn_op *op = bed_op(bed, RN_OP_SEND);
    if (!op) op = bed_op(bed, RN_OP_SENDV);
    return op ? op : bed_op(bed, RN_OP_SENDFILE);
}

/* Input for a receive, in a buffer of the pool, without running anything. */
static inline void bed_receive(struct bed *bed, const void *from, size_t len, bool more)
{
    struct rn_op *op = bed_op(bed, RN_OP_RECV);
    assert_non_null(op);
    assert_true(op->flags & RN_OP_MULTISHOT);
    struct rn_buf *buf = rn_pool_take_reserved(&hand_worker(0)->pool);
    assert_non_null(buf);
    assert_true(len <= buf->cap);
    memcpy(buf->data, from, len);
    buf->len = (uint32_t)len;
    hand_put_done(hand_backend(0), (struct rn_completion){op, buf, (int64_t)len, more});
}

static inline void bed_give_bytes(struct bed *bed, const void *from, size_t len)
{
    bed_receive(bed, from, len, true);
    hand_settle();
}

static inline void bed_give(struct bed *bed, const char *text)
{
    bed_give_bytes(bed, text, strlen(text));
}

/* The peer's end of input. */
static inline void bed_end(struct bed *bed)
{
    struct rn_op *op = bed_op(bed, RN_OP_RECV);
    assert_non_null(op);
    hand_complete(op, 0);
}

static inline void bed_append(struct bed *bed, const void *from, size_t len)
{
    assert_true(bed->sent_len + len < SENT_MAX);
    memcpy(bed->sent + bed->sent_len, from, len);
    bed->sent_len += len;
}

/* Notes what the send would send; returns how much that is. */
static inline size_t bed_collect(struct bed *bed, struct rn_op *op)
{
    size_t before = bed->sent_len;
    if (op->code == RN_OP_SEND) {
        bed_append(bed, op->arg.memory.ptr, op->arg.memory.len);
    } else if (op->code == RN_OP_SENDV) {
        for (unsigned i = 0; i < op->arg.vector.count; i++)
            bed_append(bed, op->arg.vector.vectors[i].ptr, op->arg.vector.vectors[i].len);
    } else {
        assert_true(bed->sent_len + op->arg.file.length < SENT_MAX);
        ssize_t got = pread(op->arg.file.fd, bed->sent + before, op->arg.file.length,
                            (off_t)op->arg.file.offset);
        assert_true(got >= 0);
        bed->sent_len += (size_t)got;
    }
    return bed->sent_len - before;
}

/* One send goes out. Returns its flags. */
static inline unsigned bed_take(struct bed *bed, unsigned code)
{
    struct rn_op *op = bed_send_op(bed);
    assert_non_null(op);
    assert_int_equal(op->code, code);
    unsigned flags = op->flags;
    hand_complete(op, (int64_t)bed_collect(bed, op));
    return flags;
}

static inline void bed_take_all(struct bed *bed)
{
    struct rn_op *op;
    for (unsigned i = 0; !bed->closed && (op = bed_send_op(bed)); i++) {
        assert_true(i < 10000);
        hand_complete(op, (int64_t)bed_collect(bed, op));
    }
}

/* What went out since the last time. */
static inline void bed_expect(struct bed *bed, const char *text)
{
    assert_int_equal(bed->sent_len, strlen(text));
    bed->sent[bed->sent_len] = 0;
    assert_string_equal(bed->sent, text);
    bed->sent_len = 0;
}

static inline void bed_expect_pattern(struct bed *bed, size_t at, size_t len)
{
    assert_int_equal(bed->sent_len, len);
    for (size_t i = 0; i < len; i++) assert_int_equal(bed->sent[i], pattern(at + i));
    bed->sent_len = 0;
}

static inline bool bed_will_reset(struct bed *bed)
{
    struct linger linger = {0, 0};
    socklen_t len = sizeof linger;
    int fd = bed->driver.stream.fd;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
    return linger.l_onoff && !linger.l_linger;
}

/* The driver has come to its end, and asks for nothing but that its descriptor be closed. */
static inline void bed_close(struct bed *bed, bool reset)
{
    struct rn_op *op = bed_op(bed, RN_OP_CLOSE);
    int fd = bed->driver.stream.fd;
    assert_non_null(op);
    assert_int_equal(bed_will_reset(bed), reset);
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++)
        assert_true(hand_backend(0)->started[i] == op || hand_backend(0)->started[i]->fd != fd);
    assert_int_equal(bed->closed, 0);
    assert_int_equal(close(fd), 0);
    hand_complete(op, 0);
    assert_int_equal(bed->closed, 1);
    assert_int_equal(bed->line.tails, bed->line.releases);
    free(bed->sent);
}

static inline void bed_delete(struct bed *bed, bool reset)
{
    bed_close(bed, reset);
    hand_pass(100 * RN_SECOND); /* nothing comes after */
    assert_int_equal(bed->closed, 1);
    free(bed);
    hand_close();
}

#endif
