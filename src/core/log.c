/*
 * core/log.c: see runnel/log.h. A write may block on a pipe or a terminal that nobody reads, and
 * O_NONBLOCK would be set for everybody who shares the descriptor: so the descriptor is polled
 * first, and at most PIPE_BUF bytes are written, which poll(2) promises a pipe has room for.
 */
#include <runnel/log.h>

#include "base/text.h"
#include "sys/sys.h"

enum { WRITE_MAX = 4096 };

static bool writable(int fd)
{
    struct rn_k_pollfd poll = {.fd = fd, .events = RN_K_POLLOUT};
    struct rn_k_timespec at_once = {0};
    return rn_sys_ppoll(&poll, 1, &at_once, NULL) == 1 && (poll.revents & RN_K_POLLOUT);
}

static uint32_t whole_lines(const struct rn_log *log)
{
    uint32_t len = log->len < WRITE_MAX ? log->len : WRITE_MAX;
    while (len && log->buffer[len - 1] != '\n') len--;
    return len;
}

static void consume(struct rn_log *log, uint32_t len)
{
    log->len -= len;
    memmove(log->buffer, log->buffer + len, log->len);
}

static void count_lines(struct rn_log *log, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        log->dropped += log->buffer[i] == '\n';
        log->untold += log->buffer[i] == '\n';
    }
}

void rn_log_flush(struct rn_log *log)
{
    int fd = *log->fd;
    while (log->len && fd >= 0 && writable(fd)) {
        uint32_t len = whole_lines(log);
        long written = rn_sys_write(fd, log->buffer, len);
        if (written == -RN_K_EINTR || written == -RN_K_EAGAIN) return;
        /* a full disk, a pipe without a reader: these lines are lost, later ones may not be */
        if (written < 0) {
            count_lines(log, len);
            written = len;
        }
        consume(log, (uint32_t)written);
    }
}

static bool add_line(struct rn_log *log, const struct rn_text *line)
{
    if (RN_LOG_BUFFER - log->len < line->len) rn_log_flush(log);
    if (RN_LOG_BUFFER - log->len < line->len) return false;
    memcpy(log->buffer + log->len, line->ptr, line->len);
    log->len += (uint32_t)line->len;
    return true;
}

void rn_log_line(struct rn_log *log, const char *format, ...)
{
    char buffer[RN_LOG_LINE_MAX];
    struct rn_text line = {.ptr = buffer, .cap = sizeof buffer - 1};
    if (*log->fd < 0) return;
    if (log->untold) {
        rn_text_format(&line, "(%u lines were dropped)\n", log->untold);
        if (add_line(log, &line)) log->untold = 0;
        line.len = 0;
    }
    va_list arguments;
    va_start(arguments, format);
    rn_text_vformat(&line, format, arguments);
    va_end(arguments);
    buffer[line.len++] = '\n';
    if (!add_line(log, &line)) {
        log->dropped++;
        log->untold++;
    }
    if (log->per_line) rn_log_flush(log);
}
