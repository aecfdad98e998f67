/* Posts standard input as it comes, of a length that nobody knows yet, and prints the answer: for
 * what a program says over hours.
 *
 *     tail -f log | http_post auto http://192.0.2.1/logs
 */
#include "standard_input.h"

struct post {
    struct rn_http_client client;
    struct rn_http_call call;
    struct rn_notify sent; /* all that was read */
    bool over;             /* nothing more will be */
    int error;             /* why */
    uint64_t given;        /* to the client */
    uint64_t first;        /* where in the whole of it `data` begins */
    size_t len;
    char data[16384];
};

static struct rn_fiber_pool stacks;

/* What the client sends next. What is no longer here can't be sent again: it fails where a redirect
 * or a lost connection asks for it. */
static rn_ssize give(struct rn_http_call *call, uint64_t at, void *to, size_t cap)
{
    struct post *post = call->owner;
    if (at < post->first) return RN_E_UNSUPPORTED;
    size_t from = (size_t)(at - post->first), left = post->len - from;
    if (left == 0) {
        rn_notify_one(&post->sent);
        return post->error ? post->error : post->over ? 0 : -EAGAIN;
    }
    if (left > cap) left = cap;
    memcpy(to, post->data + from, left);
    post->given = at + left;
    return (rn_ssize)left;
}

/* Reads the next piece when the one before it is on its way. */
static int64_t read_all(void *argument)
{
    struct post *post = argument;
    struct rn_wait wait;
    while (!post->over) {
        do {
            rn_notify_wait(&wait, &post->sent);
            rn_fiber_await(&wait.future);
        } while (wait.result == 0 && post->given < post->first + post->len);
        if (wait.result < 0) break;
        post->first += post->len;
        post->len = 0;
        rn_ssize len = read_input(post->data, sizeof post->data);
        if (len == -ECANCELED) break;
        post->over = len <= 0;
        if (len < 0) post->error = (int)len;
        else post->len = (size_t)len;
        rn_http_call_more(&post->call);
    }
    return 0;
}

static int64_t print_answer(struct rn_http_call *call)
{
    rn_fiber_await(&call->future);
    if (call->result == 0) fprintf(stderr, "%u\n", call->exchange.response.status);
    while (call->result == 0) {
        rn_http_call_read(call, rn_fiber_cx());
        rn_fiber_await(&call->future);
        if (call->result < 0 || !call->data.len) break;
        if (fwrite(call->data.ptr, 1, call->data.len, stdout) != call->data.len) return -EPIPE;
    }
    return call->result;
}

static int64_t post_all(struct post *post, const char *url)
{
    struct rn_worker *worker = rn_worker_current();
    struct rn_fiber reader = {0};
    post->call = (struct rn_http_call){.client = &post->client,
                                       .method = "POST",
                                       .body_length = RN_HTTP_LENGTH_UNKNOWN,
                                       .body_read = give,
                                       .owner = post};
    rn_http_call_start(&post->call, rn_fiber_cx(), rn_bytes_of(url, strlen(url)));
    int64_t result = rn_fiber_spawn(&reader, &stacks, worker, read_all, post);
    if (result == 0) {
        rn_waker waker = rn_task_waker(worker, &reader.child.task);
        result = print_answer(&post->call);
        rn_task_cancel(waker); /* the server may answer before it has heard all */
        int64_t ended = rn_fiber_join(&reader);
        if (result == 0) result = ended;
    }
    rn_http_call_end(&post->call);
    return result;
}

static int64_t run(void *argument)
{
    static struct post post;
    const struct rn_http_client_options options = {.stall_timeout = RN_NEVER};
    int64_t result = rn_http_client_init(&post.client, rn_worker_current(), &options);
    if (result < 0) return result;
    result = post_all(&post, argument);
    rn_fiber_await(rn_http_client_close(&post.client));
    rn_http_client_fini(&post.client);
    rn_resolver_stop(rn_worker_current());
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s BACKEND URL\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    example_check((int)run_fiber(&stacks, 2, run, argv[2]), argv[2]);
    return 0;
}
