/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze service: replicas on analysed nodes, or failure probabilities given outright. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"

struct service {
    struct axi_scheme scheme;
    size_t count;
    struct axi_replica replicas[AXI_REPLICA_MAX];
    double per_hour; /* activations */
};

/* Optional probability member; leaves *ret_value when it is missing. */
static int optional(const struct axi_analyze *run, const json_t *from, const char *key,
                    double *ret_value)
{
    struct axi_exact value;
    json_t *text = json_object_get(from, key);

    if (text == NULL) {
        return 0;
    }
    if (!axi_exact_parse(text, &value) || value.value > 1) {
        return axi_analyze_complain(run, key, -AXC_EMODEL_PROBABILITY);
    }
    *ret_value = value.value;
    return 0;
}

static int read_scheme(const struct axi_analyze *run, const json_t *item, struct service *service)
{
    json_t *k = json_object_get(item, "k");
    int r = optional(run, item, "p_system", &service->scheme.system_fail);

    r = r != 0 ? r : optional(run, item, "beta", &service->scheme.beta);
    service->scheme.k = k != NULL ? (uint32_t)json_integer_value(k) : 1;
    service->scheme.allow_colocated = json_is_true(json_object_get(item, "allow_colocated"));
    if (r == 0 && json_object_get(item, "activation_period_s") != NULL) {
        struct axi_exact period;

        if (!axi_exact_parse(json_object_get(item, "activation_period_s"), &period) ||
            !(period.value > 0)) {
            return axi_analyze_complain(run, "activation_period_s", -AXC_EMODEL_PERIOD);
        }
        service->per_hour =
            period.is_exact ? (double)(3600.0L * (long double)period.den / (long double)period.num)
                            : 3600 / period.value;
    }
    return r;
}

/* Equal texts get equal numbers; a missing one is a node of its own. */
static uint32_t identity(const json_t *list, size_t i, const char *key)
{
    const char *name = json_string_value(json_object_get(json_array_get(list, i), key));

    for (size_t j = 0; j < i && name != NULL; j++) {
        const char *other = json_string_value(json_object_get(json_array_get(list, j), key));

        if (other != NULL && strcmp(other, name) == 0) {
            return (uint32_t)j;
        }
    }
    return (uint32_t)i;
}

static int read_groups(const struct axi_analyze *run, const json_t *list, size_t i,
                       struct axi_replica *replica)
{
    const json_t *from = json_array_get(list, i);
    int r = optional(run, from, "p_node", &replica->node_fail);

    r = r != 0 ? r : optional(run, from, "p_platform", &replica->platform_fail);
    r = r != 0 ? r : optional(run, from, "p_wrong", &replica->wrong);
    replica->node = identity(list, i, "node");
    replica->platform = identity(list, i, "platform");
    return r;
}

/* Analyses the node of one replica. */
static int replica_failure(struct axi_analyze *run, json_t *from, double *ret_fail)
{
    size_t k = (size_t)json_integer_value(json_object_get(from, "replica_is_task"));
    struct axi_analyze_tasks set;
    struct axi_response response;
    struct axi_exact q = {.value = 1, .is_exact = true, .num = 1, .den = 1};
    json_t *correct = json_object_get(from, "p_correct");
    int error = 0;
    int r = axi_analyze_tasks(run, json_object_get(from, "tasks_on_node"), &set);

    if (r != 0) {
        return r;
    }
    if (correct != NULL && (!axi_exact_parse(correct, &q) || q.value > 1)) {
        error = -AXC_EMODEL_PROBABILITY;
    } else if (correct != NULL && k < set.count) {
        set.tasks[k].q_ok = q.value;
        set.tasks[k].q_bad = axi_exact_complement(&q);
    }
    error = error != 0 ? error : axi_model_response(set.model, k, &run->options, &response);
    if (error == 0) {
        json_t *late = axi_analyze_value(response.miss);

        *ret_fail = axi_model_failure(&set.tasks[k], response.miss);
        (void)json_object_set_new(late, "hi", axi_analyze_number_up(response.hi));
        (void)json_object_set_new(from, "computed",
                                  json_pack("{s:o,s:o}", "p_late_given_correct", late, "p_fail",
                                            axi_analyze_value(*ret_fail)));
    }
    if (error == 0 && run->curves != NULL) {
        const uint64_t none[AXI_MODEL_MAX_TASKS / 64] = {0};
        const char *node = json_string_value(json_object_get(from, "node"));
        struct axi_pmf pmf;
        double miss = 0;

        error = axi_model_carry_in(set.model, k, none, &run->options, &miss, &pmf);
        if (error == 0) {
            error = axi_analyze_curve(run, node != NULL ? node : "replica", set.tasks[k].deadline,
                                      &pmf);
            axi_pmf_deinit(&pmf);
        }
    }
    axi_analyze_tasks_free(&set);
    return error != 0 ? axi_analyze_complain(run, "replica", error) : 0;
}

