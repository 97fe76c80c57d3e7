/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/spec.h"
#include "place/plan.h"
#include "support/test.h"

#include <string.h>

enum { NODES = 3, TASKS = 6 };

static const struct axi_place_entry tenths[][1] = {{{"p", 1000000, 100}}, {{"p", 2000000, 100}},
                                                   {{"p", 3000000, 100}}, {{"p", 4000000, 100}},
                                                   {{"p", 5000000, 100}}, {{"p", 6000000, 100}}};
static const char *const names[] = {"t0", "t1", "t2", "t3", "t4", "t5"};
static const char *const near[] = {"near=yes"};

struct bench {
    struct axi_plan_node nodes[NODES];
    struct axi_plan_task tasks[TASKS];
    struct axi_plan_service service;
    struct axi_plan_problem problem;
    struct axi_plan_options options;
    struct axi_plan plan;
};

/* Nodes alike, 80 % each; as many tasks as given, each of so many tenths of a processor, nowhere.
 */
static void make(struct bench *b, const char *sizes)
{
    static const char *const node_names[] = {"n0", "n1", "n2"};

    memset(b, 0, sizeof(*b));
    for (uint32_t i = 0; i < NODES; i++) {
        b->nodes[i] = (struct axi_plan_node){.place = {.id = 10 + i,
                                                       .name = node_names[i],
                                                       .platforms = {"p"},
                                                       .platform_count = 1,
                                                       .capacity_ppm = 800010,
                                                       .free_slots = 100,
                                                       .memory_free_bytes = 100000,
                                                       .is_ready = true}};
    }
    b->service = (struct axi_plan_service){.name = "s", .needed = 1};
    b->problem = (struct axi_plan_problem){b->nodes, b->tasks, &b->service, NODES, 0, 1};
    for (uint32_t i = 0; sizes[i] != '\0'; i++) {
        b->tasks[i] = (struct axi_plan_task){.id = i,
                                             .name = names[i],
                                             .what = {.deadline_ns = 10000000,
                                                      .period_ns = 10000000,
                                                      .entries = tenths[sizes[i] - '1'],
                                                      .entry_count = 1},
                                             .service = AXI_PLAN_NONE,
                                             .node = AXI_PLAN_NONE,
                                             .is_movable = true};
        b->problem.task_count++;
    }
}

/* nodes: of each task a digit, or '-'. */
static void put(struct bench *b, const char *nodes)
{
    for (uint32_t i = 0; nodes[i] != '\0'; i++) {
        b->tasks[i].node = nodes[i] == '-' ? AXI_PLAN_NONE : (uint32_t)(nodes[i] - '0');
    }
}

static void plan(struct bench *b, const char *expected)
{
    char got[TASKS + 1] = "";

    assert_int_equal(axi_plan_make(&b->problem, &b->options, &b->plan), 0);
    for (uint32_t i = 0; i < b->problem.task_count; i++) {
        uint32_t node = b->plan.choices[i].node;

        got[i] = node == AXI_PLAN_NONE ? '-' : (char)('0' + node);
        assert_true(b->plan.choices[i].reason[0] != '\0');
    }
    assert_string_equal(got, expected);
}

static void assert_counts(struct bench *b, size_t moved, size_t placed, size_t refused)
{
    assert_int_equal(b->plan.moved, moved);
    assert_int_equal(b->plan.placed, placed);
    assert_int_equal(b->plan.refused, refused);
    axi_plan_clear(&b->plan);
}

static void assert_says(const struct bench *b, uint32_t task, int code, const char *words)
{
    const struct axi_plan_choice *choice = &b->plan.choices[task];

    assert_int_equal(choice->code, code);
    if (strstr(choice->reason, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", choice->reason, words);
    }
}

static void the_largest_go_first_and_the_load_is_spread(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "123");
    plan(&b, "210");
    assert_counts(&b, 0, 3, 0);
    make(&b, "544444"); /* pairs, or 5 alone and pairs: one is left over in any case */
    plan(&b, "-01201");
    assert_says(&b, 0, -AXC_EADMIT_LOAD, "3 x ADMIT_LOAD (n0: density would be 1300001 ppm");
    assert_counts(&b, 0, 5, 1);
}

static void the_critical_go_before_the_large(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "666333");
    b.tasks[3].criticality = b.tasks[4].criticality = b.tasks[5].criticality = 1;
    plan(&b, "0--112");
    axi_plan_clear(&b.plan);
}

static void what_runs_stays_where_it_is(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "2221");
    put(&b, "000-");
    plan(&b, "0001");
    assert_says(&b, 0, 0, "stays: load 60.0 %");
    assert_counts(&b, 0, 1, 0);
    b.options.is_rebalancing = true;
    plan(&b, "2101");
    axi_plan_clear(&b.plan);
}

