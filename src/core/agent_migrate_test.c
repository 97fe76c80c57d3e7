/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations between two agents; the test is the master. */
#include "core/agent_sim.h"

#include "base/crc32c.h"

#define MIGRATION 500u
#define TASK 77u

static struct fake_node *source, *target;

/* The source runs epoch 3 of the task, three jobs are done. */
static int setup(void **state)
{
    (void)state;
    source = fake_new(1);
    target = fake_new(2);
    source->peer = target;
    target->peer = source;
    source->has_image = true;
    target->has_image = true;
    join(source);
    join(target);
    renew(source, 600000 * MS);
    renew(target, 600000 * MS);
    load(source, 10, 3);
    start(source, 11, 3);
    for (int i = 0; i < 3; i++) {
        run_job(source, 0);
    }
    settle(source, target);
    forget_heard(source);
    forget_heard(target);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(source);
    fake_free(target);
    return 0;
}

static axi_MigrateIn in_message(uint64_t id, uint64_t epoch)
{
    axi_MigrateIn in = {.migration = id,
                        .spec = fake_spec(),
                        .epoch = epoch,
                        .source_id = 1,
                        .token = {9, 8, 7},
                        .release_ns = 5,
                        .source_epoch = 3};

    return in;
}

static axi_MigrateOut out_message(uint64_t id, uint64_t epoch)
{
    axi_MigrateOut out = {.migration = id,
                          .task_id = TASK,
                          .epoch = 3,
                          .new_epoch = epoch,
                          .target_id = 2,
                          .target_address = "peer",
                          .token = {9, 8, 7},
                          .send_image = true};

    return out;
}

static void both_ready(void)
{
    axi_MigrateIn in = in_message(MIGRATION, 4);
    axi_MigrateOut out = out_message(MIGRATION, 4);

    say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    settle(source, target);
    expect_result(target, MIGRATION, 0);
    expect_result(source, MIGRATION, 0);
}

static void transfer(void)
{
    say(source, AXI_WIRE_TRANSFER, &(axi_Transfer){.migration = MIGRATION}, NULL, 0);
    settle(source, target);
}

static void switch_over(void)
{
    say(source, AXI_WIRE_SWITCH, &(axi_Switch){.migration = MIGRATION}, NULL, 0);
    settle(source, target);
}

static void decide(struct fake_node *node, bool committed)
{
    axi_Decision decision = {
        .migration = MIGRATION, .task_id = TASK, .epoch = 4, .committed = committed};

    say(node, AXI_WIRE_DECISION, &decision, NULL, 0);
    settle(source, target);
}

static struct fake_frame *expect_phase(struct fake_node *node, uint32_t phase)
{
    struct fake_frame *frame = heard(node, AXI_WIRE_PROGRESS);

    assert_non_null(frame);
    assert_int_equal(frame->m.Progress.migration, MIGRATION);
    assert_int_equal(frame->m.Progress.phase, phase);
    return frame;
}

/* The slot of the target's instance. */
static struct fake_slot *standby(void)
{
    return &target->slots[0];
}

static void until_prepared(void)
{
    both_ready();
    transfer();
    expect_phase(target, AXI_PHASE_STANDBY);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
    run_job(source, 0);
    switch_over();
    expect_phase(source, AXI_PHASE_FROZEN);
    expect_phase(target, AXI_PHASE_PREPARED);
}

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

