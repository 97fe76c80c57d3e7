/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent must refuse without harm: frames, chunks, requests, images. */
#include "base/bytes.h"
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

static void wrong_image_fails_the_load(void **state)
{
    (void)state;
    join(node);
    load(node, 10, 1);
    send_image(10, 12345, 30000);
    expect_result(node, 10, -AXC_EWIRE_OBJECT_CRC);
    load(node, 11, 2);
    node->image[5] ^= 1;
    send_image(11, axi_crc32c(0, node->image, FAKE_IMAGE_BYTES), 30000);
    expect_result(node, 11, -AXC_EIMAGE_DIGEST);
}

static void bad_chunks_fail_only_their_request(void **state)
{
    static const struct {
        uint64_t offset, total;
        size_t bytes;
        int code;
    } cases[] = {
        {0, 0, 10, -AXC_EWIRE_OBJECT},
        {0, FAKE_IMAGE_BYTES + 1, 10, -AXC_EWIRE_OBJECT},
        {0, 5, 10, -AXC_EWIRE_CHUNK},
        {0, FAKE_IMAGE_BYTES, 0, -AXC_EWIRE_CHUNK},
        {100, FAKE_IMAGE_BYTES, 10, -AXC_EWIRE_CHUNK},
        {UINT64_MAX - 3, FAKE_IMAGE_BYTES, 10, -AXC_EWIRE_CHUNK},
    };

    (void)state;
    join(node);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        axi_Chunk chunk = {.transfer = 10 + i,
                           .kind = AXI_CHUNK_ELF,
                           .offset = cases[i].offset,
                           .total = cases[i].total};

        load(node, 10 + i, 1 + i);
        say(node, AXI_WIRE_CHUNK, &chunk, node->image, cases[i].bytes);
        expect_result(node, 10 + i, cases[i].code);
        assert_false(node->is_master_closed);
    }
}

static void admission_refuses_with_a_reason(void **state)
{
    axi_Load message = {.spec = fake_spec()};
    struct {
        int code;
        axi_TaskSpec spec;
        uint64_t memory;
    } cases[] = {
        {-AXC_EADMIT_NO_WCET, fake_spec(), UINT64_MAX},
        {-AXC_EADMIT_DEADLINE, fake_spec(), UINT64_MAX},
        {-AXC_EADMIT_LOAD, fake_spec(), UINT64_MAX},
        {-AXC_EADMIT_SERVICE, fake_spec(), UINT64_MAX},
        {-AXC_EADMIT_MEMORY, fake_spec(), 1000},
        {-AXC_EELF_TOO_LARGE, fake_spec(), UINT64_MAX},
        {-AXC_EINVALID, fake_spec(), UINT64_MAX},
    };

    (void)state;
    node->has_image = true;
    cases[0].spec.wcet_ns = 0;
    cases[1].spec.deadline_ns = 1 * MS;
    cases[2].spec.wcet_ns = 95 * MS / 10;
    cases[3].spec.needs = 0x80;
    cases[5].spec.elf_bytes = UINT64_C(1) << 40;
    cases[6].spec.state_bytes = 1u << 20;
    join(node);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_frame *frame;

        node->memory_free = cases[i].memory;
        message = (axi_Load){.request = 100 + i, .spec = cases[i].spec, .epoch = 1};
        say(node, AXI_WIRE_LOAD, &message, NULL, 0);
        frame = heard(node, AXI_WIRE_RESULT);
        assert_non_null(frame);
        assert_int_equal(frame->m.Result.code, cases[i].code);
        assert_true(frame->m.Result.reason[0] != 0);
    }
}

