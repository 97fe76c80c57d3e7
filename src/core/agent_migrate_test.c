/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations: the five steps and every way they end. Bad input: agent_migrate_input_test.c. */
#include "base/crc32c.h"
#include "core/agent_migrate_sim.h"

static void five_steps_move_the_task_with_its_state(void **state)
{
    (void)state;
    until_prepared();
    assert_int_equal(standby()->view.state, AXI_SLOT_STANDBY);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
    decide(target, true);
    expect_phase(target, AXI_PHASE_ACTIVATED);
    assert_int_equal(standby()->view.state, AXI_SLOT_ACTIVE);
    assert_int_equal(standby()->view.next_job, 4);
    assert_int_equal(standby()->config.epoch, 4);
    assert_int_equal(standby()->config.release_ns, 5);
    assert_int_equal(standby()->state[0], 4);
    decide(source, true);
    expect_phase(source, AXI_PHASE_FROZEN); /* the answer to the Decision */
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
    run_job(target, 0);
    settle(source, target);
    expect_phase(target, AXI_PHASE_CONFIRMED);
    say(source, AXI_WIRE_REMOVE, &(axi_Remove){.request = 20, .task_id = TASK, .epoch = 3}, NULL,
        0);
    settle(source, target);
    expect_result(source, 20, 0);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FREE);
}

/* Nothing else would ever end the migration, and whoever wants to stop the task waits for that. */
static void a_program_that_crashes_in_every_job_has_moved_all_the_same(void **state)
{
    (void)state;
    until_prepared();
    decide(target, true);
    expect_phase(target, AXI_PHASE_ACTIVATED);
    fake_trace(target, 0, AXI_TRACE_RELEASED);
    fake_trace(target, 0, AXI_TRACE_KILLED);
    settle(source, target);
    expect_phase(target, AXI_PHASE_CONFIRMED);
}

static void missing_image_goes_with_it(void **state)
{
    (void)state;
    target->has_image = false;
    until_prepared();
    assert_int_equal(target->commits, 1);
    decide(target, true);
    assert_int_equal(standby()->view.state, AXI_SLOT_ACTIVE);
}

static void missing_image_comes_from_the_master_when_it_says_so(void **state)
{
    axi_MigrateIn in = in_message(MIGRATION, 4);
    axi_MigrateOut out = out_message(MIGRATION, 4);

    (void)state;
    target->has_image = false;
    in.image_from_master = true;
    say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    settle(source, target);
    assert_int_equal(heard(target, AXI_WIRE_IMAGE_NEED)->m.ImageNeed.request, MIGRATION);
    transfer(); /* the checkpoint is there before the image */
    assert_null(heard(target, AXI_WIRE_PROGRESS));
    for (size_t at = 0; at < FAKE_IMAGE_BYTES; at += 50000) {
        axi_Chunk chunk = {.transfer = MIGRATION,
                           .kind = AXI_CHUNK_ELF,
                           .offset = at,
                           .total = FAKE_IMAGE_BYTES,
                           .crc = axi_crc32c(0, source->image, FAKE_IMAGE_BYTES)};

        say(target, AXI_WIRE_CHUNK, &chunk, source->image + at, 50000);
    }
    settle(source, target);
    expect_phase(target, AXI_PHASE_STANDBY);
}

static void full_link_pauses_the_transfer(void **state)
{
    (void)state;
    target->has_image = false;
    source->room = 0;
    both_ready();
    transfer();
    assert_null(heard(target, AXI_WIRE_PROGRESS));
    source->room = 1000000;
    axi_agent_link_writable(source->agent, source->peer_link);
    settle(source, target);
    expect_phase(target, AXI_PHASE_STANDBY);
}

static void target_never_activates_without_the_decision(void **state)
{
    (void)state;
    until_prepared();
    for (int i = 0; i < 50; i++) {
        pass_time(source, target, 100 * MS);
        say(target, AXI_WIRE_HEARTBEAT_ACK, &(axi_HeartbeatAck){0}, NULL, 0);
        say(source, AXI_WIRE_HEARTBEAT_ACK, &(axi_HeartbeatAck){0}, NULL, 0);
    }
    assert_int_equal(standby()->view.state, AXI_SLOT_STANDBY);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
    assert_non_null(heard(target, AXI_WIRE_QUERY_DECISION));
    assert_non_null(heard(source, AXI_WIRE_QUERY_DECISION));
    say(target, AXI_WIRE_START, &(axi_Start){.request = 30, .task_id = TASK, .epoch = 4}, NULL, 0);
    expect_result(target, 30, -AXC_EIN_MIGRATION);
    say(source, AXI_WIRE_RESUME, &(axi_Resume){.request = 31, .task_id = TASK, .epoch = 3}, NULL,
        0);
    expect_result(source, 31, -AXC_EIN_MIGRATION);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
}

