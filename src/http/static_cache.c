/*
 * http/static_cache.c: opening files under the root, and remembering them.
 *
 * A path is looked for in RN_STATIC_WAYS entries, and the one of them that was used longest ago
 * makes room. An entry is believed for a second; then the file's size, time and inode are compared,
 * and whether it has compressed siblings. The size of a file that is sent by its descriptor is
 * compared each time, for its length is promised before its content is read.
 */
#include "http/static.h"

#include <runnel/url.h>

#include "base/text.h"
#include "proto/content_type.h"
#include "proto/http_conditional.h"
#include "proto/http_date.h"
#include "sys/sys.h"

enum { ENTRIES_DEFAULT = 64 };

static const char suffixes[RN_HTTP_CODINGS][8] = {"", ".gz", ".zst", ".br"};

/* ---- Opening -------------------------------------------------------------------------------- */

/* Out of line, for size. */
static __attribute__((noinline)) int open_beneath(int root, const char *path, int flags)
{
    struct rn_k_open_how how = {
        .flags = (unsigned)flags,
        .resolve = RN_K_RESOLVE_BENEATH | RN_K_RESOLVE_NO_MAGICLINKS,
    };
    return rn_sys_openat2(root, *path ? path : ".", &how);
}

static void drop(struct rn_out_owner *owner)
{
    struct rn_static_entry *entry = rn_container_of(owner, struct rn_static_entry, owner);
    if (--entry->references) return;
    if (entry->fd >= 0) rn_sys_close(entry->fd);
    rn_slab_put(&entry->part->entries, entry);
}

static void forget(struct rn_static_way *way)
{
    if (way->entry) rn_static_drop(way->entry);
    *way = (struct rn_static_way){0};
}

static void forget_all(struct rn_static *files, struct rn_static_part *part)
{
    for (uint32_t i = 0; i < files->sets * RN_STATIC_WAYS; i++) forget(&part->ways[i]);
}

static unsigned status_of(int error)
{
    switch (error) {
    case -RN_K_EACCES: return 403;
    case -RN_K_EAGAIN:
    case -RN_K_ENOMEM:
    case -RN_K_EMFILE:
    case -RN_K_ENFILE: return 503;
    default: return 404;
    }
}

int rn_static_open_file(struct rn_static_search *search, int flags)
{
    flags |= RN_K_O_NONBLOCK | RN_K_O_CLOEXEC | RN_K_O_NOCTTY;
    int fd = open_beneath(search->files->root, search->path, flags);
    if (fd == -RN_K_EMFILE || fd == -RN_K_ENFILE) { /* those that are only kept open go first */
        forget_all(search->files, search->part);
        fd = open_beneath(search->files->root, search->path, flags);
    }
    search->status = status_of(fd);
    return fd;
}

/* ---- Looking -------------------------------------------------------------------------------- */

/* The type, as in st_mode: 0 when there is nothing. An empty path: of the descriptor itself. */
static unsigned look(int directory, const char *path, struct rn_static_version *version)
{
    struct rn_k_statx info;
    if (rn_sys_statx(directory, path, RN_K_AT_EMPTY_PATH,
                     RN_K_STATX_TYPE | RN_K_STATX_SIZE | RN_K_STATX_MTIME | RN_K_STATX_INO,
                     &info) < 0)
        return 0;
    version->size = info.stx_size;
    version->inode = info.stx_ino;
    version->modified_s = info.stx_mtime.tv_sec;
    version->modified_ns = info.stx_mtime.tv_nsec;
    return info.stx_mode & RN_K_S_IFMT;
}

static void add_suffix(struct rn_static_search *search, unsigned coding)
{
    memcpy(search->path + search->len, suffixes[coding], sizeof suffixes[0]);
}

/* In which codings the file exists besides; whether they can be opened is seen when they are. */
static uint8_t find_siblings(struct rn_static_search *search)
{
    struct rn_static_version version;
    unsigned found = 0;
    for (unsigned coding = RN_HTTP_CODINGS - 1;; coding--) {
        add_suffix(search, coding);
        if (!coding) return (uint8_t)found;
        if (look(search->files->root, search->path, &version) == RN_K_S_IFREG)
            found |= 1u << coding;
    }
}

/* By the cheapest call that tells. The offset that it moves is nobody's. */
static bool has_its_size(const struct rn_static_entry *entry)
{
    return rn_sys_lseek(entry->fd, 0, RN_K_SEEK_END) == (int64_t)entry->version.size;
}

