/*
 * Socket options, the addresses of descriptors, and listening; above all on Unix sockets' files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <runnel/net.h>

static const struct rn_listen_options plain;

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(dir);
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

static struct rn_address parse(const char *text)
{
    struct rn_address address;
    assert_int_equal(rn_address_parse(&address, text, 0), 0);
    return address;
}

static int connect_to(const struct rn_address *address)
{
    int fd = socket(rn_address_family(address), SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const void *)address->bytes, address->len) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* Whether there is IPv6 here at all. */
static bool has_ip6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = fd >= 0 && bind(fd, (void *)&any, sizeof any) == 0;
    if (fd >= 0) close(fd);
    return has;
}

/* ---- Options ----------------------------------------------------------------------------- */

struct option {
    int option, level, name, values[2];
};

/* Each value is set, is what the kernel has then, and is read back. */
static void assert_option(int fd, const struct option *option)
{
    for (unsigned k = 0; k < 2; k++) {
        int value = -1, theirs = -1;
        socklen_t len = sizeof theirs;
        assert_int_equal(rn_socket_set(fd, option->option, option->values[k]), 0);
        assert_int_equal(getsockopt(fd, option->level, option->name, &theirs, &len), 0);
        assert_int_equal(theirs, option->values[k]);
        assert_int_equal(rn_socket_get(fd, option->option, &value), 0);
        assert_int_equal(value, option->values[k]);
    }
}

