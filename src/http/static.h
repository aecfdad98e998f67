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
    RN_STATIC_KEY_MAX = 240,      /* bytes of a path that is remembered */
    RN_STATIC_HEAD_MAX = 256,     /* the fields below: they take 254 at most */
    RN_STATIC_PATH_MAX = 4096,    /* of a file's decoded path, with its NUL: the kernel's own */
    RN_STATIC_WAYS = 8,           /* entries that a path may be in */
    RN_STATIC_OPEN_MAX = 32768,   /* files that one worker has open */
};

/* An open file, counted: by the entry that remembers it, and by each range of it on its way out. */
struct rn_static_file {
    struct rn_slab_item item;
    struct rn_out_owner owner; /* its release drops one reference */
    struct rn_static_part *part;
    int fd;
    uint32_t references;
};

struct rn_static_entry {
    rn_ns fresh_until;
    rn_ns used; /* last; 0 in an entry that is free */
    uint64_t size;
    uint64_t modified_ns;
    uint64_t inode;
    int64_t modified_s; /* as Last-Modified says */
    struct rn_static_file *file; /* NULL: the content is here */
    struct rn_out_owner owner;
    uint32_t pins; /* how often the content is on its way out: it must not change */
    uint16_t key_len;
    /* `head` is Content-Type, Content-Encoding and Accept-Ranges, then what a 304 repeats: Vary,
     * Last-Modified and ETag. */
    uint16_t type_len;
    uint16_t validators_at;
    uint16_t head_len;
    uint8_t etag_len;
    uint8_t coding;   /* enum rn_http_coding */
    uint8_t siblings; /* of a file in no coding: in which others it exists, 1 << coding */
    bool settled;     /* a change can't have the same modification time any more */
    uint8_t key[RN_STATIC_KEY_MAX];
    char head[RN_STATIC_HEAD_MAX];
    uint8_t content[RN_STATIC_CONTENT_MAX];
};

struct rn_static_part {
    struct rn_static *files;
    uint64_t *tags; /* of the entries: hash of the key and the coding, 0 when free */
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

static inline rn_bytes rn_static_etag(const struct rn_static_entry *entry)
{
    return rn_bytes_of(entry->head + entry->head_len - 2 - entry->etag_len, entry->etag_len);
}

/* http/static_cache.c */

/* The representation of `key`, a path as sent with its leading slash, in that coding: from the
 * cache, looked at again when it is due. NULL and -errno or a code of rn_url_decode_path in *error;
 * -EISDIR for a directory without its slash. The entry is the caller's until the next call.
 * open: it must have a descriptor. */
struct rn_static_entry *rn_static_find(struct rn_static_part *part, rn_bytes key,
                                       enum rn_http_coding coding, rn_ns now, bool open,
                                       int *error);

/* Opens a path relative to the root, "" for itself, and counts one reference. NULL: *error. */
struct rn_static_file *rn_static_file_open(struct rn_static_part *part, char *path, int flags,
                                           int *error);
static inline void rn_static_file_drop(struct rn_static_file *file)
{
    file->owner.release(&file->owner);
}

/* http/static_list.c: answers with a list of what is in the directory, which it takes over. */
void rn_static_list(struct rn_request *request, struct rn_static_file *directory, const char *path);

#endif
