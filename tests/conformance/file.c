/*
 * conformance/file.c: files and pipes: sendfile, read, write, open, close.
 */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static void file_init(struct call *call, struct bed *bed, int to, int file, uint64_t offset,
                      uint64_t length)
{
    call_init(call, bed, RN_OP_SENDFILE, to);
    call->op.arg.file.fd = file;
    call->op.arg.file.offset = offset;
    call->op.arg.file.length = length;
}

static int pattern_file(size_t size)
{
    uint8_t *bytes = malloc(size);
    int fd = scratch_file(size);
    assert_non_null(bytes);
    pattern_fill(bytes, size, 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
    free(bytes);
    return fd;
}

static void sendfile_part(struct bed *bed, uint64_t offset, uint64_t length, uint64_t expected)
{
    enum { SIZE = 20000 };
    static uint8_t in[SIZE];
    struct call call;
    int fds[2], file = pattern_file(SIZE);
    pair(SOCK_STREAM, fds);
    file_init(&call, bed, fds[0], file, offset, length);
    assert_int_equal(call_run(&call), expected);
    assert_int_equal(call.op.progress, expected);
    assert_int_equal(op_shutdown(bed, fds[0], SHUT_WR), 0);
    assert_int_equal(op_receive(bed, fds[1], in, SIZE), expected);
    assert_int_equal(pattern_check(in, expected, offset), expected);
    /* The file's own offset is not touched: others may read it as well. */
    assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
    op_close(bed, file);
}

static void sendfile_whole(void **state)
{
    sendfile_part(bed_of(state), 0, 20000, 20000);
}

static void sendfile_with_an_offset(void **state)
{
    sendfile_part(bed_of(state), 4097, 10001, 10001);
}

static void sendfile_of_nothing(void **state)
{
    sendfile_part(bed_of(state), 5, 0, 0);
}

static void sendfile_of_a_shorter_file(void **state)
{
    sendfile_part(bed_of(state), 0, 1 << 20, 20000);
    sendfile_part(bed_of(state), 19990, 11, 10);
    sendfile_part(bed_of(state), 20000, 1, 0);
    sendfile_part(bed_of(state), 30000, 1, 0);
}

/* Sends 64 MiB from behind 2 GiB of a sparse file to a reader that is slower than that. */
struct slow {
    struct call call;
    uint64_t total;
};

enum { SPARSE_LENGTH = 64 << 20, MARK_EVERY = 1 << 20 };
#define SPARSE_OFFSET ((3ull << 30) - 12345)

static void slow_then(struct call *call)
{
    struct slow *slow = rn_container_of(call, struct slow, call);
    uint8_t bytes[POOL_STRIDE];
    size_t len = call_drain(call, bytes, sizeof bytes);
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != ((slow->total + i) % MARK_EVERY ? 0 : 0xaa)) fail_msg("wrong byte");
    slow->total += len;
    if (call->done && call->op.result > 0) call_start(call);
}

static void sendfile_of_a_huge_sparse_file(void **state)
{
    struct bed *bed = bed_of(state);
    struct slow slow = {.total = 0};
    struct call call;
    int fds[2], file = scratch_file(SPARSE_OFFSET + SPARSE_LENGTH + 1);
    for (unsigned i = 0; i < SPARSE_LENGTH; i += MARK_EVERY)
        assert_int_equal(pwrite(file, "\xaa", 1, (off_t)(SPARSE_OFFSET + i)), 1);
    tcp_pair(bed, fds);
    file_init(&call, bed, fds[0], file, SPARSE_OFFSET, SPARSE_LENGTH);
    call_start(&call);
    bed_settle(bed);
    assert_false(call.done);
    call_init(&slow.call, bed, RN_OP_RECV, fds[1]);
    slow.call.op.flags = RN_OP_MULTISHOT;
    slow.call.then = slow_then;
    call_start(&slow.call);
    assert_int_equal(call_wait(&call), SPARSE_LENGTH);
    assert_int_equal(op_shutdown(bed, fds[0], SHUT_WR), 0);
    assert_int_equal(call_wait(&slow.call), 0);
    assert_int_equal(slow.total, SPARSE_LENGTH);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
    op_close(bed, file);
}

