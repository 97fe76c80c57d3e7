/* SPDX-License-Identifier: Apache-2.0 */
/* Declaring services, nodes and the policy; replicas kept as declared over scripted nodes. */
#include "master/service/fake_services.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static void a_service_gets_its_replicas_on_different_platforms(void **state)
{
    struct rig *rig = *state;

    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(rig_platforms(rig, "brake"), 3);
    assert_int_equal(fake_active_count(&rig->c), 3);
}

static void replicas_share_one_release_grid_from_zero(void **state)
{
    struct rig *rig = *state;
    uint64_t release = 0;

    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
        const struct fake_node *node = &rig->c.nodes[n];

        if (node->start.task_id != 0) {
            release = release != 0 ? release : node->start.release_ns;
            assert_int_equal(node->start.release_ns, release);
            assert_false(node->start.has_checkpoint);
        }
    }
    assert_int_not_equal(release, 0);
}

static void applying_the_same_again_changes_nothing(void **state)
{
    struct rig *rig = *state;
    json_t *answer;

    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    answer = rig_answer(rig, "{\"objects\": [" RIG_TMR "]}", 0);
    assert_string_equal(rig_text(answer, "changes", "action"), "unchanged");
    json_decref(answer);
    rig_run(rig, 1500);
    assert_int_equal(rig_number(rig, "brake", "generation"), 1);
    rig_assert_ready(rig, "brake", 3);
}

static void a_dry_run_says_what_would_be_and_does_nothing(void **state)
{
    struct rig *rig = *state;
    json_t *answer = rig_answer(rig, "{\"dry_run\": true, \"objects\": [" RIG_TMR "]}", 0);

    assert_string_equal(rig_text(answer, "changes", "action"), "create");
    assert_int_equal(json_array_size(json_object_get(answer, "plan")), 3);
    assert_string_equal(rig_text(answer, "plan", "service"), "brake");
    json_decref(answer);
    rig_run(rig, 500);
    assert_null(axi_master_service(rig->c.master, "brake"));
}

static void what_cannot_be_placed_is_refused_node_by_node(void **state)
{
    struct rig *rig = *state;
    json_t *answer = rig_answer(
        rig,
        "{\"objects\": [{\"kind\":\"Service\",\"name\":\"a\",\"image\":\"multi\",\"mode\":\"tmr\"},"
        "{\"kind\":\"Service\",\"name\":\"b\",\"image\":\"multi\",\"mode\":\"single\","
        "\"labels\":{\"zone\":\"moon\"}}]}",
        -AXC_EPLACE_LABEL);
    const json_t *refused = json_array_get(json_object_get(answer, "refused"), 0);

    assert_string_equal(json_string_value(json_object_get(refused, "name")), "b");
    assert_int_equal(json_array_size(json_object_get(refused, "nodes")), 4);
    json_decref(answer);
    rig_run(rig, 500);
    assert_null(axi_master_service(rig->c.master, "a")); /* all or nothing */
}

static void a_wrong_declaration_is_refused_with_its_reason(void **state)
{
    static const struct {
        const char *object, *reason;
        int code;
    } cases[] = {
        {"{\"kind\":\"Service\",\"name\":\"x\",\"image\":\"none\",\"mode\":\"single\"}",
         "no image none", AXC_ENOENT},
        {"{\"kind\":\"Serice\",\"name\":\"x\"}", "kind must be", AXC_EMANIFEST},
        {"{\"kind\":\"Service\",\"name\":\"x\",\"image\":\"multi\",\"mode\":\"quad\"}", "mode",
         AXC_EMANIFEST},
        {RIG_TMR ", " RIG_TMR, "twice", AXC_EEXIST},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[2048];

        (void)snprintf(text, sizeof(text), "{\"objects\": [%s]}", cases[i].object);
        json_decref(rig_answer(rig, text, -cases[i].code));
        if (strstr(rig->reason, cases[i].reason) == NULL) {
            fail_msg("%s: %s", cases[i].object, rig->reason);
        }
    }
    json_decref(rig_answer(rig, "{\"objects\": []}", -AXC_EINVALID));
    json_decref(rig_answer(rig, "{}", -AXC_EINVALID));
}

static void a_stale_revision_is_refused(void **state)
{
    struct rig *rig = *state;
    char text[2048];

    rig_apply(rig, RIG_TMR);
    (void)snprintf(text, sizeof(text),
                   "{\"objects\": [{\"kind\":\"Service\",\"name\":\"brake\",\"image\":\"multi\","
                   "\"mode\":\"tmr\",\"criticality\":3,\"revision\":%llu}]}",
                   (unsigned long long)rig_number(rig, "brake", "revision") + 1);
    json_decref(rig_answer(rig, text, -AXC_EREVISION));
    assert_non_null(strstr(rig->reason, "read it again"));
}

static void replicas_are_added_and_removed_as_declared(void **state)
{
    struct rig *rig = *state;

    rig_apply(rig, RIG_COUNT("2"));
    rig_run(rig, 1000);
    rig_assert_ready(rig, "many", 2);
    rig_apply(rig, RIG_COUNT("4"));
    rig_run(rig, 2000);
    rig_assert_ready(rig, "many", 4);
    rig_apply(rig, RIG_COUNT("2"));
    rig_run(rig, 4000);
    rig_assert_ready(rig, "many", 2);
    assert_int_equal(fake_active_count(&rig->c), 2);
    assert_int_equal(rig_number(rig, "many", "generation"), 1);
}

