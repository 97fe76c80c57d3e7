/* SPDX-License-Identifier: Apache-2.0 */
/* Moving tasks off a node that is busy or about to end. */
#include "master/fake_cluster.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    struct fake_cluster *c = calloc(1, sizeof(*c));

    fake_up(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    fake_down(*state);
    free(*state);
    return 0;
}

static void deploy(struct fake_cluster *c, const char *text)
{
    json_t *request = json_loads(text, 0, NULL);
    uint64_t op = 0;

    assert_int_equal(axi_master_deploy(c->master, request, &op, NULL), 0);
    json_decref(request);
    fake_run(c, 300);
    assert_int_equal(fake_op_code(c, op), 0);
}

static void ask(struct fake_cluster *c, uint32_t node, const axi_OffloadRequest *request)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(
        axi_wire_encode(AXI_WIRE_OFFLOAD_REQUEST, request, NULL, 0, frame, sizeof(frame), &bytes),
        0);
    axi_master_link_bytes(c->master, c->nodes[node].link, frame, bytes);
    fake_run(c, 500);
}

static void goes_to_the_least_loaded_node(void **state)
{
    struct fake_cluster *c = *state;
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;

    deploy(c, "{\"image\": \"work\"}");
    c->nodes[1].cpu_load_ppm = 700000;
    c->nodes[2].cpu_load_ppm = 100000;
    fake_run(c, 200);
    assert_ptr_equal(fake_owner(c), &c->nodes[0]);
    assert_int_equal(axi_master_offload(c->master, "work", &op, reason), 0);
    fake_run(c, 500);
    assert_int_equal(fake_op_code(c, op), 0);
    assert_ptr_equal(fake_owner(c), &c->nodes[2]);
    assert_int_equal(fake_active_count(c), 1);
}

static void refuses_with_a_reason_each(void **state)
{
    struct fake_cluster *c = *state;
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;

    assert_int_equal(axi_master_offload(c->master, "work", &op, reason), -AXC_ENOENT);
    assert_null(axi_master_offload_node(c->master, "n9", reason));
    assert_non_null(strstr(reason, "n9"));
    deploy(c, "{\"image\": \"work\", \"node\": \"n1\"}");
    assert_int_equal(axi_master_offload(c->master, "work", &op, reason), -AXC_ENO_CANDIDATE);
    assert_non_null(strstr(reason, "n1 only"));
    assert_int_equal(axi_master_stop(c->master, "work", &op, reason), 0);
    fake_run(c, 300);
    assert_int_equal(axi_master_offload(c->master, "work", &op, reason), -AXC_ESTATE);
}

static void a_whole_node_is_emptied_and_what_stays_is_said(void **state)
{
    struct fake_cluster *c = *state;
    json_t *answer;

    deploy(c, "{\"image\": \"work\"}");
    deploy(c, "{\"image\": \"work\", \"name\": \"bound\", \"node\": \"n1\"}");
    assert_ptr_equal(fake_owner(c), &c->nodes[0]);
    answer = axi_master_offload_node(c->master, "n1", NULL);
    assert_int_equal(json_array_size(json_object_get(answer, "operations")), 1);
    assert_int_equal(json_array_size(json_object_get(answer, "refused")), 1);
    json_decref(answer);
    fake_run(c, 500);
    assert_ptr_not_equal(fake_owner(c), &c->nodes[0]);
    assert_int_equal(fake_active_count(c), 2);
}

static void an_overloaded_node_loses_one_task(void **state)
{
    struct fake_cluster *c = *state;

    deploy(c, "{\"image\": \"work\"}");
    ask(c, 0, &(axi_OffloadRequest){.reason = "busy"});
    assert_ptr_not_equal(fake_owner(c), &c->nodes[0]);
    assert_string_equal(fake_state(c), "running");
    ask(c, 0, &(axi_OffloadRequest){.task_id = 99, .reason = "not its own"});
    ask(c, 0, &(axi_OffloadRequest){.reason = "nothing left"});
    assert_int_equal(fake_active_count(c), 1);
}

/* One node leaves, another is full: it must not come back to the first. */
static void a_leaving_node_gets_nothing_new(void **state)
{
    struct fake_cluster *c = *state;
    uint64_t op = 0;

    deploy(c, "{\"image\": \"work\"}");
    ask(c, 0, &(axi_OffloadRequest){.task_id = 99, .reason = "ends", .leaving = true});
    assert_ptr_equal(fake_owner(c), &c->nodes[0]);
    assert_int_equal(axi_master_migrate(c->master, "work", "n2", &op, NULL), 0);
    fake_run(c, 500);
    assert_ptr_equal(fake_owner(c), &c->nodes[1]);
    assert_int_not_equal(axi_master_migrate(c->master, "work", "n1", &op, NULL), 0);
    assert_int_equal(axi_master_migrate(c->master, "work", NULL, &op, NULL), 0);
    fake_run(c, 500);
    assert_ptr_equal(fake_owner(c), &c->nodes[2]);
    fake_kill(c, 0);
    fake_revive(c, 0, 500); /* started again: it may be used */
    fake_run(c, 1500);
    assert_int_equal(axi_master_migrate(c->master, "work", "n1", &op, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(goes_to_the_least_loaded_node),
        TEST(refuses_with_a_reason_each),
        TEST(a_whole_node_is_emptied_and_what_stays_is_said),
        TEST(an_overloaded_node_loses_one_task),
        TEST(a_leaving_node_gets_nothing_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
