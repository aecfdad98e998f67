/*
 * What code that is compiled with -fsanitize=thread calls, in place of the sanitizer's runtime: the
 * names are the compiler's.
 */
#include "machine.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

void __tsan_init(void) {}
void __tsan_func_entry(void *call) {}
void __tsan_func_exit(void) {}

#define PLAIN(size)                                                                                \
    void __tsan_read##size(void *at) { model_plain(at, size, false); }                             \
    void __tsan_write##size(void *at) { model_plain(at, size, true); }                             \
    void __tsan_unaligned_read##size(void *at) { model_plain(at, size, false); }                   \
    void __tsan_unaligned_write##size(void *at) { model_plain(at, size, true); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *at, unsigned long size) { model_plain(at, (unsigned)size, false); }
void __tsan_write_range(void *at, unsigned long size) { model_plain(at, (unsigned)size, true); }

static uint64_t put(uint64_t old, uint64_t operand) { return operand; }
static uint64_t add(uint64_t old, uint64_t operand) { return old + operand; }
static uint64_t subtract(uint64_t old, uint64_t operand) { return old - operand; }
static uint64_t both(uint64_t old, uint64_t operand) { return old & operand; }
static uint64_t either(uint64_t old, uint64_t operand) { return old | operand; }

#define CHANGE(bits, name, function)                                                               \
    uint##bits##_t __tsan_atomic##bits##_##name(void *at, uint##bits##_t operand, int order)       \
    {                                                                                              \
        return (uint##bits##_t)model_change(at, bits / 8, order, function, operand);               \
    }
#define COMPARE(bits, strength)                                                                    \
    int __tsan_atomic##bits##_compare_exchange_##strength(void *at, uint##bits##_t *expected,      \
                                                          uint##bits##_t desired, int order,       \
                                                          int failure)                             \
    {                                                                                              \
        uint64_t seen = *expected;                                                                 \
        int same = model_compare_exchange(at, bits / 8, &seen, desired, order, failure);           \
        *expected = (uint##bits##_t)seen;                                                          \
        return same;                                                                               \
    }
#define ATOMIC(bits)                                                                               \
    uint##bits##_t __tsan_atomic##bits##_load(void *at, int order)                                 \
    {                                                                                              \
        return (uint##bits##_t)model_load(at, bits / 8, order);                                    \
    }                                                                                              \
    void __tsan_atomic##bits##_store(void *at, uint##bits##_t value, int order)                    \
    {                                                                                              \
        model_store(at, bits / 8, value, order);                                                   \
    }                                                                                              \
    CHANGE(bits, exchange, put)                                                                    \
    CHANGE(bits, fetch_add, add)                                                                   \
    CHANGE(bits, fetch_sub, subtract)                                                              \
    CHANGE(bits, fetch_and, both)                                                                  \
    CHANGE(bits, fetch_or, either)                                                                 \
    COMPARE(bits, strong)                                                                          \
    COMPARE(bits, weak)
ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order) { model_fence(order); }
void __tsan_atomic_signal_fence(int order) {}
