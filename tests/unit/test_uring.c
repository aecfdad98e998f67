/*
 * The io_uring backend where it differs from the others: what the kernel lacks or refuses, full
 * rings, operations that the kernel gives up on, and the buffers lent to it. Its system calls go
 * through a hook that makes them fail, and that swaps submissions for ones with a chosen result.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define RN_SYSCALL_HOOK
#include "backend/uring.c"

enum { POOL_COUNT = 64, STRIDE = 2048, ENTRIES_HERE = 16, MAX = 8 };
#define PATIENCE (60 * RN_SECOND)
#define REGISTER(opcode) RN_NR_IO_URING_REGISTER, RN_K_IORING_##opcode
#define ANY (-1)
/* include/uapi/linux/io_uring.h: a NOP that completes with sqe->len. */
#define NOP_INJECT_RESULT 1u

/* The calls `nr`, whose second argument is `second` or ANY, fail as often as `times` says. */
static struct {
    long nr, second, result;
    unsigned times;
} fault;
static uint32_t features_taken; /* from what io_uring_setup says */

/* Submissions of an opcode are swapped for ones that complete with these results, one each. */
static struct {
    unsigned opcode, count, next;
    int results[4];
} swap;

static unsigned smuggled; /* an opcode in place of all that are submitted */

static struct {
    uint32_t enter_flags;
    int64_t timeout_ns;
    unsigned opcodes[RN_K_IORING_OP_LAST]; /* submissions of each */
} seen;

static struct uring *uring;
static struct rn_pool pool;
static struct rn_completion done[MAX];
static unsigned done_count, done_next;

static void look_at_submissions(uint32_t count)
{
    uint32_t tail = *uring->sq_tail;
    for (uint32_t at = tail - count; at != tail; at++) {
        struct rn_k_io_uring_sqe *sqe = &uring->sqes[at & uring->sq_mask];
        seen.opcodes[sqe->opcode]++;
        if (smuggled) sqe->opcode = (uint8_t)smuggled;
        if (swap.next == swap.count || sqe->opcode != swap.opcode) continue;
        *sqe = (struct rn_k_io_uring_sqe){
            .opcode = RN_K_IORING_OP_NOP,
            .nop_flags = NOP_INJECT_RESULT,
            .len = (uint32_t)swap.results[swap.next++],
            .user_data = sqe->user_data,
            .fd = -1,
        };
    }
}

/* The backend forbids itself what it doesn't do, and NOPs are what these tests do. */
static long restrict_but_nop(int fd, const struct rn_k_io_uring_restriction *list, uint32_t count)
{
    struct rn_k_io_uring_restriction longer[32] = {0};
    assert_true(count < 32);
    memcpy(longer, list, count * sizeof *list);
    longer[count].opcode = RN_K_IORING_RESTRICTION_SQE_OP;
    longer[count].sqe_op = RN_K_IORING_OP_NOP;
    return rn_raw_syscall4(RN_NR_IO_URING_REGISTER, fd, RN_K_IORING_REGISTER_RESTRICTIONS,
                           (long)longer, count + 1);
}

long rn_syscall_hook(long nr, long a, long b, long c, long d, long e, long f)
{
    if (nr == RN_NR_IO_URING_ENTER) {
        const struct rn_k_io_uring_getevents_arg *argument = (void *)e;
        const struct rn_k_timespec *time = (void *)(uintptr_t)argument->ts;
        seen.enter_flags = (uint32_t)d;
        seen.timeout_ns = time ? time->tv_sec * 1000000000 + time->tv_nsec : -1;
    }
    if (fault.times && nr == fault.nr && (fault.second == ANY || fault.second == b)) {
        fault.times--;
        return fault.result;
    }
    if (nr == RN_NR_IO_URING_ENTER) look_at_submissions((uint32_t)b);
    if (nr == RN_NR_IO_URING_REGISTER && b == RN_K_IORING_REGISTER_RESTRICTIONS)
        return restrict_but_nop((int)a, (void *)c, (uint32_t)d);
    long result = rn_raw_syscall6(nr, a, b, c, d, e, f);
    if (nr == RN_NR_IO_URING_SETUP && result >= 0)
        ((struct rn_k_io_uring_params *)b)->features &= ~features_taken;
    return result;
}

