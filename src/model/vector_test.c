/* SPDX-License-Identifier: Apache-2.0 */
/* The golden vectors of tests/model/vectors/pwcrt.json: exact values, relative tolerance 1e-12. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/dag.h"
#include "model/replica.h"
#include "model/response.h"
#include "model/walk.h"
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
    json_t *value = key != NULL ? json_object_get(object, key) : object;

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

static void replica_schemes_match(void **state)
{
    json_t *item = find_case("P07");
    json_t *want = json_object_get(item, "expected");
    struct axi_replica replicas[8] = {0};
    double wrong[8];
    const char *key = NULL;
    json_t *value = NULL;
    size_t i = 0;

    (void)state;
    json_array_foreach (json_object_get(item, "p_fail"), i, value) {
        replicas[i].fail = number(json_string_value(value));
        replicas[i].node = replicas[i].platform = (uint32_t)i;
    }
    json_array_foreach (json_object_get(item, "p_wrong_value_part_of_p_fail"), i, value) {
        wrong[i] = replicas[i].wrong = number(json_string_value(value));
    }
    json_object_foreach (json_object_get(want, "p_fail"), key, value) {
        struct axi_scheme scheme = {.k = (uint32_t)(key[0] - '0')};
        struct axi_service_failure failure;

        assert_int_equal(axi_service_evaluate(replicas, (size_t)(key[3] - '0'), &scheme, &failure),
                         0);
        assert_near(failure.fail, number(json_string_value(json_object_get(value, "value"))),
                    1e-12);
    }
    assert_near(axi_replica_at_least(wrong, 2, 2), expected(want, "unsafe_2oo2_both_wrong"), 1e-12);
    assert_near(axi_replica_at_least(wrong, 3, 2), expected(want, "unsafe_2oo3_two_or_more_wrong"),
                1e-12);
}

static double replica_failure(json_t *item, double bad)
{
    struct axi_model_task tasks[8] = {0};
    size_t count = read_tasks(json_object_get(item, "tasks_on_node"), tasks);
    size_t k = (size_t)json_integer_value(json_object_get(item, "replica_is_task"));
    struct axi_model_options options = {.mode = AXI_MODE_SYNC};
    struct axi_response response = {0};
    struct axi_model *model = NULL;
    double f = 0;

    assert_int_equal(axi_model_new(&model, tasks, count), 0);
    assert_int_equal(axi_model_response(model, k, &options, &response), 0);
    assert_near(response.miss, expected(item, "p_late_given_correct"), 1e-12);
    tasks[k].q_ok = number(json_string_value(json_object_get(item, "p_correct")));
    tasks[k].q_bad = bad;
    f = axi_model_failure(&tasks[k], response.miss);
    assert_near(f, expected(item, "p_fail"), 1e-12);
    axi_model_free(model);
    free_tasks(tasks, count);
    return f;
}

static void service_of_three_replicas_matches(void **state)
{
    static const double bad[] = {1e-5, 1e-4, 1e-6};
    json_t *item = find_case("P06");
    json_t *want = json_object_get(item, "expected");
    struct axi_replica replicas[3] = {0};
    const struct axi_scheme scheme = {.k = 1};
    struct axi_service_failure failure;
    struct axi_selection selection;
    json_t *replica = NULL;
    json_t *choice = NULL;
    size_t i = 0;

    (void)state;
    json_array_foreach (json_object_get(item, "replicas"), i, replica) {
        replicas[i].fail = replica_failure(replica, bad[i]);
        replicas[i].node = replicas[i].platform = (uint32_t)i;
    }
    assert_int_equal(axi_service_evaluate(replicas, 3, &scheme, &failure), 0);
    assert_near(failure.fail, expected(want, "p_service_fail_per_activation"), 1e-12);
    assert_near(axi_model_per_hour(failure.fail, 144000),
                number(json_string_value(json_object_get(want, "p_fail_per_hour"))), 1e-12);
    json_array_foreach (json_object_get(want, "replica_choice"), i, choice) {
        double target = number(json_string_value(json_object_get(choice, "target_per_hour")));

        assert_int_equal(
            axi_service_select(replicas, 3, &scheme, 144000, target, NULL, NULL, &selection), 0);
        assert_int_equal(selection.count,
                         json_integer_value(json_object_get(choice, "min_replicas")));
    }
    assert_int_equal(
        axi_service_select(replicas, 3, &scheme, 144000, 1e-10, NULL, NULL, &selection),
        -AXC_EMODEL_UNREACHABLE);
}

static void diamond_graph_matches(void **state)
{
    json_t *item = find_case("X4");
    json_t *want = json_object_get(item, "expected");
    const char *const names[] = {"A", "B", "C", "E"};
    const double infinite[] = {1e-5, 1e-4, 0, 1e-6};
    const struct axi_dag_edge edges[] = {{0, 1}, {0, 2}, {1, 3}, {2, 3}};
    struct axi_dag_vertex vertices[4] = {0};
    struct axi_dag dag = {vertices, 4, edges, 4};
    double fail = 0;

    (void)state;
    for (size_t v = 0; v < 4; v++) {
        read_pmf(&vertices[v].response, json_object_get(json_object_get(item, "nodes"), names[v]));
        assert_near(vertices[v].response.inf, infinite[v], 1e-12);
    }
    assert_int_equal(axi_dag_exact(&dag, 16, 1000000, &fail), 0);
    assert_near(fail, expected(want, "p_e2e_fail_exact"), 1e-12);
    assert_int_equal(axi_dag_forward(&dag, 16, 10000, &fail, NULL), 0);
    assert_near(fail, expected(want, "p_e2e_fail_topological_product"), 1e-12);
    for (size_t v = 0; v < 4; v++) {
        axi_pmf_deinit(&vertices[v].response);
    }
}

static void tenfold_convolution_matches(void **state)
{
    const uint64_t values[] = {1, 2, 3, 4}; /* the published values plus one: S + 10 */
    const double probs[] = {0.1, 0.3, 0.2, 0.4};
    struct axi_walk walk;
    struct axi_pmf pmf;

    (void)state;
    assert_int_equal(axi_pmf_init(&pmf, values, probs, 4, 0), 0);
    axi_walk_init(&walk, 1000, false);
    assert_int_equal(axi_walk_begin(&walk, 34), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(axi_walk_add(&walk, &pmf), 0);
    }
    assert_near(walk.miss, expected(json_object_get(find_case("X1"), "expected"), NULL), 1e-12);
    axi_walk_deinit(&walk);
    axi_pmf_deinit(&pmf);
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
        cmocka_unit_test(replica_schemes_match),
        cmocka_unit_test(service_of_three_replicas_matches),
        cmocka_unit_test(diamond_graph_matches),
        cmocka_unit_test(tenfold_convolution_matches),
    };

    return cmocka_run_group_tests_name("model_vector", tests, load, unload);
}