static void sendfile_from_no_file(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    pair(SOCK_STREAM, fds);
    file_init(&call, bed, fds[0], DESCRIPTORS - 1, 0, 10);
    assert_int_equal(call_run(&call), -EBADF);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static int64_t memory_run(struct bed *bed, unsigned code, int fd, void *ptr, size_t len,
                          int64_t offset)
{
    struct call call;
    memory_init(&call, bed, code, fd, ptr, len);
    call.op.arg.memory.offset = offset;
    return call_run(&call);
}

static void read_and_write_a_file_with_offsets(void **state)
{
    struct bed *bed = bed_of(state);
    char out[] = "0123456789", in[10];
    int fd = scratch_file(0);
    assert_int_equal(memory_run(bed, RN_OP_WRITE, fd, out, 10, 100), 10);
    assert_int_equal(memory_run(bed, RN_OP_WRITE, fd, out + 5, 3, 100), 3);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 10, 100), 10);
    assert_memory_equal(in, "5673456789", 10);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 10, 105), 5);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 10, 110), 0);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 1, 0), 1);
    assert_int_equal(in[0], 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    op_close(bed, fd);
}

static void read_and_write_a_file_in_sequence(void **state)
{
    struct bed *bed = bed_of(state);
    char out[] = "0123456789", in[10];
    int fd = scratch_file(0);
    assert_int_equal(memory_run(bed, RN_OP_WRITE, fd, out, 4, -1), 4);
    assert_int_equal(memory_run(bed, RN_OP_WRITE, fd, out + 4, 6, -1), 6);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 3, -1), 3);
    assert_memory_equal(in, "234", 3);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 10, -1), 5);
    assert_memory_equal(in, "56789", 5);
    assert_int_equal(memory_run(bed, RN_OP_READ, fd, in, 10, -1), 0);
    op_close(bed, fd);
}

static void read_from_a_pipe_waits(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[16];
    int fds[2];
    pipe_pair(fds);
    for (unsigned i = 0; i < 3; i++) {
        memory_init(&call, bed, RN_OP_READ, fds[0], text, sizeof text);
        call_start(&call);
        bed_quiet(bed);
        put(fds[1], "pipe");
        assert_int_equal(call_wait(&call), 4);
        assert_memory_equal(text, "pipe", 4);
    }
    memory_init(&call, bed, RN_OP_READ, fds[0], text, sizeof text);
    call_start(&call);
    bed_quiet(bed);
    close(fds[1]);
    assert_int_equal(call_wait(&call), 0);
    op_close(bed, fds[0]);
}

static void write_to_a_pipe_waits(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    char text[] = "more";
    int fds[2];
    pipe_pair(fds);
    fill(fds[1]);
    memory_init(&call, bed, RN_OP_WRITE, fds[1], text, 4);
    call_start(&call);
    bed_quiet(bed);
    drain(fds[0]);
    assert_int_equal(call_wait(&call), 4);
    assert_int_equal(drain(fds[0]), 4);
    fill(fds[1]);
    memory_init(&call, bed, RN_OP_WRITE, fds[1], text, 4);
    call_start(&call);
    bed_quiet(bed);
    close(fds[0]);
    assert_int_equal(call_wait(&call), -EPIPE);
    op_close(bed, fds[1]);
}

static int64_t open_run(struct bed *bed, int dir, const char *path, uint64_t flags, uint64_t mode,
                        uint64_t resolve)
{
    struct rn_open_how how = {flags | O_CLOEXEC, mode, resolve};
    struct call call;
    call_init(&call, bed, RN_OP_OPEN, dir);
    call.op.arg.open.path = path;
    call.op.arg.open.how = &how;
    return call_run(&call);
}

