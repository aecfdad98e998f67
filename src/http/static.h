/*
 * http/static.h: static files from the inside: what a worker remembers of the files that it serves.
 *
 * Each worker has a cache of its own, so nothing here is locked. An entry is one representation: a
 * path as it was asked for, in one content coding. It has the file's header fields ready to send,
 * and either the contents or an open descriptor. It never changes, and is counted: the cache has
 * one reference, and so has each piece of it that is on its way out.
 */
#ifndef HTTP_STATIC_H
#define HTTP_STATIC_H

#include <runnel/http.h>
#include <runnel/machine.h>

#include "core/slab.h"
#include "proto/http_accept.h"

enum {
    RN_STATIC_HEAD_MAX = 256,       /* the fields below: they take 254 at most */
    RN_STATIC_DATA_MAX = 8192 + 256, /* bytes of a path and of a file that is kept in memory */
    RN_STATIC_PATH_MAX = 4096,      /* of a path as sent, and of a file's: the kernel's own */
    RN_STATIC_NAME_ROOM = 16,       /* behind that for "index.html" and a sibling's suffix */
    RN_STATIC_WAYS = 8,             /* places in the cache that a path may be in */
    RN_STATIC_ENTRIES_MAX = 16384,  /* of one worker: in the cache or on their way out */
};

/* What tells a file from another one, and from itself before a change. */
struct rn_static_version {
    uint64_t size;
    uint64_t inode;
    int64_t modified_s;
    uint64_t modified_ns; /* within that second */
};

struct rn_static_entry {
    struct rn_slab_item item;
    struct rn_out_owner owner; /* its release drops one reference */
    struct rn_static_part *part;
    uint32_t references;
    int fd; /* -1: the content is here, behind the key */
    rn_ns fresh_until;
    uint32_t id; /* the key's length and the coding */
    uint16_t head_len;
    uint8_t validators_len;
    uint8_t etag_len;
    uint8_t type_len;
    uint8_t siblings; /* of a file in no coding: in which others it exists, 1 << coding */
    struct rn_static_version version;
    int64_t modified_s; /* as Last-Modified says */
    /* ETag, Last-Modified and Vary, which a 304 repeats; Content-Encoding and Accept-Ranges; and
     * Content-Type, for which several ranges have another one. */
    char head[RN_STATIC_HEAD_MAX];
    uint8_t data[RN_STATIC_DATA_MAX]; /* the key and the content */
};

/* A place in the cache. */
struct rn_static_way {
    uint64_t tag; /* hash of the key and the coding; 0 when free */
    rn_ns used;   /* last; 0 when free */
    struct rn_static_entry *entry;
};

/* Of one worker. */
struct rn_static_part {
    struct rn_slab entries;
    struct rn_static_way ways[];
};

struct rn_static {
    size_t size;   /* of all of it */
    size_t stride; /* from one part to the next */
    uint32_t sets; /* of ways */
    unsigned workers;
    int root;
    bool list;
    struct rn_static_part parts[];
};

static inline struct rn_static_part *rn_static_part(struct rn_static *files, unsigned worker)
{
    return (struct rn_static_part *)(void *)((char *)files->parts + worker * files->stride);
}

/* A request for a file, and where the search for it has come. */
struct rn_static_search {
    struct rn_request *request;
    struct rn_static *files;
    struct rn_static_part *part;
    rn_bytes key; /* the path as sent, with a leading slash */
    rn_ns now;
    /* after a miss */
    struct rn_static_way *ways; /* the first that may hold it */
    uint64_t tag;
    uint32_t id;
    unsigned status; /* why there is none; 301: a directory without its slash */
    size_t len;      /* of the file's path, without a suffix */
    unsigned index;  /* of that, "index.html" */
    char path[RN_STATIC_PATH_MAX + RN_STATIC_NAME_ROOM];
};

/* http/static_cache.c */

/* The file in that coding: from the cache, or looked at again when it is due; or NULL and the
 * status. It is good until the next call: who needs it longer takes a reference. */
struct rn_static_entry *rn_static_find(struct rn_static_search *search, enum rn_http_coding coding);

/* Opens the search's path. A descriptor, or negative: the status. */
int rn_static_open_file(struct rn_static_search *search, int flags);

static inline void rn_static_drop(struct rn_static_entry *entry)
{
    entry->owner.release(&entry->owner);
}

/* http/static_list.c: answers with a list of what is in the directory, which it takes over. */
void rn_static_list(struct rn_request *request, int directory, rn_bytes path);

#endif
