/* A line that takes its time, to try out how a program over UDP gets on with one:
 * slow_line ADDRESS BACKEND TO MILLISECONDS [DATAGRAMS]. What comes to ADDRESS reaches TO so much
 * later, and answers who sent last. So many datagrams are under way, in buffers of its own, four of
 * them for answers alone; when all are taken, more wait in the socket, and in the end are lost. */
#include "example.h"

enum { STRIDE = 1 << 17, RESERVE = 4, TURN = 64 }; /* any datagram fits, and costs what it needs */

static struct way {
    struct rn_task task;
    rn_waker waker;
    struct rn_io *in, *out;
    struct rn_buf *first, *last; /* on their way */
    struct rn_timer timer;       /* when the first is due */
    struct rn_pool_wait wait;
} questions, answers;

static struct rn_io here, there;
static struct rn_pool pool;
static struct rn_address target, asker;
static rn_ns delay, *due; /* of each buffer of the pool */

static void drop_first(struct way *way)
{
    struct rn_buf *buf = way->first;
    way->first = buf->next;
    rn_pool_put(&pool, buf);
}

static void queue(struct way *way, struct rn_buf *buf, size_t len, rn_ns when)
{
    buf->len = (uint32_t)len;
    due[buf->id] = when;
    way->last = *(way->first ? &way->last->next : &way->first) = buf;
}

/* Gives out what is due, and takes in what is there, while there is a buffer for it. */
static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct way *way = rn_container_of(task, struct way, task);
    struct rn_address from, *to = way == &answers ? &asker : NULL;
    int64_t result;
    int turn = 0;
    way->waker = cx->waker;
    for (; turn < TURN; turn++) {
        struct rn_buf *buf = way->first;
        if (buf && due[buf->id] <= cx->now &&
            rn_io_poll_send_to(way->out, cx, buf->data, buf->len, to, &result) == RN_READY) {
            drop_first(way);
            continue;
        }
        buf = way == &answers ? rn_pool_take_reserved(&pool) : rn_pool_take(&pool);
        if (!buf) rn_pool_wait(&pool, &way->wait);
        if (!buf) break;
        rn_pool_wait_cancel(&pool, &way->wait);
        enum rn_poll came =
            rn_io_poll_recv_from(way->in, cx, buf->data, buf->cap, &from, NULL, &result);
        if (came == RN_READY && result >= 0) queue(way, buf, (size_t)result, cx->now + delay);
        else rn_pool_put(&pool, buf);
        if (came == RN_PENDING) break;
        if (way == &questions && result >= 0) asker = from; /* below 0: nobody is at TO */
    }
    if (turn == TURN) rn_wake(cx->waker);
    if (way->first && due[way->first->id] > cx->now)
        rn_timer_start(cx->worker, &way->timer, due[way->first->id]);
    return RN_PENDING;
}

static void on_buffer(struct rn_pool_wait *wait)
{
    rn_wake(rn_container_of(wait, struct way, wait)->waker);
}

static void on_due(struct rn_timer *timer, rn_ns now)
{
    rn_wake(rn_container_of(timer, struct way, timer)->waker);
}

static int start_way(struct way *way, struct rn_io *in, struct rn_io *out)
{
    *way = (struct way){.task.poll = run, .in = in, .out = out, .wait.ready = on_buffer};
    way->timer.expire = on_due;
    return rn_spawn(in->worker, &way->task);
}

static int start(struct rn_worker *worker, void *context)
{
    rn_udp near, far;
    example_check(rn_udp_bind(&near, worker, &example_address, false), "bind");
    example_check(rn_udp_open(&far, worker, rn_address_family(&target)), "socket");
    example_check(rn_udp_connect(far, &target), "connect");
    here = (struct rn_io){.worker = worker, .fd = near.fd};
    there = (struct rn_io){.worker = worker, .fd = far.fd};
    example_say_where(near.fd);
    example_check(start_way(&questions, &here, &there), "task");
    return start_way(&answers, &there, &here);
}

int main(int argc, char **argv)
{
    int count = argc > 5 ? atoi(argv[5]) : 1000;
    example_arguments(argc, argv, "127.0.0.1:7000");
    if (argc < 5 || rn_address_parse(&target, argv[3], 0) < 0 || count <= RESERVE) {
        fprintf(stderr, "usage: %s ADDRESS BACKEND TO MILLISECONDS [DATAGRAMS]\n", argv[0]);
        return 2;
    }
    delay = (rn_ns)atoi(argv[4]) * RN_MILLISECOND;
    example_check(rn_pool_init(&pool, (uint32_t)count, STRIDE), "buffers");
    pool.reserve = RESERVE;
    due = example_new(pool.count, sizeof *due);
    int result = example_run(start, NULL);
    rn_pool_wait_cancel(&pool, &questions.wait);
    rn_pool_wait_cancel(&pool, &answers.wait);
    while (questions.first) drop_first(&questions);
    while (answers.first) drop_first(&answers);
    rn_pool_fini(&pool);
    free(due);
    return result;
}
