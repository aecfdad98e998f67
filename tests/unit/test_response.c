/*
 * Responses: whole, streamed, from files and memory that isn't copied, and those that can't be.
 */
#include "http_bed.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <runnel/machine.h>

enum { BIG = 3000000 };

static uint8_t big[BIG];
static int big_fd;
static unsigned handed, released, aborted; /* owners, responses */

static void release(struct rn_out_owner *owner) { note(&released); }
static struct rn_out_owner owner = {release};

static uint64_t number(struct rn_request *request)
{
    rn_bytes query = rn_request_query(request);
    return query.len ? strtoull((const char *)query.ptr, NULL, 10) : 0;
}

/* ---- Handlers -------------------------------------------------------------------------------- */

static void on_whole(struct rn_request *request)
{
    if (rn_respond(request, 200, "text/plain", big, number(request)) == 0) return;
    assert_int_equal(rn_respond(request, 200, NULL, big, 33000), RN_E_LIMIT);
    assert_int_equal(rn_respond(request, 500, NULL, "too large", 9), 0);
}

static void on_slice(struct rn_request *request)
{
    note(&handed);
    rn_respond_slice(request, 200, "text/plain", rn_bytes_of(big, number(request)), &owner);
}

static void on_constant(struct rn_request *request)
{
    rn_respond_slice(request, 200, NULL, rn_bytes_of(big, number(request)), NULL);
}

/* Parts one after the other: each fifth is written, a slice, a file. */
struct parts {
    uint64_t at, length;
    unsigned turn;
};

static void more_parts(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    while (parts->at < parts->length) {
        uint64_t left = parts->length - parts->at, len = parts->length / 5 + 1;
        if (len > left) len = left;
        if (parts->turn == 1) {
            if (!rn_response_slice(request, rn_bytes_of(big + parts->at, len), &owner)) return;
            note(&handed);
        } else if (parts->turn == 2) {
            if (!rn_response_file(request, big_fd, parts->at, len, &owner)) return;
            note(&handed);
        } else {
            len = rn_response_write(request, big + parts->at, len);
            if (!len) return;
        }
        parts->at += len;
        parts->turn = (parts->turn + 1) % 3;
    }
    rn_response_end(request);
}

static void on_aborted(struct rn_request *request) { note(&aborted); }

static const struct rn_request_callbacks parts_callbacks = {.writable = more_parts,
                                                            .aborted = on_aborted};

static void on_parts(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    parts->length = number(request);
    rn_response_start(request, 200);
    rn_response_header(request, "X-Mark", RN_BYTES("here"));
    rn_response_head(request, "application/octet-stream", parts->length);
    if (rn_request_is_head(request)) {
        rn_response_end(request);
        return;
    }
    rn_request_on(request, &parts_callbacks);
}

/* Of unknown length, in pieces of at most 5,000; `big` again and again, in the end. */
static void more_chunks(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    while (parts->at < parts->length) {
        uint64_t left = parts->length - parts->at;
        const uint8_t *from = big + parts->at % BIG;
        uint64_t most = BIG - parts->at % BIG;
        if (most > 5000) most = 5000;
        size_t taken = rn_response_write(request, from, left < most ? left : most);
        if (!taken) return;
        parts->at += taken;
    }
    rn_response_end(request);
}

static const struct rn_request_callbacks chunk_callbacks = {.writable = more_chunks,
                                                            .aborted = on_aborted};

static void on_chunks(struct rn_request *request)
{
    struct parts *parts = rn_request_state(request);
    parts->length = number(request);
    rn_request_on(request, &chunk_callbacks);
    rn_response_start(request, 200);
    rn_response_head(request, NULL, RN_LENGTH_UNKNOWN);
    more_chunks(request);
}

static void on_status(struct rn_request *request)
{
    rn_response_start(request, (unsigned)number(request));
    rn_response_head(request, NULL, number(request) == 304 ? RN_LENGTH_UNKNOWN : 0);
    rn_response_end(request);
}

static void on_less(struct rn_request *request) /* than was promised */
{
    rn_response_start(request, 200);
    rn_response_head(request, NULL, 10);
    rn_response_write(request, "half", 4);
    rn_response_end(request);
}

static void on_short_file(struct rn_request *request)
{
    rn_response_start(request, 200);
    rn_response_head(request, NULL, BIG + 1);
    assert_true(rn_response_file(request, big_fd, 0, BIG + 1, &owner));
    note(&handed);
    rn_response_end(request);
}

static void on_fields(struct rn_request *request) /* more than there is room for */
{
    char value[1000];
    memset(value, 'x', sizeof value);
    rn_response_start(request, 200);
    for (unsigned i = 0; i < number(request); i++)
        rn_response_header(request, "X-Long", rn_bytes_of(value, sizeof value));
    rn_response_head(request, NULL, 0);
    rn_response_end(request);
}

static const struct rn_http_route routes[] = {
    {.path = "/whole", .handler = on_whole},
    {.path = "/slice", .handler = on_slice},
    {.path = "/constant", .handler = on_constant},
    {.methods = "GET", .path = "/parts", .handler = on_parts},
    {.path = "/chunks", .handler = on_chunks},
    {.path = "/status", .handler = on_status},
    {.path = "/less", .handler = on_less},
    {.path = "/short-file", .handler = on_short_file},
    {.path = "/fields", .handler = on_fields},
};

