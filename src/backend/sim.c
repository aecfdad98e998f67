/*
 * backend/sim.c: the simulator's world: chance, virtual time, and the threads that take turns.
 *
 * Time stands still while anybody can run, but for what each system call costs. When all wait, it
 * goes on to the next event or deadline; when there is none of either, a wakeup was lost.
 */
#include "backend/sim.h"

enum { ARENA = 256 << 20, CALL_NS = 100, CALL_NS_MORE = 400 };
static const rn_ns beginning = 1000 * RN_SECOND;

static struct rn_sim *current;

void rn_sim_enter(struct rn_sim *sim) { current = sim; }
struct rn_sim *rn_sim_current(void) { return current; }
rn_ns rn_sim_now(const struct rn_sim *sim) { return sim->now; }
uint64_t rn_sim_hash(const struct rn_sim *sim) { return sim->hash; }
uint64_t rn_sim_calls(const struct rn_sim *sim) { return sim->calls; }
unsigned rn_sim_descriptors(const struct rn_sim *sim) { return sim->descriptors; }
uint64_t rn_sim_mapped(const struct rn_sim *sim) { return sim->mapped; }
unsigned rn_sim_thread(const struct rn_sim *sim) { return sim->thread; }

void rn_sim_set_faults(struct rn_sim *sim, const struct rn_sim_faults *faults)
{
    sim->options.faults = *faults;
}

/* ---- Chance ---------------------------------------------------------------------------------- */

/* splitmix64: every 64-bit seed is as good as any other. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

uint64_t rn_sim_random(struct rn_sim *sim, uint64_t bound)
{
    sim->random += 0x9E3779B97F4A7C15u;
    return (uint64_t)(((unsigned __int128)mix(sim->random) * bound) >> 64);
}

bool rn_sim_chance(struct rn_sim *sim, uint16_t of_65536)
{
    return of_65536 && rn_sim_random(sim, 65536) < of_65536;
}

/* Mostly short, sometimes as long as a retransmission would make it. */
rn_ns rn_sim_delay(struct rn_sim *sim)
{
    rn_ns most = sim->options.faults.delay_max;
    if (!most) return 0;
    rn_ns delay = rn_sim_random(sim, most);
    return rn_sim_random(sim, 100) ? delay : delay * 100;
}

