/*
 * conformance/bed.c: the bed, the calls, and the program: `conformance BACKEND...`.
 */
#include "bed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runnel/sim.h>

static const struct rn_backend_vt *under_test;

struct bed *bed_of(void **state)
{
    return *state;
}

static void bed_start(struct bed *bed, uint32_t buffers)
{
    struct rn_backend_options options = {
        .pool = &bed->pool,
        .descriptors = DESCRIPTORS,
        .entries = 64,
        .vt = under_test,
    };
    assert_int_equal(rn_pool_init(&bed->pool, buffers, POOL_STRIDE), 0);
    bed->backend = calloc(1, under_test->size);
    assert_non_null(bed->backend);
    bed->backend->vt = under_test;
    bed->backend->pool = &bed->pool;
    assert_int_equal(under_test->init(bed->backend, &options), 0);
}

static void bed_stop(struct bed *bed)
{
    under_test->fini(bed->backend);
    free(bed->backend);
    assert_int_equal(bed->pool.used, 0);
    rn_pool_fini(&bed->pool);
}

int bed_set_up(void **state)
{
    unsigned descriptors = worlds_descriptors();
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed->descriptors = descriptors;
    bed->max = COMPLETIONS_MAX;
    bed_start(bed, POOL_COUNT);
    *state = bed;
    return 0;
}

void bed_set_pool(struct bed *bed, uint32_t count)
{
    assert_int_equal(bed->started, 0);
    bed_stop(bed);
    bed_start(bed, count);
}

/* What every test must leave behind: nothing. */
int bed_tear_down(void **state)
{
    struct bed *bed = *state;
    bed_quiet(bed);
    assert_int_equal(bed->started, bed->finished);
    bed_stop(bed);
    assert_int_equal(worlds_descriptors(), bed->descriptors);
    free(bed);
    return 0;
}

rn_ns bed_now(struct bed *bed)
{
    return under_test->now(bed->backend);
}

static void complete(struct bed *bed, const struct rn_completion *done)
{
    struct rn_op *op = done->op;
    struct call *call = rn_container_of(op, struct call, op);
    /* An op completes after it was started, as long as it said MORE, and never again. */
    assert_true(op->flags & RN_OP_INFLIGHT);
    assert_ptr_equal(call->bed, bed);
    if (done->more) {
        assert_true(op->flags & RN_OP_MULTISHOT);
        assert_true(done->result >= 0);
    } else {
        op->flags &= (uint8_t) ~(RN_OP_INFLIGHT | RN_OP_CANCELLED);
        bed->finished++;
        call->done = true;
    }
    op->result = done->result;
    op->buf = done->buf;
    bed->completed++;
    call->completions++;
    if (done->buf) {
        assert_int_equal(done->buf->len, done->result);
        assert_true(done->buf->at + done->buf->len <= done->buf->cap);
        done->buf->next = NULL;
        if (call->first)
            call->last->next = done->buf;
        else
            call->first = done->buf;
        call->last = done->buf;
        call->bytes += done->buf->len;
    }
    if (call->then) call->then(call);
}

unsigned bed_turn(struct bed *bed, rn_ns until)
{
    struct rn_completion done[COMPLETIONS_MAX + 1];
    memset(done, 0x55, sizeof done);
    int count = under_test->poll(bed->backend, until, done, bed->max);
    assert_in_range(count, 0, bed->max);
    assert_int_equal(((uint8_t *)&done[bed->max])[0], 0x55);
    for (int i = 0; i < count; i++) complete(bed, &done[i]);
    return (unsigned)count;
}

void bed_until(struct bed *bed, const bool *flag)
{
    rn_ns limit = bed_now(bed) + PATIENCE;
    while (!*flag) {
        if (bed_now(bed) >= limit) fail_msg("a completion is missing");
        bed_turn(bed, limit);
    }
}

void bed_count(struct bed *bed, const unsigned *counter, unsigned value)
{
    rn_ns limit = bed_now(bed) + PATIENCE;
    while (*counter < value) {
        if (bed_now(bed) >= limit) fail_msg("%u instead of %u completions", *counter, value);
        bed_turn(bed, limit);
    }
}

void bed_settle(struct bed *bed)
{
    for (unsigned i = 0; i < 10; i++) bed_turn(bed, 0);
    bed_turn(bed, bed_now(bed) + 2 * RN_MILLISECOND);
    for (unsigned i = 0; i < 10; i++) bed_turn(bed, 0);
}

/* Waiting is waiting: a backend that asks the kernel again and again comes to more than a few
 * turns. */
void bed_quiet(struct bed *bed)
{
    uint64_t before = bed->completed;
    bed_settle(bed);
    rn_ns until = bed_now(bed) + 2 * RN_MILLISECOND;
    for (unsigned turns = 0; bed_now(bed) < until; turns++) {
        assert_true(turns < 50);
        bed_turn(bed, until);
    }
    assert_int_equal(bed->completed, before);
}

void call_init(struct call *call, struct bed *bed, unsigned code, int fd)
{
    memset(call, 0, sizeof *call);
    call->bed = bed;
    call->op.code = (uint8_t)code;
    call->op.fd = fd;
}

static void ready(struct call *call)
{
    struct rn_op *op = &call->op;
    assert_false(op->flags & RN_OP_INFLIGHT);
    op->flags = (op->flags & (RN_OP_MULTISHOT | RN_OP_ALL | RN_OP_CORK)) | RN_OP_INFLIGHT;
    op->progress = 0;
    op->buf = NULL;
    call->done = false;
}

