/*
 * resolv.conf and hosts: any bytes give settings within their bounds; a line of hosts that is found
 * has its address before the name. The first line is the name that is looked for.
 */
#include "fuzz.h"

#include <runnel/dns.h>

static void check_config(rn_bytes file)
{
    struct rn_dns_config config;
    rn_dns_config_parse(&config, file);
    require(config.server_count >= 1 && config.server_count <= RN_DNS_SERVERS_MAX);
    require(config.search_count <= RN_DNS_SEARCH_MAX && config.ndots <= 15);
    require(config.timeout >= 1 && config.timeout <= 30);
    require(config.attempts >= 1 && config.attempts <= 5);
    for (unsigned i = 0; i < config.server_count; i++) {
        size_t len = strlen(config.servers[i]);
        require(len && len < RN_DNS_SERVER_TEXT_MAX);
    }
    for (unsigned i = 0; i < config.search_count; i++) {
        char text[RN_DNS_TEXT_MAX];
        struct rn_dns_name again;
        size_t len = rn_dns_name_format(&config.search[i], text);
        require(rn_dns_name_parse(&again, rn_bytes_of(text, len)) == 0);
        require(rn_dns_name_equal(&again, &config.search[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rn_bytes file = guarded_copy(0, data, size), address;
    size_t first = 0;
    check_config(file);
    while (first < size && file.ptr[first] != '\n') first++;
    rn_bytes name = guarded_copy(1, data, first);
    for (size_t left = file.len + 1; rn_dns_hosts_next(&file, name, &address); left = file.len) {
        require(file.len < left);
        require(address.len && address.ptr + address.len <= file.ptr);
        for (size_t i = 0; i < address.len; i++) require(address.ptr[i] > ' ');
    }
    require(!file.len);
    return 0;
}
