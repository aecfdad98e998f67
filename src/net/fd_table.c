/*
 * net/fd_table.c: numbers, and what they stand for. One lock, held for a few instructions; what
 * makes a system call is done outside of it.
 *
 * A number's entry names a slot and its generation. The slot is given back when the last call is
 * over that holds it, which may be long after its number stands for something else.
 */
#include "core/lock.h"
#include "net/fd.h"

enum { STANDARD = RN_FD_FIRST, CALLS_ON_CLOSED = 256 };

struct entry {
    uint32_t index;
    uint32_t generation; /* 0: free */
};

static struct {
    struct rn_lock lock;
    uint32_t count; /* of numbers; 0: not made yet */
    uint32_t lowest; /* no number below it is free */
    struct entry *entries;
    struct rn_slab files;
} table;

/* ---- The table ------------------------------------------------------------------------------- */

static struct rn_fd_file *take_file(int fd)
{
    struct rn_fd_file *file = rn_slab_take(&table.files);
    if (!file) return NULL;
    const struct rn_slab_item item = file->item;
    *file = (struct rn_fd_file){.item = item, .handle = -1, .users = 1};
    table.entries[fd] = (struct entry){item.index, item.generation};
    return file;
}

/* Under the lock. */
static int make(uint32_t count)
{
    table.entries = rn_map(count * sizeof *table.entries);
    if (!table.entries) return -RN_K_ENOMEM;
    /* Some more: closed, and not yet let go of. */
    int result = rn_slab_init(&table.files, count + CALLS_ON_CLOSED, sizeof(struct rn_fd_file));
    if (result < 0) {
        rn_unmap(table.entries, count * sizeof *table.entries);
        return result;
    }
    table.count = count;
    table.lowest = STANDARD;
    for (int fd = 0; fd < STANDARD; fd++) {
        struct rn_fd_file *file = take_file(fd);
        file->handle = fd;
        file->state = RN_FD_FILE;
        file->ready = file->borrowed = true;
    }
    return 0;
}

int rn_fd_setup(uint32_t descriptors)
{
    if (descriptors < 1 || descriptors > RN_FD_MAX) return RN_E_MISUSE;
    rn_lock_take(&table.lock);
    int result = table.count ? RN_E_MISUSE : make(descriptors + STANDARD);
    rn_lock_leave(&table.lock);
    return result;
}

void rn_fd_end(void)
{
    for (uint32_t fd = STANDARD; fd < table.count; fd++)
        if (table.entries[fd].generation) (void)!rn_fd_close((int)fd);
    if (!table.count) return;
    rn_unmap(table.entries, table.count * sizeof *table.entries);
    rn_slab_fini(&table.files);
    table.count = 0;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* Under the lock. */
static struct rn_fd_file *file_at(int fd)
{
    if (fd < 0) return NULL;
    if (!table.count && (fd >= STANDARD || make(RN_FD_DEFAULT + STANDARD) < 0)) return NULL;
    if ((uint32_t)fd >= table.count) return NULL;
    const struct entry *entry = &table.entries[fd];
    struct rn_fd_file *file =
        entry->generation ? rn_slab_get(&table.files, entry->index, entry->generation) : NULL;
    return file && file->ready ? file : NULL;
}

struct rn_fd_file *rn_fd_hold(int fd)
{
    rn_lock_take(&table.lock);
    struct rn_fd_file *file = file_at(fd);
    if (file) __atomic_fetch_add(&file->users, 1, __ATOMIC_RELAXED);
    rn_lock_leave(&table.lock);
    return file;
}

void rn_fd_release(struct rn_fd_file *file)
{
    rn_lock_take(&table.lock);
    bool last = __atomic_sub_fetch(&file->users, 1, __ATOMIC_RELAXED) == 0;
    rn_lock_leave(&table.lock);
    if (!last) return;
    if (file->ops) file->ops->close(file->handle);
    else if (!file->borrowed) rn_sys_close(file->handle);
    rn_lock_take(&table.lock);
    rn_slab_put(&table.files, file);
    rn_lock_leave(&table.lock);
}

/* Under the lock. */
static void free_number(int fd)
{
    table.entries[fd].generation = 0;
    if (fd >= STANDARD && (uint32_t)fd < table.lowest) table.lowest = (uint32_t)fd;
}

int rn_fd_reserve(struct rn_fd_file **file)
{
    int result = 0;
    rn_lock_take(&table.lock);
    if (!table.count) result = make(RN_FD_DEFAULT + STANDARD);
    while (table.lowest < table.count && table.entries[table.lowest].generation) table.lowest++;
    if (result == 0) {
        result = -RN_K_EMFILE;
        if (table.lowest < table.count) {
            *file = take_file((int)table.lowest);
            result = *file ? (int)table.lowest : -RN_K_ENFILE;
        }
    }
    rn_lock_leave(&table.lock);
    return result;
}

void rn_fd_publish(struct rn_fd_file *file)
{
    rn_lock_take(&table.lock);
    file->ready = true;
    rn_lock_leave(&table.lock);
}

void rn_fd_unreserve(int fd, struct rn_fd_file *file)
{
    rn_lock_take(&table.lock);
    free_number(fd);
    rn_slab_put(&table.files, file);
    rn_lock_leave(&table.lock);
}

int rn_fd_close(int fd)
{
    rn_lock_take(&table.lock);
    struct rn_fd_file *file = file_at(fd);
    bool used = false;
    if (file) {
        free_number(fd);
        __atomic_store_n(&file->closed, 1, __ATOMIC_RELEASE);
        used = file->users > 1;
    }
    rn_lock_leave(&table.lock);
    if (!file) return -RN_K_EBADF;
    if (used && file->ops) file->ops->interrupt(file->handle);
    rn_fd_release(file);
    return 0;
}

int rn_fd_state(int fd)
{
    struct rn_fd_file *file = rn_fd_hold(fd);
    if (!file) return -RN_K_EBADF;
    int state = (int)__atomic_load_n(&file->state, __ATOMIC_RELAXED);
    rn_fd_release(file);
    return state;
}
