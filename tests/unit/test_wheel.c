/*
 * The timer wheel against a model: a plain table that says for each timer when it is due.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/wheel.h"

#define TICK ((rn_ns)1 << RN_WHEEL_TICK_SHIFT)

static uint64_t seed;

static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static uint64_t random_below(uint64_t limit)
{
    return random_next() % limit;
}

/* A span of time of any magnitude: from nothing to several years. */
static rn_ns random_span(void)
{
    unsigned bits = (unsigned)random_below(58);
    return random_next() & (((rn_ns)1 << bits) - 1);
}

/* ---- The model --------------------------------------------------------------------------- */

struct model;

struct entry {
    struct rn_timer timer;
    struct model *model;
    uint64_t earliest; /* no expiry up to this tick would fire it, however old its deadline */
    bool running;
    unsigned fired;
};

struct model {
    struct rn_wheel wheel;
    rn_ns now;
    struct entry *entries;
    unsigned count;
    unsigned running;
    bool in_expire;
    bool meddle; /* callbacks do things to other timers */
};

static uint64_t due_tick(const struct entry *entry)
{
    uint64_t tick = (entry->timer.deadline - 1) / TICK + 1;
    if (entry->timer.deadline == 0) tick = 0;
    return tick > entry->earliest ? tick : entry->earliest;
}

static void model_add(struct model *model, struct entry *entry, rn_ns deadline)
{
    if (entry->running) model->running--;
    entry->running = deadline != RN_NEVER;
    if (entry->running) model->running++;
    rn_wheel_add(&model->wheel, &entry->timer, deadline);
    entry->earliest = model->wheel.tick + 1;
    assert_int_equal(rn_timer_running(&entry->timer), entry->running);
}

static void model_remove(struct model *model, struct entry *entry)
{
    if (entry->running) model->running--;
    entry->running = false;
    rn_wheel_remove(&model->wheel, &entry->timer);
    assert_false(rn_timer_running(&entry->timer));
}

static void model_act(struct model *model)
{
    struct entry *entry = &model->entries[random_below(model->count)];
    switch (random_below(8)) {
    case 0:
    case 1:
    case 2: model_add(model, entry, model->now + random_span()); break;
    case 3: model_add(model, entry, model->now - random_below(model->now)); break;
    case 4: model_add(model, entry, random_below(8) ? model->now : RN_NEVER); break;
    case 5: model_remove(model, entry); break;
    default:
        if (!entry->running) break;
        /* Later, as far as RN_NEVER: allowed without telling the wheel. */
        if (__builtin_add_overflow(entry->timer.deadline, random_span(), &entry->timer.deadline))
            entry->timer.deadline = RN_NEVER;
    }
}

static void on_expire(struct rn_timer *timer, rn_ns now)
{
    struct entry *entry = rn_container_of(timer, struct entry, timer);
    struct model *model = entry->model;
    assert_true(model->in_expire);
    assert_true(entry->running); /* once for each start */
    assert_false(rn_timer_running(timer));
    assert_true(timer->deadline <= now);
    assert_int_equal(now, model->now);
    entry->running = false;
    entry->fired++;
    model->running--;
    for (uint64_t i = model->meddle ? random_below(4) : 0; i > 0; i--) model_act(model);
}

static void model_expire(struct model *model, rn_ns now)
{
    model->now = now;
    model->in_expire = true;
    rn_wheel_expire(&model->wheel, now);
    model->in_expire = false;
    assert_int_equal(model->wheel.running, model->running);
    for (unsigned i = 0; i < model->count; i++)
        if (model->entries[i].running) assert_true(due_tick(&model->entries[i]) > now / TICK);
}

/* Not after the first deadline, and with something to do. */
static void model_check_next(struct model *model)
{
    rn_ns next = rn_wheel_next(&model->wheel), first = RN_NEVER;
    for (unsigned i = 0; i < model->count; i++) {
        struct entry *entry = &model->entries[i];
        if (entry->running && due_tick(entry) <= first / TICK) first = due_tick(entry) * TICK;
    }
    if (model->running == 0) assert_int_equal(next, RN_NEVER);
    else assert_true(next <= first && (next / TICK > model->wheel.tick || next == RN_NEVER));
}

