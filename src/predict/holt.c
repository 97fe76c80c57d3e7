/* SPDX-License-Identifier: Apache-2.0 */
/* Holt's double exponential smoothing with a damped trend (Gardner and McKenzie 1985). */
#include "predict/internal.h"

#include <math.h>

#define LEVEL_GAIN 0.4
#define TREND_GAIN 0.1
#define DAMPING 0.93

void axi_holt_add(struct axi_holt *holt, double value)
{
    double before = holt->level;

    if (holt->count++ == 0) {
        holt->level = value;
        return;
    }
    holt->level = LEVEL_GAIN * value + (1 - LEVEL_GAIN) * (before + DAMPING * holt->trend);
    holt->trend = TREND_GAIN * (holt->level - before) + (1 - TREND_GAIN) * DAMPING * holt->trend;
}

/* level + trend * (d + d^2 + ... + d^horizon) */
double axi_holt_ahead(const struct axi_holt *holt, uint32_t horizon)
{
    double sum = DAMPING * (1 - pow(DAMPING, horizon)) / (1 - DAMPING);

    return holt->level + holt->trend * sum;
}
