/*
 * bench/peers/lws_echo.c: WebSocket echo with libwebsockets, without compression: lws_echo PORT
 *
 * Messages are written from the receive callback at once: asking for a callback when there is room
 * first, as the library's examples do, costs two epoll_ctl and a turn of the loop more for each.
 * What the socket doesn't take the library keeps and sends. A message that comes in one piece needs
 * no memory of its connection's own.
 */
#include <libwebsockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 65536 };

struct client {
    unsigned char *pieces; /* LWS_PRE bytes for the library, then what there is of a message */
    size_t count;
};

static int send_message(struct lws *wsi, unsigned char *message, size_t count)
{
    enum lws_write_protocol kind = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    return lws_write(wsi, message, count, kind) < (int)count ? -1 : 0;
}

static int forget(struct client *client, int result)
{
    free(client->pieces);
    client->pieces = NULL;
    client->count = 0;
    return result;
}

static int received(struct lws *wsi, struct client *client, const void *in, size_t count)
{
    static unsigned char whole[LWS_PRE + MESSAGE_MAX];
    int last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);
    if (count > MESSAGE_MAX - client->count) return -1;
    if (last && !client->pieces) {
        memcpy(whole + LWS_PRE, in, count);
        return send_message(wsi, whole + LWS_PRE, count);
    }
    if (!client->pieces) client->pieces = malloc(LWS_PRE + MESSAGE_MAX);
    if (!client->pieces) return -1;
    memcpy(client->pieces + LWS_PRE + client->count, in, count);
    client->count += count;
    if (!last) return 0;
    return forget(client, send_message(wsi, client->pieces + LWS_PRE, client->count));
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t count)
{
    struct client *client = user;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
        return received(wsi, client, in, count);
    case LWS_CALLBACK_CLOSED:
        return forget(client, 0);
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
        .options = LWS_SERVER_OPTION_DISABLE_IPV6, /* else it takes no address of IPv4 */
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
