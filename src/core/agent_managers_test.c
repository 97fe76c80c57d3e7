/* SPDX-License-Identifier: Apache-2.0 */
/* The node's side of checkpoint management: links, notices, reads, requests of managers, the lease
 * while the master is away. The tests play the managers. */
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

/* ---- the test as manager ---- */

static void tell(uint32_t manager, uint32_t type, const void *message)
{
    if (type == AXI_WIRE_LOAD) {
        give_first_lease(node);
    }
    say_on(node, node->managers[manager].link, type, message, NULL, 0);
    settle(node, NULL);
}

static struct fake_frame *got(uint32_t manager, uint32_t type)
{
    struct fake_manager *m = &node->managers[manager];

    while (m->next < m->count) {
        if (m->frames[m->next++].type == type) {
            return &m->frames[m->next - 1];
        }
    }
    return NULL;
}

static void list_managers(uint32_t count)
{
    axi_Managers list = {.managers_count = (pb_size_t)count,
                         .managers = {{.manager_id = 100, .address = "cms0"},
                                      {.manager_id = 101, .address = "cms1"}}};

    say(node, AXI_WIRE_MANAGERS, &list, NULL, 0);
    settle(node, NULL);
}

static void link_manager(uint32_t manager)
{
    axi_ManagerReply reply = {.protocol = 1, .manager_id = 100 + manager, .name = "c"};

    axi_agent_link_up(node->agent, node->managers[manager].link, false);
    assert_non_null(got(manager, AXI_WIRE_MANAGER_HELLO));
    tell(manager, AXI_WIRE_MANAGER_REPLY, &reply);
}

/* Joined, one task active with epoch 3 in slot 0, `count` managers linked. */
static void begin(uint32_t count)
{
    node->has_image = true;
    join(node);
    load(node, 10, 3);
    start(node, 11, 3);
    list_managers(count);
    for (uint32_t i = 0; i < count; i++) {
        link_manager(i);
    }
}

static axi_Notice only_notice(uint32_t manager)
{
    struct fake_frame *frame = got(manager, AXI_WIRE_NOTICES);

    assert_non_null(frame);
    assert_int_equal(frame->m.Notices.notices_count, 1);
    return frame->m.Notices.notices[0];
}

static axi_SlotData *read_write(uint32_t manager, uint64_t write, uint32_t offset, uint32_t bytes)
{
    axi_SlotRead read = {.request = 900 + write,
                         .task_id = 77,
                         .epoch = 3,
                         .write = write,
                         .offset = offset,
                         .bytes = bytes};
    struct fake_frame *frame;

    tell(manager, AXI_WIRE_SLOT_READ, &read);
    frame = got(manager, AXI_WIRE_SLOT_DATA);
    assert_non_null(frame);
    assert_int_equal(frame->m.SlotData.request, 900 + write);
    return &frame->m.SlotData;
}

static struct axi_agent_manager_status status_of(uint32_t index)
{
    struct axi_agent_manager_status status;

    assert_true(axi_agent_get_manager(node->agent, index, &status));
    return status;
}

/* ---- links ---- */

static void connects_to_listed_managers_and_greets(void **state)
{
    struct fake_frame *frame;

    (void)state;
    join(node);
    list_managers(2);
    assert_int_equal(node->managers[0].connects, 1);
    assert_int_equal(node->managers[1].connects, 1);
    axi_agent_link_up(node->agent, node->managers[1].link, false);
    frame = got(1, AXI_WIRE_MANAGER_HELLO);
    assert_non_null(frame);
    assert_string_equal(frame->m.ManagerHello.token, "secret");
    assert_string_equal(frame->m.ManagerHello.region_path, "/proc/1/fd/5");
    assert_int_equal(frame->m.ManagerHello.node_id, 1);
    assert_int_equal(frame->m.ManagerHello.machine_id, 99);
    assert_false(status_of(1).is_linked);
    tell(1, AXI_WIRE_MANAGER_REPLY, &(axi_ManagerReply){.protocol = 1, .manager_id = 101});
    assert_true(status_of(1).is_linked);
}

