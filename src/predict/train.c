/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPOCHS 6u
#define BATCH 64u
#define RATE 2e-3f /* falls to zero over the training */
#define DECAY1 0.9f
#define DECAY2 0.999f
#define TARGET_LIMIT 20.0f
#define WARM_UP 8u /* samples before the first one that is learned from */

struct sample {
    float inputs[AXI_LEARNED_INPUTS];
    float target; /* change over the horizon, in scales */
    float weight; /* the scale: errors count in units of the range */
};

struct axi_train_set {
    struct sample *samples;
    size_t count, capacity;
    uint32_t series;
};

struct axi_train_set *axi_train_set_new(void)
{
    return calloc(1, sizeof(struct axi_train_set));
}

void axi_train_set_free(struct axi_train_set *set)
{
    if (set != NULL) {
        free(set->samples);
        free(set);
    }
}

size_t axi_train_set_count(const struct axi_train_set *set)
{
    return set->count;
}

static int reserve(struct axi_train_set *set, size_t more)
{
    size_t wanted = set->count + more;
    struct sample *grown;

    if (more > AXI_TRAIN_SAMPLES_MAX || wanted > AXI_TRAIN_SAMPLES_MAX) {
        return -AXC_EFULL;
    }
    if (wanted <= set->capacity) {
        return 0;
    }
    wanted = wanted + wanted / 2;
    grown = realloc(set->samples, wanted * sizeof(*grown));
    if (grown == NULL) {
        return -AXC_ENOMEM;
    }
    set->samples = grown;
    set->capacity = wanted;
    return 0;
}

int axi_train_set_add(struct axi_train_set *set, const double *samples, size_t count,
                      uint32_t horizon, double floor, double ceiling)
{
    struct axi_predict_config config = {
        .horizon = horizon, .quantile = 0.9, .floor = floor, .ceiling = ceiling};
    struct axi_predict p;
    int r = axi_predict_init(&p, &config);

    r = r == 0 ? reserve(set, count) : r;
    if (r != 0) {
        return r;
    }
    set->series++;
    for (size_t i = 0; i + horizon < count; i++) {
        struct sample *next = &set->samples[set->count];
        double now;
        double then;
        double scale;

        axi_predict_add(&p, samples[i]);
        if (p.count < WARM_UP || !isfinite(samples[i]) || !isfinite(samples[i + horizon])) {
            continue;
        }
        scale = axi_learned_inputs(&p, &p.pending[(p.count - 1) % horizon], next->inputs);
        now = fmin(fmax(samples[i], floor), ceiling);
        then = fmin(fmax(samples[i + horizon], floor), ceiling);
        next->target = (float)((then - now) / (ceiling - floor) / scale);
        next->target = fminf(fmaxf(next->target, -TARGET_LIMIT), TARGET_LIMIT);
        next->weight = (float)scale;
        set->count++;
    }
    return 0;
}

/* ---- training ---- */

struct trainer {
    float *values; /* of the weights trained */
    float gradient[AXI_LEARNED_WEIGHTS], first[AXI_LEARNED_WEIGHTS], second[AXI_LEARNED_WEIGHTS];
    float quantile;
    uint64_t random, steps;
    double loss, loss_weight;
};

static uint64_t draw(struct trainer *t, uint64_t below)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (t->random >> 11) % below;
}

static float draw_weight(struct trainer *t, uint32_t inputs)
{
    float unit = (float)draw(t, 1u << 20) / (float)(1u << 19) - 1;

    return unit * sqrtf(6.0f / (float)inputs);
}

/* He's initialisation; the output layer begins near "it stays as it is". */
static void begin(struct trainer *t)
{
    static const uint32_t sizes[] = {AXI_LEARNED_INPUTS, AXI_LEARNED_FIRST, AXI_LEARNED_SECOND,
                                     AXI_LEARNED_OUTPUTS};
    size_t at = 0;

    for (size_t layer = 0; layer < 3; layer++) {
        for (uint32_t o = 0; o < sizes[layer + 1]; o++) {
            t->values[at++] = 0;
            for (uint32_t i = 0; i < sizes[layer]; i++) {
                t->values[at++] = draw_weight(t, sizes[layer]) * (layer == 2 ? 0.05f : 1.0f);
            }
        }
    }
}

/* Slope of the pinball loss in what was said. */
static float slope(float tau, float value, float said)
{
    return value < said ? 1 - tau : -tau;
}

static float pinball(float tau, float value, float said)
{
    return value < said ? (1 - tau) * (said - value) : tau * (value - said);
}

/* Gradients of one layer; adds what reaches its inputs to back (NULL: nobody asks). */
static void layer_back(const float *w, float *g, const float *in, uint32_t in_count,
                       const float *out, const float *delta, uint32_t out_count, bool is_last,
                       float *back)
{
    for (uint32_t o = 0; o < out_count; o++) {
        float d = is_last || out[o] > 0 ? delta[o] : 0;

        if (d != 0) {
            g[0] += d;
            for (uint32_t i = 0; i < in_count; i++) {
                g[1 + i] += d * in[i];
            }
            for (uint32_t i = 0; back != NULL && i < in_count; i++) {
                back[i] += d * w[1 + i];
            }
        }
        w += in_count + 1;
        g += in_count + 1;
    }
}

