/* Shows a client what it sends: any request comes back as text, and /body gives the bare body back
 * with its own type. For looking at what a library, a browser or a proxy makes of a request.
 *
 *     curl -d tea 'localhost:7000/any/where?milk=yes'
 *     curl -H 'Content-Type: image/png' --data-binary @picture.png localhost:7000/body
 */
#include "example.h"

enum { PAGE_MAX = 64 << 10 }; /* a head and a body are at most 32 KiB together */

struct page { /* isn't copied: it stays until it is sent */
    struct rn_out_owner owner;
    size_t len;
    char text[PAGE_MAX];
};

static void drop(struct rn_out_owner *owner) { free(rn_container_of(owner, struct page, owner)); }

static void answer(struct rn_request *request, const char *type, struct page *page)
{
    rn_response_start(request, 200);
    rn_response_header(request, "Cache-Control", RN_BYTES("no-store"));
    rn_response_head(request, type, page->len);
    rn_response_slice(request, rn_bytes_of(page->text, page->len), &page->owner);
    rn_response_end(request);
}

static struct page *new_page(struct rn_request *request)
{
    struct page *page = calloc(1, sizeof *page);
    if (page) page->owner.release = drop;
    else rn_respond(request, 503, NULL, NULL, 0);
    return page;
}

static void add(struct page *page, rn_bytes bytes)
{
    if (!bytes.len || bytes.len > sizeof page->text - page->len) return;
    memcpy(page->text + page->len, bytes.ptr, bytes.len);
    page->len += bytes.len;
}

static void add_line(struct page *page, const char *name, rn_bytes value)
{
    add(page, rn_bytes_of(name, strlen(name)));
    add(page, value);
    add(page, RN_BYTES("\n"));
}

static void add_fields(struct page *page, const struct rn_request *request)
{
    const uint8_t *head;
    const struct rn_http1_request *http1 = rn_request_head(request, &head);
    for (unsigned i = 0; i < http1->field_count; i++) {
        const struct rn_http1_field *field = &http1->fields[i];
        add(page, rn_http1_slice(head, field->name));
        add_line(page, ": ", rn_http1_slice(head, field->value));
    }
}

static void mirror(struct rn_request *request)
{
    struct page *page = new_page(request);
    struct rn_address peer;
    char from[RN_ADDRESS_TEXT_MAX] = "nobody";
    if (!page) return;
    if (rn_peer_address(rn_request_fd(request), &peer) == 0) rn_address_format(&peer, from);
    add_line(page, "method: ", rn_request_method(request));
    add_line(page, "path:   ", rn_request_path(request));
    add_line(page, "query:  ", rn_request_query(request));
    add_line(page, "from:   ", rn_bytes_of(from, strlen(from)));
    add(page, RN_BYTES("\n"));
    add_fields(page, request);
    add(page, RN_BYTES("\n"));
    add(page, rn_request_body(request));
    answer(request, "text/plain; charset=utf-8", page);
}

static void body(struct rn_request *request)
{
    struct page *page = new_page(request);
    rn_bytes type = rn_request_header(request, "content-type");
    char text[128] = "application/octet-stream";
    if (!page) return;
    if (type.len && type.len < sizeof text) {
        memcpy(text, type.ptr, type.len);
        text[type.len] = '\0';
    }
    add(page, rn_request_body(request));
    answer(request, text, page);
}

static const struct rn_http_route routes[] = {{NULL, "/body", body, NULL, NULL, 0},
                                              {NULL, "/*", mirror, NULL, NULL, 0}};

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve_routes(routes, RN_COUNT(routes), 0);
}
