/* SPDX-License-Identifier: Apache-2.0 */
/* The golden vectors of tests/model/vectors/pwcrt.json: exact values, relative tolerance 1e-12. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/response.h"
#include "support/test.h"

static json_t *root;

static json_t *find_case(const char *id)
{
    const char *const lists[] = {"cases", "extras"};

    for (size_t list = 0; list < 2; list++) {
        size_t i = 0;
        json_t *item = NULL;

        json_array_foreach (json_object_get(root, lists[list]), i, item) {
            if (strcmp(json_string_value(json_object_get(item, "id")), id) == 0) {
                return item;
            }
        }
    }
    fail_msg("no case %s", id);
    return NULL;
}

static double number(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);

    return *end == '/' ? value / strtod(end + 1, NULL) : value;
}

static double expected(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_non_null(value);
    return number(json_string_value(json_object_get(value, "value")));
}

static void read_pmf(struct axi_pmf *pmf, json_t *list)
{
    uint64_t values[64];
    double probs[64];
    long double sum = 0;
    size_t i = 0;
    json_t *pair = NULL;
    double deficit = 0;

    json_array_foreach (list, i, pair) {
        values[i] = (uint64_t)json_integer_value(json_array_get(pair, 0));
        probs[i] = number(json_string_value(json_array_get(pair, 1)));
        sum += strtold(json_string_value(json_array_get(pair, 1)), NULL);
    }
    deficit = (double)(1 - sum);
    assert_int_equal(axi_pmf_init(pmf, values, probs, i, deficit > 1e-15 ? deficit : 0), 0);
}

static size_t read_tasks(json_t *list, struct axi_model_task *tasks)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach (list, i, item) {
        json_t *correct = json_object_get(item, "p_correct");

        tasks[i] = (struct axi_model_task){
            .priority = (uint32_t)json_integer_value(json_object_get(item, "prio")),
            .period = (uint64_t)json_integer_value(json_object_get(item, "T")),
            .deadline = (uint64_t)json_integer_value(json_object_get(item, "D")),
            .q_ok = correct != NULL ? number(json_string_value(correct)) : 1};
        tasks[i].q_bad = 1 - tasks[i].q_ok;
        read_pmf(&tasks[i].ok, json_object_get(item, correct != NULL ? "pmf_correct" : "pmf"));
        if (correct != NULL) {
            read_pmf(&tasks[i].bad, json_object_get(item, "pmf_incorrect"));
        }
    }
    return i;
}

static void free_tasks(struct axi_model_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        axi_pmf_deinit(&tasks[i].ok);
        axi_pmf_deinit(&tasks[i].bad);
    }
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * fabs(want))) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

static size_t set_size(const struct axi_response *response)
{
    size_t count = 0;

    for (size_t i = 0; i < AXI_MODEL_MAX_TASKS / 64; i++) {
        count += (size_t)__builtin_popcountll(response->carry_in[i]);
    }
    return count;
}

static void check_task(struct axi_model *model, size_t count, json_t *want, size_t k)
{
    struct axi_model_options options = {.mode = AXI_MODE_SYNC};
    struct axi_response response = {0};
    uint64_t all[AXI_MODEL_MAX_TASKS / 64] = {0};
    double value = 0;
    double chernoff = 0;
    json_t *hybrid = json_object_get(want, "sound_bound_hybrid");
    json_t *log10_want = json_object_get(want, "chernoff_all_points_log10");

    assert_int_equal(axi_model_response(model, k, &options, &response), 0);
    assert_near(response.miss, expected(want, "p_miss_sync"), 1e-12);
    assert_true(response.lo <= response.miss && response.miss <= response.hi && response.exact);
    assert_near(fmin(1, ldexp(response.miss, (int)k)),
                expected(want, "sound_bound_2powH_times_sync"), 1e-12);
    all[0] = ((uint64_t)1 << count) - 1;
    assert_int_equal(axi_model_carry_in(model, k, all, &options, &value, NULL), 0);
    assert_near(value, expected(want, "p_miss_carry_in_bound"), 1e-12);
    options.mode = AXI_MODE_SOUND;
    assert_int_equal(axi_model_response(model, k, &options, &response), 0);
    assert_near(response.miss, expected(want, "sound_bound_hybrid"), 1e-12);
    assert_int_equal(set_size(&response),
                     json_array_size(json_object_get(hybrid, "carry_in_tasks")));
    assert_int_equal(axi_model_testing_points(model, k, &options, &value, &chernoff), 0);
    assert_near(value, expected(want, "p_min_over_t_sync"), 1e-12);
    if (json_is_null(log10_want)) {
        assert_true(isnan(chernoff));
    } else {
        assert_near(chernoff, json_real_value(log10_want), 1e-8);
    }
}

static void check_case(const char *id)
{
    struct axi_model_task tasks[8] = {0};
    json_t *item = find_case(id);
    size_t count = read_tasks(json_object_get(item, "tasks"), tasks);
    struct axi_model *model = NULL;
    size_t k = 0;
    json_t *want = NULL;

    assert_int_equal(axi_model_new(&model, tasks, count), 0);
    json_array_foreach (json_object_get(item, "expected"), k, want) {
        check_task(model, count, want, k);
    }
    axi_model_free(model);
    free_tasks(tasks, count);
}

static void sync_sound_and_textbook_bounds_match(void **state)
{
    (void)state;
    check_case("P01");
    check_case("P02");
}

static void value_correctness_matches(void **state)
{
    struct axi_model_task tasks[8] = {0};
    json_t *item = find_case("P04");
    size_t count = read_tasks(json_object_get(item, "tasks"), tasks);
    struct axi_model_options options = {.mode = AXI_MODE_SYNC};
    struct axi_response response = {0};
    struct axi_model *model = NULL;
    size_t k = 0;
    json_t *want = NULL;

    (void)state;
    tasks[0].q_bad = 1e-3; /* "1 - q" of a decimal is not exact */
    tasks[1].q_bad = 1e-4;
    assert_int_equal(axi_model_new(&model, tasks, count), 0);
    json_array_foreach (json_object_get(item, "expected"), k, want) {
        options.unconditional = false;
        assert_int_equal(axi_model_response(model, k, &options, &response), 0);
        assert_near(response.miss, expected(want, "p_late_given_correct"), 1e-12);
        assert_near(axi_model_failure(&tasks[k], response.miss), expected(want, "p_fail"), 1e-12);
        if (json_object_get(want, "p_late_unconditional") != NULL) {
            options.unconditional = true;
            assert_int_equal(axi_model_response(model, k, &options, &response), 0);
            assert_near(response.miss, expected(want, "p_late_unconditional"), 1e-12);
        }
    }
    axi_model_free(model);
    free_tasks(tasks, count);
}

static int load(void **state)
{
    json_error_t error;

    (void)state;
    root = json_load_file(AXI_MODEL_VECTORS, 0, &error);
    return root == NULL;
}

static int unload(void **state)
{
    (void)state;
    json_decref(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_sound_and_textbook_bounds_match),
        cmocka_unit_test(value_correctness_matches),
    };

    return cmocka_run_group_tests_name("model_vector", tests, load, unload);
}