static void wrong_peers_are_turned_away(void **state)
{
    static const struct {
        axi_PeerHello hello;
        int code;
    } cases[] = {
        {{.protocol_min = 1,
          .protocol_max = 1,
          .migration = 501,
          .task_id = TASK,
          .epoch = 3,
          .source_id = 1,
          .token = {9, 8, 7}},
         -AXC_ENOENT},
        {{.protocol_min = 1,
          .protocol_max = 1,
          .migration = MIGRATION,
          .task_id = TASK,
          .epoch = 3,
          .source_id = 1,
          .token = {9, 8, 6}},
         -AXC_EWIRE_AUTH},
        {{.protocol_min = 1,
          .protocol_max = 1,
          .migration = MIGRATION,
          .task_id = TASK,
          .epoch = 3,
          .source_id = 9,
          .token = {9, 8, 7}},
         -AXC_EWIRE_AUTH},
        {{.protocol_min = 2,
          .protocol_max = 3,
          .migration = MIGRATION,
          .task_id = TASK,
          .epoch = 3,
          .source_id = 1,
          .token = {9, 8, 7}},
         -AXC_EWIRE_VERSION},
        {{.protocol_min = 1,
          .protocol_max = 1,
          .migration = MIGRATION,
          .task_id = TASK,
          .epoch = 2,
          .source_id = 1,
          .token = {9, 8, 7}},
         -AXC_EEPOCH_STALE},
        {{.protocol_min = 1,
          .protocol_max = 1,
          .migration = MIGRATION,
          .task_id = TASK,
          .epoch = 4,
          .source_id = 1,
          .token = {9, 8, 7}},
         -AXC_EEPOCH_STALE},
    };

    (void)state;
    both_ready();
    source->peer = NULL;
    target->peer = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t frame[256];
        size_t bytes = 0;
        struct axi_wire_parser parser;
        struct axi_wire_frame parsed;
        union axi_wire_message message;
        const uint8_t *out = target->out.data;

        target->out = (struct fake_pipe){.is_used = true};
        target->peer_link = 900 + (uint32_t)i;
        axi_agent_link_up(target->agent, target->peer_link, true);
        assert_int_equal(axi_wire_encode(AXI_WIRE_PEER_HELLO, &cases[i].hello, NULL, 0, frame,
                                         sizeof frame, &bytes),
                         0);
        axi_agent_link_bytes(target->agent, target->peer_link, frame, bytes);
        assert_true(target->out.is_closed);
        axi_wire_parser_init(&parser, target->parser_buffer, sizeof target->parser_buffer);
        assert_int_equal(axi_wire_feed(&parser, &out, &target->out.bytes, &parsed), 1);
        assert_int_equal(parsed.type, AXI_WIRE_PEER_REPLY);
        assert_int_equal(axi_wire_decode(&parsed, &message), 0);
        assert_int_equal(message.PeerReply.result, cases[i].code);
    }
}

static void silent_peer_is_closed(void **state)
{
    (void)state;
    target->peer = NULL;
    target->peer_link = 900;
    target->out = (struct fake_pipe){.is_used = true};
    axi_agent_link_up(target->agent, 900, true);
    for (int i = 0; i < 51; i++) {
        pass_time(target, NULL, 100 * MS);
        say(target, AXI_WIRE_HEARTBEAT_ACK, &(axi_HeartbeatAck){0}, NULL, 0);
    }
    assert_true(target->out.is_closed);
}

/* Chunks made by hand on the master link, as a relay delivers them. */
static void relay_checkpoint(uint32_t kind, const struct axi_checkpoint *header, int damage)
{
    uint8_t object[AXI_CHECKPOINT_HEADER_BYTES + FAKE_STATE_BYTES];
    uint8_t bytes_of_state[FAKE_STATE_BYTES] = {55};
    axi_Chunk chunk = {.transfer = MIGRATION, .kind = kind};
    size_t bytes = 0;

    assert_int_equal(axi_checkpoint_encode(header, bytes_of_state, object, sizeof object, &bytes),
                     0);
    if (damage >= 0) {
        object[damage] ^= 1;
    }
    chunk.total = bytes;
    chunk.crc = axi_crc32c(0, object, bytes);
    say(target, AXI_WIRE_CHUNK, &chunk, object, bytes);
    settle(target, NULL);
}

