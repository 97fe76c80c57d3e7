/* SPDX-License-Identifier: Apache-2.0 */
/* Less critical services yield where moves make no room, and get everything back. */
#include "master/service/fake_services.h"
#include "master/service/yield.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define WCETS(us) "\"wcet_us\":{\"linux-x86_64\":" us ",\"axcan-virt\":" us "}"
#define TWO "\"nodes\":[\"n1\",\"n2\"]," /* both are filled by "low" */
#define LOW(more)                                                                                  \
    "{\"kind\":\"Service\",\"name\":\"low\",\"image\":\"multi\",\"mode\":\"at-least-one\"," TWO    \
    "\"criticality\":3," more "," WCETS("6000") "}"
#define LITE "\"degraded\":{\"image\":\"lite\"}"
#define HIGH(more)                                                                                 \
    "{\"kind\":\"Service\",\"name\":\"high\",\"image\":\"multi\",\"mode\":\"single\"," TWO         \
    "\"criticality\":9" more "," WCETS("7000") "}"

static void add_lite(struct rig *rig)
{
    struct axi_image_info lite = {
        .reference = "lite",
        .digest = {0x44},
        .spec = {.name = "lite",
                 .period_ns = 10 * MS,
                 .deadline_ns = 10 * MS,
                 .state_bytes = 16,
                 .state_version = 1},
        .entry_count = 2,
        .entries = {{"linux-x86_64", {5}, 100, MS}, {"axcan-virt", {6}, 100, MS}}};

    assert_int_equal(axi_master_image_add(rig->c.master, &lite, NULL), 0);
    rig_apply(rig, "{\"kind\":\"Policy\",\"rebalance\":{\"cooldown_s\":3}}");
}

static void begin(struct rig *rig, const char *low)
{
    add_lite(rig);
    rig_apply(rig, low);
    rig_run(rig, 1500);
    rig_assert_ready(rig, "low", 2);
}

static void assert_state(struct rig *rig, const char *service, const char *state)
{
    json_t *json = axi_master_service(rig->c.master, service);
    char *text = json_dumps(json, JSON_INDENT(1));

    if (strcmp(json_string_value(json_object_get(json, "state")), state) != 0) {
        fail_msg("not %s: %s", state, text);
    }
    free(text);
    json_decref(json);
}

static void undeclare(struct rig *rig, const char *service)
{
    json_t *request = json_pack("{s:[{s:s, s:s}]}", "objects", "kind", "Service", "name", service);
    json_t *answer = NULL;

    assert_int_equal(axi_master_undeclare(rig->c.master, request, &answer, rig->reason), 0);
    json_decref(request);
    json_decref(answer);
}

static const struct axi_yielded *yielded(struct rig *rig)
{
    return &axi_service_find(rig->c.master, "low")->yielded;
}

static void a_less_critical_one_degrades_and_recovers(void **state)
{
    struct rig *rig = *state;

    begin(rig, LOW(LITE));
    rig_apply(rig, HIGH(""));
    rig_run(rig, 2000);
    rig_assert_ready(rig, "high", 1);
    assert_true(rig_has_event(rig, "yields"));
    assert_state(rig, "low", "degraded");
    assert_int_equal(rig_number(rig, "low", "running"), 2);
    assert_string_equal(yielded(rig)->to, "high");
    rig_run(rig, 8000); /* high runs, and there is no other room */
    assert_state(rig, "low", "degraded");
    undeclare(rig, "high");
    rig_run(rig, 7000);
    assert_true(rig_has_event(rig, "recovered"));
    rig_assert_ready(rig, "low", 2);
    assert_string_equal(yielded(rig)->to, "");
    assert_int_equal(fake_active_count(&rig->c), 2);
}

/* What fails is the least critical that helps, and nothing more than is needed. */
static void the_least_critical_yields(void **state)
{
    struct rig *rig = *state;

    add_lite(rig);
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"low\",\"image\":\"multi\",\"criticality\":3,"
                   "\"nodes\":[\"n2\"]," LITE "," WCETS("6000") "}");
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"mid\",\"image\":\"multi\",\"criticality\":5,"
                   "\"nodes\":[\"n1\"]," LITE "," WCETS("6000") "}");
    rig_run(rig, 1500);
    rig_apply(rig, HIGH(""));
    rig_run(rig, 2500);
    rig_assert_ready(rig, "high", 1);
    assert_state(rig, "low", "degraded");
    rig_assert_ready(rig, "mid", 1);
    assert_int_equal(rig_node_of(rig, "high"), 1);
}

static void nobody_yields_to_an_equal(void **state)
{
    struct rig *rig = *state;
    json_t *answer;

    begin(rig, LOW(LITE ",\"preemptible\":true"));
    answer =
        rig_answer(rig,
                   "{\"objects\":[{\"kind\":\"Service\",\"name\":\"same\",\"image\":\"multi\"," TWO
                   "\"criticality\":3," WCETS("7000") "}]}",
                   -AXC_EADMIT_LOAD);
    assert_int_equal(json_array_size(json_object_get(answer, "plan")), 0);
    json_decref(answer);
    rig_run(rig, 1000);
    rig_assert_ready(rig, "low", 2);
}