static void fail_calls(long nr, long second, long result, unsigned times)
{
    fault.nr = nr;
    fault.second = second;
    fault.result = result;
    fault.times = times;
}

static void swap_results(unsigned opcode, unsigned count, const int *results)
{
    swap.opcode = opcode;
    swap.count = count;
    swap.next = 0;
    memcpy(swap.results, results, count * sizeof *results);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

static int open_uring(uint32_t pool_count, uint32_t entries)
{
    uring = calloc(1, sizeof *uring);
    assert_non_null(uring);
    assert_int_equal(rn_pool_init(&pool, pool_count, STRIDE), 0);
    struct rn_backend_options options = {
        .pool = &pool,
        .descriptors = 1024,
        .entries = entries,
        .vt = &rn_backend_uring,
    };
    done_count = done_next = 0;
    return rn_backend_uring.init(&uring->backend, &options);
}

static void forget_uring(void)
{
    assert_int_equal(pool.used, 0);
    rn_pool_fini(&pool);
    free(uring);
}

static void close_uring(void)
{
    rn_backend_uring.fini(&uring->backend);
    forget_uring();
}

static int forget_faults(void **state)
{
    (void)state;
    memset(&fault, 0, sizeof fault);
    memset(&swap, 0, sizeof swap);
    memset(&seen, 0, sizeof seen);
    features_taken = smuggled = 0;
    return 0;
}

static int begin(void **state)
{
    forget_faults(state);
    return open_uring(POOL_COUNT, ENTRIES_HERE);
}

static int end(void **state)
{
    (void)state;
    close_uring();
    return 0;
}

static void start_op(struct rn_op *op, unsigned code, int fd, unsigned flags)
{
    op->code = (uint8_t)code;
    op->fd = fd;
    op->flags = (uint8_t)flags;
    rn_backend_uring.submit(&uring->backend, op);
}

/* One turn. Whether there is a completion to take. */
static bool turn(rn_ns until)
{
    if (done_next < done_count) return true;
    int count = rn_backend_uring.poll(&uring->backend, until, done, MAX);
    assert_in_range(count, 0, MAX);
    done_count = (unsigned)count;
    done_next = 0;
    return count > 0;
}

static struct rn_completion wait_one(void)
{
    rn_ns limit = rn_clock_monotonic() + PATIENCE;
    while (!turn(limit)) assert_true(rn_clock_monotonic() < limit);
    /* As the worker does. */
    done[done_next].op->result = done[done_next].result;
    done[done_next].op->buf = done[done_next].buf;
    return done[done_next++];
}

static void expect(const struct rn_op *op, int64_t result, bool more)
{
    struct rn_completion completion = wait_one();
    assert_ptr_equal(completion.op, op);
    assert_int_equal(completion.result, result);
    assert_int_equal(completion.more, more);
}

static void expect_nothing(void)
{
    for (unsigned i = 0; i < 10; i++) assert_false(turn(0));
}

static void cancel_op(struct rn_op *op)
{
    rn_backend_uring.cancel(&uring->backend, op);
    expect(op, -ECANCELED, false);
}

static void pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void probe_tells_why_not(void **state)
{
    (void)state;
    static const struct {
        int error, result;
        const char *missing;
    } cases[] = {
        {-ENOSYS, -ENOSYS, "io_uring_setup"},
        {-EPERM, -EPERM, "kernel.io_uring_disabled or seccomp"},
        {-EACCES, -EACCES, "kernel.io_uring_disabled or seccomp"},
        {-ENOMEM, -ENOMEM, "RLIMIT_MEMLOCK"},
        {-EINVAL, -EOPNOTSUPP, "io_uring of Linux 6.1"},
        {-EMFILE, -EMFILE, "io_uring_setup"},
    };
    unsigned before = open_descriptors();
    const char *missing = NULL;
    assert_int_equal(rn_backend_uring.probe(&missing), 0);
    assert_null(missing);
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        fail_calls(RN_NR_IO_URING_SETUP, ANY, cases[i].error, 1);
        assert_int_equal(rn_backend_uring.probe(&missing), cases[i].result);
        assert_string_equal(missing, cases[i].missing);
        assert_int_equal(fault.times, 0);
    }
    /* The set-up passes, what it is for doesn't. */
    fail_calls(REGISTER(REGISTER_PBUF_RING), -EINVAL, 1);
    assert_int_equal(rn_backend_uring.probe(&missing), -EOPNOTSUPP);
    assert_string_equal(missing, "io_uring of Linux 6.1");
    assert_int_equal(open_descriptors(), before);
}

