/*
 * Scopes: children on this worker and on others, that end by themselves, fail, or are cancelled at
 * each moment of their way.
 */
#include "await_bed.h"

enum { CHILDREN = 4 };

static struct rn_event gate;

struct waiting_child {
    struct rn_child child;
    rn_co co;
    struct rn_wait wait;
    int64_t result; /* what it is to end with, if it isn't cancelled */
    bool immediately;
    unsigned started, task_done, ended;
};

static enum rn_poll child_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct waiting_child *self = rn_container_of(task, struct waiting_child, child.task);
    RN_BEGIN(&self->co);
    self->started++;
    if (!self->immediately) {
        rn_event_wait(&self->wait, &gate);
        RN_AWAIT(&self->co, &self->wait.future, cx);
    }
    task->result = self->wait.result < 0 ? self->wait.result : self->result;
    RN_END(&self->co);
}

static void child_task_done(struct rn_task *task)
{
    rn_container_of(task, struct waiting_child, child.task)->task_done++;
}

static void child_ended(struct rn_child *child)
{
    struct waiting_child *self = rn_container_of(child, struct waiting_child, child);
    assert_ptr_equal(rn_worker_current(), hand_worker(0)); /* the scope's, wherever it ran */
    assert_int_equal(self->task_done, 1);
    self->ended++;
}

struct family {
    struct rn_task task;
    rn_co co;
    struct rn_scope scope;
    struct waiting_child children[CHILDREN];
    unsigned workers; /* over which the children are spread */
    bool ends_on_error;
    bool over;
    rn_waker waker;
};

static enum rn_poll family_poll(struct rn_task *task, struct rn_cx *cx)
{
    struct family *family = rn_container_of(task, struct family, task);
    RN_BEGIN(&family->co);
    family->waker = cx->waker;
    rn_scope_open(&family->scope, cx->worker);
    family->scope.ends_on_error = family->ends_on_error;
    for (unsigned i = 0; i < CHILDREN; i++) {
        struct rn_child *child = &family->children[i].child;
        child->task.poll = child_poll;
        child->task.done = child_task_done;
        child->ended = child_ended;
        assert_int_equal(rn_scope_spawn(&family->scope, hand_worker(i % family->workers), child),
                         0);
    }
    RN_AWAIT(&family->co, &family->scope.future, cx);
    family->over = true;
    RN_END(&family->co);
}

static void spawn_family(struct family *family, unsigned workers)
{
    gate = (struct rn_event){0};
    family->task.poll = family_poll;
    family->workers = workers;
    rn_worker_enter(hand_worker(0));
    assert_int_equal(rn_spawn(hand_worker(0), &family->task), 0);
}

/* All of it is over, and each child was told of once. */
static void end_family(const struct family *family)
{
    assert_true(family->over);
    for (unsigned i = 0; i < CHILDREN; i++) {
        assert_int_equal(family->children[i].task_done, 1);
        assert_int_equal(family->children[i].ended, 1);
    }
    hand_close();
}

static void open_the_gate(void)
{
    rn_event_set(&gate);
    hand_settle();
}

static void a_scope_waits_for_its_children(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        hand_open((struct rn_runtime_options){.workers = 3});
        struct family family = {.over = false};
        spawn_family(&family, workers);
        hand_settle();
        assert_int_equal(family.scope.count, CHILDREN);
        assert_false(family.over);
        open_the_gate();
        assert_int_equal(family.scope.result, 0);
        end_family(&family);
    }
}

static void a_cancelled_parent_cancels_its_children(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        hand_open((struct rn_runtime_options){.workers = 3});
        struct family family = {.over = false};
        spawn_family(&family, workers);
        hand_settle();
        rn_task_cancel(family.waker);
        hand_settle();
        assert_int_equal(family.scope.result, -RN_K_ECANCELED);
        for (unsigned i = 0; i < CHILDREN; i++)
            assert_int_equal(family.children[i].child.task.result, -RN_K_ECANCELED);
        end_family(&family);
    }
}

/* The other worker hasn't even seen the child when it is cancelled. */
static void a_child_on_its_way_is_cancelled_when_it_arrives(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct family family = {.over = false};
    spawn_family(&family, 2);
    hand_turn(0);
    rn_task_cancel(family.waker);
    hand_turn(0);
    assert_int_equal(family.children[1].started, 0);
    hand_settle();
    assert_int_equal(family.children[1].started, 1); /* it runs, to end by itself */
    assert_int_equal(family.children[1].child.task.result, -RN_K_ECANCELED);
    end_family(&family);
}

/* It has ended there, but that isn't known here yet: cancelling it is a stale wake. */
static void a_child_that_has_ended_meanwhile_is_not_cancelled(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct family family = {.over = false};
    family.children[1].immediately = true;
    spawn_family(&family, 2);
    hand_turn(0);
    hand_turn(1);
    assert_int_equal(family.children[1].task_done, 1);
    assert_int_equal(family.children[1].ended, 0);
    rn_worker_enter(hand_worker(0));
    rn_scope_cancel(&family.scope);
    hand_settle();
    assert_int_equal(family.children[1].child.task.result, 0);
    end_family(&family);
}

