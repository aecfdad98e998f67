/* DNS records as text, for the examples that read and write them. */
#ifndef EXAMPLE_DNS_TEXT_H
#define EXAMPLE_DNS_TEXT_H

#include <arpa/inet.h>
#include <runnel/dns.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { DNAME = 39 }; /* RFC 6672: not taken apart, but its data is a name */

static const struct {
    uint16_t number;
    const char *name;
} dns_types[] = {
    {RN_DNS_A, "A"},     {RN_DNS_NS, "NS"},   {RN_DNS_CNAME, "CNAME"}, {RN_DNS_SOA, "SOA"},
    {RN_DNS_PTR, "PTR"}, {RN_DNS_MX, "MX"},   {RN_DNS_TXT, "TXT"},     {RN_DNS_AAAA, "AAAA"},
    {RN_DNS_SRV, "SRV"}, {RN_DNS_OPT, "OPT"},
};

/* "AAAA" or "TYPE28" (RFC 3597, section 5); 0 for none. */
static inline uint16_t dns_type_of(const char *name)
{
    for (size_t i = 0; i < sizeof dns_types / sizeof dns_types[0]; i++)
        if (strcasecmp(name, dns_types[i].name) == 0) return dns_types[i].number;
    return strncasecmp(name, "TYPE", 4) == 0 ? (uint16_t)atoi(name + 4) : 0;
}

static inline const char *dns_type_name(uint16_t type)
{
    static char number[12];
    for (size_t i = 0; i < sizeof dns_types / sizeof dns_types[0]; i++)
        if (dns_types[i].number == type) return dns_types[i].name;
    snprintf(number, sizeof number, "TYPE%u", type);
    return number;
}

/* The last two stay good. */
static inline const char *dns_text(const struct rn_dns_name *name)
{
    static char texts[2][RN_DNS_TEXT_MAX];
    static unsigned turn;
    rn_dns_name_format(name, texts[++turn % 2]);
    return texts[turn % 2];
}

/* Nothing of what somebody else wrote may reach the terminal but what can be seen. */
static inline void dns_print_text(rn_bytes text)
{
    putchar('"');
    for (size_t i = 0; i < text.len; i++)
        printf(text.ptr[i] < ' ' || text.ptr[i] > '~' ? "\\%03u" : "%c", text.ptr[i]);
    printf("\" ");
}

/* message: all up to the record's end, for names that point back. */
static inline void dns_print_data(rn_bytes message, const struct rn_dns_record *record)
{
    rn_bytes data = record->data, text;
    struct rn_dns_reader reader = {rn_bytes_of(message.ptr, (size_t)(data.ptr - message.ptr)), 0};
    struct rn_dns_name name = record->target;
    char address[INET6_ADDRSTRLEN];
    switch (record->type) {
    case RN_DNS_A:
    case RN_DNS_AAAA:
        printf("%s", inet_ntop(record->type == RN_DNS_A ? AF_INET : AF_INET6, data.ptr, address,
                               sizeof address));
        return;
    case RN_DNS_TXT:
        while (rn_dns_next_text(&data, &text)) dns_print_text(text);
        return;
    case RN_DNS_SOA:
        printf("%s %s", dns_text(&name), dns_text(&record->mailbox));
        for (int i = 0; i < 5; i++) printf(" %u", record->times[i]);
        return;
    case DNAME:
        reader.at = reader.message.len;
        reader.message.len += data.len;
        check(rn_dns_read_name(&reader, &name), "the name in a record");
        break;
    case RN_DNS_SRV:
        for (int i = 0; i < 3; i++) printf("%u ", record->numbers[i]);
        break;
    case RN_DNS_MX: printf("%u ", record->numbers[0]); break;
    case RN_DNS_NS:
    case RN_DNS_CNAME:
    case RN_DNS_PTR: break;
    default: /* RFC 3597, section 5 */
        printf("\\# %zu ", data.len);
        for (size_t i = 0; i < data.len; i++) printf("%02x", data.ptr[i]);
        return;
    }
    printf("%s", dns_text(&name));
}

#endif