static void init_fails_without_a_trace(void **state)
{
    (void)state;
    static const struct {
        long nr, second, error, result;
    } cases[] = {
        {RN_NR_IO_URING_SETUP, ANY, -EPERM, -EPERM},
        {RN_NR_EVENTFD2, ANY, -EMFILE, -EMFILE},
        {RN_NR_MMAP, ANY, -ENOMEM, -ENOMEM},
        {REGISTER(REGISTER_PBUF_RING), -EINVAL, -EINVAL},
        {REGISTER(REGISTER_RESTRICTIONS), -EINVAL, -EINVAL},
        {REGISTER(REGISTER_ENABLE_RINGS), -EINVAL, -EINVAL},
    };
    unsigned before = open_descriptors();
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        fail_calls(cases[i].nr, cases[i].second, cases[i].error, 1);
        assert_int_equal(open_uring(POOL_COUNT, ENTRIES_HERE), cases[i].result);
        assert_int_equal(fault.times, 0);
        forget_uring();
        assert_int_equal(open_descriptors(), before);
    }
}

/* Timeouts that aren't absolute: Linux before 6.12. */
static void an_older_kernel_will_do(void **state)
{
    (void)state;
    for (unsigned older = 0; older < 2; older++) {
        if (older) features_taken = RN_K_IORING_FEAT_MIN_TIMEOUT;
        assert_int_equal(open_uring(POOL_COUNT, ENTRIES_HERE), 0);
        struct rn_op op = {0};
        start_op(&op, RN_OP_NOP, -1, 0);
        expect(&op, 0, false);
        rn_ns until = rn_clock_monotonic() + 3 * RN_MILLISECOND;
        while (rn_clock_monotonic() < until) assert_false(turn(until));
        assert_int_equal(!(seen.enter_flags & RN_K_IORING_ENTER_ABS_TIMER), older);
        assert_int_equal(seen.timeout_ns <= 3000000, older);
        close_uring();
    }
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    unsigned before = open_descriptors();
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(open_uring(POOL_COUNT, ENTRIES_HERE), 0);
        expect_nothing();
        close_uring();
    }
    assert_int_equal(open_descriptors(), before);
}

static void sizes_at_the_limit(void **state)
{
    (void)state;
    static const struct {
        uint32_t pool_count, entries, lent;
    } cases[] = {
        {1, 1, 1}, {4, 16, 1}, {11, 16, 2}, {63, 64, 15}, {4096, 1, LENT_MAX},
        {64, 0, 16}, {64, 1u << 17, 16}, {1, 2, 1},
    };
    for (size_t i = 0; i < RN_COUNT(cases); i++) {
        assert_int_equal(open_uring(cases[i].pool_count, cases[i].entries), 0);
        expect_nothing();
        assert_int_equal(pool.used, cases[i].lent);
        close_uring();
    }
}

