/*
 * backend/poll.c: the poller on ppoll(2), which works wherever Linux is imitated. The list of what
 * is waited for is made anew for each call: the kernel goes through all of it anyway.
 */
#include <runnel/backend.h>

#include "backend/readiness.h"
#include "sys/sys.h"

struct poll {
    struct rn_readiness engine;
    struct rn_k_pollfd *list;
    uint32_t end; /* behind the highest descriptor that was ever waited for */
};

static int add(struct rn_readiness *engine, int fd)
{
    struct poll *poll = (struct poll *)engine;
    if ((uint32_t)fd >= poll->end) poll->end = (uint32_t)fd + 1;
    return 0;
}

static uint32_t events_wanted(const struct rn_readiness_entry *entry)
{
    uint32_t events = 0;
    for (unsigned side = 0; side < 2; side++) {
        const struct rn_op *op = entry->op[side];
        if (!op || op->state != RN_WAITING) continue;
        if (op->code == RN_OP_POLL)
            events |= op->arg.events | RN_K_POLLERR;
        else
            events |= side == RN_READ_SIDE ? RN_K_POLLIN | RN_K_POLLRDHUP : RN_K_POLLOUT;
    }
    return events;
}

static int wait(struct rn_readiness *engine, struct rn_k_timespec *limit)
{
    struct poll *poll = (struct poll *)engine;
    struct rn_k_pollfd *end = poll->list;
    *end++ = (struct rn_k_pollfd){.fd = engine->wake, .events = RN_K_POLLIN};
    for (uint32_t fd = 0; fd < poll->end; fd++) {
        uint32_t events = events_wanted(&engine->table[fd]);
        if (events) *end++ = (struct rn_k_pollfd){.fd = (int)fd, .events = (int16_t)events};
    }
    int count = rn_sys_ppoll(poll->list, (size_t)(end - poll->list), limit, NULL);
    if (count <= 0) return count;
    if (poll->list->revents) {
        uint64_t times;
        engine->base.syscalls++;
        rn_sys_read(engine->wake, &times, sizeof times);
    }
    for (struct rn_k_pollfd *at = poll->list + 1; at < end; at++)
        if (at->revents) rn_readiness_event(engine, (uint32_t)at->fd, (uint16_t)at->revents);
    return 0;
}

static int probe(const char **missing)
{
    struct rn_k_timespec now = {0};
    *missing = "ppoll";
    return rn_sys_ppoll(NULL, 0, &now, NULL);
}

static void fini(struct rn_backend *backend)
{
    struct poll *poll = (struct poll *)backend;
    rn_unmap(poll->list, poll->engine.descriptors * sizeof *poll->list);
    rn_readiness_fini(backend);
}

static int init(struct rn_backend *backend, const struct rn_backend_options *options)
{
    static const struct rn_poller poller = {add, wait};
    struct poll *poll = (struct poll *)backend;
    int result = rn_readiness_init(&poll->engine, options, &poller);
    if (result < 0) return result;
    /* One for each descriptor, the eventfd's own included. */
    poll->list = rn_map(options->descriptors * sizeof *poll->list);
    if (poll->list) return 0;
    fini(backend);
    return -RN_K_ENOMEM;
}

const struct rn_backend_vt rn_backend_poll = {
    .name = "poll",
    .size = sizeof(struct poll),
    .probe = probe,
    .init = init,
    .now = rn_readiness_now,
    .submit = rn_readiness_submit,
    .attempt = rn_readiness_attempt,
    .cancel = rn_readiness_cancel,
    .poll = rn_readiness_poll,
    .wake = rn_readiness_wake,
    .fini = fini,
};
