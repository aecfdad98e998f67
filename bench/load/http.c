/*
 * bench/load/http.c: GET requests over HTTP/1.1, pipelined or not.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void init(struct load *load)
{
    const struct options *options = load->options;
    char *one;
    bool own_host = !strncasecmp(options->headers, "host:", 5) ||
                    strcasestr(options->headers, "\nhost:");
    bool brackets = strchr(options->host, ':');
    int len = asprintf(&one, "GET %s HTTP/1.1\r\n%s%s%s%s%s%s%s%s%s\r\n", options->path,
                       own_host ? "" : "Host: ", own_host || !brackets ? "" : "[",
                       own_host ? "" : options->host, own_host || !brackets ? "" : "]",
                       own_host ? "" : ":", own_host ? "" : options->port, own_host ? "" : "\r\n",
                       options->close ? "Connection: close\r\n" : "", options->headers);
    if (len < 0) abort();
    load->batch_unit = (size_t)len;
    load->batch = malloc(options->pipeline * load->batch_unit);
    if (!load->batch) abort();
    for (size_t i = 0; i < options->pipeline; i++)
        memcpy(load->batch + i * load->batch_unit, one, load->batch_unit);
    free(one);
}

static void send_batch(struct load *load, struct client *client)
{
    client_send(load, client, load->batch, client->expected * load->batch_unit);
}

static void opened(struct load *load, struct client *client)
{
    if (client->idle) { /* it has one request before it rests */
        client->expected = 1;
        client->phase = CLIENT_BUSY;
        send_batch(load, client);
    } else {
        client_ready(load, client);
    }
}

static void response_done(struct load *load, struct client *client)
{
    struct response *response = &client->response;
    bool last = response->close || load->options->close;
    unsigned status = response->status;
    bool good = status >= 200 && status < 300;
    response_begin(response);
    if (status == 503) client_shed(load, client);
    else client_answered(load, client, good);
    if (client->idle || client->expected) return;
    if (last) {
        client->phase = CLIENT_LEAVING;
    } else {
        client_free(load, client);
    }
}

static void on_end(struct load *load, struct client *client)
{
    if (client->phase == CLIENT_BUSY && client->response.state == RESPONSE_UNTIL_END &&
        response_end(&client->response))
        response_done(load, client);
    client_fail(load, client);
}

/* Returns false when the client is not to be read any further. */
static bool on_bytes(struct load *load, struct client *client, const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        if (client->phase == CLIENT_LEAVING) return true;
        if (client->phase != CLIENT_BUSY) { /* what nobody asked for, such as a 408 */
            client_fail(load, client);
            return false;
        }
        at += response_read(&client->response, data + at, len - at);
        if (client->response.state == RESPONSE_DONE) response_done(load, client);
        if (client->phase == CLIENT_BUSY && client->response.state == RESPONSE_BAD) {
            client_fail(load, client);
            return false;
        }
    }
    return true;
}

static void receive(struct load *load, struct client *client, bool ended)
{
    for (;;) {
        struct response *response = &client->response;
        bool body = client->phase == CLIENT_BUSY &&
                    (response->state == RESPONSE_BODY || response->state == RESPONSE_CHUNK);
        size_t drop = body && response->left > LOAD_INPUT ? response->left : 0;
        if (drop > 1u << 30) drop = 1u << 30;
        ssize_t got = client_receive(load, client, drop);
        if (got < 0) on_end(load, client);
        if (got <= 0) return;
        if (drop) {
            response_skip(response, (uint64_t)got);
            if (response->state == RESPONSE_DONE) response_done(load, client);
        } else if (!on_bytes(load, client, load->input, (size_t)got)) {
            return;
        }
        if ((size_t)got < (drop ? drop : LOAD_INPUT) && !ended) return;
    }
}

const struct protocol protocol_http = {
    .init = init,
    .opened = opened,
    .send = send_batch,
    .receive = receive,
};
