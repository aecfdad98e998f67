/*
 * http/server.c: a server over its workers: listening, taking connections in and sharing them out,
 * limits, draining.
 */
#include "http/server.h"

#include "sys/sys.h"

enum { CONNECTIONS_MAX = 100000, BUFFERS_MAX = 65536, DESCRIPTORS_SPARE = 64, OVERDUE_MAX = 20,
       BACKLOG_SPARE = 128 };

/* ---- Connections ----------------------------------------------------------------------------- */

static void refuse(struct rn_http_worker *worker, int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                                 "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    worker->figures.refused++;
    rn_sys_send(fd, answer, sizeof answer - 1, RN_K_MSG_NOSIGNAL | RN_K_MSG_DONTWAIT);
    rn_sys_close(fd);
}

static void serve(struct rn_http_worker *worker, int fd)
{
    if (worker->late || worker->conns.used == worker->conns.count) refuse(worker, fd);
    else rn_http_conn_start(worker, fd);
}

static void on_handoff(struct rn_worker *target, struct rn_node *node)
{
    struct rn_http_handoff *handoff = rn_container_of(node, struct rn_http_handoff, node);
    int fd = handoff->fd;
    __atomic_store_n(&handoff->busy, false, __ATOMIC_RELEASE);
    serve(rn_worker_local(target), fd);
}

static struct rn_http_worker *least_loaded(struct rn_http_server *server)
{
    struct rn_http_worker *best = server->workers;
    for (struct rn_http_worker *other = best; (other = other->next);)
        if (__atomic_load_n(&other->load, __ATOMIC_RELAXED) <
            __atomic_load_n(&best->load, __ATOMIC_RELAXED))
            best = other;
    return best;
}

static void hand_off(struct rn_http_worker *worker, struct rn_http_worker *target, int fd)
{
    struct rn_http_handoff *handoff = &target->handoffs[target->handed % RN_HTTP_HANDOFFS];
    if (target == worker || __atomic_load_n(&handoff->busy, __ATOMIC_ACQUIRE)) {
        __atomic_fetch_add(&worker->load, 1, __ATOMIC_RELAXED);
        serve(worker, fd);
        return;
    }
    __atomic_fetch_add(&target->load, 1, __ATOMIC_RELAXED);
    target->handed++;
    handoff->node.run = on_handoff;
    handoff->fd = fd;
    handoff->busy = true;
    rn_worker_post(target->worker, &handoff->node);
}

static void for_conns(struct rn_http_worker *worker, void (*call)(struct rn_stream_driver *))
{
    struct rn_http_conn *conn;
    for (uint32_t i = 0; (conn = rn_slab_next(&worker->conns, &i));) call(&conn->driver);
}

static void for_listeners(struct rn_http_worker *worker, void (*call)(struct rn_listener *))
{
    for (unsigned i = 0; i < worker->listener_count; i++) call(&worker->listeners[i]);
}

static void end_idle(struct rn_stream_driver *driver)
{
    struct rn_http_conn *conn = rn_container_of(driver, struct rn_http_conn, driver);
    if (conn->request || rn_http_conn_is(conn, RN_HTTP_UPGRADED) || conn->deadline == RN_NEVER)
        return;
    conn->deadline = rn_worker_now(conn->worker->worker) + RN_HTTP_GRACE;
    rn_stream_driver_kick(driver);
}

/* At the limit the listeners pause, and new connections wait in the backlog. As with any sleep and
 * wake: raise the flag, then look again, so that a connection that ends just now is not missed. */
static void pause_at_limit(struct rn_http_worker *worker)
{
    struct rn_http_server *server = worker->server;
    if (__atomic_load_n(&server->connections, __ATOMIC_SEQ_CST) < server->options.connections_max)
        return;
    if (__atomic_exchange_n(&worker->paused, 1, __ATOMIC_SEQ_CST)) return;
    __atomic_fetch_add(&server->paused, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&server->connections, __ATOMIC_SEQ_CST) < server->options.connections_max &&
        __atomic_exchange_n(&worker->paused, 0, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_sub(&server->paused, 1, __ATOMIC_SEQ_CST);
        return;
    }
    for_listeners(worker, rn_listener_pause);
}