static void closes_a_manager_that_left_the_list(void **state)
{
    (void)state;
    begin(2);
    list_managers(1);
    assert_false(node->managers[0].is_closed);
    assert_true(node->managers[1].is_closed);
    pass_time(node, NULL, 10000 * MS);
    assert_int_equal(node->managers[1].connects, 1);
}

static void connects_again_after_a_loss_or_a_refusal(void **state)
{
    (void)state;
    begin(1);
    axi_agent_link_down(node->agent, node->managers[0].link, -AXC_EUNAVAILABLE);
    node->managers[0].is_refusing = true;
    renew(node, 100000 * MS);
    pass_time(node, NULL, 250 * MS);
    assert_int_equal(node->managers[0].connects, 2);
    node->managers[0].is_refusing = false;
    renew(node, 100000 * MS);
    pass_time(node, NULL, 450 * MS);
    assert_int_equal(node->managers[0].connects, 3);
    axi_agent_link_up(node->agent, node->managers[0].link, false);
    tell(0, AXI_WIRE_MANAGER_REPLY, &(axi_ManagerReply){.result = -AXC_EWIRE_AUTH});
    assert_true(node->managers[0].is_closed);
    assert_false(status_of(0).is_linked);
}

static void one_manager_behind_two_addresses_is_linked_once(void **state)
{
    (void)state;
    begin(2);
    axi_agent_link_down(node->agent, node->managers[1].link, 0);
    renew(node, 100000 * MS);
    pass_time(node, NULL, 260 * MS);
    axi_agent_link_up(node->agent, node->managers[1].link, false);
    tell(1, AXI_WIRE_MANAGER_REPLY, &(axi_ManagerReply){.protocol = 1, .manager_id = 100});
    assert_true(node->managers[1].is_closed);
    assert_true(status_of(0).is_linked);
    axi_agent_link_down(node->agent, node->managers[0].link, 0);
    settle(node, NULL);
    assert_int_equal(node->managers[1].connects, 3); /* now it is wanted */
}

static void frames_that_no_manager_may_send_end_the_link(void **state)
{
    (void)state;
    begin(1);
    tell(0, AXI_WIRE_HALT, &(axi_Halt){.request = 5, .task_id = 77, .epoch = 3});
    assert_true(node->managers[0].is_closed);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
}

/* ---- notices ---- */

static void tells_each_new_checkpoint_once(void **state)
{
    axi_Notice notice;

    (void)state;
    begin(2);
    notice = only_notice(0); /* the one made at activation */
    assert_int_equal(notice.write, 1);
    assert_int_equal(notice.epoch, 3);
    run_job(node, 0);
    pass_time(node, NULL, 5 * MS);
    notice = only_notice(0);
    assert_int_equal(notice.task_id, 77);
    assert_int_equal(notice.job, 1);
    assert_int_equal(notice.write, 2);
    assert_int_equal(notice.bytes, AXI_CHECKPOINT_HEADER_BYTES + FAKE_STATE_BYTES);
    assert_int_equal(notice.region_offset, 4096);
    assert_int_equal(notice.state_crc, axi_crc32c(0, node->slots[0].state, FAKE_STATE_BYTES));
    assert_int_equal(notice.taken_master_ns, node->now_ns - 5 * MS);
    pass_time(node, NULL, 5 * MS);
    assert_null(got(0, AXI_WIRE_NOTICES));
    assert_int_equal(only_notice(1).write, 1);
    assert_int_equal(only_notice(1).write, 2);
}

static void tells_every_write_still_in_the_ring_and_counts_the_others(void **state)
{
    struct fake_frame *frame;

    (void)state;
    begin(1);
    (void)only_notice(0);
    for (int i = 0; i < 5; i++) {
        run_job(node, 0);
    }
    pass_time(node, NULL, 5 * MS);
    frame = got(0, AXI_WIRE_NOTICES);
    assert_non_null(frame);
    assert_int_equal(frame->m.Notices.notices_count, 2); /* the fake region has two slots */
    assert_int_equal(frame->m.Notices.notices[0].write, 5);
    assert_int_equal(frame->m.Notices.notices[1].write, 6);
    assert_int_equal(status_of(0).overtaken, 3);
}

