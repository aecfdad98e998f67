/*
 * http/static_cache.c: opening files under the root, and remembering them.
 *
 * A path is looked for in RN_STATIC_WAYS entries, and the one of them that was used longest ago
 * makes room. An entry is believed for a second; then the file's size, time and inode are compared,
 * and whether it has compressed siblings. A file that is sent by its descriptor is compared each
 * time, for its length is promised before its content is read.
 */
#include "http/static.h"

#include <runnel/runtime.h>
#include <runnel/url.h>

#include "base/text.h"
#include "proto/content_type.h"
#include "proto/http_conditional.h"
#include "proto/http_date.h"
#include "sys/sys.h"

enum {
    ENTRIES_DEFAULT = 64,
    ENTRIES_MAX = 65536,
    NAME_ROOM = 16, /* for "index.html" and a sibling's suffix */
};

static const char suffixes[RN_HTTP_CODINGS][5] = {"", ".gz", ".zst", ".br"};

/* ---- Opening --------------------------------------------------------------------------------- */

/* Without openat2: a segment at a time and no symbolic link at all, for what one leads to can't be
 * checked before it is followed. */
static RN_COLD int walk(int root, char *path, int flags)
{
    for (int directory = root;;) {
        char *slash = path;
        while (*slash && *slash != '/') slash++;
        char kept = *slash;
        bool last = !kept || !slash[1];
        *slash = 0;
        int fd = rn_sys_openat(directory, *path ? path : ".",
                               (last ? flags : RN_K_O_PATH | RN_K_O_DIRECTORY | RN_K_O_CLOEXEC) |
                                   RN_K_O_NOFOLLOW,
                               0);
        *slash = kept;
        if (directory != root) rn_sys_close(directory);
        if (last || fd < 0) return fd;
        directory = fd;
        path = slash + 1;
    }
}

static int open_beneath(int root, char *path, int flags)
{
    struct rn_k_open_how how = {
        .flags = (unsigned)flags,
        .resolve = RN_K_RESOLVE_BENEATH | RN_K_RESOLVE_NO_MAGICLINKS,
    };
    int fd = rn_sys_openat2(root, *path ? path : ".", &how);
    /* A kernel before 5.6; a sandbox may say EPERM for a call that it doesn't know. */
    if (fd == -RN_K_ENOSYS || fd == -RN_K_EPERM) fd = walk(root, path, flags);
    return fd;
}

static void forget(struct rn_static_part *part, struct rn_static_entry *entry)
{
    part->tags[entry - part->entries] = 0;
    entry->used = 0;
    if (entry->file) rn_static_file_drop(entry->file);
    entry->file = NULL;
}

static void drop(struct rn_out_owner *owner)
{
    struct rn_static_file *file = rn_container_of(owner, struct rn_static_file, owner);
    if (--file->references) return;
    rn_sys_close(file->fd);
    rn_slab_put(&file->part->open, file);
}

struct rn_static_file *rn_static_file_open(struct rn_static_part *part, char *path, int flags,
                                           int *error)
{
    flags |= RN_K_O_NONBLOCK | RN_K_O_CLOEXEC | RN_K_O_NOCTTY;
    int fd = open_beneath(part->files->root, path, flags);
    if (fd == -RN_K_EMFILE || fd == -RN_K_ENFILE) { /* those that are only kept open go first */
        for (uint32_t i = 0; i <= part->files->count; i++)
            if (part->entries[i].file) forget(part, &part->entries[i]);
        fd = open_beneath(part->files->root, path, flags);
    }
    *error = fd;
    if (fd < 0) return NULL;
    struct rn_static_file *file = rn_slab_take(&part->open);
    if (!file) {
        rn_sys_close(fd);
        *error = -RN_K_ENFILE;
        return NULL;
    }
    file->owner.release = drop;
    file->part = part;
    file->fd = fd;
    file->references = 1;
    return file;
}

/* ---- Looking --------------------------------------------------------------------------------- */

