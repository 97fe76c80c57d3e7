/* SPDX-License-Identifier: Apache-2.0 */
/* Joining, lease, requests. Bad input: agent_input_test.c. Migration: agent_migrate_test.c. */
#include "base/crc32c.h"
#include "core/agent_sim.h"

static struct fake_node *node;

static int setup(void **state)
{
    (void)state;
    node = fake_new(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(node);
    return 0;
}

static void joins_and_reports_before_the_first_heartbeat(void **state)
{
    (void)state;
    settle(node, NULL);
    axi_agent_link_up(node->agent, node->master_link, false);
    assert_int_equal(node->frames[0].type, AXI_WIRE_HELLO);
    assert_string_equal(node->frames[0].m.Hello.token, "secret");
    assert_int_equal(node->frames[0].m.Hello.node_id, 1);
    say(node, AXI_WIRE_HELLO_REPLY, &(axi_HelloReply){.protocol = 1, .heartbeat_ns = 100 * MS},
        NULL, 0);
    settle(node, NULL);
    assert_int_equal(node->frames[1].type, AXI_WIRE_REPORT);
    assert_true(node->frames[1].m.Report.complete);
    assert_int_equal(node->frames[2].type, AXI_WIRE_HEARTBEAT);
}

static void refused_join_is_tried_again_later(void **state)
{
    struct axi_agent_status status;

    (void)state;
    settle(node, NULL);
    axi_agent_link_up(node->agent, node->master_link, false);
    say(node, AXI_WIRE_HELLO_REPLY, &(axi_HelloReply){.result = -AXC_EDUPLICATE_NODE}, NULL, 0);
    assert_true(node->is_master_closed);
    axi_agent_get_status(node->agent, &status);
    assert_false(status.joined);
    assert_int_equal(status.join_error, -AXC_EDUPLICATE_NODE);
    pass_time(node, NULL, 100 * MS);
    assert_int_equal(node->connects, 1);
    pass_time(node, NULL, 400 * MS);
    assert_int_equal(node->connects, 2);
}

static void lease_counts_from_the_send_time_of_the_acknowledged_heartbeat(void **state)
{
    struct fake_frame *frame;
    axi_HeartbeatAck ack;

    (void)state;
    join(node);
    frame = heard(node, AXI_WIRE_HEARTBEAT);
    ack = (axi_HeartbeatAck){.sequence = frame->m.Heartbeat.sequence,
                             .send_local_ns = frame->m.Heartbeat.send_local_ns,
                             .receive_master_ns = 9000 * MS,
                             .reply_master_ns = 9000 * MS,
                             .lease_ns = 600 * MS};
    node->now_ns += 50 * MS;
    say(node, AXI_WIRE_HEARTBEAT_ACK, &ack, NULL, 0);
    assert_int_equal(node->lease_ns, frame->m.Heartbeat.send_local_ns + 600 * MS);
    ack.send_local_ns += 1; /* not what was sent */
    ack.lease_ns = 6000 * MS;
    say(node, AXI_WIRE_HEARTBEAT_ACK, &ack, NULL, 0);
    assert_int_equal(node->lease_ns, frame->m.Heartbeat.send_local_ns + 600 * MS);
    ack.send_local_ns -= 1;
    ack.sequence += 1; /* never sent */
    say(node, AXI_WIRE_HEARTBEAT_ACK, &ack, NULL, 0);
    assert_int_equal(node->lease_ns, frame->m.Heartbeat.send_local_ns + 600 * MS);
}

static size_t heartbeats(void)
{
    size_t count = 0;

    for (size_t i = 0; i < node->frame_count; i++) {
        count += node->frames[i].type == AXI_WIRE_HEARTBEAT;
    }
    return count;
}

/* Acknowledges the newest heartbeat, which was sent just now. */
static void acknowledge(uint64_t next_ns)
{
    const axi_Heartbeat *beat = &heard(node, AXI_WIRE_HEARTBEAT)->m.Heartbeat;
    axi_HeartbeatAck ack = {.sequence = beat->sequence,
                            .send_local_ns = beat->send_local_ns,
                            .lease_ns = 500 * MS,
                            .next_ns = next_ns};

    say(node, AXI_WIRE_HEARTBEAT_ACK, &ack, NULL, 0);
}

static void heartbeats_come_less_often_while_the_master_says_so(void **state)
{
    (void)state;
    join(node);
    acknowledge(200 * MS);
    forget_heard(node);
    pass_time(node, NULL, 190 * MS);
    assert_int_equal(heartbeats(), 0);
    pass_time(node, NULL, 20 * MS);
    assert_int_equal(heartbeats(), 1);
    pass_time(node, NULL, 100 * MS); /* that one was not answered */
    assert_int_equal(heartbeats(), 2);
    acknowledge(UINT64_MAX); /* no lease would last so long */
    forget_heard(node);
    pass_time(node, NULL, 110 * MS);
    assert_int_equal(heartbeats(), 1);
}

static void silent_master_is_left_and_joined_again(void **state)
{
    (void)state;
    join(node);
    pass_time(node, NULL, 440 * MS);
    assert_false(node->is_master_closed);
    pass_time(node, NULL, 20 * MS); /* three quarters of the lease */
    assert_true(node->is_master_closed);
    pass_time(node, NULL, 40 * MS); /* at once, nearly */
    assert_int_equal(node->connects, 2);
    join(node);
}

static void loads_from_the_cache_and_starts(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 1);
    expect_result(node, 10, 0);
    start(node, 11, 1);
    expect_result(node, 11, 0);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
    assert_int_equal(node->slots[0].config.release_ns, 5);
    assert_int_equal(node->slots[0].config.budget_ns, 2 * MS);
}

