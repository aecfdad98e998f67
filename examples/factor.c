/* Factors numbers: a line with a number from 2 to 2^64 - 1 is answered by its factors. A large one
 * takes many seconds of computing, in a fiber that lets the others go on every now and then: who
 * asks for a small one meanwhile has its answer at once. Ask for 18446744073709551557 in one window,
 * for 91 in another. (For computing that can't be interrupted see spell_server.) */
#include "example.h"

enum { FIBERS = 1000, STACK = 65536, LINE = 64, STEPS = 20000 };

struct asker {
    struct rn_fiber fiber;
    struct rn_fiber_stream stream;
};

static struct rn_fiber_pool stacks;

/* Appends a space and a factor. */
static void append(char *text, uint64_t factor)
{
    sprintf(text + strlen(text), " %llu", (unsigned long long)factor);
}

/* 64 factors of 2 at most: the text has room for 256 bytes. */
static void find_factors(uint64_t number, char *text)
{
    unsigned steps = 0;
    sprintf(text, "%llu:", (unsigned long long)number);
    for (uint64_t factor = 2; factor <= number / factor; factor += factor == 2 ? 1 : 2) {
        for (; number % factor == 0; number /= factor) append(text, factor);
        if (++steps % STEPS) continue;
        rn_fiber_yield();
        if (rn_fiber_cancelled()) return;
    }
    if (number > 1) append(text, number);
    strcat(text, "\n");
}

static int64_t answer(void *argument)
{
    struct asker *asker = argument;
    struct rn_reader reader;
    char memory[LINE], line[LINE], text[256], *end;
    rn_reader_init(&reader, rn_stream_of(rn_worker_current(), asker->stream.fd), memory, LINE);
    for (;;) {
        rn_reader_line(&reader);
        rn_fiber_await(&reader.future);
        if (reader.result <= 0) break;
        snprintf(line, LINE, "%.*s", (int)reader.data.len, (const char *)reader.data.ptr);
        errno = 0;
        uint64_t number = strtoull(line, &end, 10);
        bool right = line[0] >= '0' && line[0] <= '9' && *end == 0 && errno == 0 && number >= 2;
        if (right) find_factors(number, text);
        else strcpy(text, "not a number from 2 to 18446744073709551615\n");
        if (rn_fiber_write_all(&asker->stream, text, strlen(text)) < 0) break;
    }
    rn_fiber_close(&asker->stream);
    return 0;
}

static void ended(struct rn_fiber *fiber) { free(fiber); } /* it stands first in struct asker */

static void accepted(struct rn_listener *listener, int fd)
{
    struct asker *asker = calloc(1, sizeof *asker);
    asker->fiber.done = ended;
    rn_fiber_stream_of(&asker->stream, fd);
    asker->stream.write_timeout = 30 * RN_SECOND;
    if (rn_fiber_spawn(&asker->fiber, &stacks, listener->worker, answer, asker) == 0) return;
    close(fd); /* there are as many as there are stacks for */
    free(asker);
}

int main(int argc, char **argv)
{
    example_arguments(argc, argv, "127.0.0.1:7000");
    example_check(rn_fiber_pool_init(&stacks, FIBERS, STACK), "stacks");
    return example_serve(accepted, NULL);
}
