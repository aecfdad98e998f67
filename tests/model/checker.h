/*
 * A checker for code that uses atomics: runs a few threads through every interleaving of their
 * atomic accesses and every value that the memory model lets a load see.
 *
 * The code under test is compiled with -fsanitize=thread, and checker.c stands in for the
 * sanitizer's runtime: so each access of the real sources, atomic or plain, comes by here, and
 * nothing has to be rewritten. Threads are coroutines; an atomic access is where they switch.
 *
 * The memory model is that of C11, without promises (loads don't see stores that come later in
 * their own thread's future): each location keeps all its values, and a thread may read any that
 * isn't older than what it knows of; acquire, release and fences are what makes it know. That is
 * weaker than x86-TSO: a store buffer is one of the ways to read an old value. Plain accesses that
 * aren't ordered by them are reported as races.
 */
#ifndef TESTS_MODEL_CHECKER_H
#define TESTS_MODEL_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS = 4 };

struct model {
    const char *name;
    void (*setup)(void);                  /* before each execution */
    void (*threads[MODEL_THREADS])(void); /* what runs at once */
    void (*check)(void);                  /* after it; may be NULL */
    void (*teardown)(void);               /* also after one that was given up; may be NULL */
    void (*end)(void);                    /* after the last; may be NULL */
    bool must_fail; /* a model of the checker itself: it has to find what is wrong */
    /* Where every execution is too many: at most so many switches away from a thread that could go
     * on, and as many old values read. 0: any number. */
    unsigned bound;
};

#define model_assert(condition) model_require(condition, #condition, __FILE__, __LINE__)
void model_require(bool condition, const char *text, const char *file, int line);

/* Blocks until the value isn't 0, and makes it 0; and the other side of it. As an eventfd. */
void model_wait(uint32_t *signals);
void model_signal(uint32_t *signals);

/* The running thread's number. */
unsigned model_self(void);

/* Called at each switch with the thread that runs next; its own accesses don't count. */
extern void (*model_on_switch)(unsigned thread);
/* Calls it, and leaves out from then on what it writes: the thread-local variables of the code
 * under test, which the coroutines would share. */
void model_thread_local(void (*write)(void));

/* Runs all of them; the exit code. */
int model_main(const struct model *const *models, int argc, char **argv);

#endif
