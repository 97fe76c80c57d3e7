/* SPDX-License-Identifier: Apache-2.0 */
/* The master beside checkpoint managers, which are played here by what they write. */
#include "cluster/record.h"
#include "core/sched.h"
#include "master/fake_cluster.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANAGER_LINK 900001u

static char task_key[40];

static int find_key(void *context, const char *key, const struct axi_store_value *value)
{
    (void)context;
    (void)value;
    (void)snprintf(task_key, sizeof(task_key), "%s", key);
    return 0;
}

static struct axi_record read_record(struct fake_cluster *c)
{
    struct axi_store_value value;
    struct axi_record record;
    json_t *json;

    assert_int_equal(axi_store_list(c->store, "task/", find_key, NULL), 0);
    assert_int_equal(axi_store_get(c->store, task_key, &value), 0);
    json = json_loads(value.bytes, 0, NULL);
    assert_int_equal(axi_record_from_json(json, &record), 0);
    json_decref(json);
    axi_store_value_clear(&value);
    return record;
}

static void write_record(struct fake_cluster *c, const struct axi_record *record)
{
    json_t *json = axi_record_to_json(record);
    char *text = json_dumps(json, JSON_COMPACT);

    assert_int_equal(axi_store_cas(c->store, task_key, AXI_STORE_ANY, text, strlen(text), NULL), 0);
    free(text);
    json_decref(json);
}

static void set_presence(struct fake_cluster *c, bool is_present)
{
    static const char text[] =
        "{\"name\":\"c0\",\"address\":\"h:1\",\"api\":\"h:2\",\"boot\":\"1\"}";

    assert_int_equal(axi_store_cas(c->store, "manager/a0", AXI_STORE_ANY, is_present ? text : NULL,
                                   is_present ? sizeof(text) - 1 : 0, NULL),
                     0);
    fake_run(c, 50);
}

static int setup(void **state)
{
    struct fake_cluster *c = calloc(1, sizeof(*c));
    json_t *request = json_pack("{s:s}", "image", "work");
    uint64_t op = 0;

    fake_up(c);
    set_presence(c, true);
    assert_int_equal(axi_master_deploy(c->master, request, &op, NULL), 0);
    json_decref(request);
    fake_run(c, 300);
    assert_string_equal(fake_state(c), "running");
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    fake_down(*state);
    free(*state);
    return 0;
}

/* Node `to` runs the task in `epoch`, as a manager would have brought about. */
static void restore_at(struct fake_cluster *c, uint32_t to, uint64_t epoch)
{
    struct axi_record record = read_record(c);

    c->nodes[to].instances[0] =
        (struct fake_instance){.task = record.id, .epoch = epoch, .state = AXI_SLOT_ACTIVE};
    record.state = AXI_TASK_RUNNING;
    record.owner = to + 1;
    record.epoch = record.epoch_last = epoch;
    write_record(c, &record);
}

static void adopts_what_a_manager_restored(void **state)
{
    struct fake_cluster *c = *state;
    uint32_t owner = (uint32_t)(fake_owner(c) - c->nodes);
    uint32_t to = (owner + 1) % FAKE_NODES;

    fake_kill(c, owner);
    fake_run(c, 2000);
    assert_string_equal(fake_state(c), "running"); /* left to the manager */
    restore_at(c, to, 5);
    fake_run(c, 12000);
    assert_string_equal(fake_state(c), "running");
    assert_ptr_equal(fake_owner(c), &c->nodes[to]);
    assert_int_equal(fake_active_count(c), 1);
}

static void an_instance_that_a_manager_superseded_is_removed(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_node *former = fake_owner(c);
    uint32_t to = ((uint32_t)(former - c->nodes) + 1) % FAKE_NODES;

    restore_at(c, to, 5);
    fake_run(c, 200);
    assert_true(former->received[AXI_WIRE_REMOVE] > 0);
    assert_int_equal(fake_active_count(c), 1);
    assert_ptr_equal(fake_owner(c), &c->nodes[to]);
}

static void an_instance_with_an_epoch_not_heard_of_is_looked_up_first(void **state)
{
    struct fake_cluster *c = *state;
    uint32_t owner = (uint32_t)(fake_owner(c) - c->nodes);
    uint32_t to = (owner + 1) % FAKE_NODES;

    fake_kill(c, owner);
    restore_at(c, to, 5);
    c->nodes[to].heartbeat_ns = 0; /* reports before the master has looked at the store */
    fake_run(c, 300);
    assert_int_equal(c->nodes[to].received[AXI_WIRE_REMOVE], 0);
    assert_ptr_equal(fake_owner(c), &c->nodes[to]);
}