static void send_image(uint64_t transfer, uint32_t crc, size_t piece)
{
    for (size_t at = 0; at < FAKE_IMAGE_BYTES; at += piece) {
        size_t n = FAKE_IMAGE_BYTES - at < piece ? FAKE_IMAGE_BYTES - at : piece;
        axi_Chunk chunk = {.transfer = transfer,
                           .kind = AXI_CHUNK_ELF,
                           .offset = at,
                           .total = FAKE_IMAGE_BYTES,
                           .crc = crc};

        say(node, AXI_WIRE_CHUNK, &chunk, node->image + at, n);
    }
    settle(node, NULL);
}

static void fetches_a_missing_image(void **state)
{
    struct fake_frame *need;

    (void)state;
    join(node);
    load(node, 10, 1);
    need = heard(node, AXI_WIRE_IMAGE_NEED);
    assert_non_null(need);
    assert_int_equal(need->m.ImageNeed.request, 10);
    assert_memory_equal(need->m.ImageNeed.digest, fake_digest, 32);
    send_image(10, axi_crc32c(0, node->image, FAKE_IMAGE_BYTES), 30000);
    assert_int_equal(node->commits, 1);
    expect_result(node, 10, 0);
}

static void asks_again_for_an_image_after_a_reconnect(void **state)
{
    (void)state;
    join(node);
    load(node, 10, 1);
    assert_non_null(heard(node, AXI_WIRE_IMAGE_NEED));
    axi_agent_link_down(node->agent, node->master_link, 0);
    pass_time(node, NULL, 300 * MS);
    join(node);
    assert_non_null(heard(node, AXI_WIRE_IMAGE_NEED));
    send_image(10, axi_crc32c(0, node->image, FAKE_IMAGE_BYTES), 65536);
    expect_result(node, 10, 0);
}

static void image_that_never_comes_fails_the_load(void **state)
{
    (void)state;
    join(node);
    load(node, 10, 1);
    for (int i = 0; i < 200 && heard(node, AXI_WIRE_RESULT) == NULL; i++) {
        forget_heard(node);
        node->now_ns += 100 * MS;
        say(node, AXI_WIRE_HEARTBEAT_ACK, &(axi_HeartbeatAck){0}, NULL, 0);
        settle(node, NULL);
    }
    node->frame_next = 0;
    expect_result(node, 10, -AXC_ETIMEOUT);
}

static void repeated_request_is_answered_again_and_done_once(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 1);
    expect_result(node, 10, 0);
    load(node, 10, 1);
    expect_result(node, 10, 0);
    assert_int_equal(node->slots[1].view.state, AXI_SLOT_FREE);
    start(node, 11, 1);
    expect_result(node, 11, 0);
    run_job(node, 0);
    start(node, 11, 1);
    expect_result(node, 11, 0);
    assert_int_equal(node->slots[0].view.next_job, 1);
}