static void the_first_error_is_the_scope_s(void **state)
{
    (void)state;
    for (unsigned ends = 0; ends <= 1; ends++) {
        hand_open((struct rn_runtime_options){.workers = 2});
        struct family family = {.ends_on_error = ends};
        family.children[2].immediately = family.children[3].immediately = true;
        family.children[2].result = -5;
        family.children[3].result = 7;
        spawn_family(&family, 2);
        hand_settle();
        assert_int_equal(family.over, ends);
        open_the_gate();
        assert_int_equal(family.scope.result, -5);
        assert_int_equal(family.children[0].child.task.result, ends ? -RN_K_ECANCELED : 0);
        end_family(&family);
    }
}

static void a_cancelled_scope_starts_no_more(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){0});
    struct rn_scope scope;
    struct waiting_child child = {.child.task.poll = child_poll};
    rn_scope_open(&scope, hand_worker(0));
    rn_scope_cancel(&scope);
    assert_int_equal(rn_scope_spawn(&scope, hand_worker(0), &child.child), -RN_K_ECANCELED);
    assert_int_equal(scope.count, 0);
    hand_close();
}

/* Here at once, from another worker as the child's result. */
static void a_worker_without_a_slot_refuses(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2, .tasks = 1});
    struct waiting_child full[2] = {{.child.task.poll = child_poll, .child.ended = NULL},
                                    {.child.task.poll = child_poll, .child.ended = NULL}};
    struct waiting_child children[2] = {
        {.child = {.task = {.poll = child_poll, .done = child_task_done}, .ended = child_ended}},
        {.child = {.task = {.poll = child_poll, .done = child_task_done}, .ended = child_ended}}};
    struct rn_scope scope;
    gate = (struct rn_event){0};
    rn_scope_open(&scope, hand_worker(0));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rn_scope_spawn(&scope, hand_worker(i), &full[i].child), 0);
    hand_settle();
    assert_int_equal(rn_scope_spawn(&scope, hand_worker(0), &children[0].child), -RN_K_ENOBUFS);
    assert_int_equal(rn_scope_spawn(&scope, hand_worker(1), &children[1].child), 0);
    assert_int_equal(scope.count, 3);
    hand_settle();
    assert_int_equal(scope.count, 2);
    assert_int_equal(scope.result, -RN_K_ENOBUFS);
    assert_int_equal(children[0].task_done + children[0].ended, 0);
    assert_ptr_equal(children[0].child.task.done, child_task_done);
    assert_int_equal(children[1].task_done + children[1].ended, 2);
    rn_event_set(&gate);
    hand_close();
}

/* ---- Children that free themselves, and start others -------------------------------------- */

struct heap_child {
    struct waiting_child waiting;
    unsigned generation;
};

static unsigned freed;

static void free_and_start_another(struct rn_child *child)
{
    struct heap_child *self = rn_container_of(child, struct heap_child, waiting.child);
    struct rn_scope *scope = child->scope;
    unsigned generation = self->generation + 1;
    free(self);
    freed++;
    if (generation == 10) return;
    self = calloc(1, sizeof *self);
    self->generation = generation;
    self->waiting.immediately = true;
    self->waiting.child.task.poll = child_poll;
    self->waiting.child.ended = free_and_start_another;
    if (rn_scope_spawn(scope, hand_worker(generation & 1), &self->waiting.child) < 0) free(self);
}

static void a_child_may_be_freed_when_it_has_ended(void **state)
{
    (void)state;
    hand_open((struct rn_runtime_options){.workers = 2});
    struct rn_scope scope;
    struct awaiting parent;
    struct heap_child *first = calloc(1, sizeof *first);
    first->waiting.immediately = true;
    first->waiting.child.task.poll = child_poll;
    first->waiting.child.ended = free_and_start_another;
    freed = 0;
    rn_scope_open(&scope, hand_worker(0));
    assert_int_equal(rn_scope_spawn(&scope, hand_worker(1), &first->waiting.child), 0);
    await_on(0, &parent, &scope.future);
    assert_true(parent.over);
    assert_int_equal(freed, 10);
    hand_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_waits_for_its_children),
        cmocka_unit_test(a_cancelled_parent_cancels_its_children),
        cmocka_unit_test(a_child_on_its_way_is_cancelled_when_it_arrives),
        cmocka_unit_test(a_child_that_has_ended_meanwhile_is_not_cancelled),
        cmocka_unit_test(the_first_error_is_the_scope_s),
        cmocka_unit_test(a_cancelled_scope_starts_no_more),
        cmocka_unit_test(a_worker_without_a_slot_refuses),
        cmocka_unit_test(a_child_may_be_freed_when_it_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
