/* net/connect.c on each backend: Happy Eyeballs over loopback, names from a DNS server of the
 * test's own. */
#include <dirent.h>
#include <sys/un.h>

#include "dns_server.h"

struct call {
    struct rn_task task;
    rn_co co;
    struct rn_connect connect;
    const char *name;
    uint16_t port;
    rn_ns wait;
    rn_ns took;
    rn_waker waker;
    struct rn_address peer;
    struct rn_op op;
    bool done;
};

static enum rn_poll call_run(struct rn_task *task, struct rn_cx *cx)
{
    struct call *call = rn_container_of(task, struct call, task);
    RN_BEGIN(&call->co);
    call->took = cx->now;
    rn_connect(&call->connect, cx, call->name, call->port,
               call->wait ? rn_after(cx, call->wait) : RN_NEVER);
    RN_AWAIT(&call->co, &call->connect.future, cx);
    call->took = cx->now - call->took;
    if (call->connect.result >= 0) {
        assert_int_equal(rn_peer_address(call->connect.result, &call->peer), 0);
        rn_stream_close(call->connect.stream, &call->op, cx);
        RN_AWAIT(&call->co, &call->op, cx);
    }
    call->done = true;
    RN_END(&call->co);
}

static void begin(struct call *call, const char *name, uint16_t port, rn_ns wait)
{
    *call = (struct call){.task.poll = call_run, .name = name, .port = port, .wait = wait};
    assert_int_equal(rn_spawn(net_worker, &call->task), 0);
    call->waker = rn_task_waker(net_worker, &call->task);
}

static int connect_by(struct call *call, const char *name, uint16_t port, rn_ns wait)
{
    begin(call, name, port, wait);
    net_until(&call->done);
    return call->connect.result;
}

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

static int listen_at(const char *text, uint16_t *port, int backlog)
{
    struct rn_address address;
    struct rn_listen_options options = {.backlog = backlog};
    assert_int_equal(rn_address_parse(&address, text, *port), 0);
    int fd = rn_listen(&address, &options);
    assert_true(fd >= 0);
    assert_int_equal(rn_local_address(fd, &address), 0);
    *port = rn_address_port(&address);
    return fd;
}

/* Listens, and has its backlog full: whoever connects gets no answer, as where packets are dropped.
 * `held` gets the connections that fill it. */
enum { HELD = 8 };
static int listen_deaf(const char *text, uint16_t *port, int held[HELD])
{
    int fd = listen_at(text, port, 1);
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    assert_int_equal(getsockname(fd, (void *)&to, &size), 0);
    for (unsigned i = 0; i < HELD; i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(held[i], (void *)&to, size);
        struct pollfd ready = {held[i], POLLOUT, 0};
        if (poll(&ready, 1, 100) == 0) { /* nobody answered: it is full */
            close(held[i]);
            held[i] = -1;
            return fd;
        }
    }
    fail_msg("the backlog doesn't fill");
    return -1;
}

static void close_deaf(int fd, const int held[HELD])
{
    for (unsigned i = 0; i < HELD && held[i] >= 0; i++) close(held[i]);
    close(fd);
}

/* ---- One address ----------------------------------------------------------------------------- */

