/* SPDX-License-Identifier: Apache-2.0 */
/* S3: backlog of all work of priority k and above, walked over hyperperiods of known releases;
 * every job of task k starts from the backlog it finds and is then pre-empted as in S1. Late jobs
 * go on. */
#include <math.h>
#include <string.h>

#include "model/model_internal.h"

#define WINDOW_LIMIT 10000u
/* Of hyperperiod and offsets: all windows fit in 64 bits. */
#define TIME_LIMIT ((uint64_t)1 << 48)

struct periodic {
    struct axi_model *model;
    const struct axi_model_scaled *scaled;
    const struct axi_model_options *options;
    size_t k;
    uint64_t hyperperiod;
    struct axi_walk backlog;
    double max;
    double mean;
};

static bool takes_part(const struct periodic *run, size_t i)
{
    return i == run->k || axi_model_interferes(run->model, i, run->k);
}

static int find_hyperperiod(struct periodic *run)
{
    uint64_t period = 1;

    for (size_t i = 0; i < run->model->count; i++) {
        const struct axi_model_task *task = &run->model->tasks[i];

        if (takes_part(run, i) &&
            __builtin_mul_overflow(period / axi_model_gcd(period, task->period), task->period,
                                   &period)) {
            return -AXC_EMODEL_GRID;
        }
    }
    for (size_t i = 0; i < run->model->count; i++) {
        const struct axi_model_task *task = &run->model->tasks[i];

        if (takes_part(run, i) && (period / task->period > AXI_MODEL_RELEASES / 2 ||
                                   period > TIME_LIMIT || task->offset > TIME_LIMIT)) {
            return -AXC_EMODEL_GRID;
        }
    }
    run->hyperperiod = period;
    return 0;
}

/* Releases in [from, from + hyperperiod + deadline), in time order, task k last at an instant. */
static int collect(struct periodic *run, uint64_t from, size_t *count)
{
    struct axi_model *model = run->model;
    uint64_t end = from + run->hyperperiod + model->tasks[run->k].deadline;

    *count = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct axi_model_task *task = &model->tasks[i];
        uint64_t time = task->offset;

        if (!takes_part(run, i)) {
            continue;
        }
        if (time < from) {
            time += (from - time + task->period - 1) / task->period * task->period;
        }
        for (; time < end; time += task->period) {
            uint32_t id = i == run->k ? UINT32_MAX : (uint32_t)i;
            int error = axi_model_add_release(model, count, time, id);

            if (error != 0) {
                return error;
            }
        }
    }
    axi_model_sort_releases(model, *count);
    return 0;
}

/* Miss probability of the job of k at releases[at]; in grid units. */
static int one_job(struct periodic *run, size_t at, size_t count, double *ret_miss)
{
    struct axi_model *model = run->model;
    struct axi_walk *walk = &model->walk;
    uint64_t grid = run->scaled->grid;
    uint64_t start = model->releases[at].time;
    uint64_t deadline = model->tasks[run->k].deadline;
    int error = axi_walk_begin_walk(walk, deadline / grid, &run->backlog);

    if (error == 0) {
        error = axi_walk_add(walk, run->options->unconditional ? &run->scaled->interference[run->k]
                                                               : &run->scaled->own[run->k]);
    }
    for (size_t r = at + 1; r < count && error == 0 && !walk->empty; r++) {
        const struct axi_model_release *release = &model->releases[r];

        if (release->time >= start + deadline) {
            break;
        }
        if (release->task == UINT32_MAX) {
            continue;
        }
        error = axi_walk_settle(walk, (release->time - start) / grid);
        if (error == 0) {
            error = axi_walk_add(walk, &run->scaled->interference[release->task]);
        }
    }
    *ret_miss = walk->miss;
    return error;
}

/* Walks one window; max and mean of its jobs of task k. */
static int window(struct periodic *run, uint64_t from, uint64_t *now)
{
    struct axi_model *model = run->model;
    size_t count = 0;
    size_t jobs = 0;
    double sum = 0;
    int error = collect(run, from, &count);

    for (size_t r = 0; r < count && error == 0; r++) {
        uint64_t time = model->releases[r].time;
        uint32_t task = model->releases[r].task;

        if (time >= from + run->hyperperiod) {
            break;
        }
        error = axi_walk_elapse(&run->backlog, (time - *now) / run->scaled->grid);
        *now = time;
        if (error == 0 && task == UINT32_MAX) {
            double miss = 0;

            error = one_job(run, r, count, &miss);
            run->max = miss > run->max ? miss : run->max;
            sum += miss;
            jobs++;
        }
        if (error == 0) {
            error = axi_walk_add(
                &run->backlog,
                &run->scaled->interference[task == UINT32_MAX ? run->k : (size_t)task]);
        }
        if (error == 0 && run->options->poll != NULL &&
            run->options->poll(run->options->context) != 0) {
            error = -AXC_ECANCELLED;
        }
    }
    run->mean = jobs > 0 ? sum / (double)jobs : 0;
    return error;
}

