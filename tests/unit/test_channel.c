/*
 * Channels and watches: by hand on two workers, and with the threads of a real runtime.
 */
#include "await_bed.h"

/* ---- Sending and receiving --------------------------------------------------------------- */

static void elements_come_out_in_order(void **state)
{
    (void)state;
    struct rn_channel channel;
    uint64_t memory[3], value;
    rn_channel_init(&channel, memory, sizeof *memory, 3);
    uint64_t sent = 0, received = 0;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 1 + round % 3; i++)
            assert_int_equal(rn_channel_try_send(&channel, &(uint64_t){sent++}), 0);
        assert_int_equal(rn_channel_count(&channel), 1 + round % 3);
        if (round % 3 == 2)
            assert_int_equal(rn_channel_try_send(&channel, &(uint64_t){99}), -RN_K_EAGAIN);
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            assert_int_equal(rn_channel_try_recv(&channel, &value), 0);
            assert_int_equal(value, received++);
        }
        assert_int_equal(rn_channel_try_recv(&channel, &value), -RN_K_EAGAIN);
    }
}

static void a_full_channel_holds_senders_back(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_channel channel;
    struct rn_channel_wait sends[4];
    struct awaiting senders[4];
    char memory[2 * 3], element[4];
    rn_channel_init(&channel, memory, 3, 2);
    static const char *const words[4] = {"one", "two", "six", "ten"};
    for (unsigned i = 0; i < 4; i++) {
        rn_channel_send(&sends[i], &channel, words[i]);
        await_on(i & 1, &senders[i], &sends[i].future);
        assert_int_equal(senders[i].over, i < 2);
    }
    cancel(&senders[2]);
    assert_int_equal(sends[2].result, -RN_K_ECANCELED);
    assert_int_equal(rn_channel_count(&channel), 2);
    memset(element, 0, sizeof element);
    assert_int_equal(rn_channel_try_recv(&channel, element), 0);
    assert_string_equal(element, "one");
    hand_settle();
    assert_true(senders[3].over);
    assert_int_equal(rn_channel_count(&channel), 2); /* its element took the place */
    assert_int_equal(rn_channel_try_recv(&channel, element), 0);
    assert_string_equal(element, "two");
    assert_int_equal(rn_channel_try_recv(&channel, element), 0);
    assert_string_equal(element, "ten"); /* what was cancelled was not sent */
    assert_int_equal(rn_channel_try_recv(&channel, element), -RN_K_EAGAIN);
    hand_close();
}

static void receivers_wait_their_turn(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_channel channel;
    struct rn_channel_wait recvs[3];
    struct awaiting receivers[3];
    int memory[4], got[3] = {0};
    rn_channel_init(&channel, memory, sizeof(int), 4);
    for (unsigned i = 0; i < 3; i++) {
        rn_channel_recv(&recvs[i], &channel, &got[i]);
        await_on(i & 1, &receivers[i], &recvs[i].future);
        assert_false(receivers[i].over);
    }
    cancel(&receivers[0]);
    assert_int_equal(recvs[0].result, -RN_K_ECANCELED);
    for (int i = 1; i <= 3; i++) assert_int_equal(rn_channel_try_send(&channel, &i), 0);
    hand_settle();
    assert_true(receivers[1].over && receivers[2].over);
    assert_int_equal(got[1], 1);
    assert_int_equal(got[2], 2);
    assert_int_equal(rn_channel_count(&channel), 1);
    hand_close();
}

/* Handed over and cancelled before it ran: the receive says that it has the element. */
static void an_element_that_was_handed_over_is_not_lost(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_channel channel;
    struct rn_channel_wait recv;
    struct awaiting receiver;
    int memory[1], got = 0;
    rn_channel_init(&channel, memory, sizeof(int), 1);
    rn_channel_recv(&recv, &channel, &got);
    await_on(0, &receiver, &recv.future);
    assert_int_equal(rn_channel_try_send(&channel, &(int){42}), 0);
    cancel(&receiver);
    assert_true(receiver.over);
    assert_int_equal(recv.result, 0);
    assert_int_equal(got, 42);
    hand_close();
}