static void model_init(struct model *model, unsigned count, rn_ns now, bool meddle)
{
    *model = (struct model){.now = now, .count = count, .meddle = meddle};
    model->entries = calloc(count, sizeof *model->entries);
    for (unsigned i = 0; i < count; i++)
        model->entries[i] = (struct entry){.timer.expire = on_expire, .model = model};
    rn_wheel_init(&model->wheel, now);
}

static void run_model(rn_ns now, bool meddle, int steps)
{
    struct model model;
    model_init(&model, 24, now, meddle);
    for (int step = 0; step < steps; step++) {
        uint64_t what = random_below(8);
        if (what < 5) model_act(&model);
        else if (what == 5) model_expire(&model, model.now + random_below(4 * TICK));
        else if (what == 6) model_expire(&model, model.now + random_span() / 16);
        else if (rn_wheel_next(&model.wheel) != RN_NEVER)
            model_expire(&model, rn_wheel_next(&model.wheel) + random_below(2));
        model_check_next(&model);
    }
    free(model.entries);
}

static void random_actions_agree_with_the_model(void **state)
{
    (void)state;
    seed = 0x9e3779b97f4a7c15;
    for (int run = 0; run < 300; run++) {
        run_model(1 + random_span(), false, 400);
        run_model(1 + random_span(), true, 400);
    }
}

/* The machine has been up for two years and a bit, or for any other power of 64 ticks. */
static void a_wheel_works_across_every_carry(void **state)
{
    (void)state;
    seed = 0x2545f4914f6cdd1d;
    for (unsigned bit = RN_WHEEL_TICK_SHIFT; bit < 62; bit++)
        for (unsigned before = 1; before <= 3; before++)
            run_model(((rn_ns)1 << bit) - before * TICK / 2, before & 1, 200);
}

/* ---- By itself --------------------------------------------------------------------------- */

/* Every deadline to the tick, sleeping as a worker does: until rn_wheel_next says. */
static void each_timer_fires_at_its_tick(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    seed = 77777;
    struct model model;
    model_init(&model, COUNT, 5 * RN_SECOND + 123, false);
    for (unsigned i = 0; i < COUNT; i++)
        model_add(&model, &model.entries[i], model.now + 1 + random_span());
    unsigned turns = 0;
    while (model.running) {
        rn_ns next = rn_wheel_next(&model.wheel);
        assert_true(next > model.now);
        unsigned before = model.running;
        model_expire(&model, next);
        turns++;
        for (unsigned i = 0; i < COUNT && before > model.running; i++) {
            struct entry *entry = &model.entries[i];
            if (entry->fired == 1) {
                assert_int_equal(due_tick(entry) * TICK, next);
                entry->fired = 2;
            }
        }
    }
    for (unsigned i = 0; i < COUNT; i++) assert_int_equal(model.entries[i].fired, 2);
    /* Once for itself, and once for each level it came down from. */
    assert_true(turns <= COUNT * RN_WHEEL_LEVELS);
    free(model.entries);
}

