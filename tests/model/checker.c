/*
 * The checker (checker.h): exploration, and the memory model under it. How the accesses get here is
 * in runtime.c.
 *
 * Exploration is depth-first without states: each execution starts anew and repeats the choices of
 * the one before up to the last that had an alternative. Sleep sets leave out executions that
 * differ only in the order of accesses that don't depend on each other.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "machine.h"

enum { STACK_SIZE = 128 * 1024, CHOICES_MAX = 4096, EXECUTIONS_MAX = 4000000, EVENTS_MAX = 4096 };

enum ending { RUNNING, PASSED, FAILED, PRUNED };

struct choice {
    bool of_thread;   /* otherwise of the value that a load sees */
    uint8_t chosen;
    uint8_t count;    /* of values */
    uint8_t enabled;  /* threads, as bits */
    uint8_t sleeping; /* threads whose next access was explored here before, in another order */
    uint8_t tried;
};

struct thread {
    ucontext_t start;
    jmp_buf context; /* once it has started; without the signal mask, which costs a system call */
    bool started;
    struct model_access next; /* what it is about to do */
    bool ended;
};

static struct {
    const struct model *model;
    struct choice choices[CHOICES_MAX];
    unsigned depth, known; /* choices made in this execution; and taken over from the last one */
    struct thread threads[MODEL_THREADS];
    unsigned thread_count;
    int running; /* -1: none */
    jmp_buf explorer;
    enum ending ending;
    unsigned preemptions, old_values; /* in this execution */
    uint64_t executions, pruned, accesses;
    char events[EVENTS_MAX][96];
    unsigned event_count;
    bool quiet;
} checker = {.running = -1};

static uint8_t stacks[MODEL_THREADS][STACK_SIZE] __attribute__((aligned(64)));

void (*model_on_switch)(unsigned thread);

int model_running(void) { return checker.running; }
unsigned model_self(void) { return (unsigned)checker.running; }

bool model_on_stack(const void *address)
{
    const uint8_t *at = address;
    return at >= stacks[0] && at < stacks[MODEL_THREADS - 1] + STACK_SIZE;
}

/* ---- Failing --------------------------------------------------------------------------------- */

void model_event(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(checker.events[checker.event_count++ % EVENTS_MAX], sizeof checker.events[0], format,
              arguments);
    va_end(arguments);
}

void model_fail(const char *format, ...)
{
    va_list arguments;
    if (checker.ending == RUNNING && !checker.quiet) {
        va_start(arguments, format);
        printf("  %s, execution %lu: ", checker.model->name, (unsigned long)checker.executions);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
        unsigned first = checker.event_count > 60 ? checker.event_count - 60 : 0;
        for (unsigned i = first; i < checker.event_count; i++)
            printf("    %s\n", checker.events[i % EVENTS_MAX]);
    }
    checker.ending = FAILED;
    if (checker.running < 0) return;
    checker.running = -1;
    longjmp(checker.explorer, 1);
}

void model_require(bool condition, const char *text, const char *file, int line)
{
    if (!condition) model_fail("%s:%d: not so: %s", file, line, text);
}

/* An assertion of the code under test. */
static void on_trap(int number)
{
    model_fail("the code under test stopped itself, signal %d", number);
    _exit(3);
}

/* ---- Choices --------------------------------------------------------------------------------- */

static struct choice *next_choice(bool *is_new)
{
    *is_new = checker.depth == checker.known;
    if (*is_new) checker.choices[checker.known++] = (struct choice){0};
    return &checker.choices[checker.depth++];
}

unsigned model_choose(unsigned count)
{
    bool is_new;
    if (count == 1) return 0;
    struct choice *choice = next_choice(&is_new);
    if (is_new) choice->count = (uint8_t)count;
    if (choice->of_thread || choice->count != count) model_fail("an execution can't be repeated");
    return choice->chosen;
}

/* The lowest of the threads that are left to try, but rather the one that runs. */
static int pick(const struct choice *choice, int rather)
{
    unsigned left = choice->enabled & ~(unsigned)(choice->sleeping | choice->tried);
    if (!left) return -1;
    return rather >= 0 && left >> rather & 1 ? rather : __builtin_ctz(left);
}

