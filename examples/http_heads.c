/* Judges heads of HTTP/1 responses on standard input, one behind the other as curl prints those of
 * a chain of redirects: what they mean to a strict reader, and what is missing or doubtful.
 *
 *     curl -sIL --http1.1 http://example.org/ | http_heads
 *
 * Ends with 1 when there was something to say against one.
 */
#include "blocking.h"
#include <runnel/http1_client.h>

static uint8_t input[2 * RN_HTTP1_HEAD_MAX];
static size_t input_len;
static int remarks;

static void remark(const char *text, rn_bytes about)
{
    printf("    ! %s", text);
    put(about);
    putchar('\n');
    remarks++;
}

/* Reads on until there is a whole head: its length, or 0 at the end between two of them. */
static size_t next_head(struct rn_http1_response *response)
{
    rn_ssize len;
    rn_http1_response_init(response);
    while ((len = rn_http1_parse_response(response, input, input_len)) == 0) {
        ssize_t more = read(STDIN_FILENO, input + input_len, sizeof input - input_len);
        if (more <= 0 && input_len == 0) return 0;
        if (more <= 0) check(RN_E_CLOSED, "a head");
        input_len += (size_t)more;
    }
    check(len, "a head");
    return (size_t)len;
}

static void say_framing(const struct rn_http1_request *message)
{
    switch (message->framing) {
    case RN_HTTP1_LENGTH:
        printf("%llu bytes", (unsigned long long)message->content_length);
        break;
    case RN_HTTP1_CHUNKED: printf("chunks"); break;
    default: printf("all until the end of the connection");
    }
    printf(", then the connection %s\n", message->keep_alive ? "stays" : "closes");
}

/* Whether a cookie has that attribute: they stand behind semicolons (RFC 6265, 4.1.1). */
static bool cookie_has(rn_bytes cookie, const char *attribute)
{
    char text[512], *rest;
    snprintf(text, sizeof text, "%.*s", (int)cookie.len, (const char *)cookie.ptr);
    strtok_r(text, ";", &rest);
    for (char *one; (one = strtok_r(NULL, "; ", &rest));)
        if (strcasecmp(one, attribute) == 0) return true;
    return false;
}

static void judge(const struct rn_http1_response *response)
{
    const struct rn_http1_request *message = &response->message;
    rn_bytes caching = rn_http1_find_field(message, input, "Cache-Control"), cookie;
    bool cookies = false;
    unsigned index = 0;
    if (response->reason.len && !bytes_are(rn_http1_slice(input, response->reason),
                                           rn_http1_reason(response->status)))
        remark("an unusual reason: ", rn_http1_slice(input, response->reason));
    while (rn_http1_next_field(message, input, "Set-Cookie", &index, &cookie)) {
        cookies = true;
        if (!cookie_has(cookie, "HttpOnly")) remark("scripts can read it: ", cookie);
    }
    if (cookies && !rn_http1_list_has(caching, "private") &&
        !rn_http1_list_has(caching, "no-store"))
        remark("a cookie that caches may keep for others", RN_BYTES(""));
    if (response->status / 100 == 2 &&
        !bytes_are(rn_http1_find_field(message, input, "X-Content-Type-Options"), "nosniff"))
        remark("browsers may take it for another type", RN_BYTES(""));
    if (response->status / 100 == 3 && response->status != 304 &&
        !rn_http1_find_field(message, input, "Location").ptr)
        remark("a redirect to nowhere", RN_BYTES(""));
}

int main(void)
{
    static struct rn_http1_response response;
    for (size_t len; (len = next_head(&response)) > 0;) {
        rn_bytes place = rn_http1_find_field(&response.message, input, "Location");
        printf("%u %s ", response.status, rn_http1_reason(response.status));
        put(place);
        printf("\n    ");
        say_framing(&response.message);
        judge(&response);
        input_len -= len;
        memmove(input, input + len, input_len);
    }
    return remarks > 0;
}