static void slow_manager_gets_no_notices_until_it_has_room(void **state)
{
    (void)state;
    begin(2);
    (void)only_notice(0);
    (void)only_notice(1);
    node->managers[0].room = 100;
    run_job(node, 0);
    pass_time(node, NULL, 5 * MS);
    assert_null(got(0, AXI_WIRE_NOTICES));
    assert_int_equal(only_notice(1).write, 2);
    node->managers[0].room = 1000000;
    pass_time(node, NULL, 5 * MS);
    assert_int_equal(only_notice(0).write, 2);
}

static void standby_has_no_checkpoints_of_its_own(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    load(node, 10, 3);
    list_managers(1);
    link_manager(0);
    pass_time(node, NULL, 5 * MS);
    assert_null(got(0, AXI_WIRE_NOTICES));
}

static int setup_notifying(void **state)
{
    (void)state;
    node = fake_make(1, true);
    return 0;
}

/* The link says the newest now and then: what a datagram lost is not lost for ever. */
static void datagrams_tell_all_managers_at_once(void **state)
{
    axi_Acks acks = {.acks_count = 1, .acks = {{.task_id = 77, .epoch = 3, .write = 3, .job = 2}}};

    (void)state;
    begin(2);
    assert_int_equal(only_notice(0).write, 1);
    assert_int_equal(node->datagram_count, 1);
    for (int i = 0; i < 2; i++) {
        run_job(node, 0);
        pass_time(node, NULL, 5 * MS);
    }
    assert_null(got(0, AXI_WIRE_NOTICES));
    assert_int_equal(node->datagram_count, 3);
    assert_int_equal(node->datagrams[2].type, AXI_WIRE_NOTICES);
    assert_int_equal(node->datagrams[2].m.Notices.node_id, 1);
    assert_int_equal(node->datagrams[2].m.Notices.notices[0].write, 3);
    tell(0, AXI_WIRE_ACKS, &acks);
    assert_int_equal(axi_agent_durable_job(node->agent, 0, 77, 3), 2);
    pass_time(node, NULL, 100 * MS);
    assert_int_equal(only_notice(1).write, 1);
    assert_int_equal(only_notice(1).write, 3);
    assert_int_equal(node->datagram_count, 3);
}

/* ---- reads and acks ---- */

static void answers_reads_whole_and_in_parts(void **state)
{
    axi_SlotData *data;
    struct axi_checkpoint header;
    const uint8_t *bytes = NULL;
    struct fake_frame *frame;

    (void)state;
    begin(1);
    run_job(node, 0);
    data = read_write(0, 2, 0, 0);
    assert_int_equal(data->code, 0);
    assert_int_equal(data->total, AXI_CHECKPOINT_HEADER_BYTES + FAKE_STATE_BYTES);
    assert_int_equal(data->newest, 2);
    frame = &node->managers[0].frames[node->managers[0].next - 1];
    assert_int_equal(axi_checkpoint_decode(frame->tail, frame->tail_bytes, &header, &bytes), 0);
    assert_int_equal(header.job, 1);
    data = read_write(0, 2, 100, 20);
    assert_int_equal(data->code, 0);
    assert_int_equal(data->offset, 100);
    assert_int_equal(node->managers[0].frames[node->managers[0].next - 1].tail_bytes, 20);
}

static void reads_of_what_is_not_there_have_their_own_codes(void **state)
{
    axi_SlotRead foreign = {.request = 1, .task_id = 78, .epoch = 3, .write = 1};
    struct fake_frame *frame;

    (void)state;
    begin(1);
    for (int i = 0; i < 3; i++) {
        run_job(node, 0);
    }
    assert_int_equal(read_write(0, 1, 0, 0)->code, -AXC_ECKPT_TORN);
    assert_int_equal(read_write(0, 5, 0, 0)->code, -AXC_ECKPT_NONE);
    assert_int_equal(read_write(0, 4, 100000, 1)->code, -AXC_EINVALID);
    assert_int_equal(read_write(0, 4, 4000000000u, 4000000000u)->code, -AXC_EINVALID);
    tell(0, AXI_WIRE_SLOT_READ, &foreign);
    frame = got(0, AXI_WIRE_SLOT_DATA);
    assert_int_equal(frame->m.SlotData.code, -AXC_ENOENT);
    foreign.task_id = 77;
    foreign.epoch = 4;
    tell(0, AXI_WIRE_SLOT_READ, &foreign);
    assert_int_equal(got(0, AXI_WIRE_SLOT_DATA)->m.SlotData.code, -AXC_ENOENT);
}

