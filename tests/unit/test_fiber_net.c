/*
 * Sockets in fibers, on each backend.
 */
#include "net_bed.h"

#include <runnel/fiber_net.h>
#include <runnel/resolver.h>

enum { BYTES = 1 << 20 };

static struct rn_fiber_pool pool;

/* In a fiber: cmocka's assertions would jump to another stack. */
#define must(condition) ((condition) ? (void)0 : not_so(#condition, __LINE__))

static void not_so(const char *condition, int line)
{
    fprintf(stderr, "test_fiber_net.c:%d: not so: %s\n", line, condition);
    abort();
}

static uint8_t pattern(size_t at) { return (uint8_t)(at * 131 ^ at >> 8 ^ at >> 16); }

static void run_fiber(int64_t (*run)(void *argument), void *argument)
{
    struct rn_fiber fiber = {.done = NULL};
    assert_int_equal(rn_fiber_spawn(&fiber, &pool, net_worker, run, argument), 0);
    net_until(&fiber.finished);
    net_turn_quickly();
    assert_int_equal(fiber.child.task.result, 0);
}

static int listen_on(struct rn_address *address, const char *text)
{
    must(rn_address_parse(address, text, 0) == 0);
    int listener = rn_fiber_listen(address, NULL);
    must(listener >= 0);
    must(rn_local_address(listener, address) == 0);
    return listener;
}

/* ---- Echo -------------------------------------------------------------------------------- */

static int64_t serve(void *argument)
{
    struct rn_fiber_stream stream;
    struct rn_address peer;
    char buffer[5000];
    rn_ssize got;
    must(rn_fiber_accept(*(int *)argument, &stream, &peer) == 0);
    must(rn_address_family(&peer) != 0);
    while ((got = rn_fiber_read(&stream, buffer, sizeof buffer)) > 0)
        must(rn_fiber_write_all(&stream, buffer, (size_t)got) == 0);
    must(got == 0);
    must(rn_fiber_shutdown(&stream, SHUT_WR) == 0);
    rn_fiber_close(&stream);
    must(stream.fd == -1);
    return 0;
}

static int64_t send_pattern(void *argument)
{
    struct rn_fiber_stream *stream = argument;
    static uint8_t bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++) bytes[i] = pattern(i);
    must(rn_fiber_write_all(stream, bytes, BYTES) == 0);
    return rn_fiber_shutdown(stream, SHUT_WR);
}

/* One fiber writes, another reads the same stream. */
static int64_t echo(void *argument)
{
    struct rn_address address;
    struct rn_fiber server = {.done = NULL}, writer = {.done = NULL};
    struct rn_fiber_stream stream;
    static uint8_t back[BYTES + 1];
    int listener = listen_on(&address, argument);
    must(rn_fiber_spawn(&server, &pool, net_worker, serve, &listener) == 0);
    must(rn_fiber_connect(&stream, &address, 40 * RN_SECOND) == 0);
    stream.read_timeout = stream.write_timeout = 40 * RN_SECOND;
    must(rn_fiber_spawn(&writer, &pool, net_worker, send_pattern, &stream) == 0);
    must(rn_fiber_read_exact(&stream, back, 10) == 10);
    must(rn_fiber_read_exact(&stream, back + 10, sizeof back - 10) == BYTES - 10);
    for (size_t i = 0; i < BYTES; i++) must(back[i] == pattern(i));
    must(rn_fiber_join(&writer) == 0);
    must(rn_fiber_join(&server) == 0);
    must(rn_fiber_read(&stream, back, 1) == 0);
    rn_fiber_close(&stream);
    rn_fiber_close_fd(listener);
    return 0;
}

static void on_tcp(void) { run_fiber(echo, "127.0.0.1"); }
static void on_ip6(void) { run_fiber(echo, "::1"); }
static void on_unix(void) { run_fiber(echo, net_unix_name('a')); }

/* ---- Timeouts and cancelling ------------------------------------------------------------- */

static int64_t read_in_vain(void *argument)
{
    char byte;
    rn_ssize result = rn_fiber_read(argument, &byte, 1);
    must(rn_fiber_read(argument, &byte, 1) == -RN_K_ECANCELED); /* still is */
    rn_fiber_close(argument); /* is carried out all the same */
    return result;
}

static int64_t accept_in_vain(void *argument)
{
    struct rn_fiber_stream stream;
    return rn_fiber_accept(*(int *)argument, &stream, NULL);
}

static int64_t time_out_and_cancel(void *argument)
{
    struct rn_address address;
    struct rn_fiber_stream ours, theirs;
    struct rn_fiber reader = {.done = NULL}, acceptor = {.done = NULL};
    char byte, *lots = calloc(1, 1 << 24);
    int listener = listen_on(&address, "127.0.0.1");
    must(rn_fiber_connect(&ours, &address, 0) == 0);
    must(rn_fiber_accept(listener, &theirs, NULL) == 0);
    ours.read_timeout = ours.write_timeout = RN_MILLISECOND;
    must(rn_fiber_read(&ours, &byte, 1) == -RN_K_ETIMEDOUT);
    must(rn_fiber_read_exact(&ours, &byte, 1) == -RN_K_ETIMEDOUT);
    must(rn_fiber_write_all(&ours, lots, 1 << 24) == -RN_K_ETIMEDOUT); /* nobody reads */
    must(rn_fiber_spawn(&reader, &pool, net_worker, read_in_vain, &ours) == 0);
    must(rn_fiber_spawn(&acceptor, &pool, net_worker, accept_in_vain, &listener) == 0);
    ours.read_timeout = 0;
    rn_fiber_yield();
    rn_task_cancel(rn_task_waker(net_worker, &reader.child.task));
    rn_task_cancel(rn_task_waker(net_worker, &acceptor.child.task));
    must(rn_fiber_join(&reader) == -RN_K_ECANCELED);
    must(rn_fiber_join(&acceptor) == -RN_K_ECANCELED);
    rn_fiber_close_fd(listener);
    /* Nobody listens any more. */
    must(rn_fiber_connect(&ours, &address, 40 * RN_SECOND) == -RN_K_ECONNREFUSED);
    rn_fiber_close(&theirs);
    free(lots);
    return 0;
}

