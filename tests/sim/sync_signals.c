/*
 * sim/sync_signals.c: notify, event, wait group and watch: what was signalled reaches somebody,
 * whoever else gives up meanwhile, and who waits without a way out is not forgotten.
 */
#include "sync.h"

enum { WAITERS_MAX = 6, WAVES_MAX = 8, CHILDREN_MAX = 6, VALUE_BYTES = 40 };

/* Those of a part who wait and don't give up: they must go on. */
struct enlisted {
    struct actor *actors[WAITERS_MAX];
    unsigned count;
    bool waits[WAITERS_MAX];
    uint32_t woken[WAITERS_MAX];
};

static void add_waiters(struct enlisted *list, unsigned rounds,
                        enum rn_poll (*poll)(struct rn_task *, struct rn_cx *))
{
    list->count = between(2, WAITERS_MAX);
    for (unsigned i = 0; i < list->count; i++) list->actors[i] = actor_new(i, rounds, poll);
}

/* No system call lies between this and what is then done: nobody joins them. */
static void list_waiters(struct enlisted *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        list->waits[i] = list->actors[i]->enlisted;
        list->woken[i] = list->actors[i]->woken;
    }
}

static void await_waiters(struct enlisted *list)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->waits[i]) await_count(&list->actors[i]->woken, list->woken[i] + 1);
}

/* Who stands first in line, and may be cancelled; NULL: nobody, or one that may not. */
static struct actor *first_waiter(const struct enlisted *list)
{
    struct actor *first = NULL;
    for (unsigned i = 0; i < list->count; i++) {
        struct actor *actor = list->actors[i];
        if (actor->ticket && (!first || actor->ticket < first->ticket)) first = actor;
    }
    return first && !first->indispensable ? first : NULL;
}

static void enlist(struct actor *actor, struct rn_cx *cx, struct rn_future *wait)
{
    static uint64_t tickets;
    attempt_begin(&actor->attempt, cx, wait);
    actor->ticket = ++tickets;
    actor->enlisted = actor->attempt.manner == ALONE && !cx->cancelled;
}

static void woken(struct actor *actor)
{
    actor->enlisted = false;
    actor->ticket = 0;
    count_up(&actor->woken);
}

/* ---- Notify ---------------------------------------------------------------------------------- */

static struct {
    struct rn_notify notify;
    struct enlisted consumers;
    uint32_t items, consumed;
    bool closing;
} shop;

static void consume_all(void)
{
    uint32_t items = shop.items;
    shop.items = 0;
    for (; items; items--) count_up(&shop.consumed);
}

static enum rn_poll notify_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    while (!cx->cancelled && !shop.closing) {
        rn_notify_wait(&actor->wait, &shop.notify);
        enlist(actor, cx, &actor->wait.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, actor->wait.result, false);
        woken(actor);
        if (actor->wait.result == 0) consume_all();
        if (chance(2)) {
            actor_pauses(actor, cx);
            RN_AWAIT(&actor->co, &actor->pause.future, cx);
        }
    }
    /* To the next one that hasn't heard of the end. */
    if (shop.closing) rn_notify_one(&shop.notify);
    RN_END(&actor->co);
}

static void start_notify(void)
{
    memset(&shop, 0, sizeof shop);
    add_waiters(&shop.consumers, 0, notify_poll);
    shop.consumers.actors[0]->indispensable = true;
}

static void control_notify(void)
{
    uint32_t made = 0;
    for (unsigned left = 1 + pick(WAVES_MAX); left; left--) {
        if (chance(3)) {
            list_waiters(&shop.consumers);
            rn_notify_all(&shop.notify);
            await_waiters(&shop.consumers);
        }
        for (unsigned i = 1 + pick(3); i; i--) {
            struct actor *first = chance(3) ? first_waiter(&shop.consumers) : NULL;
            shop.items++;
            made++;
            rn_notify_one(&shop.notify);
            if (first) rn_task_cancel(first->waker); /* it may not take that along */
            if (chance(2)) rest(RN_MICROSECOND << pick(14));
        }
        await_count(&shop.consumed, made);
    }
    shop.closing = true;
    rn_notify_one(&shop.notify);
}

static void check_notify(void) { check(shop.items == 0); }

const struct part part_notify = {start_notify, control_notify, check_notify};

/* ---- Event ----------------------------------------------------------------------------------- */

static struct {
    struct rn_event event;
    struct enlisted waiters;
    bool over; /* set, and not reset any more */
} gate;

static enum rn_poll event_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        rn_event_wait(&actor->wait, &gate.event);
        enlist(actor, cx, &actor->wait.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, actor->wait.result, false);
        if (gate.over && !cx->cancelled) check(rn_event_is_set(&gate.event));
        woken(actor);
        actor_pauses(actor, cx);
        RN_AWAIT(&actor->co, &actor->pause.future, cx);
    }
    RN_END(&actor->co);
}

static void start_event(void)
{
    memset(&gate, 0, sizeof gate);
    add_waiters(&gate.waiters, 1 + pick(20), event_poll);
}

static void control_event(void)
{
    struct rn_wait wait;
    for (unsigned left = pick(WAVES_MAX); left; left--) {
        rest(RN_MICROSECOND << pick(14));
        list_waiters(&gate.waiters);
        rn_event_set(&gate.event);
        check(rn_event_is_set(&gate.event));
        if (chance(2)) await_waiters(&gate.waiters);
        rn_event_reset(&gate.event);
        check(!rn_event_is_set(&gate.event));
        await_waiters(&gate.waiters); /* they were told before */
    }
    gate.over = true;
    rn_event_set(&gate.event);
    rn_event_wait(&wait, &gate.event);
    block_on(&wait.future);
    check(wait.result == 0);
}

