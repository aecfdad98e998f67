/*
 * Datagram sockets on each backend: whole datagrams, their senders, and what doesn't fit.
 */
#include "net_bed.h"

struct call {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    rn_udp udp;
    const void *from;
    size_t len;
    const struct rn_address *to;
    enum { RECV, SEND, CLOSE } what;
    rn_ns wait;
    rn_waker waker;
    bool over;
};

static enum rn_poll run_call(struct rn_task *task, struct rn_cx *cx)
{
    struct call *call = rn_container_of(task, struct call, task);
    rn_ns deadline = rn_after(cx, call->wait ? call->wait : 40 * RN_SECOND);
    RN_BEGIN(&call->co);
    call->waker = cx->waker;
    if (call->what == RECV) rn_udp_recv(call->udp, &call->op, cx, deadline);
    else if (call->what == CLOSE) rn_udp_close(call->udp, &call->op, cx);
    else rn_udp_send(call->udp, &call->op, cx, call->from, call->len, call->to, deadline);
    RN_AWAIT(&call->co, &call->op, cx);
    call->over = true;
    RN_END(&call->co);
}

static void spawn_call(struct call *call)
{
    call->task.poll = run_call;
    call->co.line = 0;
    call->over = false;
    assert_int_equal(rn_spawn(net_worker, &call->task), 0);
    net_turn_quickly();
}

static int64_t finish_call(struct call *call)
{
    net_until(&call->over);
    return call->op.result;
}

static int64_t send_to(rn_udp udp, const void *from, size_t len, const struct rn_address *to)
{
    struct call call = {.udp = udp, .what = SEND, .from = from, .len = len, .to = to};
    spawn_call(&call);
    return finish_call(&call);
}

static void close_udp(rn_udp udp)
{
    struct call call = {.udp = udp, .what = CLOSE};
    spawn_call(&call);
    assert_int_equal(finish_call(&call), 0);
    assert_int_equal(fcntl(udp.fd, F_GETFD), -1);
}

/* Receives a datagram and checks it: the sender, and the first `len` bytes of it. */
static void expect(rn_udp udp, const void *bytes, size_t len, bool truncated,
                   const struct rn_address *from)
{
    struct call call = {.udp = udp, .what = RECV};
    spawn_call(&call);
    int64_t result = finish_call(&call);
    struct rn_buf *buf = call.op.buf;
    assert_non_null(buf);
    assert_int_equal(result, buf->len);
    assert_int_equal(buf->len, len);
    assert_in_range(buf->at, sizeof(struct rn_datagram), buf->cap - len);
    if (len) assert_memory_equal(buf->data + buf->at, bytes, len);
    const struct rn_datagram *datagram = (const void *)buf->data;
    assert_int_equal(datagram->truncated, truncated);
    if (from) {
        struct rn_address sender;
        assert_int_equal(datagram->address_len, from->len);
        assert_memory_equal(datagram->address, from->bytes, from->len);
        rn_udp_sender(buf, &sender);
        assert_true(rn_address_equal(&sender, from));
    }
    assert_int_equal(rn_udp_truncated(buf), truncated);
    assert_int_equal(rn_udp_payload(buf).len, len);
    assert_ptr_equal(rn_udp_payload(buf).ptr, buf->data + buf->at);
    rn_pool_put(rn_worker_pool(net_worker), buf);
}