void rn_sim_note(struct rn_sim *sim, long number, long a, long b, long result)
{
    sim->hash = mix(sim->hash ^ (uint64_t)number ^ ((uint64_t)sim->thread << 56));
    sim->hash = mix(sim->hash ^ (uint64_t)result ^ ((uint64_t)a << 32) ^ ((uint64_t)b << 48));
    if (!sim->options.trace) return;
    struct rn_sim_call call = {sim->now, sim->thread, number, a, b, result};
    sim->options.trace(sim->options.context, &call);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

void *rn_sim_alloc(struct rn_sim *sim, size_t size)
{
    uint8_t *at = sim->free_at;
    size = (size + 15) & ~(size_t)15;
    rn_assert(size <= (size_t)(sim->free_end - at));
    sim->free_at += size;
    return at;
}

static unsigned power(uint32_t size) { return 31 - (unsigned)__builtin_clz(size); }

uint8_t *rn_sim_ring_take(struct rn_sim *sim, uint32_t size)
{
    void **head = &sim->rings[power(size)];
    void *ring = *head;
    if (!ring) return rn_sim_alloc(sim, size);
    memcpy(head, ring, sizeof *head);
    return ring;
}

void rn_sim_ring_put(struct rn_sim *sim, uint8_t *ring, uint32_t size)
{
    void **head = &sim->rings[power(size)];
    memcpy(ring, head, sizeof *head);
    *head = ring;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static bool before(const struct rn_sim_event *a, const struct rn_sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void rn_sim_at(struct rn_sim *sim, rn_ns at,
               void (*run)(struct rn_sim *sim, void *object, uint64_t value), void *object,
               uint64_t value)
{
    struct rn_sim_event event = {at, sim->orders++, run, object, value}, *events = sim->events;
    rn_assert(sim->event_count < RN_SIM_EVENTS_MAX);
    uint32_t i = sim->event_count++;
    for (; i && before(&event, &events[(i - 1) / 2]); i = (i - 1) / 2)
        events[i] = events[(i - 1) / 2];
    events[i] = event;
}

static struct rn_sim_event pop_event(struct rn_sim *sim)
{
    struct rn_sim_event *events = sim->events, first = events[0];
    struct rn_sim_event last = events[--sim->event_count];
    uint32_t i = 0, count = sim->event_count;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < count && before(&events[child + 1], &events[child])) child++;
        if (child >= count || !before(&events[child], &last)) break;
        events[i] = events[child];
        i = child;
    }
    events[i] = last;
    return first;
}

static void run_events(struct rn_sim *sim)
{
    while (sim->event_count && sim->events[0].at <= sim->now) {
        struct rn_sim_event event = pop_event(sim);
        event.run(sim, event.object, event.value);
    }
}

/* ---- Threads --------------------------------------------------------------------------------- */

static bool runnable(struct rn_sim *sim, struct rn_sim_thread *thread)
{
    if (!thread->alive || thread->not_before > sim->now) return false;
    return !thread->ready || thread->deadline <= sim->now || thread->ready(sim, thread->argument);
}

static void stuck(struct rn_sim *sim, const char *why)
{
    if (sim->options.stuck) sim->options.stuck(sim->options.context, why);
    __builtin_trap();
}

/* To the next moment at which anything can change. */
static void pass_time(struct rn_sim *sim)
{
    rn_ns next = sim->event_count ? sim->events[0].at : RN_NEVER;
    for (unsigned i = 0; i < RN_SIM_THREADS_MAX; i++) {
        const struct rn_sim_thread *thread = &sim->threads[i];
        if (!thread->alive) continue;
        rn_ns at = thread->ready ? thread->deadline : sim->now;
        if (at < thread->not_before) at = thread->not_before;
        /* Something is there for it, and it stands still. */
        if (thread->not_before > sim->now && thread->not_before < next) next = thread->not_before;
        if (at < next) next = at;
    }
    if (next == RN_NEVER) stuck(sim, "a wakeup was lost: all wait, and nothing is to come");
    if (next > sim->now) sim->now = next;
    if (rn_sim_chance(sim, sim->options.faults.jump))
        sim->now += rn_sim_random(sim, sim->options.faults.stall_max + 1);
    run_events(sim);
}

/* Lets some thread go on, which may be this one. */
static void schedule(struct rn_sim *sim)
{
    unsigned self = sim->thread, count, ready[RN_SIM_THREADS_MAX];
    for (;;) {
        count = 0;
        for (unsigned i = 0; i < RN_SIM_THREADS_MAX; i++)
            if (runnable(sim, &sim->threads[i])) ready[count++] = i;
        if (count) break;
        pass_time(sim);
    }
    unsigned next = ready[count > 1 ? rn_sim_random(sim, count) : 0];
    if (next == self) return;
    sim->thread = next;
    rn_sim_note(sim, RN_SIM_SWITCH, self, 0, next);
    rn_assert(sim->resume);
    sim->resume(sim->options.context, next);
}

void rn_sim_enter_kernel(struct rn_sim *sim)
{
    const struct rn_sim_faults *faults = &sim->options.faults;
    struct rn_sim_thread *thread = &sim->threads[sim->thread];
    sim->now += CALL_NS + rn_sim_random(sim, CALL_NS_MORE);
    if (++sim->calls == sim->options.calls_max) stuck(sim, "a livelock: calls without end");
    run_events(sim);
    if (rn_sim_chance(sim, faults->stall)) {
        thread->not_before = sim->now + rn_sim_random(sim, faults->stall_max + 1);
        schedule(sim);
    } else if (rn_sim_chance(sim, faults->preempt)) {
        schedule(sim);
    }
}

bool rn_sim_wait(struct rn_sim *sim, bool (*ready)(struct rn_sim *sim, void *argument),
                 void *argument, rn_ns deadline)
{
    struct rn_sim_thread *thread = &sim->threads[sim->thread];
    if (!ready(sim, argument) && deadline > sim->now) {
        thread->ready = ready;
        thread->argument = argument;
        thread->deadline = deadline;
        schedule(sim);
        thread->ready = NULL;
    }
    return ready(sim, argument);
}

int rn_sim_thread_new(struct rn_sim *sim)
{
    for (unsigned i = 0; i < RN_SIM_THREADS_MAX; i++) {
        if (sim->threads[i].taken) continue;
        sim->threads[i] = (struct rn_sim_thread){.alive = true, .taken = true};
        return (int)i;
    }
    return -RN_K_EAGAIN;
}

void rn_sim_thread_end(struct rn_sim *sim)
{
    sim->threads[sim->thread].alive = false;
    schedule(sim);
}

static bool ended(struct rn_sim *sim, void *argument)
{
    return !((struct rn_sim_thread *)argument)->alive;
}

void rn_sim_thread_join(struct rn_sim *sim, unsigned thread)
{
    rn_sim_enter_kernel(sim);
    rn_sim_wait(sim, ended, &sim->threads[thread], RN_NEVER);
    sim->threads[thread].taken = false;
}

/* ---- The world ------------------------------------------------------------------------------- */

/* From the real kernel, and not counted as the program's. */
static void *map(size_t size)
{
    long at = rn_raw_syscall6(RN_NR_MMAP, 0, (long)size, RN_K_PROT_READ | RN_K_PROT_WRITE,
                              RN_K_MAP_PRIVATE | RN_K_MAP_ANONYMOUS | RN_K_MAP_NORESERVE, -1, 0);
    return at < 0 && at > -4096 ? NULL : (void *)at;
}

int rn_sim_new(struct rn_sim **made, const struct rn_sim_options *options)
{
    struct rn_sim *sim = map(ARENA);
    if (!sim) return -RN_K_ENOMEM;
    sim->options = *options;
    if (!sim->options.descriptors) sim->options.descriptors = 1024;
    if (!sim->options.buffer) sim->options.buffer = 65536;
    if (sim->options.descriptors > RN_SIM_DESCRIPTORS_MAX)
        sim->options.descriptors = RN_SIM_DESCRIPTORS_MAX;
    sim->descriptor_limit = sim->options.descriptors;
    sim->random = mix(options->seed);
    sim->now = beginning;
    sim->free_at = (uint8_t *)(sim + 1);
    sim->free_at += -(uintptr_t)sim->free_at & 15;
    sim->free_end = (uint8_t *)sim + ARENA;
    sim->threads[0].alive = sim->threads[0].taken = true;
    sim->port = 40000;
    rn_sim_files_init(sim);
    *made = sim;
    return 0;
}

void rn_sim_free(struct rn_sim *sim)
{
    if (current == sim) current = NULL;
    rn_raw_syscall2(RN_NR_MUNMAP, (long)sim, ARENA);
}
