/* SPDX-License-Identifier: Apache-2.0 */
/* Prediction and rebalance in the master's core: scripted nodes under virtual time. */
#include "master/fake_cluster.h"
#include "master/service/internal.h"
#include "master/service/rebalance.h"
#include "master/service/telemetry.h"
#include "predict/weights.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 100000u /* of a processor: what each task was declared to take */

struct play {
    struct fake_cluster c;
    double base[FAKE_NODES]; /* load beside the tasks, ppm */
    double scale;            /* of what tasks take */
};

static struct play *begin(const struct axi_predict_weights *weights)
{
    struct play *p = calloc(1, sizeof(*p));
    struct axi_policy_spec *policy;

    p->scale = 1;
    fake_up(&p->c);
    p->c.config.predictor = weights;
    if (weights != NULL) {
        fake_restart_master(&p->c);
        fake_run(&p->c, 1000);
    }
    policy = &p->c.master->declared->policy;
    policy->is_rebalancing = true;
    policy->high_ppm = 850000;
    policy->low_ppm = 700000;
    policy->horizon_ns = 10000000000ull;
    policy->cooldown_ns = 30000000000ull;
    return p;
}

static void end(struct play *p)
{
    fake_down(&p->c);
    free(p);
}

static uint32_t tasks_on(const struct fake_node *node)
{
    uint32_t count = 0;

    for (size_t i = 0; i < 8; i++) {
        count += node->instances[i].state == AXI_SLOT_ACTIVE;
    }
    return count;
}

/* Nodes report what their tasks and the base load come to. */
static void run(struct play *p, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += 100) {
        for (uint32_t n = 0; n < FAKE_NODES; n++) {
            double load = p->base[n] + p->scale * SHARE * tasks_on(&p->c.nodes[n]);

            p->c.nodes[n].clock.density_ppm = SHARE * tasks_on(&p->c.nodes[n]);
            p->c.nodes[n].clock.task_load_ppm = (uint32_t)fmin(load, 1e6);
        }
        fake_run(&p->c, 100);
    }
}

static void deploy(struct play *p, const char *name, const char *node)
{
    json_t *request = json_pack("{s:s, s:s}", "image", "work", "name", name);
    uint64_t op = 0;
    char reason[AXI_REASON_BYTES] = "";

    assert_int_equal(axi_master_deploy(p->c.master, request, &op, reason), 0);
    json_decref(request);
    run(p, 300);
    if (strcmp(axi_node_name(p->c.master, axi_task_lookup(p->c.master, name)->record.owner),
               node) != 0) {
        assert_int_equal(axi_master_migrate(p->c.master, name, node, &op, reason), 0);
        run(p, 500);
    }
    assert_int_equal(fake_op_code(&p->c, op), 0);
}

static uint32_t count_events(struct play *p, const char *type)
{
    json_t *events = axi_master_events(p->c.master, 0, 2000);
    uint32_t count = 0;

    for (size_t i = 0; i < json_array_size(events); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(events, i), "type"));

        count += strcmp(name, type) == 0;
    }
    json_decref(events);
    return count;
}

static void leaves_a_node_before_it_is_overloaded(void **state)
{
    struct play *p = begin(NULL);
    const double high = 0.85 * 900000;
    uint32_t seconds = 0;

    (void)state;
    deploy(p, "a", "n1");
    deploy(p, "b", "n1");
    deploy(p, "c", "n1");
    run(p, 40000);
    assert_int_equal(count_events(p, "rebalanced"), 0);
    for (; seconds < 60 && count_events(p, "rebalanced") == 0; seconds++) {
        p->base[0] += 12000; /* the rest grows by 1.2 % of a processor each second */
        run(p, 1000);
    }
    assert_true(count_events(p, "rebalanced") > 0);
    assert_true(axi_measured_ppm(p->c.master, 1) < high);
    run(p, 2000);
    assert_true(tasks_on(&p->c.nodes[0]) < 3);
    assert_int_equal(fake_active_count(&p->c), 3);
    end(p);
}

