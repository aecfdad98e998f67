/*
 * Opening files under the root, and remembering them: what may be opened, what is noticed when it
 * changes, what stays open and what doesn't.
 */
#include "site.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static const struct rn_static_options usual = {0};

static const rn_ns due = 1001 * RN_MILLISECOND;

static void expect(const char *target, const char *body)
{
    if (get(target, NULL) != 200) fail_msg("%s: %d", target, answer.status);
    assert_string_equal((char *)answer.body, body);
}

/* ---- What may be opened ---------------------------------------------------------------------- */

static void link_to(const char *target, const char *name)
{
    assert_int_equal(symlink(target, in_root(name)), 0);
}

static void make_links(void)
{
    put_text("real/file.txt", "inside");
    put_bytes("../secret.txt", "secret", 6);
    link_to("real/file.txt", "in.txt");
    link_to("../root/real/file.txt", "out-and-in.txt");
    link_to("real", "directory");
    link_to("../real/file.txt", "real/up.txt");
    link_to("../secret.txt", "out.txt");
    link_to(site_path("secret.txt"), "out-absolute.txt");
    link_to(site_path("root/real/file.txt"), "in-absolute.txt");
    link_to("..", "out-directory");
    link_to("out-directory/secret.txt", "out-chain.txt");
    link_to("/proc/self/root", "magic");
    link_to("loop.txt", "loop.txt");
    link_to("none", "dangling.txt");
}

static const char *const refused[] = {
    "/out.txt", "/out-absolute.txt", "/in-absolute.txt", "/out-directory/secret.txt",
    "/out-directory/", "/out-chain.txt", "/magic/etc/passwd", "/loop.txt", "/dangling.txt",
    "/out-and-in.txt", "/out-directory",
};

static void test_links(void **state)
{
    make_links();
    site_start((struct rn_static_options){.list = true});
    for (int i = 0; i < 2; i++) {
        expect("/real/file.txt", "inside");
        expect("/in.txt", "inside");
        expect("/directory/file.txt", "inside");
        expect("/real/up.txt", "inside");
        assert_int_equal(get("/directory", NULL), 301);
        for (unsigned k = 0; k < RN_COUNT(refused); k++)
            if (get(refused[k], NULL) != 404) fail_msg("%s: %d", refused[k], answer.status);
    }
    site_stop();
}

/* A link that comes to lead out of the root. */
static void test_link_that_turns_outward(void **state)
{
    put_text("a.txt", "inside");
    link_to("a.txt", "link.txt");
    site_start(usual);
    expect("/link.txt", "inside");
    unlink(in_root("link.txt"));
    put_bytes("../secret.txt", "secret", 6);
    link_to("../secret.txt", "link.txt");
    pass_time(due);
    assert_int_equal(get("/link.txt", NULL), 404);
    site_stop();
}

static void test_special_files(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    put_text("file.txt", "file");
    assert_int_equal(mkfifo(in_root("pipe"), 0644), 0);
    assert_int_equal(mkfifo(in_root("file.txt.gz"), 0644), 0);
    strcpy(address.sun_path, in_root("socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    int device = mknod(in_root("null"), S_IFCHR | 0666, (dev_t)0x103); /* root alone may */
    assert_true(device == 0 || errno == EPERM);
    site_start(usual);
    unsigned before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get("/pipe", NULL), 404);
        assert_int_equal(get("/socket", NULL), 404);
        assert_int_equal(get("/null", NULL), 404);
        assert_int_equal(get("/file.txt", "Accept-Encoding: gzip\r\n"), 200);
        assert_field("Content-Encoding", NULL);
        expect_descriptors(before);
    }
    site_stop();
    close(fd);
}

/* Runs a test in a process of its own, whose rights are then taken away. */
static void in_child(void (*test)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s; status %d\n", __FILE__, __LINE__, #condition,             \
                    answer.status);                                                                \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void without_openat2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {RN_COUNT(filter), filter};
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    struct rn_static *files;
    struct rn_static_options options = {.root = in_root("")};
    int result = rn_static_open(&files, &options, 1);
    answer.status = (unsigned)-result;
    REQUIRE(result == -ENOSYS);
    _exit(0);
}

static void test_without_openat2(void **state)
{
    make_links();
    in_child(without_openat2);
}

