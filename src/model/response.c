/* SPDX-License-Identifier: Apache-2.0 */
#include "model/response.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_internal.h"

uint64_t axi_model_gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static uint64_t gcd_of_pmf(uint64_t gcd, const struct axi_pmf *pmf)
{
    for (size_t j = 0; j < pmf->count && gcd != 1; j++) {
        gcd = axi_model_gcd(gcd, pmf->values[j]);
    }
    return gcd;
}

static int check_task(const struct axi_model_task *task)
{
    if (task->period == 0) {
        return -AXC_EMODEL_PERIOD;
    }
    if (task->deadline == 0 || task->deadline > task->period) {
        return -AXC_EMODEL_DEADLINE;
    }
    if (!(task->q_ok >= 0 && task->q_bad >= 0 && fabs(task->q_ok + task->q_bad - 1) <= 1e-9)) {
        return -AXC_EMODEL_PROBABILITY;
    }
    if (task->ok.tails == NULL || (task->containment == AXI_CONTAIN_BUDGET && task->budget == 0)) {
        return -AXC_EMODEL_EMPTY;
    }
    return 0;
}

static int make_interference(struct axi_model *model, size_t i)
{
    const struct axi_model_task *task = &model->tasks[i];
    const struct axi_pmf *bad = task->bad.tails != NULL ? &task->bad : &task->ok;
    uint64_t limit = task->containment == AXI_CONTAIN_BUDGET ? task->budget : task->deadline;
    int error = bad == &task->ok
                    ? axi_pmf_copy(&model->mixed[i], &task->ok)
                    : axi_pmf_mix(&model->mixed[i], &task->ok, task->q_ok, bad, task->q_bad);

    if (error != 0) {
        return error;
    }
    model->gcd = axi_model_gcd(gcd_of_pmf(model->gcd, &model->mixed[i]), task->period);
    model->gcd = axi_model_gcd(gcd_of_pmf(model->gcd, &task->ok), task->deadline);
    if (task->containment == AXI_CONTAIN_NONE) {
        return axi_pmf_copy(&model->interference[i], &model->mixed[i]);
    }
    model->gcd = axi_model_gcd(model->gcd, limit);
    return axi_pmf_contain(&model->interference[i], &model->mixed[i], limit);
}

int axi_model_new(struct axi_model **ret_model, const struct axi_model_task *tasks, size_t count)
{
    struct axi_model *model = NULL;
    int error = 0;

    if (count == 0) {
        return -AXC_EMODEL_EMPTY;
    }
    if (count > AXI_MODEL_MAX_TASKS) {
        return -AXC_EMODEL_GRID;
    }
    for (size_t i = 0; i < count; i++) {
        error = check_task(&tasks[i]);
        if (error != 0) {
            return error;
        }
    }
    model = calloc(1, sizeof(*model));
    if (model == NULL) {
        return -AXC_ENOMEM;
    }
    model->tasks = tasks;
    model->count = count;
    model->mixed = calloc(count, sizeof(*model->mixed));
    model->interference = calloc(count, sizeof(*model->interference));
    error = model->mixed == NULL || model->interference == NULL ? -AXC_ENOMEM : 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        error = make_interference(model, i);
    }
    axi_walk_init(&model->walk, AXI_MODEL_CELLS, false);
    if (error != 0) {
        axi_model_free(model);
        return error;
    }
    *ret_model = model;
    return 0;
}

static void free_pmfs(struct axi_pmf *pmfs, size_t count)
{
    for (size_t i = 0; pmfs != NULL && i < count; i++) {
        axi_pmf_deinit(&pmfs[i]);
    }
    free(pmfs);
}

static void free_scaled(const struct axi_model *model, struct axi_model_scaled *scaled)
{
    free_pmfs(scaled->own, model->count);
    free_pmfs(scaled->interference, model->count);
    memset(scaled, 0, sizeof(*scaled));
}

