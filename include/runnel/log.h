/*
 * runnel/log.h: lines to a descriptor, buffered for each worker, never blocking: what can't be
 * written is counted and the count is written when it can.
 */
#ifndef RUNNEL_LOG_H
#define RUNNEL_LOG_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rn_log_level { RN_LOG_ERROR, RN_LOG_WARN, RN_LOG_INFO, RN_LOG_DEBUG, RN_LOG_LEVELS };

enum { RN_LOG_BUFFER = 8192, RN_LOG_LINE_MAX = 1024 };

/* One writer's lines: a worker has its own, so there is no lock. */
struct rn_log {
    /* where to; -1: off. Read at each flush, so that a log can be reopened under it */
    const int *fd;
    uint64_t dropped;   /* lines that were lost, and that the log doesn't tell of yet */
    uint64_t telling;   /* lost ones that what is buffered tells of, less its own lines for it */
    uint32_t len;
    bool per_line;      /* flush after each line: for programs without a loop */
    char buffer[RN_LOG_BUFFER];
};

/* A line from a format as rn_text_format has it (%s, %u of uint64_t, %d of int, %b of pointer and
 * size_t); the newline is added. Cut at RN_LOG_LINE_MAX. */
void rn_log_line(struct rn_log *log, const char *format, ...);

/* Writes what is buffered, as far as the descriptor takes it now. */
void rn_log_flush(struct rn_log *log);

#ifdef __cplusplus
}
#endif
#endif
