/* proto/dns_lookup.c: the machine of a stub resolver, by scripts in virtual time. */
#include "dns_script.h"

static const char one[] = "nameserver 192.0.2.1\n";
static const char three[] = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
static const char search[] = "nameserver 192.0.2.1\nsearch one.test two.test\n";

/* ---- Answers --------------------------------------------------------------------------------- */

static void an_answer_is_taken(void **state)
{
    (void)state;
    struct rn_dns_lookup *lookup = script_run(one, "WWW.test", "A",
               "> 0 www.test A 0 udp\n"
               "> 0 -\n"
               "> 1 -\n"
               "< 0 NOERROR A:www.test:7:300 A:wwW.TEST:8:200 A:other.test:9:1\n"
               "= 2 200\n"
               "> 0 -\n");
    assert_memory_equal(lookup->answers[0].addresses[0], "\0\0\0\7", 4);
    assert_memory_equal(lookup->answers[0].addresses[1], "\0\0\0\10", 4);
}

static void a_pair_is_asked_at_once_and_answered_in_any_order(void **state)
{
    (void)state;
    script_run(one, "www.test", "AAAA A",
               "> 0 www.test AAAA 0 udp\n"
               "> 1 www.test A 0 udp\n"
               "< 1 NOERROR A:www.test:7:300\n"
               "=1 1\n"
               "=0 0\n"
               "< 0 NOERROR A:www.test:1:100\n"
               "= 2 100\n");
    script_run(one, "www.test", "AAAA A",
               "> 0 www.test AAAA 0 udp\n"
               "> 1 www.test A 0 udp\n"
               "< 0 NOERROR\n"
               "< 1 NOERROR A:www.test:7:300\n"
               "= 1 300\n");
}

static void aliases_are_followed(void **state)
{
    (void)state;
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n"
               "< 0 NOERROR A:c.test:1:900 CNAME:b.test:c.test:50 A:a.test.x:2 "
               "CNAME:a.test:B.test\n"
               "= 1 50\n");
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n"
               "< 0 NOERROR CNAME:a.test:b.test:50 SOA:20:30\n"
               "= NO_DATA 20\n");
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n"
               "< 0 NXDOMAIN CNAME:a.test:b.test:50 SOA:90:30\n"
               "= NO_NAME 30\n");
}

static void chain(char *text, unsigned links)
{
    text += sprintf(text, "> 0 n0.test A 0 udp\n< 0 NOERROR");
    for (unsigned i = 0; i < links; i++)
        text += sprintf(text, " CNAME:n%u.test:n%u.test", i, i + 1);
    sprintf(text, " A:n%u.test:1\n%s", links,
            links > RN_DNS_CHAIN_MAX ? "> 0 n0.test A 0 udp plain\n" : "= 1 60\n");
}

static void chains_of_aliases_end(void **state)
{
    (void)state;
    char text[2000];
    chain(text, RN_DNS_CHAIN_MAX);
    script_run(one, "n0.test", "A", text);
    chain(text, RN_DNS_CHAIN_MAX + 1);
    script_run(one, "n0.test", "A", text);
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n"
               "< 0 NOERROR CNAME:a.test:a.test\n"
               "> 0 a.test A 1 udp\n"
               "< 0 NOERROR CNAME:a.test:b.test CNAME:b.test:a.test\n"
               "> 0 a.test A 2 udp\n"
               "< 0 NOERROR A:a.test:1:5\n"
               "= 1 5\n");
}

static void nothing_is_of_two_kinds(void **state)
{
    (void)state;
    script_run(one, "a.test", "AAAA A",
               "> 0 a.test AAAA 0 udp\n> 1 a.test A 0 udp\n"
               "< 0 NXDOMAIN SOA:500:100\n< 1 NXDOMAIN SOA:50:100\n= NO_NAME 50\n");
    script_run(one, "a.test", "AAAA A",
               "> 0 a.test AAAA 0 udp\n> 1 a.test A 0 udp\n"
               "< 0 NXDOMAIN SOA:500:100\n< 1 NOERROR SOA:500:100\n= NO_DATA 100\n");
    script_run(one, "a.test", "A", /* without SOA it isn't remembered: RFC 2308, 5 */
               "> 0 a.test A 0 udp\n< 0 NXDOMAIN\n= NO_NAME 0\n");
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NXDOMAIN NS SOA:999999:999999\n= NO_NAME 900\n");
    script_run(one, "a.test", "A", /* only so many records are looked at */
               "> 0 a.test A 0 udp\n< 0 NXDOMAIN FILL:255:2 SOA:9:9\n= NO_NAME 9\n");
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NXDOMAIN FILL:256:2 SOA:9:9\n= NO_NAME 0\n");
}

