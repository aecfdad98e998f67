/*
 * What an HTTP connection said, taken apart by a reader of its own, strictly: heads without the
 * date, content without its chunks, WebSocket messages without their fragments. Two connections
 * that were told the same must say the same, however the wire cut it.
 */
#ifndef TESTS_ANSWERS_H
#define TESTS_ANSWERS_H

#include "fuzz.h"

#include <ctype.h>

#include <runnel/http1.h>

#include "ws_log.h"

enum { ANSWERS_TEXT = 1 << 20, ANSWERS_REQUESTS = 4096 };

/* What was asked, as far as it is well-formed. */
struct questions {
    bool head[ANSWERS_REQUESTS];
    unsigned count;
    bool more; /* something follows that is malformed or incomplete */
};

struct answers {
    char text[ANSWERS_TEXT];
    size_t len;
    unsigned count;  /* final ones */
    bool closes;     /* the last one said so */
    bool incomplete; /* the last one was cut off, or ends with the connection */
    bool upgraded;
};

static inline void questions_read(struct questions *questions, rn_bytes in)
{
    questions->count = 0;
    while (in.len && questions->count < ANSWERS_REQUESTS) {
        struct rn_http1_request request;
        struct rn_http1_body body;
        rn_bytes piece;
        questions->more = true;
        rn_http1_request_init(&request);
        rn_ssize len = rn_http1_parse_head(&request, in.ptr, in.len);
        if (len <= 0) return;
        questions->head[questions->count] = request.method == RN_HTTP1_HEAD;
        in = rn_bytes_of(in.ptr + len, in.len - (size_t)len);
        rn_http1_body_init(&body, &request);
        while (!rn_http1_body_done(&body)) {
            len = rn_http1_body_next(&body, in.ptr, in.len, &piece);
            if (len <= 0) return;
            in = rn_bytes_of(in.ptr + len, in.len - (size_t)len);
        }
        questions->count++;
    }
    questions->more = in.len > 0;
}

static inline void answers_put(struct answers *answers, const void *bytes, size_t len)
{
    require(answers->len + len < ANSWERS_TEXT);
    if (len) memcpy(answers->text + answers->len, bytes, len);
    answers->len += len;
    answers->text[answers->len] = 0;
}

/* The line up to its CR LF; false when it isn't whole. */
static inline bool take_line(rn_bytes *in, rn_bytes *line)
{
    const uint8_t *end = in->len ? memchr(in->ptr, '\n', in->len) : NULL;
    if (!end) return false;
    *line = take_bytes(in, (size_t)(end - in->ptr) + 1);
    require(line->len >= 2 && line->ptr[line->len - 2] == '\r');
    line->len -= 2;
    require(!line->len || !memchr(line->ptr, '\r', line->len));
    return true;
}

struct answer_head {
    unsigned status;
    uint64_t length;
    bool has_length;
    bool chunked;
    bool closes;
};

static inline bool is_field(rn_bytes line, const char *name)
{
    size_t len = strlen(name);
    return line.len > len && line.ptr[len] == ':' &&
           !strncasecmp((const char *)line.ptr, name, len);
}

static inline void answer_field(struct answer_head *head, rn_bytes line)
{
    char value[64];
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    require(colon && colon > line.ptr && colon[1] == ' ');
    for (const uint8_t *at = line.ptr; at < colon; at++) require(isalnum(*at) || *at == '-');
    snprintf(value, sizeof value, "%.*s", (int)(line.ptr + line.len - colon - 2), colon + 2);
    if (is_field(line, "Content-Length")) {
        require(!head->has_length);
        head->has_length = true;
        head->length = strtoull(value, NULL, 10);
    } else if (is_field(line, "Transfer-Encoding")) {
        require(!strcmp(value, "chunked"));
        head->chunked = true;
    } else if (is_field(line, "Connection")) {
        head->closes = !strcasecmp(value, "close");
    }
}

static inline bool answer_head(struct answers *answers, rn_bytes *in, struct answer_head *head)
{
    rn_bytes line;
    size_t start = answers->len;
    *head = (struct answer_head){0};
    if (!take_line(in, &line)) return false;
    require(line.len > 13 && !memcmp(line.ptr, "HTTP/1.1 ", 9) && line.ptr[12] == ' ');
    head->status = (unsigned)atoi((const char *)line.ptr + 9);
    require(head->status >= 100 && head->status < 600);
    do {
        answers_put(answers, line.ptr, line.len);
        answers_put(answers, "\n", 1);
        do {
            if (!take_line(in, &line)) return false;
            if (line.len) answer_field(head, line);
        } while (is_field(line, "Date"));
    } while (line.len);
    require(!head->chunked || !head->has_length);
    if (head->status == 100) answers->len = start; /* a body that is there needs no 100 */
    return true;
}

static inline bool answer_chunks(struct answers *answers, rn_bytes *in)
{
    rn_bytes line;
    for (;;) {
        char *end;
        if (!take_line(in, &line)) return false;
        require(line.len > 0 && isxdigit(line.ptr[0]));
        size_t size = strtoull((const char *)line.ptr, &end, 16);
        require(end == (const char *)line.ptr + line.len);
        if (in->len < size) return false;
        answers_put(answers, in->ptr, size);
        take_bytes(in, size);
        if (!take_line(in, &line)) return false;
        require(line.len == 0);
        if (!size) return true;
    }
}

static inline void answer_messages(struct answers *answers, rn_bytes in)
{
    struct ws_log log;
    ws_log_init(&log, RN_WS_CLIENT, UINT64_MAX);
    if (in.len) ws_log_feed(&log, in.ptr, in.len);
    answers_put(answers, log.text, log.len);
    ws_log_free(&log);
    answers->upgraded = true;
}

/* The next answer; false at the end. What is incomplete is left out: how much of it came is not
 * the machine's to say. */
static inline bool answers_next(struct answers *answers, rn_bytes *in, bool to_head)
{
    struct answer_head head;
    size_t start = answers->len;
    bool whole = in->len && answer_head(answers, in, &head);
    if (whole && head.status == 101) {
        answer_messages(answers, *in);
        return false;
    }
    if (whole && head.status >= 200) {
        bool none = to_head || head.status == 204 || head.status == 304;
        if (none) {
            /* without content */
        } else if (head.chunked) {
            whole = answer_chunks(answers, in);
        } else if (head.has_length && in->len >= head.length) {
            rn_bytes content = take_bytes(in, head.length);
            answers_put(answers, content.ptr, content.len);
        } else {
            whole = false;
        }
    }
    if (!whole) {
        answers->incomplete = in->len || answers->len != start;
        answers->len = start;
        return false;
    }
    answers->count += head.status >= 200;
    answers->closes = head.closes;
    return true;
}

static inline void answers_read(struct answers *answers, const uint8_t *bytes, size_t len,
                                const struct questions *questions)
{
    rn_bytes in = rn_bytes_of(bytes, len);
    answers->len = answers->count = 0;
    answers->closes = answers->incomplete = answers->upgraded = false;
    while (answers_next(answers, &in, answers->count < questions->count &&
                                          questions->head[answers->count])) {}
    require(answers->upgraded || answers->incomplete || !in.len);
    require(!answers->closes || !in.len); /* nothing follows the last */
}

#endif