static void stale_epoch_is_refused(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 5);
    expect_result(node, 10, 0);
    load(node, 11, 4);
    expect_result(node, 11, -AXC_EEPOCH_STALE);
    start(node, 12, 4);
    expect_result(node, 12, -AXC_EEPOCH_STALE);
    say(node, AXI_WIRE_REMOVE, &(axi_Remove){.request = 13, .task_id = 77, .epoch = 4}, NULL, 0);
    settle(node, NULL);
    expect_result(node, 13, -AXC_EEPOCH_STALE);
    say(node, AXI_WIRE_REMOVE, &(axi_Remove){.request = 14, .task_id = 77, .epoch = 5}, NULL, 0);
    settle(node, NULL);
    expect_result(node, 14, 0);
    load(node, 15, 4); /* remembered beyond the instance */
    expect_result(node, 15, -AXC_EEPOCH_STALE);
}

static void remove_during_a_load_leaves_nothing(void **state)
{
    (void)state;
    node->has_image = true;
    node->is_load_slow = true;
    join(node);
    load(node, 10, 1);
    say(node, AXI_WIRE_REMOVE, &(axi_Remove){.request = 11, .task_id = 77, .epoch = 1}, NULL, 0);
    expect_result(node, 10, -AXC_ECANCELLED);
    assert_null(heard(node, AXI_WIRE_RESULT));
    fake_loaded(node, 0);
    expect_result(node, 11, 0);
    assert_int_equal(node->unloads, 1);
}

static void lost_trace_records_only_delay(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    node->is_trace_lost = true;
    load(node, 10, 1);
    assert_null(heard(node, AXI_WIRE_RESULT));
    pass_time(node, NULL, 30 * MS);
    expect_result(node, 10, 0);
    start(node, 11, 1);
    pass_time(node, NULL, 30 * MS);
    expect_result(node, 11, 0);
    say(node, AXI_WIRE_HALT, &(axi_Halt){.request = 12, .task_id = 77, .epoch = 1}, NULL, 0);
    pass_time(node, NULL, 30 * MS);
    expect_result(node, 12, 0);
    say(node, AXI_WIRE_RESUME, &(axi_Resume){.request = 13, .task_id = 77, .epoch = 1}, NULL, 0);
    pass_time(node, NULL, 30 * MS);
    expect_result(node, 13, 0);
    say(node, AXI_WIRE_REMOVE, &(axi_Remove){.request = 14, .task_id = 77, .epoch = 1}, NULL, 0);
    pass_time(node, NULL, 30 * MS);
    expect_result(node, 14, 0);
}

static void full_command_ring_is_tried_again(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    node->is_post_refused = true;
    load(node, 10, 1);
    assert_null(heard(node, AXI_WIRE_RESULT));
    node->is_post_refused = false;
    pass_time(node, NULL, 10 * MS);
    expect_result(node, 10, 0);
}

static void halt_sends_the_final_checkpoint_then_the_result(void **state)
{
    struct fake_frame *chunk;
    struct axi_checkpoint header;

    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 3);
    start(node, 11, 3);
    run_job(node, 0);
    run_job(node, 0);
    settle(node, NULL);
    forget_heard(node);
    say(node, AXI_WIRE_HALT,
        &(axi_Halt){.request = 12, .task_id = 77, .epoch = 3, .want_checkpoint = true}, NULL, 0);
    settle(node, NULL);
    chunk = heard(node, AXI_WIRE_CHUNK);
    assert_non_null(chunk);
    assert_int_equal(chunk->m.Chunk.transfer, 12);
    assert_int_equal(chunk->m.Chunk.kind, AXI_CHUNK_FINAL_CHECKPOINT);
    assert_int_equal(axi_checkpoint_decode_header(chunk->tail, chunk->tail_bytes, &header), 0);
    assert_int_equal(header.job, 2);
    assert_int_equal(header.epoch, 3);
    expect_result(node, 12, 0);
    say(node, AXI_WIRE_RESUME, &(axi_Resume){.request = 13, .task_id = 77, .epoch = 3}, NULL, 0);
    settle(node, NULL);
    expect_result(node, 13, 0);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
}

