/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/spec.h"
#include "place/plan.h"
#include "support/test.h"

#include <string.h>

enum { NODES = 4, TASKS = 6 };

static const struct axi_place_entry entries[] = {{"linux-x86_64", 2000000, 16384},
                                                 {"linux-aarch64", 3000000, 16384}};
static const char *const rack[] = {"rack=a", "disk=ssd"};

struct bench {
    struct axi_plan_node nodes[NODES];
    struct axi_plan_task tasks[TASKS];
    struct axi_plan_service service;
    struct axi_plan_problem problem;
};

/* Four nodes alike, two of each platform; three replicas of one service and three other tasks, all
 * nowhere. */
static void make(struct bench *b)
{
    static const char *const node_names[] = {"n0", "n1", "n2", "n3"};
    static const char *const task_names[] = {"s-1", "s-2", "s-3", "t-3", "t-4", "t-5"};

    memset(b, 0, sizeof(*b));
    for (uint32_t i = 0; i < NODES; i++) {
        b->nodes[i] = (struct axi_plan_node){
            .place = {.id = 100 + i,
                      .name = node_names[i],
                      .platforms = {i < 2 ? "linux-x86_64" : "linux-aarch64"},
                      .platform_count = 1,
                      .services = 7,
                      .assurance = 1,
                      .capacity_ppm = 700000,
                      .free_slots = 4,
                      .memory_free_bytes = 1 << 20,
                      .is_ready = true},
            .isa = i < 2 ? "x86_64" : "aarch64"};
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        b->tasks[i] = (struct axi_plan_task){.id = 1 + i,
                                             .name = task_names[i],
                                             .what = {.deadline_ns = 10000000,
                                                      .period_ns = 10000000,
                                                      .needs = 1,
                                                      .state_bytes = 1024,
                                                      .entries = entries,
                                                      .entry_count = 2},
                                             .service = i < 3 ? 0 : AXI_PLAN_NONE,
                                             .node = AXI_PLAN_NONE,
                                             .is_movable = true};
    }
    b->service = (struct axi_plan_service){.name = "s", .needed = 2};
    b->problem = (struct axi_plan_problem){b->nodes, b->tasks, &b->service, NODES, TASKS, 1};
}

/* The verdict, with a text exactly when refused; the text in `reason`. */
static int judge(const struct bench *b, size_t task, size_t node, char *reason)
{
    double score = -1;
    int code = axi_plan_judge(&b->problem, task, node, &score, reason);

    assert_int_equal(reason[0] != '\0', code != 0);
    assert_int_equal(score == -1, code != 0);
    return code;
}

