/* Fetches a file from the first of several mirrors: first_answer BACKEND FILE URL... The next is
 * asked when those before were silent for a fifth of a second, or have failed. When one has won,
 * all are cancelled, the winner too: but what it got is saved first, whole or not at all. */
#include "example.h"

enum { MIRRORS = 8, CONTENT = 1 << 20, STACK = 65536 };

static struct mirror {
    struct rn_fiber fiber;
    struct rn_http_call call;
    const char *url;
    size_t len;
    char content[CONTENT];
} mirrors[MIRRORS];

static struct rn_fiber_pool stacks;
static struct rn_http_client client;
static struct rn_notify news; /* one has won, or failed */
static struct rn_fiber *winner;
static const char *path;

static int64_t fetch(struct mirror *mirror)
{
    struct rn_http_call *call = &mirror->call;
    call->client = &client;
    call->deadline = rn_after(rn_fiber_cx(), 60 * RN_SECOND);
    rn_http_call_start(call, rn_fiber_cx(), rn_bytes_of(mirror->url, strlen(mirror->url)));
    rn_fiber_await(&call->future);
    int64_t result = call->result;
    for (; result == 0; mirror->len += call->data.len) {
        rn_http_call_read(call, rn_fiber_cx());
        rn_fiber_await(&call->future);
        result = call->result;
        if (result < 0 || call->data.len == 0) break;
        if (call->data.len > CONTENT - mirror->len) result = RN_E_LIMIT;
        else memcpy(mirror->content + mirror->len, call->data.ptr, call->data.len);
    }
    if (result == 0 && call->exchange.response.status != 200) result = -ENOENT;
    rn_http_call_end(call);
    return result;
}

static int64_t save(struct mirror *mirror)
{
    struct rn_file_op op;
    char part[4096];
    snprintf(part, sizeof part, "%s.part", path);
    int file = example_open(RN_FILE_HERE, part, O_WRONLY | O_CREAT | O_TRUNC);
    int64_t result = file < 0 ? file : 0;
    for (size_t at = 0; result >= 0 && at < mirror->len; at += (size_t)result) {
        rn_file_write(&op, rn_fiber_cx(), file, mirror->content + at, mirror->len - at,
                      (int64_t)at, RN_NEVER);
        result = example_file_result(&op);
    }
    if (file >= 0) rn_fiber_close_fd(file);
    if (result < 0) return result;
    rn_file_rename(&op, rn_fiber_cx(), RN_FILE_HERE, part, RN_FILE_HERE, path, true, RN_NEVER);
    return example_file_result(&op);
}

static int64_t ask(void *argument)
{
    struct mirror *mirror = argument;
    int64_t result = fetch(mirror);
    if (result == 0 && !winner) {
        winner = rn_fiber_current();
        rn_notify_one(&news);
        rn_fiber_shield();
        result = save(mirror);
        rn_fiber_unshield();
    }
    printf("%s: %s\n", mirror->url, result < 0 ? rn_error_text((int)result) : "came whole");
    rn_notify_one(&news);
    return result;
}

static int64_t race(void *argument)
{
    unsigned started = 0, count = *(unsigned *)argument;
    struct rn_worker *worker = rn_worker_current();
    struct rn_scope scope;
    struct rn_wait wait;
    struct rn_timeout silence;
    struct rn_http_client_options options = {0};
    example_check(rn_http_client_init(&client, worker, &options), "client");
    rn_scope_open(&scope, worker);
    while (!winner && (started < count || scope.count > 0)) {
        struct mirror *next = started < count ? &mirrors[started++] : NULL;
        if (next) example_check(rn_scope_spawn(&scope, worker, &next->fiber.child), "task");
        rn_notify_wait(&wait, &news);
        rn_timeout(&silence, rn_fiber_cx(), rn_awaitable_of(&wait.future),
                   started < count ? RN_SECOND / 5 : 120 * RN_SECOND);
        rn_fiber_await(&silence.future);
    }
    rn_scope_cancel(&scope);
    rn_fiber_await(&scope.future);
    while (started < count) rn_fiber_drop(&mirrors[started++].fiber); /* those never asked */
    rn_fiber_await(rn_http_client_close(&client));
    rn_http_client_fini(&client);
    rn_resolver_stop(worker);
    return winner ? winner->child.task.result : -ENOENT;
}

int main(int argc, char **argv)
{
    struct rn_fiber fiber = {0};
    unsigned count = (unsigned)argc - 3;
    example_expect(argc > 3 && count <= MIRRORS, "first_answer BACKEND FILE URL... (8 at most)");
    example_choose_backend(argv[1]);
    path = argv[2];
    example_check(rn_files_setup(NULL), "files");
    example_check(rn_fiber_pool_init(&stacks, MIRRORS + 1, STACK), "stacks");
    for (unsigned i = 0; i < count; i++) {
        mirrors[i].url = argv[3 + i];
        example_check(rn_fiber_init(&mirrors[i].fiber, &stacks, ask, &mirrors[i]), "stack");
    }
    example_check(rn_fiber_init(&fiber, &stacks, race, &count), "stack");
    return example_complete(1, &fiber.child.task) < 0;
}
