/*
 * The memory model (checker.h): each location's values in their order, what each thread knows of
 * them, and clocks that tell which plain accesses are ordered.
 */
#include <stdio.h>
#include <string.h>

#include "machine.h"

enum { LOCATIONS_MAX = 48, VALUES_MAX = 48, SHADOW_SLOTS = 1 << 14, IGNORED_MAX = 4 };

/* What a thread knows: up to which value of each location, and how far each thread had come. */
struct view {
    uint16_t values[LOCATIONS_MAX];
    uint16_t clocks[MODEL_THREADS];
};

struct value {
    uint64_t bits;
    struct view view; /* what a reader who acquires gets to know */
};

struct location {
    void *address;
    unsigned size;
    unsigned count;
    struct value values[VALUES_MAX];
};

/* The accesses to one byte: the clock of each thread's last of a kind, 0 for none. */
struct shadow {
    const uint8_t *address;
    uint32_t execution;
    uint16_t last[MODEL_THREADS][4];
};
enum { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE };

static struct {
    struct location locations[LOCATIONS_MAX];
    unsigned location_count;
    struct view now[MODEL_THREADS];      /* what each thread knows */
    struct view acquired[MODEL_THREADS]; /* what it would know after an acquire fence */
    struct view released[MODEL_THREADS]; /* what it knew at its last release fence */
    struct view order;                   /* of the sequentially consistent fences and accesses */
    struct shadow shadows[SHADOW_SLOTS];
    uint32_t execution;
    struct {
        const uint8_t *address;
        size_t size;
    } ignored[IGNORED_MAX];
    unsigned ignored_count;
    bool ignoring;
} memory;

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST ||
           order == __ATOMIC_CONSUME;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void join_values(struct view *to, const struct view *from)
{
    for (unsigned i = 0; i < memory.location_count; i++)
        if (to->values[i] < from->values[i]) to->values[i] = from->values[i];
}

static void join(struct view *to, const struct view *from)
{
    join_values(to, from);
    for (unsigned i = 0; i < MODEL_THREADS; i++)
        if (to->clocks[i] < from->clocks[i]) to->clocks[i] = from->clocks[i];
}

void model_memory_reset(void)
{
    memory.location_count = 0;
    memset(&memory.order, 0, sizeof memory.order);
    for (unsigned i = 0; i < MODEL_THREADS; i++) {
        memset(&memory.now[i], 0, sizeof memory.now[i]);
        memory.now[i].clocks[i] = 1;
        memset(&memory.acquired[i], 0, sizeof memory.acquired[i]);
        memset(&memory.released[i], 0, sizeof memory.released[i]);
    }
    memory.execution++;
}

/* ---- Real memory holds the last value -------------------------------------------------------- */

static uint64_t peek(const void *address, unsigned size)
{
    uint64_t bits = 0;
    memcpy(&bits, address, size);
    return bits;
}

static void poke(void *address, unsigned size, uint64_t bits)
{
    memcpy(address, &bits, size);
}

static unsigned locate(void *address, unsigned size)
{
    for (unsigned i = 0; i < memory.location_count; i++) {
        if (memory.locations[i].address != address) continue;
        if (memory.locations[i].size != size) model_fail("one atomic of two sizes");
        return i;
    }
    if (memory.location_count == LOCATIONS_MAX) model_fail("too many atomics");
    struct location *location = &memory.locations[memory.location_count];
    location->address = address;
    location->size = size;
    location->count = 1;
    memset(&location->values[0], 0, sizeof location->values[0]);
    location->values[0].bits = peek(address, size);
    return memory.location_count++;
}

/* ---- Races ----------------------------------------------------------------------------------- */

void model_thread_local(void (*write)(void))
{
    memory.ignored_count = 0;
    memory.ignoring = true;
    write();
    memory.ignoring = false;
}

static void ignore(const void *address, size_t size)
{
    if (memory.ignored_count == IGNORED_MAX) model_fail("too much that is thread-local");
    memory.ignored[memory.ignored_count].address = address;
    memory.ignored[memory.ignored_count++].size = size;
}

static struct shadow *shadow_of(const uint8_t *address)
{
    size_t slot = ((uintptr_t)address * 0x9E3779B97F4A7C15u) >> 50;
    for (unsigned i = 0; i < SHADOW_SLOTS; i++, slot++) {
        struct shadow *shadow = &memory.shadows[slot % SHADOW_SLOTS];
        if (shadow->execution != memory.execution) {
            memset(shadow, 0, sizeof *shadow);
            shadow->execution = memory.execution;
            shadow->address = address;
        }
        if (shadow->address == address) return shadow;
    }
    model_fail("too many bytes");
    return NULL;
}

