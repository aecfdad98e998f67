/*
 * base/text.h: building text in a fixed buffer. What doesn't fit is cut.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>

#include "base/bytes.h"

struct rn_text {
    char *ptr;
    size_t len;
    size_t cap;
};

void rn_text_add(struct rn_text *text, const void *from, size_t len);

/* For functions with "...": no floating-point number is among the arguments, so none is saved. */
#if defined(RN_FREESTANDING) && defined(__x86_64__) && !defined(__clang__)
#define RN_NO_FLOATS __attribute__((target("general-regs-only")))
#else
#define RN_NO_FLOATS
#endif

/* %s const char *, %u uint64_t, %d int, %b const void * and size_t, %% itself. Not printf's: %u is
 * always 64 bits. */
void rn_text_format(struct rn_text *text, const char *format, ...);
void rn_text_vformat(struct rn_text *text, const char *format, va_list arguments);

#endif