/* Whether an entry that is due, or whose size isn't what it was, is still right. */
static bool is_right(struct rn_static_search *search, const struct rn_static_entry *entry,
                     unsigned coding)
{
    struct rn_static_version version;
    if (!look(search->files->root, search->path, &version) ||
        memcmp(&version, &entry->version, sizeof version) != 0)
        return false;
    return search->now < entry->fresh_until || coding || find_siblings(search) == entry->siblings;
}

/* ---- Entries -------------------------------------------------------------------------------- */

/* The fields that say what the file is. */
static void describe(struct rn_static_entry *entry, const struct rn_static_search *search,
                     unsigned coding)
{
    static const char coded[] = "\r\nContent-Encoding: ";
    static const char format[] = "\r\nContent-Encoding: %s\r\nAccept-Ranges: bytes\r\n"
                                 "Content-Type: %b\r\n";
    char type[RN_CONTENT_TYPE_MAX], date[RN_HTTP_DATE_LEN], etag[RN_HTTP_ETAG_MAX];
    struct rn_text text = {.ptr = entry->head, .cap = sizeof entry->head};
    const struct rn_static_version *version = &entry->version;
    size_t type_len = rn_content_type(type, rn_bytes_of(search->path, search->len));
    size_t etag_len = rn_http_etag_format(
        etag, version->size, (uint64_t)version->modified_s * RN_SECOND + version->modified_ns,
        version->inode);
    rn_http_date_format(date, entry->modified_s);
    rn_text_format(&text, "ETag: %b\r\nLast-Modified: %b%s", etag, etag_len, date,
                   (size_t)RN_HTTP_DATE_LEN,
                   coding || entry->siblings ? "\r\nVary: Accept-Encoding" : "");
    entry->validators_len = (uint8_t)(text.len + 2);
    rn_text_format(&text, coding ? format : format + sizeof coded - 1, rn_http_coding_names[coding],
                   type, type_len);
    entry->head_len = (uint16_t)text.len;
    entry->etag_len = (uint8_t)etag_len;
    entry->type_len = (uint8_t)type_len;
}

/* Fills in what belongs to the file; false and the status when there is none to send. */
static bool load(struct rn_static_search *search, struct rn_static_entry *entry, unsigned coding)
{
    int fd = rn_static_open_file(search, RN_K_O_RDONLY);
    entry->fd = fd;
    if (fd < 0) return false;
    unsigned type = look(fd, "", &entry->version);
    if (!type) search->status = 503;
    if (type == RN_K_S_IFDIR && !search->index) search->status = 301;
    if (type != RN_K_S_IFREG) return false;
    int64_t now_s = (int64_t)rn_clock_realtime_seconds();
    /* Not later than the Date that goes with it (RFC 9110, section 8.8.2.1). */
    entry->modified_s = entry->version.modified_s;
    if (entry->modified_s > now_s) entry->modified_s = now_s;
    entry->siblings = coding ? 0 : find_siblings(search);
    describe(entry, search, coding);
    /* Written once more within the same tick it would look the same: it is to be read again. */
    if (entry->modified_s + 1 >= now_s) entry->version.inode = ~entry->version.inode;
    memcpy(entry->data, search->key.ptr, search->key.len);
    size_t room = sizeof entry->data - search->key.len;
    if (entry->version.size <= room && rn_sys_pread(fd, entry->data + search->key.len, room, 0) ==
                                           (long)entry->version.size) {
        rn_sys_close(fd);
        entry->fd = -1;
    }
    return true;
}

static struct rn_static_entry *make(struct rn_static_search *search, unsigned coding)
{
    struct rn_static_entry *entry = rn_slab_take(&search->part->entries);
    search->status = 503;
    if (!entry) return NULL;
    entry->owner.release = drop;
    entry->part = search->part;
    entry->references = 1;
    entry->id = search->id;
    if (load(search, entry, coding)) return entry;
    rn_static_drop(entry);
    return NULL;
}

/* The file's path from the key. */
static bool decode(struct rn_static_search *search, unsigned coding)
{
    static const char index[] = "index.html";
    rn_ssize len = rn_url_decode_path(search->path, RN_STATIC_PATH_MAX, search->key);
    search->status = len == RN_E_PROTOCOL ? 400 : 404;
    search->index = 0;
    if (len < 0 || search->key.len > RN_STATIC_PATH_MAX) return false;
    if (rn_url_is_directory(search->path, (size_t)len)) {
        memcpy(search->path + len, index, sizeof index - 1);
        search->index = sizeof index - 1;
    }
    search->len = (size_t)len + search->index;
    add_suffix(search, coding);
    return true;
}

