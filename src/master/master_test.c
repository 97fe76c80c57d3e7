/* SPDX-License-Identifier: Apache-2.0 */
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

static int deploy_json(struct fake_cluster *c, const char *text, uint64_t *ret_op, char *reason)
{
    json_t *request = json_loads(text, 0, NULL);
    int rc = axi_master_deploy(c->master, request, ret_op, reason);

    json_decref(request);
    return rc;
}

static uint64_t deploy(struct fake_cluster *c, const char *text)
{
    uint64_t op = 0;
    char reason[AXI_REASON_BYTES] = "";

    if (deploy_json(c, text, &op, reason) != 0) {
        fail_msg("deploy refused: %s", reason);
    }
    fake_run(c, 300);
    return op;
}

static void assert_runs_once(struct fake_cluster *c)
{
    assert_string_equal(fake_state(c), "running");
    assert_int_equal(fake_active_count(c), 1);
    assert_non_null(fake_owner(c));
}

static void deploys_to_a_ready_node(void **state)
{
    struct fake_cluster *c = *state;
    uint64_t op = deploy(c, "{\"image\": \"work\"}");

    assert_int_equal(fake_op_code(c, op), 0);
    assert_runs_once(c);
    assert_false(fake_owner(c)->start.has_checkpoint);
}

static void refuses_bad_requests_with_a_reason_each(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *reason;
    } cases[] = {
        {"[]", AXC_EINVALID, "JSON object"},
        {"{}", AXC_EINVALID, "\"image\" is missing"},
        {"{\"image\": \"none\"}", AXC_ENOENT, "no image none"},
        {"{\"image\": \"work\", \"colour\": 1}", AXC_EINVALID, "unknown member \"colour\""},
        {"{\"image\": \"work\", \"name\": \"No Good\"}", AXC_EINVALID, "name must be"},
        {"{\"image\": \"work\", \"node\": \"n9\"}", AXC_ENOENT, "no node n9"},
        {"{\"image\": \"work\", \"jobs\": -1}", AXC_EINVALID, "jobs must be"},
        {"{\"image\": \"work\", \"wcet_us\": {\"z80\": 5}}", AXC_EADMIT_PLATFORM,
         "no entry for z80"},
        {"{\"image\": \"work\", \"wcet_us\": {\"linux-x86_64\": 0}}", AXC_EINVALID, "must be 1"},
        {"{\"image\": \"work\", \"assurance\": \"best\"}", AXC_EINVALID, "assurance"},
        {"{\"image\": \"work\", \"assurance\": \"partition\"}", AXC_ENO_CANDIDATE, "assurance"},
        {"{\"image\": \"work\", \"isolation\": \"maybe\"}", AXC_EINVALID, "isolation"},
        {"{\"image\": \"work\", \"wcet_us\": {\"linux-x86_64\": 9500}}", AXC_ENO_CANDIDATE,
         "capacity"},
    };
    struct fake_cluster *c = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char reason[AXI_REASON_BYTES] = "";
        uint64_t op = 0;

        assert_int_equal(deploy_json(c, cases[i].text, &op, reason), -cases[i].code);
        if (strstr(reason, cases[i].reason) == NULL) {
            fail_msg("%s: reason was \"%s\"", cases[i].text, reason);
        }
    }
    fake_run(c, 500);
    assert_int_equal(fake_active_count(c), 0);
}

static void tries_the_next_candidate_when_one_refuses(void **state)
{
    struct fake_cluster *c = *state;

    c->nodes[0].refuse = AXI_WIRE_LOAD;
    assert_int_equal(fake_op_code(c, deploy(c, "{\"image\": \"work\"}")), 0);
    assert_runs_once(c);
    assert_ptr_not_equal(fake_owner(c), &c->nodes[0]);
}

static void a_deployment_nobody_takes_leaves_nothing(void **state)
{
    struct fake_cluster *c = *state;
    uint64_t op;

    for (int n = 0; n < FAKE_NODES; n++) {
        c->nodes[n].refuse = AXI_WIRE_LOAD;
    }
    op = deploy(c, "{\"image\": \"work\"}");
    assert_int_equal(fake_op_code(c, op), -AXC_EADMIT_LOAD);
    assert_string_equal(fake_state(c), "");
    assert_int_equal(fake_active_count(c), 0);
}

static uint64_t migrate(struct fake_cluster *c, const char *node, uint64_t ms)
{
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;

    if (axi_master_migrate(c->master, "work", node, &op, reason) != 0) {
        fail_msg("migrate refused: %s", reason);
    }
    fake_run(c, ms);
    return op;
}

