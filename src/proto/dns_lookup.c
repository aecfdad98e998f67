/*
 * proto/dns_lookup.c: the machine of a stub resolver: which name to ask for, of which server, and
 * what to make of what comes back (RFC 1035, 7; 2308; 5452, 9; 6891, 7).
 */
#include <runnel/dns.h>

#include "base/bytes.h"

enum { READY = 1, WAITING, ANSWERED }; /* a try: to be sent; sent; over */
enum { TIMED_OUT = -110 };             /* -ETIMEDOUT, errno(3) */

/* What a server's answer is worth. */
enum verdict {
    STRAY,     /* none to this question */
    TRUNCATED, /* ask again by TCP */
    NO_EDNS,   /* ask again without EDNS */
    USELESS,   /* ask the next server */
    ANSWER,
};

/* ---- From name to name ----------------------------------------------------------------------- */

/* The name to be asked for now; false: it would be too long. */
static bool complete_name(struct rn_dns_lookup *lookup)
{
    unsigned domain = lookup->candidate - lookup->as_is_first;
    struct rn_dns_name *name = &lookup->name;
    *name = lookup->relative;
    if (lookup->absolute || domain >= lookup->config->search_count) return true;
    const struct rn_dns_name *suffix = &lookup->config->search[domain];
    unsigned len = name->len - 1u; /* without the root */
    if (len + suffix->len > RN_DNS_NAME_MAX) return false;
    memcpy(name->bytes + len, suffix->bytes, suffix->len);
    name->len = (uint8_t)(len + suffix->len);
    return true;
}

/* From the present candidate on: the first that can be asked for. */
static void begin(struct rn_dns_lookup *lookup)
{
    unsigned last = lookup->absolute ? 0 : lookup->config->search_count;
    while (lookup->candidate <= last && !complete_name(lookup)) lookup->candidate++;
    lookup->done = lookup->candidate > last;
    if (lookup->done) return;
    for (unsigned i = 0; i < lookup->questions; i++) {
        lookup->tries[i] = (struct rn_dns_try){.state = READY, .tcp = lookup->config->use_vc};
        lookup->answers[i].result = 0;
    }
}

/* After an answer: when it was the last for this name, the search goes on, or is over. */
static void conclude(struct rn_dns_lookup *lookup)
{
    for (unsigned i = 0; i < lookup->questions; i++)
        if (lookup->tries[i].state != ANSWERED) return;
    for (unsigned i = 0; i < lookup->questions; i++) {
        const struct rn_dns_answer *answer = &lookup->answers[i];
        if (answer->result != RN_E_NO_NAME && answer->result != RN_E_NO_DATA) lookup->done = true;
        lookup->name_exists |= answer->result == RN_E_NO_DATA;
        if (answer->ttl < lookup->ttl) lookup->ttl = answer->ttl;
    }
    lookup->candidate++;
    if (!lookup->done) begin(lookup);
}

/* ---- From server to server ------------------------------------------------------------------- */

static void answered(struct rn_dns_lookup *lookup, unsigned question, int result, uint32_t ttl)
{
    lookup->answers[question].result = result;
    lookup->answers[question].ttl = ttl;
    lookup->tries[question].state = ANSWERED;
    conclude(lookup);
}

static void next_server(struct rn_dns_lookup *lookup, unsigned question)
{
    const struct rn_dns_config *config = lookup->config;
    struct rn_dns_try *try = &lookup->tries[question];
    try->state = READY;
    try->tries++;
    try->strays = 0;
    try->tcp = config->use_vc;
    try->server = (uint8_t)((try->server + 1) % config->server_count);
    /* In later rounds without EDNS: something on the way may drop what it doesn't know (RFC 6891,
     * 6.2.2). */
    try->plain = try->tries >= config->server_count;
    if (try->tries >= config->server_count * config->attempts)
        answered(lookup, question, try->failed ? RN_E_NAME_SERVER : TIMED_OUT,
                 RN_DNS_TTL_FAILURE);
}