static int look(int directory, const char *path, struct rn_k_statx *info)
{
    return rn_sys_statx(directory, path, RN_K_AT_EMPTY_PATH,
                        RN_K_STATX_TYPE | RN_K_STATX_SIZE | RN_K_STATX_MTIME | RN_K_STATX_INO,
                        info);
}

static bool is_regular(const struct rn_k_statx *info)
{
    return (info->stx_mode & RN_K_S_IFMT) == RN_K_S_IFREG;
}

static uint64_t modified_ns(const struct rn_k_statx *info)
{
    return (uint64_t)info->stx_mtime.tv_sec * RN_SECOND + info->stx_mtime.tv_nsec;
}

static bool is_same(const struct rn_static_entry *entry, int directory, const char *path)
{
    struct rn_k_statx info;
    return look(directory, path, &info) == 0 && info.stx_size == entry->size &&
           info.stx_ino == entry->inode && modified_ns(&info) == entry->modified_ns;
}

/* In which codings the file exists besides; whether they can be opened is seen when they are. */
static uint8_t find_siblings(int root, char *path, size_t len)
{
    uint8_t found = 0;
    struct rn_k_statx info;
    for (int coding = RN_HTTP_IDENTITY + 1; coding < RN_HTTP_CODINGS; coding++) {
        memcpy(path + len, suffixes[coding], sizeof suffixes[coding]);
        if (look(root, path, &info) == 0 && is_regular(&info)) found |= (uint8_t)(1 << coding);
    }
    path[len] = 0;
    return found;
}

/* ---- Entries --------------------------------------------------------------------------------- */

static void unpin(struct rn_out_owner *owner)
{
    rn_container_of(owner, struct rn_static_entry, owner)->pins--;
}

/* The entry to use for a new representation: the last one, which isn't remembered, when all others
 * are pinned. */
static struct rn_static_entry *claim(struct rn_static_part *part, uint32_t first, bool remember)
{
    struct rn_static_entry *best = &part->entries[part->files->count];
    rn_ns oldest = RN_NEVER;
    for (uint32_t i = 0; i < RN_STATIC_WAYS && remember; i++) {
        struct rn_static_entry *entry = &part->entries[first + i];
        if (entry->pins || entry->used >= oldest) continue;
        oldest = entry->used;
        best = entry;
    }
    forget(part, best);
    return best;
}

static void write_head(struct rn_static_entry *entry, rn_bytes path)
{
    char type[RN_CONTENT_TYPE_MAX], date[RN_HTTP_DATE_LEN], etag[RN_HTTP_ETAG_MAX];
    struct rn_text text = {.ptr = entry->head, .cap = sizeof entry->head};
    rn_text_format(&text, "Content-Type: %b\r\n", type, rn_content_type(type, path));
    entry->type_len = (uint16_t)text.len;
    if (entry->coding)
        rn_text_format(&text, "Content-Encoding: %s\r\n", rn_http_coding_names[entry->coding]);
    rn_text_format(&text, "Accept-Ranges: bytes\r\n");
    entry->validators_at = (uint16_t)text.len;
    if (entry->coding || entry->siblings) rn_text_format(&text, "Vary: Accept-Encoding\r\n");
    rn_http_date_format(date, entry->modified_s);
    entry->etag_len =
        (uint8_t)rn_http_etag_format(etag, entry->size, entry->modified_ns, entry->inode);
    rn_text_format(&text, "Last-Modified: %b\r\nETag: %b\r\n", date, (size_t)RN_HTTP_DATE_LEN,
                   etag, (size_t)entry->etag_len);
    entry->head_len = (uint16_t)text.len;
}

static void describe(struct rn_static_entry *entry, const struct rn_k_statx *info)
{
    int64_t now_s = (int64_t)rn_clock_realtime_seconds();
    entry->size = info->stx_size;
    entry->inode = info->stx_ino;
    entry->modified_ns = modified_ns(info);
    /* Not later than the Date that goes with it (RFC 9110, section 8.8.2.1). */
    int64_t modified_s = info->stx_mtime.tv_sec;
    entry->modified_s = modified_s < now_s ? modified_s : now_s;
    entry->settled = modified_s + 1 < now_s;
}

