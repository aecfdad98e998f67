/*
 * backend/sim_file.c: the simulated kernel's descriptors, eventfds, and a file system in memory,
 * whose files may have holes.
 */
#include "backend/sim.h"

enum {
    STATUS_SIZE = 128, PAGE = 4096, PAGE_LISTS = 64, NAME_MAX = 256, SEND_MAX = 65536,
    FIRST = 3, /* descriptor; those before it are there from the beginning, and aren't counted */
    LINKS_MAX = 8, PATH_MAX = 1024,
    ACCESS = RN_K_O_WRONLY | RN_K_O_RDWR,
};

struct page {
    struct page *next;
    uint64_t index;
    uint8_t bytes[PAGE];
};

/* A file or a directory itself. */
struct rn_sim_node {
    struct rn_sim_node *parent, *first, *next; /* above, below, beside */
    char name[NAME_MAX];
    uint32_t mode;            /* inode(7) */
    char *target;             /* of a symbolic link */
    struct rn_sim_file *fifo; /* while it is open */
    uint64_t inode;
    uint64_t size;
    int64_t modified; /* seconds of the real time, and nanoseconds */
    uint32_t modified_ns;
    struct page *pages[PAGE_LISTS];
};

/* Open. */
struct opened {
    struct rn_sim_file file;
    struct rn_sim_node *node;
    uint64_t offset;
    uint32_t flags; /* O_RDONLY and so on, O_APPEND */
};

struct counter {
    struct rn_sim_file file;
    uint64_t value;
};

static bool is(const struct rn_sim_node *node, uint32_t type)
{
    return (node->mode & RN_K_S_IFMT) == type;
}

static bool is_directory(const struct rn_sim_node *node) { return is(node, RN_K_S_IFDIR); }