static void start(void)
{
    handed = released = aborted = 0;
    fill_made(big, 0, BIG);
    bed_start(routes);
    big_fd = memfd_create("big", MFD_CLOEXEC);
    assert_int_equal(write(big_fd, big, BIG), BIG);
}

static void stop(void)
{
    bed_stop();
    assert_int_equal(released, handed);
    close(big_fd);
}

static void request_of(char *to, const char *target, size_t count, unsigned minor)
{
    sprintf(to, "GET %s?%zu HTTP/1.%u\r\nHost: x\r\n\r\n", target, count, minor);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static const size_t sizes[] = {0, 1, 3583, 3584, 4095, 4096, 8000, 15000, 16384, 70000, BIG};

/* Pipelined, so that answers meet a buffer that others have filled. */
static void expect_all(const char *target, unsigned rounds, size_t most)
{
    char request[128];
    int fd = dial();
    for (unsigned i = 0; i < RN_COUNT(sizes) && sizes[i] <= most; i++) {
        request_of(request, target, sizes[i], 1);
        for (unsigned k = 0; k < rounds; k++) send_all(fd, request);
        for (unsigned k = 0; k < rounds; k++) {
            read_answer(fd, false);
            assert_int_equal(answer.status, 200);
            assert_made(sizes[i]);
        }
        snprintf(request, sizeof request, "HEAD %s?%zu HTTP/1.1\r\nHost: x\r\n\r\n", target,
                 sizes[i]);
        send_all(fd, request);
        read_answer(fd, true);
        assert_int_equal(answer.status, 200);
    }
    close(fd);
}

static void test_whole(void **state)
{
    start();
    expect_all("/whole", 20, 4096); /* these always fit */
    assert_int_equal(ask("GET", "/whole?40000", NULL), 500);
    assert_body("too large", 9);
    assert_int_equal(ask("HEAD", "/whole?40000", NULL), 200);
    assert_field("Content-Length", "40000");
    stop();
}

static void test_slice(void **state)
{
    start();
    expect_all("/constant", 4, BIG);
    assert_int_equal(released, 0);
    expect_all("/slice", 4, BIG);
    eventually(seen(&released) == 5 * RN_COUNT(sizes));
    stop();
}

static void test_parts(void **state)
{
    char length[32];
    start();
    expect_all("/parts", 2, BIG);
    assert_true(seen(&handed) > 3 * RN_COUNT(sizes));
    assert_int_equal(ask("HEAD", "/parts?3000000", NULL), 200);
    sprintf(length, "%d", BIG);
    assert_field("Content-Length", length);
    assert_field("X-Mark", "here");
    assert_int_equal(aborted, 0);
    stop();
}

static void test_chunks(void **state)
{
    char request[128];
    start();
    expect_all("/chunks", 2, BIG);
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        request_of(request, "/chunks", sizes[i], 0);
        int fd = dial_and_send(request);
        read_answer(fd, false); /* to the end of the connection */
        assert_made(sizes[i]);
        assert_field("Transfer-Encoding", NULL);
        assert_field("Connection", "close");
        close(fd);
    }
    assert_int_equal(ask("HEAD", "/chunks?5", NULL), 200);
    assert_field("Transfer-Encoding", "chunked");
    stop();
}

/* The client goes away in the middle: each owner is released all the same, and once. */
static void test_cut(void **state)
{
    static const char *const targets[] = {"/slice", "/parts", "/chunks", "/constant"};
    char request[128];
    start();
    for (unsigned i = 0; i < 6 * RN_COUNT(targets); i++) {
        bool chunks = i % RN_COUNT(targets) == 2; /* more than any socket holds */
        request_of(request, targets[i % RN_COUNT(targets)], chunks ? 500000000 : BIG, 1);
        int fd = dial_and_send(request);
        if (i & 8) send_all(fd, request);
        read_answer_head(fd);
        hang_up(fd);
    }
    eventually(bed_figures().connections == 0);
    assert_int_equal(seen(&released), seen(&handed));
    assert_true(seen(&aborted) >= 6);
    assert_int_equal(ask("GET", "/slice?3000000", NULL), 200);
    stop();
}

static void test_bodiless(void **state)
{
    static const char *const statuses[] = {"204", "304", "404", "299"};
    char request[256];
    start();
    for (unsigned i = 0; i < RN_COUNT(statuses); i++) {
        snprintf(request, sizeof request, "GET /status?%s HTTP/1.1\r\nHost: x\r\n\r\n"
                 GET("/whole?1"), statuses[i]);
        int fd = dial_and_send(request);
        read_answer_head(fd);
        assert_int_equal(answer.status, atoi(statuses[i]));
        assert_field("Content-Length", i < 2 ? NULL : "0");
        assert_field("Transfer-Encoding", NULL);
        assert_non_null(field("Date"));
        read_answer(fd, false);
        assert_made(1);
        close(fd);
    }
    stop();
}

static void test_broken(void **state)
{
    start();
    assert_reset(dial_and_send(GET("/less")));
    assert_int_equal(ask("GET", "/fields?2", NULL), 200);
    assert_reset(dial_and_send(GET("/fields?100")));
    assert_reset(dial_and_send(GET("/short-file")));
    eventually(seen(&released) == 1);
    assert_int_equal(ask("GET", "/whole?5", NULL), 200);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_each(test_whole),
        on_each(test_slice),
        on_each(test_parts),
        on_each(test_chunks),
        on_each(test_cut),
        on_each(test_bodiless),
        on_each(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