static void reads_wait_for_room_and_a_flood_ends_the_link(void **state)
{
    axi_SlotRead read = {.request = 1, .task_id = 77, .epoch = 3, .write = 1, .bytes = 8};

    (void)state;
    begin(2);
    node->managers[0].room = 0;
    for (uint32_t i = 0; i < 64; i++) {
        read.request = i + 1;
        tell(0, AXI_WIRE_SLOT_READ, &read);
    }
    assert_null(got(0, AXI_WIRE_SLOT_DATA));
    assert_false(node->managers[0].is_closed);
    node->managers[0].room = 1000000;
    axi_agent_link_writable(node->agent, node->managers[0].link);
    settle(node, NULL);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(got(0, AXI_WIRE_SLOT_DATA)->m.SlotData.request, i + 1);
    }
    node->managers[0].room = 0;
    for (uint32_t i = 0; i < 65; i++) {
        tell(0, AXI_WIRE_SLOT_READ, &read);
    }
    assert_true(node->managers[0].is_closed);
    assert_int_equal(read_write(1, 1, 0, 8)->code, 0); /* the other one is served */
}

static void acks_become_the_durable_job_of_the_report(void **state)
{
    axi_Acks acks = {.acks_count = 1, .acks = {{.task_id = 77, .epoch = 3, .write = 2, .job = 1}}};
    struct fake_frame *last = NULL;
    struct fake_frame *frame;

    (void)state;
    begin(2);
    run_job(node, 0);
    pass_time(node, NULL, 5 * MS);
    tell(1, AXI_WIRE_ACKS, &acks);
    assert_int_equal(axi_agent_durable_job(node->agent, 1, 77, 3), 1);
    assert_int_equal(axi_agent_durable_job(node->agent, 0, 77, 3), 0);
    acks.acks[0] = (axi_Ack){.task_id = 77, .epoch = 3, .write = 1000, .job = 999}; /* forged */
    tell(1, AXI_WIRE_ACKS, &acks);
    acks.acks[0] = (axi_Ack){.task_id = 5, .epoch = 3, .write = 2, .job = 999};
    tell(1, AXI_WIRE_ACKS, &acks);
    assert_int_equal(axi_agent_durable_job(node->agent, 1, 77, 3), 1);
    for (int i = 0; i < 10; i++) {
        renew(node, 100000 * MS);
        pass_time(node, NULL, 100 * MS);
    }
    while ((frame = heard(node, AXI_WIRE_REPORT)) != NULL) {
        last = frame;
    }
    assert_non_null(last);
    assert_int_equal(last->m.Report.instances[0].durable_job, 1);
}

/* ---- requests ---- */

static void send_checkpoint(uint32_t manager, uint64_t request, uint64_t epoch, uint64_t job,
                            uint8_t first_byte)
{
    struct axi_checkpoint header = {.task_id = 77,
                                    .epoch = epoch,
                                    .job = job,
                                    .state_version = 1,
                                    .state_bytes = FAKE_STATE_BYTES};
    uint8_t state[FAKE_STATE_BYTES] = {first_byte};
    uint8_t bytes[AXI_CHECKPOINT_HEADER_BYTES + FAKE_STATE_BYTES];
    size_t count = 0;
    axi_Chunk chunk = {.transfer = request, .kind = AXI_CHUNK_CHECKPOINT};

    assert_int_equal(axi_checkpoint_encode(&header, state, bytes, sizeof(bytes), &count), 0);
    chunk.total = count;
    chunk.crc = axi_crc32c(0, bytes, count);
    say_on(node, node->managers[manager].link, AXI_WIRE_CHUNK, &chunk, bytes, count);
}

