/*
 * bench/load/histogram.c: a log-linear histogram, after the idea of HdrHistogram: the highest bit
 * of a value picks the row, and the seven bits behind it the bucket in it.
 */
#include "histogram.h"

#include <math.h>
#include <string.h>

static const unsigned row_len = 1u << HISTOGRAM_BITS;

void histogram_clear(struct histogram *histogram) { memset(histogram, 0, sizeof *histogram); }

/* How far a value is shifted until eight bits are left: its row, but for the first two, which are
 * both exact. */
static unsigned shift_of(uint64_t value)
{
    unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;
    return bits > HISTOGRAM_BITS + 1 ? bits - HISTOGRAM_BITS - 1 : 0;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    const uint64_t longest = (1ull << HISTOGRAM_TOP) - 1;
    uint64_t placed = value < longest ? value : longest;
    unsigned shift = shift_of(placed);
    histogram->buckets[shift * row_len + (placed >> shift)]++;
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max) histogram->max = value;
}

/* The largest value of a bucket. */
static uint64_t upper_end(unsigned bucket)
{
    unsigned row = bucket / row_len, shift = row > 1 ? row - 1 : 0;
    uint64_t top = bucket - shift * row_len;
    return ((top + 1) << shift) - 1;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count), seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen == 0 || seen < wanted) continue;
        uint64_t end = upper_end(bucket);
        return end < histogram->max ? end : histogram->max;
    }
    return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count ? (double)histogram->sum / (double)histogram->count : 0;
}
