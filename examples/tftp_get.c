/* Fetches a file by TFTP (RFC 1350), as machines do that boot from the network:
 * tftp_get ADDRESS NAME >FILE. On an ordinary thread, by the calls that every C programmer knows:
 * what is gathered into a datagram, and scattered from one, needs no copy that puts it together. */
#include "example.h"
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

enum { READ_REQUEST = 1, DATA = 3, ACK = 4, ERROR = 5 };
enum { BLOCK = 512, TRIES = 5, UNKNOWN_TRANSFER = 5 };

static int fd;
static struct rn_address server; /* its port is the transfer's once it has answered */
static bool answered;

static int request(char *name)
{
    char code[2] = {0, READ_REQUEST}, mode[] = "octet";
    struct iovec parts[] = {{code, 2}, {name, strlen(name) + 1}, {mode, sizeof mode}};
    struct msghdr message = {.msg_name = server.bytes, .msg_namelen = server.len,
                             .msg_iov = parts, .msg_iovlen = RN_COUNT(parts)};
    return (int)rn_fd_sendmsg(fd, &message, 0);
}

static int send_short(const struct rn_address *to, uint8_t code, unsigned number)
{
    uint8_t packet[5] = {0, code, (uint8_t)(number >> 8), (uint8_t)number}; /* and an empty text */
    return (int)rn_fd_sendto(fd, packet, code == ERROR ? 5 : 4, 0, to->bytes, to->len);
}

/* Whether a datagram is of this transfer: the first answer comes from a port of its own. Who sends
 * from elsewhere is told, and the transfer goes on (RFC 1350, 4). */
static bool is_ours(const struct rn_address *from)
{
    struct rn_address expected = server;
    if (!answered) rn_address_set_port(&expected, rn_address_port(from));
    if (rn_address_equal(from, &expected)) return true;
    (void)!send_short(from, ERROR, UNKNOWN_TRANSFER);
    return false;
}

/* That block: its length; or -EAGAIN when it is time to ask again. */
static rn_ssize receive(uint16_t expected, char data[BLOCK])
{
    for (;;) {
        uint8_t head[4];
        struct rn_address from;
        struct iovec parts[] = {{head, sizeof head}, {data, BLOCK}};
        struct msghdr message = {.msg_name = from.bytes, .msg_namelen = sizeof from.bytes,
                                 .msg_iov = parts, .msg_iovlen = RN_COUNT(parts)};
        rn_ssize len = rn_fd_recvmsg(fd, &message, 0);
        if (len < 0) return len;
        from.len = message.msg_namelen;
        if (len < (rn_ssize)sizeof head || !is_ours(&from)) continue;
        len -= (rn_ssize)sizeof head;
        if (head[1] == ERROR) {
            fprintf(stderr, "the server says: %.*s\n", (int)strnlen(data, (size_t)len), data);
            return RN_E_PROTOCOL;
        }
        if (head[1] != DATA || message.msg_flags & MSG_TRUNC) return RN_E_PROTOCOL;
        if ((head[2] << 8 | head[3]) != expected) return -EAGAIN; /* the last one, once more */
        server = from;
        answered = true;
        return len;
    }
}

static rn_ssize get_block(unsigned number, char *name, char data[BLOCK])
{
    for (int i = 0; i < TRIES; i++) {
        int sent = number == 1 ? request(name) : send_short(&server, ACK, number - 1);
        if (sent < 0) return sent;
        rn_ssize len = receive((uint16_t)number, data);
        if (len != -EAGAIN) return len;
    }
    return -ETIMEDOUT;
}

int main(int argc, char **argv)
{
    struct timeval patience = {.tv_sec = 1};
    char data[BLOCK];
    unsigned number = 0;
    rn_ssize len;
    if (argc != 3 || rn_address_parse(&server, argv[1], 69) < 0) {
        fprintf(stderr, "usage: %s ADDRESS NAME >FILE\n", argv[0]);
        return 2;
    }
    fd = rn_fd_socket(rn_address_family(&server), SOCK_DGRAM, 0);
    example_check(fd, "socket");
    int set = rn_fd_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    example_check(set, "patience");
    do {
        len = get_block(++number, argv[2], data);
        example_check((int)len, argv[2]);
        for (rn_ssize at = 0, count; at < len; at += count) {
            count = rn_fd_write(STDOUT_FILENO, data + at, (size_t)(len - at));
            example_check((int)count, "write");
        }
    } while (len == BLOCK);
    example_check(send_short(&server, ACK, number), "the last confirmation");
    example_check(rn_fd_close(fd), "close");
    rn_fd_end();
    return 0;
}
