/*
 * sim/fiber_calls.c: fibers that ask for names, connect by name, send datagrams, use the calls of
 * runnel/socket.h, and start, join, shield and drop each other; some are cancelled at any moment.
 * What comes back is what was sent; what is shielded isn't cancelled, and everything else is.
 */
#include "names.h"

#include <stdio.h>

#include <runnel/fiber_net.h>
#include <runnel/resolver.h>
#include <runnel/socket.h>

#include "core/worker.h"

enum { GUESTS_MAX = 6, STEPS_MAX = 8, SERVED_MAX = 96, STACK = 65536, PIECE_MAX = 700,
       BYTES_MAX = 6000 };

static struct rn_fiber_pool pool;
static uint32_t ended;   /* fibers of the three kinds below */
static bool some_cancelled; /* and may have gone away in the middle */

struct guest {
    struct rn_fiber fiber, child;
    rn_waker waker;
    uint32_t told;
    uint32_t number, steps;
    bool cancelled; /* from outside */
    rn_ns nap;      /* of the child */
};
static struct guest guests[GUESTS_MAX];

/* What may be: bad weather, or one that was cancelled. */
static void excuse(int64_t result, const char *what)
{
    if (run.weather >= ROUGH) return;
    if (rn_fiber_cancelled() && (result >= 0 || result == -RN_K_ECANCELED)) return; /* a part */
    fail("%s: %lld", what, (long long)result);
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

static struct rn_fiber echo_fiber;
static struct rn_fiber_udp echo_socket;
static struct rn_address echo_address;

static int64_t echo_datagrams(void *argument)
{
    uint8_t bytes[PIECE_MAX];
    struct rn_address from;
    while (!rn_fiber_cancelled()) {
        rn_ssize len = rn_fiber_udp_recv(&echo_socket, bytes, sizeof bytes, &from);
        if (len >= 0) len = rn_fiber_udp_send(&echo_socket, bytes, (size_t)len, &from);
        if (len < 0) excuse(len, "echoing a datagram");
    }
    rn_fiber_udp_close(&echo_socket);
    return 0;
}

static bool ask_once(struct rn_fiber_udp *udp, uint32_t key, size_t len)
{
    uint8_t bytes[PIECE_MAX];
    struct rn_address from;
    pattern_fill(bytes, len, key, 0);
    rn_ssize result = rn_fiber_udp_send(udp, bytes, len, &echo_address);
    if (result != (rn_ssize)len) return excuse(result, "sending a datagram"), false;
    size_t room = chance(3) ? 1 + pick((uint32_t)len) : sizeof bytes;
    memset(bytes, 0, sizeof bytes);
    result = rn_fiber_udp_recv(udp, bytes, room, &from);
    if (result < 0 && result != -RN_K_EMSGSIZE) return excuse(result, "a datagram"), false;
    check(rn_address_equal(&from, &echo_address));
    if (run.weather >= ROUGH) return true; /* it may be an earlier one's */
    check(result == (room < len ? -RN_K_EMSGSIZE : (rn_ssize)len));
    pattern_check(bytes, room < len ? room : len, key, 0, "a datagram");
    return true;
}

static void ask_by_datagram(struct guest *guest)
{
    struct rn_fiber_udp udp;
    struct rn_address any;
    check(rn_address_parse(&any, "127.0.0.1:0", 0) == 0);
    int result = rn_fiber_udp_bind(&udp, &any);
    if (result < 0) {
        excuse(result, "binding");
        return;
    }
    udp.read_timeout = udp.write_timeout = 100 * RN_SECOND;
    for (unsigned left = 1 + pick(4); left; left--)
        if (!ask_once(&udp, guest->number << 8 | left, 1 + pick(PIECE_MAX))) break;
    rn_fiber_udp_close(&udp);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static struct rn_fiber accept_fiber, served[SERVED_MAX];
static unsigned served_count;
static int listener;
static struct rn_address server_address;
static const struct {
    long seconds, microseconds;
} limit = {3000, 0};

static void set_limits(int fd)
{
    check(rn_fd_setsockopt(fd, RN_K_SOL_SOCKET, 20, &limit, sizeof limit) == 0);
    check(rn_fd_setsockopt(fd, RN_K_SOL_SOCKET, 21, &limit, sizeof limit) == 0);
}

static int64_t serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    uint8_t bytes[PIECE_MAX];
    rn_ssize got;
    set_limits(fd);
    while ((got = rn_fd_read(fd, bytes, sizeof bytes)) > 0) {
        rn_ssize sent = rn_fd_write(fd, bytes, (size_t)got);
        if (sent == got) continue;
        if (!some_cancelled) excuse(sent, "echoing");
        break;
    }
    check(rn_fd_close(fd) == 0);
    return 0;
}

/* Until the listener is closed under it. */
static int64_t accept_all(void *argument)
{
    struct rn_address peer;
    for (;;) {
        peer.len = sizeof peer.bytes;
        int fd = rn_fd_accept(listener, peer.bytes, &peer.len, 0);
        if (fd == -RN_K_EBADF) break;
        if (fd < 0) {
            excuse(fd, "accepting");
            if (rn_fiber_sleep(RN_MILLISECOND) < 0) break;
            continue;
        }
        struct rn_fiber *fiber = &served[served_count++];
        check(served_count <= SERVED_MAX);
        memset(fiber, 0, sizeof *fiber);
        check(rn_fiber_spawn(fiber, &pool, rn_worker_current(), serve, (void *)(intptr_t)fd) == 0);
    }
    for (unsigned i = 0; i < served_count; i++) check(rn_fiber_join(&served[i]) == 0);
    return 0;
}

/* As much as the other end has room for without reading its own. */
static void talk(int fd, uint32_t key)
{
    uint8_t out[PIECE_MAX], in[PIECE_MAX];
    for (unsigned left = 1 + pick(4); left; left--) {
        size_t len = 1 + pick(PIECE_MAX);
        pattern_fill(out, len, key, left);
        rn_ssize result = rn_fd_send(fd, out, len, 0);
        if (result != (rn_ssize)len) return excuse(result, "sending");
        result = rn_fd_recv(fd, in, len, RN_K_MSG_WAITALL);
        if (result != (rn_ssize)len) return excuse(result, "receiving");
        pattern_check(in, len, key, left, "an echo");
    }
    int result = rn_fd_shutdown(fd, RN_K_SHUT_WR);
    if (result < 0) return excuse(result, "shutting down");
    result = (int)rn_fd_recv(fd, in, sizeof in, 0);
    if (result != 0) excuse(result, "the end");
}

static void ask_by_descriptor(struct guest *guest)
{
    int fd = rn_fd_socket(RN_IP4, RN_K_SOCK_STREAM, 0);
    if (fd < 0) return excuse(fd, "a socket");
    set_limits(fd);
    int result = rn_fd_connect(fd, server_address.bytes, server_address.len);
    if (result < 0) excuse(result, "connecting");
    else talk(fd, guest->number);
    check(rn_fd_close(fd) == 0);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void resolve(struct guest *guest)
{
    struct rn_address addresses[RN_RESOLVE_MAX];
    unsigned number = pick(NAMES);
    bool hasty = chance(4);
    char name[16];
    snprintf(name, sizeof name, "n%u.test", number);
    int result = chance(3) ? rn_fd_resolve_host(name, NAMES_PORT, addresses, RN_RESOLVE_MAX)
                           : rn_fiber_resolve(name, NAMES_PORT, addresses, RN_RESOLVE_MAX,
                                              hasty ? RN_MILLISECOND << pick(12) : 0);
    if (result > 0) names_check(number, addresses, (unsigned)result);
    else if (result != names_expected(number) && !(hasty && result == -RN_K_ETIMEDOUT))
        excuse(result, "resolving");
}

static void connect_by_name(struct guest *guest)
{
    struct rn_fiber_stream stream;
    struct rn_address peer;
    char name[16];
    snprintf(name, sizeof name, "c%u.test", pick(NAMES));
    int result = rn_fiber_connect_name(&stream, name, names_port, 100 * RN_SECOND);
    if (result < 0) return excuse(result, "connecting by name");
    if (rn_peer_address(stream.fd, &peer) == 0) check(rn_address_port(&peer) == names_port);
    stream.read_timeout = RN_MILLISECOND;
    result = rn_fiber_shutdown(&stream, RN_K_SHUT_WR);
    if (result < 0) excuse(result, "half a close");
    result = (int)rn_fiber_read(&stream, &peer, sizeof peer);
    if (result != -RN_K_ETIMEDOUT) excuse(result, "reading from who says nothing");
    rn_fiber_close(&stream);
}

/* ---- Each other ------------------------------------------------------------------------------ */

static int64_t nap(void *argument)
{
    struct guest *guest = argument;
    check(rn_fiber_current() == &guest->child);
    int result = rn_fiber_sleep(guest->nap);
    check(result == (rn_fiber_cancelled() ? -RN_K_ECANCELED : 0));
    return result < 0 ? result : (int64_t)guest->number;
}

static void join_child(struct guest *guest)
{
    struct rn_fiber *self = rn_fiber_current();
    memset(&guest->child, 0, sizeof guest->child);
    guest->nap = RN_MICROSECOND << pick(22);
    int result = rn_fiber_spawn(&guest->child, &pool, rn_worker_current(), nap, guest);
    check(result == 0);
    if (chance(2)) rn_fiber_yield();
    int64_t joined = rn_fiber_join(&guest->child);
    check(rn_fiber_current() == self);
    if (joined == -RN_K_ECANCELED) check(rn_fiber_cancelled());
    else check(joined == guest->number);
}

/* Nothing in it is cancelled, everything behind it is. */
static void clean_up(void)
{
    rn_fiber_shield();
    check(rn_fiber_sleep(RN_MICROSECOND << pick(16)) == 0);
    rn_fiber_shield();
    check(rn_fiber_sleep(RN_MICROSECOND << pick(16)) == 0);
    rn_fiber_unshield();
    check(!rn_fiber_cx()->cancelled);
    check(rn_fiber_sleep(RN_MICROSECOND << pick(10)) == 0);
    rn_fiber_unshield();
    bool cancelled = rn_fiber_cancelled();
    int result = rn_fiber_sleep(RN_MICROSECOND << pick(10));
    if (cancelled) check(result == -RN_K_ECANCELED);
    if (result == -RN_K_ECANCELED) check(rn_fiber_cancelled());
}

static void await_several(void)
{
    struct rn_sleep sleeps[2];
    struct rn_awaitable branches[2];
    struct rn_select select;
    rn_ns naps[2] = {RN_MICROSECOND << pick(20), RN_MICROSECOND << pick(20)};
    for (unsigned i = 0; i < 2; i++) {
        rn_sleep(&sleeps[i], rn_fiber_cx(), naps[i]);
        branches[i] = rn_awaitable_of(&sleeps[i]);
    }
    rn_select(&select, branches, 2);
    rn_fiber_await_any(rn_awaitable_of(&select.future));
    if (select.result < 0) return check(rn_fiber_cancelled());
    check(sleeps[select.result].result == 0);
    rn_ns shorter = naps[select.result], longer = naps[!select.result];
    /* Timers go by ticks. */
    if (run.weather < SLOW) check(shorter < longer + 10 * RN_MILLISECOND);
}

static void drop_child(struct guest *guest)
{
    memset(&guest->child, 0, sizeof guest->child);
    uint32_t used = pool.used;
    check(rn_fiber_init(&guest->child, &pool, nap, guest) == 0);
    check(pool.used == used + 1);
    rn_fiber_drop(&guest->child);
    check(pool.used == used);
}

static int64_t be_guest(void *argument)
{
    struct guest *guest = argument;
    guest->waker = rn_fiber_cx()->waker;
    count_up(&guest->told);
    for (; guest->steps && !rn_fiber_cancelled(); guest->steps--) {
        switch (pick(8)) {
        case 0: ask_by_datagram(guest); break;
        case 1: ask_by_descriptor(guest); break;
        case 2: resolve(guest); break;
        case 3: connect_by_name(guest); break;
        case 4: join_child(guest); break;
        case 5: clean_up(); break;
        case 6: await_several(); break;
        case 7: drop_child(guest); break;
        }
        if (chance(3)) rn_fiber_yield();
    }
    if (rn_fiber_cancelled()) check(guest->cancelled);
    return 0;
}

/* ---- The run --------------------------------------------------------------------------------- */

static void on_done(struct rn_fiber *fiber) { count_up(&ended); }

static void start_fiber(struct rn_runtime *runtime, struct rn_fiber *fiber,
                        int64_t (*body)(void *argument), void *argument)
{
    memset(fiber, 0, sizeof *fiber);
    fiber->done = on_done;
    check(rn_fiber_init(fiber, &pool, body, argument) == 0);
    rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))),
                    &fiber->child.task);
}

