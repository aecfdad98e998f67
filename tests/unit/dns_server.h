/*
 * A DNS server of the test's own on a thread: UDP and TCP on one port of 127.0.0.1. What it does
 * with a question is in the first label of the name:
 *
 *     both four six      127.0.0.1 and 127.0.0.2, ::1, or both; TTL 60
 *     two                127.0.0.3, then 127.0.0.1
 *     short              127.0.0.1, TTL 0
 *     half               A as above, AAAA is never answered
 *     late               A as above, AAAA (::1) comes after that
 *     none empty         no such name; no data. With a SOA of 30 seconds
 *     fails refused      SERVFAIL, REFUSED
 *     silent             nothing
 *     old                FORMERR when there is an EDNS option
 *     liar               wrong ID, wrong name, rubbish, an empty datagram, then the answer
 *     big                truncated by UDP; all eight addresses by TCP
 *     slammed            truncated by UDP; TCP is closed
 *     stutter            truncated by UDP; half an answer by TCP
 */
#ifndef TESTS_DNS_SERVER_H
#define TESTS_DNS_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

#include <runnel/dns.h>
#include <runnel/resolver.h>

#include "net_bed.h"

enum { SERVER_LOG = 512 };

static struct {
    pthread_t thread;
    int udp, tcp, stop[2];
    uint16_t port;
    unsigned queries, by_tcp; /* atomic, so far */
    uint16_t ids[SERVER_LOG], ports[SERVER_LOG];
    char conf[64], hosts[64]; /* the two files */
} server;

/* ---- Answers --------------------------------------------------------------------------------- */

struct asked {
    struct rn_dns_header header;
    struct rn_dns_question question;
    char label[64];
    bool tcp, edns;
};

static inline bool is_label(const struct asked *asked, const char *label)
{
    return strcmp(asked->label, label) == 0;
}

static inline void add_addresses(struct rn_dns_writer *writer, const struct asked *asked,
                                 uint16_t *count)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    bool ip6 = asked->question.type == RN_DNS_AAAA, two = is_label(asked, "two");
    uint8_t ip4[4] = {127, 0, 0, two ? 3 : 1};
    unsigned total = ip6 ? 1 : is_label(asked, "big") ? 8 : 2;
    if (ip6 ? is_label(asked, "four") || two : is_label(asked, "six")) return;
    struct rn_dns_record record = {
        .name = asked->question.name, .type = asked->question.type, .rclass = RN_DNS_INTERNET,
        .ttl = is_label(asked, "short") ? 0 : 60,
        .data = ip6 ? rn_bytes_of(loopback6, 16) : rn_bytes_of(ip4, 4)};
    for (*count = 0; *count < total; ++*count, ip4[3] = two ? 1 : (uint8_t)(ip4[3] + 1))
        rn_dns_write_record(writer, &record);
}

static inline size_t answer(uint8_t *to, const struct asked *asked)
{
    struct rn_dns_writer writer = {to, 4096, 0};
    struct rn_dns_header header = {asked->header.id,
                                   RN_DNS_RESPONSE | RN_DNS_RECURSION_AVAILABLE, {1, 0, 0, 0}};
    struct rn_dns_record soa = {
        .type = RN_DNS_SOA, .rclass = 1, .ttl = 30, .times = {1, 1, 1, 1, 30}};
    soa.name = soa.target = soa.mailbox = asked->question.name;
    bool cut = !asked->tcp && (is_label(asked, "big") || is_label(asked, "slammed") ||
                               is_label(asked, "stutter"));
    if (cut) header.flags |= RN_DNS_TRUNCATED;
    if (is_label(asked, "none")) header.flags |= RN_DNS_NXDOMAIN;
    if (is_label(asked, "fails")) header.flags |= RN_DNS_SERVFAIL;
    if (is_label(asked, "refused")) header.flags |= RN_DNS_REFUSED;
    if (is_label(asked, "old") && asked->edns) header.flags |= RN_DNS_FORMERR;
    bool data = !cut && !(header.flags & RN_DNS_RCODE) && !is_label(asked, "empty");
    for (unsigned pass = 0; pass < 2; pass++) { /* the first one counts */
        writer.len = 0;
        rn_dns_write_header(&writer, &header);
        rn_dns_write_question(&writer, &asked->question);
        if (data) add_addresses(&writer, asked, &header.counts[1]);
        header.counts[2] = !header.counts[1];
        if (header.counts[2]) rn_dns_write_record(&writer, &soa);
    }
    return writer.len;
}

