/*
 * bench/load/histogram.h: counts of times in buckets that are never wider than 1/128 of what is in
 * them: exact up to 255 ns, and within 0.8 % up to half an hour. Adding costs a shift and a count,
 * however many values there are.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 7, /* 128 buckets for each doubling */
    HISTOGRAM_TOP = 41, /* values have at most so many bits; longer ones count as the longest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_TOP - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
    uint64_t count, sum, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);

void histogram_add(struct histogram *histogram, uint64_t value);

/* The value that a share of all values (0 < share <= 1) does not exceed: the upper end of its
 * bucket, and never more than the largest value added. 0 when there is none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

double histogram_mean(const struct histogram *histogram);

#endif
