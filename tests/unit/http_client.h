/*
 * A blocking HTTP client for tests, which keeps the last answer. Who includes it says how to dial.
 */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(void);

struct answer {
    int status;
    char head[4096];
    uint8_t *body; /* and a terminator */
    size_t len, cap;
};

static struct answer answer; /* the last one */

static inline void send_all(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The value of a field of the last answer, or NULL. */
static const char *field(const char *name)
{
    static char values[4][512];
    static unsigned next;
    size_t len = strlen(name);
    for (const char *line = strstr(answer.head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
        char *value = values[next++ % 4];
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(line + len + 2, "\r"),
                 line + len + 2);
        return value;
    }
    return NULL;
}

static inline void assert_field(const char *name, const char *value)
{
    const char *found = field(name);
    if (!value) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, value);
}

/* With io_uring in the same process even an idle receive can be interrupted. */
static ssize_t receive(int fd, void *to, size_t len)
{
    ssize_t count;
    do count = recv(fd, to, len, 0);
    while (count < 0 && errno == EINTR);
    return count;
}

static void read_exactly(int fd, void *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t count = receive(fd, (char *)to + have, len - have);
        if (count <= 0) fail_msg("%zu of %zu: %s", have, len, count ? strerror(errno) : "end");
        have += (size_t)count;
    }
}

static void read_line(int fd, char *line, size_t cap)
{
    size_t len = 0;
    do {
        assert_true(len + 1 < cap);
        read_exactly(fd, line + len++, 1);
    } while (len < 2 || memcmp(line + len - 2, "\r\n", 2) != 0);
    line[len] = 0;
}

static void make_room(size_t len)
{
    if (answer.len + len < answer.cap) return;
    answer.cap = 2 * (answer.len + len) + 1;
    answer.body = realloc(answer.body, answer.cap);
}

static void read_body(int fd, size_t len)
{
    make_room(len);
    read_exactly(fd, answer.body + answer.len, len);
    answer.len += len;
    answer.body[answer.len] = 0;
}

static void read_chunks(int fd)
{
    char line[64];
    size_t len;
    do {
        read_line(fd, line, sizeof line);
        len = strtoul(line, NULL, 16);
        read_body(fd, len);
        read_line(fd, line, sizeof line);
        assert_string_equal(line, "\r\n");
    } while (len);
}

static void read_answer_head(int fd)
{
    size_t at = 0;
    do {
        read_line(fd, answer.head + at, sizeof answer.head - at);
        at += strlen(answer.head + at);
    } while (strcmp(answer.head + at - 4, "\r\n\r\n") != 0);
    answer.status = atoi(answer.head + 9);
    answer.len = 0;
    read_body(fd, 0);
}

/* Reads the whole next answer. */
static inline void read_answer(int fd, bool to_head)
{
    read_answer_head(fd);
    const char *length = field("Content-Length");
    if (to_head || answer.status == 304) return;
    if (length) {
        read_body(fd, strtoull(length, NULL, 10));
    } else if (field("Transfer-Encoding")) {
        read_chunks(fd);
    } else {
        ssize_t count;
        do {
            make_room(65536);
            count = receive(fd, answer.body + answer.len, 65536);
            assert_true(count >= 0);
            answer.len += (size_t)count;
        } while (count);
        answer.body[answer.len] = 0;
    }
}

/* One request on a connection of its own. `fields` is NULL or lines, each with its CRLF. */
static inline int ask(const char *method, const char *target, const char *fields)
{
    char request[16384];
    int fd = dial();
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, target,
             fields ? fields : "");
    send_all(fd, request);
    read_answer(fd, strcmp(method, "HEAD") == 0);
    close(fd);
    return answer.status;
}

static inline int get(const char *target, const char *fields)
{
    return ask("GET", target, fields);
}

static inline void assert_body(const void *data, size_t len)
{
    assert_int_equal(answer.len, len);
    assert_memory_equal(answer.body, data, len);
}

#endif
