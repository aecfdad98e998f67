/*
 * bench/load/ws.c: WebSocket echo (RFC 6455): masked frames out, and what comes back must have the
 * same kind, length and content. Short messages are compared all, of long ones each sixteenth.
 */
#include "load.h"

#include "proto/base64.h"
#include "proto/sha1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10,
    COMPARED_ALWAYS = 256,
    COMPARED_ONE_IN = 16,
};

/* The kinds of frames are few and the same for all clients. */
static char *payload, *handshake;
static size_t handshake_len;
static uint8_t opcode;

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* A client's frame (section 5.2) with a payload of at most 1 MiB. Returns its length. */
static size_t frame(uint8_t *to, uint8_t kind, const char *data, size_t len)
{
    size_t at = 2;
    to[0] = 0x80 | kind;
    if (len < 126) {
        to[1] = (uint8_t)(0x80 | len);
    } else {
        size_t bytes = len < 65536 ? 2 : 8;
        to[1] = 0x80 | (bytes == 2 ? 126 : 127);
        for (; at < 2 + bytes; at++) to[at] = (uint8_t)(len >> 8 * (1 + bytes - at));
    }
    memcpy(to + at, mask, sizeof mask);
    at += sizeof mask;
    for (size_t i = 0; i < len; i++) to[at + i] = (uint8_t)data[i] ^ mask[i & 3];
    return at + len;
}

static void init_handshake(const struct options *options)
{
    static char accept[29];
    const char *key = "cnVubmVsLWJlbmNoLWtleQ==";
    char joined[128];
    uint8_t digest[RN_SHA1_SIZE];
    int len = snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    rn_sha1(rn_bytes_of(joined, (size_t)len), digest);
    rn_base64_encode(accept, rn_bytes_of(digest, sizeof digest));
    response_accept = accept;
    len = asprintf(&handshake,
                   "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: %s\r\n%s\r\n",
                   options->path, options->host, options->port, key, options->headers);
    if (len < 0) abort();
    handshake_len = (size_t)len;
}

static void init(struct load *load)
{
    const struct options *options = load->options;
    opcode = options->text ? TEXT : BINARY;
    payload = malloc(options->message + 1);
    load->batch = malloc(options->pipeline * (options->message + 14));
    if (!payload || !load->batch) abort();
    for (size_t i = 0; i < options->message; i++)
        payload[i] = options->text ? (char)('a' + i % 23) : (char)(i * 7 + i / 251);
    for (size_t i = 0; i < options->pipeline; i++) {
        uint8_t *to = (uint8_t *)load->batch + i * load->batch_unit;
        load->batch_unit = frame(to, opcode, payload, options->message);
    }
    init_handshake(options);
}

static void opened(struct load *load, struct client *client)
{
    client_send(load, client, handshake, handshake_len);
}

static void send_batch(struct load *load, struct client *client)
{
    client_send(load, client, load->batch, client->expected * load->batch_unit);
}

/* Returns how much of the header is still missing. */
static size_t header_missing(const struct frame_reader *frames)
{
    size_t wanted = 2;
    if (frames->header_len >= 2) {
        unsigned len = frames->header[1] & 0x7f;
        wanted += len == 126 ? 2 : len == 127 ? 8 : 0;
    }
    return wanted - frames->header_len;
}

/* A header is complete. Returns false for one that no server may send here. */
static bool header_done(struct load *load, struct client *client)
{
    struct frame_reader *frames = &client->frames;
    uint8_t kind = frames->header[0] & 0x0f;
    frames->fin = frames->header[0] & 0x80;
    frames->left = frames->header[1] & 0x7f;
    if (frames->header[0] & 0x70 || frames->header[1] & 0x80) return false;
    if (frames->left > 125) {
        frames->left = 0;
        for (unsigned i = 2; i < frames->header_len; i++)
            frames->left = frames->left << 8 | frames->header[i];
    }
    frames->header_len = 0;
    frames->in_payload = true;
    frames->opcode = kind;
    if (kind >= CLOSE) return kind != CLOSE && frames->left <= 125 && frames->fin;
    if (client->phase != CLIENT_BUSY || kind != (frames->at ? 0 : opcode)) return false;
    size_t message = load->options->message;
    frames->compare = message <= COMPARED_ALWAYS || frames->number % COMPARED_ONE_IN == 0;
    if (frames->left > message - frames->at) return false;
    return frames->left > 0 || frames->fin;
}