static void resume_listener(struct rn_listener *listener)
{
    struct rn_http_worker *worker = listener->owner;
    if (listener->worker) {
        rn_listener_resume(listener);
        return;
    }
    listener->worker = worker->worker;
    worker->listening++;
    rn_listener_start(listener);
}

static void on_resume(struct rn_worker *running, struct rn_node *node)
{
    for_listeners(rn_container_of(node, struct rn_http_worker, resume), resume_listener);
}

static void resume_paused(struct rn_http_server *server)
{
    for (struct rn_http_worker *worker = server->workers; worker; worker = worker->next) {
        if (!__atomic_exchange_n(&worker->paused, 0, __ATOMIC_SEQ_CST)) continue;
        __atomic_fetch_sub(&server->paused, 1, __ATOMIC_SEQ_CST);
        rn_worker_post(worker->worker, &worker->resume);
    }
}

static void on_accepted(struct rn_listener *listener, int fd)
{
    struct rn_http_worker *worker = listener->owner;
    struct rn_http_server *server = worker->server;
    uint32_t open = __atomic_fetch_add(&server->connections, 1, __ATOMIC_SEQ_CST);
    if (open >= server->options.connections_max) {
        __atomic_fetch_sub(&server->connections, 1, __ATOMIC_SEQ_CST);
        refuse(worker, fd);
    } else {
        hand_off(worker, server->options.accept == RN_ACCEPT_SHARED ? least_loaded(server) : worker,
                 fd);
    }
    /* From when it is full until it is half empty, nobody is idle for long. */
    if (open < server->options.connections_max / 2)
        worker->idle_time = server->options.idle_timeout;
    if (open + 1 < server->options.connections_max) return;
    pause_at_limit(worker);
    if (worker->idle_time == RN_HTTP_GRACE) return;
    worker->idle_time = RN_HTTP_GRACE;
    for_conns(worker, end_idle);
}

/* ---- Connections of one address -------------------------------------------------------------- */

/* Adds to the counters of the connection's address, one of each row, and returns the least. Where
 * two addresses meet in one row they don't in another, so that is, nearly always, how many
 * connections the address has; it is never less. */
static uint32_t count(struct rn_http_conn *conn, uint32_t more)
{
    uint32_t (*row)[RN_HTTP_ADDRESS_ROW] = conn->worker->server->addresses;
    uint32_t least = UINT32_MAX;
    for (uint64_t address = conn->address; address; address >>= 16) {
        uint32_t counted =
            __atomic_add_fetch(&(*row++)[(uint16_t)address], more, __ATOMIC_SEQ_CST);
        if (counted < least) least = counted;
    }
    return least;
}

bool rn_http_conn_admit(struct rn_http_conn *conn)
{
    struct rn_http_worker *worker = conn->worker;
    struct rn_http_server *server = worker->server;
    struct rn_address peer;
    int fd = rn_http_conn_fd(conn);
    if (!server->options.address_connections_max || rn_peer_address(fd, &peer) < 0) return true;
    enum rn_family family = rn_address_family(&peer);
    uint64_t address = rn_load64(peer.bytes + 8); /* of IPv6 the /64 */
    if (family == RN_UNIX) return true;
    if (family == RN_IP4 || !address) /* or it is mapped: then it stands at the end */
        address = (uint64_t)rn_load32(peer.bytes + (family == RN_IP4 ? 4 : 20)) << 32;
    unsigned __int128 product = (unsigned __int128)address * server->address_key;
    conn->address = (uint64_t)product ^ (uint64_t)(product >> 64);
    count(conn, 1);
    /* Only now it is looked: of two that come at once, neither overlooks the other. */
    if (count(conn, 0) <= server->options.address_connections_max) return true;
    worker->figures.refused_address++;
    refuse(worker, fd);
    rn_http_conn_ended(conn);
    return false;
}

