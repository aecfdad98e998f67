/*
 * http/static.c: answering with a file: redirects, content codings, conditions, ranges.
 */
#include "http/static.h"

#include <runnel/url.h>

#include "http/server.h"
#include "proto/http_conditional.h"
#include "proto/http_range.h"
#include "sys/sys.h"

/* ---- Without a file -------------------------------------------------------------------------- */

/* To the same directory with its slash. What was in front of the key, the route's own part of the
 * path, stays as it was sent. */
static bool redirect(struct rn_request *request, rn_bytes key, const char *path, size_t len)
{
    char place[2048], encoded[sizeof place];
    struct rn_text text = {.ptr = place, .cap = sizeof place};
    rn_bytes query = rn_request_query(request);
    const uint8_t *start = rn_request_path(request).ptr;
    rn_ssize encoded_len = rn_url_encode_path(encoded, sizeof encoded, rn_bytes_of(path, len));
    if (encoded_len < 0) return false;
    rn_text_format(&text, "%b/%b/%s%b", start, (size_t)(key.ptr - start), encoded,
                   (size_t)encoded_len, query.len ? "?" : "", query.ptr, query.len);
    if (text.cut) return false;
    rn_response_start(request, 301);
    rn_response_header(request, "Location", rn_bytes_of(place, text.len));
    rn_response_error(request, 301);
    return true;
}

static unsigned status_of(int error)
{
    switch (error) {
    case RN_E_PROTOCOL: return 400;
    case -RN_K_EACCES:
    case -RN_K_EPERM: return 403;
    case -RN_K_EAGAIN:
    case -RN_K_EMFILE:
    case -RN_K_ENFILE:
    case -RN_K_ENOMEM: return 503;
    default: return 404;
    }
}

static void answer_without(struct rn_request *request, struct rn_static_part *part, rn_bytes key,
                           int error)
{
    char path[RN_STATIC_PATH_MAX];
    rn_ssize len = rn_url_decode_path(path, sizeof path, key);
    if (len >= 0 && rn_url_is_directory(path, (size_t)len)) {
        bool missing = error == -RN_K_ENOENT || error == -RN_K_EISDIR;
        if (missing && part->files->list) {
            struct rn_static_file *directory =
                rn_static_file_open(part, path, RN_K_O_DIRECTORY, &error);
            if (directory) {
                rn_static_list(request, directory, path);
                return;
            }
        }
    } else if (error == -RN_K_EISDIR && redirect(request, key, path, (size_t)len)) {
        return;
    }
    rn_response_error(request, status_of(error));
}

/* ---- Several ranges -------------------------------------------------------------------------- */

/* rn_request_state. The ranges themselves are read from the request's field again. */
struct parts {
    struct rn_static_file *file;
    struct rn_http_multipart multipart;
    int next;
    char type[RN_HTTP_PART_TYPE_MAX];
};
_Static_assert(sizeof(struct parts) <= RN_REQUEST_STATE, "the state has to fit");

static void parts_aborted(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    rn_static_file_drop(parts->file);
}

static void send_parts(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    struct rn_static_file *file = parts->file;
    struct rn_http_range ranges[RN_HTTP_RANGES_MAX];
    char delimiter[RN_HTTP_PART_DELIMITER_MAX];
    int count =
        rn_http_range_parse(ranges, rn_request_header(request, "range"), parts->multipart.size);
    while (rn_response_room(request) >= sizeof delimiter) { /* none is left once a range is set */
        struct rn_http_range *range = parts->next < count ? &ranges[parts->next] : NULL;
        size_t len = rn_http_part_delimiter(delimiter, &parts->multipart, range);
        rn_response_write(request, delimiter, len);
        if (!range) {
            rn_static_file_drop(file);
            rn_response_end(request);
            return;
        }
        file->references++;
        rn_response_file(request, file->fd, range->offset, range->length, &file->owner);
        parts->next++;
    }
}

static const struct rn_request_callbacks parts_callbacks = {
    .writable = send_parts,
    .aborted = parts_aborted,
};

static void answer_parts(struct rn_request *request, struct rn_static_entry *entry,
                         const struct rn_http_range *ranges, unsigned count)
{
    static const char name[] = "Content-Type: ";
    enum { NAME = sizeof name - 1 };
    struct parts *parts = rn_request_state(request);
    char type[RN_HTTP_MULTIPART_TYPE_MAX];
    size_t type_len = entry->type_len - NAME - 2u;
    memcpy(parts->type, entry->head + NAME, type_len);
    parts->multipart = (struct rn_http_multipart){
        .boundary = rn_random64(),
        .size = entry->size,
        .type = rn_bytes_of(parts->type, type_len),
    };
    parts->file = entry->file;
    parts->file->references++;
    rn_response_start(request, 206);
    rn_response_headers(request, rn_bytes_of(entry->head + entry->type_len,
                                             (size_t)(entry->head_len - entry->type_len)));
    rn_response_header(request, "Content-Type",
                       rn_bytes_of(type, rn_http_multipart_type(type, &parts->multipart)));
    rn_response_head(request, NULL, rn_http_multipart_length(&parts->multipart, ranges, count));
    rn_request_on(request, &parts_callbacks);
    send_parts(request);
}

/* ---- With a file ----------------------------------------------------------------------------- */