static void target_without_a_lease_asks_again_instead_of_activating(void **state)
{
    (void)state;
    until_prepared();
    target->now_ns += 600001 * MS;
    decide(target, true);
    assert_int_equal(standby()->view.state, AXI_SLOT_STANDBY);
    settle(target, NULL);
    axi_agent_link_down(target->agent, target->master_link, 0);
    pass_time(target, NULL, 300 * MS);
    forget_heard(target);
    join(target);
    assert_non_null(heard(target, AXI_WIRE_QUERY_DECISION));
    renew(target, 600 * MS);
    decide(target, true);
    assert_int_equal(standby()->view.state, AXI_SLOT_ACTIVE);
}

static void aborted_resumes_the_source_and_drops_the_standby(void **state)
{
    (void)state;
    until_prepared();
    decide(source, false);
    expect_phase(source, AXI_PHASE_RESUMED);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
    decide(target, false);
    assert_int_equal(expect_phase(target, AXI_PHASE_FAILED)->m.Progress.code, -AXC_EABORTED);
    assert_int_equal(standby()->view.state, AXI_SLOT_FREE);
    decide(target, false); /* answered again */
    expect_phase(target, AXI_PHASE_FAILED);
    decide(source, false);
    expect_phase(source, AXI_PHASE_RESUMED);
}

static void aborted_before_the_freeze_costs_nothing(void **state)
{
    (void)state;
    both_ready();
    transfer();
    decide(source, false);
    expect_phase(source, AXI_PHASE_RESUMED);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
    run_job(source, 0);
    settle(source, target);
    assert_int_equal(source->slots[0].view.next_job, 4);
}

static void lost_target_before_the_freeze_costs_the_source_nothing(void **state)
{
    (void)state;
    target->has_image = false;
    source->room = 0;
    both_ready();
    transfer();
    axi_agent_link_down(source->agent, source->peer_link, 0);
    settle(source, NULL);
    expect_phase(source, AXI_PHASE_FAILED);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
    axi_agent_link_down(target->agent, target->peer_link, 0);
    settle(target, NULL);
    expect_phase(target, AXI_PHASE_FAILED);
    assert_int_equal(standby()->view.state, AXI_SLOT_FREE);
}

static void unreachable_target_fails_in_bounded_time(void **state)
{
    (void)state;
    both_ready();
    source->peer = NULL; /* connects for ever */
    target->peer = NULL;
    transfer();
    for (int i = 0; i < 60; i++) {
        pass_time(source, NULL, 100 * MS);
        say(source, AXI_WIRE_HEARTBEAT_ACK, &(axi_HeartbeatAck){0}, NULL, 0);
    }
    assert_int_equal(expect_phase(source, AXI_PHASE_FAILED)->m.Progress.code, -AXC_ETIMEOUT);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
}

static void link_lost_during_the_final_checkpoint_leaves_the_copy_frozen(void **state)
{
    (void)state;
    both_ready();
    transfer();
    source->room = 0;
    switch_over();
    expect_phase(source, AXI_PHASE_FROZEN);
    axi_agent_link_down(source->agent, source->peer_link, 0);
    settle(source, NULL);
    expect_phase(source, AXI_PHASE_FAILED);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
    decide(source, false);
    expect_phase(source, AXI_PHASE_RESUMED);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
}

static void master_restart_finds_both_in_doubt(void **state)
{
    (void)state;
    until_prepared();
    axi_agent_link_down(source->agent, source->master_link, 0);
    axi_agent_link_down(target->agent, target->master_link, 0);
    pass_time(source, target, 300 * MS);
    forget_heard(source);
    forget_heard(target);
    join(source);
    join(target);
    expect_phase(target, AXI_PHASE_PREPARED);
    assert_non_null(heard(target, AXI_WIRE_QUERY_DECISION));
    assert_non_null(heard(source, AXI_WIRE_QUERY_DECISION));
    source->frame_next = 0;
    expect_phase(source, AXI_PHASE_FROZEN);
    source->frame_next = 0;
    assert_int_equal(heard(source, AXI_WIRE_REPORT)->m.Report.instances[0].migration, MIGRATION);
    decide(target, true);
    decide(source, true);
    assert_int_equal(standby()->view.state, AXI_SLOT_ACTIVE);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
}

