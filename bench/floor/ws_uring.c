/*
 * floor-ws-uring PORT
 *
 * The least that a WebSocket echo can do on io_uring: multishot receive, the frames unmasked in the
 * provided buffer and sent from there, and one io_uring_enter for all that is ready. A send says
 * when it is done: only then the buffer can be lent again.
 */
#include "echo.h"
#include "floor.h"
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT, RECEIVE, SEND, CLOSE };

enum {
    ENTRIES = 1024,
    BUFFERS = 128,
    BUFFER_SIZE = 20 << 10, /* a message of 16 KiB fits in */
};

struct connection {
    struct peer peer;
    uint8_t *sent;    /* what is being sent, when it is not in a lent buffer */
    uint8_t *waiting; /* answers that wait for the send under way */
    size_t waiting_len;
    bool sending, ended;
};

static struct ring ring;
static struct connection *connections; /* by direct descriptor */
static int listener;

static struct io_uring_sqe *prepare(unsigned opcode, unsigned kind, int fd, unsigned extra)
{
    struct io_uring_sqe *sqe = ring_sqe(&ring);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->user_data = about(kind, (unsigned)fd, extra);
    return sqe;
}

static void start_accept(void)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_ACCEPT, ACCEPT, listener, 0);
    sqe->flags = 0;
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->file_index = (uint32_t)IORING_FILE_INDEX_ALLOC;
}

static void start_receive(int fd)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_RECV, RECEIVE, fd, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT;
}

static void start_send(int fd, const void *bytes, size_t len, unsigned extra)
{
    struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, SEND, fd, extra);
    sqe->addr = (uintptr_t)bytes;
    sqe->len = (uint32_t)len;
    sqe->msg_flags = MSG_WAITALL;
    connections[fd].sending = true;
}

static void end(int fd)
{
    struct connection *connection = &connections[fd];
    connection->ended = true;
    if (connection->sending) return;
    struct io_uring_sqe *sqe = prepare(IORING_OP_CLOSE, CLOSE, 0, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->file_index = (uint32_t)fd + 1;
    free(connection->peer.kept);
    free(connection->waiting);
    *connection = (struct connection){0};
}

static void *grown(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (!memory) die("realloc");
    return memory;
}

/* Answers that can't leave from a lent buffer at once: they wait for the send before them. */
static void wait_for_send(int fd, const uint8_t *bytes, size_t len)
{
    struct connection *connection = &connections[fd];
    if (len == 0) return;
    connection->waiting = grown(connection->waiting, connection->waiting_len + len);
    memcpy(connection->waiting + connection->waiting_len, bytes, len);
    connection->waiting_len += len;
}

static void send_waiting(int fd)
{
    struct connection *connection = &connections[fd];
    if (connection->sending || !connection->waiting_len) return;
    connection->sent = connection->waiting;
    start_send(fd, connection->sent, connection->waiting_len, 0);
    connection->waiting = NULL;
    connection->waiting_len = 0;
}

/* The rest of a frame whose beginning was kept: both go to memory of their own. */
static void on_rest(int fd, const uint8_t *bytes, size_t len)
{
    struct connection *connection = &connections[fd];
    size_t kept = connection->peer.kept_len;
    uint8_t *both = grown(NULL, kept + len + HANDSHAKE_MAX);
    echo_take(&connection->peer, both);
    memcpy(both + kept, bytes, len);
    wait_for_send(fd, both, echo(&connection->peer, both, kept + len));
    free(both);
    send_waiting(fd);
}

static void on_bytes(int fd, unsigned id, size_t len)
{
    struct connection *connection = &connections[fd];
    uint8_t *bytes = (uint8_t *)ring_buffer(&ring, id);
    size_t answer = 0;
    if (connection->peer.kept) {
        on_rest(fd, bytes, len);
    } else {
        answer = echo(&connection->peer, bytes, len);
    }
    if (answer > 0 && !connection->sending) {
        start_send(fd, bytes, answer, id + 1);
        return;
    }
    if (answer > 0) wait_for_send(fd, bytes, answer);
    ring_give(&ring, id);
}

static void on_completion(const struct io_uring_cqe *cqe)
{
    int fd = (int)about_connection(cqe->user_data);
    struct connection *connection = &connections[fd];
    unsigned lent = about_extra(cqe->user_data);
    switch (about_kind(cqe->user_data)) {
    case ACCEPT:
        if (cqe->res >= 0) start_receive(cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE)) start_accept();
        break;
    case RECEIVE:
        if (cqe->res > 0) on_bytes(fd, ring_buffer_id(cqe), (size_t)cqe->res);
        if (cqe->res <= 0 && cqe->res != -ENOBUFS) {
            end(fd);
        } else if (!(cqe->flags & IORING_CQE_F_MORE)) {
            start_receive(fd);
        }
        break;
    case SEND:
        if (lent) ring_give(&ring, lent - 1);
        if (!lent) free(connection->sent);
        connection->sending = false;
        if (connection->ended) {
            end(fd);
        } else {
            send_waiting(fd);
        }
        break;
    }
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv, KNOWS_NONE);
    size_t descriptors = descriptors_max();
    connections = map_zeroed(descriptors * sizeof *connections);
    listener = listen_tcp(options.port, true, false);
    ring_start(&ring, ENTRIES);
    ring_lend(&ring, BUFFERS, BUFFER_SIZE);
    ring_files(&ring, descriptors);
    start_accept();
    say_listening("floor-ws-uring", &options);
    for (;;) {
        ring_enter(&ring, 1);
        RING_FOR_EACH(&ring, cqe) on_completion(cqe);
    }
}