static void a_million_timers(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    seed = 4242;
    struct model model;
    model_init(&model, COUNT, RN_SECOND, false);
    for (unsigned i = 0; i < COUNT; i++)
        model_add(&model, &model.entries[i], model.now + random_below(3600 * RN_SECOND));
    for (unsigned i = 0; i < COUNT; i += 2) model_remove(&model, &model.entries[i]);
    for (unsigned i = 0; i < COUNT; i += 10)
        model_add(&model, &model.entries[i], model.now + random_below(3600 * RN_SECOND));
    assert_int_equal(model.wheel.running, COUNT / 2 + COUNT / 10);
    for (int hour = 1; hour <= 4; hour++) model_expire(&model, hour * 1000 * RN_SECOND);
    assert_int_equal(model.running, 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(model.entries[i].fired, i % 2 == 1 || i % 10 == 0);
    assert_int_equal(rn_wheel_next(&model.wheel), RN_NEVER);
    free(model.entries);
}

static void far_deadlines_wait_their_time(void **state)
{
    (void)state;
    static const rn_ns far[] = {(rn_ns)1 << 55, (rn_ns)1 << 56, ((rn_ns)1 << 56) + 1,
                                (rn_ns)1 << 60, (rn_ns)1 << 63, RN_NEVER - 1};
    for (size_t i = 0; i < RN_COUNT(far); i++) {
        struct model model;
        model_init(&model, 1, 3 * RN_SECOND, false);
        model_add(&model, &model.entries[0], far[i]);
        rn_ns due = due_tick(&model.entries[0]);
        for (rn_ns now = model.now; now < far[i] / 2; now *= 2) model_expire(&model, now);
        model_expire(&model, far[i] - 1);
        assert_int_equal(model.entries[0].fired, 0);
        if (due <= RN_NEVER / TICK) {
            assert_true(rn_wheel_next(&model.wheel) <= due * TICK);
            model_expire(&model, due * TICK);
            assert_int_equal(model.entries[0].fired, 1);
        } else {
            assert_int_equal(rn_wheel_next(&model.wheel), RN_NEVER);
        }
        free(model.entries);
    }
}

struct ticker {
    struct rn_timer timer;
    struct rn_wheel *wheel;
    rn_ns past;
    unsigned fired;
};

static void tick_again(struct rn_timer *timer, rn_ns now)
{
    struct ticker *ticker = rn_container_of(timer, struct ticker, timer);
    if (++ticker->fired > 100) fail_msg("it never gets out of rn_wheel_expire");
    rn_wheel_add(ticker->wheel, timer, now - ticker->past);
}

/* Whoever asks again and again for a time that has passed gets a tick of it at most: the worker has
 * other things to do, such as what the timer waits for. */
static void an_expiry_ends(void **state)
{
    (void)state;
    static const rn_ns pasts[] = {0, 1, TICK, 100 * TICK};
    static const rn_ns starts[] = {1000 * TICK, 1000 * TICK + 1, 64 * 64 * TICK,
                                   ((rn_ns)1 << 56) - TICK, ((rn_ns)1 << 62) - TICK};
    for (size_t i = 0; i < RN_COUNT(pasts); i++) {
        for (size_t k = 0; k < RN_COUNT(starts); k++) {
            struct rn_wheel wheel;
            struct ticker ticker = {.timer.expire = tick_again, .wheel = &wheel, .past = pasts[i]};
            rn_wheel_init(&wheel, starts[k]);
            rn_wheel_add(&wheel, &ticker.timer, starts[k] - pasts[i]);
            for (unsigned turn = 1; turn <= 5; turn++) {
                rn_wheel_expire(&wheel, starts[k] + turn * TICK);
                assert_int_equal(ticker.fired, turn);
                rn_wheel_expire(&wheel, starts[k] + turn * TICK);
                assert_int_equal(ticker.fired, turn);
            }
        }
    }
}

struct pair {
    struct rn_timer timer;
    struct rn_wheel *wheel;
    struct pair *other;
    unsigned fired;
};

static void remove_other(struct rn_timer *timer, rn_ns now)
{
    struct pair *pair = rn_container_of(timer, struct pair, timer);
    pair->fired++;
    rn_wheel_remove(pair->wheel, &pair->other->timer);
    assert_false(rn_timer_running(&pair->other->timer));
}

/* Both are due: one takes the other off, so exactly one fires. */
static void a_callback_may_stop_what_is_due_too(void **state)
{
    (void)state;
    for (rn_ns apart = 0; apart < 200 * TICK; apart += 20 * TICK) {
        struct rn_wheel wheel;
        rn_wheel_init(&wheel, 0);
        struct pair a = {.timer.expire = remove_other, .wheel = &wheel};
        struct pair b = {.timer.expire = remove_other, .wheel = &wheel, .other = &a};
        a.other = &b;
        rn_wheel_add(&wheel, &a.timer, 100 * TICK);
        rn_wheel_add(&wheel, &b.timer, 100 * TICK + apart);
        rn_wheel_expire(&wheel, 1000 * TICK);
        assert_int_equal(a.fired + b.fired, 1);
        assert_int_equal(wheel.running, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_actions_agree_with_the_model),
        cmocka_unit_test(a_wheel_works_across_every_carry),
        cmocka_unit_test(each_timer_fires_at_its_tick),
        cmocka_unit_test(a_million_timers),
        cmocka_unit_test(far_deadlines_wait_their_time),
        cmocka_unit_test(an_expiry_ends),
        cmocka_unit_test(a_callback_may_stop_what_is_due_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