static int read_replicas(struct axi_analyze *run, const json_t *list, struct service *service)
{
    size_t i = 0;
    json_t *from = NULL;

    run->steps = json_array_size(list);
    if (run->steps > AXI_REPLICA_MAX) {
        return axi_analyze_complain(run, "replicas", -AXC_EFULL);
    }
    json_array_foreach (list, i, from) {
        struct axi_replica *replica = &service->replicas[i];
        int r = optional(run, from, "p_fail_given", &replica->fail);

        run->step = i;
        if (r == 0 && json_object_get(from, "tasks_on_node") != NULL) {
            r = replica_failure(run, from, &replica->fail);
        }
        r = r != 0 ? r : read_groups(run, list, i, replica);
        if (r != 0) {
            return r;
        }
    }
    service->count = i;
    return 0;
}

static int by_failure(const void *left, const void *right)
{
    const struct axi_replica *a = left;
    const struct axi_replica *b = right;

    return (a->fail > b->fail) - (a->fail < b->fail);
}

/* Two most reliable replicas alone, and each alone. */
static void put_subsets(const struct service *service, json_t *computed)
{
    struct axi_replica sorted[AXI_REPLICA_MAX];
    json_t *single = json_array();

    memcpy(sorted, service->replicas, sizeof(sorted));
    qsort(sorted, service->count, sizeof(sorted[0]), by_failure);
    for (size_t i = 0; i < service->count; i++) {
        (void)json_array_append_new(single, axi_analyze_value(service->replicas[i].fail));
    }
    (void)json_object_set_new(computed, "single", single);
    if (service->count >= 2) {
        (void)json_object_set_new(computed, "best_two",
                                  axi_analyze_value(sorted[0].fail * sorted[1].fail));
    }
}

/* Replicas needed for each target, by the same scheme. */
static void put_choices(const struct service *service, const json_t *targets, json_t *computed)
{
    json_t *list = json_array();
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach (targets, i, item) {
        json_t *target = json_is_object(item) ? json_object_get(item, "target_per_hour") : item;
        struct axi_selection selection;
        struct axi_exact value;
        json_t *choice = NULL;

        if (!axi_exact_parse(target, &value)) {
            continue;
        }
        choice = json_pack("{s:O}", "target_per_hour", target);
        if (axi_service_select(service->replicas, service->count, &service->scheme,
                               service->per_hour, value.value, NULL, NULL, &selection) == 0) {
            (void)json_object_set_new(choice, "min_replicas",
                                      json_integer((json_int_t)selection.count));
        } else {
            (void)json_object_set_new(choice, "min_replicas", json_null());
            (void)json_object_set_new(choice, "unreachable", json_true());
        }
        (void)json_object_set_new(choice, "p_fail_per_hour",
                                  axi_analyze_number(selection.per_hour));
        (void)json_array_append_new(list, choice);
    }
    (void)json_object_set_new(computed, "replica_choice", list);
}