static void learn(struct trainer *t, const struct sample *s)
{
    const size_t second_at = (AXI_LEARNED_INPUTS + 1) * AXI_LEARNED_FIRST;
    const size_t out_at = second_at + (AXI_LEARNED_FIRST + 1) * AXI_LEARNED_SECOND;
    float hidden[AXI_LEARNED_FIRST + AXI_LEARNED_SECOND];
    float out[AXI_LEARNED_OUTPUTS];
    float delta[AXI_LEARNED_OUTPUTS];
    float back[AXI_LEARNED_FIRST + AXI_LEARNED_SECOND] = {0};
    float upper;
    float above;

    axi_learned_run(t->values, s->inputs, hidden, out);
    upper = out[0] + axi_learned_softplus(out[1]);
    above = s->weight * slope(t->quantile, s->target, upper);
    delta[0] = s->weight * slope(0.5f, s->target, out[0]) + above;
    delta[1] = above / (1 + expf(-out[1]));
    t->loss += (double)(s->weight * (pinball(0.5f, s->target, out[0]) +
                                     pinball(t->quantile, s->target, upper)));
    t->loss_weight++;
    layer_back(t->values + out_at, t->gradient + out_at, hidden + AXI_LEARNED_FIRST,
               AXI_LEARNED_SECOND, out, delta, AXI_LEARNED_OUTPUTS, true, back + AXI_LEARNED_FIRST);
    layer_back(t->values + second_at, t->gradient + second_at, hidden, AXI_LEARNED_FIRST,
               hidden + AXI_LEARNED_FIRST, back + AXI_LEARNED_FIRST, AXI_LEARNED_SECOND, false,
               back);
    layer_back(t->values, t->gradient, s->inputs, AXI_LEARNED_INPUTS, hidden, back,
               AXI_LEARNED_FIRST, false, NULL);
}

/* Adam (Kingma and Ba 2015). */
static void step(struct trainer *t, float rate)
{
    float correct1;
    float correct2;

    t->steps++;
    correct1 = 1 - powf(DECAY1, (float)t->steps);
    correct2 = 1 - powf(DECAY2, (float)t->steps);
    for (size_t i = 0; i < AXI_LEARNED_WEIGHTS; i++) {
        float g = t->gradient[i] / (float)BATCH;

        t->first[i] = DECAY1 * t->first[i] + (1 - DECAY1) * g;
        t->second[i] = DECAY2 * t->second[i] + (1 - DECAY2) * g * g;
        t->values[i] -= rate * (t->first[i] / correct1) / (sqrtf(t->second[i] / correct2) + 1e-9f);
        t->gradient[i] = 0;
    }
}

static void pass(struct trainer *t, const struct axi_train_set *set, uint32_t *order, uint64_t all)
{
    t->loss = t->loss_weight = 0;
    for (size_t i = set->count; i > 1; i--) { /* Fisher-Yates */
        size_t j = (size_t)draw(t, i);
        uint32_t swap = order[i - 1];

        order[i - 1] = order[j];
        order[j] = swap;
    }
    for (size_t i = 0; i < set->count; i++) {
        learn(t, &set->samples[order[i]]);
        if (i % BATCH == BATCH - 1 || i + 1 == set->count) {
            step(t, RATE * (1 - (float)t->steps / (float)all));
        }
    }
}

int axi_train_run(const struct axi_train_set *set, const struct axi_train_options *options,
                  struct axi_predict_weights *ret_weights, double *ret_loss)
{
    uint32_t epochs = options->epochs != 0 ? options->epochs : EPOCHS;
    struct trainer *t = calloc(1, sizeof(*t));
    uint32_t *order = calloc(set->count > 0 ? set->count : 1, sizeof(uint32_t));
    struct axi_predict_weights made = {.seed = options->seed, .series = set->series};
    int r = t == NULL || order == NULL ? -AXC_ENOMEM : set->count == 0 ? -AXC_EMODEL_EMPTY : 0;

    if (r == 0) {
        made.quantile = options->quantile > 0 ? options->quantile : 0.95f;
        made.samples = set->count;
        strncpy(made.name, options->name != NULL ? options->name : "", sizeof(made.name) - 1);
        t->values = made.values;
        t->quantile = made.quantile;
        t->random = (options->seed + 1) * 0x9e3779b97f4a7c15ull;
        begin(t);
        for (size_t i = 0; i < set->count; i++) {
            order[i] = (uint32_t)i;
        }
        for (uint32_t e = 0; e < epochs; e++) {
            pass(t, set, order, epochs * (set->count / BATCH + 1));
        }
        for (size_t i = 0; i < AXI_LEARNED_WEIGHTS; i++) {
            r = fabsf(made.values[i]) <= AXI_LEARNED_LIMIT ? r : -AXC_EPREDICT_VALUE;
        }
    }
    if (r == 0) {
        *ret_weights = made;
        if (ret_loss != NULL) {
            *ret_loss = t->loss / t->loss_weight;
        }
    }
    free(order);
    free(t);
    return r;
}

/* ---- judging ---- */

int axi_judge(const struct axi_predict_config *config, const double *samples, size_t count,
              struct axi_judgement *judgement)
{
    struct axi_forecast said[AXI_PREDICT_HORIZON_MAX] = {0};
    struct axi_predict p;
    int r = axi_predict_init(&p, config);

    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct axi_forecast *f = &said[i % config->horizon];
        double q = config->quantile;

        if (f->is_bounded) {
            double over = samples[i] - f->upper;

            judgement->error += fabs(samples[i] - f->mean);
            judgement->pinball += over > 0 ? q * over : (q - 1) * over;
            judgement->coverage += over > 0 ? 0 : 1;
            judgement->width += f->upper - f->mean;
            judgement->count++;
        }
        axi_predict_add(&p, samples[i]);
        said[i % config->horizon] = *axi_predict_get(&p);
    }
    return r;
}

void axi_judgement_finish(struct axi_judgement *judgement)
{
    double n = judgement->count > 0 ? (double)judgement->count : 1;

    judgement->error /= n;
    judgement->pinball /= n;
    judgement->coverage /= n;
    judgement->width /= n;
}
