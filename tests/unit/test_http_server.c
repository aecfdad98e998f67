/*
 * The server: routes, its start and stop, the limit of connections, figures, several workers.
 */
#include "http_bed.h"

/* ---- Handlers -------------------------------------------------------------------------------- */

static void answer_text(struct rn_request *request, const char *text)
{
    assert_int_equal(rn_respond(request, 200, "text/plain", text, strlen(text)), 0);
}

/* The route's context says what stands before the parameters. */
static void on_parameters(struct rn_request *request)
{
    static const char *const names[] = {"id", "name", "*"};
    char text[512];
    int len = snprintf(text, sizeof text, "%s", (const char *)rn_request_context(request));
    for (unsigned i = 0; i < RN_COUNT(names); i++) {
        rn_bytes value = rn_request_parameter(request, names[i]);
        if (value.ptr)
            len += snprintf(text + len, sizeof text - (size_t)len, " %s=%.*s", names[i],
                            (int)value.len, (const char *)value.ptr);
    }
    assert_null(rn_request_parameter(request, "none").ptr);
    assert_ptr_equal(rn_request_server(request), bed_server);
    answer_text(request, text);
}

static void on_method(struct rn_request *request)
{
    rn_bytes method = rn_request_method(request);
    assert_int_equal(rn_respond(request, 200, NULL, method.ptr, method.len), 0);
}

static void on_worker(struct rn_request *request)
{
    char text[16];
    snprintf(text, sizeof text, "%u", rn_worker_index(rn_request_worker(request)));
    answer_text(request, text);
}

static const struct rn_http_route routes[] = {
    {"GET", "/users/me", on_parameters, NULL, (void *)"me", 0},
    {"GET", "/users/:id", on_parameters, NULL, (void *)"user", 0},
    {"GET", "/users/:id/posts/:name", on_parameters, NULL, (void *)"post", 0},
    {"GET", "/files/*", on_parameters, NULL, (void *)"file", 0},
    {"GET", "/users/:id/*", on_parameters, NULL, (void *)"rest", 0},
    {"GET POST", "/both", on_method, NULL, NULL, 0},
    {"PUT", "/put", on_method, NULL, NULL, 0},
    {"GET", "/split", on_method, NULL, NULL, 0},
    {"PUT DELETE", "/split", on_method, NULL, NULL, 0},
    {NULL, "/any", on_method, NULL, NULL, 0},
    {NULL, "/worker", on_worker, NULL, NULL, 0},
};

/* ---- Routes ---------------------------------------------------------------------------------- */

static void test_parameters(void **state)
{
    static const char *const cases[][2] = {
        {"/users/me", "me"},
        {"/users/you", "user id=you"},
        {"/users/a%2Fb", "user id=a%2Fb"},
        {"/users/mee?id=x", "user id=mee"},
        {"/users/1/posts/two", "post id=1 name=two"},
        {"/users/1/posts/", "rest id=1 *=posts/"},
        {"/users/1/", "rest id=1 *="},
        {"/users/1/a/b/", "rest id=1 *=a/b/"},
        {"/files/", "file *="},
        {"/files/a/b?c", "file *=a/b"},
        {"/users/", NULL},
        {"/users", NULL},
        {"/files", NULL},
        {"/users//posts/x", NULL},
        {"/", NULL},
        {"/any/", NULL},
        {"/an", NULL},
    };
    bed_start(routes);
    for (unsigned i = 0; i < RN_COUNT(cases); i++) {
        int status = ask("GET", cases[i][0], NULL);
        if (status != (cases[i][1] ? 200 : 404)) fail_msg("%s: %d", cases[i][0], status);
        if (cases[i][1]) assert_string_equal((char *)answer.body, cases[i][1]);
    }
    bed_stop();
}

