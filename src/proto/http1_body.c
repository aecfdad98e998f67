/*
 * proto/http1_body.c: takes the framing off a request's body (RFC 9112, sections 6 and 7).
 *
 * All but content goes through one table: the bytes that each state takes, and where they lead.
 */
#include <runnel/http1.h>
#include "base/bytes.h"
#include "proto/http1_text.h"

enum { SIZE_DIGITS_MAX = 16 };

/* What comes next. */
enum state {
    REFUSED, /* nothing: a byte was not in the table */
    DONE,
    CONTENT, /* of a body with a length */
    DATA,    /* of a chunk */
    SIZE_START,
    SIZE,
    SEMICOLON,  /* after white space behind a size or a value */
    NAME_START, /* of a chunk extension */
    NAME,
    EQUALS, /* or a semicolon, after white space behind a name */
    VALUE_START,
    VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    SIZE_LF,
    DATA_CR,
    DATA_LF,
    TRAILER, /* a field line of the trailer section, or the empty line at its end */
    FIELD_NAME,
    FIELD_VALUE,
    FIELD_LF,
    END_LF,
};

enum { FIRST = SIZE_START, CHOICES = 5, CLASS = 0x80 };

/* White space around the parts of an extension is bad, but must be taken (RFC 9112, section 7.1.1).
 * Where no extension follows it is refused: implementations disagree there, which is what request
 * smuggling lives on. `in` is a byte, or a class where `next` says so. */
struct choice {
    uint8_t in;
    uint8_t next;
};
static const struct row {
    struct choice choices[CHOICES];
} table[] = {
#define ONE(byte, next) {byte, next}
#define ANY(class, next) {RN_HTTP1_##class, CLASS | (next)}
    [SIZE_START - FIRST] = {{ANY(HEX, SIZE)}},
    [SIZE - FIRST] = {{ANY(HEX, SIZE), ONE('\r', SIZE_LF), ONE(';', NAME_START),
                       ANY(SPACE, SEMICOLON)}},
    [SEMICOLON - FIRST] = {{ONE(';', NAME_START), ANY(SPACE, SEMICOLON)}},
    [NAME_START - FIRST] = {{ANY(TOKEN, NAME), ANY(SPACE, NAME_START)}},
    [NAME - FIRST] = {{ANY(TOKEN, NAME), ONE('=', VALUE_START), ONE('\r', SIZE_LF),
                       ONE(';', NAME_START), ANY(SPACE, EQUALS)}},
    [EQUALS - FIRST] = {{ONE('=', VALUE_START), ONE(';', NAME_START), ANY(SPACE, EQUALS)}},
    [VALUE_START - FIRST] = {{ANY(TOKEN, VALUE), ONE('"', QUOTED), ANY(SPACE, VALUE_START)}},
    [VALUE - FIRST] = {{ANY(TOKEN, VALUE), ONE('\r', SIZE_LF), ONE(';', NAME_START),
                        ANY(SPACE, SEMICOLON)}},
    [QUOTED - FIRST] = {{ONE('"', QUOTED_END), ONE('\\', ESCAPED), ANY(VALUE, QUOTED)}},
    [ESCAPED - FIRST] = {{ANY(VALUE, QUOTED)}},
    [QUOTED_END - FIRST] = {{ONE('\r', SIZE_LF), ONE(';', NAME_START), ANY(SPACE, SEMICOLON)}},
    [SIZE_LF - FIRST] = {{ONE('\n', DATA)}},
    [DATA_CR - FIRST] = {{ONE('\r', DATA_LF)}},
    [DATA_LF - FIRST] = {{ONE('\n', SIZE_START)}},
    [TRAILER - FIRST] = {{ANY(TOKEN, FIELD_NAME), ONE('\r', END_LF)}},
    [FIELD_NAME - FIRST] = {{ANY(TOKEN, FIELD_NAME), ONE(':', FIELD_VALUE)}},
    [FIELD_VALUE - FIRST] = {{ANY(VALUE, FIELD_VALUE), ONE('\r', FIELD_LF)}},
    [FIELD_LF - FIRST] = {{ONE('\n', TRAILER)}},
    [END_LF - FIRST] = {{ONE('\n', DONE)}},
};

static unsigned next_state(unsigned state, uint8_t byte)
{
    const struct choice *choice = table[state - FIRST].choices, *end = choice + CHOICES;
    unsigned class = rn_http1_class[byte];
    for (; choice < end; choice++) {
        if (choice->next & CLASS ? class & choice->in : choice->in == byte)
            return choice->next & ~(unsigned)CLASS;
    }
    return REFUSED;
}

/* Takes one byte of the framing in; returns 0 or an error. */
static rn_ssize take(struct rn_http1_body *body, uint8_t byte)
{
    unsigned next = next_state(body->state, byte), line = body->line + 1u;
    unsigned line_max = body->state < TRAILER ? RN_HTTP1_CHUNK_LINE_MAX : RN_HTTP1_TRAILER_MAX;
    if (next == SIZE) {
        /* As many as 64 bits hold, so that no size overflows and zeros don't pile up. */
        if (line > SIZE_DIGITS_MAX) next = REFUSED;
        body->remaining = body->remaining << 4 | ((byte & 0xf) + (byte >> 6) * 9u);
    }
    if (line > line_max) next = REFUSED;
    if (next == DATA || next == SIZE_START) line = 0;
    if (next == DATA && body->remaining == 0) next = TRAILER;
    body->line = (uint16_t)line;
    body->state = (uint8_t)next;
    if (next != REFUSED) return 0;
    return line > line_max ? RN_E_LIMIT : RN_E_PROTOCOL;
}

void rn_http1_body_init(struct rn_http1_body *body, const struct rn_http1_request *request)
{
    *body = (struct rn_http1_body){.remaining = request->content_length, .state = DONE};
    if (body->remaining > 0) body->state = CONTENT;
    if (request->framing == RN_HTTP1_CHUNKED) body->state = SIZE_START;
}

bool rn_http1_body_done(const struct rn_http1_body *body)
{
    return body->state == DONE;
}

rn_ssize rn_http1_body_next(struct rn_http1_body *body, const uint8_t *in, size_t len,
                            rn_bytes *data)
{
    size_t at = 0;
    *data = rn_bytes_of(in, 0);
    while (at < len && body->state != DONE) {
        if (body->state == REFUSED) return RN_E_PROTOCOL;
        if (body->state >= FIRST) {
            rn_ssize error = take(body, in[at++]);
            if (error) return error;
            continue;
        }
        *data = rn_bytes_of(in + at, len - at);
        if (data->len > body->remaining) data->len = (size_t)body->remaining;
        body->remaining -= data->len;
        if (body->remaining == 0) body->state = body->state == DATA ? DATA_CR : DONE;
        return (rn_ssize)(at + data->len);
    }
    return (rn_ssize)at;
}
