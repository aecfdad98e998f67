/*
 * proto/http_conditional.c: entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).
 */
#include "proto/http_conditional.h"

#include <runnel/http1.h>

#include "base/text.h"
#include "proto/http_date.h"
#include "proto/http_list.h"

size_t rn_http_etag_format(char to[RN_HTTP_ETAG_MAX], uint64_t size, uint64_t modified_ns,
                           uint64_t inode)
{
    struct rn_text text = {.ptr = to, .cap = RN_HTTP_ETAG_MAX};
    /* an odd factor spreads inode numbers over the word, away from plausible differences in time */
    rn_text_format(&text, "\"%u-%u\"", size, modified_ns + inode * 0x9E3779B97F4A7C15u);
    return text.len;
}

/* What a field with entity tags, or "*", says of the current one. It may be a list over several
 * fields (section 5.3). */
enum listed { ABSENT, NOT_LISTED, LISTED };

static enum listed look_up(const struct rn_http1_request *request, const uint8_t *head,
                           const char *name, rn_bytes etag, bool weak_too)
{
    enum listed found = ABSENT;
    unsigned index = 0;
    rn_bytes list, tag;
    while (rn_http1_next_field(request, head, name, &index, &list)) {
        if (list.len == 1 && *list.ptr == '*') return LISTED;
        found = NOT_LISTED;
        while (rn_http_list_next(&list, &tag)) {
            if (weak_too && tag.len > 2 && tag.ptr[0] == 'W' && tag.ptr[1] == '/')
                tag = rn_bytes_of(tag.ptr + 2, tag.len - 2);
            if (rn_bytes_equal(tag, etag)) return LISTED;
        }
    }
    return found;
}

/* The modification time compared with a date. */
enum order { EARLIER, SAME, LATER, UNKNOWN };

static enum order compare(rn_bytes field, const struct rn_http_validators *current)
{
    int64_t date, modified = current->modified_s;
    if (!rn_http_date_parse(field, current->now_s, &date)) return UNKNOWN;
    return modified < date ? EARLIER : modified == date ? SAME : LATER;
}

static enum order compare_field(const struct rn_http1_request *request, const uint8_t *head,
                                const char *name, const struct rn_http_validators *current)
{
    return compare(rn_http1_find_field(request, head, name), current);
}

unsigned rn_http_precondition(const struct rn_http1_request *request, const uint8_t *head,
                              const struct rn_http_validators *current)
{
    enum listed match = look_up(request, head, "if-match", current->etag, false);
    if (match == NOT_LISTED ||
        (!match && compare_field(request, head, "if-unmodified-since", current) == LATER))
        return 412;
    match = look_up(request, head, "if-none-match", current->etag, true);
    if (match == LISTED ||
        (!match && compare_field(request, head, "if-modified-since", current) <= SAME))
        return 304;
    return 0;
}

bool rn_http_if_range(rn_bytes if_range, const struct rn_http_validators *current)
{
    return !if_range.ptr || rn_bytes_equal(if_range, current->etag) ||
           compare(if_range, current) == SAME;
}