static void test_methods(void **state)
{
    static const struct {
        const char *method, *target;
        int status;
        const char *allow;
    } cases[] = {
        {"GET", "/both", 200, NULL},         {"POST", "/both", 200, NULL},
        {"HEAD", "/both", 200, NULL},        {"PUT", "/both", 405, "GET, POST, HEAD"},
        {"PUT", "/put", 200, NULL},          {"GET", "/put", 405, "PUT"},
        {"HEAD", "/put", 405, "PUT"},        {"PATCH", "/put", 405, "PUT"},
        {"GET", "/split", 200, NULL},        {"DELETE", "/split", 200, NULL},
        {"POST", "/split", 405, "GET, HEAD, PUT, DELETE"},
        {"DELETE", "/any", 200, NULL},       {"BREW", "/any", 200, NULL},
        {"BREW", "/both", 501, NULL},        {"TRACE", "/both", 501, NULL},
        {"BREW", "/none", 501, NULL},        {"POST", "/none", 404, NULL},
        {"OPTIONS", "*", 204, NULL},
    };
    bed_start(routes);
    for (unsigned i = 0; i < RN_COUNT(cases); i++) {
        int fd = dial();
        char request[256];
        snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", cases[i].method,
                 cases[i].target, *cases[i].method == 'P' ? "Content-Length: 0\r\n" : "");
        send_all(fd, request);
        read_answer_head(fd);
        if (answer.status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].method, cases[i].target, answer.status);
        if (cases[i].allow) assert_field("Allow", cases[i].allow);
        if (answer.status == 200 && strcmp(cases[i].method, "HEAD") != 0) {
            read_body(fd, strlen(cases[i].method));
            assert_string_equal((char *)answer.body, cases[i].method);
        }
        close(fd);
    }
    bed_stop();
}

/* ---- Start and stop -------------------------------------------------------------------------- */

static void test_options(void **state)
{
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    struct rn_http_server *server;
    options.workers = RN_WORKERS_MAX + 1;
    assert_int_equal(rn_http_server_new(&server, &options), RN_E_MISUSE);
    options.workers = 1;
    options.backend = NULL;
    assert_int_equal(rn_http_server_new(&server, &options), RN_E_MISUSE);
    options.backend = bed_backend;
    options.workers = 0;
    assert_int_equal(rn_http_server_new(&server, &options), 0);
    rn_http_server_stop(server); /* wasn't started */
}

