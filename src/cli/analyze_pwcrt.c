/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze pwcrt: response times and failure probabilities of the tasks of one node. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"
#include "model/enumerate.h"

enum { ALL_BOUNDS_LIMIT = 12, COMBINATIONS_LIMIT = 2000000 };

json_t *axi_analyze_number(double value)
{
    char text[40];

    (void)snprintf(text, sizeof(text), value > 0 ? "%.16e" : "0", value);
    return json_string(text);
}

/* For certification: no digit of the text is below the value. */
json_t *axi_analyze_number_up(double value)
{
    return axi_analyze_number(value > 0 && value < 1 ? nextafter(value, 1) : value);
}

json_t *axi_analyze_value(double value)
{
    return json_pack("{s:o}", "value", axi_analyze_number(value));
}

static void put(json_t *into, const char *key, double value)
{
    (void)json_object_set_new(into, key, axi_analyze_value(value));
}

static json_t *bracket(const struct axi_response *response)
{
    json_t *result = axi_analyze_value(response->miss);

    (void)json_object_set_new(result, "lo", axi_analyze_number(response->lo));
    (void)json_object_set_new(result, "hi", axi_analyze_number_up(response->hi));
    (void)json_object_set_new(result, "grid_ticks", json_integer((json_int_t)response->grid));
    (void)json_object_set_new(result, "exact_grid", json_boolean(response->exact));
    return result;
}

static json_t *members(const uint64_t *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < AXI_MODEL_MAX_TASKS; i++) {
        if (axi_model_in_set(set, i)) {
            (void)json_array_append_new(list, json_integer((json_int_t)i));
        }
    }
    return list;
}

static size_t interfering(const struct axi_analyze_tasks *set, size_t k, uint64_t *ret_set)
{
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (i != k && set->tasks[i].priority <= set->tasks[k].priority) {
            ret_set[i / 64] |= (uint64_t)1 << (i % 64);
            count++;
        }
    }
    return count;
}

/* The bounds of the vector format, for comparison. */
static int put_bounds(struct axi_analyze *run, const struct axi_analyze_tasks *set, size_t k,
                      json_t *computed)
{
    struct axi_model_options options = run->options;
    struct axi_response response;
    uint64_t all[AXI_MODEL_MAX_TASKS / 64] = {0};
    size_t hp = interfering(set, k, all);
    double value = 0;
    json_t *hybrid = NULL;
    int error = 0;

    options.mode = AXI_MODE_SYNC;
    error = axi_model_response(set->model, k, &options, &response);
    if (error != 0) {
        return error;
    }
    put(computed, "p_miss_sync", response.miss);
    put(computed, "sound_bound_2powH_times_sync", fmin(1, ldexp(response.miss, (int)hp)));
    error = axi_model_carry_in(set->model, k, all, &options, &value, NULL);
    if (error != 0) {
        return error == -AXC_EMODEL_GRID ? 0 : error;
    }
    put(computed, "p_miss_carry_in_bound", value);
    options.mode = AXI_MODE_SOUND;
    error = axi_model_response(set->model, k, &options, &response);
    if (error == 0) {
        hybrid = axi_analyze_value(response.miss);
        (void)json_object_set_new(hybrid, "carry_in_tasks", members(response.carry_in));
        (void)json_object_set_new(computed, "sound_bound_hybrid", hybrid);
    }
    return error;
}

static int put_testing_points(struct axi_analyze *run, const struct axi_analyze_tasks *set,
                              size_t k, json_t *computed)
{
    double value = 0;
    double chernoff = 0;
    int error = axi_model_testing_points(set->model, k, &run->options, &value, &chernoff);

    if (error != 0) {
        return error == -AXC_EMODEL_GRID ? 0 : error;
    }
    put(computed, "p_min_over_t_sync", value);
    (void)json_object_set_new(computed, "chernoff_all_points_log10",
                              isnan(chernoff) ? json_null() : json_real(chernoff));
    return 0;
}

/* Small sets are checked against every schedule. */
static void put_enumeration(const struct axi_analyze_tasks *set, size_t k, double sync,
                            json_t *computed)
{
    uint64_t schedules = 0;
    double miss = 0;
    bool agrees = false;

    if (axi_model_enumerate(set->model, k, false, COMBINATIONS_LIMIT, &miss, &schedules) != 0) {
        return;
    }
    agrees = fabs(miss - sync) <= 1e-12 * sync;
    (void)json_object_set_new(computed, "verified_exhaustive", json_boolean(agrees));
    (void)json_object_set_new(computed, "verified_exhaustive_schedule_enumeration",
                              json_integer(agrees ? (json_int_t)schedules : 0));
    if (axi_model_enumerate(set->model, k, true, COMBINATIONS_LIMIT, &miss, &schedules) == 0) {
        put(computed, "p_miss_if_hp_jobs_are_aborted_at_their_deadlines", miss);
    }
}

