/* A WebSocket client: ws_say BACKEND URL TEXT... sends each text, prints as many answers, and says
 * goodbye. */
#include "example.h"

static struct {
    struct rn_task task;
    rn_co co;
    struct rn_http_client http;
    struct rn_future *closed;
    struct rn_ws_client ws;
    rn_bytes url;
    char **texts;
    int count, at;
} say;

/* Prints a piece of a message; true at its end. */
static bool print(const struct rn_ws_event *event)
{
    fwrite(event->data.ptr, 1, event->data.len, stdout);
    if (event->last) putchar('\n');
    return event->last;
}

static enum rn_poll run(struct rn_task *task, struct rn_cx *cx)
{
    struct rn_http_client_options options = {0};
    RN_BEGIN(&say.co);
    example_check(rn_http_client_init(&say.http, cx->worker, &options), "client");
    say.ws = (struct rn_ws_client){.http = &say.http};
    rn_ws_client_connect(&say.ws, cx, say.url);
    RN_AWAIT(&say.co, &say.ws.connected, cx);
    for (; say.at < say.count && say.ws.connect_result == 0; say.at++) {
        rn_ws_client_send(&say.ws, RN_WS_TEXT, say.texts[say.at], strlen(say.texts[say.at]));
        RN_AWAIT(&say.co, &say.ws.sent, cx);
        do RN_AWAIT(&say.co, &say.ws.received, cx);
        while (say.ws.receive_result == 0 && say.ws.event.kind == RN_WS_EVENT_DATA &&
               !print(&say.ws.event));
        if (say.ws.receive_result < 0 || say.ws.event.kind == RN_WS_EVENT_CLOSE) break;
    }
    rn_ws_client_close(&say.ws, cx, RN_WS_NORMAL, RN_BYTES("that was all"));
    RN_AWAIT(&say.co, &say.ws.closed, cx);
    say.closed = rn_http_client_close(&say.http);
    RN_AWAIT(&say.co, say.closed, cx);
    rn_http_client_fini(&say.http);
    rn_resolver_stop(cx->worker);
    RN_END(&say.co);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s BACKEND URL TEXT...\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    say.url = rn_bytes_of(argv[2], strlen(argv[2]));
    say.texts = argv + 3;
    say.count = argc - 3;
    say.task.poll = run;
    example_check((int)example_complete(1, &say.task), "run");
    example_check(say.ws.connect_result, argv[2]);
    if (say.ws.receive_result < 0) example_check(say.ws.receive_result, argv[2]);
    return say.at == say.count ? 0 : 1;
}
