/* SPDX-License-Identifier: Apache-2.0 */
/* Split conformal quantile over a sliding window, at an adaptive level (ACI). */
#include "predict/internal.h"

#include <math.h>
#include <string.h>

#define GAIN 0.005  /* of the level */
#define GROWTH 20.0 /* of the bound beyond the largest score, per unit of the level */
#define ALPHA_LEAST (-1.0)

void axi_conformal_init(struct axi_conformal *c, double quantile)
{
    memset(c, 0, sizeof(*c));
    c->alpha = 1 - quantile;
}

/* First index whose value is not below `value`. */
static uint32_t position(const struct axi_conformal *c, double value)
{
    uint32_t low = 0;
    uint32_t high = c->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (c->sorted[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void insert(struct axi_conformal *c, double score)
{
    uint32_t at;

    if (c->count == AXI_PREDICT_SCORES) {
        at = position(c, c->recent[c->next]);
        c->count--;
        memmove(&c->sorted[at], &c->sorted[at + 1], (c->count - at) * sizeof(double));
    }
    at = position(c, score);
    memmove(&c->sorted[at + 1], &c->sorted[at], (c->count - at) * sizeof(double));
    c->sorted[at] = score;
    c->recent[c->next] = score;
    c->next = (c->next + 1) % AXI_PREDICT_SCORES;
    c->count++;
}

void axi_conformal_add(struct axi_conformal *c, double quantile, double score, bool was_bounded,
                       bool has_missed)
{
    insert(c, score);
    if (was_bounded) {
        c->alpha += GAIN * (1 - quantile - (has_missed ? 1.0 : 0.0));
        c->alpha = fmin(fmax(c->alpha, ALPHA_LEAST), 1);
    }
}

bool axi_conformal_factor(const struct axi_conformal *c, double quantile, double *ret_factor)
{
    double rank = ceil((c->count + 1) * (1 - c->alpha));
    double largest = c->count > 0 ? c->sorted[c->count - 1] : 1;

    if (c->alpha < 0) {
        *ret_factor = largest + (fabs(largest) + 1) * (exp(-GROWTH * c->alpha) - 1);
    } else if (rank > c->count) {
        *ret_factor = largest;
    } else {
        *ret_factor = c->sorted[rank < 1 ? 0 : (uint32_t)rank - 1];
    }
    return (c->count + 1) * (1 - quantile) >= 1;
}
