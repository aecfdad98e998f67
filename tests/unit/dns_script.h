/*
 * Scripts for the machine of a stub resolver. A line each:
 *
 *     > 0 NAME TYPE SERVER udp|tcp [plain] [ad]   what is to be sent for question 0
 *     > 0 -                                       nothing is
 *     < 0 RCODE WORD...                           an answer to what was sent last
 *     ! 0                                         it couldn't be sent, or was refused
 *     + 5000                                      milliseconds pass
 *     = RESULT TTL                                done, with that; RESULT as a number or a name
 *     =0 RESULT                                   so far of question 0
 *
 * Words of an answer: A:OWNER:LAST[:TTL] (an address that ends in LAST), CNAME:OWNER:TARGET[:TTL],
 * SOA:TTL:MINIMUM, NS, FILL:COUNT[:SECTION] records of somebody else; aa, nora, tc, ad; and lies:
 * id, query, opcode, chaos, q:NAME, type, noq, two, from:SERVER, tcp, udp, cut:OCTETS.
 */
#ifndef TESTS_DNS_SCRIPT_H
#define TESTS_DNS_SCRIPT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runnel/dns.h>

#include "guarded.h"

struct script {
    struct rn_dns_config config;
    struct rn_dns_lookup lookup;
    struct rn_dns_query sent[2];
    uint64_t random;
    rn_ns now;
};

static inline rn_bytes script_text(const char *text) { return rn_bytes_of(text, strlen(text)); }

static inline struct rn_dns_name script_name(const char *text)
{
    struct rn_dns_name name;
    assert_int_equal(rn_dns_name_parse(&name, script_text(text)), 0);
    return name;
}

static inline unsigned script_type(const char *name)
{
    return !strcmp(name, "A") ? RN_DNS_A : !strcmp(name, "AAAA") ? RN_DNS_AAAA
           : !strcmp(name, "TXT") ? RN_DNS_TXT : 0;
}

/* ---- What is sent ---------------------------------------------------------------------------- */

static inline void script_pop(struct script *script, char *words)
{
    unsigned question = (unsigned)atoi(strtok(words, " "));
    const char *name = strtok(NULL, " "), *type = strtok(NULL, " "), *server = strtok(NULL, " "),
               *transport = strtok(NULL, " "), *word;
    struct rn_dns_query *query = &script->sent[question];
    bool plain = false, ad = false;
    script->random = script->random * 6364136223846793005u + 1442695040888963407u;
    uint64_t random = script->random >> 32;
    bool popped = rn_dns_lookup_pop(&script->lookup, script->now, random, question, query);
    assert_int_equal(popped, strcmp(name, "-") != 0);
    if (!popped) return;
    for (; (word = strtok(NULL, " ")); plain |= !strcmp(word, "plain")) ad |= !strcmp(word, "ad");
    assert_true(rn_dns_lookup_waiting(&script->lookup, question));
    assert_int_equal(query->server, atoi(server));
    assert_int_equal(query->tcp, !strcmp(transport, "tcp"));
    assert_int_equal(query->len, query->bytes[0] << 8 | query->bytes[1]);
    struct rn_dns_reader reader = {guarded_copy(0, query->bytes + 2, query->len), 0};
    struct rn_dns_header header;
    struct rn_dns_question asked;
    struct rn_dns_record option;
    struct rn_dns_name expected = script_name(name);
    assert_int_equal(rn_dns_read_header(&reader, &header), 0);
    assert_int_equal(header.id, (uint16_t)random);
    assert_int_equal(header.flags, RN_DNS_RECURSION_DESIRED | (ad ? RN_DNS_AUTHENTIC : 0));
    assert_int_equal(header.counts[0], 1);
    assert_int_equal(header.counts[1] + header.counts[2], 0);
    assert_int_equal(header.counts[3], !plain);
    assert_int_equal(rn_dns_read_question(&reader, &asked), 0);
    assert_true(rn_dns_name_equal(&asked.name, &expected));
    assert_int_equal(asked.type, script_type(type));
    assert_int_equal(asked.rclass, RN_DNS_INTERNET);
    if (!plain) {
        assert_int_equal(rn_dns_read_record(&reader, &option), 0);
        assert_int_equal(option.type, RN_DNS_OPT);
        assert_int_equal(option.rclass, RN_DNS_PAYLOAD);
        assert_int_equal(option.ttl, 0);
    }
    assert_int_equal(reader.at, query->len);
}