static void check_ended(struct rn_http_worker *worker)
{
    struct rn_http_server *server = worker->server;
    bool left = worker->conns.used;
    if (!worker->late || worker->ended || (left && worker->overdue < OVERDUE_MAX)) return;
    worker->ended = true;
    rn_timer_stop(worker->worker, &worker->drain);
    __atomic_fetch_add(&server->ended, 1, __ATOMIC_RELEASE);
    rn_sys_futex_wake(&server->ended, 1);
}

void rn_http_conn_ended(struct rn_http_conn *conn)
{
    struct rn_http_worker *worker = conn->worker;
    struct rn_http_server *server = worker->server;
    if (conn->request) rn_request_free(conn->request);
    count(conn, -1u);
    rn_slab_put(&worker->conns, conn);
    worker->figures.connections--;
    __atomic_fetch_sub(&worker->load, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&server->connections, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&server->paused, __ATOMIC_SEQ_CST)) resume_paused(server);
    check_ended(worker);
}

/* ---- A worker's life ------------------------------------------------------------------------- */

/* Workers stop listening one after the other. When the last one has, no connection is handed to any
 * of them any more but those that are in their inboxes, and each is told so behind them. */
static void stop_next(struct rn_http_worker *worker)
{
    struct rn_http_worker *next = worker->next;
    if (next) {
        rn_worker_post(next->worker, &next->stop);
        return;
    }
    for (next = worker->server->workers; next; next = next->next)
        rn_worker_post(next->worker, &next->stop);
}

static void on_listener_stopped(struct rn_listener *listener)
{
    struct rn_http_worker *worker = listener->owner;
    if (!--worker->listening) stop_next(worker);
}

/* Their ends take a turn or two, or never come when a task takes no notice of its cancellation.
 * Counted and not timed, since the worker itself, or all of the machine, may have stood still. */
static void on_drain_timeout(struct rn_timer *timer, rn_ns now)
{
    struct rn_http_worker *worker = rn_container_of(timer, struct rn_http_worker, drain);
    for_conns(worker, rn_stream_driver_abort);
    rn_timer_start(worker->worker, timer, now + 100 * RN_MILLISECOND);
    worker->overdue++;
    check_ended(worker);
}

static void on_stop(struct rn_worker *running, struct rn_node *node)
{
    struct rn_http_worker *worker = rn_container_of(node, struct rn_http_worker, stop);
    if (worker->draining) {
        worker->late = true;
        check_ended(worker);
        return;
    }
    worker->draining = true;
    for_listeners(worker, rn_listener_stop);
    for_conns(worker, rn_stream_driver_shutdown);
    rn_timer_start(running, &worker->drain,
                   rn_worker_now(running) + worker->server->options.drain_timeout);
    if (!worker->listening) stop_next(worker);
}

static int start_worker(struct rn_worker *running, void *context)
{
    struct rn_http_server *server = context;
    struct rn_http_worker *worker = &server->workers[rn_worker_index(running)];
    uint32_t count = server->options.connections_max;
    worker->worker = running;
    __atomic_store_n(&server->runtime, rn_worker_runtime(running), __ATOMIC_RELAXED);
    worker->drain.expire = on_drain_timeout;
    worker->kind = (struct rn_stream_kind){
        .closed = rn_http_conn_closed,
        .traffic = &worker->traffic,
        .write_timeout = server->options.write_timeout,
        .write_stall = server->options.write_timeout / RN_SECOND * server->options.rate_min,
    };
    worker->idle_time = server->options.idle_timeout;
    worker->stop.run = on_stop;
    worker->resume.run = on_resume;
    rn_worker_set_local(running, worker);
    int result = rn_slab_init(&worker->conns, count, sizeof(struct rn_http_conn));
    if (result == 0) result = rn_slab_init(&worker->requests, count, sizeof(struct rn_request));
    /* In the first turn: there is none if another worker can't start, and nothing may be in flight
     * then. */
    rn_worker_post(running, &worker->resume);
    return result;
}