static void open_read_and_close(void **state)
{
    struct bed *bed = bed_of(state);
    char text[8];
    int64_t fd = open_run(bed, AT_FDCWD, "/proc/self/comm", O_RDONLY, 0, 0);
    assert_true(fd >= 0);
    assert_int_equal(fcntl((int)fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_true(memory_run(bed, RN_OP_READ, (int)fd, text, sizeof text, 0) > 0);
    op_close(bed, (int)fd);
    assert_int_equal(fcntl((int)fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

static void open_below_a_directory(void **state)
{
    enum { BENEATH = 8 }; /* RESOLVE_BENEATH, openat2(2) */
    struct bed *bed = bed_of(state);
    char path[] = "/tmp/conformance.XXXXXX";
    assert_non_null(mkdtemp(path));
    int64_t dir = open_run(bed, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
    assert_true(dir >= 0);
    int64_t fd = open_run(bed, (int)dir, "new", O_RDWR | O_CREAT | O_EXCL, 0600, BENEATH);
    assert_true(fd >= 0);
    op_close(bed, (int)fd);
    assert_int_equal(open_run(bed, (int)dir, "new", O_CREAT | O_EXCL, 0600, BENEATH), -EEXIST);
    assert_int_equal(open_run(bed, (int)dir, "../x", O_RDONLY, 0, BENEATH), -EXDEV);
    assert_int_equal(open_run(bed, (int)dir, "none", O_RDONLY, 0, BENEATH), -ENOENT);
    assert_int_equal(unlinkat((int)dir, "new", 0), 0);
    op_close(bed, (int)dir);
    assert_int_equal(rmdir(path), 0);
}

static void open_what_is_not_there(void **state)
{
    struct bed *bed = bed_of(state);
    assert_int_equal(open_run(bed, AT_FDCWD, "/nonexistent/x", O_RDONLY, 0, 0), -ENOENT);
    assert_int_equal(open_run(bed, AT_FDCWD, "/dev/null/x", O_RDONLY, 0, 0), -ENOTDIR);
}

static void poll_waits_for_input(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    pair(SOCK_STREAM, fds);
    for (unsigned i = 0; i < 3; i++) {
        call_init(&call, bed, RN_OP_POLL, fds[0]);
        call.op.arg.events = POLLIN;
        call_start(&call);
        bed_quiet(bed);
        put(fds[1], "x");
        assert_int_equal(call_wait(&call), POLLIN);
        bed_quiet(bed);
        /* It is still there: poll says so again. */
        call_init(&call, bed, RN_OP_POLL, fds[0]);
        call.op.arg.events = POLLIN;
        assert_int_equal(call_run(&call), POLLIN);
        assert_int_equal(drain(fds[0]), 1);
    }
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void poll_waits_for_room(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    pair(SOCK_STREAM, fds);
    call_init(&call, bed, RN_OP_POLL, fds[0]);
    call.op.arg.events = POLLOUT | POLLIN;
    assert_int_equal(call_run(&call), POLLOUT);
    fill(fds[0]);
    call_init(&call, bed, RN_OP_POLL, fds[0]);
    call.op.arg.events = POLLOUT | POLLIN;
    call_start(&call);
    bed_quiet(bed);
    drain(fds[1]);
    assert_int_equal(call_wait(&call), POLLOUT);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
}

static void poll_sees_a_hang_up(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    pair(SOCK_STREAM, fds);
    call_init(&call, bed, RN_OP_POLL, fds[0]);
    call.op.arg.events = POLLIN;
    call_start(&call);
    bed_quiet(bed);
    close(fds[1]);
    assert_int_equal(call_wait(&call) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    op_close(bed, fds[0]);
}

static void close_of_what_is_not_open(void **state)
{
    struct bed *bed = bed_of(state);
    struct call call;
    int fds[2];
    pipe_pair(fds);
    op_close(bed, fds[0]);
    op_close(bed, fds[1]);
    call_init(&call, bed, RN_OP_CLOSE, fds[0]);
    assert_int_equal(call_run(&call), -EBADF);
}

const struct CMUnitTest file_tests[] = {
    TEST(sendfile_whole),
    TEST(sendfile_with_an_offset),
    TEST(sendfile_of_nothing),
    TEST(sendfile_of_a_shorter_file),
    TEST(sendfile_of_a_huge_sparse_file),
    TEST(sendfile_from_no_file),
    TEST(read_and_write_a_file_with_offsets),
    TEST(read_and_write_a_file_in_sequence),
    TEST(read_from_a_pipe_waits),
    TEST(write_to_a_pipe_waits),
    TEST(open_read_and_close),
    TEST(open_below_a_directory),
    TEST(open_what_is_not_there),
    TEST(poll_waits_for_input),
    TEST(poll_waits_for_room),
    TEST(poll_sees_a_hang_up),
    TEST(close_of_what_is_not_open),
};
const size_t file_tests_count = RN_COUNT(file_tests);