/* On bare metal network and agent take a share of the processor, too. */
static void admission_counts_the_server(void **state)
{
    struct axi_agent_config config = fake_config(node, 1);
    struct axi_agent_port port = fake_port;

    (void)state;
    port.context = node;
    config.server_budget_ns = 4 * MS;
    config.server_period_ns = 10 * MS;
    node->agent = axi_agent_init(node->memory, &config, &port);
    node->has_image = true;
    join(node);
    for (uint32_t i = 0; i < 2; i++) {
        axi_Load message = {.request = 10 + i, .spec = fake_spec(), .epoch = 1};

        message.spec.task_id = 100 + i;
        message.spec.period_ns = 10 * MS;
        message.spec.deadline_ns = 10 * MS;
        message.spec.wcet_ns = i == 0 ? 51 * MS / 10 : 49 * MS / 10; /* of 9 ms together */
        say(node, AXI_WIRE_LOAD, &message, NULL, 0);
        settle(node, NULL);
        expect_result(node, 10 + i, i == 0 ? -AXC_EADMIT_LOAD : 0);
    }
}

static void slots_are_bounded(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    for (uint32_t i = 0; i <= FAKE_SLOTS; i++) {
        axi_Load message = {.request = 10 + i, .spec = fake_spec(), .epoch = 1};

        message.spec.task_id = 100 + i;
        message.spec.wcet_ns = MS;
        say(node, AXI_WIRE_LOAD, &message, NULL, 0);
        settle(node, NULL);
        expect_result(node, 10 + i, i < FAKE_SLOTS ? 0 : -AXC_EADMIT_SLOTS);
    }
}

static void image_that_disagrees_with_the_spec_is_unloaded(void **state)
{
    (void)state;
    node->has_image = true;
    join(node);
    node->meta.state_version = 2;
    load(node, 10, 1);
    expect_result(node, 10, -AXC_ECKPT_STATE_VERSION);
    node->meta.state_version = 1;
    node->meta.schema_hash[3] = 1;
    load(node, 11, 2);
    expect_result(node, 11, -AXC_ECKPT_SCHEMA);
    node->load_error = -AXC_EELF_MACHINE;
    load(node, 12, 3);
    expect_result(node, 12, -AXC_EELF_MACHINE);
    assert_int_equal(node->unloads, 2);
    assert_int_equal(node->slots[0].view.state, AXI_SLOT_FREE);
}

static void requests_for_nothing_are_refused(void **state)
{
    (void)state;
    join(node);
    start(node, 10, 1);
    expect_result(node, 10, -AXC_ENOENT);
    say(node, AXI_WIRE_REMOVE, &(axi_Remove){.request = 11, .task_id = 77, .epoch = 1}, NULL, 0);
    expect_result(node, 11, 0);
    say(node, AXI_WIRE_HALT, &(axi_Halt){.request = 0, .task_id = 77, .epoch = 1}, NULL, 0);
    expect_result(node, 0, -AXC_EINVALID);
    say(node, AXI_WIRE_TRANSFER, &(axi_Transfer){.migration = 99}, NULL, 0);
    assert_int_equal(heard(node, AXI_WIRE_PROGRESS)->m.Progress.code, -AXC_ENOENT);
}

/* Bad frames on a master link: Goodbye with the reason, then closed; the node joins again. */
static void bad_frames_end_the_link(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
        int code;
    } cases[] = {
        {0, 'B', AXC_EWIRE_MAGIC}, {2, 9, AXC_EWIRE_VERSION},   {3, 1, AXC_EWIRE_FLAGS},
        {4, 99, AXC_EWIRE_TYPE},   {7, 0x7f, AXC_EWIRE_LENGTH}, {8, 1, AXC_EWIRE_TAIL},
        {12, 0, AXC_EWIRE_CRC},    {4, 3, AXC_EWIRE_CRC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t frame[64];
        size_t bytes = 0;
        axi_Halt halt = {.request = 1, .task_id = 2, .epoch = 3};
        struct fake_frame *goodbye;

        join(node);
        assert_int_equal(
            axi_wire_encode(AXI_WIRE_HALT, &halt, NULL, 0, frame, sizeof frame, &bytes), 0);
        frame[cases[i].offset] = cases[i].offset == 12 ? (uint8_t)(frame[12] ^ 1) : cases[i].value;
        axi_agent_link_bytes(node->agent, node->master_link, frame, bytes);
        goodbye = heard(node, AXI_WIRE_GOODBYE);
        assert_non_null(goodbye);
        assert_int_equal(goodbye->m.Goodbye.code, -cases[i].code);
        assert_true(node->is_master_closed);
        forget_heard(node);
        pass_time(node, NULL, 1000 * MS);
    }
}