static void as_nobody(void)
{
    REQUIRE(getuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
    site_start(usual);
    REQUIRE(get("/open.txt", NULL) == 200);
    REQUIRE(get("/shut.txt", NULL) == 403);
    REQUIRE(get("/shut/file.txt", NULL) == 403);
    REQUIRE(get("/shut/", NULL) == 403);
    _exit(0);
}

static void test_permissions(void **state)
{
    put_text("open.txt", "open");
    put_text("shut.txt", "shut");
    put_text("shut/file.txt", "shut");
    assert_int_equal(chmod(in_root("shut.txt"), 0), 0);
    assert_int_equal(chmod(in_root("shut"), 0), 0);
    assert_int_equal(chmod(site.base, 0777), 0);
    in_child(as_nobody);
    assert_int_equal(chmod(in_root("shut"), 0755), 0);
}

/* ---- What is remembered ---------------------------------------------------------------------- */

/* For a second nobody looks at the file: it can be gone. */
static void test_small_file_from_memory(void **state)
{
    put_text("small.txt", "small");
    put_text("sub/index.html", "index");
    site_start(usual);
    expect("/small.txt", "small");
    expect("/sub/", "index");
    unlink(in_root("small.txt"));
    unlink(in_root("sub/index.html"));
    pass_time(900 * RN_MILLISECOND);
    expect("/small.txt", "small");
    expect("/sub/", "index");
    pass_time(101 * RN_MILLISECOND);
    assert_int_equal(get("/small.txt", NULL), 404);
    assert_int_equal(get("/sub/", NULL), 404);
    put_text("small.txt", "again");
    expect("/small.txt", "again"); /* what is missing isn't remembered */
    site_stop();
}

/* What was looked at and has not changed is good for another second, and only for one. */
static void test_each_second(void **state)
{
    put_text("small.txt", "small");
    site_start(usual);
    for (int i = 0; i < 3; i++) {
        expect("/small.txt", "small");
        pass_time(due);
        expect("/small.txt", "small");
        pass_time(500 * RN_MILLISECOND);
        unlink(in_root("small.txt"));
        expect("/small.txt", "small");
        pass_time(501 * RN_MILLISECOND);
        assert_int_equal(get("/small.txt", NULL), 404);
        put_text("small.txt", "small");
    }
    site_stop();
}

static void test_changes(void **state)
{
    put_text("size.txt", "one");
    put_text("time.txt", "one");
    put_text("inode.txt", "one");
    site_start(usual);
    expect("/size.txt", "one");
    expect("/time.txt", "one");
    expect("/inode.txt", "one");
    put_text("size.txt", "three");
    put_text("time.txt", "two");
    age(in_root("time.txt"), OLD, 1);
    put_text("new.txt", "two");
    assert_int_equal(rename(in_root("new.txt"), in_root("inode.txt")), 0);
    expect("/size.txt", "one");
    pass_time(due);
    expect("/size.txt", "three");
    expect("/time.txt", "two");
    expect("/inode.txt", "two");
    assert_int_equal(mkdir(in_root("new"), 0755), 0);
    unlink(in_root("inode.txt"));
    assert_int_equal(rename(in_root("new"), in_root("inode.txt")), 0);
    pass_time(due);
    assert_int_equal(get("/inode.txt", NULL), 301);
    site_stop();
}

/* Written twice within one tick of the file system's clock a file looks the same: one that was
 * written just now, or later than that, is read again. */
static void test_file_written_just_now(void **state)
{
    long ahead = time(NULL) + 1000;
    site_start(usual);
    put_text("now.txt", "one");
    age(in_root("now.txt"), ahead, 0);
    expect("/now.txt", "one");
    put_text("now.txt", "two");
    age(in_root("now.txt"), ahead, 0);
    pass_time(due);
    expect("/now.txt", "two");
    site_stop();
}

/* A file that is sent by its descriptor is looked at each time: the length is promised first. */
static void test_large_file_changes_in_place(void **state)
{
    put_made("large.bin", 50000);
    site_start(usual);
    for (size_t size = 50000; size > 20000; size -= 10000) {
        assert_int_equal(get("/large.bin", NULL), 200);
        assert_made(0, size);
        put_made("large.bin", size - 10000);
    }
    site_stop();
}

static void test_siblings_come_and_go(void **state)
{
    static const char gzip[] = "Accept-Encoding: gzip\r\n";
    put_text("late.js", "plain");
    site_start(usual);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get("/late.js", gzip), 200);
        assert_body("plain", 5);
        assert_field("Vary", NULL);
        put_text("late.js.gz", "packed");
        pass_time(due);
        assert_int_equal(get("/late.js", NULL), 200);
        assert_body("plain", 5);
        assert_field("Vary", "Accept-Encoding");
        assert_int_equal(get("/late.js", gzip), 200);
        assert_body("packed", 6);
        put_text("late.js.gz", "changed");
        pass_time(due);
        assert_int_equal(get("/late.js", gzip), 200);
        assert_body("changed", 7);
        unlink(in_root("late.js.gz"));
        pass_time(due);
    }
    assert_int_equal(get("/late.js", gzip), 200);
    assert_field("Vary", NULL);
    site_stop();
}

