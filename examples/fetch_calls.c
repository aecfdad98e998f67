/* A program as it has always been written, on an ordinary thread: fetch_calls HOST PORT PATH FILE
 * resolves, connects without blocking, sends a request, and puts what comes into a file. */
#include "example.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Connected, or negative: tries one address after the other, five seconds each. */
static int connect_to(const struct rn_address *addresses, int count)
{
    int result = RN_E_NO_DATA;
    for (int i = 0; i < count; i++) {
        struct rn_pollfd one = {.events = POLLOUT};
        int error = 0;
        uint32_t len = sizeof error;
        one.fd = rn_fd_socket(rn_address_family(&addresses[i]), SOCK_STREAM, 0);
        if (one.fd < 0) return one.fd;
        example_check(rn_fd_fcntl(one.fd, F_SETFL, O_NONBLOCK), "fcntl");
        result = rn_fd_connect(one.fd, addresses[i].bytes, addresses[i].len);
        if (result == -EINPROGRESS) {
            result = rn_fd_poll(&one, 1, 5000) == 1 ? 0 : -ETIMEDOUT;
            example_check(rn_fd_getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &len), "error");
            if (error) result = -error;
        }
        if (result == 0) {
            example_check(rn_fd_fcntl(one.fd, F_SETFL, 0), "fcntl");
            return one.fd;
        }
        example_check(rn_fd_close(one.fd), "close");
    }
    return result;
}

static void say_peer(int fd)
{
    struct rn_address peer;
    char text[RN_ADDRESS_TEXT_MAX];
    peer.len = sizeof peer.bytes;
    example_check(rn_fd_getpeername(fd, peer.bytes, &peer.len), "getpeername");
    rn_address_format(&peer, text);
    printf("connected to %s\n", text);
}

/* Everything up to the end, the head too. */
static void receive(int from, int to)
{
    char data[16384];
    for (;;) {
        rn_ssize len = rn_fd_recv(from, data, sizeof data, 0);
        example_check((int)len, "recv");
        if (len == 0) return;
        for (rn_ssize at = 0, count; at < len; at += count) {
            count = rn_fd_write(to, data + at, (size_t)(len - at));
            example_check((int)count, "write");
        }
    }
}

int main(int argc, char **argv)
{
    struct rn_address addresses[RN_FD_ADDRESSES_MAX];
    struct stat status;
    char request[512];
    char version[13] = "";
    if (argc != 5) {
        fprintf(stderr, "usage: %s HOST PORT PATH FILE\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int count = rn_fd_resolve_host(argv[1], (uint16_t)atoi(argv[2]), addresses,
                                   RN_FD_ADDRESSES_MAX);
    example_check(count, argv[1]);
    int socket = connect_to(addresses, count);
    example_check(socket, "connect");
    say_peer(socket);
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", argv[3],
                       argv[1]);
    example_check((int)rn_fd_send(socket, request, (size_t)len, 0), "send");
    int file = rn_fd_open(argv[4], O_RDWR | O_CREAT | O_TRUNC, 0644);
    example_check(file, argv[4]);
    receive(socket, file);
    example_check(rn_fd_shutdown(socket, SHUT_RDWR), "shutdown");
    example_check(rn_fd_fstat(file, &status), "fstat");
    example_check((int)rn_fd_lseek(file, 0, SEEK_SET), "lseek");
    example_check((int)rn_fd_read(file, version, sizeof version - 1), "read");
    printf("%s, %lld bytes\n", version, (long long)status.st_size);
    example_check(rn_fd_close(file), "close");
    example_check(rn_fd_close(socket), "close");
    rn_fd_end();
    return 0;
}