void axi_model_free(struct axi_model *model)
{
    if (model == NULL) {
        return;
    }
    free_scaled(model, &model->exact);
    free_scaled(model, &model->coarse);
    free_pmfs(model->mixed, model->count);
    free_pmfs(model->interference, model->count);
    axi_pmf_deinit(&model->prefix);
    axi_walk_deinit(&model->walk);
    free(model->releases);
    free(model);
}

int axi_model_scale(const struct axi_model *model, struct axi_model_scaled *scaled, uint64_t grid,
                    bool up)
{
    int error = 0;

    if (scaled->grid == grid && scaled->up == up) {
        return 0;
    }
    free_scaled(model, scaled);
    scaled->own = calloc(model->count, sizeof(struct axi_pmf));
    scaled->interference = calloc(model->count, sizeof(struct axi_pmf));
    if (scaled->own == NULL || scaled->interference == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < model->count && error == 0; i++) {
        error = axi_pmf_scale(&scaled->own[i], &model->tasks[i].ok, grid, up);
        if (error == 0) {
            error = axi_pmf_scale(&scaled->interference[i], &model->interference[i], grid, up);
        }
    }
    if (error != 0) {
        free_scaled(model, scaled);
        return error;
    }
    scaled->grid = grid;
    scaled->up = up;
    return 0;
}

int axi_model_add_release(struct axi_model *model, size_t *count, uint64_t time, size_t task)
{
    if (*count == model->release_room) {
        size_t room = model->release_room == 0 ? 256 : 2 * model->release_room;
        struct axi_model_release *grown = NULL;

        if (room > AXI_MODEL_RELEASES) {
            return -AXC_EMODEL_GRID;
        }
        grown = realloc(model->releases, room * sizeof(*grown));
        if (grown == NULL) {
            return -AXC_ENOMEM;
        }
        model->releases = grown;
        model->release_room = room;
    }
    model->releases[(*count)++] = (struct axi_model_release){time, (uint32_t)task};
    return 0;
}

static int compare_releases(const void *left, const void *right)
{
    const struct axi_model_release *a = left;
    const struct axi_model_release *b = right;

    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return (a->task > b->task) - (a->task < b->task);
}

void axi_model_sort_releases(struct axi_model *model, size_t count)
{
    if (count == 0) { /* qsort takes no null array, not even an empty one */
        return;
    }
    qsort(model->releases, count, sizeof(*model->releases), compare_releases);
}

static uint64_t scale_time(const struct axi_model_scaled *scaled, uint64_t time, bool down)
{
    return time / scaled->grid + (!down && time % scaled->grid != 0);
}

/* Releases of hp(k) before the deadline; carry-in tasks get an extra job at 0 and run ahead. */
static int collect(struct axi_model *model, const struct axi_model_scaled *scaled, size_t k,
                   const uint64_t *carry_in, bool without_first, size_t *count)
{
    uint64_t deadline = model->tasks[k].deadline;

    *count = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct axi_model_task *task = &model->tasks[i];
        uint64_t time = 0;
        int error = 0;

        if (!axi_model_interferes(model, i, k)) {
            continue;
        }
        if (carry_in != NULL && axi_model_in_set(carry_in, i)) {
            error = without_first ? 0 : axi_model_add_release(model, count, 0, i);
            time = task->period - task->deadline;
        } else if (without_first) {
            time = task->period;
        }
        for (; error == 0 && time < deadline; time += task->period) {
            error = axi_model_add_release(model, count, scale_time(scaled, time, scaled->up), i);
            if (task->period > UINT64_MAX - time) {
                break;
            }
        }
        if (error != 0) {
            return error;
        }
    }
    axi_model_sort_releases(model, *count);
    return 0;
}

static bool cancelled(const struct axi_model_options *options)
{
    return options->poll != NULL && options->poll(options->context) != 0;
}

static bool has_prefix(const struct axi_model *model, const struct axi_model_scaled *scaled,
                       size_t k)
{
    return scaled == &model->exact && model->prefix.tails != NULL && model->prefix_task == k;
}