static void payload_piece(struct client *client, const char *data, size_t len)
{
    struct frame_reader *frames = &client->frames;
    if (frames->opcode < CLOSE) {
        if (frames->compare && memcmp(data, payload + frames->at, len)) client->wrong = true;
        frames->at += len;
    } else if (frames->opcode == PING) {
        memcpy(frames->control + frames->control_len, data, len);
        frames->control_len = (uint8_t)(frames->control_len + len);
    }
    frames->left -= len;
}

/* A frame is complete. A pong can't go into the middle of a frame: while one is being sent there is
 * none, which section 5.5.3 allows only as long as another ping follows. */
static void frame_done(struct load *load, struct client *client)
{
    struct frame_reader *frames = &client->frames;
    frames->in_payload = false;
    if (frames->opcode == PING && client->out_sent == client->out_len) {
        uint8_t pong[2 + 4 + 125];
        size_t len = frame(pong, PONG, frames->control, frames->control_len);
        if (send(client->fd, pong, len, MSG_NOSIGNAL) != (ssize_t)len)
            shutdown(client->fd, SHUT_RDWR); /* the end will be received */
    }
    frames->control_len = 0;
    if (frames->opcode >= CLOSE || !frames->fin) return;
    bool good = frames->at == load->options->message && !client->wrong;
    frames->at = 0;
    frames->number++;
    client->wrong = false;
    client_answered(load, client, good);
    if (client->expected == 0) client_free(load, client);
}

/* Returns false when the client failed. */
static bool on_frames(struct load *load, struct client *client, const char *data, size_t len)
{
    struct frame_reader *frames = &client->frames;
    for (size_t at = 0; at < len;) {
        if (!frames->in_payload) {
            frames->header[frames->header_len++] = (uint8_t)data[at++];
            if (header_missing(frames) > 0) continue;
            if (!header_done(load, client)) {
                client_fail(load, client);
                return false;
            }
        }
        size_t part = len - at < frames->left ? len - at : (size_t)frames->left;
        payload_piece(client, data + at, part);
        at += part;
        if (frames->left == 0) frame_done(load, client);
    }
    return true;
}

/* Returns how much of the data was the handshake's answer, or -1. */
static ssize_t on_handshake(struct load *load, struct client *client, const char *data, size_t len)
{
    struct response *response = &client->response;
    size_t taken = response_read(response, data, len);
    if (response->state == RESPONSE_HEAD) return (ssize_t)taken;
    bool good = response->state == RESPONSE_DONE && response->status == 101 && response->accepted;
    if (!good) {
        if (!load->running && !*load->failure)
            snprintf(load->failure, sizeof load->failure,
                     "no WebSocket here: the handshake was answered with %d", response->status);
        client_fail(load, client);
        return -1;
    }
    response_begin(response);
    client->frames = (struct frame_reader){0};
    client_ready(load, client);
    return (ssize_t)taken;
}

static void receive(struct load *load, struct client *client, bool ended)
{
    for (;;) {
        ssize_t got = client_receive(load, client, 0), at = 0;
        if (got < 0) client_fail(load, client);
        if (got <= 0) return;
        if (client->phase == CLIENT_HANDSHAKE) {
            at = on_handshake(load, client, load->input, (size_t)got);
            if (at < 0) return;
        }
        if (!on_frames(load, client, load->input + at, (size_t)(got - at))) return;
        if (got < LOAD_INPUT && !ended) return;
    }
}

const struct protocol protocol_ws = {
    .init = init,
    .opened = opened,
    .send = send_batch,
    .receive = receive,
};
