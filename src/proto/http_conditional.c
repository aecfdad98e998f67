/*
 * proto/http_conditional.c: entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).
 */
#include "proto/http_conditional.h"

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

static bool strip_weak(rn_bytes *tag)
{
    if (tag->len < 2 || tag->ptr[0] != 'W' || tag->ptr[1] != '/') return false;
    *tag = rn_bytes_of(tag->ptr + 2, tag->len - 2);
    return true;
}

static bool listed(rn_bytes list, const struct rn_http_validators *current, bool strong)
{
    rn_bytes tag, etag = current->etag;
    if (list.len == 1 && *list.ptr == '*') return current->exists;
    if (strip_weak(&etag) && strong) return false;
    while (rn_http_list_next(&list, &tag))
        if (!(strip_weak(&tag) && strong) && tag.len && rn_bytes_equal(tag, etag)) return true;
    return false;
}

/* The modification time compared with a date. */
enum order { EARLIER, SAME, LATER, UNKNOWN };

static enum order compare(rn_bytes field, const struct rn_http_validators *current, int64_t now_s)
{
    int64_t date, modified = current->modified_s;
    if (modified == RN_HTTP_NO_TIME || !rn_http_date_parse(field, now_s, &date)) return UNKNOWN;
    return modified < date ? EARLIER : modified == date ? SAME : LATER;
}

unsigned rn_http_precondition(const struct rn_http_conditions *conditions,
                              const struct rn_http_validators *current, bool get, int64_t now_s)
{
    if (conditions->if_match.ptr) {
        if (!listed(conditions->if_match, current, true)) return 412;
    } else if (compare(conditions->if_unmodified_since, current, now_s) == LATER) {
        return 412;
    }
    if (conditions->if_none_match.ptr) {
        if (listed(conditions->if_none_match, current, false)) return get ? 304 : 412;
    } else if (get && compare(conditions->if_modified_since, current, now_s) <= SAME) {
        return 304;
    }
    return 0;
}

bool rn_http_if_range(rn_bytes if_range, const struct rn_http_validators *current, int64_t now_s)
{
    if (!if_range.ptr || compare(if_range, current, now_s) == SAME) return true;
    /* a strong tag begins with its quote, and is never a date */
    return if_range.len && *if_range.ptr == '"' && rn_bytes_equal(if_range, current->etag);
}
