/* How far this machine's clock is off: sntp SERVER [PORT] asks a time server (RFC 5905) over UDP,
 * on an ordinary thread, by the calls that every C programmer knows. It asks each address of the
 * name up to three times, and takes no answer but one to what it asked there. */
#include "example.h"
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum {
    PACKET = 48, /* RFC 5905, 7.3 */
    STRATUM = 1,
    ORIGIN = 24,   /* in an answer: the question's TRANSMIT */
    RECEIVE = 32,  /* when the question came there */
    TRANSMIT = 40, /* when this left */
    VERSION = 4 << 3,
    CLIENT = 3,
    SERVER = 4,
    TRIES = 3,
};

/* Seconds since 1900, 32 bits, and as many of a fraction: differences are right in any era. */
static uint64_t stamp_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return ((uint64_t)time.tv_sec + 2208988800) << 32 | ((uint64_t)time.tv_nsec << 32) / RN_SECOND;
}

static void put_stamp(uint8_t *to, uint64_t stamp)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(stamp >> (56 - 8 * i));
}

static uint64_t get_stamp(const uint8_t *from)
{
    uint64_t stamp = 0;
    for (int i = 0; i < 8; i++) stamp = stamp << 8 | from[i];
    return stamp;
}

static double seconds(uint64_t later, uint64_t earlier)
{
    return (double)(int64_t)(later - earlier) / 4294967296.0;
}

/* Waits for the answer: 0, and the clock's distance in seconds. */
static int take_answer(int fd, const struct rn_address *server, uint64_t sent, double *off)
{
    for (;;) {
        uint8_t came[PACKET];
        struct rn_address from = {.len = sizeof from.bytes};
        rn_ssize len = rn_fd_recvfrom(fd, came, sizeof came, 0, from.bytes, &from.len);
        uint64_t now = stamp_now();
        if (len < 0) return (int)len;
        if (!rn_address_equal(&from, server) || len < PACKET || (came[0] & 7) != SERVER ||
            get_stamp(came + ORIGIN) != sent) continue;
        if (came[STRATUM] == 0) return -EACCES; /* "kiss of death": it wants no more questions */
        *off = (seconds(get_stamp(came + RECEIVE), sent) +
                seconds(get_stamp(came + TRANSMIT), now)) / 2;
        return 0;
    }
}

static int ask(const struct rn_address *server, double *off)
{
    struct timeval patience = {.tv_sec = 1};
    int fd = rn_fd_socket(rn_address_family(server), SOCK_DGRAM, 0);
    if (fd < 0) return fd;
    int result = rn_fd_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int i = 0; i < TRIES; i++) {
        uint8_t question[PACKET] = {VERSION | CLIENT};
        uint64_t sent = stamp_now();
        put_stamp(question + TRANSMIT, sent);
        result = (int)rn_fd_sendto(fd, question, PACKET, 0, server->bytes, server->len);
        if (result < 0) break;
        result = take_answer(fd, server, sent, off);
        if (result != -EAGAIN) break;
    }
    example_check(rn_fd_close(fd), "close");
    return result == -EAGAIN ? -ETIMEDOUT : result;
}

int main(int argc, char **argv)
{
    struct rn_address addresses[RN_FD_ADDRESSES_MAX];
    char text[RN_ADDRESS_TEXT_MAX];
    double off = 0;
    int result = -ETIMEDOUT;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s SERVER [PORT]\n", argv[0]);
        return 2;
    }
    int count = rn_fd_resolve_host(argv[1], argc > 2 ? (uint16_t)atoi(argv[2]) : 123, addresses,
                                   RN_FD_ADDRESSES_MAX);
    example_check(count, argv[1]);
    for (int i = 0; i < count && result < 0; i++) {
        rn_address_format(&addresses[i], text);
        result = ask(&addresses[i], &off);
        if (result < 0) fprintf(stderr, "%s: %s\n", text, rn_error_text(result));
        else printf("%s is %+.6f seconds from here\n", text, off);
    }
    rn_fd_end();
    return result < 0;
}
