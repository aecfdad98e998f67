/*
 * bench/floor/canned.c: makes the canned reply and sends it to ordinary descriptors.
 */
#include "canned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { REPEATED_BYTES = 64 << 10 };

static void http_date(char to[32], time_t when)
{
    struct tm broken;
    strftime(to, 32, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &broken));
}

static int header_make(char *to, size_t room, const struct options *options, size_t body,
                       const struct stat *stat)
{
    char now[32], fields[256] = "";
    const char *type = options->file ? "application/octet-stream" : "text/plain";
    http_date(now, time(NULL));
    if (options->file) {
        char modified[32];
        http_date(modified, stat->st_mtime);
        snprintf(fields, sizeof fields,
                 "ETag: \"%zu-%lld%09ld\"\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n", body,
                 (long long)stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec, modified);
    }
    return snprintf(to, room,
                    "HTTP/1.1 200 OK\r\nDate: %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n"
                    "%s\r\n",
                    now, fields, type, body, options->close ? "Connection: close\r\n" : "");
}

void canned_make(struct canned *canned, const struct options *options)
{
    struct stat stat = {0};
    size_t body = options->body;
    char header[1024];
    canned->file = -1;
    if (options->file) {
        canned->file = open(options->file, O_RDONLY | O_CLOEXEC);
        if (canned->file < 0 || fstat(canned->file, &stat)) die(options->file);
        body = (size_t)stat.st_size;
    }
    int header_len = header_make(header, sizeof header, options, body, &stat);
    canned->header_len = (size_t)header_len;
    canned->reply_len = canned->header_len + body;
    if (options->file && options->send == FILE_SENDFILE) {
        canned->bytes = strdup(header);
        canned->len = canned->header_len;
        return;
    }
    size_t count = REPEATED_BYTES / canned->reply_len ? REPEATED_BYTES / canned->reply_len : 1;
    canned->len = count * canned->reply_len;
    canned->bytes = map_zeroed(canned->len);
    for (size_t i = 0; i < count; i++) {
        char *reply = canned->bytes + i * canned->reply_len, *content = reply + header_len;
        memcpy(reply, header, canned->header_len);
        memset(content, 'x', body);
        if (!options->file) memcpy(content, "Hello, World!", body < 13 ? body : 13);
        for (size_t at = 0; options->file && at < body;) {
            ssize_t got = pread(canned->file, content + at, body - at, (off_t)at);
            if (got <= 0) die(options->file);
            at += (size_t)got;
        }
    }
    canned->file = -1;
}

size_t first_request_len(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

/* One step of a reply whose body is sent by sendfile: the header is held back (MSG_MORE) until the
 * file's first bytes go with it. */
static ssize_t file_step(const struct canned *canned, size_t from, int fd)
{
    if (from < canned->header_len)
        return send(fd, canned->bytes + from, canned->header_len - from, MSG_MORE | MSG_DONTWAIT);
    off_t offset = (off_t)(from - canned->header_len);
    return sendfile(fd, canned->file, &offset, canned->reply_len - from);
}

int owed_send(const struct canned *canned, struct connection *connection, int fd)
{
    while (connection->owed > 0) {
        size_t from = owed_from(canned, connection);
        ssize_t sent;
        if (canned->file >= 0) {
            sent = file_step(canned, from, fd);
        } else {
            size_t len = canned->len - from;
            if (len > connection->owed) len = connection->owed;
            sent = send(fd, canned->bytes + from, len, MSG_DONTWAIT);
        }
        if (sent < 0) return errno == EAGAIN ? 0 : -1;
        connection->owed -= (uint64_t)sent;
    }
    return 0;
}
