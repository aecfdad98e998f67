/*
 * Addresses as text and back: against the C library's inet_pton(3) and inet_ntop(3), and against
 * lists of what comes out and of what must be refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <runnel/net.h>

/* Parses, and gives the text that comes out again: "" when it was refused. */
static const char *round_trip(const char *text, uint16_t port)
{
    static char out[RN_ADDRESS_TEXT_MAX];
    struct rn_address address;
    /* An exact copy on the heap: reading past its end is seen. */
    char *copy = strdup(text);
    int result = rn_address_parse(&address, copy, port);
    free(copy);
    memset(out, 'x', sizeof out);
    if (result < 0) {
        assert_true(result == RN_E_MISUSE || (result == -ENODEV && strchr(text, '%')));
        return "";
    }
    size_t len = rn_address_format(&address, out);
    assert_int_equal(len, strlen(out));
    return out;
}

static void what_is_accepted_comes_out_in_one_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0.0.0.0", "0.0.0.0:7"},
        {"192.0.2.1", "192.0.2.1:7"},
        {"192.0.2.1:80", "192.0.2.1:80"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"192.0.2.1:0", "192.0.2.1:0"},
        {"::", "[::]:7"},
        {"[::]", "[::]:7"},
        {"[::]:0", "[::]:0"},
        {"::1", "[::1]:7"},
        {"1::", "[1::]:7"},
        {"[2001:db8::1]:80", "[2001:db8::1]:80"},
        {"2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:7"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "[2001:db8::1]:7"},
        {"1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:7"},
        {"1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:7"},
        {"::2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:7"},
        {"1::3:4:5:6:7:8", "[1:0:3:4:5:6:7:8]:7"},
        {"1:2::8", "[1:2::8]:7"},
        /* RFC 5952, 4.2.2: a single group of zeros stays; 4.2.3: the longest run, the first. */
        {"2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:7"},
        {"2001:0:0:1:0:0:0:1", "[2001:0:0:1::1]:7"},
        {"2001:db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:7"},
        {"1:0:0:4:5:6:0:0", "[1::4:5:6:0:0]:7"},
        {"1:2:3:4:5:6:0:0", "[1:2:3:4:5:6::]:7"},
        {"0:0:3:4:5:6:7:8", "[::3:4:5:6:7:8]:7"},
        {"abcd:ef01:2345:6789:abcd:ef01:2345:6789",
         "[abcd:ef01:2345:6789:abcd:ef01:2345:6789]:7"},
        /* RFC 5952, 5: a dotted part where it is known to be IPv4. */
        {"::ffff:c000:0201", "[::ffff:192.0.2.1]:7"},
        {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:7"},
        {"[::FFFF:192.0.2.1]:80", "[::ffff:192.0.2.1]:80"},
        {"::1.2.3.4", "[::102:304]:7"},
        {"64:ff9b::192.0.2.33", "[64:ff9b::c000:221]:7"},
        {"1:2:3:4:5:6:1.2.3.4", "[1:2:3:4:5:6:102:304]:7"},
        {"[1:2:3:4:5:6:255.255.255.255]:65535", "[1:2:3:4:5:6:ffff:ffff]:65535"},
        {"0000:0000:0000:0000:0000:ffff:255.255.255.255", "[::ffff:255.255.255.255]:7"},
        {"::fffe:c000:0201", "[::fffe:c000:201]:7"},
        {"::ffff:0:c000:0201", "[::ffff:0:c000:201]:7"},
        {"1::ffff:c000:0201", "[1::ffff:c000:201]:7"},
        {"unix:a", "unix:a"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:@name", "unix:@name"},
        {"unix:./@x", "unix:./@x"},
    };
    for (size_t i = 0; i < RN_COUNT(pairs); i++)
        assert_string_equal(round_trip(pairs[i][0], 7), pairs[i][1]);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "localhost", "a", ".", ":", ":80", "1", "1.2.3", "1.2.3.4.5", "1.2.3.4.",
        ".1.2.3.4", "1..2.3", "256.0.0.1", "1.2.3.256", "01.2.3.4", "1.2.3.04", "00.0.0.0",
        "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "1.2.3.-4", "0x1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
        "1.2.3.4:080", "1.2.3.4:1x", "1.2.3.4:+1", "1.2.3.4:99999999999999999999999",
        "99999999999999999999.1.1.1", "1.2.3.4%1", "[1.2.3.4]", "[1.2.3.4]:80", "1.2.3.4:80:80",
        "[", "[]", "[]:80", "[::", "[::1", "::1]", "[::1]:", "[::1]80", "[::1]:x", "[::1]:65536",
        "[::1] ", "[[::1]]", ":::", "::::", "1:::2", "1::2::3", "::1::", ":1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:", ":1::", "1:", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "12345::", "::12345", "g::", "::g", "::1.2.3",
        "::1.2.3.4.5", "::1.2.3.256", "::1.2.3.4:5", "1.2.3.4::", "::1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7:8:1.2.3.4", "::1234.1.1.1", "::a.1.1.1",
        "::01.1.1.1", "::%", "::%eth0", "::%4294967296", "::%1x", "::%-1", "%1", "::%1%2",
        "[::1]%1", "fe80::1%", "[fe80::1%]", "fe80::1%1%1",
        "[fe80::1%1]%1", "fe80::1%0123456789abcdef", "2001:db8::1%1", "::ffff:1.2.3.4%1",
        "ff05::1%1", "fe80::1%1]", "1.2.3.4%lo", "[1.2.3.4%lo]", "0:1.2.3.4:2::", "[::1.2.3.4]5",
        "::1.2.3.4.", "::0x1.2.3.4", "::1.2.3.4:", "[::]:1.2.3.4", "[::1%lo]:80", "%lo", "[%lo]:1",
        "::1 ", " ::1", "unix", "unix:", "unix:@", "UNIX:a", "Unix:a",
    };
    for (size_t i = 0; i < RN_COUNT(bad); i++) {
        if (*round_trip(bad[i], 7)) fail_msg("accepted \"%s\"", bad[i]);
    }
}

