/* net/resolver.c on each backend, against a DNS server of the test's own. */
#include "dns_server.h"

struct call {
    struct rn_task task;
    rn_co co;
    struct rn_resolve resolve;
    const char *name;
    rn_ns wait;  /* RN_NEVER, or how long */
    rn_ns ahead; /* by how much its clock is ahead of the worker's */
    uint16_t port;
    rn_waker waker;
    bool done;
};

static enum rn_poll call_run(struct rn_task *task, struct rn_cx *cx)
{
    struct call *call = rn_container_of(task, struct call, task);
    struct rn_cx later = *cx;
    later.now += call->ahead;
    RN_BEGIN(&call->co);
    rn_resolve(&call->resolve, &later, call->name, call->port,
               call->wait == RN_NEVER ? RN_NEVER : rn_after(cx, call->wait));
    RN_AWAIT(&call->co, &call->resolve.future, cx);
    call->done = true;
    RN_END(&call->co);
}

static void begin(struct call *call, const char *name)
{
    call->task = (struct rn_task){.poll = call_run};
    call->co.line = 0;
    call->name = name;
    call->done = false;
    if (!call->wait) call->wait = RN_NEVER;
    assert_int_equal(rn_spawn(net_worker, &call->task), 0);
    call->waker = rn_task_waker(net_worker, &call->task);
}

/* Its result; `ahead` as above. */
static int ask_at(struct call *call, const char *name, rn_ns ahead)
{
    *call = (struct call){.port = 80, .ahead = ahead};
    begin(call, name);
    net_until(&call->done);
    if (call->resolve.result > 0) assert_int_equal(call->resolve.count, call->resolve.result);
    else assert_int_equal(call->resolve.count, 0);
    return call->resolve.result;
}

static int ask(const char *name)
{
    struct call call;
    return ask_at(&call, name, 0);
}

