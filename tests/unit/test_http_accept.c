/*
 * Accept-Encoding: weights, the choice, and what is malformed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "proto/http_accept.h"

static struct rn_http_accept accept_text(const char *value)
{
    return rn_http_accept_encoding(guarded_text(0, value));
}

static void test_weights(void **state)
{
    static const struct {
        const char *value;
        uint16_t identity, gzip, zstd, br;
    } cases[] = {
        {"", 1, 0, 0, 0},
        {" , ", 1, 0, 0, 0},
        {"gzip", 1, 1000, 0, 0},
        {"gzip, deflate, br, zstd", 1, 1000, 1000, 1000},
        {"compress, gzip", 1, 1000, 0, 0}, /* the examples of section 12.5.3 */
        {"*", 1000, 1000, 1000, 1000},
        {"compress;q=0.5, gzip;q=1.0", 1, 1000, 0, 0},
        {"gzip;q=1.0, identity; q=0.5, *;q=0", 500, 1000, 0, 0},
        {"identity;q=0", 0, 0, 0, 0},
        {"*;q=0", 0, 0, 0, 0},
        {"gzip, *;q=0", 0, 1000, 0, 0},
        {"*;q=0, identity", 1000, 0, 0, 0},
        {"*;q=0.3, br;q=0", 300, 300, 300, 0},
        {"GZip, ZSTD;Q=0.2, bR", 1, 1000, 200, 1000},
        {"x-gzip", 1, 1000, 0, 0},
        {"X-GZIP;q=0.5", 1, 500, 0, 0},
        {"gzip;q=0", 1, 0, 0, 0},
        {"gzip;q=0, gzip", 1, 1000, 0, 0},
        {"gzip, gzip;q=0.1", 1, 100, 0, 0},
        {"gzip \t; \t q=0.1", 1, 100, 0, 0},
        {"gzip;q=1,br;q=1.,zstd;q=0.", 1, 1000, 0, 1000},
        {"gzip;q=0.001,br;q=0.01,zstd;q=0.999", 1, 1, 999, 10},
        {"gzip;q=1.000,br;q=0.000,zstd;q=1.0", 1, 1000, 1000, 0},
        {"gzi, gzipp, zip, brr, r, zst, x-br, identit, identityy, **", 1, 0, 0, 0},
        {"aaaaaaaaidentity;q=0, aaaaaaaaaaaagzip, xx-gzip", 1, 0, 0, 0},
        {"gzip, a$b", 1, 1000, 0, 0},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_http_accept accept = accept_text(cases[i].value);
        if (accept.weight[RN_HTTP_IDENTITY] != cases[i].identity ||
            accept.weight[RN_HTTP_GZIP] != cases[i].gzip ||
            accept.weight[RN_HTTP_ZSTD] != cases[i].zstd ||
            accept.weight[RN_HTTP_BR] != cases[i].br)
            fail_msg("%s", cases[i].value);
    }
}

static void check_identity_only(struct rn_http_accept accept, const char *value)
{
    const struct rn_http_accept expected = {{1, 0, 0, 0}};
    if (memcmp(&accept, &expected, sizeof(accept))) fail_msg("%s", value);
}

static void test_malformed(void **state)
{
    static const char *const values[] = {
        "gzip;",        "gzip;q",        "gzip;q=",       "gzip;q=2",     "gzip;q=1.1",
        "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=1.0000", "gzip;q=.5",    "gzip;q=-1",
        "gzip;q=0,5",   "gzip;q=0.a",    "gzip;q=00.5",   "gzip;q=10",    "gzip;q = 1",
        "gzip;q=1;x=2", "gzip;x=1",      "gzip;;q=1",     "gzip q=1",     "gzip br",
        ";q=1",         "gzip, ;q=1",    "gzip;q=\"1\"",  "gzip;q=0.5x",  "gzip;q=/",
        "br, gzip;q=:", "*;q=0, gzip;",  "gzip\x01",      "gzip;q=0.5 x",
    };
    for (size_t i = 0; i < RN_COUNT(values); i++)
        check_identity_only(accept_text(values[i]), values[i]);
    check_identity_only(rn_http_accept_encoding(rn_bytes_of(NULL, 0)), "absent");
}

static void test_every_weight(void **state)
{
    for (unsigned weight = 0; weight <= 1000; weight++) {
        char value[] = "zstd;q=0.000";
        value[7] = (char)('0' + weight / 1000);
        value[9] = (char)('0' + weight / 100 % 10);
        value[10] = (char)('0' + weight / 10 % 10);
        value[11] = (char)('0' + weight % 10);
        assert_int_equal(accept_text(value).weight[RN_HTTP_ZSTD], weight);
    }
}

static void test_best(void **state)
{
    enum {
        I = 1 << RN_HTTP_IDENTITY,
        G = 1 << RN_HTTP_GZIP,
        Z = 1 << RN_HTTP_ZSTD,
        B = 1 << RN_HTTP_BR,
        ALL = I | G | Z | B
    };
    static const struct {
        const char *value;
        unsigned available;
        enum rn_http_coding best;
    } cases[] = {
        {"gzip, deflate, br, zstd", ALL, RN_HTTP_BR},
        {"gzip, deflate, br, zstd", ALL & ~B, RN_HTTP_ZSTD},
        {"gzip, deflate, br, zstd", I | G, RN_HTTP_GZIP},
        {"gzip, deflate, br, zstd", I, RN_HTTP_IDENTITY},
        {"", ALL, RN_HTTP_IDENTITY},
        {"gzip;q=0.5, br;q=0.1", ALL, RN_HTTP_GZIP},
        {"gzip;q=0.001", ALL, RN_HTTP_GZIP}, /* named is more welcome than not named */
        {"identity, gzip;q=0.5", ALL, RN_HTTP_IDENTITY},
        {"identity, gzip", ALL, RN_HTTP_GZIP},
        {"gzip;q=0", ALL, RN_HTTP_IDENTITY},
        {"identity;q=0", ALL, RN_HTTP_IDENTITY},
        {"*;q=0", ALL, RN_HTTP_IDENTITY},
        {"identity;q=0, gzip", I, RN_HTTP_IDENTITY},
        {"identity;q=0, gzip", I | G, RN_HTTP_GZIP},
        {"*", ALL, RN_HTTP_BR},
        {"*", 0, RN_HTTP_IDENTITY},
        {"gzip", Z | B, RN_HTTP_IDENTITY},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_http_accept accept = accept_text(cases[i].value);
        enum rn_http_coding best = rn_http_accept_best(accept, cases[i].available);
        if (best != cases[i].best) fail_msg("case %zu: %d", i, best);
    }
}

static void test_names(void **state)
{
    assert_string_equal(rn_http_coding_names[RN_HTTP_IDENTITY], "");
    for (int i = RN_HTTP_GZIP; i < RN_HTTP_CODINGS; i++)
        assert_int_equal(accept_text(rn_http_coding_names[i]).weight[i], 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_every_weight), cmocka_unit_test(test_best),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