static void end_worker(struct rn_worker *running, void *context)
{
    struct rn_http_worker *worker = rn_worker_local(running);
    rn_slab_fini(&worker->conns);
    rn_slab_fini(&worker->requests);
}

static void flush_logs(struct rn_worker *running, void *context)
{
    struct rn_http_worker *worker = rn_worker_local(running);
    if (rn_unlikely(worker->log.len)) rn_log_flush(&worker->log);
    if (rn_unlikely(worker->access.len)) rn_log_flush(&worker->access);
}

/* ---- The server ------------------------------------------------------------------------------ */

static uint64_t raise_descriptor_limit(void)
{
    struct rn_k_rlimit limit = {1024, 1024};
    rn_sys_prlimit64(0, RN_K_RLIMIT_NOFILE, NULL, &limit);
    limit.rlim_cur = limit.rlim_max;
    rn_sys_prlimit64(0, RN_K_RLIMIT_NOFILE, &limit, NULL);
    return limit.rlim_max;
}

static int check_options(struct rn_http_options *options)
{
    /* of header_timeout and those that follow it */
    static const uint8_t default_seconds[] = {10, 60, 60, 3, 30};
    static const int nowhere = -1;
    uint64_t most = raise_descriptor_limit();
    if (!options->workers) options->workers = rn_cpu_count();
    if (options->workers > RN_WORKERS_MAX || !options->backend) return RN_E_MISUSE;
    uint64_t spare = DESCRIPTORS_SPARE + 8 * options->workers;
    most -= spare < most / 2 ? spare : most / 2;
    if (most > CONNECTIONS_MAX) most = CONNECTIONS_MAX;
    if (options->connections_max - 1 >= most) /* also when it is 0 */
        options->connections_max = (uint32_t)most;
    if (!options->rate_min) options->rate_min = 240;
    if (!options->log_fd) {
        options->log_fd = &nowhere;
        options->log_level = RN_LOG_ERROR;
    }
    for (unsigned i = 0; i < RN_COUNT(default_seconds); i++) {
        rn_ns *timeout = &options->header_timeout + i;
        if (!*timeout) *timeout = default_seconds[i] * RN_SECOND;
    }
    return 0;
}

int rn_http_server_new(struct rn_http_server **made, const struct rn_http_options *options)
{
    struct rn_http_options checked = *options;
    int result = check_options(&checked);
    if (result < 0) return result;
    size_t size =
        sizeof(struct rn_http_server) + checked.workers * sizeof(struct rn_http_worker);
    struct rn_http_server *server = rn_map(size);
    if (!server) return -RN_K_ENOMEM;
    server->options = checked;
    server->address_key = rn_random64() | 1;
    server->mapped = size;
    struct rn_http_worker *next = NULL;
    for (unsigned i = checked.workers; i--;) {
        struct rn_http_worker *worker = &server->workers[i];
        worker->next = next;
        worker->server = server;
        worker->log_level = (uint8_t)checked.log_level;
        worker->log.fd = checked.log_fd;
        worker->access.fd = checked.access_fd;
        next = worker;
    }
    *made = server;
    return 0;
}

static void add_listener(struct rn_http_worker *worker, int fd)
{
    struct rn_listener *listener = &worker->listeners[worker->listener_count++];
    listener->fd = fd;
    listener->accepted = on_accepted;
    listener->stopped = on_listener_stopped;
    listener->owner = worker;
}

