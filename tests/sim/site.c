/*
 * sim/site.c: an HTTP server with a handler of every kind.
 */
#include "site.h"

#include <runnel/machine.h>

#include "backend/sim.h"
#include "http/server.h"

enum { WORKERS_MAX = 3 };

struct site site;
bool site_stopped;

static uint32_t number(struct rn_request *request, const char *name)
{
    rn_bytes text = rn_request_parameter(request, name);
    uint32_t value = 0;
    for (size_t i = 0; i < text.len; i++) value = value * 10 + (uint32_t)(text.ptr[i] - '0');
    return value;
}

/* ---- Handlers -------------------------------------------------------------------------------- */

static void on_small(struct rn_request *request)
{
    uint8_t content[4096];
    uint32_t len = number(request, "len");
    check(len <= sizeof content);
    pattern_fill(content, len, number(request, "key"), 0);
    check(rn_respond(request, 200, "application/octet-stream", content, len) == 0);
}

struct stream {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    struct rn_yield yield;
    uint32_t key, len, at;
};
_Static_assert(sizeof(struct stream) <= RN_REQUEST_STATE, "fits");

/* Whether all is said. */
static bool write_some(struct rn_request *request, struct stream *stream)
{
    uint8_t piece[700];
    while (stream->at < stream->len) {
        size_t len = stream->len - stream->at;
        if (len > sizeof piece) len = sizeof piece;
        pattern_fill(piece, len, stream->key, stream->at);
        size_t taken = rn_response_write(request, piece, len);
        stream->at += (uint32_t)taken;
        if (taken < len) return false;
    }
    return true;
}

static void stream_more(struct rn_request *request)
{
    if (write_some(request, rn_request_state(request))) rn_response_end(request);
}

static void on_stream(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.writable = stream_more};
    struct stream *stream = rn_request_state(request);
    stream->key = number(request, "key");
    stream->len = number(request, "len");
    rn_response_start(request, 200);
    rn_response_head(request, NULL, number(request, "mode") ? RN_LENGTH_UNKNOWN : stream->len);
    rn_request_on(request, &callbacks);
    stream_more(request);
}

static enum rn_poll task_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct stream *stream = rn_container_of(task, struct stream, task);
    struct rn_request *request = rn_request_of(task);
    RN_BEGIN(&stream->co);
    if (chance(2)) { /* done in the next turn, or much later */
        RN_AWAIT(&stream->co, &stream->yield, cx);
    } else {
        rn_sleep(&stream->sleep, cx, RN_MICROSECOND << pick(20));
        RN_AWAIT(&stream->co, &stream->sleep, cx);
    }
    if (cx->cancelled) return RN_READY;
    rn_response_start(request, 200);
    rn_response_head(request, NULL, stream->len);
    while (!write_some(request, stream) && !cx->cancelled)
        RN_AWAIT(&stream->co, rn_request_writable(request), cx);
    if (!cx->cancelled) rn_response_end(request);
    RN_END(&stream->co);
}

static void on_task(struct rn_request *request)
{
    struct stream *stream = rn_request_state(request);
    stream->key = number(request, "key");
    stream->len = number(request, "len");
    if (rn_request_spawn(request, task_poll) < 0)
        check(rn_respond(request, 503, NULL, NULL, 0) == 0);
}

struct lent {
    struct rn_out_owner owner;
    uint8_t bytes[];
};

static void give_back(struct rn_out_owner *owner)
{
    check(site.slices > 0);
    site.slices--;
    free(rn_container_of(owner, struct lent, owner));
}

static void on_slice(struct rn_request *request)
{
    uint32_t len = number(request, "len");
    struct lent *lent = malloc(sizeof *lent + len + 1);
    check(lent);
    lent->owner.release = give_back;
    pattern_fill(lent->bytes, len, number(request, "key"), 0);
    site.slices++;
    rn_respond_slice(request, 200, "application/octet-stream", rn_bytes_of(lent->bytes, len),
                     &lent->owner);
}

static size_t echo_body(struct rn_request *request, rn_bytes piece)
{
    if (piece.len) return rn_response_write(request, piece.ptr, piece.len);
    rn_response_end(request);
    return 0;
}

static void on_echo(struct rn_request *request)
{
    static const struct rn_request_callbacks callbacks = {.body = echo_body};
    rn_request_on(request, &callbacks);
    rn_response_start(request, 200);
    rn_response_head(request, "application/octet-stream", rn_request_content_length(request));
}

static void on_collect(struct rn_request *request)
{
    rn_bytes body = rn_request_body(request);
    check(body.len <= COLLECT_MAX);
    check(rn_respond(request, 200, "application/octet-stream", body.ptr, body.len) == 0);
}

