/*
 * proto/http1_head.c: a request's head: request line and fields (RFC 9112, sections 2 to 6).
 *
 * A state machine that stops at any byte and goes on behind it. What a field means is worked out
 * when its line is complete, the one time that its bytes are looked at again; the end of the head
 * then needs flags only. All limits and errors depend on positions alone, so that a head gets the
 * same answer however it was cut.
 */
#include <runnel/http1.h>
#include "base/bytes.h"
#include "proto/http1_head.h"
#include "proto/http1_text.h"
#include "proto/http_list.h"

enum { METHOD_MAX = 32, VERSION_LEN = 10 /* with its CR LF */ };

/* What comes next. */
enum state {
    START,
    EMPTY_LINE, /* the LF of an empty line before the request line */
    METHOD,
    PATH,
    QUERY,
    VERSION,
    LINE, /* of a field, or the empty one at the end of the head */
    NAME,
    VALUE,
    LINE_END, /* the LF of a field line */
    HEAD_END, /* the LF of the empty line */
    OVER,
};
_Static_assert(LINE == (enum state)RN_HTTP1_AT_FIELDS && OVER == (enum state)RN_HTTP1_AT_END,
               "as responses have it");

/* What the fields so far have said: request->seen. */
enum {
    ABSOLUTE = 1, /* the target had a host, which overrides the field (RFC 9112, section 3.2.2) */
    HOST = 2,
    LENGTH = RN_HTTP1_SEEN_LENGTH,
    CODING = RN_HTTP1_SEEN_CODING,
    CHUNKED = RN_HTTP1_SEEN_CHUNKED,
    OTHER_CODING = RN_HTTP1_SEEN_OTHER_CODING,
    CLOSE = RN_HTTP1_SEEN_CLOSE,
    KEEP_ALIVE = RN_HTTP1_SEEN_KEEP_ALIVE,
    UPGRADE = 256,
    WEBSOCKET = 512,
    CONTINUE = 1024,
    OTHER_EXPECTATION = 2048,
};

/* The fields with a meaning here, besides Host: they are told apart by the length of the name. */
enum {
    EXPECT_LEN = 6,
    UPGRADE_LEN = 7,
    CONNECTION_LEN = 10,
    CONTENT_LENGTH_LEN = 14,
    TRANSFER_ENCODING_LEN = 17,
};
static const char known_names[] = " expectupgradeconnectioncontent-lengthtransfer-encoding";
static const uint8_t known_at[] = {
    [EXPECT_LEN] = 1,          [UPGRADE_LEN] = 7,
    [CONNECTION_LEN] = 14,     [CONTENT_LENGTH_LEN] = 24,
    [TRANSFER_ENCODING_LEN] = 38,
};

/* The elements of lists with a meaning here. */
static const struct {
    uint8_t name_len; /* of the field */
    uint8_t len;
    uint16_t flag;
    char text[12];
} known_elements[] = {
    {CONNECTION_LEN, 10, KEEP_ALIVE, "keep-alive"},
    {CONNECTION_LEN, 5, CLOSE, "close"},
    {CONNECTION_LEN, 7, UPGRADE, "upgrade"},
    {UPGRADE_LEN, 9, WEBSOCKET, "websocket"},
    {TRANSFER_ENCODING_LEN, 7, CHUNKED, "chunked"},
    {EXPECT_LEN, 12, CONTINUE, "100-continue"},
};

/* In the order of enum rn_http1_method. */
static const char methods[][8] = {"GET",     "HEAD",  "POST",    "PUT",  "DELETE",
                                  "OPTIONS", "PATCH", "CONNECT", "TRACE"};

typedef uint8_t vector __attribute__((vector_size(16)));
typedef int8_t signed_vector __attribute__((vector_size(16)));

/* The bytes from `low` to `high`, both ASCII, in two operations: moved up until the highest is the
 * largest there is, what was above them is negative, and what was below compares less. One of them
 * may be left out. */
