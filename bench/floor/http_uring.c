/*
 * floor-http-uring PORT [--body N] [--file PATH [--send sendfile|copy]] [--close]
 *
 * The least that an HTTP server can do on io_uring: multishot accept and receive into provided
 * buffers, one io_uring_enter for all that is ready, and no completion for a send that succeeds.
 * Sockets are direct descriptors, which aren't looked up or counted at each use. There is no
 * sendfile in io_uring, and its splice always goes to a thread of the kernel; so --send sendfile is
 * the plain system call between two enters, on ordinary descriptors.
 */
#include "canned.h"
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT, RECEIVE, SEND, WRITABLE, CLOSE };

enum {
    ENTRIES = 1024,
    BUFFERS = 256,
    BUFFER_SIZE = 4096,
    /* A send of at most this much fits the socket's buffer at once, as long as the client reads;
     * its success needs no completion. */
    QUIET_MAX = 16 << 10,
};

static struct ring ring;
static struct canned canned;
static struct connection *connections; /* by descriptor, direct or not */
static bool one_request, direct;
static int listener;

static struct io_uring_sqe *prepare(unsigned opcode, unsigned kind, int fd)
{
    struct io_uring_sqe *sqe = ring_sqe(&ring);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->flags = direct ? IOSQE_FIXED_FILE : 0;
    sqe->user_data = about(kind, (unsigned)fd, 0);
    return sqe;
}

static void start_accept(void)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_ACCEPT, ACCEPT, listener);
    sqe->flags = 0;
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    if (direct) {
        sqe->file_index = (uint32_t)IORING_FILE_INDEX_ALLOC;
    } else {
        sqe->accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC; /* sendfile would wait otherwise */
    }
}

static void start_receive(int fd)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_RECV, RECEIVE, fd);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->ioprio = one_request ? 0 : IORING_RECV_MULTISHOT;
}

static void start_close(int fd)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_CLOSE, CLOSE, direct ? 0 : fd);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    if (direct) sqe->file_index = (uint32_t)fd + 1;
}

/* Sends from the canned replies; with --close the close is linked behind the send. */
static void start_send(int fd, struct connection *connection)
{
    size_t from = owed_from(&canned, connection), len = canned.len - from;
    if (len > connection->owed) len = connection->owed;
    struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, SEND, fd);
    sqe->addr = (uintptr_t)canned.bytes + from;
    sqe->len = (uint32_t)len;
    sqe->msg_flags = MSG_WAITALL;
    if (one_request && len == connection->owed) {
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_HARDLINK;
        start_close(fd);
    } else if (len == connection->owed && len <= QUIET_MAX) {
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        connection->owed = 0;
    } else {
        connection->sending = true;
    }
}

static void send_what_is_owed(int fd)
{
    struct connection *connection = &connections[fd];
    if (canned.file < 0) {
        start_send(fd, connection);
    } else if (owed_send(&canned, connection, fd) < 0 || (one_request && !connection->owed)) {
        start_close(fd);
    } else if (connection->owed > 0) {
        prepare(IORING_OP_POLL_ADD, WRITABLE, fd)->poll32_events = POLLOUT;
        connection->sending = true;
    }
}

static void on_receive(const struct io_uring_cqe *cqe, int fd)
{
    struct connection *connection = &connections[fd];
    if (cqe->res > 0) {
        unsigned id = ring_buffer_id(cqe);
        size_t count = requests_in(connection, ring_buffer(&ring, id), (size_t)cqe->res);
        ring_give(&ring, id);
        connection->owed += count * canned.reply_len;
        if (!(cqe->flags & IORING_CQE_F_MORE) && !one_request) start_receive(fd);
        if (count > 0 && !connection->sending) send_what_is_owed(fd);
    } else if (cqe->res == -ENOBUFS) {
        start_receive(fd);
    } else {
        connection->ended = true;
        if (!connection->sending) start_close(fd);
    }
}

static void on_sent(const struct io_uring_cqe *cqe, int fd)
{
    struct connection *connection = &connections[fd];
    connection->sending = false;
    if (cqe->res < 0) connection->owed = 0;
    if (about_kind(cqe->user_data) == SEND && cqe->res > 0) connection->owed -= (uint64_t)cqe->res;
    if (connection->ended) {
        start_close(fd);
    } else if (connection->owed > 0) {
        send_what_is_owed(fd);
    }
}

static void on_completion(const struct io_uring_cqe *cqe)
{
    int fd = (int)about_connection(cqe->user_data);
    switch (about_kind(cqe->user_data)) {
    case ACCEPT:
        if (cqe->res >= 0) {
            connections[cqe->res] = (struct connection){0};
            start_receive(cqe->res);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE)) start_accept();
        break;
    case RECEIVE: on_receive(cqe, fd); break;
    case SEND:
    case WRITABLE: on_sent(cqe, fd); break;
    }
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv, KNOWS_HTTP);
    canned_make(&canned, &options);
    size_t descriptors = descriptors_max();
    connections = map_zeroed(descriptors * sizeof *connections);
    one_request = options.close;
    direct = canned.file < 0;
    listener = listen_tcp(options.port, true, one_request);
    ring_start(&ring, ENTRIES);
    ring_lend(&ring, BUFFERS, BUFFER_SIZE);
    if (direct) ring_files(&ring, descriptors);
    start_accept();
    say_listening("floor-http-uring", &options);
    for (;;) {
        ring_enter(&ring, 1);
        RING_FOR_EACH(&ring, cqe) on_completion(cqe);
    }
}