static void on_message(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    check(rn_websocket_send(socket, event->opcode, event->first, event->last, event->data.ptr,
                            event->data.len) == 0);
    /* Between the frames of an echo, too; there may be no room for it. */
    if (chance(4)) (void)!rn_websocket_send(socket, RN_WS_PING, true, true, "ping", 4);
}

/* ---- The server ------------------------------------------------------------------------------ */

uint32_t site_file_len(uint32_t key)
{
    static const uint32_t lens[SITE_FILES] = {0, 900, 20000, 70000};
    return lens[key % SITE_FILES];
}

static void make_files(void)
{
    struct rn_k_open_how how = {.flags = RN_K_O_CREAT | RN_K_O_RDWR, .mode = 0644};
    check(rn_sim_syscall(run.sim, RN_NR_MKDIRAT, RN_K_AT_FDCWD, (long)"/root", 0755, 0, 0, 0) == 0);
    for (uint32_t key = 0; key < SITE_FILES; key++) {
        char path[] = {'/', 'r', 'o', 'o', 't', '/', (char)('0' + key), 0};
        uint32_t len = site_file_len(key);
        uint8_t *content = malloc(len + 1);
        check(content);
        pattern_fill(content, len, key, 0);
        int fd = rn_sys_openat2(RN_K_AT_FDCWD, path, &how);
        check(fd >= 0 && rn_sys_write(fd, content, len) == (long)len);
        rn_sys_close(fd);
        free(content);
    }
}

static struct rn_static *files;
static struct rn_websocket_handler websocket = {.data = on_message};
static struct rn_http_route routes[] = {
    {"GET", "/small/:key/:len", on_small, NULL, NULL, 0},
    {"GET", "/stream/:key/:len/:mode", on_stream, NULL, NULL, 0},
    {"GET", "/task/:key/:len", on_task, NULL, NULL, 0},
    {"GET", "/slice/:key/:len", on_slice, NULL, NULL, 0},
    {"POST", "/echo", on_echo, NULL, NULL, RN_ROUTE_STREAM},
    {"POST", "/collect", on_collect, NULL, NULL, 0},
    {"GET", "/ws", NULL, &websocket, NULL, 0},
    {"GET", "/files/*", rn_static_handler, NULL, NULL, 0},
};

static rn_ns timeout(void) { return site.patient ? 300 * RN_SECOND : RN_SECOND << pick(4); }

static int try_start(const struct rn_http_options *options)
{
    int result = rn_http_server_new(&site.server, options);
    if (result < 0) return result;
    const char *where = site.is_unix ? "unix:@sim" : "127.0.0.1:8000";
    check(rn_address_parse(&site.address, where, 0) == 0);
    result = rn_http_server_listen(site.server, &site.address);
    if (result == 0) result = rn_http_server_start(site.server);
    if (result < 0) rn_http_server_stop(site.server);
    return result;
}

static struct rn_http_options choose_options(uint32_t limit)
{
    return (struct rn_http_options){
        .routes = routes,
        .route_count = RN_COUNT(routes),
        .workers = between(1, WORKERS_MAX),
        .backend = pick_backend(),
        .accept = chance(2) ? RN_ACCEPT_SHARED : RN_ACCEPT_REUSEPORT,
        .connections_max = limit,
        .address_connections_max = !site.patient && chance(3) ? between(1, 8) : 0,
        .connection_requests_max = !site.patient && chance(3) ? between(1, 8) : 0,
        .rate_min = site.patient ? 1 : between(1, 1000),
        .header_timeout = timeout(),
        .idle_timeout = timeout(),
        .write_timeout = timeout(),
        .drain_timeout = RN_SECOND << pick(3),
        .ping_interval = timeout(),
    };
}

void site_open(unsigned clients)
{
    uint32_t limit = between(2, 24);
    site = (struct site){.patient = run.weather < ROUGH, .crowded = clients >= limit,
                         .is_unix = chance(5)};
    struct rn_http_options options = choose_options(clients ? limit : 64);
    make_files();
    check(rn_static_open(&files, &(struct rn_static_options){.root = "/root", .cache_files = 2},
                         WORKERS_MAX) == 0);
    routes[RN_COUNT(routes) - 1].context = files;
    /* A start that fails leaves nothing behind, and the next one succeeds. */
    if (run.weather >= ROUGH && chance(3)) faults_on();
    int result = try_start(&options);
    faults_off();
    if (result < 0) check(try_start(&options) == 0);
    faults_on();
}