static void times_are_bounded(void **state)
{
    (void)state;
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NOERROR A:a.test:1:99999999\n= 1 86400\n");
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NOERROR A:a.test:1:4000000000\n= 1 0\n");
}

static void only_so_many_records_are_looked_at(void **state)
{
    (void)state;
    script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NOERROR FILL:255 A:a.test:1:7 A:a.test:2:5\n= 1 7\n");
    struct rn_dns_lookup *lookup = script_run(one, "a.test", "A",
               "> 0 a.test A 0 udp\n"
               "< 0 NOERROR A:a.test:1 A:a.test:2 A:a.test:3 A:a.test:4 A:a.test:5 A:a.test:6 "
               "A:a.test:7 A:a.test:8 A:a.test:9 A:a.test:10\n= 10 60\n");
    assert_int_equal(lookup->answers[0].addresses[RN_DNS_ADDRESSES_MAX - 1][3], 8);
}

static void other_types_are_counted(void **state)
{
    (void)state;
    script_run(one, "a.test", "TXT", "> 0 a.test TXT 0 udp\n< 0 NOERROR SOA:9:9\n= NO_DATA 9\n");
}

/* ---- Servers --------------------------------------------------------------------------------- */

static void silent_servers_are_asked_in_turn(void **state)
{
    (void)state;
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n+ 4999\n> 0 -\n+ 1\n"
               "> 0 a.test A 1 udp\n+ 5000\n"
               "> 0 a.test A 2 udp\n+ 5000\n"
               "> 0 a.test A 0 udp plain\n+ 5000\n"
               "> 0 a.test A 1 udp plain\n+ 5000\n"
               "> 0 a.test A 2 udp plain\n+ 5000\n"
               "= TIMED_OUT 1\n");
    script_run("nameserver 1\noptions timeout:2 attempts:1\n", "a.test", "A",
               "> 0 a.test A 0 udp\n+ 2000\n= TIMED_OUT 1\n");
}

static void servers_that_fail_are_skipped(void **state)
{
    (void)state;
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 SERVFAIL\n"
               "> 0 a.test A 1 udp\n< 0 REFUSED\n"
               "> 0 a.test A 2 udp\n! 0\n"
               "> 0 a.test A 0 udp plain\n< 0 NOERROR NS nora\n" /* refers to others: lame */
               "> 0 a.test A 1 udp plain\n< 0 NOERROR A:a.test:1 cut:2\n"
               "> 0 a.test A 2 udp plain\n< 0 FORMERR\n"
               "= NAME_SERVER 1\n");
    script_run(three, "a.test", "A", /* a zone's own server needs no recursion */
               "> 0 a.test A 0 udp\n< 0 NOERROR aa nora\n= NO_DATA 0\n");
    script_run(one, "a.test", "A", /* silence and a failure: there was a server */
               "> 0 a.test A 0 udp\n+ 5000\n> 0 a.test A 0 udp plain\n! 0\n= NAME_SERVER 1\n");
}

static void half_of_a_pair_is_enough_to_succeed_and_to_fail(void **state)
{
    (void)state;
    script_run("nameserver 1\noptions attempts:1\n", "a.test", "AAAA A",
               "> 0 a.test AAAA 0 udp\n> 1 a.test A 0 udp\n"
               "< 1 NOERROR A:a.test:1\n< 0 SERVFAIL\n= 1 1\n");
    script_run("nameserver 1\noptions attempts:1\n", "a.test", "AAAA A",
               "> 0 a.test AAAA 0 udp\n> 1 a.test A 0 udp\n"
               "< 1 NXDOMAIN SOA:9:9\n< 0 SERVFAIL\n= NAME_SERVER 1\n");
}

static void an_old_server_is_asked_without_edns(void **state)
{
    (void)state;
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 FORMERR\n"
               "> 0 a.test A 0 udp plain\n< 0 NOERROR A:a.test:1\n= 1 60\n");
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NOTIMP noq\n"
               "> 0 a.test A 0 udp plain\n< 0 NOTIMP\n"
               "> 0 a.test A 1 udp\n< 0 NOERROR A:a.test:1\n= 1 60\n");
}