static bool bind_one(rn_udp *udp, const char *text, struct rn_address *address, bool reuse_port)
{
    char name[40];
    static unsigned names;
    /* Another one for each socket, of this process alone. */
    bool any = strcmp(text, "unix:@") == 0;
    if (any) snprintf(name, sizeof name, "unix:@runnel-test-%d-%u", getpid(), names++);
    assert_int_equal(rn_address_parse(address, any ? name : text, 0), 0);
    int result = rn_udp_bind(udp, net_worker, address, reuse_port);
    if (result == -EADDRNOTAVAIL || result == -EAFNOSUPPORT) return false;
    assert_int_equal(result, 0);
    assert_int_equal(rn_local_address(udp->fd, address), 0);
    assert_true(fcntl(udp->fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(udp->fd, F_GETFD) & FD_CLOEXEC);
    return true;
}

static void datagrams_over(const char *text)
{
    rn_udp a, b;
    struct rn_address at_a, at_b;
    static char bytes[60000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    if (!bind_one(&a, text, &at_a, false)) return;
    assert_true(bind_one(&b, text, &at_b, false));
    assert_int_equal(send_to(a, "hello", 5, &at_b), 5);
    expect(b, "hello", 5, false, &at_a);
    /* In their order and not joined, as often as they were sent, an empty one too. */
    assert_int_equal(send_to(a, bytes, 1, &at_b), 1);
    assert_int_equal(send_to(a, bytes, 0, &at_b), 0);
    assert_int_equal(send_to(a, bytes, 2000, &at_b), 2000);
    expect(b, bytes, 1, false, &at_a);
    expect(b, bytes, 0, false, &at_a);
    expect(b, bytes, 2000, false, &at_a);
    /* The receiver waits first. */
    struct call call = {.udp = b, .what = RECV};
    spawn_call(&call);
    for (int i = 0; i < 3; i++) net_turn_quickly();
    assert_false(call.over);
    assert_int_equal(send_to(a, "x", 1, &at_b), 1);
    assert_int_equal(finish_call(&call), 1);
    rn_pool_put(rn_worker_pool(net_worker), call.op.buf);
    /* More than a buffer holds: never passed off as whole. */
    assert_int_equal(send_to(a, bytes, sizeof bytes, &at_b), sizeof bytes);
    spawn_call(&call);
    assert_true(finish_call(&call) < 4096);
    struct rn_buf *buf = call.op.buf;
    assert_true(((struct rn_datagram *)(void *)buf->data)->truncated);
    assert_int_equal(buf->at + buf->len, buf->cap);
    assert_memory_equal(buf->data + buf->at, bytes, buf->len);
    rn_pool_put(rn_worker_pool(net_worker), buf);
    assert_int_equal(send_to(a, "next", 4, &at_b), 4);
    expect(b, "next", 4, false, &at_a);
    close_udp(a);
    close_udp(b);
}

static void datagrams(void)
{
    datagrams_over("127.0.0.1:0");
    datagrams_over("[::1]:0");
    datagrams_over("unix:@"); /* any name: see bind_one */
}

static void datagrams_stay_whole(void **state)
{
    (void)state;
    net_each(datagrams);
}

static void connected(void)
{
    rn_udp a, b, c;
    struct rn_address at_a, at_b, at_c;
    assert_true(bind_one(&a, "127.0.0.1:0", &at_a, false));
    assert_true(bind_one(&b, "127.0.0.1:0", &at_b, false));
    assert_true(bind_one(&c, "127.0.0.1:0", &at_c, false));
    assert_int_equal(send_to(a, "x", 1, NULL), -EDESTADDRREQ);
    assert_int_equal(rn_udp_connect(a, &at_b), 0);
    assert_int_equal(send_to(a, "to b", 4, NULL), 4);
    expect(b, "to b", 4, false, &at_a);
    assert_int_equal(send_to(c, "from c", 6, &at_a), 6); /* not its peer: is dropped */
    assert_int_equal(send_to(b, "from b", 6, &at_a), 6);
    expect(a, "from b", 6, false, &at_b);
    close_udp(b);
    /* Nobody is there any more, says the next answer of the network, once. */
    assert_int_equal(send_to(a, "x", 1, NULL), 1);
    struct call call = {.udp = a, .what = RECV};
    spawn_call(&call);
    assert_int_equal(finish_call(&call), -ECONNREFUSED);
    assert_null(call.op.buf);
    close_udp(a);
    close_udp(c);
}

static void a_connected_socket_has_one_peer(void **state)
{
    (void)state;
    net_each(connected);
}

static void binds(void)
{
    rn_udp a, b = {NULL, -7};
    struct rn_address address, elsewhere;
    assert_true(bind_one(&a, "127.0.0.1:0", &address, false));
    assert_int_equal(rn_udp_bind(&b, net_worker, &address, false), -EADDRINUSE);
    assert_int_equal(rn_udp_bind(&b, net_worker, &address, true), -EADDRINUSE);
    assert_int_equal(b.fd, -7);
    close_udp(a);
    assert_int_equal(rn_udp_bind(&a, net_worker, &address, true), 0);
    assert_int_equal(rn_udp_bind(&b, net_worker, &address, true), 0);
    close_udp(a);
    close_udp(b);
    assert_int_equal(rn_address_parse(&elsewhere, "192.0.2.1:1", 0), 0);
    assert_int_equal(rn_udp_bind(&a, net_worker, &elsewhere, false), -EADDRNOTAVAIL);
}

static void a_port_is_shared_when_all_agree(void **state)
{
    (void)state;
    net_each(binds);
}

static void unconnected(void)
{
    rn_udp a, b, c;
    struct rn_address at_a, at_b, at_c;
    assert_true(bind_one(&b, "127.0.0.1:0", &at_b, false));
    assert_int_equal(rn_udp_open(&a, net_worker, RN_IP4), 0);
    assert_true(fcntl(a.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(send_to(a, "first", 5, &at_b), 5); /* gives it an address */
    assert_int_equal(rn_local_address(a.fd, &at_a), 0);
    assert_int_not_equal(rn_address_port(&at_a), 0);
    expect(b, "first", 5, false, NULL);
    /* One peer, then anyone again. */
    assert_true(bind_one(&c, "127.0.0.1:0", &at_c, false));
    assert_int_equal(rn_udp_connect(c, &at_b), 0);
    assert_int_equal(send_to(c, "x", 1, NULL), 1);
    expect(b, "x", 1, false, &at_c);
    assert_int_equal(rn_udp_connect(c, NULL), 0);
    assert_int_equal(send_to(c, "x", 1, NULL), -EDESTADDRREQ);
    assert_int_equal(rn_udp_open(&a, net_worker, (enum rn_family)99), -EAFNOSUPPORT);
    close_udp(a);
    close_udp(b);
    close_udp(c);
}

static void a_socket_needs_no_address(void **state)
{
    (void)state;
    net_each(unconnected);
}

static void unix_files(void)
{
    char path[] = "/tmp/runnel-udp-XXXXXX", text[64];
    rn_udp a, b;
    struct rn_address at, nameless;
    assert_non_null(mkdtemp(path));
    snprintf(text, sizeof text, "unix:%s/s", path);
    assert_true(bind_one(&b, text, &at, false));
    assert_int_equal(rn_udp_bind(&a, net_worker, &at, false), -EADDRINUSE);
    assert_int_equal(rn_udp_open(&a, net_worker, RN_UNIX), 0);
    assert_int_equal(rn_udp_connect(a, &at), 0);
    assert_int_equal(send_to(a, "hello", 5, NULL), 5);
    struct call call = {.udp = b, .what = RECV};
    spawn_call(&call);
    assert_int_equal(finish_call(&call), 5);
    rn_udp_sender(call.op.buf, &nameless);
    assert_int_equal(nameless.len, 0);
    rn_pool_put(rn_worker_pool(net_worker), call.op.buf);
    close_udp(b);
    assert_int_equal(send_to(a, "x", 1, NULL), -ECONNREFUSED);
    close_udp(a);
    assert_int_equal(unlink(text + 5), 0);
    assert_int_equal(rmdir(path), 0);
}

static void unix_datagrams_have_files(void **state)
{
    (void)state;
    net_each(unix_files);
}

static void broadcasts(void)
{
    rn_udp a, b;
    struct rn_address at_a, at_b, everyone;
    /* To all of the loopback network; who listens on any address hears it. */
    assert_true(bind_one(&b, "0.0.0.0:0", &at_b, false));
    assert_true(bind_one(&a, "127.0.0.1:0", &at_a, false));
    assert_int_equal(rn_address_parse(&everyone, "127.255.255.255", rn_address_port(&at_b)), 0);
    assert_int_equal(send_to(a, "all", 3, &everyone), -EACCES);
    assert_int_equal(rn_socket_set(a.fd, RN_SOCKET_BROADCAST, 1), 0);
    assert_int_equal(send_to(a, "all", 3, &everyone), 3);
    expect(b, "all", 3, false, &at_a);
    close_udp(a);
    close_udp(b);
}

static void a_broadcast_takes_the_option(void **state)
{
    (void)state;
    net_each(broadcasts);
}

/* On the loopback interface, that of the number 1. */
static void groups_of(const char *group_text, const char *any, const char *local)
{
    rn_udp a, b;
    struct rn_address group, other, at_a, at_b;
    int ip6 = *any == '[';
    if (!bind_one(&b, any, &at_b, false)) return;
    assert_true(bind_one(&a, local, &at_a, false));
    assert_int_equal(rn_address_parse(&group, group_text, rn_address_port(&at_b)), 0);
    assert_int_equal(rn_socket_set(b.fd, ip6 ? RN_SOCKET_MULTICAST_ALL6 : RN_SOCKET_MULTICAST_ALL,
                                   0), 0);
    assert_int_equal(rn_udp_leave(b, &group, 1), -EADDRNOTAVAIL);
    assert_int_equal(rn_udp_join(b, &group, 1), 0);
    assert_int_equal(rn_udp_join(b, &group, 1), -EADDRINUSE);
    assert_true(rn_udp_join(b, &group, 1 << 20) == -ENODEV);
    assert_int_equal(rn_udp_join(b, &at_a, 1), -EINVAL);
    assert_int_equal(rn_address_parse(&other, "unix:@x", 0), 0);
    assert_int_equal(rn_udp_join(b, &other, 1), -EINVAL);
    assert_int_equal(rn_udp_multicast_interface(a, rn_address_family(&group), 1), 0);
    assert_true(rn_udp_multicast_interface(a, rn_address_family(&group), 1 << 20) < 0);
    assert_int_equal(rn_udp_multicast_interface(a, RN_UNIX, 1), -EINVAL);
    int64_t result = send_to(a, "group", 5, &group);
    if (result == 5) {
        expect(b, "group", 5, false, &at_a);
    } else {
        /* The kernel makes no such route for the loopback interface itself. */
        assert_true(ip6 && result == -ENETUNREACH);
        print_message("no route to IPv6 groups on lo: joined and left without a datagram\n");
    }
    /* Who has left hears no more: the next that comes is what is sent to it alone. */
    assert_int_equal(rn_udp_leave(b, &group, 1), 0);
    assert_int_equal(send_to(a, "group", 5, &group), result);
    at_b = at_a;
    rn_address_set_port(&at_b, rn_address_port(&group));
    assert_int_equal(send_to(a, "alone", 5, &at_b), 5);
    expect(b, "alone", 5, false, &at_a);
    close_udp(a);
    close_udp(b);
}

static void groups(void)
{
    groups_of("224.0.0.177", "0.0.0.0:0", "127.0.0.1:0");
    groups_of("ff01::77:1", "[::]:0", "[::1]:0");
}

static void a_group_is_joined_and_left(void **state)
{
    (void)state;
    net_each(groups);
}

static void waits(void)
{
    rn_udp a;
    struct rn_address address;
    assert_true(bind_one(&a, "127.0.0.1:0", &address, false));
    struct call call = {.udp = a, .what = RECV, .wait = 5 * RN_MILLISECOND};
    spawn_call(&call);
    assert_int_equal(finish_call(&call), -ETIMEDOUT);
    assert_null(call.op.buf);
    call.wait = 0;
    spawn_call(&call);
    rn_task_cancel(call.waker);
    assert_int_equal(finish_call(&call), -ECANCELED);
    assert_int_equal(send_to(a, "me", 2, &address), 2);
    expect(a, "me", 2, false, &address);
    close_udp(a);
}

static void a_receive_ends_by_deadline_or_cancellation(void **state)
{
    (void)state;
    net_each(waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_stay_whole),
        cmocka_unit_test(a_connected_socket_has_one_peer),
        cmocka_unit_test(a_socket_needs_no_address),
        cmocka_unit_test(unix_datagrams_have_files),
        cmocka_unit_test(a_broadcast_takes_the_option),
        cmocka_unit_test(a_group_is_joined_and_left),
        cmocka_unit_test(a_port_is_shared_when_all_agree),
        cmocka_unit_test(a_receive_ends_by_deadline_or_cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
