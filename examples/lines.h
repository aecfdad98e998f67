/*
 * What servers of lines share: each connection is a fiber, which gives each of its lines to a
 * function, and sends back what that wrote. A line that is too long ends the connection.
 */
#ifndef LINES_H
#define LINES_H

#include "example.h"

enum {
    LINES_LINE = 64,    /* bytes of a line, with the terminator that it gets */
    LINES_ANSWER = 256, /* room for an answer; its line feed is added */
    LINES_FIBERS = 1000,
    LINES_STACK = 65536,
};

struct lines {
    struct rn_fiber fiber;
    struct rn_fiber_stream stream;
};

static struct rn_fiber_pool lines_stacks;
static void (*lines_answer)(const char *line, char *to); /* in a fiber: it may wait */

static int64_t lines_run(void *argument)
{
    struct lines *lines = argument;
    struct rn_reader reader;
    char memory[LINES_LINE], line[LINES_LINE], answer[LINES_ANSWER + 1];
    rn_reader_init(&reader, rn_stream_of(rn_worker_current(), lines->stream.fd), memory,
                   sizeof memory);
    for (;;) {
        rn_reader_line(&reader);
        rn_fiber_await(&reader.future);
        if (reader.result <= 0) break;
        snprintf(line, sizeof line, "%.*s", (int)reader.data.len, (const char *)reader.data.ptr);
        lines_answer(line, answer);
        strcat(answer, "\n");
        if (rn_fiber_write_all(&lines->stream, answer, strlen(answer)) < 0) break;
    }
    rn_fiber_close(&lines->stream);
    return 0;
}

static void lines_accepted(struct rn_listener *listener, int fd)
{
    struct lines *lines = calloc(1, sizeof *lines);
    rn_fiber_stream_of(&lines->stream, fd);
    lines->stream.write_timeout = 30 * RN_SECOND;
    example_spawn_fiber(listener, &lines->fiber, &lines_stacks, fd, lines_run);
}

/* Serves with the program's arguments, [ADDRESS] [BACKEND], until ctrl-C. */
static inline int lines_serve(int argc, char **argv, void (*answer)(const char *line, char *to))
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_check(rn_fiber_pool_init(&lines_stacks, LINES_FIBERS, LINES_STACK), "stacks");
    lines_answer = answer;
    return example_serve(lines_accepted, NULL);
}

#endif
