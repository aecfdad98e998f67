/*
 * Absolute URLs and references: the examples of RFC 3986, what must be refused, and every limit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include <runnel/url.h>

#include "guarded.h"

enum { INPUT, BASE, OUTPUT };

/* Parts joined with spaces; "-" for one that isn't there. */
static const char *parts(const struct rn_url *url)
{
    static char text[512];
    const rn_bytes all[] = {url->scheme, url->userinfo, url->authority, url->host,
                            url->path,   url->query,    url->target,    url->fragment};
    size_t len = 0;
    for (size_t i = 0; i < RN_COUNT(all); i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s ",
                                all[i].ptr ? (int)all[i].len : 1,
                                all[i].ptr ? (const char *)all[i].ptr : "-");
    snprintf(text + len, sizeof text - len, "%u%s", url->port, url->ip6 ? " ip6" : "");
    return text;
}

static void taken_apart(void **state)
{
    static const char *const cases[][2] = {
        {"http://a", "http - a a  -  - 80"},
        {"http://a/", "http - a a / - / - 80"},
        {"HTTP://A:80/b", "HTTP - A:80 A /b - /b - 80"},
        {"https://a:/b?c#d", "https - a: a /b c /b?c d 443"},
        {"ws://a?b", "ws - a a  b ?b - 80"},
        {"wss://a#", "wss - a a  -   443"},
        {"http://a?", "http - a a   ? - 80"},
        {"http://u:p@h:8080/x/y?q=1&r=?/#f?/", "http u:p h:8080 h /x/y q=1&r=?/ /x/y?q=1&r=?/ f?/ "
                                               "8080"},
        {"http://@h/", "http  h h / - / - 80"},
        {"http://u%40v,w@h/", "http u%40v,w h h / - / - 80"},
        {"http://[2001:db8::1]:65535/", "http - [2001:db8::1]:65535 2001:db8::1 / - / - 65535 ip6"},
        {"http://[::]", "http - [::] ::  -  - 80 ip6"},
        {"ftp://h/a;type=i", "ftp - h h /a;type=i - /a;type=i - 0"},
        {"a+b-c.1://h:1/", "a+b-c.1 - h:1 h / - / - 1"},
        {"http://h/a@b:c//d", "http - h h /a@b:c//d - /a@b:c//d - 80"},
        {"http://h/?a@b:c#d:e@", "http - h h / a@b:c /?a@b:c d:e@ 80"},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_url url;
        assert_int_equal(rn_url_parse(&url, guarded_text(INPUT, cases[i][0])), 0);
        assert_string_equal(parts(&url), cases[i][1]);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", RN_E_PROTOCOL},
        {"a", RN_E_PROTOCOL},
        {"//a/b", RN_E_PROTOCOL},
        {"/a", RN_E_PROTOCOL},
        {":", RN_E_PROTOCOL},
        {"://a", RN_E_PROTOCOL},
        {"1http://a", RN_E_PROTOCOL},
        {"ht_tp://a", RN_E_PROTOCOL},
        {" http://a", RN_E_PROTOCOL},
        {"http:", RN_E_UNSUPPORTED},
        {"http:/a", RN_E_UNSUPPORTED},
        {"http:a", RN_E_UNSUPPORTED},
        {"mailto:a@b", RN_E_UNSUPPORTED},
        {"http://", RN_E_PROTOCOL},
        {"http:///a", RN_E_PROTOCOL},
        {"http://:80/", RN_E_PROTOCOL},
        {"http://u@/", RN_E_PROTOCOL},
        {"http://u@v@h/", RN_E_PROTOCOL},
        {"http://h:0/", RN_E_PROTOCOL},
        {"http://h:65536/", RN_E_PROTOCOL},
        {"http://h:99999999999999999999/", RN_E_PROTOCOL},
        {"http://h:8a/", RN_E_PROTOCOL},
        {"http://h:+8/", RN_E_PROTOCOL},
        {"http://h:1:2/", RN_E_PROTOCOL},
        {"http://h,i/", RN_E_PROTOCOL},
        {"http://h i/", RN_E_PROTOCOL},
        {"http://h\\@i/", RN_E_PROTOCOL},
        {"http://h[/", RN_E_PROTOCOL},
        {"http://[::1/", RN_E_PROTOCOL},
        {"http://[]/", RN_E_PROTOCOL},
        {"http://[::g]/", RN_E_PROTOCOL},
        {"http://[::1]8/", RN_E_PROTOCOL},
        {"http://[::1%25lo]/", RN_E_PROTOCOL},
        {"http://::1/", RN_E_PROTOCOL},
        {"http://\xc3\xa4/", RN_E_PROTOCOL},
        {"http://h/a b", RN_E_PROTOCOL},
        {"http://h/\xc3\xa4", RN_E_PROTOCOL},
        {"http://h/\r\nX: y", RN_E_PROTOCOL},
        {"http://h/?a b", RN_E_PROTOCOL},
        {"http://h/?\"", RN_E_PROTOCOL},
        {"http://h/#a b", RN_E_PROTOCOL},
        {"http://h/##", RN_E_PROTOCOL},
        {"http://u v@h/", RN_E_PROTOCOL},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_url url;
        int error = rn_url_parse(&url, guarded_text(INPUT, cases[i].text));
        if (error != cases[i].error) fail_msg("%s: %d", cases[i].text, error);
    }
    struct rn_url url;
    assert_int_equal(rn_url_parse(&url, (rn_bytes){NULL, 0}), RN_E_PROTOCOL);
}

