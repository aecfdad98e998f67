/*
 * http/static_cache.c: opening files under the root, and remembering them.
 *
 * A path is looked for in RN_STATIC_WAYS entries, and the one of them that was used longest ago
 * makes room. An entry is believed for a second; then the file's size, time and inode are compared,
 * and whether it has compressed siblings. A file that is sent by its descriptor is compared each
 * time, for its length is promised before its content is read.
 */
#include "http/static.h"

#include <runnel/url.h>

#include "base/text.h"
#include "proto/content_type.h"
#include "proto/http_conditional.h"
#include "proto/http_date.h"
#include "sys/sys.h"

enum { ENTRIES_DEFAULT = 64, ENTRIES_MAX = 65536 };

static const char suffixes[RN_HTTP_CODINGS][5] = {"", ".gz", ".zst", ".br"};

/* ---- Opening -------------------------------------------------------------------------------- */

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

/* A descriptor that is only remembered is closed. */
static void forget(struct rn_static_entry *entry)
{
    struct rn_static_body *body = entry->body;
    entry->tag = 0;
    entry->used = 0;
    entry->body = NULL;
    if (body && body->fd >= 0) rn_static_drop(body);
}

static void drop_file(struct rn_out_owner *owner)
{
    struct rn_static_file *file = rn_container_of(owner, struct rn_static_file, body.owner);
    if (--file->body.references) return;
    rn_sys_close(file->body.fd);
    rn_slab_put(&file->part->open, file);
}

static void drop_memory(struct rn_out_owner *owner)
{
    rn_container_of(owner, struct rn_static_body, owner)->references--;
}

static unsigned status_of(int error)
{
    switch (error) {
    case RN_E_PROTOCOL: return 400;
    case -RN_K_EACCES: return 403;
    case -RN_K_EISDIR: return 301;
    case -RN_K_EAGAIN:
    case -RN_K_ENOMEM:
    case -RN_K_EMFILE:
    case -RN_K_ENFILE: return 503;
    default: return 404;
    }
}

struct rn_static_body *rn_static_file_open(struct rn_static_search *search, int flags)
{
    struct rn_static_part *part = search->part;
    int root = part->files->root;
    flags |= RN_K_O_NONBLOCK | RN_K_O_CLOEXEC | RN_K_O_NOCTTY;
    int fd = open_beneath(root, search->path, flags);
    if (fd == -RN_K_EMFILE || fd == -RN_K_ENFILE) { /* those that are only kept open go first */
        for (uint32_t i = 0; i <= part->files->count; i++)
            if (part->entries[i].body && part->entries[i].body->fd >= 0)
                forget(&part->entries[i]);
        fd = open_beneath(root, search->path, flags);
    }
    search->status = status_of(fd);
    if (fd < 0) return NULL;
    struct rn_static_file *file = rn_slab_take(&part->open);
    if (!file) {
        rn_sys_close(fd);
        search->status = 503;
        return NULL;
    }
    file->part = part;
    file->body = (struct rn_static_body){.owner = {drop_file}, .fd = fd, .references = 1};
    return &file->body;
}

/* ---- Looking -------------------------------------------------------------------------------- */

/* The type, as in st_mode: 0 when there is nothing. An empty path: of the descriptor itself. */
static unsigned look(int directory, const char *path, struct rn_k_statx *info)
{
    int result = rn_sys_statx(directory, path, RN_K_AT_EMPTY_PATH,
                              RN_K_STATX_TYPE | RN_K_STATX_SIZE | RN_K_STATX_MTIME |
                                  RN_K_STATX_INO,
                              info);
    return result < 0 ? 0 : info->stx_mode & RN_K_S_IFMT;
}

static uint64_t modified_ns(const struct rn_k_statx *info)
{
    return (uint64_t)info->stx_mtime.tv_sec * RN_SECOND + info->stx_mtime.tv_nsec;
}

