/* An HTTP API: a counter that answers at once, and a report that takes its time without keeping
 * anybody else waiting.
 *
 *     curl localhost:7000/counters/tea                      {"name":"tea","count":0}
 *     curl -X POST localhost:7000/counters/tea              {"name":"tea","count":1}
 *     curl localhost:7000/report/500                        after half a second
 */
#include "example.h"
#include <stdarg.h>

enum { COUNTERS = 100, NAME_LEN_MAX = 32, BAD_NAME = -1, TOO_MANY = -2 };

static struct { /* of the one worker: no lock */
    char name[NAME_LEN_MAX + 1];
    unsigned count;
} counters[COUNTERS];

static void answer(struct rn_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void answer(struct rn_request *request, unsigned status, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rn_respond(request, status, "application/json", text, (size_t)len);
}

/* The place of the counter of that name, which is made when there is none. */
static int find(rn_bytes name)
{
    char text[NAME_LEN_MAX + 1] = "";
    int at = 0;
    if (name.len > NAME_LEN_MAX) return BAD_NAME;
    memcpy(text, name.ptr, name.len);
    if (strspn(text, "abcdefghijklmnopqrstuvwxyz") != name.len) return BAD_NAME;
    while (at < COUNTERS && counters[at].name[0] && strcmp(counters[at].name, text) != 0) at++;
    if (at == COUNTERS) return TOO_MANY;
    strcpy(counters[at].name, text);
    return at;
}

static void count(struct rn_request *request, unsigned add)
{
    rn_bytes name = rn_request_parameter(request, "name");
    int at = find(name);
    if (at == BAD_NAME) {
        answer(request, 400, "{\"error\":\"a name is 1 to %d letters\"}\n", NAME_LEN_MAX);
    } else if (at == TOO_MANY) {
        answer(request, 507, "{\"error\":\"at most %d counters\"}\n", COUNTERS);
    } else {
        counters[at].count += add;
        answer(request, 200, "{\"name\":\"%s\",\"count\":%u}\n", counters[at].name,
               counters[at].count);
    }
}

static void show(struct rn_request *request) { count(request, 0); }
static void increment(struct rn_request *request) { count(request, 1); }

struct report {
    struct rn_task task;
    rn_co co;
    struct rn_sleep sleep;
    unsigned milliseconds;
};

static enum rn_poll report_run(struct rn_task *task, struct rn_cx *cx)
{
    struct report *report = rn_container_of(task, struct report, task);
    RN_BEGIN(&report->co);
    rn_sleep(&report->sleep, cx, report->milliseconds * RN_MILLISECOND);
    RN_AWAIT(&report->co, &report->sleep, cx);
    answer(rn_request_of(task), 200, "{\"waited_ms\":%u}\n", report->milliseconds);
    RN_END(&report->co);
}

static void report(struct rn_request *request)
{
    struct report *report = rn_request_state(request);
    rn_bytes text = rn_request_parameter(request, "ms");
    for (size_t i = 0; i < text.len && report->milliseconds < 10000; i++) {
        report->milliseconds = 10 * report->milliseconds + (text.ptr[i] - '0') % 10u;
    }
    if (rn_request_spawn(request, report_run) < 0) answer(request, 503, "{\"error\":\"busy\"}\n");
}

static const struct rn_http_route routes[] = {
    {"GET", "/counters/:name", show, NULL, NULL, 0},
    {"POST", "/counters/:name", increment, NULL, NULL, 0},
    {"GET", "/report/:ms", report, NULL, NULL, 0},
};

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    return example_serve_routes(routes, RN_COUNT(routes), 1);
}
