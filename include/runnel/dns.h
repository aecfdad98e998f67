/*
 * runnel/dns.h: DNS without I/O: messages read and written, the machine of a stub resolver, and the
 * two files that configure one (RFC 1034, 1035, 2308, 3596, 6761, 6891; resolv.conf(5), hosts(5)).
 *
 * Pure: no allocation, no clock, no socket, no state but the caller's. Programs that only want
 * addresses use runnel/resolver.h, which drives all this.
 */
#ifndef RUNNEL_DNS_H
#define RUNNEL_DNS_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Names ----------------------------------------------------------------------------------- */

enum {
    RN_DNS_NAME_MAX = 255,       /* octets of a name on the wire: RFC 1035, 2.3.4 */
    RN_DNS_LABEL_MAX = 63,
    RN_DNS_POINTERS_MAX = 127, /* in one compressed name: so many labels it can have */
    RN_DNS_TEXT_MAX = 4 * 255,   /* of a name as text: each octet may be written "\DDD" */
};

/* A name as on the wire, without compression: labels with their lengths, and the root's empty
 * one. */
struct rn_dns_name {
    uint8_t len;
    uint8_t bytes[RN_DNS_NAME_MAX];
};

/* Reads "www.example.com", with or without the last dot; "." is the root. "\." and "\DDD" as in
 * RFC 1035, 5.1. RN_E_MISUSE: an empty label, one over 63 octets, a name over 255, a bad escape,
 * a blank, a control or a byte above 0x7E that isn't escaped (international names are written in
 * their ASCII form, RFC 5890). */
RN_MUST_USE int rn_dns_name_parse(struct rn_dns_name *name, rn_bytes text);

/* Writes it so that it is read back the same, without the last dot but for the root; terminated.
 * Returns the length without the terminator. to: RN_DNS_TEXT_MAX. */
size_t rn_dns_name_format(const struct rn_dns_name *name, char *to);

/* ASCII letters compare without case (RFC 4343). */
bool rn_dns_name_equal(const struct rn_dns_name *a, const struct rn_dns_name *b);

/* ---- Messages -------------------------------------------------------------------------------- */

enum rn_dns_type {
    RN_DNS_A = 1,
    RN_DNS_NS = 2,
    RN_DNS_CNAME = 5,
    RN_DNS_SOA = 6,
    RN_DNS_PTR = 12,
    RN_DNS_MX = 15,
    RN_DNS_TXT = 16,
    RN_DNS_AAAA = 28,
    RN_DNS_SRV = 33,
    RN_DNS_OPT = 41,
};
enum { RN_DNS_INTERNET = 1 }; /* the class */

enum rn_dns_flag { /* of a header: RFC 1035, 4.1.1; RFC 4035, 3.2 */
    RN_DNS_RESPONSE = 0x8000,
    RN_DNS_OPCODE = 0x7800,
    RN_DNS_AUTHORITATIVE = 0x0400,
    RN_DNS_TRUNCATED = 0x0200,
    RN_DNS_RECURSION_DESIRED = 0x0100,
    RN_DNS_RECURSION_AVAILABLE = 0x0080,
    RN_DNS_AUTHENTIC = 0x0020,
    RN_DNS_RCODE = 0x000F,
};
enum rn_dns_rcode {
    RN_DNS_NOERROR = 0,
    RN_DNS_FORMERR = 1,
    RN_DNS_SERVFAIL = 2,
    RN_DNS_NXDOMAIN = 3,
    RN_DNS_NOTIMP = 4,
    RN_DNS_REFUSED = 5,
};

struct rn_dns_header {
    uint16_t id;
    uint16_t flags;
    uint16_t counts[4]; /* questions, answers, authorities, additionals */
};

struct rn_dns_question {
    struct rn_dns_name name;
    uint16_t type;
    uint16_t rclass;
};

/* A record. For the types below its data is taken apart, names uncompressed, and what a type hasn't
 * got is left as it was; `data` is what stands in the message, for all types: of A and AAAA the
 * address. Of OPT, rclass is the sender's UDP payload size, and ttl the extended flags (RFC 6891,
 * 6.1.2). */
struct rn_dns_record {
    struct rn_dns_name name;
    uint16_t type;
    uint16_t rclass;
    uint32_t ttl;              /* seconds; RFC 2181, 8: over 2^31 - 1 counts as 0 */
    rn_bytes data;             /* borrowed of the message */
    uint16_t numbers[3];       /* MX: preference. SRV: priority, weight, port (RFC 2782) */
    struct rn_dns_name target; /* NS, CNAME, PTR, MX, SRV; SOA: the primary server */
    struct rn_dns_name mailbox; /* SOA */
    uint32_t times[5];         /* SOA: serial, refresh, retry, expire, minimum */
};

