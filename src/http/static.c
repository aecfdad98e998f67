/*
 * http/static.c: answering with a file: redirects, content codings, conditions, ranges.
 */
#include "http/static.h"

#include <runnel/url.h>

#include "http/server.h"
#include "proto/http_conditional.h"
#include "proto/http_range.h"
#include "sys/sys.h"

/* ---- Without a file ------------------------------------------------------------------------- */

/* To the same directory with its slash. What was in front of the key, the route's own part of the
 * path, stays as it was sent. */
static void start_redirect(struct rn_static_search *search)
{
    char place[3000], *encoded = search->path + search->len;
    struct rn_text text = {.ptr = place, .cap = sizeof place};
    struct rn_request *request = search->request;
    const uint8_t *start = rn_request_path(request).ptr;
    rn_bytes query = rn_request_query(request);
    if (query.len) query = rn_bytes_of(query.ptr - 1, query.len + 1); /* with its '?' */
    rn_ssize len = rn_url_encode_path(encoded, sizeof search->path - search->len,
                                      rn_bytes_of(search->path, search->len));
    if (len >= 0)
        rn_text_format(&text, "%b%b/%b", start, (size_t)(search->key.ptr + 1 - start), encoded,
                       (size_t)len, query.ptr, query.len);
    if (len < 0 || text.len == text.cap) search->status = 404;
    rn_response_start(request, search->status);
    if (search->status == 301)
        rn_response_header(request, "Location", rn_bytes_of(place, text.len));
}

static void answer_without(struct rn_static_search *search)
{
    size_t len = search->len - search->index;
    if (search->status == 301) {
        start_redirect(search);
    } else if (search->status == 404 && search->files->list && search->index) {
        search->path[len] = 0;
        int directory = rn_static_open_file(search, RN_K_O_DIRECTORY);
        if (directory >= 0) {
            rn_static_list(search->request, directory, rn_bytes_of(search->path, len));
            return;
        }
    }
    rn_response_error(search->request, search->status);
}

/* ---- Several ranges ------------------------------------------------------------------------- */

/* rn_request_state. The ranges themselves are read from the request's field again. */
struct parts {
    struct rn_static_entry *entry;
    struct rn_http_multipart multipart;
    int next;
};
_Static_assert(sizeof(struct parts) <= RN_REQUEST_STATE, "the state has to fit");

static void parts_aborted(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    rn_static_drop(parts->entry);
}

static void send_range(struct rn_request *request, struct rn_static_entry *entry,
                       const struct rn_http_range *range)
{
    entry->references++;
    if (rn_likely(entry->fd < 0)) {
        const uint8_t *content = entry->data + entry->id / RN_HTTP_CODINGS;
        rn_response_content(request, rn_bytes_of(content + range->offset, range->length),
                            &entry->owner);
    } else {
        rn_response_file(request, entry->fd, range->offset, range->length, &entry->owner);
    }
}

static void send_parts(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    struct rn_http_range ranges[RN_HTTP_RANGES_MAX];
    char delimiter[RN_HTTP_PART_DELIMITER_MAX];
    int count =
        rn_http_range_parse(ranges, rn_request_header(request, "range"), parts->multipart.size);
    while (rn_response_room(request) >= sizeof delimiter) { /* none is left once a range is set */
        struct rn_http_range *range = parts->next < count ? &ranges[parts->next++] : NULL;
        rn_response_write(request, delimiter,
                          rn_http_part_delimiter(delimiter, &parts->multipart, range));
        if (!range) {
            rn_static_drop(parts->entry);
            rn_response_end(request);
            return;
        }
        send_range(request, parts->entry, range);
    }
}

static void start(struct rn_request *request, unsigned status, const struct rn_static_entry *entry,
                  size_t fields_len)
{
    rn_response_start(request, status);
    rn_response_headers(request, rn_bytes_of(entry->head, fields_len));
}

static void answer_parts(struct rn_request *request, struct rn_static_entry *entry,
                         const struct rn_http_range *ranges, unsigned count)
{
    static const struct rn_request_callbacks callbacks = {
        .writable = send_parts,
        .aborted = parts_aborted,
    };
    struct parts *parts = rn_request_state(request);
    char type[RN_HTTP_MULTIPART_TYPE_MAX];
    size_t type_at = entry->head_len - 2u - entry->type_len;
    parts->entry = entry;
    entry->references++;
    parts->multipart.boundary = rn_random64();
    parts->multipart.size = entry->version.size;
    parts->multipart.type = rn_bytes_of(entry->head + type_at, entry->type_len);
    start(request, 206, entry, type_at);
    rn_response_headers(request,
                        rn_bytes_of(type, rn_http_multipart_type(type, &parts->multipart)));
    rn_response_headers(request, RN_BYTES("\r\n"));
    rn_response_head(request, NULL, rn_http_multipart_length(&parts->multipart, ranges, count));
    rn_request_on(request, &callbacks);
    send_parts(request);
}

