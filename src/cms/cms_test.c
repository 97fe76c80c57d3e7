/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/fake_managers.h"
#include "core/agent.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define LEASE_MS 500u
#define SETTLED_MS 1500u

static struct fake_managers *all;

static int setup(void **state)
{
    (void)state;
    all = malloc(sizeof(*all));
    fakes_up(all);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fakes_down(all);
    free(all);
    return 0;
}

/* Manager m holds jobs[m] of epoch 3, durably. */
static void hold(uint64_t first, uint64_t second)
{
    fakes_notice(all, 0, 0, 3, first);
    fakes_run(all, 20);
    fakes_notice(all, 0, 1, 3, second);
    fakes_run(all, 20);
}

static void expect_restored(uint64_t job)
{
    struct axi_record record = fakes_record(all);

    assert_int_equal(record.state, AXI_TASK_RUNNING);
    assert_int_equal(record.claim.dead, 0);
    assert_in_range(record.owner, 0x11, 0x13);
    assert_int_equal(all->nodes[record.owner - 0x11].start.first_job, job);
    assert_int_equal(all->nodes[record.owner - 0x11].start.epoch, record.epoch);
    assert_int_equal(record.start.job, job);
    assert_int_equal(fakes_active(all), 1); /* on a node that lives */
}

/* ---- checkpoints ---- */

static void a_noticed_checkpoint_becomes_durable_and_is_acknowledged(void **state)
{
    json_t *tasks;

    (void)state;
    hold(7, 7);
    assert_int_equal(all->nodes[0].ack.write, all->nodes[0].write);
    tasks = axi_cms_tasks(all->managers[1].cms);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(tasks, 0), "job")), 7);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(tasks, 0), "age_jobs")), 0);
    json_decref(tasks);
}

static void a_checkpoint_that_is_overtaken_is_read_anew(void **state)
{
    (void)state;
    all->nodes[0].is_torn = true;
    fakes_notice(all, 0, 0, 3, 5);
    fakes_run(all, 20);
    assert_int_equal(all->nodes[0].ack.write, 0);
    all->nodes[0].is_torn = false;
    fakes_notice(all, 0, 0, 3, 6);
    fakes_run(all, 20);
    assert_int_equal(all->nodes[0].ack.write, all->nodes[0].write);
}

static void damaged_foreign_and_stale_checkpoints_restore_nothing(void **state)
{
    (void)state;
    fakes_notice(all, 0, 0, 3, 5);
    all->nodes[0].checkpoint[100] ^= 1; /* before it is read */
    fakes_run(all, 5);
    assert_true(fakes_heard(all, 0, "checkpoint-corrupt"));
    fakes_notice(all, 1, 1, 3, 9); /* a node that never owned it */
    fakes_run(all, 20);
    assert_true(fakes_heard(all, 1, "unknown-checkpoint"));
    fakes_notice(all, 1, 1, 2, 99); /* an epoch that is over: kept, and never restored from */
    fakes_run(all, 20);
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    assert_true(fakes_heard(all, 0, "no-checkpoint") || fakes_heard(all, 1, "no-checkpoint"));
    assert_int_equal(fakes_record(all).epoch, 3);
    assert_int_equal(fakes_active(all), 0);
}

static void datagram(uint64_t node, uint64_t write, uint64_t job)
{
    axi_Notices notices = {.notices_count = 1,
                           .node_id = node,
                           .notices = {{.task_id = FAKE_TASK,
                                        .epoch = 3,
                                        .job = job,
                                        .bytes = (uint32_t)all->nodes[0].checkpoint_bytes,
                                        .write = write}}};
    uint8_t frame[AXI_AGENT_NOTIFY_BYTES];
    size_t bytes = 0;

    assert_int_equal(
        axi_wire_encode(AXI_WIRE_NOTICES, &notices, NULL, 0, frame, sizeof(frame), &bytes), 0);
    axi_cms_datagram(all->managers[0].cms, frame, bytes);
    axi_cms_datagram(all->managers[0].cms, frame, bytes - 1);
    fakes_run(all, 20);
}

