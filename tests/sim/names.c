/*
 * sim/names.c: names asked for and connected to by several workers, over a network that loses,
 * doubles and delays, of servers that are honest but not always there. Whatever comes back is about
 * the name; where nothing fails it does come back; everything ends by its deadline.
 */
#include "names.h"

#include <stdio.h>

#include <runnel/dns.h>
#include <runnel/resolver.h>

#include "sys/sys.h"

enum { SERVERS_MAX = 3, CLIENTS_MAX = 8, STEPS_MAX = 12, MESSAGE_MAX = 1024 };

/* What name `number` is: nN.test has N % 5 addresses of IPv4, 10.0.N.k, and when N is odd one of
 * IPv6; every sixth one is not there. A connection is made to 127.0.0.1, where somebody listens,
 * after 127.0.0.2, where nobody does. */
static unsigned ip4_count(unsigned number) { return number % 6 == 5 ? 0 : number % 5; }
static unsigned ip6_count(unsigned number) { return number % 6 == 5 ? 0 : number % 2; }
int names_expected(unsigned number)
{
    unsigned all = ip4_count(number) + ip6_count(number);
    return all ? (int)all : number % 6 == 5 ? RN_E_NO_NAME : RN_E_NO_DATA;
}

/* ---- Servers --------------------------------------------------------------------------------- */

struct server {
    struct rn_task datagrams, streams;
    rn_co datagrams_co, streams_co;
    struct rn_op datagrams_op, streams_op;
    rn_udp udp;
    int listener;
    rn_stream peer;
    struct rn_address address, from;
    struct exchange {
        uint8_t question[MESSAGE_MAX], answer[2 + MESSAGE_MAX]; /* with its length */
        size_t len; /* of the answer */
    } by_udp, by_tcp;
    rn_waker wakers[2];
};

static struct server servers[SERVERS_MAX];
static uint32_t server_count, servers_ended, clients_ended, resolvers_ended;
static rn_stream accepting; /* where connections go; only ever listens */