/* A small file's content goes to memory, and its descriptor is closed. */
static void keep_content(struct rn_static_entry *entry)
{
    struct rn_static_file *file = entry->file;
    if (entry->size > sizeof entry->content) return;
    long count = rn_sys_pread(file->fd, entry->content, sizeof entry->content, 0);
    if (count < 0 || (uint64_t)count != entry->size) return;
    entry->file = NULL;
    rn_static_file_drop(file);
}

/* Where a file is looked for: what its key means. */
struct place {
    rn_bytes key;
    uint64_t tag;
    uint32_t first; /* of the entries that may hold it */
    enum rn_http_coding coding;
    size_t len; /* of the path without the suffix */
    char path[RN_STATIC_PATH_MAX + NAME_ROOM];
};

static struct rn_static_entry *load(struct rn_static_part *part, struct place *place, bool remember,
                                    int *error)
{
    struct rn_k_statx info;
    struct rn_static_file *file = rn_static_file_open(part, place->path, RN_K_O_RDONLY, error);
    if (!file) return NULL;
    *error = look(file->fd, "", &info);
    if (*error == 0 && !is_regular(&info)) {
        bool directory = (info.stx_mode & RN_K_S_IFMT) == RN_K_S_IFDIR;
        *error = directory && !place->coding ? -RN_K_EISDIR : -RN_K_ENOENT;
    }
    if (*error < 0) {
        rn_static_file_drop(file);
        return NULL;
    }
    remember = remember && place->key.len <= RN_STATIC_KEY_MAX;
    struct rn_static_entry *entry = claim(part, place->first, remember);
    entry->file = file;
    entry->owner.release = unpin;
    entry->coding = (uint8_t)place->coding;
    entry->siblings = place->coding ? 0 : find_siblings(part->files->root, place->path, place->len);
    describe(entry, &info);
    write_head(entry, rn_bytes_of(place->path, place->len));
    if (entry == &part->entries[part->files->count]) return entry;
    keep_content(entry);
    entry->key_len = (uint16_t)place->key.len;
    memcpy(entry->key, place->key.ptr, place->key.len);
    part->tags[entry - part->entries] = place->tag;
    return entry;
}

/* The file that a key stands for. */
static int decode(struct place *place)
{
    rn_ssize len = rn_url_decode_path(place->path, RN_STATIC_PATH_MAX, place->key);
    if (len < 0) return (int)len;
    if (rn_url_is_directory(place->path, (size_t)len)) {
        static const char index[] = "index.html";
        memcpy(place->path + len, index, sizeof index);
        len += sizeof index - 1;
    }
    place->len = (size_t)len;
    memcpy(place->path + len, suffixes[place->coding], sizeof suffixes[0]);
    return 0;
}

/* Whether an entry that is due, or that has no content here, is still right. */
static bool is_fresh(struct rn_static_part *part, struct place *place, rn_ns now,
                     struct rn_static_entry *entry)
{
    int root = part->files->root;
    if (now < entry->fresh_until) return is_same(entry, entry->file->fd, "");
    if (!entry->settled || !is_same(entry, root, place->path)) return false;
    return place->coding || find_siblings(root, place->path, place->len) == entry->siblings;
}

static __attribute__((noinline)) struct rn_static_entry *
find_slowly(struct rn_static_part *part, struct place *place, rn_ns now, bool open,
            struct rn_static_entry *entry, int *error)
{
    *error = decode(place);
    if (*error < 0) return NULL;
    if (entry && !open) {
        bool due = now >= entry->fresh_until;
        if (is_fresh(part, place, now, entry)) {
            if (due) entry->fresh_until = now + RN_SECOND;
            return entry;
        }
        forget(part, entry);
    }
    entry = load(part, place, !open, error);
    if (entry) {
        entry->used = now;
        entry->fresh_until = now + RN_SECOND;
    }
    return entry;
}