static void migrates_and_removes_the_source(void **state)
{
    struct fake_cluster *c = *state;

    deploy(c, "{\"image\": \"work\"}");
    assert_int_equal(fake_op_code(c, migrate(c, "n2", 300)), 0);
    assert_runs_once(c);
    assert_ptr_equal(fake_owner(c), &c->nodes[1]);
    assert_int_equal(c->nodes[0].received[AXI_WIRE_REMOVE], 1);
    assert_int_equal(c->nodes[0].instances[0].state, 0);
}

static void a_refusing_target_costs_nothing_and_the_next_is_tried(void **state)
{
    struct fake_cluster *c = *state;

    deploy(c, "{\"image\": \"work\"}");
    c->nodes[1].refuse = AXI_WIRE_MIGRATE_IN;
    assert_int_equal(fake_op_code(c, migrate(c, "n2", 500)), 0);
    assert_runs_once(c);
    assert_ptr_equal(fake_owner(c), &c->nodes[2]);
}

static void when_every_target_refuses_the_source_goes_on(void **state)
{
    struct fake_cluster *c = *state;
    uint64_t op;

    deploy(c, "{\"image\": \"work\"}");
    c->nodes[1].refuse = c->nodes[2].refuse = AXI_WIRE_MIGRATE_IN;
    op = migrate(c, NULL, 500);
    assert_int_equal(fake_op_code(c, op), -AXC_EADMIT_LOAD);
    assert_runs_once(c);
    assert_ptr_equal(fake_owner(c), &c->nodes[0]);
}

static void target_dies_at_each_step(void **state)
{
    static const uint32_t steps[] = {AXI_WIRE_MIGRATE_IN, AXI_WIRE_DECISION};
    struct fake_cluster *c;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        teardown(state);
        setup(state);
        c = *state;
        deploy(c, "{\"image\": \"work\"}");
        c->nodes[1].die_at = steps[i];
        migrate(c, "n2", 3000);
        assert_runs_once(c);
        assert_ptr_not_equal(fake_owner(c), &c->nodes[1]);
    }
}

static void source_dies_at_each_step(void **state)
{
    static const struct {
        uint32_t step;
        const char *end;
    } cases[] = {
        {AXI_WIRE_MIGRATE_OUT, "lost"}, /* no checkpoint anywhere */
        {AXI_WIRE_TRANSFER, "running"}, /* the target's standby is asked */
        {AXI_WIRE_SWITCH, "running"},   /* the same */
        {AXI_WIRE_DECISION, "running"}, /* committed already */
        {AXI_WIRE_REMOVE, "running"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_cluster *c;

        teardown(state);
        setup(state);
        c = *state;
        deploy(c, "{\"image\": \"work\"}");
        c->nodes[0].die_at = cases[i].step;
        if (cases[i].step == AXI_WIRE_MIGRATE_OUT) {
            c->nodes[1].ignore = AXI_WIRE_MIGRATE_IN;
        }
        migrate(c, "n2", 13000);
        assert_string_equal(fake_state(c), cases[i].end);
        assert_int_equal(fake_active_count(c), strcmp(cases[i].end, "lost") != 0);
    }
}

static void stop_keeps_the_checkpoint_and_start_continues(void **state)
{
    struct fake_cluster *c = *state;
    uint64_t release;
    uint64_t op = 0;

    deploy(c, "{\"image\": \"work\"}");
    release = c->nodes[0].start.release_ns;
    assert_int_equal(axi_master_stop(c->master, "work", &op, NULL), 0);
    fake_run(c, 300);
    assert_int_equal(fake_op_code(c, op), 0);
    assert_string_equal(fake_state(c), "stopped");
    assert_int_equal(fake_active_count(c), 0);
    assert_int_equal(axi_master_start(c->master, "work", "n3", &op, NULL), 0);
    fake_run(c, 300);
    assert_int_equal(fake_op_code(c, op), 0);
    assert_runs_once(c);
    assert_true(c->nodes[2].start.has_checkpoint);
    assert_int_equal(c->nodes[2].start.first_job, 7);
    assert_true(c->nodes[2].start.release_ns > release);
    assert_int_equal((c->nodes[2].start.release_ns - release) % 10000000, 0);
}

static void a_dead_owner_without_checkpoint_means_lost(void **state)
{
    struct fake_cluster *c = *state;

    deploy(c, "{\"image\": \"work\"}");
    fake_kill(c, 0);
    fake_run(c, 400);
    assert_string_equal(fake_state(c), "running"); /* its lease may still be live */
    fake_run(c, 11000);
    assert_string_equal(fake_state(c), "lost");
    assert_string_equal(c->last_error_event, "LOST");
    fake_revive(c, 0, 999);
    fake_run(c, 2000);
    assert_int_equal(fake_active_count(c), 0); /* never begun anew by itself */
}

static void a_node_that_was_only_cut_off_goes_on_with_its_state(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_instance kept[8];

    deploy(c, "{\"image\": \"work\"}");
    memcpy(kept, c->nodes[0].instances, sizeof(kept));
    fake_kill(c, 0);
    fake_run(c, 3000);
    assert_string_equal(fake_state(c), "running");
    memcpy(c->nodes[0].instances, kept, sizeof(kept));
    c->nodes[0].instances[0].state = 5; /* AXI_SLOT_FENCED */
    fake_revive(c, 0, c->nodes[0].boot);
    fake_run(c, 1000);
    assert_runs_once(c);
    assert_int_equal(c->nodes[0].received[AXI_WIRE_RESUME], 1);
}

static void a_rebooted_node_has_lost_its_tasks_at_once(void **state)
{
    struct fake_cluster *c = *state;

    deploy(c, "{\"image\": \"work\"}");
    fake_kill(c, 0);
    fake_revive(c, 0, 999);
    fake_run(c, 1500);
    assert_string_equal(fake_state(c), "lost");
    assert_int_equal(fake_active_count(c), 0);
}

static void say_hello(struct fake_cluster *c, uint64_t link, const axi_Hello *hello)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(AXI_WIRE_HELLO, hello, NULL, 0, frame, sizeof(frame), &bytes),
                     0);
    axi_master_link_up(c->master, link, "twin");
    axi_master_link_bytes(c->master, link, frame, bytes);
}

