/* A client of fibers: fiber_client BACKEND HOST PORT COUNT makes so many connections at once, each
 * in a fiber; each sends a line, ends its side, and reads what comes back. Works with echo_*. */
#include "example.h"

enum { STACK = 65536, COUNT_MAX = 100, LINE = 32 };

static struct rn_fiber_pool stacks;
static const char *host;
static uint16_t port;
static int count;

static int64_t talk(void *argument)
{
    struct rn_fiber_stream stream;
    char line[LINE + 1], answer[LINE];
    int number = *(int *)argument;
    int result = rn_fiber_connect_name(&stream, host, port, 30 * RN_SECOND);
    if (result < 0) return result;
    stream.read_timeout = stream.write_timeout = 30 * RN_SECOND;
    snprintf(line, sizeof line, "%-*d", LINE, number);
    result = rn_fiber_write_all(&stream, line, LINE);
    if (result == 0) result = rn_fiber_shutdown(&stream, 1); /* SHUT_WR */
    if (result == 0) {
        rn_ssize len = rn_fiber_read_exact(&stream, answer, LINE);
        result = len == LINE && memcmp(line, answer, LINE) == 0 ? 0
                 : len < 0                                      ? (int)len
                                                                : RN_E_PROTOCOL;
    }
    rn_fiber_close(&stream);
    return result;
}

static void say_addresses(void)
{
    struct rn_address addresses[4];
    char text[RN_ADDRESS_TEXT_MAX];
    int found = rn_fiber_resolve(host, port, addresses, 4, 30 * RN_SECOND);
    for (int i = 0; i < found; i++) {
        rn_address_format(&addresses[i], text);
        printf("%s is at %s\n", host, text);
    }
}

/* Starts them all, a millisecond apart, then joins them. */
static int64_t talk_to_all(void *argument)
{
    struct rn_fiber *fibers = example_new((size_t)count, sizeof *fibers);
    int *numbers = example_new((size_t)count, sizeof *numbers);
    int64_t failures = 0;
    say_addresses();
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        example_check(rn_fiber_spawn(&fibers[i], &stacks, rn_worker_current(), talk, &numbers[i]),
                      "fiber");
        if (rn_fiber_sleep(RN_MILLISECOND) < 0) break;
    }
    for (int i = 0; i < count; i++) {
        int64_t result = rn_fiber_join(&fibers[i]);
        if (result == 0) continue;
        printf("%d: %s\n", i, rn_error_text((int)result));
        failures++;
    }
    free(numbers);
    free(fibers);
    rn_resolver_stop(rn_worker_current());
    return failures;
}

int main(int argc, char **argv)
{
    static struct rn_fiber fiber;
    if (argc != 5) {
        fprintf(stderr, "usage: %s BACKEND HOST PORT COUNT\n", argv[0]);
        return 2;
    }
    example_choose_backend(argv[1]);
    host = argv[2];
    port = (uint16_t)atoi(argv[3]);
    count = atoi(argv[4]) < COUNT_MAX ? atoi(argv[4]) : COUNT_MAX;
    example_check(rn_fiber_pool_init(&stacks, COUNT_MAX + 1, STACK), "stacks");
    example_check(rn_fiber_init(&fiber, &stacks, talk_to_all, NULL), "fiber");
    int64_t failures = example_complete(1, &fiber.child.task);
    printf("%d connections, %d failed; the deepest stack had %zu bytes\n", count, (int)failures,
           rn_fiber_pool_peak(&stacks));
    rn_fiber_pool_fini(&stacks);
    return failures == 0 ? 0 : 1;
}
