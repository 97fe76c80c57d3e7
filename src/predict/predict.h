/* SPDX-License-Identifier: Apache-2.0 */
/* One series of figures (a node's load, say), sampled at a fixed cadence: learned online, predicted
 * `horizon` samples ahead, with an upper bound that holds with the declared rate. Pure computation
 * on the caller's memory: no heap, no clock, no global state; O(1) time and memory per sample.
 *
 *   sample -> models (last, peak, Holt, RLS, learned) -> mean and spread at the horizon
 *                                                              |
 *   sample, `horizon` later -> score = (value - mean) / spread -> window of scores
 *                                                              |
 *                               upper = mean + quantile(scores, level) * spread
 *
 * The quantile is split conformal over a sliding window of scores; its level adapts (ACI: Gibbs and
 * Candes 2021): it rises after every value above its bound and sinks slowly after the others, so
 * that the long-run rate of values above comes out at 1 - quantile whatever the series does, drift
 * and jumps included. Beyond the largest score seen the bound grows exponentially, up to the
 * ceiling. */
#ifndef AXI_PREDICT_PREDICT_H
#define AXI_PREDICT_PREDICT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PREDICT_HORIZON_MAX 32u /* samples */
#define AXI_PREDICT_HISTORY 128u    /* samples kept: four horizons; a power of two */
#define AXI_PREDICT_SCORES 200u
#define AXI_PREDICT_LAGS 8u

enum axi_predict_model {
    AXI_PREDICT_LAST = 0, /* naive: it stays as it is */
    AXI_PREDICT_PEAK,     /* naive: the largest of the last `horizon` samples comes back */
    AXI_PREDICT_HOLT,     /* level and damped trend (double exponential smoothing) */
    AXI_PREDICT_RLS,      /* autoregression, recursive least squares with forgetting */
    AXI_PREDICT_LEARNED,  /* a small network trained offline (predict/weights.h) */
    AXI_PREDICT_MODELS
};

struct axi_predict_weights;

struct axi_predict_config {
    enum axi_predict_model model;
    uint32_t horizon;      /* samples ahead, 1 to AXI_PREDICT_HORIZON_MAX */
    double quantile;       /* of the upper bound, 0.5 to 0.995 */
    double floor, ceiling; /* of all values; samples outside are taken as these */
    const struct axi_predict_weights *weights; /* LEARNED: borrowed for the predictor's life */
};

struct axi_forecast {
    double mean;     /* the value in `horizon` samples */
    double upper;    /* not above this, with probability `quantile` in the long run */
    double spread;   /* what the model thinks of its own error; > 0 */
    bool has_mean;   /* one sample at least */
    bool is_bounded; /* enough errors are known for `upper` to be more than a guess */
};

struct axi_holt {
    double level, trend;
    uint64_t count;
};

/* Weights of [1, lags...], all relative to the newest value: no weight at all is LAST. */
struct axi_rls {
    double weights[AXI_PREDICT_LAGS + 1];
    double covariance[AXI_PREDICT_LAGS + 1][AXI_PREDICT_LAGS + 1];
};

/* Two exponential means of |error at the horizon| of a model. */
struct axi_error_track {
    double mean;
    uint64_t count;
};

/* What was said when the sample `horizon` later had not come yet. */
struct axi_pending {
    double last, peak, holt, rls; /* means of the models */
    double mean, spread, upper;   /* of the one in use */
    bool has_upper;
};

struct axi_conformal {
    double recent[AXI_PREDICT_SCORES]; /* ring, in order of time */
    double sorted[AXI_PREDICT_SCORES];
    uint32_t count, next;
    double alpha; /* rate of misses aimed at now */
};

/* Opaque to callers; complete so that they can hold it. */
struct axi_predict {
    struct axi_predict_config config;
    double history[AXI_PREDICT_HISTORY];
    struct axi_pending pending[AXI_PREDICT_HORIZON_MAX];
    uint64_t count; /* samples taken */
    double step;    /* mean |difference| of neighbours */
    struct axi_holt holt;
    struct axi_rls rls;
    struct axi_error_track last_error, peak_error, holt_error, rls_error;
    struct axi_conformal conformal;
    struct axi_forecast forecast;
    uint64_t scored, exceeded; /* values that had a bound; those above it */
};

/* -AXC_EINVALID: a figure of config is out of range or not a number; LEARNED without weights. */
AXC_MUST_USE int axi_predict_init(struct axi_predict *predict,
                                  const struct axi_predict_config *config);
/* The next sample. What is no number is no sample: nothing changes. */
void axi_predict_add(struct axi_predict *predict, double value);
/* From the next sample on all values are higher by `change`, by somebody's decision and not by
 * themselves: what is known of the past, and what was said, is moved along. */
void axi_predict_shift(struct axi_predict *predict, double change);
/* From the samples so far; all fields are finite numbers, within floor and ceiling. */
const struct axi_forecast *axi_predict_get(const struct axi_predict *predict);
/* Share of the values that were not above their bound; 1 before there was any. */
double axi_predict_coverage(const struct axi_predict *predict);

/* "last", "peak", "holt", "rls", "learned". */
const char *axi_predict_model_name(enum axi_predict_model model);
/* -AXC_ENOENT */
AXC_MUST_USE int axi_predict_model_of(const char *name, enum axi_predict_model *ret_model);

#endif
