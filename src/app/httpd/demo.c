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

struct status {
    unsigned worker;
    bool begun;
};

enum { STATUS_ROOM = 1024 };

static void status_head(struct rn_request *request, struct rn_text *text)
{
    rn_ns uptime = rn_clock_monotonic() - started_at;
    rn_text_format(text,
                   "{\"version\":\"" RN_VERSION "\",\"uptime\":%u,\"backend\":\"%s\",\"workers\":[",
                   uptime / RN_SECOND, rn_worker_backend_name(rn_request_worker(request)));
}

static void status_worker(struct rn_http_server *server, unsigned index, struct rn_text *text)
{
    struct rn_http_figures http;
    struct rn_worker_figures worker;
    rn_http_server_figures(server, index, &http);
    rn_worker_figures(rn_runtime_worker(rn_http_server_runtime(server), index), &worker);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"connections", http.connections}, {"accepted", http.accepted},
        {"requests", http.requests},       {"websockets", http.websockets},
        {"messages", http.messages},       {"bytes_in", http.bytes_in},
        {"bytes_out", http.bytes_out},     {"errors", http.errors},
        {"timeouts", http.timeouts},       {"refused", http.refused},
        {"tasks", worker.tasks},           {"timers", worker.timers},
        {"ops", worker.ops},               {"syscalls", worker.syscalls},
        {"buffers", worker.buffers},       {"buffers_total", worker.buffers_total},
    };
    for (size_t i = 0; i < RN_COUNT(figures); i++)
        rn_text_format(text, "%s\"%s\":%u", i ? "," : index ? ",{" : "{", figures[i].name,
                       figures[i].value);
    rn_text_add(text, "}", 1);
}

static void status_more(struct rn_request *request)
{
    struct status *status = rn_request_state(request);
    struct rn_http_server *server = rn_request_server(request);
    unsigned workers = rn_runtime_workers(rn_http_server_runtime(server));
    while (rn_response_room(request) >= STATUS_ROOM) {
        char piece[STATUS_ROOM];
        struct rn_text text = {.ptr = piece, .cap = sizeof piece};
        if (!status->begun) status_head(request, &text);
        else if (status->worker < workers) status_worker(server, status->worker++, &text);
        else rn_text_add(&text, "]}\n", 3);
        bool last = status->begun && text.len == 3;
        status->begun = true;
        rn_response_write(request, piece, text.len);
        if (last) {
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

static const struct rn_http_route demo[] = {
    {"GET", "/", serve_page, NULL, NULL, 0},
    {"GET", "/plaintext", serve_plaintext, NULL, NULL, 0},
    {"GET", "/json", serve_json, NULL, NULL, 0},
    {"GET", "/status", serve_status, NULL, NULL, 0},
    {"GET", "/ws", NULL, &ws_echo, NULL, 0},
};

size_t make_routes(const struct settings *settings, struct rn_static *files,
                   const struct rn_http_route **made)
{
    static struct rn_http_route routes[1 + RN_COUNT(demo)];
    size_t count = 0;
    ws_echo.message_max = settings->ws_message_max;
    if (settings->ws_echo)
        routes[count++] = (struct rn_http_route){
            .methods = "GET", .path = settings->ws_echo, .websocket = &ws_echo};
    if (settings->echo) {
        routes[count++] = (struct rn_http_route){
            .path = "/*", .handler = serve_echo, .flags = RN_ROUTE_STREAM};
    } else if (files) {
        routes[count++] = (struct rn_http_route){
            .methods = "GET", .path = "/*", .handler = rn_static_handler, .context = files};
    } else {
        memcpy(routes + count, demo, sizeof demo);
        count += RN_COUNT(demo);
    }
    *made = routes;
    return count;
}
