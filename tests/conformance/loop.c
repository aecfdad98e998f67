/*
 * conformance/loop.c: the loop itself: waiting, waking, the bound on a turn, fairness, and many
 * ops.
 */
#include "bed.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static void nop(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    call_init(&call, bed, RN_OP_NOP, -1);
    call_start(&call);
    assert_int_equal(call.completions, 0); /* never from inside submit */
    assert_int_equal(call_wait(&call), 0);
    assert_int_equal(call.completions, 1);
}

static void poll_without_waiting(void **state)
{
    struct bed *bed = bed_of(state);
    assert_int_equal(bed_turn(bed, 0), 0);
    assert_int_equal(bed_turn(bed, 1), 0);
    assert_int_equal(bed_turn(bed, bed_now(bed)), 0);
}

/* It waits, instead of asking again and again: a few turns are enough until the time has come. */
static void poll_waits_until_a_time(void **state)
{
    struct bed *bed = bed_of(state);
    for (unsigned i = 0; i < 5; i++) {
        rn_ns until = bed_now(bed) + 3 * RN_MILLISECOND + i * 12345;
        unsigned turns = 0;
        while (bed_now(bed) < until) {
            assert_int_equal(bed_turn(bed, until), 0);
            assert_true(turns++ < 50);
        }
    }
}

static void time_does_not_go_back(void **state)
{
    struct bed *bed = bed_of(state);
    rn_ns last = bed_now(bed);
    for (unsigned i = 0; i < 1000; i++) {
        rn_ns now = bed_now(bed);
        assert_true(now >= last);
        last = now;
    }
}

static void wake_before_the_wait(void **state)
{
    struct bed *bed = bed_of(state);
    for (unsigned i = 0; i < 10; i++) {
        rn_ns until = bed_now(bed) + PATIENCE;
        for (unsigned k = 0; k <= i; k++) bed->backend->vt->wake(bed->backend);
        assert_int_equal(bed_turn(bed, until), 0);
        assert_true(bed_now(bed) < until);
        bed_settle(bed);
    }
}

struct waker {
    struct bed *bed;
    unsigned turn; /* atomic: the wait that is about to begin */
    unsigned last;
};

static void *waker_run(void *argument)
{
    struct waker *waker = argument;
    for (unsigned turn = 1; turn <= waker->last; turn++) {
        while (__atomic_load_n(&waker->turn, __ATOMIC_ACQUIRE) < turn) sched_yield();
        for (unsigned i = 0; i < turn % 50; i++) sched_yield(); /* before it, and in the middle */
        waker->bed->backend->vt->wake(waker->bed->backend);
    }
    return NULL;
}