static int put_verdict(struct axi_analyze *run, const struct axi_analyze_tasks *set, size_t k,
                       json_t *computed)
{
    static const char *const modes[] = {"sync", "sound", "periodic"};
    const struct axi_model_task *task = &set->tasks[k];
    struct axi_model_options options = run->options;
    struct axi_response response;
    int error = axi_model_response(set->model, k, &options, &response);

    if (error != 0) {
        return error;
    }
    (void)json_object_set_new(computed, "mode", json_string(modes[options.mode]));
    (void)json_object_set_new(computed, "p_late_given_correct", bracket(&response));
    put(computed, "p_incorrect", task->q_bad);
    put(computed, "p_fail", axi_model_failure(task, response.miss));
    (void)json_object_set_new(computed, "p_fail_upper",
                              axi_analyze_number_up(axi_model_failure(task, response.hi)));
    if (options.mode == AXI_MODE_PERIODIC) {
        put(computed, "p_late_mean_over_jobs", response.mean);
    }
    if (options.mode == AXI_MODE_SOUND) {
        (void)json_object_set_new(computed, "carry_in_tasks", members(response.carry_in));
    }
    options.unconditional = true;
    error = axi_model_response(set->model, k, &options, &response);
    if (error == 0) {
        put(computed, "p_late_unconditional", response.miss);
    }
    return error;
}

static int put_curve(struct axi_analyze *run, const struct axi_analyze_tasks *set, size_t k,
                     const char *name)
{
    const uint64_t none[AXI_MODEL_MAX_TASKS / 64] = {0};
    struct axi_pmf pmf;
    double miss = 0;
    int error = axi_model_carry_in(set->model, k, none, &run->options, &miss, &pmf);

    if (error == 0) {
        error = axi_analyze_curve(run, name, set->tasks[k].deadline, &pmf);
        axi_pmf_deinit(&pmf);
    }
    return error == -AXC_EMODEL_GRID ? 0 : error;
}

static int analyze_task(struct axi_analyze *run, const struct axi_analyze_tasks *set,
                        const json_t *expected, size_t k, json_t *computed)
{
    bool all = set->count <= ALL_BOUNDS_LIMIT;
    char name[96];
    int error = put_verdict(run, set, k, computed);

    if (error == 0 && (all || json_object_get(expected, "p_miss_sync") != NULL)) {
        error = put_bounds(run, set, k, computed);
    }
    if (error == 0 && (all || json_object_get(expected, "p_min_over_t_sync") != NULL)) {
        error = put_testing_points(run, set, k, computed);
    }
    if (error == 0 && all) {
        const char *sync =
            json_string_value(json_object_get(json_object_get(computed, "p_miss_sync"), "value"));

        put_enumeration(set, k, strtod(sync, NULL), computed);
    }
    if (error == 0 && run->curves != NULL) {
        (void)snprintf(name, sizeof(name), "%s task %zu", run->case_id, k);
        error = put_curve(run, set, k, name);
    }
    return error;
}

static int complain(const struct axi_analyze *run, const struct axi_analyze_tasks *set, size_t k,
                    int error)
{
    char where[96];

    (void)snprintf(where, sizeof(where), "task %zu", k);
    if (error == -AXC_EMODEL_GRID) {
        uint64_t bytes = axi_model_estimate_bytes(set->model, k, run->options.grid);

        (void)snprintf(where, sizeof(where), "task %zu (about %.3g MiB, see --max-cells)", k,
                       (double)bytes / 1048576);
    }
    return axi_analyze_complain(run, where, error);
}

int axi_analyze_pwcrt(struct axi_analyze *run, json_t *item, bool *ret_known)
{
    json_t *expected = json_object_get(item, "expected");
    json_t *list = NULL;
    struct axi_analyze_tasks set;
    int r = 0;

    *ret_known = json_is_array(json_object_get(item, "tasks"));
    if (!*ret_known) {
        return 0;
    }
    r = axi_analyze_tasks(run, json_object_get(item, "tasks"), &set);
    if (r != 0) {
        return r;
    }
    list = json_array();
    run->steps = set.count;
    for (size_t k = 0; k < set.count && r == 0; k++) {
        json_t *computed = json_pack("{s:i}", "task", (int)k);
        int error = 0;

        run->step = k;
        (void)json_array_append_new(list, computed);
        error = analyze_task(run, &set, json_array_get(expected, k), k, computed);
        r = error != 0 ? complain(run, &set, k, error) : 0;
    }
    (void)json_object_set_new(item, "computed", list);
    axi_analyze_tasks_free(&set);
    return r;
}
