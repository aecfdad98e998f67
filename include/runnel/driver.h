/*
 * runnel/driver.h: binds a machine (runnel/machine.h) to a stream socket.
 *
 * One driver serves every stream protocol: it receives, gives the machine its input, drains the
 * output into one send, keeps the deadlines, applies backpressure both ways, and closes without
 * cutting off what was sent. While nothing is under way it owns no buffer.
 */
#ifndef RUNNEL_DRIVER_H
#define RUNNEL_DRIVER_H

#include <runnel/machine.h>
#include <runnel/net.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_driver_sending;

struct rn_traffic {
    uint64_t bytes_in;
    uint64_t bytes_out;
};

struct rn_stream_driver;

/* What drivers of one kind and worker share. */
struct rn_stream_kind {
    /* the descriptor is closed: the driver's memory is the caller's again */
    void (*closed)(struct rn_stream_driver *driver);
    struct rn_traffic *traffic; /* counted here */
    /* no more than so many bytes of the output were taken in that time: the connection is reset */
    rn_ns write_timeout;
    uint64_t write_stall;
};

struct rn_stream_driver {
    /* set by the caller */
    struct rn_machine *machine;
    const struct rn_stream_kind *kind;
    rn_stream stream;
    /* private */
    struct rn_driver_sending *sending;
    struct rn_buf *held; /* received and not consumed, oldest first */
    uint16_t state;
    struct rn_node node;
    /* also for closing; its timer is the driver's, and its `arg` what waits for a buffer */
    struct rn_op recv;
};

/* Takes the stream over. The caller zeroed what it didn't set. */
void rn_stream_driver_start(struct rn_stream_driver *driver);

/* The machine has something to say or its flags changed, although no input came: a handler's task
 * is done, a message is to be pushed. Worker's own thread; takes effect at the next turn of the
 * loop, any number of calls as one. */
void rn_stream_driver_kick(struct rn_stream_driver *driver);

/* on_shutdown, then the closing; at the next turn of the loop, as a kick. */
void rn_stream_driver_shutdown(struct rn_stream_driver *driver);

/* Drops everything and resets the connection; `closed` comes later, not within the call. Another
 * driver's machine may do this; to its own driver a machine says RN_MACHINE_ABORT. */
void rn_stream_driver_abort(struct rn_stream_driver *driver);

#ifdef __cplusplus
}
#endif
#endif