static void without_capacity_they_meet(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_channel channel;
    struct rn_channel_wait send, recv;
    struct awaiting sender, receiver;
    int got = 0;
    rn_channel_init(&channel, NULL, sizeof(int), 0);
    assert_int_equal(rn_channel_try_send(&channel, &(int){1}), -RN_K_EAGAIN);
    rn_channel_send(&send, &channel, &(int){5});
    await_on(0, &sender, &send.future);
    assert_false(sender.over);
    rn_channel_recv(&recv, &channel, &got);
    await_on(1, &receiver, &recv.future);
    assert_true(sender.over && receiver.over);
    assert_int_equal(got, 5);
    rn_channel_recv(&recv, &channel, &got);
    await_on(1, &receiver, &recv.future);
    assert_int_equal(rn_channel_try_send(&channel, &(int){6}), 0);
    hand_settle();
    assert_true(receiver.over);
    assert_int_equal(got, 6);
    hand_close();
}

static void closing_ends_all_waits(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_channel channel;
    struct rn_channel_wait sends[3], recvs[2];
    struct awaiting senders[3], receivers[2];
    int memory[1], got = 0;
    rn_channel_init(&channel, memory, sizeof(int), 1);
    for (unsigned i = 0; i < 3; i++) {
        rn_channel_send(&sends[i], &channel, &(int){7});
        await_on(i & 1, &senders[i], &sends[i].future);
    }
    rn_channel_close(&channel);
    rn_channel_close(&channel);
    hand_settle();
    assert_int_equal(sends[0].result, 0);
    assert_true(senders[1].over && senders[2].over);
    assert_int_equal(sends[1].result, RN_E_CLOSED);
    assert_int_equal(sends[2].result, RN_E_CLOSED);
    assert_int_equal(rn_channel_try_send(&channel, &(int){8}), RN_E_CLOSED);
    assert_int_equal(rn_channel_try_recv(&channel, &got), 0); /* what is in it still comes */
    assert_int_equal(got, 7);
    assert_int_equal(rn_channel_try_recv(&channel, &got), RN_E_CLOSED);

    rn_channel_init(&channel, memory, sizeof(int), 1);
    for (unsigned i = 0; i < 2; i++) {
        rn_channel_recv(&recvs[i], &channel, &got);
        await_on(i & 1, &receivers[i], &recvs[i].future);
    }
    rn_channel_close(&channel);
    rn_task_cancel(receivers[1].waker);
    hand_settle();
    for (unsigned i = 0; i < 2; i++) assert_int_equal(recvs[i].result, RN_E_CLOSED);
    hand_close();
}

/* ---- Watch ------------------------------------------------------------------------------- */

static void a_watch_shows_the_last_value(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_watch watch;
    struct rn_watch_wait waits[3];
    struct awaiting tasks[3];
    int value = 10, got[3] = {0};
    rn_watch_init(&watch, &value, sizeof value);
    assert_int_equal(rn_watch_get(&watch, &got[0]), 1);
    assert_int_equal(got[0], 10);
    rn_watch_changed(&waits[0], &watch, 0, &got[0]);
    await_on(0, &tasks[0], &waits[0].future);
    assert_true(tasks[0].over);
    for (unsigned i = 0; i < 3; i++) {
        rn_watch_changed(&waits[i], &watch, 1, &got[i]);
        await_on(i & 1, &tasks[i], &waits[i].future);
        assert_false(tasks[i].over);
    }
    cancel(&tasks[1]);
    assert_int_equal(waits[1].result, -RN_K_ECANCELED);
    rn_watch_set(&watch, &(int){11});
    rn_watch_set(&watch, &(int){12});
    hand_settle();
    for (unsigned i = 0; i < 3; i += 2) {
        assert_true(tasks[i].over);
        assert_int_equal(waits[i].result, 0);
        assert_int_equal(waits[i].version, 3);
        assert_int_equal(got[i], 12);
    }
    rn_watch_changed(&waits[0], &watch, 3, &got[0]);
    await_on(0, &tasks[0], &waits[0].future);
    rn_wake(tasks[0].waker);
    hand_settle();
    assert_false(tasks[0].over);
    rn_watch_close(&watch);
    hand_settle();
    assert_int_equal(waits[0].result, RN_E_CLOSED);
    rn_watch_changed(&waits[0], &watch, 2, &got[0]);
    await_on(0, &tasks[0], &waits[0].future);
    assert_int_equal(waits[0].result, 0); /* there is one that it doesn't know */
    hand_close();
}

/* ---- Threads ----------------------------------------------------------------------------- */

enum { WORKERS = 3, SENDERS = 4, RECEIVERS = 3, MESSAGES = 2000 };

struct message {
    uint32_t sender;
    uint32_t number;
};