/* ---- What comes back ------------------------------------------------------------------------- */

struct reply {
    struct rn_dns_header header;
    struct rn_dns_question question;
    struct rn_dns_record *records; /* answers from the front, authorities from the back */
    unsigned server, cut;
    bool tcp;
};
enum { REPLY_RECORDS = 600 };

static inline void reply_record(struct reply *reply, unsigned section, const char *owner,
                                unsigned type, uint32_t ttl)
{
    unsigned at = reply->header.counts[section]++;
    struct rn_dns_record *record = &reply->records[section == 1 ? at : REPLY_RECORDS - 1 - at];
    *record = (struct rn_dns_record){.name = script_name(owner), .type = (uint16_t)type,
                                     .rclass = RN_DNS_INTERNET, .ttl = ttl};
}

static inline void reply_word(struct reply *reply, char *word)
{
    static uint8_t addresses[REPLY_RECORDS][16];
    char *save, *kind = strtok_r(word, ":", &save), *first = strtok_r(NULL, ":", &save),
         *second = strtok_r(NULL, ":", &save), *third = strtok_r(NULL, ":", &save);
    unsigned at = reply->header.counts[1], type = reply->question.type;
    uint32_t ttl = third ? (uint32_t)strtoul(third, NULL, 10) : 60;
    uint16_t *flags = &reply->header.flags;
    if (!strcmp(kind, "A")) {
        uint8_t *address = addresses[at];
        memset(address, 0, 16);
        address[type == RN_DNS_A ? 3 : 15] = (uint8_t)atoi(second);
        reply_record(reply, 1, first, type, ttl);
        reply->records[at].data = rn_bytes_of(address, type == RN_DNS_A ? 4 : 16);
    } else if (!strcmp(kind, "CNAME")) {
        reply_record(reply, 1, first, RN_DNS_CNAME, ttl);
        reply->records[at].target = script_name(second);
    } else if (!strcmp(kind, "FILL")) {
        for (int i = atoi(first); i; i--)
            reply_record(reply, second ? (unsigned)atoi(second) : 1, "somebody.else", 99, 1);
    } else if (!strcmp(kind, "SOA") || !strcmp(kind, "NS")) {
        unsigned place = REPLY_RECORDS - 1u - reply->header.counts[2];
        bool soa = first != NULL;
        reply_record(reply, 2, "zone", soa ? RN_DNS_SOA : RN_DNS_NS,
                     soa ? (uint32_t)atoi(first) : 9);
        reply->records[place].target = reply->records[place].mailbox = script_name("ns.zone");
        if (soa) reply->records[place].times[4] = (uint32_t)atoi(second);
    } else if (!strcmp(kind, "q")) {
        reply->question.name = script_name(first);
    } else if (!strcmp(kind, "from")) {
        reply->server = (unsigned)atoi(first);
    } else if (!strcmp(kind, "cut")) {
        reply->cut = (unsigned)atoi(first);
    } else {
        *flags |= !strcmp(kind, "aa")       ? RN_DNS_AUTHORITATIVE
                  : !strcmp(kind, "tc")     ? RN_DNS_TRUNCATED
                  : !strcmp(kind, "ad")     ? RN_DNS_AUTHENTIC
                  : !strcmp(kind, "opcode") ? 0x2000
                                            : 0;
        if (!strcmp(kind, "nora")) *flags &= (uint16_t)~RN_DNS_RECURSION_AVAILABLE;
        if (!strcmp(kind, "query")) *flags &= (uint16_t)~RN_DNS_RESPONSE;
        if (!strcmp(kind, "id")) reply->header.id ^= 1;
        if (!strcmp(kind, "type")) reply->question.type = RN_DNS_TXT;
        if (!strcmp(kind, "chaos")) reply->question.rclass = 3;
        if (!strcmp(kind, "noq")) reply->header.counts[0] = 0;
        if (!strcmp(kind, "two")) reply->header.counts[0] = 2;
        if (!strcmp(kind, "tcp") || !strcmp(kind, "udp")) reply->tcp = kind[0] == 't';
    }
}

