/* Two polls, counted before everybody's eyes. Both have the same handlers: which poll a request or
 * a socket is about is in its route's context.
 *
 *     curl -X POST localhost:7000/tea           a vote: "1"
 *     curl localhost:7000/tea                   the count
 *     ws://localhost:7000/tea/live              the count whenever it changes; a message is a vote
 */
#include "example.h"

struct poll { /* of the one worker */
    unsigned votes;
    struct viewer *viewers;
};

struct viewer {
    struct viewer *next, **link;
    struct rn_websocket *socket;
    unsigned seen;
    bool told;
};

static void vote(struct poll *poll)
{
    poll->votes++;
    for (struct viewer *viewer = poll->viewers; viewer; viewer = viewer->next)
        rn_websocket_kick(viewer->socket);
}

/* ---- Over HTTP ------------------------------------------------------------------------------- */

static void show(struct rn_request *request)
{
    const struct poll *poll = rn_request_context(request);
    char text[16];
    int len = snprintf(text, sizeof text, "%u\n", poll->votes);
    rn_respond(request, 200, "text/plain", text, (size_t)len);
}

static void vote_and_show(struct rn_request *request)
{
    vote(rn_request_context(request));
    show(request);
}

/* ---- Over WebSocket -------------------------------------------------------------------------- */

static void opened(struct rn_websocket *socket)
{
    struct poll *poll = rn_websocket_context(socket);
    struct viewer *viewer = malloc(sizeof *viewer);
    *viewer = (struct viewer){poll->viewers, &poll->viewers, socket, 0, false};
    if (poll->viewers) poll->viewers->link = &viewer->next;
    poll->viewers = viewer;
    *rn_websocket_user(socket) = viewer;
    rn_websocket_kick(socket);
}

static void data(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    if (event->last) vote(rn_websocket_context(socket));
}

/* Votes that came together are told together. Where there is no room now, this is called again. */
static void writable(struct rn_websocket *socket)
{
    const struct poll *poll = rn_websocket_context(socket);
    struct viewer *viewer = *rn_websocket_user(socket);
    char text[16];
    int len = snprintf(text, sizeof text, "%u", poll->votes);
    if (viewer->told && viewer->seen == poll->votes) return;
    if (rn_websocket_send(socket, RN_WS_TEXT, true, true, text, (size_t)len) < 0) return;
    viewer->told = true;
    viewer->seen = poll->votes;
}

static void closed(struct rn_websocket *socket, uint16_t code)
{
    struct viewer *viewer = *rn_websocket_user(socket);
    *viewer->link = viewer->next;
    if (viewer->next) viewer->next->link = viewer->link;
    free(viewer);
}

static const struct rn_websocket_handler live = {
    .opened = opened, .data = data, .writable = writable, .closed = closed};

int main(int argc, char **argv)
{
    struct poll tea = {0}, coffee = {0};
    const struct rn_http_route routes[] = {
        {"GET", "/tea", show, NULL, &tea, 0},
        {"POST", "/tea", vote_and_show, NULL, &tea, 0},
        {"GET", "/tea/live", NULL, &live, &tea, 0},
        {"GET", "/coffee", show, NULL, &coffee, 0},
        {"POST", "/coffee", vote_and_show, NULL, &coffee, 0},
        {"GET", "/coffee/live", NULL, &live, &coffee, 0},
    };
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve_routes(routes, RN_COUNT(routes), 1);
}