static void each_family_has_its_structure(void **state)
{
    (void)state;
    struct rn_address address;
    memset(&address, 0xff, sizeof address);
    assert_int_equal(rn_address_parse(&address, "192.0.2.1:513", 0), 0);
    const struct sockaddr_in *in = (const void *)address.bytes;
    assert_int_equal(address.len, sizeof *in);
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(in->sin_port, htons(513));
    assert_int_equal(in->sin_addr.s_addr, htonl(0xc0000201));
    assert_int_equal(rn_address_family(&address), RN_IP4);
    assert_int_equal(rn_address_port(&address), 513);
    for (size_t i = 0; i < sizeof in->sin_zero; i++) assert_int_equal(in->sin_zero[i], 0);

    memset(&address, 0xff, sizeof address);
    /* A part of it looks like IPv4 at first. */
    assert_int_equal(rn_address_parse(&address, "12::", 513), 0);
    const struct sockaddr_in6 *in6 = (const void *)address.bytes;
    assert_int_equal(address.len, sizeof *in6);
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_int_equal(in6->sin6_port, htons(513));
    assert_int_equal(in6->sin6_flowinfo, 0);
    assert_int_equal(in6->sin6_scope_id, 0);
    assert_int_equal(in6->sin6_addr.s6_addr[1], 0x12);
    assert_int_equal(rn_address_family(&address), RN_IP6);
    assert_int_equal(rn_address_port(&address), 513);

    memset(&address, 0xff, sizeof address);
    assert_int_equal(rn_address_parse(&address, "unix:/a", 513), 0);
    const struct sockaddr_un *un = (const void *)address.bytes;
    assert_int_equal(address.len, offsetof(struct sockaddr_un, sun_path) + 3);
    assert_int_equal(un->sun_family, AF_UNIX);
    assert_string_equal(un->sun_path, "/a");
    assert_int_equal(rn_address_family(&address), RN_UNIX);
    assert_int_equal(rn_address_port(&address), 0);

    assert_int_equal(rn_address_parse(&address, "unix:@ab", 0), 0);
    assert_int_equal(address.len, offsetof(struct sockaddr_un, sun_path) + 3);
    assert_memory_equal(un->sun_path, "\0ab", 4);
}

static void unix_names_have_a_longest(void **state)
{
    (void)state;
    char text[160] = "unix:";
    for (size_t len = 1; len < 130; len++) {
        memset(text + 5, 'p', len);
        text[5 + len] = 0;
        assert_string_equal(round_trip(text, 0), len <= 107 ? text : "");
        text[5] = '@';
        assert_string_equal(round_trip(text, 0), len <= 107 && len > 1 ? text : "");
    }
}