static inline void script_input(struct script *script, char *words)
{
    static const char *const rcodes[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                         "NXDOMAIN", "NOTIMP",  "REFUSED"};
    static struct rn_dns_record records[REPLY_RECORDS];
    static uint8_t bytes[65535];
    char *save, *word = strtok_r(words, " ", &save);
    unsigned number = (unsigned)atoi(word), rcode = 0;
    const struct rn_dns_query *sent = &script->sent[number];
    struct reply reply = {.records = records, .server = sent->server, .tcp = sent->tcp};
    struct rn_dns_reader reader = {rn_bytes_of(sent->bytes + 2, sent->len), 0};
    assert_int_equal(rn_dns_read_header(&reader, &reply.header), 0);
    assert_int_equal(rn_dns_read_question(&reader, &reply.question), 0);
    word = strtok_r(NULL, " ", &save);
    while (strcmp(rcodes[rcode], word)) rcode++;
    reply.header.flags = (uint16_t)(RN_DNS_RESPONSE | RN_DNS_RECURSION_AVAILABLE | rcode);
    reply.header.counts[3] = 0;
    while ((word = strtok_r(NULL, " ", &save))) reply_word(&reply, word);
    struct rn_dns_writer writer = {bytes, sizeof bytes, 0};
    rn_dns_write_header(&writer, &reply.header);
    for (unsigned i = 0; i < reply.header.counts[0]; i++)
        rn_dns_write_question(&writer, &reply.question);
    for (unsigned i = 0; i < reply.header.counts[1]; i++) rn_dns_write_record(&writer, &records[i]);
    for (unsigned i = 0; i < reply.header.counts[2]; i++)
        rn_dns_write_record(&writer, &records[REPLY_RECORDS - 1 - i]);
    assert_true(writer.len <= writer.cap);
    rn_dns_lookup_input(&script->lookup, guarded_copy(0, bytes, writer.len - reply.cut), number,
                        reply.server, reply.tcp);
}

/* ---- Running --------------------------------------------------------------------------------- */

static inline int script_result(const char *word)
{
    return !strcmp(word, "NO_NAME")       ? RN_E_NO_NAME
           : !strcmp(word, "NO_DATA")     ? RN_E_NO_DATA
           : !strcmp(word, "NAME_SERVER") ? RN_E_NAME_SERVER
           : !strcmp(word, "TIMED_OUT")   ? -110
                                          : atoi(word);
}

static inline void script_line(struct script *script, char *line)
{
    struct rn_dns_lookup *lookup = &script->lookup;
    char word[32];
    unsigned expected;
    uint32_t ttl;
    if (*line == '>') {
        script_pop(script, line + 1);
    } else if (*line == '<') {
        script_input(script, line + 1);
    } else if (*line == '!') {
        rn_dns_lookup_fail(lookup, (unsigned)atoi(line + 1));
    } else if (*line == '+') {
        script->now += (rn_ns)atoi(line + 1) * RN_MILLISECOND;
        if (rn_dns_lookup_deadline(lookup) <= script->now) rn_dns_lookup_tick(lookup, script->now);
    } else if (line[1] != ' ' && sscanf(line, "=%u %31s", &expected, word) == 2) {
        assert_int_equal(lookup->answers[expected].result, script_result(word));
    } else {
        assert_int_equal(sscanf(line, "= %31s %u", word, &expected), 2);
        assert_true(lookup->done);
        assert_int_equal(rn_dns_lookup_result(lookup, &ttl), script_result(word));
        assert_int_equal(ttl, expected);
        assert_int_equal(rn_dns_lookup_deadline(lookup), RN_NEVER);
    }
}

/* Runs it for the question or questions "A", "AAAA", "AAAA A" about a name. */
static inline struct rn_dns_lookup *script_run(const char *conf, const char *name,
                                               const char *types, const char *text)
{
    static struct script script;
    char copy[4096], first[16], second[16] = "", *save, *line;
    memset(&script, 0, sizeof script);
    script.now = 77 * RN_SECOND;
    sscanf(types, "%15s %15s", first, second);
    uint16_t numbers[2] = {(uint16_t)script_type(first), (uint16_t)script_type(second)};
    rn_dns_config_parse(&script.config, script_text(conf));
    assert_int_equal(rn_dns_lookup_start(&script.lookup, &script.config,
                                         guarded_copy(0, name, strlen(name)), numbers), 0);
    assert_true(strlen(text) < sizeof copy);
    strcpy(copy, text);
    for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char step[512];
        snprintf(step, sizeof step, "%s", line);
        script_line(&script, step);
    }
    return &script.lookup;
}

#endif