static void expect_answer(uint32_t manager, uint64_t request, int code)
{
    struct fake_frame *frame = got(manager, AXI_WIRE_RESULT);

    assert_non_null(frame);
    assert_int_equal(frame->m.Result.request, request);
    assert_int_equal(frame->m.Result.code, code);
}

static void send_image(uint32_t manager, uint64_t request)
{
    axi_Chunk chunk = {.transfer = request,
                       .kind = AXI_CHUNK_ELF,
                       .total = FAKE_IMAGE_BYTES,
                       .crc = axi_crc32c(0, node->image, FAKE_IMAGE_BYTES)};

    while (chunk.offset < FAKE_IMAGE_BYTES) {
        size_t left = FAKE_IMAGE_BYTES - chunk.offset;
        size_t count = left < 40000 ? left : 40000;

        say_on(node, node->managers[manager].link, AXI_WIRE_CHUNK, &chunk,
               node->image + chunk.offset, count);
        chunk.offset += count;
    }
    settle(node, NULL);
}

static void manager_restores_a_task_with_image_and_checkpoint(void **state)
{
    axi_Load load_it = {.request = 50, .spec = fake_spec(), .epoch = 8};
    axi_Start start_it = {.request = 51,
                          .task_id = 77,
                          .epoch = 8,
                          .release_ns = 5,
                          .first_job = 41,
                          .has_checkpoint = true};

    (void)state;
    join(node);
    list_managers(1);
    link_manager(0);
    give_first_lease(node);
    forget_heard(node);
    tell(0, AXI_WIRE_LOAD, &load_it);
    assert_int_equal(got(0, AXI_WIRE_IMAGE_NEED)->m.ImageNeed.request, 50);
    send_image(0, 50);
    expect_answer(0, 50, 0);
    send_checkpoint(0, 51, 7, 41, 0xab);
    tell(0, AXI_WIRE_START, &start_it);
    expect_answer(0, 51, 0);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
    assert_int_equal(node->slots[0].view.next_job, 41);
    assert_int_equal(node->slots[0].state[0], 0xab);
    assert_null(heard(node, AXI_WIRE_RESULT)); /* the master did not ask */
    node->frame_next = 0;
    assert_non_null(heard(node, AXI_WIRE_REPORT)); /* but hears of it */
    assert_int_equal(only_notice(0).epoch, 8);
}

static void load_fails_when_its_manager_goes_before_the_image_came(void **state)
{
    axi_Load load_it = {.request = 50, .spec = fake_spec(), .epoch = 8};
    struct axi_agent_status status;

    (void)state;
    join(node);
    list_managers(2);
    link_manager(0);
    link_manager(1);
    tell(0, AXI_WIRE_LOAD, &load_it);
    axi_agent_link_down(node->agent, node->managers[0].link, 0);
    settle(node, NULL);
    axi_agent_get_status(node->agent, &status);
    assert_int_equal(status.instances, 0);
    load_it.request = 60; /* the other one claims with another epoch */
    load_it.epoch = 9;
    tell(1, AXI_WIRE_LOAD, &load_it);
    send_image(1, 60);
    expect_answer(1, 60, 0);
}

static void answer_goes_to_the_link_that_asked_last(void **state)
{
    axi_Load load_it = {.request = 50, .spec = fake_spec(), .epoch = 8};

    (void)state;
    node->has_image = true;
    node->is_load_slow = true;
    join(node);
    list_managers(1);
    link_manager(0);
    tell(0, AXI_WIRE_LOAD, &load_it);
    axi_agent_link_down(node->agent, node->managers[0].link, 0);
    renew(node, 100000 * MS);
    pass_time(node, NULL, 260 * MS);
    link_manager(0);
    fake_loaded(node, 0);
    settle(node, NULL);
    assert_null(got(0, AXI_WIRE_RESULT)); /* whoever asked is gone */
    tell(0, AXI_WIRE_LOAD, &load_it);
    expect_answer(0, 50, 0);
}