/* RFC 6891, 6.1.2: the root, OPT, the payload size, no flags, no options. */
static const uint8_t edns_option[] = {
    0, 0, RN_DNS_OPT, RN_DNS_PAYLOAD >> 8, RN_DNS_PAYLOAD & 0xFF, 0, 0, 0, 0, 0, 0};

static void write_query(const struct rn_dns_lookup *lookup, const struct rn_dns_try *try,
                        uint16_t type, struct rn_dns_query *query)
{
    struct rn_dns_writer writer = {query->bytes + 2, RN_DNS_QUERY_MAX, 0};
    struct rn_dns_header header = {
        .id = try->id,
        .flags = RN_DNS_RECURSION_DESIRED | (lookup->config->trust_ad ? RN_DNS_AUTHENTIC : 0),
        .counts = {1, 0, 0, !try->plain},
    };
    struct rn_dns_question question = {lookup->name, type, RN_DNS_INTERNET};
    rn_dns_write_header(&writer, &header);
    rn_dns_write_question(&writer, &question);
    if (!try->plain) {
        memcpy(writer.to + writer.len, edns_option, sizeof edns_option);
        writer.len += sizeof edns_option;
    }
    query->len = (uint16_t)writer.len;
    query->bytes[0] = (uint8_t)(writer.len >> 8);
    query->bytes[1] = (uint8_t)writer.len;
}

