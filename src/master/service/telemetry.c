/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/telemetry.h"

#include "master/service/service.h"
#include "predict/weights.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define CADENCE_NS UINT64_C(500000000)
#define QUANTILE 0.95
#define FULL_PPM 1e6
#define UNKNOWN_TAKEN 0.5  /* of what the first task declares */
#define LATENCY_MAX_NS 1e8 /* of a link within a real-time cluster */

struct sums { /* of the heartbeats since the last sample */
    double load, cpu, density, latency;
    uint32_t count;
};

struct watched {
    uint64_t node, boot, sampled_ns; /* local; 0 = never */
    struct sums sums;
    double measured, declared; /* of the last sample: load; densities of the tasks */
    struct axi_predict load, density, latency;
};

struct axi_telemetry {
    struct watched **nodes;
    size_t count;
    uint64_t cadence_ns, horizon_ns, next_ns, round;
    uint32_t horizon; /* samples */
};

static struct watched *find(const struct axi_telemetry *t, uint64_t node)
{
    for (size_t i = 0; t != NULL && i < t->count; i++) {
        if (t->nodes[i]->node == node) {
            return t->nodes[i];
        }
    }
    return NULL;
}

static void begin_series(struct axi_predict *series, const struct axi_predict_config *config)
{
    int r = axi_predict_init(series, config);

    assert(r == 0); /* every figure of it is made here */
    (void)r;
}

/* The load by the learned model; what only decisions change, by the simplest ones. */
static void begin(struct axi_master *m, struct watched *w)
{
    const struct axi_predict_weights *weights =
        m->config.predictor != NULL ? m->config.predictor : axi_weights_default();
    struct axi_predict_config config = {.model = weights != NULL ? AXI_PREDICT_LEARNED
                                                                 : AXI_PREDICT_LAST,
                                        .horizon = m->telemetry->horizon,
                                        .quantile = QUANTILE,
                                        .ceiling = FULL_PPM,
                                        .weights = weights};

    begin_series(&w->load, &config);
    config.model = AXI_PREDICT_LAST;
    begin_series(&w->density, &config);
    config.model = AXI_PREDICT_HOLT;
    config.ceiling = LATENCY_MAX_NS;
    begin_series(&w->latency, &config);
    w->sums = (struct sums){0};
    w->sampled_ns = 0;
    w->declared = 0;
}

static struct watched *add(struct axi_master *m, uint64_t node)
{
    struct axi_telemetry *t = m->telemetry;
    struct watched **grown = realloc(t->nodes, (t->count + 1) * sizeof(*grown));
    struct watched *w = calloc(1, sizeof(*w));

    if (grown != NULL) {
        t->nodes = grown;
    }
    if (grown == NULL || w == NULL) {
        free(w);
        return NULL;
    }
    w->node = node;
    begin(m, w);
    t->nodes[t->count++] = w;
    return w;
}

/* The horizon in samples; a long one is sampled less often. */
static void follow_policy(struct axi_master *m)
{
    struct axi_telemetry *t = m->telemetry;
    uint64_t horizon_ns = axi_policy(m)->horizon_ns;
    uint64_t cadence_ns = CADENCE_NS;

    if (horizon_ns == t->horizon_ns) {
        return;
    }
    if (horizon_ns / CADENCE_NS >= AXI_PREDICT_HORIZON_MAX) {
        cadence_ns = (horizon_ns + AXI_PREDICT_HORIZON_MAX - 1) / AXI_PREDICT_HORIZON_MAX;
    }
    t->horizon_ns = horizon_ns;
    t->cadence_ns = cadence_ns;
    t->horizon = (uint32_t)((horizon_ns + cadence_ns - 1) / cadence_ns);
    t->horizon = t->horizon > 0 ? t->horizon : 1;
    for (size_t i = 0; i < t->count; i++) {
        begin(m, t->nodes[i]);
    }
}

static bool is_ready(struct axi_master *m)
{
    if (m->telemetry == NULL) {
        m->telemetry = calloc(1, sizeof(*m->telemetry));
    }
    if (m->telemetry != NULL) {
        follow_policy(m);
    }
    return m->telemetry != NULL;
}

void axi_telemetry_heartbeat(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *beat)
{
    struct watched *w = NULL;

    if (node->watched == 0 && is_ready(m) && add(m, node->id) != NULL) {
        node->watched = m->telemetry->count;
    }
    if (node->watched == 0) {
        return;
    }
    w = m->telemetry->nodes[node->watched - 1];
    if (w->boot != node->boot_id) {
        w->boot = node->boot_id;
        begin(m, w);
    }
    w->sums.load += beat->task_load_ppm;
    w->sums.cpu += beat->cpu_load_ppm;
    w->sums.density += beat->density_ppm;
    w->sums.latency += (double)beat->latency_ns;
    w->sums.count++;
}