static void touch(const struct rn_sim *sim, struct rn_sim_node *node)
{
    node->modified = RN_SIM_EPOCH + (int64_t)(sim->now / RN_SECOND);
    node->modified_ns = (uint32_t)(sim->now % RN_SECOND);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

struct rn_sim_file *rn_sim_file_at(struct rn_sim *sim, int fd)
{
    return (unsigned)fd < RN_SIM_DESCRIPTORS_MAX ? sim->files[fd] : NULL;
}

/* The lowest that is free, as POSIX has it: a closed one comes back at once. */
int rn_sim_descriptor(struct rn_sim *sim, struct rn_sim_file *file, int from)
{
    for (unsigned fd = (unsigned)(from > FIRST ? from : FIRST); fd < sim->descriptor_limit; fd++) {
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
    if (fd >= FIRST) sim->descriptors--;
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
    if ((opened->flags & ACCESS) == RN_K_O_WRONLY) return -RN_K_EBADF;
    if (is_directory(opened->node)) return -RN_K_EISDIR;
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
    if ((opened->flags & ACCESS) == RN_K_O_RDONLY) return -RN_K_EBADF;
    if (opened->flags & RN_K_O_APPEND) opened->offset = node->size;
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
    touch(sim, node);
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

uint32_t rn_sim_opened_for(struct rn_sim_file *file)
{
    return file->vt == &opened_vt ? ((struct opened *)file)->flags : RN_K_O_RDWR;
}

static struct opened *make_opened(struct rn_sim *sim, struct rn_sim_node *node, uint64_t flags)
{
    struct opened *opened = rn_sim_alloc(sim, sizeof *opened);
    opened->file.vt = &opened_vt;
    opened->node = node;
    opened->flags = flags & (ACCESS | RN_K_O_APPEND);
    return opened;
}

static int open_node(struct rn_sim *sim, struct rn_sim_node *node, uint64_t flags)
{
    if (is(node, RN_K_S_IFSOCK)) return -RN_K_ENXIO;
    if (is(node, RN_K_S_IFIFO)) {
        if (!node->fifo || node->fifo->closed) node->fifo = rn_sim_fifo(sim);
        return rn_sim_descriptor(sim, node->fifo, 0);
    }
    if (is_directory(node) && flags & ACCESS) return -RN_K_EISDIR;
    return rn_sim_descriptor(sim, &make_opened(sim, node, flags)->file, 0);
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
    touch(sim, node);
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
    if (whence == RN_K_SEEK_END) offset += (int64_t)opened->node->size;
    if (whence > RN_K_SEEK_END || offset < 0) return -RN_K_EINVAL;
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
                                     const char *name, uint32_t mode)
{
    struct rn_sim_node *node = rn_sim_alloc(sim, sizeof *node);
    size_t len = strlen(name);
    if (len >= sizeof node->name) len = sizeof node->name - 1;
    memcpy(node->name, name, len);
    node->mode = mode;
    node->parent = parent;
    node->inode = ++sim->inodes;
    touch(sim, node);
    if (parent) {
        node->next = parent->first;
        parent->first = node;
    }
    return node;
}

void rn_sim_files_init(struct rn_sim *sim)
{
    sim->mask = 022;
    sim->root = make_node(sim, NULL, "", RN_K_S_IFDIR | 0755);
    struct rn_sim_node *node = make_node(sim, NULL, "standard", RN_K_S_IFREG | 0600);
    struct opened *standard = make_opened(sim, node, RN_K_O_RDWR);
    for (unsigned fd = 0; fd < FIRST; fd++) sim->files[fd] = &standard->file;
    standard->file.descriptors = FIRST;
}

/* Where a path begins: at the root, or at an open directory. */
static int begin(struct rn_sim *sim, int dir, const char *path, struct rn_sim_node **node)
{
    const struct opened *opened = opened_at(sim, dir);
    *node = sim->root;
    if (dir == RN_K_AT_FDCWD || *path == '/') return 0;
    if (!opened) return rn_sim_file_at(sim, dir) ? -RN_K_ENOTDIR : -RN_K_EBADF;
    *node = opened->node;
    return 0;
}

/* What a link stands for, and what follows it in the path: in the place of both. */
static int replace(const struct rn_sim_node *link, const char *rest, char *path)
{
    size_t len = strlen(link->target), more = strlen(rest);
    if (len + more >= PATH_MAX) return -RN_K_ENAMETOOLONG;
    memmove(path + len, rest, more + 1); /* the rest may stand in it */
    memcpy(path, link->target, len);
    return 0;
}

/* Walks to where the last name of the path stands: its directory and the name, which may be empty.
 * That of a link is no last name when it is followed. A negative error. */
struct walk {
    struct rn_sim_node *node;
    const char *name;
    char path[PATH_MAX]; /* with a link in it */
};

static int walk_on(struct rn_sim *sim, struct walk *walk, const char *path, uint64_t resolve,
                   bool follow)
{
    struct rn_sim_node *const top = walk->node, *next;
    bool beneath = resolve & RN_K_RESOLVE_BENEATH;
    unsigned links = 0;
    if (*path == '/' && beneath) return -RN_K_EXDEV;
    for (;;) {
        while (*path == '/') path++;
        size_t len = 0;
        while (path[len] && path[len] != '/') len++;
        if (len && !is_directory(walk->node)) return -RN_K_ENOTDIR;
        if (len >= NAME_MAX) return -RN_K_ENAMETOOLONG;
        if (len == 2 && memcmp(path, "..", 2) == 0) {
            if (walk->node == top && beneath) return -RN_K_EXDEV;
            if (walk->node->parent) walk->node = walk->node->parent;
        } else if (len != 1 || *path != '.') {
            next = len ? child(walk->node, path, len) : NULL;
            bool last = !path[len], link = next && next->target && (follow || !last);
            if (last && !link) {
                walk->name = path;
                return 0;
            }
            if (!next) return -RN_K_ENOENT;
            if (link) {
                if (resolve & RN_K_RESOLVE_NO_SYMLINKS || ++links > LINKS_MAX) return -RN_K_ELOOP;
                if (replace(next, path + len, walk->path) < 0) return -RN_K_ENAMETOOLONG;
                path = walk->path;
                if (*path == '/' && beneath) return -RN_K_EXDEV;
                if (*path == '/') walk->node = sim->root;
                continue;
            }
            walk->node = next;
        }
        path += len;
    }
}

static int walk_to(struct rn_sim *sim, int dir, const char *path, bool follow, struct walk *walk)
{
    int result = begin(sim, dir, path, &walk->node);
    return result < 0 ? result : walk_on(sim, walk, path, 0, follow);
}

static int look_up(struct rn_sim *sim, int dir, const char *path, bool follow,
                   struct rn_sim_node **node)
{
    struct walk walk;
    int result = walk_to(sim, dir, path, follow, &walk);
    if (result < 0) return result;
    *node = *walk.name ? child(walk.node, walk.name, strlen(walk.name)) : walk.node;
    return *node ? 0 : -RN_K_ENOENT;
}

int rn_sim_open(struct rn_sim *sim, int dir, const char *path, const struct rn_k_open_how *how)
{
    struct walk walk;
    int result = *path ? rn_sim_open_error(sim) : -RN_K_ENOENT;
    bool exclusive = (how->flags & RN_K_O_EXCL) && (how->flags & RN_K_O_CREAT);
    bool follow = !exclusive && !(how->flags & RN_K_O_NOFOLLOW);
    if (result == 0) result = begin(sim, dir, path, &walk.node);
    if (result == 0) result = walk_on(sim, &walk, path, how->resolve, follow);
    if (result < 0) return result;
    struct rn_sim_node *node = walk.node;
    if (*walk.name) {
        node = child(walk.node, walk.name, strlen(walk.name));
        if (node && exclusive) return -RN_K_EEXIST;
        if (node && node->target) return -RN_K_ELOOP;
        if (!node && !(how->flags & RN_K_O_CREAT)) return -RN_K_ENOENT;
        if (!node)
            node = make_node(sim, walk.node, walk.name,
                             RN_K_S_IFREG | ((uint32_t)how->mode & ~sim->mask & 07777));
    }
    if ((how->flags & RN_K_O_DIRECTORY) && !is_directory(node)) return -RN_K_ENOTDIR;
    if (how->flags & RN_K_O_TRUNC && is(node, RN_K_S_IFREG)) resize(sim, node, 0);
    return open_node(sim, node, how->flags);
}

/* A new node of any type. */
static int make_at(struct rn_sim *sim, int dir, const char *path, uint32_t mode,
                   struct rn_sim_node **node)
{
    struct walk walk;
    int result = walk_to(sim, dir, path, false, &walk);
    if (result < 0) return result;
    if (!*walk.name || child(walk.node, walk.name, strlen(walk.name))) return -RN_K_EEXIST;
    *node = make_node(sim, walk.node, walk.name, mode);
    return 0;
}

int rn_sim_mknod(struct rn_sim *sim, int dir, const char *path, uint32_t mode)
{
    struct rn_sim_node *node;
    if ((mode & RN_K_S_IFMT) == RN_K_S_IFCHR || (mode & RN_K_S_IFMT) == RN_K_S_IFBLK)
        return -RN_K_EPERM; /* there are no devices */
    return make_at(sim, dir, path, mode & ~sim->mask, &node);
}

int rn_sim_symlink(struct rn_sim *sim, const char *target, int dir, const char *path)
{
    struct rn_sim_node *node;
    int result = make_at(sim, dir, path, RN_K_S_IFLNK | 0777, &node);
    if (result < 0) return result;
    node->size = strlen(target);
    node->target = rn_sim_alloc(sim, node->size + 1);
    memcpy(node->target, target, node->size);
    return 0;
}

int rn_sim_make_socket(struct rn_sim *sim, const char *path, struct rn_sim_node **node)
{
    return make_at(sim, RN_K_AT_FDCWD, path, RN_K_S_IFSOCK | (0777 & ~sim->mask), node);
}

int rn_sim_find_socket(struct rn_sim *sim, const char *path, struct rn_sim_node **node)
{
    int result = look_up(sim, RN_K_AT_FDCWD, path, true, node);
    return result < 0 || is(*node, RN_K_S_IFSOCK) ? result : -RN_K_ECONNREFUSED;
}

int rn_sim_memfd(struct rn_sim *sim)
{
    return open_node(sim, make_node(sim, NULL, "memfd", RN_K_S_IFREG | 0777), RN_K_O_RDWR);
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
    int result = look_up(sim, dir, path, false, &node);
    if (result < 0) return result;
    if (directory && !is_directory(node)) return -RN_K_ENOTDIR;
    if (!directory && is_directory(node)) return -RN_K_EISDIR;
    if (!node->parent) return -RN_K_EBUSY;
    if (node->first) return -RN_K_ENOTEMPTY;
    unlink_node(node);
    return 0;
}

int rn_sim_rename(struct rn_sim *sim, int from_dir, const char *from, int to_dir, const char *to,
                  bool replace)
{
    struct rn_sim_node *node;
    struct walk walk;
    int result = look_up(sim, from_dir, from, false, &node);
    if (result == 0) result = walk_to(sim, to_dir, to, false, &walk);
    if (result < 0) return result;
    struct rn_sim_node *parent = walk.node;
    const char *name = walk.name;
    if (!node->parent || !*name) return -RN_K_EBUSY;
    for (struct rn_sim_node *above = parent; above; above = above->parent)
        if (above == node) return -RN_K_EINVAL;
    struct rn_sim_node *old = child(parent, name, strlen(name));
    if (old && !replace) return -RN_K_EEXIST;
    if (old == node) return 0;
    if (old && is_directory(old) != is_directory(node))
        return is_directory(old) ? -RN_K_EISDIR : -RN_K_ENOTDIR;
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

/* Of what is open, and isn't a file or a directory. */
static uint32_t mode_of(struct rn_sim_file *file)
{
    return rn_sim_socket_of(file) ? RN_K_S_IFSOCK | 0777 : RN_K_S_IFIFO | 0600;
}

int rn_sim_statx(struct rn_sim *sim, int dir, const char *path, int flags, struct rn_k_statx *info)
{
    struct rn_sim_node *node = NULL;
    struct rn_sim_file *file = rn_sim_file_at(sim, dir);
    if (!*path && !(flags & RN_K_AT_EMPTY_PATH)) return -RN_K_ENOENT;
    bool other = !*path && file && !opened_at(sim, dir);
    int result = other ? 0 : look_up(sim, dir, path, !(flags & RN_K_AT_SYMLINK_NOFOLLOW), &node);
    if (result < 0) return result;
    memset(info, 0, sizeof *info);
    info->stx_mask = RN_K_STATX_BASIC_STATS;
    info->stx_mode = (uint16_t)(node ? node->mode : mode_of(file));
    if (!node) return 0;
    info->stx_ino = node->inode;
    info->stx_size = node->size;
    info->stx_mtime.tv_sec = node->modified;
    info->stx_mtime.tv_nsec = node->modified_ns;
    return 0;
}

int rn_sim_chmod(struct rn_sim *sim, int dir, const char *path, uint32_t mode)
{
    struct rn_sim_node *node;
    int result = look_up(sim, dir, path, true, &node);
    if (result == 0) node->mode = (node->mode & RN_K_S_IFMT) | (mode & 07777);
    return result;
}

/* The second of two times is that of the last change; no path: of the open file. */
int rn_sim_utimens(struct rn_sim *sim, int dir, const char *path,
                   const struct rn_k_timespec times[2], int flags)
{
    struct rn_sim_node *node;
    int result = look_up(sim, dir, path ? path : "", !(flags & RN_K_AT_SYMLINK_NOFOLLOW), &node);
    if (result < 0) return result;
    node->modified = times[1].tv_sec;
    node->modified_ns = (uint32_t)times[1].tv_nsec;
    return 0;
}

/* struct stat of stat(2), up to the size. */
struct status {
    uint64_t device, inode;
#ifdef __x86_64__
    uint64_t links;
    uint32_t mode, user, group, unused;
    uint64_t special;
#else
    uint32_t mode, links, user, group;
    uint64_t special, unused;
#endif
    int64_t size;
};

int rn_sim_fstat(struct rn_sim *sim, struct rn_sim_file *file, void *to)
{
    struct opened *opened = file->vt == &opened_vt ? (struct opened *)file : NULL;
    struct status *status = to;
    memset(status, 0, STATUS_SIZE);
    status->links = 1;
    status->mode = opened ? opened->node->mode : mode_of(file);
    if (opened) status->inode = opened->node->inode;
    if (opened) status->size = (int64_t)opened->node->size;
    return 0;
}

long rn_sim_getdents(struct rn_sim *sim, int fd, void *to, size_t len)
{
    struct opened *opened = opened_at(sim, fd);
    if (!opened) return -RN_K_EBADF;
    if (!is_directory(opened->node)) return -RN_K_ENOTDIR;
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
        entry->d_type = (uint8_t)(node->mode >> 12); /* DT_ of what it is, readdir(3) */
        memcpy(entry->d_name, node->name, name);
        done += size;
    }
    return node && !done ? -RN_K_EINVAL : (long)done;
}
