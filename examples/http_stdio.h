/*
 * One side of an HTTP/1 connection on standard input and output, for a server as inetd starts it:
 * what comes is parsed where it lies, in one buffer that begins with the request's head.
 */
#ifndef EXAMPLE_HTTP_STDIO_H
#define EXAMPLE_HTTP_STDIO_H

#include "blocking.h"
#include <runnel/http1.h>

static struct rn_http1_request request;
static uint8_t input[2 * RN_HTTP1_HEAD_MAX];
static size_t head_len, input_len;

/* Adds what comes next to the input; false at the end. */
static inline bool receive(void)
{
    ssize_t len = read(STDIN_FILENO, input + input_len, sizeof input - input_len);
    if (len > 0) input_len += (size_t)len;
    return len > 0;
}

static inline rn_bytes part(struct rn_http1_span span) { return rn_http1_slice(input, span); }

/* Whether the fields of that name list a token: they may stand more than once. */
static inline bool lists(const char *name, const char *token)
{
    unsigned index = 0;
    rn_bytes list;
    while (rn_http1_next_field(&request, input, name, &index, &list))
        if (rn_http1_list_has(list, token)) return true;
    return false;
}

/* An answer's head, and its body unless that is NULL. */
static inline void answer(unsigned status, const char *fields, const void *body, size_t len)
{
    const char *connection = request.minor == 0 ? "Connection: keep-alive\r\n" : "";
    char date[40];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
    printf("HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Length: %zu\r\n%s%s\r\n", status,
           rn_http1_reason(status), date, len, fields,
           request.keep_alive ? connection : "Connection: close\r\n");
    if (body && request.method != RN_HTTP1_HEAD) fwrite(body, 1, len, stdout);
    fflush(stdout);
}

static inline void answer_text(unsigned status)
{
    const char *reason = rn_http1_reason(status);
    answer(status, "Content-Type: text/plain\r\n", reason, strlen(reason));
}

/* The next request's head. False at the end of the connection, also after a bad request, which is
 * answered here. */
static inline bool next_request(void)
{
    rn_ssize len;
    rn_http1_request_init(&request);
    while ((len = rn_http1_parse_head(&request, input, input_len)) == 0)
        if (!receive()) return false;
    if (len < 0) {
        request.keep_alive = false;
        answer_text(request.status);
        fprintf(stderr, "%s\n", rn_error_name((int)len));
        return false;
    }
    head_len = (size_t)len;
    return true;
}

/* Takes the body off the connection and into a file, or with -1 nowhere: 0, or the status that says
 * what was wrong. What was read behind the body is the next request's, and stays. */
static inline unsigned take_body(int file)
{
    struct rn_http1_body body;
    rn_bytes data;
    unsigned status = 0;
    rn_http1_body_init(&body, &request);
    while (!rn_http1_body_done(&body)) {
        rn_ssize used = rn_http1_body_next(&body, input + head_len, input_len - head_len, &data);
        if (used == 0 && receive()) continue;
        if (used <= 0) {
            request.keep_alive = false;
            return used == RN_E_LIMIT ? 413 : 400;
        }
        if (file >= 0 && !write_all(file, data.ptr, data.len)) status = 507;
        input_len -= (size_t)used;
        memmove(input + head_len, input + head_len + used, input_len - head_len);
    }
    return status;
}

/* The head goes when the answer is out: the spans of the request refer to it. */
static inline bool end_request(void)
{
    input_len -= head_len;
    memmove(input, input + head_len, input_len);
    return request.keep_alive;
}

#endif