static void relayed_migration_goes_through_the_master(void **state)
{
    axi_MigrateOut out = out_message(MIGRATION, 4);
    struct fake_frame *chunk;

    (void)state;
    out.relay = true;
    out.send_image = false;
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    say(source, AXI_WIRE_TRANSFER, &(axi_Transfer){.migration = MIGRATION}, NULL, 0);
    settle(source, NULL);
    chunk = heard(source, AXI_WIRE_CHUNK);
    assert_non_null(chunk);
    assert_int_equal(chunk->m.Chunk.relay_to, 2);
    assert_int_equal(chunk->m.Chunk.kind, AXI_CHUNK_CHECKPOINT);
    switch_over();
    chunk = heard(source, AXI_WIRE_CHUNK);
    assert_int_equal(chunk->m.Chunk.kind, AXI_CHUNK_FINAL_CHECKPOINT);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
}

static void second_migration_displaces_the_first_until_the_freeze(void **state)
{
    axi_MigrateOut out = out_message(501, 5);

    (void)state;
    both_ready();
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    assert_int_equal(expect_phase(source, AXI_PHASE_FAILED)->m.Progress.code, -AXC_ECANCELLED);
    expect_result(source, 501, 0);
    teardown(state);
    setup(state);
    until_prepared();
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    assert_true(heard(source, AXI_WIRE_RESULT)->m.Result.code < 0);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
}

static void task_may_come_back_while_its_frozen_copy_is_here(void **state)
{
    axi_MigrateIn in = in_message(600, 9);

    (void)state;
    until_prepared();
    decide(target, true);
    decide(source, true);
    say(source, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
    settle(source, target);
    expect_result(source, 600, 0);
    say(source, AXI_WIRE_REMOVE, &(axi_Remove){.request = 20, .task_id = TASK, .epoch = 3}, NULL,
        0);
    settle(source, target);
    expect_result(source, 20, 0);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FREE);
    assert_int_equal(source->slots[1].view.state, AXI_SLOT_STANDBY);
}

static void committed_stops_a_source_that_still_runs(void **state)
{
    (void)state;
    both_ready();
    decide(source, true);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
}

static void contradicting_decision_changes_nothing(void **state)
{
    (void)state;
    until_prepared();
    decide(source, true);
    decide(source, false);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FROZEN);
    decide(target, true);
    decide(target, false);
    assert_int_equal(standby()->view.state, AXI_SLOT_ACTIVE);
}

static void task_that_finishes_first_is_not_moved(void **state)
{
    (void)state;
    both_ready();
    transfer();
    source->slots[0].view.state = AXI_SLOT_FINISHED;
    fake_trace(source, 0, AXI_TRACE_FINISHED);
    settle(source, target);
    expect_phase(source, AXI_PHASE_FAILED);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_FINISHED);
}

static void crash_points_follow_the_state_table(void **state)
{
    (void)state;
    assert_string_equal(axi_agent_crash_points[2], "source.READY.entered");
    assert_string_equal(axi_agent_crash_points[3], "source.READY.told");
    until_prepared();
    decide(target, true);
    assert_true(source->crash_count >= 14); /* 7 states, twice each */
    assert_string_equal(axi_agent_crash_points[target->crash_ids[0]], "target.RESERVED.entered");
    assert_string_equal(axi_agent_crash_points[target->crash_ids[target->crash_count - 1]],
                        "target.ACTIVE.told");
}

static void migrations_do_not_run_out(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        axi_MigrateIn in = in_message(1000 + i, 4 + i);
        axi_Decision decision = {.migration = 1000 + i, .task_id = TASK, .epoch = 4 + i};

        say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
        settle(target, NULL);
        expect_result(target, 1000 + i, 0);
        say(target, AXI_WIRE_DECISION, &decision, NULL, 0);
        settle(target, NULL);
        forget_heard(target);
        pass_time(target, NULL, MS);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(five_steps_move_the_task_with_its_state),
        T(a_program_that_crashes_in_every_job_has_moved_all_the_same),
        T(missing_image_goes_with_it),
        T(missing_image_comes_from_the_master_when_it_says_so),
        T(full_link_pauses_the_transfer),
        T(target_never_activates_without_the_decision),
        T(target_without_a_lease_asks_again_instead_of_activating),
        T(aborted_resumes_the_source_and_drops_the_standby),
        T(aborted_before_the_freeze_costs_nothing),
        T(lost_target_before_the_freeze_costs_the_source_nothing),
        T(unreachable_target_fails_in_bounded_time),
        T(link_lost_during_the_final_checkpoint_leaves_the_copy_frozen),
        T(master_restart_finds_both_in_doubt),
        T(relayed_migration_goes_through_the_master),
        T(second_migration_displaces_the_first_until_the_freeze),
        T(task_may_come_back_while_its_frozen_copy_is_here),
        T(committed_stops_a_source_that_still_runs),
        T(contradicting_decision_changes_nothing),
        T(task_that_finishes_first_is_not_moved),
        T(crash_points_follow_the_state_table),
        T(migrations_do_not_run_out),
    };

    return cmocka_run_group_tests_name("agent_migrate", tests, NULL, NULL);
}
