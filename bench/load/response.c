/*
 * bench/load/response.c: the head, the framing of the body (RFC 9112, section 6), and chunks.
 */
#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *response_accept;

/* Servers say the same again and again: a head that equals the one before isn't parsed twice. */
static struct {
    char bytes[1024];
    size_t len;
    struct response result;
} last;

void response_begin(struct response *response)
{
    free(response->head);
    *response = (struct response){0};
}

static bool token_in(const char *value, size_t len, const char *token)
{
    size_t token_len = strlen(token);
    while (len >= token_len) {
        const char *comma = memchr(value, ',', len);
        size_t item = comma ? (size_t)(comma - value) : len, part = item;
        while (part > 0 && (value[0] == ' ' || value[0] == '\t')) value++, part--, item--, len--;
        while (part > 0 && (value[part - 1] == ' ' || value[part - 1] == '\t')) part--;
        if (part == token_len && !strncasecmp(value, token, token_len)) return true;
        if (!comma) break;
        value += item + 1;
        len -= item + 1;
    }
    return false;
}

static bool is(const char *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && !strncasecmp(name, wanted, len);
}

static bool length_of(const char *value, size_t len, uint64_t *length)
{
    if (len == 0 || len > 18) return false;
    *length = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') return false;
        *length = *length * 10 + (uint64_t)(value[i] - '0');
    }
    return true;
}

/* One field; returns false when it makes no sense. */
static bool field(struct response *response, const char *line, size_t len, bool *has_length)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line) return false;
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size_t value_len = (size_t)(end - value);
    if (is(line, name_len, "content-length")) {
        *has_length = true;
        return length_of(value, value_len, &response->left);
    }
    if (is(line, name_len, "transfer-encoding")) {
        response->chunked = token_in(value, value_len, "chunked");
        return response->chunked;
    }
    if (is(line, name_len, "connection")) {
        if (token_in(value, value_len, "close")) response->close = true;
        if (token_in(value, value_len, "keep-alive")) response->close = false;
    } else if (is(line, name_len, "sec-websocket-accept") && response_accept) {
        response->accepted = is(value, value_len, response_accept);
    }
    return true;
}

/* Parses a whole head, which ends with an empty line. */
static void head(struct response *response, const char *text, size_t len)
{
    bool has_length = false;
    response->state = RESPONSE_BAD;
    if (len < 17 || memcmp(text, "HTTP/1.", 7) || text[8] != ' ') return;
    uint64_t status;
    if (!length_of(text + 9, 3, &status) || status < 100) return;
    response->status = (uint16_t)status;
    response->close = text[7] == '0';
    const char *line = memchr(text, '\n', len), *end = text + len;
    for (line++; *line != '\r'; line++) {
        const char *next = memchr(line, '\r', (size_t)(end - line));
        if (next[1] != '\n' || !field(response, line, (size_t)(next - line), &has_length)) return;
        line = next + 1;
    }
    if (status < 200 || status == 204 || status == 304) {
        response->left = 0;
        response->state = status < 200 && status != 101 ? RESPONSE_HEAD : RESPONSE_DONE;
    } else if (response->chunked) {
        response->left = 0;
        response->state = RESPONSE_CHUNK_SIZE;
    } else if (has_length) {
        response->state = response->left ? RESPONSE_BODY : RESPONSE_DONE;
    } else {
        response->close = true;
        response->state = RESPONSE_UNTIL_END;
    }
}

/* Parses, and remembers what came out. */
static void head_new(struct response *response, const char *text, size_t len)
{
    head(response, text, len);
    last.len = 0;
    bool final = response->status >= 200 && response->state != RESPONSE_BAD;
    if (len > sizeof last.bytes || !final) return;
    memcpy(last.bytes, text, len);
    last.len = len;
    last.result = *response;
    last.result.head = NULL;
    last.result.head_len = 0;
}

static size_t head_pieces(struct response *response, const char *data, size_t len)
{
    size_t before = response->head_len, room = RESPONSE_HEAD_MAX - before;
    size_t taken = len < room ? len : room;
    char *both = realloc(response->head, before + taken);
    if (!both) abort();
    memcpy(both + before, data, taken);
    response->head = both;
    response->head_len = before + taken;
    const char *end = memmem(both, response->head_len, "\r\n\r\n", 4);
    if (!end) {
        if (response->head_len == RESPONSE_HEAD_MAX) response->state = RESPONSE_BAD;
        return taken;
    }
    size_t whole = (size_t)(end - both) + 4;
    head_new(response, both, whole);
    free(both);
    response->head = NULL;
    response->head_len = 0;
    return whole - before;
}

static size_t read_head(struct response *response, const char *data, size_t len)
{
    if (response->head) return head_pieces(response, data, len);
    if (last.len && len >= last.len && !memcmp(data, last.bytes, last.len)) {
        *response = last.result;
        return last.len;
    }
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end) return head_pieces(response, data, len);
    head_new(response, data, (size_t)(end - data) + 4);
    return (size_t)(end - data) + 4;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The line before a chunk: hexadecimal digits, and perhaps an extension, which begins with
 * something else and is passed over (has_digit is 0 again, line_len counts). */
static void chunk_size(struct response *response, char c)
{
    int digit = digit_of(c);
    if (response->line_len == 0 && digit >= 0) {
        if (response->left >> 56) response->state = RESPONSE_BAD;
        response->left = response->left << 4 | (uint64_t)digit;
        response->has_digit = true;
    } else if (!response->has_digit || ++response->line_len > 4096) {
        response->state = RESPONSE_BAD;
    } else if (c == '\n') {
        response->state = response->left ? RESPONSE_CHUNK : RESPONSE_TRAILER;
        response->line_len = 0;
        response->has_digit = false;
    }
}

/* A byte of what stands between chunks and behind the last one. */
static void between(struct response *response, char c)
{
    if (response->state == RESPONSE_CHUNK_SIZE) {
        chunk_size(response, c);
    } else if (response->state == RESPONSE_CHUNK_END) {
        if (c == '\n') response->state = RESPONSE_CHUNK_SIZE;
        if (c != '\n' && c != '\r') response->state = RESPONSE_BAD;
    } else if (c == '\n') {
        if (response->line_len == 0) response->state = RESPONSE_DONE;
        response->line_len = 0;
    } else if (c != '\r' && ++response->line_len > 4096) {
        response->state = RESPONSE_BAD;
    }
}

void response_skip(struct response *response, uint64_t len)
{
    response->left -= len;
    if (response->left) return;
    response->state = response->state == RESPONSE_CHUNK ? RESPONSE_CHUNK_END : RESPONSE_DONE;
}

size_t response_read(struct response *response, const char *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        switch (response->state) {
        case RESPONSE_HEAD: at += read_head(response, data + at, len - at); break;
        case RESPONSE_BODY:
        case RESPONSE_CHUNK: {
            size_t part = len - at < response->left ? len - at : (size_t)response->left;
            response_skip(response, part);
            at += part;
            break;
        }
        case RESPONSE_UNTIL_END: return len;
        case RESPONSE_DONE:
        case RESPONSE_BAD: return at;
        default: between(response, data[at++]);
        }
    }
    return at;
}

bool response_end(struct response *response)
{
    if (response->state == RESPONSE_UNTIL_END) response->state = RESPONSE_DONE;
    return response->state == RESPONSE_DONE;
}
