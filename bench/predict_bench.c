/* SPDX-License-Identifier: Apache-2.0 */
/* Prediction of load: what each model errs by on each family of loads, 10 s ahead, and what a
 * sample costs. The learned model is judged on every family by weights that never saw it (trained
 * here on the six others), and by the built-in ones. With arguments, recorded telemetry (CSV) is
 * judged as well. Fixed seeds. One JSON object a line (bench/run). */
#include "predict/trace.h"
#include "predict/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES 4000u
#define SERIES 20u
#define JUDGED_SEED 900000000u /* training draws others */

static const struct axi_predict_config base = {
    .horizon = 20, .quantile = 0.95, .floor = 0, .ceiling = 1e6};
static double samples[SAMPLES];

static double now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

static void must(int r)
{
    if (r != 0) {
        (void)fprintf(stderr, "predict_bench: %s\n", axi_error_name(r));
        exit(1);
    }
}

static struct axi_judgement judge(enum axi_predict_model model, enum axi_workload family,
                                  const struct axi_predict_weights *weights)
{
    struct axi_predict_config config = base;
    struct axi_judgement judgement = {0};

    config.model = model;
    config.weights = weights;
    for (uint64_t seed = 0; seed < SERIES; seed++) {
        axi_workload_make(family, JUDGED_SEED + seed, SAMPLES, samples);
        must(axi_judge(&config, samples, SAMPLES, &judgement));
    }
    axi_judgement_finish(&judgement);
    return judgement;
}

static void train_without(enum axi_workload family, struct axi_predict_weights *ret_weights)
{
    struct axi_train_set *set = axi_train_set_new();
    const struct axi_train_options options = {.seed = 1, .name = "bench"};

    must(set != NULL ? 0 : -AXC_ENOMEM);
    must(axi_train_set_add_simulated(set, ((1u << AXI_WORKLOADS) - 1) & ~(1u << family), 0));
    must(axi_train_run(set, &options, ret_weights, NULL));
    axi_train_set_free(set);
}

static void report(const char *family, const char *model, const struct axi_judgement *judgement,
                   const struct axi_judgement *last, const char *goal)
{
    (void)printf("{\"name\": \"%s: %s\", \"value\": %.4f, \"unit\": \"%%\", \"versus\": \"last\", "
                 "\"versus_value\": %.4f, \"goal\": \"%s\", \"note\": \"pinball loss at 0.95, of a "
                 "node; mean error %.2f %%, coverage %.3f, bound %.1f %% above the mean\"}\n",
                 family, model, judgement->pinball / 1e4, last->pinball / 1e4, goal,
                 judgement->error / 1e4, judgement->coverage, judgement->width / 1e4);
}

static void judge_family(enum axi_workload family)
{
    static struct axi_predict_weights unseen;
    struct axi_judgement last = judge(AXI_PREDICT_LAST, family, NULL);
    const char *name = axi_workload_name(family);
    struct axi_judgement judgement;
    bool is_held_out = family == AXI_WORKLOAD_HEAVY || family == AXI_WORKLOAD_MODES;

    for (unsigned model = AXI_PREDICT_LAST; model <= AXI_PREDICT_RLS; model++) {
        judgement = judge((enum axi_predict_model)model, family, NULL);
        report(name, axi_predict_model_name((enum axi_predict_model)model), &judgement, &last, "");
    }
    train_without(family, &unseen);
    judgement = judge(AXI_PREDICT_LEARNED, family, &unseen);
    report(name, "learned without it", &judgement, &last, "ratio < 1");
    judgement = judge(AXI_PREDICT_LEARNED, family, axi_weights_default());
    report(name, is_held_out ? "learned, built in (never saw it)" : "learned, built in", &judgement,
           &last, is_held_out ? "ratio < 1" : "");
}

static void cost(enum axi_predict_model model)
{
    struct axi_predict_config config = base;
    struct axi_predict p;
    double start;

    config.model = model;
    config.weights = axi_weights_default();
    must(axi_predict_init(&p, &config));
    axi_workload_make(AXI_WORKLOAD_STEPS, 3, SAMPLES, samples);
    start = now_us();
    for (uint32_t i = 0; i < 20 * SAMPLES; i++) {
        axi_predict_add(&p, samples[i % SAMPLES]);
    }
    (void)printf(
        "{\"name\": \"a sample, %s\", \"value\": %.3f, \"unit\": \"us\", \"goal\": \"a few "
        "us\", \"note\": \"learned from and predicted, all baselines with it; %zu bytes a "
        "series\"}\n",
        axi_predict_model_name(model), (now_us() - start) / (20 * SAMPLES), sizeof(p));
}

static void judge_trace(const char *path)
{
    struct axi_judgement judged[AXI_PREDICT_MODELS] = {0};
    struct axi_telemetry_trace trace = {0};
    FILE *file = fopen(path, "re");
    size_t line = 0;

    must(file != NULL ? 0 : -AXC_ENOENT);
    must(axi_telemetry_trace_read(file, &trace, &line));
    (void)fclose(file);
    for (unsigned model = 0; model < AXI_PREDICT_MODELS; model++) {
        struct axi_predict_config config = base;

        config.model = (enum axi_predict_model)model;
        config.weights = axi_weights_default();
        for (size_t i = 0; i < trace.count; i++) {
            must(
                axi_judge(&config, trace.series[i].samples, trace.series[i].count, &judged[model]));
        }
        axi_judgement_finish(&judged[model]);
        report("recorded", axi_predict_model_name(config.model), &judged[model], &judged[0], "");
    }
    axi_telemetry_trace_clear(&trace);
}

int main(int argc, char **argv)
{
    cost(AXI_PREDICT_LAST);
    cost(AXI_PREDICT_LEARNED);
    for (unsigned family = 0; family < AXI_WORKLOADS; family++) {
        judge_family((enum axi_workload)family);
    }
    for (int i = 1; i < argc; i++) {
        judge_trace(argv[i]);
    }
    return 0;
}