static void what_a_manager_has_loaded_is_left_alone(void **state)
{
    struct fake_cluster *c = *state;
    struct axi_record record = read_record(c);
    uint32_t owner = (uint32_t)(fake_owner(c) - c->nodes);
    uint32_t to = (owner + 1) % FAKE_NODES;

    fake_kill(c, owner);
    fake_run(c, 700);
    record.claim = (struct axi_claim){.manager = 0xa0, .dead = owner + 1, .dead_epoch = 1};
    record.state = AXI_TASK_RESTORING;
    record.owner = 0;
    record.epoch = record.epoch_last = 5;
    write_record(c, &record);
    c->nodes[to].instances[0] =
        (struct fake_instance){.task = record.id, .epoch = 5, .state = AXI_SLOT_STANDBY};
    fake_run(c, 2000);
    assert_int_equal(c->nodes[to].received[AXI_WIRE_REMOVE], 0);
    assert_string_equal(fake_state(c), "restoring");
}

static void silent_managers_are_not_waited_for_without_end(void **state)
{
    struct fake_cluster *c = *state;

    fake_kill(c, (uint32_t)(fake_owner(c) - c->nodes));
    fake_run(c, 9000);
    assert_string_equal(fake_state(c), "running");
    fake_run(c, 4000); /* nobody holds a checkpoint of it */
    assert_string_equal(fake_state(c), "lost");
}

static void managers_that_leave_are_waited_for_shortly(void **state)
{
    struct fake_cluster *c = *state;

    fake_kill(c, (uint32_t)(fake_owner(c) - c->nodes));
    fake_run(c, 700);
    set_presence(c, false);
    fake_run(c, 2500);
    assert_string_equal(fake_state(c), "lost");
}

static void a_node_that_was_only_cut_off_goes_on(void **state)
{
    struct fake_cluster *c = *state;
    struct fake_node *owner = fake_owner(c);
    struct fake_instance kept[8];

    memcpy(kept, owner->instances, sizeof(kept));
    fake_kill(c, (uint32_t)(owner - c->nodes));
    fake_run(c, 1000);
    memcpy(owner->instances, kept, sizeof(kept));
    owner->instances[0].state = AXI_SLOT_FENCED;
    fake_revive(c, (uint32_t)(owner - c->nodes), owner->boot);
    fake_run(c, 500);
    assert_ptr_equal(fake_owner(c), owner);
    assert_int_equal(owner->instances[0].state, AXI_SLOT_ACTIVE);
}

static void managers_join_tell_and_are_listed(void **state)
{
    struct fake_cluster *c = *state;
    axi_ManagerJoin join = {.protocol_min = 1,
                            .protocol_max = 1,
                            .manager_id = 0xb0,
                            .boot_id = 1,
                            .name = "c1",
                            .address = "h:3"};
    axi_ManagerStatus status = {.stored = 42, .sequence = 1};
    axi_ManagerEvent event = {.level = 1, .type = "claim", .text = "by c1"};
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;
    json_t *list;

    axi_master_link_up(c->master, MANAGER_LINK, "manager");
    assert_int_equal(
        axi_wire_encode(AXI_WIRE_MANAGER_JOIN, &join, NULL, 0, frame, sizeof(frame), &bytes), 0);
    axi_master_link_bytes(c->master, MANAGER_LINK, frame, bytes);
    assert_int_equal(
        axi_wire_encode(AXI_WIRE_MANAGER_STATUS, &status, NULL, 0, frame, sizeof(frame), &bytes),
        0);
    axi_master_link_bytes(c->master, MANAGER_LINK, frame, bytes);
    assert_int_equal(
        axi_wire_encode(AXI_WIRE_MANAGER_EVENT, &event, NULL, 0, frame, sizeof(frame), &bytes), 0);
    axi_master_link_bytes(c->master, MANAGER_LINK, frame, bytes);
    fake_run(c, 50);
    list = axi_master_managers(c->master);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "stored")), 42);
    json_decref(list);
    list = axi_master_events(c->master, 0, 1000);
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    assert_string_equal(json_string_value(json_object_get(last, "type")), "claim");
    assert_string_equal(json_string_value(json_object_get(last, "text")), "c1: by c1");
    json_decref(list);
    assert_true(c->nodes[0].received[AXI_WIRE_MANAGERS] >= 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(adopts_what_a_manager_restored),
        CASE(an_instance_that_a_manager_superseded_is_removed),
        CASE(an_instance_with_an_epoch_not_heard_of_is_looked_up_first),
        CASE(what_a_manager_has_loaded_is_left_alone),
        CASE(silent_managers_are_not_waited_for_without_end),
        CASE(managers_that_leave_are_waited_for_shortly),
        CASE(a_node_that_was_only_cut_off_goes_on),
        CASE(managers_join_tell_and_are_listed),
    };

    return cmocka_run_group_tests_name("delegate", tests, NULL, NULL);
}