static void timeouts(void) { run_fiber(time_out_and_cancel, NULL); }

/* ---- UDP --------------------------------------------------------------------------------- */

static int64_t datagrams(void *argument)
{
    struct rn_address addresses[2], sender;
    struct rn_fiber_udp sockets[2];
    char text[16];
    for (unsigned i = 0; i < 2; i++) {
        must(rn_address_parse(&addresses[i], "127.0.0.1", 0) == 0);
        must(rn_fiber_udp_bind(&sockets[i], &addresses[i]) == 0);
        must(rn_local_address(sockets[i].fd, &addresses[i]) == 0);
        sockets[i].read_timeout = 40 * RN_SECOND;
    }
    must(rn_fiber_udp_send(&sockets[0], "hello", 5, &addresses[1]) == 5);
    must(rn_fiber_udp_recv(&sockets[1], text, sizeof text, &sender) == 5);
    must(memcmp(text, "hello", 5) == 0);
    must(rn_address_port(&sender) == rn_address_port(&addresses[0]));
    must(rn_fiber_udp_send(&sockets[1], "", 0, &sender) == 0);
    must(rn_fiber_udp_recv(&sockets[0], text, sizeof text, NULL) == 0);
    must(rn_fiber_udp_send(&sockets[1], "too long for it", 15, &sender) == 15);
    must(rn_fiber_udp_recv(&sockets[0], text, 3, NULL) == -RN_K_EMSGSIZE);
    must(memcmp(text, "too", 3) == 0);
    sockets[0].read_timeout = RN_MILLISECOND;
    must(rn_fiber_udp_recv(&sockets[0], text, sizeof text, NULL) == -RN_K_ETIMEDOUT);
    for (unsigned i = 0; i < 2; i++) rn_fiber_udp_close(&sockets[i]);
    return 0;
}

static void udp(void) { run_fiber(datagrams, NULL); }

/* ---- By name ----------------------------------------------------------------------------- */

static int64_t call_by_name(void *argument)
{
    struct rn_address address, found[2];
    struct rn_fiber_stream ours, theirs;
    char byte;
    int listener = listen_on(&address, "127.0.0.1");
    uint16_t port = rn_address_port(&address);
    must(rn_fiber_resolve("here.test", port, found, 2, 40 * RN_SECOND) == 1);
    must(found[0].len == address.len && !memcmp(found[0].bytes, address.bytes, address.len));
    must(rn_fiber_resolve("127.0.0.1", port, found, 2, 0) == 1);
    must(rn_fiber_resolve("not a name", port, found, 2, 0) == RN_E_MISUSE);
    must(rn_fiber_connect_name(&ours, "here.test", port, 40 * RN_SECOND) == 0);
    must(rn_fiber_accept(listener, &theirs, NULL) == 0);
    must(rn_fiber_write_all(&theirs, "!", 1) == 0);
    must(rn_fiber_read(&ours, &byte, 1) == 1 && byte == '!');
    rn_fiber_close(&ours);
    rn_fiber_close(&theirs);
    rn_fiber_close_fd(listener);
    must(rn_fiber_connect_name(&ours, "here.test", port, 40 * RN_SECOND) == -RN_K_ECONNREFUSED);
    return 0;
}

static char hosts_file[] = "/tmp/runnel-fiber-hosts-XXXXXX";

static void names(void)
{
    struct rn_resolver_options options = {.resolv_conf = "/dev/null", .hosts = hosts_file};
    assert_int_equal(rn_resolver_start(net_worker, &options), 0);
    run_fiber(call_by_name, NULL);
    rn_resolver_stop(net_worker);
}

/* ---- On each backend --------------------------------------------------------------------- */

static void each(void (*test)(void))
{
    assert_int_equal(rn_fiber_pool_init(&pool, 4, 128 * 1024), 0);
    net_each(test);
    assert_int_equal(pool.used, 0);
    rn_fiber_pool_fini(&pool);
}

static void fibers_echo_over_tcp(void **state) { (void)state; each(on_tcp); }
static void fibers_echo_over_ip6(void **state) { (void)state; each(on_ip6); }
static void fibers_echo_over_unix(void **state) { (void)state; each(on_unix); }
static void calls_time_out_and_are_cancelled(void **state) { (void)state; each(timeouts); }
static void datagrams_come_whole_or_not(void **state) { (void)state; each(udp); }

static void fibers_connect_by_name(void **state)
{
    (void)state;
    int fd = mkstemp(hosts_file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "127.0.0.1 here.test\n", 20), 20);
    close(fd);
    each(names);
    unlink(hosts_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_echo_over_tcp),
        cmocka_unit_test(fibers_echo_over_ip6),
        cmocka_unit_test(fibers_echo_over_unix),
        cmocka_unit_test(calls_time_out_and_are_cancelled),
        cmocka_unit_test(datagrams_come_whole_or_not),
        cmocka_unit_test(fibers_connect_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
