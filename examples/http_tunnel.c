/* Standard input and output through an HTTP proxy to any host and port: what ssh wants of a
 * ProxyCommand. The HTTP client asks with CONNECT, and hands the connection over.
 *
 *     http_tunnel auto PROXY:PORT HOST:PORT
 *     ssh -o ProxyCommand='http_tunnel auto 192.0.2.1:3128 %h:%p' somewhere
 */
#include "standard_input.h"

struct tunnel {
    const char *target;
    struct rn_http_client client;
    struct rn_http_call call;
    struct rn_fiber_stream peer;
};

static struct rn_fiber_pool stacks;

static int print(const void *data, size_t len)
{
    return fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0 ? 0 : -EPIPE;
}

/* What comes on standard input goes out; its end is passed on. */
static int64_t send_input(void *argument)
{
    struct tunnel *tunnel = argument;
    char data[16384];
    rn_ssize len;
    while ((len = read_input(data, sizeof data)) > 0) {
        int result = rn_fiber_write_all(&tunnel->peer, data, (size_t)len);
        if (result < 0) return result;
    }
    return len < 0 ? len : rn_fiber_shutdown(&tunnel->peer, 1); /* SHUT_WR */
}

static int64_t print_answers(struct tunnel *tunnel)
{
    char data[16384];
    rn_ssize len;
    while ((len = rn_fiber_read(&tunnel->peer, data, sizeof data)) > 0)
        if (print(data, (size_t)len) < 0) return -EPIPE;
    return len;
}

/* Until the other side ends, or fails: then nobody reads what else is typed. */
static int64_t talk(struct tunnel *tunnel)
{
    struct rn_worker *worker = rn_worker_current();
    struct rn_fiber sender = {0};
    int64_t result = rn_fiber_spawn(&sender, &stacks, worker, send_input, tunnel);
    if (result < 0) return result;
    rn_waker waker = rn_task_waker(worker, &sender.child.task);
    result = print_answers(tunnel);
    rn_task_cancel(waker);
    int64_t sent = rn_fiber_join(&sender);
    return result < 0 || sent == -ECANCELED ? result : sent;
}

/* The proxy's answer, and then a connection that speaks whatever the two ends do. */
static int64_t open_and_talk(struct tunnel *tunnel)
{
    struct rn_http_call *call = &tunnel->call;
    char url[300];
    rn_stream stream;
    int len = snprintf(url, sizeof url, "http://%s/", tunnel->target);
    if (len >= (int)sizeof url) return -ENAMETOOLONG;
    *call = (struct rn_http_call){.client = &tunnel->client, .method = "CONNECT"};
    rn_http_call_start(call, rn_fiber_cx(), rn_bytes_of(url, (size_t)len));
    rn_fiber_await(&call->future);
    int64_t result = call->result;
    unsigned status = call->exchange.response.status;
    if (result < 0 || status / 100 != 2) {
        if (result == 0) fprintf(stderr, "the proxy says %u\n", status);
        rn_http_call_end(call);
        return result < 0 ? result : -EACCES;
    }
    struct rn_buf *early = rn_http_call_take(call, &stream); /* what came behind the answer */
    rn_http_call_end(call);
    rn_fiber_stream_of(&tunnel->peer, stream.fd);
    result = print(early->data + early->at, early->len);
    rn_pool_put(rn_worker_pool(rn_worker_current()), early);
    if (result == 0) result = talk(tunnel);
    rn_fiber_close(&tunnel->peer);
    return result;
}

static int64_t run(void *argument)
{
    char **arguments = argument;
    static struct tunnel tunnel;
    const struct rn_http_client_options options = {.connect_to = arguments[2]};
    tunnel.target = arguments[3];
    int64_t result = rn_http_client_init(&tunnel.client, rn_worker_current(), &options);
    if (result < 0) return result;
    result = open_and_talk(&tunnel);
    rn_fiber_await(rn_http_client_close(&tunnel.client));
    rn_http_client_fini(&tunnel.client);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s BACKEND PROXY:PORT HOST:PORT\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    example_check((int)run_fiber(&stacks, 2, run, argv), argv[3]);
    return 0;
}