/* Between two checkpoints the lease went: what was done since is not in the newest one. */
static void a_fenced_instance_does_not_pass_an_old_state_off_as_new(void **state)
{
    struct axi_checkpoint header;
    struct fake_frame *chunk;

    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 3);
    start(node, 11, 3);
    run_job(node, 0); /* with a checkpoint; three more without */
    settle(node, NULL);
    node->slots[0].view.next_job = 4;
    node->slots[0].view.state = AXI_SLOT_FENCED;
    fake_trace(node, 0, AXI_TRACE_FENCED);
    settle(node, NULL);
    forget_heard(node);
    say(node, AXI_WIRE_GET_CHECKPOINT,
        &(axi_GetCheckpoint){.request = 12, .task_id = 77, .epoch = 3}, NULL, 0);
    settle(node, NULL);
    chunk = heard(node, AXI_WIRE_CHUNK);
    assert_non_null(chunk);
    assert_int_equal(axi_checkpoint_decode_header(chunk->tail, chunk->tail_bytes, &header), 0);
    assert_int_equal(header.job, 1);
    say(node, AXI_WIRE_HALT, &(axi_Halt){.request = 13, .task_id = 77, .epoch = 3}, NULL, 0);
    settle(node, NULL);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_FROZEN); /* with a final checkpoint */
}

static void start_takes_the_checkpoint_that_came_before(void **state)
{
    uint8_t state_bytes[FAKE_STATE_BYTES] = {42};
    uint8_t object[AXI_CHECKPOINT_HEADER_BYTES + FAKE_STATE_BYTES];
    struct axi_checkpoint header = {
        .task_id = 77, .epoch = 2, .job = 9, .state_version = 1, .state_bytes = FAKE_STATE_BYTES};
    axi_Start message = {
        .request = 11, .task_id = 77, .epoch = 4, .first_job = 9, .has_checkpoint = true};
    axi_Chunk chunk = {.transfer = 11, .kind = AXI_CHUNK_CHECKPOINT, .total = sizeof object};
    size_t bytes = 0;

    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 4);
    expect_result(node, 10, 0);
    say(node, AXI_WIRE_START, &message, NULL, 0);
    expect_result(node, 11, -AXC_ECKPT_NONE);
    assert_int_equal(axi_checkpoint_encode(&header, state_bytes, object, sizeof object, &bytes), 0);
    chunk.crc = axi_crc32c(0, object, bytes);
    chunk.transfer = 12;
    message.request = 12;
    say(node, AXI_WIRE_CHUNK, &chunk, object, bytes);
    message.first_job = 8; /* would run job 8 with a state after it */
    say(node, AXI_WIRE_START, &message, NULL, 0);
    expect_result(node, 12, -AXC_ECKPT_JOB);
    chunk.transfer = 13;
    message.request = 13;
    message.first_job = 9;
    say(node, AXI_WIRE_CHUNK, &chunk, object, bytes);
    say(node, AXI_WIRE_START, &message, NULL, 0);
    settle(node, NULL);
    expect_result(node, 13, 0);
    assert_int_equal(node->slots[0].state[0], 42);
    assert_int_equal(node->slots[0].view.next_job, 9);
}

static void profile_needs_no_wcet_and_is_sent_in_parts(void **state)
{
    axi_Load message = {.request = 10, .spec = fake_spec(), .epoch = 1};
    uint32_t parts = 0;

    (void)state;
    node->has_image = true;
    join(node);
    message.spec.profile = true;
    message.spec.wcet_ns = 0;
    say(node, AXI_WIRE_LOAD, &message, NULL, 0);
    settle(node, NULL);
    expect_result(node, 10, 0);
    assert_int_equal(node->slots[0].config.budget_ns, 0);
    say(node, AXI_WIRE_GET_PROFILE, &(axi_GetProfile){.request = 11, .task_id = 77}, NULL, 0);
    while (heard(node, AXI_WIRE_PROFILE_DATA) != NULL) {
        parts++;
    }
    assert_int_equal(parts, AXI_HIST_BUCKETS / 64);
    expect_result(node, 11, 0);
}

static void reports_a_fenced_instance_and_resumes_it(void **state)
{
    struct fake_frame *frame;

    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 1);
    start(node, 11, 1);
    forget_heard(node);
    node->slots[0].view.state = AXI_SLOT_FENCED;
    fake_trace(node, 0, AXI_TRACE_FENCED);
    settle(node, NULL);
    frame = heard(node, AXI_WIRE_NODE_EVENT);
    assert_non_null(frame);
    assert_int_equal(frame->m.NodeEvent.kind, AXI_TRACE_FENCED);
    frame = heard(node, AXI_WIRE_REPORT);
    assert_int_equal(frame->m.Report.instances[0].state, AXI_SLOT_FENCED);
    say(node, AXI_WIRE_RESUME, &(axi_Resume){.request = 12, .task_id = 77, .epoch = 1}, NULL, 0);
    settle(node, NULL);
    expect_result(node, 12, 0);
}