static void add_records(struct rn_dns_writer *writer, const struct rn_dns_question *question,
                        unsigned number, bool connects, uint16_t *count)
{
    bool ip6 = question->type == RN_DNS_AAAA;
    unsigned all = connects ? ip6 ? 0 : 2 : ip6 ? ip6_count(number) : ip4_count(number);
    uint8_t bytes[16] = {10, 0, (uint8_t)number};
    if (ip6) memcpy(bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0", 15);
    for (unsigned i = 0; i < all; i++) {
        bytes[ip6 ? 15 : 3] = (uint8_t)(ip6 ? number : i);
        if (connects) memcpy(bytes, i ? "\177\0\0\1" : "\177\0\0\2", 4);
        struct rn_dns_record record = {question->name, question->type, RN_DNS_INTERNET, pick(200),
                                       rn_bytes_of(bytes, ip6 ? 16 : 4), {0}, {0}, {0}, {0}};
        rn_dns_write_record(writer, &record);
    }
    *count = (uint16_t)all;
}

/* The answer to a question of that many octets. */
static void answer(struct exchange *exchange, size_t len, bool tcp)
{
    struct rn_dns_reader reader = {rn_bytes_of(exchange->question, len), 0};
    struct rn_dns_header header;
    struct rn_dns_question question;
    char text[RN_DNS_TEXT_MAX];
    unsigned number = 0;
    exchange->len = 0;
    if (rn_dns_read_header(&reader, &header) < 0 || rn_dns_read_question(&reader, &question) < 0)
        return;
    rn_dns_name_format(&question.name, text);
    bool connects = *text == 'c';
    for (const char *digit = text + 1; *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (unsigned)(*digit - '0');
    header.flags = RN_DNS_RESPONSE | RN_DNS_RECURSION_AVAILABLE;
    memset(header.counts, 0, sizeof header.counts);
    header.counts[0] = 1;
    bool cut = !tcp && chance(5);
    if (cut) header.flags |= RN_DNS_TRUNCATED;
    if (!connects && names_expected(number) == RN_E_NO_NAME) header.flags |= RN_DNS_NXDOMAIN;
    if (run.weather >= ROUGH && chance(10)) header.flags |= RN_DNS_SERVFAIL;
    struct rn_dns_writer writer = {exchange->answer + 2, MESSAGE_MAX, 12};
    rn_dns_write_question(&writer, &question);
    if (!cut) add_records(&writer, &question, number, connects, &header.counts[1]);
    struct rn_dns_writer first = {exchange->answer + 2, MESSAGE_MAX, 0};
    rn_dns_write_header(&first, &header);
    check(writer.len <= writer.cap);
    exchange->answer[0] = (uint8_t)(writer.len >> 8);
    exchange->answer[1] = (uint8_t)writer.len;
    exchange->len = writer.len;
}

static void take_datagram(struct server *server, struct rn_cx *cx)
{
    struct rn_op *op = &server->datagrams_op;
    const struct rn_datagram *datagram = (const void *)op->buf->data;
    size_t len = op->buf->len < MESSAGE_MAX ? op->buf->len : MESSAGE_MAX;
    memcpy(server->by_udp.question, op->buf->data + op->buf->at, len);
    server->from.len = datagram->address_len;
    memcpy(server->from.bytes, datagram->address, datagram->address_len);
    rn_pool_put(rn_worker_pool(cx->worker), op->buf);
    answer(&server->by_udp, len, false);
}

static enum rn_poll serve_datagrams(struct rn_task *task, struct rn_cx *cx)
{
    struct server *server = rn_container_of(task, struct server, datagrams);
    struct rn_op *op = &server->datagrams_op;
    RN_BEGIN(&server->datagrams_co);
    server->wakers[0] = cx->waker;
    while (!cx->cancelled) {
        rn_udp_recv(server->udp, op, cx, RN_NEVER);
        RN_AWAIT(&server->datagrams_co, op, cx);
        if (op->result < 0 || !op->buf) continue;
        take_datagram(server, cx);
        if (!server->by_udp.len) continue;
        rn_udp_send(server->udp, op, cx, server->by_udp.answer + 2, server->by_udp.len,
                    &server->from, RN_NEVER);
        RN_AWAIT(&server->datagrams_co, op, cx);
    }
    rn_udp_close(server->udp, op, cx);
    RN_AWAIT(&server->datagrams_co, op, cx);
    RN_END(&server->datagrams_co);
}

static void begin_accept(struct server *server, struct rn_cx *cx)
{
    server->streams_op.fd = server->listener;
    server->streams_op.code = RN_OP_ACCEPT;
    server->streams_op.flags = 0;
    rn_op_begin(cx, &server->streams_op, RN_NEVER);
}

/* One connection at a time, one question on each. */
static enum rn_poll serve_streams(struct rn_task *task, struct rn_cx *cx)
{
    struct server *server = rn_container_of(task, struct server, streams);
    struct rn_op *op = &server->streams_op;
    struct exchange *tcp = &server->by_tcp;
    RN_BEGIN(&server->streams_co);
    server->wakers[1] = cx->waker;
    while (!cx->cancelled) {
        begin_accept(server, cx);
        RN_AWAIT(&server->streams_co, op, cx);
        if (op->result < 0) continue;
        server->peer = (rn_stream){cx->worker, (int)op->result};
        tcp->len = 0;
        rn_stream_read_exact(server->peer, op, cx, tcp->question, 2, rn_after(cx, RN_SECOND));
        RN_AWAIT(&server->streams_co, op, cx);
        if (op->result == 2) {
            rn_stream_read_exact(server->peer, op, cx, tcp->question,
                                 (size_t)(tcp->question[0] << 8 | tcp->question[1]),
                                 rn_after(cx, RN_SECOND));
            RN_AWAIT(&server->streams_co, op, cx);
            answer(tcp, op->result > 0 ? (size_t)op->result : 0, true);
        }
        if (op->result > 0 && tcp->len) {
            rn_stream_write_all(server->peer, op, cx, tcp->answer, tcp->len + 2,
                                rn_after(cx, RN_SECOND));
            RN_AWAIT(&server->streams_co, op, cx);
        }
        rn_stream_close(server->peer, op, cx);
        RN_AWAIT(&server->streams_co, op, cx);
    }
    rn_stream_close((rn_stream){cx->worker, server->listener}, op, cx);
    RN_AWAIT(&server->streams_co, op, cx);
    RN_END(&server->streams_co);
}

static void on_server_done(struct rn_task *task) { count_up(&servers_ended); }

static void start_server(struct server *server, struct rn_runtime *runtime)
{
    static const struct rn_listen_options options;
    struct rn_worker *worker = rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime)));
    memset(server, 0, sizeof *server);
    check(rn_address_parse(&server->address, "127.0.0.1:0", 0) == 0);
    check(rn_udp_bind(&server->udp, worker, &server->address, false) == 0);
    check(rn_local_address(server->udp.fd, &server->address) == 0);
    server->listener = rn_listen(&server->address, &options);
    check(server->listener >= 0);
    server->datagrams.poll = serve_datagrams;
    server->streams.poll = serve_streams;
    server->datagrams.done = server->streams.done = on_server_done;
    rn_spawn_remote(worker, &server->datagrams);
    rn_spawn_remote(worker, &server->streams);
}