/* Where reading stands in a message: start with {message, 0}. Each call reads one thing and moves
 * on. RN_E_PROTOCOL: it is cut off or malformed, a name is too long, or a compressed name doesn't
 * point backwards only (so that it can't loop), or has too many pointers; the reader is of no
 * further use then. */
struct rn_dns_reader {
    rn_bytes message;
    size_t at;
};
RN_MUST_USE int rn_dns_read_header(struct rn_dns_reader *reader, struct rn_dns_header *header);
RN_MUST_USE int rn_dns_read_name(struct rn_dns_reader *reader, struct rn_dns_name *name);
RN_MUST_USE int rn_dns_read_question(struct rn_dns_reader *reader,
                                     struct rn_dns_question *question);
RN_MUST_USE int rn_dns_read_record(struct rn_dns_reader *reader, struct rn_dns_record *record);

/* Takes the next character string off the data of a TXT record: true, or false when none is left,
 * or what is left is cut off. */
RN_MUST_USE bool rn_dns_next_text(rn_bytes *data, rn_bytes *text);

/* Writes into to[0 .. cap). What doesn't fit is only counted: the message is whole when
 * len <= cap at the end. Names are not compressed. A record of a type that is taken apart is
 * written from its parts, any other from `data`. */
struct rn_dns_writer {
    uint8_t *to;
    size_t cap;
    size_t len;
};
void rn_dns_write_header(struct rn_dns_writer *writer, const struct rn_dns_header *header);
void rn_dns_write_question(struct rn_dns_writer *writer, const struct rn_dns_question *question);
void rn_dns_write_record(struct rn_dns_writer *writer, const struct rn_dns_record *record);

/* ---- The two files --------------------------------------------------------------------------- */

enum { RN_DNS_SERVERS_MAX = 3, RN_DNS_SEARCH_MAX = 6, RN_DNS_SERVER_TEXT_MAX = 64 };

/* What resolv.conf(5) says. */
struct rn_dns_config {
    /* addresses as the file has them, terminated; at least one */
    char servers[RN_DNS_SERVERS_MAX][RN_DNS_SERVER_TEXT_MAX];
    uint8_t server_count;
    uint8_t search_count;
    uint8_t ndots;    /* 1; at most 15 */
    uint8_t attempts; /* rounds through all servers: 2; 1 to 5 */
    uint8_t timeout;  /* seconds for each server: 5; 1 to 30 */
    bool rotate;      /* begin with any of the servers */
    bool use_vc;      /* TCP only */
    bool no_aaaa;     /* never ask for AAAA */
    bool trust_ad;    /* ask for, and pass on, the server's word that data is authentic */
    struct rn_dns_name search[RN_DNS_SEARCH_MAX];
};

/* Reads resolv.conf: nameserver, search, domain (the last of these two wins) and the options above.
 * Nothing in the file is an error: what isn't known or is malformed is skipped, as are further
 * servers and domains. Without a server it is "127.0.0.1". edns0 is accepted: EDNS is always
 * tried. */
void rn_dns_config_parse(struct rn_dns_config *config, rn_bytes file);

/* Goes to the next line of a hosts file that lists `name`: true, the line's address as text, and
 * *file is what follows the line; false at the end. Start with the whole file. */
RN_MUST_USE bool rn_dns_hosts_next(rn_bytes *file, rn_bytes name, rn_bytes *address);

/* ---- The machine of a stub resolver ---------------------------------------------------------- */

enum {
    RN_DNS_ADDRESSES_MAX = 8,   /* of each family; further ones are left out */
    RN_DNS_CHAIN_MAX = 16,      /* CNAMEs up to the answer; with more the server is skipped */
    RN_DNS_RECORDS_MAX = 256,   /* of a message that are looked at */
    RN_DNS_STRAYS_MAX = 64,     /* datagrams that are no answer, until the question is put anew */
    RN_DNS_QUERY_MAX = 12 + 255 + 4 + 11, /* octets of a query */
    RN_DNS_PAYLOAD = 1232,      /* largest answer by UDP that is asked for (EDNS) */
    RN_DNS_TTL_MAX = 86400,     /* seconds */
    RN_DNS_TTL_NEGATIVE_MAX = 900,
    RN_DNS_TTL_FAILURE = 1,     /* RFC 9520, 3.2 */
};