/* One that goes through the ring and completes at once. */
static void start_ready(struct rn_op *op)
{
    op->arg.events = POLLOUT;
    start_op(op, RN_OP_POLL, uring->event, 0);
}

static void passing_failures_are_tried_again(void **state)
{
    (void)state;
    static const int errors[] = {-EINTR, -EAGAIN, -EBUSY, -ETIME};
    for (size_t i = 0; i < RN_COUNT(errors); i++) {
        struct rn_op ops[2 * ENTRIES_HERE] = {0};
        for (size_t j = 0; j < RN_COUNT(ops); j++) start_ready(&ops[j]);
        fail_calls(RN_NR_IO_URING_ENTER, ANY, errors[i], 5);
        for (size_t j = 0; j < RN_COUNT(ops); j++) expect(&ops[j], POLLOUT, false);
        assert_int_equal(fault.times, 0);
        expect_nothing();
    }
}

static void lasting_failures_end_the_worker(void **state)
{
    (void)state;
    static const int errors[] = {-EBADR, -EBADF, -EEXIST, -EOWNERDEAD};
    for (size_t i = 0; i < RN_COUNT(errors); i++) {
        fail_calls(RN_NR_IO_URING_ENTER, ANY, errors[i], 1);
        assert_int_equal(rn_backend_uring.poll(&uring->backend, RN_NEVER, done, MAX), errors[i]);
    }
    expect_nothing();
}

/* While the kernel takes nothing, ops and cancellations queue up; each op completes once. */
static void cancelled_while_the_kernel_takes_nothing(void **state)
{
    (void)state;
    struct rn_op waiting[ENTRIES_HERE * 3] = {0}, later[ENTRIES_HERE * 3] = {0};
    int fds[2], event = eventfd(0, EFD_NONBLOCK);
    pair(fds);
    for (size_t i = 0; i < RN_COUNT(waiting); i++) {
        waiting[i].arg.events = POLLIN;
        start_op(&waiting[i], RN_OP_POLL, i % 2 ? event : fds[0], 0);
    }
    expect_nothing();
    fail_calls(RN_NR_IO_URING_ENTER, ANY, -EAGAIN, 40);
    for (size_t i = 0; i < RN_COUNT(later); i++) {
        start_op(&later[i], RN_OP_NOP, -1, 0);
        rn_backend_uring.cancel(&uring->backend, &waiting[i]);
    }
    uint64_t one = 1;
    assert_int_equal(write(event, &one, sizeof one), sizeof one);
    unsigned noops = 0, cancelled = 0;
    for (size_t i = 0; i < RN_COUNT(waiting) + RN_COUNT(later); i++) {
        struct rn_completion completion = wait_one();
        bool noop = completion.op >= later && completion.op < later + RN_COUNT(later);
        noops += noop;
        cancelled += completion.result == -ECANCELED;
        assert_int_equal(completion.op->state, OVER);
        completion.op->state = 0;
        if (noop) assert_int_equal(completion.result, 0);
        else assert_true(completion.result == -ECANCELED || completion.result == POLLIN);
    }
    assert_int_equal(noops, RN_COUNT(later));
    assert_true(cancelled >= RN_COUNT(waiting) / 2);
    expect_nothing();
    close_pair(fds);
    close(event);
}

/* Fills the completions of a turn, so that whatever else there is stays in the ring. */
static void turn_without(const struct rn_op *op)
{
    static struct rn_op fillers[MAX];
    for (unsigned i = 0; i < MAX; i++) start_op(&fillers[i], RN_OP_NOP, -1, 0);
    assert_true(turn(0));
    assert_int_equal(done_count, MAX);
    for (unsigned i = 0; i < MAX; i++) assert_true(done[i].op != op);
    done_next = done_count;
}