void call_start(struct call *call)
{
    ready(call);
    call->bed->started++;
    under_test->submit(call->bed->backend, &call->op);
}

bool call_try(struct call *call)
{
    ready(call);
    if (!under_test->attempt(call->bed->backend, &call->op)) {
        call->bed->started++;
        return false;
    }
    call->op.flags &= (uint8_t)~RN_OP_INFLIGHT;
    return true;
}

bool can_try(void) { return under_test->attempt; }

void call_cancel(struct call *call)
{
    struct rn_op *op = &call->op;
    if (!(op->flags & RN_OP_INFLIGHT) || op->flags & RN_OP_CANCELLED) return;
    op->flags |= RN_OP_CANCELLED;
    under_test->cancel(call->bed->backend, op);
}

int64_t call_wait(struct call *call)
{
    bed_until(call->bed, &call->done);
    return call->op.result;
}

int64_t call_run(struct call *call)
{
    call_start(call);
    return call_wait(call);
}

void call_expect_cancelled(struct call *call)
{
    unsigned before = call->completions;
    assert_false(call->done);
    call_cancel(call);
    assert_int_equal(call_wait(call), -ECANCELED);
    assert_int_equal(call->completions, before + 1);
    assert_null(call->op.buf);
    bed_quiet(call->bed);
}

void call_give(struct call *call, unsigned count)
{
    while (count--) {
        struct rn_buf *buf = call->first;
        assert_non_null(buf);
        call->first = buf->next;
        rn_pool_put(&call->bed->pool, buf);
    }
}

size_t call_drain(struct call *call, void *to, size_t size)
{
    size_t total = 0;
    while (call->first) {
        const struct rn_buf *buf = call->first;
        assert_true(total + buf->len <= size);
        memcpy((char *)to + total, buf->data + buf->at, buf->len);
        total += buf->len;
        call_give(call, 1);
    }
    return total;
}

void memory_init(struct call *call, struct bed *bed, unsigned code, int fd, void *ptr, size_t len)
{
    call_init(call, bed, code, fd);
    call->op.arg.memory.ptr = ptr;
    call->op.arg.memory.len = len;
    call->op.arg.memory.offset = -1;
}

void op_close(struct bed *bed, int fd)
{
    struct call call;
    call_init(&call, bed, RN_OP_CLOSE, fd);
    assert_int_equal(call_run(&call), 0);
}

int64_t op_shutdown(struct bed *bed, int fd, int how)
{
    struct call call;
    call_init(&call, bed, RN_OP_SHUTDOWN, fd);
    call.op.arg.how = how;
    return call_run(&call);
}

int64_t op_send(struct bed *bed, int fd, const void *from, size_t len)
{
    struct call call;
    memory_init(&call, bed, RN_OP_SEND, fd, (void *)(uintptr_t)from, len);
    return call_run(&call);
}

int64_t op_receive(struct bed *bed, int fd, void *to, size_t len)
{
    struct call call;
    memory_init(&call, bed, RN_OP_RECV_INTO, fd, to, len);
    call.op.flags = RN_OP_ALL;
    return call_run(&call);
}

static int run(const char *name)
{
    static const struct {
        const struct CMUnitTest *tests;
        const size_t *count;
    } groups[] = {
        {accept_tests, &accept_tests_count},     {stream_tests, &stream_tests_count},
        {reset_tests, &reset_tests_count},       {file_tests, &file_tests_count},
        {datagram_tests, &datagram_tests_count}, {cancel_tests, &cancel_tests_count},
        {buffer_tests, &buffer_tests_count},     {loop_tests, &loop_tests_count},
    };
    struct CMUnitTest all[256];
    size_t count = 0;
    for (size_t i = 0; i < RN_COUNT(groups); i++) {
        if (count + *groups[i].count > RN_COUNT(all)) return 1;
        memcpy(all + count, groups[i].tests, *groups[i].count * sizeof *all);
        count += *groups[i].count;
    }
    return _cmocka_run_group_tests(name, all, count, NULL, NULL);
}

/* With the kernel that goes with it. */
static const struct rn_backend_vt *find(const char *name)
{
    static const struct rn_sim_faults faults = {.delay_max = 2 * RN_MICROSECOND};
    bool simulated = strncmp(name, "sim", 3) == 0;
    worlds_set(simulated ? &faults : NULL);
    if (strcmp(name, "sim") == 0) return &rn_backend_sim;
    return rn_backend_select(simulated ? name + strlen("sim/") : name, NULL);
}

/* `conformance BACKEND...`; none means all. "sim" is the simulator; "sim/epoll" and "sim/poll" are
 * those on its kernel: they show that it answers as the real one does. CMOCKA_TEST_FILTER in the
 * environment picks tests. */
int main(int argc, char **argv)
{
    static char *every[] = {"uring", "epoll", "poll", "sim", "sim/epoll", "sim/poll"};
    char **names = argc > 1 ? argv + 1 : every;
    int count = argc > 1 ? argc - 1 : (int)RN_COUNT(every), failed = 0;
    /* sendfile(2) and write(2) have no MSG_NOSIGNAL: a program on Runnel ignores it, as here. */
    signal(SIGPIPE, SIG_IGN);
    if (getenv("CMOCKA_TEST_FILTER")) cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
    for (int i = 0; i < count; i++) {
        under_test = find(names[i]);
        if (!under_test) {
            fprintf(stderr, "conformance: %s: no such backend here\n", names[i]);
            return 1;
        }
        failed += run(names[i]);
    }
    return failed ? 1 : 0;
}