static void add_suffix(struct rn_static_search *search, unsigned coding)
{
    memcpy(search->path + search->len, suffixes[coding], sizeof suffixes[0]);
}

/* In which codings the file exists besides; whether they can be opened is seen when they are. */
static uint8_t find_siblings(struct rn_static_search *search)
{
    struct rn_k_statx info;
    unsigned found = 0;
    for (unsigned coding = RN_HTTP_CODINGS - 1;; coding--) {
        add_suffix(search, coding);
        if (!coding) return (uint8_t)found;
        if (look(search->part->files->root, search->path, &info) == RN_K_S_IFREG)
            found |= 1u << coding;
    }
}

/* Whether an entry that is due, or that has no content here, is still right. */
static bool is_right(struct rn_static_search *search, struct rn_static_entry *entry, bool coded)
{
    struct rn_k_statx info;
    if (!look(search->part->files->root, search->path, &info) || info.stx_size != entry->size ||
        info.stx_ino != entry->inode || modified_ns(&info) != entry->modified_ns)
        return false;
    return search->now < entry->fresh_until || coded || find_siblings(search) == entry->siblings;
}

/* ---- Entries -------------------------------------------------------------------------------- */

/* What the file is, and the fields that say so. */
static void describe(struct rn_static_entry *entry, const struct rn_k_statx *info, rn_bytes path,
                     unsigned coding)
{
    char type[RN_CONTENT_TYPE_MAX], date[RN_HTTP_DATE_LEN], etag[RN_HTTP_ETAG_MAX];
    struct rn_text text = {.ptr = entry->head, .cap = sizeof entry->head};
    int64_t now_s = (int64_t)rn_clock_realtime_seconds(), modified_s = info->stx_mtime.tv_sec;
    size_t etag_len = rn_http_etag_format(etag, info->stx_size, modified_ns(info), info->stx_ino);
    entry->size = info->stx_size;
    entry->modified_ns = modified_ns(info);
    /* Written once more within the same tick it would look the same: it is to be read again. */
    entry->inode = modified_s + 1 < now_s ? info->stx_ino : ~info->stx_ino;
    /* Not later than the Date that goes with it (RFC 9110, section 8.8.2.1). */
    entry->modified_s = modified_s < now_s ? modified_s : now_s;
    rn_http_date_format(date, entry->modified_s);
    rn_text_format(&text, "ETag: %b\r\nLast-Modified: %b\r\n%s", etag, etag_len, date,
                   (size_t)RN_HTTP_DATE_LEN,
                   coding || entry->siblings ? "Vary: Accept-Encoding\r\n" : "");
    entry->etag_len = (uint8_t)etag_len;
    entry->validators_len = (uint16_t)text.len;
    if (coding) rn_text_format(&text, "Content-Encoding: %s\r\n", rn_http_coding_names[coding]);
    rn_text_format(&text, "Accept-Ranges: bytes\r\n");
    entry->typeless_len = (uint16_t)text.len;
    rn_text_format(&text, "Content-Type: %b\r\n", type, rn_content_type(type, path));
    entry->head_len = (uint16_t)text.len;
}

/* The entry for a new representation: the one that isn't remembered when all others are pinned. */
static struct rn_static_entry *claim(struct rn_static_search *search, bool remember)
{
    struct rn_static_part *part = search->part;
    struct rn_static_entry *spare = &part->entries[part->files->count], *best = spare;
    struct rn_static_entry *entry = &part->entries[search->place];
    spare->used = RN_NEVER;
    for (unsigned i = 0; i < RN_STATIC_WAYS && remember; i++, entry++)
        if (!entry->memory.references && entry->used < best->used) best = entry;
    forget(best);
    return best;
}