static void note_access(const uint8_t *address, unsigned size, unsigned kind)
{
    static const char *const names[] = {"read", "write", "atomic read", "atomic write"};
    /* with which of another thread it must be ordered */
    static const uint8_t conflicts[4] = {
        [PLAIN_READ] = 1 << PLAIN_WRITE | 1 << ATOMIC_WRITE,
        [PLAIN_WRITE] = 15,
        [ATOMIC_READ] = 1 << PLAIN_WRITE,
        [ATOMIC_WRITE] = 1 << PLAIN_WRITE | 1 << PLAIN_READ,
    };
    unsigned self = model_self();
    for (unsigned i = 0; i < memory.ignored_count; i++)
        if (address >= memory.ignored[i].address &&
            address < memory.ignored[i].address + memory.ignored[i].size)
            return;
    for (unsigned i = 0; i < size; i++) {
        struct shadow *shadow = shadow_of(address + i);
        for (unsigned other = 0; other < MODEL_THREADS; other++) {
            for (unsigned k = 0; k < 4 && other != self; k++)
                if (conflicts[kind] >> k & 1 &&
                    shadow->last[other][k] > memory.now[self].clocks[other])
                    model_fail("a race at %p: %s by thread %u and %s by thread %u", (void *)address,
                               names[k], other, names[kind], self);
        }
        shadow->last[self][kind] = memory.now[self].clocks[self];
    }
}

void model_plain(const void *address, unsigned size, bool write)
{
    if (memory.ignoring && write) ignore(address, size);
    if (model_running() < 0 || model_on_stack(address)) return;
    note_access(address, size, write ? PLAIN_WRITE : PLAIN_READ);
}

/* ---- What the explorer asks ------------------------------------------------------------------ */

bool model_enabled(const struct model_access *access)
{
    return access->kind != MODEL_WAIT || peek(access->address, access->size) != 0;
}

bool model_dependent(const struct model_access *a, const struct model_access *b)
{
    bool both_order = a->order == __ATOMIC_SEQ_CST && b->order == __ATOMIC_SEQ_CST;
    if (a->kind == MODEL_FENCE || b->kind == MODEL_FENCE) return both_order;
    return a->address == b->address && !(a->kind == MODEL_LOAD && b->kind == MODEL_LOAD);
}

/* ---- Accesses -------------------------------------------------------------------------------- */

static const char *order_name(int order)
{
    static const char *const names[] = {
        [__ATOMIC_RELAXED] = "relaxed", [__ATOMIC_CONSUME] = "consume",
        [__ATOMIC_ACQUIRE] = "acquire", [__ATOMIC_RELEASE] = "release",
        [__ATOMIC_ACQ_REL] = "acq_rel", [__ATOMIC_SEQ_CST] = "seq_cst"};
    return names[order];
}

static void get_to_know(unsigned self, const struct value *value, int order)
{
    join(&memory.acquired[self], &value->view);
    if (acquires(order)) join(&memory.now[self], &value->view);
}

static uint64_t read_value(unsigned self, unsigned index, unsigned at, int order)
{
    struct location *location = &memory.locations[index];
    get_to_know(self, &location->values[at], order);
    if (memory.now[self].values[index] < at) memory.now[self].values[index] = (uint16_t)at;
    if (memory.acquired[self].values[index] < at)
        memory.acquired[self].values[index] = (uint16_t)at;
    return location->values[at].bits;
}

/* read: the value that a read-modify-write takes over, whose release it continues; or NULL */
static void write_value(unsigned self, unsigned index, uint64_t bits, int order,
                        const struct value *read)
{
    struct location *location = &memory.locations[index];
    if (location->count == VALUES_MAX) model_fail("too many values");
    unsigned at = location->count++;
    struct value *value = &location->values[at];
    memory.now[self].values[index] = memory.acquired[self].values[index] = (uint16_t)at;
    value->bits = bits;
    value->view = releases(order) ? memory.now[self] : memory.released[self];
    value->view.values[index] = (uint16_t)at;
    if (read) join(&value->view, &read->view);
    if (order == __ATOMIC_SEQ_CST) memory.order.values[index] = (uint16_t)at;
    memory.now[self].clocks[self]++;
    poke(location->address, location->size, bits);
}