static void options_are_set_and_read_back(void **state)
{
    (void)state;
    static const struct option table[] = {
        {RN_SOCKET_REUSEADDR, SOL_SOCKET, SO_REUSEADDR, {1, 0}},
        {RN_SOCKET_REUSEPORT, SOL_SOCKET, SO_REUSEPORT, {1, 0}},
        {RN_SOCKET_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, {1, 0}},
        {RN_SOCKET_KEEPALIVE_IDLE, IPPROTO_TCP, TCP_KEEPIDLE, {60, 7}},
        {RN_SOCKET_KEEPALIVE_INTERVAL, IPPROTO_TCP, TCP_KEEPINTVL, {5, 11}},
        {RN_SOCKET_KEEPALIVE_COUNT, IPPROTO_TCP, TCP_KEEPCNT, {3, 9}},
        {RN_SOCKET_NODELAY, IPPROTO_TCP, TCP_NODELAY, {1, 0}},
        {RN_SOCKET_V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY, {1, 0}},
        {RN_SOCKET_BROADCAST, SOL_SOCKET, SO_BROADCAST, {1, 0}},
        {RN_SOCKET_CORK, IPPROTO_TCP, TCP_CORK, {1, 0}},
        {RN_SOCKET_QUICKACK, IPPROTO_TCP, TCP_QUICKACK, {0, 1}},
        {RN_SOCKET_USER_TIMEOUT, IPPROTO_TCP, TCP_USER_TIMEOUT, {12345, 0}},
        {RN_SOCKET_SYN_COUNT, IPPROTO_TCP, TCP_SYNCNT, {3, 5}},
        {RN_SOCKET_FASTOPEN_CONNECT, IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, {1, 0}},
        {RN_SOCKET_UNSENT_LOW_WATER, IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */, {4096, 1}},
        {RN_SOCKET_DEFER_ACCEPT, IPPROTO_TCP, TCP_DEFER_ACCEPT, {1, 0}},
        {RN_SOCKET_RECEIVE_LOW_WATER, SOL_SOCKET, SO_RCVLOWAT, {7, 1}},
        {RN_SOCKET_PRIORITY, SOL_SOCKET, SO_PRIORITY, {3, 0}},
        {RN_SOCKET_TTL, IPPROTO_IP, IP_TTL, {9, 64}},
        {RN_SOCKET_TOS, IPPROTO_IP, IP_TOS, {8, 0}},
        {RN_SOCKET_FREEBIND, IPPROTO_IP, IP_FREEBIND, {1, 0}},
        {RN_SOCKET_PATH_MTU_DISCOVER, IPPROTO_IP, IP_MTU_DISCOVER, {2, 1}},
        {RN_SOCKET_RECEIVE_ERRORS, IPPROTO_IP, IP_RECVERR, {1, 0}},
        {RN_SOCKET_MULTICAST_ALL, IPPROTO_IP, IP_MULTICAST_ALL, {0, 1}},
        {RN_SOCKET_HOPS, IPPROTO_IPV6, IPV6_UNICAST_HOPS, {9, 64}},
        {RN_SOCKET_TRAFFIC_CLASS, IPPROTO_IPV6, IPV6_TCLASS, {8, 0}},
        {RN_SOCKET_PATH_MTU6_DISCOVER, IPPROTO_IPV6, IPV6_MTU_DISCOVER, {2, 1}},
        {RN_SOCKET_RECEIVE_ERRORS6, IPPROTO_IPV6, IPV6_RECVERR, {1, 0}},
        {RN_SOCKET_MULTICAST_ALL6, IPPROTO_IPV6, 29 /* IPV6_MULTICAST_ALL */, {0, 1}},
    };
    int fd = socket(has_ip6() ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    for (size_t i = 0; i < RN_COUNT(table); i++) {
        if (table[i].level == IPPROTO_IPV6 && !has_ip6()) continue;
        assert_option(fd, &table[i]);
    }
    close(fd);
}

/* Those of datagram sockets. */
static void options_of_groups_are_set_and_read_back(void **state)
{
    (void)state;
    static const struct option table[] = {
        {RN_SOCKET_MULTICAST_TTL, IPPROTO_IP, IP_MULTICAST_TTL, {9, 1}},
        {RN_SOCKET_MULTICAST_LOOP, IPPROTO_IP, IP_MULTICAST_LOOP, {0, 1}},
        {RN_SOCKET_MULTICAST_HOPS, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, {9, 1}},
        {RN_SOCKET_MULTICAST_LOOP6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, {0, 1}},
    };
    for (size_t i = 0; i < RN_COUNT(table); i++) {
        bool ip6 = table[i].level == IPPROTO_IPV6;
        if (ip6 && !has_ip6()) continue;
        int fd = socket(ip6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
        assert_option(fd, &table[i]);
        close(fd);
    }
}

static void what_a_socket_is_can_be_read(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0), value = -1;
    struct rn_address address;
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_TYPE, &value), 0);
    assert_int_equal(value, SOCK_STREAM);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_PROTOCOL, &value), 0);
    assert_int_equal(value, IPPROTO_TCP);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_FAMILY, &value), 0);
    assert_int_equal(value, AF_INET);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_LISTENING, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_PATH_MTU, &value), -ENOTCONN);
    assert_int_equal(rn_address_parse(&address, "127.0.0.1:0", 0), 0);
    assert_int_equal(rn_socket_bind(fd, &address), 0);
    assert_int_equal(rn_socket_bind(fd, &address), -EINVAL);
    assert_int_equal(rn_socket_set(fd, RN_SOCKET_FASTOPEN, 5), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_FASTOPEN, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_LISTENING, &value), 0);
    assert_int_equal(value, 1);
    /* A connection that was refused says so once. */
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in taken = {0};
    socklen_t len = sizeof taken;
    int one = socket(AF_INET, SOCK_DGRAM, 0), two = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(one, (void *)&nobody, sizeof nobody), 0);
    assert_int_equal(getsockname(one, (void *)&taken, &len), 0);
    assert_int_equal(connect(two, (void *)&taken, len), 0);
    close(one);
    assert_int_equal(send(two, "x", 1, 0), 1);
    assert_int_equal(rn_socket_get(two, RN_SOCKET_ERROR, &value), 0);
    assert_int_equal(value, ECONNREFUSED);
    assert_int_equal(rn_socket_get(two, RN_SOCKET_ERROR, &value), 0);
    assert_int_equal(value, 0);
    close(two);
    close(fd);
}

static void some_options_are_text(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[16], again[16];
    assert_int_equal(rn_socket_get_text(fd, RN_SOCKET_CONGESTION, text, sizeof text), 0);
    assert_true(*text);
    assert_int_equal(rn_socket_set_text(fd, RN_SOCKET_CONGESTION, text), 0);
    assert_int_equal(rn_socket_get_text(fd, RN_SOCKET_CONGESTION, again, sizeof again), 0);
    assert_string_equal(again, text);
    assert_int_equal(rn_socket_set_text(fd, RN_SOCKET_CONGESTION, "no such one"), -ENOENT);
    assert_int_equal(rn_socket_get_text(fd, RN_SOCKET_CONGESTION, again, 0), RN_E_MISUSE);
    int result = rn_socket_set_text(fd, RN_SOCKET_DEVICE, "lo");
    assert_true(result == 0 || result == -EPERM);
    if (result == 0) {
        assert_int_equal(rn_socket_get_text(fd, RN_SOCKET_DEVICE, text, sizeof text), 0);
        assert_string_equal(text, "lo");
    }
    assert_int_equal(rn_socket_set_text(-1, RN_SOCKET_DEVICE, "lo"), -EBADF);
    assert_int_equal(rn_socket_get_text(-1, RN_SOCKET_DEVICE, text, sizeof text), -EBADF);
    close(fd);
}