/* ---- Clients --------------------------------------------------------------------------------- */

struct client {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    struct rn_resolve resolve;
    struct rn_connect connect;
    struct rn_op op;
    unsigned steps, number;
    bool hasty; /* may give up early */
    rn_ns deadline;
};

static struct client clients[CLIENTS_MAX];
uint16_t names_port;
static struct rn_resolver_options files = {"/resolv.conf", "/hosts"};

static void begin_step(struct client *client, struct rn_cx *cx)
{
    client->number = pick(NAMES);
    client->hasty = chance(4);
    client->deadline = client->hasty ? rn_after(cx, RN_MILLISECOND << pick(13)) : RN_NEVER;
}

/* Errors that any weather may bring, or only a bad one. */
static bool is_excused(const struct client *client, int result)
{
    return (client->hasty && result == -RN_K_ETIMEDOUT) || run.weather >= ROUGH;
}

void names_check(unsigned number, const struct rn_address *addresses, unsigned count)
{
    unsigned seen = 0;
    if (run.weather < ROUGH && (int)count != names_expected(number))
        fail("n%u: %u addresses instead of %d", number, count, names_expected(number));
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *bytes = addresses[i].bytes;
        check(rn_address_port(&addresses[i]) == NAMES_PORT);
        bool ip4 = rn_address_family(&addresses[i]) == RN_IP4;
        unsigned place = ip4 ? bytes[7] : 31;
        check(ip4 ? bytes[4] == 10 && bytes[6] == number : bytes[8] == 0x20 && bytes[23] == number);
        check(!ip4 || place < ip4_count(number));
        check(!(seen >> place & 1));
        seen |= 1u << place;
    }
}

static void check_resolve(const struct client *client, const struct rn_cx *cx)
{
    const struct rn_resolve *resolve = &client->resolve;
    /* A timer is late by a tick; threads stand still, and clocks jump, as the weather has it. */
    check(run.weather >= SLOW || cx->now <= client->deadline || client->deadline == RN_NEVER ||
          cx->now - client->deadline < 100 * RN_MILLISECOND);
    if (resolve->result > 0) {
        check(resolve->result == (int)resolve->count);
        names_check(client->number, resolve->addresses, resolve->count);
        return;
    }
    check(resolve->count == 0 && resolve->result < 0);
    if (resolve->result != names_expected(client->number) && !is_excused(client, resolve->result))
        fail("n%u: %d instead of %d", client->number, resolve->result,
             names_expected(client->number));
}

static void check_connect(const struct client *client)
{
    struct rn_address peer;
    int result = client->connect.result;
    if (result < 0) {
        if (!is_excused(client, result)) fail("connecting: %d", result);
        check(client->connect.stream.fd == -1);
        return;
    }
    if (rn_peer_address(result, &peer) == 0) check(rn_address_port(&peer) == names_port);
}

static enum rn_poll client_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct client *client = rn_container_of(task, struct client, task);
    char name[32];
    RN_BEGIN(&client->co);
    for (; client->steps; client->steps--) {
        if (chance(2)) {
            rn_sleep(&client->sleep, cx, RN_MILLISECOND << pick(17));
            RN_AWAIT(&client->co, &client->sleep, cx);
        }
        begin_step(client, cx);
        if (chance(3)) {
            snprintf(name, sizeof name, "c%u.test", client->number);
            rn_connect(&client->connect, cx, name, names_port, client->deadline);
            RN_AWAIT(&client->co, &client->connect.future, cx);
            check_connect(client);
            if (client->connect.result < 0) continue;
            rn_stream_close(client->connect.stream, &client->op, cx);
            RN_AWAIT(&client->co, &client->op, cx);
        } else {
            snprintf(name, sizeof name, "n%u.test", client->number);
            rn_resolve(&client->resolve, cx, name, NAMES_PORT, client->deadline);
            RN_AWAIT(&client->co, &client->resolve.future, cx);
            check_resolve(client, cx);
        }
    }
    RN_END(&client->co);
}

