/*
 * Any bytes to a WebSocket machine, whole and cut up: the events must be the same, and the contract
 * of rn_ws_next kept (ws_log.h). The first four bytes choose role, limit and cuts; the rest is the
 * input. What a client was given, a server is given with the mask bits and keys put in, and must
 * say the same: random bytes would seldom get far behind a mask.
 */
#include "ws_log.h"

#include "fuzz.h"

enum { SETTINGS = 4, INPUT_MAX = 65536 };

/* piece_max 0: all at once. */
static void run(struct ws_log *log, enum rn_ws_role role, uint64_t max, const uint8_t *in,
                size_t len, uint32_t seed, unsigned piece_max)
{
    ws_log_init(log, role, max);
    for (size_t at = 0, piece; at < len; at += piece) {
        seed = seed * 1664525 + 1013904223;
        piece = piece_max == 0 ? len : 1 + (seed >> 24) % piece_max;
        if (piece > len - at) piece = len - at;
        ws_log_feed(log, in + at, piece);
    }
}

static bool starts_with(const struct ws_log *log, const char *text, size_t len)
{
    return log->len >= len && (len == 0 || memcmp(log->text, text, len) == 0);
}

/* What a server says must be what the client said, but where a mask bit stopped only the client. */
static void check_server(const struct ws_log *client, uint64_t max, const uint8_t *in, size_t len,
                         const uint8_t *settings)
{
    static const char mask_error[] = "error 1002";
    static uint8_t masked[3 * INPUT_MAX];
    struct ws_log server;
    size_t same = client->len, error_len = sizeof(mask_error) - 1;
    size_t masked_len = ws_masked(masked, in, len, settings[3]);
    run(&server, RN_WS_SERVER, max, masked, masked_len, settings[3], 1 + settings[2]);
    bool alike = server.len == same && starts_with(&server, client->text, same);
    bool stopped = same >= error_len &&
                   memcmp(client->text + same - error_len, mask_error, error_len) == 0 &&
                   starts_with(&server, client->text, same - error_len);
    ws_require(alike || stopped, "the server said something else");
    ws_log_free(&server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ws_log whole, cut;
    if (size < SETTINGS || size > INPUT_MAX) return -1;
    enum rn_ws_role role = data[0] & 1 ? RN_WS_CLIENT : RN_WS_SERVER;
    uint64_t max = data[1] == 255 ? UINT64_MAX : data[1] * 16u;
    const uint8_t *in = data + SETTINGS;
    size_t len = size - SETTINGS;
    run(&whole, role, max, in, len, 0, 0);
    run(&cut, role, max, in, len, data[3], 1 + data[2]);
    ws_require(whole.len == cut.len && starts_with(&whole, cut.text, cut.len),
               "other events when cut");
    ws_require(whole.consumed == cut.consumed, "consumed otherwise when cut");
    if (role == RN_WS_CLIENT) check_server(&whole, max, in, len, data);
    ws_log_free(&whole);
    ws_log_free(&cut);
    return 0;
}