int rn_http_server_adopt(struct rn_http_server *server, int fd)
{
    struct rn_http_worker *best = server->workers;
    for (struct rn_http_worker *worker = best; worker; worker = worker->next)
        if (worker->listener_count < best->listener_count) best = worker;
    if (best->listener_count == RN_HTTP_LISTENERS_MAX) return RN_E_LIMIT;
    add_listener(best, fd);
    return 0;
}

int rn_http_server_listen(struct rn_http_server *server, struct rn_address *address)
{
    struct rn_http_worker *worker = server->workers;
    bool each = server->options.accept == RN_ACCEPT_REUSEPORT;
    bool is_unix = rn_address_family(address) == RN_UNIX;
    bool reuse_port = each && worker->next && !is_unix;
    int backlog = (int)server->options.connections_max + BACKLOG_SPARE;
    struct rn_listen_options options = {.v6only = true, .backlog = backlog};
    if (worker->listener_count == RN_HTTP_LISTENERS_MAX) return RN_E_LIMIT;
    /* Bound without SO_REUSEPORT first, which would let a second server share the port of the first
     * unnoticed. */
    if (reuse_port) options.backlog = -1;
    int fd = rn_listen(address, &options);
    if (fd < 0) return fd;
    int result = rn_local_address(fd, address);
    if (reuse_port) {
        rn_sys_close(fd);
        options.backlog = backlog;
        options.reuse_port = true;
        fd = result < 0 ? result : rn_listen(address, &options);
    }
    while (fd >= 0) {
        add_listener(worker, fd);
        worker = worker->next;
        if (!worker || !each) return result;
        fd = is_unix ? rn_sys_fcntl(fd, RN_K_F_DUPFD_CLOEXEC, 0) : rn_listen(address, &options);
    }
    return fd;
}

static void close_listener(struct rn_listener *listener)
{
    if (!listener->worker) rn_sys_close(listener->fd); /* it was never started */
}

static void free_server(struct rn_http_server *server)
{
    for (struct rn_http_worker *worker = server->workers; worker; worker = worker->next)
        for_listeners(worker, close_listener);
    rn_unmap(server, server->mapped);
}

int rn_http_server_start(struct rn_http_server *server)
{
    const struct rn_http_options *options = &server->options;
    uint32_t buffers = 2 * options->connections_max + 512;
    struct rn_runtime_options runtime = {
        .workers = options->workers,
        .backend = options->backend,
        .buffers = buffers < BUFFERS_MAX ? buffers : BUFFERS_MAX,
        .tasks = options->connections_max + 64,
        .busy_poll_us = options->busy_poll_us,
        .on_start = start_worker,
        .on_stop = end_worker,
        .on_idle = flush_logs,
        .context = server,
    };
    struct rn_runtime *started; /* the server's own is set by the workers, who may need it now */
    int result = rn_runtime_start(&started, &runtime);
    if (result < 0) server->runtime = NULL;
    return result;
}

static void drain(struct rn_http_server *server)
{
    unsigned workers = server->options.workers;
    uint32_t ended;
    rn_worker_post(server->workers->worker, &server->workers->stop);
    while ((ended = __atomic_load_n(&server->ended, __ATOMIC_ACQUIRE)) < workers)
        rn_sys_futex_wait(&server->ended, ended, NULL);
    rn_runtime_stop(server->runtime);
    rn_runtime_join(server->runtime);
}

void rn_http_server_stop(struct rn_http_server *server)
{
    if (server->runtime) drain(server);
    free_server(server);
}

struct rn_runtime *rn_http_server_runtime(struct rn_http_server *server)
{
    return __atomic_load_n(&server->runtime, __ATOMIC_RELAXED);
}

void rn_http_server_figures(const struct rn_http_server *server, unsigned index,
                            struct rn_http_figures *figures)
{
    const struct rn_http_worker *worker = &server->workers[index];
    const uint64_t *from = (const uint64_t *)&worker->figures;
    uint64_t *to = (uint64_t *)figures;
    for (size_t i = 0; i < sizeof *figures / sizeof *to; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
