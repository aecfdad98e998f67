/*
 * Buffered readers and writers, on each backend: the same lines and records however the bytes come,
 * every limit, and what a cancelled wait leaves behind.
 */
#include "net_bed.h"

#include <signal.h>

#include <runnel/buffered.h>

static int peer; /* the other end of the stream */

static rn_stream open_stream(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer = fds[1];
    return rn_stream_of(net_worker, fds[0]);
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A script of reads, one letter each: l a line, u up to ';', s some, 1 to 9 exactly so many. */
struct reading {
    struct rn_task task;
    rn_co co;
    struct rn_reader reader;
    struct rn_op op;
    const char *script;
    char memory[8];
    char exact[16];
    char log[512];
    bool over;
};

static void begin_read(struct reading *reading)
{
    struct rn_reader *reader = &reading->reader;
    if (*reading->script == 'l') rn_reader_line(reader);
    else if (*reading->script == 'u') rn_reader_until(reader, ';');
    else if (*reading->script == 's') rn_reader_some(reader);
    else rn_reader_exact(reader, reading->exact, (uint64_t)(*reading->script - '0'));
}

static void log_read(struct reading *reading)
{
    struct rn_reader *reader = &reading->reader;
    size_t len = strlen(reading->log), left = sizeof reading->log - len;
    if (reader->result < 0)
        len += (size_t)snprintf(reading->log + len, left, "%s", rn_error_name((int)reader->result));
    reader->timeout = 0;
    snprintf(reading->log + len, sizeof reading->log - len, "[%.*s]", (int)reader->data.len,
             reader->data.ptr ? (const char *)reader->data.ptr : "");
}

static enum rn_poll read_script(struct rn_task *task, struct rn_cx *cx)
{
    struct reading *reading = rn_container_of(task, struct reading, task);
    RN_BEGIN(&reading->co);
    for (; *reading->script; reading->script++) {
        begin_read(reading);
        RN_AWAIT(&reading->co, &reading->reader.future, cx);
        log_read(reading);
    }
    rn_stream_close(reading->reader.stream, &reading->op, cx);
    RN_AWAIT(&reading->co, &reading->op, cx);
    reading->over = true;
    RN_END(&reading->co);
}

static void start_reading(struct reading *reading, const char *script)
{
    memset(reading, 0, sizeof *reading);
    reading->task.poll = read_script;
    reading->script = script;
    rn_reader_init(&reading->reader, open_stream(), reading->memory, sizeof reading->memory);
    assert_int_equal(rn_spawn(net_worker, &reading->task), 0);
}

static void feed(const char *text, size_t step)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += step) {
        size_t piece = at + step < len ? step : len - at;
        assert_int_equal(write(peer, text + at, piece), piece);
        net_turn_quickly();
        net_turn_quickly();
    }
}

static const struct {
    const char *input, *script, *log;
} reads[] = {
    {"ab\ncd\r\n\n\r\nend", "llllll", "[ab][cd][][]RN_E_CLOSED[end][]"},
    {"a;b;;", "uuul", "[a;][b;][;][]"},
    {"1234567\n", "l", "[1234567]"},
    {"12345678\n", "l5l", "RN_E_LIMIT[][12345][678]"},
    {"123456789abcdefgh", "397", "[123][456789abc]RN_E_CLOSED[defgh]"},
    {"12", "32", "RN_E_CLOSED[12][]"},
    {"", "l", "[]"},
    {"", "s", "[]"},
    {"", "5", "[]"},
    {"a\r\nbcdef;gh\n9", "l2ul1l", "[a][bc][def;][gh][9][]"},
    {"\r\r\n", "ll", "[\r][]"},
};

static void reading(void)
{
    static struct reading reading;
    for (size_t i = 0; i < RN_COUNT(reads); i++)
        for (size_t step = 1; step < 20; step += 3) {
            start_reading(&reading, reads[i].script);
            feed(reads[i].input, step);
            close(peer);
            net_until(&reading.over);
            if (strcmp(reading.log, reads[i].log) != 0)
                fail_msg("%s in steps of %zu: %s", reads[i].input, step, reading.log);
        }
}

static void some(void)
{
    static struct reading reading;
    start_reading(&reading, "s1s");
    feed("abc", 3);
    feed("def", 3);
    close(peer);
    net_until(&reading.over);
    assert_string_equal(reading.log, "[abc][d][ef]");
}