uint64_t model_load(void *address, unsigned size, int order)
{
    if (model_running() < 0) return peek(address, size);
    model_announce((struct model_access){MODEL_LOAD, order, address, size});
    unsigned self = model_self(), index = locate(address, size);
    note_access(address, size, ATOMIC_READ);
    unsigned oldest = memory.now[self].values[index];
    if (order == __ATOMIC_SEQ_CST && oldest < memory.order.values[index])
        oldest = memory.order.values[index];
    unsigned last = memory.locations[index].count - 1;
    unsigned at = last;
    if (model_may_be_old()) at -= model_choose(last - oldest + 1);
    if (at < last) model_was_old();
    uint64_t bits = read_value(self, index, at, order);
    model_event("%u: load %p %s: %lx%s", self, address, order_name(order), (unsigned long)bits,
                at < last ? " (an old value)" : "");
    return bits;
}

void model_store(void *address, unsigned size, uint64_t bits, int order)
{
    if (model_running() < 0) {
        poke(address, size, bits);
        return;
    }
    model_announce((struct model_access){MODEL_STORE, order, address, size});
    unsigned self = model_self(), index = locate(address, size);
    note_access(address, size, ATOMIC_WRITE);
    write_value(self, index, bits, order, NULL);
    model_event("%u: store %p %s: %lx", self, address, order_name(order), (unsigned long)bits);
}

static uint64_t mask_of(unsigned size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

static uint64_t change_last(void *address, unsigned size, int order,
                            uint64_t (*change)(uint64_t, uint64_t), uint64_t operand)
{
    unsigned self = model_self(), index = locate(address, size);
    note_access(address, size, ATOMIC_WRITE);
    struct location *location = &memory.locations[index];
    unsigned at = location->count - 1;
    uint64_t old = read_value(self, index, at, order);
    uint64_t bits = change(old, operand) & mask_of(size);
    write_value(self, index, bits, order, &location->values[at]);
    model_event("%u: change %p %s: %lx to %lx", self, address, order_name(order),
                (unsigned long)old, (unsigned long)bits);
    return old;
}

uint64_t model_change(void *address, unsigned size, int order,
                      uint64_t (*change)(uint64_t, uint64_t), uint64_t operand)
{
    if (model_running() < 0) {
        uint64_t old = peek(address, size);
        poke(address, size, change(old, operand));
        return old;
    }
    model_announce((struct model_access){MODEL_CHANGE, order, address, size});
    return change_last(address, size, order, change, operand);
}

static uint64_t put(uint64_t old, uint64_t operand) { return operand; }

bool model_compare_exchange(void *address, unsigned size, uint64_t *expected, uint64_t desired,
                            int order, int failure_order)
{
    if (model_running() < 0) {
        uint64_t old = peek(address, size);
        bool same = old == *expected;
        if (same) poke(address, size, desired);
        *expected = old;
        return same;
    }
    model_announce((struct model_access){MODEL_COMPARE, order, address, size});
    unsigned self = model_self(), index = locate(address, size);
    unsigned last = memory.locations[index].count - 1;
    if (memory.locations[index].values[last].bits == *expected) {
        change_last(address, size, order, put, desired);
        return true;
    }
    note_access(address, size, ATOMIC_READ);
    *expected = read_value(self, index, last, failure_order);
    model_event("%u: compare %p: is %lx", self, address, (unsigned long)*expected);
    return false;
}

void model_fence(int order)
{
    if (model_running() < 0) return;
    model_announce((struct model_access){.kind = MODEL_FENCE, .order = order});
    unsigned self = model_self();
    if (acquires(order)) join(&memory.now[self], &memory.acquired[self]);
    if (order == __ATOMIC_SEQ_CST) {
        join_values(&memory.now[self], &memory.order);
        join_values(&memory.order, &memory.now[self]);
    }
    if (releases(order)) memory.released[self] = memory.now[self];
    memory.now[self].clocks[self]++;
    model_event("%u: fence %s", self, order_name(order));
}

/* ---- Waiting --------------------------------------------------------------------------------- */

void model_wait(uint32_t *signals)
{
    if (model_running() < 0) {
        *signals = 0;
        return;
    }
    model_announce((struct model_access){MODEL_WAIT, __ATOMIC_ACQ_REL, signals, sizeof *signals});
    change_last(signals, sizeof *signals, __ATOMIC_ACQ_REL, put, 0);
}

void model_signal(uint32_t *signals)
{
    model_change(signals, sizeof *signals, __ATOMIC_ACQ_REL, put, 1);
}
