/*
 * What the parts of the checker know of each other: checker.c explores, memory.c is the memory
 * model, runtime.c is where the instrumented code calls.
 */
#ifndef TESTS_MODEL_MACHINE_H
#define TESTS_MODEL_MACHINE_H

#include <stdarg.h>

#include "checker.h"

enum model_kind { MODEL_LOAD, MODEL_STORE, MODEL_CHANGE, MODEL_COMPARE, MODEL_FENCE, MODEL_WAIT };

/* What a thread is about to do. */
struct model_access {
    enum model_kind kind;
    int order; /* __ATOMIC_RELAXED and so on */
    void *address;
    unsigned size;
};

/* checker.c */
int model_running(void); /* the thread, or -1 outside of all */
bool model_on_stack(const void *address);
void model_announce(struct model_access access); /* comes back when it is to be done */
unsigned model_choose(unsigned count);
bool model_may_be_old(void); /* a load may still read an old value in this execution */
void model_was_old(void);
__attribute__((format(printf, 1, 2))) void model_event(const char *format, ...);
__attribute__((format(printf, 1, 2))) void model_fail(const char *format, ...);

/* memory.c */
void model_memory_reset(void);
bool model_enabled(const struct model_access *access);
bool model_dependent(const struct model_access *a, const struct model_access *b);
uint64_t model_load(void *address, unsigned size, int order);
void model_store(void *address, unsigned size, uint64_t value, int order);
/* Reads the last value, and writes what `change` makes of it. */
uint64_t model_change(void *address, unsigned size, int order,
                      uint64_t (*change)(uint64_t old, uint64_t operand), uint64_t operand);
bool model_compare_exchange(void *address, unsigned size, uint64_t *expected, uint64_t desired,
                            int order, int failure_order);
void model_fence(int order);
void model_plain(const void *address, unsigned size, bool write);

#endif