static void buffer_sizes_are_at_least_what_was_asked(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0), value = 0;
    assert_int_equal(rn_socket_set(fd, RN_SOCKET_RECEIVE_BUFFER, 30000), 0);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_RECEIVE_BUFFER, &value), 0);
    assert_in_range(value, 30000, 60000); /* the kernel doubles it, socket(7) */
    assert_int_equal(rn_socket_set(fd, RN_SOCKET_SEND_BUFFER, 40000), 0);
    assert_int_equal(rn_socket_get(fd, RN_SOCKET_SEND_BUFFER, &value), 0);
    assert_in_range(value, 40000, 80000);
    close(fd);
}

static void linger_has_three_meanings(void **state)
{
    (void)state;
    static const int values[] = {0, 5, -1, 1, 0, -1};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < RN_COUNT(values); i++) {
        int value = 77;
        struct linger linger = {9, 9};
        socklen_t len = sizeof linger;
        assert_int_equal(rn_socket_set(fd, RN_SOCKET_LINGER, values[i]), 0);
        assert_int_equal(rn_socket_get(fd, RN_SOCKET_LINGER, &value), 0);
        assert_int_equal(value, values[i]);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
        assert_int_equal(linger.l_onoff, values[i] >= 0);
        if (values[i] >= 0) assert_int_equal(linger.l_linger, values[i]);
    }
    close(fd);
}

static void errors_are_told_apart(void **state)
{
    (void)state;
    int value = 5;
    struct rn_address address;
    assert_int_equal(rn_socket_set(-1, RN_SOCKET_NODELAY, 1), -EBADF);
    assert_int_equal(rn_socket_get(-1, RN_SOCKET_NODELAY, &value), -EBADF);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(rn_socket_set(fds[0], (enum rn_socket_option)0x1ff, 1), -ENOPROTOOPT);
    assert_int_equal(rn_socket_get(fds[0], (enum rn_socket_option)0x1ff, &value), -ENOPROTOOPT);
    assert_int_equal(rn_socket_set(fds[0], (enum rn_socket_option)-1, 1), -EOPNOTSUPP);
    assert_int_equal(rn_socket_set(fds[0], RN_SOCKET_NODELAY, 1), -EOPNOTSUPP);
    assert_int_equal(rn_socket_get(fds[0], RN_SOCKET_NODELAY, &value), -EOPNOTSUPP);
    assert_int_equal(value, 5);
    assert_int_equal(rn_local_address(-1, &address), -EBADF);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(rn_peer_address(fd, &address), -ENOTCONN);
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

/* ---- TCP --------------------------------------------------------------------------------- */

static void check_descriptor(int fd)
{
    int flags = fcntl(fd, F_GETFL), descriptor = fcntl(fd, F_GETFD);
    assert_true(flags & O_NONBLOCK);
    assert_true(descriptor & FD_CLOEXEC);
}

static void a_listener_accepts_and_both_ends_have_addresses(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < (has_ip6() ? 2u : 1u); i++) {
        struct rn_address asked = parse(texts[i]), bound, ours, peer;
        int value = 0, fd = rn_listen(&asked, &plain);
        assert_true(fd >= 0);
        check_descriptor(fd);
        assert_int_equal(rn_local_address(fd, &bound), 0);
        assert_int_equal(bound.len, asked.len);
        assert_true(rn_address_port(&bound) > 0);
        assert_int_equal(rn_socket_get(fd, RN_SOCKET_REUSEADDR, &value), 0);
        assert_int_equal(value, 1);
        assert_int_equal(rn_socket_get(fd, RN_SOCKET_REUSEPORT, &value), 0);
        assert_int_equal(value, 0);
        int client = connect_to(&bound);
        assert_true(client >= 0);
        int server = accept4(fd, NULL, NULL, 0);
        assert_true(server >= 0);
        assert_int_equal(rn_socket_get(server, RN_SOCKET_NODELAY, &value), 0);
        assert_int_equal(value, 1); /* inherited */
        assert_int_equal(rn_peer_address(client, &peer), 0);
        assert_memory_equal(peer.bytes, bound.bytes, bound.len);
        assert_int_equal(rn_local_address(client, &ours), 0);
        assert_int_equal(rn_peer_address(server, &peer), 0);
        assert_memory_equal(peer.bytes, ours.bytes, ours.len);
        close(server);
        close(client);
        close(fd);
    }
}

