/*
 * bench/floor/floor.h: what the floor programs share. A floor program does one kind of work with as
 * little as this kernel allows: one thread, no parsing beyond counting, no deadlines, no limits, no
 * checks. What a real server costs above it is that server's own.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the bytes of a file get into the socket. */
enum file_send { FILE_SENDFILE, FILE_COPY };

struct options {
    int port;
    size_t body;      /* --body N: bytes in the body of the canned reply */
    const char *file; /* --file PATH: the body is this file */
    enum file_send send;
    bool close;       /* --close: one request on each connection */
    const char *mode; /* --mode: of the UDP echo */
};

/* Which flags a program knows; any other ends it with 2. */
enum known { KNOWS_NONE, KNOWS_HTTP, KNOWS_MODE };

struct options options_read(int argc, char **argv, enum known known);

/* Ends the program with 1 and a line that says what failed, and errno's text. */
_Noreturn void die(const char *what);

/* Ends the program with 2 and a line about a flag. */
_Noreturn void refuse(const char *what, const char *value);

/* Descriptors: raises the limit as far as allowed and returns it, at most a million. */
size_t descriptors_max(void);

/* A listening socket on 127.0.0.1:port; TCP_NODELAY is inherited by what it accepts. With `defer`,
 * a connection is accepted when its first bytes are there (TCP_DEFER_ACCEPT, tcp(7)). */
int listen_tcp(int port, bool blocking, bool defer);

/* Prints the one line that says that the program listens, and lets SIGTERM end it with 0. */
void say_listening(const char *name, const struct options *options);

/* Called by that end, in a signal handler. */
extern void (*before_end)(void);

/* Memory that is zero and costs nothing until it is touched. */
void *map_zeroed(size_t size);

#endif
