/* A chat over WebSocket at ws://ADDRESS/chat, on as many workers as there are processors: what one
 * says goes to all. Workers share nothing: each gets a copy of the line, and keeps the last few for
 * those of its sockets that take them slowly. */
#include "example.h"

enum { LINE_MAX_BYTES = 512, KEPT = 64 };

struct line {
    struct rn_node node;
    size_t len;
    char text[LINE_MAX_BYTES];
};

struct member {
    struct member *next, **link;
    struct rn_websocket *socket;
    uint64_t seen; /* lines that were sent to it */
};

struct room { /* one for each worker, on whose thread alone it is touched */
    struct member *members;
    uint64_t said;
    struct line *lines[KEPT];
};

static struct room rooms[RN_WORKERS_MAX];
static struct rn_http_server *server;

static struct room *room_of(struct rn_worker *worker) { return &rooms[rn_worker_index(worker)]; }

static void hear(struct rn_worker *worker, struct rn_node *node)
{
    struct room *room = room_of(worker);
    struct line **place = &room->lines[room->said++ % KEPT];
    free(*place);
    *place = rn_container_of(node, struct line, node);
    for (struct member *m = room->members; m; m = m->next) rn_websocket_kick(m->socket);
}

static void say(const struct rn_ws_event *event)
{
    struct rn_runtime *runtime = rn_http_server_runtime(server);
    for (unsigned i = 0; i < rn_runtime_workers(runtime); i++) {
        struct line *line = example_new(1, sizeof *line);
        line->node.run = hear;
        line->len = event->data.len;
        memcpy(line->text, event->data.ptr, event->data.len);
        rn_worker_post(rn_runtime_worker(runtime, i), &line->node);
    }
}

static void opened(struct rn_websocket *socket)
{
    struct room *room = room_of(rn_websocket_worker(socket));
    struct member *member = example_new(1, sizeof *member);
    *member = (struct member){room->members, &room->members, socket, room->said};
    if (room->members) room->members->link = &member->next;
    room->members = member;
    *rn_websocket_user(socket) = member;
}

static void data(struct rn_websocket *socket, const struct rn_ws_event *event)
{
    if (event->first && event->last && event->data.len <= LINE_MAX_BYTES) {
        say(event);
    } else {
        rn_websocket_close(socket, RN_WS_TOO_BIG, RN_BYTES("a line is at most 512 bytes"));
    }
}

static void writable(struct rn_websocket *socket)
{
    struct room *room = room_of(rn_websocket_worker(socket));
    struct member *member = *rn_websocket_user(socket);
    if (room->said - member->seen > KEPT) {
        rn_websocket_close(socket, RN_WS_POLICY, RN_BYTES("too slow"));
        member->seen = room->said;
    }
    for (; member->seen < room->said; member->seen++) {
        struct line *line = room->lines[member->seen % KEPT];
        if (rn_websocket_send(socket, RN_WS_TEXT, true, true, line->text, line->len) < 0) return;
    }
}

static void closed(struct rn_websocket *socket, uint16_t code)
{
    struct member *member = *rn_websocket_user(socket);
    *member->link = member->next;
    if (member->next) member->next->link = member->link;
    free(member);
}

static const struct rn_websocket_handler chat = {
    .opened = opened, .data = data, .writable = writable, .closed = closed,
    .message_max = LINE_MAX_BYTES};
static const struct rn_http_route routes[] = {{"GET", "/chat", NULL, &chat, NULL, 0}};

int main(int argc, char **argv)
{
    struct rn_http_options options = {.routes = routes, .route_count = RN_COUNT(routes)};
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_serve_http(&options, &server);
    for (unsigned i = 0; i < RN_WORKERS_MAX * KEPT; i++) free(rooms[i / KEPT].lines[i % KEPT]);
    return 0;
}
