/*
 * sim/groups.c: datagrams to groups: sockets on several workers join and leave them, and each gets
 * once what was sent to those that it is in at the time, and nothing else. By ops, and in the poll
 * style.
 */
#include "world.h"

#include <runnel/concurrency.h>

#include "core/worker.h"

enum { MEMBERS_MAX = 6, GROUPS = 2, ROUNDS_MAX = 6, DATAGRAMS_MAX = 10, LEN_MAX = 300,
       ALL_MAX = ROUNDS_MAX * DATAGRAMS_MAX, LOOPBACK = 1 };

struct member {
    struct rn_task task;
    rn_co co;
    rn_waker waker;
    uint32_t told;
    struct rn_udp udp;
    struct rn_op op;
    struct rn_io io;
    struct rn_yield yield;
    bool polls, is_in[GROUPS];
    uint8_t expected[ALL_MAX], seen[ALL_MAX]; /* how often each datagram came */
    uint8_t bytes[LEN_MAX];
};

static struct {
    struct rn_task task;
    rn_co co;
    struct rn_udp udp;
    struct rn_op op;
    struct rn_io io;
    bool polls;
    uint32_t left, number; /* datagrams; the next one's */
    uint32_t group, len;
    uint8_t bytes[LEN_MAX];
} sender;

static struct member members[MEMBERS_MAX];
static uint32_t member_count, ended;
static bool ip6;
static struct rn_address groups[GROUPS];

/* ---- Members --------------------------------------------------------------------------------- */

static void on_datagram(struct member *member, const uint8_t *bytes, size_t len,
                        const struct rn_address *from)
{
    struct rn_address source;
    uint32_t number;
    check(len >= sizeof number);
    memcpy(&number, bytes, sizeof number);
    check(number < sender.number + 1 && number < ALL_MAX);
    pattern_check(bytes + sizeof number, len - sizeof number, number, 0, "to a group");
    check(rn_local_address(sender.udp.fd, &source) == 0);
    check(rn_address_port(from) == rn_address_port(&source));
    member->seen[number]++;
}

static void excuse(int64_t result)
{
    if (run.weather < ROUGH && result != -RN_K_ECANCELED) fail("%lld", (long long)result);
}

static enum rn_poll receive_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct member *member = rn_container_of(task, struct member, task);
    struct rn_op *op = &member->op;
    struct rn_address from;
    RN_BEGIN(&member->co);
    member->waker = cx->waker;
    count_up(&member->told);
    while (!cx->cancelled) {
        rn_udp_recv(member->udp, op, cx, RN_NEVER);
        RN_AWAIT(&member->co, op, cx);
        if (op->result < 0 || !op->buf) {
            excuse(op->result);
            continue;
        }
        rn_udp_sender(op->buf, &from);
        check(!rn_udp_truncated(op->buf));
        on_datagram(member, rn_udp_payload(op->buf).ptr, rn_udp_payload(op->buf).len, &from);
        rn_pool_put(rn_worker_pool(cx->worker), op->buf);
    }
    rn_udp_close(member->udp, op, cx);
    RN_AWAIT(&member->co, op, cx);
    RN_END(&member->co);
}

static enum rn_poll ask_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct member *member = rn_container_of(task, struct member, task);
    struct rn_address from;
    bool truncated = false;
    int64_t result;
    if (!member->told) {
        member->waker = cx->waker;
        count_up(&member->told);
    }
    while (!cx->cancelled) {
        if (rn_io_poll_recv_from(&member->io, cx, member->bytes, sizeof member->bytes, &from,
                                 &truncated, &result) == RN_PENDING)
            return RN_PENDING;
        check(!truncated);
        if (result < 0) excuse(result);
        else on_datagram(member, member->bytes, (size_t)result, &from);
    }
    return rn_io_poll_close(&member->io, cx, &result);
}

static void on_done(struct rn_task *task) { count_up(&ended); }

/* All on one port. A socket hears only of the groups that it joined itself. */
static void open_member(struct member *member, struct rn_worker *worker,
                        const struct rn_address *address)
{
    memset(member, 0, sizeof *member);
    check(rn_udp_bind(&member->udp, worker, address, true) == 0);
    check(rn_socket_set(member->udp.fd, ip6 ? RN_SOCKET_MULTICAST_ALL6 : RN_SOCKET_MULTICAST_ALL,
                        0) == 0);
    member->io = (struct rn_io){.worker = worker, .fd = member->udp.fd};
    member->polls = chance(2);
    member->task.poll = member->polls ? ask_poll : receive_poll;
    member->task.done = on_done;
    rn_spawn_remote(worker, &member->task);
}

