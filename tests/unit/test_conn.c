/*
 * HTTP connections whose client has said all it has to say while a handler is still busy: each
 * request that arrived is answered, however it was cut.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <runnel/backend.h>
#include <runnel/http.h>
#include <runnel/net.h>

struct waiting {
    struct rn_task task;
    rn_co co;
    struct rn_yield yield;
    unsigned turns;
};

/* Answers some turns of the loop later. */
static enum rn_poll answer_later(struct rn_task *task, struct rn_cx *cx)
{
    struct waiting *waiting = rn_container_of(task, struct waiting, task);
    RN_BEGIN(&waiting->co);
    for (waiting->turns = 0; waiting->turns < 300; waiting->turns++)
        RN_AWAIT(&waiting->co, &waiting->yield, cx);
    if (rn_respond(rn_request_of(task), 200, "text/plain", "later\n", 6) < 0) __builtin_trap();
    RN_END(&waiting->co);
}

static void handle_later(struct rn_request *request)
{
    if (rn_request_spawn(request, answer_later) < 0) __builtin_trap();
}

static const struct rn_http_route routes[] = {{.path = "/later", .handler = handle_later}};

static struct rn_http_server *server;
static struct rn_address address;

static void start(const struct rn_backend_vt *backend)
{
    const struct rn_http_options options = {
        .routes = routes, .route_count = 1, .workers = 1, .backend = backend};
    alarm(50);
    assert_int_equal(rn_address_parse(&address, "127.0.0.1:0", 0), 0);
    assert_int_equal(rn_http_server_new(&server, &options), 0);
    assert_int_equal(rn_http_server_listen(server, &address), 0);
    assert_int_equal(rn_http_server_start(server), 0);
}

static void stop(void)
{
    rn_http_server_stop(server);
    alarm(0);
}

/* Sends it in two parts, with the end of input behind, and counts the answers. */
static unsigned answers_to(const char *text, size_t len, size_t cut)
{
    char got[8192];
    size_t got_len = 0;
    ssize_t count;
    unsigned answers = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const void *)address.bytes, address.len), 0);
    assert_int_equal(send(fd, text, cut, 0), cut);
    assert_int_equal(send(fd, text + cut, len - cut, 0), len - cut);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while ((count = recv(fd, got + got_len, sizeof got - 1 - got_len, 0)) > 0)
        got_len += (size_t)count;
    assert_int_equal(count, 0);
    got[got_len] = 0;
    for (char *at = got; (at = strstr(at, "HTTP/1.1 200 ")); at++) answers++;
    close(fd);
    return answers;
}

static void each(void (*test)(void))
{
    static const struct rn_backend_vt *const backends[] = {&rn_backend_epoll, &rn_backend_poll,
                                                           &rn_backend_uring};
    for (size_t i = 0; i < RN_COUNT(backends); i++) {
        const char *missing;
        if (backends[i]->probe(&missing) < 0) continue;
        start(backends[i]);
        test();
        stop();
    }
}

#define GET "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"

static void pipelines(void)
{
    static const char text[] = GET GET GET GET;
    for (size_t cut = 1; cut < sizeof text - 1; cut += 5)
        assert_int_equal(answers_to(text, sizeof text - 1, cut), 4);
}

static void what_was_asked_before_the_end_is_answered(void **state)
{
    (void)state;
    each(pipelines);
}

static void posts(void)
{
    static const char head[] =
        GET "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n";
    static char text[sizeof head + 5000 + sizeof GET];
    size_t len = sizeof head - 1;
    memcpy(text, head, len);
    memset(text + len, 'b', 5000);
    len += 5000;
    memcpy(text + len, GET, sizeof GET - 1);
    len += sizeof GET - 1;
    for (size_t cut = 1; cut < len; cut += 500) assert_int_equal(answers_to(text, len, cut), 3);
}

static void so_is_what_has_a_body(void **state)
{
    (void)state;
    each(posts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_before_the_end_is_answered),
        cmocka_unit_test(so_is_what_has_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
