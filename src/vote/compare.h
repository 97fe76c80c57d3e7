/* SPDX-License-Identifier: Apache-2.0 */
/* When two outputs agree, and what is put out for several that do. Pure functions; any context. */
#ifndef AXI_VOTE_COMPARE_H
#define AXI_VOTE_COMPARE_H

#include "axcan/task.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers as on the wire (VoteGroup.compare). */
enum axi_vote_compare { AXI_VOTE_EXACT = 0, AXI_VOTE_F32, AXI_VOTE_F64, AXI_VOTE_COMPARE_COUNT };

struct axi_vote_value {
    const uint8_t *data; /* at most AXC_VALUE_BYTES_MAX */
    uint32_t bytes;
};

/* EXACT: the same bytes. F32, F64: arrays of little-endian numbers of the same length, of which
 * each two differ by at most the tolerance; a NaN agrees with a NaN only, an infinity only with the
 * same one. Bytes behind the last whole number must be the same. */
bool axi_vote_agree(enum axi_vote_compare compare, double tolerance, struct axi_vote_value a,
                    struct axi_vote_value b);

/* For values of equal length, count > 0. EXACT: the first. F32, F64: of each number the median,
 * which for an even count is the mean of the two in the middle. *ret_value has room for
 * AXC_VALUE_BYTES_MAX; returns its bytes. */
uint32_t axi_vote_median(enum axi_vote_compare compare, const struct axi_vote_value *values,
                         uint32_t count, uint8_t *ret_value);

#endif