static void stale_epochs_of_managers_are_refused(void **state)
{
    axi_Load load_it = {.request = 50, .spec = fake_spec(), .epoch = 2};

    (void)state;
    begin(1);
    tell(0, AXI_WIRE_LOAD, &load_it);
    expect_answer(0, 50, -AXC_EEPOCH_STALE);
    tell(0, AXI_WIRE_START, &(axi_Start){.request = 51, .task_id = 77, .epoch = 2});
    expect_answer(0, 51, -AXC_EEPOCH_STALE);
    tell(0, AXI_WIRE_REMOVE, &(axi_Remove){.request = 52, .task_id = 77, .epoch = 2});
    expect_answer(0, 52, -AXC_EEPOCH_STALE);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
}

static void warm_standby_starts_under_the_fresh_epoch(void **state)
{
    axi_Start start_it = {.request = 51,
                          .task_id = 77,
                          .epoch = 9,
                          .standby_epoch = 4,
                          .first_job = 20,
                          .has_checkpoint = true};

    (void)state;
    node->has_image = true;
    join(node);
    list_managers(1);
    link_manager(0);
    tell(0, AXI_WIRE_LOAD, &(axi_Load){.request = 50, .spec = fake_spec(), .epoch = 4});
    expect_answer(0, 50, 0);
    send_checkpoint(0, 51, 10, 20, 1); /* from the future: no owner had this epoch yet */
    tell(0, AXI_WIRE_START, &start_it);
    expect_answer(0, 51, -AXC_ECKPT_EPOCH);
    start_it.request = 52;
    send_checkpoint(0, 52, 8, 20, 1); /* younger than the standby, older than the restore */
    tell(0, AXI_WIRE_START, &start_it);
    expect_answer(0, 52, 0);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
    assert_int_equal(node->slots[0].config.epoch, 9);
    tell(0, AXI_WIRE_START, &(axi_Start){.request = 53, .task_id = 77, .epoch = 9});
    expect_answer(0, 53, 0);
    tell(0, AXI_WIRE_LOAD, &(axi_Load){.request = 54, .spec = fake_spec(), .epoch = 5});
    expect_answer(0, 54, -AXC_EEPOCH_STALE);
    tell(0, AXI_WIRE_REMOVE, &(axi_Remove){.request = 55, .task_id = 77, .epoch = 9});
    expect_answer(0, 55, 0);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_FREE);
}

static void load_query_is_answered_with_what_the_node_has(void **state)
{
    struct fake_frame *frame;

    (void)state;
    begin(1);
    renew(node, 600 * MS);
    node->cpu_load_ppm = 250000;
    pass_time(node, NULL, 60 * MS);
    tell(0, AXI_WIRE_LOAD_QUERY, &(axi_LoadQuery){.request = 7});
    frame = got(0, AXI_WIRE_LOAD_REPLY);
    assert_non_null(frame);
    assert_int_equal(frame->m.LoadReply.request, 7);
    assert_int_equal(frame->m.LoadReply.cpu_load_ppm, 250000);
    assert_int_equal(frame->m.LoadReply.free_slots, FAKE_SLOTS - 1);
    assert_int_equal(frame->m.LoadReply.density_ppm, 200001);
    assert_int_equal(frame->m.LoadReply.lease_left_ns, 540 * MS);
}

static void no_manager_loads_on_a_node_that_knows_no_time(void **state)
{
    axi_Load load_it = {.request = 50, .spec = fake_spec(), .epoch = 4};

    (void)state;
    node->has_image = true;
    join(node);
    list_managers(1);
    link_manager(0);
    tell(0, AXI_WIRE_LOAD_QUERY, &(axi_LoadQuery){.request = 7});
    assert_int_equal(got(0, AXI_WIRE_LOAD_REPLY)->m.LoadReply.master_ns, 0);
    say_on(node, node->managers[0].link, AXI_WIRE_LOAD, &load_it, NULL, 0);
    settle(node, NULL);
    expect_answer(0, 50, -AXC_EUNAVAILABLE);
    give_first_lease(node); /* and the time with it */
    tell(0, AXI_WIRE_LOAD_QUERY, &(axi_LoadQuery){.request = 8});
    assert_int_not_equal(got(0, AXI_WIRE_LOAD_REPLY)->m.LoadReply.master_ns, 0);
    load_it.request = 51;
    tell(0, AXI_WIRE_LOAD, &load_it);
    expect_answer(0, 51, 0);
}