/* Joins or leaves, and is told when that can't be. */
static void change(struct member *member)
{
    uint32_t group = pick(GROUPS), interface = chance(2) ? LOOPBACK : 0;
    if (chance(2)) {
        int result = rn_udp_join(member->udp, &groups[group], interface);
        check(result == (member->is_in[group] ? -RN_K_EADDRINUSE : 0));
        member->is_in[group] = true;
    } else {
        int result = rn_udp_leave(member->udp, &groups[group], interface);
        check(result == (member->is_in[group] ? 0 : -RN_K_EADDRNOTAVAIL));
        member->is_in[group] = false;
    }
    struct rn_address no_group = groups[group];
    no_group.bytes[ip6 ? 8 : 4] = 1;
    check(rn_udp_join(member->udp, &no_group, interface) == -RN_K_EINVAL);
}

/* ---- The sender ------------------------------------------------------------------------------ */

static void make_datagram(void)
{
    sender.group = pick(GROUPS);
    sender.len = (uint32_t)sizeof sender.number + pick(LEN_MAX - sizeof sender.number + 1);
    memcpy(sender.bytes, &sender.number, sizeof sender.number);
    pattern_fill(sender.bytes + sizeof sender.number, sender.len - sizeof sender.number,
                 sender.number, 0);
}

static void sent(int64_t result)
{
    if (result < 0) excuse(result);
    else check(result == (int64_t)sender.len);
    for (uint32_t i = 0; i < member_count && result >= 0; i++)
        members[i].expected[sender.number] = members[i].is_in[sender.group];
    sender.number++;
    sender.left--;
}

static enum rn_poll send_poll(struct rn_task *task, struct rn_cx *cx)
{
    RN_BEGIN(&sender.co);
    while (sender.left) {
        make_datagram();
        rn_udp_send(sender.udp, &sender.op, cx, sender.bytes, sender.len, &groups[sender.group],
                    RN_NEVER);
        RN_AWAIT(&sender.co, &sender.op, cx);
        sent(sender.op.result);
    }
    RN_END(&sender.co);
}

static enum rn_poll push_poll(struct rn_task *task, struct rn_cx *cx)
{
    int64_t result, flushed;
    while (sender.left) {
        make_datagram();
        if (rn_io_poll_send_to(&sender.io, cx, sender.bytes, sender.len, &groups[sender.group],
                               &result) == RN_PENDING)
            return RN_PENDING;
        check(rn_io_poll_flush(&sender.io, cx, &flushed) == RN_READY && flushed == 0);
        sent(result);
    }
    return RN_READY;
}

static enum rn_poll close_poll(struct rn_task *task, struct rn_cx *cx)
{
    int64_t result;
    return rn_io_poll_close(&sender.io, cx, &result);
}

static void run_sender(enum rn_poll (*poll)(struct rn_task *task, struct rn_cx *cx))
{
    sender.task = (struct rn_task){.poll = poll};
    sender.co.line = 0;
    check(rn_block_on_task(sender.udp.worker, &sender.task) == 0);
}

static void open_sender(struct rn_worker *worker)
{
    memset(&sender, 0, sizeof sender);
    check(rn_udp_open(&sender.udp, worker, ip6 ? RN_IP6 : RN_IP4) == 0);
    sender.io = (struct rn_io){.worker = worker, .fd = sender.udp.fd};
    check(rn_udp_multicast_interface(sender.udp, ip6 ? RN_IP6 : RN_IP4, LOOPBACK) == 0);
    check(rn_udp_multicast_interface(sender.udp, RN_UNIX, 0) == -RN_K_EINVAL);
}

/* ---- The run --------------------------------------------------------------------------------- */

static void run_groups(void)
{
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    struct rn_address address;
    ip6 = chance(2);
    ended = 0;
    member_count = 1 + pick(MEMBERS_MAX);
    check(rn_address_parse(&address, ip6 ? "[::]:7001" : "0.0.0.0:7001", 0) == 0);
    for (uint32_t i = 0; i < GROUPS; i++) {
        const char *text = ip6 ? i ? "[ff05::1]:7001" : "[ff02::5:1]:7001"
                               : i ? "239.1.2.3:7001" : "224.0.0.251:7001";
        check(rn_address_parse(&groups[i], text, 0) == 0 && rn_address_is_multicast(&groups[i]));
    }
    for (uint32_t i = 0; i < member_count; i++)
        open_member(&members[i], rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))),
                    &address);
    open_sender(rn_runtime_worker(runtime, 0));
    faults_on();
    for (uint32_t left = 1 + pick(ROUNDS_MAX); left; left--) {
        for (uint32_t i = pick(2 * MEMBERS_MAX); i; i--) change(&members[pick(member_count)]);
        sender.left = pick(DATAGRAMS_MAX);
        run_sender(chance(2) ? push_poll : send_poll);
    }
    rest(4000 * RN_SECOND); /* by then all has come */
    faults_off();
    run_sender(close_poll);
    for (uint32_t i = 0; i < member_count; i++) {
        await_count(&members[i].told, 1);
        rn_task_cancel(members[i].waker);
    }
    await_count(&ended, member_count);
    for (uint32_t i = 0; i < member_count; i++)
        if (memcmp(members[i].expected, members[i].seen, sizeof members[i].seen))
            fail("member %u got what isn't for it, or not all that is", i);
    stop_runtime(runtime);
}

const struct workload workload_groups = {"groups", run_groups};
