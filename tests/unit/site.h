/*
 * A site for the tests of static files: a directory, a server of one worker that serves it on a
 * Unix socket by the epoll backend, and a blocking client. The server's clock can be moved, so that
 * a test doesn't wait for the second after which a file is looked at again.
 */
#ifndef TESTS_SITE_H
#define TESTS_SITE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <runnel/backend.h>
#include <runnel/http.h>

#define OLD 1600000000 /* when the files were made: Sun, 13 Sep 2020 12:26:40 GMT */
#define OLD_DATE "Sun, 13 Sep 2020 12:26:40 GMT"

struct site {
    char base[32]; /* holds "root", the socket, and what must stay out of reach */
    struct rn_static *files;
    struct rn_http_server *server;
    struct rn_http_route routes[3];
};

static struct site site;

/* ---- The server ------------------------------------------------------------------------------ */

static rn_ns clock_ahead;

static rn_ns shifted_now(struct rn_backend *backend)
{
    return rn_backend_epoll.now(backend) + __atomic_load_n(&clock_ahead, __ATOMIC_ACQUIRE);
}

static inline void pass_time(rn_ns time)
{
    __atomic_fetch_add(&clock_ahead, time, __ATOMIC_ACQ_REL);
}

static char *site_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", site.base, name) < (int)sizeof paths[0]);
    return path;
}

static void site_start(struct rn_static_options options)
{
    static struct rn_backend_vt backend;
    struct rn_address address;
    char text[64];
    options.root = site_path("root");
    backend = rn_backend_epoll;
    backend.now = shifted_now;
    assert_int_equal(rn_static_open(&site.files, &options, 1), 0);
    site.routes[0] = (struct rn_http_route){.methods = "GET",
                                            .path = "/files/*",
                                            .handler = rn_static_handler,
                                            .context = site.files};
    site.routes[1] = site.routes[0];
    site.routes[1].path = "/*";
    struct rn_http_options http = {
        .routes = site.routes,
        .route_count = 2,
        .workers = 1,
        .backend = &backend,
        .connections_max = 64,
    };
    snprintf(text, sizeof text, "unix:%s/socket", site.base);
    assert_int_equal(rn_address_parse(&address, text, 0), 0);
    assert_int_equal(rn_http_server_new(&site.server, &http), 0);
    assert_int_equal(rn_http_server_listen(site.server, &address), 0);
    assert_int_equal(rn_http_server_start(site.server), 0);
}

static void site_stop(void)
{
    rn_http_server_stop(site.server);
    rn_static_close(site.files);
    unlink(site_path("socket"));
}

/* ---- The files ------------------------------------------------------------------------------- */

static void age(const char *path, long seconds, long nanoseconds)
{
    struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* A file of the root: `name` is relative to it, and its directories are made. */
static void put_bytes(const char *name, const void *data, size_t len)
{
    char full[512], *path = site_path("root/");
    snprintf(full, sizeof full, "%s%s", path, name);
    for (char *slash = full + strlen(path); (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(full, 0755);
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
    age(full, OLD, 0);
}

static inline void put_text(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* The byte at each place of a made file: each 251 bytes alike, so that places can be told apart. */
static inline uint8_t made_byte(uint64_t at) { return (uint8_t)(at * 7 % 251); }

static inline void put_made(const char *name, size_t len)
{
    uint8_t *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++) data[i] = made_byte(i);
    put_bytes(name, data, len);
    free(data);
}

static inline char *in_root(const char *name)
{
    static char path[2][512];
    static unsigned next;
    char *to = path[next++ % 2];
    snprintf(to, sizeof path[0], "%s/%s", site_path("root"), name);
    return to;
}

static void remove_all(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static int site_make(void **state)
{
    strcpy(site.base, "/tmp/runnel-site-XXXXXX");
    assert_non_null(mkdtemp(site.base));
    assert_int_equal(chmod(site.base, 0755), 0);
    assert_int_equal(mkdir(site_path("root"), 0755), 0);
    clock_ahead = 0;
    signal(SIGPIPE, SIG_IGN); /* as a program with a server does: sendfile has no flag against it */
    return 0;
}

static int site_remove(void **state)
{
    remove_all(site.base);
    return 0;
}

static inline unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory)) count++;
    closedir(directory);
    return count - 3; /* ".", ".." and its own */
}

/* ---- The client ------------------------------------------------------------------------------ */

struct answer {
    int status;
    char head[4096];
    uint8_t *body;
    size_t len;
};

static struct answer answer; /* the last one */

static inline int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, site_path("socket"));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_all(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The value of a field of the last answer, or NULL. */
static const char *field(const char *name)
{
    static char values[4][512];
    static unsigned next;
    size_t len = strlen(name);
    for (const char *line = strstr(answer.head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
        char *value = values[next++ % 4];
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(line + len + 2, "\r"),
                 line + len + 2);
        return value;
    }
    return NULL;
}

static inline void assert_field(const char *name, const char *value)
{
    const char *found = field(name);
    if (!value) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, value);
}