static void on_client_done(struct rn_task *task) { count_up(&clients_ended); }

/* ---- The run --------------------------------------------------------------------------------- */

static void write_files(void)
{
    char text[600] = "options timeout:2 attempts:3\n", line[RN_ADDRESS_TEXT_MAX + 20];
    if (chance(4)) strcat(text, "options rotate\n");
    for (uint32_t i = 0; i < server_count; i++) {
        char address[RN_ADDRESS_TEXT_MAX];
        rn_address_format(&servers[i].address, address);
        snprintf(line, sizeof line, "nameserver %s\n", address);
        strcat(text, line);
    }
    int fd = rn_sys_openat(RN_K_AT_FDCWD, files.resolv_conf,
                           RN_K_O_WRONLY | RN_K_O_CREAT | RN_K_O_TRUNC, 0644);
    check(fd >= 0 && rn_sys_write(fd, text, strlen(text)) == (long)strlen(text));
    rn_sys_close(fd);
}

static void start_resolver(struct rn_worker *worker, struct rn_node *node)
{
    check(rn_resolver_start(worker, &files) == 0);
    count_up(&resolvers_ended);
}

static void stop_resolver(struct rn_worker *worker, struct rn_node *node)
{
    rn_resolver_stop(worker);
    count_up(&resolvers_ended);
}

static void on_workers(struct rn_runtime *runtime,
                       void (*call)(struct rn_worker *worker, struct rn_node *node))
{
    static struct rn_node nodes[RN_WORKERS_MAX];
    resolvers_ended = 0;
    for (unsigned i = 0; i < rn_runtime_workers(runtime); i++) {
        nodes[i].run = call;
        rn_worker_post(rn_runtime_worker(runtime, i), &nodes[i]);
    }
    await_count(&resolvers_ended, rn_runtime_workers(runtime));
}

static void start_client(struct client *client, struct rn_runtime *runtime)
{
    memset(client, 0, sizeof *client);
    client->steps = 1 + pick(STEPS_MAX);
    client->task.poll = client_poll;
    client->task.done = on_client_done;
    rn_spawn_remote(rn_runtime_worker(runtime, pick(rn_runtime_workers(runtime))), &client->task);
}

void names_open(struct rn_runtime *runtime)
{
    static const struct rn_listen_options options = {.backlog = 4096};
    struct rn_address address;
    server_count = 1 + pick(SERVERS_MAX);
    servers_ended = 0;
    for (uint32_t i = 0; i < server_count; i++) start_server(&servers[i], runtime);
    write_files();
    on_workers(runtime, start_resolver);
    check(rn_address_parse(&address, "127.0.0.1:0", 0) == 0);
    accepting.fd = rn_listen(&address, &options);
    check(accepting.fd >= 0 && rn_local_address(accepting.fd, &address) == 0);
    names_port = rn_address_port(&address);
}

void names_close(struct rn_runtime *runtime)
{
    for (uint32_t i = 0; i < server_count; i++)
        for (unsigned k = 0; k < 2; k++) rn_task_cancel(servers[i].wakers[k]);
    await_count(&servers_ended, 2 * server_count);
    on_workers(runtime, stop_resolver);
    rn_sys_close(accepting.fd);
}

static void run_names(void)
{
    uint32_t count = 1 + pick(CLIENTS_MAX);
    struct rn_runtime *runtime = start_runtime(between(1, 3), pick_backend());
    clients_ended = 0;
    names_open(runtime);
    faults_on();
    for (uint32_t i = 0; i < count; i++) start_client(&clients[i], runtime);
    await_count(&clients_ended, count);
    faults_off();
    names_close(runtime);
    stop_runtime(runtime);
}

const struct workload workload_names = {"names", run_names};