/* Anybody may send one: it hastens a read, and what it says counts for nothing else. */
static void datagrams_are_hints_and_no_more(void **state)
{
    json_t *tasks;

    (void)state;
    datagram(0x11, 1, 5); /* nothing was heard of this instance on its node's link */
    assert_int_equal(all->nodes[0].received[AXI_WIRE_SLOT_READ], 0);
    hold(5, 5);
    datagram(0x99, 7, 7); /* of no node here */
    assert_int_equal(all->nodes[0].received[AXI_WIRE_SLOT_READ], 2);
    datagram(0x11, 1000000, 999); /* forged */
    assert_int_equal(all->nodes[0].received[AXI_WIRE_SLOT_READ], 3);
    fakes_notice(all, 0, 0, 3, 6);
    fakes_run(all, 20);
    assert_int_equal(all->nodes[0].ack.write, all->nodes[0].write);
    tasks = axi_cms_tasks(all->managers[0].cms);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(tasks, 0), "job")), 6);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(tasks, 0), "age_jobs")), 0);
    json_decref(tasks);
    all->nodes[0].write++; /* a true one, of which the link has said nothing yet */
    datagram(0x11, all->nodes[0].write, 6);
    assert_int_equal(all->nodes[0].ack.write, all->nodes[0].write);
}

/* ---- restore ---- */

static void the_holder_of_the_newest_restores_once(void **state)
{
    (void)state;
    hold(7, 9);
    fakes_kill_node(all, 0);
    fakes_run(all, LEASE_MS - 50);
    assert_int_equal(fakes_record(all).epoch, 3); /* not before the lease is over */
    fakes_run(all, SETTLED_MS);
    expect_restored(9);
    assert_true(fakes_heard(all, 1, "claim"));
    assert_false(fakes_heard(all, 0, "claim"));
    assert_int_equal(fakes_record(all).epoch, 4);
}

static void equal_ones_go_to_the_higher_id(void **state)
{
    (void)state;
    hold(7, 7);
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    expect_restored(7);
    assert_true(fakes_heard(all, 1, "claim"));
    assert_false(fakes_heard(all, 0, "claim"));
}

static void the_loser_claims_when_the_winner_cannot(void **state)
{
    (void)state;
    hold(7, 9);
    fakes_run(all, 100);
    all->managers[1].store.is_unreachable = true;
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    expect_restored(7);
    assert_true(fakes_heard(all, 1, "store-unreachable"));
    assert_false(fakes_heard(all, 1, "claim"));
    all->managers[1].store.is_unreachable = false;
    fakes_run(all, 200);
    assert_true(fakes_heard(all, 1, "store-back"));
    expect_restored(7); /* and never again */
}

static void a_renewed_lease_keeps_the_task_where_it_is(void **state)
{
    (void)state;
    hold(7, 9);
    all->nodes[0].has_lease = false;
    fakes_run(all, LEASE_MS - 150);
    all->nodes[0].has_lease = true;
    fakes_run(all, SETTLED_MS);
    assert_int_equal(fakes_record(all).epoch, 3);
    assert_false(fakes_heard(all, 1, "claim"));
}

static void a_manager_that_dies_at_any_point_is_superseded(void **state)
{
    uint32_t count = 0;

    (void)axi_cms_crash_points(&count);
    for (uint32_t point = 0; point < count; point++) {
        hold(9, 9);
        all->managers[1].crash_at = (int)point;
        fakes_kill_node(all, 0);
        fakes_run(all, 2 * SETTLED_MS);
        if (all->managers[1].cms == NULL) {
            fakes_start_manager(all, 1);
        }
        fakes_run(all, 5 * SETTLED_MS);
        expect_restored(9);
        (void)teardown(state);
        (void)setup(state);
    }
}

static void a_refused_load_goes_to_the_next_node_under_another_epoch(void **state)
{
    (void)state;
    hold(7, 9);
    all->nodes[1].refuse = AXI_WIRE_LOAD; /* the least loaded one */
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    expect_restored(9);
    assert_int_equal(fakes_record(all).owner, 0x13);
    assert_int_equal(fakes_record(all).epoch, 5);
    assert_true(fakes_heard(all, 1, "placement-refused"));
}

static void a_refused_start_is_removed_before_all_begins_anew(void **state)
{
    (void)state;
    hold(7, 9);
    all->nodes[1].refuse = AXI_WIRE_START;
    fakes_kill_node(all, 0);
    fakes_run(all, 700);
    assert_true(all->nodes[1].received[AXI_WIRE_REMOVE] > 0);
    all->nodes[1].refuse = 0;
    fakes_run(all, SETTLED_MS);
    expect_restored(9);
    assert_true(fakes_heard(all, 1, "start-refused"));
}

