/*
 * bench/load/udp.c: UDP echo. Each datagram begins with a number, so that an answer that comes too
 * late isn't taken for another's; what isn't answered within a second is lost, and an error.
 */
#include "load.h"

#include <endian.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 8, MESSAGES_MAX = 1024, RECEIVED_AT_ONCE = 64, LOST_NS = 1000000000 };

static struct mmsghdr *outgoing, incoming[RECEIVED_AT_ONCE];
static struct iovec *outgoing_parts, incoming_parts[RECEIVED_AT_ONCE];
static char *incoming_bytes;
static size_t incoming_room;

static void init(struct load *load)
{
    const struct options *options = load->options;
    load->batch_unit = options->message;
    load->batch = malloc(options->pipeline * options->message);
    outgoing = calloc(options->pipeline, sizeof *outgoing);
    outgoing_parts = calloc(options->pipeline, sizeof *outgoing_parts);
    incoming_room = options->message + 1; /* one that is too long is seen */
    incoming_bytes = malloc(RECEIVED_AT_ONCE * incoming_room);
    if (!load->batch || !outgoing || !outgoing_parts || !incoming_bytes) abort();
    for (size_t i = 0; i < options->pipeline; i++) {
        char *message = load->batch + i * load->batch_unit;
        for (size_t at = 0; at < options->message; at++) message[at] = (char)(at * 7 + at / 251);
        outgoing_parts[i] = (struct iovec){message, options->message};
        outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &outgoing_parts[i], .msg_iovlen = 1};
    }
    for (size_t i = 0; i < RECEIVED_AT_ONCE; i++) {
        incoming_parts[i] = (struct iovec){incoming_bytes + i * incoming_room, incoming_room};
        incoming[i].msg_hdr = (struct msghdr){.msg_iov = &incoming_parts[i], .msg_iovlen = 1};
    }
}

static void opened(struct load *load, struct client *client)
{
    client->sequence = 0;
    client_ready(load, client);
}

static void send_joined(struct load *load, struct client *client)
{
    char control[CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8))) = {0};
    struct iovec all = {load->batch, client->expected * load->batch_unit};
    struct msghdr message = {.msg_iov = &all,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    uint16_t size = (uint16_t)load->batch_unit;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof size), SOL_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(header), &size, sizeof size);
    sendmsg(client->fd, &message, MSG_NOSIGNAL);
}

/* What can't be sent now is lost like any other datagram. */
static void send_batch(struct load *load, struct client *client)
{
    client->sequence += MESSAGES_MAX;
    for (uint32_t i = 0; i < client->expected; i++) {
        uint64_t number = htobe64(client->sequence + i);
        memcpy(load->batch + i * load->batch_unit, &number, sizeof number);
    }
    if (load->options->gso) {
        send_joined(load, client);
    } else {
        for (uint32_t sent = 0; sent < client->expected;) {
            int now = sendmmsg(client->fd, outgoing + sent, client->expected - sent, MSG_NOSIGNAL);
            if (now <= 0) return;
            sent += (uint32_t)now;
        }
    }
}

static void on_datagram(struct load *load, struct client *client, const char *data, size_t len)
{
    uint64_t number;
    if (load->measuring) load->counts.bytes += len;
    if (client->phase != CLIENT_BUSY || len < sizeof number) return;
    memcpy(&number, data, sizeof number);
    number = be64toh(number) - client->sequence;
    if (number >= MESSAGES_MAX) return; /* of an earlier batch */
    bool good = len == load->options->message && !memcmp(data + NUMBER_SIZE,
                load->batch + NUMBER_SIZE, len - NUMBER_SIZE);
    client_answered(load, client, good);
    if (client->expected == 0) client_free(load, client);
}

static void receive(struct load *load, struct client *client, bool ended)
{
    (void)ended;
    for (;;) {
        int got = recvmmsg(client->fd, incoming, RECEIVED_AT_ONCE, MSG_DONTWAIT, NULL);
        load->now = clock_now();
        if (got < 0 && errno != EAGAIN) { /* an ICMP error: nobody listens there */
            client_fail(load, client);
            return;
        }
        for (int i = 0; i < got; i++)
            on_datagram(load, client, incoming_bytes + (size_t)i * incoming_room,
                        incoming[i].msg_len);
        if (got < RECEIVED_AT_ONCE) return;
    }
}

void udp_sweep(struct load *load)
{
    for (size_t i = 0; i < load->client_count; i++) {
        struct client *client = &load->clients[i];
        if (client->phase == CLIENT_BUSY && load->now - client->started > LOST_NS)
            client_fail(load, client);
    }
}

const struct protocol protocol_udp = {
    .init = init,
    .opened = opened,
    .send = send_batch,
    .receive = receive,
};
