/*
 * backend/sim_file.c: the simulated kernel's descriptors, eventfds, and a file system in memory,
 * whose files may have holes.
 */
#include "backend/sim.h"

enum { PAGE = 4096, PAGE_LISTS = 64, NAME_MAX = 64, SEND_MAX = 65536 };

struct page {
    struct page *next;
    uint64_t index;
    uint8_t bytes[PAGE];
};

/* A file or a directory itself. */
struct rn_sim_node {
    struct rn_sim_node *parent, *first, *next; /* above, below, beside */
    char name[NAME_MAX];
    bool directory;
    bool socket;
    uint64_t inode;
    uint64_t size;
    rn_ns modified;
    struct page *pages[PAGE_LISTS];
};

/* Open. */
struct opened {
    struct rn_sim_file file;
    struct rn_sim_node *node;
    uint64_t offset;
};

struct counter {
    struct rn_sim_file file;
    uint64_t value;
};

/* ---- Descriptors ----------------------------------------------------------------------------- */

struct rn_sim_file *rn_sim_file_at(struct rn_sim *sim, int fd)
{
    return (unsigned)fd < RN_SIM_DESCRIPTORS_MAX ? sim->files[fd] : NULL;
}

/* The lowest that is free, as POSIX has it: a closed one comes back at once. */
int rn_sim_descriptor(struct rn_sim *sim, struct rn_sim_file *file, int from)
{
    for (unsigned fd = (unsigned)(from > 3 ? from : 3); fd < sim->descriptor_limit; fd++) {
        if (sim->files[fd]) continue;
        sim->files[fd] = file;
        file->descriptors++;
        sim->descriptors++;
        return (int)fd;
    }
    return -RN_K_EMFILE;
}

int rn_sim_close(struct rn_sim *sim, int fd)
{
    struct rn_sim_file *file = rn_sim_file_at(sim, fd);
    if (!file) return -RN_K_EBADF;
    sim->files[fd] = NULL;
    sim->descriptors--;
    if (--file->descriptors) return 0;
    file->closed = true;
    rn_sim_unwatch(sim, file, -1);
    if (file->vt->close) file->vt->close(sim, file);
    return 0;
}

int rn_sim_open_error(struct rn_sim *sim)
{
    static const int16_t errors[] = {RN_K_EMFILE, RN_K_ENFILE, RN_K_ENOMEM, RN_K_ENOBUFS};
    if (!rn_sim_chance(sim, sim->options.faults.open)) return 0;
    return -errors[rn_sim_random(sim, RN_COUNT(errors))];
}

/* ---- eventfd(2) ------------------------------------------------------------------------------ */

static uint32_t counter_poll(struct rn_sim *sim, struct rn_sim_file *file)
{
    return ((struct counter *)file)->value ? RN_K_POLLIN | RN_K_POLLOUT : RN_K_POLLOUT;
}

static long counter_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                         int64_t offset)
{
    struct counter *counter = (struct counter *)file;
    if (len < sizeof counter->value) return -RN_K_EINVAL;
    if (!counter->value) return -RN_K_EAGAIN;
    memcpy(to, &counter->value, sizeof counter->value);
    counter->value = 0;
    return sizeof counter->value;
}

static long counter_write(struct rn_sim *sim, struct rn_sim_file *file, const void *from,
                          size_t len, int64_t offset)
{
    struct counter *counter = (struct counter *)file;
    if (len < sizeof counter->value) return -RN_K_EINVAL;
    counter->value += rn_load64(from);
    rn_sim_notify(sim, file, RN_K_POLLIN);
    return sizeof counter->value;
}

static const struct rn_sim_file_vt counter_vt = {
    .poll = counter_poll,
    .read = counter_read,
    .write = counter_write,
};

int rn_sim_eventfd(struct rn_sim *sim, uint32_t value, int flags)
{
    struct counter *counter = rn_sim_alloc(sim, sizeof *counter);
    counter->file.vt = &counter_vt;
    counter->file.nonblock = flags & RN_K_EFD_NONBLOCK;
    counter->value = value;
    return rn_sim_descriptor(sim, &counter->file, 0);
}

/* ---- Content --------------------------------------------------------------------------------- */

static struct page *page_of(struct rn_sim *sim, struct rn_sim_node *node, uint64_t index, bool make)
{
    struct page **list = &node->pages[index % PAGE_LISTS], *page = *list;
    while (page && page->index != index) page = page->next;
    if (page || !make) return page;
    page = rn_sim_alloc(sim, sizeof *page);
    page->index = index;
    page->next = *list;
    return *list = page;
}