static void who_keeps_the_lease_says_which_jobs_put_out(void **state)
{
    struct fake_frame *frame;
    axi_SetOutput set = {
        .request = 12, .task_id = 77, .epoch = 1, .output_from = 5, .output_until = 9};

    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 1);
    start(node, 11, 1);
    forget_heard(node);
    say(node, AXI_WIRE_SET_OUTPUT, &set, NULL, 0);
    settle(node, NULL);
    expect_result(node, 12, 0);
    pass_time(node, NULL, 100 * MS);
    frame = heard(node, AXI_WIRE_REPORT);
    assert_non_null(frame);
    assert_int_equal(frame->m.Report.instances[0].output_from, 5);
    assert_int_equal(frame->m.Report.instances[0].output_until, 9);
    node->is_post_refused = true; /* nothing changes, and it is said */
    set.request = 13;
    set.output_until = 0;
    say(node, AXI_WIRE_SET_OUTPUT, &set, NULL, 0);
    settle(node, NULL);
    expect_result(node, 13, -AXC_EBUSY);
    assert_int_equal(node->slots[0].view.output_until, 9);
    node->is_post_refused = false;
    set.request = 14;
    set.epoch = 7;
    say(node, AXI_WIRE_SET_OUTPUT, &set, NULL, 0);
    settle(node, NULL);
    expect_result(node, 14, -AXC_ENOENT);
    assert_int_equal(node->slots[0].view.output_until, 9);
}

static void tells_how_response_times_are_spread_when_asked(void **state)
{
    struct fake_frame *frame;

    (void)state;
    node->has_image = true;
    join(node); /* this master does not ask */
    load(node, 10, 1);
    pass_time(node, NULL, 1100 * MS);
    assert_null(heard(node, AXI_WIRE_HISTOGRAM));
    axi_agent_link_down(node->agent, node->master_link, 0);
    pass_time(node, NULL, 1000 * MS);
    axi_agent_link_up(node->agent, node->master_link, false);
    say(node, AXI_WIRE_HELLO_REPLY,
        &(axi_HelloReply){.protocol = 1, .features = AXI_FEATURE_HISTOGRAM}, NULL, 0);
    settle(node, NULL);
    frame = heard(node, AXI_WIRE_HISTOGRAM);
    assert_non_null(frame);
    assert_int_equal(frame->m.Histogram.task_id, 77);
    assert_int_equal(frame->m.Histogram.response_count, 11);
    assert_int_equal(frame->m.Histogram.response[0], 1);
    assert_int_equal(frame->m.Histogram.response[10], 2);
}

static void leaves_with_goodbye(void **state)
{
    (void)state;
    join(node);
    axi_agent_leave(node->agent, "stopping");
    assert_string_equal(heard(node, AXI_WIRE_GOODBYE)->m.Goodbye.reason, "stopping");
    assert_true(node->is_master_closed);
    pass_time(node, NULL, 10000 * MS);
    assert_int_equal(node->connects, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(joins_and_reports_before_the_first_heartbeat),
        T(refused_join_is_tried_again_later),
        T(lease_counts_from_the_send_time_of_the_acknowledged_heartbeat),
        T(heartbeats_come_less_often_while_the_master_says_so),
        T(silent_master_is_left_and_joined_again),
        T(loads_from_the_cache_and_starts),
        T(fetches_a_missing_image),
        T(asks_again_for_an_image_after_a_reconnect),
        T(image_that_never_comes_fails_the_load),
        T(repeated_request_is_answered_again_and_done_once),
        T(stale_epoch_is_refused),
        T(remove_during_a_load_leaves_nothing),
        T(lost_trace_records_only_delay),
        T(full_command_ring_is_tried_again),
        T(halt_sends_the_final_checkpoint_then_the_result),
        T(a_fenced_instance_does_not_pass_an_old_state_off_as_new),
        T(start_takes_the_checkpoint_that_came_before),
        T(profile_needs_no_wcet_and_is_sent_in_parts),
        T(reports_a_fenced_instance_and_resumes_it),
        T(who_keeps_the_lease_says_which_jobs_put_out),
        T(tells_how_response_times_are_spread_when_asked),
        T(leaves_with_goodbye),
    };

    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