static void a_reset_by_a_panic_is_an_event_of_its_boot(void **state)
{
    struct fake_cluster *c = *state;
    const axi_Hello hello = {.protocol_min = 1,
                             .protocol_max = 1,
                             .node_id = 77,
                             .boot_id = 1,
                             .name = "ecu",
                             .platforms_count = 1,
                             .platforms = {"axcan-virt"},
                             .reset_reason = "exception in the kernel: esr=96000045"};
    size_t index, count = 0;
    json_t *event, *page;

    say_hello(c, 8001, &hello);
    fake_run(c, 100);
    say_hello(c, 8002, &hello); /* the same boot again */
    fake_run(c, 100);
    page = axi_master_events(c->master, 0, 200);
    json_array_foreach (page, index, event) {
        if (strcmp(json_string_value(json_object_get(event, "type")), "node-reset") == 0) {
            assert_string_equal(json_string_value(json_object_get(event, "text")),
                                hello.reset_reason);
            assert_string_equal(json_string_value(json_object_get(event, "node")), "ecu");
            count++;
        }
    }
    json_decref(page);
    assert_int_equal(count, 1);
}

static void a_second_node_with_a_live_identity_is_refused(void **state)
{
    struct fake_cluster *c = *state;
    axi_Hello hello = {.protocol_min = 1,
                       .protocol_max = 1,
                       .node_id = 1,
                       .boot_id = 4242,
                       .name = "n1",
                       .platforms_count = 1,
                       .platforms = {"linux-x86_64"}};

    say_hello(c, 9999, &hello);
    fake_run(c, 1000);
    json_t *node = axi_master_node(c->master, "n1");
    assert_string_equal(json_string_value(json_object_get(node, "state")), "ready");
    assert_string_equal(json_string_value(json_object_get(node, "boot")), "64");
    json_decref(node);
}

static void delete_removes_instance_and_record(void **state)
{
    struct fake_cluster *c = *state;
    uint64_t op = 0;

    deploy(c, "{\"image\": \"work\"}");
    assert_int_equal(axi_master_delete(c->master, "work", &op, NULL), 0);
    fake_run(c, 200);
    assert_int_equal(fake_op_code(c, op), 0);
    assert_string_equal(fake_state(c), "");
    assert_int_equal(fake_active_count(c), 0);
}