static uint64_t prefix_terms(const struct axi_model *model, const struct axi_model_scaled *scaled,
                             size_t k)
{
    uint64_t terms = 0;

    for (size_t i = 0; i < model->count; i++) {
        terms += axi_model_interferes(model, i, k) ? scaled->interference[i].count + 2 : 0;
    }
    return terms;
}

int axi_model_make_prefix(struct axi_model *model, const struct axi_model_scaled *scaled, size_t k)
{
    struct axi_walk *walk = &model->walk;
    int error = 0;

    if (scaled != &model->exact || has_prefix(model, scaled, k)) {
        return 0;
    }
    axi_pmf_deinit(&model->prefix);
    walk->keep_done = true;
    error = axi_walk_begin(walk, scale_time(scaled, model->tasks[k].deadline, scaled->up));
    for (size_t i = 0; i < model->count && error == 0; i++) {
        if (axi_model_interferes(model, i, k)) {
            error = axi_walk_add(walk, &scaled->interference[i]);
        }
    }
    if (error == 0) {
        error = axi_walk_result(walk, &model->prefix);
    }
    walk->keep_done = false;
    model->prefix_task = k;
    return error;
}

int axi_model_walk(struct axi_model *model, const struct axi_model_scaled *scaled, size_t k,
                   const uint64_t *carry_in, const struct axi_model_options *options)
{
    struct axi_walk *walk = &model->walk;
    bool prepared = has_prefix(model, scaled, k);
    uint64_t deadline = scale_time(scaled, model->tasks[k].deadline, scaled->up);
    size_t count = 0;
    int error = collect(model, scaled, k, carry_in, prepared, &count);

    if (error == 0) {
        error = prepared ? axi_walk_begin_from(walk, deadline, &model->prefix)
                         : axi_walk_begin(walk, deadline);
        walk->terms += prepared ? prefix_terms(model, scaled, k) : 0;
    }
    if (error == 0) {
        error =
            axi_walk_add(walk, options->unconditional ? &scaled->interference[k] : &scaled->own[k]);
    }
    for (size_t r = 0; r < count && error == 0 && !walk->empty; r++) {
        const struct axi_model_release *release = &model->releases[r];

        if (release->time > 0) {
            error = axi_walk_settle(walk, release->time);
        }
        if (error == 0) {
            error = axi_walk_add(walk, &scaled->interference[release->task]);
        }
        if (error == 0 && cancelled(options)) {
            error = -AXC_ECANCELLED;
        }
    }
    return error;
}

/* Value of the mode on one grid. */
static int evaluate(struct axi_model *model, const struct axi_model_scaled *scaled, size_t k,
                    const struct axi_model_options *options, struct axi_response *response,
                    uint64_t *ret_terms)
{
    int error = 0;

    if (options->mode == AXI_MODE_SOUND) {
        return axi_model_sound(model, scaled, k, options, response, ret_terms);
    }
    error = axi_model_walk(model, scaled, k, NULL, options);
    response->miss = model->walk.miss;
    *ret_terms = model->walk.terms;
    return error;
}

static double round_up(double value, uint64_t terms)
{
    double up = value * (1 + (double)terms * 2.3e-16);

    return up < 1 ? up : 1;
}

static double round_down(double value, uint64_t terms)
{
    double down = value * (1 - (double)terms * 2.3e-16);

    return down > 0 ? down : 0;
}

static int respond_exact(struct axi_model *model, size_t k, const struct axi_model_options *options,
                         struct axi_response *response)
{
    uint64_t terms = 0;
    int error = axi_model_scale(model, &model->exact, model->gcd, true);

    if (error == 0) {
        error = evaluate(model, &model->exact, k, options, response, &terms);
    }
    response->lo = round_down(response->miss, terms);
    response->hi = round_up(response->miss, terms);
    response->grid = model->gcd;
    response->exact = true;
    return error;
}