static void a_port_in_use_is_refused_unless_shared(void **state)
{
    (void)state;
    const struct rn_listen_options shared = {.reuse_port = true};
    struct rn_address address = parse("127.0.0.1:0");
    unsigned before = open_descriptors();
    int fd = rn_listen(&address, &plain);
    assert_true(fd >= 0);
    assert_int_equal(rn_local_address(fd, &address), 0);
    assert_int_equal(rn_listen(&address, &plain), -EADDRINUSE);
    assert_int_equal(rn_listen(&address, &shared), -EADDRINUSE); /* both must want it */
    close(fd);
    int fds[3];
    for (int i = 0; i < 3; i++) assert_true((fds[i] = rn_listen(&address, &shared)) >= 0);
    for (int i = 0; i < 3; i++) close(fds[i]);
    /* Connections of a former process that are in TIME-WAIT don't keep the next one out. */
    fd = rn_listen(&address, &plain);
    assert_true(fd >= 0);
    int client = connect_to(&address), server = accept(fd, NULL, NULL);
    close(fd);
    close(server); /* the side that closes first waits */
    close(client);
    fd = rn_listen(&address, &plain);
    assert_true(fd >= 0);
    close(fd);
    struct rn_address elsewhere = parse("192.0.2.1:0");
    assert_int_equal(rn_listen(&elsewhere, &plain), -EADDRNOTAVAIL);
    assert_int_equal(open_descriptors(), before);
}

static void v6only_says_whether_ipv4_comes_in_too(void **state)
{
    (void)state;
    if (!has_ip6()) skip();
    for (int v6only = 0; v6only < 2; v6only++) {
        const struct rn_listen_options options = {.v6only = v6only};
        struct rn_address any = parse("[::]:0"), ip4 = parse("127.0.0.1:0"), peer;
        char text[RN_ADDRESS_TEXT_MAX];
        int fd = rn_listen(&any, &options);
        assert_true(fd >= 0);
        assert_int_equal(rn_local_address(fd, &any), 0);
        memcpy(ip4.bytes + 2, any.bytes + 2, 2); /* the port */
        int client = connect_to(&ip4);
        if (v6only) {
            assert_int_equal(client, -ECONNREFUSED);
        } else {
            assert_true(client >= 0);
            int server = accept(fd, NULL, NULL);
            assert_int_equal(rn_peer_address(server, &peer), 0);
            rn_address_format(&peer, text);
            assert_memory_equal(text, "[::ffff:127.0.0.1]:", 19);
            close(server);
            close(client);
        }
        close(fd);
    }
}

/* ---- Unix sockets ------------------------------------------------------------------------ */

