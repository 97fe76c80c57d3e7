/* SPDX-License-Identifier: Apache-2.0 */
/* The learned predictor at work: inputs, network, outputs. */
#include "predict/internal.h"
#include "predict/weights.h"

#include <math.h>

#define SCALE_LEAST 1e-3 /* of the range: changes below it are noise */
#define INPUT_LIMIT 8.0

float axi_learned_softplus(float x)
{
    return x > 20.0f ? x : log1pf(expf(x));
}

static float bounded(double x)
{
    return (float)(x > INPUT_LIMIT ? INPUT_LIMIT : x < -INPUT_LIMIT ? -INPUT_LIMIT : x);
}

static double mean_of(const struct axi_predict *p, uint32_t samples)
{
    double sum = 0;

    for (uint32_t i = 0; i < samples; i++) {
        sum += axi_predict_past(p, i);
    }
    return sum / samples;
}

static double least_of(const struct axi_predict *p, uint32_t samples)
{
    double least = axi_predict_past(p, 0);

    for (uint32_t i = 1; i < samples; i++) {
        least = fmin(least, axi_predict_past(p, i));
    }
    return least;
}

static void add_lags(const struct axi_predict *p, double now, double scale, float *x)
{
    static const uint32_t near[] = {1, 2, 3, 5, 8};
    uint32_t h = p->config.horizon;

    for (uint32_t i = 0; i < 5; i++) {
        x[i] = bounded((now - axi_predict_past(p, near[i])) / scale);
    }
    for (uint32_t i = 0; i < 6; i++) { /* halves of the horizon, to three of it */
        x[5 + i] = bounded((now - axi_predict_past(p, ((i + 1) * h + 1) / 2)) / scale);
    }
}

/* How much better than LAST a model was of late, as a logarithm. */
static float gain(double error, double scale)
{
    return (float)log((error + SCALE_LEAST) / (scale + SCALE_LEAST));
}

double axi_learned_inputs(const struct axi_predict *p, const struct axi_pending *said,
                          float ret_inputs[AXI_LEARNED_INPUTS])
{
    uint32_t h = p->config.horizon;
    double now = said->last;
    double scale = fmax(fmax(p->last_error.mean, p->step), SCALE_LEAST);
    float *x = ret_inputs;

    add_lags(p, now, scale, x);
    x[11] = bounded((said->peak - now) / scale);
    x[12] = bounded((now - least_of(p, h)) / scale);
    x[13] = bounded((mean_of(p, h) - now) / scale);
    x[14] = bounded((mean_of(p, 3 * h) - now) / scale);
    x[15] = (float)now;
    x[16] = bounded((1 - now) / scale);
    x[17] = bounded(now / scale);
    x[18] = bounded((said->holt - now) / scale);
    x[19] = bounded((said->rls - now) / scale);
    x[20] = gain(p->holt_error.mean, scale);
    x[21] = gain(p->rls_error.mean, scale);
    x[22] = gain(p->step, scale);
    x[23] = (float)log2(h) / 5.0f;
    return scale;
}

/* One layer; returns where the next one's weights begin. */
static const float *layer(const float *w, const float *in, uint32_t in_count, float *out,
                          uint32_t out_count, bool is_last)
{
    for (uint32_t o = 0; o < out_count; o++) {
        float sum = *w++;

        for (uint32_t i = 0; i < in_count; i++) {
            sum += w[i] * in[i];
        }
        w += in_count;
        out[o] = is_last || sum > 0 ? sum : 0;
    }
    return w;
}

void axi_learned_run(const float *values, const float inputs[AXI_LEARNED_INPUTS],
                     float ret_hidden[AXI_LEARNED_FIRST + AXI_LEARNED_SECOND],
                     float ret_outputs[AXI_LEARNED_OUTPUTS])
{
    float own[AXI_LEARNED_FIRST + AXI_LEARNED_SECOND];
    float *hidden = ret_hidden != NULL ? ret_hidden : own;
    const float *w = values;

    w = layer(w, inputs, AXI_LEARNED_INPUTS, hidden, AXI_LEARNED_FIRST, false);
    w = layer(w, hidden, AXI_LEARNED_FIRST, hidden + AXI_LEARNED_FIRST, AXI_LEARNED_SECOND, false);
    (void)layer(w, hidden + AXI_LEARNED_FIRST, AXI_LEARNED_SECOND, ret_outputs, AXI_LEARNED_OUTPUTS,
                true);
}

void axi_learned_ahead(const struct axi_predict *p, const struct axi_pending *said,
                       double *ret_mean, double *ret_spread)
{
    float inputs[AXI_LEARNED_INPUTS];
    float outputs[AXI_LEARNED_OUTPUTS];
    double scale = axi_learned_inputs(p, said, inputs);

    axi_learned_run(p->config.weights->values, inputs, NULL, outputs);
    *ret_mean = said->last + scale * (double)outputs[0];
    *ret_spread = scale * (double)axi_learned_softplus(outputs[1]);
}
