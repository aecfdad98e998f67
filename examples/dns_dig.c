/* Shows a DNS message section by section: dns_dig SERVER[:PORT] NAME [TYPE] asks for one, and
 * dns_dig - NAME takes it from standard input, such as out of a capture.
 *
 * Everything that a message may hold is printed, also what a resolver would throw away.
 */
#include "blocking.h"
#include "dns_text.h"

static size_t write_query(uint8_t *to, size_t cap, const struct rn_dns_question *question)
{
    struct rn_dns_header header = {.flags = RN_DNS_RECURSION_DESIRED, .counts = {1, 0, 0, 1}};
    struct rn_dns_record edns = {
        .name = {1, {0}}, .type = RN_DNS_OPT, .rclass = RN_DNS_PAYLOAD}; /* RFC 6891, 6.1.2 */
    struct rn_dns_writer writer = {to, cap, 0};
    fill_random(&header.id, sizeof header.id);
    rn_dns_write_header(&writer, &header);
    rn_dns_write_question(&writer, question);
    rn_dns_write_record(&writer, &edns);
    return writer.len;
}

static rn_bytes ask(const char *server, const struct rn_dns_question *question)
{
    static uint8_t message[65535];
    struct rn_address address = address_of(server, 53);
    int fd = must(socket_to(&address, SOCK_DGRAM, 5), server);
    uint8_t query[RN_DNS_QUERY_MAX];
    size_t len = write_query(query, sizeof query, question);
    for (int attempt = 0; attempt < 3; attempt++) {
        ssize_t got = -1;
        if (write_all(fd, query, len)) got = recv(fd, message, sizeof message, 0);
        if (got < 2 || memcmp(message, query, 2) != 0) continue; /* nothing, or not with its ID */
        close(fd);
        return rn_bytes_of(message, (size_t)got);
    }
    fail(server, "no answer");
    return (rn_bytes){0};
}

static rn_bytes read_message(void)
{
    static uint8_t message[65535];
    return rn_bytes_of(message, fread(message, 1, sizeof message, stdin));
}

int main(int argc, char **argv)
{
    static const char *const sections[] = {"answer", "authority", "additional"};
    struct rn_dns_question asked = {.rclass = RN_DNS_INTERNET, .type = RN_DNS_A}, question;
    struct rn_dns_header header;
    struct rn_dns_record record = {0};
    if (argc < 3) fail("usage", "dns_dig SERVER[:PORT] NAME [TYPE]");
    check(rn_dns_name_parse(&asked.name, bytes_of(argv[2])), argv[2]);
    if (argc > 3) asked.type = dns_type_of(argv[3]);
    if (asked.type == 0) fail(argv[3], "not a type");
    rn_bytes message = strcmp(argv[1], "-") ? ask(argv[1], &asked) : read_message();
    struct rn_dns_reader reader = {message, 0};
    check(rn_dns_read_header(&reader, &header), "header");
    printf("rcode %u%s%s\n", header.flags & RN_DNS_RCODE,
           header.flags & RN_DNS_AUTHORITATIVE ? ", authoritative" : "",
           header.flags & RN_DNS_TRUNCATED ? ", truncated" : "");
    for (unsigned i = 0; i < header.counts[0]; i++) {
        check(rn_dns_read_question(&reader, &question), "question");
        printf("question: %s %s%s\n", dns_text(&question.name), dns_type_name(question.type),
               rn_dns_name_equal(&question.name, &asked.name) ? "" : ", which nobody asked");
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < header.counts[1 + i]; k++) {
            check(rn_dns_read_record(&reader, &record), sections[i]);
            printf("%s: %s %u %s ", sections[i], dns_text(&record.name), record.ttl,
                   dns_type_name(record.type));
            dns_print_data(message, &record);
            putchar('\n');
        }
    }
    return 0;
}
