/*
 * app/wget/output.h: where what is fetched goes: standard output, a device, or a file that is
 * written beside its place and moved there once all of it has come.
 *
 * With `resume` the file in the making is NAME.part and outlives the program: the next one goes on
 * with it. It holds the first bytes of the file, and where the file system has such, the attribute
 * "user.wget.validator": the entity tag or date of what they are the beginning of. Otherwise it has
 * a random name, ".wget-…", and is removed when the fetch fails.
 *
 * All of these may wait for the disk, or for who reads a pipe.
 */
#ifndef WGET_OUTPUT_H
#define WGET_OUTPUT_H

#include <runnel/base.h>

enum {
    NAME_ROOM = 256,      /* NAME_MAX with its NUL */
    VALIDATOR_ROOM = 256, /* longer ones aren't remembered */
};

/* How the place is taken in the end. */
enum output_kind {
    TO_DESCRIPTOR, /* standard output, or what was asked for and is no regular file */
    TO_NAME,       /* replaces what is there */
    TO_NEW_NAME,   /* NAME, or NAME.1 and so on when it exists */
};

struct output {
    int dir;         /* that the file is in; or AT_FDCWD */
    int fd;          /* -1: not open */
    uint8_t kind;    /* enum output_kind */
    bool resume;     /* the file in the making is NAME.part, and stays */
    bool adopt;      /* `size` is that of NAME: goes on with it, when the server agrees */
    bool there;      /* a regular file has that name */
    uint64_t size;   /* bytes that are there already, of the file in the making */
    uint64_t skip;   /* bytes that come once more, and are dropped: `fd` can't go back */
    int64_t mtime;   /* of NAME, seconds */
    uint64_t old_size; /* of NAME */
    int64_t part_mtime; /* of NAME.part, when it was found */
    char name[NAME_ROOM];
    char made_as[NAME_ROOM]; /* the file in the making; empty when there is none */
    char validator[VALIDATOR_ROOM]; /* of the first `size` bytes; empty when none is known */
};

/* Writes a name for a URL whose path ends in this segment, decoded: without slashes and controls,
 * not beginning with a dot or a dash, not empty. */
void output_name(char to[NAME_ROOM], rn_bytes segment, rn_bytes query);

/* Looks where `path` leads ("-": standard output), opens what is there of NAME.part with `resume`,
 * but writes nothing. 0 or -errno. */
RN_MUST_USE int output_open(struct output *output, const char *path, bool replace, bool resume);

/* The first byte that comes next is number `first` of the file: 0, or output->size. Makes the file
 * in the making, or cuts it. `validator` is that of what comes. */
RN_MUST_USE int output_begin(struct output *output, uint64_t first, rn_bytes validator);
/* What of the piece is not to be written, since it was once: so many bytes at its beginning. */
size_t output_skip(struct output *output, rn_bytes piece);
/* Writes some of the rest: how many bytes, to be added to output->size, or -errno. */
RN_MUST_USE long output_write(const struct output *output, rn_bytes piece);

/* All is there: moves it to its place, with that time of modification (or -1), and changes `name`
 * to what it is called. */
RN_MUST_USE int output_commit(struct output *output, int64_t mtime);

/* Closes everything; what isn't in its place is removed, unless it can be resumed. */
void output_end(struct output *output);

#endif