/* Many more files than entries, small and large, by several spellings: all right, few open. */
static void test_eviction(void **state)
{
    char name[64];
    for (size_t i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "file-%zu.bin", i);
        put_made(name, i & 1 ? 10000 + i : 100 + i);
    }
    site_start((struct rn_static_options){.cache_files = 5}); /* becomes 8 */
    unsigned before = open_descriptors();
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 60; i++) {
            snprintf(name, sizeof name, round == 1 ? "/.//fil%%65-%zu.bin" : "/file-%zu.bin", i);
            assert_int_equal(get(name, NULL), 200);
            assert_made(0, i & 1 ? 10000 + i : 100 + i);
        }
        for (int i = 0; i < 3000 && open_descriptors() > before + 8; i++) get("/none", NULL);
        assert_in_range(open_descriptors(), before, before + 8);
    }
    pass_time(due);
    for (size_t i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "file-%zu.bin", i);
        unlink(in_root(name));
    }
    for (size_t i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "/file-%zu.bin", i);
        assert_int_equal(get(name, NULL), 404);
        snprintf(name, sizeof name, "/.//fil%%65-%zu.bin", i);
        assert_int_equal(get(name, NULL), 404);
    }
    expect_descriptors(before);
    site_stop();
}

/* A path as long as it may be, and one byte longer; what it takes leaves less room for content. */
static void test_long_path(void **state)
{
    static const size_t sizes[] = {0, 1, 4351, 4352, 4353, 8192, 8447, 8448, 9000};
    char name[32], target[4200];
    site_start(usual);
    for (unsigned i = 0; i < RN_COUNT(sizes); i++) {
        for (size_t len = 4095; len <= 4097; len++) {
            snprintf(name, sizeof name, "%0*zu", (int)(9 - len % 2), sizes[i]);
            put_made(name, sizes[i]);
            size_t at = 0;
            while (at + 1 + strlen(name) < len) at += (size_t)sprintf(target + at, "/.");
            sprintf(target + at, "/%s", name);
            assert_int_equal(strlen(target), len);
            for (int k = 0; k < 3; k++) {
                assert_int_equal(get(target, NULL), len <= 4096 ? 200 : 404);
                if (len <= 4096) assert_made(0, sizes[i]);
            }
        }
    }
    site_stop();
}

/* ---- What is on its way out ------------------------------------------------------------------ */

/* An entry makes room for others while its file is being sent. */
static void test_download_outlives_its_entry(void **state)
{
    char name[64];
    put_made("slow.bin", 8 << 20);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "other-%d.bin", i);
        put_made(name, 20000);
    }
    site_start((struct rn_static_options){.cache_files = 8});
    unsigned before = open_descriptors();
    int fd = dial();
    send_all(fd, "GET /slow.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer_head(fd);
    unlink(in_root("slow.bin"));
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "/other-%d.bin", i);
        assert_int_equal(get(name, NULL), 200);
        assert_made(0, 20000);
        unlink(in_root(name + 1));
    }
    answer.len = 0;
    read_body(fd, 8 << 20);
    assert_made(0, 8 << 20);
    close(fd);
    pass_time(due);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "/other-%d.bin", i);
        assert_int_equal(get(name, NULL), 404);
    }
    expect_descriptors(before);
    site_stop();
}

