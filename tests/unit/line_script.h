/*
 * Scripts for the line machine, made at random from a seed, with all that must come out of them.
 */
#ifndef TESTS_LINE_SCRIPT_H
#define TESTS_LINE_SCRIPT_H

#include <sys/mman.h>
#include <unistd.h>

#include "line_machine.h"

static inline int pattern_file(size_t size)
{
    int fd = memfd_create("pattern", MFD_CLOEXEC);
    assert_int_equal(write(fd, pattern_bytes(), size), size);
    return fd;
}

static uint64_t script_seed = 1;

static inline unsigned random_below(unsigned limit)
{
    script_seed ^= script_seed << 13;
    script_seed ^= script_seed >> 7;
    script_seed ^= script_seed << 17;
    return (unsigned)(script_seed % limit);
}

struct script {
    char input[8192];
    size_t input_len, given;
    char expected[1 << 20];
    size_t expected_len;
};

/* Commands, and all that must come out. */
static inline void make_script(struct script *script, int file_fd)
{
    script->input_len = script->given = script->expected_len = 0;
    assert_true(file_fd >= 0);
    for (unsigned i = 1 + random_below(60); i > 0; i--) {
        char *in = script->input + script->input_len, *out = script->expected;
        unsigned at = random_below(1000), len = random_below(random_below(8) ? 300 : 9000);
        const uint8_t *from = pattern_bytes();
        switch (random_below(6)) {
        case 0:
            len %= 60;
            script->input_len += (size_t)sprintf(in, "echo %.*s\n", (int)len, (char *)from);
            break;
        case 1: script->input_len += (size_t)sprintf(in, "copy %u\n", len); break;
        case 2: script->input_len += (size_t)sprintf(in, "slice %u\n", len); break;
        case 3:
            script->input_len += (size_t)sprintf(in, "file %u %u\n", at, len);
            from += at;
            break;
        case 4:
            script->input_len += (size_t)sprintf(in, "slow\n");
            from = (const uint8_t *)"slow";
            len = 4;
            break;
        default:
            script->input_len += (size_t)sprintf(in, "nothing\n");
            len = 0;
        }
        memcpy(out + script->expected_len, from, len);
        script->expected_len += len;
        if (in[0] == 'e' || in[2] == 'o') out[script->expected_len++] = '\n'; /* echo, slow */
    }
}

#endif
