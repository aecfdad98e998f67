/*
 * base/text.c: see text.h.
 */
#include "base/text.h"

void rn_text_add(struct rn_text *text, const void *from, size_t len)
{
    size_t room = text->cap - text->len;
    if (len > room) {
        len = room;
        text->cut = true;
    }
    memcpy(text->ptr + text->len, from, len);
    text->len += len;
}

static size_t format_hex(char *to, uint64_t value)
{
    size_t count = 0;
    unsigned shift = 60;
    while (shift && !(value >> shift)) shift -= 4;
    for (;; shift -= 4) {
        to[count++] = "0123456789abcdef"[(value >> shift) & 15];
        if (!shift) return count;
    }
}

static void add_number(struct rn_text *text, uint64_t value, bool hex)
{
    char digits[20];
    rn_text_add(text, digits, hex ? format_hex(digits, value) : rn_format_u64(digits, value));
}

void rn_text_vformat(struct rn_text *text, const char *format, va_list arguments)
{
    const char *from = format;
    for (; *format; format++) {
        if (*format != '%') continue;
        rn_text_add(text, from, (size_t)(format - from));
        from = format + 2;
        const void *ptr;
        int number;
        switch (*++format) {
        case 's':
            ptr = va_arg(arguments, const char *);
            rn_text_add(text, ptr, strlen(ptr));
            break;
        case 'b':
            ptr = va_arg(arguments, const void *);
            rn_text_add(text, ptr, va_arg(arguments, size_t));
            break;
        case 'd':
            number = va_arg(arguments, int);
            if (number < 0) rn_text_add(text, "-", 1);
            add_number(text, number < 0 ? -(uint64_t)number : (uint64_t)number, false);
            break;
        case 'u': add_number(text, va_arg(arguments, uint64_t), false); break;
        case 'x': add_number(text, va_arg(arguments, uint64_t), true); break;
        default: from = format; /* "%%", and anything unknown as it stands */
        }
    }
    rn_text_add(text, from, (size_t)(format - from));
}

void rn_text_format(struct rn_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rn_text_vformat(text, format, arguments);
    va_end(arguments);
}