static void simple(void)
{
    struct call call;
    uint16_t port = 0;
    char path[64], text[80];
    server_start("");
    int fd = listen_at("127.0.0.1", &port, 16);
    unsigned before = descriptors();
    assert_true(connect_by(&call, "127.0.0.1", port, 0) >= 0);
    assert_int_equal(call.connect.stream.fd, call.connect.result);
    assert_ptr_equal(call.connect.stream.worker, net_worker);
    assert_true(connect_by(&call, "localhost", port, 0) >= 0); /* ::1 refuses, or isn't there */
    assert_int_equal(connect_by(&call, "127.0.0.1", 1, 0), -ECONNREFUSED);
    assert_int_equal(call.connect.stream.fd, -1);
    snprintf(path, sizeof path, "/tmp/runnel-connect-%d", getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    assert_int_equal(connect_by(&call, text, 0, 0), -ENOENT);
    uint16_t none = 0;
    int local = listen_at(text, &none, 16);
    assert_true(connect_by(&call, text, 0, 0) >= 0);
    close(local);
    unlink(path);
    assert_int_equal(descriptors(), before);
    assert_int_equal(queries(), 0);
    close(fd);
    server_stop();
}

static void addresses_need_no_name(void **state)
{
    (void)state;
    net_each(simple);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void names(void)
{
    struct call call;
    uint16_t port = 0;
    server_start("");
    int fd = listen_at("127.0.0.2", &port, 16);
    unsigned before = descriptors();
    assert_true(connect_by(&call, "four.test", port, 0) >= 0); /* 127.0.0.1 refuses */
    assert_true(connect_by(&call, "both.test", port, 0) >= 0);
    assert_int_equal(connect_by(&call, "both.test", 1, 0), -ECONNREFUSED);
    assert_int_equal(connect_by(&call, "none.test", port, 0), RN_E_NO_NAME);
    assert_int_equal(connect_by(&call, "empty.test", port, 0), RN_E_NO_DATA);
    assert_int_equal(connect_by(&call, "fails.test", port, 0), RN_E_NAME_SERVER);
    assert_int_equal(connect_by(&call, "a b", port, 0), RN_E_MISUSE);
    assert_int_equal(descriptors(), before);
    close(fd);
    server_stop();
}

static void one_address_after_the_other_is_tried(void **state)
{
    (void)state;
    net_each(names);
}

/* Whether there is IPv6 here, if only to the host itself. */
static bool has_ip6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_port = 1,
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (void *)&loopback, sizeof loopback) == 0;
    if (fd >= 0) close(fd);
    return yes;
}

static void families(void)
{
    struct call call;
    uint16_t port = 0;
    bool ip6 = has_ip6();
    server_start("");
    write_file(server.hosts, "::1 many\n::ffff:7f00:9 many\n127.0.0.1 many\n");
    int fd = listen_at("127.0.0.1", &port, 16), fd6 = ip6 ? listen_at("::1", &port, 16) : -1;
    assert_true(connect_by(&call, "both.test", port, 0) >= 0); /* nothing known: AAAA, if at once */
    assert_true(connect_by(&call, "both.test", port, 0) >= 0); /* both are */
    assert_int_equal(rn_address_family(&call.peer), ip6 ? RN_IP6 : RN_IP4);
    assert_int_equal(__builtin_popcount(call.connect.tried), 1);
    assert_true(connect_by(&call, "four.test", port, 0) >= 0);
    assert_int_equal(rn_address_family(&call.peer), RN_IP4);
    /* After one of IPv6 it is the other family's turn, and not that of the second of IPv6, although
     * somebody is there. */
    int other = listen_at("127.0.0.9", &port, 16);
    if (fd6 >= 0) close(fd6);
    assert_true(connect_by(&call, "many", port, 0) >= 0);
    assert_int_equal(rn_address_family(&call.peer), RN_IP4);
    assert_int_equal(__builtin_popcount(call.connect.tried), ip6 ? 2 : 1);
    close(other);
    close(fd);
    server_stop();
}

static void ip6_is_tried_first_and_then_they_take_turns(void **state)
{
    (void)state;
    net_each(families);
}

static void one_family(void)
{
    struct call call;
    uint16_t port = 0;
    server_start("");
    int fd = listen_at("127.0.0.2", &port, 16);
    unsigned before = descriptors();
    /* AAAA is never answered: that takes 20 seconds to be known. */
    assert_true(connect_by(&call, "half.test", port, 0) >= 0);
    assert_true(call.took >= 50 * RN_MILLISECOND);
    assert_true(call.took < 15 * RN_SECOND);
    assert_int_equal(net_worker->ops, 0);
    assert_int_equal(descriptors(), before);
    /* Refused while AAAA is still to come: it goes on waiting for that. */
    assert_int_equal(connect_by(&call, "half.test", 1, 300 * RN_MILLISECOND), -ETIMEDOUT);
    assert_int_equal(net_worker->ops, 0);
    assert_int_equal(descriptors(), before);
    assert_true(connect_by(&call, "late.test", port, 0) >= 0);
    close(fd);
    server_stop();
}