bool rn_dns_lookup_pop(struct rn_dns_lookup *lookup, rn_ns now, uint64_t random, unsigned question,
                       struct rn_dns_query *query)
{
    const struct rn_dns_config *config = lookup->config;
    struct rn_dns_try *try = &lookup->tries[question];
    if (lookup->done || try->state != READY) return false;
    if (config->rotate && !try->tries)
        try->server = (uint8_t)((random >> 16) % config->server_count);
    try->id = (uint16_t)random;
    try->state = WAITING;
    try->deadline = now + config->timeout * RN_SECOND;
    query->server = try->server;
    query->tcp = try->tcp;
    write_query(lookup, try, lookup->answers[question].type, query);
    return true;
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* The least TTL so far. */
static void lower(uint32_t *ttl, uint32_t other)
{
    if (other < *ttl) *ttl = other;
}

/*
 * Looks through the answers for records of that name and type, and keeps addresses; or for the
 * name that it is an alias of (RFC 1034, 3.6.2). The order of the records doesn't count. Returns
 * how many there are, 0 with or without an alias, or RN_E_PROTOCOL.
 */
static int collect(struct rn_dns_reader *reader, unsigned records, struct rn_dns_name *name,
                   bool *alias, struct rn_dns_answer *answer)
{
    struct rn_dns_record record;
    struct rn_dns_name target;
    int count = 0;
    *alias = false;
    for (unsigned i = 0; i < records; i++) {
        int result = rn_dns_read_record(reader, &record);
        if (result < 0) return result;
        if (record.rclass != RN_DNS_INTERNET || !rn_dns_name_equal(&record.name, name)) continue;
        if (record.type == answer->type) {
            if (count < RN_DNS_ADDRESSES_MAX && record.data.len <= 16)
                memcpy(answer->addresses[count], record.data.ptr, record.data.len);
            count++;
        } else if (record.type == RN_DNS_CNAME) {
            target = record.target;
            *alias = true;
        } else {
            continue;
        }
        lower(&answer->ttl, record.ttl);
    }
    if (*alias) *name = target;
    return count;
}

/* How long it may be remembered that there is nothing: as the zone's SOA says (RFC 2308, 5), which
 * proves at the same time that the server knows the zone. */
static bool find_soa(struct rn_dns_reader *reader, unsigned records, uint32_t *ttl)
{
    struct rn_dns_record record;
    if (records > RN_DNS_RECORDS_MAX) records = RN_DNS_RECORDS_MAX;
    for (unsigned i = 0; i < records && rn_dns_read_record(reader, &record) == 0; i++) {
        if (record.type != RN_DNS_SOA) continue;
        lower(ttl, record.ttl);
        lower(ttl, record.times[4]);
        return true;
    }
    *ttl = 0;
    return false;
}

static enum verdict read_answers(const struct rn_dns_lookup *lookup, struct rn_dns_reader *reader,
                                 const struct rn_dns_header *header, struct rn_dns_answer *answer)
{
    struct rn_dns_name name = lookup->name;
    const size_t start = reader->at;
    unsigned records = header->counts[1];
    bool alias;
    if (records > RN_DNS_RECORDS_MAX) records = RN_DNS_RECORDS_MAX;
    answer->ttl = RN_DNS_TTL_MAX;
    for (unsigned links = 0; links <= RN_DNS_CHAIN_MAX; links++) {
        reader->at = start;
        answer->result = collect(reader, records, &name, &alias, answer);
        if (answer->result < 0) return USELESS;
        if (answer->result) break;
        if (alias) continue;
        answer->result = RN_E_NO_DATA;
        /* A server that neither knows the zone nor asks others would refer to one (RFC 1034,
         * 4.3.1): it is lame. */
        if (!find_soa(reader, header->counts[2], &answer->ttl) &&
            !(header->flags & (RN_DNS_AUTHORITATIVE | RN_DNS_RECURSION_AVAILABLE)))
            return USELESS;
        break;
    }
    if ((header->flags & RN_DNS_RCODE) == RN_DNS_NXDOMAIN) answer->result = RN_E_NO_NAME;
    answer->authentic = lookup->config->trust_ad && header->flags & RN_DNS_AUTHENTIC;
    return answer->result ? ANSWER : USELESS; /* 0: an endless chain */
}

/* RFC 5452, 9.1: all that makes it an answer to what was asked. */
static enum verdict judge(const struct rn_dns_lookup *lookup, const struct rn_dns_try *try,
                          rn_bytes message, struct rn_dns_answer *answer)
{
    struct rn_dns_reader reader = {message, 0};
    struct rn_dns_header header;
    struct rn_dns_question question;
    if (rn_dns_read_header(&reader, &header) < 0 || header.id != try->id ||
        (header.flags & (RN_DNS_RESPONSE | RN_DNS_OPCODE)) != RN_DNS_RESPONSE)
        return STRAY;
    unsigned rcode = header.flags & RN_DNS_RCODE;
    bool unknown = rcode == RN_DNS_FORMERR || rcode == RN_DNS_NOTIMP;
    /* A server that couldn't read the question may leave it out. */
    if (header.counts[0] || !unknown) {
        if (header.counts[0] != 1 || rn_dns_read_question(&reader, &question) < 0 ||
            question.type != answer->type || question.rclass != RN_DNS_INTERNET ||
            !rn_dns_name_equal(&question.name, &lookup->name))
            return STRAY;
    }
    if (unknown && !try->plain) return NO_EDNS;
    if (rcode != RN_DNS_NOERROR && rcode != RN_DNS_NXDOMAIN) return USELESS;
    if (header.flags & RN_DNS_TRUNCATED) return try->tcp ? USELESS : TRUNCATED;
    return read_answers(lookup, &reader, &header, answer);
}

bool rn_dns_lookup_waiting(const struct rn_dns_lookup *lookup, unsigned question)
{
    return !lookup->done && lookup->tries[question].state == WAITING;
}

void rn_dns_lookup_fail(struct rn_dns_lookup *lookup, unsigned question)
{
    if (!rn_dns_lookup_waiting(lookup, question)) return;
    lookup->tries[question].failed = true;
    next_server(lookup, question);
}

void rn_dns_lookup_input(struct rn_dns_lookup *lookup, rn_bytes message, unsigned question,
                         unsigned server, bool tcp)
{
    struct rn_dns_try *try = &lookup->tries[question];
    struct rn_dns_answer *answer = &lookup->answers[question];
    if (!rn_dns_lookup_waiting(lookup, question) || server != try->server || tcp != try->tcp)
        return;
    enum verdict verdict = judge(lookup, try, message, answer);
    if (verdict == ANSWER) {
        answered(lookup, question, answer->result, answer->ttl);
        return;
    }
    answer->result = 0;
    /* By TCP nothing else is to come. By UDP it may be somebody who guesses: not for long. */
    if (verdict == STRAY && !tcp && ++try->strays <= RN_DNS_STRAYS_MAX) return;
    if (verdict == STRAY || verdict == USELESS) {
        rn_dns_lookup_fail(lookup, question);
        return;
    }
    try->state = READY;
    try->tcp |= verdict == TRUNCATED;
    try->plain |= verdict == NO_EDNS;
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

void rn_dns_lookup_tick(struct rn_dns_lookup *lookup, rn_ns now)
{
    for (unsigned i = 0; i < lookup->questions; i++)
        if (rn_dns_lookup_waiting(lookup, i) && lookup->tries[i].deadline <= now)
            next_server(lookup, i);
}

rn_ns rn_dns_lookup_deadline(const struct rn_dns_lookup *lookup)
{
    rn_ns deadline = RN_NEVER;
    for (unsigned i = 0; i < lookup->questions; i++)
        if (rn_dns_lookup_waiting(lookup, i) && lookup->tries[i].deadline < deadline)
            deadline = lookup->tries[i].deadline;
    return deadline;
}

int rn_dns_lookup_result(const struct rn_dns_lookup *lookup, uint32_t *ttl)
{
    int count = 0, error = 0;
    uint32_t least = RN_DNS_TTL_MAX;
    for (unsigned i = 0; i < lookup->questions; i++) {
        const struct rn_dns_answer *answer = &lookup->answers[i];
        if (answer->result == RN_E_NO_NAME || answer->result == RN_E_NO_DATA) continue;
        if (answer->result > 0) count += answer->result;
        else error = answer->result;
        lower(&least, answer->ttl);
    }
    *ttl = least;
    if (count || error) return count ? count : error;
    *ttl = lookup->ttl;
    return lookup->name_exists ? RN_E_NO_DATA : RN_E_NO_NAME;
}

/* The last label of a name; the number of those before it goes to *dots. */
static rn_bytes last_label(const struct rn_dns_name *name, unsigned *dots)
{
    const uint8_t *label = name->bytes;
    *dots = 0;
    while (*label && label[*label + 1]) {
        label += *label + 1;
        ++*dots;
    }
    return rn_bytes_of(label + 1, *label);
}

static bool is(rn_bytes label, const char *text)
{
    return rn_bytes_equal_nocase(label, rn_bytes_text(text));
}

/* RFC 6761, 6.3: "localhost" is the host itself, whatever any server would say. */
static void answer_loopback(struct rn_dns_lookup *lookup)
{
    for (unsigned i = 0; i < lookup->questions; i++) {
        struct rn_dns_answer *answer = &lookup->answers[i];
        bool ip4 = answer->type == RN_DNS_A;
        answer->result = ip4 || answer->type == RN_DNS_AAAA ? 1 : RN_E_NO_DATA;
        answer->ttl = RN_DNS_TTL_MAX;
        answer->addresses[0][ip4 ? 3 : 15] = 1;
        if (ip4) answer->addresses[0][0] = 127;
        lookup->tries[i].state = ANSWERED;
    }
    lookup->name_exists = true;
}

int rn_dns_lookup_start(struct rn_dns_lookup *lookup, const struct rn_dns_config *config,
                        rn_bytes name, const uint16_t types[2])
{
    unsigned dots;
    uint64_t number;
    memset(lookup, 0, sizeof *lookup);
    lookup->config = config;
    lookup->ttl = RN_DNS_TTL_NEGATIVE_MAX;
    int result = rn_dns_name_parse(&lookup->relative, name);
    if (result < 0) return result;
    for (unsigned i = 0; i < 2; i++)
        if (types[i] && !(types[i] == RN_DNS_AAAA && config->no_aaaa))
            lookup->answers[lookup->questions++].type = types[i];
    rn_bytes label = last_label(&lookup->relative, &dots);
    lookup->absolute = name.ptr[name.len - 1] == '.';
    lookup->as_is_first = lookup->absolute || dots >= config->ndots;
    lookup->done = true;
    if (is(label, "localhost")) {
        answer_loopback(lookup);
    } else if (!lookup->questions) {
        lookup->name_exists = true;
    } else if (!rn_parse_u64(label, &number) && !is(label, "invalid") && !is(label, "onion")) {
        begin(lookup);
    }
    return 0;
}
