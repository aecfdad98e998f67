/*
 * An HTTP client on each backend, and a server that does as a script says: what it is asked is kept
 * word by word, and what it answers need not be HTTP.
 */
#ifndef TESTS_CLIENT_BED_H
#define TESTS_CLIENT_BED_H

#include "net_bed.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>

#include <runnel/http_client.h>
#include <runnel/resolver.h>
#include <runnel/ws.h>

/* ---- The server ------------------------------------------------------------------------------ */

enum {
    SCRIPT_STEPS = 24,
    SCRIPT_CLOSE = 1,  /* closes behind it */
    SCRIPT_RESET = 2,  /* the same, with a reset */
    SCRIPT_HEAD = 4,   /* reads only the head of the request */
    SCRIPT_MUTE = 8,   /* reads nothing before */
    SCRIPT_CUT = 16,   /* byte by byte */
    SCRIPT_NEXT = 32,  /* what follows is for the next connection */
    SCRIPT_STAY = 64,  /* waits for the client's end */
    SCRIPT_ENDLESS = 128, /* says it again and again until the client is gone */
};

struct script_step {
    const char *answer;
    unsigned flags;
};

static struct {
    int listener;
    uint16_t port;
    pthread_t thread;
    const struct script_step *steps;
    char requests[SCRIPT_STEPS][8192]; /* of each step: what was asked */
    unsigned count;                    /* of steps done */
    unsigned connections;
} script;

static bool script_read(int fd, char *to, size_t *len)
{
    ssize_t got;
    do got = recv(fd, to + *len, 1, 0);
    while (got < 0 && errno == EINTR);
    if (got == 1) to[++*len] = 0;
    return got == 1;
}

/* The head, and the content as far as it goes. False: the client is gone. */
static bool script_request(int fd, char *to, bool head_only)
{
    size_t len = 0, body = 0;
    to[0] = 0;
    do if (len > 4000 || !script_read(fd, to, &len)) return false;
    while (!strstr(to, "\r\n\r\n"));
    const char *length = strstr(to, "Content-Length: ");
    if (head_only) return true;
    if (length)
        for (body = strtoul(length + 16, NULL, 10); body; body--) {
            if (len >= sizeof script.requests[0] - 1) len--; /* the last of many */
            if (!script_read(fd, to, &len)) return false;
        }
    if (strstr(to, "chunked"))
        while (!strstr(to, "0\r\n\r\n"))
            if (len >= sizeof script.requests[0] - 1 || !script_read(fd, to, &len)) return false;
    return true;
}

/* "@KEY@" stands for the right Sec-WebSocket-Accept, "@NUL@" for that byte. */
static size_t script_expand(char *to, const char *answer, const char *request)
{
    const char *key = strstr(request, "Sec-WebSocket-Key: ");
    size_t len = 0;
    while (*answer) {
        if (key && !strncmp(answer, "@KEY@", 5)) {
            rn_ws_accept_key(rn_bytes_of(key + 19, 24), to + len);
            len += 28;
            answer += 5;
        } else if (!strncmp(answer, "@NUL@", 5)) {
            to[len++] = 0;
            answer += 5;
        } else {
            to[len++] = *answer++;
        }
    }
    return len;
}

static bool script_say(int fd, const struct script_step *step, const char *request)
{
    static char answer[1 << 17];
    if (strlen(step->answer) >= sizeof answer) abort();
    size_t len = script_expand(answer, step->answer, request);
    size_t piece = step->flags & SCRIPT_CUT ? 1 : len;
    for (size_t at = 0; at < len; at += piece)
        if (send(fd, answer + at, piece, MSG_NOSIGNAL) < 0) return false;
    return true;
}

static const struct script_step *script_serve(int fd, const struct script_step *step)
{
    struct linger linger = {.l_onoff = 1};
    int on = 1;
    char byte;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (; step->answer; step++) {
        char *request = script.requests[script.count];
        if (!(step->flags & SCRIPT_MUTE) &&
            !script_request(fd, request, step->flags & SCRIPT_HEAD))
            return step;
        __atomic_store_n(&script.count, script.count + 1, __ATOMIC_RELEASE);
        while (script_say(fd, step, request) && step->flags & SCRIPT_ENDLESS) {}
        if (step->flags & SCRIPT_STAY)
            while (recv(fd, &byte, 1, 0) > 0) {}
        if (step->flags & SCRIPT_RESET)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        if (step->flags & (SCRIPT_CLOSE | SCRIPT_RESET | SCRIPT_NEXT | SCRIPT_STAY))
            return step + 1;
    }
    return step;
}

/* Ends with the script, and after it takes what comes, to close it. */
static void *script_run(void *argument)
{
    const struct script_step *step = script.steps;
    struct timeval patience = {.tv_sec = 20};
    int kept[SCRIPT_STEPS], keeping = 0;
    while (step->answer) {
        int fd = accept(script.listener, NULL, NULL);
        if (fd < 0) break;
        script.connections++;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const struct script_step *before = step;
        step = script_serve(fd, step);
        if (step > before && step[-1].flags & SCRIPT_NEXT) kept[keeping++] = fd;
        else close(fd);
    }
    while (keeping) close(kept[--keeping]);
    return NULL;
}

static void script_start(const struct script_step *steps)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    memset(&script, 0, sizeof script);
    script.steps = steps;
    script.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(script.listener, 16), 0);
    getsockname(script.listener, (struct sockaddr *)&address, &len);
    script.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&script.thread, NULL, script_run, NULL), 0);
}