/* What the kernel may hand out, and no text makes. */
static void any_address_can_be_written(void **state)
{
    (void)state;
    char out[RN_ADDRESS_TEXT_MAX];
    struct rn_address address = {.len = 2, .bytes = {RN_UNIX}};
    assert_int_equal(rn_address_format(&address, out), 5);
    assert_string_equal(out, "unix:");
    memset(address.bytes + 2, 'f', 108); /* a path that fills the field has no terminator */
    address.len = 110;
    assert_int_equal(rn_address_format(&address, out), 113);
    memset(address.bytes + 2, 0, 108);
    assert_int_equal(rn_address_format(&address, out), 113);
    assert_int_equal(strspn(out + 5, "@"), 108);
    memset(address.bytes + 2, 0xff, 108);
    address.bytes[0] = RN_IP6;
    address.len = 28;
    size_t len = rn_address_format_global(&address, out);
    assert_string_equal(out, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_int_equal(len, strlen(out));
    /* There is no such interface. */
    len = rn_address_format(&address, out);
    assert_string_equal(out, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
    assert_int_equal(len, strlen(out));
}

/* RFC 4007, 11; the loopback interface is there on every machine. */
static void a_zone_is_an_interface(void **state)
{
    (void)state;
    static const char *const texts[] = {"fe80::1%lo", "fe80::1%1", "[fe80::1%lo]:7",
                                        "[fe80::1%1]:7"};
    struct rn_address address;
    char out[RN_ADDRESS_TEXT_MAX], name[RN_INTERFACE_NAME_MAX];
    unsigned index = if_nametoindex("lo");
    assert_int_equal(index, 1);
    assert_int_equal(rn_interface_index("lo"), index);
    assert_int_equal(rn_interface_name(index, name), 0);
    assert_string_equal(name, "lo");
    assert_int_equal(rn_interface_index("no such one"), -ENODEV);
    assert_int_equal(rn_interface_index("a name that is too long"), -ENODEV);
    assert_int_equal(rn_interface_index(""), -ENODEV);
    assert_int_equal(rn_interface_name(0, name), -ENODEV);
    assert_int_equal(rn_interface_name(INT32_MAX, name), -ENODEV);
    for (size_t i = 0; i < RN_COUNT(texts); i++) {
        assert_int_equal(rn_address_parse(&address, texts[i], 7), 0);
        assert_int_equal(rn_address_scope(&address), 1);
        assert_int_equal(rn_address_format(&address, out), strlen("[fe80::1%lo]:7"));
        assert_string_equal(out, "[fe80::1%lo]:7");
    }
    assert_int_equal(rn_address_parse(&address, "ff02::fb%lo", 7), 0);
    assert_int_equal(rn_address_parse(&address, "fe80::192.0.2.1%lo", 7), 0);
    assert_int_equal(rn_address_parse(&address, "fe80::1%no", 7), -ENODEV);
    assert_int_equal(rn_address_parse(&address, "fe80::1%0", 7), -ENODEV);
    assert_int_equal(rn_address_parse(&address, "fe80::1%4294967297", 7), -ENODEV);
    assert_int_equal(rn_address_parse(&address, "fe80::1%999999999999999", 7), -ENODEV);
    assert_int_equal(rn_address_parse_global(&address, "fe80::1%lo", 7), RN_E_MISUSE);
}

static void addresses_have_parts(void **state)
{
    (void)state;
    static const uint8_t ip4[] = {192, 0, 2, 1}, ip6[16] = {0xfe, 0x80, [15] = 9};
    struct rn_address a, b;
    rn_address_ip4(&a, ip4, 80);
    assert_int_equal(rn_address_parse(&b, "192.0.2.1:80", 0), 0);
    assert_true(rn_address_equal(&a, &b));
    assert_int_equal(rn_address_ip(&a).len, 4);
    assert_memory_equal(rn_address_ip(&a).ptr, ip4, 4);
    rn_address_set_port(&a, 81);
    assert_int_equal(rn_address_port(&a), 81);
    assert_false(rn_address_equal(&a, &b));
    rn_address_ip6(&a, ip6, 80, 1);
    assert_int_equal(rn_address_parse(&b, "[fe80::9%lo]:80", 0), 0);
    assert_true(rn_address_equal(&a, &b));
    assert_memory_equal(rn_address_ip(&a).ptr, ip6, 16);
    assert_int_equal(rn_address_ip(&a).len, 16);
    rn_address_ip6(&b, ip6, 80, 2);
    assert_false(rn_address_equal(&a, &b));
    rn_address_ip6(&b, ip6, 80, 1);
    b.bytes[7] = 1; /* the flow label */
    assert_true(rn_address_equal(&a, &b));
    b.bytes[23] = 1;
    assert_false(rn_address_equal(&a, &b));
    rn_address_ip4(&b, ip4, 80);
    assert_false(rn_address_equal(&a, &b));
    assert_int_equal(rn_address_parse(&a, "unix:/a", 0), 0);
    assert_int_equal(rn_address_parse(&b, "unix:/a", 0), 0);
    assert_true(rn_address_equal(&a, &b));
    assert_int_equal(rn_address_parse(&b, "unix:@a", 0), 0);
    assert_false(rn_address_equal(&a, &b));
    rn_address_set_port(&a, 4);
    assert_int_equal(rn_address_port(&a), 0);
    assert_int_equal(rn_address_ip(&a).len, 0);
    assert_int_equal(rn_address_scope(&a), 0);
    static const char *const multicast[] = {"224.0.0.1", "239.255.255.255", "ff02::1", "ff00::"};
    static const char *const other[] = {"223.255.255.255", "240.0.0.0", "fe80::1", "unix:@ff"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rn_address_parse(&a, multicast[i], 1), 0);
        assert_true(rn_address_is_multicast(&a));
        assert_int_equal(rn_address_parse(&a, other[i], 1), 0);
        assert_false(rn_address_is_multicast(&a));
    }
    static const char *const unmapped[][2] = {
        {"[::ffff:192.0.2.1]:5", "192.0.2.1:5"}, {"[::fffe:192.0.2.1]:5", "[::fffe:c000:201]:5"},
        {"192.0.2.1:5", "192.0.2.1:5"}, {"unix:x", "unix:x"}, {"[::1]:5", "[::1]:5"}};
    for (size_t i = 0; i < RN_COUNT(unmapped); i++) {
        char out[RN_ADDRESS_TEXT_MAX];
        assert_int_equal(rn_address_parse(&a, unmapped[i][0], 1), 0);
        rn_address_unmap(&a);
        rn_address_format(&a, out);
        assert_string_equal(out, unmapped[i][1]);
    }
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* IPv6 with many zero groups. The libc writes ::1.2.3.4 for some, RFC 5952 doesn't. */
static void random_addresses_agree_with_the_libc(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 50000; i++) {
        struct rn_address address = {.len = 28, .bytes = {RN_IP6}};
        struct sockaddr_in6 *in6 = (void *)address.bytes;
        uint64_t mask = random_next(&seed) & random_next(&seed);
        for (int byte = 0; byte < 16; byte++)
            if (mask >> (byte / 2 + 16 * (byte & 1)) & 1)
                in6->sin6_addr.s6_addr[byte] = (uint8_t)random_next(&seed);
        if (IN6_IS_ADDR_V4COMPAT(&in6->sin6_addr)) continue;
        char theirs[INET6_ADDRSTRLEN], expected[80], ours[RN_ADDRESS_TEXT_MAX];
        assert_non_null(inet_ntop(AF_INET6, &in6->sin6_addr, theirs, sizeof theirs));
        snprintf(expected, sizeof expected, "[%s]:0", theirs);
        rn_address_format(&address, ours);
        assert_string_equal(ours, expected);
        struct rn_address again;
        assert_int_equal(rn_address_parse(&again, ours, 9), 0);
        assert_int_equal(again.len, address.len);
        assert_memory_equal(again.bytes, address.bytes, sizeof again.bytes);
    }
}

/* Texts of the right alphabet: accepted exactly when the libc accepts them. */
static void random_texts_agree_with_the_libc(void **state)
{
    (void)state;
    static const char *const parts[] = {
        ":", ":", "::", "0", "1", "ab", "fFf0", "00", "12345",
        "1.2", ".3.4", ".", "1.2.3.4", "255", "256", ":1:2:3", "4:5:6:",
    };
    uint64_t seed = 1442695040888963407u;
    unsigned accepted = 0;
    for (int i = 0; i < 300000; i++) {
        char text[80] = "";
        unsigned count = 1 + (unsigned)(random_next(&seed) % 9);
        for (unsigned k = 0; k < count; k++)
            strcat(text, parts[random_next(&seed) % RN_COUNT(parts)]);
        struct rn_address address;
        struct in6_addr theirs6;
        struct in_addr theirs4;
        int result = rn_address_parse(&address, text, 0);
        const struct sockaddr_in6 *in6 = (const void *)address.bytes;
        const struct sockaddr_in *in = (const void *)address.bytes;
        if (inet_pton(AF_INET6, text, &theirs6) == 1) {
            if (result != 0) fail_msg("refused \"%s\"", text);
            assert_memory_equal(&in6->sin6_addr, &theirs6, 16);
        } else if (inet_pton(AF_INET, text, &theirs4) == 1) {
            if (result != 0) fail_msg("refused \"%s\"", text);
            assert_memory_equal(&in->sin_addr, &theirs4, 4);
        } else if (result == 0) {
            /* The libc has no port: it must be that. */
            char *colon = strrchr(text, ':');
            assert_int_equal(rn_address_family(&address), RN_IP4);
            assert_non_null(colon);
            assert_int_equal(rn_address_port(&address), strtol(colon + 1, NULL, 10));
            *colon = 0;
            assert_int_equal(inet_pton(AF_INET, text, &theirs4), 1);
        }
        accepted += result == 0;
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_comes_out_in_one_form),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(each_family_has_its_structure),
        cmocka_unit_test(unix_names_have_a_longest),
        cmocka_unit_test(any_address_can_be_written),
        cmocka_unit_test(a_zone_is_an_interface),
        cmocka_unit_test(addresses_have_parts),
        cmocka_unit_test(random_addresses_agree_with_the_libc),
        cmocka_unit_test(random_texts_agree_with_the_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