static struct rn_static_entry *load(struct rn_static_search *search, unsigned coding, bool remember)
{
    struct rn_k_statx info;
    struct rn_static_body *body = rn_static_file_open(search, RN_K_O_RDONLY);
    if (!body) return NULL;
    unsigned type = look(body->fd, "", &info);
    if (type != RN_K_S_IFREG) {
        if (type == RN_K_S_IFDIR && !search->index) search->status = 301;
        rn_static_drop(body);
        return NULL;
    }
    struct rn_static_entry *entry = claim(search, remember);
    entry->body = body;
    entry->siblings = coding ? 0 : find_siblings(search);
    describe(entry, &info, rn_bytes_of(search->path, search->len), coding);
    /* A small file's content goes to memory, and its descriptor is closed. */
    if (entry->size <= sizeof entry->content && !entry->memory.references &&
        rn_sys_pread(body->fd, entry->content, sizeof entry->content, 0) == (long)entry->size) {
        entry->memory = (struct rn_static_body){{drop_memory}, entry->content, -1, 0};
        entry->body = &entry->memory;
        rn_static_drop(body);
    }
    return entry;
}

/* The file's path from the key. */
static bool decode(struct rn_static_search *search, unsigned coding)
{
    static const char index[] = "index.html";
    rn_ssize len = rn_url_decode_path(search->path, RN_STATIC_PATH_MAX, search->key);
    search->status = status_of((int)len);
    if (len < 0) return false;
    search->len = (size_t)len;
    search->index = 0;
    if (rn_url_is_directory(search->path, search->len)) {
        search->index = sizeof index - 1;
        memcpy(search->path + len, index, sizeof index - 1);
        search->len += search->index;
    }
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
    return sum * odd | 1;
}

struct rn_static_entry *rn_static_find(struct rn_static_search *search, enum rn_http_coding coding)
{
    const rn_bytes key = search->key;
    const struct rn_static_part *part = search->part;
    uint32_t id = (uint32_t)key.len * RN_HTTP_CODINGS + coding;
    uint64_t tag = hash(key, id);
    uint32_t sets = part->files->count / RN_STATIC_WAYS;
    search->place = (uint32_t)((tag >> 32) * sets >> 32) * RN_STATIC_WAYS;
    struct rn_static_entry *entry = &part->entries[search->place], *end = entry + RN_STATIC_WAYS;
    while (entry != end && !(entry->tag == tag && entry->id == id &&
                             memcmp(entry->key, key.ptr, key.len) == 0))
        entry++;
    bool found = entry != end;
    if (rn_likely(found && entry->body->fd < 0 && search->now < entry->fresh_until)) {
        entry->used = search->now;
        return entry;
    }
    if (!decode(search, coding)) return NULL;
    if (!found || !is_right(search, entry, coding)) {
        bool remember = key.len <= sizeof entry->key;
        if (found) forget(entry);
        entry = load(search, coding, remember);
        if (!entry) return NULL;
        entry->fresh_until = 0;
        if (remember && entry != &part->entries[part->files->count]) {
            entry->tag = tag;
            entry->id = id;
            memcpy(entry->key, key.ptr, key.len);
        }
    }
    if (search->now >= entry->fresh_until) entry->fresh_until = search->now + RN_SECOND;
    entry->used = search->now;
    return entry;
}

/* ---- The whole ------------------------------------------------------------------------------ */

static size_t entries_size(const struct rn_static *files)
{
    return (files->count + 1) * sizeof(struct rn_static_entry);
}

static int open_part(struct rn_static *files, struct rn_static_part *part)
{
    part->files = files;
    part->entries = rn_map(entries_size(files));
    if (!part->entries) return -RN_K_ENOMEM;
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
        for (uint32_t at = 0; (file = rn_slab_next(&part->open, &at));) rn_sys_close(file->body.fd);
        rn_slab_fini(&part->open);
        rn_unmap(part->entries, entries_size(files));
    }
    if (files->root >= 0) rn_sys_close(files->root);
    rn_unmap(files, sizeof *files + files->workers * sizeof files->parts[0]);
}