static void the_target_may_die_too(void **state)
{
    (void)state;
    hold(7, 9);
    all->nodes[1].ignore = AXI_WIRE_START;
    fakes_kill_node(all, 0);
    fakes_run(all, 700);
    assert_int_equal(fakes_record(all).owner, 0x12); /* declared */
    fakes_kill_node(all, 1);
    fakes_run(all, 2 * SETTLED_MS);
    expect_restored(9); /* the checkpoint that the dead epoch was started from */
    assert_int_equal(fakes_record(all).owner, 0x13);
}

static void what_the_master_leaves_is_taken_without_waiting(void **state)
{
    struct axi_record record = fakes_record(all);

    (void)state;
    hold(7, 9);
    record.state = AXI_TASK_RESTORING;
    record.owner = 0;
    record.claim = (struct axi_claim){.dead = 0x11, .dead_epoch = 3};
    fakes_put(all, &record);
    all->nodes[0].instances[0].state = AXI_SLOT_FREE;
    fakes_run(all, 200);
    expect_restored(9);
}

static void what_was_just_started_again_is_restored_from_the_stored_checkpoint(void **state)
{
    struct axi_record record = fakes_record(all);

    (void)state;
    record.has_checkpoint = true;
    record.start = (struct axi_origin){.epoch = 2, .job = 5};
    fakes_put(all, &record);
    fakes_notice(all, 0, 0, 2, 5); /* makes the bytes; the manager finds nothing to read */
    assert_int_equal(axi_store_cas(all->store, "checkpoint/0000000000000077", AXI_STORE_ANY,
                                   all->nodes[0].checkpoint, all->nodes[0].checkpoint_bytes, NULL),
                     0);
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    expect_restored(5);
}

static void tasks_of_others_are_left_alone(void **state)
{
    struct axi_record record = fakes_record(all);

    (void)state;
    hold(7, 9);
    strcpy(record.restorer, "master");
    fakes_put(all, &record);
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    assert_int_equal(fakes_record(all).epoch, 3);
    record.restorer[0] = '\0';
    record.migration.phase = AXI_MIGRATION_COMMITTED;
    fakes_put(all, &record);
    fakes_run(all, SETTLED_MS);
    assert_int_equal(fakes_record(all).epoch, 3);
}

static void a_warm_standby_needs_one_start(void **state)
{
    struct axi_record record = fakes_record(all);
    uint64_t loads;

    (void)state;
    record.wants_standby = true;
    fakes_put(all, &record);
    fakes_run(all, SETTLED_MS);
    record = fakes_record(all);
    assert_true(record.standby == 0x12 || record.standby == 0x13);
    hold(7, 9);
    loads = all->nodes[record.standby - 0x11].received[AXI_WIRE_LOAD];
    fakes_kill_node(all, 0);
    fakes_run(all, LEASE_MS + 100);
    expect_restored(9);
    assert_int_equal(fakes_record(all).owner, record.standby);
    assert_int_equal(all->nodes[record.standby - 0x11].start.standby_epoch, record.standby_epoch);
    assert_int_equal(all->nodes[record.standby - 0x11].received[AXI_WIRE_LOAD], loads);
}

static void restart_managers(void)
{
    for (uint32_t m = 0; m < FAKE_MANAGERS; m++) {
        fakes_kill_manager(all, m);
        fakes_start_manager(all, m);
    }
    fakes_run(all, 1000);
}

static void a_tight_task_goes_to_the_managers_own_node(void **state)
{
    (void)state;
    strcpy(all->config.own_node, "n2"); /* n1 has less to do */
    restart_managers();
    hold(7, 9);
    fakes_kill_node(all, 0);
    fakes_run(all, SETTLED_MS);
    expect_restored(9);
    assert_int_equal(fakes_record(all).owner, 0x13);
}

static void what_may_go_on_isolated_is_not_restored(void **state)
{
    struct axi_record record = fakes_record(all);

    (void)state;
    record.spec.continue_isolated = true;
    fakes_put(all, &record);
    hold(7, 9);
    all->nodes[0].has_lease = false;
    fakes_run(all, SETTLED_MS);
    assert_int_equal(fakes_record(all).epoch, 3);
    assert_true(fakes_heard(all, 0, "node-dead"));
}

/* ---- leases kept by a manager ---- */