/* The next execution's choices: false when all were made. */
static bool backtrack(void)
{
    while (checker.known) {
        struct choice *choice = &checker.choices[checker.known - 1];
        if (!choice->of_thread) {
            if (++choice->chosen < choice->count) return true;
        } else {
            choice->tried |= (uint8_t)(1u << choice->chosen);
            int next = pick(choice, -1);
            if (next >= 0) {
                choice->chosen = (uint8_t)next;
                return true;
            }
        }
        checker.known--;
    }
    return false;
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void to_thread(unsigned thread)
{
    checker.running = -1;
    if (model_on_switch) model_on_switch(thread);
    if (!setjmp(checker.explorer)) {
        checker.running = (int)thread;
        if (checker.threads[thread].started) longjmp(checker.threads[thread].context, 1);
        checker.threads[thread].started = true;
        setcontext(&checker.threads[thread].start);
    }
    checker.running = -1;
}

void model_announce(struct model_access access)
{
    struct thread *thread = &checker.threads[checker.running];
    thread->next = access;
    checker.accesses++;
    if (!setjmp(thread->context)) longjmp(checker.explorer, 1);
}

static void thread_main(void)
{
    unsigned self = model_self();
    checker.model->threads[self]();
    checker.threads[self].ended = true;
    longjmp(checker.explorer, 1);
}

static void start_threads(void)
{
    checker.thread_count = 0;
    while (checker.thread_count < MODEL_THREADS && checker.model->threads[checker.thread_count]) {
        struct thread *thread = &checker.threads[checker.thread_count];
        thread->ended = false;
        thread->started = false;
        getcontext(&thread->start);
        thread->start.uc_stack.ss_sp = stacks[checker.thread_count];
        thread->start.uc_stack.ss_size = STACK_SIZE;
        thread->start.uc_link = NULL;
        makecontext(&thread->start, thread_main, 0);
        checker.thread_count++;
    }
    /* Up to its first atomic access a thread can do nothing that another one sees. */
    for (unsigned i = 0; i < checker.thread_count && checker.ending == RUNNING; i++) to_thread(i);
}

static unsigned enabled_threads(void)
{
    unsigned enabled = 0;
    for (unsigned i = 0; i < checker.thread_count; i++) {
        const struct thread *thread = &checker.threads[i];
        if (!thread->ended && model_enabled(&thread->next)) enabled |= 1u << i;
    }
    return enabled;
}

static bool all_ended(void)
{
    for (unsigned i = 0; i < checker.thread_count; i++)
        if (!checker.threads[i].ended) return false;
    return true;
}

/* Of the sleeping threads those stay asleep whose access doesn't depend on what comes now. */
static unsigned still_sleeping(unsigned sleeping, unsigned chosen)
{
    for (unsigned i = 0; i < checker.thread_count; i++)
        if (model_dependent(&checker.threads[i].next, &checker.threads[chosen].next))
            sleeping &= ~(1u << i);
    return sleeping;
}

static bool below_bound(unsigned count)
{
    return !checker.model->bound || count < checker.model->bound;
}

bool model_may_be_old(void) { return below_bound(checker.old_values); }
void model_was_old(void) { checker.old_values++; }

static void schedule(void)
{
    unsigned sleeping = 0;
    int before = -1;
    while (checker.ending == RUNNING) {
        unsigned enabled = enabled_threads();
        bool is_new;
        if (checker.depth > CHOICES_MAX / 2) {
            model_fail("too long: a loop that doesn't end");
            return;
        }
        if (!enabled) {
            if (all_ended()) checker.ending = PASSED;
            else model_fail("all wait, and nobody will wake them");
            return;
        }
        bool goes_on = before >= 0 && enabled >> before & 1;
        if (goes_on && !below_bound(checker.preemptions)) enabled = 1u << before;
        struct choice *choice = next_choice(&is_new);
        if (is_new) {
            choice->of_thread = true;
            choice->enabled = (uint8_t)enabled;
            /* Sleep sets and a bound on the switches don't go together. */
            choice->sleeping = (uint8_t)(checker.model->bound ? 0 : sleeping);
            int first = pick(choice, before);
            if (first < 0) {
                checker.ending = PRUNED;
                return;
            }
            choice->chosen = (uint8_t)first;
        }
        unsigned chosen = choice->chosen;
        if (goes_on && chosen != (unsigned)before) checker.preemptions++;
        sleeping = still_sleeping(choice->sleeping | choice->tried, chosen);
        before = (int)chosen;
        to_thread(chosen);
    }
}

/* ---- Models ---------------------------------------------------------------------------------- */

static void execute(void)
{
    checker.depth = checker.event_count = checker.preemptions = checker.old_values = 0;
    checker.ending = RUNNING;
    checker.running = -1;
    model_memory_reset();
    checker.model->setup();
    if (checker.ending == RUNNING) {
        start_threads();
        schedule();
    }
    if (checker.ending == PASSED && checker.model->check) {
        checker.ending = RUNNING;
        checker.model->check();
        if (checker.ending == RUNNING) checker.ending = PASSED;
    }
    if (checker.model->teardown) checker.model->teardown();
    checker.pruned += checker.ending == PRUNED;
    checker.executions++;
}

static bool explore(const struct model *model)
{
    struct timespec begin, end;
    bool failed = false;
    checker.model = model;
    checker.executions = checker.pruned = checker.accesses = 0;
    checker.known = 0;
    checker.quiet = model->must_fail;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        execute();
        failed = checker.ending == FAILED;
    } while (!failed && checker.executions < EXECUTIONS_MAX && backtrack());
    if (model->end) model->end();
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (!failed && checker.executions == EXECUTIONS_MAX) {
        printf("  %s: not done after %d executions\n", model->name, EXECUTIONS_MAX);
        failed = !model->must_fail;
    }
    bool good = failed == model->must_fail;
    printf("  model %s: %s after %lu executions (%lu cut short), %lu accesses, %.1f s\n",
           model->name, failed ? "FOUND a failure" : "holds", (unsigned long)checker.executions,
           (unsigned long)checker.pruned, (unsigned long)checker.accesses,
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    if (!good) printf("FAIL %s\n", model->name);
    fflush(stdout);
    return good;
}

int model_main(const struct model *const *models, int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    struct sigaction action = {.sa_handler = on_trap, .sa_flags = SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
    for (; *models; models++) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= !strcmp(argv[i], (*models)->name);
        if (!wanted) continue;
        if (explore(*models)) passed++;
        else failed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed || !passed;
}