/* ---- With a file ---------------------------------------------------------------------------- */

static void add_content_range(struct rn_request *request, const struct rn_static_entry *entry,
                              const struct rn_http_range *range)
{
    char value[RN_HTTP_CONTENT_RANGE_MAX];
    rn_response_header(
        request, "Content-Range",
        rn_bytes_of(value, rn_http_content_range(value, range, entry->version.size)));
}

/* 200 with the whole, or 206 with one range. */
static void answer(struct rn_request *request, struct rn_static_entry *entry, unsigned status,
                   const struct rn_http_range *range)
{
    start(request, status, entry, entry->head_len);
    if (status != 200) add_content_range(request, entry, range);
    rn_response_head(request, NULL, range->length);
    send_range(request, entry, range);
    rn_response_end(request);
}

/* Answers 304, 412, 416 or with parts of the file, or returns false. */
static bool answer_specially(struct rn_static_search *search, struct rn_static_entry *entry)
{
    struct rn_request *request = search->request;
    struct rn_http_range ranges[RN_HTTP_RANGES_MAX];
    const struct rn_http_validators current = {
        .etag = rn_bytes_of(entry->head + sizeof "ETag: " - 1, entry->etag_len),
        .modified_s = entry->modified_s,
        .now_s = (int64_t)rn_clock_realtime_seconds(),
    };
    unsigned status = rn_http_precondition(&request->http1, request->head, &current);
    if (status == 304) {
        start(request, status, entry, entry->validators_len);
        rn_response_head(request, NULL, RN_LENGTH_UNKNOWN);
        rn_response_end(request);
        return true;
    }
    /* Only for GET (RFC 9110, section 14.2). */
    int count = 0;
    if (!status && !rn_request_is_head(request) &&
        rn_http_if_range(rn_request_header(request, "if-range"), &current))
        count = rn_http_range_parse(ranges, rn_request_header(request, "range"),
                                    entry->version.size);
    if (count < 0) {
        status = 416;
        rn_response_start(request, status);
        add_content_range(request, entry, NULL);
    }
    if (status) rn_response_error(request, status);
    else if (count == 1) answer(request, entry, 206, ranges);
    else if (count) answer_parts(request, entry, ranges, (unsigned)count);
    else return false;
    return true;
}

/* Whether there is such a field: "If-…" or "Range". */
static bool is_special(const struct rn_request *request)
{
    const struct rn_http1_request *http1 = &request->http1;
    for (unsigned i = 0; i < http1->field_count; i++) {
        struct rn_http1_span name = http1->fields[i].name;
        uint8_t first = request->head[name.at] | 0x20;
        if (first == 'i' || (first == 'r' && name.len == 5)) return true;
    }
    return false;
}

/* The best representation that the client takes; not coded even if that is refused: better than
 * a 406. */
static struct rn_static_entry *negotiate(struct rn_static_search *search, unsigned available)
{
    struct rn_http_accept accept =
        rn_http_accept_encoding(rn_request_header(search->request, "accept-encoding"));
    for (;;) {
        enum rn_http_coding coding = rn_http_accept_best(accept, available);
        struct rn_static_entry *entry = rn_static_find(search, coding);
        if (entry || !coding) return entry;
        available &= ~(1u << coding);
    }
}

void rn_static_handler(struct rn_request *request)
{
    struct rn_worker *worker = rn_request_worker(request);
    struct rn_static *files = rn_request_context(request);
    struct rn_static_search search;
    rn_bytes key = rn_http1_slice(request->head, request->parameters[RN_HTTP_PARAMETERS_MAX]);
    rn_assert(key.ptr > request->head); /* the route's path ends in '*' */
    if (key.ptr[-1] == '/') key = rn_bytes_of(key.ptr - 1, key.len + 1);
    search.request = request;
    search.files = files;
    search.part = rn_static_part(files, rn_worker_index(worker));
    search.now = rn_worker_now(worker);
    search.key = key;
    struct rn_static_entry *entry = rn_static_find(&search, RN_HTTP_IDENTITY);
    if (entry && entry->siblings) entry = negotiate(&search, entry->siblings);
    if (rn_unlikely(!entry)) {
        answer_without(&search);
        return;
    }
    if (rn_likely(!is_special(request)) || !answer_specially(&search, entry))
        answer(request, entry, 200, &(struct rn_http_range){0, entry->version.size});
}
