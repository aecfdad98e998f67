/*
 * proto/dns_files.c: what resolv.conf(5) and hosts(5) say.
 */
#include <runnel/dns.h>

#include "base/bytes.h"

/* Takes bytes up to (and with) the first of that kind off a text. */
static rn_bytes take(rn_bytes *text, uint8_t separator)
{
    size_t len = rn_bytes_find(*text, separator), with = len + (len < text->len);
    rn_bytes piece = rn_bytes_of(text->ptr, len);
    *text = rn_bytes_of(text->ptr + with, text->len - with);
    return piece;
}

static rn_bytes next_line(rn_bytes *file)
{
    rn_bytes line = take(file, '\n');
    return take(&line, '#');
}

/* Empty at the end of the line. */
static rn_bytes next_word(rn_bytes *line)
{
    size_t len = 0;
    while (line->len && *line->ptr <= ' ') *line = rn_bytes_of(line->ptr + 1, line->len - 1);
    while (len < line->len && line->ptr[len] > ' ') len++;
    rn_bytes word = rn_bytes_of(line->ptr, len);
    *line = rn_bytes_of(line->ptr + len, line->len - len);
    return word;
}

static bool is(rn_bytes word, const char *text)
{
    return rn_bytes_equal(word, rn_bytes_text(text));
}

static void read_search(struct rn_dns_config *config, rn_bytes line, unsigned max)
{
    config->search_count = 0;
    for (rn_bytes word; config->search_count < max && (word = next_word(&line)).len;)
        if (rn_dns_name_parse(&config->search[config->search_count], word) == 0)
            config->search_count++;
}

static void set_number(uint8_t *to, rn_bytes text, uint8_t min, uint8_t max)
{
    uint64_t value;
    if (rn_parse_u64(text, &value))
        *to = value < min ? min : value > max ? max : (uint8_t)value;
}

static void read_options(struct rn_dns_config *config, rn_bytes line)
{
    for (rn_bytes word; (word = next_word(&line)).len;) {
        rn_bytes name = take(&word, ':');
        if (is(name, "ndots")) set_number(&config->ndots, word, 0, 15);
        if (is(name, "timeout")) set_number(&config->timeout, word, 1, 30);
        if (is(name, "attempts")) set_number(&config->attempts, word, 1, 5);
        config->rotate |= is(name, "rotate");
        config->use_vc |= is(name, "use-vc");
        config->no_aaaa |= is(name, "no-aaaa");
        config->trust_ad |= is(name, "trust-ad");
    }
}

static void add_server(struct rn_dns_config *config, rn_bytes text)
{
    if (!text.len || text.len >= RN_DNS_SERVER_TEXT_MAX ||
        config->server_count == RN_DNS_SERVERS_MAX)
        return;
    memcpy(config->servers[config->server_count++], text.ptr, text.len); /* zeroed behind it */
}

void rn_dns_config_parse(struct rn_dns_config *config, rn_bytes file)
{
    memset(config, 0, sizeof *config);
    config->ndots = 1;
    config->timeout = 5;
    config->attempts = 2;
    while (file.len) {
        rn_bytes line = next_line(&file);
        rn_bytes word = next_word(&line);
        if (is(word, "nameserver")) add_server(config, next_word(&line));
        if (is(word, "search")) read_search(config, line, RN_DNS_SEARCH_MAX);
        if (is(word, "domain")) read_search(config, line, 1);
        if (is(word, "options")) read_options(config, line);
    }
    if (!config->server_count) add_server(config, RN_BYTES("127.0.0.1"));
}

bool rn_dns_hosts_next(rn_bytes *file, rn_bytes name, rn_bytes *address)
{
    if (name.len && name.ptr[name.len - 1] == '.') name.len--;
    while (file->len) {
        rn_bytes line = next_line(file);
        *address = next_word(&line);
        for (rn_bytes word; (word = next_word(&line)).len;)
            if (rn_bytes_equal_nocase(word, name)) return true;
    }
    return false;
}