static inline bool understand(struct asked *asked, const uint8_t *from, size_t len)
{
    struct rn_dns_reader reader = {rn_bytes_of(from, len), 0};
    struct rn_dns_record option;
    if (rn_dns_read_header(&reader, &asked->header) < 0 ||
        rn_dns_read_question(&reader, &asked->question) < 0)
        return false;
    asked->edns = asked->header.counts[3] && rn_dns_read_record(&reader, &option) == 0 &&
                  option.type == RN_DNS_OPT;
    const struct rn_dns_name *name = &asked->question.name;
    snprintf(asked->label, sizeof asked->label, "%.*s", name->bytes[0], name->bytes + 1);
    asked->label[strcspn(asked->label, "-")] = 0; /* "silent-17" */
    return true;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static inline void lie(const struct sockaddr_in *to, uint8_t *reply, size_t len)
{
    const struct sockaddr *peer = (const void *)to;
    reply[1] ^= 1;
    sendto(server.udp, reply, len, 0, peer, sizeof *to);
    reply[1] ^= 1;
    reply[13] ^= 1;
    sendto(server.udp, reply, len, 0, peer, sizeof *to);
    reply[13] ^= 1;
    sendto(server.udp, "rubbish", 7, 0, peer, sizeof *to);
    sendto(server.udp, "", 0, 0, peer, sizeof *to);
}

static inline void serve_udp(void)
{
    static struct sockaddr_in waiting; /* whose AAAA is late */
    static uint8_t late[4096];
    static size_t late_len;
    static bool early; /* or it was asked for last */
    uint8_t bytes[4096];
    struct asked asked = {.tcp = false};
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    ssize_t got = recvfrom(server.udp, bytes, sizeof bytes, 0, (void *)&peer, &size);
    if (got < 0 || !understand(&asked, bytes, (size_t)got)) return;
    unsigned number = __atomic_fetch_add(&server.queries, 1, __ATOMIC_SEQ_CST) % SERVER_LOG;
    server.ids[number] = asked.header.id;
    server.ports[number] = peer.sin_port;
    bool ip6 = asked.question.type == RN_DNS_AAAA;
    if (is_label(&asked, "silent") || (is_label(&asked, "half") && ip6)) return;
    size_t len = answer(bytes, &asked);
    if (is_label(&asked, "liar")) lie(&peer, bytes, len);
    if (is_label(&asked, "late") && ip6 && !early) {
        waiting = peer;
        memcpy(late, bytes, late_len = len);
        return;
    }
    sendto(server.udp, bytes, len, 0, (void *)&peer, sizeof peer);
    if (!is_label(&asked, "late")) return;
    early = !ip6 && !late_len;
    if (late_len) sendto(server.udp, late, late_len, 0, (void *)&waiting, sizeof waiting);
    late_len = 0;
}

static inline void serve_tcp(void)
{
    uint8_t bytes[4096 + 2];
    struct asked asked = {.tcp = true};
    int fd = accept(server.tcp, NULL, NULL);
    if (fd < 0) return;
    __atomic_fetch_add(&server.by_tcp, 1, __ATOMIC_SEQ_CST);
    if (recv(fd, bytes, 2, MSG_WAITALL) == 2) {
        ssize_t got = recv(fd, bytes + 2, (size_t)(bytes[0] << 8 | bytes[1]), MSG_WAITALL);
        if (got > 0 && understand(&asked, bytes + 2, (size_t)got) && !is_label(&asked, "slammed")) {
            size_t len = answer(bytes + 2, &asked);
            bytes[0] = (uint8_t)(len >> 8);
            bytes[1] = (uint8_t)len;
            size_t all = is_label(&asked, "stutter") ? len / 2 : len + 2;
            for (size_t at = 0; at < all; at++) /* a client may get it in any pieces */
                if (send(fd, bytes + at, 1, MSG_NOSIGNAL) < 0) break;
        }
    }
    close(fd);
}

static void *serve(void *argument)
{
    (void)argument;
    struct pollfd fds[3] = {{server.stop[0], POLLIN, 0}, {server.udp, POLLIN, 0},
                            {server.tcp, POLLIN, 0}};
    while (poll(fds, 3, -1) > 0 && !fds[0].revents) {
        if (fds[1].revents) serve_udp();
        if (fds[2].revents) serve_tcp();
    }
    return NULL;
}

static inline void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* With the worker's resolver on its two files; `conf` goes before the server's line. */
static inline void server_start(const char *conf)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char text[200];
    static unsigned number;
    struct rn_resolver_options options = {server.conf, server.hosts};
    __atomic_store_n(&server.queries, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&server.by_tcp, 0, __ATOMIC_SEQ_CST);
    do { /* a port that both protocols have free */
        server.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        server.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address.sin_port = 0;
        assert_int_equal(bind(server.udp, (void *)&address, sizeof address), 0);
        assert_int_equal(getsockname(server.udp, (void *)&address, &size), 0);
    } while (bind(server.tcp, (void *)&address, sizeof address) < 0 &&
             close(server.udp) == 0 && close(server.tcp) == 0);
    assert_int_equal(listen(server.tcp, 16), 0);
    assert_int_equal(pipe(server.stop), 0);
    server.port = ntohs(address.sin_port);
    snprintf(server.conf, sizeof server.conf, "/tmp/runnel-conf-%d-%u", getpid(), number);
    snprintf(server.hosts, sizeof server.hosts, "/tmp/runnel-hosts-%d-%u", getpid(), number++);
    snprintf(text, sizeof text, "%snameserver 127.0.0.1:%u\n", conf, server.port);
    write_file(server.conf, text);
    write_file(server.hosts, "127.0.0.9 local.test\n");
    assert_int_equal(rn_resolver_start(net_worker, &options), 0);
    assert_int_equal(rn_resolver_start(net_worker, &options), RN_E_MISUSE);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static inline void server_stop(void)
{
    assert_int_equal(write(server.stop[1], "", 1), 1);
    pthread_join(server.thread, NULL);
    close(server.udp);
    close(server.tcp);
    close(server.stop[0]);
    close(server.stop[1]);
    unlink(server.conf);
    unlink(server.hosts);
    rn_resolver_stop(net_worker);
}

static inline unsigned queries(void) { return __atomic_load_n(&server.queries, __ATOMIC_SEQ_CST); }

#endif