/* What became of one question. result: how many records there are; RN_E_NO_NAME (NXDOMAIN),
 * RN_E_NO_DATA (the name is there, but none of that type), RN_E_NAME_SERVER (all servers answered
 * that they can't or won't, or nonsense), -ETIMEDOUT; 0 while it is open. */
struct rn_dns_answer {
    int result;
    uint32_t ttl;   /* seconds for which that holds; 0: not any longer than now */
    uint16_t type;  /* of the question */
    bool authentic; /* the server vouches for it (trust_ad) */
    uint8_t addresses[RN_DNS_ADDRESSES_MAX][16]; /* of A (4 bytes) and AAAA; at most 8 */
};

/* A query to be sent, from a socket that was not used before, so that its port can't be known. */
struct rn_dns_query {
    uint8_t server; /* its number */
    bool tcp;
    uint16_t len;   /* of the message */
    uint8_t bytes[2 + RN_DNS_QUERY_MAX]; /* its length, for TCP (RFC 1035, 4.2.2); the message */
};

/*
 * One or two questions about a name, such as AAAA and A, from the search list to the answers.
 *
 * Servers are asked in turn, `timeout` each and `attempts` rounds. One that fails, refuses, doesn't
 * recurse or talks nonsense is left for the next at once. A datagram that doesn't come from where
 * the question went, or without its ID and its question, is no answer, and ignored. An answer that
 * is cut is asked for again by TCP. EDNS is left out where the server doesn't know it, and in later
 * rounds. Names are completed from the search list as resolv.conf(5) says (ndots); the second
 * question goes with the first. The search ends at the first name that has any data, or with a
 * failure: what couldn't be asked must not become another name's answer.
 *
 * "localhost", "*.localhost", "*.invalid" and "*.onion" are never asked (RFC 6761, 7686), nor are
 * names whose last label is a number, which no domain has (RFC 3696, 2).
 */
struct rn_dns_lookup {
    const struct rn_dns_config *config; /* borrowed until the end */
    struct rn_dns_answer answers[2];    /* to `questions` of them */
    uint8_t questions;
    bool done;
    /* private from here */
    bool absolute;    /* no search list */
    bool as_is_first;
    bool name_exists; /* under one of the names that came to nothing */
    uint8_t candidate;
    uint32_t ttl;     /* of the names that came to nothing */
    struct rn_dns_name relative;
    struct rn_dns_name name;
    struct rn_dns_try {
        rn_ns deadline;
        uint16_t id;
        uint8_t state;
        uint8_t server;
        uint8_t tries;
        uint8_t strays;
        bool tcp;
        bool plain;  /* without EDNS */
        bool failed; /* a server did more than keep silent */
    } tries[2];
};

/* types: one or two; the second is 0 for none. RN_E_MISUSE: no name. After this and every call
 * below, take rn_dns_lookup_pop of each question until it has none, and ask for the deadline, until
 * `done`; who wants no answer any more sets that himself. */
RN_MUST_USE int rn_dns_lookup_start(struct rn_dns_lookup *lookup,
                                    const struct rn_dns_config *config, rn_bytes name,
                                    const uint16_t types[2]);
/* The query that is to be sent for that question, 0 or 1; or false. What was sent for it before is
 * void. random: fresh and unpredictable each time. */
RN_MUST_USE bool rn_dns_lookup_pop(struct rn_dns_lookup *lookup, rn_ns now, uint64_t random,
                                   unsigned question, struct rn_dns_query *query);
/* Whether the query that was popped last for that question still waits for its answer. */
bool rn_dns_lookup_waiting(const struct rn_dns_lookup *lookup, unsigned question);
/* What came in on the socket of such a query; server and tcp are the query's. */
void rn_dns_lookup_input(struct rn_dns_lookup *lookup, rn_bytes message, unsigned question,
                         unsigned server, bool tcp);
/* It couldn't be sent, or was refused, or the connection ended. */
void rn_dns_lookup_fail(struct rn_dns_lookup *lookup, unsigned question);
/* When its deadline has come. RN_NEVER when nothing is waited for. */
void rn_dns_lookup_tick(struct rn_dns_lookup *lookup, rn_ns now);
rn_ns rn_dns_lookup_deadline(const struct rn_dns_lookup *lookup);

/* Of both questions, when done: how many records, or the error; and how long that holds. */
int rn_dns_lookup_result(const struct rn_dns_lookup *lookup, uint32_t *ttl);

#ifdef __cplusplus
}
#endif
#endif
