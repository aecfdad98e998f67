/*
 * A whole connection of the HTTP server: driver, requests, routes, static files, WebSocket. The
 * input is what a client sends; its first four bytes choose how it ends and how the wire cuts it.
 *
 * It must be answered the same in one piece and in many, with sends that are done at once and
 * later; the answers must be well-formed; each whole request is answered once, or the connection
 * says that it ends; and at the end nothing is in flight and no buffer, slot or timer is left.
 */
#include "conn_bed.h"
#include "answers.h"

#include <sys/stat.h>

enum { SETTINGS = 4, INPUT_MAX = 100000 };

/* ---- Handlers -------------------------------------------------------------------------------- */

static void plain(struct rn_request *request)
{
    rn_respond_slice(request, 200, "text/plain", RN_BYTES("Hello, World!"), NULL);
}

/* The content that came, collected. */
static void collected(struct rn_request *request)
{
    char text[200];
    rn_bytes body = rn_request_body(request), name = rn_request_parameter(request, "name");
    unsigned sum = 0;
    for (size_t i = 0; i < body.len; i++) sum = sum * 31 + body.ptr[i];
    int len = snprintf(text, sizeof text, "%zu bytes, %x, for %.*s", body.len, sum,
                       name.len > 99 ? 99 : (int)name.len, (const char *)name.ptr);
    rn_respond(request, 200, "text/plain", text, (size_t)len);
}

static size_t echo_body(struct rn_request *request, rn_bytes piece)
{
    if (piece.len) return rn_response_write(request, piece.ptr, piece.len);
    rn_response_end(request);
    return 0;
}

static void echo(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = echo_body};
    rn_request_on(request, &callbacks);
    rn_response_start(request, 200);
    rn_response_head(request, "application/octet-stream", rn_request_content_length(request));
}

/* A long answer, written as there is room. */
static void stream_more(struct rn_request *request)
{
    static const char line[] = "a line of a long answer\n";
    unsigned *lines = rn_request_state(request);
    while (*lines < 4000) {
        if (rn_response_room(request) < sizeof line) return;
        require(rn_response_write(request, line, sizeof line - 1) == sizeof line - 1);
        ++*lines;
    }
    rn_response_end(request);
}

static void stream(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.writable = stream_more};
    rn_response_start(request, 200);
    rn_response_head(request, "text/plain", RN_LENGTH_UNKNOWN);
    rn_request_on(request, &callbacks);
    stream_more(request);
}

struct later {
    struct rn_task task;
    struct rn_sleep sleep;
    bool begun;
};

static enum rn_poll later_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct later *later = rn_container_of(task, struct later, task);
    if (!later->begun) rn_sleep(&later->sleep, cx, 5 * RN_MILLISECOND);
    later->begun = true;
    if (rn_sleep_poll(&later->sleep, cx) == RN_PENDING) return RN_PENDING;
    if (later->sleep.result == 0) rn_respond(rn_request_of(task), 200, "text/plain", "later", 5);
    return RN_READY;
}

static void later(struct rn_request *request)
{
    require(rn_request_spawn(request, later_poll) == 0);
}

static void echo_message(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    require(rn_websocket_send(socket, (enum rn_ws_opcode)event->opcode, event->first, event->last,
                              event->data.ptr, event->data.len) == 0);
}

/* ---- The server ------------------------------------------------------------------------------ */

static const struct rn_websocket_handler socket_echo = {.data = echo_message, .message_max = 5000};

enum { FILES = 6 };
static struct rn_http_route routes[] = {
    {"GET", "/plain", plain, NULL, NULL, 0},
    {NULL, "/collect/:name", collected, NULL, NULL, 0},
    {"POST PUT", "/echo", echo, NULL, NULL, RN_ROUTE_STREAM},
    {"GET", "/stream", stream, NULL, NULL, 0},
    {"GET POST", "/later", later, NULL, NULL, 0},
    {"GET", "/ws", NULL, &socket_echo, NULL, 0},
    [FILES] = {"GET", "/*", rn_static_handler, NULL, NULL, 0},
};

static char root[] = "/tmp/runnel-fuzz-XXXXXX";

static const struct {
    const char *name;
    size_t size;
} site[] = {{"index.html", 300}, {"small.txt", 3000}, {"small.txt.gz", 1000}, {"big.bin", 70000},
            {"sub/a.css", 10}, {"empty.txt", 0}};

static void in_root(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", root, name);
}

static void remove_site(void)
{
    char path[128];
    for (size_t i = 0; i < RN_COUNT(site); i++) {
        in_root(path, site[i].name);
        unlink(path);
    }
    in_root(path, "sub");
    rmdir(path);
    rmdir(root);
}

static void make_site(void)
{
    char path[128];
    require(mkdtemp(root) != NULL);
    atexit(remove_site);
    in_root(path, "sub");
    require(mkdir(path, 0755) == 0);
    for (size_t i = 0; i < RN_COUNT(site); i++) {
        in_root(path, site[i].name);
        FILE *file = fopen(path, "w");
        require(file != NULL);
        for (size_t at = 0; at < site[i].size; at++) fputc((int)('a' + at % 26), file);
        fclose(file);
    }
}

static void start_once(void)
{
    struct rn_static *files = NULL;
    struct rn_static_options options = {.root = root, .list = true};
    if (bed_server) return;
    make_site();
    require(rn_static_open(&files, &options, 1) == 0);
    routes[FILES].context = files;
    bed_start(routes, RN_COUNT(routes));
}

/* ---- One input ------------------------------------------------------------------------------- */

/* The same, but that a connection which ended with a reset may have said less. */
static void compare(const struct answers *whole, const struct answers *cut)
{
    bool reset = whole->incomplete || cut->incomplete;
    size_t len = reset && whole->len < cut->len ? whole->len : cut->len;
    if (reset && cut->len < len) len = cut->len;
    if (strstr(whole->text, "multipart/byteranges")) return; /* with a random boundary */
    require(reset || cut->len == whole->len);
    require(!memcmp(cut->text, whole->text, len));
    if (!reset) require(cut->count == whole->count && cut->closes == whole->closes);
}

static void run(rn_bytes input, const struct bed_plan *plan, const struct questions *questions,
                struct answers *answers)
{
    static struct bed_output output;
    bed_run(input, plan, &output);
    answers_read(answers, output.bytes, output.len, questions);
    answers->incomplete |= output.aborted;
    require(answers->count <= questions->count + questions->more);
    if (plan->reset) return;
    require(answers->closes || answers->incomplete || answers->upgraded ||
            answers->count >= questions->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct answers whole, cut;
    static struct questions questions;
    rn_bytes input = rn_bytes_of(data, size);
    if (size < SETTINGS || size > INPUT_MAX) return -1;
    start_once();
    unsigned end = take_byte(&input), piece_max = take_byte(&input), delay_max = take_byte(&input);
    uint32_t seed = take_byte(&input);
    struct bed_plan plan = {.seed = seed, .silent = end & 1};
    questions_read(&questions, input);
    run(input, &plan, &questions, &whole);
    plan = (struct bed_plan){seed, piece_max + 1, delay_max % 5, end & 1, false};
    run(input, &plan, &questions, &cut);
    compare(&whole, &cut);
    plan.reset = true; /* whatever was under way: nothing is left of it */
    run(input, &plan, &questions, &cut);
    return 0;
}
