/*
 * test_log.c: lines come out whole and in order, a reader that doesn't read blocks nobody, and what
 * was lost is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <runnel/log.h>

static struct rn_log the_log;
static int fd, reader;

static int set_up(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[0], F_SETFL, O_NONBLOCK) >= 0);
    reader = fds[0];
    fd = fds[1];
    memset(&the_log, 0, sizeof the_log);
    the_log.fd = &fd;
    return 0;
}

static int tear_down(void **state)
{
    close(reader);
    if (fd >= 0) close(fd);
    return 0;
}

/* What the pipe holds, terminated. */
static char *output(void)
{
    static char text[1 << 18];
    size_t len = 0;
    ssize_t got;
    while ((got = read(reader, text + len, sizeof text - len - 1)) > 0) len += (size_t)got;
    text[len] = 0;
    return text;
}

static void lines_wait_for_the_flush(void **state)
{
    rn_log_line(&the_log, "one %d", 1);
    rn_log_line(&the_log, "two %s", "2");
    assert_string_equal(output(), "");
    rn_log_flush(&the_log);
    assert_string_equal(output(), "one 1\ntwo 2\n");
    rn_log_flush(&the_log);
    assert_string_equal(output(), "");
}

static void a_line_at_once(void **state)
{
    the_log.per_line = true;
    rn_log_line(&the_log, "now");
    assert_string_equal(output(), "now\n");
}

static void a_long_line_is_cut(void **state)
{
    char line[3000];
    memset(line, 'x', sizeof line);
    rn_log_line(&the_log, "%b", line, sizeof line);
    rn_log_line(&the_log, "next");
    rn_log_flush(&the_log);
    char *text = output();
    size_t len = strcspn(text, "\n");
    assert_in_range(len, RN_LOG_LINE_MAX - 8, RN_LOG_LINE_MAX);
    assert_string_equal(text + len, "\nnext\n");
}

static void off_takes_nothing(void **state)
{
    int off = -1;
    the_log.fd = &off;
    rn_log_line(&the_log, "nobody sees this");
    assert_int_equal(the_log.len, 0);
    rn_log_flush(&the_log);
    assert_string_equal(output(), "");
}

/* Every line carries its number: all that come out are whole and in order, and those that don't are
 * counted where they would have stood. */
static void a_reader_that_does_not_read(void **state)
{
    enum { LINES = 20000 };
    for (unsigned i = 0; i < LINES; i++) rn_log_line(&the_log, "line %u", (uint64_t)i);
    unsigned long next = 0, told = 0;
    for (unsigned turn = 0; turn < 100; turn++) {
        char *text = output();
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            unsigned long number;
            if (sscanf(line, "(%lu lines were dropped)", &number) == 1) {
                next += number;
                told += number;
            } else {
                assert_int_equal(sscanf(line, "line %lu", &number), 1);
                assert_int_equal(number, next);
                next++;
            }
        }
        if (turn == 1) rn_log_line(&the_log, "line %u", (uint64_t)LINES);
        rn_log_flush(&the_log);
    }
    assert_int_equal(next, LINES + 1);
    assert_true(told > 0);
}

static void a_full_disk(void **state)
{
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    the_log.fd = &full;
    for (unsigned i = 0; i < 1000; i++) rn_log_line(&the_log, "line %u", (uint64_t)i);
    rn_log_flush(&the_log);
    assert_int_equal(the_log.len, 0);
    close(full);
    the_log.fd = &fd;
    rn_log_line(&the_log, "again");
    rn_log_flush(&the_log);
    assert_string_equal(output(), "(1000 lines were dropped)\nagain\n");
}

static void a_reader_that_is_gone(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    close(reader);
    rn_log_line(&the_log, "lost");
    rn_log_flush(&the_log);
    rn_log_flush(&the_log);
    assert_true(the_log.len <= sizeof "lost");
    reader = open("/dev/null", O_RDONLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_wait_for_the_flush, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(off_takes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_that_does_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_that_is_gone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
