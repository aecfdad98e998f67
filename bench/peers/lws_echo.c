/*
 * bench/peers/lws_echo.c: WebSocket echo with libwebsockets, without compression: lws_echo PORT
 *
 * Each message is collected whole and written from the receive callback at once: asking for a
 * callback when there is room first, as the library's examples do, costs two epoll_ctl and a turn
 * of the loop more for each message. What the socket doesn't take the library keeps and sends.
 */
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 65536 };

struct client {
    unsigned char *buffer; /* LWS_PRE bytes for the library, then the message */
    size_t count;
};

static int received(struct lws *wsi, struct client *client, const void *in, size_t count)
{
    if (lws_is_first_fragment(wsi)) client->count = 0;
    if (count > MESSAGE_MAX - client->count) return -1;
    memcpy(client->buffer + LWS_PRE + client->count, in, count);
    client->count += count;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi)) return 0;
    enum lws_write_protocol kind = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    int sent = lws_write(wsi, client->buffer + LWS_PRE, client->count, kind);
    return sent < (int)client->count ? -1 : 0;
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t count)
{
    struct client *client = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        client->buffer = malloc(LWS_PRE + MESSAGE_MAX);
        return client->buffer ? 0 : -1;
    case LWS_CALLBACK_RECEIVE:
        return received(wsi, client, in, count);
    case LWS_CALLBACK_CLOSED:
        free(client->buffer);
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "echo", .callback = echo, .per_session_data_size = sizeof(struct client),
         .rx_buffer_size = MESSAGE_MAX, .tx_packet_size = 0},
        {0},
    };
    struct lws_context_creation_info info = {
        .port = argc == 2 ? atoi(argv[1]) : 0,
        .iface = "127.0.0.1",
        .protocols = protocols,
        .pt_serv_buf_size = 32768,
        .gid = -1,
        .uid = -1,
    };
    if (argc != 2) {
        fprintf(stderr, "usage: lws_echo PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    while (lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return 0;
}