static bool has(const struct call *call, const char *text)
{
    char found[RN_ADDRESS_TEXT_MAX];
    for (unsigned i = 0; i < call->resolve.count; i++) {
        rn_address_format(&call->resolve.addresses[i], found);
        if (strcmp(found, text) == 0) return true;
    }
    return false;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void answers(void)
{
    struct call call;
    server_start("");
    assert_int_equal(ask_at(&call, "both.test", 0), 3);
    assert_true(has(&call, "127.0.0.1:80") && has(&call, "127.0.0.2:80") && has(&call, "[::1]:80"));
    assert_int_equal(ask_at(&call, "four.test", 0), 2);
    assert_false(has(&call, "[::1]:80"));
    assert_int_equal(ask_at(&call, "six.test", 0), 1);
    assert_true(has(&call, "[::1]:80"));
    assert_int_equal(ask("late.test"), 3);
    assert_int_equal(ask("none.test"), RN_E_NO_NAME);
    assert_int_equal(ask("empty.test"), RN_E_NO_DATA);
    assert_int_equal(ask("fails.test"), RN_E_NAME_SERVER);
    assert_int_equal(ask("refused.test"), RN_E_NAME_SERVER);
    assert_int_equal(ask("old.test"), 3);
    assert_int_equal(ask("liar.test"), 3);
    server_stop();
}

static void names_are_answered(void **state)
{
    (void)state;
    net_each(answers);
}

static void by_tcp(void)
{
    struct call call;
    server_start("");
    assert_int_equal(ask_at(&call, "big.test", 0), 9);
    assert_true(has(&call, "127.0.0.8:80") && has(&call, "[::1]:80"));
    assert_int_equal(server.by_tcp, 2);
    assert_int_equal(ask("slammed.test"), RN_E_NAME_SERVER);
    assert_int_equal(ask("stutter.test"), RN_E_NAME_SERVER);
    server_stop();
    server_start("options use-vc\n");
    assert_int_equal(ask("both.test"), 3);
    assert_int_equal(queries(), 0);
    assert_int_equal(server.by_tcp, 2);
    server_stop();
}

static void what_is_cut_comes_by_tcp(void **state)
{
    (void)state;
    net_each(by_tcp);
}

static void never_asked(void)
{
    struct call call;
    server_start("");
    assert_int_equal(ask_at(&call, "192.0.2.7", 0), 1);
    assert_true(has(&call, "192.0.2.7:80"));
    assert_int_equal(ask_at(&call, "[2001:db8::7]:99", 0), 1);
    assert_true(has(&call, "[2001:db8::7]:99"));
    assert_int_equal(ask_at(&call, "unix:/run/x", 0), 1);
    assert_true(has(&call, "unix:/run/x"));
    assert_int_equal(ask_at(&call, "local.TEST", 0), 1);
    assert_true(has(&call, "127.0.0.9:80"));
    assert_int_equal(ask_at(&call, "localhost", 0), 2);
    assert_true(has(&call, "127.0.0.1:80") && has(&call, "[::1]:80"));
    assert_int_equal(ask("127.0.0.256"), RN_E_NO_NAME);
    assert_int_equal(ask("x.invalid"), RN_E_NO_NAME);
    assert_int_equal(ask(""), RN_E_MISUSE);
    assert_int_equal(ask("a..b"), RN_E_MISUSE);
    assert_int_equal(ask("a b"), RN_E_MISUSE);
    assert_int_equal(ask("four.test:80"), RN_E_MISUSE); /* a colon: it is meant to be an address */
    assert_int_equal(ask("::1::"), RN_E_MISUSE);
    char name[300];
    memset(name, 'a', sizeof name);
    for (size_t len = 254; len < 257; len++) {
        name[len] = 0;
        assert_int_equal(ask(name), RN_E_MISUSE);
        name[len] = 'a';
    }
    assert_int_equal(queries(), 0);
    server_stop();
}

static void some_names_need_no_server(void **state)
{
    (void)state;
    net_each(never_asked);
}

static bool has_route(const struct rn_address *address)
{
    int fd = socket(rn_address_family(address), SOCK_DGRAM, 0);
    bool yes = fd >= 0 && connect(fd, (const void *)address->bytes, address->len) == 0;
    if (fd >= 0) close(fd);
    return yes;
}

static void sorting(void)
{
    struct call call;
    static const char *const order[] = {"2001:db8::2", "2001:db8::1", "127.0.0.2", "2002::1",
                                        "2001::1", "fd00::1"};
    server_start("");
    write_file(server.hosts, "fd00::1 many\n2001::1 many\n2002::1 many\n127.0.0.2 many\n"
                             "2001:db8::2 many\n2001:db8::1 many\nnonsense many\nunix:/x many\n");
    assert_int_equal(ask_at(&call, "many", 0), RN_COUNT(order));
    unsigned at = 0;
    for (unsigned pass = 0; pass < 2; pass++) /* those that there is a route to come first */
        for (size_t i = 0; i < RN_COUNT(order); i++) {
            struct rn_address expected;
            assert_int_equal(rn_address_parse(&expected, order[i], 80), 0);
            if (has_route(&expected) != !pass) continue;
            assert_memory_equal(call.resolve.addresses[at].bytes, expected.bytes, expected.len);
            at++;
        }
    server_stop();
}

static void the_best_address_comes_first(void **state)
{
    (void)state;
    net_each(sorting);
}

/* ---- The cache ------------------------------------------------------------------------------- */

static void caching(void)
{
    struct call call;
    server_start("");
    assert_int_equal(ask("both.test"), 3);
    assert_int_equal(ask("none.test"), RN_E_NO_NAME);
    assert_int_equal(queries(), 4);
    assert_int_equal(ask_at(&call, "BOTH.test", 30 * RN_SECOND), 3);
    assert_true(has(&call, "[::1]:80") && has(&call, "127.0.0.2:80"));
    assert_int_equal(ask_at(&call, "none.test", 10 * RN_SECOND), RN_E_NO_NAME);
    assert_int_equal(queries(), 4);
    assert_int_equal(ask_at(&call, "both.test", 61 * RN_SECOND), 3);
    assert_int_equal(ask_at(&call, "none.test", 31 * RN_SECOND), RN_E_NO_NAME);
    assert_int_equal(queries(), 8);
    assert_int_equal(ask("short.test"), 3);
    assert_int_equal(ask("short.test"), 3);
    assert_int_equal(queries(), 12);
    assert_int_equal(ask("fails.test"), RN_E_NAME_SERVER); /* two rounds of two questions */
    assert_int_equal(ask("fails.test"), RN_E_NAME_SERVER);
    assert_int_equal(queries(), 16);
    server_stop();
}

static void answers_are_remembered_for_their_time(void **state)
{
    (void)state;
    net_each(caching);
}

static void eviction(void)
{
    char name[40];
    server_start("");
    for (unsigned i = 0; i < 2 * RN_RESOLVER_CACHE; i++) {
        snprintf(name, sizeof name, "four-%u.test", i);
        assert_int_equal(ask(name), 2);
        assert_int_equal(ask("both.test"), 3); /* in use all the time: it stays */
    }
    assert_int_equal(queries(), 2 * 2 * RN_RESOLVER_CACHE + 2);
    server_stop();
}

static void a_full_cache_drops_what_was_not_used(void **state)
{
    (void)state;
    net_each(eviction);
}

static void changes(void)
{
    struct call call;
    server_start("");
    assert_int_equal(ask_at(&call, "local.test", 100 * RN_SECOND), 1); /* it looks at its files */
    assert_int_equal(ask("both.test"), 3);
    write_file(server.hosts, "127.0.0.7 local.test both.test # longer than before\n");
    assert_int_equal(ask_at(&call, "local.test", 50 * RN_SECOND), 1);
    assert_true(has(&call, "127.0.0.9:80")); /* not yet again */
    assert_int_equal(ask_at(&call, "local.test", 104 * RN_SECOND), 1);
    assert_true(has(&call, "127.0.0.7:80"));
    assert_int_equal(ask("both.test"), 1); /* forgotten, although its time isn't over */
    unlink(server.hosts);
    unlink(server.conf);
    assert_int_equal(ask_at(&call, "both.test", 108 * RN_SECOND), RN_E_NAME_SERVER);
    server_stop();
}

static void files_that_change_are_read_again(void **state)
{
    (void)state;
    net_each(changes);
}

/* Has the resolver look at its files, that many seconds from now, without a turn of the loop. */
static void look_at_files(unsigned seconds)
{
    struct rn_cx cx = {.worker = net_worker, .now = net_worker->now + seconds * RN_SECOND};
    struct rn_resolve resolve;
    rn_resolve(&resolve, &cx, "192.0.2.1", 1, RN_NEVER);
    assert_int_equal(rn_future_poll(&resolve.future, &cx), RN_READY);
}

static void change_during_a_lookup(void)
{
    struct call call = {.port = 80};
    server_start("");
    begin(&call, "big.test");
    net_turn_quickly(); /* asked by UDP, and will be by TCP: of the server that there was */
    write_file(server.conf, "nameserver 127.0.0.1:1\nsearch a.test b.test\n");
    look_at_files(4);
    write_file(server.conf, "nameserver 127.0.0.1:1\n");
    look_at_files(8);
    net_until(&call.done);
    assert_int_equal(call.resolve.result, 9);
    assert_int_equal(ask_at(&call, "four.test", 12 * RN_SECOND), RN_E_NAME_SERVER);
    server_stop();
}

static void a_lookup_keeps_the_settings_it_began_with(void **state)
{
    (void)state;
    net_each(change_during_a_lookup);
}

/* ---- Many at once ---------------------------------------------------------------------------- */

static void joining(void)
{
    struct call calls[5] = {{.port = 0}};
    server_start("");
    for (unsigned i = 0; i < RN_COUNT(calls); i++)
        begin(&calls[i], i & 1 ? "Both.test" : "both.test");
    for (unsigned i = 0; i < RN_COUNT(calls); i++) {
        net_until(&calls[i].done);
        assert_int_equal(calls[i].resolve.result, 3);
    }
    assert_int_equal(queries(), 2);
    server_stop();
}

static void equal_questions_are_asked_once(void **state)
{
    (void)state;
    net_each(joining);
}

static void crowd(void)
{
    static struct call calls[RN_RESOLVER_LOOKUPS - 4]; /* the bed has 64 tasks */
    static char names[RN_COUNT(calls)][32];
    server_start("");
    memset(calls, 0, sizeof calls);
    for (unsigned i = 0; i < RN_COUNT(calls); i++) {
        snprintf(names[i], sizeof names[i], "silent-%u.test", i);
        begin(&calls[i], names[i]);
    }
    net_turn_quickly();
    assert_int_equal(ask("both.test"), 3);
    for (unsigned i = 0; i < RN_COUNT(calls); i++) rn_task_cancel(calls[i].waker);
    for (unsigned i = 0; i < RN_COUNT(calls); i++) {
        net_until(&calls[i].done);
        assert_int_equal(calls[i].resolve.result, -ECANCELED);
    }
    assert_int_equal(net_worker->ops, 0);
    server_stop();
}

static void many_lookups_are_cancelled(void **state)
{
    (void)state;
    net_each(crowd);
}

/* Resolutions of one task, begun one after the other and awaited together. */
struct bulk {
    struct rn_task task;
    unsigned begun;
    struct rn_resolve resolves[RN_RESOLVER_LOOKUPS + 1];
    bool done;
};

static enum rn_poll bulk_run(struct rn_task *task, struct rn_cx *cx)
{
    struct bulk *bulk = rn_container_of(task, struct bulk, task);
    bool pending = false;
    for (; bulk->begun < RN_COUNT(bulk->resolves); bulk->begun++) {
        char name[32];
        snprintf(name, sizeof name, "silent-%u.test", bulk->begun);
        rn_resolve(&bulk->resolves[bulk->begun], cx, name, 1, rn_after(cx, RN_MILLISECOND));
    }
    for (unsigned i = 0; i < RN_COUNT(bulk->resolves); i++)
        pending |= rn_future_poll(&bulk->resolves[i].future, cx) == RN_PENDING;
    bulk->done = !pending;
    return pending ? RN_PENDING : RN_READY;
}

static void too_many(void)
{
    static struct bulk bulk;
    server_start("");
    memset(&bulk, 0, sizeof bulk);
    bulk.task.poll = bulk_run;
    assert_int_equal(rn_spawn(net_worker, &bulk.task), 0);
    net_until(&bulk.done);
    for (unsigned i = 0; i < RN_RESOLVER_LOOKUPS; i++)
        assert_int_equal(bulk.resolves[i].result, -ETIMEDOUT);
    assert_int_equal(bulk.resolves[RN_RESOLVER_LOOKUPS].result, RN_E_LIMIT);
    server_stop();
}

static void one_more_than_there_may_be_is_refused(void **state)
{
    (void)state;
    net_each(too_many);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void ends(void)
{
    struct call call = {.wait = 20 * RN_MILLISECOND}, other = {.port = 0}, third = {.port = 0};
    server_start("");
    begin(&call, "silent.test");
    net_until(&call.done);
    assert_int_equal(call.resolve.result, -ETIMEDOUT);
    begin(&call, "silent.test"); /* a deadline isn't remembered */
    begin(&other, "silent.test");
    net_turn_quickly();
    rn_task_cancel(other.waker);
    net_until(&other.done);
    assert_int_equal(other.resolve.result, -ECANCELED);
    assert_false(call.done);
    net_until(&call.done);
    assert_int_equal(call.resolve.result, -ETIMEDOUT);
    assert_int_equal(net_worker->ops, 0);
    /* Cancelled in the same turn that begins it, while another joins. */
    begin(&other, "four.test");
    rn_task_cancel(other.waker);
    begin(&third, "four.test");
    net_until(&other.done);
    net_until(&third.done);
    assert_int_equal(other.resolve.result, -ECANCELED);
    assert_int_equal(third.resolve.result, 2);
    server_stop();
}

static void deadlines_and_cancellation_end_it(void **state)
{
    (void)state;
    net_each(ends);
}

static void other_servers(void)
{
    server_start("nameserver 127.0.0.1:1\nnameserver not-an-address\n");
    assert_int_equal(ask("both.test"), 3); /* one refuses, one isn't there */
    server_stop();
    server_start("options timeout:1 attempts:1\n");
    assert_int_equal(ask("silent.test"), -ETIMEDOUT);
    server_stop();
}

static void a_dead_server_is_skipped(void **state)
{
    (void)state;
    net_each(other_servers);
}

static unsigned distinct(const uint16_t *values, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned k = 0;
        while (k < i && values[k] != values[i]) k++;
        found += k == i;
    }
    return found;
}

static void chance(void)
{
    char name[32];
    server_start("");
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "four-%u.test", i);
        assert_int_equal(ask(name), 2);
    }
    /* A hundred questions. By chance a few may be alike, as people's birthdays are. */
    assert_true(distinct(server.ids, 100) > 90);
    assert_true(distinct(server.ports, 100) > 80);
    server_stop();
}

static void ids_and_ports_differ(void **state)
{
    (void)state;
    net_each(chance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_answered),
        cmocka_unit_test(what_is_cut_comes_by_tcp),
        cmocka_unit_test(some_names_need_no_server),
        cmocka_unit_test(the_best_address_comes_first),
        cmocka_unit_test(answers_are_remembered_for_their_time),
        cmocka_unit_test(a_full_cache_drops_what_was_not_used),
        cmocka_unit_test(files_that_change_are_read_again),
        cmocka_unit_test(a_lookup_keeps_the_settings_it_began_with),
        cmocka_unit_test(equal_questions_are_asked_once),
        cmocka_unit_test(many_lookups_are_cancelled),
        cmocka_unit_test(one_more_than_there_may_be_is_refused),
        cmocka_unit_test(deadlines_and_cancellation_end_it),
        cmocka_unit_test(a_dead_server_is_skipped),
        cmocka_unit_test(ids_and_ports_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
