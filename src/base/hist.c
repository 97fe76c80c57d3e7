/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include "base/bytes.h"

#include <string.h>

void axi_hist_init(struct axi_hist *hist)
{
    memset(hist, 0, sizeof(*hist));
    hist->min_ns = UINT64_MAX;
}

uint32_t axi_hist_bucket(uint64_t value_ns)
{
    if (value_ns < 8) {
        return (uint32_t)value_ns;
    }
    uint32_t msb = 63u - (uint32_t)__builtin_clzll(value_ns);
    uint32_t bucket = 8 * (msb - 2) + (uint32_t)(value_ns >> (msb - 3) & 7);

    return bucket < AXI_HIST_BUCKETS ? bucket : AXI_HIST_BUCKETS - 1;
}

uint64_t axi_hist_bucket_low(uint32_t bucket)
{
    if (bucket < 8) {
        return bucket;
    }
    return (8ull + bucket % 8) << (bucket / 8 - 1);
}

void axi_hist_add(struct axi_hist *hist, uint64_t value_ns)
{
    uint32_t *bucket = &hist->buckets[axi_hist_bucket(value_ns)];

    if (*bucket != UINT32_MAX) {
        *bucket += 1;
    }
    hist->count++;
    hist->sum_ns = axi_add_sat(hist->sum_ns, value_ns);
    if (value_ns < hist->min_ns) {
        hist->min_ns = value_ns;
    }
    if (value_ns > hist->max_ns) {
        hist->max_ns = value_ns;
    }
}

uint64_t axi_hist_quantile(const struct axi_hist *hist, uint32_t per_mille)
{
    uint64_t total = 0;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < AXI_HIST_BUCKETS; i++) {
        total += hist->buckets[i];
    }
    if (total == 0) {
        return 0;
    }
    uint64_t rank = (total * per_mille + 999) / 1000;

    for (uint32_t i = 0; i + 1 < AXI_HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= rank && seen > 0) {
            uint64_t high = axi_hist_bucket_low(i + 1) - 1;

            return high < hist->max_ns ? high : hist->max_ns;
        }
    }
    return hist->max_ns;
}
