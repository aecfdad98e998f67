/*
 * backend/sim_wait.c: the simulated kernel's waits: epoll(7) with its edges, ppoll(2), futex(2).
 */
#include "backend/sim.h"

/* ---- epoll(7) -------------------------------------------------------------------------------- */

struct rn_sim_epoll {
    struct rn_sim_file file;
    struct rn_sim_watch *watches;
    unsigned count;
};

enum { ALWAYS = RN_K_POLLERR | RN_K_POLLHUP };

/* An edge: something of this kind happened to the file, whether or not it was so before. And then
 * to an instance that watches it, which may be watched itself. */
void rn_sim_notify(struct rn_sim *sim, struct rn_sim_file *file, uint32_t events)
{
    for (struct rn_sim_watch *watch = file->watches; watch; watch = watch->next_of_file) {
        if (!((watch->events | ALWAYS) & events)) continue;
        watch->ready = true;
        rn_sim_notify(sim, &watch->epoll->file, RN_K_POLLIN);
    }
}

static uint32_t watch_poll(struct rn_sim *sim, const struct rn_sim_watch *watch)
{
    return watch->file->vt->poll(sim, watch->file) & (watch->events | ALWAYS);
}

static void unlink_watch(struct rn_sim_watch *watch)
{
    struct rn_sim_watch **link = &watch->epoll->watches;
    while (*link != watch) link = &(*link)->next_of_epoll;
    *link = watch->next_of_epoll;
    watch->epoll->count--;
}

void rn_sim_unwatch(struct rn_sim *sim, struct rn_sim_file *file, int fd)
{
    struct rn_sim_watch **link = &file->watches;
    while (*link) {
        struct rn_sim_watch *watch = *link;
        if (fd >= 0 && watch->fd != fd) {
            link = &watch->next_of_file;
            continue;
        }
        *link = watch->next_of_file;
        unlink_watch(watch);
    }
}

static void epoll_close(struct rn_sim *sim, struct rn_sim_file *file)
{
    struct rn_sim_epoll *epoll = (struct rn_sim_epoll *)file;
    while (epoll->watches) {
        struct rn_sim_watch *watch = epoll->watches, **link = &watch->file->watches;
        while (*link != watch) link = &(*link)->next_of_file;
        *link = watch->next_of_file;
        unlink_watch(watch);
    }
}

static bool epoll_ready(struct rn_sim *sim, void *argument)
{
    const struct rn_sim_epoll *epoll = argument;
    for (struct rn_sim_watch *watch = epoll->watches; watch; watch = watch->next_of_epoll)
        if (watch->ready && watch_poll(sim, watch)) return true;
    return false;
}

static uint32_t epoll_poll(struct rn_sim *sim, struct rn_sim_file *file)
{
    return epoll_ready(sim, file) ? RN_K_POLLIN : 0;
}

static long epoll_read(struct rn_sim *sim, struct rn_sim_file *file, void *to, size_t len,
                       int64_t offset)
{
    return -RN_K_EINVAL;
}

static long epoll_write(struct rn_sim *sim, struct rn_sim_file *file, const void *from, size_t len,
                        int64_t offset)
{
    return -RN_K_EINVAL;
}

static const struct rn_sim_file_vt epoll_vt = {
    .poll = epoll_poll,
    .read = epoll_read,
    .write = epoll_write,
    .close = epoll_close,
};

int rn_sim_epoll_new(struct rn_sim *sim)
{
    struct rn_sim_epoll *epoll = rn_sim_alloc(sim, sizeof *epoll);
    epoll->file.vt = &epoll_vt;
    return rn_sim_descriptor(sim, &epoll->file, 0);
}

static struct rn_sim_epoll *epoll_at(struct rn_sim *sim, int fd)
{
    struct rn_sim_file *file = rn_sim_file_at(sim, fd);
    return file && file->vt == &epoll_vt ? (struct rn_sim_epoll *)file : NULL;
}

static struct rn_sim_watch *watch_of(struct rn_sim_epoll *epoll, struct rn_sim_file *file, int fd)
{
    for (struct rn_sim_watch *watch = epoll->watches; watch; watch = watch->next_of_epoll)
        if (watch->file == file && watch->fd == fd) return watch;
    return NULL;
}

int rn_sim_epoll_ctl(struct rn_sim *sim, int at, int what, int fd,
                     const struct rn_k_epoll_event *event)
{
    struct rn_sim_epoll *epoll = epoll_at(sim, at);
    struct rn_sim_file *file = rn_sim_file_at(sim, fd);
    if (!epoll || !file) return epoll ? -RN_K_EBADF : -RN_K_EINVAL;
    struct rn_sim_watch *watch = watch_of(epoll, file, fd);
    if (what == RN_K_EPOLL_CTL_ADD) {
        if (watch) return -RN_K_EEXIST;
        if (rn_sim_chance(sim, sim->options.faults.open))
            return rn_sim_random(sim, 2) ? -RN_K_ENOMEM : -RN_K_ENOSPC;
        watch = rn_sim_alloc(sim, sizeof *watch);
        watch->epoll = epoll;
        watch->file = file;
        watch->fd = fd;
        watch->next_of_file = file->watches;
        file->watches = watch;
        watch->next_of_epoll = epoll->watches;
        epoll->watches = watch;
        epoll->count++;
    }
    if (!watch) return -RN_K_ENOENT;
    if (what == RN_K_EPOLL_CTL_DEL) {
        struct rn_sim_watch **link = &file->watches;
        while (*link != watch) link = &(*link)->next_of_file;
        *link = watch->next_of_file;
        unlink_watch(watch);
        return 0;
    }
    watch->events = event->events;
    watch->data = event->data;
    watch->ready = watch_poll(sim, watch);
    return 0;
}

