/* SPDX-License-Identifier: Apache-2.0 */
/* What source and target of a migration must refuse: peers, checkpoints, requests. */
#include "base/crc32c.h"
#include "core/agent_migrate_sim.h"

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

static void unknown_migration_is_answered(void **state)
{
    axi_Decision decision = {.migration = 999, .task_id = TASK, .epoch = 4, .committed = true};

    (void)state;
    say(target, AXI_WIRE_DECISION, &decision, NULL, 0);
    assert_int_equal(heard(target, AXI_WIRE_PROGRESS)->m.Progress.code, -AXC_ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(wrong_peers_are_turned_away),          T(silent_peer_is_closed),
        T(bad_checkpoint_fails_the_target_only), T(final_checkpoint_may_not_go_back),
        T(final_checkpoint_out_of_turn_fails),   T(source_refuses_what_it_does_not_own),
        T(unknown_migration_is_answered),
    };

    return cmocka_run_group_tests_name("agent_migrate_input", tests, NULL, NULL);
}
