/*
 * A machine to test drivers with: lines in, each a command that says what to answer and how.
 *
 *     echo TEXT     the text and a line feed
 *     copy N        N bytes of the pattern, copied into the output as it has room
 *     slice N       N bytes of the pattern as a borrowed tail
 *     file AT N     a tail: N bytes of the machine's file, from AT on
 *     nothing       an empty tail
 *     tick MS       "tick" in so many milliseconds
 *     pause, close, done, abort    sets the flag
 *     slow          "slow" once `answered` is set and the driver kicked
 */
#ifndef TESTS_LINE_MACHINE_H
#define TESTS_LINE_MACHINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runnel/machine.h>

enum { PATTERN_SIZE = 1 << 20 };

struct line_machine {
    struct rn_machine machine;
    rn_ns deadline; /* set it to RN_NEVER */
    int file_fd;
    size_t copy_left;
    size_t copied;
    bool slow;       /* no further line before it is answered */
    bool busy;       /* has paused its input for that */
    bool answered;
    bool ignore_eof; /* otherwise the end of input is the end of all, after what is to be said */
    bool ending;
    bool greedy;     /* takes incomplete lines in, and drops them */
    struct rn_out_owner owner;
    /* What happened, to be looked at. */
    unsigned tails, releases;
    unsigned lines, ticks, eofs, shutdowns, calls;
    size_t longest; /* the longest input that a call brought */
};

/* Byte `at` of what copy and slice give: any loss, repetition or swap is seen. */
static inline uint8_t pattern(size_t at)
{
    return (uint8_t)("0123456789abcdef"[(at ^ at >> 4 ^ at >> 9 ^ at >> 13) & 15]);
}

static inline const uint8_t *pattern_bytes(void)
{
    static uint8_t bytes[PATTERN_SIZE];
    if (!bytes[0])
        for (size_t i = 0; i < PATTERN_SIZE; i++) bytes[i] = pattern(i);
    return bytes;
}

static void line_machine_release(struct rn_out_owner *owner)
{
    struct line_machine *line = rn_container_of(owner, struct line_machine, owner);
    if (++line->releases > line->tails) abort();
}

static inline void line_machine_put(struct rn_out *out, const char *text)
{
    size_t len = strlen(text);
    if (len > rn_out_room(out)) abort();
    memcpy(out->data + out->len, text, len);
    out->len += (uint32_t)len;
}

static void line_machine_tail(struct line_machine *line, struct rn_out *out)
{
    out->owner = &line->owner;
    out->sealed = true;
    line->tails++;
}

static bool line_machine_is(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static void line_machine_command(struct line_machine *line, rn_ns now, const char *text,
                                 struct rn_out *out)
{
    unsigned long a = 0, b = 0;
    line->lines++;
    if (line_machine_is(text, "echo ")) {
        line_machine_put(out, text + 5);
        line_machine_put(out, "\n");
    } else if (sscanf(text, "copy %lu", &a) == 1) {
        line->copy_left = a;
        line->copied = 0;
    } else if (sscanf(text, "slice %lu", &a) == 1) {
        if (a > PATTERN_SIZE) abort();
        out->slice = rn_bytes_of(pattern_bytes(), a);
        line_machine_tail(line, out);
    } else if (sscanf(text, "file %lu %lu", &a, &b) == 2) {
        out->file_fd = line->file_fd;
        out->file_offset = a;
        out->file_length = b;
        line_machine_tail(line, out);
    } else if (line_machine_is(text, "nothing")) {
        line_machine_tail(line, out);
    } else if (sscanf(text, "tick %lu", &a) == 1) {
        line->deadline = now + a * RN_MILLISECOND;
    } else if (line_machine_is(text, "slow")) {
        line->slow = true;
    } else if (line_machine_is(text, "pause")) {
        line->machine.flags |= RN_MACHINE_PAUSE;
    } else if (line_machine_is(text, "close")) {
        line->machine.flags |= RN_MACHINE_CLOSE;
    } else if (line_machine_is(text, "done")) {
        line->machine.flags |= RN_MACHINE_DONE;
    } else if (line_machine_is(text, "abort")) {
        line->machine.flags |= RN_MACHINE_ABORT;
    } else {
        abort();
    }
}

static size_t line_machine_input(struct rn_machine *machine, rn_ns now, uint8_t *in, size_t len,
                                 struct rn_out *out)
{
    struct line_machine *line = rn_container_of(machine, struct line_machine, machine);
    char text[512];
    line->calls++;
    if (machine->flags) abort(); /* paused or at its end */
    if (len > line->longest) line->longest = len;
    if (!len) {
        line->eofs++;
        if (!line->ignore_eof) line->ending = true;
        if (line->ending && !line->slow && !line->copy_left) machine->flags |= RN_MACHINE_DONE;
        return 0;
    }
    const uint8_t *end = memchr(in, '\n', len);
    if (line->slow || line->copy_left) {
        line->busy = true;
        machine->flags |= RN_MACHINE_PAUSE;
        return 0;
    }
    if (!end) return line->greedy ? len : 0;
    size_t count = (size_t)(end - in);
    if (count >= sizeof text) abort();
    if (rn_out_room(out) < count + 1) return 0;
    memcpy(text, in, count);
    text[count] = 0;
    memset(in, '#', count); /* the memory is the machine's to modify */
    line_machine_command(line, now, text, out);
    return count + 1;
}

static void line_machine_tick(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct line_machine *line = rn_container_of(machine, struct line_machine, machine);
    if (line->deadline > now) abort();
    line->deadline = RN_NEVER;
    line->ticks++;
    if (rn_out_room(out) >= 5) line_machine_put(out, "tick\n");
}

static bool line_machine_pop(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct line_machine *line = rn_container_of(machine, struct line_machine, machine);
    size_t room = rn_out_room(out);
    bool wrote = false;
    (void)now;
    if (!room) abort();
    if (line->answered && room >= 5) {
        line_machine_put(out, "slow\n");
        line->slow = line->answered = false;
        wrote = true;
    } else if (line->copy_left) {
        for (; line->copy_left && room; room--, line->copy_left--)
            out->data[out->len++] = pattern(line->copied++);
        wrote = true;
    }
    if (line->ending && !line->slow && !line->copy_left) machine->flags |= RN_MACHINE_DONE;
    if (line->busy && !line->slow && !line->copy_left) {
        line->busy = false;
        machine->flags &= (uint8_t)~RN_MACHINE_PAUSE;
    }
    return wrote;
}

static rn_ns line_machine_deadline(const struct rn_machine *machine)
{
    return rn_container_of(machine, struct line_machine, machine)->deadline;
}

static void line_machine_shutdown(struct rn_machine *machine, rn_ns now, struct rn_out *out)
{
    struct line_machine *line = rn_container_of(machine, struct line_machine, machine);
    (void)now;
    line->shutdowns++;
    if (rn_out_room(out) >= 4) line_machine_put(out, "bye\n");
    machine->flags |= RN_MACHINE_CLOSE;
}

static const struct rn_machine_vt line_machine_vt = {
    .name = "line",
    .on_input = line_machine_input,
    .on_tick = line_machine_tick,
    .pop_output = line_machine_pop,
    .deadline = line_machine_deadline,
    .on_shutdown = line_machine_shutdown,
};

static inline void line_machine_init(struct line_machine *line)
{
    *line = (struct line_machine){
        .machine.vt = &line_machine_vt,
        .deadline = RN_NEVER,
        .file_fd = -1,
        .owner.release = line_machine_release,
    };
}

#endif