static void send_content(struct rn_request *request, struct rn_static_entry *entry, uint64_t offset,
                         uint64_t length)
{
    struct rn_static_file *file = entry->file;
    rn_response_head(request, NULL, length);
    if (file) {
        file->references++;
        rn_response_file(request, file->fd, offset, length, &file->owner);
        rn_response_end(request);
    } else {
        entry->pins++;
        rn_response_content(request, rn_bytes_of(entry->content + offset, length), &entry->owner);
    }
}

static void start(struct rn_request *request, const struct rn_static_entry *entry, unsigned status,
                  unsigned from)
{
    rn_response_start(request, status);
    rn_response_headers(request, rn_bytes_of(entry->head + from, entry->head_len - from));
}

static void answer_whole(struct rn_request *request, struct rn_static_entry *entry)
{
    start(request, entry, 200, 0);
    send_content(request, entry, 0, entry->size);
}

static unsigned check_conditions(struct rn_request *request, const struct rn_static_entry *entry,
                                 bool *ranges)
{
    int64_t now_s = (int64_t)rn_clock_realtime_seconds();
    const struct rn_http_validators validators = {
        .etag = rn_static_etag(entry),
        .modified_s = entry->modified_s,
        .exists = true,
    };
    const struct rn_http_conditions conditions = {
        .if_match = rn_request_header(request, "if-match"),
        .if_unmodified_since = rn_request_header(request, "if-unmodified-since"),
        .if_none_match = rn_request_header(request, "if-none-match"),
        .if_modified_since = rn_request_header(request, "if-modified-since"),
    };
    *ranges = !rn_request_is_head(request) && /* RFC 9110, section 14.2: only for GET */
              rn_http_if_range(rn_request_header(request, "if-range"), &validators, now_s);
    return rn_http_precondition(&conditions, &validators, true, now_s);
}

static void answer_range(struct rn_request *request, struct rn_static_entry *entry,
                         const struct rn_http_range *range)
{
    char value[RN_HTTP_CONTENT_RANGE_MAX];
    rn_bytes field = rn_bytes_of(value, rn_http_content_range(value, range, entry->size));
    if (range) start(request, entry, 206, 0);
    else rn_response_start(request, 416);
    rn_response_header(request, "Content-Range", field);
    if (range) send_content(request, entry, range->offset, range->length);
    else rn_response_error(request, 416);
}

/* To a request with conditions or ranges. */
static void answer_specially(struct rn_request *request, struct rn_static_part *part, rn_bytes key,
                             struct rn_static_entry *entry)
{
    struct rn_http_range ranges[RN_HTTP_RANGES_MAX];
    bool honoured;
    int count = 0, error;
    unsigned status = check_conditions(request, entry, &honoured);
    if (status == 304) {
        start(request, entry, status, entry->validators_at);
        rn_response_head(request, NULL, RN_LENGTH_UNKNOWN);
        rn_response_end(request);
        return;
    }
    if (status) {
        rn_response_error(request, status);
        return;
    }
    if (honoured)
        count = rn_http_range_parse(ranges, rn_request_header(request, "range"), entry->size);
    if (count > 1 && !entry->file) {
        /* In parts only from a descriptor. The file may be another one by now. */
        rn_ns now = rn_worker_now(rn_request_worker(request));
        entry = rn_static_find(part, key, entry->coding, now, true, &error);
        if (entry) answer_specially(request, part, key, entry);
        else answer_without(request, part, key, error);
    } else if (count > 1) {
        answer_parts(request, entry, ranges, (unsigned)count);
    } else if (count) {
        answer_range(request, entry, count < 0 ? NULL : ranges);
    } else {
        answer_whole(request, entry);
    }
}

/* Whether a field may ask for anything but the whole: "If-…" or "Range". */
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

/* The best representation that the client takes. */
static struct rn_static_entry *negotiate(struct rn_request *request, struct rn_static_part *part,
                                         rn_bytes key, rn_ns now, struct rn_static_entry *entry)
{
    unsigned available = entry->siblings | 1u << RN_HTTP_IDENTITY;
    struct rn_http_accept accept =
        rn_http_accept_encoding(rn_request_header(request, "accept-encoding"));
    for (;;) {
        int error, coding = rn_http_accept_best(accept, available);
        if (coding <= RN_HTTP_IDENTITY) return entry; /* even if that is refused: better than 406 */
        struct rn_static_entry *sibling =
            rn_static_find(part, key, (enum rn_http_coding)coding, now, false, &error);
        if (sibling) return sibling;
        available &= ~(1u << coding);
    }
}

void rn_static_handler(struct rn_request *request)
{
    struct rn_worker *worker = rn_request_worker(request);
    struct rn_static *files = rn_request_context(request);
    struct rn_static_part *part = &files->parts[rn_worker_index(worker)];
    rn_ns now = rn_worker_now(worker);
    int error;
    rn_bytes key = rn_request_parameter(request, "*");
    rn_assert(key.ptr); /* the route's path ends in "*" */
    if (key.ptr[-1] == '/') key = rn_bytes_of(key.ptr - 1, key.len + 1);
    struct rn_static_entry *entry =
        rn_static_find(part, key, RN_HTTP_IDENTITY, now, false, &error);
    if (rn_unlikely(!entry)) {
        answer_without(request, part, key, error);
        return;
    }
    if (entry->siblings) entry = negotiate(request, part, key, now, entry);
    if (rn_unlikely(is_special(request))) answer_specially(request, part, key, entry);
    else answer_whole(request, entry);
}
