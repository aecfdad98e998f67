/*
 * What a WebSocket machine says about its input, as text in which the pieces of a message are
 * joined, so that two runs can be compared whatever the cuts: text(Hello)ping(x)close 1000(bye).
 * The contract of rn_ws_next is checked on the way; a breach aborts.
 */
#ifndef TESTS_WS_LOG_H
#define TESTS_WS_LOG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runnel/ws.h>

#include "guarded.h"

struct ws_log {
    struct rn_ws ws;
    char *text;
    size_t len;
    size_t cap;
    uint8_t pending[RN_WS_INPUT_MIN]; /* what the machine hasn't consumed */
    size_t pending_len;
    size_t consumed;
    bool in_message;
    bool ended;
    uint8_t opcode;
};

static inline void ws_require(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "rn_ws_next: %s\n", what);
    abort();
}

static inline void ws_log_init(struct ws_log *log, enum rn_ws_role role, uint64_t message_max)
{
    memset(log, 0, sizeof(*log));
    rn_ws_init(&log->ws, role, message_max);
}

static inline void ws_log_free(struct ws_log *log)
{
    free(log->text);
}

static inline void ws_log_put(struct ws_log *log, const void *bytes, size_t len)
{
    if (log->len + len > log->cap) {
        log->cap = 2 * (log->len + len);
        log->text = realloc(log->text, log->cap);
        ws_require(log->text != NULL, "out of memory");
    }
    if (len > 0) memcpy(log->text + log->len, bytes, len);
    log->len += len;
}

static inline void ws_log_data(struct ws_log *log, const struct rn_ws_event *event)
{
    ws_require(event->first == !log->in_message, "`first` does not start a message");
    ws_require(event->opcode == RN_WS_TEXT || event->opcode == RN_WS_BINARY, "bad opcode");
    ws_require(event->first || event->opcode == log->opcode, "the opcode changed in a message");
    log->opcode = event->opcode;
    if (event->first && event->opcode == RN_WS_TEXT) ws_log_put(log, "text(", 5);
    if (event->first && event->opcode == RN_WS_BINARY) ws_log_put(log, "binary(", 7);
    ws_log_put(log, event->data.ptr, event->data.len);
    if (event->last) ws_log_put(log, ")", 1);
    log->in_message = !event->last;
}

static inline void ws_log_event(struct ws_log *log, const struct rn_ws_event *event)
{
    static const char *const names[] = {[RN_WS_EVENT_PING] = "ping",
                                        [RN_WS_EVENT_PONG] = "pong",
                                        [RN_WS_EVENT_CLOSE] = "close",
                                        [RN_WS_EVENT_ERROR] = "error"};
    char number[16];
    ws_require(!log->ended, "an event after the end");
    ws_require(event->kind >= RN_WS_EVENT_DATA && event->kind <= RN_WS_EVENT_ERROR, "bad kind");
    if (event->kind == RN_WS_EVENT_DATA) {
        ws_log_data(log, event);
        return;
    }
    ws_log_put(log, names[event->kind], strlen(names[event->kind]));
    if (event->kind >= RN_WS_EVENT_CLOSE) {
        snprintf(number, sizeof(number), " %u", event->code);
        ws_log_put(log, number, strlen(number));
        log->ended = true;
    }
    if (event->kind == RN_WS_EVENT_ERROR) return;
    ws_require(event->data.len <= RN_WS_CONTROL_MAX, "a control frame over its limit");
    ws_log_put(log, "(", 1);
    ws_log_put(log, event->data.ptr, event->data.len);
    ws_log_put(log, ")", 1);
}

/* More input: what was left and these bytes, at the end of a page. */
static inline void ws_log_feed(struct ws_log *log, const uint8_t *bytes, size_t len)
{
    size_t left = log->pending_len + len;
    uint8_t *in = guarded_space(0, left);
    memcpy(in, log->pending, log->pending_len);
    if (len > 0) memcpy(in + log->pending_len, bytes, len);
    struct rn_ws_event event;
    do {
        memset(&event, 0xA5, sizeof(event));
        size_t consumed = rn_ws_next(&log->ws, in, left, &event);
        ws_require(consumed <= left, "consumed more than there was");
        if (event.kind != RN_WS_EVENT_NONE) {
            if (event.kind != RN_WS_EVENT_ERROR)
                ws_require(event.data.ptr >= in && event.data.ptr + event.data.len <= in + consumed,
                           "data outside of what was consumed");
            ws_log_event(log, &event);
        } else if (log->ended) {
            ws_require(consumed == 0, "consumed after the end");
        }
        in += consumed;
        left -= consumed;
        log->consumed += consumed;
    } while (event.kind != RN_WS_EVENT_NONE);
    ws_require(log->ended || left < RN_WS_INPUT_MIN, "too much left");
    log->pending_len = log->ended ? 0 : left;
    memcpy(log->pending, in, log->pending_len);
}

/* The frames of a server as a client would send them: sets the mask bits and masks with keys made
 * from `seed`. Keeps what is wrong with them and stops where they stop. Writes at most 3 * len
 * bytes and returns how many. */
static inline size_t ws_masked(uint8_t *to, const uint8_t *in, size_t len, uint32_t seed)
{
    size_t end = 0, at = 0;
    while (at < len) {
        uint64_t payload = at + 1 < len ? in[at + 1] & 127 : 0;
        size_t header = payload < 126 ? 2 : payload == 126 ? 4 : 10;
        size_t start = end;
        if (header > 2) payload = 0;
        for (size_t i = 0; i < header && at < len; i++, at++) {
            if (i >= 2) payload = payload << 8 | in[at];
            to[end++] = in[at];
        }
        if (end - start > 1) to[start + 1] |= 0x80;
        if (end - start < header) break;
        seed = seed * 1664525 + 1013904223;
        memcpy(to + end, &seed, 4);
        end += 4;
        for (uint64_t i = 0; i < payload && at < len; i++)
            to[end++] = in[at++] ^ (uint8_t)(seed >> i % 4 * 8);
    }
    return end;
}

#endif