static void wake_from_another_thread(void **state)
{
    struct bed *bed = bed_of(state);
    struct waker waker = {.bed = bed, .last = 300};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, waker_run, &waker), 0);
    for (unsigned turn = 1; turn <= waker.last; turn++) {
        rn_ns until = bed_now(bed) + PATIENCE;
        __atomic_store_n(&waker.turn, turn, __ATOMIC_RELEASE);
        assert_int_equal(bed_turn(bed, until), 0);
        assert_true(bed_now(bed) < until);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* With completions at hand the wake is not swallowed in a way that loses them. */
static void wake_with_completions(void **state)
{
    struct bed *bed = bed_of(state);
    struct call calls[10];
    for (unsigned i = 0; i < 10; i++) {
        call_init(&calls[i], bed, RN_OP_NOP, -1);
        call_start(&calls[i]);
        bed->backend->vt->wake(bed->backend);
    }
    for (unsigned i = 0; i < 10; i++) assert_int_equal(call_wait(&calls[i]), 0);
}

/* The rest follows, and each comes once. */
static void max_bounds_a_turn(void **state)
{
    enum { COUNT = 60 };
    struct bed *bed = bed_of(state);
    struct call calls[COUNT];
    int fds[COUNT][2];
    for (unsigned max = 1; max <= 7; max += 3) {
        bed->max = max;
        for (unsigned i = 0; i < COUNT; i++) {
            pair(SOCK_STREAM, fds[i]);
            call_init(&calls[i], bed, i % 2 ? RN_OP_NOP : RN_OP_RECV, fds[i][0]);
            call_start(&calls[i]);
            put(fds[i][1], "x");
        }
        for (unsigned i = 0; i < COUNT; i++) {
            assert_int_equal(call_wait(&calls[i]), i % 2 ? 0 : 1);
            assert_int_equal(calls[i].completions, 1);
            if (i % 2 == 0) call_give(&calls[i], 1);
        }
        bed->max = COMPLETIONS_MAX;
        for (unsigned i = 0; i < COUNT; i++) {
            op_close(bed, fds[i][0]);
            op_close(bed, fds[i][1]);
        }
    }
}

/* A multishot op has no more completions in a turn than max, either. */
static void max_bounds_a_multishot(void **state)
{
    struct bed *bed = bed_of(state);
    struct address address, from;
    struct call call;
    int fds[2] = {bound(AF_INET, SOCK_DGRAM, &address), bound(AF_INET, SOCK_DGRAM, &from)};
    bed->max = 3;
    call_init(&call, bed, RN_OP_RECVFROM, fds[0]);
    call.op.flags = RN_OP_MULTISHOT;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(sendto(fds[1], "x", 1, 0, &address.any, address.len), 1);
    call_start(&call);
    bed_count(bed, &call.completions, 20);
    call_give(&call, 20);
    call_expect_cancelled(&call);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* Connections that always have more to read, and one that has little: it gets its turn. */
struct flood {
    struct call call;
    int peer;
};

static void flood_refill(struct call *call)
{
    static const char zeros[3 * POOL_STRIDE];
    struct flood *flood = rn_container_of(call, struct flood, call);
    call_give(call, 1);
    while (write(flood->peer, zeros, sizeof zeros) > 0) continue;
    if (call->done) call_start(call);
}

static void a_flood_starves_nobody(void **state)
{
    struct bed *bed = bed_of(state);
    struct flood floods[2];
    struct call call;
    int fds[2][2], quiet[2];
    pair(SOCK_STREAM, quiet);
    for (unsigned i = 0; i < 2; i++) {
        pair(SOCK_STREAM, fds[i]);
        fill(fds[i][1]);
        floods[i].peer = fds[i][1];
        call_init(&floods[i].call, bed, RN_OP_RECV, fds[i][0]);
        floods[i].call.op.flags = i ? RN_OP_MULTISHOT : 0;
        floods[i].call.then = flood_refill;
        call_start(&floods[i].call);
    }
    for (unsigned i = 0; i < 100; i++) bed_turn(bed, 0);
    for (unsigned round = 0; round < 20; round++) {
        call_init(&call, bed, RN_OP_RECV, quiet[0]);
        call_start(&call);
        put(quiet[1], "x");
        unsigned turns = 0;
        for (; !call.done; turns++) {
            assert_true(turns < 64);
            bed_turn(bed, 0);
        }
        call_give(&call, 1);
    }
    assert_true(floods[0].call.completions > 20);
    assert_true(floods[1].call.completions > 20);
    for (unsigned i = 0; i < 2; i++) {
        floods[i].call.then = NULL;
        call_cancel(&floods[i].call);
        call_wait(&floods[i].call);
        while (floods[i].call.first) call_give(&floods[i].call, 1);
        op_close(bed, fds[i][0]);
        op_close(bed, fds[i][1]);
    }
    op_close(bed, quiet[0]);
    op_close(bed, quiet[1]);
}

/* The same when the work at hand never needs to wait for anything. */
static void again(struct call *call)
{
    if (call->owner) call_start(call);
}

static void endless_work_starves_nobody(void **state)
{
    enum { COUNT = 40 };
    struct bed *bed = bed_of(state);
    struct call busy[COUNT], call;
    int fds[2];
    pair(SOCK_STREAM, fds);
    for (unsigned i = 0; i < COUNT; i++) {
        call_init(&busy[i], bed, RN_OP_NOP, -1);
        busy[i].then = again;
        busy[i].owner = bed;
        call_start(&busy[i]);
    }
    call_init(&call, bed, RN_OP_RECV, fds[0]);
    call_start(&call);
    for (unsigned i = 0; i < 20; i++) bed_turn(bed, 0);
    put(fds[1], "x");
    for (unsigned turns = 0; !call.done; turns++) {
        assert_true(turns < 64);
        bed_turn(bed, 0);
    }
    call_give(&call, 1);
    for (unsigned i = 0; i < COUNT; i++) busy[i].owner = NULL;
    for (unsigned i = 0; i < COUNT; i++) bed_until(bed, &busy[i].done);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

/* Ping-pong on eight connections: 100,000 ops, counted. */
enum { PLAYERS = 16, MESSAGE = 64, ROUNDS = 100000 / (2 * PLAYERS) };

struct player {
    struct call receive;
    struct call send;
    char memory[MESSAGE];
    unsigned received;
    unsigned sent;
};

static void player_received(struct call *call)
{
    struct player *player = call->owner;
    assert_int_equal(call->op.result, MESSAGE);
    assert_int_equal(call_drain(call, player->memory, MESSAGE), MESSAGE);
    for (unsigned i = 0; i < MESSAGE; i++)
        assert_int_equal((uint8_t)player->memory[i], (uint8_t)player->received);
    player->received++;
    if (player->sent == ROUNDS) return;
    memset(player->memory, (int)(uint8_t)player->sent, MESSAGE);
    call_start(&player->send);
}

static void player_sent(struct call *call)
{
    struct player *player = call->owner;
    assert_int_equal(call->op.result, MESSAGE);
    player->sent++;
    if (player->received < ROUNDS) call_start(&player->receive);
}

static void a_hundred_thousand_ops(void **state)
{
    struct bed *bed = bed_of(state);
    static struct player players[PLAYERS];
    uint64_t before = bed->started;
    int fds[2] = {-1, -1};
    memset(players, 0, sizeof players);
    for (unsigned i = 0; i < PLAYERS; i++) {
        struct player *player = &players[i];
        if (i % 2 == 0) pair(SOCK_STREAM, fds);
        call_init(&player->receive, bed, RN_OP_RECV, fds[i % 2]);
        memory_init(&player->send, bed, RN_OP_SEND, fds[i % 2], player->memory, MESSAGE);
        player->receive.then = player_received;
        player->send.then = player_sent;
        player->receive.owner = player->send.owner = player;
    }
    for (unsigned i = 0; i < PLAYERS; i++)
        call_start(i % 2 ? &players[i].receive : &players[i].send);
    for (unsigned i = 0; i < PLAYERS; i++) {
        bed_count(bed, &players[i].received, ROUNDS);
        bed_count(bed, &players[i].sent, ROUNDS);
    }
    assert_int_equal(bed->started - before, 2 * PLAYERS * ROUNDS);
    for (unsigned i = 0; i < PLAYERS; i++) {
        assert_int_equal(players[i].receive.completions, ROUNDS);
        assert_int_equal(players[i].send.completions, ROUNDS);
        op_close(bed, players[i].receive.op.fd);
    }
}

const struct CMUnitTest loop_tests[] = {
    TEST(nop),
    TEST(poll_without_waiting),
    TEST(poll_waits_until_a_time),
    TEST(time_does_not_go_back),
    TEST(wake_before_the_wait),
    TEST(wake_from_another_thread),
    TEST(wake_with_completions),
    TEST(max_bounds_a_turn),
    TEST(max_bounds_a_multishot),
    TEST(a_flood_starves_nobody),
    TEST(endless_work_starves_nobody),
    TEST(a_hundred_thousand_ops),
};
const size_t loop_tests_count = RN_COUNT(loop_tests);