static void a_drained_node_gives_up_what_may_move(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "2222");
    put(&b, "0001");
    b.tasks[1].is_movable = false;
    b.nodes[0].is_leaving = true;
    plan(&b, "2011");
    assert_says(&b, 1, 0, "stays");
    assert_counts(&b, 2, 0, 0);
    b.options.moves_max = 1;
    plan(&b, "2001");
    assert_says(&b, 2, -AXC_EUNAVAILABLE, "n0 is being drained; stays: 1 tasks move already");
    assert_counts(&b, 1, 0, 1);
    b.options.moves_max = 0;
    b.nodes[1].is_cordoned = b.nodes[2].is_cordoned = true;
    plan(&b, "0001");
    assert_says(&b, 2, -AXC_EUNAVAILABLE, "n0 is being drained; stays: 3 x UNAVAILABLE (n0");
    assert_counts(&b, 0, 0, 2);
}

static void a_node_that_is_down_holds_nothing(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "266");
    put(&b, "012");
    b.nodes[0].place.is_ready = false;
    plan(&b, "112");
    assert_counts(&b, 0, 1, 0);
    b.tasks[0].what.entries = tenths[3];
    plan(&b, "-12");
    assert_says(&b, 0, -AXC_EADMIT_LOAD, "1 x UNAVAILABLE (n0)");
    assert_counts(&b, 0, 0, 1);
}

static void others_make_room_unless_they_are_more_critical(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "3336"); /* 6 fits nowhere beside a 3 */
    put(&b, "012-");
    plan(&b, "1120");
    assert_says(&b, 0, 0, "makes room for t3");
    assert_counts(&b, 1, 1, 0);
    b.tasks[0].is_movable = false;
    plan(&b, "0021");
    axi_plan_clear(&b.plan);
    b.tasks[1].criticality = b.tasks[2].criticality = 1;
    plan(&b, "012-");
    assert_counts(&b, 0, 0, 1);
    b.tasks[3].criticality = 1;
    plan(&b, "0021");
    axi_plan_clear(&b.plan);
    make(&b, "33336"); /* two have to go */
    put(&b, "0012-");
    b.tasks[2].is_movable = b.tasks[3].is_movable = false;
    b.options.moves_max = 1;
    plan(&b, "0012-");
    axi_plan_clear(&b.plan);
    b.options.moves_max = 2;
    plan(&b, "21120");
    assert_counts(&b, 2, 1, 0);
}

static void an_overloaded_node_sheds_only_what_it_must(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "333");
    put(&b, "000");
    b.tasks[1].criticality = b.tasks[2].criticality = 1;
    plan(&b, "100");
    assert_counts(&b, 1, 0, 0);
    b.nodes[1].is_cordoned = b.nodes[2].is_cordoned = true;
    plan(&b, "000");
    assert_says(&b, 0, -AXC_EADMIT_LOAD, "stays");
    assert_counts(&b, 0, 0, 1);
}

static void rebalancing_follows_wishes_and_predictions(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "1111");
    put(&b, "0012");
    b.tasks[3].service = 0;
    b.service.prefer = near, b.service.prefer_count = 1;
    b.nodes[0].labels = near, b.nodes[0].label_count = 1;
    b.options.is_rebalancing = true;
    plan(&b, "2010"); /* at home again, though the load would be less elsewhere */
    axi_plan_clear(&b.plan);
    b.nodes[0].predicted_ppm = 780000; /* 98 % of what it has, 20 % of that from these tasks */
    plan(&b, "1212");
    axi_plan_clear(&b.plan);
}

static bool always(void *context)
{
    ++*(uint32_t *)context;
    return true;
}

static void searching_ends_when_it_is_over(void **state)
{
    uint32_t asked = 0;
    struct bench b;

    (void)state;
    make(&b, "3336");
    put(&b, "012-");
    b.options.is_over = always;
    b.options.context = &asked;
    plan(&b, "012-");
    assert_true(asked > 0);
    assert_counts(&b, 0, 0, 1);
}

static void refuses_a_problem_that_points_nowhere(void **state)
{
    struct bench b;

    (void)state;
    make(&b, "1");
    b.tasks[0].node = NODES;
    assert_int_equal(axi_plan_make(&b.problem, NULL, &b.plan), -AXC_EINVALID);
    b.tasks[0].node = 0;
    b.tasks[0].service = 1;
    assert_int_equal(axi_plan_make(&b.problem, NULL, &b.plan), -AXC_EINVALID);
    b.problem.task_count = 0;
    plan(&b, "");
    assert_counts(&b, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_go_first_and_the_load_is_spread),
        cmocka_unit_test(the_critical_go_before_the_large),
        cmocka_unit_test(what_runs_stays_where_it_is),
        cmocka_unit_test(a_drained_node_gives_up_what_may_move),
        cmocka_unit_test(a_node_that_is_down_holds_nothing),
        cmocka_unit_test(others_make_room_unless_they_are_more_critical),
        cmocka_unit_test(an_overloaded_node_sheds_only_what_it_must),
        cmocka_unit_test(rebalancing_follows_wishes_and_predictions),
        cmocka_unit_test(searching_ends_when_it_is_over),
        cmocka_unit_test(refuses_a_problem_that_points_nowhere),
    };

    return cmocka_run_group_tests_name("plan_make", tests, NULL, NULL);
}