static void open_servers(struct rn_runtime *runtime)
{
    check(rn_address_parse(&echo_address, "127.0.0.1:0", 0) == 0);
    check(rn_fiber_udp_bind(&echo_socket, &echo_address) == 0);
    check(rn_local_address(echo_socket.fd, &echo_address) == 0);
    check(rn_address_parse(&server_address, "127.0.0.1:0", 0) == 0);
    listener = rn_fd_socket(RN_IP4, RN_K_SOCK_STREAM, 0);
    check(listener >= 0 && rn_fd_bind(listener, server_address.bytes, server_address.len) == 0);
    check(rn_fd_listen(listener, 64) == 0);
    server_address.len = sizeof server_address.bytes;
    check(rn_fd_getsockname(listener, server_address.bytes, &server_address.len) == 0);
}

static void cancel_some(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!chance(3)) continue;
        await_count(&guests[i].told, 1);
        rest(RN_MICROSECOND << pick(18));
        guests[i].cancelled = some_cancelled = true;
        rn_task_cancel(guests[i].waker);
    }
}

static rn_waker echo_waker;
static uint32_t echo_told;

static int64_t echo_and_tell(void *argument)
{
    echo_waker = rn_fiber_cx()->waker;
    count_up(&echo_told);
    return echo_datagrams(argument);
}

