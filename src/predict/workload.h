/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic loads of a node, by family: for training, judging and tests of predictors. The same
 * family, seed and length give the same series on every machine with the same libm.
 *
 * Samples are ppm of the node, 0 to 1,000,000, at a cadence of half a second (that is: a horizon of
 * 20 samples is 10 s). What each family stands for: docs/orchestration.md. */
#ifndef AXI_PREDICT_WORKLOAD_H
#define AXI_PREDICT_WORKLOAD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum axi_workload {
    AXI_WORKLOAD_DIURNAL = 0, /* slow waves with ramps, noise */
    AXI_WORKLOAD_BURSTY,      /* on and off, geometric durations */
    AXI_WORKLOAD_STEPS,       /* levels that change at random, in one step or a short ramp */
    AXI_WORKLOAD_PERIODIC,    /* a duty cycle whose period and depth drift */
    AXI_WORKLOAD_HEAVY,       /* jobs of Pareto length arrive and leave */
    AXI_WORKLOAD_MODES,       /* modes of a vehicle: each its load, transitions over seconds */
    AXI_WORKLOAD_CREEP,       /* execution times that grow, until something resets them */
    AXI_WORKLOADS
};

const char *axi_workload_name(enum axi_workload family);
AXC_MUST_USE int axi_workload_of(const char *name, enum axi_workload *ret_family);
void axi_workload_make(enum axi_workload family, uint64_t seed, size_t count, double *ret_samples);

#endif
