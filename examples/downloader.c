/* Fetches several URLs at once: downloader BACKEND AT_ONCE URL... For each: status, length and a
 * checksum. A task for each URL, in one scope; a semaphore bounds how many work at a time. */
#include "example.h"

struct download {
    struct rn_child child;
    rn_co co;
    struct rn_wait permit;
    struct rn_http_call call;
    const char *url;
    uint64_t length;
    uint32_t sum;
};

struct downloads {
    struct rn_task task;
    rn_co co;
    struct rn_http_client client;
    struct rn_future *closed;
    struct rn_scope scope;
    struct rn_semaphore at_once;
    struct download *all;
    int count;
};

static struct downloads downloads;

static void take(struct download *download, rn_bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        download->sum = (download->sum ^ data.ptr[i]) * 16777619u; /* FNV-1a */
    }
    download->length += data.len;
}

static enum rn_poll fetch(struct rn_task *task, struct rn_cx *cx)
{
    struct download *download = rn_container_of(task, struct download, child.task);
    struct rn_http_call *call = &download->call;
    RN_BEGIN(&download->co);
    rn_semaphore_acquire(&download->permit, &downloads.at_once, 1);
    RN_AWAIT(&download->co, &download->permit.future, cx);
    call->client = &downloads.client;
    rn_http_call_start(call, cx, rn_bytes_of(download->url, strlen(download->url)));
    RN_AWAIT(&download->co, &call->future, cx);
    while (call->result == 0) {
        rn_http_call_read(call, cx);
        RN_AWAIT(&download->co, &call->future, cx);
        if (call->result < 0 || call->data.len == 0) break;
        take(download, call->data);
    }
    rn_http_call_end(call);
    rn_semaphore_release(&downloads.at_once, 1);
    RN_END(&download->co);
}

static enum rn_poll fetch_all(struct rn_task *task, struct rn_cx *cx)
{
    struct downloads *d = rn_container_of(task, struct downloads, task);
    struct rn_http_client_options options = {0};
    RN_BEGIN(&d->co);
    example_check(rn_http_client_init(&d->client, cx->worker, &options), "client");
    rn_scope_open(&d->scope, cx->worker);
    for (int i = 0; i < d->count; i++) {
        d->all[i].child.task.poll = fetch;
        example_check(rn_scope_spawn(&d->scope, cx->worker, &d->all[i].child), "task");
    }
    RN_AWAIT(&d->co, &d->scope.future, cx);
    d->closed = rn_http_client_close(&d->client);
    RN_AWAIT(&d->co, d->closed, cx);
    rn_http_client_fini(&d->client);
    rn_resolver_stop(cx->worker);
    RN_END(&d->co);
}

static int report(void)
{
    int failures = 0;
    for (int i = 0; i < downloads.count; i++) {
        struct download *one = &downloads.all[i];
        if (one->call.result < 0) {
            printf("%s: %s\n", one->url, rn_error_text(one->call.result));
            failures++;
        } else {
            printf("%s: %u, %llu bytes, %08x\n", one->url,
                   one->call.exchange.response.status, (unsigned long long)one->length, one->sum);
        }
    }
    return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s BACKEND AT_ONCE URL...\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    rn_semaphore_init(&downloads.at_once, (uint32_t)atoi(argv[2]));
    downloads.count = argc - 3;
    downloads.all = example_new((size_t)downloads.count, sizeof *downloads.all);
    for (int i = 0; i < downloads.count; i++) {
        downloads.all[i].url = argv[3 + i];
        downloads.all[i].sum = 2166136261u;
    }
    downloads.task.poll = fetch_all;
    example_check((int)example_complete(1, &downloads.task), "run");
    int code = report();
    free(downloads.all);
    return code;
}
