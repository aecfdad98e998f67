/* Collects what programs log, as syslog does: log_hub ADDRESS BACKEND SOCKET. A datagram on
 * the Unix socket is a line, printed with its number and its sender, who gets the number back; who
 * connects to the TCP address gets all lines from then on. One task does it all, in the poll style.
 * Try: logger -u PATH hello, and connect auto ADDRESS */
#include "example.h"

enum { LINE = 1000, FOLLOWERS = 16, TURN = 64 };

struct follower {
    struct rn_io io;
    enum { FREE, FOLLOWS, LEAVES } state;
};

static struct collector {
    struct rn_task task;
    struct rn_io logs, listener;
    struct follower followers[FOLLOWERS];
    unsigned long number;
} all;

/* False: nobody waits. Out of descriptors, who does is looked for again with the next line. */
static bool take_next(struct follower *follower, struct rn_cx *cx)
{
    int64_t result;
    if (rn_io_poll_accept(&all.listener, cx, NULL, &result) == RN_PENDING) return false;
    if (result < 0) return false;
    follower->io = (struct rn_io){.worker = cx->worker, .fd = (int)result};
    follower->state = FOLLOWS;
    return true;
}

/* What a follower says is nothing to us, but for its end. */
static void look_after(struct rn_cx *cx)
{
    char unread[256];
    int64_t result;
    bool more = true;
    for (struct follower *one = all.followers; one < all.followers + FOLLOWERS; one++) {
        if (one->state == FREE && more) more = take_next(one, cx);
        if (one->state == FOLLOWS &&
            rn_io_poll_read(&one->io, cx, unread, sizeof unread, &result) == RN_READY) {
            if (result <= 0) one->state = LEAVES;
            rn_wake(cx->waker);
        }
        if (one->state == LEAVES && rn_io_poll_close(&one->io, cx, &result) == RN_READY) {
            one->state = FREE;
            rn_wake(cx->waker); /* for who waits for the place */
        }
    }
}

/* A follower that doesn't keep up has to go: there is nowhere to keep lines for it. */
static void tell(struct rn_cx *cx, const char *line, size_t len)
{
    int64_t result;
    fwrite(line, 1, len, stdout);
    fflush(stdout);
    for (struct follower *one = all.followers; one < all.followers + FOLLOWERS; one++) {
        if (one->state != FOLLOWS) continue;
        if (rn_io_poll_write(&one->io, cx, line, len, &result) == RN_READY &&
            result == (int64_t)len) continue;
        one->state = LEAVES;
        rn_wake(cx->waker);
    }
}

static enum rn_poll collect(struct rn_task *task, struct rn_cx *cx)
{
    char text[LINE], line[RN_ADDRESS_TEXT_MAX + LINE + 64], sender[RN_ADDRESS_TEXT_MAX];
    struct rn_address from;
    int64_t len, sent;
    bool cut;
    look_after(cx);
    for (int i = 0; i < TURN; i++) {
        if (rn_io_poll_recv_from(&all.logs, cx, text, LINE, &from, &cut, &len) == RN_PENDING)
            return RN_PENDING;
        if (len < 0) example_check((int)len, "receive");
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == 0)) len--;
        for (int64_t at = 0; at < len; at++) /* nobody writes lines in another's name */
            if ((unsigned char)text[at] < ' ' || text[at] == 127) text[at] = ' ';
        bool named = from.len > sizeof(uint16_t);
        if (named) rn_address_format(&from, sender);
        int number = snprintf(line, sizeof line, "%lu", ++all.number);
        if (named) (void)rn_io_poll_send_to(&all.logs, cx, line, (size_t)number, &from, &sent);
        tell(cx, line, (size_t)snprintf(line, sizeof line, "%lu %s: %.*s%s\n", all.number,
                                        named ? sender : "somebody", (int)len, text,
                                        cut ? " (cut)" : ""));
    }
    rn_wake(cx->waker);
    return RN_PENDING;
}

static int start(struct rn_worker *worker, void *context)
{
    rn_udp logs;
    example_check(rn_udp_bind(&logs, worker, context, false), "socket");
    all.logs = (struct rn_io){.worker = worker, .fd = logs.fd};
    all.listener.worker = worker;
    example_say_where(all.listener.fd);
    all.task.poll = collect;
    return rn_spawn(worker, &all.task);
}

int main(int argc, char **argv)
{
    struct rn_address socket;
    example_arguments(argc, argv, "127.0.0.1:5140");
    if (argc != 4 || rn_address_parse(&socket, argv[3], 0) < 0) {
        fprintf(stderr, "usage: %s ADDRESS BACKEND SOCKET\n", argv[0]);
        return 2;
    }
    all.listener.fd = rn_listen(&example_address, &(struct rn_listen_options){0});
    example_check(all.listener.fd, "listen");
    int result = example_run(start, &socket);
    if (strncmp(argv[3], "unix:", 5) == 0 && argv[3][5] != '@') unlink(argv[3] + 5);
    return result;
}
