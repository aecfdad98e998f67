/* Fetches URLs by HTTPS, with OpenSSL: https_fetch URL... The HTTP machine neither knows nor minds
 * what its bytes go through. Redirects are followed, and a connection is used for all that goes to
 * its origin. SSL_CERT_FILE names the authorities, if it isn't the system's that count.
 */
#include "http_request.h"
#include "tls.h"

enum { URL_MAX = 4096, REDIRECTS_MAX = 10 };

static SSL *tls; /* to the origin of `url`, where a connection is open */
static struct rn_url url;
static const char *url_text;
static uint8_t input[2 * RN_HTTP1_HEAD_MAX];
static size_t input_len;

static void hang_up(void)
{
    if (tls) tls_hang_up(tls);
    tls = NULL;
    input_len = 0;
}

static void set_url(const struct rn_url *base, rn_bytes reference)
{
    static char texts[2][URL_MAX];
    static unsigned turn;
    struct rn_url next;
    char *text = texts[++turn % 2];
    check(rn_url_resolve(text, URL_MAX, base, reference), "URL");
    check(rn_url_parse(&next, bytes_of(text)), text);
    if (!bytes_are(next.scheme, "https")) fail(text, "is not https");
    if (tls && !rn_url_same_origin(&url, &next)) hang_up();
    url = next;
    url_text = text;
}

/* Takes one event off the input, after reading what it takes for one. */
static struct rn_http1_event next_event(struct rn_http1_exchange *exchange, size_t *used)
{
    struct rn_http1_event event = {0};
    input_len -= *used;
    memmove(input, input + *used, input_len);
    for (;;) {
        rn_ssize len = rn_http1_exchange_next(exchange, input, input_len, &event);
        check(len, url_text);
        *used = (size_t)len;
        if (event.kind != RN_HTTP1_EVENT_NONE) return event;
        rn_ssize more = tls_read(tls, input + input_len, sizeof input - input_len);
        if (more > 0) {
            input_len += (size_t)more;
            continue;
        }
        unsigned long long missing = rn_http1_exchange_missing(exchange);
        if (missing) fprintf(stderr, "%llu bytes are missing\n", missing);
        check(more, url_text);
        check(rn_http1_exchange_eof(exchange), url_text);
        event.kind = RN_HTTP1_EVENT_END;
        return event;
    }
}

/* One exchange: the response's status, and whether `url` is now where it leads. */
static unsigned fetch(bool *redirected)
{
    static struct rn_http1_exchange exchange;
    struct rn_http1_event event;
    static const struct rn_http1_header agent = {RN_BYTES("User-Agent"), RN_BYTES("https_fetch")};
    uint8_t head[REQUEST_HEAD_MAX];
    char place[URL_MAX] = "";
    size_t used = 0;
    if (!tls) {
        tls = tls_dial(url.host, url.port);
        fprintf(stderr, "connected by %s\n", SSL_get_version(tls));
    }
    rn_http1_exchange_init(&exchange, RN_BYTES("GET"), false);
    size_t len = write_request(head, "GET", &url, &agent, 1);
    if (!tls_write(tls, head, len)) fail_tls(url_text);
    while ((event = next_event(&exchange, &used)).kind != RN_HTTP1_EVENT_END) {
        if (event.kind == RN_HTTP1_EVENT_DATA && !place[0]) put(event.data);
        if (event.kind != RN_HTTP1_EVENT_HEAD) continue;
        rn_bytes to = rn_http1_find_field(&exchange.response.message, input, "Location");
        fprintf(stderr, "%u %s\n", exchange.response.status, url_text);
        if (exchange.response.status / 100 == 3)
            snprintf(place, sizeof place, "%.*s", (int)to.len, to.len ? (char *)to.ptr : "");
    }
    if (input_len != used || !rn_http1_exchange_reusable(&exchange)) hang_up();
    input_len = 0;
    *redirected = place[0];
    if (*redirected) set_url(&url, bytes_of(place));
    return exchange.response.status;
}

int main(int argc, char **argv)
{
    bool redirected, failed = false;
    if (argc < 2) fail("usage", "https_fetch URL...");
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        unsigned status, redirects = 0;
        set_url(NULL, bytes_of(argv[i]));
        while ((status = fetch(&redirected)), redirected)
            if (++redirects > REDIRECTS_MAX) check(RN_E_LIMIT, "redirects");
        failed |= status / 100 != 2;
    }
    hang_up();
    return failed;
}
