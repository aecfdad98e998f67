/*
 * DNS messages: any bytes are read without harm, and what was read is written and read again the
 * same. Names as text, too.
 */
#include "fuzz.h"

#include <runnel/dns.h>

enum { RECORDS = 64 };

static bool same_record(const struct rn_dns_record *a, const struct rn_dns_record *b)
{
    bool soa = a->type == RN_DNS_SOA, target = soa || a->type == RN_DNS_NS ||
                                               a->type == RN_DNS_CNAME || a->type == RN_DNS_PTR ||
                                               a->type == RN_DNS_MX || a->type == RN_DNS_SRV;
    unsigned numbers = a->type == RN_DNS_MX ? 1 : a->type == RN_DNS_SRV ? 3 : 0;
    if (!rn_dns_name_equal(&a->name, &b->name) || a->type != b->type || a->rclass != b->rclass ||
        a->ttl != b->ttl || memcmp(a->numbers, b->numbers, numbers * sizeof a->numbers[0]) != 0)
        return false;
    if (!target)
        return a->data.len == b->data.len && !memcmp(a->data.ptr, b->data.ptr, a->data.len);
    if (!rn_dns_name_equal(&a->target, &b->target)) return false;
    return !soa || (rn_dns_name_equal(&a->mailbox, &b->mailbox) &&
                    !memcmp(a->times, b->times, sizeof a->times));
}

static void check_name(const struct rn_dns_name *name)
{
    char text[RN_DNS_TEXT_MAX];
    struct rn_dns_name again;
    size_t len = rn_dns_name_format(name, text);
    require(len < sizeof text && strlen(text) == len && name->len && !name->bytes[name->len - 1]);
    require(rn_dns_name_parse(&again, rn_bytes_of(text, len)) == 0);
    require(rn_dns_name_equal(name, &again));
}

static void check_again(rn_bytes message, const struct rn_dns_header *header,
                        const struct rn_dns_question *question,
                        const struct rn_dns_record *records, unsigned count)
{
    struct rn_dns_reader reader = {message, 0};
    struct rn_dns_header header2;
    struct rn_dns_question question2;
    struct rn_dns_record record;
    require(rn_dns_read_header(&reader, &header2) == 0);
    require(memcmp(header, &header2, sizeof header2) == 0);
    require(rn_dns_read_question(&reader, &question2) == 0);
    require(rn_dns_name_equal(&question->name, &question2.name));
    require(question->type == question2.type && question->rclass == question2.rclass);
    for (unsigned i = 0; i < count; i++) {
        require(rn_dns_read_record(&reader, &record) == 0);
        require(same_record(&records[i], &record));
    }
    require(reader.at == message.len);
}

static void check_message(rn_bytes message)
{
    static struct rn_dns_record records[RECORDS];
    static uint8_t bytes[1 << 20];
    struct rn_dns_reader reader = {message, 0};
    struct rn_dns_header header;
    struct rn_dns_question question;
    unsigned count = 0;
    if (rn_dns_read_header(&reader, &header) < 0) return;
    if (rn_dns_read_question(&reader, &question) < 0) return;
    check_name(&question.name);
    while (count < RECORDS && rn_dns_read_record(&reader, &records[count]) == 0) {
        require(reader.at <= message.len);
        check_name(&records[count].name);
        rn_bytes data = records[count].data, text;
        for (size_t left = data.len + 1; rn_dns_next_text(&data, &text); left = data.len) {
            require(data.len < left);
        }
        count++;
    }
    struct rn_dns_writer counting = {NULL, 0, 0}, writer = {bytes, sizeof bytes, 0};
    struct rn_dns_writer *writers[] = {&counting, &writer};
    for (unsigned i = 0; i < 2; i++) {
        rn_dns_write_header(writers[i], &header);
        rn_dns_write_question(writers[i], &question);
        for (unsigned k = 0; k < count; k++) rn_dns_write_record(writers[i], &records[k]);
    }
    require(counting.len == writer.len && writer.len <= writer.cap);
    check_again(guarded_copy(1, bytes, writer.len), &header, &question, records, count);
}

static void check_text(rn_bytes text)
{
    struct rn_dns_name name;
    if (rn_dns_name_parse(&name, text) == 0) check_name(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rn_bytes input = guarded_copy(0, data, size);
    check_message(input);
    check_text(input);
    return 0;
}
