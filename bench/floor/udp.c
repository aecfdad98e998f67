/*
 * floor-udp PORT [--mode recvmmsg|gro|uring]
 *
 * The least that a UDP echo can do: a blocking recvmmsg for all the datagrams that are there and
 * one sendmmsg; with `gro` datagrams of one sender that came together as one (UDP_GRO) and go back
 * as one (UDP_SEGMENT, udp(7)); with `uring` multishot recvmsg into provided buffers.
 */
#include "floor.h"
#include "uring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,
    DATAGRAM_MAX = 64 << 10,
};

static int listen_udp(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 4 << 20;
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
    return fd;
}

/* The size that the kernel joined datagrams of (an int) becomes the one it splits by (16 bits).
 * Returns whether there was one. */
static bool split_again(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (!control || control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_GRO) return false;
    int size;
    memcpy(&size, CMSG_DATA(control), sizeof size);
    uint16_t segment = (uint16_t)size;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(control), &segment, sizeof segment);
    message->msg_controllen = CMSG_SPACE(sizeof segment);
    return true;
}

static _Noreturn void echo_batches(int fd, bool gro)
{
    static struct sockaddr_in names[BATCH];
    static char controls[BATCH][CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    char *buffers = map_zeroed((size_t)BATCH * DATAGRAM_MAX);
    int on = 1;
    if (gro && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on)) die("UDP_GRO");
    for (unsigned i = 0; i < BATCH; i++) {
        parts[i].iov_base = buffers + (size_t)i * DATAGRAM_MAX;
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &names[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (int last = BATCH;;) {
        for (int i = 0; i < last; i++) {
            struct msghdr *message = &messages[i].msg_hdr;
            parts[i].iov_len = DATAGRAM_MAX;
            message->msg_namelen = sizeof names[i];
            message->msg_control = gro ? controls[i] : NULL;
            message->msg_controllen = gro ? sizeof controls[i] : 0;
        }
        last = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (last < 0) last = 0; /* an ICMP error of an earlier send, or a signal */
        for (int i = 0; i < last; i++) {
            parts[i].iov_len = messages[i].msg_len;
            if (gro && !split_again(&messages[i].msg_hdr)) messages[i].msg_hdr.msg_control = NULL;
            if (!messages[i].msg_hdr.msg_control) messages[i].msg_hdr.msg_controllen = 0;
        }
        for (int sent = 0, now; sent < last; sent += now > 0 ? now : 1)
            now = sendmmsg(fd, messages + sent, (unsigned)(last - sent), 0);
    }
}

enum { RECEIVE, SEND };

static void start_receive(struct ring *ring, int fd, struct msghdr *shape)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    sqe->opcode = IORING_OP_RECVMSG;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)shape;
    sqe->len = 1;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->user_data = about(RECEIVE, 0, 0);
}

/* A provided buffer begins with what recvmsg would have put into its msghdr (struct
 * io_uring_recvmsg_out), then the sender's address, then the datagram. */
static void start_send(struct ring *ring, int fd, unsigned id, struct msghdr *message)
{
    struct io_uring_recvmsg_out *received = (void *)ring_buffer(ring, id);
    struct sockaddr_in *name = (void *)(received + 1);
    message->msg_name = name;
    message->msg_namelen = sizeof *name;
    message->msg_iov->iov_base = name + 1;
    message->msg_iov->iov_len = received->payloadlen;
    struct io_uring_sqe *sqe = ring_sqe(ring);
    sqe->opcode = IORING_OP_SENDMSG;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)message;
    sqe->len = 1;
    sqe->user_data = about(SEND, 0, id);
}

static _Noreturn void echo_uring(int fd)
{
    static struct ring ring;
    static struct iovec parts[BATCH * 4];
    static struct msghdr messages[BATCH * 4];
    static struct msghdr shape = {.msg_namelen = sizeof(struct sockaddr_in)};
    for (unsigned i = 0; i < BATCH * 4; i++)
        messages[i] = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    ring_start(&ring, 1024);
    /* 64 KiB and a little: a whole number of pages would put all the heads into one set of the
     * cache. */
    ring_lend(&ring, BATCH * 4, DATAGRAM_MAX + 192);
    start_receive(&ring, fd, &shape);
    for (;;) {
        ring_enter(&ring, 1);
        RING_FOR_EACH(&ring, cqe)
        {
            if (about_kind(cqe->user_data) == SEND) {
                ring_give(&ring, about_extra(cqe->user_data));
                continue;
            }
            if (cqe->res >= 0) {
                unsigned id = ring_buffer_id(cqe);
                start_send(&ring, fd, id, &messages[id]);
            }
            if (!(cqe->flags & IORING_CQE_F_MORE)) start_receive(&ring, fd, &shape);
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv, KNOWS_MODE);
    bool uring = !strcmp(options.mode, "uring"), gro = !strcmp(options.mode, "gro");
    if (!uring && !gro && strcmp(options.mode, "recvmmsg")) refuse("--mode:", options.mode);
    int fd = listen_udp(options.port);
    say_listening("floor-udp", &options);
    if (uring) echo_uring(fd);
    echo_batches(fd, gro);
}
