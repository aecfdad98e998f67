/*
 * One field value as Range, as Content-Range, as Accept-Encoding and as a list of entity tags:
 * ranges are disjoint and inside the representation, a multipart answer is as long as was said,
 * nothing is read beyond the value; a client reads a part as a server would have written it.
 */
#include "fuzz.h"

#include <runnel/http_client.h>

#include "proto/http_accept.h"
#include "proto/http_conditional.h"
#include "base/bytes.h"
#include "proto/http_list.h"
#include "proto/http_range.h"

enum { SMALL = 192 };

static uint64_t number(rn_bytes text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        if (value < SMALL) value = value * 10 + (text.ptr[i] - '0');
    return value;
}

/* A small representation byte by byte: those are sent that any of the ranges asks for. */
static void check_bytes(rn_bytes value, size_t size, const struct rn_http_range *ranges, int count)
{
    bool wanted[SMALL] = {0}, sent[SMALL] = {0};
    rn_bytes element, rest = take_bytes(&value, rn_bytes_find(value, '='));
    take_byte(&value);
    rest = value;
    while (rn_http_list_next(&rest, &element)) {
        size_t dash = rn_bytes_find(element, '-');
        require(dash < element.len);
        rn_bytes first = take_bytes(&element, dash), last = {element.ptr + 1, element.len - 1};
        uint64_t from = number(first), to = number(last);
        if (!first.len) {
            from = to < size ? size - to : 0;
            to = size;
        } else if (!last.len) {
            to = size;
        }
        for (uint64_t i = from; i <= to && i < size; i++) wanted[i] = true;
    }
    for (int i = 0; i < count; i++)
        for (uint64_t at = 0; at < ranges[i].length; at++) sent[ranges[i].offset + at] = true;
    require(!memcmp(wanted, sent, sizeof sent));
}

static void check_ranges(rn_bytes value, uint64_t size)
{
    struct rn_http_range ranges[RN_HTTP_RANGES_MAX];
    int count = rn_http_range_parse(ranges, value, size);
    require(count >= RN_HTTP_RANGE_UNSATISFIABLE && count <= RN_HTTP_RANGES_MAX);
    if (count <= 0) return;
    uint64_t sum = 0, length = 0;
    char text[RN_HTTP_PART_DELIMITER_MAX];
    struct rn_http_multipart multipart = {size * 7, size, RN_BYTES("text/html")};
    for (int i = 0; i < count; i++) {
        uint64_t end = ranges[i].offset + ranges[i].length;
        require(ranges[i].length > 0 && ranges[i].length <= size && end <= size);
        for (int j = 0; j < i; j++)
            require(ranges[j].offset >= end ||
                    ranges[j].offset + ranges[j].length <= ranges[i].offset);
        sum += ranges[i].length;
        length += ranges[i].length + rn_http_part_delimiter(text, &multipart, &ranges[i]);
    }
    length += rn_http_part_delimiter(text, &multipart, NULL);
    require(sum <= size);
    if (size < SMALL) check_bytes(value, size, ranges, count);
    require(length == rn_http_multipart_length(&multipart, ranges, (unsigned)count));
}

/* Both lists of a request, if such a value may stand in a field at all. */
static void check_conditions(rn_bytes value)
{
    static const char before[] = "GET / HTTP/1.1\r\nHost: h\r\nIf-Match: ", between[] =
        "\r\nIf-None-Match: ", after[] = "\r\n\r\n";
    struct rn_http_validators current = {RN_BYTES("\"5-a\""), 784111777, 0};
    struct rn_http1_request request;
    size_t len = sizeof before + sizeof between + sizeof after - 3 + 2 * value.len;
    uint8_t *head = malloc(len), *to = head;
    to = mempcpy(mempcpy(to, before, sizeof before - 1), value.ptr, value.len);
    to = mempcpy(mempcpy(to, between, sizeof between - 1), value.ptr, value.len);
    mempcpy(to, after, sizeof after - 1);
    rn_http1_request_init(&request);
    if (rn_http1_parse_head(&request, head, len) == (rn_ssize)len) {
        unsigned status = rn_http_precondition(&request, head, &current);
        require(status == 304 || status == 412); /* listed strongly is also listed weakly */
    }
    if (rn_http_if_range(value, &current) && value.len == current.etag.len)
        require(!memcmp(value.ptr, current.etag.ptr, value.len));
    free(head);
}

static void check_part(rn_bytes value)
{
    struct rn_http_part part, again;
    char text[RN_HTTP_CONTENT_RANGE_MAX];
    if (rn_http_part_parse(&part, value) < 0) return;
    if (part.complete == UINT64_MAX) { /* a server of ours always knows it */
        require(part.first <= part.last);
        if (part.last > UINT64_MAX - 2) return;
        part.complete = part.last + 1;
    }
    struct rn_http_range range = {part.first, part.last - part.first + 1};
    bool satisfied = part.first != UINT64_MAX;
    size_t len = rn_http_content_range(text, satisfied ? &range : NULL, part.complete);
    require(rn_http_part_parse(&again, guarded_copy(1, text, len)) == 0);
    require(part.first == again.first && part.last == again.last);
    require(part.complete == again.complete);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    /* the first byte chooses a size, from empty to the largest file */
    uint64_t total = data[0] < 192 ? data[0] : (uint64_t)INT64_MAX >> (data[0] - 192);
    uint8_t *copy = malloc(size);
    require(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    rn_bytes value = rn_bytes_of(copy, size - 1);
    check_ranges(value, total);

    struct rn_http_accept accept = rn_http_accept_encoding(value);
    unsigned most = 0;
    for (int i = 0; i < RN_HTTP_CODINGS; i++) {
        require(accept.weight[i] <= 1000);
        if (accept.weight[i] > most) most = accept.weight[i];
    }
    enum rn_http_coding best = rn_http_accept_best(accept, 15);
    require(most == 0 ? best == RN_HTTP_IDENTITY : accept.weight[best] == most);

    check_conditions(value);
    check_part(value);
    free(copy);
    return 0;
}