/* Deploy, migrate, stop, start: the master dies at `point` the first time it passes there. */
static void exercise(struct fake_cluster *c, uint32_t point)
{
    uint64_t op = 0;

    c->crash_at = (int)point;
    deploy(c, "{\"image\": \"work\"}");
    fake_run(c, 2500);
    assert_runs_once(c);
    c->nodes[1].refuse = AXI_WIRE_MIGRATE_IN; /* so that abort and undo are passed, too */
    assert_int_equal(axi_master_migrate(c->master, "work", "n2", &op, NULL), 0);
    fake_run(c, 8000);
    assert_runs_once(c);
    assert_int_equal(axi_master_stop(c->master, "work", &op, NULL), 0);
    fake_run(c, 3000);
    assert_string_equal(fake_state(c), "stopped");
    assert_int_equal(fake_active_count(c), 0);
    assert_int_equal(axi_master_start(c->master, "work", NULL, &op, NULL), 0);
    fake_run(c, 3000);
    assert_runs_once(c);
    assert_int_equal(axi_master_delete(c->master, "work", &op, NULL), 0);
    fake_run(c, 3000);
    assert_string_equal(fake_state(c), "");
    assert_int_equal(fake_active_count(c), 0);
}

static int refuse_commit(struct axi_store *store, const struct axi_store_op *ops, size_t count,
                         uint64_t *ret_revision)
{
    (void)store;
    (void)ops;
    (void)count;
    (void)ret_revision;
    return -AXC_EUNAVAILABLE;
}

static bool has_event(struct fake_cluster *c, const char *type)
{
    json_t *page = axi_master_events(c->master, 0, 200);
    char *text = json_dumps(page, JSON_COMPACT);
    bool has = strstr(text, type) != NULL;

    free(text);
    json_decref(page);
    return has;
}

static void a_store_out_of_reach_is_said_and_changes_nothing(void **state)
{
    struct fake_cluster *c = *state;
    const struct axi_store_ops *real = c->store->ops;
    struct axi_store_ops broken = *real;

    broken.commit = refuse_commit;
    (void)deploy(c, "{\"image\": \"work\"}");
    c->store->ops = &broken;
    fake_run(c, 400);
    assert_false(has_event(c, "store-unreachable"));
    fake_run(c, 600);
    assert_true(has_event(c, "store-unreachable"));
    assert_false(has_event(c, "store-back"));
    c->store->ops = real;
    fake_run(c, 500);
    assert_true(has_event(c, "store-back"));
    assert_runs_once(c);
}

static void many_nodes_are_answered_and_heard_less_often(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_node *node = &c->nodes[0];

    fake_run(c, 1000);
    assert_int_equal(node->ack.next_ns, 0);
    assert_int_equal(node->ack.sequence, node->sequence);
    c->config.many_nodes = FAKE_NODES;
    fake_restart_master(c);
    fake_run(c, 1000);
    uint32_t answers = node->received[AXI_WIRE_HEARTBEAT_ACK];
    uint64_t sent = node->sequence;

    fake_run(c, 2000);
    assert_int_equal(node->ack.next_ns, 200000000);
    assert_in_range(node->received[AXI_WIRE_HEARTBEAT_ACK] - answers, 8, 12);
    assert_in_range(node->sequence - sent, 18, 22); /* it goes on all the same */
    assert_true(c->now_ns - node->ack.send_local_ns < 400000000);
}

static void master_dies_at_every_crash_point(void **state)
{
    uint32_t count = 0;
    uint32_t passed = 0;
    const char *const *names = axi_master_crash_points(&count);

    for (uint32_t point = 0; point < count; point++) {
        struct fake_cluster *c;

        teardown(state);
        setup(state);
        c = *state;
        exercise(c, point);
        passed += c->crash_at == -1;
        assert_non_null(names[point]);
    }
    assert_true(passed >= 28); /* the others belong to restore and profile */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(deploys_to_a_ready_node),
        CASE(refuses_bad_requests_with_a_reason_each),
        CASE(tries_the_next_candidate_when_one_refuses),
        CASE(a_deployment_nobody_takes_leaves_nothing),
        CASE(migrates_and_removes_the_source),
        CASE(a_refusing_target_costs_nothing_and_the_next_is_tried),
        CASE(when_every_target_refuses_the_source_goes_on),
        CASE(target_dies_at_each_step),
        CASE(source_dies_at_each_step),
        CASE(stop_keeps_the_checkpoint_and_start_continues),
        CASE(a_dead_owner_without_checkpoint_means_lost),
        CASE(a_node_that_was_only_cut_off_goes_on_with_its_state),
        CASE(a_rebooted_node_has_lost_its_tasks_at_once),
        CASE(a_reset_by_a_panic_is_an_event_of_its_boot),
        CASE(a_second_node_with_a_live_identity_is_refused),
        CASE(delete_removes_instance_and_record),
        CASE(a_store_out_of_reach_is_said_and_changes_nothing),
        CASE(many_nodes_are_answered_and_heard_less_often),
        CASE(master_dies_at_every_crash_point),
    };

    return cmocka_run_group_tests_name("master", tests, NULL, NULL);
}
