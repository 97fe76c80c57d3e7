/* SPDX-License-Identifier: Apache-2.0 */
#include "place/place.h"
#include "support/test.h"

#include <string.h>

static const struct axi_place_entry entries[] = {{"linux-x86_64", 2000000, 16384},
                                                 {"linux-aarch64", 0, 16384}};
static const struct axi_place_task task = {.deadline_ns = 10000000,
                                           .period_ns = 10000000,
                                           .needs = 1,
                                           .state_bytes = 1024,
                                           .entries = entries,
                                           .entry_count = 2};
static const struct axi_demand_task heavy[] = {{5000000, 10000000, 10000000}};
static const struct axi_place_node node = {.id = 1,
                                           .name = "n1",
                                           .platforms = {"linux-x86_64"},
                                           .platform_count = 1,
                                           .services = 7,
                                           .assurance = 1,
                                           .capacity_ppm = 800000,
                                           .free_slots = 4,
                                           .memory_free_bytes = 1 << 20,
                                           .is_ready = true};

static void assert_judged(const struct axi_place_task *t, const struct axi_place_node *n, int code)
{
    struct axi_place_verdict verdict;

    axi_place_judge(t, n, &verdict);
    assert_int_equal(verdict.code, code);
    assert_int_equal(verdict.reason[0] != '\0', code != 0);
}

static void each_refusal_names_its_own_reason(void **state)
{
    struct axi_place_node n;
    struct axi_place_task t = task;

    (void)state;
    assert_judged(&task, &node, 0);
    n = node, n.is_ready = false;
    assert_judged(&task, &n, -AXC_EUNAVAILABLE);
    n = node, n.platforms[0] = "axcan-virt";
    assert_judged(&task, &n, -AXC_EADMIT_PLATFORM);
    n = node, n.services = 6;
    assert_judged(&task, &n, -AXC_EADMIT_SERVICE);
    t.assurance_min = 2;
    assert_judged(&t, &node, -AXC_EADMIT_SERVICE);
    n = node, n.free_slots = 0;
    assert_judged(&task, &n, -AXC_EADMIT_SLOTS);
    n = node, n.memory_free_bytes = 4096;
    assert_judged(&task, &n, -AXC_EADMIT_MEMORY);
    n = node, n.platforms[0] = "linux-aarch64";
    assert_judged(&task, &n, -AXC_EADMIT_NO_WCET);
    t = task, t.deadline_ns = 1000000;
    assert_judged(&t, &node, -AXC_EADMIT_DEADLINE);
    n = node, n.margin.delta_ns = 8000000;
    assert_judged(&task, &n, -AXC_EADMIT_LOAD); /* D' = C, of 80 % of a processor */
    n.margin.latency_ns = 1;
    assert_judged(&task, &n, -AXC_EADMIT_DEADLINE);
    n = node, n.capacity_ppm = 699999, n.tasks = heavy, n.task_count = 1;
    assert_judged(&task, &n, -AXC_EADMIT_LOAD);
    n.capacity_ppm = 700000;
    assert_judged(&task, &n, 0);
}

static void profiling_needs_no_wcet_but_the_platform(void **state)
{
    struct axi_place_node n = node;
    struct axi_place_task t = task;

    (void)state;
    n.platforms[0] = "linux-aarch64";
    t.ignore_demand = true;
    assert_judged(&t, &n, 0);
    n.platforms[0] = "axcan-virt";
    assert_judged(&t, &n, -AXC_EADMIT_PLATFORM);
}

static void picks_the_least_dense_node_not_excluded(void **state)
{
    struct axi_place_node nodes[3] = {node, node, node};
    struct axi_place_verdict verdicts[3];
    uint64_t excluded[] = {2, 3};

    (void)state;
    nodes[0].tasks = heavy, nodes[0].task_count = 1;
    nodes[1].id = 2;
    nodes[2].id = 3;
    assert_int_equal(axi_place_best(&task, nodes, 3, NULL, 0, verdicts), 1);
    assert_int_equal(axi_place_best(&task, nodes, 3, excluded, 1, verdicts), 2);
    assert_int_equal(axi_place_best(&task, nodes, 3, excluded, 2, verdicts), 0);
    nodes[0].capacity_ppm = 1;
    assert_int_equal(axi_place_best(&task, nodes, 3, excluded, 2, verdicts), -AXC_ENO_CANDIDATE);
    assert_int_equal(verdicts[0].code, -AXC_EADMIT_LOAD);
    assert_int_equal(verdicts[0].density_after_ppm, 700000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_names_its_own_reason),
        cmocka_unit_test(profiling_needs_no_wcet_but_the_platform),
        cmocka_unit_test(picks_the_least_dense_node_not_excluded),
    };

    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