static void a_plan_says_who_yields_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    json_t *answer;

    begin(rig, LOW(LITE));
    answer = rig_answer(rig, "{\"objects\":[" HIGH("") "],\"dry_run\":true}", 0);
    assert_int_equal(json_array_size(json_object_get(answer, "plan")), 2);
    assert_non_null(strstr(json_string_value(json_object_get(
                               json_array_get(json_object_get(answer, "plan"), 1), "why")),
                           "makes room for high (criticality 9, its own is 3)"));
    json_decref(answer);
    rig_run(rig, 2000);
    rig_assert_ready(rig, "low", 2);
}

static void a_preemptible_one_shrinks_to_its_minimum_and_grows_again(void **state)
{
    struct rig *rig = *state;

    begin(rig, LOW("\"preemptible\":true,\"minimum\":1"));
    rig_apply(rig, HIGH(""));
    rig_run(rig, 2000);
    rig_assert_ready(rig, "high", 1);
    assert_state(rig, "low", "short");
    assert_int_equal(rig_number(rig, "low", "running"), 1);
    json_decref(
        rig_answer(rig,
                   "{\"objects\":[{\"kind\":\"Service\",\"name\":\"next\",\"image\":\"multi\"," TWO
                   "\"criticality\":8," WCETS("7000") "}]}",
                   -AXC_EADMIT_LOAD)); /* it would be below its minimum */
    undeclare(rig, "high");
    rig_run(rig, 7000);
    rig_assert_ready(rig, "low", 2);
    assert_true(rig_has_event(rig, "yield-ends"));
}

static void without_a_permission_nothing_is_taken(void **state)
{
    struct rig *rig = *state;

    begin(rig, LOW("\"minimum\":1"));
    json_decref(rig_answer(rig, "{\"objects\":[" HIGH("") "]}", -AXC_EADMIT_LOAD));
    json_decref(rig_answer(rig, "{\"objects\":[" HIGH("") "],\"force\":true}", 0));
    rig_run(rig, 4000);
    rig_assert_ready(rig, "low", 2);
    assert_false(rig_has_event(rig, "yields"));
    assert_true(rig_has_event(rig, "service-short"));
}

/* The last one is stopped, not removed: it goes on with its state. */
static void the_last_replica_keeps_its_state(void **state)
{
    struct rig *rig = *state;

    add_lite(rig);
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"low\",\"image\":\"multi\",\"criticality\":3,"
                   "\"nodes\":[\"n1\"],\"preemptible\":true," WCETS("6000") "}");
    rig_run(rig, 1500);
    rig_assert_ready(rig, "low", 1);
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"high\",\"image\":\"multi\",\"criticality\":9,"
                   "\"nodes\":[\"n1\"]," WCETS("7000") "}");
    rig_run(rig, 2500);
    rig_assert_ready(rig, "high", 1);
    assert_int_equal(rig_number(rig, "low", "running"), 0);
    fake_restart_master(&rig->c); /* what is yielded is in the store */
    rig_run(rig, 6000);
    rig_assert_ready(rig, "high", 1);
    assert_int_equal(rig_number(rig, "low", "running"), 0);
    undeclare(rig, "high");
    rig->c.nodes[0].start = (axi_Start){0};
    rig_run(rig, 8000);
    rig_assert_ready(rig, "low", 1);
    assert_true(rig->c.nodes[0].start.has_checkpoint);
}

/* Both are needed elsewhere: one goes, the last one is stopped, and another version waits. */
static void all_replicas_may_go_and_come_back_in_another_version(void **state)
{
    struct rig *rig = *state;

    begin(rig, LOW("\"preemptible\":true,\"minimum\":0"));
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"high\",\"image\":\"multi\"," TWO
                   "\"mode\":\"2oo2\",\"criticality\":9," WCETS("7000") "}");
    rig_run(rig, 3000);
    rig_assert_ready(rig, "high", 2);
    assert_int_equal(rig_number(rig, "low", "running"), 0);
    assert_int_equal(yielded(rig)->replicas, 2);
    rig_apply(rig, LOW("\"preemptible\":true,\"minimum\":0,\"jobs\":1000000"));
    rig_run(rig, 6000);
    assert_int_equal(rig_number(rig, "low", "running"), 0);
    rig_assert_ready(rig, "high", 2);
    undeclare(rig, "high");
    for (uint32_t n = 0; n < 2; n++) {
        rig->c.nodes[n].start = (axi_Start){0};
    }
    rig_run(rig, 20000);
    rig_assert_ready(rig, "low", 2);
    assert_int_equal(rig_number(rig, "low", "generation"), 2);
    assert_true(rig->c.nodes[0].start.has_checkpoint);
    assert_true(rig->c.nodes[1].start.has_checkpoint);
}

