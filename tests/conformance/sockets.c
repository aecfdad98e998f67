/*
 * conformance/sockets.c: the sockets, pipes, files and bytes that the tests use.
 */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

void pair(int type, int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

void pipe_pair(int fds[2])
{
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

int bound(int family, int type, struct address *address)
{
    memset(address, 0, sizeof *address);
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && family == AF_INET6) return -1;
    assert_true(fd >= 0);
    address->any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        address->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->len = sizeof address->in;
    } else if (family == AF_INET6) {
        address->in6.sin6_addr = in6addr_loopback;
        address->len = sizeof address->in6;
    } else {
        address->len = sizeof(sa_family_t); /* the kernel chooses an abstract name, unix(7) */
    }
    if (bind(fd, &address->any, address->len) < 0) {
        assert_int_equal(family, AF_INET6);
        close(fd);
        return -1;
    }
    address->len = sizeof address->storage;
    assert_int_equal(getsockname(fd, &address->any, &address->len), 0);
    return fd;
}

int listener(int family, struct address *address, int backlog)
{
    int fd = bound(family, SOCK_STREAM, address);
    if (fd >= 0) assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

void tcp_pair(struct bed *bed, int fds[2])
{
    struct address address;
    struct call accept, connect;
    int listening = listener(AF_INET, &address, 16);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fds[0] >= 0);
    call_init(&accept, bed, RN_OP_ACCEPT, listening);
    call_init(&connect, bed, RN_OP_CONNECT, fds[0]);
    connect.op.arg.address.ptr = &address.any;
    connect.op.arg.address.len = address.len;
    call_start(&accept);
    assert_int_equal(call_run(&connect), 0);
    fds[1] = (int)call_wait(&accept);
    assert_true(fds[1] >= 0);
    op_close(bed, listening);
}

void reset(int fd)
{
    struct linger linger = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(fd);
}

/* The receiver's stays as it is: with a window that is smaller than a segment, TCP waits 200 ms for
 * each, RFC 9293 section 3.8.6.2. */
void small_buffer(int fd)
{
    int size = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
}

size_t fill(int fd)
{
    static const char zeros[4096];
    size_t total = 0, step = sizeof zeros;
    while (step) {
        ssize_t result = write(fd, zeros, step);
        if (result > 0)
            total += (size_t)result;
        else
            step /= 2;
    }
    return total;
}

size_t drain(int fd)
{
    static char memory[65536];
    size_t total = 0;
    ssize_t result;
    while ((result = read(fd, memory, sizeof memory)) > 0) total += (size_t)result;
    return total;
}

void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

int scratch_file(uint64_t size)
{
    int fd = memfd_create("scratch", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

void pattern_fill(uint8_t *to, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i++) to[i] = pattern(at + i);
}

size_t pattern_check(const uint8_t *from, size_t len, uint64_t at)
{
    size_t i = 0;
    while (i < len && from[i] == pattern(at + i)) i++;
    return i;
}