/* After the client is closed: all of the script has been played. */
static void script_stop(unsigned steps)
{
    shutdown(script.listener, SHUT_RDWR);
    assert_int_equal(pthread_join(script.thread, NULL), 0);
    close(script.listener);
    assert_int_equal(script.count, steps);
}

/* ---- The client ------------------------------------------------------------------------------ */

static struct rn_http_client bed_client;

struct fetch {
    struct rn_task task;
    rn_co co;
    struct rn_http_call call;
    const char *url;
    bool only_head; /* ends the call without reading */
    bool over;
    int result;
    unsigned status;
    char field[256]; /* X-Test */
    uint8_t *content;
    size_t len, cap;
};

static enum rn_poll fetch_run(struct rn_task *task, struct rn_cx *cx)
{
    struct fetch *fetch = rn_container_of(task, struct fetch, task);
    struct rn_http_call *call = &fetch->call;
    RN_BEGIN(&fetch->co);
    rn_http_call_start(call, cx, rn_bytes_of(fetch->url, strlen(fetch->url)));
    RN_AWAIT(&fetch->co, &call->future, cx);
    fetch->status = call->exchange.response.status;
    if (call->result == 0) {
        rn_bytes value = rn_http_call_field(call, "X-Test");
        snprintf(fetch->field, sizeof fetch->field, "%.*s", (int)value.len,
                 value.ptr ? (const char *)value.ptr : "");
    }
    while (call->result == 0 && !fetch->only_head) {
        rn_http_call_read(call, cx);
        RN_AWAIT(&fetch->co, &call->future, cx);
        if (call->result < 0 || call->data.len == 0) break;
        if (fetch->len + call->data.len >= fetch->cap) {
            fetch->cap = 2 * (fetch->len + call->data.len) + 1;
            fetch->content = realloc(fetch->content, fetch->cap);
        }
        memcpy(fetch->content + fetch->len, call->data.ptr, call->data.len);
        fetch->len += call->data.len;
        fetch->content[fetch->len] = 0;
    }
    fetch->result = call->result;
    rn_http_call_end(call);
    fetch->over = true;
    RN_END(&fetch->co);
}

/* Cleared, but for nothing: to be set up further, then started. */
static inline struct fetch *fetch_new(const char *method, const char *url)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    fetch->call.client = &bed_client;
    fetch->call.method = method;
    fetch->url = url;
    fetch->task.poll = fetch_run;
    return fetch;
}

static inline void fetch_start(struct fetch *fetch)
{
    assert_int_equal(rn_spawn(net_worker, &fetch->task), 0);
}

static inline void fetch_free(struct fetch *fetch)
{
    free(fetch->content);
    free(fetch);
}

/* To its end. */
static inline struct fetch *fetch_wait(struct fetch *fetch)
{
    net_until(&fetch->over);
    return fetch;
}

static inline struct fetch *fetch_get(const char *url)
{
    struct fetch *fetch = fetch_new("GET", url);
    fetch_start(fetch);
    return fetch_wait(fetch);
}

static inline void assert_fetched(struct fetch *fetch, unsigned status, const char *content)
{
    if (fetch->result) fail_msg("%s", rn_error_name(fetch->result));
    assert_int_equal(fetch->status, status);
    assert_string_equal(fetch->content ? (const char *)fetch->content : "", content);
    fetch_free(fetch);
}

static inline void assert_failed(struct fetch *fetch, int error)
{
    if (fetch->result != error) fail_msg("%s", rn_error_name(fetch->result));
    fetch_free(fetch);
}

struct closing {
    struct rn_task task;
    rn_co co;
    struct rn_future *closed;
    bool over;
};

static enum rn_poll closing_run(struct rn_task *task, struct rn_cx *cx)
{
    struct closing *closing = rn_container_of(task, struct closing, task);
    RN_BEGIN(&closing->co);
    closing->closed = rn_http_client_close(&bed_client);
    RN_AWAIT(&closing->co, closing->closed, cx);
    closing->over = true;
    RN_END(&closing->co);
}

static inline void client_open(struct rn_http_client_options options)
{
    static char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", script.port);
    if (!options.connect_to) options.connect_to = address;
    assert_int_equal(rn_http_client_init(&bed_client, net_worker, &options), 0);
}

static inline void client_close(void)
{
    struct closing closing = {.task.poll = closing_run};
    assert_int_equal(rn_spawn(net_worker, &closing.task), 0);
    net_until(&closing.over);
    net_turn_quickly();
    assert_int_equal(bed_client.figures.connections, 0);
    assert_int_equal(bed_client.figures.idle, 0);
    assert_int_equal(bed_client.figures.waiting, 0);
    rn_http_client_fini(&bed_client);
    rn_resolver_stop(net_worker);
}

static inline void begin(const struct script_step *steps)
{
    script_start(steps);
    client_open((struct rn_http_client_options){.idle_timeout = 0});
}

static inline void finish(unsigned steps)
{
    client_close();
    script_stop(steps);
}

/* On each backend. */
#define client_test(function) {#function, bed_each, NULL, NULL, (void *)(uintptr_t)(function)}

static inline void bed_each(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    net_each((void (*)(void))(uintptr_t)*state);
}

#define OK "HTTP/1.1 200 OK\r\n"
#define HELLO OK "Content-Length: 5\r\n\r\nhello"

#endif