static void message_out_of_place_ends_the_link(void **state)
{
    (void)state;
    settle(node, NULL);
    axi_agent_link_up(node->agent, node->master_link, false);
    say(node, AXI_WIRE_HALT, &(axi_Halt){.request = 1}, NULL, 0); /* before HelloReply */
    assert_int_equal(heard(node, AXI_WIRE_GOODBYE)->m.Goodbye.code, -AXC_EWIRE_STATE);
    pass_time(node, NULL, 1000 * MS);
    join(node);
    say(node, AXI_WIRE_HEARTBEAT, &(axi_Heartbeat){0}, NULL, 0); /* wrong direction */
    assert_int_equal(heard(node, AXI_WIRE_GOODBYE)->m.Goodbye.code, -AXC_EWIRE_STATE);
    pass_time(node, NULL, 1000 * MS);
    join(node);
    say(node, AXI_WIRE_CHUNK, &(axi_Chunk){.transfer = 4, .kind = 9}, "x", 1);
    assert_int_equal(heard(node, AXI_WIRE_GOODBYE)->m.Goodbye.code, -AXC_EWIRE_CHUNK);
}

/* Any bytes at all, in any state: no crash, and never more than the limits. */
static void noise_never_harms(void **state)
{
    uint32_t seed = 1;

    (void)state;
    node->has_image = true;
    for (int round = 0; round < 300; round++) {
        uint8_t noise[300];
        axi_Load message = {.request = 10, .spec = fake_spec(), .epoch = 1};
        size_t bytes = 0;

        forget_heard(node);
        join(node);
        assert_int_equal(
            axi_wire_encode(AXI_WIRE_LOAD, &message, NULL, 0, noise, sizeof noise, &bytes), 0);
        for (int flips = 0; flips < 4; flips++) {
            seed = seed * 1664525u + 1013904223u;
            noise[16 + (seed >> 8) % (bytes - 16)] = (uint8_t)seed;
        }
        axi_put_le16(noise + 4, (uint16_t)(1 + (seed >> 16) % 30)); /* as another message */
        axi_put_le32(noise + 12, axi_crc32c(axi_crc32c(0, noise, 12), noise + 16, bytes - 16));
        axi_agent_link_bytes(node->agent, node->master_link, noise, bytes);
        settle(node, NULL);
        if (!node->is_master_closed) {
            axi_agent_link_down(node->agent, node->master_link, 0);
        }
        pass_time(node, NULL, 3000 * MS);
    }
}

static void memory_is_refused_for_limits_out_of_range(void **state)
{
    struct axi_agent_config config = {.slots = 0};

    (void)state;
    assert_int_equal(axi_agent_bytes(&config), 0);
    config.slots = 2000;
    assert_int_equal(axi_agent_bytes(&config), 0);
    config.slots = 1;
    config.chunk_bytes = AXI_WIRE_TAIL_BYTES_MAX + 1;
    assert_int_equal(axi_agent_bytes(&config), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(wrong_image_fails_the_load),
        T(bad_chunks_fail_only_their_request),
        T(admission_refuses_with_a_reason),
        T(admission_counts_the_server),
        T(slots_are_bounded),
        T(image_that_disagrees_with_the_spec_is_unloaded),
        T(requests_for_nothing_are_refused),
        T(bad_frames_end_the_link),
        T(message_out_of_place_ends_the_link),
        T(noise_never_harms),
        T(memory_is_refused_for_limits_out_of_range),
    };

    return cmocka_run_group_tests_name("agent_input", tests, NULL, NULL);
}
