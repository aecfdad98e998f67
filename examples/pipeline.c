/* Work that is spread over all workers and collected again: pipeline BACKEND NUMBERS. A producer
 * sends numbers into a channel, a tick at a time; consumers on every worker take them, and send
 * back how many divisors they have; whoever falls silent for ten seconds ends it all. */
#include "example.h"

enum { CONSUMERS = 8, BATCH = 100, ROOM = 64 };

struct result {
    uint32_t number, divisors;
};

struct producer {
    struct rn_child child;
    rn_co co;
    struct rn_interval tick;
    struct rn_channel_wait send;
    uint32_t number;
};

struct consumer {
    struct rn_child child;
    rn_co co;
    struct rn_channel_wait receive, send;
    struct result result;
};
static struct {
    struct rn_task task;
    rn_co co;
    struct rn_scope scope;
    struct rn_channel numbers, results;
    uint32_t numbers_memory[ROOM];
    struct result results_memory[ROOM];
    struct rn_channel_wait receive;
    struct rn_timeout silence;
    struct producer producer;
    struct consumer consumers[CONSUMERS];
    struct result result;
    uint32_t last, received;
    unsigned long sum, primes;
} all;

static enum rn_poll produce(struct rn_task *task, struct rn_cx *cx)
{
    struct producer *producer = rn_container_of(task, struct producer, child.task);
    RN_BEGIN(&producer->co);
    rn_interval(&producer->tick, cx, RN_MILLISECOND, RN_MISSED_SKIP);
    for (producer->number = 1; producer->number <= all.last; producer->number++) {
        if (producer->number % BATCH == 0) RN_AWAIT(&producer->co, &producer->tick.future, cx);
        rn_channel_send(&producer->send, &all.numbers, &producer->number);
        RN_AWAIT(&producer->co, &producer->send.future, cx);
        if (producer->send.result < 0) break;
    }
    rn_channel_close(&all.numbers);
    RN_END(&producer->co);
}

static enum rn_poll consume(struct rn_task *task, struct rn_cx *cx)
{
    struct consumer *consumer = rn_container_of(task, struct consumer, child.task);
    struct result *result = &consumer->result;
    RN_BEGIN(&consumer->co);
    for (;;) {
        rn_channel_recv(&consumer->receive, &all.numbers, &result->number);
        RN_AWAIT(&consumer->co, &consumer->receive.future, cx);
        if (consumer->receive.result < 0) break; /* closed, or cancelled */
        result->divisors = 0;
        for (uint32_t i = 1; i <= result->number; i++) result->divisors += result->number % i == 0;
        rn_channel_send(&consumer->send, &all.results, result);
        RN_AWAIT(&consumer->co, &consumer->send.future, cx);
    }
    RN_END(&consumer->co);
}

static void spawn_all(struct rn_cx *cx)
{
    struct rn_runtime *runtime = rn_worker_runtime(cx->worker);
    all.producer.child.task.poll = produce;
    rn_scope_open(&all.scope, cx->worker);
    example_check(rn_scope_spawn(&all.scope, cx->worker, &all.producer.child), "producer");
    for (unsigned i = 0; i < CONSUMERS; i++) {
        unsigned on = i % rn_runtime_workers(runtime);
        all.consumers[i].child.task.poll = consume;
        example_check(rn_scope_spawn(&all.scope, rn_runtime_worker(runtime, on),
                                     &all.consumers[i].child), "consumer");
    }
}

static enum rn_poll collect(struct rn_task *task, struct rn_cx *cx)
{
    RN_BEGIN(&all.co);
    spawn_all(cx);
    for (; all.received < all.last; all.received++) {
        rn_channel_recv(&all.receive, &all.results, &all.result);
        rn_timeout(&all.silence, cx, rn_awaitable_of(&all.receive.future), 10 * RN_SECOND);
        RN_AWAIT(&all.co, &all.silence.future, cx);
        if (all.silence.result < 0) break;
        all.sum += all.result.divisors;
        all.primes += all.result.divisors == 2;
    }
    rn_scope_cancel(&all.scope);
    RN_AWAIT(&all.co, &all.scope.future, cx);
    RN_END(&all.co);
}

int main(int argc, char **argv)
{
    example_choose_backend(argc > 1 ? argv[1] : "auto");
    all.last = argc > 2 ? (uint32_t)atoi(argv[2]) : 10000;
    rn_channel_init(&all.numbers, all.numbers_memory, sizeof(uint32_t), ROOM);
    rn_channel_init(&all.results, all.results_memory, sizeof(struct result), ROOM);
    all.task.poll = collect;
    example_check((int)example_complete(4, &all.task), "run");
    printf("%u numbers, %lu divisors, %lu primes\n", all.received, all.sum, all.primes);
    return all.received == all.last ? 0 : 1;
}