static char directory[64], path[96], name[112];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/runnel-test-XXXXXX");
    if (!mkdtemp(directory)) return -1;
    snprintf(path, sizeof path, "%s/s", directory);
    snprintf(name, sizeof name, "unix:%s", path);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void a_left_behind_socket_is_replaced(void **state)
{
    (void)state;
    struct rn_address address = parse(name), peer;
    unsigned before = open_descriptors();
    struct stat first, second;
    int fd = rn_listen(&address, &plain);
    assert_true(fd >= 0);
    check_descriptor(fd);
    assert_int_equal(stat(path, &first), 0);
    assert_true(S_ISSOCK(first.st_mode));
    /* While it lives it is left alone, and still works. */
    for (int i = 0; i < 3; i++) assert_int_equal(rn_listen(&address, &plain), -EADDRINUSE);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    for (int i = 0; i < 3; i++) close(accept(fd, NULL, NULL)); /* those who looked */
    int client = connect_to(&address);
    assert_true(client >= 0);
    int server = accept(fd, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(rn_peer_address(client, &peer), 0);
    assert_int_equal(peer.len, address.len);
    assert_memory_equal(peer.bytes, address.bytes, address.len);
    assert_int_equal(rn_peer_address(server, &peer), 0);
    assert_int_equal(peer.len, 2); /* it has no name */
    close(server);
    close(client);
    close(fd);
    assert_int_equal(connect_to(&address), -ECONNREFUSED);
    for (int i = 0; i < 3; i++) {
        fd = rn_listen(&address, &plain);
        assert_true(fd >= 0);
        client = connect_to(&address);
        assert_true(client >= 0);
        close(client);
        close(fd);
    }
    assert_int_equal(open_descriptors(), before);
}

/* Its backlog is full: the kernel doesn't let us in, but somebody is there. */
static void a_busy_socket_is_not_left_behind(void **state)
{
    (void)state;
    struct rn_address address = parse(name);
    const struct rn_listen_options options = {.backlog = 1};
    int clients[16], count = 0, fd = rn_listen(&address, &options);
    assert_true(fd >= 0);
    for (; count < 16; count++) {
        clients[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(clients[count], (void *)address.bytes, address.len) < 0) break;
    }
    assert_in_range(count, 1, 15);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(rn_listen(&address, &plain), -EADDRINUSE);
    for (; count >= 0; count--) close(clients[count]);
    close(fd);
}

static void expect_untouched(mode_t type)
{
    struct rn_address address = parse(name);
    struct stat first, second;
    unsigned before = open_descriptors();
    assert_int_equal(lstat(path, &first), 0);
    assert_int_equal(first.st_mode & S_IFMT, type);
    assert_int_equal(rn_listen(&address, &plain), -EADDRINUSE);
    assert_int_equal(lstat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(first.st_mode, second.st_mode);
    assert_int_equal(open_descriptors(), before);
}

/* To connect to any of these is refused as well. */
static void what_is_no_socket_of_ours_stays(void **state)
{
    (void)state;
    char target[96];
    snprintf(target, sizeof target, "%s/t", directory);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    expect_untouched(S_IFREG);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_untouched(S_IFDIR);
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_untouched(S_IFIFO);
    unlink(path);
    assert_int_equal(symlink("nowhere", path), 0);
    expect_untouched(S_IFLNK);
    unlink(path);
    /* A link to a socket that was left behind: who knows who else uses it. */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", target);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (void *)&un, sizeof un), 0);
    close(fd);
    assert_int_equal(symlink(target, path), 0);
    expect_untouched(S_IFLNK);
    unlink(path);
    unlink(target);
    /* A live one of another type. */
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(bind(fd, (void *)&un, sizeof un), 0);
    expect_untouched(S_IFSOCK);
    close(fd);
    struct rn_address missing = parse("unix:/nonexistent/s");
    assert_int_equal(rn_listen(&missing, &plain), -ENOENT);
}

static void permissions_are_what_was_asked(void **state)
{
    (void)state;
    static const uint32_t modes[] = {0600, 0660, 0666, 0777, 0};
    struct rn_address address = parse(name);
    mode_t mask = umask(027);
    for (size_t i = 0; i < RN_COUNT(modes); i++) {
        const struct rn_listen_options options = {.unix_mode = modes[i]};
        struct stat info;
        int fd = rn_listen(&address, &options);
        assert_true(fd >= 0);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 07777, modes[i] ? modes[i] : 0750);
        close(fd);
    }
    umask(mask);
}

static void an_abstract_name_leaves_nothing_behind(void **state)
{
    (void)state;
    char text[64];
    snprintf(text, sizeof text, "unix:@runnel-test-%d", (int)getpid());
    struct rn_address address = parse(text), bound;
    const struct rn_listen_options options = {.unix_mode = 0600}; /* has no meaning for it */
    char out[RN_ADDRESS_TEXT_MAX];
    for (int i = 0; i < 3; i++) {
        int fd = rn_listen(&address, &options);
        assert_true(fd >= 0);
        assert_int_equal(rn_local_address(fd, &bound), 0);
        rn_address_format(&bound, out);
        assert_string_equal(out, text);
        assert_int_equal(rn_listen(&address, &options), -EADDRINUSE);
        int client = connect_to(&address);
        assert_true(client >= 0);
        close(client);
        close(fd);
        assert_int_equal(connect_to(&address), -ECONNREFUSED);
    }
}

#define UNIX_TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_set_and_read_back),
        cmocka_unit_test(options_of_groups_are_set_and_read_back),
        cmocka_unit_test(what_a_socket_is_can_be_read),
        cmocka_unit_test(some_options_are_text),
        cmocka_unit_test(buffer_sizes_are_at_least_what_was_asked),
        cmocka_unit_test(linger_has_three_meanings),
        cmocka_unit_test(errors_are_told_apart),
        cmocka_unit_test(a_listener_accepts_and_both_ends_have_addresses),
        cmocka_unit_test(a_port_in_use_is_refused_unless_shared),
        cmocka_unit_test(v6only_says_whether_ipv4_comes_in_too),
        UNIX_TEST(a_left_behind_socket_is_replaced),
        UNIX_TEST(a_busy_socket_is_not_left_behind),
        UNIX_TEST(what_is_no_socket_of_ours_stays),
        UNIX_TEST(permissions_are_what_was_asked),
        UNIX_TEST(an_abstract_name_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