static size_t read_node(struct rn_sim *sim, struct rn_sim_node *node, uint64_t at, uint8_t *to,
                        size_t len)
{
    if (at >= node->size) return 0;
    if (len > node->size - at) len = (size_t)(node->size - at);
    for (size_t done = 0; done < len;) {
        size_t begin = (at + done) % PAGE, part = PAGE - begin;
        const struct page *page = page_of(sim, node, (at + done) / PAGE, false);
        if (part > len - done) part = len - done;
        if (page) memcpy(to + done, page->bytes + begin, part);
        else memset(to + done, 0, part);
        done += part;
    }
    return len;
}

static uint32_t opened_poll(struct rn_sim *sim, struct rn_sim_file *file)
{
    return RN_K_POLLIN | RN_K_POLLOUT;
}

static long opened_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                        int64_t offset)
{
    struct opened *opened = (struct opened *)file;
    if (opened->node->directory) return -RN_K_EISDIR;
    if (rn_sim_chance(sim, sim->options.faults.io)) return -RN_K_EIO;
    if (len > 1 && rn_sim_chance(sim, sim->options.faults.partial))
        len = 1 + rn_sim_random(sim, len);
    uint64_t at = offset < 0 ? opened->offset : (uint64_t)offset;
    size_t got = read_node(sim, opened->node, at, to, len);
    if (offset < 0) opened->offset += got;
    return (long)got;
}

static long opened_write(struct rn_sim *sim, struct rn_sim_file *file, const void *from, size_t len,
                         int64_t offset)
{
    struct opened *opened = (struct opened *)file;
    struct rn_sim_node *node = opened->node;
    uint64_t at = offset < 0 ? opened->offset : (uint64_t)offset;
    for (size_t done = 0; done < len;) {
        size_t begin = (at + done) % PAGE, part = PAGE - begin;
        if (part > len - done) part = len - done;
        memcpy(page_of(sim, node, (at + done) / PAGE, true)->bytes + begin,
               (const uint8_t *)from + done, part);
        done += part;
    }
    if (offset < 0) opened->offset += len;
    if (at + len > node->size) node->size = at + len;
    node->modified = sim->now;
    return (long)len;
}

static const struct rn_sim_file_vt opened_vt = {
    .poll = opened_poll,
    .read = opened_read,
    .write = opened_write,
};

static struct opened *opened_at(struct rn_sim *sim, int fd)
{
    struct rn_sim_file *file = rn_sim_file_at(sim, fd);
    return file && file->vt == &opened_vt ? (struct opened *)file : NULL;
}

static int open_node(struct rn_sim *sim, struct rn_sim_node *node)
{
    struct opened *opened = rn_sim_alloc(sim, sizeof *opened);
    opened->file.vt = &opened_vt;
    opened->node = node;
    return rn_sim_descriptor(sim, &opened->file, 0);
}

/* What is behind the new end reads as zeros should the file grow again. */
static void resize(struct rn_sim *sim, struct rn_sim_node *node, uint64_t size)
{
    for (unsigned i = 0; i < PAGE_LISTS; i++) {
        for (struct page *page = node->pages[i]; page; page = page->next) {
            uint64_t begin = page->index * PAGE;
            if (size >= begin + PAGE) continue;
            size_t kept = size > begin ? (size_t)(size - begin) : 0;
            memset(page->bytes + kept, 0, PAGE - kept);
        }
    }
    node->size = size;
    node->modified = sim->now;
}

int rn_sim_truncate(struct rn_sim *sim, int fd, uint64_t size)
{
    struct opened *opened = opened_at(sim, fd);
    if (!opened) return rn_sim_file_at(sim, fd) ? -RN_K_EINVAL : -RN_K_EBADF;
    resize(sim, opened->node, size);
    return 0;
}

long rn_sim_seek(struct rn_sim *sim, int fd, int64_t offset, int whence)
{
    struct opened *opened = opened_at(sim, fd);
    if (!opened) return rn_sim_file_at(sim, fd) ? -RN_K_ESPIPE : -RN_K_EBADF;
    if (whence == 1) offset += (int64_t)opened->offset;
    if (whence > 1 || offset < 0) return -RN_K_EINVAL;
    opened->offset = (uint64_t)offset;
    return offset;
}

