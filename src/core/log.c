/*
 * core/log.c: see runnel/log.h. A write may block on a pipe or a terminal that nobody reads, and
 * O_NONBLOCK would be set for everybody who shares the descriptor: so the descriptor is polled
 * first, and at most PIPE_BUF bytes are written, which poll(2) promises a pipe has room for.
 */
#include <runnel/log.h>

#include "base/text.h"
#include "sys/sys.h"

enum {
    WRITE_MAX = 4096,
    LINE_ROOM = RN_LOG_LINE_MAX + 64, /* with what tells of the lines before it */
};

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

void rn_log_flush(struct rn_log *log)
{
    int fd = *log->fd;
    while (log->len && fd >= 0 && writable(fd)) {
        uint32_t len = whole_lines(log);
        long written = rn_sys_write(fd, log->buffer, len);
        if (written == -RN_K_EINTR || written == -RN_K_EAGAIN) return;
        /* A full disk, a pipe without a reader: what is buffered is lost, with what it told of
         * lines lost before; later lines may not be. */
        if (written < 0) {
            for (written = 0; written < log->len; written++)
                log->dropped += log->buffer[written] == '\n';
            log->dropped += log->telling;
        }
        log->len -= (uint32_t)written;
        if (!log->len) log->telling = 0;
        memmove(log->buffer, log->buffer + written, log->len);
    }
}

RN_NO_FLOATS void rn_log_line(struct rn_log *log, const char *format, ...)
{
    if (*log->fd < 0) return;
    if (log->len > RN_LOG_BUFFER - LINE_ROOM) rn_log_flush(log);
    if (log->len > RN_LOG_BUFFER - LINE_ROOM) {
        log->dropped++;
        return;
    }
    struct rn_text text = {.ptr = log->buffer, .len = log->len, .cap = RN_LOG_BUFFER};
    if (log->dropped) {
        rn_text_format(&text, "(%u lines were dropped)\n", log->dropped);
        log->telling += log->dropped - 1; /* that line is none of those that count */
    }
    log->dropped = 0;
    text.cap = text.len + RN_LOG_LINE_MAX - 1;
    va_list arguments;
    va_start(arguments, format);
    rn_text_vformat(&text, format, arguments);
    va_end(arguments);
    text.ptr[text.len++] = '\n';
    log->len = (uint32_t)text.len;
    if (log->per_line) rn_log_flush(log);
}