static void a_service_deleted_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    json_t *request =
        json_loads("{\"objects\":[{\"kind\":\"Service\",\"name\":\"brake\"}]}", 0, NULL);
    json_t *answer = NULL;

    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    assert_int_equal(axi_master_undeclare(rig->c.master, request, &answer, rig->reason), 0);
    json_decref(answer);
    rig_run(rig, 2000);
    assert_null(axi_master_service(rig->c.master, "brake"));
    assert_int_equal(fake_active_count(&rig->c), 0);
    assert_int_equal(axi_master_undeclare(rig->c.master, request, &answer, rig->reason),
                     -AXC_ENOENT);
    json_decref(answer);
    json_decref(request);
}

static void the_image_of_a_service_is_not_deleted(void **state)
{
    struct rig *rig = *state;

    json_decref(rig_answer(rig,
                           "{\"force\": true, \"objects\": [{\"kind\":\"Service\",\"name\":\"s\","
                           "\"image\":\"multi\",\"mode\":\"single\",\"nodes\":[\"n9\"]}]}",
                           0));
    assert_int_equal(axi_master_image_delete(rig->c.master, "multi", rig->reason), -AXC_EBUSY);
    assert_non_null(strstr(rig->reason, "service s"));
}

static void a_cordoned_node_gets_nothing_new(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(axi_master_cordon(rig->c.master, "n2", true, rig->reason), 0);
    rig_apply(rig, RIG_TMR);
    rig_run(rig, 1500);
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(rig->c.nodes[1].received[AXI_WIRE_LOAD], 0);
    fake_restart_master(&rig->c);
    rig_run(rig, 1000);
    fake_kill(&rig->c, 0);
    rig_run(rig, 3000);
    assert_int_equal(rig->c.nodes[1].received[AXI_WIRE_LOAD], 0); /* it survives the master */
    assert_int_equal(axi_master_cordon(rig->c.master, "n2", false, rig->reason), 0);
    rig_run(rig, 3000);
    rig_assert_ready(rig, "brake", 3);
    assert_int_equal(axi_master_cordon(rig->c.master, "n9", true, rig->reason), -AXC_ENOENT);
}

static void a_plain_task_keeps_off_a_cordoned_node_unless_pinned(void **state)
{
    struct rig *rig = *state;
    json_t *plain = json_loads("{\"image\":\"multi\",\"name\":\"t\"}", 0, NULL);
    json_t *pinned = json_loads("{\"image\":\"multi\",\"name\":\"p\",\"node\":\"n1\"}", 0, NULL);
    uint64_t op;

    for (int n = 1; n <= 4; n++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "n%d", n);
        assert_int_equal(axi_master_cordon(rig->c.master, name, true, rig->reason), 0);
    }
    assert_int_equal(axi_master_deploy(rig->c.master, plain, &op, rig->reason), -AXC_ENO_CANDIDATE);
    assert_non_null(strstr(rig->reason, "is cordoned"));
    assert_int_equal(axi_master_deploy(rig->c.master, pinned, &op, rig->reason), 0);
    rig_run(rig, 500);
    assert_int_equal(fake_op_code(&rig->c, op), 0);
    json_decref(plain);
    json_decref(pinned);
}

static void declared_nodes_and_policy_are_kept_by_the_store(void **state)
{
    struct rig *rig = *state;
    json_t *list;

    rig_apply(rig, "{\"kind\":\"Node\",\"name\":\"n1\",\"labels\":{\"zone\":\"front\"},"
                   "\"latency_ms\":2}");
    rig_apply(rig, "{\"kind\":\"Policy\",\"flapping\":{\"window_s\":30,\"limit\":2}}");
    rig_apply(rig, "{\"kind\":\"Service\",\"name\":\"front\",\"image\":\"multi\","
                   "\"mode\":\"single\",\"labels\":{\"zone\":\"front\"}}");
    fake_restart_master(&rig->c);
    rig_run(rig, 2000);
    rig_assert_ready(rig, "front", 1);
    assert_int_equal(rig->c.nodes[0].received[AXI_WIRE_START], 1);
    list = axi_master_declared(rig->c.master);
    assert_int_equal(json_array_size(list), 3);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_service_gets_its_replicas_on_different_platforms),
        RIG_TEST(replicas_share_one_release_grid_from_zero),
        RIG_TEST(applying_the_same_again_changes_nothing),
        RIG_TEST(a_dry_run_says_what_would_be_and_does_nothing),
        RIG_TEST(what_cannot_be_placed_is_refused_node_by_node),
        RIG_TEST(a_wrong_declaration_is_refused_with_its_reason),
        RIG_TEST(a_stale_revision_is_refused),
        RIG_TEST(replicas_are_added_and_removed_as_declared),
        RIG_TEST(a_service_deleted_leaves_nothing),
        RIG_TEST(the_image_of_a_service_is_not_deleted),
        RIG_TEST(a_cordoned_node_gets_nothing_new),
        RIG_TEST(a_plain_task_keeps_off_a_cordoned_node_unless_pinned),
        RIG_TEST(declared_nodes_and_policy_are_kept_by_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