long rn_sim_sendfile(struct rn_sim *sim, struct rn_sim_file *to, int from, uint64_t *offset,
                     size_t len)
{
    static uint8_t bytes[SEND_MAX]; /* a world has the machine to itself */
    struct opened *opened = opened_at(sim, from);
    if (!opened) return rn_sim_file_at(sim, from) ? -RN_K_EINVAL : -RN_K_EBADF;
    if (rn_sim_chance(sim, sim->options.faults.io)) return -RN_K_EIO;
    size_t got = read_node(sim, opened->node, *offset, bytes, len < SEND_MAX ? len : SEND_MAX);
    if (!got) return 0;
    long sent = to->vt->write(sim, to, bytes, got, -1);
    if (sent > 0) *offset += (uint64_t)sent;
    return sent;
}

/* ---- Names ----------------------------------------------------------------------------------- */

static struct rn_sim_node *child(struct rn_sim_node *node, const char *name, size_t len)
{
    for (struct rn_sim_node *at = node->first; at; at = at->next)
        if (strlen(at->name) == len && memcmp(at->name, name, len) == 0) return at;
    return NULL;
}

static struct rn_sim_node *make_node(struct rn_sim *sim, struct rn_sim_node *parent,
                                     const char *name, bool directory)
{
    struct rn_sim_node *node = rn_sim_alloc(sim, sizeof *node);
    size_t len = strlen(name);
    if (len >= sizeof node->name) len = sizeof node->name - 1;
    memcpy(node->name, name, len);
    node->directory = directory;
    node->parent = parent;
    node->inode = ++sim->inodes;
    node->modified = sim->now;
    if (parent) {
        node->next = parent->first;
        parent->first = node;
    }
    return node;
}

void rn_sim_files_init(struct rn_sim *sim) { sim->root = make_node(sim, NULL, "", true); }

/* Walks to where the last name of the path stands: its directory and the name, which may be empty.
 * A negative error. */
static int walk(struct rn_sim *sim, int dir, const char *path, bool beneath,
                struct rn_sim_node **found, const char **name)
{
    struct opened *opened = opened_at(sim, dir);
    struct rn_sim_node *node = sim->root;
    if (dir != RN_K_AT_FDCWD && *path != '/') {
        if (!opened) return rn_sim_file_at(sim, dir) ? -RN_K_ENOTDIR : -RN_K_EBADF;
        node = opened->node;
    }
    struct rn_sim_node *const top = node;
    if (*path == '/' && beneath) return -RN_K_EXDEV;
    for (;;) {
        while (*path == '/') path++;
        size_t len = 0;
        while (path[len] && path[len] != '/') len++;
        if (len && !node->directory) return -RN_K_ENOTDIR;
        if (len == 2 && memcmp(path, "..", 2) == 0) {
            if (node == top && beneath) return -RN_K_EXDEV;
            if (node->parent) node = node->parent;
        } else if (len != 1 || *path != '.') {
            if (!path[len]) {
                *found = node;
                *name = path;
                return 0;
            }
            node = child(node, path, len);
            if (!node) return -RN_K_ENOENT;
        }
        path += len;
    }
}

static int look_up(struct rn_sim *sim, int dir, const char *path, struct rn_sim_node **node)
{
    const char *name;
    int result = walk(sim, dir, path, false, node, &name);
    if (result < 0 || !*name) return result;
    *node = child(*node, name, strlen(name));
    return *node ? 0 : -RN_K_ENOENT;
}

int rn_sim_open(struct rn_sim *sim, int dir, const char *path, const struct rn_k_open_how *how)
{
    struct rn_sim_node *node;
    const char *name;
    int result = rn_sim_open_error(sim);
    if (result < 0) return result;
    result = walk(sim, dir, path, how->resolve & RN_K_RESOLVE_BENEATH, &node, &name);
    if (result < 0) return result;
    if (*name) {
        struct rn_sim_node *parent = node;
        node = child(parent, name, strlen(name));
        if (node && (how->flags & RN_K_O_EXCL)) return -RN_K_EEXIST;
        if (!node && !(how->flags & RN_K_O_CREAT)) return -RN_K_ENOENT;
        if (!node) node = make_node(sim, parent, name, false);
    }
    if ((how->flags & RN_K_O_DIRECTORY) && !node->directory) return -RN_K_ENOTDIR;
    if (how->flags & RN_K_O_TRUNC) resize(sim, node, 0);
    return open_node(sim, node);
}

int rn_sim_make_socket(struct rn_sim *sim, const char *path, struct rn_sim_node **node)
{
    struct rn_sim_node *parent;
    const char *name;
    int result = walk(sim, RN_K_AT_FDCWD, path, false, &parent, &name);
    if (result < 0) return result;
    if (!*name || child(parent, name, strlen(name))) return -RN_K_EEXIST;
    *node = make_node(sim, parent, name, false);
    (*node)->socket = true;
    return 0;
}

