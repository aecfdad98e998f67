/*
 * app/httpd/demo.c: what httpd serves: the demo site, the echoes, or files.
 */
#include "app/httpd/httpd.h"
#include "base/text.h"
#include "sys/sys.h"

rn_ns started_at;

static const char json_type[] = "application/json";

static void serve_page(struct rn_request *request)
{
    rn_respond_slice(request, 200, "text/html; charset=utf-8",
                     rn_bytes_of(demo_page, demo_page_size), NULL);
}

static void serve_plaintext(struct rn_request *request)
{
    rn_respond_slice(request, 200, "text/plain", RN_BYTES("Hello, World!"), NULL);
}

static void serve_json(struct rn_request *request)
{
    rn_respond_slice(request, 200, json_type, RN_BYTES("{\"message\":\"Hello, World!\"}"), NULL);
}

/* ---- The status, a worker at a time, so that any number of them fits ------------------------- */

enum { STATUS_ROOM = 1024 };

/* In the order of the two structs of figures, which are all of one kind. */
static const char figure_names[] =
    "connections\0accepted\0requests\0websockets\0messages\0bytes_in\0bytes_out\0errors\0"
    "timeouts\0refused\0refused_address\0tasks\0polls\0turns\0stale_wakes\0timers\0ops\0"
    "syscalls\0buffers\0buffers_total\0";

static void status_worker(struct rn_http_server *server, unsigned index, struct rn_text *text)
{
    struct {
        struct rn_http_figures http;
        struct rn_worker_figures worker;
    } figures;
    const uint64_t *value = (const uint64_t *)&figures;
    rn_http_server_figures(server, index, &figures.http);
    rn_worker_figures(rn_runtime_worker(rn_http_server_runtime(server), index), &figures.worker);
    rn_text_format(text, &",{\"worker\":%u"[!index], (uint64_t)index);
    for (const char *name = figure_names; *name; name += strlen(name) + 1)
        rn_text_format(text, ",\"%s\":%u", name, *value++);
    rn_text_format(text, "}");
}

static void status_more(struct rn_request *request)
{
    unsigned *worker = rn_request_state(request);
    struct rn_http_server *server = rn_request_server(request);
    unsigned workers = rn_runtime_workers(rn_http_server_runtime(server));
    while (rn_response_room(request) >= STATUS_ROOM) {
        char piece[STATUS_ROOM];
        struct rn_text text = {.ptr = piece, .cap = sizeof piece};
        if (!*worker)
            rn_text_format(&text,
                           "{\"version\":\"" RN_VERSION
                           "\",\"uptime\":%u,\"backend\":\"%s\",\"workers\":[",
                           (rn_clock_monotonic() - started_at) / RN_SECOND,
                           rn_worker_backend_name(rn_request_worker(request)));
        status_worker(server, (*worker)++, &text);
        if (*worker == workers) rn_text_format(&text, "]}\n");
        rn_response_write(request, piece, text.len);
        if (*worker == workers) {
            rn_response_end(request);
            return;
        }
    }
}

static void serve_status(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.writable = status_more};
    rn_response_start(request, 200);
    rn_response_header(request, "Cache-Control", RN_BYTES("no-store"));
    rn_response_head(request, json_type, RN_LENGTH_UNKNOWN);
    rn_request_on(request, &callbacks);
    status_more(request);
}

/* ---- Echo ------------------------------------------------------------------------------------ */

static size_t echo_body(struct rn_request *request, rn_bytes piece)
{
    if (piece.len) return rn_response_write(request, piece.ptr, piece.len);
    rn_response_end(request);
    return 0;
}

static void serve_echo(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = echo_body};
    rn_request_on(request, &callbacks);
    rn_response_start(request, 200);
    rn_response_head(request, "application/octet-stream", rn_request_content_length(request));
}

/* Text comes back as text, binary as binary; a message that came in pieces goes back in as many
 * fragments. */
static void echo_message(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    int sent = rn_websocket_send(socket, event->opcode, event->first, event->last, event->data.ptr,
                                 event->data.len);
    rn_assert(sent == 0); /* there is always room for an answer of the same size */
}

/* ---- Routes ---------------------------------------------------------------------------------- */

static struct rn_websocket_handler ws_echo = {.data = echo_message};

/* An empty path matches nothing; what stands in front of the demo may come in its place. */
enum { WS_ECHO, ECHO, FILES };

static struct rn_http_route routes[] = {
    [WS_ECHO] = {"GET", NULL, NULL, &ws_echo, NULL, 0},
    [ECHO] = {NULL, "", serve_echo, NULL, NULL, RN_ROUTE_STREAM},
    [FILES] = {"GET", "", rn_static_handler, NULL, NULL, 0},
    {"GET", "/", serve_page, NULL, NULL, 0},
    {"GET", "/plaintext", serve_plaintext, NULL, NULL, 0},
    {"GET", "/json", serve_json, NULL, NULL, 0},
    {"GET", "/status", serve_status, NULL, NULL, 0},
    {"GET", "/ws", NULL, &ws_echo, NULL, 0},
};

void make_routes(struct settings *settings, struct rn_static *files)
{
    size_t last = settings->echo ? ECHO : files ? FILES : RN_COUNT(routes) - 1;
    ws_echo.message_max = settings->ws_message_max;
    routes[WS_ECHO].path = settings->ws_echo;
    if (last <= FILES) routes[last].path = "/*";
    routes[FILES].context = files;
    settings->server.routes = routes;
    settings->server.route_count = last + 1;
}
