/*
 * runnel/sim.h: a deterministic simulator: a kernel's sockets, files and clock inside the process,
 * in virtual time, and a backend on it. One 64-bit seed decides all that chance decides: delays,
 * how bytes are cut, which fault comes when, and which thread goes on. Two runs with the same seed
 * and the same program are the same, system call by system call.
 *
 * A program is tested in it as it is: what runs under rn_sim_run finds a machine whose network,
 * files, memory limits and clock are the simulator's, on every backend but io_uring, which that
 * machine's kernel lacks. Whatever doesn't go through this library, such as a libc's own calls,
 * still sees the real machine. Not a part of freestanding builds. docs/TESTING.md says how to use
 * it.
 *
 * All functions are for the thread that called rn_sim_run, and for the world's own.
 */
#ifndef RUNNEL_SIM_H
#define RUNNEL_SIM_H

#include <runnel/io.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How often each fault comes, in 65,536ths of its occasions, and how far it goes. All 0: a quiet
 * world, in which nothing fails and nothing takes time but the work itself. */
struct rn_sim_faults {
    uint16_t cut;            /* a segment: reset at one of its bytes, both ends */
    uint16_t silence;        /* a segment: lost, and all that would follow it either way */
    uint16_t refuse;         /* a connection attempt: ECONNREFUSED, or no answer at all */
    uint16_t accept;         /* ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM */
    uint16_t open;           /* socket(2), open(2), mmap(2), a thread: EMFILE, ENFILE, ENOMEM,
                              * ENOBUFS, EAGAIN */
    uint16_t io;             /* a file: EIO; a datagram that is sent: ENOBUFS */
    uint16_t partial;        /* a send or a file's read takes a part; a segment comes in pieces */
    uint16_t interrupt;      /* a wait: EINTR */
    uint16_t datagram_lost;
    uint16_t datagram_twice;
    uint16_t datagram_late;  /* behind later ones */
    uint16_t preempt;        /* a system call: another thread goes on first */
    uint16_t stall;          /* a system call: the thread stands still for a while */
    uint16_t jump;           /* a wait: the clock is ahead when it ends, as after a suspend */
    rn_ns delay_max;         /* of a segment or a datagram on its way; sometimes a hundredfold */
    rn_ns stall_max;         /* of a stall, and of a jump */
};

struct rn_sim;

struct rn_sim_call {
    rn_ns now;
    unsigned thread;
    long number; /* of the system call; negative: one of the below */
    long a, b;   /* its first arguments, where they are no addresses */
    long result;
};
enum { RN_SIM_SWITCH = -1, RN_SIM_COMPLETION = -2 };

struct rn_sim_options {
    uint64_t seed;
    struct rn_sim_faults faults;
    uint32_t descriptors; /* RLIMIT_NOFILE; 0: 1,024 */
    uint32_t buffer;      /* bytes that a direction of a stream holds, at most; 0: 65,536 */
    uint64_t calls_max;   /* more of them are a livelock; 0: no limit */
    /* All threads wait, and nothing will ever happen: a lost wakeup; or a livelock. Must not
     * return. */
    void (*stuck)(void *context, const char *why);
    void (*trace)(void *context, const struct rn_sim_call *call); /* each one; NULL: none */
    void *context;
};

/* Makes a world, or -ENOMEM. */
RN_MUST_USE int rn_sim_new(struct rn_sim **sim, const struct rn_sim_options *options);
void rn_sim_free(struct rn_sim *sim);

/* Calls program(context) on the world's first thread, and returns when that does: 0, or how many
 * threads it left behind, which don't go on any more. Meanwhile all that this library asks of the
 * kernel is answered by the world, and the threads that it starts are the world's, on stacks of 512
 * KiB: they take turns on the thread that called this. At the end the world stays as it is, to be
 * looked at. Inside of another one RN_E_MISUSE; -EOPNOTSUPP where the processor guards return
 * addresses (shadow stacks). */
RN_MUST_USE int rn_sim_run(struct rn_sim *sim, void (*program)(void *context), void *context);

/* The world that is running. NULL: none, and this is the real machine. */
struct rn_sim *rn_sim_current(void);

/* Virtual time, from a thousand seconds on. */
rn_ns rn_sim_now(const struct rn_sim *sim);

/* Below `bound`, from the world's seed. */
uint64_t rn_sim_random(struct rn_sim *sim, uint64_t bound);

/* Of all system calls so far, their results and the order of threads. */
uint64_t rn_sim_hash(const struct rn_sim *sim);
uint64_t rn_sim_calls(const struct rn_sim *sim);

/* Descriptors that are open. */
unsigned rn_sim_descriptors(const struct rn_sim *sim);

/* Bytes that the program has mapped and not unmapped. */
uint64_t rn_sim_mapped(const struct rn_sim *sim);

/* Faults from here on. */
void rn_sim_set_faults(struct rn_sim *sim, const struct rn_sim_faults *faults);

/* Resets all connections, as when a network goes away. Listeners and UDP sockets stay. */
void rn_sim_cut_all(struct rn_sim *sim);

/* Ops in virtual time, straight on the world that is running; for its threads alone. */
extern const struct rn_backend_vt rn_backend_sim;

#ifdef __cplusplus
}
#endif
#endif
