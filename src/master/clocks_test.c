/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes' clocks do to placement, events and tasks. */
#include "master/fake_cluster.h"
#include "support/test.h"
#include "time/servo.h"

#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

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

static void use_policy(struct fake_cluster *c, enum axi_sync_policy policy)
{
    c->config.sync_policy = policy;
    fake_restart_master(c);
    fake_run(c, 1000);
}

static void deploy(struct fake_cluster *c)
{
    json_t *request = json_pack("{s:s}", "image", "work");
    uint64_t op = 0;

    assert_int_equal(axi_master_deploy(c->master, request, &op, NULL), 0);
    json_decref(request);
    fake_run(c, 300);
    assert_int_equal(fake_op_code(c, op), 0);
}

static uint32_t count_events(struct fake_cluster *c, const char *type)
{
    json_t *page = axi_master_events(c->master, 0, 500);
    const json_t *event = NULL;
    uint32_t count = 0;
    size_t i = 0;

    json_array_foreach (page, i, event) {
        count += strcmp(json_string_value(json_object_get(event, "type")), type) == 0;
    }
    json_decref(page);
    return count;
}

static void tasks_are_placed_where_the_clock_leaves_them_time(void **state)
{
    struct fake_cluster *c = *state;
    json_t *request = json_pack("{s:s, s:s}", "image", "work", "node", "n1");
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;

    c->nodes[0].clock.delta_ns = 8 * MS;
    c->nodes[0].clock.latency_ns = MS + MS / 2;
    fake_run(c, 200);
    assert_int_equal(axi_master_deploy(c->master, request, &op, reason), -AXC_ENO_CANDIDATE);
    json_decref(request);
    assert_non_null(strstr(reason, "Delta_max 8000 - d 1500 us is less than C"));
    deploy(c);
    assert_ptr_not_equal(fake_owner(c), &c->nodes[0]);
}

static void every_change_of_a_clock_is_an_event(void **state)
{
    struct fake_cluster *c = *state;
    axi_Heartbeat *clock = &c->nodes[1].clock;

    *clock = (axi_Heartbeat){
        .has_clock = true, .clock_state = AXI_SERVO_LOCKED, .grandmaster = 7, .clock_steps = 1};
    fake_run(c, 500);
    assert_int_equal(count_events(c, "clock-state"), 1);
    assert_int_equal(count_events(c, "clock-master"), 1);
    assert_int_equal(count_events(c, "clock-step"), 1);
    assert_int_equal(count_events(c, "clock-jump"), 0);
    clock->clock_jumps = 3; /* heartbeats in between were lost */
    clock->clock_state = AXI_SERVO_HOLDOVER;
    clock->grandmaster = 8;
    clock->master_offset_ns = -(int64_t)(37000 * MS);
    fake_run(c, 500);
    assert_int_equal(count_events(c, "clock-state"), 2);
    assert_int_equal(count_events(c, "clock-master"), 2);
    assert_int_equal(count_events(c, "clock-jump"), 1);
    assert_int_equal(count_events(c, "clock-disagrees"), 1);
}

static struct fake_node *degrade_owner(struct fake_cluster *c)
{
    struct fake_node *owner = fake_owner(c);
    json_t *task = axi_master_task(c->master, "work");

    owner->clock.delta_ns = 20 * MS;
    owner->clock.victim = strtoull(json_string_value(json_object_get(task, "id")), NULL, 16);
    json_decref(task);
    fake_run(c, 1000);
    return owner;
}

static void by_default_there_is_an_alarm_only(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_node *owner;

    deploy(c);
    owner = degrade_owner(c);
    fake_run(c, 5000);
    assert_ptr_equal(fake_owner(c), owner);
    assert_int_equal(count_events(c, "sync-degraded"), 1);
    owner->clock.victim = 0;
    fake_run(c, 300);
    assert_int_equal(count_events(c, "sync-restored"), 1);
}

static void the_named_task_migrates(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_node *owner;

    use_policy(c, AXI_SYNC_MIGRATE);
    deploy(c);
    owner = degrade_owner(c);
    assert_ptr_not_equal(fake_owner(c), owner);
    assert_int_equal(fake_active_count(c), 1);
    assert_int_equal(count_events(c, "sync-migrate"), 1);
}

static void a_task_that_fits_nowhere_stays_and_is_said_to(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_node *owner;

    use_policy(c, AXI_SYNC_MIGRATE);
    deploy(c);
    for (int i = 0; i < FAKE_NODES; i++) {
        c->nodes[i].clock.delta_ns = 20 * MS;
    }
    fake_run(c, 200);
    owner = degrade_owner(c);
    fake_run(c, 3500);
    assert_ptr_equal(fake_owner(c), owner);
    assert_in_range(count_events(c, "sync-refused"), 2, 3); /* every 2 s */
}

static void the_named_task_is_dropped_with_its_state(void **state)
{
    struct fake_cluster *c = *state;

    use_policy(c, AXI_SYNC_DROP);
    deploy(c);
    (void)degrade_owner(c);
    fake_run(c, 500);
    assert_string_equal(fake_state(c), "stopped");
    assert_int_equal(fake_active_count(c), 0);
    assert_int_equal(count_events(c, "sync-drop"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tasks_are_placed_where_the_clock_leaves_them_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_change_of_a_clock_is_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(by_default_there_is_an_alarm_only, setup, teardown),
        cmocka_unit_test_setup_teardown(the_named_task_migrates, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_that_fits_nowhere_stays_and_is_said_to, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_named_task_is_dropped_with_its_state, setup, teardown),
    };

    return cmocka_run_group_tests_name("clocks", tests, NULL, NULL);
}
