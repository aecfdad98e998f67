/*
 * base/text.c: see text.h.
 */
#include "base/text.h"

void rn_text_add(struct rn_text *text, const void *from, size_t len)
{
    size_t room = text->cap - text->len;
    if (len > room) len = room;
    memcpy(text->ptr + text->len, from, len);
    text->len += len;
}

void rn_text_vformat(struct rn_text *text, const char *format, va_list arguments)
{
    const char *from = format;
    for (; *format; format++) {
        if (*format != '%') continue;
        rn_text_add(text, from, (size_t)(format - from));
        from = ++format;
        if (*format == '%') continue;
        from++;
        /* Every argument that is no longer takes 64 bits here, also an int: so do the ABIs pass
         * them. */
        uint64_t value = va_arg(arguments, uint64_t);
        const char *ptr = (const char *)value;
        char digits[20];
        size_t len;
        if (*format == 's') {
            len = strlen(ptr);
        } else if (*format == 'b') {
            len = va_arg(arguments, size_t);
        } else {
            if (*format == 'd') value = (uint64_t)(int)value;
            if (*format == 'd' && (int)value < 0) {
                rn_text_add(text, "-", 1);
                value = -value;
            }
            ptr = digits;
            len = rn_format_u64(digits, value);
        }
        rn_text_add(text, ptr, len);
    }
    rn_text_add(text, from, (size_t)(format - from));
}

RN_NO_FLOATS void rn_text_format(struct rn_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rn_text_vformat(text, format, arguments);
    va_end(arguments);
}
