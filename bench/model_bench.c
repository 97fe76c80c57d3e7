/* SPDX-License-Identifier: Apache-2.0 */
/* Timing model: one core, medians of several runs, one JSON object a line (bench/run). Task sets
 * are drawn with a fixed seed: periods log-uniform within one decade up to the given number of
 * ticks, deadline = period, rate-monotonic priorities, mean load 0.6, values evenly spaced with
 * geometrically falling probabilities. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/convolve.h"
#include "model/node.h"
#include "model/response.h"

enum { VALUE_MAX = 100, TASK_MAX = 128, RUNS = 5 };

static uint64_t state = 88172645463325252u;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int by_period(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void check(int error, const char *what)
{
    if (error != 0) {
        (void)fprintf(stderr, "model_bench: %s: %s\n", what, axi_error_text(error));
        exit(1);
    }
}

/* Values 1 x step, 2 x step, ...; the ratio of neighbours makes the mean what it should be. */
static void draw_pmf(struct axi_pmf *pmf, size_t count, double mean)
{
    uint64_t values[VALUE_MAX];
    double probs[VALUE_MAX];
    uint64_t step = (uint64_t)fmin(mean * 6 / (double)count, mean * 0.8);
    double low = 1e-9;
    double high = 1;

    step = step > 0 ? step : 1;
    for (int round = 0; round < 60; round++) {
        double ratio = (low + high) / 2;
        double sum = 0;
        double first = 0;

        for (size_t j = 0; j < count; j++) {
            values[j] = (j + 1) * step;
            probs[j] = pow(ratio, (double)j);
            sum += probs[j];
            first += probs[j] * (double)values[j];
        }
        if (first / sum < mean) {
            low = ratio;
        } else {
            high = ratio;
        }
        for (size_t j = 0; j < count; j++) {
            probs[j] /= sum;
        }
    }
    check(axi_pmf_init(pmf, values, probs, count, 0), "pmf");
}

static void draw_set(struct axi_model_task *tasks, size_t count, size_t values, double ticks)
{
    uint64_t periods[TASK_MAX];

    for (size_t i = 0; i < count; i++) {
        periods[i] = (uint64_t)(ticks * pow(10, -uniform()));
    }
    periods[0] = (uint64_t)ticks;
    qsort(periods, count, sizeof(periods[0]), by_period);
    memset(tasks, 0, count * sizeof(*tasks));
    for (size_t i = 0; i < count; i++) {
        tasks[i].priority = (uint32_t)i;
        tasks[i].period = tasks[i].deadline = periods[i];
        tasks[i].q_ok = 1;
        draw_pmf(&tasks[i].ok, values, 0.6 / (double)count * (double)periods[i]);
    }
}

static void free_set(struct axi_model_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        axi_pmf_deinit(&tasks[i].ok);
    }
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print(const char *name, double *runs, const char *goal, const char *note)
{
    qsort(runs, RUNS, sizeof(*runs), by_value);
    (void)printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"ms\", \"goal\": \"%s\", "
                 "\"note\": \"%s\"}\n",
                 name, runs[RUNS / 2], goal, note);
    (void)fflush(stdout);
}

/* Time of the analysis of levels first..count-1, preparation included. */
static void measure(const char *name, size_t count, size_t values, double ticks, bool all,
                    const char *goal)
{
    struct axi_model_options options = {.mode = AXI_MODE_SYNC};
    struct axi_response response = {0};
    struct axi_model_task tasks[TASK_MAX];
    double runs[RUNS];
    char note[192];

    draw_set(tasks, count, values, ticks);
    for (int run = 0; run < RUNS; run++) {
        struct axi_model *model = NULL;
        double start = now_ms();

        check(axi_model_new(&model, tasks, count), name);
        for (size_t k = all ? 0 : count - 1; k < count; k++) {
            check(axi_model_response(model, k, &options, &response), name);
        }
        runs[run] = now_ms() - start;
        axi_model_free(model);
    }
    (void)snprintf(note, sizeof(note),
                   "exact; lowest level P(late) = %.3g; %s; published tools are in other "
                   "languages, measured on other machines",
                   response.miss, axi_convolve_variant());
    print(name, runs, goal, note);
    free_set(tasks, count);
}

/* One candidate on a node of 50 tasks: its own bound, with the node's convolutions at hand. */
static void measure_candidate(const char *name, size_t priority, bool others, const char *goal)
{
    struct axi_model_task tasks[TASK_MAX];
    struct axi_node_verdict verdict = {0};
    double runs[RUNS];
    char note[128];

    draw_set(tasks, 51, 50, 10000);
    struct axi_model_task candidate = tasks[priority];

    memmove(tasks + priority, tasks + priority + 1, (50 - priority) * sizeof(tasks[0]));
    for (int run = 0; run < RUNS; run++) {
        struct axi_node_model *node = NULL;
        double start = 0;

        check(axi_node_model_new(&node, tasks, 50), name);
        start = now_ms();
        check(axi_node_model_try(node, &candidate, others, NULL, &verdict), name);
        runs[run] = now_ms() - start;
        axi_node_model_free(node);
    }
    (void)snprintf(note, sizeof(note), "SOUND; P(late) <= %.3g; worst other task <= %.3g",
                   verdict.candidate.hi, verdict.worst_other);
    print(name, runs, goal, note);
    tasks[50] = candidate;
    free_set(tasks, 51);
}

int main(void)
{
    measure("10 tasks x 2 values, lowest", 10, 2, 10000, false, "<= 1 ms");
    measure("25 tasks x 2 values, lowest", 25, 2, 10000, false, "<= 5 ms");
    measure("20 x 50 values, 1e4 ticks, all levels", 20, 50, 10000, true, "<= 40 ms");
    measure("50 x 50 values, 1e4 ticks, all levels", 50, 50, 10000, true, "<= 120 ms");
    measure("100 x 100 values, 1e4 ticks, all levels", 100, 100, 10000, true, "<= 300 ms");
    measure("100 x 100 values, 1e5 ticks, lowest", 100, 100, 100000, false, "<= 500 ms");
    measure_candidate("add one task to 50, lowest priority", 50, false, "<= 1000 ms");
    measure_candidate("add one task to 50, middle, all others again", 25, true, "<= 1000 ms");
    return 0;
}
