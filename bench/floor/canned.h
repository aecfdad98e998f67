/*
 * bench/floor/canned.h: the canned HTTP reply and the count of requests in what was received.
 */
#ifndef CANNED_H
#define CANNED_H

#include "floor.h"

/* The replies, one behind the other, so that the answers to a read leave in one send. Their header
 * fields are those of Runnel's /plaintext, or of its static files, in the same order. */
struct canned {
    char *bytes;
    size_t len;        /* of all the replies in `bytes`; with FILE_SENDFILE of one header */
    size_t reply_len;  /* of one: header and body */
    size_t header_len;
    int file;          /* the file that sendfile sends, or -1 */
};

void canned_make(struct canned *canned, const struct options *options);

/* What is known of a connection. */
struct connection {
    uint32_t request_len; /* bytes in each of its requests; 0: the first isn't there yet */
    uint32_t partial;     /* bytes received of the next request */
    uint64_t owed;        /* bytes of replies that are still to be sent */
    bool sending;         /* io_uring: a send that reports its end is under way */
    bool ended;           /* io_uring: nothing more will be received */
};

/* How many requests end in these bytes. All the requests of a connection are as long as its first,
 * whose end doesn't straddle two reads. */
static inline size_t requests_in(struct connection *connection, const char *data, size_t len);

/* The offset in `bytes` (or in header and file) of the next byte that is owed. */
static inline size_t owed_from(const struct canned *canned, const struct connection *connection)
{
    size_t rest = connection->owed % canned->reply_len;
    return rest ? canned->reply_len - rest : 0;
}

/* Sends what is owed as far as the socket takes it now. Returns -1 when the connection failed. */
int owed_send(const struct canned *canned, struct connection *connection, int fd);

size_t first_request_len(const char *data, size_t len);

static inline size_t requests_in(struct connection *connection, const char *data, size_t len)
{
    size_t received = connection->partial + len;
    if (connection->request_len == 0) {
        size_t end = first_request_len(data, len);
        if (end) connection->request_len = connection->partial + (uint32_t)end;
    }
    if (received == connection->request_len) {
        connection->partial = 0;
        return 1;
    }
    if (received < connection->request_len || connection->request_len == 0) {
        connection->partial = (uint32_t)received;
        return 0;
    }
    connection->partial = (uint32_t)(received % connection->request_len);
    return received / connection->request_len;
}

#endif
