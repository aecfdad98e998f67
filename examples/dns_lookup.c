/* Looks a name's addresses up without the runtime: dns_lookup NAME [RESOLV_CONF [HOSTS]].
 *
 * The machine knows servers, search lists, retries and time limits; this program has two sockets
 * and poll(2), and does as it is told. A nameserver may be written with a port.
 */
#include "blocking.h"
#include <runnel/dns.h>

static struct rn_dns_config config;
static struct rn_dns_lookup lookup;
static struct rn_dns_query queries[2]; /* what is asked on each of the sockets */
static struct pollfd sockets[2] = {{-1, POLLIN, 0}, {-1, POLLIN, 0}};

static rn_bytes read_file(const char *path)
{
    static char files[2][65536];
    static int count;
    char *to = files[count++];
    int fd = must(open(path, O_RDONLY), path);
    size_t len = 0;
    for (ssize_t got = 1; got > 0 && len < sizeof files[0]; len += (size_t)got)
        got = must((int)read(fd, to + len, sizeof files[0] - len), path);
    close(fd);
    return rn_bytes_of(to, len);
}

static void hang_up(unsigned question)
{
    if (sockets[question].fd >= 0) close(sockets[question].fd);
    sockets[question].fd = -1;
}

/* A new socket for each query, so that its port can't be guessed. */
static void ask(unsigned question)
{
    const struct rn_dns_query *query = &queries[question];
    struct rn_address server = address_of(config.servers[query->server], 53);
    size_t skip = query->tcp ? 0 : 2; /* the length that goes before it by TCP */
    hang_up(question);
    int fd = socket_to(&server, query->tcp ? SOCK_STREAM : SOCK_DGRAM, config.timeout);
    sockets[question].fd = fd;
    if (fd < 0 || !write_all(fd, query->bytes + skip, 2 - skip + query->len))
        rn_dns_lookup_fail(&lookup, question);
}

static void take_answer(unsigned question)
{
    static uint8_t answer[65535];
    struct rn_dns_query *query = &queries[question];
    uint8_t prefix[2];
    int fd = sockets[question].fd;
    ssize_t len;
    if (query->tcp) {
        size_t wanted = recv(fd, prefix, 2, MSG_WAITALL) == 2 ? prefix[0] * 256u + prefix[1] : 0;
        len = wanted ? recv(fd, answer, wanted, MSG_WAITALL) : -1;
        if (len != (ssize_t)wanted) len = -1;
    } else {
        len = recv(fd, answer, sizeof answer, 0);
    }
    if (len < 0) rn_dns_lookup_fail(&lookup, question);
    else rn_dns_lookup_input(&lookup, rn_bytes_of(answer, (size_t)len), question, query->server,
                             query->tcp);
    /* What was no answer to this query, such as a forged one, leaves it waiting. */
    if (!rn_dns_lookup_waiting(&lookup, question)) hang_up(question);
}

static void look_up(void)
{
    while (!lookup.done) {
        uint64_t random;
        for (unsigned i = 0; i < lookup.questions; i++) {
            for (;;) {
                fill_random(&random, sizeof random);
                if (!rn_dns_lookup_pop(&lookup, now_ns(), random, i, &queries[i])) break;
                ask(i);
            }
        }
        if (lookup.done) break;
        rn_ns deadline = rn_dns_lookup_deadline(&lookup), now = now_ns();
        uint64_t wait = now < deadline ? (deadline - now) / RN_MILLISECOND + 1 : 0;
        must(poll(sockets, 2, deadline == RN_NEVER ? -1 : (int)wait), "poll");
        for (unsigned i = 0; i < 2; i++)
            if (sockets[i].revents && sockets[i].fd >= 0) take_answer(i);
        if (rn_dns_lookup_deadline(&lookup) <= now_ns()) rn_dns_lookup_tick(&lookup, now_ns());
    }
    for (unsigned i = 0; i < 2; i++) hang_up(i);
}

int main(int argc, char **argv)
{
    static const uint16_t types[2] = {RN_DNS_AAAA, RN_DNS_A};
    char text[INET6_ADDRSTRLEN];
    uint32_t ttl;
    if (argc < 2 || argc > 4) fail("usage", "dns_lookup NAME [RESOLV_CONF [HOSTS]]");
    signal(SIGPIPE, SIG_IGN);
    rn_bytes name = bytes_of(argv[1]), hosts = read_file(argc > 3 ? argv[3] : "/etc/hosts"), at;
    bool listed = false;
    for (; rn_dns_hosts_next(&hosts, name, &at); listed = true) {
        put(at);
        puts(" from the hosts file");
    }
    if (listed) return 0;
    rn_dns_config_parse(&config, read_file(argc > 2 ? argv[2] : "/etc/resolv.conf"));
    check(rn_dns_lookup_start(&lookup, &config, name, types), argv[1]);
    look_up();
    check(rn_dns_lookup_result(&lookup, &ttl), argv[1]);
    for (unsigned i = 0; i < lookup.questions; i++) {
        const struct rn_dns_answer *answer = &lookup.answers[i];
        for (int k = 0; k < answer->result; k++)
            printf("%s for %u s\n", inet_ntop(answer->type == RN_DNS_A ? AF_INET : AF_INET6,
                                              answer->addresses[k], text, sizeof text), ttl);
    }
    return 0;
}