static int put_service(const struct axi_analyze *run, const struct service *service,
                       const json_t *item, json_t *computed)
{
    json_t *targets = json_object_get(json_object_get(item, "expected"), "replica_choice");
    struct axi_service_failure failure;
    int error = axi_service_evaluate(service->replicas, service->count, &service->scheme, &failure);

    if (error != 0) {
        return axi_analyze_complain(run, "service", error);
    }
    (void)json_object_set_new(computed, "p_service_fail_per_activation",
                              axi_analyze_value(failure.fail));
    (void)json_object_set_new(computed, "ln_p_service_fail", json_real(failure.fail_ln));
    (void)json_object_set_new(computed, "unsafe", axi_analyze_value(failure.unsafe));
    put_subsets(service, computed);
    if (service->per_hour > 0) {
        (void)json_object_set_new(computed, "activations_per_hour", json_real(service->per_hour));
        (void)json_object_set_new(
            computed, "p_fail_per_hour",
            axi_analyze_number(axi_model_per_hour(failure.fail, service->per_hour)));
        put_choices(service, targets != NULL ? targets : json_object_get(item, "targets_per_hour"),
                    computed);
    }
    return 0;
}

/* Every k-out-of-n of the first n replicas. */
static void put_schemes(const struct service *service, bool with_wrong, json_t *computed)
{
    double fail[AXI_REPLICA_MAX];
    double wrong[AXI_REPLICA_MAX];
    json_t *schemes = json_object();

    for (size_t i = 0; i < service->count; i++) {
        fail[i] = service->replicas[i].fail;
        wrong[i] = service->replicas[i].wrong;
    }
    for (size_t n = 1; n <= service->count && n <= 8; n++) {
        for (size_t k = 1; k <= n; k++) {
            char key[16];

            (void)snprintf(key, sizeof(key), "%zuoo%zu", k, n);
            (void)json_object_set_new(schemes, key,
                                      axi_analyze_value(axi_replica_at_least(fail, n, n - k + 1)));
        }
    }
    (void)json_object_set_new(computed, "p_fail", schemes);
    if (with_wrong && service->count >= 2) {
        (void)json_object_set_new(computed, "unsafe_2oo2_both_wrong",
                                  axi_analyze_value(axi_replica_at_least(wrong, 2, 2)));
    }
    if (with_wrong && service->count >= 3) {
        (void)json_object_set_new(computed, "unsafe_2oo3_two_or_more_wrong",
                                  axi_analyze_value(axi_replica_at_least(wrong, 3, 2)));
    }
}

static int read_list(const struct axi_analyze *run, const json_t *item, struct service *service)
{
    json_t *fail = json_object_get(item, "p_fail");
    json_t *wrong = json_object_get(item, "p_wrong_value_part_of_p_fail");

    service->count = json_array_size(fail);
    if (service->count == 0 || service->count > AXI_REPLICA_MAX) {
        return axi_analyze_complain(run, "p_fail", -AXC_EMODEL_EMPTY);
    }
    for (size_t i = 0; i < service->count; i++) {
        struct axi_exact f;
        struct axi_exact w = {0};

        if (!axi_exact_parse(json_array_get(fail, i), &f) || f.value > 1 ||
            (wrong != NULL &&
             (!axi_exact_parse(json_array_get(wrong, i), &w) || w.value > f.value))) {
            return axi_analyze_complain(run, "p_fail", -AXC_EMODEL_PROBABILITY);
        }
        service->replicas[i] = (struct axi_replica){
            .fail = f.value, .wrong = w.value, .node = (uint32_t)i, .platform = (uint32_t)i};
    }
    return 0;
}

int axi_analyze_service(struct axi_analyze *run, json_t *item, bool *ret_known)
{
    json_t *replicas = json_object_get(item, "replicas");
    bool is_list = json_is_array(json_object_get(item, "p_fail"));
    struct service *service = NULL;
    json_t *computed = NULL;
    int r = 0;

    *ret_known = json_is_array(replicas) || is_list;
    if (!*ret_known) {
        return 0;
    }
    service = calloc(1, sizeof(*service));
    if (service == NULL) {
        return axi_analyze_complain(run, "service", -AXC_ENOMEM);
    }
    computed = json_object();
    r = read_scheme(run, item, service);
    if (r == 0 && is_list) {
        r = read_list(run, item, service);
        if (r == 0) {
            put_schemes(service, json_object_get(item, "p_wrong_value_part_of_p_fail") != NULL,
                        computed);
        }
    } else if (r == 0) {
        r = read_replicas(run, replicas, service);
    }
    if (r == 0 && (!is_list || json_object_get(item, "k") != NULL)) {
        r = put_service(run, service, item, computed);
    }
    (void)json_object_set_new(item, "computed", computed);
    free(service);
    return r;
}
