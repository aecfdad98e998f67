/* An authoritative name server for one zone: dns_server ADDRESS ZONE FILE, by UDP. The file has a
 * record on each line, `www.example.org 300 A 192.0.2.1`; the first is the zone's SOA.
 *
 *     dns_server 127.0.0.1:5300 example.org example.org.zone &
 *     dns_dig 127.0.0.1:5300 www.example.org
 */
#include "blocking.h"
#include "dns_zone.h"

enum { ROOM = 512 /* without EDNS: RFC 1035, 4.2.1 */ };

/* The answer's records, as far as they go: how many. Known: whether the name has any. */
static uint16_t write_answers(struct rn_dns_writer *writer, struct rn_dns_question *asked,
                              bool *known)
{
    uint16_t count = 0;
    for (size_t i = 0; i < record_count; i++) {
        if (!rn_dns_name_equal(&records[i].name, &asked->name)) continue;
        *known = true;
        bool alias = records[i].type == RN_DNS_CNAME && asked->type != RN_DNS_CNAME;
        if (!alias && records[i].type != asked->type) continue;
        rn_dns_write_record(writer, &records[i]);
        if (++count == RN_DNS_CHAIN_MAX) break;
        if (!alias) continue;
        asked->name = records[i].target; /* RFC 1034, 4.3.2: it goes on there */
        i = (size_t)-1;
    }
    return count;
}

/* Reads the question, and whether EDNS is spoken: the RCODE. */
static unsigned read_query(struct rn_dns_reader *reader, const struct rn_dns_header *header,
                           struct rn_dns_question *question, size_t *room)
{
    struct rn_dns_record record;
    unsigned others = header->counts[1] + header->counts[2] + header->counts[3];
    if (header->flags & RN_DNS_OPCODE) return RN_DNS_NOTIMP;
    if (header->counts[0] != 1 || rn_dns_read_question(reader, question) < 0 ||
        others > RN_DNS_RECORDS_MAX) {
        return RN_DNS_FORMERR;
    }
    for (unsigned i = 0; i < others; i++) {
        if (rn_dns_read_record(reader, &record) < 0) return RN_DNS_FORMERR;
        if (record.type != RN_DNS_OPT) continue;
        *room = record.rclass < ROOM ? ROOM : record.rclass;
        if (*room > RN_DNS_PAYLOAD) *room = RN_DNS_PAYLOAD;
    }
    return question->rclass == RN_DNS_INTERNET && in_zone(&question->name) ? RN_DNS_NOERROR
                                                                           : RN_DNS_REFUSED;
}

/* The answer's length; 0 for none. */
static size_t respond(rn_bytes query, uint8_t to[RN_DNS_PAYLOAD])
{
    struct rn_dns_reader reader = {query, 0};
    struct rn_dns_header asked, header = {.flags = RN_DNS_RESPONSE};
    struct rn_dns_question question;
    struct rn_dns_record edns = {.name = {1, {0}}, .type = RN_DNS_OPT, .rclass = RN_DNS_PAYLOAD};
    bool known = false;
    size_t room = 0;
    if (rn_dns_read_header(&reader, &asked) < 0 || asked.flags & RN_DNS_RESPONSE) return 0;
    unsigned rcode = read_query(&reader, &asked, &question, &room);
    struct rn_dns_writer writer = {to, room ? room : ROOM, 0}, first = {to, ROOM, 0};
    header.id = asked.id;
    header.flags |= asked.flags & (RN_DNS_OPCODE | RN_DNS_RECURSION_DESIRED);
    rn_dns_write_header(&writer, &header); /* its place: the counts come last */
    if (rcode != RN_DNS_FORMERR && rcode != RN_DNS_NOTIMP) {
        rn_dns_write_question(&writer, &question);
        header.counts[0] = 1;
    }
    size_t question_end = writer.len;
    if (room) writer.cap -= 11; /* for the OPT record, which is there whatever else is */
    if (rcode == RN_DNS_NOERROR) {
        header.flags |= RN_DNS_AUTHORITATIVE;
        header.counts[1] = write_answers(&writer, &question, &known);
        if (!known) rcode = RN_DNS_NXDOMAIN;
        if ((header.counts[2] = !header.counts[1])) rn_dns_write_record(&writer, &records[0]);
    }
    if (writer.len > writer.cap) {
        header.flags |= RN_DNS_TRUNCATED;
        header.counts[1] = header.counts[2] = 0;
        writer.len = question_end;
    }
    writer.cap += 11;
    if ((header.counts[3] = room > 0)) rn_dns_write_record(&writer, &edns);
    header.flags |= (uint16_t)rcode;
    rn_dns_write_header(&first, &header);
    return writer.len;
}

int main(int argc, char **argv)
{
    static uint8_t query[65535], answer[RN_DNS_PAYLOAD];
    struct sockaddr_storage from;
    if (argc != 4) fail("usage", "dns_server ADDRESS ZONE FILE");
    check(rn_dns_name_parse(&zone, bytes_of(argv[2])), argv[2]);
    FILE *file = fopen(argv[3], "r");
    if (!file) fail(argv[3], strerror(errno));
    load(file);
    fclose(file);
    int fd = socket_at(address_of(argv[1], 53), SOCK_DGRAM);
    for (;;) {
        socklen_t from_len = sizeof from;
        ssize_t len = recvfrom(fd, query, sizeof query, 0, (struct sockaddr *)&from, &from_len);
        if (len < 0) continue; /* such as a port that was unreachable for an earlier answer */
        size_t answer_len = respond(rn_bytes_of(query, (size_t)len), answer);
        if (answer_len)
            sendto(fd, answer, answer_len, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
    }
}