static void sways_without_flapping(void **state)
{
    struct play *p = begin(NULL);
    const uint32_t minutes = 12;
    uint32_t moves;

    (void)state;
    deploy(p, "a", "n1");
    deploy(p, "b", "n1");
    deploy(p, "c", "n2");
    for (uint32_t s = 0; s < minutes * 60; s++) { /* each node in turn is full for 50 s */
        for (uint32_t n = 0; n < FAKE_NODES; n++) {
            p->base[n] = s / 50 % FAKE_NODES == n ? 650000 : 100000;
        }
        run(p, 1000);
    }
    moves = count_events(p, "rebalanced");
    assert_in_range(moves, 1, 18); /* a rest of 30 s alone would allow 72 of the three tasks */
    assert_int_equal(fake_active_count(&p->c), 3);
    end(p);
}

static void does_nothing_unless_declared(void **state)
{
    struct play *p = begin(NULL);

    (void)state;
    p->c.master->declared->policy.is_rebalancing = false;
    deploy(p, "a", "n1");
    deploy(p, "b", "n1");
    p->base[0] = 600000;
    run(p, 60000);
    assert_int_equal(count_events(p, "rebalanced"), 0);
    end(p);
}

static void dry_run_says_why_and_moves_nothing(void **state)
{
    struct play *p = begin(NULL);
    char reason[AXI_REASON_BYTES] = "";
    json_t *answer = NULL;
    json_t *plan;

    (void)state;
    p->c.master->declared->policy.is_rebalancing = false;
    deploy(p, "a", "n1");
    deploy(p, "b", "n1");
    p->base[0] = 600000;
    run(p, 60000);
    assert_int_equal(axi_master_rebalance(p->c.master, true, &answer, reason), 0);
    plan = json_array_get(json_object_get(answer, "plan"), 0);
    assert_non_null(plan);
    assert_string_equal(json_string_value(json_object_get(plan, "from")), "n1");
    assert_non_null(strstr(json_string_value(json_object_get(plan, "why")), "above 85 %"));
    assert_int_equal(json_array_size(json_object_get(answer, "operations")), 0);
    json_decref(answer);
    run(p, 1000);
    assert_int_equal(tasks_on(&p->c.nodes[0]), 2);
    assert_int_equal(axi_master_rebalance(p->c.master, false, &answer, reason), 0);
    assert_true(json_array_size(json_object_get(answer, "operations")) > 0);
    json_decref(answer);
    run(p, 1000);
    assert_true(tasks_on(&p->c.nodes[0]) < 2);
    end(p);
}

/* A node that says it is idle gets no more than the filters let it have. */
static void a_lying_node_gets_nothing_the_filters_refuse(void **state)
{
    struct play *p = begin(NULL);
    uint32_t most = 0;

    (void)state;
    deploy(p, "a", "n1");
    deploy(p, "b", "n1");
    for (int i = 0; i < 8; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "full%d", i);
        deploy(p, name, "n2");
    }
    p->base[0] = 650000;
    p->base[1] = -1e6; /* it says 0 */
    p->base[2] = 500000;
    for (int i = 0; i < 60; i++) {
        run(p, 1000);
        most = tasks_on(&p->c.nodes[1]) > most ? tasks_on(&p->c.nodes[1]) : most;
    }
    assert_int_equal(most, 8);
    assert_int_equal(fake_active_count(&p->c), 10);
    p->c.nodes[0].clock.task_load_ppm = UINT32_MAX; /* beyond what there can be */
    fake_run(&p->c, 2000);
    assert_in_range(axi_measured_ppm(p->c.master, 1), 0, 1000000);
    end(p);
}

static int verdict(const struct axi_snapshot *s, struct axi_plan_node *nodes, size_t task,
                   size_t node, uint32_t lie)
{
    struct axi_plan_problem problem = s->problem;
    double score = 0;

    for (size_t n = 0; n < problem.node_count; n++) {
        nodes[n] = s->problem.nodes[n];
        nodes[n].predicted_ppm = lie;
    }
    problem.nodes = nodes;
    return axi_plan_judge(&problem, task, node, &score, NULL);
}

static void no_prediction_changes_a_verdict(void **state)
{
    static const uint32_t lies[] = {1, 12345, 499999, 1000000, 1000001, UINT32_MAX};
    struct play *p = begin(NULL);
    struct axi_plan_node nodes[FAKE_NODES];
    struct axi_snapshot *s;
    uint32_t feasible = 0;
    uint32_t refused = 0;

    (void)state;
    deploy(p, "a", "n1");
    deploy(p, "b", "n2");
    for (int i = 0; i < 7; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "full%d", i);
        deploy(p, name, "n2");
    }
    fake_kill(&p->c, 2);
    run(p, 2000);
    s = axi_snapshot_make(p->c.master);
    assert_non_null(s);
    for (size_t t = 0; t < s->problem.task_count; t++) {
        for (size_t n = 0; n < s->problem.node_count; n++) {
            int honest = verdict(s, nodes, t, n, 0);

            feasible += honest == 0;
            refused += honest != 0;
            for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
                assert_int_equal(verdict(s, nodes, t, n, lies[i]), honest);
            }
        }
    }
    assert_true(feasible > 0 && refused > 0);
    axi_snapshot_free(s);
    end(p);
}

