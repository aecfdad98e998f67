/*
 * sim/sync_channels.c: channels, intervals and scopes: each element that was sent is received once
 * and in order, each tick comes when it is due, and no child outlives its scope.
 */
#include "sync.h"

enum { SENDERS_MAX = 5, RECEIVERS_MAX = 4, NUMBERS_MAX = 24, CAPACITY_MAX = 5, TICKS_MAX = 20,
       CHILDREN_MAX = 8, LAPS_MAX = 4 };

/* ---- Channel --------------------------------------------------------------------------------- */

static struct {
    struct rn_channel channel;
    struct element memory[CAPACITY_MAX];
    uint32_t capacity, senders, senders_ended;
    bool closed, drained;
    bool sent[SENDERS_MAX + 1][NUMBERS_MAX], received[SENDERS_MAX + 1][NUMBERS_MAX];
    uint32_t last[ACTORS_MAX]; /* of the thread that receives */
} line;

static void make_element(struct element *element, uint32_t sender, uint32_t number)
{
    element->sender = sender;
    element->number = number;
    pattern_fill(element->bytes, sizeof element->bytes, sender << 8 | number, 0);
}

/* last: what this receiver has seen. */
static void on_element(struct element *element, uint32_t *last)
{
    check(element->sender <= SENDERS_MAX && element->number < NUMBERS_MAX);
    pattern_check(element->bytes, sizeof element->bytes, element->sender << 8 | element->number, 0,
                  "an element");
    if (line.received[element->sender][element->number]) fail("an element came twice");
    line.received[element->sender][element->number] = true;
    check(element->number >= last[element->sender]);
    last[element->sender] = element->number + 1;
    memset(element, 0, sizeof *element);
}

static enum rn_poll send_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    int result;
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    while (actor->count < actor->rounds && !cx->cancelled) {
        make_element(&actor->element, actor->number, actor->count);
        if (chance(4)) {
            result = rn_channel_try_send(&line.channel, &actor->element);
        } else {
            rn_channel_send(&actor->channel_wait, &line.channel, &actor->element);
            attempt_begin(&actor->attempt, cx, &actor->channel_wait.future);
            RN_AWAIT(&actor->co, actor->attempt.future, cx);
            result = actor->channel_wait.result;
            attempt_check(&actor->attempt, cx, result, true);
        }
        if (result == RN_E_CLOSED) {
            check(line.closed);
            break;
        }
        if (result == 0) line.sent[actor->number][actor->count++] = true;
        if (result < 0 || chance(2)) {
            actor_pauses(actor, cx);
            RN_AWAIT(&actor->co, &actor->pause.future, cx);
        }
    }
    count_up(&line.senders_ended);
    RN_END(&actor->co);
}

static enum rn_poll receive_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    int result;
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    do {
        if (chance(4)) {
            result = rn_channel_try_recv(&line.channel, &actor->element);
        } else {
            rn_channel_recv(&actor->channel_wait, &line.channel, &actor->element);
            attempt_begin(&actor->attempt, cx, &actor->channel_wait.future);
            RN_AWAIT(&actor->co, actor->attempt.future, cx);
            result = actor->channel_wait.result;
            attempt_check(&actor->attempt, cx, result, true);
        }
        if (result == 0) on_element(&actor->element, actor->last);
        if (result == RN_E_CLOSED) break;
        if (result < 0 || chance(2)) {
            actor_pauses(actor, cx);
            RN_AWAIT(&actor->co, &actor->pause.future, cx);
        }
    } while (!cx->cancelled);
    if (!cx->cancelled) check(line.closed);
    RN_END(&actor->co);
}

static void start_channel(void)
{
    memset(&line, 0, sizeof line);
    line.capacity = pick(CAPACITY_MAX + 1);
    line.senders = 1 + pick(SENDERS_MAX);
    rn_channel_init(&line.channel, line.memory, sizeof *line.memory, line.capacity);
    for (unsigned i = 0; i < line.senders; i++)
        actor_new(i, 1 + pick(NUMBERS_MAX), send_poll);
    for (unsigned i = 0, count = 1 + pick(RECEIVERS_MAX); i < count; i++)
        actor_new(i, 0, receive_poll)->indispensable = i == 0;
}

/* An ordinary thread sends and receives too, and closes it when all have sent, or before. */
static void control_channel(void)
{
    struct rn_channel_wait wait;
    struct element element;
    unsigned numbers = pick(NUMBERS_MAX), at = 0;
    bool early = chance(3);
    while (at < numbers) {
        make_element(&element, SENDERS_MAX, at);
        int result = rn_channel_try_send(&line.channel, &element);
        check(result == 0 || result == -RN_K_EAGAIN);
        if (result < 0 && chance(2)) {
            rn_channel_send(&wait, &line.channel, &element);
            block_on(&wait.future);
            check(wait.result == 0);
            result = 0;
        }
        if (result == 0) line.sent[SENDERS_MAX][at++] = true;
        else rest(RN_MICROSECOND << pick(10));
        check(rn_channel_count(&line.channel) <= line.capacity);
        if (chance(3) && rn_channel_try_recv(&line.channel, &element) == 0)
            on_element(&element, line.last);
    }
    if (!early) await_count(&line.senders_ended, line.senders);
    line.closed = true;
    rn_channel_close(&line.channel);
    if (chance(3)) rn_channel_close(&line.channel);
    check(rn_channel_try_send(&line.channel, &element) == RN_E_CLOSED);
    while (rn_channel_try_recv(&line.channel, &element) == 0) on_element(&element, line.last);
}

