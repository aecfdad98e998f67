/* A zone's file in memory, for the name server: a record on each line, the first one its SOA. */
#ifndef EXAMPLE_DNS_ZONE_H
#define EXAMPLE_DNS_ZONE_H

#include "dns_text.h"

enum { RECORDS_MAX = 1000, DNS_DATA_MAX = 256 };

static struct rn_dns_record records[RECORDS_MAX];
static uint8_t datas[RECORDS_MAX][DNS_DATA_MAX];
static size_t record_count;
static struct rn_dns_name zone;

/* What stands behind a record's type in a zone's file; data: what it is to refer to. */
static inline int parse_data(struct rn_dns_record *record, uint8_t *data, char *text)
{
    char *word, *rest = text;
    int number = 0, result = 0;
    size_t len = strlen(text);
    switch (record->type) {
    case RN_DNS_A:
    case RN_DNS_AAAA:
        record->data = rn_bytes_of(data, record->type == RN_DNS_A ? 4 : 16);
        result = inet_pton(record->type == RN_DNS_A ? AF_INET : AF_INET6, text, data);
        return result == 1 ? 0 : -EINVAL;
    case RN_DNS_TXT:
        if (len > DNS_DATA_MAX - 1) return RN_E_LIMIT;
        data[0] = (uint8_t)len;
        memcpy(data + 1, text, len);
        record->data = rn_bytes_of(data, len + 1);
        return 0;
    case RN_DNS_SRV: number = 3; break;
    case RN_DNS_MX: number = 1; break;
    case RN_DNS_NS:
    case RN_DNS_CNAME:
    case RN_DNS_PTR:
    case RN_DNS_SOA: break;
    default: return RN_E_UNSUPPORTED;
    }
    for (int i = 0; i < number; i++) record->numbers[i] = (uint16_t)strtoul(rest, &rest, 10);
    if (!(word = strtok_r(rest, " ", &rest))) return -EINVAL;
    result = rn_dns_name_parse(&record->target, bytes_of(word));
    if (record->type != RN_DNS_SOA || result < 0) return result;
    if (!(word = strtok_r(rest, " ", &rest))) return -EINVAL;
    for (int i = 0; i < 5; i++) record->times[i] = (uint32_t)strtoul(rest, &rest, 10);
    return rn_dns_name_parse(&record->mailbox, bytes_of(word));
}

static inline void load(FILE *file)
{
    char line[512], name[256], type[16];
    int at, number = 0;
    while (fgets(line, sizeof line, file)) {
        if (record_count == RECORDS_MAX) fail("zone", rn_error_text(RN_E_LIMIT));
        struct rn_dns_record *record = &records[record_count];
        number++;
        line[strcspn(line, "\n")] = '\0';
        if (!line[0] || line[0] == '#') continue;
        record->rclass = RN_DNS_INTERNET;
        bool whole = sscanf(line, "%255s %u %15s %n", name, &record->ttl, type, &at) == 3;
        if (whole) record->type = dns_type_of(type);
        if (!whole || rn_dns_name_parse(&record->name, bytes_of(name)) < 0 ||
            parse_data(record, datas[record_count], line + at) < 0) {
            fprintf(stderr, "line %d: not a record: %s\n", number, line);
            exit(1);
        }
        record_count++;
    }
    if (!record_count || records[0].type != RN_DNS_SOA) fail("zone", "doesn't begin with its SOA");
}

/* Whether the name ends as the zone does, at the edge of a label. */
static inline bool in_zone(const struct rn_dns_name *name)
{
    for (size_t at = 0; at < name->len; at += 1u + name->bytes[at]) {
        struct rn_dns_name end = {(uint8_t)(name->len - at), {0}};
        memcpy(end.bytes, name->bytes + at, end.len);
        if (rn_dns_name_equal(&end, &zone)) return true;
    }
    return false;
}

#endif