/* Finished in the ring while its cancellation is still queued: the result is kept for its turn. */
static void finished_before_its_cancellation(void **state)
{
    (void)state;
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    start_op(&op, RN_OP_RECV, fds[0], 0);
    expect_nothing();
    assert_int_equal(write(fds[1], "late", 4), 4);
    turn_without(&op);
    rn_backend_uring.cancel(&uring->backend, &op);
    struct rn_completion completion = wait_one();
    assert_ptr_equal(completion.op, &op);
    assert_int_equal(completion.result, 4);
    assert_memory_equal(completion.buf->data + completion.buf->at, "late", 4);
    assert_false(completion.more);
    rn_pool_put(&pool, completion.buf);
    expect_nothing();
    close_pair(fds);
}

/* The same with data before the end: neither takes the other's place. */
static void multishot_finished_before_its_cancellation(void **state)
{
    (void)state;
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    start_op(&op, RN_OP_RECV, fds[0], RN_OP_MULTISHOT);
    expect_nothing();
    assert_int_equal(write(fds[1], "late", 4), 4);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    turn_without(&op);
    rn_backend_uring.cancel(&uring->backend, &op);
    struct rn_completion completion = wait_one();
    assert_ptr_equal(completion.op, &op);
    assert_int_equal(completion.result, 4);
    assert_true(completion.more);
    rn_pool_put(&pool, completion.buf);
    completion = wait_one();
    assert_ptr_equal(completion.op, &op);
    assert_true(completion.result == 0 || completion.result == -ECANCELED);
    assert_null(completion.buf);
    assert_false(completion.more);
    expect_nothing();
    close_pair(fds);
}

/* Many more completions at once than the ring has room for. */
static void completion_queue_overflows(void **state)
{
    (void)state;
    enum { COUNT = ENTRIES_HERE * CQ_FACTOR * 5 };
    struct rn_op *ops = calloc(COUNT, sizeof *ops);
    int event = eventfd(0, EFD_NONBLOCK);
    for (unsigned i = 0; i < COUNT; i++) {
        ops[i].arg.events = POLLIN;
        start_op(&ops[i], RN_OP_POLL, event, 0);
    }
    expect_nothing();
    uint64_t one = 1;
    assert_int_equal(write(event, &one, sizeof one), sizeof one);
    for (unsigned i = 0; i < COUNT; i++) {
        struct rn_completion completion = wait_one();
        assert_int_equal(completion.result, POLLIN);
        assert_int_equal(completion.op->state, OVER);
        completion.op->state = 0;
    }
    expect_nothing();
    close(event);
    free(ops);
}

/* The kernel ends a multishot without an error: it goes on without the caller's doing. */
static void a_stopped_multishot_goes_on(void **state)
{
    (void)state;
    static const int descriptors[] = {0, 1000, 7};
    struct rn_op op = {0};
    int fds[2];
    pair(fds); /* not a listener: the last one fails */
    swap_results(RN_K_IORING_OP_ACCEPT, 3, descriptors);
    start_op(&op, RN_OP_ACCEPT, fds[0], RN_OP_MULTISHOT);
    for (unsigned i = 0; i < 3; i++) expect(&op, descriptors[i], true);
    struct rn_completion completion = wait_one();
    assert_true(completion.result < 0 && !completion.more);
    assert_int_equal(seen.opcodes[RN_K_IORING_OP_ACCEPT], 4);
    close_pair(fds);
}

static void stopped_and_cancelled(void **state)
{
    (void)state;
    static const int descriptor = 5;
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    swap_results(RN_K_IORING_OP_ACCEPT, 1, &descriptor);
    start_op(&op, RN_OP_ACCEPT, fds[0], RN_OP_MULTISHOT);
    expect(&op, descriptor, true);
    cancel_op(&op);
    assert_int_equal(seen.opcodes[RN_K_IORING_OP_ACCEPT], 1);
    close_pair(fds);
}

