/*
 * A stream driver with the line machine on it, on a worker that is driven by hand.
 */
#ifndef TESTS_DRIVER_BED_H
#define TESTS_DRIVER_BED_H

#include "line_machine.h"
#include "wire.h"

#include <stdio.h>

#include <runnel/driver.h>

enum { WRITE_TIMEOUT_S = 10 };

struct bed {
    struct line_machine line;
    struct rn_stream_driver driver;
    struct rn_traffic traffic;
    struct rn_stream_kind kind;
    unsigned closed;
    struct wire wire;
};

static inline void bed_closed(struct rn_stream_driver *driver)
{
    struct bed *bed = rn_container_of(driver, struct bed, driver);
    bed->closed++;
    assert_int_equal(bed->line.tails, bed->line.releases);
    memset(driver, 0xee, sizeof *driver); /* it is ours again: nobody may use it */
}

static inline void bed_start(struct bed *bed)
{
    *bed = (struct bed){.closed = 0};
    line_machine_init(&bed->line);
    wire_open(&bed->wire);
    bed->driver.machine = &bed->line.machine;
    bed->kind = (struct rn_stream_kind){.closed = bed_closed, .traffic = &bed->traffic,
                                        .write_timeout = WRITE_TIMEOUT_S * RN_SECOND};
    bed->driver.kind = &bed->kind;
    bed->driver.stream = (rn_stream){hand_worker(0), bed->wire.fd};
    rn_stream_driver_start(&bed->driver);
    hand_settle();
}

static inline struct bed *bed_new(void)
{
    struct bed *bed = calloc(1, sizeof *bed);
    hand_open((struct rn_runtime_options){0});
    bed_start(bed);
    return bed;
}

static inline void bed_expect_pattern(struct bed *bed, size_t at, size_t len)
{
    assert_int_equal(bed->wire.sent_len, len);
    for (size_t i = 0; i < len; i++) assert_int_equal(bed->wire.sent[i], pattern(at + i));
    bed->wire.sent_len = 0;
}

static inline void bed_close(struct bed *bed, bool reset)
{
    assert_int_equal(bed->closed, 0);
    wire_close(&bed->wire, reset);
    assert_int_equal(bed->closed, 1);
    assert_int_equal(bed->line.tails, bed->line.releases);
}

static inline void bed_delete(struct bed *bed, bool reset)
{
    bed_close(bed, reset);
    hand_pass(100 * RN_SECOND); /* nothing comes after */
    assert_int_equal(bed->closed, 1);
    free(bed);
    hand_close();
}

#endif
