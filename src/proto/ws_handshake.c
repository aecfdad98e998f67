/*
 * proto/ws_handshake.c: the opening handshake of WebSocket (RFC 6455, sections 4.1 and 4.2).
 */
#include <runnel/http1.h>
#include <runnel/ws.h>
#include "base/bytes.h"
#include "proto/base64.h"
#include "proto/http_list.h"
#include "proto/sha1.h"

enum { KEY_LEN = 24, KEY_BYTES = 16 };

static bool origin_allowed(const char *const *allowed, rn_bytes origin)
{
    if (allowed == NULL) return true;
    for (; *allowed != NULL; allowed++) {
        if (rn_bytes_equal_nocase(rn_bytes_text(*allowed), origin)) return true;
    }
    return false;
}

/* The server's order decides. The client may spread its list over fields (section 11.3.4). */
static rn_bytes choose_subprotocol(const struct rn_http1_request *request, const uint8_t *head,
                                   const char *const *offered)
{
    for (; offered != NULL && *offered != NULL; offered++) {
        rn_bytes list, element, wanted = rn_bytes_text(*offered);
        unsigned index = 0;
        while (rn_http1_next_field(request, head, "Sec-WebSocket-Protocol", &index, &list))
            while (rn_http_list_next(&list, &element))
                if (rn_bytes_equal(element, wanted)) return element;
    }
    return rn_bytes_of(NULL, 0);
}

unsigned rn_ws_policy_lists(const struct rn_ws_policy *policy,
                            const struct rn_http1_request *request, const uint8_t *head,
                            rn_bytes *subprotocol)
{
    rn_bytes origin = rn_http1_find_field(request, head, "Origin");
    if (!origin_allowed(policy->origins, origin)) return 403;
    *subprotocol = choose_subprotocol(request, head, policy->subprotocols);
    return 101;
}

/* The status to answer with. On 101 *key is the client's key. */
static unsigned judge(const struct rn_http1_request *request, const uint8_t *head, rn_bytes *key)
{
    enum { VERSION, KEY, ORIGIN, FIELDS };
    static const char *const names[FIELDS] = {"Sec-WebSocket-Version", "Sec-WebSocket-Key",
                                              "Origin"};
    rn_bytes fields[FIELDS], again;
    if (request->method != RN_HTTP1_GET) return 405;
    /* HTTP/1.0 has no Upgrade (RFC 9110, section 7.8). */
    if (request->minor < 1) return 400;
    if (!request->upgrade_websocket) return 426;
    /* A body would stand where the first frame is expected. */
    if (request->framing == RN_HTTP1_CHUNKED ||
        (request->framing == RN_HTTP1_LENGTH && request->content_length != 0) ||
        request->host.len == 0)
        return 400;
    for (unsigned i = 0; i < FIELDS; i++) {
        unsigned index = 0;
        if (!rn_http1_next_field(request, head, names[i], &index, &fields[i]))
            fields[i] = rn_bytes_of(NULL, 0);
        else if (rn_http1_next_field(request, head, names[i], &index, &again))
            return 400;
    }
    if (fields[VERSION].ptr == NULL) return 400;
    if (!rn_bytes_equal(fields[VERSION], RN_BYTES("13"))) return 426;
    *key = fields[KEY];
    if (key->len != KEY_LEN || rn_base64_decoded_len(*key) != KEY_BYTES) return 400;
    return 101;
}

int rn_ws_handshake(const struct rn_http1_request *request, const uint8_t *head,
                    const struct rn_ws_policy *policy, struct rn_ws_accept *accept)
{
    rn_bytes key;
    unsigned status = judge(request, head, &key);
    accept->subprotocol = rn_bytes_of(NULL, 0);
    if (status == 101 && policy)
        status = policy->judge(policy, request, head, &accept->subprotocol);
    accept->status = (uint16_t)status;
    if (status != 101) return status == 400 ? RN_E_PROTOCOL : RN_E_UNSUPPORTED;
    rn_ws_accept_key(key, accept->key);
    return 0;
}

void rn_ws_accept_key(rn_bytes key, char accept[28])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    enum { GUID_LEN = sizeof(guid) - 1 };
    uint8_t digest[RN_SHA1_SIZE], text[KEY_LEN + GUID_LEN];
    rn_assert(key.len == KEY_LEN);
    memcpy(text, key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, guid, GUID_LEN);
    rn_sha1(rn_bytes_of(text, sizeof(text)), digest);
    rn_base64_encode(accept, rn_bytes_of(digest, sizeof(digest)));
}

void rn_ws_client_key(const uint8_t random[16], char key[24])
{
    rn_base64_encode(key, rn_bytes_of(random, KEY_BYTES));
}

bool rn_ws_accept_valid(rn_bytes key, rn_bytes accept)
{
    char expected[28];
    rn_ws_accept_key(key, expected);
    return rn_bytes_equal(accept, rn_bytes_of(expected, sizeof(expected)));
}
