/*
 * A connection's peer, for workers that are driven by hand: what it sends, what has been sent to
 * it, and how it ended. The socket is real for its options only.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "by_hand.h"

#include <sys/socket.h>
#include <unistd.h>

enum { SENT_MAX = 4 << 20 };

struct wire {
    int fd;
    char *sent; /* what went out, with a terminator */
    size_t sent_len;
};

static inline void wire_open(struct wire *wire)
{
    *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM, 0), .sent = calloc(1, SENT_MAX)};
    assert_true(wire->fd >= 0);
    assert_non_null(wire->sent);
}

/* The op of that kind on its descriptor, or NULL. */
static inline struct rn_op *wire_op(struct wire *wire, unsigned code)
{
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++) {
        struct rn_op *op = hand_backend(0)->started[i];
        if (op->fd == wire->fd && op->code == code) return op;
    }
    return NULL;
}

static inline struct rn_op *wire_send_op(struct wire *wire)
{
    struct rn_op *op = wire_op(wire, RN_OP_SEND);
    if (!op) op = wire_op(wire, RN_OP_SENDV);
    return op ? op : wire_op(wire, RN_OP_SENDFILE);
}

/* Input for a receive, in a buffer of the pool, without running anything. */
static inline void wire_receive(struct wire *wire, const void *from, size_t len, bool more)
{
    struct rn_op *op = wire_op(wire, RN_OP_RECV);
    assert_non_null(op);
    assert_true(op->flags & RN_OP_MULTISHOT);
    struct rn_buf *buf = rn_pool_take_reserved(&hand_worker(0)->pool);
    assert_non_null(buf);
    assert_true(len <= buf->cap);
    memcpy(buf->data, from, len);
    buf->len = (uint32_t)len;
    hand_put_done(hand_backend(0), (struct rn_completion){op, buf, (int64_t)len, more});
}

static inline void wire_give_bytes(struct wire *wire, const void *from, size_t len)
{
    wire_receive(wire, from, len, true);
    hand_settle();
}

static inline void wire_give(struct wire *wire, const char *text)
{
    wire_give_bytes(wire, text, strlen(text));
}

/* The peer's end of input. */
static inline void wire_end(struct wire *wire)
{
    struct rn_op *op = wire_op(wire, RN_OP_RECV);
    assert_non_null(op);
    hand_complete(op, 0);
}

static inline void wire_append(struct wire *wire, const void *from, size_t len)
{
    assert_true(wire->sent_len + len < SENT_MAX);
    memcpy(wire->sent + wire->sent_len, from, len);
    wire->sent_len += len;
}

/* Notes what the send would send; returns how much that is. */
static inline size_t wire_collect(struct wire *wire, struct rn_op *op)
{
    size_t before = wire->sent_len;
    if (op->code == RN_OP_SEND) {
        wire_append(wire, op->arg.memory.ptr, op->arg.memory.len);
    } else if (op->code == RN_OP_SENDV) {
        for (unsigned i = 0; i < op->arg.vector.count; i++)
            wire_append(wire, op->arg.vector.vectors[i].ptr, op->arg.vector.vectors[i].len);
    } else {
        assert_true(wire->sent_len + op->arg.file.length < SENT_MAX);
        ssize_t got = pread(op->arg.file.fd, wire->sent + before, op->arg.file.length,
                            (off_t)op->arg.file.offset);
        assert_true(got >= 0);
        wire->sent_len += (size_t)got;
    }
    return wire->sent_len - before;
}

/* One send goes out. Returns its flags. */
static inline unsigned wire_take(struct wire *wire, unsigned code)
{
    struct rn_op *op = wire_send_op(wire);
    assert_non_null(op);
    assert_int_equal(op->code, code);
    unsigned flags = op->flags;
    hand_complete(op, (int64_t)wire_collect(wire, op));
    return flags;
}

static inline void wire_take_all(struct wire *wire)
{
    struct rn_op *op;
    for (unsigned i = 0; (op = wire_send_op(wire)); i++) {
        assert_true(i < 10000);
        hand_complete(op, (int64_t)wire_collect(wire, op));
    }
}

/* What went out since the last time. */
static inline void wire_expect(struct wire *wire, const char *text)
{
    assert_int_equal(wire->sent_len, strlen(text));
    wire->sent[wire->sent_len] = 0;
    assert_string_equal(wire->sent, text);
    wire->sent_len = 0;
}

static inline bool wire_will_reset(struct wire *wire)
{
    struct linger linger = {0, 0};
    socklen_t len = sizeof linger;
    int fd = wire->fd;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
    return linger.l_onoff && !linger.l_linger;
}

/* Its connection has come to its end, and asks for nothing but that its descriptor be closed. */
static inline void wire_close(struct wire *wire, bool reset)
{
    struct rn_op *op = wire_op(wire, RN_OP_CLOSE);
    assert_non_null(op);
    assert_int_equal(wire_will_reset(wire), reset);
    for (unsigned i = 0; i < hand_backend(0)->started_count; i++)
        assert_true(hand_backend(0)->started[i] == op ||
                    hand_backend(0)->started[i]->fd != wire->fd);
    assert_int_equal(close(wire->fd), 0);
    hand_complete(op, 0);
    free(wire->sent);
}

#endif