static int respond_on_grid(struct axi_model *model, size_t k, uint64_t grid,
                           const struct axi_model_options *options, struct axi_response *response)
{
    uint64_t terms = 0;
    int error = axi_model_scale(model, &model->coarse, grid, false);

    if (error == 0) {
        error = evaluate(model, &model->coarse, k, options, response, &terms);
    }
    response->lo = round_down(response->miss, terms);
    if (error == 0) {
        error = axi_model_scale(model, &model->coarse, grid, true);
    }
    if (error == 0) {
        error = evaluate(model, &model->coarse, k, options, response, &terms);
    }
    response->hi = round_up(response->miss, terms);
    response->grid = grid;
    response->exact = false;
    return error;
}

/* Halves the grid until the bracket decides the target or the memory limit is met; without a target
 * one grid of 2^16 cells. */
static int refine(struct axi_model *model, size_t k, const struct axi_model_options *options,
                  size_t cells, struct axi_response *response)
{
    uint64_t deadline = model->tasks[k].deadline;
    size_t first = options->target > 0 ? 16384 : 65536;
    int error = 0;

    for (size_t want = cells < first ? cells : first; want <= cells; want *= 2) {
        error = respond_on_grid(model, k, deadline / want + 1, options, response);
        if (error != 0 || !(response->lo <= options->target && options->target < response->hi)) {
            return error;
        }
    }
    return 0;
}

int axi_model_response(struct axi_model *model, size_t k, const struct axi_model_options *options,
                       struct axi_response *ret_response)
{
    struct axi_response response = {0};
    size_t cells = options->max_cells > 0 ? options->max_cells : AXI_MODEL_CELLS;
    int error = 0;

    if (k >= model->count) {
        return -AXC_EINVALID;
    }
    if (options->mode == AXI_MODE_PERIODIC) {
        return axi_model_periodic(model, k, options, ret_response);
    }
    model->walk.max_cells = cells;
    model->walk.keep_done = false;
    if (options->grid > 0) {
        if (model->tasks[k].deadline / options->grid >= cells) {
            return -AXC_EMODEL_GRID;
        }
        error = respond_on_grid(model, k, options->grid, options, &response);
    } else {
        error = respond_exact(model, k, options, &response);
        if (error == -AXC_EMODEL_GRID) {
            error = refine(model, k, options, cells, &response);
        }
    }
    response.mean = response.miss;
    if (error == 0) {
        *ret_response = response;
    }
    return error;
}

int axi_model_carry_in(struct axi_model *model, size_t k, const uint64_t *carry_in,
                       const struct axi_model_options *options, double *ret_miss,
                       struct axi_pmf *ret_pmf)
{
    int error = axi_model_scale(model, &model->exact, model->gcd, true);

    if (error != 0) {
        return error;
    }
    model->walk.max_cells = options->max_cells > 0 ? options->max_cells : AXI_MODEL_CELLS;
    model->walk.keep_done = ret_pmf != NULL;
    error = axi_model_walk(model, &model->exact, k, carry_in, options);
    if (error == 0 && ret_pmf != NULL) {
        error = axi_walk_result(&model->walk, ret_pmf);
        for (size_t j = 0; error == 0 && j < ret_pmf->count; j++) {
            ret_pmf->values[j] *= model->gcd;
        }
    }
    if (error == 0) {
        *ret_miss = model->walk.miss;
    }
    return error;
}

uint64_t axi_model_estimate_bytes(const struct axi_model *model, size_t k, uint64_t grid)
{
    uint64_t cells = model->tasks[k].deadline / (grid > 0 ? grid : model->gcd);

    return cells > UINT64_MAX / 32 ? UINT64_MAX : (cells + 1) * 2 * sizeof(double);
}

const struct axi_pmf *axi_model_interference(const struct axi_model *model, size_t k)
{
    return &model->interference[k];
}

double axi_model_failure(const struct axi_model_task *task, double late)
{
    double f = task->q_ok * late + task->q_bad;

    return f < 1 ? f : 1;
}

double axi_model_per_hour(double f, double activations_per_hour)
{
    return f >= 1 ? 1 : -expm1(activations_per_hour * log1p(-f));
}
