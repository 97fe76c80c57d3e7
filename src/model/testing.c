/* SPDX-License-Identifier: Apache-2.0 */
/* Looser textbook bounds at single testing points, for comparison with published tools. */
#include <math.h>
#include <stdlib.h>

#include "model/model_internal.h"

/* P(C_k + sum_i ceil(t/T_i) C_i > t) on the exact grid. */
static int exceed_at(struct axi_model *model, size_t k, uint64_t t, double *ret_probability)
{
    struct axi_walk *walk = &model->walk;
    int error = axi_walk_begin(walk, t / model->gcd);

    if (error == 0) {
        error = axi_walk_add(walk, &model->exact.own[k]);
    }
    for (size_t i = 0; i < model->count; i++) {
        uint64_t period = model->tasks[i].period;

        if (!axi_model_interferes(model, i, k)) {
            continue;
        }
        for (uint64_t n = (t - 1) / period + 1; n > 0 && error == 0 && !walk->empty; n--) {
            error = axi_walk_add(walk, &model->exact.interference[i]);
        }
    }
    *ret_probability = walk->miss;
    return error;
}

static double exponent(const struct axi_model *model, size_t k, uint64_t t, double theta)
{
    double grid = (double)model->gcd;
    double sum = -theta * (double)t / grid + axi_model_ln_mgf(&model->exact.own[k], theta);

    for (size_t i = 0; i < model->count; i++) {
        if (axi_model_interferes(model, i, k)) {
            sum += (double)((t - 1) / model->tasks[i].period + 1) *
                   axi_model_ln_mgf(&model->exact.interference[i], theta);
        }
    }
    return sum;
}

/* The exponent is convex in theta: bracket by doubling, then golden section. */
static double chernoff_at(const struct axi_model *model, size_t k, uint64_t t)
{
    const double ratio = 0.6180339887498949;
    double right = 1e-3;
    double left = 0;
    double a = 0;
    double b = 0;

    while (right < 1e4 && exponent(model, k, t, right) < exponent(model, k, t, right * ratio)) {
        right *= 2;
    }
    for (int step = 0; step < 200; step++) {
        a = right - ratio * (right - left);
        b = left + ratio * (right - left);
        if (exponent(model, k, t, a) < exponent(model, k, t, b)) {
            right = b;
        } else {
            left = a;
        }
    }
    return fmin(exponent(model, k, t, (left + right) / 2), 0);
}

static int consider(struct axi_model *model, size_t k, uint64_t t, double *min, double *chernoff)
{
    double probability = 0;
    int error = exceed_at(model, k, t, &probability);

    if (error != 0) {
        return error;
    }
    *min = fmin(*min, probability);
    if (probability <= 0) {
        *chernoff = -INFINITY;
    } else if (isfinite(*chernoff)) {
        *chernoff = fmin(*chernoff, chernoff_at(model, k, t));
    }
    return 0;
}

int axi_model_testing_points(struct axi_model *model, size_t k,
                             const struct axi_model_options *options, double *ret_min,
                             double *ret_chernoff_log10)
{
    uint64_t deadline = model->tasks[k].deadline;
    double chernoff = 0;
    double min = 1;
    int error = axi_model_scale(model, &model->exact, model->gcd, true);

    model->walk.keep_done = false;
    model->walk.max_cells = options->max_cells > 0 ? options->max_cells : AXI_MODEL_CELLS;
    if (error == 0) {
        error = consider(model, k, deadline, &min, &chernoff);
    }
    for (size_t i = 0; i < model->count && error == 0; i++) {
        uint64_t period = model->tasks[i].period;

        if (!axi_model_interferes(model, i, k)) {
            continue;
        }
        for (uint64_t t = period; t < deadline && error == 0; t += period) {
            error = consider(model, k, t, &min, &chernoff);
            if (error == 0 && options->poll != NULL && options->poll(options->context) != 0) {
                error = -AXC_ECANCELLED;
            }
        }
    }
    if (error == 0) {
        *ret_min = min;
        *ret_chernoff_log10 = isfinite(chernoff) ? chernoff / log(10) : NAN;
    }
    return error;
}
