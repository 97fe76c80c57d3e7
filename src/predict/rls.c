/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive least squares with forgetting (Haykin, Adaptive Filter Theory, ch. 10): the change over
 * the horizon as a linear function of former changes. Lags are single steps near the newest sample
 * and parts of the horizon further back, so that eight of them see two horizons. */
#include "predict/internal.h"

#include <math.h>
#include <string.h>

#define TERMS (AXI_PREDICT_LAGS + 1)
#define FORGETTING 0.998
#define COVARIANCE_START 10.0
#define COVARIANCE_MAX 1e4 /* of the trace: nothing new comes in, do not wind up */
#define BIAS 0.05          /* scale of the constant term, like that of the changes */

static uint32_t lag(uint32_t horizon, uint32_t index)
{
    static const uint32_t near[] = {1, 2, 3, 4};

    if (index < 4) {
        return near[index];
    }
    return 4 + ((index - 3) * horizon + 1) / 2; /* 4 + horizon * 1/2, 1, 3/2, 2 */
}

static void features(const struct axi_predict *p, uint64_t ago, double ret_x[TERMS])
{
    double base = axi_predict_past(p, ago);

    ret_x[0] = BIAS;
    for (uint32_t i = 0; i < AXI_PREDICT_LAGS; i++) {
        ret_x[i + 1] = base - axi_predict_past(p, ago + lag(p->config.horizon, i));
    }
}

void axi_rls_init(struct axi_rls *rls)
{
    memset(rls, 0, sizeof(*rls));
    for (uint32_t i = 0; i < TERMS; i++) {
        rls->covariance[i][i] = COVARIANCE_START;
    }
}

static double dot(const double *a, const double *b)
{
    double sum = 0;

    for (uint32_t i = 0; i < TERMS; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void forget(struct axi_rls *rls)
{
    double trace = 0;

    for (uint32_t i = 0; i < TERMS; i++) {
        trace += rls->covariance[i][i];
    }
    if (!(trace >= 0)) { /* rounding made it no covariance any more */
        axi_rls_init(rls);
    }
    for (uint32_t i = 0; trace < COVARIANCE_MAX && i < TERMS; i++) {
        for (uint32_t j = 0; j < TERMS; j++) {
            rls->covariance[i][j] /= FORGETTING;
        }
    }
}

void axi_rls_learn(struct axi_predict *p)
{
    struct axi_rls *rls = &p->rls;
    double x[TERMS];
    double px[TERMS];
    double gain;
    double error;

    if (p->count <= p->config.horizon) {
        return;
    }
    features(p, p->config.horizon, x);
    error = axi_predict_past(p, 0) - axi_predict_past(p, p->config.horizon) - dot(rls->weights, x);
    for (uint32_t i = 0; i < TERMS; i++) {
        px[i] = dot(rls->covariance[i], x);
    }
    gain = 1 / (1 + dot(x, px));
    for (uint32_t i = 0; i < TERMS; i++) {
        rls->weights[i] += gain * px[i] * error;
        for (uint32_t j = 0; j < TERMS; j++) {
            rls->covariance[i][j] -= gain * px[i] * px[j];
        }
    }
    forget(rls);
}

double axi_rls_ahead(const struct axi_predict *p)
{
    double x[TERMS];
    double ahead;

    features(p, 0, x);
    ahead = axi_predict_past(p, 0) + dot(p->rls.weights, x);
    return isfinite(ahead) ? ahead : axi_predict_past(p, 0);
}