static void a_cut_answer_is_asked_for_by_tcp(void **state)
{
    (void)state;
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NOERROR tc A:a.test:1:5\n"
               "=0 0\n"
               "> 0 a.test A 0 tcp\n< 0 NOERROR A:a.test:1:7 A:a.test:2:9\n= 2 7\n");
    script_run(three, "a.test", "A",
               "> 0 a.test A 0 udp\n< 0 NOERROR tc\n"
               "> 0 a.test A 0 tcp\n< 0 NOERROR tc\n" /* by TCP too: nonsense */
               "> 0 a.test A 1 udp\n< 0 NOERROR tc\n"
               "> 0 a.test A 1 tcp\n! 0\n"
               "> 0 a.test A 2 udp\n< 0 NOERROR tc\n"
               "> 0 a.test A 2 tcp\n+ 5000\n"
               "> 0 a.test A 0 udp plain\n");
}

static void options_are_heeded(void **state)
{
    (void)state;
    script_run("nameserver 1\nnameserver 2\noptions use-vc\n", "a.test", "A",
               "> 0 a.test A 0 tcp\n! 0\n> 0 a.test A 1 tcp\n< 0 NOERROR A:a.test:1\n= 1 60\n");
    script_run("options no-aaaa\n", "a.test", "AAAA A", "> 0 a.test A 0 udp\n> 1 -\n");
    script_run("options no-aaaa\n", "a.test", "AAAA", "> 0 -\n= NO_DATA 900\n");
    struct rn_dns_lookup *lookup = script_run("options trust-ad\n", "a.test", "A",
               "> 0 a.test A 0 udp ad\n< 0 NOERROR ad A:a.test:1\n= 1 60\n");
    assert_true(lookup->answers[0].authentic);
    lookup = script_run("", "a.test", "A",
                        "> 0 a.test A 0 udp\n< 0 NOERROR ad A:a.test:1\n= 1 60\n");
    assert_false(lookup->answers[0].authentic);
}

static void rotation_begins_anywhere(void **state)
{
    (void)state;
    static const char *const conf = "nameserver 1\nnameserver 2\nnameserver 3\noptions rotate\n";
    static const uint16_t types[2] = {RN_DNS_A, 0};
    unsigned seen = 0;
    struct rn_dns_config config;
    struct rn_dns_lookup lookup;
    struct rn_dns_query query;
    rn_dns_config_parse(&config, script_text(conf));
    for (uint64_t random = 0; random < 3; random++) {
        assert_int_equal(rn_dns_lookup_start(&lookup, &config, RN_BYTES("a.test"), types), 0);
        assert_true(rn_dns_lookup_pop(&lookup, 0, random << 16, 0, &query));
        unsigned first = query.server;
        rn_dns_lookup_fail(&lookup, 0);
        assert_true(rn_dns_lookup_pop(&lookup, 0, 0, 0, &query));
        assert_int_equal(query.server, (first + 1) % 3);
        seen |= 1u << first;
    }
    assert_int_equal(seen, 7);
}

/* ---- Lies ------------------------------------------------------------------------------------ */

static void what_is_no_answer_is_ignored(void **state)
{
    (void)state;
    script_run(three, "a.test", "AAAA A",
               "> 0 a.test AAAA 0 udp\n> 1 a.test A 0 udp\n"
               "< 1 NOERROR id A:a.test:66\n"
               "< 1 NOERROR query A:a.test:66\n"
               "< 1 NOERROR opcode A:a.test:66\n"
               "< 1 NOERROR q:b.test A:b.test:66\n"
               "< 1 NOERROR type A:a.test:66\n"
               "< 1 NOERROR chaos A:a.test:66\n"
               "< 1 NOERROR noq A:a.test:66\n"
               "< 1 NOERROR two A:a.test:66\n"
               "< 1 NOERROR from:1 A:a.test:66\n"
               "< 1 NOERROR tcp A:a.test:66\n"
               "< 1 SERVFAIL noq\n"
               "< 1 SERVFAIL id\n"
               "< 1 NXDOMAIN id\n"
               "> 1 -\n=1 0\n"
               "< 1 NOERROR A:a.test:1\n=1 1\n"
               "< 1 NOERROR A:a.test:66 A:a.test:67\n=1 1\n" /* late */
               "> 0 -\n+ 5000\n"
               "> 0 a.test AAAA 1 udp\n"
               "< 0 NOERROR from:0 A:a.test:66\n" /* of the one that was asked before */
               "=0 0\n");
}

