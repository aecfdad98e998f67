/*
 * Small programs whose outcomes are known (C11, section 5.1.2.4; the names are those of the
 * literature): the checker must see what the memory model allows, and nothing that it forbids.
 */
#include "models.h"

static uint32_t x, y, seen[4];
static uint32_t plain;

static void setup(void) { x = y = plain = seen[0] = seen[1] = seen[2] = seen[3] = 0; }

#define LOAD(at, order) __atomic_load_n(at, __ATOMIC_##order)
#define STORE(at, value, order) __atomic_store_n(at, value, __ATOMIC_##order)

/* Each stores to one and loads the other: without full fences both loads may be too early. */
static void sb_left(void)
{
    STORE(&x, 1, RELEASE);
    seen[0] = LOAD(&y, ACQUIRE);
}

static void sb_right(void)
{
    STORE(&y, 1, RELEASE);
    seen[1] = LOAD(&x, ACQUIRE);
}

static void sb_left_fenced(void)
{
    STORE(&x, 1, RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    seen[0] = LOAD(&y, RELAXED);
}

static void sb_right_fenced(void)
{
    STORE(&y, 1, RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    seen[1] = LOAD(&x, RELAXED);
}

static void sb_left_seq_cst(void)
{
    STORE(&x, 1, SEQ_CST);
    seen[0] = LOAD(&y, SEQ_CST);
}

static void sb_right_seq_cst(void)
{
    STORE(&y, 1, SEQ_CST);
    seen[1] = LOAD(&x, SEQ_CST);
}

static void not_both_zero(void) { model_assert(seen[0] || seen[1]); }

const struct model store_buffering = {"store buffering", setup, {sb_left, sb_right},
                                      not_both_zero, .must_fail = true};
const struct model store_buffering_fenced = {"store buffering, fenced", setup,
                                             {sb_left_fenced, sb_right_fenced}, not_both_zero};
const struct model store_buffering_seq_cst = {"store buffering, seq_cst", setup,
                                              {sb_left_seq_cst, sb_right_seq_cst}, not_both_zero};

/* A message and a flag. */
static void mp_write_relaxed(void)
{
    STORE(&x, 1, RELAXED);
    STORE(&y, 1, RELAXED);
}

static void mp_write_released(void)
{
    STORE(&x, 1, RELAXED);
    STORE(&y, 1, RELEASE);
}

static void mp_write_fenced(void)
{
    STORE(&x, 1, RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    STORE(&y, 1, RELAXED);
}

static void mp_read(void)
{
    seen[0] = LOAD(&y, ACQUIRE);
    seen[1] = LOAD(&x, RELAXED);
}

static void mp_read_fenced(void)
{
    seen[0] = LOAD(&y, RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    seen[1] = LOAD(&x, RELAXED);
}

static void flag_means_message(void) { model_assert(!seen[0] || seen[1]); }

const struct model message_relaxed = {"message passing, relaxed", setup,
                                      {mp_write_relaxed, mp_read}, flag_means_message,
                                      .must_fail = true};
const struct model message_released = {"message passing, released", setup,
                                       {mp_write_released, mp_read}, flag_means_message};
const struct model message_fenced = {"message passing, fenced", setup,
                                     {mp_write_fenced, mp_read_fenced}, flag_means_message};

static void plain_write(void)
{
    plain = 1;
    STORE(&y, 1, RELAXED);
}

static void plain_read(void)
{
    if (LOAD(&y, ACQUIRE)) seen[0] = plain;
}

const struct model message_plain_race = {"message passing, plain", setup, {plain_write, plain_read},
                                         .must_fail = true};

/* Two loads of one location never go back. */
static void coherence_write(void)
{
    STORE(&x, 1, RELAXED);
    STORE(&x, 2, RELAXED);
}

static void coherence_read(void)
{
    seen[0] = LOAD(&x, RELAXED);
    seen[1] = LOAD(&x, RELAXED);
}

static void never_back(void) { model_assert(seen[0] <= seen[1]); }

const struct model coherence = {"coherence", setup, {coherence_write, coherence_read}, never_back};

/* Two readers may disagree about the order of independent writes. */
static void write_x(void) { STORE(&x, 1, RELEASE); }
static void write_y(void) { STORE(&y, 1, RELEASE); }

static void read_xy(void)
{
    seen[0] = LOAD(&x, ACQUIRE);
    seen[1] = LOAD(&y, ACQUIRE);
}

static void read_yx(void)
{
    seen[2] = LOAD(&y, ACQUIRE);
    seen[3] = LOAD(&x, ACQUIRE);
}

static void agree(void) { model_assert(!(seen[0] && !seen[1] && seen[2] && !seen[3])); }

const struct model independent_reads = {"independent reads", setup,
                                        {write_x, write_y, read_xy, read_yx}, agree,
                                        .must_fail = true};

static void add_in_two_steps(void)
{
    uint32_t value = LOAD(&x, SEQ_CST);
    STORE(&x, value + 1, SEQ_CST);
}

static void is_two(void) { model_assert(x == 2); }

const struct model lost_update = {"lost update", setup, {add_in_two_steps, add_in_two_steps},
                                  is_two, .must_fail = true};

static void wait_for_signal(void) { model_wait(&y); }

static void signal_or_not(void)
{
    if (!LOAD(&x, RELAXED)) model_signal(&y);
}

const struct model waits_for_ever = {"waits for ever", setup,
                                     {wait_for_signal, signal_or_not, write_x}, .must_fail = true};