/* Weights that say anything: nothing is lost, no node gets more than it admits. */
static void any_weights_do_no_harm(void **state)
{
    static struct axi_predict_weights wild;
    uint64_t random = 4711;

    (void)state;
    for (int round = 0; round < 3; round++) {
        struct play *p;

        wild = (struct axi_predict_weights){.quantile = 0.95f};
        for (size_t i = 0; i < AXI_LEARNED_WEIGHTS; i++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            wild.values[i] = (float)((int64_t)random >> 32) / 2147483648.0f *
                             (round == 0 ? AXI_LEARNED_LIMIT : 1.0f);
        }
        p = begin(&wild);
        deploy(p, "a", "n1");
        deploy(p, "b", "n1");
        deploy(p, "c", "n2");
        for (uint32_t s = 0; s < 120; s++) {
            p->base[s % 3] = 300000.0 + 1000.0 * s;
            run(p, 1000);
            for (uint32_t n = 0; n < FAKE_NODES; n++) {
                assert_true(tasks_on(&p->c.nodes[n]) <= 3);
            }
        }
        run(p, 2000);
        assert_int_equal(fake_active_count(&p->c), 3);
        end(p);
    }
}

/* Whoever would bring a task home asks first: not into foreseen load, not before the rest is over.
 */
static void nobody_goes_home_into_foreseen_load(void **state)
{
    struct play *p = begin(NULL);
    struct axi_master *m = p->c.master;
    struct axi_task *task;

    (void)state;
    deploy(p, "a", "n1");
    p->base[1] = 600000;
    run(p, 60000);
    task = axi_task_lookup(m, "a");
    assert_false(axi_rebalance_allows(m, task, m->nodes[1]));
    assert_true(axi_rebalance_allows(m, task, m->nodes[2]));
    m->declared->policy.is_rebalancing = false;
    assert_true(axi_rebalance_allows(m, task, m->nodes[1]));
    m->declared->policy.is_rebalancing = true;
    task->rebalanced_ns = p->c.now_ns;
    task->rebalanced_count = 1;
    run(p, 50000);
    assert_false(axi_rebalance_allows(m, task, m->nodes[2])); /* two cooldowns */
    run(p, 11000);
    assert_true(axi_rebalance_allows(m, task, m->nodes[2]));
    end(p);
}

static void a_node_shows_what_is_predicted_of_it(void **state)
{
    struct play *p = begin(NULL);
    json_t *node;
    const json_t *prediction;

    (void)state;
    p->base[0] = 200000;
    run(p, 60000);
    node = axi_master_node(p->c.master, "n1");
    prediction = json_object_get(node, "prediction");
    assert_string_equal(json_string_value(json_object_get(prediction, "model")), "learned");
    assert_in_range(json_integer_value(json_object_get(prediction, "load_ppm")), 199000, 201000);
    assert_in_range(json_integer_value(json_object_get(prediction, "predicted_ppm")), 190000,
                    300000);
    assert_true(json_real_value(json_object_get(prediction, "quantile")) > 0.9);
    json_decref(node);
    fake_kill(&p->c, 0);
    run(p, 20000);
    fake_revive(&p->c, 0, 555); /* another boot: nothing is known of it */
    run(p, 3000);
    assert_int_equal(axi_predicted_ppm(p->c.master, 1), 0);
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_a_node_before_it_is_overloaded),
        cmocka_unit_test(sways_without_flapping),
        cmocka_unit_test(does_nothing_unless_declared),
        cmocka_unit_test(dry_run_says_why_and_moves_nothing),
        cmocka_unit_test(a_lying_node_gets_nothing_the_filters_refuse),
        cmocka_unit_test(no_prediction_changes_a_verdict),
        cmocka_unit_test(any_weights_do_no_harm),
        cmocka_unit_test(nobody_goes_home_into_foreseen_load),
        cmocka_unit_test(a_node_shows_what_is_predicted_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