static void origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"http://a/x", "HTTP://A:80/y?z", true},
        {"http://u@a", "http://a", true},
        {"http://a", "https://a", false},
        {"http://a", "http://a:81", false},
        {"http://a", "http://a.b", false},
        {"http://a:443", "https://a", false},
        {"http://[::1]", "http://[::1]:80/", true},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_url a, b;
        assert_int_equal(rn_url_parse(&a, guarded_text(INPUT, cases[i].a)), 0);
        assert_int_equal(rn_url_parse(&b, guarded_text(BASE, cases[i].b)), 0);
        assert_int_equal(rn_url_same_origin(&a, &b), cases[i].same);
    }
}

static const char rfc_base[] = "http://a/b/c/d;p?q";

/* base NULL: that of RFC 3986, section 5.4; "" none. */
static const struct {
    const char *base, *reference, *out;
} references[] = {
    {NULL, "g", "http://a/b/c/g"},
    {NULL, "./g", "http://a/b/c/g"},
    {NULL, "g/", "http://a/b/c/g/"},
    {NULL, "/g", "http://a/g"},
    {NULL, "//g", "http://g/"},
    {NULL, "?y", "http://a/b/c/d;p?y"},
    {NULL, "g?y", "http://a/b/c/g?y"},
    {NULL, "#s", "http://a/b/c/d;p?q"},
    {NULL, "g#s", "http://a/b/c/g"},
    {NULL, "g?y#s", "http://a/b/c/g?y"},
    {NULL, ";x", "http://a/b/c/;x"},
    {NULL, "g;x", "http://a/b/c/g;x"},
    {NULL, "", "http://a/b/c/d;p?q"},
    {NULL, ".", "http://a/b/c/"},
    {NULL, "./", "http://a/b/c/"},
    {NULL, "..", "http://a/b/"},
    {NULL, "../", "http://a/b/"},
    {NULL, "../g", "http://a/b/g"},
    {NULL, "../..", "http://a/"},
    {NULL, "../../", "http://a/"},
    {NULL, "../../g", "http://a/g"},
    {NULL, "../../../g", "http://a/g"},
    {NULL, "../../../../g", "http://a/g"},
    {NULL, "/./g", "http://a/g"},
    {NULL, "/../g", "http://a/g"},
    {NULL, "g.", "http://a/b/c/g."},
    {NULL, ".g", "http://a/b/c/.g"},
    {NULL, "g..", "http://a/b/c/g.."},
    {NULL, "..g", "http://a/b/c/..g"},
    {NULL, "./../g", "http://a/b/g"},
    {NULL, "./g/.", "http://a/b/c/g/"},
    {NULL, "g/./h", "http://a/b/c/g/h"},
    {NULL, "g/../h", "http://a/b/c/h"},
    {NULL, "g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {NULL, "g;x=1/../y", "http://a/b/c/y"},
    {NULL, "g?y/./x", "http://a/b/c/g?y/./x"},
    {NULL, "g?y/../x", "http://a/b/c/g?y/../x"},
    {NULL, "g#s/../x", "http://a/b/c/g"},

    {NULL, "http://h", "http://h/"},
    {NULL, "HTTPS://U:P@Host:443?x", "https://U:P@host/?x"},
    {NULL, "http://h:80/", "http://h/"},
    {NULL, "http://h:443/", "http://h:443/"},
    {NULL, "https://h:/", "https://h/"},
    {NULL, "http://[::A]:80/", "http://[::a]/"},
    {NULL, "http://[::a]:81", "http://[::a]:81/"},
    {NULL, "http://h/a/../../b/./c", "http://h/b/c"},
    {NULL, "http://h//a//../b", "http://h//a/b"},
    {NULL, "a b", "http://a/b/c/a%20b"},
    {NULL, "\xc3\xa4?\xc3\xa4 \"", "http://a/b/c/%C3%A4?%C3%A4%20%22"},
    {NULL, "a%20b%", "http://a/b/c/a%20b%"},
    {NULL, "\\\\evil/", "http://a/b/c/%5C%5Cevil/"},
    {NULL, "/^`{}<>", "http://a/%5E%60%7B%7D%3C%3E"},
    {NULL, "?", "http://a/b/c/d;p?"},
    {NULL, "1:2", "http://a/b/c/1:2"},
    {"http://u:p@h:81", "x", "http://u:p@h:81/x"},
    {"http://u:p@h:81", "//i/x", "http://i/x"},
    {"http://u:p@h:81", "", "http://u:p@h:81/"},
    {"http://h?q", "#f", "http://h/?q"},
    {"http://h/../a/./b?q", "?r..", "http://h/a/b?r.."},
    {"https://h/a", "//i", "https://i/"},
    {"", "http://h/a/..", "http://h/"},
};

static struct rn_url *base_of(const char *text, struct rn_url *url)
{
    if (text && !*text) return NULL;
    assert_int_equal(rn_url_parse(url, guarded_text(BASE, text ? text : rfc_base)), 0);
    return url;
}

static void resolved(void **state)
{
    for (size_t i = 0; i < RN_COUNT(references); i++) {
        struct rn_url base, again;
        const struct rn_url *from = base_of(references[i].base, &base);
        rn_bytes reference = guarded_text(INPUT, references[i].reference);
        size_t len = strlen(references[i].out);
        /* What a ".." takes back needs its room too. */
        size_t room = strstr(references[i].reference, "..") ? len + 64 : len + 1;
        char *to = guarded_space(OUTPUT, room);
        assert_int_equal(rn_url_resolve(to, room, from, reference), len);
        assert_string_equal(to, references[i].out);
        assert_int_equal(rn_url_parse(&again, rn_bytes_of(to, len)), 0);
        assert_null(again.fragment.ptr);
        /* With any room less it is refused. */
        for (size_t cap = 0; cap <= len; cap++) {
            to = guarded_space(OUTPUT, cap);
            assert_int_equal(rn_url_resolve(to, cap, from, reference), RN_E_LIMIT);
        }
    }
}

static void not_resolved(void **state)
{
    static const struct {
        const char *base, *reference;
        int error;
    } cases[] = {
        {"", "", RN_E_PROTOCOL},
        {"", "a", RN_E_PROTOCOL},
        {"", "//a", RN_E_PROTOCOL},
        {"", "?a", RN_E_PROTOCOL},
        {NULL, "g:h", RN_E_UNSUPPORTED},
        {NULL, "http:g", RN_E_UNSUPPORTED},
        {NULL, "javascript:alert(1)", RN_E_UNSUPPORTED},
        {NULL, "//", RN_E_PROTOCOL},
        {NULL, "http:///a", RN_E_PROTOCOL},
        {NULL, "//a b/", RN_E_PROTOCOL},
        {NULL, "//a@b@c/", RN_E_PROTOCOL},
        {NULL, "//a\\@b/", RN_E_PROTOCOL},
        {NULL, "//h:65536", RN_E_PROTOCOL},
        {NULL, "a\nb", RN_E_PROTOCOL},
        {NULL, "a#\r", RN_E_PROTOCOL},
        {NULL, "a\x7f", RN_E_PROTOCOL},
        {NULL, "\t", RN_E_PROTOCOL},
    };
    char to[64];
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        struct rn_url base;
        rn_ssize result = rn_url_resolve(to, sizeof to, base_of(cases[i].base, &base),
                                         guarded_text(INPUT, cases[i].reference));
        if (result != cases[i].error) fail_msg("%s: %td", cases[i].reference, result);
    }
}

static void decoded(void **state)
{
    char to[8];
    assert_int_equal(rn_url_decode(to, sizeof to, RN_BYTES("a+%2B%20c")), 5);
    assert_string_equal(to, "a++ c");
    assert_int_equal(rn_url_decode(to, sizeof to, RN_BYTES("a%0")), RN_E_PROTOCOL);
    assert_int_equal(rn_url_decode(to, sizeof to, RN_BYTES("a%00")), RN_E_PROTOCOL);
    assert_int_equal(rn_url_decode(to, 3, RN_BYTES("abc")), RN_E_LIMIT);
    assert_int_equal(rn_url_decode(to, 1, (rn_bytes){NULL, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_apart), cmocka_unit_test(refused),
        cmocka_unit_test(origins),     cmocka_unit_test(resolved),
        cmocka_unit_test(not_resolved), cmocka_unit_test(decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