struct range {
    vector up;
    signed_vector less;
    vector without;
};
#define FOUR(byte) (byte), (byte), (byte), (byte)
#define ALL(byte) {FOUR(byte), FOUR(byte), FOUR(byte), FOUR(byte)}
#define RANGE(low, high, not) {ALL(127 - (high)), ALL(126 - (high) + (low)), ALL(not)}
static const struct range letters = RANGE('a', 'z', 0), printable = RANGE(' ', '~', 0),
                          word_range = RANGE('-', '9', '/'), target_range = RANGE('$', ';', 0);

static inline vector load(const uint8_t *from)
{
    vector bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

static inline vector within(vector bytes, const struct range *range)
{
    return (vector)((signed_vector)(bytes + range->up) > range->less);
}

/* The index of the first byte that a comparison left clear, 16 when there is none. */
static inline size_t first_clear(vector set)
{
#ifdef __SSE2__
    typedef char chars __attribute__((vector_size(16)));
    return (size_t)__builtin_ctzll(~(uint64_t)(unsigned)__builtin_ia32_pmovmskb128((chars)set));
#else
    typedef uint64_t halves __attribute__((vector_size(16)));
    uint64_t low = ~((halves)set)[0], high = ~((halves)set)[1];
    if (low) return (size_t)__builtin_ctzll(low) / 8;
    return high ? 8 + (size_t)__builtin_ctzll(high) / 8 : 16;
#endif
}

static inline vector words(vector bytes, const struct range *range)
{
    return within(bytes | 0x20, &letters) |
           (within(bytes, range) & (vector)(bytes != range->without));
}

/* Skips bytes of the class, to which letters and the range must belong: while there are only those,
 * 16 at a time. */
static size_t skip(const uint8_t *head, size_t at, size_t end, const struct range *range,
                   unsigned class)
{
    while (at + 16 <= end) {
        size_t count = first_clear(words(load(head + at), range));
        at += count;
        if (count < 16) break;
    }
    while (at < end && rn_http1_class[head[at]] & class) at++;
    return at;
}

/* Whether bytes that hold no controls equal lower-case letters, digits, '-', ':' and '/', in any
 * case. */
static bool same_nocase(const uint8_t *bytes, const char *lower, size_t len)
{
    for (; len > 0; len--)
        if ((*bytes++ | 0x20) != (uint8_t)*lower++) return false;
    return true;
}

static inline bool is_space(uint8_t byte)
{
    return rn_http1_class[byte] & RN_HTTP1_SPACE;
}

static inline struct rn_http1_span span(size_t from, size_t to)
{
    return (struct rn_http1_span){(uint16_t)from, (uint16_t)(to - from)};
}

/* What comes at `at` is read in that state, when there is more input. */
static inline rn_ssize pause(struct rn_http1_request *request, enum state state, size_t at)
{
    request->state = (uint8_t)state;
    return (rn_ssize)at;
}

static uint8_t method_of(const uint8_t *name, size_t len)
{
    uint64_t key = 0;
    if (len >= sizeof methods[0]) return RN_HTTP1_OTHER;
    while (len-- > 0) key = key << 8 | name[len];
    for (unsigned i = 0; i < RN_COUNT(methods); i++)
        if (rn_load64(methods[i]) == key) return (uint8_t)(i + 1);
    return RN_HTTP1_OTHER;
}

/*
 * Skips host [":" port] and returns where it ends, 0 when it is none (RFC 3986, section 3.2; what
 * stands in brackets is only checked for its characters). The bytes up to `end` are readable, and
 * one of them ends any host.
 */
static size_t skip_host(const uint8_t *head, size_t at, size_t end)
{
    size_t start = at;
    if (head[at] == '[') {
        do at++;
        while (rn_http1_class[head[at]] & RN_HTTP1_IPV6);
        if (head[at++] != ']' || at - start < 4) return 0;
    } else {
        at = skip(head, at, end, &word_range, RN_HTTP1_HOST);
        if (at == start) return 0;
    }
    if (head[at] == ':') do at++;
        while (rn_is_digit(head[at]));
    return at;
}

/* The other forms of a target (RFC 9112, section 3.2); request->path is all before '?' as yet. */
static RN_COLD bool other_target(struct rn_http1_request *request, const uint8_t *head,
                                 size_t end)
{
    struct rn_http1_span *path = &request->path;
    size_t at = path->at, path_end = at + path->len, host = at + 7;
    if (request->method == RN_HTTP1_CONNECT) {
        /* Only host:port with both, which a host alone can't end like (RFC 9112, section 3.2.3). */
        if (skip_host(head, at, end) != at + request->target.len) return false;
        for (at = path_end; rn_is_digit(head[at - 1]);) at--;
        return head[at - 1] == ':' && at < path_end;
    }
    if (head[at] == '*') return request->target.len == 1 && request->method == RN_HTTP1_OPTIONS;

    if (!same_nocase(head + at, "http://", 7)) return false;
    at = skip_host(head, host, end);
    if (at == 0) return false;
    request->host = span(host, at);
    request->seen |= ABSOLUTE;
    /* An empty path means "/" (RFC 9110, section 4.2.3); there is one right before the host. */
    *path = at == path_end ? span(host - 1, host) : span(at, path_end);
    return head[path->at] == '/';
}

/* Reads the version and the end of the line byte by byte. */
static rn_ssize version(struct rn_http1_request *request, const uint8_t *head, size_t at,
                        size_t end)
{
    static const char form[VERSION_LEN + 1] = "HTTP/0.0\r\n";
    size_t start = request->target.at + request->target.len + 1u;
    for (; at - start < VERSION_LEN; at++) {
        uint8_t wanted = (uint8_t)form[at - start];
        if (at == end) return pause(request, VERSION, at);
        if ((uint8_t)(head[at] - wanted) > (wanted == '0' ? 9 : 0)) return -400;
    }
    if (head[start + 5] != '1') return -505;
    /* A higher minor version is taken for the highest known (RFC 9110, section 2.5). */
    request->minor = head[start + 7] != '0';
    return pause(request, LINE, at);
}

/* Returns how far it came, or minus the status to refuse with. */
static rn_ssize request_line(struct rn_http1_request *request, const uint8_t *head, size_t at,
                             size_t end)
{
    size_t len;
    switch (request->state) {
    case START:
        if (at == end) return 0;
        if (end >= 4 && rn_load32(head) == rn_load32("GET ")) {
            request->method = RN_HTTP1_GET;
            request->method_name.len = 3;
            at = 4;
            goto target;
        }
        if (head[at] != '\r') goto method;
        at++;
        /* fall through */
    case EMPTY_LINE:
        if (at == end) return pause(request, EMPTY_LINE, at);
        if (head[at++] != '\n') return -400;
    method:
        request->method_name.at = (uint16_t)at;
        /* fall through */
    case METHOD:
        at = skip(head, at, end, &word_range, RN_HTTP1_TOKEN);
        len = at - request->method_name.at;
        if (len > METHOD_MAX) return -501;
        if (at == end) return pause(request, METHOD, at);
        if (head[at] != ' ' || len == 0) return -400;
        request->method_name.len = (uint16_t)len;
        request->method = method_of(head + at - len, len);
        at++;
    target:
        request->target.at = request->path.at = (uint16_t)at;
        /* fall through */
    case PATH:
        at = skip(head, at, end, &target_range, RN_HTTP1_PATH);
        len = at - request->target.at;
        if (len > RN_HTTP1_TARGET_MAX) return -414;
        if (at == end) return pause(request, PATH, at);
        request->path.len = (uint16_t)len;
        if (head[at] != '?') goto target_end;
        request->query.at = (uint16_t)++at;
        /* fall through */
    case QUERY:
        at = skip(head, at, end, &target_range, RN_HTTP1_QUERY);
        len = at - request->target.at;
        if (len > RN_HTTP1_TARGET_MAX) return -414;
        if (at == end) return pause(request, QUERY, at);
        request->query.len = (uint16_t)(at - request->query.at);
    target_end:
        if (head[at++] != ' ') return -400;
        request->target.len = (uint16_t)len;
        if (end - at >= VERSION_LEN && rn_load64(head + at) == rn_load64("HTTP/1.1") &&
            head[at + 8] == '\r' && head[at + 9] == '\n') {
            request->minor = 1;
            at = (size_t)pause(request, LINE, at + VERSION_LEN);
            break;
        }
        /* fall through */
    case VERSION:
        at = (size_t)version(request, head, at, end);
        if (request->state != LINE) return (rn_ssize)at;
    }
    /* Only now, since a version that isn't known may have other targets. */
    if ((head[request->path.at] != '/' || request->method == RN_HTTP1_CONNECT) &&
        !other_target(request, head, end))
        return -400;
    return (rn_ssize)at;
}

/* Reads a list whose elements have a meaning: connection options, protocols, codings, expectations.
 * One that isn't only a token is unknown. */
static bool list_field(struct rn_http1_request *request, size_t name_len, rn_bytes list)
{
    unsigned others = 0;
    rn_bytes element;
    if (name_len == EXPECT_LEN) others = OTHER_EXPECTATION;
    if (name_len == TRANSFER_ENCODING_LEN) {
        if (request->minor == 0 || request->seen & LENGTH) return false;
        request->seen |= CODING;
        others = OTHER_CODING;
    }
    while (rn_http_list_next(&list, &element)) {
        /* Chunked must be the last coding, and there once (RFC 9112, section 6.1). */
        if (others == OTHER_CODING && request->seen & CHUNKED) return false;
        unsigned flag = others;
        for (unsigned i = 0; i < RN_COUNT(known_elements); i++)
            if (known_elements[i].name_len == name_len && known_elements[i].len == element.len &&
                same_nocase(element.ptr, known_elements[i].text, element.len))
                flag = known_elements[i].flag;
        request->seen |= (uint16_t)flag;
    }
    return true;
}

/* Takes in what a complete field says about the request; false when it must be refused with 400. */
static bool known_field(struct rn_http1_request *request, const uint8_t *head,
                        const struct rn_http1_field *field, size_t end)
{
    size_t len = field->name.len;
    rn_bytes value = rn_http1_slice(head, field->value);
    const uint8_t *name = head + field->name.at;
    if (len == 4 && (rn_load32(name) | 0x20202020) == rn_load32("host")) {
        if (request->seen & HOST) return false;
        request->seen |= HOST;
        if (!(request->seen & ABSOLUTE)) request->host = field->value;
        size_t at = field->value.at;
        return value.len == 0 || skip_host(head, at, end) == at + value.len;
    }
    /* A length that none has leads to the ' ' before them all, which no name begins with. */
    if (len >= sizeof known_at || !same_nocase(name, known_names + known_at[len], len)) return true;
    if (len != CONTENT_LENGTH_LEN) return list_field(request, len, value);
    if (request->seen & (LENGTH | CODING)) return false;
    request->seen |= LENGTH;
    return rn_parse_u64(value, &request->content_length) && !(request->content_length >> 63);
}

rn_ssize rn_http1_parse_fields(struct rn_http1_request *request, const uint8_t *head, size_t at,
                               size_t end)
{
    struct rn_http1_field *field = &request->fields[request->field_count];
    size_t from, to;
    switch (request->state) {
    case LINE:
    next_line:
        if (at == end) return pause(request, LINE, at);
        if (head[at] == '\r') {
            at++;
            goto head_end;
        }
        if (request->field_count == RN_HTTP1_FIELDS_MAX) return -431;
        field->name.at = (uint16_t)at;
        /* fall through */
    case NAME:
        at = skip(head, at, end, &word_range, RN_HTTP1_TOKEN);
        if (at == end) return pause(request, NAME, at);
        field->name.len = (uint16_t)(at - field->name.at);
        if (head[at++] != ':' || field->name.len == 0) return -400;
        field->value.at = (uint16_t)at;
        /* fall through */
    case VALUE:
        at = skip(head, at, end, &printable, RN_HTTP1_VALUE);
        if (at == end) return pause(request, VALUE, at);
        if (head[at++] != '\r') return -400;
        /* fall through */
    case LINE_END:
        if (at == end) return pause(request, LINE_END, at);
        if (head[at++] != '\n') return -400;
        from = field->value.at;
        to = at - 2;
        while (is_space(head[from])) from++;
        while (to > from && is_space(head[to - 1])) to--;
        field->value = span(from, to);
        if (!known_field(request, head, field, end)) return -400;
        request->field_count++;
        field++;
        goto next_line;
    case HEAD_END:
    head_end:
        if (at == end) return pause(request, HEAD_END, at);
        if (head[at++] != '\n') return -400;
    }
    return pause(request, OVER, at);
}

/* Draws the conclusions from all fields; returns head_len, or minus the status to refuse with. */
static inline rn_ssize conclude(struct rn_http1_request *request, rn_ssize head_len)
{
    unsigned seen = request->seen;
    if (seen == HOST && request->minor > 0) {
        request->keep_alive = true;
        return head_len;
    }
    if (request->minor == 0) {
        /* It needs no Host, closes unless told otherwise, and knows none of these. */
        if (!(seen & KEEP_ALIVE)) seen |= CLOSE;
        seen = (seen | HOST) & ~(unsigned)(UPGRADE | CONTINUE | OTHER_EXPECTATION);
    }
    if (!(seen & HOST) || (seen & (CODING | CHUNKED | OTHER_CODING)) == CODING) return -400;
    if (seen & OTHER_CODING) return -501;
    if (seen & OTHER_EXPECTATION) return -417;
    request->framing = (seen & (LENGTH | CODING)) / LENGTH;
    request->keep_alive = !(seen & CLOSE);
    request->upgrade_websocket = (~seen & (UPGRADE | WEBSOCKET)) == 0;
    /* Who has no body to send waits for nothing (RFC 9110, section 10.1.1). */
    request->expect_continue = seen & CONTINUE && (seen & CODING || request->content_length > 0);
    return head_len;
}
_Static_assert(LENGTH / LENGTH == RN_HTTP1_LENGTH && CODING / LENGTH == RN_HTTP1_CHUNKED,
               "the framing is two bits of what was seen");

static RN_COLD rn_ssize refuse(struct rn_http1_request *request, rn_ssize minus_status)
{
    request->state = OVER;
    request->status = (uint16_t)-minus_status;
    if (minus_status == -400) return RN_E_PROTOCOL;
    return minus_status == -414 || minus_status == -431 ? RN_E_LIMIT : RN_E_UNSUPPORTED;
}

void rn_http1_request_init(struct rn_http1_request *request)
{
    const vector zero = {0};
    _Static_assert(offsetof(struct rn_http1_request, fields) == 3 * sizeof zero, "all before");
    for (unsigned i = 0; i < 3; i++) __builtin_memcpy((uint8_t *)request + i * 16, &zero, 16);
}

rn_ssize rn_http1_parse_head(struct rn_http1_request *request, const uint8_t *head, size_t len)
{
    size_t end = len < RN_HTTP1_HEAD_MAX ? len : RN_HTTP1_HEAD_MAX;
    rn_ssize at = request->scanned;
    rn_assert(request->state < OVER && (size_t)at <= end);
    if (request->state < LINE) at = request_line(request, head, (size_t)at, end);
    if (at >= 0 && request->state >= LINE)
        at = rn_http1_parse_fields(request, head, (size_t)at, end);
    request->scanned = (uint16_t)at;
    if (at >= 0 && request->state < OVER) {
        if (at < RN_HTTP1_HEAD_MAX) return 0;
        at = -431;
    }
    if (at >= 0) at = conclude(request, at);
    return at < 0 ? refuse(request, at) : at;
}
