/*
 * proto/http1_reason.c: reason phrases (RFC 9110, section 15; RFC 6585 for 429 and 431) of
 * what the server sends itself, and of what handlers send most. Clients ignore them.
 */
#include <runnel/http1.h>

#define REASONS(X)                                                                                 \
    X(200, "OK")                                                                                   \
    X(100, "Continue")                                                                             \
    X(101, "Switching Protocols")                                                                  \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(426, "Upgrade Required")                                                                     \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(503, "Service Unavailable")                                                                  \
    X(505, "HTTP Version Not Supported")

/* A run of: the code's class and the phrase's length in one byte, the rest of the code, the phrase
 * with its NUL. A struct rather than one literal, so that the compiler counts. */
static const struct {
#define MEMBERS(code, text) uint8_t class_len_##code, rest_##code, text_##code[sizeof text];
    REASONS(MEMBERS)
    uint8_t end;
} reasons = {
#define VALUES(code, text) (code) / 100 << 5 | (sizeof text - 1), (code) % 100, text,
    REASONS(VALUES) 0};

const char *rn_http1_reason(unsigned status)
{
    const uint8_t *at = (const uint8_t *)&reasons;
    for (; *at; at += (*at & 31) + 3)
        if ((*at >> 5) * 100u + at[1] == status) return (const char *)at + 2;
    return "Unknown";
}