static bool one_window_is_enough(const struct periodic *run)
{
    long double load = 0;

    for (size_t i = 0; i < run->model->count; i++) {
        const struct axi_pmf *work = &run->model->interference[i];

        if (!takes_part(run, i)) {
            continue;
        }
        if (run->model->tasks[i].offset != 0) {
            return false;
        }
        load += (long double)work->values[work->count - 1] / run->model->tasks[i].period;
    }
    return load <= 1;
}

/* Mean load below one, and whether some job may hang for ever. */
static int check_load(const struct periodic *run, bool *ret_hangs)
{
    double load = 0;

    *ret_hangs = false;
    for (size_t i = 0; i < run->model->count; i++) {
        if (takes_part(run, i)) {
            load +=
                axi_pmf_mean(&run->model->interference[i]) / (double)run->model->tasks[i].period;
            *ret_hangs = *ret_hangs || run->model->interference[i].inf > 0;
        }
    }
    return load < 1 ? 0 : -AXC_EMODEL_LOAD;
}

static int steady_state(struct periodic *run, bool hangs)
{
    uint64_t now = 0;
    double mean = -1;
    double max = -1;
    bool one = hangs || one_window_is_enough(run);

    for (uint64_t m = 0; m < WINDOW_LIMIT; m++) {
        int error = window(run, m * run->hyperperiod, &now);

        if (error != 0) {
            return error;
        }
        if (one || (m > 0 && fabs(run->max - max) <= 1e-12 * run->max &&
                    fabs(run->mean - mean) <= 1e-12 * run->mean &&
                    now > run->model->tasks[run->k].offset)) {
            return 0;
        }
        max = run->max;
        mean = run->mean;
    }
    return -AXC_EMODEL_LOAD;
}

static int run_on(struct periodic *run, uint64_t grid, bool up, bool hangs)
{
    struct axi_model *model = run->model;
    struct axi_model_scaled *scaled = up && grid == model->gcd ? &model->exact : &model->coarse;
    uint64_t cap = model->walk.max_cells - 1;
    int error = axi_model_scale(model, scaled, grid, up);

    run->scaled = scaled;
    run->max = run->mean = 0;
    if (error != 0) {
        return error;
    }
    if (model->tasks[run->k].deadline / grid >= cap) {
        cap = 4 * run->hyperperiod / grid; /* lists only */
    }
    axi_walk_init(&run->backlog, model->walk.max_cells, false);
    error = axi_walk_begin(&run->backlog, cap);
    if (error == 0) {
        error = steady_state(run, hangs);
    }
    axi_walk_deinit(&run->backlog);
    return error;
}

/* Largest grid-compatible refinement: a divisor of all periods, deadlines and offsets. */
static uint64_t coarse_grid(const struct periodic *run)
{
    uint64_t gcd = 0;
    uint64_t parts = 1;

    for (size_t i = 0; i < run->model->count; i++) {
        const struct axi_model_task *task = &run->model->tasks[i];

        if (takes_part(run, i)) {
            gcd = axi_model_gcd(axi_model_gcd(gcd, task->period),
                                axi_model_gcd(task->deadline, task->offset));
        }
    }
    for (uint64_t m = 1; m <= gcd && m <= run->model->walk.max_cells; m++) {
        uint64_t cells = run->model->tasks[run->k].deadline / (gcd / m);

        if (gcd % m == 0 && cells <= run->model->walk.max_cells / 4) {
            parts = m;
        }
    }
    return gcd / parts;
}

static uint64_t exact_grid(struct axi_model *model)
{
    uint64_t gcd = model->gcd;

    for (size_t i = 0; i < model->count; i++) {
        gcd = axi_model_gcd(gcd, model->tasks[i].offset);
    }
    return gcd;
}

static int bracket(struct periodic *run, bool hangs, struct axi_response *response)
{
    uint64_t grid = coarse_grid(run);
    int error = run_on(run, grid, false, hangs);

    response->lo = run->max;
    if (error == 0) {
        error = run_on(run, grid, true, hangs);
    }
    response->grid = grid;
    response->exact = false;
    return error;
}

int axi_model_periodic(struct axi_model *model, size_t k, const struct axi_model_options *options,
                       struct axi_response *ret_response)
{
    struct periodic run = {.model = model, .options = options, .k = k};
    struct axi_response response = {.grid = exact_grid(model), .exact = true};
    bool hangs = false;
    int error = find_hyperperiod(&run);

    model->walk.max_cells = options->max_cells > 0 ? options->max_cells : AXI_MODEL_CELLS;
    model->walk.keep_done = false;
    if (error == 0) {
        error = check_load(&run, &hangs);
    }
    if (error != 0) {
        return error;
    }
    error = run_on(&run, response.grid, true, hangs);
    response.lo = run.max * (1 - 1e-12);
    if (error == -AXC_EMODEL_GRID) {
        error = bracket(&run, hangs, &response);
    }
    if (error != 0) {
        return error;
    }
    response.miss = hangs ? 1 : run.max;
    response.mean = hangs ? 1 : run.mean;
    response.hi = response.miss * (1 + 1e-12) < 1 ? response.miss * (1 + 1e-12) : 1;
    *ret_response = response;
    return 0;
}
