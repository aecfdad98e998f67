/*
 * http/static.h: static files from the inside: what a worker remembers of the files that it serves.
 *
 * Each worker has a cache of its own, so nothing here is locked. An entry is one representation: a
 * path as it was asked for, in one content coding. It has the file's header fields ready to send,
 * and either the contents or an open descriptor.
 */
#ifndef HTTP_STATIC_H
#define HTTP_STATIC_H

#include <runnel/http.h>
#include <runnel/machine.h>

#include "core/slab.h"
#include "proto/http_accept.h"

enum {
    RN_STATIC_CONTENT_MAX = 8192, /* bytes of a file that is kept in memory */
    RN_STATIC_KEY_MAX = 256,      /* bytes of a path that is remembered */
    RN_STATIC_HEAD_MAX = 256,     /* the fields below: they take 254 at most */
    RN_STATIC_PATH_MAX = 4096,    /* of a file's decoded path, with its NUL: the kernel's own */
    RN_STATIC_NAME_ROOM = 16,     /* behind it for "index.html" and a sibling's suffix */
    RN_STATIC_WAYS = 8,           /* entries that a path may be in */
    RN_STATIC_OPEN_MAX = 32768,   /* files that one worker has open */
};

/* Where content comes from: an open file, or memory. Counted: each range of it that is on its way
 * out is one reference, which the release of its owner drops. */
struct rn_static_body {
    struct rn_out_owner owner;
    const uint8_t *content;
    int fd; /* -1: memory */
    uint32_t references;
};

/* The entry that remembers it has one reference too. */
struct rn_static_file {
    struct rn_slab_item item;
    struct rn_static_body body;
    struct rn_static_part *part;
};

struct rn_static_entry {
    uint64_t tag; /* hash of the key and the coding; 0 when free */
    rn_ns fresh_until;
    rn_ns used; /* last; 0 when free */
    struct rn_static_body *body; /* a file's or this: */
    struct rn_static_body memory; /* as long as it has references it must not change */
    uint32_t id;                 /* the key's length and the coding */
    /* `head` is ETag, Last-Modified and Vary, which a 304 repeats, then Content-Encoding and
     * Accept-Ranges, and Content-Type, which is another one for several ranges. */
    uint16_t validators_len;
    uint16_t typeless_len;
    uint16_t head_len;
    uint8_t etag_len;
    uint8_t siblings; /* of a file in no coding: in which others it exists, 1 << coding */
    uint64_t size;
    uint64_t modified_ns;
    uint64_t inode;
    int64_t modified_s; /* as Last-Modified says */
    uint8_t key[RN_STATIC_KEY_MAX];
    char head[RN_STATIC_HEAD_MAX];
    uint8_t content[RN_STATIC_CONTENT_MAX];
};

/* Of one worker. */
struct rn_static_part {
    struct rn_static *files;
    struct rn_static_entry *entries;
    struct rn_slab open; /* of struct rn_static_file */
};

struct rn_static {
    int root;
    bool list;
    unsigned workers;
    uint32_t count; /* entries of each worker; one more serves for what isn't remembered */
    struct rn_static_part parts[];
};

/* A request for a file, and where the search for it has come. */
struct rn_static_search {
    struct rn_request *request;
    struct rn_static_part *part;
    rn_ns now;
    rn_bytes key; /* the path as sent, with a leading slash */
    /* after a miss */
    unsigned status; /* why there is none; 301: it is a directory without its slash */
    unsigned place;  /* the first entry that may hold it */
    size_t len;      /* of the file's path, without a suffix */
    size_t index;    /* of that, "index.html" */
    char path[RN_STATIC_PATH_MAX + RN_STATIC_NAME_ROOM];
};

/* http/static_cache.c */

/* The file in that coding: from the cache, or looked at again when it is due; or NULL and the
 * status. The entry is the caller's until the next call. */
struct rn_static_entry *rn_static_find(struct rn_static_search *search, enum rn_http_coding coding);

/* Opens the search's path, with one reference. NULL: the status. */
struct rn_static_body *rn_static_file_open(struct rn_static_search *search, int flags);

static inline void rn_static_drop(struct rn_static_body *body)
{
    body->owner.release(&body->owner);
}

/* http/static_list.c: answers with a list of what is in the directory, which it takes over. */
void rn_static_list(struct rn_request *request, struct rn_static_body *directory, rn_bytes path);

#endif