static void run_fiber_calls(void)
{
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    uint32_t count = 1 + pick(GUESTS_MAX);
    ended = echo_told = served_count = 0;
    some_cancelled = false;
    while (rn_fiber_pool_init(&pool, 2 * GUESTS_MAX + SERVED_MAX + 2, STACK) < 0)
        check(run.weather >= ROUGH);
    names_open(runtime);
    open_servers(runtime);
    start_fiber(runtime, &echo_fiber, echo_and_tell, NULL);
    start_fiber(runtime, &accept_fiber, accept_all, NULL);
    faults_on();
    for (uint32_t i = 0; i < count; i++) {
        guests[i] = (struct guest){.number = i + 1, .steps = 1 + pick(STEPS_MAX)};
        start_fiber(runtime, &guests[i].fiber, be_guest, &guests[i]);
    }
    if (chance(2)) cancel_some(count);
    await_count(&ended, count);
    faults_off();
    await_count(&echo_told, 1);
    rn_task_cancel(echo_waker);
    rest(4000 * RN_SECOND); /* by then none of them has anything to wait for */
    check(rn_fd_close(listener) == 0);
    await_count(&ended, count + 2);
    names_close(runtime);
    check(pool.used == 0);
    check(rn_fiber_pool_peak(&pool) < STACK);
    rn_fiber_pool_fini(&pool);
    rn_fd_end();
    stop_runtime(runtime);
}

const struct workload workload_fiber_calls = {"fiber_calls", run_fiber_calls};