static void a_family_that_does_not_come_is_not_waited_for(void **state)
{
    (void)state;
    net_each(one_family);
}

/* ---- Attempts -------------------------------------------------------------------------------- */

static void racing(void)
{
    struct call call;
    uint16_t port = 0;
    int held[HELD];
    server_start("");
    int fd = listen_at("127.0.0.1", &port, 16), deaf = listen_deaf("127.0.0.3", &port, held);
    unsigned before = descriptors();
    assert_true(connect_by(&call, "two.test", port, 0) >= 0);
    assert_true(call.took >= 250 * RN_MILLISECOND);
    assert_int_equal(net_worker->ops, 0);
    assert_int_equal(descriptors(), before);
    /* Nobody else is there: until the deadline. */
    assert_int_equal(connect_by(&call, "127.0.0.3", port, 20 * RN_MILLISECOND), -ETIMEDOUT);
    begin(&call, "127.0.0.3", port, 0);
    for (unsigned i = 0; i < 3; i++) net_turn_quickly();
    assert_false(call.done);
    rn_task_cancel(call.waker);
    net_until(&call.done);
    assert_int_equal(call.connect.result, -ECANCELED);
    begin(&call, "silent.test", port, 0); /* while the name is still being asked for */
    for (unsigned i = 0; i < 3; i++) net_turn_quickly();
    rn_task_cancel(call.waker);
    net_until(&call.done);
    assert_int_equal(call.connect.result, -ECANCELED);
    assert_int_equal(net_worker->ops, 0);
    assert_int_equal(descriptors(), before);
    close_deaf(deaf, held);
    close(fd);
    server_stop();
}

static void the_next_attempt_does_not_wait_for_the_last(void **state)
{
    (void)state;
    net_each(racing);
}

static void crowd(void)
{
    struct call call;
    uint16_t port = 0;
    int deaf[RN_CONNECT_ATTEMPTS], held[RN_CONNECT_ATTEMPTS][HELD];
    char hosts[600] = "", line[64];
    server_start("");
    for (unsigned i = 0; i < RN_CONNECT_ATTEMPTS; i++) {
        snprintf(line, sizeof line, "127.0.1.%u", i + 1);
        deaf[i] = listen_deaf(line, &port, held[i]);
        strcat(strcat(hosts, line), " many.test\n");
    }
    strcat(hosts, "127.0.2.1 many.test\n");
    write_file(server.hosts, hosts);
    unsigned before = descriptors();
    /* All that may be under way are, and none comes to an end: the ninth has to wait. */
    begin(&call, "many.test", port, 0);
    do net_turn();
    while (__builtin_popcount(call.connect.tried) < RN_CONNECT_ATTEMPTS);
    usleep(300000); /* longer than between two attempts */
    for (unsigned i = 0; i < 3; i++) net_turn_quickly();
    assert_int_equal(__builtin_popcount(call.connect.tried), RN_CONNECT_ATTEMPTS);
    rn_task_cancel(call.waker);
    net_until(&call.done);
    assert_int_equal(call.connect.result, -ECANCELED);
    assert_int_equal(descriptors(), before);
    for (unsigned i = 0; i < RN_CONNECT_ATTEMPTS; i++) close_deaf(deaf[i], held[i]);
    server_stop();
}

static void only_so_many_attempts_are_made_at_a_time(void **state)
{
    (void)state;
    net_open(&rn_backend_epoll);
    crowd();
    net_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_need_no_name),
        cmocka_unit_test(one_address_after_the_other_is_tried),
        cmocka_unit_test(ip6_is_tried_first_and_then_they_take_turns),
        cmocka_unit_test(a_family_that_does_not_come_is_not_waited_for),
        cmocka_unit_test(the_next_attempt_does_not_wait_for_the_last),
        cmocka_unit_test(only_so_many_attempts_are_made_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