static void guessing_ends(void **state)
{
    (void)state;
    struct rn_dns_config config;
    struct rn_dns_lookup lookup;
    struct rn_dns_query query;
    static const uint16_t types[2] = {RN_DNS_A, 0};
    rn_dns_config_parse(&config, script_text(three));
    assert_int_equal(rn_dns_lookup_start(&lookup, &config, RN_BYTES("a.test"), types), 0);
    assert_true(rn_dns_lookup_pop(&lookup, 0, 0x1234, 0, &query));
    for (unsigned i = 0; i < RN_DNS_STRAYS_MAX; i++)
        rn_dns_lookup_input(&lookup, RN_BYTES("\x12"), 0, 0, false);
    assert_false(rn_dns_lookup_pop(&lookup, 0, 0x5678, 0, &query));
    rn_dns_lookup_input(&lookup, RN_BYTES("\x12"), 0, 0, false);
    assert_true(rn_dns_lookup_pop(&lookup, 0, 0x5678, 0, &query));
    assert_int_equal(query.server, 1);
    /* By TCP only one answer is to come. */
    rn_dns_config_parse(&config, script_text("nameserver 1\nnameserver 2\noptions use-vc\n"));
    assert_int_equal(rn_dns_lookup_start(&lookup, &config, RN_BYTES("a.test"), types), 0);
    assert_true(rn_dns_lookup_pop(&lookup, 0, 0x1234, 0, &query));
    rn_dns_lookup_input(&lookup, RN_BYTES(""), 0, 0, true);
    assert_true(rn_dns_lookup_pop(&lookup, 0, 0x5678, 0, &query));
    assert_int_equal(query.server, 1);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void the_search_list_completes_names(void **state)
{
    (void)state;
    script_run(search, "www", "A",
               "> 0 www.one.test A 0 udp\n< 0 NXDOMAIN SOA:70:70\n"
               "> 0 www.two.test A 0 udp\n< 0 NOERROR A:www.two.test:1:80\n= 1 80\n");
    script_run(search, "www", "A",
               "> 0 www.one.test A 0 udp\n< 0 NXDOMAIN SOA:70:70\n"
               "> 0 www.two.test A 0 udp\n< 0 NOERROR SOA:60:60\n"
               "> 0 www A 0 udp\n< 0 NXDOMAIN SOA:90:90\n= NO_DATA 60\n");
    script_run(search, "www.x", "A",
               "> 0 www.x A 0 udp\n< 0 NXDOMAIN SOA:70:70\n"
               "> 0 www.x.one.test A 0 udp\n< 0 NXDOMAIN SOA:70:70\n"
               "> 0 www.x.two.test A 0 udp\n< 0 NXDOMAIN SOA:70:70\n= NO_NAME 70\n");
    script_run(search, "www.", "A", "> 0 www A 0 udp\n< 0 NXDOMAIN SOA:70:70\n= NO_NAME 70\n");
    script_run("search one.test\noptions ndots:2\n", "a.b", "A",
               "> 0 a.b.one.test A 0 udp\n< 0 NXDOMAIN\n> 0 a.b A 0 udp\n");
}

static void a_failure_ends_the_search(void **state)
{
    (void)state;
    script_run(search, "www", "A",
               "> 0 www.one.test A 0 udp\n< 0 SERVFAIL\n"
               "> 0 www.one.test A 0 udp plain\n< 0 SERVFAIL\n= NAME_SERVER 1\n");
}

static void the_second_question_goes_with_the_first(void **state)
{
    (void)state;
    script_run(search, "www", "AAAA A",
               "> 0 www.one.test AAAA 0 udp\n> 1 www.one.test A 0 udp\n"
               "< 0 NXDOMAIN\n> 0 -\n"
               "< 1 NOERROR A:www.one.test:1\n= 1 60\n");
    script_run(search, "www", "AAAA A",
               "> 0 www.one.test AAAA 0 udp\n> 1 www.one.test A 0 udp\n"
               "< 1 NXDOMAIN\n> 1 -\n< 0 NXDOMAIN\n"
               "> 0 www.two.test AAAA 0 udp\n> 1 www.two.test A 0 udp\n");
}

/* Asks for a name of one label of 63 octets, with a domain of that many characters. */
static struct rn_dns_lookup *ask_within(size_t domain)
{
    char conf[300], name[64] = "";
    memset(conf, 'b', sizeof conf);
    memset(name, 'a', 63);
    memcpy(conf, "search ", 7);
    for (size_t i = 7 + 49; i < 7 + domain; i += 50) conf[i] = '.';
    strcpy(conf + 7 + domain, " one.test\n");
    return script_run(conf, name, "A", "");
}

static void a_name_that_becomes_too_long_is_not_asked_for(void **state)
{
    (void)state;
    assert_int_equal(ask_within(189)->name.len, RN_DNS_NAME_MAX);
    assert_int_equal(ask_within(190)->name.len, 64 + 10); /* of the next domain */
}

static void some_names_are_never_asked_for(void **state)
{
    (void)state;
    static const char *const none[] = {"a.invalid", "INVALID.", "x.onion", "1", "127.1",
                                       "10.0.0.256", "1.2.3.4.5", "a.b.7."};
    static const char *const local[] = {"localhost", "LOCALHOST.", "a.b.localhost"};
    for (size_t i = 0; i < RN_COUNT(none); i++)
        script_run(search, none[i], "AAAA A", "> 0 -\n> 1 -\n= NO_NAME 900\n");
    for (size_t i = 0; i < RN_COUNT(local); i++) {
        struct rn_dns_lookup *lookup =
            script_run(search, local[i], "AAAA A", "> 0 -\n> 1 -\n= 2 86400\n");
        assert_memory_equal(lookup->answers[0].addresses[0],
                            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
        assert_memory_equal(lookup->answers[1].addresses[0], "\177\0\0\1", 4);
    }
    script_run(search, "localhost", "TXT", "> 0 -\n= NO_DATA 900\n");
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const uint16_t types[2] = {RN_DNS_A, 0};
    static const char *const bad[] = {"", "a..b", "a b", "\303\244.test"};
    struct rn_dns_config config;
    struct rn_dns_lookup lookup;
    rn_dns_config_parse(&config, script_text(one));
    for (size_t i = 0; i < RN_COUNT(bad); i++)
        assert_int_equal(rn_dns_lookup_start(&lookup, &config, script_text(bad[i]), types),
                         RN_E_MISUSE);
}

static void giving_up_ends_it(void **state)
{
    (void)state;
    struct rn_dns_lookup *lookup = script_run(one, "a.test", "A", "> 0 a.test A 0 udp\n");
    lookup->done = true;
    assert_false(rn_dns_lookup_waiting(lookup, 0));
    assert_int_equal(rn_dns_lookup_deadline(lookup), RN_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_taken),
        cmocka_unit_test(a_pair_is_asked_at_once_and_answered_in_any_order),
        cmocka_unit_test(aliases_are_followed),
        cmocka_unit_test(chains_of_aliases_end),
        cmocka_unit_test(nothing_is_of_two_kinds),
        cmocka_unit_test(times_are_bounded),
        cmocka_unit_test(only_so_many_records_are_looked_at),
        cmocka_unit_test(other_types_are_counted),
        cmocka_unit_test(silent_servers_are_asked_in_turn),
        cmocka_unit_test(servers_that_fail_are_skipped),
        cmocka_unit_test(half_of_a_pair_is_enough_to_succeed_and_to_fail),
        cmocka_unit_test(an_old_server_is_asked_without_edns),
        cmocka_unit_test(a_cut_answer_is_asked_for_by_tcp),
        cmocka_unit_test(options_are_heeded),
        cmocka_unit_test(rotation_begins_anywhere),
        cmocka_unit_test(what_is_no_answer_is_ignored),
        cmocka_unit_test(guessing_ends),
        cmocka_unit_test(the_search_list_completes_names),
        cmocka_unit_test(a_failure_ends_the_search),
        cmocka_unit_test(the_second_question_goes_with_the_first),
        cmocka_unit_test(a_name_that_becomes_too_long_is_not_asked_for),
        cmocka_unit_test(some_names_are_never_asked_for),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(giving_up_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