/* Memory that a slow peer still has to get isn't overwritten, even when all of it is. */
static void test_content_on_its_way_out(void **state)
{
    enum { FILES = 12, REQUESTS = 100, SIZE = 8192 };
    char name[64], request[128];
    int peers[FILES];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.bin", i);
        put_made(name, SIZE);
    }
    put_text("other.txt", "other");
    site_start((struct rn_static_options){.cache_files = 8});
    for (int i = 0; i < FILES; i++) { /* more than fits into the sockets between us */
        peers[i] = dial();
        snprintf(request, sizeof request, "GET /%d.bin HTTP/1.1\r\nHost: x\r\n\r\n", i);
        for (int k = 0; k < REQUESTS; k++) send_all(peers[i], request);
        read_answer_head(peers[i]);
        read_body(peers[i], SIZE);
    }
    for (int i = 0; i < 50; i++) get("/none", NULL); /* the server goes as far as it can */
    char *blank = calloc(1, SIZE + 1);
    memset(blank, '-', SIZE);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.bin", i);
        put_bytes(name, blank, SIZE);
        age(in_root(name), OLD + 100, 0);
    }
    pass_time(due);
    for (int i = 0; i < 3; i++) expect("/other.txt", "other");
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        expect(name, blank);
    }
    for (int i = 0; i < FILES; i++) {
        bool changed = false;
        for (int k = 1; k < REQUESTS; k++) {
            read_answer(peers[i], false);
            if (answer.body[0] == '-') changed = true;
            if (changed) assert_body(blank, SIZE);
            else assert_made(0, SIZE);
        }
        assert_true(changed);
        close(peers[i]);
    }
    free(blank);
    site_stop();
}

/* Out of descriptors: those that are only kept open go; then it is 503, until some are back. */
static void test_out_of_descriptors(void **state)
{
    struct rlimit limit, low;
    char name[32];
    int held[600], count = 0;
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%d.bin", i);
        put_made(name, 20000);
    }
    site_start(usual);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "/%d.bin", i);
        assert_int_equal(get(name, NULL), 200);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 300;
    int peer = dial();
    send_all(peer, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < 600 && (held[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
    send_all(peer, "GET /3.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false);
    assert_int_equal(answer.status, 200);
    assert_made(0, 20000);
    while (count < 600 && (held[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
    send_all(peer, "GET /3.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false); /* it is open already */
    assert_int_equal(answer.status, 200);
    send_all(peer, "GET /2.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false); /* in the place of that one */
    assert_int_equal(answer.status, 200);
    assert_made(0, 20000);
    unlink(in_root("2.bin"));
    pass_time(due);
    send_all(peer, "GET /2.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false);
    assert_int_equal(answer.status, 404);
    while (count < 600 && (held[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
    send_all(peer, "GET /1.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false);
    assert_int_equal(answer.status, 503);
    while (count) close(held[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    send_all(peer, "GET /1.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    read_answer(peer, false);
    assert_int_equal(answer.status, 200);
    assert_made(0, 20000);
    close(peer);
    site_stop();
}

/* ---- The root -------------------------------------------------------------------------------- */

static int try_root(const char *root)
{
    struct rn_static *files;
    return rn_static_open(&files, &(struct rn_static_options){.root = root}, 4);
}

static void test_root(void **state)
{
    unsigned before = open_descriptors();
    put_text("file.txt", "file");
    assert_int_equal(try_root(in_root("none")), -ENOENT);
    assert_int_equal(try_root(in_root("file.txt")), -ENOTDIR);
    assert_int_equal(try_root(""), -ENOENT);
    assert_int_equal(open_descriptors(), before);
    struct rn_static *files;
    struct rn_static_options options = {.root = in_root(""), .cache_files = 1000};
    assert_int_equal(rn_static_open(&files, &options, RN_WORKERS_MAX), 0);
    rn_static_close(files);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_links),
        site_test(test_link_that_turns_outward),
        site_test(test_special_files),
        site_test(test_without_openat2),
        site_test(test_permissions),
        site_test(test_small_file_from_memory),
        site_test(test_each_second),
        site_test(test_changes),
        site_test(test_file_written_just_now),
        site_test(test_large_file_changes_in_place),
        site_test(test_siblings_come_and_go),
        site_test(test_eviction),
        site_test(test_long_path),
        site_test(test_download_outlives_its_entry),
        site_test(test_content_on_its_way_out),
        site_test(test_out_of_descriptors),
        site_test(test_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
