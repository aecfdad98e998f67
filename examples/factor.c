/* Factors numbers: a line with a number from 2 to 2^64 - 1 is answered by its factors. A large one
 * takes many seconds of computing, in a fiber that lets the others go on every now and then: who
 * asks for a small one meanwhile has its answer at once. Ask for 18446744073709551557 in one
 * window, for 91 in another. (For computing that can't be interrupted see spell_server.) */
#include "lines.h"

/* Some 10 us of them. A worker looks at its sockets after 256 tasks at the latest, and this may be
 * the only one that is there to run. */
enum { STEPS = 1000 };

/* Appends a space and a factor. */
static void append(char *text, uint64_t factor)
{
    sprintf(text + strlen(text), " %llu", (unsigned long long)factor);
}

/* 63 factors of 2 at most. */
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
}

static void answer(const char *line, char *to)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(line, &end, 10);
    bool right = line[0] >= '0' && line[0] <= '9' && *end == 0 && errno == 0 && number >= 2;
    if (right) find_factors(number, to);
    else strcpy(to, "not a number from 2 to 18446744073709551615");
}

int main(int argc, char **argv) { return lines_serve(argc, argv, answer); }
