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

#include "http_client.h"

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

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, site_path("socket"));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
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