/* Behind a path at least " HTTP/1.1" and the empty line follow, so that the last load may go over
 * its end. */
static uint64_t hash(rn_bytes key, enum rn_http_coding coding)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    uint64_t sum = key.len << 2 | coding;
    const uint8_t *at = key.ptr;
    for (size_t left = key.len; left; at += 8) {
        uint64_t word = rn_load64(at);
        if (left < 8) word &= ((uint64_t)1 << 8 * left) - 1;
        left -= left < 8 ? left : 8;
        sum = (sum ^ word) * odd;
        sum ^= sum >> 32;
    }
    return sum * odd | 1;
}

struct rn_static_entry *rn_static_find(struct rn_static_part *part, rn_bytes key,
                                       enum rn_http_coding coding, rn_ns now, bool open,
                                       int *error)
{
    uint64_t tag = hash(key, coding);
    uint32_t sets = part->files->count / RN_STATIC_WAYS;
    uint32_t first = (uint32_t)((tag >> 32) * sets >> 32) * RN_STATIC_WAYS;
    struct rn_static_entry *found = NULL;
    for (uint32_t i = first; i < first + RN_STATIC_WAYS && !open; i++) {
        struct rn_static_entry *entry = &part->entries[i];
        if (part->tags[i] != tag || entry->coding != coding || entry->key_len != key.len ||
            memcmp(entry->key, key.ptr, key.len) != 0)
            continue;
        entry->used = now;
        if (rn_likely(!entry->file && now < entry->fresh_until)) return entry;
        found = entry;
        break;
    }
    struct place place;
    place.key = key;
    place.tag = tag;
    place.first = first;
    place.coding = coding;
    return find_slowly(part, &place, now, open, found, error);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static size_t map_size(const struct rn_static *files)
{
    return (files->count + 1) * (sizeof(uint64_t) + sizeof(struct rn_static_entry));
}

static int open_part(struct rn_static *files, struct rn_static_part *part)
{
    part->files = files;
    part->tags = rn_map(map_size(files));
    if (!part->tags) return -RN_K_ENOMEM;
    part->entries = (struct rn_static_entry *)(void *)(part->tags + files->count + 1);
    return rn_slab_init(&part->open, RN_STATIC_OPEN_MAX, sizeof(struct rn_static_file));
}

int rn_static_open(struct rn_static **made, const struct rn_static_options *options,
                   unsigned workers)
{
    int flags = RN_K_O_PATH | RN_K_O_DIRECTORY | RN_K_O_CLOEXEC;
    uint32_t count = options->cache_files ? options->cache_files : ENTRIES_DEFAULT;
    if (count > ENTRIES_MAX) count = ENTRIES_MAX;
    struct rn_static *files = rn_map(sizeof *files + workers * sizeof files->parts[0]);
    if (!files) return -RN_K_ENOMEM;
    files->list = options->list;
    files->workers = workers;
    files->count = (count + RN_STATIC_WAYS - 1) / RN_STATIC_WAYS * RN_STATIC_WAYS;
    int result = rn_sys_openat(RN_K_AT_FDCWD, options->root, flags, 0);
    files->root = result;
    for (unsigned i = 0; i < workers && result >= 0; i++)
        result = open_part(files, &files->parts[i]);
    if (result < 0) {
        rn_static_close(files);
        return result;
    }
    *made = files;
    return 0;
}

void rn_static_close(struct rn_static *files)
{
    for (unsigned i = 0; i < files->workers; i++) {
        struct rn_static_part *part = &files->parts[i];
        struct rn_static_file *file;
        if (!part->tags) continue;
        for (uint32_t at = 0; (file = rn_slab_next(&part->open, &at));) rn_sys_close(file->fd);
        rn_slab_fini(&part->open);
        rn_unmap(part->tags, map_size(files));
    }
    if (files->root >= 0) rn_sys_close(files->root);
    rn_unmap(files, sizeof *files + files->workers * sizeof files->parts[0]);
}