static void bad_checkpoint_fails_the_target_only(void **state)
{
    struct {
        struct axi_checkpoint header;
        int damage, code;
    } cases[] = {
        {{.task_id = 78, .epoch = 3, .state_version = 1, .state_bytes = 64}, -1, -AXC_ECKPT_TASK},
        {{.task_id = 77, .epoch = 2, .state_version = 1, .state_bytes = 64}, -1, -AXC_ECKPT_EPOCH},
        {{.task_id = 77, .epoch = 9, .state_version = 1, .state_bytes = 64}, -1, -AXC_ECKPT_EPOCH},
        {{.task_id = 77, .epoch = 3, .state_version = 2, .state_bytes = 64},
         -1,
         -AXC_ECKPT_STATE_VERSION},
        {{.task_id = 77, .epoch = 3, .state_version = 1, .state_bytes = 63}, -1, -AXC_ECKPT_SIZE},
        {{.task_id = 77, .epoch = 3, .state_version = 1, .state_bytes = 64, .schema_hash = {1}},
         -1,
         -AXC_ECKPT_SCHEMA},
        {{.task_id = 77, .epoch = 3, .state_version = 1, .state_bytes = 64}, 0, -AXC_ECKPT_MAGIC},
        {{.task_id = 77, .epoch = 3, .state_version = 1, .state_bytes = 64}, 100, -AXC_ECKPT_CRC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        axi_MigrateIn in = in_message(MIGRATION, 4);
        struct fake_frame *frame;

        teardown(state);
        setup(state);
        say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
        settle(target, NULL);
        relay_checkpoint(AXI_CHUNK_CHECKPOINT, &cases[i].header, cases[i].damage);
        frame = expect_phase(target, AXI_PHASE_FAILED);
        assert_int_equal(frame->m.Progress.code, cases[i].code);
        assert_int_equal(standby()->view.state, AXI_SLOT_FREE);
    }
}

static void final_checkpoint_may_not_go_back(void **state)
{
    struct axi_checkpoint header = {
        .task_id = 77, .epoch = 3, .job = 8, .state_version = 1, .state_bytes = 64};
    axi_MigrateIn in = in_message(MIGRATION, 4);

    (void)state;
    say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
    settle(target, NULL);
    relay_checkpoint(AXI_CHUNK_CHECKPOINT, &header, -1);
    expect_phase(target, AXI_PHASE_STANDBY);
    header.job = 7;
    relay_checkpoint(AXI_CHUNK_FINAL_CHECKPOINT, &header, -1);
    assert_int_equal(expect_phase(target, AXI_PHASE_FAILED)->m.Progress.code, -AXC_ECKPT_JOB);
}

static void final_checkpoint_out_of_turn_fails(void **state)
{
    struct axi_checkpoint header = {
        .task_id = 77, .epoch = 3, .job = 8, .state_version = 1, .state_bytes = 64};
    axi_MigrateIn in = in_message(MIGRATION, 4);

    (void)state;
    say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
    settle(target, NULL);
    relay_checkpoint(AXI_CHUNK_FINAL_CHECKPOINT, &header, -1);
    expect_phase(target, AXI_PHASE_FAILED);
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

static void source_refuses_what_it_does_not_own(void **state)
{
    axi_MigrateOut out = out_message(MIGRATION, 4);

    (void)state;
    out.epoch = 2;
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    expect_result(source, MIGRATION, -AXC_EEPOCH_STALE);
    out.epoch = 5;
    out.migration = 501;
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    expect_result(source, 501, -AXC_ENOT_OWNER);
    out.epoch = 3;
    out.new_epoch = 3;
    out.migration = 502;
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    expect_result(source, 502, -AXC_EEPOCH_STALE);
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

static void unknown_migration_is_answered(void **state)
{
    axi_Decision decision = {.migration = 999, .task_id = TASK, .epoch = 4, .committed = true};

    (void)state;
    say(target, AXI_WIRE_DECISION, &decision, NULL, 0);
    assert_int_equal(heard(target, AXI_WIRE_PROGRESS)->m.Progress.code, -AXC_ENOENT);
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
        T(wrong_peers_are_turned_away),
        T(silent_peer_is_closed),
        T(bad_checkpoint_fails_the_target_only),
        T(final_checkpoint_may_not_go_back),
        T(final_checkpoint_out_of_turn_fails),
        T(relayed_migration_goes_through_the_master),
        T(source_refuses_what_it_does_not_own),
        T(second_migration_displaces_the_first_until_the_freeze),
        T(task_may_come_back_while_its_frozen_copy_is_here),
        T(committed_stops_a_source_that_still_runs),
        T(contradicting_decision_changes_nothing),
        T(unknown_migration_is_answered),
        T(task_that_finishes_first_is_not_moved),
        T(crash_points_follow_the_state_table),
        T(migrations_do_not_run_out),
    };

    return cmocka_run_group_tests_name("agent_migrate", tests, NULL, NULL);
}
