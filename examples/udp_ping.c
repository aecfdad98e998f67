/* Asks a UDP echo service, and tells how long its answers take: udp_ping BACKEND ADDRESS [COUNT]
 * [SECONDS] sends ten datagrams a second. It ends when all have come back, when none has for so
 * many seconds, or when nobody listens. All the answers come by one op, of which the program makes
 * a future of its own: so are those of the library made. */
#include "example.h"
#include <time.h>

enum { COUNT_MAX = 1000 };

struct question {    /* and the answer */
    uint64_t secret; /* of this run: no answer to another one counts */
    uint64_t number;
    rn_ns sent;
};

struct answers {
    struct rn_future future; /* over when no more will come */
    struct rn_op op;         /* op.result: why */
    rn_waker waker;
    uint64_t secret;
    rn_ns patience;
    unsigned count, asked;
    bool seen[COUNT_MAX];
};

struct ping {
    struct rn_task task;
    rn_co co;
    struct rn_op op;
    struct rn_sleep pause;
    rn_udp udp;
    struct rn_address peer;
    struct question question;
    struct answers answers;
};

static rn_ns clock_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (rn_ns)time.tv_sec * RN_SECOND + (rn_ns)time.tv_nsec;
}

static enum rn_poll poll_answers(struct rn_future *future, struct rn_cx *cx)
{
    struct answers *answers = rn_container_of(future, struct answers, future);
    if (!rn_op_inflight(&answers->op)) return RN_READY;
    if (cx->cancelled) rn_op_cancel(cx->worker, &answers->op);
    answers->waker = cx->waker;
    return RN_PENDING;
}

/* Each answer puts the end off; the last one is it. */
static void on_answer(struct rn_op *op)
{
    struct answers *answers = rn_container_of(op, struct answers, op);
    struct rn_worker *worker = answers->waker.worker;
    struct question came = {.number = COUNT_MAX};
    if (op->result == sizeof came) memcpy(&came, rn_udp_payload(op->buf).ptr, sizeof came);
    if (op->buf) rn_pool_put(rn_worker_pool(worker), op->buf);
    if (came.secret == answers->secret && came.number < answers->asked &&
        !answers->seen[came.number]) {
        answers->seen[came.number] = true;
        printf("%llu: %.3f ms\n", (unsigned long long)came.number,
               (double)(clock_now() - came.sent) / 1e6);
        rn_op_deadline(worker, op, rn_worker_now(worker) + answers->patience);
        if (++answers->count == answers->asked) rn_op_cancel(worker, op);
    }
    if (!rn_op_inflight(op)) rn_wake(answers->waker);
}

static enum rn_poll ping_run(struct rn_task *task, struct rn_cx *cx)
{
    struct ping *ping = rn_container_of(task, struct ping, task);
    struct answers *answers = &ping->answers;
    RN_BEGIN(&ping->co);
    example_check(rn_udp_open(&ping->udp, cx->worker, rn_address_family(&ping->peer)), "socket");
    example_check(rn_udp_connect(ping->udp, &ping->peer), "connect"); /* so that it is told */
    answers->waker = cx->waker;
    answers->future.poll = poll_answers;
    answers->secret = ping->question.secret = clock_now();
    answers->op = (struct rn_op){.fd = ping->udp.fd, .code = RN_OP_RECVFROM,
                                 .flags = RN_OP_MULTISHOT, .complete = on_answer};
    rn_op_start(cx->worker, &answers->op, rn_after(cx, answers->patience));
    while (ping->question.number < answers->asked && rn_op_inflight(&answers->op)) {
        ping->question.sent = clock_now();
        rn_udp_send(ping->udp, &ping->op, cx, &ping->question, sizeof ping->question, NULL,
                    rn_after(cx, RN_SECOND));
        RN_AWAIT(&ping->co, &ping->op, cx);
        task->result = ping->op.result < 0 ? ping->op.result : 0;
        if (task->result < 0) rn_op_cancel(cx->worker, &answers->op);
        ping->question.number++;
        rn_sleep(&ping->pause, cx, RN_SECOND / 10);
        RN_AWAIT(&ping->co, &ping->pause, cx);
    }
    RN_AWAIT(&ping->co, &answers->future, cx);
    if (answers->op.result != -ECANCELED) task->result = answers->op.result;
    rn_udp_close(ping->udp, &ping->op, cx);
    RN_AWAIT(&ping->co, &ping->op, cx);
    RN_END(&ping->co);
}

int main(int argc, char **argv)
{
    struct ping ping = {.task.poll = ping_run};
    ping.answers.asked = argc > 3 ? (unsigned)atoi(argv[3]) : 5;
    ping.answers.patience = (rn_ns)(argc > 4 ? atoi(argv[4]) : 2) * RN_SECOND;
    if (argc < 3 || rn_address_parse(&ping.peer, argv[2], 7) < 0 ||
        ping.answers.asked - 1 >= COUNT_MAX) {
        fprintf(stderr, "usage: %s BACKEND ADDRESS [COUNT] [SECONDS]\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    int64_t result = example_complete(1, &ping.task);
    printf("%u of %u came back\n", ping.answers.count, ping.answers.asked);
    fflush(stdout);
    example_check((int)result, argv[2]);
    return 0;
}