static void a_kept_lease_is_in_the_store_before_it_is_acknowledged(void **state)
{
    struct axi_store_value value;
    axi_Heartbeat beat = {.sequence = 5, .send_local_ns = 77};

    (void)state;
    all->nodes[0].has_lease = false;
    all->managers[0].store.is_unreachable = true;
    fakes_say(all, 0, 0, AXI_WIRE_HEARTBEAT, &beat, NULL, 0);
    fakes_run(all, 30);
    assert_int_equal(all->nodes[0].heartbeat_ack.sequence, 0);
    all->managers[0].store.is_unreachable = false;
    fakes_say(all, 0, 0, AXI_WIRE_HEARTBEAT, &beat, NULL, 0);
    fakes_run(all, 30);
    assert_int_equal(all->nodes[0].heartbeat_ack.sequence, 5);
    assert_int_equal(all->nodes[0].heartbeat_ack.send_local_ns, 77);
    assert_int_equal(axi_store_get(all->store, "lease/11", &value), 0);
    assert_non_null(strstr(value.bytes, "keeper"));
    axi_store_value_clear(&value);
    assert_int_equal(all->nodes[0].resume.epoch, 3); /* what may be fenced goes on */
}

static void nothing_goes_on_that_the_record_gave_to_another(void **state)
{
    struct axi_record record = fakes_record(all);
    axi_Heartbeat beat = {.sequence = 5, .send_local_ns = 77};

    (void)state;
    record.owner = 0x12;
    record.epoch = record.epoch_last = 4;
    all->nodes[0].has_lease = false;
    fakes_put(all, &record);
    fakes_say(all, 0, 0, AXI_WIRE_HEARTBEAT, &beat, NULL, 0);
    fakes_run(all, 10);
    assert_int_equal(all->nodes[0].heartbeat_ack.sequence, 5);
    assert_int_equal(all->nodes[0].received[AXI_WIRE_RESUME], 0);
}

/* ---- bad input ---- */

static void strangers_and_nonsense_are_turned_away(void **state)
{
    axi_ManagerHello hello = {.protocol_min = 1, .protocol_max = 1, .node_id = 9, .boot_id = 1};
    uint64_t link;

    (void)state;
    strcpy(all->config.token, "secret");
    fakes_kill_manager(all, 0);
    fakes_start_manager(all, 0);
    link = all->nodes[2].links[0] = ++all->next_link;
    axi_cms_link_up(all->managers[0].cms, link, true, "stranger");
    strcpy(hello.token, "guess");
    fakes_say(all, 2, 0, AXI_WIRE_MANAGER_HELLO, &hello, NULL, 0);
    fakes_run(all, 1);
    assert_true(fakes_heard(all, 0, "node-refused"));
    assert_int_equal(all->nodes[2].received[AXI_WIRE_MANAGER_REPLY], 3);
    link = ++all->next_link;
    axi_cms_link_up(all->managers[0].cms, link, true, "noise");
    axi_cms_link_bytes(all->managers[0].cms, link, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(fakes_heard(all, 0, "link-protocol"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_noticed_checkpoint_becomes_durable_and_is_acknowledged),
        T(a_checkpoint_that_is_overtaken_is_read_anew),
        T(damaged_foreign_and_stale_checkpoints_restore_nothing),
        T(datagrams_are_hints_and_no_more),
        T(the_holder_of_the_newest_restores_once),
        T(equal_ones_go_to_the_higher_id),
        T(the_loser_claims_when_the_winner_cannot),
        T(a_renewed_lease_keeps_the_task_where_it_is),
        T(a_manager_that_dies_at_any_point_is_superseded),
        T(a_refused_load_goes_to_the_next_node_under_another_epoch),
        T(a_refused_start_is_removed_before_all_begins_anew),
        T(the_target_may_die_too),
        T(what_the_master_leaves_is_taken_without_waiting),
        T(what_was_just_started_again_is_restored_from_the_stored_checkpoint),
        T(tasks_of_others_are_left_alone),
        T(a_warm_standby_needs_one_start),
        T(a_tight_task_goes_to_the_managers_own_node),
        T(what_may_go_on_isolated_is_not_restored),
        T(a_kept_lease_is_in_the_store_before_it_is_acknowledged),
        T(nothing_goes_on_that_the_record_gave_to_another),
        T(strangers_and_nonsense_are_turned_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
