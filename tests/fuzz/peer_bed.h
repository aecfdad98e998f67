/*
 * A client on a worker of worker_bed.h, and the peer it talks to: what it is told is the test's
 * input, in which "@KEY@" as Sec-WebSocket-Accept stands for the right one.
 */
#ifndef TESTS_PEER_BED_H
#define TESTS_PEER_BED_H

#include "worker_bed.h"

#include <runnel/http_client.h>
#include <runnel/ws.h>

enum { PEER_INPUT = 1 << 16 };

/* The value of the request's field, up to the end of its line; empty when it has none. */
static inline rn_bytes peer_field(rn_bytes head, const char *name)
{
    const uint8_t *at = memmem(head.ptr, head.len, name, strlen(name)), *end;
    if (!at) return rn_bytes_of(NULL, 0);
    at += strlen(name);
    end = memchr(at, '\r', (size_t)(head.ptr + head.len - at));
    return rn_bytes_of(at, end ? (size_t)(end - at) : 0);
}

/* What the peer says to a request with that head; to: PEER_INPUT bytes. */
static inline rn_bytes peer_expand(uint8_t *to, rn_bytes answer, rn_bytes head)
{
    static const char field[] = "\nSec-WebSocket-Accept: @KEY@";
    const size_t name_len = sizeof field - 6;
    rn_bytes key = peer_field(head, "Sec-WebSocket-Key: ");
    size_t len = 0;
    while (answer.len) {
        require(len + sizeof field + 28 < PEER_INPUT);
        bool found = answer.len >= name_len + 5 && !memcmp(answer.ptr, field, name_len + 5);
        size_t plain = found ? name_len : 1;
        memcpy(to + len, take_bytes(&answer, plain).ptr, plain);
        len += plain;
        if (!found || key.len != 24) continue;
        rn_ws_accept_key(key, (char *)to + len);
        (void)take_bytes(&answer, 5);
        len += 28;
    }
    return rn_bytes_of(to, len);
}

/* Lets a line whose peer has said all of its part come to its end: false when there is none. */
static inline bool peer_end_one(void)
{
    for (unsigned i = 0; i < BED_LINES; i++) {
        struct bed_line *line = &bed.lines[i];
        if (!line->open || !line->receiving || line->input.len || line->ending) continue;
        line->ending = true;
        return true;
    }
    return false;
}

/* Runs the task to its end. Who hears no more from a silent peer goes on when his time is up, and
 * is cancelled when he has none. */
static inline void peer_run(struct rn_task *task, const bool *over)
{
    require(rn_spawn(bed_worker(), task) == 0);
    for (unsigned turn = 0; !*over; turn++) {
        require(turn < BED_TURNS);
        if (bed_turn() || *over) continue;
        if (!bed.plan.silent && peer_end_one()) continue;
        if (bed_backend()->until == RN_NEVER) rn_task_cancel(rn_task_waker(bed_worker(), task));
        else bed_pass();
    }
    bed_check_idle();
}

#endif