const struct part part_event = {start_event, control_event, NULL};

/* ---- Wait group ------------------------------------------------------------------------------ */

static struct {
    struct rn_wait_group group;
    struct worker {
        struct rn_task task;
        rn_co co;
        struct rn_sleep sleep;
    } workers[CHILDREN_MAX];
    uint32_t begun, done;
    bool over;
} works;

static enum rn_poll work_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct worker *worker = rn_container_of(task, struct worker, task);
    RN_BEGIN(&worker->co);
    rn_sleep(&worker->sleep, cx, RN_MICROSECOND << pick(14));
    RN_AWAIT(&worker->co, &worker->sleep, cx);
    works.done++;
    RN_END(&worker->co);
}

/* Its memory may be used again from here. */
static void work_done(struct rn_task *task) { rn_wait_group_done(&works.group); }

/* Who only looks on. */
static enum rn_poll group_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        rn_wait_group_wait(&actor->wait, &works.group);
        attempt_begin(&actor->attempt, cx, &actor->wait.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, actor->wait.result, false);
        if (works.over && actor->wait.result == 0) check(works.done == works.begun);
        actor_pauses(actor, cx);
        RN_AWAIT(&actor->co, &actor->pause.future, cx);
    }
    RN_END(&actor->co);
}

static void start_wait_group(void)
{
    memset(&works, 0, sizeof works);
    for (unsigned i = 1 + pick(WAITERS_MAX); i; i--) actor_new(i, 1 + pick(10), group_poll);
}

static void control_wait_group(void)
{
    unsigned workers = rn_runtime_workers(sync_runtime);
    for (unsigned left = 1 + pick(WAVES_MAX); left; left--) {
        struct rn_wait wait;
        uint32_t count = 1 + pick(CHILDREN_MAX);
        rn_wait_group_add(&works.group, count);
        for (uint32_t i = 0; i < count; i++) {
            works.workers[i] = (struct worker){.task.poll = work_poll, .task.done = work_done};
            works.begun++;
            rn_spawn_remote(rn_runtime_worker(sync_runtime, pick(workers)),
                            &works.workers[i].task);
        }
        rn_wait_group_wait(&wait, &works.group);
        block_on(&wait.future);
        check(wait.result == 0 && works.done == works.begun);
    }
    works.over = true;
}

const struct part part_wait_group = {start_wait_group, control_wait_group, NULL};

/* ---- Watch ----------------------------------------------------------------------------------- */

struct value {
    uint32_t number;
    uint8_t bytes[VALUE_BYTES];
};

static struct {
    struct rn_watch watch;
    struct value value, seen[WAITERS_MAX];
    struct actor *watchers[WAITERS_MAX];
    unsigned count;
    uint32_t last; /* number */
    bool closed;
} board;

static void make_value(struct value *value, uint32_t number)
{
    value->number = number;
    pattern_fill(value->bytes, sizeof value->bytes, number, 0);
}

static void check_value(const struct value *value, uint64_t version)
{
    if (version != value->number + 1) fail("the value of another version");
    pattern_check(value->bytes, sizeof value->bytes, value->number, 0, "a watched value");
}

/* actor->woken: the number of the value that it knows. */
static enum rn_poll watch_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    struct rn_watch_wait *wait = &actor->watch_wait;
    struct value *seen = &board.seen[actor->number];
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    actor->ticket = rn_watch_get(&board.watch, seen);
    for (;;) {
        check_value(seen, actor->ticket);
        set_count(&actor->woken, seen->number);
        rn_watch_changed(wait, &board.watch, actor->ticket, seen);
        attempt_begin(&actor->attempt, cx, &wait->future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, wait->result, false);
        if (wait->result == RN_E_CLOSED || cx->cancelled) break;
        if (wait->result < 0) continue;
        check(wait->version > actor->ticket);
        actor->ticket = wait->version;
        if (chance(4)) actor->ticket = rn_watch_get(&board.watch, seen);
        check(actor->ticket >= wait->version);
        if (chance(2)) {
            actor_pauses(actor, cx);
            RN_AWAIT(&actor->co, &actor->pause.future, cx);
        }
    }
    if (!cx->cancelled) check(board.closed && seen->number == board.last);
    set_count(&actor->woken, UINT32_MAX);
    RN_END(&actor->co);
}

static void start_watch(void)
{
    memset(&board, 0, sizeof board);
    make_value(&board.value, 0);
    rn_watch_init(&board.watch, &board.value, sizeof board.value);
    board.count = 1 + pick(WAITERS_MAX);
    for (unsigned i = 0; i < board.count; i++) board.watchers[i] = actor_new(i, 0, watch_poll);
}

static void control_watch(void)
{
    struct value value;
    for (unsigned left = pick(WAVES_MAX); left; left--) {
        for (unsigned i = 1 + pick(3); i; i--) {
            make_value(&value, ++board.last);
            rn_watch_set(&board.watch, &value);
            if (chance(2)) rest(RN_MICROSECOND << pick(14));
        }
        if (chance(2)) continue;
        for (unsigned i = 0; i < board.count; i++)
            await_count(&board.watchers[i]->woken, board.last);
    }
    board.closed = true;
    rn_watch_close(&board.watch);
    check_value(&value, rn_watch_get(&board.watch, &value));
}

const struct part part_watch = {start_watch, control_watch, NULL};
