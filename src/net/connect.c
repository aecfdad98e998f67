/*
 * net/connect.c: connecting by name, with Happy Eyeballs (RFC 8305).
 */
#include "net/resolver.h"
#include "sys/sys.h"

#define RESOLUTION_DELAY (50 * RN_MILLISECOND) /* RFC 8305, 8 */
#define ATTEMPT_DELAY (250 * RN_MILLISECOND)

static void wake(struct rn_timer *timer, rn_ns now)
{
    rn_wake(rn_container_of(timer, struct rn_connect, timer)->waker);
}

static void end(struct rn_connect *connect, int result)
{
    if (!connect->ending) connect->result = result;
    connect->ending = true;
}

/* The first error is told, but not that of an address that there is no way to, when the program got
 * farther with another. */
static void note(struct rn_connect *connect, int error)
{
    if (!connect->error || connect->error == -RN_K_ENETUNREACH ||
        connect->error == -RN_K_EHOSTUNREACH)
        connect->error = error;
    connect->next = 0;
}

/* Takes the results of attempts that are done; how many are not yet, or being closed. */
static unsigned reap(struct rn_connect *connect, struct rn_cx *cx)
{
    unsigned busy = 0;
    for (unsigned i = 0; i < RN_CONNECT_ATTEMPTS; i++) {
        struct rn_op *op = &connect->attempts[i].op;
        int *fd = &connect->attempts[i].fd;
        if (rn_op_inflight(op)) {
            busy++;
            continue;
        }
        if (*fd < 0) continue;
        if (!connect->ending && op->result == 0) {
            end(connect, *fd);
            *fd = -1;
            continue;
        }
        if (!connect->ending) note(connect, (int)op->result);
        rn_stream_close((rn_stream){cx->worker, *fd}, op, cx);
        *fd = -1;
        busy++;
    }
    return busy;
}

/* An address that wasn't tried, of another family than the last one if there is such; or -1. */
static int choose(const struct rn_connect *connect)
{
    int choice = -1;
    for (unsigned i = connect->resolve.count; i--;) {
        int family = (int)rn_address_family(&connect->resolve.addresses[i]);
        if (connect->tried >> i & 1) continue;
        if (choice < 0 || family != connect->last ||
            (int)rn_address_family(&connect->resolve.addresses[choice]) == connect->last)
            choice = (int)i;
    }
    return choice;
}

static void attempt(struct rn_connect *connect, struct rn_cx *cx, unsigned slot, int choice)
{
    const struct rn_address *address = &connect->resolve.addresses[choice];
    rn_stream stream;
    connect->tried |= 1u << choice;
    connect->last = (int)rn_address_family(address);
    int result = rn_stream_open(&stream, cx->worker, rn_address_family(address));
    if (result < 0) {
        note(connect, result);
        return;
    }
    connect->next = cx->now + ATTEMPT_DELAY;
    connect->attempts[slot].fd = stream.fd;
    rn_stream_connect(stream, &connect->attempts[slot].op, cx, address, RN_NEVER);
}

/* Begins the attempts that are due; whether there are addresses left to try. */
static bool go_on(struct rn_connect *connect, struct rn_cx *cx)
{
    int choice;
    for (unsigned i = 0; (choice = choose(connect)) >= 0 && i < RN_CONNECT_ATTEMPTS; i++)
        while (choice >= 0 && cx->now >= connect->next && connect->attempts[i].fd < 0 &&
               !rn_op_inflight(&connect->attempts[i].op)) {
            attempt(connect, cx, i, choice);
            choice = choose(connect);
        }
    return choice >= 0;
}

/* Takes addresses before all have come: of IPv6 at once, of IPv4 when the delay is over; whether
 * more are to come. */
static bool resolve(struct rn_connect *connect, struct rn_cx *cx)
{
    struct rn_resolve *names = &connect->resolve;
    bool going_on = rn_future_poll(&names->future, cx) == RN_PENDING;
    if (!connect->tried && names->there && !names->early) {
        if (!connect->next) connect->next = cx->now + RESOLUTION_DELAY;
        if (!going_on || names->there & RN_RESOLVE_IP6) connect->next = 0;
        names->early = cx->now >= connect->next;
        if (going_on && names->early) return rn_future_poll(&names->future, cx) == RN_PENDING;
    }
    return going_on;
}

static enum rn_poll connect_poll(struct rn_future *future, struct rn_cx *cx)
{
    struct rn_connect *connect = rn_container_of(future, struct rn_connect, future);
    struct rn_cx last = *cx;
    if (connect->over) return RN_READY;
    connect->waker = cx->waker;
    bool resolving = resolve(connect, cx);
    unsigned busy = reap(connect, cx);
    if (cx->cancelled) end(connect, -RN_K_ECANCELED);
    if (cx->now >= connect->deadline) end(connect, -RN_K_ETIMEDOUT);
    if (!connect->ending) {
        bool left = go_on(connect, cx);
        busy = reap(connect, cx);
        if (!left && !busy && !resolving)
            end(connect, connect->error ? connect->error : connect->resolve.result);
    }
    if (connect->ending) {
        last.cancelled = true;
        for (unsigned i = 0; i < RN_CONNECT_ATTEMPTS; i++)
            if (connect->attempts[i].fd >= 0) rn_op_cancel(cx->worker, &connect->attempts[i].op);
        resolving = rn_future_poll(&connect->resolve.future, &last) == RN_PENDING;
        connect->over = !busy && !resolving;
    }
    rn_ns until = connect->deadline;
    if (connect->next > cx->now && connect->next < until) until = connect->next;
    rn_timer_start(cx->worker, &connect->timer, connect->ending ? RN_NEVER : until);
    if (!connect->over) return RN_PENDING;
    connect->stream = (rn_stream){cx->worker, connect->result < 0 ? -1 : connect->result};
    return RN_READY;
}

void rn_connect(struct rn_connect *connect, struct rn_cx *cx, const char *name, uint16_t port,
                rn_ns deadline)
{
    connect->future.poll = connect_poll;
    connect->result = connect->error = 0;
    connect->timer = (struct rn_timer){.expire = wake};
    connect->deadline = deadline;
    connect->next = 0;
    connect->tried = 0;
    connect->last = 0;
    connect->ending = connect->over = false;
    for (unsigned i = 0; i < RN_CONNECT_ATTEMPTS; i++) {
        connect->attempts[i].fd = -1;
        connect->attempts[i].op.flags = 0;
    }
    rn_resolve(&connect->resolve, cx, name, port, deadline);
}
