/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict.h"

#include "predict/internal.h"
#include "predict/weights.h"

#include <math.h>
#include <string.h>

#define ERROR_GAIN 0.04 /* of the running means of errors */
#define STEP_GAIN 0.05

static const char *const names[AXI_PREDICT_MODELS] = {"last", "peak", "holt", "rls", "learned"};

const char *axi_predict_model_name(enum axi_predict_model model)
{
    return (unsigned)model < AXI_PREDICT_MODELS ? names[model] : "?";
}

int axi_predict_model_of(const char *name, enum axi_predict_model *ret_model)
{
    for (unsigned i = 0; i < AXI_PREDICT_MODELS; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_model = (enum axi_predict_model)i;
            return 0;
        }
    }
    return -AXC_ENOENT;
}

int axi_predict_init(struct axi_predict *p, const struct axi_predict_config *config)
{
    bool is_sound = (unsigned)config->model < AXI_PREDICT_MODELS && config->horizon >= 1 &&
                    config->horizon <= AXI_PREDICT_HORIZON_MAX && config->quantile >= 0.5 &&
                    config->quantile <= 0.995 && isfinite(config->floor) &&
                    isfinite(config->ceiling) && config->floor < config->ceiling &&
                    isfinite(config->ceiling - config->floor) &&
                    (config->model != AXI_PREDICT_LEARNED || config->weights != NULL);

    if (!is_sound) {
        return -AXC_EINVALID;
    }
    memset(p, 0, sizeof(*p));
    p->config = *config;
    axi_rls_init(&p->rls);
    axi_conformal_init(&p->conformal, config->quantile);
    p->forecast = (struct axi_forecast){
        .mean = config->floor, .upper = config->ceiling, .spread = config->ceiling - config->floor};
    return 0;
}

double axi_predict_past(const struct axi_predict *p, uint64_t ago)
{
    uint64_t oldest = p->count < AXI_PREDICT_HISTORY ? p->count : AXI_PREDICT_HISTORY;

    ago = ago < oldest ? ago : oldest - 1;
    return p->history[(p->count - 1 - ago) % AXI_PREDICT_HISTORY];
}

double axi_predict_peak(const struct axi_predict *p, uint32_t samples)
{
    double peak = axi_predict_past(p, 0);

    for (uint32_t i = 1; i < samples; i++) {
        peak = fmax(peak, axi_predict_past(p, i));
    }
    return peak;
}

static void track(struct axi_error_track *error, double value, double said)
{
    double gain = fmax(ERROR_GAIN, 1.0 / (double)(++error->count));

    error->mean += gain * (fabs(value - said) - error->mean);
}

/* The value has come for which `p->pending` was said. */
static void score(struct axi_predict *p, double value)
{
    const struct axi_pending *said = &p->pending[p->count % p->config.horizon];

    if (p->count < p->config.horizon) {
        return;
    }
    track(&p->last_error, value, said->last);
    track(&p->peak_error, value, said->peak);
    track(&p->holt_error, value, said->holt);
    track(&p->rls_error, value, said->rls);
    axi_conformal_add(&p->conformal, p->config.quantile, (value - said->mean) / said->spread,
                      said->has_upper, value > said->upper);
    if (said->has_upper) {
        p->scored++;
        p->exceeded += value > said->upper;
    }
}

static double clamp(double value, double low, double high)
{
    return fmin(fmax(value, low), high);
}

static void apply_model(struct axi_predict *p, struct axi_pending *next)
{
    switch (p->config.model) {
    case AXI_PREDICT_PEAK:
        next->mean = next->peak;
        next->spread = p->peak_error.mean;
        break;
    case AXI_PREDICT_HOLT:
        next->mean = next->holt;
        next->spread = p->holt_error.mean;
        break;
    case AXI_PREDICT_RLS:
        next->mean = next->rls;
        next->spread = p->rls_error.mean;
        break;
    case AXI_PREDICT_LEARNED:
        axi_learned_ahead(p, next, &next->mean, &next->spread);
        break;
    case AXI_PREDICT_LAST:
    default:
        next->mean = next->last;
        next->spread = p->last_error.mean;
        break;
    }
}

static void predict_next(struct axi_predict *p)
{
    struct axi_pending *next = &p->pending[(p->count - 1) % p->config.horizon];
    double range = p->config.ceiling - p->config.floor;
    double factor = 0;

    next->last = axi_predict_past(p, 0);
    next->peak = axi_predict_peak(p, p->config.horizon);
    next->holt = clamp(axi_holt_ahead(&p->holt, p->config.horizon), 0, 1);
    next->rls = clamp(axi_rls_ahead(p), 0, 1);
    apply_model(p, next);
    next->mean = isfinite(next->mean) ? clamp(next->mean, 0, 1) : next->last;
    next->spread = isfinite(next->spread) ? clamp(next->spread, AXI_PREDICT_TINY, 1) : 1;
    next->has_upper = axi_conformal_factor(&p->conformal, p->config.quantile, &factor);
    next->upper = clamp(next->mean + factor * next->spread, 0, 1);
    p->forecast = (struct axi_forecast){.mean = p->config.floor + range * next->mean,
                                        .upper = p->config.floor + range * next->upper,
                                        .spread = range * next->spread,
                                        .has_mean = true,
                                        .is_bounded = next->has_upper};
}

void axi_predict_add(struct axi_predict *p, double value)
{
    double range = p->config.ceiling - p->config.floor;
    double scaled;

    if (!isfinite(value)) {
        return;
    }
    scaled = (clamp(value, p->config.floor, p->config.ceiling) - p->config.floor) / range;
    score(p, scaled);
    if (p->count > 0) {
        p->step += STEP_GAIN * (fabs(scaled - axi_predict_past(p, 0)) - p->step);
    }
    p->history[p->count++ % AXI_PREDICT_HISTORY] = scaled;
    axi_holt_add(&p->holt, scaled);
    axi_rls_learn(p);
    predict_next(p);
}

void axi_predict_shift(struct axi_predict *p, double change)
{
    double by = change / (p->config.ceiling - p->config.floor);

    if (!isfinite(by) || by == 0 || p->count == 0) {
        return;
    }
    by = clamp(by, -1, 1);
    for (uint32_t i = 0; i < AXI_PREDICT_HISTORY; i++) {
        p->history[i] = clamp(p->history[i] + by, 0, 1);
    }
    for (uint32_t i = 0; i < p->config.horizon; i++) {
        struct axi_pending *said = &p->pending[i];

        said->last = clamp(said->last + by, 0, 1);
        said->peak = clamp(said->peak + by, 0, 1);
        said->holt = clamp(said->holt + by, 0, 1);
        said->rls = clamp(said->rls + by, 0, 1);
        said->mean = clamp(said->mean + by, 0, 1);
        said->upper = clamp(said->upper + by, 0, 1);
    }
    p->holt.level += by;
    predict_next(p);
}

const struct axi_forecast *axi_predict_get(const struct axi_predict *p)
{
    return &p->forecast;
}

double axi_predict_coverage(const struct axi_predict *p)
{
    return p->scored > 0 ? 1 - (double)p->exceeded / (double)p->scored : 1;
}
