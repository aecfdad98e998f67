/*
 * One field value as Range, as Accept-Encoding and as a list of entity tags: ranges are disjoint
 * and inside the representation, a multipart answer is as long as was said, nothing is read beyond
 * the value.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Isrc -o fuzz_range \
 *         tests/fuzz/fuzz_range.c src/proto/http_{accept,conditional,date,list,range}.c \
 *         src/base/bytes.c src/base/text.c
 *     ./fuzz_range -max_len=300 tests/fuzz/corpus/range
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_accept.h"
#include "proto/http_conditional.h"
#include "proto/http_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) abort();
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
    require(length == rn_http_multipart_length(&multipart, ranges, (unsigned)count));
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
    int best = rn_http_accept_best(accept, 15);
    require(best < 0 ? most == 0 : accept.weight[best] == most);

    struct rn_http_conditions conditions = {.if_match = value, .if_none_match = value};
    struct rn_http_validators current = {RN_BYTES("\"5-a\""), 784111777, true};
    unsigned status = rn_http_precondition(&conditions, &current, true, 0);
    require(status == 304 || status == 412); /* what is listed strongly is also listed weakly */
    if (rn_http_if_range(value, &current, 0) && value.len == current.etag.len)
        require(!memcmp(value.ptr, current.etag.ptr, value.len));
    free(copy);
    return 0;
}