int rn_sim_find_socket(struct rn_sim *sim, const char *path, struct rn_sim_node **node)
{
    int result = look_up(sim, RN_K_AT_FDCWD, path, node);
    return result < 0 || (*node)->socket ? result : -RN_K_ECONNREFUSED;
}

int rn_sim_memfd(struct rn_sim *sim)
{
    return open_node(sim, make_node(sim, NULL, "memfd", false));
}

int rn_sim_mkdir(struct rn_sim *sim, int dir, const char *path)
{
    struct rn_sim_node *node;
    const char *name;
    int result = walk(sim, dir, path, false, &node, &name);
    if (result < 0) return result;
    if (!*name || child(node, name, strlen(name))) return -RN_K_EEXIST;
    make_node(sim, node, name, true);
    return 0;
}

static void unlink_node(struct rn_sim_node *node)
{
    struct rn_sim_node **link = &node->parent->first;
    while (*link != node) link = &(*link)->next;
    *link = node->next;
}

int rn_sim_unlink(struct rn_sim *sim, int dir, const char *path, bool directory)
{
    struct rn_sim_node *node;
    int result = look_up(sim, dir, path, &node);
    if (result < 0) return result;
    if (directory && !node->directory) return -RN_K_ENOTDIR;
    if (!directory && node->directory) return -RN_K_EISDIR;
    if (!node->parent) return -RN_K_EBUSY;
    if (node->first) return -RN_K_ENOTEMPTY;
    unlink_node(node);
    return 0;
}

int rn_sim_rename(struct rn_sim *sim, int from_dir, const char *from, int to_dir, const char *to,
                  bool replace)
{
    struct rn_sim_node *node, *parent;
    const char *name;
    int result = look_up(sim, from_dir, from, &node);
    if (result == 0) result = walk(sim, to_dir, to, false, &parent, &name);
    if (result < 0) return result;
    if (!node->parent || !*name) return -RN_K_EBUSY;
    for (struct rn_sim_node *above = parent; above; above = above->parent)
        if (above == node) return -RN_K_EINVAL;
    struct rn_sim_node *old = child(parent, name, strlen(name));
    if (old && !replace) return -RN_K_EEXIST;
    if (old == node) return 0;
    if (old && old->directory != node->directory)
        return old->directory ? -RN_K_EISDIR : -RN_K_ENOTDIR;
    if (old && old->first) return -RN_K_ENOTEMPTY;
    if (old) unlink_node(old);
    unlink_node(node);
    size_t len = strlen(name);
    if (len >= sizeof node->name) len = sizeof node->name - 1;
    memset(node->name, 0, sizeof node->name);
    memcpy(node->name, name, len);
    node->parent = parent;
    node->next = parent->first;
    parent->first = node;
    return 0;
}

int rn_sim_statx(struct rn_sim *sim, int dir, const char *path, struct rn_k_statx *info)
{
    struct rn_sim_node *node;
    int result = look_up(sim, dir, path, &node);
    if (result < 0) return result;
    memset(info, 0, sizeof *info);
    info->stx_mask = RN_K_STATX_BASIC_STATS;
    info->stx_mode = node->directory ? RN_K_S_IFDIR | 0755 : RN_K_S_IFREG | 0644;
    info->stx_ino = node->inode;
    info->stx_size = node->size;
    info->stx_mtime.tv_sec = RN_SIM_EPOCH + (int64_t)(node->modified / RN_SECOND);
    info->stx_mtime.tv_nsec = (uint32_t)(node->modified % RN_SECOND);
    return 0;
}

long rn_sim_getdents(struct rn_sim *sim, int fd, void *to, size_t len)
{
    struct opened *opened = opened_at(sim, fd);
    if (!opened) return -RN_K_EBADF;
    if (!opened->node->directory) return -RN_K_ENOTDIR;
    struct rn_sim_node *node = opened->node->first;
    for (uint64_t i = 0; node && i < opened->offset; i++) node = node->next;
    size_t done = 0;
    for (; node; node = node->next) {
        size_t name = strlen(node->name) + 1, size = (sizeof(struct rn_k_dirent64) + name + 7) & ~7;
        if (done + size > len) break;
        struct rn_k_dirent64 *entry = (void *)((char *)to + done);
        entry->d_ino = node->inode;
        entry->d_off = (int64_t)++opened->offset;
        entry->d_reclen = (uint16_t)size;
        entry->d_type = node->directory ? RN_K_DT_DIR : RN_K_DT_REG;
        memcpy(entry->d_name, node->name, name);
        done += size;
    }
    return node && !done ? -RN_K_EINVAL : (long)done;
}
