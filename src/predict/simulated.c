/* SPDX-License-Identifier: Apache-2.0 */
/* What to train on without any recorded trace: series of the families, and blends of two of them,
 * over short and long horizons. */
#include "predict/train.h"

#include <stdlib.h>

#define LENGTH 2000u
#define PURE 40u    /* series of each family */
#define BLENDS 200u /* of two families */
#define FULL 1e6

static const uint32_t horizons[] = {4, 8, 12, 20, 32};

static bool has(uint32_t families, uint32_t family)
{
    return (families >> family & 1) != 0;
}

static int add(struct axi_train_set *set, const double *samples, uint32_t number)
{
    return axi_train_set_add(set, samples, LENGTH, horizons[number % 5], 0, FULL);
}

static int add_blend(struct axi_train_set *set, uint32_t families, uint64_t seed, uint32_t number,
                     double *samples, double *other)
{
    uint32_t a = number % AXI_WORKLOADS;
    uint32_t b = (3 * number + 1 + number / AXI_WORKLOADS) % AXI_WORKLOADS;
    double share = 0.2 + 0.1 * (number % 7);

    if (!has(families, a) || !has(families, b)) {
        return 0;
    }
    axi_workload_make((enum axi_workload)a, seed + 5000 + number, LENGTH, samples);
    axi_workload_make((enum axi_workload)b, seed + 6000 + number, LENGTH, other);
    for (uint32_t i = 0; i < LENGTH; i++) {
        samples[i] = share * samples[i] + (1 - share) * other[i];
    }
    return add(set, samples, number);
}

int axi_train_set_add_simulated(struct axi_train_set *set, uint32_t families, uint64_t seed)
{
    double *samples = calloc(2 * LENGTH, sizeof(double));
    int r = samples != NULL ? 0 : -AXC_ENOMEM;

    seed *= 100000; /* trainings of neighbouring seeds share no series */
    for (uint32_t f = 0; r == 0 && f < AXI_WORKLOADS; f++) {
        for (uint32_t n = 0; r == 0 && has(families, f) && n < PURE; n++) {
            axi_workload_make((enum axi_workload)f, seed + n, LENGTH, samples);
            r = add(set, samples, n);
        }
    }
    for (uint32_t n = 0; r == 0 && n < BLENDS; n++) {
        r = add_blend(set, families, seed, n, samples, samples + LENGTH);
    }
    free(samples);
    return r;
}