/* It would begin to run with the first lease, whenever that comes: long after a claim, perhaps. */
static void nothing_starts_on_a_node_without_a_lease(void **state)
{
    axi_Load load_it = {.request = 50, .spec = fake_spec(), .epoch = 4};

    (void)state;
    node->has_image = true;
    join(node);
    list_managers(1);
    link_manager(0);
    renew(node, 0); /* the time, and no lease */
    say_on(node, node->managers[0].link, AXI_WIRE_LOAD, &load_it, NULL, 0);
    settle(node, NULL);
    expect_answer(0, 50, 0);
    tell(0, AXI_WIRE_START, &(axi_Start){.request = 51, .task_id = 77, .epoch = 4});
    expect_answer(0, 51, -AXC_ENODE_LEASE);
    give_first_lease(node);
    tell(0, AXI_WIRE_START, &(axi_Start){.request = 52, .task_id = 77, .epoch = 4});
    expect_answer(0, 52, -AXC_ENODE_LEASE); /* loaded before */
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_STANDBY);
}

/* ---- the lease while the master is away ---- */

static void ack_heartbeat(uint32_t manager, uint64_t lease_ns)
{
    struct fake_manager *m = &node->managers[manager];
    const axi_Heartbeat *heartbeat = NULL;
    axi_HeartbeatAck ack;

    for (uint32_t i = 0; i < m->count; i++) {
        heartbeat = m->frames[i].type == AXI_WIRE_HEARTBEAT ? &m->frames[i].m.Heartbeat : heartbeat;
    }
    assert_non_null(heartbeat);
    ack = (axi_HeartbeatAck){.sequence = heartbeat->sequence,
                             .send_local_ns = heartbeat->send_local_ns,
                             .lease_ns = lease_ns};
    tell(manager, AXI_WIRE_HEARTBEAT_ACK, &ack);
}

static void one_manager_keeps_the_lease_while_the_master_is_away(void **state)
{
    struct axi_agent_status status;

    (void)state;
    begin(2);
    assert_null(got(0, AXI_WIRE_HEARTBEAT));
    axi_agent_link_down(node->agent, node->master_link, -AXC_EUNAVAILABLE);
    settle(node, NULL);
    assert_true(got(0, AXI_WIRE_REPORT)->m.Report.complete); /* before the first heartbeat */
    assert_non_null(got(0, AXI_WIRE_HEARTBEAT));
    assert_null(got(1, AXI_WIRE_HEARTBEAT));
    ack_heartbeat(0, 777 * MS);
    assert_int_equal(node->lease_ns, node->now_ns + 777 * MS);
    axi_agent_get_status(node->agent, &status);
    assert_true(status.is_kept);
    assert_true(status_of(0).is_keeper);
    pass_time(node, NULL, 30 * MS);
    axi_agent_link_up(node->agent, node->master_link, false);
    say(node, AXI_WIRE_HELLO_REPLY, &(axi_HelloReply){.protocol = 1, .heartbeat_ns = 100 * MS},
        NULL, 0);
    settle(node, NULL);
    pass_time(node, NULL, 150 * MS);
    assert_null(got(0, AXI_WIRE_HEARTBEAT));
    assert_false(status_of(0).is_keeper);
}

static void silent_keeper_is_replaced_by_the_next_manager(void **state)
{
    (void)state;
    begin(2);
    axi_agent_link_down(node->agent, node->master_link, -AXC_EUNAVAILABLE);
    settle(node, NULL);
    for (int i = 0; i < 4; i++) {
        pass_time(node, NULL, 100 * MS);
    }
    assert_non_null(got(1, AXI_WIRE_HEARTBEAT));
    ack_heartbeat(1, 500 * MS);
    assert_int_equal(node->lease_ns, node->now_ns + 500 * MS);
    axi_agent_link_down(node->agent, node->managers[1].link, 0);
    node->managers[0].next = node->managers[0].count;
    settle(node, NULL);
    assert_non_null(got(0, AXI_WIRE_HEARTBEAT));
}