/* Behind a path at least " HTTP/1.1" and the empty line follow, so that the last load may go over
 * its end. */
static uint64_t hash(rn_bytes key, uint64_t sum)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    for (; key.len; key.ptr += 8) {
        uint64_t word = rn_load64(key.ptr);
        size_t taken = key.len < 8 ? key.len : 8;
        key.len -= taken;
        sum = (sum ^ word << (64 - 8 * taken)) * odd;
        sum ^= sum >> 32;
    }
    return sum | 1;
}

/* What the cache doesn't know, or isn't sure of: then `way` holds what it knows. */
static __attribute__((noinline)) struct rn_static_entry *
find_slowly(struct rn_static_search *search, struct rn_static_way *way, unsigned coding)
{
    bool known = way;
    if (!decode(search, coding)) return NULL;
    if (!known || !is_right(search, way->entry, coding)) {
        struct rn_static_entry *entry = make(search, coding);
        if (!known) {
            if (!entry) return NULL;
            way = search->ways; /* the one that was used longest ago makes room */
            for (unsigned i = 1; i < RN_STATIC_WAYS; i++)
                if (search->ways[i].used < way->used) way = &search->ways[i];
        }
        forget(way);
        if (!entry) return NULL;
        entry->fresh_until = 0;
        way->tag = search->tag;
        way->entry = entry;
    }
    if (search->now >= way->entry->fresh_until) way->entry->fresh_until = search->now + RN_SECOND;
    way->used = search->now;
    return way->entry;
}

struct rn_static_entry *rn_static_find(struct rn_static_search *search, enum rn_http_coding coding)
{
    const rn_bytes key = search->key;
    struct rn_static_part *part = search->part;
    uint32_t id = (uint32_t)key.len * RN_HTTP_CODINGS + coding;
    uint64_t tag = hash(key, id);
    struct rn_static_way *way =
        &part->ways[(uint32_t)((tag >> 32) * search->files->sets >> 32) * RN_STATIC_WAYS];
    search->ways = way;
    search->tag = tag;
    search->id = id;
    for (unsigned i = 0; i < RN_STATIC_WAYS; i++, way++) {
        struct rn_static_entry *entry = way->entry;
        if (way->tag != tag || entry->id != id || memcmp(entry->data, key.ptr, key.len) != 0)
            continue;
        if (rn_unlikely(search->now >= entry->fresh_until ||
                        (entry->fd >= 0 && !has_its_size(entry))))
            return find_slowly(search, way, coding);
        way->used = search->now;
        return entry;
    }
    return find_slowly(search, NULL, coding);
}

/* ---- The whole ------------------------------------------------------------------------------ */

int rn_static_open(struct rn_static **made, const struct rn_static_options *options,
                   unsigned workers)
{
    size_t count = options->cache_files ? options->cache_files : ENTRIES_DEFAULT;
    size_t sets = (count + RN_STATIC_WAYS - 1) / RN_STATIC_WAYS;
    size_t stride = sizeof(struct rn_static_part) +
                    sets * RN_STATIC_WAYS * sizeof(struct rn_static_way);
    size_t size = sizeof(struct rn_static) + workers * stride;
    struct rn_static *files = rn_map(size);
    if (!files) return -RN_K_ENOMEM;
    int result = rn_sys_openat(RN_K_AT_FDCWD, options->root,
                               RN_K_O_PATH | RN_K_O_DIRECTORY | RN_K_O_CLOEXEC, 0);
    files->size = size;
    files->stride = stride;
    files->sets = (uint32_t)sets;
    files->root = result;
    /* Whether it may be searched, and whether this kernel has openat2 at all, since Linux 5.6. */
    if (result >= 0) result = open_beneath(result, "", RN_K_O_PATH | RN_K_O_CLOEXEC);
    if (result >= 0) rn_sys_close(result);
    files->list = options->list;
    while (files->workers < workers && result >= 0)
        result = rn_slab_init(&rn_static_part(files, files->workers++)->entries,
                              RN_STATIC_ENTRIES_MAX, sizeof(struct rn_static_entry));
    *made = files;
    if (result >= 0) return 0;
    rn_static_close(files);
    return result;
}

void rn_static_close(struct rn_static *files)
{
    for (unsigned i = 0; i < files->workers; i++) {
        struct rn_static_part *part = rn_static_part(files, i);
        forget_all(files, part);
        rn_slab_fini(&part->entries);
    }
    if (files->root >= 0) rn_sys_close(files->root);
    rn_unmap(files, files->size);
}
