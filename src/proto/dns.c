/*
 * proto/dns.c: DNS names and messages, read and written (RFC 1035, 3 and 4; 2782, 3596).
 */
#include <runnel/dns.h>

#include "base/bytes.h"

/* ---- Names ----------------------------------------------------------------------------------- */

/* The octet behind a backslash, and how many characters it took; 0 for a bad escape. */
static size_t escape(rn_bytes text, uint8_t *octet)
{
    unsigned value = 0;
    if (!text.len) return 0;
    *octet = text.ptr[0];
    if (!rn_is_digit(*octet)) return 1;
    if (text.len < 3) return 0;
    for (unsigned i = 0; i < 3; i++) {
        if (!rn_is_digit(text.ptr[i])) return 0;
        value = value * 10 + text.ptr[i] - '0';
    }
    *octet = (uint8_t)value;
    return value > 255 ? 0 : 3;
}

int rn_dns_name_parse(struct rn_dns_name *name, rn_bytes text)
{
    size_t label = 0, len = 1; /* where the label's length goes, and the next octet */
    bool root = text.len == 1 && *text.ptr == '.';
    for (size_t i = 0; i < text.len && !root; i++) {
        uint8_t octet = text.ptr[i];
        if (octet == '.') {
            if (len == label + 1) return RN_E_MISUSE;
            name->bytes[label] = (uint8_t)(len - label - 1);
            label = len++;
            continue;
        }
        if (octet <= ' ' || octet > '~') return RN_E_MISUSE;
        if (octet == '\\') {
            size_t taken = escape(rn_bytes_of(text.ptr + i + 1, text.len - i - 1), &octet);
            if (!taken) return RN_E_MISUSE;
            i += taken;
        }
        if (len - label > RN_DNS_LABEL_MAX || len >= RN_DNS_NAME_MAX - 1) return RN_E_MISUSE;
        name->bytes[len++] = octet;
    }
    if (len > label + 1) { /* no dot at the end: the root is still to come */
        name->bytes[label] = (uint8_t)(len - label - 1);
        label = len++;
    }
    name->bytes[label] = 0;
    name->len = (uint8_t)len;
    return len > 1 || root ? 0 : RN_E_MISUSE;
}

size_t rn_dns_name_format(const struct rn_dns_name *name, char *to)
{
    char *at = to;
    for (const uint8_t *label = name->bytes; *label; label += *label + 1) {
        if (at > to) *at++ = '.';
        for (unsigned i = 1; i <= *label; i++) {
            uint8_t octet = label[i];
            bool plain = octet > ' ' && octet <= '~';
            if (!plain || octet == '.' || octet == '\\') *at++ = '\\';
            if (plain) {
                *at++ = (char)octet;
                continue;
            }
            *at++ = (char)('0' + octet / 100);
            *at++ = (char)('0' + octet / 10 % 10);
            *at++ = (char)('0' + octet % 10);
        }
    }
    if (at == to) *at++ = '.';
    *at = 0;
    return (size_t)(at - to);
}

