/*
 * runnel/channel.h: channels between tasks of one worker or of several: bounded, of elements of one
 * size, many senders and many receivers; and a watch, which keeps only the last value.
 *
 * Memory is the caller's, as in runnel/sync.h, and nothing blocks a worker's thread: a send into a
 * full channel is a future that is over when there is room. Elements are copied.
 *
 *     rn_channel_send(&me->send, &jobs, &me->job);
 *     RN_AWAIT(&me->co, &me->send.future, cx);
 */
#ifndef RUNNEL_CHANNEL_H
#define RUNNEL_CHANNEL_H

#include <runnel/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Channels -------------------------------------------------------------------------------- */

/* Elements come out in the order in which they went in; senders and receivers that wait are served
 * in the order in which they came. A capacity of 0 hands each element from a sender to a receiver
 * that waits. */
struct rn_channel {
    struct rn_lock lock;
    uint32_t element_size; /* private from here */
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
    bool closed;
    uint8_t *elements;
    struct rn_waiters senders;
    struct rn_waiters receivers;
};

/* Before anyone uses it. memory: capacity * element_size bytes, which stay; NULL when capacity
 * is 0. */
void rn_channel_init(struct rn_channel *channel, void *memory, uint32_t element_size,
                     uint32_t capacity);

/* A send or a receive that waits. It stays in place until it is over, and so does the element. */
struct rn_channel_wait {
    struct rn_future future;
    struct rn_waiter waiter; /* private */
    struct rn_channel *channel;
    void *element;
    int result;
};

/* Sends a copy of *element. Result: 0; RN_E_CLOSED when the channel is closed by then; -ECANCELED,
 * and it was not sent. */
void rn_channel_send(struct rn_channel_wait *wait, struct rn_channel *channel, const void *element);

/* Receives into *element. Result: 0; RN_E_CLOSED when the channel is closed and empty; -ECANCELED,
 * and none is lost: one that had been handed over by then is a result 0, though the task was
 * cancelled. A receive that lost in a select may have its element all the same: look at its
 * result. */
void rn_channel_recv(struct rn_channel_wait *wait, struct rn_channel *channel, void *element);

/* The same at once or not at all: -EAGAIN. From any thread. */
RN_MUST_USE int rn_channel_try_send(struct rn_channel *channel, const void *element);
RN_MUST_USE int rn_channel_try_recv(struct rn_channel *channel, void *element);

/* Nothing more goes in: senders that wait get RN_E_CLOSED, receivers what is left, and then
 * RN_E_CLOSED. From any thread, any number of times. */
void rn_channel_close(struct rn_channel *channel);

/* How many elements are in it at the moment. From any thread. */
uint32_t rn_channel_count(struct rn_channel *channel);

/* ---- Watch ----------------------------------------------------------------------------------- */

/* One value that changes, and those who want to know what it is by now: who is slow misses values,
 * but never the last. */
struct rn_watch {
    struct rn_lock lock;
    uint32_t size; /* private from here */
    uint64_t version;
    bool closed;
    void *value;
    struct rn_waiters waiting;
};

/* Before anyone uses it. value: size bytes that stay, which hold the first value, version 1. */
void rn_watch_init(struct rn_watch *watch, void *value, uint32_t size);
/* The next version. From any thread. */
void rn_watch_set(struct rn_watch *watch, const void *value);
/* The value as it is, and its version. From any thread. */
uint64_t rn_watch_get(struct rn_watch *watch, void *value);
/* Ends the waits, and those to come once they know the last version, with RN_E_CLOSED. */
void rn_watch_close(struct rn_watch *watch);

/* Waits for a version that is newer than `version`, which is then the new one, and the value.
 * Result: 0, RN_E_CLOSED, -ECANCELED. */
struct rn_watch_wait {
    struct rn_future future;
    struct rn_waiter waiter; /* private */
    struct rn_watch *watch;
    void *value;
    uint64_t version;
    int result;
};
void rn_watch_changed(struct rn_watch_wait *wait, struct rn_watch *watch, uint64_t version,
                      void *value);

#ifdef __cplusplus
}
#endif
#endif