static void it_is_back_whole_also_when_the_variant_cannot_begin(void **state)
{
    struct rig *rig = *state;
    static const char odd[] = "\"degraded\":{\"image\":\"odd\",\"state\":\"carry\"}";
    struct axi_image_info image = {.reference = "odd",
                                   .digest = {0x55},
                                   .spec = {.name = "odd",
                                            .period_ns = 10 * MS,
                                            .deadline_ns = 10 * MS,
                                            .state_bytes = 24, /* nothing to carry over */
                                            .state_version = 1},
                                   .entry_count = 1,
                                   .entries = {{"linux-x86_64", {7}, 100, MS}}};
    char low[512];

    assert_int_equal(axi_master_image_add(rig->c.master, &image, NULL), 0);
    (void)snprintf(low, sizeof(low), LOW("%s"), odd);
    begin(rig, low);
    rig_apply(rig, HIGH(""));
    rig_run(rig, 4000);
    assert_true(rig_has_event(rig, "yield-refused"));
    rig_assert_ready(rig, "low", 2);
    assert_int_equal(rig_number(rig, "high", "running"), 0);
}

static void a_dead_one_s_place_is_made_where_others_yield(void **state)
{
    struct rig *rig = *state;

    begin(rig,
          "{\"kind\":\"Service\",\"name\":\"low\",\"image\":\"multi\",\"mode\":\"at-least-one\","
          "\"criticality\":3,\"nodes\":[\"n1\",\"n4\"],\"degraded\":{\"image\":\"lite\"},"
          "\"wcet_us\":{\"linux-x86_64\":6000,\"linux-aarch64\":100}}");
    rig_apply(rig, HIGH(""));
    rig_run(rig, 2000);
    rig_assert_ready(rig, "high", 1);
    rig_assert_ready(rig, "low", 2);
    assert_int_equal(rig_node_of(rig, "high"), 1);
    fake_kill(&rig->c, 1);
    rig_run(rig, 12000);
    rig_assert_ready(rig, "high", 1);
    assert_int_equal(rig_node_of(rig, "high"), 0);
    assert_state(rig, "low", "degraded");
    fake_revive(&rig->c, 1, 900);
    rig_run(rig, 4000); /* low may not be there, and nothing takes high away */
    assert_state(rig, "low", "degraded");
}

static void a_task_gets_room_like_a_service(void **state)
{
    struct rig *rig = *state;
    struct axi_image_info big = {.reference = "big",
                                 .digest = {0x66},
                                 .spec = {.name = "big",
                                          .period_ns = 10 * MS,
                                          .deadline_ns = 10 * MS,
                                          .state_bytes = 16,
                                          .state_version = 1,
                                          .criticality = 7},
                                 .entry_count = 1,
                                 .entries = {{"linux-x86_64", {8}, 100, 7 * MS}}};
    json_t *task = json_loads("{\"image\":\"big\",\"name\":\"big\"}", 0, NULL);
    uint64_t op = 0;

    begin(rig, LOW(LITE));
    assert_int_equal(axi_master_image_add(rig->c.master, &big, NULL), 0);
    assert_int_equal(axi_master_deploy(rig->c.master, task, &op, rig->reason), 0);
    rig_run(rig, 3000);
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    assert_state(rig, "low", "degraded");
    assert_string_equal(yielded(rig)->to, "big");
    json_decref(task);
}

static void another_master_goes_on_at_every_crash_point(void **state)
{
    uint32_t count = 0;

    (void)axi_master_crash_points(&count);
    (void)state;
    for (uint32_t point = 0; point < count; point++) {
        struct rig *rig = NULL;

        rig_setup((void **)&rig);
        begin(rig, LOW(LITE));
        rig->c.crash_at = (int)point;
        rig_apply(rig, HIGH(""));
        rig_run(rig, 8000);
        rig->c.crash_at = -1;
        rig_assert_ready(rig, "high", 1);
        assert_state(rig, "low", "degraded");
        assert_int_equal(fake_active_count(&rig->c), 3);
        rig_teardown((void **)&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_less_critical_one_degrades_and_recovers),
        RIG_TEST(the_least_critical_yields),
        RIG_TEST(nobody_yields_to_an_equal),
        RIG_TEST(a_plan_says_who_yields_and_changes_nothing),
        RIG_TEST(a_preemptible_one_shrinks_to_its_minimum_and_grows_again),
        RIG_TEST(without_a_permission_nothing_is_taken),
        RIG_TEST(the_last_replica_keeps_its_state),
        RIG_TEST(all_replicas_may_go_and_come_back_in_another_version),
        RIG_TEST(it_is_back_whole_also_when_the_variant_cannot_begin),
        RIG_TEST(a_dead_one_s_place_is_made_where_others_yield),
        RIG_TEST(a_task_gets_room_like_a_service),
        cmocka_unit_test(another_master_goes_on_at_every_crash_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
