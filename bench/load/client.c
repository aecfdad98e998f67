/*
 * bench/load/client.c: the life of one connection: it opens, sends and receives, and ends.
 */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void give_up(struct load *load, const char *what, int error)
{
    if (*load->failure) return;
    snprintf(load->failure, sizeof load->failure, "%s: %s", what,
             error ? strerror(error) : "the server closed the connection");
}

/* One address has some 28,000 ports, and a closed connection keeps its own for a minute. */
static void bind_source(struct load *load, int fd)
{
    const struct options *options = load->options;
    const struct sockaddr_in *to = (const struct sockaddr_in *)&load->address;
    bool spread = options->close || options->idle || options->connections > 20000;
    if (!spread || to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127) return;
    uint32_t host = 2 + (uint32_t)(load->opens++ % SOURCE_ADDRESSES);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(127u << 24 | host)};
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from)) give_up(load, "bind", errno);
}

void client_open(struct load *load, struct client *client)
{
    bool udp = load->options->mode == MODE_UDP;
    int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, on = 1;
    client->fd = socket(load->address.ss_family, type, 0);
    client->phase = CLIENT_CONNECTING;
    if (client->fd < 0) {
        give_up(load, "socket", errno);
        return;
    }
    if (!udp) setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!udp) bind_source(load, client->fd);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = client};
    if (connect(client->fd, (struct sockaddr *)&load->address, load->address_len) &&
        errno != EINPROGRESS) {
        if (!load->running) give_up(load, "connect", errno);
        client_fail(load, client);
        return;
    }
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event))
        give_up(load, "epoll_ctl", errno);
}

void client_free(struct load *load, struct client *client)
{
    client->phase = CLIENT_FREE;
    client->next = NULL;
    *load->free_last = client;
    load->free_last = &client->next;
}

void client_ready(struct load *load, struct client *client)
{
    if (!load->running) {
        load->opening--;
        load->opened++;
    }
    if (client->idle) {
        client->phase = CLIENT_RESTING;
        load->resting++;
    } else if (client->expected) {
        client->phase = CLIENT_BUSY;
        load->protocol->send(load, client);
    } else {
        client_free(load, client);
    }
}

void requests_ended(struct load *load, uint64_t count)
{
    load->answered += count;
    if (load->options->requests && load->answered >= load->options->requests)
        load->finished = true;
}

void client_answered(struct load *load, struct client *client, bool good)
{
    client->expected--;
    if (client->idle) {
        if (good) client_ready(load, client);
        if (!good) snprintf(load->failure, sizeof load->failure, "an idle client's request failed");
        return;
    }
    requests_ended(load, 1);
    if (!load->measuring) return;
    load->counts.requests++;
    load->counts.errors += !good;
    histogram_add(&load->counts.latency, load->now > client->due ? load->now - client->due : 0);
}

void client_shed(struct load *load, struct client *client)
{
    client->expected--;
    requests_ended(load, 1);
    load->counts.shed += load->measuring;
}

void client_expire(struct load *load, struct client *client, uint64_t before)
{
    if (!client->expected || client->idle || client->due >= before) return;
    if (load->measuring) load->counts.expired += client->expected;
    requests_ended(load, client->expected);
    client->expected = 0;
    client->phase = CLIENT_LEAVING;
    client_fail(load, client);
}

static void connect_failed(struct load *load, struct client *client)
{
    if (!load->running) give_up(load, "connect", 0);
    load->counts.connect_errors += load->measuring;
    requests_ended(load, client->expected);
    client->expected = 0;
    client->phase = CLIENT_CLOSED; /* tried again by the next sweep, not at once */
}

void client_fail(struct load *load, struct client *client)
{
    if (load->options->mode == MODE_HTTP || client->phase == CLIENT_HANDSHAKE)
        response_begin(&client->response);
    close(client->fd);
    client->fd = -1;
    client->out_len = client->out_sent = 0;
    switch (client->phase) {
    case CLIENT_CONNECTING:
    case CLIENT_HANDSHAKE: connect_failed(load, client); break;
    case CLIENT_RESTING:
        load->resting--;
        load->idle_lost++;
        client->phase = CLIENT_CLOSED;
        if (load->options->hold > 0 && load->resting == 0) load->finished = load->measuring;
        break;
    case CLIENT_BUSY:
        if (!load->running) give_up(load, "an idle client's request", 0);
        if (load->measuring) load->counts.errors += client->expected;
        requests_ended(load, client->expected);
        client->expected = 0;
        client_free(load, client);
        break;
    case CLIENT_LEAVING: client_free(load, client); break;
    case CLIENT_FREE: break; /* opened again when its turn comes */
    }
}

static void flush(struct load *load, struct client *client)
{
    size_t len = client->out_len - client->out_sent;
    ssize_t sent = send(client->fd, client->out + client->out_sent, len, MSG_NOSIGNAL);
    if (sent >= 0) {
        client->out_sent += (size_t)sent;
    } else if (errno != EAGAIN) {
        client_fail(load, client);
    }
}

void client_send(struct load *load, struct client *client, const char *out, size_t len)
{
    client->out = out;
    client->out_len = len;
    client->out_sent = 0;
    flush(load, client);
}

ssize_t client_receive(struct load *load, struct client *client, size_t drop)
{
    ssize_t got = recv(client->fd, drop ? NULL : load->input, drop ? drop : LOAD_INPUT,
                       drop ? MSG_TRUNC : 0);
    load->now = clock_now();
    if (got > 0) {
        if (load->measuring) load->counts.bytes += (uint64_t)got;
        return got;
    }
    return got < 0 && errno == EAGAIN ? 0 : -1;
}

static void connected(struct load *load, struct client *client, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP)) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (!load->running) give_up(load, "connect", error);
        client_fail(load, client);
    } else if (events & EPOLLOUT) {
        client->phase = CLIENT_HANDSHAKE;
        memset(&client->response, 0, sizeof client->response);
        load->protocol->opened(load, client);
    }
}

void client_event(struct load *load, struct client *client, uint32_t events)
{
    if (client->fd < 0) return;
    if (client->phase == CLIENT_CONNECTING) {
        connected(load, client, events);
        events &= ~(uint32_t)EPOLLOUT;
    }
    if (client->fd >= 0 && (events & EPOLLOUT) && client->out_sent < client->out_len)
        flush(load, client);
    bool ended_too = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (client->fd >= 0 && client->phase != CLIENT_CONNECTING && (events & EPOLLIN || ended_too))
        load->protocol->receive(load, client, ended_too);
    schedule_pump(load);
}