static void record(struct axi_master *m, const struct watched *w, double share)
{
    const struct axi_telemetry_sample sample = {
        .master_ns = axi_now_master(m),
        .task_load_ppm = (uint32_t)w->measured,
        .cpu_load_ppm = (uint32_t)fmin(w->sums.cpu * share, 4e9),
        .density_ppm = (uint32_t)fmin(w->sums.density * share, 4e9),
        .latency_ns = (uint64_t)fmin(w->sums.latency * share, 1e18)};

    if (m->port.on_telemetry != NULL) {
        m->port.on_telemetry(m->port.context, axi_node_name(m, w->node), &sample);
    }
}

/* Tasks came or went: their load comes or goes, as far as they take what they declare. */
static void follow_decisions(struct watched *w, double declared)
{
    double taken = w->declared > 0 ? fmin(w->measured / w->declared, 1) : UNKNOWN_TAKEN;

    axi_predict_shift(&w->load, (declared - w->declared) * taken);
    w->declared = declared;
}

static void take_sample(struct axi_master *m, struct watched *w)
{
    double share = w->sums.count > 0 ? 1.0 / w->sums.count : 0;
    uint64_t now = axi_now(m);

    if (w->sampled_ns != 0 && now - w->sampled_ns > m->telemetry->horizon_ns + CADENCE_NS) {
        struct sums sums = w->sums;

        begin(m, w); /* silent so long that the past says nothing of what comes */
        w->sums = sums;
    }
    if (w->sums.count == 0) {
        return;
    }
    w->sampled_ns = now;
    follow_decisions(w, w->sums.density * share);
    w->measured = fmin(w->sums.load * share, FULL_PPM); /* whatever a node may claim */
    axi_predict_add(&w->load, w->measured);
    axi_predict_add(&w->density, w->sums.density * share);
    axi_predict_add(&w->latency, w->sums.latency * share);
    record(m, w, share);
    w->sums = (struct sums){0};
}

uint64_t axi_telemetry_tick(struct axi_master *m)
{
    struct axi_telemetry *t = is_ready(m) ? m->telemetry : NULL;
    uint64_t now = axi_now(m);

    if (t == NULL) {
        return UINT64_MAX;
    }
    if (now >= t->next_ns) {
        t->next_ns = now + t->cadence_ns;
        t->round++;
        for (size_t i = 0; i < t->count; i++) {
            take_sample(m, t->nodes[i]);
        }
    }
    return t->count > 0 ? t->next_ns : UINT64_MAX;
}

void axi_telemetry_free(struct axi_master *m)
{
    for (size_t i = 0; m->telemetry != NULL && i < m->telemetry->count; i++) {
        free(m->telemetry->nodes[i]);
    }
    if (m->telemetry != NULL) {
        free(m->telemetry->nodes);
        free(m->telemetry);
        m->telemetry = NULL;
    }
}

uint32_t axi_predicted_ppm(struct axi_master *m, uint64_t node)
{
    const struct watched *w = find(m->telemetry, node);
    const struct axi_forecast *f = w != NULL ? axi_predict_get(&w->load) : NULL;

    if (f == NULL || !f->is_bounded) {
        return 0;
    }
    return f->upper >= 1 ? (uint32_t)f->upper : 1;
}

uint32_t axi_measured_ppm(struct axi_master *m, uint64_t node)
{
    const struct watched *w = find(m->telemetry, node);

    return w != NULL ? (uint32_t)w->measured : 0;
}

uint64_t axi_telemetry_round(struct axi_master *m)
{
    return m->telemetry != NULL ? m->telemetry->round : 0;
}

json_t *axi_prediction_json(struct axi_master *m, const struct axi_node *node)
{
    const struct watched *w = find(m->telemetry, node->id);
    const struct axi_forecast *f = w != NULL ? axi_predict_get(&w->load) : NULL;
    double density = w != NULL ? axi_predict_get(&w->density)->upper : 0;
    double slack = fmax(node->hello.capacity_ppm - density, 0);

    if (f == NULL || !f->has_mean) {
        return NULL;
    }
    return json_pack(
        "{s:I, s:o, s:I, s:f, s:I, s:s, s:I, s:f, s:o, s:o}", "load_ppm", (json_int_t)w->measured,
        "predicted_ppm", f->is_bounded ? json_integer((json_int_t)f->upper) : json_null(),
        "mean_ppm", (json_int_t)f->mean, "quantile", QUANTILE, "horizon_ns",
        (json_int_t)m->telemetry->horizon_ns, "model", axi_predict_model_name(w->load.config.model),
        "samples", (json_int_t)w->load.count, "coverage", axi_predict_coverage(&w->load),
        "slack_ppm", f->is_bounded ? json_integer((json_int_t)slack) : json_null(), "latency_ns",
        f->is_bounded ? json_integer((json_int_t)axi_predict_get(&w->latency)->upper)
                      : json_null());
}
