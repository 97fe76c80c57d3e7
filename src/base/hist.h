/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear histogram of times in ns: 8 linear buckets per power of two, so every bucket is within
 * 12.5 % of its values. Fixed size, freestanding, O(1) add; not synchronised.
 *
 * Buckets: 0..7 hold the exact values 0..7; above, bucket = 8 * (msb - 2) + next three bits. Values
 * at and above 2^34 ns (17 s) count in the last bucket. */
#ifndef AXI_BASE_HIST_H
#define AXI_BASE_HIST_H

#include <stdint.h>

#define AXI_HIST_BUCKETS 256u

struct axi_hist {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t min_ns; /* UINT64_MAX while empty */
    uint64_t max_ns;
    uint32_t buckets[AXI_HIST_BUCKETS]; /* saturate */
};

void axi_hist_init(struct axi_hist *hist);
void axi_hist_add(struct axi_hist *hist, uint64_t value_ns);

/* Bucket of a value and the smallest value of a bucket (inverse on bucket edges). */
uint32_t axi_hist_bucket(uint64_t value_ns);
uint64_t axi_hist_bucket_low(uint32_t bucket);

/* Upper edge of the bucket that holds the given quantile (per mille 0..1000), at most max_ns; 0
 * while empty. */
uint64_t axi_hist_quantile(const struct axi_hist *hist, uint32_t per_mille);

#endif