static void test_listen_errors(void **state)
{
    static const enum rn_accept_mode modes[] = {RN_ACCEPT_REUSEPORT, RN_ACCEPT_SHARED};
    struct rn_address address, taken;
    bed_start(routes);
    for (unsigned i = 0; i < 2 * RN_COUNT(modes); i++) {
        struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
        struct rn_http_server *server;
        options.accept = modes[i / 2];
        options.workers = 1 + i % 2;
        assert_int_equal(rn_http_server_new(&server, &options), 0);
        assert_int_equal(rn_address_parse(&taken, "127.0.0.1", bed_port), 0);
        assert_int_equal(rn_http_server_listen(server, &taken), -EADDRINUSE);
        assert_int_equal(rn_address_parse(&taken, "192.0.2.1", 80), 0);
        assert_int_equal(rn_http_server_listen(server, &taken), -EADDRNOTAVAIL);
        for (unsigned k = 0; k < 16; k++) {
            assert_int_equal(rn_address_parse(&address, "127.0.0.1", 0), 0);
            assert_int_equal(rn_http_server_listen(server, &address), 0);
            assert_int_not_equal(rn_address_port(&address), 0);
        }
        assert_int_equal(rn_http_server_listen(server, &address), RN_E_LIMIT);
        rn_http_server_stop(server);
        int fd = rn_listen(&address, &(struct rn_listen_options){0}); /* it is free again */
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(ask("GET", "/any", NULL), 200);
    bed_stop();
}

static struct rn_backend_vt failing;

static int fail_to_start(struct rn_backend *backend, const struct rn_backend_options *options)
{
    return -ENOSYS;
}

static void test_start_fails(void **state)
{
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    struct rn_address address;
    failing = *bed_backend;
    failing.init = fail_to_start;
    options.backend = &failing;
    options.workers = 2;
    assert_int_equal(rn_http_server_new(&bed_server, &options), 0);
    assert_int_equal(rn_address_parse(&address, "127.0.0.1", 0), 0);
    assert_int_equal(rn_http_server_listen(bed_server, &address), 0);
    assert_int_equal(rn_http_server_start(bed_server), -ENOSYS);
    rn_http_server_stop(bed_server);
    int fd = rn_listen(&address, &(struct rn_listen_options){0});
    assert_true(fd >= 0);
    close(fd);
}

static int second_fails(struct rn_backend *backend, const struct rn_backend_options *options)
{
    static unsigned calls;
    return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 2 ? bed_backend->init(backend, options)
                                                              : -ENOMEM;
}

/* One worker runs already when the other can't: its listener ends with it. */
static void test_start_fails_in_part(void **state)
{
    struct rn_backend_vt half = *bed_backend;
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    struct rn_address address;
    half.init = second_fails;
    options.backend = &half;
    options.workers = 2;
    assert_int_equal(rn_http_server_new(&bed_server, &options), 0);
    assert_int_equal(rn_address_parse(&address, "127.0.0.1", 0), 0);
    assert_int_equal(rn_http_server_listen(bed_server, &address), 0);
    assert_int_equal(rn_http_server_start(bed_server), -ENOMEM);
    rn_http_server_stop(bed_server);
    int fd = rn_listen(&address, &(struct rn_listen_options){0});
    assert_true(fd >= 0);
    close(fd);
}

static void *stop_server(void *server)
{
    rn_http_server_stop(server);
    return NULL;
}

static bool somebody_listens(void)
{
    int fd = try_to_dial();
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* What is under way is finished; the answer says that it is the last. */
static void test_drain(void **state)
{
    pthread_t thread;
    bed_start(routes);
    int fd = dial_and_send("POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    eventually(bed_figures().requests == 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_server, bed_server), 0);
    eventually(!somebody_listens());
    struct pollfd wait = {fd, POLLIN, 0};
    assert_int_equal(poll(&wait, 1, 20), 0);
    send_all(fd, "cde");
    read_answer(fd, false);
    assert_int_equal(answer.status, 200);
    assert_field("Connection", "close");
    assert_closed(fd);
    pthread_join(thread, NULL);
}

/* ---- Limits and figures ---------------------------------------------------------------------- */

/* Those over the limit wait, or are told, and are served when others have gone. */
static void test_connections_max(void **state)
{
    enum { MAX = 4 };
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    int fds[MAX];
    options.connections_max = MAX;
    bed_start_with(&options);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MAX; i++) {
            fds[i] = dial_and_send(GET("/any"));
            read_answer(fds[i], false);
            assert_int_equal(answer.status, 200);
        }
        int over = dial_and_send(GET("/any"));
        struct pollfd wait = {over, POLLIN, 0};
        poll(&wait, 1, 20); /* most often it takes no longer to be refused, if it is */
        assert_int_equal(bed_figures().connections, MAX);
        for (unsigned i = 0; i < MAX; i++) close(fds[i]);
        read_answer(over, false);
        if (answer.status != 200) { /* it was accepted before the pause had come */
            assert_int_equal(answer.status, 503);
            assert_field("Retry-After", "1");
        }
        close(over);
        eventually(bed_figures().connections == 0);
    }
    bed_stop();
}

static void test_figures(void **state)
{
    enum { CLIENTS = 5, REQUESTS = 7 };
    uint64_t sent = 0, received = 0;
    bed_start(routes);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int fd = dial();
        for (unsigned k = 0; k < REQUESTS; k++) {
            send_all(fd, GET("/any"));
            sent += strlen(GET("/any"));
            read_answer(fd, false);
            received += strlen(answer.head) + answer.len;
        }
        close(fd);
    }
    eventually(bed_figures().connections == 0);
    struct rn_http_figures figures = bed_figures();
    assert_int_equal(figures.accepted, CLIENTS);
    assert_int_equal(figures.requests, CLIENTS * REQUESTS);
    assert_int_equal(figures.bytes_in, sent);
    assert_int_equal(figures.bytes_out, received);
    assert_int_equal(figures.errors + figures.timeouts + figures.refused, 0);
    int fd = dial_and_send("nonsense\r\n\r\n");
    read_answer(fd, false);
    assert_int_equal(answer.status, 400);
    assert_closed(fd);
    assert_int_equal(bed_figures().errors, 1);
    assert_int_equal(bed_figures().requests, CLIENTS * REQUESTS);
    bed_stop();
}