static void keeper_hears_of_the_fence_and_may_resume(void **state)
{
    struct fake_frame *frame;

    (void)state;
    begin(1);
    axi_agent_link_down(node->agent, node->master_link, -AXC_EUNAVAILABLE);
    settle(node, NULL);
    (void)got(0, AXI_WIRE_HEARTBEAT);
    ack_heartbeat(0, 5000 * MS); /* it keeps the lease now */
    node->slots[0].view.state = AXI_SLOT_FENCED;
    fake_trace(node, 0, AXI_TRACE_FENCED);
    settle(node, NULL);
    frame = got(0, AXI_WIRE_REPORT);
    assert_non_null(frame);
    assert_int_equal(frame->m.Report.instances[0].state, AXI_SLOT_FENCED);
    tell(0, AXI_WIRE_RESUME, &(axi_Resume){.request = 70, .task_id = 77, .epoch = 3});
    expect_answer(0, 70, 0);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_ACTIVE);
    pass_time(node, NULL, 200 * MS);
    join(node);
    say(node, AXI_WIRE_SET_OUTPUT,
        &(axi_SetOutput){.request = 71, .task_id = 77, .epoch = 3, .output_until = 4}, NULL, 0);
    settle(node, NULL);
    expect_result(node, 71, -AXC_ENODE_LEASE); /* a master that does not keep it (yet) */
    assert_int_equal(node->slots[0].view.output_until, 0);
}

/* ---- offload ---- */

static void lasting_overload_asks_the_master_for_help(void **state)
{
    (void)state;
    begin(0);
    node->cpu_load_ppm = 950000;
    for (int i = 0; i < 2; i++) {
        renew(node, 600 * MS);
        pass_time(node, NULL, 100 * MS);
    }
    assert_null(heard(node, AXI_WIRE_OFFLOAD_REQUEST));
    node->frame_next = 0;
    for (int i = 0; i < 4; i++) {
        renew(node, 600 * MS);
        pass_time(node, NULL, 100 * MS);
    }
    assert_non_null(heard(node, AXI_WIRE_OFFLOAD_REQUEST));
    assert_null(heard(node, AXI_WIRE_OFFLOAD_REQUEST)); /* once is enough */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(connects_to_listed_managers_and_greets),
        TEST(closes_a_manager_that_left_the_list),
        TEST(connects_again_after_a_loss_or_a_refusal),
        TEST(one_manager_behind_two_addresses_is_linked_once),
        TEST(frames_that_no_manager_may_send_end_the_link),
        TEST(tells_each_new_checkpoint_once),
        TEST(tells_every_write_still_in_the_ring_and_counts_the_others),
        TEST(slow_manager_gets_no_notices_until_it_has_room),
        TEST(standby_has_no_checkpoints_of_its_own),
        cmocka_unit_test_setup_teardown(datagrams_tell_all_managers_at_once, setup_notifying,
                                        teardown),
        TEST(answers_reads_whole_and_in_parts),
        TEST(reads_of_what_is_not_there_have_their_own_codes),
        TEST(reads_wait_for_room_and_a_flood_ends_the_link),
        TEST(acks_become_the_durable_job_of_the_report),
        TEST(manager_restores_a_task_with_image_and_checkpoint),
        TEST(load_fails_when_its_manager_goes_before_the_image_came),
        TEST(answer_goes_to_the_link_that_asked_last),
        TEST(stale_epochs_of_managers_are_refused),
        TEST(warm_standby_starts_under_the_fresh_epoch),
        TEST(no_manager_loads_on_a_node_that_knows_no_time),
        TEST(nothing_starts_on_a_node_without_a_lease),
        TEST(load_query_is_answered_with_what_the_node_has),
        TEST(one_manager_keeps_the_lease_while_the_master_is_away),
        TEST(silent_keeper_is_replaced_by_the_next_manager),
        TEST(keeper_hears_of_the_fence_and_may_resume),
        TEST(lasting_overload_asks_the_master_for_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
