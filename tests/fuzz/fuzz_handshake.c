/*
 * The WebSocket handshake: a request's head is judged as the list in runnel/ws.h has it, written
 * here once more in plain steps; and the client's side believes its own answer and no other. The
 * first byte chooses the server's policy, the next 16 are the client's random ones.
 */
#include "fuzz.h"

#include <runnel/http1.h>
#include <runnel/ws.h>

#include "base/bytes.h"
#include "proto/base64.h"

static const char *const origins[] = {"https://example.com", "", NULL};
static const char *const protocols[] = {"chat", "superchat", NULL};

static unsigned count_fields(const struct rn_http1_request *request, const uint8_t *head,
                             const char *name)
{
    unsigned index = 0, count = 0;
    rn_bytes value;
    while (rn_http1_next_field(request, head, name, &index, &value)) count++;
    return count;
}

static unsigned expected(const struct rn_http1_request *request, const uint8_t *head, bool strict)
{
    rn_bytes version = rn_http1_find_field(request, head, "sec-websocket-version");
    rn_bytes key = rn_http1_find_field(request, head, "SEC-WEBSOCKET-KEY");
    rn_bytes origin = rn_http1_find_field(request, head, "Origin");
    if (!rn_bytes_equal(rn_http1_slice(head, request->method_name), RN_BYTES("GET"))) return 405;
    if (request->minor == 0) return 400;
    if (!request->upgrade_websocket) return 426;
    if (request->framing == RN_HTTP1_CHUNKED || request->content_length) return 400;
    if (!request->host.len) return 400;
    if (count_fields(request, head, "Sec-WebSocket-Version") != 1) return 400;
    if (count_fields(request, head, "Sec-WebSocket-Key") > 1) return 400;
    if (count_fields(request, head, "Origin") > 1) return 400;
    if (!rn_bytes_equal(version, RN_BYTES("13"))) return 426;
    if (key.len != 24 || rn_base64_decoded_len(key) != 16) return 400;
    if (strict && origin.len && !rn_bytes_equal_nocase(origin, RN_BYTES("https://example.com")))
        return 403;
    return 101;
}

static void check_server(rn_bytes in, bool strict)
{
    struct rn_http1_request request;
    struct rn_ws_accept accept;
    struct rn_ws_policy policy = {rn_ws_policy_lists, strict ? origins : NULL, protocols};
    rn_http1_request_init(&request);
    rn_ssize len = rn_http1_parse_head(&request, in.ptr, in.len);
    if (len <= 0) return;
    const uint8_t *head = guarded_copy(1, in.ptr, (size_t)len).ptr;
    memset(&accept, 0xA5, sizeof accept);
    int result = rn_ws_handshake(&request, head, &policy, &accept);
    require(accept.status == expected(&request, head, strict));
    require(result == (accept.status == 101   ? 0
                       : accept.status == 400 ? RN_E_PROTOCOL
                                              : RN_E_UNSUPPORTED));
    if (result < 0) return;
    rn_bytes answer = rn_bytes_of(accept.key, sizeof accept.key);
    require(rn_base64_decoded_len(answer) == 20);
    require(rn_ws_accept_valid(rn_http1_find_field(&request, head, "Sec-WebSocket-Key"), answer));
    if (accept.subprotocol.len) {
        require(accept.subprotocol.ptr > head && accept.subprotocol.ptr < head + len);
        require(rn_bytes_equal(accept.subprotocol, RN_BYTES("chat")) ||
                rn_bytes_equal(accept.subprotocol, RN_BYTES("superchat")));
    }
}

static void check_client(rn_bytes random)
{
    char key[24], accept[28];
    uint8_t bytes[16] = {0};
    if (random.len) memcpy(bytes, random.ptr, random.len);
    rn_ws_client_key(bytes, key);
    rn_bytes sent = rn_bytes_of(key, sizeof key);
    require(rn_base64_decoded_len(sent) == 16);
    rn_ws_accept_key(sent, accept);
    require(rn_ws_accept_valid(sent, rn_bytes_of(accept, sizeof accept)));
    require(!rn_ws_accept_valid(sent, rn_bytes_of(accept, sizeof accept - 1)));
    accept[bytes[0] % sizeof accept] ^= 1;
    require(!rn_ws_accept_valid(sent, rn_bytes_of(accept, sizeof accept)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rn_bytes input = rn_bytes_of(data, size);
    bool strict = take_byte(&input) & 1;
    check_client(take_bytes(&input, 16));
    check_server(guarded_copy(0, input.ptr, input.len), strict);
    return 0;
}
