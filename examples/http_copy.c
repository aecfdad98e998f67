/* Copies what one server has to another, while it comes: http_copy BACKEND FROM TO. It is got and
 * put by two calls at once, and nothing is stored in between: each piece goes out before the next
 * is read, so that the slower of the two says how fast it goes.
 */
#include "example.h"

enum { STACK = 65536 };

static struct rn_fiber_pool stacks;
static struct rn_http_client http;
static struct rn_http_call get, put;
static rn_bytes piece;         /* what was read and is not sent yet */
static uint64_t sent;
static bool sender_over;
static int over;               /* 1 when that was all, or why there won't be more */
static struct rn_event wanted; /* there is nothing to send, or nobody who sends */

/* The content of the request, as far as there is any. */
static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    size_t len = piece.len < cap ? piece.len : cap;
    if (at != sent) return -ESPIPE; /* a redirect wants it from the beginning, which is gone */
    if (len == 0 && over) return over < 0 ? over : 0;
    if (len == 0) return -EAGAIN;
    memcpy(to, piece.ptr, len);
    piece = rn_bytes_of(piece.ptr + len, piece.len - len);
    sent += len;
    if (piece.len == 0) rn_event_set(&wanted);
    return (rn_ssize)len;
}

/* Its answer is read to the end, whatever it says. */
static int64_t send_all(void *argument)
{
    const char *url = argument;
    rn_http_call_start(&put, rn_fiber_cx(), rn_bytes_of(url, strlen(url)));
    rn_fiber_await(&put.future);
    while (put.result == 0) {
        rn_http_call_read(&put, rn_fiber_cx());
        rn_fiber_await(&put.future);
        if (put.data.len == 0) break;
    }
    rn_http_call_end(&put);
    sender_over = true;
    rn_event_set(&wanted);
    return put.result;
}

/* The other call goes on as soon as there is something to send. */
static void read_all(void)
{
    struct rn_wait wait;
    while (!over && !sender_over) {
        rn_event_reset(&wanted);
        rn_http_call_read(&get, rn_fiber_cx());
        rn_fiber_await(&get.future);
        if (get.result < 0) over = get.result;
        else if (get.data.len == 0) over = 1;
        else piece = get.data;
        rn_http_call_more(&put);
        if (over) break;
        rn_event_wait(&wait, &wanted);
        rn_fiber_await(&wait.future);
    }
}

static int64_t run(void *argument)
{
    static struct rn_fiber sender;
    static struct rn_http1_header type = {.name = RN_BYTES("Content-Type")};
    char **urls = argument, text[256];
    int64_t result = 0;
    const struct rn_http_client_options options = {0};
    example_check(rn_http_client_init(&http, rn_worker_current(), &options), "client");
    get = (struct rn_http_call){.client = &http};
    rn_http_call_start(&get, rn_fiber_cx(), rn_bytes_of(urls[0], strlen(urls[0])));
    rn_fiber_await(&get.future);
    if (get.result == 0 && get.exchange.response.status == 200) {
        rn_bytes value = rn_http_call_field(&get, "Content-Type"); /* good until the first read */
        if (value.len && value.len <= sizeof text)
            type.value = rn_bytes_of(memcpy(text, value.ptr, value.len), value.len);
        put = (struct rn_http_call){.client = &http, .method = "PUT", .body_read = give,
                                    .body_length = get.content_length, .fields = &type,
                                    .field_count = 1};
        example_check(rn_fiber_spawn(&sender, &stacks, rn_worker_current(), send_all, urls[1]),
                      "fiber");
        read_all();
        result = rn_fiber_join(&sender);
    }
    rn_http_call_end(&get);
    rn_fiber_await(rn_http_client_close(&http));
    rn_http_client_fini(&http);
    rn_resolver_stop(rn_worker_current());
    return result;
}

static bool went_well(const char *url, const struct rn_http_call *call)
{
    unsigned status = call->exchange.response.status;
    if (call->result < 0) fprintf(stderr, "%s: %s\n", url, rn_error_text(call->result));
    else printf("%s: %u %s\n", url, status, rn_http1_reason(status));
    return call->result == 0 && status / 100 == 2;
}

int main(int argc, char **argv)
{
    static struct rn_fiber fiber;
    if (argc != 4) example_check(RN_E_MISUSE, "http_copy BACKEND FROM TO");
    example_choose_backend(argv[1]);
    example_check(rn_fiber_pool_init(&stacks, 2, STACK), "stacks");
    example_check(rn_fiber_init(&fiber, &stacks, run, argv + 2), "fiber");
    bool copied = example_complete(1, &fiber.child.task) == 0;
    rn_fiber_pool_fini(&stacks);
    if (!went_well(argv[2], &get) || !put.client || !went_well(argv[3], &put)) return 1;
    printf("%llu bytes\n", (unsigned long long)sent);
    return copied ? 0 : 1;
}