static void assert_refused(const struct bench *b, size_t task, size_t node, int code,
                           const char *words)
{
    char reason[AXI_PLAN_REASON_BYTES];

    assert_int_equal(judge(b, task, node, reason), code);
    if (strstr(reason, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", reason, words);
    }
}

static void assert_fits(const struct bench *b, size_t task, size_t node)
{
    char reason[AXI_PLAN_REASON_BYTES];

    if (judge(b, task, node, reason) != 0) {
        fail_msg("refused: %s", reason);
    }
}

static void what_one_node_says_is_what_place_says(void **state)
{
    struct bench b;

    (void)state;
    make(&b);
    assert_fits(&b, 0, 0);
    b.nodes[0].place.is_ready = false;
    assert_refused(&b, 0, 0, -AXC_EUNAVAILABLE, "n0 is not ready");
    make(&b);
    b.nodes[0].place.platforms[0] = "axcan-virt";
    assert_refused(&b, 0, 0, -AXC_EADMIT_PLATFORM, "axcan-virt");
    make(&b);
    b.tasks[0].what.needs = 8;
    assert_refused(&b, 0, 0, -AXC_EADMIT_SERVICE, "0x8");
    b.tasks[0].what.needs = 0, b.tasks[0].what.assurance_min = 2;
    assert_refused(&b, 0, 0, -AXC_EADMIT_SERVICE, "isolated");
    make(&b);
    b.nodes[0].place.margin.delta_ns = 9000000;
    assert_refused(&b, 0, 0, -AXC_EADMIT_DEADLINE, "D 10000 - Delta_max 9000");
    make(&b);
    b.nodes[0].place.capacity_ppm = 100000;
    assert_refused(&b, 0, 0, -AXC_EADMIT_LOAD, "200001 ppm of a capacity of 100000");
}

static void cordoned_nodes_keep_what_they_have_and_leaving_ones_do_not(void **state)
{
    struct bench b;

    (void)state;
    make(&b);
    b.nodes[0].is_cordoned = true;
    assert_refused(&b, 0, 0, -AXC_EUNAVAILABLE, "cordoned");
    b.tasks[0].node = 0;
    assert_fits(&b, 0, 0);
    b.nodes[0].is_leaving = true;
    assert_refused(&b, 0, 0, -AXC_EUNAVAILABLE, "drained");
}

static void memory_slots_and_load_are_sums_of_what_is_planned_there(void **state)
{
    struct bench b;

    (void)state;
    make(&b);
    b.tasks[3].node = b.tasks[4].node = 0;
    assert_fits(&b, 5, 0);
    b.nodes[0].place.free_slots = 2;
    assert_refused(&b, 5, 0, -AXC_EADMIT_SLOTS, "slot");
    assert_fits(&b, 4, 0); /* it is there already */
    b.nodes[0].place.free_slots = 3;
    b.nodes[0].place.memory_free_bytes = 3 * (16384 + 3 * 1024) - 1;
    assert_refused(&b, 5, 0, -AXC_EADMIT_MEMORY, "19456 bytes are needed, 19455 are free");
    b.nodes[0].place.memory_free_bytes++;
    assert_fits(&b, 5, 0);
    b.tasks[2].node = 0;
    b.nodes[0].place.free_slots = 4;
    b.nodes[0].place.memory_free_bytes *= 2;
    assert_refused(&b, 5, 0, -AXC_EADMIT_LOAD, "800001 ppm");
}

static void services_choose_their_nodes(void **state)
{
    static const uint64_t allowed[] = {101, 102};
    struct bench b;

    (void)state;
    make(&b);
    b.service.nodes = allowed, b.service.node_count = 2;
    assert_refused(&b, 0, 0, -AXC_EPLACE_NODE, "2 nodes");
    assert_fits(&b, 0, 1);
    assert_fits(&b, 3, 0); /* not of the service */
    b.service.labels = rack, b.service.label_count = 2;
    b.nodes[1].labels = rack, b.nodes[1].label_count = 1;
    assert_refused(&b, 0, 1, -AXC_EPLACE_LABEL, "disk=ssd");
    b.nodes[1].label_count = 2;
    assert_fits(&b, 0, 1);
    b.service.latency_max_ns = 1000000;
    b.nodes[1].latency_ns = 1000001;
    assert_refused(&b, 0, 1, -AXC_EPLACE_LATENCY, "1.000 ms");
    b.nodes[1].latency_ns--;
    assert_fits(&b, 0, 1);
}

static void replicas_keep_apart(void **state)
{
    struct bench b;

    (void)state;
    make(&b);
    b.tasks[0].node = 0;
    assert_refused(&b, 1, 0, -AXC_EPLACE_SHARED, "s-1 of the same service");
    assert_fits(&b, 1, 1);
    b.service.diversity = AXI_DIVERSE_PLATFORM;
    assert_fits(&b, 1, 1);
    b.service.diversity |= AXI_DIVERSE_REQUIRED;
    assert_refused(&b, 1, 1, -AXC_EPLACE_DIVERSITY, "like s-1 on n0");
    assert_fits(&b, 1, 2);
    b.service.diversity = AXI_DIVERSE_ISA | AXI_DIVERSE_REQUIRED;
    assert_refused(&b, 1, 1, -AXC_EPLACE_DIVERSITY, "ISA x86_64");
    b.nodes[1].isa = "other";
    assert_fits(&b, 1, 1);
    b.service.diversity = AXI_DIVERSE_IMAGE | AXI_DIVERSE_REQUIRED;
    assert_refused(&b, 1, 2, -AXC_EPLACE_DIVERSITY, "image 0");
    b.tasks[1].image = 1;
    assert_fits(&b, 1, 2);
}

static void the_target_is_judged_when_the_last_replica_is_placed(void **state)
{
    struct bench b;

    (void)state;
    make(&b);
    b.service.fail_per_hour_max = 4e-6;
    for (int i = 0; i < NODES; i++) {
        b.nodes[i].fail_per_hour = 1e-3;
    }
    assert_fits(&b, 0, 0); /* two more are to come */
    b.tasks[0].node = 0, b.tasks[1].node = 1;
    assert_true(axi_plan_failure_per_hour(&b.problem, 0) > 1e-3); /* both are needed */
    assert_fits(&b, 2, 2);
    b.tasks[2].node = 2;
    assert_true(axi_plan_failure_per_hour(&b.problem, 0) < 3e-6);
    b.tasks[2].node = AXI_PLAN_NONE;
    b.service.fail_per_hour_max = 2e-6;
    assert_refused(&b, 2, 2, -AXC_EPLACE_FAILURE, "2e-06 is allowed");
    b.service.fail_per_hour_max = 4e-6;
    b.nodes[2].wrong_per_hour = 1e-2; /* wrong values count as much as silence */
    assert_refused(&b, 2, 2, -AXC_EPLACE_FAILURE, "an hour");
    b.nodes[2].wrong_per_hour = 0;
    for (int i = 0; i < 2; i++) {
        b.nodes[i].platform_fail_per_hour = 1e-4; /* common to two of three */
    }
    assert_refused(&b, 2, 2, -AXC_EPLACE_FAILURE, "an hour");
    b.tasks[0].node = AXI_PLAN_NONE;
    assert_true(axi_plan_failure_per_hour(&b.problem, 0) == 1); /* one of the two needed */
}

static void wrong_values_that_agree_are_failures_without_a_majority(void **state)
{
    struct bench b;
    double one = 0;

    (void)state;
    make(&b);
    b.problem.nodes = b.nodes;
    b.service.needed = 1;
    for (int i = 0; i < 3; i++) {
        b.tasks[i].node = (uint32_t)i;
        b.nodes[i].wrong_per_hour = 1e-2;
    }
    one = axi_plan_failure_per_hour(&b.problem, 0);
    assert_true(one > 0.9e-6 && one < 1e-6); /* all three */
    assert_true(axi_plan_failure_per_hour(&b.problem, 7) == 1);
}

static void the_loss_of_any_node_can_be_made_up_for(void **state)
{
    struct bench b;

    (void)state;
    make(&b);
    b.service.survives_node_loss = true;
    b.problem.node_count = 2;
    b.tasks[1].service = b.tasks[2].service = AXI_PLAN_NONE;
    assert_fits(&b, 0, 0); /* n1 is its spare */
    b.nodes[1].is_cordoned = true;
    assert_refused(&b, 0, 0, -AXC_EPLACE_SPARE, "if n0 were lost");
    b.nodes[1].is_cordoned = false;
    b.tasks[0].node = 0;
    b.tasks[1].node = b.tasks[2].node = 1; /* room for one more */
    assert_refused(&b, 3, 1, -AXC_EPLACE_SPARE, "if n0 were lost");
    assert_fits(&b, 3, 0); /* it asks for no spare itself */
    b.tasks[3].service = 0;
    assert_refused(&b, 3, 1, -AXC_EPLACE_SPARE, "if n1 were lost"); /* its fellow is on n0 */
    b.problem.node_count = 3;
    assert_fits(&b, 3, 1); /* now n2 is its spare, and that of the other */
}

static void the_best_node_is_the_least_loaded_one(void **state)
{
    struct axi_plan_choice choice;
    struct bench b;
    const uint64_t excluded[] = {101, 102, 103};

    (void)state;
    make(&b);
    b.tasks[3].node = 0;
    assert_int_equal(axi_plan_best(&b.problem, 5, NULL, 0, &choice), 0);
    assert_int_equal(choice.node, 1);
    assert_non_null(strstr(choice.reason, "load 20.0 % of 70.0 %"));
    b.nodes[1].predicted_ppm = 600000; /* it will be loaded */
    assert_int_equal(axi_plan_best(&b.problem, 5, NULL, 0, &choice), 0);
    assert_int_equal(choice.node, 2);
    assert_int_equal(axi_plan_best(&b.problem, 5, excluded, 3, &choice), 0);
    assert_int_equal(choice.node, 0);
    assert_non_null(strstr(choice.reason, "no other node"));
    b.nodes[0].is_cordoned = true;
    assert_int_equal(axi_plan_best(&b.problem, 5, excluded, 3, &choice), -AXC_ENO_CANDIDATE);
    assert_int_equal(choice.node, AXI_PLAN_NONE);
    assert_non_null(
        strstr(choice.reason, "1 x UNAVAILABLE (n0: n0 is cordoned); 3 x EXCLUDED (n1)"));
    b.problem.node_count = 0;
    assert_int_equal(axi_plan_best(&b.problem, 5, NULL, 0, &choice), -AXC_EINVALID); /* t-3 on n0 */
    b.tasks[3].node = AXI_PLAN_NONE;
    assert_int_equal(axi_plan_best(&b.problem, 5, NULL, 0, &choice), -AXC_ENO_CANDIDATE);
    assert_string_equal(choice.reason, "there is no node");
}

static void wishes_count_less_than_filters_and_more_than_some_load(void **state)
{
    static const struct axi_place_entry light[] = {{"linux-x86_64", 200000, 1},
                                                   {"linux-aarch64", 300000, 1}};
    struct axi_plan_choice choice;
    struct bench b;

    (void)state;
    make(&b);
    b.tasks[0].node = 0;
    b.service.diversity = AXI_DIVERSE_PLATFORM;
    b.tasks[3].node = 3;
    b.nodes[2].is_cordoned = true;
    assert_int_equal(axi_plan_best(&b.problem, 1, NULL, 0, &choice), 0);
    assert_int_equal(choice.node, 3); /* diverse, though loaded */
    make(&b);
    b.service.prefer = rack, b.service.prefer_count = 2;
    b.tasks[1].what.entries = b.tasks[3].what.entries = light;
    b.tasks[3].node = 3;
    b.nodes[3].labels = rack, b.nodes[3].label_count = 1;
    assert_int_equal(axi_plan_best(&b.problem, 1, NULL, 0, &choice), 0);
    assert_int_equal(choice.node, 3);
    b.nodes[3].latency_ns = 9000000; /* of 10 ms */
    b.nodes[0].labels = &rack[1], b.nodes[0].label_count = 1;
    assert_int_equal(axi_plan_best(&b.problem, 1, NULL, 0, &choice), 0);
    assert_int_equal(choice.node, 0);
}

static void a_planner_answers_as_the_single_questions_do(void **state)
{
    struct axi_planner *planner = NULL;
    struct axi_plan_choice one;
    struct axi_plan_choice other;
    struct bench b;
    double score = 0;

    (void)state;
    make(&b);
    assert_int_equal(axi_planner_new(&b.problem, &planner), 0);
    assert_int_equal(axi_planner_assume(planner, 0, 0), 0);
    assert_int_equal(axi_planner_judge(planner, 1, 0, &score, NULL), -AXC_EPLACE_SHARED);
    assert_int_equal(axi_planner_assume(planner, 0, 2), 0);
    assert_int_equal(axi_planner_judge(planner, 1, 0, &score, NULL), 0);
    assert_int_equal(axi_planner_judge(planner, 1, NODES, &score, NULL), -AXC_EINVALID);
    assert_int_equal(axi_planner_judge(planner, TASKS, 0, &score, NULL), -AXC_EINVALID);
    assert_int_equal(axi_planner_assume(planner, 0, NODES), -AXC_EINVALID);
    assert_int_equal(axi_planner_best(planner, 1, NULL, 0, &one), 0);
    b.tasks[0].node = 2;
    assert_int_equal(axi_plan_best(&b.problem, 1, NULL, 0, &other), 0);
    assert_int_equal(one.node, other.node);
    axi_planner_free(planner);
    b.tasks[5].service = 1;
    assert_int_equal(axi_planner_new(&b.problem, &planner), -AXC_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_node_says_is_what_place_says),
        cmocka_unit_test(cordoned_nodes_keep_what_they_have_and_leaving_ones_do_not),
        cmocka_unit_test(memory_slots_and_load_are_sums_of_what_is_planned_there),
        cmocka_unit_test(services_choose_their_nodes),
        cmocka_unit_test(replicas_keep_apart),
        cmocka_unit_test(the_target_is_judged_when_the_last_replica_is_placed),
        cmocka_unit_test(wrong_values_that_agree_are_failures_without_a_majority),
        cmocka_unit_test(the_loss_of_any_node_can_be_made_up_for),
        cmocka_unit_test(the_best_node_is_the_least_loaded_one),
        cmocka_unit_test(wishes_count_less_than_filters_and_more_than_some_load),
        cmocka_unit_test(a_planner_answers_as_the_single_questions_do),
    };

    return cmocka_run_group_tests_name("plan_judge", tests, NULL, NULL);
}