/* The octets that are lengths are below any letter. */
bool rn_dns_name_equal(const struct rn_dns_name *a, const struct rn_dns_name *b)
{
    return rn_bytes_equal_nocase(rn_bytes_of(a->bytes, a->len), rn_bytes_of(b->bytes, b->len));
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Behind the end there are zeros; the reader then stands too far, which `checked` sees. */
static uint32_t get(struct rn_dns_reader *reader, unsigned octets)
{
    rn_bytes in = reader->message;
    uint32_t value = 0;
    for (; octets; octets--, reader->at++)
        value = value << 8 | (reader->at < in.len ? in.ptr[reader->at] : 0);
    return value;
}

static uint16_t get16(struct rn_dns_reader *reader)
{
    return (uint16_t)get(reader, 2);
}

static int checked(const struct rn_dns_reader *reader)
{
    return reader->at <= reader->message.len ? 0 : RN_E_PROTOCOL;
}

int rn_dns_read_header(struct rn_dns_reader *reader, struct rn_dns_header *header)
{
    header->id = get16(reader);
    header->flags = get16(reader);
    for (unsigned i = 0; i < 4; i++) header->counts[i] = get16(reader);
    return checked(reader);
}

int rn_dns_read_name(struct rn_dns_reader *reader, struct rn_dns_name *name)
{
    const uint8_t *from = reader->message.ptr;
    size_t len = reader->message.len;
    size_t at = reader->at, end = 0; /* where reading goes on, once a pointer was met */
    size_t limit = at; /* RFC 1035, 4.1.4: a pointer is to a prior occurrence. So none loops */
    unsigned octet, pointers = 0;
    name->len = 0;
    do {
        if (at >= len) return RN_E_PROTOCOL;
        octet = from[at];
        if (octet >= 0xC0) {
            if (len - at < 2) return RN_E_PROTOCOL;
            if (!end) end = at + 2;
            at = (octet & 0x3F) << 8 | from[at + 1];
            if (at >= limit || ++pointers > RN_DNS_POINTERS_MAX) return RN_E_PROTOCOL;
            limit = at;
            continue;
        }
        if (octet > RN_DNS_LABEL_MAX || len - at <= octet ||
            name->len + octet + 1 > RN_DNS_NAME_MAX)
            return RN_E_PROTOCOL;
        memcpy(name->bytes + name->len, from + at, octet + 1);
        name->len = (uint8_t)(name->len + octet + 1);
        at += octet + 1;
    } while (octet);
    reader->at = end ? end : at;
    return 0;
}

int rn_dns_read_question(struct rn_dns_reader *reader, struct rn_dns_question *question)
{
    int result = rn_dns_read_name(reader, &question->name);
    if (result < 0) return result;
    question->type = get16(reader);
    question->rclass = get16(reader);
    return checked(reader);
}

/* How a type's data is made up: numbers of 16 bits, names, numbers of 32 bits. */
struct shape {
    unsigned numbers, names, times;
};

static struct shape shape_of(unsigned type)
{
    bool soa = type == RN_DNS_SOA, mx = type == RN_DNS_MX, srv = type == RN_DNS_SRV;
    bool name = type == RN_DNS_NS || type == RN_DNS_CNAME || type == RN_DNS_PTR;
    return (struct shape){mx ? 1 : srv ? 3 : 0, soa ? 2 : mx || srv || name, soa ? 5 : 0};
}

static int read_parts(struct rn_dns_reader *reader, struct rn_dns_record *record)
{
    struct shape shape = shape_of(record->type);
    int result = 0;
    for (unsigned i = 0; i < shape.numbers; i++) record->numbers[i] = get16(reader);
    if (shape.names) result = rn_dns_read_name(reader, &record->target);
    if (shape.names > 1 && result == 0) result = rn_dns_read_name(reader, &record->mailbox);
    for (unsigned i = 0; i < shape.times; i++) record->times[i] = get(reader, 4);
    /* The parts are all there is; and an address has its size (RFC 1035, 3.4.1; 3596, 2.2). */
    if (shape.names && reader->at != reader->message.len) return RN_E_PROTOCOL;
    if ((record->type == RN_DNS_A && record->data.len != 4) ||
        (record->type == RN_DNS_AAAA && record->data.len != 16))
        return RN_E_PROTOCOL;
    return result;
}

int rn_dns_read_record(struct rn_dns_reader *reader, struct rn_dns_record *record)
{
    int result = rn_dns_read_name(reader, &record->name);
    if (result < 0) return result;
    record->type = get16(reader);
    record->rclass = get16(reader);
    record->ttl = get(reader, 4);
    if (record->ttl > INT32_MAX && record->type != RN_DNS_OPT) record->ttl = 0;
    size_t len = get16(reader);
    struct rn_dns_reader parts = *reader;
    reader->at += len;
    if ((result = checked(reader)) < 0) return result;
    record->data = rn_bytes_of(parts.message.ptr + parts.at, len);
    parts.message.len = reader->at;
    return read_parts(&parts, record);
}

bool rn_dns_next_text(rn_bytes *data, rn_bytes *text)
{
    if (!data->len || data->len <= *data->ptr) return false;
    *text = rn_bytes_of(data->ptr + 1, *data->ptr);
    *data = rn_bytes_of(text->ptr + text->len, data->len - text->len - 1);
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void put(struct rn_dns_writer *writer, const void *from, size_t len)
{
    if (len && writer->len + len <= writer->cap) memcpy(writer->to + writer->len, from, len);
    writer->len += len;
}

static void put16(struct rn_dns_writer *writer, unsigned value)
{
    uint16_t octets = __builtin_bswap16((uint16_t)value);
    put(writer, &octets, sizeof octets);
}

static void put32(struct rn_dns_writer *writer, uint32_t value)
{
    put16(writer, value >> 16);
    put16(writer, value);
}

void rn_dns_write_header(struct rn_dns_writer *writer, const struct rn_dns_header *header)
{
    put16(writer, header->id);
    put16(writer, header->flags);
    for (unsigned i = 0; i < 4; i++) put16(writer, header->counts[i]);
}

void rn_dns_write_question(struct rn_dns_writer *writer, const struct rn_dns_question *question)
{
    put(writer, question->name.bytes, question->name.len);
    put16(writer, question->type);
    put16(writer, question->rclass);
}

void rn_dns_write_record(struct rn_dns_writer *writer, const struct rn_dns_record *record)
{
    struct shape shape = shape_of(record->type);
    size_t mailbox = shape.names > 1 ? record->mailbox.len : 0;
    put(writer, record->name.bytes, record->name.len);
    put16(writer, record->type);
    put16(writer, record->rclass);
    put32(writer, record->ttl);
    if (!shape.names) {
        put16(writer, (unsigned)record->data.len);
        put(writer, record->data.ptr, record->data.len);
        return;
    }
    put16(writer, (unsigned)(2 * shape.numbers + record->target.len + mailbox + 4 * shape.times));
    for (unsigned i = 0; i < shape.numbers; i++) put16(writer, record->numbers[i]);
    put(writer, record->target.bytes, record->target.len);
    put(writer, record->mailbox.bytes, mailbox);
    for (unsigned i = 0; i < shape.times; i++) put32(writer, record->times[i]);
}