static void connections_that_were_gone_are_passed_over(void **state)
{
    (void)state;
    static const int errors[] = {-ECONNABORTED, -EPROTO, -ENETDOWN, -EMFILE};
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    swap_results(RN_K_IORING_OP_ACCEPT, 4, errors);
    start_op(&op, RN_OP_ACCEPT, fds[0], RN_OP_MULTISHOT);
    expect(&op, -EMFILE, false);
    assert_int_equal(seen.opcodes[RN_K_IORING_OP_ACCEPT], 4);
    close_pair(fds);
}

/* After too many wakeups in vain the kernel says -EAGAIN; then we wait ourselves. */
static void again_is_no_result(void **state)
{
    (void)state;
    static const int again = -EAGAIN;
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    swap_results(RN_K_IORING_OP_RECV, 1, &again);
    start_op(&op, RN_OP_RECV, fds[0], 0);
    expect_nothing();
    cancel_op(&op);
    expect_nothing();
    assert_int_equal(seen.opcodes[RN_K_IORING_OP_POLL_ADD], 2); /* and one is for wake() */
    static const struct rn_open_how how;
    op.arg.open.path = ".";
    op.arg.open.how = &how;
    swap_results(RN_K_IORING_OP_OPENAT2, 1, &again);
    start_op(&op, RN_OP_OPEN, fds[0], 0);
    expect(&op, -EAGAIN, false); /* of what has nothing to wait for it is one */
    close_pair(fds);
}

/* A send is a plain call, made in the turn; the ring has a poll while the socket is full. */
static void a_send_waits_in_the_ring(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    op.arg.memory.ptr = text;
    op.arg.memory.len = sizeof text;
    start_op(&op, RN_OP_SEND, fds[0], 0);
    expect_nothing();
    assert_int_equal(seen.opcodes[RN_K_IORING_OP_SEND], 0);
    assert_int_equal(seen.opcodes[RN_K_IORING_OP_POLL_ADD], 2);
    assert_in_range(op.progress, 1, sizeof text - 1);
    uint64_t before = uring->backend.syscalls;
    expect_nothing();
    assert_int_equal(uring->backend.syscalls, before);
    size_t got = 0;
    while (got < sizeof text) {
        long part = read(fds[1], text, sizeof text);
        assert_true(part > 0 || errno == EAGAIN);
        if (part > 0) got += (size_t)part;
        turn(0);
    }
    expect(&op, sizeof text, false);
    close_pair(fds);
}

/* Each turn with nothing to do, nothing to submit and no time to wait costs no system call. */
static void idle_turns_are_free(void **state)
{
    (void)state;
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    start_op(&op, RN_OP_RECV, fds[0], RN_OP_MULTISHOT);
    expect_nothing();
    uint64_t before = uring->backend.syscalls;
    expect_nothing();
    assert_int_equal(uring->backend.syscalls, before);
    /* But what has happened is found at once. */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_true(turn(0));
        struct rn_completion completion = wait_one();
        /* The second call looks whether a reset came with what the multishot began with. */
        assert_int_equal(uring->backend.syscalls - before, i == 1 ? 2 : 1);
        assert_int_equal(completion.result, 1);
        rn_pool_put(&pool, completion.buf);
        expect_nothing();
        before = uring->backend.syscalls;
    }
    cancel_op(&op);
    close_pair(fds);
}

/* A connection with one request has no multishot, which would have to be cancelled; and where that
 * request is there already, nothing goes through the ring. */
static void the_first_data_may_be_the_last(void **state)
{
    (void)state;
    struct rn_op op = {0};
    int fds[2];
    pair(fds);
    for (unsigned late = 0; late < 2; late++) {
        start_op(&op, RN_OP_RECV, fds[0], RN_OP_MULTISHOT);
        if (late) expect_nothing();
        assert_int_equal(write(fds[1], "x", 1), 1);
        struct rn_completion completion = wait_one();
        assert_true(completion.more);
        rn_pool_put(&pool, completion.buf);
        cancel_op(&op);
        assert_int_equal(seen.opcodes[RN_K_IORING_OP_RECV], late);
        assert_int_equal(seen.opcodes[RN_K_IORING_OP_ASYNC_CANCEL], 0);
    }
    close_pair(fds);
}