void site_upgrade(void)
{
    struct rn_http_server *old = site.server;
    struct rn_http_options options = choose_options(64);
    faults_off();
    check(rn_http_server_new(&site.server, &options) == 0);
    for (struct rn_http_worker *worker = old->workers; worker; worker = worker->next)
        for (unsigned i = 0; i < worker->listener_count; i++) {
            int fd = rn_sys_fcntl(worker->listeners[i].fd, RN_K_F_DUPFD_CLOEXEC, 0);
            check(fd >= 0 && rn_http_server_adopt(site.server, fd) == 0);
        }
    check(rn_http_server_start(site.server) == 0);
    faults_on();
    rn_http_server_stop(old);
}

/* ---- Trouble --------------------------------------------------------------------------------- */

/* The largest file, cut short or whole. */
static void set_file(uint32_t len)
{
    struct rn_k_open_how how = {.flags = RN_K_O_RDWR};
    uint32_t key = SITE_FILES - 1;
    uint8_t *content = malloc(len + 1);
    int fd = -RN_K_EMFILE;
    check(content);
    while (fd < 0) fd = rn_sys_openat2(RN_K_AT_FDCWD, "/root/3", &how);
    pattern_fill(content, len, key, 0);
    check(rn_sim_syscall(run.sim, RN_NR_FTRUNCATE, fd, len, 0, 0, 0, 0) == 0);
    check(rn_sys_write(fd, content, len) == len);
    rn_sys_close(fd);
    free(content);
}

/* Buffers that somebody else has. */
struct hoard {
    struct rn_node node;
    struct rn_buf *bufs;
    uint32_t reserve, reserved; /* of the pool before, and meanwhile */
    unsigned leave, worker;
    uint32_t done;
};

static void take_buffers(struct rn_worker *worker, struct rn_node *node)
{
    struct hoard *hoard = rn_container_of(node, struct hoard, node);
    struct rn_pool *pool = rn_worker_pool(worker);
    hoard->reserve = pool->reserve;
    pool->reserve = hoard->reserved;
    while (pool->count - pool->used > hoard->leave) {
        struct rn_buf *buf = rn_pool_take_reserved(pool);
        buf->next = hoard->bufs;
        hoard->bufs = buf;
    }
    count_up(&hoard->done);
}

static void return_buffers(struct rn_worker *worker, struct rn_node *node)
{
    struct hoard *hoard = rn_container_of(node, struct hoard, node);
    struct rn_pool *pool = rn_worker_pool(worker);
    pool->reserve = hoard->reserve;
    while (hoard->bufs) {
        struct rn_buf *buf = hoard->bufs;
        hoard->bufs = buf->next;
        rn_pool_put(pool, buf);
    }
    count_up(&hoard->done);
}

static struct hoard hoard;

static void post_hoard(void (*change)(struct rn_worker *worker, struct rn_node *node))
{
    struct rn_runtime *runtime = rn_http_server_runtime(site.server);
    hoard.node.run = change;
    rn_worker_post(rn_runtime_worker(runtime, hoard.worker), &hoard.node);
    await_count(&hoard.done, change == take_buffers ? 1 : 2);
}

void site_trouble(void)
{
    unsigned workers = rn_runtime_workers(rn_http_server_runtime(site.server));
    site.shrinking = run.weather >= ROUGH && chance(2);
    hoard = (struct hoard){.worker = pick(workers), .leave = pick(4)};
    hoard.reserved = run.weather < ROUGH ? 100 : hoard.leave / 2;
    hoard.leave += hoard.reserved;
    if (site.shrinking) set_file(pick(site_file_len(SITE_FILES - 1)));
    else post_hoard(take_buffers);
}

void site_recover(void)
{
    if (site.shrinking) set_file(site_file_len(SITE_FILES - 1));
    else post_hoard(return_buffers);
}

/* Twice the longest of its timeouts, with what its clients' networks may add. */
void site_settle(void)
{
    rn_ns limit = world_now() + (site.patient ? 3000 : 600) * RN_SECOND;
    unsigned workers = rn_runtime_workers(rn_http_server_runtime(site.server));
    for (;;) {
        uint64_t open = 0;
        for (unsigned i = 0; i < workers; i++) {
            struct rn_http_figures figures;
            rn_http_server_figures(site.server, i, &figures);
            open += figures.connections;
        }
        if (!open) return;
        if (world_now() > limit)
            fail("%llu connections outlive their deadlines", (unsigned long long)open);
        rest(RN_SECOND);
    }
}

void site_close(void)
{
    rn_http_server_stop(site.server);
    rn_static_close(files);
    if (site.slices) fail("%u slices were not given back", site.slices);
}

void site_end(const uint32_t *ended, unsigned clients, rn_ns early)
{
    if (early != RN_NEVER) {
        rest(early);
        site_stopped = true;
        site_close();
    }
    await_count(ended, clients);
    if (site_stopped) return;
    site_settle();
    site_close();
}
