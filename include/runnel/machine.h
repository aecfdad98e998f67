/*
 * runnel/machine.h: a sans-I/O protocol state machine, and what it writes to.
 *
 * A machine gets bytes and the time and gives bytes, and a deadline. It makes no system call, reads
 * no clock, allocates nothing and has no global state, so the same machine runs on a kernel socket,
 * on a simulated wire and in a unit test that feeds it one byte at a time. A driver
 * (runnel/driver.h) binds it to a socket:
 *
 *     input  -> on_input  \
 *     time   -> on_tick    > then pop_output until it returns false, then deadline(), then the next
 * input stop   -> on_shutdown/
 *
 * Every call may write to `out`, so an answer is written once, straight into the buffer that will
 * be sent, and the answers to everything that one read brought leave in one send. What doesn't fit
 * is written by pop_output when the driver has sent what there was.
 */
#ifndef RUNNEL_MACHINE_H
#define RUNNEL_MACHINE_H

#include <runnel/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Something counted that output refers to: an open file, a cached body. `release` is called once,
 * when the driver has sent or dropped the output. */
struct rn_out_owner {
    void (*release)(struct rn_out_owner *owner);
};

/*
 * Where output goes: `len` bytes copied into `data`, then at most one tail that is sent without
 * copying: a borrowed slice, or the range [file_offset, file_offset + file_length) of the
 * descriptor file_fd. After a tail the output is sealed: nothing more fits until it is sent.
 */
struct rn_out {
    uint8_t *data;
    uint32_t len;
    uint32_t cap;
    rn_bytes slice;
    uint64_t file_offset;
    uint64_t file_length;
    struct rn_out_owner *owner; /* of the tail; may be NULL for constant slices */
    int file_fd;                /* when file_length isn't 0 */
    bool sealed;
};

/* How many bytes still fit: 0 once a tail is set. */
RN_INLINE size_t rn_out_room(const struct rn_out *out)
{
    return out->sealed ? 0 : out->cap - out->len;
}

/* What a machine asks of its driver, read after every call. */
enum {
    /* when the output is sent: shut the sending side, wait a little for the peer, close */
    RN_MACHINE_CLOSE = 1,
    /* when the output is sent: close at once; the peer has nothing more to send */
    RN_MACHINE_DONE = 8,
    RN_MACHINE_ABORT = 2, /* drop the output and reset the connection */
    /* takes no input now; the driver stops reading until the flag is gone. For a machine that
     * leaves input because it is busy, and not because there is too little of it: without the flag,
     * the peer's end of input may be told before what was left is offered again */
    RN_MACHINE_PAUSE = 4,
};

struct rn_machine {
    const struct rn_machine_vt *vt;
    uint8_t flags;
    uint8_t own; /* the machine's own use: a driver doesn't look at it */
};

struct rn_machine_vt {
    const char *name;
    /* Input, contiguous, starting with the bytes that the last call left: returns how many were
     * consumed. The driver calls again with the rest once the output is drained, or once there is
     * more input. The memory is the machine's to modify (WebSocket unmasks in place) and is
     * borrowed for the call, except that unconsumed bytes stay where they are, or move together,
     * until consumed. The peer's end of input is a call with len 0. */
    size_t (*on_input)(struct rn_machine *machine, rn_ns now, uint8_t *in, size_t len,
                       struct rn_out *out);
    /* The time has reached deadline(). */
    void (*on_tick)(struct rn_machine *machine, rn_ns now, struct rn_out *out);
    /* Writes what is pending and returns true if it wrote something or has more than fitted. */
    bool (*pop_output)(struct rn_machine *machine, rn_ns now, struct rn_out *out);
    /* When on_tick must be called: RN_NEVER when idle. */
    rn_ns (*deadline)(const struct rn_machine *machine);
    /* Finish: end what is under way as the protocol has it, then set RN_MACHINE_CLOSE. */
    void (*on_shutdown)(struct rn_machine *machine, rn_ns now, struct rn_out *out);
};

#ifdef __cplusplus
}
#endif
#endif
