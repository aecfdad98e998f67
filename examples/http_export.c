/* A table of any length that is made while it is sent: the task writes rows until there is no room
 * for more, and waits until the client has taken some. However many there are, they take no memory.
 *
 *     curl 'localhost:7000/squares.csv?rows=1000000'
 *     curl -I 'localhost:7000/squares.csv'             the head alone: no row is made
 */
#include "example.h"

enum { ROW_MAX = 40 };

struct export { /* in rn_request_state */
    struct rn_task task;
    rn_co co;
    uint64_t row, rows;
    size_t len, sent;
    char text[4 * ROW_MAX];
};
_Static_assert(sizeof(struct export) <= RN_REQUEST_STATE, "a longer text needs memory of its own");

static void make_rows(struct export *export)
{
    export->len = export->sent = 0;
    while (export->row < export->rows && sizeof export->text - export->len >= ROW_MAX) {
        unsigned long long row = ++export->row;
        export->len += (size_t)snprintf(export->text + export->len, ROW_MAX, "%llu,%llu\n", row,
                                        row * row);
    }
}

static enum rn_poll export_run(struct rn_task *task, struct rn_cx *cx)
{
    struct export *export = rn_container_of(task, struct export, task);
    struct rn_request *request = rn_request_of(task);
    RN_BEGIN(&export->co);
    rn_response_start(request, 200);
    rn_response_header(request, "Content-Disposition", RN_BYTES("attachment"));
    rn_response_head(request, "text/csv; header=absent", RN_LENGTH_UNKNOWN);
    while (export->row < export->rows && !rn_request_is_head(request)) {
        make_rows(export);
        for (;;) {
            export->sent += rn_response_write(request, export->text + export->sent,
                                              export->len - export->sent);
            if (export->sent == export->len) break;
            RN_AWAIT(&export->co, rn_request_writable(request), cx);
            if (cx->cancelled) return RN_READY; /* the client is gone */
        }
    }
    rn_response_end(request);
    RN_END(&export->co);
}

/* "rows=" and a number; false when it is something else. */
static bool take_rows(rn_bytes query, uint64_t *rows)
{
    static const char name[] = "rows=";
    const size_t name_len = sizeof name - 1;
    *rows = 10;
    if (!query.len) return true;
    if (query.len <= name_len || query.len > name_len + 9) return false;
    if (memcmp(query.ptr, name, name_len) != 0) return false;
    *rows = 0;
    for (size_t i = name_len; i < query.len; i++) {
        if (query.ptr[i] < '0' || query.ptr[i] > '9') return false;
        *rows = 10 * *rows + (query.ptr[i] - '0');
    }
    return true;
}

static void squares(struct rn_request *request)
{
    struct export *export = rn_request_state(request);
    unsigned status = 0;
    if (!take_rows(rn_request_query(request), &export->rows)) status = 400;
    else if (rn_request_spawn(request, export_run) < 0) status = 503;
    if (status) rn_respond(request, status, NULL, NULL, 0);
}

static const struct rn_http_route routes[] = {{"GET", "/squares.csv", squares, NULL, NULL, 0}};

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve_routes(routes, RN_COUNT(routes), 0);
}