/* Those that are ready, from any place in the list on, and not always all of them. */
static int harvest(struct rn_sim *sim, struct rn_sim_epoll *epoll, struct rn_k_epoll_event *events,
                   int max)
{
    if (!epoll->count) return 0;
    uint64_t skip = rn_sim_random(sim, epoll->count);
    struct rn_sim_watch *watch = epoll->watches;
    int count = 0;
    if (rn_sim_chance(sim, sim->options.faults.partial)) max = 1;
    while (skip--) watch = watch->next_of_epoll;
    for (unsigned i = 0; i < epoll->count && count < max; i++) {
        uint32_t there = watch->ready ? watch_poll(sim, watch) : 0;
        watch->ready = there && !(watch->events & RN_K_EPOLLET);
        if (there) {
            events[count].events = there;
            events[count++].data = watch->data;
        }
        watch = watch->next_of_epoll ? watch->next_of_epoll : epoll->watches;
    }
    return count;
}

int rn_sim_epoll_wait(struct rn_sim *sim, int at, struct rn_k_epoll_event *events, int max,
                      rn_ns deadline)
{
    struct rn_sim_epoll *epoll = epoll_at(sim, at);
    if (!epoll || max < 1) return -RN_K_EINVAL;
    if (!rn_sim_wait(sim, epoll_ready, epoll, deadline))
        return deadline && rn_sim_chance(sim, sim->options.faults.interrupt) ? -RN_K_EINTR : 0;
    return harvest(sim, epoll, events, max);
}

/* ---- ppoll(2) -------------------------------------------------------------------------------- */

struct poll_list {
    struct rn_k_pollfd *fds;
    size_t count;
};

static uint32_t poll_one(struct rn_sim *sim, const struct rn_k_pollfd *at)
{
    struct rn_sim_file *file = rn_sim_file_at(sim, at->fd);
    if (at->fd < 0) return 0;
    if (!file) return RN_K_POLLNVAL;
    return file->vt->poll(sim, file) & ((uint16_t)at->events | ALWAYS);
}

static bool list_ready(struct rn_sim *sim, void *argument)
{
    const struct poll_list *list = argument;
    for (size_t i = 0; i < list->count; i++)
        if (poll_one(sim, &list->fds[i])) return true;
    return false;
}

int rn_sim_ppoll(struct rn_sim *sim, struct rn_k_pollfd *fds, size_t count, rn_ns deadline)
{
    struct poll_list list = {fds, count};
    int found = 0;
    if (!rn_sim_wait(sim, list_ready, &list, deadline) && deadline &&
        rn_sim_chance(sim, sim->options.faults.interrupt))
        return -RN_K_EINTR;
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = (int16_t)poll_one(sim, &fds[i]);
        found += fds[i].revents != 0;
    }
    return found;
}

/* A call on a blocking descriptor. */
struct file_wait {
    struct rn_sim_file *file;
    uint32_t events;
};

static bool file_ready(struct rn_sim *sim, void *argument)
{
    const struct file_wait *wait = argument;
    return wait->file->vt->poll(sim, wait->file) & (wait->events | ALWAYS);
}

bool rn_sim_wait_for(struct rn_sim *sim, struct rn_sim_file *file, uint32_t events, rn_ns deadline)
{
    struct file_wait wait = {file, events};
    return rn_sim_wait(sim, file_ready, &wait, deadline);
}

/* ---- futex(2) -------------------------------------------------------------------------------- */

struct futex_wait {
    const uint32_t *word;
    bool woken;
};

static bool futex_ready(struct rn_sim *sim, void *argument)
{
    return ((const struct futex_wait *)argument)->woken;
}

static int futex_wake(struct rn_sim *sim, const uint32_t *word, uint32_t most)
{
    int count = 0;
    for (unsigned i = 0; i < RN_SIM_THREADS_MAX && (uint32_t)count < most; i++) {
        struct rn_sim_thread *thread = &sim->threads[i];
        if (!thread->alive || thread->ready != futex_ready) continue;
        struct futex_wait *wait = thread->argument;
        if (wait->word != word || wait->woken) continue;
        wait->woken = true;
        count++;
    }
    return count;
}

int rn_sim_futex(struct rn_sim *sim, uint32_t *word, int what, uint32_t value, rn_ns deadline)
{
    what &= ~RN_K_FUTEX_PRIVATE_FLAG;
    if (what == RN_K_FUTEX_WAKE) return futex_wake(sim, word, value);
    if (what != RN_K_FUTEX_WAIT) return -RN_K_ENOSYS;
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) return -RN_K_EAGAIN;
    if (rn_sim_chance(sim, sim->options.faults.interrupt)) return -RN_K_EINTR;
    struct futex_wait wait = {word, false};
    return rn_sim_wait(sim, futex_ready, &wait, deadline) ? 0 : -RN_K_ETIMEDOUT;
}