/* One system call submits many ops and brings many completions. */
static void one_call_for_many(void **state)
{
    (void)state;
    struct rn_op ops[MAX] = {0};
    expect_nothing();
    uint64_t before = uring->backend.syscalls;
    for (unsigned i = 0; i < MAX; i++) start_ready(&ops[i]);
    for (unsigned i = 0; i < MAX; i++) expect(&ops[i], POLLOUT, false);
    assert_int_equal(uring->backend.syscalls, before + 1);
}

/* Starved receives cost nothing while they wait, and each gets its turn when buffers return. */
static void the_ring_does_nothing_else(void **state)
{
    (void)state;
    static const unsigned others[] = {RN_K_IORING_OP_CONNECT, RN_K_IORING_OP_SEND,
                                      RN_K_IORING_OP_SOCKET, RN_K_IORING_OP_OPENAT,
                                      RN_K_IORING_OP_UNLINKAT};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (unsigned i = 0; i < RN_COUNT(others); i++) {
        struct rn_op op = {.arg.events = POLLOUT};
        smuggled = others[i];
        start_op(&op, RN_OP_POLL, ends[0], 0);
        expect(&op, -EACCES, false);
    }
    close(ends[0]);
    close(ends[1]);
}

static void starved_receives_wait_for_free(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    struct rn_op ops[COUNT] = {0};
    int fds[COUNT][2];
    struct rn_buf *held[POOL_COUNT + 1];
    unsigned taken = 0;
    while ((held[taken] = rn_pool_take(&pool))) taken++;
    for (unsigned i = 0; i < COUNT; i++) {
        pair(fds[i]);
        start_op(&ops[i], RN_OP_RECV, fds[i][0], i % 2 ? RN_OP_MULTISHOT : 0);
        assert_int_equal(write(fds[i][1], "data", 4), 4);
    }
    expect_nothing();
    uint64_t before = uring->backend.syscalls;
    expect_nothing();
    assert_int_equal(uring->backend.syscalls, before);
    rn_backend_uring.cancel(&uring->backend, &ops[0]);
    expect(&ops[0], -ECANCELED, false);
    for (unsigned i = 1; i < COUNT; i++) {
        rn_pool_put(&pool, held[--taken]);
        expect(&ops[i], 4, i % 2);
        held[taken++] = done[done_next - 1].buf;
        expect_nothing();
    }
    while (taken) rn_pool_put(&pool, held[--taken]);
    for (unsigned i = 1; i < COUNT; i += 2) cancel_op(&ops[i]);
    for (unsigned i = 0; i < COUNT; i++) close_pair(fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_WITHOUT(name) cmocka_unit_test_setup(name, forget_faults)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITHOUT(probe_tells_why_not),
        TEST_WITHOUT(init_fails_without_a_trace),
        TEST_WITHOUT(an_older_kernel_will_do),
        TEST_WITHOUT(nothing_is_left_behind),
        TEST_WITHOUT(sizes_at_the_limit),
        TEST(passing_failures_are_tried_again),
        TEST(lasting_failures_end_the_worker),
        TEST(cancelled_while_the_kernel_takes_nothing),
        TEST(finished_before_its_cancellation),
        TEST(multishot_finished_before_its_cancellation),
        TEST(completion_queue_overflows),
        TEST(a_stopped_multishot_goes_on),
        TEST(stopped_and_cancelled),
        TEST(connections_that_were_gone_are_passed_over),
        TEST(again_is_no_result),
        TEST(a_send_waits_in_the_ring),
        TEST(idle_turns_are_free),
        TEST(the_first_data_may_be_the_last),
        TEST(one_call_for_many),
        TEST(the_ring_does_nothing_else),
        TEST(starved_receives_wait_for_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
