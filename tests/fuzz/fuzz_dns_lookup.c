/*
 * The machine of a stub resolver against servers that answer anything: it ends, within the number
 * of queries that its settings allow, and says something sensible. The input is a line of settings,
 * a line with the name, and then steps: a byte that says what happens, and for an answer a byte
 * with its length; an answer can be given the right ID and the question in front.
 */
#include "fuzz.h"

#include <runnel/dns.h>

enum { GOOD = 0x10, TCP = 0x20, OTHER_SERVER = 0x40, SECOND = 0x80 };

struct run {
    struct rn_dns_config config;
    struct rn_dns_lookup lookup;
    struct rn_dns_query queries[2];
    unsigned sent;
    rn_ns now;
    uint64_t random;
};

static rn_bytes take_line(rn_bytes *input)
{
    size_t len = 0;
    while (len < input->len && input->ptr[len] != '\n') len++;
    rn_bytes line = take_bytes(input, len);
    take_byte(input);
    return line;
}

static void drain(struct run *run)
{
    for (unsigned i = 0; i < 2; i++)
        while (rn_dns_lookup_pop(&run->lookup, run->now, run->random, i, &run->queries[i])) {
            require(i < run->lookup.questions && !run->lookup.done);
            require(run->queries[i].server < run->config.server_count);
            require(run->queries[i].len > 12 && run->queries[i].len <= RN_DNS_QUERY_MAX);
            require(rn_dns_lookup_waiting(&run->lookup, i));
            run->random = run->random * 6364136223846793005u + 1;
            run->sent++;
        }
    require(run->lookup.done == (rn_dns_lookup_deadline(&run->lookup) == RN_NEVER));
}

static void answer(struct run *run, uint8_t what, rn_bytes bytes)
{
    static uint8_t message[1024];
    unsigned question = what & SECOND ? 1 : 0;
    const struct rn_dns_query *query = &run->queries[question];
    size_t len = 0;
    if (what & GOOD && query->len) { /* ID, flags and counts from the input, then the question */
        size_t asked = query->len;
        memcpy(message, query->bytes + 2, asked);
        for (unsigned i = 2; i < 12 && bytes.len; i++) message[i] = take_byte(&bytes);
        if (!(what & 8)) message[2] = 0x80, message[4] = 0, message[5] = 1;
        len = query->bytes[2 + 11] ? asked - 11 : asked; /* without the option */
    }
    memcpy(message + len, bytes.ptr, bytes.len);
    bool tcp = what & TCP ? !query->tcp : query->tcp;
    rn_dns_lookup_input(&run->lookup, guarded_copy(1, message, len + bytes.len), question,
                        query->server + (what & OTHER_SERVER ? 1u : 0), tcp);
}

static void check_end(const struct run *run)
{
    uint32_t ttl;
    int result = rn_dns_lookup_result(&run->lookup, &ttl);
    require(result > 0 || result == RN_E_NO_NAME || result == RN_E_NO_DATA ||
            result == RN_E_NAME_SERVER || result == -110);
    require(ttl <= RN_DNS_TTL_MAX && (result > 0 || ttl <= RN_DNS_TTL_NEGATIVE_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    static const uint16_t types[2] = {RN_DNS_AAAA, RN_DNS_A};
    rn_bytes input = guarded_copy(0, data, size);
    memset(&run, 0, sizeof run);
    run.now = 1;
    run.random = size;
    rn_dns_config_parse(&run.config, take_line(&input));
    rn_bytes name = take_line(&input);
    if (rn_dns_lookup_start(&run.lookup, &run.config, name, types) < 0) return 0;
    /* A server may send a question back for want of EDNS, or for TCP, once each. */
    unsigned bound = 2u * 3 * run.config.server_count * run.config.attempts *
                     (run.config.search_count + 1u);
    drain(&run);
    while (!run.lookup.done) {
        uint8_t what = take_byte(&input);
        if (!input.len || what % 8 == 7) { /* in the end all servers are silent */
            run.now = rn_dns_lookup_deadline(&run.lookup);
            rn_dns_lookup_tick(&run.lookup, run.now);
        } else if (what % 8 == 6) {
            rn_dns_lookup_fail(&run.lookup, what & SECOND ? 1 : 0);
        } else {
            size_t len = take_byte(&input);
            answer(&run, what, take_bytes(&input, len));
        }
        drain(&run);
        require(run.sent <= bound);
    }
    check_end(&run);
    return 0;
}
