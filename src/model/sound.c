/* SPDX-License-Identifier: Apache-2.0 */
/* S2: B(A) = min(1, 2^|hp \ A| * P_A) is sound for every set A of carry-in tasks, so any search is
 * safe. Small nodes use the greedy search of the specification. On large ones the tasks are ranked
 * by a Chernoff estimate of what carry-in costs against a factor of two, and exact values are
 * computed for a few prefixes of that ranking. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_internal.h"

enum { GREEDY_LIMIT = 10, PREFIX_TRIES = 6 };

struct search {
    struct axi_model *model;
    const struct axi_model_scaled *scaled;
    const struct axi_model_options *options;
    size_t k;
    size_t hp_count;
    uint32_t hp[AXI_MODEL_MAX_TASKS];
    double cost[AXI_MODEL_MAX_TASKS]; /* by task: ln of carry-in minus ln 2 */
    struct axi_response *best;
    uint64_t best_terms;
};

static int evaluate(struct search *search, const uint64_t *set, size_t in_set, double *ret_bound)
{
    size_t doubled = search->hp_count - in_set;
    int error = axi_model_walk(search->model, search->scaled, search->k, set, search->options);
    double bound = 0;

    if (error != 0) {
        return error;
    }
    bound = search->model->walk.miss;
    if (bound > 0) {
        bound = doubled > 2000 ? 1 : ldexp(bound, (int)doubled);
    }
    bound = bound < 1 ? bound : 1;
    if (bound < search->best->miss) {
        search->best->miss = bound;
        search->best->doubled = doubled;
        search->best_terms = search->model->walk.terms;
        memcpy(search->best->carry_in, set, sizeof(search->best->carry_in));
    }
    *ret_bound = bound;
    return 0;
}

static int greedy(struct search *search)
{
    for (;;) {
        uint64_t set[AXI_MODEL_MAX_TASKS / 64];
        double before = search->best->miss;
        size_t in_set = search->hp_count - search->best->doubled;

        memcpy(set, search->best->carry_in, sizeof(set));
        for (size_t h = 0; h < search->hp_count; h++) {
            double bound = 0;
            int error = 0;

            if (axi_model_in_set(set, search->hp[h])) {
                continue;
            }
            axi_model_put(set, search->hp[h], true);
            error = evaluate(search, set, in_set + 1, &bound);
            axi_model_put(set, search->hp[h], false);
            if (error != 0) {
                return error;
            }
        }
        if (!(search->best->miss < before)) {
            return 0;
        }
    }
}

double axi_model_ln_mgf(const struct axi_pmf *pmf, double theta)
{
    double sum = 0;
    double top = 0;

    if (pmf->count == 0) {
        return 0;
    }
    top = theta * (double)pmf->values[pmf->count - 1];
    for (size_t j = 0; j < pmf->count; j++) {
        sum += pmf->probs[j] * exp(theta * (double)pmf->values[j] - top);
    }
    return top + log(sum);
}

/* Jobs in the window [0, deadline) without and with carry-in. */
static void jobs(const struct axi_model *model, size_t i, size_t k, double *plain, double *carried)
{
    const struct axi_model_task *task = &model->tasks[i];
    uint64_t deadline = model->tasks[k].deadline;
    uint64_t shift = task->period - task->deadline;

    *plain = (double)((deadline - 1) / task->period + 1);
    *carried = 1 + (shift < deadline ? (double)((deadline - 1 - shift) / task->period + 1) : 0);
}

/* Exponent of the Chernoff bound at t = deadline with the cheaper choice for every task. */
static double exponent(struct search *search, double theta, double *costs)
{
    const struct axi_model_scaled *scaled = search->scaled;
    double sum = -theta * (double)search->model->tasks[search->k].deadline / (double)scaled->grid +
                 axi_model_ln_mgf(&scaled->own[search->k], theta);

    for (size_t h = 0; h < search->hp_count; h++) {
        size_t i = search->hp[h];
        double ln_mgf = axi_model_ln_mgf(&scaled->interference[i], theta);
        double plain = 0;
        double carried = 0;
        double cost = 0;

        jobs(search->model, i, search->k, &plain, &carried);
        cost = (carried - plain) * ln_mgf - log(2);
        sum += plain * ln_mgf + log(2) + (cost < 0 ? cost : 0);
        if (costs != NULL) {
            costs[i] = cost;
        }
    }
    return sum;
}

static void rank(struct search *search)
{
    double unit =
        1.0 / ((double)search->model->tasks[search->k].deadline / (double)search->scaled->grid);
    double best_theta = unit;
    double best = INFINITY;

    for (int step = -4; step <= 48; step++) {
        double theta = unit * exp2(step * 0.25);
        double value = exponent(search, theta, NULL);

        if (value < best) {
            best = value;
            best_theta = theta;
        }
    }
    (void)exponent(search, best_theta, search->cost);
    for (size_t a = 1; a < search->hp_count; a++) {
        uint32_t moving = search->hp[a];
        size_t at = a;

        for (; at > 0 && search->cost[search->hp[at - 1]] > search->cost[moving]; at--) {
            search->hp[at] = search->hp[at - 1];
        }
        search->hp[at] = moving;
    }
}

static int try_prefix(struct search *search, size_t length, double *ret_bound)
{
    uint64_t set[AXI_MODEL_MAX_TASKS / 64] = {0};

    for (size_t h = 0; h < length; h++) {
        axi_model_put(set, search->hp[h], true);
    }
    return evaluate(search, set, length, ret_bound);
}

/* Walks from the estimated best length towards lower bounds in shrinking steps. */
static int ranked(struct search *search)
{
    size_t length = 0;
    size_t step = search->hp_count / 8 + 1;
    double best = 0;
    int error = 0;

    rank(search);
    while (length < search->hp_count && search->cost[search->hp[length]] < 0) {
        length++;
    }
    error = try_prefix(search, length, &best);
    for (int tries = 0; error == 0 && tries < PREFIX_TRIES && step > 0; tries += 2) {
        double up = INFINITY;
        double down = INFINITY;

        if (length + step <= search->hp_count) {
            error = try_prefix(search, length + step, &up);
        }
        if (error == 0 && up >= best && length >= step) {
            error = try_prefix(search, length - step, &down);
        }
        if (up < best) {
            length += step;
            best = up;
        } else if (down < best) {
            length -= step;
            best = down;
        } else {
            step /= 2;
        }
    }
    return error;
}

int axi_model_sound(struct axi_model *model, const struct axi_model_scaled *scaled, size_t k,
                    const struct axi_model_options *options, struct axi_response *response,
                    uint64_t *ret_terms)
{
    struct search *search = calloc(1, sizeof(*search));
    uint64_t none[AXI_MODEL_MAX_TASKS / 64] = {0};
    double sync = 0;
    int error = 0;

    if (search == NULL) {
        return -AXC_ENOMEM;
    }
    *search = (struct search){
        .model = model, .scaled = scaled, .options = options, .k = k, .best = response};
    for (size_t i = 0; i < model->count; i++) {
        if (axi_model_interferes(model, i, k)) {
            search->hp[search->hp_count++] = (uint32_t)i;
        }
    }
    response->miss = 2; /* above any bound, so that the first one is taken */
    error = axi_model_make_prefix(model, scaled, k);
    if (error == 0) {
        error = evaluate(search, none, 0, &sync);
    }
    if (error == 0 && sync > 0 && search->hp_count > 0) {
        error = search->hp_count <= GREEDY_LIMIT ? greedy(search) : ranked(search);
    }
    *ret_terms = search->best_terms;
    free(search);
    return error;
}