static void check_channel(void)
{
    struct element element;
    check(rn_channel_count(&line.channel) == 0);
    check(rn_channel_try_recv(&line.channel, &element) == RN_E_CLOSED);
    for (unsigned i = 0; i <= SENDERS_MAX; i++)
        for (unsigned k = 0; k < NUMBERS_MAX; k++)
            if (line.sent[i][k] != line.received[i][k])
                fail("an element was %s", line.sent[i][k] ? "lost" : "received and not sent");
}

const struct part part_channel = {start_channel, control_channel, check_channel};

/* ---- Interval -------------------------------------------------------------------------------- */

/* actor->due: when the next tick is due. actor->count: enum rn_missed. */
static void on_tick(struct actor *actor, const struct rn_cx *cx)
{
    const struct rn_interval *interval = &actor->interval;
    check(cx->now >= actor->due);
    uint64_t missed = (cx->now - actor->due) / interval->period;
    if (actor->count == RN_MISSED_BURST) missed = 0;
    check(interval->result == (int64_t)missed);
    if (actor->count == RN_MISSED_DELAY) actor->due = cx->now + interval->period;
    else actor->due += (missed + 1) * interval->period;
}

static enum rn_poll interval_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    actor->count = pick(3);
    actor->due = rn_after(cx, RN_MICROSECOND << pick(18));
    rn_interval(&actor->interval, cx, actor->due - cx->now, (enum rn_missed)actor->count);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        attempt_begin(&actor->attempt, cx, &actor->interval.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        attempt_check(&actor->attempt, cx, (int)actor->interval.result, false);
        if (actor->interval.result >= 0) on_tick(actor, cx);
        if (chance(4)) {
            actor_pauses(actor, cx);
            RN_AWAIT(&actor->co, &actor->pause.future, cx);
        }
    }
    RN_END(&actor->co);
}

static void start_interval(void)
{
    for (unsigned i = 1 + pick(4); i; i--) actor_new(i, 1 + pick(TICKS_MAX), interval_poll);
}

const struct part part_interval = {start_interval, NULL, NULL};

/* ---- Scope ----------------------------------------------------------------------------------- */

struct child {
    struct rn_child child;
    rn_co co;
    struct rn_sleep sleep;
    struct rn_wait wait;
    struct rn_event *never;
    uint32_t ended;
    int fails; /* its result, if it isn't cancelled before */
};

static struct {
    struct rn_scope scope;
    struct child children[CHILDREN_MAX];
    struct rn_event never;
    uint32_t spawned, alive;
} family;

static enum rn_poll child_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct child *child = rn_container_of(task, struct child, child.task);
    RN_BEGIN(&child->co);
    rn_sleep(&child->sleep, cx, RN_MICROSECOND << pick(16));
    RN_AWAIT(&child->co, &child->sleep, cx);
    task->result = child->sleep.result;
    if (child->never) {
        rn_event_wait(&child->wait, child->never);
        RN_AWAIT(&child->co, &child->wait.future, cx);
        task->result = child->wait.result;
    }
    if (task->result == 0) task->result = child->fails;
    RN_END(&child->co);
}

static void on_child_ended(struct rn_child *base)
{
    struct child *child = rn_container_of(base, struct child, child);
    child->ended++;
    family.alive--;
}

static void spawn_child(struct child *child)
{
    unsigned workers = rn_runtime_workers(sync_runtime);
    bool ends_all = family.scope.ends_on_error && !family.spawned;
    *child = (struct child){.fails = ends_all || chance(8) ? -RN_K_EIO : 0};
    child->child.task.poll = child_poll;
    child->child.ended = on_child_ended;
    if (family.scope.ends_on_error && !ends_all && chance(3)) child->never = &family.never;
    int result = rn_scope_spawn(&family.scope, rn_runtime_worker(sync_runtime, pick(workers)),
                                &child->child);
    if (result == -RN_K_ECANCELED) check(family.scope.cancelled);
    else check(result == 0);
    if (result < 0) return;
    family.spawned++;
    family.alive++;
}

static void check_family(bool cancelled)
{
    bool failed = false;
    check(family.scope.count == 0 && family.alive == 0);
    for (uint32_t i = 0; i < family.spawned; i++) {
        int64_t result = family.children[i].child.task.result;
        check(family.children[i].ended == 1);
        if (result == -RN_K_ECANCELED) check(cancelled || family.scope.ends_on_error);
        failed |= result < 0;
    }
    check((family.scope.result < 0) == failed);
}

static enum rn_poll scope_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct actor *actor = rn_container_of(task, struct actor, task);
    RN_BEGIN(&actor->co);
    actor_begins(actor, cx);
    for (; actor->rounds && !cx->cancelled; actor->rounds--) {
        rn_scope_open(&family.scope, cx->worker);
        family.scope.ends_on_error = chance(2);
        family.spawned = family.alive = actor->count = 0;
        do {
            spawn_child(&family.children[family.spawned]);
            if (chance(3)) {
                actor_pauses(actor, cx);
                RN_AWAIT(&actor->co, &actor->pause.future, cx);
            }
        } while (family.spawned < CHILDREN_MAX && !family.scope.cancelled && !chance(6));
        if (chance(3)) {
            rn_scope_cancel(&family.scope);
            actor->count = 1;
        }
        attempt_begin(&actor->attempt, cx, &family.scope.future);
        RN_AWAIT(&actor->co, actor->attempt.future, cx);
        check_family(actor->count || cx->cancelled || actor->attempt.manner != ALONE);
    }
    RN_END(&actor->co);
}

static void start_scope(void)
{
    memset(&family, 0, sizeof family);
    actor_new(0, 1 + pick(LAPS_MAX), scope_poll);
}

const struct part part_scope = {start_scope, NULL, NULL};