/* Whichever way an IPv4 address comes in, on a socket of its own or mapped into IPv6, it is the
 * same. */
static void test_mapped_addresses(void **state)
{
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    struct rn_address address;
    socklen_t len = sizeof any;
    int off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), fds[3];
    if (fd < 0) skip(); /* a kernel without IPv6 */
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    options.address_connections_max = 2;
    assert_int_equal(rn_http_server_new(&bed_server, &options), 0);
    assert_int_equal(rn_http_server_adopt(bed_server, fd), 0);
    assert_int_equal(rn_address_parse(&address, "127.0.0.1", 0), 0);
    assert_int_equal(rn_http_server_listen(bed_server, &address), 0);
    assert_int_equal(rn_http_server_start(bed_server), 0);
    const uint16_t ports[] = {ntohs(any.sin6_port), rn_address_port(&address)};
    for (unsigned i = 0; i < RN_COUNT(fds); i++) {
        bed_port = ports[i % 2];
        fds[i] = dial();
        if (i < 2) send_all(fds[i], GET("/any"));
        read_answer(fds[i], false);
        assert_int_equal(answer.status, i < 2 ? 200 : 503);
    }
    assert_int_equal(bed_figures().refused_address, 1);
    for (unsigned i = 0; i < RN_COUNT(fds); i++) close(fds[i]);
    bed_stop();
}

/* One accepts, and each gets as many as the others. */
static void test_accept_shared(void **state)
{
    enum { WORKERS = 3, EACH = 4 };
    struct rn_http_options options = bed_options(routes, RN_COUNT(routes));
    int fds[WORKERS * EACH];
    unsigned counts[WORKERS] = {0};
    options.workers = WORKERS;
    options.accept = RN_ACCEPT_SHARED;
    bed_start_with(&options);
    for (int round = 0; round < 2; round++) {
        memset(counts, 0, sizeof counts);
        for (unsigned i = 0; i < RN_COUNT(fds); i++) {
            fds[i] = dial_and_send(GET("/worker"));
            read_answer(fds[i], false);
            counts[atoi((char *)answer.body)]++;
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            struct rn_http_figures figures;
            assert_int_equal(counts[i], EACH);
            rn_http_server_figures(bed_server, i, &figures);
            assert_int_equal(figures.connections, EACH);
            assert_int_equal(figures.requests, EACH * (round + 1));
        }
        for (unsigned i = 0; i < RN_COUNT(fds); i++) close(fds[i]);
        for (unsigned i = 0; i < WORKERS; i++) {
            struct rn_http_figures figures;
            eventually((rn_http_server_figures(bed_server, i, &figures),
                        figures.connections == 0));
        }
    }
    bed_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_each(test_parameters),
        on_each(test_methods),
        on_each(test_options),
        on_each(test_listen_errors),
        on_each(test_start_fails),
        on_each(test_start_fails_in_part),
        on_each(test_drain),
        on_each(test_connections_max),
        on_each(test_figures),
        on_each(test_mapped_addresses),
        on_each(test_accept_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