/* A wait that is cancelled, or takes too long, loses nothing. */
static void interrupted(void)
{
    static struct reading reading;
    start_reading(&reading, "lll");
    feed("ab", 1);
    rn_task_cancel(rn_task_waker(net_worker, &reading.task));
    net_until(&reading.over);
    assert_string_equal(reading.log, "ECANCELED[]ECANCELED[]ECANCELED[]");
    assert_int_equal(reading.reader.len, 2);
    close(peer);
    start_reading(&reading, "ll");
    reading.reader.timeout = 20 * RN_MILLISECOND;
    feed("ab", 1);
    while (!reading.log[0]) net_turn_quickly();
    feed("c\n", 1);
    close(peer);
    net_until(&reading.over);
    assert_string_equal(reading.log, "ETIMEDOUT[][abc]");
    /* Nor what has come of so many bytes: straight into their place, or through the buffer. */
    static const char *const scripts[] = {"95", "64"}, *const rests[] = {"efghi", "efgh"};
    static const char *const logs[] = {"ETIMEDOUT[abcd][efghi]", "ETIMEDOUT[abcd][efgh]"};
    for (size_t i = 0; i < RN_COUNT(scripts); i++) {
        start_reading(&reading, scripts[i]);
        reading.reader.timeout = 20 * RN_MILLISECOND;
        feed("abcd", 1);
        while (!reading.log[0]) net_turn_quickly();
        feed(rests[i], 1);
        close(peer);
        net_until(&reading.over);
        assert_string_equal(reading.log, logs[i]);
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A letter a write, so many bytes of it as its place in the alphabet; '!' flushes. */
struct writing {
    struct rn_task task;
    rn_co co;
    struct rn_writer writer;
    struct rn_op op;
    const char *script;
    char memory[8];
    char letters[32];
    bool over;
};

static enum rn_poll write_script(struct rn_task *task, struct rn_cx *cx)
{
    struct writing *writing = rn_container_of(task, struct writing, task);
    RN_BEGIN(&writing->co);
    for (; *writing->script; writing->script++) {
        memset(writing->letters, *writing->script, sizeof writing->letters);
        if (*writing->script == '!') rn_writer_flush(&writing->writer);
        else rn_writer_write(&writing->writer, writing->letters,
                             (uint64_t)(*writing->script - 'a' + 1));
        RN_AWAIT(&writing->co, &writing->writer.future, cx);
        memset(writing->letters, '#', sizeof writing->letters);
    }
    rn_stream_close(writing->writer.stream, &writing->op, cx);
    RN_AWAIT(&writing->co, &writing->op, cx);
    writing->over = true;
    RN_END(&writing->co);
}

static void start_writing(struct writing *writing, const char *script)
{
    memset(writing, 0, sizeof *writing);
    writing->task.poll = write_script;
    writing->script = script;
    rn_writer_init(&writing->writer, open_stream(), writing->memory, sizeof writing->memory);
    assert_int_equal(rn_spawn(net_worker, &writing->task), 0);
    net_until(&writing->over);
}

static void writing(void)
{
    static const struct {
        const char *script, *out;
    } cases[] = {
        {"abc", ""},
        {"abc!", "abbccc"},
        {"!a!!b", "a"},
        {"cdb!", "cccddddbb"},
        {"h", ""},
        {"h!", "hhhhhhhh"},
        {"ha!", "hhhhhhhha"},
        {"aj", "ajjjjjjjjjj"},
        {"jj", "jjjjjjjjjjjjjjjjjjjj"},
        {"gcz", "gggggggccczzzzzzzzzzzzzzzzzzzzzzzzzz"},
    };
    static struct writing writing;
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        char out[256] = "";
        start_writing(&writing, cases[i].script);
        ssize_t len = read(peer, out, sizeof out - 1);
        assert_int_equal(len, strlen(cases[i].out));
        assert_string_equal(out, cases[i].out);
        assert_int_equal(writing.writer.result, 0);
        close(peer);
    }
}

static void nobody_reads(void)
{
    static struct writing writing;
    memset(&writing, 0, sizeof writing);
    writing.task.poll = write_script;
    writing.script = "a!bz!";
    rn_writer_init(&writing.writer, open_stream(), writing.memory, sizeof writing.memory);
    close(peer);
    assert_int_equal(rn_spawn(net_worker, &writing.task), 0);
    net_until(&writing.over);
    assert_int_equal(writing.writer.result, -EPIPE);
}

#define test(name) static void test_##name(void **state) { net_each(name); }
test(reading)
test(some)
test(interrupted)
test(writing)
test(nobody_reads)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading), cmocka_unit_test(test_some),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_writing),
        cmocka_unit_test(test_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
