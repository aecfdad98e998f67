/*
 * proto/http1_text.c: classes of bytes, and looking up fields in a parsed head.
 */
#include <runnel/http1.h>
#include "base/bytes.h"
#include "proto/http1_text.h"
#include "proto/http_list.h"

enum {
    TOKEN = RN_HTTP1_TOKEN,
    QUERY = RN_HTTP1_QUERY,
    HOST = RN_HTTP1_HOST,
    VALUE = RN_HTTP1_VALUE,
    TARGET = RN_HTTP1_PATH | RN_HTTP1_QUERY,
    EVERYWHERE = TOKEN | TARGET | HOST | VALUE,
    HEX_DIGIT = EVERYWHERE | RN_HTTP1_HEX | RN_HTTP1_IPV6,
};

/*
 * A target may hold what RFC 3986 allows, and what the WHATWG URL standard lets a browser send as
 * it is: "[]|" in a path, and "^`{}\" too in a query. Neither ever holds controls, white space,
 * '"', '#', '<', '>' or bytes above 0x7e. A host holds no ',' although RFC 3986 allows it: repeated
 * Host fields that were joined on the way must not look like a valid one.
 */
const uint8_t rn_http1_class[256] = {
    ['\t'] = VALUE | RN_HTTP1_SPACE,
    [' '] = VALUE | RN_HTTP1_SPACE,
    ['!'] = EVERYWHERE,
    ['"'] = VALUE,
    ['#'] = TOKEN | VALUE,
    ['$' ... '\''] = EVERYWHERE,
    ['(' ... ')'] = TARGET | HOST | VALUE,
    ['*' ... '+'] = EVERYWHERE,
    [','] = TARGET | VALUE,
    ['-'] = EVERYWHERE,
    ['.'] = EVERYWHERE | RN_HTTP1_IPV6,
    ['/'] = TARGET | VALUE,
    ['0' ... '9'] = HEX_DIGIT,
    [':'] = TARGET | VALUE | RN_HTTP1_IPV6,
    [';'] = TARGET | HOST | VALUE,
    ['<'] = VALUE,
    ['='] = TARGET | HOST | VALUE,
    ['>'] = VALUE,
    ['?'] = QUERY | VALUE,
    ['@'] = TARGET | VALUE,
    ['A' ... 'F'] = HEX_DIGIT,
    ['G' ... 'Z'] = EVERYWHERE,
    ['['] = TARGET | VALUE,
    ['\\'] = QUERY | VALUE,
    [']'] = TARGET | VALUE,
    ['^'] = TOKEN | QUERY | VALUE,
    ['_'] = EVERYWHERE,
    ['`'] = TOKEN | QUERY | VALUE,
    ['a' ... 'f'] = HEX_DIGIT,
    ['g' ... 'z'] = EVERYWHERE,
    ['{'] = QUERY | VALUE,
    ['|'] = TOKEN | TARGET | VALUE,
    ['}'] = QUERY | VALUE,
    ['~'] = EVERYWHERE,
    [0x80 ... 0xff] = VALUE,
};

bool rn_http1_list_has(rn_bytes list, const char *token)
{
    rn_bytes element, wanted = rn_bytes_text(token);
    while (rn_http_list_next(&list, &element))
        if (rn_bytes_equal_nocase(element, wanted)) return true;
    return false;
}

bool rn_http1_next_field(const struct rn_http1_request *request, const uint8_t *head,
                         const char *name, unsigned *index, rn_bytes *value)
{
    rn_bytes wanted = rn_bytes_text(name);
    while (*index < request->field_count) {
        const struct rn_http1_field *field = &request->fields[(*index)++];
        if (!rn_bytes_equal_nocase(rn_http1_slice(head, field->name), wanted)) continue;
        *value = rn_http1_slice(head, field->value);
        return true;
    }
    return false;
}

rn_bytes rn_http1_find_field(const struct rn_http1_request *request, const uint8_t *head,
                             const char *name)
{
    rn_bytes value = {NULL, 0};
    unsigned index = 0;
    (void)rn_http1_next_field(request, head, name, &index, &value);
    return value;
}