static void read_exactly(int fd, void *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t count = recv(fd, (char *)to + have, len - have, 0);
        assert_true(count > 0);
        have += (size_t)count;
    }
}

static void read_line(int fd, char *line, size_t cap)
{
    size_t len = 0;
    do {
        assert_true(len + 1 < cap);
        read_exactly(fd, line + len++, 1);
    } while (len < 2 || memcmp(line + len - 2, "\r\n", 2) != 0);
    line[len] = 0;
}

static void read_body(int fd, size_t len)
{
    answer.body = realloc(answer.body, answer.len + len + 1);
    read_exactly(fd, answer.body + answer.len, len);
    answer.len += len;
    answer.body[answer.len] = 0;
}

static void read_chunks(int fd)
{
    char line[64];
    size_t len;
    do {
        read_line(fd, line, sizeof line);
        len = strtoul(line, NULL, 16);
        read_body(fd, len);
        read_line(fd, line, sizeof line);
        assert_string_equal(line, "\r\n");
    } while (len);
}

static void read_answer_head(int fd)
{
    size_t at = 0;
    do {
        read_line(fd, answer.head + at, sizeof answer.head - at);
        at += strlen(answer.head + at);
    } while (strcmp(answer.head + at - 4, "\r\n\r\n") != 0);
    answer.status = atoi(answer.head + 9);
    answer.len = 0;
    read_body(fd, 0);
}

/* Reads the whole next answer. */
static void read_answer(int fd, bool to_head)
{
    read_answer_head(fd);
    const char *length = field("Content-Length");
    if (to_head || answer.status == 304) return;
    if (length) {
        read_body(fd, strtoull(length, NULL, 10));
    } else if (field("Transfer-Encoding")) {
        read_chunks(fd);
    } else {
        uint8_t byte;
        while (recv(fd, &byte, 1, 0) == 1) {
            answer.body = realloc(answer.body, answer.len + 2);
            answer.body[answer.len++] = byte;
        }
        answer.body[answer.len] = 0;
    }
}

/* One request on a connection of its own. `fields` is NULL or lines, each with its CRLF. */
static int ask(const char *method, const char *target, const char *fields)
{
    char request[16384];
    int fd = dial();
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, target,
             fields ? fields : "");
    send_all(fd, request);
    read_answer(fd, strcmp(method, "HEAD") == 0);
    close(fd);
    return answer.status;
}

static inline int get(const char *target, const char *fields)
{
    return ask("GET", target, fields);
}

static inline void assert_body(const void *data, size_t len)
{
    assert_int_equal(answer.len, len);
    assert_memory_equal(answer.body, data, len);
}

/* That the last body is these bytes of a made file. */
static inline void assert_made(uint64_t offset, size_t len)
{
    assert_int_equal(answer.len, len);
    for (size_t i = 0; i < len; i++)
        if (answer.body[i] != made_byte(offset + i)) fail_msg("other content at %zu", i);
}

/* The server closes what it has open for a peer that went away in its own time: other requests tell
 * that it had some. */
static inline void expect_descriptors(unsigned count)
{
    for (int i = 0; i < 3000 && open_descriptors() != count; i++) get("/none", NULL);
    assert_int_equal(open_descriptors(), count);
}

#define site_test(function) cmocka_unit_test_setup_teardown(function, site_make, site_remove)

#endif
