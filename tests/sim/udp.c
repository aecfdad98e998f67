/*
 * sim/udp.c: datagrams between peers on several workers. What arrives is whole or is said to be
 * cut; where the network loses, doubles and delays nothing, all arrives once and in order.
 */
#include "world.h"

#include "sys/sys.h"

enum { PEERS_MAX = 6, DATAGRAMS_MAX = 30, LEN_MAX = 3000 };

struct header {
    uint32_t sender, number, len;
};

struct peer {
    struct rn_task receiver, sender;
    rn_co receiver_co, sender_co;
    struct rn_op receiver_op, sender_op;
    struct rn_sleep sleep;
    struct rn_join join;
    rn_udp udp;
    struct rn_address address;
    uint32_t target, count, number;
    uint32_t seen[PEERS_MAX];     /* of each sender: datagrams */
    uint32_t last[PEERS_MAX];     /* and the number of the last one, + 1 */
    uint8_t bytes[sizeof(struct header) + LEN_MAX];
    uint32_t len;
    bool connected;
};

static struct peer peers[PEERS_MAX];
static uint32_t count, ended, bound, sent_to[PEERS_MAX];
static bool senders_done[PEERS_MAX];

/* ---- Sending --------------------------------------------------------------------------------- */

static void make_datagram(struct peer *peer)
{
    uint32_t self = (uint32_t)(peer - peers);
    struct header header = {self, peer->number, pick(chance(3) ? LEN_MAX : 100)};
    peer->len = (uint32_t)sizeof header + header.len;
    memcpy(peer->bytes, &header, sizeof header);
    pattern_fill(peer->bytes + sizeof header, header.len, self << 8 | header.number, 0);
}

static void sent(struct peer *peer, int64_t result)
{
    if (result == (int64_t)peer->len) {
        sent_to[peer->target]++;
    } else if (result >= 0) {
        fail("%lld bytes of a datagram of %u were sent", (long long)result, peer->len);
    } else if (run.weather < ROUGH) {
        fail("sending a datagram: %lld", (long long)result);
    }
}

static enum rn_poll send_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct peer *peer = rn_container_of(task, struct peer, sender);
    RN_BEGIN(&peer->sender_co);
    for (; peer->number < peer->count; peer->number++) {
        if (chance(3)) {
            rn_sleep(&peer->sleep, cx, RN_MICROSECOND << pick(16));
            RN_AWAIT(&peer->sender_co, &peer->sleep, cx);
        }
        make_datagram(peer);
        rn_udp_send(peer->udp, &peer->sender_op, cx, peer->bytes, peer->len,
                    peer->connected ? NULL : &peers[peer->target].address,
                    rn_after(cx, 1000 * RN_SECOND));
        RN_AWAIT(&peer->sender_co, &peer->sender_op, cx);
        sent(peer, peer->sender_op.result);
    }
    RN_END(&peer->sender_co);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void received(struct peer *peer, struct rn_op *op)
{
    const struct rn_buf *buf = op->buf;
    const struct rn_datagram *datagram = (const void *)buf->data;
    const uint8_t *bytes = buf->data + buf->at;
    struct header header;
    check(op->result == (int64_t)buf->len && buf->len >= sizeof header);
    memcpy(&header, bytes, sizeof header);
    check(header.sender < count && header.number < peers[header.sender].count);
    check(peers[header.sender].target == (uint32_t)(peer - peers));
    const struct rn_address *from = &peers[header.sender].address;
    check(datagram->address_len == from->len);
    check(memcmp(datagram->address, from->bytes, from->len) == 0);
    uint32_t whole = (uint32_t)sizeof header + header.len;
    if (datagram->truncated) check(buf->len < whole && buf->len == buf->cap - sizeof *datagram);
    else if (buf->len != whole) fail("a datagram was cut, and nobody said so");
    pattern_check(bytes + sizeof header, buf->len - sizeof header,
                  header.sender << 8 | header.number, 0, "a datagram");
    uint32_t *last = &peer->last[header.sender];
    if (run.weather < ROUGH && header.number != *last) fail("datagrams lost or out of order");
    *last = header.number + 1;
    peer->seen[header.sender]++;
}

/* All that was sent to it has come, and nobody sends more. */
static bool complete(const struct peer *peer)
{
    uint32_t self = (uint32_t)(peer - peers), seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (peers[i].target == self && !senders_done[i]) return false;
        seen += peer->seen[i];
    }
    return run.weather >= ROUGH || seen >= sent_to[self];
}

static enum rn_poll receive_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct peer *peer = rn_container_of(task, struct peer, receiver);
    struct rn_op *op = &peer->receiver_op;
    RN_BEGIN(&peer->receiver_co);
    peer->sender.join = &peer->join;
    check(rn_spawn(cx->worker, &peer->sender) == 0);
    for (;;) {
        rn_udp_recv(peer->udp, op, cx, rn_after(cx, 50 * RN_SECOND));
        RN_AWAIT(&peer->receiver_co, op, cx);
        if (op->result >= 0 && op->buf) {
            received(peer, op);
            rn_pool_put(rn_worker_pool(cx->worker), op->buf);
        } else if (op->result == -RN_K_ETIMEDOUT) {
            if (complete(peer)) break;
        } else if (run.weather < ROUGH) {
            fail("receiving a datagram: %lld", (long long)op->result);
        }
    }
    RN_AWAIT(&peer->receiver_co, &peer->join, cx);
    rn_udp_close(peer->udp, op, cx);
    RN_AWAIT(&peer->receiver_co, op, cx);
    RN_END(&peer->receiver_co);
}

static void on_sender_done(struct rn_task *task)
{
    senders_done[rn_container_of(task, struct peer, sender) - peers] = true;
}

static void on_receiver_done(struct rn_task *task) { count_up(&ended); }

/* ---- The run --------------------------------------------------------------------------------- */

static void open_peer(struct peer *peer, struct rn_runtime *runtime)
{
    struct rn_worker *worker = rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime)));
    memset(peer, 0, sizeof *peer);
    check(rn_address_parse(&peer->address, "127.0.0.1:0", 0) == 0);
    check(rn_udp_bind(&peer->udp, worker, &peer->address, false) == 0);
    check(rn_local_address(peer->udp.fd, &peer->address) == 0);
    peer->target = pick(count);
    peer->count = pick(DATAGRAMS_MAX);
    peer->receiver.poll = receive_poll;
    peer->receiver.done = on_receiver_done;
    peer->sender.poll = send_poll;
    peer->sender.done = on_sender_done;
}

/* Connected, it hears only whom it speaks to: that is for one to whom nobody else speaks. */
static bool has_one_friend(uint32_t index)
{
    for (uint32_t i = 0; i < count; i++)
        if (peers[i].target == index && i != peers[index].target) return false;
    return true;
}

static void run_udp(void)
{
    count = 1 + pick(PEERS_MAX);
    ended = bound = 0;
    memset(sent_to, 0, sizeof sent_to);
    memset(senders_done, 0, sizeof senders_done);
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    for (uint32_t i = 0; i < count; i++) open_peer(&peers[i], runtime);
    for (uint32_t i = 0; i < count; i++) {
        struct peer *peer = &peers[i], *target = &peers[peer->target];
        if (!has_one_friend(i) || !chance(2)) continue;
        check(rn_udp_connect(peer->udp, &target->address) == 0);
        peer->connected = true;
    }
    faults_on();
    for (uint32_t i = 0; i < count; i++)
        rn_spawn_remote(peers[i].udp.worker, &peers[i].receiver);
    await_count(&ended, count);
    stop_runtime(runtime);
}

const struct workload workload_udp = {"udp", run_udp};
