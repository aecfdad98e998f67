/* proto/dns_files.c: resolv.conf and hosts, from memory that ends at a guard page. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include <runnel/dns.h>

#include "guarded.h"

static struct rn_dns_config parse(const char *text)
{
    struct rn_dns_config config;
    rn_dns_config_parse(&config, guarded_copy(0, text, strlen(text)));
    return config;
}

static void assert_search(const struct rn_dns_config *config, unsigned index, const char *expected)
{
    char text[RN_DNS_TEXT_MAX];
    assert_true(index < config->search_count);
    rn_dns_name_format(&config->search[index], text);
    assert_string_equal(text, expected);
}

static void an_empty_file_has_the_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# nothing\n", "; nothing\nnameserver\n",
                                        "nameservers 192.0.2.1\n", " \t"};
    for (size_t i = 0; i < RN_COUNT(texts); i++) {
        struct rn_dns_config config = parse(texts[i]);
        assert_int_equal(config.server_count, 1);
        assert_string_equal(config.servers[0], "127.0.0.1");
        assert_int_equal(config.search_count, 0);
        assert_int_equal(config.ndots, 1);
        assert_int_equal(config.timeout, 5);
        assert_int_equal(config.attempts, 2);
        assert_false(config.rotate || config.use_vc || config.no_aaaa || config.trust_ad);
    }
}

static void servers_and_domains(void **state)
{
    (void)state;
    struct rn_dns_config config = parse("# by hand\n"
                                        "nameserver 192.0.2.1 # the first\r\n"
                                        "  nameserver\t2001:db8::1\n"
                                        "domain one.example two.example\n"
                                        "nameserver [::1]:5353\n"
                                        "nameserver 192.0.2.9\n"
                                        "search a.example  b..example b.example.");
    assert_int_equal(config.server_count, RN_DNS_SERVERS_MAX);
    assert_string_equal(config.servers[0], "192.0.2.1");
    assert_string_equal(config.servers[1], "2001:db8::1");
    assert_string_equal(config.servers[2], "[::1]:5353");
    assert_int_equal(config.search_count, 2);
    assert_search(&config, 0, "a.example");
    assert_search(&config, 1, "b.example");
    config = parse("search a b c d e f g h\n");
    assert_int_equal(config.search_count, RN_DNS_SEARCH_MAX);
    assert_search(&config, 5, "f");
    config = parse("search a b\ndomain c d\n");
    assert_int_equal(config.search_count, 1);
    assert_search(&config, 0, "c");
}

static void options_and_their_bounds(void **state)
{
    (void)state;
    struct rn_dns_config config = parse("options ndots:3 timeout:7 rotate edns0 unknown:9\n"
                                        "options attempts:4 use-vc no-aaaa trust-ad\n");
    assert_int_equal(config.ndots, 3);
    assert_int_equal(config.timeout, 7);
    assert_int_equal(config.attempts, 4);
    assert_true(config.rotate && config.use_vc && config.no_aaaa && config.trust_ad);
    config = parse("options ndots:99 timeout:99 attempts:99");
    assert_int_equal(config.ndots, 15);
    assert_int_equal(config.timeout, 30);
    assert_int_equal(config.attempts, 5);
    config = parse("options ndots:0 timeout:0 attempts:0");
    assert_int_equal(config.ndots, 0);
    assert_int_equal(config.timeout, 1);
    assert_int_equal(config.attempts, 1);
    config = parse("options ndots timeout: attempts:-1 ndots:x rotates");
    assert_int_equal(config.ndots, 1);
    assert_int_equal(config.timeout, 5);
    assert_int_equal(config.attempts, 2);
    assert_false(config.rotate);
}

static void a_server_that_is_too_long_is_none(void **state)
{
    (void)state;
    char text[200];
    snprintf(text, sizeof text, "nameserver %0*d\nnameserver %0*d", RN_DNS_SERVER_TEXT_MAX, 1,
             RN_DNS_SERVER_TEXT_MAX - 1, 2);
    struct rn_dns_config config = parse(text);
    assert_int_equal(config.server_count, 1);
    assert_int_equal(strlen(config.servers[0]), RN_DNS_SERVER_TEXT_MAX - 1);
}

static const char hosts[] = "127.0.0.1 localhost\n"
                            "::1\tlocalhost ip6-localhost # a note\n"
                            "#192.0.2.1 hidden\n"
                            "192.0.2.2 alone\n"
                            "192.0.2.3\n"
                            "  192.0.2.4   Many\tof\r\n"
                            "192.0.2.5 many#of\n"
                            "192.0.2.6 last";

/* The addresses of a name, one after the other. */
static const char *addresses(const char *name)
{
    static char found[200];
    rn_bytes file = guarded_copy(0, hosts, sizeof hosts - 1), address;
    size_t len = 0;
    while (rn_dns_hosts_next(&file, rn_bytes_of(name, strlen(name)), &address)) {
        memcpy(found + len, address.ptr, address.len);
        len += address.len;
        found[len++] = ' ';
    }
    found[len] = 0;
    return found;
}

static void hosts_are_found_by_each_of_their_names(void **state)
{
    (void)state;
    assert_string_equal(addresses("localhost"), "127.0.0.1 ::1 ");
    assert_string_equal(addresses("LocalHost."), "127.0.0.1 ::1 ");
    assert_string_equal(addresses("ip6-localhost"), "::1 ");
    assert_string_equal(addresses("many"), "192.0.2.4 192.0.2.5 ");
    assert_string_equal(addresses("of"), "192.0.2.4 ");
    assert_string_equal(addresses("last"), "192.0.2.6 ");
    static const char *const none[] = {"hidden", "a", "note", "192.0.2.2", "las", "lastt", "", "."};
    for (size_t i = 0; i < RN_COUNT(none); i++) assert_string_equal(addresses(none[i]), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_the_defaults),
        cmocka_unit_test(servers_and_domains),
        cmocka_unit_test(options_and_their_bounds),
        cmocka_unit_test(a_server_that_is_too_long_is_none),
        cmocka_unit_test(hosts_are_found_by_each_of_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
