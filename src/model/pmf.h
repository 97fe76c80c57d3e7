/* SPDX-License-Identifier: Apache-2.0 */
/* Probability mass functions of times: strictly ascending values in ticks, probabilities >= 0, and
 * the mass at infinity (a job that never completes) kept explicitly, never as "1 - sum".
 * Host library, no I/O; functions that can fail return 0 or a negative -AXC_E*. */
#ifndef AXI_MODEL_PMF_H
#define AXI_MODEL_PMF_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct axi_pmf {
    size_t count;
    uint64_t *values; /* ticks, ascending */
    double *probs;
    double *tails; /* tails[j] = inf + sum of probs[j..]; tails[count] = inf */
    double inf;
};

/* Copies the arrays (values > 0, ascending). A deficit of the sum up to 1e-9 goes to inf unless it
 * is as small as the rounding of the sum itself (count * 2^-53); a larger one or an excess above
 * 1e-9 is refused (MODEL_SUM). Free with axi_pmf_deinit. */
AXC_MUST_USE int axi_pmf_init(struct axi_pmf *ret_pmf, const uint64_t *values, const double *probs,
                              size_t count, double inf);
void axi_pmf_deinit(struct axi_pmf *pmf);
AXC_MUST_USE int axi_pmf_copy(struct axi_pmf *ret_pmf, const struct axi_pmf *from);

/* wa * a + wb * b; wa + wb = 1. */
AXC_MUST_USE int axi_pmf_mix(struct axi_pmf *ret_pmf, const struct axi_pmf *a, double wa,
                             const struct axi_pmf *b, double wb);

/* Containment: all mass above `limit` ticks, also at infinity, moves to `limit`. */
AXC_MUST_USE int axi_pmf_contain(struct axi_pmf *ret_pmf, const struct axi_pmf *from,
                                 uint64_t limit);

/* Values divided by `grid`, rounded up or down; equal results are merged. */
AXC_MUST_USE int axi_pmf_scale(struct axi_pmf *ret_pmf, const struct axi_pmf *from, uint64_t grid,
                               int round_up);

/* P(X > t), mass at infinity included. */
double axi_pmf_exceed(const struct axi_pmf *pmf, uint64_t t);

/* Smallest value Q with P(X > Q) <= epsilon; -AXC_EMODEL_UNREACHABLE when inf > epsilon. */
AXC_MUST_USE int axi_pmf_budget(const struct axi_pmf *pmf, double epsilon, uint64_t *ret_budget);

/* Mean of the finite part in ticks. */
double axi_pmf_mean(const struct axi_pmf *pmf);

#endif
