/*
 * http/static_list.c: what is in a directory, as a page. It is written a few names at a time, as
 * the peer takes it, so a directory may have any number of them.
 */
#include "http/static.h"

#include <runnel/url.h>

#include "base/text.h"
#include "http/server.h"
#include "sys/sys.h"

enum {
    NAME = 256,             /* bytes of a name and a slash */
    NAMES = 512,            /* bytes of directory entries that are read at once */
    ENTRY_MIN = 24,         /* of the kernel's, with a short name */
    MARKUP = 36,            /* around a name */
    PAGE = NAMES * (3 + 6) + NAMES / ENTRY_MIN * MARKUP, /* what they become: see runnel/url.h */
};

/* rn_request_state */
struct listing {
    int directory;
};

static void add_name(struct rn_text *page, struct rn_k_dirent64 *entry)
{
    char link[NAME * 3], shown[NAME * 6];
    rn_bytes name = rn_bytes_text(entry->d_name);
    if (*entry->d_name == '.') return;
    if (entry->d_type == RN_K_DT_DIR) entry->d_name[name.len++] = '/';
    rn_ssize link_len = rn_url_encode_path(link, sizeof link, name);
    rn_ssize shown_len = rn_url_escape_html(shown, sizeof shown, name);
    rn_text_format(page, "<li><a href=\"%b\">%b</a>\n", link, link_len, shown, shown_len);
}

static void aborted(struct rn_request *request)
{
    struct listing *listing = rn_request_state(request);
    rn_sys_close(listing->directory);
}

static void writable(struct rn_request *request)
{
    struct listing *listing = rn_request_state(request);
    uint64_t names[NAMES / sizeof(uint64_t)];
    char buffer[PAGE];
    while (rn_response_room(request) >= sizeof buffer) {
        struct rn_text page = {.ptr = buffer, .cap = sizeof buffer};
        long count = rn_sys_getdents64(listing->directory, names, sizeof names);
        if (count < 0) { /* a part of the names must not look like all of them */
            request->broken = true;
            return;
        }
        if (count == 0) {
            aborted(request);
            rn_response_end(request);
            return;
        }
        for (long at = 0; at < count;) {
            struct rn_k_dirent64 *entry = (void *)((char *)names + at);
            add_name(&page, entry);
            at += entry->d_reclen;
        }
        rn_response_write(request, buffer, page.len);
    }
}

void rn_static_list(struct rn_request *request, int directory, rn_bytes path)
{
    static const struct rn_request_callbacks callbacks = {.writable = writable, .aborted = aborted};
    struct listing *listing = rn_request_state(request);
    char name[1024], head[sizeof name + 64];
    struct rn_text page = {.ptr = head, .cap = sizeof head};
    rn_ssize len = rn_url_escape_html(name, sizeof name, path);
    if (len < 0) len = 0;
    rn_text_format(&page, "<!doctype html>\n<title>/%b</title>\n<ul>\n", name, (size_t)len);
    rn_response_start(request, 200);
    rn_response_head(request, "text/html; charset=utf-8", RN_LENGTH_UNKNOWN);
    rn_response_write(request, head, page.len);
    listing->directory = directory;
    rn_request_on(request, &callbacks);
    if (!rn_request_is_head(request)) return;
    aborted(request);
    rn_response_end(request);
}