static struct rn_channel pipe_channel;
static uint32_t messages_seen[RECEIVERS];

struct end {
    struct rn_child child;
    rn_co co;
    struct rn_channel_wait wait;
    struct message message;
    uint32_t next[SENDERS]; /* what each sender sends comes in its order, here too */
    uint32_t id;
};

static enum rn_poll send_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct end *end = rn_container_of(task, struct end, child.task);
    RN_BEGIN(&end->co);
    for (; end->message.number < MESSAGES; end->message.number++) {
        end->message.sender = end->id;
        rn_channel_send(&end->wait, &pipe_channel, &end->message);
        RN_AWAIT(&end->co, &end->wait.future, cx);
        if (end->wait.result < 0) abort();
    }
    RN_END(&end->co);
}

static enum rn_poll recv_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct end *end = rn_container_of(task, struct end, child.task);
    RN_BEGIN(&end->co);
    for (;;) {
        rn_channel_recv(&end->wait, &pipe_channel, &end->message);
        RN_AWAIT(&end->co, &end->wait.future, cx);
        if (end->wait.result == RN_E_CLOSED) break;
        if (end->message.number < end->next[end->message.sender]) abort();
        end->next[end->message.sender] = end->message.number + 1;
        messages_seen[end->id]++;
    }
    RN_END(&end->co);
}

struct exchange {
    struct rn_task task;
    rn_co co;
    struct rn_scope senders, receivers;
    struct end ends[SENDERS + RECEIVERS];
};

static enum rn_poll exchange_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct exchange *exchange = rn_container_of(task, struct exchange, task);
    struct rn_runtime *runtime = rn_worker_runtime(cx->worker);
    RN_BEGIN(&exchange->co);
    rn_scope_open(&exchange->senders, cx->worker);
    rn_scope_open(&exchange->receivers, cx->worker);
    for (unsigned i = 0; i < SENDERS + RECEIVERS; i++) {
        bool sends = i < SENDERS;
        exchange->ends[i].id = sends ? i : i - SENDERS;
        exchange->ends[i].child.task.poll = sends ? send_poll : recv_poll;
        if (rn_scope_spawn(sends ? &exchange->senders : &exchange->receivers,
                           rn_runtime_worker(runtime, i % WORKERS), &exchange->ends[i].child) < 0)
            abort();
    }
    RN_AWAIT(&exchange->co, &exchange->senders.future, cx);
    rn_channel_close(&pipe_channel);
    RN_AWAIT(&exchange->co, &exchange->receivers.future, cx);
    RN_END(&exchange->co);
}

static void every_message_arrives_once_among_threads(void **state)
{
    (void)state;
    static const struct rn_backend_vt *const backends[] = {&rn_backend_epoll, &rn_backend_poll,
                                                           &rn_backend_uring};
    for (unsigned i = 0; i < 2 * RN_COUNT(backends); i++) {
        const char *missing;
        const struct rn_backend_vt *backend = backends[i / 2];
        if (backend->probe(&missing) < 0) continue;
        struct rn_runtime *runtime;
        struct rn_runtime_options options = {.workers = WORKERS, .backend = backend, .tasks = 64,
                                             .buffers = 8, .buffer_size = 4096};
        struct message memory[8];
        static struct exchange exchange;
        exchange = (struct exchange){.task.poll = exchange_poll};
        memset(messages_seen, 0, sizeof messages_seen);
        rn_channel_init(&pipe_channel, memory, sizeof *memory, i & 1 ? RN_COUNT(memory) : 0);
        assert_int_equal(rn_runtime_start(&runtime, &options), 0);
        assert_int_equal(rn_block_on_task(rn_runtime_worker(runtime, 0), &exchange.task), 0);
        uint32_t seen = 0;
        for (unsigned r = 0; r < RECEIVERS; r++) seen += messages_seen[r];
        assert_int_equal(seen, SENDERS * MESSAGES);
        rn_runtime_stop(runtime);
        rn_runtime_join(runtime);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_out_in_order),
        cmocka_unit_test(a_full_channel_holds_senders_back),
        cmocka_unit_test(receivers_wait_their_turn),
        cmocka_unit_test(an_element_that_was_handed_over_is_not_lost),
        cmocka_unit_test(without_capacity_they_meet),
        cmocka_unit_test(closing_ends_all_waits),
        cmocka_unit_test(a_watch_shows_the_last_value),
        cmocka_unit_test(every_message_arrives_once_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
